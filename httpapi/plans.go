package httpapi

import (
	"net/http"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

func listPlans(c *call, _, _ *none) (*rentroll.List[*rentroll.Plan], error) {
	plans, err := c.engine.ListPlans(c)
	if err != nil {
		return nil, err
	}
	return list(plans), nil
}

type ofPlan struct {
	Name string `path:"name"`
}

type putPlanBody struct {
	Name    *string     `json:"name,omitempty" doc:"Where given, it must be the name in the path"`
	Limits  *planLimits `json:"limits" doc:"All limits of the plan: a quota that is absent is unlimited"`
	Retired bool        `json:"retired,omitempty" doc:"Keeps its tenants, takes no new ones"`

	Thresholds []int `json:"thresholds,omitempty" doc:"Shares of a limit, in per cent, at which an event tells of a tenant's use: 1 to 200, rising, at most 10. Default 80 and 100; an empty list is none" example:"[50,80,100]"`
}

func putPlan(c *call, p *ofPlan, b *putPlanBody) (*rentroll.Plan, error) {
	var bad fieldErrors
	if b.Name != nil && *b.Name != p.Name {
		bad.add("name", "must be the name in the path")
	}
	if b.Limits == nil {
		bad.add("limits", "is required")
	}
	if err := invalid(bad...); err != nil {
		return nil, err
	}
	plan, created, err := c.engine.PutPlan(c, rentroll.PutPlanParams{
		Name: p.Name, Limits: quota.Limits(*b.Limits), Retired: b.Retired, Thresholds: b.Thresholds,
	})
	if err != nil {
		return nil, err
	}
	if created {
		c.status = http.StatusCreated
	}
	return plan, nil
}

func deletePlan(c *call, p *ofPlan, _ *none) (nothing, error) {
	return nothing{}, c.engine.DeletePlan(c, p.Name)
}
