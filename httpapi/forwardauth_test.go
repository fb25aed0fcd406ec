package httpapi

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rentroll/rentroll"
)

// passes expects that a proxy may let a request pass.
func (r *reply) passes(tenant, key, plan, permissions string) {
	r.t.Helper()
	r.expect(http.StatusNoContent)
	for name, want := range map[string]string{
		tenantHeader: tenant, keyHeader: key, planHeader: plan, permissionsHeader: permissions, denialHeader: "",
		"Cache-Control": "no-store",
	} {
		if got := r.header.Get(name); got != want {
			r.t.Errorf("%s: %s is %q, want %q", r.what, name, got, want)
		}
	}
}

// stopped expects that a proxy is told not to let a request pass, why, and nothing of the key.
func (r *reply) stopped(code rentroll.Code, reason string) {
	r.t.Helper()
	r.refused(code)
	if got := r.header.Get(denialHeader); got != reason {
		r.t.Errorf("%s: %s is %q, want %q", r.what, denialHeader, got, reason)
	}
	if got := r.header.Get("WWW-Authenticate"); (got == "Bearer") != (r.status == http.StatusUnauthorized) {
		r.t.Errorf("%s: WWW-Authenticate %q with status %d", r.what, got, r.status)
	}
	for _, name := range []string{tenantHeader, keyHeader, planHeader, permissionsHeader} {
		if r.header.Values(name) != nil {
			r.t.Errorf("%s: a denial with %s", r.what, name)
		}
	}
	if r.header.Get("Cache-Control") != "no-store" {
		r.t.Errorf("%s: a denial may be cached", r.what)
	}
}

// front sends a request as a proxy does.
func (w *world) front(query string, header map[string]string) *reply {
	w.t.Helper()
	return w.send(ask{method: "GET", path: "/v1/forward-auth" + query, header: header})
}

func bearing(secret string) map[string]string {
	return map[string]string{"Authorization": "Bearer " + secret}
}

func TestForwardAuthLetsGoodKeysPass(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tenant := w.tenant.ID.String()
	secret, id := w.makeKey("acme", "run:*", "read:*")
	w.front("", bearing(secret)).passes(tenant, id, "free", "run:* read:*")
	w.front("", map[string]string{"X-API-Key": secret}).passes(tenant, id, "free", "run:* read:*")
	w.front("?permission=run:create&worker_id=builder", bearing(secret)).passes(tenant, id, "free", "run:* read:*")
	if r := w.send(ask{method: "HEAD", path: "/v1/forward-auth", key: secret}); r.status != http.StatusNoContent {
		t.Errorf("HEAD: status %d", r.status)
	}
	w.operator("PUT", "/v1/tenants/acme/plan", `{"plan":"pro"}`).expect(200)
	w.front("", bearing(secret)).passes(tenant, id, "pro", "run:* read:*")
	if !strings.Contains(w.log.String(), "route=/v1/forward-auth status=204") || !strings.Contains(w.log.String(), "actor="+id) {
		t.Error("the log does not say who passed")
	}
}

// TestForwardAuthSeesTheKeyOnly sends what browsers and programs send to the API behind the proxy: none of it is meant
// for this server.
func TestForwardAuthSeesTheKeyOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, header := range []map[string]string{
		{"If-Match": "not a tag", "If-None-Match": `"x`, "If-Modified-Since": "yesterday", "Range": "bytes=0-1"},
		{"Accept": "text/plain", "Content-Type": "image/png", "Cookie": "a=b", "Idempotency-Key": ""},
		{tenantHeader: w.other.ID.String(), permissionsHeader: "*", "Rentroll-User": "usr_x", denialHeader: "x"},
		{"X-Forwarded-Method": "DELETE", "X-Forwarded-Uri": "/v1/forward-auth?permission=x", "X-Original-Url": "/"},
	} {
		header["Authorization"] = "Bearer " + w.key
		w.front("", header).passes(w.tenant.ID.String(), w.keyID, "free", "*")
	}
}

func TestForwardAuthStops(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	narrow, _ := w.makeKey("acme", "read:*")
	revoked, revokedID := w.makeKey("acme", "*")
	w.operator("POST", "/v1/tenants/acme/api-keys/"+revokedID+"/revoke", nil).expect(200)
	expired := w.operator("POST", "/v1/tenants/acme/api-keys", `{"name":"x","expires_in_days":1}`).expect(201).text("secret")
	own := w.operator("POST", "/v1/tenants/acme/api-keys", `{"name":"x","allowed_workers":["painter"]}`).expect(201).text("secret")
	w.time.move(25 * time.Hour)

	for _, c := range []struct {
		query  string
		header map[string]string
		code   rentroll.Code
		reason string
	}{
		{"", nil, rentroll.CodeUnauthenticated, "missing"},
		{"", map[string]string{"Authorization": "Basic eDp5"}, rentroll.CodeUnauthenticated, "missing"},
		{"", bearing("x"), rentroll.CodeUnauthenticated, "malformed"},
		{"", bearing(w.key[:len(w.key)-1]), rentroll.CodeUnauthenticated, "malformed"},
		{"", bearing(strings.Repeat("x", maxSecret+1)), rentroll.CodeUnauthenticated, "malformed"},
		{"", bearing(operatorSecret), rentroll.CodeUnauthenticated, "malformed"},
		{"", map[string]string{"Authorization": "Bearer " + w.key, "X-API-Key": w.theirs}, rentroll.CodeUnauthenticated, "malformed"},
		{"", bearing(strangersKey(t)), rentroll.CodeUnauthenticated, "not_found"},
		{"", bearing(revoked), rentroll.CodeUnauthenticated, "revoked"},
		{"", bearing(expired), rentroll.CodeUnauthenticated, "expired"},
		{"?permission=run:create", bearing(narrow), rentroll.CodeForbidden, "insufficient_permissions"},
		{"?worker_id=builder", bearing(own), rentroll.CodeWorkerNotAllowed, "worker_not_allowed"},
	} {
		w.front(c.query, c.header).stopped(c.code, c.reason)
	}

	w.operator("POST", "/v1/tenants/acme/suspend", nil).expect(200)
	w.front("", bearing(w.key)).stopped(rentroll.CodeTenantSuspended, "tenant_suspended")
	w.operator("POST", "/v1/tenants/acme/terminate", nil).expect(200)
	w.front("", bearing(w.key)).stopped(rentroll.CodeTenantTerminated, "tenant_terminated")
	w.front("", bearing(w.theirs)).passes(w.other.ID.String(), w.theirsID(), "free", "*")
}

// strangersKey is a well-formed key of a server that is not this one.
func strangersKey(t *testing.T) string {
	t.Helper()
	return newWorld(t).key
}

func (w *world) theirsID() string {
	w.t.Helper()
	return w.operator("GET", "/v1/tenants/globex/api-keys", nil).expect(200).text("items.0.id")
}

// TestForwardAuthRefusesWrongConfigurations: what the proxy's own configuration has wrong is no 401, which would blame
// the caller, and no 2xx.
func TestForwardAuthRefusesWrongConfigurations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for query, field := range map[string]string{
		"?permission=run:fly": "permission", "?permission=": "permission", "?worker_id=NO": "worker_id", "?worker=builder": "worker",
		"?permission=run:read&permission=run:create": "permission",
	} {
		w.front(query, bearing(w.key)).refused(rentroll.CodeValidationFailed, field)
	}
}

// TestForwardAuthFailsClosed takes the database away.
func TestForwardAuthFailsClosed(t *testing.T) {
	t.Parallel()
	w, store := failingWorld(t)
	store.broken.Store(true)
	if r := w.front("", bearing(w.key)).refused(rentroll.CodeUnavailable); r.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After %q", r.header.Get("Retry-After"))
	}
	store.broken.Store(false)
	w.front("", bearing(w.key)).expect(http.StatusNoContent)
}

// TestForwardAuthShowsRateLimits: a proxy is told of the same limits as a caller of the API, whosever they are, and how
// long to wait by the limit that refused.
func TestForwardAuthShowsRateLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	limit := func(overrides string) {
		t.Helper()
		w.operator("PATCH", "/v1/tenants/acme", `{"limit_overrides":`+overrides+`}`).expect(200)
	}
	shows := func(r *reply, policy string, retry ...string) { // one of these
		t.Helper()
		if r.header.Get("RateLimit-Policy") != policy || !slices.Contains(retry, r.header.Get("Retry-After")) {
			t.Errorf("%s: %v, want %s and to retry after one of %q", r.what, r.header, policy, retry)
		}
	}
	both := w.operator("POST", "/v1/tenants/acme/api-keys", `{"name":"x","rate_limit_rpm":1}`).expect(201).text("secret")
	limit(`{"requests_per_minute":600}`)
	shows(w.front("", bearing(w.key)).expect(204), `"tenant";q=600;w=60`, "")
	began := time.Now() // rates are of real time
	shows(w.front("", bearing(both)).expect(204), `"key";q=1;w=60, "tenant";q=600;w=60`, "")
	over := w.front("", bearing(both))
	over.stopped(rentroll.CodeRateLimited, "rate_limited")
	var waits []string
	for left := time.Minute; left >= time.Minute-time.Since(began)-time.Second; left -= time.Second {
		waits = append(waits, strconv.Itoa(int(left.Seconds())))
	}
	shows(over, `"key";q=1;w=60`, waits...)
	limit(`{"requests_per_minute":0}`)
	none := w.front("", bearing(w.key))
	none.stopped(rentroll.CodeRateLimited, "rate_limited")
	shows(none, `"tenant";q=0;w=60`, "60")
}

// TestDeniedKnowsEveryReason holds the reasons against the codes, and sends a reason that nobody has heard of the safe way.
func TestDeniedKnowsEveryReason(t *testing.T) {
	t.Parallel()
	for reason, want := range map[string]rentroll.Code{
		"malformed": rentroll.CodeUnauthenticated, "not_found": rentroll.CodeUnauthenticated, "revoked": rentroll.CodeUnauthenticated,
		"expired": rentroll.CodeUnauthenticated, "ip_not_allowed": rentroll.CodeUnauthenticated, "": rentroll.CodeUnauthenticated,
		"tenant_suspended": rentroll.CodeTenantSuspended, "tenant_terminated": rentroll.CodeTenantTerminated,
		"insufficient_permissions": rentroll.CodeForbidden, "worker_not_allowed": rentroll.CodeWorkerNotAllowed,
		"rate_limited": rentroll.CodeRateLimited, "something new": rentroll.CodeUnauthenticated,
	} {
		rec := &probe{header: http.Header{}}
		err := denied(&exchange{writer: recorder{ResponseWriter: rec}}, reason)
		if rentroll.CodeOf(err) != want || rec.header.Get(denialHeader) != reason {
			t.Errorf("%q: %v", reason, err)
		}
	}
}
