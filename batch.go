package rentroll

import (
	"encoding/json"
	"iter"
	"time"
)

// Refs name rows of a tenant.
type (
	// KeyRef names an API key, or a key family.
	KeyRef struct {
		TenantID TenantID
		KeyID    KeyID
	}
	// MemberRef names a membership.
	MemberRef struct {
		TenantID TenantID
		UserID   UserID
	}
	// WorkerRef names a worker of a tenant.
	WorkerRef struct {
		TenantID TenantID
		WorkerID string
	}
	// MeterRef names a meter of a tenant.
	MeterRef struct {
		TenantID TenantID
		Name     string
	}
	// MarkRef names an event id of a tenant.
	MarkRef struct {
		TenantID TenantID
		EventID  string
	}
	// KeyHash names the API key of a tenant whose secret has this SHA-256.
	KeyHash struct {
		TenantID TenantID
		Hash     [32]byte
	}
	// OnceRef names an idempotency record. The tenant is PlatformID for operations that belong to none.
	OnceRef struct {
		TenantID  TenantID
		Operation string
		Key       string
	}
	// DirectoryRef names a value that is unique across tenants.
	DirectoryRef struct {
		Kind  DirectoryKind
		Value string
	}
)

// DirectoryKind says what kind of value a directory row makes unique.
type DirectoryKind string

// The directories.
const (
	DirectorySlug         DirectoryKind = "slug"
	DirectoryExternalID   DirectoryKind = "external_id"
	DirectoryUserExternal DirectoryKind = "user_external_id"
	DirectoryKeyHash      DirectoryKind = "key_hash" // of imported API keys: the hash in hex; owned by their tenants
)

// DirectoryEntry says who owns a value that is unique across tenants: the id of a tenant or a user.
type DirectoryEntry struct {
	DirectoryRef
	Owner [16]byte
}

// OnceRecord remembers that an idempotent operation was done, and what came of it.
type OnceRecord struct {
	OnceRef
	Fingerprint [32]byte // SHA-256 of the canonical parameters
	Result      string   // the id of what was made, or a short code from which the answer is rebuilt
	CreatedAt   time.Time
}

// OverdueRuns holds the open runs of a tenant whose lease has run out, earliest first.
type OverdueRuns struct {
	Runs []*Run    // all of them, or the first MaxOverdue
	Next time.Time // the earliest lease of the open runs that are not in Runs; zero where there is none
}

// OverdueKeys holds the active keys of a tenant whose expiry has come, earliest first.
type OverdueKeys struct {
	Keys []*APIKey // all of them, or the first MaxOverdue
	Next time.Time // the earliest expiry of the active keys that are not in Keys; zero where there is none
}

// MaxOverdue bounds how many overdue rows of a tenant one transaction handles.
const MaxOverdue = 500

// Batch is the working set of one transaction: what it reads, as named by its commands, and what it writes. Engines
// fill in names and changes, stores fill in rows. A Batch is not safe for concurrent use.
type Batch struct {
	Accounts  Rowset[TenantID, Account]
	Profiles  Rowset[TenantID, Profile]
	Plans     Rowset[string, Plan]
	Directory Rowset[DirectoryRef, DirectoryEntry]
	Users     Rowset[UserID, User]
	Members   Rowset[MemberRef, Member]
	Keys      Rowset[KeyRef, APIKey]
	Operators Rowset[OperatorKeyID, OperatorKey]
	KeyUses   Rowset[KeyRef, KeyUse]
	Runs      Rowset[RunRef, Run]
	Subjects  Rowset[SubjectRef, Subject]
	Workers   Rowset[WorkerRef, Worker]
	Meters    Rowset[MeterRef, Meter]
	Prices    Rowset[PriceRef, MeterPrice]
	Values    Rowset[ValueRef, KeptValue]
	Marks     Rowset[MarkRef, UsageMark]
	Events    Rowset[UsageRef, UsageEvent] // to be looked at; new ones are in Usage
	Once      Rowset[OnceRef, OnceRecord]
	Sessions  Rowset[[32]byte, Session] // by the SHA-256 of their tokens

	Checkpoints Rowset[TenantID, AuditCheckpoint] // of pruned audits; the platform's, too
	Chores      Rowset[ChoreRef, Chore]

	// Questions whose answers are several rows. A nil value asks; the store puts the answer in its place. The rows of
	// the answers are in Runs, Keys, Members, Operators and Sessions as well.
	OverdueRuns   map[TenantID]*OverdueRuns
	RecentPeriods map[TenantID]*[]PastPeriod // the latest that were written down, newest first
	OverdueKeys   map[TenantID]*OverdueKeys
	Memberships   map[UserID]*int    // all memberships of a user; the answer is how many there are
	PlanInUse     map[string]*bool   // whether any tenant is on the plan
	OperatorKeys  map[struct{}]*int  // all operator keys, revoked ones too; the answer is how many there are
	KeyHashes     map[KeyHash]*KeyID // which key of a tenant has a hash; the zero id is none

	OpenSubjects map[TenantID]*map[string]HeldSum // what the open runs of each subject hold that has any

	MeterSums map[MeterSumRef]*int64 // what the rollups that are stored come to; see the Batch's own Rollups for the rest

	ExpiredSessions map[time.Time]*[][32]byte // the first MaxOverdue sessions that have expired at a time, earliest first

	// Rows that are only ever added.
	Payloads []*Payload
	Usage    []*UsageEvent
	Audit    []*AuditRow
	Periods  []*PastPeriod // one that is there already stays as it is
	Told     []*Event
	Rollups  map[RollupKey]RollupSum // what to add to each bucket
	Peaks    map[RollupKey]int64     // to what to raise the largest amount of each bucket
	Sunk     []RollupKey             // whose largest amounts go, before those of Peaks are written; each named once
	Pruned   []*PrunedMark           // a later time that is stored already stays

	// Gone are payloads to delete.
	Gone []PayloadRef

	// Trim is audit rows that are to go.
	Trim []AuditRange

	// Invalid are the tenants of which others must forget what they keep in memory, each named once.
	Invalid []TenantID

	// Now is the latest now of the accounts that are claimed; overdue means before or at it.
	Now time.Time
}

// ChoreKind says what is to be done.
type ChoreKind string

// The kinds of chore.
const (
	ChoreTrim  ChoreKind = "audit.trim" // remove audit rows that were pruned
	ChorePurge ChoreKind = "purge"      // remove a tenant
)

// ChoreRef names something that was begun in a tenant, or for the platform.
type ChoreRef struct {
	TenantID TenantID
	Kind     ChoreKind
}

// Chore is something that was begun and takes more than one transaction. Whichever server sweeps the tenant goes on with it.
type Chore struct {
	ChoreRef
	BeganAt time.Time
	Detail  json.RawMessage // what is to be known of it; nil for nothing
}

// AuditRange is the audit rows of an account with a sequence above After, up to and with To.
type AuditRange struct {
	TenantID  TenantID
	After, To int64
}

// PastPeriod is a month of a tenant that has ended, kept for its statement.
type PastPeriod struct {
	TenantID   TenantID
	Start, End time.Time
	FinalAt    time.Time // when its statement takes no more events; zero in rows from before there were statements
	Timezone   string    // in which it began; "" likewise
}

// Unloaded reports whether anything is named and not loaded yet.
func (b *Batch) Unloaded() bool {
	return b.Profiles.unloaded() || b.Plans.unloaded() || b.Directory.unloaded() || b.Users.unloaded() ||
		b.Members.unloaded() || b.Keys.unloaded() || b.Operators.unloaded() || b.KeyUses.unloaded() || b.Runs.unloaded() ||
		b.Workers.unloaded() || b.Meters.unloaded() || b.Prices.unloaded() || b.Values.unloaded() || b.Marks.unloaded() || b.Events.unloaded() || b.Once.unloaded() || b.Checkpoints.unloaded() || b.Chores.unloaded() ||
		b.Accounts.unloaded() || asks(b.OverdueRuns) || asks(b.RecentPeriods) || asks(b.OverdueKeys) || asks(b.Memberships) || asks(b.PlanInUse) || asks(b.OperatorKeys) || asks(b.KeyHashes) ||
		b.Sessions.unloaded() || asks(b.ExpiredSessions) || asks(b.MeterSums) || asks(b.OpenSubjects) || b.Subjects.unloaded()
}

// Changed reports whether there is anything to write.
func (b *Batch) Changed() bool {
	return b.Accounts.changed() || b.Profiles.changed() || b.Plans.changed() || b.Directory.changed() ||
		b.Users.changed() || b.Members.changed() || b.Keys.changed() || b.Operators.changed() || b.KeyUses.changed() || b.Runs.changed() ||
		b.Workers.changed() || b.Meters.changed() || b.Prices.changed() || b.Values.changed() || b.Marks.changed() || b.Once.changed() || b.Checkpoints.changed() || b.Chores.changed() || b.Sessions.changed() || b.Subjects.changed() ||
		len(b.Payloads)+len(b.Told)+len(b.Usage)+len(b.Audit)+len(b.Periods)+len(b.Rollups)+len(b.Peaks)+len(b.Sunk)+len(b.Pruned)+len(b.Gone)+len(b.Invalid)+len(b.Trim) > 0
}

func asks[K comparable, V any](questions map[K]*V) bool {
	for _, answer := range questions {
		if answer == nil {
			return true
		}
	}
	return false
}

// ask puts a question, unless it has been asked before.
func ask[K comparable, V any](questions *map[K]*V, about K) {
	if *questions == nil {
		*questions = make(map[K]*V)
	}
	if _, asked := (*questions)[about]; !asked {
		(*questions)[about] = nil
	}
}

// Rowset holds the rows of one kind that a transaction works on. Rows are values that nobody changes once they are in a
// Rowset: a change is a new row, given to Put.
type Rowset[K comparable, R any] struct {
	wanted []K            // named, not loaded yet
	naming map[K]struct{} // the same, as a set
	rows   map[K]*R       // loaded or put; nil where there is no such row
	stored map[K]*R       // for changed keys: the row as it is in the store, nil where it is not there
	order  []K            // the changed keys, in order of their first change
}

// Want names a row to be loaded.
func (s *Rowset[K, R]) Want(k K) {
	if _, known := s.rows[k]; known {
		return
	}
	if _, named := s.naming[k]; named {
		return
	}
	if s.naming == nil {
		s.naming = make(map[K]struct{})
	}
	s.naming[k] = struct{}{}
	s.wanted = append(s.wanted, k)
}

// Knows reports whether the row has been loaded, with whatever result, or put. A row that is only named is not known.
func (s *Rowset[K, R]) Knows(k K) bool {
	_, known := s.rows[k]
	return known
}

// Get returns a row that was loaded or put; nil where there is none. Asking for a row that is not known is a mistake in
// the engine and panics: an answer would be a guess.
func (s *Rowset[K, R]) Get(k K) *R {
	row, known := s.rows[k]
	if !known {
		panic("rentroll: a decision read a row that was not loaded")
	}
	return row
}

// All returns the rows that are there, by key, in no particular order.
func (s *Rowset[K, R]) All() iter.Seq2[K, *R] {
	return func(yield func(K, *R) bool) {
		for k, row := range s.rows {
			if row != nil && !yield(k, row) {
				return
			}
		}
	}
}

// Put writes a row: it is inserted where there was none and replaces what there was.
func (s *Rowset[K, R]) Put(k K, row *R) {
	if s.rows == nil {
		s.rows = make(map[K]*R)
	}
	if s.stored == nil {
		s.stored = make(map[K]*R)
	}
	if _, changed := s.stored[k]; !changed {
		s.stored[k] = s.rows[k]
		s.order = append(s.order, k)
	}
	s.rows[k] = row
}

// Delete removes a row.
func (s *Rowset[K, R]) Delete(k K) { s.Put(k, nil) }

// TakeWanted returns what has been named since the last call. It is for stores, which answer with Found; what they do
// not find is not there.
func (s *Rowset[K, R]) TakeWanted() []K {
	wanted := s.wanted
	s.wanted = nil
	clear(s.naming)
	if s.rows == nil {
		s.rows = make(map[K]*R, len(wanted))
	}
	for _, k := range wanted {
		if _, known := s.rows[k]; !known {
			s.rows[k] = nil
		}
	}
	return wanted
}

// Found gives a loaded row to the set, unless the transaction has changed that row already.
func (s *Rowset[K, R]) Found(k K, row *R) {
	if _, changed := s.stored[k]; changed {
		return
	}
	if s.rows == nil {
		s.rows = make(map[K]*R)
	}
	s.rows[k] = row
}

// Changes calls the function for each kind of change with the rows and keys, in order of their first change. A row that
// was put and deleted again is no change.
func (s *Rowset[K, R]) Changes(inserted, updated func(row *R), deleted func(k K)) {
	for _, k := range s.order {
		was, is := s.stored[k], s.rows[k]
		switch {
		case was == nil && is != nil:
			inserted(is)
		case was != nil && is != nil:
			updated(is)
		case was != nil:
			deleted(k)
		}
	}
}

// inserts counts the rows that are new.
func (s *Rowset[K, R]) inserts() (n int64) {
	for _, k := range s.order {
		if s.stored[k] == nil && s.rows[k] != nil {
			n++
		}
	}
	return n
}

func (s *Rowset[K, R]) unloaded() bool { return len(s.wanted) > 0 }
func (s *Rowset[K, R]) changed() bool  { return len(s.order) > 0 }
