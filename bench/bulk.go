package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/rentroll/rentroll"
)

// bulkRows is how many rows a transaction of the bare bulk insert holds.
const bulkRows = 500

// runColumns are the columns of the table of runs, in the order of bind's arguments. A test compares them with the
// schema.
var runColumns = strings.Fields(`tenant_id id worker_id task status success total_tokens reserved_tokens tokens_so_far
	total_latency_ms stages_completed recoveries policy_violations cost_micros attempt is_retry late over_soft_limit
	cancel_requested lease lease_expires_at created_at completed_at payloads fingerprint
	api_key_id user_id error parent_run_id started_at family retried_by subject`)

// bulk inserts runs with one prepared statement and decides nothing: what the disk, the log and the indexes allow.
type bulk struct {
	conn   *sqlite.Conn
	insert *sqlite.Stmt
}

// openBulk opens a connection with the settings of the store's writer; at most with synchronous off, for files that are
// being prepared.
func openBulk(path string, durable bool) (*bulk, error) {
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	synchronous := "FULL"
	if !durable {
		synchronous = "OFF"
	}
	for _, pragma := range []string{
		"journal_mode = WAL", "synchronous = " + synchronous, "foreign_keys = 1", "temp_store = MEMORY",
		"cache_size = -65536", "wal_autocheckpoint = 16000",
	} {
		if err := sqlitex.ExecuteTransient(conn, "PRAGMA "+pragma, nil); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", pragma, err), conn.Close())
		}
	}
	places := make([]string, len(runColumns))
	for i := range places {
		places[i] = fmt.Sprintf("?%d", i+1)
	}
	insert, err := conn.Prepare("INSERT INTO runs (" + strings.Join(runColumns, ", ") + ") VALUES (" + strings.Join(places, ", ") + ")")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("preparing the insert: %w", err), conn.Close())
	}
	return &bulk{conn: conn, insert: insert}, nil
}

func (b *bulk) close() error { return b.conn.Close() }

// transaction calls f in a transaction.
func (b *bulk) transaction(f func() error) error {
	if err := sqlitex.Execute(b.conn, "BEGIN IMMEDIATE", nil); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if err := f(); err != nil {
		return errors.Join(err, sqlitex.Execute(b.conn, "ROLLBACK", nil))
	}
	if err := sqlitex.Execute(b.conn, "COMMIT", nil); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// run inserts one run: queued, or completed where ended. What is not bound is NULL.
func (b *bulk) run(tenant rentroll.TenantID, id rentroll.RunID, at time.Time, ended bool) error {
	s, made := b.insert, at.UnixMicro()
	s.BindBytes(1, tenant[:])
	s.BindBytes(2, id[:])
	s.BindText(3, worker)
	s.BindText(4, task)
	s.BindInt64(5, 1)
	for i := 8; i <= 9; i++ {
		s.BindInt64(i, 0)
	}
	s.BindInt64(15, 1)
	for i := 16; i <= 19; i++ {
		s.BindInt64(i, 0)
	}
	s.BindInt64(20, rentroll.DefaultLease.Microseconds())
	s.BindInt64(21, made+rentroll.DefaultLease.Microseconds())
	s.BindInt64(22, made)
	s.BindInt64(24, 0)
	if ended {
		s.BindInt64(5, 3)
		s.BindInt64(6, 1)
		s.BindInt64(7, 1234)
		for i := 10; i <= 14; i++ {
			s.BindInt64(i, int64(i)*100)
		}
		s.BindInt64(23, made+5_000_000)
		s.BindBytes(25, slices.Concat(id[:], id[:]))
	}
	_, err := s.Step()
	return errors.Join(err, s.Reset())
}

// insertRuns is the operation of the baseline: so many queued runs of random tenants in one transaction, in the order of
// their keys, which is the fastest.
func (b *bulk) insertRuns(_ context.Context, c *caller, tenants []rentroll.TenantID) (int, error) {
	now := time.Now()
	batch := make([]rentroll.TenantID, bulkRows)
	for i := range batch {
		batch[i] = tenants[c.random.IntN(len(tenants))]
	}
	slices.SortFunc(batch, rentroll.TenantID.Compare)
	return bulkRows, b.transaction(func() error {
		for i, tenant := range batch {
			if err := b.run(tenant, runID(now.Add(time.Duration(i)*time.Microsecond), c.random), now, false); err != nil {
				return err
			}
		}
		return nil
	})
}

// runID makes an id of a moment, as the engine does: a UUIDv7 with the fraction of the millisecond.
func runID(at time.Time, random *rand.Rand) (id rentroll.RunID) {
	fraction := uint64(at.Nanosecond()%1e6) * 4096 / 1e6
	binary.BigEndian.PutUint64(id[:8], uint64(at.UnixMilli())<<16|7<<12|fraction)
	binary.BigEndian.PutUint64(id[8:], 2<<62|random.Uint64()>>2)
	return id
}
