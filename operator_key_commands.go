package rentroll

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// CreateOperatorKey makes an operator key and returns its secret, which is shown this once: only its hash is kept. It
// needs an operator with operator:manage; nobody can make a key that may do more, or lives longer, than the caller's.
// When the answer repeats an earlier one the secret is "".
func (e *Engine) CreateOperatorKey(ctx context.Context, p CreateOperatorKeyParams) (secret string, key *OperatorKey, err error) {
	if err := e.actor.mayOperate(PermOperatorManage); err != nil {
		return "", nil, err
	}
	if err := p.check(); err != nil {
		return "", nil, err
	}
	idempotencyKey := p.IdempotencyKey
	p.IdempotencyKey = ""
	once, err := newOnce(PlatformID, "operator_key.create", idempotencyKey, p)
	if err != nil {
		return "", nil, err
	}
	c := &createOperatorKey{header: header{tenant: PlatformID, by: e.actor, once: once, size: 1024}, p: p}
	if secret, err = c.newSecret(e.core); err != nil {
		return "", nil, err
	}
	if err := e.do(ctx, c); err != nil {
		return "", nil, err
	}
	if once != nil && once.replayed {
		key, err = replay(once.result, func(id OperatorKeyID) (*OperatorKey, error) { return e.getOperatorKey(ctx, id) },
			func(k *OperatorKey) *bool { return &k.Replayed })
		return "", key, err
	}
	return secret, c.answer, nil
}

func (p *CreateOperatorKeyParams) check() error {
	var bad problems
	bad.add("name", checkText(p.Name, 1, 100))
	if p.Permissions != nil {
		_, wrong := CompileOperatorPermissions(p.Permissions)
		bad = append(bad, wrong...)
		p.Permissions = slices.Clone(p.Permissions)
	}
	bad.between("expires_in_days", int64(p.ExpiresInDays), 0, maxExpiryDays)
	return bad.err()
}

type createOperatorKey struct {
	header
	p      CreateOperatorKeyParams
	first  bool // do nothing where there has ever been a key
	hash   [32]byte
	prefix string
	answer *OperatorKey
}

func (c *createOperatorKey) newSecret(e *core) (string, error) {
	var random [32]byte
	if err := e.read(random[:]); err != nil {
		return "", err
	}
	secret := newOperatorSecret(e.opts.KeyPrefix, random)
	c.hash, c.prefix = hashSecret(secret), displayPrefix(secret)
	return secret, nil
}

func (c *createOperatorKey) wants(b *Batch) { wantOperators(b, c.by) }

func (c *createOperatorKey) decide(l *ledger) error {
	a, now, err := l.account(PlatformID)
	if err != nil {
		return err
	}
	c.answer = nil
	k := c.key(now)
	by, expires, err := l.operator(c.by, now)
	if err != nil {
		return err
	}
	if err := by.covers(k, expires); err != nil {
		return err
	}
	for _, other := range l.Operators.All() {
		switch {
		case c.first:
			return nil
		case other.Name == k.Name && other.at(now).Status == KeyActive: // the audit knows operators by their names
			return &Error{Code: CodeAlreadyExists, Message: "the name is taken", Fields: []FieldError{{"name", "is taken"}}}
		}
	}
	l.touch(a, now)
	k.ID = newID[operatorKeyKind](now, l.entropy())
	l.Operators.Put(k.ID, k)
	c.answer = k.at(now)
	l.audit(a, c.by, now, change{action: "operator_key.create", kind: "operator_key", id: k.ID.String(), new: c.answer})
	if c.once != nil {
		c.once.result = k.ID.String()
	}
	return nil
}

func (c *createOperatorKey) key(now time.Time) *OperatorKey {
	k := &OperatorKey{
		Name: c.p.Name, KeyPrefix: NullString(c.prefix), Permissions: c.p.Permissions, CreatedAt: now, Hash: c.hash,
	}
	if c.p.ExpiresInDays > 0 {
		k.ExpiresAt = new(now.Add(time.Duration(c.p.ExpiresInDays) * day))
	}
	return k
}

// wantOperators names all operator keys, and the caller's so that it is known also where it is gone.
func wantOperators(b *Batch, by Actor) {
	ask(&b.OperatorKeys, struct{}{})
	if !by.OperatorKeyID.IsZero() {
		b.Operators.Want(by.OperatorKeyID)
	}
}

// operator returns an operator as its key is now, under the lock, and when that key expires.
func (l *ledger) operator(by Actor, now time.Time) (Actor, *time.Time, error) {
	if by.OperatorKeyID.IsZero() {
		return by, nil, nil
	}
	own := l.Operators.Get(by.OperatorKeyID)
	if own == nil {
		return Actor{}, nil, errUnauthenticated
	}
	current, err := own.actor(now)
	return current, own.ExpiresAt, err
}

// covers refuses to have an operator deal with a key that may do more than the operator's own, or lives longer where
// expires says when that ends.
func (a Actor) covers(k *OperatorKey, expires *time.Time) error {
	wants, err := k.set()
	if err != nil {
		return err
	}
	var bad []FieldError
	if !a.unrestricted() && (wants == 0 || !a.Permissions.Contains(wants)) {
		bad = append(bad, FieldError{"permissions", "must be permissions of the calling key"})
	}
	if expires != nil && (k.ExpiresAt == nil || k.ExpiresAt.After(*expires)) {
		bad = append(bad, FieldError{"expires_in_days", "must not outlive the calling key"})
	}
	if bad == nil {
		return nil
	}
	return &Error{Code: CodeForbidden, Message: "an operator key reaches no further than itself", Fields: bad}
}

// EnsureOperatorKey makes the first operator key where there has never been one, and returns its secret, which is shown
// this once; "" where there is one already. Only the program itself may call it.
func (e *Engine) EnsureOperatorKey(ctx context.Context, name string) (secret string, err error) {
	if e.actor.Kind != "" && e.actor.Kind != ActorProgram {
		return "", errorf(CodeForbidden, "only the program itself makes the first operator key")
	}
	p := CreateOperatorKeyParams{Name: name}
	if err := p.check(); err != nil {
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
	c := &createOperatorKey{header: header{tenant: PlatformID, by: e.actor, size: 512}, p: p, first: true}
	if secret, err = c.newSecret(e.core); err != nil {
		return "", err
	}
	if err := e.do(ctx, c); err != nil || c.answer == nil {
		return "", err
	}
	return secret, nil
}

// RevokeOperatorKey ends an operator key at once, on every server. Revoking again changes nothing and returns the key
// with its first reason. It needs an operator with operator:manage that reaches as far as the key. Unless the
// configuration gives a key, one that may do everything has to remain: else it is CodeInvalidTransition.
func (e *Engine) RevokeOperatorKey(ctx context.Context, p RevokeOperatorKeyParams) (*OperatorKey, error) {
	if err := e.actor.mayOperate(PermOperatorManage); err != nil {
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
	c := &revokeOperatorKey{
		header: header{tenant: PlatformID, by: e.actor, size: 1024}, p: p, spare: e.core.opts.OperatorSecret != "",
	}
	if err := e.do(ctx, c); err != nil {
		return nil, err
	}
	return c.answer, nil
}

type revokeOperatorKey struct {
	header
	p      RevokeOperatorKeyParams
	spare  bool // the configuration gives a key
	answer *OperatorKey
}

func (c *revokeOperatorKey) wants(b *Batch) {
	wantOperators(b, c.by)
	b.Operators.Want(c.p.KeyID)
}

func (c *revokeOperatorKey) object(l *ledger) (any, error) {
	_, now, err := l.account(PlatformID)
	if err != nil {
		return nil, err
	}
	k := l.Operators.Get(c.p.KeyID)
	if k == nil {
		return nil, notFound("operator key")
	}
	return k.at(now), nil
}

func (c *revokeOperatorKey) decide(l *ledger) error {
	a, now, err := l.account(PlatformID)
	if err != nil {
		return err
	}
	by, _, err := l.operator(c.by, now)
	if err != nil {
		return err
	}
	k := l.Operators.Get(c.p.KeyID)
	if k == nil {
		return notFound("operator key")
	}
	was := k.at(now)
	if was.Status == KeyRevoked {
		c.answer = was
		return nil
	}
	if err := by.covers(k, nil); err != nil {
		return err
	}
	if !c.spare && was.Status == KeyActive && !l.remains(k, now) {
		return errorf(CodeInvalidTransition, "this is the last operator key that may do everything: make another one first")
	}
	l.touch(a, now)
	next := *k
	next.RevokedAt, next.RevokedReason = &now, NullString(c.p.Reason)
	l.Operators.Put(k.ID, &next)
	c.answer = next.at(now)
	l.audit(a, c.by, now, change{
		action: "operator_key.revoke", kind: "operator_key", id: k.ID.String(),
		old: map[string]any{"status": was.Status}, new: map[string]any{"status": c.answer.Status, "revoked_reason": c.p.Reason},
	})
	return nil
}

// remains reports whether without this key there is one left that is good, and may do everything where this one may.
func (l *ledger) remains(without *OperatorKey, now time.Time) bool {
	for id, k := range l.Operators.All() {
		if id != without.ID && k.at(now).Status == KeyActive && (k.everything() || !without.everything()) {
			return true
		}
	}
	return false
}

func (e *Engine) getOperatorKey(ctx context.Context, id OperatorKeyID) (*OperatorKey, error) {
	b := &Batch{}
	b.Operators.Want(id)
	if err := e.view(ctx, func(r Reader) error { return r.Load(ctx, b) }); err != nil {
		return nil, err
	}
	if k := b.Operators.Get(id); k != nil {
		return k.at(e.now()), nil
	}
	return nil, notFound("operator key")
}

// GetOperatorKey returns an operator key, never its secret. It needs an operator with operator:read.
func (e *Engine) GetOperatorKey(ctx context.Context, id OperatorKeyID) (*OperatorKey, error) {
	if err := e.actor.mayOperate(PermOperatorRead); err != nil {
		return nil, err
	}
	return e.getOperatorKey(ctx, id)
}

// ListOperatorKeys lists the operator keys, newest first, never their secrets. It needs an operator with operator:read.
func (e *Engine) ListOperatorKeys(ctx context.Context, p ListOperatorKeysParams) (*List[*OperatorKey], error) {
	if err := e.actor.mayOperate(PermOperatorRead); err != nil {
		return nil, err
	}
	var bad problems
	scope := cursorScope("operator_keys", fmt.Sprint(p.IncludeRevoked))
	f := OperatorKeyFilter{}
	f.Limit, f.Before = pageOf[OperatorKeyID](p.Page, scope, &bad)
	if err := bad.err(); err != nil {
		return nil, err
	}
	now := e.now()
	if !p.IncludeRevoked {
		f.ActiveAt = now
	}
	out := &List[*OperatorKey]{Items: []*OperatorKey{}}
	err := e.view(ctx, func(r Reader) error {
		rows, err := r.ListOperatorKeys(ctx, f)
		for _, k := range trim(out, rows, f.Limit, scope, func(k *OperatorKey) OperatorKeyID { return k.ID }) {
			out.Items = append(out.Items, k.at(now))
		}
		return err
	})
	return out, err
}
