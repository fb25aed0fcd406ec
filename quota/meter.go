package quota

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// MeterPrefix begins the names of the quotas on meters: "meter:emails_sent_per_day", "meter:emails_sent_per_month".
// There are as many of them as there are meters, and none is in [Definitions].
const MeterPrefix = "meter:"

const (
	perDay   = "_per_day"
	perMonth = "_per_month"
)

// PerDay names the quota on what a meter counts in a day.
func PerDay(meter string) Name { return Name(MeterPrefix + meter + perDay) }

// PerMonth names the quota on what a meter counts in a month.
func PerMonth(meter string) Name { return Name(MeterPrefix + meter + perMonth) }

// Meter returns the meter that a quota is on, and over what it counts; ok is false where the quota is on none, or the
// name is not well-formed.
func (n Name) Meter() (meter string, span Span, ok bool) {
	meter, span, wrong := n.meter()
	return meter, span, wrong == ""
}

// meter is Meter, and says what is wrong.
func (n Name) meter() (meter string, span Span, wrong string) {
	rest, on := strings.CutPrefix(string(n), MeterPrefix)
	switch {
	case !on:
		return "", 0, "is not a quota"
	case strings.HasSuffix(rest, perDay):
		meter, span = strings.TrimSuffix(rest, perDay), Day
	case strings.HasSuffix(rest, perMonth):
		meter, span = strings.TrimSuffix(rest, perMonth), Month
	default:
		return "", 0, "is not a quota: one on a meter ends in " + perDay + " or " + perMonth
	}
	switch {
	case !isMeter(meter):
		return "", 0, "is not a quota: the meter's name must be 1 to 100 lower-case letters, digits, underscores and dots, beginning with a letter"
	case meter == "tokens_used":
		return "", 0, "is not a quota: tokens are limited by " + string(TokensPerMonth)
	case meter == "worker_runs":
		return "", 0, "is not a quota: runs are limited by " + string(RunsPerDay)
	}
	return meter, span, ""
}

// isMeter reports whether text is the name of a meter: ^[a-z][a-z0-9_.]{0,99}$.
func isMeter(text string) bool {
	if len(text) == 0 || len(text) > 100 || text[0] < 'a' || text[0] > 'z' {
		return false
	}
	for _, c := range []byte(text) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '.' {
			return false
		}
	}
	return true
}

// OnMeters returns the quotas on meters that a plan or active overrides limit at now, in the order of their names. It is
// nil where there is none, which costs a look at each limit and no memory.
func OnMeters(plan, overrides Limits, now time.Time) []Name {
	if !plan.onMeters() && !overrides.onMeters() {
		return nil
	}
	names := make(map[Name]bool)
	for _, limits := range []Limits{plan, overrides} {
		for name := range limits {
			if _, _, ok := name.Meter(); ok && !Effective(plan, overrides, name, now).Unlimited {
				names[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func (l Limits) onMeters() bool {
	for name := range l {
		if strings.HasPrefix(string(name), MeterPrefix) {
			return true
		}
	}
	return false
}

// Names returns the quotas of l that are not in [Definitions], in the order of their names.
func (l Limits) Names() []Name {
	var out []Name
	for name := range l {
		if !slices.ContainsFunc(definitions[:], func(d Definition) bool { return d.Name == name }) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
