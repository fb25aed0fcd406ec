package rentroll

import (
	"context"
	"slices"
	"strings"
)

// roles is what each role lets a user do in the tenant, mightiest role first. No role corrects usage: that would be to
// write one's own bill. An owner is above an admin in one thing: only owners make and unmake owners.
var roles = []struct {
	role        Role
	permissions []string
}{
	{RoleOwner, []string{"read:*", "run:*", "usage:write", "key:*", "member:*", "worker:*", "webhook:*"}},
	{RoleAdmin, []string{"read:*", "run:*", "usage:write", "key:*", "member:*", "worker:*", "webhook:*"}},
	{RoleMember, []string{"read:*", "run:*"}},
	{RoleViewer, []string{"read:*"}},
}

// Permissions returns what the role lets a user do in the tenant; a role that there is not permits nothing.
func (r Role) Permissions() PermissionSet {
	i := r.rank()
	if i == len(roles) {
		return 0
	}
	set, _ := CompilePermissions(roles[i].permissions)
	return set
}

// rank counts from the mightiest role, 0, down.
func (r Role) rank() int {
	for i, known := range roles {
		if known.role == r {
			return i
		}
	}
	return len(roles)
}

// externalUser begins the name of a user by the id at the identity provider.
const externalUser = "external:"

// parseUserRef reads how callers name a user: by id, or "external:" and the external id. One of the two is returned.
func parseUserRef(ref string) (id UserID, external string, err error) {
	external, isExternal := strings.CutPrefix(ref, externalUser)
	if isExternal && checkText(external, 1, 255) == "" {
		return UserID{}, external, nil
	}
	if id, err = ParseUserID(ref); err != nil {
		return UserID{}, "", problems{{"for_user", "must be the id of a user, or external: and an external id"}}.err()
	}
	return id, "", nil
}

// ForUser returns a handle that acts for a user in a tenant, as a platform's front end does for who has signed in. The
// user is named by id, or as "external:ID". What the user may do there is what the role permits, and nothing that the
// caller may not do. Only operators and the program itself act for users.
//
// A user who is not a member of the tenant finds it as one that does not exist, and so does a user who does not exist.
// The membership is read now and the handle is good for one call: ask again for the next. A change is decided on the
// membership as it is then: a user who has left or been lowered meanwhile is refused. Without a tenant, the zero
// TenantID, the handle is good for what every role may do and concerns no tenant, which is to read the plans.
func (e *Engine) ForUser(ctx context.Context, tenant TenantID, user string) (*Engine, error) {
	if !e.actor.privileged() {
		return nil, errorf(CodeForbidden, "only an operator key acts for users")
	}
	id, external, err := parseUserRef(user)
	if err != nil {
		return nil, err
	}
	actor := e.actor
	actor.Kind, actor.TenantID, actor.UserID, actor.via = ActorUser, tenant, id, e.actor.String()
	granted := permissionBits[PermPlanRead]
	if !tenant.IsZero() {
		if err := e.enroll(ctx, &actor, external); err != nil {
			return nil, err
		}
		granted = actor.Role.Permissions()
	}
	actor.Permissions = granted
	if !e.actor.unrestricted() {
		actor.Permissions &= e.actor.Permissions
	}
	return e.As(actor), nil
}

// enroll reads what the actor's user is in the actor's tenant.
func (e *Engine) enroll(ctx context.Context, actor *Actor, external string) error {
	return e.view(ctx, func(r Reader) error {
		b := &Batch{}
		if external != "" {
			ref := DirectoryRef{DirectoryUserExternal, external}
			b.Directory.Want(ref)
			if err := r.Load(ctx, b); err != nil {
				return err
			}
			entry := b.Directory.Get(ref)
			if entry == nil {
				return notFound("tenant")
			}
			actor.UserID = entry.Owner
		}
		member := MemberRef{actor.TenantID, actor.UserID}
		b.Members.Want(member)
		b.Accounts.Want(actor.TenantID)
		if err := r.Load(ctx, b); err != nil {
			return err
		}
		m, a := b.Members.Get(member), b.Accounts.Get(actor.TenantID)
		if m == nil || a == nil {
			return notFound("tenant")
		}
		actor.Role, actor.status, actor.statusSince = m.Role, a.Status, a.Since
		return nil
	})
}

// stillMember refuses a user whose role has been taken or lowered since it was read: what changes something is decided on the
// membership as it is under the lock. Whoever was given a higher role meanwhile acts with the one that was read.
func (l *ledger) stillMember(by Actor) error {
	if by.Kind != ActorUser {
		return nil
	}
	switch m := l.Members.Get(MemberRef{by.TenantID, by.UserID}); {
	case m == nil:
		return notFound("tenant")
	case m.Role.rank() > by.Role.rank():
		return errorf(CodeForbidden, "the user's role was lowered to %s while this was asked for: ask again", m.Role)
	default:
		return nil
	}
}

// mayRank checks that who stands in a tenant gives and takes no role above the own: users that of their membership, API
// keys that of a member.
func mayRank(by Actor, involved ...Role) error {
	own, message := RoleMember, "an API key manages members and viewers only"
	switch {
	case by.privileged():
		return nil
	case by.Kind == ActorUser:
		own, message = by.Role, "nobody gives or takes a role above their own"
	}
	if slices.ContainsFunc(involved, func(r Role) bool { return r.rank() < own.rank() }) {
		return errorf(CodeForbidden, "%s", message)
	}
	return nil
}

// own checks that a user speaks in no other's name: what a user does is no API key's doing and no other user's.
func (a Actor) own(bad *problems, key KeyID, user *UserID) {
	if a.Kind != ActorUser {
		return
	}
	if !key.IsZero() {
		bad.add("api_key_id", "must be left out: a user has none")
	}
	if user == nil {
		return
	}
	if !user.IsZero() && *user != a.UserID {
		bad.add("user_id", "must be the acting user")
	}
	*user = a.UserID
}
