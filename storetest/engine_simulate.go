package storetest

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

// engineSimulates: the plan that a tenant really had denies nothing of what it admitted, in a history with denials, crashes,
// cancellations and usage of all kinds; the limits that are said to be needed are enough, and less is not.
func engineSimulates(s *scene) {
	h, rng := s.engine(), rand.New(rand.NewPCG(11, 7))
	ctx := h.Context()
	limits := quota.Limits{
		quota.Workers: quota.Of(3), quota.RunsPerDay: quota.Of(12), quota.ConcurrentRuns: quota.Of(4), quota.TokensPerMonth: quota.Of(4000),
		quota.SpendPerMonth: quota.Of(500),
	}
	_, _, err := h.PutPlan(ctx, rentroll.PutPlanParams{Name: "tight", Limits: limits})
	h.must(err)
	t, err := h.CreateTenant(ctx, rentroll.CreateTenantParams{Name: "Acme", Slug: "acme", Plan: "tight", Timezone: "America/New_York", BillingAnchorDay: 20})
	h.must(err)
	begin := h.Now()
	var open []rentroll.RunID
	var admitted, denied int64
	for range 700 {
		h.pass(time.Duration(rng.Int64N(int64(3 * time.Hour))))
		switch i := rng.IntN(10); {
		case i < 6:
			run, err := h.CreateRun(ctx, rentroll.CreateRunParams{
				TenantID: t.ID, WorkerID: []string{"a", "b", "c", "d"}[rng.IntN(4)], Task: "t", ReserveTokens: rng.Int64N(80),
				Lease: time.Duration(1+rng.IntN(20)) * time.Hour,
			})
			switch {
			case err == nil:
				admitted, open = admitted+1, append(open, run.ID)
			case errors.Is(err, rentroll.CodeQuotaExceeded):
				denied++
			default:
				h.must(err)
			}
		case i < 9 && len(open) > 0:
			k := rng.IntN(len(open))
			ref := rentroll.RunRef{TenantID: t.ID, RunID: open[k]}
			if rng.IntN(5) == 0 {
				_, err = h.CancelRun(ctx, ref)
			} else { // some of them are over their lease by now
				_, err = h.CompleteRun(ctx, rentroll.CompleteRunParams{
					TenantID: t.ID, RunID: ref.RunID, Success: true, TotalTokens: rng.Int64N(100), CostMicros: rng.Int64N(12),
				})
			}
			if !errors.Is(err, rentroll.CodeRunAlreadyEnded) {
				h.must(err)
			}
			open = slices.Delete(open, k, k+1)
		default:
			h.record(t.ID, "", rentroll.UsageParams{
				Meter: rentroll.MeterTokensUsed, Amount: rng.Int64N(40), Time: h.Now().Add(-time.Duration(rng.IntN(20)) * 24 * time.Hour),
			})
		}
	}
	h.pass(time.Minute)
	simulate := func(p rentroll.SimulatePlanParams) *rentroll.Simulation {
		p.TenantID, p.Start = t.ID, begin
		sim, err := h.SimulatePlan(ctx, p)
		h.must(err)
		return sim
	}
	own := simulate(rentroll.SimulatePlanParams{Plan: "tight"})
	if own.Denied != 0 || own.Runs != admitted || !own.Complete || !own.HistoryComplete || denied == 0 {
		h.Errorf("its own plan: %+v; %d were admitted, %d denied", own, admitted, denied)
	}
	enough := quota.Limits{}
	for _, q := range own.Quotas {
		if enough[q.Quota] = quota.Of(q.Needed); q.Needed > limits[q.Quota].Max {
			h.Errorf("%+v is needed, and %d was enough", q, limits[q.Quota].Max)
		}
	}
	same(s, "denied by what is needed", simulate(rentroll.SimulatePlanParams{Plan: "x", Limits: enough}).Denied, int64(0))
	less := enough.Clone()
	less[quota.RunsPerDay] = quota.Of(enough[quota.RunsPerDay].Max - 1)
	if sim := simulate(rentroll.SimulatePlanParams{Plan: "x", Limits: less}); sim.Denied == 0 || len(sim.Sample) == 0 || sim.Sample[0].Quota != quota.RunsPerDay {
		h.Errorf("less than what is needed denies nothing: %+v", sim)
	}
	few, _ := rentroll.CompilePermissions([]string{string(rentroll.PermQuotaRead)})
	narrow := h.As(rentroll.Actor{Kind: rentroll.ActorOperator, OperatorKeyID: rentroll.OperatorKeyID{1}, Permissions: few})
	sim, err := narrow.SimulatePlan(ctx, rentroll.SimulatePlanParams{TenantID: t.ID, Plan: "x", Limits: less, Start: begin})
	h.must(err)
	if sim.Denied == 0 || len(sim.Sample) > 0 {
		h.Errorf("who may not read runs is told which: %+v", sim.Sample)
	}
	refusesSimulations(ctx, h, t.ID, begin)
}

// refusesSimulations: what can't be simulated is refused, by the name of what is wrong.
func refusesSimulations(ctx context.Context, h *house, tenant rentroll.TenantID, begin time.Time) {
	h.Helper()
	unknown := rentroll.SimulatePlanParams{TenantID: tenant, Plan: "none", Start: begin}
	if _, err := h.SimulatePlan(context.WithoutCancel(ctx), unknown); !errors.Is(err, rentroll.CodeNotFound) {
		h.Errorf("a plan that there is not: %v", err)
	}
	for name, p := range map[string]rentroll.SimulatePlanParams{
		"start":           {TenantID: tenant, Plan: "free", Start: h.Now().Add(time.Hour)},
		"end":             {TenantID: tenant, Plan: "free", Start: begin, End: begin},
		"max_rows":        {TenantID: tenant, Plan: "free", Start: begin, MaxRows: rentroll.MaxSimulatedRows + 1},
		"limits.nonsense": {TenantID: tenant, Plan: "free", Start: begin, Limits: quota.Limits{"nonsense": quota.Of(1)}},
	} {
		_, err := h.SimulatePlan(context.WithoutCancel(ctx), p)
		var refused *rentroll.Error
		if !errors.As(err, &refused) || len(refused.Fields) == 0 || refused.Fields[0].Field != name {
			h.Errorf("%s: %v", name, err)
		}
	}
}
