package httpapi

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/sqlite"
)

// operatorSecret is the operator key of every world.
const operatorSecret = "the operator key of the tests, 40 chars."

// world is a whole server on a database of its own, with a clock that moves by a millisecond a request.
type world struct {
	t      testing.TB
	server *server
	engine *rentroll.Engine
	url    string
	client *http.Client
	file   string
	log    *lines
	time   *clock

	tenant rentroll.Tenant // acme, on the plan free
	key    string          // of acme, with all permissions
	keyID  string
	other  rentroll.Tenant // globex
	theirs string          // its key
}

// clock is a clock that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// lines is what was logged.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// newWorld starts a server with two tenants.
func newWorld(t testing.TB, options ...func(*rentroll.Options, *Options)) *world {
	t.Helper()
	return newWorldOn(t, func(s rentroll.Store) rentroll.Store { return s }, options...)
}

// newWorldOn is newWorld with something between engine and store.
func newWorldOn(t testing.TB, between func(rentroll.Store) rentroll.Store, options ...func(*rentroll.Options, *Options)) *world {
	t.Helper()
	w := &world{
		t: t, file: filepath.Join(t.TempDir(), "rentroll.db"), log: &lines{},
		time: &clock{at: time.Date(2026, 11, 23, 9, 30, 0, 0, time.UTC)},
	}
	store, err := sqlite.Open(t.Context(), w.file, &sqlite.Options{CacheBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	engineOptions := rentroll.Options{
		Now: w.time.now, OperatorSecret: operatorSecret, StatisticsInterval: time.Hour, SweepInterval: -1, // what changes, a request has changed
	}
	serverOptions := Options{
		Version: "test", Logger: slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, o := range options {
		o(&engineOptions, &serverOptions)
	}
	if w.engine, err = rentroll.New(between(store), &engineOptions); err != nil {
		t.Fatal(err)
	}
	w.server = newServer(w.engine, &serverOptions)
	web := httptest.NewServer(w.server)
	w.url, w.client = web.URL, web.Client()
	t.Cleanup(func() {
		web.Close()
		if err := w.engine.Close(); err != nil {
			t.Error(err)
		}
	})
	w.tenant, w.key, w.keyID = w.found("acme")
	w.other, w.theirs, _ = w.found("globex")
	return w
}

// found makes a tenant with a key that may do everything in it.
func (w *world) found(slug string) (tenant rentroll.Tenant, secret, keyID string) {
	w.t.Helper()
	made := w.operator("POST", "/v1/tenants", map[string]any{"name": strings.ToUpper(slug), "slug": slug}).expect(201)
	made.into(&tenant)
	secret, keyID = w.makeKey(slug, "*")
	return tenant, secret, keyID
}

// makeKey makes a key of a tenant.
func (w *world) makeKey(tenant string, permissions ...string) (secret, id string) {
	w.t.Helper()
	key := w.operator("POST", "/v1/tenants/"+tenant+"/api-keys", map[string]any{"name": "test", "permissions": permissions}).expect(201)
	return key.text("secret"), key.text("api_key.id")
}

// makeOperatorKey makes an operator key; without permissions it may do everything.
func (w *world) makeOperatorKey(name string, permissions ...string) (secret, id string) {
	w.t.Helper()
	body := map[string]any{"name": name}
	if permissions != nil {
		body["permissions"] = permissions
	}
	key := w.operator("POST", "/v1/operator-keys", body).expect(201)
	return key.text("secret"), key.text("operator_key.id")
}

// reply is an answer of the server.
type reply struct {
	t      testing.TB
	what   string
	status int
	header http.Header
	body   []byte
}

// ask is one request.
type ask struct {
	method, path string
	key          string
	body         any // string, []byte: as it is; nil: none; else: its JSON
	header       map[string]string
}

func (w *world) operator(method, path string, body any) *reply {
	w.t.Helper()
	return w.send(ask{method: method, path: path, key: operatorSecret, body: body})
}

func (w *world) tenantKey(method, path string, body any) *reply {
	w.t.Helper()
	return w.send(ask{method: method, path: path, key: w.key, body: body})
}

// send sends a request and holds its answer against the OpenAPI document.
func (w *world) send(a ask) *reply {
	w.t.Helper()
	return w.sendWith(a, nil)
}

// sendWith is send with further headers, which may be given twice or be empty.
func (w *world) sendWith(a ask, more http.Header) *reply {
	w.t.Helper()
	w.time.move(time.Millisecond) // so that what is made later is listed later
	body := bodyBytes(w.t, a.body)
	req, err := http.NewRequestWithContext(context.Background(), a.method, w.url+a.path, bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if a.key != "" {
		req.Header.Set("Authorization", "Bearer "+a.key)
	}
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, value := range a.header {
		if value == "" {
			req.Header.Del(name)
		} else {
			req.Header.Set(name, value)
		}
	}
	maps.Copy(req.Header, more)
	res, err := w.client.Do(req)
	if err != nil {
		w.t.Fatalf("%s %s: %v", a.method, a.path, err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	r := &reply{t: w.t, what: a.method + " " + a.path, status: res.StatusCode, header: res.Header, body: data}
	if len(body) < 300 {
		r.what += " " + string(body)
	}
	if problem := conforms(w.server, a.method, strings.Split(a.path, "?")[0], r); problem != "" {
		w.t.Errorf("%s: the answer is not as documented: %s\n%s", r.what, problem, data)
	}
	return r
}

func bodyBytes(t testing.TB, body any) []byte {
	t.Helper()
	switch body := body.(type) {
	case nil:
		return nil
	case string:
		return []byte(body)
	case []byte:
		return body
	default:
		data, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
}

func (r *reply) expect(status int) *reply {
	r.t.Helper()
	if r.status != status {
		r.t.Fatalf("%s: status %d, want %d\n%s", r.what, r.status, status, r.body)
	}
	return r
}

// refused expects a problem with a code and, where they are given, these fields.
func (r *reply) refused(code rentroll.Code, fields ...string) *reply {
	r.t.Helper()
	want := outcomeOf(code).status
	if r.status != want || r.text("code") != string(code) {
		r.t.Fatalf("%s: status %d, want %d %s\n%s", r.what, r.status, want, code, r.body)
	}
	var p struct {
		Type, Title, Detail string
		Status              int
		RequestID           string `json:"request_id"`
		Errors              []rentroll.FieldError
	}
	r.into(&p)
	if p.Type != "/docs/errors#"+string(code) || p.Title == "" || p.Detail == "" || p.Status != want ||
		p.RequestID == "" || p.RequestID != r.header.Get("X-Request-Id") || r.header.Get("Content-Type") != problemType {
		r.t.Errorf("%s: not a whole problem: %s", r.what, r.body)
	}
	var got []string
	for _, f := range p.Errors {
		got = append(got, f.Field)
		if f.Message == "" {
			r.t.Errorf("%s: no message: %s", r.what, r.body)
		}
	}
	if len(fields) > 0 && !slices.Equal(got, fields) {
		r.t.Errorf("%s: the fields %q are named, want %q\n%s", r.what, got, fields, r.body)
	}
	return r
}

// names expects that the fields of a problem are, or are not, one of them this.
func (r *reply) names(field string, want bool) *reply {
	r.t.Helper()
	var p struct{ Errors []rentroll.FieldError }
	r.into(&p)
	named := slices.ContainsFunc(p.Errors, func(f rentroll.FieldError) bool { return f.Field == field })
	if named != want {
		r.t.Errorf("%s: %s is named: %t, want %t\n%s", r.what, field, named, want, r.body)
	}
	return r
}

func (r *reply) into(v any) {
	r.t.Helper()
	if err := json.Unmarshal(r.body, v); err != nil {
		r.t.Fatalf("%s: %v\n%s", r.what, err, r.body)
	}
}

// value returns what a path of names and indices leads to.
func (r *reply) value(path string) any {
	r.t.Helper()
	var v any
	r.into(&v)
	for part := range strings.SplitSeq(path, ".") {
		switch node := v.(type) {
		case map[string]any:
			next, ok := node[part]
			if !ok {
				r.t.Fatalf("%s: no %s in %s", r.what, path, r.body)
			}
			v = next
		case []any:
			var i int
			if _, err := fmt.Sscan(part, &i); err != nil || i >= len(node) {
				r.t.Fatalf("%s: no %s in %s", r.what, path, r.body)
			}
			v = node[i]
		default:
			r.t.Fatalf("%s: no %s in %s", r.what, path, r.body)
		}
	}
	return v
}

func (r *reply) text(path string) string {
	r.t.Helper()
	s, ok := r.value(path).(string)
	if !ok {
		r.t.Fatalf("%s: %s is no text in %s", r.what, path, r.body)
	}
	return s
}

// has expects values at paths, as they print.
func (r *reply) has(pairs ...any) *reply {
	r.t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		path, _ := pairs[i].(string)
		if got, want := fmt.Sprint(r.value(path)), fmt.Sprint(pairs[i+1]); got != want {
			r.t.Errorf("%s: %s is %s, want %s", r.what, path, got, want)
		}
	}
	return r
}

// dump is every row of every table of the database.
func (w *world) dump() string {
	w.t.Helper()
	db, err := sql.Open("sqlite", "file:"+w.file+"?mode=ro")
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close()
	var b strings.Builder
	for _, table := range column(w.t, db, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name") {
		fmt.Fprintln(&b, "--", table)
		rows, err := db.Query("SELECT * FROM " + table) //nolint:unqueryvet // whatever columns there are
		if err != nil {
			w.t.Fatal(err)
		}
		b.WriteString(printed(w.t, rows))
	}
	return b.String()
}

func column(t testing.TB, db *sql.DB, query string) []string {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(printed(t, rows))
}

func printed(t testing.TB, rows *sql.Rows) string {
	t.Helper()
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	values, targets := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		targets[i] = &values[i]
	}
	var b strings.Builder
	for rows.Next() {
		if err := rows.Scan(targets...); err != nil {
			t.Fatal(err)
		}
		for _, v := range values {
			if raw, ok := v.([]byte); ok {
				v = hex.EncodeToString(raw)
			}
			fmt.Fprint(&b, v, " ")
		}
		b.WriteByte('\n')
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// unchanged fails the test where what do does has changed the database.
func (w *world) unchanged(do func()) {
	w.t.Helper()
	before := w.dump()
	do()
	if after := w.dump(); before != after {
		w.t.Errorf("the database has changed\n%s", firstDifference(before, after))
	}
}

func firstDifference(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return "- " + x[i] + "\n+ " + y[i]
		}
	}
	return fmt.Sprintf("%d and %d lines", len(x), len(y))
}
