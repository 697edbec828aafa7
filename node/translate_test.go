package node

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"causeway.dev/ike"
	"causeway.dev/netfabric"
	"causeway.dev/nodespec"
	"causeway.dev/resolver"
	"causeway.dev/resolver/listen"
)

func TestNetworksAreTranslated(t *testing.T) {
	d := site(1, "i-1")
	nic := &d.Networks[1].Interfaces[0]
	nic.AnySource, nic.Index = true, 2
	d.Networks[1].Groups[0].Members = []netip.Addr{nic.Address}
	d.Networks[1].Groups[0].Rules = append(d.Networks[1].Groups[0].Rules, nodespec.Rule{Protocol: 6, FromPort: 22, ToPort: 23, PeerGroup: "sg-1"})
	prefix := netip.MustParsePrefix
	outside, inside := netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("10.0.2.9")
	d.Networks = append(d.Networks,
		nodespec.Network{ID: "igw-1", Outside: &nodespec.Outside{Table: "inward", Addresses: []nodespec.Elastic{{Outside: outside, Inside: inside}}}},
		nodespec.Network{ID: "nat-1", Translator: &nodespec.Translator{Addresses: []netip.Addr{inside}, Leaving: []netip.Addr{outside}, Ports: nodespec.PortRange{First: 1, Last: 2}}})
	d.Networks[1].Borders = []nodespec.Border{{Subnet: prefix("10.0.1.0/24"), ACL: "acl-1"}}
	d.Networks[1].ACLs = []nodespec.ACL{{ID: "acl-1", Rules: []nodespec.ACLRule{
		{Rule: nodespec.Rule{Protocol: 17, FromPort: 53, ToPort: 54, Peer: prefix("192.0.2.0/24")}, Deny: true}, {Rule: nodespec.Rule{Egress: true, Protocol: -1, Peer: prefix("0.0.0.0/0")}},
	}}}
	service := []netip.Addr{netip.MustParseAddr("169.254.169.253")}
	d.Networks[1].Services = service
	d.Networks[1].Tables[0].Overrides = []nodespec.Route{{Destination: prefix("10.0.3.0/24")}}
	d.Links = append(d.Links, nodespec.Link{ID: "nat-1:vpc-1", Ends: [2]nodespec.LinkEnd{{Network: "nat-1"}, {Network: "vpc-1", Addresses: []netip.Addr{inside}}}})
	underlay := netfabric.Underlay{Namespace: "inet", Interface: "lo", Elastic: []netip.Prefix{prefix("198.51.100.0/24")}}
	want := netfabric.Config{
		Prefix: "cw1", Underlay: underlay.Plan(),
		Networks: []netfabric.Network{
			{ID: "vgw-1", Tables: []netfabric.Table{{ID: "gateway", Routes: []netfabric.TableRoute{
				{Destination: prefix("10.0.0.0/16"), Targets: []netfabric.Target{{Kind: netfabric.ToLink, ID: "vgw-1:vpc-1"}}},
				{Destination: prefix("192.168.0.0/16"), Targets: []netfabric.Target{{Kind: netfabric.ToTunnel, ID: "vpn-1/1"}}},
			}}}},
			{
				ID: "vpc-1", Local: []netip.Prefix{prefix("10.0.0.0/16")}, Services: service,
				Interfaces: []netfabric.Interface{{
					ID: "eni-i-1", MAC: "02:00:00:00:00:04", Address: netip.MustParseAddr("10.0.1.4"), Subnet: prefix("10.0.1.0/24"),
					Table: "rtb-1", Groups: []string{"sg-1"}, AnySource: true, Instance: "i-1", Index: 2,
				}},
				Tables: []netfabric.Table{{ID: "rtb-1", Routes: []netfabric.TableRoute{
					{Destination: prefix("192.168.0.0/16"), Targets: []netfabric.Target{{Kind: netfabric.ToLink, ID: "vgw-1:vpc-1"}}},
				}, Overrides: []netfabric.TableRoute{{Destination: prefix("10.0.3.0/24")}}}},
				Groups: []netfabric.Group{{ID: "sg-1", Members: []netip.Addr{netip.MustParseAddr("10.0.1.4")}, Rules: []netfabric.FilterRule{
					{Egress: true, Protocol: -1, FromPort: -1, ToPort: -1, Peer: prefix("0.0.0.0/0")},
					{Protocol: 6, FromPort: 22, ToPort: 23, PeerGroup: "sg-1"},
				}}},
				Borders: []netfabric.Border{{Subnet: prefix("10.0.1.0/24"), ACL: "acl-1"}},
				ACLs: []netfabric.ACL{{ID: "acl-1", Rules: []netfabric.ACLRule{
					{FilterRule: netfabric.FilterRule{Protocol: 17, FromPort: 53, ToPort: 54, Peer: prefix("192.0.2.0/24")}, Deny: true},
					{FilterRule: netfabric.FilterRule{Egress: true, Protocol: -1, Peer: prefix("0.0.0.0/0")}},
				}}},
			},
			{ID: "igw-1", Outside: &netfabric.Outside{Table: "inward", Addresses: []netfabric.Elastic{{Outside: outside, Inside: inside}}}},
			{ID: "nat-1", Translator: &netfabric.Translator{Addresses: []netip.Addr{inside}, Leaving: []netip.Addr{outside}, Ports: netfabric.PortRange{First: 1, Last: 2}}},
		},
		Links: []netfabric.Link{
			{ID: "vgw-1:vpc-1", Ends: [2]netfabric.LinkEnd{{Network: "vgw-1", Table: "gateway"}, {Network: "vpc-1"}}},
			{ID: "nat-1:vpc-1", Ends: [2]netfabric.LinkEnd{{Network: "nat-1"}, {Network: "vpc-1", Addresses: []netip.Addr{inside}}}},
		},
		TUNs: []netfabric.TUN{{ID: "vpn-1/1", Network: "vgw-1", Table: "gateway", Inside: prefix("169.254.10.1/30")}},
		Host: "inet", Instances: []string{"i-1"},
	}
	if got := FabricConfig("cw1", underlay, d); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got := outsideAddresses(d); len(got) != 1 || got[0] != aTunnel().Local {
		t.Errorf("outside addresses %v", got)
	}
}

func TestTunnelsAreTranslated(t *testing.T) {
	spec := aTunnel()
	spec.RekeyFuzz, spec.Start, spec.DPDAction = 0, true, "restart"
	got, err := ipsecTunnel(spec)
	if err != nil {
		t.Fatal(err)
	}
	p := got.Peer
	if got.Place != "vgw-1" || got.Inside != spec.Inside || p.ID != "vpn-1/1" || p.Local != spec.Local || p.Remote != spec.Remote ||
		p.LocalID.String() != "203.0.113.1" || string(p.PreSharedKey) != string(spec.PreSharedKey) || !p.Start ||
		p.DPDAction != ike.DPDRestart || p.DPDTimeout != spec.DPDTimeout || p.ReplayWindow != spec.ReplayWindow ||
		p.IKELifetime != spec.IKELifetime || p.ChildLifetime != spec.ChildLifetime || p.RekeyMargin != spec.RekeyMargin {
		t.Errorf("got %+v", got)
	}
	if p.RekeyFuzz != -1 {
		t.Errorf("no fuzz became %d: ike takes 0 for its default", p.RekeyFuzz)
	}
	for field, spoil := range map[string]func(*nodespec.Tunnel){
		"IKEAccepts": func(t *nodespec.Tunnel) { t.IKEAccepts = []string{"rot13"} },
		"IKEOffers":  func(t *nodespec.Tunnel) { t.IKEOffers = []string{"rot13"} },
		"ESPAccepts": func(t *nodespec.Tunnel) { t.ESPAccepts = []string{"rot13"} },
		"ESPOffers":  func(t *nodespec.Tunnel) { t.ESPOffers = []string{"rot13"} },
	} {
		spec := aTunnel()
		spoil(&spec)
		if _, err := ipsecTunnel(spec); err == nil || !strings.Contains(err.Error(), "vpn-1/1") || !strings.Contains(err.Error(), "rot13") {
			t.Errorf("%s: %v, want an error that names the tunnel and the proposal", field, err)
		}
	}
}

func TestResolversAreTranslated(t *testing.T) {
	d := site(1, "i-1")
	at, address, other := netip.MustParseAddr("169.254.169.253"), netip.MustParseAddr("10.0.1.4"), netip.MustParseAddr("10.0.1.7")
	d.Networks[1].Interfaces[0].Others = []netip.Addr{other}
	d.Networks[1].Resolver = &nodespec.Resolver{Addresses: []netip.Addr{at}, Names: []nodespec.HostName{{Name: "web", Address: address, Reverse: true}}}
	want := &listen.Network{ID: "vpc-1", Namespace: "cw1-vpc-1", Addresses: []netip.Addr{at}, Config: resolver.Config{
		Local: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")}, Interfaces: []resolver.Interface{{Addresses: []netip.Addr{address, other}}},
		Names: []resolver.Name{{Name: "web", Address: address, Reverse: true}},
	}}
	if got := resolverNetwork("cw1", d.Networks[1]); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// What has not changed is not translated again, and what has gone is forgotten.
func TestMemoKeepsWhatStays(t *testing.T) {
	var m memo[[]int, *int]
	count := 0
	get := func(id string, v ...int) *int {
		return m.get(id, v, func(v []int) *int { count++; return &v[0] })
	}
	m.turn()
	a, b := get("a", 1), get("b", 2)
	m.turn()
	if got := get("a", 1); got != a || count != 2 {
		t.Errorf("the same value was translated again: %d times in all", count)
	}
	if got := get("b", 3); got == b || *got != 3 {
		t.Errorf("another value gives %d", *got)
	}
	m.turn()
	get("a", 1)
	m.turn()
	if get("b", 3); count != 4 {
		t.Errorf("%d translations, want 4: b was not there in between", count)
	}
}

func TestPlacesAreTranslated(t *testing.T) {
	d := site(1, "i-1")
	nic := &d.Networks[1].Interfaces[0]
	nic.Instance, nic.Place = "", &nodespec.Place{Kind: nodespec.InNamespace, Name: "/proc/7/ns/net", Device: "eth0", Inode: 9}
	want := netfabric.Place{Kind: netfabric.InNamespace, Name: "/proc/7/ns/net", Device: "eth0", Inode: 9}
	if got := FabricConfig("cw1", netfabric.Underlay{}, d).Networks[1].Interfaces[0].Place; got == nil || *got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
