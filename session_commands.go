package rentroll

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"net/netip"
	"time"
)

// SignIn opens a session for whoever presents the secret of an operator key or an API key, and returns its token: the
// caller keeps it from everybody else, and gives it to ResumeSession with each request. It counts as one request against
// the rate limits of an API key. A secret that is good for nobody is CodeUnauthenticated.
func (e *Engine) SignIn(ctx context.Context, p SignInParams) (token string, actor Actor, err error) {
	if err := p.check(); err != nil {
		return "", Actor{}, err
	}
	if actor, err = e.AuthenticateFrom(ctx, p.Secret, p.From); err != nil {
		return "", Actor{}, err
	}
	actor.RequestID, actor.UserAgent = p.RequestID, p.UserAgent
	var random [32]byte
	if err := e.core.read(random[:]); err != nil {
		return "", Actor{}, err
	}
	token = base64.RawURLEncoding.EncodeToString(random[:])
	now := e.now()
	s := &Session{
		TenantID: actor.TenantID, APIKeyID: actor.APIKeyID, OperatorKeyID: actor.OperatorKeyID,
		CreatedAt: now, SeenAt: now, ExpiresAt: now.Add(p.Idle), EndsAt: now.Add(p.Lifetime),
		Hash: sha256.Sum256([]byte(token)), KeyHash: hashSecret(p.Secret),
	}
	c := &openSession{header: header{tenant: s.account(), by: actor, size: 1024}, session: s}
	if err := e.do(ctx, c); err != nil {
		return "", Actor{}, err
	}
	return token, actor, nil
}

// openSession also removes sessions that have expired: as many as are opened go, and some more.
type openSession struct {
	header
	session *Session
}

func (c *openSession) wants(b *Batch) {
	b.Sessions.Want(c.session.Hash)
	ask(&b.ExpiredSessions, c.session.CreatedAt)
}

func (c *openSession) decide(l *ledger) error {
	a, now, err := l.account(c.tenant)
	if err != nil {
		return err
	}
	l.touch(a, now)
	for _, hash := range *l.ExpiredSessions[c.session.CreatedAt] {
		l.Sessions.Delete(hash)
	}
	l.Sessions.Put(c.session.Hash, c.session)
	l.audit(a, c.by, now, change{action: "session.open", kind: "session", id: c.session.name(), new: map[string]any{"ends_at": c.session.EndsAt}})
	return nil
}

// name is how the audit calls the session.
func (s *Session) name() string { return hex.EncodeToString(s.Hash[:8]) }

// ResumeSession returns who acts by the token of a session: the same as Authenticate returns for its key, without
// counting a request. A token that is good for nobody, one of a session that has expired, and one whose key is not good
// any more are CodeUnauthenticated. Use says that somebody is at work, and not only a page that renews itself: only then
// does the session live on.
func (e *Engine) ResumeSession(ctx context.Context, token string, from netip.Addr, use bool) (Actor, error) {
	if len(token) != base64.RawURLEncoding.EncodedLen(32) {
		return Actor{}, errUnauthenticated
	}
	hash := sha256.Sum256([]byte(token))
	b := &Batch{}
	b.Sessions.Want(hash)
	if err := e.view(ctx, func(r Reader) error { return r.Load(ctx, b) }); err != nil {
		return Actor{}, err
	}
	s, now := b.Sessions.Get(hash), e.now()
	if s == nil || !now.Before(s.ExpiresAt) {
		return Actor{}, errUnauthenticated
	}
	actor, err := e.sessionActor(ctx, s, from)
	if err != nil {
		return Actor{}, err
	}
	if from.IsValid() {
		actor.IP = from.String()
	}
	if use && now.Sub(s.SeenAt) >= sessionStep {
		err = e.do(ctx, &useSession{header: header{tenant: s.account(), by: actor, size: 256}, hash: hash, at: now})
	}
	return actor, err
}

// sessionActor is who the session's key lets in now.
func (e *Engine) sessionActor(ctx context.Context, s *Session, from netip.Addr) (Actor, error) {
	switch {
	case !s.TenantID.IsZero():
		k, err := e.keyByHash(ctx, KeyHash{s.TenantID, s.KeyHash})
		if err != nil {
			return Actor{}, err
		}
		return e.admitKey(k, e.now(), from)
	case !s.OperatorKeyID.IsZero():
		return e.authenticateOperator(ctx, s.KeyHash)
	}
	if own := &e.core.ownOperator; e.core.opts.OperatorSecret == "" || subtle.ConstantTimeCompare(own[:], s.KeyHash[:]) != 1 {
		return Actor{}, errUnauthenticated
	}
	return Actor{Kind: ActorOperator}, nil
}

// useSession notes that a session was used.
type useSession struct {
	header
	hash [32]byte
	at   time.Time
}

func (c *useSession) wants(b *Batch) { b.Sessions.Want(c.hash) }

func (c *useSession) decide(l *ledger) error {
	if s := l.Sessions.Get(c.hash); s != nil {
		l.Sessions.Put(c.hash, s.seen(c.at))
	}
	return nil
}

// SignOut ends a session at once, on every server. One that is not there is no error.
func (e *Engine) SignOut(ctx context.Context, token string) error {
	hash := sha256.Sum256([]byte(token))
	b := &Batch{}
	b.Sessions.Want(hash)
	if err := e.view(ctx, func(r Reader) error { return r.Load(ctx, b) }); err != nil {
		return err
	}
	s := b.Sessions.Get(hash)
	if s == nil {
		return nil
	}
	return e.do(ctx, &closeSession{header: header{tenant: s.account(), by: e.actor, size: 512}, session: s})
}

type closeSession struct {
	header
	session *Session
}

func (c *closeSession) wants(b *Batch) { b.Sessions.Want(c.session.Hash) }

func (c *closeSession) decide(l *ledger) error {
	a, now, err := l.account(c.tenant)
	if err != nil {
		return err
	}
	if l.Sessions.Get(c.session.Hash) == nil {
		return nil
	}
	l.touch(a, now)
	l.Sessions.Delete(c.session.Hash)
	l.audit(a, c.by, now, change{action: "session.close", kind: "session", id: c.session.name()})
	return nil
}
