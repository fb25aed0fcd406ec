package model

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// UserView is a user.
type UserView struct {
	Ref        Ref       `json:"ref"`
	ExternalID string    `json:"external_id"`
	Email      string    `json:"email"`
	Name       string    `json:"name"`
	Default    Ref       `json:"default"`
	Created    time.Time `json:"created"`
	Replayed   bool      `json:"replayed"`
}

type user struct{ UserView }

// MemberView is a user's membership in a tenant.
type MemberView struct {
	Tenant   Ref       `json:"tenant"`
	User     Ref       `json:"user"`
	Role     string    `json:"role"`
	Created  time.Time `json:"created"`
	Replayed bool      `json:"replayed"`
}

type member struct{ MemberView }

// The roles.
const (
	Owner  = "owner"
	Admin  = "admin"
	Member = "member"
	Viewer = "viewer"
)

var roles = []string{Owner, Admin, Member, Viewer}

// CreateUser describes a new user.
type CreateUser struct {
	Ref                     Ref `json:"-"`
	ExternalID, Email, Name string
	Once                    string `json:"-"`
}

// CreateUser makes a user.
func (w *World) CreateUser(by Ref, now time.Time, p CreateUser) (*UserView, *Refusal) {
	if bad := w.operator(by, now); bad != nil {
		return nil, bad
	}
	if !strings.Contains(p.Email, "@") {
		return nil, refuse(ValidationFailed)
	}
	scope := onceKey{0, "user.create", p.Once}
	if earlier, done, bad := w.before(scope, p); bad != nil {
		return nil, bad
	} else if done {
		ref, _ := earlier.(Ref)
		u, bad := w.GetUser(by, now, ref)
		if bad == nil {
			u.Replayed = true
		}
		return u, bad
	}
	for _, u := range w.users {
		if p.ExternalID != "" && u.ExternalID == p.ExternalID {
			return nil, refuse(AlreadyExists)
		}
	}
	now = w.changed(now, "user.create")
	u := &user{UserView{Ref: p.Ref, ExternalID: p.ExternalID, Email: p.Email, Name: p.Name, Created: now}}
	w.users[p.Ref] = u
	w.remember(scope, p, p.Ref)
	view := u.UserView
	return &view, nil
}

// GetUser returns a user.
func (w *World) GetUser(by Ref, now time.Time, id Ref) (*UserView, *Refusal) {
	if bad := w.operator(by, now); bad != nil {
		return nil, bad
	}
	if u := w.users[id]; u != nil {
		view := u.UserView
		return &view, nil
	}
	return nil, refuse(NotFound)
}

// Users returns all users.
func (w *World) Users() []*UserView {
	out := []*UserView{}
	for _, ref := range slices.Sorted(maps.Keys(w.users)) {
		view := w.users[ref].UserView
		out = append(out, &view)
	}
	return out
}

// DeleteUser removes a user and all memberships, unless a tenant would lose its last owner.
func (w *World) DeleteUser(by Ref, now time.Time, id Ref) *Refusal {
	if bad := w.operator(by, now); bad != nil {
		return bad
	}
	if w.users[id] == nil {
		return refuse(NotFound)
	}
	for _, t := range w.tenants {
		if t.lastOwner(id) {
			return refuse(LastOwner)
		}
	}
	for _, t := range w.tenants {
		if t.members[id] != nil {
			delete(t.members, id)
			t.changed(t.clock(now))
			t.log("member.delete")
		}
	}
	delete(w.users, id)
	w.changed(now, "user.delete")
	return nil
}

// lastOwner reports whether the user is the only owner.
func (t *tenant) lastOwner(id Ref) bool {
	if m := t.members[id]; m == nil || m.Role != Owner {
		return false
	}
	for ref, m := range t.members {
		if ref != id && m.Role == Owner {
			return false
		}
	}
	return true
}

// CreateMembership puts a user into a tenant. The user is named by one of User, ExternalID and Email.
type CreateMembership struct {
	Tenant, User      Ref
	ExternalID, Email string
	Role              string
	Default           *bool
	Once              string `json:"-"`
}

// CreateMembership puts a user into a tenant.
func (w *World) CreateMembership(by Ref, now time.Time, p CreateMembership) (*MemberView, *Refusal) {
	if bad := w.may(by, now, p.Tenant, "member:manage"); bad != nil {
		return nil, bad
	}
	isKey := by != Program
	if p.Default == nil {
		p.Default = new(!isKey)
	}
	if p.Role == "" {
		p.Role = Owner
		if isKey {
			p.Role = Member
		}
	}
	named := 0
	for _, given := range []bool{p.User != 0, p.ExternalID != "", p.Email != ""} {
		if given {
			named++
		}
	}
	if named != 1 || !slices.Contains(roles, p.Role) || isKey && p.User != 0 {
		return nil, refuse(ValidationFailed)
	}
	if isKey && (p.Role == Owner || p.Role == Admin || *p.Default) {
		return nil, refuse(Forbidden)
	}
	if p.User == 0 {
		if p.User = w.findUser(p.ExternalID, p.Email); p.User == 0 {
			return nil, refuse(NotFound)
		}
	}
	scope := onceKey{p.Tenant, "member.create", p.Once}
	_, done, bad := w.before(scope, p)
	if bad != nil {
		return nil, bad
	}
	t, u := w.tenants[p.Tenant], w.users[p.User]
	if done {
		if t.members[p.User] == nil {
			return nil, refuse(NotFound)
		}
		view := t.members[p.User].MemberView
		view.Replayed = true
		return &view, nil
	}
	if t == nil || u == nil {
		return nil, refuse(NotFound)
	}
	if t.members[p.User] != nil {
		return nil, refuse(AlreadyExists)
	}
	now = t.clock(now)
	t.changed(now)
	m := &member{MemberView{Tenant: p.Tenant, User: p.User, Role: p.Role, Created: now}}
	t.members[p.User] = m
	if *p.Default {
		u.Default = p.Tenant
	}
	t.log("member.create")
	w.remember(scope, p, p.User)
	view := m.MemberView
	return &view, nil
}

// findUser returns the user with an external id or, of those with an address, the oldest.
func (w *World) findUser(external, email string) Ref {
	for _, ref := range slices.Sorted(maps.Keys(w.users)) {
		u := w.users[ref]
		if external != "" && u.ExternalID == external || email != "" && u.Email == email {
			return ref
		}
	}
	return 0
}

// UpdateMembership changes a role.
func (w *World) UpdateMembership(by Ref, now time.Time, id, who Ref, role string) (*MemberView, *Refusal) {
	if bad := w.may(by, now, id, "member:manage"); bad != nil {
		return nil, bad
	}
	if !slices.Contains(roles, role) {
		return nil, refuse(ValidationFailed)
	}
	t, m, bad := w.member(id, who)
	if bad != nil {
		return nil, bad
	}
	if by != Program && (m.Role == Owner || m.Role == Admin || role == Owner || role == Admin) {
		return nil, refuse(Forbidden)
	}
	if m.Role != role {
		if t.lastOwner(who) {
			return nil, refuse(LastOwner)
		}
		m.Role = role
		t.changed(t.clock(now))
		t.log("member.update")
	}
	view := m.MemberView
	return &view, nil
}

// DeleteMembership takes a user out of a tenant.
func (w *World) DeleteMembership(by Ref, now time.Time, id, who Ref) *Refusal {
	if bad := w.may(by, now, id, "member:manage"); bad != nil {
		return bad
	}
	t, m, bad := w.member(id, who)
	if bad != nil {
		return bad
	}
	if by != Program && (m.Role == Owner || m.Role == Admin) {
		return refuse(Forbidden)
	}
	if t.lastOwner(who) {
		return refuse(LastOwner)
	}
	if u := w.users[who]; u.Default == id {
		u.Default = 0
	}
	delete(t.members, who)
	t.changed(t.clock(now))
	t.log("member.delete")
	return nil
}

func (w *World) member(id, who Ref) (*tenant, *member, *Refusal) {
	t := w.tenants[id]
	if t == nil || t.members[who] == nil {
		return nil, nil, refuse(NotFound)
	}
	return t, t.members[who], nil
}

// ListMembers returns the members of a tenant by user.
func (w *World) ListMembers(id Ref) []MemberView {
	out := []MemberView{}
	for _, ref := range slices.Sorted(maps.Keys(w.tenants[id].members)) {
		out = append(out, w.tenants[id].members[ref].MemberView)
	}
	return out
}
