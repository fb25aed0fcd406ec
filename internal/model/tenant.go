package model

import (
	"maps"
	"reflect"
	"regexp"
	"slices"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// The states of a tenant.
const (
	Active     = "active"
	Suspended  = "suspended"
	Terminated = "terminated"
	Archived   = "archived"
)

// PlanView is a plan.
type PlanView struct {
	Name    string       `json:"name"`
	Limits  quota.Limits `json:"limits"`
	Retired bool         `json:"retired"`

	Thresholds []int `json:"thresholds"`
}

// TenantFields are the fields of a tenant that may be changed.
type TenantFields struct {
	Name       string            `json:"name"`
	ExternalID string            `json:"external_id"`
	Zone       string            `json:"zone"`
	Anchor     int               `json:"anchor"`
	Overrides  quota.Limits      `json:"overrides"`
	Metadata   map[string]string `json:"metadata"`
}

// TenantView is a tenant as callers see it.
type TenantView struct {
	Ref      Ref                   `json:"ref"`
	Slug     string                `json:"slug"`
	Plan     string                `json:"plan"`
	Status   string                `json:"status"`
	Reason   string                `json:"reason"`
	Created  time.Time             `json:"created"`
	Updated  time.Time             `json:"updated"`
	Limits   map[quota.Name]*int64 `json:"limits"`
	Replayed bool                  `json:"replayed"`
	TenantFields
}

type tenant struct {
	TenantFields

	ref                        Ref
	slug, plan, status, reason string
	created, updated, since    time.Time

	last       time.Time // the latest now of any change
	stopped    time.Time // when it was last suspended or terminated
	day, month quota.Period

	runs          []*run
	subjects      map[string]*subject
	increments    []time.Time // runs counted by IncrementUsage
	events        []event
	spent         []spending
	told          map[quota.Name]told
	notices       []EventView
	touched       bool
	moved         map[string]bool // meters that events were recorded of since Watch looked last
	units         map[string]string
	marks         map[string]string // event id → its content
	marked        map[string]marked
	goneUntil     time.Time         // before when single events are gone
	runsGoneUntil time.Time         // and ended runs
	fixedAs       map[string]string // meter → the aggregation that its events fixed
	meters        map[string]MeterDef
	past          []past
	began         string              // the zone in which the present month began, where it is another one now
	costs         map[time.Time]int64 // of runs, by the start of their end's month
	prices        map[string][]price
	values        map[string]map[string]bool // of kept dimensions, by meter, dimension and month
	keys          []*key
	members       map[Ref]*member
	workers       map[string]*worker
	audit         []string
}

// CreateTenant describes a new tenant.
type CreateTenant struct {
	Ref  Ref `json:"-"`
	Slug string
	Plan string
	TenantFields
	Once string `json:"-"`
}

var slugPattern = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,98}[a-z0-9])?$`)

func (f *TenantFields) valid() bool {
	_, err := quota.LoadZone(f.Zone)
	return f.Name != "" && len(f.Name) <= 255 && err == nil && f.Anchor >= 1 && f.Anchor <= 28 && len(f.Metadata) <= 50 &&
		f.Overrides.Validate(true) == nil
}

// CreateTenant makes an active tenant.
func (w *World) CreateTenant(by Ref, now time.Time, p CreateTenant) (*TenantView, *Refusal) {
	if bad := w.operator(by, now); bad != nil {
		return nil, bad
	}
	if p.Plan == "" {
		p.Plan = "free"
	}
	if p.Zone == "" {
		p.Zone = "UTC"
	}
	if p.Anchor == 0 {
		p.Anchor = 1
	}
	if !p.valid() || !slugPattern.MatchString(p.Slug) || p.Slug == "me" {
		return nil, refuse(ValidationFailed)
	}
	scope := onceKey{0, "tenant.create", p.Once}
	if earlier, done, bad := w.before(scope, p); bad != nil {
		return nil, bad
	} else if done {
		ref, _ := earlier.(Ref)
		view := w.tenants[ref].view(w, now)
		view.Replayed = true
		return view, nil
	}
	for _, t := range w.tenants {
		if t.slug == p.Slug || p.ExternalID != "" && t.ExternalID == p.ExternalID {
			return nil, refuse(AlreadyExists)
		}
	}
	if bad := w.takesTenants(p.Plan); bad != nil {
		return nil, bad
	}
	if !w.summed(nil, p.Overrides, nil) {
		return nil, refuse(ValidationFailed)
	}
	t := &tenant{
		TenantFields: p.TenantFields, ref: p.Ref, slug: p.Slug, plan: p.Plan, status: Active,
		created: now, updated: now, since: now, last: now,
		units: map[string]string{}, marks: map[string]string{}, marked: map[string]marked{},
		fixedAs: map[string]string{}, meters: map[string]MeterDef{}, costs: map[time.Time]int64{}, prices: map[string][]price{}, values: map[string]map[string]bool{},
		members: map[Ref]*member{}, workers: map[string]*worker{}, told: map[quota.Name]told{}, moved: map[string]bool{}, subjects: map[string]*subject{},
	}
	t.day, t.month = quota.DayOf(now, t.zone()), quota.MonthOf(now, t.zone(), t.Anchor)
	t.log("tenant.create")
	w.tenants[p.Ref] = t
	w.remember(scope, p, p.Ref)
	return t.view(w, now), nil
}

func (w *World) takesTenants(plan string) *Refusal {
	p, known := w.plans[plan]
	switch {
	case !known:
		return refuse(UnknownPlan)
	case p.Retired:
		return refuse(ValidationFailed)
	default:
		return nil
	}
}

func (t *tenant) log(action string) { t.audit = append(t.audit, action) }

func (t *tenant) view(w *World, now time.Time) *TenantView {
	v := &TenantView{
		Ref: t.ref, Slug: t.slug, Plan: t.plan, Status: t.status, Reason: t.reason, Created: t.created, Updated: t.updated,
		TenantFields: t.TenantFields, Limits: map[quota.Name]*int64{},
	}
	v.Overrides, v.Metadata = maps.Clone(v.Overrides), maps.Clone(v.Metadata)
	if v.Overrides == nil {
		v.Overrides = quota.Limits{}
	}
	if v.Metadata == nil {
		v.Metadata = map[string]string{}
	}
	for _, name := range append([]quota.Name{quota.RequestsPerMinute}, quotas...) {
		v.Limits[name] = nil
		if l := w.limit(t, name, t.clock(now)); !l.Unlimited {
			v.Limits[name] = &l.Max
		}
	}
	for _, limits := range []quota.Limits{w.plans[t.plan].Limits, t.Overrides} {
		for name := range limits {
			_, onSubjects := name.OfSubject()
			if _, _, ok := name.Meter(); !ok && !onSubjects {
				continue
			}
			if l := w.limit(t, name, t.clock(now)); !l.Unlimited {
				v.Limits[name] = &l.Max
			}
		}
	}
	return v
}

// GetTenant returns a tenant.
func (w *World) GetTenant(by Ref, now time.Time, id Ref) (*TenantView, *Refusal) {
	if bad := w.may(by, now, id, "tenant:read"); bad != nil {
		return nil, bad
	}
	if t := w.tenants[id]; t != nil {
		return t.view(w, now), nil
	}
	return nil, refuse(NotFound)
}

// UpdateTenant replaces the fields of a tenant that edit sets.
func (w *World) UpdateTenant(by Ref, now time.Time, id Ref, edit func(*TenantFields)) (*TenantView, *Refusal) {
	if bad := w.operator(by, now); bad != nil {
		return nil, bad
	}
	t := w.tenants[id]
	if t == nil {
		return nil, refuse(NotFound)
	}
	now = t.clock(now)
	before := t.view(w, now)
	fields := t.view(w, now).TenantFields
	edit(&fields)
	if !fields.valid() || !w.summed(t, fields.Overrides, t.Overrides) {
		return nil, refuse(ValidationFailed)
	}
	for _, other := range w.tenants {
		if other != t && fields.ExternalID != "" && fields.ExternalID == other.ExternalID {
			return nil, refuse(AlreadyExists)
		}
	}
	was := t.TenantFields
	t.TenantFields = fields
	after := t.view(w, now)
	t.TenantFields = was
	if reflect.DeepEqual(before, after) {
		return before, nil
	}
	t.changed(now) // the present periods are those of the zone that was
	if t.began == "" && fields.Zone != was.Zone {
		t.began = was.Zone
	}
	t.TenantFields = fields
	t.updated, after.Updated = now, now
	t.log("tenant.update")
	return after, nil
}

// OverLimit is a quota above its limit.
type OverLimit struct {
	Quota   quota.Name `json:"quota"`
	Limit   int64      `json:"limit"`
	Current int64      `json:"current"`
}

// UpdatePlanView is what a change of plan came to.
type UpdatePlanView struct {
	Tenant *TenantView `json:"tenant"`
	Over   []OverLimit `json:"over"`
}

// UpdatePlan moves a tenant to another plan.
func (w *World) UpdatePlan(by Ref, now time.Time, id Ref, plan string) (*UpdatePlanView, *Refusal) {
	if bad := w.operator(by, now); bad != nil {
		return nil, bad
	}
	t := w.tenants[id]
	if t == nil {
		return nil, refuse(NotFound)
	}
	now = t.clock(now)
	if t.plan != plan {
		if bad := w.takesTenants(plan); bad != nil {
			return nil, bad
		}
		t.changed(now)
		t.plan, t.updated = plan, now
		t.log("tenant.plan")
	}
	if len(w.overLimits(t, quotas, now)) > 0 {
		t.crashOverdue(now)
	}
	return &UpdatePlanView{Tenant: t.view(w, now), Over: w.overLimits(t, append(slices.Clone(quotas), w.onMeters(t, now)...), now)}, nil
}

func (w *World) overLimits(t *tenant, names []quota.Name, now time.Time) []OverLimit {
	out := []OverLimit{}
	for _, name := range names {
		use := t.use(name, now)
		if l := w.limit(t, name, now); !l.Unlimited && use.used+use.reserved > l.Max {
			out = append(out, OverLimit{name, l.Max, use.used + use.reserved})
		}
	}
	return out
}

// lifecycle lists which states a state may become, and what the audit calls it.
var lifecycle = map[string]struct {
	from   []string
	action string
}{
	Suspended:  {[]string{Active}, "tenant.suspend"},
	Active:     {[]string{Suspended}, "tenant.resume"},
	Terminated: {[]string{Active, Suspended}, "tenant.terminate"},
	Archived:   {[]string{Terminated}, "tenant.archive"},
}

// Transition moves a tenant through its life.
func (w *World) Transition(by Ref, now time.Time, id Ref, to, reason string) (*TenantView, *Refusal) {
	if bad := w.operator(by, now); bad != nil {
		return nil, bad
	}
	t := w.tenants[id]
	if t == nil {
		return nil, refuse(NotFound)
	}
	if !slices.Contains(lifecycle[to].from, t.status) {
		return nil, refuse(InvalidTransition)
	}
	now = t.clock(now)
	if to == Active && !now.After(t.stopped) {
		now = t.stopped.Add(time.Microsecond) // even while the clock stands still, what comes later is later
	}
	t.changed(now)
	t.status, t.since, t.updated = to, now, now
	if reason != "" || to != Archived {
		t.reason = reason
	}
	switch to {
	case Active:
		t.reason = ""
	case Suspended, Terminated:
		t.stopped = now
		for _, r := range t.runs {
			r.CancelRequested = r.CancelRequested || r.open()
		}
	}
	t.log(lifecycle[to].action)
	return t.view(w, now), nil
}

// Tenants returns all tenants.
func (w *World) Tenants(now time.Time) []*TenantView {
	var out []*TenantView
	for _, ref := range slices.Sorted(maps.Keys(w.tenants)) {
		out = append(out, w.tenants[ref].view(w, now))
	}
	return out
}

var planPattern = regexp.MustCompile(`^[a-z0-9A-Z][a-z0-9A-Z._-]{0,49}$`)

// PutPlan makes a plan or replaces it; it reports whether it is new.
func (w *World) PutPlan(by Ref, now time.Time, p PlanView) (bool, *Refusal) {
	if bad := w.operator(by, now); bad != nil {
		return false, bad
	}
	if !planPattern.MatchString(p.Name) || p.Limits.Validate(false) != nil {
		return false, refuse(ValidationFailed)
	}
	if p.Limits == nil {
		p.Limits = quota.Limits{}
	}
	was, known := w.plans[p.Name]
	if !w.summed(nil, p.Limits, was.Limits) {
		return false, refuse(ValidationFailed)
	}
	if !known || !reflect.DeepEqual(was, p) {
		w.plans[p.Name] = p
		w.changed(now, "plan.put")
	}
	return !known, nil
}

// DeletePlan removes a plan that no tenant uses.
func (w *World) DeletePlan(by Ref, now time.Time, name string) *Refusal {
	if bad := w.operator(by, now); bad != nil {
		return bad
	}
	if _, known := w.plans[name]; !known {
		return refuse(NotFound)
	}
	for _, t := range w.tenants {
		if t.plan == name {
			return refuse(InvalidTransition)
		}
	}
	delete(w.plans, name)
	w.changed(now, "plan.delete")
	return nil
}

// Plans returns all plans by name.
func (w *World) Plans() []PlanView {
	out := []PlanView{}
	for _, name := range slices.Sorted(maps.Keys(w.plans)) {
		out = append(out, w.plans[name])
	}
	return out
}

// Audit returns the actions of a tenant's audit, oldest first; of the platform's for 0.
func (w *World) Audit(id Ref) []string {
	if t := w.tenants[id]; t != nil {
		return t.audit
	}
	return w.audit
}
