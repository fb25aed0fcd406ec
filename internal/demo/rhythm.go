package demo

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// hours is how busy a working day is, an hour of the zone each.
var hours = [24]float64{
	0.3, 0.2, 0.2, 0.2, 0.2, 0.4, 1, 3, 7, 10, 11, 9, 6, 8, 10, 10, 9, 6, 3, 2, 1.5, 1, 0.8, 0.5,
}

// weekend is what is left of it on Saturdays and Sundays.
const weekend = 0.12

// expected returns how many runs a tenant begins in [from, to), which is less than an hour or two.
func (t *tenant) expected(from, to time.Time) float64 {
	sum := 0.0
	for _, h := range hours {
		sum += h
	}
	local := from.In(t.location())
	share := hours[local.Hour()] / sum * to.Sub(from).Hours()
	if day := local.Weekday(); day == time.Saturday || day == time.Sunday {
		share *= weekend
	}
	return t.pace * share
}

func (t *tenant) location() *time.Location {
	zone, err := quota.LoadZone(t.zone)
	if err != nil {
		return time.UTC
	}
	return zone
}

// afternoon returns a zone where it is between noon and the evening.
func afternoon(now time.Time) string {
	const best = 15
	name, off := "UTC", 24
	for _, zone := range []string{
		"Europe/Lisbon", "Europe/Athens", "Asia/Dubai", "Asia/Bangkok", "Asia/Seoul", "Pacific/Auckland", "Pacific/Honolulu",
		"America/Los_Angeles", "America/Toronto", "America/Halifax",
	} {
		loc, err := quota.LoadZone(zone)
		if err != nil {
			continue
		}
		hour := now.In(loc).Hour()
		if d := min((hour-best+24)%24, (best-hour+24)%24); d < off {
			name, off = zone, d
		}
	}
	return name
}

// poisson draws how often something happened that was expected so often; it is for small numbers.
func poisson(r *rand.Rand, expected float64) int {
	limit, n := math.Exp(-expected), 0
	for p := r.Float64(); p > limit; p *= r.Float64() {
		n++
	}
	return n
}

// about draws a number around a typical one: mostly between half and twice of it, at times much more.
func about(r *rand.Rand, typical int64) int64 {
	const spread = 0.45
	return max(1, int64(float64(typical)*math.Exp(r.NormFloat64()*spread)))
}

// between draws a duration.
func between(r *rand.Rand, low, high time.Duration) time.Duration {
	return low + time.Duration(r.Int64N(int64(high-low)))
}

// pick draws one of several.
func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }
