package sqlite_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	zombiezen "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/sqlite"
	"github.com/rentroll/rentroll/storetest"
)

func open[T testing.TB](t T) rentroll.Store {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "rentroll.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// TestStore asks of this store what is asked of every store.
func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, open[*testing.T])
}

func BenchmarkStore(b *testing.B) {
	storetest.Benchmark(b, open[*testing.B])
}

// openInside opens a new file and its connections.
func openInside(t *testing.T, options *sqlite.Options) (rentroll.Store, sqlite.Inside) {
	t.Helper()
	store, inside, err := sqlite.OpenInside(t.Context(), filepath.Join(t.TempDir(), "rentroll.db"), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store, inside
}

// pragma returns what a connection says of a setting.
func pragma(c *zombiezen.Conn, name string) (value string, err error) {
	err = sqlitex.ExecuteTransient(c, "PRAGMA "+name, &sqlitex.ExecOptions{ResultFunc: func(s *zombiezen.Stmt) error {
		value = s.ColumnText(0)
		return nil
	}})
	return value, err
}

func checkPragmas(c *zombiezen.Conn, want map[string]string) error {
	for name, value := range want {
		if got, err := pragma(c, name); err != nil || got != value {
			return fmt.Errorf("PRAGMA %s is %q, want %q (%w)", name, got, value, err)
		}
	}
	return nil
}

// TestPragmas: what durability and safety rest on is in force on every connection, not only asked for.
func TestPragmas(t *testing.T) {
	t.Parallel()
	_, inside := openInside(t, &sqlite.Options{Readers: 3, BusyTimeout: 1234 * time.Millisecond, CacheBytes: 16 << 20})
	every := map[string]string{
		"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "temp_store": "2", "busy_timeout": "1234",
		"application_id": "1382379124",
	}
	writer := map[string]string{"query_only": "0", "cache_size": "-16384", "wal_autocheckpoint": "64000"}
	readers := map[string]string{"query_only": "1", "cache_size": "-2048"}
	n := 0
	if err := inside.Readers(func(c *zombiezen.Conn) error {
		n++
		if err := checkPragmas(c, every); err != nil {
			return err
		}
		return checkPragmas(c, readers)
	}); err != nil || n != 3 {
		t.Errorf("%d readers: %v", n, err)
	}
	if err := inside.Writer(func(c *zombiezen.Conn) error {
		if err := checkPragmas(c, every); err != nil {
			return err
		}
		return checkPragmas(c, writer)
	}); err != nil {
		t.Errorf("the writer: %v", err)
	}
}

func TestTraits(t *testing.T) {
	t.Parallel()
	store, _ := openInside(t, nil)
	if got, want := store.Traits(), (rentroll.Traits{Name: "sqlite", Lanes: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
