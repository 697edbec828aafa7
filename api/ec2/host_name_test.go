package ec2

import (
	"slices"
	"testing"
)

// namesOf are the private name of an instance and its options: the hostname type, and
// whether its resource name has an A and an AAAA record.
func (c *cloud) namesOf(instance string) []string {
	c.Helper()
	v := c.call("DescribeInstances", "InstanceId.1", instance).all("reservationSet/item/instancesSet/item")[0]
	const options = "privateDnsNameOptions/"
	return []string{v.text("privateDnsName"), v.text(options + "hostnameType"), v.text(options + "enableResourceNameDnsARecord"), v.text(options + "enableResourceNameDnsAAAARecord")}
}

func TestPrivateNames(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	d := c.dual()
	want := func(when, instance string, names ...string) {
		t.Helper()
		if got := c.namesOf(instance); !slices.Equal(got, names) {
			t.Errorf("%s: %q, want %q", when, got, names)
		}
	}
	byIP := c.instance(d.subnet, "PrivateIpAddress", "10.0.1.10")
	want("by default", byIP, "ip-10-0-1-10.ec2.internal", "ip-name", "false", "false")

	for name, value := range map[string]string{
		"PrivateDnsHostnameTypeOnLaunch": "resource-name", "EnableResourceNameDnsARecordOnLaunch.Value": "true", "EnableResourceNameDnsAAAARecordOnLaunch.Value": "true",
	} {
		c.call("ModifySubnetAttribute", "SubnetId", d.subnet, name, value)
	}
	shown := c.call("DescribeSubnets", slices.Concat(filter("1", "private-dns-name-options-on-launch.hostname-type", "resource-name"),
		filter("2", "private-dns-name-options-on-launch.enable-resource-name-dns-a-record", "true"),
		filter("3", "private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record", "true"))...)
	const onLaunch = "subnetSet/item/privateDnsNameOptionsOnLaunch/"
	if got := shown.texts("subnetSet/item/subnetId"); !slices.Equal(got, []string{d.subnet}) || shown.text(onLaunch+"hostnameType") != "resource-name" ||
		shown.text(onLaunch+"enableResourceNameDnsARecord") != "true" || shown.text(onLaunch+"enableResourceNameDnsAAAARecord") != "true" {
		t.Errorf("the subnet is shown as %+v", shown)
	}
	want("an older instance", byIP, "ip-10-0-1-10.ec2.internal", "ip-name", "false", "false")
	byID := c.instance(d.subnet)
	want("as the subnet has it", byID, byID+".ec2.internal", "resource-name", "true", "true")
	chosen := c.instance(d.subnet, "PrivateIpAddress", "10.0.1.20", "PrivateDnsNameOptions.HostnameType", "ip-name", "PrivateDnsNameOptions.EnableResourceNameDnsARecord", "false")
	want("as the launch has it, and the subnet for the rest", chosen, "ip-10-0-1-20.ec2.internal", "ip-name", "false", "true")
	for name, value := range map[string]string{
		"private-dns-name": byID + ".ec2.internal", "private-dns-name-options.hostname-type": "resource-name", "private-dns-name-options.enable-resource-name-dns-a-record": "true",
	} {
		if got := c.call("DescribeInstances", filter("1", name, value)...).texts("reservationSet/item/instancesSet/item/instanceId"); !slices.Equal(got, []string{byID}) {
			t.Errorf("%s=%s: got %q", name, value, got)
		}
	}

	// Records change while it runs, what it calls itself does not.
	c.observe(byID, "running")
	if got := c.call("ModifyPrivateDnsNameOptions", "InstanceId", byID, "PrivateDnsHostnameType", "resource-name", "EnableResourceNameDnsAAAARecord", "false").text("return"); got != "true" {
		t.Errorf("the answer is %q", got)
	}
	want("with another record", byID, byID+".ec2.internal", "resource-name", "true", "false")
	c.refuse("IncorrectInstanceState", "ModifyPrivateDnsNameOptions", "InstanceId", byID, "PrivateDnsHostnameType", "ip-name")
	c.call("StopInstances", "InstanceId.1", byID)
	c.refuse("IncorrectInstanceState", "ModifyPrivateDnsNameOptions", "InstanceId", byID, "PrivateDnsHostnameType", "ip-name")
	c.observe(byID, "stopped")
	c.call("ModifyPrivateDnsNameOptions", "InstanceId", byID, "PrivateDnsHostnameType", "ip-name")
	want("after a change while it was stopped", byID, "ip-10-0-1-4.ec2.internal", "ip-name", "true", "false")

	// Without IPv6 there is nothing that a launch could promise.
	bare := c.call("CreateSubnet", "VpcId", d.vpc, "CidrBlock", "10.0.2.0/24", "Ipv6CidrBlock", d.part(2).String())
	subnet := bare.text("subnet/subnetId")
	c.call("ModifySubnetAttribute", "SubnetId", subnet, "EnableResourceNameDnsAAAARecordOnLaunch.Value", "true")
	c.call("DisassociateSubnetCidrBlock", "AssociationId", bare.text("subnet/ipv6CidrBlockAssociationSet/item/associationId"))
	if got := c.call("DescribeSubnets", "SubnetId.1", subnet).text(onLaunch + "enableResourceNameDnsAAAARecord"); got != "false" {
		t.Errorf("a subnet without IPv6 promises AAAA records: %s", got)
	}
}
