package rentroll

import (
	"context"
)

// CreateUser makes a user. It needs an operator. An external id that is taken is CodeAlreadyExists.
func (e *Engine) CreateUser(ctx context.Context, p CreateUserParams) (*User, error) {
	if err := e.actor.mayOperate(PermUserManage); err != nil {
		return nil, err
	}
	var bad problems
	bad.add("external_id", checkText(p.ExternalID, 0, 255))
	bad.add("email", checkEmail(p.Email))
	bad.add("name", checkText(p.Name, 0, 255))
	if err := bad.err(); err != nil {
		return nil, err
	}
	key := p.IdempotencyKey
	p.IdempotencyKey = ""
	once, err := newOnce(PlatformID, "user.create", key, p)
	if err != nil {
		return nil, err
	}
	c := &createUser{header: header{tenant: PlatformID, by: e.actor, once: once, size: 2048}, p: p}
	if err := e.do(ctx, c); err != nil {
		return nil, err
	}
	if once != nil && once.replayed {
		return replay(once.result, func(id UserID) (*User, error) { return e.getUser(ctx, id) },
			func(u *User) *bool { return &u.Replayed })
	}
	return c.answer, nil
}

type createUser struct {
	header
	p      CreateUserParams
	answer *User
}

func (c *createUser) wants(b *Batch) {
	if c.p.ExternalID != "" {
		b.Directory.Want(DirectoryRef{DirectoryUserExternal, c.p.ExternalID})
	}
}

func (c *createUser) decide(l *ledger) error {
	a, now, err := l.account(PlatformID)
	if err != nil {
		return err
	}
	external := DirectoryRef{DirectoryUserExternal, c.p.ExternalID}
	if c.p.ExternalID != "" {
		if taken := l.taken(external, UserID{}, "external_id"); taken != nil {
			return taken
		}
	}
	l.touch(a, now)
	u := &User{
		ID: newID[userKind](now, l.entropy()), ExternalID: NullString(c.p.ExternalID), Email: c.p.Email,
		Name: NullString(c.p.Name), CreatedAt: now,
	}
	l.Users.Put(u.ID, u)
	if c.p.ExternalID != "" {
		l.Directory.Put(external, &DirectoryEntry{external, u.ID})
	}
	l.audit(a, c.by, now, change{action: "user.create", kind: "user", id: u.ID.String(), new: u})
	if c.once != nil {
		c.once.result = u.ID.String()
	}
	c.answer = u
	return nil
}

// GetUser returns a user. It needs an operator.
func (e *Engine) GetUser(ctx context.Context, id UserID) (*User, error) {
	if err := e.actor.mayOperate(PermUserRead); err != nil {
		return nil, err
	}
	return e.getUser(ctx, id)
}

func (e *Engine) getUser(ctx context.Context, id UserID) (*User, error) {
	b := &Batch{}
	b.Users.Want(id)
	if err := e.view(ctx, func(r Reader) error { return r.Load(ctx, b) }); err != nil {
		return nil, err
	}
	if u := b.Users.Get(id); u != nil {
		return u, nil
	}
	return nil, notFound("user")
}

// ListUsers lists users, newest first. It needs an operator.
func (e *Engine) ListUsers(ctx context.Context, p ListUsersParams) (*List[*User], error) {
	if err := e.actor.mayOperate(PermUserRead); err != nil {
		return nil, err
	}
	var bad problems
	bad.add("email", checkText(p.Email, 0, 254))
	scope := cursorScope("users", p.Email)
	f := UserFilter{Email: p.Email}
	f.Limit, f.Before = pageOf[UserID](p.Page, scope, &bad)
	if err := bad.err(); err != nil {
		return nil, err
	}
	out := &List[*User]{Items: []*User{}}
	err := e.view(ctx, func(r Reader) error {
		rows, err := r.ListUsers(ctx, f)
		out.Items = append(out.Items, trim(out, rows, f.Limit, scope, func(u *User) UserID { return u.ID })...)
		return err
	})
	return out, err
}

// DeleteUser removes a user and all memberships. It needs an operator. Where that would take a tenant's last owner it is
// CodeLastOwner, and nothing is removed.
func (e *Engine) DeleteUser(ctx context.Context, id UserID) error {
	if err := e.actor.mayOperate(PermUserManage); err != nil {
		return err
	}
	var tenants []TenantID
	for {
		c := &deleteUser{header: header{tenant: PlatformID, also: tenants, by: e.actor, size: 4096}, id: id}
		if err := e.do(ctx, c); err != nil {
			return err
		}
		if c.unlocked == nil {
			return nil
		}
		tenants = append(tenants, c.unlocked...) // it was not clear before which accounts had to be locked
	}
}

type deleteUser struct {
	header
	id       UserID
	unlocked []TenantID // tenants of the user whose accounts the command has not locked: nothing was done
}

func (c *deleteUser) wants(b *Batch) {
	b.Users.Want(c.id)
	ask(&b.Memberships, c.id)
}

func (c *deleteUser) object(l *ledger) (any, error) { return there(l.Users.Get(c.id), "user") }

func (c *deleteUser) decide(l *ledger) error {
	platform, now, err := l.account(PlatformID)
	if err != nil {
		return err
	}
	c.unlocked = nil
	u := l.Users.Get(c.id)
	if u == nil {
		return notFound("user")
	}
	var members []*Member // those in the store, as this transaction has left them, and those that it has made
	for ref, m := range l.Members.All() {
		if ref.UserID != c.id {
			continue
		}
		members = append(members, m)
		if !l.holds(ref.TenantID) {
			c.unlocked = append(c.unlocked, ref.TenantID)
		}
	}
	if c.unlocked != nil {
		return nil
	}
	external := DirectoryRef{DirectoryUserExternal, string(u.ExternalID)}
	if u.ExternalID != "" && !l.Directory.Knows(external) {
		l.Directory.Want(external)
		return errMore
	}
	for _, m := range members {
		if l.Accounts.Get(m.TenantID).gone() {
			continue
		}
		if err := l.keepsOwner(m, ""); err != nil {
			return err
		}
	}
	for _, m := range members {
		if l.Accounts.Get(m.TenantID).gone() { // the tenant is being purged
			l.Members.Delete(MemberRef{m.TenantID, m.UserID})
			continue
		}
		l.removeMember(m, c.by)
	}
	l.touch(platform, now)
	l.Users.Delete(c.id)
	if u.ExternalID != "" {
		l.Directory.Delete(external)
	}
	l.audit(platform, c.by, now, change{action: "user.delete", kind: "user", id: c.id.String(), old: u})
	return nil
}

// holds reports whether this transaction has locked a tenant's account: for this command, or for another of the batch. An
// account that others hold is known, too, but as one that was not found.
func (l *ledger) holds(tenant TenantID) bool {
	return l.Accounts.Knows(tenant) && l.Accounts.Get(tenant) != nil
}

// CreateMembership puts a user into a tenant. An operator's takes role owner and makes the tenant the user's default
// unless told otherwise; an API key needs member:manage, names the user by external id or email, and gives no role above
// member; neither does a user give one above the own. A user who is a member already is CodeAlreadyExists.
func (e *Engine) CreateMembership(ctx context.Context, p CreateMembershipParams) (*Member, error) {
	if err := e.may(p.TenantID, PermMemberManage); err != nil {
		return nil, err
	}
	if err := e.completeMembership(ctx, &p); err != nil {
		return nil, err
	}
	key := p.IdempotencyKey
	p.IdempotencyKey = ""
	once, err := newOnce(p.TenantID, "member.create", key, p)
	if err != nil {
		return nil, err
	}
	c := &createMembership{
		header: header{tenant: p.TenantID, also: []TenantID{PlatformID}, by: e.actor, once: once, size: 1024}, p: p,
	}
	if err := e.do(ctx, c); err != nil {
		return nil, err
	}
	if once != nil && once.replayed {
		m, err := e.getMember(ctx, MemberRef{p.TenantID, p.UserID})
		if err != nil {
			return nil, err
		}
		again := *m
		again.Replayed = true
		return &again, nil
	}
	return c.answer, nil
}

// completeMembership checks the parameters and fills in what was left out, the user's id included.
func (e *Engine) completeMembership(ctx context.Context, p *CreateMembershipParams) error {
	asDefault := e.actor.privileged()
	if p.SetAsDefault == nil {
		p.SetAsDefault = &asDefault
	}
	if p.Role == "" {
		p.Role = RoleMember
		if e.actor.privileged() {
			p.Role = RoleOwner
		}
	}
	var bad problems
	bad.add("external_id", checkText(p.ExternalID, 0, 255))
	if p.Email != "" {
		bad.add("email", checkEmail(p.Email))
	}
	if !p.Role.valid() {
		bad.add("role", "must be owner, admin, member or viewer")
	}
	named := 0
	for _, given := range []bool{!p.UserID.IsZero(), p.ExternalID != "", p.Email != ""} {
		if given {
			named++
		}
	}
	if named != 1 {
		bad.add("user_id", "name the user by exactly one of user_id, external_id and email")
	}
	if err := bad.err(); err != nil {
		return err
	}
	if !e.actor.privileged() {
		if err := e.mayAdmit(p); err != nil {
			return err
		}
	}
	if p.UserID.IsZero() {
		return e.findUser(ctx, p)
	}
	return nil
}

// mayAdmit checks what who stands in a tenant may not do with members.
func (e *Engine) mayAdmit(p *CreateMembershipParams) error {
	switch {
	case !p.UserID.IsZero() && e.actor.Kind == ActorUser:
		return problems{{"user_id", "a user names users by external_id or email"}}.err()
	case !p.UserID.IsZero():
		return problems{{"user_id", "an API key names users by external_id or email"}}.err()
	case *p.SetAsDefault:
		return errorf(CodeForbidden, "only an operator sets a user's default tenant")
	default:
		return mayRank(e.actor, p.Role)
	}
}

func (e *Engine) findUser(ctx context.Context, p *CreateMembershipParams) error {
	return e.view(ctx, func(r Reader) error {
		if p.Email != "" {
			u, err := r.UserByEmail(ctx, p.Email)
			if err == nil && u == nil {
				err = notFound("user")
			}
			if err == nil {
				p.UserID = u.ID
			}
			return err
		}
		ref := DirectoryRef{DirectoryUserExternal, p.ExternalID}
		b := &Batch{}
		b.Directory.Want(ref)
		if err := r.Load(ctx, b); err != nil {
			return err
		}
		entry := b.Directory.Get(ref)
		if entry == nil {
			return notFound("user")
		}
		p.UserID = entry.Owner
		return nil
	})
}

type createMembership struct {
	header
	p      CreateMembershipParams
	answer *Member
}

func (c *createMembership) wants(b *Batch) {
	b.Users.Want(c.p.UserID)
	b.Members.Want(MemberRef{c.tenant, c.p.UserID})
}

func (c *createMembership) decide(l *ledger) error {
	a, now, err := l.account(c.tenant)
	if err != nil {
		return err
	}
	u := l.Users.Get(c.p.UserID)
	if u == nil {
		return notFound("user")
	}
	ref := MemberRef{c.tenant, c.p.UserID}
	if l.Members.Get(ref) != nil {
		return errorf(CodeAlreadyExists, "the user is a member already")
	}
	l.touch(a, now)
	m := &Member{
		ID: newID[memberKind](now, l.entropy()), TenantID: c.tenant, UserID: u.ID, Role: c.p.Role, CreatedAt: now,
	}
	if m.Role == RoleOwner {
		a.Owners++
	}
	l.Members.Put(ref, m)
	if *c.p.SetAsDefault {
		next := *u
		next.DefaultTenantID = c.tenant
		l.Users.Put(u.ID, &next)
	}
	l.audit(a, c.by, now, change{action: "member.create", kind: "member", id: m.ID.String(), new: m})
	if c.once != nil {
		c.once.result = m.ID.String()
	}
	c.answer = m
	return nil
}

func (e *Engine) getMember(ctx context.Context, ref MemberRef) (*Member, error) {
	b := &Batch{}
	b.Members.Want(ref)
	b.Accounts.Want(ref.TenantID)
	if err := e.view(ctx, func(r Reader) error { return r.Load(ctx, b) }); err != nil {
		return nil, err
	}
	if m := b.Members.Get(ref); m != nil && !b.Accounts.Get(ref.TenantID).gone() {
		return m, nil
	}
	return nil, notFound("member")
}

// GetMembership returns a user's membership in a tenant.
func (e *Engine) GetMembership(ctx context.Context, tenant TenantID, user UserID) (*Member, error) {
	if err := e.may(tenant, PermMemberRead); err != nil {
		return nil, err
	}
	return e.getMember(ctx, MemberRef{tenant, user})
}

// ListMembers lists a tenant's members, oldest first.
func (e *Engine) ListMembers(ctx context.Context, p ListMembersParams) (*List[*Member], error) {
	if err := e.may(p.TenantID, PermMemberRead); err != nil {
		return nil, err
	}
	var bad problems
	scope := cursorScope("members", p.TenantID.String())
	f := MemberFilter{TenantID: p.TenantID}
	f.Limit, f.After = pageOf[MemberID](p.Page, scope, &bad)
	if err := bad.err(); err != nil {
		return nil, err
	}
	out := &List[*Member]{Items: []*Member{}}
	err := e.viewTenant(ctx, p.TenantID, func(r Reader, _ *Account) error {
		rows, err := r.ListMembers(ctx, f)
		out.Items = append(out.Items, trim(out, rows, f.Limit, scope, func(m *Member) MemberID { return m.ID })...)
		return err
	})
	return out, err
}

// UpdateMembership changes a member's role. Taking the role of the last owner is CodeLastOwner. An API key needs
// member:manage, gives no role above member and does not touch owners and admins; a user does so for roles above the own.
func (e *Engine) UpdateMembership(ctx context.Context, p UpdateMembershipParams) (*Member, error) {
	if err := e.may(p.TenantID, PermMemberManage); err != nil {
		return nil, err
	}
	if !p.Role.valid() {
		return nil, problems{{"role", "must be owner, admin, member or viewer"}}.err()
	}
	c := &updateMembership{header: header{tenant: p.TenantID, also: []TenantID{PlatformID}, by: e.actor, size: 1024}, p: p}
	if err := e.do(ctx, c); err != nil {
		return nil, err
	}
	return c.answer, nil
}

// member returns a member that was asked for.
func (l *ledger) member(ref MemberRef) (any, error) {
	if _, _, err := l.account(ref.TenantID); err != nil {
		return nil, err
	}
	return there(l.Members.Get(ref), "member")
}

type updateMembership struct {
	header
	p      UpdateMembershipParams
	answer *Member
}

func (c *updateMembership) wants(b *Batch) { b.Members.Want(MemberRef{c.tenant, c.p.UserID}) }

func (c *updateMembership) object(l *ledger) (any, error) {
	return l.member(MemberRef{c.tenant, c.p.UserID})
}

func (c *updateMembership) decide(l *ledger) error {
	a, now, err := l.account(c.tenant)
	if err != nil {
		return err
	}
	ref := MemberRef{c.tenant, c.p.UserID}
	m := l.Members.Get(ref)
	if m == nil {
		return notFound("member")
	}
	if err := mayRank(c.by, m.Role, c.p.Role); err != nil {
		return err
	}
	if m.Role == c.p.Role {
		c.answer = m
		return nil
	}
	if err := l.keepsOwner(m, c.p.Role); err != nil {
		return err
	}
	l.touch(a, now)
	next := *m
	next.Role = c.p.Role
	if m.Role == RoleOwner {
		a.Owners--
	}
	if next.Role == RoleOwner {
		a.Owners++
	}
	a.Generation++
	l.Members.Put(ref, &next)
	l.audit(a, c.by, now, change{
		action: "member.update", kind: "member", id: m.ID.String(),
		old: map[string]any{"role": m.Role}, new: map[string]any{"role": next.Role},
	})
	c.answer = &next
	return nil
}

// keepsOwner refuses to take the role of a tenant's last owner.
func (l *ledger) keepsOwner(m *Member, next Role) error {
	a, _, err := l.account(m.TenantID)
	if err != nil {
		return err
	}
	if m.Role == RoleOwner && next != RoleOwner && a.Owners <= 1 {
		return errorf(CodeLastOwner, "a tenant keeps at least one owner")
	}
	return nil
}

// DeleteMembership takes a user out of a tenant. Removing the last owner is CodeLastOwner.
func (e *Engine) DeleteMembership(ctx context.Context, tenant TenantID, user UserID) error {
	if err := e.may(tenant, PermMemberManage); err != nil {
		return err
	}
	return e.do(ctx, &deleteMembership{
		header: header{tenant: tenant, also: []TenantID{PlatformID}, by: e.actor, size: 1024}, user: user,
	})
}

type deleteMembership struct {
	header
	user UserID
}

func (c *deleteMembership) wants(b *Batch) {
	b.Members.Want(MemberRef{c.tenant, c.user})
	b.Users.Want(c.user)
}

func (c *deleteMembership) object(l *ledger) (any, error) {
	return l.member(MemberRef{c.tenant, c.user})
}

func (c *deleteMembership) decide(l *ledger) error {
	if _, _, err := l.account(c.tenant); err != nil {
		return err
	}
	m := l.Members.Get(MemberRef{c.tenant, c.user})
	if m == nil {
		return notFound("member")
	}
	if err := mayRank(c.by, m.Role); err != nil {
		return err
	}
	if err := l.keepsOwner(m, ""); err != nil {
		return err
	}
	if u := l.Users.Get(c.user); u != nil && u.DefaultTenantID == c.tenant {
		next := *u
		next.DefaultTenantID = TenantID{}
		l.Users.Put(u.ID, &next)
	}
	l.removeMember(m, c.by)
	return nil
}

// removeMember removes a membership; the caller has checked that it may go.
func (l *ledger) removeMember(m *Member, by Actor) {
	a, now, err := l.account(m.TenantID)
	if err != nil {
		panic("rentroll: a membership without an account")
	}
	l.touch(a, now)
	if m.Role == RoleOwner {
		a.Owners--
	}
	a.Generation++
	l.Members.Delete(MemberRef{m.TenantID, m.UserID})
	l.audit(a, by, now, change{action: "member.delete", kind: "member", id: m.ID.String(), old: m})
}

// viewTenant reads one snapshot of an existing tenant, with its account as stored.
func (e *Engine) viewTenant(ctx context.Context, id TenantID, read func(Reader, *Account) error) error {
	return e.view(ctx, func(r Reader) error {
		b := &Batch{}
		b.Accounts.Want(id)
		if err := r.Load(ctx, b); err != nil {
			return err
		}
		a := b.Accounts.Get(id)
		if a.gone() || id == PlatformID {
			return notFound("tenant")
		}
		return read(r, a)
	})
}
