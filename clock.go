package rentroll

import "time"

// systemClock is the only place of the library that reads the machine's clock; everything else takes Options.Now.
func systemClock() time.Time { return time.Now() }

// stamp brings an instant to the form in which it is kept: UTC, whole microseconds.
func stamp(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
