package simtest_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/simtest"
)

func asQuota(err error) (*rentroll.QuotaExceededError, bool) {
	var q *rentroll.QuotaExceededError
	return q, errors.As(err, &q)
}

// gate holds a lane before its next transaction begins, so that a test can fill the
// queue behind it.
type gate struct {
	mu     sync.Mutex
	closed chan struct{} // closed channel: open gate
	held   int
}

func newGate() *gate {
	g := &gate{closed: make(chan struct{})}
	close(g.closed)
	return g
}

// around puts the gate before a store.
func (g *gate) around(store rentroll.Store) *simtest.Faults {
	return &simtest.Faults{Store: store, OnBegin: func() simtest.Fault {
		g.mu.Lock()
		closed := g.closed
		g.held++
		g.mu.Unlock()
		<-closed
		g.mu.Lock()
		g.held--
		g.mu.Unlock()
		return simtest.None
	}}
}

// shut closes the gate until open, or until the test fails.
func (g *gate) shut(t *testing.T) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = make(chan struct{})
	t.Cleanup(g.open) // before the engine is closed, which waits for what is at the gate
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.closed:
	default:
		close(g.closed)
	}
}

// awaitHeld waits until a lane stands before the gate.
func (g *gate) awaitHeld(t *testing.T) {
	t.Helper()
	until(t, "a lane at the gate", func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.held > 0
	})
}

// together lets calls wait until all are in the queue, so that they are decided in one
// batch. first is a call that holds the lane meanwhile.
func together[T any](r *rig, g *gate, first func() error, n int, call func(i int) (T, error)) []outcome[T] {
	r.t.Helper()
	g.shut(r.t)
	held := make(chan error, 1)
	go func() { held <- first() }()
	g.awaitHeld(r.t)
	answers := make(chan []outcome[T], 1)
	go func() { answers <- storm(n, call) }()
	const least = 512 // bytes that a call in the queue stands for
	until(r.t, "calls in the queue", func() bool { return r.Metrics().WaitingBytes >= n*least })
	g.open()
	if err := <-held; err != nil {
		r.t.Fatalf("the call that held the lane: %v", err)
	}
	return <-answers
}
