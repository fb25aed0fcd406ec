package rentroll

import (
	"testing"
	"time"
)

// TestLately: what is more than a minute ago is forgotten, also where nothing has come since.
func TestLately(t *testing.T) {
	t.Parallel()
	var l lately
	begin := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	if got := l.sum(begin); got != (Lately{}) {
		t.Errorf("before anything: %+v", got)
	}
	for second := range 180 {
		l.add(begin.Add(time.Duration(second)*time.Second), 2, time.Duration(second)*time.Millisecond)
	}
	for _, c := range []struct {
		second      int
		batches     uint64
		first, last int // the seconds that count
	}{
		{179, 65, 115, 179},
		{184, 60, 120, 179}, // the running step is empty
		{239, 5, 175, 179},
		{240, 0, 0, -1},
		{1000, 0, 0, -1},
	} {
		want := Lately{Batches: c.batches, Commands: 2 * c.batches}
		for second := c.first; second <= c.last; second++ {
			took := time.Duration(second) * time.Millisecond
			want.CommitTime += took
			want.Slowest = took
		}
		if got := l.sum(begin.Add(time.Duration(c.second) * time.Second)); got != want {
			t.Errorf("after %d seconds: %+v, want %+v", c.second, got, want)
		}
	}
}
