package httpapi

import (
	"context"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

type createTenantBody struct {
	Name             string             `json:"name" minLength:"1" maxLength:"255" example:"Acme Inc."`
	Slug             string             `json:"slug" pattern:"^[a-z0-9](?:[a-z0-9-]{0,98}[a-z0-9])?$" example:"acme" doc:"Unique; not \"me\""`
	Plan             *string            `json:"plan,omitempty" example:"pro" doc:"The name of a plan; default free"`
	ExternalID       string             `json:"external_id,omitempty" maxLength:"255" example:"org_2aXk" doc:"Unique: the organization's id at the identity provider"`
	BillingEmail     string             `json:"billing_email,omitempty" maxLength:"254" format:"email" example:"billing@acme.example"`
	Timezone         *string            `json:"timezone,omitempty" example:"Europe/Berlin" doc:"IANA name; default UTC"`
	BillingAnchorDay *int64             `json:"billing_anchor_day,omitempty" minimum:"1" maximum:"28" example:"1" doc:"The day on which its months begin; default 1"`
	LimitOverrides   overrides          `json:"limit_overrides,omitempty" doc:"Limits that beat the plan's"`
	Metadata         map[string]*string `json:"metadata,omitempty" maxProperties:"50" doc:"Names of at most 40 and values of at most 500 characters"`
}

func createTenant(c *call, p *once, b *createTenantBody) (*rentroll.Tenant, error) {
	var bad fieldErrors
	params := rentroll.CreateTenantParams{
		Name: b.Name, Slug: b.Slug, ExternalID: b.ExternalID, Plan: bad.word("plan", b.Plan), BillingEmail: b.BillingEmail,
		Timezone: bad.word("timezone", b.Timezone), BillingAnchorDay: int(bad.number("billing_anchor_day", b.BillingAnchorDay, 1, 28)),
		LimitOverrides: quota.Limits(b.LimitOverrides), IdempotencyKey: p.Key,
	}
	for name, value := range b.Metadata {
		if value == nil {
			bad.add(join("metadata", clip(name)), "must be a string")
			continue
		}
		if params.Metadata == nil {
			params.Metadata = make(map[string]string, len(b.Metadata))
		}
		params.Metadata[name] = *value
	}
	if err := invalid(bad...); err != nil {
		return nil, err
	}
	t, err := c.engine.CreateTenant(c, params)
	if err != nil {
		return nil, err
	}
	c.replayed, c.location = t.Replayed, "/v1/tenants/"+t.ID.String()
	return t, nil
}

type listTenantsParams struct {
	Status string `query:"status" enum:"active,suspended,terminated,archived"`
	Plan   string `query:"plan"`
	Query  string `query:"q"`
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"20"`
	Cursor string `query:"cursor"`
}

func listTenants(c *call, p *listTenantsParams, _ *none) (*rentroll.List[*rentroll.Tenant], error) {
	return c.engine.ListTenants(c, rentroll.ListTenantsParams{
		Status: rentroll.TenantStatus(p.Status), Plan: p.Plan, Query: p.Query, Page: pageOf(p.Limit, p.Cursor),
	})
}

func getTenant(c *call, _ *ofTenant, _ *none) (*rentroll.Tenant, error) {
	return c.engine.GetTenant(c, c.tenant)
}

func updateTenant(c *call, _ *ofTenant, patch *tenantPatch) (*rentroll.Tenant, error) {
	return c.engine.UpdateTenant(c, rentroll.UpdateTenantParams{TenantID: c.tenant, Change: patch.apply})
}

type putTenantPlanBody struct {
	Plan string `json:"plan" example:"pro" doc:"The name of a plan that is not retired"`
}

func putTenantPlan(c *call, _ *ofTenant, b *putTenantPlanBody) (*rentroll.UpdatePlanResult, error) {
	result, err := c.engine.UpdatePlan(c, rentroll.UpdatePlanParams{TenantID: c.tenant, Plan: b.Plan})
	if err != nil {
		return nil, err
	}
	c.object = result.Tenant
	return result, nil
}

func purgeTenant(c *call, _ *ofTenant, _ *none) (*rentroll.Purging, error) {
	return c.engine.Purge(c, c.tenant)
}

type reasonBody struct {
	Reason string `json:"reason,omitempty" maxLength:"500" example:"Invoice 1042 is unpaid" doc:"Shown to operators and kept in the audit"`
}

// transition is a step in the life of a tenant.
func transition(
	step func(*rentroll.Engine, context.Context, rentroll.TransitionParams) (*rentroll.Tenant, error),
) handler[ofTenant, reasonBody, *rentroll.Tenant] {
	return func(c *call, _ *ofTenant, b *reasonBody) (*rentroll.Tenant, error) {
		return step(c.engine, c, rentroll.TransitionParams{TenantID: c.tenant, Reason: b.Reason})
	}
}
