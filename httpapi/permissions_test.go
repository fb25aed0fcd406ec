package httpapi

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/rentroll/rentroll"
)

// keyring has a key for each permission that has only it, and one that has all others.
type keyring struct {
	only, without map[rentroll.Permission]string
}

func newKeyring(all []rentroll.Permission, makeKey func(name string, permissions []string) string) keyring {
	k := keyring{map[rentroll.Permission]string{}, map[rentroll.Permission]string{}}
	for _, p := range all {
		var others []string
		for _, other := range all {
			if other != p {
				others = append(others, string(other))
			}
		}
		k.only[p], k.without[p] = makeKey("only "+string(p), []string{string(p)}), makeKey("all but "+string(p), others)
	}
	return k
}

// hold calls a route with the key that has all permissions but the one that the route names, and with the one that has
// only that.
func (k keyring) hold(t *testing.T, w *world, r route, f fixture, s sample) {
	t.Helper()
	w.unchanged(func() { w.send(f.ask(s, k.without[r.needs])).refused(rentroll.CodeForbidden) })
	got := w.send(f.ask(s, k.only[r.needs]))
	if got.status == http.StatusUnauthorized || got.status == http.StatusForbidden && strings.Contains(string(got.body), "lacks the permission") {
		t.Errorf("%s with the permission %s: status %d\n%s", r.id, r.needs, got.status, got.body)
	}
}

// TestPermissionsOfAPIKeys holds every route against the permission that it names, for the keys of a tenant.
func TestPermissionsOfAPIKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.operator("PATCH", "/v1/tenants/acme", `{"limit_overrides":{"api_keys":null}}`).expect(200)
	w.operator("PUT", "/v1/tenants/acme/plan", `{"plan":"enterprise"}`).expect(200)
	f := w.furnish()
	keys := newKeyring(rentroll.AllPermissions(), func(_ string, permissions []string) string {
		secret, _ := w.makeKey("acme", permissions...)
		return secret
	})
	perRoute(t, func(r route, s sample) {
		if r.operatorsOnly() {
			s.at = strings.NewReplacer("{spare}", "acme", "{suspended}", "acme", "{terminated}", "acme", "{archived}", "acme").Replace(s.at)
			w.unchanged(func() { w.send(f.ask(s, w.key)).refused(rentroll.CodeForbidden) })
			return
		}
		keys.hold(t, w, r, f, s)
	})
}

// TestPermissionsOfOperatorKeys is the same for operator keys. Each operation gets what it needs to work, so that the one
// permission is also enough.
func TestPermissionsOfOperatorKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.furnish()
	keys := newKeyring(rentroll.OperatorPermissions(), func(name string, permissions []string) string {
		secret, _ := w.makeOperatorKey(name, permissions...)
		return secret
	})
	perRoute(t, func(r route, s sample) { keys.hold(t, w, r, f, s) })
}

// TestRestrictedOperatorsCanNotProbe: without the permission an operator's answer is the same whether there is a tenant
// of that name or not.
func TestRestrictedOperatorsCanNotProbe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.furnish()
	key, _ := w.makeOperatorKey("plans", "plan:read")
	perRoute(t, func(r route, s sample) {
		if !strings.Contains(r.at, "{tenant}") {
			return
		}
		there := w.send(f.ask(s, key)).refused(rentroll.CodeForbidden)
		nobody := w.send(named(f.ask(s, key), "nobody")).refused(rentroll.CodeForbidden)
		if !bytes.Equal(anonymous(t, there), anonymous(t, nobody)) {
			t.Errorf("%s tells a tenant that is there from one that is not:\n%s\n%s", r.id, there.body, nobody.body)
		}
	})
}

// TestDocumentNamesPermissions: the document says of each operation what the router's table says.
func TestDocumentNamesPermissions(t *testing.T) {
	t.Parallel()
	var doc document
	if err := json.Unmarshal(bare().spec, &doc); err != nil {
		t.Fatal(err)
	}
	written := doc.operations()
	for _, r := range routesOf(t) {
		i := slices.IndexFunc(written, func(o operation) bool { return o.id == r.id })
		if i < 0 || written[i].needs != r.needs {
			t.Errorf("%s: the document does not say that it needs %q", r.id, r.needs)
			continue
		}
		if r.needs == "" {
			continue
		}
		if o := written[i]; o.operatorsOnly() != r.operatorsOnly() || !slices.Contains(o.callers, rentroll.ActorOperator) {
			t.Errorf("%s: x-callers %q", r.id, o.callers)
		}
		if text := operationAt(bare().api.OpenAPI(), r).Description; !strings.Contains(text, "`"+string(r.needs)+"`") {
			t.Errorf("%s: its description does not name %s:\n%s", r.id, r.needs, text)
		}
	}
}

// TestRoutesNeedPermissions: a route of the API without a permission, or with one that there is not, can't be added.
func TestRoutesNeedPermissions(t *testing.T) {
	t.Parallel()
	for _, r := range []route{
		{at: "GET /v1/new", id: "new"},
		{at: "GET /v1/new", id: "new", needs: "new:read"},
		{at: "GET /new", id: "new", needs: rentroll.PermTenantRead},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s with the permission %q was added", r.at, r.needs)
				}
			}()
			s := newServer(&rentroll.Engine{}, nil)
			add(s, r, func(*call, *none, *none) (nothing, error) { return nothing{}, nil })
		}()
	}
}
