package sqlstore

import (
	"context"

	"github.com/rentroll/rentroll"
)

var users = prepare(table[rentroll.UserID, rentroll.User]{
	name:    "users",
	columns: columns("id:id external_id:text email:text name:text default_tenant_id:id created_at"),
	keys:    1,
	bindKey: func(a Args, id rentroll.UserID) { a.ID(id) },
	bind: func(a Args, r *rentroll.User) {
		a.ID(r.ID)
		bindNullText(a, r.ExternalID)
		a.Text(r.Email)
		bindNullText(a, r.Name)
		bindNullID(a, r.DefaultTenantID)
		bindTime(a, r.CreatedAt)
	},
	scan: func(row Row) (rentroll.UserID, *rentroll.User, error) {
		r := &rentroll.User{ID: row.ID()}
		r.ExternalID = rentroll.NullString(row.Text())
		r.Email = row.Text()
		r.Name = rentroll.NullString(row.Text())
		r.DefaultTenantID = row.ID()
		r.CreatedAt = scanTime(row)
		return r.ID, r, nil
	},
})

var members = prepare(table[rentroll.MemberRef, rentroll.Member]{
	name:    "members",
	columns: columns("tenant_id:id user_id:id id:id role:text created_at"),
	keys:    2,
	bindKey: func(a Args, k rentroll.MemberRef) {
		a.ID(k.TenantID)
		a.ID(k.UserID)
	},
	bind: func(a Args, r *rentroll.Member) {
		a.ID(r.TenantID)
		a.ID(r.UserID)
		a.ID(r.ID)
		a.Text(string(r.Role))
		bindTime(a, r.CreatedAt)
	},
	scan: func(row Row) (rentroll.MemberRef, *rentroll.Member, error) {
		r := &rentroll.Member{TenantID: row.ID(), UserID: row.ID(), ID: row.ID()}
		r.Role = rentroll.Role(row.Text())
		r.CreatedAt = scanTime(row)
		return rentroll.MemberRef{TenantID: r.TenantID, UserID: r.UserID}, r, nil
	},
})

var (
	userByEmail       = users.query("WHERE email = $1 ORDER BY id LIMIT 1")
	listUsers         = users.query("WHERE id < $1 ORDER BY id DESC LIMIT $2")
	listUsersByEmail  = users.query("WHERE email = $1 AND id < $2 ORDER BY id DESC LIMIT $3")
	listMembers       = members.query("WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3")
	membershipsOfUser = members.query("WHERE user_id = $1 AND role <> ''") // the index's condition
)

// askMemberships loads all memberships of users.
func askMemberships(b *rentroll.Batch, requests []*Request) []*Request {
	for user, answer := range b.Memberships {
		if answer != nil {
			continue
		}
		n := 0
		b.Memberships[user] = &n
		requests = append(requests, &Request{
			Stmt: membershipsOfUser, Rows: 1,
			Bind: func(_ int, a Args) { a.ID(user) },
			Scan: members.found(func(k rentroll.MemberRef, m *rentroll.Member) {
				n++
				b.Members.Found(k, m)
			}),
		})
	}
	return requests
}

// UserByEmail returns the oldest user with an address.
func (r *reader) UserByEmail(ctx context.Context, email string) (out *rentroll.User, err error) {
	err = r.session.Run(ctx, &Request{
		Stmt: userByEmail, Rows: 1, Bind: func(_ int, a Args) { a.Text(email) },
		Scan: users.found(func(_ rentroll.UserID, u *rentroll.User) { out = u }),
	})
	return out, err
}

// ListUsers lists users, newest first.
func (r *reader) ListUsers(ctx context.Context, f rentroll.UserFilter) (out []*rentroll.User, err error) {
	request := &Request{
		Stmt: listUsers, Rows: 1,
		Bind: func(_ int, a Args) {
			if f.Email != "" {
				a.Text(f.Email)
			}
			a.ID(before(f.Before))
			a.Int(int64(f.Limit))
		},
		Scan: users.found(func(_ rentroll.UserID, u *rentroll.User) { out = append(out, u) }),
	}
	if f.Email != "" {
		request.Stmt = listUsersByEmail
	}
	err = r.session.Run(ctx, request)
	return out, err
}

// ListMembers lists members, oldest first.
func (r *reader) ListMembers(ctx context.Context, f rentroll.MemberFilter) (out []*rentroll.Member, err error) {
	err = r.session.Run(ctx, &Request{
		Stmt: listMembers, Rows: 1,
		Bind: func(_ int, a Args) {
			a.ID(f.TenantID)
			a.ID(f.After)
			a.Int(int64(f.Limit))
		},
		Scan: members.found(func(_ rentroll.MemberRef, m *rentroll.Member) { out = append(out, m) }),
	})
	return out, err
}
