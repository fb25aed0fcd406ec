package httpapi

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rentroll/rentroll"
)

// lives checks whether a secret lets anybody in.
func (w *world) lives(secret string, want bool) {
	w.t.Helper()
	r := w.send(ask{method: "GET", path: "/v1/tenants/me", key: secret})
	if want {
		r.expect(200)
	} else {
		r.refused(rentroll.CodeUnauthenticated)
	}
}

func (w *world) rotate(key, id, body string) *reply {
	w.t.Helper()
	return w.send(ask{method: "POST", path: "/v1/tenants/acme/api-keys/" + id + "/rotate", key: key, body: body})
}

// keysUsed returns how many API keys of acme count.
func (w *world) keysUsed() any {
	w.t.Helper()
	return w.operator("GET", "/v1/tenants/acme/quotas", nil).expect(200).value("items.4.used")
}

func TestRotation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := "/v1/tenants/acme/api-keys"
	made := w.operator("POST", at, `{"name":"ci","permissions":["run:*","read:*"],"allowed_workers":["a"],"expires_in_days":90,
		"rate_limit_rpm":60,"max_concurrent_runs":1,"max_tokens_per_month":1000}`).expect(201)
	old, oldID := made.text("secret"), made.text("api_key.id")
	w.send(ask{method: "POST", path: "/v1/tenants/me/runs", key: old, body: `{"worker_id":"a","task":"t","reserve_tokens":900}`}).expect(201)

	next := w.rotate(operatorSecret, oldID, `{"overlap_seconds":3600}`).expect(200).has(
		"api_key.name", "ci", "api_key.permissions", "[run:* read:*]", "api_key.allowed_workers", "[a]", "api_key.rate_limit_rpm", 60,
		"api_key.max_concurrent_runs", 1, "api_key.max_tokens_per_month", 1000, "api_key.status", "active", "api_key.rotated_to", nil,
		"api_key.expires_at", made.text("api_key.expires_at"))
	secret, id := next.text("secret"), next.text("api_key.id")
	if secret == old || id == oldID {
		t.Fatal("the key is the old one")
	}
	w.operator("GET", at+"/"+oldID, nil).expect(200).has("status", "active", "rotated_to", id, "expires_at", "2026-11-23T10:30:00.007Z")
	if used := w.keysUsed(); used != 2.0 {
		t.Errorf("%v keys count, want 2", used)
	}
	for _, key := range []string{old, secret} { // one family: the slot and the tokens are taken
		w.send(ask{method: "POST", path: "/v1/tenants/me/runs", key: key, body: `{"worker_id":"a","task":"t"}`}).
			refused(rentroll.CodeQuotaExceeded).has("scope", "key", "quota", "concurrent_runs")
	}
	w.operator("GET", "/v1/tenants/acme/audit", nil).expect(200).has(
		"items.0.action", "api_key.create", "items.0.resource_id", id,
		"items.1.action", "api_key.rotate", "items.1.resource_id", oldID, "items.1.new.rotated_to", id)

	w.time.move(time.Hour)
	w.lives(old, false)
	w.lives(secret, true)
	w.operator("GET", at+"/"+oldID, nil).expect(200).has("status", "expired")
	if used := w.keysUsed(); used != 2.0 {
		t.Errorf("after the overlap %v keys count, want 2", used)
	}
	w.unchanged(func() {
		w.rotate(operatorSecret, oldID, `{}`).refused(rentroll.CodeInvalidTransition)
		w.rotate(operatorSecret, "key_01kaqt41n2f4tbnk2x8m6zr0ce", `{}`).refused(rentroll.CodeNotFound)
		w.rotate(operatorSecret, "nonsense", `{}`).refused(rentroll.CodeNotFound)
		for _, overlap := range []string{"-1", "2592001", "1.5", `"1"`} {
			w.rotate(operatorSecret, id, `{"overlap_seconds":`+overlap+`}`).refused(rentroll.CodeValidationFailed, "overlap_seconds")
		}
	})
	final := w.rotate(operatorSecret, id, `{"overlap_seconds":0}`).expect(200)
	w.lives(secret, false)
	w.lives(final.text("secret"), true)
	w.operator("GET", at+"/"+id, nil).expect(200).has("status", "revoked", "revoked_reason", "Rotated")
	w.operator("POST", "/v1/tenants/acme/suspend", nil).expect(200)
	w.rotate(operatorSecret, final.text("api_key.id"), `{}`).refused(rentroll.CodeTenantSuspended)
}

// TestLostRotation loses the answer of a rotation, in each way of repeating it.
func TestLostRotation(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{"with an overlap": `{}`, "at once": `{"overlap_seconds":0}`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			_, id := w.makeKey("acme", "run:*")
			a := ask{
				method: "POST", path: "/v1/tenants/acme/api-keys/" + id + "/rotate", key: operatorSecret, body: body,
				header: map[string]string{idempotencyHeader: "once"},
			}
			lost := w.send(a).expect(200)
			w.send(a).expect(200).has("secret", nil, "api_key.id", lost.text("api_key.id"))
			again := w.rotate(operatorSecret, id, body).expect(200)
			w.operator("GET", "/v1/tenants/acme/api-keys/"+lost.text("api_key.id"), nil).expect(200).has("status", "revoked")
			w.operator("GET", "/v1/tenants/acme/api-keys/"+id, nil).expect(200).has("rotated_to", again.text("api_key.id"))
			w.lives(lost.text("secret"), false)
			if used := w.keysUsed(); used != 2.0 {
				t.Errorf("%v keys count, want 2", used)
			}
			w.send(ask{method: "GET", path: "/v1/tenants/me/runs", key: again.text("secret")}).expect(200)
		})
	}
}

// TestRotationInherits: nobody rotates a key that can do more than the caller.
func TestRotationInherits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	narrow, narrowID := w.makeKey("acme", "key:*", "run:read")
	_, weaker := w.makeKey("acme", "run:read")
	w.unchanged(func() { w.rotate(narrow, w.keyID, `{}`).refused(rentroll.CodeForbidden, "permissions") })
	w.rotate(narrow, weaker, `{}`).expect(200)
	self := w.rotate(narrow, narrowID, `{}`).expect(200)
	w.rotate(narrow, narrowID, `{}`).expect(200) // lost: its own expiry is the overlap's end by now
	w.lives(self.text("secret"), false)
	w.rotate(w.theirs, weaker, `{}`).refused(rentroll.CodeNotFound)
}

// TestOverlapIsNoExtraKey: however keys are rotated and revoked, no more are good than the limit allows, each with one
// predecessor in overlap.
func TestOverlapIsNoExtraKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.operator("PATCH", "/v1/tenants/acme", `{"limit_overrides":{"api_keys":2}}`).expect(200)
	at := "/v1/tenants/acme/api-keys"
	first, firstID := w.makeKey("acme", "read:*")
	second := w.rotate(operatorSecret, firstID, `{}`).expect(200)
	w.unchanged(func() {
		w.rotate(operatorSecret, second.text("api_key.id"), `{}`).refused(rentroll.CodeQuotaExceeded).has("quota", "api_keys", "current", 2)
	})
	// Without its successor the first key takes its place again.
	w.operator("POST", at+"/"+second.text("api_key.id")+"/revoke", nil).expect(200)
	w.lives(first, true)
	w.operator("POST", at, `{"name":"x"}`).refused(rentroll.CodeQuotaExceeded).has("current", 2)
	third := w.rotate(operatorSecret, firstID, `{}`).expect(200).has("api_key.expires_at", nil)
	w.operator("POST", at+"/"+firstID+"/revoke", nil).expect(200)
	if used := w.keysUsed(); used != 2.0 {
		t.Errorf("%v keys count, want 2", used)
	}
	w.rotate(operatorSecret, third.text("api_key.id"), `{}`).expect(200)
	w.operator("POST", at, `{"name":"x"}`).refused(rentroll.CodeQuotaExceeded).has("current", 2)
}

// TestAllowedIPs: a key is good from its networks only, in calls and in verifications.
func TestAllowedIPs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *rentroll.Options, o *Options) { o.TrustedProxies = networks(t, "127.0.0.0/8", "::1/128") })
	at := "/v1/tenants/acme/api-keys"
	made := w.operator("POST", at, `{"name":"office","permissions":["*"],"allowed_ips":["192.0.2.77/24","2001:db8::7","192.0.2.0/24"]}`).
		expect(201).has("api_key.allowed_ips", "[192.0.2.0/24 2001:db8::7/128]")
	secret, id := made.text("secret"), made.text("api_key.id")
	for from, want := range map[string]bool{
		"192.0.2.9": true, "2001:db8::7": true, "192.0.3.9": false, "192.0.2.9, 203.0.113.1": false, "203.0.113.1, 192.0.2.9": true,
		"unknown": false, "": false, // no header: it came from the proxy itself
	} {
		r := w.send(ask{method: "GET", path: "/v1/tenants/me", key: secret, header: map[string]string{forwardedHeader: from}})
		if want {
			r.expect(200)
		} else {
			r.refused(rentroll.CodeUnauthenticated)
		}
	}
	office := map[string]string{forwardedHeader: "192.0.2.9"}
	verify := func(body string) *reply {
		return w.operator("POST", "/v1/api-keys/verify", `{"secret":"`+secret+`"`+body+`}`)
	}
	verify(`,"ip":"192.0.2.200"`).expect(200).has("valid", true)
	verify(`,"ip":"::ffff:192.0.2.200"`).expect(200).has("valid", true)
	verify(`,"ip":"192.0.3.1","permission":"run:create"`).expect(200).has("valid", false, "code", "ip_not_allowed")
	verify(``).expect(200).has("valid", false, "code", "ip_not_allowed")
	w.unchanged(func() {
		for _, ip := range []string{"", "192.0.2.0/24", "localhost"} {
			verify(`,"ip":"`+ip+`"`).refused(rentroll.CodeValidationFailed, "ip")
		}
		for _, c := range []struct{ value, named string }{
			{`[]`, "allowed_ips"}, {`["10.0.0.0/8",""]`, "allowed_ips[1]"}, {`"10.0.0.0/8"`, "allowed_ips"}, {`[10]`, "allowed_ips[0]"},
		} {
			w.operator("POST", at, `{"name":"x","allowed_ips":`+c.value+`}`).refused(rentroll.CodeValidationFailed, c.named)
		}
		for _, list := range []string{"", `,"allowed_ips":["192.0.0.0/16"]`} {
			w.send(ask{method: "POST", path: at, key: secret, header: office, body: `{"name":"x"` + list + `}`}).
				refused(rentroll.CodeForbidden, "allowed_ips")
		}
		w.send(ask{method: "POST", path: at + "/" + w.keyID + "/rotate", key: secret, header: office}).refused(rentroll.CodeForbidden, "allowed_ips")
	})
	w.send(ask{method: "POST", path: at, key: secret, header: office, body: `{"name":"x","allowed_ips":["192.0.2.9"]}`}).expect(201)
	w.operator("GET", "/v1/tenants/acme/audit", nil).expect(200).has("items.0.actor", id, "items.0.ip", "192.0.2.9")
	w.send(ask{method: "POST", path: at + "/" + id + "/rotate", key: secret, header: office}).expect(200).
		has("api_key.allowed_ips", "[192.0.2.0/24 2001:db8::7/128]")
}

// TestUntrustedProxies: without trusted proxies nobody's word is taken for where a call comes from.
func TestUntrustedProxies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := "/v1/tenants/acme/api-keys"
	secret := w.operator("POST", at, `{"name":"office","permissions":["*"],"allowed_ips":["192.0.2.0/24"]}`).expect(201).text("secret")
	here := w.operator("POST", at, `{"name":"here","permissions":["*"],"allowed_ips":["127.0.0.0/8","::1"]}`).expect(201).text("secret")
	header := map[string]string{forwardedHeader: "192.0.2.9"}
	w.send(ask{method: "GET", path: "/v1/tenants/me", key: secret, header: header}).refused(rentroll.CodeUnauthenticated)
	w.send(ask{method: "GET", path: "/v1/tenants/me", key: here, header: header}).expect(200)
}

// TestFindKeys: a part of a secret finds its key, whose and in whatever state it is; a tenant finds its own only.
func TestFindKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	made := func(tenant string) (id, prefix, suffix string) {
		r := w.operator("POST", "/v1/tenants/"+tenant+"/api-keys", `{"name":"k"}`).expect(201)
		secret := r.text("secret")
		r.has("api_key.key_prefix", secret[:12], "api_key.key_suffix", secret[len(secret)-4:])
		return r.text("api_key.id"), secret[:12], secret[len(secret)-4:]
	}
	own, prefix, suffix := made("acme")
	theirs, _, end := made("globex")
	w.operator("POST", "/v1/tenants/globex/api-keys/"+theirs+"/revoke", nil).expect(200)
	for _, at := range []string{"/v1/api-keys", "/v1/tenants/acme/api-keys"} {
		for _, q := range []string{prefix, suffix, prefix + "..." + suffix, url.QueryEscape(prefix[:8] + "…")} {
			w.operator("GET", at+"?q="+q, nil).expect(200).has("items.0.id", own, "next_cursor", nil)
		}
	}
	w.operator("GET", "/v1/api-keys?q="+end, nil).expect(200).has("items.0.id", theirs, "items.0.status", "revoked")
	w.operator("GET", "/v1/tenants/acme/api-keys?q="+end, nil).expect(200).has("items", "[]")
	for _, c := range []struct{ path, field string }{
		{"/v1/api-keys?q=" + prefix + "x", "q"},
		{"/v1/api-keys?q=...abc", "q"},
		{"/v1/api-keys?q=rr_&expiring_within_days=3", "q"},
		{"/v1/tenants/acme/api-keys?q=rr_&include_revoked=true", "q"},
		{"/v1/api-keys?q=rr_&cursor=x", "cursor"},
	} {
		w.operator("GET", c.path, nil).refused(rentroll.CodeValidationFailed, c.field)
	}
}

func TestExpiringKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	found := func(tenant string, days int) string {
		return w.operator("POST", "/v1/tenants/"+tenant+"/api-keys", map[string]any{"name": "k", "expires_in_days": days}).expect(201).text("api_key.id")
	}
	far, near, theirs := found("acme", 30), found("acme", 3), found("globex", 10)
	w.rotate(operatorSecret, w.keyID, `{"overlap_seconds":86400}`).expect(200)
	list := func(path string, want ...string) {
		t.Helper()
		var got []string
		for page := path; page != ""; {
			r := w.operator("GET", page, nil).expect(200)
			var found rentroll.List[*rentroll.APIKey]
			r.into(&found)
			for _, k := range found.Items {
				got = append(got, k.ID.String())
			}
			page = ""
			if found.NextCursor != "" {
				page = path + "&cursor=" + string(found.NextCursor)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
	for _, limit := range []string{"", "&limit=1", "&limit=2"} {
		list("/v1/tenants/acme/api-keys?expiring_within_days=14"+limit, w.keyID, near)
		list("/v1/tenants/acme/api-keys?expiring_within_days=30"+limit, w.keyID, near, far)
		list("/v1/api-keys?expiring_within_days=14"+limit, w.keyID, near, theirs)
		list("/v1/api-keys?expiring_within_days=3650"+limit, w.keyID, near, theirs, far)
	}
	w.time.move(24 * time.Hour)
	list("/v1/api-keys?expiring_within_days=2", near)
	list("/v1/api-keys?expiring_within_days=1")
	for _, c := range []struct{ path, field string }{
		{"/v1/api-keys", "q"},
		{"/v1/api-keys?expiring_within_days=0", "expiring_within_days"},
		{"/v1/api-keys?expiring_within_days=3651", "expiring_within_days"},
		{"/v1/api-keys?expiring_within_days=x", "expiring_within_days"},
		{"/v1/api-keys?expiring_within_days=14&limit=0", "limit"},
		{"/v1/api-keys?expiring_within_days=14&cursor=x", "cursor"},
		{"/v1/tenants/acme/api-keys?expiring_within_days=0", "expiring_within_days"},
		{"/v1/tenants/acme/api-keys?expiring_within_days=1&include_revoked=true", "include_revoked"},
	} {
		w.operator("GET", c.path, nil).refused(rentroll.CodeValidationFailed, c.field)
	}
	w.tenantKey("GET", "/v1/api-keys?expiring_within_days=14", nil).refused(rentroll.CodeUnauthenticated) // it has expired
}

func sha(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

func (w *world) imports(tenant, keys string) *reply {
	w.t.Helper()
	return w.operator("POST", "/v1/tenants/"+tenant+"/api-keys/import", `{"keys":[`+keys+`]}`)
}

// TestImport: what customers have stays good, in one tenant.
func TestImport(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const secret, other = "sk_live_4f2a9c 0b/17=e3", "sk_live_another one of 30 chars"
	verify := func(secret string) *reply {
		return w.operator("POST", "/v1/api-keys/verify", map[string]string{"secret": secret}).expect(200)
	}
	verify(secret).has("code", "malformed")
	rejected := w.imports("acme", `{"sha256":"`+sha(secret)+`","name":""}`).expect(200).has("items.0.status", "rejected")
	rejected.has("items.0.code", "validation_failed", "items.0.errors.0.field", "name", "items.0.api_key_id", nil)
	verify(secret).has("code", "malformed") // nothing was imported yet

	key := `{"sha256":"` + strings.ToUpper(sha(secret)) + `","name":"old","key_prefix":"sk_live_4f2a","permissions":["*"],
		"allowed_workers":["a"],"rate_limit_rpm":60,"max_concurrent_runs":0,"expires_at":"2027-01-31T12:00:00Z"}`
	made := w.imports("acme", key).expect(200).has("items.0.status", "imported", "items.0.sha256", sha(secret), "items.0.errors", nil)
	id := made.text("items.0.api_key_id")
	w.operator("GET", "/v1/tenants/acme/api-keys/"+id, nil).expect(200).has(
		"name", "old", "key_prefix", "sk_live_4f2a", "permissions", "[*]", "allowed_workers", "[a]", "rate_limit_rpm", 60,
		"max_concurrent_runs", 0, "expires_at", "2027-01-31T12:00:00Z", "status", "active", "allowed_ips", nil)
	w.operator("GET", "/v1/tenants/acme/audit", nil).expect(200).has("items.0.action", "api_key.import", "items.0.resource_id", id)
	verify(secret).has("valid", true, "api_key_id", id, "tenant_id", w.tenant.ID)
	verify(other).has("code", "not_found")
	verify("too short").has("code", "malformed")
	verify("not printable: ü, and long enough").has("code", "malformed")
	verify(strings.Repeat("x", 513)).has("code", "malformed")
	w.lives(secret, true)
	w.lives(other, false)
	w.send(ask{method: "POST", path: "/v1/api-keys/verify", key: w.theirs, body: map[string]string{"secret": secret}}).
		expect(200).has("code", "not_found", "tenant_id", nil)
	w.send(ask{method: "POST", path: "/v1/tenants/me/runs", key: secret, body: `{"worker_id":"a","task":"t"}`}).
		refused(rentroll.CodeQuotaExceeded).has("scope", "key")

	w.unchanged(func() {
		w.imports("acme", key).expect(200).has("items.0.status", "duplicate", "items.0.api_key_id", id)
		w.imports("globex", key).expect(200).has("items.0.status", "rejected", "items.0.code", "already_exists", "items.0.api_key_id", nil)
		w.imports("acme", `{"sha256":"`+sha(w.key)+`","name":"own"}`).expect(200).has("items.0.status", "duplicate", "items.0.api_key_id", w.keyID)
	})
	twice := `{"sha256":"` + sha(other) + `","name":"twice"}`
	r := w.imports("acme", twice+","+twice).expect(200).has("items.0.status", "imported", "items.1.status", "duplicate")
	r.has("items.1.api_key_id", r.text("items.0.api_key_id"))

	next := w.rotate(operatorSecret, id, `{"overlap_seconds":0}`).expect(200)
	w.lives(secret, false)
	w.lives(next.text("secret"), true)
	verify(secret).has("code", "revoked", "api_key_id", id)
	w.unchanged(func() {
		w.imports("acme", key).expect(200).has("items.0.status", "duplicate", "items.0.api_key_id", id)
	})
}

// TestImportIsAnsweredKeyByKey: the good ones are stored, as far as there is room.
func TestImportIsAnsweredKeyByKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one := func(secret, more string) string { return `{"sha256":"` + sha(secret) + `","name":"k"` + more + `}` }
	w.unchanged(func() {
		for _, c := range []struct{ key, field string }{
			{`{"sha256":"","name":"k"}`, "sha256"},
			{`{"sha256":"` + sha("a")[1:] + `","name":"k"}`, "sha256"},
			{`{"sha256":"` + sha("a")[1:] + `x","name":"k"}`, "sha256"},
			{one("a", `,"key_prefix":"sk_live_4f2a9"`), "key_prefix"},
			{one("a", `,"permissions":[]`), "permissions"},
			{one("a", `,"allowed_workers":["A"]`), "allowed_workers[0]"},
			{one("a", `,"allowed_ips":["x"]`), "allowed_ips[0]"},
			{one("a", `,"rate_limit_rpm":0`), "rate_limit_rpm"},
			{one("a", `,"max_concurrent_runs":-1`), "max_concurrent_runs"},
			{one("a", `,"expires_at":"2026-11-23T09:30:00Z"`), "expires_at"},
			{one("a", `,"expires_at":"2036-11-23T09:30:00Z"`), "expires_at"},
			{one("a", `,"user_id":"usr_01kaqt41n2f4tbnk2x8m6zr0ce"`), "user_id"},
		} {
			w.imports("acme", c.key).expect(200).
				has("items.0.status", "rejected", "items.0.code", "validation_failed", "items.0.errors.0.field", c.field)
		}
		w.imports("acme", "").refused(rentroll.CodeValidationFailed, "keys")
		w.imports("acme", strings.Repeat(one("a", "")+",", 500)+one("b", "")).refused(rentroll.CodeValidationFailed, "keys")
		w.imports("acme", one("a", `,"key_prefix":""`)).refused(rentroll.CodeValidationFailed, "keys[0].key_prefix")
		w.imports("nobody", one("a", "")).refused(rentroll.CodeNotFound)
	})
	w.operator("POST", "/v1/tenants/acme/api-keys", `{"name":"short","expires_in_days":1}`).expect(201)
	w.operator("PATCH", "/v1/tenants/acme", `{"limit_overrides":{"api_keys":4}}`).expect(200)
	w.time.move(25 * time.Hour) // the short one makes room
	w.imports("acme", one("a", "")+`,{"sha256":"x","name":"k"},`+one("b", "")+","+one("c", "")+","+one("d", "")).expect(200).has(
		"items.0.status", "imported", "items.1.status", "rejected", "items.2.status", "imported", "items.3.status", "imported",
		"items.4.status", "rejected", "items.4.code", "quota_exceeded")
	if used := w.keysUsed(); used != 4.0 {
		t.Errorf("%v keys count, want 4", used)
	}
	w.operator("POST", "/v1/tenants/acme/suspend", nil).expect(200)
	w.imports("acme", one("e", "")).refused(rentroll.CodeTenantSuspended)
}
