package sqlstore

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"github.com/rentroll/rentroll"
)

// How Go values stand in columns: a zero time is 0 where the column is never NULL, and NULL where it may be; empty
// strings and zero ids that mean "none" are NULL.

func bindTime(a Args, t time.Time) {
	if t.IsZero() {
		a.Int(0)
		return
	}
	a.Int(t.UnixMicro())
}

func scanTime(r Row) time.Time {
	v := r.Int()
	if v == 0 {
		return time.Time{}
	}
	return time.UnixMicro(v).UTC()
}

func bindNullTime(a Args, t *time.Time) {
	if t == nil {
		a.Null()
		return
	}
	a.Int(t.UnixMicro())
}

func scanNullTime(r Row) *time.Time {
	if r.Null() {
		r.Int()
		return nil
	}
	t := time.UnixMicro(r.Int()).UTC()
	return &t
}

func bindNullText[S ~string](a Args, s S) {
	if s == "" {
		a.Null()
		return
	}
	a.Text(string(s))
}

func bindNullID[I ~[16]byte](a Args, id I) {
	if id == (I{}) {
		a.Null()
		return
	}
	a.ID(id)
}

func bindNullInt(a Args, v *int64) {
	if v == nil {
		a.Null()
		return
	}
	a.Int(*v)
}

func scanNullInt(r Row) *int64 {
	if r.Null() {
		r.Int()
		return nil
	}
	v := r.Int()
	return &v
}

func bindBool(a Args, v bool) {
	if v {
		a.Int(1)
		return
	}
	a.Int(0)
}

func scanBool(r Row) bool { return r.Int() != 0 }

func bindNullBool(a Args, v *bool) {
	if v == nil {
		a.Null()
		return
	}
	bindBool(a, *v)
}

func scanNullBool(r Row) *bool {
	if r.Null() {
		r.Int()
		return nil
	}
	v := scanBool(r)
	return &v
}

func bindHash(a Args, h [32]byte) { a.Bytes(h[:]) }

func bindNullHash(a Args, h [32]byte) {
	if h == [32]byte{} {
		a.Null()
		return
	}
	a.Bytes(h[:])
}

func scanHash(r Row) (h [32]byte) {
	copy(h[:], r.Bytes())
	return h
}

// bindJSON writes raw JSON as text; none is NULL.
func bindJSON(a Args, v json.RawMessage) { bindNullText(a, string(v)) }

func scanJSON(r Row) json.RawMessage {
	if s := r.Text(); s != "" {
		return json.RawMessage(s)
	}
	return nil
}

// bindValue writes a value as JSON text.
func bindValue(a Args, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		panic("sqlstore: a value has no JSON form: " + err.Error())
	}
	a.Text(string(data))
}

// bindNullList writes a list as JSON text; none is NULL, an empty one is not.
func bindNullList(a Args, v []string) {
	if v == nil {
		a.Null()
		return
	}
	bindValue(a, v)
}

// bindNullMap writes a map as JSON text; an empty one is NULL.
func bindNullMap(a Args, v map[string]string) {
	if len(v) == 0 {
		a.Null()
		return
	}
	bindValue(a, v)
}

// scanValue reads JSON text that bindValue wrote.
func scanValue(r Row, v any) error {
	s := r.Text()
	if s == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(s), v); err != nil {
		return fmt.Errorf("sqlstore: reading a stored value: %w", err)
	}
	return nil
}

// bindMarks writes marks two bytes each; none at all are NULL.
func bindMarks(a Args, m rentroll.Marks) {
	if m == (rentroll.Marks{}) {
		a.Null()
		return
	}
	var raw [2 * len(m)]byte
	for i, v := range m {
		binary.BigEndian.PutUint16(raw[2*i:], v)
	}
	a.Bytes(raw[:])
}

func scanMarks(r Row) (m rentroll.Marks) {
	raw := r.Bytes()
	for i := range m {
		if len(raw) >= 2*i+2 {
			m[i] = binary.BigEndian.Uint16(raw[2*i:])
		}
	}
	return m
}
