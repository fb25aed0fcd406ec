package client

import (
	"context"
	"net/http"

	"github.com/rentroll/rentroll"
)

// ListWorkers reads the workers that a tenant has enabled or disabled, by id.
func (c *Client) ListWorkers(ctx context.Context, tenant string) ([]*rentroll.Worker, error) {
	workers, err := list[*rentroll.Worker](ctx, c, query{}, "v1", "tenants", tenant, "workers")
	if err != nil {
		return nil, err
	}
	return workers.Items, nil
}

// PutWorker enables or disables a worker of a tenant.
func (c *Client) PutWorker(ctx context.Context, tenant, worker string, enabled bool) (*rentroll.Worker, error) {
	return send[rentroll.Worker](ctx, c, &request{
		method: http.MethodPut, path: []string{"v1", "tenants", tenant, "workers", worker},
		body: map[string]bool{"enabled": enabled}, repeat: true,
	})
}

// DeleteWorker forgets a worker: its next run enables it again, if there is room.
func (c *Client) DeleteWorker(ctx context.Context, tenant, worker string) error {
	_, err := c.do(ctx, &request{method: http.MethodDelete, path: []string{"v1", "tenants", tenant, "workers", worker}}, nil)
	return err
}
