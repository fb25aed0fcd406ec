package httpapi

import "github.com/rentroll/rentroll"

// quotaList is how a tenant stands against all its quotas.
type quotaList struct {
	Items []rentroll.QuotaUse `json:"items"`
}

func getQuotas(c *call, _ *ofTenant, _ *none) (*quotaList, error) {
	items, err := c.engine.GetQuotas(c, c.tenant)
	if err != nil {
		return nil, err
	}
	return &quotaList{items}, nil
}

type checkRunsParams struct {
	Tenant   string `path:"tenant"`
	WorkerID string `query:"worker_id"`
}

func (p checkRunsParams) tenantRef() string { return p.Tenant }

func checkRuns(c *call, p *checkRunsParams, _ *none) (*rentroll.Decision, error) {
	return c.engine.CheckRunQuota(c, c.tenant, p.WorkerID)
}

type checkTokensParams struct {
	Tenant string `path:"tenant"`
	Tokens int64  `query:"tokens" minimum:"0" maximum:"1000000000000" default:"1"`
}

func (p checkTokensParams) tenantRef() string { return p.Tenant }

func checkTokens(c *call, p *checkTokensParams, _ *none) (*rentroll.Decision, error) {
	return c.engine.CheckTokenQuota(c, c.tenant, p.Tokens)
}
