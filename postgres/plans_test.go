package postgres_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/rentroll/rentroll/internal/pgtest"
	"github.com/rentroll/rentroll/internal/sqlstore"
	"github.com/rentroll/rentroll/postgres"
)

// What statements may do that others may not, with the reason.
var (
	// mayWalk are those that look at more rows than they return.
	mayWalk = map[string]string{
		"planInUse":   "asked when a plan is deleted only: an index by plan would cost every tenant's every change",
		"listOverdue": "the sweeper looks through all accounts, a page at a time: an index by these bounds would move with every run",
	}

	// few are the tables that stay small: how they are read does not matter.
	few = []string{"plans", "operator_keys"}

	// indexes are the indexes by which statements find their rows, where it is not the primary key.
	indexes = map[string]string{
		"userByEmail":        "users_email",
		"listUsersByEmail":   "users_email",
		"listMembers":        "members_id",
		"membershipsOfUser":  "members_user",
		"keysByHash":         "api_keys_hash",
		"findHash":           "api_keys_hash",
		"listActiveKeys":     "api_keys_active",
		"overdueKeys":        "api_keys_expiring",
		"countExpiredKeys":   "api_keys_expiring",
		"listExpiring":       "api_keys_expiring",
		"listAllExpiring":    "api_keys_expiry",
		"keysBeginning":      "api_keys_begin",
		"keysBeginningOf":    "api_keys_begin_of",
		"keysEnding":         "api_keys_end",
		"keysEndingOf":       "api_keys_end_of",
		"listAllEvents":      "events_all",
		"latestDenials":      "denials_latest",
		"listWaiting":        "runs_open",
		"overdueRuns":        "runs_open",
		"countOverdueRuns":   "runs_open",
		"openRuns":           "runs_open",
		"openRunsOf":         "runs_open",
		"expiredSessions":    "sessions_expired",
		"sumHeld":            "runs_open",
		"openSubjects":       "runs_open",
		"sessions.purge":     "sessions_tenant",
		"sessions.purgeRest": "sessions_tenant",
	}
)

const (
	planLanes = 2 // connections that work at once

	// medium is a number of rows at which a bad plan shows.
	medium = 20_000

	// What a server is told to plan for: the arguments at hand, or any.
	custom  = "force_custom_plan"
	generic = "force_generic_plan"
)

// planRows is how large tables grow. A bad plan shows at a fifth of a million as it does at the whole, by what it reads.
var planRows = flag.Int("planrows", 200_000, "how many rows the tables get whose plans are looked at")

// planTest is a schema with tables that hold much.
type planTest struct {
	*testing.T

	url, schema string
	primary     map[string]string // the primary keys, by their tables
	tableOf     map[string]string // the tables of indexes

	mu     sync.Mutex // guards what follows
	faults map[string][]string
}

// TestQueryPlans looks at the plan of every statement, in the text and with the parameters that a store sends, for
// tenants with few rows and for one that has most of them.
//
// A server chooses plans by what it believes about the tables, and it may keep what it has chosen. So the plans are
// looked at as they are when they were made on empty tables, which then grew; made on small tables; made anew, with
// statistics of small tables, with none, and with good ones; for the arguments at hand, and for any.
func TestQueryPlans(t *testing.T) {
	t.Parallel()
	full := *planRows
	cluster := pgtest.New(t, "autovacuum=off", "fsync=off", "wal_level=minimal", "max_wal_senders=0", "max_wal_size=4GB",
		"shared_buffers=256MB")
	p := newPlanTest(t, cluster.URL(), "rentroll")
	for _, table := range tables() { // filling them then writes no log
		p.exec("ALTER TABLE " + table + " SET UNLOGGED")
	}

	kept := p.keep()
	p.fill(0, medium, "true")
	p.check("a plan of empty tables", generic, p.asks(), kept)

	p.exec("TRUNCATE " + strings.Join(tables(), ", "))
	p.fill(0, 100, "true")
	p.exec("ANALYZE")
	kept = p.keep()
	p.fill(100, medium, "true")
	p.check("a plan of tables of a hundred rows, most of one tenant", generic, p.asks(), kept)

	p.exec("TRUNCATE " + strings.Join(tables(), ", "))
	p.fill(0, 1000, "n % 500 = 0")
	p.exec("ANALYZE")
	kept = p.keep()
	p.fill(0, medium/4, "n % 500 <> 0 OR n > 1000") // what is read again for each row takes long enough
	p.check("a plan of tables of two rows", generic, p.asks(), kept)

	p.exec("TRUNCATE " + strings.Join(tables(), ", "))
	p.fill(0, 1000, "n % 10 = 0")
	p.exec("ANALYZE")
	kept = p.keep()
	p.fill(0, medium, "n % 10 <> 0 OR n > 1000")
	asks := p.asks()
	p.check("a plan of tables of a hundred tenants' rows", generic, asks, kept)

	p.fill(medium, full, "true")
	p.check("statistics of small tables", custom, asks, p.probers())
	p.check("statistics of small tables", generic, asks, p.probers())

	// As if there had never been statistics. The server is this test's own, and it is its superuser.
	p.exec("DELETE FROM pg_statistic WHERE starelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'rentroll'::regnamespace)")
	p.exec(`UPDATE pg_class SET relpages = 0, reltuples = CASE relkind WHEN 'r' THEN -1 ELSE 0 END
		WHERE relnamespace = 'rentroll'::regnamespace AND relkind IN ('r', 'i')`)
	p.check("no statistics", custom, asks, p.probers())
	p.check("no statistics", generic, asks, p.probers())

	p.exec("ANALYZE")
	p.check("good statistics", custom, asks, p.probers())
	p.check("good statistics", generic, asks, p.probers())
	p.report()
}

// newPlanTest makes a schema.
func newPlanTest(t *testing.T, url, schema string) *planTest {
	t.Helper()
	p := &planTest{T: t, url: url, schema: schema, faults: make(map[string][]string)}
	store, err := postgres.Open(t.Context(), url, &postgres.Options{Schema: schema, AllowUnsafe: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	p.exec(helpers)
	p.primary, p.tableOf = make(map[string]string), make(map[string]string)
	rows, err := p.connect().Query(t.Context(), `SELECT i.relname, t.relname, x.indisprimary
		FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid JOIN pg_class AS t ON t.oid = x.indrelid
		WHERE t.relnamespace = $1::text::regnamespace`, schema)
	if err != nil {
		t.Fatal(err)
	}
	var index, table string
	var isPrimary bool
	_, err = pgx.ForEachRow(rows, []any{&index, &table, &isPrimary}, func() error {
		p.tableOf[index] = table
		if isPrimary {
			p.primary[table] = index
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// connect opens a connection as a store has them.
func (p *planTest) connect() *pgx.Conn {
	p.Helper()
	config, err := postgres.Config(p.url, postgres.Options{Schema: p.schema, LockTimeout: time.Minute})
	if err != nil {
		p.Fatal(err)
	}
	conn, err := pgx.ConnectConfig(p.Context(), config)
	if err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() {
		if err := conn.Close(context.Background()); err != nil {
			p.Error(err)
		}
	})
	return conn
}

func (p *planTest) exec(statement string) {
	p.Helper()
	if _, err := p.connect().Exec(p.Context(), statement); err != nil {
		p.Fatalf("%s: %v", statement, err)
	}
}

// prober asks for plans on one connection, which prepares each statement once.
type prober struct {
	conn  *pgx.Conn
	names map[string]string // of what is prepared, by its text
}

func (p *planTest) probers() (out []prober) {
	p.Helper()
	for range planLanes {
		out = append(out, prober{p.connect(), make(map[string]string)})
	}
	return out
}

// keep returns probers that have made a plan for any arguments of each statement, and keep it.
func (p *planTest) keep() []prober {
	p.Helper()
	asks, probers := p.asks(), p.probers()
	for _, prober := range probers {
		for _, a := range asks {
			if _, err := prober.explain(p.Context(), generic, "FORMAT JSON", a); err != nil {
				p.Fatalf("%s: %v", a.name, err)
			}
		}
	}
	return probers
}

// explain returns the plan of a statement. If the statement is run for that, what it does is undone.
func (p prober) explain(ctx context.Context, mode, options string, a ask) (node, error) {
	name, known := p.names[a.sent.Text]
	if !known {
		name = fmt.Sprintf("statement_%d", len(p.names))
		if _, err := p.conn.PgConn().Prepare(ctx, name, a.sent.Text, a.sent.Types); err != nil {
			return nil, err
		}
		p.names[a.sent.Text] = name
	}
	execute, err := p.execute(name, a.sent)
	if err != nil {
		return nil, err
	}
	results, err := p.conn.PgConn().Exec(ctx, "BEGIN; SET LOCAL plan_cache_mode = "+mode+"; EXPLAIN ("+options+") "+execute+"; ROLLBACK").ReadAll()
	if err != nil {
		_, _ = p.conn.Exec(ctx, "ROLLBACK")
		return nil, err
	}
	var out []struct {
		Plan node           `json:"Plan"` //nolint:tagliatelle // PostgreSQL's
		JIT  map[string]any `json:"JIT"`  //nolint:tagliatelle // PostgreSQL's
	}
	if err := json.Unmarshal(results[2].Rows[0][0], &out); err != nil {
		return nil, err
	}
	if out[0].JIT != nil {
		out[0].Plan["JIT"] = true
	}
	return out[0].Plan, nil
}

// execute returns the text that runs a prepared statement.
func (p prober) execute(name string, sent postgres.Sent) (string, error) {
	types := p.conn.TypeMap()
	var literals []string
	for i, binary := range sent.Values {
		if binary == nil {
			literals = append(literals, "NULL")
			continue
		}
		kind, known := types.TypeForOID(sent.Types[i])
		if !known {
			return "", fmt.Errorf("the type %d is not known", sent.Types[i])
		}
		value, err := kind.Codec.DecodeValue(types, kind.OID, pgtype.BinaryFormatCode, binary)
		if err != nil {
			return "", err
		}
		text, err := types.Encode(kind.OID, pgtype.TextFormatCode, value, []byte{})
		if err != nil {
			return "", err
		}
		literals = append(literals, "'"+strings.ReplaceAll(string(text), "'", "''")+"'")
	}
	if len(literals) == 0 {
		return "EXECUTE " + name, nil
	}
	return "EXECUTE " + name + "(" + strings.Join(literals, ", ") + ")", nil
}

// check looks at the plans of everything that is asked.
func (p *planTest) check(when, mode string, asks []ask, probers []prober) {
	p.Helper()
	began := time.Now()
	queues := make(map[string][]ask) // those that change a table wait for each other
	for _, a := range asks {
		queues[a.table] = append(queues[a.table], a)
	}
	work := make(chan []ask, len(asks))
	for _, table := range slices.Sorted(maps.Keys(queues)) {
		if table != "" {
			work <- queues[table]
			continue
		}
		for _, a := range queues[table] {
			work <- []ask{a}
		}
	}
	close(work)
	var group sync.WaitGroup
	for _, prober := range probers {
		group.Go(func() {
			for list := range work {
				for _, a := range list {
					p.checkOne(prober, when, mode, a)
				}
			}
		})
	}
	group.Wait()
	p.Logf("%.1f s for %s, %s", time.Since(began).Seconds(), when, mode)
}

func (p *planTest) checkOne(prober prober, when, mode string, a ask) {
	plan, err := prober.explain(p.Context(), mode, "ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON", a)
	if err != nil {
		p.Errorf("%s, %s, with %s, %s: %v", a.name, a.what, when, mode, err)
		return
	}
	for _, wrong := range p.judge(a, plan) {
		p.mu.Lock()
		key := a.name + " " + wrong
		p.faults[key] = append(p.faults[key], fmt.Sprintf("%s, with %s, %s:\n%s", a.what, when, mode, plan))
		p.mu.Unlock()
	}
}

// report fails the test for each kind of fault, with an example.
func (p *planTest) report() {
	for _, fault := range slices.Sorted(maps.Keys(p.faults)) {
		examples := p.faults[fault]
		p.Errorf("%s (%d times), for instance %s", fault, len(examples), examples[0])
	}
	statements := sqlstore.Statements()
	for _, name := range slices.Concat(slices.Collect(maps.Keys(mayWalk)), slices.Collect(maps.Keys(indexes))) {
		if statements[name] == nil {
			p.Errorf("there is no statement %s", name)
		}
	}
}

// judge says what a plan does that it may not.
func (p *planTest) judge(a ask, plan node) (wrong []string) {
	if plan["JIT"] != nil {
		wrong = append(wrong, "is compiled first")
	}
	rows, free := 0.0, mayWalk[a.name] != ""
	want := indexes[a.name]
	plan.walk(func(n node) {
		table, index := n.text("Relation Name"), n.text("Index Name")
		if table == "" {
			table = p.tableOf[index]
		}
		switch {
		case strings.HasPrefix(n.text("Node Type"), "Gather"):
			wrong = append(wrong, "takes several processes")
		case table == "" || n.text("Node Type") == "ModifyTable":
			return
		case free || slices.Contains(few, table):
			free = true
		case p.tableOf[want] == table && index != want, p.tableOf[want] != table && index != p.primary[table]:
			wrong = append(wrong, fmt.Sprintf("finds %s by %q", table, index))
		}
		rows += n.number("Actual Loops") * (n.number("Actual Rows") + n.number("Rows Removed by Filter") + n.number("Rows Removed by Index Recheck"))
	})
	if free {
		return wrong
	}
	if rows > float64(3*a.rows+10) { // the uses of keys are looked up twice
		wrong = append(wrong, "reads too many rows")
	}
	if blocks := plan.blocks(); blocks > float64(40*a.rows+100) { // a row that is written goes into each of its indexes
		wrong = append(wrong, "reads too many blocks")
	}
	return wrong
}

// node is a step of a plan, with its properties as PostgreSQL calls them.
type node map[string]any

func (n node) number(property string) float64 {
	v, _ := n[property].(float64)
	return v
}

func (n node) text(property string) string {
	v, _ := n[property].(string)
	return v
}

func (n node) blocks() float64 { return n.number("Shared Hit Blocks") + n.number("Shared Read Blocks") }

func (n node) children() (out []node) {
	list, _ := n["Plans"].([]any)
	for _, c := range list {
		out = append(out, node(c.(map[string]any)))
	}
	return out
}

func (n node) walk(do func(node)) {
	do(n)
	for _, c := range n.children() {
		c.walk(do)
	}
}

// String returns the plan, a step a line.
func (n node) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "  %s %s %s (%v rows of %v expected, %v times, %v blocks)", n.text("Node Type"), n.text("Relation Name"), n.text("Index Name"),
		n["Actual Rows"], n["Plan Rows"], n["Actual Loops"], n.blocks())
	for _, property := range []string{"Index Cond", "Filter", "Rows Removed by Filter", "Hash Cond", "Merge Cond", "Sort Key"} {
		if v := n[property]; v != nil {
			fmt.Fprintf(&b, " %s: %v", property, v)
		}
	}
	b.WriteString("\n")
	for _, c := range n.children() {
		b.WriteString("  " + strings.ReplaceAll(strings.TrimSuffix(c.String(), "\n"), "\n", "\n  ") + "\n")
	}
	return b.String()
}
