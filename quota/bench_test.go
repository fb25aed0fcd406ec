package quota_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/rentroll/rentroll/quota"
)

func BenchmarkDayOf(b *testing.B) {
	for _, c := range []struct{ what, zone, at string }{
		{"UTC", "UTC", "2026-11-23T12:00:00Z"},
		{"Berlin", "Europe/Berlin", "2026-11-23T12:00:00Z"},
		{"ChangeOfClocks", "Europe/Berlin", "2026-10-25T12:00:00Z"},
		{"ByRule", "Europe/Berlin", "2045-11-23T12:00:00Z"},
	} {
		loc, at := zone(b, c.zone), instant(c.at)
		b.Run(c.what, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				quota.DayOf(at, loc)
			}
		})
	}
}

func BenchmarkAdvance(b *testing.B) {
	loc, now := zone(b, "Europe/Berlin"), instant("2026-11-23T12:00:00Z")
	for what, p := range map[string]quota.Period{
		"Same": quota.MonthOf(now, loc, 15),
		"Next": quota.MonthOf(now.AddDate(0, -1, 0), loc, 15),
	} {
		b.Run(what, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				quota.Advance(p, now, quota.Month, loc, 15)
			}
		})
	}
}

func BenchmarkEffective(b *testing.B) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	plan, overrides := quota.Limits{}, quota.Limits{quota.RunsPerDay: {Max: 500, Until: now.Add(1)}}
	for _, d := range quota.Definitions() {
		plan[d.Name] = quota.Of(100)
	}
	for _, name := range []quota.Name{quota.RunsPerDay, quota.Workers} {
		b.Run(string(name), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				quota.Effective(plan, overrides, name, now)
			}
		})
	}
}

func BenchmarkLoadZone(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := quota.LoadZone("Europe/Berlin"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLimitsUnmarshal(b *testing.B) {
	data := []byte(`{"runs_per_day":{"limit":500,"mode":"soft","until":"2026-12-01T00:00:00Z","reason":"trial"},"workers":{"limit":9}}`)
	b.ReportAllocs()
	for b.Loop() {
		var l quota.Limits
		if err := json.Unmarshal(data, &l); err != nil {
			b.Fatal(err)
		}
	}
}
