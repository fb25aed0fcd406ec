package rentroll

import "context"

// IncrementUsage counts one run, and its tokens, that were not admitted by CreateRun: the events worker_runs and
// tokens_used and the day's and the month's counters move together. It denies nothing. It needs usage:write.
func (e *Engine) IncrementUsage(ctx context.Context, p IncrementUsageParams) error {
	if err := e.may(p.TenantID, PermUsageWrite); err != nil {
		return err
	}
	var bad problems
	bad.amount("tokens", p.Tokens)
	if err := bad.err(); err != nil {
		return err
	}
	key := p.IdempotencyKey
	p.IdempotencyKey = ""
	once, err := newOnce(p.TenantID, "usage.increment", key, p)
	if err != nil {
		return err
	}
	return e.do(ctx, &incrementUsage{
		header: header{tenant: p.TenantID, by: e.actor, once: once, size: 2 * rowOverhead, rows: 2}, tokens: p.Tokens,
	})
}

type incrementUsage struct {
	header
	tokens int64
}

func (c *incrementUsage) wants(b *Batch) {
	if c.tokens >= heavyAmount {
		b.Meters.Want(MeterRef{c.tenant, MeterTokensUsed})
	}
	if !c.by.APIKeyID.IsZero() {
		b.Keys.Want(KeyRef{c.tenant, c.by.APIKeyID})
	}
}

func (c *incrementUsage) decide(l *ledger) error {
	a, now, err := l.account(c.tenant)
	if err != nil {
		return err
	}
	if err := a.records(now); err != nil {
		return err
	}
	if !l.bears(c.tenant, MeterTokensUsed, c.tokens, now) {
		return problems{{"tokens", tooHeavy}}.err()
	}
	var use *KeyUse
	if !c.by.APIKeyID.IsZero() {
		if use, err = l.useOfKey(KeyRef{c.tenant, c.by.APIKeyID}); err != nil {
			return err
		}
	}
	l.touch(a, now)
	l.weigh(c.tenant, MeterTokensUsed, c.tokens, now)
	a.RunsToday++
	ev := UsageEvent{
		ID: newID[usageKind](now, l.entropy()), TenantID: c.tenant, Meter: MeterWorkerRuns, Amount: 1, Unit: defaultUnit,
		Time: now, RecordedAt: now, APIKeyID: c.by.APIKeyID,
	}
	l.record(a, nil, &ev)
	if c.tokens > 0 {
		tokens := ev
		tokens.ID, tokens.Meter, tokens.Amount, tokens.Unit = newID[usageKind](now, l.entropy()), MeterTokensUsed, c.tokens, tokensUnit
		l.record(a, use, &tokens)
	}
	return nil
}
