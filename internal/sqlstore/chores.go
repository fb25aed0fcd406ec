package sqlstore

import (
	"context"

	"github.com/rentroll/rentroll"
)

var chores = prepare(table[rentroll.ChoreRef, rentroll.Chore]{
	name:    "chores",
	columns: columns("tenant_id:id kind:text began_at detail:text"),
	keys:    2,
	bindKey: func(a Args, k rentroll.ChoreRef) {
		a.ID(k.TenantID)
		a.Text(string(k.Kind))
	},
	bind: func(a Args, r *rentroll.Chore) {
		a.ID(r.TenantID)
		a.Text(string(r.Kind))
		bindTime(a, r.BeganAt)
		bindJSON(a, r.Detail)
	},
	scan: func(row Row) (rentroll.ChoreRef, *rentroll.Chore, error) {
		ref := rentroll.ChoreRef{TenantID: row.ID(), Kind: rentroll.ChoreKind(row.Text())}
		return ref, &rentroll.Chore{ChoreRef: ref, BeganAt: scanTime(row), Detail: scanJSON(row)}, nil
	},
})

var listChores = chores.query("WHERE (tenant_id, kind) > ($1, $2) ORDER BY tenant_id, kind LIMIT $3")

// ListChores lists what was begun, by tenant and kind.
func (r *reader) ListChores(ctx context.Context, after rentroll.ChoreRef, limit int) (out []*rentroll.Chore, err error) {
	err = r.session.Run(ctx, &Request{
		Stmt: listChores, Rows: 1,
		Bind: func(_ int, a Args) {
			a.ID(after.TenantID)
			a.Text(string(after.Kind))
			a.Int(int64(limit))
		},
		Scan: chores.found(func(_ rentroll.ChoreRef, c *rentroll.Chore) { out = append(out, c) }),
	})
	return out, err
}
