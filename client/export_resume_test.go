package client_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/rentroll/rentroll/client"
)

// relay is a proxy as there are many: it passes no trailers on, and some of its connections break off.
type relay struct {
	whole atomic.Bool // nothing breaks off
	most  int         // bytes of an answer until it breaks off
	asked atomic.Int64
}

// start returns the relay's URL before a server.
func (r *relay) start(t *testing.T, server string) string {
	t.Helper()
	target, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(target) },
		ModifyResponse: func(res *http.Response) error {
			body := res.Body
			res.Trailer = nil
			res.Body = struct {
				io.Reader
				io.Closer
			}{r.cut(body), body}
			return nil
		},
		ErrorLog:     log.New(io.Discard, "", 0),
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.asked.Add(1)
		proxy.ServeHTTP(w, req)
	}))
	t.Cleanup(web.Close)
	return web.URL
}

// cut breaks an answer off, in the middle of a line more often than not.
func (r *relay) cut(body io.Reader) io.Reader {
	if r.whole.Load() {
		return io.MultiReader(body) // which hides what else the body is
	}
	return io.MultiReader(io.LimitReader(body, int64(r.most)), brokenOff{})
}

type brokenOff struct{}

// Read fails.
func (brokenOff) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// exported fills a tenant and returns a client of it through the relay, and all events as both forms should have them.
func exported(t *testing.T, r *relay) (c *client.Client, lines, rows string) {
	t.Helper()
	server := serve(t)
	direct, ctx := connect(t, server, operatorSecret, nil), t.Context()
	must(direct.CreateTenant(ctx, client.CreateTenantParams{Name: "Acme", Slug: "acme"}))(t)
	var events []client.UsageParams
	for i := range 300 { // many of one time, told apart by their ids
		events = append(events, client.UsageParams{
			Meter: "emails", Amount: int64(i), EventID: fmt.Sprintf("=%d", i), Metadata: []byte(`{"text":"a \"quoted\",\r\n<line>"}`),
		})
	}
	must(direct.RecordUsage(ctx, "acme", client.RecordUsageParams{Events: events}))(t)
	form := func(format string) string {
		export, err := direct.OpenUsageExport(ctx, "acme", client.ExportUsageParams{}, format)
		if err != nil {
			t.Fatal(err)
		}
		defer export.Close()
		all, err := io.ReadAll(export)
		if err != nil {
			t.Fatal(err)
		}
		return string(all)
	}
	lines, rows = form(client.FormatLines), form(client.FormatCSV)
	return connect(t, r.start(t, server), operatorSecret, &client.Options{Retries: 2}), lines, rows
}

// TestExportBehindAProxy: an export is known to be whole also where no trailer comes.
func TestExportBehindAProxy(t *testing.T) {
	t.Parallel()
	r := &relay{}
	r.whole.Store(true)
	c, lines, rows := exported(t, r)
	for format, want := range map[string]string{client.FormatLines: lines, client.FormatCSV: rows} {
		export, err := c.OpenUsageExport(t.Context(), "acme", client.ExportUsageParams{}, format)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(export)
		if err != nil || string(got) != want || export.Events() != 300 || export.Expected != 300 {
			t.Errorf("%s: %d of %d bytes, %d events, %v", format, len(got), len(want), export.Events(), err)
		}
		if err := export.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestExportGoesOn: connections break off again and again, and what comes is what would have come over one.
func TestExportGoesOn(t *testing.T) {
	t.Parallel()
	r := &relay{most: 30_001}
	c, lines, rows := exported(t, r)
	r.whole.Store(true)
	period := must(c.ListStatements(t.Context(), "acme"))(t)[0].Period
	r.whole.Store(false)
	for _, p := range []client.ExportUsageParams{{}, {Statement: period}} {
		for format, want := range map[string]string{client.FormatLines: lines, client.FormatCSV: rows} {
			r.asked.Store(0)
			export, err := c.OpenUsageExport(t.Context(), "acme", p, format)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(export)
			if err != nil || string(got) != want || r.asked.Load() < 4 {
				t.Errorf("%+v, %s: %d of %d bytes over %d connections, %v", p, format, len(got), len(want), r.asked.Load(), err)
			}
			_ = export.Close()
		}
	}
	var n int64
	for e, err := range c.ExportUsage(t.Context(), "acme", client.ExportUsageParams{Meter: "emails"}) {
		if err != nil {
			t.Fatal(err)
		}
		n += e.Amount
	}
	if n != 300*299/2 {
		t.Errorf("the events come to %d", n)
	}
	r.most = 100 // not one event
	r.asked.Store(0)
	for _, err := range c.ExportUsage(t.Context(), "acme", client.ExportUsageParams{}) {
		if err == nil {
			t.Fatal("an event came through")
		}
	}
	if n := r.asked.Load(); n != 3 {
		t.Errorf("it was tried %d times", n)
	}
}

// TestExportAsCSV: the rows that the client makes are those that the server makes.
func TestExportAsCSV(t *testing.T) {
	t.Parallel()
	r := &relay{}
	r.whole.Store(true)
	c, _, rows := exported(t, r)
	server := c.String()[len("client of "):]
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server+"/v1/tenants/acme/usage/events?format=csv", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+operatorSecret)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	want, err := csv.NewReader(res.Body).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	got, err := csv.NewReader(bytes.NewReader([]byte(rows))).ReadAll()
	if err != nil || !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("%v: the client makes %d rows of %q, the server %d of %q", err, len(got), got[1], len(want), want[1])
	}
}
