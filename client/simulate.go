package client

import (
	"context"
	"net/http"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

// SimulatePlanParams asks what a plan would have denied of what a tenant was admitted. Tenant and Start are required.
type SimulatePlanParams struct {
	Tenant string       `json:"tenant"`
	Start  time.Time    `json:"start"`
	End    time.Time    `json:"end,omitzero"`     // zero is now
	Limits quota.Limits `json:"limits,omitempty"` // instead of the plan's; nil for those
}

// SimulatePlan replays a tenant's admissions of a past range against the limits of a plan. It needs an operator key.
func (c *Client) SimulatePlan(ctx context.Context, plan string, p SimulatePlanParams) (*rentroll.Simulation, error) {
	return send[rentroll.Simulation](ctx, c, &request{
		method: http.MethodPost, path: []string{"v1", "plans", plan, "simulate"}, body: p, repeat: true,
	})
}
