package sqlstore_test

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

// TestReconcileManyCorrections: however many events of one instant were corrected, each is compared once.
func TestReconcileManyCorrections(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(w *tampered) {
		const events = 1200 // more than are read at once
		at := time.Now().Add(-time.Hour)
		for from := 0; from < events; from += 400 {
			var batch []rentroll.UsageParams
			for i := from; i < from+400; i++ {
				id := fmt.Sprintf("%05d", i)
				batch = append(batch, rentroll.UsageParams{Meter: "calls", Amount: 9, EventID: id, Time: at},
					rentroll.UsageParams{Meter: "calls", Amount: -4, EventID: "back " + id, Corrects: id})
			}
			receipt, err := w.engine.RecordUsageBatch(w.Context(), rentroll.RecordUsageBatchParams{TenantID: w.tenant, Events: batch})
			if err != nil || slices.ContainsFunc(receipt.Items, func(r rentroll.UsageResult) bool { return r.Status != rentroll.UsageRecorded }) {
				w.Fatalf("%+v, %v", receipt, err)
			}
		}
		w.sql("UPDATE usage_marks SET corrected = 0 WHERE event_id < 'back'", "UPDATE usage_marks SET corrected = 5 WHERE event_id < '00003'")
		for _, repair := range []bool{false, true} {
			found := w.reconcile(repair).Differences
			keys := map[string]bool{}
			for _, d := range found {
				keys[d.Key] = d.Table == "usage_marks" && d.Mended == repair && d.Computed == "4"
			}
			if len(found) != events || len(keys) != events || slices.Contains(slices.Collect(maps.Values(keys)), false) {
				w.Errorf("repair %t: %d differences of %d events, the last %+v", repair, len(found), len(keys), found[len(found)-1])
			}
		}
		if left := w.reconcile(false).Differences; len(left) > 0 {
			w.Errorf("after the repair there is still %+v", left)
		}
		r, err := w.engine.RecordUsage(w.Context(), rentroll.RecordUsageParams{TenantID: w.tenant, UsageParams: rentroll.UsageParams{
			Meter: "calls", Amount: -6, EventID: "too much", Corrects: "00007",
		}})
		if !errors.Is(err, rentroll.CodeValidationFailed) {
			w.Errorf("more than is left was taken back: %+v, %v", r, err)
		}
	})
}

// TestReconcileLostIDs: an event whose id was forgotten does not count again once that was mended, whatever is said of it,
// and can be corrected; where it has counted again, that is told.
func TestReconcileLostIDs(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(w *tampered) {
		now := time.Now()
		record := func(id string, amount int64, want rentroll.UsageStatus) {
			w.Helper()
			r, err := w.engine.RecordUsage(w.Context(), rentroll.RecordUsageParams{TenantID: w.tenant, UsageParams: rentroll.UsageParams{
				Meter: "calls", Amount: amount, EventID: id, Time: now.Add(-rentroll.UsageWindow + time.Hour),
			}})
			if err != nil || r.Status != want {
				w.Errorf("%s: %+v, %v, want %s", id, r, err, want)
			}
		}
		for _, id := range []string{"lost", "twice", "known", "back"} {
			record(id, 5, rentroll.UsageRecorded)
		}
		w.sql("DELETE FROM usage_marks WHERE event_id IN ('lost', 'twice')")
		record("twice", 5, rentroll.UsageRecorded)
		keys := func(repair bool) (out []string) {
			for _, d := range w.reconcile(repair).Differences {
				out = append(out, fmt.Sprintf("%s.%s %s, mended %t, note %t", d.Table, d.Field, d.Key, d.Mended, d.Note != ""))
			}
			slices.Sort(out)
			return out
		}
		twice := "usage_marks.usage_id twice, mended false, note true"
		for _, step := range []struct {
			repair bool
			want   []string
		}{
			{false, []string{"usage_marks.usage_id lost, mended false, note false", twice}},
			{true, []string{"usage_marks.usage_id lost, mended true, note false", twice}},
			{false, []string{twice}},
		} {
			if got := keys(step.repair); !slices.Equal(got, step.want) {
				w.Errorf("repair %t: found %q, want %q", step.repair, got, step.want)
			}
		}
		record("lost", 5, rentroll.UsageDuplicate)
		record("lost", 6, rentroll.UsageDuplicate)
		_, err := w.engine.RecordUsage(w.Context(), rentroll.RecordUsageParams{TenantID: w.tenant, UsageParams: rentroll.UsageParams{
			Meter: "calls", Amount: -5, EventID: "lost, back", Corrects: "lost",
		}})
		if err != nil {
			w.Error(err)
		}
	})
}

// TestReconcilePrunedCorrections: an event that is gone, and its corrections with it, leaves nothing to compare.
func TestReconcilePrunedCorrections(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(w *tampered) {
		w.furnish()
		w.sql("INSERT INTO pruned (tenant_id, kind, until_at) VALUES (TENANT, 'usage', 9000000000000000)", "DELETE FROM usage_events",
			"DELETE FROM usage_marks WHERE event_id LIKE 'back%'")
		if r := w.reconcile(true); len(r.Differences) > 0 {
			w.Errorf("found %+v", r.Differences)
		}
		if n := w.number("SELECT SUM(corrected) FROM usage_marks"); n != 4 {
			w.Errorf("nothing was to be mended, and %d is said to be taken back", n)
		}
	})
}

// TestReconcileHeavy: what runs used is not weighed, and large amounts are taken for what is left of them where some of the
// time in which they may have happened was pruned.
func TestReconcileHeavy(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(w *tampered) {
		run, err := w.engine.CreateRun(w.Context(), rentroll.CreateRunParams{TenantID: w.tenant, WorkerID: "builder", Task: "t"})
		if err != nil {
			w.Fatal(err)
		}
		_, err = w.engine.CompleteRun(w.Context(), rentroll.CompleteRunParams{TenantID: w.tenant, RunID: run.ID, TotalTokens: 3_000_000})
		if err == nil {
			err = w.engine.IncrementUsage(w.Context(), rentroll.IncrementUsageParams{TenantID: w.tenant, Tokens: 1_000_000})
		}
		if err != nil {
			w.Fatal(err)
		}
		heavy := func(repair bool) (computed []string, unchecked bool) {
			r, err := w.engine.Reconcile(w.Context(), rentroll.ReconcileParams{TenantID: w.tenant, Repair: repair})
			if err != nil {
				w.Fatal(err)
			}
			for _, d := range r.Differences {
				if d.Field == "heavy" {
					computed = append(computed, d.Key+" "+d.Computed)
				}
			}
			return computed, slices.ContainsFunc(r.Unchecked, func(u rentroll.Unchecked) bool { return u.Field == "heavy" })
		}
		for _, c := range []struct {
			change    string
			computed  []string
			unchecked bool
		}{
			{"UPDATE meters SET heavy = 1000000", nil, false}, // nothing was changed
			{"UPDATE meters SET heavy = 4000000", nil, false}, // as if it had been recorded by a caller
			{"UPDATE meters SET heavy = 999999", []string{"tokens_used 4000000"}, false},
			{"UPDATE meters SET heavy = 4000001", []string{"tokens_used 4000000"}, false},
			{"INSERT INTO pruned (tenant_id, kind, until_at) SELECT tenant_id, 'usage', heavy_month FROM meters", nil, true},
			{"UPDATE meters SET heavy = 7000000", nil, true},
			{"UPDATE meters SET heavy = 0", []string{"tokens_used 1000000"}, true},
		} {
			w.sql(c.change)
			for _, repair := range []bool{false, true} {
				if computed, unchecked := heavy(repair); !slices.Equal(computed, c.computed) || unchecked != c.unchecked {
					w.Errorf("%s: found %v, unchecked %t, want %v, %t", c.change, computed, unchecked, c.computed, c.unchecked)
				}
			}
			if computed, _ := heavy(false); len(computed) > 0 {
				w.Errorf("%s: after the repair there is still %v", c.change, computed)
			}
		}
	})
}

// TestReconcileTold: a threshold that is remembered as told, and was not, is told; one that was told is not told again.
func TestReconcileTold(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(w *tampered) {
		w.furnish()
		told := func(of quota.Name) (out []string) {
			list, err := w.engine.ListEvents(w.Context(), rentroll.ListEventsParams{TenantID: w.tenant})
			if err != nil {
				w.Fatal(err)
			}
			for _, e := range list.Items {
				var data rentroll.ThresholdData
				if err := json.Unmarshal(e.Data, &data); err != nil {
					w.Fatal(err)
				}
				if data.Quota == of {
					out = append(out, fmt.Sprintf("%3d", *data.Threshold))
				}
			}
			slices.Sort(out)
			return out
		}
		marks := make([]byte, 16)
		set := func(name quota.Name, mark uint16) {
			i := slices.IndexFunc(quota.Definitions(), func(d quota.Definition) bool { return d.Name == name })
			binary.BigEndian.PutUint16(marks[2*i:], mark)
		}
		set(quota.SpendPerMonth, 100)
		set(quota.ConcurrentRuns, 80)
		w.sql(fmt.Sprintf("UPDATE accounts SET marks = "+w.bytes+" WHERE tenant_id = TENANT", hex.EncodeToString(marks)),
			"UPDATE meters SET day_mark = 100, month_mark = 300 WHERE name = 'pages'")
		want := []string{
			"accounts concurrent_runs 80 % 100 %", "accounts spend_per_month 100 % 80 %", "meters pages 100 % 80 %", "meters pages 44 %, soft limit ",
		}
		for _, repair := range []bool{false, true} {
			var found []string
			for _, d := range w.reconcile(repair).Differences {
				found = append(found, fmt.Sprintf("%s %s %s %s", d.Table, d.Key, d.Stored, d.Computed))
			}
			slices.Sort(found)
			if !slices.Equal(found, want) {
				w.Errorf("found %q, want %q", found, want)
			}
		}
		for name, want := range map[quota.Name][]string{
			quota.SpendPerMonth: {" 80"}, quota.ConcurrentRuns: {" 80", "100"}, quota.PerDay("pages"): {" 80"}, quota.PerMonth("pages"): nil,
		} {
			if got := told(name); !slices.Equal(got, want) {
				w.Errorf("of %s is told %v, want %v", name, got, want)
			}
		}
		w.sql("DELETE FROM events")
		if n := len(w.reconcile(true).Differences); n != 4 {
			w.Errorf("%d marks are not backed by events, want those of concurrent runs, of tokens, of spend and of pages", n)
		}
		for name, want := range map[quota.Name][]string{
			quota.SpendPerMonth: {" 80"}, quota.ConcurrentRuns: {" 80", "100"}, quota.PerDay("pages"): {" 80"},
		} {
			if got := told(name); !slices.Equal(got, want) {
				w.Errorf("of %s, of which nobody had heard, is told %v, want %v", name, got, want)
			}
		}
		before := len(told(quota.ConcurrentRuns))
		clear(marks) // and a counter, whose mending touches the account
		w.sql(fmt.Sprintf("UPDATE accounts SET tokens_used = tokens_used + 1, marks = "+w.bytes+" WHERE tenant_id = TENANT", hex.EncodeToString(marks)))
		w.reconcile(true)
		if got := told(quota.ConcurrentRuns); len(got) != before {
			w.Errorf("what was forgotten is told again: %v", got)
		}
		if left := w.reconcile(false).Differences; len(left) > 0 {
			w.Errorf("after the repair there is still %+v", left)
		}
	})
}

// TestReconcileTellsOnce: what raises a limit, or a plan that lowers it, makes no fault of what was told or was not.
func TestReconcileTellsOnce(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(w *tampered) {
		w.furnish()
		limit := func(of int64, plan bool) {
			var err error
			if plan {
				_, _, err = w.engine.PutPlan(w.Context(), rentroll.PutPlanParams{
					Name: "free", Limits: quota.Limits{quota.TokensPerMonth: quota.Of(of), quota.Workers: quota.Of(of)}, Thresholds: []int{50, 90},
				})
			} else {
				_, err = w.engine.UpdateTenant(w.Context(), rentroll.UpdateTenantParams{TenantID: w.tenant, Change: func(t *rentroll.TenantEdit) error {
					t.LimitOverrides = quota.Limits{quota.TokensPerMonth: quota.Of(of), quota.PerDay("pages"): quota.Of(of), quota.ConcurrentRuns: quota.Of(of)}
					return nil
				}})
			}
			if err != nil {
				w.Fatal(err)
			}
			if found := w.reconcile(false).Differences; len(found) > 0 {
				w.Errorf("with a limit of %d, of the plan %t: %+v", of, plan, found)
			}
		}
		for _, of := range []int64{1, 9_000_000, 1} {
			limit(of, false)
		}
		if _, err := w.engine.UpdateTenant(w.Context(), rentroll.UpdateTenantParams{TenantID: w.tenant, Change: func(t *rentroll.TenantEdit) error {
			t.LimitOverrides = quota.Limits{}
			return nil
		}}); err != nil {
			w.Fatal(err)
		}
		for _, of := range []int64{9_000_000, 1, 1_100_000} {
			limit(of, true)
			w.rename(w.engine, "Acme again")
			limit(of, true)
		}
	})
}

// TestReconcileValues: what comes between the comparison and the mending of a dimension's values stays, and values of which
// the events may have been pruned are left alone.
func TestReconcileValues(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(w *tampered) {
		w.furnish()
		values := func() int64 {
			return w.number("SELECT COUNT(*) FROM usage_values WHERE meter = 'pages' AND value <> ''")
		}
		ghost := `INSERT INTO usage_values (tenant_id, meter, dimension, month, value, known)
			SELECT tenant_id, meter, dimension, month, 'ghost', 0 FROM usage_values WHERE meter = 'pages' AND value = ''`
		for _, c := range []struct {
			change, model string
			values        int64
		}{
			{ghost, "ghost", 2},
			{"DELETE FROM usage_values WHERE meter = 'pages' AND value = 'ghost'", "ghost", 2},
			{"DELETE FROM usage_values WHERE meter = 'pages'", "third", 3},
		} {
			w.sql(c.change)
			store := &meanwhile{Store: w.store}
			other, err := rentroll.New(store, &rentroll.Options{SweepInterval: -1})
			if err != nil {
				w.Fatal(err)
			}
			between := 0
			store.before = func() {
				between++
				_, err := w.engine.RecordUsage(w.Context(), rentroll.RecordUsageParams{TenantID: w.tenant, UsageParams: rentroll.UsageParams{
					Meter: "pages", Amount: 1, Metadata: []byte(fmt.Sprintf(`{"model":%q}`, c.model)),
				}})
				if err != nil {
					w.Error(err)
				}
			}
			r, err := other.Reconcile(w.Context(), rentroll.ReconcileParams{TenantID: w.tenant, Repair: true})
			if err != nil || len(r.Differences) == 0 || !r.Clean() || between != 1 {
				w.Errorf("%s: the repair: %+v, %v, with %d events between", c.change, r, err, between)
			}
			if left := w.reconcile(false).Differences; len(left) > 0 || values() != c.values {
				w.Errorf("%s: after the repair there are %d values, and still %+v", c.change, values(), left)
			}
			if err := other.Close(); err != nil {
				w.Error(err)
			}
		}
		w.sql("INSERT INTO pruned (tenant_id, kind, until_at) VALUES (TENANT, 'usage', 9000000000000000)",
			"UPDATE usage_values SET value = 'nobody' WHERE meter = 'pages' AND value = 'ghost'")
		if found := w.reconcile(true).Differences; len(found) != 2 || values() != 4 {
			w.Errorf("there are %d values, and found was %+v", values(), found)
		}
	})
}
