package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/client"
	"github.com/rentroll/rentroll/quota"
)

type tenantCmd struct {
	Remote

	Create    tenantCreate    `cmd:"" help:"Create a tenant."`
	List      tenantList      `cmd:"" help:"List tenants, newest first."`
	Get       tenantGet       `cmd:"" help:"Show a tenant."`
	Update    tenantUpdate    `cmd:"" help:"Change a tenant: what is given changes, the rest stays."`
	Plan      tenantPlan      `cmd:"" help:"Move a tenant to another plan."`
	Suspend   tenantSuspend   `cmd:"" help:"Stop a tenant's admissions, new keys and verifications."`
	Resume    tenantResume    `cmd:"" help:"Make a suspended tenant active again."`
	Terminate tenantTerminate `cmd:"" help:"End a tenant for good."`
	Archive   tenantArchive   `cmd:"" help:"Put a terminated tenant away."`
	Export    tenantExport    `cmd:"" help:"Write all that is kept of a tenant into a zip archive."`
	Purge     tenantPurge     `cmd:"" help:"Remove an archived tenant with everything that there is of it, for ever."`
	Quotas    tenantQuotas    `cmd:"" help:"Show how a tenant stands against its quotas."`
	Denials   tenantDenials   `cmd:"" help:"Show a tenant's last denials, and why."`
}

// ofTenant is a command on one tenant.
type ofTenant struct {
	Tenant string `arg:"" help:"Its id or slug, or me for the tenant of the API key."`
}

type tenantCreate struct {
	Slug             string            `arg:"" help:"Its short name in URLs: lower-case letters, digits and hyphens."`
	Name             string            `placeholder:"TEXT" help:"Its name for people. Default: the slug."`
	Plan             string            `placeholder:"PLAN" help:"Its plan. Default: free."`
	ExternalID       string            `name:"external-id" placeholder:"ID" help:"The organization's id at the identity provider."`
	BillingEmail     string            `placeholder:"ADDRESS" help:"Where bills go."`
	Timezone         string            `placeholder:"ZONE" help:"The IANA zone in which its days begin. Default: UTC."`
	BillingAnchorDay int               `placeholder:"DAY" help:"The day, 1 to 28, on which its months begin. Default: 1."`
	Override         map[string]string `placeholder:"QUOTA=LIMIT" mapsep:"," help:"A limit that beats the plan's: 500, 500:soft or unlimited."`
	Until            instant           `placeholder:"TIME" help:"When the overrides end. Default: never."`
	Reason           string            `placeholder:"TEXT" help:"Why there are overrides."`
	Metadata         map[string]string `placeholder:"NAME=VALUE" mapsep:"none" help:"A note of the operator's own."`
	IdempotencyKey   string            `placeholder:"KEY" help:"Makes a repetition of the command harmless."`
}

// Run creates the tenant.
func (c *tenantCreate) Run(ctx context.Context, s *session) error {
	overrides, err := parseOverrides(c.Override, c.Until, c.Reason)
	if err != nil {
		return err
	}
	if c.Name == "" {
		c.Name = c.Slug
	}
	t, err := s.api.CreateTenant(ctx, client.CreateTenantParams{
		Name: c.Name, Slug: c.Slug, Plan: c.Plan, ExternalID: c.ExternalID, BillingEmail: c.BillingEmail, Timezone: c.Timezone,
		BillingAnchorDay: c.BillingAnchorDay, LimitOverrides: overrides, Metadata: c.Metadata, IdempotencyKey: c.IdempotencyKey,
	})
	return s.print(err, func() error { return s.printTenant(t) })
}

// parseOverrides reads the overrides of the command line.
func parseOverrides(given map[string]string, until instant, reason string) (quota.Limits, error) {
	var entries []string
	for name, value := range given {
		entries = append(entries, name+"="+value)
	}
	limits, err := parseLimits(entries)
	if err != nil {
		return nil, err
	}
	if len(limits) == 0 && !until.IsZero() {
		return nil, usagef("--until goes with --override")
	}
	for name, l := range limits {
		l.Until, l.Reason = until.Time, reason
		limits[name] = l
	}
	return limits, nil
}

type tenantList struct {
	Status *string `placeholder:"STATUS" enum:"active,suspended,terminated,archived" help:"Only tenants that are active, suspended, terminated or archived."`
	Plan   string  `placeholder:"PLAN" help:"Only tenants on this plan."`
	Query  string  `short:"q" placeholder:"TEXT" help:"Only the tenant with this id, or those with this in name, slug or external id."`
	Paging
}

// Run lists tenants.
func (c *tenantList) Run(ctx context.Context, s *session) error {
	return list(s, c.Paging, func(page rentroll.Page) (*rentroll.List[*rentroll.Tenant], error) {
		return s.api.ListTenants(ctx, client.ListTenantsParams{
			Status: rentroll.TenantStatus(given(c.Status)), Plan: c.Plan, Query: c.Query, Page: page,
		})
	}, []column[*rentroll.Tenant]{
		{"slug", false, func(t *rentroll.Tenant) string { return t.Slug }},
		{"name", false, func(t *rentroll.Tenant) string { return clip(t.Name, 30) }},
		{"plan", false, func(t *rentroll.Tenant) string { return t.Plan }},
		{"status", false, func(t *rentroll.Tenant) string { return string(t.Status) }},
		{"runs a day", true, func(t *rentroll.Tenant) string { return limit(t.Limits[quota.RunsPerDay]) }},
		{"tokens a month", true, func(t *rentroll.Tenant) string { return limit(t.Limits[quota.TokensPerMonth]) }},
		{"timezone", false, func(t *rentroll.Tenant) string { return t.Timezone }},
		{"created", false, func(t *rentroll.Tenant) string { return s.ago(t.CreatedAt) }},
	})
}

type tenantGet struct{ ofTenant }

// Run shows the tenant.
func (c *tenantGet) Run(ctx context.Context, s *session) error {
	t, err := s.api.GetTenant(ctx, c.Tenant)
	return s.print(err, func() error { return s.printTenant(t) })
}

func (s *session) printTenant(t *rentroll.Tenant) error {
	fields := []field{
		{"id", t.ID.String()},
		{"slug", t.Slug},
		{"name", t.Name},
		{"external id", plain(t.ExternalID)},
		{"status", string(t.Status)},
		{"reason", plain(t.StatusReason)},
		{"plan", t.Plan},
		{"billing email", plain(t.BillingEmail)},
		{"timezone", t.Timezone},
		{"months begin on", fmt.Sprintf("day %d", t.BillingAnchorDay)},
	}
	for _, d := range quota.Definitions() {
		text := limit(t.Limits[d.Name])
		if o, overridden := t.LimitOverrides[d.Name]; overridden {
			text += " (" + s.overrideText(o) + ")"
		}
		fields = append(fields, field{strings.ToLower(d.Title), text})
	}
	for _, name := range onMeters(t) {
		text := limit(t.Limits[name])
		if o, overridden := t.LimitOverrides[name]; overridden {
			text += " (" + s.overrideText(o) + ")"
		}
		fields = append(fields, field{string(name), text})
	}
	for _, name := range slices.Sorted(maps.Keys(t.Metadata)) {
		fields = append(fields, field{"metadata " + name, t.Metadata[name]})
	}
	fields = append(fields, field{"created", s.when(t.CreatedAt)}, field{"updated", s.when(t.UpdatedAt)})
	return s.printFields(fields)
}

// onMeters are the quotas on meters that a tenant has limits or overrides of.
func onMeters(t *rentroll.Tenant) []quota.Name {
	all := t.LimitOverrides.Clone()
	if all == nil {
		all = quota.Limits{}
	}
	for name := range t.Limits {
		all[name] = quota.Limit{}
	}
	return all.Names()
}

// overrideText says what an override does beside setting the number.
func (s *session) overrideText(o quota.Limit) string {
	if !o.Active(s.now) {
		return fmt.Sprintf("an override to %s ended %s", limitText(o), s.ago(o.Until))
	}
	text := "override"
	if o.IsSoft() {
		text = "soft override"
	}
	if !o.Until.IsZero() {
		text += " until " + s.when(o.Until)
	}
	if o.Reason != "" {
		text += ": " + o.Reason
	}
	return text
}

type tenantUpdate struct {
	ofTenant

	Name             *string           `placeholder:"TEXT" help:"Its name for people."`
	ExternalID       *string           `name:"external-id" placeholder:"ID" help:"The organization's id at the identity provider; \"\" removes it."`
	BillingEmail     *string           `placeholder:"ADDRESS" help:"Where bills go; \"\" removes it."`
	Timezone         *string           `placeholder:"ZONE" help:"The zone of its days, from the end of the present ones on."`
	BillingAnchorDay *int              `placeholder:"DAY" help:"The first day of its months, from the end of the present one on."`
	Override         map[string]string `placeholder:"QUOTA=LIMIT" mapsep:"," help:"A limit that beats the plan's: 500, 500:soft or unlimited."`
	Until            instant           `placeholder:"TIME" help:"When these overrides end. Default: never."`
	Reason           string            `placeholder:"TEXT" help:"Why there are these overrides."`
	RemoveOverride   []string          `placeholder:"QUOTA" help:"Back to the plan's limit."`
	Metadata         map[string]string `placeholder:"NAME=VALUE" mapsep:"none" help:"A note of the operator's own."`
	RemoveMetadata   []string          `placeholder:"NAME" help:"Remove a note."`
}

// Run changes the tenant.
func (c *tenantUpdate) Run(ctx context.Context, s *session) error {
	patch := client.TenantPatch{
		Name: c.Name, ExternalID: (*rentroll.NullString)(c.ExternalID), BillingEmail: (*rentroll.NullString)(c.BillingEmail),
		Timezone: c.Timezone, BillingAnchorDay: c.BillingAnchorDay,
		LimitOverrides: map[quota.Name]*client.Override{}, Metadata: map[string]*string{},
	}
	overrides, err := parseOverrides(c.Override, c.Until, c.Reason)
	if err != nil {
		return err
	}
	for name, l := range overrides {
		override := client.Override(l)
		patch.LimitOverrides[name] = &override
	}
	for _, name := range c.RemoveOverride {
		if err := checkQuota(name); err != nil {
			return err
		}
		patch.LimitOverrides[quota.Name(name)] = nil
	}
	for name, value := range c.Metadata {
		patch.Metadata[name] = &value
	}
	for _, name := range c.RemoveMetadata {
		patch.Metadata[name] = nil
	}
	t, err := s.api.UpdateTenant(ctx, c.Tenant, patch)
	return s.print(err, func() error { return s.printTenant(t) })
}

type tenantPlan struct {
	ofTenant

	Plan string `arg:"" help:"The plan to move to."`
}

// Run moves the tenant.
func (c *tenantPlan) Run(ctx context.Context, s *session) error {
	result, err := s.api.UpdatePlan(ctx, c.Tenant, c.Plan)
	return s.print(err, func() error {
		if err := s.printTenant(result.Tenant); err != nil {
			return err
		}
		for _, over := range result.OverLimit {
			_, err := fmt.Fprintf(s.std.out, "over its limit now: %s, %s of %s (what is there stays, new use is denied)\n",
				over.Quota, number(over.Current), number(over.Limit))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// reasoned is a step in a tenant's life.
type reasoned struct {
	ofTenant

	Reason string `placeholder:"TEXT" help:"Why: shown to operators and kept in the audit."`
}

type (
	tenantSuspend   struct{ reasoned }
	tenantResume    struct{ reasoned }
	tenantTerminate struct{ reasoned }
	tenantArchive   struct{ reasoned }
)

// Run suspends the tenant.
func (c *tenantSuspend) Run(ctx context.Context, s *session) error {
	return s.transition(s.api.Suspend(ctx, c.Tenant, c.Reason))
}

// Run resumes the tenant.
func (c *tenantResume) Run(ctx context.Context, s *session) error {
	return s.transition(s.api.Resume(ctx, c.Tenant, c.Reason))
}

// Run terminates the tenant.
func (c *tenantTerminate) Run(ctx context.Context, s *session) error {
	return s.transition(s.api.Terminate(ctx, c.Tenant, c.Reason))
}

// Run archives the tenant.
func (c *tenantArchive) Run(ctx context.Context, s *session) error {
	return s.transition(s.api.Archive(ctx, c.Tenant, c.Reason))
}

func (s *session) transition(t *rentroll.Tenant, err error) error {
	if err != nil {
		return err
	}
	return s.done(nil, "%s is %s.", t.Slug, t.Status)
}

type tenantQuotas struct{ ofTenant }

// Run shows the quotas.
func (c *tenantQuotas) Run(ctx context.Context, s *session) error {
	return list(s, noPaging, everything(s.api.GetQuotas(ctx, c.Tenant)), s.quotaColumns())
}

func (s *session) printQuotas(list []rentroll.QuotaUse) error {
	return printTable(s, list, s.quotaColumns())
}

func (s *session) quotaColumns() []column[rentroll.QuotaUse] {
	return []column[rentroll.QuotaUse]{
		{"quota", false, func(q rentroll.QuotaUse) string { return string(q.Quota) }},
		{"used", true, func(q rentroll.QuotaUse) string { return number(q.Used) }},
		{"reserved", true, func(q rentroll.QuotaUse) string { return number(q.Reserved) }},
		{"limit", true, func(q rentroll.QuotaUse) string { return limit(q.Limit) }},
		{"remaining", true, func(q rentroll.QuotaUse) string { return limit(q.Remaining) }},
		{"", true, percent},
		{"resets", false, func(q rentroll.QuotaUse) string { return s.agoOr(q.ResetsAt, "") }},
	}
}

// percent is how much of a quota is taken, rounded down: 100 % is all of it.
func percent(q rentroll.QuotaUse) string {
	if q.Limit == nil || *q.Limit == 0 {
		return ""
	}
	return fmt.Sprintf("%d %%", (q.Used+q.Reserved)*100 / *q.Limit)
}

type tenantDenials struct {
	ofTenant
	Paging
}

// Run shows the denials.
func (c *tenantDenials) Run(ctx context.Context, s *session) error {
	return list(s, c.Paging, func(page rentroll.Page) (*rentroll.List[*rentroll.Denial], error) {
		return s.api.ListDenials(ctx, c.Tenant, page)
	}, []column[*rentroll.Denial]{
		{"at", false, func(d *rentroll.Denial) string { return s.ago(d.At) }},
		{"code", false, func(d *rentroll.Denial) string { return string(d.Code) }},
		{"quota", false, func(d *rentroll.Denial) string { return plain(d.Quota) }},
		{"scope", false, func(d *rentroll.Denial) string { return plain(d.Scope) }},
		{"current", true, func(d *rentroll.Denial) string { return maybe(d.Current) }},
		{"limit", true, func(d *rentroll.Denial) string { return maybe(d.Limit) }},
		{"worker", false, func(d *rentroll.Denial) string { return plain(d.WorkerID) }},
		{"reason", false, func(d *rentroll.Denial) string { return clip(d.Reason, 160) }},
	})
}
