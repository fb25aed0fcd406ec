package httpapi

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/rentroll/rentroll"
)

// health is what probes are told.
type health struct {
	Status  string `json:"status" enum:"ok"`
	Version string `json:"version" example:"1.0.0"`
}

// live says that the process answers. It never asks the database: a server whose database is away must not be killed
// for it, which would help nobody.
func (s *server) live(*call, *none, *none) (*health, error) {
	return &health{"ok", s.opts.Version}, nil
}

// ready says whether the server should get traffic.
func (s *server) ready(c *call, _, _ *none) (*health, error) {
	if err := s.opts.Ready(c); err != nil {
		exchangeOf(c).err = err
		return nil, &rentroll.Error{Code: rentroll.CodeUnavailable, Message: "the server is not ready"}
	}
	return &health{"ok", s.opts.Version}, nil
}

// publish adds what is no operation: metrics, the OpenAPI document and the pages that explain it.
func (s *server) publish() {
	s.spec = s.specification()
	s.mux.Handle("GET /metrics", promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{}))
	s.mux.Handle("GET /openapi.json", fixed(jsonType, s.spec))
	s.publishDocs()
}

// fixed serves a body that never changes while the program runs.
func fixed(contentType string, body []byte) http.Handler {
	tag := tagOf(body)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", contentType)
		h.Set("Cache-Control", "no-cache")
		h.Set("ETag", tag)
		if c, err := conditionsOf(r.Header); err == nil && c.noneMatch.matchesWeakly(tag) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		h.Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body)
	})
}
