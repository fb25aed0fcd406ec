package rentroll

import (
	"context"
	"errors"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// QuotaUse is how a tenant stands against one quota now.
type QuotaUse struct {
	Quota       quota.Name `json:"quota"`
	Limit       *int64     `json:"limit"` // nil is unlimited
	Used        int64      `json:"used"`
	Reserved    int64      `json:"reserved"`     // tokens held by open runs
	Remaining   *int64     `json:"remaining"`    // nil is unlimited; never below zero
	PeriodStart *time.Time `json:"period_start"` // nil for gauges
	ResetsAt    *time.Time `json:"resets_at"`    // nil for gauges
}

// Decision says whether something would be allowed at this moment. It is a read: it takes nothing, and what it says may
// be over as soon as it is said.
type Decision struct {
	Allowed  bool       `json:"allowed"`
	Code     NullString `json:"code"`   // why not: quota_exceeded, tenant_suspended …
	Reason   NullString `json:"reason"` // the same for people
	Quota    NullString `json:"quota"`
	Limit    *int64     `json:"limit"`
	Current  *int64     `json:"current"`
	ResetsAt *time.Time `json:"resets_at"`
}

// GetQuotas returns how a tenant stands against every quota, behind which come those on meters that limit it, by name. It
// needs quota:read.
func (e *Engine) GetQuotas(ctx context.Context, tenant TenantID) ([]QuotaUse, error) {
	if err := e.may(tenant, PermQuotaRead); err != nil {
		return nil, err
	}
	var out []QuotaUse
	err := e.viewLive(ctx, tenant, func(r Reader, a *Account, plan *Plan, now time.Time) error {
		for _, d := range quota.Definitions() {
			if use := quotaUse(a, plan, d.Name, now); d.Span != quota.Rate {
				out = append(out, use)
			}
		}
		more, err := meterQuotas(ctx, r, a, plan, now)
		out = append(out, more...)
		return err
	})
	return out, err
}

func quotaUse(a *Account, plan *Plan, name quota.Name, now time.Time) QuotaUse {
	limit := quota.Effective(plan.limits(), a.Overrides, name, now)
	used, reserved, period := a.use(name)
	return useOfQuota(name, limit, used, reserved, period)
}

func useOfQuota(name quota.Name, limit quota.Limit, used, reserved int64, period quota.Period) QuotaUse {
	u := QuotaUse{Quota: name, Used: used, Reserved: reserved}
	if !limit.Unlimited {
		left := limit.Remaining(used + reserved)
		u.Limit, u.Remaining = &limit.Max, &left
	}
	if !period.IsZero() {
		u.PeriodStart, u.ResetsAt = &period.Start, &period.End
	}
	return u
}

// viewLive reads one snapshot of a tenant with its account as it counts now: periods rolled, and without what overdue
// runs and expired keys still hold on paper.
func (e *Engine) viewLive(ctx context.Context, id TenantID, read func(Reader, *Account, *Plan, time.Time) error) error {
	return e.viewTenant(ctx, id, func(r Reader, stored *Account) error {
		a := *stored
		now := a.clock(e.now())
		a.roll(now)
		plan, err := e.planOf(ctx, r, &a)
		if err != nil {
			return err
		}
		if a.keysDue(now) {
			n, err := r.CountExpiredKeys(ctx, id, now)
			if err != nil {
				return err
			}
			a.APIKeys -= n
		}
		if a.leasesDue(now) {
			sum, err := r.CountOverdueRuns(ctx, id, now)
			if err != nil {
				return err
			}
			a.ConcurrentRuns -= sum.Runs
			a.TokensReserved -= sum.Reserved
			a.spend(sum.Tokens, now)
		}
		return read(r, &a, plan, now)
	})
}

// CheckRunQuota says whether a run of the tenant would be admitted now, as CreateRun would decide without a key of its
// own. worker may be "" for one that is enabled already. It needs quota:read.
func (e *Engine) CheckRunQuota(ctx context.Context, tenant TenantID, worker string) (*Decision, error) {
	if err := e.may(tenant, PermQuotaRead); err != nil {
		return nil, err
	}
	if worker != "" {
		if message := checkWorkerID(worker); message != "" {
			return nil, problems{{"worker_id", message}}.err()
		}
	}
	var out *Decision
	err := e.viewLive(ctx, tenant, func(r Reader, a *Account, plan *Plan, now time.Time) error {
		ask := applicant{plan: plan, worker: &Worker{Enabled: true}, name: worker}
		if worker != "" {
			ref := WorkerRef{tenant, worker}
			b := &Batch{}
			b.Workers.Want(ref)
			if err := r.Load(ctx, b); err != nil {
				return err
			}
			ask.worker = b.Workers.Get(ref)
		}
		_, err := a.admit(ask, now)
		out = decisionOf(err)
		return nil
	})
	return out, err
}

// CheckTokenQuota says whether the tenant has room for so many more tokens this month. It needs quota:read.
func (e *Engine) CheckTokenQuota(ctx context.Context, tenant TenantID, tokens int64) (*Decision, error) {
	if err := e.may(tenant, PermQuotaRead); err != nil {
		return nil, err
	}
	var bad problems
	bad.amount("tokens", tokens)
	if err := bad.err(); err != nil {
		return nil, err
	}
	var out *Decision
	err := e.viewLive(ctx, tenant, func(_ Reader, a *Account, plan *Plan, now time.Time) error {
		err := a.active()
		if err == nil {
			if _, denied := a.take(plan, quota.TokensPerMonth, max(tokens, 1), now); denied != nil {
				err = denied
			}
		}
		out = decisionOf(err)
		return nil
	})
	return out, err
}

// decisionOf turns the outcome of an admission into words.
func decisionOf(err error) *Decision {
	var q *QuotaExceededError
	var plain *Error
	switch {
	case err == nil:
		return &Decision{Allowed: true}
	case errors.As(err, &q):
		return &Decision{
			Code: NullString(CodeQuotaExceeded), Reason: NullString(q.Message), Quota: NullString(q.Quota),
			Limit: &q.Limit, Current: &q.Current, ResetsAt: q.ResetsAt,
		}
	case errors.As(err, &plain):
		return &Decision{Code: NullString(plain.Code), Reason: NullString(plain.Message)}
	default:
		return &Decision{Code: NullString(CodeInternal), Reason: NullString(err.Error())}
	}
}
