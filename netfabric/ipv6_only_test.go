package netfabric

import (
	"net/netip"
	"strings"
	"testing"
)

// only6 is a port6 without IPv4.
func only6(instance, place string, others []string, groups ...string) Interface {
	p := port6(instance, place, others, groups...)
	p.Address, p.Subnet = netip.Addr{}, netip.Prefix{}
	return p
}

// TestInstancesOfIPv6Only has two instances in a subnet without IPv4, the second behind a
// group that admits only the first's members, and one in a dual-stack subnet.
func TestInstancesOfIPv6Only(t *testing.T) {
	l := newLab(t)
	groups := func() []Group {
		open := group("sg-open", allOut, allow(false, -1, -1, -1, "0.0.0.0/0"), allOut6, allow(false, -1, -1, -1, "::/0"))
		return []Group{open, group("sg-shy", allOut6, allow(false, 58, 128, -1, "sg-friend"), allow(false, 6, 80, 80, "2001:db8:0:1::/64")), group("sg-friend")}
	}
	config := func() Config {
		n := vpc6("vpc-1", groups(),
			port6("i-dual", "10.0.1.4", []string{"2001:db8:0:1::4"}, "sg-open"),
			only6("i-only", "10.0.2.4", []string{"2001:db8:0:2::4", "2001:db8:0:2::14"}, "sg-open", "sg-friend"),
			only6("i-shy", "10.0.2.5", []string{"2001:db8:0:2::5"}, "sg-shy"))
		n.Tables[0].Routes = []TableRoute{to("203.0.113.0/24", target(ToInterface, "eni-i-only"))}
		return Config{Networks: []Network{n}}
	}
	l.apply(config())
	for _, address := range []string{"2001:db8:0:2::4", "2001:db8:0:2::14"} {
		l.mustPing6("i-dual", address)
	}
	l.mustPing6("i-only", "2001:db8:0:1::4")
	l.mustPing6("i-only", "2001:db8:0:2::5")
	l.mustNotPing6("i-dual", "2001:db8:0:2::5")
	l.listen("i-shy", "[2001:db8:0:2::5]:80")
	if _, err := l.dial("i-dual", "[2001:db8:0:2::5]:80", wait); err != nil {
		t.Errorf("what a rule of a range admits: %v", err)
	}
	if _, err := l.dial("i-only", "[2001:db8:0:2::5]:80", silence); err == nil {
		t.Error("a port that no rule admits its subnet to was reached")
	}
	if has := l.output("i-only", "ip", "-4", "address", "show", "dev", "eth0") + l.output("i-only", "ip", "-4", "route"); has != "" {
		t.Errorf("an instance of IPv6 alone has %q", has)
	}
	l.mustStand(config())

	// A source of IPv4 is nobody's there, and no route of it leads there.
	l.output("i-only", "ip", "address", "add", "10.0.1.77/24", "dev", "eth0")
	l.output("i-only", "ip", "neighbour", "add", "10.0.1.4", "lladdr", "02:00:00:00:00:01", "dev", "eth0")
	l.mustNotPing("i-only", "10.0.1.4")
	l.mustNotPing("i-dual", "203.0.113.9")
	l.output("i-only", "ip", "address", "add", "2001:db8:0:2::77/128", "dev", "eth0", "nodad")
	if err := l.ping6("i-only", "2001:db8:0:2::77", "2001:db8:0:1::4", silence); err != errLost {
		t.Errorf("ping under a forged address = %v", err)
	}
	drops, err := l.Drops("vpc-1")
	if err != nil || drops["dropped-source"].Packets == 0 {
		t.Errorf("Drops = %v, %v, want packets with forged sources", drops, err)
	}

	// An ACL is met at the subnet's border, and not within.
	guarded := config()
	guard(&guarded.Networks[0], "acl-1", []ACLRule{permit(false, 58, -1, -1, "2001:db8:0:1::4/128"), permit(true, -1, -1, -1, "::/0")}, "2001:db8:0:2::/64")
	l.apply(guarded)
	l.mustPing6("i-dual", "2001:db8:0:2::4")
	if _, err := l.dial("i-dual", "[2001:db8:0:2::5]:80", silence); err == nil {
		t.Error("what no rule of the network ACL allows has passed")
	}
	l.mustPing6("i-only", "2001:db8:0:2::5")
	l.mustStand(guarded)
}

// TestIPv6OnlyAtPlaces has an interface without IPv4 in a namespace of somebody else, and
// one of an instance that has IPv4 by another.
func TestIPv6OnlyAtPlaces(t *testing.T) {
	l := newLab(t)
	h := newHost(l)
	container := h.name + "c"
	h.create(container)
	placed := only6("x", "10.0.2.9", []string{"2001:db8:0:2::9"}, "sg-open")
	placed.ID, placed.Instance, placed.Place = "eni-placed", "", &Place{Kind: InNamespace, Name: container, Device: "eth0"}
	c := dual()
	c.Networks[0] = vpc6("vpc-1", c.Networks[0].Groups[:1], append(c.Networks[0].Interfaces[:1],
		placed, second(port6("i-both", "10.0.1.5", []string{"2001:db8:0:1::8"}, "sg-open"), 1), only6("i-both", "10.0.2.4", []string{"2001:db8:0:2::4"}, "sg-open"))...)
	c.Host = h.name
	l.apply(c)
	l.mustPing6("i-1", "2001:db8:0:2::9")
	h.eventuallyPings(container, "2001:db8:0:1::4")
	if routes := h.run(container, "ip -4 route"); strings.TrimSpace(routes) != "" {
		t.Errorf("the container has %q", routes)
	}
	l.mustPing6From("i-both", "2001:db8:0:2::4", "2001:db8:0:1::4")
	l.mustPing6From("i-both", "2001:db8:0:1::8", "2001:db8:0:1::4")
	l.mustPing("i-both", "10.0.1.4") // by its second interface
}
