package storetest

import (
	"fmt"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
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

// engineSearchAudit finds changes by who made them, what they were made to, and when.
func engineSearchAudit(s *scene) {
	h := s.engine()
	ctx := h.Context()
	tenant := h.newTenant("acme", quota.Limits{quota.Workers: quota.NoLimit()})
	const changes = 600
	var middle time.Time
	for i := range changes {
		h.pass(time.Second)
		if i == changes/2 {
			middle = h.Now()
		}
		engine := h.As(rentroll.Actor{Kind: rentroll.ActorOperator, Name: []string{"ann", "bob"}[i%2]})
		_, err := engine.PutWorker(ctx, rentroll.PutWorkerParams{TenantID: tenant, WorkerID: fmt.Sprintf("w%d", i%5), Enabled: i/5%2 == 0})
		h.must(err)
	}
	find := func(p rentroll.ListAuditParams) (n int) {
		p.TenantID = tenant
		last := int64(1 << 62)
		for {
			page, err := h.ListAudit(ctx, p)
			h.must(err)
			for _, row := range page.Items {
				if row.Sequence >= last {
					s.Errorf("row %d comes behind row %d", row.Sequence, last)
				}
				last = row.Sequence
			}
			n += len(page.Items)
			if page.NextCursor == "" {
				return n
			}
			p.Cursor = string(page.NextCursor)
		}
	}
	for what, want := range map[string]struct {
		p rentroll.ListAuditParams
		n int
	}{
		"one actor's":        {rentroll.ListAuditParams{Actor: "operator:bob"}, changes / 2},
		"of one resource":    {rentroll.ListAuditParams{ResourceID: "w3"}, changes / 5},
		"of both":            {rentroll.ListAuditParams{Actor: "operator:ann", ResourceID: "w3"}, changes / 10},
		"from the middle on": {rentroll.ListAuditParams{Start: middle}, changes / 2},
		"until the middle":   {rentroll.ListAuditParams{Start: middle.Add(-changes / 2 * time.Second), End: middle}, changes / 2},
		"a second's":         {rentroll.ListAuditParams{Start: middle, End: middle.Add(time.Second)}, 1},
		"of the future":      {rentroll.ListAuditParams{Start: h.Now().Add(time.Hour)}, 0},
		"from before":        {rentroll.ListAuditParams{End: middle.Add(-changes * time.Second)}, 0},
		"nobody's":           {rentroll.ListAuditParams{Actor: "operator"}, 0},
	} {
		for _, size := range []int{7, 200} {
			want.p.Limit = size
			same(s, fmt.Sprintf("the changes %s, %d a page", what, size), find(want.p), want.n)
		}
	}
	page, err := h.ListAudit(ctx, rentroll.ListAuditParams{TenantID: tenant, Actor: "operator:bob"})
	h.must(err)
	_, err = h.ListAudit(ctx, rentroll.ListAuditParams{TenantID: tenant, Actor: "operator:ann", Page: rentroll.Page{Cursor: string(page.NextCursor)}})
	h.refused("another list's cursor", err, rentroll.CodeValidationFailed, "cursor")
	_, err = h.ListAudit(ctx, rentroll.ListAuditParams{TenantID: tenant, Actor: "a\x00b", Start: middle, End: middle})
	h.refused("nonsense", err, rentroll.CodeValidationFailed, "actor", "end")
}
