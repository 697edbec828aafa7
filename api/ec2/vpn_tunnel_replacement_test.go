package ec2

import (
	"testing"
	"time"

	"causeway.dev/resource"
	"causeway.dev/store"
)

func TestGetActiveVpnTunnelStatus(t *testing.T) {
	t.Parallel()
	c := newCloud(t, wideOutside)
	id := c.connection(c.customerGateway("198.51.100.7"), c.vpnGateway())
	outside := c.describeConnection(id).texts("options/tunnelOptionSet/item/outsideIpAddress")
	status := func(tunnel int) node {
		return c.call("GetActiveVpnTunnelStatus", "VpnConnectionId", id, "VpnTunnelOutsideIpAddress", outside[tunnel-1]).all("activeVpnTunnelStatus")[0]
	}
	expect := func(got node, want map[string]string) {
		t.Helper()
		for _, child := range got.Nodes {
			if _, ok := want[child.XMLName.Local]; !ok {
				t.Errorf("%s is %q", child.XMLName.Local, child.Text)
			}
		}
		for path, text := range want {
			if got.text(path) != text {
				t.Errorf("%s: got %q, want %q", path, got.text(path), text)
			}
		}
	}
	expect(status(1), map[string]string{"provisioningStatus": "pending", "provisioningStatusReason": "The tunnel is being set up"})
	c.observeTunnel(id, 1, false, "The key is wrong.")
	expect(status(1), map[string]string{"provisioningStatus": "available", "provisioningStatusReason": "The key is wrong."})
	c.update(func(tx *store.Tx, s store.Scope) {
		store.TunnelStatuses.Put(tx, resource.TunnelStatus{
			Meta: resource.Meta{ID: resource.TunnelID(id, 2), Account: s.Account, Region: s.Region}, Up: true,
			Negotiated: resource.Negotiated{
				IKEVersion: "ikev2",
				Phase1:     resource.Algorithms{Encryption: "AES256-GCM-16", Integrity: "SHA2-384", DHGroup: 20},
				Phase2:     resource.Algorithms{Encryption: "AES128-GCM-16"},
			},
		})
	})
	expect(status(2), map[string]string{
		"provisioningStatus": "available", "ikeVersion": "ikev2",
		"phase1EncryptionAlgorithm": "AES256-GCM-16", "phase1IntegrityAlgorithm": "SHA2-384", "phase1DHGroup": "20",
		"phase2EncryptionAlgorithm": "AES128-GCM-16",
	})
}

func TestReplaceVpnTunnel(t *testing.T) {
	t.Parallel()
	c := newCloud(t, wideOutside)
	id := c.connection(c.customerGateway("198.51.100.7"), c.vpnGateway())
	outside := c.describeConnection(id).texts("options/tunnelOptionSet/item/outsideIpAddress")
	which := []string{"VpnConnectionId", id, "VpnTunnelOutsideIpAddress", outside[1]}
	status := func() node { return c.call("GetVpnTunnelReplacementStatus", which...) }
	if got := status(); got.text("maintenanceDetails/lastMaintenanceApplied") != "" || got.text("vpnTunnelOutsideIpAddress") != outside[1] || got.text("vpnConnectionId") != id {
		t.Errorf("before: %+v", got)
	}
	c.refuse("DryRunOperation", "ReplaceVpnTunnel", append(which, "DryRun", "true")...)
	for range 2 {
		if got := c.call("ReplaceVpnTunnel", append(which, "ApplyPendingMaintenance", "true")...).text("return"); got != "true" {
			t.Errorf("return is %q", got)
		}
	}
	if got, want := status().text("maintenanceDetails/lastMaintenanceApplied"), testTime.Format(time.RFC3339); got == "" || got[:19] != want[:19] {
		t.Errorf("replaced at %q, want %q", got, want)
	}
	v, _ := store.VPNConnections.Get(testStore.Snapshot(), store.Scope{Account: c.account, Region: testRegion}, id)
	if v.Tunnels[0].Replacements != 0 || v.Tunnels[1].Replacements != 2 {
		t.Errorf("the tunnels were replaced %d and %d times", v.Tunnels[0].Replacements, v.Tunnels[1].Replacements)
	}
}

func TestModifyVpnConnection(t *testing.T) {
	t.Parallel()
	c := newCloud(t, wideOutside)
	first, second := c.vpnGateway(), c.vpnGateway()
	id := c.connection(c.customerGateway("198.51.100.7"), first, "Options.TunnelOptions.1.TunnelInsideCidr", "169.254.77.0/30")
	before := c.describeConnection(id)

	other := c.customerGateway("198.51.100.8")
	after := c.call("ModifyVpnConnection", "VpnConnectionId", id, "CustomerGatewayId", other, "VpnGatewayId", second).all("vpnConnection")[0]
	if after.text("customerGatewayId") != other || after.text("vpnGatewayId") != second || after.text("state") != "available" {
		t.Errorf("moved to %s and %s", after.text("customerGatewayId"), after.text("vpnGatewayId"))
	}
	for _, path := range []string{"options/tunnelOptionSet/item/outsideIpAddress", "options/tunnelOptionSet/item/tunnelInsideCidr", "options/tunnelOptionSet/item/preSharedKey"} {
		if before.text(path) != after.text(path) {
			t.Errorf("%s has changed", path)
		}
	}
	if document := parseDocument(t, after.text("customerGatewayConfiguration")); document.text("ipsec_tunnel/customer_gateway/tunnel_outside_address/ip_address") != "198.51.100.8" {
		t.Errorf("the device configuration has the address of the former customer gateway")
	}

	t.Run("inside ranges are the gateway's own", func(t *testing.T) {
		c.connection(c.customerGateway("198.51.100.9"), first, "Options.TunnelOptions.2.TunnelInsideCidr", "169.254.77.0/30")
		c.refuse("InvalidParameterValue", "ModifyVpnConnection", "VpnConnectionId", id, "VpnGatewayId", first)
	})
	t.Run("keys go with the way to authenticate", func(t *testing.T) {
		arn := c.certificate("01234567-89ab-4cde-8f01-23456789abce", nil)
		device := c.call("CreateCustomerGateway", "Type", "ipsec.1", "CertificateArn", arn).text("customerGateway/customerGatewayId")
		v := c.call("ModifyVpnConnection", "VpnConnectionId", id, "CustomerGatewayId", device)
		if got := v.text("vpnConnection/options/tunnelOptionSet/item/preSharedKey"); got != "" {
			t.Errorf("a key is left")
		}
		v = c.call("ModifyVpnConnection", "VpnConnectionId", id, "CustomerGatewayId", other)
		if got := v.text("vpnConnection/options/tunnelOptionSet/item/preSharedKey"); resource.ValidatePreSharedKey(got) != nil {
			t.Errorf("no key has come back")
		}
	})
}
