package storetest

import (
	"context"
	"slices"

	"github.com/rentroll/rentroll"
)

func userRows(b *rentroll.Batch) *rentroll.Rowset[rentroll.UserID, rentroll.User] { return &b.Users }

func fullUser(s *scene) *rentroll.User {
	return &rentroll.User{
		ID: newID[rentroll.UserID](s), ExternalID: "user_2AbC", Email: "Ada@Example.com", Name: "Ada Lovelace 👩‍💻",
		DefaultTenantID: newID[rentroll.TenantID](s), CreatedAt: after(1),
	}
}

var users = noun[rentroll.UserID, rentroll.User]{
	rows: userRows,
	key:  func(u *rentroll.User) rentroll.UserID { return u.ID },
	full: fullUser,
	bare: func(s *scene) *rentroll.User { return &rentroll.User{ID: newID[rentroll.UserID](s)} },
	edit: func(u *rentroll.User) { u.Email, u.DefaultTenantID = "ada@example.org", rentroll.TenantID{} },

	elsewhere: []string{"Replayed"},
}

func userTests() []test {
	return append(users.tests(),
		test{"ListNewestFirst", listUsers},
		test{"ListByEmail", listUsersByEmail},
		test{"ByEmail", userByEmail},
	)
}

// newUsers puts a user for each address, oldest first.
func (s *scene) newUsers(emails ...string) (out []*rentroll.User) {
	s.Helper()
	for _, email := range emails {
		u := fullUser(s)
		u.Email = email
		out = append(out, u)
	}
	users.put(s, out...)
	return out
}

func (s *scene) listUsers(f rentroll.UserFilter) (out []*rentroll.User) {
	s.Helper()
	s.view(func(ctx context.Context, r rentroll.Reader) (err error) {
		out, err = r.ListUsers(ctx, f)
		return err
	})
	return out
}

func listUsers(s *scene) {
	rows := s.newUsers("a", "b", "c", "d", "e")
	slices.Reverse(rows)
	same(s, "the list", s.listUsers(rentroll.UserFilter{Limit: 10}), rows)
	same(s, "its first page", s.listUsers(rentroll.UserFilter{Limit: 2}), rows[:2])
	same(s, "its second page", s.listUsers(rentroll.UserFilter{Limit: 2, Before: rows[1].ID}), rows[2:4])
	same(s, "what is behind the end", s.listUsers(rentroll.UserFilter{Limit: 2, Before: rows[4].ID}), nil)
}

func listUsersByEmail(s *scene) {
	rows := s.newUsers("a@x", "b@x", "a@x", "A@x", "a@x", "a@x ")
	email := rentroll.UserFilter{Email: "a@x", Limit: 2}
	same(s, "the first page", s.listUsers(email), []*rentroll.User{rows[4], rows[2]})
	email.Before = rows[2].ID
	same(s, "the second page", s.listUsers(email), []*rentroll.User{rows[0]})
	same(s, "another case", s.listUsers(rentroll.UserFilter{Email: "A@x", Limit: 9}), []*rentroll.User{rows[3]})
	same(s, "nobody", s.listUsers(rentroll.UserFilter{Email: "A@X", Limit: 9}), nil)
}

func userByEmail(s *scene) {
	rows := s.newUsers("b@x", "a@x", "A@x", "a@x")
	for email, want := range map[string]*rentroll.User{"a@x": rows[1], "A@x": rows[2], "b@x": rows[0], "B@x": nil, "": nil} {
		s.view(func(ctx context.Context, r rentroll.Reader) error {
			got, err := r.UserByEmail(ctx, email)
			same(s, "the user of "+email, got, want)
			return err
		})
	}
}
