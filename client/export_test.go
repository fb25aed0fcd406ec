package client_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/client"
)

func TestExportUsage(t *testing.T) {
	c, ctx := connect(t, serve(t), operatorSecret, nil), t.Context()
	must(c.CreateTenant(ctx, client.CreateTenantParams{Name: "Acme", Slug: "acme"}))(t)
	var events []client.UsageParams
	for i := range 900 {
		events = append(events, client.UsageParams{Meter: "emails", Amount: int64(i)})
	}
	must(c.RecordUsage(ctx, "acme", client.RecordUsageParams{Events: events}))(t)
	var n, total int64
	for e, err := range c.ExportUsage(ctx, "acme", client.ExportUsageParams{Meter: "emails"}) {
		if err != nil {
			t.Fatal(err)
		}
		n, total = n+1, total+e.Amount
	}
	if n != 900 || total != 900*899/2 {
		t.Errorf("%d events come to %d", n, total)
	}
	for range c.ExportUsage(ctx, "acme", client.ExportUsageParams{}) {
		break // and nothing hangs
	}
	for _, err := range c.ExportUsage(ctx, "nobody", client.ExportUsageParams{}) {
		if !errors.Is(err, rentroll.CodeNotFound) {
			t.Errorf("of nobody: %v", err)
		}
	}
	if _, err := c.OpenUsageExport(ctx, "acme", client.ExportUsageParams{}, "xml"); !errors.Is(err, rentroll.CodeValidationFailed) {
		t.Errorf("in a form that there is not: %v", err)
	}
	period := must(c.ListStatements(ctx, "acme"))(t)[0].Period
	if text := must(c.GetStatementCSV(ctx, "acme", period))(t); len(text) == 0 || text[0] != 's' {
		t.Errorf("the statement is %q", text)
	}
}

// TestExportThatBreaksOff: an export that has no end is an error, and so is one on which nothing comes any more.
func TestExportThatBreaksOff(t *testing.T) {
	t.Parallel()
	stuck := make(chan struct{})
	for name, end := range map[string]func(*http.Request){
		"without an end": func(*http.Request) {},
		"stuck":          func(r *http.Request) { <-r.Context().Done(); close(stuck) },
	} {
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Trailer", "Rentroll-Events")
			_, _ = w.Write([]byte(`{"id":"use_01jd7q3gq5f2vvr9b4k1x8ehc2"}` + "\n")) // whoever reads it says what is wrong
			_ = http.NewResponseController(w).Flush()
			end(r)
		}))
		t.Cleanup(web.Close)
		c := connect(t, web.URL, operatorSecret, &client.Options{Timeout: 200e6})
		var n int
		var last error
		for _, err := range c.ExportUsage(context.Background(), "acme", client.ExportUsageParams{}) {
			n, last = n+1, err
		}
		if n != 2 || !errors.Is(last, rentroll.CodeUnavailable) {
			t.Errorf("%s: %d rows, %v", name, n, last)
		}
	}
	<-stuck
}
