// Package rib is the tables of one BGP peer: what it has told ([In], the Adj-RIB-In of
// RFC 4271 section 3.2) and what it was told ([Out], the Adj-RIB-Out). They know no
// session, and are values without a clock: their owner hands them what a session has
// received, and sends what they give. Neither is safe for concurrent use.
package rib

import (
	"cmp"
	"net/netip"
	"slices"
)

// A Route is a way to a destination, as a peer tells it.
type Route struct {
	Destination netip.Prefix
	Path        []uint32 // ASNs it has come through, the last one first; an AS_SET is one of them, 0. Shared, never changed
	Origin      uint8    // 0 IGP, 1 EGP, 2 incomplete; the lower one is preferred
	MED         uint32   // 0 where the peer tells none; the lower one is preferred
	HasMED      bool
}

// Equal reports whether two routes are the same in everything.
func (r Route) Equal(other Route) bool {
	return r.Destination == other.Destination && r.sameAttributes(other)
}

// to is the route with these attributes to a destination.
func (r Route) to(p netip.Prefix) Route {
	r.Destination = p
	return r
}

func (r Route) sameAttributes(other Route) bool {
	return r.Origin == other.Origin && r.MED == other.MED && r.HasMED == other.HasMED && slices.Equal(r.Path, other.Path)
}

// compare orders routes by their destinations: addresses first, then the shorter prefix.
func compare(a, b Route) int { return comparePrefixes(a.Destination, b.Destination) }

func comparePrefixes(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}
