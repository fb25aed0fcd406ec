package rentroll

import (
	"context"
	"fmt"
	"slices"
	"time"
)

const (
	maxExpiryDays     = 3650
	maxAllowedWorkers = 1000
	maxRateLimit      = 1_000_000
	day               = 24 * time.Hour
	manualRevocation  = "Manual revocation"
)

// CreateAPIKey makes a key and returns its secret, which is shown this once: only its hash is kept. It counts against
// the quota api_keys, and needs key:manage; an API key can make no key that may do more, or is less restricted, than
// itself. When the answer repeats an earlier one the secret is "".
func (e *Engine) CreateAPIKey(ctx context.Context, p CreateAPIKeyParams) (secret string, key *APIKey, err error) {
	if err := e.may(p.TenantID, PermKeyManage); err != nil {
		return "", nil, err
	}
	if err := p.check(); err != nil {
		return "", nil, err
	}
	if err := e.actor.mayGive(p.Permissions); err != nil {
		return "", nil, err
	}
	idempotencyKey := p.IdempotencyKey
	p.IdempotencyKey = ""
	once, err := newOnce(p.TenantID, "api_key.create", idempotencyKey, p)
	if err != nil {
		return "", nil, err
	}
	var random [32]byte
	if err := e.core.read(random[:]); err != nil {
		return "", nil, err
	}
	secret = newSecret(e.core.opts.KeyPrefix, random, p.TenantID)
	c := &createAPIKey{
		header: header{tenant: p.TenantID, by: e.actor, once: once, size: 4096}, p: p,
		hash: hashSecret(secret), prefix: displayPrefix(secret), suffix: displaySuffix(secret),
	}
	if err := e.do(ctx, c); err != nil {
		return "", nil, err
	}
	if once != nil && once.replayed {
		key, err = replay(once.result, func(id KeyID) (*APIKey, error) { return e.getAPIKey(ctx, KeyRef{p.TenantID, id}) },
			func(k *APIKey) *bool { return &k.Replayed })
		return "", key, err
	}
	return secret, c.answer, nil
}

// check says what is wrong with the parameters, fills in the default permissions and brings networks to one spelling.
func (p *CreateAPIKeyParams) check() error { return p.problems().err() }

func (p *CreateAPIKeyParams) problems() (bad problems) {
	bad.add("name", checkText(p.Name, 1, 100))
	if p.Permissions == nil {
		p.Permissions = DefaultPermissions()
	}
	_, wrong := CompilePermissions(p.Permissions)
	bad = append(bad, wrong...)
	if p.AllowedWorkers != nil && len(p.AllowedWorkers) == 0 {
		bad.add("allowed_workers", "must not be empty; leave it out for all workers")
	}
	if len(p.AllowedWorkers) > maxAllowedWorkers {
		bad.add("allowed_workers", fmt.Sprintf("must have at most %d entries", maxAllowedWorkers))
	}
	for i, w := range p.AllowedWorkers {
		bad.add(fmt.Sprintf("allowed_workers[%d]", i), checkWorkerID(w))
	}
	p.AllowedIPs = checkNetworks("allowed_ips", p.AllowedIPs, &bad)
	bad.between("expires_in_days", int64(p.ExpiresInDays), 0, maxExpiryDays)
	if p.RateLimitRPM != nil {
		bad.between("rate_limit_rpm", *p.RateLimitRPM, 1, maxRateLimit)
	}
	if p.MaxConcurrentRuns != nil {
		bad.amount("max_concurrent_runs", *p.MaxConcurrentRuns)
	}
	if p.MaxTokensPerMonth != nil {
		bad.amount("max_tokens_per_month", *p.MaxTokensPerMonth)
	}
	p.Permissions, p.AllowedWorkers = slices.Clone(p.Permissions), slices.Clone(p.AllowedWorkers)
	return bad
}

type createAPIKey struct {
	header
	p      CreateAPIKeyParams
	hash   [32]byte
	prefix string
	suffix NullString
	answer *APIKey
}

func (c *createAPIKey) wants(b *Batch) {
	if !c.p.UserID.IsZero() {
		b.Users.Want(c.p.UserID)
	}
	if !c.by.APIKeyID.IsZero() {
		b.Keys.Want(KeyRef{c.tenant, c.by.APIKeyID})
	}
}

func (c *createAPIKey) decide(l *ledger) error {
	a, plan, now, err := l.planned(c.tenant)
	if err != nil {
		return err
	}
	if err := a.active(); err != nil {
		return err
	}
	k := c.key(now)
	if !c.by.APIKeyID.IsZero() {
		if err := inherits(l.Keys.Get(KeyRef{c.tenant, c.by.APIKeyID}), k, now); err != nil {
			return err
		}
	}
	if !c.p.UserID.IsZero() && l.Users.Get(c.p.UserID) == nil {
		return problems{{"user_id", "there is no such user"}}.err()
	}
	if err := l.makeRoom(a, plan, now); err != nil {
		return err
	}
	l.touch(a, now)
	k.ID = newID[keyKind](now, l.entropy())
	k.Family = k.ID
	a.APIKeys++
	a.expectExpiry(k.ExpiresAt)
	l.Keys.Put(KeyRef{c.tenant, k.ID}, k)
	if k.counted() {
		l.KeyUses.Put(KeyRef{c.tenant, k.Family}, &KeyUse{TenantID: c.tenant, Family: k.Family})
	}
	l.audit(a, c.by, now, change{action: "api_key.create", kind: "api_key", id: k.ID.String(), new: k})
	if c.once != nil {
		c.once.result = k.ID.String()
	}
	c.answer = k
	return nil
}

func (c *createAPIKey) key(now time.Time) *APIKey {
	k := &APIKey{
		TenantID: c.tenant, Name: c.p.Name, KeyPrefix: c.prefix, KeySuffix: c.suffix, UserID: c.p.UserID, Permissions: c.p.Permissions,
		AllowedWorkers: c.p.AllowedWorkers, AllowedIPs: c.p.AllowedIPs, RateLimitRPM: c.p.RateLimitRPM,
		MaxConcurrentRuns: c.p.MaxConcurrentRuns, MaxTokensPerMonth: c.p.MaxTokensPerMonth, Status: KeyActive, CreatedAt: now,
		Hash: c.hash,
	}
	if c.p.ExpiresInDays > 0 {
		at := now.Add(time.Duration(c.p.ExpiresInDays) * day)
		k.ExpiresAt = &at
	}
	return k
}

// inherits refuses a child key that could do more, or is less restricted, than its parent.
func inherits(parent, child *APIKey, now time.Time) error {
	if parent == nil || parent.at(now).Status != KeyActive {
		return errorf(CodeUnauthenticated, "the API key is not active")
	}
	var bad []FieldError
	refuse := func(field, message string) { bad = append(bad, FieldError{field, message}) }
	has, _ := CompilePermissions(parent.Permissions)
	wants, _ := CompilePermissions(child.Permissions)
	if !has.Contains(wants) {
		refuse("permissions", "must be permissions of the calling key")
	}
	if parent.AllowedWorkers != nil {
		outside := func(w string) bool { return !slices.Contains(parent.AllowedWorkers, w) }
		if child.AllowedWorkers == nil || slices.ContainsFunc(child.AllowedWorkers, outside) {
			refuse("allowed_workers", "must be workers of the calling key")
		}
	}
	if !parent.allowsNetworks(child.AllowedIPs) {
		refuse("allowed_ips", "must be networks of the calling key")
	}
	if parent.ExpiresAt != nil && (child.ExpiresAt == nil || child.ExpiresAt.After(*parent.ExpiresAt)) {
		refuse("expires_in_days", "must not outlive the calling key")
	}
	tighter := func(field string, of, own *int64) {
		if of != nil && (own == nil || *own > *of) {
			refuse(field, fmt.Sprintf("must be at most the calling key's %d", *of))
		}
	}
	tighter("rate_limit_rpm", parent.RateLimitRPM, child.RateLimitRPM)
	tighter("max_concurrent_runs", parent.MaxConcurrentRuns, child.MaxConcurrentRuns)
	tighter("max_tokens_per_month", parent.MaxTokensPerMonth, child.MaxTokensPerMonth)
	if len(bad) == 0 {
		return nil
	}
	return &Error{Code: CodeForbidden, Message: "a key can't make one that may do more than itself", Fields: bad}
}

// expireKeys marks the keys of a tenant whose expiry has come and frees their places. It reports whether any was freed,
// and asks for rows where it may be so.
func (l *ledger) expireKeys(a *Account, now time.Time) (freed bool, err error) {
	if !a.keysDue(now) {
		return false, nil
	}
	overdue := l.OverdueKeys[a.TenantID]
	if overdue == nil {
		ask(&l.OverdueKeys, a.TenantID)
		return false, errMore
	}
	l.note(a, now) // that keys become fewer arms thresholds again, which the next change sees
	for _, k := range overdue.Keys {
		ref := KeyRef{a.TenantID, k.ID}
		k = l.Keys.Get(ref)
		if k.Status != KeyActive || k.at(now).Status != KeyExpired {
			continue
		}
		l.Keys.Put(ref, k.at(now))
		if !k.InOverlap {
			a.APIKeys--
			freed = true
		}
	}
	// What this transaction made itself is in the bound already, if it is to be.
	a.NextKeyExpiry = overdue.Next
	for ref, k := range l.Keys.All() {
		if ref.TenantID == a.TenantID && k.Status == KeyActive {
			a.expectExpiry(k.ExpiresAt)
		}
	}
	return freed, nil
}

// RevokeAPIKey ends a key at once. Revoking again changes nothing and returns the key with its first reason. It needs
// key:manage.
func (e *Engine) RevokeAPIKey(ctx context.Context, p RevokeAPIKeyParams) (*APIKey, error) {
	if err := e.may(p.TenantID, PermKeyManage); err != nil {
		return nil, err
	}
	if p.Reason == "" {
		p.Reason = manualRevocation
	}
	var bad problems
	bad.add("reason", checkText(p.Reason, 1, maxReason))
	if err := bad.err(); err != nil {
		return nil, err
	}
	c := &revokeAPIKey{header: header{tenant: p.TenantID, by: e.actor, size: 1024}, p: p}
	if err := e.do(ctx, c); err != nil {
		return nil, err
	}
	return c.answer, nil
}

type revokeAPIKey struct {
	header
	p      RevokeAPIKeyParams
	answer *APIKey
}

func (c *revokeAPIKey) wants(b *Batch) { b.Keys.Want(KeyRef{c.tenant, c.p.KeyID}) }

func (c *revokeAPIKey) object(l *ledger) (any, error) { return l.keyAt(KeyRef{c.tenant, c.p.KeyID}) }

// keyAt returns a key that was asked for, as it is now.
func (l *ledger) keyAt(ref KeyRef) (any, error) {
	_, now, err := l.account(ref.TenantID)
	if err != nil {
		return nil, err
	}
	k := l.Keys.Get(ref)
	if k == nil {
		return nil, notFound("API key")
	}
	return k.at(now), nil
}

func (c *revokeAPIKey) decide(l *ledger) error {
	a, now, err := l.account(c.tenant)
	if err != nil {
		return err
	}
	ref := KeyRef{c.tenant, c.p.KeyID}
	k := l.Keys.Get(ref)
	if k == nil {
		return notFound("API key")
	}
	if k.Status == KeyRevoked {
		c.answer = k
		return nil
	}
	before, err := l.key(c.tenant, k.RotatedFrom)
	if err != nil {
		return err
	}
	l.touch(a, now)
	if k.Status == KeyActive && !k.InOverlap {
		a.APIKeys-- // an expired key was given back when it was marked
	}
	if before.overlaps(now) && before.RotatedTo == k.ID {
		alone := *before
		alone.InOverlap = false // without a successor it counts itself
		a.APIKeys++
		l.Keys.Put(KeyRef{c.tenant, alone.ID}, &alone)
	}
	a.Generation++
	next := k.revoked(NullString(c.p.Reason), now)
	l.Keys.Put(ref, next)
	l.audit(a, c.by, now, change{
		action: "api_key.revoke", kind: "api_key", id: k.ID.String(),
		old: map[string]any{"status": k.at(now).Status}, new: map[string]any{"status": next.Status, "revoked_reason": c.p.Reason},
	})
	c.answer = next
	return nil
}

func (e *Engine) getAPIKey(ctx context.Context, ref KeyRef) (*APIKey, error) {
	b := &Batch{}
	b.Accounts.Want(ref.TenantID)
	b.Keys.Want(ref)
	if err := e.view(ctx, func(r Reader) error { return r.Load(ctx, b) }); err != nil {
		return nil, err
	}
	a, k := b.Accounts.Get(ref.TenantID), b.Keys.Get(ref)
	if a.gone() || k == nil {
		return nil, notFound("API key")
	}
	again := *k.at(a.clock(e.now()))
	return &again, nil
}

// GetAPIKey returns a key, never its secret.
func (e *Engine) GetAPIKey(ctx context.Context, tenant TenantID, key KeyID) (*APIKey, error) {
	if err := e.may(tenant, PermKeyRead); err != nil {
		return nil, err
	}
	return e.getAPIKey(ctx, KeyRef{tenant, key})
}

// ListAPIKeys lists a tenant's keys, newest first, or those that are about to expire, never their secrets.
func (e *Engine) ListAPIKeys(ctx context.Context, p ListAPIKeysParams) (*List[*APIKey], error) {
	if err := e.may(p.TenantID, PermKeyRead); err != nil {
		return nil, err
	}
	if p.ExpiringWithinDays != 0 {
		return e.listExpiring(ctx, p)
	}
	var bad problems
	scope := cursorScope("api_keys", p.TenantID.String(), fmt.Sprint(p.IncludeRevoked))
	f := KeyFilter{TenantID: p.TenantID}
	f.Limit, f.Before = pageOf[KeyID](p.Page, scope, &bad)
	if err := bad.err(); err != nil {
		return nil, err
	}
	out := &List[*APIKey]{Items: []*APIKey{}}
	err := e.viewTenant(ctx, p.TenantID, func(r Reader, a *Account) error {
		now := a.clock(e.now())
		if !p.IncludeRevoked {
			f.ActiveAt = now
		}
		rows, err := r.ListKeys(ctx, f)
		for _, k := range trim(out, rows, f.Limit, scope, func(k *APIKey) KeyID { return k.ID }) {
			out.Items = append(out.Items, k.at(now))
		}
		return err
	})
	return out, err
}
