package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/rentroll/rentroll"
)

// The states of a run as numbers, in the order of a run's life; the open ones come first.
var runStates = [...]rentroll.RunStatus{
	1: rentroll.RunQueued, 2: rentroll.RunRunning, 3: rentroll.RunCompleted,
	4: rentroll.RunFailed, 5: rentroll.RunCanceled, 6: rentroll.RunCrashed,
}

func stateNumber(s rentroll.RunStatus) int64 {
	for n, state := range runStates {
		if state == s && n > 0 {
			return int64(n)
		}
	}
	panic("sqlstore: unknown state of a run: " + string(s))
}

var runs = prepare(table[rentroll.RunRef, rentroll.Run]{
	name: "runs",
	columns: columns(`tenant_id:id id:id worker_id:text api_key_id:id user_id:id task:text status success error:text
		total_tokens reserved_tokens tokens_so_far total_latency_ms stages_completed recoveries policy_violations
		cost_micros parent_run_id:id attempt is_retry late over_soft_limit cancel_requested lease lease_expires_at
		created_at started_at completed_at family:id payloads fingerprint:bytes retried_by:id subject:text`),
	keys: 2,
	bindKey: func(a Args, k rentroll.RunRef) {
		a.ID(k.TenantID)
		a.ID(k.RunID)
	},
	bind: bindRun,
	scan: scanRun,
})

func bindRun(a Args, r *rentroll.Run) {
	a.ID(r.TenantID)
	a.ID(r.ID)
	a.Text(r.WorkerID)
	bindNullID(a, r.APIKeyID)
	bindNullID(a, r.UserID)
	a.Text(r.Task)
	a.Int(stateNumber(r.Status))
	bindNullBool(a, r.Success)
	bindNullText(a, r.Error)
	bindNullInt(a, r.TotalTokens)
	a.Int(r.ReservedTokens)
	a.Int(r.TokensSoFar)
	bindNullInt(a, r.TotalLatencyMS)
	bindNullInt(a, r.StagesCompleted)
	bindNullInt(a, r.Recoveries)
	bindNullInt(a, r.PolicyViolations)
	bindNullInt(a, r.CostMicros)
	bindNullID(a, r.ParentRunID)
	a.Int(r.Attempt)
	bindBool(a, r.IsRetry)
	bindBool(a, r.Late)
	bindBool(a, r.OverSoftLimit)
	bindBool(a, r.CancelRequested)
	a.Int(r.Lease.Microseconds())
	bindTime(a, r.LeaseExpiresAt)
	bindTime(a, r.CreatedAt)
	bindNullTime(a, r.StartedAt)
	bindNullTime(a, r.CompletedAt)
	bindNullID(a, r.Family)
	a.Int(int64(r.Payloads))
	bindNullHash(a, r.Fingerprint)
	bindNullID(a, r.RetriedBy)
	bindNullText(a, r.Subject)
}

func scanRun(row Row) (rentroll.RunRef, *rentroll.Run, error) {
	r := &rentroll.Run{TenantID: row.ID(), ID: row.ID()}
	ref := rentroll.RunRef{TenantID: r.TenantID, RunID: r.ID}
	r.WorkerID = row.Text()
	r.APIKeyID = row.ID()
	r.UserID = row.ID()
	r.Task = row.Text()
	state := row.Int()
	if state < 1 || state >= int64(len(runStates)) {
		return ref, nil, fmt.Errorf("sqlstore: run %s has the unknown state %d", r.ID, state)
	}
	r.Status = runStates[state]
	r.Success = scanNullBool(row)
	r.Error = rentroll.NullString(row.Text())
	r.TotalTokens = scanNullInt(row)
	r.ReservedTokens = row.Int()
	r.TokensSoFar = row.Int()
	r.TotalLatencyMS = scanNullInt(row)
	r.StagesCompleted = scanNullInt(row)
	r.Recoveries = scanNullInt(row)
	r.PolicyViolations = scanNullInt(row)
	r.SetCost(scanNullInt(row))
	r.ParentRunID = row.ID()
	r.Attempt = row.Int()
	r.IsRetry = scanBool(row)
	r.Late = scanBool(row)
	r.OverSoftLimit = scanBool(row)
	r.CancelRequested = scanBool(row)
	r.Lease = time.Duration(row.Int()) * time.Microsecond
	r.LeaseExpiresAt = scanTime(row)
	r.CreatedAt = scanTime(row)
	r.StartedAt = scanNullTime(row)
	r.CompletedAt = scanNullTime(row)
	r.Family = row.ID()
	r.Payloads = rentroll.PayloadKind(row.Int())
	r.Fingerprint = scanHash(row)
	r.RetriedBy = row.ID()
	r.Subject = rentroll.NullString(row.Text())
	return ref, r, nil
}

var payloads = prepare(table[rentroll.RunRef, rentroll.Payload]{
	name:    "run_payloads",
	columns: columns("tenant_id:id run_id:id kind body:bytes"),
	keys:    3,
	bind: func(a Args, r *rentroll.Payload) {
		a.ID(r.TenantID)
		a.ID(r.RunID)
		a.Int(int64(r.Kind))
		a.Bytes(r.Body)
	},
})

var workers = prepare(table[rentroll.WorkerRef, rentroll.Worker]{
	name:    "workers",
	columns: columns("tenant_id:id worker_id:text enabled first_used_at"),
	keys:    2,
	bindKey: func(a Args, k rentroll.WorkerRef) {
		a.ID(k.TenantID)
		a.Text(k.WorkerID)
	},
	bind: func(a Args, r *rentroll.Worker) {
		a.ID(r.TenantID)
		a.Text(r.WorkerID)
		bindBool(a, r.Enabled)
		bindNullTime(a, r.FirstUsedAt)
	},
	scan: func(row Row) (rentroll.WorkerRef, *rentroll.Worker, error) {
		r := &rentroll.Worker{TenantID: row.ID(), WorkerID: row.Text()}
		r.Enabled = scanBool(row)
		r.FirstUsedAt = scanNullTime(row)
		return rentroll.WorkerRef{TenantID: r.TenantID, WorkerID: r.WorkerID}, r, nil
	},
})

// Lists of runs come newest first, and look at no more than $4 runs of the tenant. A filter that is not asked for is 0
// or empty.
const scannedRuns = " FROM runs WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT $4"

var (
	overdueRuns      = runs.query("WHERE tenant_id = $1 AND status <= 2 ORDER BY lease_expires_at LIMIT $2")
	countOverdueRuns = &Stmt{SQL: `SELECT COUNT(*), CAST(COALESCE(SUM(reserved_tokens), 0) AS BIGINT),
		CAST(COALESCE(SUM(tokens_so_far), 0) AS BIGINT)
		FROM runs WHERE tenant_id = $1 AND status <= 2 AND lease_expires_at <= $2`}
	listRuns     = runs.query("WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3")
	filterRuns   = filteredRuns("")
	filterRunsOf = filteredRuns(" AND api_key_id = $7")
	openRuns     = filteredOpenRuns("")
	openRunsOf   = filteredOpenRuns(" AND api_key_id = $7")
	lastScanned  = &Stmt{SQL: "SELECT id FROM runs WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT 2 OFFSET $3"}
	loadPayload  = &Stmt{SQL: "SELECT kind, body FROM run_payloads WHERE tenant_id = $1 AND run_id = $2"}
	listWorkers  = workers.query("WHERE tenant_id = $1 ORDER BY worker_id")
)

// filteredRuns reads runs by status and worker, and what else is asked for.
func filteredRuns(more string) *Stmt {
	return &Stmt{SQL: "SELECT " + names(runs.columns) + " FROM (SELECT " + names(runs.columns) + scannedRuns +
		") AS scanned WHERE ($5 = 0 OR status = $5) AND ($6 = '' OR worker_id = $6)" + more + " ORDER BY id DESC LIMIT $3"}
}

// filteredOpenRuns does the same where all open runs are looked at, which are at most $4.
func filteredOpenRuns(more string) *Stmt {
	return &Stmt{SQL: "SELECT " + names(runs.columns) + " FROM (SELECT " + names(runs.columns) +
		" FROM runs WHERE tenant_id = $1 AND status <= 2 ORDER BY lease_expires_at LIMIT $4) AS open" +
		" WHERE id < $2 AND status = $5 AND ($6 = '' OR worker_id = $6)" + more + " ORDER BY id DESC LIMIT $3"}
}

// askRuns loads the open runs whose lease has run out, and the first whose has not.
func askRuns(b *rentroll.Batch, requests []*Request) []*Request {
	for tenant, answer := range b.OverdueRuns {
		if answer != nil {
			continue
		}
		overdue := &rentroll.OverdueRuns{}
		b.OverdueRuns[tenant] = overdue
		requests = append(requests, &Request{
			Stmt: overdueRuns, Rows: 1,
			Bind: func(_ int, a Args) {
				a.ID(tenant)
				a.Int(rentroll.MaxOverdue + 1)
			},
			Scan: runs.found(func(ref rentroll.RunRef, run *rentroll.Run) {
				switch {
				case !run.LeaseExpiresAt.After(b.Now) && len(overdue.Runs) < rentroll.MaxOverdue:
					b.Runs.Found(ref, run)
					overdue.Runs = append(overdue.Runs, run)
				case overdue.Next.IsZero():
					overdue.Next = run.LeaseExpiresAt
				}
			}),
		})
	}
	return requests
}

// CountOverdueRuns adds up what the open runs hold whose lease has run out.
func (r *reader) CountOverdueRuns(ctx context.Context, tenant rentroll.TenantID, now time.Time) (out rentroll.OverdueSum, err error) {
	err = r.session.Run(ctx, &Request{
		Stmt: countOverdueRuns, Rows: 1,
		Bind: func(_ int, a Args) {
			a.ID(tenant)
			bindTime(a, now)
		},
		Scan: func(row Row) error {
			out = rentroll.OverdueSum{Runs: row.Int(), Reserved: row.Int(), Tokens: row.Int()}
			return nil
		},
	})
	return out, err
}

// ListRuns lists runs, newest first.
func (r *reader) ListRuns(ctx context.Context, f rentroll.RunFilter) (out rentroll.RunPage, err error) {
	plain := f.Status == "" && f.WorkerID == "" && f.APIKeyID.IsZero()
	open := f.FewOpen && (f.Status == rentroll.RunQueued || f.Status == rentroll.RunRunning)
	request := &Request{
		Stmt: filterRuns, Rows: 1,
		Bind: func(_ int, a Args) {
			a.ID(f.TenantID)
			a.ID(before(f.Before))
			a.Int(int64(f.Limit) + 1) // one more says whether there is a next page
			if plain {
				return
			}
			a.Int(int64(f.Scan))
			if f.Status == "" {
				a.Int(0)
			} else {
				a.Int(stateNumber(f.Status))
			}
			a.Text(f.WorkerID)
			if !f.APIKeyID.IsZero() {
				a.ID(f.APIKeyID)
			}
		},
		Scan: runs.found(func(_ rentroll.RunRef, run *rentroll.Run) { out.Runs = append(out.Runs, run) }),
	}
	switch {
	case plain:
		request.Stmt = listRuns
	case open && f.APIKeyID.IsZero():
		request.Stmt = openRuns
	case open:
		request.Stmt = openRunsOf
	case !f.APIKeyID.IsZero():
		request.Stmt = filterRunsOf
	}
	if err := r.session.Run(ctx, request); err != nil {
		return out, err
	}
	if len(out.Runs) > f.Limit {
		out.Runs = out.Runs[:f.Limit]
		out.Next = out.Runs[f.Limit-1].ID
		return out, nil
	}
	if plain || open {
		return out, nil
	}
	// Fewer than asked for: the list ends here, or there is a run behind the last that was looked at.
	var ends []rentroll.RunID
	err = r.session.Run(ctx, &Request{
		Stmt: lastScanned, Rows: 1,
		Bind: func(_ int, a Args) {
			a.ID(f.TenantID)
			a.ID(before(f.Before))
			a.Int(int64(f.Scan) - 1)
		},
		Scan: func(row Row) error {
			ends = append(ends, row.ID())
			return nil
		},
	})
	if len(ends) > 1 {
		out.Next = ends[0]
	}
	return out, err
}

// LoadPayloads returns the payloads of a run.
func (r *reader) LoadPayloads(ctx context.Context, run rentroll.RunRef) (out []*rentroll.Payload, err error) {
	err = r.session.Run(ctx, &Request{
		Stmt: loadPayload, Rows: 1,
		Bind: func(_ int, a Args) { runs.bindKey(a, run) },
		Scan: func(row Row) error {
			out = append(out, &rentroll.Payload{
				TenantID: run.TenantID, RunID: run.RunID,
				Kind: rentroll.PayloadKind(row.Int()), Body: json.RawMessage(row.Bytes()),
			})
			return nil
		},
	})
	return out, err
}

// ListWorkers lists the workers of a tenant, by id.
func (r *reader) ListWorkers(ctx context.Context, tenant rentroll.TenantID) (out []*rentroll.Worker, err error) {
	err = r.session.Run(ctx, &Request{
		Stmt: listWorkers, Rows: 1, Bind: func(_ int, a Args) { a.ID(tenant) },
		Scan: workers.found(func(_ rentroll.WorkerRef, w *rentroll.Worker) { out = append(out, w) }),
	})
	return out, err
}
