package rentroll

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// Store keeps the rows. It knows no rule: it claims and loads what it is told to, writes what it is given, and reads
// lists. The suite in storetest says what that means in full; a store is what passes it. Safe for concurrent use.
//
// Times are kept to the microsecond, what is finer is cut, and they come back in UTC. They lie after the beginning of
// 1970 and before the year 10000; a zero time is none and comes back as such. Text is valid UTF-8 without NUL. It is
// compared and ordered by its bytes everywhere: texts that differ are different keys, whatever their case, accents or
// spaces. Empty maps and lists may come back as nil, but what is absent never comes back as an empty list. JSON comes
// back byte for byte.
//
// Errors are *StoreError, whose Class tells the engine what to do; a canceled context may also come back as itself.
type Store interface {
	Traits() Traits

	// Begin opens a write transaction. Its context bounds the whole transaction up to Commit, and all methods of it are
	// to be given that context. Begin may wait for others' transactions; it stops waiting when the context ends.
	Begin(ctx context.Context) (Tx, error)

	// View calls read with one snapshot of the store: all that read sees was true at the same instant, not before the
	// call. It holds up no transaction and waits for none, though it may wait for other snapshots to end. The error of
	// read is returned as it is.
	View(ctx context.Context, read func(Reader) error) error

	// Committed says whether the transaction that was to be committed under this id was: it first waits for the end of
	// any transaction that still holds one of the accounts. It is asked after ClassUnknown: a store that never answers
	// that may always say no.
	Committed(ctx context.Context, id BatchID, accounts []TenantID) (bool, error)

	// Announce says that a server lives, and tells it of all that were announced within silence, by the store's clock. Of
	// what old transactions have left, Announce removes what nobody needs any more.
	Announce(ctx context.Context, server Server, silence time.Duration) (Cluster, error)

	// Describe says what the store is, and which servers were announced within silence, by the store's clock. Its Servers
	// are in no particular order.
	Describe(ctx context.Context, silence time.Duration) (StoreDescription, error)

	// Withdraw forgets a server that stops.
	Withdraw(ctx context.Context, id ServerID) error

	// FindKeys reads API keys by their hashes with their tenants' accounts, all as they were at one instant that is not
	// before the call: for each that is asked for its key, or a zero FoundKey where there is none.
	FindKeys(ctx context.Context, asked []KeyHash) ([]FoundKey, error)

	// Invalidated lists the tenants that batches have named in Invalid: all that were committed before the call began and
	// since the call that returned this since as its next, and perhaps some again. A since of MaxInt64 asks only from where
	// to go on. A next that is below since says that the store is not the one it was: then nothing is known.
	Invalidated(ctx context.Context, since int64) (changed []Invalidation, next int64, err error)

	// WriteStatistics adds to what is counted off the path of admissions, all of it or nothing. It holds no account, and
	// never overwrites what a transaction writes, nor the other way around. After ClassUnknown the same statistics may be
	// written again: what was written under their ID counts once.
	WriteStatistics(ctx context.Context, s *Statistics) error

	// Prune deletes rows that ListOld has listed, and where mark has a time notes it, unless a later one is noted already:
	// both or none. It holds no account. Rows that are gone already are no error. Runs are not pruned by it.
	Prune(ctx context.Context, mark PrunedMark, rows []OldRow) error

	// Close waits for open transactions and snapshots; what begins meanwhile and later is ClassUnavailable. Closing
	// twice does nothing.
	Close() error
}

// Traits say what kind of store it is.
type Traits struct {
	Name   string // for logs and metrics: "sqlite", "postgres"
	Lanes  int    // how many write transactions at once are useful; at least 1
	Bulk   bool   // beside them one that writes in bulk is useful, too; else it takes turns with them
	Shared bool   // other processes write to it too, so that what is cached must be looked up again
}

// BatchID names one write transaction. It begins with the time at which it was made, like a UUIDv7 (RFC 9562).
type BatchID [16]byte

// ServerID names one start of a server.
type ServerID [16]byte

// Server is what a server tells of itself.
type Server struct {
	ID        ServerID
	Name      string // for people
	StartedAt time.Time
}

// StoreDescription is what a store tells of itself.
type StoreDescription struct {
	Version string   // of the database, for people
	Bytes   int64    // that it holds on disk, its log aside; 0 where that is not known
	Servers []Server // that live
}

// Cluster is what a store knows of the servers that share it.
type Cluster struct {
	Servers int       // how many live, the asking one included
	Rank    int       // of the asking one among them, from 0: no two have the same
	Now     time.Time // the store's clock
}

// FoundKey is an API key with its tenant's account.
type FoundKey struct {
	Key     *APIKey
	Account *Account
}

// Invalidation says that a tenant has changed. The same stamp of the same tenant is the same change.
type Invalidation struct {
	TenantID TenantID
	Stamp    int64
}

// Tx is a write transaction. Its methods are called in this order: Claim, any number of Load and Save, then Commit or
// Rollback; after an error only Rollback may follow. Not safe for concurrent use.
type Tx interface {
	// Claim locks the accounts against every other transaction and loads them into b.Accounts, in the order of their
	// ids, so that no two transactions wait for each other. Behind the locks it loads all else that b names, as Load
	// does. Where wait is false, accounts that others hold are left out
	// and returned. An account that does not exist is neither locked nor an error, and may be put. The accounts may be
	// none, in any order, and named twice.
	Claim(ctx context.Context, b *Batch, accounts []TenantID, wait bool) (busy []TenantID, err error)

	// Load reads all that b names and has not got yet, as it is at this moment, behind the locks: what this transaction
	// has saved is seen. Rows that b has got already, and those that it has changed, stay as they are.
	Load(ctx context.Context, b *Batch) error

	// Save writes all changes of b; a batch is saved once. A row that b puts and has not loaded counts as new. A row to
	// insert that is there already is ClassConflict: here or, where the store collects its writes, at the next Load or
	// Commit.
	Save(ctx context.Context, b *Batch) error

	// Purge removes at most limit rows of a tenant, at once and of whatever kind, but for those of Accounts, Profiles, Members,
	// Keys, Directory and Chores. It returns how many it removed, and whether there may be more. Rows that are counted off the
	// path of transactions go, too, and what Invalid has left once the account is gone.
	Purge(ctx context.Context, tenant TenantID, limit int) (removed int64, more bool, err error)

	// Commit makes the changes durable. When it has returned nil, no failure of the machine undoes them.
	Commit(ctx context.Context, id BatchID) error

	// Rollback ends the transaction without effect; after Commit it does nothing.
	Rollback()
}

// Reader reads one snapshot. Lists are in the order that their filter says and hold at most Limit rows, which is at
// least 1. Sums come in no particular order; a meter without rows has none.
type Reader interface {
	// Load reads all that b names, accounts included, without locks.
	Load(ctx context.Context, b *Batch) error

	LoadPayloads(ctx context.Context, run RunRef) ([]*Payload, error)           // in no particular order
	OperatorKeyByHash(ctx context.Context, hash [32]byte) (*OperatorKey, error) // nil where there is none
	HasOperatorKey(ctx context.Context) (bool, error)                           // any, revoked ones too
	ListOperatorKeys(ctx context.Context, f OperatorKeyFilter) ([]*OperatorKey, error)
	HasDirectory(ctx context.Context, kind DirectoryKind) (bool, error)                  // any entry of a kind
	UserByEmail(ctx context.Context, email string) (*User, error)                        // the oldest; nil where there is none
	CountExpiredKeys(ctx context.Context, tenant TenantID, now time.Time) (int64, error) // still marked active, and not in overlap

	ListTenants(ctx context.Context, f TenantFilter) ([]TenantRow, error)
	ListPlans(ctx context.Context) ([]*Plan, error) // by name
	ListUsers(ctx context.Context, f UserFilter) ([]*User, error)
	ListMembers(ctx context.Context, f MemberFilter) ([]*Member, error)
	ListKeys(ctx context.Context, f KeyFilter) ([]*APIKey, error)
	ListExpiringKeys(ctx context.Context, f ExpiryFilter) ([]*APIKey, error)
	SearchKeys(ctx context.Context, f KeySearch) ([]*APIKey, error)
	ListRuns(ctx context.Context, f RunFilter) (RunPage, error)
	// ListSubjects lists the rows of subjects behind one, by their bytes.
	ListSubjects(ctx context.Context, tenant TenantID, after string, limit int) ([]*Subject, error)
	WalkRuns(ctx context.Context, f RunWalk) ([]*Run, error)             // without payloads, oldest first
	ListWorkers(ctx context.Context, tenant TenantID) ([]*Worker, error) // by worker id
	ListAudit(ctx context.Context, f AuditFilter) ([]*AuditRow, error)
	// AuditAfter reads at most limit audit rows with a greater sequence, of whatever sign, oldest first.
	AuditAfter(ctx context.Context, tenant TenantID, sequence int64, limit int) ([]*AuditRow, error)

	Overseer
	Meterer
	Recounter
	Pruner
}

// Overseer reads what concerns the work of tenants as a whole: what is due, what happened, what waits.
type Overseer interface {
	// ListAccounts lists accounts behind after, by id.
	ListAccounts(ctx context.Context, after TenantID, limit int) ([]*Account, error)
	// ListOverdue lists accounts behind after, by id, whose bound of leases or of key expiries is at or before now.
	ListOverdue(ctx context.Context, now time.Time, after TenantID, limit int) ([]TenantID, error)
	CountOverdueRuns(ctx context.Context, tenant TenantID, now time.Time) (OverdueSum, error) // still open
	ListChores(ctx context.Context, after ChoreRef, limit int) ([]*Chore, error)              // by tenant and kind, behind after
	ListEvents(ctx context.Context, f EventFilter) ([]*Event, error)
	ListDenials(ctx context.Context, f DenialFilter) ([]*Denial, error)
	// SumDenials adds up the denials of the minutes that begin in [from, to), by code and quota.
	SumDenials(ctx context.Context, tenant TenantID, from, to time.Time) ([]DenialSum, error)
	// ListActivity adds up what all servers did from a minute on, a minute each, oldest first.
	ListActivity(ctx context.Context, from time.Time) ([]Activity, error)
	// ListWaiting lists tenants with runs that are queued and were made at or before an instant, by id. It looks at so many
	// open runs.
	ListWaiting(ctx context.Context, before time.Time, scan, limit int) ([]WaitingRuns, error)
}

// Meterer reads meters, and adds up usage.
type Meterer interface {
	ListMeters(ctx context.Context, tenant TenantID) ([]*Meter, error) // by name

	// ListPrices lists the prices of meters that were set before an instant, by meter and time.
	ListPrices(ctx context.Context, tenant TenantID, before time.Time) ([]*MeterPrice, error)

	// SumRollups adds up the totals of the buckets that begin in [from, to), a meter each. The range is of whole buckets,
	// here and in all that is about rollups. A total beyond what an int64 holds is the largest, or smallest, int64.
	SumRollups(ctx context.Context, tenant TenantID, from, to time.Time) ([]MeterSum, error)
	// SumPeaks finds the largest amounts of the buckets that begin in [from, to), a meter each, of meters that keep them.
	SumPeaks(ctx context.Context, tenant TenantID, from, to time.Time) ([]MeterSum, error)
	// SumUsage adds up the events whose time is in [from, to), and finds the largest amounts, a meter each.
	SumUsage(ctx context.Context, tenant TenantID, from, to time.Time) ([]MeterSum, error)

	// GroupRollups, GroupPeaks and GroupUsage do the same for one meter by the values of a dimension, for each of several
	// ranges. The same range and value may come several times, of which the parts are to be added up. Events without a value
	// in the dimension are in no group.
	GroupRollups(ctx context.Context, f GroupFilter) ([]GroupSum, error)
	GroupPeaks(ctx context.Context, f GroupFilter) ([]GroupSum, error)
	GroupUsage(ctx context.Context, f GroupFilter) ([]GroupSum, error)

	// ListUsage lists single events, by time and id.
	ListUsage(ctx context.Context, f UsageFilter) ([]*UsageEvent, error)

	// ListPeaks lists the largest amounts of the buckets of a dimension that begin in [from, to), by bucket, meter and value.
	ListPeaks(ctx context.Context, tenant TenantID, dimension string, from, to time.Time) ([]Rollup, error)
}

// TenantRow is a tenant in a list: both of its rows.
type TenantRow struct {
	Profile *Profile
	Account *Account
}

// OverdueSum is what a tenant's overdue runs hold.
type OverdueSum struct {
	Runs     int64
	Reserved int64
	Tokens   int64 // reported by heartbeats, not billed yet
}

// MeterSum is the sum of a meter.
type MeterSum struct {
	Meter string
	RollupSum
	Peak int64 // the largest amount, where that was asked for
}

// DenialSum is how many denials there were.
type DenialSum struct {
	Code    Code
	Quota   quota.Name // "" where no quota denied
	Denials int64
}

// UsageFilter lists the events of a tenant whose time is in [From, To), or of those at From only the ones with a greater id
// than After.
type UsageFilter struct {
	TenantID TenantID
	From, To time.Time
	After    UsageID // zero for all of From
	Limit    int
}

// GroupFilter asks for the sums of one meter over ranges of time, by the values of a dimension.
type GroupFilter struct {
	TenantID  TenantID
	Dimension string // "" is the total, whose value is ""
	Meter     string
	Ranges    []quota.Period
}

// GroupSum is the sum of a meter in a range, for a value of the dimension that was asked for.
type GroupSum struct {
	Range int // which of the ranges
	Value string
	RollupSum
	Peak int64
}

// The filters of the lists. Before and After exclude the row they name; a zero value begins at the list's start.
type (
	// TenantFilter lists tenants, newest first.
	TenantFilter struct {
		Status TenantStatus
		Plan   string
		Search string // lower case; part of Profile.Search
		Before TenantID
		Limit  int
	}
	// UserFilter lists users, newest first.
	UserFilter struct {
		Email  string
		Before UserID
		Limit  int
	}
	// MemberFilter lists members, oldest first.
	MemberFilter struct {
		TenantID TenantID
		After    MemberID
		Limit    int
	}
	// KeyFilter lists API keys, newest first.
	KeyFilter struct {
		TenantID TenantID
		ActiveAt time.Time // only keys that are active then; zero for all
		Before   KeyID
		Limit    int
	}
	// OperatorKeyFilter lists operator keys, newest first.
	OperatorKeyFilter struct {
		ActiveAt time.Time // only keys that are good then; zero for all
		Before   OperatorKeyID
		Limit    int
	}
	// ExpiryFilter lists the keys that are marked active and expire at Until or before, by expiry, tenant and id. A zero
	// After is in front of all.
	ExpiryFilter struct {
		TenantID TenantID // zero for all tenants
		After    KeyExpiry
		Until    time.Time
		Limit    int
	}
	// RunFilter lists runs, newest first.
	RunFilter struct {
		TenantID TenantID
		Status   RunStatus
		WorkerID string
		APIKeyID KeyID
		Before   RunID
		Limit    int
		Scan     int // how many runs may be looked at, where there is a filter
		// FewOpen says that the tenant has at most Scan open runs. A list of queued or running ones is then made of those, however
		// many others came after them.
		FewOpen bool
	}
	// RunWalk lists all runs of a tenant with a greater id than After, by id.
	RunWalk struct {
		TenantID TenantID
		After    RunID
		Limit    int
	}
	// AuditFilter lists audit rows, newest first.
	AuditFilter struct {
		TenantID TenantID
		Before   int64 // a sequence
		Limit    int
	}
	// EventFilter lists events, newest first.
	EventFilter struct {
		TenantID TenantID // zero for all tenants
		Before   EventID
		Limit    int
	}
	// DenialFilter lists denials, newest first.
	DenialFilter struct {
		TenantID TenantID // zero for all tenants
		Before   EventID
		Limit    int
	}
)

// RunPage is a page of runs.
type RunPage struct {
	Runs []*Run
	Next RunID // the last run that was looked at; zero where the list ends there
}

// Class says what a failure of a store means for the engine.
type Class uint8

// The classes of failure.
const (
	ClassUnavailable Class = iota // the store can't be reached, is read-only, full or broken: nothing was written
	ClassRetry                    // a serialization failure or deadlock: nothing was written, the same may work again
	ClassConflict                 // a row's data was refused: nothing was written, the same will fail again
	ClassUnknown                  // the connection was lost during Commit: it may or may not have happened
)

// StoreError is a failure of a store.
type StoreError struct {
	Class Class
	Op    string // what was being done
	Err   error
}

func (e *StoreError) Error() string { return fmt.Sprintf("store: %s: %v", e.Op, e.Err) }

// Unwrap returns the database's own error.
func (e *StoreError) Unwrap() error { return e.Err }

func classOf(err error) Class {
	if e, ok := errors.AsType[*StoreError](err); ok {
		return e.Class
	}
	return ClassUnavailable
}

// isUnavailable reports whether err is a store's and not the caller's fault.
func isUnavailable(err error) bool {
	var e *StoreError
	return errors.As(err, &e)
}
