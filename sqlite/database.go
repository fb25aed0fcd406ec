package sqlite

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/sqlstore"
)

// database is the dialect of sqlstore for one file: a connection that writes and a few that read. A connection is in a
// channel while nobody uses it.
type database struct {
	path    string
	file    *file
	opts    Options
	writer  chan *connection
	readers chan *connection
	closed  chan struct{}
	closing sync.Once
	made    map[chan *connection]int // how many connections belong into each channel

	checkpointer *checkpointer
}

func newDatabase(path string, file *file, opts Options) *database {
	return &database{
		path: path, file: file, opts: opts,
		writer: make(chan *connection, 1), readers: make(chan *connection, opts.Readers), closed: make(chan struct{}),
		made: make(map[chan *connection]int),
	}
}

// open makes the connections.
func (d *database) open() error {
	// SQLite opens a file that can only be read, and fails at the first write: here is one that changes nothing.
	const write = "DELETE FROM batches WHERE 0"
	checkpoint := fmt.Sprintf("PRAGMA wal_autocheckpoint = %d", stopPages)
	if err := d.add(d.writer, d.opts.CacheBytes, checkpoint, write); err != nil {
		return err
	}
	for range d.opts.Readers {
		if err := d.add(d.readers, d.opts.CacheBytes/readerCacheShare, "PRAGMA query_only = 1"); err != nil {
			return err
		}
	}
	return d.checkpoints()
}

func (d *database) add(to chan *connection, cache int64, more ...string) error {
	c, err := d.connect(cache, more...)
	if err != nil {
		return err
	}
	d.made[to]++
	to <- c
	return nil
}

func (d *database) connect(cache int64, more ...string) (*connection, error) {
	c, err := sqlite.OpenConn(d.path, sqlite.OpenReadWrite)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %s: %w", d.path, explain(err))
	}
	c.SetBusyTimeout(d.opts.BusyTimeout)
	for _, statement := range append([]string{
		"PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA foreign_keys = 1", "PRAGMA temp_store = MEMORY",
		fmt.Sprintf("PRAGMA cache_size = -%d", cache>>10),
	}, more...) {
		if err := sqlitex.ExecuteTransient(c, statement, nil); err != nil {
			return nil, errors.Join(fmt.Errorf("sqlite: %s: %w", d.path, explain(err)), c.Close())
		}
	}
	return &connection{Conn: c, statements: make(map[*sqlstore.Stmt]*sqlite.Stmt)}, nil
}

// Traits say that there is one lane, and that what this process has written is all there is.
func (d *database) Traits() rentroll.Traits { return rentroll.Traits{Name: "sqlite", Lanes: 1} }

// Remote says that the outcome of a commit is never lost on its way.
func (d *database) Remote() bool { return false }

// Clock is the time of the machine, to the millisecond.
func (d *database) Clock() string { return "CAST(unixepoch('subsec') * 1000000 AS INTEGER)" }

var about = &sqlstore.Stmt{SQL: "SELECT 'SQLite ' || sqlite_version(), page_count * page_size FROM pragma_page_count(), pragma_page_size()"}

// About is quick: the file knows its size.
func (d *database) About() *sqlstore.Stmt { return about }

// Write opens a write transaction. It takes the file's write lock at once: a transaction that began to read first could
// be refused when it comes to write.
func (d *database) Write(ctx context.Context) (sqlstore.Session, error) {
	return d.begin(ctx, d.writer, "BEGIN IMMEDIATE")
}

// Read opens a snapshot.
func (d *database) Read(ctx context.Context) (sqlstore.Session, error) {
	return d.begin(ctx, d.readers, "BEGIN")
}

// Ask reads in a snapshot.
func (d *database) Ask(ctx context.Context, requests ...*sqlstore.Request) error {
	s, err := d.Read(ctx)
	if err != nil {
		return err
	}
	defer s.Rollback()
	return s.Run(ctx, requests...)
}

// Stamps count the transactions that marked something: there is only one at a time.
func (d *database) Stamps() (own, horizon string) {
	const next = "(SELECT COALESCE(MAX(stamp), 0) + 1 FROM invalidations)"
	return next, next
}

func (d *database) begin(ctx context.Context, from chan *connection, begin string) (sqlstore.Session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var c *connection
	select {
	case <-d.closed:
		return nil, &rentroll.StoreError{Op: "begin", Err: errors.New("the store is closed")}
	case c = <-from:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	c.SetInterrupt(ctx.Done())
	s := &session{conn: c, home: from}
	if from == d.writer {
		s.after = append(s.after, d.checkpointer.committed)
	}
	if err := c.execute(begin); err != nil {
		s.Rollback()
		return nil, classify(ctx, "begin", err)
	}
	return s, nil
}

// Close waits for open sessions and closes all connections. Closing twice does nothing.
func (d *database) Close() error {
	var err error
	d.closing.Do(func() {
		close(d.closed)
		if d.checkpointer != nil {
			err = d.checkpointer.close()
		}
		for _, pool := range []chan *connection{d.readers, d.writer} { // the writer last: it puts the log into the file
			for range d.made[pool] {
				c := <-pool
				err = errors.Join(err, c.Close())
			}
		}
		err = errors.Join(err, d.file.release())
	})
	return err
}

// connection is a connection with its prepared statements. It is used by one session at a time.
type connection struct {
	*sqlite.Conn
	statements map[*sqlstore.Stmt]*sqlite.Stmt
	version    int64 // of the data, when the last write session began
}

// prepared returns a statement, prepared at its first use.
func (c *connection) prepared(s *sqlstore.Stmt) (*sqlite.Stmt, error) {
	if p := c.statements[s]; p != nil {
		return p, nil
	}
	// SQLite knows $1 as a name, numbered by where it first stands; ?1 is the number itself.
	p, err := c.Prepare(numbered(s.SQL))
	if err != nil {
		return nil, fmt.Errorf("preparing %q: %w", s.SQL, err)
	}
	c.statements[s] = p
	return p, nil
}

// execute runs a statement without arguments or results.
func (c *connection) execute(query string) error {
	p, err := c.Prepare(query)
	if err != nil {
		return err
	}
	_, err = p.Step()
	return errors.Join(err, p.Reset())
}
