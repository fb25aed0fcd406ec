package httpapi

import (
	"time"

	"github.com/rentroll/rentroll"
)

type listStandingsParams struct {
	Status  string `query:"status" enum:"active,suspended,terminated,archived"`
	Plan    string `query:"plan"`
	Query   string `query:"q"`
	Order   string `query:"order" enum:"newest,nearest,busiest" default:"newest"`
	AtLeast int64  `query:"at_least" minimum:"0" maximum:"1000"`
	Limit   int    `query:"limit" minimum:"1" maximum:"200" default:"20"`
	Cursor  string `query:"cursor"`
}

func listStandings(c *call, p *listStandingsParams, _ *none) (*rentroll.List[*rentroll.Standing], error) {
	return c.engine.ListStandings(c, rentroll.ListStandingsParams{
		Status: rentroll.TenantStatus(p.Status), Plan: p.Plan, Query: p.Query, Order: rentroll.StandingOrder(p.Order),
		AtLeast: p.AtLeast, Page: pageOf(p.Limit, p.Cursor),
	})
}

type listActivityParams struct {
	Since time.Time `query:"since"`
}

// activityList is what happened by the minute.
type activityList struct {
	Items []rentroll.Activity `json:"items"`
}

func listActivity(c *call, p *listActivityParams, _ *none) (*activityList, error) {
	if p.Since.IsZero() {
		p.Since = c.engine.Now().Add(-time.Hour)
	}
	items, err := c.engine.ListActivity(c, p.Since)
	if err != nil {
		return nil, err
	}
	return &activityList{append([]rentroll.Activity{}, items...)}, nil
}

// stuckList is who does not move.
type stuckList struct {
	Items []*rentroll.StuckTenant `json:"items"`
}

func listStuck(c *call, _, _ *none) (*stuckList, error) {
	items, err := c.engine.ListStuck(c)
	if err != nil {
		return nil, err
	}
	return &stuckList{items}, nil
}

type listLatestDenialsParams struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"20"`
	Cursor string `query:"cursor"`
}

func listLatestDenials(c *call, p *listLatestDenialsParams, _ *none) (*rentroll.List[*rentroll.TenantDenial], error) {
	return c.engine.ListLatestDenials(c, pageOf(p.Limit, p.Cursor))
}

type previewPlanParams struct {
	Tenant string `path:"tenant"`
	Plan   string `query:"plan" required:"true" example:"pro"`
}

func (p previewPlanParams) tenantRef() string { return p.Tenant }

func previewPlan(c *call, p *previewPlanParams, _ *none) (*rentroll.PlanPreview, error) {
	return c.engine.PreviewPlan(c, c.tenant, p.Plan)
}
