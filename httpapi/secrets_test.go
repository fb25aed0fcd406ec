package httpapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/pgtest"
	"github.com/rentroll/rentroll/postgres"
)

// vault is all secrets of a world, by what they are. It sits between the world and its server, learns each secret from
// the answer that makes it, and looks for it in every other answer.
type vault struct {
	t        testing.TB
	next     http.RoundTripper
	secrets  map[string]string
	lenient  bool // the caller puts secrets where none belong: what it sent may come back to it
	answered int
}

// guardedBy puts a vault around a world.
func guardedBy(w *world) *vault {
	v := &vault{t: w.t, next: w.client.Transport, secrets: map[string]string{
		"the operator's key": operatorSecret, "acme's key": w.key, "globex's key": w.theirs,
	}}
	w.client.Transport = v
	return v
}

// RoundTrip sends a request and looks at its answer.
func (v *vault) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := v.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	v.answered++
	var made struct{ Secret *string }
	if json.Unmarshal(body, &made) == nil && made.Secret != nil && res.StatusCode < 300 {
		v.secrets[fmt.Sprintf("the key made by request %d", v.answered)] = *made.Secret
		body = bytes.Replace(body, []byte(*made.Secret), nil, 1) // this once
	}
	if !v.lenient {
		v.clean("the answer to "+r.Method+" "+r.URL.Path, append(fmt.Append(nil, res.Header), body...), true)
	}
	return res, nil
}

// clean fails the test where a place holds a secret in any form, whole or the part that is never displayed, or what is
// stored of it.
func (v *vault) clean(place string, data []byte, hashesToo bool) {
	v.t.Helper()
	for name, secret := range v.secrets {
		for form, text := range forms(secret, hashesToo) {
			if i := bytes.Index(data, []byte(text)); i >= 0 {
				v.t.Errorf("%s holds %s, %s: …%q…", place, name, form, data[max(0, i-60):min(len(data), i+60)])
			}
		}
	}
}

// forms are the ways in which a secret may stand somewhere.
func forms(secret string, hashesToo bool) map[string]string {
	part := secret[min(12, len(secret)-16):][:16]
	out := map[string]string{
		"a part of it": part, "in hex": hex.EncodeToString([]byte(part)), "in HEX": strings.ToUpper(hex.EncodeToString([]byte(part))),
		"in base64": strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(secret)), "=")[:20], "escaped": url.QueryEscape(part),
	}
	if hashesToo {
		hash := sha256.Sum256([]byte(secret))
		out["its hash"] = string(hash[:])
		out["its hash in hex"] = hex.EncodeToString(hash[:])
		out["its hash as numbers"] = strings.ReplaceAll(strings.Trim(fmt.Sprintf("%d", hash[:16]), "[]"), " ", ",")
		out["its hash in base64"] = base64.StdEncoding.EncodeToString(hash[:])[:40]
		out["its hash in base64 for URLs"] = base64.URLEncoding.EncodeToString(hash[:])[:40]
	}
	return out
}

// visit sends everything that the API takes, well-formed and not, by every kind of caller.
func (v *vault) visit(w *world, f fixture, good []sample) {
	for _, s := range good {
		w.send(f.ask(s, operatorSecret))
	}
	_, revoked, id := w.found("initrode")
	w.operator("POST", "/v1/tenants/initrode/api-keys/"+id+"/revoke", nil).expect(200)
	foreign := revoked[:20] + "x" + revoked[21:] // a typing mistake
	v.secrets["a key with a typing mistake"] = foreign
	for _, s := range samples {
		for _, key := range []string{w.key, w.theirs, revoked, foreign, ""} {
			w.send(f.ask(s, key))
		}
	}
	for _, secret := range []string{operatorSecret, w.key, revoked, foreign} {
		for _, header := range []map[string]string{bearer(secret), {"X-API-Key": secret}, {"X-API-Key": secret, "Authorization": "Bearer " + w.theirs}, {"Authorization": secret}} {
			w.front("", header)
			w.send(ask{method: "GET", path: "/v1/tenants/me", header: header})
		}
		for _, body := range []string{
			`{"secret":%q}`, `{"secret":%q,"permission":"x"}`, `{"secret":%q,"permission":"run:create"}`, `{"secret":%[1]q,"secret":%[1]q}`, `{"secret":%q`,
			`{"secret":[%q]}`, `[%q]`, `{"Secret":%q}`, `{"secret":%q,"worker_id":""}`, `%q`, `{"secret":%q} x`, "{\"secret\":%q\x00}",
		} {
			for _, caller := range []string{operatorSecret, w.key} {
				w.send(ask{method: "POST", path: "/v1/api-keys/verify", key: caller, body: fmt.Sprintf(body, secret)})
			}
		}
	}
	for _, path := range []string{"/metrics", "/openapi.json", "/docs", "/docs/errors", "/docs/docs.js", "/v1/audit", "/v1/tenants/acme/audit?limit=200", "/v1/nothing"} {
		w.send(ask{method: "GET", path: path, key: operatorSecret})
	}
	v.misplace(w)
}

// misplace sends secrets where none belong: who did it may see it again, and nobody else.
func (v *vault) misplace(w *world) {
	v.lenient = true
	defer func() { v.lenient = false }()
	secret := url.PathEscape(w.key)
	for _, path := range []string{
		"/v1/tenants/" + secret, "/v1/tenants/acme/api-keys/" + secret, "/v1/tenants/acme/runs/" + secret, "/v1/" + secret, "/" + secret,
		"/v1/tenants?cursor=" + secret, "/v1/tenants?limit=" + secret, "/v1/tenants?q=" + secret, "/v1/tenants?" + secret + "=1",
		"/v1/forward-auth?permission=" + secret, "/v1/forward-auth?key=" + secret, "/metrics?key=" + secret, "/docs/" + secret,
	} {
		for _, method := range []string{"GET", "POST", w.key[:10]} {
			w.send(ask{method: method, path: path, key: operatorSecret})
		}
	}
	w.send(ask{method: "POST", path: "/v1/tenants/acme/runs", key: operatorSecret, body: `{"` + w.key + `":1}`})
	w.send(ask{method: "POST", path: "/v1/tenants", key: operatorSecret, body: `{"name":"x","slug":"` + w.key + `","plan":"` + w.key + `","timezone":"` + w.key + `"}`})
}

// TestNoSecretAnywhere uses the whole API and then looks for every secret in the log and in the database: nothing holds
// one but the answer that made it. In the database are hashes, and nowhere else.
func TestNoSecretAnywhere(t *testing.T) {
	t.Parallel()
	together := slices.DeleteFunc(slices.Clone(samples), func(s sample) bool { return s.alone })
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		v := guardedBy(w)
		v.visit(w, w.furnish(), together)
		v.checkLeft(w)
	})
	for _, s := range samples {
		if s.alone {
			t.Run(s.id, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				v := guardedBy(w)
				w.send(w.furnish().ask(s, operatorSecret)).expect(s.status)
				v.checkLeft(w)
			})
		}
	}
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		dsn, schema := pgtest.Database(t)
		w := newWorldOn(t, func(unused rentroll.Store) rentroll.Store {
			store, err := postgres.Open(t.Context(), dsn, &postgres.Options{Schema: schema, Connections: 4, AllowUnsafe: true})
			if err != nil {
				t.Fatal(err)
			}
			if err := unused.Close(); err != nil {
				t.Error(err)
			}
			return store
		})
		v := guardedBy(w)
		v.visit(w, w.furnish(), slices.Concat(together, samples)) // those that go alone may fail here
		v.checkLog(w)
		if err := w.engine.Close(); err != nil {
			t.Error(err)
		}
		tables := pgTables(t, dsn, schema)
		if !strings.Contains(string(tables["api_keys"]), `\x`) || len(tables["audit"]) == 0 {
			t.Errorf("the tables were not read: %v", slices.Collect(maps.Keys(tables)))
		}
		for name, rows := range tables {
			v.clean("the table "+name, rows, false)
			if name != "api_keys" && name != "operator_keys" { // which hold the hashes
				v.clean("the table "+name, rows, true)
			}
		}
	})
}

// checkLog looks into what was logged, all of it.
func (v *vault) checkLog(w *world) {
	v.t.Helper()
	log := w.log.String()
	if !strings.Contains(log, "level=DEBUG") && !strings.Contains(log, "route=") {
		v.t.Errorf("nothing was logged: %s", log)
	}
	v.clean("the log", []byte(log), true)
}

// checkLeft looks into what a world leaves: the log and the files of SQLite, before and after they are closed.
func (v *vault) checkLeft(w *world) {
	v.t.Helper()
	v.checkLog(w)
	v.checkFiles(w)
	if err := w.engine.Close(); err != nil { // writes the statistics
		v.t.Error(err)
	}
	v.checkFiles(w)
}

func (v *vault) checkFiles(w *world) {
	v.t.Helper()
	files, err := filepath.Glob(filepath.Join(filepath.Dir(w.file), "*"))
	if err != nil {
		v.t.Fatal(err)
	}
	hash, held := sha256.Sum256([]byte(w.key)), false
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			v.t.Fatal(err)
		}
		held = held || bytes.Contains(data, hash[:])
		v.clean(filepath.Base(file), data, false)
	}
	if !held {
		v.t.Errorf("no hash was found in %q: the files were not read", files)
	}
}

// pgTables are the rows of each table, as text.
func pgTables(t *testing.T, dsn, schema string) map[string][]byte {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	texts := func(query string, args ...any) []string {
		rows, err := conn.Query(ctx, query, args...)
		if err != nil {
			t.Fatal(err)
		}
		found, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	out := map[string][]byte{}
	for _, name := range texts("SELECT table_name::text FROM information_schema.tables WHERE table_schema = $1", schema) {
		table := pgx.Identifier{schema, name}.Sanitize()
		out[name] = []byte(strings.Join(texts("SELECT t::text FROM "+table+" t"), "\n"))
	}
	return out
}

// panicking is a store that panics with what it was asked.
type panicking struct {
	rentroll.Store
	broken atomic.Bool
}

func (p *panicking) View(ctx context.Context, read func(rentroll.Reader) error) error {
	if p.broken.Load() {
		return p.Store.View(ctx, func(rentroll.Reader) error { return read(nil) })
	}
	return p.Store.View(ctx, read)
}

// TestNoSecretInPanics lets the server panic while it looks for keys.
func TestNoSecretInPanics(t *testing.T) {
	t.Parallel()
	store := &panicking{}
	w := newWorldOn(t, func(s rentroll.Store) rentroll.Store { store.Store = s; return store }, func(e *rentroll.Options, _ *Options) { e.SweepInterval = -time.Second })
	v := guardedBy(w)
	f := w.furnish()
	store.broken.Store(true)
	for _, s := range samples {
		w.send(f.ask(s, w.key))
		w.front("", bearer(w.key))
	}
	store.broken.Store(false)
	if !strings.Contains(w.log.String(), "panic: ") {
		t.Error("nothing panicked")
	}
	v.checkLeft(w)
}

// TestTheVaultSees hides secrets in every form, and expects them to be found.
func TestTheVaultSees(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for form, text := range forms(w.key, true) {
		seen := &finds{TB: t}
		v := &vault{t: seen, secrets: map[string]string{"acme's key": w.key}}
		v.clean("a place", []byte("before "+text+" after"), true)
		if seen.found == 0 {
			t.Errorf("%s: not seen", form)
		}
		seen.found = 0
		v.clean("a place", []byte(w.key[:12]+" and "+w.theirs), true)
		if seen.found != 0 {
			t.Error("something is seen where nothing is")
		}
	}
}

// finds counts what a test would fail by.
type finds struct {
	testing.TB
	found int
}

func (f *finds) Errorf(string, ...any) { f.found++ }
func (f *finds) Helper()               {}
