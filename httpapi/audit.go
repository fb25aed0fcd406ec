package httpapi

import "github.com/rentroll/rentroll"

func listDenials(c *call, p *pageOfTenant, _ *none) (*rentroll.List[*rentroll.Denial], error) {
	return c.engine.ListDenials(c, rentroll.ListDenialsParams{TenantID: c.tenant, Page: p.page()})
}

func listAudit(c *call, p *pageOfTenant, _ *none) (*rentroll.List[*rentroll.AuditRow], error) {
	return c.engine.ListAudit(c, rentroll.ListAuditParams{TenantID: c.tenant, Page: p.page()})
}

func listPlatformAudit(c *call, p *page, _ *none) (*rentroll.List[*rentroll.AuditRow], error) {
	return c.engine.ListAudit(c, rentroll.ListAuditParams{Page: p.page()})
}
