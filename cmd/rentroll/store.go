package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/postgres"
	"github.com/rentroll/rentroll/sqlite"
)

// databaseFlags say where the rows are kept.
type databaseFlags struct {
	Database            string         `placeholder:"URL" help:"A SQLite file, as a path or sqlite:PATH, or PostgreSQL, as postgres://USER@HOST/DATABASE. Default: rentroll.db in the working folder, rentroll-demo.db with serve --demo."`
	DatabaseSchema      string         `group:"postgres" placeholder:"NAME" help:"The schema that holds the tables; it is made where there is none. Default: rentroll, rentroll_demo with serve --demo."`
	DatabasePooled      bool           `group:"postgres" help:"PgBouncer with pool_mode = transaction stands in between."`
	DatabaseAllowUnsafe bool           `group:"postgres" help:"Accept a server that may lose what it has committed: fsync or synchronous_commit is off."`
	DatabaseWait        *time.Duration `group:"postgres" placeholder:"TIME" help:"How long to wait for a server that can't be reached yet. Default: 30s."`
}

// poolFlags say how much of a PostgreSQL server to use.
type poolFlags struct {
	DatabaseConnections *int32 `group:"postgres" placeholder:"N" help:"How many connections to open at most, but six more than lanes at least. Default: 16."`
	DatabaseLanes       *int   `group:"postgres" placeholder:"N" help:"How many write transactions run at once. Default: 2."`
}

// The default databases: files in the working folder, or schemas of a server. The demo has its own, so that nobody's
// data is near.
const (
	defaultDatabase = "rentroll.db"
	demoDatabase    = "rentroll-demo.db"
	defaultSchema   = "rentroll"
	demoSchema      = "rentroll_demo"
)

// defaultWait is how long a start waits for a server, so that both may be started at once.
const defaultWait = 30 * time.Second

// database is where the rows are kept, as the command line names it.
type database struct {
	name    string // for people, without a password
	path    string // of the SQLite file; "" for PostgreSQL
	url     string // of the PostgreSQL database, password included; "" for SQLite
	options postgres.Options
	wait    time.Duration // for a server that can't be reached
}

// database understands the flags. --database may be a path, sqlite:PATH, or the URL of a server.
func (f *databaseFlags) database(pool poolFlags, demo bool) (database, error) {
	s := f.Database
	switch {
	case s != "":
	case demo:
		s = demoDatabase
	default:
		s = defaultDatabase
	}
	scheme, rest, isURL := strings.Cut(s, "://")
	path, isSQLite := strings.CutPrefix(s, "sqlite:")
	switch {
	case isSQLite && strings.HasPrefix(path, "//") && !strings.HasPrefix(path, "///"):
		return database{}, usagef("--database: sqlite:PATH has no host; write sqlite:%s", strings.TrimLeft(rest, "/"))
	case isSQLite:
	case isURL && (scheme == "postgres" || scheme == "postgresql"):
		return f.server(s, pool, demo)
	case isURL:
		return database{}, usagef("--database: rentroll keeps no data at %s://; use a SQLite file or postgres://", scheme)
	case keywords.MatchString(s): // a file of this name would hold a password in its name
		return database{}, usagef("--database: name the PostgreSQL database by a URL, postgres://USER@HOST/DATABASE")
	default:
		path = s
	}
	if path == "" {
		return database{}, usagef("--database: the path of the SQLite file is empty")
	}
	for _, flag := range []struct {
		name  string
		given bool
	}{
		{"schema", f.DatabaseSchema != ""},
		{"pooled", f.DatabasePooled},
		{"allow-unsafe", f.DatabaseAllowUnsafe},
		{"wait", f.DatabaseWait != nil},
		{"connections", pool.DatabaseConnections != nil},
		{"lanes", pool.DatabaseLanes != nil},
	} {
		if flag.given {
			return database{}, usagef("--database-%s is for PostgreSQL, and %s is a SQLite file", flag.name, path)
		}
	}
	return database{name: path, path: path}, nil
}

// server understands the flags for PostgreSQL.
func (f *databaseFlags) server(dsn string, pool poolFlags, demo bool) (database, error) {
	name, err := checkURL(dsn)
	if err != nil {
		return database{}, usageError{fmt.Errorf("--database: %w", err)}
	}
	d := database{name: name, url: dsn, wait: defaultWait, options: postgres.Options{
		Schema: f.DatabaseSchema, Pooled: f.DatabasePooled, AllowUnsafe: f.DatabaseAllowUnsafe,
	}}
	switch {
	case d.options.Schema != "":
	case demo:
		d.options.Schema = demoSchema
	default:
		d.options.Schema = defaultSchema
	}
	if n := pool.DatabaseConnections; n != nil {
		d.options.Connections = *n
		if *n < 1 {
			return database{}, usagef("--database-connections must be at least 1")
		}
	}
	if n := pool.DatabaseLanes; n != nil {
		d.options.Lanes = *n
		if *n < 1 {
			return database{}, usagef("--database-lanes must be at least 1")
		}
	}
	if f.DatabaseWait != nil {
		d.wait = *f.DatabaseWait
		if d.wait < 0 {
			return database{}, usagef("--database-wait must not be negative")
		}
	}
	return d, nil
}

// await waits until a server can be reached and written to. A SQLite file is always there.
func (d database) await(ctx context.Context, logger *slog.Logger) error {
	if d.url == "" {
		return nil
	}
	return awaitServer(ctx, d, logger)
}

// open opens the store, which makes the database's tables where there are none and brings its schema up to date.
func (d database) open(ctx context.Context, logger *slog.Logger) (rentroll.Store, error) {
	if d.url != "" {
		return openServer(ctx, d, logger)
	}
	if info, err := os.Stat(d.path); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s is a folder; --database names a file", d.path)
	}
	return sqlite.Open(ctx, d.path, nil)
}

// version returns the version of the schema, 0 where there is none yet.
func (d database) version(ctx context.Context) (version int64, err error) {
	if d.url != "" {
		return serverVersion(ctx, d)
	}
	if _, err := os.Stat(d.path); errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	path, err := filepath.Abs(d.path)
	if err != nil {
		return 0, err
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path, RawQuery: "mode=rw"}).String())
	if err != nil {
		return 0, err
	}
	defer db.Close()
	tables := 0
	err = db.QueryRowContext(ctx, "SELECT COUNT(*) FROM sqlite_schema WHERE name = $1", goose.DefaultTablename).Scan(&tables)
	if err != nil || tables == 0 {
		return 0, nil // what is no database of this program is for open to refuse, in its words
	}
	err = db.QueryRowContext(ctx, "SELECT COALESCE(MAX(version_id), 0) FROM "+goose.DefaultTablename).Scan(&version)
	return version, err
}

// beside returns the path of a file in the SQLite file's folder; for a server, in the working folder.
func (d database) beside(name string) (string, error) {
	path, err := filepath.Abs(d.path) // of "" it is the working folder
	if err != nil {
		return "", err
	}
	if d.path != "" {
		path = filepath.Dir(path)
	}
	return filepath.Join(path, name), nil
}

// discard says how to get rid of the database.
func (d database) discard() string {
	if d.url != "" {
		return "drop the schema " + d.options.Schema
	}
	return "delete the file"
}

// elsewhere says how to name another database than this one.
func (d database) elsewhere() string {
	if d.url != "" {
		return "name another schema with --database-schema"
	}
	return "name another file with --database"
}
