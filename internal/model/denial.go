package model

import (
	"slices"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// Denials are what denials are counted by: every refusal of more use because of a rule, whatever operation asked for it.
type Denials struct {
	Tenant Ref        `json:"tenant"`
	Minute time.Time  `json:"minute"`
	Code   string     `json:"code"`
	Quota  quota.Name `json:"quota"`
}

// denies counts a refusal, once it is known, where it is a denial.
func (w *World) denies(id Ref, now time.Time, bad **Refusal) {
	rules := []string{QuotaExceeded, TenantSuspended, TenantTerminated, Forbidden, WorkerNotAllowed, WorkerDisabled}
	if r := *bad; r != nil && slices.Contains(rules, r.Code) {
		w.denied[Denials{id, now.Truncate(time.Minute), r.Code, r.Quota}]++
	}
}

// Denied says how many denials there were.
func (w *World) Denied() map[Denials]int64 { return w.denied }
