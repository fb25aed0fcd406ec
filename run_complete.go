package rentroll

import (
	"context"
	"encoding/json"
	"time"
)

// CompleteRun ends a run with its result: it frees the slot, settles the reservation by the tokens really used, and
// writes the usage events tokens_used and worker_runs, in one transaction. Use beyond the reservation is recorded, never
// refused.
//
// Completing again with equal parameters returns the run as it is stored, counts nothing and sets Replayed; with others
// it is CodeRunAlreadyEnded. A run that crashed or was canceled accepts one late completion, which bills what was not
// billed yet: a crashed run then takes the reported end, a canceled one stays canceled.
func (e *Engine) CompleteRun(ctx context.Context, p CompleteRunParams) (*Run, error) {
	if err := e.may(p.TenantID, PermRunUpdate); err != nil {
		return nil, err
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	key := p.IdempotencyKey
	p.IdempotencyKey = ""
	same := p
	same.Output, same.ReplayToken = canonicalJSON(p.Output), canonicalJSON(p.ReplayToken)
	once, err := newOnce(p.TenantID, "run.complete", key, same)
	if err != nil {
		return nil, err
	}
	c := &completeRun{onRun: e.onRun(RunRef{p.TenantID, p.RunID}, 2*rowOverhead+len(p.Output)+len(p.ReplayToken)), p: p}
	c.once, c.rows = once, 3
	if once != nil {
		c.fingerprint = once.fingerprint
	} else {
		c.fingerprint = fingerprint(same)
	}
	if err := e.do(ctx, c); err != nil {
		return nil, err
	}
	if once != nil && once.replayed {
		return e.replayRun(ctx, p.TenantID, once)
	}
	return e.withPayloads(ctx, c.answer)
}

func (p *CompleteRunParams) check() error {
	var bad problems
	bad.payload("output", &p.Output)
	bad.payload("replay_token", &p.ReplayToken)
	bad.add("error", checkText(p.Error, 0, maxTask))
	bad.amount("total_tokens", p.TotalTokens)
	bad.amount("total_latency_ms", p.TotalLatencyMS)
	bad.amount("stages_completed", p.StagesCompleted)
	bad.amount("recoveries", p.Recoveries)
	bad.amount("policy_violations", p.PolicyViolations)
	bad.amount("cost_micros", p.CostMicros)
	return bad.err()
}

type completeRun struct {
	onRun
	p           CompleteRunParams
	fingerprint [32]byte
}

func (c *completeRun) decide(l *ledger) error {
	a, run, now, err := c.find(l)
	if err != nil {
		return err
	}
	if c.once != nil {
		c.once.result = run.ID.String()
	}
	reported := run.Fingerprint != [32]byte{}
	switch {
	case reported && run.Fingerprint == c.fingerprint:
		again := *run
		again.Replayed = true
		c.answer = &again
		return nil
	case reported:
		return errRunEnded(run)
	case run.Status.Open():
		c.answer = c.complete(l, a, run, now)
	default: // crashed or canceled, and nobody has reported yet
		c.answer = c.completeLate(l, a, run, now)
	}
	return nil
}

// complete ends an open run.
func (c *completeRun) complete(l *ledger, a *Account, run *Run, now time.Time) *Run {
	l.touch(a, now)
	end := c.report(l, run)
	end.Status = RunFailed
	if c.p.Success {
		end.Status = RunCompleted
	}
	end.CancelRequested = a.stops(run)
	end.CompletedAt = &now
	l.free(a, end)
	l.Runs.Put(c.ref, end)
	l.meterTokens(a, end, c.p.TotalTokens, now)
	a.SpendUsed = plus(a.SpendUsed, c.p.CostMicros)
	l.meterRun(a, end, now)
	return end
}

// completeLate takes the report of a run whose slot and reservation are free already. What heartbeats reported was
// billed at its end; the rest is billed in the month of now.
func (c *completeRun) completeLate(l *ledger, a *Account, run *Run, now time.Time) *Run {
	l.touch(a, now)
	end := c.report(l, run)
	end.Late = true
	total := max(c.p.TotalTokens, run.TokensSoFar) // what was billed can't be taken back
	end.TotalTokens = &total
	if run.Status == RunCrashed {
		end.Status, end.CompletedAt = RunFailed, &now
		if c.p.Success {
			end.Status = RunCompleted
		}
	}
	l.Runs.Put(c.ref, end)
	l.meterTokens(a, end, total-run.TokensSoFar, now)
	a.SpendUsed = plus(a.SpendUsed, c.p.CostMicros)
	l.meterRun(a, end, now)
	return end
}

// report copies the run with what the caller reports of it.
func (c *completeRun) report(l *ledger, run *Run) *Run {
	end := *run
	n := &struct{ tokens, latency, stages, recoveries, violations, cost, cents int64 }{
		c.p.TotalTokens, c.p.TotalLatencyMS, c.p.StagesCompleted, c.p.Recoveries, c.p.PolicyViolations, c.p.CostMicros,
		centsOf(c.p.CostMicros),
	}
	success := c.p.Success
	end.Success, end.Error = &success, NullString(c.p.Error)
	end.TotalTokens, end.TotalLatencyMS, end.StagesCompleted = &n.tokens, &n.latency, &n.stages
	end.Recoveries, end.PolicyViolations, end.CostMicros, end.CostCents = &n.recoveries, &n.violations, &n.cost, &n.cents
	end.Output, end.ReplayToken = c.p.Output, c.p.ReplayToken
	end.Fingerprint = c.fingerprint
	l.payload(&end, PayloadOutput, c.p.Output)
	l.payload(&end, PayloadReplayToken, c.p.ReplayToken)
	return &end
}

// meterRun writes the usage event of a run that was reported.
func (l *ledger) meterRun(a *Account, run *Run, now time.Time) {
	metadata, err := json.Marshal(struct {
		Success    bool  `json:"success"`
		CostMicros int64 `json:"cost_micros"`
	}{*run.Success, *run.CostMicros})
	if err != nil {
		panic("rentroll: two numbers have no JSON form: " + err.Error())
	}
	l.record(a, nil, l.runEvent(run, MeterWorkerRuns, 1, "count", metadata, now))
	l.billCost(a, *run.CostMicros)
}

const microsPerCent = 10_000

// centsOf rounds millionths of a currency unit to hundredths, half a cent up.
func centsOf(micros int64) int64 { return (micros + microsPerCent/2) / microsPerCent }
