package httpapi

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rentroll/rentroll"
)

// The isolation matrix: every operation of the OpenAPI document, called by everybody who may not do it. Requests are made
// from the document alone and what is expected follows from rules, so that a new operation is in it by itself.

// settle makes a tenant with one object of each kind, and a key that may do everything in it.
func (w *world) settle(slug string) (id, key string) {
	w.t.Helper()
	tenant := w.operator("POST", "/v1/tenants", `{"name":"The `+slug+` people","slug":"`+slug+`","plan":"pro"}`).expect(201).text("id")
	at := "/v1/tenants/" + slug
	key, _ = w.makeKey(slug, "*")
	user := w.operator("POST", "/v1/users", `{"email":"someone@`+slug+`.example","external_id":"someone-at-`+slug+`"}`).expect(201).text("id")
	w.operator("POST", at+"/members", `{"user_id":"`+user+`"}`).expect(201)
	w.operator("POST", at+"/runs", `{"worker_id":"`+slug+`-worker","task":"t"}`).expect(201)
	w.operator("POST", at+"/usage", `{"meter":"`+slug+`_meter","amount":1,"unit":"pages"}`).expect(200)
	w.operator("PUT", "/v1/meters/zz_for_all", `{"unit":"pages"}`).expect(200)
	return tenant, key
}

// outcast is somebody who calls: how, about which tenant, and what the rules say of it.
type outcast struct {
	who    string
	tenant string // whose objects are named
	header map[string]string
	// expects returns the code of the refusal; "" where the rules let the caller do it.
	expects func(o operation) rentroll.Code
}

func bearer(secret string) map[string]string {
	return map[string]string{"Authorization": "Bearer " + secret}
}

// nobody is refused for what is presented, whatever is asked.
func nobody(operation) rentroll.Code { return rentroll.CodeUnauthenticated }

// lacking is refused for want of the permission.
func lacking(operation) rentroll.Code { return rentroll.CodeForbidden }

// stranger is the rule for who belongs to another tenant.
func stranger(kind rentroll.ActorKind) func(o operation) rentroll.Code {
	return func(o operation) rentroll.Code {
		switch {
		case o.ofTenant():
			return rentroll.CodeNotFound
		case !slices.Contains(o.callers, kind):
			return rentroll.CodeForbidden
		default:
			return ""
		}
	}
}

// suspended is the rule for the keys of a suspended tenant: they read and finish what runs.
func suspended(o operation) rentroll.Code {
	switch {
	case o.operatorsOnly():
		return rentroll.CodeForbidden
	case strings.HasSuffix(o.path, "/consume"): // which decides, as an admission does
		return rentroll.CodeTenantSuspended
	case strings.HasSuffix(string(o.needs), ":read"), o.needs == rentroll.PermUsageWrite, o.needs == rentroll.PermUsageCorrect:
		return ""
	case o.needs == rentroll.PermRunUpdate && !o.starts():
		return ""
	default:
		return rentroll.CodeTenantSuspended
	}
}

// terminated is the rule for the keys of a tenant that ended less than a day ago: they only complete.
func terminated(o operation) rentroll.Code {
	switch {
	case o.operatorsOnly():
		return rentroll.CodeForbidden
	case strings.HasSuffix(o.path, "/complete"):
		return ""
	default:
		return rentroll.CodeTenantTerminated
	}
}

// outcasts are the columns of the matrix; those who lack a permission are in it per operation.
func (w *world) outcasts() []outcast {
	w.t.Helper()
	elsewhere := newWorld(w.t)
	foreignOperator, _ := elsewhere.makeOperatorKey("elsewhere")
	expired := w.operator("POST", "/v1/tenants/victim/api-keys", `{"name":"e","permissions":["*"],"expires_in_days":1}`).expect(201).text("secret")
	revoked, revokedID := w.makeKey("victim", "*")
	w.operator("POST", "/v1/tenants/victim/api-keys/"+revokedID+"/revoke", nil).expect(200)
	formerOperator, formerID := w.makeOperatorKey("former")
	w.operator("POST", "/v1/operator-keys/"+formerID+"/revoke", nil).expect(200)
	_, sleeping := w.settle("sleeping")
	w.operator("POST", "/v1/tenants/sleeping/suspend", nil).expect(200)
	w.time.move(25 * time.Hour) // the key that expires has, and its tenant's other keys have not
	_, gone := w.settle("gone")
	w.operator("POST", "/v1/tenants/gone/terminate", nil).expect(200)
	return []outcast{
		{"another tenant's key", "victim", bearer(w.theirs), stranger(rentroll.ActorAPIKey)},
		{"a user of another tenant", "victim", map[string]string{
			"Authorization": "Bearer " + operatorSecret, userHeader: "external:someone-at-sleeping",
		}, stranger(rentroll.ActorUser)},
		{"a suspended tenant's key", "sleeping", bearer(sleeping), suspended},
		{"a terminated tenant's key", "gone", bearer(gone), terminated},
		{"an expired key", "victim", bearer(expired), nobody},
		{"a revoked key", "victim", bearer(revoked), nobody},
		{"no key", "victim", nil, nobody},
		{"a malformed key", "victim", bearer(w.key[:len(w.key)-1]), nobody},
		{"a key of another platform", "victim", bearer(elsewhere.key), nobody},
		{"an operator key of another platform", "victim", bearer(foreignOperator), nobody},
		{"a revoked operator key", "victim", bearer(formerOperator), nobody},
	}
}

// TestIsolation is the matrix.
func TestIsolation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *rentroll.Options, _ *Options) { o.SweepInterval = -1 }) // or runs crash while it is looked at what changes
	victim, key := w.settle("victim")
	w.operator("PATCH", "/v1/tenants/victim", `{"limit_overrides":{"api_keys":{"limit":null}}}`).expect(200)
	w.operator("PUT", "/v1/tenants/victim/plan", `{"plan":"enterprise"}`).expect(200)
	outcasts := w.outcasts()
	keys := newKeyring(rentroll.AllPermissions(), func(_ string, permissions []string) string {
		secret, _ := w.makeKey("victim", permissions...)
		return secret
	})
	operators := newKeyring(rentroll.OperatorPermissions(), func(name string, permissions []string) string {
		secret, _ := w.makeOperatorKey(name, permissions...)
		return secret
	})

	all := w.document().operations()
	if len(all) != len(w.server.added) {
		t.Fatalf("the document has %d operations, the router %d", len(all), len(w.server.added))
	}
	for _, o := range all {
		if o.needs == "" {
			continue
		}
		insufficient := keys.without[o.needs]
		if o.operatorsOnly() {
			insufficient = key
		}
		everybody := slices.Concat(outcasts, []outcast{
			{"a key without the permission", "victim", bearer(insufficient), lacking},
			{"an operator key without the permission", "victim", bearer(operators.without[o.needs]), lacking},
		})
		w.unchanged(func() {
			for _, c := range everybody {
				if want := c.expects(o); want != "" {
					w.shutOut(o, c, want, victim)
				}
			}
		})
		for _, c := range everybody {
			if c.expects(o) != "" {
				continue
			}
			a, _ := c.ask(w, o)
			if r := w.send(a); r.status >= 400 && r.status != 409 && r.status != 422 {
				t.Errorf("%s: %s: status %d, though the rules allow it\n%s", o.id, c.who, r.status, r.body)
			}
		}
	}
}

// ask is an operation called as an outcast, about real objects, whose names it returns.
func (c outcast) ask(w *world, o operation) (a ask, objects []string) {
	w.t.Helper()
	path, objects := w.place(o, c.tenant)
	return ask{method: o.method, path: path, body: o.body, header: o.header(c.header)}, objects
}

// shutOut expects that an outcast is refused, and told nothing.
func (w *world) shutOut(o operation, c outcast, want rentroll.Code, victim string) {
	w.t.Helper()
	a, objects := c.ask(w, o)
	r := w.send(a).refused(want)
	for _, told := range append([]string{victim, "victim", "sleeping", "someone"}, objects...) {
		if bytes.Contains(r.body, []byte(told)) {
			w.t.Errorf("%s: %s is told %q\n%s", o.id, c.who, told, r.body)
		}
	}
	if !o.ofTenant() || want != rentroll.CodeNotFound && want != rentroll.CodeUnauthenticated {
		return
	}
	// What there is must look like what there is not, by whatever name it is asked for.
	for _, other := range []string{"nobody", "ten_01kaqt3x4heyr9b1c6x8m6zr0c", victim} {
		again := w.send(named(a, other)).refused(want)
		if !bytes.Equal(anonymous(w.t, again), anonymous(w.t, r)) {
			w.t.Errorf("%s: %s is answered about %s\n%s\nand about a real one\n%s", o.id, c.who, other, again.body, r.body)
		}
	}
}

// TestIsolationOfObjects names a tenant's objects under another one's path, which may be the caller's own: they look like
// objects that do not exist.
func TestIsolationOfObjects(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.settle("victim")
	w.settle("other")
	seen := 0
	for _, o := range w.document().operations() {
		if !o.ofTenant() || o.operatorsOnly() {
			continue
		}
		path, objects := w.place(o, "victim")
		if len(objects) != 1 || !isID(objects[0]) {
			continue // what a tenant names itself, a worker, is another one's too
		}
		seen++
		missing := named(ask{path: strings.Replace(path, objects[0], objects[0][:4]+"01kaqt3x4heyr9b1c6x8m6zr0c", 1)}, "me").path
		for _, header := range []map[string]string{
			bearer(w.theirs),
			{"Authorization": "Bearer " + operatorSecret, userHeader: "external:someone-at-other"},
			bearer(operatorSecret),
		} {
			home := "me"
			if _, user := header[userHeader]; user || header["Authorization"] == "Bearer "+operatorSecret {
				home = "other"
			}
			w.unchanged(func() {
				call := func(path string) *reply {
					a := named(ask{method: o.method, path: path, body: o.body, header: o.header(header)}, home)
					return w.send(a).refused(rentroll.CodeNotFound)
				}
				theirs, none := call(path), call(missing)
				if !bytes.Equal(anonymous(t, theirs), anonymous(t, none)) {
					t.Errorf("%s is answered\n%s\nand about what is not there\n%s", o.id, theirs.body, none.body)
				}
			})
		}
	}
	if seen < 8 {
		t.Errorf("only %d operations are about one object of a tenant", seen)
	}
}

// isID reports whether a name is one that Rentroll has given.
func isID(name string) bool { return len(name) == 30 && name[3] == '_' }

// TestIsolationMatrixIsReal: the requests of the matrix are such that who may do it is let do it, or at least told what is
// wrong about the state of things. Otherwise refusals would prove nothing.
func TestIsolationMatrixIsReal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, key := w.settle("victim")
	w.makeOperatorKey("somebody")
	for _, o := range w.document().operations() {
		if o.method == "DELETE" || slices.Contains([]string{"revoke", "suspend", "terminate"}, o.path[strings.LastIndex(o.path, "/")+1:]) {
			continue // the others need what it ends; TestSamplesWork has it
		}
		callers := []string{operatorSecret}
		if !o.operatorsOnly() {
			callers = append(callers, key)
		}
		for _, caller := range callers {
			path, _ := w.place(o, "victim")
			r := w.send(ask{method: o.method, path: path, key: caller, body: o.body, header: o.header(nil)})
			if r.status < 400 || r.status == 409 || o.needs == "" {
				continue
			}
			switch {
			case o.id == "createMember" && r.status == 422: // a user is named in one of three ways, and none is required
				continue
			case o.id == "recordCloudEvents" && caller == operatorSecret && r.status == 422: // only an API key may leave the tenant out
				continue
			case o.id == "findAPIKeys" && r.status == 422: // either of two things is asked for, and none is required
				continue
			case o.id == "updateMember" && caller == key && r.status == 403: // to owner: no key gives that
				continue
			}
			t.Errorf("%s by who may: status %d\n%s\n%s", o.id, r.status, o.body, r.body)
		}
	}
}
