package plan_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"

	"causeway.dev/resource"
)

// remotes6 are what routes of IPv6 lead to. The last is a subnet of one of the VPCs,
// whose traffic a route in the other's tables does not touch.
var remotes6 = []string{"::/0", "2600::/16", "2001:db8:ffff::/48", "fd00::/8", "2001:db8:0:b01::/64"}

// randomIPv6 gives most VPCs a range of IPv6, most of their subnets a part of it, and
// some of the interfaces there addresses, which in some is all that they have; gateways,
// and routes that lead to them, through instances and nowhere.
func (w *world) randomIPv6(r *rand.Rand, name string) {
	if r.IntN(4) == 0 {
		return
	}
	vpc := "vpc-" + name
	for i := range w.vpcs {
		if w.vpcs[i].ID == vpc {
			w.vpcs[i].IPv6 = associated("2001:db8:0:" + name + "00::/56")
		}
	}
	for i := range w.subnets {
		s := &w.subnets[i]
		if s.VPC != vpc || r.IntN(5) == 0 {
			continue
		}
		s.IPv6 = associated(fmt.Sprintf("2001:db8:0:%s0%d::/64", name, s.CIDR.Addr().As4()[2]))
		for n := range w.nics {
			for k := range r.IntN(3) {
				if nic := &w.nics[n]; nic.Subnet == s.ID {
					own := s.IPv6[0].Prefix.Addr().As16()
					own[14], own[15] = byte(k), byte(4+n)
					nic.IPv6 = append(nic.IPv6, netip.AddrFrom16(own))
				}
			}
		}
		if r.IntN(3) == 0 {
			w.withoutIPv4(s)
		}
	}
	if r.IntN(3) > 0 {
		w.egressOnly = append(w.egressOnly, resource.EgressOnlyInternetGateway{Meta: w.meta("eigw-" + name), VPC: vpc})
	}
	for i := range w.groups {
		if g := &w.groups[i]; g.VPC == vpc && r.IntN(2) == 0 {
			g.Rules = append(g.Rules, resource.SecurityGroupRule{Egress: true, Protocol: "-1", FromPort: -1, ToPort: -1, CIDR: netip.MustParsePrefix("::/0")})
		}
	}
	for i := range w.tables {
		if w.tables[i].VPC == vpc {
			w.randomRoutes6(r, name, &w.tables[i])
		}
	}
}

// withoutIPv4 makes a subnet IPv6-only, unless a NAT gateway is in it.
func (w *world) withoutIPv4(s *resource.Subnet) {
	if slices.ContainsFunc(w.nats, func(nat resource.NATGateway) bool { return nat.Subnet == s.ID }) {
		return
	}
	s.CIDR = netip.Prefix{}
	for n := range w.nics {
		nic := &w.nics[n]
		if nic.Subnet != s.ID {
			continue
		}
		nic.Address, nic.Secondary = netip.Addr{}, nil
		if len(nic.IPv6) == 0 {
			own := s.IPv6[0].Prefix.Addr().As16()
			own[15] = byte(4 + n)
			nic.IPv6 = []netip.Addr{netip.AddrFrom16(own)}
		}
	}
}

func associated(prefix string) []resource.CIDRAssociation {
	return []resource.CIDRAssociation{{ID: "6", Prefix: netip.MustParsePrefix(prefix), State: resource.StateAssociated}}
}

// randomRoutes6 adds routes of IPv6 to a table of a VPC.
func (w *world) randomRoutes6(r *rand.Rand, name string, table *resource.RouteTable) {
	if slices.ContainsFunc(table.Associations, func(a resource.RouteTableAssociation) bool { return a.Gateway != "" }) {
		if r.IntN(2) == 0 {
			table.Routes = append(table.Routes, resource.Route{Destination: netip.MustParsePrefix("2001:db8:0:" + name + "01::/64"), NetworkInterface: fmt.Sprintf("eni-%s%d", name, r.IntN(5))})
		}
		return
	}
	for _, prefix := range remotes6 {
		route := resource.Route{Destination: netip.MustParsePrefix(prefix)}
		switch r.IntN(10) {
		case 0, 1, 2:
			route.Gateway = "igw-" + name
		case 3, 4:
			route.EgressOnlyInternetGateway = "eigw-" + name // which may not be there
		case 5:
			route.NetworkInterface = fmt.Sprintf("eni-%s%d", name, r.IntN(6)) // the last is not there
		case 6:
			route.Instance = fmt.Sprintf("i-%s%d", name, r.IntN(6))
		case 7:
			route.Gateway = "vgw-" + name // which speaks none
		default:
			continue
		}
		if !(reference{w}).isLocal("vpc-"+name, route.Destination.Addr()) {
			table.Routes = append(table.Routes, route)
		}
	}
	if r.IntN(2) == 0 {
		route := resource.Route{PrefixList: w.randomList(r, resource.PrefixListIPv6), Gateway: "igw-" + name}
		if r.IntN(2) == 0 {
			route.Gateway, route.EgressOnlyInternetGateway = "", "eigw-"+name
		}
		table.Routes = append(table.Routes, route)
	}
	if r.IntN(3) == 0 { // through an appliance, though local
		table.Routes = append(table.Routes, resource.Route{Destination: netip.MustParsePrefix("2001:db8:0:" + name + "02::/64"), NetworkInterface: fmt.Sprintf("eni-%s%d", name, r.IntN(5))})
	}
}

// A host of nobody's in each family, by where it is: beyond a gateway, at a site, in a
// VPC.
var (
	remoteHosts  = []string{"172.16.1.9", "172.20.0.1", "192.168.1.9", "192.168.2.9", "8.8.8.8", "10.0.1.200", "10.7.0.9", "10.99.0.1"}
	remoteHosts6 = []string{"2600::9", "2600::9", "2001:db8:ffff::9", "2001:db8:fffe::9", "fd00::9", "2001:db8:0:a01::99", "2001:db8:0:b01::99"}
)

func (w *world) randomPacket(r *rand.Rand) packet {
	six := slices.DeleteFunc(slices.Clone(w.nics), func(n resource.NetworkInterface) bool { return len(n.IPv6) == 0 })
	four := slices.DeleteFunc(slices.Clone(w.nics), func(n resource.NetworkInterface) bool { return !n.Address.IsValid() })
	if len(six) > 0 && r.IntN(2) == 0 || len(four) == 0 {
		return w.randomPacket6(r, six)
	}
	p := packet{dst: netip.MustParseAddr(pick(r, remoteHosts...)), protocol: pick(r, "tcp", "udp", "icmp", "50")}
	p.randomPort(r)
	if r.IntN(2) == 0 {
		p.dst = pick(r, private(pick(r, four...))...)
	}
	if len(w.up) > 0 && r.IntN(3) == 0 {
		p.tunnel, p.src = pick(r, w.up...), netip.MustParseAddr("192.168.1.77")
		return p
	}
	if len(w.addresses) > 0 && r.IntN(4) == 0 {
		p.outside, p.src, p.dst = true, netip.MustParseAddr("8.8.8.8"), pick(r, w.addresses...).PublicIP
		return p
	}
	nic := pick(r, four...)
	p.nic, p.src = nic.ID, pick(r, private(nic)...)
	if r.IntN(3) == 0 {
		p.dst = netip.MustParseAddr("8.8.8.8")
	}
	if w.forges(r, nic) {
		p.src = pick(r, pick(r, four...).Address, netip.MustParseAddr("172.16.9.9"))
	}
	return p
}

// randomPacket6 is one of IPv6, for which there are interfaces.
func (w *world) randomPacket6(r *rand.Rand, nics []resource.NetworkInterface) packet {
	p := packet{dst: netip.MustParseAddr(pick(r, remoteHosts6...)), protocol: pick(r, "tcp", "udp", "icmpv6", "50")}
	p.randomPort(r)
	nic := pick(r, nics...)
	if r.IntN(3) == 0 {
		p.outside, p.src, p.dst = true, netip.MustParseAddr("2600::77"), pick(r, nic.IPv6...)
		return p
	}
	p.nic, p.src = nic.ID, pick(r, nic.IPv6...)
	if to := pick(r, nics...); r.IntN(2) == 0 {
		p.dst = pick(r, to.IPv6...)
	}
	if w.forges(r, nic) {
		p.src = pick(r, pick(r, pick(r, nics...).IPv6...), netip.MustParseAddr("2001:db8:eeee::9"))
	}
	return p
}

func private(nic resource.NetworkInterface) []netip.Addr {
	return append([]netip.Addr{nic.Address}, nic.Secondary...)
}

// forges tells whether a packet of an interface's instance shall come from an address
// that may not be its own. An instance with several interfaces would send it by any.
func (w *world) forges(r *rand.Rand, nic resource.NetworkInterface) bool {
	alone := slices.ContainsFunc(w.instances, func(i resource.Instance) bool { return i.ID == nic.Instance && len(i.Interfaces) == 1 })
	return alone && r.IntN(8) == 0
}

func (p *packet) randomPort(r *rand.Rand) {
	p.port = pick[int32](r, 22, 80, 100, 4000)
	switch p.protocol {
	case "icmp":
		p.port = pick[int32](r, 0, 8)
	case "icmpv6":
		p.port = pick[int32](r, 128, 128, 8)
	}
}
