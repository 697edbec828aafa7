package ec2

import (
	"slices"
	"testing"
)

// unusedRefusals are calls about what there is none of; the codes are those of the
// EC2 API reference's list and those that Terraform's provider looks for, where
// they have one.
var unusedRefusals = []struct{ code, call string }{
	{"InvalidCarrierGatewayID.NotFound", "DescribeCarrierGateways&CarrierGatewayId.1=cagw-01234567"},
	{"InvalidPermissionID.NotFound", "DescribeNetworkInterfacePermissions&NetworkInterfacePermissionId.1=eni-perm-01234567"},
	{"InvalidPublicIpv4PoolID.NotFound", "DescribePublicIpv4Pools&PoolId.1=ipv4pool-ec2-01234567"},
	{"InvalidParameterValue", "DescribeVpcBlockPublicAccessOptions&DryRun=perhaps"},
	{"InvalidVpcID.NotFound", "DescribeVpcClassicLink&VpcId.1=vpc-00000000000000000"},
	{"InvalidVpcID.NotFound", "DescribeVpcClassicLinkDnsSupport&VpcIds.1=vpc-00000000000000000"},
	{"InvalidVpcID.NotFound", "DescribeVpcEncryptionControls&VpcId.1=vpc-00000000000000000"},
	{"InvalidVpcEncryptionControlId.NotFound", "DescribeVpcEncryptionControls&VpcEncryptionControlId.1=vpcec-01234567"},
	{"InvalidVpnConcentratorID.NotFound", "DescribeVpnConcentrators&VpnConcentratorId.1=vcn-01234567"},
	{"InvalidResourceType.Unknown", "DescribeIdFormat&Resource=mood"},
	{"InvalidResourceType.Unknown", "DescribePrincipalIdFormat&Resource.1=mood"},
	{"InvalidParameterValue", "DescribeAggregateIdFormat&DryRun=perhaps"},
	{"InvalidParameterValue", "ModifyVpcTenancy&VpcId={vpc}&InstanceTenancy=dedicated"},
	{"MissingParameter", "ModifyVpcTenancy&VpcId={vpc}"},
	{"InvalidVpcID.NotFound", "ModifyVpcTenancy&VpcId=vpc-00000000000000000&InstanceTenancy=default"},
	{"MissingParameter", "DescribeSecurityGroupReferences"},
	{"InvalidGroup.NotFound", "DescribeSecurityGroupReferences&GroupId.1=sg-00000000000000000"},
	{"InvalidVpcID.NotFound", "DescribeStaleSecurityGroups&VpcId=vpc-00000000000000000"},
	{"InvalidVpcID.NotFound", "GetSecurityGroupsForVpc&VpcId=vpc-00000000000000000"},
	{"InvalidGroup.NotFound", "AssociateSecurityGroupVpc&GroupId=sg-00000000000000000&VpcId={vpc}"},
	{"InvalidGroupId.Malformed", "AssociateSecurityGroupVpc&GroupId=nonsense&VpcId={vpc}"},
	{"InvalidGroup.NotFound", "DisassociateSecurityGroupVpc&GroupId=sg-00000000000000000&VpcId={vpc}"},
}

// TestUnused asks for what accounts have at AWS only.
func TestUnused(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	vpc := c.call("CreateVpc", "CidrBlock", "10.0.0.0/16", "TagSpecification.1.ResourceType", "vpc", "TagSpecification.1.Tag.1.Key", "stage", "TagSpecification.1.Tag.1.Value", "test").text("vpc/vpcId")
	c.vpc("10.1.0.0/16")
	group := c.group(vpc, "web")
	before := c.all()
	for _, call := range []struct {
		action, item string
		parameters   []string
	}{
		{"DescribeCarrierGateways", "carrierGatewaySet/item", nil},
		{"DescribeNetworkInterfacePermissions", "networkInterfacePermissions/item", nil},
		{"DescribePublicIpv4Pools", "publicIpv4PoolSet/item", filter("1", "tag:stage", "*")},
		{"DescribeVpcEncryptionControls", "vpcEncryptionControlSet/item", []string{"VpcId.1", vpc}},
		{"DescribeVpnConcentrators", "vpnConcentratorSet/item", nil},
		{"DescribePrincipalIdFormat", "principalSet/item", []string{"Resource.1", "vpc"}},
		{"DescribeSecurityGroupReferences", "securityGroupReferenceSet/item", []string{"GroupId.1", group}},
		{"DescribeStaleSecurityGroups", "staleSecurityGroupSet/item", []string{"VpcId", vpc}},
	} {
		if got := c.call(call.action, call.parameters...).all(call.item); len(got) != 0 {
			t.Errorf("%s shows %+v", call.action, got)
		}
	}
	options := c.call("DescribeVpcBlockPublicAccessOptions").all("vpcBlockPublicAccessOptions")[0]
	for path, want := range map[string]string{"awsAccountId": c.account, "awsRegion": c.region, "internetGatewayBlockMode": "off", "state": "default-state", "exclusionsAllowed": "allowed"} {
		if got := options.text(path); got != want {
			t.Errorf("%s of blocking is %q, want %q", path, got, want)
		}
	}
	linked := c.call("DescribeVpcClassicLink", filter("1", "tag:stage", "test")...)
	if got := linked.texts("vpcSet/item/classicLinkEnabled"); !slices.Equal(got, []string{"false"}) || linked.text("vpcSet/item/vpcId") != vpc {
		t.Errorf("ClassicLink is %v", got)
	}
	if got := c.call("DescribeVpcClassicLink", filter("1", "is-classic-link-enabled", "true")...).all("vpcSet/item"); len(got) != 0 {
		t.Errorf("%d VPCs have ClassicLink", len(got))
	}
	if got := c.call("DescribeVpcClassicLinkDnsSupport", "VpcIds.1", vpc).texts("vpcs/item/classicLinkDnsSupported"); !slices.Equal(got, []string{"false"}) {
		t.Errorf("ClassicLink's names are %v", got)
	}
	if got := c.call("ModifyVpcTenancy", "VpcId", vpc, "InstanceTenancy", "default").text("return"); got != "true" {
		t.Errorf("to set the tenancy gives %q", got)
	}
	if got := c.call("DescribeIdFormat", "Resource", "subnet").texts("statusSet/item/useLongIds"); !slices.Equal(got, []string{"true"}) {
		t.Errorf("ids of subnets are long: %v", got)
	}
	aggregate := c.call("DescribeAggregateIdFormat")
	if all := aggregate.texts("statusSet/item/resource"); len(all) != len(longIDTypes) || aggregate.text("useLongIdsAggregated") != "true" {
		t.Errorf("ids are long of %v", all)
	}
	usable := c.call("GetSecurityGroupsForVpc", append(filter("1", "group-name", "w*"), "VpcId", vpc)...)
	if got := usable.texts("securityGroupForVpcSet/item/groupId"); !slices.Equal(got, []string{group}) || usable.text("securityGroupForVpcSet/item/primaryVpcId") != vpc {
		t.Errorf("the groups for the VPC are %v", got)
	}
	c.refuseAll(unusedRefusals, "{vpc}", vpc)
	if c.all() != before {
		t.Error("something has changed")
	}
}
