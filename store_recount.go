package rentroll

import (
	"context"
	"time"
)

// Recounter counts rows again, past the counters and sums that are kept of them. Nothing on the path of an admission
// asks for it. What it returns comes in no particular order unless it says so.
type Recounter interface {
	// SumHeld adds up what the open runs of a tenant hold, one sum for each key family that has any. The zero family is
	// that of the runs which are counted in none.
	SumHeld(ctx context.Context, tenant TenantID) ([]HeldSum, error)
	// CountGauges counts what of a tenant exists.
	CountGauges(ctx context.Context, tenant TenantID) (Gauges, error)
	// CountRuns counts the runs, ended ones included, that were made in [from, to).
	CountRuns(ctx context.Context, tenant TenantID, from, to time.Time) (int64, error)
	// CountIncrements counts the events of MeterWorkerRuns in [from, to) that belong to no run.
	CountIncrements(ctx context.Context, tenant TenantID, from, to time.Time) (int64, error)
	// SumKeyTokens adds up the events of MeterTokensUsed in [from, to) that carry a key and were recorded at since or
	// later.
	SumKeyTokens(ctx context.Context, tenant TenantID, from, to, since time.Time) ([]KeySum, error)
	// ListSubjectRuns lists the runs of subjects, ended ones included, that were made in [from, to): one use of 1 each.
	ListSubjectRuns(ctx context.Context, tenant TenantID, from, to time.Time) ([]SubjectUse, error)
	// ListSubjectTokens lists what the runs of subjects used: the events of MeterTokensUsed in [from, to) that were written
	// when a run ended, whose run has a subject or is not there any more.
	//
	// An event that a caller recorded of a run is told from those by its id, by its time, or, where it has neither of its
	// own, by not being of the instant at which the run ended; of late runs, which end twice, by its amount.
	ListSubjectTokens(ctx context.Context, tenant TenantID, from, to time.Time) ([]SubjectUse, error)
	// ListKeyUses lists the counters of key families behind a family, by family.
	ListKeyUses(ctx context.Context, tenant TenantID, after KeyID, limit int) ([]*KeyUse, error)

	UsageRecounter

	// ListPeriods lists the months of a tenant that have ended, oldest first.
	ListPeriods(ctx context.Context, tenant TenantID) ([]PastPeriod, error)
	// ListDirectory lists the entries behind one, by kind and value.
	ListDirectory(ctx context.Context, after DirectoryRef, limit int) ([]*DirectoryEntry, error)
}

// UsageRecounter is the part of a Recounter that is about events, their rollups and their ids.
type UsageRecounter interface {
	// NextEvent returns when the first event at from or later happened; zero where there is none.
	NextEvent(ctx context.Context, tenant TenantID, from time.Time) (time.Time, error)
	// NextBucket returns the first bucket at or behind from that one dimension of the rollups or of the largest amounts, or any
	// event, falls into; zero where there is none.
	NextBucket(ctx context.Context, tenant TenantID, dimension string, from time.Time) (time.Time, error)
	// ListRollups lists the rollups of one dimension whose buckets begin in [from, to), by bucket.
	ListRollups(ctx context.Context, f RollupFilter) ([]Rollup, error)
	// SumBuckets makes the rollups of one dimension anew from the events whose time is in [from, to), all of them, with
	// their largest amounts. Kept dimensions are SumKept's.
	SumBuckets(ctx context.Context, f RollupFilter) ([]Rollup, error)

	// SumKept makes the rollups of all kept dimensions anew from the events whose time is in [from, to), peaks included.
	SumKept(ctx context.Context, tenant TenantID, from, to time.Time) ([]Rollup, error)
	// NextDimension returns the first dimension of a tenant's rollups behind one, in the order of bytes; "" where there is
	// none.
	NextDimension(ctx context.Context, tenant TenantID, after string) (string, error)
	// NextKept returns the first dimension's month behind one of which values are told apart, in the order of meters, dimensions
	// and months; with the value "". The zero one is behind the last, and stands in front of the first.
	NextKept(ctx context.Context, tenant TenantID, after ValueRef) (ValueRef, error)
	// CountKept counts the values that are told apart in a dimension's month, and returns what the row says that counts them.
	CountKept(ctx context.Context, of ValueRef) (known, values int64, err error)
	// ListKept lists the values that are told apart in a dimension's month.
	ListKept(ctx context.Context, of ValueRef) ([]string, error)
	// RolledMeters lists the meters of the rollups of one dimension in whole hours that begin in [from, to) and have events.
	RolledMeters(ctx context.Context, f RollupFilter) ([]string, error)
	// RolledValues lists the values that such rollups of one meter have.
	RolledValues(ctx context.Context, f RollupFilter, meter string) ([]string, error)
	// SumRecorded adds up the events whose time is in [from, to) and which were recorded in [since, until), a meter each,
	// with their largest amount and when the last of them was recorded.
	SumRecorded(ctx context.Context, f RecordedFilter) ([]MeterRecord, error)
	// SumCosts adds up what runs cost that were reported in [from, to).
	SumCosts(ctx context.Context, tenant TenantID, from, to time.Time) (CostSum, error)

	// ListUnmarked lists events that have an id which is not remembered, or as another event's, by time and id.
	ListUnmarked(ctx context.Context, f UnmarkedFilter) ([]Unmarked, error)
	// ListMarks lists event ids behind one, in the database's order of texts.
	ListMarks(ctx context.Context, tenant TenantID, after string, limit int) ([]*UsageMark, error)
	// SumTaken adds up the corrections of events of one instant whose ids are behind after, up to and with last, in the order
	// of ListMarks; what was taken back is positive.
	SumTaken(ctx context.Context, tenant TenantID, at time.Time, after, last string) ([]CorrectionSum, error)
	// SumCorrections adds up the corrections of each event, by its time and its id in the order of ListMarks.
	SumCorrections(ctx context.Context, f CorrectionFilter) ([]CorrectionSum, error)
	// SumHeavy adds up the large amounts of each meter that has any.
	SumHeavy(ctx context.Context, f HeavyFilter) ([]HeavySum, error)
}

// HeldSum is what open runs hold.
type HeldSum struct {
	Family   KeyID
	Runs     int64
	Reserved int64     // tokens
	Lease    time.Time // the earliest
}

// Gauges is how many of its things a tenant has.
type Gauges struct {
	Workers int64 // enabled
	Owners  int64
	APIKeys int64     // marked active, and not in overlap
	Expiry  time.Time // the earliest of the keys that are marked active; zero for none
}

// SubjectUse is something that a run of a subject used.
type SubjectUse struct {
	Subject string // "" where the run is not there any more
	At      time.Time
	Amount  int64
}

// KeySum is a sum of one API key.
type KeySum struct {
	KeyID KeyID
	Total int64
}

// Rollup is one row of the rollups.
type Rollup struct {
	RollupKey
	RollupSum
	Peak int64 // the largest amount, where that was asked for
}

// RecordedFilter names events by when they happened and when they were recorded.
type RecordedFilter struct {
	TenantID     TenantID
	From, To     time.Time // of the events' time
	Since, Until time.Time // of their recording
}

// MeterRecord is what events of one meter come to.
type MeterRecord struct {
	Meter string
	RollupSum
	Peak   int64
	Latest time.Time // when the last of them was recorded
}

// UnmarkedFilter names events by when they happened and were recorded.
type UnmarkedFilter struct {
	TenantID TenantID
	From, To time.Time // of the events' time
	After    UsageID   // of the events at From, those behind it only
	Since    time.Time // of their recording
	Limit    int
}

// Unmarked is an event whose id is not remembered as its own.
type Unmarked struct {
	EventID    string
	ID         UsageID
	Time       time.Time
	RecordedAt time.Time
	Marked     UsageID // the event that the id is remembered of; zero for none
}

// CorrectionFilter names corrections by the time of what they correct.
type CorrectionFilter struct {
	TenantID TenantID
	From, To time.Time
	After    string // of the events at From, those with ids behind it only
	Limit    int    // how many sums
}

// CorrectionSum is what corrections have taken back of an event.
type CorrectionSum struct {
	Time    time.Time
	EventID string // of what was corrected
	Total   int64  // positive
}

// HeavyFilter names large amounts by when their events happened and were recorded.
type HeavyFilter struct {
	TenantID TenantID
	From, To time.Time // of the events' time
	Since    time.Time // of their recording
	AtLeast  int64
}

// HeavySum is what large amounts of one meter come to.
type HeavySum struct {
	Meter  string
	Total  int64
	OfRuns int64 // of Total, what may have been written when a run ended: see ListSubjectTokens
}

// CostSum is what runs cost.
type CostSum struct {
	Micros  int64
	Runs    int64 // that cost anything
	Missing int64 // that were reported, and whose rows were pruned
}

// RollupFilter names rollups of one dimension.
type RollupFilter struct {
	TenantID  TenantID
	Dimension string // "", "worker" or "api_key"
	From, To  time.Time
	Limit     int // of ListRollups
}
