package client

import (
	"context"
	"iter"

	"github.com/rentroll/rentroll"
)

// ListAudit reads one page of a tenant's changes, newest first.
func (c *Client) ListAudit(ctx context.Context, tenant string, page rentroll.Page) (*rentroll.List[*rentroll.AuditRow], error) {
	return list[*rentroll.AuditRow](ctx, c, query{}.page(page), "v1", "tenants", tenant, "audit")
}

// AllAudit reads a tenant's changes page by page.
func (c *Client) AllAudit(ctx context.Context, tenant string, page rentroll.Page) iter.Seq2[*rentroll.AuditRow, error] {
	return all(page, func(page rentroll.Page) (*rentroll.List[*rentroll.AuditRow], error) {
		return c.ListAudit(ctx, tenant, page)
	})
}

// ListPlatformAudit reads one page of the changes that belong to no tenant. It needs an operator key.
func (c *Client) ListPlatformAudit(ctx context.Context, page rentroll.Page) (*rentroll.List[*rentroll.AuditRow], error) {
	return list[*rentroll.AuditRow](ctx, c, query{}.page(page), "v1", "audit")
}

// AllPlatformAudit reads the changes that belong to no tenant page by page.
func (c *Client) AllPlatformAudit(ctx context.Context, page rentroll.Page) iter.Seq2[*rentroll.AuditRow, error] {
	return all(page, func(page rentroll.Page) (*rentroll.List[*rentroll.AuditRow], error) {
		return c.ListPlatformAudit(ctx, page)
	})
}

// ListDenials reads one page of a tenant's kept denials, newest first.
func (c *Client) ListDenials(ctx context.Context, tenant string, page rentroll.Page) (*rentroll.List[*rentroll.Denial], error) {
	return list[*rentroll.Denial](ctx, c, query{}.page(page), "v1", "tenants", tenant, "denials")
}

// AllDenials reads a tenant's kept denials page by page.
func (c *Client) AllDenials(ctx context.Context, tenant string, page rentroll.Page) iter.Seq2[*rentroll.Denial, error] {
	return all(page, func(page rentroll.Page) (*rentroll.List[*rentroll.Denial], error) {
		return c.ListDenials(ctx, tenant, page)
	})
}
