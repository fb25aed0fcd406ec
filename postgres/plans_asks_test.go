package postgres_test

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/rentroll/rentroll/internal/sqlstore"
	"github.com/rentroll/rentroll/postgres"
)

// ask is one call of a statement.
type ask struct {
	name  string // of the statement
	what  string // how it is asked
	table string // that it changes; "" for a reading statement without Bulk
	sent  postgres.Sent
	rows  int  // how many rows it needs to look at
	alone bool // whether it is about one tenant
}

// whose stands for the tenant that is asked for.
type whose struct{}

// last is behind all ids.
var last = [16]byte{0xff}

// parameters has the arguments of the statements that are written by hand, and how many rows they need to look at: as
// many as they return or add up, for the big tenant.
var parameters = map[string]struct {
	rows int
	args []any
}{
	"addBatch":          {0, []any{last}},
	"nameBatch":         {0, []any{[16]byte{0xfe}}},
	"findBatch":         {1, []any{uid(150)}},
	"removeBatches":     {100, []any{uid(101)}},
	"planInUse":         {0, []any{"nobody's"}},
	"listOverdue":       {256, []any{uid(150), 1 << 40, 256}},
	"listPlans":         {20, nil},
	"listAccounts":      {1000, []any{uid(9000), 1000}},
	"listTenants":       {201, []any{uid(9000), "", "", "", 201}},
	"userByEmail":       {1, []any{"user9000@example.com"}},
	"listUsers":         {201, []any{uid(9000), 201}},
	"listUsersByEmail":  {51, []any{"shared@example.com", last, 51}},
	"listMembers":       {201, []any{whose{}, uid(9000), 201}},
	"membershipsOfUser": {1, []any{uid(9001)}},
	"findHash":          {1, []any{whose{}, hash(9001)}},
	"hasDirectory":      {1, []any{"slug"}},
	"overdueKeys":       {501, []any{whose{}, 501}},
	"countExpiredKeys":  {200, []any{whose{}, 9000}},
	"listKeys":          {201, []any{whose{}, uid(9000), 201}},
	"listActiveKeys":    {2 * 201, []any{whose{}, uid(9000), 201, 1 << 40}}, // a third is not active
	"listExpiring":      {3 * 51, []any{whose{}, 9000, uid(9000), 1 << 40, 51}},
	"listAllExpiring":   {3 * 51, []any{9000, uid(501), uid(9000), 1 << 40, 51}},
	"keysBeginning":     {51, []any{hash(9000), uid(501), uid(9000), last[:], 51}},
	"keysBeginningOf":   {51, []any{whose{}, hash(9000), uid(9000), last[:], 51}},
	"keysEnding":        {51, []any{"e1", uid(501), uid(9000), hash(0), last[:], 51}},
	"keysEndingOf":      {51, []any{"e1", whose{}, uid(9000), hash(0), last[:], 51}},
	"addKeyUse":         {1, []any{whose{}, uid(9001), 1, 1}},
	"operatorKeyByHash": {1, []any{hash(7)}},
	"countOperatorKeys": {20, nil},
	"overdueRuns":       {501, []any{whose{}, 501}},
	"countOverdueRuns":  {1000, []any{whose{}, 9000}},
	"listRuns":          {201, []any{whose{}, uid(9000), 201}},
	"filterRuns":        {5000, []any{whose{}, uid(9000), 201, 5000, 4, ""}},
	"filterRunsOf":      {5000, []any{whose{}, uid(9000), 201, 5000, 0, "", uid(7)}},
	"openRuns":          {1000, []any{whose{}, uid(9000), 201, 1000, 2, ""}},
	"openRunsOf":        {1000, []any{whose{}, uid(9000), 201, 1000, 2, "", uid(7)}},
	"lastScanned":       {5001, []any{whose{}, uid(9000), 4999}},
	"loadPayload":       {1, []any{whose{}, uid(9001)}},
	"listSubjects":      {202, []any{whose{}, "subject-5", 201}},
	"openSubjects":      {100_000, []any{whose{}}},
	"listWorkers":       {9000, []any{whose{}}},
	"listMeters":        {9000, []any{whose{}}},
	"listPrices":        {9000, []any{whose{}, 1 << 40}},
	"sumRollups":        {1000, []any{whose{}, "", 100, 150}},
	"hourParts":         {20, []any{whose{}, "", 100}},
	"sumPeaks":          {1000, []any{whose{}, "", 100, 150}},
	"groupRollups":      {50, []any{whose{}, "worker", 100, 150, "meter-1", 0}},
	"groupHours":        {50, []any{whose{}, "worker", 100, 150, "meter-1"}},
	"groupParts":        {1, []any{whose{}, "worker", 100, "meter-1", 0}},
	"groupPeaks":        {50, []any{whose{}, "worker", 100, 150, "meter-1", 0}},
	"listPeaks":         {1000, []any{whose{}, "", 100, 150}},
	"walkRuns":          {501, []any{whose{}, uid(7), 501}},
	"sumDenials":        {900, []any{whose{}, 8000, 9000}},
	"listUsage":         {501, []any{whose{}, 8000, uid(7), 9000, 501}},
	"sumEvents":         {900, []any{whose{}, 8000, 9000}},
	"sumHeld":           {100_000, []any{whose{}}},
	"countWorkers":      {9000, []any{whose{}}},
	"countOwners":       {20_000, []any{whose{}}},
	"countKeys":         {20_000, []any{whose{}}},
	"countRuns":         {900, []any{whose{}, uid(8000), uid(9000), 0, 1 << 40}},
	"countIncrements":   {900, []any{whose{}, 8000, 9000}},
	"sumKeyTokens":      {900, []any{whose{}, 8000, 9000, 8500}},
	"listSubjectRuns":   {900, []any{whose{}, uid(8000), uid(9000), 0, 1 << 40}},
	"listSubjectTokens": {900, []any{whose{}, 8000, 9000}},
	"listKeyUses":       {201, []any{whose{}, uid(1000), 201}},
	"nextRollup":        {1, []any{whose{}, "worker", 100}},
	"nextPeak":          {1, []any{whose{}, "worker", 100}},
	"nextEvent":         {1, []any{whose{}, 8000}},
	"sumBuckets":        {900, []any{whose{}, 8000, 9000}},
	"sumKept":           {900, []any{whose{}, 8000, 9000}},
	"nextDimension":     {1, []any{whose{}, "worker"}},
	"nextKept":          {1, []any{whose{}, "meter-2", "model", 50}},
	"countKept":         {200, []any{whose{}, "meter-2", "model", 50}},
	"sumRecorded":       {900, []any{whose{}, 8000, 9000, 0, 1 << 40}},
	"sumCosts":          {900, []any{whose{}, 8000, 9000}},
	"listMarks":         {1000, []any{whose{}, "event-5", 1000}},
	"unmarked":          {1000, []any{whose{}, 8000, uid(7), 9000, 0, 1000}},
	"sumTaken":          {1, []any{whose{}, 8000, "event-5", "event-6"}},
	"sumCorrections":    {900, []any{whose{}, 8000, 9000, "event-5", 1000}},
	"sumHeavy":          {900, []any{whose{}, 8000, 9000, 0, 1}},
	"listKept":          {200, []any{whose{}, "meter-2", "model", 50}},
	"rolledMeters":      {1000, []any{whose{}, "worker", 100, 150}},
	"rolledValues":      {50, []any{whose{}, "worker", 100, 150, "meter-1"}},
	"oldUsage":          {500, []any{whose{}, 9000, 500}},
	"oldCounts":         {500, []any{whose{}, 9000, 500}},
	"oldDenials":        {100, []any{whose{}, last, 100}},
	"oldRuns":           {500, []any{whose{}, uid(1000), last, 500}},
	"oldMarks":          {500, []any{whose{}, "event-5", 500}},
	"oldOnce":           {500, []any{whose{}, "run.create", "key-5", 500}},
	"markPruned":        {1, []any{whose{}, "usage", 5}},
	"listPruned":        {10, []any{whose{}}},
	"recentPeriods":     {40, []any{whose{}}},
	"listPeriods":       {100_000, []any{whose{}}},
	"listDirectory":     {201, []any{"slug", "value-9000", 201}},
	"listAudit":         {201, []any{whose{}, 9000, 201}},
	"auditAfter":        {201, []any{whose{}, 100, 201}},
	"listEvents":        {201, []any{whose{}, uid(9000), 201}},
	"listAllEvents":     {201, []any{uid(9000), 201}},
	"listDenials":       {201, []any{whose{}, last, 201}},
	"trimAudit":         {1000, []any{whose{}, 9000, 10_112}},
	"listChores":        {256, []any{uid(150), "purge", 256}},
	"forgetActivity":    {100, []any{100}},
	"listActivity":      {600, []any{1000}},
	"latestDenials":     {201, []any{last, 201}},
	"listWaiting":       {5000, []any{1 << 40, 5000, 50}},
	"expiredSessions":   {500, []any{600, 500}},
	"trimDenials":       {100, []any{whose{}, 50}},

	"groupEvents":         {900, []any{whose{}, 8000, 9000, "meter-1", 0}},
	"groupEventsByWorker": {900, []any{whose{}, 8000, 9000, "meter-1", 0}},
	"groupEventsByKey":    {900, []any{whose{}, 8000, 9000, "meter-1", 0}},
	"groupEventsByKept":   {900, []any{whose{}, 8000, 9000, "meter-1", 0}},
	"sumBucketsByWorker":  {900, []any{whose{}, 8000, 9000}},
	"sumBucketsByKey":     {900, []any{whose{}, 8000, 9000}},

	"listOperatorKeys":       {20, []any{last, 21}},
	"listActiveOperatorKeys": {20, []any{last, 21, 1 << 40}},
}

// uid and hash are the functions of that name in the database.
func uid(n int) (id [16]byte) {
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}

func hash(n int) []byte { return binary.BigEndian.AppendUint64(make([]byte, 24, 32), uint64(n)) }

// asks returns all that is asked: each statement for a tenant with few rows and for the big one, and those on many rows
// for a row each of many tenants, for many rows of the big tenant, and for one row.
func (p *planTest) asks() (out []ask) {
	p.Helper()
	conn := p.connect()
	statements := sqlstore.Statements()
	for _, name := range slices.Sorted(maps.Keys(statements)) {
		stmt := statements[name]
		if stmt.Bulk != nil {
			out = append(out, p.asksOfMany(conn, name, stmt)...)
			continue
		}
		with, known := parameters[name]
		switch { // those of all tables are asked alike
		case strings.HasSuffix(name, ".purge"):
			with.rows, with.args, known = 2*1000, []any{whose{}, 999}, true
		case strings.HasSuffix(name, ".purgeRest"): // of a tenant with few rows: there is less than a stretch
			with.rows, with.args, known = 1000, []any{uid(7)}, true
		}
		if !known {
			p.Errorf("%s has no parameters: add some to the list in this file", name)
			continue
		}
		for _, tenant := range []int{7, bigTenant} {
			args := slices.Clone(with.args)
			for i, v := range args {
				if v == (whose{}) {
					args[i] = uid(tenant)
				}
			}
			out = append(out, ask{
				name: name, what: fmt.Sprintf("for tenant %d", tenant), rows: with.rows,
				sent: p.send(stmt, [][]any{args}, sqlstore.LockNone), alone: slices.Contains(with.args, any(whose{})),
			})
		}
	}
	return out
}

// asksOfMany asks a statement on many rows.
func (p *planTest) asksOfMany(conn *pgx.Conn, name string, stmt *sqlstore.Stmt) (out []ask) {
	p.Helper()
	locks := []sqlstore.Lock{sqlstore.LockNone}
	if name == "accounts.find" {
		locks = append(locks, sqlstore.LockWait, sqlstore.LockSkip)
	}
	many, big := sampleQueries(stmt.Bulk)
	for _, sample := range []struct {
		what, query string
		rows        int
	}{
		{"of many tenants", many, 256},
		{"of the big tenant", big, 2000},
		{"of the big tenant", big, 1},
	} {
		rows := p.sample(conn, sample.query+fmt.Sprint(" LIMIT ", sample.rows))
		if len(rows) == 0 {
			rows = slices.Repeat([][]any{blank(stmt.Bulk)}, sample.rows)
		}
		if op := stmt.Bulk.Op; op == sqlstore.OpInsert || op == sqlstore.OpAdd || op == sqlstore.OpMax || op == sqlstore.OpKeep {
			rows = fresh(stmt.Bulk, rows, sample.rows)
		}
		tenants := make(map[string]bool)
		for _, row := range rows {
			tenants[fmt.Sprint(row[0])] = true // a hash is no key of a map
		}
		for _, lock := range locks {
			out = append(out, ask{
				name: name, what: fmt.Sprintf("for %d rows %s, lock %d", len(rows), sample.what, lock), table: stmt.Bulk.Table,
				sent: p.send(stmt, rows, lock), rows: len(rows),
				alone: stmt.Bulk.Columns[0].Name == "tenant_id" && len(tenants) == 1,
			})
		}
	}
	return out
}

// sampleQueries read rows that a statement may ask for.
func sampleQueries(b *sqlstore.Bulk) (many, big string) {
	var names []string
	for _, c := range argumentsOf(b) {
		names = append(names, "f."+c.Name)
	}
	list := strings.Join(names, ", ") + " FROM " + b.Table + " AS f"
	switch {
	case b.Table == "accounts": // those that nothing refers to
		list += " WHERE f.tenant_id >= uid(2000) AND NOT EXISTS (SELECT FROM api_keys AS k WHERE k.tenant_id = f.tenant_id)"
		return "SELECT " + list, "SELECT " + list
	case names[0] != "f.tenant_id" || b.Keys == 1:
		return "SELECT " + list, "SELECT " + list
	}
	return "SELECT DISTINCT ON (f.tenant_id) " + list + " WHERE f.tenant_id <= uid(256)", fmt.Sprintf("SELECT %s WHERE f.tenant_id = uid(%d)", list, bigTenant)
}

func (p *planTest) sample(conn *pgx.Conn, query string) [][]any {
	p.Helper()
	rows, err := conn.Query(p.Context(), query)
	if err != nil {
		p.Fatalf("%s: %v", query, err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) ([]any, error) { return row.Values() })
	if err != nil {
		p.Fatalf("%s: %v", query, err)
	}
	return found
}

// blank is a row to ask for before there are any.
func blank(b *sqlstore.Bulk) (row []any) {
	for _, c := range argumentsOf(b) {
		row = append(row, map[sqlstore.Kind]any{sqlstore.ID: uid(1), sqlstore.Text: "text", sqlstore.Bytes: hash(1), sqlstore.Int: 1}[c.Kind])
	}
	return row
}

// argumentsOf returns the columns that are given for a row.
func argumentsOf(b *sqlstore.Bulk) []sqlstore.Column {
	if b.Op == sqlstore.OpSelect || b.Op == sqlstore.OpFirst || b.Op == sqlstore.OpDelete {
		return b.Columns[:b.Keys]
	}
	return b.Columns
}

// fresh makes rows that are not there yet of rows that are; where rows are added to, every second stays as it is.
func fresh(b *sqlstore.Bulk, rows [][]any, want int) (out [][]any) {
	for i := range want {
		row := slices.Clone(rows[i%len(rows)])
		out = append(out, row)
		if b.Op != sqlstore.OpInsert && i%2 == 0 && i < len(rows) {
			continue
		}
		for j, c := range b.Columns {
			isKey := j < b.Keys
			switch v := row[j].(type) {
			case [16]byte:
				if c.Name != "tenant_id" || b.Keys == 1 {
					row[j] = uid(1<<40 + i)
				}
			case []byte:
				row[j] = hash(1<<40 + i)
			case string:
				if isKey {
					row[j] = fmt.Sprintf("%s-new-%d", v, i)
				}
			case int64:
				if isKey {
					row[j] = v + 1<<40 + int64(i)
				}
			}
		}
	}
	return out
}

// send returns what a store sends to the server for rows of arguments.
func (p *planTest) send(stmt *sqlstore.Stmt, rows [][]any, lock sqlstore.Lock) postgres.Sent {
	p.Helper()
	sent, err := postgres.Send(&sqlstore.Request{Stmt: stmt, Rows: len(rows), Lock: lock, Bind: func(i int, a sqlstore.Args) {
		for _, v := range rows[i] {
			bind(a, v)
		}
	}})
	if err != nil {
		p.Fatalf("%s: %v", stmt.SQL, err)
	}
	return sent
}

func bind(a sqlstore.Args, v any) {
	switch v := v.(type) {
	case nil:
		a.Null()
	case int:
		a.Int(int64(v))
	case int64:
		a.Int(v)
	case string:
		a.Text(v)
	case []byte:
		a.Bytes(v)
	case [16]byte:
		a.ID(v)
	default:
		panic(fmt.Sprintf("no argument of a statement: %T", v))
	}
}
