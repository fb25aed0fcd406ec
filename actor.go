package rentroll

import "time"

// ActorKind says what kind of caller stands behind an operation.
type ActorKind string

// The kinds of caller.
const (
	ActorProgram  ActorKind = "program"  // the program that embeds the engine; may do everything
	ActorOperator ActorKind = "operator" // who runs the platform; may do everything, or what the operator key's permissions allow
	ActorAPIKey   ActorKind = "api_key"  // a tenant's key: its own tenant, what its permissions allow
	ActorUser     ActorKind = "user"     // a member, for whom an operator acts: one tenant, what the role allows
)

// Actor is the identity of a caller: who may do what, and whom the audit names. The zero Actor is the program itself.
// Get one for a bearer secret from Engine.Authenticate and act with it through Engine.As; Engine.ForUser makes of an
// operator a member of a tenant.
type Actor struct {
	Kind          ActorKind     // "" is ActorProgram
	Name          string        // how the audit calls an operator, also one that acts for a user; "" for others
	TenantID      TenantID      // the tenant of an API key or a user
	APIKeyID      KeyID         // the API key
	OperatorKeyID OperatorKeyID // the operator key; zero for one of the configuration
	UserID        UserID        // the user that an operator acts for
	Role          Role          // of that user in the tenant
	Permissions   PermissionSet // what the caller may do; for operators and the program zero is everything

	// Where the call came from, for the audit; all may be empty.
	RequestID string
	IP        string
	UserAgent string

	// RateLimits are those of an API key and its tenant, with the call counted by which this actor was authenticated.
	RateLimits []RateLimit

	via         string  // of a user: who acts for the user
	key         *APIKey // of an API key: its state when it was authenticated
	status      TenantStatus
	statusSince time.Time
}

// String returns the name by which the audit knows the actor: "program", "operator", "operator:NAME", a key's id, or
// "USER via operator:NAME".
func (a Actor) String() string {
	switch {
	case a.Kind == ActorAPIKey:
		return a.APIKeyID.String()
	case a.Kind == ActorUser:
		return a.UserID.String() + " via " + a.via
	case a.Kind == "":
		return string(ActorProgram)
	case a.Name != "":
		return string(a.Kind) + ":" + a.Name
	default:
		return string(a.Kind)
	}
}

// privileged reports whether the actor stands above tenants.
func (a Actor) privileged() bool {
	switch a.Kind {
	case "", ActorProgram, ActorOperator:
		return true
	default:
		return false
	}
}

// unrestricted reports whether the actor may do everything.
func (a Actor) unrestricted() bool { return a.privileged() && a.Permissions == 0 }

// terminatedGrace is how long a terminated tenant's keys may still complete runs, so that work done before the end is
// not lost to billing.
const terminatedGrace = 24 * time.Hour

// mayOperate checks an operation on the platform itself (tenants, plans, users).
func (a Actor) mayOperate(p Permission) error {
	switch {
	case a.privileged():
		return a.Permits(p)
	case a.Kind == ActorUser:
		return errorf(CodeForbidden, "this operation is the operator's own: it can't be made for a user")
	default:
		return errorf(CodeForbidden, "this operation needs an operator key")
	}
}

// may checks an operation on one tenant. What a key may not see answers like what does not exist, so another tenant is
// not_found before any permission is looked at.
func (a Actor) may(tenant TenantID, p Permission, now time.Time) error {
	if a.privileged() {
		return a.Permits(p)
	}
	if tenant != a.TenantID {
		return notFound("tenant")
	}
	if err := a.Permits(p); err != nil {
		return err
	}
	return a.whileInactive(p, now)
}

// Permits checks a permission alone, and not whether the caller has anything to do with a tenant.
func (a Actor) Permits(p Permission) error {
	if a.unrestricted() || a.Permissions.Has(p) {
		return nil
	}
	return errorf(CodeForbidden, "the %s lacks the permission %s", a.noun(), p)
}

// noun is what messages call the actor.
func (a Actor) noun() string {
	switch a.Kind {
	case ActorAPIKey:
		return "API key"
	case ActorUser:
		return "user"
	default:
		return "operator key"
	}
}

// mayGive checks that nobody gives an API key more than the caller has. A caller that is an API key itself is held
// against its row, under the lock: see inherits.
func (a Actor) mayGive(permissions []string) error {
	wants, _ := CompilePermissions(permissions)
	if a.Kind == ActorAPIKey || a.unrestricted() || a.Permissions.Contains(wants) {
		return nil
	}
	return &Error{
		Code: CodeForbidden, Message: "nobody can make a key that may do more than the caller",
		Fields: []FieldError{{"permissions", "must be permissions of the caller"}},
	}
}

// whileInactive says what keys of a tenant that is not active may still do: those of a suspended one read and finish
// what runs, or usage would be lost; those of a terminated one only complete, for a day.
func (a Actor) whileInactive(p Permission, now time.Time) error {
	switch a.status {
	case TenantSuspended:
		switch p {
		case PermRunUpdate, PermUsageWrite, PermUsageCorrect:
			return nil
		}
		if p.reads() {
			return nil
		}
		return errTenantSuspended
	case TenantTerminated:
		if p == PermRunUpdate && now.Before(a.statusSince.Add(terminatedGrace)) {
			return nil
		}
		return errTenantTerminated
	case TenantArchived:
		return errTenantTerminated
	default:
		return nil
	}
}

// onlyComplete refuses what the keys of a terminated tenant may not do though they may complete.
func (e *Engine) onlyComplete() error {
	if e.actor.status == TenantTerminated {
		return errTenantTerminated
	}
	return nil
}

// mayBegin refuses what takes more than finishing what runs to the keys of a suspended tenant, too.
func (e *Engine) mayBegin() error {
	if e.actor.status == TenantSuspended {
		return errTenantSuspended
	}
	return e.onlyComplete()
}

// mayTake refuses what a caller may not ask for that decides about more use: a run, tokens, a consumption. As what the decision
// itself refuses, such a refusal is a denial.
func (e *Engine) mayTake(p CreateRunParams, permission Permission) error {
	err := e.may(p.TenantID, permission)
	if err == nil {
		err = e.mayBegin()
	}
	if err != nil {
		e.noteDenial(p, err)
	}
	return err
}

var (
	errTenantSuspended  = &Error{Code: CodeTenantSuspended, Message: "the tenant is suspended"}
	errTenantTerminated = &Error{Code: CodeTenantTerminated, Message: "the tenant is terminated"}
)
