package rentroll

import (
	"testing"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// TestTally follows the months of one count: what is ahead of a month's end belongs to the next month, and to no
// later one.
func TestTally(t *testing.T) {
	t.Parallel()
	month := func(m time.Month) quota.Period {
		begin := time.Date(2026, m, 1, 0, 0, 0, 0, time.UTC)
		return quota.Period{Start: begin, End: begin.AddDate(0, 1, 0)}
	}
	march, april, may := month(time.March), month(time.April), month(time.May)
	var m Tally
	m.add(march, 10, march.End.Add(-time.Microsecond))
	m.add(march, 5, march.End)
	m.add(march, 1000, march.Start.Add(-time.Microsecond)) // of a month that is past, and its limit with it
	for _, c := range []struct {
		month quota.Period
		want  int64
	}{{march, 10}, {april, 5}, {may, 0}} {
		if got := m.usedIn(c.month); got != c.want {
			t.Errorf("in the month from %s %d tokens are used, want %d", c.month.Start, got, c.want)
		}
	}
	skipped := m
	skipped.add(may, 1, may.Start)
	if skipped.usedIn(may) != 1 || skipped.Ahead != 0 {
		t.Errorf("after a month without use: %+v", skipped)
	}
	m.add(april, 2, april.Start)
	if m.usedIn(april) != 7 || m.usedIn(may) != 0 || m.Ahead != 0 {
		t.Errorf("in the next month: %+v", m)
	}
	m.add(april, mostCounted, april.Start)
	if m.usedIn(april) != mostCounted {
		t.Errorf("a count wraps around to %d", m.usedIn(april))
	}
}
