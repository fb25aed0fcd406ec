package client

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

// CreateTenantParams describes a new tenant. Name and Slug are required.
type CreateTenantParams struct {
	Name             string            `json:"name"`
	Slug             string            `json:"slug"`
	Plan             string            `json:"plan,omitempty"` // "" is free
	ExternalID       string            `json:"external_id,omitempty"`
	BillingEmail     string            `json:"billing_email,omitempty"`
	Timezone         string            `json:"timezone,omitempty"`           // IANA name; "" is UTC
	BillingAnchorDay int               `json:"billing_anchor_day,omitempty"` // 1–28; 0 is 1
	LimitOverrides   quota.Limits      `json:"limit_overrides,omitempty"`
	Metadata         map[string]string `json:"metadata,omitempty"`
	IdempotencyKey   string            `json:"-"` // "" is one of the client's own
}

// TenantPatch says what to change of a tenant; what is nil stays as it is.
type TenantPatch struct {
	Name             *string                  `json:"name,omitempty"`
	ExternalID       *rentroll.NullString     `json:"external_id,omitempty"`   // "" removes it
	BillingEmail     *rentroll.NullString     `json:"billing_email,omitempty"` // "" removes it
	Timezone         *string                  `json:"timezone,omitempty"`
	BillingAnchorDay *int                     `json:"billing_anchor_day,omitempty"`
	LimitOverrides   map[quota.Name]*Override `json:"limit_overrides,omitempty"` // a nil entry removes the override
	Metadata         map[string]*string       `json:"metadata,omitempty"`        // a nil entry removes the name
}

// Override is a limit that replaces an override whole.
type Override quota.Limit

// MarshalJSON names every part of the limit, so that nothing of what was there before stays.
func (o Override) MarshalJSON() ([]byte, error) {
	whole := struct {
		Limit  *int64              `json:"limit"`
		Mode   rentroll.NullString `json:"mode"`
		Until  *time.Time          `json:"until"`
		Reason rentroll.NullString `json:"reason"`
	}{Mode: rentroll.NullString(o.Mode), Reason: rentroll.NullString(o.Reason)}
	if !o.Unlimited {
		whole.Limit = &o.Max
	}
	if !o.Until.IsZero() {
		whole.Until = &o.Until
	}
	return json.Marshal(whole)
}

// ListTenantsParams filters and pages the list of tenants, newest first.
type ListTenantsParams struct {
	Status rentroll.TenantStatus // "" for all
	Plan   string                // "" for all
	Query  string                // an id, or part of the name, the slug or the external id; "" for all
	rentroll.Page
}

func replayedTenant(t *rentroll.Tenant) *bool { return &t.Replayed }

// CreateTenant makes a tenant. It needs an operator key.
func (c *Client) CreateTenant(ctx context.Context, p CreateTenantParams) (*rentroll.Tenant, error) {
	return create(ctx, c, p.IdempotencyKey, p, replayedTenant, "v1", "tenants")
}

// GetTenant reads a tenant.
func (c *Client) GetTenant(ctx context.Context, tenant string) (*rentroll.Tenant, error) {
	return get[rentroll.Tenant](ctx, c, "v1", "tenants", tenant)
}

// ListTenants reads one page of tenants. It needs an operator key.
func (c *Client) ListTenants(ctx context.Context, p ListTenantsParams) (*rentroll.List[*rentroll.Tenant], error) {
	q := query{}.set("status", string(p.Status)).set("plan", p.Plan).set("q", p.Query).page(p.Page)
	return list[*rentroll.Tenant](ctx, c, q, "v1", "tenants")
}

// AllTenants reads the tenants page by page.
func (c *Client) AllTenants(ctx context.Context, p ListTenantsParams) iter.Seq2[*rentroll.Tenant, error] {
	return all(p.Page, func(page rentroll.Page) (*rentroll.List[*rentroll.Tenant], error) {
		p.Page = page
		return c.ListTenants(ctx, p)
	})
}

// UpdateTenant changes a tenant. It needs an operator key.
func (c *Client) UpdateTenant(ctx context.Context, tenant string, p TenantPatch) (*rentroll.Tenant, error) {
	return send[rentroll.Tenant](ctx, c, &request{
		method: http.MethodPatch, path: []string{"v1", "tenants", tenant}, body: p, repeat: true,
	})
}

// UpdatePlan moves a tenant to another plan and says what is then above its limits. It needs an operator key.
func (c *Client) UpdatePlan(ctx context.Context, tenant, plan string) (*rentroll.UpdatePlanResult, error) {
	return send[rentroll.UpdatePlanResult](ctx, c, &request{
		method: http.MethodPut, path: []string{"v1", "tenants", tenant, "plan"}, body: map[string]string{"plan": plan}, repeat: true,
	})
}

// Suspend stops admissions, new keys and verifications of a tenant. It needs an operator key.
func (c *Client) Suspend(ctx context.Context, tenant, reason string) (*rentroll.Tenant, error) {
	return c.transition(ctx, tenant, "suspend", reason)
}

// Resume makes a suspended tenant active again. It needs an operator key.
func (c *Client) Resume(ctx context.Context, tenant, reason string) (*rentroll.Tenant, error) {
	return c.transition(ctx, tenant, "resume", reason)
}

// Terminate ends a tenant for good. It needs an operator key.
func (c *Client) Terminate(ctx context.Context, tenant, reason string) (*rentroll.Tenant, error) {
	return c.transition(ctx, tenant, "terminate", reason)
}

// Archive puts a terminated tenant away. It needs an operator key.
func (c *Client) Archive(ctx context.Context, tenant, reason string) (*rentroll.Tenant, error) {
	return c.transition(ctx, tenant, "archive", reason)
}

// reason is the body of operations that keep one.
type reason struct {
	Reason string `json:"reason,omitempty"`
}

func (c *Client) transition(ctx context.Context, tenant, step, why string) (*rentroll.Tenant, error) {
	return send[rentroll.Tenant](ctx, c, &request{
		method: http.MethodPost, path: []string{"v1", "tenants", tenant, step}, body: reason{why},
	})
}

// PurgeTenant removes an archived tenant with all its rows. From the first call on nobody finds it; the server goes on with
// the rest by itself. Calling again, by id, tells how far it is, and that there is nothing left by rentroll.CodeNotFound. It
// needs an operator key with tenant:purge.
func (c *Client) PurgeTenant(ctx context.Context, tenant string) (*rentroll.Purging, error) {
	return send[rentroll.Purging](ctx, c, &request{method: http.MethodDelete, path: []string{"v1", "tenants", tenant}, repeat: true})
}
