package model_test

import (
	"testing"
	"time"

	"github.com/rentroll/rentroll/internal/model"
	"github.com/rentroll/rentroll/quota"
)

// The oracle is judged here by examples with their numbers written out.

var noon = time.Date(2026, 3, 7, 12, 0, 0, 0, time.UTC)

const (
	acme model.Ref = 1 + iota
	first
	second
	third
	fourth
)

func world(t *testing.T, zone string, limits quota.Limits) *model.World {
	t.Helper()
	w := model.New()
	p := model.CreateTenant{Ref: acme, Slug: "acme", Plan: "enterprise"}
	p.Name, p.Zone, p.Overrides = "Acme", zone, limits
	if _, bad := w.CreateTenant(model.Program, noon, p); bad != nil {
		t.Fatalf("creating a tenant: %+v", bad)
	}
	return w
}

// ask asks for a run and returns the refusal, as code, scope and quota.
func ask(w *model.World, ref model.Ref, now time.Time, reserve int64, key model.Ref) string {
	_, bad := w.CreateRun(model.Program, now, model.CreateRun{
		Ref: ref, Tenant: acme, Worker: "builder", Task: "build", Reserve: reserve, Key: key,
	})
	switch {
	case bad == nil:
		return ""
	case bad.Code == model.QuotaExceeded:
		return bad.Scope + " " + string(bad.Quota)
	default:
		return bad.Code
	}
}

// TestOrderOfAdmission lifts one rule after the other: each time the next one refuses.
func TestOrderOfAdmission(t *testing.T) {
	nothing := quota.Limits{}
	for _, d := range quota.Definitions() {
		nothing[d.Name] = quota.Of(0)
	}
	nothing[quota.APIKeys] = quota.NoLimit()
	w := world(t, "UTC", nothing)
	limit := func(name quota.Name) {
		_, bad := w.UpdateTenant(model.Program, noon, acme, func(f *model.TenantFields) { f.Overrides[name] = quota.NoLimit() })
		if bad != nil {
			t.Fatalf("lifting %s: %+v", name, bad)
		}
	}
	zero := int64(0)
	makeKey := func(ref model.Ref, workers []string, runs, tokens *int64) {
		_, bad := w.CreateKey(model.Program, noon, model.CreateKey{
			Ref: ref, Tenant: acme, Name: "key", AllowedWorkers: workers, MaxRuns: runs, MaxTokens: tokens, Days: 1,
		})
		if bad != nil {
			t.Fatalf("making a key: %+v", bad)
		}
	}
	makeKey(first, []string{"another"}, &zero, &zero)
	makeKey(second, nil, &zero, &zero)
	makeKey(third, nil, nil, &zero)
	makeKey(fourth, nil, nil, nil)
	if _, bad := w.Transition(model.Program, noon, acme, model.Suspended, ""); bad != nil {
		t.Fatal(bad)
	}
	steps := []struct {
		key  model.Ref
		at   time.Time
		want string
		lift func()
	}{
		{first, noon.Add(24 * time.Hour), model.TenantSuspended, func() { w.Transition(model.Program, noon, acme, model.Active, "") }},
		{first, noon.Add(24 * time.Hour), model.Forbidden, func() {}},
		{first, noon, model.WorkerNotAllowed, func() {}},
		{second, noon, "key concurrent_runs", func() {}},
		{third, noon, "key tokens_per_month", func() {}},
		{fourth, noon, "tenant workers", func() { limit(quota.Workers) }},
		{fourth, noon, "tenant runs_per_day", func() { limit(quota.RunsPerDay) }},
		{fourth, noon, "tenant concurrent_runs", func() { limit(quota.ConcurrentRuns) }},
		{fourth, noon, "tenant tokens_per_month", func() { limit(quota.TokensPerMonth) }},
		{fourth, noon, "tenant spend_per_month", func() { limit(quota.SpendPerMonth) }},
		{fourth, noon, "", func() {}},
	}
	for i, s := range steps {
		if got := ask(w, model.Ref(100+i), s.at, 0, s.key); got != s.want {
			t.Fatalf("step %d: refused by %q, want %q", i, got, s.want)
		}
		s.lift()
	}
}

func quotas(t *testing.T, w *model.World, now time.Time, name quota.Name) model.QuotaView {
	t.Helper()
	rows, bad := w.GetQuotas(model.Program, now, acme)
	if bad != nil {
		t.Fatalf("reading quotas: %+v", bad)
	}
	for _, row := range rows {
		if row.Quota == name {
			return row
		}
	}
	t.Fatalf("there is no quota %s", name)
	return model.QuotaView{}
}

// TestChangeOfZone: the new zone holds from the end of the present day, which may be far from a midnight of it.
func TestChangeOfZone(t *testing.T) {
	w := world(t, "UTC", nil)
	zone := "Pacific/Kiritimati" // 14 hours ahead
	if _, bad := w.UpdateTenant(model.Program, noon, acme, func(f *model.TenantFields) { f.Zone = zone }); bad != nil {
		t.Fatal(bad)
	}
	at := func(day, hour int) time.Time { return time.Date(2026, 3, day, hour, 0, 0, 0, time.UTC) }
	for _, test := range []struct{ now, start, end time.Time }{
		{at(7, 23), at(7, 0), at(8, 0)},
		{at(8, 0), at(8, 0), at(8, 10)}, // up to the first midnight there
		{at(8, 10), at(8, 10), at(9, 10)},
		{at(20, 5), at(19, 10), at(20, 10)},
	} {
		use := quotas(t, w, test.now, quota.RunsPerDay)
		if !use.Start.Equal(test.start) || !use.ResetsAt.Equal(test.end) {
			t.Errorf("at %s the day is %s to %s, want %s to %s", test.now, use.Start, use.ResetsAt, test.start, test.end)
		}
	}
}

// TestLateCompletion: heartbeats are billed at the crash, the rest in the month of the report, and nothing twice.
func TestLateCompletion(t *testing.T) {
	w := world(t, "UTC", quota.Limits{quota.ConcurrentRuns: quota.Of(1)})
	if refused := ask(w, first, noon, 500, 0); refused != "" {
		t.Fatal(refused)
	}
	if _, bad := w.Heartbeat(model.Program, noon, acme, first, 30, 0); bad != nil {
		t.Fatal(bad)
	}
	crash := noon.Add(15 * time.Minute)
	if refused := ask(w, second, crash.Add(-1), 0, 0); refused != "tenant concurrent_runs" {
		t.Errorf("before the lease ran out: refused by %q", refused)
	}
	if refused := ask(w, second, crash, 0, 0); refused != "" {
		t.Errorf("when the lease ran out: refused by %q", refused)
	}
	if use := quotas(t, w, crash, quota.TokensPerMonth); use.Used != 30 || use.Reserved != 0 {
		t.Errorf("after the crash %d tokens are used and %d reserved, want 30 and 0", use.Used, use.Reserved)
	}
	april := noon.AddDate(0, 1, 0)
	report := model.CompleteRun{Tenant: acme, Run: first, Success: true, Tokens: 100}
	for again := range 2 {
		r, bad := w.CompleteRun(model.Program, april, report)
		if bad != nil || r.Status != model.Completed || !r.Late || r.Replayed != (again == 1) {
			t.Errorf("the late report came to %+v, %+v", r, bad)
		}
	}
	if use := quotas(t, w, april, quota.TokensPerMonth); use.Used != 70 {
		t.Errorf("in the month of the report %d tokens are used, want 70", use.Used)
	}
	report.Tokens = 101
	if _, bad := w.CompleteRun(model.Program, april, report); bad == nil || bad.Code != model.RunAlreadyEnded {
		t.Errorf("another report came to %+v", bad)
	}
}

// TestTokensAhead: an event of the next month, by a clock that runs ahead, counts in the next month.
func TestTokensAhead(t *testing.T) {
	w := world(t, "UTC", nil)
	end := time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)
	for _, at := range []time.Time{end.Add(-time.Microsecond), end, end.Add(time.Minute)} {
		_, bad := w.RecordUsage(model.Program, end.Add(-2*time.Minute), model.RecordUsage{
			Tenant: acme, Events: []model.UsageEvent{{Meter: "tokens_used", Amount: 10, Time: at}},
		})
		if bad != nil {
			t.Fatal(bad)
		}
	}
	for now, want := range map[time.Time]int64{end.Add(-time.Minute): 10, end: 20} {
		if use := quotas(t, w, now, quota.TokensPerMonth); use.Used != want {
			t.Errorf("at %s %d tokens are used, want %d", now, use.Used, want)
		}
	}
}

// TestClone: what happens to a copy does not happen to the original.
func TestClone(t *testing.T) {
	w := world(t, "UTC", quota.Limits{quota.ConcurrentRuns: quota.Of(1)})
	copied := w.Clone()
	if refused := ask(copied, first, noon, 0, 0); refused != "" {
		t.Fatal(refused)
	}
	if _, bad := copied.CancelRun(model.Program, noon, acme, first); bad != nil {
		t.Fatal(bad)
	}
	if use := quotas(t, w, noon, quota.RunsPerDay); use.Used != 0 {
		t.Errorf("the original counts %d runs", use.Used)
	}
	if refused := ask(w, first, noon, 0, 0); refused != "" {
		t.Errorf("the original refuses by %q", refused)
	}
	if use := quotas(t, copied, noon, quota.ConcurrentRuns); use.Used != 0 {
		t.Errorf("the copy has %d open runs", use.Used)
	}
}
