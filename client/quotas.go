package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/rentroll/rentroll"
)

// GetQuotas reads how a tenant stands against every quota.
func (c *Client) GetQuotas(ctx context.Context, tenant string) ([]rentroll.QuotaUse, error) {
	quotas, err := list[rentroll.QuotaUse](ctx, c, query{}, "v1", "tenants", tenant, "quotas")
	if err != nil {
		return nil, err
	}
	return quotas.Items, nil
}

// CheckRunQuota asks whether a run would be admitted now; worker may be "" for one that is enabled already. It takes
// nothing.
func (c *Client) CheckRunQuota(ctx context.Context, tenant, worker string) (*rentroll.Decision, error) {
	return send[rentroll.Decision](ctx, c, &request{
		method: http.MethodGet, path: []string{"v1", "tenants", tenant, "quotas", "runs"},
		query: url.Values(query{}.set("worker_id", worker)),
	})
}

// CheckTokenQuota asks whether the tenant has room for so many more tokens this month. It takes nothing.
func (c *Client) CheckTokenQuota(ctx context.Context, tenant string, tokens int64) (*rentroll.Decision, error) {
	return send[rentroll.Decision](ctx, c, &request{
		method: http.MethodGet, path: []string{"v1", "tenants", tenant, "quotas", "tokens"},
		query: url.Values(query{}.set("tokens", strconv.FormatInt(tokens, 10))),
	})
}
