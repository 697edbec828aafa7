package plan

import (
	"net/netip"
	"slices"
	"time"

	"causeway.dev/control/routes"
	"causeway.dev/nodespec"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// What a VPN gateway's sessions have in common, AWS's values ("Site-to-Site VPN quotas"
// in the VPN user guide; the hold time is in the document of each connection).
const (
	bgpHoldTime   = 30 * time.Second
	prefixesMax   = 100  // that a customer gateway may tell
	advertisedMax = 1000 // that it is told
)

// The MEDs by which devices prefer the tunnel that our side prefers, by tunnel.
var tunnelMEDs = [2]uint32{100, 200}

// ways are what tunnels lead to from a gateway, by destination: of each the preferred one
// first. What lies in the local ranges is not among it: they always win.
type ways map[netip.Prefix][]routes.Way

func waysOf(sites []*site, local []netip.Prefix) ways {
	all := make(ways)
	for _, s := range sites {
		static := routes.StaticRoutes(s.connection)
		for i := range s.connection.Tunnels {
			for _, prefix := range static {
				all[prefix] = append(all[prefix], routes.Way{Connection: s.connection.ID, Tunnel: i + 1})
			}
			for r := range s.learned[i] {
				learned := &s.learned[i][r]
				all[learned.Destination] = append(all[learned.Destination], routes.Way{Connection: s.connection.ID, Tunnel: i + 1, Learned: learned})
			}
		}
	}
	for prefix, found := range all {
		if routes.Within(prefix, local) {
			delete(all, prefix)
			continue
		}
		routes.Prefer(found)
	}
	return all
}

// targets are the tunnels of ways, in their order.
func targets(found []routes.Way) []nodespec.Target {
	leads := make([]nodespec.Target, len(found))
	for i, way := range found {
		leads[i] = nodespec.Target{Kind: nodespec.ToTunnel, ID: way.TunnelID()}
	}
	return leads
}

// readSessions looks up what the tunnels of a gateway have learned, and which of its
// connections have one that is up, if any of them is dynamic. Else nobody is told.
func (c *compiler) readSessions(sites []*site) {
	if !slices.ContainsFunc(sites, (*site).dynamic) {
		return
	}
	for _, s := range sites {
		for i := range s.connection.Tunnels {
			status, _ := store.TunnelStatuses.Get(c.snapshot, c.scope, resource.TunnelID(s.connection.ID, i+1))
			s.up = s.up || status.Up
			s.learned[i] = routes.Learned(&s.connection, &status)
		}
	}
}

func (s *site) dynamic() bool { return !s.connection.StaticRoutesOnly }

// An announcement is a destination that customer gateways are told of, and the connection
// that leads there; "" for the VPC.
type announcement struct {
	destination netip.Prefix
	path        []uint32
	from        string
}

// announcements are what a gateway's customer gateways are told, by destination: the VPC's
// ranges, and the best way to each other one that can be gone now.
func (w ways) announcements(sites []*site, local []netip.Prefix) []announcement {
	up := make(map[string]bool)
	for _, s := range sites {
		up[s.connection.ID] = s.up
	}
	all := make([]announcement, 0, len(local)+len(w))
	for _, prefix := range local {
		all = append(all, announcement{destination: prefix})
	}
	for prefix, found := range w {
		at := slices.IndexFunc(found, func(way routes.Way) bool { return up[way.Connection] })
		if at < 0 {
			continue
		}
		a := announcement{destination: prefix, from: found[at].Connection}
		if learned := found[at].Learned; learned != nil {
			a.path = learned.Path
		}
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b announcement) int { return routes.ComparePrefixes(a.destination, b.destination) })
	return all
}

// bgp compiles the sessions of a dynamic connection's tunnels. Nobody is told what leads
// to himself, and nobody more than advertisedMax: the VPC's ranges, and of the rest the
// first.
func bgp(vgw resource.VPNGateway, s *site, told []announcement) [2]*nodespec.BGP {
	room := advertisedMax
	for _, a := range told {
		if a.from == "" {
			room--
		}
	}
	var sessions [2]*nodespec.BGP
	for i := range sessions {
		sessions[i] = &nodespec.BGP{ASN: vgw.AmazonSideASN, PeerASN: s.asn, HoldTime: bgpHoldTime, MaxPrefixes: prefixesMax, Log: s.connection.Tunnels[i].BGPLog.Enabled}
		sessions[i].Advertised = make([]nodespec.Advertised, 0, min(len(told), advertisedMax))
	}
	for _, a := range told {
		if a.from != "" {
			if a.from == s.connection.ID || room <= 0 {
				continue
			}
			room--
		}
		for i := range sessions {
			sessions[i].Advertised = append(sessions[i].Advertised, nodespec.Advertised{Destination: a.destination, Path: a.path, MED: tunnelMEDs[i]})
		}
	}
	return sessions
}

// selectors are what may pass a tunnel, seen from one of its sides: a connection's range,
// and where the tunnel has BGP and the range does not contain it, the side's own address,
// or else the session could not begin.
func selectors(s *site, all netip.Prefix, inside netip.Addr) []netip.Prefix {
	own := netip.PrefixFrom(inside, inside.BitLen())
	if !s.dynamic() || all.Contains(inside) {
		return []netip.Prefix{all}
	}
	return []netip.Prefix{all, own}
}
