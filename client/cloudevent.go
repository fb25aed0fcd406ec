package client

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/rentroll/rentroll"
)

// CloudEvent is an event of CloudEvents 1.0 that tells of usage. ID, Source and Type are required; any client of CloudEvents
// can send such events, this one is for programs that need no other.
type CloudEvent struct {
	ID      string          // names the event, together with Source: the pair counts once
	Source  string          // a URI reference
	Type    string          // the meter
	Subject string          // id or slug of the tenant; "" is the calling API key's own
	Time    time.Time       // zero is the arrival
	Data    json.RawMessage // a JSON object with "amount" (default 1) and "unit", the rest is kept as metadata; nil for none
}

// MarshalJSON writes the event in the JSON format of CloudEvents.
func (e CloudEvent) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Version string          `json:"specversion"`
		ID      string          `json:"id"`
		Source  string          `json:"source"`
		Type    string          `json:"type"`
		Subject string          `json:"subject,omitempty"`
		Time    time.Time       `json:"time,omitzero"`
		Data    json.RawMessage `json:"data,omitempty"`
	}{"1.0", e.ID, e.Source, e.Type, e.Subject, e.Time, e.Data})
}

// RecordCloudEvents records up to rentroll.MaxUsageBatch events, for an operator of any tenants. Each is answered for itself,
// in order, and the good ones are stored: an event that is refused is no error.
func (c *Client) RecordCloudEvents(ctx context.Context, events []CloudEvent) (*rentroll.UsageReceipt, error) {
	if events == nil {
		events = []CloudEvent{}
	}
	return send[rentroll.UsageReceipt](ctx, c, &request{
		method: http.MethodPost, path: []string{"v1", "events"}, body: events, media: "application/cloudevents-batch+json",
		repeat: true, // each counts once
	})
}
