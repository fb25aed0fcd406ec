package sqlite

import (
	"context"
	"errors"

	"zombiezen.com/go/sqlite"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/sqlstore"
)

// Inside lets tests at the connections of an open store.
type Inside struct{ database *database }

// OpenInside is Open, and also returns what is inside.
func OpenInside(ctx context.Context, path string, options *Options) (rentroll.Store, Inside, error) {
	d, err := openDatabase(ctx, path, options)
	if err != nil {
		return nil, Inside{}, err
	}
	return sqlstore.New(d), Inside{d}, nil
}

// Writer calls do with the connection that writes, while nobody else has it.
func (i Inside) Writer(do func(c *sqlite.Conn) error) error { return with(i.database.writer, 1, do) }

// Write calls do with the connection that writes, in a transaction that is then committed.
func (i Inside) Write(ctx context.Context, do func(c *sqlite.Conn) error) error {
	s, err := i.database.Write(ctx)
	if err != nil {
		return err
	}
	defer s.Rollback()
	if err := do(s.(*session).conn.Conn); err != nil {
		return err
	}
	return s.Commit(ctx)
}

// CarryAt lets the log be carried into the file when it holds so many pages.
func (i Inside) CarryAt(pages int64) { i.database.checkpointer.pages.Store(pages) }

// Log returns how many pages the log holds, and how many of these are in the file.
func (i Inside) Log() (held, carried int64, err error) {
	c := <-i.database.writer
	defer func() { i.database.writer <- c }()
	state, err := checkpoint(c, lookAtLog)
	return state.held, state.carried, err
}

// OpenFiles returns how many files are open to be synced.
func OpenFiles() int {
	files.Lock()
	defer files.Unlock()
	return len(files.open)
}

// Readers calls do with every connection that reads.
func (i Inside) Readers(do func(c *sqlite.Conn) error) error {
	return with(i.database.readers, i.database.opts.Readers, do)
}

func with(pool chan *connection, n int, do func(c *sqlite.Conn) error) (err error) {
	taken := make([]*connection, n)
	for i := range taken {
		taken[i] = <-pool
		taken[i].SetInterrupt(nil)
		err = errors.Join(err, do(taken[i].Conn))
	}
	for _, c := range taken { // not before all have been seen
		pool <- c
	}
	return err
}

// Numbered turns the placeholders of a statement into SQLite's.
var Numbered = numbered
