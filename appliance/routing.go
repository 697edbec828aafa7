package appliance

import (
	"maps"
	"net/netip"
	"slices"

	"causeway.dev/bgp/speaker"
	"causeway.dev/ipsec"
)

// A routing is what the kernel is to know.
type routing struct {
	over     map[netip.Prefix]string // the devices that networks are reached by
	pending  map[string]bool         // devices the routes over which stay as they are
	gateways map[netip.Addr]bool     // outside addresses, as setWays has them
}

func (r routing) equal(other routing) bool {
	return maps.Equal(r.over, other.over) && maps.Equal(r.pending, other.pending) && maps.Equal(r.gateways, other.gateways)
}

// intoItself reports whether a route covers a gateway, so that the way there has to be
// watched.
func (r routing) intoItself() bool {
	for address := range r.gateways {
		for p := range r.over {
			if p.Contains(address) {
				return true
			}
		}
	}
	return false
}

// route says what the kernel is to know.
func (a *running) route(tunnels []ipsec.Status, sessions map[string]speaker.Status) routing {
	outside := map[netip.Addr]string{}
	for _, t := range a.config.Tunnels {
		if t.Remote.IsValid() {
			outside[t.Remote] = t.Name
		}
	}
	for _, t := range tunnels { // where it has moved, or is behind a NAT
		if t.Remote.IsValid() {
			outside[t.Remote.Addr()] = string(t.ID)
		}
	}
	learned, pending := a.bgp.routes(sessions, outside)
	r := routing{over: wantedRoutes(a.config.Tunnels, upOf(tunnels), learned), pending: pending, gateways: map[netip.Addr]bool{}}
	for address := range a.set.gateways {
		r.gateways[address] = false
	}
	for address := range outside {
		r.gateways[address] = true
	}
	return r
}

func upOf(tunnels []ipsec.Status) map[string]bool {
	up := map[string]bool{}
	for _, t := range tunnels {
		up[string(t.ID)] = t.Up
	}
	return up
}

// wantedRoutes says which device carries each prefix: that of the first tunnel,
// in the order of the configuration, that is up and shall; else that by which it was
// learned.
func wantedRoutes(tunnels []Tunnel, up map[string]bool, learned map[netip.Prefix]string) map[netip.Prefix]string {
	routes := maps.Clone(learned)
	if routes == nil {
		routes = map[netip.Prefix]string{}
	}
	for _, t := range slices.Backward(tunnels) {
		if !up[t.Name] {
			continue
		}
		for _, r := range t.Routes {
			routes[r.Masked()] = t.Name
		}
	}
	return routes
}
