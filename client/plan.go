package client

import (
	"context"
	"net/http"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

// ListPlans reads all plans, by name.
func (c *Client) ListPlans(ctx context.Context) ([]*rentroll.Plan, error) {
	plans, err := list[*rentroll.Plan](ctx, c, query{}, "v1", "plans")
	if err != nil {
		return nil, err
	}
	return plans.Items, nil
}

// PutPlan makes a plan or replaces it whole: a quota that is absent is unlimited. It needs an operator key.
func (c *Client) PutPlan(ctx context.Context, p rentroll.Plan) (*rentroll.Plan, error) {
	if p.Limits == nil {
		p.Limits = quota.Limits{}
	}
	return send[rentroll.Plan](ctx, c, &request{
		method: http.MethodPut, path: []string{"v1", "plans", p.Name}, body: p, repeat: true,
	})
}

// DeletePlan removes a plan that no tenant uses. It needs an operator key.
func (c *Client) DeletePlan(ctx context.Context, name string) error {
	_, err := c.do(ctx, &request{method: http.MethodDelete, path: []string{"v1", "plans", name}}, nil)
	return err
}
