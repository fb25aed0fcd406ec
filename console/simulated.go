package console

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

// simulated is the answer of a simulation as a page shows it.
type simulated struct {
	*rentroll.Simulation

	Name       string // of the tenant
	TenantPath string // of its page
	Zone       *time.Location
	GoOn       string // the address of the rest, where the answer is about a part of the range
	Again      string // the address of the same until now, where the answer is about the time until an earlier instant
	Enough     string // the address where limits that deny nothing are tried; "" where nothing is denied, or not for this visitor
}

// simulatedQuota is how one quota would have done.
type simulatedQuota struct{ rentroll.SimulatedQuota }

// Title is what people call the quota.
func (q simulatedQuota) Title() string {
	if d, ok := quota.Lookup(q.Quota); ok {
		return d.Title
	}
	return quotaName(q.Quota)
}

// InText is Title within a sentence.
func (q simulatedQuota) InText() string { return strings.ToLower(q.Title()) }

// Text writes a number of the quota's.
func (q simulatedQuota) Text(n int64) string { return amount(q.Quota, n) }

// LimitText is the limit in words.
func (q simulatedQuota) LimitText() string {
	switch {
	case q.Limit == nil:
		return "unlimited"
	case q.Soft:
		return q.Text(*q.Limit) + " soft"
	default:
		return q.Text(*q.Limit)
	}
}

// Short reports whether more was needed than the limit lets pass.
func (q simulatedQuota) Short() bool { return q.Limit != nil && !q.Soft && q.Needed > *q.Limit }

// Table are all quotas that admissions look at.
func (s *simulated) Table() []simulatedQuota {
	rows := make([]simulatedQuota, 0, len(s.Quotas))
	for _, q := range s.Quotas {
		rows = append(rows, simulatedQuota{q})
	}
	return rows
}

// By are the quotas that would have denied something, the one that denies most first.
func (s *simulated) By() []simulatedQuota {
	rows := slices.DeleteFunc(s.Table(), func(q simulatedQuota) bool { return q.SimulatedQuota.Denied == 0 })
	slices.SortStableFunc(rows, func(a, b simulatedQuota) int { return cmp.Compare(b.SimulatedQuota.Denied, a.SimulatedQuota.Denied) })
	return rows
}

// Short are the quotas whose limits a plan that denies nothing would have to raise.
func (s *simulated) Short() []simulatedQuota {
	if s.Denied == 0 {
		return nil
	}
	return slices.DeleteFunc(s.Table(), func(q simulatedQuota) bool { return !q.Short() })
}

// Marked are quotas over whose soft limits more was needed: they deny nothing.
func (s *simulated) Marked() []simulatedQuota {
	return slices.DeleteFunc(s.Table(), func(q simulatedQuota) bool { return !q.Soft || q.Limit == nil || q.Needed <= *q.Limit })
}

// simulatedDay is a day in the table beside the chart.
type simulatedDay struct {
	rentroll.SimulatedDay

	Day string
	By  string // which quotas would have denied how much
}

// ByDay are the days of the tenant.
func (s *simulated) ByDay() []simulatedDay {
	layout := "Mon, Jan 2"
	if s.Start.In(s.Zone).Year() != s.End.In(s.Zone).Year() {
		layout = "Mon, Jan 2, 2006"
	}
	rows := make([]simulatedDay, 0, len(s.Days))
	for _, d := range s.Days {
		row := simulatedDay{SimulatedDay: d, Day: d.Start.In(s.Zone).Format(layout)}
		var by []string
		for _, q := range s.Table() {
			if n := d.DeniedBy[q.Quota]; n > 0 {
				by = append(by, fmt.Sprintf("%s by %s", grouped(n), q.InText()))
			}
		}
		row.By = strings.Join(by, ", ")
		rows = append(rows, row)
	}
	return rows
}

// Range are the first and the last day that were looked at.
func (s *simulated) Range() string {
	first, last := s.Start.In(s.Zone).Format("Jan 2, 2006"), s.End.Add(-time.Microsecond).In(s.Zone).Format("Jan 2, 2006")
	if first == last {
		return first
	}
	return first + " to " + last
}

// Chart is what the browser draws: what was admitted, and over it the part of that which would have been denied. Where it is
// near, the limit of a day is a line.
func (s *simulated) Chart() map[string]any {
	days, runs, denied := make([]int64, len(s.Days)), make([]int64, len(s.Days)), make([]int64, len(s.Days))
	most := int64(0)
	for i, d := range s.Days {
		y, m, day := d.Start.In(s.Zone).Date() // the tenant's, where the viewer's calendar differs
		days[i], runs[i], denied[i] = time.Date(y, m, day, 12, 0, 0, 0, time.UTC).Unix(), d.Runs, d.Denied
		most = max(most, d.Runs)
	}
	type series struct {
		Label  string  `json:"label"`
		Color  string  `json:"color"`
		Values []int64 `json:"values"`
	}
	data := map[string]any{"days": days, "series": []series{{"Admitted", "fill", runs}, {"Of them denied", "bad", denied}}}
	for _, q := range s.Quotas {
		if q.Quota == quota.RunsPerDay && q.Limit != nil && *q.Limit/2 <= most {
			data["line"], data["lineName"] = *q.Limit, "limit of a day"
		}
	}
	return data
}

// Of is the limit of a sampled denial and what was taken of it.
func (s *simulated) Of(d rentroll.SimulatedDenial) string {
	return amount(d.Quota, d.Current) + " of " + amount(d.Quota, d.Limit)
}

// Title names the quota of a sampled denial.
func (s *simulated) Title(name quota.Name) string {
	return simulatedQuota{rentroll.SimulatedQuota{Quota: name}}.Title()
}

// Shown is Denied, as the length of a list is counted.
func (s *simulated) Shown() int { return int(s.Denied) }

// Wanted is how many runs were wanted, at least.
func (s *simulated) Wanted() int64 { return s.Runs + s.RecordedDenials }
