package appliance

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"causeway.dev/bgp/rib"
)

// heard is what the gateway of one tunnel has told.
type heard struct {
	tunnel string
	routes []rib.Route
}

// surroundings are what learned routes must not change.
type surroundings struct {
	networks   []network
	gateways   map[netip.Addr]string // tunnels by the gateways' outside addresses
	advertised []netip.Prefix
	accepted   []netip.Prefix // what lies in none of them is not taken either
}

// refusal says why no route to a network is taken from a gateway; "" where it is.
// A route that covers more than is forbidden is taken: what is closer wins, and the
// gateways' addresses have ways of their own.
func (s surroundings) refusal(to netip.Prefix) string {
	if !slices.ContainsFunc(s.accepted, func(p netip.Prefix) bool { return within(to, p) }) {
		return "it lies in no network that accept names"
	}
	for _, n := range s.networks {
		if within(to, n.Prefix) {
			return fmt.Sprintf("it lies in %v, which %s is connected to", n.Prefix, n.Device)
		}
	}
	if slices.Contains(s.advertised, to) {
		return "we advertise the same network"
	}
	if tunnel, is := s.gateways[to.Addr()]; is && to.IsSingleIP() {
		return fmt.Sprintf("it is the outside address of the gateway of tunnel %s", tunnel)
	}
	return ""
}

// A refused route is one that is not taken.
type refused struct {
	tunnel      string
	destination netip.Prefix
	why         string
}

// choose says over which tunnel each network is reached that the gateways tell of,
// and what was refused, sorted. The tunnels are in the order of the configuration.
func choose(all []heard, s surroundings) (over map[netip.Prefix]string, not []refused) {
	candidates := map[netip.Prefix][]candidate{}
	for _, h := range all {
		for _, r := range h.routes {
			if why := s.refusal(r.Destination); why != "" {
				not = append(not, refused{h.tunnel, r.Destination, why})
				continue
			}
			candidates[r.Destination] = append(candidates[r.Destination], candidate{h.tunnel, r})
		}
	}
	slices.SortFunc(not, func(a, b refused) int {
		return cmp.Or(a.destination.Compare(b.destination), strings.Compare(a.tunnel, b.tunnel))
	})
	over = make(map[netip.Prefix]string, len(candidates))
	for p, c := range candidates {
		over[p] = best(c).tunnel
	}
	return over, not
}

type candidate struct {
	tunnel string
	rib.Route
}

// best is the one of several ways to a network that is taken.
//
// RFC 4271 section 9.1.2.2: the shortest path, of these the lowest origin, and no way
// for which another one of the same neighbor has a lower MED. What is left is equal:
// the first.
func best(of []candidate) candidate {
	first := slices.MinFunc(of, func(a, b candidate) int {
		if d := len(a.Path) - len(b.Path); d != 0 {
			return d
		}
		return int(a.Origin) - int(b.Origin)
	})
	for _, c := range of {
		equal := func(other candidate) bool {
			return len(other.Path) == len(first.Path) && other.Origin == first.Origin
		}
		if equal(c) && !slices.ContainsFunc(of, func(other candidate) bool {
			return equal(other) && neighbor(other) == neighbor(c) && other.MED < c.MED
		}) {
			return c
		}
	}
	return first // unreachable: the lowest MED of a neighbor has none below it
}

// neighbor is the autonomous system that a route came from.
func neighbor(c candidate) uint32 {
	if len(c.Path) == 0 {
		return 0
	}
	return c.Path[0]
}
