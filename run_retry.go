package rentroll

import (
	"context"
	"errors"
	"time"
)

// RetryRunParams asks for a new run in the place of one that failed, crashed or was canceled. What is left out is the
// earlier run's.
type RetryRunParams struct {
	TenantID       TenantID
	RunID          RunID         // of the run to retry
	APIKeyID       KeyID         // zero is the earlier run's; an API key's own runs always carry its id, a user's none
	ReserveTokens  *int64        // 0–10^12; nil is what the earlier run held at its end
	Lease          time.Duration // MinLease–MaxLease; 0 is the earlier run's
	IdempotencyKey string
}

// RetryRun asks for the admission of a run that does again what an earlier one did not bring to its end: the same worker,
// task, input and user, by the same decision as CreateRun. The new run names the earlier one as its parent, counts one
// attempt more and is marked as a retry; the parent's RetriedBy names the new run.
//
// Of each run there is one retry: another is CodeAlreadyExists, and a retry that fails may be retried itself. With the
// same idempotency key the answer is the run that was made, with Replayed set. A run that is open or completed is
// CodeInvalidTransition, but for an open one past its lease, which crashes first. It needs run:update.
func (e *Engine) RetryRun(ctx context.Context, p RetryRunParams) (*Run, error) {
	if err := e.mayTake(CreateRunParams{TenantID: p.TenantID, APIKeyID: p.APIKeyID}, PermRunUpdate); err != nil {
		return nil, err
	}
	if err := e.checkRetry(&p); err != nil {
		return nil, err
	}
	key := p.IdempotencyKey
	p.IdempotencyKey = ""
	once, err := newOnce(p.TenantID, "run.retry", key, p)
	if err != nil {
		return nil, err
	}
	c, err := e.retryOf(ctx, p, once)
	if err != nil {
		return nil, err
	}
	if err := e.do(ctx, c); err != nil {
		if decided(err) {
			e.noteDenial(c.p, err)
		}
		return nil, err
	}
	if once != nil && once.replayed {
		return e.replayRun(ctx, p.TenantID, once)
	}
	return c.answer, nil
}

func (e *Engine) checkRetry(p *RetryRunParams) error {
	var bad problems
	if p.ReserveTokens != nil {
		bad.amount("reserve_tokens", *p.ReserveTokens)
	}
	bad.lease(p.Lease)
	if e.actor.Kind == ActorAPIKey {
		if !p.APIKeyID.IsZero() && p.APIKeyID != e.actor.APIKeyID {
			bad.add("api_key_id", "must be the calling key")
		}
		p.APIKeyID = e.actor.APIKeyID
	}
	e.actor.own(&bad, p.APIKeyID, nil)
	return bad.err()
}

// retryOf makes the command. It reads the earlier run for what never changes of it, payloads included, which no command
// has at hand; how the run stands is decided on the row that the lane loads.
func (e *Engine) retryOf(ctx context.Context, p RetryRunParams, once *once) (*retryRun, error) {
	ref := RunRef{p.TenantID, p.RunID}
	c := &retryRun{parent: ref, reserve: p.ReserveTokens, lease: p.Lease}
	parent, err := e.readRun(ctx, ref)
	if errors.Is(err, CodeNotFound) {
		parent = &Run{} // the decision says so, unless it was retried while it was there
	} else if err != nil {
		return nil, err
	}
	c.p = CreateRunParams{
		TenantID: p.TenantID, WorkerID: parent.WorkerID, Task: parent.Task, Input: parent.Input, UserID: parent.UserID, Subject: string(parent.Subject),
		APIKeyID: p.APIKeyID,
	}
	switch {
	case e.actor.Kind == ActorUser:
		c.p.UserID = e.actor.UserID
	case p.APIKeyID.IsZero():
		c.p.APIKeyID = parent.APIKeyID
	}
	c.header = header{
		tenant: p.TenantID, by: e.actor, once: once, size: 2*rowOverhead + len(c.p.Task) + len(c.p.Input), rows: 2,
	}
	return c, nil
}

type retryRun struct {
	createRun
	parent  RunRef
	reserve *int64
	lease   time.Duration
}

func (c *retryRun) wants(b *Batch) {
	b.Runs.Want(c.parent)
	if c.p.WorkerID != "" {
		c.createRun.wants(b)
	}
}

func (c *retryRun) object(l *ledger) (any, error) {
	a, _, err := l.account(c.tenant)
	if err != nil {
		return nil, err
	}
	parent := l.Runs.Get(c.parent)
	if parent == nil {
		return nil, notFound("run")
	}
	return a.shown(parent), nil
}

func (c *retryRun) decide(l *ledger) error {
	a, now, err := l.account(c.tenant)
	if err != nil {
		return err
	}
	parent := l.Runs.Get(c.parent)
	if parent == nil {
		return notFound("run")
	}
	if parent.Status.Open() && !now.Before(parent.LeaseExpiresAt) {
		if err := l.countersOf(a, parent); err != nil {
			return err
		}
		l.touch(a, now)
		parent = l.abandon(a, parent, RunCrashed, leaseRanOut, now)
	}
	switch {
	case parent.Status.Open(), parent.Status == RunCompleted:
		return errorf(CodeInvalidTransition, "only a failed, crashed or canceled run is retried; this one is %s", parent.Status)
	case !parent.RetriedBy.IsZero():
		return errorf(CodeAlreadyExists, "the run was retried before, by %s", parent.RetriedBy)
	}
	c.p.ReserveTokens, c.p.Lease = parent.ReservedTokens, parent.Lease
	if c.reserve != nil {
		c.p.ReserveTokens = *c.reserve
	}
	if c.lease != 0 {
		c.p.Lease = c.lease
	}
	c.retryOf = parent
	if err := c.createRun.decide(l); err != nil {
		return err
	}
	retried := *parent
	retried.RetriedBy = c.answer.ID
	l.Runs.Put(c.parent, &retried)
	return nil
}
