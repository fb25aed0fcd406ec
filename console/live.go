package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/rentroll/rentroll"
)

// The bounds of what is sent to browsers that stay.
const (
	tickInterval = time.Second     // between two ticks
	tickMost     = 3 * time.Second // likewise, on a server that is so busy that ticks take long
	tickPart     = 5               // a tick takes no more than one part in so many of the time, up to tickMost
	tickTimeout  = 5 * time.Second
	maxStreams   = 1000 // of a server
	maxTopics    = 24   // of a stream: the tabs of a browser
	maxWaiting   = 64   // messages to a browser that does not read
)

// hub sends news to browsers. A topic is the address of a page; what is sent is the page's block "live" where it has
// changed. One ticker makes each topic once for all who see the same of it. Safe for concurrent use.
type hub struct {
	console *Console

	mu      sync.Mutex
	streams map[*stream]struct{}
	closed  bool
	ending  chan struct{} // closed by close
	running bool
}

// stream is one browser.
type stream struct {
	request *http.Request
	writer  http.ResponseWriter
	token   string
	topics  []*topic
	news    chan message
	gone    chan struct{} // closed when nothing more is sent
	once    sync.Once
}

// topic is a page that a browser looks at.
type topic struct {
	address string
	request *http.Request // for the page alone
	route   *route
	sent    []byte
}

// message is one event of a stream, with its data in JSON.
type message struct {
	event string
	data  []byte
}

// newMessage writes a message, once for all who get it.
func newMessage(event string, data any) message {
	text, err := json.Marshal(data)
	if err != nil {
		panic(fmt.Errorf("console: a message has no JSON form: %w", err))
	}
	return message{event, text}
}

// news is what a page is now.
type news struct {
	part    []byte // nil where it can't be read
	message message
}

func newHub(c *Console) *hub {
	return &hub{console: c, streams: map[*stream]struct{}{}, ending: make(chan struct{})}
}

func (s *stream) end() { s.once.Do(func() { close(s.gone) }) }

// close ends all streams.
func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	h.closed = true
	close(h.ending)
	for s := range h.streams {
		s.cut()
	}
}

// cut ends a stream that is still served, also where its browser does not read.
func (s *stream) cut() {
	s.end()
	_ = http.NewResponseController(s.writer).SetWriteDeadline(time.Unix(1, 0)) // where it can't, the connection's own holds
}

// serve is a stream from its begin to its end.
func (h *hub) serve(w http.ResponseWriter, r *http.Request) {
	token := cookieValue(r, sessionCookie)
	if _, err := h.console.engine.ResumeSession(r.Context(), token, h.console.opts.CallerAddress(r), false); err != nil {
		http.Error(w, "Sign in first.", http.StatusUnauthorized)
		return
	}
	s := &stream{request: r, writer: w, token: token, news: make(chan message, maxWaiting), gone: make(chan struct{})}
	for _, address := range r.URL.Query()["at"] {
		if t := h.console.topicOf(r, address); t != nil && len(s.topics) < maxTopics {
			s.topics = append(s.topics, t)
		}
	}
	if !h.join(s) {
		w.Header().Set("Retry-After", "10")
		http.Error(w, "Too many pages are being kept up to date, or the server stops.", http.StatusServiceUnavailable)
		return
	}
	defer h.leave(s)
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("X-Accel-Buffering", "no") // nginx would keep what is meant for now
	out := http.NewResponseController(w)
	_ = out.SetWriteDeadline(time.Time{}) // a stream has no end of its own; hub.cut ends one that is stuck
	if _, err := fmt.Fprint(w, "retry: 2000\n\n"); err != nil || out.Flush() != nil {
		return
	}
	for {
		select {
		case m := <-s.news:
			if _, err := fmt.Fprintf(w, "event: %s\ndata: %s\n\n", m.event, m.data); err != nil || out.Flush() != nil {
				return
			}
		case <-s.gone:
			return
		case <-r.Context().Done():
			return
		}
	}
}

// topicOf returns the page at an address; nil where nothing moves there.
func (c *Console) topicOf(r *http.Request, address string) *topic {
	u, err := url.Parse(address)
	if err != nil || u.Host != "" || !strings.HasPrefix(u.Path, root) {
		return nil
	}
	request := &http.Request{Method: http.MethodGet, URL: u, Host: r.Host, Header: r.Header, RemoteAddr: r.RemoteAddr}
	var found *topic
	for i := range routes {
		if values, ok := matchPath(routes[i].at, u.Path); ok && routes[i].page != nil && c.pages[routes[i].template].Lookup("live") != nil {
			for name, value := range values {
				request.SetPathValue(name, value)
			}
			found = &topic{address: address, request: request, route: &routes[i]}
			break
		}
	}
	return found
}

// matchPath matches a path with the pattern of a route, which has the method in front.
func matchPath(pattern, path string) (map[string]string, bool) {
	_, pattern, _ = strings.Cut(pattern, " ")
	want, have := strings.Split(strings.TrimSuffix(pattern, "{$}"), "/"), strings.Split(path, "/")
	if len(want) != len(have) {
		return nil, false
	}
	values := map[string]string{}
	for i, part := range want {
		switch name, isVariable := strings.CutPrefix(part, "{"); {
		case isVariable && have[i] != "":
			values[strings.TrimSuffix(name, "}")] = have[i]
		case part != have[i]:
			return nil, false
		}
	}
	return values, true
}

func (h *hub) join(s *stream) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || len(h.streams) >= maxStreams {
		return false
	}
	h.streams[s] = struct{}{}
	if !h.running {
		h.running = true
		go h.run()
	}
	return true
}

func (h *hub) leave(s *stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.streams, s)
	s.end()
}

// run ticks as long as there are streams: once a second, and less often where a tick takes long, so that pages that are
// looked at keep a busy server from little of its work.
func (h *hub) run() {
	wait := time.NewTimer(tickInterval)
	defer wait.Stop()
	for last, now := -1, 0; ; {
		select {
		case <-wait.C:
		case <-h.ending:
			return
		}
		h.mu.Lock()
		streams := make([]*stream, 0, len(h.streams))
		for s := range h.streams {
			streams = append(streams, s)
		}
		h.running = len(streams) > 0
		running := h.running
		h.mu.Unlock()
		if !running {
			return
		}
		began := h.console.engine.Now()
		h.tick(streams, last, now)
		took := h.console.engine.Now().Sub(began)
		next := untilNext(took)
		wait.Reset(max(next-took, 0))
		last, now = now, now+int(next.Round(tickInterval)/tickInterval)
	}
}

// untilNext is how long after the begin of a tick that took so long the next one begins.
func untilNext(took time.Duration) time.Duration {
	return min(max(took*tickPart, tickInterval), tickMost)
}

// due reports whether a page is to be made anew in a tick, after the last one; both are counted in tickInterval.
func (r *route) due(last, now int) bool {
	every := int(r.every / tickInterval)
	return every <= 1 || last < 0 || now/every != last/every
}

// tick asks who still may see what, and sends what has changed.
func (h *hub) tick(streams []*stream, last, now int) {
	ctx, cancel := context.WithTimeout(context.Background(), tickTimeout)
	defer cancel()
	made := map[string]*news{}
	beat := newMessage("tick", now)
	for _, s := range streams {
		actor, err := h.console.engine.ResumeSession(ctx, s.token, h.console.opts.CallerAddress(s.request), false)
		switch {
		case errors.Is(err, rentroll.CodeUnauthenticated):
			h.tell(s, newMessage("ended", nil))
			continue
		case err != nil:
			continue // the database is away: what is shown stays
		}
		for _, t := range s.topics {
			if t.route.due(last, now) || t.sent == nil { // who has just come does not wait
				h.send(ctx, s, t, actor, made)
			}
		}
		h.tell(s, beat)
	}
}

// send makes a topic, unless that was done in this tick for somebody who sees the same, and sends it where it has changed.
func (h *hub) send(ctx context.Context, s *stream, t *topic, actor rentroll.Actor, made map[string]*news) {
	v := h.console.visitOf(nil, t.request.WithContext(ctx), t.route, s.token, actor)
	v.news = true
	seenBy := fmt.Sprint(t.address, "\n", actor.Kind, actor.TenantID, actor.Permissions, v.zone)
	n := made[seenBy]
	if n == nil {
		n = &news{}
		data, err := t.route.page(v)
		if err == nil {
			n.part, err = v.part("live", data)
		}
		if err == nil {
			n.message = newMessage("part", map[string]string{"at": t.address, "html": string(n.part)})
		} else {
			n.part = nil // gone, or not to be read at the moment: what is shown stays
		}
		made[seenBy] = n
	}
	if n.part == nil || bytes.Equal(n.part, t.sent) {
		return
	}
	t.sent = n.part
	h.tell(s, n.message)
}

// tell sends a message to a stream, and ends one that does not read.
func (h *hub) tell(s *stream, m message) {
	select {
	case s.news <- m:
	default:
		h.mu.Lock()
		defer h.mu.Unlock()
		if _, served := h.streams[s]; served { // else its connection is another request's by now
			s.cut()
		}
	}
}
