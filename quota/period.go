package quota

import "time"

// Period is the time from Start, inclusive, to End, exclusive. Those that this
// package makes are in UTC and hold whole seconds. The zero value is no period.
type Period struct {
	Start, End time.Time
}

// Contains reports whether t is in p.
func (p Period) Contains(t time.Time) bool { return !t.Before(p.Start) && t.Before(p.End) }

// IsZero reports whether p is the zero value.
func (p Period) IsZero() bool { return p.Start.IsZero() && p.End.IsZero() }

// DayOf returns the day in loc that contains t. A day has 24 hours but where
// clocks change: then mostly 23 or 25, and up to 48 where a zone went back over
// the date line. A nil loc means UTC.
func DayOf(t time.Time, loc *time.Location) Period {
	loc = orUTC(loc)
	sec := t.Unix()
	day := localDay(sec, loc)
	start, end := dayStart(day, loc), dayStart(day+1, loc)
	// Clocks that are set back over midnight show the old date again, but its
	// day is over.
	for end <= sec {
		day++
		start, end = end, dayStart(day+1, loc)
	}
	return period(start, end)
}

// MonthOf returns the month in loc that contains t, where months begin with day
// anchorDay. An anchorDay outside 1 to 28 counts as the nearest inside, a nil
// loc as UTC.
func MonthOf(t time.Time, loc *time.Location, anchorDay int) Period {
	loc = orUTC(loc)
	anchorDay = min(max(anchorDay, 1), 28)
	sec := t.Unix()
	year, month, day := time.Unix(localDay(sec, loc)*secondsPerDay, 0).UTC().Date()
	if day < anchorDay {
		month--
	}
	start, end := monthStart(year, month, anchorDay, loc), monthStart(year, month+1, anchorDay, loc)
	for end <= sec { // as in DayOf
		month++
		start, end = end, monthStart(year, month+1, anchorDay, loc)
	}
	return period(start, end)
}

// Advance returns the period that is current at now for someone who has p
// stored, and whether it differs from p.
//
// It is p itself while now is before p.End, even if now is before p.Start: no
// clock that steps back moves a period back. From then on it begins at p.End
// or, if whole periods were skipped, at the last boundary at or before now; and
// it ends at the first boundary after now. Boundaries are those of span, loc
// and anchorDay as in [DayOf] and [MonthOf]; they may differ from those that
// made p, which is how a change of zone or anchor takes effect at p's end.
//
// A zero p gives DayOf or MonthOf. A gauge has no periods: p comes back.
func Advance(p Period, now time.Time, span Span, loc *time.Location, anchorDay int) (Period, bool) {
	if span != Day && span != Month {
		return p, false
	}
	if !p.IsZero() && now.Before(p.End) {
		return p, false
	}
	var next Period
	if span == Day {
		next = DayOf(now, loc)
	} else {
		next = MonthOf(now, loc, anchorDay)
	}
	if next.Start.Before(p.End) {
		next.Start = p.End
	}
	return next, true
}

func period(start, end int64) Period {
	return Period{time.Unix(start, 0).UTC(), time.Unix(end, 0).UTC()}
}
