package deviceconfig

import (
	"net/netip"
	"testing"

	"causeway.dev/resource"
)

// example is a static connection with addresses for documentation.
func example() (resource.VPNConnection, resource.VPNGateway, resource.CustomerGateway, []netip.Prefix) {
	meta := func(id string) resource.Meta {
		return resource.Meta{ID: id, Account: "123456789012", Region: "us-east-1"}
	}
	connection := resource.VPNConnection{
		Meta: meta("vpn-0a1b2c3d4e5f60718"), Type: resource.TypeIPsec1, CustomerGateway: "cgw-0f1e2d3c4b5a69788", VPNGateway: "vgw-00112233445566778",
		StaticRoutesOnly: true, LocalIPv4CIDR: resource.AnyIPv4, RemoteIPv4CIDR: resource.AnyIPv4,
		Routes: []resource.VPNStaticRoute{{Destination: netip.MustParsePrefix("192.168.0.0/16"), State: resource.StateAvailable}},
		Tunnels: [2]resource.VPNTunnel{
			{OutsideAddress: netip.MustParseAddr("203.0.113.10"), InsideCIDR: netip.MustParsePrefix("169.254.21.0/30"), PreSharedKey: "EXAMPLE_psk_tunnel_one.0001"},
			{OutsideAddress: netip.MustParseAddr("203.0.113.11"), InsideCIDR: netip.MustParsePrefix("169.254.22.0/30"), PreSharedKey: "EXAMPLE_psk_tunnel_two.0002"},
		},
	}
	gateway := resource.VPNGateway{Meta: meta("vgw-00112233445566778"), AmazonSideASN: 64512}
	customer := resource.CustomerGateway{Meta: meta("cgw-0f1e2d3c4b5a69788"), Address: netip.MustParseAddr("198.51.100.7"), ASN: 65000}
	return connection, gateway, customer, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")}
}

// withBGP makes the connection a dynamic one.
func withBGP(c *resource.VPNConnection) { c.StaticRoutesOnly, c.Routes = false, nil }

func newConfig(t *testing.T, change func(*resource.VPNConnection)) Config {
	t.Helper()
	connection, gateway, customer, routes := example()
	if change != nil {
		change(&connection)
	}
	c, err := New(connection, gateway, customer, nil, routes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
