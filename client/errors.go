package client

import (
	"strings"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

// Error is how every refusal looks. Branch on Code, never on Message.
type Error struct {
	Code      rentroll.Code         `json:"code"`
	Status    int                   `json:"-"`          // of HTTP; 0 where there was no answer
	Message   string                `json:"detail"`     // what happened, for people
	Fields    []rentroll.FieldError `json:"errors"`     // which fields are wrong
	RequestID string                `json:"request_id"` // names the request in the server's log

	// The numbers of a denial by a quota; empty and nil on other errors.
	Quota    quota.Name     `json:"quota"`
	Scope    rentroll.Scope `json:"scope"` // whose limit denied: the tenant's or the API key's own
	Limit    *int64         `json:"limit"`
	Current  *int64         `json:"current"`
	ResetsAt *time.Time     `json:"resets_at"` // when the period ends; nil for quotas without one

	// RetryAfter is how long the server says to wait before trying again; 0 where it does not say.
	RetryAfter time.Duration `json:"-"`

	cause error
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(string(e.Code))
	b.WriteString(": ")
	b.WriteString(e.Message)
	for _, f := range e.Fields {
		b.WriteString("; " + f.Field + " " + f.Message)
	}
	if e.cause != nil {
		b.WriteString(": " + e.cause.Error())
	}
	if e.RequestID != "" {
		b.WriteString(" (request " + e.RequestID + ")")
	}
	return b.String()
}

// Unwrap returns what kept the answer away, if anything did.
func (e *Error) Unwrap() error { return e.cause }

// Is reports whether target is this error's code.
func (e *Error) Is(target error) bool {
	code, ok := target.(rentroll.Code)
	return ok && code == e.Code
}

// As turns the error into the engine's own: a denial by a quota into a *rentroll.QuotaExceededError, everything else
// into a *rentroll.Error.
func (e *Error) As(target any) bool {
	denial := e.Code == rentroll.CodeQuotaExceeded && e.Limit != nil && e.Current != nil
	switch target := target.(type) {
	case **rentroll.QuotaExceededError:
		if !denial {
			return false
		}
		*target = &rentroll.QuotaExceededError{
			Quota: e.Quota, Scope: e.Scope, Limit: *e.Limit, Current: *e.Current, ResetsAt: e.ResetsAt, Message: e.Message,
		}
		return true
	case **rentroll.Error:
		if denial {
			return false
		}
		*target = &rentroll.Error{Code: e.Code, Message: e.Message, Fields: e.Fields}
		return true
	default:
		return false
	}
}
