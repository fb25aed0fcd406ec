package httpapi

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rentroll/rentroll"
)

// TestRateLimits: a key's own limit, then its tenant's, refuse what is too much, say so in every answer, and give room to
// what is not theirs.
func TestRateLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	made := w.operator("POST", "/v1/tenants/acme/api-keys", `{"name":"slow","permissions":["*"],"rate_limit_rpm":2}`).expect(201)
	slow := made.text("secret")
	for left := 1; left >= 0; left-- { // rates are of real time: there is room again after half a minute
		got := w.send(ask{method: "GET", path: "/v1/tenants/me", key: slow}).expect(200)
		if p, r := got.header.Get("RateLimit-Policy"), got.header.Get("RateLimit"); p != `"key";q=2;w=60` ||
			!strings.HasPrefix(r, `"key";r=`+strconv.Itoa(left)+`;t=`) {
			t.Errorf("RateLimit-Policy: %s, RateLimit: %s", p, r)
		}
	}
	got := w.send(ask{method: "GET", path: "/v1/tenants/me", key: slow}).refused(rentroll.CodeRateLimited)
	wait, err := strconv.Atoi(got.header.Get("Retry-After"))
	if err != nil || wait < 1 || wait > 30 || !strings.HasPrefix(got.header.Get("RateLimit"), `"key";r=0;t=`) {
		t.Errorf("%v", got.header)
	}
	w.unchanged(func() {
		w.send(ask{method: "POST", path: "/v1/tenants/me/runs", key: slow, body: `{"worker_id":"w","task":"t"}`}).refused(rentroll.CodeRateLimited)
	})
	verify := `{"secret":"` + slow + `"}`
	w.operator("POST", "/v1/api-keys/verify", verify).expect(200).
		has("valid", false, "code", "rate_limited", "rate_limit.limit", 2, "rate_limit.remaining", 0)
	odd := w.operator("POST", "/v1/tenants/acme/api-keys", `{"name":"odd","rate_limit_rpm":7}`).expect(201).text("secret")
	resets := w.operator("POST", "/v1/api-keys/verify", `{"secret":"`+odd+`"}`).expect(200).text("rate_limit.resets_at")
	if at, err := time.Parse(time.RFC3339, resets); err != nil || at.Nanosecond()%1000 != 0 {
		t.Errorf("resets_at is %s, finer than every other time of the API", resets)
	}
	if got := w.tenantKey("GET", "/v1/tenants/me", nil).expect(200); got.header.Get("RateLimit") != "" {
		t.Errorf("a key without limits: %v", got.header)
	}

	w.operator("PATCH", "/v1/tenants/acme", `{"limit_overrides":{"requests_per_minute":2}}`).expect(200)
	if got := w.tenantKey("GET", "/v1/tenants/me", nil).expect(200); !strings.HasPrefix(got.header.Get("RateLimit"), `"tenant";r=1;t=`) {
		t.Errorf("with a limit of the tenant: %v", got.header)
	}
	other := w.operator("POST", "/v1/tenants/acme/api-keys", `{"name":"other","permissions":["*"],"rate_limit_rpm":100}`).expect(201).text("secret")
	if got := w.send(ask{method: "GET", path: "/v1/tenants/me", key: other}).expect(200); got.header.Get("RateLimit-Policy") != `"key";q=100;w=60, "tenant";q=2;w=60` {
		t.Errorf("with both limits: %v", got.header)
	}
	w.send(ask{method: "GET", path: "/v1/tenants/me", key: other}).refused(rentroll.CodeRateLimited)
	w.tenantKey("GET", "/v1/tenants/me", nil).refused(rentroll.CodeRateLimited)
	w.operator("PATCH", "/v1/tenants/acme", `{"limit_overrides":{"requests_per_minute":null}}`).expect(200)
	w.tenantKey("GET", "/v1/tenants/me", nil).expect(200)
}
