package rentroll

import (
	"context"
	"errors"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// ReserveTokensParams asks for more tokens for an open run.
type ReserveTokensParams struct {
	TenantID       TenantID
	RunID          RunID
	Tokens         int64 // 1–10^12, to be held beside what the run holds already; in all at most 10^12
	IdempotencyKey string
}

// ReserveTokens holds more tokens for an open run: one decision over the month of the key and of the tenant, which takes
// all of them or nothing. A denial is a *QuotaExceededError; the run goes on either way. Above a soft limit the run is
// marked OverSoftLimit. The lease stays as it is: heartbeats renew it.
//
// Like an admission it needs an active tenant. With the same idempotency key the answer is the run as it is, with
// Replayed set, and holds nothing more. It needs run:update.
func (e *Engine) ReserveTokens(ctx context.Context, p ReserveTokensParams) (*Run, error) {
	if err := e.mayTake(CreateRunParams{TenantID: p.TenantID}, PermRunUpdate); err != nil {
		return nil, err
	}
	var bad problems
	bad.between("tokens", p.Tokens, 1, maxAmount)
	if err := bad.err(); err != nil {
		return nil, err
	}
	key := p.IdempotencyKey
	p.IdempotencyKey = ""
	once, err := newOnce(p.TenantID, "run.reserve", key, p)
	if err != nil {
		return nil, err
	}
	c := &reserveTokens{onRun: e.onRun(RunRef{p.TenantID, p.RunID}, 0), tokens: p.Tokens}
	c.once = once
	if err := e.do(ctx, c); err != nil {
		if decided(err) {
			e.noteDenial(CreateRunParams{TenantID: p.TenantID, WorkerID: c.worker, APIKeyID: c.key}, err)
		}
		return nil, err
	}
	if once != nil && once.replayed {
		return replay(once.result, func(id RunID) (*Run, error) { return e.readRun(ctx, RunRef{p.TenantID, id}) },
			func(r *Run) *bool { return &r.Replayed })
	}
	return e.withPayloads(ctx, c.answer)
}

type reserveTokens struct {
	onRun
	tokens int64

	worker string // of the run, for the statistics of denials
	key    KeyID
}

func (c *reserveTokens) decide(l *ledger) error {
	a, run, now, err := c.find(l)
	if err != nil {
		return err
	}
	c.worker, c.key = run.WorkerID, run.APIKeyID
	soft, err := c.extend(l, a, run, now)
	if errors.Is(err, CodeQuotaExceeded) {
		freed, more := l.crashOverdue(a, now)
		if more != nil {
			return more
		}
		if freed {
			run = l.Runs.Get(c.ref) // which may have been overdue itself
			soft, err = c.extend(l, a, run, now)
		}
	}
	if err != nil {
		return err
	}
	plan, err := l.plan(a.Plan)
	if err != nil {
		return err
	}
	s, err := l.subject(a, plan, string(run.Subject), now) // before the run holds more
	if err != nil {
		return err
	}
	l.touch(a, now)
	next := *run
	next.ReservedTokens += c.tokens
	next.OverSoftLimit = next.OverSoftLimit || soft
	next.CancelRequested = a.stops(run)
	a.TokensReserved += c.tokens
	if use, _ := l.useOf(run); use != nil {
		more := *use
		more.TokensReserved += c.tokens
		l.KeyUses.Put(KeyRef{use.TenantID, use.Family}, &more)
	}
	if s != nil {
		more := *s
		more.TokensReserved += c.tokens
		l.putSubject(a, &more)
	}
	l.Runs.Put(c.ref, &next)
	c.answer = &next
	if c.once != nil {
		c.once.result = run.ID.String()
	}
	return nil
}

// extend decides, and changes nothing.
func (c *reserveTokens) extend(l *ledger, a *Account, run *Run, now time.Time) (soft bool, err error) {
	if !run.Status.Open() {
		return false, errRunEnded(run)
	}
	if c.tokens > maxAmount-run.ReservedTokens {
		return false, problems{{"tokens", "must leave what the run holds at 1000000000000 or less"}}.err()
	}
	if err := a.active(); err != nil {
		return false, err
	}
	plan, err := l.plan(a.Plan)
	if err != nil {
		return false, err
	}
	if use, _ := l.useOf(run); use != nil {
		key, err := l.keyOf(run)
		if err != nil {
			return false, err
		}
		if err := a.takeOfKey(key, use, c.tokens); err != nil {
			return false, err
		}
	}
	s, err := l.subject(a, plan, string(run.Subject), now)
	if err != nil {
		return false, err
	}
	overOfSubject := false
	if s != nil {
		if overOfSubject, err = a.takeOfSubject(plan, s, quota.TokensPerMonth, c.tokens, now); err != nil {
			return false, err
		}
	}
	soft, denied := a.take(plan, quota.TokensPerMonth, c.tokens, now)
	if denied != nil {
		return false, denied
	}
	return soft || overOfSubject, nil
}

// keyOf returns the key of a run, and asks for it where it is not loaded.
func (l *ledger) keyOf(run *Run) (*APIKey, error) {
	ref := KeyRef{run.TenantID, run.APIKeyID}
	if !l.Keys.Knows(ref) {
		l.Keys.Want(ref)
		return nil, errMore
	}
	key := l.Keys.Get(ref)
	if key == nil {
		return nil, errorf(CodeInternal, "the run's API key does not exist")
	}
	return key, nil
}
