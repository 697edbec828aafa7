package acceptance

import "testing"

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
