package appliance

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// routeProtocol marks the routes that are the appliance's own; the kernel and
// other daemons use lower numbers (rtnetlink(7), rtm_protocol).
const routeProtocol = 201

// setUp gives a TUN its inside address and brings it up.
func setUp(name string, inside netip.Prefix) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find %s: %w", name, err)
	}
	if inside.IsValid() {
		address := &netlink.Addr{IPNet: ipNet(inside)}
		if err := netlink.AddrAdd(link, address); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("put %v on %s: %w", inside, name, err)
		}
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("set %s up: %w", name, err)
	}
	return nil
}

// setOver makes the routes over tunnels be the wanted ones, with ways beside them to
// the gateways, before and as long as a route covers these.
func setOver(wanted map[netip.Prefix]string, gateways map[netip.Addr]bool, tunnels []string, kept map[string]bool) error {
	if err := setWays(wanted, gateways, tunnels); err != nil {
		return err
	}
	return errors.Join(setRoutes(wanted, tunnels, kept), setWays(wanted, gateways, tunnels))
}

// setRoutes makes the routes over these devices be the wanted ones. A prefix
// that moves from one device to another is replaced in one step. Routes that
// somebody else has set are left alone, and in the way: that is an error. Devices
// that are not there carry no routes. Routes over a device of kept stay as they are,
// whatever is wanted.
func setRoutes(wanted map[netip.Prefix]string, devices []string, kept map[string]bool) error {
	indexes, err := linkIndexes(devices)
	if err != nil {
		return err
	}
	present, err := netlink.RouteListFiltered(netlink.FAMILY_ALL, &netlink.Route{Protocol: routeProtocol}, netlink.RT_FILTER_PROTOCOL)
	if err != nil {
		return fmt.Errorf("list routes: %w", err)
	}
	type held struct {
		netlink.Route
		kept bool
	}
	standing := map[netip.Prefix]held{}
	for _, r := range present {
		for name, index := range indexes {
			if p, ok := destination(r); ok && r.LinkIndex == index {
				standing[p] = held{r, kept[name]}
			}
		}
	}
	var errs []error
	for _, p := range slices.SortedFunc(maps.Keys(wanted), netip.Prefix.Compare) {
		name := wanted[p]
		index, there := indexes[name]
		is, stands := standing[p]
		if !there || is.kept || is.LinkIndex == index {
			continue
		}
		route := &netlink.Route{Dst: ipNet(p), LinkIndex: index, Protocol: routeProtocol, Scope: netlink.SCOPE_LINK}
		set := netlink.RouteAdd
		if stands {
			set = netlink.RouteReplace
		}
		if err := set(route); errors.Is(err, unix.EEXIST) {
			errs = append(errs, fmt.Errorf("route %v over %s: there is another route to it, which is not ours", p, name))
		} else if err != nil {
			errs = append(errs, fmt.Errorf("route %v over %s: %w", p, name, err))
		}
	}
	for p, route := range standing {
		if name, keep := wanted[p]; route.kept || keep && indexes[name] != 0 {
			continue
		}
		if err := netlink.RouteDel(&route.Route); err != nil && !errors.Is(err, unix.ESRCH) {
			errs = append(errs, fmt.Errorf("remove route %v: %w", p, err))
		}
	}
	return joinFirst(errs)
}

// errorsShown is how many routes that could not be set an error names: a gateway may
// tell many.
const errorsShown = 5

func joinFirst(errs []error) error {
	if more := len(errs) - errorsShown; more > 0 {
		errs = append(errs[:errorsShown:errorsShown], fmt.Errorf("and %d more routes", more))
	}
	return errors.Join(errs...)
}

// linkIndexes are those of the devices that are there.
func linkIndexes(devices []string) (map[string]int, error) {
	indexes := map[string]int{}
	for _, name := range devices {
		link, err := netlink.LinkByName(name)
		if errors.As(err, &netlink.LinkNotFoundError{}) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("find %s: %w", name, err)
		}
		indexes[name] = link.Attrs().Index
	}
	return indexes, nil
}

// destination is where a route leads to; the default route has no Dst.
func destination(r netlink.Route) (netip.Prefix, bool) {
	if r.Dst == nil {
		if r.Family == unix.AF_INET6 {
			return netip.PrefixFrom(netip.IPv6Unspecified(), 0), true
		}
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0), true
	}
	return prefixOf(r.Dst)
}

func prefixOf(n *net.IPNet) (netip.Prefix, bool) {
	address, ok := netip.AddrFromSlice(n.IP)
	ones, _ := n.Mask.Size()
	return netip.PrefixFrom(address.Unmap(), ones), ok
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
