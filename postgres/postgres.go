// Package postgres keeps Rentroll's rows in PostgreSQL 15 or newer: the store for platforms that run several servers on
// one database.
//
// A lane's batch costs two round trips and a commit: the claim of its accounts, the load of what its commands name, and
// all its writes in one pipeline with the COMMIT. Bulk reads and writes are single statements over arrays.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/sqlstore"
)

// Options tune a store. Nil and the zero value are fine: every field says what it then means.
type Options struct {
	// Schema is the schema that holds the tables; it is made where there is none. "" is "rentroll".
	Schema string

	// Lanes is how many write transactions run at once. 0 is 2.
	Lanes int

	// Connections bounds the pool. 0 is 16.
	Connections int32

	// Pooled says that a pooler which gives a connection to a client for one transaction at a time stands in between:
	// PgBouncer with pool_mode = transaction. Then no statement is prepared on the server, and each transaction sets for
	// itself what a connection would keep.
	Pooled bool

	// LockTimeout is how long a transaction waits for a row that another one holds. 0 is ten seconds.
	LockTimeout time.Duration

	// AllowUnsafe accepts a server that may lose committed transactions: fsync or synchronous_commit off.
	AllowUnsafe bool
}

const (
	defaultSchema      = "rentroll"
	defaultLanes       = 2
	defaultConnections = 16
	defaultLockTimeout = 10 * time.Second
	oldestServer       = 150000

	// The lock of the migrations: how often it is asked for, and for how long.
	lockTable    = "goose_lock"
	lockPause    = 200 * time.Millisecond
	lockPatience = 5 * time.Minute

	// Rows that are rewritten by key keep room on their page, so that an update touches no index.
	roomForUpdates = "WITH (fillfactor = 80)"
)

var schemaName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

// Open connects to a database and brings its schema up to date; servers that start at once wait for each other. It
// refuses servers older than PostgreSQL 15, schemas made by a newer program, and servers that do not keep what they
// commit.
func Open(ctx context.Context, url string, options *Options) (rentroll.Store, error) {
	opts := Options{}
	if options != nil {
		opts = *options
	}
	if opts.Schema == "" {
		opts.Schema = defaultSchema
	}
	if opts.Lanes <= 0 {
		opts.Lanes = defaultLanes
	}
	if opts.Connections <= 0 {
		opts.Connections = defaultConnections
	}
	if opts.LockTimeout <= 0 {
		opts.LockTimeout = defaultLockTimeout
	}
	if !schemaName.MatchString(opts.Schema) {
		return nil, fmt.Errorf("postgres: the schema's name %q is not lower-case letters, digits and underscores", opts.Schema)
	}
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("postgres: the database URL is not valid: %w", err)
	}
	configure(config.ConnConfig, opts)
	config.MaxConns = max(opts.Connections, int32(opts.Lanes)+2)
	if err := migrate(ctx, config.ConnConfig, opts); err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	d := &database{pool: pool, opts: opts, setup: setup(opts)}
	if err := d.check(ctx); err != nil {
		pool.Close()
		return nil, err
	}
	return sqlstore.New(d), nil
}

// migrate brings the schema up to date, through a connection of its own and under a lock that is a row in a table: it
// needs no session, and ends by itself when its holder dies.
func migrate(ctx context.Context, config *pgx.ConnConfig, opts Options) (err error) {
	config = config.Copy()
	db := stdlib.OpenDB(*config)
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(2)
	// Two servers that make the same schema at once may both find it missing; the one that comes second is told so and
	// looks again.
	create := "CREATE SCHEMA IF NOT EXISTS " + opts.Schema //nolint:gosec // a checked name
	if _, err = db.ExecContext(ctx, create); err != nil && classify("", err).Class == rentroll.ClassConflict {
		_, err = db.ExecContext(ctx, create)
	}
	if err != nil {
		return fmt.Errorf("postgres: making the schema %s: %w", opts.Schema, err)
	}
	// The names are qualified, because behind a pooler a connection has no search path.
	locker, err := lock.NewPostgresTableLocker(lock.WithTableName(opts.Schema+"."+lockTable),
		lock.WithTableLockTimeout(lockPause, uint64(lockPatience/lockPause)))
	if err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	m := sqlstore.Migrator{
		Dialect: goose.DialectPostgres, Clustered: roomForUpdates, Opening: setup(opts),
		Table: opts.Schema + "." + goose.DefaultTablename, Options: []goose.ProviderOption{goose.WithLocker(locker)},
	}
	if err := m.Migrate(ctx, db); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	return nil
}

// database is the dialect of sqlstore for one PostgreSQL database.
type database struct {
	pool  *pgxpool.Pool
	opts  Options
	setup string
}

// configure sets what every connection needs: where the tables are, and how long it may wait and be silent, so that a
// server that died holds no lock for long.
func configure(config *pgx.ConnConfig, o Options) {
	if o.Pooled {
		config.DefaultQueryExecMode = pgx.QueryExecModeExec // of the migrations; all else says its types itself
		return
	}
	maps.Copy(config.RuntimeParams, parameters(o))
}

// parameters are the settings of a connection or, behind a pooler, of a transaction.
func parameters(o Options) map[string]string {
	wait := strconv.FormatInt(o.LockTimeout.Milliseconds(), 10)
	return map[string]string{
		"search_path": o.Schema, "lock_timeout": wait,
		// Plans are made while tables are small and kept while they grow: only those are wanted that stay good.
		"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off", "jit": "off",
	}
}

// setup returns the statement by which a transaction sets the parameters for itself; "" where its connection has them.
func setup(o Options) string {
	if !o.Pooled {
		return ""
	}
	var calls []string
	for name, value := range parameters(o) {
		calls = append(calls, fmt.Sprintf("set_config(%s, %s, true)", quoted(name), quoted(value)))
	}
	slices.Sort(calls)
	return "SELECT " + strings.Join(calls, ", ")
}

var serverSettings = &sqlstore.Stmt{SQL: `SELECT current_setting('server_version_num')::int, current_setting('fsync'),
	current_setting('synchronous_commit'), COALESCE(current_schema(), '')`}

// check refuses a server that is too old or does not keep what it commits.
func (d *database) check(ctx context.Context) error {
	var version int64
	var fsync, commit, schema string
	session, err := d.Read(ctx)
	if err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	defer session.Rollback()
	err = session.Run(ctx, &sqlstore.Request{Stmt: serverSettings, Rows: 1, Bind: func(int, sqlstore.Args) {}, Scan: func(row sqlstore.Row) error {
		version, fsync, commit, schema = row.Int(), row.Text(), row.Text(), row.Text()
		return nil
	}})
	switch {
	case err != nil:
		return fmt.Errorf("postgres: %w", err)
	case version < oldestServer:
		return fmt.Errorf("postgres: the server is version %d; PostgreSQL 15 or newer is needed", version/10000)
	case schema != d.opts.Schema:
		return fmt.Errorf("postgres: connections use the schema %q and not %q: does a pooler stand in between? Then say so", schema, d.opts.Schema)
	case !d.opts.AllowUnsafe && (fsync == "off" || commit == "off"):
		return fmt.Errorf("postgres: the server may lose what it commits (fsync=%s, synchronous_commit=%s); switch them on, or allow it", fsync, commit)
	}
	return nil
}

// Traits say that others write to the database, too.
func (d *database) Traits() rentroll.Traits {
	return rentroll.Traits{Name: "postgres", Lanes: d.opts.Lanes, Shared: true}
}

// Remote says that commits may be lost on their way and rows held by others.
func (d *database) Remote() bool { return true }

// Clock is the time of the server's machine: not that of the transaction's begin.
func (d *database) Clock() string {
	return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"
}

// Write opens a write transaction. It reads what is committed at each statement, not at its begin: what it reads after
// it has waited for a lock must be what the lock's last holder has left.
func (d *database) Write(ctx context.Context) (sqlstore.Session, error) {
	return d.begin(ctx, "BEGIN ISOLATION LEVEL READ COMMITTED")
}

// Read opens a snapshot.
func (d *database) Read(ctx context.Context) (sqlstore.Session, error) {
	return d.begin(ctx, "BEGIN READ ONLY ISOLATION LEVEL REPEATABLE READ")
}

func (d *database) begin(ctx context.Context, begin string) (sqlstore.Session, error) {
	conn, err := d.pool.Acquire(ctx)
	if err != nil {
		return nil, classify("connect", err)
	}
	opening := []string{begin}
	if d.setup != "" {
		opening = append(opening, d.setup)
	}
	return &session{conn: conn, opening: opening, pooled: d.opts.Pooled}, nil
}

// Close closes all connections.
func (d *database) Close() error {
	d.pool.Close()
	return nil
}
