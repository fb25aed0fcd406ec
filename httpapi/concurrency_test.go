package httpapi

import (
	"bytes"
	"net/http"
	"path"
	"strings"
	"sync"
	"testing"

	"github.com/rentroll/rentroll"
)

func TestETags(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.furnish()
	tagged, moving := map[string]bool{}, map[string]bool{}
	for _, r := range routesOf(t) {
		tagged[r.id], moving[r.id] = r.tagged, r.moving
	}
	for _, s := range samples {
		if s.alone {
			continue
		}
		r := w.send(f.ask(s, operatorSecret)).expect(s.status)
		if tag := r.header.Get("ETag"); (tag != "") != tagged[s.id] {
			t.Errorf("%s: ETag %q", s.id, tag)
		}
		if !strings.HasPrefix(s.at, "GET") || !tagged[s.id] {
			continue
		}
		tag := r.header.Get("ETag")
		for value, status := range map[string]int{
			tag: 304, "W/" + tag: 304, "*": 304, `"x", ` + tag: 304, `"x","y"`: 200, "": 200,
		} {
			a := f.ask(s, operatorSecret)
			a.header = map[string]string{"If-None-Match": value}
			if moving[s.id] {
				status = 200
			}
			again := w.send(a).expect(status)
			if again.header.Get("ETag") != tag || (len(again.body) == 0) != (status == 304) {
				t.Errorf("%s If-None-Match %s: %s %s", s.id, value, again.header, again.body)
			}
		}
		a := f.ask(s, operatorSecret)
		a.header = map[string]string{"If-None-Match": "x"}
		w.send(a).refused(rentroll.CodeMalformedRequest)
	}
}

func TestWritesAndReadsAgreeOnETags(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user := w.operator("POST", "/v1/users", `{"email":"a@acme.example"}`).expect(201)
	run := w.operator("POST", "/v1/tenants/acme/runs", `{"worker_id":"w","task":"t","input":{ }}`).expect(201)
	key := w.operator("POST", "/v1/tenants/acme/api-keys", `{"name":"k"}`).expect(201)
	w.operator("PATCH", "/v1/tenants/acme", `{"name":"A"}`).expect(200)
	for path, write := range map[string]*reply{
		"/v1/users/" + user.text("id"):                        user,
		"/v1/tenants/acme/runs/" + run.text("id"):             run,
		"/v1/tenants/acme/api-keys/" + key.text("api_key.id"): key,
		"/v1/tenants/acme":                                    w.operator("PUT", "/v1/tenants/acme/plan", `{"plan":"pro"}`),
		"/v1/tenants/globex":                                  w.operator("POST", "/v1/tenants/globex/suspend", nil),
		"/v1/tenants/acme/api-keys/" + w.keyID:                w.operator("POST", "/v1/tenants/acme/api-keys/"+w.keyID+"/revoke", nil),
	} {
		if read := w.operator("GET", path, nil).expect(200); read.header.Get("ETag") != write.header.Get("ETag") {
			t.Errorf("%s: written %s, read %s", path, write.header.Get("ETag"), read.header.Get("ETag"))
		}
	}
}

func TestIfMatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.operator("PUT", "/v1/plans/custom", `{"limits":{"workers":1}}`).expect(201)
	user := w.operator("POST", "/v1/users", `{"email":"a@acme.example"}`).expect(201).text("id")
	w.operator("POST", "/v1/tenants/acme/members", `{"user_id":"`+user+`","role":"member"}`).expect(201)
	w.operator("PUT", "/v1/meters/mails", `{"unit":"mails"}`).expect(200)
	with := func(method, path, body, header, value string) *reply {
		return w.send(ask{method: method, path: path, key: operatorSecret, body: body, header: map[string]string{header: value}})
	}
	for _, c := range []struct{ method, path, read, body, other string }{
		{"PATCH", "/v1/tenants/acme", "/v1/tenants/acme", `{"name":"B"}`, `{"name":"C"}`},
		{"PUT", "/v1/tenants/acme/plan", "/v1/tenants/acme", `{"plan":"pro"}`, `{"plan":"free"}`},
		{"PUT", "/v1/plans/custom", "", `{"limits":{"workers":2}}`, `{"limits":{"workers":3}}`},
		{"PUT", "/v1/tenants/acme/subjects/ada", "", `{"limits":{"runs_per_day":2}}`, `{"limits":{"runs_per_day":3}}`},
		{"PATCH", "/v1/tenants/acme/members/" + user, "", `{"role":"viewer"}`, `{"role":"admin"}`},
		{"PUT", "/v1/tenants/acme/workers/builder", "", `{"enabled":false}`, `{"enabled":true}`},
		{"PUT", "/v1/tenants/acme/meters/mails", "/v1/tenants/acme/meters/mails", `{"display_name":"A"}`, `{"display_name":"B"}`},
		{"PUT", "/v1/meters/calls", "", `{"display_name":"A"}`, `{"display_name":"B"}`},
	} {
		tag := ""
		if c.read != "" {
			tag = w.operator("GET", c.read, nil).expect(200).header.Get("ETag")
		} else {
			tag = w.operator(c.method, c.path, c.other).expect(200).header.Get("ETag")
		}
		w.unchanged(func() {
			for _, value := range []string{`"x"`, "W/" + tag, `"x", "y"`, `W/"x",` + "W/" + tag} {
				with(c.method, c.path, c.body, "If-Match", value).refused(rentroll.CodePreconditionFailed)
			}
			for _, value := range []string{"x", `"`, `"a" "b"`, `"a",`, `,`, `*, "a"`, tag + "x", "w/" + tag} {
				with(c.method, c.path, c.body, "If-Match", value).refused(rentroll.CodeMalformedRequest)
			}
			with(c.method, c.path, c.body, "If-None-Match", "*").refused(rentroll.CodePreconditionFailed)
			with(c.method, c.path, c.body, "If-None-Match", tag).refused(rentroll.CodePreconditionFailed)
		})
		next := with(c.method, c.path, c.body, "If-Match", `"x", `+tag).expect(200).header.Get("ETag")
		if next == tag || next == "" {
			t.Errorf("%s %s: the ETag is still %s", c.method, c.path, next)
		}
		w.unchanged(func() { with(c.method, c.path, c.other, "If-Match", tag).refused(rentroll.CodePreconditionFailed) })
		with(c.method, c.path, c.other, "If-Match", "*").expect(200)
	}
	w.unchanged(func() {
		with("PUT", "/v1/plans/new", `{"limits":{}}`, "If-Match", "*").refused(rentroll.CodePreconditionFailed)
		with("PUT", "/v1/plans/new", `{"limits":{}}`, "If-Match", `"x"`).refused(rentroll.CodePreconditionFailed)
		with("PUT", "/v1/tenants/acme/subjects/bob", `{"limits":{"runs_per_day":1}}`, "If-Match", "*").refused(rentroll.CodePreconditionFailed)
		with("PATCH", "/v1/tenants/nobody", `{"name":"x"}`, "If-Match", "*").refused(rentroll.CodeNotFound)
		with("PUT", "/v1/tenants/acme/workers/painter", `{"enabled":true}`, "If-Match", "*").refused(rentroll.CodePreconditionFailed)
		with("PUT", "/v1/tenants/acme/meters/pages", `{"unit":"pages"}`, "If-Match", "*").refused(rentroll.CodePreconditionFailed)
		with("PUT", "/v1/meters/pages", `{"unit":"pages"}`, "If-Match", "*").refused(rentroll.CodePreconditionFailed)
		with("POST", "/v1/tenants/acme/suspend", ``, "If-Match", `"x"`).refused(rentroll.CodePreconditionFailed)
		with("POST", "/v1/tenants/acme/resume", ``, "If-Match", `"x"`).refused(rentroll.CodePreconditionFailed)
		with("POST", "/v1/tenants/acme/resume", ``, "If-Match", "*").refused(rentroll.CodeInvalidTransition)
		with("POST", "/v1/tenants/acme/usage", `{"meter":"pages","amount":1}`, "If-Match", "*").refused(rentroll.CodeMalformedRequest)
	})
	tag := w.operator("GET", "/v1/tenants/acme", nil).expect(200).header.Get("ETag")
	tag = with("POST", "/v1/tenants/acme/suspend", ``, "If-Match", tag).expect(200).header.Get("ETag")
	with("POST", "/v1/tenants/acme/resume", ``, "If-Match", tag).expect(200)
	with("PUT", "/v1/plans/new", `{"limits":{}}`, "If-None-Match", "*").expect(201)
	with("PUT", "/v1/tenants/acme/subjects/bob", `{"limits":{"runs_per_day":1}}`, "If-None-Match", "*").expect(200)
}

// TestConditions asks for every change of one object with the ETag of another one, and with what reading the object gave.
func TestConditions(t *testing.T) {
	t.Parallel()
	conditional, readable := map[string]route{}, map[string]bool{}
	for _, r := range routesOf(t) {
		if r.conditional {
			conditional[r.id] = r
		}
		readable[r.path()] = readable[r.path()] || r.tagged && r.method() == http.MethodGet
	}
	tried := 0
	for _, s := range samples {
		r, ok := conditional[s.id]
		if !ok {
			continue
		}
		_, at, _ := strings.Cut(s.at, " ")
		template := r.path()
		if !readable[template] { // a step of the object, or a part of it
			template, at = path.Dir(template), path.Dir(at)
		}
		if readable[template] {
			tried++
		}
		t.Run(s.id, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			f := w.furnish()
			a := f.ask(s, operatorSecret)
			a.header = s.header("If-Match", `"another"`)
			w.unchanged(func() { w.send(a).refused(rentroll.CodePreconditionFailed) })
			if !readable[template] {
				return
			}
			read := w.operator("GET", f.words.Replace(at), nil)
			a.header = s.header("If-Match", read.header.Get("ETag"))
			if read.status == http.StatusNotFound {
				a.header = s.header("If-None-Match", "*")
			}
			w.send(a).expect(s.status)
		})
	}
	if tried < 18 {
		t.Errorf("of %d operations that take conditions only %d were tried with the right one", len(conditional), tried)
	}
}

// TestTagOfSubject: the ETag of a subject stands for what an operator has set. What its runs use changes all the time, and must
// neither keep a change from being made nor be left out of an answer.
func TestTagOfSubject(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const path = "/v1/tenants/acme/subjects/ada"
	tag := w.operator("PUT", path, `{"limits":{"runs_per_day":5}}`).expect(200).header.Get("ETag")
	w.operator("POST", "/v1/tenants/acme/runs", `{"worker_id":"w","task":"t","subject":"ada"}`).expect(201)
	read := w.operator("GET", path, nil).expect(200)
	if read.header.Get("ETag") != tag {
		t.Errorf("a run changed the ETag from %s to %s", tag, read.header.Get("ETag"))
	}
	with := func(method, body, header, value string) *reply {
		return w.send(ask{method: method, path: path, key: operatorSecret, body: body, header: map[string]string{header: value}})
	}
	if again := with("GET", "", "If-None-Match", tag).expect(200); !bytes.Equal(again.body, read.body) {
		t.Errorf("what is used is told as %s, it is %s", again.body, read.body)
	}
	next := with("PUT", `{"limits":{"runs_per_day":6},"reason":"trial"}`, "If-Match", tag).expect(200).header.Get("ETag")
	with("PUT", `{"limits":{"runs_per_day":7}}`, "If-Match", tag).refused(rentroll.CodePreconditionFailed)
	if got := w.operator("GET", path, nil).expect(200); next == tag || got.header.Get("ETag") != next || got.text("reason") != "trial" {
		t.Errorf("it is %s, with the ETag %s", got.body, got.header.Get("ETag"))
	}
}

// TestIfMatchLetsOneWin sends the same conditional change from many callers at once.
func TestIfMatchLetsOneWin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tag := w.operator("GET", "/v1/tenants/acme", nil).header.Get("ETag")
	var mu sync.Mutex
	statuses := map[int]int{}
	var callers sync.WaitGroup
	for i := range 8 {
		callers.Go(func() {
			r := w.send(ask{
				method: "PATCH", path: "/v1/tenants/acme", key: operatorSecret, header: map[string]string{"If-Match": tag},
				body: `{"name":"` + string(rune('a'+i)) + `"}`,
			})
			mu.Lock()
			defer mu.Unlock()
			statuses[r.status]++
		})
	}
	callers.Wait()
	if statuses[200] != 1 || statuses[412] != 7 {
		t.Errorf("statuses %v", statuses)
	}
}

// TestIdempotency repeats every request that takes a key, with equal and with other parameters.
func TestIdempotency(t *testing.T) {
	t.Parallel()
	doc := bare().api.OpenAPI()
	for _, s := range samples {
		if s.body == "" {
			continue
		}
		op := documented(doc, strings.Fields(s.at)[0], strings.Fields(s.at)[1])
		takes := false
		for _, p := range op.Parameters {
			takes = takes || p.Name == idempotencyHeader
		}
		creates := strings.HasPrefix(s.id, "create") || s.id == "completeRun" || s.id == "retryRun" || s.id == "reserveTokens" || s.id == "recordUsage" || s.id == "consume" || s.id == "recordCloudEvents" || s.id == "rotateAPIKey"
		if takes != creates {
			t.Errorf("%s takes an idempotency key: %t", s.id, takes)
		}
		if !takes {
			continue
		}
		t.Run(s.id, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			f := w.furnish()
			a := f.ask(s, operatorSecret)
			for _, bad := range []string{" ", strings.Repeat("k", 256), "ü", "tab\tin"} {
				a.header = s.header(idempotencyHeader, bad)
				w.unchanged(func() { w.send(a).refused(rentroll.CodeValidationFailed, idempotencyHeader) })
			}
			a.header = s.header(idempotencyHeader, "the key")
			first := w.send(a).expect(s.status)
			if first.header.Get("Idempotency-Replayed") != "" {
				t.Error("the first answer is said to be a replay")
			}
			w.unchanged(func() {
				again := w.send(a).expect(s.status)
				if again.header.Get("Idempotency-Replayed") != "true" {
					t.Error("the second answer is not said to be a replay")
				}
				if key := map[string]string{
					"createAPIKey": "api_key.id", "rotateAPIKey": "api_key.id", "createOperatorKey": "operator_key.id",
				}[s.id]; key != "" {
					again.has("secret", nil, key, first.text(key))
				} else if !bytes.Equal(again.body, first.body) {
					t.Errorf("first %s\nthen %s", first.body, again.body)
				}
				if again.header.Get("ETag") != first.header.Get("ETag") || again.header.Get("Location") != first.header.Get("Location") {
					t.Errorf("first %v\nthen %v", first.header, again.header)
				}
				other := a
				other.body = strings.NewReplacer(
					`"Initech"`, `"Other"`, `"Ada"`, `"Eve"`, `"viewer"`, `"member"`, `"ci"`, `"cd"`, `"build"`, `"break"`, `"support"`, `"sales"`,
					`"total_tokens":7`, `"total_tokens":8`, `"amount":3`, `"amount":4`, `"reserve_tokens":3`, `"reserve_tokens":4`, `"tokens":70`, `"tokens":71`, `:3600`, `:3601`,
				).Replace(f.words.Replace(s.body))
				w.send(other).refused(rentroll.CodeIdempotencyMismatch)
			})
		})
	}
}
