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
