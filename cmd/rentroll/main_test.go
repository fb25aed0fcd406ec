package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rentroll/rentroll/client"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// asProgram makes the test binary be the program.
const asProgram = "TEST_AS_RENTROLL"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, envPrefix+"_") {
			if err := os.Unsetenv(name); err != nil {
				panic(err)
			}
		}
	}
	os.Exit(m.Run())
}

// patience is far above what anything here takes.
const patience = 4 * time.Minute

// program returns a process of the program in a folder, with variables of the environment.
func program(t *testing.T, dir string, env []string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), asProgram+"=1"), env...)
	return cmd
}

// result is how a process ended.
type result struct {
	code     int // -1 where a signal ended it
	out, err string
}

// finish runs a process to its end.
func finish(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// process is a server that runs.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	dir   string
	url   string
	out   *lines
	err   *lines
	ended chan struct{}
}

// serve starts a server on a free port and waits until it says where it listens.
func serve(t *testing.T, dir string, env []string, args ...string) *process {
	t.Helper()
	p := begin(t, dir, env, args...)
	p.listens()
	return p
}

// begin starts a server on a free port.
func begin(t *testing.T, dir string, env []string, args ...string) *process {
	t.Helper()
	p := &process{t: t, dir: dir, out: newLines(), err: newLines(), ended: make(chan struct{})}
	p.cmd = program(t, dir, env, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.err
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // its state tells how it ended
		p.out.close()
		p.err.close()
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.signal(syscall.SIGKILL)
		<-p.ended
		if t.Failed() {
			t.Logf("the server said:\n%s%s", p.out, p.err)
		}
	})
	return p
}

// listens waits until the server says where it listens.
func (p *process) listens() {
	p.t.Helper()
	p.url = strings.TrimPrefix(p.out.wait(p.t, "rentroll listens on "), "rentroll listens on ")
}

func (p *process) signal(s os.Signal) { _ = p.cmd.Process.Signal(s) } // it may have ended

// stop ends the server as an operator does; it must exit with 0.
func (p *process) stop() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	<-p.ended
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		p.t.Errorf("the server exited with %d", code)
	}
}

// connect returns a client of the server that tries everything once.
func (p *process) connect(key string) *client.Client {
	p.t.Helper()
	c, err := client.New(p.url, key, &client.Options{Retries: -1})
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

// operatorKey reads the key that a first start has written.
func (p *process) operatorKey() string {
	p.t.Helper()
	data, err := os.ReadFile(filepath.Join(p.dir, operatorKeyFile))
	if err != nil {
		p.t.Fatal(err)
	}
	return strings.TrimSuffix(string(data), "\n")
}

// lines keeps what a process writes, and lets tests wait for a line.
type lines struct {
	w    *io.PipeWriter
	done chan struct{}

	mu   sync.Mutex
	text strings.Builder
	more chan struct{} // closed and replaced with every line
}

func newLines() *lines {
	r, w := io.Pipe()
	l := &lines{w: w, done: make(chan struct{}), more: make(chan struct{})}
	go func() {
		defer close(l.done)
		for s := bufio.NewScanner(r); s.Scan(); {
			l.mu.Lock()
			l.text.WriteString(s.Text() + "\n")
			close(l.more)
			l.more = make(chan struct{})
			l.mu.Unlock()
		}
	}()
	return l
}

func (l *lines) Write(p []byte) (int, error) { return l.w.Write(p) }

func (l *lines) close() {
	_ = l.w.Close() // a pipe's end does not fail
	<-l.done
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// wait returns the first line that holds a text, once it is there.
func (l *lines) wait(t *testing.T, text string) string {
	t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		l.mu.Lock()
		all, more := l.text.String(), l.more
		l.mu.Unlock()
		for line := range strings.Lines(all) {
			if strings.Contains(line, text) {
				return strings.TrimSuffix(line, "\n")
			}
		}
		select {
		case <-more:
		case <-l.done:
			if l.String() != all {
				continue
			}
			t.Fatalf("the process ended without saying %q; it said:\n%s", text, all)
		case <-late.C:
			t.Fatalf("the process does not say %q; it said:\n%s", text, all)
		}
	}
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	late, tick := time.NewTimer(patience), time.NewTicker(10*time.Millisecond)
	defer late.Stop()
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-late.C:
			t.Fatalf("%s does not happen", what)
		}
	}
}
