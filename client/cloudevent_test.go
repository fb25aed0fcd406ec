package client_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/client"
)

func TestRecordCloudEvents(t *testing.T) {
	c, ctx := connect(t, serve(t), operatorSecret, nil), t.Context()
	for _, slug := range []string{"acme", "globex"} {
		must(c.CreateTenant(ctx, client.CreateTenantParams{Name: slug, Slug: slug}))(t)
	}
	events := []client.CloudEvent{
		{ID: "1", Source: "/mailer", Type: "emails", Subject: "acme", Time: time.Now().Add(-time.Hour), Data: json.RawMessage(`{"amount":3,"unit":"mails"}`)},
		{ID: "1", Source: "/mailer", Type: "emails", Subject: "globex"},
		{ID: "2", Source: "/mailer", Type: "emails", Subject: "nobody"},
	}
	for _, want := range []rentroll.UsageStatus{rentroll.UsageRecorded, rentroll.UsageDuplicate} {
		items := must(c.RecordCloudEvents(ctx, events))(t).Items
		if len(items) != 3 || items[0].Status != want || items[1].Status != want || items[2].Code != rentroll.NullString(rentroll.CodeNotFound) {
			t.Errorf("%+v", items)
		}
	}
	sum := must(c.GetUsageSummary(ctx, "acme", client.UsageSummaryParams{Start: time.Now().Add(-2 * time.Hour), End: time.Now().Add(time.Hour)}))(t)
	if m := sum.Meters["emails"]; m.Total != 3 || m.Unit != "mails" || m.Count != 1 {
		t.Errorf("%+v", sum)
	}
	if items := must(c.RecordCloudEvents(ctx, nil))(t).Items; len(items) != 0 {
		t.Errorf("%+v", items)
	}
}
