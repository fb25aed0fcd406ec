package quota

import "time"

const (
	secondsPerDay = 24 * 60 * 60

	// maxOffset is more than any zone ever was ahead of UTC or behind it
	// (the farthest is Manila before 1844, 15:56 behind).
	maxOffset = secondsPerDay
)

// dayStart returns the boundary at which a local date begins in loc: the first
// instant at which the clock on the wall shows that date's 00:00 or later. Dates
// are days since 1970-01-01, instants are Unix seconds.
//
// By that definition
//   - a day whose 00:00 is skipped begins with the first time that exists
//     (Havana, 8 March 2026: 01:00);
//   - a date that is skipped begins when the next one does, and so has no length
//     (Apia, 30 December 2011);
//   - a clock that is set back over midnight begins no day twice
//     (St. John's, 1987 to 2011: back from 00:01).
func dayStart(day int64, loc *time.Location) int64 {
	midnight := day * secondsPerDay // on a wall in UTC
	// Walk the stretches of constant offset. The first that shows the time
	// asked for has the boundary: where it shows midnight, or, if it begins
	// later than that, at its beginning.
	for at := midnight - maxOffset; ; {
		offset, end, more := stretch(at, loc)
		boundary := max(at, midnight-offset)
		if !more || boundary < end {
			return boundary
		}
		at = end
	}
}

// monthStart is dayStart of a date. Months before January and after December
// count into the years around.
func monthStart(year int, month time.Month, day int, loc *time.Location) int64 {
	midnight := time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix()
	return dayStart(midnight/secondsPerDay, loc)
}

// localDay returns the date in loc at sec, in days since 1970-01-01.
func localDay(sec int64, loc *time.Location) int64 {
	_, offset := time.Unix(sec, 0).In(loc).Zone()
	local := sec + int64(offset)
	day := local / secondsPerDay
	if local%secondsPerDay < 0 {
		day--
	}
	return day
}

// stretch returns the offset in loc, in seconds east of UTC, that holds from at
// until end; more is false if it holds forever. The offset may stay the same
// after end.
func stretch(at int64, loc *time.Location) (offset, end int64, more bool) {
	t := time.Unix(at, 0).In(loc)
	_, off := t.Zone()
	_, bound := t.ZoneBounds()
	if bound.IsZero() {
		return int64(off), 0, false
	}
	end = bound.Unix()
	if end <= at {
		// Where a rule goes on after the last transition that is listed, Go
		// cuts stretches at the turn of the year, and takes that to come after
		// 365 days. On the last day of a leap year the bound is in the past.
		end = at - at%secondsPerDay + secondsPerDay
	}
	return int64(off), end, true
}

func orUTC(loc *time.Location) *time.Location {
	if loc == nil {
		return time.UTC
	}
	return loc
}
