package console

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/rentroll/rentroll"
)

func TestSignInAndOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	b := w.browser()
	b.leads("the door", b.get("/console/"), "/console/sign-in")
	b.leads("a page", b.get("/console/tenants?status=active&q=a%20b"), "/console/sign-in?next=%2Fconsole%2Ftenants%3Fstatus%3Dactive%26q%3Da%2520b")
	b.is("the page", b.get("/console/sign-in?next=/console/tenants%3Fq=x"), http.StatusOK, `name="next" value="/console/tenants?q=x"`)
	b.is("a wrong key", b.post("/console/sign-in", url.Values{"key": {"wrong"}}), http.StatusUnauthorized, "lets nobody in")
	in := b.post("/console/sign-in", url.Values{"key": {" " + operatorSecret + "\n"}, "next": {"/console/tenants?q=x"}})
	b.leads("a good key", in, "/console/tenants?q=x")
	line := url.Values{"key": {"export RENTROLL_KEY='" + operatorSecret + "'"}}
	b.leads("the line that shows a key", b.post("/console/sign-in", line), "/console/")
	cookie := in.header.Get("Set-Cookie")
	for _, want := range []string{"; Path=/console/", "; HttpOnly", "; SameSite=Strict"} {
		if !strings.Contains(cookie, want) {
			t.Errorf("the cookie %q has no %q", cookie, want)
		}
	}
	if strings.Contains(cookie, "Secure") {
		t.Error("a cookie for TLS over plain HTTP, which would not come back")
	}
	b.is("a page", b.get("/console/tenants"), http.StatusOK, "There are no tenants yet")
	other := w.signedIn(operatorSecret)
	b.leads("signing out", b.act("/console/sign-out", nil), "/console/sign-in")
	b.leads("the page after that", b.get("/console/tenants"), "/console/sign-in?next=%2Fconsole%2Ftenants")
	other.is("another's page", other.get("/console/tenants"), http.StatusOK, "There are no tenants yet")
}

func TestNextPath(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"/console/tenants": "/console/tenants", "/console/tenants?q=%2F%2F": "/console/tenants?q=%2F%2F", "": root, "/v1/tenants": root,
		"//evil.example/console/": root, "https://evil.example/console/": root, "/console/sign-in": root, "/console/live": root,
		"/console/\\evil": root, "javascript:alert(1)": root, "/consolex": root,
	} {
		if got := nextPath(given); got != want {
			t.Errorf("%q leads to %q, want %q", given, got, want)
		}
	}
}

func TestSessionDiesWithItsKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	tenant := w.tenant("acme")
	secret, key, err := w.engine.CreateAPIKey(t.Context(), rentroll.CreateAPIKeyParams{TenantID: tenant.ID, Name: "k"})
	w.must(err)
	b := w.signedIn(secret)
	b.leads("the overview", b.get("/console/"), "/console/tenants/me")
	b.is("its own page", b.get("/console/tenants/me"), http.StatusOK, "Tenant acme")
	b.is("all tenants", b.get("/console/tenants"), http.StatusForbidden, "Not allowed")
	_, err = w.engine.RevokeAPIKey(t.Context(), rentroll.RevokeAPIKeyParams{TenantID: tenant.ID, KeyID: key.ID})
	w.must(err)
	b.leads("with a revoked key", b.get("/console/tenants"), "/console/sign-in?ended=1&next=%2Fconsole%2Ftenants")
	b.is("the door", b.get("/console/sign-in?ended=1"), http.StatusOK, "Your session has ended")
}

func TestGuards(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &Options{Hosts: []string{"rent.example.com"}, Secure: func(*http.Request) bool { return true }})
	b := w.browser()
	for host, status := range map[string]int{
		"rent.example.com": 200, "RENT.example.com:8080": 200, "localhost:8080": 200, "console.localhost": 200, "127.0.0.1": 200, "[::1]:8080": 200,
		"192.0.2.7:8080": 200, "evil.example": 421, "rent.example.com.evil.example": 421, "": 421, "127.0.0.1.nip.io": 421,
	} {
		if host == "" {
			continue // the client would put its own
		}
		b.header.Set("Host", host)
		if a := b.get("/console/sign-in"); a.status != status {
			t.Errorf("for the host %s: %d, want %d", host, a.status, status)
		}
	}
	b.header = http.Header{"Sec-Fetch-Site": {"cross-site"}}
	b.is("another site's form", b.post("/console/sign-in", url.Values{"key": {operatorSecret}}), http.StatusForbidden, "another site")
	if a := b.get("/console/tenants"); a.status != http.StatusOK || a.header.Get("Refresh") != "0" {
		t.Errorf("another site's link: %d, %v", a.status, a.header)
	}
	b.header = http.Header{"Origin": {"https://evil.example"}}
	b.is("another origin's form", b.post("/console/sign-in", url.Values{"key": {operatorSecret}}), http.StatusForbidden, "another site")
	b.header = http.Header{}
	in := b.post("/console/sign-in", url.Values{"key": {operatorSecret}})
	if !strings.Contains(in.header.Get("Set-Cookie"), "; Secure") {
		t.Errorf("the cookie is %q", in.header.Get("Set-Cookie"))
	}
	for name, want := range map[string]string{
		"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
	} {
		if got := in.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for _, loose := range []string{"unsafe", "*", "http:", "https:"} {
		if strings.Contains(policy, loose) {
			t.Errorf("the policy has %q", loose)
		}
	}
}

func TestForms(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	b, other := w.signedIn(operatorSecret), w.signedIn(operatorSecret)
	b.is("without a token", b.post("/console/sign-out", nil), http.StatusForbidden, "not of this session")
	b.is("another's token", b.post("/console/sign-out", url.Values{"token": {other.token()}}), http.StatusForbidden, "not of this session")
	if first := b.token(); b.token() == first {
		t.Error("two pages have the same token")
	}
	b.header.Set(tokenHeader, b.token())
	b.leads("a token in the header", b.post("/console/sign-out", nil), "/console/sign-in")
}

func TestAttemptsAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	b := w.browser()
	for range attemptsAtOnce {
		b.is("an attempt", b.post("/console/sign-in", url.Values{"key": {"wrong"}}), http.StatusUnauthorized, "lets nobody in")
	}
	a := b.post("/console/sign-in", url.Values{"key": {operatorSecret}})
	b.is("one more", a, http.StatusTooManyRequests, "Too many attempts")
	if a.header.Get("Retry-After") == "" {
		t.Error("it does not say when to try again")
	}
}

func TestPastedKey(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		" rr_abc\n": "rr_abc", "export RENTROLL_KEY=rrop_abc": "rrop_abc", "RENTROLL_KEY='rr_abc'": "rr_abc", "": "",
		"a key with RENTROLL_KEY= in it": "a key with RENTROLL_KEY= in it", "'quoted'": "'quoted'",
	} {
		if got := pastedKey(given); got != want {
			t.Errorf("%q is the key %q, want %q", given, got, want)
		}
	}
}
