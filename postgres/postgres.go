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

	// Rows that are rewritten by key keep room on their page, so that an update touches no index.
	roomForUpdates = "WITH (fillfactor = 80)"
)

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
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("postgres: the database URL is not valid: %w", err)
	}
	config.ConnConfig.RuntimeParams["search_path"] = pgx.Identifier{opts.Schema}.Sanitize()
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
	create := "CREATE SCHEMA IF NOT EXISTS " + pgx.Identifier{opts.Schema}.Sanitize() //nolint:gosec // a quoted name
	if _, err = db.ExecContext(ctx, create); err != nil && classify(ctx, "", err).Class == rentroll.ClassConflict {
		_, err = db.ExecContext(ctx, create)
	}
	if err != nil {
		return fmt.Errorf("postgres: making the schema %s: %w", opts.Schema, err)
	}
	locker, err := lock.NewPostgresTableLocker()
	if err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	if err := sqlstore.Migrate(ctx, db, goose.DialectPostgres, roomForUpdates, goose.WithLocker(locker)); err != nil {
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

// check refuses a server that is too old or does not keep what it commits.
func (d *database) check(ctx context.Context) error {
	var version int
	var fsync, commit, schema string
	err := d.pool.QueryRow(ctx, `SELECT current_setting('server_version_num')::int, current_setting('fsync'),
		current_setting('synchronous_commit'), COALESCE(current_schema(), '')`).Scan(&version, &fsync, &commit, &schema)
	switch {
	case err != nil:
		return fmt.Errorf("postgres: %w", err)
	case version < oldestServer:
		return fmt.Errorf("postgres: the server is version %d; PostgreSQL 15 or newer is needed", version/10000)
	case schema != d.opts.Schema:
		return fmt.Errorf("postgres: connections use the schema %q and not %q; behind a pooler that drops search_path, set it for the role", schema, d.opts.Schema)
	case !d.opts.AllowUnsafe && (fsync == "off" || commit == "off"):
		return fmt.Errorf("postgres: the server may lose what it commits (fsync=%s, synchronous_commit=%s); switch them on, or allow it", fsync, commit)
	}
	return nil
}

// setup is what every transaction sets for itself.
func setup(o Options) string {
	return fmt.Sprintf("SET LOCAL lock_timeout = %d", o.LockTimeout.Milliseconds())
}

// Traits say that others write to the database, too.
func (d *database) Traits() rentroll.Traits {
	return rentroll.Traits{Name: "postgres", Lanes: d.opts.Lanes, Shared: true}
}

// Remote says that commits may be lost on their way and rows held by others.
func (d *database) Remote() bool { return true }

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
		return nil, classify(ctx, "connect", err)
	}
	return &session{conn: conn, opening: []string{begin, d.setup}}, nil
}

// Close closes all connections.
func (d *database) Close() error {
	d.pool.Close()
	return nil
}
