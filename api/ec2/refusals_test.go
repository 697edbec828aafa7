package ec2

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestRefusals makes calls that are malformed or forbidden, against a small
// network that is there all the time. A call is written as a query: the action,
// then its parameters, with names of the network's parts in braces.
func TestRefusals(t *testing.T) {
	t.Parallel()
	c := newCloud(t, func(cfg *Config) {
		cfg.Limits = Limits{VPCs: 2, SubnetsPerVPC: 3, RouteTablesPerVPC: 3, RoutesPerRouteTable: 2, SecurityGroups: 6, SecurityGroupsPerInterface: 2}
	})
	vpc, far := c.vpc("10.0.0.0/16"), c.vpc("10.0.0.0/16")
	subnet := c.subnet(vpc, "10.0.1.0/24")
	c.subnet(vpc, "10.0.2.0/24")
	otherZone := c.call("CreateSubnet", "VpcId", vpc, "CidrBlock", "10.0.3.0/24", "AvailabilityZone", "us-east-1b").text("subnet/subnetId")
	farSubnet := c.subnet(far, "10.0.1.0/24")
	named := c.group(vpc, "named") // by a rule
	group, second, farGroup := c.group(vpc, "web"), c.group(vpc, "Admin"), c.group(far, "web")
	table := c.call("CreateRouteTable", "VpcId", vpc).text("routeTable/routeTableId")
	c.call("CreateRouteTable", "VpcId", vpc)
	gateway, farGateway := c.attachedGateway(vpc), c.attachedGateway(far)
	c.call("CreateRoute", "RouteTableId", table, "DestinationCidrBlock", "192.168.0.0/16", "GatewayId", gateway)
	c.call("CreateRoute", "RouteTableId", table, "DestinationCidrBlock", "172.16.0.0/16", "GatewayId", gateway)
	instance, farInstance := c.instance(subnet), c.instance(farSubnet)
	ended := c.instance(subnet)
	c.call("TerminateInstances", "InstanceId.1", ended)
	association := c.call("DescribeVpcs", "VpcId.1", vpc).text("vpcSet/item/cidrBlockAssociationSet/item/associationId")
	acls, farACLs := c.call("DescribeNetworkAcls", filter("1", "vpc-id", vpc)...), c.call("DescribeNetworkAcls", filter("1", "vpc-id", far)...)
	many := c.call("CreateNetworkInterface", "SubnetId", subnet, "SecondaryPrivateIpAddressCount", "4")
	allocation, _ := c.address()
	names := strings.NewReplacer(
		"{spare}", c.networkInterface(subnet), "{otherZone}", c.networkInterface(otherZone), "{allocation}", allocation,
		"{many}", many.text("networkInterface/networkInterfaceId"), "{manySecondary}", many.all("networkInterface/privateIpAddressesSet/item")[1].text("privateIpAddress"),
		"{primary}", c.call("DescribeNetworkInterfaces", filter("1", "attachment.instance-id", instance)...).text("networkInterfaceSet/item/attachment/attachmentId"),
		"{acl}", acls.text("networkAclSet/item/networkAclId"), "{farACL}", farACLs.text("networkAclSet/item/networkAclId"),
		"{guard}", acls.text("networkAclSet/item/associationSet/item/networkAclAssociationId"),
		"{vpc}", vpc, "{far}", far, "{subnet}", subnet, "{farSubnet}", farSubnet, "{group}", group, "{second}", second, "{farGroup}", farGroup,
		"{default}", c.call("DescribeSecurityGroups", append(filter("1", "vpc-id", vpc), filter("2", "group-name", "default")...)...).text("securityGroupInfo/item/groupId"),
		"{table}", table, "{main}", c.mainRouteTable(vpc), "{farTable}", c.mainRouteTable(far), "{gateway}", gateway, "{farGateway}", farGateway,
		"{instance}", instance, "{farInstance}", farInstance, "{ended}", ended, "{association}", association, "{named}", named, "{mainAssociation}", c.call("DescribeRouteTables", "RouteTableId.1", c.mainRouteTable(vpc)).text("routeTableSet/item/associationSet/item/routeTableAssociationId"), "{ami}", HostImage,
		"{nic}", c.call("DescribeNetworkInterfaces", filter("1", "attachment.instance-id", instance)...).text("networkInterfaceSet/item/networkInterfaceId"),
		"{rule}", c.call("DescribeSecurityGroupRules", filter("1", "group-id", group)...).text("securityGroupRuleSet/item/securityGroupRuleId"),
		"{long}", strings.Repeat("x", 256), "{big}", base64.StdEncoding.EncodeToString(make([]byte, 16*1024+1)),
	)
	c.call("AuthorizeSecurityGroupIngress", "GroupId", second, "IpPermissions.1.IpProtocol", "-1", "IpPermissions.1.Groups.1.GroupId", named)
	before := c.all()
	for _, row := range slices.Concat(refusals, moreRefusals) {
		t.Run(row.code+" "+row.call, func(t *testing.T) {
			call := splitCall(names.Replace(row.call))
			status, answer := c.send(call[0], call[1:]...)
			if code := answer.text("Errors/Error/Code"); code != row.code || status != http.StatusBadRequest {
				t.Errorf("got %d %s: %s", status, code, answer.text("Errors/Error/Message"))
			}
			if len(answer.text("Errors/Error/Message")) < 20 {
				t.Errorf("the message is %q", answer.text("Errors/Error/Message"))
			}
		})
	}
	if after := c.all(); after != before {
		t.Errorf("refused calls have changed something:\n%s\n%s", before, after)
	}
}

// launchOf is a launch that lacks its network interfaces.
const launchOf = "RunInstances&ImageId={ami}&MinCount=1&MaxCount=1"

// run is a launch that would succeed, but for what is added.
const run = launchOf + "&SubnetId={subnet}"

// toGroup and toFiles are flow logs that would be made, but for what is added.
const (
	toGroup = "CreateFlowLogs&ResourceType=VPC&ResourceId.1={vpc}&TrafficType=ALL&LogGroupName=g&DeliverLogsPermissionArn=arn:aws:iam::1:role/r"
	toFiles = "CreateFlowLogs&ResourceType=VPC&ResourceId.1={vpc}&TrafficType=ALL&LogDestinationType=s3&LogDestination=arn:aws:s3:::bucket"
)

var refusals = []struct{ code, call string }{
	// Flow logs
	{"MissingParameter", "CreateFlowLogs&ResourceId.1={vpc}&TrafficType=ALL"},
	{"MissingParameter", "CreateFlowLogs&ResourceType=VPC&TrafficType=ALL&LogGroupName=g"},
	{"MissingParameter", "CreateFlowLogs&ResourceType=VPC&ResourceId.1={vpc}&LogGroupName=g"},
	{"InvalidParameterValue", toGroup + "&ResourceType=Vpc"},
	{"InvalidParameterValue", toGroup + "&TrafficType=NONE"},
	{"InvalidParameterValue", toGroup + "&LogDestinationType=file"},
	{"UnsupportedOperation", toGroup + "&ResourceType=TransitGateway"},
	{"UnsupportedOperation", toGroup + "&LogDestinationType=kinesis-data-firehose"},
	{"UnsupportedOperation", toGroup + "&DeliverCrossAccountRole=arn:aws:iam::1:role/r"},
	{"UnsupportedOperation", toFiles + "&DestinationOptions.FileFormat=parquet"},
	{"InvalidParameter", toGroup + "&MaxAggregationInterval=61"},
	{"InvalidParameter", toGroup + "&LogFormat=${packet}"},
	{"InvalidParameter", toGroup + "&LogFormat=version"},
	{"InvalidParameter", toGroup + "&DeliverLogsPermissionArn="},
	{"InvalidParameter", toGroup + "&LogGroupName="},
	{"InvalidParameter", toGroup + "&LogGroupName=a:b"},
	{"InvalidParameter", toGroup + "&LogDestination=arn:aws:logs:us-east-1:1:log-group:g"},
	{"InvalidParameter", toGroup + "&LogGroupName=&LogDestination=arn:aws:logs:us-east-1:000000000000:log-group:g"},
	{"InvalidParameter", toGroup + "&LogGroupName=&LogDestination=g"},
	{"InvalidParameter", toGroup + "&DestinationOptions.PerHourPartition=true"},
	{"InvalidParameter", toFiles + "&DeliverLogsPermissionArn=arn:aws:iam::1:role/r"},
	{"InvalidParameter", toFiles + "&LogGroupName=g"},
	{"InvalidParameter", toFiles + "&LogDestination="},
	{"InvalidParameter", toFiles + "/../other"},
	{"InvalidParameterValue", toFiles + "&TagSpecification.1.ResourceType=vpc"},
	// VPCs
	{"MissingParameter", "CreateVpc"},
	{"InvalidParameterValue", "CreateVpc&CidrBlock=10.0.0.0"},
	{"InvalidParameterValue", "CreateVpc&CidrBlock=10.0.0.0/33"},
	{"InvalidParameterValue", "CreateVpc&CidrBlock=fd00::/64"},
	{"InvalidParameterValue", "CreateVpc&CidrBlock=010.0.0.0/16"},
	{"InvalidVpc.Range", "CreateVpc&CidrBlock=10.0.0.0/15"},
	{"InvalidVpc.Range", "CreateVpc&CidrBlock=10.0.0.0/29"},
	{"InvalidVpc.Range", "CreateVpc&CidrBlock=127.0.0.0/16"},
	{"InvalidVpc.Range", "CreateVpc&CidrBlock=169.254.0.0/24"},
	{"InvalidVpc.Range", "CreateVpc&CidrBlock=224.0.0.0/16"},
	{"InvalidParameterValue", "CreateVpc&CidrBlock=10.0.0.0/16&InstanceTenancy=shared"},
	{"UnsupportedOperation", "CreateVpc&CidrBlock=10.0.0.0/16&InstanceTenancy=dedicated"},
	{"InvalidParameterValue", "CreateVpc&CidrBlock=10.0.0.0/16&TagSpecification.1.ResourceType=subnet&TagSpecification.1.Tag.1.Key=k"},
	{"InvalidParameterValue", "CreateVpc&CidrBlock=10.0.0.0/16&TagSpecification.1.ResourceType=vpc&TagSpecification.1.Tag.1.Key=aws:k"},
	{"InvalidParameterValue", "CreateVpc&CidrBlock=10.0.0.0/16&TagSpecification.1.ResourceType=vpc&TagSpecification.1.Tag.1.Key=k&TagSpecification.1.Tag.2.Key=k"},
	{"VpcLimitExceeded", "CreateVpc&CidrBlock=10.0.0.0/16"},
	{"MissingParameter", "DeleteVpc"},
	{"InvalidVpcID.Malformed", "DeleteVpc&VpcId=subnet-00000000000000000"},
	{"InvalidVpcID.Malformed", "DescribeVpcs&VpcId.1=vpc-XYZ"},
	{"InvalidVpcID.NotFound", "DeleteVpc&VpcId=vpc-00000000000000000"},
	{"InvalidVpcID.NotFound", "DescribeVpcs&VpcId.1={vpc}&VpcId.2=vpc-12345678"},
	{"DependencyViolation", "DeleteVpc&VpcId={vpc}"},
	{"MissingParameter", "ModifyVpcAttribute&VpcId={vpc}"},
	{"InvalidParameterCombination", "ModifyVpcAttribute&VpcId={vpc}&EnableDnsSupport.Value=true&EnableDnsHostnames.Value=true"},
	{"InvalidParameterValue", "DescribeVpcAttribute&VpcId={vpc}&Attribute=mood"},
	{"InvalidVpc.Range", "AssociateVpcCidrBlock&VpcId={vpc}&CidrBlock=10.0.128.0/17"},
	{"InvalidVpc.Range", "AssociateVpcCidrBlock&VpcId={vpc}&CidrBlock=192.168.0.0/16"},
	{"OperationNotPermitted", "DisassociateVpcCidrBlock&AssociationId={association}"},

	// Subnets
	{"MissingParameter", "CreateSubnet&VpcId={vpc}"},
	{"InvalidVpcID.NotFound", "CreateSubnet&VpcId=vpc-00000000000000000&CidrBlock=10.0.4.0/24"},
	{"InvalidParameterValue", "CreateSubnet&VpcId={vpc}&CidrBlock=10.0.4.0/"},
	{"InvalidSubnet.Range", "CreateSubnet&VpcId={vpc}&CidrBlock=10.0.4.0/29"},
	{"InvalidSubnet.Range", "CreateSubnet&VpcId={vpc}&CidrBlock=10.1.0.0/24"},
	{"InvalidSubnet.Range", "CreateSubnet&VpcId={vpc}&CidrBlock=10.0.0.0/15"},
	{"InvalidSubnet.Conflict", "CreateSubnet&VpcId={vpc}&CidrBlock=10.0.1.128/25"},
	{"InvalidSubnet.Conflict", "CreateSubnet&VpcId={vpc}&CidrBlock=10.0.0.0/16"},
	{"InvalidParameterValue", "CreateSubnet&VpcId={vpc}&CidrBlock=10.0.4.0/24&AvailabilityZone=eu-west-1a"},
	{"InvalidParameterCombination", "CreateSubnet&VpcId={vpc}&CidrBlock=10.0.4.0/24&AvailabilityZone=us-east-1a&AvailabilityZoneId=use1-az1"},
	{"SubnetLimitExceeded", "CreateSubnet&VpcId={vpc}&CidrBlock=10.0.4.0/24"},
	{"InvalidParameterCombination", "ModifySubnetAttribute&SubnetId={subnet}"},
	{"InvalidParameterCombination", "ModifyInstanceAttribute&InstanceId={instance}"},
	{"InvalidParameterCombination", "ModifyNetworkInterfaceAttribute&NetworkInterfaceId={nic}"},
	{"InvalidSubnetID.Malformed", "DeleteSubnet&SubnetId=10.0.1.0/24"},
	{"InvalidSubnetID.NotFound", "DeleteSubnet&SubnetId=subnet-00000000000000000"},
	{"DependencyViolation", "DeleteSubnet&SubnetId={subnet}"},

	// Route tables and routes
	{"InvalidRouteTableID.NotFound", "DescribeRouteTables&RouteTableId.1=rtb-00000000000000000"},
	{"InvalidRouteTableId.Malformed", "DeleteRouteTable&RouteTableId=main"},
	{"DependencyViolation", "DeleteRouteTable&RouteTableId={main}"},
	{"RouteTableLimitExceeded", "CreateRouteTable&VpcId={vpc}"},
	{"InvalidParameterValue", "CreateRouteTable&VpcId={vpc}&ClientToken={long}"},
	{"MissingParameter", "AssociateRouteTable&RouteTableId={table}"},
	{"InvalidParameterValue", "AssociateRouteTable&RouteTableId={table}&SubnetId={farSubnet}"},
	{"InvalidAssociationID.NotFound", "DisassociateRouteTable&AssociationId=rtbassoc-00000000000000000"},
	{"MissingParameter", "CreateRoute&RouteTableId={main}&GatewayId={gateway}"},
	{"MissingParameter", "CreateRoute&RouteTableId={main}&DestinationCidrBlock=192.168.0.0/16"},
	{"InvalidParameterCombination", "CreateRoute&RouteTableId={main}&DestinationCidrBlock=192.168.0.0/16&GatewayId={gateway}&InstanceId={instance}"},
	{"InvalidParameterValue", "CreateRoute&RouteTableId={main}&DestinationCidrBlock=192.168.0.0/40&GatewayId={gateway}"},
	{"InvalidGatewayID.NotFound", "CreateRoute&RouteTableId={main}&DestinationCidrBlock=0.0.0.0/0&GatewayId=igw-00000000000000000"},
	{"InvalidNatGatewayID.NotFound", "CreateRoute&RouteTableId={main}&DestinationCidrBlock=0.0.0.0/0&NatGatewayId=nat-00000000000000000"},
	{"InvalidTransitGatewayID.NotFound", "CreateRoute&RouteTableId={main}&DestinationCidrBlock=0.0.0.0/0&TransitGatewayId=tgw-00000000000000000"},
	{"InvalidParameterValue", "CreateRoute&RouteTableId={main}&DestinationCidrBlock=192.168.0.0/16&GatewayId={farGateway}"},
	{"InvalidParameterValue", "CreateRoute&RouteTableId={main}&DestinationCidrBlock=192.168.0.0/16&InstanceId={farInstance}"},
	{"IncorrectInstanceState", "CreateRoute&RouteTableId={main}&DestinationCidrBlock=192.168.0.0/16&InstanceId={ended}"},
	{"InvalidNetworkInterfaceID.NotFound", "CreateRoute&RouteTableId={main}&DestinationCidrBlock=192.168.0.0/16&NetworkInterfaceId=eni-00000000000000000"},
	{"RouteAlreadyExists", "CreateRoute&RouteTableId={table}&DestinationCidrBlock=192.168.0.0/16&GatewayId={gateway}"},
	{"RouteAlreadyExists", "CreateRoute&RouteTableId={main}&DestinationCidrBlock=10.0.0.0/16&GatewayId={gateway}"},
	{"InvalidParameterValue", "CreateRoute&RouteTableId={main}&DestinationCidrBlock=10.0.1.0/25&InstanceId={instance}"},
	{"RouteLimitExceeded", "CreateRoute&RouteTableId={table}&DestinationCidrBlock=172.17.0.0/16&GatewayId={gateway}"},
	{"InvalidParameterValue", "ReplaceRoute&RouteTableId={main}&DestinationCidrBlock=192.168.0.0/16&GatewayId={gateway}"},
	{"InvalidParameterValue", "DeleteRoute&RouteTableId={main}&DestinationCidrBlock=10.0.0.0/16"},
	{"InvalidRoute.NotFound", "DeleteRoute&RouteTableId={main}&DestinationCidrBlock=192.168.0.0/16"},

	// Security groups
	{"VPCIdNotSpecified", "CreateSecurityGroup&GroupName=x&GroupDescription=d"},
	{"MissingParameter", "CreateSecurityGroup&VpcId={vpc}&GroupName=x"},
	{"InvalidParameterValue", "CreateSecurityGroup&VpcId={vpc}&GroupName=sg-x&GroupDescription=d"},
	{"InvalidParameterValue", "CreateSecurityGroup&VpcId={vpc}&GroupName={long}&GroupDescription=d"},
	{"InvalidParameterValue", "CreateSecurityGroup&VpcId={vpc}&GroupName=Default&GroupDescription=d"},
	{"InvalidParameterValue", "CreateSecurityGroup&VpcId={vpc}&GroupName=x&GroupDescription=für"},
	{"InvalidGroup.Duplicate", "CreateSecurityGroup&VpcId={vpc}&GroupName=admin&GroupDescription=d"},
	{"SecurityGroupLimitExceeded", "CreateSecurityGroup&VpcId={vpc}&GroupName=x&GroupDescription=d"},
	{"MissingParameter", "DeleteSecurityGroup"},
	{"InvalidGroup.NotFound", "DeleteSecurityGroup&GroupId=sg-00000000000000000"},
	{"InvalidGroupId.Malformed", "DescribeSecurityGroups&GroupId.1=web"},
	{"CannotDelete", "DeleteSecurityGroup&GroupId={default}"},
	{"MissingParameter", "AuthorizeSecurityGroupIngress&GroupId={group}"},
	{"MissingParameter", "AuthorizeSecurityGroupIngress&GroupId={group}&IpPermissions.1.IpProtocol=-1"},
	{"InvalidParameterValue", "AuthorizeSecurityGroupIngress&GroupId={group}&IpProtocol=tls&FromPort=1&ToPort=1&CidrIp=10.0.0.0/8"},
	{"InvalidParameterValue", "AuthorizeSecurityGroupIngress&GroupId={group}&IpProtocol=256&CidrIp=10.0.0.0/8"},
	{"InvalidParameterValue", "AuthorizeSecurityGroupIngress&GroupId={group}&IpProtocol=tcp&CidrIp=10.0.0.0/8"},
	{"InvalidParameterValue", "AuthorizeSecurityGroupIngress&GroupId={group}&IpProtocol=tcp&FromPort=443&ToPort=80&CidrIp=10.0.0.0/8"},
	{"InvalidParameterValue", "AuthorizeSecurityGroupIngress&GroupId={group}&IpProtocol=udp&FromPort=0&ToPort=65536&CidrIp=10.0.0.0/8"},
	{"InvalidParameterValue", "AuthorizeSecurityGroupIngress&GroupId={group}&IpProtocol=icmp&FromPort=-1&ToPort=0&CidrIp=10.0.0.0/8"},
	{"InvalidParameterValue", "AuthorizeSecurityGroupIngress&GroupId={group}&IpProtocol=tcp&FromPort=22&ToPort=22&CidrIp=10.0.0.0/64"},
	{"InvalidParameterValue", "AuthorizeSecurityGroupIngress&GroupId={group}&IpPermissions.1.IpProtocol=-1&IpPermissions.1.Ipv6Ranges.1.CidrIpv6=10.0.0.0/8"},
	{"InvalidParameterValue", "AuthorizeSecurityGroupIngress&GroupId={group}&IpPermissions.1.IpProtocol=6&IpPermissions.1.FromPort=1&IpPermissions.1.ToPort=1&IpPermissions.1.IpRanges.1.CidrIp=10.0.0.0/8&IpPermissions.1.IpRanges.2.CidrIp=10.1.0.0/8"},
	{"InvalidParameterCombination", "AuthorizeSecurityGroupIngress&GroupId={group}&IpProtocol=-1&CidrIp=10.0.0.0/8&IpPermissions.1.IpProtocol=-1"},
	{"InvalidGroup.NotFound", "AuthorizeSecurityGroupIngress&GroupId={group}&IpPermissions.1.IpProtocol=-1&IpPermissions.1.Groups.1.GroupId={farGroup}"},
	{"InvalidPrefixListID.NotFound", "AuthorizeSecurityGroupEgress&GroupId={group}&IpPermissions.1.IpProtocol=-1&IpPermissions.1.PrefixListIds.1.PrefixListId=pl-00000000000000000"},
	{"InvalidPermission.Duplicate", "AuthorizeSecurityGroupEgress&GroupId={group}&IpPermissions.1.IpProtocol=-1&IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0"},
	{"InvalidPermission.NotFound", "RevokeSecurityGroupIngress&GroupId={group}&IpProtocol=-1&CidrIp=0.0.0.0/0"},
	{"InvalidSecurityGroupRuleId.NotFound", "RevokeSecurityGroupIngress&GroupId={group}&SecurityGroupRuleId.1={rule}"}, // it is an outbound one
	{"InvalidSecurityGroupRuleId.Malformed", "RevokeSecurityGroupEgress&GroupId={group}&SecurityGroupRuleId.1=sg-1"},
	{"InvalidParameterValue", "UpdateSecurityGroupRuleDescriptionsEgress&GroupId={group}&SecurityGroupRuleDescription.1.SecurityGroupRuleId={rule}&SecurityGroupRuleDescription.1.Description={long}"},

	// Instances
	{"MissingParameter", "RunInstances&ImageId={ami}&SubnetId={subnet}&MinCount=1"},
	{"MissingParameter", "RunInstances&SubnetId={subnet}&MinCount=1&MaxCount=1"},
	{"VPCIdNotSpecified", "RunInstances&ImageId={ami}&MinCount=1&MaxCount=1"},
	{"InvalidParameterValue", run + "&MinCount=0"},
	{"InvalidParameterValue", run + "&MinCount=2"},
	{"InstanceLimitExceeded", run + "&MinCount=100000&MaxCount=100000"},
	{"InvalidAMIID.Malformed", run + "&ImageId=debian"},
	{"InvalidAMIID.NotFound", run + "&ImageId=ami-0123456789abcdef0"},
	{"InvalidKeyPair.NotFound", run + "&KeyName=me"},
	{"InvalidParameterValue", run + "&InstanceType=t9.huge"},
	{"InvalidParameterValue", run + "&UserData=not+base64!"},
	{"InvalidParameterValue", run + "&UserData={big}"},
	{"InvalidSubnetID.NotFound", run + "&SubnetId=subnet-00000000000000000"},
	{"InvalidParameterValue", run + "&PrivateIpAddress=10.0.1.3"},
	{"InvalidParameterValue", run + "&PrivateIpAddress=10.0.1.255"},
	{"InvalidParameterValue", run + "&PrivateIpAddress=10.0.2.4"},
	{"InvalidParameterValue", run + "&PrivateIpAddress=fd00::1"},
	{"InvalidIPAddress.InUse", run + "&PrivateIpAddress=10.0.1.4"},
	{"InvalidParameterCombination", run + "&MaxCount=2&PrivateIpAddress=10.0.1.9"},
	{"InvalidParameterCombination", run + "&SecurityGroup.1=web"},
	{"InvalidParameterValue", "RunInstances&ImageId={ami}&MinCount=1&MaxCount=1&NetworkInterface.1.DeviceIndex=0&NetworkInterface.1.SubnetId={subnet}&NetworkInterface.1.Description={long}"},
	{"InvalidParameterValue", run + "&Placement.AvailabilityZoneId=use1-az2"},
	{"InvalidParameterCombination", run + "&NetworkInterface.1.DeviceIndex=0&NetworkInterface.1.SubnetId={subnet}"},
	{"InvalidParameter", run + "&SecurityGroupId.1={farGroup}"},
	{"InvalidGroup.NotFound", run + "&SecurityGroupId.1=sg-00000000000000000"},
	{"SecurityGroupsPerInterfaceLimitExceeded", run + "&SecurityGroupId.1={group}&SecurityGroupId.2={second}&SecurityGroupId.3={default}"},
	{"InvalidParameterValue", run + "&Placement.AvailabilityZone=us-east-1b"},
	{"InvalidParameterValue", run + "&IamInstanceProfile.Name=role"},
	{"InvalidParameterValue", run + "&TagSpecification.1.ResourceType=vpc&TagSpecification.1.Tag.1.Key=k"},
	{"MissingParameter", "TerminateInstances"},
	{"InvalidInstanceID.Malformed", "TerminateInstances&InstanceId.1=web"},
	{"InvalidInstanceID.NotFound", "TerminateInstances&InstanceId.1={instance}&InstanceId.2=i-00000000000000000"},
	{"InvalidParameterValue", "DescribeInstanceAttribute&InstanceId={instance}&Attribute=colour"},
	{"InvalidInstanceID.NotFound", "GetConsoleOutput&InstanceId=i-00000000000000000"},
	{"InvalidNetworkInterfaceID.NotFound", "DescribeNetworkInterfaces&NetworkInterfaceId.1=eni-00000000000000000"},
	{"InvalidInstanceType", "DescribeInstanceTypes&InstanceType.1=t9.huge"},
	{"InvalidAMIID.NotFound", "DescribeImages&ImageId.1=ami-0123456789abcdef0"},
	{"InvalidVolume.NotFound", "DescribeVolumes&VolumeId.1=vol-0123456789abcdef0"},

	// Filters, pages, tags, regions
	{"InvalidFilter", "DescribeVpcs&Filter.1.Name=colour&Filter.1.Value.1=red"},
	{"InvalidFilter", "DescribeVpcs&Filter.1.Name=tag&Filter.1.Value.1=red"},
	{"InvalidFilter", "DescribeVpcs&Filter.1.Name=VPC-ID&Filter.1.Value.1={vpc}"},
	{"InvalidFilter", "DescribeSecurityGroupRules&Filter.1.Name=tag-key&Filter.1.Value.1=k"},
	{"InvalidParameterValue", "DescribeVpcs&Filter.1.Name=vpc-id"},
	{"InvalidParameterValue", "DescribeVpcs&Filter.1.Value.1={vpc}"},
	{"FilterLimitExceeded", "DescribeVpcs&Filter.1.Name=vpc-id" + valuesOfFilter(201)},
	{"InvalidParameterValue", "DescribeVpcs&MaxResults=4"},
	{"InvalidParameterValue", "DescribeInstances&MaxResults=1001"},
	{"InvalidParameterCombination", "DescribeVpcs&MaxResults=5&VpcId.1={vpc}"},
	{"InvalidNextToken", "DescribeVpcs&NextToken=bogus"},
	{"InvalidID", "CreateTags&ResourceId.1=thing-1&Tag.1.Key=k&Tag.1.Value=v"},
	{"InvalidVpcID.NotFound", "CreateTags&ResourceId.1={vpc}&ResourceId.2=vpc-00000000000000000&Tag.1.Key=k&Tag.1.Value=v"},
	{"InvalidSecurityGroupRuleId.NotFound", "CreateTags&ResourceId.1=sgr-00000000000000000&Tag.1.Key=k&Tag.1.Value=v"},
	{"InvalidParameterValue", "CreateTags&ResourceId.1={vpc}&Tag.1.Key=&Tag.1.Value=v"},
	{"InvalidParameterValue", "CreateTags&ResourceId.1={vpc}&Tag.1.Key={long}&Tag.1.Value=v"},
	{"MissingParameter", "DeleteTags&ResourceId.1={vpc}&Tag.1.Value=v"},
	{"InvalidParameterValue", "DescribeRegions&RegionName.1=mars-1"},
	{"InvalidParameterValue", "DescribeAvailabilityZones&ZoneName.1=eu-west-1a"},
	{"InvalidNetworkAclID.NotFound", "DescribeNetworkAcls&NetworkAclId.1=acl-00000000000000000"},
	{"InvalidNetworkAclId.Malformed", "DescribeNetworkAcls&NetworkAclId.1=rtb-00000000000000000"},
	{"InvalidFilter", "DescribeNetworkAcls&Filter.1.Name=entry.port&Filter.1.Value.1=22"},
	{"MissingParameter", "CreateNetworkAcl"},
	{"InvalidVpcID.NotFound", "CreateNetworkAcl&VpcId=vpc-00000000000000000"},
	{"InvalidParameterValue", "CreateNetworkAcl&VpcId={vpc}&TagSpecification.1.ResourceType=vpc"},
	{"InvalidNetworkAclID.NotFound", "DeleteNetworkAcl&NetworkAclId=acl-00000000000000000"},
	{"InvalidParameterValue", "DeleteNetworkAcl&NetworkAclId={acl}"},
	{"MissingParameter", "CreateNetworkAclEntry&NetworkAclId={acl}&Egress=true&Protocol=-1&RuleAction=allow&CidrBlock=0.0.0.0/0"},
	{"InvalidParameterValue", "CreateNetworkAclEntry&NetworkAclId={acl}&Egress=true&Protocol=-1&RuleAction=allow&CidrBlock=0.0.0.0/0&RuleNumber=0"},
	{"InvalidParameterValue", "CreateNetworkAclEntry&NetworkAclId={acl}&Egress=true&Protocol=-1&RuleAction=allow&CidrBlock=0.0.0.0/0&RuleNumber=32767"},
	{"InvalidParameterValue", "CreateNetworkAclEntry&NetworkAclId={acl}&Egress=true&Protocol=256&RuleAction=allow&CidrBlock=0.0.0.0/0&RuleNumber=1"},
	{"InvalidParameterValue", "CreateNetworkAclEntry&NetworkAclId={acl}&Egress=true&Protocol=-1&RuleAction=refuse&CidrBlock=0.0.0.0/0&RuleNumber=1"},
	{"MissingParameter", "CreateNetworkAclEntry&NetworkAclId={acl}&Egress=true&Protocol=-1&RuleAction=allow&RuleNumber=1"},
	{"InvalidParameterCombination", "CreateNetworkAclEntry&NetworkAclId={acl}&Egress=true&Protocol=-1&RuleAction=allow&RuleNumber=1&CidrBlock=0.0.0.0/0&Ipv6CidrBlock=::/0"},
	{"InvalidParameterValue", "CreateNetworkAclEntry&NetworkAclId={acl}&Egress=true&Protocol=-1&RuleAction=allow&RuleNumber=1&CidrBlock=::/0"},
	{"InvalidParameterValue", "CreateNetworkAclEntry&NetworkAclId={acl}&Egress=true&Protocol=6&RuleAction=allow&RuleNumber=1&CidrBlock=0.0.0.0/0"},
	{"InvalidParameterValue", "CreateNetworkAclEntry&NetworkAclId={acl}&Egress=true&Protocol=udp&RuleAction=allow&RuleNumber=1&CidrBlock=0.0.0.0/0&PortRange.From=9&PortRange.To=8"},
	{"MissingParameter", "CreateNetworkAclEntry&NetworkAclId={acl}&Egress=true&Protocol=1&RuleAction=allow&RuleNumber=1&CidrBlock=0.0.0.0/0"},
	{"InvalidParameterValue", "CreateNetworkAclEntry&NetworkAclId={acl}&Egress=true&Protocol=58&RuleAction=allow&RuleNumber=1&Ipv6CidrBlock=::/0&Icmp.Type=256&Icmp.Code=-1"},
	{"NetworkAclEntryAlreadyExists", "CreateNetworkAclEntry&NetworkAclId={acl}&Egress=true&Protocol=-1&RuleAction=allow&RuleNumber=100&CidrBlock=0.0.0.0/0"},
	{"InvalidNetworkAclEntry.NotFound", "ReplaceNetworkAclEntry&NetworkAclId={acl}&Egress=true&Protocol=-1&RuleAction=allow&RuleNumber=1&CidrBlock=0.0.0.0/0"},
	{"InvalidNetworkAclEntry.NotFound", "DeleteNetworkAclEntry&NetworkAclId={acl}&Egress=false&RuleNumber=1"},
	{"InvalidParameterValue", "DeleteNetworkAclEntry&NetworkAclId={acl}&Egress=false&RuleNumber=32767"},
	{"InvalidAssociationID.NotFound", "ReplaceNetworkAclAssociation&NetworkAclId={acl}&AssociationId=aclassoc-00000000000000000"},
	{"InvalidNetworkAclID.NotFound", "ReplaceNetworkAclAssociation&NetworkAclId=acl-00000000000000000&AssociationId={guard}"},
	{"InvalidParameterValue", "ReplaceNetworkAclAssociation&NetworkAclId={farACL}&AssociationId={guard}"},
	{"InvalidAction", "PaintVpc&VpcId={vpc}"},
}

func valuesOfFilter(n int) string { return numbered(n, "Filter.1.Value.%d=x") }

// moreRefusals are of the same network: what contradicts itself, is not there or
// comes at the wrong time, action by action.
var moreRefusals = []struct{ code, call string }{
	// VPCs
	{"InvalidParameterValue", "CreateVpc&CidrBlock=10.0.0.0/16&DryRun=perhaps"},
	{"UnsupportedOperation", "CreateVpc&CidrBlock=10.0.0.0/16&Ipv4IpamPoolId=ipam-pool-0123456789abcdef0"},
	{"UnsupportedOperation", "CreateVpc&CidrBlock=10.0.0.0/16&Ipv6CidrBlock=2001:db8::/56&Ipv6Pool=ipv6pool-ec2-0123456789abcdef0"},
	{"InvalidParameterValue", "CreateVpc&CidrBlock=10.0.0.0/16&TagSpecification.1.ResourceType=vpc&TagSpecification.1.Tag.1.Key=k&TagSpecification.1.Tag.1.Value={long}x"},
	{"InvalidParameterValue", "CreateVpc&CidrBlock=10.0.0.0/16&TagSpecification.1.Tag.1.Key=k"},
	{"TagLimitExceeded", "CreateVpc&CidrBlock=10.0.0.0/16&TagSpecification.1.ResourceType=vpc" + numbered(51, "TagSpecification.1.Tag.%d.Key=k%[1]d")},
	{"VpcLimitExceeded", "CreateDefaultVpc"},
	{"MissingParameter", "ModifyVpcAttribute&EnableDnsSupport.Value=true"},
	{"InvalidParameterValue", "ModifyVpcAttribute&VpcId={vpc}&EnableDnsSupport.Value=perhaps"},
	{"MissingParameter", "DescribeVpcAttribute&VpcId={vpc}"},
	{"MissingParameter", "DescribeVpcAttribute&Attribute=enableDnsSupport"},
	{"MissingParameter", "AssociateVpcCidrBlock&CidrBlock=10.1.0.0/16"},
	{"MissingParameter", "AssociateVpcCidrBlock&VpcId={vpc}"},
	{"InvalidParameterValue", "AssociateVpcCidrBlock&VpcId={vpc}&CidrBlock=10.1"},
	{"InvalidVpc.Range", "AssociateVpcCidrBlock&VpcId={vpc}&CidrBlock=10.1.0.0/29"},
	{"InvalidVpc.Range", "AssociateVpcCidrBlock&VpcId={vpc}&CidrBlock=10.1.0.0/8"},
	{"MissingParameter", "DisassociateVpcCidrBlock"},

	// Subnets
	{"MissingParameter", "CreateSubnet&CidrBlock=10.0.4.0/24"},
	{"InvalidSubnet.Range", "CreateSubnet&VpcId={vpc}&CidrBlock=192.168.0.0/24"},
	{"InvalidParameterValue", "CreateSubnet&VpcId={vpc}&CidrBlock=fd00::/64"},
	{"InvalidParameterValue", "CreateSubnet&VpcId={vpc}&CidrBlock=10.0.4.0/24&AvailabilityZoneId=use1-az9"},
	{"UnsupportedOperation", "CreateSubnet&VpcId={vpc}&CidrBlock=10.0.4.0/24&OutpostArn=arn:aws:outposts:us-east-1:123456789012:outpost/op-1"},
	{"InvalidParameterValue", "CreateSubnet&VpcId={vpc}&CidrBlock=10.0.4.0/24&TagSpecification.1.ResourceType=vpc&TagSpecification.1.Tag.1.Key=k"},
	{"MissingParameter", "DeleteSubnet"},
	{"MissingParameter", "ModifySubnetAttribute&MapPublicIpOnLaunch.Value=true"},
	{"InvalidParameterValue", "ModifySubnetAttribute&SubnetId={subnet}&MapPublicIpOnLaunch.Value=1.5"},
	{"InvalidParameterCombination", "ModifySubnetAttribute&SubnetId={subnet}&MapPublicIpOnLaunch.Value=true&EnableDns64.Value=false"},

	// Route tables and routes
	{"MissingParameter", "CreateRouteTable"},
	{"InvalidParameterValue", "CreateRouteTable&VpcId={vpc}&TagSpecification.1.ResourceType=vpc&TagSpecification.1.Tag.1.Key=k"},
	{"MissingParameter", "DeleteRouteTable"},
	{"MissingParameter", "AssociateRouteTable&SubnetId={subnet}"},
	{"MissingParameter", "DisassociateRouteTable"},
	{"MissingParameter", "ReplaceRouteTableAssociation&RouteTableId={main}"},
	{"InvalidParameterValue", "DisassociateRouteTable&AssociationId={mainAssociation}"},
	{"InvalidParameterValue", "ReplaceRouteTableAssociation&AssociationId={mainAssociation}&RouteTableId={farTable}"},
	{"InvalidRouteTableID.NotFound", "ReplaceRouteTableAssociation&AssociationId={mainAssociation}&RouteTableId=rtb-00000000000000000"},
	{"MissingParameter", "CreateRoute&DestinationCidrBlock=192.168.0.0/16&GatewayId={gateway}"},
	{"InvalidParameterValue", "CreateRoute&RouteTableId={main}&DestinationCidrBlock=192.168.0.0/16&GatewayId=local"},
	{"MissingParameter", "ReplaceRoute&RouteTableId={table}&GatewayId={gateway}"},
	{"MissingParameter", "ReplaceRoute&RouteTableId={table}&DestinationCidrBlock=192.168.0.0/16"},
	{"InvalidParameterCombination", "ReplaceRoute&RouteTableId={table}&DestinationCidrBlock=192.168.0.0/16&GatewayId={gateway}&InstanceId={instance}"},
	{"InvalidParameterValue", "ReplaceRoute&RouteTableId={table}&DestinationCidrBlock=192.168.0.0/16&GatewayId={farGateway}"},
	{"InvalidGatewayID.NotFound", "ReplaceRoute&RouteTableId={table}&DestinationCidrBlock=192.168.0.0/16&GatewayId=igw-00000000000000000"},
	{"IncorrectInstanceState", "ReplaceRoute&RouteTableId={table}&DestinationCidrBlock=192.168.0.0/16&InstanceId={ended}"},
	{"MissingParameter", "DeleteRoute&RouteTableId={table}"},
	{"InvalidParameterValue", "DeleteRoute&RouteTableId={table}&DestinationCidrBlock=192.168"},
	{"InvalidRoute.NotFound", "DeleteRoute&RouteTableId={table}&DestinationCidrBlock=192.168.0.0/17"},

	// Security groups
	{"MissingParameter", "CreateSecurityGroup&VpcId={vpc}&GroupDescription=d"},
	{"InvalidParameterValue", "CreateSecurityGroup&VpcId={vpc}&GroupName=x&GroupDescription={long}"},
	{"InvalidParameterValue", "CreateSecurityGroup&VpcId={vpc}&GroupName=a<b&GroupDescription=d"},
	{"InvalidParameterValue", "CreateSecurityGroup&VpcId={vpc}&GroupName=x&GroupDescription=d&TagSpecification.1.ResourceType=vpc&TagSpecification.1.Tag.1.Key=k"},
	{"VPCIdNotSpecified", "DescribeSecurityGroups&GroupName.1=nobody"},
	{"MissingParameter", "RevokeSecurityGroupIngress&GroupId={group}"},
	{"MissingParameter", "RevokeSecurityGroupEgress&IpPermissions.1.IpProtocol=-1"},
	{"InvalidPermission.NotFound", "RevokeSecurityGroupEgress&GroupId={group}&IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=1&IpPermissions.1.ToPort=1&IpPermissions.1.IpRanges.1.CidrIp=10.0.0.0/8"},
	{"InvalidParameterValue", "RevokeSecurityGroupEgress&GroupId={group}&IpPermissions.1.IpProtocol=tls&IpPermissions.1.IpRanges.1.CidrIp=10.0.0.0/8"},
	{"InvalidParameterValue", "AuthorizeSecurityGroupIngress&GroupId={group}&IpPermissions.1.IpProtocol=icmp&IpPermissions.1.FromPort=256&IpPermissions.1.ToPort=-1&IpPermissions.1.IpRanges.1.CidrIp=10.0.0.0/8"},
	{"InvalidParameterValue", "AuthorizeSecurityGroupIngress&GroupId={group}&IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=x&IpPermissions.1.ToPort=1&IpPermissions.1.IpRanges.1.CidrIp=10.0.0.0/8"},
	{"InvalidParameterValue", "AuthorizeSecurityGroupIngress&GroupId={group}&IpPermissions.1.IpProtocol=-1&IpPermissions.1.IpRanges.1.CidrIp=10.0.0.0/8&IpPermissions.1.IpRanges.1.Description={long}"},
	{"MissingParameter", "AuthorizeSecurityGroupIngress&GroupId={group}&IpPermissions.1.IpRanges.1.CidrIp=10.0.0.0/8"},
	{"RulesPerSecurityGroupLimitExceeded", "AuthorizeSecurityGroupIngress&GroupId={group}&IpPermissions.1.IpProtocol=-1" + numbered(61, "IpPermissions.1.IpRanges.%d.CidrIp=10.%[1]d.0.0/16")},
	{"MissingParameter", "ModifySecurityGroupRules&GroupId={group}"},
	{"InvalidParameterValue", "ModifySecurityGroupRules&GroupId={group}&SecurityGroupRule.1.SecurityGroupRuleId={rule}&SecurityGroupRule.1.SecurityGroupRule.IpProtocol=-1&SecurityGroupRule.1.SecurityGroupRule.CidrIpv4=10.0.0.0/99"},
	{"InvalidSecurityGroupRuleId.NotFound", "ModifySecurityGroupRules&GroupId={second}&SecurityGroupRule.1.SecurityGroupRuleId={rule}&SecurityGroupRule.1.SecurityGroupRule.IpProtocol=-1&SecurityGroupRule.1.SecurityGroupRule.CidrIpv4=10.0.0.0/8"},
	{"MissingParameter", "UpdateSecurityGroupRuleDescriptionsIngress&GroupId={group}"},
	{"DependencyViolation", "DeleteSecurityGroup&GroupId={named}"},

	// Instances
	{"InvalidParameterValue", run + "&MaxCount=0"},
	{"InvalidParameterValue", run + "&MaxCount=-1"},
	{"InvalidParameterValue", run + "&MaxCount=one"},
	{"InvalidParameterValue", run + "&DisableApiTermination=perhaps"},
	{"InvalidParameterValue", run + "&InstanceInitiatedShutdownBehavior=explode"},
	{"InvalidParameterValue", run + "&ClientToken={long}"},
	{"UnsupportedOperation", run + "&LaunchTemplate.LaunchTemplateName=mine"},
	{"UnsupportedOperation", run + "&InstanceMarketOptions.MarketType=spot"},
	{"InvalidParameterValue", run + "&PrivateIpAddress=10.0.1"},
	{"MissingParameter", "DescribeInstanceAttribute&InstanceId={instance}"},
	{"MissingParameter", "DescribeInstanceAttribute&Attribute=userData"},
	{"InvalidParameterCombination", "ModifyInstanceAttribute&InstanceId={instance}&SourceDestCheck.Value=false&DisableApiTermination.Value=true"},
	{"InvalidParameterValue", "ModifyInstanceAttribute&InstanceId={instance}&SourceDestCheck.Value=perhaps"},
	{"MissingParameter", "GetConsoleOutput"},
	{"InvalidParameterCombination", "DescribeInstances&MaxResults=5&InstanceId.1={instance}"},
	{"InvalidParameterCombination", "DescribeInstanceStatus&MaxResults=5&InstanceId.1={instance}"},
	{"InvalidParameterValue", "DescribeInstanceTypeOfferings&LocationType=moon"},

	// Network interfaces
	{"MissingParameter", "DescribeNetworkInterfaceAttribute&Attribute=description"},
	{"InvalidParameterValue", "DescribeNetworkInterfaceAttribute&NetworkInterfaceId={nic}&Attribute=colour"},
	{"MissingParameter", "DeleteNetworkInterface"},
	{"InvalidParameterValue", "DeleteNetworkInterface&NetworkInterfaceId={nic}"},
	{"MissingParameter", "ModifyNetworkInterfaceAttribute&SourceDestCheck.Value=false"},
	{"InvalidParameterCombination", "ModifyNetworkInterfaceAttribute&NetworkInterfaceId={nic}&SourceDestCheck.Value=false&Description.Value=d"},
	{"InvalidParameterValue", "ModifyNetworkInterfaceAttribute&NetworkInterfaceId={nic}&Description.Value={long}"},
	{"SecurityGroupsPerInterfaceLimitExceeded", "ModifyNetworkInterfaceAttribute&NetworkInterfaceId={nic}&SecurityGroupId.1={group}&SecurityGroupId.2={second}&SecurityGroupId.3={default}"},
	{"InvalidParameter", "ModifyNetworkInterfaceAttribute&NetworkInterfaceId={nic}&SecurityGroupId.1={farGroup}"},

	{"MissingParameter", "CreateNetworkInterface"},
	{"InvalidParameterValue", "CreateNetworkInterface&SubnetId={subnet}&PrivateIpAddress=10.0.1.3"},
	{"InvalidParameterValue", "CreateNetworkInterface&SubnetId={subnet}&PrivateIpAddress=10.0.2.9"},
	{"InvalidParameterValue", "CreateNetworkInterface&SubnetId={subnet}&PrivateIpAddress=fd00::1"},
	{"InvalidIPAddress.InUse", "CreateNetworkInterface&SubnetId={subnet}&PrivateIpAddress=10.0.1.4"},
	{"InvalidParameterValue", "CreateNetworkInterface&SubnetId={subnet}&SecondaryPrivateIpAddressCount=-1"},
	{"InvalidParameterValue", "CreateNetworkInterface&SubnetId={subnet}&PrivateIpAddresses.1.PrivateIpAddress=10.0.1.30&PrivateIpAddresses.2.PrivateIpAddress=10.0.1.30"},
	{"MissingParameter", "CreateNetworkInterface&SubnetId={subnet}&PrivateIpAddresses.1.Primary=true"},
	{"InvalidParameterCombination", "CreateNetworkInterface&SubnetId={subnet}&PrivateIpAddress=10.0.1.30&PrivateIpAddresses.1.PrivateIpAddress=10.0.1.31&PrivateIpAddresses.1.Primary=true"},
	{"InvalidParameterCombination", "CreateNetworkInterface&SubnetId={subnet}&PrivateIpAddresses.1.PrivateIpAddress=10.0.1.30&PrivateIpAddresses.1.Primary=false&SecondaryPrivateIpAddressCount=1"},
	{"PrivateIpAddressLimitExceeded", "CreateNetworkInterface&SubnetId={subnet}&SecondaryPrivateIpAddressCount=50"},
	{"InvalidParameterValue", "CreateNetworkInterface&SubnetId={subnet}&Description={long}"},
	{"SecurityGroupsPerInterfaceLimitExceeded", "CreateNetworkInterface&SubnetId={subnet}&SecurityGroupId.1={group}&SecurityGroupId.2={second}&SecurityGroupId.3={default}"},
	{"InvalidParameter", "CreateNetworkInterface&SubnetId={subnet}&SecurityGroupId.1={farGroup}"},
	{"InvalidParameterValue", "CreateNetworkInterface&SubnetId={subnet}&TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=k"},
	{"UnsupportedOperation", "CreateNetworkInterface&SubnetId={subnet}&InterfaceType=efa"},
	{"UnsupportedOperation", "CreateNetworkInterface&SubnetId={subnet}&Ipv4PrefixCount=1"},
	{"MissingParameter", "CreateNetworkInterfacePermission&NetworkInterfaceId={spare}&Permission=INSTANCE-ATTACH"},
	{"MissingParameter", "CreateNetworkInterfacePermission&NetworkInterfaceId={spare}&AwsAccountId=999999999999"},
	{"InvalidParameterValue", "CreateNetworkInterfacePermission&NetworkInterfaceId={spare}&AwsAccountId=12345&Permission=INSTANCE-ATTACH"},
	{"InvalidParameterValue", "CreateNetworkInterfacePermission&NetworkInterfaceId={spare}&AwsAccountId=999999999999&Permission=DETACH"},
	{"UnsupportedOperation", "CreateNetworkInterfacePermission&NetworkInterfaceId={spare}&AwsService=example.amazonaws.com&Permission=INSTANCE-ATTACH"},
	{"InvalidParameterValue", "ModifyAvailabilityZoneGroup&GroupName=us-east-1-bos-1&OptInStatus=opted-in"},
	{"OperationNotPermitted", "ModifyAvailabilityZoneGroup&GroupName=us-east-1&OptInStatus=not-opted-in"},
	{"InvalidParameterValue", "ModifyAvailabilityZoneGroup&GroupName=us-east-1&OptInStatus=maybe"},
	{"MissingParameter", "ModifyInstancePlacement&InstanceId={instance}"},
	{"IncorrectInstanceState", "ModifyInstancePlacement&InstanceId={instance}&Tenancy=default"},
	{"UnsupportedOperation", "ModifyInstancePlacement&InstanceId={instance}&Tenancy=dedicated"},
	{"InvalidPlacementGroup.Unknown", "ModifyInstancePlacement&InstanceId={instance}&GroupName=near"},
	{"InvalidHostID.NotFound", "ModifyInstancePlacement&InstanceId={instance}&HostId=h-01234567"},
	{"IncorrectInstanceState", "ModifyInstanceCpuOptions&InstanceId={instance}&CoreCount=1&ThreadsPerCore=1"},
	{"UnsupportedOperation", "ModifyInstanceCpuOptions&InstanceId={instance}&NestedVirtualization=enabled"},
	{"InvalidParameterCombination", "RunInstances&ImageId={ami}&InstanceType=t3.micro&MinCount=1&MaxCount=1&SubnetId={subnet}&CpuOptions.CoreCount=2&CpuOptions.ThreadsPerCore=2"},
	{"MissingParameter", "RunInstances&ImageId={ami}&InstanceType=t3.micro&MinCount=1&MaxCount=1&SubnetId={subnet}&CpuOptions.CoreCount=1"},
	{"InvalidParameterValue", "ResetInstanceAttribute&InstanceId={instance}&Attribute=userData"},
	{"IncorrectInstanceState", "ResetInstanceAttribute&InstanceId={instance}&Attribute=kernel"},
	{"MissingParameter", "AttachNetworkInterface&NetworkInterfaceId={spare}&InstanceId={instance}"},
	{"InvalidParameterValue", "AttachNetworkInterface&NetworkInterfaceId={spare}&InstanceId={instance}&DeviceIndex=-1"},
	{"InvalidParameterValue", "AttachNetworkInterface&NetworkInterfaceId={spare}&InstanceId={instance}&DeviceIndex=0"},
	{"InvalidParameterValue", "AttachNetworkInterface&NetworkInterfaceId={spare}&InstanceId={instance}&DeviceIndex=99"},
	{"InvalidParameterCombination", "AttachNetworkInterface&NetworkInterfaceId={otherZone}&InstanceId={instance}&DeviceIndex=1"},
	{"InvalidNetworkInterface.InUse", "AttachNetworkInterface&NetworkInterfaceId={nic}&InstanceId={farInstance}&DeviceIndex=1"},
	{"IncorrectState", "AttachNetworkInterface&NetworkInterfaceId={spare}&InstanceId={ended}&DeviceIndex=1"},
	{"PrivateIpAddressLimitExceeded", "AttachNetworkInterface&NetworkInterfaceId={many}&InstanceId={instance}&DeviceIndex=1"},
	{"UnsupportedOperation", "AttachNetworkInterface&NetworkInterfaceId={spare}&InstanceId={instance}&DeviceIndex=1&NetworkCardIndex=1"},
	{"MissingParameter", "DetachNetworkInterface"},
	{"OperationNotPermitted", "DetachNetworkInterface&AttachmentId={primary}"},
	{"OperationNotPermitted", "DetachNetworkInterface&AttachmentId={primary}&Force=true"},
	{"MissingParameter", "AssignPrivateIpAddresses&SecondaryPrivateIpAddressCount=1"},
	{"MissingParameter", "AssignPrivateIpAddresses&NetworkInterfaceId={nic}"},
	{"InvalidParameterValue", "AssignPrivateIpAddresses&NetworkInterfaceId={nic}&SecondaryPrivateIpAddressCount=-1"},
	{"InvalidParameterCombination", "AssignPrivateIpAddresses&NetworkInterfaceId={nic}&SecondaryPrivateIpAddressCount=1&PrivateIpAddress.1=10.0.1.30"},
	{"InvalidParameterValue", "AssignPrivateIpAddresses&NetworkInterfaceId={nic}&PrivateIpAddress.1=10.0.2.30"},
	{"InvalidParameterValue", "AssignPrivateIpAddresses&NetworkInterfaceId={spare}&PrivateIpAddress.1={manySecondary}"},
	{"InvalidParameterValue", "AssignPrivateIpAddresses&NetworkInterfaceId={spare}&PrivateIpAddress.1=10.0.1.4&AllowReassignment=true"},
	{"InvalidParameterValue", "AssignPrivateIpAddresses&NetworkInterfaceId={nic}&PrivateIpAddress.1=10.0.1.30&PrivateIpAddress.2=10.0.1.30"},
	{"PrivateIpAddressLimitExceeded", "AssignPrivateIpAddresses&NetworkInterfaceId={nic}&SecondaryPrivateIpAddressCount=4"},
	{"UnsupportedOperation", "AssignPrivateIpAddresses&NetworkInterfaceId={nic}&Ipv4PrefixCount=1"},
	{"MissingParameter", "UnassignPrivateIpAddresses&NetworkInterfaceId={nic}"},
	{"InvalidParameterValue", "UnassignPrivateIpAddresses&NetworkInterfaceId={nic}&PrivateIpAddress.1=10.0.1.4"},
	{"InvalidParameterValue", "UnassignPrivateIpAddresses&NetworkInterfaceId={nic}&PrivateIpAddress.1=10.0.1.30"},
	{"MissingParameter", "ResetNetworkInterfaceAttribute&NetworkInterfaceId={nic}"},
	{"MissingParameter", "ModifyNetworkInterfaceAttribute&NetworkInterfaceId={nic}&Attachment.AttachmentId={primary}"},
	{"InvalidParameterValue", "ModifyNetworkInterfaceAttribute&NetworkInterfaceId={spare}&Attachment.AttachmentId={primary}&Attachment.DeleteOnTermination=true"},
	{"InvalidParameterCombination", "ModifyNetworkInterfaceAttribute&NetworkInterfaceId={spare}&AssociatePublicIpAddress=true"},
	{"AttachmentLimitExceeded", launchOf + "&NetworkInterface.1.DeviceIndex=0&NetworkInterface.1.SubnetId={subnet}&NetworkInterface.2.DeviceIndex=1&NetworkInterface.2.SubnetId={subnet}&NetworkInterface.3.DeviceIndex=2&NetworkInterface.3.SubnetId={subnet}"},
	{"InvalidParameterValue", launchOf + "&NetworkInterface.1.DeviceIndex=1&NetworkInterface.1.SubnetId={subnet}"},
	{"InvalidParameterValue", launchOf + "&NetworkInterface.1.DeviceIndex=0&NetworkInterface.1.SubnetId={subnet}&NetworkInterface.2.DeviceIndex=0&NetworkInterface.2.SubnetId={subnet}"},
	{"MissingParameter", launchOf + "&NetworkInterface.1.DeviceIndex=0&NetworkInterface.1.SubnetId={subnet}&NetworkInterface.2.DeviceIndex=1"},
	{"MissingParameter", launchOf + "&NetworkInterface.1.SubnetId={subnet}"},
	{"InvalidNetworkInterface.InUse", launchOf + "&NetworkInterface.1.DeviceIndex=0&NetworkInterface.1.NetworkInterfaceId={nic}"},
	{"InvalidParameterCombination", launchOf + "&NetworkInterface.1.DeviceIndex=0&NetworkInterface.1.NetworkInterfaceId={spare}&NetworkInterface.1.SubnetId={subnet}"},
	{"InvalidParameterCombination", launchOf + "&NetworkInterface.1.DeviceIndex=0&NetworkInterface.1.SubnetId={subnet}&NetworkInterface.2.DeviceIndex=1&NetworkInterface.2.NetworkInterfaceId={otherZone}"},
	{"InvalidParameterCombination", launchOf + "&NetworkInterface.1.DeviceIndex=0&NetworkInterface.1.SubnetId={subnet}&NetworkInterface.1.AssociatePublicIpAddress=true&NetworkInterface.2.DeviceIndex=1&NetworkInterface.2.SubnetId={subnet}"},
	{"PrivateIpAddressLimitExceeded", launchOf + "&NetworkInterface.1.DeviceIndex=0&NetworkInterface.1.SubnetId={subnet}&NetworkInterface.1.SecondaryPrivateIpAddressCount=4"},
	{"InvalidParameterValue", "AssociateAddress&AllocationId={allocation}&NetworkInterfaceId={nic}&PrivateIpAddress=10.0.1.30"},

	// Tags, regions, account
	{"MissingParameter", "CreateTags&Tag.1.Key=k"},
	{"MissingParameter", "CreateTags&ResourceId.1={vpc}"},
	{"InvalidParameterValue", "CreateTags&ResourceId.1={vpc}&Tag.1.Key=aws:k&Tag.1.Value=v"},
	{"InvalidParameterValue", "CreateTags&ResourceId.1={vpc}&Tag.1.Key=k&Tag.2.Key=k"},
	{"InvalidParameterValue", "CreateTags&ResourceId.1={vpc}&Tag.1.Key=k&Tag.1.Value={long}x"},
	{"TagLimitExceeded", "CreateTags&ResourceId.1={vpc}" + numbered(51, "Tag.%d.Key=k%[1]d")},
	{"MissingParameter", "DeleteTags&Tag.1.Key=k"},
	{"InvalidID", "DeleteTags&ResourceId.1=thing-1&Tag.1.Key=k"},
	{"InvalidParameterValue", "DescribeAvailabilityZones&ZoneId.1=use1-az9"},
	{"InvalidParameterValue", "DescribeAccountAttributes&AttributeName.1=mood"},
}

// numbered returns n parameters of a form that has the number in it.
func numbered(n int, form string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "&"+form, i+1)
	}
	return b.String()
}
