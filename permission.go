package rentroll

import (
	"fmt"
	"slices"
	"strings"
)

// A Permission is one thing that a caller may do, written "area:action".
type Permission string

// The permissions in a tenant, which API keys may have. Operators have more: see PermTenantManage.
const (
	PermTenantRead    Permission = "tenant:read"
	PermQuotaRead     Permission = "quota:read"
	PermPlanRead      Permission = "plan:read"
	PermRunCreate     Permission = "run:create"
	PermRunRead       Permission = "run:read"
	PermRunUpdate     Permission = "run:update" // start, heartbeat, complete, cancel, retry
	PermUsageRead     Permission = "usage:read"
	PermUsageWrite    Permission = "usage:write"
	PermUsageCorrect  Permission = "usage:correct"
	PermDenialRead    Permission = "denial:read"
	PermKeyRead       Permission = "key:read"
	PermKeyManage     Permission = "key:manage"
	PermKeyVerify     Permission = "key:verify"
	PermMemberRead    Permission = "member:read"
	PermMemberManage  Permission = "member:manage"
	PermWorkerRead    Permission = "worker:read"
	PermWorkerManage  Permission = "worker:manage"
	PermAuditRead     Permission = "audit:read"
	PermWebhookRead   Permission = "webhook:read"
	PermWebhookManage Permission = "webhook:manage"
)

// reads reports whether the permission is to read, one that "read:*" includes.
func (p Permission) reads() bool { return permissionPatterns["read:*"].Has(p) }

// permissionList has every permission in a tenant. Its order is that of the bits of a
// PermissionSet, and the order in which permissions are listed.
var permissionList = [...]Permission{
	PermTenantRead, PermQuotaRead, PermPlanRead,
	PermRunCreate, PermRunRead, PermRunUpdate,
	PermUsageRead, PermUsageWrite, PermUsageCorrect, PermDenialRead,
	PermKeyRead, PermKeyManage, PermKeyVerify,
	PermMemberRead, PermMemberManage, PermWorkerRead, PermWorkerManage,
	PermAuditRead, PermWebhookRead, PermWebhookManage,
}

// AllPermissions returns every permission that an API key may have, in the order of the documentation.
func AllPermissions() []Permission { return slices.Clone(permissionList[:]) }

// DefaultPermissions returns what an API key may do when nothing else was asked
// for: run workers and read everything.
func DefaultPermissions() []string { return []string{"run:*", "read:*"} }

// A PermissionSet is what a caller may do, wildcards expanded. The zero value
// permits nothing. It is for use in memory only: its bits change their meaning
// when permissions are added, so what is stored is the list it was compiled from,
// and a key with a wildcard gets new permissions as they are added.
type PermissionSet uint64

// maxPermissionEntries is how long a list of permissions may be, far more than
// there are permissions and wildcards.
const maxPermissionEntries = 64

var (
	// permissionBits has the bit of each permission.
	permissionBits = func() map[Permission]PermissionSet {
		m := make(map[Permission]PermissionSet, len(permissionList)+len(operatorPermissionList))
		for i, p := range permissionList {
			m[p] = 1 << i
		}
		for i, p := range operatorPermissionList {
			m[p] = 1 << (len(permissionList) + i)
		}
		return m
	}()

	// permissionPatterns has all that may stand in the list of an API key.
	permissionPatterns = patternsOf(permissionList[:])
)

// patternsOf returns all that may stand in a list of permissions: the
// permissions, "area:*" for each area, "read:*" for the read action of every area, and "*".
func patternsOf(permissions []Permission) map[string]PermissionSet {
	m := make(map[string]PermissionSet, 2*len(permissions))
	for _, p := range permissions {
		area, action, _ := strings.Cut(string(p), ":")
		bit := permissionBits[p]
		m[string(p)] = bit
		m[area+":*"] |= bit
		if action == "read" {
			m["read:*"] |= bit
		}
		m["*"] |= bit
	}
	return m
}

// CompilePermissions turns an API key's list of permissions and wildcards into a set. The
// wildcards are "area:*" (every action in an area), "read:*" (reading in every
// area) and "*". The list must have 1 to 64 entries, each known and none twice;
// if not, the set is empty and the errors say what is wrong with which entry.
func CompilePermissions(permissions []string) (PermissionSet, []FieldError) {
	return compilePermissions(permissions, permissionPatterns)
}

func compilePermissions(permissions []string, patterns map[string]PermissionSet) (PermissionSet, []FieldError) {
	switch {
	case len(permissions) == 0:
		return 0, []FieldError{{Field: "permissions", Message: "must not be empty"}}
	case len(permissions) > maxPermissionEntries:
		message := fmt.Sprintf("must have at most %d entries", maxPermissionEntries)
		return 0, []FieldError{{Field: "permissions", Message: message}}
	}

	var set PermissionSet
	var wrong []FieldError
	for i, entry := range permissions {
		bits, known := patterns[entry]
		switch {
		case !known:
			wrong = append(wrong, permissionError(i, "is not a known permission"))
		case slices.Contains(permissions[:i], entry):
			wrong = append(wrong, permissionError(i, "is in the list twice"))
		}
		set |= bits
	}
	if wrong != nil {
		return 0, wrong
	}
	return set, nil
}

// Has reports whether the set has the permission. An unknown permission is in no
// set, and neither is a wildcard: compile it and use Contains.
func (s PermissionSet) Has(p Permission) bool { return s&permissionBits[p] != 0 }

// Contains reports whether the set has every permission of the other.
func (s PermissionSet) Contains(other PermissionSet) bool { return other&^s == 0 }

// List returns the permissions of the set, without wildcards, in the order of OperatorPermissions.
func (s PermissionSet) List() []Permission {
	list := make([]Permission, 0, len(permissionList))
	for _, p := range OperatorPermissions() {
		if s.Has(p) {
			list = append(list, p)
		}
	}
	return list
}

func permissionError(i int, message string) FieldError {
	return FieldError{Field: fmt.Sprintf("permissions[%d]", i), Message: message}
}
