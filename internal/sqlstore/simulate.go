package sqlstore

import (
	"context"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

var (
	walkRuns   = runs.query("WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3")
	sumDenials = &Stmt{SQL: `SELECT code, quota, CAST(SUM(denials) AS BIGINT) FROM denial_counts
		WHERE tenant_id = $1 AND minute >= $2 AND minute < $3 GROUP BY code, quota`}
)

// WalkRuns lists runs, oldest first.
func (r *reader) WalkRuns(ctx context.Context, f rentroll.RunWalk) (out []*rentroll.Run, err error) {
	err = r.ask(ctx, walkRuns, func(a Args) {
		a.ID(f.TenantID)
		a.ID(f.After)
		a.Int(int64(f.Limit))
	}, runs.found(func(_ rentroll.RunRef, run *rentroll.Run) { out = append(out, run) }))
	return out, err
}

// SumDenials adds up denials.
func (r *reader) SumDenials(ctx context.Context, tenant rentroll.TenantID, from, to time.Time) (out []rentroll.DenialSum, err error) {
	err = r.ask(ctx, sumDenials, func(a Args) {
		a.ID(tenant)
		a.Int(from.UnixMicro())
		a.Int(to.UnixMicro())
	}, func(row Row) error {
		out = append(out, rentroll.DenialSum{Code: rentroll.Code(row.Text()), Quota: quota.Name(row.Text()), Denials: row.Int()})
		return nil
	})
	return out, err
}
