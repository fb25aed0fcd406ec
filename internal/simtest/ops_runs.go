package simtest

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/model"
)

func createRun(by model.Ref, p model.CreateRun) op {
	return op{
		"CreateRun", by, given(p, p.Once),
		func(w *model.World, now time.Time, ref model.Ref) (any, *model.Refusal) {
			p := p
			p.Ref = ref
			return w.CreateRun(by, now, p)
		},
		func(ctx context.Context, s *side, e *rentroll.Engine, ref model.Ref) (any, error) {
			r, err := e.CreateRun(ctx, s.createRun(p))
			if err != nil {
				return nil, err
			}
			s.named(ref, r.ID)
			return s.runView(r), nil
		},
	}
}

func (s *side) createRun(p model.CreateRun) rentroll.CreateRunParams {
	return rentroll.CreateRunParams{
		TenantID: s.tenant(p.Tenant), WorkerID: p.Worker, Task: p.Task, Input: payload(p.Input), UserID: s.user(p.User), Subject: p.Subject,
		APIKeyID: s.key(p.Key), ReserveTokens: p.Reserve, Lease: p.Lease, IdempotencyKey: p.Once,
	}
}

// groupStep is between the names of the runs of a group, the first of which has the step's.
const groupStep = 100_000

func createRuns(by model.Ref, p model.CreateRuns) op {
	return op{
		"CreateRuns", by, given(p, p.Once),
		func(w *model.World, now time.Time, ref model.Ref) (any, *model.Refusal) {
			p := p
			p.Runs = slices.Clone(p.Runs)
			for i := range p.Runs {
				p.Runs[i].Ref = ref + model.Ref(i*groupStep)
			}
			return w.CreateRuns(by, now, p)
		},
		func(ctx context.Context, s *side, e *rentroll.Engine, ref model.Ref) (any, error) {
			ask := rentroll.CreateRunsParams{TenantID: s.tenant(p.Tenant), IdempotencyKey: p.Once}
			for _, r := range p.Runs {
				ask.Runs = append(ask.Runs, s.createRun(r))
			}
			group, err := e.CreateRuns(ctx, ask)
			if err != nil {
				return nil, err
			}
			v := &model.GroupView{Replayed: group.Replayed}
			for i, r := range group.Items {
				s.named(ref+model.Ref(i*groupStep), r.ID)
				v.Items = append(v.Items, s.runView(r))
			}
			return v, nil
		},
	}
}

func reserveTokens(by model.Ref, p model.ReserveTokens) op {
	return op{
		"ReserveTokens", by, given(p, p.Once),
		func(w *model.World, now time.Time, _ model.Ref) (any, *model.Refusal) {
			return w.ReserveTokens(by, now, p)
		},
		func(ctx context.Context, s *side, e *rentroll.Engine, _ model.Ref) (any, error) {
			r, err := e.ReserveTokens(ctx, rentroll.ReserveTokensParams{
				TenantID: s.tenant(p.Tenant), RunID: s.run(p.Run), Tokens: p.Tokens, IdempotencyKey: p.Once,
			})
			if err != nil {
				return nil, err
			}
			return s.runView(r), nil
		},
	}
}

func retryRun(by model.Ref, p model.RetryRun) op {
	return op{
		"RetryRun", by, given(p, p.Once),
		func(w *model.World, now time.Time, ref model.Ref) (any, *model.Refusal) {
			p := p
			p.Ref = ref
			return w.RetryRun(by, now, p)
		},
		func(ctx context.Context, s *side, e *rentroll.Engine, ref model.Ref) (any, error) {
			r, err := e.RetryRun(ctx, rentroll.RetryRunParams{
				TenantID: s.tenant(p.Tenant), RunID: s.run(p.Run), APIKeyID: s.key(p.Key), ReserveTokens: p.Reserve,
				Lease: p.Lease, IdempotencyKey: p.Once,
			})
			if err != nil {
				return nil, err
			}
			s.named(ref, r.ID)
			return s.runView(r), nil
		},
	}
}

func payload(text string) json.RawMessage {
	if text == "" {
		return nil
	}
	return json.RawMessage(text)
}

// runOf names a run of a tenant.
type runOf struct{ Tenant, Run model.Ref }

func (s *side) runRef(r runOf) rentroll.RunRef {
	return rentroll.RunRef{TenantID: s.tenant(r.Tenant), RunID: s.run(r.Run)}
}

// onRun is an operation on a run that takes nothing else.
func onRun(name string, by model.Ref, r runOf,
	play func(w *model.World, now time.Time) (*model.RunView, *model.Refusal),
	call func(ctx context.Context, e *rentroll.Engine, ref rentroll.RunRef) (*rentroll.Run, error),
) op {
	return op{
		name, by, r,
		func(w *model.World, now time.Time, _ model.Ref) (any, *model.Refusal) { return play(w, now) },
		func(ctx context.Context, s *side, e *rentroll.Engine, _ model.Ref) (any, error) {
			out, err := call(ctx, e, s.runRef(r))
			if err != nil {
				return nil, err
			}
			return s.runView(out), nil
		},
	}
}

func startRun(by model.Ref, r runOf) op {
	return onRun("StartRun", by, r,
		func(w *model.World, now time.Time) (*model.RunView, *model.Refusal) {
			return w.StartRun(by, now, r.Tenant, r.Run)
		},
		func(ctx context.Context, e *rentroll.Engine, ref rentroll.RunRef) (*rentroll.Run, error) {
			return e.StartRun(ctx, ref)
		})
}

func cancelRun(by model.Ref, r runOf) op {
	return onRun("CancelRun", by, r,
		func(w *model.World, now time.Time) (*model.RunView, *model.Refusal) {
			return w.CancelRun(by, now, r.Tenant, r.Run)
		},
		func(ctx context.Context, e *rentroll.Engine, ref rentroll.RunRef) (*rentroll.Run, error) {
			return e.CancelRun(ctx, ref)
		})
}

func getRun(by model.Ref, r runOf) op {
	return onRun("GetRun", by, r,
		func(w *model.World, now time.Time) (*model.RunView, *model.Refusal) {
			return w.GetRun(by, now, r.Tenant, r.Run)
		},
		func(ctx context.Context, e *rentroll.Engine, ref rentroll.RunRef) (*rentroll.Run, error) {
			return e.GetRun(ctx, ref)
		})
}

func heartbeat(by model.Ref, r runOf, tokens int64, lease time.Duration) op {
	o := onRun("Heartbeat", by, r,
		func(w *model.World, now time.Time) (*model.RunView, *model.Refusal) {
			return w.Heartbeat(by, now, r.Tenant, r.Run, tokens, lease)
		},
		func(ctx context.Context, e *rentroll.Engine, ref rentroll.RunRef) (*rentroll.Run, error) {
			return e.Heartbeat(ctx, rentroll.HeartbeatParams{TenantID: ref.TenantID, RunID: ref.RunID, TokensSoFar: tokens, Lease: lease})
		})
	o.args = struct {
		runOf
		Tokens int64
		Lease  time.Duration
	}{r, tokens, lease}
	return o
}

func completeRun(by model.Ref, p model.CompleteRun) op {
	return op{
		"CompleteRun", by, given(p, p.Once),
		func(w *model.World, now time.Time, _ model.Ref) (any, *model.Refusal) {
			return w.CompleteRun(by, now, p)
		},
		func(ctx context.Context, s *side, e *rentroll.Engine, _ model.Ref) (any, error) {
			r, err := e.CompleteRun(ctx, rentroll.CompleteRunParams{
				TenantID: s.tenant(p.Tenant), RunID: s.run(p.Run), Success: p.Success, Output: payload(p.Output), Error: p.Error,
				TotalTokens: p.Tokens, TotalLatencyMS: p.Latency, CostMicros: p.CostMicros, IdempotencyKey: p.Once,
			})
			if err != nil {
				return nil, err
			}
			return s.runView(r), nil
		},
	}
}

func (s *side) usage(e model.UsageEvent) rentroll.UsageParams {
	return rentroll.UsageParams{
		Meter: e.Meter, Amount: e.Amount, Unit: e.Unit, Time: e.Time, WorkerID: e.Worker, APIKeyID: s.key(e.Key),
		RunID: s.run(e.Run), EventID: e.EventID, Metadata: payload(e.Metadata), Corrects: e.Corrects,
	}
}

func recordUsage(by model.Ref, p model.RecordUsage) op {
	return op{
		"RecordUsageBatch", by, given(p, p.Once),
		func(w *model.World, now time.Time, _ model.Ref) (any, *model.Refusal) {
			return w.RecordUsage(by, now, p)
		},
		func(ctx context.Context, s *side, e *rentroll.Engine, _ model.Ref) (any, error) {
			batch := rentroll.RecordUsageBatchParams{TenantID: s.tenant(p.Tenant), IdempotencyKey: p.Once}
			for _, ev := range p.Events {
				batch.Events = append(batch.Events, s.usage(ev))
			}
			r, err := e.RecordUsageBatch(ctx, batch)
			if err != nil {
				return nil, err
			}
			return receiptView(r), nil
		},
	}
}

// recordOne records one event by itself, which is refused where a batch rejects.
func recordOne(by model.Ref, p model.RecordUsage) op {
	p.Single = true
	name := "RecordUsage"
	if p.Events[0].Corrects != "" {
		name = "RecordCorrection"
	}
	return op{
		name, by, given(p, p.Once),
		func(w *model.World, now time.Time, _ model.Ref) (any, *model.Refusal) {
			return w.RecordUsage(by, now, p)
		},
		func(ctx context.Context, s *side, e *rentroll.Engine, _ model.Ref) (any, error) {
			r, err := e.RecordUsage(ctx, rentroll.RecordUsageParams{
				TenantID: s.tenant(p.Tenant), UsageParams: s.usage(p.Events[0]), IdempotencyKey: p.Once,
			})
			if err != nil {
				return nil, err
			}
			return receiptView(&rentroll.UsageReceipt{Items: []rentroll.UsageResult{*r}, Replayed: r.Replayed}), nil
		},
	}
}

func incrementUsage(by model.Ref, p model.IncrementUsage) op {
	return op{
		"IncrementUsage", by, given(p, p.Once),
		func(w *model.World, now time.Time, _ model.Ref) (any, *model.Refusal) {
			return nil, w.IncrementUsage(by, now, p)
		},
		func(ctx context.Context, s *side, e *rentroll.Engine, _ model.Ref) (any, error) {
			return nil, e.IncrementUsage(ctx, rentroll.IncrementUsageParams{
				TenantID: s.tenant(p.Tenant), Tokens: p.Tokens, IdempotencyKey: p.Once,
			})
		},
	}
}

// window is a range of time of a tenant's usage.
type window struct {
	Tenant     model.Ref
	Start, End time.Time
}

func summary(by model.Ref, p window) op {
	return op{
		"GetUsageSummary", by, p,
		func(w *model.World, now time.Time, _ model.Ref) (any, *model.Refusal) {
			return w.Summary(by, now, p.Tenant, p.Start, p.End)
		},
		func(ctx context.Context, s *side, e *rentroll.Engine, _ model.Ref) (any, error) {
			out, err := e.GetUsageSummary(ctx, rentroll.UsageSummaryParams{TenantID: s.tenant(p.Tenant), Start: p.Start, End: p.End})
			if err != nil {
				return nil, err
			}
			return summaryView(out), nil
		},
	}
}
