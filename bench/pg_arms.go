package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/rentroll/rentroll"
)

// runRow is a row of runs in the order of runColumns.
type runRow struct {
	tenant rentroll.TenantID
	id     rentroll.RunID
	at     time.Time
	ended  bool
}

func newRunRow(tenant rentroll.TenantID, id rentroll.RunID, at time.Time) *runRow {
	return &runRow{tenant: tenant, id: id, at: at}
}

// end makes it a completed run.
func (r *runRow) end() { r.ended = true }

// runTypes are the types of runColumns in PostgreSQL.
//
//nolint:dupword // each for its column
var runTypes = strings.Fields(`uuid uuid text text bigint bigint bigint bigint bigint
	bigint bigint bigint bigint bigint bigint bigint bigint bigint
	bigint bigint bigint bigint bigint bigint bytea
	uuid uuid text uuid bigint uuid uuid text`)

func (r *runRow) values() []any {
	made := r.at.UnixMicro()
	row := []any{
		pgtype.UUID{Bytes: r.tenant, Valid: true},
		pgtype.UUID{Bytes: r.id, Valid: true},
		worker, task, int64(1), nil, nil, int64(0), int64(0),
		nil, nil, nil, nil, nil, int64(1), int64(0), int64(0), int64(0),
		int64(0), rentroll.DefaultLease.Microseconds(), made + rentroll.DefaultLease.Microseconds(), made, nil, int64(0), nil,
		nil, nil, nil, nil, nil, nil, nil, nil,
	}
	if r.ended {
		row[4], row[5], row[6] = int64(3), int64(1), int64(1234)
		for i := 9; i <= 13; i++ {
			row[i] = int64(i) * 100
		}
		row[22] = made + 5_000_000
		row[24] = slices.Concat(r.id[:], r.id[:])
	}
	return row
}

// places writes $1::type, $2::type … for a row of runs; array adds [] to each.
func places(array string) string {
	out := make([]string, len(runTypes))
	for i, t := range runTypes {
		out[i] = fmt.Sprintf("$%d::%s%s", i+1, t, array)
	}
	return strings.Join(out, ", ")
}

const benchLimit = 1_000_000_000

// perCall is an admission as a program without lanes would write it: one transaction a call, in two round trips, from a
// pool of connections.
func (s *pgStage) perCall(ctx context.Context, callers int) (arm, error) {
	pool, err := s.pool(ctx)
	if err != nil {
		return arm{}, err
	}
	insert := "INSERT INTO runs (" + strings.Join(runColumns, ", ") + ") VALUES (" + places("") + ")"
	return s.on("transaction a call", callers, func(ctx context.Context, c *caller, t rentroll.TenantID) error {
		conn, err := pool.Acquire(ctx)
		if err != nil {
			return err
		}
		defer conn.Release()
		tenant := pgtype.UUID{Bytes: t, Valid: true}
		first := &pgx.Batch{}
		var status string
		var today, concurrent, enabled int64
		first.Queue("BEGIN")
		first.Queue("SELECT status, runs_today, concurrent_runs FROM accounts WHERE tenant_id = $1 FOR NO KEY UPDATE", tenant).
			QueryRow(func(row pgx.Row) error { return row.Scan(&status, &today, &concurrent) })
		first.Queue("SELECT enabled FROM workers WHERE tenant_id = $1 AND worker_id = $2", tenant, worker).
			QueryRow(func(row pgx.Row) error { return row.Scan(&enabled) })
		if err := conn.SendBatch(ctx, first).Close(); err != nil {
			return err
		}
		if status != "active" || enabled != 1 || today >= benchLimit || concurrent >= benchLimit {
			return errors.New("denied")
		}
		now := time.Now()
		second := &pgx.Batch{}
		second.Queue(insert, newRunRow(t, runID(now, c.random), now).values()...)
		second.Queue("UPDATE accounts SET runs_today = $2, concurrent_runs = $3, last_now = $4 WHERE tenant_id = $1",
			tenant, today+1, concurrent+1, now.UnixMicro())
		second.Queue("COMMIT")
		return conn.SendBatch(ctx, second).Close()
	}), nil
}

// statement is the best single statement a call: a writable CTE that checks, counts and inserts at once.
func (s *pgStage) statement(ctx context.Context, callers int) (arm, error) {
	pool, err := s.pool(ctx)
	if err != nil {
		return arm{}, err
	}
	n := len(runTypes)
	text := fmt.Sprintf(`WITH admitted AS (
		UPDATE accounts SET runs_today = runs_today + 1, concurrent_runs = concurrent_runs + 1, last_now = $%d
		WHERE tenant_id = $1 AND status = 'active' AND runs_today < $%d AND concurrent_runs < $%d
			AND EXISTS (SELECT 1 FROM workers WHERE workers.tenant_id = $1 AND worker_id = $3 AND enabled = 1)
		RETURNING tenant_id)
		INSERT INTO runs (%s) SELECT %s FROM admitted`, n+1, n+2, n+2, strings.Join(runColumns, ", "), places(""))
	return s.on("statement a call", callers, func(ctx context.Context, c *caller, t rentroll.TenantID) error {
		now := time.Now()
		args := append(newRunRow(t, runID(now, c.random), now).values(), now.UnixMicro(), int64(benchLimit))
		tag, err := pool.Exec(ctx, text, args...)
		if err == nil && tag.RowsAffected() != 1 {
			err = errors.New("denied")
		}
		return err
	}), nil
}

// bare is the bulk insert of the same rows without any decision, on one connection, as arrays: 500 rows a transaction.
func (s *pgStage) bare(ctx context.Context) (arm, error) {
	pool, err := s.pool(ctx)
	if err != nil {
		return arm{}, err
	}
	columns := strings.Join(runColumns, ", ")
	text := "INSERT INTO runs (" + columns + ") SELECT " + columns + " FROM unnest(" + places("[]") + ") AS given(" + columns + ")"
	return arm{name: "bulk", callers: 1, op: func(ctx context.Context, c *caller) (int, error) {
		now := time.Now()
		batch := make([]rentroll.TenantID, bulkRows)
		for i := range batch {
			batch[i] = s.tenants[c.random.IntN(len(s.tenants))]
		}
		slices.SortFunc(batch, rentroll.TenantID.Compare)
		rows := make([][]any, len(batch))
		for i, t := range batch {
			rows[i] = newRunRow(t, runID(now.Add(time.Duration(i)*time.Microsecond), c.random), now).values()
		}
		_, err := pool.Exec(ctx, text, transpose(rows)...)
		return bulkRows, err
	}}, nil
}

// transpose makes an array a column of rows.
func transpose(rows [][]any) []any {
	out := make([]any, len(runTypes))
	for i, t := range runTypes {
		switch t {
		case "uuid":
			column := make([]pgtype.UUID, len(rows))
			for n, row := range rows {
				column[n], _ = row[i].(pgtype.UUID)
			}
			out[i] = column
		case "text":
			column := make([]pgtype.Text, len(rows))
			for n, row := range rows {
				column[n].String, column[n].Valid = row[i].(string)
			}
			out[i] = column
		case "bytea":
			column := make([][]byte, len(rows))
			for n, row := range rows {
				column[n], _ = row[i].([]byte)
			}
			out[i] = column
		default:
			column := make([]pgtype.Int8, len(rows))
			for n, row := range rows {
				column[n].Int64, column[n].Valid = row[i].(int64)
			}
			out[i] = column
		}
	}
	return out
}
