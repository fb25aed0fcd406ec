package httpapi

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

const forwardedHeader = "X-Forwarded-For"

func (s *server) callerAddress(r *http.Request) netip.Addr {
	return CallerAddress(r, s.opts.TrustedProxies)
}

// CallerAddress returns where a request came from: the other end of the connection or, where that is a trusted proxy,
// whom it forwarded the request for. The zero Addr is nobody that can be named.
func CallerAddress(r *http.Request, trusted []netip.Prefix) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{} // not a TCP connection
	}
	return forwardedFor(plain(peer.Addr()), r.Header.Values(forwardedHeader), trusted)
}

// CameByTLS reports whether a request came by TLS: over its own connection, or over that to the trusted proxy which
// forwarded it and says so in X-Forwarded-Proto. Of several proxies it is the first that speaks with the caller.
func CameByTLS(r *http.Request, trusted []netip.Prefix) bool {
	if r.TLS != nil {
		return true
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !contains(trusted, plain(peer.Addr())) {
		return false
	}
	first, _, _ := strings.Cut(r.Header.Get("X-Forwarded-Proto"), ",")
	return strings.EqualFold(strings.TrimSpace(first), "https")
}

// forwardedFor finds the caller behind proxies. Each proxy adds the address of whoever called it at the end of the
// header, so it is read from the right, and an entry is believed only as long as all that stand to its right are trusted
// proxies: what is to the left of the first address that is none, the caller may have made up.
//
// Behind an entry that is no address there is nobody: to take the proxy itself for the caller would lend its rights to
// whoever is behind it.
func forwardedFor(peer netip.Addr, header []string, trusted []netip.Prefix) netip.Addr {
	for _, line := range slices.Backward(header) {
		for line != "" {
			if !contains(trusted, peer) {
				return peer
			}
			cut := strings.LastIndexByte(line, ',')
			entry := strings.Trim(line[cut+1:], " \t")
			line = line[:max(cut, 0)]
			if entry == "" {
				continue // lists may have empty elements
			}
			if peer = parseEntry(entry); !peer.IsValid() {
				return netip.Addr{}
			}
		}
	}
	return peer
}

// parseEntry reads an address as proxies write it: with or without a port, IPv6 in brackets or not. What is none is the
// zero Addr.
func parseEntry(s string) netip.Addr {
	if a, err := netip.ParseAddrPort(s); err == nil {
		return plain(a.Addr())
	}
	if inner, ok := strings.CutPrefix(s, "["); ok {
		if s, ok = strings.CutSuffix(inner, "]"); !ok || !strings.Contains(s, ":") {
			return netip.Addr{}
		}
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}
	}
	return plain(a)
}

// plain returns the one form of an address: IPv4 as such, and without the name of an interface.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

func contains(networks []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(a) })
}
