package sqlite_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/sqlstore"
	"github.com/rentroll/rentroll/sqlite"
)

// scaled is how often to do something: less where time is short, as under the race detector.
func scaled(n int) int {
	if testing.Short() {
		return n / 5
	}
	return n
}

// openEngine opens a file and starts an engine on it.
func openEngine(path string) (*rentroll.Engine, error) {
	store, err := sqlite.Open(context.Background(), path, nil)
	if err != nil {
		return nil, err
	}
	e, err := rentroll.New(store, nil)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return e, nil
}

// engineOn is openEngine for the length of a test.
func engineOn(t testing.TB, path string) *rentroll.Engine {
	t.Helper()
	e, err := openEngine(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// newTenant makes a tenant that may do as much as it likes.
func newTenant(t testing.TB, e *rentroll.Engine, slug string) *rentroll.Tenant {
	t.Helper()
	if _, _, err := e.PutPlan(t.Context(), rentroll.PutPlanParams{Name: "unlimited"}); err != nil {
		t.Fatal(err)
	}
	tenant, err := e.CreateTenant(t.Context(), rentroll.CreateTenantParams{Name: slug, Slug: slug, Plan: "unlimited"})
	if err != nil {
		t.Fatal(err)
	}
	return tenant
}

// raw runs SQL on a file, past this package.
func raw(t *testing.T, path string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path}).String())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// folder describes a folder's files by their contents.
func folder(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, entry := range entries {
		data, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s %x\n", entry.Name(), sha256.Sum256(data))
	}
	return b.String()
}

// refuses checks that a file is not opened, that the error says so with all of these words, and that no file of the
// folder is touched.
func refuses(t *testing.T, path string, words ...string) error {
	t.Helper()
	before := folder(t, filepath.Dir(path))
	store, err := sqlite.Open(t.Context(), path, nil)
	if err == nil {
		t.Fatal(errors.Join(errors.New("the file was opened"), store.Close()))
	}
	for _, word := range append(words, path) {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error does not say %q: %v", word, err)
		}
	}
	if after := folder(t, filepath.Dir(path)); after != before {
		t.Errorf("the folder was changed from\n%s to\n%s", before, after)
	}
	return err
}

func TestOpenAnyName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"plain.db", "no extension", "a b?c#d%e&f=g.db", "%41.db", "100%.db", "?mode=memory", "file:x.db", "ünïcödé-日本-😀.db",
		"it's \"quoted\" \\ back.db", "+plus+.db", " leading and trailing ", ":memory:.db", "semi;colon.db", "$1 ?1 :a",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "in "+name)
			if err := os.Mkdir(dir, 0o750); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, name)
			for range 2 { // the second time it is there
				store, err := sqlite.Open(t.Context(), path, nil)
				if err != nil {
					t.Fatal(err)
				}
				if err := store.Close(); err != nil {
					t.Fatal(err)
				}
			}
			entries, err := os.ReadDir(dir)
			if err != nil || len(entries) != 1 || entries[0].Name() != name {
				t.Errorf("the folder holds %v, want the one file (%v)", entries, err)
			}
		})
	}
}

func TestOpenRelative(t *testing.T) {
	t.Chdir(t.TempDir())
	store, err := sqlite.Open(t.Context(), "rentroll.db", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir()) // it stays the file that it was
	e, err := rentroll.New(store, nil)
	if err != nil {
		t.Fatal(err)
	}
	newTenant(t, e, "acme")
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOpenWithoutFile(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"", ":memory:"} {
		store, err := sqlite.Open(t.Context(), path, nil)
		if err == nil {
			t.Errorf("%q was opened: %v", path, store.Close())
		}
	}
}

func TestOpenInMissingFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, path := range []string{filepath.Join(dir, "none", "x.db"), filepath.Join(dir, "none", "at", "all.db")} {
		_, err := sqlite.Open(t.Context(), path, nil)
		if err == nil || !strings.Contains(err.Error(), "no folder "+filepath.Dir(path)) {
			t.Errorf("got %v, want an error that names the folder", err)
		}
	}
}

func TestOpenFolder(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "folder.db")
	if err := os.Mkdir(path, 0o750); err != nil {
		t.Fatal(err)
	}
	_, err := sqlite.Open(t.Context(), path, nil)
	if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "can't be opened") {
		t.Errorf("got %v, want an error that says it can't be opened", err)
	}
}

func TestOpenUnderAFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := sqlite.Open(t.Context(), filepath.Join(file, "x.db"), nil)
	if err == nil || !strings.Contains(err.Error(), "no folder "+file) {
		t.Errorf("got %v, want an error that names what is no folder", err)
	}
}

// TestOpenText: a file that is anything but a database is somebody's, and is left alone.
func TestOpenText(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"text":  strings.Repeat("Dear diary, today I was opened as a database.\n", 500),
		"short": "hello\n", "one byte": "x", "zeros": strings.Repeat("\x00", 8192),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "diary.txt")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			_ = refuses(t, path, "not a SQLite database")
		})
	}
}

// TestOpenEmpty: an empty file is what mktemp leaves, and as good as none.
func TestOpenEmpty(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "empty.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	newTenant(t, engineOn(t, path), "acme")
}

func TestOpenAnotherProgramsDatabase(t *testing.T) {
	t.Parallel()
	for name, statements := range map[string][]string{
		"tables":         {"CREATE TABLE accounts (id INTEGER PRIMARY KEY)", "INSERT INTO accounts VALUES (1)"},
		"application id": {"PRAGMA application_id = 252006674"},
		"both":           {"PRAGMA application_id = 1", "CREATE TABLE t (x)"},
		"in WAL mode":    {"PRAGMA journal_mode = WAL", "CREATE TABLE t (x)"},
		"a view":         {"CREATE VIEW v AS SELECT 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "theirs.db")
			raw(t, path, statements...)
			_ = refuses(t, path, "another program")
		})
	}
}

func TestOpenNewerDatabase(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "rentroll.db")
	newTenant(t, engineOn(t, path), "acme")
	copied := filepath.Join(t.TempDir(), "copy.db")
	raw(t, path, "VACUUM INTO '"+copied+"'", "PRAGMA wal_checkpoint(TRUNCATE)")
	raw(t, copied, "PRAGMA journal_mode = WAL", "INSERT INTO goose_db_version (version_id, is_applied) VALUES (1000, 1)")
	if err := refuses(t, copied, "newer version"); !errors.Is(err, sqlstore.ErrNewerSchema) {
		t.Errorf("got %v, want ErrNewerSchema", err)
	}
}

// TestOpenAgain: opening what is up to date changes nothing in it.
func TestOpenAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "rentroll.db")
	live(t, path)
	before := folder(t, filepath.Dir(path))
	for range 3 {
		store, err := sqlite.Open(t.Context(), path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if after := folder(t, filepath.Dir(path)); after != before {
		t.Errorf("the folder was changed from\n%s to\n%s", before, after)
	}
	e := engineOn(t, path)
	tenant, err := e.GetTenantBySlug(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	list, err := e.ListRuns(t.Context(), rentroll.ListRunsParams{TenantID: tenant.ID})
	if err != nil || len(list.Items) != 3 {
		t.Errorf("got the runs %v, want the 3 that were made (%v)", list, err)
	}
}

// live makes a database with a bit of everything and closes it.
func live(t *testing.T, path string) {
	t.Helper()
	e, err := openEngine(path)
	if err != nil {
		t.Fatal(err)
	}
	tenant := newTenant(t, e, "acme")
	for range 3 {
		run, err := e.CreateRun(t.Context(), rentroll.CreateRunParams{TenantID: tenant.ID, WorkerID: "w", Task: "t"})
		if err != nil {
			t.Fatal(err)
		}
		_, err = e.CompleteRun(t.Context(), rentroll.CompleteRunParams{TenantID: tenant.ID, RunID: run.ID, TotalTokens: 5})
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := e.CreateAPIKey(t.Context(), rentroll.CreateAPIKeyParams{TenantID: tenant.ID, Name: "k"}); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOpenCanceled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	store, err := sqlite.Open(ctx, filepath.Join(dir, "x.db"), nil)
	if err == nil {
		t.Fatal(errors.Join(errors.New("it was opened"), store.Close()))
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

// TestOpenTogether: several who open one new file at once find one whole database.
func TestOpenTogether(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "rentroll.db")
	const n = 6
	errs := make(chan error, n)
	for range n {
		go func() {
			store, err := sqlite.Open(t.Context(), path, nil)
			if err != nil {
				errs <- err
				return
			}
			e, err := rentroll.New(store, nil)
			if err != nil {
				errs <- errors.Join(err, store.Close())
				return
			}
			errs <- e.Close()
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}
