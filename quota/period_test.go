package quota_test

import (
	"testing"
	"time"

	"github.com/rentroll/rentroll/quota"
)

func TestDayOf(t *testing.T) {
	for _, c := range []struct{ what, zone, at, start, end string }{
		{"UTC", "UTC", "2026-11-23T12:00:00Z", "2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z"},
		{"its first instant", "UTC", "2026-11-23T00:00:00Z", "2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z"},
		{"its last instant", "UTC", "2026-11-23T23:59:59.999999999Z", "2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z"},
		{"before 1970", "UTC", "1969-12-31T23:59:59.5Z", "1969-12-31T00:00:00Z", "1970-01-01T00:00:00Z"},
		{"leap day", "Asia/Tokyo", "2028-02-29T12:00:00Z", "2028-02-28T15:00:00Z", "2028-02-29T15:00:00Z"},
		{"no leap day", "UTC", "2100-02-28T12:00:00Z", "2100-02-28T00:00:00Z", "2100-03-01T00:00:00Z"},
		{"quarter hours", "Asia/Kathmandu", "2026-11-23T12:00:00Z", "2026-11-22T18:15:00Z", "2026-11-23T18:15:00Z"},

		{"midnight skipped", "America/Havana", "2026-03-08T12:00:00Z", "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z"},
		{"the day before", "America/Havana", "2026-03-08T04:59:59Z", "2026-03-07T05:00:00Z", "2026-03-08T05:00:00Z"},
		{"midnight skipped", "America/Havana", "2027-03-14T05:00:00Z", "2027-03-14T05:00:00Z", "2027-03-15T04:00:00Z"},
		{"midnight twice", "America/Havana", "2026-11-01T05:00:00Z", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"},
		{"midnight skipped", "America/Sao_Paulo", "2018-11-04T12:00:00Z", "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"},
		{"set back at midnight", "America/Sao_Paulo", "2019-02-17T02:30:00Z", "2019-02-16T02:00:00Z", "2019-02-17T03:00:00Z"},
		{"the day after", "America/Sao_Paulo", "2019-02-17T03:00:00Z", "2019-02-17T03:00:00Z", "2019-02-18T03:00:00Z"},

		{"back over midnight, before", "America/St_Johns", "2006-10-29T02:29:59Z", "2006-10-28T02:30:00Z", "2006-10-29T02:30:00Z"},
		{"back over midnight, old date again", "America/St_Johns", "2006-10-29T03:00:00Z", "2006-10-29T02:30:00Z", "2006-10-30T03:30:00Z"},
		{"two hours back", "America/St_Johns", "1988-10-30T03:29:00Z", "1988-10-30T01:30:00Z", "1988-10-31T03:30:00Z"},
		{"two hours forward", "America/St_Johns", "1988-04-03T12:00:00Z", "1988-04-03T03:30:00Z", "1988-04-04T01:30:00Z"},

		{"half an hour back", "Australia/Lord_Howe", "2026-04-05T12:00:00Z", "2026-04-04T13:00:00Z", "2026-04-05T13:30:00Z"},
		{"half an hour forward", "Australia/Lord_Howe", "2026-10-04T12:00:00Z", "2026-10-03T13:30:00Z", "2026-10-04T13:00:00Z"},

		{"before a skipped date", "Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z"},
		{"after a skipped date", "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"},
		{"before a skipped date", "Pacific/Kwajalein", "1993-08-21T11:59:59Z", "1993-08-20T12:00:00Z", "1993-08-21T12:00:00Z"},
		{"a date twice", "Pacific/Kwajalein", "1969-09-30T14:00:00Z", "1969-09-29T13:00:00Z", "1969-10-01T12:00:00Z"},

		{"by rule", "America/New_York", "2040-11-04T12:00:00Z", "2040-11-04T04:00:00Z", "2040-11-05T05:00:00Z"},
		{"by rule, end of a leap year", "America/New_York", "2040-12-31T12:00:00Z", "2040-12-31T05:00:00Z", "2041-01-01T05:00:00Z"},
		{"by rule, end of a leap year", "Australia/Sydney", "2044-12-31T20:00:00Z", "2044-12-31T13:00:00Z", "2045-01-01T13:00:00Z"},
	} {
		got := quota.DayOf(instant(c.at), zone(t, c.zone))
		if got != span(c.start, c.end) {
			t.Errorf("%s: day of %s in %s is %s, want %s to %s", c.what, c.at, c.zone, show(got), c.start, c.end)
		}
	}
}

func TestDayOfOtherLocations(t *testing.T) {
	at := instant("2026-11-23T12:00:00Z")
	if got := quota.DayOf(at, nil); got != quota.DayOf(at, time.UTC) {
		t.Errorf("nil location: %s", show(got))
	}
	for _, hours := range []int{-24, -16, 16, 24} {
		loc := time.FixedZone("", hours*60*60)
		midnight := instant("2026-11-23T00:00:00Z").Add(time.Duration(-hours) * time.Hour)
		if got := quota.DayOf(midnight, loc); !got.Start.Equal(midnight) || got.End.Sub(got.Start) != 24*time.Hour {
			t.Errorf("%d hours: %s", hours, show(got))
		}
	}
	if quota.DayOf(at.In(time.FixedZone("", 3600)), nil) != quota.DayOf(at, nil) {
		t.Error("the location of the instant must not matter")
	}
}

func TestMonthOf(t *testing.T) {
	for _, c := range []struct {
		zone, at   string
		anchor     int
		start, end string
	}{
		{"UTC", "2026-11-23T12:00:00Z", 1, "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"},
		{"UTC", "2026-12-31T23:59:59Z", 1, "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"},
		{"UTC", "2027-01-14T12:00:00Z", 15, "2026-12-15T00:00:00Z", "2027-01-15T00:00:00Z"},
		{"UTC", "2026-12-15T00:00:00Z", 15, "2026-12-15T00:00:00Z", "2027-01-15T00:00:00Z"},
		{"UTC", "2026-02-27T12:00:00Z", 28, "2026-01-28T00:00:00Z", "2026-02-28T00:00:00Z"},
		{"UTC", "2026-02-28T00:00:00Z", 28, "2026-02-28T00:00:00Z", "2026-03-28T00:00:00Z"},
		{"UTC", "2028-02-29T12:00:00Z", 28, "2028-02-28T00:00:00Z", "2028-03-28T00:00:00Z"},
		{"UTC", "2028-02-29T12:00:00Z", 1, "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"},
		{"Europe/Berlin", "2026-03-31T22:00:00Z", 1, "2026-03-31T22:00:00Z", "2026-04-30T22:00:00Z"},
		{"Europe/Berlin", "2026-03-31T21:59:59Z", 1, "2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z"},
		{"America/Havana", "2026-03-08T12:00:00Z", 8, "2026-03-08T05:00:00Z", "2026-04-08T04:00:00Z"},
		{"Pacific/Kwajalein", "1993-08-21T11:59:59Z", 21, "1993-07-21T12:00:00Z", "1993-08-21T12:00:00Z"}, // no 21 August
		{"Pacific/Kwajalein", "1993-08-21T12:00:00Z", 21, "1993-08-21T12:00:00Z", "1993-09-20T12:00:00Z"},
		{"America/St_Johns", "2007-11-04T03:00:00Z", 4, "2007-11-04T02:30:00Z", "2007-12-04T03:30:00Z"}, // 3 November again
		{"UTC", "2026-11-23T12:00:00Z", 0, "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"},
		{"UTC", "2026-11-23T12:00:00Z", 31, "2026-10-28T00:00:00Z", "2026-11-28T00:00:00Z"},
	} {
		got := quota.MonthOf(instant(c.at), zone(t, c.zone), c.anchor)
		if got != span(c.start, c.end) {
			t.Errorf("month of %s in %s from day %d is %s, want %s to %s", c.at, c.zone, c.anchor, show(got), c.start, c.end)
		}
	}
}

func TestAdvance(t *testing.T) {
	day := span("2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z")
	month := span("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z")
	for _, c := range []struct {
		what    string
		p       quota.Period
		now     string
		span    quota.Span
		zone    string
		anchor  int
		want    quota.Period
		changed bool
	}{
		{"first day", quota.Period{}, "2026-11-23T12:00:00Z", quota.Day, "UTC", 1, day, true},
		{"first month", quota.Period{}, "2026-11-23T12:00:00Z", quota.Month, "UTC", 1, month, true},
		{"gauge", quota.Period{}, "2026-11-23T12:00:00Z", quota.Gauge, "UTC", 1, quota.Period{}, false},
		{"gauge", day, "2027-11-23T12:00:00Z", quota.Gauge, "UTC", 1, day, false},
		{"same day", day, "2026-11-23T23:59:59.999999999Z", quota.Day, "UTC", 1, day, false},
		{"clock stepped back", day, "2026-11-22T12:00:00Z", quota.Day, "UTC", 1, day, false},
		{"next day", day, "2026-11-24T00:00:00Z", quota.Day, "UTC", 1, span("2026-11-24T00:00:00Z", "2026-11-25T00:00:00Z"), true},
		{"days skipped", day, "2027-02-28T12:00:00Z", quota.Day, "UTC", 1, span("2027-02-28T00:00:00Z", "2027-03-01T00:00:00Z"), true},
		{"months skipped", month, "2027-02-28T12:00:00Z", quota.Month, "UTC", 1, span("2027-02-01T00:00:00Z", "2027-03-01T00:00:00Z"), true},

		{"zone far east, too early", day, "2026-11-23T12:00:00Z", quota.Day, "Pacific/Kiritimati", 1, day, false},
		{"zone far east", day, "2026-11-24T00:00:00Z", quota.Day, "Pacific/Kiritimati", 1, span("2026-11-24T00:00:00Z", "2026-11-24T10:00:00Z"), true},
		{"zone far east, late", day, "2026-11-24T10:00:00Z", quota.Day, "Pacific/Kiritimati", 1, span("2026-11-24T10:00:00Z", "2026-11-25T10:00:00Z"), true},
		{"zone far west", day, "2026-11-24T00:00:00Z", quota.Day, "Pacific/Niue", 1, span("2026-11-24T00:00:00Z", "2026-11-24T11:00:00Z"), true},
		{"zone far west, days skipped", day, "2026-11-27T05:00:00Z", quota.Day, "Pacific/Niue", 1, span("2026-11-26T11:00:00Z", "2026-11-27T11:00:00Z"), true},

		{"anchor earlier", month, "2026-12-01T00:00:00Z", quota.Month, "UTC", 28, span("2026-12-01T00:00:00Z", "2026-12-28T00:00:00Z"), true},
		{"anchor later", span("2026-10-28T00:00:00Z", "2026-11-28T00:00:00Z"), "2026-11-30T00:00:00Z", quota.Month, "UTC", 1, span("2026-11-28T00:00:00Z", "2026-12-01T00:00:00Z"), true},
		{"anchor and zone", month, "2026-12-01T00:00:00Z", quota.Month, "Pacific/Niue", 1, span("2026-12-01T00:00:00Z", "2026-12-01T11:00:00Z"), true},
		{"end inside a period", span("2026-11-23T00:00:00Z", "2026-11-23T06:30:00Z"), "2026-11-23T07:00:00Z", quota.Day, "UTC", 1, span("2026-11-23T06:30:00Z", "2026-11-24T00:00:00Z"), true},
	} {
		got, changed := quota.Advance(c.p, instant(c.now), c.span, zone(t, c.zone), c.anchor)
		if got != c.want || changed != c.changed {
			t.Errorf("%s: %s, %v, want %s, %v", c.what, show(got), changed, show(c.want), c.changed)
		}
	}
}

func TestPeriodContains(t *testing.T) {
	p := span("2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z")
	if !p.Contains(p.Start) || !p.Contains(p.End.Add(-1)) || p.Contains(p.End) || p.Contains(p.Start.Add(-1)) {
		t.Error("a period holds its start and not its end")
	}
	if p.IsZero() || !(quota.Period{}).IsZero() || (quota.Period{}).Contains(time.Time{}) {
		t.Error("only the zero period is zero, and it holds nothing")
	}
}

func instant(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return t
}

func span(start, end string) quota.Period {
	return quota.Period{Start: instant(start), End: instant(end)}
}

func show(p quota.Period) string {
	return p.Start.Format(time.RFC3339Nano) + " to " + p.End.Format(time.RFC3339Nano)
}
