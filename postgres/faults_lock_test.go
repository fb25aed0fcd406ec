package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rentroll/rentroll"
)

// stranger is somebody else's transaction.
type stranger struct {
	*stand

	tx pgx.Tx
}

// stranger begins a transaction beside the engine.
func (s *stand) stranger() *stranger {
	s.t.Helper()
	tx, err := s.admin.Begin(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return &stranger{s, tx}
}

// lock locks an account, and waits for whoever holds it. It returns the SQLSTATE of a refusal.
func (x *stranger) lock(account rentroll.TenantID) string {
	x.t.Helper()
	row := x.tx.QueryRow(x.t.Context(), "SELECT 1 FROM "+x.schema+".accounts WHERE tenant_id = $1 FOR UPDATE", [16]byte(account))
	err := row.Scan(new(int))
	code := sqlstate(err)
	if err != nil && code == "" {
		x.t.Errorf("locking an account: %v", err)
	}
	return code
}

func (x *stranger) end() {
	if err := x.tx.Rollback(context.Background()); err != nil && !errors.Is(err, pgx.ErrTxClosed) {
		x.t.Error(err)
	}
}

// blocked returns how many of the engine's sessions wait for a lock.
func (s *stand) blocked() (n int) {
	row := s.admin.QueryRow(context.Background(),
		"SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND wait_event_type = 'Lock'", s.schema)
	if err := row.Scan(&n); err != nil {
		s.t.Error(err)
	}
	return n
}

// TestFaultDeadlock: a stranger locks two accounts in the other order, so that the server ends a transaction of the
// engine's (40P01). Nobody who called the engine sees that.
func TestFaultDeadlock(t *testing.T) {
	t.Parallel()
	s := newStand(t, standOptions{engine: rentroll.Options{StatisticsInterval: time.Hour}})
	plans := []string{rentroll.PlanEnterprise, rentroll.PlanPro}
	for round := 0; s.Metrics().Retries == 0; round++ { // who has waited for a second looks, and is ended
		if round == 5 {
			t.Fatal("the server has ended the stranger each time")
		}
		x := s.stranger()
		x.lock(s.tenants[2])
		changed := make(chan error, 1)
		go func() { // a plan's change takes the platform's account, then waits for the tenant's
			_, err := s.UpdatePlan(context.Background(), rentroll.UpdatePlanParams{TenantID: s.tenants[2], Plan: plans[round%2]})
			changed <- err
		}()
		until(t, "the engine waiting for the stranger", func() bool { return s.blocked() == 1 })
		x.lock(rentroll.PlatformID)
		x.end()
		if err := <-changed; err != nil {
			t.Error(err)
		}
	}
	s.checkRows()
}

// TestFaultHeldAccount: a stranger holds an account for as long as the engine waits for one. Its tenant gets unavailable,
// the others do not notice.
func TestFaultHeldAccount(t *testing.T) {
	t.Parallel()
	o := standOptions{}
	const others = 1500 * time.Millisecond // less than anybody waits for an account
	o.store.LockTimeout = 2 * time.Second
	s := newStand(t, o)
	x := s.stranger()
	x.lock(s.tenants[2])
	s.unavailable("55P03")
	held := make(chan []error, 1)
	go func() { held <- storm(8, func() error { return s.create(2, patience) }) }()
	until(t, "the engine waiting for the stranger", func() bool { return s.blocked() > 0 })
	for range 3 {
		if err := s.create(0, others); err != nil {
			t.Errorf("another tenant: %v", err)
		}
	}
	for _, err := range <-held {
		if !errors.Is(err, rentroll.CodeUnavailable) {
			t.Errorf("got %v, want it to be unavailable", err)
		}
	}
	x.end()
	if err := s.create(2, patience); err != nil {
		t.Errorf("when the account is free: %v", err)
	}
	s.checkRows()
}

// TestFaultCanceled: an operator, or a time limit, gives up what the engine is doing (57014).
func TestFaultCanceled(t *testing.T) {
	t.Parallel()
	s := newStand(t, standOptions{})
	x := s.stranger()
	x.lock(s.tenants[2])
	created := make(chan error, 1)
	go func() { created <- s.create(2, patience) }()
	until(t, "the engine waiting for the stranger", func() bool { return s.blocked() == 1 })
	s.sql("SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE application_name = $1", s.schema)
	if err := <-created; !errors.Is(err, rentroll.CodeUnavailable) || sqlstate(err) != "57014" {
		t.Errorf("got %v, want it to be unavailable by 57014", err)
	}
	x.end()
	s.heals()
	s.checkRows()
}

// refusals are what a server may answer to a statement, and what the engine makes of it.
var refusals = []struct {
	sqlstate string
	times    int // how often; more often than the engine tries, where it is the caller who tries again
	want     rentroll.Code
}{
	{"40001", 3, ""},                        // a serialization failure
	{"40P01", 3, ""},                        // a deadlock
	{"40001", 21, rentroll.CodeUnavailable}, // without end
	{"25006", 21, rentroll.CodeUnavailable}, // read-only
	{"53100", 1, rentroll.CodeUnavailable},  // the disk is full
	{"53200", 1, rentroll.CodeUnavailable},  // out of memory
	{"55P03", 1, rentroll.CodeUnavailable},  // a lock is not to be had
	{"57014", 1, rentroll.CodeUnavailable},  // given up
	{"58030", 1, rentroll.CodeUnavailable},  // the disk failed
	{"XX000", 1, rentroll.CodeUnavailable},  // a fault of the server
	{"22003", 21, rentroll.CodeInternal},    // the data was refused
	{"23505", 21, rentroll.CodeInternal},
}

// TestFaultRefusals has the server refuse the rows of some runs: when they are written, and at the commit.
func TestFaultRefusals(t *testing.T) {
	t.Parallel()
	s := newStand(t, standOptions{engine: rentroll.Options{StatisticsInterval: time.Hour, SweepInterval: -1}})
	s.sql("CREATE SEQUENCE " + s.schema + ".refused")
	for when, deferred := range map[string]string{"row": "NOT DEFERRABLE", "commit": "DEFERRABLE INITIALLY DEFERRED"} {
		for _, r := range refusals {
			task := fmt.Sprintf(probe+", refused at the %s by %s, %d times", when, r.sqlstate, r.times)
			s.refuse(r.sqlstate, r.times, deferred, task)
			before := s.Metrics()
			if err := s.createTask(task); rentroll.CodeOf(err) != r.want {
				t.Errorf("%s: got %v, want %q", task, err, r.want)
			}
			if n := s.Metrics().Retries - before.Retries; r.want == "" && n != uint64(r.times) {
				t.Errorf("%s: tried again %d times", task, n)
			}
			if n := s.Metrics().UnknownCommits - before.UnknownCommits; n > 0 {
				t.Errorf("%s: %d commits that were refused were looked up", task, n)
			}
			if err := s.createTask(probe); err != nil {
				t.Errorf("%s: another run: %v", task, err)
			}
			s.sql("DROP TRIGGER refuse ON " + s.schema + ".runs")
			if n := s.count("runs WHERE task = $1", task); (n == 1) != (r.want == "") || n > 1 {
				t.Errorf("%s: %d runs are stored", task, n)
			}
		}
	}
	s.checkRows()
}

// createTask asks for a run of a task.
func (s *stand) createTask(task string) error {
	s.t.Helper()
	return within(s.t, patience, func(ctx context.Context) error {
		_, err := s.CreateRun(ctx, rentroll.CreateRunParams{TenantID: s.tenants[2], WorkerID: "builder", Task: task})
		return err
	})
}

// refuse has the server refuse new runs of a task, so many times.
func (s *stand) refuse(sqlstate string, times int, deferred, task string) {
	s.t.Helper()
	s.sql(fmt.Sprintf(`
		CREATE OR REPLACE FUNCTION %[1]s.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			IF nextval('%[1]s.refused') <= %[2]d THEN
				RAISE EXCEPTION 'refused by the test' USING ERRCODE = '%[3]s';
			END IF;
			RETURN NULL;
		END $$;
		SELECT setval('%[1]s.refused', 1, false);
		CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON %[1]s.runs %[4]s
			FOR EACH ROW WHEN (NEW.task = '%[5]s') EXECUTE FUNCTION %[1]s.refuse()`, s.schema, times, sqlstate, deferred, task))
}

// count counts rows of a table and a condition.
func (s *stand) count(from string, args ...any) (n int) {
	s.t.Helper()
	if err := s.admin.QueryRow(s.t.Context(), "SELECT count(*) FROM "+s.schema+"."+from, args...).Scan(&n); err != nil {
		s.t.Error(err)
	}
	return n
}

// TestFaultOneBadRow: where the server refuses one row of a batch, that command fails and the others do not.
func TestFaultOneBadRow(t *testing.T) {
	t.Parallel()
	s := newStand(t, standOptions{engine: rentroll.Options{Lanes: 1, SweepInterval: -1}})
	s.sql("CREATE SEQUENCE " + s.schema + ".refused")
	s.refuse("23514", 1<<30, "NOT DEFERRABLE", probe+", bad")
	x := s.stranger()
	x.lock(s.tenants[2]) // so that all of them meet in one batch
	ended := make(chan []error, 1)
	var calls atomic.Int64
	go func() {
		ended <- storm(12, func() error {
			task := probe
			if calls.Add(1) == 5 {
				task = probe + ", bad"
			}
			_, err := s.CreateRun(t.Context(), rentroll.CreateRunParams{TenantID: s.tenants[2], WorkerID: "builder", Task: task})
			return err
		})
	}()
	until(t, "the engine waiting for the stranger", func() bool { return s.blocked() > 0 })
	x.end()
	codes := map[rentroll.Code]int{}
	for _, err := range <-ended {
		codes[rentroll.CodeOf(err)]++
	}
	if codes[""] != 11 || codes[rentroll.CodeInternal] != 1 {
		t.Errorf("the commands ended as %v", codes)
	}
	s.checkRows()
}

// TestFaultSerializable: a database whose sessions are serializable by default changes nothing.
func TestFaultSerializable(t *testing.T) {
	t.Parallel()
	o := standOptions{settings: "&default_transaction_isolation=serializable"}
	s := newStand(t, o)
	second, _ := s.start(s.proxy.URL()+o.settings, o)
	s.also = append(s.also, second)
	l := s.begin(8)
	l.more(100)
	l.end()
	if len(l.refused) > 0 {
		t.Errorf("callers were refused: %v", l.refused)
	}
}
