package plan_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"causeway.dev/nodespec"
	"causeway.dev/resource"
)

// A told route is one that a customer gateway has told over a tunnel.
type told struct {
	tunnel string
	resource.LearnedRoute
}

// toldBy are the routes of a connection by tunnels that are up: "routes are learned from
// the BGP session", which a tunnel has while it is up.
func (w reference) toldBy(c resource.VPNConnection) (all []told) {
	for _, tunnel := range w.tunnelsUp(c.ID) {
		for _, route := range w.learned[tunnel] {
			all = append(all, told{tunnel, route})
		}
	}
	return all
}

// best are the tunnels that a gateway may send to a destination by, of exactly this
// length, as the VPN user guide's "route priority" reads: static routes of connections
// that are up; else, of those that were told by BGP, those with the shortest AS path, the
// lowest origin, and of one neighbouring AS the lowest MED. Of each static connection that
// is its first tunnel that is up. A VPC's own ranges are nobody else's.
func (w reference) best(gateway string, prefix netip.Prefix) (tunnels []string) {
	if vpc := w.attached(gateway); vpc != "" && w.isWithin(vpc, prefix) {
		return nil
	}
	var routes []told
	for _, c := range w.connections {
		up := w.tunnelsUp(c.ID)
		if c.VPNGateway != gateway || c.Deleted != nil || len(up) == 0 {
			continue
		}
		if slices.ContainsFunc(c.Routes, func(r resource.VPNStaticRoute) bool { return r.Destination == prefix }) {
			tunnels = append(tunnels, up[0])
		}
		for _, route := range w.toldBy(c) {
			if route.Destination == prefix {
				routes = append(routes, route)
			}
		}
	}
	if tunnels != nil {
		return tunnels
	}
	keep := func(better func(a, b told) bool) {
		all := slices.Clone(routes)
		routes = slices.DeleteFunc(routes, func(r told) bool {
			return slices.ContainsFunc(all, func(other told) bool { return better(other, r) })
		})
	}
	keep(func(a, b told) bool { return len(a.Path) < len(b.Path) })
	keep(func(a, b told) bool { return a.Origin < b.Origin })
	keep(func(a, b told) bool { return a.Path[0] == b.Path[0] && a.MED < b.MED })
	for _, r := range routes {
		tunnels = append(tunnels, r.tunnel)
	}
	return tunnels
}

// advertised are the destinations that a dynamic connection is told, with the paths, as
// the user guide has it: the VPC's ranges, and what the gateway's other connections lead
// to. Where it has a choice it says what it has chosen: the lowest tunnel by id.
func (w reference) advertised(c resource.VPNConnection) []string {
	var all []string
	if vpc := w.attached(c.VPNGateway); vpc != "" {
		for _, r := range w.ranges(vpc) {
			if r.Addr().Is4() {
				all = append(all, r.String())
			}
		}
	}
	for prefix := range w.destinations() {
		text, tunnels := prefix.String(), w.best(c.VPNGateway, prefix)
		if len(tunnels) == 0 || strings.HasPrefix(slices.Min(tunnels), c.ID+"/") {
			continue
		}
		for _, r := range w.learned[slices.Min(tunnels)] {
			if r.Destination == prefix {
				text += fmt.Sprint(" by ", r.Path)
			}
		}
		all = append(all, text)
	}
	slices.Sort(all)
	return all
}

// destinations are all that some static route leads to, and all that somebody has told.
func (w reference) destinations() map[netip.Prefix]bool {
	all := map[netip.Prefix]bool{}
	for _, c := range w.connections {
		for _, r := range c.Routes {
			all[r.Destination] = true
		}
	}
	for _, routes := range w.learned {
		for _, r := range routes {
			all[r.Destination] = true
		}
	}
	return all
}

// checkSessions compares the sessions of all tunnels with what the records say.
func checkSessions(t *testing.T, w *world, desired nodespec.Desired) (told int) {
	t.Helper()
	for _, tunnel := range desired.Tunnels {
		connection, number, _ := strings.Cut(tunnel.ID, "/")
		at := slices.IndexFunc(w.connections, func(c resource.VPNConnection) bool { return c.ID == connection })
		if dynamic := !w.connections[at].StaticRoutesOnly; dynamic != (tunnel.BGP != nil) {
			t.Errorf("%s: dynamic is %v, and its session %+v", tunnel.ID, dynamic, tunnel.BGP)
		}
		if tunnel.BGP == nil {
			continue
		}
		var got []string
		for _, a := range tunnel.BGP.Advertised {
			text := a.Destination.String()
			if len(a.Path) > 0 {
				text += fmt.Sprint(" by ", a.Path)
			}
			got = append(got, text)
			if med := map[string]uint32{"1": 100, "2": 200}[number]; a.MED != med {
				t.Errorf("%s: %v has the MED %d, want %d", tunnel.ID, a.Destination, a.MED, med)
			}
		}
		slices.Sort(got)
		if want := (reference{w}).advertised(w.connections[at]); !slices.Equal(got, want) {
			t.Errorf("%s is told %q, want %q", tunnel.ID, got, want)
		}
		told += len(got)
	}
	return told
}
