package rentroll

import "time"

// Role is what a user may do in a tenant.
type Role string

// The roles, mightiest first. Owners and admins manage keys and members; owners, admins and members run workers; every
// role reads.
const (
	RoleOwner  Role = "owner"
	RoleAdmin  Role = "admin"
	RoleMember Role = "member"
	RoleViewer Role = "viewer"
)

func (r Role) valid() bool {
	switch r {
	case RoleOwner, RoleAdmin, RoleMember, RoleViewer:
		return true
	default:
		return false
	}
}

// Member is a user's membership in a tenant; there is at most one per (tenant, user).
type Member struct {
	ID        MemberID  `json:"id"`
	TenantID  TenantID  `json:"tenant_id"`
	UserID    UserID    `json:"user_id"`
	Role      Role      `json:"role"`
	CreatedAt time.Time `json:"created_at"`

	Replayed bool `json:"-"` // the answer repeats an earlier one with the same idempotency key
}

// CreateMembershipParams puts a user into a tenant. Operators and the program name the user by id; an API key names it
// by ExternalID or Email, so that it learns nothing about users it does not know.
type CreateMembershipParams struct {
	TenantID       TenantID
	UserID         UserID
	ExternalID     string
	Email          string
	Role           Role  // "" is owner for operators and the program, member for an API key
	SetAsDefault   *bool // make the tenant the user's default; nil is true for operators and the program, false for an API key, which can't set it
	IdempotencyKey string
}

// UpdateMembershipParams changes a member's role.
type UpdateMembershipParams struct {
	TenantID TenantID
	UserID   UserID
	Role     Role
}

// ListMembersParams pages the members of a tenant, oldest first.
type ListMembersParams struct {
	TenantID TenantID
	Page
}

// User is a person known to the platform. Users belong to the operator, not to a tenant.
type User struct {
	ID              UserID     `json:"id"`
	ExternalID      NullString `json:"external_id"` // unique; the id at the identity provider
	Email           string     `json:"email"`
	Name            NullString `json:"name"`
	DefaultTenantID TenantID   `json:"default_tenant_id"`
	CreatedAt       time.Time  `json:"created_at"`

	Replayed bool `json:"-"` // the answer repeats an earlier one with the same idempotency key
}

// CreateUserParams describes a new user. Email is required.
type CreateUserParams struct {
	ExternalID     string
	Email          string
	Name           string
	IdempotencyKey string
}

// ListUsersParams pages the users, newest first.
type ListUsersParams struct {
	Email string // only users with exactly this address; "" for all
	Page
}
