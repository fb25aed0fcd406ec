package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/rentroll/rentroll"
)

// Old rows are listed in the order of a key, a bounded stretch at a time, and deleted by their keys. What is keyed by time
// is found by it; what is not is walked through, which costs a read of each row now and then, where an index by time would
// cost each admission a write.
var (
	oldUsage   = &Stmt{SQL: "SELECT time, id FROM usage_events WHERE tenant_id = $1 AND time < $2 ORDER BY time, id LIMIT $3"}
	oldCounts  = &Stmt{SQL: "SELECT minute, code, quota FROM denial_counts WHERE tenant_id = $1 AND minute < $2 ORDER BY minute, code, quota LIMIT $3"}
	oldDenials = &Stmt{SQL: "SELECT id FROM denials WHERE tenant_id = $1 AND id < $2 ORDER BY id LIMIT $3"}
	// Runs are made before they end: those with a later id are not old yet.
	oldRuns = &Stmt{SQL: `SELECT id, payloads, CASE WHEN status > 2 THEN completed_at END FROM runs
		WHERE tenant_id = $1 AND id > $2 AND id < $3 ORDER BY id LIMIT $4`}
	oldMarks = &Stmt{SQL: "SELECT event_id, recorded_at FROM usage_marks WHERE tenant_id = $1 AND event_id > $2 ORDER BY event_id LIMIT $3"}
	oldOnce  = &Stmt{SQL: `SELECT operation, key, created_at FROM idempotency
		WHERE tenant_id = $1 AND (tenant_id, operation, key) > ($1, $2, $3) ORDER BY tenant_id, operation, key LIMIT $4`}

	removeCount = &Stmt{
		SQL:  "DELETE FROM denial_counts WHERE tenant_id = $1 AND minute = $2 AND code = $3 AND quota = $4",
		Bulk: &Bulk{Op: OpDelete, Table: "denial_counts", Columns: columns("tenant_id:id minute code:text quota:text"), Keys: 4},
	}
	// An event id or a key that was pruned may be in use again, for something new, when somebody prunes who listed it before.
	removeMark = &Stmt{
		SQL:  "DELETE FROM usage_marks WHERE tenant_id = $1 AND event_id = $2 AND recorded_at = $3",
		Bulk: &Bulk{Op: OpDelete, Table: "usage_marks", Columns: columns("tenant_id:id event_id:text recorded_at"), Keys: 3},
	}
	removeOnce = &Stmt{
		SQL:  "DELETE FROM idempotency WHERE tenant_id = $1 AND operation = $2 AND key = $3 AND created_at = $4",
		Bulk: &Bulk{Op: OpDelete, Table: "idempotency", Columns: columns("tenant_id:id operation:text key:text created_at"), Keys: 4},
	}
	markPruned = &Stmt{SQL: `INSERT INTO pruned (tenant_id, kind, until_at) VALUES ($1, $2, $3)
		ON CONFLICT (tenant_id, kind) DO UPDATE SET until_at = excluded.until_at WHERE pruned.until_at < excluded.until_at`}
	listPruned = &Stmt{SQL: "SELECT kind, until_at FROM pruned WHERE tenant_id = $1"}
)

// ListOld lists what is old.
func (r *reader) ListOld(ctx context.Context, f rentroll.OldFilter) (out rentroll.OldRows, err error) {
	stmt, bind := oldQuery(f)
	if stmt == nil {
		return out, fmt.Errorf("sqlstore: nothing is pruned of %q", f.Kind)
	}
	err = r.ask(ctx, stmt, bind, func(row Row) error {
		old, at := scanOld(f.Kind, row)
		out.Looked++
		out.Next = old
		if !at.IsZero() && at.Before(f.Before) {
			out.Rows = append(out.Rows, old)
		}
		return nil
	})
	return out, err
}

// oldQuery says how old rows of a kind are looked for.
func oldQuery(f rentroll.OldFilter) (stmt *Stmt, bind func(a Args)) {
	byTime := func(a Args) {
		a.ID(f.TenantID)
		a.Int(f.Before.UnixMicro())
		a.Int(int64(f.Limit))
	}
	switch f.Kind {
	case rentroll.PruneUsage:
		return oldUsage, byTime
	case rentroll.PruneDenialCounts:
		return oldCounts, byTime
	case rentroll.PruneDenials:
		return oldDenials, func(a Args) {
			a.ID(f.TenantID)
			a.ID(firstID(f.Before))
			a.Int(int64(f.Limit))
		}
	case rentroll.PruneRuns:
		return oldRuns, func(a Args) {
			a.ID(f.TenantID)
			a.ID(f.After.ID)
			a.ID(firstID(f.Before.Add(time.Millisecond)))
			a.Int(int64(f.Limit))
		}
	case rentroll.PruneMarks:
		return oldMarks, func(a Args) {
			a.ID(f.TenantID)
			a.Text(f.After.Text)
			a.Int(int64(f.Limit))
		}
	case rentroll.PruneOnce:
		return oldOnce, func(a Args) {
			a.ID(f.TenantID)
			a.Text(f.After.Text)
			a.Text(f.After.More)
			a.Int(int64(f.Limit))
		}
	case rentroll.PruneSubjects: // the engine finds them
	}
	return nil, nil
}

// scanOld reads a row, and the time that says how old it is; zero where it never is.
func scanOld(kind rentroll.PruneKind, row Row) (old rentroll.OldRow, at time.Time) {
	switch kind {
	case rentroll.PruneUsage:
		old.At, old.ID = scanTime(row), row.ID()
		return old, old.At
	case rentroll.PruneDenialCounts:
		old.At, old.Text, old.More = time.UnixMicro(row.Int()).UTC(), row.Text(), row.Text()
		return old, old.At
	case rentroll.PruneDenials:
		old.ID = row.ID()
		return old, time.UnixMilli(1) // the statement has no young ones
	case rentroll.PruneRuns:
		old.ID, old.Payloads = row.ID(), rentroll.PayloadKind(row.Int())
	case rentroll.PruneMarks:
		old.Text, old.At = row.Text(), scanTime(row)
		return old, old.At
	case rentroll.PruneOnce:
		old.Text, old.More, old.At = row.Text(), row.Text(), scanTime(row)
		return old, old.At
	case rentroll.PruneSubjects: // oldQuery finds none
	}
	return old, scanTime(row)
}

// ListPruned says what was pruned.
func (r *reader) ListPruned(ctx context.Context, tenant rentroll.TenantID) (out []rentroll.PrunedMark, err error) {
	err = r.ask(ctx, listPruned, func(a Args) { a.ID(tenant) }, func(row Row) error {
		out = append(out, rentroll.PrunedMark{TenantID: tenant, Kind: rentroll.PruneKind(row.Text()), Until: scanTime(row)})
		return nil
	})
	return out, err
}

// Prune deletes rows, and says so.
func (s *Store) Prune(ctx context.Context, mark rentroll.PrunedMark, rows []rentroll.OldRow) error {
	session, _, err := s.write(ctx)
	if err != nil {
		return err
	}
	defer session.Rollback()
	requests := prunes(mark.TenantID, mark.Kind, rows, nil)
	if !mark.Until.IsZero() {
		requests = savePruned([]*rentroll.PrunedMark{&mark}, requests)
	}
	if err := session.Run(ctx, requests...); err != nil {
		return err
	}
	return session.Commit(ctx)
}

// prunes deletes rows by their keys.
func prunes(tenant rentroll.TenantID, kind rentroll.PruneKind, rows []rentroll.OldRow, requests []*Request) []*Request {
	remove := func(stmt *Stmt, bind func(a Args, r rentroll.OldRow)) []*Request {
		return append(requests, &Request{Stmt: stmt, Rows: len(rows), Bind: func(i int, a Args) {
			a.ID(tenant)
			bind(a, rows[i])
		}})
	}
	switch kind {
	case rentroll.PruneUsage:
		return remove(usage.remove, func(a Args, r rentroll.OldRow) { bindTime(a, r.At); a.ID(r.ID) })
	case rentroll.PruneDenialCounts:
		return remove(removeCount, func(a Args, r rentroll.OldRow) { a.Int(r.At.UnixMicro()); a.Text(r.Text); a.Text(r.More) })
	case rentroll.PruneDenials:
		return remove(denials.remove, func(a Args, r rentroll.OldRow) { a.ID(r.ID) })
	case rentroll.PruneMarks:
		return remove(removeMark, func(a Args, r rentroll.OldRow) { a.Text(r.Text); bindTime(a, r.At) })
	case rentroll.PruneOnce:
		return remove(removeOnce, func(a Args, r rentroll.OldRow) { a.Text(r.Text); a.Text(r.More); bindTime(a, r.At) })
	case rentroll.PruneRuns, rentroll.PruneSubjects: // these go with the account's batch
	}
	return requests
}

// savePruned notes what was pruned.
func savePruned(pruned []*rentroll.PrunedMark, requests []*Request) []*Request {
	if len(pruned) == 0 {
		return requests
	}
	return append(requests, &Request{Stmt: markPruned, Rows: len(pruned), Bind: func(i int, a Args) {
		a.ID(pruned[i].TenantID)
		a.Text(string(pruned[i].Kind))
		bindTime(a, pruned[i].Until)
	}})
}

// removePayloads deletes payloads of runs that go.
func removePayloads(gone []rentroll.PayloadRef, requests []*Request) []*Request {
	if len(gone) == 0 {
		return requests
	}
	return append(requests, &Request{Stmt: payloads.remove, Rows: len(gone), Bind: func(i int, a Args) {
		runs.bindKey(a, gone[i].RunRef)
		a.Int(int64(gone[i].Kind))
	}})
}
