package ec2

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// A dual is a VPC that has IPv6, with a subnet of 10.0.1.0/24 and its second /64.
type dual struct {
	vpc, subnet         string
	range6              netip.Prefix // of the VPC
	subnet6             netip.Prefix
	vpcAssociation      string
	subnetAssociation   string
	gateway, egressOnly string
}

func (c *cloud) dual() dual {
	c.Helper()
	v := c.call("CreateVpc", "CidrBlock", "10.0.0.0/16", "AmazonProvidedIpv6CidrBlock", "true")
	d := dual{
		vpc: v.text("vpc/vpcId"), range6: netip.MustParsePrefix(v.text("vpc/ipv6CidrBlockAssociationSet/item/ipv6CidrBlock")),
		vpcAssociation: v.text("vpc/ipv6CidrBlockAssociationSet/item/associationId"),
	}
	d.subnet6 = d.part(1)
	subnet := c.call("CreateSubnet", "VpcId", d.vpc, "CidrBlock", "10.0.1.0/24", "Ipv6CidrBlock", d.subnet6.String())
	d.subnet, d.subnetAssociation = subnet.text("subnet/subnetId"), subnet.text("subnet/ipv6CidrBlockAssociationSet/item/associationId")
	d.gateway = c.internetGateway(d.vpc)
	d.egressOnly = c.call("CreateEgressOnlyInternetGateway", "VpcId", d.vpc).text("egressOnlyInternetGateway/egressOnlyInternetGatewayId")
	return d
}

// part is a /64 of the VPC's range by its number.
func (d dual) part(number byte) netip.Prefix {
	a := d.range6.Addr().As16()
	a[7] = number
	return netip.PrefixFrom(netip.AddrFrom16(a), 64)
}

// host is an address of the subnet by its last byte.
func (d dual) host(number byte) string {
	a := d.subnet6.Addr().As16()
	a[15] = number
	return netip.AddrFrom16(a).String()
}

func TestIPv6OfAVPC(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	d := c.dual()
	if d.range6.Bits() != 56 {
		t.Errorf("the VPC has %v, want a /56", d.range6)
	}
	v := c.call("DescribeVpcs", append(filter("1", "ipv6-cidr-block-association.ipv6-cidr-block", d.range6.String()), filter("2", "ipv6-cidr-block-association.ipv6-pool", "Amazon")...)...)
	if got := v.texts("vpcSet/item/vpcId"); !slices.Equal(got, []string{d.vpc}) {
		t.Errorf("the filters find %v", got)
	}
	block := "vpcSet/item/ipv6CidrBlockAssociationSet/item/"
	if state, group := v.text(block+"ipv6CidrBlockState/state"), v.text(block+"networkBorderGroup"); state != "associated" || group != testRegion {
		t.Errorf("the range is %q of %q", state, group)
	}
	entries := c.call("DescribeNetworkAcls", filter("1", "vpc-id", d.vpc)...)
	var numbers []string
	for _, e := range entries.all("networkAclSet/item/entrySet/item") {
		numbers = append(numbers, e.text("ruleNumber")+" "+e.text("cidrBlock")+e.text("ipv6CidrBlock")+" "+e.text("ruleAction"))
	}
	way := []string{"100 0.0.0.0/0 allow", "101 ::/0 allow", "32767 0.0.0.0/0 deny", "32768 ::/0 deny"}
	if want := slices.Concat(way, way); !slices.Equal(numbers, want) {
		t.Errorf("the default network ACL has %q, want %q", numbers, want)
	}
	for _, group := range []string{c.group(d.vpc, "web"), c.call("DescribeSecurityGroups", append(filter("1", "vpc-id", d.vpc), filter("2", "group-name", "default")...)...).text("securityGroupInfo/item/groupId")} {
		if got := c.call("DescribeSecurityGroups", "GroupId.1", group).text("securityGroupInfo/item/ipPermissionsEgress/item/ipv6Ranges/item/cidrIpv6"); got != "::/0" {
			t.Errorf("group %s lets IPv6 out to %q", group, got)
		}
	}
	second := c.call("AssociateVpcCidrBlock", "VpcId", d.vpc, "AmazonProvidedIpv6CidrBlock", "true")
	if got := netip.MustParsePrefix(second.text("ipv6CidrBlockAssociation/ipv6CidrBlock")); got.Overlaps(d.range6) {
		t.Errorf("the second range is %v", got)
	}
	c.call("DisassociateVpcCidrBlock", "AssociationId", second.text("ipv6CidrBlockAssociation/associationId"))
	if n := len(c.call("DescribeVpcs", "VpcId.1", d.vpc).all(block + "ipv6CidrBlock")); n != 1 {
		t.Errorf("%d ranges are left", n)
	}
}

// TestIPv6ComesLater gives a VPC IPv6 whose defaults somebody has changed: they stay.
func TestIPv6ComesLater(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	vpc := c.vpc("10.0.0.0/16")
	subnet := c.subnet(vpc, "10.0.1.0/24")
	acl, _ := c.guardOf(subnet)
	c.call("DeleteNetworkAclEntry", "NetworkAclId", acl, "RuleNumber", "100", "Egress", "false")
	range6 := c.call("AssociateVpcCidrBlock", "VpcId", vpc, "AmazonProvidedIpv6CidrBlock", "true").text("ipv6CidrBlockAssociation/ipv6CidrBlock")
	for _, e := range c.call("DescribeNetworkAcls", "NetworkAclId.1", acl).all("networkAclSet/item/entrySet/item") {
		if e.text("ipv6CidrBlock") != "" && e.text("ruleAction") == "allow" {
			t.Error("a changed network ACL was opened")
		}
	}
	subnet6 := strings.TrimSuffix(range6, "/56") + "/64"
	association := c.call("AssociateSubnetCidrBlock", "SubnetId", subnet, "Ipv6CidrBlock", subnet6).text("ipv6CidrBlockAssociation/associationId")
	if got := c.call("DescribeSubnets", filter("1", "ipv6-cidr-block-association.association-id", association)...).text("subnetSet/item/ipv6CidrBlockAssociationSet/item/ipv6CidrBlock"); got != subnet6 {
		t.Errorf("the subnet has %q", got)
	}
	c.call("ModifySubnetAttribute", "SubnetId", subnet, "AssignIpv6AddressOnCreation.Value", "true")
	c.call("DisassociateSubnetCidrBlock", "AssociationId", association)
	if got := c.call("DescribeSubnets", "SubnetId.1", subnet).text("subnetSet/item/assignIpv6AddressOnCreation"); got != "false" {
		t.Errorf("without a range, assignIpv6AddressOnCreation is %q", got)
	}
}

func TestIPv6OfInterfaces(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	d := c.dual()
	addresses := func(instance string) []string {
		return c.call("DescribeInstances", "InstanceId.1", instance).texts("reservationSet/item/instancesSet/item/networkInterfaceSet/item/ipv6AddressesSet/item/ipv6Address")
	}
	if got := addresses(c.instance(d.subnet)); len(got) != 0 {
		t.Errorf("unasked, an instance has %v", got)
	}
	two := addresses(c.instance(d.subnet, "Ipv6AddressCount", "2"))
	if len(two) != 2 || two[0] == two[1] || !d.subnet6.Contains(netip.MustParseAddr(two[0])) {
		t.Errorf("asked for two, an instance has %v", two)
	}
	named := c.call("RunInstances", "ImageId", HostImage, "MinCount", "1", "MaxCount", "1", "NetworkInterface.1.DeviceIndex", "0", "NetworkInterface.1.SubnetId", d.subnet,
		"NetworkInterface.1.Ipv6Addresses.1.Ipv6Address", d.host(9)).text("instancesSet/item/instanceId")
	if got := addresses(named); !slices.Equal(got, []string{d.host(9)}) {
		t.Errorf("asked for %s, an instance has %v", d.host(9), got)
	}
	c.call("ModifySubnetAttribute", "SubnetId", d.subnet, "AssignIpv6AddressOnCreation.Value", "true")
	if got := addresses(c.instance(d.subnet)); len(got) != 1 {
		t.Errorf("by the subnet's attribute an instance has %v", got)
	}
	if got := addresses(c.instance(d.subnet, "Ipv6AddressCount", "0")); len(got) != 0 {
		t.Errorf("against the subnet's attribute an instance has %v", got)
	}

	nic := c.call("DescribeNetworkInterfaces", filter("1", "ipv6-addresses.ipv6-address", d.host(9))...).text("networkInterfaceSet/item/networkInterfaceId")
	assigned := c.call("AssignIpv6Addresses", "NetworkInterfaceId", nic, "Ipv6Addresses.1", d.host(5)).texts("assignedIpv6Addresses/item")
	more := c.call("AssignIpv6Addresses", "NetworkInterfaceId", nic, "Ipv6AddressCount", "2").texts("assignedIpv6Addresses/item")
	if len(more) != 2 || !slices.Equal(assigned, []string{d.host(5)}) {
		t.Errorf("assigned %v, then %v", assigned, more)
	}
	want := slices.Concat([]string{d.host(5), d.host(9)}, more)
	if got := c.call("DescribeInstances", filter("1", "ipv6-address", d.host(5))...).texts("reservationSet/item/instancesSet/item/networkInterfaceSet/item/ipv6AddressesSet/item/ipv6Address"); !slices.Equal(got, want) {
		t.Errorf("the interface has %v, want %v", got, want)
	}
	c.call("UnassignIpv6Addresses", "NetworkInterfaceId", nic, "Ipv6Addresses.1", d.host(9), "Ipv6Addresses.2", more[0])
	if got := addresses(named); !slices.Equal(got, []string{d.host(5), more[1]}) {
		t.Errorf("after unassigning, the interface has %v", got)
	}
}

func TestIPv6Routes(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	d := c.dual()
	table := c.mainRouteTable(d.vpc)
	routes := func() (lines []string) {
		for _, r := range c.call("DescribeRouteTables", "RouteTableId.1", table).all("routeTableSet/item/routeSet/item") {
			lines = append(lines, fmt.Sprintln(r.text("destinationIpv6CidrBlock"), r.text("gatewayId")+r.text("egressOnlyInternetGatewayId"), r.text("state")))
		}
		return lines[1:] // without IPv4's
	}
	c.call("CreateRoute", "RouteTableId", table, "DestinationIpv6CidrBlock", "::/0", "GatewayId", d.gateway)
	local := fmt.Sprintln(d.range6, "local active")
	if got, want := routes(), []string{fmt.Sprintln("::/0", d.gateway, "active"), local}; !slices.Equal(got, want) {
		t.Errorf("routes %q, want %q", got, want)
	}
	c.call("ReplaceRoute", "RouteTableId", table, "DestinationIpv6CidrBlock", "::/0", "EgressOnlyInternetGatewayId", d.egressOnly)
	if got, want := routes(), []string{fmt.Sprintln("::/0", d.egressOnly, "active"), local}; !slices.Equal(got, want) {
		t.Errorf("routes %q, want %q", got, want)
	}
	if found := c.call("DescribeRouteTables", filter("1", "route.destination-ipv6-cidr-block", "::/0")...).texts("routeTableSet/item/routeTableId"); !slices.Equal(found, []string{table}) {
		t.Errorf("by the destination: %v", found)
	}
	c.call("DeleteEgressOnlyInternetGateway", "EgressOnlyInternetGatewayId", d.egressOnly)
	if got := routes()[0]; !strings.Contains(got, "blackhole") {
		t.Errorf("without its gateway the route is %q", got)
	}
	c.call("DeleteRoute", "RouteTableId", table, "DestinationIpv6CidrBlock", "::/0")
	if got := routes(); !slices.Equal(got, []string{local}) {
		t.Errorf("routes %q are left", got)
	}
}

func TestIPv6PoolEnds(t *testing.T) {
	t.Parallel()
	c := newCloud(t, func(cfg *Config) { cfg.IPv6Addresses = []netip.Prefix{netip.MustParsePrefix("fd00:1::/55")} })
	for range 2 {
		c.call("CreateVpc", "CidrBlock", "10.0.0.0/16", "AmazonProvidedIpv6CidrBlock", "true")
	}
	c.refuse("InsufficientAddressCapacity", "CreateVpc", "CidrBlock", "10.0.0.0/16", "AmazonProvidedIpv6CidrBlock", "true")
}

func TestDNS64OfASubnet(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	d := c.dual()
	shown := func() string {
		t.Helper()
		return c.call("DescribeSubnets", "SubnetId.1", d.subnet).text("subnetSet/item/enableDns64")
	}
	before := shown()
	c.call("ModifySubnetAttribute", "SubnetId", d.subnet, "EnableDns64.Value", "true")
	found := c.call("DescribeSubnets", filter("1", "enable-dns64", "true")...).texts("subnetSet/item/subnetId")
	if after := shown(); before != "false" || after != "true" || !slices.Equal(found, []string{d.subnet}) {
		t.Errorf("DNS64 is %q before, %q after, and found at %v", before, after, found)
	}
	c.call("ModifySubnetAttribute", "SubnetId", d.subnet, "AssignIpv6AddressOnCreation.Value", "true")
	if got := shown(); got != "true" {
		t.Errorf("after another attribute has changed it is %q", got)
	}
	c.call("DisassociateSubnetCidrBlock", "AssociationId", d.subnetAssociation)
	if got := shown(); got != "false" {
		t.Errorf("without IPv6 it is %q", got)
	}
}

// TestNAT64Routes leads the prefix that embeds IPv4 addresses to NAT gateways of both
// kinds.
func TestNAT64Routes(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	d := c.dual()
	table := c.mainRouteTable(d.vpc)
	public := c.call("CreateNatGateway", "SubnetId", d.subnet, "AllocationId", c.call("AllocateAddress").text("allocationId")).text("natGateway/natGatewayId")
	private := c.call("CreateNatGateway", "SubnetId", d.subnet, "ConnectivityType", "private").text("natGateway/natGatewayId")
	c.call("CreateRoute", "RouteTableId", table, "DestinationIpv6CidrBlock", "64:ff9b::/96", "NatGatewayId", public)
	c.call("ReplaceRoute", "RouteTableId", table, "DestinationIpv6CidrBlock", "64:ff9b::/96", "NatGatewayId", private)
	shown := ""
	for _, route := range c.call("DescribeRouteTables", "RouteTableId.1", table).all("routeTableSet/item/routeSet/item") {
		if route.text("destinationIpv6CidrBlock") == "64:ff9b::/96" {
			shown = route.text("natGatewayId") + " " + route.text("state")
		}
	}
	if want := private + " active"; shown != want {
		t.Errorf("the route leads to %q, want %q", shown, want)
	}
	c.refuse("InvalidParameterValue", "ReplaceRoute", "RouteTableId", table, "DestinationIpv6CidrBlock", d.part(9).String(), "NatGatewayId", private)
	c.call("DeleteRoute", "RouteTableId", table, "DestinationIpv6CidrBlock", "64:ff9b::/96")
}

func TestIPv6Refusals(t *testing.T) {
	t.Parallel()
	c := newCloud(t, func(cfg *Config) { cfg.Limits.IPv6CIDRsPerVPC = 1 })
	d := c.dual()
	without := c.subnet(d.vpc, "10.0.2.0/24")
	instance := c.instance(d.subnet, "Ipv6Address.1.Ipv6Address", d.host(4))
	nat := c.call("CreateNatGateway", "SubnetId", d.subnet, "ConnectivityType", "private").text("natGateway/natGatewayId")
	gateway := c.call("CreateVpnGateway", "Type", "ipsec.1").text("vpnGateway/vpnGatewayId")
	c.call("AttachVpnGateway", "VpnGatewayId", gateway, "VpcId", d.vpc)
	names := strings.NewReplacer("{vpc}", d.vpc, "{subnet}", d.subnet, "{without}", without, "{table}", c.mainRouteTable(d.vpc), "{far}", c.mainRouteTable(c.vpc("10.0.0.0/16")),
		"{igw}", d.gateway, "{eigw}", d.egressOnly, "{nat}", nat, "{vgw}", gateway, "{4}", d.host(4), "{3}", d.host(3), "{5}", d.host(5), "{range}", d.range6.String(), "{ami}", HostImage,
		"{64}", d.subnet6.String(), "{other64}", d.part(2).String(), "{60}", netip.PrefixFrom(d.part(0x10).Addr(), 60).String(), "{62}", netip.PrefixFrom(d.part(0x10).Addr(), 62).String(),
		"{association}", d.subnetAssociation, "{vpcAssociation}", d.vpcAssociation,
		"{nic}", c.call("DescribeNetworkInterfaces", filter("1", "attachment.instance-id", instance)...).text("networkInterfaceSet/item/networkInterfaceId"),
		"{natNic}", c.call("DescribeNatGateways").text("natGatewaySet/item/natGatewayAddressSet/item/networkInterfaceId"))
	before := c.all()
	for _, row := range ipv6Refusals {
		call := splitCall(names.Replace(row.call))
		if message := c.refuse(row.code, call[0], call[1:]...); len(message) < 20 {
			t.Errorf("%s: the message is %q", row.call, message)
		}
	}
	if c.all() != before {
		t.Error("refused calls have changed something")
	}
}

var ipv6Refusals = []struct{ code, call string }{
	{"InvalidParameterValue", "CreateVpc&CidrBlock=10.0.0.0/16&AmazonProvidedIpv6CidrBlock=true&Ipv6CidrBlockNetworkBorderGroup=us-west-2"},
	{"UnsupportedOperation", "CreateVpc&CidrBlock=10.0.0.0/16&Ipv6IpamPoolId=ipam-pool-0123456789abcdef0&Ipv6NetmaskLength=56"},
	{"CidrLimitExceeded", "AssociateVpcCidrBlock&VpcId={vpc}&AmazonProvidedIpv6CidrBlock=true"},
	{"InvalidParameterCombination", "AssociateVpcCidrBlock&VpcId={vpc}&AmazonProvidedIpv6CidrBlock=true&CidrBlock=10.1.0.0/16"},
	{"DependencyViolation", "DisassociateVpcCidrBlock&AssociationId={vpcAssociation}"},
	{"InvalidSubnet.Conflict", "CreateSubnet&VpcId={vpc}&CidrBlock=10.0.3.0/24&Ipv6CidrBlock={64}"},
	{"InvalidSubnet.Conflict", "CreateSubnet&VpcId={vpc}&CidrBlock=10.0.3.0/24&Ipv6CidrBlock={range}"},
	{"InvalidSubnet.Range", "CreateSubnet&VpcId={vpc}&CidrBlock=10.0.3.0/24&Ipv6CidrBlock={62}"},
	{"InvalidSubnet.Range", "CreateSubnet&VpcId={vpc}&CidrBlock=10.0.3.0/24&Ipv6CidrBlock=2001:db9::/64"},
	{"InvalidParameterValue", "CreateSubnet&VpcId={vpc}&CidrBlock=10.0.3.0/24&Ipv6CidrBlock=10.0.3.0/24"},
	{"InvalidParameterValue", "CreateSubnet&VpcId={vpc}&CidrBlock=10.0.3.0/24&Ipv6CidrBlock=::ffff:10.0.0.0/112"},
	{"MissingParameter", "AssociateSubnetCidrBlock&SubnetId={without}"},
	{"InvalidSubnet.Range", "AssociateSubnetCidrBlock&SubnetId={without}&Ipv6CidrBlock=2001:db9::/64"},
	{"InvalidParameterValue", "AssociateSubnetCidrBlock&SubnetId={subnet}&Ipv6CidrBlock={other64}"},
	{"UnsupportedOperation", "AssociateSubnetCidrBlock&SubnetId={without}&Ipv6IpamPoolId=ipam-pool-0123456789abcdef0"},
	{"DependencyViolation", "DisassociateSubnetCidrBlock&AssociationId={association}"},
	{"InvalidSubnetCidrBlockAssociationID.NotFound", "DisassociateSubnetCidrBlock&AssociationId=subnet-cidr-assoc-0123456789abcdef0"},
	{"InvalidParameterValue", "ModifySubnetAttribute&SubnetId={without}&AssignIpv6AddressOnCreation.Value=true"},
	{"InvalidParameterValue", "ModifySubnetAttribute&SubnetId={without}&EnableDns64.Value=true"},
	{"InvalidParameterValue", "ModifySubnetAttribute&SubnetId={without}&EnableResourceNameDnsAAAARecordOnLaunch.Value=true"},
	{"InvalidParameterValue", "ModifySubnetAttribute&SubnetId={subnet}&PrivateDnsHostnameTypeOnLaunch=any"},
	{"InvalidParameterCombination", "ModifySubnetAttribute&SubnetId={subnet}&PrivateDnsHostnameTypeOnLaunch=ip-name&EnableResourceNameDnsARecordOnLaunch.Value=true"},
	{"InvalidParameterValue", "RunInstances&ImageId={ami}&MinCount=1&MaxCount=1&SubnetId={without}&PrivateDnsNameOptions.EnableResourceNameDnsAAAARecord=true"},
	{"InvalidParameterValue", "RunInstances&ImageId={ami}&MinCount=1&MaxCount=1&SubnetId={without}&Ipv6AddressCount=1"},
	{"InvalidParameterValue", "RunInstances&ImageId={ami}&MinCount=1&MaxCount=1&SubnetId={subnet}&Ipv6AddressCount=51"},
	{"InvalidParameterValue", "RunInstances&ImageId={ami}&MinCount=1&MaxCount=1&SubnetId={subnet}&Ipv6AddressCount=-1"},
	{"InvalidParameterValue", "RunInstances&ImageId={ami}&MinCount=1&MaxCount=1&SubnetId={subnet}&Ipv6Address.1.Ipv6Address={3}"},
	{"InvalidParameterValue", "RunInstances&ImageId={ami}&MinCount=1&MaxCount=1&SubnetId={subnet}&Ipv6Address.1.Ipv6Address=10.0.1.9"},
	{"InvalidIPAddress.InUse", "RunInstances&ImageId={ami}&MinCount=1&MaxCount=1&SubnetId={subnet}&Ipv6Address.1.Ipv6Address={4}"},
	{"InvalidParameterCombination", "RunInstances&ImageId={ami}&MinCount=1&MaxCount=2&SubnetId={subnet}&Ipv6Address.1.Ipv6Address={5}"},
	{"InvalidParameterCombination", "RunInstances&ImageId={ami}&MinCount=1&MaxCount=1&SubnetId={subnet}&Ipv6AddressCount=1&Ipv6Address.1.Ipv6Address={5}"},
	{"InvalidParameterCombination", "RunInstances&ImageId={ami}&MinCount=1&MaxCount=1&NetworkInterface.1.SubnetId={subnet}&NetworkInterface.1.DeviceIndex=0&Ipv6AddressCount=1"},
	{"InvalidParameterValue", "RunInstances&ImageId={ami}&MinCount=1&MaxCount=1&SubnetId={subnet}&EnablePrimaryIpv6=true"},
	{"MissingParameter", "AssignIpv6Addresses&NetworkInterfaceId={nic}"},
	{"InvalidParameterValue", "AssignIpv6Addresses&NetworkInterfaceId={nic}&Ipv6AddressCount=51"},
	{"Ipv6AddressLimitExceeded", "AssignIpv6Addresses&NetworkInterfaceId={nic}&Ipv6AddressCount=50"},
	{"InvalidIPAddress.InUse", "AssignIpv6Addresses&NetworkInterfaceId={nic}&Ipv6Addresses.1={4}"},
	{"InvalidParameterValue", "AssignIpv6Addresses&NetworkInterfaceId={nic}&Ipv6Addresses.1={5}&Ipv6Addresses.2={5}"},
	{"InvalidParameterValue", "AssignIpv6Addresses&NetworkInterfaceId={nic}&Ipv6Addresses.1=fe80::1%25eth0"},
	{"UnsupportedOperation", "AssignIpv6Addresses&NetworkInterfaceId={nic}&Ipv6PrefixCount=1"},
	{"OperationNotPermitted", "AssignIpv6Addresses&NetworkInterfaceId={natNic}&Ipv6AddressCount=1"},
	{"MissingParameter", "UnassignIpv6Addresses&NetworkInterfaceId={nic}"},
	{"InvalidParameterValue", "UnassignIpv6Addresses&NetworkInterfaceId={nic}&Ipv6Addresses.1={5}"},
	{"UnsupportedOperation", "UnassignIpv6Addresses&NetworkInterfaceId={nic}&Ipv6Prefix.1={64}"},
	{"InvalidParameterValue", "CreateRoute&RouteTableId={table}&DestinationIpv6CidrBlock=::/0&GatewayId={vgw}"},
	{"InvalidParameterValue", "CreateRoute&RouteTableId={table}&DestinationIpv6CidrBlock=::/0&NatGatewayId={nat}"},
	{"InvalidParameterValue", "CreateRoute&RouteTableId={table}&DestinationIpv6CidrBlock=64:ff9b::/97&NatGatewayId={nat}"},
	{"InvalidParameterValue", "CreateRoute&RouteTableId={far}&DestinationIpv6CidrBlock=::/0&EgressOnlyInternetGatewayId={eigw}"},
	{"InvalidParameterValue", "CreateRoute&RouteTableId={table}&DestinationCidrBlock=0.0.0.0/0&EgressOnlyInternetGatewayId={eigw}"},
	{"InvalidParameterCombination", "CreateRoute&RouteTableId={table}&DestinationCidrBlock=0.0.0.0/0&DestinationIpv6CidrBlock=::/0&GatewayId={igw}"},
	{"InvalidParameterValue", "CreateRoute&RouteTableId={table}&DestinationIpv6CidrBlock=10.0.0.0/8&GatewayId={igw}"},
	{"RouteAlreadyExists", "CreateRoute&RouteTableId={table}&DestinationIpv6CidrBlock={range}&GatewayId={igw}"},
	{"InvalidParameterValue", "CreateRoute&RouteTableId={table}&DestinationIpv6CidrBlock={64}&EgressOnlyInternetGatewayId={eigw}"},
	{"InvalidParameterValue", "CreateRoute&RouteTableId={table}&DestinationIpv6CidrBlock={other64}&NetworkInterfaceId={nic}"},
	{"InvalidParameterValue", "ReplaceRoute&RouteTableId={table}&DestinationIpv6CidrBlock={range}&EgressOnlyInternetGatewayId={eigw}"},
	{"InvalidParameterValue", "DeleteRoute&RouteTableId={table}&DestinationIpv6CidrBlock={range}"},
	{"InvalidRoute.NotFound", "DeleteRoute&RouteTableId={table}&DestinationIpv6CidrBlock=2001:db9::/32"},
}
