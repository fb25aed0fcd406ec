package sqlstore

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/rentroll/rentroll"
)

// presence holds the statements about the servers that share a database. They go by the database's clock, the one that
// all servers have in common, and so they are made for each dialect.
type presence struct{ announce, count, forget, withdraw, live *Stmt }

func newPresence(clock string) presence {
	return presence{
		announce: &Stmt{SQL: "INSERT INTO servers (id, name, started_at, seen_at) VALUES ($1, $2, $3, " + clock + `)
			ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at`},
		count: &Stmt{SQL: "SELECT " + clock + `, COUNT(*), CAST(COALESCE(SUM(CASE WHEN id < $1 THEN 1 ELSE 0 END), 0) AS BIGINT)
			FROM servers WHERE id = $1 OR seen_at > ` + clock + " - $2"},
		forget:   &Stmt{SQL: "DELETE FROM servers WHERE seen_at < " + clock + " - $1"},
		withdraw: &Stmt{SQL: "DELETE FROM servers WHERE id = $1"},
		live:     &Stmt{SQL: "SELECT id, name, started_at FROM servers WHERE seen_at > " + clock + " - $1"},
	}
}

// keptBatches is how long the ids of transactions are kept. A commit whose outcome is unknown is looked up within a
// minute, and servers whose clocks are off by more than a second do not work.
const keptBatches = time.Hour

// removeBatches deletes the ids of old transactions: they begin with their time.
var removeBatches = &Stmt{SQL: "DELETE FROM batches WHERE id < $1"}

// Announce says that a server lives, and tells it of the others.
func (s *Store) Announce(ctx context.Context, server rentroll.Server, silence time.Duration) (c rentroll.Cluster, err error) {
	session, _, err := s.write(ctx)
	if err != nil {
		return c, err
	}
	defer session.Rollback()
	err = session.Run(ctx,
		&Request{Stmt: s.presence.announce, Rows: 1, Bind: func(_ int, a Args) {
			a.ID(server.ID)
			a.Text(server.Name)
			a.Int(server.StartedAt.UnixMicro())
		}},
		&Request{Stmt: s.presence.count, Rows: 1, Bind: func(_ int, a Args) {
			a.ID(server.ID)
			a.Int(silence.Microseconds())
		}, Scan: func(row Row) error {
			c.Now, c.Servers, c.Rank = time.UnixMicro(row.Int()).UTC(), int(row.Int()), int(row.Int())
			return nil
		}},
	)
	if err != nil {
		return c, err
	}
	if c.Rank == 0 { // one of them cleans up, whichever it is
		err = session.Run(ctx,
			&Request{Stmt: s.presence.forget, Rows: 1, Bind: func(_ int, a Args) { a.Int(max(silence, time.Hour).Microseconds()) }},
			&Request{Stmt: removeBatches, Rows: 1, Bind: func(_ int, a Args) {
				var oldest rentroll.BatchID
				binary.BigEndian.PutUint64(oldest[:], uint64(c.Now.Add(-keptBatches).UnixMilli())<<16)
				a.ID(oldest)
			}},
		)
		if err != nil {
			return c, err
		}
	}
	return c, session.Commit(ctx)
}

// Describe says what the database is, and who shares it.
func (s *Store) Describe(ctx context.Context, silence time.Duration) (d rentroll.StoreDescription, err error) {
	err = s.dialect.Ask(ctx,
		&Request{Stmt: s.dialect.About(), Rows: 1, Bind: func(int, Args) {}, Scan: func(row Row) error {
			d.Version, d.Bytes = row.Text(), row.Int()
			return nil
		}},
		&Request{Stmt: s.presence.live, Rows: 1, Bind: func(_ int, a Args) { a.Int(silence.Microseconds()) }, Scan: func(row Row) error {
			d.Servers = append(d.Servers, rentroll.Server{ID: row.ID(), Name: row.Text(), StartedAt: scanTime(row)})
			return nil
		}},
	)
	return d, err
}

// Withdraw forgets a server that stops.
func (s *Store) Withdraw(ctx context.Context, id rentroll.ServerID) error {
	session, _, err := s.write(ctx)
	if err != nil {
		return err
	}
	defer session.Rollback()
	if err := session.Run(ctx, &Request{Stmt: s.presence.withdraw, Rows: 1, Bind: func(_ int, a Args) { a.ID(id) }}); err != nil {
		return err
	}
	return session.Commit(ctx)
}
