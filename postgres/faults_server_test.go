package postgres_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/pgtest"
	"github.com/rentroll/rentroll/postgres"
)

// probe begins the tasks of runs that no job stands for.
const probe = "probe"

// create asks for a run of a tenant, with a deadline.
func (s *stand) create(tenant int, d time.Duration) error {
	s.t.Helper()
	return within(s.t, d, func(ctx context.Context) error {
		_, err := s.CreateRun(ctx, rentroll.CreateRunParams{TenantID: s.tenants[tenant], WorkerID: "builder", Task: probe})
		return err
	})
}

// unavailable fails the test where a write is not refused at once as unavailable, because of an SQLSTATE.
func (s *stand) unavailable(because string) {
	s.t.Helper()
	begin := time.Now()
	err := s.create(2, patience)
	if !errors.Is(err, rentroll.CodeUnavailable) || sqlstate(err) != because {
		s.t.Errorf("got %v, want it to be unavailable by %s", err, because)
	}
	if took := time.Since(begin); took > slack {
		s.t.Errorf("it took %s to say so", took)
	}
}

// sqlstate returns the server's own code of a failure; "" where the server has said nothing.
func sqlstate(err error) string {
	if refusal, refused := errors.AsType[*pgconn.PgError](err); refused {
		return refusal.Code
	}
	return ""
}

// heals waits until every tenant is served again, and reading works.
func (s *stand) heals() {
	s.t.Helper()
	for i := range s.tenants {
		until(s.t, "an engine that works again", func() bool {
			err := s.create(i, patience)
			return err == nil || errors.Is(err, rentroll.CodeQuotaExceeded)
		})
	}
	until(s.t, "an engine that reads again", func() bool {
		return within(s.t, patience, func(ctx context.Context) error { _, err := s.GetQuotas(ctx, s.tenants[0]); return err }) == nil
	})
}

// checkRows checks that the counters of all tenants equal their rows.
func (s *stand) checkRows() {
	s.t.Helper()
	l := &load{stand: s}
	l.audit()
}

// TestFaultCrash lets the server crash under load and start again, twice.
func TestFaultCrash(t *testing.T) {
	t.Parallel()
	c := pgtest.New(t)
	s := newStandOn(t, c, standOptions{})
	l := s.begin(8)
	for _, mode := range []string{"immediate", "fast"} {
		l.more(30)
		if err := c.Stop(mode); err != nil {
			t.Fatal(err)
		}
		if err := s.create(2, time.Second); !errors.Is(err, rentroll.CodeUnavailable) && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("without a server: %v", err)
		}
		if err := s.Ping(t.Context()); err == nil {
			t.Error("the engine says that a store is there which is not")
		}
		if err := c.Launch(); err != nil {
			t.Fatal(err)
		}
		l.more(30)
	}
	l.end()
}

// TestFaultTerminated terminates the engine's sessions at whatever moment, again and again (57P01).
func TestFaultTerminated(t *testing.T) {
	t.Parallel()
	s := newStand(t, standOptions{})
	l := s.begin(8)
	for range 20 {
		l.more(1)
		s.pause(30 * time.Millisecond)
		s.sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = $1", s.schema)
	}
	l.more(10)
	l.end()
}

// TestFaultReadOnly makes the server read-only for a while, as a failover does or an operator: writes are refused at
// once, reads go on, and when it is over writes work again.
func TestFaultReadOnly(t *testing.T) {
	t.Parallel()
	s := newStandOn(t, pgtest.New(t), standOptions{})
	l := s.begin(4)
	l.more(10)
	s.sql("ALTER SYSTEM SET default_transaction_read_only = on")
	s.sql("SELECT pg_reload_conf()")
	until(t, "a server that refuses to write", func() bool { return s.create(2, patience) != nil })
	s.unavailable("25006")
	until(t, "a server that says it is not ready", func() bool { return s.Ready(t.Context()) != nil })
	if _, err := s.ListRuns(t.Context(), rentroll.ListRunsParams{TenantID: s.tenants[0]}); err != nil {
		t.Errorf("reading: %v", err)
	}
	if _, err := s.GetQuotas(t.Context(), s.tenants[0]); err != nil {
		t.Errorf("reading: %v", err)
	}
	conn, err := s.admin.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "SET default_transaction_read_only = off"); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{"ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()"} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	conn.Release()
	s.heals()
	until(t, "a server that is ready again", func() bool { return s.Ready(t.Context()) == nil })
	l.more(10)
	l.end()
}

// TestFaultConnectionsExhausted gives all connections of the server to strangers (53300).
func TestFaultConnectionsExhausted(t *testing.T) {
	t.Parallel()
	s := newStandOn(t, pgtest.New(t, "max_connections=16"), standOptions{store: postgres.Options{Connections: 4}})
	l := s.begin(4)
	l.more(10)
	var strangers []*pgx.Conn
	fill := func() {
		for {
			conn, err := pgx.Connect(t.Context(), s.url)
			if err != nil {
				return
			}
			strangers = append(strangers, conn)
		}
	}
	ping := func(ctx context.Context) error { return s.Ping(ctx) }
	denied := 0 // in a row: sessions that end make room a little later, and who is first gets it
	until(t, "the engine without a connection", func() bool {
		s.proxy.Cut()
		fill()
		denied++
		if sqlstate(s.create(2, patience)) != "53300" || within(t, patience, ping) == nil {
			denied = 0
		}
		return denied == 10
	})
	s.unavailable("53300")
	if err := within(t, patience, ping); rentroll.CodeOf(err) != rentroll.CodeUnavailable {
		t.Errorf("a sign of life without a connection: %v", err)
	}
	for _, conn := range strangers {
		if err := conn.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	l.more(10)
	l.end()
}

// TestFaultReadersExhaustThePool: as many readers as there are connections are slow. Other readers are answered by their
// deadlines, and nobody who writes has to wait for them.
func TestFaultReadersExhaustThePool(t *testing.T) {
	t.Parallel()
	o := standOptions{store: postgres.Options{Connections: 8}}
	s := newStand(t, o)
	release, reading := make(chan struct{}), make(chan error)
	ctx, cancel := context.WithCancel(t.Context())
	for range 8 {
		go func() {
			reading <- s.store.View(ctx, func(rentroll.Reader) error {
				<-release
				return nil
			})
		}()
	}
	read := func(ctx context.Context) error { _, err := s.GetQuotas(ctx, s.tenants[0]); return err }
	until(t, "readers that took all connections", func() bool { return within(t, 50*time.Millisecond, read) != nil })
	for _, err := range storm(24, func() error { return within(t, 200*time.Millisecond, read) }) {
		if !errors.Is(err, rentroll.CodeUnavailable) && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a reader was told %v", err)
		}
	}
	for range 3 {
		if err := s.create(2, time.Second); err != nil {
			t.Errorf("writing: %v", err)
		}
	}
	close(release)
	cancel() // those that never got a connection
	for range 8 {
		<-reading
	}
	if err := within(t, patience, read); err != nil {
		t.Errorf("reading, when the readers have gone: %v", err)
	}
	s.checkRows()
}

// storm makes n calls at once and returns how they ended.
func storm(n int, call func() error) []error {
	ended := make(chan error, n)
	for range n {
		go func() { ended <- call() }()
	}
	errs := make([]error, 0, n)
	for range n {
		errs = append(errs, <-ended)
	}
	return slices.Clip(errs)
}
