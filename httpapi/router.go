package httpapi

import (
	"net/http"
	"path"
	"strings"

	"github.com/rentroll/rentroll"
)

// route hands a request to its route. What the standard router would answer in words of its own, unknown paths,
// methods and redirects to tidier paths, is a problem like every other refusal here.
func (s *server) route(w http.ResponseWriter, r *http.Request) {
	if h, known := s.direct[endpoint{r.Method, r.URL.Path}]; known && r.URL.RawPath == "" {
		r.Pattern = r.Method + " " + r.URL.Path
		h.ServeHTTP(w, r)
		return
	}
	if !tidy(r.URL.EscapedPath()) {
		s.refuse(w, r, notFound("path"))
		return
	}
	h, pattern := s.mux.Handler(r)
	if pattern != "" {
		s.mux.ServeHTTP(w, r)
		return
	}
	answer := &probe{header: http.Header{}}
	h.ServeHTTP(answer, r)
	if answer.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", answer.header.Get("Allow"))
		s.refuse(w, r, &rentroll.Error{Code: rentroll.CodeMethodNotAllowed, Message: "the path has no method " + clip(r.Method)})
		return
	}
	s.refuse(w, r, notFound("path"))
}

// tidy reports whether a path is one that the router takes as it is.
func tidy(p string) bool {
	clean := path.Clean(p)
	if strings.HasSuffix(p, "/") && clean != "/" {
		clean += "/"
	}
	return strings.HasPrefix(p, "/") && p == clean
}

// probe takes an answer only to look at it.
type probe struct {
	header http.Header
	status int
}

// Header returns the headers of the answer.
func (p *probe) Header() http.Header { return p.header }

func (p *probe) Write(b []byte) (int, error) { return len(b), nil }

// WriteHeader notes the status.
func (p *probe) WriteHeader(status int) { p.status = status }

// clip shortens what a caller made up before an answer repeats it.
func clip(s string) string {
	const most = 64
	if len(s) <= most {
		return strings.ToValidUTF8(s, "�")
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
