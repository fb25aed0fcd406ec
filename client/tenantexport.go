package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

// OpenTenantExport begins to read all that is kept of a tenant, a zip archive of JSON Lines; see the operation exportTenant
// for its files. It may take as long as it will, but no longer than Options.Timeout without a byte. What is cut off ends with an
// error, and can't be opened as an archive. Close it. It needs an operator key with tenant:export.
func (c *Client) OpenTenantExport(ctx context.Context, tenant string) (io.ReadCloser, error) {
	answer, idle, stop, err := c.open(ctx, &request{method: http.MethodGet, path: []string{"v1", "tenants", tenant, "export"}}, "application/zip")
	if err != nil {
		return nil, err
	}
	return &download{body: answer.Body, idle: idle, patience: c.opts.Timeout, stop: stop}, nil
}

// download is an answer that is read as it comes.
type download struct {
	body     io.ReadCloser
	idle     *time.Timer // ends a connection over which nothing comes
	patience time.Duration
	stop     context.CancelFunc
}

// Read reads on.
func (d *download) Read(p []byte) (int, error) {
	d.idle.Reset(d.patience)
	defer d.idle.Stop()
	n, err := d.body.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = lost(err)
	}
	return n, err
}

// Close ends the connection.
func (d *download) Close() error {
	d.stop()
	return d.body.Close()
}
