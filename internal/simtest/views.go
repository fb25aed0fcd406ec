package simtest

import (
	"errors"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/model"
	"github.com/rentroll/rentroll/quota"
)

// The functions of this file turn the engine's answers into the model's views.

func asDenial(err error) (*rentroll.QuotaExceededError, bool) {
	var q *rentroll.QuotaExceededError
	return q, errors.As(err, &q)
}

func (s *side) tenantView(t *rentroll.Tenant) *model.TenantView {
	return &model.TenantView{
		Ref: s.ref(t.ID), Slug: t.Slug, Plan: t.Plan, Status: string(t.Status), Reason: string(t.StatusReason),
		Created: t.CreatedAt.UTC(), Updated: t.UpdatedAt.UTC(), Limits: t.Limits, Replayed: t.Replayed,
		TenantFields: model.TenantFields{
			Name: t.Name, ExternalID: string(t.ExternalID), Zone: t.Timezone, Anchor: t.BillingAnchorDay,
			Overrides: t.LimitOverrides, Metadata: t.Metadata,
		},
	}
}

func (s *side) userView(u *rentroll.User) *model.UserView {
	return &model.UserView{
		Ref: s.ref(u.ID), ExternalID: string(u.ExternalID), Email: u.Email, Name: string(u.Name),
		Default: s.ref(u.DefaultTenantID), Created: u.CreatedAt.UTC(), Replayed: u.Replayed,
	}
}

func (s *side) memberView(m *rentroll.Member) *model.MemberView {
	return &model.MemberView{
		Tenant: s.ref(m.TenantID), User: s.ref(m.UserID), Role: string(m.Role), Created: m.CreatedAt.UTC(), Replayed: m.Replayed,
	}
}

func (s *side) keyView(k *rentroll.APIKey) *model.KeyView {
	return &model.KeyView{
		Ref: s.ref(k.ID), Tenant: s.ref(k.TenantID), Name: k.Name, User: s.ref(k.UserID), Permissions: k.Permissions,
		AllowedWorkers: k.AllowedWorkers, RPM: k.RateLimitRPM, MaxRuns: k.MaxConcurrentRuns, MaxTokens: k.MaxTokensPerMonth,
		Expires: utc(k.ExpiresAt), Status: string(k.Status), Created: k.CreatedAt.UTC(), Revoked: utc(k.RevokedAt),
		Reason: string(k.RevokedReason), Replayed: k.Replayed, RotatedTo: s.ref(k.RotatedTo),
	}
}

func (s *side) runView(r *rentroll.Run) *model.RunView {
	return &model.RunView{
		Ref: s.ref(r.ID), Tenant: s.ref(r.TenantID), Worker: r.WorkerID, Key: s.ref(r.APIKeyID), User: s.ref(r.UserID), Subject: string(r.Subject),
		Task: r.Task, Input: string(r.Input), Status: string(r.Status), Success: r.Success, Error: string(r.Error),
		Output: string(r.Output), Tokens: r.TotalTokens, Reserved: r.ReservedTokens, SoFar: r.TokensSoFar,
		Latency: r.TotalLatencyMS, CostMicros: r.CostMicros, CostCents: r.CostCents, Late: r.Late, OverSoft: r.OverSoftLimit,
		Parent: s.ref(r.ParentRunID), Attempt: r.Attempt, IsRetry: r.IsRetry, RetriedBy: s.ref(r.RetriedBy),
		CancelRequested: r.CancelRequested, LeaseExpires: r.LeaseExpiresAt.UTC(), Created: r.CreatedAt.UTC(),
		Started: utc(r.StartedAt), Ended: utc(r.CompletedAt), Replayed: r.Replayed,
	}
}

func workerView(w *rentroll.Worker) *model.WorkerView {
	return &model.WorkerView{Worker: w.WorkerID, Enabled: w.Enabled, FirstUsed: utc(w.FirstUsedAt)}
}

func planView(p *rentroll.Plan) model.PlanView {
	return model.PlanView{Name: p.Name, Limits: p.Limits, Retired: p.Retired, Thresholds: p.Thresholds}
}

func quotaViews(rows []rentroll.QuotaUse) []model.QuotaView {
	var out []model.QuotaView
	for _, r := range rows {
		out = append(out, model.QuotaView{
			Quota: r.Quota, Limit: r.Limit, Used: r.Used, Reserved: r.Reserved, Remaining: r.Remaining,
			Start: utc(r.PeriodStart), ResetsAt: utc(r.ResetsAt),
		})
	}
	return out
}

func decisionView(d *rentroll.Decision) *model.DecisionView {
	v := &model.DecisionView{Allowed: d.Allowed, Refusal: model.Refusal{
		Code: string(d.Code), Quota: quota.Name(d.Quota), ResetsAt: utc(d.ResetsAt),
	}}
	if d.Limit != nil {
		v.Limit = *d.Limit
	}
	if d.Current != nil {
		v.Current = *d.Current
	}
	return v
}

func receiptView(r *rentroll.UsageReceipt) *model.ReceiptView {
	v := &model.ReceiptView{Replayed: r.Replayed}
	for _, item := range r.Items {
		v.Items = append(v.Items, model.UsageView{EventID: string(item.EventID), Status: string(item.Status), Code: string(item.Code)})
	}
	return v
}

func summaryView(s *rentroll.UsageSummary) *model.SummaryView {
	v := &model.SummaryView{
		Start: s.Period.Start.UTC(), End: s.Period.End.UTC(), Meters: map[string]model.MeterView{}, Records: s.TotalRecords,
	}
	for name, m := range s.Meters {
		v.Meters[name] = model.MeterView{Total: m.Total, Unit: m.Unit, Count: m.Count, Aggregation: string(m.Aggregation)}
	}
	return v
}

func (s *side) verifyView(v *rentroll.Verification) *model.VerifyView {
	return &model.VerifyView{
		Valid: v.Valid, Code: string(v.Code), Tenant: s.ref(v.TenantID), Status: string(v.TenantStatus), Key: s.ref(v.APIKeyID),
		Plan: string(v.Plan),
	}
}
