package rentroll

import (
	"context"
	"time"
)

// PruneKind is a kind of rows that are deleted when they are old.
type PruneKind string

// The kinds. What is old is told by the time in parentheses.
const (
	PruneUsage        PruneKind = "usage"         // raw usage events (their time)
	PruneMarks        PruneKind = "usage_marks"   // event ids that have been counted (when)
	PruneRuns         PruneKind = "runs"          // ended runs with their payloads (their end)
	PruneDenials      PruneKind = "denials"       // the last denials of a tenant (when)
	PruneDenialCounts PruneKind = "denial_counts" // how many there were a minute (the minute)
	PruneSubjects     PruneKind = "subjects"      // counters of subjects in which nothing stands; not listed by ListOld
	PruneOnce         PruneKind = "idempotency"   // idempotency records of what is no run (when)
)

// OldRow names a row of one kind of one tenant. Which fields it has depends on the kind.
type OldRow struct {
	At         time.Time   // usage, denial_counts; usage_marks, idempotency: when it was made, for it is deleted only as long as it is that one
	ID         [16]byte    // usage, runs, denials
	Text, More string      // usage_marks: the event id; denial_counts: code and quota; idempotency: operation and key
	Payloads   PayloadKind // runs: which it has
}

// OldFilter asks for old rows of one kind of one tenant, the lowest keys first.
type OldFilter struct {
	TenantID TenantID
	Kind     PruneKind
	Before   time.Time
	After    OldRow // rows up to this one are left out
	Limit    int    // how many rows may be looked at
}

// OldRows is what was found.
type OldRows struct {
	Rows   []OldRow
	Looked int    // how many rows were looked at
	Next   OldRow // the last row that was looked at; where Looked is less than the limit there is nothing behind it
}

// PrunedMark says that rows of a kind may be missing: those before Until.
type PrunedMark struct {
	TenantID TenantID
	Kind     PruneKind
	Until    time.Time
}

// Pruner is the part of a Reader that is about old rows.
type Pruner interface {
	// ListOld lists what is old. Of usage_marks, runs and idempotency it looks at young rows as well.
	ListOld(ctx context.Context, f OldFilter) (OldRows, error)
	// ListPruned says of which kinds rows of a tenant were pruned.
	ListPruned(ctx context.Context, tenant TenantID) ([]PrunedMark, error)
}
