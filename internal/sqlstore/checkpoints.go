package sqlstore

import "github.com/rentroll/rentroll"

var checkpoints = prepare(table[rentroll.TenantID, rentroll.AuditCheckpoint]{
	name:    "audit_checkpoints",
	columns: columns("tenant_id:id sequence hash:bytes chained_from pruned older_than at key_id:text signature:text removed"),
	keys:    1,
	bindKey: func(a Args, k rentroll.TenantID) { a.ID(k) },
	bind: func(a Args, r *rentroll.AuditCheckpoint) {
		a.ID(r.TenantID)
		a.Int(r.Sequence)
		bindNullHash(a, r.Hash)
		a.Int(r.ChainedFrom)
		a.Int(r.Rows)
		bindTime(a, r.Before)
		bindTime(a, r.At)
		bindNullText(a, r.KeyID)
		bindNullText(a, r.Signature)
		a.Int(r.Removed)
	},
	scan: func(row Row) (rentroll.TenantID, *rentroll.AuditCheckpoint, error) {
		r := &rentroll.AuditCheckpoint{TenantID: row.ID(), Sequence: row.Int(), Hash: scanAuditHash(row)}
		r.ChainedFrom = row.Int()
		r.Rows = row.Int()
		r.Before = scanTime(row)
		r.At = scanTime(row)
		r.KeyID = rentroll.NullString(row.Text())
		r.Signature = rentroll.NullString(row.Text())
		r.Removed = row.Int()
		return r.TenantID, r, nil
	},
})

var trimAudit = &Stmt{SQL: "DELETE FROM audit WHERE tenant_id = $1 AND sequence > $2 AND sequence <= $3"}

// trimAudits removes rows of audits.
func trimAudits(ranges []rentroll.AuditRange, requests []*Request) []*Request {
	if len(ranges) == 0 {
		return requests
	}
	return append(requests, &Request{Stmt: trimAudit, Rows: len(ranges), Bind: func(i int, a Args) {
		a.ID(ranges[i].TenantID)
		a.Int(ranges[i].After)
		a.Int(ranges[i].To)
	}})
}
