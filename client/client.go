package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/rentroll/rentroll"
)

// Options tune a Client. Nil and the zero value are fine: every field says what it then means.
type Options struct {
	// HTTPClient sends the requests. nil is one of the Client's own that keeps connections open and follows no redirects:
	// an API has none, and a credential should not follow one.
	HTTPClient *http.Client

	// Timeout bounds one try. 0 is 35 seconds, a little more than a server takes before it gives up itself.
	Timeout time.Duration

	// Retries is how often a request is sent again at most. 0 is 3, less than 0 is never; then no idempotency keys are
	// made either.
	Retries int

	// UserAgent names the calling program in the server's audit. "" is "rentroll-go".
	UserAgent string

	// Random is the source of idempotency keys and of jitter. nil is the operating system's.
	Random io.Reader
}

const (
	defaultTimeout = 35 * time.Second
	defaultRetries = 3
	keptOpen       = 64       // connections to the server
	maxAnswer      = 64 << 20 // bytes; the largest page of runs is far below
)

// Client calls one server with one credential. Make one with New. All methods are safe for concurrent use.
type Client struct {
	base string // without a slash at its end
	key  string
	user string // for whom calls are made; "" for nobody
	opts Options
}

// New returns a client of the server at baseURL ("http://127.0.0.1:8080") that presents key, an operator key or a
// tenant's API key. nil options are fine. Nothing is sent yet.
func New(baseURL, key string, options *Options) (*Client, error) {
	u, err := url.Parse(baseURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, errors.New("client: the server's URL must look like http://127.0.0.1:8080")
	}
	if strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }) {
		return nil, errors.New("client: the key must be printable ASCII characters, without a line break")
	}
	c := &Client{base: strings.TrimRight(u.String(), "/"), key: key}
	if options != nil {
		c.opts = *options
	}
	if c.opts.HTTPClient == nil {
		c.opts.HTTPClient = newHTTPClient()
	}
	if c.opts.Timeout <= 0 {
		c.opts.Timeout = defaultTimeout
	}
	if c.opts.Retries == 0 {
		c.opts.Retries = defaultRetries
	}
	if c.opts.UserAgent == "" {
		c.opts.UserAgent = "rentroll-go"
	}
	if c.opts.Random == nil {
		c.opts.Random = rand.Reader
	}
	return c, nil
}

func newHTTPClient() *http.Client {
	c := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if base, ok := http.DefaultTransport.(*http.Transport); ok {
		t := base.Clone()
		t.MaxIdleConnsPerHost = keptOpen
		c.Transport = t
	}
	return c
}

// ForUser returns a client whose calls are made for a user, named by id or as "external:ID", as a platform's front end
// does for who has signed in: the user's role in the tenant decides, and the audit names the user. It needs an operator key.
func (c *Client) ForUser(user string) *Client {
	other := *c
	other.user = user
	return &other
}

// String names the server, never the key.
func (c *Client) String() string { return "client of " + c.base }

// GoString is String: no form of printing shows the key.
func (c *Client) GoString() string { return c.String() }

// Ready reports whether the server can be reached and should get traffic.
func (c *Client) Ready(ctx context.Context) error {
	_, err := c.do(ctx, &request{method: http.MethodGet, path: []string{"readyz"}}, nil)
	return err
}

// request is one operation before it is sent.
type request struct {
	method string
	path   []string // segments, unescaped
	query  url.Values
	body   any    // nil for none
	media  string // of the body; "" is JSON
	once   string // the idempotency key
	repeat bool   // sending it twice does no more than sending it once
}

// answer is what is known of an answer beside its body.
type answer struct {
	replayed bool
	date     time.Time // by the server's clock; zero where it does not say
}

// do sends a request, as often as needed and allowed, and reads the answer into a value, unless that is nil.
func (c *Client) do(ctx context.Context, r *request, into any) (answer, error) {
	target, err := c.target(r)
	if err != nil {
		return answer{}, err
	}
	body, err := encode(r.body)
	if err != nil {
		return answer{}, err
	}
	for try := 0; ; try++ {
		a, err := c.try(ctx, r, target, body, into)
		if err == nil {
			return a, nil
		}
		wait, again := c.again(ctx, r, err, try)
		if !again || !sleep(ctx, wait) {
			return answer{}, err
		}
	}
}

// target returns the URL of a request. A segment that would name another path is refused here.
func (c *Client) target(r *request) (string, error) {
	var b strings.Builder
	b.WriteString(c.base)
	for _, segment := range r.path {
		switch segment {
		case "", ".", "..":
			return "", &Error{Code: rentroll.CodeNotFound, Message: fmt.Sprintf("%q is no name and no id", segment)}
		}
		b.WriteByte('/')
		b.WriteString(url.PathEscape(segment))
	}
	if len(r.query) > 0 {
		b.WriteByte('?')
		b.WriteString(r.query.Encode())
	}
	return b.String(), nil
}

func encode(body any) ([]byte, error) {
	if body == nil {
		return nil, nil
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		return nil, &Error{Code: rentroll.CodeMalformedRequest, Message: "the parameters have no JSON form", cause: err}
	}
	return b.Bytes(), nil
}

// try sends a request once.
func (c *Client) try(ctx context.Context, r *request, target string, body []byte, into any) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, r.method, target, bytes.NewReader(body))
	if err != nil {
		return answer{}, &Error{Code: rentroll.CodeMalformedRequest, Message: "the request can't be made", cause: err}
	}
	c.header(req.Header, r, body)
	res, err := c.opts.HTTPClient.Do(req)
	if err != nil {
		return answer{}, lost(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return answer{}, lost(err)
	}
	a := answer{replayed: res.Header.Get("Idempotency-Replayed") == "true"}
	a.date, _ = http.ParseTime(res.Header.Get("Date")) // zero where there is none
	switch {
	case res.StatusCode < 200 || res.StatusCode > 299:
		return a, refused(res, data)
	case len(data) > maxAnswer:
		return a, &Error{Code: rentroll.CodeInternal, Status: res.StatusCode, Message: "the answer is too large"}
	case into == nil:
		return a, nil
	}
	if kept, ok := into.(*text); ok {
		*kept = data
		return a, nil
	}
	if err := json.Unmarshal(data, into); err != nil {
		return a, &Error{
			Code: rentroll.CodeInternal, Status: res.StatusCode, Message: "the answer is not what this API answers; is the URL right?",
			RequestID: res.Header.Get(requestIDHeader), cause: err,
		}
	}
	return a, nil
}

const requestIDHeader = "X-Request-Id"

func (c *Client) header(h http.Header, r *request, body []byte) {
	h.Set("Accept", "application/json, application/problem+json")
	h.Set("User-Agent", c.opts.UserAgent)
	if c.key != "" {
		h.Set("Authorization", "Bearer "+c.key)
	}
	if c.user != "" {
		h.Set("Rentroll-User", c.user)
	}
	if r.once != "" {
		h.Set("Idempotency-Key", r.once)
	}
	switch {
	case len(body) == 0:
	case r.media != "":
		h.Set("Content-Type", r.media)
	case r.method == http.MethodPatch:
		h.Set("Content-Type", "application/merge-patch+json")
	default:
		h.Set("Content-Type", "application/json")
	}
}

// lost is the error of a request that has no answer.
func lost(err error) error {
	return &Error{Code: rentroll.CodeUnavailable, Message: "no answer from the server", cause: err}
}

// refused is the error of an answer that is not a success.
func refused(res *http.Response, body []byte) error {
	e := &Error{Status: res.StatusCode, RequestID: res.Header.Get(requestIDHeader)}
	media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if media != "application/problem+json" || json.Unmarshal(body, e) != nil || e.Code == "" {
		// Something before the server has answered, or it is no Rentroll server.
		*e = Error{
			Code: codeOf(res.StatusCode), Status: res.StatusCode, RequestID: e.RequestID,
			Message: "the server answered " + res.Status + ", and not in the words of this API; is the URL right?",
		}
	}
	e.Status = res.StatusCode
	if seconds, err := strconv.ParseInt(res.Header.Get("Retry-After"), 10, 32); err == nil && seconds > 0 {
		e.RetryAfter = time.Duration(seconds) * time.Second
	}
	return e
}

// codeOf is the code of an answer that says none.
func codeOf(status int) rentroll.Code {
	switch status {
	case http.StatusUnauthorized, http.StatusProxyAuthRequired:
		return rentroll.CodeUnauthenticated
	case http.StatusForbidden:
		return rentroll.CodeForbidden
	case http.StatusNotFound:
		return rentroll.CodeNotFound
	case http.StatusMethodNotAllowed:
		return rentroll.CodeMethodNotAllowed
	case http.StatusRequestEntityTooLarge:
		return rentroll.CodePayloadTooLarge
	case http.StatusTooManyRequests:
		return rentroll.CodeRateLimited
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return rentroll.CodeUnavailable
	default:
		return rentroll.CodeInternal
	}
}

// onceKey returns the idempotency key of a request that creates or counts: the caller's, else one that lets this client
// repeat the request.
func (c *Client) onceKey(given string) (string, error) {
	if given != "" || c.opts.Retries < 0 {
		return given, nil
	}
	var random [20]byte
	if _, err := io.ReadFull(c.opts.Random, random[:]); err != nil {
		return "", fmt.Errorf("client: reading random bytes: %w", err)
	}
	return base32.StdEncoding.EncodeToString(random[:]), nil
}
