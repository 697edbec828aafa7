package plan_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"

	"causeway.dev/resource"
)

// sitePrefixes are what static routes and routes entered by hand lead to. The
// last two are inside VPCs, where only VPN connections may have routes.
var sitePrefixes = []string{"0.0.0.0/0", "10.0.0.0/8", "172.16.0.0/12", "172.16.1.0/24", "192.168.0.0/16", "192.168.1.0/24", "10.0.1.0/24", "10.0.0.0/16"}

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

func randomWorld(r *rand.Rand) *world {
	w := &world{scope: scope}
	w.randomLists(r)
	for _, name := range []string{"a", "b"} {
		w.randomVPC(r, name)
		w.randomEdges(r, name)
		w.randomIPv6(r, name)
		w.randomACLs(r, name)
		vgw := resource.VPNGateway{Meta: w.meta("vgw-" + name), State: resource.StateAvailable}
		if r.IntN(5) > 0 {
			vgw.VPC, vgw.AttachmentState = "vpc-"+name, resource.StateAttached
		}
		w.gateways = append(w.gateways, vgw)
		w.customers = append(w.customers, resource.CustomerGateway{Meta: w.meta("cgw-" + name), Address: netip.MustParseAddr("198.51.100.7"), ASN: 65000})
	}
	w.learned = map[string][]resource.LearnedRoute{}
	for n := range r.IntN(5) {
		id := fmt.Sprintf("vpn-%d", n)
		var prefixes []string
		for _, p := range sitePrefixes {
			if r.IntN(4) == 0 {
				prefixes = append(prefixes, p)
			}
		}
		w.addConnection(id, pick(r, "vgw-a", "vgw-a", "vgw-b"), "cgw-a", byte(n), prefixes...)
		if r.IntN(6) == 0 {
			w.connections[n].State, w.connections[n].Deleted = resource.StateDeleted, &w.connections[n].Created
		}
		for number := 1; number <= 2; number++ {
			if r.IntN(3) > 0 {
				w.up = append(w.up, resource.TunnelID(id, number))
			}
		}
	}
	w.shareGroups(r)
	w.addresses = slices.DeleteFunc(w.addresses, func(a resource.Address) bool { // for whose interfaces there is nothing to stand
		nic := w.nic(a.NetworkInterface)
		return nic.ID != "" && !nic.Address.IsValid()
	})
	w.randomAccess(r)
	for n := range w.connections {
		if r.IntN(2) == 0 {
			w.randomSessions(r, &w.connections[n])
		}
	}
	return w
}

// randomSessions makes a connection dynamic, and has each of its tunnels learn something,
// some of it from further away.
func (w *world) randomSessions(r *rand.Rand, connection *resource.VPNConnection) {
	connection.StaticRoutesOnly, connection.Routes = false, nil
	for number := 1; number <= 2; number++ {
		var routes []resource.LearnedRoute
		for _, prefix := range sitePrefixes {
			if r.IntN(3) == 0 {
				routes = append(routes, resource.LearnedRoute{
					Destination: netip.MustParsePrefix(prefix), Path: pick(r, []uint32{65000}, []uint32{65000}, []uint32{65001}, []uint32{65000, 65002}, []uint32{65000, 0}),
					Origin: uint8(r.IntN(2)), MED: pick[uint32](r, 0, 0, 100, 200),
				})
			}
		}
		w.learned[resource.TunnelID(connection.ID, number)] = routes
	}
}

// shareGroups has interfaces of the second VPC use groups of the first.
func (w *world) shareGroups(r *rand.Rand) {
	for g := range w.groups {
		group := &w.groups[g]
		if group.VPC != "vpc-a" || r.IntN(3) == 0 {
			continue
		}
		group.Associated = []string{"vpc-b"}
		for n := range w.nics {
			if nic := &w.nics[n]; nic.VPC == "vpc-b" && r.IntN(2) == 0 {
				nic.Groups = append(nic.Groups, group.ID)
			}
		}
	}
}

// unshared is the world without the groups that interfaces have from another VPC.
func (w *world) unshared() *world {
	own, without := map[string]string{}, *w
	for _, g := range w.groups {
		own[g.ID] = g.VPC
	}
	without.nics = slices.Clone(w.nics)
	for n := range without.nics {
		nic := &without.nics[n]
		nic.Groups = slices.DeleteFunc(slices.Clone(nic.Groups), func(id string) bool { return own[id] != nic.VPC })
	}
	return &without
}

// randomVPC adds a VPC of three subnets, two route tables, three groups and some
// instances, of which some are ending and some have two interfaces.
func (w *world) randomVPC(r *rand.Rand, name string) {
	vpc := "vpc-" + name
	v := resource.VPC{Meta: w.meta(vpc), CIDRs: []resource.CIDRAssociation{{ID: "1", Prefix: netip.MustParsePrefix("10.0.0.0/16"), State: "associated"}}}
	if r.IntN(2) == 0 {
		v.CIDRs = append(v.CIDRs, resource.CIDRAssociation{ID: "2", Prefix: netip.MustParsePrefix("10.7.0.0/16"), State: "associated"})
	}
	w.vpcs = append(w.vpcs, v)
	for n := range 3 {
		w.subnets = append(w.subnets, resource.Subnet{
			Meta: w.meta(fmt.Sprintf("subnet-%s%d", name, n)), VPC: vpc, CIDR: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(n), 0}), 24),
		})
		w.groups = append(w.groups, w.randomGroup(r, name, n))
	}
	for n := range 5 {
		w.randomInterface(r, name, n)
	}
	for n := range 2 {
		table := resource.RouteTable{Meta: w.meta(fmt.Sprintf("rtb-%s%d", name, n)), VPC: vpc, Main: n == 0}
		if n == 1 {
			table.Associations = []resource.RouteTableAssociation{{ID: "rtbassoc-" + name, Subnet: fmt.Sprintf("subnet-%s%d", name, r.IntN(3))}}
		}
		if r.IntN(2) == 0 {
			table.PropagatingVGWs = []string{"vgw-" + name}
		}
		for _, prefix := range sitePrefixes[:6] {
			route := resource.Route{Destination: netip.MustParsePrefix(prefix)}
			switch r.IntN(8) {
			case 0, 1:
				route.Gateway = "vgw-" + name
			case 2:
				route.NetworkInterface = fmt.Sprintf("eni-%s%d", name, r.IntN(6)) // the last is not there
			case 3:
				route.Instance = fmt.Sprintf("i-%s%d", name, r.IntN(6))
			default:
				continue
			}
			table.Routes = append(table.Routes, route)
		}
		if r.IntN(2) == 0 {
			table.Routes = append(table.Routes, resource.Route{PrefixList: w.randomList(r, resource.PrefixListIPv4), Gateway: "vgw-" + name})
		}
		w.tables = append(w.tables, table)
	}
}

// randomInterface adds an interface, most often with an instance of its own.
func (w *world) randomInterface(r *rand.Rand, name string, n int) {
	id, subnet := fmt.Sprintf("%s%d", name, n), r.IntN(3)
	nic := resource.NetworkInterface{
		Meta: w.meta("eni-" + id), VPC: "vpc-" + name, Subnet: fmt.Sprintf("subnet-%s%d", name, subnet), Address: netip.AddrFrom4([4]byte{10, 0, byte(subnet), byte(4 + n)}),
		Instance: "i-" + id, SourceDestCheck: r.IntN(2) == 0,
	}
	for k := range r.IntN(3) {
		nic.Secondary = append(nic.Secondary, netip.AddrFrom4([4]byte{10, 0, byte(subnet), byte(20 + 10*k + n)}))
	}
	for g := range 3 {
		if r.IntN(2) == 0 {
			nic.Groups = append(nic.Groups, fmt.Sprintf("sg-%s%d", name, g))
		}
	}
	if n == 4 && r.IntN(2) == 0 {
		first := &w.instances[len(w.instances)-1]
		nic.Instance, nic.DeviceIndex = first.ID, 1
		first.Interfaces = append(first.Interfaces, nic.ID)
	} else {
		w.instances = append(w.instances, resource.Instance{
			Meta: w.meta("i-" + id), VPC: nic.VPC, Interfaces: []string{nic.ID}, Wanted: pick(r, "running", "running", "running", "terminated"),
		})
	}
	w.nics = append(w.nics, nic)
}

// randomLists adds prefix lists of both families, one of which is empty.
func (w *world) randomLists(r *rand.Rand) {
	ranges := map[string][]string{
		resource.PrefixListIPv4: append([]string{"192.168.2.0/24", "172.20.0.0/16", "10.99.0.0/16", "8.8.0.0/16"}, sitePrefixes...),
		resource.PrefixListIPv6: append([]string{"2001:db8:0:a01::/64", "2001:db8:0:a00::/56", "2001:db8::/32"}, remotes6...),
	}
	for n := range 5 {
		list := resource.PrefixList{Meta: w.meta(fmt.Sprintf("pl-%d", n)), AddressFamily: resource.PrefixListIPv4}
		if n > 2 {
			list.AddressFamily = resource.PrefixListIPv6
		}
		for _, prefix := range ranges[list.AddressFamily] {
			if n > 0 && r.IntN(3) == 0 {
				list.Entries = append(list.Entries, resource.PrefixListEntry{CIDR: netip.MustParsePrefix(prefix)})
			}
		}
		w.lists = append(w.lists, list)
	}
}

// randomList is the id of a list of a family.
func (w *world) randomList(r *rand.Rand, family string) string {
	return pick(r, slices.DeleteFunc(slices.Clone(w.lists), func(l resource.PrefixList) bool { return l.AddressFamily != family })...).ID
}

// randomEdges adds an internet gateway, most often attached, a NAT gateway, outside
// addresses for some of the interfaces, routes to the gateways, routes inside the
// VPC and a table of what the gateways let in.
func (w *world) randomEdges(r *rand.Rand, name string) {
	vpc := "vpc-" + name
	igw := resource.InternetGateway{Meta: w.meta("igw-" + name)}
	if r.IntN(6) > 0 {
		igw.VPC = vpc
	}
	w.internet = append(w.internet, igw)
	for n := range 5 {
		nic := fmt.Sprintf("eni-%s%d", name, n)
		if r.IntN(2) == 0 {
			w.addAddress(nic, fmt.Sprintf("198.51.100.%d", len(w.addresses)+1))
		}
		if secondary := w.nic(nic).Secondary; len(secondary) > 0 && r.IntN(2) == 0 {
			w.addAddress(nic, fmt.Sprintf("198.51.100.%d", len(w.addresses)+1))
			last := &w.addresses[len(w.addresses)-1]
			last.ID, last.PrivateAddress = last.ID+"-secondary", secondary[0]
		}
	}
	for i := range w.groups {
		if g := &w.groups[i]; g.VPC == vpc && r.IntN(2) == 0 { // as new groups have it
			g.Rules = append(g.Rules, resource.SecurityGroupRule{Egress: true, Protocol: "-1", FromPort: -1, ToPort: -1, CIDR: netip.MustParsePrefix("0.0.0.0/0")})
		}
	}
	subnet := r.IntN(3)
	nat := w.natOf(name, subnet)
	if r.IntN(4) == 0 {
		nat.Deleted = &nat.Created
	}
	w.nats = append(w.nats, nat)
	if r.IntN(3) > 0 && nat.Deleted == nil {
		w.addresses = append(w.addresses, resource.Address{Meta: w.meta("eipalloc-nat-" + name), PublicIP: netip.MustParseAddr(fmt.Sprintf("198.51.100.%d", len(w.addresses)+1)), NetworkInterface: "eni-nat-" + name, PrivateAddress: nat.PrivateAddress})
	}
	for i := range w.tables {
		table := &w.tables[i]
		if table.VPC != vpc {
			continue
		}
		for _, prefix := range []string{"0.0.0.0/0", "8.0.0.0/8"} {
			if slices.ContainsFunc(table.Routes, func(route resource.Route) bool { return route.Destination.String() == prefix }) {
				continue
			}
			switch route := (resource.Route{Destination: netip.MustParsePrefix(prefix)}); r.IntN(4) {
			case 0, 1:
				route.Gateway = "igw-" + name
				table.Routes = append(table.Routes, route)
			case 2:
				route.NATGateway = "nat-" + name
				table.Routes = append(table.Routes, route)
			}
		}
		if r.IntN(4) == 0 { // through an appliance, though local
			table.Routes = append(table.Routes, resource.Route{Destination: netip.MustParsePrefix("10.0.2.0/24"), NetworkInterface: fmt.Sprintf("eni-%s%d", name, r.IntN(5))})
		}
	}
	if r.IntN(2) == 0 {
		w.tables = append(w.tables, resource.RouteTable{
			Meta: w.meta("rtb-edge-" + name), VPC: vpc,
			Routes:       []resource.Route{{Destination: netip.MustParsePrefix("10.0.1.0/24"), NetworkInterface: fmt.Sprintf("eni-%s%d", name, r.IntN(5))}},
			Associations: []resource.RouteTableAssociation{{ID: "edge-" + name, Gateway: pick(r, "igw-", "vgw-") + name}},
		})
	}
}

// natOf is a NAT gateway with its interface, which is no instance's.
func (w *world) natOf(name string, subnet int) resource.NATGateway {
	return resource.NATGateway{
		Meta: w.meta("nat-" + name), VPC: "vpc-" + name, Subnet: fmt.Sprintf("subnet-%s%d", name, subnet),
		PrivateAddress: netip.AddrFrom4([4]byte{10, 0, byte(subnet), 99}), NetworkInterface: "eni-nat-" + name,
	}
}

func (w *world) randomGroup(r *rand.Rand, name string, n int) resource.SecurityGroup {
	g := resource.SecurityGroup{Meta: w.meta(fmt.Sprintf("sg-%s%d", name, n)), VPC: "vpc-" + name}
	for range r.IntN(5) {
		rule := resource.SecurityGroupRule{Egress: r.IntN(2) == 0, Protocol: pick(r, "-1", "-1", "tcp", "tcp", "udp", "icmp", "icmpv6", "50"), FromPort: -1, ToPort: -1}
		switch rule.Protocol {
		case "tcp", "udp":
			rule.FromPort = pick[int32](r, 0, 22, 80)
			rule.ToPort = rule.FromPort + pick[int32](r, 0, 100)
		case "icmp", "icmpv6":
			if r.IntN(2) == 0 {
				rule.FromPort, rule.ToPort = pick[int32](r, 8, 128), pick[int32](r, -1, 0, 1)
			}
		}
		if r.IntN(4) == 0 {
			rule.PrefixList = pick(r, w.lists...).ID
		} else if r.IntN(2) == 0 {
			rule.Group = fmt.Sprintf("sg-%s%d", name, r.IntN(3))
		} else {
			rule.CIDR = netip.MustParsePrefix(pick(r, "0.0.0.0/0", "10.0.0.0/16", "10.0.1.0/24", "172.16.0.0/12", "192.168.1.0/24", "::/0", "2001:db8:0:"+name+"00::/56", "2001:db8:0:"+name+"01::/64", "2600::/16"))
		}
		g.Rules = append(g.Rules, rule)
	}
	return g
}
