package faultproxy_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rentroll/rentroll/internal/faultproxy"
	"github.com/rentroll/rentroll/internal/pgtest"
)

// world is a table, a connection to it that nothing happens to, and a proxy.
type world struct {
	*faultproxy.Proxy

	t      *testing.T
	direct *pgx.Conn
	table  string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	url, schema := pgtest.Database(t)
	w := &world{t: t, table: schema + ".notes", Proxy: faultproxy.New(t, url)}
	w.direct = w.connect(url)
	for _, sql := range []string{"CREATE SCHEMA " + schema, "CREATE TABLE " + w.table + " (note text)"} {
		if _, err := w.direct.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w *world) connect(url string) *pgx.Conn {
	w.t.Helper()
	conn, err := pgx.Connect(w.t.Context(), url)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = conn.Close(ctx)
	})
	return conn
}

// through connects through the proxy.
func (w *world) through() *pgx.Conn {
	w.t.Helper()
	return w.connect(w.URL())
}

// rows returns how many rows the table has.
func (w *world) rows() (n int) {
	w.t.Helper()
	if err := w.direct.QueryRow(w.t.Context(), "SELECT count(*) FROM "+w.table).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

func (w *world) until(what string, met func() bool) {
	w.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(2 * time.Minute)
	for !met() {
		select {
		case <-tick.C:
		case <-deadline:
			w.t.Fatalf("waited in vain: %s", what)
		}
	}
}

// soon runs something that must not take long.
func soon(parent context.Context, d time.Duration, do func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(parent, d)
	defer cancel()
	return do(ctx)
}

func ping(conn *pgx.Conn) func(context.Context) error {
	return func(ctx context.Context) error { _, err := conn.Exec(ctx, "SELECT 1"); return err }
}

// The ways in which a row can be written and committed.
var ways = map[string]func(ctx context.Context, conn *pgx.Conn, insert string) error{
	"statement by statement": func(ctx context.Context, conn *pgx.Conn, insert string) error {
		tx, err := conn.Begin(ctx)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, insert, "x"); err != nil {
			return err
		}
		return tx.Commit(ctx)
	},
	"as one text": func(ctx context.Context, conn *pgx.Conn, insert string) error {
		_, err := conn.PgConn().Exec(ctx, "BEGIN; "+strings.Replace(insert, "$1", "'x'", 1)+"; commit").ReadAll()
		return err
	},
	"as a pipeline": pipeline,
	"as a prepared pipeline": func(ctx context.Context, conn *pgx.Conn, insert string) error {
		if err := pipeline(ctx, conn, insert); err != nil {
			return err
		}
		return pipeline(ctx, conn, insert)
	},
}

func pipeline(ctx context.Context, conn *pgx.Conn, insert string) error {
	batch := &pgx.Batch{}
	batch.Queue("BEGIN")
	batch.Queue(insert, "x")
	batch.Queue("COMMIT")
	return conn.SendBatch(ctx, batch).Close()
}

// TestPass: what goes through is not changed, be it large or small.
func TestPass(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	conn := w.through()
	for _, size := range []int{0, 1, 4095, 64 << 10, 3 << 20} {
		want, got := strings.Repeat("ä", size/2), ""
		if err := conn.QueryRow(t.Context(), "SELECT $1::text", want).Scan(&got); err != nil || got != want {
			t.Errorf("%d bytes came back as %d: %v", size, len(got), err)
		}
	}
	for name, write := range ways {
		before := w.rows()
		if err := write(t.Context(), conn, "INSERT INTO "+w.table+" VALUES ($1)"); err != nil || w.rows() == before {
			t.Errorf("%s: %d rows, %v", name, w.rows(), err)
		}
	}
	_, err := conn.Exec(t.Context(), "nonsense")
	if err == nil || !strings.Contains(err.Error(), "42601") {
		t.Errorf("the server's complaint became %v", err)
	}
}

// TestCommits: a cut before a COMMIT reaches the server undoes it, one behind it does not, and the client can't tell.
func TestCommits(t *testing.T) {
	t.Parallel()
	for name, write := range ways {
		for end, stored := range map[faultproxy.End]int{faultproxy.CutBefore: 0, faultproxy.CutAfter: 1} {
			t.Run(fmt.Sprintf("%s/%d", name, end), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				conn := w.through()
				commits, spared := 0, 0
				if name == "as a prepared pipeline" {
					spared = 1
				}
				w.Watch(func(s faultproxy.Statement) faultproxy.Fate {
					if !s.Commits() {
						return faultproxy.Fate{}
					}
					if s.Backend != conn.PgConn().PID() {
						t.Errorf("the server's process is %d and not %d", s.Backend, conn.PgConn().PID())
					}
					commits++
					if commits <= spared {
						return faultproxy.Fate{}
					}
					return faultproxy.Fate{End: end}
				})
				err := write(t.Context(), conn, "INSERT INTO "+w.table+" VALUES ($1)")
				if err == nil || !conn.IsClosed() {
					t.Errorf("the client is told %v", err)
				}
				w.until("the end of the connection", func() bool { return w.Links() == 0 })
				if n := w.rows(); n != spared+stored || commits != spared+1 {
					t.Errorf("%d rows after %d commits, want %d", n, commits, spared+stored)
				}
			})
		}
	}
}

// TestPause: the server has done what the statement says, and the client does not know yet.
func TestPause(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	conn := w.through()
	seen := false
	w.Watch(func(s faultproxy.Statement) faultproxy.Fate {
		if !s.Commits() {
			return faultproxy.Fate{}
		}
		return faultproxy.Fate{Pause: func() {
			w.until("the row", func() bool { return w.rows() == 1 })
			seen = true
		}}
	})
	if err := pipeline(t.Context(), conn, "INSERT INTO "+w.table+" VALUES ($1)"); err != nil || !seen {
		t.Errorf("paused %t, and then %v", seen, err)
	}
}

// TestHold: while the proxy holds, nothing is answered and nothing fails; then all of it arrives.
func TestHold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	conn := w.through()
	w.Hold()
	w.Hold()
	answered := make(chan error, 2)
	go func() { answered <- ping(conn)(t.Context()) }()
	go func() {
		late, err := pgx.Connect(t.Context(), w.URL())
		if err == nil {
			err = errors.Join(ping(late)(t.Context()), late.Close(t.Context()))
		}
		answered <- err
	}()
	w.until("a second connection", func() bool { return w.Links() == 2 })
	select {
	case err := <-answered:
		t.Errorf("answered while nothing comes through: %v", err)
	case <-time.After(30 * time.Millisecond):
	}
	w.Release()
	w.Release()
	for range 2 {
		if err := <-answered; err != nil {
			t.Error(err)
		}
	}
}

// TestRefuse: new connections end, the open ones go on.
func TestRefuse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	conn := w.through()
	w.Refuse()
	if late, err := pgx.Connect(t.Context(), w.URL()); err == nil {
		t.Error("a new connection was made", late.Close(t.Context()))
	}
	if err := ping(conn)(t.Context()); err != nil {
		t.Error(err)
	}
	w.Accept()
	if err := ping(w.through())(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestCut: the connections end for both sides.
func TestCut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	conns := []*pgx.Conn{w.through(), w.through()}
	if n := w.Cut(); n != 2 {
		t.Errorf("%d connections were cut, want 2", n)
	}
	for _, conn := range conns {
		if err := soon(t.Context(), time.Minute, ping(conn)); err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after the cut: %v", err)
		}
		w.awaitBackend(conn, 0)
	}
}

// awaitBackend waits until the server has so many sessions of this connection.
func (w *world) awaitBackend(conn *pgx.Conn, want int) {
	w.t.Helper()
	w.until(fmt.Sprintf("%d sessions at the server", want), func() bool {
		n := 0
		err := w.direct.QueryRow(w.t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE pid = $1", conn.PgConn().PID()).Scan(&n)
		return err == nil && n == want
	})
}

// TestStrand: the ends hear nothing of each other; the server's session stays, new connections work.
func TestStrand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	conn := w.through()
	if n := w.Strand(); n != 1 {
		t.Errorf("%d connections were stranded, want 1", n)
	}
	w.Strand()
	if err := soon(t.Context(), 30*time.Millisecond, ping(conn)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("on a stranded connection: %v", err)
	}
	if err := ping(w.through())(t.Context()); err != nil {
		t.Error(err)
	}
	w.awaitBackend(conn, 1)
	w.Cut()
	w.awaitBackend(conn, 0)
}

// TestStrandAtAStatement: the server has done it, or not even heard of it, and nobody learns of that.
func TestStrandAtAStatement(t *testing.T) {
	t.Parallel()
	for end, stored := range map[faultproxy.End]int{faultproxy.StrandBefore: 0, faultproxy.StrandAfter: 1} {
		t.Run(fmt.Sprint(end), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			conn := w.through()
			w.Watch(func(s faultproxy.Statement) faultproxy.Fate {
				if s.Commits() {
					return faultproxy.Fate{End: end}
				}
				return faultproxy.Fate{}
			})
			ctx, giveUp := context.WithCancel(t.Context())
			defer giveUp()
			told := make(chan error, 1)
			go func() { told <- pipeline(ctx, conn, "INSERT INTO "+w.table+" VALUES ($1)") }()
			w.until("the end of what is heard", func() bool { return w.Stranded() == 1 })
			giveUp()
			if err := <-told; !errors.Is(err, context.Canceled) {
				t.Errorf("the client is told %v", err)
			}
			if n := w.rows(); n != stored {
				t.Errorf("%d rows, want %d", n, stored)
			}
			w.awaitBackend(conn, 1)
		})
	}
}

// TestDelay: an answer takes as long as the way there and back.
func TestDelay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	conn := w.through()
	w.Delay(40 * time.Millisecond)
	begin := time.Now()
	if err := ping(conn)(t.Context()); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took < 80*time.Millisecond {
		t.Errorf("answered after %s", took)
	}
	w.Delay(time.Hour)
	w.Delay(0)
	if err := ping(conn)(t.Context()); err != nil { // or it would wait for two hours
		t.Fatal(err)
	}
}

func TestWhatCommits(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]bool{
		"COMMIT": true, "commit ;": true, " Commit Work": true, "END": true, "end transaction": true, "BEGIN; SELECT 1; COMMIT": true,
		"": false, "ROLLBACK": false, "BEGIN": false, "SELECT 'COMMIT'": false, "COMMIT PREPARED 'x'": false, "commitment": false,
	} {
		if got := (faultproxy.Statement{SQL: sql}).Commits(); got != want {
			t.Errorf("%q commits: %t, want %t", sql, got, want)
		}
	}
}
