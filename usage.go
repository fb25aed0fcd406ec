package rentroll

import (
	"encoding/json"
	"time"
)

// The meters that the engine itself writes.
const (
	MeterTokensUsed = "tokens_used" // unit "tokens"; its events move the tenant's token month however they arrive
	MeterWorkerRuns = "worker_runs" // unit "count"; written by the engine only
)

// The bounds of a usage event's time around its arrival.
const (
	UsageWindow = 35 * 24 * time.Hour // how old an event may be
	UsageAhead  = 5 * time.Minute     // how far ahead its clock may be
)

// bucketSize is the width of a rollup. The zones of the world differ by multiples of it, so that the days and months of
// every zone are whole buckets.
const bucketSize = 15 * time.Minute

// MaxUsageBatch is how many events one call may record.
const MaxUsageBatch = 1000

// UsageEvent is one record of a meter, as stored.
type UsageEvent struct {
	ID         UsageID         `json:"id"`
	TenantID   TenantID        `json:"tenant_id"`
	Meter      string          `json:"meter"`
	Amount     int64           `json:"amount"`
	Unit       string          `json:"unit"`
	Time       time.Time       `json:"time"`
	RecordedAt time.Time       `json:"recorded_at"`
	WorkerID   NullString      `json:"worker_id"`
	APIKeyID   KeyID           `json:"api_key_id"`
	RunID      RunID           `json:"run_id"`
	EventID    NullString      `json:"event_id"`
	Metadata   json.RawMessage `json:"metadata"`
	Corrects   NullString      `json:"corrects"` // the event id of what it takes back, in whole or in part

	// Dimensions are the values of its meter's kept dimensions, as rollups have them; nil where none are kept.
	Dimensions map[string]string `json:"dimensions"`
}

// UsageParams describes one event to record.
type UsageParams struct {
	Meter    string          // ^[a-z][a-z0-9_.]{0,99}$
	Amount   int64           // 0–10^12; of a correction −10^12 to −1
	Unit     string          // 1–50 characters; "" is the meter's unit, "count" for a new meter
	Time     time.Time       // zero is the arrival
	WorkerID string          // "" for none
	APIKeyID KeyID           // zero for none; an API key's own events carry its id
	RunID    RunID           // zero for none
	EventID  string          // 1–255 characters; an event id counts once. Without one a retry counts again
	Metadata json.RawMessage // a JSON object of at most 16 KiB; nil for none

	// Corrects makes the event a correction, which needs usage:correct: it names the event id of an event of the same
	// meter, of which Amount, less than zero, is taken back. An event id of its own keeps a retry from taking back twice;
	// time, worker, key and run are those of what it corrects and must not be given. "" is an event like any other.
	Corrects string `json:"corrects,omitempty"` // events from before there were corrections keep their fingerprints
}

// RecordUsageParams records one event.
type RecordUsageParams struct {
	TenantID TenantID
	UsageParams
	IdempotencyKey string
}

// RecordUsageBatchParams records up to MaxUsageBatch events. Each is answered for itself and the good ones are stored.
type RecordUsageBatchParams struct {
	TenantID       TenantID
	Events         []UsageParams
	IdempotencyKey string
}

// UsageStatus is what became of one event.
type UsageStatus string

// What may become of an event.
const (
	UsageRecorded  UsageStatus = "recorded"
	UsageDuplicate UsageStatus = "duplicate" // an event with this id and content was recorded before; it counts once
	UsageRejected  UsageStatus = "rejected"  // see Code
)

// UsageResult is the answer to one event.
type UsageResult struct {
	EventID NullString   `json:"event_id"`
	Status  UsageStatus  `json:"status"`
	Code    NullString   `json:"code"`   // why it was rejected
	Errors  []FieldError `json:"errors"` // which fields are wrong, where that is why

	Replayed bool `json:"-"` // of a single event: the answer repeats an earlier one with the same idempotency key
}

// UsageReceipt is the answer to a batch, in the batch's order.
type UsageReceipt struct {
	Items []UsageResult `json:"items"`

	Replayed bool `json:"-"` // the answer repeats an earlier one with the same idempotency key
}

// IncrementUsageParams counts one run and its tokens that were not admitted by CreateRun.
type IncrementUsageParams struct {
	TenantID       TenantID
	Tokens         int64 // 0–10^12
	IdempotencyKey string
}

// UsageSummaryParams asks for the totals of [Start, End). Zero times stand for the current billing month so far.
type UsageSummaryParams struct {
	TenantID   TenantID
	Start, End time.Time
}

// UsageSummary holds the totals per meter of a range of time.
type UsageSummary struct {
	TenantID     TenantID              `json:"tenant_id"`
	Period       UsagePeriod           `json:"period"`
	Meters       map[string]MeterTotal `json:"meters"`
	TotalRecords int64                 `json:"total_records"`
}

// UsagePeriod is [Start, End).
type UsagePeriod struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

// MeterTotal is the sum of one meter.
type MeterTotal struct {
	Total       int64       `json:"total"` // by the meter's aggregation
	Unit        string      `json:"unit"`
	Count       int64       `json:"count"` // events
	Aggregation Aggregation `json:"aggregation"`
}

// UsageMark remembers an event id, so that it counts once, for longer than events are accepted.
type UsageMark struct {
	TenantID    TenantID
	EventID     string
	Fingerprint [32]byte // SHA-256 of the event's content; zero where that is not known any more
	UsageID     UsageID
	RecordedAt  time.Time
	Time        time.Time // of the event, which with UsageID finds it; zero in marks from before there were corrections
	Corrected   int64     // how much of it has been taken back
}

// UsageRef names a stored event.
type UsageRef struct {
	TenantID TenantID
	Time     time.Time
	ID       UsageID
}

// The dimensions that rollups keep.
const (
	dimensionTotal  = ""
	dimensionWorker = "worker"
	dimensionKey    = "api_key"
	dimensionKept   = "." // and the name of a member of metadata
)

// What series can be grouped by, beside the dimensions that a meter keeps.
const (
	GroupByWorker = "worker"
	GroupByKey    = "key"
)

// RollupKey names one bucket of one meter, in total or for one value of a dimension.
type RollupKey struct {
	TenantID  TenantID
	Dimension string    // "" is the total
	Bucket    time.Time // start, a multiple of 15 minutes
	Meter     string
	Value     string // the dimension's value; "" for the total
}

// RollupSum is what a bucket holds, or what is added to it.
type RollupSum struct {
	Total  int64
	Events int64
}
