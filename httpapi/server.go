package httpapi

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rentroll/rentroll"
)

// server is the outermost handler: what holds for every request, whoever answers it.
type server struct {
	engine  *rentroll.Engine
	opts    Options
	mux     *http.ServeMux
	api     huma.API
	added   []route                   // in the order of the list
	direct  map[endpoint]http.Handler // those whose path is always the same
	spec    []byte                    // the OpenAPI document
	metrics *metrics
	names   *names // of requests
}

// New returns the HTTP API of an engine. nil options are fine. The engine stays the caller's to close, after the last
// request has been answered.
func New(engine *rentroll.Engine, options *Options) http.Handler {
	return newServer(engine, options)
}

func newServer(engine *rentroll.Engine, options *Options) *server {
	s := &server{engine: engine, opts: options.withDefaults(), mux: http.NewServeMux(), direct: map[endpoint]http.Handler{}, names: newNames()}
	if s.opts.Ready == nil {
		s.opts.Ready = engine.Ready
	}
	s.metrics = newMetrics(engine, s.opts.Version)
	s.api = newAPI(s)
	s.routes()
	s.publish()
	return s
}

// exchange is what is noted of one request while it is answered. It is the request's context, too.
type exchange struct {
	patience

	id      string    // of the request
	began   time.Time // by the engine's clock
	request *http.Request
	writer  recorder
	engine  *rentroll.Engine // acts for the caller, once it is known
	asker   rentroll.KeyID   // whom the log names where there is no engine for the caller
	forUser string           // whom an operator acts for, once that is known; "" for nobody
	code    rentroll.Code    // of the problem that is the answer
	err     error            // why the server failed
}

type exchangeKey struct{}

// Value finds the exchange itself, too.
func (x *exchange) Value(key any) any {
	if key == (exchangeKey{}) {
		return x
	}
	return x.patience.Value(key)
}

func exchangeOf(ctx context.Context) *exchange {
	if x, ok := ctx.(*exchange); ok {
		return x
	}
	x, ok := ctx.Value(exchangeKey{}).(*exchange)
	if !ok {
		panic("httpapi: a request that did not come through the server")
	}
	return x
}

// caller is how the log names who calls, as the audit does; "" for nobody that is known.
func (x *exchange) caller() string {
	if x.engine != nil {
		return x.engine.Actor().String()
	}
	return x.asker.String()
}

// What every answer says. The slices are shared by all answers: their capacity is their length, so that nobody adds to them.
var (
	noSniff    = []string{"nosniff"}
	noContent  = []string{"default-src 'none'; frame-ancestors 'none'"}
	noReferrer = []string{"no-referrer"}
	noStore    = []string{"no-store"}
)

// withoutBody takes back what is said of bodies, in an answer that has none.
func withoutBody(h http.Header) {
	delete(h, "X-Content-Type-Options")
	delete(h, "Content-Security-Policy")
	delete(h, "Referrer-Policy")
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{patience: patience{Context: r.Context(), long: s.opts.Timeout}, id: s.requestID(r), began: s.engine.Now()}
	defer x.end()
	r = r.WithContext(x)
	x.request, x.writer.ResponseWriter = r, w

	h := w.Header()
	h[requestIDHeader] = []string{x.id}
	h["X-Content-Type-Options"] = noSniff
	h["Content-Security-Policy"] = noContent
	h["Referrer-Policy"] = noReferrer
	if strings.HasPrefix(r.URL.Path, "/v1/") {
		h["Cache-Control"] = noStore
	}

	s.metrics.inFlight.Inc()
	defer s.metrics.inFlight.Dec()
	defer s.finish(x)
	s.route(&x.writer, r)
}

// finish answers where a panic has kept anybody else from it, and notes how the request went.
func (s *server) finish(x *exchange) {
	w, r := &x.writer, x.request
	if v := recover(); v != nil {
		if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(v)
		}
		err := fmt.Errorf("httpapi: panic: %v\n%s", v, debug.Stack())
		if w.status == 0 {
			s.refuse(w, r, err)
		}
		x.err = err
	}
	route := "unmatched" // a path that somebody made up must not become a label
	if r.Pattern != "" {
		_, route, _ = strings.Cut(r.Pattern, " ")
	}
	status := max(w.status, http.StatusOK)
	duration := s.engine.Now().Sub(x.began)
	s.metrics.observe(r.Method, route, status, x.code, duration)
	s.log(r, x, route, status, duration)
}

func (s *server) log(r *http.Request, x *exchange, route string, status int, duration time.Duration) {
	level := slog.LevelInfo
	switch {
	case status >= http.StatusInternalServerError:
		level = slog.LevelError
	case !strings.HasPrefix(route, "/v1/"):
		level = slog.LevelDebug // probes and scrapes come every few seconds
	}
	if !s.opts.Logger.Enabled(r.Context(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("method", r.Method), slog.String("route", route), slog.Int("status", status),
		slog.Duration("duration", duration), slog.String("request_id", x.id),
	}
	if caller := x.caller(); caller != "" {
		attrs = append(attrs, slog.String("actor", caller))
	}
	if x.code != "" {
		attrs = append(attrs, slog.String("code", string(x.code)))
	}
	if x.err != nil {
		attrs = append(attrs, slog.String("error", x.err.Error()))
	}
	s.opts.Logger.LogAttrs(r.Context(), level, "request", attrs...)
}

// problem makes the answer to an error and notes it.
func (s *server) problem(ctx context.Context, err error) *problem {
	x := exchangeOf(ctx)
	p := problemOf(err, s.engine.Now())
	p.RequestID = x.id
	x.code = p.Code
	if p.Status >= http.StatusInternalServerError && x.err == nil {
		x.err = err
	}
	return p
}

// refuse answers with a problem where huma is not there to write it.
func (s *server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p := s.problem(r.Context(), err)
	maps.Copy(w.Header(), p.header)
	body, err := encode(p)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", problemType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(p.Status)
	_, _ = w.Write(body) // nobody is left to tell that the client went away
}

const requestIDHeader = "X-Request-Id"

// requestID takes the caller's name for the request where it can safely stand in a log, else makes one.
func (s *server) requestID(r *http.Request) string {
	given := r.Header[requestIDHeader]
	if len(given) == 0 || len(given[0]) == 0 || len(given[0]) > 128 {
		return s.names.next()
	}
	id := given[0]
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return s.names.next()
		}
	}
	return id
}

// names makes texts that no other request on any server has: 64 random bits that are the server's, and a number that is
// the request's, scattered, so that nobody can count the requests of others.
type names struct {
	server string
	last   atomic.Uint64
}

const nameDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

func newNames() *names {
	var seed [16]byte
	_, _ = rand.Read(seed[:]) // it never fails
	n := &names{server: string(appendName(nil, binary.BigEndian.Uint64(seed[:])))}
	n.last.Store(binary.BigEndian.Uint64(seed[8:]))
	return n
}

func (n *names) next() string {
	// The mixer of SplitMix64 (Steele, Lea, Flood 2014): each number becomes another one, no two the same.
	x := n.last.Add(0x9e3779b97f4a7c15)
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	var space [32]byte
	return string(appendName(append(space[:0], n.server...), x^x>>31))
}

// appendName appends a number as 13 digits.
func appendName(b []byte, x uint64) []byte {
	for range 13 {
		b = append(b, nameDigits[x&31])
		x >>= 5
	}
	return b
}

// recorder notes the status of an answer.
type recorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader notes the first status that is no mere interim one.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= http.StatusOK {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
