package rentroll

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// A purge goes on step by step, and each is a transaction of its own: first the members and the keys, of which others know
// (their users, the directory), then everything else, at last the account. What a step finds to do follows from the rows
// that are there, so that a step which was lost, or done twice, does no harm.

// purgeMore does the next step of a purge and returns how it then stands.
func (e *Engine) purgeMore(ctx context.Context, tenant TenantID) (*Purging, error) {
	step := &purgeStep{header: header{tenant: PlatformID, also: []TenantID{tenant}, size: purgeRows * rowOverhead, rows: purgeRows}, whose: tenant}
	err := e.view(ctx, func(r Reader) (err error) {
		if step.members, err = r.ListMembers(ctx, MemberFilter{TenantID: tenant, Limit: purgeRows / 2}); err != nil || len(step.members) > 0 {
			return err
		}
		step.keys, err = r.ListKeys(ctx, KeyFilter{TenantID: tenant, Limit: purgeRows / 2})
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(step.members)+len(step.keys) == 0 {
		p, more, err := e.core.purgeRows(ctx, tenant)
		if err != nil || more {
			return p, err
		}
		step.last = true
	}
	if err := e.do(ctx, step); err != nil {
		return nil, err
	}
	return step.answer, nil
}

// purgeStep removes members or keys, or at last the account.
type purgeStep struct {
	header
	whose   TenantID
	members []*Member
	keys    []*APIKey
	last    bool
	answer  *Purging
}

func (c *purgeStep) wants(b *Batch) {
	b.Chores.Want(ChoreRef{c.whose, ChorePurge})
	for _, m := range c.members {
		b.Members.Want(MemberRef{c.whose, m.UserID})
		b.Users.Want(m.UserID)
	}
	for _, k := range c.keys {
		b.Keys.Want(KeyRef{c.whose, k.ID})
		b.Directory.Want(hashRef(k.Hash))
	}
}

func (c *purgeStep) decide(l *ledger) error {
	c.answer = nil
	chore := l.Chores.Get(ChoreRef{c.whose, ChorePurge})
	if chore == nil {
		return notFound("tenant")
	}
	p := chore.purging()
	c.answer = p
	if l.Accounts.Get(c.whose) == nil {
		return nil // somebody else was faster
	}
	for _, m := range c.members {
		p.Removed += l.purgeMember(MemberRef{c.whose, m.UserID})
	}
	for _, k := range c.keys {
		l.disown(hashRef(k.Hash), c.whose)
		if ref := (KeyRef{c.whose, k.ID}); l.Keys.Get(ref) != nil {
			l.Keys.Delete(ref)
			p.Removed++
		}
	}
	if c.last {
		if err := c.end(l, p); err != nil {
			return err
		}
	}
	l.Chores.Put(chore.ChoreRef, p.chore())
	return nil
}

// purgeMember removes a membership, and the tenant from where the user begins. It returns how many rows went.
func (l *ledger) purgeMember(ref MemberRef) int64 {
	if u := l.Users.Get(ref.UserID); u != nil && u.DefaultTenantID == ref.TenantID {
		next := *u
		next.DefaultTenantID = TenantID{}
		l.Users.Put(u.ID, &next)
	}
	if l.Members.Get(ref) == nil {
		return 0
	}
	l.Members.Delete(ref)
	return 1
}

// end removes the account, which is the last of a tenant, and has the platform's audit say so.
func (c *purgeStep) end(l *ledger, p *Purging) error {
	platform, now, err := l.account(PlatformID)
	if err != nil {
		return err
	}
	l.touch(platform, now)
	l.Accounts.Delete(c.whose)
	p.Removed++
	p.EndedAt = &now
	l.audit(platform, c.by, now, change{
		action: "tenant.purged", kind: "tenant", id: c.whose.String(),
		new: map[string]any{"slug": p.Slug, "removed": p.Removed, "asked_by": p.Actor, "asked_at": p.BeganAt, "head": p.Head},
	})
	return nil
}

// purgeRows removes some of what only the tenant's own rows know of, and reports whether there may be more.
func (c *core) purgeRows(ctx context.Context, tenant TenantID) (p *Purging, more bool, err error) {
	for try := 0; ; try++ {
		p, more, err = c.tryPurgeRows(ctx, tenant)
		if !isUnavailable(err) || classOf(err) != ClassRetry || try == maxRetries {
			break
		}
		c.metrics.retries.Add(1)
		pause(min(time.Duration(try)*time.Millisecond, maxPause))
	}
	if err != nil && isUnavailable(err) { // what is not known to have happened is found out by the next step
		err = &Error{Code: CodeUnavailable, Message: "the store is unavailable", cause: err}
	}
	return p, more, err
}

func (c *core) tryPurgeRows(ctx context.Context, tenant TenantID) (p *Purging, more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, laneTimeout)
	defer cancel()
	tx, err := c.store.Begin(ctx)
	if err != nil {
		return nil, false, err
	}
	defer tx.Rollback()
	b := &Batch{}
	ref := ChoreRef{tenant, ChorePurge}
	b.Chores.Want(ref)
	if _, err := tx.Claim(ctx, b, []TenantID{tenant}, true); err != nil {
		return nil, false, err
	}
	chore := b.Chores.Get(ref)
	if chore == nil {
		return nil, false, notFound("tenant")
	}
	p = chore.purging()
	if p.EndedAt != nil && c.opts.Now().Before(p.EndedAt.Add(purgeLinger)) {
		return p, false, nil // another step ended it meanwhile: what tells others so has to stay for a while
	}
	removed, more, err := tx.Purge(ctx, tenant, purgeRows)
	if err != nil || removed == 0 {
		return p, more, err
	}
	p.Removed += removed
	b.Chores.Put(ref, p.chore())
	if err := tx.Save(ctx, b); err != nil {
		return nil, false, err
	}
	var seed [32]byte
	if err := c.read(seed[:]); err != nil {
		return nil, false, err
	}
	return p, more, tx.Commit(ctx, newBatchID(rand.NewChaCha8(seed)))
}

// sweepPurge goes on with a purge, and forgets it some time after its end, when nothing new of the tenant can come.
func (e *Engine) sweepPurge(ctx context.Context, chore *Chore) error {
	p := chore.purging()
	for step := 0; p.EndedAt == nil; step++ {
		if step == purgesAtOnce || e.core.stopping() {
			return nil
		}
		var err error
		if p, err = e.purgeMore(ctx, chore.TenantID); err != nil {
			if errors.Is(err, notFound("tenant")) || CodeOf(err) == CodeNotFound {
				return nil // another server was faster
			}
			return err
		}
	}
	if e.now().Before(p.EndedAt.Add(purgeLinger)) {
		return nil
	}
	for more := true; more; {
		var err error
		if _, more, err = e.core.purgeRows(ctx, chore.TenantID); err != nil {
			return err
		}
	}
	return e.do(ctx, &forgetPurge{header{tenant: PlatformID, size: 256}, chore.ChoreRef})
}

// forgetPurge forgets a purge that has ended.
type forgetPurge struct {
	header
	chore ChoreRef
}

func (c *forgetPurge) wants(b *Batch) { b.Chores.Want(c.chore) }

func (c *forgetPurge) decide(l *ledger) error {
	if k := l.Chores.Get(c.chore); k != nil && k.purging().EndedAt != nil {
		l.Chores.Delete(c.chore)
	}
	return nil
}
