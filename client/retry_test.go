package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/client"
)

// script answers one request after the other as it is told to; the last answer stays.
type script struct {
	answers []func(*http.Request) (*http.Response, error)
	keys    []string // the idempotency keys that came
}

// RoundTrip takes the next answer.
func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	s.keys = append(s.keys, r.Header.Get("Idempotency-Key"))
	next := s.answers[0]
	if len(s.answers) > 1 {
		s.answers = s.answers[1:]
	}
	return next(r)
}

func says(status int, code rentroll.Code, retryAfter string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		h, body := http.Header{}, `{}`
		if code != "" {
			h.Set("Content-Type", "application/problem+json")
			body = fmt.Sprintf(`{"code":%q,"detail":"so it is","request_id":"r1"}`, code)
		}
		if retryAfter != "" {
			h.Set("Retry-After", retryAfter)
		}
		return &http.Response{
			StatusCode: status, Status: http.StatusText(status), Header: h, Body: io.NopCloser(strings.NewReader(body)), Request: r,
		}, nil
	}
}

func breaks(*http.Request) (*http.Response, error) { return nil, errors.New("the connection broke") }

// silent never answers.
func silent(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestRetries(t *testing.T) {
	type answers = []func(*http.Request) (*http.Response, error)
	ok := says(http.StatusOK, "", "")
	overloaded := says(http.StatusTooManyRequests, rentroll.CodeOverloaded, "1")
	unavailable := says(http.StatusServiceUnavailable, rentroll.CodeUnavailable, "1")
	read := func(ctx context.Context, c *client.Client) error { _, err := c.ListPlans(ctx); return err }
	create := func(ctx context.Context, c *client.Client) error {
		_, err := c.CreateRun(ctx, "acme", client.CreateRunParams{})
		return err
	}
	complete := func(ctx context.Context, c *client.Client) error {
		_, err := c.CompleteRun(ctx, "acme", rentroll.RunID{1}, client.CompleteRunParams{})
		return err
	}
	suspend := func(ctx context.Context, c *client.Client) error { _, err := c.Suspend(ctx, "acme", ""); return err }
	tests := []struct {
		name      string
		answers   answers
		do        func(context.Context, *client.Client) error
		tries     int
		want      rentroll.Code
		low, high time.Duration
	}{
		{"a good answer", answers{ok}, read, 1, "", 0, 0},
		{"a broken connection", answers{breaks, breaks, ok}, read, 3, "", 150 * time.Millisecond, 300 * time.Millisecond},
		{"it stays broken", answers{breaks}, read, 4, rentroll.CodeUnavailable, 350 * time.Millisecond, 700 * time.Millisecond},
		{"as long as the server says", answers{unavailable, ok}, read, 2, "", 1050 * time.Millisecond, 1100 * time.Millisecond},
		{"longer than anybody waits", answers{says(503, rentroll.CodeUnavailable, "60")}, read, 1, rentroll.CodeUnavailable, 0, 0},
		{"a gateway", answers{says(502, "", ""), ok}, read, 2, "", 50 * time.Millisecond, 100 * time.Millisecond},
		{"a key makes it safe", answers{unavailable, ok}, create, 2, "", time.Second, 2 * time.Second},
		{"safe by itself", answers{breaks, ok}, complete, 2, "", 50 * time.Millisecond, 100 * time.Millisecond},
		{"not safe", answers{unavailable, ok}, suspend, 1, rentroll.CodeUnavailable, 0, 0},
		{"nothing was done yet", answers{overloaded, ok}, suspend, 2, "", time.Second, 2 * time.Second},
		{"a limit", answers{says(429, rentroll.CodeQuotaExceeded, "1")}, create, 1, rentroll.CodeQuotaExceeded, 0, 0},
		{"a rate", answers{says(429, rentroll.CodeRateLimited, "1")}, read, 1, rentroll.CodeRateLimited, 0, 0},
		{"a fault", answers{says(500, rentroll.CodeInternal, "")}, read, 1, rentroll.CodeInternal, 0, 0},
		{"silence", answers{silent, ok}, read, 2, "", 35 * time.Second, 36 * time.Second},
		{"a redirect", answers{says(302, "", "")}, read, 1, rentroll.CodeInternal, 0, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{answers: test.answers}
				c := connect(t, "http://rentroll.example", "secret", &client.Options{HTTPClient: &http.Client{
					Transport:     s,
					CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
				}})
				began := time.Now()
				err := test.do(t.Context(), c)
				if took := time.Since(began); took < test.low || took > test.high {
					t.Errorf("it took %v, want %v to %v", took, test.low, test.high)
				}
				if code := rentroll.CodeOf(err); code != test.want {
					t.Errorf("it ended with %q (%v), want %q", code, err, test.want)
				}
				if len(s.keys) != test.tries {
					t.Errorf("it took %d tries, want %d", len(s.keys), test.tries)
				}
				for _, key := range s.keys {
					if key != s.keys[0] {
						t.Errorf("the idempotency keys differ: %q", s.keys)
					}
				}
			})
		})
	}
}

func TestIdempotencyKeys(t *testing.T) {
	send := func(options client.Options, p client.CreateRunParams) string {
		s := &script{answers: []func(*http.Request) (*http.Response, error){says(200, "", "")}}
		options.HTTPClient = &http.Client{Transport: s}
		if _, err := connect(t, "http://rentroll.example", "secret", &options).CreateRun(t.Context(), "acme", p); err != nil {
			t.Fatal(err)
		}
		return s.keys[0]
	}
	if got := send(client.Options{}, client.CreateRunParams{IdempotencyKey: "mine"}); got != "mine" {
		t.Errorf("the caller's key became %q", got)
	}
	one, two := send(client.Options{}, client.CreateRunParams{}), send(client.Options{}, client.CreateRunParams{})
	if one == "" || one == two {
		t.Errorf("keys of two requests: %q, %q", one, two)
	}
	if got := send(client.Options{Retries: -1}, client.CreateRunParams{}); got != "" {
		t.Errorf("a client that never repeats sends the key %q", got)
	}
}

func TestNew(t *testing.T) {
	for _, url := range []string{"", "127.0.0.1:8080", "ftp://x", "http://", "http://a?b=c", "http://a#b", "http://u:p@a", "http://%zz"} {
		if _, err := client.New(url, "", nil); err == nil {
			t.Errorf("%q is taken for a server", url)
		}
	}
	if _, err := client.New("http://a", "line\nbreak", nil); err == nil {
		t.Error("a key with a line break is taken")
	}
	c := connect(t, "http://a/", "hush", nil)
	if all := fmt.Sprintf("%v %+v %#v %s", c, c, c, c); strings.Contains(all, "hush") {
		t.Errorf("a client prints its key: %s", all)
	}
}
