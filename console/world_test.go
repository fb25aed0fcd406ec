package console

import (
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/sqlite"
)

const operatorSecret = "an operator's key of the configuration"

// world is a platform with a console.
type world struct {
	*testing.T

	engine  *rentroll.Engine
	console *Console
	server  *httptest.Server
}

func newWorld(t *testing.T, options *Options) *world {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "rentroll.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	engine, err := rentroll.New(store, &rentroll.Options{OperatorSecret: operatorSecret})
	if err != nil {
		t.Fatal(err)
	}
	c := New(engine, options)
	server := httptest.NewServer(c)
	server.Config.RegisterOnShutdown(c.Drain)
	t.Cleanup(func() {
		c.Drain()
		server.Close()
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	return &world{t, engine, c, server}
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) tenant(slug string) *rentroll.Tenant {
	w.Helper()
	t, err := w.engine.CreateTenant(w.Context(), rentroll.CreateTenantParams{Name: "Tenant " + slug, Slug: slug})
	w.must(err)
	return t
}

// browser is a visitor with cookies who follows no redirects.
type browser struct {
	*world

	client *http.Client
	header http.Header
}

func (w *world) browser() *browser {
	jar, err := cookiejar.New(nil)
	w.must(err)
	return &browser{w, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, http.Header{}}
}

// signedIn is a browser whose user has signed in.
func (w *world) signedIn(secret string) *browser {
	w.Helper()
	b := w.browser()
	if a := b.post("/console/sign-in", url.Values{"key": {secret}}); a.status != http.StatusSeeOther {
		w.Fatalf("signing in: %d %s", a.status, a.body)
	}
	return b
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (b *browser) do(req *http.Request) answer {
	b.Helper()
	maps.Copy(req.Header, b.header)
	if host := b.header.Get("Host"); host != "" {
		req.Host = host
	}
	res, err := b.client.Do(req)
	b.must(err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	b.must(err)
	return answer{res.StatusCode, res.Header, string(body)}
}

func (b *browser) get(path string) answer {
	b.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, b.server.URL+path, http.NoBody)
	b.must(err)
	return b.do(req)
}

func (b *browser) post(path string, form url.Values) answer {
	b.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, b.server.URL+path, strings.NewReader(form.Encode()))
	b.must(err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.do(req)
}

var tokenField = regexp.MustCompile(`name="token" value="([^"]+)"`)

// token is that of a page's forms.
func (b *browser) token() string {
	b.Helper()
	page := b.get("/console/")
	if to := page.header.Get("Location"); to != "" { // a tenant's key is at home elsewhere
		page = b.get(to)
	}
	found := tokenField.FindStringSubmatch(page.body)
	if found == nil {
		b.Fatal("the page has no form")
	}
	return found[1]
}

// act posts a form of a page.
func (b *browser) act(path string, form url.Values) answer {
	b.Helper()
	if form == nil {
		form = url.Values{}
	}
	form.Set("token", b.token())
	return b.post(path, form)
}

// leads checks that an answer sends the browser somewhere.
func (b *browser) leads(what string, a answer, to string) {
	b.Helper()
	if a.status != http.StatusSeeOther || a.header.Get("Location") != to {
		b.Errorf("%s: %d to %q, want %q: %s", what, a.status, a.header.Get("Location"), to, a.body)
	}
}

func (b *browser) is(what string, a answer, status int, says string) {
	b.Helper()
	if a.status != status || !strings.Contains(a.body, says) {
		b.Errorf("%s: %d, want %d and %q in\n%s", what, a.status, status, says, a.body)
	}
}
