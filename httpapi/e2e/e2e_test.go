//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"testing"

	"github.com/rentroll/rentroll/internal/programtest"
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
	url := programtest.Server{Binary: programtest.Build(t), OperatorKey: operatorKey}.Start(t)
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
