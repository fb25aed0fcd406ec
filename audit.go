package rentroll

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"time"
)

// PlatformID is the account that changes belong to which concern no tenant: plans and users. It is also the lock of
// everything that must be unique across tenants.
var PlatformID = TenantID{15: 1}

// AuditRow is one change, written in the transaction that made it.
type AuditRow struct {
	ID           AuditID         `json:"id"`
	TenantID     TenantID        `json:"tenant_id"` // null for the platform's own
	Sequence     int64           `json:"sequence"`  // 1, 2, 3 … within the tenant, without gaps
	At           time.Time       `json:"at"`
	Actor        string          `json:"actor"`
	Action       string          `json:"action"` // "tenant.create", "api_key.revoke" …
	ResourceType string          `json:"resource_type"`
	ResourceID   string          `json:"resource_id"`
	Old          json.RawMessage `json:"old"` // the changed fields before, without secrets; nil for a creation
	New          json.RawMessage `json:"new"` // the changed fields after; nil for a deletion
	RequestID    NullString      `json:"request_id"`
	IP           NullString      `json:"ip"`
	UserAgent    NullString      `json:"user_agent"`
	Hash         AuditHash       `json:"hash"`          // over all of the row and PreviousHash; null in rows from before there was a chain
	PreviousHash AuditHash       `json:"previous_hash"` // of the row before; null in the first of the chain
	Salt         AuditSalt       `json:"salt"`          // of the personal data in it; null once that is erased
	PersonalHash AuditHash       `json:"personal_hash"` // of the personal data that was erased; null while it is there
}

// ListAuditParams filters and pages a tenant's audit rows, newest first. The zero TenantID is the platform. Filters by actor
// and resource look at a bounded stretch of rows a page, so a page may be short, or empty, and still have a next cursor.
type ListAuditParams struct {
	TenantID   TenantID
	Actor      string    // as rows name it, or one of the two around "via"; "" for all
	ResourceID string    // what was changed, as rows name it; "" for all
	Start, End time.Time // only rows from Start on and before End; zero is no bound
	Page
}

// ListAudit lists the audit rows of a tenant, or of the platform, newest first. The platform's need an operator, a
// tenant's need audit:read.
func (e *Engine) ListAudit(ctx context.Context, p ListAuditParams) (*List[*AuditRow], error) {
	account, err := e.auditOf(p.TenantID)
	if err != nil {
		return nil, err
	}
	f := AuditFilter{TenantID: account}
	var bad problems
	p.check(&bad)
	scope := p.scope(account)
	limit, before := pageOf[[16]byte](p.Page, scope, &bad)
	f.Limit, f.Before = limit, int64(binary.BigEndian.Uint64(before[8:]))
	if err := bad.err(); err != nil {
		return nil, err
	}
	out := &List[*AuditRow]{Items: []*AuditRow{}}
	err = e.viewAudit(ctx, f.TenantID, func(r Reader, a *Account) error {
		if p.filtered() {
			rows, next, err := p.search(ctx, r, a, f)
			out.Items = append(out.Items, public(rows)...)
			if next != 0 {
				position := auditPosition(&AuditRow{Sequence: next})
				out.NextCursor = NullString(encodeCursor(scope, position[:]))
			}
			return err
		}
		rows, err := r.ListAudit(ctx, f)
		out.Items = append(out.Items, public(trim(out, rows, f.Limit, scope, auditPosition))...)
		return err
	})
	return out, err
}

// auditPosition is where a row stands, for a cursor.
func auditPosition(row *AuditRow) (position [16]byte) {
	binary.BigEndian.PutUint64(position[8:], uint64(row.Sequence))
	return position
}

// auditOf returns the account whose audit the caller may read: a tenant's, or for the zero id the platform's.
func (e *Engine) auditOf(tenant TenantID) (TenantID, error) {
	if tenant.IsZero() {
		return PlatformID, e.actor.mayOperate(PermAuditRead)
	}
	return tenant, e.may(tenant, PermAuditRead)
}

// viewAudit reads one snapshot with an account, which may be the platform's.
func (e *Engine) viewAudit(ctx context.Context, account TenantID, read func(Reader, *Account) error) error {
	return e.view(ctx, func(r Reader) error {
		b := &Batch{}
		b.Accounts.Want(account)
		if err := r.Load(ctx, b); err != nil {
			return err
		}
		a := b.Accounts.Get(account)
		if a == nil {
			return notFound("tenant")
		}
		return read(r, a)
	})
}

// viewChain is viewAudit with the checkpoint of the audit, nil where there is none.
func (e *Engine) viewChain(ctx context.Context, account TenantID, read func(Reader, *Account, *AuditCheckpoint) error) error {
	return e.viewAudit(ctx, account, func(r Reader, a *Account) error {
		b := &Batch{}
		b.Checkpoints.Want(account)
		if err := r.Load(ctx, b); err != nil {
			return err
		}
		return read(r, a, b.Checkpoints.Get(account))
	})
}

// public shows rows as callers know them: the platform has no id.
func public(rows []*AuditRow) []*AuditRow {
	for _, row := range rows {
		if row.TenantID == PlatformID {
			row.TenantID = TenantID{}
		}
	}
	return rows
}

// ListDenials lists the kept denials of a tenant, newest first; the newest are at most a second behind. It needs
// denial:read.
func (e *Engine) ListDenials(ctx context.Context, p ListDenialsParams) (*List[*Denial], error) {
	if err := e.may(p.TenantID, PermDenialRead); err != nil {
		return nil, err
	}
	var bad problems
	scope := cursorScope("denials", p.TenantID.String())
	f := DenialFilter{TenantID: p.TenantID}
	f.Limit, f.Before = pageOf[EventID](p.Page, scope, &bad)
	if err := bad.err(); err != nil {
		return nil, err
	}
	out := &List[*Denial]{Items: []*Denial{}}
	err := e.viewTenant(ctx, p.TenantID, func(r Reader, _ *Account) error {
		rows, err := r.ListDenials(ctx, f)
		out.Items = append(out.Items, trim(out, rows, f.Limit, scope, func(d *Denial) EventID { return d.ID })...)
		return err
	})
	return out, err
}
