package demo

import (
	"sync/atomic"
	"time"
)

// Clock is the engine's clock: the real one, or an instant at which it is held. Safe for concurrent use.
type Clock struct {
	present func() time.Time
	held    atomic.Pointer[time.Time]
}

// NewClock returns a clock that shows what present says.
func NewClock(present func() time.Time) *Clock { return &Clock{present: present} }

// Now returns the time that the clock shows.
func (c *Clock) Now() time.Time {
	if held := c.held.Load(); held != nil {
		return *held
	}
	return c.present()
}

// Hold sets the clock to an instant, where it stays.
func (c *Clock) Hold(at time.Time) { c.held.Store(&at) }

// Release lets the clock show the real time again.
func (c *Clock) Release() { c.held.Store(nil) }
