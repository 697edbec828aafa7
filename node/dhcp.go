package node

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"causeway.dev/dhcp"
	"causeway.dev/dhcp/dhcp6"
	"causeway.dev/dhcp/listen"
	"causeway.dev/netfabric"
	"causeway.dev/nodespec"
)

const (
	// leaseTime is AWS's: a change of the options is known after half of it. IPv6's
	// addresses are preferred for as long as the options say, and stay valid for this
	// time more: nobody is there to renew them while the node is away.
	leaseTime = time.Hour

	// guestMTU is what networks carry.
	guestMTU = 1500

	// serversTold bounds the servers of one kind that a host is told, as AWS does.
	serversTold = 4
)

// dhcpPorts are the interfaces behind which hosts of others ask for their addresses:
// instances, and namespaces that an interface is put into, are given theirs.
func dhcpPorts(prefix string, d nodespec.Desired) []listen.Port {
	var ports []listen.Port
	for _, n := range d.Networks {
		if n.Told == nil {
			continue
		}
		for _, i := range n.Interfaces {
			mac, err := net.ParseMAC(i.MAC)
			if i.Place == nil || i.Place.Kind == nodespec.InNamespace || err != nil || len(mac) != 6 {
				continue
			}
			ports = append(ports, listen.Port{
				Interface: i.ID, Namespace: netfabric.NamespaceName(prefix, n.ID), Device: netfabric.PortName(i.ID),
				Lease: leaseOf(i, n, [6]byte(mac)), IPv6: leaseOfIPv6(i, *n.Told, [6]byte(mac)),
			})
		}
	}
	return ports
}

// leaseOf is what the host behind an interface is told by IPv4; nothing where it has no
// address of that.
func leaseOf(i nodespec.Interface, n nodespec.Network, mac [6]byte) dhcp.Lease {
	lease := dhcp.Lease{MAC: mac}
	if !i.Address.IsValid() {
		return lease
	}
	lease = dhcp.Lease{
		MAC: mac, Address: netip.PrefixFrom(i.Address, i.Subnet.Bits()), Router: i.Subnet.Masked().Addr().Next(), Time: leaseTime,
		HostName: "ip-" + strings.ReplaceAll(i.Address.String(), ".", "-"), Domain: n.Told.Domain, MTU: guestMTU,
		Resolvers: servers(n.Told.Resolvers), TimeServers: servers(n.Told.TimeServers),
		NetBIOSServers: servers(n.Told.NetBIOSServers), NetBIOSNodeType: n.Told.NetBIOSNodeType,
	}
	for _, a := range n.Services {
		if a.IsLinkLocalUnicast() {
			lease.LinkLocal = append(lease.LinkLocal, a)
		}
	}
	return lease
}

// leaseOfIPv6 is what the host behind an interface is told by IPv6; nil where its subnet
// does not speak that.
func leaseOfIPv6(i nodespec.Interface, told nodespec.HostOptions, mac [6]byte) *dhcp6.Lease {
	if !i.Subnet6.IsValid() {
		return nil
	}
	return &dhcp6.Lease{
		MAC: mac, Addresses: slices.DeleteFunc(slices.Clone(i.Others), netip.Addr.Is4), Subnet: i.Subnet6, Preferred: told.IPv6Preferred, Valid: told.IPv6Preferred + leaseTime,
		Resolvers: told.Resolvers6, TimeServers: told.TimeServers, Domains: strings.Fields(told.Domain), MTU: guestMTU,
	}
}

// servers are the first of IPv4.
func servers(all []netip.Addr) []netip.Addr {
	all = slices.DeleteFunc(slices.Clone(all), func(a netip.Addr) bool { return !a.Is4() })
	return all[:min(len(all), serversTold)]
}

// DHCP counts what became of messages that hosts behind interfaces sent, and what they
// were told unasked, by outcome.
func (n *Node) DHCP() map[string]uint64 { return n.dhcp.Counts() }
