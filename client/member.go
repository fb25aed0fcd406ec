package client

import (
	"context"
	"iter"
	"net/http"

	"github.com/rentroll/rentroll"
)

// CreateUserParams describes a new user. Email is required.
type CreateUserParams struct {
	Email          string `json:"email"`
	ExternalID     string `json:"external_id,omitempty"`
	Name           string `json:"name,omitempty"`
	IdempotencyKey string `json:"-"` // "" is one of the client's own
}

// ListUsersParams filters and pages the list of users, newest first.
type ListUsersParams struct {
	Email string // only users with exactly this address; "" for all
	rentroll.Page
}

// CreateMembershipParams puts a user into a tenant. Operators name the user by UserID, API keys by ExternalID or Email.
type CreateMembershipParams struct {
	UserID         rentroll.UserID `json:"user_id,omitzero"`
	ExternalID     string          `json:"external_id,omitempty"`
	Email          string          `json:"email,omitempty"`
	Role           rentroll.Role   `json:"role,omitempty"`           // "" is owner for operators, member for API keys
	SetAsDefault   *bool           `json:"set_as_default,omitempty"` // nil is true for operators, false for API keys
	IdempotencyKey string          `json:"-"`                        // "" is one of the client's own
}

// CreateUser makes a user. It needs an operator key.
func (c *Client) CreateUser(ctx context.Context, p CreateUserParams) (*rentroll.User, error) {
	return create(ctx, c, p.IdempotencyKey, p, func(u *rentroll.User) *bool { return &u.Replayed }, "v1", "users")
}

// GetUser reads a user. It needs an operator key.
func (c *Client) GetUser(ctx context.Context, user rentroll.UserID) (*rentroll.User, error) {
	return get[rentroll.User](ctx, c, "v1", "users", user.String())
}

// ListUsers reads one page of users. It needs an operator key.
func (c *Client) ListUsers(ctx context.Context, p ListUsersParams) (*rentroll.List[*rentroll.User], error) {
	return list[*rentroll.User](ctx, c, query{}.set("email", p.Email).page(p.Page), "v1", "users")
}

// AllUsers reads the users page by page.
func (c *Client) AllUsers(ctx context.Context, p ListUsersParams) iter.Seq2[*rentroll.User, error] {
	return all(p.Page, func(page rentroll.Page) (*rentroll.List[*rentroll.User], error) {
		p.Page = page
		return c.ListUsers(ctx, p)
	})
}

// DeleteUser removes a user and all memberships. It needs an operator key.
func (c *Client) DeleteUser(ctx context.Context, user rentroll.UserID) error {
	_, err := c.do(ctx, &request{method: http.MethodDelete, path: []string{"v1", "users", user.String()}}, nil)
	return err
}

// CreateMembership puts a user into a tenant.
func (c *Client) CreateMembership(ctx context.Context, tenant string, p CreateMembershipParams) (*rentroll.Member, error) {
	return create(ctx, c, p.IdempotencyKey, p, func(m *rentroll.Member) *bool { return &m.Replayed },
		"v1", "tenants", tenant, "members")
}

// ListMembers reads one page of a tenant's members, oldest first.
func (c *Client) ListMembers(ctx context.Context, tenant string, page rentroll.Page) (*rentroll.List[*rentroll.Member], error) {
	return list[*rentroll.Member](ctx, c, query{}.page(page), "v1", "tenants", tenant, "members")
}

// AllMembers reads a tenant's members page by page.
func (c *Client) AllMembers(ctx context.Context, tenant string, page rentroll.Page) iter.Seq2[*rentroll.Member, error] {
	return all(page, func(page rentroll.Page) (*rentroll.List[*rentroll.Member], error) {
		return c.ListMembers(ctx, tenant, page)
	})
}

// UpdateMembership changes a member's role.
func (c *Client) UpdateMembership(ctx context.Context, tenant string, user rentroll.UserID, role rentroll.Role) (*rentroll.Member, error) {
	return send[rentroll.Member](ctx, c, &request{
		method: http.MethodPatch, path: []string{"v1", "tenants", tenant, "members", user.String()},
		body: map[string]rentroll.Role{"role": role}, repeat: true,
	})
}

// DeleteMembership takes a user out of a tenant.
func (c *Client) DeleteMembership(ctx context.Context, tenant string, user rentroll.UserID) error {
	_, err := c.do(ctx, &request{
		method: http.MethodDelete, path: []string{"v1", "tenants", tenant, "members", user.String()},
	}, nil)
	return err
}
