package httpapi

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rentroll/rentroll"
)

// perRoute calls check with each operation that asks who calls, and its sample.
func perRoute(t *testing.T, check func(r route, s sample)) {
	t.Helper()
	for _, r := range routesOf(t) {
		if r.needs == "" {
			continue
		}
		i := slices.IndexFunc(samples, func(s sample) bool { return s.id == r.id })
		check(r, samples[i])
	}
}

func TestEveryOperationAsksWhoCalls(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.furnish()
	revoked, revokedID := w.makeKey("acme", "*")
	w.operator("POST", "/v1/tenants/acme/api-keys/"+revokedID+"/revoke", nil).expect(200)
	perRoute(t, func(_ route, s sample) {
		w.unchanged(func() {
			for _, header := range []map[string]string{
				nil,
				{"Authorization": "Bearer"},
				{"Authorization": "Bearer "},
				{"Authorization": "Bearer x"},
				{"Authorization": "Basic " + operatorSecret},
				{"Authorization": operatorSecret},
				{"Authorization": "Bearer " + operatorSecret + "x"},
				{"Authorization": "Bearer " + strings.ToUpper(w.key)},
				{"Authorization": "Bearer " + w.key[:len(w.key)-1]},
				{"Authorization": "Bearer " + revoked},
				{"X-API-Key": "x"},
			} {
				a := f.ask(s, "")
				a.header = header
				r := w.send(a).refused(rentroll.CodeUnauthenticated)
				if got := r.header.Get("WWW-Authenticate"); got != "Bearer" {
					t.Errorf("WWW-Authenticate %q", got)
				}
			}
			for _, header := range []map[string]string{
				{"Authorization": "Bearer " + operatorSecret, "X-API-Key": w.key},
				{"Authorization": "Basic eDp5", "X-API-Key": operatorSecret},
				{"Authorization": "Bearer", "X-API-Key": operatorSecret},
			} {
				a := f.ask(s, "")
				a.header = header
				w.send(a).refused(rentroll.CodeMalformedRequest)
			}
		})
	})
}

func TestCredentialsAreRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, header := range []map[string]string{
		{"Authorization": "Bearer " + w.key},
		{"Authorization": "bearer " + w.key},
		{"Authorization": "BEARER   " + w.key + " "},
		{"X-API-Key": w.key},
		{"Authorization": "Bearer " + w.key, "X-API-Key": w.key},
	} {
		w.send(ask{method: "GET", path: "/v1/tenants/me", header: header}).expect(200).has("slug", "acme")
	}
	h := http.Header{"Authorization": {"Bearer a", "Bearer b"}}
	if _, err := credential(h); rentroll.CodeOf(err) != rentroll.CodeMalformedRequest {
		t.Errorf("two Authorization headers: %v", err)
	}
}

// TestAnotherTenantDoesNotExist calls each operation of a tenant with another tenant's key, and expects the very answer
// that a tenant gets which there is not.
func TestAnotherTenantDoesNotExist(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.furnish()
	perRoute(t, func(r route, s sample) {
		if !strings.Contains(r.at, "{tenant}") {
			return
		}
		w.unchanged(func() {
			want := w.send(named(f.ask(s, w.theirs), "nobody")).refused(rentroll.CodeNotFound)
			for _, name := range []string{
				"acme", w.tenant.ID.String(), "spare", "ten_01kaqt3x4heyr9b1c6x8m6zr0c", "ACME", "%00", "ten_",
				"ten_00000000000000000000000001",
			} {
				got := w.send(named(f.ask(s, w.theirs), name)).refused(rentroll.CodeNotFound)
				if !bytes.Equal(anonymous(t, got), anonymous(t, want)) {
					t.Errorf("%s answers\n%s\nand nobody\n%s", name, got.body, want.body)
				}
			}
		})
	})
}

// named is a request about another tenant.
func named(a ask, tenant string) ask {
	parts := strings.Split(a.path, "/")
	parts[3] = tenant
	a.path = strings.Join(parts, "/")
	return a
}

// anonymous is the body of a problem without what differs between any two requests.
func anonymous(t testing.TB, r *reply) []byte {
	t.Helper()
	var members map[string]json.RawMessage
	r.into(&members)
	delete(members, "request_id")
	out, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestObjectsOfAnotherTenantDoNotExist names one tenant's objects under another's path.
func TestObjectsOfAnotherTenantDoNotExist(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.furnish()
	perRoute(t, func(r route, s sample) {
		if strings.Count(r.at, "{") < 2 || strings.HasPrefix(r.at, "PUT") || strings.HasSuffix(r.at, "{period}") { // every tenant has those
			return
		}
		w.unchanged(func() {
			code := rentroll.CodeNotFound
			if r.operatorsOnly() {
				code = rentroll.CodeForbidden
			}
			w.send(named(f.ask(s, w.theirs), "me")).refused(code)
			w.send(named(f.ask(s, operatorSecret), "globex")).refused(rentroll.CodeNotFound)
		})
	})
	secret := f.words.Replace("{secret}")
	w.send(ask{method: "POST", path: "/v1/api-keys/verify", key: w.theirs, body: `{"secret":"` + secret + `"}`}).
		expect(200).has("valid", false, "code", "not_found", "tenant_id", nil)
}

// TestTenantsInOtherStates is the table of what keys of tenants that are not active may still do.
func TestTenantsInOtherStates(t *testing.T) {
	t.Parallel()
	while := func(t *testing.T, transition string, code rentroll.Code, allowed func(r route) bool) {
		t.Helper()
		w := newWorld(t)
		f := w.furnish()
		w.operator("POST", "/v1/tenants/acme/"+transition, nil).expect(200)
		perRoute(t, func(r route, s sample) {
			if r.operatorsOnly() || r.id == "verifyAPIKey" {
				return
			}
			a := f.ask(s, w.key)
			if strings.HasPrefix(a.path, "/v1/tenants/") {
				a = named(a, "me")
			}
			if allowed(r) {
				if got := w.send(a); got.status >= 400 && got.status != 409 {
					t.Errorf("%s: status %d\n%s", r.id, got.status, got.body)
				}
				return
			}
			w.unchanged(func() { w.send(a).refused(code) })
		})
	}
	t.Run("suspended", func(t *testing.T) {
		t.Parallel()
		while(t, "suspend", rentroll.CodeTenantSuspended, func(r route) bool {
			if slices.Contains([]string{"startRun", "retryRun", "reserveTokens", "consume"}, r.id) {
				return false // nothing new begins
			}
			return strings.HasSuffix(string(r.needs), ":read") || r.needs == rentroll.PermRunUpdate || r.needs == rentroll.PermUsageWrite
		})
	})
	t.Run("terminated", func(t *testing.T) {
		t.Parallel()
		while(t, "terminate", rentroll.CodeTenantTerminated, func(r route) bool { return r.id == "completeRun" })
	})
	t.Run("a day later", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		f := w.furnish()
		w.operator("POST", "/v1/tenants/acme/terminate", nil).expect(200)
		w.time.move(24 * time.Hour)
		i := slices.IndexFunc(samples, func(s sample) bool { return s.id == "completeRun" })
		w.unchanged(func() { w.send(f.ask(samples[i], w.key)).refused(rentroll.CodeUnauthenticated) })
	})
	t.Run("archived", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.operator("POST", "/v1/tenants/acme/terminate", nil).expect(200)
		w.operator("POST", "/v1/tenants/acme/archive", nil).expect(200).has("status", "archived")
		w.tenantKey("GET", "/v1/tenants/me", nil).refused(rentroll.CodeUnauthenticated)
		w.operator("GET", "/v1/tenants/acme", nil).expect(200)
		w.operator("POST", "/v1/tenants/acme/resume", nil).refused(rentroll.CodeInvalidTransition)
	})
}

// TestSecretsStaySecret looks for every secret of a test in what it has logged and stored.
func TestSecretsStaySecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.furnish()
	for _, s := range samples {
		if !s.alone {
			w.send(f.ask(s, w.key))
		}
	}
	w.send(ask{method: "GET", path: "/v1/tenants/me", key: w.key + "x"}).refused(rentroll.CodeUnauthenticated)
	logged, stored := w.log.String(), w.dump()
	for _, secret := range []string{operatorSecret, w.key, w.theirs, f.words.Replace("{secret}")} {
		if strings.Contains(logged, secret) || strings.Contains(stored, secret) {
			t.Errorf("a secret was logged or stored")
		}
		if bytes.Contains(w.operator("GET", "/v1/tenants/acme/api-keys", nil).body, []byte(secret)) {
			t.Errorf("a secret is listed")
		}
	}
}
