package simtest

import (
	"context"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/model"
	"github.com/rentroll/rentroll/quota"
)

// op is one operation: how the model does it, and how an engine does. What it makes is
// named by the step that it is played in, so that an operation played again makes
// something else.
type op struct {
	name string
	by   model.Ref
	args any // for people
	play func(w *model.World, now time.Time, ref model.Ref) (any, *model.Refusal)
	call func(ctx context.Context, s *side, e *rentroll.Engine, ref model.Ref) (any, error)
}

// given are the arguments of an operation, with its idempotency key if it has one.
func given(args any, once string) any {
	if once == "" {
		return args
	}
	return struct {
		Args any
		Once string
	}{args, once}
}

func createTenant(by model.Ref, p model.CreateTenant) op {
	return op{
		"CreateTenant", by, given(p, p.Once),
		func(w *model.World, now time.Time, ref model.Ref) (any, *model.Refusal) {
			p := p
			p.Ref = ref
			return w.CreateTenant(by, now, p)
		},
		func(ctx context.Context, s *side, e *rentroll.Engine, ref model.Ref) (any, error) {
			t, err := e.CreateTenant(ctx, rentroll.CreateTenantParams{
				Name: p.Name, Slug: p.Slug, ExternalID: p.ExternalID, Plan: p.Plan, Timezone: p.Zone, BillingAnchorDay: p.Anchor,
				LimitOverrides: p.Overrides, Metadata: p.Metadata, IdempotencyKey: p.Once,
			})
			if err != nil {
				return nil, err
			}
			s.named(ref, t.ID)
			return s.tenantView(t), nil
		},
	}
}

// edit says which fields of a tenant to change; nil leaves a field.
type edit struct {
	Name, ExternalID, Zone *string
	Anchor                 *int
	Overrides              quota.Limits // nil leaves them
	Note                   *string
}

func updateTenant(by, id model.Ref, p edit) op {
	return op{
		"UpdateTenant", by,
		struct {
			Tenant model.Ref
			edit
		}{id, p},
		func(w *model.World, now time.Time, _ model.Ref) (any, *model.Refusal) {
			return w.UpdateTenant(by, now, id, func(f *model.TenantFields) {
				set(&f.Name, p.Name)
				set(&f.ExternalID, p.ExternalID)
				set(&f.Zone, p.Zone)
				set(&f.Anchor, p.Anchor)
				if p.Overrides != nil {
					f.Overrides = p.Overrides.Clone()
				}
				if p.Note != nil {
					f.Metadata["note"] = *p.Note
				}
			})
		},
		func(ctx context.Context, s *side, e *rentroll.Engine, _ model.Ref) (any, error) {
			t, err := e.UpdateTenant(ctx, rentroll.UpdateTenantParams{TenantID: s.tenant(id), Change: func(f *rentroll.TenantEdit) error {
				set(&f.Name, p.Name)
				set((*string)(&f.ExternalID), p.ExternalID)
				set(&f.Timezone, p.Zone)
				set(&f.BillingAnchorDay, p.Anchor)
				if p.Overrides != nil {
					f.LimitOverrides = p.Overrides.Clone()
				}
				if p.Note != nil {
					f.Metadata["note"] = *p.Note
				}
				return nil
			}})
			if err != nil {
				return nil, err
			}
			return s.tenantView(t), nil
		},
	}
}

func set[T any](field, to *T) {
	if to != nil {
		*field = *to
	}
}

func updatePlan(by, id model.Ref, plan string) op {
	return op{
		"UpdatePlan", by,
		struct {
			Tenant model.Ref
			Plan   string
		}{id, plan},
		func(w *model.World, now time.Time, _ model.Ref) (any, *model.Refusal) {
			return w.UpdatePlan(by, now, id, plan)
		},
		func(ctx context.Context, s *side, e *rentroll.Engine, _ model.Ref) (any, error) {
			r, err := e.UpdatePlan(ctx, rentroll.UpdatePlanParams{TenantID: s.tenant(id), Plan: plan})
			if err != nil {
				return nil, err
			}
			out := &model.UpdatePlanView{Tenant: s.tenantView(r.Tenant), Over: []model.OverLimit{}}
			for _, o := range r.OverLimit {
				out.Over = append(out.Over, model.OverLimit{Quota: o.Quota, Limit: o.Limit, Current: o.Current})
			}
			return out, nil
		},
	}
}

func transition(by, id model.Ref, to, reason string) op {
	return op{
		"Transition", by,
		struct {
			Tenant     model.Ref
			To, Reason string
		}{id, to, reason},
		func(w *model.World, now time.Time, _ model.Ref) (any, *model.Refusal) {
			return w.Transition(by, now, id, to, reason)
		},
		func(ctx context.Context, s *side, e *rentroll.Engine, _ model.Ref) (any, error) {
			move := map[string]func(context.Context, rentroll.TransitionParams) (*rentroll.Tenant, error){
				model.Active: e.Resume, model.Suspended: e.Suspend, model.Terminated: e.Terminate, model.Archived: e.Archive,
			}[to]
			t, err := move(ctx, rentroll.TransitionParams{TenantID: s.tenant(id), Reason: reason})
			if err != nil {
				return nil, err
			}
			return s.tenantView(t), nil
		},
	}
}

func getTenant(by, id model.Ref) op {
	return op{
		"GetTenant", by, id,
		func(w *model.World, now time.Time, _ model.Ref) (any, *model.Refusal) {
			return w.GetTenant(by, now, id)
		},
		func(ctx context.Context, s *side, e *rentroll.Engine, _ model.Ref) (any, error) {
			t, err := e.GetTenant(ctx, s.tenant(id))
			if err != nil {
				return nil, err
			}
			return s.tenantView(t), nil
		},
	}
}

func putPlan(by model.Ref, p model.PlanView) op {
	return op{
		"PutPlan", by, p,
		func(w *model.World, now time.Time, _ model.Ref) (any, *model.Refusal) { return w.PutPlan(by, now, p) },
		func(ctx context.Context, _ *side, e *rentroll.Engine, _ model.Ref) (any, error) {
			_, created, err := e.PutPlan(ctx, rentroll.PutPlanParams{Name: p.Name, Limits: p.Limits, Retired: p.Retired, Thresholds: p.Thresholds})
			return created, err
		},
	}
}

func deletePlan(by model.Ref, name string) op {
	return op{
		"DeletePlan", by, name,
		func(w *model.World, now time.Time, _ model.Ref) (any, *model.Refusal) {
			return nil, w.DeletePlan(by, now, name)
		},
		func(ctx context.Context, _ *side, e *rentroll.Engine, _ model.Ref) (any, error) {
			return nil, e.DeletePlan(ctx, name)
		},
	}
}

func createUser(by model.Ref, p model.CreateUser) op {
	return op{
		"CreateUser", by, given(p, p.Once),
		func(w *model.World, now time.Time, ref model.Ref) (any, *model.Refusal) {
			p := p
			p.Ref = ref
			return w.CreateUser(by, now, p)
		},
		func(ctx context.Context, s *side, e *rentroll.Engine, ref model.Ref) (any, error) {
			u, err := e.CreateUser(ctx, rentroll.CreateUserParams{
				ExternalID: p.ExternalID, Email: p.Email, Name: p.Name, IdempotencyKey: p.Once,
			})
			if err != nil {
				return nil, err
			}
			s.named(ref, u.ID)
			return s.userView(u), nil
		},
	}
}

func deleteUser(by, id model.Ref) op {
	return op{
		"DeleteUser", by, id,
		func(w *model.World, now time.Time, _ model.Ref) (any, *model.Refusal) {
			return nil, w.DeleteUser(by, now, id)
		},
		func(ctx context.Context, s *side, e *rentroll.Engine, _ model.Ref) (any, error) {
			return nil, e.DeleteUser(ctx, s.user(id))
		},
	}
}

func createMembership(by model.Ref, p model.CreateMembership) op {
	return op{
		"CreateMembership", by, given(p, p.Once),
		func(w *model.World, now time.Time, _ model.Ref) (any, *model.Refusal) {
			return w.CreateMembership(by, now, p)
		},
		func(ctx context.Context, s *side, e *rentroll.Engine, _ model.Ref) (any, error) {
			m, err := e.CreateMembership(ctx, rentroll.CreateMembershipParams{
				TenantID: s.tenant(p.Tenant), UserID: s.user(p.User), ExternalID: p.ExternalID, Email: p.Email,
				Role: rentroll.Role(p.Role), SetAsDefault: p.Default, IdempotencyKey: p.Once,
			})
			if err != nil {
				return nil, err
			}
			return s.memberView(m), nil
		},
	}
}

// membership names a user in a tenant.
type membership struct{ Tenant, User model.Ref }

func updateMembership(by model.Ref, m membership, role string) op {
	return op{
		"UpdateMembership", by,
		struct {
			membership
			Role string
		}{m, role},
		func(w *model.World, now time.Time, _ model.Ref) (any, *model.Refusal) {
			return w.UpdateMembership(by, now, m.Tenant, m.User, role)
		},
		func(ctx context.Context, s *side, e *rentroll.Engine, _ model.Ref) (any, error) {
			out, err := e.UpdateMembership(ctx, rentroll.UpdateMembershipParams{
				TenantID: s.tenant(m.Tenant), UserID: s.user(m.User), Role: rentroll.Role(role),
			})
			if err != nil {
				return nil, err
			}
			return s.memberView(out), nil
		},
	}
}

func deleteMembership(by model.Ref, m membership) op {
	return op{
		"DeleteMembership", by, m,
		func(w *model.World, now time.Time, _ model.Ref) (any, *model.Refusal) {
			return nil, w.DeleteMembership(by, now, m.Tenant, m.User)
		},
		func(ctx context.Context, s *side, e *rentroll.Engine, _ model.Ref) (any, error) {
			return nil, e.DeleteMembership(ctx, s.tenant(m.Tenant), s.user(m.User))
		},
	}
}
