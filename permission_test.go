package rentroll

import (
	"slices"
	"strings"
	"testing"
)

func TestAllPermissions(t *testing.T) {
	// The list of DESIGN, section 2.
	want := strings.Fields(`tenant:read quota:read plan:read run:create run:read run:update usage:read usage:write usage:correct
		denial:read key:read key:manage key:verify member:read member:manage worker:read worker:manage audit:read webhook:read webhook:manage`)
	var got []string
	for _, p := range AllPermissions() {
		got = append(got, string(p))
	}
	if !slices.Equal(got, want) {
		t.Errorf("AllPermissions = %q; want %q", got, want)
	}
	for _, p := range want {
		area, action, _ := strings.Cut(p, ":")
		if area == "read" || action == "*" {
			t.Errorf("%s would be taken for a wildcard", p)
		}
	}
	AllPermissions()[0] = "changed"
	if AllPermissions()[0] != PermTenantRead {
		t.Error("a caller can change the list")
	}
}

func TestCompilePermissions(t *testing.T) {
	var reads []Permission
	for _, p := range AllPermissions() {
		isRead := strings.HasSuffix(string(p), ":read")
		if isRead {
			reads = append(reads, p)
		}
		if p.reads() != isRead {
			t.Errorf("%s: reads = %v", p, p.reads())
		}
	}
	if len(reads) != 11 {
		t.Fatalf("%d permissions to read: %q", len(reads), reads)
	}
	for _, c := range []struct {
		list string
		want []Permission
	}{
		{"run:create", []Permission{PermRunCreate}},
		{"usage:write run:create", []Permission{PermRunCreate, PermUsageWrite}},
		{"run:*", []Permission{PermRunCreate, PermRunRead, PermRunUpdate}},
		{"run:* run:read", []Permission{PermRunCreate, PermRunRead, PermRunUpdate}},
		{"key:*", []Permission{PermKeyRead, PermKeyManage, PermKeyVerify}},
		{"audit:*", []Permission{PermAuditRead}},
		{"read:*", reads},
		{"*", AllPermissions()},
		{"* read:* run:*", AllPermissions()},
	} {
		set, wrong := CompilePermissions(strings.Fields(c.list))
		if wrong != nil || !slices.Equal(set.List(), c.want) {
			t.Errorf("%s: %q, %v; want %q", c.list, set.List(), wrong, c.want)
		}
	}
	set, wrong := CompilePermissions(DefaultPermissions())
	if wrong != nil || len(set.List()) != len(reads)+2 || !set.Has(PermRunCreate) || !set.Has(PermRunUpdate) {
		t.Errorf("default: %q, %v", set.List(), wrong)
	}
}

func TestCompilePermissionsRefuses(t *testing.T) {
	field := func(name, message string) FieldError { return FieldError{Field: name, Message: message} }
	const unknown, twice = "is not a known permission", "is in the list twice"
	tooMany := make([]string, 65)
	for i := range tooMany {
		tooMany[i] = "run:read"
	}
	for name, c := range map[string]struct {
		list []string
		want []FieldError
	}{
		"nil":         {nil, []FieldError{field("permissions", "must not be empty")}},
		"empty":       {[]string{}, []FieldError{field("permissions", "must not be empty")}},
		"too many":    {tooMany, []FieldError{field("permissions", "must have at most 64 entries")}},
		"twice":       {[]string{"run:read", "*", "run:read"}, []FieldError{field("permissions[2]", twice)}},
		"unknown":     {[]string{"run:read", "run:fly", "*:read"}, []FieldError{field("permissions[1]", unknown), field("permissions[2]", unknown)}},
		"empty entry": {[]string{""}, []FieldError{field("permissions[0]", unknown)}},
		"upper case":  {[]string{"Run:read"}, []FieldError{field("permissions[0]", unknown)}},
		"space":       {[]string{"run:read "}, []FieldError{field("permissions[0]", unknown)}},
		"area alone":  {[]string{"run"}, []FieldError{field("permissions[0]", unknown)}},
		"two stars":   {[]string{"*:*", "**"}, []FieldError{field("permissions[0]", unknown), field("permissions[1]", unknown)}},
	} {
		set, wrong := CompilePermissions(c.list)
		if set != 0 || !slices.Equal(wrong, c.want) {
			t.Errorf("%s: %v, %v; want %v", name, set.List(), wrong, c.want)
		}
	}
	if _, wrong := CompilePermissions(tooMany[:64]); len(wrong) != 63 {
		t.Errorf("64 entries: %d errors; want 63", len(wrong))
	}
}

func TestPermissionSetHas(t *testing.T) {
	all, _ := CompilePermissions([]string{"*"})
	for i, p := range AllPermissions() {
		one, _ := CompilePermissions([]string{string(p)})
		if one != 1<<i || !one.Has(p) || !all.Has(p) || PermissionSet(0).Has(p) || (all &^ one).Has(p) {
			t.Errorf("%s: set %b", p, one)
		}
	}
	for _, p := range []Permission{"", "*", "run:*", "read:*", "run:fly", "RUN:READ"} {
		if all.Has(p) {
			t.Errorf("a set has %q", p)
		}
	}
}

func TestPermissionSetContains(t *testing.T) {
	compile := func(list ...string) PermissionSet { s, _ := CompilePermissions(list); return s }
	for _, c := range []struct {
		name        string
		set, other  PermissionSet
		want, wantR bool
	}{
		{"all and one", compile("*"), compile("run:create"), true, false},
		{"equal", compile("run:*"), compile("run:read", "run:create", "run:update"), true, true},
		{"overlapping", compile("run:*"), compile("read:*"), false, false},
		{"nothing", compile("run:read"), 0, true, false},
		{"nothing twice", 0, 0, true, true},
	} {
		if got, gotR := c.set.Contains(c.other), c.other.Contains(c.set); got != c.want || gotR != c.wantR {
			t.Errorf("%s: %v, reversed %v; want %v, %v", c.name, got, gotR, c.want, c.wantR)
		}
	}
}

func FuzzCompilePermissions(f *testing.F) {
	f.Add("run:*,read:*")
	f.Add("*")
	f.Add("run:create,run:create,x")
	f.Fuzz(func(t *testing.T, joined string) {
		list := strings.Split(joined, ",")
		set, wrong := CompilePermissions(list)
		if wrong != nil {
			if set != 0 {
				t.Fatalf("%q: errors and the set %q", list, set.List())
			}
			return
		}
		var expanded []string
		for _, p := range AllPermissions() {
			want := slices.ContainsFunc(list, func(entry string) bool { return permissionMatches(entry, string(p)) })
			if set.Has(p) != want {
				t.Fatalf("%q: Has(%s) = %v", list, p, set.Has(p))
			}
			if want {
				expanded = append(expanded, string(p))
			}
		}
		again, wrong := CompilePermissions(expanded)
		if wrong != nil || again != set || !set.Contains(again) || len(set.List()) != len(expanded) {
			t.Fatalf("%q: expanded to %q, which is %q, %v", list, expanded, again.List(), wrong)
		}
		if _, wrong := CompilePermissions(append(list, list[0])); wrong == nil {
			t.Fatalf("%q: an entry twice is accepted", list)
		}
	})
}

// permissionMatches says by text what permissionPatterns says by table.
func permissionMatches(entry, permission string) bool {
	area, action, _ := strings.Cut(permission, ":")
	return entry == "*" || entry == permission || entry == area+":*" || entry == "read:*" && action == "read"
}

func BenchmarkCompilePermissions(b *testing.B) {
	list := DefaultPermissions()
	b.ReportAllocs()
	for b.Loop() {
		if _, wrong := CompilePermissions(list); wrong != nil {
			b.Fatal(wrong)
		}
	}
}

func BenchmarkPermissionSetHas(b *testing.B) {
	set, _ := CompilePermissions(DefaultPermissions())
	b.ReportAllocs()
	for b.Loop() {
		if !set.Has(PermRunCreate) {
			b.Fatal("missing")
		}
	}
}
