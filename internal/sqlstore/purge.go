package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rentroll/rentroll"
)

// purged are the tables whose rows a purge removes, with the columns of their keys behind the tenant's id. A table with a
// tenant_id is here or in notPurged: a test sees to it.
var purged = []*purge{
	newPurge("run_payloads", "run_id", "kind"),
	newPurge("runs", "id"),
	newPurge("usage_marks", "event_id"),
	newPurge("usage_events", "time", "id"),
	newPurge("usage_rollups", "dimension", "bucket", "meter", "value"),
	newPurge("usage_values", "meter", "dimension", "month", "value"),
	newPurge("usage_peaks", "dimension", "bucket", "meter", "value"),
	newPurge("meter_prices", "meter", "from_at"),
	newPurge("meters", "name"),
	newPurge("pruned", "kind"),
	newPurge("periods", "start_at"),
	newPurge("events", "id"),
	newPurge("workers", "worker_id"),
	newPurge("idempotency", "operation", "key"),
	newPurge("key_uses", "family"),
	newPurge("subjects", "subject"),
	newPurge("api_key_uses", "id"),
	newPurge("denials", "id"),
	newPurge("denial_counts", "minute", "code", "quota"),
	newPurge("audit", "sequence"),
	newPurge("audit_checkpoints"),
	newPurge("sessions", "hash"),
	invalidationsOfGone,
}

// invalidationsOfGone leaves them until other servers can't ask any more who has changed.
var invalidationsOfGone = &purge{table: "invalidations", rest: &Stmt{SQL: `DELETE FROM invalidations WHERE tenant_id = $1
	AND NOT EXISTS (SELECT 1 FROM accounts WHERE accounts.tenant_id = $1) RETURNING 1`}}

// notPurged are the tables with a tenant_id whose rows the engine names when it purges a tenant.
var notPurged = []string{"accounts", "tenants", "members", "api_keys", "chores"}

// purge removes the rows of a tenant from a table: those up to the last one of a stretch, or all.
type purge struct {
	table   string
	stretch *Stmt // nil where a tenant has one row at most
	rest    *Stmt
}

func newPurge(table string, keys ...string) *purge {
	p := &purge{table: table, rest: &Stmt{SQL: "DELETE FROM " + table + " WHERE tenant_id = $1 RETURNING 1"}}
	if len(keys) == 0 {
		return p
	}
	list, row := strings.Join(keys, ", "), keys[0]
	if len(keys) > 1 {
		row = "(" + list + ")"
	}
	p.stretch = &Stmt{SQL: fmt.Sprintf(`DELETE FROM %[1]s WHERE tenant_id = $1 AND %[2]s <= (
		SELECT %[3]s FROM %[1]s WHERE tenant_id = $1 ORDER BY %[3]s LIMIT 1 OFFSET $2) RETURNING 1`, table, row, list)}
	return p
}

// PurgedTables returns the tables whose rows Purge removes, and the others that have a tenant_id.
func PurgedTables() (purges, others []string) {
	for _, p := range purged {
		purges = append(purges, p.table)
	}
	return purges, slices.Clone(notPurged)
}

// purgeStatements are those of all tables, by name.
func purgeStatements() map[string]*Stmt {
	all := map[string]*Stmt{}
	for _, p := range purged {
		all[p.table+".purge"], all[p.table+".purgeRest"] = p.stretch, p.rest
	}
	return all
}

// Purge removes rows of a tenant, table by table.
func (t *tx) Purge(ctx context.Context, tenant rentroll.TenantID, limit int) (removed int64, more bool, err error) {
	if t.sole != nil {
		t.sole.AfterCommit(t.store.hot.forget)
	}
	run := func(stmt *Stmt, more ...int) (n int64, err error) {
		err = t.session.Run(ctx, &Request{
			Stmt: stmt, Rows: 1,
			Bind: func(_ int, a Args) {
				a.ID(tenant)
				for _, arg := range more {
					a.Int(int64(arg))
				}
			},
			Scan: func(Row) error { n++; return nil },
		})
		return n, err
	}
	for _, p := range purged {
		if p.stretch != nil {
			n, err := run(p.stretch, limit-int(removed)-1)
			if removed += n; err != nil || n > 0 {
				return removed, true, err
			}
		}
		n, err := run(p.rest) // fewer than a stretch
		if removed += n; err != nil || removed >= int64(limit) {
			return removed, true, err
		}
	}
	return removed, false, nil
}
