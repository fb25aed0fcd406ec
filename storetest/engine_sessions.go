package storetest

import (
	"net/netip"
	"strings"
	"time"

	"github.com/rentroll/rentroll"
)

// guest is somebody with a session.
type guest struct {
	*house

	token string
	from  netip.Addr
}

func (h *house) guest(p rentroll.SignInParams) *guest {
	h.Helper()
	token, actor, err := h.SignIn(h.Context(), p)
	h.must(err)
	g := &guest{h, token, p.From}
	same(h.scene, "who resumes", g.actor(false).String(), actor.String())
	return g
}

func (g *guest) resume(use bool) (rentroll.Actor, error) {
	return g.ResumeSession(g.Context(), g.token, g.from, use)
}

func (g *guest) actor(use bool) rentroll.Actor {
	g.Helper()
	actor, err := g.resume(use)
	g.must(err)
	return actor
}

func (g *guest) isOut(what string) {
	g.Helper()
	_, err := g.resume(true)
	g.refused(what, err, rentroll.CodeUnauthenticated)
}

func engineSessions(s *scene) {
	h := s.engine()
	ctx := h.Context()
	_, _, secret := h.operator(h.Engine, rentroll.CreateOperatorKeyParams{Name: "ops", Permissions: []string{"read:*", "tenant:*"}})
	g := h.guest(rentroll.SignInParams{Secret: secret, Idle: 10 * time.Minute, Lifetime: 25 * time.Minute})
	same(s, "the permissions", g.actor(false).Permissions, h.as(secret).Actor().Permissions)

	h.pass(9 * time.Minute)
	g.actor(true)
	h.pass(9 * time.Minute)
	g.actor(false) // a page that renews itself keeps nobody in
	h.pass(time.Minute)
	g.isOut("after ten idle minutes")

	g = h.guest(rentroll.SignInParams{Secret: secret, Idle: 10 * time.Minute, Lifetime: 25 * time.Minute})
	for range 3 {
		h.pass(8 * time.Minute)
		g.actor(true)
	}
	h.pass(time.Minute)
	g.isOut("after its life")

	g = h.guest(rentroll.SignInParams{Secret: secret})
	other := h.guest(rentroll.SignInParams{Secret: secret})
	h.must(h.As(g.actor(true)).SignOut(ctx, g.token))
	h.must(h.As(other.actor(true)).SignOut(ctx, g.token))
	g.isOut("after it signed out")
	other.actor(true)

	for _, token := range []string{"", "x", strings.Repeat("A", 43), g.token + "x", strings.ToUpper(other.token)} {
		_, err := h.ResumeSession(ctx, token, netip.Addr{}, true)
		h.refused("the token "+token, err, rentroll.CodeUnauthenticated)
	}
	_, _, err := h.SignIn(ctx, rentroll.SignInParams{Secret: secret + "x"})
	h.refused("a wrong secret", err, rentroll.CodeUnauthenticated)
	_, _, err = h.SignIn(ctx, rentroll.SignInParams{Secret: secret, Idle: time.Second})
	h.refused("a moment", err, rentroll.CodeValidationFailed, "idle")
	_, _, err = h.SignIn(ctx, rentroll.SignInParams{Secret: secret, Idle: time.Hour, Lifetime: time.Minute})
	h.refused("a life shorter than its rest", err, rentroll.CodeValidationFailed, "lifetime")

	// Who signs in cleans up: of the four that were opened one is left.
	h.pass(13 * time.Hour)
	last := h.guest(rentroll.SignInParams{Secret: secret})
	at := h.Now().Add(24 * time.Hour)
	b := s.load(func(b *rentroll.Batch) { b.ExpiredSessions = map[time.Time]*[][32]byte{at: nil} })
	same(s, "the sessions that are left", len(*b.ExpiredSessions[at]), 1)
	last.actor(true)
	rows, err := h.ListAudit(ctx, rentroll.ListAuditParams{Page: rentroll.Page{Limit: 3}})
	h.must(err)
	same(s, "the audit", []string{rows.Items[0].Action, rows.Items[0].Actor}, []string{"session.open", "operator:ops"})
}

func engineSessionsDie(s *scene) {
	h := s.engine()
	ctx := h.Context()
	key, _, secret := h.operator(h.Engine, rentroll.CreateOperatorKeyParams{Name: "ops"})
	h.operator(h.Engine, rentroll.CreateOperatorKeyParams{Name: "another"})
	operator := h.guest(rentroll.SignInParams{Secret: secret})
	_, err := h.RevokeOperatorKey(ctx, rentroll.RevokeOperatorKeyParams{KeyID: key.ID})
	h.must(err)
	operator.isOut("its key is revoked")

	tenant := h.newTenant("acme", nil)
	newKey := func(ips ...string) (rentroll.KeyID, string) {
		secret, k, err := h.CreateAPIKey(ctx, rentroll.CreateAPIKeyParams{TenantID: tenant, Name: "k", AllowedIPs: ips, ExpiresInDays: 1})
		h.must(err)
		return k.ID, secret
	}
	id, own := newKey()
	g := h.guest(rentroll.SignInParams{Secret: own})
	used, err := h.GetAPIKey(ctx, tenant, id)
	h.must(err)
	if _, err := h.As(g.actor(true)).GetTenant(ctx, tenant); err != nil {
		h.Errorf("its own tenant: %v", err)
	}
	_, err = h.As(g.actor(true)).ListTenants(ctx, rentroll.ListTenantsParams{})
	h.refused("all tenants", err, rentroll.CodeForbidden)
	_, err = h.Suspend(ctx, rentroll.TransitionParams{TenantID: tenant})
	h.must(err)
	_, _, err = h.As(g.actor(true)).CreateAPIKey(ctx, rentroll.CreateAPIKeyParams{TenantID: tenant, Name: "k2"})
	h.refused("a key while suspended", err, rentroll.CodeForbidden)
	_, err = h.Resume(ctx, rentroll.TransitionParams{TenantID: tenant})
	h.must(err)
	again, err := h.GetAPIKey(ctx, tenant, id)
	h.must(err)
	same(s, "the requests that sessions count", again.TotalRequests, used.TotalRequests)
	_, err = h.RevokeAPIKey(ctx, rentroll.RevokeAPIKeyParams{TenantID: tenant, KeyID: id})
	h.must(err)
	g.isOut("its API key is revoked")

	_, bound := newKey("192.0.2.0/24")
	home := netip.MustParseAddr("192.0.2.7")
	_, _, err = h.SignIn(ctx, rentroll.SignInParams{Secret: bound, From: netip.MustParseAddr("198.51.100.1")})
	h.refused("from elsewhere", err, rentroll.CodeUnauthenticated)
	g = h.guest(rentroll.SignInParams{Secret: bound, From: home})
	g.from = netip.MustParseAddr("198.51.100.1")
	g.isOut("it has moved")
	g.from = home
	g.actor(true)
	_, brief := newKey()
	g = h.guest(rentroll.SignInParams{Secret: brief, Idle: 48 * time.Hour})
	h.pass(25 * time.Hour)
	g.isOut("its key has expired")
}
