package sqlstore_test

import (
	"context"
	"crypto/ed25519"
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/pgtest"
	"github.com/rentroll/rentroll/internal/sqlstore"
	"github.com/rentroll/rentroll/postgres"
	"github.com/rentroll/rentroll/sqlite"
)

// tampered is a database with a tenant's audit in it, which somebody changes by hand.
type tampered struct {
	*testing.T

	engine *rentroll.Engine
	store  rentroll.Store
	exec   func(statement string) error
	count  func(query string) (int64, error)
	bytes  string // how the database writes hexadecimal digits as bytes, as a format
	tenant rentroll.TenantID
	key    ed25519.PrivateKey
}

// auditRows is how many audit rows the tenant has.
const auditRows = 9

func (w *tampered) open(store rentroll.Store) {
	w.Helper()
	w.store = store
	w.key = ed25519.NewKeyFromSeed([]byte("a seed that all can know, here -"))
	var err error
	if w.engine, err = rentroll.New(store, &rentroll.Options{AuditSigner: w.key, SweepInterval: -1}); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		if err := w.engine.Close(); err != nil {
			w.Error(err)
		}
	})
	caller := w.engine.As(rentroll.Actor{Kind: rentroll.ActorOperator, RequestID: "r", IP: "192.0.2.1", UserAgent: "test"})
	tenant, err := caller.CreateTenant(w.Context(), rentroll.CreateTenantParams{Name: "Acme", Slug: "acme"})
	if err != nil {
		w.Fatal(err)
	}
	w.tenant = tenant.ID
	for i := 2; i <= auditRows; i++ {
		w.rename(caller, fmt.Sprintf("Acme %d", i))
	}
}

func (w *tampered) rename(e *rentroll.Engine, name string) {
	w.Helper()
	_, err := e.UpdateTenant(w.Context(), rentroll.UpdateTenantParams{TenantID: w.tenant, Change: func(t *rentroll.TenantEdit) error {
		t.Name = name
		return nil
	}})
	if err != nil {
		w.Fatal(err)
	}
}

// sql executes statements. TENANT in them is the one tenant.
func (w *tampered) sql(statements ...string) {
	w.Helper()
	for _, s := range statements {
		s = strings.ReplaceAll(s, "TENANT", "(SELECT tenant_id FROM tenants)")
		if err := w.exec(s); err != nil {
			w.Fatalf("%s: %v", s, err)
		}
	}
}

// number reads one number.
func (w *tampered) number(query string) int64 {
	w.Helper()
	n, err := w.count(strings.ReplaceAll(query, "TENANT", "(SELECT tenant_id FROM tenants)"))
	if err != nil {
		w.Fatalf("%s: %v", query, err)
	}
	return n
}

func (w *tampered) verify(contains *rentroll.AuditHead) *rentroll.AuditVerification {
	w.Helper()
	v, err := w.engine.VerifyAudit(w.Context(), rentroll.VerifyAuditParams{TenantID: w.tenant, Contains: contains})
	if err != nil {
		w.Fatal(err)
	}
	return v
}

func (w *tampered) expect(v *rentroll.AuditVerification, sequence int64, fault rentroll.AuditFault) {
	w.Helper()
	switch {
	case fault == "" && v.Verdict != rentroll.AuditHolds:
		w.Errorf("the verdict is %s (%+v), want %s", v.Verdict, v.Broken, rentroll.AuditHolds)
	case fault == "":
	case v.Broken == nil:
		w.Errorf("the verdict is %s, want %s at %d", v.Verdict, fault, sequence)
	case v.Broken.Sequence != sequence || v.Broken.Fault != fault:
		w.Errorf("%+v, want %s at %d", *v.Broken, fault, sequence)
	}
}

func (w *tampered) head() *rentroll.AuditHead {
	w.Helper()
	h, err := w.engine.AuditHead(w.Context(), w.tenant)
	if err != nil {
		w.Fatal(err)
	}
	return h
}

// onBothDatabases runs a test on each kind of SQL database.
func onBothDatabases(t *testing.T, test func(w *tampered)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "rentroll.db")
		store, err := sqlite.Open(t.Context(), path, nil)
		if err != nil {
			t.Fatal(err)
		}
		db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path, RawQuery: "_pragma=busy_timeout(10000)"}).String())
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		w := &tampered{T: t, bytes: "X'%s'", exec: func(statement string) error {
			_, err := db.ExecContext(t.Context(), statement)
			return err
		}, count: func(query string) (n int64, err error) {
			err = db.QueryRowContext(t.Context(), query).Scan(&n)
			return n, err
		}}
		w.open(store)
		test(w)
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		address, schema := pgtest.Database(t)
		store, err := postgres.Open(t.Context(), address, &postgres.Options{Schema: schema, Connections: 4})
		if err != nil {
			t.Fatal(err)
		}
		conn, err := pgx.Connect(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		w := &tampered{T: t, bytes: `'\x%s'::bytea`, exec: func(statement string) error {
			_, err := conn.Exec(t.Context(), statement)
			return err
		}, count: func(query string) (n int64, err error) {
			err = conn.QueryRow(t.Context(), query).Scan(&n)
			return n, err
		}}
		w.sql("SET search_path = " + schema)
		w.open(store)
		test(w)
	})
}

// auditColumns are all columns of an audit row.
func auditColumns(t *testing.T) []string {
	t.Helper()
	return columnsOf("audit")
}

// columnsOf are all columns of a table, from the store's own list.
func columnsOf(name string) (names []string) {
	for _, table := range sqlstore.Tables() {
		if table.Name == name {
			for _, c := range table.Columns {
				names = append(names, c.Name)
			}
		}
	}
	return names
}

// tampering is something that is done to the rows by hand, and what is to be found of it.
type tampering struct {
	name  string
	do    []string
	at    int64
	fault rentroll.AuditFault
}

// alter sets a column of row 4.
func alter(column, value string) tampering {
	return tampering{
		name: column, do: []string{fmt.Sprintf("UPDATE audit SET %s = %s WHERE tenant_id = TENANT AND sequence = 4", column, value)},
		at: 4, fault: rentroll.AuditAltered,
	}
}

// of is a column of another row.
func of(sequence int, column string) string {
	return fmt.Sprintf("(SELECT %s FROM audit WHERE tenant_id = TENANT AND sequence = %d)", column, sequence)
}

var columnTamperings = []tampering{
	{"tenant_id", []string{"UPDATE audit SET tenant_id = (SELECT tenant_id FROM accounts ORDER BY tenant_id LIMIT 1) WHERE sequence = 4"}, 4, rentroll.AuditRemoved},
	{"sequence", []string{"UPDATE audit SET sequence = 1000 WHERE tenant_id = TENANT AND sequence = 4"}, 4, rentroll.AuditReordered},
	alter("id", of(5, "id")), alter("at", "at + 1"), alter("actor", "'operator:mallory'"), alter("action", "'tenant.create'"),
	alter("resource_type", "'user'"), alter("resource_id", "resource_id || 'x'"),
	alter("old", `'{"name":"Acme 2"}'`), alter("new", "NULL"), alter("new", `'{"name":"Mallory"}'`),
	alter("request_id", "NULL"), alter("ip", "'192.0.2.66'"), alter("user_agent", "NULL"),
	alter("hash", of(5, "hash")), alter("hash", "NULL"), alter("previous_hash", of(5, "hash")), alter("previous_hash", "NULL"),
	alter("salt", of(5, "salt")), alter("salt", "NULL"), alter("personal_hash", of(5, "hash")),
}

// renumber moves rows by hand, past those that are there.
func renumber(where, by string) []string {
	return []string{
		"UPDATE audit SET sequence = -1000 - sequence WHERE tenant_id = TENANT AND " + where,
		"UPDATE audit SET sequence = -(sequence + 1000) " + by + " WHERE tenant_id = TENANT AND sequence < -1000",
	}
}

// rowTamperings are those of whole rows.
func rowTamperings(t *testing.T) []tampering {
	t.Helper()
	names := auditColumns(t)
	insert := func(from, at int) string { // another's row, as that of somebody else
		values := strings.NewReplacer("sequence", fmt.Sprint(at), "actor", "'operator:mallory'").Replace(strings.Join(names, ", "))
		return fmt.Sprintf("INSERT INTO audit (%s) SELECT %s FROM audit WHERE tenant_id = TENANT AND sequence = %d", strings.Join(names, ", "), values, from)
	}
	remove := func(where string) string { return "DELETE FROM audit WHERE tenant_id = TENANT AND " + where }
	accountAt := func(sequence int) string {
		return fmt.Sprintf("UPDATE accounts SET audit_sequence = %d WHERE tenant_id = TENANT", sequence)
	}
	return []tampering{
		{"nothing", nil, 0, ""},
		{"remove one", []string{remove("sequence = 4")}, 4, rentroll.AuditRemoved},
		{"remove some", []string{remove("sequence BETWEEN 4 AND 6")}, 4, rentroll.AuditRemoved},
		{"remove the first", []string{remove("sequence = 1")}, 1, rentroll.AuditRemoved},
		{"remove one and close the gap", append([]string{remove("sequence = 4")}, renumber("sequence > 4", "- 1")...), 4, rentroll.AuditRemoved},
		{"reorder", append(renumber("sequence = 4", "+ 1000"), append(renumber("sequence = 6", "- 2"), renumber("sequence = 1004", "- 998")...)...), 4, rentroll.AuditReordered},
		{"insert", append(renumber("sequence >= 4", "+ 1"), insert(2, 4)), 4, rentroll.AuditInserted},
		{"insert before the first", []string{insert(2, 0)}, 0, rentroll.AuditInserted},
		{"insert behind the last", []string{insert(2, auditRows+1)}, auditRows + 1, rentroll.AuditInserted},
		{"insert behind a gap", []string{insert(2, auditRows+5)}, auditRows + 5, rentroll.AuditInserted},
		{"cut the end", []string{remove("sequence > 6")}, 7, rentroll.AuditTruncated},
		{"cut the last", []string{remove(fmt.Sprintf("sequence = %d", auditRows))}, auditRows, rentroll.AuditTruncated},
		{"cut all", []string{remove("sequence > 0")}, 1, rentroll.AuditTruncated},
		{"cut the end and the account's number", []string{remove("sequence > 6"), accountAt(6)}, 6, rentroll.AuditHeadMismatch},
		{"cut the account's number", []string{accountAt(6)}, 7, rentroll.AuditInserted},
		{"alter the account's hash", []string{"UPDATE accounts SET audit_hash = " + of(3, "hash") + " WHERE tenant_id = TENANT"}, auditRows, rentroll.AuditHeadMismatch},
		{"forget the account's hash", []string{"UPDATE accounts SET audit_hash = NULL WHERE tenant_id = TENANT"}, auditRows, rentroll.AuditHeadMismatch},
		{"rewrite the last", []string{fmt.Sprintf("UPDATE audit SET actor = 'x' WHERE tenant_id = TENANT AND sequence = %d", auditRows)}, auditRows, rentroll.AuditAltered},
		{
			name: "make the first look older than the chain", at: 3, fault: rentroll.AuditAltered,
			do: []string{"UPDATE audit SET hash = NULL, previous_hash = NULL, salt = NULL WHERE tenant_id = TENANT AND sequence <= 3"},
		},
	}
}

// keep copies what the audit and its account say; restore brings it back.
func (w *tampered) keep(name string) {
	w.Helper()
	w.sql("CREATE TABLE "+name+"_rows AS SELECT "+strings.Join(auditColumns(w.T), ", ")+" FROM audit",
		"CREATE TABLE "+name+"_heads AS SELECT tenant_id, audit_sequence, audit_hash FROM accounts")
}

func (w *tampered) restore(name string) {
	w.Helper()
	names := strings.Join(auditColumns(w.T), ", ")
	w.sql("DELETE FROM audit", fmt.Sprintf("INSERT INTO audit (%s) SELECT %s FROM %s_rows", names, names, name))
	w.restoreHead(name)
}

func (w *tampered) restoreHead(name string) {
	w.Helper()
	for _, column := range []string{"audit_sequence", "audit_hash"} {
		w.sql(fmt.Sprintf("UPDATE accounts SET %s = (SELECT %s FROM %s_heads AS h WHERE h.tenant_id = accounts.tenant_id)", column, column, name))
	}
}

// TestTamper: what is changed by hand in the database is found, in its place, and said by its name.
func TestTamper(t *testing.T) {
	t.Parallel()
	for _, column := range auditColumns(t) {
		if !slices.ContainsFunc(columnTamperings, func(c tampering) bool { return c.name == column }) {
			t.Errorf("nobody tampers with the column %s", column)
		}
	}
	onBothDatabases(t, func(w *tampered) {
		w.keep("kept")
		for _, tampering := range append(rowTamperings(w.T), columnTamperings...) {
			w.Run(tampering.name, func(t *testing.T) {
				again := *w
				again.T = t
				again.sql(tampering.do...)
				again.expect(again.verify(nil), tampering.at, tampering.fault)
				again.restore("kept")
			})
		}
		w.expect(w.verify(nil), 0, "")
	})
}

// TestTamperBehindSignedHead: who can write the whole database forges a chain that holds, but not past a signed head.
func TestTamperBehindSignedHead(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(w *tampered) {
		signed := w.head()
		if err := signed.Verify(w.key.Public().(ed25519.PublicKey)); err != nil {
			w.Fatal(err)
		}
		w.keep("kept")

		// The forger goes back by one row, as if it had never been, and has the program itself write another.
		hash := of(auditRows-1, "hash")
		w.sql(fmt.Sprintf("DELETE FROM audit WHERE tenant_id = TENANT AND sequence = %d", auditRows),
			fmt.Sprintf("UPDATE accounts SET audit_sequence = %d, audit_hash = %s WHERE tenant_id = TENANT", auditRows-1, hash))
		w.expect(w.verify(nil), 0, "")
		w.expect(w.verify(signed), auditRows, rentroll.AuditTruncated)
		w.rename(w.engine, "Another")
		w.expect(w.verify(nil), 0, "")
		w.expect(w.verify(signed), auditRows, rentroll.AuditHeadReplaced)
		w.rename(w.engine, "And on")
		w.expect(w.verify(signed), auditRows, rentroll.AuditHeadReplaced)

		// Forged rows with the account as it was.
		w.sql(fmt.Sprintf("DELETE FROM audit WHERE tenant_id = TENANT AND sequence > %d", auditRows))
		w.restoreHead("kept")
		w.expect(w.verify(nil), auditRows, rentroll.AuditHeadMismatch)

		w.restore("kept")
		w.rename(w.engine, "Going on")
		w.expect(w.verify(signed), 0, "")
	})
}

// TestErasedRowHolds: the personal data of a stored row can be erased, and nothing else be put in its place.
func TestErasedRowHolds(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(w *tampered) {
		signed := w.head()
		export := func() *rentroll.AuditExport {
			out, err := w.engine.ExportAudit(w.Context(), rentroll.ExportAuditParams{TenantID: w.tenant})
			if err != nil {
				w.Fatal(err)
			}
			return out
		}
		row := export().Items[3]
		if text := string(row.New); !strings.Contains(text, "Acme 4") || row.IP == "" {
			w.Fatalf("there is nothing personal in %s", text)
		}
		row.Erase()
		w.sql(fmt.Sprintf(`UPDATE audit SET old = '%s', new = '%s', ip = NULL, user_agent = NULL, salt = NULL, personal_hash = %s
			WHERE tenant_id = TENANT AND sequence = 4`, row.Old, row.New, fmt.Sprintf(w.bytes, row.PersonalHash)))
		v := w.verify(signed)
		w.expect(v, 0, "")
		if v.Erased != 1 {
			w.Errorf("%d rows are erased, want 1", v.Erased)
		}
		if again := export().Items[3]; strings.Contains(string(again.New), "Acme") || !again.Erased() {
			w.Errorf("the erased row says %s", again.New)
		}
		w.keep("erased")
		for column, value := range map[string]string{
			"ip": "'192.0.2.9'", "user_agent": "'x'", "salt": of(5, "salt"), "personal_hash": of(5, "hash"),
			"new": "'" + strings.Replace(string(row.New), "null", `"Mallory"`, 1) + "'",
		} {
			w.sql(fmt.Sprintf("UPDATE audit SET %s = %s WHERE tenant_id = TENANT AND sequence = 4", column, value))
			w.expect(w.verify(nil), 4, rentroll.AuditAltered)
			w.restore("erased")
		}
	})
}

// TestChainBeginsLate: a database from before there was a chain goes on, and says from where on it is chained. A chain
// that was made to look so is told by a signed head.
func TestChainBeginsLate(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(w *tampered) {
		signed := w.head()
		w.sql("UPDATE audit SET hash = NULL, previous_hash = NULL, salt = NULL", "UPDATE accounts SET audit_hash = NULL")
		w.expect(w.verify(signed), auditRows, rentroll.AuditHeadReplaced)
		if v := w.verify(nil); v.Verdict != rentroll.AuditHolds || v.ChainedFrom != 0 || v.Rows != auditRows {
			w.Errorf("rows that are not chained: %+v", v)
		}
		w.rename(w.engine, "Chained")
		w.rename(w.engine, "And on")
		if v := w.verify(nil); v.Verdict != rentroll.AuditHolds || v.ChainedFrom != auditRows+1 || v.Rows != auditRows+2 {
			w.Errorf("rows of which the last two are chained: %+v", v)
		}
		w.sql("DELETE FROM audit WHERE tenant_id = TENANT AND sequence = 3")
		w.expect(w.verify(nil), 3, rentroll.AuditRemoved)
	})
}

// TestVerifyLongAudit: an audit that is too long for one call is verified in several, and what is wrong at their seam is
// found by either.
func TestVerifyLongAudit(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(w *tampered) {
		const rows, seam = 45_000, 20_000
		w.sql("UPDATE audit SET hash = NULL, previous_hash = NULL, salt = NULL", fmt.Sprintf("UPDATE accounts SET audit_hash = NULL, audit_sequence = %d", rows))
		w.sql(fmt.Sprintf(`INSERT INTO audit (tenant_id, sequence, id, at, actor, action, resource_type, resource_id)
			WITH RECURSIVE numbers (n) AS (SELECT %d UNION ALL SELECT n + 1 FROM numbers WHERE n < %d)
			SELECT a.tenant_id, n, a.id, a.at, a.actor, a.action, a.resource_type, a.resource_id
			FROM audit AS a, numbers WHERE a.tenant_id = TENANT AND a.sequence = 1`, auditRows+1, rows))
		w.rename(w.engine, "Chained")
		w.follow(rows+1, 3, 0, "")
		for _, at := range []int64{seam, seam + 1} {
			w.sql(fmt.Sprintf("UPDATE audit SET hash = %s WHERE tenant_id = TENANT AND sequence = %d", of(rows+1, "hash"), at))
			w.follow(at-1, 1+int((at-1)/seam), at, rentroll.AuditAltered)
			w.sql(fmt.Sprintf("UPDATE audit SET hash = NULL WHERE tenant_id = TENANT AND sequence = %d", at))
		}
		w.sql(fmt.Sprintf("DELETE FROM audit WHERE tenant_id = TENANT AND sequence = %d", seam+1))
		w.follow(seam, 2, seam+1, rentroll.AuditRemoved)
	})
}

// follow verifies call by call, as many as expected, and expects the end to be as said.
func (w *tampered) follow(rows int64, calls int, at int64, fault rentroll.AuditFault) {
	w.Helper()
	p := rentroll.VerifyAuditParams{TenantID: w.tenant}
	for call := 1; ; call++ {
		v, err := w.engine.VerifyAudit(w.Context(), p)
		if err != nil {
			w.Fatal(err)
		}
		if v.Verdict == rentroll.AuditUnfinished {
			p.Cursor = string(v.NextCursor)
			continue
		}
		w.expect(v, at, fault)
		if v.Rows != rows || call != calls {
			w.Errorf("%d rows hold, seen in %d calls; want %d in %d", v.Rows, call, rows, calls)
		}
		return
	}
}

// TestVerifyWhileWriting: rows that come meanwhile never look like a fault.
func TestVerifyWhileWriting(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(w *tampered) {
		const more = 100
		written := make(chan error, 1)
		go func() {
			for i := range more {
				_, err := w.engine.UpdateTenant(w.Context(), rentroll.UpdateTenantParams{TenantID: w.tenant, Change: func(t *rentroll.TenantEdit) error {
					t.Name = fmt.Sprintf("Busy %d", i)
					return nil
				}})
				if err != nil {
					written <- err
					return
				}
			}
			written <- nil
		}()
		for {
			select {
			case err := <-written:
				if v := w.verify(nil); err != nil || v.Verdict != rentroll.AuditHolds || v.Rows != auditRows+more {
					w.Errorf("at the end: %+v, %v", v, err)
				}
				return
			default:
				signed := w.head()
				w.expect(w.verify(signed), 0, "")
			}
		}
	})
}
