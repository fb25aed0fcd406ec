package httpapi

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rentroll/rentroll"
)

// usageEvent is one event as callers describe it. All fields are absent where the body is a list of events.
type usageEvent struct {
	Meter    *string        `json:"meter" nullable:"false" pattern:"^[a-z][a-z0-9_.]{0,99}$" example:"documents"`
	Amount   *int64         `json:"amount" nullable:"false" maximum:"1000000000000" example:"3" doc:"From 0; in corrections, and only there, from -1000000000000 to -1"`
	Unit     *string        `json:"unit,omitempty" minLength:"1" maxLength:"50" example:"pages" doc:"Fixed by the meter's first event; default the meter's, count for a new one"`
	Time     *time.Time     `json:"time,omitempty" doc:"Default its arrival; from 35 days back to 5 minutes ahead"`
	WorkerID *string        `json:"worker_id,omitempty" pattern:"^[a-z0-9][a-z0-9._-]{0,99}$"`
	APIKeyID rentroll.KeyID `json:"api_key_id,omitempty" doc:"An API key's own events carry its id"`
	RunID    rentroll.RunID `json:"run_id,omitempty"`
	EventID  *string        `json:"event_id,omitempty" minLength:"1" maxLength:"255" example:"2026-01-31/4711" doc:"An event id counts once. Without one, an event that is sent again counts again"`
	Metadata payload        `json:"metadata,omitempty" doc:"A JSON object of at most 16 KiB, kept as it came"`
	Corrects *string        `json:"corrects,omitempty" minLength:"1" maxLength:"255" doc:"The event id of an event of this meter, of which the amount, less than zero, is taken back. Needs the permission usage:correct; without an event_id of its own a retry takes back again, up to the whole; time, worker, key and run are those of the event"`
}

// empty reports whether no field was given.
func (f *usageEvent) empty() bool {
	return f.Meter == nil && f.Amount == nil && f.Unit == nil && f.Time == nil && f.WorkerID == nil &&
		f.APIKeyID.IsZero() && f.RunID.IsZero() && f.EventID == nil && f.Metadata == nil && f.Corrects == nil
}

// params checks what the engine could not see: that what has no default is there, and that what is there is not taken
// for absent.
func (f *usageEvent) params(at string, bad *fieldErrors) rentroll.UsageParams {
	p := rentroll.UsageParams{
		APIKeyID: f.APIKeyID, RunID: f.RunID, Metadata: json.RawMessage(f.Metadata),
		Unit: bad.word(join(at, "unit"), f.Unit), WorkerID: bad.word(join(at, "worker_id"), f.WorkerID),
		EventID: bad.word(join(at, "event_id"), f.EventID), Corrects: bad.word(join(at, "corrects"), f.Corrects),
	}
	if f.Meter == nil {
		bad.add(join(at, "meter"), "is required")
	} else {
		p.Meter = *f.Meter
	}
	if f.Amount == nil {
		bad.add(join(at, "amount"), "is required")
	} else {
		p.Amount = *f.Amount
	}
	if f.Time != nil {
		p.Time = *f.Time
		if p.Time.Before(time.Unix(0, 0)) {
			p.Time = time.Unix(0, 0) // too old either way, but year 1 would stand for none
		}
	}
	return p
}

// recordUsageBody is one event, or a list of events.
type recordUsageBody struct {
	usageEvent

	Events []usageEvent `json:"events"`
}

// Schema describes the two forms.
func (recordUsageBody) Schema(r huma.Registry) *huma.Schema {
	return oneOrSeveral[usageEvent](r, "events", rentroll.MaxUsageBatch, "One event, or several.")
}

func recordUsage(c *call, p *ofTenantOnce, b *recordUsageBody) (*rentroll.UsageReceipt, error) {
	var bad fieldErrors
	if b.Events == nil {
		one := b.usageEvent.params("", &bad)
		if err := invalid(bad...); err != nil {
			return nil, err
		}
		return recordOne(c, p.Key, one)
	}
	if !b.usageEvent.empty() {
		bad.add("events", "must stand alone, without the fields of a single event")
	}
	events := make([]rentroll.UsageParams, 0, len(b.Events))
	for i := range b.Events {
		events = append(events, b.Events[i].params(fmt.Sprintf("events[%d]", i), &bad))
	}
	if err := invalid(bad...); err != nil {
		return nil, err
	}
	receipt, err := c.engine.RecordUsageBatch(c, rentroll.RecordUsageBatchParams{
		TenantID: c.tenant, Events: events, IdempotencyKey: p.Key,
	})
	if err != nil {
		return nil, err
	}
	c.replayed = receipt.Replayed
	return receipt, nil
}

// recordOne records a single event, whose refusal is the answer itself and no line in a receipt.
func recordOne(c *call, key string, event rentroll.UsageParams) (*rentroll.UsageReceipt, error) {
	receipt, err := c.engine.RecordUsageBatch(c, rentroll.RecordUsageBatchParams{
		TenantID: c.tenant, Events: []rentroll.UsageParams{event}, IdempotencyKey: key,
	})
	if err != nil {
		return nil, err
	}
	if item := receipt.Items[0]; item.Status == rentroll.UsageRejected {
		return nil, &rentroll.Error{Code: rentroll.Code(item.Code), Message: "the event was not recorded", Fields: item.Errors}
	}
	c.replayed = receipt.Replayed
	return receipt, nil
}

type usageSummaryParams struct {
	Tenant string    `path:"tenant"`
	Start  time.Time `query:"start"`
	End    time.Time `query:"end"`
}

func (p usageSummaryParams) tenantRef() string { return p.Tenant }

func getUsage(c *call, p *usageSummaryParams, _ *none) (*rentroll.UsageSummary, error) {
	if err := plausibleRange(c, p.Start, p.End); err != nil {
		return nil, err
	}
	return c.engine.GetUsageSummary(c, rentroll.UsageSummaryParams{TenantID: c.tenant, Start: p.Start, End: p.End})
}

// plausibleRange refuses times that would be taken for none.
func plausibleRange(c *call, start, end time.Time) error {
	given := exchangeOf(c).request.URL.Query()
	var bad fieldErrors
	for name, at := range map[string]time.Time{"start": start, "end": end} {
		if given.Has(name) && (at.Year() < 1970 || at.Year() > 9999) {
			bad.add(name, "must be a time from 1970 to 9999")
		}
	}
	return invalid(bad...)
}
