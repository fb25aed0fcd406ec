package httpapi

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// patience is a context that ends a while after somebody first asks for its end. A request that waits for nothing, such as
// one about a key that is in memory, never asks, and has no timer made for it.
type patience struct {
	context.Context // without the end

	long  time.Duration
	mu    sync.Mutex
	timed atomic.Pointer[timed] // nil until it is asked for
}

type timed struct {
	context.Context

	cancel context.CancelFunc
}

// bounded returns the context with its end.
func (p *patience) bounded() *timed {
	if t := p.timed.Load(); t != nil {
		return t
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.timed.Load()
	if t == nil {
		ctx, cancel := context.WithTimeout(p.Context, p.long)
		t = &timed{ctx, cancel}
		p.timed.Store(t)
	}
	return t
}

// end releases what was made.
func (p *patience) end() {
	if t := p.timed.Load(); t != nil {
		t.cancel()
	}
}

// Deadline is when it ends.
func (p *patience) Deadline() (time.Time, bool) { return p.bounded().Deadline() }

// Done is closed when it ends.
func (p *patience) Done() <-chan struct{} { return p.bounded().Done() }

// Err says why it has ended.
func (p *patience) Err() error { return p.bounded().Err() }

// Value asks the context with the end where there is one: contexts that are derived find by it whom to hang on.
func (p *patience) Value(key any) any {
	if t := p.timed.Load(); t != nil {
		return t.Value(key)
	}
	return p.Context.Value(key)
}
