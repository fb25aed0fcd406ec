package postgres_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/faultproxy"
)

// pause lets a while pass that the seed chooses, up to d.
func (s *stand) pause(d time.Duration) {
	<-time.After(time.Duration(s.rng.Int64N(int64(d))))
}

// TestFaultCuts cuts all connections at whatever moment, again and again, and sometimes refuses new ones for a while.
func TestFaultCuts(t *testing.T) {
	t.Parallel()
	s := newStand(t, standOptions{})
	l := s.begin(8)
	for range 25 {
		l.more(1)
		s.pause(30 * time.Millisecond)
		if s.rng.IntN(3) == 0 {
			s.proxy.Refuse()
			s.proxy.Cut()
			s.pause(60 * time.Millisecond)
			s.proxy.Accept()
		} else {
			s.proxy.Cut()
		}
	}
	l.end()
}

// atCommits has a hook say what befalls each COMMIT of a transaction that has made runs. Other transactions go on: those
// of what an engine does beside its callers' work.
func (s *stand) atCommits(hook func(st faultproxy.Statement) faultproxy.Fate) {
	var mu sync.Mutex
	making := make(map[uint32]bool) // sessions
	s.proxy.Watch(func(st faultproxy.Statement) faultproxy.Fate {
		mu.Lock()
		made := making[st.Backend]
		making[st.Backend] = (made || strings.HasPrefix(st.SQL, "INSERT INTO runs ")) && !st.Commits()
		mu.Unlock()
		if made && st.Commits() {
			return hook(st)
		}
		return faultproxy.Fate{}
	})
}

// TestFaultCutAtCommit cuts connections at COMMITs, before the server has got them and when it has answered: no caller
// sees a difference, because what became of each is looked up.
func TestFaultCutAtCommit(t *testing.T) {
	t.Parallel()
	before := func(int64) faultproxy.End { return faultproxy.CutBefore }
	after := func(int64) faultproxy.End { return faultproxy.CutAfter }
	either := func(n int64) faultproxy.End { return faultproxy.CutBefore + faultproxy.End(n%2) }
	for name, test := range map[string]struct {
		choose func(n int64) faultproxy.End
		pooled bool
	}{
		"before": {before, false}, "after": {after, false}, "either": {either, false}, "either, as behind a pooler": {either, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := standOptions{engine: rentroll.Options{StatisticsInterval: time.Hour}}
			o.store.Pooled = test.pooled
			s := newStand(t, o)
			var commits, cuts atomic.Int64
			l := s.begin(8)
			s.atCommits(func(faultproxy.Statement) faultproxy.Fate {
				if commits.Add(1)%2 != 0 {
					return faultproxy.Fate{}
				}
				n := cuts.Add(1)
				if n > 30 {
					return faultproxy.Fate{}
				}
				return faultproxy.Fate{End: test.choose(n)}
			})
			until(t, "30 cuts", func() bool { return cuts.Load() >= 30 })
			s.proxy.Watch(nil)
			l.more(1)
			l.end()
			if n := s.Metrics().UnknownCommits; n < 30 {
				t.Errorf("%d commits were looked up, and 30 were cut", n)
			}
			if len(l.refused) > 0 {
				t.Errorf("callers saw it: %v", l.refused)
			}
		})
	}
}

// TestFaultCutDuringLookup: the database can't be reached when it is to say what became of a commit. It is asked until
// it answers.
func TestFaultCutDuringLookup(t *testing.T) {
	t.Parallel()
	for end, name := range map[faultproxy.End]string{faultproxy.CutBefore: "before", faultproxy.CutAfter: "after"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStand(t, standOptions{engine: rentroll.Options{StatisticsInterval: time.Hour}})
			var cut atomic.Bool
			s.atCommits(func(faultproxy.Statement) faultproxy.Fate {
				if cut.Swap(true) {
					return faultproxy.Fate{}
				}
				s.proxy.Refuse()
				return faultproxy.Fate{End: end}
			})
			l := s.begin(4)
			until(t, "a lookup", func() bool { return s.Metrics().UnknownCommits == 1 })
			s.pause(300 * time.Millisecond)
			s.proxy.Accept()
			l.more(10)
			l.end()
		})
	}
}

// TestFaultTerminatedBehindCommit: a session is terminated when it has committed, and before it could say so. What the
// client then reads of it is that it was terminated, which must not be taken for "nothing was written".
func TestFaultTerminatedBehindCommit(t *testing.T) {
	t.Parallel()
	s := newStand(t, standOptions{engine: rentroll.Options{StatisticsInterval: time.Hour}})
	var done atomic.Bool
	ended := make(chan struct{})
	s.atCommits(func(st faultproxy.Statement) faultproxy.Fate {
		if done.Swap(true) {
			return faultproxy.Fate{}
		}
		return faultproxy.Fate{Pause: func() {
			s.terminateCommitted(st.Backend)
			ended <- struct{}{}
		}}
	})
	tenant := s.tenants[2]
	for _, key := range []string{"", "a key"} {
		done.Store(false)
		err := within(t, patience, func(ctx context.Context) error {
			_, err := s.CreateRun(ctx, rentroll.CreateRunParams{TenantID: tenant, WorkerID: "builder", Task: probe, IdempotencyKey: key})
			return err
		})
		if err != nil {
			t.Error(err)
		}
		<-ended
	}
	page, err := s.ListRuns(t.Context(), rentroll.ListRunsParams{TenantID: tenant})
	if err != nil || len(page.Items) != 2 {
		t.Errorf("two runs were asked for, and there are %d: %v", len(page.Items), err)
	}
}

// terminateCommitted waits until a session has committed, terminates it and waits for its end.
func (s *stand) terminateCommitted(backend uint32) {
	count := func(query string) (n int) {
		if err := s.admin.QueryRow(context.Background(), query, backend).Scan(&n); err != nil {
			s.t.Error(err)
		}
		return n
	}
	until(s.t, "the commit", func() bool {
		return count("SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND backend_xid IS NULL") == 1
	})
	until(s.t, "the session's end", func() bool {
		return count("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid = $1") == 0
	})
}
