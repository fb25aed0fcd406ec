package client

import (
	"context"
	"iter"

	"github.com/rentroll/rentroll"
)

// ListEvents reads one page of a tenant's events, newest first: thresholds that it reached, soft limits that it passed.
func (c *Client) ListEvents(ctx context.Context, tenant string, page rentroll.Page) (*rentroll.List[*rentroll.Event], error) {
	return list[*rentroll.Event](ctx, c, query{}.page(page), "v1", "tenants", tenant, "events")
}

// AllEvents reads a tenant's events page by page.
func (c *Client) AllEvents(ctx context.Context, tenant string, page rentroll.Page) iter.Seq2[*rentroll.Event, error] {
	return all(page, func(page rentroll.Page) (*rentroll.List[*rentroll.Event], error) {
		return c.ListEvents(ctx, tenant, page)
	})
}

// ListPlatformEvents reads one page of the events of all tenants, newest first. It needs an operator key.
func (c *Client) ListPlatformEvents(ctx context.Context, page rentroll.Page) (*rentroll.List[*rentroll.Event], error) {
	return list[*rentroll.Event](ctx, c, query{}.page(page), "v1", "events")
}

// AllPlatformEvents reads the events of all tenants page by page.
func (c *Client) AllPlatformEvents(ctx context.Context, page rentroll.Page) iter.Seq2[*rentroll.Event, error] {
	return all(page, func(page rentroll.Page) (*rentroll.List[*rentroll.Event], error) {
		return c.ListPlatformEvents(ctx, page)
	})
}
