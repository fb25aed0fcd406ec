// Package pgtest gives tests a PostgreSQL: the one that RENTROLL_TEST_POSTGRES names, else a throw-away cluster made
// from the programs that are installed. A test process has one cluster, and a test has a schema of its own in it.
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
	cluster = sync.OnceValues(start)
	schemas atomic.Int64

	lifelines []io.Closer // open as long as this process lives; see stopAfter
)

// Database returns the URL of a server and the name of a schema that no other test uses, which is dropped at the end of
// the test.
func Database(tb testing.TB) (url, schema string) {
	tb.Helper()
	url, err := cluster()
	if err != nil {
		tb.Fatal(err)
	}
	schema = fmt.Sprintf("test_%d_%d", os.Getpid(), schemas.Add(1))
	tb.Cleanup(func() {
		conn, err := pgx.Connect(context.Background(), url)
		if err == nil {
			_, err = conn.Exec(context.Background(), "DROP SCHEMA IF EXISTS "+schema+" CASCADE")
			err = errors.Join(err, conn.Close(context.Background()))
		}
		if err != nil {
			tb.Errorf("dropping the schema of the test: %v", err)
		}
	})
	return url, schema
}

func start() (string, error) {
	if url := os.Getenv(Variable); url != "" {
		return url, nil
	}
	bin, err := programs()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "rentroll-postgres-")
	if err != nil {
		return "", fmt.Errorf("pgtest: %w", err)
	}
	who, err := owner(dir)
	if err != nil {
		return "", err
	}
	data := filepath.Join(dir, "data")
	run := func(name string, args ...string) error {
		cmd := exec.Command(filepath.Join(bin, name), args...)
		cmd.SysProcAttr, cmd.Dir = who, dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("pgtest: %s: %w\n%s", name, err, out)
		}
		return nil
	}
	if err := run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"); err != nil {
		return "", err
	}
	options := "-c listen_addresses='' -c unix_socket_directories='" + dir + "' -c max_connections=400 -c shared_buffers=64MB"
	if err := run("pg_ctl", "-D", data, "-o", options, "-l", filepath.Join(dir, "log"), "-w", "start"); err != nil {
		return "", err
	}
	if err := stopAfter(filepath.Join(bin, "pg_ctl"), data, dir, who); err != nil {
		return "", err
	}
	return "postgres:///postgres?user=postgres&host=" + dir, nil
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
