package httpapi

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/rentroll/rentroll"
)

func TestTenants(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	made := w.operator("POST", "/v1/tenants", `{"name":"Initech","slug":"initech","plan":"pro","external_id":"org_1",
		"billing_email":"b@initech.example","timezone":"Europe/Berlin","billing_anchor_day":28,
		"limit_overrides":{"workers":{"limit":7,"mode":"soft","until":"2027-01-01T00:00:00Z","reason":"trial"},"api_keys":null,"runs_per_day":0},
		"metadata":{"region":"eu"}}`).expect(201).has(
		"slug", "initech", "plan", "pro", "external_id", "org_1", "billing_email", "b@initech.example", "timezone", "Europe/Berlin",
		"billing_anchor_day", 28, "status", "active", "status_reason", nil, "metadata.region", "eu",
		"limits.workers", 7, "limits.api_keys", nil, "limits.runs_per_day", 0, "limits.concurrent_runs", 20,
		"limit_overrides.workers.mode", "soft", "limit_overrides.workers.reason", "trial", "limit_overrides.api_keys.limit", nil,
	)
	id := made.text("id")
	if made.header.Get("Location") != "/v1/tenants/"+id {
		t.Errorf("Location %q", made.header.Get("Location"))
	}
	byID := w.operator("GET", "/v1/tenants/"+id, nil).expect(200)
	bySlug := w.operator("GET", "/v1/tenants/initech", nil).expect(200)
	if !bytes.Equal(byID.body, made.body) || !bytes.Equal(bySlug.body, made.body) {
		t.Errorf("made %s\nread %s\nread %s", made.body, byID.body, bySlug.body)
	}
	w.operator("POST", "/v1/tenants", `{"name":"x","slug":"initech"}`).refused(rentroll.CodeAlreadyExists, "slug")
	w.operator("POST", "/v1/tenants", `{"name":"x","slug":"other","external_id":"org_1"}`).refused(rentroll.CodeAlreadyExists, "external_id")
	w.operator("POST", "/v1/tenants", `{"name":"x","slug":"other","plan":"Pro"}`).refused(rentroll.CodeUnknownPlan, "plan")
	least := w.operator("POST", "/v1/tenants", `{"name":"x","slug":"other","plan":null,"metadata":null,"timezone":null}`).expect(201)
	least.has("plan", "free", "timezone", "UTC", "billing_anchor_day", 1, "external_id", nil, "metadata", "map[]")
}

func TestTenantsAreValid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	entries := func(n int) string {
		var b []string
		for i := range n {
			b = append(b, fmt.Sprintf(`"k%d":"v"`, i))
		}
		return `{` + strings.Join(b, ",") + `}`
	}
	for _, c := range []struct{ field, value, named string }{
		{"name", `""`, "name"},
		{"name", `"a\u0000b"`, "name"},
		{"slug", `"me"`, "slug"},
		{"slug", `"-a"`, "slug"},
		{"slug", `"a\u0000"`, "slug"},
		{"slug", `"` + strings.Repeat("a", 101) + `"`, "slug"},
		{"plan", `""`, "plan"},
		{"plan", `"a b"`, "plan"},
		{"timezone", `""`, "timezone"},
		{"timezone", `"Mars/Base"`, "timezone"},
		{"timezone", `"../../etc/passwd"`, "timezone"},
		{"billing_email", `"x"`, "billing_email"},
		{"billing_email", `"a@b.example\n"`, "billing_email"},
		{"billing_anchor_day", `0`, "billing_anchor_day"},
		{"billing_anchor_day", `29`, "billing_anchor_day"},
		{"external_id", `"\u0000"`, "external_id"},
		{"limit_overrides", `{"workers":-1}`, "limit_overrides.workers"},
		{"limit_overrides", `{"workers":1000000000001}`, "limit_overrides.workers"},
		{"limit_overrides", `{"workers":1.5}`, "limit_overrides.workers"},
		{"limit_overrides", `{"workers":"5"}`, "limit_overrides.workers"},
		{"limit_overrides", `{"Workers":5}`, "limit_overrides.Workers"},
		{"limit_overrides", `{"workers":{}}`, "limit_overrides.workers.limit"},
		{"limit_overrides", `{"workers":{"limit":1e3}}`, "limit_overrides.workers.limit"},
		{"limit_overrides", `{"workers":{"limit":1,"mode":"Hard"}}`, "limit_overrides.workers.mode"},
		{"limit_overrides", `{"workers":{"limit":1,"until":"soon"}}`, "limit_overrides.workers.until"},
		{"limit_overrides", `{"workers":{"limit":1,"reason":"\u0000"}}`, "limit_overrides.workers.reason"},
		{"limit_overrides", `{"workers":{"limit":1,"max":2}}`, "limit_overrides.workers.max"},
		{"metadata", `{"a":1}`, "metadata.a"},
		{"metadata", `{"a":null}`, "metadata.a"},
		{"metadata", `{"3":1}`, "metadata.3"},
		{"metadata", `{"a":"\u0000"}`, "metadata.a"},
		{"metadata", `{"":"x"}`, "metadata"},
		{"metadata", entries(51), "metadata"},
		{"metadata", `{"` + strings.Repeat("k", 41) + `":"v"}`, "metadata"},
	} {
		w.unchanged(func() {
			body := replaced(t, `{"name":"x","slug":"x"}`, c.field, c.value)
			w.operator("POST", "/v1/tenants", body).refused(rentroll.CodeValidationFailed, c.named)
			if c.field != "slug" && c.field != "plan" && c.value != `{"a":null}` && c.value != `{"workers":{}}` {
				w.operator("PATCH", "/v1/tenants/acme", `{"`+c.field+`":`+c.value+`}`).refused(rentroll.CodeValidationFailed, c.named)
			}
		})
	}
	w.unchanged(func() {
		w.operator("POST", "/v1/tenants", `{"name":"x","slug":"x","metadata":{"a":"1","a":"2"}}`).
			refused(rentroll.CodeMalformedRequest, "metadata.a")
		w.operator("POST", "/v1/tenants", `{"name":"x","slug":"x","limit_overrides":{"workers":1,"workers":2}}`).
			refused(rentroll.CodeMalformedRequest, "limit_overrides.workers")
		w.operator("PATCH", "/v1/tenants/acme", `{"metadata":{"a":"1","a":"2"}}`).refused(rentroll.CodeMalformedRequest)
		w.operator("POST", "/v1/tenants", `{"name":"","slug":"","timezone":"x"}`).
			refused(rentroll.CodeValidationFailed, "name", "timezone", "slug")
	})
	w.operator("POST", "/v1/tenants", `{"name":"x","slug":"x","metadata":`+entries(50)+`}`).expect(201)
}

func TestTenantPatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	patch := func(body string) *reply { return w.operator("PATCH", "/v1/tenants/acme", body) }
	patch(`{"name":"Acme","external_id":"org_9","billing_email":"b@acme.example","metadata":{"a":"1","b":"2"},
		"limit_overrides":{"workers":{"limit":9,"reason":"why","mode":"soft"},"api_keys":50},"billing_anchor_day":15}`).expect(200).has(
		"name", "Acme", "external_id", "org_9", "metadata", "map[a:1 b:2]", "limits.workers", 9, "limits.api_keys", 50,
		"slug", "acme", "plan", "free", "billing_anchor_day", 15)
	patch(`{"external_id":null,"metadata":{"a":null,"c":"3"},"limit_overrides":{"workers":{"limit":8},"api_keys":null}}`).expect(200).has(
		"external_id", nil, "billing_email", "b@acme.example", "metadata", "map[b:2 c:3]",
		"limit_overrides.workers", "map[limit:8 mode:soft reason:why]", "limits.api_keys", 5)
	patch(`{"limit_overrides":{"workers":{"limit":null}}}`).expect(200).has("limits.workers", nil)
	patch(`{"limit_overrides":{"runs_per_day":{"limit":null}}}`).expect(200).has("limits.runs_per_day", nil, "limits.workers", nil)
	patch(`{"limit_overrides":null,"metadata":null,"billing_email":null}`).expect(200).
		has("limit_overrides", "map[]", "metadata", "map[]", "billing_email", nil, "limits.workers", 3)
	before := w.operator("GET", "/v1/tenants/acme", nil)
	for _, nothing := range []string{`{}`, `{"name":"Acme"}`, `{"metadata":{"x":null}}`} {
		if after := patch(nothing).expect(200); !bytes.Equal(after.body, before.body) {
			t.Errorf("%s has made of\n%s\nthis\n%s", nothing, before.body, after.body)
		}
	}
	w.unchanged(func() {
		for _, c := range []struct{ body, field string }{
			{`{"slug":"x"}`, "slug"},
			{`{"slug":null}`, "slug"},
			{`{"plan":"pro"}`, "plan"},
			{`{"status":"suspended"}`, "status"},
			{`{"Name":null}`, "Name"},
			{`{"name":null}`, "name"},
			{`{"timezone":null}`, "timezone"},
			{`{"billing_anchor_day":null}`, "billing_anchor_day"},
			{`{"billing_anchor_day":0}`, "billing_anchor_day"},
			{`{"billing_anchor_day":1e1}`, "billing_anchor_day"},
			{`{"limit_overrides":{"workers":{"reason":"no limit said"}}}`, "limit_overrides.workers.limit"},
			{`{"limit_overrides":{"bogus":5}}`, "limit_overrides.bogus"},
			{`{"metadata":["a"]}`, "metadata"},
			{`{"metadata":{"a":{"b":"c"}}}`, "metadata.a"},
		} {
			patch(c.body).refused(rentroll.CodeValidationFailed, c.field)
		}
		patch(`{"external_id":"`+strings.Repeat("x", 256)+`"}`).refused(rentroll.CodeValidationFailed, "external_id")
	})
	w.operator("PATCH", "/v1/tenants/globex", `{"external_id":"org_taken"}`).expect(200)
	w.unchanged(func() { patch(`{"external_id":"org_taken"}`).refused(rentroll.CodeAlreadyExists, "external_id") })
}

func TestTenantLists(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 5 {
		w.operator("POST", "/v1/tenants", fmt.Sprintf(`{"name":"Number %d","slug":"n%d","plan":"pro"}`, i, i)).expect(201)
	}
	var seen []string
	path := "/v1/tenants?limit=2&plan=pro"
	for query := path; query != ""; {
		page := w.operator("GET", query, nil).expect(200)
		for i := range 2 {
			if items, _ := page.value("items").([]any); i < len(items) {
				seen = append(seen, page.text(fmt.Sprintf("items.%d.slug", i)))
			}
		}
		query = ""
		if next, more := page.value("next_cursor").(string); more {
			query = path + "&cursor=" + next
			w.operator("GET", "/v1/tenants?limit=2&cursor="+next, nil).refused(rentroll.CodeValidationFailed, "cursor")
			w.operator("GET", "/v1/users?cursor="+next, nil).refused(rentroll.CodeValidationFailed, "cursor")
			w.operator("GET", query+"x", nil).refused(rentroll.CodeValidationFailed, "cursor")
		}
	}
	if got := strings.Join(seen, " "); got != "n4 n3 n2 n1 n0" {
		t.Errorf("the pages hold %s", got)
	}
	w.operator("GET", "/v1/tenants?q=NUMBER%203", nil).expect(200).has("items.0.slug", "n3", "next_cursor", nil)
	w.operator("GET", "/v1/tenants?status=terminated", nil).expect(200).has("items", "[]")
	w.operator("GET", "/v1/tenants?limit=200", nil).expect(200).has("next_cursor", nil)
}

func TestTenantLifecycle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	step := func(name, body string) *reply { return w.operator("POST", "/v1/tenants/acme/"+name, body) }
	step("suspend", `{"reason":"unpaid"}`).expect(200).has("status", "suspended", "status_reason", "unpaid")
	w.unchanged(func() {
		step("suspend", "").refused(rentroll.CodeInvalidTransition)
		step("archive", "").refused(rentroll.CodeInvalidTransition)
		step("resume", `{"reason":"`+strings.Repeat("x", 501)+`"}`).refused(rentroll.CodeValidationFailed, "reason")
		step("resume", `{"reason":"a\u0000"}`).refused(rentroll.CodeValidationFailed, "reason")
	})
	step("resume", "").expect(200).has("status", "active", "status_reason", nil)
	step("terminate", `{}`).expect(200).has("status", "terminated")
	w.unchanged(func() { step("resume", "").refused(rentroll.CodeInvalidTransition) })
	step("archive", `{"reason":null}`).expect(200).has("status", "archived")
}

func TestPlans(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tenantKey("GET", "/v1/plans", nil).expect(200).has("items.0.name", "enterprise", "items.1.name", "free", "next_cursor", nil)
	w.operator("PUT", "/v1/plans/Custom", `{"limits":{"workers":4,"runs_per_day":null,"api_keys":{"limit":2,"mode":"soft"}}}`).
		expect(201).has("name", "Custom", "limits.workers.limit", 4, "limits.runs_per_day.limit", nil, "retired", false)
	w.operator("PUT", "/v1/plans/Custom", `{"name":"Custom","limits":{},"retired":true}`).expect(200).has("limits", "map[]", "retired", true)
	w.unchanged(func() {
		for _, c := range []struct{ body, field string }{
			{`{"limits":{},"name":"custom"}`, "name"},
			{`{"limits":{},"name":""}`, "name"},
			{`{"name":"Custom"}`, "limits"},
			{`{"limits":null}`, "limits"},
			{`{"limits":[]}`, "limits"},
			{`{"limits":{"workers":-1}}`, "limits.workers"},
			{`{"limits":{"workers":{"limit":1,"until":"2027-01-01T00:00:00Z"}}}`, "limits.workers.until"},
			{`{"limits":{"seats":1}}`, "limits.seats"},
		} {
			w.operator("PUT", "/v1/plans/Custom", c.body).refused(rentroll.CodeValidationFailed, c.field)
		}
		w.operator("PUT", "/v1/tenants/acme/plan", `{"plan":"Custom"}`).refused(rentroll.CodeValidationFailed, "plan")
		w.operator("PUT", "/v1/tenants/acme/plan", `{"plan":"custom"}`).refused(rentroll.CodeUnknownPlan, "plan")
		w.operator("DELETE", "/v1/plans/free", nil).refused(rentroll.CodeInvalidTransition)
		w.operator("DELETE", "/v1/plans/custom", nil).refused(rentroll.CodeNotFound)
	})
	w.operator("DELETE", "/v1/plans/Custom", nil).expect(204)
	w.operator("PUT", "/v1/plans/tiny", `{"limits":{"api_keys":0}}`).expect(201)
	w.operator("PUT", "/v1/tenants/acme/plan", `{"plan":"tiny"}`).expect(200).
		has("tenant.plan", "tiny", "over_limit.0.quota", "api_keys", "over_limit.0.limit", 0, "over_limit.0.current", 1)
}

// TestTenantsByID: what operators have at hand of a tenant is often its id.
func TestTenantsByID(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.operator("GET", "/v1/tenants/acme", nil).expect(200).text("id")
	for query, found := range map[string]bool{
		"": true, "&status=active&plan=free": true, "&status=suspended": false, "&plan=pro": false,
	} {
		list := w.operator("GET", "/v1/tenants?q="+id+query, nil).expect(200)
		if got := strings.Contains(string(list.body), id); got != found || strings.Contains(string(list.body), "globex") {
			t.Errorf("q=%s%s: %s", id, query, list.body)
		}
	}
}
