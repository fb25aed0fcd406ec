package postgres

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/rentroll/rentroll/internal/sqlstore"
)

// Statements go out through the protocol's pipeline and not through pgx's batches: what has not been prepared yet is
// prepared on its way, without a round trip; arrays of thousands of values are written as the bytes that they are; and
// behind a pooler, where nothing may be prepared, nothing has to be described before either, since all types are said.
// The formats are those of PostgreSQL's documentation, "Frontend/Backend Protocol", and of its array_send.

// types are how a kind of column is called in SQL, as a value and as an array.
var types = [...]struct {
	name       string
	oid, array uint32
}{
	sqlstore.Int:   {"bigint", pgtype.Int8OID, pgtype.Int8ArrayOID},
	sqlstore.Text:  {"text", pgtype.TextOID, pgtype.TextArrayOID},
	sqlstore.Bytes: {"bytea", pgtype.ByteaOID, pgtype.ByteaArrayOID},
	sqlstore.ID:    {"uuid", pgtype.UUIDOID, pgtype.UUIDArrayOID},
}

// binaryFormat says of all parameters, or all columns, that they are in binary.
var binaryFormat = []int16{pgtype.BinaryFormatCode}

// statement is a text with the types of its parameters, as it is prepared.
type statement struct {
	text  string
	types string // the oids, four bytes each
}

func (s statement) oids() []uint32 {
	out := make([]uint32, len(s.types)/4)
	for i := range out {
		out[i] = binary.BigEndian.Uint32([]byte(s.types[4*i:]))
	}
	return out
}

// prepared names the statements that a connection has prepared. A name is never used again.
type prepared struct {
	names map[statement]string
	made  int

	uses, next int // transactions so far, and how many when plans are made anew
}

// The plans of a connection are made anew after so many transactions, then after twice as many, and so on, at the latest
// after so many more: a plan that was made when a table had two rows may walk all of it, whatever else is forbidden.
const (
	firstPlans = 50
	mostPlans  = 5000
)

// outdated reports whether plans are to be made anew.
func (p *prepared) outdated() bool {
	p.uses++
	if p.uses < p.next {
		return false
	}
	p.next += min(p.next, mostPlans)
	return true
}

// preparedOn returns what a connection has prepared.
func preparedOn(conn *pgconn.PgConn) *prepared {
	const key = "rentroll"
	known, made := conn.CustomData()[key].(*prepared)
	if !made {
		known = &prepared{names: make(map[statement]string), next: firstPlans}
		conn.CustomData()[key] = known
	}
	return known
}

// encoder takes the arguments of a statement, one call each: those of one row, or of many rows an array a column. Its
// memory is used again for the next statement.
type encoder struct {
	columns []column
	next    int
	arrays  bool

	types  []byte
	values [][]byte
}

// column is the value, or the array, of a parameter.
type column struct {
	data  []byte
	oid   uint32
	count int // how many values
	nulls int // how many of them are NULL
}

// begin starts a statement.
func (e *encoder) begin(arrays bool) {
	for i := range e.columns {
		e.columns[i] = column{data: e.columns[i].data[:0]}
	}
	e.next, e.arrays = 0, arrays
}

// typesOf says the types of the columns before their values come.
func (e *encoder) typesOf(columns []sqlstore.Column) {
	for i, c := range columns {
		e.grow(i)
		e.columns[i].oid = types[c.Kind].oid
	}
}

// columnsOf starts an array for each column of a bulk operation.
func (e *encoder) columnsOf(columns []sqlstore.Column) {
	e.begin(true)
	e.typesOf(columns)
	for i := range columns {
		e.columns[i].data = append(e.columns[i].data, emptyHeader[:]...)
	}
}

func (e *encoder) grow(i int) {
	if i == len(e.columns) {
		e.columns = append(e.columns, column{})
	}
}

// column returns the place of the next argument, which has this type.
func (e *encoder) column(kind sqlstore.Kind, size int) *column {
	e.grow(e.next)
	c := &e.columns[e.next]
	e.next++
	c.count++
	if !e.arrays {
		c.oid = types[kind].oid
		return c
	}
	c.data = binary.BigEndian.AppendUint32(c.data, uint32(size))
	return c
}

// Int takes a number.
func (e *encoder) Int(n int64) {
	c := e.column(sqlstore.Int, 8)
	c.data = binary.BigEndian.AppendUint64(c.data, uint64(n))
}

// Text takes text.
func (e *encoder) Text(s string) {
	c := e.column(sqlstore.Text, len(s))
	c.data = append(c.data, s...)
}

// Bytes takes bytes.
func (e *encoder) Bytes(b []byte) {
	c := e.column(sqlstore.Bytes, len(b))
	c.data = append(c.data, b...)
}

// ID takes an id.
func (e *encoder) ID(id [16]byte) {
	c := e.column(sqlstore.ID, 16)
	c.data = append(c.data, id[:]...)
}

// Null takes NULL.
func (e *encoder) Null() {
	e.grow(e.next)
	c := &e.columns[e.next]
	e.next++
	c.count++
	c.nulls++
	if e.arrays {
		c.data = append(c.data, 0xff, 0xff, 0xff, 0xff)
	}
}

// arrayHeader is how many bytes come before an array's values: dimensions, whether there are NULLs, the type of the
// values, and the length and lower bound of the one dimension.
const arrayHeader = 20

var emptyHeader [arrayHeader]byte

// empty returns which columns hold nothing but NULLs.
func (e *encoder) empty() (m mask) {
	for i := range e.columns {
		if c := &e.columns[i]; c.nulls > 0 && c.nulls == c.count {
			m |= 1 << i
		}
	}
	return m
}

// mask is a set of columns.
type mask uint64

func (m mask) has(i int) bool { return m>>i&1 == 1 }

// arguments returns the parameters and their types, but for those of columns that the statement omits.
func (e *encoder) arguments(n int, omitted mask) (values [][]byte, oids string) {
	e.values, e.types = e.values[:0], e.types[:0]
	for i := range e.columns[:n] {
		c := &e.columns[i]
		oid := c.oid
		switch {
		case omitted.has(i):
			continue
		case e.arrays:
			c.finish()
			oid = arrayOf(oid)
		case c.nulls > 0:
			e.values = append(e.values, nil)
			e.types = binary.BigEndian.AppendUint32(e.types, oid) // 0 where only the server knows
			continue
		case c.data == nil:
			c.data = []byte{} // nil would be NULL
		}
		e.values = append(e.values, c.data)
		e.types = binary.BigEndian.AppendUint32(e.types, oid)
	}
	return e.values, string(e.types)
}

func arrayOf(oid uint32) uint32 {
	for _, t := range types {
		if t.oid == oid {
			return t.array
		}
	}
	return 0
}

// finish writes the header of an array.
func (c *column) finish() {
	h := c.data[:arrayHeader]
	nulls := uint32(0)
	if c.nulls > 0 {
		nulls = 1
	}
	for i, v := range []uint32{1, nulls, c.oid, uint32(c.count), 1} {
		binary.BigEndian.PutUint32(h[4*i:], v)
	}
}

// sender puts the statements of requests into a pipeline.
type sender struct {
	pipeline *pgconn.Pipeline
	prepared *prepared // nil where nothing may be prepared
	encoder  *encoder
	expected []expected
}

// expected is an answer that the server owes, in the order of the statements.
type expected struct {
	request *sqlstore.Request // nil for a statement of the session itself
	prepare statement         // of the answer to a Parse; else its text is ""
}

// plain sends a statement without arguments.
func (s *sender) plain(text string) {
	s.pipeline.SendQueryParams(text, nil, nil, nil, nil)
	s.expected = append(s.expected, expected{})
}

// request sends the statements of a request: one over arrays, or one a row.
func (s *sender) request(r *sqlstore.Request) {
	if r.Rows == 0 {
		return
	}
	if b := r.Stmt.Bulk; b != nil && r.Rows > fewRows {
		columns := argumentsOf(b)
		s.encoder.columnsOf(columns)
		for i := range r.Rows {
			s.encoder.next = 0
			r.Bind(i, s.encoder)
		}
		var omitted mask
		if b.Op == sqlstore.OpInsert { // of a run's columns half are written when it ends
			omitted = s.encoder.empty()
		}
		s.send(r, bulkSQL(r.Stmt, r.Lock, omitted), len(columns), omitted)
		return
	}
	for i := range r.Rows {
		s.encoder.begin(false)
		if r.Stmt.Bulk != nil { // the type of a NULL is known: a statement has one form
			s.encoder.typesOf(argumentsOf(r.Stmt.Bulk))
		}
		r.Bind(i, s.encoder)
		s.send(r, rowSQL(r.Stmt, r.Lock), s.encoder.next, 0)
	}
}

// fewRows is up to how many rows a statement a row is faster than one over arrays.
const fewRows = 1

// send sends a statement with the arguments that the encoder holds, prepared if that may be.
func (s *sender) send(r *sqlstore.Request, text string, arguments int, omitted mask) {
	values, oids := s.encoder.arguments(arguments, omitted)
	st := statement{text, oids}
	if s.prepared == nil {
		s.pipeline.SendQueryParams(text, values, st.oids(), binaryFormat, binaryFormat)
		s.expected = append(s.expected, expected{request: r})
		return
	}
	name, known := s.prepared.names[st]
	if !known {
		s.prepared.made++
		name = fmt.Sprintf("rentroll_%d", s.prepared.made)
		s.prepared.names[st] = name
		s.pipeline.SendPrepare(name, text, st.oids())
		s.expected = append(s.expected, expected{prepare: st})
	}
	s.pipeline.SendQueryPrepared(name, values, binaryFormat, binaryFormat)
	s.expected = append(s.expected, expected{request: r})
}

// forget takes back what was to be prepared by the statements from the i-th on: the server has skipped them.
func (s *sender) forget(i int) {
	for _, e := range s.expected[i:] {
		if e.prepare.text != "" {
			delete(s.prepared.names, e.prepare)
		}
	}
}

// argumentsOf returns the columns of which a row's arguments are given.
func argumentsOf(b *sqlstore.Bulk) []sqlstore.Column {
	if b.Op == sqlstore.OpSelect || b.Op == sqlstore.OpFirst || b.Op == sqlstore.OpDelete {
		return b.Columns[:b.Keys]
	}
	return b.Columns
}

// quoted writes text as a constant of SQL.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
