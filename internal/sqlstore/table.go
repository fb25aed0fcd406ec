package sqlstore

import (
	"fmt"
	"strings"

	"github.com/rentroll/rentroll"
)

// table maps the rows of one kind to the columns of one table, and makes its statements.
type table[K comparable, R any] struct {
	name    string
	columns []Column // the primary key first
	keys    int
	bindKey func(a Args, k K)
	bind    func(a Args, r *R)           // all columns, in order
	scan    func(row Row) (K, *R, error) // all columns, in order, then those of extra
	extra   string                       // further columns of the select
	join    string                       // and where they come from

	insert, update, remove, find *Stmt
}

// columns reads a list like "id:uuid name:text amount" into columns; int is the default.
func columns(list string) []Column {
	var out []Column
	for item := range strings.FieldsSeq(list) {
		name, kind, _ := strings.Cut(item, ":")
		c := Column{Name: name}
		switch kind {
		case "":
		case "text":
			c.Kind = Text
		case "bytes":
			c.Kind = Bytes
		case "id":
			c.Kind = ID
		default:
			panic("sqlstore: unknown kind of column " + kind)
		}
		out = append(out, c)
	}
	return out
}

// prepare makes the statements of a table.
func prepare[K comparable, R any](t table[K, R]) *table[K, R] {
	bulk := func(op Op, columns []Column) *Bulk {
		return &Bulk{Op: op, Table: t.name, Columns: columns, Keys: t.keys}
	}
	key := t.columns[:t.keys]
	where := " WHERE " + list(key, " AND ", func(i int, c Column) string { return fmt.Sprintf("%s.%s = $%d", t.name, c.Name, i+1) })
	t.insert = &Stmt{
		SQL:  "INSERT INTO " + t.name + " (" + names(t.columns) + ") VALUES (" + list(t.columns, ", ", placeholder) + ")",
		Bulk: bulk(OpInsert, t.columns),
	}
	if len(t.columns) > t.keys {
		set := list(t.columns[t.keys:], ", ", func(i int, c Column) string { return fmt.Sprintf("%s = $%d", c.Name, i+t.keys+1) })
		t.update = &Stmt{SQL: "UPDATE " + t.name + " SET " + set + where, Bulk: bulk(OpUpdate, t.columns)}
	}
	t.remove = &Stmt{SQL: "DELETE FROM " + t.name + where, Bulk: bulk(OpDelete, key)}
	t.find = &Stmt{SQL: t.selects() + where, Bulk: bulk(OpSelect, t.columns)}
	t.find.Bulk.Select = t.selects()
	return &t
}

// selects is the SELECT … FROM of the table with all that scan takes.
func (t *table[K, R]) selects() string {
	qualified := list(t.columns, ", ", func(_ int, c Column) string { return t.name + "." + c.Name })
	return "SELECT " + qualified + t.extra + " FROM " + t.name + t.join
}

// query makes a statement that reads rows of the table; where begins with WHERE or ORDER.
func (t *table[K, R]) query(where string) *Stmt { return &Stmt{SQL: t.selects() + " " + where} }

// load asks for the rows that a set names.
func (t *table[K, R]) load(set *rentroll.Rowset[K, R], requests []*Request) []*Request {
	wanted := set.TakeWanted()
	if len(wanted) == 0 {
		return requests
	}
	return append(requests, t.fetch(wanted, set.Found))
}

// fetch reads rows by key.
func (t *table[K, R]) fetch(keys []K, found func(K, *R)) *Request {
	return &Request{
		Stmt: t.find, Rows: len(keys),
		Bind: func(i int, a Args) { t.bindKey(a, keys[i]) },
		Scan: t.found(found),
	}
}

func (t *table[K, R]) found(found func(K, *R)) func(Row) error {
	return func(row Row) error {
		k, r, err := t.scan(row)
		if err == nil {
			found(k, r)
		}
		return err
	}
}

// save writes the changes of a set.
func (t *table[K, R]) save(set *rentroll.Rowset[K, R], requests []*Request) []*Request {
	var inserted, updated []*R
	var deleted []K
	set.Changes(
		func(r *R) { inserted = append(inserted, r) },
		func(r *R) { updated = append(updated, r) },
		func(k K) { deleted = append(deleted, k) },
	)
	if len(deleted) > 0 { // first, so that a value that moves is free before it is taken
		requests = append(requests, &Request{
			Stmt: t.remove, Rows: len(deleted), Bind: func(i int, a Args) { t.bindKey(a, deleted[i]) },
		})
	}
	requests = t.add(inserted, requests)
	if len(updated) > 0 {
		requests = append(requests, &Request{
			Stmt: t.update, Rows: len(updated), Bind: func(i int, a Args) { t.bind(a, updated[i]) },
		})
	}
	return requests
}

// add inserts rows.
func (t *table[K, R]) add(rows []*R, requests []*Request) []*Request {
	if len(rows) == 0 {
		return requests
	}
	return append(requests, &Request{
		Stmt: t.insert, Rows: len(rows), Bind: func(i int, a Args) { t.bind(a, rows[i]) },
	})
}

func list(columns []Column, separator string, each func(i int, c Column) string) string {
	parts := make([]string, len(columns))
	for i, c := range columns {
		parts[i] = each(i, c)
	}
	return strings.Join(parts, separator)
}

func names(columns []Column) string {
	return list(columns, ", ", func(_ int, c Column) string { return c.Name })
}

func placeholder(i int, _ Column) string { return fmt.Sprintf("$%d", i+1) }

// remover makes the statement that deletes a row by its key.
func remover(name string, key []Column) *Stmt {
	return &Stmt{
		SQL:  "DELETE FROM " + name + " WHERE " + list(key, " AND ", func(i int, c Column) string { return fmt.Sprintf("%s = $%d", c.Name, i+1) }),
		Bulk: &Bulk{Op: OpDelete, Table: name, Columns: key, Keys: len(key)},
	}
}

// keeper makes the statement that inserts a row unless there is one.
func keeper(name string, columns []Column, keys int) *Stmt {
	return &Stmt{
		SQL:  "INSERT INTO " + name + " (" + names(columns) + ") VALUES (" + list(columns, ", ", placeholder) + ") ON CONFLICT DO NOTHING",
		Bulk: &Bulk{Op: OpKeep, Table: name, Columns: columns, Keys: keys},
	}
}

// peaker makes the statement that inserts a row or raises its columns behind the key to the larger value.
func peaker(name string, columns []Column, keys int) *Stmt {
	return &Stmt{
		SQL: "INSERT INTO " + name + " (" + names(columns) + ") VALUES (" + list(columns, ", ", placeholder) +
			") ON CONFLICT (" + names(columns[:keys]) + ") DO UPDATE SET " +
			list(columns[keys:], ", ", func(_ int, c Column) string { return Larger(name, c.Name) }),
		Bulk: &Bulk{Op: OpMax, Table: name, Columns: columns, Keys: keys},
	}
}

// Larger sets a column to the larger of what is there and what came.
func Larger(table, column string) string {
	return fmt.Sprintf("%[2]s = CASE WHEN excluded.%[2]s > %[1]s.%[2]s THEN excluded.%[2]s ELSE %[1]s.%[2]s END", table, column)
}

// Sum adds what came to what is there in a column, up to the largest number: beyond it one database would fail, and the
// other one go on with fractions. Reads take that number for what it is, the end.
func Sum(table, column string) string {
	const most = "9223372036854775807"
	return fmt.Sprintf("%[2]s = CASE WHEN %[1]s.%[2]s > %[3]s - CASE WHEN excluded.%[2]s > 0 THEN excluded.%[2]s ELSE 0 END THEN %[3]s "+
		"ELSE %[1]s.%[2]s + excluded.%[2]s END", table, column, most)
}

// adder makes the statement that inserts a row or adds its columns behind the key to the row that is there.
func adder(name string, columns []Column, keys int) *Stmt {
	sums := list(columns[keys:], ", ", func(_ int, c Column) string { return Sum(name, c.Name) })
	return &Stmt{
		SQL: "INSERT INTO " + name + " (" + names(columns) + ") VALUES (" + list(columns, ", ", placeholder) +
			") ON CONFLICT (" + names(columns[:keys]) + ") DO UPDATE SET " + sums,
		Bulk: &Bulk{Op: OpAdd, Table: name, Columns: columns, Keys: keys},
	}
}
