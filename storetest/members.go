package storetest

import (
	"context"

	"github.com/rentroll/rentroll"
)

func memberRows(b *rentroll.Batch) *rentroll.Rowset[rentroll.MemberRef, rentroll.Member] {
	return &b.Members
}

func memberRef(m *rentroll.Member) rentroll.MemberRef {
	return rentroll.MemberRef{TenantID: m.TenantID, UserID: m.UserID}
}

func fullMember(s *scene) *rentroll.Member {
	return memberOf(s, s.tenant(), newID[rentroll.UserID](s))
}

func memberOf(s *scene, tenant rentroll.TenantID, user rentroll.UserID) *rentroll.Member {
	return &rentroll.Member{
		ID: newID[rentroll.MemberID](s), TenantID: tenant, UserID: user, Role: rentroll.RoleAdmin, CreatedAt: after(1),
	}
}

var members = noun[rentroll.MemberRef, rentroll.Member]{
	rows: memberRows, key: memberRef,
	full: fullMember, bare: fullMember,
	edit: func(m *rentroll.Member) { m.Role, m.CreatedAt = rentroll.RoleViewer, after(2) },

	elsewhere: []string{"Replayed"},
}

func memberTests() []test {
	return append(members.tests(),
		test{"ListOldestFirst", listMembers},
		test{"LeaveAndComeBack", memberComesBack},
		test{"Memberships", memberships},
		test{"MembershipsOfNobody", membershipsOfNobody},
		test{"MembershipsAndChanges", membershipsAndChanges},
	)
}

func (s *scene) listMembers(f rentroll.MemberFilter) (out []*rentroll.Member) {
	s.Helper()
	s.view(func(ctx context.Context, r rentroll.Reader) (err error) {
		out, err = r.ListMembers(ctx, f)
		return err
	})
	return out
}

func listMembers(s *scene) {
	tenant, other := s.tenant(), s.tenant()
	var rows []*rentroll.Member
	for range 5 {
		rows = append(rows, memberOf(s, tenant, newID[rentroll.UserID](s)))
		members.put(s, memberOf(s, other, newID[rentroll.UserID](s)))
	}
	for _, i := range []int{3, 0, 4, 1, 2} { // the order is that of the ids
		members.put(s, rows[i])
	}
	same(s, "the list", s.listMembers(rentroll.MemberFilter{TenantID: tenant, Limit: 10}), rows)
	same(s, "its first page", s.listMembers(rentroll.MemberFilter{TenantID: tenant, Limit: 2}), rows[:2])
	next := rentroll.MemberFilter{TenantID: tenant, After: rows[1].ID, Limit: 2}
	same(s, "its second page", s.listMembers(next), rows[2:4])
	last := rentroll.MemberFilter{TenantID: tenant, After: rows[4].ID, Limit: 2}
	same(s, "what is behind the end", s.listMembers(last), nil)
}

// memberComesBack: in one transaction a user leaves and comes back with another id and role.
func memberComesBack(s *scene) {
	was := fullMember(s)
	members.put(s, was)
	is := memberOf(s, was.TenantID, was.UserID)
	is.Role = rentroll.RoleOwner
	s.change(
		func(b *rentroll.Batch) { b.Members.Want(memberRef(was)) },
		func(b *rentroll.Batch) {
			b.Members.Delete(memberRef(was))
			b.Members.Put(memberRef(is), is)
		},
	)
	members.is(s, is)
	same(s, "the list", s.listMembers(rentroll.MemberFilter{TenantID: is.TenantID, Limit: 10}), []*rentroll.Member{is})
}

func (s *scene) memberships(users ...rentroll.UserID) *rentroll.Batch {
	s.Helper()
	return s.load(func(b *rentroll.Batch) {
		b.Memberships = make(map[rentroll.UserID]*int)
		for _, u := range users {
			b.Memberships[u] = nil
		}
	})
}

func memberships(s *scene) {
	ada, bob := newID[rentroll.UserID](s), newID[rentroll.UserID](s)
	one, two, three := s.tenant(), s.tenant(), s.tenant()
	rows := []*rentroll.Member{memberOf(s, one, ada), memberOf(s, two, ada), memberOf(s, three, ada), memberOf(s, one, bob)}
	members.put(s, rows...)
	b := s.memberships(ada, bob)
	if *b.Memberships[ada] != 3 || *b.Memberships[bob] != 1 {
		s.Errorf("got %d and %d memberships, want 3 and 1", *b.Memberships[ada], *b.Memberships[bob])
	}
	for _, m := range rows {
		same(s, "a membership", b.Members.Get(memberRef(m)), m)
	}
}

func membershipsOfNobody(s *scene) {
	members.put(s, fullMember(s))
	nobody := newID[rentroll.UserID](s)
	if n := s.memberships(nobody).Memberships[nobody]; n == nil || *n != 0 {
		s.Error("a user without memberships is not answered with 0")
	}
}

// membershipsAndChanges: the answer counts what is stored; rows that the batch has changed stay as it changed them.
func membershipsAndChanges(s *scene) {
	stored := fullMember(s)
	members.put(s, stored)
	tx, b := s.claim()
	b.Members.Want(memberRef(stored))
	s.must(tx.Load(s.Context(), b))
	b.Members.Delete(memberRef(stored))
	made := memberOf(s, s.tenantIn(tx), stored.UserID)
	b.Members.Put(memberRef(made), made)
	b.Memberships = map[rentroll.UserID]*int{stored.UserID: nil}
	s.must(tx.Load(s.Context(), b))
	if n := *b.Memberships[stored.UserID]; n != 1 {
		s.Errorf("got %d memberships, want 1", n)
	}
	if b.Members.Get(memberRef(stored)) != nil || b.Members.Get(memberRef(made)) != made {
		s.Error("the answer has undone changes of the batch")
	}
}

// tenantIn puts an account within an open transaction.
func (s *scene) tenantIn(tx rentroll.Tx) rentroll.TenantID {
	s.Helper()
	a := bareAccount(s)
	b := &rentroll.Batch{}
	b.Accounts.Put(a.TenantID, a)
	s.must(tx.Save(s.Context(), b))
	return a.TenantID
}
