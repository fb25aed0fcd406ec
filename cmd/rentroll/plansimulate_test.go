package main

import (
	"strings"
	"testing"
	"time"
)

// TestPlanSimulate shows what a smaller plan would have denied.
func TestPlanSimulate(t *testing.T) {
	t.Parallel()
	p := serve(t, t.TempDir(), withKey())
	s := newShell(t, p.url, configuredKey)
	call := func(args ...string) result { return s.call("", args...) }
	if r := call("tenant", "create", "acme"); r.code != 0 {
		t.Fatal(r.err)
	}
	from := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	for range 4 {
		if r := call("run", "create", "acme", "writer", "t"); r.code != 0 {
			t.Fatal(r.err)
		}
	}
	r := call("plan", "simulate", "smaller", "acme", "runs_per_day=3", "--start", from)
	for _, want := range []string{"The plan smaller would have denied 1 of the 4 runs that were admitted.", "runs_per_day", "run_"} {
		if r.code != 0 || !strings.Contains(r.out, want) {
			t.Errorf("exit %d: %q is not in %s%s", r.code, want, r.out, r.err)
		}
	}
	if r := call("plan", "simulate", "free", "acme", "--start", from); !strings.Contains(r.out, "would have denied 0 of the 4 runs") {
		t.Errorf("its own plan: %s%s", r.out, r.err)
	}
	if r := call("plan", "simulate", "free", "acme", "--start", from, "--json"); !strings.Contains(r.out, `"days":[{`) {
		t.Errorf("as JSON: %s%s", r.out, r.err)
	}
	for _, args := range [][]string{{"none", "acme"}, {"free", "nobody"}, {"free", "acme", "no_quota=3"}} {
		if r := call(append([]string{"plan", "simulate", "--start", from}, args...)...); r.code == 0 {
			t.Errorf("%q: exit 0", args)
		}
	}
	p.stop()
}
