package sqlstore

import (
	"cmp"
	"context"
	"crypto/sha256"
	"maps"
	"slices"
	"strings"

	"github.com/rentroll/rentroll"
)

var once = prepare(table[rentroll.OnceRef, rentroll.OnceRecord]{
	name:    "idempotency",
	columns: columns("tenant_id:id operation:text key:text fingerprint:bytes result:text created_at"),
	keys:    3,
	bindKey: func(a Args, k rentroll.OnceRef) {
		a.ID(k.TenantID)
		a.Text(k.Operation)
		a.Text(k.Key)
	},
	bind: func(a Args, r *rentroll.OnceRecord) {
		a.ID(r.TenantID)
		a.Text(r.Operation)
		a.Text(r.Key)
		bindHash(a, r.Fingerprint)
		a.Text(r.Result)
		bindTime(a, r.CreatedAt)
	},
	scan: func(row Row) (rentroll.OnceRef, *rentroll.OnceRecord, error) {
		ref := rentroll.OnceRef{TenantID: row.ID(), Operation: row.Text(), Key: row.Text()}
		r := &rentroll.OnceRecord{OnceRef: ref, Fingerprint: scanHash(row), Result: row.Text()}
		r.CreatedAt = scanTime(row)
		return ref, r, nil
	},
})

var audit = prepare(table[rentroll.AuditID, rentroll.AuditRow]{
	name: "audit",
	columns: columns(`tenant_id:id sequence id:id at actor:text action:text resource_type:text resource_id:text
		old:text new:text request_id:text ip:text user_agent:text
		hash:bytes previous_hash:bytes salt:bytes personal_hash:bytes`),
	keys: 2,
	bind: func(a Args, r *rentroll.AuditRow) {
		a.ID(r.TenantID)
		a.Int(r.Sequence)
		a.ID(r.ID)
		bindTime(a, r.At)
		a.Text(r.Actor)
		a.Text(r.Action)
		a.Text(r.ResourceType)
		a.Text(r.ResourceID)
		bindJSON(a, r.Old)
		bindJSON(a, r.New)
		bindNullText(a, r.RequestID)
		bindNullText(a, r.IP)
		bindNullText(a, r.UserAgent)
		bindNullHash(a, r.Hash)
		bindNullHash(a, r.PreviousHash)
		if r.Salt.IsZero() {
			a.Null()
		} else {
			a.Bytes(r.Salt[:])
		}
		bindNullHash(a, r.PersonalHash)
	},
	scan: func(row Row) (rentroll.AuditID, *rentroll.AuditRow, error) {
		r := &rentroll.AuditRow{TenantID: row.ID(), Sequence: row.Int(), ID: row.ID(), At: scanTime(row)}
		r.Actor = row.Text()
		r.Action = row.Text()
		r.ResourceType = row.Text()
		r.ResourceID = row.Text()
		r.Old = scanJSON(row)
		r.New = scanJSON(row)
		r.RequestID = rentroll.NullString(row.Text())
		r.IP = rentroll.NullString(row.Text())
		r.UserAgent = rentroll.NullString(row.Text())
		r.Hash = scanAuditHash(row)
		r.PreviousHash = scanAuditHash(row)
		scanSalt(row, &r.Salt)
		r.PersonalHash = scanAuditHash(row)
		return r.ID, r, nil
	},
})

// scanAuditHash reads a hash that somebody may have changed by hand: what has not the length of one becomes one that is
// wrong.
func scanAuditHash(row Row) rentroll.AuditHash {
	b := row.Bytes()
	if len(b) == 0 || len(b) == len(rentroll.AuditHash{}) {
		var h rentroll.AuditHash
		copy(h[:], b)
		return h
	}
	return sha256.Sum256(b)
}

func scanSalt(row Row, s *rentroll.AuditSalt) {
	b := row.Bytes()
	if len(b) > len(s) {
		sum := sha256.Sum256(b)
		b = sum[:]
	}
	copy(s[:], b)
}

var denials = prepare(table[rentroll.EventID, rentroll.Denial]{
	name: "denials",
	columns: columns(`tenant_id:id id:id at code:text quota:text scope:text limit_value current_value worker_id:text
		api_key_id:id reason:text`),
	keys: 2,
	bind: func(a Args, r *rentroll.Denial) {
		a.ID(r.TenantID)
		a.ID(r.ID)
		bindTime(a, r.At)
		a.Text(string(r.Code))
		bindNullText(a, r.Quota)
		bindNullText(a, r.Scope)
		bindNullInt(a, r.Limit)
		bindNullInt(a, r.Current)
		bindNullText(a, r.WorkerID)
		bindNullID(a, r.APIKeyID)
		a.Text(r.Reason)
	},
	scan: func(row Row) (rentroll.EventID, *rentroll.Denial, error) {
		r := &rentroll.Denial{TenantID: row.ID(), ID: row.ID(), At: scanTime(row), Code: rentroll.Code(row.Text())}
		r.Quota = rentroll.NullString(row.Text())
		r.Scope = rentroll.NullString(row.Text())
		r.Limit = scanNullInt(row)
		r.Current = scanNullInt(row)
		r.WorkerID = rentroll.NullString(row.Text())
		r.APIKeyID = row.ID()
		r.Reason = row.Text()
		return r.ID, r, nil
	},
})

var (
	listAudit   = audit.query("WHERE tenant_id = $1 AND sequence < $2 ORDER BY sequence DESC LIMIT $3")
	auditAfter  = audit.query("WHERE tenant_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3")
	listDenials = denials.query("WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3")
	trimDenials = &Stmt{SQL: `DELETE FROM denials WHERE tenant_id = $1 AND id <= (
		SELECT id FROM denials WHERE tenant_id = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)`}
	addDenials = adder("denial_counts", columns("tenant_id:id minute code:text quota:text denials"), 4)
	addKeyUse  = &Stmt{SQL: `INSERT INTO api_key_uses (tenant_id, id, last_used_at, total_requests) VALUES ($1, $2, $3, $4)
		ON CONFLICT (tenant_id, id) DO UPDATE SET
		total_requests = api_key_uses.total_requests + excluded.total_requests,
		last_used_at = CASE WHEN excluded.last_used_at > api_key_uses.last_used_at
			THEN excluded.last_used_at ELSE api_key_uses.last_used_at END`}
)

// ListAudit lists audit rows, newest first.
func (r *reader) ListAudit(ctx context.Context, f rentroll.AuditFilter) (out []*rentroll.AuditRow, err error) {
	newest := f.Before
	if newest == 0 {
		newest = 1<<63 - 1
	}
	err = r.session.Run(ctx, &Request{
		Stmt: listAudit, Rows: 1,
		Bind: func(_ int, a Args) {
			a.ID(f.TenantID)
			a.Int(newest)
			a.Int(int64(f.Limit))
		},
		Scan: audit.found(func(_ rentroll.AuditID, row *rentroll.AuditRow) { out = append(out, row) }),
	})
	return out, err
}

// AuditAfter reads audit rows behind a sequence, oldest first.
func (r *reader) AuditAfter(ctx context.Context, tenant rentroll.TenantID, sequence int64, limit int) (out []*rentroll.AuditRow, err error) {
	err = r.session.Run(ctx, &Request{
		Stmt: auditAfter, Rows: 1,
		Bind: func(_ int, a Args) {
			a.ID(tenant)
			a.Int(sequence)
			a.Int(int64(limit))
		},
		Scan: audit.found(func(_ rentroll.AuditID, row *rentroll.AuditRow) { out = append(out, row) }),
	})
	return out, err
}

// ListDenials lists denials, newest first.
func (r *reader) ListDenials(ctx context.Context, f rentroll.DenialFilter) (out []*rentroll.Denial, err error) {
	stmt := listDenials
	if f.TenantID.IsZero() {
		stmt = latestDenials
	}
	err = r.session.Run(ctx, &Request{
		Stmt: stmt, Rows: 1,
		Bind: func(_ int, a Args) {
			if !f.TenantID.IsZero() {
				a.ID(f.TenantID)
			}
			a.ID(before(f.Before))
			a.Int(int64(f.Limit))
		},
		Scan: denials.found(func(_ rentroll.EventID, d *rentroll.Denial) { out = append(out, d) }),
	})
	return out, err
}

// statistics turns what was counted into requests. Rows are in the order of their keys, so that servers which write
// statistics at once wait for each other and never in a circle.
func statistics(s *rentroll.Statistics) []*Request {
	requests := denials.add(s.Denials, nil)
	tenants := make([]rentroll.TenantID, 0, len(s.Denials))
	for _, d := range s.Denials {
		tenants = append(tenants, d.TenantID)
	}
	slices.SortFunc(tenants, rentroll.TenantID.Compare)
	tenants = slices.Compact(tenants)
	requests = append(requests, &Request{Stmt: trimDenials, Rows: len(tenants), Bind: func(i int, a Args) {
		a.ID(tenants[i])
		a.Int(rentroll.KeptDenials)
	}})
	counts := slices.SortedFunc(maps.Keys(s.Counts), func(a, b rentroll.DenialCount) int {
		return cmp.Or(a.TenantID.Compare(b.TenantID), a.Minute.Compare(b.Minute), strings.Compare(string(a.Code), string(b.Code)),
			strings.Compare(string(a.Quota), string(b.Quota)))
	})
	requests = append(requests, &Request{Stmt: addDenials, Rows: len(counts), Bind: func(i int, a Args) {
		a.ID(counts[i].TenantID)
		a.Int(counts[i].Minute.UnixMicro())
		a.Text(string(counts[i].Code))
		a.Text(string(counts[i].Quota))
		a.Int(s.Counts[counts[i]])
	}})
	touched := slices.SortedFunc(maps.Keys(s.Touches), func(a, b rentroll.KeyRef) int {
		return cmp.Or(a.TenantID.Compare(b.TenantID), a.KeyID.Compare(b.KeyID))
	})
	requests = activity(s, requests)
	return append(requests, &Request{Stmt: addKeyUse, Rows: len(touched), Bind: func(i int, a Args) {
		bindKeyRef(a, touched[i])
		bindTime(a, s.Touches[touched[i]].LastUsedAt)
		a.Int(s.Touches[touched[i]].Requests)
	}})
}
