// Package sqlite keeps Rentroll's rows in one SQLite file: the store for a platform on one machine, for tests and for
// embedding. It needs no C compiler and no other program.
//
// The file is in WAL mode with synchronous=FULL, so that what has been committed survives the loss of power. One
// connection writes, several read; none waits for the other. Readers see a snapshot of all that was committed when they
// began. Only one process should have a file open at a time: another one that writes to it is waited for, up to
// Options.BusyTimeout.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver that runs migrations; it is the library that the connections use, too
	"zombiezen.com/go/sqlite"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/sqlstore"
)

// Options tune a store. Nil and the zero value are fine: every field says what it then means.
type Options struct {
	// Readers is how many snapshots may be open at once; further ones wait. 0 is 4.
	Readers int

	// BusyTimeout is how long to wait for another process that is writing to the file. 0 is five seconds.
	BusyTimeout time.Duration

	// CacheBytes is how much memory the page cache of the writer may take; each reader takes an eighth of it. 0 is
	// 64 MiB.
	CacheBytes int64
}

const (
	defaultReaders     = 4
	defaultBusyTimeout = 5 * time.Second
	defaultCacheBytes  = 64 << 20
	readerCacheShare   = 8

	// applicationID marks a file as Rentroll's, for this program and for file(1): "Rent".
	applicationID = 0x52656e74
)

// Open opens the database in a file, makes it where there is none, and brings its schema up to date. It refuses a file
// that is not a Rentroll database or was made by a newer program, and one that it can't write to.
func Open(ctx context.Context, path string, options *Options) (rentroll.Store, error) {
	d, err := openDatabase(ctx, path, options)
	if err != nil {
		return nil, err
	}
	return sqlstore.New(d), nil
}

func openDatabase(ctx context.Context, path string, options *Options) (*database, error) {
	opts := Options{}
	if options != nil {
		opts = *options
	}
	if opts.Readers <= 0 {
		opts.Readers = defaultReaders
	}
	if opts.BusyTimeout <= 0 {
		opts.BusyTimeout = defaultBusyTimeout
	}
	if opts.CacheBytes <= 0 {
		opts.CacheBytes = defaultCacheBytes
	}
	if path == "" || path == ":memory:" {
		return nil, errors.New("sqlite: a store needs a file; tests take one in a temporary folder")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("sqlite: %s: there is no folder %s", path, filepath.Dir(path))
	}
	if err := claim(path); err != nil {
		return nil, err
	}
	file, err := openFile(path)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %s: %w", path, err)
	}
	if err := migrate(ctx, path, opts.BusyTimeout); err != nil {
		return nil, errors.Join(err, file.release())
	}
	d := newDatabase(path, file, opts)
	if err := d.open(); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// claim makes the file where there is none, readable by its owner only: it holds no secrets, but names and addresses.
// SQLite gives the log beside it the same rights.
func claim(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_EXCL, 0o600) //nolint:gosec // the caller's own file
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil
	case err != nil:
		return fmt.Errorf("sqlite: %s: the database file can't be opened: %w", path, err)
	}
	return f.Close()
}

// migrate brings the schema up to date, through connections of its own. The first only looks: what turns out to be
// another program's file is not to be changed, its journal mode included.
func migrate(ctx context.Context, path string, busy time.Duration) error {
	if err := notTiny(path); err != nil {
		return fmt.Errorf("sqlite: %s: %w", path, err)
	}
	look := func(db *sql.DB) error { return recognize(ctx, db) }
	m := sqlstore.Migrator{Dialect: goose.DialectSQLite3, Clustered: "WITHOUT ROWID", Bytes: "CAST(%s AS BLOB)"}
	up := func(db *sql.DB) error { return m.Migrate(ctx, db) }
	err := through(ctx, busy, dataSource(path, busy), look)
	if err == nil {
		err = through(ctx, busy, dataSource(path, busy, "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)"), up)
	}
	if err != nil {
		return fmt.Errorf("sqlite: %s: %w", path, explain(err))
	}
	return nil
}

// through calls do with a connection of database/sql. Where two processes make one file at once, SQLite does not wait
// for the lock in which its journal mode is changed, though it waits for every other: it is tried again, for as long.
func through(ctx context.Context, busy time.Duration, source string, do func(db *sql.DB) error) error {
	ctx, cancel := context.WithTimeout(ctx, busy)
	defer cancel()
	for {
		db, err := sql.Open("sqlite", source)
		if err != nil {
			return err
		}
		db.SetMaxOpenConns(1)
		err = errors.Join(do(db), db.Close())
		if codeOf(err) != sqlite.ResultBusy || ctx.Err() != nil {
			return err
		}
		select {
		case <-time.After(busyPause):
		case <-ctx.Done():
		}
	}
}

// busyPause is how long to wait before a lock is asked for again.
const busyPause = 10 * time.Millisecond

// notTiny refuses files that are not empty and yet too short for a database: SQLite takes some of them for new ones.
func notTiny(path string) error {
	const header = 100
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Size() > 0 && info.Size() < header {
		return errNotADatabase
	}
	return nil
}

// recognize refuses a file that is another program's database, and marks a new one.
func recognize(ctx context.Context, db *sql.DB) error {
	var id, tables, versions int64
	// One statement, so that another process which makes the same file at this moment is not seen half done.
	look := db.QueryRowContext(ctx, "SELECT application_id, (SELECT COUNT(*) FROM sqlite_master) FROM pragma_application_id")
	if err := look.Scan(&id, &tables); err != nil {
		return fmt.Errorf("reading the file: %w", err)
	}
	switch {
	case id == applicationID && tables > 0:
		// Goose takes a table of versions that is damaged for one that is not there.
		if err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+goose.DefaultTablename).Scan(&versions); err != nil {
			return fmt.Errorf("reading the schema's version: %w", err)
		}
		return nil
	case id == applicationID:
		return nil
	case id != 0 || tables > 0:
		return errors.New("it is a database of another program")
	}
	if _, err := db.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d", applicationID)); err != nil {
		return fmt.Errorf("writing to the file: %w", err)
	}
	return nil
}

// dataSource is the URL of a file for database/sql.
func dataSource(path string, busy time.Duration, pragmas ...string) string {
	u := url.URL{Scheme: "file", Path: path, RawQuery: url.Values{
		"_pragma": append([]string{fmt.Sprintf("busy_timeout(%d)", busy.Milliseconds())}, pragmas...),
		"_txlock": {"immediate"},
	}.Encode()}
	return u.String()
}
