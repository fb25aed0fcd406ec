package quota

import (
	"math"
	"time"
)

// MaxLimit is the largest [Limit.Max]; amounts have the same bound.
const MaxLimit = 1_000_000_000_000

// Mode says what happens to a request that goes over a limit. The zero value
// means [Hard].
type Mode string

const (
	Hard Mode = "hard" // it is denied
	Soft Mode = "soft" // it is admitted, and reported
)

// Limit is a maximum on one quota. The zero value is a hard limit of zero:
// nothing is allowed. Limits that were decoded from JSON or made by [Of] and
// [NoLimit], and mean the same, are equal under == but for the location
// pointer of Until.
type Limit struct {
	// Max is the most that may be in use, from 0 to [MaxLimit], in the quota's
	// own unit (runs, tokens, keys, …). Without meaning if Unlimited.
	Max int64
	// Unlimited says that there is no maximum.
	Unlimited bool
	// Mode is [Hard] (or empty) or [Soft].
	Mode Mode
	// Until is when an override stops to hold, which it then does at that very
	// instant. Zero means never. Only overrides have it.
	Until time.Time
	// Reason says why an override was made; at most 500 characters. Only
	// overrides have it.
	Reason string
}

// Of returns a hard limit of max.
func Of(max int64) Limit { return Limit{Max: max} }

// NoLimit returns the limit that allows everything.
func NoLimit() Limit { return Limit{Unlimited: true} }

// IsSoft reports whether going over the limit is reported instead of denied.
func (l Limit) IsSoft() bool { return l.Mode == Soft }

// Fits reports whether n more fits when current is in use, whatever the mode.
// It holds for current and n from 0 to 2^62 and never overflows. When current
// is above the limit already, nothing fits, zero included.
func (l Limit) Fits(current, n int64) bool {
	return l.Unlimited || n <= l.Max-current // not current+n <= l.Max: the sum overflows
}

// Remaining returns how much more fits when current is in use: never below
// zero, and math.MaxInt64 if the limit is unlimited.
func (l Limit) Remaining(current int64) int64 {
	if l.Unlimited {
		return math.MaxInt64
	}
	return max(l.Max-current, 0)
}

// Active reports whether the limit still holds at now.
func (l Limit) Active(now time.Time) bool {
	return l.Until.IsZero() || now.Before(l.Until)
}
