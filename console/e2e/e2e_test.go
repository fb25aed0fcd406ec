//go:build e2e

package e2e

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rentroll/rentroll/internal/pgtest"
)

const operatorKey = "an operator's key for a browser, 4711 times"

// TestConsole does in a browser what people do, on a new database of each kind. Pictures of all pages are left in
// E2E_PICTURES, or in a folder of the test.
func TestConsole(t *testing.T) {
	for _, program := range []string{"node", "chromium"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("the tests in a browser need %s: install it (apt-get install nodejs npm chromium)", program)
		}
	}
	if _, err := os.Stat("../node_modules/playwright-core"); err != nil {
		t.Fatal("the tests in a browser need what console/package-lock.json names: npm ci in console, or make e2e")
	}
	binary := filepath.Join(t.TempDir(), "rentroll")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../../cmd/rentroll").CombinedOutput(); err != nil {
		t.Fatalf("building the program: %v\n%s", err, out)
	}
	t.Run("SQLite", func(t *testing.T) {
		browse(t, binary, "RENTROLL_DATABASE=sqlite:"+filepath.Join(t.TempDir(), "demo.db"))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		dsn, schema := pgtest.Database(t)
		browse(t, binary, "RENTROLL_DATABASE="+dsn, "RENTROLL_DATABASE_SCHEMA="+schema)
	})
}

func browse(t *testing.T, binary string, env ...string) {
	t.Helper()
	url := serve(t, binary, env)
	pictures := os.Getenv("E2E_PICTURES")
	if pictures == "" {
		pictures = t.TempDir()
	}
	cmd := exec.CommandContext(t.Context(), "node", "e2e.mjs", url, operatorKey, filepath.Join(pictures, filepath.Base(t.Name())))
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("the browser is not content: %v", err)
	}
}

// serve starts the program with its demo, and stops it when the test ends: also with a browser that still looks on.
func serve(t *testing.T, binary string, env []string) (url string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, "serve", "--demo", "--listen", "127.0.0.1:0")
	cmd.Dir = t.TempDir()
	cmd.Env = append(append(os.Environ(), env...), "RENTROLL_OPERATOR_KEY="+operatorKey)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
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
