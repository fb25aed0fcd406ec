package rentroll

import (
	"context"
	"encoding/json"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// EventType says what an event is about, in two words with a dot between them.
type EventType string

// The types of events.
const (
	// EventThreshold tells that a tenant's use of a quota has reached a threshold of its limit, once in a period. Its
	// data is a ThresholdData.
	EventThreshold EventType = "quota.threshold_reached"
	// EventSoftLimit tells that a tenant's use has gone above a soft limit, once in a period. Its data is a ThresholdData.
	EventSoftLimit EventType = "quota.soft_limit_passed"
)

// Event is something that has happened to a tenant and that somebody should hear of. It is written in the transaction
// of what it tells of.
type Event struct {
	ID       EventID         `json:"id"`
	TenantID TenantID        `json:"tenant_id"`
	Type     EventType       `json:"type"`
	At       time.Time       `json:"at"`
	Data     json.RawMessage `json:"data"` // an object, by the type
}

// ThresholdData is the data of EventThreshold and EventSoftLimit.
type ThresholdData struct {
	Quota       quota.Name `json:"quota"`
	Threshold   *int       `json:"threshold"` // per cent of the limit; nil of EventSoftLimit
	Limit       int64      `json:"limit"`
	Mode        quota.Mode `json:"mode"`         // whether the limit is hard or soft
	Used        int64      `json:"used"`         // without what is reserved
	PeriodStart *time.Time `json:"period_start"` // nil of gauges
	ResetsAt    *time.Time `json:"resets_at"`    // nil of gauges
}

// ListEventsParams pages events, newest first.
type ListEventsParams struct {
	TenantID TenantID // zero is those of all tenants, for operators
	Page
}

// ListEvents lists events, newest first. It needs quota:read.
func (e *Engine) ListEvents(ctx context.Context, p ListEventsParams) (*List[*Event], error) {
	if p.TenantID.IsZero() {
		if err := e.actor.mayOperate(PermQuotaRead); err != nil {
			return nil, err
		}
	} else if err := e.may(p.TenantID, PermQuotaRead); err != nil {
		return nil, err
	}
	var bad problems
	scope := cursorScope("events", p.TenantID.String())
	f := EventFilter{TenantID: p.TenantID}
	f.Limit, f.Before = pageOf[EventID](p.Page, scope, &bad)
	if err := bad.err(); err != nil {
		return nil, err
	}
	out := &List[*Event]{Items: []*Event{}}
	read := func(r Reader) error {
		rows, err := r.ListEvents(ctx, f)
		out.Items = append(out.Items, trim(out, rows, f.Limit, scope, func(e *Event) EventID { return e.ID })...)
		return err
	}
	if p.TenantID.IsZero() {
		return out, e.view(ctx, read)
	}
	return out, e.viewTenant(ctx, p.TenantID, func(r Reader, _ *Account) error { return read(r) })
}
