package quota

import (
	"fmt"
	"slices"
)

// Name names a quota, e.g. "runs_per_day". It is the name on the wire and in
// stored limits. The zero value names no quota.
type Name string

// The quotas. [Definitions] says what each counts.
const (
	Workers        Name = "workers"
	RunsPerDay     Name = "runs_per_day"
	ConcurrentRuns Name = "concurrent_runs"
	TokensPerMonth Name = "tokens_per_month"
	APIKeys        Name = "api_keys"
	SpendPerMonth  Name = "spend_per_month" // in millionths of the currency unit

	RequestsPerMinute Name = "requests_per_minute"
)

// Span says over what a quota counts. The zero value is [Gauge].
type Span uint8

const (
	Gauge Span = iota // what exists at this moment; never rolls over
	Day               // what was used in the tenant's day
	Month             // what was used in the tenant's month, from anchor day to anchor day
	Rate              // how fast, per minute: nothing is counted up, and servers that share a limit divide it
)

// String returns "gauge", "day", "month" or "rate".
func (s Span) String() string {
	switch s {
	case Gauge:
		return "gauge"
	case Day:
		return "day"
	case Month:
		return "month"
	case Rate:
		return "rate"
	}
	return fmt.Sprintf("Span(%d)", uint8(s))
}

// Definition describes a quota.
type Definition struct {
	Name  Name
	Span  Span
	Title string // short words for people, e.g. "Runs per day"
}

// To add a quota, add its name above and its line here.
var definitions = [...]Definition{
	{Workers, Gauge, "Workers"},
	{RunsPerDay, Day, "Runs per day"},
	{ConcurrentRuns, Gauge, "Concurrent runs"},
	{TokensPerMonth, Month, "Tokens per month"},
	{APIKeys, Gauge, "API keys"},
	{SpendPerMonth, Month, "Spend per month"},
	{RequestsPerMinute, Rate, "Requests per minute"},
}

// Definitions returns all quotas but those on meters, always in the same order.
// The slice is the caller's.
func Definitions() []Definition { return slices.Clone(definitions[:]) }

// Lookup returns the definition of the quota called name, those on meters
// included, and whether there is one. Names are case-sensitive.
func Lookup(name Name) (Definition, bool) {
	for _, d := range definitions {
		if d.Name == name {
			return d, true
		}
	}
	meter, span, ok := name.Meter()
	if !ok {
		return Definition{}, false
	}
	return Definition{name, span, meter + " per " + span.String()}, true
}
