package ec2

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway.dev/resource"
	"causeway.dev/store"
)

// dynamicConnection joins two gateways as AWS does where nobody asks for static routes.
func (c *cloud) dynamicConnection(customer, gateway string, parameters ...string) string {
	c.Helper()
	return c.call("CreateVpnConnection", dynamicParameters(customer, gateway, parameters...)...).text("vpnConnection/vpnConnectionId")
}

func dynamicParameters(customer, gateway string, parameters ...string) []string {
	return append([]string{"Type", "ipsec.1", "CustomerGatewayId", customer, "VpnGatewayId", gateway}, parameters...)
}

// learns writes what a node sees of a tunnel whose BGP session stands.
func (c *cloud) learns(connection string, number int, prefixes ...string) {
	c.Helper()
	c.update(func(tx *store.Tx, s store.Scope) {
		status := resource.TunnelStatus{
			Meta: resource.Meta{ID: resource.TunnelID(connection, number), Account: s.Account, Region: s.Region},
			Up:   true, Since: testTime.Add(time.Minute), Message: "The BGP session is established.",
		}
		for _, p := range prefixes {
			status.Routes = append(status.Routes, resource.LearnedRoute{Destination: netip.MustParsePrefix(p), Path: []uint32{65000}})
		}
		store.TunnelStatuses.Put(tx, status)
	})
}

func (c *cloud) customerWithASN(address string, asn uint32) string {
	c.Helper()
	member := "BgpAsn"
	if asn > 1<<31-1 {
		member = "BgpAsnExtended"
	}
	return c.call("CreateCustomerGateway", "Type", "ipsec.1", "IpAddress", address, member, fmt.Sprint(asn)).text("customerGateway/customerGatewayId")
}

func (c *cloud) gatewayWithASN(asn uint32) string {
	c.Helper()
	return c.call("CreateVpnGateway", "Type", "ipsec.1", "AmazonSideAsn", fmt.Sprint(asn)).text("vpnGateway/vpnGatewayId")
}

// Without StaticRoutesOnly, or with it false, a connection is dynamic, and its document
// tells the device both ASNs.
func TestDynamicVpnConnection(t *testing.T) {
	t.Parallel()
	c := newCloud(t, wideOutside)
	customer, gateway := c.customerWithASN("198.51.100.7", 4200000007), c.gatewayWithASN(64999)
	for _, options := range [][]string{nil, {"Options.StaticRoutesOnly", "false"}} {
		v := c.describeConnection(c.dynamicConnection(customer, gateway, options...))
		if got := v.text("options/staticRoutesOnly"); got != "false" {
			t.Errorf("with %q staticRoutesOnly is %q", options, got)
		}
		document := parseDocument(t, v.text("customerGatewayConfiguration"))
		if document.text("vpn_connection_attributes") != "" {
			t.Error("the document says that there is no BGP")
		}
		for path, want := range map[string][]string{
			"ipsec_tunnel/customer_gateway/bgp/asn":       {"4200000007", "4200000007"},
			"ipsec_tunnel/customer_gateway/bgp/hold_time": {"30", "30"},
			"ipsec_tunnel/vpn_gateway/bgp/asn":            {"64999", "64999"},
			"ipsec_tunnel/vpn_gateway/bgp/hold_time":      {"30", "30"},
		} {
			if got := document.texts(path); !slices.Equal(got, want) {
				t.Errorf("%s is %q, want %q", path, got, want)
			}
		}
	}
	static := c.connection(customer, gateway)
	for value, want := range map[string]int{"false": 2, "true": 1} {
		if got := c.call("DescribeVpnConnections", filter("1", "option.static-routes-only", value)...).all("vpnConnectionSet/item"); len(got) != want {
			t.Errorf("option.static-routes-only=%s finds %d, want %d", value, len(got), want)
		}
	}
	byASN := append(filter("1", "bgp-asn", "4200000007"), filter("2", "option.static-routes-only", "true")...)
	if got := c.call("DescribeVpnConnections", byASN...).texts("vpnConnectionSet/item/vpnConnectionId"); !slices.Equal(got, []string{static}) {
		t.Errorf("the static connection by its ASN: %q", got)
	}
}

// A connection has dynamic or static routing, and neither can do the other's.
func TestDynamicVpnConnectionHasNoStaticRoutes(t *testing.T) {
	t.Parallel()
	c := newCloud(t, wideOutside)
	id := c.dynamicConnection(c.customerGateway("198.51.100.7"), c.vpnGateway())
	for _, action := range []string{"CreateVpnConnectionRoute", "DeleteVpnConnectionRoute"} {
		message := c.refuse("InvalidVpnConnection.InvalidType", action, "VpnConnectionId", id, "DestinationCidrBlock", "192.168.0.0/16")
		if !strings.Contains(message, "BGP") || !strings.Contains(message, "StaticRoutesOnly") {
			t.Errorf("%s says only: %s", action, message)
		}
	}
}

// The telemetry counts what each tunnel has learned; the routes of the connection stay
// those that somebody has entered, none.
func TestDynamicVpnTelemetry(t *testing.T) {
	t.Parallel()
	c := newCloud(t, wideOutside)
	vpc, gateway := c.vpc("10.0.0.0/16"), c.vpnGateway()
	table := c.mainRouteTable(vpc)
	c.call("AttachVpnGateway", "VpnGatewayId", gateway, "VpcId", vpc)
	id := c.dynamicConnection(c.customerGateway("198.51.100.7"), gateway)
	c.learns(id, 1, "10.0.3.0/24", "172.16.0.0/12", "192.168.0.0/16")
	c.observeTunnel(id, 2, false, "IPsec is up, BGP is not: nobody answers at 169.254.10.6")
	v := c.describeConnection(id)
	for path, want := range map[string][]string{
		"status": {"UP", "DOWN"}, "acceptedRouteCount": {"3", "0"},
		"statusMessage": {"The BGP session is established.", "IPsec is up, BGP is not: nobody answers at 169.254.10.6"},
	} {
		if got := v.texts("vgwTelemetry/item/" + path); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
	if got := v.all("routes/item"); len(got) != 0 {
		t.Errorf("%d static routes", len(got))
	}
	routes := func() []string {
		return c.call("DescribeRouteTables", "RouteTableId.1", table).texts("routeTableSet/item/routeSet/item/destinationCidrBlock")
	}
	if got := routes(); !slices.Equal(got, []string{"10.0.0.0/16"}) {
		t.Errorf("without propagation: %q", got)
	}
	c.call("EnableVgwRoutePropagation", "RouteTableId", table, "GatewayId", gateway)
	if got := routes(); !slices.Equal(got, []string{"10.0.0.0/16", "172.16.0.0/12", "192.168.0.0/16"}) {
		t.Errorf("with propagation: %q", got)
	}
	c.observeTunnel(id, 1, false, "IPsec is down")
	if got := routes(); !slices.Equal(got, []string{"10.0.0.0/16"}) {
		t.Errorf("with both tunnels down: %q", got)
	}
	if got := c.describeConnection(id).texts("vgwTelemetry/item/acceptedRouteCount"); !slices.Equal(got, []string{"0", "0"}) {
		t.Errorf("with both tunnels down: %q", got)
	}
}

// The ASNs of both sides of a session differ, however the connection came to its gateways.
func TestDynamicVpnConnectionNeedsTwoASNs(t *testing.T) {
	t.Parallel()
	c := newCloud(t, wideOutside)
	ours, theirs, reserved := c.customerWithASN("198.51.100.7", 64600), c.customerWithASN("198.51.100.8", 64700), c.customerWithASN("198.51.100.9", resource.ASTrans)
	gateway, same := c.gatewayWithASN(64512), c.gatewayWithASN(64600)
	refused := func(action string, parameters ...string) {
		t.Helper()
		if message := c.refuse("InvalidParameterCombination", action, parameters...); !strings.Contains(message, "ASN") {
			t.Errorf("%s says only: %s", action, message)
		}
	}
	refused("CreateVpnConnection", dynamicParameters(ours, same)...)
	refused("CreateVpnConnection", dynamicParameters(reserved, gateway)...)
	id := c.dynamicConnection(ours, gateway)
	refused("ModifyVpnConnection", "VpnConnectionId", id, "VpnGatewayId", same)
	refused("ModifyVpnConnection", "VpnConnectionId", id, "CustomerGatewayId", reserved)
	c.call("ModifyVpnConnection", "VpnConnectionId", id, "VpnGatewayId", same, "CustomerGatewayId", theirs) // at once, since neither by itself
	refused("ModifyVpnConnection", "VpnConnectionId", id, "CustomerGatewayId", ours)
	document := parseDocument(t, c.describeConnection(id).text("customerGatewayConfiguration"))
	if got := document.text("ipsec_tunnel/customer_gateway/bgp/asn") + " " + document.text("ipsec_tunnel/vpn_gateway/bgp/asn"); got != "64700 64600" {
		t.Errorf("after moving to other gateways the document has the ASNs %s", got)
	}
	c.connection(ours, same) // static: they are nobody's concern
	c.connection(reserved, gateway)
}

// A dynamic connection's options are changed as a static one's.
func TestDynamicVpnConnectionIsModified(t *testing.T) {
	t.Parallel()
	c := newCloud(t, wideOutside)
	id := c.dynamicConnection(c.customerGateway("198.51.100.7"), c.vpnGateway())
	outside := c.describeConnection(id).texts("vgwTelemetry/item/outsideIpAddress")
	c.call("ModifyVpnConnectionOptions", "VpnConnectionId", id, "LocalIpv4NetworkCidr", "192.168.0.0/16")
	c.call("ModifyVpnTunnelOptions", "VpnConnectionId", id, "VpnTunnelOutsideIpAddress", outside[1], "TunnelOptions.TunnelInsideCidr", "169.254.99.0/30", "TunnelOptions.IKEVersion.1.Value", "ikev2")
	v := c.describeConnection(id)
	if got := v.text("options/localIpv4NetworkCidr") + " " + v.text("options/staticRoutesOnly"); got != "192.168.0.0/16 false" {
		t.Errorf("got %s", got)
	}
	document := parseDocument(t, v.text("customerGatewayConfiguration"))
	if got := document.texts("ipsec_tunnel/vpn_gateway/tunnel_inside_address/ip_address")[1]; got != "169.254.99.1" {
		t.Errorf("the device's neighbour in tunnel 2 is %s", got)
	}
	if got := document.texts("ipsec_tunnel/vpn_gateway/bgp/asn"); len(got) != 2 {
		t.Errorf("the document has the ASNs %q", got)
	}
	c.call("ReplaceVpnTunnel", "VpnConnectionId", id, "VpnTunnelOutsideIpAddress", outside[0])
	c.call("DeleteVpnConnection", "VpnConnectionId", id)
	if got := c.describeConnection(id).text("state"); got != "deleted" {
		t.Errorf("state %q", got)
	}
}
