package storetest

import (
	"context"
	"errors"
	"fmt"

	"github.com/rentroll/rentroll"
)

func snapshotTests() []test {
	return []test{
		{"SeesNothingUncommitted", viewSeesNothingUncommitted},
		{"SeesWhatWasCommitted", viewSeesCommitted},
		{"IsOneInstant", viewIsOneInstant},
		{"HoldsNobodyUp", viewHoldsNobodyUp},
		{"ErrorOfRead", viewReturnsError},
		{"PanicOfRead", viewSurvivesPanic},
		{"ManyAtOnce", manyViews},
		{"WholeWhileOthersWrite", wholeWhileOthersWrite},
	}
}

func viewSeesNothingUncommitted(s *scene) {
	rows := specimens(s)
	tx, b := s.claim()
	for _, row := range rows {
		row.put(b)
	}
	s.must(tx.Save(s.Context(), b))
	areThere(s, rows, false)
	s.must(tx.Commit(s.Context(), newID[rentroll.BatchID](s)))
	areThere(s, rows, true)
}

// viewSeesCommitted: what was committed before a View is called is in it, always.
func viewSeesCommitted(s *scene) {
	for range 50 {
		r := fullRun(s)
		runs.put(s, r)
		runs.is(s, r)
	}
}

// viewIsOneInstant: a snapshot stays what it was while others commit, for rows, lists, sums and answers.
func viewIsOneInstant(s *scene) {
	a := fullAccount(s)
	a.RunsToday = 0
	accounts.put(s, a)
	s.view(func(ctx context.Context, r rentroll.Reader) error {
		if err := checkSnapshot(ctx, r, a.TenantID, 0); err != nil {
			return err
		}
		for i := range 3 {
			s.must(s.admit(a.TenantID))
			if err := checkSnapshot(ctx, r, a.TenantID, 0); err != nil {
				return fmt.Errorf("after %d commits: %w", i+1, err)
			}
		}
		return nil
	})
	s.view(func(ctx context.Context, r rentroll.Reader) error { return checkSnapshot(ctx, r, a.TenantID, 3) })
}

// admit commits a run, with its event and rollup, and counts it in the account.
func (s *scene) admit(tenant rentroll.TenantID) error {
	return s.transact([]rentroll.TenantID{tenant}, func(b *rentroll.Batch) {
		a := *b.Accounts.Get(tenant)
		a.RunsToday++
		b.Accounts.Put(tenant, &a)
		r := runOf(s, tenant)
		b.Runs.Put(runRef(r), r)
		b.Usage = append(b.Usage, bareEvent(s, tenant, "a", 1, instant))
		b.Rollups = map[rentroll.RollupKey]rentroll.RollupSum{totalOf(tenant, "a", bucket(0)): {Total: 1, Events: 1}}
	})
}

// checkSnapshot checks that a snapshot holds so many runs, by every way there is to count them; -1 is as many as the
// account says.
func checkSnapshot(ctx context.Context, r rentroll.Reader, tenant rentroll.TenantID, want int64) error {
	b := &rentroll.Batch{OverdueRuns: map[rentroll.TenantID]*rentroll.OverdueRuns{tenant: nil}, Now: after(1e6)}
	b.Accounts.Want(tenant)
	if err := r.Load(ctx, b); err != nil {
		return err
	}
	counted := b.Accounts.Get(tenant).RunsToday
	page, err := r.ListRuns(ctx, rentroll.RunFilter{TenantID: tenant, Limit: 1000, Scan: 1000})
	if err != nil {
		return err
	}
	events, err := r.SumUsage(ctx, tenant, instant, after(1))
	if err != nil {
		return err
	}
	rollups, err := r.SumRollups(ctx, tenant, bucket(0), bucket(1))
	if err != nil {
		return err
	}
	overdue, err := r.CountOverdueRuns(ctx, tenant, after(1e6))
	if err != nil {
		return err
	}
	if want < 0 {
		want = counted
	}
	for what, n := range map[string]int64{
		"the account": counted, "the list of runs": int64(len(page.Runs)), "the events": totalIn(events), "the rollups": totalIn(rollups),
		"the overdue runs": overdue.Runs, "the answer": int64(len(b.OverdueRuns[tenant].Runs)),
	} {
		if n != want {
			return fmt.Errorf("%s: %d runs, want %d", what, n, want)
		}
	}
	return nil
}

func totalIn(sums []rentroll.MeterSum) (total int64) {
	for _, sum := range sums {
		total += sum.Total
	}
	return total
}

// viewHoldsNobodyUp: transactions begin and commit while a snapshot is open, and the other way around.
func viewHoldsNobodyUp(s *scene) {
	tenant := s.tenant()
	tx, b := s.claim(tenant)
	s.view(func(ctx context.Context, r rentroll.Reader) error {
		if err := checkSnapshot(ctx, r, tenant, 0); err != nil {
			return err
		}
		s.commit(tx, b)
		s.must(s.admit(tenant))
		s.writeStatistics(&rentroll.Statistics{Denials: s.newDenials(tenant, 1)})
		return checkSnapshot(ctx, r, tenant, 0)
	})
}

func viewReturnsError(s *scene) {
	want := errors.New("read it")
	if got := s.store.View(s.Context(), func(rentroll.Reader) error { return want }); !sameError(got, want) {
		s.Errorf("got %v, want the reader's own error as it is", got)
	}
}

// sameError reports whether two errors are the very same value.
func sameError(a, b error) bool { return a == b } //nolint:errorlint // a wrapped error would not be the same

// viewSurvivesPanic: a reader that panics gives its connection back. Twenty of them would use up any pool of tests.
func viewSurvivesPanic(s *scene) {
	for range 20 {
		func() {
			defer func() {
				if recover() == nil {
					s.Error("the panic did not come through")
				}
			}()
			s.must(s.store.View(s.Context(), func(rentroll.Reader) error { panic("reading") }))
		}()
	}
	accounts.isGone(s, newID[rentroll.TenantID](s))
}

// manyViews: more snapshots than there are connections wait for each other and all come through.
func manyViews(s *scene) {
	tenant := s.tenant()
	s.together(64, func(int) error {
		return s.store.View(s.Context(), func(r rentroll.Reader) error { return checkSnapshot(s.Context(), r, tenant, 0) })
	})
}

// wholeWhileOthersWrite: in every snapshot the counters equal the rows, however many readers and commits there are.
func wholeWhileOthersWrite(s *scene) {
	tenant := s.tenant()
	const readers, commits = 4, 40
	done := make(chan struct{})
	s.together(readers+1, func(i int) error {
		if i == readers {
			defer close(done)
			for range commits {
				if err := s.admit(tenant); err != nil {
					return err
				}
			}
			return nil
		}
		for {
			err := s.store.View(s.Context(), func(r rentroll.Reader) error { return checkSnapshot(s.Context(), r, tenant, -1) })
			if err != nil {
				return err
			}
			select {
			case <-done:
				return nil
			default:
			}
		}
	})
	s.view(func(ctx context.Context, r rentroll.Reader) error { return checkSnapshot(ctx, r, tenant, commits) })
}
