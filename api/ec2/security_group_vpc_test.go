package ec2

import (
	"fmt"
	"slices"
	"testing"
)

func TestSecurityGroupsOfSeveralVPCs(t *testing.T) {
	t.Parallel()
	c := newCloud(t, func(cfg *Config) { cfg.DefaultVPCs = true })
	standard := c.call("DescribeVpcs", filter("1", "is-default", "true")...).text("vpcSet/item/vpcId")
	vpc, far, third := c.vpc("10.0.0.0/16"), c.vpc("10.1.0.0/16"), c.vpc("10.2.0.0/16")
	subnet := c.subnet(far, "10.1.1.0/24")
	group, own, peer := c.group(vpc, "web"), c.group(far, "db"), c.group(third, "apart")
	defaultGroup := c.call("DescribeSecurityGroups", append(filter("1", "vpc-id", vpc), filter("2", "group-name", "default")...)...).text("securityGroupInfo/item/groupId")
	pair := func(group, vpc string) []string { return []string{"GroupId", group, "VpcId", vpc} }
	between := func(group, peer string) []string {
		return []string{"GroupId", group, "IpPermissions.1.IpProtocol", "-1", "IpPermissions.1.Groups.1.GroupId", peer}
	}
	c.refuse("InvalidParameter", "CreateNetworkInterface", "SubnetId", subnet, "SecurityGroupId.1", group)
	c.refuse("InvalidGroup.NotFound", "AuthorizeSecurityGroupIngress", between(own, group)...)
	for _, refused := range []struct{ code, action, group, vpc string }{
		{"InvalidParameterValue", "AssociateSecurityGroupVpc", group, vpc},
		{"InvalidParameterValue", "AssociateSecurityGroupVpc", defaultGroup, far},
		{"InvalidParameterValue", "AssociateSecurityGroupVpc", group, standard},
		{"InvalidParameterValue", "AssociateSecurityGroupVpc", c.group(standard, "other"), far},
		{"InvalidGroup.NotFound", "AssociateSecurityGroupVpc", "sg-00000000000000000", far},
		{"InvalidVpcID.NotFound", "AssociateSecurityGroupVpc", group, "vpc-00000000000000000"},
		{"InvalidSecurityGroupVpcAssociation.NotFound", "DisassociateSecurityGroupVpc", group, far},
		{"InvalidSecurityGroupVpcAssociation.NotFound", "DisassociateSecurityGroupVpc", group, vpc},
	} {
		c.refuse(refused.code, refused.action, pair(refused.group, refused.vpc)...)
	}
	if got := c.call("AssociateSecurityGroupVpc", pair(group, far)...).text("state"); got != "associating" {
		t.Errorf("it is %s", got)
	}
	c.refuse("Resource.AlreadyAssociated", "AssociateSecurityGroupVpc", pair(group, far)...)
	for _, f := range [][2]string{{"group-id", group}, {"group-owner-id", c.account}, {"state", "associated"}, {"vpc-id", far}, {"vpc-owner-id", c.account}} {
		shown := c.call("DescribeSecurityGroupVpcAssociations", filter("1", f[0], f[1])...)
		if got := fmt.Sprint(shown.texts("securityGroupVpcAssociationSet/item/groupId"), shown.texts("securityGroupVpcAssociationSet/item/vpcId"), shown.texts("securityGroupVpcAssociationSet/item/state")); got != fmt.Sprintf("[%s] [%s] [associated]", group, far) {
			t.Errorf("filter %s=%s: %s", f[0], f[1], got)
		}
	}
	if got := c.call("DescribeSecurityGroupVpcAssociations", filter("1", "vpc-id", vpc)...).all("securityGroupVpcAssociationSet/item"); len(got) > 0 {
		t.Errorf("its own VPC is shown: %v", got)
	}
	usable := c.call("GetSecurityGroupsForVpc", "VpcId", far).texts("securityGroupForVpcSet/item/groupId")
	if !slices.Contains(usable, group) || !slices.Contains(usable, own) || slices.Contains(usable, defaultGroup) || slices.Contains(usable, peer) {
		t.Errorf("the groups for the other VPC are %v", usable)
	}
	nic := c.networkInterface(subnet, "SecurityGroupId.1", group, "SecurityGroupId.2", own)
	c.call("AuthorizeSecurityGroupIngress", between(own, group)...)
	c.refuse("InvalidGroup.NotFound", "AuthorizeSecurityGroupIngress", between(peer, group)...)
	c.refuse("DependencyViolation", "DisassociateSecurityGroupVpc", pair(group, far)...)
	c.call("DeleteNetworkInterface", "NetworkInterfaceId", nic)
	c.refuse("DependencyViolation", "DisassociateSecurityGroupVpc", pair(group, far)...) // a rule names it
	c.call("RevokeSecurityGroupIngress", between(own, group)...)
	c.refuse("DependencyViolation", "DeleteSecurityGroup", "GroupId", group)
	if got := c.call("DisassociateSecurityGroupVpc", pair(group, far)...).text("state"); got != "disassociating" {
		t.Errorf("it is %s", got)
	}
	c.refuse("InvalidParameter", "CreateNetworkInterface", "SubnetId", subnet, "SecurityGroupId.1", group)
	c.call("AssociateSecurityGroupVpc", pair(group, third)...)
	c.call("DeleteSecurityGroup", "GroupId", peer)
	c.call("DeleteVpc", "VpcId", third) // and with it the association
	c.call("DeleteSecurityGroup", "GroupId", group)
}
