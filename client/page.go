package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"

	"github.com/rentroll/rentroll"
)

// query gathers parameters; empty ones are left out.
type query url.Values

func (q query) set(name, value string) query {
	if value != "" {
		url.Values(q).Set(name, value)
	}
	return q
}

func (q query) page(p rentroll.Page) query {
	if p.Limit != 0 {
		q.set("limit", strconv.Itoa(p.Limit))
	}
	return q.set("cursor", p.Cursor)
}

// list reads one page.
func list[T any](ctx context.Context, c *Client, q query, path ...string) (*rentroll.List[T], error) {
	out := &rentroll.List[T]{}
	_, err := c.do(ctx, &request{method: http.MethodGet, path: path, query: url.Values(q)}, out)
	if err != nil {
		return nil, err
	}
	if out.Items == nil {
		out.Items = []T{}
	}
	return out, nil
}

// all reads page after page, beginning with the given one. An error ends it.
func all[T any](from rentroll.Page, read func(rentroll.Page) (*rentroll.List[T], error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		page := from
		for {
			list, err := read(page)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range list.Items {
				if !yield(item, nil) {
					return
				}
			}
			if list.NextCursor == "" {
				return
			}
			page.Cursor = string(list.NextCursor)
		}
	}
}

// get reads one object.
func get[T any](ctx context.Context, c *Client, path ...string) (*T, error) {
	return send[T](ctx, c, &request{method: http.MethodGet, path: path})
}

// send sends a request whose answer is an object.
func send[T any](ctx context.Context, c *Client, r *request) (*T, error) {
	out := new(T)
	if _, err := c.do(ctx, r, out); err != nil {
		return nil, err
	}
	return out, nil
}

// create sends a request that creates or counts, once only; replayed marks an answer that repeats an earlier one.
func create[T any](ctx context.Context, c *Client, key string, body any, replayed func(*T) *bool, path ...string) (*T, error) {
	once, err := c.onceKey(key)
	if err != nil {
		return nil, err
	}
	out := new(T)
	a, err := c.do(ctx, &request{method: http.MethodPost, path: path, body: body, once: once}, out)
	if err != nil {
		return nil, err
	}
	*replayed(out) = a.replayed
	return out, nil
}
