package rentroll

import (
	"time"

	"github.com/rentroll/rentroll/quota"
)

// Tally counts in the account's day or month something that has a limit of its own. It rolls over as the account does:
// another period's count is zero, but for what the next period begins with.
type Tally struct {
	Used  int64     // in the period that began at Start
	Ahead int64     // of events whose time lies behind that period's end already: the next period begins with them
	Start time.Time // of the account's period for which Used counts; zero where nothing was counted yet
	End   time.Time // its end
}

// usedIn returns what was used in the account's present period.
func (t *Tally) usedIn(period quota.Period) int64 {
	switch {
	case t.Start.Equal(period.Start):
		return t.Used
	case t.End.Equal(period.Start):
		return t.Ahead
	default:
		return 0
	}
}

// aheadOf returns what lies behind the end of the account's present period.
func (t *Tally) aheadOf(period quota.Period) int64 {
	if t.Start.Equal(period.Start) {
		return t.Ahead
	}
	return 0
}

// in returns the tally as it stands in the account's present period.
func (t *Tally) in(period quota.Period) Tally {
	return Tally{Used: t.usedIn(period), Ahead: t.aheadOf(period), Start: period.Start, End: period.End}
}

// add counts what was used at an instant, as Account.spend does for the tenant's tokens.
func (t *Tally) add(period quota.Period, n int64, at time.Time) {
	*t = t.in(period)
	switch {
	case at.Before(period.Start):
	case at.Before(period.End):
		t.Used = plus(t.Used, n)
	default:
		t.Ahead = plus(t.Ahead, n)
	}
}
