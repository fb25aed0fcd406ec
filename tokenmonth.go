package rentroll

import (
	"time"

	"github.com/rentroll/rentroll/quota"
)

// TokenMonth counts tokens in the account's month, for a part of the tenant's use that has a limit of its own. It rolls
// over as the account does: another month's count is zero, but for what the next month begins with.
type TokenMonth struct {
	TokensUsed  int64     // in the month that began at MonthStart
	TokensAhead int64     // of events whose time lies behind that month's end already: the next month begins with them
	MonthStart  time.Time // the account's month for which TokensUsed counts; zero where nothing was counted yet
	MonthEnd    time.Time // its end
}

// usedIn returns the tokens used in the account's present month.
func (m *TokenMonth) usedIn(month quota.Period) int64 {
	switch {
	case m.MonthStart.Equal(month.Start):
		return m.TokensUsed
	case m.MonthEnd.Equal(month.Start):
		return m.TokensAhead
	default:
		return 0
	}
}

// spend counts tokens used at an instant, as Account.spend does for the tenant.
func (m *TokenMonth) spend(month quota.Period, tokens int64, at time.Time) {
	if !m.MonthStart.Equal(month.Start) {
		m.TokensUsed, m.TokensAhead = m.usedIn(month), 0
	}
	m.MonthStart, m.MonthEnd = month.Start, month.End
	switch {
	case at.Before(month.Start):
	case at.Before(month.End):
		m.TokensUsed = plus(m.TokensUsed, tokens)
	default:
		m.TokensAhead = plus(m.TokensAhead, tokens)
	}
}
