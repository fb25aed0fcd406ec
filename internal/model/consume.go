package model

import (
	"fmt"
	"slices"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// Consume asks for something that is to be used up: all items, or none.
type Consume struct {
	Tenant Ref
	Items  []UsageEvent // without times, runs and corrections
	Once   string       `json:"-"`
}

// ConsumptionView is what was consumed, and what is left.
type ConsumptionView struct {
	Items    []UsageView `json:"items"`
	Soft     bool        `json:"soft"`
	Quotas   []QuotaView `json:"quotas"`
	Replayed bool        `json:"replayed"`
}

type consumed struct {
	items []UsageView
	soft  bool
}

// Consume checks all limits, then records.
func (w *World) Consume(by Ref, now time.Time, p Consume) (_ *ConsumptionView, refused *Refusal) {
	defer w.denies(p.Tenant, now, &refused)
	if bad := w.may(by, now, p.Tenant, "usage:write"); bad != nil {
		return nil, bad
	}
	t := w.tenants[p.Tenant]
	if bad := w.mayBegin(by, p.Tenant); bad != nil {
		return nil, bad
	}
	if !p.valid(by) {
		return nil, refuse(ValidationFailed)
	}
	scope := onceKey{p.Tenant, "usage.consume", p.Once}
	if earlier, done, bad := w.before(scope, p); bad != nil {
		return nil, bad
	} else if done {
		was, _ := earlier.(consumed)
		return &ConsumptionView{Items: was.items, Soft: was.soft, Quotas: w.leftOf(t, p, t.clock(now)), Replayed: true}, nil
	}
	if t == nil {
		return nil, refuse(NotFound)
	}
	now = t.clock(now)
	if bad := t.mustBeActive(); bad != nil {
		return nil, bad
	}
	soft, bad := w.fits(t, p, by, now)
	if bad != nil {
		return nil, bad
	}
	var items []UsageView
	for _, e := range p.Items {
		status, _ := w.record(t, e, by, now)
		items = append(items, UsageView{EventID: e.EventID, Status: status})
	}
	w.remember(scope, p, consumed{items, soft})
	return &ConsumptionView{Items: items, Soft: soft, Quotas: w.leftOf(t, p, now)}, nil
}

func (p *Consume) valid(by Ref) bool {
	units, ids := map[string]string{}, map[string]bool{}
	for _, e := range p.Items {
		unit, before := units[e.Meter]
		if !e.valid() || e.Meter == tokensUsed || e.Amount < 1 || by != Program && e.Key != 0 && e.Key != by ||
			e.EventID != "" && ids[e.EventID] || before && unit != e.Unit {
			return false
		}
		units[e.Meter], ids[e.EventID] = e.Unit, true
	}
	return len(p.Items) > 0 && len(p.Items) <= 100
}

// fits decides without changing anything: it records on a copy.
func (w *World) fits(t *tenant, p Consume, by Ref, now time.Time) (soft bool, bad *Refusal) {
	t = t.clone()
	for i, e := range p.Items {
		if w.meter(t, e.Meter).Aggregation == "max" {
			return false, refuse(ValidationFailed)
		}
		before := t.clone()
		status, code := w.record(t, e, by, now)
		switch status {
		case rejected:
			return false, refuse(code)
		case "duplicate":
			continue
		}
		for _, name := range []quota.Name{quota.PerDay(e.Meter), quota.PerMonth(e.Meter)} {
			over, bad := w.room(before, name, before.use(name, now), e.Amount, now)
			if bad != nil {
				if len(p.Items) > 1 {
					bad.Run = fmt.Sprintf("items[%d]", i)
				}
				return false, bad
			}
			soft = soft || over
		}
	}
	return soft, nil
}

// leftOf are the quotas on the meters of what was consumed.
func (w *World) leftOf(t *tenant, p Consume, now time.Time) (out []QuotaView) {
	for _, name := range w.onMeters(t, now) {
		meter, _, _ := name.Meter()
		if slices.ContainsFunc(p.Items, func(e UsageEvent) bool { return e.Meter == meter }) {
			out = append(out, w.quotaView(t, name, now))
		}
	}
	return out
}
