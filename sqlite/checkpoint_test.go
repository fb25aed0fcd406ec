package sqlite_test

import (
	"os"
	"path/filepath"
	"testing"

	zombiezen "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/sqlite"
)

// filler writes pages, a transaction each time.
type filler struct {
	*testing.T
	inside sqlite.Inside
}

func newFiller(t *testing.T) *filler {
	t.Helper()
	_, inside := openInside(t, nil)
	f := &filler{t, inside}
	f.write(`CREATE TABLE filler (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL)`)
	return f
}

func (f *filler) write(statement string) {
	f.Helper()
	if err := f.inside.Write(f.Context(), func(c *zombiezen.Conn) error { return sqlitex.ExecuteTransient(c, statement, nil) }); err != nil {
		f.Fatal(err)
	}
}

// page writes one row of about a page.
func (f *filler) page() {
	f.Helper()
	f.write(`INSERT INTO filler (bytes) VALUES (randomblob(4000))`)
}

func (f *filler) log() (held, carried int64) {
	f.Helper()
	held, carried, err := f.inside.Log()
	if err != nil {
		f.Fatal(err)
	}
	return held, carried
}

// enough commits for the log to be looked at and carried many times.
const enough = 20_000

// TestLogBeginsAnew: while a writer writes without a pause the log is carried into the file and begins anew, though the
// writer itself is far from carrying it.
func TestLogBeginsAnew(t *testing.T) {
	t.Parallel()
	f := newFiller(t)
	f.inside.CarryAt(200)
	anew, before, most := 0, int64(0), int64(0)
	for n := 0; anew < 3; n++ {
		if n == enough {
			t.Fatalf("after %d commits the log began anew %d times; it held up to %d pages", n, anew, most)
		}
		f.page()
		held, _ := f.log()
		if held < before {
			anew++
		}
		before, most = held, max(most, held)
	}
	t.Logf("the log held up to %d pages", most)
}

// TestLogWaitsForReaders: a snapshot keeps the log from beginning anew, and nobody from writing; what it sees stays.
func TestLogWaitsForReaders(t *testing.T) {
	t.Parallel()
	f := newFiller(t)
	f.page()
	count := func(c *zombiezen.Conn) (n int64) {
		err := sqlitex.ExecuteTransient(c, "SELECT COUNT(*) FROM filler", &sqlitex.ExecOptions{ResultFunc: func(s *zombiezen.Stmt) error {
			n = s.ColumnInt64(0)
			return nil
		}})
		if err != nil {
			t.Error(err)
		}
		return n
	}
	looked := false
	err := f.inside.Readers(func(c *zombiezen.Conn) error {
		if looked {
			return nil
		}
		looked = true
		if err := sqlitex.ExecuteTransient(c, "BEGIN", nil); err != nil {
			return err
		}
		if n := count(c); n != 1 {
			t.Errorf("%d rows before, want 1", n)
		}
		f.inside.CarryAt(100)
		for range 1000 {
			f.page()
		}
		if held, _ := f.log(); held < 1000 {
			t.Errorf("the log holds %d pages: it began anew under a snapshot", held)
		}
		if n := count(c); n != 1 {
			t.Errorf("%d rows in the snapshot, want 1", n)
		}
		return sqlitex.ExecuteTransient(c, "COMMIT", nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; ; n++ {
		before, _ := f.log()
		f.page()
		if held, _ := f.log(); held < before {
			break
		}
		if n == enough {
			t.Fatalf("after %d commits more the log has not begun anew", n)
		}
	}
}

// TestOneHandleForAFile: all stores of a file share the handle that is synced, by whatever name they know the file, and
// the last one closes it: to close any handle would drop the locks of all.
func TestOneHandleForAFile(t *testing.T) { //nolint:paralleltest // it counts what all tests have open
	before := sqlite.OpenFiles()
	path := filepath.Join(t.TempDir(), "rentroll.db")
	other := path + ".link"
	if err := os.Symlink(path, other); err != nil {
		t.Fatal(err)
	}
	var stores []rentroll.Store
	for _, name := range []string{path, other, path} {
		s, err := sqlite.Open(t.Context(), name, nil)
		if err != nil {
			t.Fatal(err)
		}
		stores = append(stores, s)
		if n := sqlite.OpenFiles() - before; n != 1 {
			t.Errorf("%d stores have %d handles", len(stores), n)
		}
	}
	for i, s := range stores {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if n, want := sqlite.OpenFiles()-before, 1; i < len(stores)-1 && n != want {
			t.Errorf("%d handles are open when %d stores are closed", n, i+1)
		}
	}
	if n := sqlite.OpenFiles() - before; n != 0 {
		t.Errorf("%d handles are left", n)
	}
}
