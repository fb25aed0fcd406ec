package rentroll

import (
	"context"
	"errors"
	"sync"
	"time"
)

// The sweeper does for quiet tenants what an admission does for busy ones: it crashes runs that are over their lease and
// expires keys. Nothing depends on it being on time: a decision that could rest on something overdue looks itself.

const defaultSweepInterval = 15 * time.Second

// sweepPage is how many tenants are looked up at once.
const sweepPage = 256

// sweepLoop sweeps once an interval until the engine is closed.
func (e *Engine) sweepLoop() {
	ctx, cancel := e.core.work()
	defer cancel()
	tick := time.NewTicker(e.core.opts.SweepInterval)
	defer tick.Stop()
	for {
		select {
		case <-e.core.stop:
			return
		case <-tick.C:
			e.core.metrics.sweeps.Add(1)
			if err := e.sweep(ctx); err != nil {
				e.core.metrics.failedSweeps.Add(1)
				e.core.opts.Logger.Error("sweeping failed; the next sweep tries again", "error", err)
			}
		}
	}
}

// sweep handles every tenant that has something overdue, once, and goes on with what somebody began. One that fails, because its queue is full for instance,
// does not keep it from the others.
func (e *Engine) sweep(ctx context.Context) error {
	var after TenantID
	var failed error
	for {
		var due []TenantID
		err := e.view(ctx, func(r Reader) (err error) {
			due, err = r.ListOverdue(ctx, e.now(), after, sweepPage)
			return err
		})
		if err != nil {
			return errors.Join(failed, err)
		}
		if len(due) == 0 {
			return errors.Join(failed, e.sweepChores(ctx))
		}
		failed = errors.Join(failed, e.sweepAll(ctx, due))
		if CodeOf(failed) == CodeUnavailable {
			return failed
		}
		after = due[len(due)-1]
	}
}

// chore goes on with something that was begun, by its kind, for as far as one step goes.
func (e *Engine) chore(ctx context.Context, c *Chore) error {
	switch c.Kind {
	case ChoreTrim:
		_, err := e.trim(ctx, c.TenantID)
		if CodeOf(err) == CodeNotFound {
			return nil // it goes whole
		}
		return err
	case ChorePurge:
		return e.sweepPurge(ctx, c)
	default:
		return nil // a newer server's
	}
}

// sweepChores goes on with what was begun and is this server's. A chore that fails does not keep it from the others.
func (e *Engine) sweepChores(ctx context.Context) error {
	var after ChoreRef
	var failed error
	for {
		var list []*Chore
		err := e.view(ctx, func(r Reader) (err error) {
			list, err = r.ListChores(ctx, after, sweepPage)
			return err
		})
		if err != nil || len(list) == 0 {
			return errors.Join(failed, err)
		}
		for _, c := range list {
			after = c.ChoreRef
			if e.core.stopping() {
				return failed
			}
			if e.core.cluster.mine(c.TenantID) {
				failed = errors.Join(failed, e.chore(ctx, c))
			}
		}
		if CodeOf(failed) == CodeUnavailable {
			return failed
		}
	}
}

// sweepWidth is how many tenants are swept at once, so that they share transactions: each may need a batch of its own.
const sweepWidth = 16

// sweepAll handles those of the tenants that are this server's.
func (e *Engine) sweepAll(ctx context.Context, due []TenantID) error {
	failures := make([]error, len(due))
	turns := make(chan struct{}, sweepWidth)
	var wait sync.WaitGroup
	for i, id := range due {
		if e.core.stopping() || !e.core.cluster.mine(id) {
			continue
		}
		turns <- struct{}{}
		wait.Go(func() {
			defer func() { <-turns }()
			failures[i] = e.do(ctx, &sweepTenant{header{tenant: id, size: MaxOverdue * rowOverhead, rows: MaxOverdue}})
		})
	}
	wait.Wait()
	return errors.Join(failures...)
}

// sweepTenant ends what is overdue in one tenant, up to MaxOverdue of each kind; the rest waits for the next sweep.
type sweepTenant struct{ header }

// wants names nothing: what is overdue depends on the account's own clock.
func (*sweepTenant) wants(*Batch) {}

func (c *sweepTenant) decide(l *ledger) error {
	a, now, err := l.account(c.tenant)
	if err != nil {
		return err
	}
	if a.leasesDue(now) {
		ask(&l.OverdueRuns, c.tenant)
	}
	if a.keysDue(now) {
		ask(&l.OverdueKeys, c.tenant) // both at once
	}
	if _, err := l.crashOverdue(a, now); err != nil {
		return err
	}
	_, err = l.expireKeys(a, now)
	return err
}
