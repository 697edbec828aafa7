package plan

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"causeway.dev/internal/golden"
)

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

func iface(instance, address string, groups ...string) Interface {
	a := netip.MustParseAddr(address)
	return Interface{
		ID: "eni-" + instance, MAC: fmt.Sprintf("02:00:00:00:00:%02x", a.As4()[3]), Address: a,
		Subnet: netip.PrefixFrom(a, 24).Masked(), Table: "rtb-1", Groups: groups, Instance: instance,
	}
}

func route(destination string, targets ...Target) TableRoute {
	return TableRoute{Destination: prefix(destination), Targets: targets}
}

// site is a VPC with two instances, joined to a gateway with two tunnels.
func site() Config {
	link := Target{Kind: ToLink, ID: "vgw-1:vpc-1"}
	web := Group{ID: "sg-web", Members: []netip.Addr{netip.MustParseAddr("10.0.1.4")}, Rules: []FilterRule{
		{Egress: true, Protocol: -1, FromPort: -1, ToPort: -1, Peer: prefix("0.0.0.0/0")},
		{Protocol: 6, FromPort: 80, ToPort: 80, Peer: prefix("0.0.0.0/0")},
		{Protocol: 6, FromPort: 22, ToPort: 23, PeerGroup: "sg-admin"},
		{Protocol: 6, FromPort: 0, ToPort: 65535, Peer: prefix("192.0.2.7/32")},
		{Protocol: 17, FromPort: -1, ToPort: -1, Peer: prefix("10.0.0.0/8")},
		{Protocol: 1, FromPort: 8, ToPort: -1, Peer: prefix("192.168.0.0/16")},
		{Protocol: 1, FromPort: 3, ToPort: 4, Peer: prefix("192.168.0.0/16")},
		{Protocol: 1, FromPort: -1, ToPort: -1, PeerGroup: "sg-admin"},
		{Protocol: 58, FromPort: -1, ToPort: -1, Peer: prefix("::/0")},
		{Protocol: 47, FromPort: -1, ToPort: -1, Peer: prefix("2001:db8::/32")},
		{Protocol: -1, FromPort: -1, ToPort: -1, PeerGroup: "sg-gone"},
	}}
	admin := Group{ID: "sg-admin", Members: []netip.Addr{netip.MustParseAddr("10.0.1.5")}}
	router := iface("i-2", "10.0.1.5", "sg-web", "sg-admin")
	router.AnySource, router.MTU = true, 9001
	unplugged := iface("", "10.0.2.9", "sg-web")
	return Config{
		Prefix: "cw1",
		Networks: []Network{
			{
				ID: "vpc-1", Local: []netip.Prefix{prefix("10.0.0.0/16")},
				Interfaces: []Interface{iface("i-1", "10.0.1.4", "sg-web"), router, iface("i-3", "10.0.3.4"), unplugged},
				Groups:     []Group{web, admin},
				Tables: []Table{{ID: "rtb-1", Routes: []TableRoute{
					route("192.168.0.0/16", link), route("198.51.100.0/24"),
					route("203.0.113.0/24", Target{Kind: ToInterface, ID: "eni-i-2"}), route("203.0.114.0/24", Target{Kind: ToInterface, ID: "eni-"}),
				}}, {ID: "rtb-2"}},
			},
			{ID: "vgw-1", Tables: []Table{{ID: "gateway", Routes: []TableRoute{
				route("10.0.0.0/16", link),
				route("192.168.0.0/16", Target{Kind: ToTunnel, ID: "vpn-1/1"}, Target{Kind: ToTunnel, ID: "vpn-1/2"}),
			}}}},
		},
		Links: []Link{{ID: "vgw-1:vpc-1", Ends: [2]LinkEnd{{Network: "vgw-1", Table: "gateway"}, {Network: "vpc-1"}}}},
		TUNs: []TUN{
			{ID: "vpn-1/1", Network: "vgw-1", Table: "gateway", Inside: prefix("169.254.10.1/30"), MTU: 1400, BGP: netip.MustParseAddr("169.254.10.2")},
			{ID: "vpn-1/2", Network: "vgw-1", Table: "gateway", Inside: prefix("169.254.11.1/30"), MTU: 1400},
		},
		Instances: []string{"i-1", "i-4"},
	}
}

// only6 is an interface without IPv4, with addresses of a subnet by its number.
func only6(instance string, subnet int, hosts ...byte) Interface {
	i := iface(instance, fmt.Sprintf("10.0.%d.%d", subnet, hosts[0]))
	i.Address, i.Subnet, i.Subnet6 = netip.Addr{}, netip.Prefix{}, prefix(fmt.Sprintf("2001:db8:0:%d::/64", subnet))
	for _, host := range hosts {
		a := i.Subnet6.Addr().As16()
		a[15] = host
		i.Others = append(i.Others, netip.AddrFrom16(a))
	}
	return i
}

// A subnet of IPv6 alone, with a network ACL, an instance that has an interface in it
// and one elsewhere, and a route of IPv4 that leads to an interface there.
func TestGoldenIPv6Only(t *testing.T) {
	first, second := only6("i-2", 2, 4, 5), iface("i-2", "10.0.1.6", "sg-web")
	second.ID, second.Index = "eni-i-2b", 1
	placed := only6("", 2, 9)
	placed.ID, placed.Place = "eni-placed", &Place{Kind: InNamespace, Name: "guest", Device: "eth0"}
	bridged := only6("", 2, 10)
	bridged.ID, bridged.Place = "eni-bridged", &Place{Kind: OnBridge, Name: "br0"}
	c := site()
	c.Networks, c.Links, c.TUNs = c.Networks[:1], nil, nil
	n := &c.Networks[0]
	n.Local = append(n.Local, prefix("2001:db8::/56"))
	n.Interfaces = []Interface{iface("i-1", "10.0.1.4", "sg-web"), first, second, only6("i-3", 2, 6), placed, bridged}
	n.Groups = n.Groups[:1]
	n.Tables = []Table{{ID: "rtb-1", Routes: []TableRoute{
		route("203.0.113.0/24", Target{Kind: ToInterface, ID: "eni-i-3"}), route("2001:db8:7::/48", Target{Kind: ToInterface, ID: "eni-i-3"}),
	}}}
	n.ACLs, n.Borders = []ACL{{ID: "acl-1", Rules: []ACLRule{{FilterRule{Protocol: 6, FromPort: 22, ToPort: 22, Peer: prefix("::/0")}, false}}}}, []Border{{prefix("2001:db8:0:2::/64"), "acl-1"}}
	state, err := Compile(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	golden.Text(t, "testdata/ipv6-only.txt", state.String())
}

func TestGolden(t *testing.T) {
	for name, up := range map[string]map[string]bool{
		"site":               nil,
		"site-second-tunnel": {"vpn-1/2": true},
		"site-both-tunnels":  {"vpn-1/1": true, "vpn-1/2": true},
	} {
		state, err := Compile(site(), up)
		if err != nil {
			t.Fatal(err)
		}
		golden.Text(t, "testdata/"+name+".txt", state.String())
	}
}

// gateways is a VPC with an internet gateway, a NAT gateway, and a table that leads
// what comes in through an interface.
func gateways() Config {
	c := site()
	igw, nat := Target{Kind: ToLink, ID: "igw-1:vpc-1"}, Target{Kind: ToLink, ID: "nat-1:vpc-1"}
	c.Networks[0].Interfaces, c.Networks[0].Groups = c.Networks[0].Interfaces[:1], c.Networks[0].Groups[1:]
	c.Networks[0].Interfaces[0].Groups = nil
	c.Networks[0].Tables = []Table{
		{ID: "rtb-1", Routes: []TableRoute{route("0.0.0.0/0", nat)}}, {ID: "rtb-public", Routes: []TableRoute{route("0.0.0.0/0", igw)}},
		{ID: "rtb-edge", Overrides: []TableRoute{route("10.0.3.0/24", Target{Kind: ToInterface, ID: "eni-i-1"})}},
	}
	address := netip.MustParseAddr("10.0.2.9")
	c.Underlay = &Underlay{Namespace: "inet", Interface: "lo", Elastic: []netip.Prefix{prefix("198.51.100.0/24")}}
	c.Networks = []Network{
		c.Networks[0],
		{
			ID: "igw-1", Outside: &Outside{Table: "inward", Addresses: []Elastic{
				{netip.MustParseAddr("198.51.100.8"), netip.MustParseAddr("10.0.1.4")}, {netip.MustParseAddr("198.51.100.7"), address},
			}},
			Tables: []Table{
				{ID: "inward", Routes: []TableRoute{route("10.0.0.0/16", igw)}},
				{ID: "outward", Routes: []TableRoute{route("0.0.0.0/0", Target{Kind: ToOutside, ID: "igw-1"})}},
			},
		},
		{
			ID: "nat-1", Translator: &Translator{Addresses: []netip.Addr{address, netip.MustParseAddr("10.0.2.10")}, Leaving: []netip.Addr{netip.MustParseAddr("10.0.2.11")}, Ports: PortRange{1024, 65535}},
			Tables: []Table{{ID: "gateway", Routes: []TableRoute{route("0.0.0.0/0", nat)}}},
		},
	}
	c.Links = []Link{
		{ID: "igw-1:vpc-1", Ends: [2]LinkEnd{{Network: "igw-1", Table: "outward"}, {Network: "vpc-1", Table: "rtb-edge"}}},
		{ID: "nat-1:vpc-1", Ends: [2]LinkEnd{{Network: "nat-1", Table: "gateway"}, {Network: "vpc-1", Table: "rtb-public", Addresses: []netip.Addr{address}}}},
	}
	c.TUNs = nil
	return c
}

func TestGoldenGateways(t *testing.T) {
	state, err := Compile(gateways(), nil)
	if err != nil {
		t.Fatal(err)
	}
	golden.Text(t, "testdata/gateways.txt", state.String())
	// They would be empty for a moment whenever rules change.
	if within := regexp.MustCompile(`.*map \{ .*`).FindAllString(state.String(), -1); within != nil {
		t.Errorf("maps within rules: %q", within)
	}
}

// What makes no sense keeps the network that it is said of from being touched.
func TestGatewaysThatMakeNoSense(t *testing.T) {
	for what, change := range map[string]func(c *Config){
		"an outside address twice": func(c *Config) {
			c.Networks[1].Outside.Addresses[1].Outside = c.Networks[1].Outside.Addresses[0].Outside
		},
		"an inside address twice":          func(c *Config) { c.Networks[1].Outside.Addresses[1].Inside = c.Networks[1].Outside.Addresses[0].Inside },
		"no underlay":                      func(c *Config) { c.Underlay = nil },
		"no table outside":                 func(c *Config) { c.Networks[1].Outside.Table = "gone" },
		"an address that stays and leaves": func(c *Config) { c.Networks[2].Translator.Leaving = c.Networks[2].Translator.Addresses[:1] },
		"no address":                       func(c *Config) { c.Networks[2].Translator.Addresses = nil },
		"no ports":                         func(c *Config) { c.Networks[2].Translator.Ports = PortRange{9, 8} },
		"an address that is another's":     func(c *Config) { c.Links[1].Ends[1].Addresses = []netip.Addr{netip.MustParseAddr("10.0.1.4")} },
		"an address out of all ranges":     func(c *Config) { c.Links[1].Ends[1].Addresses = []netip.Addr{netip.MustParseAddr("10.9.1.4")} },
		"interfaces beside an outside":     func(c *Config) { c.Networks[1].Interfaces = []Interface{iface("i-9", "10.0.1.9")} },
		"an override to a mapped prefix":   func(c *Config) { c.Networks[0].Tables[2].Overrides[0].Destination = prefix("::ffff:10.0.0.0/104") },
	} {
		c := gateways()
		change(&c)
		if _, err := Compile(c, nil); err == nil {
			t.Errorf("%s is taken", what)
		}
	}
}

// TestUpTunnelChangesRoutesOnly proves that the fast path need not load filters.
func TestUpTunnelChangesRoutesOnly(t *testing.T) {
	down, _ := Compile(site(), nil)
	up, _ := Compile(site(), map[string]bool{"vpn-1/1": true})
	var changed []string
	lines := strings.Split(down.String(), "\n")
	for line := range strings.SplitSeq(up.String(), "\n") {
		if len(lines) > 0 && lines[0] == line {
			lines = lines[1:]
			continue
		}
		changed = append(changed, strings.TrimSpace(line))
	}
	if len(changed) != 1 || !strings.HasPrefix(changed[0], "route ") || !strings.Contains(changed[0], "192.168.0.0/16") {
		t.Errorf("a tunnel that comes up changes %q, want one route", changed)
	}
}

// TestServicesTakeFewRules shows what services add to a network.
func TestServicesTakeFewRules(t *testing.T) {
	c := site()
	before := strings.Split(mustCompile(t, c).String(), "\n")
	c.Networks[0].Services = []netip.Addr{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("169.254.169.253")}
	var added []string
	for line := range strings.SplitSeq(mustCompile(t, c).String(), "\n") {
		if len(before) > 0 && before[0] == line {
			before = before[1:]
			continue
		}
		added = append(added, line)
	}
	golden.Text(t, "testdata/services.txt", strings.Join(added, "\n"))
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(*Config)
		want  string
	}{
		{"prefix", func(c *Config) { c.Prefix = "a/b" }, "prefix"},
		{"network id", func(c *Config) { c.Networks[0].ID = "../x" }, "network id"},
		{"network twice", func(c *Config) { c.Networks[1].ID = "vpc-1" }, "not unique"},
		{"group id", func(c *Config) { c.Networks[0].Groups[0].ID = "sg { drop }" }, "group id"},
		{"group of an interface", func(c *Config) { c.Networks[0].Interfaces[0].Groups = []string{"sg-9"} }, "no group"},
		{"peer group", func(c *Config) { c.Networks[0].Groups[0].Rules[2].PeerGroup = "a;b" }, "malformed"},
		{"peer twice", func(c *Config) { c.Networks[0].Groups[0].Rules[0].PeerGroup = "sg-web" }, "peer"},
		{"no peer", func(c *Config) { c.Networks[0].Groups[0].Rules[0].Peer = netip.Prefix{} }, "peer"},
		{"protocol", func(c *Config) { c.Networks[0].Groups[0].Rules[0].Protocol = 256 }, "protocol"},
		{"port", func(c *Config) { c.Networks[0].Groups[0].Rules[1].ToPort = 65536 }, "65536"},
		{"ports", func(c *Config) { c.Networks[0].Groups[0].Rules[1].FromPort = 81 }, "range"},
		{"ICMP type", func(c *Config) { c.Networks[0].Groups[0].Rules[5].FromPort = 256 }, "256"},
		{"MAC", func(c *Config) { c.Networks[0].Interfaces[0].MAC = "03:00:00:00:00:00" }, "MAC"},
		{"address outside its subnet", func(c *Config) { c.Networks[0].Interfaces[0].Address = netip.MustParseAddr("10.0.9.1") }, "subnet"},
		{"address of the gateway", func(c *Config) { c.Networks[0].Interfaces[0].Address = netip.MustParseAddr("10.0.1.1") }, "reserved"},
		{"address outside the network", func(c *Config) { c.Networks[0].Local = []netip.Prefix{prefix("10.7.0.0/16")} }, "ranges"},
		{"address twice", func(c *Config) { c.Networks[0].Interfaces[1].Address = netip.MustParseAddr("10.0.1.4") }, "not unique"},
		{"IPv6 address", func(c *Config) { c.Networks[0].Interfaces[0].Address = netip.MustParseAddr("2001:db8::1") }, "subnet"},
		{"mapped route", func(c *Config) { c.Networks[0].Tables[0].Routes[0].Destination = prefix("::ffff:10.0.0.0/104") }, "no prefix"},
		{"further address outside its subnet", func(c *Config) { c.Networks[0].Interfaces[0].Others = []netip.Addr{netip.MustParseAddr("10.0.9.1")} }, "subnet"},
		{"further address twice", func(c *Config) { c.Networks[0].Interfaces[0].Others = []netip.Addr{netip.MustParseAddr("10.0.1.5")} }, "not unique"},
		{"further address of the gateway", func(c *Config) { c.Networks[0].Interfaces[0].Others = []netip.Addr{netip.MustParseAddr("10.0.1.1")} }, "reserved"},
		{"IPv6 address without a subnet", func(c *Config) { c.Networks[0].Interfaces[0].Others = []netip.Addr{netip.MustParseAddr("2001:db8::4")} }, "subnet"},
		{"IPv6 address out of all ranges", func(c *Config) {
			c.Networks[0].Interfaces[0].Subnet6 = prefix("2001:db8::/64")
			c.Networks[0].Interfaces[0].Others = []netip.Addr{netip.MustParseAddr("2001:db8::4")}
		}, "ranges"},
		{"IPv4 as IPv6 subnet", func(c *Config) { c.Networks[0].Interfaces[0].Subnet6 = prefix("10.0.1.0/24") }, "no IPv6 subnet"},
		{"MTU below IPv6's", func(c *Config) {
			c.Networks[0].Interfaces[0].Subnet6, c.Networks[0].Interfaces[0].MTU = prefix("2001:db8::/64"), 1279
		}, "no IPv6"},
		{"no address", func(c *Config) {
			c.Networks[0].Interfaces[0].Address, c.Networks[0].Interfaces[0].Subnet = netip.Addr{}, netip.Prefix{}
		}, "not in subnet"},
		{"no address in a subnet", func(c *Config) {
			i := only6("i-1", 1, 4)
			i.Subnet = prefix("10.0.1.0/24")
			c.Networks[0].Local, c.Networks[0].Interfaces[0] = append(c.Networks[0].Local, prefix("2001:db8::/56")), i
		}, "not in subnet"},
		{"table of an interface", func(c *Config) { c.Networks[0].Interfaces[0].Table = "rtb-9" }, "no table"},
		{"table twice", func(c *Config) { c.Networks[0].Tables[1].ID = "rtb-1" }, "not unique"},
		{"index", func(c *Config) { c.Networks[0].Interfaces[0].Index = 99 }, "index"},
		{"index twice", func(c *Config) { c.Networks[0].Interfaces[1].Instance = "i-1" }, "taken"},
		{"MTU", func(c *Config) { c.Networks[0].Interfaces[0].MTU = 100 }, "MTU"},
		{"network of a link", func(c *Config) { c.Links[0].Ends[0].Network = "vgw-9" }, "no network"},
		{"table of a link", func(c *Config) { c.Links[0].Ends[0].Table = "x" }, "no table"},
		{"link to itself", func(c *Config) { c.Links[0].Ends[0] = c.Links[0].Ends[1] }, "both ends"},
		{"network of a tunnel", func(c *Config) { c.TUNs[0].Network = "vgw-9" }, "no network"},
		{"BGP of another tunnel", func(c *Config) { c.TUNs[0].BGP = netip.MustParseAddr("169.254.11.2") }, "inside range"},
		{"BGP with ourselves", func(c *Config) { c.TUNs[0].BGP = c.TUNs[0].Inside.Addr() }, "inside range"},
		{"BGP without an inside range", func(c *Config) { c.TUNs[0].Inside = netip.Prefix{} }, "inside range"},
		{"tunnel twice", func(c *Config) { c.TUNs[1].ID = "vpn-1/1" }, "not unique"},
		{"service of IPv6", func(c *Config) { c.Networks[0].Services = []netip.Addr{netip.MustParseAddr("fd00:ec2::253")} }, "does not speak IPv6"},
		{"service at an interface's address", func(c *Config) { c.Networks[0].Services = []netip.Addr{netip.MustParseAddr("10.0.1.4")} }, "eni-i-1"},
		{"service at a gateway's address", func(c *Config) { c.Networks[0].Services = []netip.Addr{netip.MustParseAddr("10.0.1.1")} }, "gateway"},
		{"service twice", func(c *Config) {
			c.Networks[0].Services = []netip.Addr{netip.MustParseAddr("10.0.1.2"), netip.MustParseAddr("10.0.1.2")}
		}, "not unique"},
		{"instance id", func(c *Config) { c.Instances[0] = "i 1" }, "instance id"},
	} {
		config := site()
		c.spoil(&config)
		if _, err := Compile(config, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want an error about %q", c.name, err, c.want)
		}
	}
}

// TestWrongNetworkStaysUntouched proves that what makes no sense is left as it
// is rather than removed.
func TestWrongNetworkStaysUntouched(t *testing.T) {
	c := site()
	c.Networks[0].Interfaces[0].MTU = 1
	c.Links = nil
	state, err := Compile(c, nil)
	if err == nil {
		t.Fatal("no error")
	}
	var names []string
	for _, ns := range state.Namespaces {
		names = append(names, ns.Name)
	}
	want := "[cw1-i-1 cw1-i-2 cw1-i-3 cw1-i-4 cw1-vgw-1] [cw1-vpc-1]"
	if got := fmt.Sprint(names, state.Untouched); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestAroundIsEnough proves that a network's routes can be planned without the
// rest of the world.
func TestAroundIsEnough(t *testing.T) {
	find := func(c Config) string {
		for _, ns := range mustCompile(t, c).Namespaces {
			if ns.Name == "cw1-vgw-1" {
				return State{Namespaces: []Namespace{ns}}.String()
			}
		}
		t.Fatal("the network is not in the plan")
		return ""
	}
	around := site().Around("vgw-1")
	if got, want := find(around), find(site()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for _, n := range around.Networks {
		if len(n.Interfaces) > 0 {
			t.Errorf("network %s has come with its interfaces", n.ID)
		}
	}
}

func TestTableNumbersAreStable(t *testing.T) {
	all := tableNumbers([]string{"vpc-1 rtb-1", "vpc-1 rtb-2", "vpc-1 rtb-3"})
	some := tableNumbers([]string{"vpc-1 rtb-3"})
	if all["vpc-1 rtb-3"] != some["vpc-1 rtb-3"] {
		t.Error("a table's number depends on the other tables")
	}
	twice := tableNumbers([]string{"a", "a "})
	for id, n := range all {
		if n < tableNumberMin || n > tableNumberMask {
			t.Errorf("table %s has number %d", id, n)
		}
	}
	if twice["a"] == twice["a "] {
		t.Error("two tables have one number")
	}
}

// FuzzIDs proves that no id brings text of its own into what nft parses.
func FuzzIDs(f *testing.F) {
	f.Add("sg-1", "vpc-1", "eni-1", "vgw-1:vpc-1")
	f.Add("sg }", "vpc\n", "eni\"", "x;y")
	f.Fuzz(func(t *testing.T, group, network, port, link string) {
		c := site()
		end := &c.Links[0].Ends[1]
		end.Addresses, end.Interface = []netip.Addr{netip.MustParseAddr("10.0.9.9")}, "eni-nat"
		lines := strings.Count(mustCompile(t, c).String(), "\n")
		c.Networks[0].Groups[1].ID = group // in four places, so that as much is written as before
		c.Networks[0].Interfaces[1].Groups = []string{"sg-web", group}
		c.Networks[0].Groups[0].Rules[2].PeerGroup = group
		c.Networks[0].Groups[0].Rules[7].PeerGroup = group
		c.Networks[0].ID, c.Links[0].Ends[1].Network = network, network
		c.Networks[0].Interfaces[2].ID, end.Interface = port, port
		c.Links[0].ID = link
		state, err := Compile(c, nil)
		if err != nil {
			return
		}
		if id, device := StandsFor(linkAlias(link, *end)); id != port || device != LinkName(link) {
			t.Errorf("the end of %q stands for %q, by its alias %q as %s", link, port, id, device)
		}
		text := state.String()
		if n := strings.Count(text, "\n"); n != lines {
			t.Errorf("%d lines, want %d:\n%s", n, lines, text)
		}
		for _, quote := range []string{"'", "`", "$", "#", "\\"} {
			if strings.Contains(text, quote) {
				t.Errorf("text contains %s", quote)
			}
		}
	})
}

func mustCompile(t *testing.T, c Config) State {
	t.Helper()
	state, err := Compile(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func BenchmarkCompile(b *testing.B) {
	for _, n := range []int{10, 500, 5000} {
		b.Run(fmt.Sprintf("%d-interfaces", n), func(b *testing.B) {
			c := site()
			for i := range n {
				p := iface(fmt.Sprintf("i-%d", i+10), "10.0.1.9", "sg-web")
				p.Address = netip.AddrFrom4([4]byte{10, 0, byte(16 + i/250), byte(i%250 + 4)})
				p.Subnet = netip.PrefixFrom(p.Address, 24).Masked()
				c.Networks[0].Interfaces = append(c.Networks[0].Interfaces, p)
			}
			for b.Loop() {
				if _, err := Compile(c, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
