package main

import (
	"context"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/client"
)

type userCmd struct {
	Remote

	Create userCreate `cmd:"" help:"Create a user."`
	List   userList   `cmd:"" help:"List users, newest first."`
	Get    userGet    `cmd:"" help:"Show a user."`
	Delete userDelete `cmd:"" help:"Delete a user and all memberships."`
}

type userCreate struct {
	Email          string `arg:"" help:"The address."`
	Name           string `placeholder:"TEXT" help:"The name."`
	ExternalID     string `name:"external-id" placeholder:"ID" help:"The id at the identity provider."`
	IdempotencyKey string `placeholder:"KEY" help:"Makes a repetition of the command harmless."`
}

// Run creates the user.
func (c *userCreate) Run(ctx context.Context, s *session) error {
	u, err := s.api.CreateUser(ctx, client.CreateUserParams{
		Email: c.Email, Name: c.Name, ExternalID: c.ExternalID, IdempotencyKey: c.IdempotencyKey,
	})
	return s.print(err, func() error { return s.printUser(u) })
}

func (s *session) printUser(u *rentroll.User) error {
	return s.printFields([]field{
		{"id", u.ID.String()},
		{"email", u.Email},
		{"name", plain(u.Name)},
		{"external id", plain(u.ExternalID)},
		{"default tenant", id(u.DefaultTenantID)},
		{"created", s.when(u.CreatedAt)},
	})
}

type userList struct {
	Email string `placeholder:"ADDRESS" help:"Only users with exactly this address."`
	Paging
}

// Run lists users.
func (c *userList) Run(ctx context.Context, s *session) error {
	return list(s, c.Paging, func(page rentroll.Page) (*rentroll.List[*rentroll.User], error) {
		return s.api.ListUsers(ctx, client.ListUsersParams{Email: c.Email, Page: page})
	}, []column[*rentroll.User]{
		{"id", false, func(u *rentroll.User) string { return u.ID.String() }},
		{"email", false, func(u *rentroll.User) string { return u.Email }},
		{"name", false, func(u *rentroll.User) string { return clip(plain(u.Name), 30) }},
		{"external id", false, func(u *rentroll.User) string { return clip(plain(u.ExternalID), 40) }},
		{"created", false, func(u *rentroll.User) string { return s.ago(u.CreatedAt) }},
	})
}

// ofUser is a command on one user.
type ofUser struct {
	User rentroll.UserID `arg:"" help:"The user's id."`
}

type (
	userGet    struct{ ofUser }
	userDelete struct{ ofUser }
)

// Run shows the user.
func (c *userGet) Run(ctx context.Context, s *session) error {
	u, err := s.api.GetUser(ctx, c.User)
	return s.print(err, func() error { return s.printUser(u) })
}

// Run deletes the user.
func (c *userDelete) Run(ctx context.Context, s *session) error {
	return s.done(s.api.DeleteUser(ctx, c.User), "%s is deleted.", c.User)
}
