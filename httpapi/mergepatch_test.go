package httpapi

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

// TestMerge is the table of RFC 7396, appendix A.
func TestMerge(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ target, patch, want string }{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`["a","b"]`, `["c","d"]`, `["c","d"]`},
		{`{"a":"b"}`, `["c"]`, `["c"]`},
		{`{"a":"foo"}`, `null`, `null`},
		{`{"a":"foo"}`, `"bar"`, `"bar"`},
		{`{"e":null}`, `{"a":1}`, `{"e":null,"a":1}`},
		{`[1,2]`, `{"a":"b","c":null}`, `{"a":"b"}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
		{`{"a":12345678901234567890}`, `{}`, `{"a":12345678901234567890}`},
	} {
		got := merge(exact([]byte(c.target)), exact([]byte(c.patch)))
		if !reflect.DeepEqual(got, exact([]byte(c.want))) {
			t.Errorf("%s with %s is %v, want %s", c.target, c.patch, got, c.want)
		}
	}
}

// TestPatchMayRunAgain applies one patch twice, as the engine may.
func TestPatchMayRunAgain(t *testing.T) {
	t.Parallel()
	var p tenantPatch
	if err := decode([]byte(`{"metadata":{"a":"1","b":null},"limit_overrides":{"workers":{"limit":null},"api_keys":3}}`), &p); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		edit := rentroll.TenantEdit{Name: "x", Timezone: "UTC", BillingAnchorDay: 1, Metadata: map[string]string{"b": "2", "c": "3"}}
		if err := p.apply(&edit); err != nil {
			t.Fatal(err)
		}
		want := rentroll.TenantEdit{
			Name: "x", Timezone: "UTC", BillingAnchorDay: 1, Metadata: map[string]string{"a": "1", "c": "3"},
			LimitOverrides: quota.Limits{quota.Workers: quota.NoLimit(), quota.APIKeys: quota.Of(3)},
		}
		if !reflect.DeepEqual(edit, want) {
			t.Errorf("%+v\nwant %+v", edit, want)
		}
	}
}

// TestEncodeRuns puts payloads where nothing else may be touched.
func TestEncodeRuns(t *testing.T) {
	t.Parallel()
	run := rentroll.Run{Task: `","input":null,"`, Input: json.RawMessage(`{ "a" : "output" }`), Output: json.RawMessage(` [ ] `)}
	body, err := encode(&run)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]json.RawMessage
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	if string(got["input"]) != string(run.Input) || string(got["output"]) != `[ ]` || string(got["replay_token"]) != "null" {
		t.Errorf("%s", body)
	}
	if run.Input == nil || string(run.Output) != " [ ] " {
		t.Error("the run itself was changed")
	}
}
