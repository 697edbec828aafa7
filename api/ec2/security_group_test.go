package ec2

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestSecurityGroupAsTerraform makes the calls of Terraform's provider for
// aws_security_group and its rules.
func TestSecurityGroupAsTerraform(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	id := c.group(c.vpc("10.0.0.0/16"), "web")
	c.call("RevokeSecurityGroupEgress", "GroupId", id, "IpPermissions.1.FromPort", "0", "IpPermissions.1.ToPort", "0",
		"IpPermissions.1.IpProtocol", "-1", "IpPermissions.1.IpRanges.1.CidrIp", "0.0.0.0/0")
	c.refuse("InvalidPermission.NotFound", "RevokeSecurityGroupEgress", "GroupId", id, "IpPermissions.1.FromPort", "0", "IpPermissions.1.ToPort", "0",
		"IpPermissions.1.IpProtocol", "-1", "IpPermissions.1.Ipv6Ranges.1.CidrIpv6", "::/0")
	answer := c.call("AuthorizeSecurityGroupIngress", "GroupId", id,
		"IpPermissions.1.IpProtocol", "TCP", "IpPermissions.1.FromPort", "22", "IpPermissions.1.ToPort", "22",
		"IpPermissions.1.IpRanges.1.CidrIp", "192.168.3.4/16", "IpPermissions.1.IpRanges.1.Description", "the site",
		"IpPermissions.1.IpRanges.2.CidrIp", "10.0.0.0/8",
		"IpPermissions.2.IpProtocol", "1", "IpPermissions.2.FromPort", "-1", "IpPermissions.2.ToPort", "-1",
		"IpPermissions.2.Groups.1.GroupId", id,
		"TagSpecification.1.ResourceType", "security-group-rule", "TagSpecification.1.Tag.1.Key", "Name", "TagSpecification.1.Tag.1.Value", "r")
	rules := answer.all("securityGroupRuleSet/item")
	if len(rules) != 3 || answer.text("return") != "true" {
		t.Fatalf("got %+v", answer)
	}
	for path, want := range map[string]string{
		"cidrIpv4": "192.168.0.0/16", "description": "the site", "fromPort": "22", "toPort": "22", "ipProtocol": "tcp",
		"isEgress": "false", "groupId": id, "groupOwnerId": c.account, "tagSet/item/value": "r",
	} {
		if got := rules[0].text(path); got != want {
			t.Errorf("rule 1, %s: got %q, want %q", path, got, want)
		}
	}
	if rules[2].text("ipProtocol") != "icmp" || rules[2].text("referencedGroupInfo/groupId") != id {
		t.Errorf("rule 3 is %+v", rules[2])
	}
	c.refuse("InvalidPermission.Duplicate", "AuthorizeSecurityGroupIngress", "GroupId", id, "IpProtocol", "tcp", "FromPort", "22", "ToPort", "22", "CidrIp", "10.0.0.0/8")

	group := c.call("DescribeSecurityGroups", "GroupId.1", id).all("securityGroupInfo/item")[0]
	if got := group.texts("ipPermissions/item/ipProtocol"); !slices.Equal(got, []string{"tcp", "icmp"}) {
		t.Errorf("permissions are grouped as %q", got)
	}
	if got := group.texts("ipPermissions/item/ipRanges/item/cidrIp"); !slices.Equal(got, []string{"192.168.0.0/16", "10.0.0.0/8"}) {
		t.Errorf("ranges are %q", got)
	}
	if len(group.all("ipPermissionsEgress/item")) != 0 {
		t.Errorf("the revoked rule is shown: %+v", group)
	}

	first := rules[0].text("securityGroupRuleId")
	c.call("ModifySecurityGroupRules", "GroupId", id, "SecurityGroupRule.1.SecurityGroupRuleId", first,
		"SecurityGroupRule.1.SecurityGroupRule.IpProtocol", "tcp", "SecurityGroupRule.1.SecurityGroupRule.FromPort", "3389",
		"SecurityGroupRule.1.SecurityGroupRule.ToPort", "3389", "SecurityGroupRule.1.SecurityGroupRule.CidrIpv4", "192.168.0.0/16")
	c.call("UpdateSecurityGroupRuleDescriptionsIngress", "GroupId", id, "SecurityGroupRuleDescription.1.SecurityGroupRuleId", first,
		"SecurityGroupRuleDescription.1.Description", "RDP")
	shown := c.call("DescribeSecurityGroupRules", "SecurityGroupRuleId.1", first).all("securityGroupRuleSet/item")
	if len(shown) != 1 || shown[0].text("fromPort") != "3389" || shown[0].text("description") != "RDP" || shown[0].text("tagSet/item/key") != "Name" {
		t.Errorf("the changed rule is %+v", shown)
	}

	revoked := c.call("RevokeSecurityGroupIngress", "GroupId", id, "SecurityGroupRuleId.1", first)
	if got := revoked.texts("revokedSecurityGroupRuleSet/item/securityGroupRuleId"); !slices.Equal(got, []string{first}) {
		t.Errorf("revoked %q", got)
	}
	if got := len(c.call("DescribeSecurityGroupRules", filter("1", "group-id", id)...).all("securityGroupRuleSet/item")); got != 2 {
		t.Errorf("%d rules are left", got)
	}
	c.refuse("InvalidSecurityGroupRuleId.NotFound", "DescribeSecurityGroupRules", "SecurityGroupRuleId.1", first)
}

func TestRuleLimitIsPerDirectionAndFamily(t *testing.T) {
	t.Parallel()
	c := newCloud(t, func(cfg *Config) { cfg.Limits.RulesPerSecurityGroup = 2 })
	id := c.group(c.vpc("10.0.0.0/16"), "web")
	allow := func(member, peer string) []string {
		return []string{"GroupId", id, "IpPermissions.1.IpProtocol", "-1", "IpPermissions.1." + member, peer}
	}
	c.call("AuthorizeSecurityGroupIngress", allow("IpRanges.1.CidrIp", "10.1.0.0/16")...)
	c.call("AuthorizeSecurityGroupIngress", allow("IpRanges.1.CidrIp", "10.2.0.0/16")...)
	c.refuse("RulesPerSecurityGroupLimitExceeded", "AuthorizeSecurityGroupIngress", allow("IpRanges.1.CidrIp", "10.3.0.0/16")...)
	c.call("AuthorizeSecurityGroupIngress", allow("Ipv6Ranges.1.CidrIpv6", "fd00::/8")...)
	c.call("AuthorizeSecurityGroupEgress", allow("IpRanges.1.CidrIp", "10.3.0.0/16")...)
	c.refuse("RulesPerSecurityGroupLimitExceeded", "AuthorizeSecurityGroupIngress", allow("Groups.1.GroupId", id)...) // counts in both families
}

// TestManyRulesInOneRequest names more rules than a request can have: it is
// refused before each is compared with each.
func TestManyRulesInOneRequest(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	group := c.group(c.vpc("10.0.0.0/16"), "web")
	parameters := []string{"GroupId", group, "IpPermissions.1.IpProtocol", "-1"}
	for i := range requestRulesMax + 1 {
		parameters = append(parameters, fmt.Sprintf("IpPermissions.1.IpRanges.%d.CidrIp", i+1), fmt.Sprintf("10.%d.%d.0/24", i/256, i%256))
	}
	for _, action := range []string{"AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress"} {
		if message := c.refuse("RulesPerSecurityGroupLimitExceeded", action, parameters...); !strings.Contains(message, "request") {
			t.Errorf("%s: %s", action, message)
		}
	}
}

// TestProtocolsWithoutPorts shows rules of ESP and of all protocols without ports:
// Terraform writes 0 for both, and compares.
func TestProtocolsWithoutPorts(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	id := c.group(c.vpc("10.0.0.0/16"), "gateway")
	for _, protocol := range []string{"50", "-1", "icmp"} {
		c.call("AuthorizeSecurityGroupIngress", "GroupId", id, "IpPermissions.1.IpProtocol", protocol, "IpPermissions.1.FromPort", "0",
			"IpPermissions.1.ToPort", "0", "IpPermissions.1.IpRanges.1.CidrIp", "192.0.2.0/24")
	}
	for _, permission := range c.call("DescribeSecurityGroups", "GroupId.1", id).all("securityGroupInfo/item/ipPermissions/item") {
		protocol, want := permission.text("ipProtocol"), ""
		if protocol == "icmp" {
			want = "0" // a type
		}
		if from, to := permission.text("fromPort"), permission.text("toPort"); from != want || to != want {
			t.Errorf("protocol %s has ports %q to %q, want %q", protocol, from, to, want)
		}
	}
}
