package postgres_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/faultproxy"
	"github.com/rentroll/rentroll/postgres"
)

// TestFaultSlow: a database far away makes everything slow, and nothing wrong.
func TestFaultSlow(t *testing.T) {
	t.Parallel()
	s := newStand(t, standOptions{})
	s.proxy.Delay(25 * time.Millisecond)
	l := s.begin(8)
	l.more(24)
	s.proxy.Delay(0)
	l.end()
	delete(l.refused, "deadline") // a caller's own, which a busy machine may not keep
	if len(l.refused) > 0 {
		t.Errorf("callers were refused: %v", l.refused)
	}
}

// TestFaultSilent: nothing comes from the database, and nothing ends. Callers are answered by their deadlines; those that
// the queues have no room for, at once. Then everything that waits arrives.
func TestFaultSilent(t *testing.T) {
	t.Parallel()
	const lanes, places, room = 2, 8, 64 << 10
	s := newStand(t, standOptions{engine: rentroll.Options{TenantQueue: places, QueueBytes: lanes * room, Lanes: lanes}})
	l := s.begin(2)
	l.more(4)
	s.proxy.Hold()
	for _, tenant := range []int{0, 1, 2} { // and now each lane waits
		if err := s.create(tenant, 20*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("nobody answers, and a caller was told %v", err)
		}
	}
	// Of one tenant as many wait as there are places, and of all as much as there is room for.
	const callers, deadline, large = 24, 300 * time.Millisecond, room/2 - 2048
	s.refused(rentroll.CodeOverloaded, callers-places, storm(callers, func() error { return s.create(2, deadline) }))
	s.refused(rentroll.CodeUnavailable, callers/2, storm(callers, func() error {
		input := []byte(`"` + strings.Repeat("x", large) + `"`)
		return within(t, deadline, func(ctx context.Context) error {
			_, err := s.CreateRun(ctx, rentroll.CreateRunParams{TenantID: s.tenants[0], WorkerID: "builder", Task: probe, Input: input})
			return err
		})
	}))
	if err := within(t, deadline, func(ctx context.Context) error {
		_, err := s.GetQuotas(ctx, s.tenants[0])
		return err
	}); err == nil {
		t.Error("a reader was answered, by nobody")
	}
	s.proxy.Release()
	s.heals()
	l.end()
}

// refused fails the test where fewer calls were refused with a code, or others did not end by their deadlines.
func (s *stand) refused(code rentroll.Code, least int, errs []error) {
	s.t.Helper()
	n := 0
	for _, err := range errs {
		switch {
		case errors.Is(err, code):
			n++
		case !errors.Is(err, context.DeadlineExceeded):
			s.t.Errorf("a caller was told %v", err)
		}
	}
	if n < least {
		s.t.Errorf("%d callers were %s, of %d at least %d should be", n, code, len(errs), least)
	}
}

// TestFaultSilences plays what takes long because nothing happens, all of it at once.
func TestFaultSilences(t *testing.T) {
	t.Parallel()
	var all sync.WaitGroup
	for name, test := range map[string]func(t *testing.T){
		"a database vanished": vanishedDatabase,
		"a server vanished":   vanishedServer,
		"a commit is unknown": unknownForLong,
		"a server is closed":  closeInSilence,
	} {
		all.Go(func() { t.Run(name, test) })
	}
	all.Wait()
}

// soonEnough is how soon a server must be back that nothing but silence tells of what has happened: some time-outs after
// each other, on a busy machine.
const soonEnough = 90 * time.Second

// vanishedDatabase: a database is gone without a word, and another one is there in its place. All connections of
// the pool are dead, and none of them says so.
func vanishedDatabase(t *testing.T) {
	t.Helper()
	s := newStand(t, standOptions{store: postgres.Options{Connections: 8}})
	l := s.begin(2)
	l.more(30)
	for _, err := range storm(8, func() error { _, err := s.GetQuotas(t.Context(), s.tenants[0]); return err }) {
		if err != nil {
			t.Error(err)
		}
	}
	n := s.proxy.Strand()
	begin := time.Now()
	s.heals()
	if took := time.Since(begin); took > soonEnough {
		t.Errorf("%d connections were dead, and the engine worked again after %s", n, took)
	}
	l.end()
}

// vanishedServer: a server vanishes that has an account locked, and its database does not learn of it. Another
// server must get the account.
func vanishedServer(t *testing.T) {
	t.Helper()
	s := newStand(t, standOptions{})
	var gone atomic.Bool
	s.proxy.Watch(func(st faultproxy.Statement) faultproxy.Fate {
		if !strings.Contains(st.SQL, "FOR NO KEY UPDATE") || gone.Swap(true) {
			return faultproxy.Fate{}
		}
		return faultproxy.Fate{End: faultproxy.StrandAfter}
	})
	other, _ := s.start(s.url, standOptions{})
	_ = s.create(2, 100*time.Millisecond)
	free := "accounts WHERE tenant_id IN (SELECT tenant_id FROM " + s.schema + ".accounts WHERE tenant_id = $1 FOR UPDATE SKIP LOCKED)"
	if !gone.Load() || s.count(free, [16]byte(s.tenants[2])) != 0 {
		t.Fatal("no server has vanished with the account")
	}
	s.proxy.Hold()
	begin := time.Now()
	until(t, "another server with the account", func() bool {
		return within(t, patience, func(ctx context.Context) error {
			_, err := other.CreateRun(ctx, rentroll.CreateRunParams{TenantID: s.tenants[2], WorkerID: "builder", Task: probe})
			return err
		}) == nil
	})
	if took := time.Since(begin); took > soonEnough {
		t.Errorf("the account was locked for %s", took)
	}
	s.proxy.Watch(nil)
	s.proxy.Release()
	s.heals()
	s.checkRows()
}

// closeInSilence: an engine that is closed while nothing comes from its database ends all the same.
func closeInSilence(t *testing.T) {
	t.Helper()
	o := standOptions{engine: rentroll.Options{SweepInterval: 5 * time.Millisecond, StatisticsInterval: 5 * time.Millisecond}}
	o.store.LockTimeout = 100 * time.Millisecond // which bounds how long an answer is waited for
	s := newStand(t, o)
	s.heals()
	s.proxy.Hold()
	waiting := make(chan []error, 1)
	go func() {
		waiting <- storm(8, func() error {
			return within(t, patience, func(ctx context.Context) error {
				if _, err := s.GetQuotas(ctx, s.tenants[0]); err == nil {
					t.Error("a reader was answered, by nobody")
				}
				_, err := s.CreateRun(ctx, rentroll.CreateRunParams{TenantID: s.tenants[2], WorkerID: "builder", Task: probe})
				return err
			})
		})
	}()
	closed := make(chan error, 1)
	begin := time.Now()
	go func() { closed <- s.Close() }()
	select {
	case <-closed:
		t.Logf("closed after %s", time.Since(begin))
	case <-time.After(soonEnough):
		t.Errorf("not closed after %s", soonEnough)
		s.proxy.Release()
		<-closed
	}
	for _, err := range <-waiting {
		if err == nil {
			t.Error("a writer was answered, by nobody")
		}
	}
}

// unknownForLong: for as long as anybody asks, nobody can say what became of a commit. Its caller is told so, and learns
// what it was by asking again.
func unknownForLong(t *testing.T) {
	t.Helper()
	s := newStand(t, standOptions{})
	s.atCommits(func(faultproxy.Statement) faultproxy.Fate {
		s.proxy.Refuse()
		return faultproxy.Fate{End: faultproxy.CutAfter}
	})
	create := func(ctx context.Context) (*rentroll.Run, error) {
		return s.CreateRun(ctx, rentroll.CreateRunParams{TenantID: s.tenants[2], WorkerID: "builder", Task: probe, IdempotencyKey: "once"})
	}
	if _, err := create(t.Context()); !errors.Is(err, rentroll.CodeUnavailable) || !strings.Contains(err.Error(), "not known") {
		t.Errorf("got %v, want it to be unavailable and unknown", err)
	}
	s.proxy.Watch(nil)
	s.proxy.Accept()
	s.heals()
	if run, err := create(t.Context()); err != nil || !run.Replayed {
		t.Errorf("asked again: %v, %v; want the run that was made", run, err)
	}
	s.checkRows()
}
