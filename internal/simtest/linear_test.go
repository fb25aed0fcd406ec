package simtest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/model"
	"github.com/rentroll/rentroll/internal/simtest"
	"github.com/rentroll/rentroll/quota"
)

// theTenant is the one tenant of these histories.
const theTenant model.Ref = 1

// request is one call of a client. Runs are named by the request that asked for them.
type request struct {
	Ref    model.Ref
	Do     string
	Run    model.Ref
	Amount int64
}

// answerTo is what a caller learns, as text.
func answerTo(bad *model.Refusal, format string, args ...any) string {
	if bad != nil {
		return fmt.Sprintf("%s %s %d/%d", bad.Code, bad.Quota, bad.Current, bad.Limit)
	}
	return fmt.Sprintf(format, args...)
}

func runText(bad *model.Refusal, r *model.RunView) string {
	if bad != nil {
		return answerTo(bad, "")
	}
	tokens := int64(-1)
	if r.Tokens != nil {
		tokens = *r.Tokens
	}
	return fmt.Sprintf("%s tokens=%d late=%t stop=%t again=%t", r.Status, tokens, r.Late, r.CancelRequested, r.Replayed)
}

// overrides are the limits that the request "limit" sets.
func overrides(n int64) quota.Limits {
	return quota.Limits{quota.ConcurrentRuns: quota.Of(n), quota.TokensPerMonth: quota.Of(400 * n)}
}

// play does a request on the model.
func (q request) play(w *model.World) string {
	switch q.Do {
	case "admit":
		r, bad := w.CreateRun(0, noon, model.CreateRun{Ref: q.Ref, Tenant: theTenant, Worker: "builder", Task: "build", Reserve: q.Amount})
		return runText(bad, r)
	case "complete":
		r, bad := w.CompleteRun(0, noon, model.CompleteRun{Tenant: theTenant, Run: q.Run, Success: true, Tokens: q.Amount})
		return runText(bad, r)
	case "cancel":
		r, bad := w.CancelRun(0, noon, theTenant, q.Run)
		return runText(bad, r)
	case "heartbeat":
		r, bad := w.Heartbeat(0, noon, theTenant, q.Run, q.Amount, 0)
		return runText(bad, r)
	case "limit":
		_, bad := w.UpdateTenant(0, noon, theTenant, func(f *model.TenantFields) { f.Overrides = overrides(q.Amount) })
		return answerTo(bad, "done")
	case "suspend", "resume":
		to := map[string]string{"suspend": model.Suspended, "resume": model.Active}[q.Do]
		_, bad := w.Transition(0, noon, theTenant, to, "")
		return answerTo(bad, "done")
	default:
		rows, bad := w.GetQuotas(0, noon, theTenant)
		var text strings.Builder
		for _, row := range rows {
			fmt.Fprintf(&text, "%s=%d+%d ", row.Quota, row.Used, row.Reserved)
		}
		return answerTo(bad, "%s", text.String())
	}
}

// clients are callers of one engine who know of each other's runs.
type clients struct {
	*rig

	tenant rentroll.TenantID
	order  order

	mu   sync.Mutex
	runs []model.Ref
	ids  map[model.Ref]rentroll.RunID
	log  []porcupine.Operation
}

func refused(err error) *model.Refusal {
	if err == nil {
		return nil
	}
	if q, denied := asQuota(err); denied {
		return &model.Refusal{Code: model.QuotaExceeded, Quota: q.Quota, Limit: q.Limit, Current: q.Current}
	}
	return &model.Refusal{Code: string(rentroll.CodeOf(err))}
}

func (c *clients) runText(r *rentroll.Run, err error) string {
	if err != nil {
		return runText(refused(err), nil)
	}
	return runText(nil, &model.RunView{
		Status: string(r.Status), Tokens: r.TotalTokens, Late: r.Late, CancelRequested: r.CancelRequested, Replayed: r.Replayed,
	})
}

// call does a request on the engine.
func (c *clients) call(ctx context.Context, q request) string {
	c.mu.Lock()
	ref := rentroll.RunRef{TenantID: c.tenant, RunID: c.ids[q.Run]}
	c.mu.Unlock()
	switch q.Do {
	case "admit":
		r, err := c.any().CreateRun(ctx, rentroll.CreateRunParams{TenantID: c.tenant, WorkerID: "builder", Task: "build", ReserveTokens: q.Amount})
		if err == nil {
			c.mu.Lock()
			c.runs, c.ids[q.Ref] = append(c.runs, q.Ref), r.ID
			c.mu.Unlock()
		}
		return c.runText(r, err)
	case "complete":
		return c.runText(c.any().CompleteRun(ctx, rentroll.CompleteRunParams{
			TenantID: ref.TenantID, RunID: ref.RunID, Success: true, TotalTokens: q.Amount,
		}))
	case "cancel":
		return c.runText(c.any().CancelRun(ctx, ref))
	case "heartbeat":
		return c.runText(c.any().Heartbeat(ctx, rentroll.HeartbeatParams{TenantID: ref.TenantID, RunID: ref.RunID, TokensSoFar: q.Amount}))
	case "limit":
		_, err := c.any().UpdateTenant(ctx, rentroll.UpdateTenantParams{TenantID: c.tenant, Change: func(e *rentroll.TenantEdit) error {
			e.LimitOverrides = overrides(q.Amount)
			return nil
		}})
		return answerTo(refused(err), "done")
	case "suspend":
		_, err := c.any().Suspend(ctx, rentroll.TransitionParams{TenantID: c.tenant})
		return answerTo(refused(err), "done")
	case "resume":
		_, err := c.any().Resume(ctx, rentroll.TransitionParams{TenantID: c.tenant})
		return answerTo(refused(err), "done")
	default:
		rows, err := c.any().GetQuotas(ctx, c.tenant)
		var text strings.Builder
		for _, row := range rows {
			fmt.Fprintf(&text, "%s=%d+%d ", row.Quota, row.Used, row.Reserved)
		}
		return answerTo(refused(err), "%s", text.String())
	}
}

// next makes up a request.
func (c *clients) next(rng *rand.Rand, ref model.Ref) request {
	c.mu.Lock()
	defer c.mu.Unlock()
	q := request{Ref: ref, Do: "admit", Amount: rng.Int64N(300)}
	if n := len(c.runs); n > 0 {
		q.Run = c.runs[max(0, n-1-rng.IntN(6))]
		all := []string{
			"admit", "admit", "admit", "admit", "complete", "complete", "complete", "cancel", "heartbeat", "limit", "suspend", "resume", "resume", "quotas",
		}
		q.Do = all[rng.IntN(len(all))]
	}
	switch q.Do {
	case "limit":
		q.Amount = 1 + rng.Int64N(5)
	case "complete":
		q.Amount = 100 + rng.Int64N(2) // so that two completions of a run are often equal
	}
	return q
}

// linearizable is the model of one tenant, for the checker: a history is right if there
// is an order of its calls, each between its beginning and its end, in which the
// model gives the same answers.
func linearizable(first *model.World) porcupine.Model {
	type state struct {
		world  *model.World
		digest string
	}
	digest := func(w *model.World) string {
		use, _ := w.GetQuotas(0, noon, theTenant)
		data, err := json.Marshal([]any{w.Tenants(noon), w.ListRuns(theTenant, "", "", 0), use})
		if err != nil {
			panic("simtest: a view without a JSON form: " + err.Error())
		}
		return string(data)
	}
	return porcupine.Model{
		Init: func() any { return state{first, digest(first)} },
		Step: func(s, input, output any) (bool, any) {
			was, _ := s.(state)
			q, _ := input.(request)
			w := was.world.Clone()
			if q.play(w) != output {
				return false, s
			}
			return true, state{w, digest(w)}
		},
		Equal: func(a, b any) bool {
			x, _ := a.(state)
			y, _ := b.(state)
			return x.digest == y.digest
		},
		DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v → %v", input, output) },
	}
}

// oneTenant is a model with the tenant, at the beginning of a history.
func oneTenant() *model.World {
	w := model.New()
	p := model.CreateTenant{Ref: theTenant, Slug: "acme", Plan: "enterprise"}
	p.Name, p.Overrides = "acme", overrides(3)
	if _, bad := w.CreateTenant(0, noon, p); bad != nil {
		panic("simtest: a tenant was refused: " + bad.Code)
	}
	return w
}

// TestLinearizability records what concurrent callers were told, on each store, with faults and without, and on two
// servers, and lets the checker find an order in which the model says the same.
func TestLinearizability(t *testing.T) {
	for i := range max(1, *historiesFlag/10) {
		seed := *seedFlag + uint64(i)
		t.Run("seed="+strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Run("sqlite", func(t *testing.T) { linearize(t, newRig(t, openSQLite(t), rentroll.Options{}), seed) })
			t.Run("unreliable", func(t *testing.T) {
				linearize(t, newRig(t, simtest.Unreliable(openSQLite(t), seed), rentroll.Options{}), seed)
			})
			t.Run("two servers", func(t *testing.T) { linearize(t, twoServers(t), seed) })
		})
	}
}

func linearize(t *testing.T, r *rig, seed uint64) {
	t.Helper()
	c := &clients{rig: r, ids: map[model.Ref]rentroll.RunID{}}
	created, err := c.CreateTenant(t.Context(), rentroll.CreateTenantParams{
		Name: "acme", Slug: "acme", Plan: rentroll.PlanEnterprise, LimitOverrides: overrides(3),
	})
	if err != nil {
		t.Fatal(err)
	}
	c.tenant = created.ID
	storm(6, func(client int) (struct{}, error) {
		rng := rand.New(rand.NewPCG(seed, uint64(client)))
		for n := range 25 {
			q := c.next(rng, model.Ref(100*(client+1)+n))
			op := porcupine.Operation{ClientId: client, Input: q, Call: c.order.next()}
			op.Output = c.call(t.Context(), q)
			op.Return = c.order.next()
			c.mu.Lock()
			c.log = append(c.log, op)
			c.mu.Unlock()
		}
		return struct{}{}, nil
	})
	if verdict := porcupine.CheckOperationsTimeout(linearizable(oneTenant()), c.log, time.Minute); verdict != porcupine.Ok {
		t.Errorf("seed %d: the history is not linearizable (%s):", seed, verdict)
		for _, op := range c.log {
			t.Errorf("%4d–%4d  client %d  %+v → %v", op.Call, op.Return, op.ClientId, op.Input, op.Output)
		}
	}
	c.checkRows(c.tenant)
}

// TestLinearizabilityIsChecked: the checker sees what must not happen.
func TestLinearizabilityIsChecked(t *testing.T) {
	admit := func(ref model.Ref, call, end int64) porcupine.Operation {
		return porcupine.Operation{Input: request{Ref: ref, Do: "admit"}, Output: "queued tokens=-1 late=false stop=false again=false", Call: call, Return: end}
	}
	limit := porcupine.Operation{Input: request{Ref: 9, Do: "limit", Amount: 1}, Output: "done", Call: 3, Return: 6}
	for name, test := range map[string]struct {
		history []porcupine.Operation
		want    bool
	}{
		"four admitted where three fit":               {[]porcupine.Operation{admit(1, 1, 2), admit(2, 3, 4), admit(3, 5, 6), admit(4, 7, 8)}, false},
		"admitted while the limit is being lowered":   {[]porcupine.Operation{admit(1, 1, 2), limit, admit(2, 4, 5)}, true},
		"admitted after the limit has been lowered":   {[]porcupine.Operation{admit(1, 1, 2), limit, admit(2, 7, 8)}, false},
		"admitted by one who began before it answers": {[]porcupine.Operation{admit(1, 1, 2), limit, admit(2, 5, 9)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := porcupine.CheckOperations(linearizable(oneTenant()), test.history); got != test.want {
				t.Errorf("the checker says %t, want %t", got, test.want)
			}
		})
	}
}
