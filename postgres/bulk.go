package postgres

import (
	"fmt"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/rentroll/rentroll/internal/sqlstore"
)

// statements returns how many statements a request is sent as: one over arrays, or one a row.
func statements(r *sqlstore.Request) int {
	if r.Stmt.Bulk != nil && r.Rows > 0 {
		return 1
	}
	return r.Rows
}

// queue puts the statements of a request into a pipeline.
func queue(batch *pgx.Batch, r *sqlstore.Request) {
	if r.Rows == 0 {
		return
	}
	if b := r.Stmt.Bulk; b != nil {
		columns := argumentsOf(b)
		arrays := &arrays{columns: make([]array, len(columns))}
		for i, c := range columns {
			arrays.columns[i] = newArray(c.Kind, r.Rows)
		}
		for i := range r.Rows {
			arrays.next = 0
			r.Bind(i, arrays)
		}
		batch.Queue(bulkSQL(r.Stmt, r.Lock), arrays.values()...)
		return
	}
	for i := range r.Rows {
		args := &values{}
		r.Bind(i, args)
		batch.Queue(r.Stmt.SQL, args.list...)
	}
}

// argumentsOf returns the columns of which a row's arguments are given.
func argumentsOf(b *sqlstore.Bulk) []sqlstore.Column {
	if b.Op == sqlstore.OpSelect || b.Op == sqlstore.OpDelete {
		return b.Columns[:b.Keys]
	}
	return b.Columns
}

// texts keeps the bulk form of each statement; there are as many as statements.
var texts = struct {
	sync.RWMutex

	of map[textKey]string
}{of: make(map[textKey]string)}

type textKey struct {
	stmt *sqlstore.Stmt
	lock sqlstore.Lock
}

func bulkSQL(s *sqlstore.Stmt, lock sqlstore.Lock) string {
	texts.RLock()
	text, known := texts.of[textKey{s, lock}]
	texts.RUnlock()
	if known {
		return text
	}
	text = bulkText(s.Bulk, lock)
	texts.Lock()
	defer texts.Unlock()
	texts.of[textKey{s, lock}] = text
	return text
}

// bulkText writes an operation on many rows as one statement over an array a column.
func bulkText(b *sqlstore.Bulk, lock sqlstore.Lock) string {
	columns := argumentsOf(b)
	names, given := make([]string, len(columns)), make([]string, len(columns))
	for i, c := range columns {
		names[i], given[i] = c.Name, fmt.Sprintf("$%d::%s[]", i+1, types[c.Kind])
	}
	list := strings.Join(names, ", ")
	from := "unnest(" + strings.Join(given, ", ") + ") AS given(" + list + ")"
	matches := func(i int) string { return fmt.Sprintf("%s.%s = given.%s", b.Table, names[i], names[i]) }
	join := func(low, high int, separator string, each func(int) string) string {
		var parts []string
		for i := low; i < high; i++ {
			parts = append(parts, each(i))
		}
		return strings.Join(parts, separator)
	}
	where := join(0, b.Keys, " AND ", matches)
	switch b.Op {
	case sqlstore.OpInsert:
		return "INSERT INTO " + b.Table + " (" + list + ") SELECT " + list + " FROM " + from
	case sqlstore.OpUpdate:
		set := join(b.Keys, len(names), ", ", func(i int) string { return names[i] + " = given." + names[i] })
		return "UPDATE " + b.Table + " SET " + set + " FROM " + from + " WHERE " + where
	case sqlstore.OpDelete:
		return "DELETE FROM " + b.Table + " USING " + from + " WHERE " + where
	case sqlstore.OpAdd:
		sums := join(b.Keys, len(names), ", ", func(i int) string {
			return fmt.Sprintf("%s = %s.%s + excluded.%s", names[i], b.Table, names[i], names[i])
		})
		return "INSERT INTO " + b.Table + " (" + list + ") SELECT " + list + " FROM " + from +
			" ON CONFLICT (" + strings.Join(names[:b.Keys], ", ") + ") DO UPDATE SET " + sums
	case sqlstore.OpSelect:
		if lock != sqlstore.LockNone {
			// Without a join: a row that changed while it was waited for is looked at again, and nothing else with it.
			return b.Select + " WHERE " + b.Table + "." + names[0] + " = ANY(" + given[0] + ")" + locking(b, lock)
		}
	}
	return b.Select + " JOIN " + from + " ON " + where
}

// locking orders rows by their key, so that no two transactions wait for each other, and locks them. The lock leaves
// room for others that only refer to the row.
func locking(b *sqlstore.Bulk, lock sqlstore.Lock) string {
	text := " ORDER BY " + b.Table + "." + b.Columns[0].Name + " FOR NO KEY UPDATE OF " + b.Table
	switch lock {
	case sqlstore.LockWait:
		return text
	case sqlstore.LockSkip:
		return text + " SKIP LOCKED"
	default:
		return ""
	}
}

var types = map[sqlstore.Kind]string{
	sqlstore.Int: "bigint", sqlstore.Text: "text", sqlstore.Bytes: "bytea", sqlstore.ID: "uuid",
}

// values takes the arguments of one run of a statement.
type values struct{ list []any }

// Int takes a number.
func (v *values) Int(n int64) { v.list = append(v.list, n) }

// Text takes text.
func (v *values) Text(s string) { v.list = append(v.list, s) }

// Bytes takes bytes.
func (v *values) Bytes(b []byte) { v.list = append(v.list, append([]byte(nil), b...)) }

// ID takes an id.
func (v *values) ID(id [16]byte) { v.list = append(v.list, pgtype.UUID{Bytes: id, Valid: true}) }

// Null takes NULL.
func (v *values) Null() { v.list = append(v.list, nil) }

// arrays takes the arguments of many rows, a column each.
type arrays struct {
	columns []array
	next    int
}

// array is one column: the slice of its kind is used.
type array struct {
	kind  sqlstore.Kind
	ints  []pgtype.Int8
	texts []pgtype.Text
	bytes [][]byte
	ids   []pgtype.UUID
}

func newArray(kind sqlstore.Kind, rows int) array {
	a := array{kind: kind}
	switch kind {
	case sqlstore.Text:
		a.texts = make([]pgtype.Text, 0, rows)
	case sqlstore.Bytes:
		a.bytes = make([][]byte, 0, rows)
	case sqlstore.ID:
		a.ids = make([]pgtype.UUID, 0, rows)
	default:
		a.ints = make([]pgtype.Int8, 0, rows)
	}
	return a
}

func (a *arrays) column() *array {
	a.next++
	return &a.columns[a.next-1]
}

func (a *arrays) values() []any {
	out := make([]any, len(a.columns))
	for i, c := range a.columns {
		switch c.kind {
		case sqlstore.Text:
			out[i] = c.texts
		case sqlstore.Bytes:
			out[i] = c.bytes
		case sqlstore.ID:
			out[i] = c.ids
		default:
			out[i] = c.ints
		}
	}
	return out
}

// Int takes a number.
func (a *arrays) Int(n int64) {
	c := a.column()
	c.ints = append(c.ints, pgtype.Int8{Int64: n, Valid: true})
}

// Text takes text.
func (a *arrays) Text(s string) {
	c := a.column()
	c.texts = append(c.texts, pgtype.Text{String: s, Valid: true})
}

// Bytes takes bytes.
func (a *arrays) Bytes(b []byte) {
	c := a.column()
	c.bytes = append(c.bytes, append([]byte{}, b...))
}

// ID takes an id.
func (a *arrays) ID(id [16]byte) {
	c := a.column()
	c.ids = append(c.ids, pgtype.UUID{Bytes: id, Valid: true})
}

// Null takes NULL.
func (a *arrays) Null() {
	c := a.column()
	switch c.kind {
	case sqlstore.Text:
		c.texts = append(c.texts, pgtype.Text{})
	case sqlstore.Bytes:
		c.bytes = append(c.bytes, nil)
	case sqlstore.ID:
		c.ids = append(c.ids, pgtype.UUID{})
	default:
		c.ints = append(c.ints, pgtype.Int8{})
	}
}
