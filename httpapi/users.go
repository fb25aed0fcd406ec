package httpapi

import "github.com/rentroll/rentroll"

type createUserBody struct {
	ExternalID string `json:"external_id,omitempty" maxLength:"255" example:"user_2bYm" doc:"Unique: the id at the identity provider"`
	Email      string `json:"email" maxLength:"254" format:"email" example:"ada@acme.example"`
	Name       string `json:"name,omitempty" maxLength:"255" example:"Ada Lovelace"`
}

func createUser(c *call, p *once, b *createUserBody) (*rentroll.User, error) {
	u, err := c.engine.CreateUser(c, rentroll.CreateUserParams{
		ExternalID: b.ExternalID, Email: b.Email, Name: b.Name, IdempotencyKey: p.Key,
	})
	if err != nil {
		return nil, err
	}
	c.replayed, c.location = u.Replayed, "/v1/users/"+u.ID.String()
	return u, nil
}

type listUsersParams struct {
	Email  string `query:"email"`
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"20"`
	Cursor string `query:"cursor"`
}

func listUsers(c *call, p *listUsersParams, _ *none) (*rentroll.List[*rentroll.User], error) {
	return c.engine.ListUsers(c, rentroll.ListUsersParams{Email: p.Email, Page: pageOf(p.Limit, p.Cursor)})
}

type ofUser struct {
	User string `path:"user"`
}

func getUser(c *call, p *ofUser, _ *none) (*rentroll.User, error) {
	id, err := rentroll.ParseUserID(p.User)
	if err != nil {
		return nil, notFound("user")
	}
	return c.engine.GetUser(c, id)
}

func deleteUser(c *call, p *ofUser, _ *none) (nothing, error) {
	id, err := rentroll.ParseUserID(p.User)
	if err != nil {
		return nothing{}, notFound("user")
	}
	return nothing{}, c.engine.DeleteUser(c, id)
}
