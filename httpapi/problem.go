package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

// errorsPage is where /docs explains the codes; a problem's type is this page with the code as its fragment.
const errorsPage = "/docs/errors"

// problemType is the media type of every answer that is not a success.
const problemType = "application/problem+json"

// outcome is how one code looks over HTTP, and what /docs says of it.
type outcome struct {
	code   rentroll.Code
	status int
	title  string
	help   string
}

// outcomes is the one map from codes to answers, in the order in which /docs lists them.
var outcomes = []outcome{
	{
		rentroll.CodeMalformedRequest, http.StatusBadRequest, "Malformed request",
		"The request is not what HTTP or JSON allow: broken JSON, a name twice in one object, invalid UTF-8, two different credentials. Repeating it will fail again.",
	},
	{
		rentroll.CodeUnauthenticated, http.StatusUnauthorized, "Not authenticated",
		"There is no credential, or it is good for nobody: mistyped, revoked or expired. Which of these is not said.",
	},
	{
		rentroll.CodeForbidden, http.StatusForbidden, "Not allowed",
		"The credential is good, but not for this: the operation needs an operator key, or a permission that the caller lacks.",
	},
	{
		rentroll.CodeTenantSuspended, http.StatusForbidden, "Tenant suspended",
		"The tenant is suspended. Its keys may still read, heartbeat, complete and cancel runs and write usage; nothing new begins.",
	},
	{
		rentroll.CodeTenantTerminated, http.StatusForbidden, "Tenant terminated",
		"The tenant has ended. For 24 hours its keys may still complete runs, so that work done is billed.",
	},
	{
		rentroll.CodeWorkerNotAllowed, http.StatusForbidden, "Worker not allowed",
		"The API key may run other workers only: see its allowed_workers.",
	},
	{
		rentroll.CodeWorkerDisabled, http.StatusForbidden, "Worker disabled",
		"The worker was disabled for this tenant. Enable it, or run another one.",
	},
	{
		rentroll.CodeNotFound, http.StatusNotFound, "Not found",
		"There is no such thing, or the caller may not know of it: these two are never told apart.",
	},
	{
		rentroll.CodeMethodNotAllowed, http.StatusMethodNotAllowed, "Method not allowed",
		"The path exists, but not with this method. The header Allow lists those it has.",
	},
	{
		rentroll.CodeAlreadyExists, http.StatusConflict, "Already exists",
		"A value that must be unique is taken: errors names the field.",
	},
	{
		rentroll.CodeInvalidTransition, http.StatusConflict, "Invalid transition",
		"The object is not in a state from which this is possible. Read it, then decide.",
	},
	{
		rentroll.CodeRunAlreadyEnded, http.StatusConflict, "Run already ended",
		"The run has ended with another result. An equal completion would have been answered with the run as it is stored.",
	},
	{
		rentroll.CodeLastOwner, http.StatusConflict, "Last owner",
		"A tenant keeps at least one owner. Make another member owner first.",
	},
	{
		rentroll.CodePreconditionFailed, http.StatusPreconditionFailed, "Precondition failed",
		"The object has changed since the ETag in If-Match was given out. Read it again, and repeat the change on what it is now.",
	},
	{
		rentroll.CodePayloadTooLarge, http.StatusRequestEntityTooLarge, "Payload too large",
		"The body is larger than the server takes, which is 1 MiB unless its operator says otherwise.",
	},
	{
		rentroll.CodeUnsupportedMediaType, http.StatusUnsupportedMediaType, "Unsupported media type",
		"A body must come as application/json, in UTF-8 and not compressed.",
	},
	{
		rentroll.CodeValidationFailed, http.StatusUnprocessableEntity, "Validation failed",
		"The request is well-formed, but a value in it is not valid: errors names each field as the caller wrote it. Nothing has changed.",
	},
	{
		rentroll.CodeUnknownPlan, http.StatusUnprocessableEntity, "Unknown plan",
		"There is no plan of this name. Names of plans are case-sensitive.",
	},
	{
		rentroll.CodeIdempotencyMismatch, http.StatusUnprocessableEntity, "Idempotency key reused",
		"The Idempotency-Key was used before for the same operation with other parameters. A new request needs a new key.",
	},
	{
		rentroll.CodeUnitMismatch, http.StatusUnprocessableEntity, "Unit mismatch",
		"The unit of a meter is fixed by its first event, and this event has another one.",
	},
	{
		rentroll.CodeEventTooOld, http.StatusUnprocessableEntity, "Event too old",
		"The time of the event is further back than events are accepted.",
	},
	{
		rentroll.CodeEventIDConflict, http.StatusUnprocessableEntity, "Event id conflict",
		"An event with this event_id and other content was recorded before.",
	},
	{
		rentroll.CodeQuotaExceeded, http.StatusTooManyRequests, "Quota exceeded",
		"A hard limit denies this; nothing was consumed. quota, scope, limit and current say which limit it is and how it stands; resets_at and Retry-After say when it may be worth trying again, where waiting helps at all.",
	},
	{
		rentroll.CodeRateLimited, http.StatusTooManyRequests, "Rate limited",
		"The API key makes requests faster than its rate limit allows. Wait for as long as Retry-After says.",
	},
	{
		rentroll.CodeOverloaded, http.StatusTooManyRequests, "Overloaded",
		"Too many changes of this tenant are waiting to be written. Nothing of this request was done; try again after a second.",
	},
	{
		rentroll.CodeInternal, http.StatusInternalServerError, "Internal error",
		"The server has a fault. Its log has an entry under the request_id.",
	},
	{
		rentroll.CodeUnavailable, http.StatusServiceUnavailable, "Unavailable",
		"The server can't do this now: its database is away or slow, or it is stopping. Where a change was asked for it may have happened: repeat it with the same Idempotency-Key.",
	},
}

// outcomeOf returns how a code looks; one that is not in the list is a fault of the server.
func outcomeOf(code rentroll.Code) outcome {
	for _, o := range outcomes {
		if o.code == code {
			return o
		}
	}
	return outcomeOf(rentroll.CodeInternal)
}

// problem is an RFC 9457 problem: the body of every answer that is not a success.
type problem struct {
	Type      string                `json:"type" doc:"Where the code is explained: a reference relative to the server" example:"/docs/errors#quota_exceeded"`
	Title     string                `json:"title" doc:"The code in words" example:"Quota exceeded"`
	Status    int                   `json:"status" doc:"The HTTP status" example:"429"`
	Detail    string                `json:"detail" doc:"What happened, for people; never to be parsed" example:"the tenant's quota runs_per_day is used up: limit 100, current 100"`
	Code      rentroll.Code         `json:"code" doc:"What happened, for programs: branch on this"`
	RequestID string                `json:"request_id" doc:"Names the request in the server's log" example:"01JD7Q3GQ5"`
	Errors    []rentroll.FieldError `json:"errors,omitempty" nullable:"false" doc:"Which fields are wrong, as the caller spelled them"`

	// The numbers of a denial by a quota.
	Quota    quota.Name     `json:"quota,omitempty" doc:"On a denial: the quota that denied"`
	Scope    rentroll.Scope `json:"scope,omitempty" doc:"On a denial: whose limit it is"`
	Limit    *int64         `json:"limit,omitempty" doc:"On a denial: the limit in force"`
	Current  *int64         `json:"current,omitempty" doc:"On a denial: what stood against it; for tokens used and reserved"`
	ResetsAt *resetTime     `json:"resets_at,omitempty" doc:"On a denial: when the period ends; null for quotas without one"`

	header http.Header
}

// problem is what huma lets a handler return to say status, headers and body of an answer.
var (
	_ huma.StatusError       = (*problem)(nil)
	_ huma.HeadersError      = (*problem)(nil)
	_ huma.ContentTypeFilter = (*problem)(nil)
)

func (p *problem) Error() string { return string(p.Code) + ": " + p.Detail }

// GetStatus returns the HTTP status.
func (p *problem) GetStatus() int { return p.Status }

// GetHeaders returns the headers that belong to the problem.
func (p *problem) GetHeaders() http.Header { return p.header }

// ContentType says that this is no ordinary JSON.
func (p *problem) ContentType(string) string { return problemType }

// resetTime is an instant that is null where there is none, in a member that is left out where it does not belong.
type resetTime struct{ at *time.Time }

// MarshalJSON writes the instant, or null.
func (r *resetTime) MarshalJSON() ([]byte, error) { return json.Marshal(r.at) }

// problemOf turns an error into the answer that the caller gets. What only the log should know stays in the error.
func problemOf(err error, now time.Time) *problem {
	code := rentroll.CodeOf(err)
	gaveUp := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	if gaveUp && code == rentroll.CodeInternal {
		code = rentroll.CodeUnavailable
	}
	o := outcomeOf(code)
	p := &problem{
		Type: errorsPage + "#" + string(o.code), Title: o.title, Status: o.status, Code: o.code, Detail: o.help,
		header: http.Header{},
	}
	var denied *rentroll.QuotaExceededError
	var refused *rentroll.Error
	switch {
	case errors.As(err, &denied):
		p.deny(denied, now)
	case o.code == rentroll.CodeInternal:
		p.Detail = "the server has a fault; its log has an entry under the request_id"
	case gaveUp:
		p.Detail = "the request took too long and was given up; where it asks for a change, that may have happened"
	case errors.As(err, &refused):
		p.Detail, p.Errors = refused.Message, spelled(refused.Fields)
	}
	switch o.code {
	case rentroll.CodeUnavailable, rentroll.CodeOverloaded:
		p.header.Set("Retry-After", "1")
	case rentroll.CodeUnauthenticated:
		p.header.Set("WWW-Authenticate", "Bearer")
	default:
	}
	return p
}

// deny adds the numbers of a denial, and when it is worth trying again: at the end of the period, soon where runs end
// all the time, and never on its own where somebody must first give something up.
func (p *problem) deny(d *rentroll.QuotaExceededError, now time.Time) {
	p.Detail, p.Quota, p.Scope = d.Message, d.Quota, d.Scope
	if d.Fields != nil {
		p.Errors = spelled(d.Fields)
	}
	p.Limit, p.Current, p.ResetsAt = &d.Limit, &d.Current, &resetTime{d.ResetsAt}
	switch {
	case d.ResetsAt != nil:
		seconds := (d.ResetsAt.Sub(now) + time.Second - 1) / time.Second
		p.header.Set("Retry-After", strconv.FormatInt(int64(max(seconds, 1)), 10))
	case d.Quota == quota.ConcurrentRuns:
		p.header.Set("Retry-After", "1")
	}
}

// spelled names fields as HTTP callers write them.
func spelled(fields []rentroll.FieldError) []rentroll.FieldError {
	out := make([]rentroll.FieldError, 0, len(fields))
	for _, f := range fields {
		switch f.Field {
		case "idempotency_key":
			f.Field = idempotencyHeader
		case "for_user":
			f.Field = userHeader
		}
		out = append(out, f)
	}
	return out
}

// The errors that HTTP itself gives rise to are the engine's own type, so that there is one map to answers.

func malformed(message string, fields ...rentroll.FieldError) error {
	return &rentroll.Error{Code: rentroll.CodeMalformedRequest, Message: message, Fields: fields}
}

func notFound(what string) error {
	return &rentroll.Error{Code: rentroll.CodeNotFound, Message: what + " not found"}
}

// invalid refuses fields. It returns nil where there are none.
func invalid(fields ...rentroll.FieldError) error {
	if len(fields) == 0 {
		return nil
	}
	return &rentroll.Error{Code: rentroll.CodeValidationFailed, Message: "the request is not valid", Fields: fields}
}
