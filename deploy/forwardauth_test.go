package deploy_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/client"
	"github.com/rentroll/rentroll/httpapi"
	"github.com/rentroll/rentroll/quota"
	"github.com/rentroll/rentroll/sqlite"
)

const operatorSecret = "the operator key of the proxies' tests"

// front is an API behind a proxy that asks a Rentroll server.
type front struct {
	t        testing.TB
	proxy    *proxy
	operator *client.Client
	rentroll *httptest.Server
	reached  atomic.Int64 // requests that came through to the API
	tenant   rentroll.TenantID

	good, narrow, revoked, suspended, limited string // keys
	goodID                                    rentroll.KeyID
}

// seen is what the API tells of a request that it got.
type seen struct {
	Method string
	Path   string
	Header http.Header
	Body   string
}

// newFront starts a server, an API and a proxy between them, and makes keys.
func newFront(t testing.TB, start func(testing.TB, *strings.Replacer) *proxy) *front {
	t.Helper()
	f := &front{t: t}
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "rentroll.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	engine, err := rentroll.New(store, &rentroll.Options{OperatorSecret: operatorSecret})
	if err != nil {
		t.Fatal(err)
	}
	f.rentroll = httptest.NewServer(f.before(httpapi.New(engine, nil)))
	api := httptest.NewServer(http.HandlerFunc(f.answer))
	t.Cleanup(func() {
		api.Close()
		f.rentroll.Close()
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	if f.operator, err = client.New(f.rentroll.URL, operatorSecret, nil); err != nil {
		t.Fatal(err)
	}
	f.makeKeys()
	host := func(raw string) string {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		return u.Host
	}
	f.proxy = start(t, strings.NewReplacer("rentroll:8080", host(f.rentroll.URL), "api:9000", host(api.URL)))
	return f
}

// before stands before a server and looks at what proxies ask.
func (f *front) before(server http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if from := r.Header.Values("X-Forwarded-For"); strings.HasSuffix(r.URL.Path, "/forward-auth") &&
			(r.Header["Cookie"] != nil || r.ContentLength != 0 || !slices.Equal(from, []string{"127.0.0.1"})) {
			f.t.Errorf("a question says too much, or not from where: %v, %d bytes", r.Header, r.ContentLength)
		}
		server.ServeHTTP(w, r)
	})
}

// answer is the API: it tells what it got.
func (f *front) answer(w http.ResponseWriter, r *http.Request) {
	f.reached.Add(1)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		f.t.Error(err)
	}
	if r.Header.Get("Rentroll-Tenant-Id") == "" || r.Header.Get("Rentroll-Key-Id") == "" {
		dump, _ := httputil.DumpRequest(r, false)
		f.t.Errorf("a request reached the API without a caller:\n%s", dump)
	}
	if r.URL.Path == "/teapot" {
		w.Header().Set("X-Of-The-API", "yes")
		w.WriteHeader(http.StatusForbidden)
	}
	if err := json.NewEncoder(w).Encode(seen{r.Method, r.URL.RequestURI(), r.Header, string(body)}); err != nil {
		f.t.Error(err)
	}
}

func (f *front) makeKeys() {
	f.t.Helper()
	ctx := f.t.Context()
	quiet := quota.Limits{quota.RequestsPerMinute: quota.Of(0)} // and not one that is used up, which has room again some time
	for slug, limits := range map[string]quota.Limits{"acme": nil, "gone": nil, "quiet": quiet} {
		tenant, err := f.operator.CreateTenant(ctx, client.CreateTenantParams{Name: "T", Slug: slug, Plan: rentroll.PlanPro, LimitOverrides: limits})
		if err != nil {
			f.t.Fatal(err)
		}
		if slug == "acme" {
			f.tenant = tenant.ID
		}
	}
	key := func(tenant string, permissions ...string) (string, rentroll.KeyID) {
		made, err := f.operator.CreateAPIKey(ctx, tenant, client.CreateAPIKeyParams{Name: "k", Permissions: permissions})
		if err != nil {
			f.t.Fatal(err)
		}
		return string(made.Secret), made.APIKey.ID
	}
	var revoked rentroll.KeyID
	f.good, f.goodID = key("acme", "run:*", "read:*")
	f.narrow, _ = key("acme", "read:*")
	f.suspended, _ = key("gone", "*")
	f.revoked, revoked = key("acme", "*")
	if _, err := f.operator.RevokeAPIKey(ctx, "acme", revoked, "test"); err != nil {
		f.t.Fatal(err)
	}
	f.limited, _ = key("quiet", "*")
	if _, err := f.operator.Suspend(ctx, "gone", "test"); err != nil {
		f.t.Fatal(err)
	}
}

// got is an answer that came through the proxy.
type got struct {
	status int
	header http.Header
	body   []byte
}

func (f *front) send(method, path, body string, header map[string]string) got {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), method, f.proxy.url+path, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	for name, value := range header {
		req.Header[name] = []string{value} // as it is spelled
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		f.t.Errorf("%s %s: %v", method, path, err)
		return got{}
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		f.t.Errorf("%s %s: %v", method, path, err)
	}
	return got{res.StatusCode, res.Header, data}
}

// check fails the test where an answer is not the refusal that is expected.
func (g got) check(t testing.TB, status int, code string) {
	t.Helper()
	var p struct {
		Status int
		Code   string
	}
	if err := json.Unmarshal(g.body, &p); err != nil || g.status != status || p.Status != status || p.Code != code ||
		g.header.Get("Content-Type") != "application/problem+json" || g.header.Get("Cache-Control") != "no-store" {
		t.Errorf("status %d, want %d %s\n%v\n%s", g.status, status, code, g.header, g.body)
	}
	if challenge := g.header.Values("WWW-Authenticate"); status == http.StatusUnauthorized && !slices.Equal(challenge, []string{"Bearer"}) {
		t.Errorf("WWW-Authenticate %q", challenge)
	}
}

// perProxy runs a test before each proxy.
func perProxy(t *testing.T, test func(f *front)) {
	t.Helper()
	for name, start := range map[string]func(testing.TB, *strings.Replacer) *proxy{"nginx": startNginx, "caddy": startCaddy} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(newFront(t, start))
		})
	}
}

// TestForwardAuthPasses: a good key passes, the API learns whose it is, and nothing that the client says of itself
// counts.
func TestForwardAuthPasses(t *testing.T) {
	t.Parallel()
	perProxy(t, func(f *front) {
		t := f.t
		for _, key := range []map[string]string{{"Authorization": "Bearer " + f.good}, {"X-Api-Key": f.good}} {
			forged := map[string]string{
				"Rentroll-Tenant-Id": "ten_forged", "rentroll-key-id": "key_forged", "RENTROLL-PERMISSIONS": "*", "Rentroll-Plan": "enterprise",
				"Rentroll-Denial": "forged", "Rentroll_Tenant_Id": "ten_forged", "Rentroll_Plan": "forged", "Rentroll-User": "usr_forged",
				"X-Forwarded-For": "198.51.100.7", "Cookie": "session=1", "If-None-Match": "not a tag", "Content-Type": "text/plain",
			}
			maps.Copy(forged, key)
			g := f.send(http.MethodPost, "/orders?permission=x&a=1&a=2", "two pizzas", forged)
			if g.status != http.StatusOK {
				t.Fatalf("status %d %v\n%s", g.status, g.header, g.body)
			}
			var s seen
			if err := json.Unmarshal(g.body, &s); err != nil {
				t.Fatal(err)
			}
			if s.Method != http.MethodPost || s.Path != "/orders?permission=x&a=1&a=2" || s.Body != "two pizzas" || s.Header.Get("Cookie") != "session=1" {
				t.Errorf("the request has changed on its way: %+v", s)
			}
			for name, want := range map[string]string{
				"Rentroll-Tenant-Id": f.tenant.String(), "Rentroll-Key-Id": f.goodID.String(), "Rentroll-Plan": "pro",
				"Rentroll-Permissions": "run:* read:*", "Authorization": "", "X-Api-Key": "",
			} {
				if have := strings.Join(s.Header.Values(name), ", "); have != want {
					t.Errorf("%s is %q, want %q", name, have, want)
				}
			}
			if text := fmt.Sprint(s); strings.Contains(text, "forged") || strings.Contains(text, f.good) {
				t.Errorf("the API got what it must not: %s", text)
			}
		}
		if g := f.send(http.MethodGet, "/teapot", "", map[string]string{"X-Api-Key": f.good}); g.status != http.StatusForbidden || g.header.Get("X-Of-The-API") != "yes" {
			t.Errorf("the API's own refusal came back as %d %v", g.status, g.header)
		}
	})
}

// refusals are what each key that may not pass is answered.
func (f *front) refusals() map[string]struct {
	status int
	code   string
} {
	type r = struct {
		status int
		code   string
	}
	return map[string]r{
		"": {401, "unauthenticated"}, "x": {401, "unauthenticated"}, f.good + "x": {401, "unauthenticated"}, f.revoked: {401, "unauthenticated"},
		operatorSecret: {401, "unauthenticated"}, f.suspended: {403, "tenant_suspended"}, f.narrow: {403, "forbidden"},
		f.limited: {429, "rate_limited"},
	}
}

func TestForwardAuthStops(t *testing.T) {
	t.Parallel()
	perProxy(t, func(f *front) {
		t := f.t
		for key, want := range f.refusals() {
			header := map[string]string{"Rentroll-Tenant-Id": f.tenant.String(), "Rentroll-Key-Id": f.goodID.String()}
			if key != "" {
				header["X-Api-Key"] = key
			}
			g := f.send(http.MethodPost, "/orders", "x", header)
			g.check(t, want.status, want.code)
			if want.status == http.StatusTooManyRequests {
				for name, value := range map[string]string{"Retry-After": "60", "RateLimit": `"tenant";r=0;t=60`, "RateLimit-Policy": `"tenant";q=0;w=60`} {
					if have := g.header.Values(name); len(have) != 1 || !strings.HasPrefix(have[0], value) {
						t.Errorf("%s is %q, want %q", name, have, value)
					}
				}
			}
		}
		if n := f.reached.Load(); n != 0 {
			t.Errorf("%d requests reached the API", n)
		}
		if _, err := f.operator.Resume(t.Context(), "gone", "test"); err != nil {
			t.Fatal(err)
		}
		if g := f.send(http.MethodGet, "/", "", map[string]string{"X-Api-Key": f.suspended}); g.status != http.StatusOK {
			t.Errorf("resumed: status %d\n%s", g.status, g.body)
		}
		f.rentroll.Close()
		f.send(http.MethodGet, "/", "", map[string]string{"X-Api-Key": f.good}).check(t, 503, "unavailable")
	})
}

// TestForwardAuthUnderLoad sends good and bad keys at once over shared connections: nobody gets another's answer.
func TestForwardAuthUnderLoad(t *testing.T) {
	t.Parallel()
	perProxy(t, func(f *front) {
		t := f.t
		const callers, calls = 16, 25
		refusals := f.refusals()
		bad := slices.Sorted(maps.Keys(refusals))
		var group sync.WaitGroup
		var passed atomic.Int64
		for i := range callers {
			group.Go(func() {
				for j := range calls {
					if (i+j)%2 == 0 {
						if g := f.send(http.MethodGet, "/", "", map[string]string{"X-Api-Key": f.good}); g.status != http.StatusOK {
							t.Errorf("a good key: status %d\n%s", g.status, g.body)
						}
						passed.Add(1)
						continue
					}
					key := bad[(i+j)/2%len(bad)]
					header := map[string]string{}
					if key != "" {
						header["X-Api-Key"] = key
					}
					f.send(http.MethodPost, "/", "x", header).check(t, refusals[key].status, refusals[key].code)
				}
			})
		}
		group.Wait()
		if n := f.reached.Load(); n != passed.Load() {
			t.Errorf("%d requests reached the API, and %d were to", n, passed.Load())
		}
	})
}

// TestReloadLosesNothing reloads nginx again and again while requests are under way, on connections of their own and on
// kept ones.
func TestReloadLosesNothing(t *testing.T) {
	t.Parallel()
	f := newFront(t, startNginx)
	site, err := os.ReadFile(filepath.Join(f.proxy.folder, "site.conf"))
	if err != nil {
		t.Fatal(err)
	}
	const reloads, callers = 5, 8
	var generation, answered atomic.Int64 // the newest configuration that an answer came from
	done := make(chan struct{})
	var group sync.WaitGroup
	for i := range callers {
		group.Go(func() {
			caller := &http.Client{Transport: &http.Transport{DisableKeepAlives: i%2 == 0}}
			defer caller.CloseIdleConnections()
			for {
				select {
				case <-done:
					return
				default:
					f.pass(caller, &generation)
					answered.Add(1)
				}
			}
		})
	}
	for n := range int64(reloads) {
		marked := strings.Replace(string(site), "server_tokens off;", fmt.Sprintf("server_tokens off;\n    set $generation %d;", n+1), 1)
		marked = strings.Replace(marked, "add_header RateLimit $rate always;", "add_header RateLimit $rate always;\n        add_header Generation $generation;", 1)
		f.proxy.write("site.conf", marked)
		if err := f.proxy.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		before := answered.Load()
		for generation.Load() < n+1 || answered.Load() < before+200 { // each on both sides of the change
			f.pass(http.DefaultClient, &generation)
		}
	}
	close(done)
	group.Wait()
	t.Logf("%d requests over %d reloads", answered.Load(), reloads)
}

// pass sends a request that must pass, and notes by which configuration it did.
func (f *front) pass(caller *http.Client, generation *atomic.Int64) {
	req, err := http.NewRequestWithContext(f.t.Context(), http.MethodGet, f.proxy.url, http.NoBody)
	if err != nil {
		f.t.Error(err)
		return
	}
	req.Header.Set("X-Api-Key", f.good)
	res, err := caller.Do(req)
	if err != nil {
		f.t.Errorf("lost: %v", err)
		return
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusOK {
		f.t.Errorf("lost: status %d, %v", res.StatusCode, err)
	}
	var n int64
	if _, err := fmt.Sscan(res.Header.Get("Generation"), &n); err == nil {
		for old := generation.Load(); n > old && !generation.CompareAndSwap(old, n); old = generation.Load() {
		}
	}
}
