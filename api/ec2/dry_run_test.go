package ec2

import (
	"net/http"
	"testing"
)

// TestDryRun asks whether calls would succeed: nothing may change, and what
// would be refused is refused.
func TestDryRun(t *testing.T) {
	t.Parallel()
	c := newCloud(t, func(cfg *Config) { cfg.Limits.ElasticAddressesPerNATGateway = 3 })
	vpc := c.vpc("10.0.0.0/16")
	subnet, group, table := c.subnet(vpc, "10.0.1.0/24"), c.group(vpc, "web"), c.mainRouteTable(vpc)
	internet := c.call("CreateInternetGateway").text("internetGateway/internetGatewayId")
	address, _ := c.address()
	acl, association := c.guardOf(subnet)
	spare := c.call("CreateNetworkAcl", "VpcId", vpc).text("networkAcl/networkAclId")
	dopt := c.dhcpOptions(dhcpConfiguration("1", "domain-name", "example.com")...)
	side := c.subnet(vpc, "10.0.3.0/24")
	instance, nic := c.instance(side, "InstanceType", "t3.small"), c.networkInterface(side)
	attachment := c.call("AttachNetworkInterface", "NetworkInterfaceId", c.networkInterface(side), "InstanceId", instance, "DeviceIndex", "2").text("attachmentId")
	c.call("CreateKeyPair", "KeyName", "kept", "KeyType", "ed25519")
	flows := c.call("CreateFlowLogs", c.flowLog(vpc)...).text("flowLogIdSet/item")
	list := c.prefixList("IPv4", "1")
	reservation := c.reserve(subnet, "explicit", "10.0.1.64/28")
	c.internetGateway(vpc)
	spareVPC := c.vpc("10.9.0.0/16")
	first, _ := c.address()
	second, _ := c.address()
	nat := c.call("CreateNatGateway", "SubnetId", side, "AllocationId", first).text("natGateway/natGatewayId")
	inner := c.call("CreateNatGateway", "SubnetId", side, "ConnectivityType", "private", "SecondaryPrivateIpAddress.1", "10.0.3.99").text("natGateway/natGatewayId")
	natAssociation := c.call("AssociateNatGatewayAddress", "NatGatewayId", nat, "AllocationId.1", second).text("natGatewayAddressSet/item/associationId")
	associated := c.group(vpc, "associated")
	c.call("AssociateSecurityGroupVpc", "GroupId", associated, "VpcId", spareVPC)
	exclusion := c.exclusion(subnet)
	permission := c.call("CreateNetworkInterfacePermission", "NetworkInterfaceId", c.networkInterface(side), "AwsAccountId", "999999999999", "Permission", "INSTANCE-ATTACH").text("interfacePermission/networkInterfacePermissionId")
	before := c.all()
	for _, call := range [][]string{
		{"CreateVpc", "CidrBlock", "10.0.0.0/16"},
		{"CreateSubnet", "VpcId", vpc, "CidrBlock", "10.0.2.0/24"},
		{"DeleteSubnet", "SubnetId", subnet},
		{"CreateRouteTable", "VpcId", vpc},
		{"AssociateRouteTable", "RouteTableId", table, "SubnetId", subnet},
		{"CreateNetworkAcl", "VpcId", vpc}, {"DeleteNetworkAcl", "NetworkAclId", spare}, {"DescribeNetworkAcls"},
		append([]string{"CreateNetworkAclEntry"}, entry(acl, "1", "true", "-1", "deny", "CidrBlock", "0.0.0.0/0")...),
		append([]string{"ReplaceNetworkAclEntry"}, entry(acl, "100", "true", "-1", "deny", "CidrBlock", "0.0.0.0/0")...),
		{"DeleteNetworkAclEntry", "NetworkAclId", acl, "RuleNumber", "100", "Egress", "true"},
		{"ReplaceNetworkAclAssociation", "AssociationId", association, "NetworkAclId", spare},
		{"CreateSecurityGroup", "VpcId", vpc, "GroupName", "other", "GroupDescription", "d"},
		{"DeleteSecurityGroup", "GroupId", group},
		{"CreateKeyPair", "KeyName", "k"}, {"ImportKeyPair", "KeyName", "k", "PublicKeyMaterial", base64Text([]byte(somePublicKey))},
		{"DeleteKeyPair", "KeyName", "kept"}, {"DescribeKeyPairs"},
		{"AuthorizeSecurityGroupIngress", "GroupId", group, "IpProtocol", "tcp", "FromPort", "22", "ToPort", "22", "CidrIp", "10.0.0.0/8"},
		{"CreateNetworkInterfacePermission", "NetworkInterfaceId", nic, "AwsAccountId", "999999999999", "Permission", "INSTANCE-ATTACH"}, {"DeleteNetworkInterfacePermission", "NetworkInterfacePermissionId", permission},
		{"ModifyAvailabilityZoneGroup", "GroupName", testRegion, "OptInStatus", "opted-in"}, {"ResetInstanceAttribute", "InstanceId", instance, "Attribute", "sourceDestCheck"},
		{"CreateNetworkInterface", "SubnetId", subnet}, {"AttachNetworkInterface", "NetworkInterfaceId", nic, "InstanceId", instance, "DeviceIndex", "1"},
		{"DetachNetworkInterface", "AttachmentId", attachment}, {"DetachNetworkInterface", "AttachmentId", attachment, "Force", "true"},
		{"ResetNetworkInterfaceAttribute", "NetworkInterfaceId", nic, "SourceDestCheck", "true"}, {"DeleteNetworkInterface", "NetworkInterfaceId", nic},
		{"RunInstances", "ImageId", HostImage, "MinCount", "1", "MaxCount", "1", "SubnetId", subnet},
		{"CreateManagedPrefixList", "PrefixListName", "n", "AddressFamily", "IPv4", "MaxEntries", "1"}, {"DescribeManagedPrefixLists"}, {"DescribePrefixLists"},
		{"ModifyManagedPrefixList", "PrefixListId", list, "MaxEntries", "9"}, {"DeleteManagedPrefixList", "PrefixListId", list},
		{"RestoreManagedPrefixListVersion", "PrefixListId", list, "CurrentVersion", "1", "PreviousVersion", "1"},
		{"GetManagedPrefixListEntries", "PrefixListId", list}, {"GetManagedPrefixListAssociations", "PrefixListId", list},
		append([]string{"CreateDhcpOptions"}, dhcpConfiguration("1", "domain-name", "example.com")...), {"DescribeDhcpOptions"},
		{"AssociateDhcpOptions", "DhcpOptionsId", "default", "VpcId", vpc}, {"DeleteDhcpOptions", "DhcpOptionsId", dopt},
		{"CreateTags", "ResourceId.1", vpc, "Tag.1.Key", "k", "Tag.1.Value", "v"},
		{"CreateInternetGateway"}, {"AttachInternetGateway", "InternetGatewayId", internet, "VpcId", spareVPC}, {"DeleteInternetGateway", "InternetGatewayId", internet},
		{"CreateEgressOnlyInternetGateway", "VpcId", vpc}, {"AllocateAddress"}, {"ReleaseAddress", "AllocationId", address},
		{"CreateNatGateway", "SubnetId", subnet, "ConnectivityType", "private"}, {"CreateNatGateway", "SubnetId", subnet, "AllocationId", address},
		{"AssociateNatGatewayAddress", "NatGatewayId", nat, "AllocationId.1", address}, {"DisassociateNatGatewayAddress", "NatGatewayId", nat, "AssociationId.1", natAssociation},
		{"AssignPrivateNatGatewayAddress", "NatGatewayId", inner}, {"UnassignPrivateNatGatewayAddress", "NatGatewayId", inner, "PrivateIpAddress.1", "10.0.3.99"},
		append([]string{"CreateFlowLogs"}, c.flowLog(vpc)...), {"DeleteFlowLogs", "FlowLogId.1", flows}, {"DescribeFlowLogs"},
		{"CreateSubnetCidrReservation", "SubnetId", subnet, "ReservationType", "explicit", "Cidr", "10.0.1.96/28"}, {"GetSubnetCidrReservations", "SubnetId", subnet},
		{"DeleteSubnetCidrReservation", "SubnetCidrReservationId", reservation}, {"ModifyVpcTenancy", "VpcId", vpc, "InstanceTenancy", "default"},
		{"DescribeCarrierGateways"}, {"DescribeVpcBlockPublicAccessExclusions"}, {"DescribeVpcBlockPublicAccessOptions"}, {"ModifyVpcBlockPublicAccessOptions", "InternetGatewayBlockMode", "block-ingress"},
		{"CreateVpcBlockPublicAccessExclusion", "VpcId", vpc, "InternetGatewayExclusionMode", "allow-egress"}, {"DeleteVpcBlockPublicAccessExclusion", "ExclusionId", exclusion},
		{"ModifyVpcBlockPublicAccessExclusion", "ExclusionId", exclusion, "InternetGatewayExclusionMode", "allow-egress"}, {"DescribeVpcClassicLink"}, {"DescribeVpcEncryptionControls"},
		{"DescribeVpnConcentrators"}, {"DescribeSecurityGroupVpcAssociations"}, {"DescribeSecurityGroupReferences", "GroupId.1", group}, {"DescribeStaleSecurityGroups", "VpcId", vpc},
		{"AssociateSecurityGroupVpc", "GroupId", group, "VpcId", spareVPC}, {"DisassociateSecurityGroupVpc", "GroupId", associated, "VpcId", spareVPC},
		{"GetSecurityGroupsForVpc", "VpcId", vpc}, {"DescribeAggregateIdFormat"}, {"DescribePrincipalIdFormat"},
		{"ModifyAddressAttribute", "AllocationId", address, "DomainName", "example.com"}, {"ResetAddressAttribute", "AllocationId", address, "Attribute", "domain-name"},
		{"CreateDefaultVpc"}, {"DescribeInternetGateways"}, {"DescribeAddresses"}, {"DescribeAddressesAttribute"}, {"DescribeNatGateways"}, {"DescribeEgressOnlyInternetGateways"},
		{"DescribeVpcs"}, {"DescribeSubnets", "SubnetId.1", subnet}, {"DescribeInstances"}, {"DescribeRegions"},
		{"MonitorInstances", "InstanceId.1", instance}, {"UnmonitorInstances", "InstanceId.1", instance}, {"GetPasswordData", "InstanceId", instance},
		{"ModifyInstanceCreditSpecification", "InstanceCreditSpecification.1.InstanceId", instance, "InstanceCreditSpecification.1.CpuCredits", "standard"},
		{"DescribeInstanceCreditSpecifications"}, {"GetInstanceMetadataDefaults"}, {"ModifyInstanceMetadataDefaults", "HttpTokens", "optional"}, {"ModifyInstanceMaintenanceOptions", "InstanceId", instance, "AutoRecovery", "disabled"}, {"DescribeLaunchTemplates"}, {"DescribeLaunchTemplateVersions"}, {"DescribeInstanceEventWindows"},
		{"ModifyPrivateDnsNameOptions", "InstanceId", instance, "EnableResourceNameDnsARecord", "true"},
		{"DescribeImageAttribute", "ImageId", HostImage, "Attribute", "description"},
	} {
		status, answer := c.send(call[0], append(call[1:], "DryRun", "true")...)
		if code := answer.text("Errors/Error/Code"); status != http.StatusPreconditionFailed || code != "DryRunOperation" {
			t.Errorf("%q: %d %s", call, status, code)
		}
	}
	c.refuse("InvalidSubnet.Conflict", "CreateSubnet", "VpcId", vpc, "CidrBlock", "10.0.1.0/25", "DryRun", "true")
	c.refuse("InvalidVpcID.NotFound", "DescribeVpcs", "VpcId.1", "vpc-00000000000000000", "DryRun", "true")
	if after := c.all(); after != before {
		t.Errorf("dry runs have changed something:\n%s\n%s", before, after)
	}
}

// TestAccountsAndRegionsAreApart uses one account's ids in another region and by
// another account.
func TestAccountsAndRegionsAreApart(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	vpc := c.vpc("10.0.0.0/16")
	for name, other := range map[string]*cloud{"region": c.in("eu-west-1"), "account": newCloud(t)} {
		other.refuse("InvalidVpcID.NotFound", "DescribeVpcs", "VpcId.1", vpc)
		other.refuse("InvalidVpcID.NotFound", "CreateSubnet", "VpcId", vpc, "CidrBlock", "10.0.1.0/24")
		other.refuse("InvalidVpcID.NotFound", "CreateTags", "ResourceId.1", vpc, "Tag.1.Key", "k", "Tag.1.Value", "v")
		if n := len(other.call("DescribeVpcs").all("vpcSet/item")); n != 0 {
			t.Errorf("another %s sees %d VPCs", name, n)
		}
		mine := other.vpc("10.0.0.0/16")
		own := other.subnet(mine, "10.0.1.0/24")
		if zone := other.call("DescribeSubnets", "SubnetId.1", own).text("subnetSet/item/availabilityZone"); zone != other.region+"a" {
			t.Errorf("in %s the zone is %s", other.region, zone)
		}
	}
}
