package sqlstore_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

// furnish gives the tenant one of everything that is counted.
func (w *tampered) furnish() {
	w.Helper()
	must := func(_ any, err error) {
		w.Helper()
		if err != nil {
			w.Fatal(err)
		}
	}
	_, err := w.engine.UpdateTenant(w.Context(), rentroll.UpdateTenantParams{TenantID: w.tenant, Change: func(t *rentroll.TenantEdit) error {
		t.ExternalID, t.LimitOverrides = "org-1", quota.Limits{quota.RunsPerDay: quota.NoLimit(), quota.PerMonth("pages"): quota.Of(1e6), quota.PerDay("pages"): quota.Of(6), quota.ConcurrentRuns: quota.Of(1), quota.SpendPerMonth: quota.Of(1400), quota.ForSubjects(quota.ConcurrentRuns): quota.Of(9)}
		return nil
	}})
	must(nil, err)
	user, err := w.engine.CreateUser(w.Context(), rentroll.CreateUserParams{Email: "a@acme.example", ExternalID: "user-1"})
	must(user, err)
	must(w.engine.CreateMembership(w.Context(), rentroll.CreateMembershipParams{TenantID: w.tenant, UserID: user.ID}))
	_, key, err := w.engine.CreateAPIKey(w.Context(), rentroll.CreateAPIKeyParams{
		TenantID: w.tenant, Name: "ci", MaxConcurrentRuns: new(int64(9)), MaxTokensPerMonth: new(int64(9000)), ExpiresInDays: 9,
	})
	must(key, err)
	must(w.engine.PutMeter(w.Context(), rentroll.PutMeterParams{TenantID: w.tenant, Meter: "pages", Dimensions: []string{"model"}}))
	must(w.engine.PutMeter(w.Context(), rentroll.PutMeterParams{
		TenantID: w.tenant, Meter: "seats", Aggregation: rentroll.AggregateMax, Dimensions: []string{"model"},
	}))
	for i := range 2 { // one is left open
		run, err := w.engine.CreateRun(w.Context(), rentroll.CreateRunParams{
			TenantID: w.tenant, WorkerID: "builder", Task: "t", APIKeyID: key.ID, ReserveTokens: 100, Subject: "ada",
		})
		must(run, err)
		if i == 0 {
			must(w.engine.CompleteRun(w.Context(), rentroll.CompleteRunParams{TenantID: w.tenant, RunID: run.ID, TotalTokens: 70, CostMicros: 1200}))
		}
	}
	must(w.engine.RecordUsageBatch(w.Context(), rentroll.RecordUsageBatchParams{TenantID: w.tenant, Events: []rentroll.UsageParams{
		{Meter: "pages", Amount: 5, WorkerID: "builder", Metadata: []byte(`{"model":"xl"}`)},
		{Meter: "seats", Amount: 12, WorkerID: "builder", Metadata: []byte(`{"model":"xl"}`)},
		{Meter: "seats", Amount: 11},
		{Meter: "pages", Amount: 6, Time: time.Now().Add(-50 * time.Hour)},
		{Meter: rentroll.MeterTokensUsed, Amount: 7, APIKeyID: key.ID},
	}}))
	must(w.engine.RecordUsageBatch(w.Context(), rentroll.RecordUsageBatchParams{TenantID: w.tenant, Events: []rentroll.UsageParams{
		{Meter: "calls", Amount: 9, EventID: "call-1"},
		{Meter: "calls", Amount: 8, EventID: "call-2"},
		{Meter: "calls", Amount: 2_000_000},
		{Meter: "calls", Amount: -3, EventID: "back-1", Corrects: "call-1"},
		{Meter: "calls", Amount: -1, EventID: "back-2", Corrects: "call-1"},
	}}))
	must(nil, w.engine.IncrementUsage(w.Context(), rentroll.IncrementUsageParams{TenantID: w.tenant, Tokens: 3}))
	must(nil, w.engine.IncrementUsage(w.Context(), rentroll.IncrementUsageParams{TenantID: w.tenant, Tokens: 1_000_000}))
}

// reconcile compares everything.
func (w *tampered) reconcile(repair bool) *rentroll.Reconciliation {
	w.Helper()
	all := &rentroll.Reconciliation{}
	for cursor := ""; ; {
		r, err := w.engine.Reconcile(w.Context(), rentroll.ReconcileParams{Repair: repair, Cursor: cursor})
		if err != nil {
			w.Fatal(err)
		}
		all.Tenants += r.Tenants
		all.Differences = append(all.Differences, r.Differences...)
		if cursor = string(r.NextCursor); cursor == "" {
			return all
		}
	}
}

// damages are what may be changed behind the engine's back, and where that must be found first.
var damages = []struct{ table, field, change string }{
	{"accounts", "runs_today", "UPDATE accounts SET runs_today = runs_today + 5 WHERE tenant_id = TENANT"},
	{"accounts", "tokens_used", "UPDATE accounts SET tokens_used = tokens_used - 7 WHERE tenant_id = TENANT"},
	{"accounts", "tokens_ahead", "UPDATE accounts SET tokens_ahead = 9 WHERE tenant_id = TENANT"},
	{"accounts", "concurrent_runs", "UPDATE accounts SET concurrent_runs = 0 WHERE tenant_id = TENANT"},
	{"accounts", "tokens_reserved", "UPDATE accounts SET tokens_reserved = 1 WHERE tenant_id = TENANT"},
	{"accounts", "workers", "UPDATE accounts SET workers = 77 WHERE tenant_id = TENANT"},
	{"accounts", "api_keys", "UPDATE accounts SET api_keys = -1 WHERE tenant_id = TENANT"},
	{"accounts", "owners", "UPDATE accounts SET owners = 0 WHERE tenant_id = TENANT"},
	{"accounts", "next_lease_expiry", "UPDATE accounts SET next_lease_expiry = 0 WHERE tenant_id = TENANT"},
	{"accounts", "next_lease_expiry", "UPDATE accounts SET next_lease_expiry = next_lease_expiry + 86400000000 WHERE tenant_id = TENANT"},
	{"accounts", "next_key_expiry", "UPDATE accounts SET next_key_expiry = 0 WHERE tenant_id = TENANT"},
	{"key_uses", "concurrent_runs", "UPDATE key_uses SET concurrent_runs = 4"},
	{"key_uses", "tokens_reserved", "UPDATE key_uses SET tokens_reserved = 0"},
	{"key_uses", "tokens_used", "UPDATE key_uses SET tokens_used = 1"},
	{"subjects", "concurrent_runs", "UPDATE subjects SET concurrent_runs = 9"},
	{"subjects", "tokens_reserved", "UPDATE subjects SET tokens_reserved = -1"},
	{"subjects", "runs_used", "UPDATE subjects SET runs_used = 0"},
	{"subjects", "runs_used", "UPDATE subjects SET runs_used = 3"},
	{"subjects", "runs_used", "UPDATE subjects SET day_start = 0"},
	{"subjects", "runs_ahead", "UPDATE subjects SET runs_ahead = 1"},
	{"subjects", "tokens_used", "UPDATE subjects SET tokens_used = tokens_used - 1"},
	{"subjects", "tokens_used", "UPDATE subjects SET tokens_used = tokens_used + 7"},
	{"subjects", "tokens_ahead", "UPDATE subjects SET tokens_ahead = 1"},
	{"key_uses", "tokens_used", "UPDATE key_uses SET month_start = 0"},
	{"accounts", "subjects", "UPDATE accounts SET subjects = 0 WHERE tenant_id = TENANT"},
	{"accounts", "uncounted_runs", "UPDATE accounts SET uncounted_runs = 3 WHERE tenant_id = TENANT"},
	{"meters", "day_used", "UPDATE meters SET day_used = day_used + 4 WHERE name = 'pages'"},
	{"meters", "day_ahead", "UPDATE meters SET day_ahead = 4 WHERE name = 'pages'"},
	{"meters", "month_used", "UPDATE meters SET month_used = 0 WHERE name = 'pages'"},
	{"meters", "month_ahead", "UPDATE meters SET month_ahead = -1 WHERE name = 'pages'"},
	{"usage_rollups", "total", "UPDATE usage_rollups SET total = total + 1 WHERE meter = 'pages' AND dimension = '' AND total = 6"},
	{"usage_rollups", "events", "UPDATE usage_rollups SET events = 8 WHERE meter = 'pages' AND dimension = 'worker'"},
	{"usage_rollups", "total", "UPDATE usage_rollups SET total = 0 WHERE meter = 'tokens_used' AND dimension = 'api_key'"},
	{"usage_rollups", "total", "DELETE FROM usage_rollups WHERE meter = 'pages' AND dimension = '' AND total = 6"},
	{"usage_rollups", "total", `INSERT INTO usage_rollups (tenant_id, dimension, bucket, meter, value, total, events)
		VALUES (TENANT, '', 3600000000, 'ghosts', '', 1, 1)`},
	{"accounts", "spend_used", "UPDATE accounts SET spend_used = 1 WHERE tenant_id = TENANT"},
	{"usage_rollups", "total", "UPDATE usage_rollups SET total = 9 WHERE meter = 'pages' AND dimension = '.model'"},
	{"usage_rollups", "total", "DELETE FROM usage_rollups WHERE meter = 'pages' AND dimension = '.model'"},
	{"usage_rollups", "events", "UPDATE usage_rollups SET events = 9 WHERE meter = 'seats' AND dimension = 'statement'"},
	{"usage_rollups", "total", "UPDATE usage_rollups SET total = 9 WHERE meter = '' AND dimension = 'statement'"},
	{"usage_rollups", "total", "DELETE FROM usage_rollups WHERE dimension = 'statement'"},
	{"usage_rollups", "total", `INSERT INTO usage_rollups (tenant_id, dimension, bucket, meter, value, total, events)
		SELECT tenant_id, dimension, bucket, meter, '1', total, events FROM usage_rollups WHERE meter = 'tokens_used' AND dimension = 'statement'`},
	{"usage_peaks", "peak", "UPDATE usage_peaks SET peak = 99 WHERE dimension = ''"},
	{"usage_peaks", "peak", "UPDATE usage_peaks SET peak = 99 WHERE dimension = '.model'"},
	{"usage_peaks", "peak", "UPDATE usage_peaks SET peak = 99 WHERE dimension = 'statement'"},
	{"usage_peaks", "peak", `INSERT INTO usage_peaks (tenant_id, dimension, bucket, meter, value, peak)
		VALUES (TENANT, '', 3600000000, 'seats', '', 5)`},
	{"usage_marks", "corrected", "UPDATE usage_marks SET corrected = 0 WHERE event_id = 'call-1'"},
	{"usage_marks", "corrected", "UPDATE usage_marks SET corrected = 3 WHERE event_id = 'call-1'"},
	{"usage_marks", "corrected", "UPDATE usage_marks SET corrected = 9 WHERE event_id = 'call-1'"},
	{"usage_marks", "corrected", "UPDATE usage_marks SET corrected = 5 WHERE event_id = 'call-2'"},
	{"usage_marks", "usage_id", "DELETE FROM usage_marks WHERE event_id = 'call-2'"},
	{"usage_marks", "usage_id", "DELETE FROM usage_marks"},
	{"meters", "heavy", "UPDATE meters SET heavy = 0 WHERE name = 'calls'"},
	{"meters", "heavy", "UPDATE meters SET heavy = 5000000 WHERE name = 'calls'"},
	{"meters", "heavy", "UPDATE meters SET heavy_month = 1 WHERE name = 'calls'"},
	{"meters", "heavy", "UPDATE meters SET heavy = 1999999999999999999, heavy_month = (SELECT heavy_month FROM meters WHERE name = 'calls') WHERE name = 'seats'"},
	{"meters", "heavy", "DELETE FROM meters WHERE name = 'tokens_used'"},
	{"accounts", "marks", "UPDATE accounts SET marks = NULL WHERE tenant_id = TENANT"},
	{"accounts", "marks", "DELETE FROM events WHERE data LIKE '%spend%'"},
	{"meters", "day_mark", "UPDATE meters SET day_mark = 100 WHERE name = 'pages'"},
	{"meters", "month_mark", "UPDATE meters SET month_mark = 80 WHERE name = 'pages'"},
	{"meters", "month_mark", "UPDATE meters SET month_mark = 256 WHERE name = 'pages'"},
	{"usage_values", "known", "UPDATE usage_values SET known = known + 1 WHERE meter = 'pages' AND value = ''"},
	{"usage_values", "known", "UPDATE usage_values SET known = 0 WHERE meter = 'seats' AND value = ''"},
	{"usage_values", "known", "DELETE FROM usage_values WHERE meter = 'seats' AND value = ''"},
	{"usage_values", "value", "DELETE FROM usage_values WHERE meter = 'pages' AND value = 'xl'"},
	{"usage_values", "value", "DELETE FROM usage_values WHERE meter = 'seats'"},
	{"usage_values", "value", "DELETE FROM usage_values"},
	{"usage_values", "value", "UPDATE usage_values SET value = 'xs' WHERE meter = 'pages' AND value = 'xl'"},
	{"usage_values", "value", `INSERT INTO usage_values (tenant_id, meter, dimension, month, value, known)
		SELECT tenant_id, meter, dimension, month, 'ghost', 0 FROM usage_values WHERE meter = 'pages' AND value = ''`},
	{"usage_values", "known", `INSERT INTO usage_values (tenant_id, meter, dimension, month, value, known)
		VALUES (TENANT, 'pages', 'model', 1000000, 'ghost', 0)`},
	{"usage_peaks", "peak", "UPDATE usage_peaks SET peak = 3 WHERE dimension = ''"},
	{"usage_peaks", "peak", "UPDATE usage_peaks SET peak = 3 WHERE dimension = '.model'"},
	{"usage_peaks", "peak", "DELETE FROM usage_peaks WHERE dimension = 'worker'"},
	{"usage_peaks", "peak", "DELETE FROM usage_peaks WHERE dimension = 'statement'"},
	{"directory", "owner", "DELETE FROM directory WHERE kind = 'slug'"},
	{"directory", "owner", "DELETE FROM directory WHERE kind = 'external_id'"},
	{"directory", "owner", "DELETE FROM directory WHERE kind = 'user_external_id'"},
	{"directory", "owner", "UPDATE directory SET owner = (SELECT id FROM users) WHERE kind = 'slug'"},
	{"directory", "owner", "INSERT INTO directory (kind, value, owner) VALUES ('slug', 'nobody', TENANT)"},
	{"directory", "owner", "INSERT INTO directory (kind, value, owner) VALUES ('user_external_id', 'nobody', TENANT)"},
	{"directory", "owner", "INSERT INTO directory (kind, value, owner) VALUES ('key_hash', '00', TENANT)"},
}

// TestReconcile: whatever is changed behind the engine's back in a counter, a bound, a rollup or the directory is found,
// mended, and the mending told by the audit.
func TestReconcile(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(w *tampered) {
		w.furnish()
		if r := w.reconcile(false); len(r.Differences) > 0 || r.Tenants != 1 {
			w.Fatalf("before anything was changed: %+v", r)
		}
		for _, c := range damages {
			w.sql(c.change)
			found := w.reconcile(false).Differences
			if len(found) == 0 || found[0].Table != c.table || found[0].Field != c.field || found[0].Mended {
				w.Fatalf("%s: found %+v, want %s of %s", c.change, found, c.field, c.table)
			}
			for _, d := range w.reconcile(true).Differences {
				if !d.Mended {
					w.Errorf("%s: %+v is not mended", c.change, d)
				}
			}
			if left := w.reconcile(false).Differences; len(left) > 0 {
				w.Fatalf("%s: after the repair there is still %+v", c.change, left)
			}
		}
		w.expect(w.verify(nil), 0, "")
		repairs := w.number("SELECT COUNT(*) FROM audit WHERE action IN ('tenant.reconcile', 'directory.reconcile')")
		if repairs < 20 {
			w.Errorf("the audit tells of %d repairs", repairs)
		}
		w.rename(w.engine, "Still at work")
	})
}

// TestReconcileContradictions: what can't be mended is told and left alone.
func TestReconcileContradictions(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(w *tampered) {
		w.furnish()
		w.sql("INSERT INTO periods (tenant_id, start_at, end_at) VALUES (TENANT, 1000000, 9000000), (TENANT, 5000000, 99000000)")
		other, err := w.engine.CreateTenant(w.Context(), rentroll.CreateTenantParams{Name: "Other", Slug: "other"})
		if err != nil {
			w.Fatal(err)
		}
		w.sql("UPDATE tenants SET slug = 'acme' WHERE slug = 'other'", "DELETE FROM directory WHERE value = 'other'")
		for _, d := range w.reconcile(true).Differences {
			switch {
			case d.Mended || d.Note == "":
				w.Errorf("%+v is said to be mended", d)
			case d.Table == "directory" && d.TenantID != other.ID, d.Table != "directory" && d.Table != "periods":
				w.Errorf("%+v was not expected", d)
			}
		}
		if left := w.reconcile(false).Differences; len(left) != 2 {
			w.Errorf("%d differences are left, want the periods and the slug: %+v", len(left), left)
		}
	})
}

// meanwhile is a store in which something happens before its first transaction. It does not close the one behind it.
type meanwhile struct {
	rentroll.Store

	before func()
}

func (m *meanwhile) Begin(ctx context.Context) (rentroll.Tx, error) {
	if f := m.before; f != nil {
		m.before = nil
		f()
	}
	return m.Store.Begin(ctx)
}

func (*meanwhile) Close() error { return nil }

// TestReconcileLowers: a largest amount that is too large is lowered, and one that came between the comparison and the
// lowering is not lost by it.
func TestReconcileLowers(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(w *tampered) {
		w.furnish()
		w.sql("UPDATE usage_peaks SET peak = 99")
		between := 0
		store := &meanwhile{Store: w.store}
		other, err := rentroll.New(store, &rentroll.Options{SweepInterval: -1})
		if err != nil {
			w.Fatal(err)
		}
		defer other.Close()
		store.before = func() {
			between++
			_, err := w.engine.RecordUsage(w.Context(), rentroll.RecordUsageParams{
				TenantID: w.tenant, UsageParams: rentroll.UsageParams{Meter: "seats", Amount: 50, Metadata: []byte(`{"model":"xl"}`)},
			})
			if err != nil {
				w.Error(err)
			}
		}
		r, err := other.Reconcile(w.Context(), rentroll.ReconcileParams{TenantID: w.tenant, Repair: true})
		if err != nil || len(r.Differences) == 0 || !r.Clean() || r.NextCursor != "" || between != 1 {
			w.Fatalf("the repair: %+v, %v, with %d events between", r, err, between)
		}
		if left := w.reconcile(false).Differences; len(left) > 0 {
			w.Errorf("after the repair there is still %+v", left)
		}
		sum, err := w.engine.GetUsageSummary(w.Context(), rentroll.UsageSummaryParams{TenantID: w.tenant})
		if err != nil || sum.Meters["seats"].Total != 50 {
			w.Errorf("the largest amount is %+v, %v", sum, err)
		}
	})
}

// TestReconcilePrunedSubjects: what a subject has used is left alone where rows are gone by which it would be counted.
func TestReconcilePrunedSubjects(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(w *tampered) {
		w.furnish()
		w.sql("UPDATE subjects SET runs_used = 9, tokens_used = 9")
		for _, gone := range []struct {
			change string
			fields []string
		}{
			{"INSERT INTO pruned (tenant_id, kind, until_at) VALUES (TENANT, 'runs', 1)", nil},
			{"DELETE FROM runs WHERE status > 2", []string{"tokens_used"}},
			{"UPDATE pruned SET until_at = 9000000000000000", []string{"runs_used", "tokens_used"}},
		} {
			w.sql(gone.change)
			r, err := w.engine.Reconcile(w.Context(), rentroll.ReconcileParams{TenantID: w.tenant})
			if err != nil {
				w.Fatal(err)
			}
			compared := map[string]bool{}
			for _, d := range r.Differences {
				compared[d.Field] = compared[d.Field] || d.Table == "subjects"
			}
			for _, field := range []string{"runs_used", "tokens_used"} {
				left := slices.ContainsFunc(r.Unchecked, func(u rentroll.Unchecked) bool { return u.Table == "subjects" && u.Field == field })
				if want := slices.Contains(gone.fields, field); left != want || compared[field] == want {
					w.Errorf("%s: %s is compared: %t, and said to be unchecked: %t, want %t", gone.change, field, compared[field], left, want)
				}
			}
		}
		if n := w.number("SELECT SUM(runs_used + tokens_used) FROM subjects"); n != 18 {
			w.Errorf("nothing was to be mended, and %d stands there", n)
		}
	})
}

// TestReconcileLostPeriods: events of which no period is written down, those from before the tenant for instance, get their
// statement by a repair, and the period with it.
func TestReconcileLostPeriods(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(w *tampered) {
		w.furnish()
		now := time.Now()
		_, err := w.engine.RecordUsage(w.Context(), rentroll.RecordUsageParams{
			TenantID: w.tenant, UsageParams: rentroll.UsageParams{Meter: "pages", Amount: 3, Time: now.Add(-34 * 24 * time.Hour)},
		})
		if err != nil {
			w.Fatal(err)
		}
		statements := func() (out []*rentroll.Statement) {
			list, err := w.engine.ListStatements(w.Context(), w.tenant)
			if err != nil {
				w.Fatal(err)
			}
			for _, p := range list {
				s, err := w.engine.GetStatement(w.Context(), w.tenant, p.Period)
				if err != nil {
					w.Fatal(err)
				}
				out = append(out, s)
			}
			return out
		}
		before := statements()
		if len(before) < 2 {
			w.Fatalf("the event's period has no statement: %+v", before)
		}
		w.sql("DELETE FROM periods", "DELETE FROM usage_rollups WHERE dimension = 'statement'")
		r := w.reconcile(false)
		if i := slices.IndexFunc(r.Differences, func(d rentroll.Difference) bool { return d.Table == "periods" }); i < 0 {
			w.Errorf("the period is not missed: %+v", r.Differences)
		}
		for _, d := range w.reconcile(true).Differences {
			if !d.Mended {
				w.Errorf("%+v is not mended", d)
			}
		}
		if left := w.reconcile(false).Differences; len(left) > 0 {
			w.Errorf("after the repair there is still %+v", left)
		}
		if diff := cmp.Diff(before, statements()); diff != "" {
			w.Errorf("the statements are others (-before +after):\n%s", diff)
		}
	})
}
