package quota_test

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// A counter is read and written after Advance; when the period changed, it is
// zero.
func ExampleAdvance() {
	havana, err := quota.LoadZone("America/Havana")
	if err != nil {
		fmt.Println(err)
		return
	}
	now := time.Date(2026, 3, 8, 4, 59, 0, 0, time.UTC)
	used := int64(97)
	day := quota.DayOf(now, havana)

	now = now.Add(time.Minute)
	day, changed := quota.Advance(day, now, quota.Day, havana, 1)
	if changed {
		used = 0
	}
	fmt.Println(day.Start.In(havana).Format(time.DateTime), "used:", used)
	// Output: 2026-03-08 01:00:00 used: 0
}

func ExampleEffective() {
	plan := quota.Limits{quota.RunsPerDay: quota.Of(100)}
	var overrides quota.Limits
	err := json.Unmarshal([]byte(`{"runs_per_day": {"limit": 500, "until": "2026-12-01T00:00:00Z"}}`), &overrides)
	if err != nil {
		fmt.Println(err)
		return
	}
	until := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	for _, now := range []time.Time{until.Add(-time.Second), until} {
		limit := quota.Effective(plan, overrides, quota.RunsPerDay, now)
		fmt.Println(limit.Max, limit.Fits(100, 1))
	}
	// Output:
	// 500 true
	// 100 false
}
