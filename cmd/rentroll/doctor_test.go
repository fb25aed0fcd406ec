package main

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/sqlite"
)

// TestDoctor: the doctor finds what was changed by hand, mends it when it is told to, and says by its exit code how the
// database is.
func TestDoctor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "rentroll.db")
	if r := finish(t, program(t, dir, nil, "doctor", "--reconcile")); r.code != exitFailure || !strings.Contains(r.err, "holds no database") {
		t.Fatalf("without a database: %+v", r)
	}
	store, err := sqlite.Open(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	engine, err := rentroll.New(store, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, slug := range []string{"acme", "globex"} {
		if _, err := engine.CreateTenant(t.Context(), rentroll.CreateTenantParams{Name: slug, Slug: slug}); err != nil {
			t.Fatal(err)
		}
	}
	if err := engine.Close(); err != nil {
		t.Fatal(err)
	}
	expect := func(code int, said string, args ...string) {
		t.Helper()
		r := finish(t, program(t, dir, nil, append([]string{"doctor"}, args...)...))
		if r.code != code || !strings.Contains(r.out+r.err, said) {
			t.Errorf("%v: exit %d, %q, %q; want %d and %q", args, r.code, r.out, r.err, code, said)
		}
	}
	expect(0, "opens")
	expect(exitUsage, "--reconcile", "--repair")
	expect(0, "2 tenants compared: nothing differs", "--reconcile")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), "UPDATE accounts SET workers = 7 WHERE plan = 'free'"); err != nil {
		t.Fatal(err)
	}
	expect(exitFailure, "2 differences; --repair mends them", "--reconcile")
	expect(exitFailure, "1 difference; --repair mends them", "--reconcile", "--tenant", "acme")
	expect(exitFailure, `"stored":"7","computed":"0"`, "--reconcile", "--json")
	expect(0, "1 difference, all mended", "--reconcile", "--repair", "--tenant", "acme")
	expect(0, "1 difference, all mended", "--reconcile", "--repair")
	expect(0, "nothing differs", "--reconcile")
	expect(exitFailure, "not_found", "--reconcile", "--tenant", "nobody")
}
