package appliance

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A tunnel's own packets go to the gateway's outside address. Where a route over a
// tunnel covers that address, they would be led into the tunnel, sealed again, and
// so on. So such an address has two routes of its own: one by the way that leads
// there beside the tunnels, and below it one that leads nowhere, for the time in
// which no such way is known, as the kernel takes routes away with their interface.

// wayProtocol marks these routes.
const wayProtocol = 202

// guardMetric is that of the route that leads nowhere: any other is preferred.
const guardMetric = math.MaxUint32

// setWays makes those of the gateways' addresses reached beside the tunnels that
// routes over tunnels cover, be they wanted or there already, and leaves the others to
// what leads there anyway, as well as those that are false: they are none any more. Of
// the routes with wayProtocol only those to these addresses are ours.
func setWays(wanted map[netip.Prefix]string, gateways map[netip.Addr]bool, tunnels []string) error {
	indexes, err := linkIndexes(tunnels)
	if err != nil {
		return err
	}
	all, err := netlink.RouteListFiltered(netlink.FAMILY_ALL, &netlink.Route{Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return fmt.Errorf("list routes: %w", err)
	}
	into := slices.Collect(maps.Keys(wanted))
	var beside, standing []netlink.Route
	for _, r := range all {
		if r.Protocol == wayProtocol {
			standing = append(standing, r)
		} else if !leadsOver(r, indexes) {
			beside = append(beside, r)
		} else if p, ok := destination(r); ok {
			into = append(into, p)
		}
	}
	var errs []error
	for a, still := range gateways {
		if still && slices.ContainsFunc(into, func(p netip.Prefix) bool { return p.Contains(a) }) {
			errs = append(errs, setWay(a, beside, standing))
		} else {
			errs = append(errs, removeWays(a, standing, func(netlink.Route) bool { return false }))
		}
	}
	return errors.Join(errs...)
}

// setWay gives an address its two routes, the one that leads nowhere first.
func setWay(to netip.Addr, beside, standing []netlink.Route) error {
	host := netip.PrefixFrom(to, to.BitLen())
	wanted := []netlink.Route{{Dst: ipNet(host), Type: unix.RTN_UNREACHABLE, Priority: guardMetric, Protocol: wayProtocol, Table: unix.RT_TABLE_MAIN}}
	if way, known := wayTo(to, beside); known {
		wanted = append(wanted, hostRoute(host, way))
	}
	for _, r := range wanted {
		if slices.ContainsFunc(standing, func(is netlink.Route) bool { return sameWay(is, r) }) {
			continue
		}
		if err := netlink.RouteReplace(&r); err != nil {
			return fmt.Errorf("keep the way to %v beside the tunnels: %w", to, err)
		}
	}
	return removeWays(to, standing, func(is netlink.Route) bool {
		// What was replaced is gone: of one metric there is one.
		return slices.ContainsFunc(wanted, func(r netlink.Route) bool { return metric(is) == metric(r) })
	})
}

func removeWays(to netip.Addr, standing []netlink.Route, keep func(netlink.Route) bool) error {
	var errs []error
	for _, r := range standing {
		if p, ok := destination(r); !ok || p != netip.PrefixFrom(to, to.BitLen()) || keep(r) {
			continue
		}
		if err := netlink.RouteDel(&r); err != nil && !errors.Is(err, unix.ESRCH) {
			errs = append(errs, fmt.Errorf("remove the way to %v beside the tunnels: %w", to, err))
		}
	}
	return errors.Join(errs...)
}

// wayTo finds the route that the kernel would take among these: the longest, of
// these that with the lowest metric.
func wayTo(to netip.Addr, routes []netlink.Route) (way netlink.Route, known bool) {
	longest := -1
	for _, r := range routes {
		p, ok := destination(r)
		if !ok || !p.Contains(to) || r.Type != unix.RTN_UNICAST || r.Flags&(unix.RTNH_F_DEAD|unix.RTNH_F_LINKDOWN) != 0 {
			continue
		}
		if p.Bits() > longest || p.Bits() == longest && metric(r) < metric(way) {
			way, longest, known = r, p.Bits(), true
		}
	}
	return way, known
}

// hostRoute leads to one host by a way.
func hostRoute(host netip.Prefix, way netlink.Route) netlink.Route {
	return netlink.Route{
		Dst: ipNet(host), Protocol: wayProtocol, Table: unix.RT_TABLE_MAIN, Type: unix.RTN_UNICAST,
		LinkIndex: way.LinkIndex, Gw: way.Gw, Via: way.Via, MultiPath: way.MultiPath, Src: way.Src, Scope: way.Scope,
		Flags: way.Flags & unix.RTNH_F_ONLINK, MTU: way.MTU,
	}
}

func sameWay(a, b netlink.Route) bool {
	p, ok := destination(a)
	q, also := destination(b)
	if !ok || !also || p != q || a.Type != b.Type || metric(a) != metric(b) {
		return false
	}
	if a.Type == unix.RTN_UNREACHABLE {
		return true // the kernel names a device for IPv6
	}
	via := a.Via == nil && b.Via == nil || a.Via != nil && b.Via != nil && a.Via.Equal(b.Via)
	return a.LinkIndex == b.LinkIndex && a.Gw.Equal(b.Gw) && a.Src.Equal(b.Src) && a.MTU == b.MTU && via &&
		slices.EqualFunc(a.MultiPath, b.MultiPath, func(a, b *netlink.NexthopInfo) bool { return a.Equal(*b) })
}

// metric is a route's: of IPv6 that without one has 1024.
func metric(r netlink.Route) int {
	if r.Dst != nil && r.Dst.IP.To4() == nil && r.Priority == 0 {
		return 1024
	}
	return r.Priority
}

// leadsOver reports whether a route leads over one of the links.
func leadsOver(r netlink.Route, links map[string]int) bool {
	for _, index := range links {
		if r.LinkIndex == index || slices.ContainsFunc(r.MultiPath, func(n *netlink.NexthopInfo) bool { return n.LinkIndex == index }) {
			return true
		}
	}
	return false
}
