package storetest

import (
	"reflect"
	"slices"

	"github.com/rentroll/rentroll"
)

// noun says how rows of one kind are made and found. Its tests are the same for every kind of row that a Rowset holds.
type noun[K comparable, R any] struct {
	rows rowsOf[K, R]
	key  func(r *R) K
	full func(s *scene) *R // a new row in which every field is set
	bare func(s *scene) *R // a new row in which everything is absent that may be
	edit func(r *R)        // makes it differ from the row that was put, but not in its key

	// elsewhere names the fields that are not kept with the row: they are derived, or have rows of their own.
	elsewhere []string
}

func (n noun[K, R]) tests() []test {
	return []test{
		{"Absent", n.absent},
		{"Complete", n.complete},
		{"Full", func(s *scene) { n.roundTrip(s, n.full(s)) }},
		{"Bare", func(s *scene) { n.roundTrip(s, n.bare(s)) }},
		{"Update", n.update},
		{"UpdateToBare", n.updateToBare},
		{"Delete", n.remove},
		{"DeleteAndPut", n.deleteAndPut},
		{"PutTwiceInOneBatch", n.putTwice},
		{"PutAndDelete", n.putAndDelete},
		{"InsertWhatIsThere", n.conflict},
		{"Neighbors", n.neighbors},
	}
}

func (n noun[K, R]) put(s *scene, rows ...*R) {
	s.Helper()
	s.put(func(b *rentroll.Batch) {
		for _, r := range rows {
			n.rows(b).Put(n.key(r), r)
		}
	})
}

// is checks that a row is in the store as it was put.
func (n noun[K, R]) is(s *scene, want *R) {
	s.Helper()
	got := get(s, n.rows, n.key(want))
	if got == nil {
		s.Fatal("the row is not there")
	}
	same(s, "the row", got, want, n.elsewhere...)
}

func (n noun[K, R]) isGone(s *scene, k K) {
	s.Helper()
	if got := get(s, n.rows, k); got != nil {
		s.Fatalf("the row is there: %+v", got)
	}
}

func (n noun[K, R]) absent(s *scene) { n.isGone(s, n.key(n.full(s))) }

func (n noun[K, R]) complete(s *scene) { complete(s, *n.full(s), n.elsewhere...) }

// complete checks the suite itself: whoever adds a field to a noun sets it in the suite's full row, and so asks every
// store for it.
func complete[R any](s *scene, full R, elsewhere ...string) {
	s.Helper()
	row := reflect.ValueOf(full)
	for i := range row.NumField() {
		field := row.Type().Field(i)
		if field.IsExported() && row.Field(i).IsZero() && !slices.Contains(elsewhere, field.Name) {
			s.Errorf("the suite's full %s does not set %s, so that no test would miss it", row.Type(), field.Name)
		}
	}
}

func (n noun[K, R]) roundTrip(s *scene, row *R) {
	n.put(s, row)
	n.is(s, row)
	tx, b := s.claim() // a transaction reads it like a snapshot does
	n.rows(b).Want(n.key(row))
	s.must(tx.Load(s.Context(), b))
	same(s, "the row in a transaction", n.rows(b).Get(n.key(row)), row, n.elsewhere...)
}

func (n noun[K, R]) update(s *scene) {
	row := n.full(s)
	n.put(s, row)
	next := *row
	n.edit(&next)
	n.replace(s, &next)
	n.is(s, &next)
}

// updateToBare takes away what may be absent, and puts it back.
func (n noun[K, R]) updateToBare(s *scene) {
	row := n.full(s)
	n.put(s, row)
	bare := *n.bare(s)
	n.rename(&bare, row)
	n.replace(s, &bare)
	n.is(s, &bare)
	n.replace(s, row)
	n.is(s, row)
}

// rename gives a row the key of another: the first fields that are part of it.
func (n noun[K, R]) rename(row, as *R) {
	to, from := reflect.ValueOf(row).Elem(), reflect.ValueOf(as).Elem()
	for i := 0; n.key(row) != n.key(as); i++ {
		to.Field(i).Set(from.Field(i))
	}
}

func (n noun[K, R]) replace(s *scene, row *R) {
	s.Helper()
	s.change(
		func(b *rentroll.Batch) { n.rows(b).Want(n.key(row)) },
		func(b *rentroll.Batch) { n.rows(b).Put(n.key(row), row) },
	)
}

func (n noun[K, R]) remove(s *scene) {
	row, other := n.full(s), n.full(s)
	n.put(s, row, other)
	s.change(
		func(b *rentroll.Batch) { n.rows(b).Want(n.key(row)) },
		func(b *rentroll.Batch) { n.rows(b).Delete(n.key(row)) },
	)
	n.isGone(s, n.key(row))
	n.is(s, other)
	n.put(s, row) // its key is free again
	n.is(s, row)
}

func (n noun[K, R]) deleteAndPut(s *scene) {
	row := n.full(s)
	n.put(s, row)
	next := *row
	n.edit(&next)
	s.change(
		func(b *rentroll.Batch) { n.rows(b).Want(n.key(row)) },
		func(b *rentroll.Batch) {
			n.rows(b).Delete(n.key(row))
			n.rows(b).Put(n.key(row), &next)
		},
	)
	n.is(s, &next)
}

func (n noun[K, R]) putTwice(s *scene) {
	row := n.full(s)
	next := *row
	n.edit(&next)
	n.put(s, row, &next)
	n.is(s, &next)
}

func (n noun[K, R]) putAndDelete(s *scene) {
	row := n.full(s)
	s.put(func(b *rentroll.Batch) {
		n.rows(b).Put(n.key(row), row)
		n.rows(b).Delete(n.key(row))
	})
	n.isGone(s, n.key(row))
}

func (n noun[K, R]) conflict(s *scene) {
	row, fresh := n.full(s), n.full(s)
	n.put(s, row)
	next := *row
	n.edit(&next)
	s.refuse(func(b *rentroll.Batch) {
		n.rows(b).Put(n.key(fresh), fresh)
		n.rows(b).Put(n.key(row), &next) // not loaded, and so taken for new
	})
	n.is(s, row)
	n.isGone(s, n.key(fresh))
}

// neighbors checks that a key finds its own row, among others in one batch.
func (n noun[K, R]) neighbors(s *scene) {
	var rows []*R
	for range 7 {
		rows = append(rows, n.full(s), n.bare(s))
	}
	n.put(s, rows...)
	b := s.load(func(b *rentroll.Batch) {
		for _, r := range rows {
			n.rows(b).Want(n.key(r))
		}
	})
	for _, r := range rows {
		same(s, "a row among others", n.rows(b).Get(n.key(r)), r, n.elsewhere...)
	}
}

// element returns what v points to, or v itself: options of comparisons want a struct.
func element(v any) any {
	t := reflect.TypeOf(v)
	if t.Kind() == reflect.Pointer {
		return reflect.Zero(t.Elem()).Interface()
	}
	return v
}
