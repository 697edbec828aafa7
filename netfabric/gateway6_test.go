package netfabric

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"causeway.dev/netfabric/netns"
)

const worldAddress6 = "2001:db9::10"

// newGatewayLab6 is a gatewayLab whose world has IPv6, with an underlay that learns
// from routers' advertisements, as hosts do.
func newGatewayLab6(t *testing.T) *gatewayLab {
	t.Helper()
	g := newGatewayLab(t)
	g.at(g.underlay, "ip address add 2001:db9::1/64 dev wan nodad")
	g.at(g.world, "ip address add 2001:db9::10/64 dev eth0 nodad")
	g.at(g.world, "ip route add 2001:db8::/32 via 2001:db9::1")
	return g
}

// outside6 are an instance in a subnet that leads to an internet gateway, and one in
// a subnet that leads to an egress-only one, and two more such without IPv4, i-6 and i-7.
// Without the former gateway, all lead to the latter.
func (g *gatewayLab) outside6(internet bool) Config {
	c := dual()
	c.Underlay = Underlay{Namespace: g.underlay, Interface: "lo"}.Plan()
	vpc := &c.Networks[0]
	igw, egress := target(ToLink, "igw-1:vpc-1"), target(ToLink, "eigw-1:vpc-1")
	vpc.Interfaces = append(vpc.Interfaces, only6("i-6", "10.0.6.4", []string{"2001:db8:0:6::4"}, "sg-open"), only6("i-7", "10.0.7.4", []string{"2001:db8:0:7::4"}, "sg-open"))
	vpc.Interfaces[2].Table, vpc.Interfaces[4].Table = "rtb-private", "rtb-private"
	vpc.Tables = []Table{{ID: "rtb-main", Routes: []TableRoute{to("::/0", igw)}}, {ID: "rtb-private", Routes: []TableRoute{to("::/0", egress)}}}
	range6 := "2001:db8::/56"
	gateway := Network{ID: "igw-1", Outside: &Outside{Table: "inward", Ranges: prefixes(range6)}, Tables: []Table{
		{ID: "inward", Routes: []TableRoute{to(range6, igw)}},
		{ID: "outward", Routes: []TableRoute{to("::/0", target(ToOutside, "igw-1"))}},
		{ID: "answers", Routes: []TableRoute{to(range6, egress)}},
	}}
	c.Links = []Link{
		{ID: "eigw-1:vpc-1", Ends: [2]LinkEnd{{Network: "igw-1", Table: "outward", Answers: "answers"}, {Network: "vpc-1"}}},
		{ID: "igw-1:vpc-1", Ends: [2]LinkEnd{{Network: "igw-1", Table: "outward"}, {Network: "vpc-1"}}},
	}
	if !internet {
		gateway.Tables[0].Routes = []TableRoute{to(range6)}
		vpc.Tables[0].Routes = []TableRoute{to("::/0", egress)}
		c.Links = c.Links[:1]
	}
	c.Networks = append(c.Networks, gateway)
	return c
}

// reachesSoon is reaches for what is new, which the kernel may take a while for.
func (g *gatewayLab) reachesSoon(namespace, address string) (seenAs string, err error) {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		if seenAs, err = g.reaches(namespace, address, wait); err == nil {
			return seenAs, nil
		}
	}
	return seenAs, err
}

func TestIPv6PassesGateways(t *testing.T) {
	t.Parallel()
	g := newGatewayLab6(t)
	g.greet(g.world, "["+worldAddress6+"]:80")
	g.apply(g.outside6(true))
	g.greet(g.instance("i-1"), "[2001:db8:0:1::4]:80")
	g.greet(g.instance("i-3"), "[2001:db8:0:2::4]:80")
	g.greet(g.instance("i-6"), "[2001:db8:0:6::4]:80")
	g.greet(g.instance("i-7"), "[2001:db8:0:7::4]:80")
	for instance, address := range map[string]string{"i-1": "2001:db8:0:1::5", "i-3": "2001:db8:0:2::4", "i-6": "2001:db8:0:6::4", "i-7": "2001:db8:0:7::4"} {
		as, err := g.reachesSoon(g.instance(instance), "["+worldAddress6+"]:80")
		if err != nil || !strings.HasPrefix(as, "2001:db8:0:") {
			t.Errorf("%s reaches the world as %q, %v, want its own address, such as %s", instance, as, err, address)
		}
	}
	for _, address := range []string{"2001:db8:0:1::4", "2001:db8:0:6::4"} {
		if as, err := g.reachesSoon(g.world, "["+address+"]:80"); as != worldAddress6 {
			t.Errorf("the world reaches %s as %q, %v", address, as, err)
		}
	}
	for _, address := range []string{"2001:db8:0:2::4", "2001:db8:0:7::4"} {
		if _, err := g.reaches(g.world, "["+address+"]:80", silence); err == nil {
			t.Errorf("the world has reached %s behind an egress-only internet gateway", address)
		}
	}
	drops, err := g.Drops("igw-1")
	if err != nil || drops["dropped-unsolicited"].Packets == 0 {
		t.Errorf("Drops = %v, %v, want answers that nobody asked for by that gateway", drops, err)
	}
	g.mustStand(g.outside6(true))

	// Without the internet gateway nobody is reached, and all reach the world.
	g.apply(g.outside6(false))
	for _, instance := range []string{"i-1", "i-3"} {
		if _, err := g.reachesSoon(g.instance(instance), "["+worldAddress6+"]:80"); err != nil {
			t.Errorf("by an egress-only internet gateway %s does not reach the world: %v", instance, err)
		}
	}
	for _, address := range []string{"2001:db8:0:1::4", "2001:db8:0:2::4"} {
		if _, err := g.reaches(g.world, "["+address+"]:80", silence); err == nil {
			t.Errorf("the world has reached %s", address)
		}
	}
	g.mustStand(g.outside6(false))
}

// TestIPv6UnderlayIsGivenBack looks at what the underlay forwards for others while
// there are gateways, and at what is left of them.
func TestIPv6UnderlayIsGivenBack(t *testing.T) {
	t.Parallel()
	g := newGatewayLab6(t)
	other := g.prefix + "o"
	if err := netns.Create(other); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { netns.Delete(other) })
	g.at(g.underlay, "ip link add lan type veth peer name eth0 netns "+other)
	g.at(g.underlay, "ip address add 2001:dba::1/64 dev lan nodad")
	g.at(g.underlay, "ip link set lan up")
	for _, command := range []string{"ip address add 2001:dba::10/64 dev eth0 nodad", "ip link set eth0 up", "ip route add default via 2001:dba::1"} {
		g.at(other, command)
	}
	g.at(g.world, "ip route add 2001:dba::/64 via 2001:db9::1")
	g.greet(g.world, "["+worldAddress6+"]:80")
	settings := func() string {
		return g.at(g.underlay, "sysctl -n net.ipv6.conf.all.forwarding net.ipv6.conf.wan.accept_ra net.ipv6.conf.wan.forwarding")
	}
	before := settings()
	g.apply(g.outside6(true))
	if _, err := g.reachesSoon(g.instance("i-1"), "["+worldAddress6+"]:80"); err != nil {
		t.Fatalf("an instance does not reach the world: %v", err)
	}
	if during := strings.Fields(settings()); during[0] != "1" || during[1] != "2" {
		t.Errorf("the underlay has %v: it does not forward, or has stopped to learn from advertisements", during)
	}
	if _, err := g.reaches(other, "["+worldAddress6+"]:80", silence); err == nil {
		t.Error("the underlay forwards for somebody else")
	}
	g.apply(Config{Underlay: g.outside6(true).Underlay})
	if after := settings(); after != before {
		t.Errorf("the underlay had %q and is left with %q", before, after)
	}
	if routes := g.at(g.underlay, "ip -6 route"); strings.Contains(routes, "2001:db8:") {
		t.Errorf("routes are left: %s", routes)
	}
}

// TestForgedIPv6DoesNotLeave lets a router send under an address that is none of its
// VPC's.
func TestForgedIPv6DoesNotLeave(t *testing.T) {
	t.Parallel()
	g := newGatewayLab6(t)
	c := g.outside6(true)
	c.Networks[0].Interfaces[0].AnySource = true
	g.apply(c)
	g.mustPing6("i-1", worldAddress6)
	g.output("i-1", "ip", "address", "add", "2001:db8:1::7/128", "dev", "eth0", "nodad")
	if err := g.ping6("i-1", "2001:db8:1::7", worldAddress6, silence); err != errLost {
		t.Errorf("ping under a foreign address = %v", err)
	}
	drops, err := g.Drops("igw-1")
	if err != nil || drops["dropped-unassociated"].Packets == 0 {
		t.Errorf("Drops = %v, %v", drops, err)
	}
	c.Networks[1].Outside.Ranges = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	c.Prefix = g.prefix
	if err := g.Apply(t.Context(), c); err == nil {
		t.Error("an IPv4 range of the outside is taken")
	}
}
