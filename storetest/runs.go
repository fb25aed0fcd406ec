package storetest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rentroll/rentroll"
)

func runRows(b *rentroll.Batch) *rentroll.Rowset[rentroll.RunRef, rentroll.Run] { return &b.Runs }

func runRef(r *rentroll.Run) rentroll.RunRef {
	return rentroll.RunRef{TenantID: r.TenantID, RunID: r.ID}
}

func fullRun(s *scene) *rentroll.Run {
	r := runOf(s, newID[rentroll.TenantID](s))
	r.APIKeyID, r.UserID, r.Family = newID[rentroll.KeyID](s), newID[rentroll.UserID](s), newID[rentroll.KeyID](s)
	r.ParentRunID, r.Attempt, r.RetriedBy = newID[rentroll.RunID](s), 3, newID[rentroll.RunID](s)
	r.Status, r.Success, r.Error = rentroll.RunFailed, new(true), "it broke: „‽“"
	r.TotalTokens, r.ReservedTokens, r.TokensSoFar = new(int64(1)), 2, 3
	r.TotalLatencyMS, r.StagesCompleted, r.Recoveries, r.PolicyViolations = new(int64(4)), new(int64(5)), new(int64(6)), new(int64(7))
	r.SetCost(new(int64(12_345_678)))
	r.IsRetry, r.Late, r.OverSoftLimit, r.CancelRequested = true, true, true, true
	r.StartedAt, r.CompletedAt = new(after(2)), new(after(3))
	r.Payloads = rentroll.PayloadInput | rentroll.PayloadReplayToken
	r.Fingerprint, r.Subject = s.hash(), "customer „4711“"
	return r
}

// runOf is a queued run with nothing that may be absent.
func runOf(s *scene, tenant rentroll.TenantID) *rentroll.Run {
	return &rentroll.Run{
		ID: newID[rentroll.RunID](s), TenantID: tenant, WorkerID: "business-builder", Task: "build „it“\n\t'now'",
		Status: rentroll.RunQueued, Attempt: 1, LeaseExpiresAt: after(900), CreatedAt: after(1), Lease: 900 * time.Microsecond,
	}
}

var runs = noun[rentroll.RunRef, rentroll.Run]{
	rows: runRows, key: runRef,
	full: fullRun,
	bare: func(s *scene) *rentroll.Run { return runOf(s, newID[rentroll.TenantID](s)) },
	edit: func(r *rentroll.Run) {
		r.Status, r.Success, r.Error, r.TokensSoFar, r.CompletedAt = rentroll.RunCompleted, new(false), "", 99, new(after(99))
		r.SetCost(new(int64(0)))
	},
	elsewhere: []string{"Input", "Output", "ReplayToken", "Replayed"},
}

func runTests() []test {
	return append(runs.tests(),
		test{"Statuses", runStatuses},
		test{"ListNewestFirst", listRuns},
		test{"Walk", walkRuns},
		test{"ListOfNobody", listNoRuns},
		test{"ListWithFilters", listRunsFilters},
		test{"ListScansABoundedStretch", listRunsScan},
		test{"ListFewOpenRuns", listFewOpenRuns},
		test{"ListEndsWhereTheScanDoes", listRunsScanEnd},
		test{"CountOverdue", countOverdueRuns},
		test{"Overdue", overdueRuns},
		test{"OverdueNone", overdueNoRuns},
		test{"OverdueMany", overdueManyRuns},
		test{"OverdueAndChanges", overdueChangedRuns},
	)
}

var runStates = []rentroll.RunStatus{
	rentroll.RunQueued, rentroll.RunRunning, rentroll.RunCompleted, rentroll.RunFailed, rentroll.RunCanceled, rentroll.RunCrashed,
}

func runStatuses(s *scene) {
	for _, status := range runStates {
		r := fullRun(s)
		r.Status = status
		runs.put(s, r)
		runs.is(s, r)
	}
}

// walkRuns walks over a tenant's runs in pages of every size.
func walkRuns(s *scene) {
	tenant, all := s.newRuns(7, func(int, *rentroll.Run) {})
	s.newRuns(2, func(int, *rentroll.Run) {})
	slices.SortFunc(all, func(a, b *rentroll.Run) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	for limit := 1; limit <= 8; limit++ {
		var ids []rentroll.RunID
		for f := (rentroll.RunWalk{TenantID: tenant, Limit: limit}); ; {
			var page []*rentroll.Run
			s.view(func(ctx context.Context, r rentroll.Reader) (err error) {
				page, err = r.WalkRuns(ctx, f)
				return err
			})
			for _, run := range page {
				ids = append(ids, run.ID)
				f.After = run.ID
			}
			if len(page) < limit {
				break
			}
		}
		if len(ids) != len(all) {
			s.Fatalf("%d runs in pages of %d, want %d", len(ids), limit, len(all))
		}
		for i, id := range ids {
			same(s, "a run", id, all[i].ID)
		}
	}
}

func (s *scene) listRuns(f rentroll.RunFilter) (out rentroll.RunPage) {
	s.Helper()
	s.view(func(ctx context.Context, r rentroll.Reader) (err error) {
		out, err = r.ListRuns(ctx, f)
		return err
	})
	return out
}

// newRuns puts runs of one tenant, each edited, and returns them newest first.
func (s *scene) newRuns(n int, edit func(i int, r *rentroll.Run)) (tenant rentroll.TenantID, out []*rentroll.Run) {
	s.Helper()
	tenant = newID[rentroll.TenantID](s)
	for i := range n {
		r := runOf(s, tenant)
		edit(i, r)
		out = append(out, r)
	}
	runs.put(s, out...)
	slices.Reverse(out)
	return tenant, out
}

func asMade(int, *rentroll.Run) {}

func listRuns(s *scene) {
	tenant, rows := s.newRuns(5, asMade)
	s.newRuns(3, asMade) // another tenant's
	f := rentroll.RunFilter{TenantID: tenant, Limit: 5, Scan: 100}
	same(s, "the list", s.listRuns(f), rentroll.RunPage{Runs: rows})
	f.Limit = 2
	same(s, "its first page", s.listRuns(f), rentroll.RunPage{Runs: rows[:2], Next: rows[1].ID})
	f.Before = rows[1].ID
	same(s, "its second page", s.listRuns(f), rentroll.RunPage{Runs: rows[2:4], Next: rows[3].ID})
	f.Before = rows[3].ID
	same(s, "its last page", s.listRuns(f), rentroll.RunPage{Runs: rows[4:]})
	f.Before = rows[4].ID
	same(s, "what is behind the end", s.listRuns(f), rentroll.RunPage{})
}

func listNoRuns(s *scene) {
	s.newRuns(2, asMade)
	for _, f := range []rentroll.RunFilter{{}, {Status: rentroll.RunQueued}, {WorkerID: "business-builder"}} {
		f.TenantID, f.Limit, f.Scan = newID[rentroll.TenantID](s), 5, 10
		same(s, "the list", s.listRuns(f), rentroll.RunPage{})
	}
}

// listRunsFilters compares combinations of filters and bounds, page by page, with the same choice made in Go.
func listRunsFilters(s *scene) {
	keys := []rentroll.KeyID{{}, newID[rentroll.KeyID](s), newID[rentroll.KeyID](s)}
	workers := []string{"writer", "writer2", "w"}
	tenant, rows := s.newRuns(60, func(i int, r *rentroll.Run) {
		r.Status, r.WorkerID, r.APIKeyID = runStates[i%6], workers[i/2%3], keys[i/3%3]
	})
	for _, status := range []rentroll.RunStatus{"", rentroll.RunQueued, rentroll.RunCrashed} {
		for _, worker := range []string{"", "writer", "Writer"} {
			for _, key := range []rentroll.KeyID{{}, keys[2], newID[rentroll.KeyID](s)} {
				for _, limit := range []int{3, 60} {
					f := rentroll.RunFilter{TenantID: tenant, Status: status, WorkerID: worker, APIKeyID: key, Limit: limit, Scan: 60}
					s.checkRunPages(f, rows)
					few := f
					few.FewOpen = true
					s.checkRunPages(few, rows)
					f.Limit, f.Scan = 3, 7
					s.checkRunPages(f, rows)
				}
			}
		}
	}
}

// checkRunPages follows a list to its end: the pages together are what is wanted, none is too long or looked too far,
// and only the last has no next one.
func (s *scene) checkRunPages(f rentroll.RunFilter, all []*rentroll.Run) {
	s.Helper()
	want := slices.DeleteFunc(slices.Clone(all), func(r *rentroll.Run) bool {
		return f.Status != "" && r.Status != f.Status || f.WorkerID != "" && r.WorkerID != f.WorkerID ||
			!f.APIKeyID.IsZero() && r.APIKeyID != f.APIKeyID
	})
	var got []*rentroll.Run
	for seen := 0; ; {
		page := s.listRuns(f)
		if len(page.Runs) > f.Limit {
			s.Fatalf("a page of %d runs for %+v", len(page.Runs), f)
		}
		got = append(got, page.Runs...)
		if page.Next.IsZero() {
			break
		}
		next := slices.IndexFunc(all, func(r *rentroll.Run) bool { return r.ID == page.Next }) + 1
		if next <= seen || next-seen > f.Scan || next == len(all) {
			s.Fatalf("a page for %+v goes from run %d to run %d of %d", f, seen, next, len(all))
		}
		seen, f.Before = next, page.Next
	}
	same(s, fmt.Sprintf("the list for %+v", f), got, want)
}

// listRunsScan: where few runs pass a filter, a page ends when it has looked at enough of them, be it empty.
func listRunsScan(s *scene) {
	tenant, rows := s.newRuns(25, func(i int, r *rentroll.Run) {
		if i == 2 {
			r.Status = rentroll.RunCrashed
		}
	})
	f := rentroll.RunFilter{TenantID: tenant, Status: rentroll.RunCrashed, Limit: 5, Scan: 10}
	same(s, "the first stretch", s.listRuns(f), rentroll.RunPage{Next: rows[9].ID})
	f.Before = rows[9].ID
	same(s, "the second stretch", s.listRuns(f), rentroll.RunPage{Next: rows[19].ID})
	f.Before = rows[19].ID
	same(s, "the last stretch", s.listRuns(f), rentroll.RunPage{Runs: rows[22:23]})
}

// listFewOpenRuns: where a tenant has few open runs they are found at once, however many runs came after them. Of runs that
// have ended FewOpen says nothing.
func listFewOpenRuns(s *scene) {
	tenant, rows := s.newRuns(25, func(i int, r *rentroll.Run) {
		switch r.Status = rentroll.RunCompleted; i {
		case 0, 3:
			r.Status = rentroll.RunRunning
		case 1, 2:
			r.Status = rentroll.RunQueued
		}
	})
	s.newLease(newID[rentroll.TenantID](s), rentroll.RunRunning, 0) // another tenant's
	f := rentroll.RunFilter{TenantID: tenant, Status: rentroll.RunRunning, Limit: 5, Scan: 10, FewOpen: true}
	same(s, "the running ones", s.listRuns(f), rentroll.RunPage{Runs: []*rentroll.Run{rows[21], rows[24]}})
	f.Limit = 1
	same(s, "their first page", s.listRuns(f), rentroll.RunPage{Runs: rows[21:22], Next: rows[21].ID})
	f.Before = rows[21].ID
	same(s, "their last page", s.listRuns(f), rentroll.RunPage{Runs: rows[24:]})
	f = rentroll.RunFilter{TenantID: tenant, Status: rentroll.RunCrashed, Limit: 5, Scan: 10, FewOpen: true}
	same(s, "a stretch of those that have crashed", s.listRuns(f), rentroll.RunPage{Next: rows[9].ID})
}

// listRunsScanEnd: a list that ends with the stretch that was looked at has no next page.
func listRunsScanEnd(s *scene) {
	tenant, rows := s.newRuns(20, asMade)
	f := rentroll.RunFilter{TenantID: tenant, Status: rentroll.RunCrashed, Limit: 5, Scan: 10}
	same(s, "the first stretch", s.listRuns(f), rentroll.RunPage{Next: rows[9].ID})
	f.Before = rows[9].ID
	same(s, "the last stretch", s.listRuns(f), rentroll.RunPage{})
}

// newLease puts a run with a state and the end of its lease.
func (s *scene) newLease(tenant rentroll.TenantID, status rentroll.RunStatus, lease int) *rentroll.Run {
	s.Helper()
	r := runOf(s, tenant)
	r.Status, r.LeaseExpiresAt, r.ReservedTokens, r.TokensSoFar = status, after(lease), 10, 3
	runs.put(s, r)
	return r
}

func countOverdueRuns(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	for _, status := range runStates {
		for lease := -1; lease <= 1; lease++ {
			s.newLease(tenant, status, lease)
		}
	}
	s.newLease(newID[rentroll.TenantID](s), rentroll.RunQueued, -1)
	for at, n := range map[int]int64{-2: 0, -1: 2, 0: 4, 1: 6, 2: 6} { // queued and running ones
		s.view(func(ctx context.Context, r rentroll.Reader) error {
			sum, err := r.CountOverdueRuns(ctx, tenant, after(at))
			same(s, "the sum", sum, rentroll.OverdueSum{Runs: n, Reserved: 10 * n, Tokens: 3 * n})
			return err
		})
	}
}

func (s *scene) overdueRuns(tenant rentroll.TenantID) (*rentroll.OverdueRuns, *rentroll.Batch) {
	s.Helper()
	b := s.load(func(b *rentroll.Batch) { b.OverdueRuns = map[rentroll.TenantID]*rentroll.OverdueRuns{tenant: nil} })
	return b.OverdueRuns[tenant], b
}

func overdueRuns(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	s.newLease(tenant, rentroll.RunQueued, 9)
	second := s.newLease(tenant, rentroll.RunRunning, 0)
	s.newLease(tenant, rentroll.RunRunning, 5)
	first := s.newLease(tenant, rentroll.RunQueued, -7)
	for _, ended := range runStates[2:] {
		s.newLease(tenant, ended, -8)
		s.newLease(tenant, ended, 1)
	}
	s.newLease(newID[rentroll.TenantID](s), rentroll.RunQueued, -9)
	answer, b := s.overdueRuns(tenant)
	want := &rentroll.OverdueRuns{Runs: []*rentroll.Run{first, second}, Next: after(5)}
	same(s, "the answer", answer, want)
	for _, r := range want.Runs {
		same(s, "the run in the batch", b.Runs.Get(runRef(r)), r)
	}
}

func overdueNoRuns(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	answer, _ := s.overdueRuns(tenant)
	same(s, "the answer without runs", answer, &rentroll.OverdueRuns{})
	s.newLease(tenant, rentroll.RunRunning, 1)
	answer, _ = s.overdueRuns(tenant)
	same(s, "the answer without overdue runs", answer, &rentroll.OverdueRuns{Next: after(1)})
}

func overdueManyRuns(s *scene) {
	tenant, _ := s.newRuns(rentroll.MaxOverdue+3, func(i int, r *rentroll.Run) { r.LeaseExpiresAt = after(-2000 + i) })
	answer, _ := s.overdueRuns(tenant)
	if n := len(answer.Runs); n != rentroll.MaxOverdue {
		s.Fatalf("got %d runs, want the first %d", n, rentroll.MaxOverdue)
	}
	for i, r := range answer.Runs {
		same(s, "the lease in its order", r.LeaseExpiresAt, after(-2000+i))
	}
	same(s, "the next lease", answer.Next, after(-2000+rentroll.MaxOverdue))
}

// overdueChangedRuns: rows that the batch has changed stay as it changed them.
func overdueChangedRuns(s *scene) {
	r := s.newLease(newID[rentroll.TenantID](s), rentroll.RunRunning, 0)
	tx, b := s.claim()
	b.Runs.Want(runRef(r))
	s.must(tx.Load(s.Context(), b))
	ended := *r
	ended.Status = rentroll.RunCompleted
	b.Runs.Put(runRef(r), &ended)
	b.OverdueRuns = map[rentroll.TenantID]*rentroll.OverdueRuns{r.TenantID: nil}
	s.must(tx.Load(s.Context(), b))
	same(s, "the answer", b.OverdueRuns[r.TenantID], &rentroll.OverdueRuns{Runs: []*rentroll.Run{r}})
	if b.Runs.Get(runRef(r)) != &ended {
		s.Error("the answer has undone a change of the batch")
	}
}
