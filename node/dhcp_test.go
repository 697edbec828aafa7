package node

import (
	"net/netip"
	"reflect"
	"testing"
	"time"

	"causeway.dev/dhcp"
	"causeway.dev/dhcp/dhcp6"
	"causeway.dev/dhcp/listen"
	"causeway.dev/netfabric"
	"causeway.dev/nodespec"
)

// Hosts behind devices are answered: no instance, and nobody to whom causeway has given
// an interface with its addresses.
func TestDHCPPorts(t *testing.T) {
	at := func(id string, kind nodespec.PlaceKind) nodespec.Interface {
		return nodespec.Interface{
			ID: id, MAC: "02:00:00:00:01:32", Address: netip.MustParseAddr("10.0.1.50"), Subnet: netip.MustParsePrefix("10.0.1.0/24"),
			Place: &nodespec.Place{Kind: kind, Name: "x"},
		}
	}
	addresses := func(texts ...string) (all []netip.Addr) {
		for _, text := range texts {
			all = append(all, netip.MustParseAddr(text))
		}
		return all
	}
	instance := at("eni-1", nodespec.OnTAP)
	instance.Place, instance.Instance = nil, "i-1"
	six := at("eni-4", nodespec.OnInterface)
	six.Subnet6, six.Others = netip.MustParsePrefix("2001:db8:0:1::/64"), addresses("10.0.1.51", "2001:db8:0:1::50")
	only := six // without IPv4
	only.ID, only.Address, only.Subnet, only.Others = "eni-5", netip.Addr{}, netip.Prefix{}, six.Others[1:]
	told := &nodespec.HostOptions{Resolvers6: addresses("fd00:ec2::253"), IPv6Preferred: 140 * time.Second, Resolvers: addresses("10.0.0.2", "2001:db8::1", "10.9.9.1", "10.9.9.2", "10.9.9.3", "10.9.9.4"), Domain: "example.com", NetBIOSNodeType: 2}
	d := nodespec.Desired{Networks: []nodespec.Network{
		{ID: "vpc-1", Told: told, Services: addresses("10.0.0.2", "169.254.169.253"), Interfaces: []nodespec.Interface{instance, at("eni-2", nodespec.InNamespace), at("eni-3", nodespec.OnBridge), six, only}},
		{ID: "vpc-2", Interfaces: []nodespec.Interface{instance}},
	}}
	want := []listen.Port{{Interface: "eni-3", Namespace: netfabric.NamespaceName("cwx", "vpc-1"), Device: netfabric.PortName("eni-3"), Lease: dhcp.Lease{
		MAC: [6]byte{2, 0, 0, 0, 1, 0x32}, Address: netip.MustParsePrefix("10.0.1.50/24"), Router: netip.MustParseAddr("10.0.1.1"), Time: time.Hour,
		HostName: "ip-10-0-1-50", Domain: "example.com", MTU: 1500, Resolvers: addresses("10.0.0.2", "10.9.9.1", "10.9.9.2", "10.9.9.3"), NetBIOSNodeType: 2,
		TimeServers: []netip.Addr{}, NetBIOSServers: []netip.Addr{}, LinkLocal: addresses("169.254.169.253"),
	}}}
	with := want[0]
	with.Interface, with.Device = "eni-4", netfabric.PortName("eni-4")
	with.IPv6 = &dhcp6.Lease{
		MAC: with.MAC, Addresses: addresses("2001:db8:0:1::50"), Subnet: six.Subnet6, Preferred: 140 * time.Second, Valid: time.Hour + 140*time.Second,
		Resolvers: addresses("fd00:ec2::253"), Domains: []string{"example.com"}, MTU: 1500,
	}
	without := with
	without.Interface, without.Device, without.Lease = "eni-5", netfabric.PortName("eni-5"), dhcp.Lease{MAC: with.MAC, TimeServers: []netip.Addr{}, NetBIOSServers: []netip.Addr{}}
	want = append(want, with, without)
	got := dhcpPorts("cwx", d)
	for i := range got { // nil and empty are the same to whom it is told
		got[i].TimeServers, got[i].NetBIOSServers = append([]netip.Addr{}, got[i].TimeServers...), append([]netip.Addr{}, got[i].NetBIOSServers...)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}
