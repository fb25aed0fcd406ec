package rentroll

import (
	"context"
	"encoding/json"
	"time"
)

// tenantPurging is the status of an account whose tenant is being purged: for callers there is no such tenant any more.
const tenantPurging TenantStatus = "purging"

// gone reports whether there is no tenant of an account, for callers: it is nil, or being purged.
func (a *Account) gone() bool { return a == nil || a.Status == tenantPurging }

// How much goes in one transaction, and in one call of Purge.
const (
	purgeRows    = 1000
	purgesAtOnce = 20
)

// purgeLinger is how long after a purge it is looked once more for what servers counted of the tenant before they had
// heard of it, in statistics and invalidations.
const purgeLinger = time.Minute

// Purging is how the purge of a tenant stands.
type Purging struct {
	TenantID TenantID   `json:"tenant_id"`
	Slug     string     `json:"slug"`     // that it had
	BeganAt  time.Time  `json:"began_at"` //
	Actor    string     `json:"actor"`    // who asked for it
	Removed  int64      `json:"removed"`  // rows so far
	EndedAt  *time.Time `json:"ended_at"` // nil while there are more rows
	Head     *AuditHead `json:"head"`     // where its audit ended, signed where there was a key
}

// Purge removes everything that there is of an archived tenant: all its rows, and the names and imported keys that it had
// taken. From the first call on nobody finds the tenant, and its slug is free; its rows go in small steps, of which a call
// does some. Whoever asks again, by id, learns how far it is and does some more; the sweep goes on with it anyway, on
// whatever server. When all is gone it is CodeNotFound. The platform's audit keeps when it was, by whom, and where the
// tenant's audit ended. It needs an operator with tenant:purge; a tenant that is not archived is CodeInvalidTransition.
func (e *Engine) Purge(ctx context.Context, tenant TenantID) (*Purging, error) {
	if err := e.actor.mayOperate(PermTenantPurge); err != nil {
		return nil, err
	}
	if tenant == PlatformID {
		return nil, notFound("tenant")
	}
	c, err := e.beginPurge(ctx, tenant)
	if err != nil {
		return nil, err
	}
	e = e.As(e.actor) // what is left of it goes without conditions
	for step := 0; step < purgesAtOnce && c.EndedAt == nil; step++ {
		if c, err = e.purgeMore(ctx, tenant); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// beginPurge writes down that a tenant is purged, unless that is written already.
func (e *Engine) beginPurge(ctx context.Context, tenant TenantID) (*Purging, error) {
	for {
		var head *AuditHead
		err := e.view(ctx, func(r Reader) (err error) {
			b := &Batch{}
			b.Accounts.Want(tenant)
			if err := r.Load(ctx, b); err != nil {
				return err
			}
			if a := b.Accounts.Get(tenant); !a.gone() {
				head, err = e.head(a)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		c := &startPurge{header: header{tenant: tenant, also: []TenantID{PlatformID}, by: e.actor, size: 4096}, end: head}
		if err := e.do(ctx, c); err != nil {
			return nil, err
		}
		if c.answer != nil {
			return c.answer, nil
		}
	}
}

// startPurge takes a tenant away from callers.
type startPurge struct {
	header
	end    *AuditHead // of the tenant's audit, as it was read; nil where there was no tenant
	answer *Purging   // nil where the audit has gone on since: nothing was done
}

func (c *startPurge) wants(b *Batch) {
	b.Profiles.Want(c.tenant)
	b.Chores.Want(ChoreRef{c.tenant, ChorePurge})
	b.Chores.Want(ChoreRef{c.tenant, ChoreTrim})
}

func (c *startPurge) object(l *ledger) (any, error) { return l.tenant(c.tenant) }

func (c *startPurge) decide(l *ledger) error {
	c.answer = nil
	ref := ChoreRef{c.tenant, ChorePurge}
	a := l.Accounts.Get(c.tenant)
	switch chore := l.Chores.Get(ref); {
	case chore != nil && a != nil:
		c.answer = chore.purging()
		return nil
	case a.gone():
		return notFound("tenant")
	case a.Status != TenantArchived:
		return errorf(CodeInvalidTransition, "a tenant that is %s can't be purged: archive it first", a.Status)
	}
	platform, now, err := l.account(PlatformID)
	if err != nil {
		return err
	}
	if c.end == nil || c.end.Sequence != a.AuditSequence || c.end.Hash != a.AuditHash {
		return nil
	}
	p := l.Profiles.Get(c.tenant)
	names := []DirectoryRef{{DirectorySlug, p.Slug}}
	if p.ExternalID != "" {
		names = append(names, DirectoryRef{DirectoryExternalID, string(p.ExternalID)})
	}
	if !l.loaded(names) {
		return errMore
	}
	for _, name := range names {
		l.disown(name, c.tenant)
	}
	l.touch(platform, now)
	l.open[c.tenant] = nil
	l.Accounts.Put(c.tenant, &Account{
		TenantID: c.tenant, Status: tenantPurging, Since: now, Plan: a.Plan, Timezone: a.Timezone, AnchorDay: a.AnchorDay,
		AuditSequence: a.AuditSequence, AuditHash: a.AuditHash, Generation: a.Generation + 1, LastNow: a.clock(now),
	})
	l.Profiles.Delete(c.tenant)
	if trim := (ChoreRef{c.tenant, ChoreTrim}); l.Chores.Get(trim) != nil {
		l.Chores.Delete(trim)
	}
	c.answer = &Purging{TenantID: c.tenant, Slug: p.Slug, BeganAt: now, Actor: c.by.String(), Head: c.end}
	l.Chores.Put(ref, c.answer.chore())
	l.audit(platform, c.by, now, change{
		action: "tenant.purge", kind: "tenant", id: c.tenant.String(),
		old: map[string]any{"slug": p.Slug, "status": a.Status}, new: map[string]any{"head": c.end},
	})
	return nil
}

// loaded reports whether directory rows are loaded, and asks for them where they are not.
func (l *ledger) loaded(names []DirectoryRef) bool {
	all := true
	for _, name := range names {
		if !l.Directory.Knows(name) {
			l.Directory.Want(name)
			all = false
		}
	}
	return all
}

// disown frees a name, if it is the tenant's.
func (l *ledger) disown(name DirectoryRef, tenant TenantID) {
	if entry := l.Directory.Get(name); entry != nil && entry.Owner == tenant {
		l.Directory.Delete(name)
	}
}

// chore is how a purge is written down.
func (p *Purging) chore() *Chore {
	detail, err := json.Marshal(p)
	if err != nil {
		panic("rentroll: a purge has no JSON form: " + err.Error())
	}
	return &Chore{ChoreRef: ChoreRef{p.TenantID, ChorePurge}, BeganAt: p.BeganAt, Detail: detail}
}

// purging is the purge that was written down.
func (c *Chore) purging() *Purging {
	p := &Purging{}
	if err := json.Unmarshal(c.Detail, p); err != nil { // by somebody's hand
		p = &Purging{BeganAt: c.BeganAt}
	}
	p.TenantID = c.TenantID
	return p
}
