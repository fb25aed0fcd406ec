package httpapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rentroll/rentroll"
)

func TestRouter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, path := range []string{
		"/", "/v1", "/v1/", "/v1/tenants/", "/v2/tenants", "/v1/Tenants", "/v1//tenants", "/v1/./tenants", "/v1/x/../tenants",
		"/v1/tenants/acme/unknown", "/v1/tenants/acme/runs/x/y/z", "/v1/tenants/acme/exports", "/v1/tenants/acme/webhooks",
		"/v1/tenants//runs", "/livez/", "/docs/", "/docs/none", "/docs/web/docs.html", "/openapi.yaml", "/console", "/%2e%2e/", "/v1%2ftenants",
	} {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			for _, key := range []string{operatorSecret, w.key, ""} {
				w.send(ask{method: method, path: path, key: key}).refused(rentroll.CodeNotFound)
			}
		}
	}
	for _, c := range []struct{ method, path, allow string }{
		{"PUT", "/v1/tenants", "GET, HEAD, POST"},
		{"PUT", "/v1/tenants/acme", "DELETE, GET, HEAD, PATCH"},
		{"POST", "/v1/tenants/acme", "DELETE, GET, HEAD, PATCH"},
		{"OPTIONS", "/v1/tenants/acme/runs", "GET, HEAD, POST"},
		{"GET", "/v1/tenants/acme/suspend", "POST"},
		{"BREW", "/v1/plans/x", "DELETE, PUT"},
		{"POST", "/livez", "GET, HEAD"},
		{"POST", "/metrics", "GET, HEAD"},
		{"POST", "/docs", "GET, HEAD"},
	} {
		r := w.send(ask{method: c.method, path: c.path, key: operatorSecret}).refused(rentroll.CodeMethodNotAllowed)
		if got := r.header.Get("Allow"); got != c.allow {
			t.Errorf("%s %s: Allow %q, want %q", c.method, c.path, got, c.allow)
		}
	}
	if r := w.send(ask{method: "HEAD", path: "/v1/tenants/acme", key: operatorSecret}).expect(200); len(r.body) != 0 || r.header.Get("ETag") == "" {
		t.Errorf("HEAD: %v %s", r.header, r.body)
	}
}

func TestRequestIDs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	with := func(id string) string {
		r := w.send(ask{method: "GET", path: "/v1/tenants/acme", key: operatorSecret, header: map[string]string{"X-Request-Id": id}})
		return r.header.Get("X-Request-Id")
	}
	for _, good := range []string{"x", "7f3c-2a", "~!", strings.Repeat("x", 128)} {
		if got := with(good); got != good {
			t.Errorf("%q became %q", good, got)
		}
	}
	seen := map[string]bool{}
	for _, bad := range []string{"", "a b", "ü", "tab\t!", strings.Repeat("x", 129)} {
		got := with(bad)
		if got == bad || len(got) < 16 || seen[got] {
			t.Errorf("%q became %q", bad, got)
		}
		seen[got] = true
	}
	if !strings.Contains(w.log.String(), "request_id=7f3c-2a") {
		t.Error("the log does not have the request id")
	}
}

func TestHeadersOfEveryAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for path, store := range map[string]string{
		"/v1/tenants/acme": "no-store", "/v1/nothing": "no-store", "/livez": "", "/docs": "no-cache", "/docs/swagger-ui.css": "", "/metrics": "",
	} {
		r := w.operator("GET", path, nil)
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": store} {
			if got := r.header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		if policy := r.header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") {
			t.Errorf("%s: Content-Security-Policy %q", path, policy)
		}
	}
}

func TestLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tenantKey("GET", "/v1/tenants/me/runs?worker_id=private", nil).expect(200)
	w.tenantKey("GET", "/v1/tenants", nil).refused(rentroll.CodeForbidden)
	w.send(ask{method: "GET", path: "/made/up"}).refused(rentroll.CodeNotFound)
	w.send(ask{method: "GET", path: "/livez"}).expect(200)
	log := w.log.String()
	for _, want := range []string{
		"level=INFO msg=request method=GET route=/v1/tenants/{tenant}/runs status=200",
		"actor=" + w.keyID, "route=/v1/tenants status=403", "code=forbidden", "route=unmatched status=404", "level=DEBUG msg=request method=GET route=/livez",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q\n%s", want, log)
		}
	}
	for _, private := range []string{"private", "made/up", w.key} {
		if strings.Contains(log, private) {
			t.Errorf("the log has %q", private)
		}
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tenantKey("POST", "/v1/tenants/me/runs", `{"worker_id":"w","task":"t"}`).expect(201)
	w.send(ask{method: "BREW", path: "/made/up"}).refused(rentroll.CodeNotFound)
	r := w.send(ask{method: "GET", path: "/metrics"}).expect(200)
	body := string(r.body)
	for _, want := range []string{
		`rentroll_http_request_duration_seconds_count{method="POST",route="/v1/tenants/{tenant}/runs",status="201"} 1`,
		`rentroll_http_problems_total{code="not_found",route="unmatched"} 1`,
		`rentroll_http_request_duration_seconds_count{method="other",route="unmatched",status="404"} 1`,
		`rentroll_http_requests_in_flight 1`, `rentroll_build_info{version="test"} 1`, "rentroll_engine_commands_total 5", "go_goroutines",
		"rentroll_engine_waiting_bytes 0",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	for _, private := range []string{w.tenant.ID.String(), "acme", "made/up", "BREW"} {
		if strings.Contains(body, private) {
			t.Errorf("the metrics have %q", private)
		}
	}
}

func TestDocs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	page := w.send(ask{method: "GET", path: "/docs"}).expect(200)
	if strings.Contains(string(page.body), "http://") || strings.Contains(string(page.body), "https://") || strings.Contains(string(page.body), "<script>") {
		t.Error("the page needs the internet or a script of its own")
	}
	for path, media := range map[string]string{
		"/docs/swagger-ui-bundle.js": "javascript", "/docs/swagger-ui.css": "text/css", "/docs/docs.js": "javascript", "/docs/docs.css": "text/css",
		"/docs/errors": "text/html", "/docs/favicon-32x32.png": "image/png", "/openapi.json": "application/json",
	} {
		r := w.send(ask{method: "GET", path: path}).expect(200)
		if !strings.Contains(r.header.Get("Content-Type"), media) || len(r.body) == 0 {
			t.Errorf("%s: %s, %d bytes", path, r.header.Get("Content-Type"), len(r.body))
		}
	}
	codes := string(w.send(ask{method: "GET", path: "/docs/errors"}).body)
	for _, o := range outcomes {
		if !strings.Contains(codes, `<section id="`+string(o.code)+`">`) {
			t.Errorf("%s is not explained", o.code)
		}
	}
	spec := w.send(ask{method: "GET", path: "/openapi.json"}).expect(200)
	w.send(ask{method: "GET", path: "/openapi.json", header: map[string]string{"If-None-Match": spec.header.Get("ETag")}}).expect(304)
	spec.has("openapi", "3.1.0", "info.version", "test")
}

// failing is a store that can be made to fail or to hang.
type failing struct {
	rentroll.Store
	broken atomic.Bool
	hangs  chan struct{} // Begin waits until it is closed, where it is set
}

func (f *failing) Begin(ctx context.Context) (rentroll.Tx, error) {
	if f.hangs != nil {
		<-f.hangs
	}
	if f.broken.Load() {
		return nil, &rentroll.StoreError{Class: rentroll.ClassUnavailable, Op: "begin", Err: errors.New("the disk of host db-7 is full")}
	}
	return f.Store.Begin(ctx)
}

func (f *failing) View(ctx context.Context, read func(rentroll.Reader) error) error {
	if f.broken.Load() {
		return &rentroll.StoreError{Class: rentroll.ClassUnavailable, Op: "view", Err: errors.New("the disk of host db-7 is full")}
	}
	return f.Store.View(ctx, read)
}

func (f *failing) FindKeys(ctx context.Context, asked []rentroll.KeyHash) ([]rentroll.FoundKey, error) {
	if f.broken.Load() {
		return nil, &rentroll.StoreError{Class: rentroll.ClassUnavailable, Op: "find keys", Err: errors.New("the disk of host db-7 is full")}
	}
	return f.Store.FindKeys(ctx, asked)
}

// failingWorld is a world whose store can be broken.
func failingWorld(t *testing.T, options ...func(*rentroll.Options, *Options)) (*world, *failing) {
	t.Helper()
	var f *failing
	w := newWorldOn(t, func(s rentroll.Store) rentroll.Store {
		f = &failing{Store: s}
		return f
	}, options...)
	return w, f
}

func TestTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	w, store := failingWorld(t, func(e *rentroll.Options, _ *Options) { e.CachedKeys = -1 }) // with a cache keys are good a while
	fixture := w.furnish()
	w.send(ask{method: "GET", path: "/readyz"}).expect(200).has("status", "ok", "version", "test")
	store.broken.Store(true)
	perRoute(t, func(r route, s sample) {
		if r.id == "listPlans" {
			return // plans are cached
		}
		got := w.send(fixture.ask(s, operatorSecret)).refused(rentroll.CodeUnavailable)
		if got.header.Get("Retry-After") != "1" || strings.Contains(string(got.body), "db-7") {
			t.Errorf("%v %s", got.header, got.body)
		}
		w.send(fixture.ask(s, w.key)).refused(rentroll.CodeUnavailable)
	})
	w.send(ask{method: "GET", path: "/livez"}).expect(200)
	w.send(ask{method: "GET", path: "/metrics"}).expect(200)
	w.send(ask{method: "GET", path: "/readyz"}).refused(rentroll.CodeUnavailable)
	if !strings.Contains(w.log.String(), "db-7") {
		t.Error("the log does not say why")
	}
	store.broken.Store(false)
	w.send(ask{method: "GET", path: "/readyz"}).expect(200)
}

func TestTheDatabaseHangs(t *testing.T) {
	t.Parallel()
	w, store := failingWorld(t, func(e *rentroll.Options, _ *Options) { e.TenantQueue = 1 })
	w.server.opts.Timeout = 50 * time.Millisecond // from here on: what made the world may take its time
	store.hangs = make(chan struct{})
	run := ask{method: "POST", path: "/v1/tenants/acme/runs", key: operatorSecret, body: `{"worker_id":"w","task":"t"}`}
	overloaded := false
	for !overloaded { // the first hangs in the lane, the second in the queue, which then is full
		r := w.send(run)
		switch r.text("code") {
		case "unavailable":
			r.refused(rentroll.CodeUnavailable)
		default:
			r.refused(rentroll.CodeOverloaded)
			overloaded = true
		}
		if r.header.Get("Retry-After") != "1" {
			t.Errorf("Retry-After %q", r.header.Get("Retry-After"))
		}
	}
	close(store.hangs)
}

func TestPanicsAreAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *rentroll.Options, o *Options) {
		o.Ready = func(context.Context) error { panic("a fault at line 7") }
	})
	r := w.send(ask{method: "GET", path: "/readyz"}).refused(rentroll.CodeInternal)
	if strings.Contains(string(r.body), "line 7") || strings.Contains(string(r.body), "goroutine") {
		t.Errorf("too much is shown: %s", r.body)
	}
	if log := w.log.String(); !strings.Contains(log, "level=ERROR") || !strings.Contains(log, "a fault at line 7") || !strings.Contains(log, r.text("request_id")) {
		t.Errorf("the log does not say why: %s", log)
	}
}

func TestAClosedEngineIsUnavailable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := w.engine.Close(); err != nil {
		t.Fatal(err)
	}
	w.operator("POST", "/v1/tenants", `{"name":"x","slug":"x"}`).refused(rentroll.CodeUnavailable)
	w.send(ask{method: "GET", path: "/readyz"}).refused(rentroll.CodeUnavailable)
	w.send(ask{method: "GET", path: "/livez"}).expect(200)
}

// TestClientsThatGoAway cuts requests off in the middle of their bodies.
func TestClientsThatGoAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	reader, writer := io.Pipe()
	req := httptest.NewRequest(http.MethodPost, "/v1/tenants/acme/runs", reader)
	req.Header.Set("Authorization", "Bearer "+operatorSecret)
	req.Header.Set("Content-Type", "application/json")
	go func() {
		_, _ = io.WriteString(writer, `{"worker_id":`)
		_ = writer.CloseWithError(io.ErrUnexpectedEOF)
	}()
	rec := httptest.NewRecorder()
	w.unchanged(func() { w.server.ServeHTTP(rec, req) })
	if rec.Code != http.StatusBadRequest {
		t.Errorf("status %d", rec.Code)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	rec = httptest.NewRecorder()
	w.server.ServeHTTP(rec, httptest.NewRequestWithContext(ctx, http.MethodGet, "/readyz", nil))
	if rec.Code != http.StatusServiceUnavailable {
		t.Errorf("status %d", rec.Code)
	}
}

func TestNewServerHasLimits(t *testing.T) {
	t.Parallel()
	s := NewServer("127.0.0.1:0", http.NotFoundHandler())
	if s.ReadHeaderTimeout == 0 || s.ReadTimeout == 0 || s.WriteTimeout == 0 || s.IdleTimeout == 0 || s.MaxHeaderBytes == 0 {
		t.Errorf("%+v", s)
	}
	if New(&rentroll.Engine{}, nil) == nil {
		t.Error("no handler")
	}
}
