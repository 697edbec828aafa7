package ec2

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestIDsOfOthersDoNotExist names what an account has in every call that takes an
// id, by another account and in another region. Each says that there is no such
// thing, and none shows or changes anything.
func TestIDsOfOthersDoNotExist(t *testing.T) {
	t.Parallel()
	c := newCloud(t, wideOutside)
	vpc := c.vpc("10.0.0.0/16")
	dual := c.dual()
	subnet, group, table := c.subnet(vpc, "10.0.1.0/24"), c.group(vpc, "web"), c.mainRouteTable(vpc)
	side := c.call("CreateRouteTable", "VpcId", vpc).text("routeTable/routeTableId")
	association := c.call("AssociateRouteTable", "RouteTableId", side, "SubnetId", subnet).text("associationId")
	rule := c.call("AuthorizeSecurityGroupIngress", "GroupId", group, "IpProtocol", "tcp", "FromPort", "22", "ToPort", "22", "CidrIp", "10.0.0.0/8").text("securityGroupRuleSet/item/securityGroupRuleId")
	c.profile("Web", "reader")
	run := c.run(subnet, "SecurityGroupId.1", group, "IamInstanceProfile.Name", "Web")
	profile := c.call("DescribeIamInstanceProfileAssociations").text("iamInstanceProfileAssociationSet/item/associationId")
	instance, nic := run.text("instancesSet/item/instanceId"), run.text("instancesSet/item/networkInterfaceSet/item/networkInterfaceId")
	spare := c.networkInterface(subnet)
	attachment := c.call("AttachNetworkInterface", "NetworkInterfaceId", c.networkInterface(subnet), "InstanceId", instance, "DeviceIndex", "1").text("attachmentId")
	cidr := c.call("AssociateVpcCidrBlock", "VpcId", vpc, "CidrBlock", "10.1.0.0/16").text("cidrBlockAssociation/associationId")
	acl, guard := c.guardOf(subnet)
	customer, gateway := c.customerGateway("198.51.100.7"), c.vpnGateway()
	c.call("AttachVpnGateway", "VpnGatewayId", gateway, "VpcId", vpc)
	connection := c.connection(customer, gateway)
	internet, egress := c.internetGateway(vpc), c.call("CreateEgressOnlyInternetGateway", "VpcId", vpc).text("egressOnlyInternetGateway/egressOnlyInternetGatewayId")
	address, public := c.address()
	addressAssociation := c.call("AssociateAddress", "AllocationId", address, "InstanceId", instance).text("associationId")
	nat := c.call("CreateNatGateway", "SubnetId", subnet, "ConnectivityType", "private").text("natGateway/natGatewayId")
	key := c.call("CreateKeyPair", "KeyName", "of-one-account", "KeyType", "ed25519").text("keyPairId")
	dopt := c.dhcpOptions(dhcpConfiguration("1", "domain-name", "example.com")...)
	flows := c.call("CreateFlowLogs", c.flowLog(vpc)...).text("flowLogIdSet/item")
	exclusion := c.exclusion(subnet)
	permission := c.call("CreateNetworkInterfacePermission", "NetworkInterfaceId", spare, "AwsAccountId", "999999999999", "Permission", "INSTANCE-ATTACH").text("interfacePermission/networkInterfacePermissionId")
	named := c.prefixList("IPv4", "1")
	reservation := c.reserve(subnet, "explicit", "10.0.1.64/28")
	outside := c.describeConnection(connection).text("options/tunnelOptionSet/item/outsideIpAddress")

	calls := func(other *cloud) [][]string {
		ownVPC := other.vpc("10.0.0.0/16")
		ownSubnet, ownGroup, ownTable := other.subnet(ownVPC, "10.0.1.0/24"), other.group(ownVPC, "web"), other.mainRouteTable(ownVPC)
		ownAssociation := other.call("DescribeRouteTables").text("routeTableSet/item/associationSet/item/routeTableAssociationId")
		ownInstance, ownSpare := other.instance(ownSubnet), other.networkInterface(ownSubnet)
		ownACL, ownGuard := other.guardOf(ownSubnet)
		ownInternet := other.internetGateway(ownVPC)
		ownAddress, _ := other.address()
		ownCustomer, ownGateway := other.customerGateway("198.51.100.8"), other.vpnGateway()
		tcp := []string{"IpPermissions.1.IpProtocol", "tcp", "IpPermissions.1.FromPort", "1", "IpPermissions.1.ToPort", "2"}
		launch := []string{"RunInstances", "ImageId", HostImage, "MinCount", "1", "MaxCount", "1"}
		with := func(list []string, more ...string) []string { return append(slices.Clone(list), more...) }
		list := [][]string{
			{"DescribeVpcs", "VpcId.1", vpc}, {"DescribeVpcAttribute", "VpcId", vpc, "Attribute", "enableDnsSupport"}, {"DeleteVpc", "VpcId", vpc},
			{"ModifyVpcAttribute", "VpcId", vpc, "EnableDnsSupport.Value", "false"}, {"AssociateVpcCidrBlock", "VpcId", vpc, "CidrBlock", "10.2.0.0/16"},
			{"AssociateVpcCidrBlock", "VpcId", vpc, "AmazonProvidedIpv6CidrBlock", "true"}, {"DisassociateVpcCidrBlock", "AssociationId", dual.vpcAssociation},
			{"AssociateSubnetCidrBlock", "SubnetId", subnet, "Ipv6CidrBlock", "2001:db8::/64"}, {"DisassociateSubnetCidrBlock", "AssociationId", dual.subnetAssociation},
			{"AssignIpv6Addresses", "NetworkInterfaceId", nic, "Ipv6AddressCount", "1"}, {"UnassignIpv6Addresses", "NetworkInterfaceId", nic, "Ipv6Addresses.1", "2001:db8::4"},
			{"DisassociateVpcCidrBlock", "AssociationId", cidr}, {"DescribeNetworkAcls", "NetworkAclId.1", acl},
			{"CreateNetworkAcl", "VpcId", vpc}, {"DeleteNetworkAcl", "NetworkAclId", acl},
			with([]string{"CreateNetworkAclEntry"}, entry(acl, "9", "true", "-1", "deny", "CidrBlock", "0.0.0.0/0")...),
			with([]string{"ReplaceNetworkAclEntry"}, entry(acl, "100", "true", "-1", "deny", "CidrBlock", "0.0.0.0/0")...),
			{"DeleteNetworkAclEntry", "NetworkAclId", acl, "RuleNumber", "100", "Egress", "true"},
			{"ReplaceNetworkAclAssociation", "AssociationId", guard, "NetworkAclId", ownACL}, {"ReplaceNetworkAclAssociation", "AssociationId", ownGuard, "NetworkAclId", acl},
			{"CreateSubnet", "VpcId", vpc, "CidrBlock", "10.0.9.0/24"}, {"DescribeSubnets", "SubnetId.1", subnet}, {"DeleteSubnet", "SubnetId", subnet},
			{"ModifySubnetAttribute", "SubnetId", subnet, "MapPublicIpOnLaunch.Value", "true"},
			{"CreateRouteTable", "VpcId", vpc}, {"DescribeRouteTables", "RouteTableId.1", table}, {"DeleteRouteTable", "RouteTableId", side},
			{"AssociateRouteTable", "RouteTableId", table, "SubnetId", ownSubnet}, {"AssociateRouteTable", "RouteTableId", ownTable, "SubnetId", subnet},
			{"DisassociateRouteTable", "AssociationId", association}, {"ReplaceRouteTableAssociation", "AssociationId", association, "RouteTableId", ownTable},
			{"ReplaceRouteTableAssociation", "AssociationId", ownAssociation, "RouteTableId", table},
			{"CreateRoute", "RouteTableId", table, "DestinationCidrBlock", "172.16.0.0/12", "GatewayId", gateway},
			{"CreateRoute", "RouteTableId", ownTable, "DestinationCidrBlock", "172.16.0.0/12", "GatewayId", gateway},
			{"CreateRoute", "RouteTableId", ownTable, "DestinationCidrBlock", "172.16.0.0/12", "InstanceId", instance},
			{"CreateRoute", "RouteTableId", ownTable, "DestinationCidrBlock", "172.16.0.0/12", "NetworkInterfaceId", nic},
			{"ReplaceRoute", "RouteTableId", table, "DestinationCidrBlock", "172.16.0.0/12", "GatewayId", gateway},
			{"DeleteRoute", "RouteTableId", table, "DestinationCidrBlock", "172.16.0.0/12"},
			{"EnableVgwRoutePropagation", "RouteTableId", table, "GatewayId", ownGateway}, {"EnableVgwRoutePropagation", "RouteTableId", ownTable, "GatewayId", gateway},
			{"DisableVgwRoutePropagation", "RouteTableId", table, "GatewayId", ownGateway}, {"DisableVgwRoutePropagation", "RouteTableId", ownTable, "GatewayId", gateway},
			{"CreateSecurityGroup", "VpcId", vpc, "GroupName", "n", "GroupDescription", "d"}, {"DescribeSecurityGroups", "GroupId.1", group}, {"DeleteSecurityGroup", "GroupId", group},
			{"DescribeSecurityGroupRules", "SecurityGroupRuleId.1", rule},
			{"ModifySecurityGroupRules", "GroupId", group, "SecurityGroupRule.1.SecurityGroupRuleId", rule, "SecurityGroupRule.1.SecurityGroupRule.IpProtocol", "-1", "SecurityGroupRule.1.SecurityGroupRule.CidrIpv4", "0.0.0.0/0"},
			{"ModifySecurityGroupRules", "GroupId", ownGroup, "SecurityGroupRule.1.SecurityGroupRuleId", rule, "SecurityGroupRule.1.SecurityGroupRule.IpProtocol", "-1", "SecurityGroupRule.1.SecurityGroupRule.CidrIpv4", "0.0.0.0/0"},
			{"RevokeSecurityGroupIngress", "GroupId", group, "SecurityGroupRuleId.1", rule}, {"RevokeSecurityGroupIngress", "GroupId", ownGroup, "SecurityGroupRuleId.1", rule},
			{"RevokeSecurityGroupEgress", "GroupId", group, "IpProtocol", "-1", "CidrIp", "0.0.0.0/0"},
			{"UpdateSecurityGroupRuleDescriptionsIngress", "GroupId", group, "SecurityGroupRuleDescription.1.SecurityGroupRuleId", rule, "SecurityGroupRuleDescription.1.Description", "d"},
			{"UpdateSecurityGroupRuleDescriptionsEgress", "GroupId", ownGroup, "SecurityGroupRuleDescription.1.SecurityGroupRuleId", rule, "SecurityGroupRuleDescription.1.Description", "d"},
			with(launch, "SubnetId", subnet), with(launch, "SubnetId", ownSubnet, "SecurityGroupId.1", group),
			{"DescribeInstances", "InstanceId.1", instance}, {"DescribeInstanceStatus", "InstanceId.1", instance}, {"TerminateInstances", "InstanceId.1", ownInstance, "InstanceId.2", instance},
			{"StartInstances", "InstanceId.1", instance}, {"StopInstances", "InstanceId.1", instance}, {"RebootInstances", "InstanceId.1", instance},
			{"ModifyInstanceMetadataOptions", "InstanceId", instance, "HttpTokens", "optional"}, {"ModifyInstanceMaintenanceOptions", "InstanceId", instance, "AutoRecovery", "disabled"}, {"DescribeInstanceCreditSpecifications", "InstanceId.1", instance},
			{"AssociateIamInstanceProfile", "InstanceId", instance, "IamInstanceProfile.Name", "Web"}, {"DescribeIamInstanceProfileAssociations", "AssociationId.1", profile},
			{"DisassociateIamInstanceProfile", "AssociationId", profile}, {"ReplaceIamInstanceProfileAssociation", "AssociationId", profile, "IamInstanceProfile.Name", "Web"},
			{"ModifyPrivateDnsNameOptions", "InstanceId", instance, "EnableResourceNameDnsARecord", "true"},
			{"MonitorInstances", "InstanceId.1", instance}, {"UnmonitorInstances", "InstanceId.1", instance}, {"GetPasswordData", "InstanceId", instance},
			{"DescribeInstanceAttribute", "InstanceId", instance, "Attribute", "userData"}, {"ModifyInstanceAttribute", "InstanceId", instance, "DisableApiTermination.Value", "true"},
			{"ModifyInstanceAttribute", "InstanceId", ownInstance, "GroupId.1", group}, {"GetConsoleOutput", "InstanceId", instance},
			{"DescribeKeyPairs", "KeyPairId.1", key}, {"DescribeKeyPairs", "KeyName.1", "of-one-account"}, with(launch, "SubnetId", ownSubnet, "KeyName", "of-one-account"),
			{"DescribeNetworkInterfaces", "NetworkInterfaceId.1", nic}, {"DescribeNetworkInterfaceAttribute", "NetworkInterfaceId", nic, "Attribute", "description"},
			{"ModifyNetworkInterfaceAttribute", "NetworkInterfaceId", nic, "Description.Value", "d"}, {"DeleteNetworkInterface", "NetworkInterfaceId", nic},
			{"CreateNetworkInterface", "SubnetId", subnet}, {"CreateNetworkInterface", "SubnetId", ownSubnet, "SecurityGroupId.1", group},
			{"CreateNetworkInterfacePermission", "NetworkInterfaceId", nic, "AwsAccountId", "999999999998", "Permission", "INSTANCE-ATTACH"}, {"DeleteNetworkInterfacePermission", "NetworkInterfacePermissionId", permission, "Force", "true"},
			{"DescribeNetworkInterfacePermissions", "NetworkInterfacePermissionId.1", permission}, {"ModifyInstancePlacement", "InstanceId", instance, "Tenancy", "default"},
			{"ModifyInstanceCpuOptions", "InstanceId", instance, "CoreCount", "1", "ThreadsPerCore", "1"}, {"ResetInstanceAttribute", "InstanceId", instance, "Attribute", "sourceDestCheck"},
			{"AttachNetworkInterface", "NetworkInterfaceId", spare, "InstanceId", ownInstance, "DeviceIndex", "1"},
			{"AttachNetworkInterface", "NetworkInterfaceId", ownSpare, "InstanceId", instance, "DeviceIndex", "1"}, {"DetachNetworkInterface", "AttachmentId", attachment},
			{"AssignPrivateIpAddresses", "NetworkInterfaceId", nic, "SecondaryPrivateIpAddressCount", "1"},
			{"UnassignPrivateIpAddresses", "NetworkInterfaceId", nic, "PrivateIpAddress.1", "10.0.1.9"}, {"ResetNetworkInterfaceAttribute", "NetworkInterfaceId", nic, "SourceDestCheck", "true"},
			with(launch, "NetworkInterface.1.DeviceIndex", "0", "NetworkInterface.1.NetworkInterfaceId", spare),
			{"DescribeInternetGateways", "InternetGatewayId.1", internet}, {"DeleteInternetGateway", "InternetGatewayId", internet},
			{"AttachInternetGateway", "InternetGatewayId", internet, "VpcId", ownVPC}, {"AttachInternetGateway", "InternetGatewayId", ownInternet, "VpcId", vpc},
			{"DetachInternetGateway", "InternetGatewayId", internet, "VpcId", vpc}, {"DetachInternetGateway", "InternetGatewayId", ownInternet, "VpcId", vpc},
			{"CreateRoute", "RouteTableId", ownTable, "DestinationCidrBlock", "0.0.0.0/0", "GatewayId", internet},
			{"CreateRoute", "RouteTableId", ownTable, "DestinationCidrBlock", "0.0.0.0/0", "NatGatewayId", nat},
			{"AssociateRouteTable", "RouteTableId", ownTable, "GatewayId", internet},
			{"CreateEgressOnlyInternetGateway", "VpcId", vpc}, {"DescribeEgressOnlyInternetGateways", "EgressOnlyInternetGatewayId.1", egress},
			{"DeleteEgressOnlyInternetGateway", "EgressOnlyInternetGatewayId", egress},
			{"AssociateAddress", "AllocationId", address, "InstanceId", ownInstance}, {"AssociateAddress", "AllocationId", ownAddress, "InstanceId", instance},
			{"AssociateAddress", "AllocationId", ownAddress, "NetworkInterfaceId", nic}, {"DisassociateAddress", "AssociationId", addressAssociation},
			{"ReleaseAddress", "AllocationId", address}, {"DescribeAddresses", "AllocationId.1", address}, {"DescribeAddresses", "PublicIp.1", public},
			{"DescribeAddressesAttribute", "AllocationId.1", address},
			{"ModifyAddressAttribute", "AllocationId", address, "DomainName", "example.com"}, {"ResetAddressAttribute", "AllocationId", address, "Attribute", "domain-name"},
			{"CreateNatGateway", "SubnetId", subnet, "ConnectivityType", "private"}, {"CreateNatGateway", "SubnetId", ownSubnet, "AllocationId", address},
			{"DescribeNatGateways", "NatGatewayId.1", nat}, {"DeleteNatGateway", "NatGatewayId", nat},
			{"AssociateNatGatewayAddress", "NatGatewayId", nat, "AllocationId.1", ownAddress}, {"DisassociateNatGatewayAddress", "NatGatewayId", nat, "AssociationId.1", addressAssociation},
			{"AssignPrivateNatGatewayAddress", "NatGatewayId", nat}, {"UnassignPrivateNatGatewayAddress", "NatGatewayId", nat, "PrivateIpAddress.1", "10.0.1.9"},
			{"DescribeCustomerGateways", "CustomerGatewayId.1", customer}, {"DeleteCustomerGateway", "CustomerGatewayId", customer},
			{"DescribeVpnGateways", "VpnGatewayId.1", gateway}, {"DeleteVpnGateway", "VpnGatewayId", gateway},
			{"AttachVpnGateway", "VpnGatewayId", gateway, "VpcId", ownVPC}, {"AttachVpnGateway", "VpnGatewayId", ownGateway, "VpcId", vpc},
			{"DetachVpnGateway", "VpnGatewayId", gateway, "VpcId", ownVPC}, {"DetachVpnGateway", "VpnGatewayId", ownGateway, "VpcId", vpc},
			with([]string{"CreateVpnConnection"}, connectionParameters(customer, ownGateway)...), with([]string{"CreateVpnConnection"}, connectionParameters(ownCustomer, gateway)...),
			{"DescribeVpnConnections", "VpnConnectionId.1", connection}, {"DeleteVpnConnection", "VpnConnectionId", connection},
			{"ModifyVpnConnectionOptions", "VpnConnectionId", connection, "LocalIpv4NetworkCidr", "10.0.0.0/8"},
			{"ModifyVpnTunnelOptions", "VpnConnectionId", connection, "VpnTunnelOutsideIpAddress", outside, "TunnelOptions.DPDTimeoutSeconds", "60"},
			{"ModifyVpnConnection", "VpnConnectionId", connection, "CustomerGatewayId", ownCustomer}, {"ModifyVpnConnection", "VpnConnectionId", connection, "VpnGatewayId", ownGateway},
			{"ReplaceVpnTunnel", "VpnConnectionId", connection, "VpnTunnelOutsideIpAddress", outside},
			{"GetVpnTunnelReplacementStatus", "VpnConnectionId", connection, "VpnTunnelOutsideIpAddress", outside},
			{"GetActiveVpnTunnelStatus", "VpnConnectionId", connection, "VpnTunnelOutsideIpAddress", outside},
			{"ModifyVpnTunnelCertificate", "VpnConnectionId", connection, "VpnTunnelOutsideIpAddress", outside},
			{"CreateVpnConnectionRoute", "VpnConnectionId", connection, "DestinationCidrBlock", "192.168.0.0/16"}, {"DeleteVpnConnectionRoute", "VpnConnectionId", connection, "DestinationCidrBlock", "192.168.0.0/16"},
			{"CreateSubnetCidrReservation", "SubnetId", subnet, "ReservationType", "explicit", "Cidr", "10.0.1.96/28"}, {"GetSubnetCidrReservations", "SubnetId", subnet},
			{"DeleteSubnetCidrReservation", "SubnetCidrReservationId", reservation}, {"ModifyVpcTenancy", "VpcId", vpc, "InstanceTenancy", "default"},
			{"CreateVpcBlockPublicAccessExclusion", "VpcId", vpc, "InternetGatewayExclusionMode", "allow-egress"},
			{"CreateVpcBlockPublicAccessExclusion", "SubnetId", subnet, "InternetGatewayExclusionMode", "allow-egress"},
			{"ModifyVpcBlockPublicAccessExclusion", "ExclusionId", exclusion, "InternetGatewayExclusionMode", "allow-egress"},
			{"DeleteVpcBlockPublicAccessExclusion", "ExclusionId", exclusion}, {"DescribeVpcBlockPublicAccessExclusions", "ExclusionId.1", exclusion},
			{"DescribeVpcClassicLink", "VpcId.1", vpc}, {"DescribeVpcClassicLinkDnsSupport", "VpcIds.1", vpc}, {"DescribeVpcEncryptionControls", "VpcId.1", vpc},
			{"AssociateSecurityGroupVpc", "GroupId", group, "VpcId", ownVPC}, {"AssociateSecurityGroupVpc", "GroupId", ownGroup, "VpcId", vpc},
			{"DisassociateSecurityGroupVpc", "GroupId", group, "VpcId", ownVPC}, {"DisassociateSecurityGroupVpc", "GroupId", ownGroup, "VpcId", vpc},
			{"DescribeSecurityGroupReferences", "GroupId.1", group}, {"DescribeStaleSecurityGroups", "VpcId", vpc}, {"GetSecurityGroupsForVpc", "VpcId", vpc},
			{"DescribeDhcpOptions", "DhcpOptionsId.1", dopt}, {"DeleteDhcpOptions", "DhcpOptionsId", dopt},
			{"AssociateDhcpOptions", "DhcpOptionsId", dopt, "VpcId", ownVPC}, {"AssociateDhcpOptions", "DhcpOptionsId", "default", "VpcId", vpc},
			{"DescribeFlowLogs", "FlowLogId.1", flows}, {"DeleteFlowLogs", "FlowLogId.1", flows},
			{"DescribeManagedPrefixLists", "PrefixListId.1", named}, {"DescribePrefixLists", "PrefixListId.1", named}, {"GetManagedPrefixListEntries", "PrefixListId", named},
			{"GetManagedPrefixListAssociations", "PrefixListId", named}, {"ModifyManagedPrefixList", "PrefixListId", named, "MaxEntries", "9"},
			{"RestoreManagedPrefixListVersion", "PrefixListId", named, "CurrentVersion", "1", "PreviousVersion", "1"}, {"DeleteManagedPrefixList", "PrefixListId", named},
			{"CreateRoute", "RouteTableId", ownTable, "DestinationPrefixListId", named, "InstanceId", ownInstance},
			{"AuthorizeSecurityGroupIngress", "GroupId", ownGroup, "IpPermissions.1.IpProtocol", "-1", "IpPermissions.1.PrefixListIds.1.PrefixListId", named},
			{"GetVpnConnectionDeviceSampleConfiguration", "VpnConnectionId", connection, "VpnConnectionDeviceTypeId", "9005b6c1"},
		}
		for _, action := range []string{"AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress"} {
			list = append(list,
				with(append([]string{action, "GroupId", group}, tcp...), "IpPermissions.1.IpRanges.1.CidrIp", "0.0.0.0/0"),
				with(append([]string{action, "GroupId", ownGroup}, tcp...), "IpPermissions.1.Groups.1.GroupId", group, "IpPermissions.1.Groups.1.UserId", c.account))
		}
		for _, id := range []string{vpc, subnet, table, group, rule, instance, nic, customer, gateway, connection, internet, egress, address, nat, dopt, named, flows, reservation, exclusion} {
			list = append(list, []string{"CreateTags", "ResourceId.1", id, "Tag.1.Key", "k", "Tag.1.Value", "v"}, []string{"DeleteTags", "ResourceId.1", id})
		}
		return list
	}
	// What the actions are called with is covered above; the others take no ids
	// of what an account has. CreateFlowLogs tells of each beside the others: see
	// TestFlowLogs.
	without := []string{
		"AllocateAddress", "CreateDhcpOptions", "CreateManagedPrefixList", "CreateInternetGateway", "CreateDefaultVpc", "CreateDefaultSubnet",
		"CreateVpc", "CreateFlowLogs", "CreateCustomerGateway", "CreateVpnGateway", "DescribeTags", "DescribeRegions", "DescribeAvailabilityZones", "DescribeAccountAttributes",
		"CreateKeyPair", "ImportKeyPair", "DeleteKeyPair", // which succeeds where there is no such key
		"DescribeCarrierGateways", "ModifyAvailabilityZoneGroup", "DescribePublicIpv4Pools", "DescribeVpcBlockPublicAccessOptions", "ModifyVpcBlockPublicAccessOptions",
		"DescribeVpnConcentrators", "DescribeSecurityGroupVpcAssociations", "DescribeIdFormat", "DescribeAggregateIdFormat", "DescribePrincipalIdFormat",
		"ModifyInstanceCreditSpecification", // the same: see TestCredits
		"DescribeLaunchTemplates", "DescribeLaunchTemplateVersions", "DescribeInstanceEventWindows",
		"DescribeImageAttribute", "GetInstanceMetadataDefaults", "ModifyInstanceMetadataDefaults", // of the account itself: see TestMetadataDefaults
		"DescribeImages", "DescribeInstanceTypes", "DescribeInstanceTypeOfferings", "DescribeVolumes", "GetVpnConnectionDeviceTypes",
	}
	leavingOut := []string{"DescribeEgressOnlyInternetGateways", "DescribeFlowLogs"} // ids that nothing has
	before := c.all()
	for name, other := range map[string]*cloud{"account": newCloud(t, wideOutside), "region": c.in("eu-west-1")} {
		seen := map[string]bool{}
		list := calls(other)
		had := other.all()
		for _, call := range list {
			seen[call[0]] = true
			status, answer := other.send(call[0], call[1:]...)
			code := answer.text("Errors/Error/Code")
			if hidden := slices.Contains(leavingOut, call[0]) && status == http.StatusOK && !strings.Contains(fmt.Sprint(answer), call[2]); hidden {
				continue
			}
			if status != http.StatusBadRequest || !strings.HasSuffix(code, "NotFound") {
				t.Errorf("another %s, %q: %d %s (%s)", name, call, status, code, answer.text("Errors/Error/Message"))
			}
		}
		for action := range c.service.Server().Actions {
			if !seen[action] && !slices.Contains(without, action) {
				t.Errorf("%s is not tried", action)
			}
		}
		if other.all() != had {
			t.Errorf("refused calls changed what another %s has", name)
		}
	}
	if c.all() != before {
		t.Error("calls of others changed something")
	}
}
