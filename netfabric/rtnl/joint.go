package rtnl

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"causeway.dev/netfabric/plan"
)

// SettleJoint compares what an underlay holds of ours: devices, known by their
// alias, and what is theirs. All else belongs to somebody else.
func (h *Handle) SettleJoint(want plan.Joint) ([]Change, error) {
	if err := h.readDevices(); err != nil {
		return nil, err
	}
	var changes []Change
	ours := map[int]bool{}
	for _, d := range want.Devices {
		link := h.devices[d.Name]
		if link == nil {
			return nil, fmt.Errorf("device %s has gone", d.Name)
		}
		ours[link.Attrs().Index] = true
		changes = append(changes, h.settleDevice(d, link)...)
		sysctls, err := Sysctls(plan.Namespace{Sysctls: deviceSysctls(d.Name, want.IPv6())})
		if err != nil {
			return nil, err
		}
		changes = append(changes, sysctls...)
	}
	for name, link := range h.devices {
		if strings.HasPrefix(link.Attrs().Alias, want.Prefix+" ") && !ours[link.Attrs().Index] && link.Type() == "veth" {
			changes = append(changes, Change{"remove device " + name, func() error { return h.nl.LinkDel(link) }})
		}
	}
	for _, settle := range []func(plan.Joint, map[int]bool) ([]Change, error){h.settleJointNeighbours, h.settleJointRoutes, h.settleProxies} {
		more, err := settle(want, ours)
		if err != nil {
			return nil, err
		}
		changes = append(changes, more...)
	}
	return changes, nil
}

// deviceSysctls let packets from a gateway pass on, and ask nothing of their
// sources: the gateway lets no others out than its own.
func deviceSysctls(device string, ipv6 bool) []plan.Sysctl {
	conf := "ipv4.conf." + device + "."
	sysctls := []plan.Sysctl{
		{Key: conf + "forwarding", Value: "1"},
		{Key: conf + "rp_filter", Value: "0"},
		{Key: conf + "send_redirects", Value: "0"},
		{Key: conf + "accept_redirects", Value: "0"},
	}
	if ipv6 {
		conf = "ipv6.conf." + device + "."
		sysctls = append(sysctls, plan.Sysctl{Key: conf + "disable_ipv6", Value: "0"}, plan.Sysctl{Key: conf + "accept_ra", Value: "0"}, plan.Sysctl{Key: conf + "accept_redirects", Value: "0"})
	}
	return sysctls
}

func (h *Handle) settleJointNeighbours(want plan.Joint, _ map[int]bool) ([]Change, error) {
	var changes []Change
	for _, n := range want.Neighbours {
		index := h.index(n.Device)
		list, err := dump(func() ([]netlink.Neigh, error) { return h.nl.NeighList(index, familyOf(n.Address)) })
		if err != nil {
			return nil, fmt.Errorf("list neighbours of %s: %w", n.Device, err)
		}
		stands := slices.ContainsFunc(list, func(is netlink.Neigh) bool {
			return is.State&unix.NUD_PERMANENT != 0 && is.IP.Equal(n.Address.AsSlice()) && is.HardwareAddr.String() == n.MAC.String()
		})
		if stands {
			continue
		}
		changes = append(changes, Change{"set " + n.String(), func() error {
			return h.nl.NeighSet(&netlink.Neigh{
				LinkIndex: index, Family: familyOf(n.Address), State: unix.NUD_PERMANENT, IP: n.Address.AsSlice(), HardwareAddr: n.MAC,
			})
		}})
	}
	return changes, nil
}

// settleJointRoutes compares the routes by our devices. One to the same address by
// another device is somebody else's, and is left.
func (h *Handle) settleJointRoutes(want plan.Joint, ours map[int]bool) ([]Change, error) {
	list, err := eachFamily(func(family int) ([]netlink.Route, error) {
		return h.nl.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_TABLE)
	})
	if err != nil {
		return nil, fmt.Errorf("list routes: %w", err)
	}
	stale := map[netip.Prefix]routeValue{}
	for _, r := range list {
		if !ours[r.LinkIndex] || r.Dst == nil || r.Protocol == unix.RTPROT_KERNEL { // IPv6's own, to its link
			continue
		}
		gateway, _ := netip.AddrFromSlice(r.Gw)
		stale[prefixOf(r.Dst)] = routeValue{kind: r.Type, index: r.LinkIndex, gateway: gateway.Unmap()}
	}
	var changes []Change
	for _, r := range want.Routes {
		value := routeValue{kind: kernelKind[r.Kind], index: h.index(r.Device), gateway: r.Gateway}
		is, ok := stale[r.Destination]
		delete(stale, r.Destination)
		if ok && is == value {
			continue
		}
		changes = append(changes, Change{"set " + r.String(), func() error {
			return h.nl.RouteReplace(kernelRoute(routeKey{int(r.Table), r.Destination}, value))
		}})
	}
	for destination, value := range stale {
		changes = append(changes, Change{fmt.Sprintf("remove route %v", destination), func() error {
			err := h.nl.RouteDel(kernelRoute(routeKey{plan.MainTable, destination}, value))
			if errors.Is(err, unix.ESRCH) { // gone with its device
				return nil
			}
			return err
		}})
	}
	return changes, nil
}

// settleProxies lets the interface that the world comes in by answer questions for
// the elastic addresses in use. Those of our ranges that are not, nobody has.
func (h *Handle) settleProxies(want plan.Joint, _ map[int]bool) ([]Change, error) {
	link := h.devices[want.Interface]
	if link == nil || link.Attrs().RawFlags&(unix.IFF_LOOPBACK|unix.IFF_NOARP) != 0 {
		return nil, nil
	}
	index := link.Attrs().Index
	list, err := dump(func() ([]netlink.Neigh, error) { return h.nl.NeighProxyList(index, unix.AF_INET) })
	if err != nil {
		return nil, fmt.Errorf("list proxies on %s: %w", want.Interface, err)
	}
	stale := map[netip.Addr]bool{}
	for _, n := range list {
		address, _ := netip.AddrFromSlice(n.IP)
		address = address.Unmap()
		if n.LinkIndex == index && slices.ContainsFunc(want.Elastic, func(p netip.Prefix) bool { return p.Contains(address) }) {
			stale[address] = true
		}
	}
	proxy := func(a netip.Addr) *netlink.Neigh {
		return &netlink.Neigh{LinkIndex: index, Family: unix.AF_INET, Flags: unix.NTF_PROXY, IP: a.AsSlice()}
	}
	var changes []Change
	for _, r := range want.Routes {
		a := r.Destination.Addr()
		if a.Is6() { // a range, which is routed here
			continue
		}
		if stale[a] {
			delete(stale, a)
			continue
		}
		changes = append(changes, Change{fmt.Sprintf("answer for %v on %s", a, want.Interface), func() error { return h.nl.NeighSet(proxy(a)) }})
	}
	for a := range stale {
		changes = append(changes, Change{fmt.Sprintf("answer for %v on %s no more", a, want.Interface), func() error { return h.nl.NeighDel(proxy(a)) }})
	}
	return changes, nil
}

// Closed returns the devices of an underlay that the world can come in by and that
// forward nothing: the interface with that name, or for the loopback's all that
// are not installations' own. None if the whole namespace forwards.
func (h *Handle) Closed(name string) ([]string, error) {
	whole, err := Forwards("all")
	if err != nil || whole {
		return nil, err
	}
	var closed []string
	for device, link := range h.devices {
		loopback := link.Attrs().RawFlags&unix.IFF_LOOPBACK != 0
		if loopback || plan.IsOutsideName(device) || device != name && !h.isLoopback(name) {
			continue
		}
		open, err := Forwards(device)
		if err != nil {
			return nil, err
		}
		if !open {
			closed = append(closed, device)
		}
	}
	slices.Sort(closed)
	return closed, nil
}

func (h *Handle) isLoopback(name string) bool {
	link := h.devices[name]
	return link != nil && link.Attrs().RawFlags&unix.IFF_LOOPBACK != 0
}

func forwarding(device string) string { return "/proc/sys/net/ipv4/conf/" + device + "/forwarding" }

// Forwards reports whether what comes in by a device of the calling thread's
// network namespace is forwarded; "all" is the namespace as a whole.
func Forwards(device string) (bool, error) {
	return isValue(forwarding(device), "1")
}

// SetForwards says whether what comes in by a device is forwarded. A device that
// is gone needs nothing.
func SetForwards(device string, forward bool) Change {
	value := map[bool]string{true: "1", false: "0"}[forward]
	return setValue("set forwarding of "+device+" to "+value, forwarding(device), value)
}
