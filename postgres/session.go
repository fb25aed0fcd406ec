package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/sqlstore"
)

// session is a transaction. It begins with its first statements, and what it writes goes out with its COMMIT: each in
// one pipeline, so that neither costs a round trip of its own.
type session struct {
	conn    *pgxpool.Conn
	opening []string            // statements that begin the transaction; nil once it has begun
	writes  []*sqlstore.Request // not sent yet
}

// rollbackTimeout bounds what is done for a transaction that nobody waits for any more.
const rollbackTimeout = 5 * time.Second

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

// send runs requests as one pipeline, at its begin the transaction's begin, at its end its commit.
func (s *session) send(ctx context.Context, requests []*sqlstore.Request, commit bool) error {
	batch := &pgx.Batch{}
	for _, statement := range s.opening {
		batch.Queue(statement)
	}
	for _, r := range requests {
		queue(batch, r)
	}
	if commit {
		batch.Queue("COMMIT")
	}
	results := s.conn.SendBatch(ctx, batch)
	err := s.receive(results, requests, commit)
	if closing := results.Close(); err == nil {
		err = closing
	}
	s.opening = nil
	if err == nil {
		return nil
	}
	failure := classify(ctx, operation(requests), err)
	if commit && lost(err) {
		failure.Class = rentroll.ClassUnknown
	}
	if !commit && ctx.Err() != nil {
		return ctx.Err()
	}
	return failure
}

func (s *session) receive(results pgx.BatchResults, requests []*sqlstore.Request, commit bool) error {
	for range s.opening {
		if _, err := results.Exec(); err != nil {
			return err
		}
	}
	for _, r := range requests {
		for range statements(r) {
			if err := take(results, r); err != nil {
				return err
			}
		}
	}
	if !commit {
		return nil
	}
	tag, err := results.Exec()
	if err == nil && tag.String() != "COMMIT" {
		return fmt.Errorf("the server answered COMMIT with %s", tag)
	}
	return err
}

// take reads the result of one statement.
func take(results pgx.BatchResults, r *sqlstore.Request) error {
	if r.Scan == nil {
		_, err := results.Exec()
		return err
	}
	rows, err := results.Query()
	if err != nil {
		return err
	}
	defer rows.Close()
	row := &row{}
	for rows.Next() {
		row.begin(rows)
		if err := r.Scan(row); err != nil {
			return err
		}
		if row.err != nil {
			return row.err
		}
	}
	return rows.Err()
}

// Rollback ends the transaction without effect.
func (s *session) Rollback() {
	if s.conn == nil {
		return
	}
	if s.opening == nil && !s.conn.Conn().IsClosed() {
		ctx, cancel := context.WithTimeout(context.Background(), rollbackTimeout)
		defer cancel()
		_, _ = s.conn.Exec(ctx, "ROLLBACK") // a connection that can't is closed, which rolls back as well
	}
	s.release()
}

func (s *session) release() {
	s.conn.Release()
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

// lost reports whether the connection failed, so that it is not known what the server has done.
func lost(err error) bool {
	_, answered := errors.AsType[*pgconn.PgError](err)
	return !answered
}

// classify says what a failure means for the engine.
func classify(_ context.Context, op string, err error) *rentroll.StoreError {
	failure := &rentroll.StoreError{Class: rentroll.ClassUnavailable, Op: op, Err: err}
	e, answered := errors.AsType[*pgconn.PgError](err)
	if !answered {
		return failure
	}
	switch {
	case e.Code == "40001" || e.Code == "40P01" || e.Code == "57P01":
		failure.Class = rentroll.ClassRetry
	case e.Code[:2] == "22" || e.Code[:2] == "23" || e.Code == "42P06" || e.Code == "54000":
		failure.Class = rentroll.ClassConflict
	}
	return failure
}
