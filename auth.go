package rentroll

import (
	"context"
	"crypto/subtle"
	"time"
)

var errUnauthenticated = &Error{Code: CodeUnauthenticated, Message: "the credential is missing or not valid"}

// Authenticate finds out who presents a secret: an operator or a tenant's API key. A secret that is good for nobody is
// CodeUnauthenticated, without distinction. The keys of a tenant that is not active are let in: what they may then still
// do is decided operation by operation. The caller may add where the call came from before using the Actor.
func (e *Engine) Authenticate(ctx context.Context, secret string) (Actor, error) {
	hash := hashSecret(secret)
	if own := e.core.opts.OperatorSecret; own != "" {
		if want := hashSecret(own); subtle.ConstantTimeCompare(hash[:], want[:]) == 1 {
			return Actor{Kind: ActorOperator}, nil
		}
	}
	if isOperatorSecret(secret) {
		return e.authenticateOperator(ctx, hash)
	}
	_, tenant, ok := parseSecret(secret)
	if !ok {
		return Actor{}, errUnauthenticated
	}
	key, account, err := e.lookUp(ctx, tenant, hash)
	if err != nil {
		return Actor{}, err
	}
	if key == nil {
		return Actor{}, errUnauthenticated
	}
	now := account.clock(e.now())
	if key.at(now).Status != KeyActive || account.deadAt(now) {
		return Actor{}, errUnauthenticated
	}
	permissions, wrong := CompilePermissions(key.Permissions)
	if len(wrong) > 0 {
		return Actor{}, errorf(CodeInternal, "the API key holds permissions that this program does not know")
	}
	e.core.stats.touch(KeyRef{tenant, key.ID}, now)
	return Actor{
		Kind: ActorAPIKey, TenantID: tenant, APIKeyID: key.ID, Permissions: permissions,
		key: key, status: account.Status, statusSince: account.Since,
	}, nil
}

// deadAt reports whether the keys of the tenant are good for nothing any more.
func (a *Account) deadAt(now time.Time) bool {
	return a.Status == TenantArchived || a.Status == TenantTerminated && !now.Before(a.Since.Add(terminatedGrace))
}

func (e *Engine) authenticateOperator(ctx context.Context, hash [32]byte) (Actor, error) {
	var k *OperatorKey
	err := e.view(ctx, func(r Reader) (err error) {
		k, err = r.OperatorKeyByHash(ctx, hash)
		return err
	})
	if err != nil {
		return Actor{}, err
	}
	if k == nil || k.RevokedAt != nil {
		return Actor{}, errUnauthenticated
	}
	return Actor{Kind: ActorOperator, Name: k.Name}, nil
}

// lookUp reads a key by its hash with its tenant's account; both nil where there is none. It reads as much for a key that
// there is not, so that the time it takes does not tell.
func (e *Engine) lookUp(ctx context.Context, tenant TenantID, hash [32]byte) (*APIKey, *Account, error) {
	b := &Batch{}
	b.Accounts.Want(tenant)
	var key *APIKey
	err := e.view(ctx, func(r Reader) (err error) {
		if key, err = r.KeyByHash(ctx, tenant, hash); err != nil {
			return err
		}
		return r.Load(ctx, b)
	})
	if err != nil || key == nil {
		return nil, nil, err
	}
	account := b.Accounts.Get(tenant)
	if account == nil {
		return nil, nil, nil
	}
	return key, account, nil
}

// EnsureOperatorKey makes the first operator key where there has never been one, and returns its secret, which is shown
// this once; "" where there is one already. Only the program itself may call it.
func (e *Engine) EnsureOperatorKey(ctx context.Context, name string) (secret string, err error) {
	if e.actor.Kind != "" && e.actor.Kind != ActorProgram {
		return "", errorf(CodeForbidden, "only the program itself makes the first operator key")
	}
	var bad problems
	bad.add("name", checkText(name, 1, 100))
	if err := bad.err(); err != nil {
		return "", err
	}
	exists := false
	err = e.view(ctx, func(r Reader) (err error) {
		exists, err = r.HasOperatorKey(ctx)
		return err
	})
	if err != nil || exists {
		return "", err
	}
	var random [32]byte
	if err := e.core.read(random[:]); err != nil {
		return "", err
	}
	secret = newOperatorSecret(e.core.opts.KeyPrefix, random)
	c := &ensureOperatorKey{
		header: header{tenant: PlatformID, by: e.actor, size: 512},
		key:    OperatorKey{Name: name, Hash: hashSecret(secret)},
	}
	if err := e.do(ctx, c); err != nil {
		return "", err
	}
	if !c.made {
		return "", nil
	}
	return secret, nil
}

type ensureOperatorKey struct {
	header
	key  OperatorKey
	made bool
}

func (c *ensureOperatorKey) wants(b *Batch) { ask(&b.OperatorKeys, struct{}{}) }

func (c *ensureOperatorKey) decide(l *ledger) error {
	a, now, err := l.account(PlatformID)
	if err != nil {
		return err
	}
	c.made = false
	if *l.OperatorKeys[struct{}{}] > 0 || len(l.NewOperatorKeys) > 0 {
		return nil
	}
	l.touch(a, now)
	k := c.key
	k.ID, k.CreatedAt = newID[operatorKeyKind](now, l.entropy()), now
	l.NewOperatorKeys = append(l.NewOperatorKeys, &k)
	l.audit(a, c.by, now, change{
		action: "operator_key.create", kind: "operator_key", id: k.ID.String(), new: map[string]any{"name": k.Name},
	})
	c.made = true
	return nil
}

// VerifyAPIKey answers whether a secret is good, and for what. Operators may ask about every key; an API key needs
// key:verify and learns of its own tenant's keys only, others' are not_found. A verification counts as a use of the key.
func (e *Engine) VerifyAPIKey(ctx context.Context, p VerifyAPIKeyParams) (*Verification, error) {
	if !e.actor.privileged() {
		if err := e.may(e.actor.TenantID, PermKeyVerify); err != nil {
			return nil, err
		}
	}
	var bad problems
	if len(p.Secret) == 0 || len(p.Secret) > 1024 {
		bad.add("secret", "must be 1 to 1,024 characters")
	}
	if p.Permission != "" {
		if _, wrong := CompilePermissions([]string{string(p.Permission)}); wrong != nil {
			bad.add("permission", "is not a permission")
		}
	}
	if p.WorkerID != "" {
		bad.add("worker_id", checkWorkerID(p.WorkerID))
	}
	if err := bad.err(); err != nil {
		return nil, err
	}
	_, tenant, ok := parseSecret(p.Secret)
	if !ok {
		return &Verification{Code: "malformed"}, nil
	}
	if !e.actor.privileged() && tenant != e.actor.TenantID {
		return &Verification{Code: NullString(CodeNotFound)}, nil
	}
	key, account, err := e.lookUp(ctx, tenant, hashSecret(p.Secret))
	if err != nil {
		return nil, err
	}
	if key == nil {
		return &Verification{Code: NullString(CodeNotFound)}, nil
	}
	now := account.clock(e.now())
	v := &Verification{
		TenantID: tenant, TenantStatus: NullString(account.Status), APIKeyID: key.ID, Plan: NullString(account.Plan),
		Permissions: key.Permissions, AllowedWorkers: key.AllowedWorkers, Code: verdict(key, account, p, now),
	}
	v.Valid = v.Code == ""
	if v.Valid {
		e.core.stats.touch(KeyRef{tenant, key.ID}, now)
	}
	return v, nil
}

// verdict returns the first reason against a key, "" for none.
func verdict(k *APIKey, a *Account, p VerifyAPIKeyParams, now time.Time) NullString {
	switch {
	case a.Status == TenantSuspended:
		return NullString(CodeTenantSuspended)
	case a.Status != TenantActive:
		return NullString(CodeTenantTerminated)
	case k.Status == KeyRevoked:
		return "revoked"
	case k.at(now).Status == KeyExpired:
		return "expired"
	}
	if p.Permission != "" {
		has, _ := CompilePermissions(k.Permissions)
		wants, _ := CompilePermissions([]string{string(p.Permission)})
		if !has.Contains(wants) {
			return "insufficient_permissions"
		}
	}
	if p.WorkerID != "" && !k.allowsWorker(p.WorkerID) {
		return NullString(CodeWorkerNotAllowed)
	}
	return ""
}
