package postgres_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/pgtest"
	"github.com/rentroll/rentroll/postgres"
	"github.com/rentroll/rentroll/storetest"
)

// poolSize is how many connections the pooler holds: fewer than there are clients, so that they get each other's.
const poolSize = 6

// pooler starts PgBouncer before a cluster of its own and returns the URL to connect by. In the mode "transaction" it
// gives a connection to a client for one transaction, so that nothing that is set on a connection lasts.
func pooler(t *testing.T, mode string, settings ...string) string {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/pgbouncer"); err != nil { // Debian's place, off a user's path
			t.Fatal("tests need PgBouncer 1.18 or newer: install it (Debian: apt-get install pgbouncer; macOS: brew install pgbouncer)")
		}
	}
	cluster := pgtest.New(t, "fsync=off") // many schemas are made, and none is to last
	dir := filepath.Join(cluster.Dir(), "pooler")
	config := fmt.Sprintf(`[databases]
* = host=%s user=postgres
[pgbouncer]
listen_addr =
listen_port = 6432
unix_socket_dir = %s
auth_type = any
pool_mode = %s
default_pool_size = %d
max_client_conn = 300
%s
`, cluster.Dir(), dir, mode, poolSize, strings.Join(settings, "\n"))
	file := filepath.Join(dir, "pgbouncer.ini")
	if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(file, []byte(config), 0o600)); err != nil {
		t.Fatal(err)
	}
	// The shell ends the pooler when its input ends: with the test, or with this process, however that comes.
	cmd := exec.Command("sh", "-c", `"$0" "$1" & read _; kill $!; wait`, program, file)
	cmd.SysProcAttr = belongsTo(t, cluster.Dir(), dir, file)
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	log, w := io.Pipe()
	cmd.Stdout, cmd.Stderr, cmd.Dir = w, w, dir
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	up, down, said := make(chan struct{}), make(chan struct{}), &strings.Builder{}
	go func() {
		defer close(down)
		lines, started := bufio.NewScanner(log), false
		for lines.Scan() {
			if !started {
				said.WriteString(lines.Text() + "\n")
			}
			if !started && strings.Contains(lines.Text(), "process up") {
				started = true
				close(up)
			}
		}
	}()
	t.Cleanup(func() {
		if err := errors.Join(input.Close(), cmd.Wait(), w.Close()); err != nil {
			t.Error(err)
		}
		<-down
	})
	select {
	case <-up:
	case <-down:
		t.Fatalf("PgBouncer ended:\n%s", said)
	}
	return "postgres:///postgres?user=postgres&port=6432&host=" + dir
}

// belongsTo gives files to the owner of a folder, and returns how to run a program as that user. PgBouncer refuses root
// as PostgreSQL does.
func belongsTo(t *testing.T, folder string, files ...string) *syscall.SysProcAttr {
	t.Helper()
	info, err := os.Stat(folder)
	if err != nil {
		t.Fatal(err)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return &syscall.SysProcAttr{Setpgid: true}
	}
	for _, file := range files {
		if err := os.Chown(file, int(owner.Uid), int(owner.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	return &syscall.SysProcAttr{Setpgid: true, Credential: &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}}
}

func openPooled(t *testing.T, url, schema string) rentroll.Store {
	t.Helper()
	store, err := postgres.Open(t.Context(), url, &postgres.Options{Schema: schema, Connections: 4, Pooled: true, AllowUnsafe: true})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func TestStorePooled(t *testing.T) {
	t.Parallel()
	url := pooler(t, "transaction")
	var schemas pgtest.Pool
	storetest.Run(t, func(t *testing.T) rentroll.Store {
		t.Helper()
		return openPooled(t, url, schemas.Schema(t, url))
	})
}

// TestServersPooled lets two servers that start at once work on one database through a pooler.
func TestServersPooled(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"transaction", "session"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			url := pooler(t, mode, fmt.Sprintf("reserve_pool_size = %d", 4*poolSize)) // in a session each keeps its own
			workPooled(t, url, "pooled")
			checkNothingStays(t, url)
		})
	}
}

// TestUnannouncedPooler opens a store behind a pooler without saying so: it must not work in the wrong place.
func TestUnannouncedPooler(t *testing.T) {
	t.Parallel()
	for want, settings := range map[string]string{
		"unsupported startup parameter": "",
		"does a pooler stand in between": `ignore_startup_parameters = search_path,lock_timeout,statement_timeout,idle_in_transaction_session_timeout,` +
			`tcp_keepalives_idle,tcp_keepalives_interval,tcp_keepalives_count,enable_seqscan,enable_hashjoin,enable_mergejoin,` +
			`max_parallel_workers_per_gather,enable_bitmapscan,enable_sort,enable_material,jit,plan_cache_mode`,
	} {
		url := pooler(t, "transaction", settings)
		store, err := postgres.Open(t.Context(), url, &postgres.Options{AllowUnsafe: true})
		if err == nil {
			err = store.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("it does not say %q: %v", want, err)
		}
		if settings != "" {
			workPooled(t, url, "rentroll") // which it would not if tables had been made in the wrong place
		}
	}
}

// workPooled lets two servers start at once and admit up to a limit.
func workPooled(t *testing.T, url, schema string) {
	t.Helper()
	engines := make([]*rentroll.Engine, 2)
	var group sync.WaitGroup
	for i := range engines {
		group.Go(func() {
			engine, err := rentroll.New(openPooled(t, url, schema), nil)
			if err != nil {
				t.Error(err)
				return
			}
			engines[i] = engine
		})
	}
	group.Wait()
	if t.Failed() {
		t.FailNow()
	}
	ctx := t.Context()
	tenant, err := engines[0].CreateTenant(ctx, rentroll.CreateTenantParams{Name: "T", Slug: "t"})
	if err != nil {
		t.Fatal(err)
	}
	params := rentroll.CreateRunParams{TenantID: tenant.ID, WorkerID: "writer", Task: "x"}
	var admitted atomic.Int64
	for i := range 32 {
		group.Go(func() {
			_, err := engines[i%2].CreateRun(ctx, params)
			switch {
			case err == nil:
				admitted.Add(1)
			case rentroll.CodeOf(err) != rentroll.CodeQuotaExceeded:
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n := admitted.Load(); n != 5 {
		t.Errorf("%d runs were admitted, and the limit is 5", n)
	}
	if _, err := engines[0].Suspend(ctx, rentroll.TransitionParams{TenantID: tenant.ID, Reason: "not paid"}); err != nil {
		t.Fatal(err)
	}
	if _, err := engines[1].CreateRun(ctx, params); rentroll.CodeOf(err) != rentroll.CodeTenantSuspended {
		t.Errorf("suspended on one server, the other says %v", err)
	}
	for _, engine := range engines {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	}
}

// checkNothingStays looks at all of the pooler's connections: what one client has set must not reach the next.
func checkNothingStays(t *testing.T, url string) {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	seen := make(map[int]bool)
	for range poolSize {
		conn, err := pgx.ConnectConfig(context.Background(), config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close(context.Background()) })
		tx, err := conn.Begin(t.Context()) // it keeps its connection to the server, so that the next gets another
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
		var pid, prepared int
		var set string
		err = tx.QueryRow(t.Context(), `SELECT pg_backend_pid(), (SELECT COUNT(*) FROM pg_prepared_statements),
			(SELECT COALESCE(string_agg(name || ' = ' || setting, ', '), '') FROM pg_settings WHERE source = 'session')`).Scan(&pid, &prepared, &set)
		if err != nil {
			t.Fatal(err)
		}
		seen[pid] = true
		if set != "" || prepared != 0 {
			t.Errorf("a connection keeps settings (%v) and %d statements", set, prepared)
		}
	}
	if len(seen) != poolSize {
		t.Errorf("%d connections were looked at", len(seen))
	}
}
