package postgres

import (
	"fmt"
	"strings"
	"sync"

	"github.com/rentroll/rentroll/internal/sqlstore"
)

// texts keeps the bulk forms of each statement.
var texts = struct {
	sync.RWMutex

	of map[textKey]string
}{of: make(map[textKey]string)}

type textKey struct {
	stmt    *sqlstore.Stmt
	lock    sqlstore.Lock
	omitted mask
}

// bulkSQL is the form for many rows, without the columns that are omitted because they are NULL in all of them.
func bulkSQL(s *sqlstore.Stmt, lock sqlstore.Lock, omitted mask) string {
	key := textKey{s, lock, omitted}
	texts.RLock()
	text, known := texts.of[key]
	texts.RUnlock()
	if known {
		return text
	}
	text = bulkText(s.Bulk, lock, omitted)
	texts.Lock()
	defer texts.Unlock()
	texts.of[key] = text
	return text
}

// rowSQL is the form for one row.
func rowSQL(s *sqlstore.Stmt, lock sqlstore.Lock) string {
	if lock == sqlstore.LockNone {
		return s.SQL
	}
	return s.SQL + locking(s.Bulk, lock)
}

// bulkText writes an operation on many rows as one statement over an array a column.
func bulkText(b *sqlstore.Bulk, lock sqlstore.Lock, omitted mask) string {
	var names, given []string
	for i, c := range argumentsOf(b) {
		if !omitted.has(i) {
			names = append(names, c.Name)
			given = append(given, fmt.Sprintf("$%d::%s[]", len(given)+1, types[c.Kind].name))
		}
	}
	list := strings.Join(names, ", ")
	from := "unnest(" + strings.Join(given, ", ") + ") AS given(" + list + ")"
	// The first column is compared by something that is no equality to the planner: else it could begin with the table,
	// where it believes that to have a row or two, and walk all of it when it has grown.
	matches := func(i int) string {
		if i == 0 {
			return fmt.Sprintf("%s.%s = ANY (ARRAY[given.%s])", b.Table, names[0], names[0])
		}
		return fmt.Sprintf("%s.%s = given.%s", b.Table, names[i], names[i])
	}
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
		sums := join(b.Keys, len(names), ", ", func(i int) string { return sqlstore.Sum(b.Table, names[i]) })
		return "INSERT INTO " + b.Table + " (" + list + ") SELECT " + list + " FROM " + from +
			" ON CONFLICT (" + strings.Join(names[:b.Keys], ", ") + ") DO UPDATE SET " + sums
	case sqlstore.OpKeep:
		return "INSERT INTO " + b.Table + " (" + list + ") SELECT " + list + " FROM " + from + " ON CONFLICT DO NOTHING"
	case sqlstore.OpMax:
		raised := join(b.Keys, len(names), ", ", func(i int) string { return sqlstore.Larger(b.Table, names[i]) })
		return "INSERT INTO " + b.Table + " (" + list + ") SELECT " + list + " FROM " + from +
			" ON CONFLICT (" + strings.Join(names[:b.Keys], ", ") + ") DO UPDATE SET " + raised
	case sqlstore.OpFirst:
		last := names[b.Keys-1]
		given := "given." + last
		//nolint:unqueryvet // its columns are those of the statement inside
		return "SELECT first.* FROM " + from + " CROSS JOIN LATERAL (" + b.Select + " WHERE " + join(0, b.Keys-1, " AND ", func(i int) string {
			return fmt.Sprintf("%s.%s = given.%s", b.Table, names[i], names[i])
		}) + fmt.Sprintf(" AND %[1]s.%[2]s >= %[3]s AND %[1]s.%[2]s <= %[3]s ORDER BY %[1]s.%[2]s LIMIT 1) AS first", b.Table, last, given)
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
