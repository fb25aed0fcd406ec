package postgres

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// row reads the columns of a result from the bytes that came, without going through an interface a column. Both of the
// protocol's formats are understood: which of them a column has depends on how the statement was sent.
type row struct {
	fields []pgconn.FieldDescription
	raw    [][]byte
	next   int
	err    error
}

func (r *row) begin(rows pgx.Rows) {
	r.fields, r.raw, r.next = rows.FieldDescriptions(), rows.RawValues(), 0
}

func (r *row) take() (raw []byte, isText bool) {
	i := r.next
	r.next++
	return r.raw[i], r.fields[i].Format == pgtype.TextFormatCode
}

// Null reports whether the next column is NULL.
func (r *row) Null() bool { return r.raw[r.next] == nil }

// Int returns a number.
func (r *row) Int() int64 {
	raw, isText := r.take()
	switch {
	case raw == nil:
		return 0
	case isText:
		n, err := strconv.ParseInt(string(raw), 10, 64)
		r.fail(err)
		return n
	case len(raw) == 8:
		return int64(binary.BigEndian.Uint64(raw))
	case len(raw) == 4:
		return int64(int32(binary.BigEndian.Uint32(raw)))
	default:
		r.fail(fmt.Errorf("a number of %d bytes", len(raw)))
		return 0
	}
}

// Text returns text.
func (r *row) Text() string {
	raw, _ := r.take()
	return string(raw)
}

// Bytes returns a copy of bytes.
func (r *row) Bytes() []byte {
	raw, isText := r.take()
	if !isText || raw == nil {
		return append([]byte(nil), raw...)
	}
	if len(raw) < 2 {
		r.fail(errors.New("bytes without their prefix"))
		return nil
	}
	out, err := hex.DecodeString(string(raw[2:])) // \x…
	r.fail(err)
	return out
}

// ID returns an id.
func (r *row) ID() (id [16]byte) {
	raw, isText := r.take()
	if !isText || raw == nil {
		copy(id[:], raw)
		return id
	}
	var u pgtype.UUID
	r.fail(u.Scan(string(raw)))
	return u.Bytes
}

func (r *row) fail(err error) {
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("postgres: reading a row: %w", err)
	}
}
