package sqlstore

import (
	"context"

	"github.com/rentroll/rentroll"
)

var subjects = prepare(table[rentroll.SubjectRef, rentroll.Subject]{
	name: "subjects",
	columns: columns(`tenant_id:id subject:text limits:text reason:text concurrent_runs tokens_reserved
		runs_used runs_ahead day_start day_end tokens_used tokens_ahead month_start month_end created_at`),
	keys: 2,
	bindKey: func(a Args, k rentroll.SubjectRef) {
		a.ID(k.TenantID)
		a.Text(k.Subject)
	},
	bind: func(a Args, r *rentroll.Subject) {
		a.ID(r.TenantID)
		a.Text(r.Subject)
		if len(r.Limits) == 0 {
			a.Text("")
		} else {
			bindValue(a, r.Limits)
		}
		bindNullText(a, r.Reason)
		a.Int(r.ConcurrentRuns)
		a.Int(r.TokensReserved)
		bindTally(a, r.Runs)
		bindTally(a, r.Tokens)
		bindTime(a, r.CreatedAt)
	},
	scan: func(row Row) (rentroll.SubjectRef, *rentroll.Subject, error) {
		r := &rentroll.Subject{TenantID: row.ID(), Subject: row.Text()}
		err := scanValue(row, &r.Limits)
		r.Reason = rentroll.NullString(row.Text())
		r.ConcurrentRuns, r.TokensReserved = row.Int(), row.Int()
		r.Runs, r.Tokens, r.CreatedAt = scanTally(row), scanTally(row), scanTime(row)
		return rentroll.SubjectRef{TenantID: r.TenantID, Subject: r.Subject}, r, err
	},
})

// What the open runs of subjects hold is read through the index on open runs, which begins with the tenant.
var (
	listSubjects = subjects.query("WHERE tenant_id = $1 AND subject > $2 ORDER BY subject LIMIT $3")
	openSubjects = &Stmt{SQL: `SELECT subject, COUNT(*), CAST(SUM(reserved_tokens) AS BIGINT) FROM runs
		WHERE tenant_id = $1 AND status <= 2 AND subject IS NOT NULL GROUP BY subject`}
)

// ListSubjects lists the rows of subjects behind one.
func (r *reader) ListSubjects(ctx context.Context, tenant rentroll.TenantID, after string, limit int) (out []*rentroll.Subject, err error) {
	err = r.session.Run(ctx, &Request{
		Stmt: listSubjects, Rows: 1,
		Bind: func(_ int, a Args) {
			a.ID(tenant)
			a.Text(after)
			a.Int(int64(limit))
		},
		Scan: subjects.found(func(_ rentroll.SubjectRef, s *rentroll.Subject) { out = append(out, s) }),
	})
	return out, err
}

// askSubjects answers what the open runs of subjects hold.
func askSubjects(b *rentroll.Batch, requests []*Request) []*Request {
	for tenant, answer := range b.OpenSubjects {
		if answer != nil {
			continue
		}
		held := map[string]rentroll.HeldSum{}
		b.OpenSubjects[tenant] = &held
		requests = append(requests, &Request{
			Stmt: openSubjects, Rows: 1,
			Bind: func(_ int, a Args) { a.ID(tenant) },
			Scan: func(row Row) error {
				held[row.Text()] = rentroll.HeldSum{Runs: row.Int(), Reserved: row.Int()}
				return nil
			},
		})
	}
	return requests
}
