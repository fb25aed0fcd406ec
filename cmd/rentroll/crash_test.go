package main

import (
	"fmt"
	"sync"
	"syscall"
	"testing"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/client"
	"github.com/rentroll/rentroll/quota"
)

// answered is what a server has said before it was killed.
type answered struct {
	mu    sync.Mutex
	runs  map[rentroll.RunID]rentroll.RunStatus
	count int
}

func (a *answered) note(run *rentroll.Run) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.runs[run.ID] = run.Status
	a.count++
	return a.count
}

// TestKill kills a server in the middle of some hundred runs: everything that it has answered must be there when it
// starts again, and the counters must be what the rows say.
func TestKill(t *testing.T) {
	t.Parallel()
	const callers, enough, tokens = 16, 300, 7
	dir := t.TempDir()
	p := serve(t, dir, withKey(), "--log-level", "error")
	c := p.connect(configuredKey)
	for i := range 2 {
		params := client.CreateTenantParams{Name: "T", Slug: fmt.Sprintf("t%d", i), Plan: rentroll.PlanEnterprise}
		if _, err := c.CreateTenant(t.Context(), params); err != nil {
			t.Fatal(err)
		}
	}
	said := &answered{runs: make(map[rentroll.RunID]rentroll.RunStatus)}
	var group sync.WaitGroup
	for i := range callers {
		group.Go(func() {
			tenant := fmt.Sprintf("t%d", i%2)
			for { // until the server is gone
				run, err := c.CreateRun(t.Context(), tenant, client.CreateRunParams{WorkerID: "writer", Task: "x", ReserveTokens: 3})
				if err != nil {
					return
				}
				said.note(run)
				run, err = c.CompleteRun(t.Context(), tenant, run.ID, client.CompleteRunParams{Success: true, TotalTokens: tokens})
				if err != nil {
					return
				}
				if said.note(run) >= enough {
					p.signal(syscall.SIGKILL)
				}
			}
		})
	}
	group.Wait()
	<-p.ended
	if said.count < enough {
		t.Fatalf("the server ended after %d answers:\n%s", said.count, p.err)
	}

	again := serve(t, dir, withKey(), "--log-level", "error")
	c = again.connect(configuredKey)
	for i := range 2 {
		checkTenant(t, c, fmt.Sprintf("t%d", i), said, tokens)
	}
	if len(said.runs) > 0 {
		t.Errorf("%d runs that were answered are gone", len(said.runs))
	}
	again.stop()
}

// checkTenant compares a tenant's counters with its rows, and its rows with what was answered.
func checkTenant(t *testing.T, c *client.Client, tenant string, said *answered, tokens int64) {
	t.Helper()
	var rows, open, ended int64
	for run, err := range c.AllRuns(t.Context(), tenant, client.ListRunsParams{Page: rentroll.Page{Limit: rentroll.MaxPageSize}}) {
		if err != nil {
			t.Fatal(err)
		}
		rows++
		if run.Status.Open() {
			open++
		} else {
			ended++
		}
		if was, known := said.runs[run.ID]; known && was == rentroll.RunCompleted && run.Status != was {
			t.Errorf("%s is %s, and was answered %s", run.ID, run.Status, was)
		}
		delete(said.runs, run.ID)
	}
	uses, err := c.GetQuotas(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	sum, err := c.GetUsageSummary(t.Context(), tenant, client.UsageSummaryParams{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[quota.Name]int64{quota.RunsPerDay: rows, quota.ConcurrentRuns: open, quota.TokensPerMonth: ended * tokens}
	for _, u := range uses {
		if n, counts := want[u.Quota]; counts && u.Used != n {
			t.Errorf("%s: %s is %d, and the rows say %d", tenant, u.Quota, u.Used, n)
		}
		if u.Quota == quota.TokensPerMonth && u.Reserved != 3*open {
			t.Errorf("%s: %d tokens are reserved for %d runs", tenant, u.Reserved, open)
		}
	}
	if got := sum.Meters[rentroll.MeterWorkerRuns].Total; got != ended {
		t.Errorf("%s: %d runs are metered, and %d have ended", tenant, got, ended)
	}
	if got := sum.Meters[rentroll.MeterTokensUsed].Total; got != ended*tokens {
		t.Errorf("%s: %d tokens are metered, want %d", tenant, got, ended*tokens)
	}
}
