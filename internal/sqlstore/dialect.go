package sqlstore

import (
	"context"

	"github.com/rentroll/rentroll"
)

// Dialect is one SQL database. Its errors are *rentroll.StoreError, or the context's.
type Dialect interface {
	Traits() rentroll.Traits

	// Write opens a session in a write transaction, Read one in a snapshot. Both may wait for a connection.
	Write(ctx context.Context) (Session, error)
	Read(ctx context.Context) (Session, error)

	// Ask reads in a snapshot of its own: in one round trip, where there are any.
	Ask(ctx context.Context, requests ...*Request) error

	// Remote says that the database is behind a wire and others write to it too: the outcome of a commit may be lost on
	// its way, so that each must leave its id, and rows may be locked by others.
	Remote() bool

	// Clock is the expression by which the database tells its time, in microseconds since 1970.
	Clock() string

	// About reads the database's version, for people, and how many bytes it holds.
	About() *Stmt

	// Stamps are two expressions about the order of write transactions. The first is the number of the present one. The
	// second, in a snapshot, is a number that no transaction which the snapshot does not see is below.
	Stamps() (own, horizon string)

	Close() error
}

// Session is a transaction. After an error only Rollback may follow. Not safe for concurrent use.
type Session interface {
	// Run carries out the requests in order, as if one after the other; in as few round trips as it can.
	Run(ctx context.Context, requests ...*Request) error
	Commit(ctx context.Context) error
	// Rollback ends the session without effect; after Commit it does nothing.
	Rollback()
}

// Request is one statement to be run once for each of Rows sets of arguments.
type Request struct {
	Stmt *Stmt
	Rows int                    // how often; 0 runs nothing
	Bind func(i int, args Args) // gives the arguments of the i-th run, in the order of the placeholders
	Scan func(row Row) error    // takes a row of the result; nil where there is none

	// Lock asks for the rows that are read to be locked against other transactions.
	Lock Lock
}

// Lock says how rows that are read are locked.
type Lock uint8

// The ways of locking.
const (
	LockNone Lock = iota
	LockWait      // wait for those who hold a row
	LockSkip      // leave out the rows that others hold
)

// Stmt is a statement, made once when the program starts. SQL is its text for one row, with the placeholders $1, $2 …
// For the operations on many rows of a table, Bulk says what the text means, so that a dialect can do them at once.
type Stmt struct {
	SQL  string
	Bulk *Bulk
}

// Bulk describes an operation on many rows of one table.
type Bulk struct {
	Op      Op
	Table   string
	Columns []Column // the arguments of a row, in order; the key first
	Keys    int      // how many columns are the key
	Select  string   // of OpSelect: the statement up to where the keys come in
}

// Op is an operation on many rows.
type Op uint8

// The operations.
const (
	OpInsert Op = iota // the row must not be there
	OpUpdate           // sets all columns of the row with this key
	OpDelete           // by key
	OpSelect           // by key
	OpFirst            // selects for each key the first row, in the order of the key's last column, whose index serves it
	OpAdd              // inserts the row or adds the columns behind the key to what is there
	OpKeep             // inserts the row unless it is there
	OpMax              // inserts the row or raises the columns behind the key to the larger value
)

// Column is a column of a table.
type Column struct {
	Name string
	Kind Kind
}

// Kind is the type of a column.
type Kind uint8

// The types of columns.
const (
	Int   Kind = iota // BIGINT
	Text              // TEXT
	Bytes             // BYTEA
	ID                // UUID, 16 bytes
)

// Args takes the arguments of a statement, one call each, in order.
type Args interface {
	Int(v int64)
	Text(v string)
	Bytes(v []byte) // kept only until the call returns
	ID(v [16]byte)
	Null()
}

// Row gives the columns of a result, one call each, in order. Every method but Null answers a NULL with a zero value.
type Row interface {
	Int() int64
	Text() string
	Bytes() []byte // a copy
	ID() [16]byte
	Null() bool // whether the next column is NULL; does not move on
}
