package acceptance

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// resolver shows what instances are told of DNS and what its answers are: instance
// a of the VPC has an outside address, b has none.
func (i *installation) resolver(t *testing.T, vpc, a, b, publicOfA string) {
	i.call("ModifyVpcAttribute", "VpcId="+vpc, "EnableDnsHostnames.Value=true")
	instance := i.call("DescribeInstances", "InstanceId.1="+a)
	const set = "reservationSet/item/instancesSet/item/"
	private, public := instance.get(set+"privateDnsName"), instance.get(set+"dnsName")
	if want := "ec2-" + strings.ReplaceAll(publicOfA, ".", "-") + ".compute-1.amazonaws.com"; public != want {
		t.Errorf("the public name is %q, want %q", public, want)
	}
	address := instance.get(set + "privateIpAddress")
	i.printsSoon(t, b, "getent ahostsv4 "+private, address+" ")
	i.printsSoon(t, b, "getent ahostsv4 "+public, address+" ")
	i.printsSoon(t, b, "getent ahostsv4 "+strings.TrimSuffix(private, ".ec2.internal"), address+" ") // by the domain
	i.printsSoon(t, b, "getent hosts "+address, private)
	byID := "getent ahostsv4 " + a + ".ec2.internal || echo none"
	i.printsSoon(t, b, byID, "none")
	i.call("ModifyPrivateDnsNameOptions", "InstanceId="+a, "EnableResourceNameDnsARecord=true")
	i.printsSoon(t, b, byID, address+" ")
	i.call("ModifyPrivateDnsNameOptions", "InstanceId="+a, "EnableResourceNameDnsARecord=false")
	i.printsSoon(t, b, byID, "none")
	allocation := i.call("DescribeAddresses", "PublicIp.1="+publicOfA).get("addressesSet/item/allocationId")
	i.call("ModifyAddressAttribute", "AllocationId="+allocation, "DomainName=mail.example.com")
	i.printsSoon(t, b, "getent hosts "+publicOfA, "mail.example.com")
	i.call("ResetAddressAttribute", "AllocationId="+allocation, "Attribute=domain-name")
	i.printsSoon(t, b, "getent hosts "+publicOfA+" || echo none", "none")
	for _, name := range []string{"ip-10-0-1-99.ec2.internal", "example.com"} { // no host's, and nobody to be asked
		if got := i.inside(b, "sh", "-c", "getent ahostsv4 "+name+" || echo none"); strings.TrimSpace(got) != "none" {
			t.Errorf("%s is %q", name, got)
		}
	}
	options := i.call("CreateDhcpOptions", "DhcpConfiguration.1.Key=domain-name", "DhcpConfiguration.1.Value.1=example.com",
		"DhcpConfiguration.2.Key=domain-name-servers", "DhcpConfiguration.2.Value.1=AmazonProvidedDNS", "DhcpConfiguration.2.Value.2=10.0.1.99").get("dhcpOptions/dhcpOptionsId")
	before := i.call("DescribeVpcs", "VpcId.1="+vpc).get("vpcSet/item/dhcpOptionsId")
	i.call("AssociateDhcpOptions", "DhcpOptionsId="+options, "VpcId="+vpc)
	i.printsSoon(t, b, "cat /etc/resolv.conf", "search example.com\nnameserver 10.0.0.2\nnameserver 10.0.1.99")
	i.call("AssociateDhcpOptions", "DhcpOptionsId="+before, "VpcId="+vpc)
	i.printsSoon(t, b, "cat /etc/resolv.conf", "search ec2.internal\nnameserver 10.0.0.2")
	i.call("ModifyVpcAttribute", "VpcId="+vpc, "EnableDnsSupport.Value=false")
	i.printsSoon(t, b, "getent ahostsv4 "+private+" || echo none", "none")
	i.call("ModifyVpcAttribute", "VpcId="+vpc, "EnableDnsSupport.Value=true")
	i.printsSoon(t, b, "getent ahostsv4 "+private, address+" ")
}

// printsSoon repeats a script in an instance until it prints a text.
func (i *installation) printsSoon(t *testing.T, instance, script, want string) {
	t.Helper()
	var got string
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		if got = i.inside(instance, "sh", "-c", fmt.Sprintf("{ %s; } || true", script)); strings.Contains(got, want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s prints %q, want %q", script, got, want)
		}
	}
}
