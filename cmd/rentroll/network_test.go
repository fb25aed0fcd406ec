package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/rentroll/rentroll/client"
)

// createBehindProxy makes the tenant acme as a proxy would forward the request.
func createBehindProxy(t *testing.T, p *process, caller string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+"/v1/tenants", strings.NewReader(`{"name":"Acme","slug":"acme"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+configuredKey)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Forwarded-For", "203.0.113.1, "+caller)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil || res.StatusCode != http.StatusCreated {
		t.Fatalf("status %d, %v", res.StatusCode, err)
	}
}

// TestTrustedProxies: behind a trusted proxy the audit names the caller.
func TestTrustedProxies(t *testing.T) {
	t.Parallel()
	for trusted, want := range map[string]string{"": "127.0.0.1", "127.0.0.1": "192.0.2.9", "10.0.0.0/8,127.0.0.0/8": "192.0.2.9"} {
		t.Run(trusted, func(t *testing.T) {
			t.Parallel()
			var flags []string
			if trusted != "" {
				flags = []string{"--trusted-proxies", trusted}
			}
			p := serve(t, t.TempDir(), withKey(), flags...)
			createBehindProxy(t, p, "192.0.2.9")
			rows, err := p.connect(configuredKey).ListAudit(t.Context(), "acme", client.ListAuditParams{})
			if err != nil || len(rows.Items) != 1 || string(rows.Items[0].IP) != want {
				t.Errorf("the audit has %v (%v), want the address %s", rows, err, want)
			}
			p.stop()
		})
	}
	r := finish(t, program(t, t.TempDir(), withKey(), "serve", "--listen", "127.0.0.1:0", "--trusted-proxies", "everybody"))
	if r.code != exitUsage || !strings.Contains(r.err, "--trusted-proxies") {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
}
