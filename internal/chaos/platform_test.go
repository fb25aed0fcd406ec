package chaos

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rentroll/rentroll/client"
	"github.com/rentroll/rentroll/internal/faultproxy"
	"github.com/rentroll/rentroll/internal/pgtest"
	"github.com/rentroll/rentroll/internal/programtest"
)

const (
	operatorKey = "the operator's key in these tests, forty."
	schema      = "rentroll"
	tryTimeout  = 3 * time.Second // of one try of a caller
)

// platform is a database and the servers on it.
type platform struct {
	t       *testing.T
	cluster *pgtest.Cluster
	program string
	servers []*server
}

// server is one server, over all its lives.
type server struct {
	*platform

	name   string
	listen string // the same in each life
	proxy  *faultproxy.Proxy

	mu       sync.Mutex
	clients  map[string]*client.Client // by key
	life     *life
	expected bool     // that this life ends
	failed   []string // what was said by starts that failed
}

// life is a server's process.
type life struct {
	cmd     *exec.Cmd
	said    *output
	ended   chan struct{}
	listens chan struct{} // closed when it does
}

// output keeps the end of what a process says.
type output struct {
	mu      sync.Mutex
	text    bytes.Buffer
	listens chan struct{}
	once    sync.Once
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.text.Len() > 1<<20 {
		o.text.Reset()
	}
	n, err := o.text.Write(p)
	if bytes.Contains(o.text.Bytes(), []byte("rentroll listens on")) {
		o.once.Do(func() { close(o.listens) })
	}
	return n, err
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// build compiles the program.
func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rentroll")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", path, "./cmd/rentroll")
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the program: %v\n%s", err, out)
	}
	return path
}

// newPlatform starts a cluster and servers.
func newPlatform(t *testing.T, servers int) *platform {
	t.Helper()
	p := &platform{t: t, cluster: pgtest.New(t), program: build(t)}
	for i := range servers {
		s := &server{
			platform: p, name: fmt.Sprintf("server %d", i), listen: "127.0.0.1:" + programtest.FreePort(t), proxy: faultproxy.New(t, p.cluster.URL()),
			clients: make(map[string]*client.Client),
		}
		p.servers = append(p.servers, s)
		s.start()
	}
	t.Cleanup(func() {
		for _, s := range p.servers {
			s.end(syscall.SIGKILL)
		}
	})
	p.ready()
	return p
}

// start begins a life of the server.
func (s *server) start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begin()
}

func (s *server) begin() {
	l := &life{ended: make(chan struct{}), listens: make(chan struct{})}
	l.said = &output{listens: l.listens}
	l.cmd = exec.Command(s.program, "serve", "--database", s.proxy.URL(), "--database-schema", schema, "--listen", s.listen,
		"--log-level", "warn", "--log-format", "text")
	l.cmd.Env = append(os.Environ(), "RENTROLL_OPERATOR_KEY="+operatorKey)
	l.cmd.Dir = filepath.Dir(s.program)
	l.cmd.Stdout, l.cmd.Stderr = l.said, l.said
	s.life, s.expected = l, false
	if err := l.cmd.Start(); err != nil {
		s.t.Errorf("%s: %v", s.name, err)
		close(l.ended)
		return
	}
	go s.watch(l)
}

// watch waits for the end of a life. One that nobody wanted to end is an error, unless the server could not even start:
// then it is started again, as a supervisor does.
func (s *server) watch(l *life) {
	_ = l.cmd.Wait() // its state tells how it ended
	defer close(l.ended)
	if strings.Contains(l.said.String(), "panic") {
		s.t.Errorf("%s has said:\n%s", s.name, tail(l.said.String()))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.expected {
		return
	}
	select {
	case <-l.listens:
		s.t.Errorf("%s has ended by itself, with %v:\n%s", s.name, l.cmd.ProcessState, tail(l.said.String()))
	default:
		s.failed = append(s.failed, tail(l.said.String()))
		s.begin()
	}
}

func tail(text string) string { return text[max(0, len(text)-8000):] }

// end ends the server's life by a signal, and waits for it.
func (s *server) end(signal syscall.Signal) {
	s.mu.Lock()
	s.expected = true
	l := s.life
	s.mu.Unlock()
	_ = l.cmd.Process.Signal(signal) // it may have ended
	<-l.ended
}

// client returns a client of the server with a key. It tries everything once.
func (s *server) client(key string) *client.Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.clients[key]
	if c == nil {
		var err error
		if c, err = client.New("http://"+s.listen, key, &client.Options{Timeout: tryTimeout, Retries: -1}); err != nil {
			s.t.Error(err)
		}
		s.clients[key] = c
	}
	return c
}

// ready waits until every server says that it is.
func (p *platform) ready() {
	p.t.Helper()
	for _, s := range p.servers {
		p.until(s.name+" to be ready", func() bool { return s.client(operatorKey).Ready(p.t.Context()) == nil })
	}
}

// until waits for a condition.
func (p *platform) until(what string, met func() bool) {
	p.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(90 * time.Second)
	for !met() {
		select {
		case <-tick.C:
		case <-deadline:
			for _, s := range p.servers {
				p.t.Logf("%s has said:\n%s", s.name, tail(s.life.said.String()))
			}
			p.t.Fatalf("waited in vain: %s", what)
		}
	}
}

// quiet ends every server as an operator does, and the database, so that nothing is under way any more, and starts all
// of them again.
func (p *platform) quiet(ctx context.Context) {
	p.t.Helper()
	var all sync.WaitGroup
	for _, s := range p.servers {
		all.Go(func() { s.end(syscall.SIGTERM) })
	}
	all.Wait()
	for _, s := range p.servers {
		if code := s.life.cmd.ProcessState.ExitCode(); code != 0 {
			p.t.Errorf("%s was asked to stop and exited with %d:\n%s", s.name, code, tail(s.life.said.String()))
		}
	}
	if err := p.cluster.Stop("fast"); err != nil {
		p.t.Fatal(err)
	}
	if err := p.cluster.Launch(); err != nil {
		p.t.Fatal(err)
	}
	for _, s := range p.servers {
		s.start()
	}
	if ctx.Err() == nil {
		p.ready()
	}
}
