package rentroll

import "time"

// ActorKind says what kind of caller stands behind an operation.
type ActorKind string

// The kinds of caller.
const (
	ActorProgram  ActorKind = "program"  // the program that embeds the engine; may do everything
	ActorOperator ActorKind = "operator" // who runs the platform; may do everything
	ActorAPIKey   ActorKind = "api_key"  // a tenant's key: its own tenant, what its permissions allow
)

// Actor is the identity of a caller: who may do what, and whom the audit names. The zero Actor is the program itself.
// Get one for a bearer secret from Engine.Authenticate and act with it through Engine.As.
type Actor struct {
	Kind        ActorKind // "" is ActorProgram
	Name        string    // how the audit calls an operator; "" for others
	TenantID    TenantID  // the tenant of an API key
	APIKeyID    KeyID     // the API key
	Permissions PermissionSet

	// Where the call came from, for the audit; all may be empty.
	RequestID string
	IP        string
	UserAgent string

	// RateLimits are those of an API key and its tenant, with the call counted by which this actor was authenticated.
	RateLimits []RateLimit

	key         *APIKey // of an API key: its state when it was authenticated
	status      TenantStatus
	statusSince time.Time
}

// String returns the name by which the audit knows the actor: "program", "operator", "operator:NAME" or a key's id.
func (a Actor) String() string {
	switch {
	case a.Kind == ActorAPIKey:
		return a.APIKeyID.String()
	case a.Kind == "":
		return string(ActorProgram)
	case a.Name != "":
		return string(a.Kind) + ":" + a.Name
	default:
		return string(a.Kind)
	}
}

// privileged reports whether the actor stands above tenants.
func (a Actor) privileged() bool { return a.Kind != ActorAPIKey }

// terminatedGrace is how long a terminated tenant's keys may still complete runs, so that work done before the end is
// not lost to billing.
const terminatedGrace = 24 * time.Hour

// mayOperate checks an operation on the platform itself (tenants, plans, users).
func (a Actor) mayOperate() error {
	if a.privileged() {
		return nil
	}
	return errorf(CodeForbidden, "this operation needs an operator key")
}

// may checks an operation on one tenant. What a key may not see answers like what does not exist, so another tenant is
// not_found before any permission is looked at.
func (a Actor) may(tenant TenantID, p Permission, now time.Time) error {
	if a.privileged() {
		return nil
	}
	if tenant != a.TenantID {
		return notFound("tenant")
	}
	if !a.Permissions.Has(p) {
		return errorf(CodeForbidden, "the API key lacks the permission %s", p)
	}
	return a.whileInactive(p, now)
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

var (
	errTenantSuspended  = &Error{Code: CodeTenantSuspended, Message: "the tenant is suspended"}
	errTenantTerminated = &Error{Code: CodeTenantTerminated, Message: "the tenant is terminated"}
)
