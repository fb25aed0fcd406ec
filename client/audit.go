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

// ListAuditParams filters and pages changes, newest first.
type ListAuditParams struct {
	Actor      string    // who made them, as AuditRow.Actor says, or one of the two around "via"; "" for all
	ResourceID string    // what was changed; "" for all
	Start, End time.Time // zero is from the beginning, and to the end
	rentroll.Page
}

func (p ListAuditParams) query() query {
	q := query{}.page(p.Page).set("actor", p.Actor).set("resource_id", p.ResourceID)
	for name, at := range map[string]time.Time{"start": p.Start, "end": p.End} {
		if !at.IsZero() {
			q.set(name, at.UTC().Format(time.RFC3339Nano))
		}
	}
	return q
}

// ListAudit reads one page of a tenant's changes, newest first.
func (c *Client) ListAudit(ctx context.Context, tenant string, p ListAuditParams) (*rentroll.List[*rentroll.AuditRow], error) {
	return list[*rentroll.AuditRow](ctx, c, p.query(), "v1", "tenants", tenant, "audit")
}

// AllAudit reads a tenant's changes page by page.
func (c *Client) AllAudit(ctx context.Context, tenant string, p ListAuditParams) iter.Seq2[*rentroll.AuditRow, error] {
	return all(p.Page, func(page rentroll.Page) (*rentroll.List[*rentroll.AuditRow], error) {
		p.Page = page
		return c.ListAudit(ctx, tenant, p)
	})
}

// ListPlatformAudit reads one page of the changes that belong to no tenant. It needs an operator key.
func (c *Client) ListPlatformAudit(ctx context.Context, p ListAuditParams) (*rentroll.List[*rentroll.AuditRow], error) {
	return list[*rentroll.AuditRow](ctx, c, p.query(), "v1", "audit")
}

// AllPlatformAudit reads the changes that belong to no tenant page by page.
func (c *Client) AllPlatformAudit(ctx context.Context, p ListAuditParams) iter.Seq2[*rentroll.AuditRow, error] {
	return all(p.Page, func(page rentroll.Page) (*rentroll.List[*rentroll.AuditRow], error) {
		p.Page = page
		return c.ListPlatformAudit(ctx, p)
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

// auditPath is where the audit of a tenant is, or the platform's for "".
func auditPath(tenant, what string) []string {
	if tenant == "" {
		return []string{"v1", "audit", what}
	}
	return []string{"v1", "tenants", tenant, "audit", what}
}

// VerifyAudit has the server follow the chain of a tenant's audit, or the platform's for "", for as far as one call goes:
// pass NextCursor on while the verdict is rentroll.AuditUnfinished. contains, unless nil, is a head whose row the chain
// must contain.
func (c *Client) VerifyAudit(ctx context.Context, tenant string, contains *rentroll.AuditHead, cursor string) (*rentroll.AuditVerification, error) {
	q := query{}.set("cursor", cursor)
	if contains != nil {
		q.set("sequence", strconv.FormatInt(contains.Sequence, 10)).set("hash", contains.Hash.String())
	}
	return send[rentroll.AuditVerification](ctx, c, &request{method: http.MethodGet, path: auditPath(tenant, "verify"), query: url.Values(q)})
}

// AuditHead reads where the chain of a tenant's audit, or the platform's for "", ends now; signed where the server has a
// key for it.
func (c *Client) AuditHead(ctx context.Context, tenant string) (*rentroll.AuditHead, error) {
	return get[rentroll.AuditHead](ctx, c, auditPath(tenant, "head")...)
}

// PruneAuditParams takes the oldest rows of an audit away.
type PruneAuditParams struct {
	Before   time.Time `json:"before"`             // rows that were written before it go; not in the future
	Unsigned bool      `json:"unsigned,omitempty"` // do so although the server has no key to sign the checkpoint with
	Cursor   string    `json:"cursor,omitempty"`   // NextCursor of the call before; "" to begin
}

// PruneAudit takes the oldest rows of a tenant's audit, or the platform's for "", away, for as far as one call goes: call
// again, with NextCursor, while the state is not rentroll.PruningDone. It needs an operator key.
func (c *Client) PruneAudit(ctx context.Context, tenant string, p PruneAuditParams) (*rentroll.AuditPruning, error) {
	return send[rentroll.AuditPruning](ctx, c, &request{method: http.MethodPost, path: auditPath(tenant, "prune"), body: p, repeat: true})
}

// ExportAudit reads one page of a tenant's audit, or the platform's for "", oldest first. The last page has the head.
func (c *Client) ExportAudit(ctx context.Context, tenant string, page rentroll.Page) (*rentroll.AuditExport, error) {
	q := query{}.page(page)
	return send[rentroll.AuditExport](ctx, c, &request{method: http.MethodGet, path: auditPath(tenant, "export"), query: url.Values(q)})
}
