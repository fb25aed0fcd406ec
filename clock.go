package rentroll

import "time"

// systemClock is the only place of the library that reads the machine's clock; everything else takes Options.Now.
func systemClock() time.Time { return time.Now() }

// stamp brings an instant to the form in which it is kept: UTC, whole microseconds.
func stamp(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// Now returns the time by the engine's clock, so that what is said about its decisions ("again in 20 seconds") agrees
// with them.
func (e *Engine) Now() time.Time { return e.now() }
