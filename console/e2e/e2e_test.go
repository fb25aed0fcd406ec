//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rentroll/rentroll/internal/pgtest"
	"github.com/rentroll/rentroll/internal/programtest"
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
	binary := programtest.Build(t)
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
	url := programtest.Server{Binary: binary, OperatorKey: operatorKey, Env: env, Args: []string{"--demo"}}.Start(t)
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
