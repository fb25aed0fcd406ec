package rentroll

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// planCache holds the few plans, so that no decision has to read them. A snapshot is never changed. Safe for concurrent
// use.
type planCache struct {
	plans atomic.Pointer[map[string]*Plan]

	mu      sync.Mutex // guards writes
	version int        // grows with every change that this engine has made
}

func (p *planCache) snapshot() map[string]*Plan { return *p.plans.Load() }

// refresh reads the plans anew. What was read while this engine changed a plan may be older than the change, and is
// dropped.
func (p *planCache) refresh(ctx context.Context, store Store) error {
	p.mu.Lock()
	version := p.version
	p.mu.Unlock()
	var list []*Plan
	err := store.View(ctx, func(r Reader) (err error) {
		list, err = r.ListPlans(ctx)
		return err
	})
	if err != nil {
		return err
	}
	plans := make(map[string]*Plan, len(list))
	for _, plan := range list {
		plans[plan.Name] = plan
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.version == version {
		p.plans.Store(&plans)
	}
	return nil
}

// follow takes over what a committed transaction has changed, before any of its callers is answered.
func (p *planCache) follow(changed *Rowset[string, Plan]) {
	if !changed.changed() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	plans := maps.Clone(p.snapshot())
	put := func(plan *Plan) { plans[plan.Name] = plan }
	changed.Changes(put, put, func(name string) { delete(plans, name) })
	p.plans.Store(&plans)
	p.version++
}

// planInterval is how often a store that other servers write to is asked for its plans: an edit holds everywhere within
// a second, with room for a slow answer.
const planInterval = 250 * time.Millisecond

// watchPlans keeps the plans up to date until the engine is closed.
func (c *core) watchPlans() {
	tick := time.NewTicker(planInterval)
	defer tick.Stop()
	for {
		select {
		case <-c.stop:
			return
		case <-tick.C:
			ctx, cancel := context.WithTimeout(context.Background(), laneTimeout)
			if err := c.plans.refresh(ctx, c.store); err != nil {
				c.opts.Logger.Warn("the plans could not be read; those known stay in force", "error", err)
			}
			if err := c.lookForImports(ctx); err != nil {
				c.opts.Logger.Warn("it could not be read whether there are imported keys", "error", err)
			}
			cancel()
		}
	}
}

// observe takes note of a committed transaction.
func (c *core) observe(t *transaction) {
	c.metrics.batches.Add(1)
	c.metrics.commands.Add(uint64(len(t.calls)))
	c.keys.forget(t.ledger.Invalid)
	c.followImports(&t.ledger.Directory)
	if n := t.ledger.Runs.inserts(); n > 0 {
		c.stats.did(c.cluster.self.ID, t.ledger.now, n, 0)
	}
	if !t.settled {
		c.plans.follow(&t.ledger.Plans)
		return
	}
	// Meanwhile others may have changed the same: what the store holds counts.
	ctx, cancel := context.WithTimeout(context.Background(), laneTimeout)
	defer cancel()
	if err := c.plans.refresh(ctx, c.store); err != nil {
		c.opts.Logger.Warn("the plans could not be read; those known stay in force", "error", err)
	}
}
