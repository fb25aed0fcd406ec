package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

type eventCmd struct {
	Remote

	List eventList `cmd:"" help:"List what has happened, newest first: thresholds reached, soft limits passed."`
}

type eventList struct {
	Tenant string `arg:"" optional:"" help:"Its id or slug, or me for the tenant of the API key. Default: all tenants, for operators."`
	Paging
}

// Run lists the events.
func (c *eventList) Run(ctx context.Context, s *session) error {
	return list(s, c.Paging, func(page rentroll.Page) (*rentroll.List[*rentroll.Event], error) {
		if c.Tenant == "" {
			return s.api.ListPlatformEvents(ctx, page)
		}
		return s.api.ListEvents(ctx, c.Tenant, page)
	}, []column[*rentroll.Event]{
		{"at", false, func(e *rentroll.Event) string { return s.ago(e.At) }},
		{"tenant", false, func(e *rentroll.Event) string { return e.TenantID.String() }},
		{"type", false, func(e *rentroll.Event) string { return string(e.Type) }},
		{"what", false, eventText},
	})
}

// eventText says what an event is about, as far as this program knows.
func eventText(e *rentroll.Event) string {
	var data rentroll.ThresholdData
	if json.Unmarshal(e.Data, &data) != nil || data.Quota == "" {
		return clip(string(e.Data), 80)
	}
	text := fmt.Sprintf("%s: %s of %s", data.Quota, number(data.Used), number(data.Limit))
	if data.Threshold != nil {
		text += fmt.Sprintf(", %d %%", *data.Threshold)
	}
	if data.Mode == quota.Soft {
		text += ", soft"
	}
	return text
}
