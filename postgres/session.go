package postgres

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/sqlstore"
)

// session is a transaction. It begins with its first statements, and what it writes goes out with its COMMIT: each in
// one pipeline, so that neither costs a round trip of its own.
type session struct {
	conn     *pgxpool.Conn
	pool     *pool
	opening  []string            // statements that begin the transaction; nil once it has begun
	writes   []*sqlstore.Request // not sent yet
	prepared *prepared           // nil where a pooler stands in between: nothing may be prepared
	limit    time.Duration       // of a pipeline
	patience time.Duration       // what it may take longer where it waits for locks
}

// rollbackTimeout bounds what is done for a transaction that nobody waits for any more.
const rollbackTimeout = 5 * time.Second

var encoders = sync.Pool{New: func() any { return new(encoder) }}

// Run carries out requests. Those that return nothing wait for the commit, unless something is to be read after them.
func (s *session) Run(ctx context.Context, requests ...*sqlstore.Request) error {
	reads := false
	for _, r := range requests {
		reads = reads || r.Scan != nil
	}
	if !reads {
		s.writes = append(s.writes, requests...)
		return nil
	}
	requests = append(s.writes, requests...)
	s.writes = nil
	return s.send(ctx, requests, false)
}

// Commit sends what is still to be written, and commits.
func (s *session) Commit(ctx context.Context) error {
	if err := s.send(ctx, s.writes, true); err != nil {
		return err
	}
	s.release()
	return nil
}

const commitStatement = "COMMIT"

// send runs requests as one pipeline, at its begin the transaction's begin, at its end its commit.
func (s *session) send(ctx context.Context, requests []*sqlstore.Request, commit bool) error {
	caller := ctx
	limit := s.limit
	if slices.ContainsFunc(requests, func(r *sqlstore.Request) bool { return r.Lock == sqlstore.LockWait }) {
		limit += s.patience
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	out := sender{
		pipeline: s.conn.Conn().PgConn().StartPipeline(ctx), prepared: s.prepared,
		encoder: encoders.Get().(*encoder), //nolint:errcheck,forcetypeassert // its own
	}
	for _, text := range s.opening {
		out.plain(text)
	}
	for _, r := range requests {
		out.request(r)
	}
	if commit {
		out.plain(commitStatement)
	}
	encoders.Put(out.encoder)
	s.opening = nil
	err := out.pipeline.Sync()
	committed := false
	if err == nil {
		committed, err = out.receive()
	} else {
		out.forget(0) // nothing has been sent
	}
	if closing := out.pipeline.Close(); err == nil {
		err = closing
	}
	switch {
	case committed: // whatever came behind it
		return nil
	case err == nil && commit:
		err = errors.New("the server did not answer COMMIT with COMMIT")
	case err == nil:
		return nil
	}
	failure := s.failed(caller, operation(requests), err)
	switch {
	case commit && lost(err):
		failure.Class = rentroll.ClassUnknown
	case lost(err) && ctx.Err() == nil: // nothing was written, and the next connection may be a good one
		failure.Class = rentroll.ClassRetry
	case caller.Err() != nil:
		return caller.Err()
	}
	return failure
}

// failed says what a failure of a pipeline means, and closes the connections that are no good any more.
func (s *session) failed(caller context.Context, op string, err error) *rentroll.StoreError {
	e, answered := errors.AsType[*pgconn.PgError](err)
	switch {
	case lost(err) && caller.Err() == nil: // and not because the caller has left
		s.pool.Reset() // the others were made when this one was, to the same place
	case answered && (stale(e) || e.Code == readOnly):
		_ = s.conn.Conn().Close(caller) // the next connection prepares anew, or finds the new primary
	}
	return classify(op, err)
}

// receive takes the answers. It reports whether the transaction was committed.
func (s *sender) receive() (committed bool, err error) {
	row := &row{}
	for i, e := range s.expected {
		answer, err := s.pipeline.GetResults()
		if err != nil {
			s.forget(i)
			return false, err
		}
		result, isResult := answer.(*pgconn.ResultReader)
		if !isResult {
			continue // a statement was prepared
		}
		failure := read(result, e.request, row)
		tag, err := result.Close()
		if err = errors.Join(failure, err); err != nil {
			s.forget(i + 1)
			return false, err
		}
		committed = e.request == nil && tag.String() == commitStatement
	}
	return committed, nil
}

// read gives the rows of a result to those who asked.
func read(result *pgconn.ResultReader, r *sqlstore.Request, row *row) error {
	if r == nil || r.Scan == nil {
		return nil
	}
	for result.NextRow() {
		row.begin(result.Values())
		if err := errors.Join(r.Scan(row), row.err); err != nil {
			return &rowError{err}
		}
	}
	return nil
}

// rowError says that a row was not what it should be.
type rowError struct{ error }

// Unwrap returns what was wrong.
func (e *rowError) Unwrap() error { return e.error }

// Rollback ends the transaction without effect.
func (s *session) Rollback() {
	if s.conn == nil {
		return
	}
	if s.opening == nil && !s.conn.Conn().IsClosed() {
		ctx, cancel := context.WithTimeout(context.Background(), rollbackTimeout)
		defer cancel()
		if err := s.conn.Conn().PgConn().Exec(ctx, "ROLLBACK").Close(); err != nil {
			_ = s.conn.Conn().Close(ctx) // which rolls back as well
		}
	}
	s.release()
}

func (s *session) release() {
	s.pool.takeBack(s.conn)
	s.conn = nil
}

func operation(requests []*sqlstore.Request) string {
	for _, r := range requests {
		if r.Rows > 0 {
			return r.Stmt.SQL
		}
	}
	return "transaction"
}

// lost reports whether the connection failed, so that it is not known what the server has done: it did not answer, or
// its answer was that it ends the connection.
func lost(err error) bool {
	if e, answered := errors.AsType[*pgconn.PgError](err); answered {
		return e.SeverityUnlocalized != "ERROR"
	}
	_, read := errors.AsType[*rowError](err)
	return !read
}

// classify says what a failure means for the engine.
func classify(op string, err error) *rentroll.StoreError {
	failure := &rentroll.StoreError{Class: rentroll.ClassUnavailable, Op: op, Err: err}
	e, answered := errors.AsType[*pgconn.PgError](err)
	if !answered {
		return failure
	}
	switch {
	case e.Code == "40001" || e.Code == "40P01" || e.Code == readOnly || stale(e):
		failure.Class = rentroll.ClassRetry
	case e.Code[:2] == "22" || e.Code[:2] == "23" || e.Code == "42P06" || e.Code == "54000":
		failure.Class = rentroll.ClassConflict
	}
	return failure
}

// readOnly is what a server answers that was the primary once.
const readOnly = "25006"

// stale reports whether a statement that was prepared does not fit any more: an upgrade has changed its table, or a
// pooler has given the connection to somebody else.
func stale(e *pgconn.PgError) bool { return e.Code == "26000" || e.Code == "0A000" }
