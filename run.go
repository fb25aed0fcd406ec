package rentroll

import (
	"encoding/json"
	"time"
)

// RunStatus is where a run stands: queued → running → completed | failed | canceled | crashed; queued may go straight
// to an end.
type RunStatus string

// The states of a run. The last four are ends: an ended run does not change, but for one late completion of a crashed
// or canceled one.
const (
	RunQueued    RunStatus = "queued"
	RunRunning   RunStatus = "running"
	RunCompleted RunStatus = "completed"
	RunFailed    RunStatus = "failed"
	RunCanceled  RunStatus = "canceled"
	RunCrashed   RunStatus = "crashed"
)

// Open reports whether the run holds a slot: it is queued or running.
func (s RunStatus) Open() bool { return s == RunQueued || s == RunRunning }

func (s RunStatus) valid() bool {
	switch s {
	case RunQueued, RunRunning, RunCompleted, RunFailed, RunCanceled, RunCrashed:
		return true
	default:
		return false
	}
}

// The bounds of a lease: how long a run may stay silent before it counts as crashed.
const (
	DefaultLease = 15 * time.Minute
	MinLease     = time.Second
	MaxLease     = 24 * time.Hour
)

// Run is one execution of a worker for a tenant.
type Run struct {
	ID               RunID           `json:"id"`
	TenantID         TenantID        `json:"tenant_id"`
	WorkerID         string          `json:"worker_id"`
	APIKeyID         KeyID           `json:"api_key_id"`
	UserID           UserID          `json:"user_id"`
	Subject          NullString      `json:"subject"` // on whose behalf, for limits: what was given, else the user's id
	Task             string          `json:"task"`
	Input            json.RawMessage `json:"input"`
	Status           RunStatus       `json:"status"`
	Success          *bool           `json:"success"` // nil until completed; stays nil when crashed or canceled without a report
	Error            NullString      `json:"error"`
	Output           json.RawMessage `json:"output"`
	ReplayToken      json.RawMessage `json:"replay_token"`
	TotalTokens      *int64          `json:"total_tokens"` // this and the next six: nil until the run ended
	ReservedTokens   int64           `json:"reserved_tokens"`
	TokensSoFar      int64           `json:"tokens_so_far"` // what heartbeats reported
	TotalLatencyMS   *int64          `json:"total_latency_ms"`
	StagesCompleted  *int64          `json:"stages_completed"`
	Recoveries       *int64          `json:"recoveries"`
	PolicyViolations *int64          `json:"policy_violations"`
	CostMicros       *int64          `json:"cost_micros"` // millionths of the currency unit
	CostCents        *int64          `json:"cost_cents"`  // CostMicros in hundredths, half a cent rounded up
	ParentRunID      RunID           `json:"parent_run_id"`
	Attempt          int64           `json:"attempt"` // 1 for a first run
	IsRetry          bool            `json:"is_retry"`
	RetriedBy        RunID           `json:"retried_by"`       // the one run that retries this one; zero for none
	Late             bool            `json:"late"`             // completed after it had crashed or been canceled
	OverSoftLimit    bool            `json:"over_soft_limit"`  // admitted above a soft limit
	CancelRequested  bool            `json:"cancel_requested"` // the worker should stop: its tenant was suspended or terminated
	LeaseExpiresAt   time.Time       `json:"lease_expires_at"`
	CreatedAt        time.Time       `json:"created_at"`
	StartedAt        *time.Time      `json:"started_at"`
	CompletedAt      *time.Time      `json:"completed_at"`

	Replayed bool `json:"-"` // the answer repeats an earlier one: same idempotency key, or an equal completion

	// Lease is the time the run may stay silent.
	Lease time.Duration `json:"-"`
	// Family is the key family in whose row the run is counted; zero where its key has no limits of its own.
	Family KeyID `json:"-"`
	// Payloads says which payloads the run has, whether or not they are loaded.
	Payloads PayloadKind `json:"-"`
	// Fingerprint is the SHA-256 of the completion's parameters; zero before completion.
	Fingerprint [32]byte `json:"-"`
}

// PayloadKind says which of a run's payloads a row holds.
type PayloadKind uint8

// The payloads of a run, as bits of Run.Payloads.
const (
	PayloadInput PayloadKind = 1 << iota
	PayloadOutput
	PayloadReplayToken
)

// Payload is a run's input, output or replay token. Payloads have rows of their own, so that the rows of runs stay
// small; they are written once and never changed.
type Payload struct {
	TenantID TenantID
	RunID    RunID
	Kind     PayloadKind
	Body     json.RawMessage
}

// PayloadRef names a payload.
type PayloadRef struct {
	RunRef
	Kind PayloadKind
}

// CreateRunParams asks for the admission of a run. TenantID, WorkerID and Task are required.
type CreateRunParams struct {
	TenantID       TenantID
	WorkerID       string          // ^[a-z0-9][a-z0-9._-]{0,99}$
	Task           string          // 1–10,000 characters
	Input          json.RawMessage // JSON of at most 256 KiB, kept as it came; nil for none
	UserID         UserID
	Subject        string        `json:"subject,omitempty"` // 1–255 characters, whose limits count; "" is UserID, where there is one
	APIKeyID       KeyID         // on whose behalf; an API key's own runs always carry its id
	ReserveTokens  int64         // tokens to hold until completion, 0–10^12
	Lease          time.Duration // MinLease–MaxLease; 0 is DefaultLease
	IdempotencyKey string
}

// subject is whose limits count.
func (p *CreateRunParams) subject() string {
	if p.Subject == "" && !p.UserID.IsZero() {
		return p.UserID.String()
	}
	return p.Subject
}

// CompleteRunParams reports the end of a run. Completing again with equal parameters returns the run as it is stored
// and counts nothing.
type CompleteRunParams struct {
	TenantID         TenantID
	RunID            RunID
	Success          bool
	Output           json.RawMessage // JSON of at most 256 KiB; nil for none
	Error            string          // at most 10,000 characters
	ReplayToken      json.RawMessage // JSON of at most 256 KiB; nil for none
	TotalTokens      int64           // tokens the run used in all; billed now, even beyond its reservation
	TotalLatencyMS   int64
	StagesCompleted  int64
	Recoveries       int64
	PolicyViolations int64
	CostMicros       int64 // millionths of the currency unit
	IdempotencyKey   string
}

// RunRef names a run for StartRun, CancelRun and GetRun.
type RunRef struct {
	TenantID TenantID
	RunID    RunID
}

// HeartbeatParams renews a run's lease.
type HeartbeatParams struct {
	TenantID    TenantID
	RunID       RunID
	TokensSoFar int64         // tokens used so far; a report lower than an earlier one changes nothing
	Lease       time.Duration // a new length of the lease; 0 keeps the run's
}

// ListRunsParams filters and pages a tenant's runs, newest first. Filters look at a bounded stretch of runs a page, so a
// page may be short, or empty, and still have a next cursor. Queued and running runs are found at once where the tenant has
// at most a thousand of them together.
type ListRunsParams struct {
	TenantID TenantID
	Status   RunStatus // "" for all
	WorkerID string    // "" for all
	APIKeyID KeyID     // zero for all
	Page
}

// Worker is a kind of job that a tenant has enabled. The first run of a worker enables it while there is room.
type Worker struct {
	TenantID    TenantID   `json:"-"`
	WorkerID    string     `json:"worker_id"`
	Enabled     bool       `json:"enabled"`
	FirstUsedAt *time.Time `json:"first_used_at"` // nil until a run of it was admitted
}

// PutWorkerParams enables or disables a worker of a tenant.
type PutWorkerParams struct {
	TenantID TenantID
	WorkerID string
	Enabled  bool
}

// SetCost sets the run's cost in both of its units; nil is unknown.
func (r *Run) SetCost(micros *int64) {
	r.CostMicros, r.CostCents = micros, nil
	if micros != nil {
		cents := centsOf(*micros)
		r.CostCents = &cents
	}
}
