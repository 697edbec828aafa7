package ec2

import (
	"net/http"
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

// Every device has a sample with the connection's values, in both kinds.
func TestDeviceSamples(t *testing.T) {
	t.Parallel()
	c := newCloud(t, wideOutside)
	vpc, gateway := c.vpc("10.9.0.0/16"), c.vpnGateway()
	c.call("AttachVpnGateway", "VpnGatewayId", gateway, "VpcId", vpc)
	id := c.connection(c.customerGateway("198.51.100.7"), gateway)
	c.call("CreateVpnConnectionRoute", "VpnConnectionId", id, "DestinationCidrBlock", "192.168.0.0/16")
	v := c.describeConnection(id)
	types := c.call("GetVpnConnectionDeviceTypes", "MaxResults", "200").all("vpnConnectionDeviceTypeSet/item")
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
	devices := c.call("GetVpnConnectionDeviceTypes").all("vpnConnectionDeviceTypeSet/item")

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
