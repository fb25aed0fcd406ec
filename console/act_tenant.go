package console

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

// back is the page of the tenant that the path names.
func (v *visit) back(said string) *outcome {
	return &outcome{to: root + "tenants/" + v.r.PathValue("tenant"), said: said}
}

func (v *visit) previewPlan() (any, error) {
	id, err := v.tenant()
	if err != nil {
		return nil, err
	}
	preview, err := v.engine.PreviewPlan(v, id, v.query("plan"))
	if err != nil {
		return nil, err
	}
	p := planPreview{Plan: preview.Plan, Over: preview.OverLimit}
	if v.simulates() {
		p.Simulate = planAt("simulate", p.Plan, url.Values{"tenant": {v.r.PathValue("tenant")}})
	}
	for _, q := range preview.Quotas {
		p.Gauges = append(p.Gauges, newGauge(q))
	}
	return p, nil
}

// planPreview is how a tenant would stand under another plan.
type planPreview struct {
	Plan   string
	Gauges []gauge
	Over   []rentroll.OverLimit

	Simulate string // the address that tells what it would have denied; "" where the visitor may not know
}

func (v *visit) changePlan() (*outcome, error) {
	id, err := v.tenant()
	if err != nil {
		return nil, err
	}
	result, err := v.engine.UpdatePlan(v, rentroll.UpdatePlanParams{TenantID: id, Plan: v.form("plan")})
	if err != nil {
		return nil, err
	}
	said := result.Tenant.Name + " is on the plan " + result.Tenant.Plan + " now."
	if len(result.OverLimit) > 0 {
		said += fmt.Sprintf(" %d of its quotas are over their limits: what is there stays, more is denied.", len(result.OverLimit))
	}
	return v.back(said), nil
}

// overrideLimit sets a limit of one tenant, or gives the plan's back.
func (v *visit) overrideLimit() (*outcome, error) {
	id, err := v.tenant()
	if err != nil {
		return nil, err
	}
	name := quota.Name(v.form("quota"))
	remove := v.form("remove") != ""
	limit, err := v.limitOfForm()
	if err != nil && !remove {
		return nil, err
	}
	_, err = v.engine.UpdateTenant(v, rentroll.UpdateTenantParams{TenantID: id, Change: func(edit *rentroll.TenantEdit) error {
		if edit.LimitOverrides == nil {
			edit.LimitOverrides = quota.Limits{}
		}
		delete(edit.LimitOverrides, name)
		if !remove {
			edit.LimitOverrides[name] = limit
		}
		return nil
	}})
	if err != nil {
		return nil, err
	}
	if remove {
		return v.back(quotaName(name) + ": the plan's limit holds again."), nil
	}
	return v.back(quotaName(name) + ": the new limit holds from now on, " + v.limitText(name, limit) + "."), nil
}

// limitText is a limit in words: how much, and until when.
func (v *visit) limitText(name quota.Name, limit quota.Limit) string {
	text := "no limit at all"
	if !limit.Unlimited {
		text = amount(name, limit.Max)
	}
	if !limit.Until.IsZero() {
		text += limit.Until.In(v.zone).Format(" until Jan 2, 15:04")
	}
	return text
}

// limitOfForm reads a limit as it was typed.
func (v *visit) limitOfForm() (quota.Limit, error) {
	limit := quota.Limit{Reason: v.form("reason")}
	if v.form("unlimited") != "" {
		limit.Unlimited = true
	} else {
		n, err := strconv.ParseInt(strings.NewReplacer(",", "", " ", "", "_", "", "'", "").Replace(v.form("limit")), 10, 64)
		if err != nil || n < 0 {
			return limit, wrong("limit", "must be a whole number, zero or more")
		}
		limit.Max = n
	}
	if until := v.form("until"); until != "" {
		at, err := time.ParseInLocation(fieldTime, until, v.zone)
		if err != nil {
			return limit, wrong("until", "must be a date and a time")
		}
		if !at.After(v.now) {
			return limit, wrong("until", "must be in the future")
		}
		limit.Until = at.UTC()
	}
	return limit, nil
}

type tenantStep func(*rentroll.Engine, context.Context, rentroll.TransitionParams) (*rentroll.Tenant, error)

// transition is a step in a tenant's life. Its form asks for the slug, so that nobody takes it by a slip.
func transition(step tenantStep, said string) func(*visit) (*outcome, error) {
	return func(v *visit) (*outcome, error) {
		id, err := v.tenant()
		if err != nil {
			return nil, err
		}
		t, err := v.engine.GetTenant(v, id)
		if err != nil {
			return nil, err
		}
		if v.form("confirm") != t.Slug {
			return nil, wrong("confirm", "must be the slug of the tenant: "+t.Slug)
		}
		if _, err := step(v.engine, v, rentroll.TransitionParams{TenantID: id, Reason: v.form("reason")}); err != nil {
			return nil, err
		}
		return v.back(t.Name + said), nil
	}
}

// newSecret is the page that shows a secret, once.
type newSecret struct {
	Title, Secret, Note string
	Tenant              string // its reference in addresses
}

func (v *visit) createKey() (*outcome, error) {
	id, err := v.tenant()
	if err != nil {
		return nil, err
	}
	p := rentroll.CreateAPIKeyParams{TenantID: id, Name: v.form("name"), Permissions: fieldsOf(v.form("permissions")), IdempotencyKey: v.form("once")}
	if days := v.form("expires_in_days"); days != "" {
		if p.ExpiresInDays, err = strconv.Atoi(days); err != nil {
			return nil, wrong("expires_in_days", "must be a number of days")
		}
	}
	secret, key, err := v.engine.CreateAPIKey(v, p)
	if err != nil {
		return nil, err
	}
	return v.showSecret("The key "+key.Name, secret, "The tenant’s programs present it as a bearer token."), nil
}

func (v *visit) showSecret(title, secret, note string) *outcome {
	v.title = title
	return &outcome{page: "secret", data: newSecret{Title: title, Secret: secret, Note: note, Tenant: v.r.PathValue("tenant")}}
}

// fieldsOf reads a list as people type it; nil where there is nothing.
func fieldsOf(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\r' || r == '\t' })
}

func (v *visit) keyRef() (rentroll.KeyRef, error) {
	id, err := v.tenant()
	if err != nil {
		return rentroll.KeyRef{}, err
	}
	key, err := rentroll.ParseKeyID(v.form("key"))
	if err != nil {
		return rentroll.KeyRef{}, wrong("key", "is not the id of a key")
	}
	return rentroll.KeyRef{TenantID: id, KeyID: key}, nil
}

func (v *visit) rotateKey() (*outcome, error) {
	ref, err := v.keyRef()
	if err != nil {
		return nil, err
	}
	hours, err := strconv.Atoi(v.form("overlap_hours"))
	if err != nil || hours < 0 || hours > int(rentroll.MaxOverlap/time.Hour) {
		return nil, wrong("overlap_hours", fmt.Sprintf("must be between 0 and %d", rentroll.MaxOverlap/time.Hour))
	}
	secret, key, err := v.engine.RotateAPIKey(v, rentroll.RotateAPIKeyParams{
		TenantID: ref.TenantID, KeyID: ref.KeyID, Overlap: new(time.Duration(hours) * time.Hour), IdempotencyKey: v.form("once"),
	})
	if err != nil {
		return nil, err
	}
	note := "The old secret is good for nothing any more."
	if hours > 0 {
		note = fmt.Sprintf("The old secret stays good for %d hours.", hours)
	}
	return v.showSecret("The new secret of the key "+key.Name, secret, note), nil
}

func (v *visit) revokeKey() (*outcome, error) {
	ref, err := v.keyRef()
	if err != nil {
		return nil, err
	}
	if v.form("confirm") != "revoke" {
		return nil, wrong("confirm", "must be the word revoke")
	}
	key, err := v.engine.RevokeAPIKey(v, rentroll.RevokeAPIKeyParams{TenantID: ref.TenantID, KeyID: ref.KeyID, Reason: v.form("reason")})
	if err != nil {
		return nil, err
	}
	return v.back("The key " + key.Name + " is revoked: nobody gets in with it any more."), nil
}

func (v *visit) cancelRun() (*outcome, error) {
	id, err := v.tenant()
	if err != nil {
		return nil, err
	}
	run, err := rentroll.ParseRunID(v.form("run"))
	if err != nil {
		return nil, wrong("run", "is not the id of a run")
	}
	if v.form("confirm") != "cancel" {
		return nil, wrong("confirm", "must be the word cancel")
	}
	if _, err := v.engine.CancelRun(v, rentroll.RunRef{TenantID: id, RunID: run}); err != nil {
		return nil, err
	}
	return v.back("The run is canceled; its slot and what it had reserved are free. Its worker learns it with its next heartbeat."), nil
}

// checkAudit follows the chain of the tenant's audit, for as long as a reader waits.
func (v *visit) checkAudit() (any, error) {
	id, err := v.tenant()
	if err != nil {
		return nil, err
	}
	return v.followAudit(id)
}

// followAudit is checkAudit of a tenant, or with the zero id of the platform.
func (v *visit) followAudit(id rentroll.TenantID) (any, error) {
	p := rentroll.VerifyAuditParams{TenantID: id}
	for {
		found, err := v.engine.VerifyAudit(v, p)
		if err != nil || found.NextCursor == "" || v.engine.Now().Sub(v.now) > auditPatience {
			return found, err
		}
		p.Cursor = string(found.NextCursor)
	}
}

const auditPatience = time.Second
