package plan

import (
	"net/netip"
	"strings"
	"testing"

	"causeway.dev/internal/golden"
)

var everything = []ACLRule{
	{FilterRule: FilterRule{Protocol: -1, FromPort: -1, ToPort: -1, Peer: prefix("0.0.0.0/0")}},
	{FilterRule: FilterRule{Egress: true, Protocol: -1, FromPort: -1, ToPort: -1, Peer: prefix("0.0.0.0/0")}},
}

// bordered is the network of gateways with ACLs: one for the subnet of the instance,
// one for the NAT gateway's, and one that lets everything pass.
func bordered() Config {
	c := gateways()
	c.Networks[0].Interfaces = append(c.Networks[0].Interfaces, iface("i-2", "10.0.1.5"), iface("i-3", "10.0.3.4"))
	c.Networks[0].Borders = []Border{{prefix("10.0.1.0/24"), "acl-1"}, {prefix("10.0.2.0/24"), "acl-2"}, {prefix("10.0.3.0/24"), "acl-3"}, {prefix("10.0.4.0/24"), "acl-1"}}
	c.Networks[0].ACLs = []ACL{
		{ID: "acl-1", Rules: []ACLRule{
			{FilterRule{Protocol: 6, FromPort: 22, ToPort: 22, Peer: prefix("192.0.2.0/24")}, true},
			{FilterRule{Protocol: 6, FromPort: 0, ToPort: 65535, Peer: prefix("0.0.0.0/0")}, false},
			{FilterRule{Protocol: 1, FromPort: 8, ToPort: 0, Peer: prefix("10.0.0.0/8")}, false},
			{FilterRule{Protocol: 58, FromPort: -1, ToPort: -1, Peer: prefix("::/0")}, false},
			everything[1],
		}},
		{ID: "acl-2", Rules: []ACLRule{{FilterRule{Egress: true, Protocol: 17, FromPort: 1024, ToPort: 65535, Peer: prefix("198.51.100.7/32")}, false}}},
		{ID: "acl-3", Rules: everything},
	}
	return c
}

func TestGoldenBorders(t *testing.T) {
	state, err := Compile(bordered(), nil)
	if err != nil {
		t.Fatal(err)
	}
	golden.Text(t, "testdata/borders.txt", state.String())
}

// TestOpenBordersCostNothing proves that ACLs as subnets begin with them take no
// rules.
func TestOpenBordersCostNothing(t *testing.T) {
	c := bordered()
	for i := range c.Networks[0].ACLs {
		c.Networks[0].ACLs[i].Rules = everything
	}
	with, err := Compile(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.Networks[0].ACLs, c.Networks[0].Borders = nil, nil
	without, _ := Compile(c, nil)
	if with.String() != without.String() {
		t.Error("the states differ")
	}
}

func TestBordersThatMakeNoSense(t *testing.T) {
	for what, change := range map[string]func(n *Network){
		"an ACL that is not there":    func(n *Network) { n.Borders[0].ACL = "acl-9" },
		"an ACL twice":                func(n *Network) { n.ACLs[1].ID = "acl-1" },
		"an id that nft would read":   func(n *Network) { n.ACLs[1].ID, n.Borders[1].ACL = "acl {", "acl {" },
		"subnets that overlap":        func(n *Network) { n.Borders[3].Subnet = prefix("10.0.0.0/22") },
		"a subnet with bits behind":   func(n *Network) { n.Borders[0].Subnet = netip.PrefixFrom(netip.MustParseAddr("10.0.1.1"), 24) },
		"an IPv4 subnet of IPv6":      func(n *Network) { n.Borders[0].Subnet = prefix("::ffff:10.0.0.0/120") },
		"a rule that names a group":   func(n *Network) { n.ACLs[0].Rules[0].Peer, n.ACLs[0].Rules[0].PeerGroup = netip.Prefix{}, "sg-admin" },
		"ports in the wrong order":    func(n *Network) { n.ACLs[0].Rules[0].ToPort = 21 },
		"a protocol that is too high": func(n *Network) { n.ACLs[0].Rules[0].Protocol = 256 },
	} {
		c := bordered()
		change(&c.Networks[0])
		state, err := Compile(c, nil)
		if err == nil || !strings.Contains(err.Error(), "network vpc-1") {
			t.Errorf("%s: %v", what, err)
		}
		if len(state.Untouched) != 1 {
			t.Errorf("%s: %v are left alone", what, state.Untouched)
		}
	}
}
