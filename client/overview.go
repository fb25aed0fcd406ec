package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/rentroll/rentroll"
)

// ListStandings reads one page of tenants with how they stand against their limits. It needs an operator key.
func (c *Client) ListStandings(ctx context.Context, p rentroll.ListStandingsParams) (*rentroll.List[*rentroll.Standing], error) {
	q := query{}.set("status", string(p.Status)).set("plan", p.Plan).set("q", p.Query).set("order", string(p.Order)).page(p.Page)
	if p.AtLeast != 0 {
		q.set("at_least", strconv.FormatInt(p.AtLeast, 10))
	}
	return list[*rentroll.Standing](ctx, c, q, "v1", "standings")
}

// AllStandings reads them page by page.
func (c *Client) AllStandings(ctx context.Context, p rentroll.ListStandingsParams) iter.Seq2[*rentroll.Standing, error] {
	return all(p.Page, func(page rentroll.Page) (*rentroll.List[*rentroll.Standing], error) {
		p.Page = page
		return c.ListStandings(ctx, p)
	})
}

// ListActivity reads how many runs were admitted and denied, by the minute, since an instant up to 24 hours ago; zero is
// an hour ago. It needs an operator key.
func (c *Client) ListActivity(ctx context.Context, since time.Time) ([]rentroll.Activity, error) {
	q := query{}
	if !since.IsZero() {
		q.set("since", since.UTC().Format(time.RFC3339Nano))
	}
	out, err := list[rentroll.Activity](ctx, c, q, "v1", "activity")
	if err != nil {
		return nil, err
	}
	return out.Items, nil
}

// ListStuck reads which tenants' runs do not move, at most fifty. It needs an operator key.
func (c *Client) ListStuck(ctx context.Context) ([]*rentroll.StuckTenant, error) {
	out, err := list[*rentroll.StuckTenant](ctx, c, query{}, "v1", "stuck-runs")
	if err != nil {
		return nil, err
	}
	return out.Items, nil
}

// ListLatestDenials reads one page of the denials that are kept of all tenants, newest first. It needs an operator key.
func (c *Client) ListLatestDenials(ctx context.Context, page rentroll.Page) (*rentroll.List[*rentroll.TenantDenial], error) {
	return list[*rentroll.TenantDenial](ctx, c, query{}.page(page), "v1", "denials")
}

// AllLatestDenials reads them page by page.
func (c *Client) AllLatestDenials(ctx context.Context, page rentroll.Page) iter.Seq2[*rentroll.TenantDenial, error] {
	return all(page, func(page rentroll.Page) (*rentroll.List[*rentroll.TenantDenial], error) {
		return c.ListLatestDenials(ctx, page)
	})
}

// PreviewPlan reads how a tenant would stand under another plan. It changes nothing.
func (c *Client) PreviewPlan(ctx context.Context, tenant, plan string) (*rentroll.PlanPreview, error) {
	return send[rentroll.PlanPreview](ctx, c, &request{
		method: http.MethodGet, path: []string{"v1", "tenants", tenant, "plan-preview"}, query: url.Values{"plan": {plan}},
	})
}
