package storetest

import (
	"fmt"

	"github.com/rentroll/rentroll"
)

// engineCountPlanTenants counts whom a change of a plan touches.
func engineCountPlanTenants(s *scene) {
	h := s.engine()
	ctx := h.Context()
	for i, plan := range []string{rentroll.PlanFree, rentroll.PlanPro, rentroll.PlanPro, rentroll.PlanPro} {
		t, err := h.CreateTenant(ctx, rentroll.CreateTenantParams{Name: "n", Slug: fmt.Sprintf("t%d", i), Plan: plan})
		h.must(err)
		switch i {
		case 1:
			_, err = h.Suspend(ctx, rentroll.TransitionParams{TenantID: t.ID})
		case 2:
			_, err = h.Terminate(ctx, rentroll.TransitionParams{TenantID: t.ID})
		}
		h.must(err)
	}
	counts, err := h.CountPlanTenants(ctx)
	h.must(err)
	same(s, "the tenants of plans", counts, map[string]rentroll.PlanTenants{rentroll.PlanFree: {Open: 1}, rentroll.PlanPro: {Open: 2, Closed: 1}})
	tenant := h.As(rentroll.Actor{Kind: rentroll.ActorAPIKey})
	_, err = tenant.CountPlanTenants(ctx)
	h.refused("counting with a tenant's key", err, rentroll.CodeForbidden)
}
