package sqlstore

// Exposed is a table as tests see it: with rows of any type.
type Exposed struct {
	Name    string
	Columns []Column
	Keys    int
	New     func() any            // a new zero row
	Bind    func(row any) []Value // what is bound of a row, in order
}

// Value is an argument of a statement.
type Value struct {
	Kind Kind
	Null bool
	V    any
}

// Tables returns all tables whose rows are nouns.
func Tables() []Exposed {
	return []Exposed{
		expose(accounts), expose(profiles), expose(plans), expose(directory), expose(users), expose(members), expose(keys),
		expose(keyUses), expose(operatorKeys), expose(runs), expose(payloads), expose(workers), expose(meters), expose(prices), expose(values), expose(usage),
		expose(marks), expose(periods), expose(once), expose(audit), expose(denials), expose(events), expose(checkpoints), expose(chores), expose(sessions),
	}
}

func expose[K comparable, R any](t *table[K, R]) Exposed {
	return Exposed{
		Name: t.name, Columns: t.columns, Keys: t.keys,
		New: func() any { return new(R) },
		Bind: func(row any) []Value {
			var out recorder
			t.bind(&out, row.(*R))
			return out
		},
	}
}

// recorder is Args that remember.
type recorder []Value

func (r *recorder) Int(v int64)    { *r = append(*r, Value{Kind: Int, V: v}) }
func (r *recorder) Text(v string)  { *r = append(*r, Value{Kind: Text, V: v}) }
func (r *recorder) Bytes(v []byte) { *r = append(*r, Value{Kind: Bytes, V: string(v)}) }
func (r *recorder) ID(v [16]byte)  { *r = append(*r, Value{Kind: ID, V: v}) }
func (r *recorder) Null()          { *r = append(*r, Value{Null: true}) }
