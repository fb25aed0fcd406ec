package rentroll

import (
	"testing"
	"time"
)

// TestPace: bulk takes what it can get where it is alone, and else small bites and rests.
func TestPace(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	at := start.Add
	is := func(p *pace, now time.Duration, rows int, rest time.Duration) {
		t.Helper()
		if n := p.rows(at(now)); n != rows {
			t.Errorf("%d rows after %v, want %d", n, now, rows)
		}
		if got := max(0, p.rest(at(now))); got != rest {
			t.Errorf("a rest of %v after %v, want %v", got, now, rest)
		}
	}
	alone := &pace{}
	is(alone, 0, bulkRows, 0)
	alone.wrote(500, at(0), at(10*ms))
	is(alone, 10*ms, bulkRows, 0)

	beside := &pace{}
	beside.others(at(0), at(ms))
	is(beside, ms, bulkRows, 0) // what a row takes is not known yet
	beside.wrote(500, at(ms), at(11*ms))
	is(beside, 11*ms, 100, 10*ms) // two milliseconds of 20 µs each, though others take one
	is(beside, 15*ms, 100, 6*ms)
	is(beside, 21*ms, 100, 0)
	beside.others(at(21*ms), at(29*ms))
	is(beside, 29*ms, 200, 0) // half as long as others take
	beside.others(at(30*ms), at(130*ms))
	is(beside, 130*ms, bulkRows, 0)
	beside.wrote(100, at(200*ms), at(300*ms)) // slow: 1 ms a row, which a fifth of the mean is made of
	beside.others(at(300*ms), at(301*ms))
	is(beside, 301*ms, fewBulkRows, 49*ms)
	is(beside, 301*ms+paceMemory, fewBulkRows, 0)
	is(beside, 302*ms+paceMemory, bulkRows, 0)
	beside.wrote(1, at(310*ms), at(310*ms+time.Hour))
	is(beside, 310*ms+time.Hour, bulkRows, 0)
	beside.others(at(time.Hour), at(time.Hour+310*ms))
	is(beside, time.Hour+310*ms, fewBulkRows, mostRest)
	beside.wrote(0, at(310*ms), at(311*ms)) // all were denied: it has written no row, and taken its time
	is(beside, 313*ms, fewBulkRows, 0)
}

// TestPaceLeavesTheBusyMore: the more of the time others write, the longer bulk rests.
func TestPaceLeavesTheBusyMore(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	for _, c := range []struct{ busy, rest time.Duration }{
		{0, 10 * ms}, {5 * ms, 17500 * time.Microsecond}, {10 * ms, 25 * ms}, {20 * ms, 40 * ms}, {90 * ms, 40 * ms},
	} {
		p := &pace{}
		now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
		for range 3 {
			p.others(now, now.Add(c.busy))
			p.others(now.Add(100*ms), now.Add(100*ms))
			now = now.Add(100 * ms)
		}
		p.wrote(100, now, now.Add(10*ms))
		if got := p.rest(now.Add(10 * ms)); got != c.rest {
			t.Errorf("where others write %v of 100 ms, bulk rests %v after 10 ms, want %v", c.busy, got, c.rest)
		}
	}
}
