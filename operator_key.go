package rentroll

import (
	"slices"
	"time"
)

// OperatorKey lets an operator in, without the secret: only its SHA-256 is kept. A key of the configuration
// (Options.OperatorSecret) is in no list.
type OperatorKey struct {
	ID            OperatorKeyID `json:"id"`
	Name          string        `json:"name"`
	KeyPrefix     NullString    `json:"key_prefix"`  // the first 12 characters of the secret; null for keys of old servers
	Permissions   []string      `json:"permissions"` // nil for everything
	ExpiresAt     *time.Time    `json:"expires_at"`
	Status        KeyStatus     `json:"status"` // follows from the times
	CreatedAt     time.Time     `json:"created_at"`
	RevokedAt     *time.Time    `json:"revoked_at"`
	RevokedReason NullString    `json:"revoked_reason"`

	Replayed bool `json:"-"` // the answer repeats an earlier one with the same idempotency key

	// Hash is the SHA-256 of the secret.
	Hash [32]byte `json:"-"`
}

// at returns the key as it is now.
func (k *OperatorKey) at(now time.Time) *OperatorKey {
	known := *k
	known.Status = k.statusAt(now)
	return &known
}

func (k *OperatorKey) statusAt(now time.Time) KeyStatus {
	switch {
	case k.RevokedAt != nil:
		return KeyRevoked
	case k.ExpiresAt != nil && !now.Before(*k.ExpiresAt):
		return KeyExpired
	default:
		return KeyActive
	}
}

// actor returns whom the key lets in.
func (k *OperatorKey) actor(now time.Time) (Actor, error) {
	if k.statusAt(now) != KeyActive {
		return Actor{}, errUnauthenticated
	}
	permissions, err := k.set()
	return Actor{Kind: ActorOperator, Name: k.Name, OperatorKeyID: k.ID, Permissions: permissions}, err
}

// set returns the key's permissions; 0 is everything. Stored permissions that this program does not know are a failure:
// a key must never be let in with less, which could be everything.
func (k *OperatorKey) set() (PermissionSet, error) {
	if k.everything() {
		return 0, nil
	}
	permissions, wrong := CompileOperatorPermissions(k.Permissions)
	if len(wrong) > 0 {
		return 0, errorf(CodeInternal, "the operator key holds permissions that this program does not know")
	}
	return permissions, nil
}

func (k *OperatorKey) everything() bool {
	return k.Permissions == nil || slices.Contains(k.Permissions, "*")
}

// CreateOperatorKeyParams describes a new operator key. Name is required.
type CreateOperatorKeyParams struct {
	Name           string   // 1–100 characters, and no other good key's
	Permissions    []string // nil is everything; an empty list is refused
	ExpiresInDays  int      // 1–3,650; 0 is never
	IdempotencyKey string
}

// RevokeOperatorKeyParams ends an operator key. Revoking a key that is already revoked changes nothing: the first reason
// stays.
type RevokeOperatorKeyParams struct {
	KeyID  OperatorKeyID
	Reason string // "" is "Manual revocation"
}

// ListOperatorKeysParams pages the operator keys, newest first.
type ListOperatorKeysParams struct {
	IncludeRevoked bool // revoked and expired ones too
	Page
}
