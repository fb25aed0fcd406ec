package client_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/client"
	"github.com/rentroll/rentroll/httpapi"
	"github.com/rentroll/rentroll/sqlite"
)

// guarded is an API behind RequireKey, with the last request that got through.
type guarded struct {
	t    *testing.T
	url  string
	last atomic.Pointer[http.Request]
}

func guard(t *testing.T, c *client.Client, o *client.RequireKeyOptions) *guarded {
	t.Helper()
	g := &guarded{t: t}
	s := httptest.NewServer(client.RequireKey(c, o)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.last.Store(r)
		_, _ = io.WriteString(w, client.VerifiedKey(r.Context()).TenantID.String())
	})))
	t.Cleanup(s.Close)
	g.url = s.URL
	return g
}

// send sends a request with headers, as pairs, and returns the answer with its body.
func (g *guarded) send(pairs ...string) (*http.Response, string) {
	g.t.Helper()
	req, err := http.NewRequestWithContext(g.t.Context(), http.MethodGet, g.url, http.NoBody)
	if err != nil {
		g.t.Fatal(err)
	}
	for i := 0; i < len(pairs); i += 2 {
		req.Header[pairs[i]] = append(req.Header[pairs[i]], pairs[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		g.t.Error(err)
		return &http.Response{Header: http.Header{}}, ""
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		g.t.Error(err)
	}
	return res, string(body)
}

// refused expects a problem.
func (g *guarded) refused(status int, code rentroll.Code, reason string, pairs ...string) http.Header {
	g.t.Helper()
	before := g.last.Load()
	res, body := g.send(pairs...)
	var p struct {
		Type, Title, Detail string
		Status              int
		Code                rentroll.Code
	}
	if err := json.Unmarshal([]byte(body), &p); err != nil || res.StatusCode != status || p.Status != status || p.Code != code ||
		p.Type == "" || p.Title == "" || p.Detail == "" {
		g.t.Errorf("status %d, want %d %s: %s", res.StatusCode, status, code, body)
	}
	h := res.Header
	if h.Get("Content-Type") != "application/problem+json" || h.Get("Cache-Control") != "no-store" || h.Get("Rentroll-Denial") != reason {
		g.t.Errorf("%s: headers %v", code, h)
	}
	if (h.Get("WWW-Authenticate") == "Bearer") != (status == http.StatusUnauthorized) {
		g.t.Errorf("%s: WWW-Authenticate %q", code, h.Get("WWW-Authenticate"))
	}
	if g.last.Load() != before {
		g.t.Errorf("%s: the request got through", code)
	}
	return h
}

// newKey makes a key and returns its secret.
func newKey(t *testing.T, c *client.Client, tenant string, p client.CreateAPIKeyParams) (string, *rentroll.APIKey) {
	t.Helper()
	p.Name = "k"
	made := must(c.CreateAPIKey(t.Context(), tenant, p))(t)
	return string(made.Secret), made.APIKey
}

func newTenant(t *testing.T, c *client.Client, slug string) *rentroll.Tenant {
	t.Helper()
	return must(c.CreateTenant(t.Context(), client.CreateTenantParams{Name: "T", Slug: slug, Plan: rentroll.PlanPro}))(t)
}

func TestRequireKeyLetsGoodKeysPass(t *testing.T) {
	c := connect(t, serve(t), operatorSecret, nil)
	tenant := newTenant(t, c, "acme")
	secret, key := newKey(t, c, "acme", client.CreateAPIKeyParams{})
	g := guard(t, c, &client.RequireKeyOptions{Permission: rentroll.PermRunCreate, WorkerID: "writer"})
	for _, pairs := range [][]string{{"Authorization", "Bearer " + secret}, {"X-Api-Key", secret}, {"Authorization", "bearer  " + secret, "X-Api-Key", secret}} {
		res, body := g.send(append(pairs, "Rentroll-Tenant-Id", "forged", "Rentroll-Plan", "forged", "rentroll_key_id", "forged",
			"Rentroll_Permissions", "forged", "Rentroll-Anything", "forged", "Cookie", "a=b")...)
		if res.StatusCode != http.StatusOK || body != tenant.ID.String() {
			t.Fatalf("status %d: %s", res.StatusCode, body)
		}
		got := g.last.Load()
		if text := fmt.Sprint(got.Header); strings.Contains(text, "forged") || strings.Contains(text, secret) {
			t.Errorf("the handler got %s", text)
		}
		for name, want := range map[string]string{
			"Rentroll-Tenant-Id": tenant.ID.String(), "Rentroll-Key-Id": key.ID.String(), "Rentroll-Plan": "pro",
			"Rentroll-Permissions": "run:* read:*", "Cookie": "a=b",
		} {
			if got.Header.Get(name) != want {
				t.Errorf("%s is %q, want %q", name, got.Header.Get(name), want)
			}
		}
		if v := client.VerifiedKey(got.Context()); !v.Valid || v.APIKeyID != key.ID || v.TenantID != tenant.ID {
			t.Errorf("verified %+v", v)
		}
	}
	if client.VerifiedKey(t.Context()) != nil {
		t.Error("a key where no request is")
	}
	keeps := guard(t, c, &client.RequireKeyOptions{KeepKey: true})
	keeps.send("X-Api-Key", secret)
	if keeps.last.Load().Header.Get("X-Api-Key") != secret {
		t.Error("the key was not kept")
	}
}

func TestRequireKeyRefuses(t *testing.T) {
	url := serve(t)
	c, ctx := connect(t, url, operatorSecret, nil), t.Context()
	newTenant(t, c, "acme")
	newTenant(t, c, "gone")
	good, _ := newKey(t, c, "acme", client.CreateAPIKeyParams{})
	narrow, _ := newKey(t, c, "acme", client.CreateAPIKeyParams{Permissions: []string{"read:*"}})
	painter, _ := newKey(t, c, "acme", client.CreateAPIKeyParams{AllowedWorkers: []string{"painter"}})
	suspended, _ := newKey(t, c, "gone", client.CreateAPIKeyParams{})
	revoked, key := newKey(t, c, "acme", client.CreateAPIKeyParams{})
	must(c.RevokeAPIKey(ctx, "acme", key.ID, "test"))(t)
	must(c.Suspend(ctx, "gone", "test"))(t)
	g := guard(t, c, &client.RequireKeyOptions{Permission: rentroll.PermRunCreate, WorkerID: "writer", CacheFor: time.Minute})

	const none = rentroll.CodeUnauthenticated
	g.refused(401, none, "missing")
	g.refused(401, none, "missing", "Authorization", "Basic eDp5")
	g.refused(401, none, "missing", "Authorization", "Bearer ")
	g.refused(401, none, "malformed", "X-Api-Key", "x")
	g.refused(401, none, "malformed", "X-Api-Key", strings.Repeat("x", 2000))
	g.refused(401, none, "malformed", "X-Api-Key", operatorSecret)
	g.refused(401, none, "malformed", "X-Api-Key", good, "Authorization", "Bearer "+narrow)
	g.refused(401, none, "malformed", "X-Api-Key", good, "Authorization", "Basic eDp5")
	g.refused(401, none, "revoked", "X-Api-Key", revoked)
	g.refused(403, rentroll.CodeTenantSuspended, "tenant_suspended", "X-Api-Key", suspended)
	g.refused(403, rentroll.CodeForbidden, "insufficient_permissions", "X-Api-Key", narrow)
	g.refused(403, rentroll.CodeWorkerNotAllowed, "worker_not_allowed", "X-Api-Key", painter)
	must(c.Terminate(ctx, "gone", "test"))(t)
	g.refused(403, rentroll.CodeTenantTerminated, "tenant_terminated", "X-Api-Key", suspended)

	// A gate whose own key is not good blames nobody else, and lets nobody in.
	for _, own := range []string{"", narrow, revoked, "x"} {
		g := guard(t, connect(t, url, own, nil), nil)
		if h := g.refused(503, rentroll.CodeUnavailable, "", "X-Api-Key", good); h.Get("Retry-After") != "1" {
			t.Errorf("Retry-After %q", h.Get("Retry-After"))
		}
	}
	guard(t, c, &client.RequireKeyOptions{WorkerID: "NO WORKER"}).refused(503, rentroll.CodeUnavailable, "", "X-Api-Key", good)

	// One that has key:verify in a tenant lets in that tenant's keys.
	verifier, _ := newKey(t, c, "acme", client.CreateAPIKeyParams{Permissions: []string{"key:verify"}})
	own := guard(t, connect(t, url, verifier, nil), nil)
	own.refused(401, none, "not_found", "X-Api-Key", suspended)
	if res, body := own.send("X-Api-Key", good); res.StatusCode != http.StatusOK {
		t.Errorf("status %d: %s", res.StatusCode, body)
	}
}

// TestRequireKeyFailsClosed asks servers that are gone, that say nothing, and that are something else.
func TestRequireKeyFailsClosed(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	over := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-over }))
	t.Cleanup(silent.Close)
	t.Cleanup(func() { close(over) })
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>welcome</html>") }))
	t.Cleanup(other.Close)
	for _, url := range []string{gone.URL, silent.URL, other.URL} {
		var why error
		g := guard(t, connect(t, url, "x", nil), &client.RequireKeyOptions{
			Timeout: 50 * time.Millisecond,
			Refuse: func(w http.ResponseWriter, _ *http.Request, e *client.Error) {
				why = e
				w.WriteHeader(e.Status)
			},
		})
		res, _ := g.send("X-Api-Key", "x")
		if res.StatusCode != http.StatusServiceUnavailable || !errors.Is(why, rentroll.CodeUnavailable) || errors.Unwrap(why) == nil ||
			res.Header.Get("Retry-After") == "" || g.last.Load() != nil {
			t.Errorf("%s: status %d, %v", url, res.StatusCode, why)
		}
	}
}

// TestRequireKeyTellsRateLimits asks a server that has the answer of one whose key has a rate limit.
func TestRequireKeyTellsRateLimits(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 30, 0, 0, time.UTC)
	verification := &rentroll.Verification{Valid: true, RateLimit: &rentroll.RateLimitInfo{Limit: 25, Remaining: 3, ResetsAt: now.Add(6500 * time.Millisecond)}}
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Date", now.Format(http.TimeFormat))
		_ = json.NewEncoder(w).Encode(verification)
	}))
	t.Cleanup(s.Close)
	g := guard(t, connect(t, s.URL, "x", nil), &client.RequireKeyOptions{CacheFor: time.Hour})
	for range 2 { // each is asked about, or it would not count
		if res, body := g.send("X-Api-Key", "x"); res.StatusCode != http.StatusOK || res.Header.Get("RateLimit") != `"key";r=3;t=7` ||
			res.Header.Get("RateLimit-Policy") != `"key";q=25;w=60` || res.Header.Get("Retry-After") != "" {
			t.Errorf("status %d: %s, %v", res.StatusCode, body, res.Header)
		}
	}
	if asked.Load() != 2 {
		t.Errorf("the server was asked %d times about 2 requests", asked.Load())
	}
	verification.Valid, verification.Code, verification.RateLimit.Remaining = false, "rate_limited", 0
	h := g.refused(429, rentroll.CodeRateLimited, "rate_limited", "X-Api-Key", "x")
	if h.Get("Retry-After") != "3" || h.Get("RateLimit") != `"key";r=0;t=7` {
		t.Errorf("headers %v", h)
	}
}

// inside sends requests to a handler without a network, so that a bubble of synctest holds all of it.
type inside struct{ http.Handler }

func (i inside) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	i.ServeHTTP(rec, r)
	return rec.Result(), nil
}

// TestRequireKeyRemembers revokes keys that are remembered, and that are not.
func TestRequireKeyRemembers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rentroll.db")
	synctest.Test(t, func(t *testing.T) {
		store, err := sqlite.Open(t.Context(), file, nil)
		if err != nil {
			t.Fatal(err)
		}
		engine, err := rentroll.New(store, &rentroll.Options{OperatorSecret: operatorSecret})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := engine.Close(); err != nil {
				t.Error(err)
			}
		}()
		c := connect(t, "http://rentroll", operatorSecret, &client.Options{HTTPClient: &http.Client{Transport: inside{httpapi.New(engine, nil)}}})
		newTenant(t, c, "acme")
		ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
		unasked, asking := client.RequireKey(c, &client.RequireKeyOptions{CacheFor: 10 * time.Second, CacheSize: 1})(ok), client.RequireKey(c, nil)(ok)
		check := func(what string, g http.Handler, secret string, want int) {
			t.Helper()
			r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
			r.Header.Set("X-Api-Key", secret)
			w := httptest.NewRecorder()
			g.ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("%s: status %d, want %d: %s", what, w.Code, want, w.Body)
			}
		}
		kept, keptKey := newKey(t, c, "acme", client.CreateAPIKeyParams{})
		crowded, crowdedKey := newKey(t, c, "acme", client.CreateAPIKeyParams{})
		for _, secret := range []string{kept, crowded} {
			check("good, remembered", unasked, secret, 200)
			check("good, asked about", asking, secret, 200)
		}
		must(c.RevokeAPIKey(t.Context(), "acme", keptKey.ID, "test"))(t)
		must(c.RevokeAPIKey(t.Context(), "acme", crowdedKey.ID, "test"))(t)
		check("revoked, remembered", unasked, kept, 200)
		check("revoked, for which there was no room", unasked, crowded, 401)
		check("revoked, asked about", asking, kept, 401)
		time.Sleep(9 * time.Second)
		check("revoked, still remembered", unasked, kept, 200) // and not for longer than at first
		time.Sleep(time.Second)
		synctest.Wait()
		check("revoked, forgotten", unasked, kept, 401)
		check("revoked, asked about once more", unasked, kept, 401)
	})
}

// TestRequireKeyFromNetworks: a key that is restricted to networks passes from there only, also where it was remembered.
func TestRequireKeyFromNetworks(t *testing.T) {
	c := connect(t, serve(t), operatorSecret, nil)
	newTenant(t, c, "acme")
	here, _ := newKey(t, c, "acme", client.CreateAPIKeyParams{AllowedIPs: []string{"127.0.0.0/8", "::1"}})
	elsewhere, _ := newKey(t, c, "acme", client.CreateAPIKeyParams{AllowedIPs: []string{"192.0.2.0/24"}})
	g := guard(t, c, nil)
	if res, body := g.send("X-Api-Key", here); res.StatusCode != http.StatusOK {
		t.Errorf("status %d: %s", res.StatusCode, body)
	}
	g.refused(401, rentroll.CodeUnauthenticated, "ip_not_allowed", "X-Api-Key", elsewhere)

	remembers := guard(t, c, &client.RequireKeyOptions{CacheFor: time.Hour, Address: func(r *http.Request) netip.Addr {
		return netip.MustParseAddr(r.Header.Get("From"))
	}})
	for range 2 {
		if res, body := remembers.send("X-Api-Key", elsewhere, "From", "192.0.2.7"); res.StatusCode != http.StatusOK {
			t.Errorf("status %d: %s", res.StatusCode, body)
		}
		remembers.refused(401, rentroll.CodeUnauthenticated, "ip_not_allowed", "X-Api-Key", elsewhere, "From", "192.0.3.7")
	}
}

// TestRequireKeyUnderLoad sends requests of many callers at once: each is told apart.
func TestRequireKeyUnderLoad(t *testing.T) {
	c := connect(t, serve(t), operatorSecret, nil)
	keys := map[string]string{} // to the tenant that each is of
	for i := range 4 {
		tenant := newTenant(t, c, fmt.Sprintf("tenant-%d", i))
		for range 2 {
			secret, _ := newKey(t, c, tenant.Slug, client.CreateAPIKeyParams{})
			keys[secret] = tenant.ID.String()
		}
	}
	g := guard(t, c, &client.RequireKeyOptions{CacheFor: time.Millisecond, CacheSize: 3}) // remembered and forgotten all the time
	var group sync.WaitGroup
	for secret, tenant := range keys {
		group.Go(func() {
			for range 20 {
				if res, body := g.send("X-Api-Key", secret); res.StatusCode != http.StatusOK || body != tenant {
					t.Errorf("status %d: %s", res.StatusCode, body)
				}
				if res, _ := g.send("X-Api-Key", secret+"x"); res.StatusCode != http.StatusUnauthorized {
					t.Errorf("a bad key: status %d", res.StatusCode)
				}
			}
		})
	}
	group.Wait()
}
