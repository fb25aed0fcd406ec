package rentroll

import (
	"net/netip"
	"time"
)

// Session is the stay of somebody who has signed in with a key, an operator's or a tenant's. It may do what the key may do
// and dies with it. Who holds its token is whom it lets in; the token is shown once, to whoever signed in.
type Session struct {
	TenantID      TenantID      // of an API key; zero for operators
	APIKeyID      KeyID         // the API key
	OperatorKeyID OperatorKeyID // the operator key; zero for one of the configuration
	CreatedAt     time.Time
	SeenAt        time.Time // when it was last used, to the minute
	ExpiresAt     time.Time // unless it is used before
	EndsAt        time.Time // however much it is used

	// Hash is the SHA-256 of the token.
	Hash [32]byte
	// KeyHash is the SHA-256 of the key's secret.
	KeyHash [32]byte
}

// SignInParams asks for a session. Secret is required.
type SignInParams struct {
	Secret   string        // of an operator key or an API key
	From     netip.Addr    // where the caller is; what it means is said at AuthenticateFrom
	Idle     time.Duration // after which a session that is not used ends: a minute to MaxSession; 0 is DefaultSessionIdle
	Lifetime time.Duration // after which it ends in any case: Idle to MaxSession; 0 is DefaultSessionLifetime

	// Where the call comes from, for the audit; both may be empty.
	RequestID string
	UserAgent string
}

// How long sessions live.
const (
	DefaultSessionIdle     = 30 * time.Minute
	DefaultSessionLifetime = 12 * time.Hour
	MaxSession             = 30 * 24 * time.Hour
	minSession             = time.Minute
)

// sessionStep is how exact SeenAt is: a session that is used is not written more often.
const sessionStep = time.Minute

func (p *SignInParams) check() error {
	if p.Idle == 0 {
		p.Idle = DefaultSessionIdle
	}
	if p.Lifetime == 0 {
		p.Lifetime = max(DefaultSessionLifetime, p.Idle)
	}
	var bad problems
	if p.Idle < minSession || p.Idle > MaxSession {
		bad.add("idle", "must be between a minute and 30 days")
	}
	if p.Lifetime < p.Idle || p.Lifetime > MaxSession {
		bad.add("lifetime", "must be between the idle time and 30 days")
	}
	return bad.err()
}

// account is where the audit notes the session.
func (s *Session) account() TenantID {
	if s.TenantID.IsZero() {
		return PlatformID
	}
	return s.TenantID
}

// seen is the session after it was used.
func (s *Session) seen(now time.Time) *Session {
	next := *s
	idle := s.ExpiresAt.Sub(s.SeenAt)
	if now.After(s.SeenAt) {
		next.SeenAt = now
		next.ExpiresAt = earliest(now.Add(idle), s.EndsAt)
	}
	return &next
}
