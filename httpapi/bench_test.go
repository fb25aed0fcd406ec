package httpapi

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/sqlite"
)

// The handlers alone, without a connection: what a request costs beside net/http itself. Over the wire they are measured by
// the sections "keys" and "forward" of ../bench.

// edge is a server with one key, for benchmarks: nothing is logged, and the clock is the machine's.
type edge struct {
	handler  http.Handler
	engine   *rentroll.Engine
	operator string
	secret   string
}

func newEdge(t testing.TB) *edge {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "edge.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	engine, err := rentroll.New(store, &rentroll.Options{OperatorSecret: operatorSecret})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	tenant, err := engine.CreateTenant(t.Context(), rentroll.CreateTenantParams{Name: "Edge", Slug: "edge"})
	if err != nil {
		t.Fatal(err)
	}
	e := &edge{handler: New(engine, nil), engine: engine}
	if e.secret, _, err = engine.CreateAPIKey(t.Context(), rentroll.CreateAPIKeyParams{TenantID: tenant.ID, Name: "edge"}); err != nil {
		t.Fatal(err)
	}
	if e.operator, err = engine.EnsureOperatorKey(t.Context(), "edge"); err != nil {
		t.Fatal(err)
	}
	return e
}

// serve measures one request, made anew for each turn as a connection would, and an answer that is thrown away.
func (e *edge) serve(b *testing.B, handler http.Handler, method, target, body string, header http.Header, status int) {
	b.Helper()
	b.ReportAllocs()
	made, err := http.NewRequest(method, target, http.NoBody)
	if err != nil {
		b.Fatal(err)
	}
	made.RemoteAddr, made.Header, made.ContentLength = "192.0.2.1:4711", header, int64(len(body))
	once := httptest.NewRecorder()
	first := made.Clone(b.Context())
	first.Body = io.NopCloser(strings.NewReader(body))
	handler.ServeHTTP(once, first)
	if once.Code != status {
		b.Fatalf("status %d: %s", once.Code, once.Body)
	}
	w := &discard{header: http.Header{}}
	for b.Loop() {
		r := made.WithContext(b.Context())
		r.Body = io.NopCloser(strings.NewReader(body))
		clear(w.header)
		handler.ServeHTTP(w, r)
	}
}

type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}

func BenchmarkVerifyAPIKey(b *testing.B) {
	e := newEdge(b)
	e.serve(b, e.handler, "POST", "/v1/api-keys/verify", `{"secret":"`+e.secret+`","permission":"run:create"}`,
		http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + e.operator}}, http.StatusOK)
}

func BenchmarkForwardAuth(b *testing.B) {
	e := newEdge(b)
	e.serve(b, e.handler, "GET", "/v1/forward-auth", "", http.Header{"Authorization": {"Bearer " + e.secret}}, http.StatusNoContent)
}

// BenchmarkBareHandler is what verification is compared with.
func BenchmarkBareHandler(b *testing.B) {
	e := newEdge(b)
	v, err := e.engine.VerifyAPIKey(b.Context(), rentroll.VerifyAPIKeyParams{Secret: e.secret})
	if err != nil {
		b.Fatal(err)
	}
	bare := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Secret     string `json:"secret"`
			Permission string `json:"permission"`
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.Secret == "" {
			http.Error(w, "no secret", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(v); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	e.serve(b, bare, "POST", "/v1/api-keys/verify", `{"secret":"`+e.secret+`","permission":"run:create"}`,
		http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + e.operator}}, http.StatusOK)
}
