// Package deploy_test tries the example of this folder: two servers on one PostgreSQL behind nginx.
package deploy_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/client"
	"github.com/rentroll/rentroll/internal/programtest"
)

// cluster is the example at work.
type cluster struct {
	cmd       *exec.Cmd
	said      strings.Builder // complete once it has ended
	ended     chan struct{}
	url, key  string
	addresses []string // of the servers
	processes []int
}

// lifeline starts a program that is told to stop when its standard input ends, so that it does not outlive the test.
const lifeline = `exec 3<&0; (read _ <&3; kill -TERM $$) >/dev/null 2>&1 & exec "$0" "$@" </dev/null 3<&-`

// patience is far above what anything here takes.
const patience = 4 * time.Minute

// begin starts the example on a free port and waits until it says that it is ready.
func begin(t *testing.T) *cluster {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	c := &cluster{cmd: exec.CommandContext(ctx, "sh", "-c", lifeline, "./local", programtest.FreePort(t)), ended: make(chan struct{})}
	out, w := io.Pipe()
	c.cmd.Stdout, c.cmd.Stderr = w, w
	input, err := c.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = c.cmd.Wait() // its state tells how it ended
		_ = w.Close()    // a pipe's end does not fail
	}()
	ready := make(chan struct{})
	go func() {
		defer close(c.ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			c.read(lines.Text())
			if strings.HasPrefix(lines.Text(), "Ctrl-C") {
				close(ready)
			}
		}
	}()
	t.Cleanup(func() {
		_ = input.Close()
		<-c.ended
		if t.Failed() {
			t.Logf("it said:\n%s", &c.said)
		}
	})
	select {
	case <-ready:
	case <-c.ended:
		t.Fatal("it ended before it was ready")
	}
	return c
}

// read understands a line of what the example says.
func (c *cluster) read(line string) {
	c.said.WriteString(line + "\n")
	switch words := strings.Fields(line); {
	case strings.Contains(line, "export RENTROLL_URL="):
		_, rest, _ := strings.Cut(line, "RENTROLL_URL=")
		c.url, rest, _ = strings.Cut(rest, " ")
		file := strings.TrimSuffix(strings.TrimPrefix(rest, `RENTROLL_KEY="$(cat `), `)"`)
		if data, err := os.ReadFile(file); err == nil {
			c.key = strings.TrimSpace(string(data))
		}
	case len(words) == 5 && words[0] == "server":
		pid, _ := strconv.Atoi(words[4])
		c.addresses, c.processes = append(c.addresses, words[2]), append(c.processes, pid)
	}
}

// folder is where the example keeps everything.
func (c *cluster) folder() string {
	_, rest, _ := strings.Cut(c.said.String(), "starting everything in ")
	folder, _, _ := strings.Cut(rest, "\n")
	return folder
}

// TestLocal counts to five over two servers, kills one of them in the middle of its work, then the other, and stops the
// rest.
func TestLocal(t *testing.T) {
	t.Parallel()
	c := begin(t)
	api, err := client.New(c.url, c.key, &client.Options{Retries: -1}) // what goes wrong is nginx's to mend
	if err != nil {
		t.Fatal(err)
	}
	for slug, plan := range map[string]string{"acme": rentroll.PlanFree, "busy": rentroll.PlanEnterprise} {
		if _, err := api.CreateTenant(t.Context(), client.CreateTenantParams{Name: "T", Slug: slug, Plan: plan}); err != nil {
			t.Fatal(err)
		}
	}
	var admitted atomic.Int64
	var group sync.WaitGroup
	create := func() {
		_, err := api.CreateRun(t.Context(), "acme", client.CreateRunParams{WorkerID: "writer", Task: "x"})
		switch {
		case err == nil:
			admitted.Add(1)
		case rentroll.CodeOf(err) != rentroll.CodeQuotaExceeded:
			t.Errorf("neither admitted nor denied: %v", err)
		}
	}
	for range 32 {
		group.Go(create)
	}
	group.Wait()
	if n := admitted.Load(); n != 5 {
		t.Errorf("%d runs of 32 were admitted, and the limit is 5", n)
	}
	for _, address := range c.addresses {
		checkServed(t, address)
	}

	killOneAtWork(t, c, api)
	for range 10 {
		create() // without an idempotency key, which must reach the server that is left
	}
	if n := admitted.Load(); n != 5 {
		t.Errorf("%d runs were admitted with one server gone", n)
	}

	if err := syscall.Kill(c.processes[1], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	var failed *client.Error
	_, err = api.GetTenant(t.Context(), "acme") // nobody is left: nginx says so in the words of the API
	if !errors.As(err, &failed) || failed.Code != rentroll.CodeUnavailable || failed.Status != http.StatusServiceUnavailable ||
		failed.RetryAfter == 0 || failed.RequestID == "" {
		t.Errorf("without servers: %#v", err)
	}

	if err := c.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	<-c.ended
	if code := c.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("it exited with %d", code)
	}
	if _, err := os.Stat(c.folder()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it leaves %s: %v", c.folder(), err)
	}
	for _, pid := range c.processes {
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("server %d is left: %v", pid, err)
		}
	}
}

// killOneAtWork kills a server while callers create runs under idempotency keys: every call is answered with its run, and
// each run is there once.
func killOneAtWork(t *testing.T, c *cluster, api *client.Client) {
	t.Helper()
	const callers, calls = 8, 12
	var answered atomic.Int64
	var group sync.WaitGroup
	for i := range callers {
		group.Go(func() {
			for j := range calls {
				_, err := api.CreateRun(t.Context(), "busy", client.CreateRunParams{
					WorkerID: "writer", Task: "x", IdempotencyKey: fmt.Sprintf("%d/%d", i, j),
				})
				if err != nil {
					t.Errorf("a call was lost with its server: %v", err)
				}
				if answered.Add(1) == callers*calls/3 {
					if err := syscall.Kill(c.processes[0], syscall.SIGKILL); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	group.Wait()
	runs := 0
	for _, err := range api.AllRuns(t.Context(), "busy", client.ListRunsParams{}) {
		if err != nil {
			t.Fatal(err)
		}
		runs++
	}
	if runs != callers*calls {
		t.Errorf("%d runs were made by %d calls", runs, callers*calls)
	}
}

// checkServed looks whether a server has had its share.
func checkServed(t *testing.T, address string) {
	t.Helper()
	res, err := http.Get(address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil || !strings.Contains(string(data), `route="/v1/tenants/{tenant}/runs"`) {
		t.Errorf("%s had no call: %v", address, err)
	}
}
