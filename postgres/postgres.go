// Package postgres keeps Rentroll's rows in PostgreSQL 15 or newer: the store for platforms that run several servers on
// one database.
//
// A lane's batch costs two round trips and a commit: the claim of its accounts, the load of what its commands name, and
// all its writes in one pipeline with the COMMIT. Bulk reads and writes are single statements over arrays.
package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
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

	// Connections bounds how many connections are open. A transaction that writes finds one free whatever is read: Lanes
	// and six more are kept for writing, and at least two are for reading. 0 is 16.
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

	// Connections: what is kept for writing beside the lanes (for bulk, what waits, looks up and announces), and for reading.
	beside        = 6 // among them the lane for bulk
	fewestReading = 2

	// How long is waited for a connection, for the sign of life of one that was idle, for its farewell, for a statement
	// beyond the longest wait for a lock, for the answers of a pipeline that waits for no lock, and by the server for a
	// transaction that says nothing: one of a program that died with its machine holds its rows for that long.
	connectTimeout  = 5 * time.Second
	pingTimeout     = 2 * time.Second
	closeTimeout    = time.Second
	statementBeyond = 5 * time.Second
	answerTimeout   = 10 * time.Second
	silenceTimeout  = 10 * time.Second

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
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = connectTimeout
	}
	config.PingTimeout = pingTimeout
	config.BeforeClose = func(conn *pgx.Conn) {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		_ = conn.Close(ctx) // the pool itself would wait for 15 seconds for a server that has vanished
	}
	config.ConnConfig.DialFunc = (&net.Dialer{ // a machine that vanished does not say so
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 3 * time.Second, Count: 3},
	}).DialContext
	migrating := config.ConnConfig.Copy()
	if !opts.Pooled {
		maps.Copy(config.ConnConfig.RuntimeParams, parameters(opts))
	}
	d, err := connect(ctx, config, opts)
	if err != nil {
		return nil, err
	}
	err = d.check(ctx) // before anything is made, perhaps in the wrong place
	if err == nil {
		err = migrate(ctx, migrating, opts)
	}
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return sqlstore.New(d), nil
}

// connect makes the pools. They open connections when they are needed.
func connect(ctx context.Context, config *pgxpool.Config, opts Options) (*database, error) {
	d := &database{opts: opts}
	if opts.Pooled {
		d.setup = setting(parameters(opts))
	}
	var err error
	writing := int32(opts.Lanes) + beside
	if d.writing, err = newPool(ctx, config, writing); err != nil {
		return nil, err
	}
	if d.reading, err = newPool(ctx, config.Copy(), max(opts.Connections-writing, fewestReading)); err != nil {
		d.writing.Close()
		return nil, err
	}
	return d, nil
}

// pool lends connections. It bounds how many are lent and not how many there are: one that is dead may take 15 seconds
// to be closed, and must keep nobody from a living one.
type pool struct {
	*pgxpool.Pool

	lent chan struct{}
}

func newPool(ctx context.Context, config *pgxpool.Config, size int32) (*pool, error) {
	config.MaxConns = 2 * size
	p, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	return &pool{p, make(chan struct{}, size)}, nil
}

// lend waits for a connection.
func (p *pool) lend(ctx context.Context) (*pgxpool.Conn, error) {
	select {
	case p.lent <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	conn, err := p.Acquire(ctx)
	if err != nil {
		<-p.lent
	}
	return conn, err
}

// takeBack ends what lend began.
func (p *pool) takeBack(conn *pgxpool.Conn) {
	conn.Release()
	<-p.lent
}

// migrate brings the schema up to date, through a connection of its own and under a lock that is a row in a table: it
// needs no session, and ends by itself when its holder dies. Statements may take as long as they need and are planned as
// the server does by itself; only for the lock of a table they do not wait for long, since all others wait behind them.
func migrate(ctx context.Context, config *pgx.ConnConfig, opts Options) (err error) {
	settings := map[string]string{"search_path": opts.Schema, "lock_timeout": milliseconds(opts.LockTimeout)}
	opening := ""
	if opts.Pooled {
		config.DefaultQueryExecMode = pgx.QueryExecModeExec // nothing may be prepared
		opening = setting(settings)
	} else {
		maps.Copy(config.RuntimeParams, settings)
	}
	db := stdlib.OpenDB(*config)
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(2)
	if err := createSchema(ctx, db, opts.Schema); err != nil {
		return fmt.Errorf("postgres: making the schema %s: %w", opts.Schema, err)
	}
	// The names are qualified, because behind a pooler a connection has no search path.
	locker, err := lock.NewPostgresTableLocker(lock.WithTableName(opts.Schema+"."+lockTable),
		lock.WithTableLockTimeout(lockPause, uint64(lockPatience/lockPause)))
	if err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	m := sqlstore.Migrator{
		Dialect: goose.DialectPostgres, Clustered: roomForUpdates, Bytes: "convert_to(%s, 'UTF8')", Opening: opening,
		Table: opts.Schema + "." + goose.DefaultTablename, Options: []goose.ProviderOption{goose.WithLocker(locker)},
	}
	if err := m.Migrate(ctx, db); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	return nil
}

// createSchema makes the schema where there is none: to ask for it takes a right that who only uses it need not have.
func createSchema(ctx context.Context, db *sql.DB, name string) error {
	found := 0
	if err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM pg_namespace WHERE nspname = $1", name).Scan(&found); err != nil || found > 0 {
		return err
	}
	// Two servers that make the same schema at once may both find it missing; the one that comes second is told so and
	// looks again.
	create := "CREATE SCHEMA IF NOT EXISTS " + name //nolint:gosec // a checked name
	_, err := db.ExecContext(ctx, create)
	if err != nil && classify("", err).Class == rentroll.ClassConflict {
		_, err = db.ExecContext(ctx, create)
	}
	return err
}

// database is the dialect of sqlstore for one PostgreSQL database.
type database struct {
	writing, reading *pool
	opts             Options
	setup            string // what a transaction begins with behind a pooler
}

// parameters are the settings of a connection or, behind a pooler, of a transaction: where the tables are, and how long
// it may wait and be silent, so that a server that died holds no lock for long.
func parameters(o Options) map[string]string {
	return map[string]string{
		"search_path": o.Schema, "lock_timeout": milliseconds(o.LockTimeout),
		"statement_timeout": milliseconds(o.LockTimeout + statementBeyond), "idle_in_transaction_session_timeout": milliseconds(silenceTimeout),
		"tcp_keepalives_idle": "30", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "3",
		// Plans are made while tables are small and kept while they grow. What remains walks indexes in loops, which is
		// what every statement here is made for, and stays good; without this a plan of an empty table reads all of it
		// when it has a million rows. "off" makes dear and does not forbid.
		"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off", "enable_bitmapscan": "off",
		"enable_sort": "off", "enable_material": "off", "max_parallel_workers_per_gather": "0", "jit": "off", "plan_cache_mode": "force_generic_plan",
	}
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// setting is the statement by which a transaction sets parameters for itself.
func setting(parameters map[string]string) string {
	var calls []string
	for name, value := range parameters {
		calls = append(calls, fmt.Sprintf("set_config(%s, %s, true)", quoted(name), quoted(value)))
	}
	slices.Sort(calls)
	return "SELECT " + strings.Join(calls, ", ")
}

var serverSettings = &sqlstore.Stmt{SQL: `SELECT current_setting('server_version_num')::int, current_setting('fsync'),
	current_setting('synchronous_commit'), current_setting('search_path'),
	CASE WHEN pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on' THEN 1 ELSE 0 END`}

// check refuses a server that is too old, takes no writes or does not keep what it commits, and connections that do not keep their
// settings.
func (d *database) check(ctx context.Context) error {
	var version, readOnly int64
	var fsync, commit, path string
	session, err := d.Read(ctx)
	if err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	defer session.Rollback()
	err = session.Run(ctx, &sqlstore.Request{Stmt: serverSettings, Rows: 1, Bind: func(int, sqlstore.Args) {}, Scan: func(row sqlstore.Row) error {
		version, fsync, commit, path, readOnly = row.Int(), row.Text(), row.Text(), row.Text(), row.Int()
		return nil
	}})
	switch {
	case err != nil:
		return fmt.Errorf("postgres: %w", err)
	case version < oldestServer:
		return fmt.Errorf("postgres: the server is version %d; PostgreSQL 15 or newer is needed", version/10000)
	case readOnly != 0:
		return errors.New("postgres: the server is read-only: a standby, or set to be so")
	case path != d.opts.Schema:
		return fmt.Errorf("postgres: connections look into %s and not into the schema %s: does a pooler stand in between? Then say so", path, d.opts.Schema)
	case !d.opts.AllowUnsafe && (fsync == "off" || commit == "off"):
		return fmt.Errorf("postgres: the server may lose what it commits (fsync=%s, synchronous_commit=%s); switch them on, or allow it", fsync, commit)
	}
	return nil
}

// Traits say that others write to the database, too.
func (d *database) Traits() rentroll.Traits {
	return rentroll.Traits{Name: "postgres", Lanes: d.opts.Lanes, Bulk: true, Shared: true}
}

// Remote says that commits may be lost on their way and rows held by others.
func (d *database) Remote() bool { return true }

// Clock is the time of the server's machine: not that of the transaction's begin.
func (d *database) Clock() string {
	return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"
}

var about = &sqlstore.Stmt{SQL: "SELECT 'PostgreSQL ' || current_setting('server_version'), pg_database_size(current_database())"}

// About looks at the sizes of the database's files.
func (d *database) About() *sqlstore.Stmt { return about }

// Write opens a write transaction. It reads what is committed at each statement, not at its begin: what it reads after
// it has waited for a lock must be what the lock's last holder has left.
func (d *database) Write(ctx context.Context) (sqlstore.Session, error) {
	s, err := d.begin(ctx, d.writing, "BEGIN ISOLATION LEVEL READ COMMITTED")
	if err != nil {
		return nil, err // and not a session that is nil
	}
	s.patience = d.opts.LockTimeout
	return s, nil
}

// Read opens a snapshot.
func (d *database) Read(ctx context.Context) (sqlstore.Session, error) {
	s, err := d.begin(ctx, d.reading, "BEGIN READ ONLY ISOLATION LEVEL REPEATABLE READ")
	if err != nil {
		return nil, err
	}
	s.limit = d.opts.LockTimeout + 2*statementBeyond // a statement may take as long as the server lets it
	return s, nil
}

// Ask reads in a snapshot that begins and ends in the same round trip.
func (d *database) Ask(ctx context.Context, requests ...*sqlstore.Request) error {
	s, err := d.begin(ctx, d.reading, "BEGIN READ ONLY ISOLATION LEVEL REPEATABLE READ")
	if err != nil {
		return err
	}
	defer s.Rollback()
	s.writes = requests
	err = s.Commit(ctx)
	if e, failed := errors.AsType[*rentroll.StoreError](err); failed && e.Class == rentroll.ClassUnknown {
		e.Class = rentroll.ClassRetry // it was only read
	}
	return err
}

// Stamps are the ids of transactions, 64 bits that never come again. Those below the oldest that runs have ended, and
// what they wrote is seen: a commit that takes its time is not passed over, as it could be by any clock.
func (d *database) Stamps() (own, horizon string) {
	return "CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT)",
		"CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS TEXT) AS BIGINT)"
}

func (d *database) begin(ctx context.Context, pool *pool, begin string) (*session, error) {
	conn, err := pool.lend(ctx)
	if err != nil {
		return nil, classify("connect", err)
	}
	s := &session{conn: conn, pool: pool, opening: []string{begin}, limit: answerTimeout}
	if d.opts.Pooled {
		s.opening = append(s.opening, d.setup)
		return s, nil
	}
	s.prepared = preparedOn(conn.Conn().PgConn())
	if s.prepared.outdated() {
		s.opening = append(s.opening, "DISCARD PLANS")
	}
	return s, nil
}

// Close closes all connections. It waits until they were given back, but for dead ones only briefly: their ends may
// take a quarter of a minute, and nobody needs to see them.
func (d *database) Close() error {
	var group sync.WaitGroup
	for _, p := range []*pool{d.writing, d.reading} {
		group.Go(p.close)
	}
	group.Wait()
	return nil
}

func (p *pool) close() {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		p.Close()
	}()
	for range cap(p.lent) {
		p.lent <- struct{}{}
	}
	select {
	case <-closed:
	case <-time.After(closeTimeout):
	}
	for range cap(p.lent) {
		<-p.lent // who asks now is told that the pool is closed
	}
}
