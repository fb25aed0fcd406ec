package console

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rentroll/rentroll"
)

// streamed is a stream as a browser reads it.
type streamed struct {
	*browser

	res    *http.Response
	lines  *bufio.Scanner
	cancel context.CancelFunc
}

// follow opens the one stream of a browser for pages.
func (b *browser) follow(pages ...string) *streamed {
	b.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	b.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.server.URL+"/console/live", http.NoBody)
	b.must(err)
	query := req.URL.Query()
	for _, p := range pages {
		query.Add("at", p)
	}
	req.URL.RawQuery = query.Encode()
	res, err := b.client.Do(req)
	b.must(err)
	b.Cleanup(func() { _ = res.Body.Close() })
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 1<<20)
	return &streamed{b, res, lines, cancel}
}

// until reads events up to one that is wanted, whose data it returns; ok is false where the stream ends first.
func (s *streamed) until(wanted func(event, data string) bool) (data string, ok bool) {
	s.Helper()
	event := ""
	for s.lines.Scan() {
		line := s.lines.Text()
		if name, isEvent := strings.CutPrefix(line, "event: "); isEvent {
			event = name
		}
		if data, isData := strings.CutPrefix(line, "data: "); isData && wanted(event, data) {
			return data, true
		}
	}
	return "", false
}

func (s *streamed) event(name string) string {
	s.Helper()
	data, ok := s.until(func(event, _ string) bool { return event == name })
	if !ok {
		s.Fatalf("the stream has ended before %q came", name)
	}
	return data
}

// TestStreamTellsOfChanges: one stream brings the news of all of a browser's pages, and of a page only what has changed.
func TestStreamTellsOfChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	acme := w.tenant("acme")
	b := w.signedIn(operatorSecret)
	s := b.follow("/console/tenants/acme", "/console/tenants", "/console/keys", "/console/no-page", "https://elsewhere.example/console/")
	if kind := s.res.Header.Get("Content-Type"); s.res.StatusCode != http.StatusOK || kind != "text/event-stream" {
		t.Fatalf("the stream was answered %d, %q", s.res.StatusCode, kind)
	}
	seen := map[string]bool{}
	part := func(event, data string) bool {
		var p struct{ At, HTML string }
		if event != "part" || json.Unmarshal([]byte(data), &p) != nil {
			return false
		}
		seen[p.At] = true
		return len(seen) == 2
	}
	if _, ok := s.until(part); !ok || !seen["/console/tenants/acme"] || !seen["/console/tenants"] {
		t.Fatalf("news came of %v", seen)
	}
	_, err := w.engine.Suspend(t.Context(), rentroll.TransitionParams{TenantID: acme.ID, Reason: "It has not paid"})
	w.must(err)
	if _, ok := s.until(func(event, data string) bool { return event == "part" && strings.Contains(data, "It has not paid") }); !ok {
		t.Error("nobody was told of the suspension")
	}
}

// TestStreamEndsWithItsSession: a session is looked at anew for each tick, so that one that has ended gets no more news.
func TestStreamEndsWithItsSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	acme := w.tenant("acme")
	secret, key, err := w.engine.CreateAPIKey(t.Context(), rentroll.CreateAPIKeyParams{TenantID: acme.ID, Name: "k", Permissions: []string{"*"}})
	w.must(err)
	s := w.signedIn(secret).follow("/console/tenants/me")
	s.event("tick")
	_, err = w.engine.RevokeAPIKey(t.Context(), rentroll.RevokeAPIKeyParams{TenantID: acme.ID, KeyID: key.ID})
	w.must(err)
	s.event("ended")
	stranger := w.browser().follow("/console/tenants/acme")
	if stranger.res.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a session a stream is answered %d", stranger.res.StatusCode)
	}
}

// TestStreamsOfDifferentTenants: what one may see is never sent to another, though both look at the same address.
func TestStreamsOfDifferentTenants(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	acme, other := w.tenant("acme"), w.tenant("other")
	one, two := w.signedIn(w.key(acme, "*")).follow("/console/tenants/me"), w.signedIn(w.key(other, "*")).follow("/console/tenants/me", "/console/tenants/acme")
	for s, slug := range map[*streamed]string{one: "acme", two: "other"} {
		if data := s.event("part"); !strings.Contains(data, "tenants/"+slug+"/runs") {
			t.Errorf("%s is told %s", slug, data)
		}
	}
	two.until(func(event, data string) bool {
		if event == "part" && strings.Contains(data, "tenants/acme/") {
			t.Error("a tenant is told of another")
		}
		return event == "tick"
	})
}

// TestDrainEndsStreams: a server that stops waits for no stream, and begins none.
func TestDrainEndsStreams(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.tenant("acme")
	b := w.signedIn(operatorSecret)
	s := b.follow("/console/tenants")
	s.event("tick")
	w.console.Drain()
	if _, ok := s.until(func(string, string) bool { return false }); ok {
		t.Error("the stream goes on")
	}
	again := b.follow("/console/tenants")
	if again.res.StatusCode != http.StatusServiceUnavailable || again.res.Header.Get("Retry-After") == "" {
		t.Errorf("after the drain a stream is answered %d", again.res.StatusCode)
	}
	w.console.Drain() // twice is fine
}

// TestSlowReader: who does not read is cut off, and nobody waits for it.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	h := newHub(nil)
	slow := &stream{writer: httptest.NewRecorder(), news: make(chan message, maxWaiting), gone: make(chan struct{})}
	quick := &stream{writer: httptest.NewRecorder(), news: make(chan message, maxWaiting), gone: make(chan struct{})}
	h.running = true // by this test
	if !h.join(slow) || !h.join(quick) {
		t.Fatal("nobody may join")
	}
	for n := range 2 * maxWaiting {
		h.tell(slow, newMessage("tick", n))
		h.tell(quick, newMessage("tick", n))
		if m := <-quick.news; string(m.data) != strconv.Itoa(n) {
			t.Fatalf("the quick one is told %s, want %d", m.data, n)
		}
	}
	select {
	case <-slow.gone:
	default:
		t.Error("who does not read is not cut off")
	}
	select {
	case <-quick.gone:
		t.Error("who reads is cut off")
	default:
	}
	h.leave(slow)
	h.tell(slow, newMessage("tick", 0)) // its connection is another request's by now
	h.close()
	select {
	case <-quick.gone:
	default:
		t.Error("a stream outlives its hub")
	}
}

// TestStreamsAreBounded: a server keeps so many streams, and the next one is told to come back.
func TestStreamsAreBounded(t *testing.T) {
	t.Parallel()
	h := newHub(nil)
	h.running = true
	for range maxStreams {
		if !h.join(&stream{writer: httptest.NewRecorder(), gone: make(chan struct{})}) {
			t.Fatal("there is room, and nobody may join")
		}
	}
	last := &stream{writer: httptest.NewRecorder(), gone: make(chan struct{})}
	if h.join(last) {
		t.Error("there are more streams than are kept")
	}
	for s := range h.streams {
		h.leave(s)
		break
	}
	if !h.join(last) {
		t.Error("one has left, and nobody may join")
	}
}

// TestOneTickerForAll: many browsers that see the same cost one making of it.
func TestOneTickerForAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.tenant("acme")
	var made int
	at := &route{at: "GET /console/tenants", template: "tenants", page: func(v *visit) (any, error) { made++; return v.tenants() }}
	b := w.signedIn(operatorSecret)
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/console/tenants", http.NoBody)
	for _, c := range b.client.Jar.Cookies(mustURL(t, b.server.URL+"/console/")) {
		request.AddCookie(c)
	}
	token := cookieValue(request, sessionCookie)
	var streams []*stream
	for range 50 {
		streams = append(streams, &stream{
			request: request, token: token, news: make(chan message, maxWaiting), gone: make(chan struct{}), writer: httptest.NewRecorder(),
			topics: []*topic{{address: "/console/tenants", request: request, route: at}},
		})
	}
	w.console.live.tick(streams, -1, 0)
	if made != 1 {
		t.Errorf("the page was made %d times for 50 browsers", made)
	}
	for _, s := range streams {
		if m := <-s.news; m.event != "part" {
			t.Fatalf("a browser is told %+v", m)
		}
	}
}

// TestBusyServerTicksLess: where a tick takes long the next one comes later, and each page as often as it is meant to, or with
// every tick where those come less often.
func TestBusyServerTicksLess(t *testing.T) {
	t.Parallel()
	for took, want := range map[time.Duration]time.Duration{
		-time.Second: tickInterval, 0: tickInterval, 100 * time.Millisecond: tickInterval, 250 * time.Millisecond: 1250 * time.Millisecond,
		time.Second: tickMost, 20 * time.Second: tickMost,
	} {
		if got := untilNext(took); got != want {
			t.Errorf("after a tick of %v the next one comes after %v, want %v", took, got, want)
		}
	}
	each, second := &route{}, &route{every: 2 * time.Second}
	for _, c := range []struct {
		last, now  int
		each, both bool
	}{{-1, 0, true, true}, {0, 1, true, false}, {1, 2, true, true}, {1, 4, true, true}, {4, 9, true, true}} {
		if each.due(c.last, c.now) != c.each || second.due(c.last, c.now) != c.both {
			t.Errorf("at %d after %d: %v and %v", c.now, c.last, each.due(c.last, c.now), second.due(c.last, c.now))
		}
	}
}

func mustURL(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
