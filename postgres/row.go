package postgres

import (
	"encoding/binary"
	"fmt"
)

// row reads the columns of a result from the bytes that came, all of them in binary.
type row struct {
	raw  [][]byte
	next int
	err  error
}

func (r *row) begin(raw [][]byte) { r.raw, r.next = raw, 0 }

func (r *row) take() []byte {
	r.next++
	return r.raw[r.next-1]
}

// Null reports whether the next column is NULL.
func (r *row) Null() bool { return r.raw[r.next] == nil }

// Int returns a number.
func (r *row) Int() int64 {
	switch raw := r.take(); len(raw) {
	case 0:
		return 0
	case 8:
		return int64(binary.BigEndian.Uint64(raw))
	case 4:
		return int64(int32(binary.BigEndian.Uint32(raw)))
	default:
		r.fail(fmt.Errorf("a number of %d bytes", len(raw)))
		return 0
	}
}

// Text returns text.
func (r *row) Text() string { return string(r.take()) }

// Bytes returns a copy of bytes.
func (r *row) Bytes() []byte { return append([]byte(nil), r.take()...) }

// ID returns an id.
func (r *row) ID() (id [16]byte) {
	raw := r.take()
	if len(raw) != len(id) && raw != nil {
		r.fail(fmt.Errorf("an id of %d bytes", len(raw)))
	}
	copy(id[:], raw)
	return id
}

func (r *row) fail(err error) {
	if r.err == nil {
		r.err = fmt.Errorf("postgres: reading a row: %w", err)
	}
}
