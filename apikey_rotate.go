package rentroll

import (
	"context"
	"slices"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// The overlap of a rotation: how long the old key stays good beside the new one.
const (
	DefaultOverlap = 24 * time.Hour
	MaxOverlap     = 30 * day
)

const (
	rotatedReason  = "Rotated"
	replacedReason = "Replaced: the key before it was rotated again"
)

// RotateAPIKeyParams replaces a key.
type RotateAPIKeyParams struct {
	TenantID       TenantID
	KeyID          KeyID
	Overlap        *time.Duration // how long the old key stays good, up to MaxOverlap; nil is DefaultOverlap, 0 ends it at once
	IdempotencyKey string
}

// RotateAPIKey makes the successor of a key: a new secret under the same limits, whose counters go on. The old key stays
// good for the overlap, or until its own expiry, and does not count against api_keys beside its successor. When the
// answer repeats an earlier one the secret is "".
//
// A secret that was lost with its answer is replaced by rotating the old key again, also after its end: the successor
// that nobody got is revoked in the same transaction. One that has been used, on this server or a second ago on another,
// was not lost, and the rotation is refused as CodeInvalidTransition.
//
// It needs key:manage; an API key can rotate itself, and keys that may do no more, and are no less restricted, than itself.
func (e *Engine) RotateAPIKey(ctx context.Context, p RotateAPIKeyParams) (secret string, key *APIKey, err error) {
	if err := e.may(p.TenantID, PermKeyManage); err != nil {
		return "", nil, err
	}
	overlap := DefaultOverlap
	if p.Overlap != nil {
		overlap = p.Overlap.Truncate(time.Microsecond)
	}
	var bad problems
	if overlap < 0 || overlap > MaxOverlap {
		bad.add("overlap_seconds", "must be between 0 and 2592000")
	}
	if err := bad.err(); err != nil {
		return "", nil, err
	}
	p.Overlap = &overlap
	idempotencyKey := p.IdempotencyKey
	p.IdempotencyKey = ""
	once, err := newOnce(p.TenantID, "api_key.rotate", idempotencyKey, p)
	if err != nil {
		return "", nil, err
	}
	var random [32]byte
	if err := e.core.read(random[:]); err != nil {
		return "", nil, err
	}
	secret = newSecret(e.core.opts.KeyPrefix, random, p.TenantID)
	c := &rotateAPIKey{
		header: header{tenant: p.TenantID, by: e.actor, once: once, size: 4096}, id: p.KeyID, overlap: overlap,
		hash: hashSecret(secret), prefix: displayPrefix(secret), suffix: displaySuffix(secret), used: e.core.stats.touched,
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

type rotateAPIKey struct {
	header
	id      KeyID
	overlap time.Duration
	hash    [32]byte
	prefix  string
	suffix  NullString
	used    func(KeyRef) bool // whether a key was used and its row may not say so yet
	answer  *APIKey
}

func (c *rotateAPIKey) wants(b *Batch) {
	b.Keys.Want(KeyRef{c.tenant, c.id})
	if !c.by.APIKeyID.IsZero() {
		b.Keys.Want(KeyRef{c.tenant, c.by.APIKeyID})
	}
}

func (c *rotateAPIKey) object(l *ledger) (any, error) { return l.keyAt(KeyRef{c.tenant, c.id}) }

func (c *rotateAPIKey) decide(l *ledger) error {
	a, plan, now, err := l.planned(c.tenant)
	if err != nil {
		return err
	}
	r, err := c.rotation(l)
	if err != nil {
		return err
	}
	if err := c.by.mayGive(r.old.Permissions); err != nil {
		return err
	}
	if err := a.active(); err != nil {
		return err
	}
	if err := r.check(now); err != nil {
		return err
	}
	next := r.successor(now)
	if err := c.permitted(l, next, now); err != nil {
		return err
	}
	if r.before.overlaps(now) {
		if err := l.makeRoom(a, plan, now); err != nil {
			return err
		}
	}
	l.touch(a, now)
	next.ID, next.Hash = newID[keyKind](now, l.entropy()), c.hash
	next.KeyPrefix, next.KeySuffix = c.prefix, c.suffix
	c.write(l, a, r, next, now)
	if c.once != nil {
		c.once.result = next.ID.String()
	}
	c.answer = next
	return nil
}

// rotation gathers the keys that a rotation is about, and asks for those that are not loaded yet.
func (c *rotateAPIKey) rotation(l *ledger) (r rotation, err error) {
	if r.old = l.Keys.Get(KeyRef{c.tenant, c.id}); r.old == nil {
		return r, notFound("API key")
	}
	var more error
	r.last, err = l.key(c.tenant, r.old.RotatedTo)
	r.before, more = l.key(c.tenant, r.old.RotatedFrom)
	if err == nil {
		err = more
	}
	r.used = r.last != nil && (r.last.LastUsedAt != nil || c.used(KeyRef{c.tenant, r.last.ID}))
	return r, err
}

// key returns a key that another one names, nil for none, and asks for it where it is not loaded.
func (l *ledger) key(tenant TenantID, id KeyID) (*APIKey, error) {
	if id.IsZero() {
		return nil, nil
	}
	ref := KeyRef{tenant, id}
	if !l.Keys.Knows(ref) {
		l.Keys.Want(ref)
		return nil, errMore
	}
	return l.Keys.Get(ref), nil
}

// permitted refuses a caller that could not have made the successor. A key that rotates itself could: the successor is
// what it was, its expiry included, which its own overlap may have cut short.
func (c *rotateAPIKey) permitted(l *ledger, next *APIKey, now time.Time) error {
	if c.by.APIKeyID.IsZero() {
		return nil
	}
	caller := l.Keys.Get(KeyRef{c.tenant, c.by.APIKeyID})
	if c.by.APIKeyID == c.id && caller.at(now).Status == KeyActive {
		return nil
	}
	return inherits(caller, next, now)
}

// makeRoom denies one more API key where there is no room for it even without those that have expired.
func (l *ledger) makeRoom(a *Account, plan *Plan, now time.Time) error {
	_, denied := a.take(plan, quota.APIKeys, 1, now)
	if denied == nil {
		return nil
	}
	freed, err := l.expireKeys(a, now)
	if err != nil {
		return err
	}
	if freed {
		_, denied = a.take(plan, quota.APIKeys, 1, now)
	}
	if denied != nil {
		return denied
	}
	return nil
}

// write writes a rotation. The successor takes the place of the old key, or of the successor that it replaces, so that
// the number of keys stays.
func (c *rotateAPIKey) write(l *ledger, a *Account, r rotation, next *APIKey, now time.Time) {
	put := func(k *APIKey) { l.Keys.Put(KeyRef{c.tenant, k.ID}, k) }
	log := func(action string, k *APIKey, old, new any) {
		l.audit(a, c.by, now, change{action: action, kind: "api_key", id: k.ID.String(), old: old, new: new})
	}
	a.Generation++
	if r.before.overlaps(now) {
		before := *r.before
		before.InOverlap = false
		a.APIKeys++
		put(&before)
	}
	if r.last != nil && r.last.at(now).Status == KeyActive {
		lost := r.last.revoked(replacedReason, now)
		put(lost)
		log("api_key.revoke", lost, map[string]any{"status": r.last.Status},
			map[string]any{"status": lost.Status, "revoked_reason": lost.RevokedReason})
	}
	old := r.ending(next, c.overlap, now)
	put(old)
	put(next)
	a.expectExpiry(old.ExpiresAt)
	a.expectExpiry(next.ExpiresAt)
	log("api_key.rotate", old, map[string]any{"status": r.old.at(now).Status, "expires_at": r.old.ExpiresAt, "rotated_to": r.old.RotatedTo},
		map[string]any{"status": old.at(now).Status, "expires_at": old.ExpiresAt, "rotated_to": old.RotatedTo})
	log("api_key.create", next, nil, next)
}

// rotation is the keys that a rotation is about. Its methods decide; they change nothing.
type rotation struct {
	old    *APIKey // the one to replace
	last   *APIKey // what an earlier rotation replaced it by; nil where it is the first
	before *APIKey // the one that it replaced itself; nil for none
	used   bool    // whether last has been used
}

// check refuses to rotate a key that is not active, unless its successor was lost, and one whose successor was not.
func (r rotation) check(now time.Time) error {
	if r.last == nil || r.last.at(now).Status != KeyActive && r.last.RotatedTo.IsZero() {
		if status := r.old.at(now).Status; status != KeyActive {
			return errorf(CodeInvalidTransition, "the API key is %s", status)
		}
		return nil
	}
	switch {
	case !r.last.RotatedTo.IsZero():
		return errorf(CodeInvalidTransition, "the API key's successor %s has been rotated itself: rotate the newest", r.last.ID)
	case r.used:
		return errorf(CodeInvalidTransition, "the API key's successor %s is in use: rotate that one", r.last.ID)
	}
	return nil
}

// successor returns the key that is to replace the old one, but for its id and secret. Where the old one was rotated
// before, its expiry is the end of an overlap, and its own is the successor's.
func (r rotation) successor(now time.Time) *APIKey {
	k := r.old
	expires := k.ExpiresAt
	if r.last != nil {
		expires = r.last.ExpiresAt
	}
	return &APIKey{
		TenantID: k.TenantID, Name: k.Name, UserID: k.UserID, Permissions: slices.Clone(k.Permissions),
		AllowedWorkers: slices.Clone(k.AllowedWorkers), AllowedIPs: slices.Clone(k.AllowedIPs), RateLimitRPM: k.RateLimitRPM,
		MaxConcurrentRuns: k.MaxConcurrentRuns, MaxTokensPerMonth: k.MaxTokensPerMonth, ExpiresAt: expires,
		Status: KeyActive, CreatedAt: now, Family: k.Family, RotatedFrom: k.ID,
	}
}

// ending returns the old key beside its successor: good for the overlap, but no longer than it would have been. One that
// has ended stays as it is.
func (r rotation) ending(next *APIKey, overlap time.Duration, now time.Time) *APIKey {
	k := *r.old
	k.RotatedTo = next.ID
	switch {
	case k.at(now).Status != KeyActive:
		return &k
	case overlap == 0:
		return k.revoked(rotatedReason, now)
	}
	until := now.Add(overlap)
	if next.ExpiresAt != nil && next.ExpiresAt.Before(until) {
		until = *next.ExpiresAt
	}
	k.ExpiresAt, k.InOverlap = &until, true
	return &k
}

// overlaps reports whether the key, which may be nil, is good beside its successor and does not count. It does count as
// soon as that one gives its own place away, or a chain of rotations would make any number of keys.
func (k *APIKey) overlaps(now time.Time) bool {
	return k != nil && k.InOverlap && k.at(now).Status == KeyActive
}

// revoked returns the key as it is when it has been ended.
func (k *APIKey) revoked(reason NullString, now time.Time) *APIKey {
	next := *k
	next.Status, next.RevokedAt, next.RevokedReason, next.InOverlap = KeyRevoked, &now, reason, false
	return &next
}
