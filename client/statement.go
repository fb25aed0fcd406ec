package client

import (
	"context"
	"net/http"

	"github.com/rentroll/rentroll"
)

// ListStatements reads the periods of a tenant that have a statement, newest first.
func (c *Client) ListStatements(ctx context.Context, tenant string) ([]rentroll.StatementPeriod, error) {
	periods, err := list[rentroll.StatementPeriod](ctx, c, query{}, "v1", "tenants", tenant, "statements")
	if err != nil {
		return nil, err
	}
	return periods.Items, nil
}

// GetStatement reads the statement of a period, by the name that ListStatements has of it: the date on which it starts, if it is not short.
func (c *Client) GetStatement(ctx context.Context, tenant, period string) (*rentroll.Statement, error) {
	return send[rentroll.Statement](ctx, c, &request{method: http.MethodGet, path: []string{"v1", "tenants", tenant, "statements", period}})
}
