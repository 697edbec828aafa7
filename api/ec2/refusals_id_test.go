package ec2

import (
	"net/http"
	"strings"
	"testing"

	model "causeway.dev/api/model/ec2"
)

// TestRefusedIDs names what cannot be and what is not, wherever an action takes an
// id: one of another noun's form, and one that nothing has.
func TestRefusedIDs(t *testing.T) {
	t.Parallel()
	c := newCloud(t, wideOutside)
	n := vpnFixture(c)
	n["subnet"], n["group"] = c.subnet(n["vpc"], "10.0.1.0/24"), c.group(n["vpc"], "web")
	launched := c.run(n["subnet"])
	n["igw"], n["nic"] = c.internetGateway(n["vpc"]), launched.text("instancesSet/item/networkInterfaceSet/item/networkInterfaceId")
	n["instance"] = launched.text("instancesSet/item/instanceId")
	n["eip"], _ = c.address()
	before := c.all()
	for _, row := range idRefusals {
		wrong := row.prefix + "-0123456789abcdeg0" // no hexadecimal number
		if row.prefix == "eipalloc" {
			wrong = "eipassoc-0123456789abcdef0"
		}
		for id, code := range map[string]string{wrong: row.malformed, row.prefix + "-0123456789abcdef0": row.notFound, row.prefix + "-01234567": row.notFound} {
			if code == "" {
				continue
			}
			call := n.replaceAll(splitCall(strings.ReplaceAll(row.call, "?", id)))
			if status, answer := c.send(call[0], call[1:]...); answer.text("Errors/Error/Code") != code || status != http.StatusBadRequest || !strings.Contains(answer.text("Errors/Error/Message"), id) {
				t.Errorf("%q: got %d %s (%s), want %s", call, status, answer.text("Errors/Error/Code"), answer.text("Errors/Error/Message"), code)
			}
		}
	}
	if c.all() != before {
		t.Error("refused calls have changed something")
	}
}

// splitCall splits a call that is written as a query: the action, then names and
// values by turns.
func splitCall(call string) []string {
	fields := strings.Split(call, "&")
	split := fields[:1:1]
	for _, field := range fields[1:] {
		name, value, _ := strings.Cut(field, "=")
		split = append(split, name, value)
	}
	return split
}

// idRefusals are calls with one id, "?", that would succeed or be refused for
// something else if there were what it names. The codes are those of the EC2 API
// reference ("Error codes"), or what Terraform's provider looks for where it has none.
var idRefusals = []struct{ call, prefix, malformed, notFound string }{
	{"CreateSubnetCidrReservation&SubnetId=?&ReservationType=explicit&Cidr=10.0.1.16/28", "subnet", "InvalidSubnetID.Malformed", "InvalidSubnetID.NotFound"},
	{"DeleteSubnetCidrReservation&SubnetCidrReservationId=?", "scr", "InvalidSubnetCidrReservationId.Malformed", "InvalidSubnetCidrReservationID.NotFound"},
	{"GetSubnetCidrReservations&SubnetId=?", "subnet", "InvalidSubnetID.Malformed", "InvalidSubnetID.NotFound"},
	{"CreateTags&ResourceId.1=?&Tag.1.Key=k", "scr", "", "InvalidSubnetCidrReservationID.NotFound"},
	{"DescribeManagedPrefixLists&PrefixListId.1=?", "pl", "InvalidPrefixListId.Malformed", "InvalidPrefixListID.NotFound"},
	{"DescribePrefixLists&PrefixListId.1=?", "pl", "InvalidPrefixListId.Malformed", "InvalidPrefixListID.NotFound"},
	{"GetManagedPrefixListEntries&PrefixListId=?", "pl", "InvalidPrefixListId.Malformed", "InvalidPrefixListID.NotFound"},
	{"GetManagedPrefixListAssociations&PrefixListId=?", "pl", "InvalidPrefixListId.Malformed", "InvalidPrefixListID.NotFound"},
	{"ModifyManagedPrefixList&PrefixListId=?&PrefixListName=n", "pl", "InvalidPrefixListId.Malformed", "InvalidPrefixListID.NotFound"},
	{"RestoreManagedPrefixListVersion&PrefixListId=?&CurrentVersion=1&PreviousVersion=1", "pl", "InvalidPrefixListId.Malformed", "InvalidPrefixListID.NotFound"},
	{"DeleteManagedPrefixList&PrefixListId=?", "pl", "InvalidPrefixListId.Malformed", "InvalidPrefixListID.NotFound"},
	{"DescribeDhcpOptions&DhcpOptionsId.1=?", "dopt", "InvalidDhcpOptionsId.Malformed", "InvalidDhcpOptionID.NotFound"},
	{"DeleteDhcpOptions&DhcpOptionsId=?", "dopt", "InvalidDhcpOptionsId.Malformed", "InvalidDhcpOptionID.NotFound"},
	{"AssociateDhcpOptions&DhcpOptionsId=?&VpcId={vpc}", "dopt", "InvalidDhcpOptionsId.Malformed", "InvalidDhcpOptionID.NotFound"},
	{"DescribeFlowLogs&FlowLogId.1=?", "fl", "InvalidFlowLogId.Malformed", ""},
	{"DeleteFlowLogs&FlowLogId.1=?", "fl", "InvalidFlowLogId.Malformed", "InvalidFlowLogId.NotFound"},
	{"DescribeVpcs&VpcId.1=?", "vpc", "InvalidVpcID.Malformed", "InvalidVpcID.NotFound"},
	{"DeleteVpc&VpcId=?", "vpc", "InvalidVpcID.Malformed", "InvalidVpcID.NotFound"},
	{"DescribeVpcAttribute&VpcId=?&Attribute=enableDnsSupport", "vpc", "InvalidVpcID.Malformed", "InvalidVpcID.NotFound"},
	{"ModifyVpcAttribute&VpcId=?&EnableDnsSupport.Value=true", "vpc", "InvalidVpcID.Malformed", "InvalidVpcID.NotFound"},
	{"AssociateVpcCidrBlock&VpcId=?&CidrBlock=10.1.0.0/16", "vpc", "InvalidVpcID.Malformed", "InvalidVpcID.NotFound"},
	{"DisassociateVpcCidrBlock&AssociationId=?", "vpc-cidr-assoc", "", "InvalidVpcCidrBlockAssociationID.NotFound"},
	{"CreateSubnet&VpcId=?&CidrBlock=10.0.9.0/24", "vpc", "InvalidVpcID.Malformed", "InvalidVpcID.NotFound"},
	{"DescribeSubnets&SubnetId.1=?", "subnet", "InvalidSubnetID.Malformed", "InvalidSubnetID.NotFound"},
	{"DeleteSubnet&SubnetId=?", "subnet", "InvalidSubnetID.Malformed", "InvalidSubnetID.NotFound"},
	{"ModifySubnetAttribute&SubnetId=?&MapPublicIpOnLaunch.Value=true", "subnet", "InvalidSubnetID.Malformed", "InvalidSubnetID.NotFound"},
	{"CreateRouteTable&VpcId=?", "vpc", "InvalidVpcID.Malformed", "InvalidVpcID.NotFound"},
	{"DescribeRouteTables&RouteTableId.1=?", "rtb", "InvalidRouteTableId.Malformed", "InvalidRouteTableID.NotFound"},
	{"DeleteRouteTable&RouteTableId=?", "rtb", "InvalidRouteTableId.Malformed", "InvalidRouteTableID.NotFound"},
	{"AssociateRouteTable&RouteTableId=?&SubnetId={subnet}", "rtb", "InvalidRouteTableId.Malformed", "InvalidRouteTableID.NotFound"},
	{"AssociateRouteTable&RouteTableId={rtb}&SubnetId=?", "subnet", "InvalidSubnetID.Malformed", "InvalidSubnetID.NotFound"},
	{"AssociateRouteTable&RouteTableId={rtb}&GatewayId=?", "igw", "", "InvalidGatewayID.NotFound"},
	{"DisassociateRouteTable&AssociationId=?", "rtbassoc", "", "InvalidAssociationID.NotFound"},
	{"ReplaceRouteTableAssociation&AssociationId=?&RouteTableId={rtb}", "rtbassoc", "", "InvalidAssociationID.NotFound"},
	{"CreateRoute&RouteTableId=?&DestinationCidrBlock=0.0.0.0/0&GatewayId={igw}", "rtb", "InvalidRouteTableId.Malformed", "InvalidRouteTableID.NotFound"},
	{"CreateRoute&RouteTableId={rtb}&DestinationCidrBlock=0.0.0.0/0&GatewayId=?", "igw", "", "InvalidGatewayID.NotFound"},
	{"CreateRoute&RouteTableId={rtb}&DestinationCidrBlock=0.0.0.0/0&GatewayId=?", "vgw", "", "InvalidGatewayID.NotFound"},
	{"CreateRoute&RouteTableId={rtb}&DestinationCidrBlock=0.0.0.0/0&NatGatewayId=?", "nat", "", "InvalidNatGatewayID.NotFound"},
	{"CreateRoute&RouteTableId={rtb}&DestinationCidrBlock=0.0.0.0/0&InstanceId=?", "i", "InvalidInstanceID.Malformed", "InvalidInstanceID.NotFound"},
	{"CreateRoute&RouteTableId={rtb}&DestinationCidrBlock=0.0.0.0/0&NetworkInterfaceId=?", "eni", "InvalidNetworkInterfaceId.Malformed", "InvalidNetworkInterfaceID.NotFound"},
	{"CreateRoute&RouteTableId={rtb}&DestinationCidrBlock=0.0.0.0/0&TransitGatewayId=?", "tgw", "", "InvalidTransitGatewayID.NotFound"},
	{"CreateRoute&RouteTableId={rtb}&DestinationCidrBlock=0.0.0.0/0&VpcPeeringConnectionId=?", "pcx", "", "InvalidVpcPeeringConnectionID.NotFound"},
	{"CreateRoute&RouteTableId={rtb}&DestinationPrefixListId=?&GatewayId={igw}", "pl", "", "InvalidPrefixListID.NotFound"},
	{"ReplaceRoute&RouteTableId=?&DestinationCidrBlock=0.0.0.0/0&GatewayId={igw}", "rtb", "InvalidRouteTableId.Malformed", "InvalidRouteTableID.NotFound"},
	{"DeleteRoute&RouteTableId=?&DestinationCidrBlock=0.0.0.0/0", "rtb", "InvalidRouteTableId.Malformed", "InvalidRouteTableID.NotFound"},
	{"EnableVgwRoutePropagation&RouteTableId=?&GatewayId={vgw}", "rtb", "InvalidRouteTableId.Malformed", "InvalidRouteTableID.NotFound"},
	{"DisableVgwRoutePropagation&RouteTableId={rtb}&GatewayId=?", "vgw", "InvalidVpnGatewayID.Malformed", "InvalidVpnGatewayID.NotFound"},
	{"DescribeNetworkAcls&NetworkAclId.1=?", "acl", "InvalidNetworkAclId.Malformed", "InvalidNetworkAclID.NotFound"},
	{"CreateSecurityGroup&VpcId=?&GroupName=x&GroupDescription=d", "vpc", "InvalidVpcID.Malformed", "InvalidVpcID.NotFound"},
	{"DescribeSecurityGroups&GroupId.1=?", "sg", "InvalidGroupId.Malformed", "InvalidGroup.NotFound"},
	{"DeleteSecurityGroup&GroupId=?", "sg", "InvalidGroupId.Malformed", "InvalidGroup.NotFound"},
	{"AuthorizeSecurityGroupIngress&GroupId=?&IpProtocol=-1&CidrIp=10.0.0.0/8", "sg", "InvalidGroupId.Malformed", "InvalidGroup.NotFound"},
	{"AuthorizeSecurityGroupEgress&GroupId=?&IpPermissions.1.IpProtocol=-1&IpPermissions.1.IpRanges.1.CidrIp=10.0.0.0/8", "sg", "InvalidGroupId.Malformed", "InvalidGroup.NotFound"},
	{"AuthorizeSecurityGroupIngress&GroupId={group}&IpPermissions.1.IpProtocol=-1&IpPermissions.1.Groups.1.GroupId=?", "sg", "InvalidGroupId.Malformed", "InvalidGroup.NotFound"},
	{"AuthorizeSecurityGroupIngress&GroupId={group}&IpPermissions.1.IpProtocol=-1&IpPermissions.1.PrefixListIds.1.PrefixListId=?", "pl", "", "InvalidPrefixListID.NotFound"},
	{"RevokeSecurityGroupIngress&GroupId=?&IpProtocol=-1&CidrIp=10.0.0.0/8", "sg", "InvalidGroupId.Malformed", "InvalidGroup.NotFound"},
	{"RevokeSecurityGroupEgress&GroupId=?&IpPermissions.1.IpProtocol=-1&IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0", "sg", "InvalidGroupId.Malformed", "InvalidGroup.NotFound"},
	{"RevokeSecurityGroupEgress&GroupId={group}&SecurityGroupRuleId.1=?", "sgr", "InvalidSecurityGroupRuleId.Malformed", "InvalidSecurityGroupRuleId.NotFound"},
	{"RevokeSecurityGroupIngress&GroupId={group}&SecurityGroupRuleId.1=?", "sgr", "InvalidSecurityGroupRuleId.Malformed", "InvalidSecurityGroupRuleId.NotFound"},
	{"DescribeSecurityGroupRules&SecurityGroupRuleId.1=?", "sgr", "InvalidSecurityGroupRuleId.Malformed", "InvalidSecurityGroupRuleId.NotFound"},
	{"UpdateSecurityGroupRuleDescriptionsIngress&GroupId=?&SecurityGroupRuleDescription.1.SecurityGroupRuleId=sgr-0123456789abcdef0&SecurityGroupRuleDescription.1.Description=d", "sg", "InvalidGroupId.Malformed", "InvalidGroup.NotFound"},
	{"UpdateSecurityGroupRuleDescriptionsEgress&GroupId={group}&SecurityGroupRuleDescription.1.SecurityGroupRuleId=?&SecurityGroupRuleDescription.1.Description=d", "sgr", "InvalidSecurityGroupRuleId.Malformed", "InvalidSecurityGroupRuleId.NotFound"},
	{"ModifySecurityGroupRules&GroupId=?&SecurityGroupRule.1.SecurityGroupRuleId=sgr-0123456789abcdef0&SecurityGroupRule.1.SecurityGroupRule.IpProtocol=-1&SecurityGroupRule.1.SecurityGroupRule.CidrIpv4=10.0.0.0/8", "sg", "InvalidGroupId.Malformed", "InvalidGroup.NotFound"},
	{"ModifySecurityGroupRules&GroupId={group}&SecurityGroupRule.1.SecurityGroupRuleId=?&SecurityGroupRule.1.SecurityGroupRule.IpProtocol=-1&SecurityGroupRule.1.SecurityGroupRule.CidrIpv4=10.0.0.0/8", "sgr", "InvalidSecurityGroupRuleId.Malformed", "InvalidSecurityGroupRuleId.NotFound"},
	{"RunInstances&ImageId=?&MinCount=1&MaxCount=1&SubnetId={subnet}", "ami", "InvalidAMIID.Malformed", "InvalidAMIID.NotFound"},
	{"RunInstances&ImageId=" + HostImage + "&MinCount=1&MaxCount=1&SubnetId=?", "subnet", "InvalidSubnetID.Malformed", "InvalidSubnetID.NotFound"},
	{"RunInstances&ImageId=" + HostImage + "&MinCount=1&MaxCount=1&SubnetId={subnet}&SecurityGroupId.1=?", "sg", "InvalidGroupId.Malformed", "InvalidGroup.NotFound"},
	{"TerminateInstances&InstanceId.1=?", "i", "InvalidInstanceID.Malformed", "InvalidInstanceID.NotFound"},
	{"DescribeInstances&InstanceId.1=?", "i", "InvalidInstanceID.Malformed", "InvalidInstanceID.NotFound"},
	{"DescribeInstanceStatus&InstanceId.1=?", "i", "InvalidInstanceID.Malformed", "InvalidInstanceID.NotFound"},
	{"DescribeInstanceAttribute&InstanceId=?&Attribute=userData", "i", "InvalidInstanceID.Malformed", "InvalidInstanceID.NotFound"},
	{"ModifyInstanceAttribute&InstanceId=?&SourceDestCheck.Value=false", "i", "InvalidInstanceID.Malformed", "InvalidInstanceID.NotFound"},
	{"GetConsoleOutput&InstanceId=?", "i", "InvalidInstanceID.Malformed", "InvalidInstanceID.NotFound"},
	{"DescribeImages&ImageId.1=?", "ami", "InvalidAMIID.Malformed", "InvalidAMIID.NotFound"},
	{"DescribeVolumes&VolumeId.1=?", "vol", "", "InvalidVolume.NotFound"},
	{"DescribeNetworkInterfaces&NetworkInterfaceId.1=?", "eni", "InvalidNetworkInterfaceId.Malformed", "InvalidNetworkInterfaceID.NotFound"},
	{"DescribeNetworkInterfaceAttribute&NetworkInterfaceId=?&Attribute=sourceDestCheck", "eni", "InvalidNetworkInterfaceId.Malformed", "InvalidNetworkInterfaceID.NotFound"},
	{"ModifyNetworkInterfaceAttribute&NetworkInterfaceId=?&SourceDestCheck.Value=false", "eni", "InvalidNetworkInterfaceId.Malformed", "InvalidNetworkInterfaceID.NotFound"},
	{"ModifyNetworkInterfaceAttribute&NetworkInterfaceId={nic}&SecurityGroupId.1=?", "sg", "InvalidGroupId.Malformed", "InvalidGroup.NotFound"},
	{"DeleteNetworkInterface&NetworkInterfaceId=?", "eni", "InvalidNetworkInterfaceId.Malformed", "InvalidNetworkInterfaceID.NotFound"},
	{"CreateNetworkInterface&SubnetId=?", "subnet", "InvalidSubnetID.Malformed", "InvalidSubnetID.NotFound"},
	{"CreateNetworkInterface&SubnetId={subnet}&SecurityGroupId.1=?", "sg", "InvalidGroupId.Malformed", "InvalidGroup.NotFound"},
	{"AttachNetworkInterface&NetworkInterfaceId={nic}&DeviceIndex=1&InstanceId=?", "i", "InvalidInstanceID.Malformed", "InvalidInstanceID.NotFound"},
	{"AttachNetworkInterface&NetworkInterfaceId=?&DeviceIndex=1&InstanceId={instance}", "eni", "InvalidNetworkInterfaceId.Malformed", "InvalidNetworkInterfaceID.NotFound"},
	{"CreateNetworkInterfacePermission&NetworkInterfaceId=?&AwsAccountId=999999999999&Permission=INSTANCE-ATTACH", "eni", "InvalidNetworkInterfaceId.Malformed", "InvalidNetworkInterfaceID.NotFound"},
	{"DeleteNetworkInterfacePermission&NetworkInterfacePermissionId=?", "eni-perm", "InvalidPermissionID.Malformed", "InvalidPermissionID.NotFound"},
	{"DescribeNetworkInterfacePermissions&NetworkInterfacePermissionId.1=?", "eni-perm", "InvalidPermissionID.Malformed", "InvalidPermissionID.NotFound"},
	{"ModifyInstancePlacement&InstanceId=?&Tenancy=default", "i", "InvalidInstanceID.Malformed", "InvalidInstanceID.NotFound"},
	{"ModifyInstanceCpuOptions&InstanceId=?&CoreCount=1&ThreadsPerCore=1", "i", "InvalidInstanceID.Malformed", "InvalidInstanceID.NotFound"},
	{"ResetInstanceAttribute&InstanceId=?&Attribute=sourceDestCheck", "i", "InvalidInstanceID.Malformed", "InvalidInstanceID.NotFound"},
	{"DetachNetworkInterface&AttachmentId=?", "eni-attach", "InvalidNetworkInterfaceAttachmentId.Malformed", "InvalidAttachmentID.NotFound"},
	{"AssignPrivateIpAddresses&NetworkInterfaceId=?&SecondaryPrivateIpAddressCount=1", "eni", "InvalidNetworkInterfaceId.Malformed", "InvalidNetworkInterfaceID.NotFound"},
	{"UnassignPrivateIpAddresses&NetworkInterfaceId=?&PrivateIpAddress.1=10.0.1.9", "eni", "InvalidNetworkInterfaceId.Malformed", "InvalidNetworkInterfaceID.NotFound"},
	{"ResetNetworkInterfaceAttribute&NetworkInterfaceId=?&SourceDestCheck=true", "eni", "InvalidNetworkInterfaceId.Malformed", "InvalidNetworkInterfaceID.NotFound"},
	{"ModifyNetworkInterfaceAttribute&NetworkInterfaceId={nic}&Attachment.DeleteOnTermination=true&Attachment.AttachmentId=?", "eni-attach", "InvalidNetworkInterfaceAttachmentId.Malformed", "InvalidAttachmentID.NotFound"},
	{"RunInstances&ImageId=" + HostImage + "&MinCount=1&MaxCount=1&NetworkInterface.1.DeviceIndex=0&NetworkInterface.1.NetworkInterfaceId=?", "eni", "InvalidNetworkInterfaceId.Malformed", "InvalidNetworkInterfaceID.NotFound"},
	{"DescribeInternetGateways&InternetGatewayId.1=?", "igw", "InvalidInternetGatewayId.Malformed", "InvalidInternetGatewayID.NotFound"},
	{"DeleteInternetGateway&InternetGatewayId=?", "igw", "InvalidInternetGatewayId.Malformed", "InvalidInternetGatewayID.NotFound"},
	{"AttachInternetGateway&InternetGatewayId=?&VpcId={vpc}", "igw", "InvalidInternetGatewayId.Malformed", "InvalidInternetGatewayID.NotFound"},
	{"DetachInternetGateway&InternetGatewayId=?&VpcId={vpc}", "igw", "InvalidInternetGatewayId.Malformed", "InvalidInternetGatewayID.NotFound"},
	{"DetachInternetGateway&InternetGatewayId={igw}&VpcId=?", "vpc", "InvalidVpcID.Malformed", "InvalidVpcID.NotFound"},
	{"CreateEgressOnlyInternetGateway&VpcId=?", "vpc", "InvalidVpcID.Malformed", "InvalidVpcID.NotFound"},
	{"DescribeEgressOnlyInternetGateways&EgressOnlyInternetGatewayId.1=?", "eigw", "InvalidEgressOnlyInternetGatewayId.Malformed", ""},
	{"DeleteEgressOnlyInternetGateway&EgressOnlyInternetGatewayId=?", "eigw", "InvalidEgressOnlyInternetGatewayId.Malformed", "InvalidGatewayID.NotFound"},
	{"CreateVpcBlockPublicAccessExclusion&InternetGatewayExclusionMode=allow-egress&VpcId=?", "vpc", "InvalidVpcID.Malformed", "InvalidVpcID.NotFound"},
	{"CreateVpcBlockPublicAccessExclusion&InternetGatewayExclusionMode=allow-egress&SubnetId=?", "subnet", "InvalidSubnetID.Malformed", "InvalidSubnetID.NotFound"},
	{"ModifyVpcBlockPublicAccessExclusion&InternetGatewayExclusionMode=allow-egress&ExclusionId=?", "vpcbpa-exclude", "InvalidVpcBlockPublicAccessExclusionId.Malformed", "InvalidVpcBlockPublicAccessExclusionId.NotFound"},
	{"DeleteVpcBlockPublicAccessExclusion&ExclusionId=?", "vpcbpa-exclude", "InvalidVpcBlockPublicAccessExclusionId.Malformed", "InvalidVpcBlockPublicAccessExclusionId.NotFound"},
	{"DescribeVpcBlockPublicAccessExclusions&ExclusionId.1=?", "vpcbpa-exclude", "InvalidVpcBlockPublicAccessExclusionId.Malformed", "InvalidVpcBlockPublicAccessExclusionId.NotFound"},
	{"DescribeAddresses&AllocationId.1=?", "eipalloc", "InvalidAllocationID.NotFound", "InvalidAllocationID.NotFound"},
	{"DescribeAddressesAttribute&AllocationId.1=?", "eipalloc", "InvalidAllocationID.NotFound", "InvalidAllocationID.NotFound"},
	{"ReleaseAddress&AllocationId=?", "eipalloc", "InvalidAllocationID.NotFound", "InvalidAllocationID.NotFound"},
	{"AssociateAddress&AllocationId=?&NetworkInterfaceId={nic}", "eipalloc", "InvalidAllocationID.NotFound", "InvalidAllocationID.NotFound"},
	{"AssociateAddress&AllocationId={eip}&NetworkInterfaceId=?", "eni", "InvalidNetworkInterfaceId.Malformed", "InvalidNetworkInterfaceID.NotFound"},
	{"AssociateAddress&AllocationId={eip}&InstanceId=?", "i", "InvalidInstanceID.Malformed", "InvalidInstanceID.NotFound"},
	{"DisassociateAddress&AssociationId=?", "eipassoc", "InvalidAssociationID.NotFound", "InvalidAssociationID.NotFound"},
	{"CreateNatGateway&SubnetId=?&AllocationId={eip}", "subnet", "InvalidSubnetID.Malformed", "InvalidSubnetID.NotFound"},
	{"CreateNatGateway&SubnetId={subnet}&AllocationId=?", "eipalloc", "InvalidAllocationID.NotFound", "InvalidAllocationID.NotFound"},
	{"DescribeNatGateways&NatGatewayId.1=?", "nat", "NatGatewayMalformed", "NatGatewayNotFound"},
	{"DeleteNatGateway&NatGatewayId=?", "nat", "NatGatewayMalformed", "NatGatewayNotFound"},
	{"DescribeCustomerGateways&CustomerGatewayId.1=?", "cgw", "InvalidCustomerGatewayId.Malformed", "InvalidCustomerGatewayID.NotFound"},
	{"DeleteCustomerGateway&CustomerGatewayId=?", "cgw", "InvalidCustomerGatewayId.Malformed", "InvalidCustomerGatewayID.NotFound"},
	{"DescribeVpnGateways&VpnGatewayId.1=?", "vgw", "InvalidVpnGatewayID.Malformed", "InvalidVpnGatewayID.NotFound"},
	{"DeleteVpnGateway&VpnGatewayId=?", "vgw", "InvalidVpnGatewayID.Malformed", "InvalidVpnGatewayID.NotFound"},
	{"AttachVpnGateway&VpnGatewayId=?&VpcId={other}", "vgw", "InvalidVpnGatewayID.Malformed", "InvalidVpnGatewayID.NotFound"},
	{"AttachVpnGateway&VpnGatewayId={free}&VpcId=?", "vpc", "InvalidVpcID.Malformed", "InvalidVpcID.NotFound"},
	{"DetachVpnGateway&VpnGatewayId=?&VpcId={vpc}", "vgw", "InvalidVpnGatewayID.Malformed", "InvalidVpnGatewayID.NotFound"},
	{"CreateVpnConnection&Type=ipsec.1&CustomerGatewayId=?&VpnGatewayId={free}&Options.StaticRoutesOnly=true", "cgw", "InvalidCustomerGatewayId.Malformed", "InvalidCustomerGatewayID.NotFound"},
	{"CreateVpnConnection&Type=ipsec.1&CustomerGatewayId={cgw}&VpnGatewayId=?&Options.StaticRoutesOnly=true", "vgw", "InvalidVpnGatewayID.Malformed", "InvalidVpnGatewayID.NotFound"},
	{"DescribeVpnConnections&VpnConnectionId.1=?", "vpn", "InvalidVpnConnectionID.Malformed", "InvalidVpnConnectionID.NotFound"},
	{"DeleteVpnConnection&VpnConnectionId=?", "vpn", "InvalidVpnConnectionID.Malformed", "InvalidVpnConnectionID.NotFound"},
	{"ModifyVpnConnection&VpnConnectionId=?&VpnGatewayId={free}", "vpn", "InvalidVpnConnectionID.Malformed", "InvalidVpnConnectionID.NotFound"},
	{"ModifyVpnConnection&VpnConnectionId={vpn}&VpnGatewayId=?", "vgw", "InvalidVpnGatewayID.Malformed", "InvalidVpnGatewayID.NotFound"},
	{"ModifyVpnConnection&VpnConnectionId={vpn}&CustomerGatewayId=?", "cgw", "InvalidCustomerGatewayId.Malformed", "InvalidCustomerGatewayID.NotFound"},
	{"ModifyVpnConnectionOptions&VpnConnectionId=?&LocalIpv4NetworkCidr=10.0.0.0/8", "vpn", "InvalidVpnConnectionID.Malformed", "InvalidVpnConnectionID.NotFound"},
	{"ModifyVpnTunnelOptions&VpnConnectionId=?&VpnTunnelOutsideIpAddress={outside}&TunnelOptions.DPDTimeoutSeconds=40", "vpn", "InvalidVpnConnectionID.Malformed", "InvalidVpnConnectionID.NotFound"},
	{"ModifyVpnTunnelCertificate&VpnConnectionId=?&VpnTunnelOutsideIpAddress={outside}", "vpn", "InvalidVpnConnectionID.Malformed", "InvalidVpnConnectionID.NotFound"},
	{"ReplaceVpnTunnel&VpnConnectionId=?&VpnTunnelOutsideIpAddress={outside}", "vpn", "InvalidVpnConnectionID.Malformed", "InvalidVpnConnectionID.NotFound"},
	{"GetVpnTunnelReplacementStatus&VpnConnectionId=?&VpnTunnelOutsideIpAddress={outside}", "vpn", "InvalidVpnConnectionID.Malformed", "InvalidVpnConnectionID.NotFound"},
	{"GetActiveVpnTunnelStatus&VpnConnectionId=?&VpnTunnelOutsideIpAddress={outside}", "vpn", "InvalidVpnConnectionID.Malformed", "InvalidVpnConnectionID.NotFound"},
	{"GetVpnConnectionDeviceSampleConfiguration&VpnConnectionId=?&VpnConnectionDeviceTypeId={device}", "vpn", "InvalidVpnConnectionID.Malformed", "InvalidVpnConnectionID.NotFound"},
	{"CreateVpnConnectionRoute&VpnConnectionId=?&DestinationCidrBlock=192.168.0.0/16", "vpn", "InvalidVpnConnectionID.Malformed", "InvalidVpnConnectionID.NotFound"},
	{"DeleteVpnConnectionRoute&VpnConnectionId=?&DestinationCidrBlock=192.168.0.0/16", "vpn", "InvalidVpnConnectionID.Malformed", "InvalidVpnConnectionID.NotFound"},
	{"CreateTags&ResourceId.1=?&Tag.1.Key=k", "vpc", "", "InvalidVpcID.NotFound"},
	{"CreateTags&ResourceId.1=?&Tag.1.Key=k", "eni", "", "InvalidNetworkInterfaceID.NotFound"},
	{"CreateTags&ResourceId.1=?&Tag.1.Key=k", "vpn", "", "InvalidVpnConnectionID.NotFound"},
	{"DeleteTags&ResourceId.1=?&Tag.1.Key=k", "subnet", "", "InvalidSubnetID.NotFound"},
}

// TestRefusedQueries asks every Describe for filters and pages that it does not
// have.
func TestRefusedQueries(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	for _, row := range queryRefusals() {
		call := splitCall(row.call)
		status, answer := c.send(call[0], call[1:]...)
		if code := answer.text("Errors/Error/Code"); code != row.code || status != http.StatusBadRequest {
			t.Errorf("%.80s: got %d %s (%s), want %s", row.call, status, code, answer.text("Errors/Error/Message"), row.code)
		}
	}
}

// neededFor is what actions need to look at the rest.
var neededFor = map[string]string{
	"GetManagedPrefixListAssociations": "&PrefixListId=pl-01234567", "GetManagedPrefixListEntries": "&PrefixListId=pl-01234567",
	"DescribeStaleSecurityGroups": "&VpcId=vpc-01234567", "GetSecurityGroupsForVpc": "&VpcId=vpc-01234567", "GetSubnetCidrReservations": "&SubnetId=subnet-01234567",
}

// queryRefusals are made from what AWS's model says of the actions that are built.
func queryRefusals() (rows []struct{ code, call string }) {
	add := func(code, call string) { rows = append(rows, struct{ code, call string }{code, call}) }
	for action := range New(Config{Store: testStore}).Server().Actions {
		m := model.Actions[action]
		action += neededFor[action]
		if len(m.Filters) > 0 {
			add("InvalidFilter", action+"&Filter.1.Name=colour&Filter.1.Value.1=red")
			add("InvalidParameterValue", action+"&Filter.1.Name="+m.Filters[0])
			add("FilterLimitExceeded", action+"&Filter.1.Name="+m.Filters[0]+valuesOfFilter(201))
		}
		if m.Paged {
			add("InvalidNextToken", action+"&NextToken=bogus")
			add("InvalidParameterValue", action+"&MaxResults=-1")
			add("InvalidParameterValue", action+"&MaxResults=2147483647")
			add("InvalidParameterValue", action+"&MaxResults=many")
		}
	}
	return rows
}

// TestRefusalsAreMany counts the refused calls of all tables, and looks for
// actions that no table calls.
func TestRefusalsAreMany(t *testing.T) {
	t.Parallel()
	var calls []string
	for _, table := range [][]struct{ code, call string }{refusals, moreRefusals, gatewayRefusals, ipv6Refusals, dhcpRefusals, prefixListRefusals, listUseRefusals, instanceRefusals, instanceProfileRefusals, unusedRefusals, publicAccessRefusals, reservationRefusals, queryRefusals()} {
		for _, row := range table {
			calls = append(calls, row.call)
		}
	}
	for _, row := range vpnRefusals() {
		calls = append(calls, row.action)
	}
	for _, row := range idRefusals {
		calls = append(calls, row.call)
	}
	if len(calls) < 400 {
		t.Errorf("there are %d refused calls, want 400", len(calls))
	}
	refused := map[string]bool{}
	for _, call := range calls {
		action, _, _ := strings.Cut(call, "&")
		refused[action] = true
	}
	for action := range New(Config{Store: testStore}).Server().Actions {
		if !refused[action] {
			t.Errorf("no table has a refused call of %s", action)
		}
	}
}
