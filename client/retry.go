package client

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/rentroll/rentroll"
)

const (
	firstWait = 100 * time.Millisecond
	longest   = 5 * time.Second // a server that wants more is not waited for
)

// again decides whether a request that failed is sent again, and when.
func (c *Client) again(ctx context.Context, r *request, err error, tries int) (wait time.Duration, again bool) {
	var e *Error
	if tries >= c.opts.Retries || ctx.Err() != nil || !errors.As(err, &e) || e.RetryAfter > longest {
		return 0, false
	}
	// Of what was refused as overloaded nothing was done. What has no answer may have been done.
	if e.Code != rentroll.CodeOverloaded && (!r.repeatable() || !e.passing()) {
		return 0, false
	}
	wait = min(firstWait<<tries, longest)
	return e.RetryAfter + c.jitter(wait), true
}

// repeatable reports whether sending a request twice does no more than sending it once.
func (r *request) repeatable() bool { return r.repeat || r.once != "" || r.method == http.MethodGet }

// passing reports whether the failure is one that may be over soon.
func (e *Error) passing() bool {
	switch e.Status {
	case 0, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	default:
		return false
	}
}

// jitter returns between half of d and all of it, so that clients that failed together do not come back together.
func (c *Client) jitter(d time.Duration) time.Duration {
	var random [8]byte
	if _, err := io.ReadFull(c.opts.Random, random[:]); err != nil {
		return d
	}
	return d/2 + time.Duration(binary.BigEndian.Uint64(random[:])%uint64(d/2+1))
}

// sleep waits, unless the caller gives up first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
