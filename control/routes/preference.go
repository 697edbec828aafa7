package routes

import (
	"cmp"
	"slices"

	"causeway.dev/resource"
)

// A Way is what a VPN gateway can send a destination's packets by: one tunnel, and why.
type Way struct {
	Connection string // "vpn-…"
	Tunnel     int    // 1 or 2

	// Learned is what the tunnel's customer gateway has told; nil: the route is a
	// static one.
	Learned *resource.LearnedRoute
}

// TunnelID is that of the way's tunnel.
func (w Way) TunnelID() string { return resource.TunnelID(w.Connection, w.Tunnel) }

// Prefer sorts the ways to one destination, the preferred one first:
//
//   - static routes before those of BGP;
//   - the shortest AS path, in which an AS_SET counts as one (RFC 4271 section 9.1.2.2 a);
//   - the lowest origin (b);
//   - the lowest MED, among those that the same neighbouring AS has told (c);
//   - the lowest id of the connection, and the first tunnel before the second one.
//
// The order does not depend on the one in which the ways come, although MEDs of
// different neighbours are not compared: ways that are alike so far are taken neighbour
// by neighbour, of each the best one that is left competes with the others' by its
// connection and tunnel.
func Prefer(ways []Way) {
	slices.SortFunc(ways, func(a, b Way) int { return cmp.Or(compareRoutes(a, b), compareTunnels(a, b)) })
	for start := 0; start < len(ways); {
		end := start + 1
		for end < len(ways) && compareRoutes(ways[start], ways[end]) == 0 {
			end++
		}
		if ways[start].Learned != nil && end-start > 1 {
			preferByMED(ways[start:end])
		}
		start = end
	}
}

// compareRoutes orders ways by what is compared among all of them.
func compareRoutes(a, b Way) int {
	switch {
	case a.Learned == nil && b.Learned == nil:
		return 0
	case a.Learned == nil:
		return -1
	case b.Learned == nil:
		return 1
	}
	return cmp.Or(cmp.Compare(len(a.Learned.Path), len(b.Learned.Path)), cmp.Compare(a.Learned.Origin, b.Learned.Origin))
}

func compareTunnels(a, b Way) int {
	return cmp.Or(cmp.Compare(a.Connection, b.Connection), cmp.Compare(a.Tunnel, b.Tunnel))
}

// preferByMED sorts ways that are alike but for MED and tunnel, and are sorted by tunnel.
func preferByMED(ways []Way) {
	var neighbours [][]Way // each with the lowest MED first
	at := make(map[uint32]int)
	for _, way := range ways {
		as := neighbour(way)
		if _, known := at[as]; !known {
			at[as] = len(neighbours)
			neighbours = append(neighbours, nil)
		}
		neighbours[at[as]] = append(neighbours[at[as]], way)
	}
	for _, told := range neighbours {
		slices.SortStableFunc(told, func(a, b Way) int { return cmp.Compare(a.Learned.MED, b.Learned.MED) })
	}
	for i := range ways {
		best := -1
		for n, told := range neighbours {
			if len(told) > 0 && (best < 0 || compareTunnels(told[0], neighbours[best][0]) < 0) {
				best = n
			}
		}
		ways[i], neighbours[best] = neighbours[best][0], neighbours[best][1:]
	}
}

// neighbour is the AS that has told a way; 0 for a path without any or one that begins
// with an AS_SET.
func neighbour(way Way) uint32 {
	if len(way.Learned.Path) == 0 {
		return 0
	}
	return way.Learned.Path[0]
}
