// Package programtest starts the program for tests that use it from outside, as browsers and clients of others do.
package programtest

import (
	"bufio"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// Build builds the program of this checkout and returns its path. The file goes away with the test.
func Build(t *testing.T) (binary string) {
	t.Helper()
	binary = filepath.Join(t.TempDir(), "rentroll")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "github.com/rentroll/rentroll/cmd/rentroll").CombinedOutput() //nolint:gosec // the path is the test's own
	if err != nil {
		t.Fatalf("building the program: %v\n%s", err, out)
	}
	return binary
}

// Server says how to start a server. Only Binary is required.
type Server struct {
	Binary      string   // of Build
	OperatorKey string   // 32 to 200 printable characters; "" has the server make one, which it tells only in a file
	Env         []string // NAME=VALUE, beside the test's own
	Args        []string // behind "serve" and where to listen
}

// Start starts a server in a folder of its own, at an address that is free, and returns its URL once it listens. When the test
// ends it is told to stop, and must do so without a complaint, also with callers that are still connected.
func (s Server) Start(t *testing.T) (url string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())                                                                     // its end would be a second signal, on which the program stops as it is
	cmd := exec.CommandContext(ctx, s.Binary, append([]string{"serve", "--listen", "127.0.0.1:0"}, s.Args...)...) //nolint:gosec // a test says what it starts
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), s.Env...)
	if s.OperatorKey != "" {
		cmd.Env = append(cmd.Env, "RENTROLL_OPERATOR_KEY="+s.OperatorKey)
	}
	said, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended already, which the exit code tells
		_ = cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != 0 {
			t.Errorf("the server exited with %d", code)
		}
	})
	lines := bufio.NewScanner(said)
	for lines.Scan() {
		if at, ok := strings.CutPrefix(lines.Text(), "rentroll listens on "); ok {
			go func() {
				for lines.Scan() { // so that the program can go on to speak
				}
			}()
			return at
		}
	}
	t.Fatal("the server has ended before it listened")
	return ""
}

// ports is how many ports this process was given.
var ports atomic.Int64

// FreePort returns a port of 127.0.0.1 that nobody listens on now, for a program that can't be told to take any. It is none of
// those that systems give to who wants any, so that nobody takes it before the program does, or between two of its lives.
func FreePort(tb testing.TB) string {
	tb.Helper()
	var err error
	for range 100 {
		port := strconv.Itoa(10_000 + (os.Getpid()*101+int(ports.Add(1)))%20_000) // processes begin at different ones
		var l net.Listener
		if l, err = net.Listen("tcp", "127.0.0.1:"+port); err != nil { //nolint:noctx // it takes no time
			continue // somebody has it
		}
		if err := l.Close(); err != nil {
			tb.Fatal(err)
		}
		return port
	}
	tb.Fatal(err)
	return ""
}
