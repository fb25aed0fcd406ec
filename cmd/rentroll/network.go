package main

import (
	"net/netip"

	"github.com/rentroll/rentroll"
)

// network is an address or a network on the command line.
type network struct{ netip.Prefix }

// UnmarshalText reads a network.
func (n *network) UnmarshalText(data []byte) (err error) {
	n.Prefix, err = rentroll.ParseNetwork(string(data))
	return err
}

func plainNetworks(list []network) []netip.Prefix {
	var out []netip.Prefix
	for _, n := range list {
		out = append(out, n.Prefix)
	}
	return out
}
