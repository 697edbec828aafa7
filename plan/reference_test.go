package plan_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"causeway.dev/plan"
	"causeway.dev/resource"
)

// TestPlanAgainstReference sends packets through random networks, twice: by the
// compiled state, as nodespec says what it means, and by the records, as AWS's
// documentation of route tables, security groups and VPN gateways reads. The two
// readings share no code.
func TestPlanAgainstReference(t *testing.T) {
	fates := map[string]int{}
	for seed := range uint64(300) {
		w := randomWorld(rand.New(rand.NewPCG(seed, 1)))
		desired := plan.Compile(w.put(t, shared), "node-1")
		checkReferences(t, desired)
		packets := rand.New(rand.NewPCG(seed, 2))
		for range 60 {
			p := w.randomPacket(packets)
			want := reference{w}.send(p)
			got := interpreter{desired, w.up}.send(p)
			if !slices.Contains(want, got) {
				t.Fatalf("seed %d: %v: the plan says %q, AWS %q\n%s", seed, p, got, want, plan.Text(desired))
			}
			fates[kindOf(got)]++
		}
	}
	for _, kind := range []string{"goes", "tunnelled", "leaves", "dropped: egress", "dropped: route", "dropped: ingress", "dropped: no outside address", "dropped: unsolicited", "dropped: acl"} {
		if fates[kind] < 50 {
			t.Errorf("only %d packets were %s: the test proves little (%v)", fates[kind], kind, fates)
		}
	}
}

// A packet begins at an instance's interface, or comes out of a tunnel or from the
// outside.
type packet struct {
	nic, tunnel string
	outside     bool
	src, dst    netip.Addr
	protocol    string
	port        int32 // or ICMP type; the code is 0

	// subnet is where the packet is on its way, as who carries it calls that; ""
	// in a gateway and beyond.
	subnet string
}

func (p packet) String() string {
	return fmt.Sprintf("%s from %s%s, %s to %s, port %d", p.protocol, p.nic, p.tunnel, p.src, p.dst, p.port)
}

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
		w.randomACLs(r, name)
		vgw := resource.VPNGateway{Meta: w.meta("vgw-" + name), State: resource.StateAvailable}
		if r.IntN(5) > 0 {
			vgw.VPC, vgw.AttachmentState = "vpc-"+name, resource.StateAttached
		}
		w.gateways = append(w.gateways, vgw)
		w.customers = append(w.customers, resource.CustomerGateway{Meta: w.meta("cgw-" + name), Address: netip.MustParseAddr("198.51.100.7")})
	}
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
	return w
}

// randomVPC adds a VPC of three subnets, two route tables, three groups and some
// instances, of which some are ending.
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
		id := fmt.Sprintf("%s%d", name, n)
		subnet := r.IntN(3)
		nic := resource.NetworkInterface{
			Meta: w.meta("eni-" + id), VPC: vpc, Subnet: fmt.Sprintf("subnet-%s%d", name, subnet), Address: netip.AddrFrom4([4]byte{10, 0, byte(subnet), byte(4 + n)}),
			Instance: "i-" + id, SourceDestCheck: r.IntN(2) == 0,
		}
		for g := range 3 {
			if r.IntN(2) == 0 {
				nic.Groups = append(nic.Groups, fmt.Sprintf("sg-%s%d", name, g))
			}
		}
		w.nics = append(w.nics, nic)
		w.instances = append(w.instances, resource.Instance{Meta: w.meta("i-" + id), VPC: vpc, Interfaces: []string{nic.ID}, Wanted: pick(r, "running", "running", "running", "terminated")})
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
			table.Routes = append(table.Routes, resource.Route{PrefixList: pick(r, w.lists...).ID, Gateway: "vgw-" + name})
		}
		w.tables = append(w.tables, table)
	}
}

// randomLists adds prefix lists, one of which is empty.
func (w *world) randomLists(r *rand.Rand) {
	for n := range 3 {
		list := resource.PrefixList{Meta: w.meta(fmt.Sprintf("pl-%d", n)), AddressFamily: resource.PrefixListIPv4}
		for _, prefix := range append([]string{"192.168.2.0/24", "172.20.0.0/16", "10.99.0.0/16", "8.8.0.0/16"}, sitePrefixes...) {
			if n > 0 && r.IntN(3) == 0 {
				list.Entries = append(list.Entries, resource.PrefixListEntry{CIDR: netip.MustParsePrefix(prefix)})
			}
		}
		w.lists = append(w.lists, list)
	}
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
		if r.IntN(2) == 0 {
			w.addAddress(fmt.Sprintf("eni-%s%d", name, n), fmt.Sprintf("198.51.100.%d", len(w.addresses)+1))
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
		rule := resource.SecurityGroupRule{Egress: r.IntN(2) == 0, Protocol: pick(r, "-1", "-1", "tcp", "tcp", "udp", "icmp", "50"), FromPort: -1, ToPort: -1}
		switch rule.Protocol {
		case "tcp", "udp":
			rule.FromPort = pick[int32](r, 0, 22, 80)
			rule.ToPort = rule.FromPort + pick[int32](r, 0, 100)
		case "icmp":
			if r.IntN(2) == 0 {
				rule.FromPort, rule.ToPort = 8, pick[int32](r, -1, 0, 1)
			}
		}
		if r.IntN(4) == 0 {
			rule.PrefixList = pick(r, w.lists...).ID
		} else if r.IntN(2) == 0 {
			rule.Group = fmt.Sprintf("sg-%s%d", name, r.IntN(3))
		} else {
			rule.CIDR = netip.MustParsePrefix(pick(r, "0.0.0.0/0", "10.0.0.0/16", "10.0.1.0/24", "172.16.0.0/12", "192.168.1.0/24", "2001:db8::/32"))
		}
		g.Rules = append(g.Rules, rule)
	}
	return g
}

func (w *world) randomPacket(r *rand.Rand) packet {
	remote := netip.MustParseAddr(pick(r, "172.16.1.9", "172.20.0.1", "192.168.1.9", "192.168.2.9", "8.8.8.8", "10.0.1.200", "10.7.0.9", "10.99.0.1"))
	protocol := pick(r, "tcp", "udp", "icmp", "50")
	p := packet{dst: remote, protocol: protocol, port: pick[int32](r, 22, 80, 100, 4000)}
	if protocol == "icmp" {
		p.port = pick[int32](r, 0, 8)
	}
	if r.IntN(2) == 0 {
		p.dst = pick(r, w.nics...).Address
	}
	if len(w.up) > 0 && r.IntN(3) == 0 {
		p.tunnel, p.src = pick(r, w.up...), netip.MustParseAddr("192.168.1.77")
		return p
	}
	if len(w.addresses) > 0 && r.IntN(4) == 0 {
		p.outside, p.src, p.dst = true, netip.MustParseAddr("8.8.8.8"), pick(r, w.addresses...).PublicIP
		return p
	}
	nic := pick(r, w.nics...)
	p.nic, p.src = nic.ID, nic.Address
	if r.IntN(3) == 0 {
		p.dst = netip.MustParseAddr("8.8.8.8")
	}
	return p
}

// reference reads the records as AWS's user guides do. Where those leave a choice
// between connections, it returns all of them.
type reference struct{ *world }

func (w reference) send(p packet) []string {
	if p.tunnel != "" {
		connection, _, _ := strings.Cut(p.tunnel, "/")
		for _, c := range w.connections {
			if c.ID == connection && c.Deleted == nil {
				return w.atGateway(p, c.VPNGateway)
			}
		}
		return []string{"nowhere"}
	}
	if p.outside {
		return w.fromOutside(p)
	}
	nic, running := w.runningNIC(p.nic)
	if !running {
		return []string{"nowhere"}
	}
	if !w.admits(nic, p, true, p.dst) {
		return []string{"dropped: egress"}
	}
	p.subnet = nic.Subnet
	return w.byTable(p, nic.VPC, w.tableOf(nic))
}

// fromOutside says what becomes of a packet to an outside address: "the internet
// gateway translates it to the private address", if the VPC has one attached.
func (w reference) fromOutside(p packet) []string {
	for _, a := range w.addresses {
		if a.PublicIP != p.dst {
			continue
		}
		p.dst = a.PrivateAddress
		vpc := "vpc-" + string(a.NetworkInterface[len(a.NetworkInterface)-1])
		if strings.HasPrefix(a.NetworkInterface, "eni-nat-") {
			return w.enter(p, vpc, "igw-"+vpc[4:])
		}
		vpc = "vpc-" + a.NetworkInterface[4:5]
		return w.enter(p, vpc, "igw-"+vpc[4:])
	}
	return []string{"dropped: no outside address"}
}

// enter lets a packet into a VPC by a gateway. "You can associate a route table with
// an internet gateway or a virtual private gateway", which then leads it.
func (w reference) enter(p packet, vpc, gateway string) []string {
	if strings.HasPrefix(gateway, "igw-") && !slices.ContainsFunc(w.internet, func(g resource.InternetGateway) bool { return g.ID == gateway && g.VPC == vpc }) {
		return []string{"dropped: no outside address"}
	}
	for _, table := range w.tables {
		for _, a := range table.Associations {
			if a.Gateway == gateway && table.VPC == vpc {
				return w.byTable(p, vpc, table)
			}
		}
	}
	return w.deliver(vpc, p)
}

// byTable routes a packet in a VPC. "The most specific route" decides; the local one
// is less specific than one to a subnet, and precedes all others.
func (w reference) byTable(p packet, vpc string, table resource.RouteTable) []string {
	if w.isLocal(vpc, p.dst) { // "the local route is preferred, even if a propagated one is more specific"
		for i, route := range table.Routes {
			if route.PrefixList == "" && w.isLocal(vpc, route.Destination.Addr()) && route.Destination.Bits() > 16 && route.Destination.Contains(p.dst) {
				return w.through(p, &table.Routes[i])
			}
		}
		return w.deliver(vpc, p)
	}
	nic := resource.NetworkInterface{VPC: vpc}
	best, found := netip.Prefix{}, false
	var manual *resource.Route
	consider := func(prefix netip.Prefix, route *resource.Route) {
		longer := !found || prefix.Bits() > best.Bits()
		if prefix.Contains(p.dst) && (longer || prefix == best && route != nil) { // "static routes take priority over propagated ones"
			best, found, manual = prefix, true, route
		}
	}
	for _, vgw := range table.PropagatingVGWs {
		if w.attached(vgw) != nic.VPC {
			continue
		}
		for _, c := range w.connections {
			if c.VPNGateway == vgw && c.Deleted == nil && len(w.tunnelsUp(c.ID)) > 0 {
				for _, route := range c.Routes {
					consider(route.Destination, nil)
				}
			}
		}
	}
	for i := range table.Routes { // "routes that reference a prefix list take priority over propagated ones"
		for _, entry := range w.list(table.Routes[i].PrefixList).Entries {
			if !w.isLocal(vpc, entry.CIDR.Addr()) || entry.CIDR.Bits() < 16 { // the local route is preferred
				consider(entry.CIDR, &table.Routes[i])
			}
		}
	}
	for i := range table.Routes { // "static routes take priority over those that reference a prefix list"
		if table.Routes[i].PrefixList == "" {
			consider(table.Routes[i].Destination, &table.Routes[i])
		}
	}
	switch {
	case !found:
		return []string{"dropped: route"}
	case manual == nil:
		return w.toGateway(p, table.PropagatingVGWs[0])
	case strings.HasPrefix(manual.Gateway, "igw-"):
		return w.cross(p, "", w.leave(p, vpc, manual.Gateway))
	case manual.NATGateway != "":
		for _, nat := range w.nats {
			if nat.ID == manual.NATGateway && nat.Deleted == nil {
				return w.cross(p, nat.Subnet, w.translate(p, nat))
			}
		}
		return []string{"dropped: route"}
	case manual.Gateway != "":
		if w.attached(manual.Gateway) != nic.VPC {
			return []string{"dropped: route"} // a black hole
		}
		return w.toGateway(p, manual.Gateway)
	}
	return w.through(p, manual)
}

// leave says what becomes of a packet at an internet gateway: only what an outside
// address stands for the sender of leaves.
func (w reference) leave(p packet, vpc, gateway string) []string {
	for _, g := range w.internet {
		if g.ID != gateway || g.VPC != vpc {
			continue
		}
		for _, a := range w.addresses {
			if a.PrivateAddress == p.src && strings.HasSuffix(strings.TrimRight(a.NetworkInterface, "0123456789"), "-"+vpc[4:]) {
				return []string{"leaves as " + a.PublicIP.String()}
			}
		}
		return []string{"dropped: no outside address", "dropped: route"}
	}
	return []string{"dropped: route"}
}

// translate says what becomes of a packet at a NAT gateway: it goes on under the
// gateway's address by the route table of the gateway's subnet.
func (w reference) translate(p packet, nat resource.NATGateway) []string {
	if p.protocol == "50" {
		return []string{"dropped: protocol"}
	}
	if p.src == nat.PrivateAddress {
		return []string{"dropped: loop"}
	}
	p.src, p.subnet = nat.PrivateAddress, nat.Subnet
	return w.byTable(p, nat.VPC, w.tableOf(resource.NetworkInterface{VPC: nat.VPC, Subnet: nat.Subnet}))
}

// through leads a packet to the interface that a route names.
func (w reference) through(p packet, manual *resource.Route) []string {
	through := manual.NetworkInterface
	for _, i := range w.instances {
		if i.ID == manual.Instance {
			through = i.Interfaces[0]
		}
	}
	middle, running := w.runningNIC(through)
	switch {
	case !running:
		return []string{"dropped: route"}
	case !w.admits(middle, p, false, p.src):
		return w.cross(p, middle.Subnet, []string{"dropped: ingress"})
	case middle.SourceDestCheck && middle.Address != p.dst: // "the source or destination of any traffic it sends or receives"
		return w.cross(p, middle.Subnet, []string{"dropped: source/destination check"})
	}
	return w.cross(p, middle.Subnet, []string{"goes to " + middle.ID})
}

// atGateway says where a VPN gateway sends a packet: to its VPC, or into a tunnel
// of the most specific static route.
func (w reference) atGateway(p packet, gateway string) (fates []string) {
	vpc := w.attached(gateway)
	if vpc != "" && w.isLocal(vpc, p.dst) {
		return w.enter(p, vpc, gateway)
	}
	longest := -1
	for _, c := range w.connections {
		up := w.tunnelsUp(c.ID)
		if c.VPNGateway != gateway || c.Deleted != nil || len(up) == 0 {
			continue
		}
		for _, route := range c.Routes {
			if !route.Destination.Contains(p.dst) || route.Destination.Bits() < longest {
				continue
			}
			if route.Destination.Bits() > longest {
				longest, fates = route.Destination.Bits(), nil
			}
			fates = append(fates, "tunnelled to "+up[0])
		}
	}
	if fates == nil {
		return []string{"dropped: route"}
	}
	return fates
}

// deliver gives a packet to whoever has its destination in a VPC. A NAT gateway
// takes nothing that it has not begun.
func (w reference) deliver(vpc string, p packet) []string {
	for _, nat := range w.nats {
		if nat.VPC == vpc && nat.Deleted == nil && nat.PrivateAddress == p.dst {
			return w.cross(p, nat.Subnet, []string{"dropped: unsolicited"})
		}
	}
	for _, candidate := range w.nics {
		nic, running := w.runningNIC(candidate.ID)
		if !running || nic.VPC != vpc || nic.Address != p.dst {
			continue
		}
		if !w.admits(nic, p, false, p.src) {
			return w.cross(p, nic.Subnet, []string{"dropped: ingress"})
		}
		return w.cross(p, nic.Subnet, []string{"goes to " + nic.ID})
	}
	return []string{"dropped: route"}
}

// admits tells whether one of the interface's groups has a rule for the packet.
func (w reference) admits(nic resource.NetworkInterface, p packet, egress bool, peer netip.Addr) bool {
	for _, g := range w.groups {
		if !slices.Contains(nic.Groups, g.ID) {
			continue
		}
		for _, rule := range g.Rules {
			if rule.Egress == egress && matchesTraffic(rule, p) && w.isPeer(nic.VPC, rule, peer) {
				return true
			}
		}
	}
	return false
}

func matchesTraffic(rule resource.SecurityGroupRule, p packet) bool {
	switch {
	case rule.Protocol == "-1":
		return true
	case rule.Protocol != p.protocol:
		return false
	case p.protocol == "icmp":
		return rule.FromPort == -1 || rule.FromPort == p.port && (rule.ToPort == -1 || rule.ToPort == 0)
	case p.protocol == "50":
		return true
	}
	return rule.FromPort <= p.port && p.port <= rule.ToPort
}

func (w reference) isPeer(vpc string, rule resource.SecurityGroupRule, peer netip.Addr) bool {
	if rule.PrefixList != "" {
		return slices.ContainsFunc(w.list(rule.PrefixList).Entries, func(e resource.PrefixListEntry) bool { return e.CIDR.Contains(peer) })
	}
	if rule.Group == "" {
		return rule.CIDR.Contains(peer)
	}
	return slices.ContainsFunc(w.nics, func(nic resource.NetworkInterface) bool {
		_, running := w.runningNIC(nic.ID)
		return running && nic.VPC == vpc && nic.Address == peer && slices.Contains(nic.Groups, rule.Group)
	})
}

func (w reference) list(id string) resource.PrefixList {
	for _, list := range w.lists {
		if list.ID == id {
			return list
		}
	}
	return resource.PrefixList{}
}

func (w reference) runningNIC(id string) (resource.NetworkInterface, bool) {
	for n, nic := range w.nics {
		if nic.ID == id {
			return nic, w.instances[n].Wanted == "running"
		}
	}
	return resource.NetworkInterface{}, false
}

func (w reference) isLocal(vpc string, a netip.Addr) bool {
	for _, v := range w.vpcs {
		if v.ID == vpc {
			return slices.ContainsFunc(v.CIDRs, func(c resource.CIDRAssociation) bool { return c.Prefix.Contains(a) })
		}
	}
	return false
}

func (w reference) tableOf(nic resource.NetworkInterface) (main resource.RouteTable) {
	for _, table := range w.tables {
		switch {
		case table.VPC != nic.VPC:
		case slices.ContainsFunc(table.Associations, func(a resource.RouteTableAssociation) bool { return a.Subnet == nic.Subnet }):
			return table
		case table.Main:
			main = table
		}
	}
	return main
}

func (w reference) attached(gateway string) string {
	for _, g := range w.gateways {
		if g.ID == gateway {
			return g.VPC
		}
	}
	return ""
}

func (w reference) tunnelsUp(connection string) (up []string) {
	for number := 1; number <= 2; number++ {
		if id := resource.TunnelID(connection, number); slices.Contains(w.up, id) {
			up = append(up, id)
		}
	}
	return up
}
