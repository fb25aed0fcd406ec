package postgres_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/pgtest"
	"github.com/rentroll/rentroll/postgres"
)

// database makes a database of a cluster that is not shared with other tests, and connects to it as its owner.
func database(t *testing.T, c *pgtest.Cluster) (*pgx.Conn, string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), c.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	return conn, c.URL()
}

func run(t *testing.T, conn *pgx.Conn, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := conn.Exec(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// TestOpenMigrates looks at what migrations are made with: they may take their time, and are planned as the server does
// by itself, whatever the engine's own transactions are held to. Then it serves as a role that may make nothing.
func TestOpenMigrates(t *testing.T) {
	t.Parallel()
	conn, url := database(t, pgtest.New(t))
	run(t, conn,
		"CREATE TABLE seen (settings text)",
		`CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
			INSERT INTO public.seen VALUES (current_setting('statement_timeout') || ' ' || current_setting('enable_seqscan'));
		END $$`,
		"CREATE EVENT TRIGGER note ON ddl_command_start EXECUTE FUNCTION note()",
	)
	store, err := postgres.Open(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	rows, err := conn.Query(t.Context(), "SELECT DISTINCT settings FROM seen")
	if err != nil {
		t.Fatal(err)
	}
	seen, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || !slices.Equal(seen, []string{"0 on"}) {
		t.Errorf("migrations ran with %q, %v", seen, err)
	}

	run(t, conn,
		"DROP EVENT TRIGGER note", "CREATE ROLE clerk LOGIN", "GRANT USAGE ON SCHEMA rentroll TO clerk",
		"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA rentroll TO clerk",
	)
	store, err = postgres.Open(t.Context(), strings.Replace(url, "user=postgres", "user=clerk", 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	engine, err := rentroll.New(store, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	if _, err := engine.CreateTenant(t.Context(), rentroll.CreateTenantParams{Name: "T", Slug: "t"}); err != nil {
		t.Error(err)
	}
}
