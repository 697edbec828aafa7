package netfabric

import (
	"net"
	"net/netip"
	"testing"
	"time"
)

// guard adds an ACL to a network that guards some of its subnets.
func guard(n *Network, id string, rules []ACLRule, subnets ...string) {
	n.ACLs = append(n.ACLs, ACL{ID: id, Rules: rules})
	for _, p := range prefixes(subnets...) {
		n.Borders = append(n.Borders, Border{Subnet: p, ACL: id})
	}
}

func permit(egress bool, protocol, from, to int, peer string) ACLRule {
	return ACLRule{FilterRule: allow(egress, protocol, from, to, peer)}
}

func deny(egress bool, protocol, from, to int, peer string) ACLRule {
	return ACLRule{FilterRule: allow(egress, protocol, from, to, peer), Deny: true}
}

// everything is what ACLs begin with.
var everything = []ACLRule{permit(false, -1, -1, -1, "0.0.0.0/0"), permit(true, -1, -1, -1, "0.0.0.0/0")}

// TestBorders has three instances, of which the first two share the subnet that
// is guarded, in groups that let everything pass.
func TestBorders(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	// An answer to a port below 32768 would pass a stateful filter.
	toWeb := permit(false, 6, 80, 80, "10.0.2.0/24")
	answers := permit(true, 6, 1024, 65535, "10.0.2.0/24")
	set := func(rules ...ACLRule) {
		t.Helper()
		n := vpc("vpc-1", []Group{group("sg-all", allOut, allow(false, -1, -1, -1, "0.0.0.0/0"))},
			port("i-1", "10.0.1.4", "sg-all"), port("i-2", "10.0.1.5", "sg-all"), port("i-3", "10.0.2.4", "sg-all"))
		guard(&n, "acl-1", rules, "10.0.1.0/24")
		guard(&n, "acl-2", everything, "10.0.2.0/24")
		l.apply(Config{Networks: []Network{n}})
	}
	set(everything...)
	l.listen("i-1", "10.0.1.4:80")
	l.listen("i-3", "10.0.2.4:80")
	l.mustPing("i-3", "10.0.1.4")

	set(toWeb, answers)
	running, err := l.dial("i-3", "10.0.1.4:80", wait)
	if err != nil {
		t.Fatalf("what rules allow in both directions: %v", err)
	}
	if err := echo(running, "hello"); err != nil {
		t.Fatal(err)
	}
	l.mustNotPing("i-3", "10.0.1.4")
	l.mustNotPing("i-1", "10.0.2.4")
	l.mustPing("i-1", "10.0.1.5") // inside the subnet
	if conn, err := l.dial("i-1", "10.0.2.4:80", silence); err == nil {
		t.Errorf("%v goes out, though no rule allows it", conn.RemoteAddr())
	}

	set(toWeb) // answers have no rule of their own
	if err := echoWithin(running, "nobody hears it", silence); err == nil {
		t.Error("the answers of a connection that stood before pass without a rule")
	}
	if _, err := l.dial("i-3", "10.0.1.4:80", silence); err == nil {
		t.Error("the answers of a new connection pass without a rule")
	}
	set(toWeb, answers)
	if err := echoWithin(running, "again", wait); err != nil {
		t.Errorf("the connection does not go on when its answers may pass again: %v", err)
	}

	set(deny(false, 1, 8, -1, "10.0.2.0/24"), everything[0], everything[1])
	l.mustNotPing("i-3", "10.0.1.4") // the first that matches
	l.mustPing("i-1", "10.0.2.4")
	set(everything[0], deny(false, 1, 8, -1, "10.0.2.0/24"), everything[1])
	l.mustPing("i-3", "10.0.1.4")
	set()
	l.mustNotPing("i-3", "10.0.1.4")
	l.mustNotPing("i-1", "10.0.2.4")
	l.mustPing("i-2", "10.0.1.4")
	drops, err := l.Drops("vpc-1")
	if err != nil || drops["dropped-acl-ingress"].Packets == 0 || drops["dropped-acl-egress"].Packets == 0 {
		t.Errorf("the drops are %v, %v", drops, err)
	}
}

// TestBorderToTunnel shows that what comes from a tunnel meets the subnet's ACL.
func TestBorderToTunnel(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	link := target(ToLink, "vgw-1:vpc-1")
	set := func(rules ...ACLRule) {
		t.Helper()
		n := vpc("vpc-1", []Group{group("sg-all", allOut)}, port("i-1", "10.0.1.4", "sg-all"))
		n.Tables[0].Routes = []TableRoute{to("192.168.0.0/16", link)}
		guard(&n, "acl-1", rules, "10.0.1.0/24")
		l.apply(Config{
			Networks: []Network{n, {ID: "vgw-1", Tables: []Table{{ID: "gateway", Routes: []TableRoute{
				to("10.0.0.0/16", link), to("192.168.0.0/16", target(ToTunnel, "vpn-1/1")),
			}}}}},
			Links: []Link{{ID: "vgw-1:vpc-1", Ends: [2]LinkEnd{{Network: "vgw-1", Table: "gateway"}, {Network: "vpc-1"}}}},
			TUNs:  []TUN{{ID: "vpn-1/1", Network: "vgw-1", Table: "gateway", Inside: netip.MustParsePrefix("169.254.10.1/30")}},
		})
	}
	set(everything...)
	seen := reflectPings(l.openTUN("vgw-1", "vpn-1/1"))
	if err := l.SetTunnelUp(t.Context(), "vpn-1/1", true); err != nil {
		t.Fatal(err)
	}
	l.mustPing("i-1", "192.168.1.1")
	set(everything[1], deny(false, 1, 0, -1, "192.168.0.0/16"), everything[0])
	before := seen.Load()
	l.mustNotPing("i-1", "192.168.1.1") // only the answer is denied
	if seen.Load() == before {
		t.Error("the question did not get out")
	}
	set(everything[0], deny(true, -1, -1, -1, "192.168.0.0/16"), everything[1])
	before = seen.Load()
	l.mustNotPing("i-1", "192.168.1.1")
	if seen.Load() != before {
		t.Error("the question got out")
	}
}

// echoWithin sends a line and waits for anything to come back.
func echoWithin(conn net.Conn, line string, limit time.Duration) error {
	conn.SetDeadline(time.Now().Add(limit))
	if _, err := conn.Write([]byte(line)); err != nil {
		return err
	}
	_, err := conn.Read(make([]byte, 100))
	return err
}

// TestBorderToGateways shows that what comes from the world meets the ACL of the
// instance's subnet at an internet gateway, and that of the NAT gateway's subnet as
// well as the instance's behind one.
func TestBorderToGateways(t *testing.T) {
	t.Parallel()
	g := newGatewayLab(t)
	const instances, nat, private = "10.0.1.0/24", "10.0.2.0/24", "10.0.3.0/24"
	ephemeral := permit(false, 6, 1024, 65535, "192.0.2.0/24")
	outward := permit(true, 6, 80, 80, "192.0.2.0/24")
	set := func(subnet string, rules ...ACLRule) {
		t.Helper()
		c := g.private(PortRange{First: 1024, Last: 65535}, elastic("198.51.100.6", "10.0.1.4"), elastic("198.51.100.7", "10.0.2.9"))
		guard(&c.Networks[0], "acl-1", rules, subnet)
		g.apply(c)
	}
	set(instances, everything...)
	g.greet(g.world, "0.0.0.0:80")
	for _, way := range []struct{ through, instance, subnet string }{
		{"an internet gateway", "i-1", instances}, {"a NAT gateway", "i-2", private},
	} {
		for _, c := range []struct {
			rules  []ACLRule
			passes bool
		}{{everything, true}, {[]ACLRule{ephemeral, outward}, true}, {[]ACLRule{outward}, false}, {[]ACLRule{ephemeral}, false}} {
			timeout := silence
			if c.passes {
				timeout = wait
			}
			set(way.subnet, c.rules...)
			if _, err := g.reaches(g.instance(way.instance), worldAddress+":80", timeout); (err == nil) != c.passes {
				t.Errorf("%s through %s by %v: %v", way.instance, way.through, c.rules, err)
			}
		}
	}
	// The NAT gateway's packets are to and from its own address, on both sides.
	inside := []ACLRule{permit(false, -1, -1, -1, private), permit(true, -1, -1, -1, private)}
	set(nat, inside...)
	if _, err := g.reaches(g.instance("i-2"), worldAddress+":80", silence); err == nil {
		t.Error("the NAT gateway reaches the world, though no rule of its subnet allows it")
	}
	// To its hosts it speaks for the world.
	set(nat, permit(false, 6, 80, 80, private), permit(true, 6, 80, 80, "192.0.2.0/24"), ephemeral, permit(true, 6, 1024, 65535, private))
	if _, err := g.reaches(g.instance("i-2"), worldAddress+":80", wait); err != nil {
		t.Errorf("by rules for both sides of the NAT gateway: %v", err)
	}
}
