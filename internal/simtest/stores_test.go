package simtest_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/pgtest"
	"github.com/rentroll/rentroll/internal/simtest"
	"github.com/rentroll/rentroll/postgres"
	"github.com/rentroll/rentroll/sqlite"
)

// openSQLite opens an empty SQLite store that lives as long as the test.
func openSQLite(t testing.TB) rentroll.Store {
	t.Helper()
	return openFile(t, filepath.Join(t.TempDir(), "rentroll.db"))
}

// openInMemory opens an empty SQLite store whose file is in memory, where the machine has
// a folder for that: histories of thousands of commits else wait for the disk most of the time.
func openInMemory(t testing.TB) rentroll.Store {
	t.Helper()
	folder, err := os.MkdirTemp("/dev/shm", "rentroll") //nolint:usetesting // the test's own folder is on a disk
	if err != nil {
		return openSQLite(t)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(folder); err != nil {
			t.Errorf("removing the store: %v", err)
		}
	})
	return openFile(t, filepath.Join(folder, "rentroll.db"))
}

// openFile opens a SQLite store in a file.
func openFile(t testing.TB, path string) rentroll.Store {
	t.Helper()
	store, err := sqlite.Open(context.Background(), path, nil)
	if err != nil {
		t.Fatalf("opening a store: %v", err)
	}
	return store
}

// openPostgres opens an empty PostgreSQL store that lives as long as the test.
func openPostgres(t testing.TB) rentroll.Store {
	t.Helper()
	return openServers(t)()
}

// openServers returns what opens one database, empty at first, for each of several servers.
func openServers(t testing.TB) func() rentroll.Store {
	t.Helper()
	url, schema := pgtest.Migrated(t)
	return func() rentroll.Store {
		store, err := postgres.Open(context.Background(), url, &postgres.Options{Schema: schema, Connections: 8})
		if err != nil {
			t.Fatalf("opening a store: %v", err)
		}
		return store
	}
}

// unreliable opens a store that fails all the time in ways that callers must not see.
func unreliable(open simtest.Opener, seed uint64) simtest.Opener {
	return func(t testing.TB) rentroll.Store {
		t.Helper()
		return simtest.Unreliable(open(t), seed)
	}
}

// twoServers starts two engines on one PostgreSQL database.
func twoServers(t *testing.T) *rig {
	t.Helper()
	open := openServers(t)
	r := newRig(t, open(), rentroll.Options{})
	r.also = append(r.also, r.start(open(), rentroll.Options{}))
	return r
}

// onEveryStore runs a test on an engine for each kind of store, and on two that share a database.
func onEveryStore(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { test(t, newRig(t, openSQLite(t), rentroll.Options{})) })
	t.Run("postgres", func(t *testing.T) { test(t, newRig(t, openPostgres(t), rentroll.Options{})) })
	t.Run("two servers", func(t *testing.T) { test(t, twoServers(t)) })
}
