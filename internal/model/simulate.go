package model

import (
	"slices"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// SimulatePlan asks what limits would have denied of what a tenant was admitted.
type SimulatePlan struct {
	Tenant     Ref
	Limits     quota.Limits
	Start, End time.Time // a zero End is now
}

// SimulationView is what would have been denied, and what would have been needed.
type SimulationView struct {
	Start        time.Time            `json:"start"`
	End          time.Time            `json:"end"`
	ReplayedFrom time.Time            `json:"replayed_from"`
	History      bool                 `json:"history"` // is complete
	Runs         int64                `json:"runs"`
	Quotas       []SimulatedQuotaView `json:"quotas"`
	Days         []SimulatedDayView   `json:"days"`
	Denied       []SimulatedDenial    `json:"denied"`
}

// SimulatedQuotaView is how one quota would have done.
type SimulatedQuotaView struct {
	Quota  quota.Name `json:"quota"`
	Limit  *int64     `json:"limit"`
	Soft   bool       `json:"soft"`
	Denied int64      `json:"denied"`
	First  *time.Time `json:"first"`
	Last   *time.Time `json:"last"`
	Needed int64      `json:"needed"`
}

// SimulatedDayView is one day.
type SimulatedDayView struct {
	Start    time.Time            `json:"start"`
	End      time.Time            `json:"end"`
	Runs     int64                `json:"runs"`
	DeniedBy map[quota.Name]int64 `json:"denied_by"`
	Peak     int64                `json:"peak"`
	Tokens   int64                `json:"tokens"`
}

// SimulatedDenial is one run that would have been denied.
type SimulatedDenial struct {
	Run     Ref        `json:"run"`
	At      time.Time  `json:"at"`
	Quota   quota.Name `json:"quota"`
	Limit   int64      `json:"limit"`
	Current int64      `json:"current"`
}

// askedOfRuns are the quotas that an admission looks at, in its order.
var askedOfRuns = []quota.Name{quota.Workers, quota.RunsPerDay, quota.ConcurrentRuns, quota.TokensPerMonth, quota.SpendPerMonth}

// retold is the past of a tenant as some of its runs would have made it.
type retold struct {
	*tenant

	from    time.Time // before which nothing is asked
	entered []*run    // that were let in
	denied  []Ref
}

// SimulatePlan goes through the runs of a tenant and asks of each, from all that is known of those let in before it, whether
// limits would have let it in. Runs of one instant have an order that only the engine knows: order has all runs by it.
func (w *World) SimulatePlan(now time.Time, p SimulatePlan, order []Ref) (*SimulationView, *Refusal) {
	if p.Limits.Validate(false) != nil || !p.End.IsZero() && !p.Start.Before(p.End) {
		return nil, refuse(ValidationFailed)
	}
	t := w.tenants[p.Tenant]
	if t == nil {
		return nil, refuse(NotFound)
	}
	end := t.clock(now)
	if !p.End.IsZero() && p.End.Before(end) {
		end = p.End
	}
	if !p.Start.Before(end) || end.Sub(p.Start) > 366*24*time.Hour || p.Start.Before(t.goneUntil) || p.Start.Before(t.runsGoneUntil) {
		return nil, refuse(ValidationFailed)
	}
	month := quota.MonthOf(p.Start, t.zone(), t.Anchor).Start
	v := &SimulationView{Start: p.Start, End: end, ReplayedFrom: month.Add(-7 * 24 * time.Hour)}
	v.History = !v.ReplayedFrom.Before(t.runsGoneUntil) && !month.Before(t.goneUntil)
	if v.ReplayedFrom.Before(t.runsGoneUntil) {
		v.ReplayedFrom = t.runsGoneUntil
	}
	limits := &World{plans: map[string]PlanView{t.plan: {Limits: p.Limits}}}
	was, would := retold{tenant: t, from: p.Start}, retold{tenant: t, from: p.Start}
	quotas := map[quota.Name]*SimulatedQuotaView{}
	for _, name := range askedOfRuns {
		quotas[name] = &SimulatedQuotaView{Quota: name}
	}
	v.Days = t.daysOf(p.Start, end)
	for _, ref := range order {
		r := w.runs[ref]
		if r.Created.Before(v.ReplayedFrom.Truncate(time.Millisecond)) || !r.Created.Before(end) {
			continue
		}
		if r.Created.Before(p.Start) {
			was.entered, would.entered = append(was.entered, r), append(would.entered, r)
			continue
		}
		day := &v.Days[slices.IndexFunc(v.Days, func(d SimulatedDayView) bool { return r.Created.Before(d.End) })]
		v.Runs++
		day.Runs++
		day.Peak = max(day.Peak, was.count(quota.ConcurrentRuns, r.Created)+1)
		var by *SimulatedDenial
		for _, name := range askedOfRuns {
			current, takes := was.count(name, r.Created), was.takes(name, r)
			quotas[name].Needed = max(quotas[name].Needed, current+takes)
			current, takes = would.count(name, r.Created), would.takes(name, r)
			l := limits.limit(t, name, r.Created)
			fits := l.Unlimited || l.Mode == quota.Soft || current+takes <= l.Max || name == quota.Workers && takes == 0
			if by == nil && !fits {
				by = &SimulatedDenial{Run: ref, At: r.Created, Quota: name, Limit: l.Max, Current: current}
			}
		}
		was.entered = append(was.entered, r)
		if by == nil {
			would.entered = append(would.entered, r)
			continue
		}
		would.denied = append(would.denied, ref)
		v.Denied = append(v.Denied, *by)
		q := quotas[by.Quota]
		q.Denied++
		if q.Last = &by.At; q.First == nil {
			q.First = &by.At
		}
		day.DeniedBy[by.Quota]++
	}
	for _, name := range askedOfRuns {
		l := limits.limit(t, name, end)
		if !l.Unlimited {
			quotas[name].Limit = &l.Max
		}
		quotas[name].Soft = !l.Unlimited && l.Mode == quota.Soft
		v.Quotas = append(v.Quotas, *quotas[name])
	}
	for i := range v.Days {
		d := &v.Days[i]
		for _, e := range t.events {
			if e.Meter == tokensUsed && t.keeps(e.Time) && !e.Time.Before(month) && !e.Recorded.Before(d.Start) && e.Recorded.Before(d.End) {
				d.Tokens += e.Amount
			}
		}
	}
	return v, nil
}

// keeps reports whether single events of a time are still there.
func (t *tenant) keeps(at time.Time) bool { return !at.Before(t.goneUntil) }

// daysOf are the days of a range, cut at its ends.
func (t *tenant) daysOf(start, end time.Time) (out []SimulatedDayView) {
	for at := start; at.Before(end); {
		d := SimulatedDayView{Start: at, End: quota.DayOf(at, t.zone()).End, DeniedBy: map[quota.Name]int64{}}
		if d.End.After(end) {
			d.End = end
		}
		out, at = append(out, d), d.End
	}
	return out
}

// knows reports whether a worker was enabled by then.
func (s *retold) knows(name string) bool {
	if have := s.workers[name]; have != nil && have.enabled && (have.firstUsed == nil || have.firstUsed.Before(s.from)) {
		return true
	}
	return slices.ContainsFunc(s.entered, func(r *run) bool { return r.Worker == name })
}

// takes is what a run takes of a quota.
func (s *retold) takes(name quota.Name, r *run) int64 {
	switch {
	case name == quota.Workers && s.knows(r.Worker):
		return 0
	case name == quota.TokensPerMonth:
		return max(r.Reserved, 1)
	default:
		return 1
	}
}

// count is what stands against a quota at an instant.
func (s *retold) count(name quota.Name, now time.Time) (n int64) {
	day, month := quota.DayOf(now, s.zone()), quota.MonthOf(now, s.zone(), s.Anchor)
	counts := func(which Ref, recorded time.Time) bool {
		return recorded.Before(now) && !slices.Contains(s.denied, which)
	}
	held := func(r *run) bool { return now.Before(r.LeaseExpires) && (r.Ended == nil || now.Before(*r.Ended)) }
	switch name {
	case quota.Workers:
		all := map[string]bool{}
		for name := range s.workers {
			all[name] = true
		}
		for _, r := range s.entered {
			all[r.Worker] = true
		}
		for name := range all {
			if s.knows(name) {
				n++
			}
		}
	case quota.RunsPerDay:
		for _, r := range s.entered {
			if day.Contains(r.Created) {
				n++
			}
		}
		for _, at := range s.increments {
			if s.keeps(at) && day.Contains(at) && counts(0, at) {
				n++
			}
		}
	case quota.ConcurrentRuns:
		for _, r := range s.entered {
			if held(r) {
				n++
			}
		}
	case quota.TokensPerMonth:
		for _, e := range s.events {
			if e.Meter == tokensUsed && s.keeps(e.Time) && month.Contains(e.Time) && counts(e.Run, e.Recorded) {
				n += e.Amount
			}
		}
		for _, r := range s.entered {
			if held(r) {
				n += r.Reserved
			}
		}
	case quota.SpendPerMonth:
		for _, c := range s.spent {
			if s.keeps(c.at) && month.Contains(c.at) && counts(c.run, c.at) {
				n += c.micros
			}
		}
	default: // no admission looks at it
	}
	return n
}
