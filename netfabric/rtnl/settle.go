package rtnl

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"causeway.dev/netfabric/plan"
)

// addressKey identifies an address within a namespace.
type addressKey struct {
	index  int
	prefix netip.Prefix
}

func (h *Handle) settleAddresses(want plan.Namespace) ([]Change, error) {
	list, err := eachFamily(func(family int) ([]netlink.Addr, error) { return h.nl.AddrList(nil, family) })
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	stale := map[addressKey]netlink.Addr{}
	for _, a := range list {
		prefix := prefixOf(a.IPNet)
		if !prefix.Addr().IsLoopback() { // the kernel gives lo its own
			stale[addressKey{a.LinkIndex, prefix}] = a
		}
	}
	var changes []Change
	for _, a := range want.Addresses {
		if !h.Present(a.Device) {
			continue
		}
		key := addressKey{h.index(a.Device), a.Prefix}
		if _, ok := stale[key]; ok {
			delete(stale, key)
			continue
		}
		changes = append(changes, Change{"add " + a.String(), func() error {
			made := &netlink.Addr{IPNet: ipNet(a.Prefix)}
			if !a.Connected {
				made.Flags = unix.IFA_F_NOPREFIXROUTE
			}
			if a.Prefix.Addr().Is6() {
				made.Flags |= unix.IFA_F_NODAD // nobody else can have it
			}
			return h.nl.AddrReplace(h.devices[a.Device], made)
		}})
	}
	ours := h.indexes(want)
	for key, a := range stale {
		if want.Router || ours[key.index] && key.prefix.IsSingleIP() && a.Flags&unix.IFA_F_NOPREFIXROUTE != 0 {
			changes = append(changes, Change{fmt.Sprintf("remove address %v", key.prefix), func() error {
				return h.nl.AddrDel(linkAt(key.index), &a)
			}})
		}
	}
	return changes, nil
}

// indexes are those of the devices that are wanted. In an instance an address of
// theirs that brings no route is taken for one that it was given by us: people and
// programs there add theirs with their routes.
func (h *Handle) indexes(want plan.Namespace) map[int]bool {
	found := map[int]bool{}
	for _, d := range want.Devices {
		if h.Present(d.Name) {
			found[h.index(d.Name)] = true
		}
	}
	return found
}

// hasIPv6 is whether IPv6 was seen to be there: it may come, and never goes.
var hasIPv6 atomic.Bool

// families are those that the kernel speaks.
func families() []int {
	// The kernel finds a namespace's own name by trying those of all namespaces.
	if !hasIPv6.Load() {
		if _, err := os.Stat("/proc/sys/net/ipv6"); err != nil {
			return []int{netlink.FAMILY_V4}
		}
		hasIPv6.Store(true)
	}
	return []int{netlink.FAMILY_V4, netlink.FAMILY_V6}
}

// eachFamily lists what there is of each family.
func eachFamily[T any](list func(family int) ([]T, error)) ([]T, error) {
	var all []T
	for _, family := range families() {
		found, err := dump(func() ([]T, error) { return list(family) })
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

func familyOf(a netip.Addr) int {
	if a.Is6() {
		return netlink.FAMILY_V6
	}
	return netlink.FAMILY_V4
}

// linkAt names a device by index only.
func linkAt(index int) netlink.Link {
	return &netlink.GenericLink{LinkAttrs: netlink.LinkAttrs{Index: index}}
}

type neighbourKey struct {
	index   int
	address netip.Addr
}

// settleNeighbours looks at permanent entries only; the others are the kernel's.
func (h *Handle) settleNeighbours(want plan.Namespace) ([]Change, error) {
	if !want.Router && len(want.Neighbours) == 0 {
		return nil, nil
	}
	list, err := eachFamily(func(family int) ([]netlink.Neigh, error) {
		return h.nl.NeighListExecute(netlink.Ndmsg{Family: uint8(family), State: unix.NUD_PERMANENT})
	})
	if err != nil {
		return nil, fmt.Errorf("list neighbours: %w", err)
	}
	stale := map[neighbourKey]netlink.Neigh{}
	for _, n := range list {
		if address, ok := netip.AddrFromSlice(n.IP); ok {
			stale[neighbourKey{n.LinkIndex, address.Unmap()}] = n
		}
	}
	var changes []Change
	for _, n := range want.Neighbours {
		if !h.Present(n.Device) {
			continue
		}
		key := neighbourKey{h.index(n.Device), n.Address}
		is, ok := stale[key]
		delete(stale, key)
		if ok && is.HardwareAddr.String() == n.MAC.String() {
			continue
		}
		changes = append(changes, Change{"set " + n.String(), func() error {
			return h.nl.NeighSet(&netlink.Neigh{
				LinkIndex: key.index, Family: familyOf(n.Address), State: unix.NUD_PERMANENT,
				IP: n.Address.AsSlice(), HardwareAddr: n.MAC,
			})
		}})
	}
	if !want.Router {
		return changes, nil
	}
	for key, n := range stale {
		changes = append(changes, Change{fmt.Sprintf("remove neighbour %v", key.address), func() error {
			return h.nl.NeighDel(&n)
		}})
	}
	return changes, nil
}

// routeKey identifies a route within a namespace.
type routeKey struct {
	table       int
	destination netip.Prefix
}

// routeValue is the rest of it, as far as it is ours to set.
type routeValue struct {
	kind    int
	index   int
	gateway netip.Addr
}

var kernelKind = map[plan.RouteKind]int{
	plan.Unicast:     unix.RTN_UNICAST,
	plan.Unreachable: unix.RTN_UNREACHABLE,
	plan.Blackhole:   unix.RTN_BLACKHOLE,
}

// settleRoutes replaces a route that leads elsewhere in one step, and adds
// before it removes, so that no packet finds a gap.
func (h *Handle) settleRoutes(want plan.Namespace) ([]Change, error) {
	stale, err := h.routes()
	if err != nil {
		return nil, err
	}
	var changes []Change
	for _, r := range want.Routes {
		value := routeValue{kind: kernelKind[r.Kind], gateway: r.Gateway}
		if r.Kind == plan.Unicast {
			if !h.Present(r.Device) {
				continue
			}
			value.index = h.index(r.Device)
		}
		key := routeKey{int(r.Table), r.Destination}
		is, ok := stale[key]
		delete(stale, key)
		if ok && (is == value || !want.Router) { // an instance may route as it likes
			continue
		}
		changes = append(changes, Change{"set " + r.String(), func() error {
			return h.nl.RouteReplace(kernelRoute(key, value))
		}})
	}
	for key, value := range stale {
		if !want.Router && (want.Foreign || !plan.IsInstanceTable(key.table)) {
			continue
		}
		changes = append(changes, Change{fmt.Sprintf("remove route table %d %v", key.table, key.destination), func() error {
			return h.nl.RouteDel(kernelRoute(key, value))
		}})
	}
	return changes, nil
}

// routes lists all routes but those to the namespace's own addresses.
func (h *Handle) routes() (map[routeKey]routeValue, error) {
	list, err := eachFamily(func(family int) ([]netlink.Route, error) {
		return h.nl.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
	})
	if err != nil {
		return nil, fmt.Errorf("list routes: %w", err)
	}
	found := map[routeKey]routeValue{}
	for _, r := range list {
		if r.Table == unix.RT_TABLE_LOCAL {
			continue
		}
		value := routeValue{kind: r.Type}
		if r.Type == unix.RTN_UNICAST {
			value.index = r.LinkIndex
		}
		if gateway, ok := netip.AddrFromSlice(r.Gw); ok {
			value.gateway = gateway.Unmap()
		}
		destination := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		if r.Family == netlink.FAMILY_V6 {
			destination = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
		if r.Dst != nil {
			destination = prefixOf(r.Dst)
		}
		if destination.Addr().IsLoopback() { // IPv6's, in the main table
			continue
		}
		found[routeKey{r.Table, destination}] = value
	}
	return found, nil
}

func kernelRoute(key routeKey, value routeValue) *netlink.Route {
	r := &netlink.Route{
		Table: key.table, Dst: ipNet(key.destination), Type: value.kind, LinkIndex: value.index,
		Protocol: unix.RTPROT_STATIC, Scope: netlink.SCOPE_UNIVERSE,
	}
	if value.kind != unix.RTN_UNICAST {
		return r
	}
	if value.gateway.IsValid() {
		// No route leads to the gateway itself: the neighbour table knows it.
		r.Gw, r.Flags = value.gateway.AsSlice(), int(netlink.FLAG_ONLINK)
	} else {
		r.Scope = netlink.SCOPE_LINK
	}
	return r
}

// settleRules keeps the kernel's rule for local addresses, the one at 0, and IPv6's
// for its main table, which is empty and comes last.
func (h *Handle) settleRules(want plan.Namespace) ([]Change, error) {
	if want.Foreign {
		return nil, nil
	}
	list, err := eachFamily(h.nl.RuleList)
	if err != nil {
		return nil, fmt.Errorf("list rules: %w", err)
	}
	stale := map[plan.Rule]bool{}
	for _, r := range list {
		ipv6 := r.Family == netlink.FAMILY_V6
		ours := want.Router && r.Table != unix.RT_TABLE_LOCAL && !(ipv6 && r.Table == unix.RT_TABLE_MAIN)
		if ours || !want.Router && plan.IsInstanceTable(r.Priority) {
			is := plan.Rule{Priority: r.Priority, Mark: r.Mark, Table: uint32(r.Table), IPv6: ipv6}
			if r.Src != nil {
				is.From = prefixOf(r.Src).Addr()
			}
			stale[is] = true
		}
	}
	var changes []Change
	for _, r := range want.Rules {
		if stale[r] {
			delete(stale, r)
			continue
		}
		changes = append(changes, Change{"add " + r.String(), func() error { return h.nl.RuleAdd(kernelRule(r)) }})
	}
	for r := range stale {
		changes = append(changes, Change{"remove " + r.String(), func() error { return h.nl.RuleDel(kernelRule(r)) }})
	}
	return changes, nil
}

func kernelRule(r plan.Rule) *netlink.Rule {
	made := netlink.NewRule()
	made.Family, made.Priority, made.Mark, made.Table = unix.AF_INET, r.Priority, r.Mark, int(r.Table)
	if r.IPv6 {
		made.Family = unix.AF_INET6
	}
	if r.From.IsValid() {
		made.Src = ipNet(netip.PrefixFrom(r.From, r.From.BitLen()))
	}
	if r.Table == 0 {
		made.Type = unix.FR_ACT_UNREACHABLE
	}
	return made
}

func prefixOf(n *net.IPNet) netip.Prefix {
	address, _ := netip.AddrFromSlice(n.IP)
	bits, _ := n.Mask.Size()
	return netip.PrefixFrom(address.Unmap(), bits)
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
