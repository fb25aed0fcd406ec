package rentroll

import (
	"fmt"
	"strings"
)

// The bounds of a page.
const (
	DefaultPageSize = 20
	MaxPageSize     = 200
)

// Page asks for a part of a list. Following NextCursor visits every row that is there throughout exactly once, at the
// same cost for each page.
type Page struct {
	Limit  int    // rows a page, 1–MaxPageSize; 0 is DefaultPageSize
	Cursor string // NextCursor of the page before; "" for the first page
}

// List is one page of rows.
type List[T any] struct {
	Items      []T        `json:"items"`
	NextCursor NullString `json:"next_cursor"` // null on the last page
}

// cursorScope names a list with its filters; a cursor is good for the list that made it only.
func cursorScope(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		fmt.Fprintf(&b, "%d:%s", len(p), p)
	}
	return b.String()
}

// pageSize returns how many rows a page has.
func pageSize(p Page, bad *problems) int {
	bad.between("limit", int64(p.Limit), 0, MaxPageSize)
	if p.Limit == 0 {
		return DefaultPageSize
	}
	return p.Limit
}

// pageOf returns how many rows to read, one more than asked for, and the id after which to go on.
func pageOf[I ~[16]byte](p Page, scope string, bad *problems) (limit int, after I) {
	limit = pageSize(p, bad)
	if p.Cursor != "" {
		position, ok := decodeCursor(scope, p.Cursor)
		if !ok || len(position) != len(after) {
			bad.add("cursor", "is not a cursor of this list")
			return limit + 1, after
		}
		after = I([16]byte(position))
	}
	return limit + 1, after
}

// trim cuts the row that was read to see whether there is a next page, and sets the cursor if there is.
func trim[T, R any, I ~[16]byte](out *List[T], rows []R, limit int, scope string, id func(R) I) []R {
	if len(rows) < limit {
		return rows
	}
	rows = rows[:limit-1]
	last := [16]byte(id(rows[len(rows)-1]))
	out.NextCursor = NullString(encodeCursor(scope, last[:]))
	return rows
}
