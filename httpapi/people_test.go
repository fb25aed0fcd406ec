package httpapi

import (
	"strings"
	"testing"

	"github.com/rentroll/rentroll"
)

func TestUsers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	made := w.operator("POST", "/v1/users", `{"email":"ada@acme.example","name":"Ada","external_id":"user_1"}`).
		expect(201).has("email", "ada@acme.example", "name", "Ada", "external_id", "user_1", "default_tenant_id", nil)
	id := made.text("id")
	w.operator("GET", "/v1/users/"+id, nil).expect(200).has("id", id)
	w.operator("GET", "/v1/users?email=ada@acme.example", nil).expect(200).has("items.0.id", id)
	w.operator("GET", "/v1/users?email=nobody@acme.example", nil).expect(200).has("items", "[]")
	w.unchanged(func() {
		w.operator("POST", "/v1/users", `{"email":"x@acme.example","external_id":"user_1"}`).refused(rentroll.CodeAlreadyExists, "external_id")
		for _, c := range []struct{ body, field string }{
			{`{}`, "email"},
			{`{"email":""}`, "email"},
			{`{"email":null}`, "email"},
			{`{"email":"Ada <ada@acme.example>"}`, "email"},
			{`{"email":"` + strings.Repeat("a", 250) + `@b.cd"}`, "email"},
			{`{"email":"a@b.cd","name":"\u0000"}`, "name"},
			{`{"email":"a@b.cd","default_tenant_id":null}`, "default_tenant_id"},
		} {
			w.operator("POST", "/v1/users", c.body).refused(rentroll.CodeValidationFailed, c.field)
		}
	})
	w.operator("DELETE", "/v1/users/"+id, nil).expect(204)
	w.operator("GET", "/v1/users/"+id, nil).refused(rentroll.CodeNotFound)
	w.operator("DELETE", "/v1/users/"+id, nil).refused(rentroll.CodeNotFound)
}

func TestMembers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user := func(email string) string {
		return w.operator("POST", "/v1/users", `{"email":"`+email+`","external_id":"x-`+email+`"}`).expect(201).text("id")
	}
	ada, grace, linus := user("ada@acme.example"), user("grace@acme.example"), user("linus@acme.example")
	w.operator("POST", "/v1/tenants/acme/members", `{"user_id":"`+ada+`"}`).expect(201).
		has("role", "owner", "user_id", ada, "tenant_id", w.tenant.ID)
	w.operator("GET", "/v1/users/"+ada, nil).expect(200).has("default_tenant_id", w.tenant.ID)
	w.tenantKey("POST", "/v1/tenants/me/members", `{"email":"grace@acme.example"}`).expect(201).has("role", "member", "user_id", grace)
	w.tenantKey("POST", "/v1/tenants/me/members", `{"external_id":"x-linus@acme.example","role":"viewer"}`).expect(201).has("user_id", linus)
	w.tenantKey("GET", "/v1/tenants/me/members?limit=2", nil).expect(200).has("items.0.user_id", ada, "items.1.user_id", grace)
	w.unchanged(func() {
		at := "/v1/tenants/me/members"
		w.tenantKey("POST", at, `{"user_id":"`+ada+`"}`).refused(rentroll.CodeValidationFailed, "user_id")
		w.tenantKey("POST", at, `{"email":"ada@acme.example","role":"owner"}`).refused(rentroll.CodeForbidden)
		w.tenantKey("POST", at, `{"email":"ada@acme.example","set_as_default":true}`).refused(rentroll.CodeForbidden)
		w.tenantKey("POST", at, `{"email":"nobody@acme.example"}`).refused(rentroll.CodeNotFound)
		w.tenantKey("PATCH", at+"/"+ada, `{"role":"viewer"}`).refused(rentroll.CodeForbidden)
		w.tenantKey("DELETE", at+"/"+ada, nil).refused(rentroll.CodeForbidden)
		at = "/v1/tenants/acme/members"
		w.operator("POST", at, `{"user_id":"`+grace+`"}`).refused(rentroll.CodeAlreadyExists)
		w.operator("POST", at, `{}`).refused(rentroll.CodeValidationFailed, "user_id")
		w.operator("POST", at, `{"user_id":"`+ada+`","email":"ada@acme.example"}`).refused(rentroll.CodeValidationFailed, "user_id")
		w.operator("POST", at, `{"user_id":"usr_01kaqt41n2f4tbnk2x8m6zr0ce"}`).refused(rentroll.CodeNotFound)
		w.operator("POST", at, `{"user_id":"ten_01kaqt3x4heyr9b1c6x8m6zr0c"}`).refused(rentroll.CodeValidationFailed, "user_id")
		w.operator("POST", at, `{"user_id":"`+ada+`","role":""}`).refused(rentroll.CodeValidationFailed, "role")
		w.operator("POST", at, `{"user_id":"`+ada+`","role":"god"}`).refused(rentroll.CodeValidationFailed, "role")
		w.operator("PATCH", at+"/"+ada, `{}`).refused(rentroll.CodeValidationFailed, "role")
		w.operator("PATCH", at+"/"+ada, `{"role":null}`).refused(rentroll.CodeValidationFailed, "role")
		w.operator("PATCH", at+"/"+ada, `{"role":"viewer"}`).refused(rentroll.CodeLastOwner)
		w.operator("DELETE", at+"/"+ada, nil).refused(rentroll.CodeLastOwner)
		w.operator("DELETE", "/v1/users/"+ada, nil).refused(rentroll.CodeLastOwner)
	})
	w.operator("PATCH", "/v1/tenants/acme/members/"+grace, `{"role":"owner"}`).expect(200).has("role", "owner")
	w.operator("DELETE", "/v1/tenants/acme/members/"+ada, nil).expect(204)
	w.operator("DELETE", "/v1/tenants/acme/members/"+ada, nil).refused(rentroll.CodeNotFound)
}

func TestAPIKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := "/v1/tenants/acme/api-keys"
	made := w.operator("POST", at, `{"name":"ci","permissions":["run:create","key:*"],"allowed_workers":["builder"],"expires_in_days":3650,
		"rate_limit_rpm":60,"max_concurrent_runs":0,"max_tokens_per_month":1000}`).expect(201).has(
		"api_key.name", "ci", "api_key.permissions", "[run:create key:*]", "api_key.allowed_workers", "[builder]",
		"api_key.rate_limit_rpm", 60, "api_key.max_concurrent_runs", 0, "api_key.status", "active", "api_key.user_id", nil,
		"api_key.rotated_to", nil)
	if expiry := made.text("api_key.expires_at"); !strings.HasPrefix(expiry, "2036-11-20T09:30:00") {
		t.Errorf("expires at %s", expiry)
	}
	id, secret := made.text("api_key.id"), made.text("secret")
	if prefix := made.text("api_key.key_prefix"); len(prefix) != 12 || !strings.HasPrefix(secret, prefix) {
		t.Errorf("prefix %q", prefix)
	}
	read := w.operator("GET", at+"/"+id, nil).expect(200).has("id", id)
	if strings.Contains(string(read.body), secret) || strings.Contains(string(read.body), "hash") {
		t.Errorf("too much is shown: %s", read.body)
	}
	child := w.send(ask{method: "POST", path: at, key: secret, body: `{"name":"child"}`}).refused(rentroll.CodeForbidden)
	child.names("permissions", true).names("allowed_workers", true).names("expires_in_days", true).names("rate_limit_rpm", true)
	w.unchanged(func() {
		for _, c := range []struct{ field, value, named string }{
			{"name", `""`, "name"},
			{"name", `null`, "name"},
			{"name", `"a\u0000"`, "name"},
			{"permissions", `[]`, "permissions"},
			{"permissions", `["all"]`, "permissions[0]"},
			{"permissions", `["run:*","Run:read"]`, "permissions[1]"},
			{"permissions", `["run:*","run:*"]`, "permissions[1]"},
			{"permissions", `["run:*",5]`, "permissions[1]"},
			{"permissions", `["*",null]`, "permissions[1]"},
			{"allowed_workers", `[]`, "allowed_workers"},
			{"allowed_workers", `["Builder"]`, "allowed_workers[0]"},
			{"allowed_workers", `["a\u0000"]`, "allowed_workers[0]"},
			{"expires_in_days", `0`, "expires_in_days"},
			{"expires_in_days", `-1`, "expires_in_days"},
			{"expires_in_days", `3651`, "expires_in_days"},
			{"expires_in_days", `1e7`, "expires_in_days"},
			{"expires_in_days", `10000000`, "expires_in_days"},
			{"rate_limit_rpm", `0`, "rate_limit_rpm"},
			{"rate_limit_rpm", `1000001`, "rate_limit_rpm"},
			{"max_concurrent_runs", `-1`, "max_concurrent_runs"},
			{"max_tokens_per_month", `1000000000001`, "max_tokens_per_month"},
			{"user_id", `"usr_01kaqt41n2f4tbnk2x8m6zr0ce"`, "user_id"},
			{"user_id", `""`, "user_id"},
			{"user_id", `"\u0075sr_01kaqt41n2f4tbnk2x8m6zr0ce"`, "user_id"},
		} {
			w.operator("POST", at, replaced(t, `{"name":"x"}`, c.field, c.value)).refused(rentroll.CodeValidationFailed, c.named)
		}
	})
	w.operator("GET", at, nil).expect(200).has("items.0.id", id)
	w.operator("POST", at+"/"+id+"/revoke", nil).expect(200).has("status", "revoked", "revoked_reason", "Manual revocation")
	w.unchanged(func() {
		w.operator("POST", at+"/"+id+"/revoke", `{"reason":"again"}`).expect(200).has("revoked_reason", "Manual revocation")
	})
	w.operator("GET", at, nil).expect(200).has("items.0.id", w.keyID)
	w.operator("GET", at+"?include_revoked=true", nil).expect(200).has("items.0.id", id)
	w.operator("PATCH", "/v1/tenants/acme", `{"limit_overrides":{"api_keys":1}}`).expect(200)
	denied := w.operator("POST", at, `{"name":"x"}`).refused(rentroll.CodeQuotaExceeded).
		has("quota", "api_keys", "scope", "tenant", "limit", 1, "current", 1, "resets_at", nil)
	if denied.header.Get("Retry-After") != "" {
		t.Error("waiting does not help against api_keys")
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	secret, id := w.makeKey("acme", "run:create")
	verify := func(key, body string) *reply {
		return w.send(ask{method: "POST", path: "/v1/api-keys/verify", key: key, body: body})
	}
	verify(operatorSecret, `{"secret":"`+secret+`"}`).expect(200).has(
		"valid", true, "code", nil, "tenant_id", w.tenant.ID, "tenant_status", "active", "api_key_id", id, "plan", "free",
		"permissions", "[run:create]", "allowed_workers", nil, "rate_limit", nil, "stale", false)
	verify(w.key, `{"secret":"`+secret+`","permission":"run:create","worker_id":"x"}`).expect(200).has("valid", true)
	verify(w.key, `{"secret":"`+secret+`","permission":"run:read"}`).expect(200).has("valid", false, "code", "insufficient_permissions")
	verify(w.key, `{"secret":"rr_nonsense"}`).expect(200).has("valid", false, "code", "malformed", "tenant_id", nil, "permissions", nil)
	verify(w.key, `{"secret":"`+w.theirs+`"}`).expect(200).has("valid", false, "code", "not_found")
	for _, c := range []struct{ body, field string }{
		{`{}`, "secret"},
		{`{"secret":""}`, "secret"},
		{`{"secret":"` + strings.Repeat("x", 1025) + `"}`, "secret"},
		{`{"secret":"x","permission":""}`, "permission"},
		{`{"secret":"x","permission":"run:fly"}`, "permission"},
		{`{"secret":"x","worker_id":"A B"}`, "worker_id"},
	} {
		r := verify(w.key, c.body).refused(rentroll.CodeValidationFailed, c.field)
		if strings.Contains(string(r.body), "xxx") {
			t.Errorf("a secret is repeated: %s", r.body)
		}
	}
	w.operator("POST", "/v1/tenants/acme/suspend", nil).expect(200)
	verify(operatorSecret, `{"secret":"`+secret+`"}`).expect(200).has("valid", false, "code", "tenant_suspended")
}
