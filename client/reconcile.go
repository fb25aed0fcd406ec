package client

import (
	"context"
	"net/http"

	"github.com/rentroll/rentroll"
)

// Reconcile has the server compare what is stored of a tenant, or of all for "", with the rows that it was made from, for
// as far as one call goes: pass NextCursor on until it is "". repair mends what differs. It needs an operator key.
func (c *Client) Reconcile(ctx context.Context, tenant string, repair bool, cursor string) (*rentroll.Reconciliation, error) {
	path := []string{"v1", "reconcile"}
	if tenant != "" {
		path = []string{"v1", "tenants", tenant, "reconcile"}
	}
	body := struct {
		Repair bool   `json:"repair,omitempty"`
		Cursor string `json:"cursor,omitempty"`
	}{repair, cursor}
	return send[rentroll.Reconciliation](ctx, c, &request{method: http.MethodPost, path: path, body: body, repeat: true})
}
