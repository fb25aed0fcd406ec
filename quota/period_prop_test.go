package quota_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rentroll/rentroll/quota"
)

func TestDaysTileTime(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		loc := drawZone(t, rt)
		checkTiles(rt, drawTime(rt, loc), func(at time.Time) quota.Period { return quota.DayOf(at, loc) })
	})
}

func TestMonthsTileTime(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		loc := drawZone(t, rt)
		anchor := rapid.IntRange(1, 28).Draw(rt, "anchor")
		checkTiles(rt, drawTime(rt, loc), func(at time.Time) quota.Period { return quota.MonthOf(at, loc, anchor) })
	})
}

// checkTiles checks that the period of at holds it, is the period of every
// instant in it, and meets its neighbors.
func checkTiles(t *rapid.T, at time.Time, of func(time.Time) quota.Period) {
	p := of(at)
	if !p.Contains(at) {
		t.Fatalf("%s is not in its period %s", at, show(p))
	}
	inside := time.Duration(rapid.Int64Range(0, int64(p.End.Sub(p.Start))-1).Draw(t, "inside"))
	for _, same := range []time.Time{p.Start, p.Start.Add(inside), p.End.Add(-1)} {
		if got := of(same); got != p {
			t.Fatalf("%s is in %s, but its period is %s", same, show(p), show(got))
		}
	}
	if next := of(p.End); next.Start != p.End {
		t.Fatalf("after %s comes %s", show(p), show(next))
	}
	if last := of(p.Start.Add(-1)); last.End != p.Start {
		t.Fatalf("before %s comes %s", show(p), show(last))
	}
}

// A day must begin at the first instant that shows its date's 00:00 or later.
// All offsets since 1970 are multiples of 30 seconds, so that looking at every
// half minute misses nothing.
func TestDayStartsAtFirstInstantOfItsDate(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		loc := drawZone(t, rt)
		start := quota.DayOf(drawTime(rt, loc), loc).Start

		year, month, day := start.In(loc).Date()
		midnight := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
		for at := midnight.Add(-16 * time.Hour); at.Before(start); at = at.Add(30 * time.Second) {
			if !onTheWall(at, loc).Before(midnight) {
				rt.Fatalf("day in %s begins at %s, but %s shows its date already", loc, start.In(loc), at.In(loc))
			}
		}
	})
}

func TestAdvanceIsMonotone(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		from, to := drawZone(t, rt), drawZone(t, rt)
		span := rapid.SampledFrom([]quota.Span{quota.Day, quota.Month}).Draw(rt, "span")
		anchor := rapid.IntRange(1, 28)
		stored := drawTime(rt, from)
		p, _ := quota.Advance(quota.Period{}, stored, span, from, anchor.Draw(rt, "old anchor"))

		// Up to two years either side of the stored period, mostly near.
		reach := rapid.SampledFrom([]time.Duration{time.Hour, 36 * time.Hour, 60 * 24 * time.Hour, 2 * 365 * 24 * time.Hour}).Draw(rt, "reach")
		step := rapid.Int64Range(-int64(reach), int64(reach))
		early, late := stored.Add(time.Duration(step.Draw(rt, "now"))), stored.Add(time.Duration(step.Draw(rt, "now")))
		if late.Before(early) {
			early, late = late, early
		}
		newAnchor := anchor.Draw(rt, "new anchor")
		a := checkAdvance(rt, p, early, span, to, newAnchor)
		b := checkAdvance(rt, p, late, span, to, newAnchor)
		if b.Start.Before(a.Start) || b.End.Before(a.End) {
			rt.Fatalf("from %s: %s at %s, and then %s at %s", show(p), show(a), early, show(b), late)
		}
		if c := checkAdvance(rt, a, late, span, to, newAnchor); c != b {
			rt.Fatalf("from %s to %s: %s, but through %s: %s", show(p), late, show(b), show(a), show(c))
		}
	})
}

func checkAdvance(t *rapid.T, p quota.Period, now time.Time, span quota.Span, loc *time.Location, anchor int) quota.Period {
	next, changed := quota.Advance(p, now, span, loc, anchor)
	if changed != (next != p) || changed != !now.Before(p.End) {
		t.Fatalf("%s becomes %s at %s; changed is %v", show(p), show(next), now, changed)
	}
	if !now.Before(p.Start) && !next.Contains(now) {
		t.Fatalf("%s becomes %s at %s", show(p), show(next), now)
	}
	if changed && next.Start.Before(p.End) {
		t.Fatalf("%s becomes %s, which overlaps", show(p), show(next))
	}
	if again, changed := quota.Advance(next, now, span, loc, anchor); changed {
		t.Fatalf("%s becomes %s, and then %s at the same instant", show(p), show(next), show(again))
	}
	return next
}

func FuzzDayOf(f *testing.F) {
	f.Add("America/Havana", int64(1772946000), int64(0))
	f.Add("America/New_York", instant("2040-12-31T12:00:00Z").Unix(), int64(999_999_999))
	f.Add("Pacific/Kwajalein", int64(-8000000), int64(1))
	f.Add("UTC", int64(-62135596800), int64(0))
	f.Fuzz(func(t *testing.T, name string, sec, nsec int64) {
		loc, err := quota.LoadZone(name)
		if err != nil {
			t.Skip()
		}
		const last = 253402300800 // the first second of the year 10000
		at := time.Unix(sec%last, nsec)
		p := quota.DayOf(at, loc)
		if !p.Contains(at) {
			t.Fatalf("%s is not in its day %s", at, show(p))
		}
		if length := p.End.Sub(p.Start); length < time.Minute || length > 48*time.Hour {
			t.Fatalf("day of %s in %s has %s", at, name, length)
		}
		if next := quota.DayOf(p.End, loc); next.Start != p.End {
			t.Fatalf("after %s comes %s", show(p), show(next))
		}
		if month := quota.MonthOf(at, loc, int(sec&31)); !month.Contains(at) || month.Start.After(p.Start) || month.End.Before(p.End) {
			t.Fatalf("%s is in the day %s and the month %s", at, show(p), show(month))
		}
	})
}

// onTheWall returns what a clock in loc shows at t, as if it were UTC.
func onTheWall(t time.Time, loc *time.Location) time.Time {
	_, offset := t.In(loc).Zone()
	return t.Add(time.Duration(offset) * time.Second)
}

func drawZone(t *testing.T, rt *rapid.T) *time.Location {
	t.Helper()
	return zone(t, rapid.SampledFrom(zoneNames).Draw(rt, "zone"))
}

// drawTime draws an instant from 1970 to 2060: any, or one within two days of a
// change of loc's clocks.
func drawTime(t *rapid.T, loc *time.Location) time.Time {
	at := time.Unix(rapid.Int64Range(0, 2871763199).Draw(t, "unix"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanosecond"))
	if !rapid.Bool().Draw(t, "near a change") {
		return at
	}
	_, change := at.In(loc).ZoneBounds()
	if change.IsZero() || change.Year() > 2060 {
		return at
	}
	return change.Add(time.Duration(rapid.IntRange(-48*60, 48*60).Draw(t, "minutes")) * time.Minute)
}
