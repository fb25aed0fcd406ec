package storetest

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rentroll/rentroll"
)

// operator makes an operator key and returns it with an engine that acts with it.
func (h *house) operator(by *rentroll.Engine, p rentroll.CreateOperatorKeyParams) (*rentroll.OperatorKey, *rentroll.Engine, string) {
	h.Helper()
	secret, key, err := by.CreateOperatorKey(h.Context(), p)
	h.must(err)
	return key, h.as(secret), secret
}

// as returns an engine that acts for who presents a secret.
func (h *house) as(secret string) *rentroll.Engine {
	h.Helper()
	actor, err := h.Authenticate(h.Context(), secret)
	h.must(err)
	return h.As(actor)
}

// refused checks the code of an error, and which fields it names.
func (h *house) refused(what string, err error, code rentroll.Code, fields ...string) {
	h.Helper()
	if got := rentroll.CodeOf(err); got != code {
		h.Errorf("%s: %v, want %s", what, err, code)
		return
	}
	var named []string
	if e, ok := errors.AsType[*rentroll.Error](err); ok {
		for _, f := range e.Fields {
			named = append(named, f.Field)
		}
	}
	if !slices.Equal(named, fields) {
		h.Errorf("%s: %v names %q, want %q", what, err, named, fields)
	}
}

func engineOperatorKeys(s *scene) {
	h := s.engine()
	ctx := h.Context()
	first, err := h.EnsureOperatorKey(ctx, "first")
	h.must(err)
	if again, err := h.EnsureOperatorKey(ctx, "second"); err != nil || again != "" {
		h.Errorf("a second first key: %q, %v", again, err)
	}
	ops := h.as(first)
	h.pass(time.Millisecond) // so that the next key is listed before
	key, night, secret := h.operator(ops, rentroll.CreateOperatorKeyParams{
		Name: "night shift", Permissions: []string{"tenant:*", "read:*", "operator:manage"}, ExpiresInDays: 2,
	})
	if key.Status != rentroll.KeyActive || !key.ExpiresAt.Equal(key.CreatedAt.Add(48*time.Hour)) || len(key.KeyPrefix) != 12 || !strings.HasPrefix(secret, string(key.KeyPrefix)) {
		h.Errorf("the key is %+v", key)
	}
	if got := night.Actor().String(); got != "operator:night shift" {
		h.Errorf("the actor is %q", got)
	}

	_, err = night.CreateTenant(ctx, rentroll.CreateTenantParams{Name: "Acme", Slug: "acme"})
	h.must(err)
	_, _, err = night.PutPlan(ctx, rentroll.PutPlanParams{Name: "team"})
	h.refused("a plan without plan:manage", err, rentroll.CodeForbidden)
	_, _, err = ops.CreateOperatorKey(ctx, rentroll.CreateOperatorKeyParams{Name: "night shift"})
	h.refused("a name twice", err, rentroll.CodeAlreadyExists, "name")
	_, _, err = ops.CreateOperatorKey(ctx, rentroll.CreateOperatorKeyParams{Permissions: []string{"tenant:fly"}, ExpiresInDays: 4000})
	h.refused("wrong fields", err, rentroll.CodeValidationFailed, "name", "permissions[0]", "expires_in_days")

	list, err := night.ListOperatorKeys(ctx, rentroll.ListOperatorKeysParams{Page: rentroll.Page{Limit: 1}})
	h.must(err)
	same(h.scene, "the first page", list.Items, []*rentroll.OperatorKey{key})
	list, err = night.ListOperatorKeys(ctx, rentroll.ListOperatorKeysParams{Page: rentroll.Page{Cursor: string(list.NextCursor)}})
	h.must(err)
	if len(list.Items) != 1 || list.Items[0].Name != "first" || list.Items[0].Permissions != nil || list.NextCursor != "" {
		h.Errorf("the second page is %+v", list)
	}

	revoked, err := ops.RevokeOperatorKey(ctx, rentroll.RevokeOperatorKeyParams{KeyID: key.ID, Reason: "left"})
	h.must(err)
	again, err := ops.RevokeOperatorKey(ctx, rentroll.RevokeOperatorKeyParams{KeyID: key.ID, Reason: "again"})
	h.must(err)
	if revoked.Status != rentroll.KeyRevoked || revoked.RevokedReason != "left" || again.RevokedReason != "left" {
		h.Errorf("revoked %+v, again %+v", revoked, again)
	}
	_, err = h.Authenticate(ctx, secret)
	h.refused("a revoked key", err, rentroll.CodeUnauthenticated)
	// One that was let in before the revocation still finds its key gone under the lock.
	_, _, err = night.CreateOperatorKey(ctx, rentroll.CreateOperatorKeyParams{Name: "heir", Permissions: []string{"read:*"}, ExpiresInDays: 1})
	h.refused("an heir", err, rentroll.CodeUnauthenticated)
}

func engineOperatorKeysReach(s *scene) {
	h := s.engine()
	ctx := h.Context()
	_, short, secret := h.operator(h.Engine, rentroll.CreateOperatorKeyParams{
		Name: "short", Permissions: []string{"operator:*", "key:manage", "run:*"}, ExpiresInDays: 3,
	})
	full, _, _ := h.operator(h.Engine, rentroll.CreateOperatorKeyParams{Name: "full"})
	h.operator(h.Engine, rentroll.CreateOperatorKeyParams{Name: "other"})
	try := func(permissions []string, days int) error {
		_, _, err := short.CreateOperatorKey(ctx, rentroll.CreateOperatorKeyParams{Name: "child", Permissions: permissions, ExpiresInDays: days})
		return err
	}
	h.refused("everything", try(nil, 3), rentroll.CodeForbidden, "permissions")
	h.refused("everything, as a word", try([]string{"*"}, 3), rentroll.CodeForbidden, "permissions")
	h.refused("one more", try([]string{"run:create", "user:read"}, 3), rentroll.CodeForbidden, "permissions")
	h.refused("a day more", try([]string{"run:create"}, 4), rentroll.CodeForbidden, "expires_in_days")
	h.refused("for ever", try([]string{"run:create"}, 0), rentroll.CodeForbidden, "expires_in_days")
	h.must(try([]string{"run:create", "operator:read"}, 3))
	_, err := short.RevokeOperatorKey(ctx, rentroll.RevokeOperatorKeyParams{KeyID: full.ID})
	h.refused("a mightier key", err, rentroll.CodeForbidden, "permissions")

	// Nor do the API keys that it makes.
	tenant := h.newTenant("acme", nil)
	_, _, err = short.CreateAPIKey(ctx, rentroll.CreateAPIKeyParams{TenantID: tenant, Name: "k"})
	h.refused("an API key that reads", err, rentroll.CodeForbidden, "permissions")
	_, _, err = short.CreateAPIKey(ctx, rentroll.CreateAPIKeyParams{TenantID: tenant, Name: "k", Permissions: []string{"run:*"}})
	h.must(err)

	h.pass(72 * time.Hour)
	_, err = h.Authenticate(ctx, secret)
	h.refused("an expired key", err, rentroll.CodeUnauthenticated)
	h.refused("a child of an expired key", try([]string{"run:create"}, 1), rentroll.CodeUnauthenticated)
	h.operator(h.Engine, rentroll.CreateOperatorKeyParams{Name: "short"}) // its name is free again
}

// engineLastOperatorKey revokes all keys at once: one that may do everything remains, whoever is faster.
func engineLastOperatorKey(s *scene) {
	h := s.engine()
	ctx := h.Context()
	var keys []*rentroll.OperatorKey
	for _, name := range []string{"a", "b", "c"} {
		key, _, _ := h.operator(h.Engine, rentroll.CreateOperatorKeyParams{Name: name})
		keys = append(keys, key)
	}
	h.operator(h.Engine, rentroll.CreateOperatorKeyParams{Name: "reader", Permissions: []string{"read:*"}})
	var kept atomic.Int64
	h.together(len(keys), func(i int) error {
		_, err := h.RevokeOperatorKey(ctx, rentroll.RevokeOperatorKeyParams{KeyID: keys[i].ID})
		if rentroll.CodeOf(err) == rentroll.CodeInvalidTransition {
			kept.Add(1)
			return nil
		}
		return err
	})
	if kept.Load() != 1 {
		h.Errorf("%d keys could not be revoked, want one", kept.Load())
	}
}

func engineForUser(s *scene) {
	h := s.engine()
	ctx := h.Context()
	acme, globex := h.newTenant("acme", nil), h.newTenant("globex", nil)
	ada, err := h.CreateUser(ctx, rentroll.CreateUserParams{Email: "ada@acme.example", ExternalID: "user_ada"})
	h.must(err)
	_, err = h.CreateMembership(ctx, rentroll.CreateMembershipParams{TenantID: acme, UserID: ada.ID, Role: rentroll.RoleMember})
	h.must(err)
	for _, name := range []string{ada.ID.String(), "external:user_ada"} {
		e, err := h.ForUser(ctx, acme, name)
		h.must(err)
		if a := e.Actor(); a.UserID != ada.ID || a.Role != rentroll.RoleMember || a.String() != ada.ID.String()+" via program" {
			h.Errorf("%s is %+v", name, a)
		}
		run, err := e.CreateRun(ctx, rentroll.CreateRunParams{TenantID: acme, WorkerID: "writer", Task: "t"})
		h.must(err)
		same(h.scene, "the run's user", run.UserID, ada.ID)
		_, err = e.CreateRun(ctx, rentroll.CreateRunParams{TenantID: globex, WorkerID: "writer", Task: "t"})
		h.refused("a run elsewhere", err, rentroll.CodeNotFound)
		_, err = e.CreateTenant(ctx, rentroll.CreateTenantParams{Name: "x", Slug: "x"})
		h.refused("a tenant", err, rentroll.CodeForbidden)
		_, err = e.ForUser(ctx, acme, name)
		h.refused("a user for a user", err, rentroll.CodeForbidden)
		_, err = h.ForUser(ctx, globex, name)
		h.refused("another tenant", err, rentroll.CodeNotFound)
		nowhere, err := h.ForUser(ctx, rentroll.TenantID{}, name)
		h.must(err)
		_, err = nowhere.ListPlans(ctx)
		h.must(err)
		_, err = nowhere.GetTenant(ctx, acme)
		h.refused("a tenant that was not named", err, rentroll.CodeNotFound)
	}
	_, front, _ := h.operator(h.Engine, rentroll.CreateOperatorKeyParams{Name: "front end", Permissions: []string{"run:read"}})
	narrow, err := front.ForUser(ctx, acme, "external:user_ada")
	h.must(err)
	_, err = narrow.ListRuns(ctx, rentroll.ListRunsParams{TenantID: acme})
	h.must(err)
	_, err = narrow.CreateRun(ctx, rentroll.CreateRunParams{TenantID: acme, WorkerID: "writer", Task: "t"})
	h.refused("more than the operator key may", err, rentroll.CodeForbidden)
	same(h.scene, "the actor", narrow.Actor().String(), ada.ID.String()+" via operator:front end")
	_, err = h.ForUser(ctx, acme, "external:nobody")
	h.refused("nobody", err, rentroll.CodeNotFound)
	_, err = h.ForUser(ctx, acme, "Ada")
	h.refused("a name", err, rentroll.CodeValidationFailed, "for_user")
}

// engineMembersAct changes memberships on another server while a handle for the user exists: what the handle changes is
// decided on the membership as it is, whenever it was read.
func engineMembersAct(s *scene) {
	h, elsewhere := s.engine(), s.engine()
	ctx := h.Context()
	acme := h.newTenant("acme", nil)
	for _, external := range []string{"ada", "bob"} {
		u, err := h.CreateUser(ctx, rentroll.CreateUserParams{Email: external + "@acme.example", ExternalID: external})
		h.must(err)
		_, err = h.CreateMembership(ctx, rentroll.CreateMembershipParams{TenantID: acme, UserID: u.ID, Role: rentroll.RoleOwner})
		h.must(err)
	}
	bob, err := h.ForUser(ctx, acme, "external:bob")
	h.must(err)
	run := rentroll.CreateRunParams{TenantID: acme, WorkerID: "writer", Task: "t", IdempotencyKey: "one"}
	_, err = bob.CreateRun(ctx, run)
	h.must(err)
	become := func(role rentroll.Role) {
		_, err := elsewhere.UpdateMembership(ctx, rentroll.UpdateMembershipParams{TenantID: acme, UserID: bob.Actor().UserID, Role: role})
		h.must(err)
	}
	try := func(what string, want rentroll.Code) {
		_, err := bob.CreateRun(ctx, run)
		h.refused(what+": a run that was admitted before", err, want)
		_, err = bob.CreateRun(ctx, rentroll.CreateRunParams{TenantID: acme, WorkerID: "writer", Task: "t"})
		h.refused(what+": a run", err, want)
		_, _, err = bob.CreateAPIKey(ctx, rentroll.CreateAPIKeyParams{TenantID: acme, Name: "k"})
		h.refused(what+": a key", err, want)
		_, err = bob.UpdateMembership(ctx, rentroll.UpdateMembershipParams{TenantID: acme, UserID: bob.Actor().UserID, Role: rentroll.RoleOwner})
		h.refused(what+": the old role again", err, want)
	}
	become(rentroll.RoleAdmin)
	try("an admin", rentroll.CodeForbidden)
	become(rentroll.RoleViewer)
	try("a viewer", rentroll.CodeForbidden)
	h.must(elsewhere.DeleteMembership(ctx, acme, bob.Actor().UserID))
	try("a stranger", rentroll.CodeNotFound)

	_, err = elsewhere.CreateMembership(ctx, rentroll.CreateMembershipParams{TenantID: acme, UserID: bob.Actor().UserID, Role: rentroll.RoleMember})
	h.must(err)
	bob, err = h.ForUser(ctx, acme, "external:bob")
	h.must(err)
	become(rentroll.RoleOwner)
	_, err = bob.CreateRun(ctx, run)
	h.must(err)
	_, _, err = bob.CreateAPIKey(ctx, rentroll.CreateAPIKeyParams{TenantID: acme, Name: "k"})
	h.refused("with the role that was read", err, rentroll.CodeForbidden)
}
