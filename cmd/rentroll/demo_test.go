package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/client"
	"github.com/rentroll/rentroll/internal/demo"
	"github.com/rentroll/rentroll/quota"
)

func TestDemo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := serve(t, dir, nil, "--demo", "--log-level", "warn")
	_, key, _ := strings.Cut(p.out.wait(t, "export RENTROLL_KEY="), "RENTROLL_KEY=")
	key, _, _ = strings.Cut(key, " ")
	line := p.out.wait(t, "usage events were made in")
	t.Log(line)
	c := p.connect(key)
	checkStory(t, c)

	newest := func() rentroll.RunID {
		page, err := c.ListRuns(t.Context(), "kestrel-logistics", client.ListRunsParams{Page: rentroll.Page{Limit: 1}})
		if err != nil || len(page.Items) == 0 {
			t.Fatalf("the newest run: %v, %v", page, err)
		}
		return page.Items[0].ID
	}
	first := newest()
	eventually(t, "a new run", func() bool { return newest() != first })
	p.stop()
	if strings.Contains(p.err.String(), "level") {
		t.Errorf("the demo has something to complain of:\n%s", p.err)
	}

	again := serve(t, dir, withKey(), "--demo", "--log-level", "warn")
	if said := again.out.String(); strings.Contains(said, "Filling") {
		t.Errorf("the second start fills again: %s", said)
	}
	again.out.wait(t, "is the configured one")
	c = again.connect(configuredKey)
	checkStory(t, c)
	first = newest()
	eventually(t, "a new run after the second start", func() bool { return newest() != first })
	again.stop()
}

// checkStory looks at what the demo tells people to look at.
func checkStory(t *testing.T, c *client.Client) {
	t.Helper()
	tenants := 0
	for _, err := range c.AllTenants(t.Context(), client.ListTenantsParams{}) {
		if err != nil {
			t.Fatal(err)
		}
		tenants++
	}
	if tenants < 12 {
		t.Errorf("there are %d tenants", tenants)
	}
	uses, err := c.GetQuotas(t.Context(), demo.NearLimit)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range uses {
		if u.Quota == quota.TokensPerMonth && (u.Used+u.Reserved)*100 / *u.Limit < 95 {
			t.Errorf("%s has used %d of %d tokens", demo.NearLimit, u.Used, *u.Limit)
		}
	}
	denials, err := c.ListDenials(t.Context(), demo.OutOfRuns, rentroll.Page{})
	if err != nil || len(denials.Items) == 0 {
		t.Fatalf("denials of %s: %v, %v", demo.OutOfRuns, denials, err)
	}
	if d := denials.Items[0]; d.Code != rentroll.CodeQuotaExceeded || d.Quota != rentroll.NullString(quota.RunsPerDay) {
		t.Errorf("%s was denied by %+v", demo.OutOfRuns, d)
	}
	if d, err := c.CheckRunQuota(t.Context(), demo.OutOfRuns, "support-triage"); err != nil || d.Allowed {
		t.Errorf("%s may run: %+v, %v", demo.OutOfRuns, d, err)
	}
}

func TestDemoLeavesOtherDataAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := serve(t, dir, withKey())
	if _, err := p.connect(configuredKey).CreateTenant(t.Context(), client.CreateTenantParams{Name: "Mine", Slug: "mine"}); err != nil {
		t.Fatal(err)
	}
	p.stop()
	r := finish(t, program(t, dir, withKey(), "serve", "--demo", "--listen", "127.0.0.1:0", "--database", defaultDatabase))
	if r.code != exitFailure || !strings.Contains(r.err, "must not mix") || strings.Count(r.err, "\n") != 1 {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
	again := serve(t, dir, withKey())
	if _, err := again.connect(configuredKey).GetTenant(t.Context(), "mine"); err != nil {
		t.Error(err)
	}
	again.stop()
	if found, err := filepath.Glob(filepath.Join(dir, demoDatabase+"*")); err != nil || len(found) > 0 {
		t.Errorf("it made %v (%v)", found, err)
	}
}
