package simtest_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/model"
	"github.com/rentroll/rentroll/quota"
)

// The tenant of a history of runs, by what the model calls it.
const acme model.Ref = 1

// TestRunsOnTwoServers: admissions with keys of their own limits and idempotency keys, what follows them, moves between
// plans, keys that are made and revoked, workers and usage.
func TestRunsOnTwoServers(t *testing.T) {
	t.Parallel()
	onTwoServers(t, func(t *testing.T, r *rig) (*callers, *model.World) {
		t.Helper()
		w := withPlans(t, r)
		c := newCallers(r, runVerbs, nextOfRuns)
		created, err := r.CreateTenant(t.Context(), rentroll.CreateTenantParams{Name: "acme", Slug: "acme", Plan: "small"})
		if err != nil {
			t.Fatal(err)
		}
		c.ids[acme] = created.ID
		p := model.CreateTenant{Ref: acme, Slug: "acme", Plan: "small"}
		p.Name = "acme"
		if _, bad := w.CreateTenant(0, noon, p); bad != nil {
			t.Fatal(bad.Code)
		}
		return c, w
	})
}

// nextOfRuns makes up a call.
func nextOfRuns(c *callers, rng *rand.Rand, ref model.Ref) doing {
	one := func(names ...string) string { return names[rng.IntN(len(names))] }
	q := doing{Ref: ref, Verb: one(
		"admit", "admit", "admit", "admit", "admit", "start", "complete", "complete", "complete", "cancel", "heartbeat",
		"move", "suspend", "resume", "resume", "key", "key", "revoke", "worker", "event", "event", "increment", "quotas", "see key",
	)}
	if rng.IntN(2) == 0 {
		q.Once = fmt.Sprint("again ", rng.IntN(4))
	}
	switch q.Verb {
	case "admit":
		q.Name, q.Amount = one("builder", "builder", "writer", "tester", "keeper"), 100*rng.Int64N(3)
		if rng.IntN(3) == 0 {
			q.With = c.recent(rng, "key", 3)
		}
	case "start", "complete", "cancel", "heartbeat":
		q.On, q.Once = c.recent(rng, "admit", 6), ""
		q.Amount = 100 + rng.Int64N(2) // so that two completions of a run are often equal
		if q.On == 0 {
			q.Verb = "quotas"
		}
	case "move":
		q.Name, q.Once = one("small", "large"), ""
	case "key":
		q.Amount = 1 + rng.Int64N(2)
	case "revoke", "see key":
		q.On, q.Once = c.recent(rng, "key", 3), ""
		if q.On == 0 {
			q.Verb = "quotas"
		}
	case "worker":
		q.Name, q.Amount, q.Once = one("builder", "writer", "tester"), rng.Int64N(2), ""
	case "event":
		q.Name, q.Amount, q.Once = fmt.Sprint("event ", rng.IntN(6)), 40, ""
		if rng.IntN(5) == 0 {
			q.Amount = 41
		}
		q.Once = q.Name // by which it counts once
	case "increment":
		q.Amount = 30
	default:
		q.Once = ""
	}
	return q
}

// ran is what is told of a run.
func ran(r *model.RunView, bad *model.Refusal) (string, *model.Refusal) {
	if bad != nil {
		return "", bad
	}
	return runText(nil, r), nil
}

func ranFor(r *rentroll.Run, err error) (string, error) {
	if err != nil {
		return "", err
	}
	return runText(nil, &model.RunView{
		Status: string(r.Status), Tokens: r.TotalTokens, Late: r.Late, CancelRequested: r.CancelRequested, Replayed: r.Replayed,
	}), nil
}

func runOf(c *callers, q doing) rentroll.RunRef {
	return rentroll.RunRef{TenantID: c.id(acme), RunID: c.id(q.On)}
}

var runVerbs = map[string]verb{
	"admit": {
		func(w *model.World, q doing) (string, *model.Refusal) {
			return ran(w.CreateRun(0, noon, model.CreateRun{
				Ref: q.Ref, Tenant: acme, Worker: q.Name, Task: "build", Reserve: q.Amount, Key: q.With, Once: q.Once,
			}))
		},
		func(ctx context.Context, c *callers, e *rentroll.Engine, q doing) (string, error) {
			r, err := e.CreateRun(ctx, rentroll.CreateRunParams{
				TenantID: c.id(acme), WorkerID: q.Name, Task: "build", ReserveTokens: q.Amount, APIKeyID: c.id(q.With), IdempotencyKey: q.Once,
			})
			if err == nil {
				c.makes(q, r.ID, r.Replayed)
			}
			return ranFor(r, err)
		},
	},
	"start": {
		func(w *model.World, q doing) (string, *model.Refusal) { return ran(w.StartRun(0, noon, acme, q.On)) },
		func(ctx context.Context, c *callers, e *rentroll.Engine, q doing) (string, error) {
			return ranFor(e.StartRun(ctx, runOf(c, q)))
		},
	},
	"complete": {
		func(w *model.World, q doing) (string, *model.Refusal) {
			return ran(w.CompleteRun(0, noon, model.CompleteRun{Tenant: acme, Run: q.On, Success: true, Tokens: q.Amount}))
		},
		func(ctx context.Context, c *callers, e *rentroll.Engine, q doing) (string, error) {
			run := runOf(c, q)
			return ranFor(e.CompleteRun(ctx, rentroll.CompleteRunParams{TenantID: run.TenantID, RunID: run.RunID, Success: true, TotalTokens: q.Amount}))
		},
	},
	"cancel": {
		func(w *model.World, q doing) (string, *model.Refusal) { return ran(w.CancelRun(0, noon, acme, q.On)) },
		func(ctx context.Context, c *callers, e *rentroll.Engine, q doing) (string, error) {
			return ranFor(e.CancelRun(ctx, runOf(c, q)))
		},
	},
	"heartbeat": {
		func(w *model.World, q doing) (string, *model.Refusal) {
			return ran(w.Heartbeat(0, noon, acme, q.On, q.Amount, 0))
		},
		func(ctx context.Context, c *callers, e *rentroll.Engine, q doing) (string, error) {
			run := runOf(c, q)
			return ranFor(e.Heartbeat(ctx, rentroll.HeartbeatParams{TenantID: run.TenantID, RunID: run.RunID, TokensSoFar: q.Amount}))
		},
	},
	"move": {
		func(w *model.World, q doing) (string, *model.Refusal) {
			v, bad := w.UpdatePlan(0, noon, acme, q.Name)
			if bad != nil {
				return "", bad
			}
			return fmt.Sprint(v.Tenant.Plan, " ", v.Over), nil
		},
		func(ctx context.Context, c *callers, e *rentroll.Engine, q doing) (string, error) {
			v, err := e.UpdatePlan(ctx, rentroll.UpdatePlanParams{TenantID: c.id(acme), Plan: q.Name})
			if err != nil {
				return "", err
			}
			over := []model.OverLimit{}
			for _, o := range v.OverLimit {
				over = append(over, model.OverLimit{Quota: o.Quota, Limit: o.Limit, Current: o.Current})
			}
			return fmt.Sprint(v.Tenant.Plan, " ", over), nil
		},
	},
	"suspend": transition(model.Suspended, (*rentroll.Engine).Suspend),
	"resume":  transition(model.Active, (*rentroll.Engine).Resume),
	"key": {
		func(w *model.World, q doing) (string, *model.Refusal) {
			return keyText(w.CreateKey(0, noon, model.CreateKey{Ref: q.Ref, Tenant: acme, Name: "key", MaxRuns: &q.Amount, Once: q.Once}))
		},
		func(ctx context.Context, c *callers, e *rentroll.Engine, q doing) (string, error) {
			_, k, err := e.CreateAPIKey(ctx, rentroll.CreateAPIKeyParams{
				TenantID: c.id(acme), Name: "key", MaxConcurrentRuns: &q.Amount, IdempotencyKey: q.Once,
			})
			if err == nil {
				c.makes(q, k.ID, k.Replayed)
			}
			return keyTextFor(k, err)
		},
	},
	"revoke": {
		func(w *model.World, q doing) (string, *model.Refusal) {
			return keyText(w.RevokeKey(0, noon, acme, q.On, ""))
		},
		func(ctx context.Context, c *callers, e *rentroll.Engine, q doing) (string, error) {
			return keyTextFor(e.RevokeAPIKey(ctx, rentroll.RevokeAPIKeyParams{TenantID: c.id(acme), KeyID: c.id(q.On)}))
		},
	},
	"see key": {
		func(w *model.World, q doing) (string, *model.Refusal) { return keyText(w.GetKey(0, noon, acme, q.On)) },
		func(ctx context.Context, c *callers, e *rentroll.Engine, q doing) (string, error) {
			return keyTextFor(e.GetAPIKey(ctx, c.id(acme), c.id(q.On)))
		},
	},
	"worker": {
		func(w *model.World, q doing) (string, *model.Refusal) {
			_, bad := w.PutWorker(0, noon, acme, q.Name, q.Amount == 1)
			return "done", bad
		},
		func(ctx context.Context, c *callers, e *rentroll.Engine, q doing) (string, error) {
			_, err := e.PutWorker(ctx, rentroll.PutWorkerParams{TenantID: c.id(acme), WorkerID: q.Name, Enabled: q.Amount == 1})
			return "done", err
		},
	},
	"event": {
		func(w *model.World, q doing) (string, *model.Refusal) {
			v, bad := w.RecordUsage(0, noon, model.RecordUsage{Tenant: acme, Single: true, Events: []model.UsageEvent{
				{Meter: rentroll.MeterTokensUsed, Amount: q.Amount, EventID: q.Name},
			}})
			if bad != nil {
				return "", bad
			}
			return v.Items[0].Status, nil
		},
		func(ctx context.Context, c *callers, e *rentroll.Engine, q doing) (string, error) {
			item, err := e.RecordUsage(ctx, rentroll.RecordUsageParams{
				TenantID: c.id(acme), UsageParams: rentroll.UsageParams{Meter: rentroll.MeterTokensUsed, Amount: q.Amount, EventID: q.Name},
			})
			if err != nil {
				return "", err
			}
			return string(item.Status), nil
		},
	},
	"increment": {
		func(w *model.World, q doing) (string, *model.Refusal) {
			return "done", w.IncrementUsage(0, noon, model.IncrementUsage{Tenant: acme, Tokens: q.Amount, Once: q.Once})
		},
		func(ctx context.Context, c *callers, e *rentroll.Engine, q doing) (string, error) {
			return "done", e.IncrementUsage(ctx, rentroll.IncrementUsageParams{TenantID: c.id(acme), Tokens: q.Amount, IdempotencyKey: q.Once})
		},
	},
	"quotas": {
		func(w *model.World, _ doing) (string, *model.Refusal) {
			rows, bad := w.GetQuotas(0, noon, acme)
			var lines []string
			for _, row := range rows {
				lines = append(lines, quotaText(row.Quota, row.Used, row.Reserved, row.Limit))
			}
			return strings.Join(lines, " "), bad
		},
		func(ctx context.Context, c *callers, e *rentroll.Engine, _ doing) (string, error) {
			rows, err := e.GetQuotas(ctx, c.id(acme))
			var lines []string
			for _, row := range rows {
				lines = append(lines, quotaText(row.Quota, row.Used, row.Reserved, row.Limit))
			}
			return strings.Join(lines, " "), err
		},
	},
}

func quotaText(name quota.Name, used, reserved int64, limit *int64) string {
	most := int64(-1)
	if limit != nil {
		most = *limit
	}
	return fmt.Sprintf("%s=%d+%d/%d", name, used, reserved, most)
}

func keyText(k *model.KeyView, bad *model.Refusal) (string, *model.Refusal) {
	if bad != nil {
		return "", bad
	}
	return fmt.Sprintf("%s again=%t", k.Status, k.Replayed), nil
}

func keyTextFor(k *rentroll.APIKey, err error) (string, error) {
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s again=%t", k.Status, k.Replayed), nil
}

// transition moves the tenant from one state to another.
func transition(to string, do func(*rentroll.Engine, context.Context, rentroll.TransitionParams) (*rentroll.Tenant, error)) verb {
	return verb{
		func(w *model.World, _ doing) (string, *model.Refusal) {
			_, bad := w.Transition(0, noon, acme, to, "")
			return "done", bad
		},
		func(ctx context.Context, c *callers, e *rentroll.Engine, _ doing) (string, error) {
			_, err := do(e, ctx, rentroll.TransitionParams{TenantID: c.id(acme)})
			return "done", err
		},
	}
}
