package ec2

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// deviceSample is what a device gets for a connection, or the code of the refusal.
func (c *cloud) deviceSample(connection string, device node, parameters ...string) (sample, refusal string) {
	c.Helper()
	status, answer := c.send("GetVpnConnectionDeviceSampleConfiguration",
		append([]string{"VpnConnectionId", connection, "VpnConnectionDeviceTypeId", device.text("vpnConnectionDeviceTypeId")}, parameters...)...)
	if status != http.StatusOK {
		return "", answer.text("Errors/Error/Code")
	}
	return answer.text("vpnConnectionDeviceSampleConfiguration"), ""
}

// tellsRoutesOnly reports whether a device type is software that speaks BGP beside what
// keeps the tunnels, and so has nothing to say of a static connection.
func tellsRoutesOnly(device node) bool {
	return slices.Contains([]string{"BIRD", "FRRouting"}, device.text("vendor"))
}

// deviceTypes are those with samples for static connections.
func (c *cloud) deviceTypes() []node {
	c.Helper()
	return slices.DeleteFunc(c.call("GetVpnConnectionDeviceTypes", "MaxResults", "200").all("vpnConnectionDeviceTypeSet/item"), tellsRoutesOnly)
}

// Every device has a sample with the connection's values, in both kinds.
func TestDeviceSamples(t *testing.T) {
	t.Parallel()
	c := newCloud(t, wideOutside)
	vpc, gateway := c.vpc("10.9.0.0/16"), c.vpnGateway()
	c.call("AttachVpnGateway", "VpnGatewayId", gateway, "VpcId", vpc)
	id := c.connection(c.customerGateway("198.51.100.7"), gateway)
	c.call("CreateVpnConnectionRoute", "VpnConnectionId", id, "DestinationCidrBlock", "192.168.0.0/16")
	v := c.describeConnection(id)
	types := c.deviceTypes()
	if len(types) < 4 {
		t.Fatalf("%d device types", len(types))
	}
	for _, device := range types {
		for _, kind := range []string{"recommended", "compatibility"} {
			sample := c.call("GetVpnConnectionDeviceSampleConfiguration", "VpnConnectionId", id, "VpnConnectionDeviceTypeId", device.text("vpnConnectionDeviceTypeId"),
				"InternetKeyExchangeVersion", "ikev2", "SampleType", kind).text("vpnConnectionDeviceSampleConfiguration")
			wanted := append(v.texts("options/tunnelOptionSet/item/outsideIpAddress"), v.texts("options/tunnelOptionSet/item/preSharedKey")...)
			for _, want := range append(wanted, "10.9.0.0", "198.51.100.7") {
				if !strings.Contains(sample, want) {
					t.Errorf("the %s sample of %s lacks %q", kind, device.text("platform"), want)
				}
			}
			if weak := strings.Contains(sample, "WEAK"); weak != (kind == "compatibility" && device.text("vendor") != "OPNsense") {
				t.Errorf("the %s sample of %s is marked weak: %v", kind, device.text("platform"), weak)
			}
		}
	}
}

// Every device but those without BGP has a sample for a dynamic connection, with both
// ASNs and its neighbours.
func TestDeviceSamplesOfDynamicRouting(t *testing.T) {
	t.Parallel()
	c := newCloud(t, wideOutside)
	id := c.dynamicConnection(c.customerWithASN("198.51.100.7", 4200000007), c.gatewayWithASN(64999))
	document := parseDocument(t, c.describeConnection(id).text("customerGatewayConfiguration"))
	neighbours, own := document.texts("ipsec_tunnel/vpn_gateway/tunnel_inside_address/ip_address"), document.texts("ipsec_tunnel/customer_gateway/tunnel_inside_address/ip_address")
	asns := []string{"4200000007", "64999"}
	refused := 0
	for _, device := range c.call("GetVpnConnectionDeviceTypes").all("vpnConnectionDeviceTypeSet/item") {
		sample, refusal := c.deviceSample(id, device)
		wanted := slices.Concat(own, asns)
		switch vendor := device.text("vendor"); {
		case tellsRoutesOnly(device):
			wanted = slices.Concat(neighbours, asns)
		case refusal == "UnsupportedOperation":
			refused++
			continue
		case strings.EqualFold(vendor, "strongSwan"), vendor == "Libreswan": // beside which something else speaks BGP
			wanted = own
		}
		for _, want := range wanted {
			if !strings.Contains(sample, want) {
				t.Errorf("the sample of %s %s lacks %q, %s", device.text("vendor"), device.text("platform"), want, refusal)
			}
		}
		if key := document.text("ipsec_tunnel/ike/pre_shared_key"); strings.Contains(sample, key) == tellsRoutesOnly(device) {
			t.Errorf("the sample of %s %s has the key: %v", device.text("vendor"), device.text("platform"), tellsRoutesOnly(device))
		}
	}
	if refused > 6 {
		t.Errorf("%d devices have no sample", refused)
	}
}

// TestDeviceSamplesFollowTheOptions: after each way to change a connection, the
// document and every device's sample have the new values and none of the old ones.
func TestDeviceSamplesFollowTheOptions(t *testing.T) {
	t.Parallel()
	c := newCloud(t, wideOutside)
	vpc, gateway := c.vpc("10.9.0.0/16"), c.vpnGateway()
	c.call("AttachVpnGateway", "VpnGatewayId", gateway, "VpcId", vpc)
	id := c.connection(c.customerGateway("198.51.100.7"), gateway, "Options.TunnelOptions.1.PreSharedKey", "the_first_key", "Options.TunnelOptions.2.PreSharedKey", "the_second_key")
	c.call("CreateVpnConnectionRoute", "VpnConnectionId", id, "DestinationCidrBlock", "192.168.0.0/16")
	outside := c.describeConnection(id).texts("options/tunnelOptionSet/item/outsideIpAddress")
	devices := c.deviceTypes()

	expect := func(t *testing.T, version string, present, absent []string) {
		t.Helper()
		texts := map[string]string{"the document": c.describeConnection(id).text("customerGatewayConfiguration")}
		for _, device := range devices {
			name := device.text("vendor") + " " + device.text("platform")
			sample, refusal := c.deviceSample(id, device, "InternetKeyExchangeVersion", version)
			if refusal != "" {
				t.Errorf("%s: %s", name, refusal)
			}
			texts["the sample for "+name] = sample
		}
		for name, text := range texts {
			for _, want := range present {
				if !strings.Contains(text, want) {
					t.Errorf("%s lacks %q", name, want)
				}
			}
			for _, old := range absent {
				if strings.Contains(text, old) {
					t.Errorf("%s still has %q", name, old)
				}
			}
		}
	}
	for _, version := range []string{"ikev1", "ikev2"} {
		expect(t, version, []string{outside[0], outside[1], "the_first_key", "the_second_key", "198.51.100.7"}, nil)
	}

	c.call("ModifyVpnTunnelOptions", "VpnConnectionId", id, "VpnTunnelOutsideIpAddress", outside[0], "TunnelOptions.PreSharedKey", "the_third_key")
	expect(t, "ikev2", []string{"the_third_key", "the_second_key"}, []string{"the_first_key"})

	c.call("ModifyVpnConnection", "VpnConnectionId", id, "CustomerGatewayId", c.customerGateway("198.51.100.8"))
	expect(t, "ikev1", []string{"198.51.100.8", "the_third_key"}, []string{"198.51.100.7"})

	t.Run("algorithms and lifetimes", func(t *testing.T) {
		for _, address := range outside {
			c.call("ModifyVpnTunnelOptions", "VpnConnectionId", id, "VpnTunnelOutsideIpAddress", address,
				"TunnelOptions.Phase1LifetimeSeconds", "7380", "TunnelOptions.Phase2LifetimeSeconds", "1260",
				"TunnelOptions.Phase1EncryptionAlgorithm.1.Value", "AES256", "TunnelOptions.Phase2EncryptionAlgorithm.1.Value", "AES256",
				"TunnelOptions.Phase1IntegrityAlgorithm.1.Value", "SHA2-256", "TunnelOptions.Phase2IntegrityAlgorithm.1.Value", "SHA2-256",
				"TunnelOptions.Phase1DHGroupNumber.1.Value", "14", "TunnelOptions.Phase2DHGroupNumber.1.Value", "14")
		}
		for _, device := range devices {
			sample, refusal := c.deviceSample(id, device, "SampleType", "compatibility")
			if refusal != "" || strings.Contains(sample, "WEAK") {
				t.Errorf("%s %s: the sample has what the options exclude, %s", device.text("vendor"), device.text("platform"), refusal)
			}
			if vendor := device.text("vendor"); !strings.Contains(sample, "1260") && !strings.Contains(sample, "945s") {
				t.Errorf("%s %s: the sample has another lifetime", vendor, device.text("platform"))
			}
		}
	})
	t.Run("selectors", func(t *testing.T) {
		c.call("ModifyVpnConnectionOptions", "VpnConnectionId", id, "LocalIpv4NetworkCidr", "192.168.32.0/19")
		for _, device := range devices {
			sample, refusal := c.deviceSample(id, device)
			if vendor := device.text("vendor"); refusal != "UnsupportedOperation" && !strings.Contains(sample, "192.168.32.0") {
				t.Errorf("%s %s: the sample has other selectors, %s", vendor, device.text("platform"), refusal)
			}
		}
	})
}
