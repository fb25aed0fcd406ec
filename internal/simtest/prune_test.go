package simtest_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/simtest"
)

// TestPruningChangesNoTotal: what is pruned is gone, and everything that was counted from it stays: sums, limits, event
// ids, and that the idempotency key of a run makes no other run.
func TestPruningChangesNoTotal(t *testing.T) {
	onEveryStore(t, func(t *testing.T, r *rig) {
		t.Helper()
		ctx, acme := t.Context(), r.tenant("acme", nil)
		begin := r.clock.Now()
		made := rentroll.CreateRunParams{TenantID: acme, WorkerID: "builder", Task: "build", Input: []byte(`{"a":1}`), IdempotencyKey: "one"}
		run, err := r.CreateRun(ctx, made)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.CompleteRun(ctx, rentroll.CompleteRunParams{TenantID: acme, RunID: run.ID, TotalTokens: 70, Output: []byte(`[2]`)}); err != nil {
			t.Fatal(err)
		}
		open, err := r.CreateRun(ctx, rentroll.CreateRunParams{TenantID: acme, WorkerID: "builder", Task: "wait", Lease: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		event := rentroll.RecordUsageParams{TenantID: acme, UsageParams: rentroll.UsageParams{Meter: "pages", Amount: 5, EventID: "e", Time: begin}}
		if _, err := r.RecordUsage(ctx, event); err != nil {
			t.Fatal(err)
		}
		for range 500 { // a run that is open stays open, however long it takes
			r.clock.Set(r.clock.Now().Add(20 * time.Hour))
			if r.clock.Now().Sub(begin) > 401*24*time.Hour {
				break
			}
			if _, err := r.Heartbeat(ctx, rentroll.HeartbeatParams{TenantID: acme, RunID: open.ID, Lease: 24 * time.Hour}); err != nil {
				t.Fatal(err)
			}
		}
		sum := func(from, to time.Time) (*rentroll.UsageSummary, error) {
			return r.GetUsageSummary(ctx, rentroll.UsageSummaryParams{TenantID: acme, Start: from, End: to})
		}
		before, err := sum(begin.Truncate(time.Hour), begin.Truncate(time.Hour).Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		for _, again := range []bool{false, true} {
			pruned, err := r.any().Prune(ctx)
			if err != nil || !again && (pruned[rentroll.PruneRuns] != 1 || pruned[rentroll.PruneUsage] != 3 || pruned[rentroll.PruneMarks] != 1) || again && len(pruned) > 0 {
				t.Fatalf("pruned %v, %v; again %t", pruned, err, again)
			}
		}
		after, err := sum(begin.Truncate(time.Hour), begin.Truncate(time.Hour).Add(time.Hour))
		if err != nil || after.TotalRecords != before.TotalRecords || after.Meters["pages"] != before.Meters["pages"] || before.TotalRecords != 3 {
			t.Errorf("the sums of a whole hour were %+v and are %+v, %v", before, after, err)
		}
		if _, err := sum(begin.Truncate(time.Hour).Add(time.Minute), r.clock.Now()); !errors.Is(err, rentroll.CodeValidationFailed) {
			t.Errorf("a range that cuts a quarter of an hour whose events are gone: %v", err)
		}
		if _, err := r.RecordUsage(ctx, event); !errors.Is(err, rentroll.CodeEventTooOld) {
			t.Errorf("the event again: %v", err)
		}
		for what, call := range map[string]func() error{
			"reading it":      func() error { _, err := r.GetRun(ctx, rentroll.RunRef{TenantID: acme, RunID: run.ID}); return err },
			"making it again": func() error { _, err := r.CreateRun(ctx, made); return err },
			"completing it anew": func() error {
				_, err := r.CompleteRun(ctx, rentroll.CompleteRunParams{TenantID: acme, RunID: run.ID})
				return err
			},
			"retrying it": func() error {
				_, err := r.RetryRun(ctx, rentroll.RetryRunParams{TenantID: acme, RunID: run.ID})
				return err
			},
		} {
			if err := call(); !errors.Is(err, rentroll.CodeNotFound) {
				t.Errorf("%s: %v, want %s", what, err, rentroll.CodeNotFound)
			}
		}
		made.Task = "build something else"
		if _, err := r.CreateRun(ctx, made); !errors.Is(err, rentroll.CodeIdempotencyMismatch) {
			t.Errorf("its idempotency key for another run: %v", err)
		}
		if got, err := r.GetRun(ctx, rentroll.RunRef{TenantID: acme, RunID: open.ID}); err != nil || !got.Status.Open() {
			t.Errorf("the open run: %+v, %v", got, err)
		}
		r.checkRows(acme)
		if err := simtest.Reconciled(ctx, r.Engine); err != nil {
			t.Error(err)
		}
		out, err := r.Reconcile(ctx, rentroll.ReconcileParams{TenantID: acme})
		if err != nil || len(out.Unchecked) == 0 {
			t.Errorf("the reconciliation says nothing of what it can't compare: %+v, %v", out, err)
		}
	})
}

// TestPrunesInTheBackground: the engine prunes by itself, and ends with it when it is closed.
func TestPrunesInTheBackground(t *testing.T) {
	t.Parallel()
	r := newRig(t, openSQLite(t), rentroll.Options{Retention: rentroll.Retention{Runs: 7 * 24 * time.Hour, Interval: time.Millisecond, Rate: 1}})
	acme := r.tenant("acme", nil)
	run := r.mustRun(acme)
	if _, err := r.CancelRun(t.Context(), rentroll.RunRef{TenantID: acme, RunID: run.ID}); err != nil {
		t.Fatal(err)
	}
	r.clock.Set(r.clock.Now().Add(8 * 24 * time.Hour))
	until(t, "the run to be pruned", func() bool {
		_, err := r.GetRun(t.Context(), rentroll.RunRef{TenantID: acme, RunID: run.ID})
		return errors.Is(err, rentroll.CodeNotFound)
	})
}

// TestGroupsKeyOutlivesItsRuns: the idempotency key of a group makes no other group when the runs are not kept any more.
func TestGroupsKeyOutlivesItsRuns(t *testing.T) {
	onEveryStore(t, func(t *testing.T, r *rig) {
		t.Helper()
		ctx, acme := t.Context(), r.tenant("acme", nil)
		one := rentroll.CreateRunParams{WorkerID: "builder", Task: "build"}
		group := rentroll.CreateRunsParams{TenantID: acme, IdempotencyKey: "several", Runs: []rentroll.CreateRunParams{one, one}}
		made, err := r.CreateRuns(ctx, group)
		if err != nil {
			t.Fatal(err)
		}
		for _, run := range made.Items {
			if _, err := r.CancelRun(ctx, rentroll.RunRef{TenantID: acme, RunID: run.ID}); err != nil {
				t.Fatal(err)
			}
		}
		r.clock.Set(r.clock.Now().Add(401 * 24 * time.Hour))
		if pruned, err := r.any().Prune(ctx); err != nil || pruned[rentroll.PruneRuns] != 2 {
			t.Fatalf("pruned %v, %v", pruned, err)
		}
		if _, err := r.any().CreateRuns(ctx, group); !errors.Is(err, rentroll.CodeNotFound) || !strings.Contains(err.Error(), made.Items[0].ID.String()) {
			t.Errorf("making the group again: %v", err)
		}
		group.Runs = group.Runs[:1]
		if _, err := r.any().CreateRuns(ctx, group); !errors.Is(err, rentroll.CodeIdempotencyMismatch) {
			t.Errorf("its idempotency key for another group: %v", err)
		}
	})
}
