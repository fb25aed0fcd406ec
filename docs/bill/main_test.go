package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/client"
	"github.com/rentroll/rentroll/httpapi"
	"github.com/rentroll/rentroll/sqlite"
)

const operatorSecret = "an operator's secret for who bills"

// books is a server with a clock of its own.
type books struct {
	*testing.T
	*client.Client
	now atomic.Pointer[time.Time]
}

func open(t *testing.T, between func(http.Handler) http.Handler) *books {
	t.Helper()
	b := &books{T: t}
	b.at("2026-09-10T12:00:00Z")
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "rentroll.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	engine, err := rentroll.New(store, &rentroll.Options{OperatorSecret: operatorSecret, Now: func() time.Time { return *b.now.Load() }})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(between(httpapi.New(engine, nil)))
	t.Cleanup(func() {
		web.Close()
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	if b.Client, err = client.New(web.URL, operatorSecret, nil); err != nil {
		t.Fatal(err)
	}
	return b
}

// at moves the clock.
func (b *books) at(text string) {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		b.Fatal(err)
	}
	b.now.Store(&t)
}

func (b *books) record(events ...client.UsageParams) {
	b.Helper()
	receipt, err := b.RecordUsage(b.Context(), "acme", client.RecordUsageParams{Events: events})
	if err != nil {
		b.Fatal(err)
	}
	for i, item := range receipt.Items {
		if item.Status != rentroll.UsageRecorded {
			b.Fatalf("event %d is %s: %v", i, item.Status, item.Errors)
		}
	}
}

// live lets acme use things in September and October: with an event that came late but in time, one that came when September
// was billed, corrections of either, and a maximum that rose.
func (b *books) live() {
	b.Helper()
	ctx := b.Context()
	_, err := b.CreateTenant(ctx, client.CreateTenantParams{Name: "Acme", Slug: "acme", Timezone: "Europe/Berlin"})
	if err != nil {
		b.Fatal(err)
	}
	for meter, p := range map[string]client.MeterParams{
		"mails": {Unit: "mails", PriceMicros: new(int64(400_001)), PricePer: 1000},
		"seats": {Unit: "seats", PriceMicros: new(int64(5_000_000)), Aggregation: rentroll.AggregateMax},
		"calls": {PriceMicros: new(int64(7)), Aggregation: rentroll.AggregateCount},
	} {
		if _, err := b.PutMeter(ctx, "acme", meter, p); err != nil {
			b.Fatal(err)
		}
	}
	at := func(text string) time.Time {
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			b.Fatal(err)
		}
		return t
	}
	b.record(
		client.UsageParams{Meter: "mails", Amount: 1234, EventID: "m1"}, client.UsageParams{Meter: "mails", Amount: 900, EventID: "m2"},
		client.UsageParams{Meter: "seats", Amount: 4}, client.UsageParams{Meter: "calls", Amount: 1}, client.UsageParams{Meter: "free", Amount: 77},
	)
	b.at("2026-10-02T08:00:00Z") // October, and September's statement still takes what is of September
	b.record(
		client.UsageParams{Meter: "mails", Amount: 50, Time: at("2026-09-30T20:00:00Z")},
		client.UsageParams{Meter: "mails", Amount: -34, Corrects: "m1", EventID: "c1"},
		client.UsageParams{Meter: "seats", Amount: 5}, client.UsageParams{Meter: "calls", Amount: 1}, client.UsageParams{Meter: "calls", Amount: 1},
	)
	b.at("2026-10-09T08:00:00Z") // September is billed
	b.record(
		client.UsageParams{Meter: "mails", Amount: 600, Time: at("2026-09-29T20:00:00Z")},
		client.UsageParams{Meter: "mails", Amount: -900, Corrects: "m2", EventID: "c2"},
		client.UsageParams{Meter: "seats", Amount: 6, Time: at("2026-09-29T20:00:00Z")},
		client.UsageParams{Meter: "mails", Amount: 2001},
	)
	b.at("2026-11-02T08:00:00Z") // October is over, and its statement still open
}

// TestBill bills two months, each from its statement and from its events.
func TestBill(t *testing.T) {
	b := open(t, func(h http.Handler) http.Handler { return h })
	b.live()
	for period, want := range map[string]string{
		"2026-09-01": `
      period  meter  quantity   unit  events     amount
  2026-09-01  calls         1  count       1   0.000007
  2026-09-01   free        77  count       1   0.000000
  2026-09-01  mails      2150  mails       4   0.860002
  2026-09-01  seats         4  seats       1  20.000000
              total                        7  20.860009

Statement and events agree. It is final.
`,
		"2026-10-01": `
      period  meter  quantity   unit  events     amount
  2026-10-01  calls         2  count       2   0.000014
  2026-10-01  mails      2001  mails       1   0.800402
  2026-10-01  seats         5  seats       1  25.000000
  2026-09-01  mails      -300  mails       2  -0.120000
  2026-09-01  seats         2  seats       1  10.000000
              total                        7  35.680416

Statement and events agree. It is not final yet: more may come.
`,
	} {
		var out strings.Builder
		if err := bill(t.Context(), b.Client, "acme", period, &out); err != nil {
			t.Fatal(err)
		}
		if got := strings.ReplaceAll(out.String(), "  \n", "\n"); got != want[1:] {
			t.Errorf("the bill of %s:\n%s\nwant\n%s", period, got, want)
		}
	}
}

// TestBillNotices: statement and events that differ are not billed.
func TestBillNotices(t *testing.T) {
	var from, to string
	b := open(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.ServeHTTP(&forger{ResponseWriter: w, from: from, to: to}, r)
		})
	})
	b.live()
	for _, forged := range [][2]string{
		{`"mails","amount":1234,`, `"mails","amount":1235,`},
		{`"calls","amount":1,`, `"calls","amount":2,`},
		{`"free","amount":77`, `"none","amount":77`},
		{",860002", ",860003"},
		{",2150,mails,4", ",2150,mails,5"},
	} {
		from, to = forged[0], forged[1]
		if err := bill(context.Background(), b.Client, "acme", "2026-09-01", &strings.Builder{}); err == nil {
			t.Errorf("%q for %q is billed", to, from)
		}
	}
}

// forger changes what a server says, without changing its length.
type forger struct {
	http.ResponseWriter
	from, to string
}

// Write writes something else.
func (f *forger) Write(p []byte) (int, error) {
	if f.from == "" {
		return f.ResponseWriter.Write(p)
	}
	return f.ResponseWriter.Write([]byte(strings.ReplaceAll(string(p), f.from, f.to)))
}
