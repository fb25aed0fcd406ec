// Package pgtest gives tests a PostgreSQL: the one that RENTROLL_TEST_POSTGRES names, else a throw-away cluster made
// from the programs that are installed. A test process has one cluster, and a test has a schema in it to itself.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Variable names the server to test on, as a URL. A test makes schemas in it and drops them.
const Variable = "RENTROLL_TEST_POSTGRES"

// missing says what to do where there is no PostgreSQL. A test without one fails: half of what is promised would not
// have been tested.
const missing = `tests need PostgreSQL 15 or newer: install it (Debian: apt-get install postgresql; macOS: brew install postgresql@17), or set ` +
	Variable + ` to the URL of a server to test on`

var (
	shared  = sync.OnceValues(func() (*Cluster, error) { return Start() })
	schemas atomic.Int64
	used    Pool

	lifelines []io.Closer // open as long as this process lives; see stopAfter
	guard     sync.Mutex  // of lifelines
)

// Database returns the URL of a server and the name of a schema that no other test uses, which is dropped at the end of
// the test.
func Database(tb testing.TB) (url, schema string) {
	tb.Helper()
	url = server(tb)
	schema = newSchema()
	tb.Cleanup(func() {
		if err := drop(url, schema); err != nil {
			tb.Error(err)
		}
	})
	return url, schema
}

// Migrated is Database for tests that open stores, which make the tables, and leave the tables as those make them: it may
// be a schema that an earlier test was done with, without its rows. To empty tables takes a hundredth of making them.
func Migrated(tb testing.TB) (url, schema string) {
	tb.Helper()
	url = server(tb)
	return url, used.Schema(tb, url)
}

// server returns the URL of the server that this process tests on.
func server(tb testing.TB) string {
	tb.Helper()
	if url := os.Getenv(Variable); url != "" {
		return url
	}
	c, err := shared()
	if err != nil {
		tb.Fatal(err)
	}
	return c.URL()
}

func newSchema() string { return fmt.Sprintf("test_%d_%d", os.Getpid(), schemas.Add(1)) }

func drop(url, schema string) error {
	if err := execute(url, "DROP SCHEMA IF EXISTS "+schema+" CASCADE"); err != nil {
		return fmt.Errorf("dropping the schema of the test: %w", err)
	}
	return nil
}

// execute runs statements on a connection of their own.
func execute(url, statements string) error {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, statements)
	return errors.Join(err, conn.Close(ctx))
}

// Cluster is a throw-away server of its own, for those who stop it, break it or measure it. It ends with this process at
// the latest.
type Cluster struct {
	bin, dir string
	who      *syscall.SysProcAttr // nil: this user
	options  string
}

// New makes a cluster for a test and removes it at the end. Settings are those of postgresql.conf, as name=value.
func New(tb testing.TB, settings ...string) *Cluster {
	tb.Helper()
	c, err := Start(settings...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := c.Remove(); err != nil {
			tb.Error(err)
		}
	})
	return c
}

// Start makes and starts a cluster. It listens on a socket in a folder of its own only, unless settings say otherwise.
func Start(settings ...string) (*Cluster, error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "rentroll-postgres-")
	if err != nil {
		return nil, fmt.Errorf("pgtest: %w", err)
	}
	c := &Cluster{bin: bin, dir: dir}
	if c.who, err = owner(dir); err != nil {
		return nil, err
	}
	settings = append([]string{
		"listen_addresses=", "unix_socket_directories=" + dir, "max_connections=400", "shared_buffers=64MB",
	}, settings...)
	c.options = flags(settings)
	if err := c.run("initdb", "-D", c.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"); err != nil {
		return nil, err
	}
	if err := c.Launch(); err != nil {
		return nil, err
	}
	return c, stopAfter(filepath.Join(bin, "pg_ctl"), c.data(), dir, c.who)
}

// URL is where the server listens.
func (c *Cluster) URL() string { return "postgres:///postgres?user=postgres&host=" + c.dir }

// Dir is the folder of the cluster: its socket lies in it.
func (c *Cluster) Dir() string { return c.dir }

// Log returns what the server has said.
func (c *Cluster) Log() (string, error) {
	text, err := os.ReadFile(filepath.Join(c.dir, "log"))
	return string(text), err
}

// Launch starts a cluster that was stopped, with further settings for this once.
func (c *Cluster) Launch(settings ...string) error {
	return c.run("pg_ctl", "-D", c.data(), "-o", c.options+flags(settings), "-l", filepath.Join(c.dir, "log"), "-w", "start")
}

// Stop stops the server: "smart" waits for its clients, "fast" throws them out, "immediate" is a crash.
func (c *Cluster) Stop(mode string) error {
	return c.run("pg_ctl", "-D", c.data(), "-m", mode, "-w", "stop")
}

// Remove stops the server and deletes its folder.
func (c *Cluster) Remove() error {
	if _, err := os.Stat(filepath.Join(c.data(), "postmaster.pid")); err == nil {
		if err := c.Stop("immediate"); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(c.dir); err != nil {
		return fmt.Errorf("pgtest: %w", err)
	}
	return nil
}

// flags writes settings as the server takes them.
func flags(settings []string) string {
	var b strings.Builder
	for _, s := range settings {
		fmt.Fprintf(&b, " -c '%s'", s)
	}
	return b.String()
}

func (c *Cluster) data() string { return filepath.Join(c.dir, "data") }

func (c *Cluster) run(name string, args ...string) error {
	cmd := exec.Command(filepath.Join(c.bin, name), args...)
	cmd.SysProcAttr, cmd.Dir = c.who, c.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("pgtest: %s: %w\n%s", name, err, out)
	}
	return nil
}

// stopAfter leaves a shell that waits for the end of this process, however it comes, and then removes the cluster: the
// write end of its standard input is open for as long as this process lives.
func stopAfter(ctl, data, dir string, who *syscall.SysProcAttr) error {
	script := `read _; "$0" -D "$1" -m immediate stop >/dev/null 2>&1; rm -rf "$2"`
	cmd := exec.Command("sh", "-c", script, ctl, data, dir)
	own := &syscall.SysProcAttr{Setpgid: true} // an interrupt at the terminal must not reach it
	if who != nil {
		own.Credential = who.Credential
	}
	cmd.SysProcAttr, cmd.Dir = own, "/"
	lifeline, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("pgtest: %w", err)
	}
	guard.Lock()
	defer guard.Unlock()
	lifelines = append(lifelines, lifeline)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("pgtest: %w", err)
	}
	return nil
}

// owner gives the folder to a user who may run PostgreSQL, which root may not.
func owner(dir string) (*syscall.SysProcAttr, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("pgtest: %w", err)
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("pgtest: %w", err)
		}
		if err := os.Chown(dir, int(uid), int(gid)); err != nil {
			return nil, fmt.Errorf("pgtest: %w", err)
		}
		return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
	}
	return nil, errors.New("pgtest: PostgreSQL does not run as root, and there is no user postgres or nobody to run it as")
}

// programs finds the folder of PostgreSQL's programs: by pg_config, on the PATH, or where packages put them.
func programs() (string, error) {
	var folders []string
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		folders = append(folders, strings.TrimSpace(string(out)))
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		if target, err := filepath.EvalSymlinks(path); err == nil {
			folders = append(folders, filepath.Dir(target))
		}
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin", "/usr/local/opt/postgresql*/bin",
		"/Library/PostgreSQL/*/bin", "/Applications/Postgres.app/Contents/Versions/*/bin",
	} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return "", fmt.Errorf("pgtest: %w", err)
		}
		slices.Reverse(found) // the newest first
		folders = append(folders, found...)
	}
	for _, folder := range folders {
		complete := true
		for _, name := range []string{"initdb", "pg_ctl", "postgres"} {
			if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
				complete = false
			}
		}
		if complete {
			return folder, nil
		}
	}
	return "", fmt.Errorf("pgtest: on this %s machine no PostgreSQL was found; %s", runtime.GOOS, missing)
}
