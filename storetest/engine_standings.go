package storetest

import (
	"fmt"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

// engineStandings lists tenants by how near they are to a limit.
func engineStandings(s *scene) {
	h := s.engine()
	ctx := h.Context()
	ids := map[string]rentroll.TenantID{}
	for i, taken := range []int64{5, 95, 0, 100, 40, 95} {
		slug := fmt.Sprintf("t%d", i)
		h.pass(time.Millisecond) // so that the next one is newer
		ids[slug] = h.newTenant(slug, quota.Limits{
			quota.TokensPerMonth: quota.Of(1000), quota.RunsPerDay: quota.NoLimit(), quota.ConcurrentRuns: quota.NoLimit(),
			quota.Workers: quota.NoLimit(), quota.APIKeys: quota.NoLimit(),
		})
		_, err := h.RecordUsage(ctx, rentroll.RecordUsageParams{
			TenantID: ids[slug], UsageParams: rentroll.UsageParams{Meter: rentroll.MeterTokensUsed, Amount: taken * 10},
		})
		h.must(err)
	}
	for _, slug := range []string{"t4", "t0", "t4"} {
		_, err := h.CreateRun(ctx, rentroll.CreateRunParams{TenantID: ids[slug], WorkerID: "writer", Task: "t"})
		h.must(err)
	}
	_, err := h.Suspend(ctx, rentroll.TransitionParams{TenantID: ids["t3"]})
	h.must(err)
	list := func(p rentroll.ListStandingsParams) (found []string) {
		for {
			page, err := h.ListStandings(ctx, p)
			h.must(err)
			for _, item := range page.Items {
				found = append(found, fmt.Sprint(item.Tenant.Slug, " ", item.Nearest, " ", item.Percent))
			}
			if page.NextCursor == "" {
				return found
			}
			p.Cursor = string(page.NextCursor)
		}
	}
	const tokens = " tokens_per_month " //nolint:gosec // a quota
	nearest := []string{"t3" + tokens + "100", "t1" + tokens + "95", "t5" + tokens + "95", "t4" + tokens + "40", "t0" + tokens + "5", "t2" + tokens + "0"}
	for _, size := range []int{1, 2, 5, 6, 100} {
		same(s, "the nearest first", list(rentroll.ListStandingsParams{Order: rentroll.StandingNearest, Page: rentroll.Page{Limit: size}}), nearest)
	}
	same(s, "from 40 percent", list(rentroll.ListStandingsParams{Order: rentroll.StandingNearest, AtLeast: 40, Page: rentroll.Page{Limit: 2}}), nearest[:4])
	same(s, "active ones", list(rentroll.ListStandingsParams{Order: rentroll.StandingNearest, AtLeast: 80, Status: rentroll.TenantActive}), nearest[1:3])
	same(s, "of another plan", list(rentroll.ListStandingsParams{Order: rentroll.StandingNearest, Plan: rentroll.PlanPro}), nil)
	same(s, "by a part of the slug", list(rentroll.ListStandingsParams{Order: rentroll.StandingNearest, Query: "T4"}), nearest[3:4])
	same(s, "by the id", list(rentroll.ListStandingsParams{Query: ids["t4"].String()}), nearest[3:4])
	same(s, "by the id, of another plan", list(rentroll.ListStandingsParams{Query: ids["t4"].String(), Plan: rentroll.PlanPro}), nil)
	same(s, "by an id that there is not", list(rentroll.ListStandingsParams{Query: newID[rentroll.TenantID](s).String()}), nil)
	busiest := list(rentroll.ListStandingsParams{Order: rentroll.StandingBusiest, Page: rentroll.Page{Limit: 1}})
	same(s, "the busiest first", busiest[:2], []string{nearest[3], nearest[4]})
	same(s, "the newest first", list(rentroll.ListStandingsParams{Page: rentroll.Page{Limit: 4}}),
		[]string{nearest[2], nearest[3], nearest[0], nearest[5], nearest[1], nearest[4]})
	h.newTenant("t6", quota.Limits{})
	if found := list(rentroll.ListStandingsParams{Order: rentroll.StandingNearest, Query: "T6"}); len(found) != 1 {
		s.Errorf("a tenant that is newer than the order is found as %q", found)
	}

	_, err = h.ListStandings(ctx, rentroll.ListStandingsParams{Status: "x", Order: "y", AtLeast: 2000, Page: rentroll.Page{Cursor: "z", Limit: 1000}})
	h.refused("nonsense", err, rentroll.CodeValidationFailed, "status", "at_least", "order", "limit", "cursor")
	_, err = h.ListStandings(ctx, rentroll.ListStandingsParams{AtLeast: 1})
	h.refused("a share of the newest", err, rentroll.CodeValidationFailed, "at_least")
	secret, _, err := h.CreateAPIKey(ctx, rentroll.CreateAPIKeyParams{TenantID: ids["t0"], Name: "k"})
	h.must(err)
	_, err = h.as(secret).ListStandings(ctx, rentroll.ListStandingsParams{})
	h.refused("a tenant's key", err, rentroll.CodeForbidden)
}

// enginePlanPreview foresees what a change of plan reports, and changes nothing.
func enginePlanPreview(s *scene) {
	h := s.engine()
	ctx := h.Context()
	tenant := h.newTenant("acme", quota.Limits{quota.ConcurrentRuns: quota.Of(1)})
	_, _, err := h.PutPlan(ctx, rentroll.PutPlanParams{Name: "tiny", Limits: quota.Limits{quota.RunsPerDay: quota.Of(0), quota.Workers: quota.Of(1)}})
	h.must(err)
	_, _, err = h.PutPlan(ctx, rentroll.PutPlanParams{Name: "gone", Retired: true})
	h.must(err)
	_, err = h.newRun(tenant)
	h.must(err)
	before, err := h.GetTenant(ctx, tenant)
	h.must(err)
	preview, err := h.PreviewPlan(ctx, tenant, "tiny")
	h.must(err)
	same(s, "what would be over", preview.OverLimit, []rentroll.OverLimit{{Quota: quota.RunsPerDay, Limit: 0, Current: 1}})
	for _, q := range preview.Quotas {
		if q.Quota == quota.ConcurrentRuns && (q.Limit == nil || *q.Limit != 1 || q.Used != 1) {
			h.Errorf("the override does not stay in force: %+v", q)
		}
	}
	after, err := h.GetTenant(ctx, tenant)
	h.must(err)
	same(s, "the tenant", after, before)
	changed, err := h.UpdatePlan(ctx, rentroll.UpdatePlanParams{TenantID: tenant, Plan: "tiny"})
	h.must(err)
	same(s, "what is over", changed.OverLimit, preview.OverLimit)
	_, err = h.PreviewPlan(ctx, tenant, "gone")
	h.refused("a retired plan", err, rentroll.CodeValidationFailed, "plan")
	_, err = h.PreviewPlan(ctx, tenant, "none")
	h.refused("no plan", err, rentroll.CodeUnknownPlan, "plan")
	_, err = h.PreviewPlan(ctx, newID[rentroll.TenantID](s), "tiny")
	h.refused("no tenant", err, rentroll.CodeNotFound)
}
