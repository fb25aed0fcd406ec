package rentroll

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
)

func TestParseNetwork(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"192.0.2.0/24":          "192.0.2.0/24",
		"192.0.2.77/24":         "192.0.2.0/24",
		"192.0.2.7":             "192.0.2.7/32",
		"0.0.0.0/0":             "0.0.0.0/0",
		"2001:db8::/32":         "2001:db8::/32",
		"2001:DB8:0:0::7/64":    "2001:db8::/64",
		"2001:db8::7":           "2001:db8::7/128",
		"::/0":                  "::/0",
		"::ffff:192.0.2.7":      "192.0.2.7/32",
		"::ffff:192.0.2.7/120":  "192.0.2.0/24",
		"::ffff:192.0.2.7/96":   "0.0.0.0/0",
		"::ffff:192.0.2.7/64":   "::/64",
		"192.0.2.0/33":          "",
		"192.0.2.0/-1":          "",
		"192.0.2.0/024":         "",
		"192.0.2.0/255.255.0.0": "",
		"192.0.2":               "",
		"192.0.02.1":            "",
		"fe80::1%eth0":          "",
		"fe80::1%eth0/64":       "",
		"example.com":           "",
		"":                      "",
		"192.0.2.7\t/24":        "",
	} {
		p, err := ParseNetwork(given)
		if want == "" && err != nil {
			continue
		}
		if err != nil || p.String() != want {
			t.Errorf("%q is %s (%v), want %q", given, p, err, want)
		}
	}
}

func TestCheckNetworks(t *testing.T) {
	t.Parallel()
	many := make([]string, maxAllowedIPs+1)
	for i := range many {
		many[i] = fmt.Sprintf("192.0.2.%d", i)
	}
	for _, c := range []struct {
		name        string
		given, want []string
		wrong       []string
	}{
		{"all", nil, nil, nil},
		{"none", []string{}, nil, []string{"allowed_ips"}},
		{"as many as may be", many[1:], nil, nil},
		{"too many", many, nil, []string{"allowed_ips"}},
		{"one spelling, once", []string{"192.0.2.9/24", "::1", "192.0.2.0/24"}, []string{"192.0.2.0/24", "::1/128"}, nil},
		{"bad ones", []string{"::1", "x", "192.0.2.1/99"}, nil, []string{"allowed_ips[1]", "allowed_ips[2]"}},
	} {
		var bad problems
		got := checkNetworks("allowed_ips", c.given, &bad)
		var wrong []string
		for _, f := range bad {
			wrong = append(wrong, f.Field)
		}
		if !slices.Equal(wrong, c.wrong) {
			t.Errorf("%s: %q are named, want %q", c.name, wrong, c.wrong)
		}
		if c.want != nil && !slices.Equal(got, c.want) || c.given == nil && got != nil {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestAllowedIPs(t *testing.T) {
	t.Parallel()
	k := &APIKey{AllowedIPs: []string{"192.0.2.0/24", "2001:db8::/32"}}
	for from, want := range map[string]bool{
		"192.0.2.0": true, "192.0.2.255": true, "192.0.3.0": false, "::ffff:192.0.2.7": true, "2001:db8::1": true,
		"2001:db8::1%eth0": true, "2001:db9::1": false, "::c000:207": false,
	} {
		if k.allowsIP(netip.MustParseAddr(from)) != want {
			t.Errorf("from %s: %t, want %t", from, !want, want)
		}
	}
	if k.allowsIP(netip.Addr{}) {
		t.Error("an unknown address is allowed")
	}
	if free := (&APIKey{}); !free.allowsIP(netip.Addr{}) || !free.allowsIP(netip.MustParseAddr("::1")) {
		t.Error("a key without networks is restricted")
	}
	for _, c := range []struct {
		networks []string
		want     bool
	}{
		{nil, false},
		{[]string{"192.0.2.0/24"}, true},
		{[]string{"192.0.2.128/25", "2001:db8:7::/48"}, true},
		{[]string{"192.0.2.0/23"}, false},
		{[]string{"192.0.2.1/32", "10.0.0.0/8"}, false},
		{[]string{"0.0.0.0/0"}, false},
	} {
		if k.allowsNetworks(c.networks) != c.want {
			t.Errorf("%q: %t, want %t", c.networks, !c.want, c.want)
		}
		if !(&APIKey{}).allowsNetworks(c.networks) {
			t.Errorf("%q: not allowed by a key for all networks", c.networks)
		}
	}
}

// FuzzParseNetwork: what is read has one spelling, which is read as the same.
func FuzzParseNetwork(f *testing.F) {
	for _, s := range []string{"192.0.2.7/24", "2001:db8::7", "::ffff:192.0.2.7/97", "::ffff:192.0.2.7/95", "fe80::1%eth0", "0.0.0.0/0", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParseNetwork(s)
		if err != nil {
			return
		}
		again, err := ParseNetwork(p.String())
		if err != nil || again != p {
			t.Fatalf("%q is %s, which is %s, %v", s, p, again, err)
		}
		if !p.IsValid() || p != p.Masked() || p.Addr().Is4In6() || p.Addr().Zone() != "" {
			t.Fatalf("%q is %s", s, p)
		}
		if k := (&APIKey{AllowedIPs: []string{p.String()}}); !k.allowsIP(p.Addr()) || !k.allowsNetworks(k.AllowedIPs) {
			t.Fatalf("%q is %s, which does not allow itself", s, p)
		}
	})
}

// TestVerdictOrder: what is against a key first is the answer. Everything is at once, and mended one after the other.
func TestVerdictOrder(t *testing.T) {
	t.Parallel()
	a := testAccount()
	a.Status = TenantTerminated
	k := &APIKey{
		Status: KeyRevoked, ExpiresAt: &noon, AllowedIPs: []string{"192.0.2.0/24"}, Permissions: []string{"run:read"},
		AllowedWorkers: []string{"other"},
	}
	p := VerifyAPIKeyParams{Permission: PermRunCreate, WorkerID: "writer", IP: netip.MustParseAddr("203.0.113.1")}
	for _, step := range []struct {
		want NullString
		mend func()
	}{
		{"tenant_terminated", func() { a.Status = TenantSuspended }},
		{"tenant_suspended", func() { a.Status = TenantActive }},
		{"revoked", func() { k.Status = KeyActive }},
		{"expired", func() { k.ExpiresAt = nil }},
		{"ip_not_allowed", func() { p.IP = netip.Addr{} }}, // known to be elsewhere, then not known at all
		{"ip_not_allowed", func() { p.IP = netip.MustParseAddr("192.0.2.1") }},
		{"insufficient_permissions", func() { p.Permission = PermRunRead }},
		{"worker_not_allowed", func() { p.WorkerID = "other" }},
		{"", func() {}},
	} {
		if got := cached(FoundKey{k, a}).verdict(p, noon); got != step.want {
			t.Fatalf("got %q, want %q", got, step.want)
		}
		step.mend()
	}
}
