package httpapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/rentroll/rentroll"
)

// withBody are the samples of operations that take a body.
func withBody() []sample {
	return slices.DeleteFunc(slices.Clone(samples), func(s sample) bool { return s.body == "" })
}

// TestBodiesMustBeJSON sends to every operation what is no strict JSON object, and expects that nothing changes.
func TestBodiesMustBeJSON(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.furnish()
	bodies := []struct {
		name, body string
		code       rentroll.Code
	}{
		{"cut off", `{"name":`, rentroll.CodeMalformedRequest},
		{"two values", `{} {}`, rentroll.CodeMalformedRequest},
		{"text behind", `{}x`, rentroll.CodeMalformedRequest},
		{"a comma too many", `{"a":1,}`, rentroll.CodeMalformedRequest},
		{"single quotes", `{'a':1}`, rentroll.CodeMalformedRequest},
		{"a comment", `{/**/}`, rentroll.CodeMalformedRequest},
		{"NaN", `{"a":NaN}`, rentroll.CodeMalformedRequest},
		{"white space", "  \n ", rentroll.CodeMalformedRequest},
		{"a byte order mark", "\ufeff{}", rentroll.CodeMalformedRequest},
		{"UTF-16", "{\x00}\x00", rentroll.CodeMalformedRequest},
		{"a bare NUL", "{\"name\":\"a\x00b\"}", rentroll.CodeMalformedRequest},
		{"invalid UTF-8", "{\"name\":\"\xff\"}", rentroll.CodeMalformedRequest},
		{"invalid UTF-8 in a name", "{\"\xc3\x28\":1}", rentroll.CodeMalformedRequest},
		{"half a surrogate pair", `{"\ud800":1}`, rentroll.CodeMalformedRequest},
		{"too deep", strings.Repeat("[", 20_000), rentroll.CodeMalformedRequest},
		{"null", `null`, rentroll.CodeValidationFailed},
		{"a list", `[]`, rentroll.CodeValidationFailed},
		{"a text", `"{}"`, rentroll.CodeValidationFailed},
		{"a number", `1`, rentroll.CodeValidationFailed},
		{"an unknown name", `{"no_such_field":1}`, rentroll.CodeValidationFailed},
		{"an empty name", `{"":1}`, rentroll.CodeValidationFailed},
		{"a deep unknown name", `{"x":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`, rentroll.CodeValidationFailed},
		{"a huge unknown name", `{"` + strings.Repeat("x", 100_000) + `":1}`, rentroll.CodeValidationFailed},
	}
	for _, s := range withBody() {
		w.unchanged(func() {
			for _, b := range bodies {
				a := f.ask(s, operatorSecret)
				a.body = b.body
				r := w.send(a)
				if r.status >= 500 || r.text("code") != string(b.code) {
					t.Errorf("%s: status %d, want %s\n%s", b.name, r.status, b.code, r.body)
				}
			}
		})
	}
}

// TestMediaTypes sends good bodies as something else than what they are.
func TestMediaTypes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.furnish()
	for _, s := range withBody() {
		w.unchanged(func() {
			for _, media := range []string{
				"", "text/plain", "application/xml", "application/x-www-form-urlencoded", "application/json; charset=utf-16",
				"application/json+x", "application/merge-patch", "*/*", "no type", "application/vnd.api+json",
			} {
				a := f.ask(s, operatorSecret)
				a.header = map[string]string{"Content-Type": media}
				w.send(a).refused(rentroll.CodeUnsupportedMediaType)
			}
			a := f.ask(s, operatorSecret)
			a.header = map[string]string{"Content-Encoding": "gzip"}
			w.send(a).refused(rentroll.CodeUnsupportedMediaType)
			a.header = map[string]string{"Content-Type": mergePatchType}
			if !strings.HasPrefix(s.at, "PATCH") {
				w.send(a).refused(rentroll.CodeUnsupportedMediaType)
			}
		})
	}
	a := ask{method: "PATCH", path: "/v1/tenants/acme", key: operatorSecret, body: `{"name":"A"}`}
	for _, media := range []string{mergePatchType, "application/json; charset=UTF-8", "Application/JSON"} {
		a.header = map[string]string{"Content-Type": media}
		w.send(a).expect(200)
	}
}

func TestBodiesMustNotBeTooLarge(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *rentroll.Options, o *Options) { o.MaxBody = 4096 })
	f := w.furnish()
	for _, s := range withBody() {
		w.unchanged(func() {
			a := f.ask(s, operatorSecret)
			a.body = fmt.Sprint(a.body, strings.Repeat(" ", 4097-len(fmt.Sprint(a.body))))
			w.send(a).refused(rentroll.CodePayloadTooLarge)
		})
	}
	a := ask{method: "PUT", path: "/v1/tenants/acme/plan", key: operatorSecret, body: `{"plan":"pro"}` + strings.Repeat(" ", 4096-14)}
	w.send(a).expect(200)
}

func TestEmptyBodies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.furnish()
	for _, r := range routesOf(t) {
		i := slices.IndexFunc(samples, func(s sample) bool { return s.id == r.id })
		if r.body != needsBody {
			continue
		}
		w.unchanged(func() {
			a := f.ask(samples[i], operatorSecret)
			a.body = nil
			w.send(a).refused(rentroll.CodeMalformedRequest)
		})
	}
	run := f.words.Replace("/v1/tenants/acme/runs/{run}")
	for _, path := range []string{run + "/start", run + "/heartbeat", run + "/cancel", "/v1/tenants/spare/suspend", "/v1/tenants/spare/resume"} {
		w.operator("POST", path, nil).expect(200)
	}
}

// TestFieldsAreStrict gives each field of every body, in turn, a value of another type, another case and a twin.
func TestFieldsAreStrict(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.furnish()
	for _, s := range withBody() {
		a := f.ask(s, operatorSecret)
		body := fmt.Sprint(a.body)
		var members map[string]json.RawMessage
		if err := json.Unmarshal([]byte(body), &members); err != nil {
			t.Fatal(s.id, err)
		}
		for _, name := range slices.Sorted(maps.Keys(members)) {
			a := a
			w.unchanged(func() {
				upper := strings.ToUpper(name[:1]) + name[1:]
				a.body = strings.Replace(body, `"`+name+`"`, `"`+upper+`"`, 1)
				w.send(a).refused(rentroll.CodeValidationFailed).names(upper, true)
				a.body = strings.TrimSuffix(strings.TrimSpace(body), "}") + `,"` + name + `":` + string(members[name]) + `}`
				w.send(a).refused(rentroll.CodeMalformedRequest, name)
				for _, value := range misfits(name, members[name]) {
					a.body = replaced(t, body, name, value)
					r := w.send(a).refused(rentroll.CodeValidationFailed)
					if !strings.Contains(string(r.body), `"field":"`+name) {
						t.Errorf("%s: %s is not named\n%s", value, name, r.body)
					}
				}
			})
		}
	}
}

// misfits are JSON values of other types than a good one.
func misfits(name string, good json.RawMessage) []string {
	switch name {
	case "input", "output", "replay_token":
		return nil // any JSON
	}
	switch good[0] {
	case '"':
		return []string{`1`, `true`, `[]`, `{}`, `["x"]`}
	case '{':
		return []string{`1`, `true`, `[]`, `"x"`}
	case '[':
		other := `[1]` // a list of something else
		if name == "thresholds" {
			other = `["x"]`
		}
		return []string{`1`, `true`, `{}`, `"x"`, other, `[null]`, `[[]]`}
	case 't', 'f':
		return []string{`1`, `0`, `"true"`, `[]`, `{}`}
	default:
		return []string{
			`"1"`, `true`, `[]`, `{}`, `1.5`, `1.0`, `1e2`, `-1`, `1e400`, `-1e400`, `9223372036854775807`, `9223372036854775808`,
			`-9223372036854775809`, `100000000000000000000000`,
		}
	}
}

// TestQueriesAreStrict sends to every operation a query that it does not know, and to lists what their parameters are not.
func TestQueriesAreStrict(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.furnish()
	doc := w.server.api.OpenAPI()
	for _, s := range samples {
		with := func(query string) *reply {
			a := f.ask(s, operatorSecret)
			path, required, _ := strings.Cut(a.path, "?")
			if name, _, _ := strings.Cut(required, "="); name != "" && !strings.HasPrefix(query, name) {
				query = required + "&" + query
			}
			a.path = path + "?" + query
			return w.send(a)
		}
		w.unchanged(func() {
			with("no_such=1").refused(rentroll.CodeValidationFailed, "no_such")
			with("a=%zz").refused(rentroll.CodeMalformedRequest)
			with("a=1;b=2").refused(rentroll.CodeMalformedRequest)
			op := documented(doc, f.ask(s, "").method, strings.Split(f.ask(s, "").path, "?")[0])
			for _, p := range op.Parameters {
				if p.In != "query" {
					continue
				}
				with(p.Name+"=").refused(rentroll.CodeValidationFailed, p.Name)
				with(p.Name).refused(rentroll.CodeValidationFailed, p.Name)
				with(p.Name+"=1&"+p.Name+"=1").refused(rentroll.CodeValidationFailed, p.Name)
				with(strings.ToUpper(p.Name)+"=1").refused(rentroll.CodeValidationFailed, strings.ToUpper(p.Name))
				for _, value := range badQuery(p.Name) {
					with(p.Name+"="+value).refused(rentroll.CodeValidationFailed, p.Name)
				}
			}
		})
	}
}

func badQuery(name string) []string {
	switch name {
	case "limit":
		return []string{"0", "-1", "201", "x", "1.5", "1e2", "9223372036854775808", "%00"}
	case "cursor":
		return []string{"x", "AQ", "%00", "%ff", strings.Repeat("A", 2000), "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}
	case "status":
		return []string{"Active", "all", "%00", "%ff"}
	case "q", "plan", "email":
		return []string{"a%00b", "%ff", strings.Repeat("x", 256)}
	case "worker_id":
		return []string{"Builder", "a%00b", "%ff", strings.Repeat("x", 101)}
	case "api_key_id":
		return []string{"x", "key_", "run_01kaqt4b0mepta2m8v5k7n3c1d", "%00"}
	case "format":
		return []string{"xml", "CSV", "%00"}
	case "expiring_within_days":
		return []string{"0", "-1", "3651", "x", "1.5", "9223372036854775808", "%00"}
	case "include_revoked":
		return []string{"yes", "2", "%00"}
	case "tokens":
		return []string{"-1", "x", "1000000000001", "9223372036854775808", "1e400", "1.5"}
	case "start", "end":
		return []string{"x", "2026-01-01", "0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "2026-13-01T00:00:00Z", "1700000000"}
	default:
		return nil
	}
}

// TestPathsAreStrict names things that are not there in every place of every path.
func TestPathsAreStrict(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.furnish()
	doc := w.server.api.OpenAPI()
	for _, s := range samples {
		a := f.ask(s, operatorSecret)
		op := documented(doc, a.method, strings.Split(a.path, "?")[0])
		template, parts := strings.Split(op.Path, "/"), strings.Split(a.path, "/")
		w.unchanged(func() {
			for i, place := range template {
				// What a PUT names is made; all that can be wrong with it is its form.
				if !strings.HasPrefix(place, "{") || strings.HasPrefix(s.at, "PUT") && place != "{tenant}" {
					continue
				}
				for _, value := range []string{
					"nobody", "run_01kaqt4b0mepta2m8v5k7n3c1d", "ten_01kaqt3x4heyr9b1c6x8m6zr0c", "usr_01kaqt41n2f4tbnk2x8m6zr0ce",
					"key_01kaqt45v8fmt8e4h1x9d3w7qa", "ten_00000000000000000000000000", "ten_00000000000000000000000001", "me",
					"a%00b", "%ff%fe", "..%2f..", "%20", strings.Repeat("x", 500), "ACME", "'; DROP TABLE runs; --",
				} {
					changed := slices.Clone(parts)
					changed[i] = strings.ReplaceAll(value, " ", "%20")
					again := a
					again.path = strings.Join(changed, "/")
					w.send(again).refused(rentroll.CodeNotFound)
				}
			}
		})
	}
	for _, name := range []string{"a%00b", "%20", "-x", strings.Repeat("x", 51), "%ff"} {
		w.operator("PUT", "/v1/plans/"+name, `{"limits":{}}`).refused(rentroll.CodeValidationFailed, "name")
	}
	for _, name := range []string{"a%00b", "%20", "-x", strings.Repeat("x", 101), "%ff", "Builder"} {
		w.operator("PUT", "/v1/tenants/acme/workers/"+name, `{"enabled":true}`).refused(rentroll.CodeValidationFailed, "worker_id")
	}
}
