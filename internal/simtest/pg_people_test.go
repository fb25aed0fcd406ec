package simtest_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/model"
)

// TestPeopleOnTwoServers: what is unique across tenants and what locks several accounts: tenants and users that want the
// same names, and members of whom one must stay an owner.
func TestPeopleOnTwoServers(t *testing.T) {
	t.Parallel()
	onTwoServers(t, func(t *testing.T, r *rig) (*callers, *model.World) {
		t.Helper()
		return newCallers(r, peopleVerbs, nextOfPeople), withPlans(t, r)
	})
}

// nextOfPeople makes up a call.
func nextOfPeople(c *callers, rng *rand.Rand, ref model.Ref) doing {
	one := func(names ...string) string { return names[rng.IntN(len(names))] }
	q := doing{Ref: ref, Verb: one(
		"tenant", "tenant", "tenant", "user", "user", "user", "join", "join", "join", "role", "role", "leave", "leave", "forget", "move", "members",
	)}
	switch q.Verb {
	case "tenant", "user":
		q.Name = one("a", "b", "c", "d", "e", "f")
		if rng.IntN(3) == 0 {
			q.Once = fmt.Sprint("again ", rng.IntN(3))
		}
		return q
	case "forget":
		q.With = c.recent(rng, "user", 3)
	default:
		q.On, q.With = c.recent(rng, "tenant", 2), c.recent(rng, "user", 3)
		q.Name = one(model.Owner, model.Owner, model.Admin, model.Viewer)
		if q.Verb == "move" {
			q.Name = one("small", "large")
		}
	}
	if q.With == 0 || q.On == 0 && q.Verb != "forget" {
		return doing{Ref: ref, Verb: one("tenant", "user"), Name: one("a", "b", "c")}
	}
	return q
}

func memberText(m *model.MemberView, bad *model.Refusal) (string, *model.Refusal) {
	if bad != nil {
		return "", bad
	}
	return fmt.Sprintf("%s again=%t", m.Role, m.Replayed), nil
}

func memberTextFor(m *rentroll.Member, err error) (string, error) {
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s again=%t", m.Role, m.Replayed), nil
}

var peopleVerbs = map[string]verb{
	"tenant": {
		func(w *model.World, q doing) (string, *model.Refusal) {
			p := model.CreateTenant{Ref: q.Ref, Slug: q.Name, Plan: "small", Once: q.Once}
			p.Name, p.ExternalID = "tenant", "org "+q.Name
			v, bad := w.CreateTenant(0, noon, p)
			if bad != nil {
				return "", bad
			}
			return fmt.Sprintf("%s again=%t", v.Slug, v.Replayed), nil
		},
		func(ctx context.Context, c *callers, e *rentroll.Engine, q doing) (string, error) {
			v, err := e.CreateTenant(ctx, rentroll.CreateTenantParams{
				Name: "tenant", Slug: q.Name, ExternalID: "org " + q.Name, Plan: "small", IdempotencyKey: q.Once,
			})
			if err != nil {
				return "", err
			}
			c.makes(q, v.ID, v.Replayed)
			return fmt.Sprintf("%s again=%t", v.Slug, v.Replayed), nil
		},
	},
	"user": {
		func(w *model.World, q doing) (string, *model.Refusal) {
			v, bad := w.CreateUser(0, noon, model.CreateUser{Ref: q.Ref, ExternalID: q.Name, Email: "x@example.com", Once: q.Once})
			if bad != nil {
				return "", bad
			}
			return fmt.Sprintf("%s again=%t", v.ExternalID, v.Replayed), nil
		},
		func(ctx context.Context, c *callers, e *rentroll.Engine, q doing) (string, error) {
			v, err := e.CreateUser(ctx, rentroll.CreateUserParams{ExternalID: q.Name, Email: "x@example.com", IdempotencyKey: q.Once})
			if err != nil {
				return "", err
			}
			c.makes(q, v.ID, v.Replayed)
			return fmt.Sprintf("%s again=%t", v.ExternalID, v.Replayed), nil
		},
	},
	"join": {
		func(w *model.World, q doing) (string, *model.Refusal) {
			return memberText(w.CreateMembership(0, noon, model.CreateMembership{Tenant: q.On, User: q.With, Role: q.Name}))
		},
		func(ctx context.Context, c *callers, e *rentroll.Engine, q doing) (string, error) {
			return memberTextFor(e.CreateMembership(ctx, rentroll.CreateMembershipParams{
				TenantID: c.id(q.On), UserID: c.id(q.With), Role: rentroll.Role(q.Name),
			}))
		},
	},
	"role": {
		func(w *model.World, q doing) (string, *model.Refusal) {
			return memberText(w.UpdateMembership(0, noon, q.On, q.With, q.Name))
		},
		func(ctx context.Context, c *callers, e *rentroll.Engine, q doing) (string, error) {
			return memberTextFor(e.UpdateMembership(ctx, rentroll.UpdateMembershipParams{
				TenantID: c.id(q.On), UserID: c.id(q.With), Role: rentroll.Role(q.Name),
			}))
		},
	},
	"leave": {
		func(w *model.World, q doing) (string, *model.Refusal) {
			return "done", w.DeleteMembership(0, noon, q.On, q.With)
		},
		func(ctx context.Context, c *callers, e *rentroll.Engine, q doing) (string, error) {
			return "done", e.DeleteMembership(ctx, c.id(q.On), c.id(q.With))
		},
	},
	"forget": {
		func(w *model.World, q doing) (string, *model.Refusal) { return "done", w.DeleteUser(0, noon, q.With) },
		func(ctx context.Context, c *callers, e *rentroll.Engine, q doing) (string, error) {
			return "done", e.DeleteUser(ctx, c.id(q.With))
		},
	},
	"move": {
		func(w *model.World, q doing) (string, *model.Refusal) {
			_, bad := w.UpdatePlan(0, noon, q.On, q.Name)
			return "done", bad
		},
		func(ctx context.Context, c *callers, e *rentroll.Engine, q doing) (string, error) {
			_, err := e.UpdatePlan(ctx, rentroll.UpdatePlanParams{TenantID: c.id(q.On), Plan: q.Name})
			return "done", err
		},
	},
	"members": {
		func(w *model.World, q doing) (string, *model.Refusal) {
			var roles []string
			for _, m := range w.ListMembers(q.On) {
				roles = append(roles, m.Role)
			}
			slices.Sort(roles)
			return strings.Join(roles, " "), nil
		},
		func(ctx context.Context, c *callers, e *rentroll.Engine, q doing) (string, error) {
			list, err := e.ListMembers(ctx, rentroll.ListMembersParams{TenantID: c.id(q.On)})
			if err != nil {
				return "", err
			}
			var roles []string
			for _, m := range list.Items {
				roles = append(roles, string(m.Role))
			}
			slices.Sort(roles)
			return strings.Join(roles, " "), nil
		},
	},
}
