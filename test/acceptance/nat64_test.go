package acceptance

import (
	"encoding/base64"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// The world of IPv4 as hosts of IPv6 know it: by its address, and by a name that says it.
const (
	worldBy6   = "[64:ff9b::192.0.2.10]:80"
	worldNamed = "ec2-192-0-2-10.compute-1.amazonaws.com"
)

// nat64 gives an instance behind a NAT gateway IPv6, which reaches the world of IPv4 by it
// as soon as a route leads there, under names that have IPv4 addresses only as soon as
// its subnet has DNS64.
func (i *installation) nat64(t *testing.T, s *site, vpc, subnet, group, table, nat, instance, seenAs string) {
	i.call("AssociateVpcCidrBlock", "VpcId="+vpc, "AmazonProvidedIpv6CidrBlock=true")
	range6 := i.call("DescribeVpcs", "VpcId.1="+vpc).get("vpcSet/item/ipv6CidrBlockAssociationSet/item/ipv6CidrBlock")
	i.call("AssociateSubnetCidrBlock", "SubnetId="+subnet, "Ipv6CidrBlock="+range6[:len(range6)-len("56")]+"64")
	nic := i.call("DescribeInstances", "InstanceId.1="+instance).get("reservationSet/item/instancesSet/item/networkInterfaceSet/item/networkInterfaceId")
	i.call("AssignIpv6Addresses", "NetworkInterfaceId="+nic, "Ipv6AddressCount=1")
	i.call("AuthorizeSecurityGroupEgress", "GroupId="+group, "IpPermissions.1.IpProtocol=-1", "IpPermissions.1.Ipv6Ranges.1.CidrIpv6=::/0") // it is older than the VPC's IPv6
	wantUnreachable(t, s.lab, i.host(instance), worldBy6)                                                                                   // no route leads there
	i.call("CreateRoute", "RouteTableId="+table, "DestinationIpv6CidrBlock=64:ff9b::/96", "NatGatewayId="+nat)
	wantSeenAs(t, s.lab, i.host(instance), worldBy6, seenAs)

	ask := "getent ahostsv6 " + worldNamed + " | grep 64:ff9b || echo none"
	i.printsSoon(t, instance, ask, "none")
	i.call("ModifySubnetAttribute", "SubnetId="+subnet, "EnableDns64.Value=true")
	i.printsSoon(t, instance, ask, "64:ff9b::c000:20a ")
	i.call("ModifySubnetAttribute", "SubnetId="+subnet, "EnableDns64.Value=false")
	i.printsSoon(t, instance, ask, "none")
}

// ipv6Only launches an instance into a subnet without IPv4, behind a NAT gateway: it finds
// names and itself by IPv6, is found by its own name, is logged in to, and reaches the world of IPv4.
func (i *installation) ipv6Only(t *testing.T, s *site, vpc, group, table, dual, seenAs string) {
	subnet := i.createIPv6Only(vpc)
	i.call("ModifySubnetAttribute", "SubnetId="+subnet, "EnableDns64.Value=true")
	i.call("AssociateRouteTable", "RouteTableId="+table, "SubnetId="+subnet)
	i.call("AuthorizeSecurityGroupIngress", "GroupId="+group, "IpPermissions.1.IpProtocol=-1", "IpPermissions.1.Ipv6Ranges.1.CidrIpv6=::/0")
	script := base64.StdEncoding.EncodeToString([]byte("#!/bin/sh\necho booted > /root/booted\n"))
	key, err := ssh.ParsePrivateKey([]byte(i.call("CreateKeyPair", "KeyName=only").get("keyMaterial")))
	if err != nil {
		t.Fatal(err)
	}
	only := i.call("RunInstances", "ImageId="+hostImage, "MinCount=1", "MaxCount=1", "SubnetId="+subnet, "SecurityGroupId.1="+group, "KeyName=only", "UserData="+script,
		"MetadataOptions.HttpEndpoint=enabled", "MetadataOptions.HttpProtocolIpv6=enabled").get("instancesSet/item/instanceId")
	i.waitForInstance(only, "running")
	shown := i.call("DescribeInstances", "InstanceId.1="+only)
	const set = "reservationSet/item/instancesSet/item/"
	address, name := shown.get(set+"ipv6Address"), shown.get(set+"privateDnsName")
	if name != only+".ec2.internal" || address == "" || shown.get(set+"privateIpAddress") != "" {
		t.Errorf("the instance is %q at %q", name, address)
	}
	i.printsSoon(t, only, "cat /root/booted", "booted")
	i.printsSoon(t, only, "cat /proc/sys/kernel/hostname", only)
	i.printsSoon(t, only, "cat /etc/resolv.conf", "nameserver fd00:ec2::253")
	i.printsSoon(t, only, "grep "+only+" /etc/hosts", address)
	i.printsSoon(t, only, `at=http://[fd00:ec2::254]/latest; curl -gs -H "X-aws-ec2-metadata-token: $(curl -gs -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' $at/api/token)" $at/meta-data/ipv6`, address)
	for _, asker := range []string{only, dual} {
		i.printsSoon(t, asker, "getent ahostsv6 "+name, address+" ")
	}
	i.printsSoon(t, only, "getent ahostsv6 "+worldNamed, "64:ff9b::c000:20a ")
	wantSeenAs(t, s.lab, i.host(only), worldBy6, seenAs)
	s.lab.Eventually(20*time.Second, "it lets its user in", func() error { return i.host(dual).Do(func() error { return logIn("["+address+"]:22", key) }) })
	greet(t, i.host(only), "80")
	own := i.call("DescribeInstances", "InstanceId.1="+dual).get(set + "ipv6Address")
	wantSeenAs(t, s.lab, i.host(dual), "["+address+"]:80", own)
	i.call("RevokeSecurityGroupIngress", "GroupId="+group, "IpPermissions.1.IpProtocol=-1", "IpPermissions.1.Ipv6Ranges.1.CidrIpv6=::/0")
	wantUnreachable(t, s.lab, i.host(dual), "["+address+"]:80")
	i.call("TerminateInstances", "InstanceId.1="+only)
	i.waitForInstance(only, "terminated")
}

// createIPv6Only makes a subnet without IPv4, of the tenth /64 of a VPC's range.
func (i *installation) createIPv6Only(vpc string) (subnet string) {
	i.t.Helper()
	range6 := netip.MustParsePrefix(i.call("DescribeVpcs", "VpcId.1="+vpc).get("vpcSet/item/ipv6CidrBlockAssociationSet/item/ipv6CidrBlock"))
	part := range6.Addr().As16()
	part[7] = 9
	return i.call("CreateSubnet", "VpcId="+vpc, "Ipv6Native=true", "Ipv6CidrBlock="+netip.PrefixFrom(netip.AddrFrom16(part), 64).String()).get("subnet/subnetId")
}

// logIn enters an instance as its user.
func logIn(at string, key ssh.Signer) error {
	client, err := ssh.Dial("tcp", at, &ssh.ClientConfig{User: "root", Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: 10 * time.Second})
	if err != nil {
		return err
	}
	return client.Close()
}
