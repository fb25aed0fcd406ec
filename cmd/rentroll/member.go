package main

import (
	"context"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/client"
)

type memberCmd struct {
	Remote

	Add    memberAdd    `cmd:"" help:"Put a user into a tenant."`
	List   memberList   `cmd:"" help:"List a tenant's members, oldest first."`
	Role   memberRole   `cmd:"" help:"Change a member's role."`
	Remove memberRemove `cmd:"" help:"Take a user out of a tenant."`
}

type memberAdd struct {
	ofTenant

	User       rentroll.UserID `arg:"" optional:"" help:"The user's id, for operators."`
	Email      string          `placeholder:"ADDRESS" help:"Name the user by address instead."`
	ExternalID string          `name:"external-id" placeholder:"ID" help:"Name the user by the id at the identity provider instead."`
	Role       *string         `placeholder:"ROLE" enum:"owner,admin,member,viewer" help:"owner, admin, member or viewer. Default: owner for operators, member for API keys."`
	Default    *bool           `negatable:"" help:"Make the tenant the user's default. Default: yes for operators, no for API keys."`
}

// Run adds the member.
func (c *memberAdd) Run(ctx context.Context, s *session) error {
	m, err := s.api.CreateMembership(ctx, c.Tenant, client.CreateMembershipParams{
		UserID: c.User, Email: c.Email, ExternalID: c.ExternalID, Role: rentroll.Role(given(c.Role)), SetAsDefault: c.Default,
	})
	return s.print(err, func() error { return printTable(s, []*rentroll.Member{m}, memberColumns(s)) })
}

func memberColumns(s *session) []column[*rentroll.Member] {
	return []column[*rentroll.Member]{
		{"user", false, func(m *rentroll.Member) string { return m.UserID.String() }},
		{"role", false, func(m *rentroll.Member) string { return string(m.Role) }},
		{"joined", false, func(m *rentroll.Member) string { return s.ago(m.CreatedAt) }},
		{"membership", false, func(m *rentroll.Member) string { return m.ID.String() }},
	}
}

type memberList struct {
	ofTenant
	Paging
}

// Run lists the members.
func (c *memberList) Run(ctx context.Context, s *session) error {
	return list(s, c.Paging, func(page rentroll.Page) (*rentroll.List[*rentroll.Member], error) {
		return s.api.ListMembers(ctx, c.Tenant, page)
	}, memberColumns(s))
}

type memberRole struct {
	ofTenant

	User rentroll.UserID `arg:"" help:"The user's id."`
	Role string          `arg:"" enum:"owner,admin,member,viewer" help:"owner, admin, member or viewer."`
}

// Run changes the role.
func (c *memberRole) Run(ctx context.Context, s *session) error {
	m, err := s.api.UpdateMembership(ctx, c.Tenant, c.User, rentroll.Role(c.Role))
	return s.print(err, func() error { return printTable(s, []*rentroll.Member{m}, memberColumns(s)) })
}

type memberRemove struct {
	ofTenant

	User rentroll.UserID `arg:"" help:"The user's id."`
}

// Run removes the member.
func (c *memberRemove) Run(ctx context.Context, s *session) error {
	return s.done(s.api.DeleteMembership(ctx, c.Tenant, c.User), "%s is no member of %s any more.", c.User, c.Tenant)
}
