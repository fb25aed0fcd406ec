package httpapi

import (
	"net/netip"
	"strings"
	"testing"
)

func networks(t testing.TB, list ...string) (out []netip.Prefix) {
	t.Helper()
	for _, s := range list {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

func TestForwardedFor(t *testing.T) {
	t.Parallel()
	const proxy = "10.0.0.1"
	for _, c := range []struct {
		name, peer string
		header     []string
		want       string // "" is nobody
	}{
		{"no proxy", "198.51.100.7", nil, "198.51.100.7"},
		{"no proxy, but a header", "198.51.100.7", []string{"192.0.2.1"}, "198.51.100.7"},
		{"the proxy itself", proxy, nil, proxy},
		{"an empty header", proxy, []string{""}, proxy},
		{"through a proxy", proxy, []string{"192.0.2.1"}, "192.0.2.1"},
		{"what the caller made up", proxy, []string{"203.0.113.9, 192.0.2.1"}, "192.0.2.1"},
		{"a trusted address that the caller made up", proxy, []string{"10.0.0.9, 192.0.2.1"}, "192.0.2.1"},
		{"two proxies", proxy, []string{"203.0.113.9, 192.0.2.1, 10.0.0.2"}, "192.0.2.1"},
		{"only proxies", proxy, []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"two lines", proxy, []string{"203.0.113.9, 192.0.2.1", "10.0.0.2"}, "192.0.2.1"},
		{"two lines, the last one decides", proxy, []string{"203.0.113.9", "192.0.2.1"}, "192.0.2.1"},
		{"empty elements", proxy, []string{" , 192.0.2.1 ,, 10.0.0.2 , "}, "192.0.2.1"},
		{"a port", proxy, []string{"192.0.2.1:4711"}, "192.0.2.1"},
		{"IPv6", proxy, []string{"2001:db8::7"}, "2001:db8::7"},
		{"IPv6 in brackets", proxy, []string{"[2001:db8::7]"}, "2001:db8::7"},
		{"IPv6 with a port", proxy, []string{"[2001:db8::7]:443"}, "2001:db8::7"},
		{"IPv6 of an interface", proxy, []string{"fe80::1%eth0"}, "fe80::1"},
		{"IPv4 as IPv6", proxy, []string{"::ffff:192.0.2.1"}, "192.0.2.1"},
		{"a proxy as IPv4 in IPv6", proxy, []string{"192.0.2.1, ::ffff:10.0.0.2"}, "192.0.2.1"},
		{"a proxy in IPv6", "fd00::1", []string{"192.0.2.1, fd00::2"}, "192.0.2.1"},
		{"a name", proxy, []string{"unknown"}, ""},
		{"a name behind a caller", proxy, []string{"unknown, 192.0.2.1"}, "192.0.2.1"},
		{"a name between proxies", proxy, []string{"192.0.2.1, _hidden, 10.0.0.2"}, ""},
		{"brackets around IPv4", proxy, []string{"[192.0.2.1]"}, ""},
		{"half a bracket", proxy, []string{"[2001:db8::7"}, ""},
		{"an octet too large", proxy, []string{"192.0.2.256"}, ""},
		{"an octal number", proxy, []string{"192.0.2.01"}, ""},
	} {
		got := forwardedFor(netip.MustParseAddr(c.peer), c.header, networks(t, "10.0.0.0/8", "fd00::/8"))
		want := netip.Addr{}
		if c.want != "" {
			want = netip.MustParseAddr(c.want)
		}
		if got != want {
			t.Errorf("%s: %s with %q is %s, want %s", c.name, c.peer, c.header, got, want)
		}
	}
}

// FuzzForwardedFor holds the parser against the rule, spelled out: believed is the last entry that has only trusted
// proxies to its right. Whatever stands to its left changes nothing.
func FuzzForwardedFor(f *testing.F) {
	for _, header := range []string{"", "192.0.2.1", "203.0.113.9, 192.0.2.1,10.0.0.2", "[2001:db8::7]:1, 10.1.1.1", "unknown,\t", ",,[,]"} {
		f.Add("10.0.0.1", header)
	}
	trusted := networks(f, "10.0.0.0/8", "fd00::/8")
	f.Fuzz(func(t *testing.T, from, header string) {
		peer, err := netip.ParseAddr(from)
		if err != nil {
			t.Skip()
		}
		peer = plain(peer)
		got := forwardedFor(peer, []string{header}, trusted)
		if want := believed(peer, header, trusted); got != want {
			t.Fatalf("%s with %q is %s, want %s", from, header, got, want)
		}
		if got.IsValid() && (got.Is4In6() || got.Zone() != "") {
			t.Fatalf("%s with %q is %s, which has another form", from, header, got)
		}
		lines := strings.Split(header, ",")
		if again := forwardedFor(peer, lines, trusted); again != got {
			t.Fatalf("%s with %q is %s, in lines %s", from, header, got, again)
		}
		if !got.IsValid() || contains(trusted, got) {
			return
		}
		if again := forwardedFor(peer, []string{"198.51.100.66, 10.0.0.1," + header}, trusted); again != got {
			t.Fatalf("%s with %q is %s, and %s with more to its left", from, header, got, again)
		}
	})
}

// believed is forwardedFor from the left: the chain of all hops, cut behind the last one that is not trusted.
func believed(peer netip.Addr, header string, trusted []netip.Prefix) netip.Addr {
	var chain []netip.Addr
	for entry := range strings.SplitSeq(header, ",") {
		if entry = strings.Trim(entry, " \t"); entry != "" {
			chain = append(chain, parseEntry(entry))
		}
	}
	chain = append(chain, peer)
	for len(chain) > 1 && contains(trusted, chain[len(chain)-1]) {
		chain = chain[:len(chain)-1]
	}
	return chain[len(chain)-1]
}
