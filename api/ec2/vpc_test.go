package ec2

import (
	"slices"
	"testing"
)

func filter(n, name string, values ...string) []string {
	parameters := []string{"Filter." + n + ".Name", name}
	for i, v := range values {
		parameters = append(parameters, "Filter."+n+".Value."+string(rune('1'+i)), v)
	}
	return parameters
}

func TestCreateVpc(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	answer := c.call("CreateVpc", "CidrBlock", "10.0.3.7/16", "TagSpecification.1.ResourceType", "vpc",
		"TagSpecification.1.Tag.1.Key", "Name", "TagSpecification.1.Tag.1.Value", "test")
	id := answer.text("vpc/vpcId")
	for path, want := range map[string]string{
		"vpc/cidrBlock":       "10.0.0.0/16", // host bits are cleared
		"vpc/state":           "available",
		"vpc/instanceTenancy": "default",
		"vpc/isDefault":       "false",
		"vpc/ownerId":         c.account,
		"vpc/tagSet/item/key": "Name",
		"vpc/cidrBlockAssociationSet/item/cidrBlock":            "10.0.0.0/16",
		"vpc/cidrBlockAssociationSet/item/cidrBlockState/state": "associated",
	} {
		if got := answer.text(path); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}

	t.Run("it has a main route table", func(t *testing.T) {
		tables := c.call("DescribeRouteTables", filter("1", "vpc-id", id)...).all("routeTableSet/item")
		if len(tables) != 1 || tables[0].text("associationSet/item/main") != "true" {
			t.Fatalf("got %+v", tables)
		}
		if got := tables[0].texts("routeSet/item/gatewayId"); !slices.Equal(got, []string{"local"}) {
			t.Errorf("routes lead to %q", got)
		}
	})
	t.Run("it has a default security group", func(t *testing.T) {
		groups := c.call("DescribeSecurityGroups", append(filter("1", "vpc-id", id), filter("2", "group-name", "default")...)...).all("securityGroupInfo/item")
		if len(groups) != 1 {
			t.Fatalf("got %+v", groups)
		}
		g := groups[0]
		if got := g.texts("ipPermissions/item/groups/item/groupId"); !slices.Equal(got, []string{g.text("groupId")}) {
			t.Errorf("lets in %q", got)
		}
		if got := g.texts("ipPermissionsEgress/item/ipRanges/item/cidrIp"); !slices.Equal(got, []string{"0.0.0.0/0"}) {
			t.Errorf("lets out to %q", got)
		}
		if ports := g.texts("ipPermissionsEgress/item/fromPort"); len(ports) > 0 {
			t.Errorf("a permission for all protocols shows ports: %q", ports)
		}
	})
	t.Run("it has a default network ACL", func(t *testing.T) {
		subnet := c.subnet(id, "10.0.1.0/24")
		acls := c.call("DescribeNetworkAcls", append(filter("1", "vpc-id", id), filter("2", "default", "true")...)...).all("networkAclSet/item")
		if len(acls) != 1 || acls[0].text("associationSet/item/subnetId") != subnet {
			t.Fatalf("got %+v", acls)
		}
	})
	t.Run("its attributes can be set one by one", func(t *testing.T) {
		c.call("ModifyVpcAttribute", "VpcId", id, "EnableDnsHostnames.Value", "true")
		for attribute, want := range map[string]string{"enableDnsSupport": "true", "enableDnsHostnames": "true", "enableNetworkAddressUsageMetrics": "false"} {
			if got := c.call("DescribeVpcAttribute", "VpcId", id, "Attribute", attribute).text(attribute + "/value"); got != want {
				t.Errorf("%s: got %q, want %q", attribute, got, want)
			}
		}
	})
}

func TestVPCRanges(t *testing.T) {
	t.Parallel()
	c := newCloud(t, func(cfg *Config) { cfg.Limits.CIDRsPerVPC = 2 })
	vpc := c.vpc("10.0.0.0/16")
	association := c.call("AssociateVpcCidrBlock", "VpcId", vpc, "CidrBlock", "10.1.0.0/16").text("cidrBlockAssociation/associationId")
	c.refuse("CidrLimitExceeded", "AssociateVpcCidrBlock", "VpcId", vpc, "CidrBlock", "10.2.0.0/16")
	if found := c.call("DescribeVpcs", filter("1", "cidr-block-association.association-id", association)...).text("vpcSet/item/vpcId"); found != vpc {
		t.Errorf("the association's VPC is %q", found)
	}
	subnet := c.subnet(vpc, "10.1.1.0/24")
	c.refuse("DependencyViolation", "DisassociateVpcCidrBlock", "AssociationId", association)
	c.call("DeleteSubnet", "SubnetId", subnet)
	c.call("DisassociateVpcCidrBlock", "AssociationId", association)
	c.refuse("InvalidVpcCidrBlockAssociationID.NotFound", "DisassociateVpcCidrBlock", "AssociationId", association)
	c.refuse("InvalidSubnet.Range", "CreateSubnet", "VpcId", vpc, "CidrBlock", "10.1.1.0/24")
}

// TestDeleteVpc takes down a VPC in the only order that there is.
func TestDeleteVpc(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	vpc := c.vpc("10.0.0.0/16")
	subnet := c.subnet(vpc, "10.0.0.0/24")
	group, other := c.group(vpc, "web"), c.group(vpc, "admin")
	c.call("AuthorizeSecurityGroupIngress", "GroupId", group, "IpPermissions.1.IpProtocol", "-1", "IpPermissions.1.Groups.1.GroupId", other)
	table := c.call("CreateRouteTable", "VpcId", vpc).text("routeTable/routeTableId")
	association := c.call("AssociateRouteTable", "RouteTableId", table, "SubnetId", subnet).text("associationId")
	instance := c.instance(subnet, "SecurityGroupId.1", group)
	nic := c.call("DescribeInstances").text("reservationSet/item/instancesSet/item/networkInterfaceSet/item/networkInterfaceId")

	refusals := func() {
		t.Helper()
		c.refuse("DependencyViolation", "DeleteVpc", "VpcId", vpc)
	}
	refusals()
	c.refuse("DependencyViolation", "DeleteSubnet", "SubnetId", subnet)
	c.refuse("DependencyViolation", "DeleteSecurityGroup", "GroupId", group)
	c.call("TerminateInstances", "InstanceId.1", instance)
	c.observe(instance, "terminated")
	c.removeInterface(nic)

	refusals()
	c.refuse("DependencyViolation", "DeleteSecurityGroup", "GroupId", other) // a rule names it
	c.call("DeleteSecurityGroup", "GroupId", group)
	c.call("DeleteSecurityGroup", "GroupId", other)
	refusals()
	c.refuse("DependencyViolation", "DeleteRouteTable", "RouteTableId", table)
	c.call("DisassociateRouteTable", "AssociationId", association)
	c.call("DeleteRouteTable", "RouteTableId", table)
	refusals()
	c.call("DeleteSubnet", "SubnetId", subnet)
	c.call("DeleteVpc", "VpcId", vpc)
	c.refuse("InvalidVpcID.NotFound", "DescribeVpcs", "VpcId.1", vpc)

	left := c.service.read(c.caller())
	if n := routeTables.total(left) + securityGroups.total(left); n != 0 {
		t.Errorf("%d route tables and security groups are left", n)
	}
}
