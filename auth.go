package rentroll

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/netip"
	"time"
)

var errUnauthenticated = &Error{Code: CodeUnauthenticated, Message: "the credential is missing or not valid"}

// Authenticate finds out who presents a secret: an operator or a tenant's API key. A secret that is good for nobody is
// CodeUnauthenticated, without distinction. The keys of a tenant that is not active are let in: what they may then still
// do is decided operation by operation. The caller may add where the call came from before using the Actor.
//
// It counts one request against the rate limits of an API key and its tenant. Beyond them the error is CodeRateLimited, and
// the Actor holds nothing but its RateLimits.
func (e *Engine) Authenticate(ctx context.Context, secret string) (Actor, error) {
	return e.AuthenticateFrom(ctx, secret, netip.Addr{})
}

// AuthenticateFrom is Authenticate for a call from an address. API keys that are restricted to networks are good from
// there only, and so never without a valid address. The Actor's IP is set.
func (e *Engine) AuthenticateFrom(ctx context.Context, secret string, from netip.Addr) (Actor, error) {
	actor, err := e.authenticate(ctx, secret, from)
	if err == nil && from.IsValid() {
		actor.IP = from.String()
	}
	return actor, err
}

func (e *Engine) authenticate(ctx context.Context, secret string, from netip.Addr) (Actor, error) {
	hash := hashSecret(secret)
	if own := &e.core.ownOperator; e.core.opts.OperatorSecret != "" && subtle.ConstantTimeCompare(hash[:], own[:]) == 1 {
		return Actor{Kind: ActorOperator}, nil
	}
	if isOperatorSecret(secret) {
		return e.authenticateOperator(ctx, hash)
	}
	k, _, err := e.keyOf(ctx, secret)
	switch {
	case errors.Is(err, errMalformed):
		return Actor{}, errUnauthenticated
	case err != nil:
		return Actor{}, err
	case k.key == nil:
		return Actor{}, errUnauthenticated
	}
	now := k.clock(e.now())
	actor, err := e.admitKey(k, now, from)
	if err != nil {
		return Actor{}, err
	}
	e.core.stats.touch(k, now)
	limits, refused := e.core.rates(k, now)
	if refused {
		return Actor{RateLimits: limits}, errRateLimited(limits)
	}
	actor.RateLimits = limits
	return actor, nil
}

// admitKey returns whom an API key lets in.
func (e *Engine) admitKey(k *cachedKey, now time.Time, from netip.Addr) (Actor, error) {
	now = k.clock(now)
	if k.key == nil || k.key.at(now).Status != KeyActive || k.status.deadAt(k.since, now) || !k.key.allowsIP(from) {
		return Actor{}, errUnauthenticated
	}
	if k.unreadable {
		return Actor{}, errorf(CodeInternal, "the API key holds permissions that this program does not know")
	}
	return Actor{
		Kind: ActorAPIKey, TenantID: k.tenant, APIKeyID: k.key.ID, Permissions: k.permissions,
		key: k.key, status: k.status, statusSince: k.since,
	}, nil
}

// deadAt reports whether the keys of a tenant that has had a status since then are good for nothing any more.
func (s TenantStatus) deadAt(since, now time.Time) bool {
	return s == TenantArchived || s == TenantTerminated && !now.Before(since.Add(terminatedGrace))
}

func (e *Engine) authenticateOperator(ctx context.Context, hash [32]byte) (Actor, error) {
	k, err := e.operatorKeyOf(ctx, hash)
	if err != nil {
		return Actor{}, err
	}
	if k == nil {
		return Actor{}, errUnauthenticated
	}
	return k.actor(e.now())
}

// VerifyAPIKey answers whether a secret is good, and for what. Operators may ask about every key; an API key needs
// key:verify and learns of its own tenant's keys only, others' are not_found. A verification counts as a use of the key.
func (e *Engine) VerifyAPIKey(ctx context.Context, p VerifyAPIKeyParams) (*Verification, error) {
	asked := e.now()
	if err := e.actor.may(e.actor.TenantID, PermKeyVerify, asked); err != nil {
		return nil, err
	}
	var bad problems
	if len(p.Secret) == 0 || len(p.Secret) > 1024 {
		bad.add("secret", "must be 1 to 1,024 characters")
	}
	if _, known := permissionPatterns[string(p.Permission)]; p.Permission != "" && !known {
		bad.add("permission", "is not a permission")
	}
	if p.WorkerID != "" {
		bad.add("worker_id", checkWorkerID(p.WorkerID))
	}
	if err := bad.err(); err != nil {
		return nil, err
	}
	k, stale, err := e.keyOf(ctx, p.Secret)
	switch {
	case errors.Is(err, errMalformed):
		return &Verification{Code: "malformed"}, nil
	case err != nil:
		return nil, err
	case k.key == nil || !e.actor.privileged() && k.tenant != e.actor.TenantID:
		return &Verification{Code: NullString(CodeNotFound)}, nil
	}
	now := k.clock(asked)
	v := &Verification{
		TenantID: k.tenant, TenantStatus: NullString(k.status), APIKeyID: k.key.ID, Plan: NullString(k.plan),
		Permissions: k.key.Permissions, AllowedWorkers: k.key.AllowedWorkers, Code: k.verdict(p, now), Stale: stale,
	}
	if v.Code == "" && k.key.ID != e.actor.APIKeyID { // a caller that asks about itself was counted as it came in
		list, refused := e.core.rates(k, now)
		v.RateLimits = list
		if v.RateLimit = k.info(list, now); refused {
			v.Code = NullString(CodeRateLimited)
		}
	}
	v.Valid = v.Code == ""
	if v.Valid {
		e.core.stats.touch(k, now)
	}
	return v, nil
}

// verdict returns the first reason against a key, "" for none.
func (k *cachedKey) verdict(p VerifyAPIKeyParams, now time.Time) NullString {
	switch {
	case k.status == TenantSuspended:
		return NullString(CodeTenantSuspended)
	case k.status != TenantActive:
		return NullString(CodeTenantTerminated)
	case k.key.Status == KeyRevoked:
		return "revoked"
	case k.key.at(now).Status == KeyExpired:
		return "expired"
	case !k.key.allowsIP(p.IP):
		return "ip_not_allowed"
	case p.Permission != "" && !k.permissions.Contains(permissionPatterns[string(p.Permission)]):
		return "insufficient_permissions"
	case p.WorkerID != "" && !k.key.allowsWorker(p.WorkerID):
		return NullString(CodeWorkerNotAllowed)
	}
	return ""
}
