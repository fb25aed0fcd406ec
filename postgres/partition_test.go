package postgres_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/pgtest"
	"github.com/rentroll/rentroll/postgres"
	"github.com/rentroll/rentroll/storetest"
)

// The proof that the data can be spread over machines by tenant: the same schema with each tenant table in partitions by
// the hash of tenant_id. PostgreSQL makes no primary key, unique index or foreign key there whose check would need to look
// beyond one partition; each statement about a tenant keeps to one; and the store passes its suite on it.

// partitions is how many partitions a table has.
const partitions = 8

// global are the tables that belong to no tenant, with the reason.
var global = map[string]string{
	"plans":         "the operator's: few, and read by all tenants",
	"directory":     "finds the tenant, by a slug for instance; and what is unique across tenants can't be checked within one",
	"users":         "a user is a member of many tenants",
	"operator_keys": "operators belong to no tenant",
	"activity":      "it counts what servers do, for all tenants",
	"sessions":      "they are found by what a browser holds, and operators' belong to no tenant",
	"batches":       "a transaction may change several tenants",
	"servers":       "servers serve all tenants",
}

var createTable = regexp.MustCompile(`(?s)^((?:--[^\n]*\n|\n)*)CREATE TABLE (\w+) \((.*)\n\)( \{\{clustered\}\})?$`)

// bytesOf is the migrations' mark of a text's bytes.
var bytesOf = regexp.MustCompile(`\{\{bytes:(\w+)\}\}`)

// partitioned returns the statements of the migrations, with the tables of tenants in partitions.
func partitioned(t *testing.T) (out []string) {
	t.Helper()
	files, err := filepath.Glob("../internal/sqlstore/migrations/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("finding the migrations: %d, %v", len(files), err)
	}
	made := make(map[string]bool)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for statement := range strings.SplitSeq(string(text), ";\n") {
			statement = strings.TrimSpace(bytesOf.ReplaceAllString(statement, "convert_to($1, 'UTF8')"))
			table := createTable.FindStringSubmatch(statement)
			switch {
			case table == nil && strings.Contains(statement, "CREATE TABLE"):
				t.Fatalf("%s: this is not understood: %s", file, statement)
			case table == nil:
				out = append(out, statement)
				continue
			}
			name, columns := table[2], table[3]
			made[name] = true
			ofTenants := strings.Contains(columns, "\n  tenant_id UUID NOT NULL,")
			if _, isGlobal := global[name]; isGlobal == ofTenants {
				t.Errorf("the table %s has a tenant_id, or is listed as global: one and not the other", name)
			}
			if !ofTenants {
				out = append(out, fmt.Sprintf("CREATE TABLE %s (%s\n)", name, columns))
				continue
			}
			out = append(out, fmt.Sprintf("CREATE TABLE %s (%s\n) PARTITION BY HASH (tenant_id)", name, columns))
			for i := range partitions {
				out = append(out, fmt.Sprintf("CREATE TABLE %s_%d_part%d PARTITION OF %s FOR VALUES WITH (MODULUS %d, REMAINDER %d)",
					name, len(out), i, name, partitions, i))
			}
		}
	}
	for name := range global {
		if !made[name] {
			t.Errorf("there is no table %s", name)
		}
	}
	return out
}

// partition replaces the tables that a store has made by ones in partitions; the store goes on to find its schema up to
// date.
func partition(t *testing.T, url, schema string) {
	t.Helper()
	store, err := postgres.Open(t.Context(), url, &postgres.Options{Schema: schema, AllowUnsafe: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	runAll(t, url, schema, slices.Concat([]string{forEachTable("DROP TABLE", "CASCADE")}, partitioned(t)))
}

// forEachTable returns a statement that carries out another for each table of a store, the last made first: others refer
// to those that were made first.
func forEachTable(before, after string) string {
	return `DO $$ DECLARE name text; BEGIN
		FOR name IN SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
			AND NOT relispartition AND relname NOT LIKE 'goose%' ORDER BY oid DESC
		LOOP EXECUTE '` + before + ` ' || name || ' ` + after + `'; END LOOP; END $$`
}

// runAll runs statements in a transaction of their own.
func runAll(t *testing.T, url, schema string, statements []string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	text := "BEGIN; SET LOCAL search_path = " + schema + "; SET LOCAL client_min_messages = warning;\n" + strings.Join(statements, ";\n") + ";\nCOMMIT"
	if _, err := conn.Exec(ctx, text); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
}

// TestPartitions: a statement about one tenant looks into one partition, the same of all tables.
func TestPartitions(t *testing.T) {
	t.Parallel()
	url, schema := pgtest.Database(t)
	partition(t, url, schema)
	p := newPlanTest(t, url, schema)
	p.fill(0, 4000, "true")
	p.exec("ANALYZE " + strings.Join(tables(), ", "))
	asks := slices.DeleteFunc(p.asks(), func(a ask) bool {
		table, _, _ := strings.Cut(a.name, ".")
		_, isGlobal := global[table] // what a purge removes of those
		return !a.alone || isGlobal
	})
	if len(asks) < 100 {
		t.Errorf("only %d asks are about one tenant", len(asks))
	}
	prober, part, inserts := p.probers()[0], regexp.MustCompile(`_part\d+$`), regexp.MustCompile(`^INSERT `)
	for _, mode := range []string{custom, generic} {
		for _, a := range asks {
			plan, err := prober.explain(t.Context(), mode, "ANALYZE, TIMING OFF, FORMAT JSON", a)
			if err != nil {
				t.Errorf("%s, %s: %v", a.name, a.what, err)
				continue
			}
			touched := make(map[string]bool)
			plan.walk(func(n node) {
				if n.number("Actual Loops") > 0 && n.text("Node Type") != "ModifyTable" {
					touched[part.FindString(n.text("Relation Name"))] = true
				}
			})
			delete(touched, "") // no table, or the one that is written to
			if len(touched) != 1 && (len(touched) > 0 || !inserts.MatchString(a.sent.Text)) {
				t.Errorf("%s, %s, with %s, looks into %d partitions:\n%s", a.name, a.what, mode, len(touched), plan)
			}
		}
	}
}

// TestStoreInPartitions is the suite of stores, on tables in partitions. The schemas are used again, emptied, because each
// is some hundred tables.
func TestStoreInPartitions(t *testing.T) {
	t.Parallel()
	url, empty := "", make(chan string, 3)
	for range cap(empty) {
		var schema string
		url, schema = pgtest.Database(t)
		partition(t, url, schema)
		empty <- schema
	}
	storetest.Run(t, func(t *testing.T) rentroll.Store {
		t.Helper()
		schema := <-empty
		t.Cleanup(func() {
			runAll(t, url, schema, []string{forEachTable("DELETE FROM", "")})
			empty <- schema
		})
		store, err := postgres.Open(t.Context(), url, &postgres.Options{Schema: schema, Connections: 4})
		if err != nil {
			t.Fatal(err)
		}
		return store
	})
}
