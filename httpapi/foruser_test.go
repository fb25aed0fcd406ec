package httpapi

import (
	"bytes"
	"context"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/rentroll/rentroll"
)

// asUser is a request that an operator makes for a user.
func asUser(a ask, user string) ask {
	header := map[string]string{userHeader: user}
	maps.Copy(header, a.header)
	a.key, a.header = operatorSecret, header
	return a
}

// enlist makes a user and, where a role is given, a member of acme.
func (w *world) enlist(name string, role rentroll.Role) (id string) {
	w.t.Helper()
	id = w.operator("POST", "/v1/users", `{"email":"`+name+`@acme.example","external_id":"`+name+`"}`).expect(201).text("id")
	if role != "" {
		w.operator("POST", "/v1/tenants/acme/members", `{"user_id":"`+id+`","role":"`+string(role)+`"}`).expect(201)
	}
	return id
}

// may is what the design says of roles: owner and admin manage keys and members, owner, admin and member run workers, every
// role reads. Nobody corrects usage.
func may(role rentroll.Role, p rentroll.Permission) bool {
	area, action, _ := strings.Cut(string(p), ":")
	switch {
	case p == rentroll.PermUsageCorrect:
		return false
	case role == rentroll.RoleOwner, role == rentroll.RoleAdmin, action == "read":
		return true
	default:
		return role == rentroll.RoleMember && area == "run"
	}
}

// TestRoles calls every route for a user in each role.
func TestRoles(t *testing.T) {
	t.Parallel()
	for _, role := range []rentroll.Role{rentroll.RoleOwner, rentroll.RoleAdmin, rentroll.RoleMember, rentroll.RoleViewer} {
		t.Run(string(role), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			f := w.furnish()
			user := w.enlist("caller", role)
			perRoute(t, func(r route, s sample) {
				if !r.forUsers() || !may(role, r.needs) {
					s.at = strings.NewReplacer("{spare}", "acme", "{suspended}", "acme", "{terminated}", "acme", "{archived}", "acme").Replace(s.at)
					w.unchanged(func() { w.send(asUser(f.ask(s, ""), user)).refused(rentroll.CodeForbidden) })
					return
				}
				got := w.send(asUser(f.ask(s, ""), user))
				if got.status == http.StatusForbidden && strings.Contains(string(got.body), "lacks the permission") || got.status == http.StatusUnauthorized {
					t.Errorf("%s: status %d\n%s", r.id, got.status, got.body)
				}
			})
			for _, p := range rentroll.AllPermissions() {
				if got := role.Permissions().Has(p); got != may(role, p) {
					t.Errorf("%s has %s: %t", role, p, got)
				}
			}
		})
	}
}

// TestStrangersFindNoTenant calls every route about a tenant for users who are not in it.
func TestStrangersFindNoTenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.furnish()
	stranger := w.enlist("stranger-at-large", "")
	colleague := w.enlist("colleague", "")
	w.operator("POST", "/v1/tenants/globex/members", `{"user_id":"`+colleague+`"}`).expect(201)
	perRoute(t, func(r route, s sample) {
		if !r.forUsers() || !strings.Contains(r.at, "{tenant}") {
			return
		}
		w.unchanged(func() {
			want := w.send(asUser(named(f.ask(s, ""), "nobody"), colleague)).refused(rentroll.CodeNotFound)
			for _, user := range []string{stranger, colleague, "external:colleague", "external:nobody", "usr_01kaqt41n2f4tbnk2x8m6zr0ce"} {
				for _, tenant := range []string{"acme", w.tenant.ID.String(), "me"} {
					got := w.send(asUser(named(f.ask(s, ""), tenant), user)).refused(rentroll.CodeNotFound)
					if !bytes.Equal(anonymous(t, got), anonymous(t, want)) {
						t.Errorf("%s is answered\n%s\nand about nobody\n%s", user, got.body, want.body)
					}
				}
			}
		})
	})
}

func TestActingForUsers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	owner, admin := w.enlist("owner", rentroll.RoleOwner), w.enlist("admin", rentroll.RoleAdmin)
	member := w.enlist("member", rentroll.RoleMember)
	w.enlist("guest", "")
	const members, runs, keys = "/v1/tenants/acme/members", "/v1/tenants/acme/runs", "/v1/tenants/acme/api-keys"
	send := func(user, method, path, body string) *reply {
		t.Helper()
		return w.send(asUser(ask{method: method, path: path, body: bodyOf(body)}, user))
	}

	// A run is the user's own doing.
	send(member, "POST", runs, `{"worker_id":"builder","task":"t"}`).expect(201).has("user_id", member, "api_key_id", nil)
	send(member, "POST", runs, `{"worker_id":"builder","task":"t","user_id":"`+owner+`","api_key_id":"`+w.keyID+`"}`).
		refused(rentroll.CodeValidationFailed, "api_key_id", "user_id")
	send(admin, "POST", "/v1/tenants/acme/usage", `{"meter":"m","amount":1,"api_key_id":"`+w.keyID+`"}`).
		refused(rentroll.CodeValidationFailed, "api_key_id")

	// Nobody gives or takes a role above the own, and keys may do no more than who makes them.
	send(admin, "POST", members, `{"external_id":"guest","role":"owner"}`).refused(rentroll.CodeForbidden)
	send(admin, "POST", members, `{"external_id":"guest","role":"admin","set_as_default":true}`).refused(rentroll.CodeForbidden)
	send(admin, "POST", members, `{"user_id":"`+owner+`"}`).refused(rentroll.CodeValidationFailed, "user_id")
	send(admin, "POST", members, `{"external_id":"guest","role":"admin"}`).expect(201)
	send(admin, "PATCH", members+"/"+owner, `{"role":"viewer"}`).refused(rentroll.CodeForbidden)
	send(admin, "DELETE", members+"/"+owner, ``).refused(rentroll.CodeForbidden)
	send(owner, "PATCH", members+"/"+owner, `{"role":"viewer"}`).refused(rentroll.CodeLastOwner)
	send(admin, "POST", keys, `{"name":"k","permissions":["*"]}`).refused(rentroll.CodeForbidden, "permissions")
	send("external:admin", "POST", keys, `{"name":"k"}`).expect(201)

	// The audit names the user, and who let the user in.
	w.operator("GET", "/v1/tenants/acme/audit?limit=1", nil).expect(200).
		has("items.0.action", "api_key.create", "items.0.actor", admin+" via operator")
	front, _ := w.makeOperatorKey("front end", "read:*", "run:*", "worker:manage")
	a := asUser(ask{method: "PUT", path: "/v1/tenants/acme/workers/painter", body: `{"enabled":true}`}, admin)
	a.key = front
	w.send(a).expect(200)
	w.operator("GET", "/v1/tenants/acme/audit?limit=1", nil).expect(200).has("items.0.actor", admin+" via operator:front end")

	// A user can do no more than the operator key, and the role is that of this very moment.
	a.method, a.path, a.body = "POST", keys, `{"name":"k"}`
	w.send(a).refused(rentroll.CodeForbidden)
	send(owner, "PATCH", members+"/"+member, `{"role":"viewer"}`).expect(200)
	send(member, "POST", runs, `{"worker_id":"builder","task":"t"}`).refused(rentroll.CodeForbidden)
	send(owner, "DELETE", members+"/"+member, ``).expect(204)
	send(member, "GET", runs, ``).refused(rentroll.CodeNotFound)

	w.operator("POST", "/v1/tenants/acme/suspend", nil).expect(200)
	send(owner, "GET", runs, ``).expect(200)
	send(owner, "POST", runs, `{"worker_id":"builder","task":"t"}`).refused(rentroll.CodeTenantSuspended)
}

func bodyOf(text string) any {
	if text == "" {
		return nil
	}
	return text
}

func TestUserHeader(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user := w.enlist("ada", rentroll.RoleViewer)
	get := ask{method: "GET", path: "/v1/tenants/acme"}
	for _, bad := range []string{"", "ada", "external:", "key_01kaqt45v8fmt8e4h1x9d3w7qa", strings.ToUpper(user), "external:" + strings.Repeat("x", 256), "external:\xff"} {
		a := asUser(get, user)
		a.header = nil
		w.sendWith(a, http.Header{userHeader: {bad}}).refused(rentroll.CodeValidationFailed, userHeader)
	}
	a := get
	a.key = operatorSecret
	w.sendWith(a, http.Header{userHeader: {user, user}}).refused(rentroll.CodeValidationFailed, userHeader)
	w.sendWith(a, http.Header{strings.ToLower(userHeader): {user}}).expect(200)
	a.key = w.key
	w.unchanged(func() { w.sendWith(a, http.Header{userHeader: {user}}).refused(rentroll.CodeForbidden) })
	w.send(asUser(ask{method: "GET", path: "/v1/plans"}, user)).expect(200)
	w.send(asUser(ask{method: "GET", path: "/livez"}, "nonsense")).expect(200)

	if _, err := w.engine.As(rentroll.Actor{Kind: rentroll.ActorAPIKey}).ForUser(context.Background(), w.tenant.ID, user); rentroll.CodeOf(err) != rentroll.CodeForbidden {
		t.Errorf("an API key acts for a user: %v", err)
	}
}
