package httpapi

import (
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rentroll/rentroll"
)

// consumeItem is something to use up, as callers describe it. All fields are absent where the body is a list.
type consumeItem struct {
	Meter    *string        `json:"meter" nullable:"false" pattern:"^[a-z][a-z0-9_.]{0,99}$" example:"emails_sent"`
	Amount   *int64         `json:"amount,omitempty" minimum:"1" maximum:"1000000000000" example:"1" doc:"Default 1"`
	Unit     *string        `json:"unit,omitempty" minLength:"1" maxLength:"50" example:"emails" doc:"Fixed by the meter's first event; default the meter's, count for a new one"`
	WorkerID *string        `json:"worker_id,omitempty" pattern:"^[a-z0-9][a-z0-9._-]{0,99}$"`
	APIKeyID rentroll.KeyID `json:"api_key_id,omitempty" doc:"An API key's own events carry its id"`
	EventID  *string        `json:"event_id,omitempty" minLength:"1" maxLength:"255" example:"2026-01-31/4711" doc:"An event id counts once. Without one, what is sent again counts again"`
	Metadata payload        `json:"metadata,omitempty" doc:"A JSON object of at most 16 KiB, kept as it came"`
}

func (f *consumeItem) empty() bool {
	return f.Meter == nil && f.Amount == nil && f.Unit == nil && f.WorkerID == nil && f.APIKeyID.IsZero() && f.EventID == nil && f.Metadata == nil
}

// item checks what the engine could not see.
func (f *consumeItem) item(at string, bad *fieldErrors) rentroll.ConsumeItem {
	in := rentroll.ConsumeItem{
		APIKeyID: f.APIKeyID, Metadata: json.RawMessage(f.Metadata), Unit: bad.word(join(at, "unit"), f.Unit),
		WorkerID: bad.word(join(at, "worker_id"), f.WorkerID), EventID: bad.word(join(at, "event_id"), f.EventID),
		Amount: bad.number(join(at, "amount"), f.Amount, 1, maxAmount),
	}
	if f.Meter == nil {
		bad.add(join(at, "meter"), "is required")
	} else {
		in.Meter = *f.Meter
	}
	return in
}

// consumeBody is one item, or a list of items.
type consumeBody struct {
	consumeItem

	Items []consumeItem `json:"items"`
}

// Schema describes the two forms.
func (consumeBody) Schema(r huma.Registry) *huma.Schema {
	item := r.Schema(reflect.TypeFor[consumeItem](), true, "")
	low, high := 1, rentroll.MaxConsume
	several := &huma.Schema{
		Type: huma.TypeObject, Required: []string{"items"}, AdditionalProperties: false,
		Properties: map[string]*huma.Schema{
			"items": {Type: huma.TypeArray, Items: item, MinItems: &low, MaxItems: &high},
		},
	}
	return &huma.Schema{Description: "One thing to use up, or several.", OneOf: []*huma.Schema{item, several}}
}

func consume(c *call, p *ofTenantOnce, b *consumeBody) (*rentroll.Consumption, error) {
	var bad fieldErrors
	asked := rentroll.ConsumeParams{TenantID: c.tenant, IdempotencyKey: p.Key}
	switch {
	case b.Items == nil:
		asked.Items = []rentroll.ConsumeItem{b.consumeItem.item("", &bad)}
	case !b.consumeItem.empty():
		bad.add("items", "must stand alone, without the fields of a single item")
	}
	for i := range b.Items {
		asked.Items = append(asked.Items, b.Items[i].item(fmt.Sprintf("items[%d]", i), &bad))
	}
	if err := invalid(bad...); err != nil {
		return nil, err
	}
	out, err := c.engine.Consume(c, asked)
	if err != nil {
		return nil, err
	}
	c.replayed = out.Replayed
	return out, nil
}
