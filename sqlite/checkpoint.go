package sqlite

import (
	"sync/atomic"

	"github.com/rentroll/rentroll/internal/sqlstore"
)

const (
	// checkpointPages is how many pages the write-ahead log may hold before they are carried into the file. A page that
	// is changed often is then carried once. At 4 KiB a page the log stays around 64 MiB.
	checkpointPages = 16000

	// stopPages is how many it may hold before the writer stops to carry them itself: so much is written that this
	// process's checkpointer can't follow, or another process's keeps it from beginning.
	stopPages = 4 * checkpointPages

	// restPages is how little may be left for the writer to wait for.
	restPages = 500

	// carries bounds how often the checkpointer tries to leave no more than that.
	carries = 4

	// mostCommits is how many commits there are at most between two looks at the log, carryCommits how many after it was carried.
	mostCommits  = 64
	carryCommits = 16
)

// checkpointer carries the write-ahead log into the file while the writer goes on. SQLite's own way, in the commit that
// makes the log too long, keeps whoever waits for that commit or the next ones waiting for thousands of pages, some tens
// of milliseconds. Here a connection of its own carries nearly all of them, and the writer waits for the rest only: for
// the log to begin anew there must be a moment at which nothing is left in it.
type checkpointer struct {
	conn  *connection
	db    *database
	pages atomic.Int64  // carry when the log holds so many
	every int64         // commits between the last two looks at the log; the goroutine's own
	left  atomic.Int64  // commits until the next
	due   chan struct{} // holds one when it is to be
	quit  chan struct{}
	done  chan struct{}
}

// logState is what SQLite says of the log, in pages.
type logState struct{ held, carried int64 }

// rest is what is still to be carried.
func (s logState) rest() int64 { return s.held - s.carried }

var (
	lookAtLog = &sqlstore.Stmt{SQL: "PRAGMA wal_checkpoint(NOOP)"}
	carryLog  = &sqlstore.Stmt{SQL: "PRAGMA wal_checkpoint(PASSIVE)"}
)

// checkpoints starts the checkpointer.
func (d *database) checkpoints() error {
	c, err := d.connect(d.opts.CacheBytes / readerCacheShare)
	if err != nil {
		return err
	}
	d.checkpointer = &checkpointer{conn: c, db: d, due: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}), every: 1}
	d.checkpointer.pages.Store(checkpointPages)
	d.checkpointer.left.Store(1)
	go d.checkpointer.run()
	return nil
}

// committed is told of each commit.
func (c *checkpointer) committed() {
	if c.left.Add(-1) == 0 {
		c.due <- struct{}{} // there is room: it is looked for again only once this was taken
	}
}

func (c *checkpointer) run() {
	defer close(c.done)
	for last, each := int64(0), int64(1); ; {
		select {
		case <-c.quit:
			return
		case <-c.due:
		}
		commits := int64(carryCommits) // after a failure, too, such as of a full disk: all is in the log, where it is safe
		state, err := checkpoint(c.conn, lookAtLog)
		switch {
		case err != nil:
		case state.held >= c.pages.Load() && state.rest() > 0:
			c.carry(state)
		default:
			if more := state.held - last; more > 0 {
				each = max(1, more/(c.every-c.left.Load()))
			}
			commits = max(1, min(mostCommits, (c.pages.Load()-state.held)/each/2))
		}
		last, c.every = state.held, commits
		c.left.Store(commits)
	}
}

// carry carries what the log holds: beside the writer until little is left, and that in the writer's place. The next write
// then begins the log anew, unless somebody still reads what it held. SQLite syncs the file only where nothing was written
// meanwhile; done here, it is nothing that the writer waits for either.
func (c *checkpointer) carry(state logState) {
	for range carries {
		before := state.rest()
		var err error
		if _, err = checkpoint(c.conn, carryLog); err == nil {
			err = c.db.file.Sync()
		}
		if err == nil {
			state, err = checkpoint(c.conn, lookAtLog)
		}
		if err != nil {
			return
		}
		if state.rest() <= restPages || state.rest() >= before { // the latter where readers keep it from being carried
			break
		}
	}
	select {
	case w := <-c.db.writer:
		_, _ = checkpoint(w, carryLog) // what fails is tried again
		c.db.writer <- w
	case <-c.quit:
	}
}

// close waits until nothing is carried any more.
func (c *checkpointer) close() error {
	close(c.quit)
	<-c.done
	return c.conn.Close()
}

// checkpoint runs one of the statements about the log.
func checkpoint(c *connection, stmt *sqlstore.Stmt) (state logState, err error) {
	c.SetInterrupt(nil)
	s := session{conn: c}
	err = s.run(&sqlstore.Request{
		Stmt: stmt, Rows: 1, Bind: func(int, sqlstore.Args) {},
		Scan: func(r sqlstore.Row) error {
			_ = r.Int() // whether others kept some of it from being carried
			state.held, state.carried = r.Int(), r.Int()
			return nil
		},
	})
	return state, err
}
