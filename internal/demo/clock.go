package demo

import (
	"sync/atomic"
	"time"
)

// Clock is the engine's clock: the real one, or an instant at which it is held. Safe for concurrent use.
type Clock struct {
	real func() time.Time
	held atomic.Pointer[time.Time]
}

// NewClock returns a clock that shows what real shows.
func NewClock(real func() time.Time) *Clock { return &Clock{real: real} }

// Now returns the time that the clock shows.
func (c *Clock) Now() time.Time {
	if held := c.held.Load(); held != nil {
		return *held
	}
	return c.real()
}

// Hold sets the clock to an instant, where it stays.
func (c *Clock) Hold(at time.Time) { c.held.Store(&at) }

// Release lets the clock show the real time again.
func (c *Clock) Release() { c.held.Store(nil) }
