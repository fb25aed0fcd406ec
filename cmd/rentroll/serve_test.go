package main

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "modernc.org/sqlite" // to spoil databases with

	"github.com/rentroll/rentroll/client"
)

const configuredKey = "an operator's key from the environment, 42"

// slowRequest is a request whose body has not arrived whole: the server is in the middle of it.
type slowRequest struct {
	conn net.Conn
	rest string
}

func beginSlowRequest(t *testing.T, p *process, slug string) *slowRequest {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	body := fmt.Sprintf(`{"name":"Slow","slug":%q}`, slug)
	head := fmt.Sprintf("POST /v1/tenants HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n",
		configuredKey, len(body))
	if _, err := conn.Write([]byte(head)); err != nil {
		t.Fatal(err)
	}
	// The server asks for the body when its handler reads it.
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("the server says %q, %v", line, err)
	}
	if _, err := conn.Write([]byte(body[:10])); err != nil {
		t.Fatal(err)
	}
	return &slowRequest{conn, body[10:]}
}

// end sends the rest and returns the answer's status.
func (r *slowRequest) end(t *testing.T) int {
	t.Helper()
	if _, err := r.conn.Write([]byte(r.rest)); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(r.conn)
	if b, err := in.Peek(2); err == nil && string(b) == "\r\n" { // what is left of the interim answer
		_, _ = in.Discard(2)
	}
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode
}

func withKey() []string { return []string{operatorKeyVariable + "=" + configuredKey} }

func TestStopFinishesWhatItAccepted(t *testing.T) {
	t.Parallel()
	for name, signal := range map[string]os.Signal{"terminated": syscall.SIGTERM, "interrupted": os.Interrupt} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			p := serve(t, dir, withKey())
			request := beginSlowRequest(t, p, "slow")
			p.signal(signal)
			p.err.wait(t, "stopping")
			eventually(t, "the end of listening", func() bool {
				conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
				if err == nil {
					_ = conn.Close()
				}
				return err != nil
			})
			if status := request.end(t); status != http.StatusCreated {
				t.Errorf("the request that was accepted was answered %d", status)
			}
			<-p.ended
			if code := p.cmd.ProcessState.ExitCode(); code != 0 {
				t.Errorf("the server exited with %d", code)
			}
			again := serve(t, dir, withKey())
			if _, err := again.connect(configuredKey).GetTenant(t.Context(), "slow"); err != nil {
				t.Errorf("what was answered is gone: %v", err)
			}
			again.stop()
		})
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	p := serve(t, t.TempDir(), withKey())
	beginSlowRequest(t, p, "slow")
	p.signal(syscall.SIGTERM)
	p.err.wait(t, "stopping")
	p.signal(syscall.SIGTERM)
	<-p.ended
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() {
		t.Errorf("the server ended with %v", p.cmd.ProcessState)
	}
}

func TestDrainHasAnEnd(t *testing.T) {
	t.Parallel()
	p := serve(t, t.TempDir(), withKey(), "--drain-timeout", "10ms")
	beginSlowRequest(t, p, "slow")
	p.signal(syscall.SIGTERM)
	<-p.ended
	if code := p.cmd.ProcessState.ExitCode(); code != exitFailure || !strings.Contains(p.err.String(), "cut off") {
		t.Errorf("the server exited with %d and said %s", code, p.err)
	}
}

func TestFirstStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := serve(t, dir, nil)
	path := filepath.Join(dir, operatorKeyFile)
	if line := p.out.wait(t, "operator key"); !strings.Contains(line, path) {
		t.Errorf("the path of the key is not told: %s", line)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode(); mode != fs.FileMode(0o600) {
		t.Errorf("the file has mode %v", mode)
	}
	key := p.operatorKey()
	if _, err := p.connect(key).ListPlans(t.Context()); err != nil {
		t.Errorf("the key is not good: %v", err)
	}
	p.stop()
	if said := p.out.String() + p.err.String(); strings.Contains(said, key) {
		t.Error("the key is told where nobody looks at a terminal")
	}

	again := serve(t, dir, nil)
	if _, err := again.connect(key).ListPlans(t.Context()); err != nil {
		t.Errorf("the key is not good at the second start: %v", err)
	}
	again.stop()
	if got := again.operatorKey(); got != key || strings.Contains(again.out.String(), "operator key") {
		t.Error("the second start makes another key")
	}

	if err := os.Remove(filepath.Join(dir, defaultDatabase)); err != nil {
		t.Fatal(err)
	}
	r := finish(t, program(t, dir, nil, "serve", "--listen", "127.0.0.1:0"))
	if r.code != exitFailure || !strings.Contains(r.err, path) || strings.Count(r.err, "\n") != 1 {
		t.Errorf("a new database beside an old key: exit %d, %s", r.code, r.err)
	}
	if got := p.operatorKey(); got != key {
		t.Error("the old key was overwritten")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	third := serve(t, dir, nil) // the refused start must not have used up the first key
	if _, err := third.connect(third.operatorKey()).ListPlans(t.Context()); err != nil {
		t.Errorf("the database has no key any more: %v", err)
	}
	third.stop()
}

// TestFirstStartOnATerminal runs the server in this process, as if somebody looked at its output.
func TestFirstStartOnATerminal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	start := func() (*lines, func()) {
		out, log := newLines(), newLines()
		ctx, cancel := context.WithCancel(t.Context())
		c := &serveCmd{
			databaseFlags: databaseFlags{Database: filepath.Join(dir, "x.db")}, Listen: "127.0.0.1:0", KeyPrefix: "acme", DrainTimeout: patience,
			ConsoleIdle: time.Hour, ConsoleLifetime: time.Hour,
			logFlags: logFlags{LogFormat: "auto"},
		}
		ended := make(chan error, 1)
		go func() { ended <- c.Run(ctx, &streams{out: out, err: log, outTTY: true, errTTY: true}) }()
		return out, func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			out.close()
			log.close()
			if text := log.String(); !strings.Contains(text, "level=INFO msg=stopped") || strings.Contains(text, "acmeop_") {
				t.Errorf("the log is no text, or tells the key:\n%s", text)
			}
		}
	}
	out, stop := start()
	url := strings.TrimPrefix(out.wait(t, "rentroll listens on"), "rentroll listens on ")
	out.wait(t, "/v1/tenants/acme/quotas") // the last of what is to be tried
	secret := strings.TrimSpace(out.wait(t, "    acmeop_"))
	for _, want := range []string{"export RENTROLL_KEY=" + secret + " RENTROLL_URL=" + url + "\n", "rentroll tenant create acme", "curl "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	c, err := client.New(url, secret, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.ListPlans(t.Context()); err != nil {
		t.Errorf("the key is not good: %v", err)
	}
	stop()
	if found, err := filepath.Glob(filepath.Join(dir, operatorKeyFile)); err != nil || len(found) > 0 {
		t.Errorf("it is in a file, too: %v (%v)", found, err)
	}
	out, stop = start()
	out.wait(t, "rentroll listens on")
	stop()
	if strings.Contains(out.String(), "acmeop_") {
		t.Errorf("the second start shows a key:\n%s", out)
	}
}

func TestConfiguredOperatorKeys(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fileKey := "an operator's key from a file, 4711 times"
	if err := os.WriteFile(filepath.Join(dir, "key"), []byte(fileKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	check := func(env []string, key string, args ...string) {
		p := serve(t, dir, env, args...)
		if _, err := p.connect(key).CreateUser(t.Context(), client.CreateUserParams{Email: "ada@acme.example"}); err != nil {
			t.Errorf("the configured key is not good: %v", err)
		}
		p.stop()
		if said := p.out.String() + p.err.String(); strings.Contains(said, key) {
			t.Error("the configured key is told")
		}
		files, err := filepath.Glob(filepath.Join(dir, defaultDatabase+"*"))
		if err != nil || len(files) == 0 {
			t.Fatalf("files of the database: %v, %v", files, err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(data, []byte(key)) {
				t.Errorf("%s holds the configured key", file)
			}
		}
	}
	check(withKey(), configuredKey)
	check(nil, fileKey, "--operator-key-file", "key")
	check([]string{operatorKeyVariable + "_FILE=key", operatorKeyVariable + "="}, fileKey)
	if _, err := os.Stat(filepath.Join(dir, operatorKeyFile)); err == nil {
		t.Error("a key was made beside the configured ones")
	}
	p := serve(t, dir, nil) // without a configured key, and without any before
	if _, err := p.connect(configuredKey).ListPlans(t.Context()); err == nil {
		t.Error("the configured key is good when it is not configured any more")
	}
	if _, err := p.connect(p.operatorKey()).ListPlans(t.Context()); err != nil {
		t.Errorf("no key was made: %v", err)
	}
	p.stop()
}

func TestRefusedStarts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = busy.Close() })
	newer := filepath.Join(dir, "newer.db")
	if r := finish(t, program(t, dir, nil, "migrate", "--database", newer)); r.code != 0 || !strings.Contains(r.out, newer) {
		t.Fatalf("migrating: %+v", r)
	}
	spoil(t, newer, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (999999, 1)")
	foreign := filepath.Join(dir, "foreign.db")
	spoil(t, foreign, "CREATE TABLE notes (text TEXT)")

	tests := []struct {
		name string
		code int
		want string
		env  []string
		args []string
	}{
		{"a port in use", 1, "in use", nil, []string{"--listen", busy.Addr().String()}},
		{"no port", 1, "--listen", nil, []string{"--listen", "nowhere"}},
		{"a folder", 1, "is a folder", nil, []string{"--database", dir}},
		{"no folder", 1, "no folder", nil, []string{"--database", filepath.Join(dir, "gone", "x.db")}},
		{"some other file", 1, "not a SQLite database", nil, []string{"--database", write("text", strings.Repeat("text ", 500))}},
		{"another program's database", 1, "another program", nil, []string{"--database", foreign}},
		{"a newer database", 1, "newer version", nil, []string{"--database", newer}},
		{"a flag for PostgreSQL", 2, "is for PostgreSQL", nil, []string{"--database-lanes", "2"}},
		{"a variable for PostgreSQL", 2, "--database-pooled is for PostgreSQL", []string{"RENTROLL_DATABASE_POOLED=true"}, nil},
		{"some other store", 2, "mysql://", nil, []string{"--database", "mysql://u:secret@host/db"}},
		{"a host for a file", 2, "no host", nil, []string{"--database", "sqlite://host/x.db"}},
		{"an empty path", 2, "empty", nil, []string{"--database", "sqlite:"}},
		{"a short key", 1, "32 to 200", []string{operatorKeyVariable + "=short"}, nil},
		{"a key with a line break", 1, "32 to 200", []string{operatorKeyVariable + "=" + configuredKey + "\n"}, nil},
		{"two keys", 2, "which one", withKey(), []string{"--operator-key-file", write("key", configuredKey)}},
		{"no key file", 1, "--operator-key-file", nil, []string{"--operator-key-file", filepath.Join(dir, "gone")}},
		{"an empty key file", 1, "holds no key", nil, []string{"--operator-key-file", write("empty", "\n")}},
		{"a bad prefix", 2, "--key-prefix", nil, []string{"--key-prefix", "X"}},
		{"a bad level", 2, "--log-level", nil, []string{"--log-level", "loud"}},
		{"a bad format", 2, "--log-format", nil, []string{"--log-format", "xml"}},
		{"an unknown flag", 2, "unknown flag", nil, []string{"--frobnicate"}},
		{"an argument", 2, "unexpected argument", nil, []string{"now"}},
		{"a port for profiles in use", 1, "--pprof-listen", nil, []string{"--pprof-listen", busy.Addr().String()}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"serve", "--listen", "127.0.0.1:0", "--log-level", "error"}, test.args...)
			r := finish(t, program(t, t.TempDir(), test.env, args...))
			if r.code != test.code || !strings.Contains(r.err, test.want) {
				t.Errorf("exit %d, want %d, with %q: %s", r.code, test.code, test.want, r.err)
			}
			if strings.Count(r.err, "\n") != 1 || !strings.HasPrefix(r.err, "rentroll: ") {
				t.Errorf("it is not said in one line: %s", r.err)
			}
			if strings.Contains(r.out+r.err, "secret") || strings.Contains(r.out+r.err, configuredKey) {
				t.Errorf("a secret is told: %s%s", r.out, r.err)
			}
		})
	}
}

// spoil changes a database behind the program's back.
func spoil(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestServerOptions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := serve(t, dir, append(withKey(), "RENTROLL_DATABASE=sqlite:other.db", "RENTROLL_KEY_PREFIX=acme", "RENTROLL_LISTEN=", "RENTROLL_LOG_LEVEL=debug"),
		"--pprof-listen", "127.0.0.1:0")
	if _, err := os.Stat(filepath.Join(dir, "other.db")); err != nil {
		t.Errorf("the database is not where it was wanted: %v", err)
	}
	c := p.connect(configuredKey)
	if err := c.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := c.CreateTenant(t.Context(), client.CreateTenantParams{Name: "A", Slug: "acme"}); err != nil {
		t.Fatal(err)
	}
	made, err := c.CreateAPIKey(t.Context(), "acme", client.CreateAPIKeyParams{Name: "a"})
	if err != nil || !strings.HasPrefix(string(made.Secret), "acme_") {
		t.Errorf("a key begins with %q, %v", made.APIKey.KeyPrefix, err)
	}
	_, rest, _ := strings.Cut(p.err.wait(t, "profiles are served"), `"url":"`)
	res, err := http.Get(strings.TrimSuffix(rest, `"}`) + "cmdline")
	if err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("profiles: %v, %v", res, err)
	}
	p.stop()
	if log := p.err.String(); !strings.HasPrefix(log, "{") || strings.Contains(log, string(made.Secret)) || strings.Contains(log, configuredKey) {
		t.Errorf("the log is no JSON, or holds a secret:\n%s", log)
	}
}
