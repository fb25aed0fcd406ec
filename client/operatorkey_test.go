package client_test

import (
	"errors"
	"testing"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/client"
)

func TestOperatorKeys(t *testing.T) {
	url, ctx := serve(t), t.Context()
	c := connect(t, url, operatorSecret, nil)
	made := must(c.CreateOperatorKey(ctx, client.CreateOperatorKeyParams{
		Name: "support", Permissions: []string{"read:*"}, ExpiresInDays: 30, IdempotencyKey: "k",
	}))(t)
	again := must(c.CreateOperatorKey(ctx, client.CreateOperatorKeyParams{
		Name: "support", Permissions: []string{"read:*"}, ExpiresInDays: 30, IdempotencyKey: "k",
	}))(t)
	if made.OperatorKey.Replayed || !again.OperatorKey.Replayed || again.Secret != "" || again.OperatorKey.ID != made.OperatorKey.ID {
		t.Errorf("made %+v, again %+v", made, again)
	}
	support := connect(t, url, string(made.Secret), nil)
	must(support.ListTenants(ctx, client.ListTenantsParams{}))(t)
	if _, err := support.CreateTenant(ctx, client.CreateTenantParams{Name: "Acme", Slug: "acme"}); !errors.Is(err, rentroll.CodeForbidden) {
		t.Errorf("a tenant made by who may only read: %v", err)
	}
	must(c.CreateOperatorKey(ctx, client.CreateOperatorKeyParams{Name: "full"}))(t)
	var names []string
	for k, err := range c.AllOperatorKeys(ctx, client.ListOperatorKeysParams{Page: rentroll.Page{Limit: 1}}) {
		names = append(names, must(k, err)(t).Name)
	}
	if len(names) != 2 || names[0] != "full" || names[1] != "support" {
		t.Errorf("the keys are %q", names)
	}
	revoked := must(c.RevokeOperatorKey(ctx, made.OperatorKey.ID, "left"))(t)
	if got := must(c.GetOperatorKey(ctx, made.OperatorKey.ID))(t); got.Status != rentroll.KeyRevoked || *got.RevokedAt != *revoked.RevokedAt {
		t.Errorf("revoked %+v, read %+v", revoked, got)
	}
	if list := must(c.ListOperatorKeys(ctx, client.ListOperatorKeysParams{IncludeRevoked: true}))(t); len(list.Items) != 2 {
		t.Errorf("%d keys with those that are revoked, want 2", len(list.Items))
	}
	if _, err := support.ListPlans(ctx); !errors.Is(err, rentroll.CodeUnauthenticated) {
		t.Errorf("a revoked key: %v", err)
	}
}

func TestForUser(t *testing.T) {
	c, ctx := connect(t, serve(t), operatorSecret, nil), t.Context()
	must(c.CreateTenant(ctx, client.CreateTenantParams{Name: "Acme", Slug: "acme"}))(t)
	ada := must(c.CreateUser(ctx, client.CreateUserParams{Email: "ada@acme.example", ExternalID: "user_ada"}))(t)
	asAda := c.ForUser("external:user_ada")
	if _, err := asAda.GetTenant(ctx, "acme"); !errors.Is(err, rentroll.CodeNotFound) {
		t.Errorf("a tenant of others: %v", err)
	}
	must(c.CreateMembership(ctx, "acme", client.CreateMembershipParams{UserID: ada.ID, Role: rentroll.RoleMember}))(t)
	if run := must(asAda.CreateRun(ctx, "acme", client.CreateRunParams{WorkerID: "writer", Task: "t"}))(t); run.UserID != ada.ID {
		t.Errorf("a run of the user %s, want %s", run.UserID, ada.ID)
	}
	if _, err := asAda.ListTenants(ctx, client.ListTenantsParams{}); !errors.Is(err, rentroll.CodeForbidden) {
		t.Errorf("all tenants for a user: %v", err)
	}
	must(c.ListTenants(ctx, client.ListTenantsParams{}))(t) // the first client is still the operator's
}
