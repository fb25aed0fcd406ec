package rentroll

import (
	"time"

	"github.com/rentroll/rentroll/quota"
)

// Denial is a refused admission, as shown to people. Denials are statistics: the last hundred of a tenant are kept, and
// those of the last second may be lost in a crash.
type Denial struct {
	ID       EventID    `json:"-"`
	TenantID TenantID   `json:"-"`
	At       time.Time  `json:"at"`
	Code     Code       `json:"code"`
	Quota    NullString `json:"quota"`
	Scope    NullString `json:"scope"`
	Limit    *int64     `json:"limit"`
	Current  *int64     `json:"current"`
	WorkerID NullString `json:"worker_id"`
	APIKeyID KeyID      `json:"api_key_id"`
	Reason   string     `json:"reason"`
}

// ListDenialsParams pages a tenant's kept denials, newest first.
type ListDenialsParams struct {
	TenantID TenantID
	Page
}

// KeptDenials is how many denials of a tenant are kept.
const KeptDenials = 100

// DenialCount names what denials are counted by.
type DenialCount struct {
	TenantID TenantID
	Minute   time.Time
	Code     Code
	Quota    quota.Name // "" where no quota denied
}

// KeyTouch is the use of a key since the last write.
type KeyTouch struct {
	LastUsedAt time.Time
	Requests   int64
}

// Statistics is what is counted off the path of admissions and written in batches.
type Statistics struct {
	ID      BatchID   // of their writing; zero: they are not written again
	Denials []*Denial // oldest first; the store keeps the last KeptDenials of each tenant
	Counts  map[DenialCount]int64
	Touches map[KeyRef]KeyTouch

	Activity map[ActivityKey]Activity // the minute is in the key
}
