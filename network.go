package rentroll

import (
	"fmt"
	"net/netip"
	"slices"
)

// maxAllowedIPs bounds the networks of one key.
const maxAllowedIPs = 100

// ParseNetwork reads a network, such as 192.0.2.0/24 or 2001:db8::/32, or an address, which is the network of it alone.
// Bits behind the prefix are cleared, and IPv4 that is written as IPv6 becomes IPv4.
func ParseNetwork(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is no address and no network such as 192.0.2.0/24", s)
	}
	const mapped = 96 // where IPv4 begins in IPv6
	if a := p.Addr(); a.Is4In6() && p.Bits() >= mapped {
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-mapped)
	}
	return p.Masked(), nil
}

// checkNetworks says what is wrong with a list of networks, and returns it in one spelling, each network once.
func checkNetworks(field string, list []string, bad *problems) []string {
	switch {
	case list == nil:
		return nil
	case len(list) == 0:
		bad.add(field, "must not be empty; leave it out for all addresses")
	case len(list) > maxAllowedIPs:
		bad.add(field, fmt.Sprintf("must have at most %d entries", maxAllowedIPs))
		return nil
	}
	out := make([]string, 0, len(list))
	for i, entry := range list {
		p, err := ParseNetwork(entry)
		if err != nil {
			bad.add(fmt.Sprintf("%s[%d]", field, i), "must be an address or a network such as 192.0.2.0/24")
			continue
		}
		if text := p.String(); !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out
}

// allowsIP reports whether the key may be used from an address. One that is not known is none of those that a key is
// restricted to.
func (k *APIKey) allowsIP(from netip.Addr) bool {
	if k.AllowedIPs == nil {
		return true
	}
	from = from.Unmap().WithZone("")
	return slices.ContainsFunc(k.AllowedIPs, func(s string) bool {
		p, err := netip.ParsePrefix(s)
		return err == nil && p.Contains(from)
	})
}

// allowsNetworks reports whether every address of a list of networks is one that the key may be used from; nil is all
// addresses. A network must lie in one of the key's: two halves do not make a whole.
func (k *APIKey) allowsNetworks(list []string) bool {
	if k.AllowedIPs == nil {
		return true
	}
	inside := func(s string) bool {
		inner, err := netip.ParsePrefix(s)
		return err == nil && slices.ContainsFunc(k.AllowedIPs, func(s string) bool {
			outer, err := netip.ParsePrefix(s)
			return err == nil && outer.Bits() <= inner.Bits() && outer.Contains(inner.Addr())
		})
	}
	return list != nil && !slices.ContainsFunc(list, func(s string) bool { return !inside(s) })
}
