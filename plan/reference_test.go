package plan_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"causeway.dev/plan"
	"causeway.dev/resource"
)

var plannedWorlds = flag.Uint64("planned", 300, "let TestPlanAgainstReference compile that many random networks")

// TestPlanAgainstReference sends packets through random networks, twice: by the
// compiled state, as nodespec says what it means, and by the records, as AWS's
// documentation of route tables, security groups and VPN gateways reads. The two
// readings share no code.
func TestPlanAgainstReference(t *testing.T) {
	fates, told := map[string]int{}, 0
	var compiler plan.Compiler // of one network after the other, as if changes had made it
	for seed := range *plannedWorlds {
		w := randomWorld(rand.New(rand.NewPCG(seed, 1)))
		snapshot := w.put(t, shared)
		desired := plan.Compile(snapshot, "node-1")
		if changed, _ := compiler.Compile(snapshot); !reflect.DeepEqual(changed, desired) {
			t.Fatalf("seed %d: changed from the one before it is\n%s\nand compiled at once\n%s", seed, plan.Text(changed), plan.Text(desired))
		}
		checkReferences(t, desired)
		if told += checkSessions(t, w, desired); t.Failed() {
			t.Fatalf("seed %d:\n%s", seed, plan.Text(desired))
		}
		packets := rand.New(rand.NewPCG(seed, 2))
		for range 60 {
			p := w.randomPacket(packets)
			want := reference{w}.send(p)
			got := interpreter{desired, w.up}.send(p)
			if !slices.Contains(want, got) {
				t.Fatalf("seed %d: %v: the plan says %q, AWS %q\n%s", seed, p, got, want, plan.Text(desired))
			}
			fates[p.family()+kindOf(got)]++
			if tunnel, ok := strings.CutPrefix(got, "tunnelled to "); ok && len(w.learned[tunnel]) > 0 {
				fates["tunnelled, as BGP says"]++
			}
			if free := (reference{w.unblocked()}).send(p); !slices.Contains(free, got) {
				fates[p.family()+kindOf(got)+", by public access"]++
			}
		}
	}
	if told < 500 {
		t.Errorf("customer gateways were told %d routes only", told)
	}
	for _, kind := range []string{
		"tunnelled, as BGP says", "dropped: route, by public access", "dropped: no outside address, by public access", "IPv6 dropped: route, by public access",
		"goes", "tunnelled", "leaves", "dropped: egress", "dropped: route", "dropped: ingress", "dropped: no outside address", "dropped: unsolicited", "dropped: acl", "dropped: source/destination check",
		"IPv6 goes", "IPv6 leaves", "IPv6 dropped: egress", "IPv6 dropped: route", "IPv6 dropped: ingress", "IPv6 dropped: no outside address", "IPv6 dropped: acl", "IPv6 dropped: source/destination check",
	} {
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
	port        int32 // or type of ICMP or ICMPv6; the code is 0

	// subnet is where the packet is on its way, as who carries it calls that; ""
	// in a gateway and beyond.
	subnet string
}

// family begins the kinds of fates of IPv6.
func (p packet) family() string {
	if p.dst.Is6() {
		return "IPv6 "
	}
	return ""
}

func (p packet) String() string {
	return fmt.Sprintf("%s from %s%s, %s to %s, port %d", p.protocol, p.nic, p.tunnel, p.src, p.dst, p.port)
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
	if nic.SourceDestCheck && !has(nic, p.src) {
		return []string{"dropped: source/destination check"}
	}
	if !w.admits(nic, p, true, p.dst) {
		return []string{"dropped: egress"}
	}
	p.subnet = nic.Subnet
	return w.byTable(p, nic.VPC, w.tableOf(nic))
}

// fromOutside says what becomes of a packet to an outside address: "the internet
// gateway translates it to the private address", if the VPC has one attached. "IPv6
// addresses are globally unique": they need no other, and what comes by nobody's
// request comes by an internet gateway or not at all, since an egress-only one
// "prevents the internet from initiating an IPv6 connection with your instances".
func (w reference) fromOutside(p packet) []string {
	for _, v := range w.vpcs {
		if p.dst.Is6() && w.isLocal(v.ID, p.dst) {
			if subnet := w.subnetOf6(p, v.ID); subnet != "" && !w.mayPass(v.ID, subnet, directly) {
				return []string{"dropped: route", "dropped: no outside address"}
			}
			fates := w.enter(p, v.ID, "igw-"+v.ID[4:])
			if strings.HasPrefix(fates[0], "dropped") {
				fates = append(fates, "dropped: route", "dropped: no outside address") // whoever says first that it gets nowhere
			}
			return fates
		}
	}
	for _, a := range w.addresses {
		if a.PublicIP != p.dst || !w.standsFor(a) {
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
			if route.PrefixList == "" && w.isWithin(vpc, route.Destination) && route.Destination.Contains(p.dst) {
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
				for _, told := range w.toldBy(c) {
					consider(told.Destination, nil)
				}
			}
		}
	}
	for i := range table.Routes { // "routes that reference a prefix list take priority over propagated ones"
		for _, entry := range w.list(table.Routes[i].PrefixList).Entries {
			if !w.isWithin(vpc, entry.CIDR) { // the local route is preferred
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
		way := directly
		if slices.ContainsFunc(w.nats, func(nat resource.NATGateway) bool {
			return nat.PrivateAddress == p.src && nat.VPC == vpc && nat.Deleted == nil
		}) {
			way = translated
		}
		if !w.mayPass(vpc, p.subnet, way) {
			return w.cross(p, "", []string{"dropped: route"})
		}
		return w.cross(p, "", w.leave(p, vpc, manual.Gateway))
	case manual.EgressOnlyInternetGateway != "":
		if !slices.ContainsFunc(w.egressOnly, func(g resource.EgressOnlyInternetGateway) bool { return g.ID == manual.EgressOnlyInternetGateway }) {
			return []string{"dropped: route"}
		}
		if !w.mayPass(vpc, p.subnet, egressOnlyWay) {
			return w.cross(p, "", []string{"dropped: route"})
		}
		return w.cross(p, "", w.leaveAsIs(p, vpc))
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
// address stands for the sender of leaves, and what has an IPv6 address of the VPC.
func (w reference) leave(p packet, vpc, gateway string) []string {
	for _, g := range w.internet {
		if g.ID != gateway || g.VPC != vpc {
			continue
		}
		if p.src.Is6() {
			return w.leaveAsIs(p, vpc)
		}
		for _, a := range w.addresses {
			if a.PrivateAddress == p.src && w.standsFor(a) && strings.HasSuffix(strings.TrimRight(a.NetworkInterface, "0123456789"), "-"+vpc[4:]) {
				return []string{"leaves as " + a.PublicIP.String()}
			}
		}
		return []string{"dropped: no outside address", "dropped: route"}
	}
	return []string{"dropped: route"}
}

// leaveAsIs is what becomes of a packet of IPv6 at a gateway of its VPC to the outside.
func (w reference) leaveAsIs(p packet, vpc string) []string {
	if !w.isLocal(vpc, p.src) {
		return []string{"dropped: no outside address", "dropped: route"}
	}
	return []string{"leaves as " + p.src.String()}
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
	case !running, p.dst.Is4() && !middle.Address.IsValid():
		return []string{"dropped: route"}
	case !w.admits(middle, p, false, p.src):
		return w.cross(p, middle.Subnet, []string{"dropped: ingress"})
	case middle.SourceDestCheck && !has(middle, p.dst): // "the source or destination of any traffic it sends or receives"
		return w.cross(p, middle.Subnet, []string{"dropped: source/destination check"})
	}
	return w.cross(p, middle.Subnet, []string{"goes to " + middle.ID})
}

// atGateway says where a VPN gateway sends a packet: to its VPC, or into a tunnel
// of the most specific route.
func (w reference) atGateway(p packet, gateway string) (fates []string) {
	vpc := w.attached(gateway)
	if vpc != "" && w.isLocal(vpc, p.dst) {
		return w.enter(p, vpc, gateway)
	}
	for bits := 32; bits >= 0; bits-- {
		prefix, _ := p.dst.Prefix(bits)
		if p.dst.Is4() {
			for _, tunnel := range w.best(gateway, prefix) {
				fates = append(fates, "tunnelled to "+tunnel)
			}
		}
		if fates != nil {
			return fates
		}
	}
	return []string{"dropped: route"}
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
		if !running || nic.VPC != vpc || !has(nic, p.dst) {
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
	case p.protocol == "icmp" || p.protocol == "icmpv6":
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
		return running && nic.VPC == vpc && has(nic, peer) && slices.Contains(nic.Groups, rule.Group)
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
	nic := w.nic(id)
	return nic, slices.ContainsFunc(w.instances, func(i resource.Instance) bool { return i.ID == nic.Instance && i.Wanted == "running" })
}

// has reports whether an address of either family is an interface's own.
func has(nic resource.NetworkInterface, a netip.Addr) bool {
	return nic.Address == a || slices.Contains(nic.Secondary, a) || slices.Contains(nic.IPv6, a)
}

func (w reference) isLocal(vpc string, a netip.Addr) bool {
	return slices.ContainsFunc(w.ranges(vpc), func(p netip.Prefix) bool { return p.Contains(a) })
}

// isWithin reports whether a prefix is in a range of a VPC.
func (w reference) isWithin(vpc string, prefix netip.Prefix) bool {
	return slices.ContainsFunc(w.ranges(vpc), func(p netip.Prefix) bool { return p.Contains(prefix.Addr()) && p.Bits() <= prefix.Bits() })
}

func (w reference) ranges(vpc string) (list []netip.Prefix) {
	for _, v := range w.vpcs {
		for _, c := range slices.Concat(v.CIDRs, v.IPv6) {
			if v.ID == vpc {
				list = append(list, c.Prefix)
			}
		}
	}
	return list
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
