package client

import (
	"context"
	"io"
	"net/http"
)

// OpenTenantExport begins to read all that is kept of a tenant, a zip archive of JSON Lines; see the operation exportTenant
// for its files. It may take as long as it will, but no longer than Options.Timeout without a byte. What is cut off ends with an
// error, and can't be opened as an archive. Close it. It needs an operator key with tenant:export.
func (c *Client) OpenTenantExport(ctx context.Context, tenant string) (io.ReadCloser, error) {
	in, err := c.open(ctx, &request{method: http.MethodGet, path: []string{"v1", "tenants", tenant, "export"}}, "application/zip")
	if err != nil {
		return nil, err
	}
	return in, nil
}
