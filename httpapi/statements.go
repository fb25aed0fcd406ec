package httpapi

import "github.com/rentroll/rentroll"

func listStatements(c *call, _ *ofTenant, _ *none) (*rentroll.List[rentroll.StatementPeriod], error) {
	periods, err := c.engine.ListStatements(c, c.tenant)
	if err != nil {
		return nil, err
	}
	return list(periods), nil
}

type ofStatement struct {
	Tenant string `path:"tenant"`
	Period string `path:"period"`
}

func (p ofStatement) tenantRef() string { return p.Tenant }

func getStatement(c *call, p *ofStatement, _ *none) (*rentroll.Statement, error) {
	return c.engine.GetStatement(c, c.tenant, p.Period)
}
