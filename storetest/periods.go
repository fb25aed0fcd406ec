package storetest

import (
	"time"

	"github.com/rentroll/rentroll"
)

// Periods are written and not read back by any engine yet, so that all that can be asked is that they are taken, and
// that a period of one start is there once.
func periodTests() []test {
	return []test{
		{"Insert", insertPeriods},
		{"InsertWhatIsThere", periodConflict},
	}
}

func periodOf(tenant rentroll.TenantID, month time.Month) *rentroll.PastPeriod {
	start := time.Date(2026, month, 1, 0, 0, 0, 0, time.UTC)
	return &rentroll.PastPeriod{TenantID: tenant, Start: start, End: start.AddDate(0, 1, 0)}
}

func (s *scene) putPeriods(rows ...*rentroll.PastPeriod) {
	s.Helper()
	s.put(func(b *rentroll.Batch) { b.Periods = rows })
}

func insertPeriods(s *scene) {
	one, two := newID[rentroll.TenantID](s), newID[rentroll.TenantID](s)
	complete(s, *periodOf(one, 1))
	s.putPeriods(periodOf(one, 1), periodOf(one, 2), periodOf(two, 1))
	s.putPeriods(periodOf(two, 2))
}

func periodConflict(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	s.putPeriods(periodOf(tenant, 1))
	longer := periodOf(tenant, 1)
	longer.End = longer.End.AddDate(0, 1, 0)
	s.refuse(func(b *rentroll.Batch) { b.Periods = []*rentroll.PastPeriod{periodOf(tenant, 2), longer} })
	s.putPeriods(periodOf(tenant, 2)) // it is not there from the refused transaction
}
