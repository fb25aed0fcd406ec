package httpapi

import (
	"testing"
	"time"

	"github.com/rentroll/rentroll"
)

// TestOverview: what the console shows of all tenants is told to operators over the API, too, and to nobody else.
func TestOverview(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *rentroll.Options, _ *Options) { o.StatisticsInterval = time.Millisecond })
	runs := "/v1/tenants/acme/runs"
	for i := range 6 { // of five at once
		r := w.operator("POST", runs, `{"worker_id":"builder","task":"build"}`)
		if want := map[bool]int{true: 201, false: 429}[i < 5]; r.status != want {
			t.Fatalf("run %d was answered %d, want %d: %s", i, r.status, want, r.body)
		}
	}
	var kept struct{ Items []rentroll.TenantDenial }
	for try := 0; len(kept.Items) < 1 && try < 10_000; try++ { // written at most an interval later
		w.operator("GET", "/v1/denials", nil).expect(200).into(&kept)
	}
	w.operator("GET", "/v1/standings?order=nearest&at_least=80", nil).expect(200).
		has("items.0.tenant.slug", "acme", "items.0.nearest", "concurrent_runs", "items.0.percent", 100, "next_cursor", nil)
	w.operator("GET", "/v1/standings?q=globex", nil).expect(200).has("items.0.tenant.slug", "globex")
	w.operator("GET", "/v1/denials?limit=1", nil).expect(200).
		has("items.0.slug", "acme", "items.0.quota", "concurrent_runs", "items.0.limit", 5, "items.0.current", 5)
	var activity struct{ Items []rentroll.Activity }
	w.operator("GET", "/v1/activity", nil).expect(200).into(&activity)
	if n := len(activity.Items); n != 61 || activity.Items[n-1].Admitted+activity.Items[n-2].Admitted != 5 || activity.Items[n-1].Denied+activity.Items[n-2].Denied != 1 {
		t.Errorf("the activity of %d minutes is %+v", n, activity.Items[max(n-2, 0):])
	}
	w.operator("GET", "/v1/stuck-runs", nil).expect(200).has("items", "[]")
	w.time.move(6 * time.Minute)
	w.operator("GET", "/v1/stuck-runs", nil).expect(200).has("items.0.slug", "acme", "items.0.queued", 5, "items.0.overdue", 0)
	w.operator("PUT", "/v1/plans/tiny", `{"limits":{"concurrent_runs":3}}`).expect(201)
	for _, caller := range []func(string, string, any) *reply{w.operator, w.tenantKey} {
		caller("GET", "/v1/tenants/acme/plan-preview?plan=tiny", nil).expect(200).
			has("plan", "tiny", "over_limit.0.quota", "concurrent_runs", "over_limit.0.limit", 3, "over_limit.0.current", 5)
	}
	w.operator("GET", "/v1/tenants/acme", nil).expect(200).has("plan", "free")
	for _, path := range []string{"/v1/standings", "/v1/activity", "/v1/denials", "/v1/stuck-runs"} {
		w.tenantKey("GET", path, nil).refused(rentroll.CodeForbidden)
	}
	for path, field := range map[string]string{
		"/v1/standings?order=best": "order", "/v1/standings?at_least=5": "at_least", "/v1/standings?order=nearest&at_least=1001": "at_least",
		"/v1/activity?since=" + w.time.now().Add(-25*time.Hour).UTC().Format(time.RFC3339): "since", "/v1/activity?since=yesterday": "since",
		"/v1/tenants/acme/plan-preview": "plan", "/v1/denials?limit=201": "limit",
	} {
		w.operator("GET", path, nil).refused(rentroll.CodeValidationFailed, field)
	}
	w.operator("GET", "/v1/tenants/acme/plan-preview?plan=none", nil).refused(rentroll.CodeUnknownPlan)
}
