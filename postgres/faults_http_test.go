package postgres_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/httpapi"
)

// web is the HTTP API of a stand's engine.
type web struct {
	*stand

	server *httptest.Server
}

const (
	operatorSecret = "an operator key of the tests, 40 letters"
	webTimeout     = time.Second
)

// answer is what a caller over HTTP gets.
type answer struct {
	status int
	header http.Header
	Code   rentroll.Code `json:"code"`
	took   time.Duration
}

func (w *web) call(method, path, body string) (a answer) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.server.URL+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+operatorSecret)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	begin := time.Now()
	res, err := w.server.Client().Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&a); err != nil {
		w.t.Errorf("%s %s: %v", method, path, err)
	}
	a.status, a.header, a.took = res.StatusCode, res.Header, time.Since(begin)
	return a
}

// calls are what is asked of the API: to write, to read, and for a sign of life.
func (w *web) calls() map[string]func() answer {
	return map[string]func() answer{
		"write": func() answer {
			return w.call(http.MethodPost, "/v1/tenants/tenant-2/runs", `{"worker_id":"builder","task":"`+probe+`"}`)
		},
		"read":  func() answer { return w.call(http.MethodGet, "/v1/tenants/tenant-2/quotas", "") },
		"ready": func() answer { return w.call(http.MethodGet, "/readyz", "") },
	}
}

// TestFaultOverHTTP: while the database is away, or silent, callers over HTTP get 503 and when to come back, within the
// time that a request may take, and probes learn that the server is not ready, but alive.
func TestFaultOverHTTP(t *testing.T) {
	t.Parallel()
	s := newStand(t, standOptions{engine: rentroll.Options{OperatorSecret: operatorSecret}})
	w := &web{s, httptest.NewServer(httpapi.New(s.Engine, &httpapi.Options{Timeout: webTimeout}))}
	t.Cleanup(w.server.Close)
	for name, fault := range map[string]struct{ begin, end func() }{
		"away":   {func() { s.proxy.Refuse(); s.proxy.Cut() }, s.proxy.Accept},
		"silent": {s.proxy.Hold, s.proxy.Release},
	} {
		w.allGood()
		fault.begin()
		for what, call := range w.calls() {
			w.isUnavailable("database "+name+": "+what, call())
		}
		if a := w.call(http.MethodGet, "/livez", ""); a.status != http.StatusOK {
			t.Errorf("database %s: the server says of itself that it is dead: %d", name, a.status)
		}
		fault.end()
		until(t, "a server that is ready", func() bool { return w.calls()["ready"]().status == http.StatusOK })
		s.heals()
		w.allGood()
	}
	s.checkRows()
}

func (w *web) allGood() {
	w.t.Helper()
	for what, call := range w.calls() {
		until(w.t, what+", without a fault", func() bool { // a busy machine may need longer than webTimeout
			a := call()
			if a.status > 299 && (a.status != http.StatusServiceUnavailable || a.took < webTimeout) {
				w.t.Errorf("%s, without a fault: %d %s", what, a.status, a.Code)
				return true
			}
			return a.status < 300
		})
	}
}

func (w *web) isUnavailable(what string, a answer) {
	w.t.Helper()
	if a.status != http.StatusServiceUnavailable || a.Code != rentroll.CodeUnavailable || a.header.Get("Content-Type") != "application/problem+json" {
		w.t.Errorf("%s: %d %s, as %s", what, a.status, a.Code, a.header.Get("Content-Type"))
	}
	if seconds, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || seconds < 1 {
		w.t.Errorf("%s: come back after %q", what, a.header.Get("Retry-After"))
	}
	if a.took > webTimeout+slack {
		w.t.Errorf("%s: answered after %s", what, a.took)
	}
}
