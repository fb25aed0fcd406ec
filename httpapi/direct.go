package httpapi

import (
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rentroll/rentroll"
)

// Routes whose parameters are plain texts are direct: huma describes them like all others, but has no part in answering
// them. What it would do there, reading the parameters by reflection, parsing the query again, choosing a media type,
// costs as much as all the rest of a short request.

// endpoint is what a request names.
type endpoint struct{ method, path string }

// descriptive is an API of which only the description is wanted.
type descriptive struct{ huma.API }

// Adapter routes nothing.
func (descriptive) Adapter() huma.Adapter { return unrouted{} }

type unrouted struct{}

// Handle does nothing.
func (unrouted) Handle(*huma.Operation, func(huma.Context)) {}

// ServeHTTP is never called.
func (unrouted) ServeHTTP(http.ResponseWriter, *http.Request) {
	panic("httpapi: what only describes routes is asked to serve")
}

// texts are the parameters of a direct route.
type texts []text

type text struct {
	field int
	name  string
	of    func(r *http.Request, query url.Values, name string) string
	query bool
}

// textsOf returns how to read parameters; not ok says that they are more than plain texts, and huma's to read.
func textsOf(params reflect.Type) (all texts, ok bool) {
	for i := range params.NumField() {
		f := params.Field(i)
		source, rest, _ := strings.Cut(string(f.Tag), ":")
		name, err := strconv.Unquote(rest) // which fails where the tag says more
		if f.Type.Kind() != reflect.String || f.Anonymous || err != nil {
			return nil, false
		}
		t := text{field: i, name: name}
		switch source {
		case "path":
			t.of = func(r *http.Request, _ url.Values, name string) string { return r.PathValue(name) }
		case "header":
			t.of = func(r *http.Request, _ url.Values, name string) string { return r.Header.Get(name) }
		case "query":
			t.query = true
			t.of = func(_ *http.Request, query url.Values, name string) string { return query.Get(name) }
		default:
			return nil, false
		}
		all = append(all, t)
	}
	return all, true
}

// read fills in the parameters. Names in the query that are not among them are refused, in huma's words.
func (all texts) read(r *http.Request, query url.Values, params any) error {
	var bad []rentroll.FieldError
	for name := range query {
		if !slices.ContainsFunc(all, func(t text) bool { return t.query && t.name == name }) {
			bad = append(bad, rentroll.FieldError{Field: clip(name), Message: "unknown query parameter"})
		}
	}
	if bad != nil {
		slices.SortFunc(bad, func(a, b rentroll.FieldError) int { return strings.Compare(a.Field, b.Field) })
		return invalid(bad...)
	}
	if len(all) == 0 {
		return nil
	}
	v := reflect.ValueOf(params).Elem()
	for _, t := range all {
		if value := t.of(r, query, t.name); value != "" {
			v.Field(t.field).SetString(value)
		}
	}
	return nil
}

// addDirect makes the router hand a route's requests to its handler.
func addDirect[P, B, T any](s *server, r route, public bool, params texts, do handler[P, B, T]) {
	silent := reflect.TypeFor[T]() == reflect.TypeFor[nothing]()
	answer := func(w http.ResponseWriter, req *http.Request) error {
		query, err := s.letIn(w, req, public)
		if err != nil {
			return err
		}
		var p P
		if err := params.read(req, query, &p); err != nil {
			return err
		}
		c, out, err := perform(req.Context(), s, r, &p, do)
		switch {
		case err != nil:
			return err
		case c.stream != nil:
			return c.stream(w, req)
		case silent:
			w.WriteHeader(r.silence())
			return nil
		}
		a, err := answerWith(c, r, out)
		if err == nil {
			a.write(w)
		}
		return err
	}
	h := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if err := answer(w, req); err != nil {
			s.refuse(w, req, err)
		}
	})
	s.mux.Handle(r.at, h)
	if !strings.Contains(r.at, "{") {
		s.direct[endpoint{r.method(), r.path()}] = h
	}
}

// write sends an answer.
func (a *answer[T]) write(w http.ResponseWriter) {
	h := w.Header()
	for _, optional := range []struct{ name, value string }{
		{"Etag", a.ETag}, {"Location", a.Location}, {"Idempotency-Replayed", a.Replayed},
	} {
		if optional.value != "" {
			h[optional.name] = []string{optional.value}
		}
	}
	if a.Status == http.StatusNotModified {
		w.WriteHeader(a.Status)
		return
	}
	h["Content-Type"] = jsonContent
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body.json) // nobody is left to tell that the client went away
}

// jsonContent is shared by all answers, as what server.go says in each.
var jsonContent = []string{jsonType}
