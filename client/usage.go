package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/rentroll/rentroll"
)

// UsageParams describes one event to record. Meter and Amount are required.
type UsageParams struct {
	Meter    string          `json:"meter"`
	Amount   int64           `json:"amount"`
	Unit     string          `json:"unit,omitempty"` // "" is the meter's unit, "count" for a new meter
	Time     time.Time       `json:"time,omitzero"`  // zero is the arrival
	WorkerID string          `json:"worker_id,omitempty"`
	APIKeyID rentroll.KeyID  `json:"api_key_id,omitzero"`
	RunID    rentroll.RunID  `json:"run_id,omitzero"`
	EventID  string          `json:"event_id,omitempty"` // an event id counts once
	Metadata json.RawMessage `json:"metadata,omitempty"` // a JSON object; nil for none
	Corrects string          `json:"corrects,omitempty"` // the event id of what Amount, then less than zero, is taken back of
}

// RecordUsageParams records up to rentroll.MaxUsageBatch events. Each is answered for itself and the good ones are
// stored.
type RecordUsageParams struct {
	Events         []UsageParams `json:"events"`
	IdempotencyKey string        `json:"-"` // "" is one of the client's own
}

// UsageSummaryParams asks for the totals of [Start, End). Zero times stand for the current billing month so far.
type UsageSummaryParams struct {
	Start, End time.Time
}

// RecordUsage records events. An event that is refused is no error: see the receipt.
func (c *Client) RecordUsage(ctx context.Context, tenant string, p RecordUsageParams) (*rentroll.UsageReceipt, error) {
	return create(ctx, c, p.IdempotencyKey, p, func(r *rentroll.UsageReceipt) *bool { return &r.Replayed },
		"v1", "tenants", tenant, "usage")
}

// ConsumeItem is something that a tenant wants to use up. Meter is required.
type ConsumeItem struct {
	Meter    string          `json:"meter"`
	Amount   int64           `json:"amount,omitempty"` // 0 is 1
	Unit     string          `json:"unit,omitempty"`   // "" is the meter's unit, "count" for a new meter
	WorkerID string          `json:"worker_id,omitempty"`
	APIKeyID rentroll.KeyID  `json:"api_key_id,omitzero"`
	EventID  string          `json:"event_id,omitempty"` // an event id counts once
	Metadata json.RawMessage `json:"metadata,omitempty"` // a JSON object; nil for none
}

// ConsumeParams asks for up to rentroll.MaxConsume items, all or none.
type ConsumeParams struct {
	Items          []ConsumeItem `json:"items"`
	IdempotencyKey string        `json:"-"` // "" is one of the client's own
}

// Consume checks the quotas on the items' meters and records the items, all of them or none. A denial is a
// *rentroll.QuotaExceededError.
func (c *Client) Consume(ctx context.Context, tenant string, p ConsumeParams) (*rentroll.Consumption, error) {
	return create(ctx, c, p.IdempotencyKey, p, func(r *rentroll.Consumption) *bool { return &r.Replayed }, "v1", "tenants", tenant, "consume")
}

// GetUsageSummary adds up a tenant's usage per meter.
func (c *Client) GetUsageSummary(ctx context.Context, tenant string, p UsageSummaryParams) (*rentroll.UsageSummary, error) {
	return send[rentroll.UsageSummary](ctx, c, &request{
		method: http.MethodGet, path: []string{"v1", "tenants", tenant, "usage"},
		query: url.Values(query{}.set("start", instant(p.Start)).set("end", instant(p.End))),
	})
}

func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
