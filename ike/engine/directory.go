package engine

import (
	"net/netip"
	"slices"

	"causeway.dev/ike"
)

// A Directory finds the configured peers that a datagram may come from. It holds them
// by Peer.Local, in the order in which they were added.
type Directory map[netip.Addr][]*ike.Peer

// Add lists a peer.
func (d Directory) Add(p *ike.Peer) { d[p.Local] = append(d[p.Local], p) }

// Remove takes a peer off the list.
func (d Directory) Remove(p *ike.Peer) {
	rest := slices.DeleteFunc(d[p.Local], func(have *ike.Peer) bool { return have == p })
	if len(rest) == 0 {
		delete(d, p.Local)
		return
	}
	d[p.Local] = rest
}

// Knows reports whether there are Candidates, and whether one of them is configured
// with the address.
func (d Directory) Knows(local, remote netip.Addr) (any, configured bool) {
	for _, at := range []netip.Addr{local, {}} {
		for _, p := range d[at] {
			configured = configured || p.Remote == remote
			any = any || configured || !p.Remote.IsValid()
		}
	}
	return any, configured
}

// Candidates are the peers that may have sent something from remote to local: those of
// that address first, then those that are known by their identity only.
func (d Directory) Candidates(local, remote netip.Addr) []*ike.Peer {
	var exact, roaming []*ike.Peer
	for _, at := range []netip.Addr{local, {}} {
		for _, p := range d[at] {
			switch {
			case p.Remote == remote:
				exact = append(exact, p)
			case !p.Remote.IsValid():
				roaming = append(roaming, p)
			}
		}
	}
	return append(exact, roaming...)
}
