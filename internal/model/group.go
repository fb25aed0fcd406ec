package model

import (
	"fmt"
	"slices"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// CreateRuns asks for several runs, all or none.
type CreateRuns struct {
	Tenant Ref
	Runs   []CreateRun
	Once   string `json:"-"`
}

// GroupView are runs that were admitted together.
type GroupView struct {
	Items    []*RunView `json:"items"`
	Replayed bool       `json:"replayed"`
}

// group shows the runs of a group, if all of them are kept.
func (w *World) group(refs []Ref, replayed bool) (*GroupView, *Refusal) {
	v := &GroupView{Replayed: replayed}
	for _, ref := range refs {
		r := w.runs[ref]
		if r == nil {
			return nil, refuse(NotFound)
		}
		v.Items = append(v.Items, r.view())
	}
	return v, nil
}

// CreateRuns admits all of the runs or none.
func (w *World) CreateRuns(by Ref, now time.Time, p CreateRuns) (_ *GroupView, refused *Refusal) {
	defer w.denies(p.Tenant, now, &refused)
	if bad := w.may(by, now, p.Tenant, "run:create"); bad != nil {
		return nil, bad
	}
	if len(p.Runs) == 0 || len(p.Runs) > 100 {
		return nil, refuse(ValidationFailed)
	}
	p.Runs = slices.Clone(p.Runs)
	for i := range p.Runs {
		p.Runs[i].Tenant = p.Tenant
		if !p.Runs[i].complete(by) {
			return nil, refuse(ValidationFailed)
		}
	}
	scope := onceKey{p.Tenant, "run.create", p.Once}
	if earlier, done, bad := w.before(scope, p); bad != nil {
		return nil, bad
	} else if done {
		refs, _ := earlier.([]Ref)
		return w.group(refs, true)
	}
	t := w.tenants[p.Tenant]
	if t == nil {
		return nil, refuse(NotFound)
	}
	for _, r := range p.Runs {
		if !w.has(r.Key, t) {
			return nil, refuse(ValidationFailed)
		}
	}
	now = t.clock(now)
	soft, bad := w.Clone().enterAll(p, now)
	if bad != nil && bad.Code == QuotaExceeded && t.crashOverdue(now) {
		soft, bad = w.Clone().enterAll(p, now)
	}
	if bad != nil {
		return nil, bad
	}
	var refs []Ref
	for i, r := range p.Runs {
		w.enter(t, r, soft[i], now)
		refs = append(refs, r.Ref)
	}
	w.remember(scope, p, refs)
	return w.group(refs, false)
}

// enterAll makes the runs one after the other, up to one that does not fit.
func (w *World) enterAll(p CreateRuns, now time.Time) (soft []bool, bad *Refusal) {
	t := w.tenants[p.Tenant]
	for i, r := range p.Runs {
		over, bad := w.admit(t, r, now)
		if bad != nil {
			bad.Run = fmt.Sprintf("runs[%d]", i)
			return nil, bad
		}
		w.enter(t, r, over, now)
		soft = append(soft, over)
	}
	return soft, nil
}

// ReserveTokens asks for more tokens for an open run.
type ReserveTokens struct {
	Tenant, Run Ref
	Tokens      int64
	Once        string `json:"-"`
}

// ReserveTokens holds more tokens for an open run, or nothing.
func (w *World) ReserveTokens(by Ref, now time.Time, p ReserveTokens) (_ *RunView, refused *Refusal) {
	defer w.denies(p.Tenant, now, &refused)
	if bad := w.may(by, now, p.Tenant, "run:update"); bad != nil {
		return nil, bad
	}
	if bad := w.mayBegin(by, p.Tenant); bad != nil {
		return nil, bad
	}
	if p.Tokens < 1 || !amounts(p.Tokens) {
		return nil, refuse(ValidationFailed)
	}
	scope := onceKey{p.Tenant, "run.reserve", p.Once}
	if earlier, done, bad := w.before(scope, p); bad != nil {
		return nil, bad
	} else if done {
		ref, _ := earlier.(Ref)
		return w.replay(ref)
	}
	t, r := w.tenants[p.Tenant], w.runs[p.Run]
	if t == nil || r == nil || r.Tenant != p.Tenant {
		return nil, refuse(NotFound)
	}
	now = t.clock(now)
	soft, bad := w.extend(t, r, p.Tokens, now)
	if bad != nil && bad.Code == QuotaExceeded && t.crashOverdue(now) {
		soft, bad = w.extend(t, r, p.Tokens, now)
	}
	if bad != nil {
		return nil, bad
	}
	if s := w.counted(t, r.Subject, now); s != nil {
		t.subjects[r.Subject] = s
	}
	r.Reserved += p.Tokens
	r.OverSoft = r.OverSoft || soft
	t.changed(now)
	w.remember(scope, p, p.Run)
	return r.view(), nil
}

func (w *World) extend(t *tenant, r *run, n int64, now time.Time) (soft bool, bad *Refusal) {
	if !r.open() {
		return false, refuse(RunAlreadyEnded)
	}
	if r.Reserved+n > maxAmount {
		return false, refuse(ValidationFailed)
	}
	if bad := t.mustBeActive(); bad != nil {
		return false, bad
	}
	if k := w.keys[r.Key]; k != nil {
		if bad := k.tokens(t, n, now); bad != nil {
			return false, bad
		}
	}
	overOfSubject, bad := w.roomOf(t, r.Subject, quota.TokensPerMonth, n, now)
	if bad != nil {
		return false, bad
	}
	soft, bad = w.room(t, quota.TokensPerMonth, t.use(quota.TokensPerMonth, now), n, now)
	return soft || bad == nil && overOfSubject, bad
}
