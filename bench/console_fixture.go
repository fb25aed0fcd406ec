package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	zombie "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/console"
	"github.com/rentroll/rentroll/postgres"
	"github.com/rentroll/rentroll/sqlite"
)

const consoleOthers = 2 + platformTenants // tenants that an engine made: the big one, the copied one, and those that are admitted runs

// bulkSQL is how a database is told to make many rows of one.
type bulkSQL struct {
	numbers string // a table n with a column i, from 1 to %d
	id      string // the id that ends in i
	hash    string // 32 bytes that follow from i
	digits  string // nine digits of i
	end     string // four digits of i
	bytes   string // the bytes of a text
	runID   string // the id of a run of the millisecond ms, which is the i-th
	now     string // in milliseconds
	columns func(table string) ([]string, error)
	exec    func(statement string) error
}

// copyRows makes n rows of the first row of a table for which where holds, but for some columns.
func (b *bulkSQL) copyRows(table, where string, n int, columns map[string]string) error {
	names, err := b.columns(table)
	if err != nil {
		return err
	}
	values := slices.Clone(names)
	for i, name := range names {
		values[i] = "old." + name
		if own, ok := columns[name]; ok {
			values[i] = own
		}
	}
	for name := range maps.Keys(columns) {
		if !slices.Contains(names, name) {
			return fmt.Errorf("%s has no column %s", table, name)
		}
	}
	return b.exec(fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM (SELECT * FROM %s WHERE %s LIMIT 1) AS old, %s", //nolint:unqueryvet // all columns that the table has
		table, strings.Join(names, ", "), strings.Join(values, ", "), table, where, fmt.Sprintf(b.numbers, n)))
}

// fill makes the platform large.
func (b *bulkSQL) fill(big, copied, little rentroll.TenantID) error {
	of := func(id rentroll.TenantID) string { return fmt.Sprintf("tenant_id = %s", b.literal(id)) }
	return errors.Join(
		b.copyRows("accounts", of(copied), consoleTenants, map[string]string{ //nolint:gosec // SQL, not a credential
			"tenant_id": b.id, "plan": "'free'", "runs_today": "i % 100", "tokens_used": "(i * 37) % 1000000",
		}),
		b.copyRows("tenants", of(copied), consoleTenants, map[string]string{
			"tenant_id": b.id, "slug": "'bulk-' || i", "name": "'Bulk ' || i", "search": "'bulk-' || i || ' bulk ' || i", "created_at": "old.created_at - i",
		}),
		b.copyRows("directory", "kind = 'slug' AND value = 'tenant-0001'", consoleTenants, map[string]string{"value": "'bulk-' || i", "owner": b.id}),
		b.copyRows("api_keys", of(big), consoleKeys, map[string]string{
			"id": b.id, "family": b.id, "hash": b.hash, "key_prefix": "'rr_' || " + b.digits, "begins": fmt.Sprintf(b.bytes, "'rr_' || "+b.digits),
			"key_suffix": b.end, "created_at": "old.created_at - i",
		}),
		b.copyRuns(big, consoleRuns),
		b.copyRuns(copied, consoleSomeRuns),
		b.copyRuns(little, consoleFewRuns),
	)
}

// copyRuns gives a tenant runs of the last thirty days, of which each took two seconds.
func (b *bulkSQL) copyRuns(tenant rentroll.TenantID, n int) error {
	const days = 30 * 24 * 3600 * 1000
	at := fmt.Sprintf("(%s - i * %d)", b.now, days/n)
	return b.copyRows("runs", fmt.Sprintf("tenant_id = %s", b.literal(tenant)), n, map[string]string{
		"id": fmt.Sprintf(b.runID, at), "created_at": at + " * 1000", "started_at": at + " * 1000", "completed_at": "(" + at + " + 2000) * 1000",
		"lease_expires_at": "(" + at + " + 900000) * 1000", "status": "3 + i % 4",
	})
}

// literal writes an id in SQL.
func (b *bulkSQL) literal(id rentroll.TenantID) string {
	if strings.Contains(b.id, "uuid") {
		return fmt.Sprintf("'%x'::uuid", id[:])
	}
	return fmt.Sprintf("x'%x'", id[:])
}

var (
	inSQLite = bulkSQL{
		numbers: "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT i FROM n) AS n",
		id:      "unhex(printf('018f%028x', i))", hash: "randomblob(32)", digits: "printf('%09d', i)", end: "printf('%04x', i % 65536)",
		bytes: "CAST(%s AS BLOB)",
		runID: "unhex(printf('%%012x70008%%015x', %s, i))", now: "(unixepoch() * 1000)",
	}
	inPostgres = bulkSQL{
		numbers: "generate_series(1::bigint, %d) AS n(i)",
		id:      "('018f' || lpad(to_hex(i), 28, '0'))::uuid", hash: "sha256(int8send(i))", digits: "lpad(i::text, 9, '0')",
		end: "lpad(to_hex(i % 65536), 4, '0')", bytes: "convert_to(%s, 'UTF8')",
		runID: "(lpad(to_hex(%s), 12, '0') || '70008' || lpad(to_hex(i), 15, '0'))::uuid", now: "(extract(epoch from statement_timestamp())::bigint * 1000)",
	}
)

// consoleOptions are those of an engine whose console is measured.
func consoleOptions() *rentroll.Options {
	return &rentroll.Options{SweepInterval: -1, OperatorSecret: operatorKey}
}

// grow fills a platform through an engine, then in bulk.
func (p *consolePlatform) grow(ctx context.Context, e *rentroll.Engine) error {
	f := &fixture{}
	if err := f.tenantsOf(ctx, e, consoleOthers); err != nil {
		return err
	}
	p.tenants = f.tenants
	runs, err := e.ListRuns(ctx, rentroll.ListRunsParams{TenantID: p.tenants[0]})
	if err != nil {
		return err
	}
	p.run = runs.Items[0].ID
	return nil
}

// begin serves the console of an engine on a store.
func (p *consolePlatform) begin(store rentroll.Store) (err error) {
	if p.engine, err = rentroll.New(store, consoleOptions()); err != nil {
		return errors.Join(err, store.Close())
	}
	p.console, p.store = console.New(p.engine, nil), p.engine.Store()
	return nil
}

func consoleSQLite(ctx context.Context, s settings, emit func(line)) (err error) {
	folder, err := os.MkdirTemp("", "rentroll-bench-console-")
	if err != nil {
		return fmt.Errorf("fixture: %w", err)
	}
	path := filepath.Join(folder, "console.db")
	remove := func() error { return os.RemoveAll(folder) }
	engine, err := open(ctx, path)
	if err != nil {
		return errors.Join(err, remove())
	}
	p := &consolePlatform{}
	if err := errors.Join(p.grow(ctx, engine), engine.Close()); err != nil {
		return errors.Join(err, remove())
	}
	if err := fillSQLite(path, p.tenants); err != nil {
		return errors.Join(err, remove())
	}
	store, err := sqlite.Open(ctx, path, nil)
	if err == nil {
		err = p.begin(store)
	}
	if err != nil {
		return errors.Join(err, remove())
	}
	p.close = func() error { return errors.Join(p.engine.Close(), remove()) }
	return measureConsole(ctx, s, emit, p)
}

func fillSQLite(path string, tenants []rentroll.TenantID) (err error) {
	conn, err := zombie.OpenConn(path, zombie.OpenReadWrite)
	if err != nil {
		return fmt.Errorf("fixture: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if err := sqlitex.ExecuteTransient(conn, "PRAGMA synchronous = OFF", nil); err != nil {
		return err
	}
	b := inSQLite
	b.exec = func(statement string) error { return sqlitex.ExecuteTransient(conn, statement, nil) }
	b.columns = func(table string) (names []string, err error) {
		err = sqlitex.ExecuteTransient(conn, "SELECT name FROM pragma_table_info('"+table+"')", &sqlitex.ExecOptions{
			ResultFunc: func(stmt *zombie.Stmt) error { names = append(names, stmt.ColumnText(0)); return nil },
		})
		return names, err
	}
	return b.fill(tenants[0], tenants[1], tenants[2])
}

func consolePostgres(ctx context.Context, s settings, emit func(line)) error {
	server, err := preparePlatform()
	if err != nil {
		return err
	}
	if err := server.admin(ctx, "CREATE DATABASE console"); err != nil {
		return err
	}
	engine, err := server.open(ctx, "console", nil)
	if err != nil {
		return err
	}
	p := &consolePlatform{}
	if err := errors.Join(p.grow(ctx, engine), engine.Close()); err != nil {
		return err
	}
	if err := fillPostgres(ctx, server.url("console"), p.tenants); err != nil {
		return err
	}
	store, err := postgres.Open(ctx, server.url("console"), nil)
	if err == nil {
		err = p.begin(store)
	}
	if err != nil {
		return err
	}
	p.close = func() error { return errors.Join(p.engine.Close(), server.admin(ctx, "DROP DATABASE console")) }
	return measureConsole(ctx, s, emit, p)
}

func fillPostgres(ctx context.Context, url string, tenants []rentroll.TenantID) (err error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	if _, err := conn.Exec(ctx, "SET search_path TO rentroll"); err != nil {
		return err
	}
	b := inPostgres
	b.exec = func(statement string) error { _, err := conn.Exec(ctx, statement); return err }
	b.columns = func(table string) ([]string, error) {
		rows, err := conn.Query(ctx, "SELECT column_name::text FROM information_schema.columns WHERE table_schema = 'rentroll' AND table_name = $1", table)
		if err != nil {
			return nil, err
		}
		return pgx.CollectRows(rows, pgx.RowTo[string])
	}
	if err := b.fill(tenants[0], tenants[1], tenants[2]); err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "VACUUM ANALYZE")
	return err
}
