package simtest_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/simtest"
	"github.com/rentroll/rentroll/quota"
)

// trouble makes the transactions fail that write runs whose task is "target".
type trouble struct {
	save, commit simtest.Fault
	left         atomic.Int64 // how many times
	aimed        atomic.Bool  // whether the transaction that is saved now is one of them
}

func targets(b *rentroll.Batch) bool {
	for _, run := range b.Runs.All() {
		if run.Task == "target" {
			return true
		}
	}
	return false
}

// in puts the trouble into a store.
func (f *trouble) in(store *simtest.Faults) {
	fire := func(fault simtest.Fault) simtest.Fault {
		if fault != simtest.None && f.aimed.Load() && f.left.Add(-1) >= 0 {
			return fault
		}
		return simtest.None
	}
	store.OnSave = func(b *rentroll.Batch) simtest.Fault {
		f.aimed.Store(targets(b))
		return fire(f.save)
	}
	store.OnCommit = func() simtest.Fault { return fire(f.commit) }
}

// target asks for a run that the trouble is aimed at.
func (r *rig) target(tenant rentroll.TenantID) (*rentroll.Run, error) {
	return r.CreateRun(r.t.Context(), rentroll.CreateRunParams{TenantID: tenant, WorkerID: "builder", Task: "target"})
}

// TestCommitFaultsAreHidden: whatever happens to a commit, callers see each effect once.
func TestCommitFaultsAreHidden(t *testing.T) {
	for name, test := range map[string]struct {
		save, commit     simtest.Fault
		times            int64
		retries, unknown uint64
	}{
		"retries of commits":             {commit: simtest.Retry, times: 5, retries: 5},
		"retries of saves":               {save: simtest.Retry, times: 5, retries: 5},
		"a lost commit that happened":    {commit: simtest.LostAfter, times: 1, unknown: 1},
		"lost commits that did not":      {commit: simtest.LostBefore, times: 4, retries: 4, unknown: 4},
		"as many retries as are allowed": {commit: simtest.Retry, times: 20, retries: 20},
	} {
		t.Run(name, func(t *testing.T) {
			g, faults := newGate(), &trouble{save: test.save, commit: test.commit}
			faults.left.Store(test.times)
			store := g.around(openSQLite(t))
			faults.in(store)
			r := newRig(t, store, rentroll.Options{})
			id, other := r.tenant("acme", quota.Limits{quota.ConcurrentRuns: quota.Of(5)}), r.tenant("other", nil)
			all := together(r, g, func() error { _, err := r.run(other); return err }, 12,
				func(int) (*rentroll.Run, error) { return r.target(id) })
			ended(t, all, map[rentroll.Code]int{"": 5, rentroll.CodeQuotaExceeded: 7})
			for _, run := range good(all) {
				if _, err := r.GetRun(t.Context(), rentroll.RunRef{TenantID: id, RunID: run.ID}); err != nil {
					t.Errorf("a run that was answered: %v", err)
				}
			}
			if used := r.use(id, quota.RunsPerDay); used != 5 {
				t.Errorf("%d runs are counted, want 5", used)
			}
			if m := r.Metrics(); m.Retries != test.retries || m.UnknownCommits != test.unknown {
				t.Errorf("%d retries and %d unknown commits, want %d and %d", m.Retries, m.UnknownCommits, test.retries, test.unknown)
			}
			r.checkRows(id, other)
		})
	}
}

// TestTooManyRetries: a store that never stops to ask for retries is unavailable.
func TestTooManyRetries(t *testing.T) {
	faults := &trouble{commit: simtest.Retry}
	faults.left.Store(21)
	store := &simtest.Faults{Store: openSQLite(t)}
	faults.in(store)
	r := newRig(t, store, rentroll.Options{})
	id := r.tenant("acme", nil)
	if _, err := r.target(id); rentroll.CodeOf(err) != rentroll.CodeUnavailable {
		t.Errorf("got %v, want unavailable", err)
	}
	if _, err := r.target(id); err != nil {
		t.Errorf("after it: %v", err)
	}
	if used := r.use(id, quota.RunsPerDay); used != 1 {
		t.Errorf("%d runs are counted, want 1", used)
	}
	r.checkRows(id)
}

// TestLookupsAreRepeated: where it can't be found out at first what became of a commit, it is asked again.
func TestLookupsAreRepeated(t *testing.T) {
	faults := &trouble{commit: simtest.LostAfter}
	faults.left.Store(1)
	store := &simtest.Faults{Store: openSQLite(t)}
	faults.in(store)
	var lookups atomic.Int64
	store.OnLookup = func() simtest.Fault {
		if lookups.Add(1) <= 2 {
			return simtest.Down
		}
		return simtest.None
	}
	r := newRig(t, store, rentroll.Options{})
	id := r.tenant("acme", nil)
	if _, err := r.target(id); err != nil {
		t.Errorf("the call whose commit was lost: %v", err)
	}
	if used := r.use(id, quota.RunsPerDay); used != 1 || lookups.Load() != 3 {
		t.Errorf("%d runs are counted after %d lookups, want 1 after 3", used, lookups.Load())
	}
	r.checkRows(id)
}

// TestBusyAccountsArePostponed: calls whose account another server holds keep nobody waiting, and are done in the end.
func TestBusyAccountsArePostponed(t *testing.T) {
	g := newGate()
	store := g.around(openSQLite(t))
	var busy rentroll.TenantID
	var refused, waited, committed, committedBefore atomic.Int64
	store.OnClaim = func(ids []rentroll.TenantID, wait bool) []rentroll.TenantID {
		for _, id := range ids {
			if busy.IsZero() || id != busy {
				continue
			}
			if wait {
				waited.Add(1)
				committedBefore.Store(committed.Load())
				return nil
			}
			refused.Add(1)
			return []rentroll.TenantID{id}
		}
		return nil
	}
	store.OnCommit = func() simtest.Fault { committed.Add(1); return simtest.None }
	r := newRig(t, store, rentroll.Options{})
	held, free, other := r.tenant("held", quota.Limits{quota.ConcurrentRuns: quota.Of(3)}), r.tenant("free", nil), r.tenant("other", nil)
	busy = held
	committed.Store(0)
	all := together(r, g, func() error { _, err := r.run(other); return err }, 20, func(i int) (*rentroll.Run, error) {
		if i%2 == 0 {
			return r.run(held)
		}
		return r.run(free)
	})
	ended(t, all, map[rentroll.Code]int{"": 10 + 3, rentroll.CodeQuotaExceeded: 7})
	if refused.Load() != 2 || waited.Load() != 1 {
		t.Errorf("the account was found busy %d times and waited for %d times, want 2 and 1", refused.Load(), waited.Load())
	}
	if committedBefore.Load() != 2 { // the call that held the lane, and the other tenant's ten
		t.Errorf("%d transactions were committed before the busy account was waited for, want 2", committedBefore.Load())
	}
	r.checkRows(held, free, other)
}

// TestBusyAccountsAreNotMissing: a command that finds out only while it is decided which account it needs, in a batch
// that had to leave this account to another server, waits for it, too.
func TestBusyAccountsAreNotMissing(t *testing.T) {
	g := newGate()
	store := g.around(openSQLite(t))
	var busy rentroll.TenantID
	store.OnClaim = func(ids []rentroll.TenantID, wait bool) []rentroll.TenantID {
		if !wait && !busy.IsZero() && slices.Contains(ids, busy) {
			return []rentroll.TenantID{busy}
		}
		return nil
	}
	r := newRig(t, store, rentroll.Options{})
	id, other := r.tenant("acme", nil), r.tenant("other", nil)
	users := r.owners(id, 3)
	busy = id
	all := together(r, g, func() error { _, err := r.run(other); return err }, 2, func(i int) (struct{}, error) {
		if i == 0 {
			return struct{}{}, r.DeleteUser(t.Context(), users[0])
		}
		return struct{}{}, r.DeleteMembership(t.Context(), id, users[1])
	})
	ended(t, all, map[rentroll.Code]int{"": 2})
	r.checkRows(id, other)
}

// TestCloseWaitsForPostponed: what waits for a busy account was accepted, and is done before Close returns.
func TestCloseWaitsForPostponed(t *testing.T) {
	open := openServers(t) // on a store where the lane itself is free while the account is waited for
	var busy rentroll.TenantID
	waiting, release := make(chan struct{}), make(chan struct{})
	spy := &closeSpy{Store: open()}
	var early atomic.Bool
	commit := func() simtest.Fault {
		early.Store(spy.closed.Load())
		return simtest.None
	}
	store := &simtest.Faults{Store: spy, OnCommit: commit, OnClaim: func(ids []rentroll.TenantID, wait bool) []rentroll.TenantID {
		switch {
		case busy.IsZero() || ids[0] != busy:
			return nil
		case wait:
			close(waiting)
			<-release
			return nil
		default:
			return ids
		}
	}}
	r := newRig(t, store, rentroll.Options{})
	id := r.tenant("acme", nil)
	busy = id
	answer, closed := make(chan error, 1), make(chan error, 1)
	go func() { _, err := r.run(id); answer <- err }()
	<-waiting
	go func() { closed <- r.Close() }()
	r.awaitClosing(id)
	close(release)
	if err := <-answer; err != nil {
		t.Errorf("a call that was accepted before Close: %v", err)
	}
	if err := <-closed; err != nil {
		t.Errorf("closing: %v", err)
	}
	if early.Load() {
		t.Error("the store was closed before the last commit")
	}
	again := newRig(t, open(), rentroll.Options{})
	if used := again.use(id, quota.RunsPerDay); used != 1 {
		t.Errorf("%d runs are stored, want 1", used)
	}
	again.checkRows(id)
}

// awaitClosing waits until the engine accepts nothing any more. The calls with which it tries end before they are decided.
func (r *rig) awaitClosing(tenant rentroll.TenantID) {
	r.t.Helper()
	until(r.t, "nothing is accepted any more", func() bool {
		ctx, cancel := context.WithTimeout(r.t.Context(), time.Millisecond)
		defer cancel()
		_, err := r.CreateRun(ctx, rentroll.CreateRunParams{TenantID: tenant, WorkerID: "builder", Task: "build"})
		return rentroll.CodeOf(err) == rentroll.CodeUnavailable
	})
}

// closeSpy knows when a store is closed.
type closeSpy struct {
	rentroll.Store

	closed atomic.Bool
}

// Close closes the store.
func (s *closeSpy) Close() error {
	s.closed.Store(true)
	return s.Store.Close()
}

// TestOneBadCommandFailsAlone: where the store refuses one command's data, or panics over
// it, only that command fails, in a batch of many commands of many tenants.
func TestOneBadCommandFailsAlone(t *testing.T) {
	for name, fail := range map[string]func() simtest.Fault{
		"refused": func() simtest.Fault { return simtest.Refused },
		"a panic": func() simtest.Fault { panic("injected") },
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate()
			store := g.around(openSQLite(t))
			store.OnSave = func(b *rentroll.Batch) simtest.Fault {
				if targets(b) {
					return fail()
				}
				return simtest.None
			}
			r := newRig(t, store, rentroll.Options{})
			var tenants []rentroll.TenantID
			for i := range 4 {
				tenants = append(tenants, r.tenant(fmt.Sprintf("tenant-%d", i), nil))
			}
			other := r.tenant("other", nil)
			all := together(r, g, func() error { _, err := r.run(other); return err }, 40, func(i int) (*rentroll.Run, error) {
				if i == 17 {
					return r.target(tenants[i%4])
				}
				return r.run(tenants[i%4])
			})
			ended(t, all, map[rentroll.Code]int{"": 39, rentroll.CodeInternal: 1})
			if all[17].err == nil {
				t.Error("the bad command succeeded")
			}
			if r.Metrics().Isolated == 0 {
				t.Error("no batch was isolated")
			}
			for i, id := range tenants {
				want := int64(10)
				if i == 17%4 {
					want--
				}
				if used := r.use(id, quota.RunsPerDay); used != want {
					t.Errorf("tenant %d has %d runs, want %d", i, used, want)
				}
			}
			r.checkRows(append(tenants, other)...)
		})
	}
}

// TestStoreDownAndUp: while the store is away calls are unavailable and change nothing; when it is back, all is well.
func TestStoreDownAndUp(t *testing.T) {
	var down atomic.Bool
	away := func() simtest.Fault {
		if down.Load() {
			return simtest.Down
		}
		return simtest.None
	}
	store := &simtest.Faults{Store: openSQLite(t), OnBegin: away, OnView: away}
	r := newRig(t, store, rentroll.Options{})
	id := r.tenant("acme", quota.Limits{quota.ConcurrentRuns: quota.Of(10)})
	r.mustRun(id)
	down.Store(true)
	ended(t, storm(20, func(int) (*rentroll.Run, error) { return r.run(id) }), map[rentroll.Code]int{rentroll.CodeUnavailable: 20})
	_, readErr := r.GetTenant(t.Context(), id)
	_, quotaErr := r.GetQuotas(t.Context(), id)
	for _, err := range []error{readErr, quotaErr, r.Ping(t.Context())} {
		if rentroll.CodeOf(err) != rentroll.CodeUnavailable {
			t.Errorf("a read ended with %v, want unavailable", err)
		}
	}
	down.Store(false)
	all := storm(20, func(int) (*rentroll.Run, error) { return r.run(id) })
	ended(t, all, map[rentroll.Code]int{"": 9, rentroll.CodeQuotaExceeded: 11})
	r.checkRows(id)
}

// TestFloodIsBounded: a tenant whose queue is full is told so, and others are served.
func TestFloodIsBounded(t *testing.T) {
	g := newGate()
	r := newRig(t, g.around(openSQLite(t)), rentroll.Options{TenantQueue: 10})
	flood, quiet, other := r.tenant("flood", nil), r.tenant("quiet", nil), r.tenant("other", nil)
	g.shut(t)
	held := make(chan error, 1)
	go func() { _, err := r.run(other); held <- err }()
	g.awaitHeld(t)

	const callers = 50
	var refused atomic.Int64
	answers, calm := make(chan []outcome[*rentroll.Run], 1), make(chan []outcome[*rentroll.Run], 1)
	go func() {
		answers <- storm(callers, func(int) (*rentroll.Run, error) {
			run, err := r.run(flood)
			if rentroll.CodeOf(err) == rentroll.CodeOverloaded {
				refused.Add(1)
			}
			return run, err
		})
	}()
	until(t, "what goes beyond the queue is refused", func() bool { return refused.Load() == callers-10 })
	go func() { calm <- storm(10, func(int) (*rentroll.Run, error) { return r.run(quiet) }) }()
	until(t, "both tenants wait", func() bool { return r.Metrics().WaitingTenants == 2 && r.Metrics().WaitingBytes >= 20*512 })
	g.open()
	if err := <-held; err != nil {
		t.Error(err)
	}
	ended(t, <-answers, map[rentroll.Code]int{"": 10, rentroll.CodeOverloaded: callers - 10})
	ended(t, <-calm, map[rentroll.Code]int{"": 10})
	r.checkRows(flood, quiet, other)
}

// TestFloodDoesNotStopTheSweep: a tenant whose queue is full keeps the sweeper from no other tenant.
func TestFloodDoesNotStopTheSweep(t *testing.T) {
	g := newGate()
	r := newRig(t, g.around(openSQLite(t)), rentroll.Options{TenantQueue: 1, SweepInterval: time.Millisecond})
	flood, other := r.tenant("flood", nil), r.tenant("other", nil)
	r.mustRun(flood)
	r.clock.Set(noon.Add(time.Millisecond)) // the sweeper goes by ids, which go by time
	quiet := r.tenant("quiet", nil)
	run := r.mustRun(quiet)
	g.shut(t)
	answers := make(chan error, 2)
	go func() { _, err := r.run(other); answers <- err }()
	g.awaitHeld(t)
	go func() { _, err := r.run(flood); answers <- err }()
	until(t, "the flood's queue is full", func() bool { return r.Metrics().WaitingTenants == 1 })
	r.clock.Set(noon.Add(rentroll.DefaultLease + time.Millisecond))
	until(t, "the sweeper comes to the quiet tenant", func() bool { return r.Metrics().WaitingTenants == 2 })
	g.open()
	for range 2 {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
	until(t, "the run of the quiet tenant crashes", func() bool {
		now, err := r.GetRun(t.Context(), rentroll.RunRef{TenantID: quiet, RunID: run.ID})
		return err == nil && now.Status == rentroll.RunCrashed
	})
	r.checkRows(flood, quiet, other)
}

// TestQueueBytesAreBounded: what waits can't fill the memory; beyond the bound calls are unavailable.
func TestQueueBytesAreBounded(t *testing.T) {
	g := newGate()
	r := newRig(t, g.around(openSQLite(t)), rentroll.Options{QueueBytes: 16 << 10})
	id, other := r.tenant("acme", nil), r.tenant("other", nil)
	g.shut(t)
	held := make(chan error, 1)
	go func() { _, err := r.run(other); held <- err }()
	g.awaitHeld(t)
	var refused atomic.Int64
	answers := make(chan []outcome[*rentroll.Run], 1)
	go func() {
		answers <- storm(50, func(int) (*rentroll.Run, error) {
			run, err := r.run(id)
			if rentroll.CodeOf(err) == rentroll.CodeUnavailable {
				refused.Add(1)
			}
			return run, err
		})
	}()
	until(t, "every call waits or is refused", func() bool {
		m := r.Metrics()
		return m.WaitingBytes <= 16<<10 && int(refused.Load()) == 50-m.WaitingBytes/(512+len("build")) && refused.Load() > 0
	})
	g.open()
	if err := <-held; err != nil {
		t.Error(err)
	}
	all := <-answers
	if n := len(good(all)); n != 50-int(refused.Load()) {
		t.Errorf("%d calls succeeded and %d were refused, of 50", n, refused.Load())
	}
	r.checkRows(id, other)
}

// TestCloseFinishesWhatWasAccepted: calls that wait when Close begins are done before it returns.
func TestCloseFinishesWhatWasAccepted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rentroll.db")
	g := newGate()
	r := newRig(t, g.around(openFile(t, path)), rentroll.Options{})
	id, other := r.tenant("acme", nil), r.tenant("other", nil)
	g.shut(t)
	held, answers, closed := make(chan error, 1), make(chan []outcome[*rentroll.Run], 1), make(chan error, 1)
	go func() { _, err := r.run(other); held <- err }()
	g.awaitHeld(t)
	go func() { answers <- storm(20, func(int) (*rentroll.Run, error) { return r.run(id) }) }()
	until(t, "20 calls wait", func() bool { return r.Metrics().WaitingBytes >= 20*512 })
	go func() { closed <- r.Close() }()
	r.awaitClosing(id)
	g.open()
	if err := <-held; err != nil {
		t.Error(err)
	}
	ended(t, <-answers, map[rentroll.Code]int{"": 20})
	if err := <-closed; err != nil {
		t.Errorf("closing: %v", err)
	}
	again := newRig(t, openFile(t, path), rentroll.Options{})
	if used := again.use(id, quota.RunsPerDay); used != 20 {
		t.Errorf("%d runs are stored, want 20", used)
	}
	again.checkRows(id)
}

// TestCloseDuringLoad: everything that was answered before Close returned is stored, and what was refused is not.
func TestCloseDuringLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rentroll.db")
	r := newRig(t, openFile(t, path), rentroll.Options{})
	var tenants []rentroll.TenantID
	for i := range 3 {
		tenants = append(tenants, r.tenant(fmt.Sprintf("tenant-%d", i), nil))
	}
	var admitted atomic.Int64
	closed := make(chan error, 1)
	go func() {
		for admitted.Load() < 300 {
			<-time.After(100 * time.Microsecond)
		}
		closed <- r.Close()
	}()
	all := storm(24, func(i int) ([]*rentroll.Run, error) {
		var mine []*rentroll.Run
		for {
			run, err := r.run(tenants[i%3])
			if err != nil {
				if rentroll.CodeOf(err) == rentroll.CodeUnavailable {
					err = nil
				}
				return mine, err
			}
			mine = append(mine, run)
			admitted.Add(1)
		}
	})
	ended(t, all, map[rentroll.Code]int{"": 24})
	if err := <-closed; err != nil {
		t.Fatalf("closing: %v", err)
	}
	again := newRig(t, openFile(t, path), rentroll.Options{})
	counts := map[rentroll.TenantID]int64{}
	for _, runs := range good(all) {
		for _, run := range runs {
			counts[run.TenantID]++
			if _, err := again.GetRun(t.Context(), rentroll.RunRef{TenantID: run.TenantID, RunID: run.ID}); err != nil {
				t.Fatalf("a run that was answered is not stored: %v", err)
			}
		}
	}
	for _, id := range tenants {
		if used := again.use(id, quota.ConcurrentRuns); used != counts[id] {
			t.Errorf("%d runs are stored, and %d were answered", used, counts[id])
		}
	}
	again.checkRows(tenants...)
}

// TestClocksOfABatch: tenants of one batch decide by their own now. One whose clock ran ahead before it was set back
// still finds its overdue runs; its neighbor does not lose runs that are not overdue.
func TestClocksOfABatch(t *testing.T) {
	g := newGate()
	r := newRig(t, g.around(openSQLite(t)), rentroll.Options{})
	limits := func() quota.Limits { return quota.Limits{quota.ConcurrentRuns: quota.Of(2)} }
	ahead, behind, other := r.tenant("ahead", limits()), r.tenant("behind", limits()), r.tenant("other", nil)
	overdue := r.mustRun(ahead)
	alive := r.mustRun(behind) // until the time that the other has seen
	short, err := r.CreateRun(t.Context(), rentroll.CreateRunParams{
		TenantID: behind, WorkerID: "builder", Task: "build", Lease: 30 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	r.clock.Set(noon.Add(rentroll.DefaultLease))
	r.mustRun(ahead) // it has seen this time
	r.clock.Set(noon.Add(time.Minute))
	tenants := []rentroll.TenantID{ahead, behind}
	all := together(r, g, func() error { _, err := r.run(other); return err }, 10,
		func(i int) (*rentroll.Run, error) { return r.run(tenants[i%2]) })
	ended(t, all, map[rentroll.Code]int{"": 2, rentroll.CodeQuotaExceeded: 8})
	for ref, want := range map[rentroll.RunRef]rentroll.RunStatus{
		{TenantID: ahead, RunID: overdue.ID}: rentroll.RunCrashed,
		{TenantID: behind, RunID: short.ID}:  rentroll.RunCrashed,
		{TenantID: behind, RunID: alive.ID}:  rentroll.RunQueued,
	} {
		if run, err := r.GetRun(t.Context(), ref); err != nil || run.Status != want {
			t.Errorf("a run is %v (%v), want %s", run.Status, err, want)
		}
	}
	r.checkRows(ahead, behind, other)
}
