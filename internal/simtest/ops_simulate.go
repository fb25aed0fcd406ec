package simtest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/model"
	"github.com/rentroll/rentroll/quota"
)

// agreed is the answer of operations that compare the model with the engine by themselves.
const agreed = "agreed"

// simulatePlan replays what was admitted against other limits. The order of runs of one instant is the engine's alone: so the
// model answers when an engine has told it.
func simulatePlan(p model.SimulatePlan) op {
	var world *model.World
	var at time.Time
	return op{
		"SimulatePlan", model.Program, p,
		func(w *model.World, now time.Time, _ model.Ref) (any, *model.Refusal) {
			world, at = w, now
			return agreed, nil
		},
		func(ctx context.Context, s *side, e *rentroll.Engine, _ model.Ref) (any, error) {
			out, err := e.SimulatePlan(ctx, rentroll.SimulatePlanParams{
				TenantID: s.tenant(p.Tenant), Plan: "other", Limits: p.Limits, Start: p.Start, End: p.End,
			})
			var order []model.Ref
			if err == nil {
				if order, err = s.runsInOrder(ctx, p.Tenant); err != nil {
					return nil, err
				}
			}
			want, bad := world.SimulatePlan(at, p, order)
			var got any
			if err == nil {
				got = s.simulationView(out)
				for _, q := range out.Quotas {
					s.met["SimulatePlan denied "+string(q.Quota)] += int(q.Denied)
				}
			}
			if difference := compare(want, bad, got, refusal(err)); difference != "" {
				return nil, errors.New(difference)
			}
			return agreed, nil
		},
	}
}

// runsInOrder names the runs of a tenant by when they were admitted.
func (s *side) runsInOrder(ctx context.Context, id model.Ref) (out []model.Ref, err error) {
	rows, err := pages(100, func(page rentroll.Page) (*rentroll.List[*rentroll.Run], error) {
		return s.engine.ListRuns(ctx, rentroll.ListRunsParams{TenantID: s.tenant(id), Page: page})
	})
	slices.SortFunc(rows, func(a, b *rentroll.Run) int {
		if !a.CreatedAt.Equal(b.CreatedAt) {
			return a.CreatedAt.Compare(b.CreatedAt)
		}
		return a.ID.Compare(b.ID)
	})
	for _, r := range rows {
		out = append(out, s.ref(r.ID))
	}
	return out, err
}

func (s *side) simulationView(out *rentroll.Simulation) *model.SimulationView {
	v := &model.SimulationView{
		Start: out.Start.UTC(), End: out.End.UTC(), ReplayedFrom: out.ReplayedFrom.UTC(), History: out.HistoryComplete, Runs: out.Runs,
	}
	for _, q := range out.Quotas {
		v.Quotas = append(v.Quotas, model.SimulatedQuotaView{
			Quota: q.Quota, Limit: q.Limit, Soft: q.Soft, Denied: q.Denied, First: utc(q.First), Last: utc(q.Last), Needed: q.Needed,
		})
	}
	for _, d := range out.Days {
		v.Days = append(v.Days, model.SimulatedDayView{
			Start: d.Start.UTC(), End: d.End.UTC(), Runs: d.Runs, DeniedBy: d.DeniedBy, Peak: d.PeakConcurrent, Tokens: d.Tokens,
		})
	}
	for _, d := range out.Sample {
		v.Denied = append(v.Denied, model.SimulatedDenial{Run: s.ref(d.RunID), At: d.At.UTC(), Quota: d.Quota, Limit: d.Limit, Current: d.Current})
	}
	return v
}

// whatIf asks what other limits would have denied, mostly of a range that begins shortly before something was admitted.
func (g *generator) whatIf() op {
	p := model.SimulatePlan{Tenant: g.somewhere(), Limits: g.limits(false)}
	if g.chance(70) { // few and tight, so that each comes to decide
		p.Limits = quota.Limits{}
		for range 1 + g.IntN(2) {
			name := pick(g, []quota.Name{quota.Workers, quota.RunsPerDay, quota.ConcurrentRuns, quota.TokensPerMonth, quota.SpendPerMonth})
			most := map[quota.Name]int64{quota.TokensPerMonth: 1500, quota.SpendPerMonth: 60_000}[name]
			p.Limits[name] = quota.Of(g.Int64N(max(most, 4)))
		}
	}
	p.Start = g.now.Add(-g.upTo(pick(g, []time.Duration{time.Hour, 24 * time.Hour, 6 * 24 * time.Hour, 60 * 24 * time.Hour, 400 * 24 * time.Hour})))
	if p.Tenant != nowhere {
		if admitted := g.world.Admitted(p.Tenant); len(admitted) > 0 && g.chance(75) {
			p.Start = g.near(pick(g, admitted).Add(-g.upTo(pick(g, []time.Duration{time.Second, time.Hour, 30 * time.Hour}))))
		} else if g.chance(25) {
			p.Start = g.near(g.world.Month(p.Tenant, g.now).Start)
		}
	}
	if g.chance(30) {
		p.End = g.near(p.Start.Add(g.upTo(8 * 24 * time.Hour)))
	}
	return simulatePlan(p)
}
