package storetest

import (
	"context"
	"encoding/json"
	"math"
	"slices"

	"github.com/rentroll/rentroll"
)

func auditTests() []test {
	return []test{
		{"RoundTrip", auditRoundTrip},
		{"ListNewestFirst", listAudit},
		{"ListLargeSequences", listAuditLarge},
		{"AfterOldestFirst", auditAfter},
		{"OneSequenceOneRow", auditConflict},
	}
}

func auditRow(s *scene, tenant rentroll.TenantID, sequence int64) *rentroll.AuditRow {
	return &rentroll.AuditRow{
		ID: newID[rentroll.AuditID](s), TenantID: tenant, Sequence: sequence, At: after(1), Actor: "operator:née",
		Action: "tenant.update", ResourceType: "tenant", ResourceID: tenant.String(),
		Old: json.RawMessage(`{ "b": 1.0, "a": "ü" }`), New: json.RawMessage(`null`),
		RequestID: "req-1", IP: "2001:db8::1", UserAgent: "curl/8 „x“",
		Hash: s.hash(), PreviousHash: s.hash(), Salt: rentroll.AuditSalt{1, 15: 2}, PersonalHash: s.hash(),
	}
}

func (s *scene) putAudit(rows ...*rentroll.AuditRow) {
	s.Helper()
	s.put(func(b *rentroll.Batch) { b.Audit = rows })
}

func (s *scene) listAudit(f rentroll.AuditFilter) (out []*rentroll.AuditRow) {
	s.Helper()
	s.view(func(ctx context.Context, r rentroll.Reader) (err error) {
		out, err = r.ListAudit(ctx, f)
		return err
	})
	return out
}

func auditRoundTrip(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	full, bare := auditRow(s, tenant, 2), auditRow(s, tenant, 1)
	bare.Old, bare.New, bare.RequestID, bare.IP, bare.UserAgent = nil, nil, "", "", ""
	bare.Hash, bare.PreviousHash, bare.PersonalHash = rentroll.AuditHash{}, rentroll.AuditHash{}, rentroll.AuditHash{}
	bare.Salt = rentroll.AuditSalt{}
	complete(s, *full)
	s.putAudit(full, bare)
	same(s, "the list", s.listAudit(rentroll.AuditFilter{TenantID: tenant, Limit: 10}), []*rentroll.AuditRow{full, bare})
}

func listAudit(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	var rows []*rentroll.AuditRow
	for i := range 5 {
		rows = append(rows, auditRow(s, tenant, int64(i+1)))
	}
	s.putAudit(rows[3], rows[0])
	s.putAudit(rows[4], rows[1], rows[2])
	s.putAudit(auditRow(s, newID[rentroll.TenantID](s), 1), auditRow(s, rentroll.PlatformID, 1))
	slices.Reverse(rows)
	same(s, "the list", s.listAudit(rentroll.AuditFilter{TenantID: tenant, Limit: 10}), rows)
	same(s, "its first page", s.listAudit(rentroll.AuditFilter{TenantID: tenant, Limit: 2}), rows[:2])
	same(s, "its second page", s.listAudit(rentroll.AuditFilter{TenantID: tenant, Before: 4, Limit: 2}), rows[2:4])
	same(s, "what is behind the end", s.listAudit(rentroll.AuditFilter{TenantID: tenant, Before: 1, Limit: 2}), nil)
}

// listAuditLarge: sequences are ordered as numbers.
func listAuditLarge(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	nine, ten, huge := auditRow(s, tenant, 9), auditRow(s, tenant, 10), auditRow(s, tenant, 1<<62)
	s.putAudit(ten, huge, nine)
	want := []*rentroll.AuditRow{huge, ten, nine}
	same(s, "the list", s.listAudit(rentroll.AuditFilter{TenantID: tenant, Limit: 10}), want)
	same(s, "what is below", s.listAudit(rentroll.AuditFilter{TenantID: tenant, Before: 1 << 62, Limit: 10}), want[1:])
}

func (s *scene) auditAfter(tenant rentroll.TenantID, sequence int64, limit int) (out []*rentroll.AuditRow) {
	s.Helper()
	s.view(func(ctx context.Context, r rentroll.Reader) (err error) {
		out, err = r.AuditAfter(ctx, tenant, sequence, limit)
		return err
	})
	return out
}

// auditAfter: whoever verifies wants to see every row, also those that should not be there.
func auditAfter(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	var rows []*rentroll.AuditRow
	for _, sequence := range []int64{-3, 0, 1, 2, 9, 10, 1 << 62} {
		rows = append(rows, auditRow(s, tenant, sequence))
	}
	s.putAudit(rows[5], rows[2], rows[6], rows[0], rows[4], rows[3], rows[1])
	s.putAudit(auditRow(s, newID[rentroll.TenantID](s), 1), auditRow(s, rentroll.PlatformID, 1))
	same(s, "all", s.auditAfter(tenant, math.MinInt64, 10), rows)
	same(s, "the first page", s.auditAfter(tenant, 0, 3), rows[2:5])
	same(s, "the second page", s.auditAfter(tenant, 9, 3), rows[5:])
	same(s, "what is behind the end", s.auditAfter(tenant, 1<<62, 3), nil)
}

func auditConflict(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	row := auditRow(s, tenant, 7)
	s.putAudit(row)
	s.refuse(func(b *rentroll.Batch) {
		b.Audit = []*rentroll.AuditRow{auditRow(s, tenant, 8), auditRow(s, tenant, 7)}
	})
	same(s, "the list", s.listAudit(rentroll.AuditFilter{TenantID: tenant, Limit: 10}), []*rentroll.AuditRow{row})
}

// checkpoints are what stands in the place of pruned audit rows.
var checkpoints = noun[rentroll.TenantID, rentroll.AuditCheckpoint]{
	rows: func(b *rentroll.Batch) *rentroll.Rowset[rentroll.TenantID, rentroll.AuditCheckpoint] {
		return &b.Checkpoints
	},
	key: func(c *rentroll.AuditCheckpoint) rentroll.TenantID { return c.TenantID },
	full: func(s *scene) *rentroll.AuditCheckpoint {
		return &rentroll.AuditCheckpoint{
			TenantID: newID[rentroll.TenantID](s), Sequence: 7, Hash: s.hash(), ChainedFrom: 2, Rows: 3, Before: after(1), At: after(2),
			KeyID: "key", Signature: "signature", Removed: 6,
		}
	},
	bare: func(s *scene) *rentroll.AuditCheckpoint {
		return &rentroll.AuditCheckpoint{TenantID: newID[rentroll.TenantID](s), Sequence: 1, Rows: 1, Before: after(1), At: after(2)}
	},
	edit: func(c *rentroll.AuditCheckpoint) { c.Removed, c.Signature = 7, "another" },
}

func checkpointTests() []test {
	return append(checkpoints.tests(), test{"Trim", trimAudit})
}

// trimAudit: of a range goes what is in it, and nobody else's.
func trimAudit(s *scene) {
	tenant, other := newID[rentroll.TenantID](s), newID[rentroll.TenantID](s)
	var rows, others []*rentroll.AuditRow
	for sequence := range int64(7) {
		rows = append(rows, auditRow(s, tenant, sequence))
		others = append(others, auditRow(s, other, sequence))
	}
	s.putAudit(append(rows, others...)...)
	s.put(func(b *rentroll.Batch) {
		b.Trim = []rentroll.AuditRange{{TenantID: tenant, After: 0, To: 2}, {TenantID: tenant, After: 3, To: 4}, {TenantID: other, After: 5, To: 50}}
	})
	same(s, "what is left", s.auditAfter(tenant, math.MinInt64, 10), []*rentroll.AuditRow{rows[0], rows[3], rows[5], rows[6]})
	same(s, "what is left of another's", s.auditAfter(other, math.MinInt64, 10), others[:6])
}
