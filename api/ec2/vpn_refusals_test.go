package ec2

import (
	"strings"
	"testing"
)

// TestVpnRefusals makes requests of Site-to-Site VPN that are malformed or
// forbidden. In the parameters {cgw}, {vgw}, {vpn} and so on stand for what the
// test has made: {vpc} has the gateway {vgw} and the connection {vpn} with
// tunnel 2 at {outside}; {free} is a gateway of nothing, {other} a VPC without one.
func TestVpnRefusals(t *testing.T) {
	t.Parallel()
	c := newCloud(t, wideOutside, func(cfg *Config) { cfg.Limits.VPNGateways = 10 })
	names := vpnFixture(c)
	for _, r := range vpnRefusals() {
		message := c.refuse(r.code, r.action, names.replaceAll(r.parameters)...)
		if strings.Contains(message, "0startsWithZero") {
			t.Errorf("%s repeats the key: %s", r.action, message)
		}
	}
	if got := len(c.call("DescribeVpnConnections", filter("1", "state", "available")...).all("vpnConnectionSet/item")); got != 3 {
		t.Errorf("after all refusals there are %d connections, want 3", got)
	}
}

// A refusedVPNCall has names for what the test has made.
type refusedVPNCall struct {
	code, action string
	parameters   []string
}

func vpnRefusals() []refusedVPNCall {
	const (
		value       = "InvalidParameterValue"
		combination = "InvalidParameterCombination"
		missing     = "MissingParameter"
		unsupported = "UnsupportedOperation"
		state       = "IncorrectState"
	)
	// connect is a good CreateVpnConnection but for what follows.
	connect := func(more ...string) []string { return connectionParameters("{cgw}", "{free}", more...) }
	tunnel := func(name, v string) []string { return connect("Options.TunnelOptions.1."+name, v) }
	modify := func(name, v string) []string {
		return []string{"VpnConnectionId", "{vpn}", "VpnTunnelOutsideIpAddress", "{outside}", "TunnelOptions." + name, v}
	}
	sample := func(more ...string) []string { return append([]string{"VpnConnectionId", "{vpn}"}, more...) }

	return []refusedVPNCall{
		// Customer gateways.
		{missing, "CreateCustomerGateway", []string{"IpAddress", "192.0.2.1"}},
		{value, "CreateCustomerGateway", []string{"Type", "ipsec.2", "IpAddress", "192.0.2.1"}},
		{missing, "CreateCustomerGateway", []string{"Type", "ipsec.1"}},
		{value, "CreateCustomerGateway", []string{"Type", "ipsec.1", "IpAddress", "192.0.2.256"}},
		{value, "CreateCustomerGateway", []string{"Type", "ipsec.1", "IpAddress", "0.0.0.0"}},
		{value, "CreateCustomerGateway", []string{"Type", "ipsec.1", "IpAddress", "127.0.0.1"}},
		{value, "CreateCustomerGateway", []string{"Type", "ipsec.1", "IpAddress", "224.0.0.5"}},
		{value, "CreateCustomerGateway", []string{"Type", "ipsec.1", "IpAddress", "169.254.10.1"}},
		{value, "CreateCustomerGateway", []string{"Type", "ipsec.1", "IpAddress", "255.255.255.255"}},
		{value, "CreateCustomerGateway", []string{"Type", "ipsec.1", "IpAddress", "2001:db8::1"}},
		{combination, "CreateCustomerGateway", []string{"Type", "ipsec.1", "IpAddress", "192.0.2.1", "PublicIp", "192.0.2.2"}},
		{value, "CreateCustomerGateway", []string{"Type", "ipsec.1", "IpAddress", "192.0.2.1", "BgpAsn", "0"}},
		{value, "CreateCustomerGateway", []string{"Type", "ipsec.1", "IpAddress", "192.0.2.1", "BgpAsn", "-1"}},
		{value, "CreateCustomerGateway", []string{"Type", "ipsec.1", "IpAddress", "192.0.2.1", "BgpAsn", "x"}},
		{value, "CreateCustomerGateway", []string{"Type", "ipsec.1", "IpAddress", "192.0.2.1", "BgpAsn", "4200000000"}},
		{value, "CreateCustomerGateway", []string{"Type", "ipsec.1", "IpAddress", "192.0.2.1", "BgpAsn", "7224"}},
		{value, "CreateCustomerGateway", []string{"Type", "ipsec.1", "IpAddress", "192.0.2.1", "BgpAsnExtended", "65000"}},
		{value, "CreateCustomerGateway", []string{"Type", "ipsec.1", "IpAddress", "192.0.2.1", "BgpAsnExtended", "4294967296"}},
		{combination, "CreateCustomerGateway", []string{"Type", "ipsec.1", "IpAddress", "192.0.2.1", "BgpAsn", "65001", "BgpAsnExtended", "4200000000"}},
		{value, "CreateCustomerGateway", []string{"Type", "ipsec.1", "IpAddress", "192.0.2.1", "DeviceName", strings.Repeat("x", 256)}},
		{value, "CreateCustomerGateway", []string{"Type", "ipsec.1", "CertificateArn", "arn:aws:acm:us-east-1:1:certificate/1"}},
		{value, "CreateCustomerGateway", []string{"Type", "ipsec.1", "IpAddress", "192.0.2.1", "TagSpecification.1.ResourceType", "vpc", "TagSpecification.1.Tag.1.Key", "Name"}},
		{"DryRunOperation", "CreateCustomerGateway", []string{"Type", "ipsec.1", "IpAddress", "192.0.2.1", "DryRun", "true"}},
		{missing, "DeleteCustomerGateway", nil},
		{"InvalidCustomerGatewayId.Malformed", "DeleteCustomerGateway", []string{"CustomerGatewayId", "vgw-0123456789abcdef0"}},
		{"InvalidCustomerGatewayID.NotFound", "DeleteCustomerGateway", []string{"CustomerGatewayId", "cgw-0123456789abcdef0"}},
		{"InvalidCustomerGatewayID.NotFound", "DeleteCustomerGateway", []string{"CustomerGatewayId", "{deletedcgw}"}},
		{state, "DeleteCustomerGateway", []string{"CustomerGatewayId", "{cgw}"}},
		{"InvalidCustomerGatewayID.NotFound", "DescribeCustomerGateways", []string{"CustomerGatewayId.1", "{cgw}", "CustomerGatewayId.2", "cgw-0123456789abcdef0"}},
		{"InvalidFilter", "DescribeCustomerGateways", []string{"Filter.1.Name", "vpc-id", "Filter.1.Value.1", "x"}},

		// VPN gateways.
		{missing, "CreateVpnGateway", nil},
		{value, "CreateVpnGateway", []string{"Type", "ipsec"}},
		{value, "CreateVpnGateway", []string{"Type", "ipsec.1", "AmazonSideAsn", "7224"}},
		{value, "CreateVpnGateway", []string{"Type", "ipsec.1", "AmazonSideAsn", "65535"}},
		{value, "CreateVpnGateway", []string{"Type", "ipsec.1", "AmazonSideAsn", "4294967295"}},
		{value, "CreateVpnGateway", []string{"Type", "ipsec.1", "AmazonSideAsn", "4295031808"}}, // 64512 if only 32 bits are looked at
		{value, "CreateVpnGateway", []string{"Type", "ipsec.1", "AmazonSideAsn", "-64512"}},
		{value, "CreateVpnGateway", []string{"Type", "ipsec.1", "AvailabilityZone", "eu-west-1a"}},
		{"InvalidVpnGatewayID.Malformed", "AttachVpnGateway", []string{"VpnGatewayId", "vgw-xyz", "VpcId", "{other}"}},
		{"InvalidVpnGatewayID.NotFound", "AttachVpnGateway", []string{"VpnGatewayId", "vgw-0123456789abcdef0", "VpcId", "{other}"}},
		{"InvalidVpnGatewayID.NotFound", "AttachVpnGateway", []string{"VpnGatewayId", "{deletedvgw}", "VpcId", "{other}"}},
		{"InvalidVpcID.NotFound", "AttachVpnGateway", []string{"VpnGatewayId", "{free}", "VpcId", "vpc-0123456789abcdef0"}},
		{"VpnGatewayAttachmentLimitExceeded", "AttachVpnGateway", []string{"VpnGatewayId", "{vgw}", "VpcId", "{other}"}},
		{"VpnGatewayAttachmentLimitExceeded", "AttachVpnGateway", []string{"VpnGatewayId", "{free}", "VpcId", "{vpc}"}},
		{"InvalidVpnGatewayAttachment.NotFound", "DetachVpnGateway", []string{"VpnGatewayId", "{free}", "VpcId", "{other}"}},
		{"InvalidVpnGatewayAttachment.NotFound", "DetachVpnGateway", []string{"VpnGatewayId", "{vgw}", "VpcId", "{other}"}},
		{"InvalidVpnGatewayAttachment.NotFound", "DetachVpnGateway", []string{"VpnGatewayId", "{vgw}", "VpcId", "vpc-0123456789abcdef0"}},
		{"InvalidVpcID.Malformed", "DetachVpnGateway", []string{"VpnGatewayId", "{vgw}", "VpcId", "vpc-xyz"}},
		{state, "DeleteVpnGateway", []string{"VpnGatewayId", "{vgw}"}},
		{state, "DeleteVpnGateway", []string{"VpnGatewayId", "{busy}"}}, // detached, with a connection
		{"InvalidVpnGatewayID.NotFound", "DeleteVpnGateway", []string{"VpnGatewayId", "{deletedvgw}"}},
		{"DependencyViolation", "DeleteVpc", []string{"VpcId", "{vpc}"}},
		{"InvalidFilter", "DescribeVpnGateways", []string{"Filter.1.Name", "attachment.gateway", "Filter.1.Value.1", "x"}},

		// Connections.
		{missing, "CreateVpnConnection", []string{"Type", "ipsec.1", "VpnGatewayId", "{vgw}", "Options.StaticRoutesOnly", "true"}},
		{missing, "CreateVpnConnection", []string{"Type", "ipsec.1", "CustomerGatewayId", "{cgw}", "Options.StaticRoutesOnly", "true"}},
		{unsupported, "CreateVpnConnection", connect("TransitGatewayId", "tgw-0123456789abcdef0")},
		{unsupported, "CreateVpnConnection", connect("Options.EnableAcceleration", "true")},
		{unsupported, "CreateVpnConnection", connect("Options.TunnelInsideIpVersion", "ipv6")},
		{unsupported, "CreateVpnConnection", connect("Options.OutsideIpAddressType", "PrivateIpv4")},
		{unsupported, "CreateVpnConnection", connect("Options.TunnelBandwidth", "large")},
		{value, "CreateVpnConnection", connect("PreSharedKeyStorage", "Vault")},
		{value, "CreateVpnConnection", connect("Options.TunnelOptions.1.PreSharedKey", "vault:branch#key")},
		{value, "CreateVpnConnection", connect("PreSharedKeyStorage", "SecretsManager", "Options.TunnelOptions.1.PreSharedKey", "vault:branch#key")},
		{value, "CreateVpnConnection", connect("PreSharedKeyStorage", "SecretsManager", "Options.TunnelOptions.1.PreSharedKey", "short")},
		{value, "CreateVpnConnection", connect("PreSharedKeyStorage", "SecretsManager", "Options.TunnelOptions.1.PreSharedKey", "exec:cat")},
		{value, "CreateVpnConnection", connect("Options.TunnelInsideIpVersion", "ipv5")},
		{value, "CreateVpnConnection", append(connectionParameters("{cgw}", "{free}")[2:], "Type", "ipsec.2")},
		{"InvalidCustomerGatewayID.NotFound", "CreateVpnConnection", connectionParameters("cgw-0123456789abcdef0", "{free}")},
		{"InvalidCustomerGatewayID.NotFound", "CreateVpnConnection", connectionParameters("{deletedcgw}", "{free}")},
		{"InvalidVpnGatewayID.NotFound", "CreateVpnConnection", connectionParameters("{cgw}", "{deletedvgw}")},
		{"InvalidVpnGatewayID.Malformed", "CreateVpnConnection", connectionParameters("{cgw}", "vgw-1")},
		{value, "CreateVpnConnection", connect("Options.LocalIpv4NetworkCidr", "192.168.1.0/16")},
		{value, "CreateVpnConnection", connect("Options.LocalIpv4NetworkCidr", "2001:db8::/32")},
		{value, "CreateVpnConnection", connect("Options.RemoteIpv4NetworkCidr", "everything")},
		{value, "CreateVpnConnection", connect("Options.TunnelOptions.3.PreSharedKey", "long.enough", "Options.TunnelOptions.2.PreSharedKey", "long.enough", "Options.TunnelOptions.1.PreSharedKey", "long.enough")},
		{value, "CreateVpnConnection", tunnel("PreSharedKey", "0startsWithZero")},
		{value, "CreateVpnConnection", tunnel("PreSharedKey", "short12")},
		{value, "CreateVpnConnection", tunnel("PreSharedKey", strings.Repeat("x", 65))},
		{value, "CreateVpnConnection", tunnel("PreSharedKey", "with space")},
		{value, "CreateVpnConnection", tunnel("PreSharedKey", `quote"$(id)`)},
		{value, "CreateVpnConnection", tunnel("PreSharedKey", "naïve_key")},
		{value, "CreateVpnConnection", tunnel("TunnelInsideCidr", "169.254.5.0/30")},
		{value, "CreateVpnConnection", tunnel("TunnelInsideCidr", "169.254.169.252/30")},
		{value, "CreateVpnConnection", tunnel("TunnelInsideCidr", "169.254.10.0/29")},
		{value, "CreateVpnConnection", tunnel("TunnelInsideCidr", "169.254.10.1/30")},
		{value, "CreateVpnConnection", tunnel("TunnelInsideCidr", "10.0.0.0/30")},
		{value, "CreateVpnConnection", tunnel("TunnelInsideCidr", "169.254.10.0")},
		{value, "CreateVpnConnection", connect("Options.TunnelOptions.1.TunnelInsideCidr", "169.254.11.0/30", "Options.TunnelOptions.2.TunnelInsideCidr", "169.254.11.0/30")},
		{value, "CreateVpnConnection", connectionParameters("{cgw}", "{vgw}", "Options.TunnelOptions.1.TunnelInsideCidr", "169.254.77.0/30")}, // {vpn} has it
		{value, "CreateVpnConnection", tunnel("Phase1LifetimeSeconds", "899")},
		{value, "CreateVpnConnection", tunnel("Phase1LifetimeSeconds", "28801")},
		{value, "CreateVpnConnection", tunnel("Phase2LifetimeSeconds", "0")},
		{value, "CreateVpnConnection", tunnel("Phase2LifetimeSeconds", "3601")},
		{value, "CreateVpnConnection", connect("Options.TunnelOptions.1.Phase1LifetimeSeconds", "1800", "Options.TunnelOptions.1.Phase2LifetimeSeconds", "1800")},
		{value, "CreateVpnConnection", tunnel("RekeyMarginTimeSeconds", "59")},
		{value, "CreateVpnConnection", tunnel("RekeyMarginTimeSeconds", "1801")},
		{value, "CreateVpnConnection", tunnel("RekeyFuzzPercentage", "101")},
		{value, "CreateVpnConnection", tunnel("RekeyFuzzPercentage", "-1")},
		{value, "CreateVpnConnection", tunnel("ReplayWindowSize", "63")},
		{value, "CreateVpnConnection", tunnel("ReplayWindowSize", "2049")},
		{value, "CreateVpnConnection", tunnel("DPDTimeoutSeconds", "29")},
		{value, "CreateVpnConnection", tunnel("DPDTimeoutSeconds", "2147483647")},
		{value, "CreateVpnConnection", tunnel("DPDTimeoutAction", "hold")},
		{value, "CreateVpnConnection", tunnel("StartupAction", "route")},
		{value, "CreateVpnConnection", tunnel("Phase1EncryptionAlgorithm.1.Value", "3DES")},
		{value, "CreateVpnConnection", connect("Options.TunnelOptions.1.Phase2EncryptionAlgorithm.1.Value", "AES128", "Options.TunnelOptions.1.Phase2EncryptionAlgorithm.2.Value", "AES128")},
		{value, "CreateVpnConnection", tunnel("Phase2IntegrityAlgorithm.1.Value", "MD5")},
		{value, "CreateVpnConnection", tunnel("Phase1DHGroupNumber.1.Value", "5")}, // phase 2 only
		{value, "CreateVpnConnection", tunnel("Phase2DHGroupNumber.1.Value", "1")},
		{value, "CreateVpnConnection", tunnel("IKEVersion.1.Value", "ikev3")},
		{combination, "CreateVpnConnection", connect("Options.TunnelOptions.1.IKEVersion.1.Value", "ikev1", "Options.TunnelOptions.1.Phase1EncryptionAlgorithm.1.Value", "AES256-GCM-16")},
		{value, "CreateVpnConnection", tunnel("Phase1DHGroupNumber.1.Value", "31")}, // Causeway's IKE has it, AWS's API does not
		{"MissingParameter", "CreateVpnConnection", tunnel("LogOptions.CloudWatchLogOptions.BgpLogEnabled", "true")},
		{value, "CreateVpnConnection", tunnel("LogOptions.CloudWatchLogOptions.BgpLogGroupArn", "/vpn")},
		{value, "CreateVpnConnection", tunnel("LogOptions.CloudWatchLogOptions.BgpLogOutputFormat", "xml")},
		{value, "CreateVpnConnection", connect("Options.TunnelOptions.1.LogOptions.CloudWatchLogOptions.BgpLogEnabled", "true", "Options.TunnelOptions.1.LogOptions.CloudWatchLogOptions.BgpLogGroupArn", "arn:aws:logs:us-east-1:999999999999:log-group:g")},
		{"MissingParameter", "CreateVpnConnection", tunnel("LogOptions.CloudWatchLogOptions.LogEnabled", "true")},
		{value, "CreateVpnConnection", tunnel("LogOptions.CloudWatchLogOptions.LogGroupArn", "/vpn")},
		{value, "CreateVpnConnection", tunnel("LogOptions.CloudWatchLogOptions.LogOutputFormat", "xml")},
		{value, "CreateVpnConnection", connect("Options.TunnelOptions.1.LogOptions.CloudWatchLogOptions.LogEnabled", "true", "Options.TunnelOptions.1.LogOptions.CloudWatchLogOptions.LogGroupArn", "arn:aws:logs:us-east-1:999999999999:log-group:g")},
		{unsupported, "CreateVpnConnection", tunnel("TunnelInsideIpv6Cidr", "fd00::/126")},
		{"DryRunOperation", "CreateVpnConnection", connect("DryRun", "true")},
		{"InvalidVpnConnectionID.Malformed", "DeleteVpnConnection", []string{"VpnConnectionId", "{vpn}/1"}},
		{"InvalidVpnConnectionID.NotFound", "DeleteVpnConnection", []string{"VpnConnectionId", "{deletedvpn}"}},
		{"InvalidVpnConnectionID.NotFound", "DescribeVpnConnections", []string{"VpnConnectionId.1", "vpn-0123456789abcdef0"}},
		{"InvalidFilter", "DescribeVpnConnections", []string{"Filter.1.Name", "route", "Filter.1.Value.1", "x"}},

		// Changes of connections.
		{value, "ModifyVpnTunnelOptions", []string{"VpnConnectionId", "{vpn}", "VpnTunnelOutsideIpAddress", "192.0.2.77", "TunnelOptions.PreSharedKey", "long.enough"}},
		{missing, "ModifyVpnTunnelOptions", []string{"VpnConnectionId", "{vpn}", "VpnTunnelOutsideIpAddress", "{outside}"}},
		{value, "ModifyVpnTunnelOptions", modify("PreSharedKey", "0123456789")},
		{value, "ModifyVpnTunnelOptions", modify("TunnelInsideCidr", "169.254.77.0/30")}, // the other tunnel's
		{value, "ModifyVpnTunnelOptions", modify("TunnelInsideCidr", "169.254.78.0/30")}, // another connection's
		{value, "ModifyVpnTunnelOptions", modify("ReplayWindowSize", "1")},
		{value, "ModifyVpnConnectionOptions", []string{"VpnConnectionId", "{vpn}", "RemoteIpv4NetworkCidr", "10.0.0.1/8"}},
		{combination, "ModifyVpnConnection", []string{"VpnConnectionId", "{vpn}"}},
		{"InvalidCustomerGatewayID.NotFound", "ModifyVpnConnection", []string{"VpnConnectionId", "{vpn}", "CustomerGatewayId", "cgw-0123456789abcdef0"}},
		{"InvalidVpnGatewayID.NotFound", "ModifyVpnConnection", []string{"VpnConnectionId", "{vpn}", "VpnGatewayId", "vgw-0123456789abcdef0"}},
		{"InvalidVpnConnectionID.NotFound", "ModifyVpnConnection", []string{"VpnConnectionId", "{deletedvpn}", "VpnGatewayId", "{free}"}},
		{missing, "ReplaceVpnTunnel", []string{"VpnConnectionId", "{vpn}"}},
		{value, "ReplaceVpnTunnel", []string{"VpnConnectionId", "{vpn}", "VpnTunnelOutsideIpAddress", "192.0.2.77"}},
		{"InvalidVpnConnectionID.NotFound", "ReplaceVpnTunnel", []string{"VpnConnectionId", "{deletedvpn}", "VpnTunnelOutsideIpAddress", "{outside}"}},
		{value, "GetVpnTunnelReplacementStatus", []string{"VpnConnectionId", "{vpn}", "VpnTunnelOutsideIpAddress", "192.0.2.77"}},
		{value, "GetActiveVpnTunnelStatus", []string{"VpnConnectionId", "{vpn}", "VpnTunnelOutsideIpAddress", "192.0.2.77"}},
		{"DryRunOperation", "GetActiveVpnTunnelStatus", []string{"VpnConnectionId", "{vpn}", "VpnTunnelOutsideIpAddress", "{outside}", "DryRun", "true"}},
		{unsupported, "ModifyVpnConnectionOptions", []string{"VpnConnectionId", "{vpn}", "LocalIpv6NetworkCidr", "2001:db8::/32"}},

		// Static routes and propagation.
		{missing, "CreateVpnConnectionRoute", []string{"VpnConnectionId", "{vpn}"}},
		{value, "CreateVpnConnectionRoute", []string{"VpnConnectionId", "{vpn}", "DestinationCidrBlock", "192.168.0.0"}},
		{value, "CreateVpnConnectionRoute", []string{"VpnConnectionId", "{vpn}", "DestinationCidrBlock", "192.168.1.0/16"}},
		{value, "CreateVpnConnectionRoute", []string{"VpnConnectionId", "{vpn}", "DestinationCidrBlock", "2001:db8::/32"}},
		{value, "CreateVpnConnectionRoute", []string{"VpnConnectionId", "{vpn}", "DestinationCidrBlock", "169.254.0.0/16"}},
		{value, "CreateVpnConnectionRoute", []string{"VpnConnectionId", "{vpn}", "DestinationCidrBlock", "239.1.0.0/16"}},
		{value, "CreateVpnConnectionRoute", []string{"VpnConnectionId", "{vpn}", "DestinationCidrBlock", "127.0.0.0/8"}},
		{"InvalidVpnConnectionID.NotFound", "CreateVpnConnectionRoute", []string{"VpnConnectionId", "{deletedvpn}", "DestinationCidrBlock", "192.168.0.0/16"}},
		{"InvalidRoute.NotFound", "DeleteVpnConnectionRoute", []string{"VpnConnectionId", "{vpn}", "DestinationCidrBlock", "192.168.0.0/16"}},
		{"Gateway.NotAttached", "EnableVgwRoutePropagation", []string{"RouteTableId", "{rtb}", "GatewayId", "{free}"}},
		{"InvalidVpnGatewayID.NotFound", "EnableVgwRoutePropagation", []string{"RouteTableId", "{rtb}", "GatewayId", "vgw-0123456789abcdef0"}},
		{"InvalidRouteTableID.NotFound", "EnableVgwRoutePropagation", []string{"RouteTableId", "rtb-0123456789abcdef0", "GatewayId", "{vgw}"}},
		{"InvalidRouteTableID.NotFound", "DisableVgwRoutePropagation", []string{"RouteTableId", "rtb-0123456789abcdef0", "GatewayId", "{vgw}"}},

		// Device configurations.
		{value, "GetVpnConnectionDeviceTypes", []string{"MaxResults", "100"}},
		{"InvalidNextToken", "GetVpnConnectionDeviceTypes", []string{"NextToken", "bm9uZQ"}},
		{missing, "GetVpnConnectionDeviceSampleConfiguration", sample()},
		{value, "GetVpnConnectionDeviceSampleConfiguration", sample("VpnConnectionDeviceTypeId", "00000000")},
		{value, "GetVpnConnectionDeviceSampleConfiguration", sample("VpnConnectionDeviceTypeId", "{device}", "InternetKeyExchangeVersion", "2")},
		{value, "GetVpnConnectionDeviceSampleConfiguration", sample("VpnConnectionDeviceTypeId", "{device}", "SampleType", "best")},
		{unsupported, "GetVpnConnectionDeviceSampleConfiguration", sample("VpnConnectionDeviceTypeId", "{device}", "SampleType", "recommended", "InternetKeyExchangeVersion", "ikev1")},
		{"InvalidVpnConnectionID.NotFound", "GetVpnConnectionDeviceSampleConfiguration", []string{"VpnConnectionId", "{deletedvpn}", "VpnConnectionDeviceTypeId", "{device}"}},

		// What is known and not built.
		{unsupported, "ModifyVpnConnection", []string{"VpnConnectionId", "{vpn}", "TransitGatewayId", "tgw-0123456789abcdef0"}},
	}
}

// named replaces names in braces.
type named map[string]string

func (n named) replaceAll(parameters []string) []string {
	replaced := make([]string, len(parameters))
	for i, p := range parameters {
		replaced[i] = p
		for name, id := range n {
			replaced[i] = strings.ReplaceAll(replaced[i], "{"+name+"}", id)
		}
	}
	return replaced
}

func vpnFixture(c *cloud) named {
	c.Helper()
	n := named{
		"cgw": c.customerGateway("198.51.100.7"), "deletedcgw": c.customerGateway("198.51.100.8"),
		"vgw": c.vpnGateway(), "free": c.vpnGateway(), "busy": c.vpnGateway(), "deletedvgw": c.vpnGateway(),
		"vpc": c.vpc("10.0.0.0/16"), "other": c.vpc("10.0.0.0/16"),
	}
	n["rtb"] = c.mainRouteTable(n["vpc"])
	c.call("AttachVpnGateway", "VpnGatewayId", n["vgw"], "VpcId", n["vpc"])
	n["vpn"] = c.connection(n["cgw"], n["vgw"], "Options.TunnelOptions.1.TunnelInsideCidr", "169.254.77.0/30")
	n["outside"] = c.describeConnection(n["vpn"]).texts("vgwTelemetry/item/outsideIpAddress")[1]
	c.connection(n["cgw"], n["vgw"], "Options.TunnelOptions.1.TunnelInsideCidr", "169.254.78.0/30")
	c.connection(n["cgw"], n["busy"])
	n["deletedvpn"] = c.connection(n["cgw"], n["free"])
	n["device"] = c.call("GetVpnConnectionDeviceTypes").text("vpnConnectionDeviceTypeSet/item/vpnConnectionDeviceTypeId")
	c.call("DeleteVpnConnection", "VpnConnectionId", n["deletedvpn"])
	c.call("DeleteCustomerGateway", "CustomerGatewayId", n["deletedcgw"])
	c.call("DeleteVpnGateway", "VpnGatewayId", n["deletedvgw"])
	return n
}

// TestErrorsRepeatLittle gives values that are too long for an answer and a log.
func TestErrorsRepeatLittle(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	long := strings.Repeat("x", 100_000)
	for _, call := range [][]string{
		{"CreateVpnConnectionRoute", "VpnConnectionId", "vpn-00000000000000000", "DestinationCidrBlock", long},
		append([]string{"CreateVpnConnection"}, connectionParameters("cgw-1", "vgw-1", "Options.OutsideIpAddressType", long)...),
		append([]string{"CreateVpnConnection"}, connectionParameters("cgw-1", "vgw-1", "Options.TunnelOptions.1.StartupAction", long)...),
		append([]string{"CreateVpnConnection"}, connectionParameters("cgw-1", "vgw-1", "Options.TunnelOptions.1.Phase1EncryptionAlgorithm.1.Value", long)...),
		{"CreateCustomerGateway", "Type", "ipsec.1", "IpAddress", long},
		{"DescribeVpcs", "VpcId.1", long}, {"DescribeVpcs", "Filter.1.Name", long, "Filter.1.Value.1", "v"}, {"CreateTags", "ResourceId.1", long, "Tag.1.Key", "k"},
	} {
		status, answer := c.send(call[0], call[1:]...)
		if message := answer.text("Errors/Error/Message"); status != 400 || len(message) > 1000 {
			t.Errorf("%s: %d with a message of %d bytes", call[0], status, len(message))
		}
	}
}

func TestVpnLimits(t *testing.T) {
	t.Parallel()
	c := newCloud(t, wideOutside, func(cfg *Config) {
		cfg.Limits = Limits{CustomerGateways: 2, VPNGateways: 2, VPNConnections: 3, VPNConnectionsPerVPNGateway: 2, StaticRoutesPerVPNConnection: 2}
	})
	customer := c.customerGateway("198.51.100.1")
	c.customerGateway("198.51.100.2")
	c.refuse("CustomerGatewayLimitExceeded", "CreateCustomerGateway", "Type", "ipsec.1", "IpAddress", "198.51.100.3")
	first, second := c.vpnGateway(), c.vpnGateway()
	c.refuse("VpnGatewayLimitExceeded", "CreateVpnGateway", "Type", "ipsec.1")
	id := c.connection(customer, first)
	c.connection(customer, first)
	c.refuse("VpnConnectionLimitExceeded", "CreateVpnConnection", connectionParameters(customer, first)...)
	c.connection(customer, second)
	c.refuse("VpnConnectionLimitExceeded", "CreateVpnConnection", connectionParameters(customer, second)...)
	c.call("CreateVpnConnectionRoute", "VpnConnectionId", id, "DestinationCidrBlock", "192.168.0.0/24")
	c.call("CreateVpnConnectionRoute", "VpnConnectionId", id, "DestinationCidrBlock", "192.168.1.0/24")
	c.refuse("RouteLimitExceeded", "CreateVpnConnectionRoute", "VpnConnectionId", id, "DestinationCidrBlock", "192.168.2.0/24")
	c.call("DeleteVpnConnection", "VpnConnectionId", id)
	c.connection(customer, second) // what was deleted does not count
}
