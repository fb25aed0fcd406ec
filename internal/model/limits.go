package model

import (
	"slices"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// quotas of which use is counted, in the order in which they are listed.
var quotas = []quota.Name{
	quota.Workers, quota.RunsPerDay, quota.ConcurrentRuns, quota.TokensPerMonth, quota.APIKeys, quota.SpendPerMonth,
}

// clock is the tenant's now: never earlier than the latest it has seen.
func (t *tenant) clock(now time.Time) time.Time {
	if now.Before(t.last) {
		return t.last
	}
	return now
}

func (t *tenant) zone() *time.Location {
	loc, err := quota.LoadZone(t.Zone)
	if err != nil {
		panic("model: a zone that was checked: " + t.Zone)
	}
	return loc
}

// changed takes note of a change: time went on, periods with it. It comes before a
// change of zone or anchor, which holds from the next periods on.
func (t *tenant) changed(now time.Time) {
	t.pass(now)
	t.day, t.month, t.last, t.touched = t.dayAt(now), t.monthAt(now), now, true
}

// dayAt walks from the last known day to the one of now, boundary by boundary: the
// next day begins where the present one ends, and ends at the first boundary after.
func (t *tenant) dayAt(now time.Time) quota.Period {
	p := t.day
	for !now.Before(p.End) {
		p = quota.Period{Start: p.End, End: quota.DayOf(p.End, t.zone()).End}
	}
	return p
}

// monthAt is dayAt for months.
func (t *tenant) monthAt(now time.Time) quota.Period {
	p := t.month
	for !now.Before(p.End) {
		p = quota.Period{Start: p.End, End: quota.MonthOf(p.End, t.zone(), t.Anchor).End}
	}
	return p
}

// limit is the limit in force: the override while it holds, else the plan's, else none.
func (w *World) limit(t *tenant, name quota.Name, now time.Time) quota.Limit {
	if l, overridden := t.Overrides[name]; overridden && (l.Until.IsZero() || now.Before(l.Until)) {
		return l
	}
	if l, planned := w.plans[t.plan].Limits[name]; planned {
		return l
	}
	return quota.Limit{Unlimited: true}
}

// use is what stands against a quota.
type use struct {
	used, reserved int64
	period         *quota.Period
}

// use counts from history. Runs that are over their lease count while nothing has
// ended them.
func (t *tenant) use(name quota.Name, now time.Time) use {
	var u use
	switch name {
	case quota.Workers:
		for _, w := range t.workers {
			if w.enabled {
				u.used++
			}
		}
	case quota.RunsPerDay:
		u.period = new(t.dayAt(now))
		for _, r := range t.runs {
			if u.period.Contains(r.Created) {
				u.used++
			}
		}
		for _, at := range t.increments {
			if u.period.Contains(at) {
				u.used++
			}
		}
	case quota.ConcurrentRuns:
		for _, r := range t.runs {
			if r.open() {
				u.used++
			}
		}
	case quota.TokensPerMonth:
		u.period = new(t.monthAt(now))
		u.used = t.tokensIn(*u.period)
		for _, r := range t.runs {
			if r.open() {
				u.reserved += r.Reserved
			}
		}
	case quota.SpendPerMonth:
		u.period = new(t.monthAt(now))
		for _, s := range t.spent {
			if u.period.Contains(s.at) {
				u.used += s.micros
			}
		}
	case quota.APIKeys:
		for _, k := range t.keys {
			if k.state(now) == KeyActive && !k.uncounted {
				u.used++
			}
		}
	case quota.RequestsPerMinute: // a rate, of which nothing is counted up
	default:
		meter, span, _ := name.Meter()
		u.period = new(t.monthAt(now))
		if span == quota.Day {
			u.period = new(t.dayAt(now))
		}
		for _, e := range t.events {
			if e.Meter == meter && u.period.Contains(e.Time) {
				u.used += e.Amount
			}
		}
	}
	return u
}

// onMeters are the quotas on meters that limit a tenant, in the order of their names.
func (w *World) onMeters(t *tenant, now time.Time) (out []quota.Name) {
	for _, limits := range []quota.Limits{w.plans[t.plan].Limits, t.Overrides} {
		for name := range limits {
			if meter, _, ok := name.Meter(); ok && !slices.Contains(out, name) && !w.limit(t, name, now).Unlimited &&
				w.meter(t, meter).Aggregation != "max" {
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return out
}

// summed reports whether all quotas on meters that were not there before are on meters that add up.
func (w *World) summed(t *tenant, next, was quota.Limits) bool {
	for name := range next {
		meter, _, ok := name.Meter()
		if _, before := was[name]; ok && !before && w.meter(t, meter).Aggregation == "max" {
			return false
		}
	}
	return true
}

// tokensIn adds up the tokens used in a period.
func (t *tenant) tokensIn(p quota.Period) (sum int64) {
	for _, e := range t.events {
		if e.Meter == tokensUsed && p.Contains(e.Time) {
			sum += e.Amount
		}
	}
	return sum
}

// tokensOf adds up the tokens that count against the limit of a key family in a period.
func (t *tenant) tokensOf(kin map[Ref]bool, p quota.Period) (sum int64) {
	for _, e := range t.events {
		if e.Meter == tokensUsed && kin[e.Key] && p.Contains(e.Time) {
			sum += e.Amount
		}
	}
	return sum
}

// live is use without the runs that are over their lease, whose tokens are used by now.
func (t *tenant) live(name quota.Name, now time.Time) use {
	u := t.use(name, now)
	for _, r := range t.runs {
		if !r.overdue(now) {
			continue
		}
		if name == quota.ConcurrentRuns {
			u.used--
		}
		if name == quota.TokensPerMonth {
			u.reserved -= r.Reserved
			u.used += r.SoFar
		}
	}
	return u
}

// room decides whether n more of a quota fit, given what stands against it.
func (w *World) room(t *tenant, name quota.Name, u use, n int64, now time.Time) (overSoft bool, bad *Refusal) {
	l := w.limit(t, name, now)
	current := u.used + u.reserved
	if l.Unlimited || current+n <= l.Max {
		return false, nil
	}
	if l.Mode == quota.Soft {
		return true, nil
	}
	bad = &Refusal{Code: QuotaExceeded, Quota: name, Scope: "tenant", Limit: l.Max, Current: current}
	if u.period != nil {
		bad.ResetsAt = &u.period.End
	}
	return false, bad
}

// QuotaView is how a tenant stands against a quota.
type QuotaView struct {
	Quota     quota.Name `json:"quota"`
	Limit     *int64     `json:"limit"`
	Used      int64      `json:"used"`
	Reserved  int64      `json:"reserved"`
	Remaining *int64     `json:"remaining"`
	Start     *time.Time `json:"start"`
	ResetsAt  *time.Time `json:"resets_at"`
}

// GetQuotas returns how a tenant stands against every quota.
func (w *World) GetQuotas(by Ref, now time.Time, id Ref) ([]QuotaView, *Refusal) {
	if bad := w.may(by, now, id, "quota:read"); bad != nil {
		return nil, bad
	}
	t := w.tenants[id]
	if t == nil {
		return nil, refuse(NotFound)
	}
	now = t.clock(now)
	var out []QuotaView
	for _, name := range append(slices.Clone(quotas), w.onMeters(t, now)...) {
		out = append(out, w.quotaView(t, name, now))
	}
	return out, nil
}

func (w *World) quotaView(t *tenant, name quota.Name, now time.Time) QuotaView {
	u := t.live(name, now)
	v := QuotaView{Quota: name, Used: u.used, Reserved: u.reserved}
	if l := w.limit(t, name, now); !l.Unlimited {
		v.Limit, v.Remaining = &l.Max, new(max(0, l.Max-u.used-u.reserved))
	}
	if u.period != nil {
		v.Start, v.ResetsAt = &u.period.Start, &u.period.End
	}
	return v
}

// DecisionView says whether something would be allowed.
type DecisionView struct {
	Allowed bool `json:"allowed"`
	Refusal
}

func decision(bad *Refusal) *DecisionView {
	if bad == nil {
		return &DecisionView{Allowed: true}
	}
	said := *bad
	said.Scope = "" // a decision has none
	return &DecisionView{Refusal: said}
}

// CheckRun says whether a run would be admitted; worker may be "".
func (w *World) CheckRun(by Ref, now time.Time, id Ref, name string) (*DecisionView, *Refusal) {
	if bad := w.may(by, now, id, "quota:read"); bad != nil {
		return nil, bad
	}
	if name != "" && !workerPattern.MatchString(name) {
		return nil, refuse(ValidationFailed)
	}
	t := w.tenants[id]
	if t == nil {
		return nil, refuse(NotFound)
	}
	now = t.clock(now)
	_, bad := w.admitTenant(t, name, 0, now, t.live)
	return decision(bad), nil
}

// CheckTokens says whether there is room for so many more tokens.
func (w *World) CheckTokens(by Ref, now time.Time, id Ref, n int64) (*DecisionView, *Refusal) {
	if bad := w.may(by, now, id, "quota:read"); bad != nil {
		return nil, bad
	}
	if !amounts(n) {
		return nil, refuse(ValidationFailed)
	}
	t := w.tenants[id]
	if t == nil {
		return nil, refuse(NotFound)
	}
	now = t.clock(now)
	bad := t.mustBeActive()
	if bad == nil {
		_, bad = w.room(t, quota.TokensPerMonth, t.live(quota.TokensPerMonth, now), max(n, 1), now)
	}
	return decision(bad), nil
}

func (t *tenant) mustBeActive() *Refusal {
	switch t.status {
	case Active:
		return nil
	case Suspended:
		return refuse(TenantSuspended)
	default:
		return refuse(TenantTerminated)
	}
}

// worker is a kind of job of a tenant.
type worker struct {
	enabled   bool
	firstUsed *time.Time
}

// WorkerView is a worker of a tenant.
type WorkerView struct {
	Worker    string     `json:"worker"`
	Enabled   bool       `json:"enabled"`
	FirstUsed *time.Time `json:"first_used"`
}

// PutWorker enables or disables a worker.
func (w *World) PutWorker(by Ref, now time.Time, id Ref, name string, enabled bool) (*WorkerView, *Refusal) {
	if bad := w.may(by, now, id, "worker:manage"); bad != nil {
		return nil, bad
	}
	if !workerPattern.MatchString(name) {
		return nil, refuse(ValidationFailed)
	}
	t := w.tenants[id]
	if t == nil {
		return nil, refuse(NotFound)
	}
	now = t.clock(now)
	have := t.workers[name]
	if have != nil && have.enabled == enabled {
		return &WorkerView{name, enabled, have.firstUsed}, nil
	}
	if enabled {
		if _, bad := w.room(t, quota.Workers, t.use(quota.Workers, now), 1, now); bad != nil {
			return nil, bad
		}
	}
	if have == nil {
		have = &worker{}
		t.workers[name] = have
	}
	have.enabled = enabled
	t.changed(now)
	if enabled {
		t.log("worker.enable")
	} else {
		t.log("worker.disable")
	}
	return &WorkerView{name, enabled, have.firstUsed}, nil
}

// DeleteWorker forgets a worker.
func (w *World) DeleteWorker(by Ref, now time.Time, id Ref, name string) *Refusal {
	if bad := w.may(by, now, id, "worker:manage"); bad != nil {
		return bad
	}
	t := w.tenants[id]
	if t == nil || t.workers[name] == nil {
		return refuse(NotFound)
	}
	delete(t.workers, name)
	t.changed(t.clock(now))
	t.log("worker.delete")
	return nil
}

// ListWorkers returns the workers of a tenant by name.
func (w *World) ListWorkers(id Ref) []WorkerView {
	out := []WorkerView{}
	for name, have := range w.tenants[id].workers {
		out = append(out, WorkerView{name, have.enabled, have.firstUsed})
	}
	slices.SortFunc(out, func(a, b WorkerView) int {
		if a.Worker < b.Worker {
			return -1
		}
		return 1
	})
	return out
}
