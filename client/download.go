package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/rentroll/rentroll"
)

// download is an answer of any length, read as it comes. It may take as long as it will, but no longer than Options.Timeout
// without a byte while somebody reads.
type download struct {
	header   http.Header
	body     io.ReadCloser
	idle     *time.Timer // ends a connection over which nothing comes
	patience time.Duration
	stop     context.CancelFunc
}

// open asks for an answer of a media type.
func (c *Client) open(ctx context.Context, r *request, media string) (d *download, err error) {
	target, err := c.target(r)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	defer func() {
		if err != nil {
			stop()
		}
	}()
	req, err := http.NewRequestWithContext(ctx, r.method, target, http.NoBody)
	if err != nil {
		return nil, &Error{Code: rentroll.CodeMalformedRequest, Message: "the request can't be made", cause: err}
	}
	c.header(req.Header, r, nil)
	req.Header.Set("Accept", media+", application/problem+json")
	idle := time.AfterFunc(c.opts.Timeout, stop)
	answer, err := c.opts.HTTPClient.Do(req) //nolint:bodyclose // the download closes it
	idle.Stop()
	if err != nil {
		return nil, lost(err)
	}
	d = &download{header: answer.Header, body: answer.Body, idle: idle, patience: c.opts.Timeout, stop: stop}
	if answer.StatusCode == http.StatusOK {
		return d, nil
	}
	defer d.Close()
	body, err := io.ReadAll(io.LimitReader(d, maxAnswer))
	if err != nil {
		return nil, err
	}
	return nil, refused(answer, body)
}

// Read reads on.
func (d *download) Read(p []byte) (int, error) {
	d.idle.Reset(d.patience)
	n, err := d.body.Read(p)
	d.idle.Stop() // whoever reads may take long
	if err != nil && !errors.Is(err, io.EOF) {
		err = lost(err)
	}
	return n, err
}

// Close ends the connection.
func (d *download) Close() error {
	d.idle.Stop()
	err := d.body.Close()
	d.stop()
	return err
}
