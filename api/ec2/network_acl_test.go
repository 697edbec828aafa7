package ec2

import (
	"fmt"
	"slices"
	"testing"
)

// entriesOf shows a network ACL's entries in the order of the answer.
func (c *cloud) entriesOf(acl string) []string {
	c.Helper()
	var shown []string
	for _, e := range c.call("DescribeNetworkAcls", "NetworkAclId.1", acl).all("networkAclSet/item/entrySet/item") {
		line := fmt.Sprintf("%s egress %s %s protocol %s with %s", e.text("ruleNumber"), e.text("egress"), e.text("ruleAction"), e.text("protocol"), e.text("cidrBlock")+e.text("ipv6CidrBlock"))
		if from := e.text("portRange/from"); from != "" {
			line += " ports " + from + "-" + e.text("portRange/to")
		}
		if kind := e.text("icmpTypeCode/type"); kind != "" {
			line += " type " + kind + " code " + e.text("icmpTypeCode/code")
		}
		shown = append(shown, line)
	}
	return shown
}

// guardOf returns the network ACL of a subnet, with what ties it there.
func (c *cloud) guardOf(subnet string) (acl, association string) {
	c.Helper()
	found := c.call("DescribeNetworkAcls", filter("1", "association.subnet-id", subnet)...).all("networkAclSet/item")
	if len(found) != 1 {
		c.Fatalf("%d network ACLs guard %s", len(found), subnet)
	}
	for _, a := range found[0].all("associationSet/item") {
		if a.text("subnetId") == subnet {
			association = a.text("networkAclAssociationId")
		}
	}
	return found[0].text("networkAclId"), association
}

func entry(acl, number, egress, protocol, action string, more ...string) []string {
	return append([]string{"NetworkAclId", acl, "RuleNumber", number, "Egress", egress, "Protocol", protocol, "RuleAction", action}, more...)
}

func TestNetworkACLEntries(t *testing.T) {
	t.Parallel()
	c := newCloud(t, func(cfg *Config) { cfg.Limits.RulesPerNetworkACL = 4; cfg.Limits.NetworkACLsPerVPC = 2 })
	vpc := c.vpc("10.0.0.0/16")
	subnet := c.subnet(vpc, "10.0.1.0/24")
	first, _ := c.guardOf(subnet)
	if got, want := c.entriesOf(first), []string{
		"100 egress false allow protocol -1 with 0.0.0.0/0", "32767 egress false deny protocol -1 with 0.0.0.0/0",
		"100 egress true allow protocol -1 with 0.0.0.0/0", "32767 egress true deny protocol -1 with 0.0.0.0/0",
	}; !slices.Equal(got, want) {
		t.Errorf("the default one has %q", got)
	}
	created := c.call("CreateNetworkAcl", "VpcId", vpc, "ClientToken", "once", "TagSpecification.1.ResourceType", "network-acl", "TagSpecification.1.Tag.1.Key", "Name", "TagSpecification.1.Tag.1.Value", "edge")
	acl := created.text("networkAcl/networkAclId")
	if again := c.call("CreateNetworkAcl", "VpcId", vpc, "ClientToken", "once", "TagSpecification.1.ResourceType", "network-acl", "TagSpecification.1.Tag.1.Key", "Name", "TagSpecification.1.Tag.1.Value", "edge").text("networkAcl/networkAclId"); again != acl {
		t.Errorf("the same request made %s and %s", acl, again)
	}
	c.refuse("NetworkAclLimitExceeded", "CreateNetworkAcl", "VpcId", vpc)
	c.call("CreateNetworkAclEntry", entry(acl, "200", "false", "tcp", "allow", "CidrBlock", "192.0.2.9/24", "PortRange.From", "22", "PortRange.To", "23")...)
	c.call("CreateNetworkAclEntry", entry(acl, "100", "false", "1", "deny", "CidrBlock", "0.0.0.0/0", "Icmp.Type", "8", "Icmp.Code", "-1")...)
	c.call("CreateNetworkAclEntry", entry(acl, "150", "false", "58", "allow", "CidrBlock", "10.0.0.0/8", "PortRange.From", "1", "PortRange.To", "2")...)
	c.call("CreateNetworkAclEntry", entry(acl, "150", "true", "58", "allow", "Ipv6CidrBlock", "2001:db8::/32", "Icmp.Type", "-1", "Icmp.Code", "-1")...)
	c.refuse("NetworkAclEntryLimitExceeded", "CreateNetworkAclEntry", entry(acl, "1", "false", "-1", "allow", "CidrBlock", "0.0.0.0/0")...)
	c.call("CreateNetworkAclEntry", entry(acl, "101", "false", "17", "deny", "Ipv6CidrBlock", "::/0", "PortRange.From", "0", "PortRange.To", "65535")...) // another family
	c.refuse("NetworkAclEntryLimitExceeded", "ReplaceNetworkAclEntry", entry(acl, "101", "false", "-1", "deny", "CidrBlock", "0.0.0.0/0")...)
	c.call("ReplaceNetworkAclEntry", entry(acl, "100", "false", "50", "allow", "CidrBlock", "0.0.0.0/0")...)
	want := []string{
		"100 egress false allow protocol 50 with 0.0.0.0/0",
		"101 egress false deny protocol 17 with ::/0 ports 0-65535",
		"150 egress false allow protocol 58 with 10.0.0.0/8",
		"200 egress false allow protocol 6 with 192.0.2.0/24 ports 22-23",
		"32767 egress false deny protocol -1 with 0.0.0.0/0",
		"150 egress true allow protocol 58 with 2001:db8::/32 type -1 code -1",
		"32767 egress true deny protocol -1 with 0.0.0.0/0",
	}
	if got := c.entriesOf(acl); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	for name, value := range map[string]string{
		"entry.cidr": "192.0.2.0/24", "entry.ipv6-cidr": "2001:db8::/32", "entry.protocol": "tcp", "entry.port-range.from": "22", "entry.port-range.to": "23",
		"entry.icmp.type": "-1", "entry.icmp.code": "-1", "entry.rule-number": "150", "default": "false", "tag:Name": "edge",
	} {
		if got := c.call("DescribeNetworkAcls", filter("1", name, value)...).texts("networkAclSet/item/networkAclId"); !slices.Equal(got, []string{acl}) {
			t.Errorf("filter %s=%s: got %q", name, value, got)
		}
	}
	c.call("DeleteNetworkAclEntry", "NetworkAclId", acl, "RuleNumber", "150", "Egress", "false")
	if got := c.entriesOf(acl); !slices.Equal(got, slices.Delete(want, 2, 3)) {
		t.Errorf("after one is deleted: %q", got)
	}
	c.refuse("InvalidNetworkAclEntry.NotFound", "DeleteNetworkAclEntry", "NetworkAclId", acl, "RuleNumber", "150", "Egress", "false")
}

func TestNetworkACLAssociations(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	vpc := c.vpc("10.0.0.0/16")
	subnet, other := c.subnet(vpc, "10.0.1.0/24"), c.subnet(vpc, "10.0.2.0/24")
	first, association := c.guardOf(subnet)
	acl := c.call("CreateNetworkAcl", "VpcId", vpc).text("networkAcl/networkAclId")
	c.refuse("DependencyViolation", "DeleteVpc", "VpcId", vpc)
	c.refuse("DryRunOperation", "ReplaceNetworkAclAssociation", "AssociationId", association, "NetworkAclId", acl, "DryRun", "true")
	moved := c.call("ReplaceNetworkAclAssociation", "AssociationId", association, "NetworkAclId", acl).text("newAssociationId")
	if guard, as := c.guardOf(subnet); guard != acl || as != moved || moved == association {
		t.Errorf("the subnet is guarded by %s as %s, want %s as %s", guard, as, acl, moved)
	}
	if guard, _ := c.guardOf(other); guard != first {
		t.Errorf("the other subnet is guarded by %s, want %s", guard, first)
	}
	c.refuse("InvalidAssociationID.NotFound", "ReplaceNetworkAclAssociation", "AssociationId", association, "NetworkAclId", first)
	c.refuse("DependencyViolation", "DeleteNetworkAcl", "NetworkAclId", acl)
	same := c.call("ReplaceNetworkAclAssociation", "AssociationId", moved, "NetworkAclId", acl).text("newAssociationId")
	if guard, as := c.guardOf(subnet); guard != acl || as != same {
		t.Errorf("moved to where it was, the subnet is guarded by %s as %s, want %s as %s", guard, as, acl, same)
	}
	c.call("DeleteSubnet", "SubnetId", subnet)
	if left := c.call("DescribeNetworkAcls", "NetworkAclId.1", acl).texts("networkAclSet/item/associationSet/item/subnetId"); len(left) > 0 {
		t.Errorf("a subnet that is gone is associated: %q", left)
	}
	c.call("DeleteNetworkAcl", "NetworkAclId", acl)
	c.call("DeleteSubnet", "SubnetId", other)
	c.call("DeleteVpc", "VpcId", vpc)
	if left := c.call("DescribeNetworkAcls", filter("1", "vpc-id", vpc)...).all("networkAclSet/item"); len(left) > 0 {
		t.Errorf("the VPC is gone, and there are %+v", left)
	}
}
