package simtest_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

// TestConcurrentRunsAreExact: 64 callers want one of five places.
func TestConcurrentRunsAreExact(t *testing.T) { onEveryStore(t, concurrentRunsAreExact) }

func concurrentRunsAreExact(t *testing.T, r *rig) {
	t.Helper()
	id := r.tenant("acme", quota.Limits{quota.ConcurrentRuns: quota.Of(5)})
	for range 3 {
		all := storm(64, func(int) (*rentroll.Run, error) { return r.run(id) })
		ended(t, all, map[rentroll.Code]int{"": 5, rentroll.CodeQuotaExceeded: 59})
		for _, o := range all {
			denial(t, o.err, quota.ConcurrentRuns, 5, 5)
		}
		r.checkRows(id)
		for _, run := range good(all) {
			if _, err := r.CancelRun(t.Context(), rentroll.RunRef{TenantID: id, RunID: run.ID}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// denial checks the numbers of a denial, if it is one.
func denial(t *testing.T, err error, name quota.Name, limit, current int64) {
	t.Helper()
	if err == nil {
		return
	}
	q, denied := asQuota(err)
	if !denied || q.Quota != name || q.Limit != limit || q.Current != current {
		t.Errorf("got %v, want a denial by %s with limit %d, current %d", err, name, limit, current)
	}
}

// TestOverdueRunsMakeRoomOnce: five overdue runs are five places for 64 callers, not more.
func TestOverdueRunsMakeRoomOnce(t *testing.T) { onEveryStore(t, overdueRunsMakeRoomOnce) }

func overdueRunsMakeRoomOnce(t *testing.T, r *rig) {
	t.Helper()
	id := r.tenant("acme", quota.Limits{quota.ConcurrentRuns: quota.Of(5)})
	for range 5 {
		r.mustRun(id)
	}
	r.clock.Set(noon.Add(rentroll.DefaultLease))
	all := storm(64, func(int) (*rentroll.Run, error) { return r.run(id) })
	ended(t, all, map[rentroll.Code]int{"": 5, rentroll.CodeQuotaExceeded: 59})
	r.checkRows(id)
}

// TestEveryQuotaIsExact: whatever is limited, 40 callers get as much as there is.
func TestEveryQuotaIsExact(t *testing.T) { onEveryStore(t, everyQuotaIsExact) }

func everyQuotaIsExact(t *testing.T, r *rig) {
	t.Helper()
	tests := []struct {
		name   quota.Name
		limit  int64
		places int
		call   func(id rentroll.TenantID, i int) error
	}{
		{quota.RunsPerDay, 7, 7, func(id rentroll.TenantID, _ int) error { _, err := r.run(id); return err }},
		{quota.TokensPerMonth, 1050, 10, func(id rentroll.TenantID, _ int) error {
			_, err := r.any().CreateRun(t.Context(), rentroll.CreateRunParams{TenantID: id, WorkerID: "builder", Task: "build", ReserveTokens: 100})
			return err
		}},
		{quota.Workers, 3, 3, func(id rentroll.TenantID, i int) error {
			_, err := r.any().CreateRun(t.Context(), rentroll.CreateRunParams{TenantID: id, WorkerID: fmt.Sprintf("worker-%d", i), Task: "build"})
			return err
		}},
		{quota.APIKeys, 5, 5, func(id rentroll.TenantID, i int) error {
			_, _, err := r.any().CreateAPIKey(t.Context(), rentroll.CreateAPIKeyParams{TenantID: id, Name: fmt.Sprintf("key %d", i)})
			return err
		}},
		{quota.PerDay("emails"), 60, 8, func(id rentroll.TenantID, _ int) error { return r.consume(id, "emails", 7) }},
		{quota.PerMonth("emails"), 9, 9, func(id rentroll.TenantID, _ int) error { return r.consume(id, "emails", 1) }},
	}
	for i, test := range tests {
		t.Run(string(test.name), func(t *testing.T) {
			id := r.tenant(fmt.Sprintf("tenant-%d", i), quota.Limits{test.name: quota.Of(test.limit)})
			all := storm(40, func(i int) (struct{}, error) { return struct{}{}, test.call(id, i) })
			ended(t, all, map[rentroll.Code]int{"": test.places, rentroll.CodeQuotaExceeded: 40 - test.places})
			r.checkRows(id)
		})
	}
}

// TestKeyLimitsAreExact: a key's own limits hold among its own callers.
func TestKeyLimitsAreExact(t *testing.T) { onEveryStore(t, keyLimitsAreExact) }

func keyLimitsAreExact(t *testing.T, r *rig) {
	t.Helper()
	id := r.tenant("acme", nil)
	_, byRuns, err := r.CreateAPIKey(t.Context(), rentroll.CreateAPIKeyParams{TenantID: id, Name: "runs", MaxConcurrentRuns: new(int64(3))})
	if err != nil {
		t.Fatal(err)
	}
	_, byTokens, err := r.CreateAPIKey(t.Context(), rentroll.CreateAPIKeyParams{TenantID: id, Name: "tokens", MaxTokensPerMonth: new(int64(450))})
	if err != nil {
		t.Fatal(err)
	}
	keys := []rentroll.KeyID{byRuns.ID, byTokens.ID}
	all := storm(64, func(i int) (*rentroll.Run, error) {
		return r.any().CreateRun(t.Context(), rentroll.CreateRunParams{
			TenantID: id, WorkerID: "builder", Task: "build", APIKeyID: keys[i%2], ReserveTokens: 100,
		})
	})
	ended(t, all, map[rentroll.Code]int{"": 3 + 4, rentroll.CodeQuotaExceeded: 64 - 7})
	r.checkRows(id)
}

// TestFirstInstantOfADay: the counter starts again exactly at the day's end, and not before.
func TestFirstInstantOfADay(t *testing.T) { onEveryStore(t, firstInstantOfADay) }

func firstInstantOfADay(t *testing.T, r *rig) {
	t.Helper()
	id := r.tenant("acme", quota.Limits{quota.RunsPerDay: quota.Of(7)})
	midnight := noon.Truncate(24 * time.Hour).Add(24 * time.Hour)
	want := map[rentroll.Code]int{"": 7, rentroll.CodeQuotaExceeded: 25}
	for _, step := range []struct {
		at    time.Time
		want  map[rentroll.Code]int
		reset time.Time
	}{
		{midnight.Add(-time.Microsecond), want, midnight},
		{midnight, want, midnight.Add(24 * time.Hour)},
	} {
		r.clock.Set(step.at)
		all := storm(32, func(int) (*rentroll.Run, error) { return r.run(id) })
		ended(t, all, step.want)
		for _, o := range all {
			denial(t, o.err, quota.RunsPerDay, 7, 7)
			if q, denied := asQuota(o.err); denied && !q.ResetsAt.Equal(step.reset) {
				t.Errorf("it resets at %s, want %s", q.ResetsAt, step.reset)
			}
		}
		r.checkRows(id)
	}
}

// TestStormOverMidnight: while the clock goes over midnight among the callers, and back
// again, no day gets more than its runs.
func TestStormOverMidnight(t *testing.T) { onEveryStore(t, stormOverMidnight) }

func stormOverMidnight(t *testing.T, r *rig) {
	t.Helper()
	id := r.tenant("acme", quota.Limits{quota.RunsPerDay: quota.Of(20)})
	midnight := noon.Truncate(24 * time.Hour).Add(24 * time.Hour)
	var calls atomic.Int64
	all := storm(16, func(int) ([]*rentroll.Run, error) {
		var out []*rentroll.Run
		for range 25 {
			n := calls.Add(1)
			r.clock.Set(midnight.Add(time.Duration(n-200-10*(n%7)) * time.Millisecond))
			run, err := r.run(id)
			switch {
			case err == nil:
				out = append(out, run)
			case rentroll.CodeOf(err) != rentroll.CodeQuotaExceeded:
				return out, err
			}
		}
		return out, nil
	})
	ended(t, all, map[rentroll.Code]int{"": 16})
	days := map[bool]int{}
	for _, runs := range good(all) {
		for _, run := range runs {
			days[run.CreatedAt.Before(midnight)]++
		}
	}
	if days[true] > 20 || days[false] > 20 {
		t.Errorf("%d runs before midnight and %d after it, want at most 20 each", days[true], days[false])
	}
	r.clock.Set(midnight.Add(time.Hour))
	if used := r.use(id, quota.RunsPerDay); used != int64(days[false]) {
		t.Errorf("the new day counts %d runs, want %d", used, days[false])
	}
	r.checkRows(id)
}

// order is a sequence that all callers share: what is numbered later began, or ended, later.
type order struct{ last atomic.Int64 }

func (o *order) next() int64 { return o.last.Add(1) }

// attempt is a call with its place in the order.
type attempt struct {
	began int64
	err   error
}

// stormAround lets callers ask for runs while something happens to the tenant, and
// returns their attempts and when the event was over.
func stormAround(r *rig, id rentroll.TenantID, event func() error) (attempts []attempt, over int64) {
	r.t.Helper()
	var clock order
	var done atomic.Bool
	var asked atomic.Int64
	failed := make(chan error, 1)
	go func() {
		for asked.Load() < 150 {
			if r.t.Context().Err() != nil {
				break
			}
			<-time.After(100 * time.Microsecond)
		}
		err := event()
		over = clock.next()
		done.Store(true)
		failed <- err
	}()
	all := storm(32, func(int) ([]attempt, error) {
		var mine []attempt
		for more := 5; more > 0; {
			if done.Load() {
				more-- // some after it was over
			}
			a := attempt{began: clock.next()}
			_, a.err = r.run(id)
			asked.Add(1)
			mine = append(mine, a)
		}
		return mine, nil
	})
	if err := <-failed; err != nil {
		r.t.Fatalf("the event: %v", err)
	}
	for _, mine := range good(all) {
		attempts = append(attempts, mine...)
	}
	return attempts, over
}

// TestNothingIsAdmittedBehindAnEvent: once a suspension, a smaller plan or a smaller
// override has answered, no later call is admitted beyond it.
func TestNothingIsAdmittedBehindAnEvent(t *testing.T) {
	onEveryStore(t, nothingIsAdmittedBehindAnEvent)
}

func nothingIsAdmittedBehindAnEvent(t *testing.T, r *rig) {
	t.Helper()
	ctx := t.Context()
	if _, _, err := r.PutPlan(ctx, rentroll.PutPlanParams{Name: "nothing", Limits: quota.Limits{quota.ConcurrentRuns: quota.Of(0)}}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.PutPlan(ctx, rentroll.PutPlanParams{Name: "edited"}); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, plan string
		code       rentroll.Code
		event      func(id rentroll.TenantID) error
	}{
		{"Suspend", "edited", rentroll.CodeTenantSuspended, func(id rentroll.TenantID) error {
			_, err := r.Suspend(ctx, rentroll.TransitionParams{TenantID: id})
			return err
		}},
		{"Terminate", "edited", rentroll.CodeTenantTerminated, func(id rentroll.TenantID) error {
			_, err := r.Terminate(ctx, rentroll.TransitionParams{TenantID: id})
			return err
		}},
		{"UpdatePlan", "edited", rentroll.CodeQuotaExceeded, func(id rentroll.TenantID) error {
			_, err := r.UpdatePlan(ctx, rentroll.UpdatePlanParams{TenantID: id, Plan: "nothing"})
			return err
		}},
		{"UpdateTenant", "edited", rentroll.CodeQuotaExceeded, func(id rentroll.TenantID) error {
			_, err := r.UpdateTenant(ctx, rentroll.UpdateTenantParams{TenantID: id, Change: func(e *rentroll.TenantEdit) error {
				e.LimitOverrides = quota.Limits{quota.RunsPerDay: quota.Of(0)}
				return nil
			}})
			return err
		}},
		{"PutPlan", "edited", rentroll.CodeQuotaExceeded, func(rentroll.TenantID) error {
			_, _, err := r.PutPlan(ctx, rentroll.PutPlanParams{Name: "edited", Limits: quota.Limits{quota.ConcurrentRuns: quota.Of(1)}})
			return err
		}},
	}
	for i, test := range tests {
		if test.name == "PutPlan" && len(r.also) > 0 {
			continue // which other servers see within a second, not at once
		}
		t.Run(test.name, func(t *testing.T) {
			created, err := r.CreateTenant(ctx, rentroll.CreateTenantParams{Name: "T", Slug: fmt.Sprintf("tenant-%d", i), Plan: test.plan})
			if err != nil {
				t.Fatal(err)
			}
			attempts, over := stormAround(r, created.ID, func() error { return test.event(created.ID) })
			var admitted int64
			for _, a := range attempts {
				code := rentroll.CodeOf(a.err)
				if code != "" && code != test.code {
					t.Fatalf("an attempt ended with %v", a.err)
				}
				if a.err == nil {
					admitted++
					if a.began > over {
						t.Errorf("an attempt that began at %d was admitted; it was over at %d", a.began, over)
					}
				}
			}
			if used := r.use(created.ID, quota.ConcurrentRuns); used != admitted {
				t.Errorf("%d runs are open, and %d were admitted", used, admitted)
			}
			r.checkRows(created.ID)
		})
	}
}

// TestOneRunEndsOnce: of 16 completions of one run one counts, whether they are equal or not.
func TestOneRunEndsOnce(t *testing.T) { onEveryStore(t, oneRunEndsOnce) }

func oneRunEndsOnce(t *testing.T, r *rig) {
	t.Helper()
	for kinds, want := range map[int]map[rentroll.Code]int{
		1: {"": 16},
		2: {"": 8, rentroll.CodeRunAlreadyEnded: 8},
	} {
		id := r.tenant(fmt.Sprintf("tenant-%d", kinds), quota.Limits{quota.ConcurrentRuns: quota.Of(5)})
		run := r.mustRun(id)
		r.mustRun(id) // stays open
		all := storm(16, func(i int) (*rentroll.Run, error) {
			return r.any().CompleteRun(t.Context(), rentroll.CompleteRunParams{
				TenantID: id, RunID: run.ID, Success: true, TotalTokens: int64(100 + i%kinds),
			})
		})
		ended(t, all, want)
		first, tokens := 0, int64(0)
		for _, end := range good(all) {
			tokens = *end.TotalTokens
			if !end.Replayed {
				first++
			}
		}
		if first != 1 {
			t.Errorf("%d completions were the first", first)
		}
		if total, n := r.total(id, rentroll.MeterTokensUsed); total != tokens || n != 1 {
			t.Errorf("%d tokens in %d events, want %d in 1", total, n, tokens)
		}
		if total, n := r.total(id, rentroll.MeterWorkerRuns); total != 1 || n != 1 {
			t.Errorf("%d runs in %d events, want 1 in 1", total, n)
		}
		if used := r.use(id, quota.TokensPerMonth); used != tokens {
			t.Errorf("the month counts %d tokens, want %d", used, tokens)
		}
		if open := r.use(id, quota.ConcurrentRuns); open != 1 {
			t.Errorf("%d runs are open, want 1", open)
		}
		r.checkRows(id)
	}
}

// TestOneKeyOneRun: 32 callers with one idempotency key get one run.
func TestOneKeyOneRun(t *testing.T) { onEveryStore(t, oneKeyOneRun) }

func oneKeyOneRun(t *testing.T, r *rig) {
	t.Helper()
	id := r.tenant("acme", nil)
	all := storm(32, func(int) (*rentroll.Run, error) {
		return r.any().CreateRun(t.Context(), rentroll.CreateRunParams{TenantID: id, WorkerID: "builder", Task: "build", IdempotencyKey: "one"})
	})
	ended(t, all, map[rentroll.Code]int{"": 32})
	ids, first := map[rentroll.RunID]bool{}, 0
	for _, run := range good(all) {
		ids[run.ID] = true
		if !run.Replayed {
			first++
		}
	}
	if len(ids) != 1 || first != 1 {
		t.Errorf("%d runs, %d of the answers were the first, want 1 and 1", len(ids), first)
	}
	if used := r.use(id, quota.RunsPerDay); used != 1 {
		t.Errorf("the day counts %d runs", used)
	}
	r.checkRows(id)
}

// TestOneEventOnce: 32 callers with one event id count once, be it in batches or alone.
func TestOneEventOnce(t *testing.T) { onEveryStore(t, oneEventOnce) }

func oneEventOnce(t *testing.T, r *rig) {
	t.Helper()
	id := r.tenant("acme", nil)
	event := rentroll.UsageParams{Meter: rentroll.MeterTokensUsed, Amount: 30, EventID: "event"}
	all := storm(32, func(i int) (rentroll.UsageStatus, error) {
		if i%2 == 0 {
			item, err := r.any().RecordUsage(t.Context(), rentroll.RecordUsageParams{TenantID: id, UsageParams: event})
			if err != nil {
				return "", err
			}
			return item.Status, nil
		}
		receipt, err := r.any().RecordUsageBatch(t.Context(), rentroll.RecordUsageBatchParams{
			TenantID: id, Events: []rentroll.UsageParams{{Meter: "other", Amount: 1}, event},
		})
		if err != nil {
			return "", err
		}
		return receipt.Items[1].Status, nil
	})
	ended(t, all, map[rentroll.Code]int{"": 32})
	statuses := map[rentroll.UsageStatus]int{}
	for _, status := range good(all) {
		statuses[status]++
	}
	if statuses[rentroll.UsageRecorded] != 1 || statuses[rentroll.UsageDuplicate] != 31 {
		t.Errorf("the events were %v", statuses)
	}
	if total, n := r.total(id, rentroll.MeterTokensUsed); total != 30 || n != 1 {
		t.Errorf("%d tokens in %d events, want 30 in 1", total, n)
	}
	if used := r.use(id, quota.TokensPerMonth); used != 30 {
		t.Errorf("the month counts %d tokens, want 30", used)
	}
	r.checkRows(id)
}

// TestLastOwnerStays: two owners who are removed at once can't both go.
func TestLastOwnerStays(t *testing.T) { onEveryStore(t, lastOwnerStays) }

func lastOwnerStays(t *testing.T, r *rig) {
	t.Helper()
	id := r.tenant("acme", nil)
	users := r.owners(id, 8)
	all := storm(8, func(i int) (struct{}, error) {
		switch i % 3 {
		case 0:
			return struct{}{}, r.any().DeleteMembership(t.Context(), id, users[i])
		case 1:
			return struct{}{}, r.any().DeleteUser(t.Context(), users[i])
		default:
			_, err := r.any().UpdateMembership(t.Context(), rentroll.UpdateMembershipParams{TenantID: id, UserID: users[i], Role: rentroll.RoleViewer})
			return struct{}{}, err
		}
	})
	ended(t, all, map[rentroll.Code]int{"": 7, rentroll.CodeLastOwner: 1})
	r.checkRows(id)
}

// TestSlugsAreUnique: of 16 callers who want one slug one gets it.
func TestSlugsAreUnique(t *testing.T) { onEveryStore(t, slugsAreUnique) }

func slugsAreUnique(t *testing.T, r *rig) {
	t.Helper()
	all := storm(16, func(i int) (*rentroll.Tenant, error) {
		return r.any().CreateTenant(t.Context(), rentroll.CreateTenantParams{Name: fmt.Sprint(i), Slug: "acme", ExternalID: fmt.Sprint(i)})
	})
	ended(t, all, map[rentroll.Code]int{"": 1, rentroll.CodeAlreadyExists: 15})
}

// TestRenewedRunsAreNotCrashed: where heartbeats of overdue runs and callers who want their places meet, each run is
// either renewed or crashed, and its place belongs to one.
func TestRenewedRunsAreNotCrashed(t *testing.T) { onEveryStore(t, renewedRunsAreNotCrashed) }

func renewedRunsAreNotCrashed(t *testing.T, r *rig) {
	t.Helper()
	id := r.tenant("acme", quota.Limits{quota.ConcurrentRuns: quota.Of(6)})
	for round := range 5 {
		var runs []*rentroll.Run
		for range 6 {
			runs = append(runs, r.mustRun(id))
		}
		r.clock.Set(r.clock.Now().Add(rentroll.DefaultLease))
		all := storm(12, func(i int) (*rentroll.Run, error) {
			if i%2 == 0 {
				return r.any().Heartbeat(t.Context(), rentroll.HeartbeatParams{TenantID: id, RunID: runs[i/2].ID, TokensSoFar: 10})
			}
			return r.run(id)
		})
		for _, o := range all {
			if code := rentroll.CodeOf(o.err); code != "" && code != rentroll.CodeRunAlreadyEnded && code != rentroll.CodeQuotaExceeded {
				t.Fatalf("round %d: %v", round, o.err)
			}
		}
		open := good(all)
		if len(open) != 6 {
			t.Errorf("round %d: %d runs were renewed or admitted, want 6", round, len(open))
		}
		r.checkRows(id)
		for _, run := range open {
			if _, err := r.CancelRun(t.Context(), rentroll.RunRef{TenantID: id, RunID: run.ID}); err != nil {
				t.Errorf("round %d: a run that was renewed or admitted: %v", round, err)
			}
		}
	}
}

// TestCanceledCallersConsumeNothing: a caller that gives up before the decision has changed nothing.
func TestCanceledCallersConsumeNothing(t *testing.T) {
	gate := newGate()
	r := newRig(t, gate.around(openSQLite(t)), rentroll.Options{})
	id := r.tenant("acme", quota.Limits{quota.ConcurrentRuns: quota.Of(50)})
	other := r.tenant("other", nil)
	ctx, cancel := context.WithCancel(t.Context())

	gate.shut(t)
	first := make(chan error, 1)
	go func() { _, err := r.run(other); first <- err }()
	gate.awaitHeld(t)
	waiting := make(chan []outcome[*rentroll.Run], 1)
	go func() {
		waiting <- storm(20, func(int) (*rentroll.Run, error) {
			return r.CreateRun(ctx, rentroll.CreateRunParams{TenantID: id, WorkerID: "builder", Task: "build", IdempotencyKey: "k"})
		})
	}()
	until(t, "20 calls in the queue", func() bool { return r.Metrics().WaitingBytes >= 20*512 })
	cancel()
	all := <-waiting
	gate.open()
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	for _, o := range all {
		if o.err == nil {
			t.Error("a call succeeded whose context had ended before anything was decided")
		}
	}
	if run := r.mustRun(id); run.Replayed {
		t.Error("a canceled call left its idempotency key")
	}
	if used := r.use(id, quota.RunsPerDay); used != 1 {
		t.Errorf("%d runs are counted, want 1", used)
	}
	r.checkRows(id, other)
}
