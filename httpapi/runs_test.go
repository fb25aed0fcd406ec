package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rentroll/rentroll"
)

func TestRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := "/v1/tenants/me/runs"
	made := w.tenantKey("POST", at, `{"worker_id":"builder","task":"build","reserve_tokens":100,"lease_seconds":60}`).expect(201).has(
		"status", "queued", "api_key_id", w.keyID, "user_id", nil, "input", nil, "output", nil, "success", nil, "reserved_tokens", 100,
		"attempt", 1, "is_retry", false, "cost_cents", nil, "started_at", nil, "tenant_id", w.tenant.ID)
	id := made.text("id")
	if made.header.Get("Location") != "/v1/tenants/"+w.tenant.ID.String()+"/runs/"+id {
		t.Errorf("Location %q", made.header.Get("Location"))
	}
	w.tenantKey("POST", at+"/"+id+"/start", nil).expect(200).has("status", "running")
	beat := w.tenantKey("POST", at+"/"+id+"/heartbeat", `{"tokens_so_far":40,"lease_seconds":3600}`).expect(200).has("tokens_so_far", 40)
	lease, err := time.Parse(time.RFC3339, beat.text("lease_expires_at"))
	if left := lease.Sub(w.time.now()); err != nil || left < 3599*time.Second || left > time.Hour {
		t.Errorf("the lease ends in %v: %v", left, err)
	}
	w.tenantKey("POST", at+"/"+id+"/heartbeat", nil).expect(200).has("tokens_so_far", 40)
	w.tenantKey("GET", "/v1/tenants/me/quotas", nil).expect(200).has("items.2.quota", "concurrent_runs", "items.2.used", 1,
		"items.3.reserved", 100, "items.2.resets_at", nil, "items.1.remaining", 99)
	body := `{"success":true,"output":[1],"total_tokens":70,"cost_cents":3,"stages_completed":2}`
	done := w.tenantKey("POST", at+"/"+id+"/complete", body).expect(200).has(
		"status", "completed", "success", true, "total_tokens", 70, "cost_micros", 30000, "cost_cents", 3, "output", "[1]", "error", nil)
	if done.header.Get("Idempotency-Replayed") != "" {
		t.Error("the first completion is said to be a replay")
	}
	w.unchanged(func() {
		again := w.tenantKey("POST", at+"/"+id+"/complete", `{"total_tokens":70,"success":true,"output":[1],"cost_micros":30000,"stages_completed":2}`).expect(200)
		if !bytes.Equal(again.body, done.body) || again.header.Get("Idempotency-Replayed") != "true" {
			t.Errorf("again: %s %s", again.header, again.body)
		}
		w.tenantKey("POST", at+"/"+id+"/complete", `{"success":false}`).refused(rentroll.CodeRunAlreadyEnded)
		w.tenantKey("POST", at+"/"+id+"/start", nil).refused(rentroll.CodeRunAlreadyEnded)
		w.tenantKey("POST", at+"/"+id+"/heartbeat", nil).refused(rentroll.CodeRunAlreadyEnded)
		w.tenantKey("POST", at+"/"+id+"/cancel", nil).refused(rentroll.CodeRunAlreadyEnded)
	})
	other := w.operator("POST", "/v1/tenants/acme/runs", `{"worker_id":"painter","task":"t","api_key_id":"`+w.keyID+`"}`).expect(201).text("id")
	w.tenantKey("POST", at+"/"+other+"/cancel", `{}`).expect(200).has("status", "canceled", "total_tokens", 0)
	w.unchanged(func() { w.tenantKey("POST", at+"/"+other+"/cancel", nil).expect(200).has("status", "canceled") })
	w.tenantKey("GET", at+"/"+other, nil).expect(200).has("id", other)

	w.tenantKey("GET", at, nil).expect(200).has("items.0.id", other, "items.1.id", id, "next_cursor", nil)
	w.tenantKey("GET", at+"?status=canceled", nil).expect(200).has("items.0.id", other)
	w.tenantKey("GET", at+"?worker_id=builder&api_key_id="+w.keyID, nil).expect(200).has("items.0.id", id)
	page := w.tenantKey("GET", at+"?limit=1", nil).expect(200).has("items.0.id", other)
	w.tenantKey("GET", at+"?limit=1&cursor="+page.text("next_cursor"), nil).expect(200).has("items.0.id", id)
	w.operator("GET", "/v1/tenants/globex/runs?limit=1&cursor="+page.text("next_cursor"), nil).refused(rentroll.CodeValidationFailed, "cursor")
	if strings.Contains(string(page.body), "replay_token") || strings.Contains(string(page.body), `"input"`) {
		t.Errorf("a list shows payloads: %s", page.body)
	}
}

func TestGroupsOfRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := "/v1/tenants/me/runs"
	one := `{"worker_id":"builder","task":"build","input":{"a": 1},"reserve_tokens":10}`
	w.unchanged(func() {
		w.tenantKey("POST", at, `{"runs":[]}`).refused(rentroll.CodeValidationFailed, "runs")
		w.tenantKey("POST", at, `{"runs":[`+one+`],"task":"x"}`).refused(rentroll.CodeValidationFailed, "runs")
		w.tenantKey("POST", at, `{"runs":[`+one+`,{"worker_id":"builder","task":"x","lease_seconds":0}]}`).
			refused(rentroll.CodeValidationFailed, "runs[1].lease_seconds")
		w.tenantKey("POST", at, `{"runs":[`+one+`,{"worker_id":"B","task":"x"}]}`).refused(rentroll.CodeValidationFailed, "runs[1].worker_id")
		w.tenantKey("POST", at, `{"runs":[`+one+strings.Repeat(","+one, 100)+`]}`).refused(rentroll.CodeValidationFailed, "runs")
		w.tenantKey("POST", at, `{"runs":[`+one+strings.Repeat(","+one, 5)+`]}`).refused(rentroll.CodeQuotaExceeded, "runs[5]").has(
			"quota", "concurrent_runs", "limit", 5, "current", 5)
	})
	once := ask{method: "POST", path: at, key: w.key, header: map[string]string{"Idempotency-Key": "group"}, body: `{"runs":[` + one + `,` + one + `]}`}
	made := w.send(once).expect(201).has("items.0.status", "queued", "items.1.reserved_tokens", 10, "items.1.api_key_id", w.keyID)
	if !bytes.Contains(made.body, []byte(`"input":{"a": 1},`)) {
		t.Errorf("the input has changed: %s", made.body)
	}
	w.unchanged(func() {
		again := w.send(once).expect(201)
		if !bytes.Equal(again.body, made.body) || again.header.Get("Idempotency-Replayed") != "true" {
			t.Errorf("again: %s %s", again.header, again.body)
		}
		once.body = `{"runs":[` + one + `]}`
		w.send(once).refused(rentroll.CodeIdempotencyMismatch)
		once.body = one
		w.send(once).refused(rentroll.CodeIdempotencyMismatch)
	})
	w.tenantKey("GET", "/v1/tenants/me/quotas", nil).expect(200).has("items.2.used", 2, "items.3.reserved", 20, "items.0.used", 1)
}

func TestReservations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := "/v1/tenants/me/runs"
	run := at + "/" + w.tenantKey("POST", at, `{"worker_id":"builder","task":"build","reserve_tokens":10}`).expect(201).text("id")
	w.tenantKey("POST", run+"/reserve", `{"tokens":90}`).expect(200).has("reserved_tokens", 100)
	w.unchanged(func() {
		w.tenantKey("POST", run+"/reserve", `{"tokens":999901}`).refused(rentroll.CodeQuotaExceeded).has("quota", "tokens_per_month", "current", 100)
		w.tenantKey("POST", run+"/reserve", `{"tokens":0}`).refused(rentroll.CodeValidationFailed, "tokens")
		w.tenantKey("POST", run+"/reserve", `{}`).refused(rentroll.CodeValidationFailed, "tokens")
		w.tenantKey("POST", run+"/reserve", `{"tokens":1000000000000}`).refused(rentroll.CodeValidationFailed, "tokens")
	})
	w.tenantKey("POST", run+"/reserve", `{"tokens":999900}`).expect(200).has("reserved_tokens", 1e6)
	w.tenantKey("POST", at, `{"worker_id":"builder","task":"build"}`).refused(rentroll.CodeQuotaExceeded).has("quota", "tokens_per_month")
	w.tenantKey("POST", run+"/complete", `{"success":true,"total_tokens":70}`).expect(200)
	w.unchanged(func() { w.tenantKey("POST", run+"/reserve", `{"tokens":1}`).refused(rentroll.CodeRunAlreadyEnded) })
	w.tenantKey("GET", "/v1/tenants/me/quotas", nil).expect(200).has("items.3.reserved", 0, "items.3.used", 70)
}

func TestRetries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := "/v1/tenants/me/runs"
	first := w.tenantKey("POST", at, `{"worker_id":"builder","task":"build","input":{"a": 1},"reserve_tokens":100,"lease_seconds":60}`).expect(201).text("id")
	w.unchanged(func() { w.tenantKey("POST", at+"/"+first+"/retry", nil).refused(rentroll.CodeInvalidTransition) })
	w.tenantKey("POST", at+"/"+first+"/complete", `{"success":false,"error":"it broke"}`).expect(200)
	w.unchanged(func() {
		w.tenantKey("POST", at+"/"+first+"/retry", `{"reserve_tokens":-1}`).refused(rentroll.CodeValidationFailed, "reserve_tokens")
		w.tenantKey("POST", at+"/"+first+"/retry", `{"lease_seconds":0}`).refused(rentroll.CodeValidationFailed, "lease_seconds")
		w.tenantKey("POST", at+"/run_01jd7q3gq5f2vvr9b4k1x8ehc2/retry", nil).refused(rentroll.CodeNotFound)
		w.tenantKey("POST", at+"/"+first+"/retry", `{"reserve_tokens":1000001}`).refused(rentroll.CodeQuotaExceeded)
		w.tenantKey("POST", at+"/"+first+"/retry", `{"api_key_id":"key_01jd7q3gq5f2vvr9b4k1x8ehc2"}`).refused(rentroll.CodeValidationFailed, "api_key_id")
	})
	once := ask{method: "POST", path: at + "/" + first + "/retry", key: w.key, header: map[string]string{"Idempotency-Key": "again"}}
	made := w.send(once).expect(201).has("parent_run_id", first, "attempt", 2, "is_retry", true, "task", "build", "reserved_tokens", 100,
		"status", "queued")
	if !bytes.Contains(made.body, []byte(`"input":{"a": 1},`)) {
		t.Errorf("the input has changed: %s", made.body)
	}
	second := made.text("id")
	if got := made.header.Get("Location"); got != "/v1/tenants/"+w.tenant.ID.String()+"/runs/"+second {
		t.Errorf("Location %q", got)
	}
	w.unchanged(func() {
		if again := w.send(once).expect(201); !bytes.Equal(again.body, made.body) || again.header.Get("Idempotency-Replayed") != "true" {
			t.Errorf("again: %s %s", again.header, again.body)
		}
		w.tenantKey("POST", at+"/"+first+"/retry", nil).refused(rentroll.CodeAlreadyExists)
		w.tenantKey("GET", at+"/"+first, nil).expect(200).has("retried_by", second)
	})
	w.time.move(61 * time.Second) // past the second run's lease, with no sweeper about
	w.tenantKey("POST", at+"/"+second+"/retry", `{"reserve_tokens":0,"lease_seconds":30}`).expect(201).has("attempt", 3, "parent_run_id", second,
		"reserved_tokens", 0)
	w.tenantKey("GET", at+"/"+second, nil).expect(200).has("status", "crashed")
}

// TestPayloadsAreKeptAsTheyCame compares bytes, white space included.
func TestPayloadsAreKeptAsTheyCame(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, payload := range []string{
		`{ "b" : 1,  "a":1.0 ,"b":2,"n":12345678901234567890123,"e":1e300,"u":"\u00e9é\ud800<&>","t":"\t\/" , "x":[ ] }`,
		`"text"`, `0`, `-0.0`, `true`, `[1,  2]`, `{}`, `" "`, `""`, "[\n1\n]", `{"input":null,"status":1}`,
	} {
		run := w.tenantKey("POST", "/v1/tenants/me/runs", `{"worker_id":"w","task":"a,\"input\":null,","input": `+payload+` }`).expect(201)
		id := run.text("id")
		if !strings.Contains(string(run.body), `"input":`+payload+`,"status"`) {
			t.Errorf("%s came back in %s", payload, run.body)
		}
		read := w.tenantKey("GET", "/v1/tenants/me/runs/"+id, nil).expect(200)
		if !bytes.Equal(read.body, run.body) {
			t.Errorf("made %s\nread %s", run.body, read.body)
		}
		end := w.tenantKey("POST", "/v1/tenants/me/runs/"+id+"/complete", `{"success":true,"output":`+payload+`,"replay_token":`+payload+`}`).expect(200)
		if got := string(end.body); !strings.Contains(got, `"output":`+payload+`,"replay_token":`+payload+`,"total_tokens"`) {
			t.Errorf("%s came back in %s", payload, got)
		}
	}
	w.tenantKey("POST", "/v1/tenants/me/runs", `{"worker_id":"w","task":"t","input":null}`).expect(201).has("input", nil)
}

func TestRunsAreValid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	run := w.tenantKey("POST", "/v1/tenants/me/runs", `{"worker_id":"w","task":"t"}`).expect(201).text("id")
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	large := func(n int) string { return `"` + strings.Repeat("x", n-2) + `"` }
	create := []struct{ field, value string }{
		{"worker_id", `""`},
		{"worker_id", `null`},
		{"worker_id", `"Builder"`},
		{"worker_id", `"a\u0000"`},
		{"worker_id", `"` + strings.Repeat("a", 101) + `"`},
		{"task", `""`},
		{"task", `null`},
		{"task", `"a\u0000"`},
		{"task", `"` + strings.Repeat("ü", 10_001) + `"`},
		{"input", `"\u0000"`},
		{"input", `{"\u0000":1}`},
		{"input", deep(101)},
		{"input", large(256<<10 + 1)},
		{"user_id", `"usr"`},
		{"user_id", `"key_01kaqt45v8fmt8e4h1x9d3w7qa"`},
		{"api_key_id", `"key_01kaqt45v8fmt8e4h1x9d3w7qa"`},
		{"api_key_id", `"me"`},
		{"reserve_tokens", `-1`},
		{"reserve_tokens", `1000000000001`},
		{"reserve_tokens", `9223372036854775807`},
		{"lease_seconds", `0`},
		{"lease_seconds", `-1`},
		{"lease_seconds", `86401`},
		{"lease_seconds", `9223372036854775807`},
		{"lease_seconds", `9223372037`},
	}
	complete := []struct{ field, value string }{
		{"success", `null`},
		{"success", `"true"`},
		{"output", `"\u0000"`},
		{"output", deep(101)},
		{"output", large(256<<10 + 1)},
		{"replay_token", deep(5000)},
		{"error", `"a\u0000"`},
		{"error", `"` + strings.Repeat("x", 10_001) + `"`},
		{"cost_micros", `-1`},
		{"cost_micros", `1000000000001`},
		{"cost_cents", `-1`},
		{"cost_cents", `100000001`},
		{"cost_cents", `922337203685478`},
		{"cost_cents", `9223372036854775807`},
	}
	for _, n := range []string{"total_tokens", "total_latency_ms", "stages_completed", "recoveries", "policy_violations"} {
		complete = append(complete, []struct{ field, value string }{{n, `-1`}, {n, `1000000000001`}, {n, `9223372036854775807`}}...)
	}
	w.unchanged(func() {
		for _, c := range create {
			w.tenantKey("POST", "/v1/tenants/me/runs", replaced(t, `{"worker_id":"w","task":"t"}`, c.field, c.value)).
				refused(rentroll.CodeValidationFailed, c.field)
		}
		for _, c := range complete {
			w.tenantKey("POST", "/v1/tenants/me/runs/"+run+"/complete", replaced(t, `{"success":true}`, c.field, c.value)).
				refused(rentroll.CodeValidationFailed, c.field)
		}
		w.tenantKey("POST", "/v1/tenants/me/runs/"+run+"/complete", `{"success":true,"cost_micros":30000,"cost_cents":4}`).
			refused(rentroll.CodeValidationFailed, "cost_cents")
		w.tenantKey("POST", "/v1/tenants/me/runs/"+run+"/complete", `{"success":true,"cost_micros":-30000,"cost_cents":4}`).
			refused(rentroll.CodeValidationFailed, "cost_micros")
		for _, value := range []string{`0`, `-1`, `86401`} {
			w.tenantKey("POST", "/v1/tenants/me/runs/"+run+"/heartbeat", `{"lease_seconds":`+value+`}`).
				refused(rentroll.CodeValidationFailed, "lease_seconds")
		}
		w.tenantKey("POST", "/v1/tenants/me/runs/"+run+"/heartbeat", `{"tokens_so_far":-1}`).refused(rentroll.CodeValidationFailed, "tokens_so_far")
		w.tenantKey("POST", "/v1/tenants/me/runs", `{"worker_id":"w","task":"t","api_key_id":"`+w.otherKey()+`"}`).
			refused(rentroll.CodeValidationFailed, "api_key_id")
	})
	w.tenantKey("POST", "/v1/tenants/me/runs/"+run+"/complete", `{"success":true,"output":`+deep(100)+`,"cost_micros":12345,"cost_cents":1}`).
		expect(200).has("cost_micros", 12345, "cost_cents", 1)
	w.tenantKey("POST", "/v1/tenants/me/runs", `{"worker_id":"w","task":"`+strings.Repeat("ü", 10_000)+`","input":`+large(256<<10)+`}`).expect(201)
}

// otherKey is the id of a key of another tenant.
func (w *world) otherKey() string {
	return w.operator("GET", "/v1/tenants/globex/api-keys", nil).expect(200).text("items.0.id")
}

func TestDenials(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *rentroll.Options, _ *Options) { o.StatisticsInterval = time.Millisecond })
	limits := func(body string) { w.operator("PATCH", "/v1/tenants/acme", `{"limit_overrides":`+body+`}`).expect(200) }
	run := func(body string) *reply { return w.tenantKey("POST", "/v1/tenants/me/runs", body) }
	denied := func(quota string, limit, current int, retry string) *reply {
		r := run(`{"worker_id":"w","task":"t","reserve_tokens":11}`).refused(rentroll.CodeQuotaExceeded).
			has("quota", quota, "scope", "tenant", "limit", limit, "current", current)
		if got := r.header.Get("Retry-After"); got != retry {
			t.Errorf("%s: Retry-After %q, want %q", quota, got, retry)
		}
		return r
	}
	limits(`{"workers":0}`)
	denied("workers", 0, 0, "").has("resets_at", nil)
	limits(`{"workers":null,"runs_per_day":0}`)
	denied("runs_per_day", 0, 0, "52200").has("resets_at", "2026-11-24T00:00:00Z")
	limits(`{"runs_per_day":null,"concurrent_runs":0}`)
	denied("concurrent_runs", 0, 0, "1").has("resets_at", nil)
	limits(`{"concurrent_runs":null,"tokens_per_month":10}`)
	denied("tokens_per_month", 10, 0, "657000").has("resets_at", "2026-12-01T00:00:00Z")
	w.tenantKey("GET", "/v1/tenants/me/quotas/runs?worker_id=w", nil).expect(200).has("allowed", true, "code", nil, "limit", nil)
	w.tenantKey("GET", "/v1/tenants/me/quotas/tokens?tokens=11", nil).expect(200).
		has("allowed", false, "code", "quota_exceeded", "quota", "tokens_per_month", "limit", 10, "current", 0, "resets_at", "2026-12-01T00:00:00Z")
	w.tenantKey("GET", "/v1/tenants/me/quotas/tokens", nil).expect(200).has("allowed", true)

	w.operator("PUT", "/v1/tenants/acme/workers/off", `{"enabled":false}`).expect(200).has("worker_id", "off", "enabled", false, "first_used_at", nil)
	run(`{"worker_id":"off","task":"t"}`).refused(rentroll.CodeWorkerDisabled)
	narrow := w.operator("POST", "/v1/tenants/acme/api-keys", `{"name":"n","permissions":["run:*"],"allowed_workers":["a"],"max_concurrent_runs":0}`).expect(201)
	send := func(worker string) *reply {
		return w.send(ask{method: "POST", path: "/v1/tenants/me/runs", key: narrow.text("secret"), body: `{"worker_id":"` + worker + `","task":"t"}`})
	}
	send("b").refused(rentroll.CodeWorkerNotAllowed)
	send("a").refused(rentroll.CodeQuotaExceeded).has("scope", "key", "quota", "concurrent_runs")

	var codes []string
	for try := 0; len(codes) < 7 && try < 10_000; try++ { // written at most an interval later
		list := w.tenantKey("GET", "/v1/tenants/me/denials", nil).expect(200)
		var page struct {
			Items []struct{ Code, Quota string }
		}
		list.into(&page)
		codes = nil
		for _, d := range page.Items {
			codes = append(codes, strings.TrimSuffix(d.Code+":"+d.Quota, ":"))
		}
	}
	want := "quota_exceeded:concurrent_runs worker_not_allowed worker_disabled quota_exceeded:tokens_per_month " +
		"quota_exceeded:concurrent_runs quota_exceeded:runs_per_day quota_exceeded:workers"
	if got := strings.Join(codes, " "); got != want {
		t.Errorf("denials %s\nwant %s", got, want)
	}
}

func TestWorkers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := "/v1/tenants/me/workers"
	w.tenantKey("GET", at, nil).expect(200).has("items", "[]", "next_cursor", nil)
	w.tenantKey("PUT", at+"/b.1", `{"enabled":true}`).expect(200).has("worker_id", "b.1", "enabled", true)
	w.tenantKey("PUT", at+"/a", `{"enabled":true}`).expect(200)
	w.tenantKey("PUT", at+"/c", `{"enabled":true}`).expect(200)
	w.unchanged(func() {
		w.tenantKey("PUT", at+"/d", `{"enabled":true}`).refused(rentroll.CodeQuotaExceeded).has("quota", "workers", "current", 3)
		w.tenantKey("PUT", at+"/d", `{}`).refused(rentroll.CodeValidationFailed, "enabled")
		w.tenantKey("PUT", at+"/d", `{"enabled":null}`).refused(rentroll.CodeValidationFailed, "enabled")
		w.tenantKey("DELETE", at+"/d", nil).refused(rentroll.CodeNotFound)
	})
	w.tenantKey("GET", at, nil).expect(200).has("items.0.worker_id", "a", "items.1.worker_id", "b.1")
	w.tenantKey("DELETE", at+"/a", nil).expect(204)
	w.tenantKey("GET", at, nil).expect(200).has("items.0.worker_id", "b.1")
}

func TestAudit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.send(ask{method: "POST", path: "/v1/tenants/acme/suspend", key: operatorSecret, body: `{"reason":"r"}`, header: map[string]string{
		"X-Request-Id": "audit-me", "User-Agent": "test/\xff1",
	}}).expect(200)
	list := w.tenantKey("GET", "/v1/tenants/me/audit?limit=1", nil).expect(200).has(
		"items.0.action", "tenant.suspend", "items.0.actor", "operator", "items.0.request_id", "audit-me", "items.0.ip", "127.0.0.1",
		"items.0.user_agent", "test/1", "items.0.old.status", "active", "items.0.new.status", "suspended", "items.0.tenant_id", w.tenant.ID)
	sequence, _ := list.value("items.0.sequence").(float64)
	w.tenantKey("GET", "/v1/tenants/me/audit?limit=1&cursor="+list.text("next_cursor"), nil).expect(200).has("items.0.sequence", sequence-1)
	w.operator("PUT", "/v1/plans/x", `{"limits":{}}`).expect(201)
	w.operator("GET", "/v1/audit", nil).expect(200).has("items.0.action", "plan.put", "items.0.tenant_id", nil, "items.0.old", nil)
	w.operator("GET", "/v1/audit?cursor="+list.text("next_cursor"), nil).refused(rentroll.CodeValidationFailed, "cursor")
}

func TestUsage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := "/v1/tenants/me/usage"
	w.tenantKey("POST", at, `{"meter":"documents","amount":3,"unit":"pages","event_id":"e1","metadata":{"a": 1}}`).
		expect(200).has("items.0.status", "recorded", "items.0.event_id", "e1", "items.0.code", nil)
	w.unchanged(func() {
		w.tenantKey("POST", at, `{"meter":"documents","amount":3,"unit":"pages","event_id":"e1","metadata":{"a":1}}`).
			expect(200).has("items.0.status", "duplicate")
		w.tenantKey("POST", at, `{"meter":"documents","amount":4,"unit":"pages","event_id":"e1"}`).refused(rentroll.CodeEventIDConflict, "event_id")
		w.tenantKey("POST", at, `{"meter":"documents","amount":1,"unit":"files"}`).refused(rentroll.CodeUnitMismatch, "unit")
		w.tenantKey("POST", at, `{"meter":"documents","amount":1,"time":"2026-10-01T00:00:00Z"}`).refused(rentroll.CodeEventTooOld, "time")
		w.tenantKey("POST", at, `{"meter":"documents","amount":1,"time":"0001-01-01T00:00:00Z"}`).refused(rentroll.CodeEventTooOld, "time")
		w.tenantKey("POST", at, `{"meter":"documents","amount":1,"time":"2026-11-23T10:00:00Z"}`).refused(rentroll.CodeValidationFailed, "time")
	})
	w.tenantKey("POST", at, `{"events":[{"meter":"documents","amount":0},{"meter":"worker_runs","amount":1},{"meter":"documents","amount":2,"unit":"files","event_id":"e2"}]}`).
		expect(200).has("items.0.status", "recorded", "items.1.status", "rejected", "items.1.errors.0.field", "meter",
		"items.2.code", "unit_mismatch", "items.2.event_id", "e2")
	w.tenantKey("GET", at, nil).expect(200).has("meters.documents.total", 3, "meters.documents.unit", "pages", "meters.documents.count", 2,
		"total_records", 2, "period.start", "2026-11-01T00:00:00Z", "period.end", "2026-11-23T09:45:00Z", "tenant_id", w.tenant.ID)
	w.tenantKey("GET", at+"?start=2026-11-24T00:00:00Z&end=2026-11-25T00:00:00%2B01:00", nil).expect(200).
		has("meters", "map[]", "total_records", 0, "period.end", "2026-11-24T23:00:00Z")
	w.tenantKey("GET", at+"?start=2026-11-24T00:00:00Z&end=2026-11-23T00:00:00Z", nil).refused(rentroll.CodeValidationFailed, "end")
}

func TestCorrections(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := "/v1/tenants/acme/usage"
	w.operator("POST", at, `{"meter":"mails","amount":5,"event_id":"m1"}`).expect(200)
	back := `{"meter":"mails","amount":-2,"corrects":"m1"}`
	w.operator("POST", at, back).expect(200).has("items.0.status", "recorded", "items.0.event_id", nil)
	w.operator("GET", "/v1/tenants/acme/audit?limit=1", nil).expect(200).has("items.0.action", "usage.correct")
	named := `{"meter":"mails","amount":-1,"corrects":"m1","event_id":"c1"}`
	w.operator("POST", at, named).expect(200).has("items.0.status", "recorded")
	w.unchanged(func() {
		w.operator("POST", at, named).expect(200).has("items.0.status", "duplicate")
		w.operator("POST", at, `{"meter":"mails","amount":-1,"corrects":"c1"}`).refused(rentroll.CodeValidationFailed, "corrects")
		w.operator("POST", at, `{"meter":"mails","amount":-3,"corrects":"m1"}`).refused(rentroll.CodeValidationFailed, "amount")
	})
	w.operator("POST", at, back).expect(200).has("items.0.status", "recorded")
	w.unchanged(func() { w.operator("POST", at, back).refused(rentroll.CodeValidationFailed, "amount") })
	w.operator("GET", at, nil).expect(200).has("meters.mails.total", 0, "meters.mails.count", 4)
}

func TestUsageIsValid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := "/v1/tenants/me/usage"
	single := []struct{ field, value string }{
		{"meter", `""`},
		{"meter", `"Docs"`},
		{"meter", `"a\u0000"`},
		{"meter", `"` + strings.Repeat("a", 101) + `"`},
		{"meter", `"worker_runs"`},
		{"meter", `null`},
		{"amount", `null`},
		{"amount", `-1`},
		{"amount", `1000000000001`},
		{"unit", `""`},
		{"unit", `"a\u0000"`},
		{"unit", `"` + strings.Repeat("u", 51) + `"`},
		{"time", `"yesterday"`},
		{"time", `"2026-11-23"`},
		{"time", `1700000000`},
		{"worker_id", `""`},
		{"worker_id", `"A"`},
		{"api_key_id", `"x"`},
		{"api_key_id", `"key_01kaqt45v8fmt8e4h1x9d3w7qa"`},
		{"run_id", `"x"`},
		{"event_id", `""`},
		{"event_id", `"a\u0000"`},
		{"event_id", `"` + strings.Repeat("e", 256) + `"`},
		{"metadata", `[]`},
		{"metadata", `"x"`},
		{"metadata", `{"a":"\u0000"}`},
		{"metadata", `{"a":"` + strings.Repeat("x", 16<<10) + `"}`},
	}
	w.unchanged(func() {
		for _, c := range single {
			w.tenantKey("POST", at, replaced(t, `{"meter":"docs","amount":1}`, c.field, c.value)).refused(rentroll.CodeValidationFailed, c.field)
		}
		for _, c := range []struct{ body, field string }{
			{`{}`, "meter"},
			{`{"meter":"docs"}`, "amount"},
			{`{"events":[]}`, "events"},
			{`{"events":{}}`, "events"},
			{`{"events":[1]}`, "events[0]"},
			{`{"events":[{"meter":"docs","amount":1},{"meter":"docs","amount":"1"}]}`, "events[1].amount"},
			{`{"events":[{"meter":"docs","amount":1.5}]}`, "events[0].amount"},
			{`{"events":[{"meter":"docs","amount":1,"Unit":"x"}]}`, "events[0].Unit"},
			{`{"events":[{"meter":"docs"}]}`, "events[0].amount"},
			{`{"events":[{"amount":1}]}`, "events[0].meter"},
			{`{"events":[{"meter":"docs","amount":1,"event_id":""}]}`, "events[0].event_id"},
			{`{"events":[{"meter":"docs","amount":1,"run_id":"x"}]}`, "events[0].run_id"},
			{`{"events":[{"meter":"docs","amount":1}],"unit":"x"}`, "events"},
			{`{"events":[` + strings.Repeat(`{"meter":"docs","amount":1},`, 1000) + `{"meter":"docs","amount":1}]}`, "events"},
		} {
			r := w.tenantKey("POST", at, c.body).refused(rentroll.CodeValidationFailed)
			r.names(c.field, true)
		}
		w.tenantKey("POST", at, `{"events":[{"meter":"docs","amount":1,"amount":2}]}`).refused(rentroll.CodeMalformedRequest, "events[0].amount")
	})
	var events []json.RawMessage
	for i := range 1000 {
		events = append(events, json.RawMessage(fmt.Sprintf(`{"meter":"docs","amount":1,"event_id":"%d"}`, i)))
	}
	receipt := w.tenantKey("POST", at, map[string]any{"events": events}).expect(200)
	if n := strings.Count(string(receipt.body), `"recorded"`); n != 1000 {
		t.Errorf("%d recorded", n)
	}
}

func TestThresholds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.operator("PUT", "/v1/plans/watched", `{"limits":{"runs_per_day":4,"tokens_per_month":{"limit":100,"mode":"soft"}},"thresholds":[50,100]}`).
		expect(201).has("thresholds.0", 50, "thresholds.1", 100)
	w.operator("PUT", "/v1/plans/wrong", `{"limits":{},"thresholds":[100,50]}`).refused(rentroll.CodeValidationFailed, "thresholds")
	w.operator("PUT", "/v1/tenants/acme/plan", `{"plan":"watched"}`).expect(200)
	at := "/v1/tenants/me/runs"
	w.tenantKey("POST", at, `{"runs":[{"worker_id":"a","task":"t"},{"worker_id":"a","task":"t"},{"worker_id":"a","task":"t"}]}`).expect(201)
	told := w.tenantKey("GET", "/v1/tenants/me/events", nil).expect(200).has("items.0.type", "quota.threshold_reached",
		"items.0.data.quota", "runs_per_day", "items.0.data.threshold", 50, "items.0.data.limit", 4, "items.0.data.used", 3, "items.0.data.mode", "hard")
	if strings.Count(string(told.body), `"type"`) != 1 {
		t.Errorf("told %s", told.body)
	}
	w.tenantKey("POST", "/v1/tenants/me/usage", `{"meter":"tokens_used","amount":101}`).expect(200)
	w.tenantKey("POST", "/v1/tenants/me/usage", `{"meter":"tokens_used","amount":101}`).expect(200)
	all := w.operator("GET", "/v1/events?limit=2", nil).expect(200)
	rest := w.operator("GET", "/v1/events?limit=2&cursor="+all.text("next_cursor"), nil).expect(200).has("next_cursor", nil)
	types := strings.Count(string(all.body)+string(rest.body), `"quota":"tokens_per_month"`)
	if soft := strings.Count(string(all.body)+string(rest.body), `"quota.soft_limit_passed"`); types != 3 || soft != 1 {
		t.Errorf("of the tokens %d were told, of them %d of the soft limit: %s %s", types, soft, all.body, rest.body)
	}
	w.tenantKey("GET", "/v1/events", nil).refused(rentroll.CodeForbidden)
	w.send(ask{method: "GET", path: "/v1/tenants/acme/events", key: w.theirs}).refused(rentroll.CodeNotFound)
}
