package httpapi

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

// fuzzBody feeds bodies to one operation of a real server. Whatever comes, the answer is a success or a whole problem,
// and never the server's fault. Quotas are lifted, so that what is admitted does not end the search.
func fuzzBody(f *testing.F, id string) {
	f.Helper()
	w := newWorld(f)
	w.operator("PATCH", "/v1/tenants/acme", `{"limit_overrides":{"workers":{"limit":null},"runs_per_day":{"limit":null},
		"concurrent_runs":{"limit":null},"tokens_per_month":{"limit":null},"api_keys":{"limit":null}}}`).expect(200)
	words := w.furnish()
	var s sample
	for _, s = range samples {
		if s.id == id {
			break
		}
	}
	a := words.ask(s, operatorSecret)
	good, _ := a.body.(string)
	f.Add([]byte(good))
	for _, seed := range []string{
		`{}`, `null`, `[]`, `{"`, "{\"a\":\"\xff\"}", `{"a":1,"a":2}`, strings.Repeat("[", 300), `{"name":"\u0000"}`, `{"amount":1e400}`,
		`{"events":[{"meter":"m","amount":9223372036854775808}]}`, `{"limit_overrides":{"workers":{"limit":null}}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		req := httptest.NewRequest(a.method, a.path, bytes.NewReader(body))
		req.Header.Set("Authorization", "Bearer "+operatorSecret)
		req.Header.Set("Content-Type", "application/json")
		rec := httptest.NewRecorder()
		w.server.ServeHTTP(rec, req)
		r := &reply{t: t, what: a.method + " " + a.path, status: rec.Code, header: rec.Header(), body: rec.Body.Bytes()}
		if rec.Code >= 500 {
			t.Fatalf("status %d: %s\n%s", rec.Code, r.body, w.log)
		}
		if rec.Code >= 400 {
			r.refused(rentroll.Code(r.text("code")))
		}
		if wrong := conforms(w.server, a.method, a.path, r); wrong != "" && !strings.Contains(wrong, "cannot unmarshal number") {
			t.Errorf("the answer is not as documented: %s\n%s", wrong, r.body)
		}
	})
}

func FuzzCreateTenantBody(f *testing.F) { fuzzBody(f, "createTenant") }
func FuzzUpdateTenantBody(f *testing.F) { fuzzBody(f, "updateTenant") }
func FuzzPutPlanBody(f *testing.F)      { fuzzBody(f, "putPlan") }
func FuzzCreateAPIKeyBody(f *testing.F) { fuzzBody(f, "createAPIKey") }
func FuzzCreateRunBody(f *testing.F)    { fuzzBody(f, "createRun") }
func FuzzCompleteRunBody(f *testing.F)  { fuzzBody(f, "completeRun") }
func FuzzConsumeBody(f *testing.F)      { fuzzBody(f, "consume") }
func FuzzRecordUsageBody(f *testing.F)  { fuzzBody(f, "recordUsage") }

// FuzzTags holds the parser of If-Match against what it has understood, written again.
func FuzzTags(f *testing.F) {
	for _, seed := range []string{`*`, `"a"`, `W/"a"`, `"a", "b"`, `"a" , W/"b"`, `"`, `,`, `"a","`, `w/"a"`, "\"\x00\""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		tags, err := tagsIn(map[string][]string{"If-Match": {value}}, "If-Match")
		if err != nil {
			return
		}
		again, err := tagsIn(map[string][]string{"If-Match": {strings.Join(tags, ", ")}}, "If-Match")
		if err != nil || strings.Join(again, ",") != strings.Join(tags, ",") || len(tags) == 0 {
			t.Errorf("%q is %q and then %q, %v", value, tags, again, err)
		}
	})
}

// FuzzPatch applies patches that were accepted, and expects RFC 7396's word for it: applied again they change nothing.
func FuzzPatch(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"name":"x"}`, `{"metadata":{"a":null,"b":"c"}}`, `{"limit_overrides":{"workers":{"limit":null}}}`,
		`{"limit_overrides":{"workers":7,"api_keys":null}}`, `{"billing_anchor_day":1.0}`, `{"external_id":null}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var p tenantPatch
		if decode(body, &p) != nil {
			return
		}
		edit := rentroll.TenantEdit{
			Name: "x", ExternalID: "e", Timezone: "UTC", BillingAnchorDay: 1, Metadata: map[string]string{"a": "b"},
			LimitOverrides: quota.Limits{quota.Workers: {Max: 3, Reason: "why"}},
		}
		if p.apply(&edit) != nil {
			return
		}
		once, err := json.Marshal(edit)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.apply(&edit); err != nil {
			t.Fatalf("the second time: %v", err)
		}
		if twice, _ := json.Marshal(edit); !bytes.Equal(twice, once) {
			t.Errorf("once %s\ntwice %s", once, twice)
		}
	})
}
