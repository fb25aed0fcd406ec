package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/client"
	"github.com/rentroll/rentroll/internal/pgtest"
)

// onPostgres returns the variables of the environment that name a new place in PostgreSQL, and how to ask it.
func onPostgres(t *testing.T) (env []string, count func(what string) int) {
	t.Helper()
	dsn, schema := pgtest.Database(t)
	return []string{"RENTROLL_DATABASE=" + dsn, "RENTROLL_DATABASE_SCHEMA=" + schema}, func(what string) (n int) {
		t.Helper()
		conn, err := pgx.Connect(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		if err := conn.QueryRow(t.Context(), "SELECT COUNT(*) FROM "+schema+"."+what).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
}

func mustCreate(t *testing.T, c *client.Client, slug string) {
	t.Helper()
	if _, err := c.CreateTenant(t.Context(), client.CreateTenantParams{Name: "T", Slug: slug}); err != nil {
		t.Fatal(err)
	}
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	env, count := onPostgres(t)
	dir := t.TempDir()
	a := serve(t, dir, env)
	path := filepath.Join(dir, operatorKeyFile)
	if line := a.out.wait(t, "operator key"); !strings.Contains(line, path) {
		t.Errorf("the path of the key is not told: %s", line)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("the key's file: %v, %v", info, err)
	}
	key := a.operatorKey()
	b := serve(t, t.TempDir(), env) // another server on the same database
	onA, onB := a.connect(key), b.connect(key)
	mustCreate(t, onA, "acme")
	run, err := onB.CreateRun(t.Context(), "acme", client.CreateRunParams{WorkerID: "writer", Task: "x"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := onA.GetRun(t.Context(), "acme", run.ID); err != nil || got.Status != rentroll.RunQueued {
		t.Errorf("a run of one server is on the other %+v, %v", got, err)
	}
	if _, err := onA.Suspend(t.Context(), "acme", "not paid"); err != nil {
		t.Fatal(err)
	}
	_, err = onB.CreateRun(t.Context(), "acme", client.CreateRunParams{WorkerID: "writer", Task: "x"})
	if rentroll.CodeOf(err) != rentroll.CodeTenantSuspended {
		t.Errorf("suspended on one server, the other says %v", err)
	}
	a.stop()
	b.stop()

	again := serve(t, dir, env)
	if _, err := again.connect(key).GetRun(t.Context(), "acme", run.ID); err != nil {
		t.Errorf("what was answered is gone: %v", err)
	}
	again.stop()
	if strings.Contains(again.out.String()+b.out.String(), "operator key") || count("operator_keys") != 1 {
		t.Error("more than one key was made")
	}
}

// TestServersStartAtOnce starts servers at once on a new database, two of them in one folder: they migrate it once, and
// make one key.
func TestServersStartAtOnce(t *testing.T) {
	t.Parallel()
	env, count := onPostgres(t)
	together := t.TempDir()
	dirs := []string{together, together, t.TempDir(), t.TempDir()}
	servers := make([]*process, len(dirs))
	var group sync.WaitGroup
	for i, dir := range dirs {
		group.Go(func() { servers[i] = begin(t, dir, env) })
	}
	group.Wait()
	var key string
	for _, p := range servers {
		p.listens()
		if strings.Contains(p.out.String(), "operator key") {
			if key != "" {
				t.Error("two servers tell of a key")
			}
			key = p.operatorKey()
		}
	}
	for _, p := range servers {
		if _, err := p.connect(key).ListPlans(t.Context()); err != nil {
			t.Errorf("the key is not good everywhere: %v", err)
		}
		p.stop()
	}
	if keys, steps := count("operator_keys"), count("goose_db_version WHERE version_id = 1"); keys != 1 || steps != 1 {
		t.Errorf("%d keys were made, and the first migration applied %d times", keys, steps)
	}
	var files []string
	for _, dir := range dirs[1:] {
		found, err := filepath.Glob(filepath.Join(dir, operatorKeyFile+"*"))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) != 1 || filepath.Base(files[0]) != operatorKeyFile {
		t.Errorf("the files of the key are %q", files)
	}
}

// TestWaitForServer starts before the database does.
func TestWaitForServer(t *testing.T) {
	t.Parallel()
	cluster := pgtest.New(t)
	if err := cluster.Stop("fast"); err != nil {
		t.Fatal(err)
	}
	env := []string{"RENTROLL_DATABASE=" + cluster.URL(), "RENTROLL_DATABASE_WAIT=" + patience.String()}
	p := begin(t, t.TempDir(), env)
	if line := p.err.wait(t, "waiting for the database"); !strings.Contains(line, cluster.Dir()) {
		t.Errorf("it does not say what it waits for: %s", line)
	}
	impatient := begin(t, t.TempDir(), env)
	impatient.err.wait(t, "waiting for the database")
	impatient.signal(syscall.SIGTERM)
	<-impatient.ended
	if code := impatient.cmd.ProcessState.ExitCode(); code != exitFailure || !strings.Contains(impatient.err.String(), "stopped while it waited") {
		t.Errorf("a signal while it waits: exit %d, %s", code, impatient.err)
	}
	if err := cluster.Launch(); err != nil {
		t.Fatal(err)
	}
	p.listens()
	p.err.wait(t, "the database can be reached")
	p.stop()

	readOnly := []string{"RENTROLL_DATABASE=" + cluster.URL() + "&default_transaction_read_only=on", "RENTROLL_DATABASE_WAIT=0s"}
	r := finish(t, program(t, t.TempDir(), readOnly, "serve", "--listen", "127.0.0.1:0"))
	if r.code != exitFailure || !strings.Contains(r.err, "read-only") || strings.Count(r.err, "\n") != 1 {
		t.Errorf("a server that takes no writes: exit %d, %s", r.code, r.err)
	}
}

const password = "swordfish/47@11" // must be seen nowhere

// TestPasswords lets a user in by each of the ways to give a password, and shows it nowhere.
func TestPasswords(t *testing.T) {
	t.Parallel()
	cluster := guarded(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "pgpass"), []byte("*:*:*:guest:"+strings.ReplaceAll(password, ":", `\:`)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	at := "@/postgres?host=" + cluster.Dir()
	right := "RENTROLL_DATABASE=postgres://guest:" + url.QueryEscape(password) + at
	for name, env := range map[string][]string{
		"URL":        {right},
		"parameter":  {"RENTROLL_DATABASE=postgres://guest" + at + "&password=" + url.QueryEscape(password)},
		"PGPASSWORD": {"RENTROLL_DATABASE=postgres://guest" + at, "PGPASSWORD=" + password},
		"PGPASSFILE": {"RENTROLL_DATABASE=postgres://guest" + at, "PGPASSFILE=pgpass"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := serve(t, dir, append(slices.Clone(env), "RENTROLL_LOG_LEVEL=debug", operatorKeyVariable+"="+configuredKey))
			if err := p.connect("").Ready(t.Context()); err != nil {
				t.Error(err)
			}
			p.stop()
			checkSecret(t, p.out.String()+p.err.String())
			r := finish(t, program(t, dir, env, "migrate"))
			if r.code != 0 || !strings.Contains(r.out, "postgres://guest:xxxxx@/postgres?host=") {
				t.Errorf("migrating: %+v", r)
			}
			checkSecret(t, r.out+r.err)
		})
	}
	for name, test := range map[string]struct{ database, want string }{
		"wrong password": {"postgres://guest:wrong" + at, "password authentication failed"},
		"no password":    {"postgres://guest" + at, "password authentication failed"},
		"no database":    {"postgres://guest:" + url.QueryEscape(password) + "@/gone?host=" + cluster.Dir(), "does not exist"},
		"no role":        {"postgres://nobody:" + url.QueryEscape(password) + at, "no pg_hba.conf entry"},
		"no rights":      {"postgres://poor:" + url.QueryEscape(password) + at, "permission denied"},
		"no such option": {"postgres://guest:" + url.QueryEscape(password) + at + "&frobnicate=1", "frobnicate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := finish(t, program(t, dir, []string{"RENTROLL_DATABASE=" + test.database, "RENTROLL_DATABASE_WAIT=" + patience.String()},
				"serve", "--listen", "127.0.0.1:0"))
			if r.code != exitFailure || !strings.Contains(r.err, test.want) || strings.Count(r.err, "\n") != 1 {
				t.Errorf("exit %d: %s", r.code, r.err)
			}
			checkSecret(t, r.out+r.err)
		})
	}
}

// guarded returns a cluster whose users need a password, but for its owner.
func guarded(t *testing.T) *pgtest.Cluster {
	t.Helper()
	cluster := pgtest.New(t)
	conn, err := pgx.Connect(t.Context(), cluster.URL())
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		"CREATE ROLE guarded", "CREATE ROLE guest LOGIN IN ROLE guarded PASSWORD '" + password + "'", "GRANT CREATE ON DATABASE postgres TO guest",
		"CREATE ROLE poor LOGIN IN ROLE guarded PASSWORD '" + password + "'",
	} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	rules := "local all postgres trust\nlocal all +guarded scram-sha-256\n"
	if err := os.WriteFile(filepath.Join(cluster.Dir(), "data", "pg_hba.conf"), []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(cluster.Stop("fast"), cluster.Launch()); err != nil {
		t.Fatal(err)
	}
	return cluster
}

func checkSecret(t *testing.T, said string) {
	t.Helper()
	for _, secret := range []string{password, url.QueryEscape(password), "swordfish", "wrong"} {
		if strings.Contains(said, secret) {
			t.Errorf("the password is told:\n%s", said)
		}
	}
}

// TestRefusedDatabases gives URLs and flags that are wrong, or lead nowhere.
func TestRefusedDatabases(t *testing.T) {
	t.Parallel()
	dsn, schema := pgtest.Database(t)
	const nowhere = "postgres://u:secret@127.0.0.1:1/db"
	for name, test := range map[string]struct {
		code int
		want string
		args []string
	}{
		"nobody there":             {1, "postgres://u:xxxxx@127.0.0.1:1/db can't be reached: ", []string{nowhere, "--database-wait", "0"}},
		"nobody there for a while": {1, "can't be reached, after 10ms (--database-wait): ", []string{nowhere, "--database-wait", "10ms"}},
		"two that are not there":   {1, "127.0.0.1:1,127.0.0.1:2/db", []string{"postgres://u:secret@127.0.0.1:1,127.0.0.1:2/db", "--database-wait", "0"}},
		"a slash in a password":    {2, "/ as %2F", []string{"postgres://u:se/secret@host/db"}},
		"an @ in a password":       {2, "@ as %40", []string{"postgres://u:se@secret@host/db"}},
		"a % in a password":        {2, "% in it is written as %25", []string{"postgres://u:100%secret@host/db"}},
		"a & in a password":        {2, "not valid", []string{"postgres://u@host/db?password=a&secret"}},
		"a bad port":               {2, "invalid port", []string{"postgres://u:secret@host:many/db"}},
		"a bad parameter":          {2, "sslmode is invalid", []string{"postgresql://u:secret@host/db?sslmode=maybe"}},
		"keywords":                 {2, "by a URL", []string{"host=db user=u password=secret"}},
		"a URL as an argument":     {2, "unexpected argument postgres://u:xxxxx@host/db", []string{dsn, "postgres://u:secret@host/db"}},
		"no connections":           {2, "--database-connections must be at least 1", []string{nowhere, "--database-connections", "0"}},
		"no lanes":                 {2, "--database-lanes must be at least 1", []string{nowhere, "--database-lanes=-1"}},
		"a negative wait":          {2, "--database-wait must not", []string{nowhere, "--database-wait=-1s"}},
		"a bad schema":             {1, "schema", []string{dsn, "--database-schema", "a-b"}},
		"an unsafe server":         {1, "may lose what it commits", []string{dsn + "&synchronous_commit=off", "--database-schema", schema}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := finish(t, program(t, t.TempDir(), nil, append([]string{"serve", "--listen", "127.0.0.1:0", "--log-level", "error", "--database"}, test.args...)...))
			if r.code != test.code || !strings.Contains(r.err, test.want) || strings.Count(r.err, "\n") != 1 {
				t.Errorf("exit %d, want %d, with %q: %s", r.code, test.code, test.want, r.err)
			}
			if strings.Contains(r.out+r.err, "secret") {
				t.Errorf("a secret is told: %s%s", r.out, r.err)
			}
		})
	}
}

// TestPassing knows which failures to connect are worth waiting for.
func TestPassing(t *testing.T) {
	t.Parallel()
	for text, test := range map[string]struct {
		err  error
		want bool
	}{
		"starts":              {&pgconn.PgError{Code: "57P03"}, true},
		"stops":               {&pgconn.PgError{Code: "57P01"}, true},
		"is full":             {&pgconn.PgError{Code: "53300"}, true},
		"a pooler's":          {&pgconn.PgError{Code: "08P01"}, true},
		"is a standby":        {errReadOnly, true},
		"refused":             {syscall.ECONNREFUSED, true},
		"no such host":        {&net.DNSError{IsNotFound: true}, true},
		"too slow":            {context.DeadlineExceeded, true},
		"wrong password":      {&pgconn.PgError{Code: "28P01"}, false},
		"not let in":          {&pgconn.PgError{Code: "28000"}, false},
		"no such database":    {&pgconn.PgError{Code: "3D000"}, false},
		"one wrong, one gone": {errors.Join(syscall.ECONNREFUSED, &pgconn.PgError{Code: "28P01"}), false},
		"not trusted":         {&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, false},
	} {
		if got := passing(fmt.Errorf("connecting: %w", test.err)); got != test.want {
			t.Errorf("%s: worth waiting: %t", text, got)
		}
	}
}

func TestDatabaseOptions(t *testing.T) {
	t.Parallel()
	dsn, schema := pgtest.Database(t)
	p := serve(t, t.TempDir(), withKey(), "--database", dsn+"&synchronous_commit=off", "--database-schema", schema,
		"--database-allow-unsafe", "--database-connections", "4", "--database-lanes", "1", "--database-pooled")
	mustCreate(t, p.connect(configuredKey), "acme")
	p.stop()
	d, err := (&databaseFlags{Database: dsn, DatabasePooled: true}).database(poolFlags{new(int32(4)), new(3)}, false)
	if err != nil || d.options.Connections != 4 || d.options.Lanes != 3 || !d.options.Pooled || d.options.Schema != defaultSchema || d.wait != defaultWait {
		t.Errorf("the flags become %+v, %v", d.options, err)
	}
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	env, _ := onPostgres(t)
	for name, env := range map[string][]string{"SQLite": nil, "PostgreSQL": env} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for _, want := range []string{"was made, with version [1-9][0-9]* of the schema", "has version [1-9][0-9]* of the schema already"} {
				r := finish(t, program(t, dir, env, "migrate"))
				if r.code != 0 || r.err != "" || !regexp.MustCompile(want).MatchString(r.out) || strings.Count(r.out, "\n") != 1 {
					t.Errorf("it does not say %q: %+v", want, r)
				}
			}
			p := serve(t, dir, append(env, withKey()...))
			mustCreate(t, p.connect(configuredKey), "acme")
			p.stop()
		})
	}
}

func TestDemoOnPostgres(t *testing.T) {
	t.Parallel()
	env, _ := onPostgres(t)
	env = append(env, withKey()...)
	p := serve(t, t.TempDir(), env, "--demo", "--log-level", "warn")
	checkStory(t, p.connect(configuredKey))
	p.out.wait(t, "drop the schema test_")
	p.stop()
	again := serve(t, t.TempDir(), env, "--demo", "--log-level", "warn")
	checkStory(t, again.connect(configuredKey))
	again.stop()
	if said := again.out.String() + p.err.String() + again.err.String(); strings.Contains(said, "Filling") || strings.Contains(said, "level") {
		t.Errorf("the second start says: %s", said)
	}

	mixed, _ := onPostgres(t)
	mixed = append(mixed, withKey()...)
	p = serve(t, t.TempDir(), mixed)
	mustCreate(t, p.connect(configuredKey), "mine")
	p.stop()
	r := finish(t, program(t, t.TempDir(), mixed, "serve", "--demo", "--listen", "127.0.0.1:0"))
	if r.code != exitFailure || !strings.Contains(r.err, "must not mix") || !strings.Contains(r.err, "--database-schema") {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
	if got := fmt.Sprint((&databaseFlags{Database: "postgres://u@h/db"}).database(poolFlags{}, true)); !strings.Contains(got, demoSchema) {
		t.Errorf("the demo's schema is not its own: %s", got)
	}
}
