package httpapi

import (
	"strings"
	"testing"
)

// sample is a request that works, one for each operation. Words in braces stand for what a fixture made.
type sample struct {
	id     string // the operation
	at     string // method and path
	body   string // with every field, where there is one
	status int    // when an operator sends it
	media  string // of the body; "" is JSON
	alone  bool   // it undoes what others need, or does what can be done once only
}

// samples cover every operation; TestEveryOperationHasASample sees to it.
var samples = []sample{
	{id: "createTenant", at: "POST /v1/tenants", status: 201, alone: true, body: `{"name":"Initech","slug":"initech","plan":"pro",
		"external_id":"org_1","billing_email":"b@initech.example","timezone":"Europe/Berlin","billing_anchor_day":15,
		"limit_overrides":{"workers":{"limit":7,"mode":"hard","until":"2027-01-01T00:00:00Z","reason":"trial"},"api_keys":null,"runs_per_day":5},
		"metadata":{"region":"eu"}}`},
	{id: "listTenants", at: "GET /v1/tenants", status: 200},
	{id: "getTenant", at: "GET /v1/tenants/{tenant}", status: 200},
	{id: "updateTenant", at: "PATCH /v1/tenants/{tenant}", status: 200, body: `{"name":"Acme","external_id":"org_2",
		"billing_email":"b@acme.example","timezone":"UTC","billing_anchor_day":1,"limit_overrides":{"workers":9},"metadata":{"a":"b"}}`},
	{id: "putTenantPlan", at: "PUT /v1/tenants/{tenant}/plan", status: 200, body: `{"plan":"pro"}`},
	{id: "suspendTenant", at: "POST /v1/tenants/{spare}/suspend", status: 200, alone: true, body: `{"reason":"unpaid"}`},
	{id: "resumeTenant", at: "POST /v1/tenants/{suspended}/resume", status: 200, alone: true, body: `{"reason":"paid"}`},
	{id: "terminateTenant", at: "POST /v1/tenants/{suspended}/terminate", status: 200, alone: true, body: `{"reason":"gone"}`},
	{id: "archiveTenant", at: "POST /v1/tenants/{terminated}/archive", status: 200, alone: true, body: `{"reason":"gone"}`},
	{id: "purgeTenant", at: "DELETE /v1/tenants/{archived}", status: 202, alone: true},
	{id: "exportTenant", at: "GET /v1/tenants/{tenant}/export", status: 200},
	{id: "listPlans", at: "GET /v1/plans", status: 200},
	{id: "putPlan", at: "PUT /v1/plans/custom", status: 200, body: `{"name":"custom","limits":{"workers":4,"runs_per_day":{"limit":null,"mode":"soft"}},"retired":true,"thresholds":[50,100]}`},
	{id: "simulatePlan", at: "POST /v1/plans/pro/simulate", status: 200, body: `{"tenant":"acme","start":"2026-11-01T00:00:00Z","end":"2026-11-23T00:00:00Z"}`},
	{id: "deletePlan", at: "DELETE /v1/plans/custom", status: 204, alone: true},
	{id: "listMeters", at: "GET /v1/tenants/{tenant}/meters", status: 200},
	{id: "getMeter", at: "GET /v1/tenants/{tenant}/meters/pages", status: 200},
	{id: "putMeter", at: "PUT /v1/tenants/{tenant}/meters/pages", status: 200, body: `{"unit":"pages","aggregation":"sum","display_name":"Pages",
		"price_micros":1500,"price_per":1000,"dimensions":["model","region"]}`},
	{id: "listStatements", at: "GET /v1/tenants/{tenant}/statements", status: 200},
	{id: "getStatement", at: "GET /v1/tenants/{tenant}/statements/2026-11-01", status: 200},
	{id: "listPlatformMeters", at: "GET /v1/meters", status: 200},
	{id: "putPlatformMeter", at: "PUT /v1/meters/seats", status: 200, body: `{"unit":"seats","aggregation":"max","display_name":"Seats",
		"price_micros":5000000,"price_per":1,"dimensions":[]}`},
	{id: "exportUsage", at: "GET /v1/tenants/{tenant}/usage/events", status: 200},
	{id: "getUsageSeries", at: "GET /v1/tenants/{tenant}/usage/series?meter=tokens_used&bucket=day&group_by=worker", status: 200},
	{id: "createUser", at: "POST /v1/users", status: 201, alone: true, body: `{"external_id":"user_1","email":"ada@acme.example","name":"Ada"}`},
	{id: "listUsers", at: "GET /v1/users", status: 200},
	{id: "getUser", at: "GET /v1/users/{user}", status: 200},
	{id: "deleteUser", at: "DELETE /v1/users/{user}", status: 204, alone: true},
	{id: "createOperatorKey", at: "POST /v1/operator-keys", status: 201, alone: true, body: `{"name":"support","permissions":["read:*"],"expires_in_days":30}`},
	{id: "listOperatorKeys", at: "GET /v1/operator-keys", status: 200},
	{id: "getOperatorKey", at: "GET /v1/operator-keys/{operator}", status: 200},
	{id: "revokeOperatorKey", at: "POST /v1/operator-keys/{operator}/revoke", status: 200, alone: true, body: `{"reason":"leaked"}`},
	{id: "createMember", at: "POST /v1/tenants/{tenant}/members", status: 201, alone: true, body: `{"external_id":"user_stranger","role":"viewer","set_as_default":false}`},
	{id: "listMembers", at: "GET /v1/tenants/{tenant}/members", status: 200},
	{id: "updateMember", at: "PATCH /v1/tenants/{tenant}/members/{user}", status: 200, body: `{"role":"viewer"}`},
	{id: "deleteMember", at: "DELETE /v1/tenants/{tenant}/members/{user}", status: 204, alone: true},
	{id: "createAPIKey", at: "POST /v1/tenants/{tenant}/api-keys", status: 201, alone: true, body: `{"name":"ci","user_id":"{user}",
		"permissions":["run:create"],"allowed_workers":["builder"],"allowed_ips":["192.0.2.0/24","2001:db8::7"],"expires_in_days":30,"rate_limit_rpm":60,"max_concurrent_runs":2,"max_tokens_per_month":1000}`},
	{id: "listAPIKeys", at: "GET /v1/tenants/{tenant}/api-keys", status: 200},
	{id: "importAPIKeys", at: "POST /v1/tenants/{tenant}/api-keys/import", status: 200, alone: true, body: `{"keys":[{
		"sha256":"9F86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08","name":"old","key_prefix":"sk_live_4f2a","user_id":"{user}",
		"permissions":["run:create"],"allowed_workers":["builder"],"allowed_ips":["::1"],"rate_limit_rpm":60,"max_concurrent_runs":2,
		"max_tokens_per_month":1000,"expires_at":"2027-01-31T12:00:00Z"}]}`},
	{id: "findAPIKeys", at: "GET /v1/api-keys?expiring_within_days=30", status: 200},
	{id: "getAPIKey", at: "GET /v1/tenants/{tenant}/api-keys/{key}", status: 200},
	{id: "revokeAPIKey", at: "POST /v1/tenants/{tenant}/api-keys/{key}/revoke", status: 200, alone: true, body: `{"reason":"leaked"}`},
	{id: "rotateAPIKey", at: "POST /v1/tenants/{tenant}/api-keys/{key}/rotate", status: 200, alone: true, body: `{"overlap_seconds":3600}`},
	{id: "verifyAPIKey", at: "POST /v1/api-keys/verify", status: 200, body: `{"secret":"{secret}","permission":"run:create","worker_id":"builder","ip":"192.0.2.7"}`},
	{id: "createRun", at: "POST /v1/tenants/{tenant}/runs", status: 201, alone: true, body: `{"worker_id":"builder","task":"build","input":{"a":1},
		"user_id":"{user}","subject":"ada","api_key_id":"{own}","reserve_tokens":10,"lease_seconds":60}`},
	{id: "listRuns", at: "GET /v1/tenants/{tenant}/runs", status: 200},
	{id: "getRun", at: "GET /v1/tenants/{tenant}/runs/{run}", status: 200},
	{id: "startRun", at: "POST /v1/tenants/{tenant}/runs/{run}/start", status: 200, body: `{}`},
	{id: "heartbeat", at: "POST /v1/tenants/{tenant}/runs/{run}/heartbeat", status: 200, body: `{"tokens_so_far":5,"lease_seconds":30}`},
	{id: "completeRun", at: "POST /v1/tenants/{tenant}/runs/{run}/complete", status: 200, alone: true, body: `{"success":true,"output":{"b":2},"error":"none",
		"replay_token":"t","total_tokens":7,"total_latency_ms":8,"stages_completed":1,"recoveries":0,"policy_violations":0,"cost_micros":20000,"cost_cents":2}`},
	{id: "cancelRun", at: "POST /v1/tenants/{tenant}/runs/{run}/cancel", status: 200, alone: true, body: `{}`},
	{id: "reserveTokens", at: "POST /v1/tenants/{tenant}/runs/{run}/reserve", status: 200, alone: true, body: `{"tokens":70}`},
	{id: "retryRun", at: "POST /v1/tenants/{tenant}/runs/{ended}/retry", status: 201, alone: true, body: `{"reserve_tokens":3,"lease_seconds":60}`},
	{id: "recordUsage", at: "POST /v1/tenants/{tenant}/usage", status: 200, alone: true, body: `{"meter":"documents","amount":3,"unit":"pages",
		"time":"2026-11-23T09:00:00Z","worker_id":"builder","api_key_id":"{own}","run_id":"{run}","event_id":"e1","metadata":{"k":"v"}}`},
	{id: "consume", at: "POST /v1/tenants/{tenant}/consume", status: 200, alone: true, body: `{"meter":"emails_sent","amount":3,"unit":"emails",
		"worker_id":"builder","api_key_id":"{own}","event_id":"c1","metadata":{"k":"v"}}`},
	{id: "recordCloudEvents", at: "POST /v1/events", status: 200, alone: true, media: cloudEventType, body: `{"specversion":"1.0","id":"4711","source":"/scanner",
		"type":"documents","subject":"acme","time":"2026-11-23T09:00:00Z","datacontenttype":"application/json","dataschema":"https://acme.example/scans",
		"data":{"amount":3,"unit":"pages","k":"v"}}`},
	{id: "getUsage", at: "GET /v1/tenants/{tenant}/usage", status: 200},
	{id: "listWorkers", at: "GET /v1/tenants/{tenant}/workers", status: 200},
	{id: "putWorker", at: "PUT /v1/tenants/{tenant}/workers/painter", status: 200, body: `{"enabled":false}`},
	{id: "deleteWorker", at: "DELETE /v1/tenants/{tenant}/workers/builder", status: 204, alone: true},
	{id: "getQuotas", at: "GET /v1/tenants/{tenant}/quotas", status: 200},
	{id: "putSubject", at: "PUT /v1/tenants/{tenant}/subjects/ada", status: 200, body: `{"limits":{"runs_per_day":5,"concurrent_runs":{"limit":1,"mode":"soft"}},"reason":"trial"}`},
	{id: "getSubject", at: "GET /v1/tenants/{tenant}/subjects/limited", status: 200},
	{id: "listSubjects", at: "GET /v1/tenants/{tenant}/subjects", status: 200},
	{id: "deleteSubject", at: "DELETE /v1/tenants/{tenant}/subjects/limited", status: 204, alone: true},
	{id: "checkRuns", at: "GET /v1/tenants/{tenant}/quotas/runs", status: 200},
	{id: "checkTokens", at: "GET /v1/tenants/{tenant}/quotas/tokens", status: 200},
	{id: "listEvents", at: "GET /v1/tenants/{tenant}/events", status: 200},
	{id: "listAllEvents", at: "GET /v1/events", status: 200},
	{id: "listLatestDenials", at: "GET /v1/denials", status: 200},
	{id: "previewPlan", at: "GET /v1/tenants/{tenant}/plan-preview?plan=pro", status: 200},
	{id: "listStandings", at: "GET /v1/standings?order=nearest&at_least=1", status: 200},
	{id: "listActivity", at: "GET /v1/activity", status: 200},
	{id: "listStuck", at: "GET /v1/stuck-runs", status: 200},
	{id: "listDenials", at: "GET /v1/tenants/{tenant}/denials", status: 200},
	{id: "listAudit", at: "GET /v1/tenants/{tenant}/audit", status: 200},
	{id: "listPlatformAudit", at: "GET /v1/audit", status: 200},
	{id: "verifyAudit", at: "GET /v1/tenants/{tenant}/audit/verify", status: 200},
	{id: "verifyPlatformAudit", at: "GET /v1/audit/verify", status: 200},
	{id: "getAuditHead", at: "GET /v1/tenants/{tenant}/audit/head", status: 200},
	{id: "getPlatformAuditHead", at: "GET /v1/audit/head", status: 200},
	{id: "exportAudit", at: "GET /v1/tenants/{tenant}/audit/export", status: 200},
	{id: "exportPlatformAudit", at: "GET /v1/audit/export", status: 200},
	{id: "pruneAudit", at: "POST /v1/tenants/{tenant}/audit/prune", status: 200, body: `{"before":"2020-01-01T00:00:00Z","unsigned":true,"cursor":""}`},
	{id: "prunePlatformAudit", at: "POST /v1/audit/prune", status: 200, body: `{"before":"2020-01-01T00:00:00Z","unsigned":true,"cursor":""}`},
	{id: "reconcile", at: "POST /v1/reconcile", status: 200, body: `{"repair":true}`},
	{id: "reconcileTenant", at: "POST /v1/tenants/{tenant}/reconcile", status: 200, body: `{"repair":true}`},
	{id: "live", at: "GET /livez", status: 200},
	{id: "ready", at: "GET /readyz", status: 200},
	{id: "forwardAuth", at: "GET /v1/forward-auth", status: 401}, // an operator's key is no API key
}

// fixture is what samples are about: one of each kind of object, for the words in braces.
type fixture struct{ words *strings.Replacer }

// furnish fills a world with what samples name. The calling key of acme is {own}; {key} is another one.
func (w *world) furnish() fixture {
	w.t.Helper()
	user := w.operator("POST", "/v1/users", `{"email":"grace@acme.example","external_id":"user_grace"}`).expect(201).text("id")
	w.operator("POST", "/v1/users", `{"email":"stranger@acme.example","external_id":"user_stranger"}`).expect(201)
	owner := w.operator("POST", "/v1/users", `{"email":"owner@acme.example"}`).expect(201).text("id")
	w.operator("POST", "/v1/tenants/acme/members", `{"user_id":"`+owner+`"}`).expect(201)
	w.operator("POST", "/v1/tenants/acme/members", `{"user_id":"`+user+`","role":"member"}`).expect(201)
	secret, key := w.makeKey("acme", "run:*", "read:*")
	run := w.operator("POST", "/v1/tenants/acme/runs", `{"worker_id":"builder","task":"t","input":[1]}`).expect(201).text("id")
	ended := w.operator("POST", "/v1/tenants/acme/runs", `{"worker_id":"builder","task":"t"}`).expect(201).text("id")
	w.operator("POST", "/v1/tenants/acme/runs/"+ended+"/cancel", nil).expect(200)
	_, operator := w.makeOperatorKey("auditor", "read:*")
	w.operator("PUT", "/v1/plans/custom", `{"limits":{"workers":2}}`).expect(201)
	w.operator("PUT", "/v1/tenants/acme/subjects/limited", `{"limits":{"runs_per_day":9}}`).expect(200)
	w.operator("PUT", "/v1/tenants/acme/meters/pages", `{"unit":"pages"}`).expect(200)
	w.operator("PUT", "/v1/meters/seats", `{"aggregation":"max"}`).expect(200)
	for _, slug := range []string{"spare", "suspended", "terminated", "archived"} {
		w.operator("POST", "/v1/tenants", `{"name":"x","slug":"`+slug+`"}`).expect(201)
	}
	w.operator("POST", "/v1/tenants/suspended/suspend", nil).expect(200)
	w.operator("POST", "/v1/tenants/terminated/terminate", nil).expect(200)
	w.operator("POST", "/v1/tenants/archived/terminate", nil).expect(200)
	w.operator("POST", "/v1/tenants/archived/archive", nil).expect(200)
	return fixture{strings.NewReplacer(
		"{tenant}", "acme", "{user}", user, "{key}", key, "{own}", w.keyID, "{secret}", secret, "{run}", run, "{ended}", ended, "{operator}", operator,
		"{spare}", "spare", "{suspended}", "suspended", "{terminated}", "terminated", "{archived}", "archived",
	)}
}

// header returns a header beside the sample's media type.
func (s sample) header(name, value string) map[string]string {
	out := map[string]string{name: value}
	if s.media != "" {
		out["Content-Type"] = s.media
	}
	return out
}

// ask turns a sample into a request of a caller.
func (f fixture) ask(s sample, key string) ask {
	method, path, _ := strings.Cut(f.words.Replace(s.at), " ")
	a := ask{method: method, path: path, key: key}
	if s.body != "" {
		a.body = f.words.Replace(s.body)
	}
	if s.media != "" {
		a.header = s.header("Content-Type", s.media)
	}
	return a
}

func TestEveryOperationHasASample(t *testing.T) {
	t.Parallel()
	have := map[string]bool{}
	for _, s := range samples {
		have[s.id] = true
	}
	for _, r := range routesOf(t) {
		if !have[r.id] {
			t.Errorf("no sample of %s", r.id)
		}
		delete(have, r.id)
	}
	for id := range have {
		t.Errorf("a sample of %s, which is no operation", id)
	}
}

func TestSamplesWork(t *testing.T) {
	t.Parallel()
	shared := newWorld(t)
	fixed := shared.furnish()
	for _, s := range samples {
		if !s.alone {
			shared.send(fixed.ask(s, operatorSecret)).expect(s.status)
		}
	}
	for _, s := range samples {
		if s.alone {
			t.Run(s.id, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				f := w.furnish()
				w.send(f.ask(s, operatorSecret)).expect(s.status)
			})
		}
	}
}
