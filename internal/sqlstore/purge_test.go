package sqlstore_test

import (
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/sqlstore"
	"github.com/rentroll/rentroll/sqlite"
)

// tenantTable is a table with rows of tenants, as the database itself describes it.
type tenantTable struct {
	name    string
	columns []string
	values  []string // of a row, as expressions; tenant_id is $1
}

// tenantTables reads the schema, so that a new table is in the tests below by itself.
func tenantTables(t *testing.T, db *sql.DB) (tables []tenantTable) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `SELECT m.name, c.name, c.type, c."notnull" FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c
		WHERE m.type = 'table' AND EXISTS (SELECT 1 FROM pragma_table_info(m.name) AS i WHERE i.name = 'tenant_id') ORDER BY m.name, c.cid`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var table, column, kind string
		var required bool
		if err := rows.Scan(&table, &column, &kind, &required); err != nil {
			t.Fatal(err)
		}
		if len(tables) == 0 || tables[len(tables)-1].name != table {
			tables = append(tables, tenantTable{name: table})
		}
		if !required && column != "tenant_id" {
			continue
		}
		value := map[string]string{"UUID": "randomblob(16)", "TEXT": "hex(randomblob(8))", "BIGINT": "abs(random() % 1000000)", "BYTEA": "randomblob(32)"}[kind]
		if column == "tenant_id" {
			value = "$1"
		}
		if value == "" {
			t.Fatalf("%s.%s has a type that the test does not know: %s", table, column, kind)
		}
		last := &tables[len(tables)-1]
		last.columns, last.values = append(last.columns, column), append(last.values, value)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return tables
}

// TestPurgeKnowsEveryTable: every table of the schema that has rows of tenants is one that a purge goes through.
func TestPurgeKnowsEveryTable(t *testing.T) {
	t.Parallel()
	_, db := openFile(t, nil)
	var have []string
	for _, table := range tenantTables(t, db) {
		have = append(have, table.name)
	}
	purges, others := sqlstore.PurgedTables()
	want := slices.Sorted(slices.Values(append(purges, others...)))
	if !slices.Equal(have, want) {
		t.Errorf("the tables with a tenant_id are %q, and a purge knows %q: put new ones into the list in purge.go", have, want)
	}
}

// openFile starts an engine on a new file, which is open to SQL as well.
func openFile(t *testing.T, options *rentroll.Options) (*rentroll.Engine, *sql.DB) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rentroll.db")
	store, err := sqlite.Open(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	e, err := rentroll.New(store, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path, RawQuery: "_pragma=busy_timeout(10000)"}).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return e, db
}

// purgeTogether lets several ask for a purge at once.
func purgeTogether(t *testing.T, e *rentroll.Engine, tenant rentroll.TenantID) *rentroll.Purging {
	t.Helper()
	var askers sync.WaitGroup
	answers := make(chan *rentroll.Purging, 4)
	for range cap(answers) { // whose steps meet each other's, and the sweep's
		askers.Go(func() {
			p, err := e.Purge(t.Context(), tenant)
			if err == nil {
				answers <- p
			} else if rentroll.CodeOf(err) != rentroll.CodeNotFound {
				t.Error(err)
			}
		})
	}
	askers.Wait()
	if len(answers) == 0 {
		t.Fatal("nobody was told of the purge")
	}
	return <-answers
}

// TestPurgeRemovesEveryRow fills every table of the schema with rows of two tenants, purges one, and finds nothing left of
// it, and everything of the other.
func TestPurgeRemovesEveryRow(t *testing.T) {
	t.Parallel()
	var passed atomic.Int64
	began := time.Now().Add(-time.Hour)
	e, db := openFile(t, &rentroll.Options{
		Now:           func() time.Time { return began.Add(time.Duration(passed.Load())) },
		SweepInterval: time.Millisecond, StatisticsInterval: time.Hour,
	})
	tables := tenantTables(t, db)
	ids := map[string]rentroll.TenantID{}
	for _, slug := range []string{"goes", "stays"} {
		tenant, err := e.CreateTenant(t.Context(), rentroll.CreateTenantParams{Name: slug, Slug: slug, ExternalID: "org " + slug})
		if err != nil {
			t.Fatal(err)
		}
		ids[slug] = tenant.ID
		for _, table := range tables {
			for range 3 {
				_, err := db.ExecContext(t.Context(), fmt.Sprintf("INSERT OR IGNORE INTO %s (%s) VALUES (%s)",
					table.name, strings.Join(table.columns, ", "), strings.Join(table.values, ", ")), tenant.ID[:])
				if err != nil {
					t.Fatalf("%s: %v", table.name, err)
				}
			}
		}
		if _, err := db.ExecContext(t.Context(), `UPDATE api_keys SET permissions = '[]', allowed_workers = NULL;
			UPDATE usage_events SET metadata = NULL; DELETE FROM chores`); err != nil {
			t.Fatal(err)
		}
	}
	count := func(table string, id rentroll.TenantID) (n int) {
		if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+table+" WHERE tenant_id = $1", id[:]).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := map[string]int{}
	for _, table := range tables {
		before[table.name] = count(table.name, ids["stays"])
		if n := count(table.name, ids["goes"]); n == 0 && table.name != "chores" {
			t.Errorf("%s has no row to purge", table.name)
		}
	}
	p := rentroll.TransitionParams{TenantID: ids["goes"]}
	if _, err := e.Terminate(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Purge(t.Context(), ids["goes"]); rentroll.CodeOf(err) != rentroll.CodeInvalidTransition {
		t.Fatalf("a tenant that is not archived was purged: %v", err)
	}
	if _, err := e.Archive(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	purging := purgeTogether(t, e, ids["goes"])
	if purging.EndedAt == nil || purging.Slug != "goes" {
		t.Fatalf("%+v", purging)
	}
	if n := count("invalidations", ids["goes"]); n != 1 {
		t.Errorf("other servers can't learn that the tenant is gone: %d invalidations", n)
	}
	passed.Store(int64(2 * time.Minute)) // when the sweep looks for what came late
	for count("chores", ids["goes"]) > 0 {
		if err := t.Context().Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, table := range tables {
		if n := count(table.name, ids["goes"]); n != 0 {
			t.Errorf("%s has %d rows left", table.name, n)
		}
		if n := count(table.name, ids["stays"]); n != before[table.name] {
			t.Errorf("%s has %d rows of another tenant, and had %d", table.name, n, before[table.name])
		}
	}
	var names int
	if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM directory WHERE owner = $1", purging.TenantID[:]).Scan(&names); err != nil || names != 0 {
		t.Errorf("%d names are left, %v", names, err)
	}
}
