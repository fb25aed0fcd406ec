package httpapi

import "github.com/rentroll/rentroll"

func listEvents(c *call, p *pageOfTenant, _ *none) (*rentroll.List[*rentroll.Event], error) {
	return c.engine.ListEvents(c, rentroll.ListEventsParams{TenantID: c.tenant, Page: p.page()})
}

func listAllEvents(c *call, p *page, _ *none) (*rentroll.List[*rentroll.Event], error) {
	return c.engine.ListEvents(c, rentroll.ListEventsParams{Page: p.page()})
}
