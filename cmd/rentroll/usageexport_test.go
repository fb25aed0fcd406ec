package main

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestUsageExport exports what was recorded, to a file and to standard output.
func TestUsageExport(t *testing.T) {
	t.Parallel()
	p := serve(t, t.TempDir(), withKey())
	s := newShell(t, p.url, configuredKey)
	must := func(stdin string, args ...string) string {
		t.Helper()
		r := s.call(stdin, args...)
		if r.code != 0 {
			t.Fatalf("%q: exit %d: %s%s", args, r.code, r.out, r.err)
		}
		return r.out
	}
	must("", "tenant", "create", "acme")
	var events []string
	for i := range 700 {
		events = append(events, fmt.Sprintf(`{"meter":"emails","amount":%d,"event_id":"e-%d"}`, i, i))
	}
	must("["+strings.Join(events, ",")+"]", "usage", "record", "acme", "--events", "-")
	must("", "meter", "put", "emails", "--price-micros", "7", "--tenant", "acme")

	file := filepath.Join(s.dir, "events.csv")
	if out := must("", "usage", "export", "acme", "--format", "csv", "--out", file); out != "" {
		t.Errorf("it says %q", out)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if rows, err := csv.NewReader(bytes.NewReader(data)).ReadAll(); err != nil || len(rows) != 701 {
		t.Errorf("%d rows, %v", len(rows), err)
	}
	lines := must("", "usage", "export", "acme")
	if n := strings.Count(lines, "\n"); n != 701 || !strings.HasSuffix(lines, "\n{\"events\":700}\n") {
		t.Errorf("%d lines, at last %s", n, lines[max(0, len(lines)-40):])
	}
	period := strings.Fields(strings.Split(must("", "usage", "statement", "acme", "--utc"), "\n")[1])[0]
	if of := must("", "usage", "export", "acme", "--statement", period); of != lines {
		t.Errorf("the statement has other events:\n%.300s", of)
	}
	if st := must("", "usage", "statement", "acme", period, "--format", "csv"); !strings.Contains(st, ",244650,count,700,7,1,1712550\r\n") {
		t.Errorf("the statement: %s", st)
	}
	for _, c := range [][]string{
		{"usage", "statement", "acme", "--format", "csv"},
		{"usage", "export", "acme", "--statement", "2020-01-01", "--out", file + "2"},
		{"usage", "export", "acme", "--format", "xml"},
	} {
		if r := s.call("", c...); r.code == 0 {
			t.Errorf("%q: exit 0: %s", c, r.out)
		}
	}
	if _, err := os.Stat(file + "2"); err == nil {
		t.Error("a file is left of an export that was refused")
	}
	p.stop()
}

// TestUsageExportCutOff: of a stream that breaks off no file is left, not even a hidden one.
func TestUsageExportCutOff(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(){"aborted": func() { panic(http.ErrAbortHandler) }, "without a trailer": func() {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Trailer", "Rentroll-Events")
				w.Header().Set("Rentroll-Expected-Events", "9")
				_, _ = w.Write([]byte("a,b\r\n1,2\r\n")) // whoever reads it says what is wrong
				_ = http.NewResponseController(w).Flush()
				end()
			}))
			t.Cleanup(web.Close)
			s, dir := newShell(t, web.URL, configuredKey), t.TempDir()
			r := s.call("", "usage", "export", "acme", "--format", "csv", "--out", filepath.Join(dir, "x.csv"))
			left, err := os.ReadDir(dir)
			if r.code == 0 || err != nil || len(left) > 0 {
				t.Errorf("exit %d: %s; left are %v, %v", r.code, r.err, left, err)
			}
			if r := s.call("", "usage", "export", "acme"); r.code == 0 {
				t.Error("standard output: exit 0")
			}
		})
	}
}

// TestProgressBar: where it is known how much there is, a terminal is shown a bar.
func TestProgressBar(t *testing.T) {
	t.Parallel()
	var terminal, log bytes.Buffer
	p := (&session{std: &streams{err: &terminal, errTTY: true}}).progress("exported")
	p.noun = "events"
	p.share(500, 2000)
	p.share(3000, 2000) // more came meanwhile
	p.share(7, 0)
	p.end()
	const line = "\r\x1b[K"
	want := line + "exported [#######                       ] 25 % of 2,000 events" + line + "exported [" + strings.Repeat("#", 30) + "] 100 % of 2,000 events" +
		line + "exported 7 events" + line
	if terminal.String() != want {
		t.Errorf("a terminal is told %q, want %q", terminal.String(), want)
	}
	unseen := (&session{std: &streams{err: &log}}).progress("exported")
	unseen.share(1, 2)
	unseen.end()
	if log.Len() > 0 {
		t.Errorf("a file is told %q", log.String())
	}
}
