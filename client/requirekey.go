package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rentroll/rentroll"
)

// RequireKeyOptions tune RequireKey. Nil and the zero value are fine: every field says what it then means.
type RequireKeyOptions struct {
	// Permission is what each key must allow here. "" is nothing in particular: every good key passes.
	Permission rentroll.Permission

	// WorkerID is the worker that each key must be allowed to run. "" is none.
	WorkerID string

	// Timeout bounds how long a request waits to be verified, tries included; then it is refused as unavailable. 0 is 5
	// seconds.
	Timeout time.Duration

	// CacheFor is how long a key that passed is let in again unasked. 0 is never: a revoked key or a suspended tenant
	// would be let in for as long, on top of the second that servers take to tell each other, and requests that are not
	// asked about are missing in the key's total_requests and last_used_at. Keys that are refused, and keys with a rate
	// limit, are always asked about.
	CacheFor time.Duration

	// CacheSize is how many keys are remembered at most; more are asked about each time. 0 is 10,000.
	CacheSize int

	// KeepKey leaves the key in the request that the handler gets. The default removes it: a handler needs no secret, and
	// what it does not have it can't log or send on.
	KeepKey bool

	// Address says where a request came from, for keys that are restricted to networks. nil is the address of the
	// connection; behind a proxy that is the proxy's, and only who runs it knows which header to believe.
	Address func(r *http.Request) netip.Addr

	// Refuse answers a request that may not pass. Status is 401, 403, 429 or 503, and unwrapping shows what kept the
	// answer away, where something did. Headers like WWW-Authenticate and Retry-After are set already. nil writes
	// application/problem+json.
	Refuse func(w http.ResponseWriter, r *http.Request, e *Error)
}

const (
	defaultVerifyTimeout = 5 * time.Second
	defaultCacheSize     = 10_000
	maxSecret            = 1024 // bytes; a server refuses longer ones unread
)

// RequireKey returns a middleware that lets requests pass which carry a good API key of a tenant, in Authorization: Bearer
// or X-API-Key. c asks about them: it needs an operator key, or a key with key:verify to let in keys of its own tenant
// only. When no server answers, nobody passes.
//
// The handler finds the caller by VerifiedKey, and in the headers that a proxy before it would have set: Rentroll-Tenant-Id,
// Rentroll-Key-Id, Rentroll-Plan and Rentroll-Permissions. Whatever the client sent under such names is removed.
func RequireKey(c *Client, options *RequireKeyOptions) func(http.Handler) http.Handler {
	var o RequireKeyOptions
	if options != nil {
		o = *options
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultVerifyTimeout
	}
	if o.CacheSize <= 0 {
		o.CacheSize = defaultCacheSize
	}
	if o.Address == nil {
		o.Address = peer
	}
	if o.Refuse == nil {
		o.Refuse = writeProblem
	}
	return func(next http.Handler) http.Handler {
		return &gate{client: c, opts: o, next: next, passed: newPassed(o.CacheFor, o.CacheSize)}
	}
}

type verifiedKey struct{}

// VerifiedKey returns what RequireKey found out about the key of a request, by the context of that request; nil where it
// did not come through RequireKey. It is shared and not to be changed.
func VerifiedKey(ctx context.Context) *rentroll.Verification {
	v, _ := ctx.Value(verifiedKey{}).(*rentroll.Verification)
	return v
}

// gate stands before a handler.
type gate struct {
	client *Client
	opts   RequireKeyOptions
	next   http.Handler
	passed *passed
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v, err := g.verify(w, r)
	if err != nil {
		g.refuse(w, r, v, err)
		return
	}
	in := r.Clone(context.WithValue(r.Context(), verifiedKey{}, v))
	for name := range in.Header {
		if isOurs(name) || !g.opts.KeepKey && (name == "Authorization" || name == "X-Api-Key") {
			delete(in.Header, name)
		}
	}
	in.Header.Set("Rentroll-Tenant-Id", v.TenantID.String())
	in.Header.Set("Rentroll-Key-Id", v.APIKeyID.String())
	in.Header.Set("Rentroll-Plan", string(v.Plan))
	in.Header.Set("Rentroll-Permissions", strings.Join(v.Permissions, " "))
	g.next.ServeHTTP(w, in)
}

// isOurs reports whether a header is one that only the gate may set, underscores and dashes being the same to programs
// behind CGI and its heirs.
func isOurs(name string) bool {
	const prefix = "rentroll-"
	return len(name) >= len(prefix) && strings.EqualFold(strings.ReplaceAll(name[:len(prefix)], "_", "-"), prefix)
}

// verify finds out whether a request may pass. The verification is there, as far as it goes, beside a refusal, too.
func (g *gate) verify(w http.ResponseWriter, r *http.Request) (*rentroll.Verification, error) {
	secret, reason := presented(r.Header)
	if reason != "" {
		v := &rentroll.Verification{Code: rentroll.NullString(reason)}
		return v, v.Err()
	}
	from := g.opts.Address(r)
	if v := g.passed.get(secret, from); v != nil {
		return v, nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), g.opts.Timeout)
	defer cancel()
	v, date, err := g.client.verify(ctx, VerifyAPIKeyParams{
		Secret: secret, Permission: g.opts.Permission, WorkerID: g.opts.WorkerID, IP: from,
	})
	if err != nil {
		return nil, err
	}
	if v.RateLimit != nil {
		setRateLimit(w.Header(), v.RateLimit, date)
	}
	if err := v.Err(); err != nil {
		return v, err
	}
	if v.RateLimit == nil && !v.Stale {
		g.passed.put(secret, from, v)
	}
	return v, nil
}

// peer is the address at the other end of a request's connection.
func peer(r *http.Request) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap()
}

// presented returns the one key of a request, or why there is none.
func presented(h http.Header) (secret, reason string) {
	var found []string
	for _, value := range h.Values("Authorization") {
		if scheme, rest, _ := strings.Cut(strings.TrimSpace(value), " "); strings.EqualFold(scheme, "Bearer") {
			found = append(found, strings.TrimSpace(rest))
		} else {
			found = append(found, "") // some other credential, which lets nobody in
		}
	}
	found = append(found, h.Values("X-Api-Key")...)
	slices.Sort(found)
	switch found = slices.Compact(found); {
	case len(found) == 0 || len(found) == 1 && found[0] == "":
		return "", "missing"
	case len(found) > 1 || len(found[0]) > maxSecret:
		return "", "malformed"
	default:
		return found[0], ""
	}
}

// refuse answers a request that may not pass: v says why, and where there is none, err why nobody knows.
func (g *gate) refuse(w http.ResponseWriter, r *http.Request, v *rentroll.Verification, err error) {
	h := w.Header()
	var e *Error
	if v == nil {
		e = unknown(err)
	} else {
		e = denied(err, v.RateLimit)
		h.Set("Rentroll-Denial", string(v.Code))
	}
	h.Set("Cache-Control", "no-store")
	if e.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(e.RetryAfter/time.Second)))
	}
	g.opts.Refuse(w, r, e)
}

// unknown is the refusal of a key that could not be asked about. That the gate's own key is not good, or its question not
// valid, is no fault of whoever sent the request.
func unknown(err error) *Error {
	e := &Error{
		Code: rentroll.CodeUnavailable, Status: http.StatusServiceUnavailable, RetryAfter: time.Second,
		Message: "nobody can say whether the API key is good", cause: err,
	}
	if theirs, ok := errors.AsType[*Error](err); ok {
		e.RetryAfter = max(e.RetryAfter, theirs.RetryAfter)
	}
	return e
}

// denied is the refusal of a key that the server said no to.
func denied(err error, l *rentroll.RateLimitInfo) *Error {
	e := &Error{Code: rentroll.CodeOf(err), Status: http.StatusForbidden, Message: err.Error()}
	if why, ok := errors.AsType[*rentroll.Error](err); ok {
		e.Message = why.Message
	}
	switch e.Code {
	case rentroll.CodeUnauthenticated:
		e.Status = http.StatusUnauthorized
	case rentroll.CodeRateLimited:
		e.Status, e.RetryAfter = http.StatusTooManyRequests, time.Second
		if l != nil && l.Limit > 0 { // at its pace the limit lets one more through
			e.RetryAfter = time.Duration((60+l.Limit-1)/l.Limit) * time.Second
		}
	default:
	}
	return e
}

// writeProblem writes a refusal in the form of RFC 9457, with the members that the API has.
func writeProblem(w http.ResponseWriter, _ *http.Request, e *Error) {
	body, err := json.Marshal(struct {
		Type   string        `json:"type"`
		Title  string        `json:"title"`
		Status int           `json:"status"`
		Detail string        `json:"detail"`
		Code   rentroll.Code `json:"code"`
	}{"about:blank", http.StatusText(e.Status), e.Status, e.Message, e.Code})
	if err != nil {
		panic(fmt.Errorf("client: a problem has no JSON form: %w", err))
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(e.Status)
	_, _ = w.Write(body) // nobody is left to tell that the client went away
}

// setRateLimit tells how a key stands against its rate limit, as servers do. now is the server's: the clock here may differ.
func setRateLimit(h http.Header, l *rentroll.RateLimitInfo, now time.Time) {
	seconds := int64(0)
	if !now.IsZero() {
		seconds = max(0, int64((l.ResetsAt.Sub(now)+time.Second-1)/time.Second))
	}
	h.Set("RateLimit-Policy", fmt.Sprintf(`"key";q=%d;w=60`, l.Limit))
	h.Set("RateLimit", fmt.Sprintf(`"key";r=%d;t=%d`, l.Remaining, seconds))
}
