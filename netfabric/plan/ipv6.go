package plan

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
)

// Hosts of a network send all that is IPv6 to their router, also what is for hosts
// of their own subnet: no prefix is on their link. So a host asks for one neighbour
// only, which has the same address everywhere.
var (
	routerLinkLocal = netip.MustParseAddr("fe80::1")
	routerSolicited = netip.MustParseAddr("ff02::1:ff00:1") // where hosts ask for it (RFC 4291 section 2.7.1)
)

// IPv6Gateway is the router of every host, on its link.
func IPv6Gateway() netip.Addr { return routerLinkLocal }

// linkNextHop6 is to IPv6 what linkNextHop is to IPv4.
var linkNextHop6 = netip.MustParseAddr("fe80::2")

// mtuBytesMin6 is what every link that carries IPv6 must take (RFC 8200 section 5).
const mtuBytesMin6 = 1280

// ipv6Sysctls hold for a router of a network with IPv6; without it the protocol is
// switched off. Devices get no addresses but ours.
var ipv6Sysctls = []Sysctl{
	{"ipv6.conf.all.addr_gen_mode", "1"},
	{"ipv6.conf.default.addr_gen_mode", "1"},
	{"ipv6.conf.all.disable_ipv6", "0"},
	{"ipv6.conf.default.disable_ipv6", "0"},
	{"ipv6.conf.all.forwarding", "1"},
	{"ipv6.conf.default.forwarding", "1"},
	{"ipv6.conf.all.accept_ra", "0"},
	{"ipv6.conf.default.accept_ra", "0"},
	{"ipv6.conf.all.accept_redirects", "0"},
	{"ipv6.conf.default.accept_redirects", "0"},
	{"ipv6.conf.all.accept_source_route", "-1"},
	{"ipv6.conf.default.accept_source_route", "-1"},
	{"ipv6.fwmark_reflect", "1"},
}

var withoutIPv6Sysctls = []Sysctl{
	{"ipv6.conf.all.disable_ipv6", "1"},
	{"ipv6.conf.default.disable_ipv6", "1"},
}

// ipv6 reports whether IPv6 is spoken in the network.
func (n Network) ipv6() bool {
	return slices.ContainsFunc(n.Local, isIPv6) || n.Outside != nil && len(n.Outside.Ranges) > 0 || n.Translator != nil && n.Translator.IPv6 != nil
}

func isIPv6(p netip.Prefix) bool { return p.Addr().Is6() }

// linkLocal is the address that a host gives itself on its link (RFC 4291
// appendix A).
func linkLocal(mac net.HardwareAddr) netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 8: mac[0] ^ 2, 9: mac[1], 10: mac[2], 11: 0xff, 12: 0xfe, 13: mac[3], 14: mac[4], 15: mac[5]})
}

// addresses are all of an interface's, the primary one first: without one of IPv4, the
// first of IPv6.
func (i Interface) addresses() []netip.Addr {
	if !i.hasIPv4() {
		return i.Others
	}
	return append([]netip.Addr{i.Address}, i.Others...)
}

// hasIPv4 reports whether one of the interface's addresses is IPv4's.
func (i Interface) hasIPv4() bool { return i.Address.IsValid() }

// hasIPv6 reports whether one of the interface's addresses is IPv6's.
func (i Interface) hasIPv6() bool { return slices.ContainsFunc(i.Others, netip.Addr.Is6) }

// checkOthers checks the further addresses, and that none of all is taken.
func (i Interface) checkOthers(local []netip.Prefix) error {
	if i.Subnet6.IsValid() {
		if !isIPv6(i.Subnet6) || i.Subnet6 != i.Subnet6.Masked() || i.Subnet6.Bits() > 126 {
			return fmt.Errorf("%v is no IPv6 subnet", i.Subnet6)
		}
		if i.MTU != 0 && i.MTU < mtuBytesMin6 {
			return fmt.Errorf("MTU of %d bytes carries no IPv6", i.MTU)
		}
	}
	for _, a := range i.Others {
		subnet := i.Subnet
		if a.Is6() {
			subnet = i.Subnet6
		}
		switch {
		case !a.IsValid() || a.Is4In6() || a.Zone() != "" || !subnet.Contains(a):
			return fmt.Errorf("address %v is not in subnet %v", a, subnet)
		case a == gateway(subnet) || a == subnet.Masked().Addr():
			return fmt.Errorf("address %v of subnet %v is reserved", a, subnet)
		case !containedIn(a, local):
			return fmt.Errorf("address %v is not in the network's ranges", a)
		}
	}
	return nil
}

// portIPv6 is what a port has besides where IPv6 is spoken: the router's address on
// the link, and the neighbour's there, by which routes lead to the interface.
func (r *router) portIPv6(name string, i *Interface, mac net.HardwareAddr) {
	if !r.network.ipv6() {
		return
	}
	r.Addresses = append(r.Addresses, Address{Device: name, Prefix: netip.PrefixFrom(routerLinkLocal, 64)})
	r.Neighbours = append(r.Neighbours, Neighbour{Device: name, Address: linkLocal(mac), MAC: mac})
	r.via6[Target{ToInterface, i.ID}] = linkLocal(mac)
}

// rangeChains let pass, as it is, what goes from the ranges of an Outside to other
// addresses and back. Connections that came in by a link with Answers are marked
// with the table for these; of what such a link carries, nothing may be an answer.
func (w *filterWriter) rangeChains() {
	if !w.network.ipv6() {
		return
	}
	var ranges, answers, egressOnly []string
	for _, p := range w.network.Outside.Ranges {
		ranges = append(ranges, p.String())
	}
	for _, a := range w.attach {
		if a.answers != 0 {
			answers = append(answers, fmt.Sprintf("%q : %#x", a.device, a.answers))
			egressOnly = append(egressOnly, fmt.Sprintf("%q", a.device))
		}
	}
	w.set("set", "ranges", "ipv6_addr\n\tflags interval", ranges)
	w.chain("ranges", []string{
		"ip6 daddr ff00::/8 drop",
		"iifname @outside ip6 daddr @ranges ip6 saddr != @ranges accept",
		"iifname != @outside ip6 saddr @ranges accept",
		w.drop(droppedUnassociated),
	})
	if len(answers) == 0 {
		return
	}
	w.set("map", "answers", "ifname : mark", answers)
	w.set("set", "egress-only", "ifname", egressOnly)
	w.chain("answers", []string{
		"type filter hook prerouting priority mangle + 5; policy accept;",
		"iifname @egress-only ct direction reply " + w.drop(droppedUnsolicited),
		"iifname @egress-only ct state new ct mark set iifname map @answers",
		"iifname @outside ct direction reply ct mark != 0x0 meta mark set ct mark",
	})
}
