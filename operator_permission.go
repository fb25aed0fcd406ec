package rentroll

import "slices"

// The permissions that only operators have, beside those in a tenant, which for an operator hold in every tenant. For an
// operator tenant:read also lists tenants, and audit:read also reads the platform's audit.
const (
	PermTenantManage   Permission = "tenant:manage" // create, change, move to a plan, suspend, resume, terminate, archive
	PermPlanManage     Permission = "plan:manage"
	PermUserRead       Permission = "user:read"
	PermUserManage     Permission = "user:manage"
	PermOperatorRead   Permission = "operator:read"
	PermOperatorManage Permission = "operator:manage" // make and revoke operator keys
	PermTenantPurge    Permission = "tenant:purge"    // remove an archived tenant with all its rows
	PermTenantExport   Permission = "tenant:export"   // take all that is kept of a tenant away as an archive
	PermAuditPrune     Permission = "audit:prune"     // take the oldest rows of an audit away, up to a checkpoint
)

// operatorPermissionList has the permissions that API keys can't have. Its order is that of the bits of a PermissionSet
// behind those of permissionList.
var operatorPermissionList = [...]Permission{
	PermTenantManage, PermPlanManage, PermUserRead, PermUserManage, PermOperatorRead, PermOperatorManage,
	PermAuditPrune, PermTenantPurge, PermTenantExport,
}

// operatorPatterns has all that may stand in the list of an operator key.
var operatorPatterns = patternsOf(OperatorPermissions())

// OperatorPermissions returns every permission that an operator key may have: those in a tenant, then the operators' own.
func OperatorPermissions() []Permission {
	return slices.Concat(permissionList[:], operatorPermissionList[:])
}

// CompileOperatorPermissions is CompilePermissions for the list of an operator key, whose wildcards include what only
// operators may do.
func CompileOperatorPermissions(permissions []string) (PermissionSet, []FieldError) {
	return compilePermissions(permissions, operatorPatterns)
}
