package httpapi

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/csvrow"
)

// fill records n events of acme, a second apart, the last one now.
func (w *world) fill(n int) {
	w.t.Helper()
	for begin := 0; begin < n; begin += rentroll.MaxUsageBatch {
		var events []map[string]any
		for i := begin; i < min(n, begin+rentroll.MaxUsageBatch); i++ {
			at := w.time.now().Add(-time.Duration(i) * time.Second)
			events = append(events, map[string]any{
				"meter": []string{"emails", "pages"}[i%2], "amount": i, "time": at, "event_id": fmt.Sprintf("=%d", i),
				"metadata": map[string]any{"text": "a \"quoted\",\r\nbroken line"},
			})
		}
		w.operator("POST", "/v1/tenants/acme/usage", map[string]any{"events": events}).expect(200)
	}
}

// open begins an export and returns the answer unread.
func (w *world) open(query, accept string) *http.Response {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.url+"/v1/tenants/acme/usage/events"+query, http.NoBody)
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+w.key)
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	res, err := w.client.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

// TestExportUsage reads more events than a page holds in both forms, and adds them up.
func TestExportUsage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const events = 1203
	w.fill(events)
	var want rentroll.UsageSummary
	w.tenantKey("GET", "/v1/tenants/me/usage", nil).expect(200).into(&want)

	res := w.open("", "")
	sums, lines := map[string]int64{}, bufio.NewScanner(res.Body)
	var last string
	var before time.Time
	n := 0
	for lines.Scan() {
		if last = lines.Text(); strings.HasPrefix(last, `{"events":`) {
			break
		}
		var e rentroll.ExportedUsage
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		if e.Time.Before(before) || e.Statement != "2026-11-01" || e.Adjusts != "" {
			t.Errorf("out of order, or on another statement: %s", last)
		}
		before, n = e.Time, n+1
		sums[e.Meter] += e.Amount
	}
	if lines.Scan() || n != events || last != `{"events":1203}` || res.Header.Get(expectedHeader) != "1203" || res.Trailer.Get(eventsHeader) != "1203" {
		t.Errorf("%d events, at last %s, headers %v, trailers %v", n, last, res.Header, res.Trailer)
	}
	for meter, total := range want.Meters {
		if sums[meter] != total.Total {
			t.Errorf("%s: %d, want %d", meter, sums[meter], total.Total)
		}
	}

	for _, how := range [][2]string{{"?format=csv", ""}, {"", "text/csv"}, {"?meter=emails&format=csv", "application/x-ndjson"}} {
		res := w.open(how[0], how[1])
		body, err := io.ReadAll(res.Body)
		if err != nil || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/csv") {
			t.Fatal(err, res.Header)
		}
		rows, err := csv.NewReader(bytes.NewReader(body)).ReadAll()
		if err != nil || !slices.Equal(rows[0], csvrow.EventColumns) || bytes.Count(body, []byte("\r\n")) < len(rows) {
			t.Fatalf("%v: %q", err, rows[0])
		}
		var total, emails int64
		for _, row := range rows[1:] {
			amount, err := strconv.ParseInt(row[slices.Index(csvrow.EventColumns, "amount")], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			total += amount
			if row[slices.Index(csvrow.EventColumns, "meter")] == "emails" {
				emails += amount
			}
			if id := row[slices.Index(csvrow.EventColumns, "event_id")]; !strings.HasPrefix(id, "'=") {
				t.Errorf("an event id that is a formula: %s", id)
			}
		}
		one := strings.Contains(how[0], "meter")
		if n := res.Trailer.Get(eventsHeader); emails != want.Meters["emails"].Total || !one && total != emails+want.Meters["pages"].Total || n != strconv.Itoa(len(rows)-1) {
			t.Errorf("%v: total %d, emails %d, %s rows", how, total, emails, n)
		}
	}
	w.tenantKey("GET", "/v1/tenants/me/usage/events?start=2026-11-01T00:00:00Z&statement=2026-11-01", nil).refused(rentroll.CodeValidationFailed, "statement")
	w.tenantKey("GET", "/v1/tenants/me/usage/events?statement=2026-10-01", nil).refused(rentroll.CodeNotFound)
	w.tenantKey("HEAD", "/v1/tenants/me/usage/events", nil).expect(200)
}

// TestExportGoesOn goes on behind events of an export, wherever it is, of a range and of a statement.
func TestExportGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var events []map[string]any
	for i := range 40 { // four of each time
		events = append(events, map[string]any{"meter": "emails", "amount": i, "time": w.time.now().Add(-time.Duration(i/4) * time.Second)})
	}
	w.operator("POST", "/v1/tenants/acme/usage", map[string]any{"events": events}).expect(200)
	whole := w.open("", "")
	start, end := whole.Header.Get(startHeader), whole.Header.Get(endHeader)
	for _, query := range []string{"?start=" + start + "&end=" + end, "?statement=2026-11-01"} {
		body, err := io.ReadAll(w.open(query, "").Body)
		lines := strings.SplitAfter(string(body), "\n")
		if err != nil || len(lines) != 42 {
			t.Fatalf("%s: %d lines, %v", query, len(lines), err)
		}
		for i, line := range lines[:40] {
			var e struct{ ID, Time string }
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatal(err)
			}
			rest, err := io.ReadAll(w.open(query+"&after="+e.Time+","+e.ID, "").Body)
			want := strings.Join(lines[i+1:40], "") + fmt.Sprintf("{\"events\":%d}\n", 39-i)
			if err != nil || string(rest) != want {
				t.Errorf("%s: behind event %d comes %s, %v", query, i, rest, err)
			}
		}
	}
	const id = "use_01kaqt3x4heyr9b1c6x8m6zr0c"
	for _, query := range []string{
		"?after=x", "?after=" + id, "?after=2026-11-23T09:00:00Z", "?after=2026-11-23T09:00:00Z,", "?after=2026-11-23T09:00:00Z,usr" + id[3:],
		"?after=2026-11-23T09:00:00Z," + id, "?after=2026-11-23T09:00:00Z," + id + "&start=" + start, "?after=2026-11-23T09:00:00Z," + id + "&end=" + end,
		"?after=2026-10-31T23:59:59Z," + id + "&start=" + start + "&end=" + end, "?after=" + end + "," + id + "&start=" + start + "&end=" + end,
		"?after=0001-01-01T00:00:00Z," + id + "&statement=2026-11-01", "?after=yesterday," + id + "&statement=2026-11-01",
	} {
		w.tenantKey("GET", "/v1/tenants/me/usage/events"+query, nil).refused(rentroll.CodeValidationFailed, "after")
	}
}

// TestExportOverHTTP10: where a caller could not tell CSV that is cut off from CSV that is whole, it gets none.
func TestExportOverHTTP10(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fill(3)
	ask := func(query string) string {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(w.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := fmt.Fprintf(conn, "GET /v1/tenants/acme/usage/events%s HTTP/1.0\r\nAuthorization: Bearer %s\r\n\r\n", query, w.key); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(conn)
		if err != nil {
			t.Fatal(err)
		}
		return string(answer)
	}
	if got := ask("?format=csv"); !strings.Contains(got, " 400 ") || !strings.Contains(got, "HTTP/1.1") {
		t.Errorf("CSV is answered %s", got)
	}
	if got := ask(""); !strings.Contains(got, " 200 ") || !strings.HasSuffix(got, `{"events":3}`+"\n") {
		t.Errorf("JSON Lines are answered %s", got)
	}
}

// failingStore fails when events are listed for the second time.
type failingStore struct {
	rentroll.Store
	lists atomic.Int64
}

// View passes a reader on that fails.
func (s *failingStore) View(ctx context.Context, read func(rentroll.Reader) error) error {
	return s.Store.View(ctx, func(r rentroll.Reader) error { return read(&failingReader{r, s}) })
}

type failingReader struct {
	rentroll.Reader
	store *failingStore
}

// ListUsage works once.
func (r *failingReader) ListUsage(ctx context.Context, f rentroll.UsageFilter) ([]*rentroll.UsageEvent, error) {
	if r.store.lists.Add(1) > 1 {
		return nil, &rentroll.StoreError{Class: rentroll.ClassUnavailable, Op: "list", Err: errors.New("gone away")}
	}
	return r.Reader.ListUsage(ctx, f)
}

// TestExportsThatBreakOff: a stream that is not whole does not look whole, and one that has not begun is a problem.
func TestExportsThatBreakOff(t *testing.T) {
	t.Parallel()
	store := &failingStore{}
	w := newWorldOn(t, func(s rentroll.Store) rentroll.Store { store.Store = s; return store })
	w.fill(1200) // more than are buffered
	for _, format := range []string{"jsonl", "csv"} {
		store.lists.Store(0)
		res := w.open("?format="+format, "")
		body, err := io.ReadAll(res.Body)
		if err == nil || res.StatusCode != http.StatusOK || res.Trailer.Get(eventsHeader) != "" || bytes.Contains(body, []byte(`{"events"`)) || len(body) == 0 {
			t.Errorf("%s: status %d, error %v, %d bytes, trailer %v", format, res.StatusCode, err, len(body), res.Trailer)
		}
		res = w.open("?format="+format, "")
		if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get(expectedHeader) != "" {
			t.Errorf("%s: status %d", format, res.StatusCode)
		}
	}
	if !strings.Contains(w.log.String(), "an export was cut off") {
		t.Error("nothing is logged")
	}
}

// TestStatementCSV: the rows of a statement add up to its total.
func TestStatementCSV(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fill(10)
	w.operator("PUT", "/v1/tenants/acme/meters/emails", `{"display_name":"=Mails","price_micros":1500,"price_per":7}`).expect(200)
	var st rentroll.Statement
	w.tenantKey("GET", "/v1/tenants/me/statements/2026-11-01?format=json", nil).expect(200).into(&st)
	r := w.tenantKey("GET", "/v1/tenants/me/statements/2026-11-01?format=csv", nil).expect(200)
	rows, err := csv.NewReader(bytes.NewReader(r.body)).ReadAll()
	if err != nil || !slices.Equal(rows[0], csvrow.StatementColumns) || len(rows) != 1+len(st.Lines) {
		t.Fatalf("%v: %q", err, rows)
	}
	var total int64
	for _, row := range rows[1:] {
		amount, err := strconv.ParseInt(row[slices.Index(csvrow.StatementColumns, "amount_micros")], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		total += amount
	}
	if total != st.TotalMicros || total == 0 {
		t.Errorf("the rows come to %d, the statement to %d", total, st.TotalMicros)
	}
	if name := rows[1][slices.Index(csvrow.StatementColumns, "display_name")]; name != "'=Mails" {
		t.Errorf("the name is %q", name)
	}
}
