package rentroll

import (
	"errors"
	"fmt"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// Code says in one stable word why an operation did not happen. It is part of the API: callers branch on codes, never
// on messages. A Code is itself an error, so that errors.Is(err, rentroll.CodeNotFound) reads well.
type Code string

// The codes of the engine. The HTTP API shows them unchanged.
const (
	CodeMalformedRequest     Code = "malformed_request"
	CodeUnauthenticated      Code = "unauthenticated"
	CodeForbidden            Code = "forbidden"
	CodeTenantSuspended      Code = "tenant_suspended"
	CodeTenantTerminated     Code = "tenant_terminated"
	CodeWorkerNotAllowed     Code = "worker_not_allowed"
	CodeWorkerDisabled       Code = "worker_disabled"
	CodeNotFound             Code = "not_found"
	CodeMethodNotAllowed     Code = "method_not_allowed"
	CodeAlreadyExists        Code = "already_exists"
	CodeInvalidTransition    Code = "invalid_transition"
	CodeRunAlreadyEnded      Code = "run_already_ended"
	CodeLastOwner            Code = "last_owner"
	CodePreconditionFailed   Code = "precondition_failed"
	CodePayloadTooLarge      Code = "payload_too_large"
	CodeUnsupportedMediaType Code = "unsupported_media_type"
	CodeValidationFailed     Code = "validation_failed"
	CodeUnknownPlan          Code = "unknown_plan"
	CodeIdempotencyMismatch  Code = "idempotency_mismatch"
	CodeUnitMismatch         Code = "unit_mismatch"
	CodeEventTooOld          Code = "event_too_old"
	CodeEventIDConflict      Code = "event_id_conflict"
	CodeQuotaExceeded        Code = "quota_exceeded"
	CodeRateLimited          Code = "rate_limited"
	CodeOverloaded           Code = "overloaded"
	CodeUnavailable          Code = "unavailable"
	CodeInternal             Code = "internal"
)

// Error makes a Code usable as the target of errors.Is.
func (c Code) Error() string { return string(c) }

// FieldError says what is wrong with one field of a request. Field is the name the caller used, with a path for nested
// ones ("events[3].amount").
type FieldError struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

// Error is how every refusal of the engine looks, quota denials excepted (see QuotaExceededError). Message is written
// for the caller and never holds a secret or another tenant's data; what only the log needs is in the wrapped cause.
type Error struct {
	Code    Code
	Message string
	Fields  []FieldError // which fields are wrong, for CodeValidationFailed and its kin
	cause   error
}

func (e *Error) Error() string {
	s := string(e.Code) + ": " + e.Message
	if len(e.Fields) > 0 {
		s += fmt.Sprintf(" (%s: %s)", e.Fields[0].Field, e.Fields[0].Message)
	}
	if e.cause != nil {
		s += ": " + e.cause.Error()
	}
	return s
}

// Unwrap returns what caused the error, if anything did.
func (e *Error) Unwrap() error { return e.cause }

// Is reports whether target is this error's Code.
func (e *Error) Is(target error) bool {
	code, ok := target.(Code)
	return ok && code == e.Code
}

// Scope says whose limit denied: the tenant's, the API key's own, or that of the run's subject.
type Scope string

// The scopes of a limit.
const (
	ScopeTenant  Scope = "tenant"
	ScopeKey     Scope = "key"
	ScopeSubject Scope = "subject"
)

// QuotaExceededError is a denial by a hard limit. Nothing was consumed.
type QuotaExceededError struct {
	Quota    quota.Name
	Scope    Scope
	Limit    int64        // the limit in force at the decision
	Current  int64        // what stood against it; for tokens: used + reserved
	ResetsAt *time.Time   // when the period ends; nil for gauges, which have none
	Message  string       // one sentence for people
	Fields   []FieldError // of a group of runs: which of them did not fit
}

func (e *QuotaExceededError) Error() string {
	return fmt.Sprintf("%s: %s", CodeQuotaExceeded, e.Message)
}

// Is reports whether target is CodeQuotaExceeded.
func (e *QuotaExceededError) Is(target error) bool { return target == error(CodeQuotaExceeded) }

// CodeOf returns the code of err: that of the *Error or *QuotaExceededError in its chain, CodeUnavailable and
// CodeInternal for failures that are not the caller's, "" for nil.
func CodeOf(err error) Code {
	var e *Error
	var q *QuotaExceededError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &q):
		return CodeQuotaExceeded
	case errors.As(err, &e):
		return e.Code
	case isUnavailable(err):
		return CodeUnavailable
	default:
		return CodeInternal
	}
}

func errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

func notFound(what string) *Error { return errorf(CodeNotFound, "%s not found", what) }

// problems gathers what is wrong with a request, field by field, so that one answer names all of it.
type problems []FieldError

func (p *problems) add(field, message string) {
	if message != "" {
		*p = append(*p, FieldError{Field: field, Message: message})
	}
}

func (p *problems) amount(field string, v int64) { p.between(field, v, 0, maxAmount) }

func (p *problems) between(field string, v, low, high int64) {
	if v < low || v > high {
		p.add(field, fmt.Sprintf("must be between %d and %d", low, high))
	}
}

// err returns nil where nothing was wrong.
func (p problems) err() error {
	if len(p) == 0 {
		return nil
	}
	return &Error{Code: CodeValidationFailed, Message: "the request is not valid", Fields: p}
}
