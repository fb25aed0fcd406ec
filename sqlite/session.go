package sqlite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	driver "modernc.org/sqlite"
	"zombiezen.com/go/sqlite"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/sqlstore"
)

// session is a transaction on a borrowed connection.
type session struct {
	conn  *connection
	home  chan *connection
	done  bool
	after []func() // what to do when it has been committed
}

// Run steps a prepared statement once per row. Inside the process that is as fast as it gets: a row costs less than
// sending it anywhere.
func (s *session) Run(ctx context.Context, requests ...*sqlstore.Request) error {
	for _, r := range requests {
		if r.Rows == 0 {
			continue
		}
		if err := s.run(r); err != nil {
			return classify(ctx, r.Stmt.SQL, err)
		}
	}
	return nil
}

func (s *session) run(r *sqlstore.Request) (err error) {
	stmt, err := s.conn.prepared(r.Stmt)
	if err != nil {
		return err
	}
	args, row := &arguments{stmt: stmt}, &row{stmt: stmt}
	for i := range r.Rows {
		args.n = 0
		r.Bind(i, args)
		for {
			more, err := stmt.Step()
			if err != nil {
				_ = stmt.Reset() // says the same again
				return err
			}
			if !more {
				break
			}
			if r.Scan == nil {
				continue
			}
			row.n = 0
			if err := r.Scan(row); err != nil {
				return errors.Join(err, stmt.Reset())
			}
		}
		if err := stmt.Reset(); err != nil {
			return err
		}
	}
	return nil
}

// Commit makes the transaction durable. It is not interrupted any more: it either happens or does not.
func (s *session) Commit(ctx context.Context) error {
	s.conn.SetInterrupt(nil)
	if err := s.conn.execute("COMMIT"); err != nil {
		return classify(ctx, "commit", err)
	}
	for _, do := range s.after {
		do()
	}
	s.leave()
	return nil
}

// AfterCommit has do called when the transaction is durable, while its connection still keeps all others from writing.
func (s *session) AfterCommit(do func()) { s.after = append(s.after, do) }

// Untouched reports whether no other process has written to the file since the last write session: SQLite counts the
// commits of all other connections, and in this process only one writes.
func (s *session) Untouched() bool {
	version := int64(-1)
	err := s.run(&sqlstore.Request{
		Stmt: dataVersion, Rows: 1, Bind: func(int, sqlstore.Args) {},
		Scan: func(r sqlstore.Row) error {
			version = r.Int()
			return nil
		},
	})
	same := err == nil && version == s.conn.version
	s.conn.version = version
	return same
}

var dataVersion = &sqlstore.Stmt{SQL: "PRAGMA data_version"}

// Rollback ends the transaction without effect.
func (s *session) Rollback() {
	if s.done {
		return
	}
	s.conn.SetInterrupt(nil)
	if !s.conn.AutocommitEnabled() { // some failures have rolled it back already
		_ = s.conn.execute("ROLLBACK") // what can't be rolled back was not committed either
	}
	s.leave()
}

func (s *session) leave() {
	s.done = true
	s.home <- s.conn
}

// numbered turns the placeholders $1 and so on into ?1 and so on.
func numbered(query string) string { return strings.ReplaceAll(query, "$", "?") }

// arguments binds one value after the other.
type arguments struct {
	stmt *sqlite.Stmt
	n    int
}

func (a *arguments) next() int {
	a.n++
	return a.n
}

// Int binds a number.
func (a *arguments) Int(v int64) { a.stmt.BindInt64(a.next(), v) }

// Text binds text.
func (a *arguments) Text(v string) { a.stmt.BindText(a.next(), v) }

// Bytes binds bytes.
func (a *arguments) Bytes(v []byte) { a.stmt.BindBytes(a.next(), v) }

// ID binds an id as its 16 bytes.
func (a *arguments) ID(v [16]byte) { a.stmt.BindBytes(a.next(), v[:]) }

// Null binds NULL.
func (a *arguments) Null() { a.stmt.BindNull(a.next()) }

// row reads one column after the other.
type row struct {
	stmt *sqlite.Stmt
	n    int
}

func (r *row) next() int {
	r.n++
	return r.n - 1
}

// Int returns a number.
func (r *row) Int() int64 { return r.stmt.ColumnInt64(r.next()) }

// Text returns text.
func (r *row) Text() string { return r.stmt.ColumnText(r.next()) }

// Bytes returns a copy of bytes.
func (r *row) Bytes() []byte {
	col := r.next()
	out := make([]byte, r.stmt.ColumnLen(col))
	r.stmt.ColumnBytes(col, out)
	return out
}

// ID returns an id.
func (r *row) ID() (id [16]byte) {
	r.stmt.ColumnBytes(r.next(), id[:])
	return id
}

// Null reports whether the next column is NULL.
func (r *row) Null() bool { return r.stmt.ColumnIsNull(r.n) }

// refusals are the answers to a row whose data is not acceptable.
var refusals = []sqlite.ResultCode{sqlite.ResultConstraint, sqlite.ResultTooBig, sqlite.ResultMismatch, sqlite.ResultRange}

// classify says what a failure means for the engine.
func classify(ctx context.Context, op string, err error) error {
	code := codeOf(err)
	if code == sqlite.ResultInterrupt && ctx.Err() != nil {
		return ctx.Err()
	}
	class := rentroll.ClassUnavailable
	if slices.Contains(refusals, code) {
		class = rentroll.ClassConflict
	}
	return &rentroll.StoreError{Class: class, Op: op, Err: explain(err)}
}

// codeOf returns SQLite's primary code of an error, be it one of the connections or of the migrations' driver.
func codeOf(err error) sqlite.ResultCode {
	if e, ok := errors.AsType[*driver.Error](err); ok {
		return sqlite.ResultCode(e.Code()).ToPrimary()
	}
	return sqlite.ErrCode(err).ToPrimary()
}

var errNotADatabase = errors.New("the file is not a SQLite database")

// explain puts in front of SQLite's words what an operator can do.
func explain(err error) error {
	switch codeOf(err) {
	case sqlite.ResultFull:
		return fmt.Errorf("the disk is full; nothing was written: %w", err)
	case sqlite.ResultReadOnly:
		return fmt.Errorf("the database file or its folder is read-only: %w", err)
	case sqlite.ResultCorrupt:
		return fmt.Errorf("the database file is damaged; restore it from a backup: %w", err)
	case sqlite.ResultNotADB:
		return fmt.Errorf("%w: %w", errNotADatabase, err)
	case sqlite.ResultCantOpen:
		return fmt.Errorf("the database file can't be opened: %w", err)
	case sqlite.ResultBusy, sqlite.ResultLocked:
		return fmt.Errorf("another process holds the database file: %w", err)
	case sqlite.ResultIOErr:
		return fmt.Errorf("the disk failed to read or write: %w", err)
	default:
		return err
	}
}
