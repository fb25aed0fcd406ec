package httpapi

import (
	"time"

	"github.com/rentroll/rentroll"
)

func listDenials(c *call, p *pageOfTenant, _ *none) (*rentroll.List[*rentroll.Denial], error) {
	return c.engine.ListDenials(c, rentroll.ListDenialsParams{TenantID: c.tenant, Page: p.page()})
}

type listAuditParams struct {
	Tenant     string    `path:"tenant"`
	Actor      string    `query:"actor" maxLength:"255"`
	ResourceID string    `query:"resource_id" maxLength:"255"`
	Start      time.Time `query:"start"`
	End        time.Time `query:"end"`
	Limit      int       `query:"limit" minimum:"1" maximum:"200" default:"20"`
	Cursor     string    `query:"cursor"`
}

func (p listAuditParams) tenantRef() string { return p.Tenant }

type listPlatformAuditParams struct {
	Actor      string    `query:"actor" maxLength:"255"`
	ResourceID string    `query:"resource_id" maxLength:"255"`
	Start      time.Time `query:"start"`
	End        time.Time `query:"end"`
	Limit      int       `query:"limit" minimum:"1" maximum:"200" default:"20"`
	Cursor     string    `query:"cursor"`
}

func listAudit(c *call, p *listAuditParams, _ *none) (*rentroll.List[*rentroll.AuditRow], error) {
	if err := plausibleRange(c, p.Start, p.End); err != nil {
		return nil, err
	}
	return c.engine.ListAudit(c, rentroll.ListAuditParams{
		TenantID: c.tenant, Actor: p.Actor, ResourceID: p.ResourceID, Start: p.Start, End: p.End, Page: pageOf(p.Limit, p.Cursor),
	})
}

func listPlatformAudit(c *call, p *listPlatformAuditParams, _ *none) (*rentroll.List[*rentroll.AuditRow], error) {
	if err := plausibleRange(c, p.Start, p.End); err != nil {
		return nil, err
	}
	return c.engine.ListAudit(c, rentroll.ListAuditParams{
		Actor: p.Actor, ResourceID: p.ResourceID, Start: p.Start, End: p.End, Page: pageOf(p.Limit, p.Cursor),
	})
}

type verifyAuditParams struct {
	Sequence int64  `query:"sequence" minimum:"1"`
	Hash     string `query:"hash"`
	Cursor   string `query:"cursor"`
}

type verifyTenantAuditParams struct {
	Tenant   string `path:"tenant"`
	Sequence int64  `query:"sequence" minimum:"1"`
	Hash     string `query:"hash"`
	Cursor   string `query:"cursor"`
}

func (p verifyTenantAuditParams) tenantRef() string { return p.Tenant }

func (p verifyTenantAuditParams) ofTenant(id rentroll.TenantID) (rentroll.VerifyAuditParams, error) {
	out := rentroll.VerifyAuditParams{TenantID: id, Cursor: p.Cursor}
	if p.Sequence == 0 && p.Hash == "" {
		return out, nil
	}
	hash, err := rentroll.ParseAuditHash(p.Hash)
	switch {
	case p.Sequence == 0:
		return out, invalid(rentroll.FieldError{Field: "sequence", Message: "must be given with hash"})
	case err != nil:
		return out, invalid(rentroll.FieldError{Field: "hash", Message: err.Error()})
	}
	out.Contains = &rentroll.AuditHead{TenantID: id, Sequence: p.Sequence, Hash: hash}
	return out, nil
}

func verifyAudit(c *call, p *verifyTenantAuditParams, _ *none) (*rentroll.AuditVerification, error) {
	params, err := p.ofTenant(c.tenant)
	if err != nil {
		return nil, err
	}
	return c.engine.VerifyAudit(c, params)
}

func verifyPlatformAudit(c *call, p *verifyAuditParams, _ *none) (*rentroll.AuditVerification, error) {
	params, err := verifyTenantAuditParams{Sequence: p.Sequence, Hash: p.Hash, Cursor: p.Cursor}.ofTenant(rentroll.TenantID{})
	if err != nil {
		return nil, err
	}
	return c.engine.VerifyAudit(c, params)
}

func auditHead(c *call, _ *ofTenant, _ *none) (*rentroll.AuditHead, error) {
	return c.engine.AuditHead(c, c.tenant)
}

func platformAuditHead(c *call, _, _ *none) (*rentroll.AuditHead, error) {
	return c.engine.AuditHead(c, rentroll.TenantID{})
}

type pruneAuditBody struct {
	Before   time.Time `json:"before" format:"date-time" example:"2025-11-23T00:00:00Z" doc:"Rows that were written before it go; not in the future"`
	Unsigned bool      `json:"unsigned,omitempty" example:"true" doc:"Do so although the server has no key to sign the checkpoint with"`
	Cursor   string    `json:"cursor,omitempty" maxLength:"1000" doc:"next_cursor of the answer before"`
}

// of makes parameters of a body.
func (b *pruneAuditBody) of(tenant rentroll.TenantID) rentroll.PruneAuditParams {
	return rentroll.PruneAuditParams{TenantID: tenant, Before: b.Before, Unsigned: b.Unsigned, Cursor: b.Cursor}
}

func pruneAudit(c *call, _ *ofTenant, b *pruneAuditBody) (*rentroll.AuditPruning, error) {
	return c.engine.PruneAudit(c, b.of(c.tenant))
}

func prunePlatformAudit(c *call, _ *none, b *pruneAuditBody) (*rentroll.AuditPruning, error) {
	return c.engine.PruneAudit(c, b.of(rentroll.TenantID{}))
}

func exportAudit(c *call, p *pageOfTenant, _ *none) (*rentroll.AuditExport, error) {
	return c.engine.ExportAudit(c, rentroll.ExportAuditParams{TenantID: c.tenant, Page: p.page()})
}

func exportPlatformAudit(c *call, p *page, _ *none) (*rentroll.AuditExport, error) {
	return c.engine.ExportAudit(c, rentroll.ExportAuditParams{Page: p.page()})
}
