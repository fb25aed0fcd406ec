//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const operatorKey = "an operator's key for clients, 4711 times"

// TestCloudEvents lets the npm package tell of usage.
func TestCloudEvents(t *testing.T) {
	if _, err := exec.LookPath("node"); err != nil {
		t.Fatal("the tests with clients of others need node: install it (apt-get install nodejs npm)")
	}
	if _, err := os.Stat("node_modules/cloudevents"); err != nil {
		t.Fatal("the tests with clients of others need what httpapi/e2e/package-lock.json names: npm ci in httpapi/e2e, or make e2e")
	}
	url := serve(t)
	call(t, url+"/v1/tenants", `{"name":"Acme","slug":"acme"}`)
	key := call(t, url+"/v1/tenants/acme/api-keys", `{"name":"mailer","permissions":["usage:write","usage:read"]}`)
	out, err := exec.CommandContext(t.Context(), "node", "cloudevents.mjs", url, key).CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("the client is not content: %v", err)
	}
}

// call creates something as the operator, and returns its secret where it has one.
func call(t *testing.T, url, body string) (secret string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+operatorKey)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var made struct{ Secret string }
	if err := json.NewDecoder(res.Body).Decode(&made); err != nil || res.StatusCode != http.StatusCreated {
		t.Fatalf("%s: status %d, %v", url, res.StatusCode, err)
	}
	return made.Secret
}

// serve starts the program on a new database, and stops it when the test ends.
func serve(t *testing.T) (url string) {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "rentroll")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../../cmd/rentroll").CombinedOutput(); err != nil {
		t.Fatalf("building the program: %v\n%s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), binary, "serve", "--listen", "127.0.0.1:0")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "RENTROLL_OPERATOR_KEY="+operatorKey)
	said, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
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
