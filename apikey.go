package rentroll

import (
	"net/netip"
	"slices"
	"time"
)

// KeyStatus is the state of an API key.
type KeyStatus string

// The states of an API key. An active key past its expiry counts as expired whether or not anything has marked it yet.
const (
	KeyActive  KeyStatus = "active"
	KeyRevoked KeyStatus = "revoked"
	KeyExpired KeyStatus = "expired"
)

// APIKey is the secret a program presents, without the secret: only its SHA-256 is kept.
type APIKey struct {
	ID                KeyID      `json:"id"`
	TenantID          TenantID   `json:"tenant_id"`
	Name              string     `json:"name"`
	KeyPrefix         string     `json:"key_prefix"` // the first 12 characters of the secret
	KeySuffix         NullString `json:"key_suffix"` // its last 4; null for imported keys, and for keys of old servers
	UserID            UserID     `json:"user_id"`
	Permissions       []string   `json:"permissions"`
	AllowedWorkers    []string   `json:"allowed_workers"` // nil for all
	AllowedIPs        []string   `json:"allowed_ips"`     // networks to use it from, as CIDRs; nil for all
	RateLimitRPM      *int64     `json:"rate_limit_rpm"`
	MaxConcurrentRuns *int64     `json:"max_concurrent_runs"`
	MaxTokensPerMonth *int64     `json:"max_tokens_per_month"`
	ExpiresAt         *time.Time `json:"expires_at"`
	Status            KeyStatus  `json:"status"`
	LastUsedAt        *time.Time `json:"last_used_at"` // at most a second behind
	TotalRequests     int64      `json:"total_requests"`
	CreatedAt         time.Time  `json:"created_at"`
	RevokedAt         *time.Time `json:"revoked_at"`
	RevokedReason     NullString `json:"revoked_reason"`
	RotatedTo         KeyID      `json:"rotated_to"`

	Replayed bool `json:"-"` // the answer repeats an earlier one with the same idempotency key

	// Family is the id of the first key of a chain of rotations; a key's own counters belong to its family.
	Family KeyID `json:"-"`
	// RotatedFrom is the key that this one replaced.
	RotatedFrom KeyID `json:"-"`
	// InOverlap marks an active key that is good for a while beside its successor, and counts against that one's place.
	InOverlap bool `json:"-"`
	// Hash is the SHA-256 of the secret.
	Hash [32]byte `json:"-"`
}

// at returns the key as it is now: an active key whose expiry has come is expired.
func (k *APIKey) at(now time.Time) *APIKey {
	if k.Status == KeyActive && k.ExpiresAt != nil && !now.Before(*k.ExpiresAt) {
		expired := *k
		expired.Status, expired.InOverlap = KeyExpired, false
		return &expired
	}
	return k
}

// counted reports whether the key has limits of its own, whose use is kept in its family's row.
func (k *APIKey) counted() bool { return k.MaxConcurrentRuns != nil || k.MaxTokensPerMonth != nil }

func (k *APIKey) allowsWorker(worker string) bool {
	return k.AllowedWorkers == nil || slices.Contains(k.AllowedWorkers, worker)
}

// CreateAPIKeyParams describes a new key. TenantID and Name are required.
type CreateAPIKeyParams struct {
	TenantID          TenantID
	Name              string // 1–100 characters
	UserID            UserID
	Permissions       []string // nil is run:* and read:*; an empty list is refused
	AllowedWorkers    []string // nil is all; an empty list is refused
	AllowedIPs        []string // addresses and CIDRs, up to 100; nil is all; an empty list is refused
	ExpiresInDays     int      // 1–3,650; 0 is never
	RateLimitRPM      *int64   // requests a minute, 1–1,000,000; over several servers approximate
	MaxConcurrentRuns *int64
	MaxTokensPerMonth *int64
	IdempotencyKey    string
}

// RevokeAPIKeyParams ends a key. Revoking a key that is already revoked changes nothing: the first reason stays.
type RevokeAPIKeyParams struct {
	TenantID TenantID
	KeyID    KeyID
	Reason   string // "" is "Manual revocation"
}

// ListAPIKeysParams pages a tenant's keys, newest first.
type ListAPIKeysParams struct {
	TenantID       TenantID
	IncludeRevoked bool // revoked and expired ones too

	// ExpiringWithinDays asks for the active keys that expire within so many days, 1–3,650, the earliest first. 0 is all.
	ExpiringWithinDays int
	Page
}

// VerifyAPIKeyParams asks whether a secret is good, and for what.
type VerifyAPIKeyParams struct {
	Secret     string
	Permission Permission // also ask for this permission; "" for none
	WorkerID   string     // also ask for this worker; "" for none
	IP         netip.Addr // from where the secret was presented; a key with AllowedIPs is refused where that is not known
}

// Verification is the answer about a secret. Code is "" when Valid, else the first reason against it: malformed,
// not_found, tenant_suspended, tenant_terminated, revoked, expired, ip_not_allowed, insufficient_permissions,
// worker_not_allowed, rate_limited.
// Everything about the key is there only when the secret is one that the caller may know of. The lists are shared with
// what is kept in memory and must not be changed.
type Verification struct {
	Valid          bool           `json:"valid"`
	Code           NullString     `json:"code"`
	TenantID       TenantID       `json:"tenant_id"`
	TenantStatus   NullString     `json:"tenant_status"`
	APIKeyID       KeyID          `json:"api_key_id"`
	Plan           NullString     `json:"plan"`
	Permissions    []string       `json:"permissions"`
	AllowedWorkers []string       `json:"allowed_workers"`
	RateLimit      *RateLimitInfo `json:"rate_limit"`
	Stale          bool           `json:"stale"`

	// RateLimits are all limits of requests a minute that the key and its tenant have, with this verification counted.
	RateLimits []RateLimit `json:"-"`
}

// RateLimitInfo is the state of the one rate limit, of the key or its tenant, that leaves the least.
type RateLimitInfo struct {
	Limit     int64     `json:"limit"`
	Remaining int64     `json:"remaining"`
	ResetsAt  time.Time `json:"resets_at"`
}

// KeyUse is what the runs of one key family hold and have used, kept only for keys with limits of their own. It lives
// under the account's lock.
type KeyUse struct {
	TenantID       TenantID
	Family         KeyID
	ConcurrentRuns int64
	TokensReserved int64
	Tokens         Tally // of the month
}

// with returns the counters with one more run.
func (u *KeyUse) with(run *Run) *KeyUse {
	next := *u
	next.ConcurrentRuns++
	next.TokensReserved += run.ReservedTokens
	return &next
}
