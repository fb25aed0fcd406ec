package model

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// Ref names a tenant, user, key or run. Zero is none.
type Ref int

// Program is the caller that may do everything.
const Program Ref = 0

// The codes of refusals, as the rules spell them.
const (
	Unauthenticated     = "unauthenticated"
	Forbidden           = "forbidden"
	TenantSuspended     = "tenant_suspended"
	TenantTerminated    = "tenant_terminated"
	WorkerNotAllowed    = "worker_not_allowed"
	WorkerDisabled      = "worker_disabled"
	NotFound            = "not_found"
	AlreadyExists       = "already_exists"
	InvalidTransition   = "invalid_transition"
	RunAlreadyEnded     = "run_already_ended"
	LastOwner           = "last_owner"
	ValidationFailed    = "validation_failed"
	UnknownPlan         = "unknown_plan"
	IdempotencyMismatch = "idempotency_mismatch"
	UnitMismatch        = "unit_mismatch"
	EventTooOld         = "event_too_old"
	EventIDConflict     = "event_id_conflict"
	QuotaExceeded       = "quota_exceeded"
)

// Refusal is why an operation did not happen. All but Code is for quota_exceeded.
type Refusal struct {
	Code     string     `json:"code"`
	Quota    quota.Name `json:"quota,omitempty"`
	Scope    string     `json:"scope,omitempty"`
	Limit    int64      `json:"limit,omitempty"`
	Current  int64      `json:"current,omitempty"`
	ResetsAt *time.Time `json:"resets_at,omitempty"`
	Run      string     `json:"run,omitempty"` // of a group: which did not fit, as "runs[3]"
}

func refuse(code string) *Refusal { return &Refusal{Code: code} }

// World is a platform. The zero value is not ready; see New.
type World struct {
	tenants map[Ref]*tenant
	users   map[Ref]*user
	plans   map[string]PlanView
	keys    map[Ref]*key
	runs    map[Ref]*run
	once    map[onceKey]onceRecord
	meters  map[string]MeterDef
	prices  map[string][]price
	audit   []string  // of the platform
	last    time.Time // the latest now of any change of the platform
	denied  map[Denials]int64

	// At is when the operations are done that are called next: the time that idempotency records are given.
	At time.Time
}

// New returns the platform of an empty database.
func New() *World {
	w := &World{
		tenants: map[Ref]*tenant{}, users: map[Ref]*user{}, plans: map[string]PlanView{},
		keys: map[Ref]*key{}, runs: map[Ref]*run{}, once: map[onceKey]onceRecord{},
		meters: map[string]MeterDef{}, prices: map[string][]price{}, denied: map[Denials]int64{},
	}
	builtin := func(name string, workers, runs, concurrent, tokens, keys int64) {
		w.plans[name] = PlanView{Name: name, Limits: quota.Limits{
			quota.Workers: quota.Of(workers), quota.RunsPerDay: quota.Of(runs), quota.ConcurrentRuns: quota.Of(concurrent),
			quota.TokensPerMonth: quota.Of(tokens), quota.APIKeys: quota.Of(keys),
		}}
	}
	builtin("free", 3, 100, 5, 1_000_000, 5)
	builtin("pro", 10, 1_000, 20, 10_000_000, 20)
	builtin("enterprise", 100, 100_000, 100, 1_000_000_000, 100)
	return w
}

// changed takes note of a change of the platform, and returns its now: never earlier
// than the latest it has seen.
func (w *World) changed(now time.Time, action string) time.Time {
	if now.Before(w.last) {
		now = w.last
	}
	w.last = now
	w.audit = append(w.audit, action)
	return now
}

// onceKey is the scope of an idempotency key; the tenant is 0 for the platform.
type onceKey struct {
	tenant    Ref
	operation string
	key       string
}

type onceRecord struct {
	params string
	result any
	at     time.Time
}

// before finds what an idempotency key stands for: nothing yet, an earlier result,
// or another request.
func (w *World) before(k onceKey, params any) (result any, done bool, bad *Refusal) {
	record, known := w.once[k]
	switch {
	case k.key == "" || !known:
		return nil, false, nil
	case record.params != text(params):
		return nil, false, refuse(IdempotencyMismatch)
	default:
		return record.result, true, nil
	}
}

func (w *World) remember(k onceKey, params, result any) {
	if k.key != "" {
		w.once[k] = onceRecord{text(params), result, w.At}
	}
}

// text is one text for equal parameters.
func text(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("model: parameters without a JSON form: %v", err))
	}
	return string(data)
}

const maxAmount = 1_000_000_000_000

func amounts(values ...int64) bool {
	for _, v := range values {
		if v < 0 || v > maxAmount {
			return false
		}
	}
	return true
}
