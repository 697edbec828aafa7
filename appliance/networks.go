package appliance

import (
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A network is one of IPv4 that an interface is connected to.
type network struct {
	Prefix netip.Prefix
	Device string
	Usable bool // the interface is up, and its carrier is not known to be gone
}

// connectedNetworks lists those of all interfaces.
func connectedNetworks() ([]network, error) {
	links, err := netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	byIndex := map[int]*netlink.LinkAttrs{}
	for _, l := range links {
		byIndex[l.Attrs().Index] = l.Attrs()
	}
	addresses, err := netlink.AddrList(nil, unix.AF_INET)
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	var all []network
	for _, a := range addresses {
		link := byIndex[a.LinkIndex]
		if link == nil { // it has gone since
			continue
		}
		of := a.IPNet
		if a.Peer != nil { // point to point: the network is on the other side
			of = a.Peer
		}
		if p, ok := prefixOf(of); ok {
			usable := link.Flags&net.FlagUp != 0 && link.OperState != netlink.OperDown && link.OperState != netlink.OperLowerLayerDown
			all = append(all, network{p.Masked(), link.Name, usable})
		}
	}
	return all, nil
}

// private are the ranges of RFC 1918.
var private = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.168.0.0/16"),
}

// advertised is what gateways are told, sorted, each once.
func advertised(wanted []Advertisement, networks []network, tunnels []string) []netip.Prefix {
	var all []netip.Prefix
	for _, a := range wanted {
		if !a.Connected {
			all = append(all, a.Network)
			continue
		}
		for _, n := range networks {
			if n.Usable && !slices.Contains(tunnels, n.Device) && slices.ContainsFunc(private, func(p netip.Prefix) bool { return within(n.Prefix, p) }) {
				all = append(all, n.Prefix)
			}
		}
	}
	slices.SortFunc(all, netip.Prefix.Compare)
	return slices.Compact(all)
}

// within reports whether all of a lies in b.
func within(a, b netip.Prefix) bool { return a.Bits() >= b.Bits() && b.Contains(a.Addr()) }
