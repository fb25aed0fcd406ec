package rentroll

import (
	"maps"
	"strings"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// NullString is a string whose empty value means none; it is null in JSON.
type NullString string

// MarshalJSON writes null for the empty string.
func (s NullString) MarshalJSON() ([]byte, error) { return marshalNullString(string(s)) }

// TenantStatus is where a tenant stands in its life: active ⇄ suspended, either → terminated → archived.
type TenantStatus string

// The states of a tenant.
const (
	TenantActive     TenantStatus = "active"
	TenantSuspended  TenantStatus = "suspended"
	TenantTerminated TenantStatus = "terminated"
	TenantArchived   TenantStatus = "archived"
)

// canBecome is the whole lifecycle; a state is never its own successor.
func (s TenantStatus) canBecome(next TenantStatus) bool {
	switch next {
	case TenantActive:
		return s == TenantSuspended
	case TenantSuspended:
		return s == TenantActive
	case TenantTerminated:
		return s == TenantActive || s == TenantSuspended
	case TenantArchived:
		return s == TenantTerminated
	default:
		return false
	}
}

// Tenant is an organization: the unit of isolation, of limits and of sharding.
type Tenant struct {
	ID               TenantID              `json:"id"`
	Slug             string                `json:"slug"`
	Name             string                `json:"name"`
	ExternalID       NullString            `json:"external_id"` // the organization's id at the identity provider
	Plan             string                `json:"plan"`
	BillingEmail     NullString            `json:"billing_email"`
	Limits           map[quota.Name]*int64 `json:"limits"` // the effective numbers; nil is unlimited
	LimitOverrides   quota.Limits          `json:"limit_overrides"`
	Timezone         string                `json:"timezone"` // IANA name
	BillingAnchorDay int                   `json:"billing_anchor_day"`
	Status           TenantStatus          `json:"status"`
	StatusReason     NullString            `json:"status_reason"`
	Metadata         map[string]string     `json:"metadata"`
	CreatedAt        time.Time             `json:"created_at"`
	UpdatedAt        time.Time             `json:"updated_at"`

	Replayed bool `json:"-"` // the answer repeats an earlier one with the same idempotency key
}

// CreateTenantParams describes a new tenant. Name and Slug are required.
type CreateTenantParams struct {
	Name             string
	Slug             string            // unique, ^[a-z0-9](?:[a-z0-9-]{0,98}[a-z0-9])?$, not "me"
	ExternalID       string            // unique; "" for none
	Plan             string            // "" is "free"; a plan that does not exist is refused
	BillingEmail     string            // "" for none
	Timezone         string            // IANA name; "" is UTC
	BillingAnchorDay int               // 1–28, the day on which its months begin; 0 is 1
	LimitOverrides   quota.Limits      // limits that beat the plan's
	Metadata         map[string]string // at most 50 entries, keys of 1–40 and values of at most 500 characters
	IdempotencyKey   string
}

// TenantEdit is what may be changed of a tenant by UpdateTenant.
type TenantEdit struct {
	Name             string            `json:"name"`
	ExternalID       NullString        `json:"external_id"`
	BillingEmail     NullString        `json:"billing_email"`
	Timezone         string            `json:"timezone"`           // takes effect when the present periods end
	BillingAnchorDay int               `json:"billing_anchor_day"` // likewise
	LimitOverrides   quota.Limits      `json:"limit_overrides"`
	Metadata         map[string]string `json:"metadata"`
}

// UpdateTenantParams changes a tenant. Change edits the fields as they are under the tenant's lock, so that nothing
// written meanwhile is lost; it must have no other effect, for it may run more than once. An error of Change refuses
// the update and is returned as it is.
type UpdateTenantParams struct {
	TenantID TenantID
	Change   func(*TenantEdit) error
}

// TransitionParams moves a tenant through its life: Suspend, Resume, Terminate, Archive.
type TransitionParams struct {
	TenantID TenantID
	Reason   string // shown to operators and kept in the audit; at most 500 characters
}

// UpdatePlanParams moves a tenant to another plan.
type UpdatePlanParams struct {
	TenantID TenantID
	Plan     string
}

// OverLimit is a quota whose use is above its limit after a change of plan. What is there stays; only new use is denied.
type OverLimit struct {
	Quota   quota.Name `json:"quota"`
	Limit   int64      `json:"limit"`
	Current int64      `json:"current"`
}

// UpdatePlanResult is what a change of plan came to.
type UpdatePlanResult struct {
	Tenant    *Tenant     `json:"tenant"`
	OverLimit []OverLimit `json:"over_limit"`
}

// ListTenantsParams filters and pages the list of tenants, newest first.
type ListTenantsParams struct {
	Status TenantStatus // "" for all
	Plan   string       // "" for all
	Query  string       // an id, or a part of the name, the slug or the external id, in any case; "" for all
	Page
}

// Profile is the part of a tenant that decisions do not need: it lives in a row of its own, so that the account stays
// small and is rewritten alone.
type Profile struct {
	TenantID     TenantID
	Slug         string
	Name         string
	ExternalID   NullString
	BillingEmail NullString
	StatusReason NullString
	Metadata     map[string]string
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

// Search returns the text in which ListTenants looks for a query: name, slug and external id in lower case.
func (p *Profile) Search() string {
	return searchText(p.Name + "\n" + p.Slug + "\n" + string(p.ExternalID))
}

// searchText brings text to the form in which it is compared.
func searchText(s string) string { return strings.ToLower(s) }

// tenantOf joins the two rows of a tenant to the noun that callers see, as of now.
func tenantOf(p *Profile, a *Account, plan *Plan, now time.Time) *Tenant {
	t := &Tenant{
		ID: p.TenantID, Slug: p.Slug, Name: p.Name, ExternalID: p.ExternalID,
		Plan: a.Plan, BillingEmail: p.BillingEmail,
		Limits: make(map[quota.Name]*int64), LimitOverrides: a.Overrides.Clone(),
		Timezone: a.Timezone, BillingAnchorDay: a.AnchorDay,
		Status: a.Status, StatusReason: p.StatusReason, Metadata: maps.Clone(p.Metadata),
		CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt,
	}
	for _, d := range quota.Definitions() {
		t.Limits[d.Name] = nullLimit(quota.Effective(plan.limits(), a.Overrides, d.Name, now))
	}
	for _, of := range quota.OfSubjects() {
		if limit := quota.Effective(plan.limits(), a.Overrides, quota.ForSubjects(of), now); !limit.Unlimited {
			t.Limits[quota.ForSubjects(of)] = &limit.Max
		}
	}
	for _, name := range quota.OnMeters(plan.limits(), a.Overrides, now) {
		t.Limits[name] = nullLimit(quota.Effective(plan.limits(), a.Overrides, name, now))
	}
	if t.LimitOverrides == nil {
		t.LimitOverrides = quota.Limits{}
	}
	if t.Metadata == nil {
		t.Metadata = map[string]string{}
	}
	return t
}

func nullLimit(l quota.Limit) *int64 {
	if l.Unlimited {
		return nil
	}
	return &l.Max
}
