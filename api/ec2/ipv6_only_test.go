package ec2

import (
	"slices"
	"strings"
	"testing"
)

// ipv6Only makes an IPv6-only subnet of the third /64 of a dual VPC.
func (c *cloud) ipv6Only(d dual) string {
	c.Helper()
	return c.call("CreateSubnet", "VpcId", d.vpc, "Ipv6CidrBlock", d.part(3).String(), "Ipv6Native", "true").text("subnet/subnetId")
}

func TestIPv6OnlySubnet(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	d := c.dual()
	id := c.ipv6Only(d)
	shown := func() string {
		v := c.call("DescribeSubnets", "SubnetId.1", id)
		var text []string
		for _, field := range []string{"ipv6Native", "cidrBlock", "ipv6CidrBlockAssociationSet/item/ipv6CidrBlock", "assignIpv6AddressOnCreation", "mapPublicIpOnLaunch", "availableIpAddressCount", "enableDns64",
			"privateDnsNameOptionsOnLaunch/hostnameType", "privateDnsNameOptionsOnLaunch/enableResourceNameDnsARecord", "privateDnsNameOptionsOnLaunch/enableResourceNameDnsAAAARecord"} {
			text = append(text, v.text("subnetSet/item/"+field))
		}
		return strings.Join(text, " ")
	}
	if got, want := shown(), "true  "+d.part(3).String()+" true false 0 false resource-name false true"; got != want {
		t.Errorf("the subnet is shown as %q, want %q", got, want)
	}
	c.call("ModifySubnetAttribute", "SubnetId", id, "EnableDns64.Value", "true")
	c.call("ModifySubnetAttribute", "SubnetId", id, "EnableResourceNameDnsAAAARecordOnLaunch.Value", "false")
	c.call("ModifySubnetAttribute", "SubnetId", id, "AssignIpv6AddressOnCreation.Value", "true")
	c.call("ModifySubnetAttribute", "SubnetId", id, "MapPublicIpOnLaunch.Value", "false")
	if got, want := shown(), "true  "+d.part(3).String()+" true false 0 true resource-name false false"; got != want {
		t.Errorf("changed, it is shown as %q, want %q", got, want)
	}
	for value, want := range map[string][]string{"true": {id}, "false": {d.subnet}} {
		if got := c.call("DescribeSubnets", append(filter("1", "ipv6-native", value), filter("2", "vpc-id", d.vpc)...)...).texts("subnetSet/item/subnetId"); !slices.Equal(got, want) {
			t.Errorf("ipv6-native %s are %v, want %v", value, got, want)
		}
	}
	c.call("CreateSubnetCidrReservation", "SubnetId", id, "ReservationType", "explicit", "Cidr", strings.TrimSuffix(d.part(3).String(), "/64")+"/80")
	c.call("DeleteSubnet", "SubnetId", id)
}

// shownAddresses are what answers show of the addresses of an interface, or of one of an
// instance.
func shownAddresses(v node, at string) string {
	var text []string
	for _, field := range []string{"privateIpAddress", "privateIpAddressesSet/item/privateIpAddress", "privateDnsName", "association/publicIp", "ipv6AddressesSet/item/ipv6Address", "ipv6AddressesSet/item/isPrimaryIpv6"} {
		text = append(text, strings.Join(v.texts(at+field), ","))
	}
	return strings.Join(text, "|")
}

func TestInterfacesOfIPv6Only(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	d := c.dual()
	subnet := c.ipv6Only(d)
	d.subnet6 = d.part(3)
	c.call("ModifyVpcAttribute", "VpcId", d.vpc, "EnableDnsHostnames.Value", "true")

	const nicAt = "networkInterfaceSet/item/"
	named := c.networkInterface(subnet, "Ipv6Addresses.1.Ipv6Address", d.host(9), "EnablePrimaryIpv6", "true")
	if got, want := shownAddresses(c.describeInterface(named), ""), "||||"+d.host(9)+"|true"; got != want {
		t.Errorf("the interface is shown as %q, want %q", got, want)
	}
	automatic := c.networkInterface(subnet)
	v := c.describeInterface(automatic)
	if own := v.texts("ipv6AddressesSet/item/ipv6Address"); len(own) != 1 || v.text("ipv6Address") != own[0] {
		t.Errorf("an interface that asks for nothing has %v", own)
	}
	if n := len(c.describeInterface(c.networkInterface(subnet, "Ipv6AddressCount", "3")).texts("ipv6AddressesSet/item/ipv6Address")); n != 3 {
		t.Errorf("one that asks for three addresses has %d", n)
	}
	if got := c.call("DescribeNetworkInterfaces", filter("1", "ipv6-addresses.ipv6-address", d.host(9))...).texts(nicAt + "networkInterfaceId"); !slices.Equal(got, []string{named}) {
		t.Errorf("the address finds %v", got)
	}
	if got := c.call("DescribeNetworkInterfaces", filter("1", "private-ip-address", "*")...).texts(nicAt + "networkInterfaceId"); slices.Contains(got, named) {
		t.Errorf("any private address finds %v", got)
	}

	const at = "reservationSet/item/instancesSet/item/"
	instance := c.instance(subnet, "Ipv6Address.1.Ipv6Address", d.host(4))
	i := c.call("DescribeInstances", "InstanceId.1", instance)
	if got, want := shownAddresses(i, at+"networkInterfaceSet/item/"), "||||"+d.host(4)+"|false"; got != want {
		t.Errorf("the instance's interface is shown as %q, want %q", got, want)
	}
	if private, six, name := i.text(at+"privateIpAddress"), i.text(at+"ipv6Address"), i.text(at+"privateDnsName"); private != "" || six != d.host(4) || name != instance+".ec2.internal" {
		t.Errorf("the instance has %q, %q and is called %q", private, six, name)
	}
	for filterName, want := range map[string][]string{"network-interface.ipv6-native": {instance}, "private-ip-address": nil} {
		if got := c.call("DescribeInstances", filter("1", filterName, "true")...).texts(at + "instanceId"); !slices.Equal(got, want) {
			t.Errorf("%s finds %v, want %v", filterName, got, want)
		}
	}
	nic := i.text(at + "networkInterfaceSet/item/networkInterfaceId")
	c.call("AssignIpv6Addresses", "NetworkInterfaceId", nic, "Ipv6Addresses.1", d.host(5))
	c.call("UnassignIpv6Addresses", "NetworkInterfaceId", nic, "Ipv6Addresses.1", d.host(4))
	c.call("ModifyNetworkInterfaceAttribute", "NetworkInterfaceId", nic, "EnablePrimaryIpv6", "true")
	c.call("AssignIpv6Addresses", "NetworkInterfaceId", nic, "Ipv6Addresses.1", d.host(4))
	if got := c.describeInterface(nic).text("ipv6Address"); got != d.host(5) {
		t.Errorf("the interface's address is %q, want the primary one %s", got, d.host(5))
	}
	if got := c.call("DescribeInstances", filter("1", "network-interface.ipv6-addresses.is-primary-ipv6", "true")...).texts(at + "instanceId"); !slices.Equal(got, []string{instance}) {
		t.Errorf("instances with a primary IPv6 address are %v", got)
	}

	// One interface of each kind, and many at once.
	both := c.instance(subnet)
	c.call("AttachNetworkInterface", "InstanceId", both, "NetworkInterfaceId", c.networkInterface(d.subnet), "DeviceIndex", "1")
	if n := len(c.run(subnet, "MaxCount", "5", "MinCount", "5").texts("instancesSet/item/instanceId")); n != 5 {
		t.Errorf("%d instances were launched, want 5", n)
	}
	if got := c.call("DescribeSubnets", "SubnetId.1", subnet).text("subnetSet/item/availableIpAddressCount"); got != "0" {
		t.Errorf("%s addresses are available", got)
	}
}

func TestIPv6OnlyRefusals(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	d := c.dual()
	subnet := c.ipv6Only(d)
	instance := c.instance(subnet)
	nic := c.networkInterface(subnet, "EnablePrimaryIpv6", "true")
	other := c.networkInterface(subnet)
	elastic, _ := c.address()
	associationOf := c.call("DescribeSubnets", "SubnetId.1", subnet).text("subnetSet/item/ipv6CidrBlockAssociationSet/item/associationId")
	of := func(nic string) string { return c.describeInterface(nic).text("ipv6Address") }
	c.refuseAll(ipv6OnlyRefusals, "{vpc}", d.vpc, "{subnet}", subnet, "{dual}", d.subnet, "{nic}", nic, "{other}", other, "{i}", instance, "{eip}", elastic, "{association}", associationOf,
		"{four}", c.networkInterface(d.subnet), "{64}", d.part(4).String(), "{taken64}", d.part(3).String(), "{free}", d.part(3).Addr().Next().Next().Next().Next().String(), "{primary}", of(nic), "{last}", of(other), "{ami}", HostImage,
		"{instanceNic}", c.call("DescribeNetworkInterfaces", filter("1", "attachment.instance-id", instance)...).text("networkInterfaceSet/item/networkInterfaceId"))
}

var ipv6OnlyRefusals = []struct{ code, call string }{
	{"InvalidParameterCombination", "CreateSubnet&VpcId={vpc}&Ipv6Native=true&CidrBlock=10.0.9.0/24&Ipv6CidrBlock={64}"},
	{"MissingParameter", "CreateSubnet&VpcId={vpc}&Ipv6Native=true"},
	{"MissingParameter", "CreateSubnet&VpcId={vpc}&Ipv6CidrBlock={64}"},
	{"InvalidSubnet.Conflict", "CreateSubnet&VpcId={vpc}&Ipv6Native=true&Ipv6CidrBlock={taken64}"},
	{"InvalidParameterValue", "CreateSubnet&VpcId={vpc}&Ipv6Native=true&Ipv6CidrBlock=10.0.9.0/24"},
	{"InvalidParameterValue", "ModifySubnetAttribute&SubnetId={subnet}&AssignIpv6AddressOnCreation.Value=false"},
	{"InvalidParameterValue", "ModifySubnetAttribute&SubnetId={subnet}&MapPublicIpOnLaunch.Value=true"},
	{"InvalidParameterValue", "ModifySubnetAttribute&SubnetId={subnet}&PrivateDnsHostnameTypeOnLaunch=ip-name"},
	{"InvalidParameterValue", "ModifySubnetAttribute&SubnetId={subnet}&EnableResourceNameDnsARecordOnLaunch.Value=true"},
	{"OperationNotPermitted", "DisassociateSubnetCidrBlock&AssociationId={association}"},
	{"InvalidParameterValue", "AssociateSubnetCidrBlock&SubnetId={subnet}&Ipv6CidrBlock={64}"},
	{"InvalidParameterValue", "CreateSubnetCidrReservation&SubnetId={subnet}&ReservationType=explicit&Cidr=10.0.1.0/28"},
	{"InvalidParameterCombination", "CreateNetworkInterface&SubnetId={subnet}&PrivateIpAddress=10.0.1.9"},
	{"InvalidParameterCombination", "CreateNetworkInterface&SubnetId={subnet}&SecondaryPrivateIpAddressCount=1"},
	{"InvalidParameterCombination", "CreateNetworkInterface&SubnetId={subnet}&PrivateIpAddresses.1.PrivateIpAddress=10.0.1.9"},
	{"InvalidParameterValue", "CreateNetworkInterface&SubnetId={dual}&EnablePrimaryIpv6=true"},
	{"UnsupportedOperation", "CreateNetworkInterface&SubnetId={subnet}&Ipv6Addresses.1.Ipv6Address={free}&Ipv6Addresses.1.IsPrimaryIpv6=true"},
	{"UnsupportedOperation", "RunInstances&ImageId={ami}&MinCount=1&MaxCount=1&SubnetId={subnet}&Ipv6Address.1.Ipv6Address={free}&Ipv6Address.1.IsPrimaryIpv6=true"},
	{"InvalidParameterCombination", "RunInstances&ImageId={ami}&MinCount=1&MaxCount=1&SubnetId={subnet}&PrivateIpAddress=10.0.1.9"},
	{"InvalidParameterCombination", "RunInstances&ImageId={ami}&MinCount=1&MaxCount=1&NetworkInterface.1.DeviceIndex=0&NetworkInterface.1.SubnetId={subnet}&NetworkInterface.1.AssociatePublicIpAddress=true"},
	{"InvalidParameterCombination", "RunInstances&ImageId={ami}&MinCount=1&MaxCount=1&NetworkInterface.1.DeviceIndex=0&NetworkInterface.1.SubnetId={subnet}&EnablePrimaryIpv6=true"},
	{"InvalidParameterCombination", "RunInstances&ImageId={ami}&MinCount=1&MaxCount=1&NetworkInterface.1.DeviceIndex=0&NetworkInterface.1.NetworkInterfaceId={other}&NetworkInterface.1.PrimaryIpv6=true"},
	{"InvalidParameterValue", "RunInstances&ImageId={ami}&MinCount=1&MaxCount=1&SubnetId={subnet}&PrivateDnsNameOptions.HostnameType=ip-name"},
	{"InvalidParameterValue", "RunInstances&ImageId={ami}&MinCount=1&MaxCount=1&SubnetId={subnet}&PrivateDnsNameOptions.EnableResourceNameDnsARecord=true"},
	{"InvalidParameterValue", "ModifyPrivateDnsNameOptions&InstanceId={i}&EnableResourceNameDnsARecord=true"},
	{"InvalidParameterCombination", "AssignPrivateIpAddresses&NetworkInterfaceId={nic}&SecondaryPrivateIpAddressCount=1"},
	{"InvalidParameterCombination", "AssignPrivateIpAddresses&NetworkInterfaceId={nic}&PrivateIpAddress.1=10.0.1.9"},
	{"InvalidParameterValue", "UnassignPrivateIpAddresses&NetworkInterfaceId={nic}&PrivateIpAddress.1=10.0.1.9"},
	{"InvalidParameterValue", "UnassignIpv6Addresses&NetworkInterfaceId={nic}&Ipv6Addresses.1={primary}"},
	{"InvalidParameterValue", "UnassignIpv6Addresses&NetworkInterfaceId={other}&Ipv6Addresses.1={last}"},
	{"InvalidParameterValue", "ModifyNetworkInterfaceAttribute&NetworkInterfaceId={nic}&EnablePrimaryIpv6=false"},
	{"InvalidParameterValue", "ModifyNetworkInterfaceAttribute&NetworkInterfaceId={four}&EnablePrimaryIpv6=true"},
	{"InvalidParameterCombination", "ModifyNetworkInterfaceAttribute&NetworkInterfaceId={instanceNic}&AssociatePublicIpAddress=true"},
	{"InvalidParameterCombination", "AssociateAddress&AllocationId={eip}&InstanceId={i}"},
	{"InvalidParameterCombination", "AssociateAddress&AllocationId={eip}&NetworkInterfaceId={nic}&PrivateIpAddress=10.0.1.9"},
	{"InvalidParameterCombination", "CreateNatGateway&SubnetId={subnet}&AllocationId={eip}"},
	{"InvalidParameterCombination", "CreateNatGateway&SubnetId={subnet}&ConnectivityType=private"},
}
