package rentroll

import (
	"context"
	"fmt"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// PlanPreview is how a tenant would stand under another plan.
type PlanPreview struct {
	Plan      string      `json:"plan"`
	Quotas    []QuotaUse  `json:"quotas"`
	OverLimit []OverLimit `json:"over_limit"` // what UpdatePlan would report if nothing changed meanwhile
}

// PreviewPlan says how a tenant would stand if UpdatePlan moved it to a plan now: its overrides stay in force. It is a read
// and changes nothing. It needs quota:read.
func (e *Engine) PreviewPlan(ctx context.Context, tenant TenantID, name string) (*PlanPreview, error) {
	if err := e.may(tenant, PermQuotaRead); err != nil {
		return nil, err
	}
	var bad problems
	bad.add("plan", checkPlanName(name))
	if err := bad.err(); err != nil {
		return nil, err
	}
	out := &PlanPreview{Plan: name}
	err := e.viewLive(ctx, tenant, func(r Reader, a *Account, _ *Plan, now time.Time) error {
		b := &Batch{}
		b.Plans.Want(name)
		if err := r.Load(ctx, b); err != nil {
			return err
		}
		plan := b.Plans.Get(name)
		switch {
		case plan == nil:
			return &Error{Code: CodeUnknownPlan, Message: fmt.Sprintf("there is no plan %q", name), Fields: []FieldError{{"plan", "is unknown"}}}
		case plan.Retired && a.Plan != name:
			return problems{{"plan", "is retired and takes no new tenants"}}.err()
		}
		for _, d := range quota.Definitions() {
			if d.Span != quota.Rate {
				out.Quotas = append(out.Quotas, quotaUse(a, plan, d.Name, now))
			}
		}
		more, err := meterQuotas(ctx, r, a, plan, now)
		out.Quotas = append(out.Quotas, more...)
		out.OverLimit = append(a.overLimits(plan, now), overOf(more)...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// overLimits lists the quotas whose use is above its limit. What is overdue ends first where it could matter: it is no
// use any more.
func (l *ledger) overLimits(a *Account, plan *Plan, now time.Time) ([]OverLimit, error) {
	onMeters, err := l.overMeters(a, plan, now)
	if err != nil {
		return nil, err
	}
	over := a.overLimits(plan, now)
	for _, end := range []func(*Account, time.Time) (bool, error){l.expireKeys, l.crashOverdue} {
		if len(over) == 0 {
			break
		}
		if _, err := end(a, now); err != nil {
			return nil, err
		}
		over = a.overLimits(plan, now)
	}
	return append(over, onMeters...), nil
}
