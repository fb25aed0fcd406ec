package httpapi

import "github.com/rentroll/rentroll"

type createMemberBody struct {
	UserID       rentroll.UserID `json:"user_id,omitempty" doc:"Operators name the user by id"`
	ExternalID   string          `json:"external_id,omitempty" maxLength:"255" doc:"The user's id at the identity provider, instead of user_id"`
	Email        string          `json:"email,omitempty" maxLength:"254" doc:"The user's address, instead of user_id"`
	Role         *string         `json:"role,omitempty" enum:"owner,admin,member,viewer" doc:"Default: owner for operators, member for API keys, which give no role above it"`
	SetAsDefault *bool           `json:"set_as_default,omitempty" doc:"Make the tenant the user's default. Default: true for operators, false for API keys, which can't set it"`
}

func createMember(c *call, p *ofTenantOnce, b *createMemberBody) (*rentroll.Member, error) {
	var bad fieldErrors
	role := bad.word("role", b.Role)
	if err := invalid(bad...); err != nil {
		return nil, err
	}
	m, err := c.engine.CreateMembership(c, rentroll.CreateMembershipParams{
		TenantID: c.tenant, UserID: b.UserID, ExternalID: b.ExternalID, Email: b.Email, Role: rentroll.Role(role),
		SetAsDefault: b.SetAsDefault, IdempotencyKey: p.Key,
	})
	if err != nil {
		return nil, err
	}
	c.replayed = m.Replayed
	return m, nil
}

func listMembers(c *call, p *pageOfTenant, _ *none) (*rentroll.List[*rentroll.Member], error) {
	return c.engine.ListMembers(c, rentroll.ListMembersParams{TenantID: c.tenant, Page: p.page()})
}

type ofMember struct {
	Tenant string `path:"tenant"`
	User   string `path:"user"`
}

func (p ofMember) tenantRef() string { return p.Tenant }

type updateMemberBody struct {
	Role rentroll.Role `json:"role"`
}

func updateMember(c *call, p *ofMember, b *updateMemberBody) (*rentroll.Member, error) {
	user, err := rentroll.ParseUserID(p.User)
	if err != nil {
		return nil, notFound("member")
	}
	return c.engine.UpdateMembership(c, rentroll.UpdateMembershipParams{TenantID: c.tenant, UserID: user, Role: b.Role})
}

func deleteMember(c *call, p *ofMember, _ *none) (nothing, error) {
	user, err := rentroll.ParseUserID(p.User)
	if err != nil {
		return nothing{}, notFound("member")
	}
	return nothing{}, c.engine.DeleteMembership(c, c.tenant, user)
}
