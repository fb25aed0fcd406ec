package rentroll

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func TestOperatorPermissions(t *testing.T) {
	all := OperatorPermissions()
	for _, p := range AllPermissions() {
		if !slices.Contains(all, p) {
			t.Errorf("operators lack %s", p)
		}
	}
	seen := PermissionSet(0)
	for _, p := range all {
		one, wrong := CompileOperatorPermissions([]string{string(p)})
		if wrong != nil || one == 0 || one&seen != 0 || !slices.Equal(one.List(), []Permission{p}) {
			t.Errorf("%s is %b, %v", p, one, wrong)
		}
		seen |= one
	}
	all[0] = "changed"
	if OperatorPermissions()[0] != PermTenantRead {
		t.Error("the caller's copy is the list itself")
	}
}

// TestPermissionsOfOperatorsOnly: nothing that stands in the list of an API key gives what only operators may do.
func TestPermissionsOfOperatorsOnly(t *testing.T) {
	for pattern, set := range permissionPatterns {
		for _, p := range operatorPermissionList {
			if set.Has(p) {
				t.Errorf("%s of an API key includes %s", pattern, p)
			}
		}
	}
	for _, p := range operatorPermissionList {
		if _, wrong := CompilePermissions([]string{string(p)}); wrong == nil {
			t.Errorf("an API key may have %s", p)
		}
	}
	for list, want := range map[string][]Permission{
		"tenant:*":   {PermTenantRead, PermTenantManage, PermTenantPurge, PermTenantExport},
		"operator:*": {PermOperatorRead, PermOperatorManage},
		"*":          OperatorPermissions(),
	} {
		if got, wrong := CompileOperatorPermissions([]string{list}); wrong != nil || !slices.Equal(got.List(), want) {
			t.Errorf("%s is %q, %v", list, got.List(), wrong)
		}
	}
	reads, _ := CompileOperatorPermissions([]string{"read:*"})
	if !reads.Has(PermUserRead) || !reads.Has(PermRunRead) || reads.Has(PermUserManage) {
		t.Errorf("read:* is %q", reads.List())
	}
}

// TestUnknownActors: a kind of caller that there is not may do nothing.
func TestUnknownActors(t *testing.T) {
	for _, a := range []Actor{{Kind: "admin"}, {Kind: "OPERATOR"}, {Kind: ActorUser}, {Kind: ActorAPIKey}} {
		if a.privileged() || a.mayOperate(PermTenantRead) == nil || a.may(TenantID{1}, PermTenantRead, noon) == nil || a.may(TenantID{}, PermRunRead, noon) == nil {
			t.Errorf("%+v may do something", a)
		}
	}
}

func TestRoleRanks(t *testing.T) {
	owner := Actor{Kind: ActorUser, Role: RoleOwner}
	admin := Actor{Kind: ActorUser, Role: RoleAdmin}
	key := Actor{Kind: ActorAPIKey}
	for _, c := range []struct {
		by    Actor
		roles []Role
		want  bool
	}{
		{owner, []Role{RoleOwner, RoleViewer}, true},
		{admin, []Role{RoleAdmin, RoleMember}, true},
		{admin, []Role{RoleMember, RoleOwner}, false},
		{key, []Role{RoleMember, RoleViewer}, true},
		{key, []Role{RoleAdmin}, false},
		{Actor{Kind: ActorUser}, []Role{RoleViewer}, false},
		{Actor{}, []Role{RoleOwner}, true},
	} {
		if got := mayRank(c.by, c.roles...) == nil; got != c.want {
			t.Errorf("%s as %s with %q: %t", c.by.Kind, c.by.Role, c.roles, got)
		}
	}
	if Role("king").Permissions() != 0 || Role("").Permissions() != 0 {
		t.Error("a role that there is not permits something")
	}
}

// TestRolesAreDocumented: the table of roles in docs/security.md is the one in the code, and names every permission.
func TestRolesAreDocumented(t *testing.T) {
	data, err := os.ReadFile("docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for _, r := range roles {
		row := "| " + string(r.role) + " | `" + strings.Join(r.permissions, "` `") + "` |"
		if !strings.Contains(text, row) {
			t.Errorf("docs/security.md lacks the row %s", row)
		}
	}
	for _, p := range OperatorPermissions() {
		if !strings.Contains(text, "`"+string(p)+"`") {
			t.Errorf("docs/security.md does not name %s", p)
		}
	}
}
