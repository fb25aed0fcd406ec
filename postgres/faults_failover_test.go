package postgres_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rentroll/rentroll/internal/pgtest"
	"github.com/rentroll/rentroll/postgres"
)

// pair is a primary and a standby without which it commits nothing.
type pair struct {
	primary, standby *pgtest.Cluster
	url              string // of whichever of them takes writes
}

// as makes a program run as the user to whom a folder belongs: PostgreSQL's programs refuse to be root's.
func as(t *testing.T, cmd *exec.Cmd, folder string) *exec.Cmd {
	t.Helper()
	info, err := os.Stat(folder)
	if err != nil {
		t.Fatal(err)
	}
	owner, known := info.Sys().(*syscall.Stat_t)
	if known && os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}}
	}
	cmd.Dir = folder
	return cmd
}

// one asks a server a question that has one answer.
func one[T any](t *testing.T, url, query string) (answer T) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(t.Context(), query).Scan(&answer); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return answer
}

// newPair starts a primary, copies it, and has the copy follow it: what is committed is on both.
func newPair(t *testing.T) pair {
	t.Helper()
	p := pair{primary: pgtest.New(t), standby: pgtest.New(t)}
	if err := p.standby.Stop("immediate"); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(p.standby.Dir(), "data")
	if err := os.RemoveAll(data); err != nil {
		t.Fatal(err)
	}
	bin := one[string](t, p.primary.URL(), "SELECT setting FROM pg_config WHERE name = 'BINDIR'")
	backup := as(t, exec.CommandContext(t.Context(), filepath.Join(bin, "pg_basebackup"),
		"-h", p.primary.Dir(), "-U", "postgres", "-D", data, "-R", "-X", "stream", "-c", "fast", "--no-sync"), p.standby.Dir())
	if out, err := backup.CombinedOutput(); err != nil {
		t.Fatalf("pg_basebackup: %v\n%s", err, out)
	}
	if err := p.standby.Launch(); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), p.primary.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, sql := range []string{"ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "a standby that is waited for", func() bool {
		state := ""
		return conn.QueryRow(t.Context(), "SELECT sync_state FROM pg_stat_replication").Scan(&state) == nil && state == "sync"
	})
	p.url = "postgres:///postgres?user=postgres&target_session_attrs=read-write&host=" + p.primary.Dir() + "," + p.standby.Dir()
	return p
}

// TestFaultFailover lets a primary crash under load and promotes its standby: nothing that was answered is lost, and the
// engine finds the new primary by itself.
func TestFaultFailover(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	s := newStandAt(t, p.url, p.url, "rentroll", standOptions{past: true})
	began := time.Now()
	_, err := postgres.Open(t.Context(), p.standby.URL(), nil)
	if err == nil || !strings.Contains(err.Error(), "read-only") || time.Since(began) > slack {
		t.Errorf("opening a store on a standby, after %s: %v", time.Since(began), err)
	}
	l := s.begin(8)
	l.more(50)
	if err := p.primary.Stop("immediate"); err != nil {
		t.Fatal(err)
	}
	if !one[bool](t, p.standby.URL(), "SELECT pg_promote()") {
		t.Fatal("the standby was not promoted")
	}
	l.more(50)
	l.end()
}

// TestFaultFencedPrimary: a primary is made read-only and its standby promoted, and the old one stays there with all the
// connections that the engine has to it. The engine moves on.
func TestFaultFencedPrimary(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	s := newStandAt(t, p.url, p.url, "rentroll", standOptions{past: true})
	l := s.begin(8)
	l.more(50)
	conn, err := pgx.Connect(t.Context(), p.primary.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, sql := range []string{"ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()"} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	// Transactions that began before are over when nobody has an id any more.
	until(t, "the last writer", func() bool {
		n := 1
		err := conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity
			WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND backend_xid IS NOT NULL`).Scan(&n)
		return err == nil && n == 0 && one[string](t, p.primary.URL(), "SHOW transaction_read_only") == "on"
	})
	if !one[bool](t, p.standby.URL(), "SELECT pg_promote()") {
		t.Fatal("the standby was not promoted")
	}
	l.more(50)
	l.end()
}
