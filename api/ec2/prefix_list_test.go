package ec2

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// prefixList creates a list of ranges and returns its id.
func (c *cloud) prefixList(family, max string, cidrs ...string) string {
	c.Helper()
	parameters := []string{"PrefixListName", "sites", "AddressFamily", family, "MaxEntries", max}
	for i, cidr := range cidrs {
		parameters = append(parameters, fmt.Sprintf("Entry.%d.Cidr", i+1), cidr)
	}
	return c.call("CreateManagedPrefixList", parameters...).text("prefixList/prefixListId")
}

func (c *cloud) entries(list string, more ...string) []string {
	c.Helper()
	return c.call("GetManagedPrefixListEntries", append([]string{"PrefixListId", list}, more...)...).texts("entrySet/item/cidr")
}

func TestManagedPrefixLists(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	create := []string{"PrefixListName", "sites", "AddressFamily", "IPv4", "MaxEntries", "3", "Entry.1.Cidr", "192.168.0.0/16", "Entry.1.Description", "branch", "ClientToken", "once",
		"TagSpecification.1.ResourceType", "prefix-list", "TagSpecification.1.Tag.1.Key", "Name", "TagSpecification.1.Tag.1.Value", "sites"}
	made := c.call("CreateManagedPrefixList", create...)
	id := made.text("prefixList/prefixListId")
	if again := c.call("CreateManagedPrefixList", create...).text("prefixList/prefixListId"); again != id {
		t.Errorf("repeated, it is %s, want %s", again, id)
	}
	for path, want := range map[string]string{
		"addressFamily": "IPv4", "maxEntries": "3", "version": "1", "state": "create-complete", "prefixListName": "sites", "ownerId": c.account,
		"prefixListArn": "arn:aws:ec2:us-east-1:" + c.account + ":prefix-list/" + id, "tagSet/item/value": "sites",
	} {
		if got := made.text("prefixList/" + path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	modify := func(version string, more ...string) node {
		return c.call("ModifyManagedPrefixList", append([]string{"PrefixListId", id, "CurrentVersion", version}, more...)...)
	}
	changed := modify("1", "AddEntry.1.Cidr", "10.9.0.0/16", "AddEntry.2.Cidr", "172.16.0.0/12", "PrefixListName", "all")
	if v, state := changed.text("prefixList/version"), changed.text("prefixList/state"); v != "2" || state != "modify-complete" {
		t.Errorf("modified, it has version %s and is %s", v, state)
	}
	modify("2", "RemoveEntry.1.Cidr", "172.16.0.0/12", "AddEntry.1.Cidr", "192.168.0.0/16", "AddEntry.1.Description", "main")
	if got := c.entries(id); !slices.Equal(got, []string{"10.9.0.0/16", "192.168.0.0/16"}) {
		t.Errorf("the entries are %v", got)
	}
	if got := c.call("GetManagedPrefixListEntries", "PrefixListId", id).texts("entrySet/item/description"); !slices.Equal(got, []string{"main"}) {
		t.Errorf("the descriptions are %v", got)
	}
	if got := c.entries(id, "TargetVersion", "2"); len(got) != 3 {
		t.Errorf("version 2 has %v", got)
	}
	first := c.call("GetManagedPrefixListEntries", "PrefixListId", id, "TargetVersion", "2", "MaxResults", "2")
	if next := c.entries(id, "TargetVersion", "2", "NextToken", first.text("nextToken")); len(first.all("entrySet/item")) != 2 || len(next) != 1 {
		t.Errorf("by pages: %v and %v", first.texts("entrySet/item/cidr"), next)
	}
	restored := c.call("RestoreManagedPrefixListVersion", "PrefixListId", id, "CurrentVersion", "3", "PreviousVersion", "1")
	if v, state := restored.text("prefixList/version"), restored.text("prefixList/state"); v != "4" || state != "restore-complete" || len(c.entries(id)) != 1 {
		t.Errorf("restored, it has version %s and is %s", v, state)
	}
	resized := c.call("ModifyManagedPrefixList", "PrefixListId", id, "MaxEntries", "1")
	if v, most := resized.text("prefixList/version"), resized.text("prefixList/maxEntries"); v != "4" || most != "1" {
		t.Errorf("resized, it has version %s and at most %s entries", v, most)
	}
	other := c.prefixList("IPv6", "1", "2001:db8::/32")
	for name, value := range map[string]string{"prefix-list-id": id, "prefix-list-name": "all"} {
		if got := c.call("DescribeManagedPrefixLists", filter("1", name, value)...).texts("prefixListSet/item/prefixListId"); !slices.Equal(got, []string{id}) {
			t.Errorf("filter %s: %v", name, got)
		}
	}
	if got := c.call("DescribeManagedPrefixLists", filter("1", "owner-id", c.account)...).all("prefixListSet/item"); len(got) != 2 {
		t.Errorf("there are %d lists", len(got))
	}
	if got := c.call("DescribePrefixLists", filter("1", "prefix-list-name", "*")...).all("prefixListSet/item"); len(got) != 0 {
		t.Errorf("AWS's services have %d lists", len(got))
	}
	if state := c.call("DeleteManagedPrefixList", "PrefixListId", other).text("prefixList/state"); state != "delete-in-progress" {
		t.Errorf("deleted, it is %s", state)
	}
	c.refuse("InvalidPrefixListID.NotFound", "DescribeManagedPrefixLists", "PrefixListId.1", other)
}

// TestPrefixListsInUse names lists in a route and in rules, and changes them.
func TestPrefixListsInUse(t *testing.T) {
	t.Parallel()
	c := newCloud(t, func(cfg *Config) { cfg.Limits.RoutesPerRouteTable, cfg.Limits.RulesPerSecurityGroup = 4, 5 })
	vpc := c.vpc("10.0.0.0/16")
	group, table, gateway := c.group(vpc, "web"), c.mainRouteTable(vpc), c.attachedGateway(vpc)
	list, six := c.prefixList("IPv4", "3", "192.168.0.0/16", "172.16.0.0/12"), c.prefixList("IPv6", "5", "2001:db8::/32")
	c.call("CreateRoute", "RouteTableId", table, "DestinationPrefixListId", list, "GatewayId", gateway)
	shown := c.call("DescribeRouteTables", filter("1", "route.destination-prefix-list-id", list)...)
	if got := shown.texts("routeTableSet/item/routeSet/item/destinationPrefixListId"); !slices.Equal(got, []string{list}) {
		t.Errorf("the table leads to %v", got)
	}
	if got := shown.texts("routeTableSet/item/routeSet/item/destinationCidrBlock"); !slices.Equal(got, []string{"10.0.0.0/16"}) {
		t.Errorf("the table leads to ranges %v", got)
	}
	permission := func(list string) []string {
		return []string{"GroupId", group, "IpPermissions.1.IpProtocol", "tcp", "IpPermissions.1.FromPort", "80", "IpPermissions.1.ToPort", "80",
			"IpPermissions.1.PrefixListIds.1.PrefixListId", list, "IpPermissions.1.PrefixListIds.1.Description", "sites"}
	}
	rule := c.call("AuthorizeSecurityGroupIngress", permission(list)...)
	if got := rule.text("securityGroupRuleSet/item/prefixListId"); got != list {
		t.Errorf("the rule is about %q", got)
	}
	c.call("AuthorizeSecurityGroupIngress", permission(six)...)
	set := c.call("DescribeSecurityGroups", filter("1", "ip-permission.prefix-list-id", list)...)
	if got := set.texts("securityGroupInfo/item/ipPermissions/item/prefixListIds/item/prefixListId"); !slices.Equal(got, []string{list, six}) {
		t.Errorf("the group is about %v", got)
	}
	if got := c.call("GetManagedPrefixListAssociations", "PrefixListId", list).texts("prefixListAssociationSet/item/resourceId"); !slices.Equal(got, slices.Sorted(slices.Values([]string{table, group}))) {
		t.Errorf("the list is named by %v", got)
	}
	c.refuseAll(listUseRefusals, "{list}", list, "{six}", six, "{group}", group, "{table}", table, "{gateway}", gateway)
	c.call("ReplaceRoute", "RouteTableId", table, "DestinationPrefixListId", list, "GatewayId", gateway)
	c.call("DeleteRoute", "RouteTableId", table, "DestinationPrefixListId", list)
	c.call("ModifyManagedPrefixList", "PrefixListId", list, "MaxEntries", "5")
	sgr := rule.text("securityGroupRuleSet/item/securityGroupRuleId")
	c.call("ModifySecurityGroupRules", "GroupId", group, "SecurityGroupRule.1.SecurityGroupRuleId", sgr, "SecurityGroupRule.1.SecurityGroupRule.IpProtocol", "udp",
		"SecurityGroupRule.1.SecurityGroupRule.FromPort", "53", "SecurityGroupRule.1.SecurityGroupRule.ToPort", "53", "SecurityGroupRule.1.SecurityGroupRule.PrefixListId", list)
	c.refuse("InvalidPermission.NotFound", "RevokeSecurityGroupIngress", permission(list)...)
	if got := c.call("RevokeSecurityGroupIngress", "GroupId", group, "SecurityGroupRuleId.1", sgr).text("revokedSecurityGroupRuleSet/item/prefixListId"); got != list {
		t.Errorf("revoked is %q", got)
	}
	c.call("DeleteManagedPrefixList", "PrefixListId", list)
}

// listUseRefusals are about a list of at most 3 ranges, "{list}", and one of 5 of
// IPv6, "{six}", that the group and, but for the second, the table name already.
var listUseRefusals = []struct{ code, call string }{
	{"DependencyViolation", "DeleteManagedPrefixList&PrefixListId={list}"},
	{"RouteAlreadyExists", "CreateRoute&RouteTableId={table}&DestinationPrefixListId={list}&GatewayId={gateway}"},
	{"InvalidParameterValue", "CreateRoute&RouteTableId={table}&DestinationPrefixListId={six}&GatewayId={gateway}"},
	{"RouteLimitExceeded", "ModifyManagedPrefixList&PrefixListId={list}&MaxEntries=5"},
	{"RulesPerSecurityGroupLimitExceeded", "ModifyManagedPrefixList&PrefixListId={six}&MaxEntries=6"},
	{"InvalidPrefixListID.NotFound", "CreateRoute&RouteTableId={table}&DestinationPrefixListId=pl-00000000000000000&GatewayId={gateway}"},
	{"InvalidPrefixListId.Malformed", "CreateRoute&RouteTableId={table}&DestinationPrefixListId=list&GatewayId={gateway}"},
	{"InvalidParameterCombination", "CreateRoute&RouteTableId={table}&DestinationPrefixListId={list}&DestinationCidrBlock=1.2.3.0/24&GatewayId={gateway}"},
	{"InvalidParameterValue", "ReplaceRoute&RouteTableId={table}&DestinationPrefixListId={six}&GatewayId={gateway}"},
	{"InvalidRoute.NotFound", "DeleteRoute&RouteTableId={table}&DestinationPrefixListId={six}"},
	{"InvalidPermission.Duplicate", "AuthorizeSecurityGroupIngress&GroupId={group}&IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=80&IpPermissions.1.ToPort=80&IpPermissions.1.PrefixListIds.1.PrefixListId={list}"},
	{"RulesPerSecurityGroupLimitExceeded", "AuthorizeSecurityGroupIngress&GroupId={group}&IpPermissions.1.IpProtocol=-1&IpPermissions.1.PrefixListIds.1.PrefixListId={list}"},
	{"InvalidPrefixListID.NotFound", "AuthorizeSecurityGroupIngress&GroupId={group}&IpPermissions.1.IpProtocol=-1&IpPermissions.1.PrefixListIds.1.PrefixListId=pl-00000000000000000"},
	{"InvalidPrefixListId.Malformed", "AuthorizeSecurityGroupEgress&GroupId={group}&IpPermissions.1.IpProtocol=-1&IpPermissions.1.PrefixListIds.1.PrefixListId=x"},
}

// prefixListRefusals are about a list of one range, "{list}", at its second version.
var prefixListRefusals = []struct{ code, call string }{
	{"MissingParameter", "CreateManagedPrefixList&AddressFamily=IPv4&MaxEntries=1"},
	{"InvalidParameterValue", "CreateManagedPrefixList&PrefixListName=n&AddressFamily=IPv5&MaxEntries=1"},
	{"InvalidParameterValue", "CreateManagedPrefixList&PrefixListName=com.amazonaws.us-east-1.s3&AddressFamily=IPv4&MaxEntries=1"},
	{"InvalidParameterValue", "CreateManagedPrefixList&PrefixListName={long}&AddressFamily=IPv4&MaxEntries=1"},
	{"InvalidParameterValue", "CreateManagedPrefixList&PrefixListName=n&AddressFamily=IPv4&MaxEntries=0"},
	{"InvalidParameterValue", "CreateManagedPrefixList&PrefixListName=n&AddressFamily=IPv4&MaxEntries=1001"},
	{"InvalidParameterValue", "CreateManagedPrefixList&PrefixListName=n&AddressFamily=IPv4&MaxEntries=1&Entry.1.Cidr=2001:db8::/32"},
	{"InvalidParameterValue", "CreateManagedPrefixList&PrefixListName=n&AddressFamily=IPv6&MaxEntries=1&Entry.1.Cidr=::ffff:10.0.0.0/104"},
	{"InvalidParameterValue", "CreateManagedPrefixList&PrefixListName=n&AddressFamily=IPv4&MaxEntries=1&Entry.1.Cidr=10.0.0.1/8"},
	{"InvalidParameterValue", "CreateManagedPrefixList&PrefixListName=n&AddressFamily=IPv4&MaxEntries=1&Entry.1.Cidr=10.0.0.0/8&Entry.1.Description={long}"},
	{"InvalidParameterValue", "CreateManagedPrefixList&PrefixListName=n&AddressFamily=IPv4&MaxEntries=2&Entry.1.Cidr=10.0.0.0/8&Entry.2.Cidr=10.0.0.0/8"},
	{"PrefixListMaxEntriesExceeded", "CreateManagedPrefixList&PrefixListName=n&AddressFamily=IPv4&MaxEntries=1&Entry.1.Cidr=10.0.0.0/8&Entry.2.Cidr=11.0.0.0/8"},
	{"PrefixListLimitExceeded", "CreateManagedPrefixList&PrefixListName=n&AddressFamily=IPv4&MaxEntries=1"},
	{"MissingParameter", "ModifyManagedPrefixList&PrefixListId={list}"},
	{"MissingParameter", "ModifyManagedPrefixList&PrefixListId={list}&AddEntry.1.Cidr=10.0.0.0/8"},
	{"UnsupportedOperation", "ModifyManagedPrefixList&PrefixListId={list}&IpamPrefixListResolverSyncEnabled=true"},
	{"InvalidParameterCombination", "ModifyManagedPrefixList&PrefixListId={list}&CurrentVersion=2&MaxEntries=9&AddEntry.1.Cidr=10.0.0.0/8"},
	{"PrefixListVersionMismatch", "ModifyManagedPrefixList&PrefixListId={list}&CurrentVersion=1&AddEntry.1.Cidr=10.0.0.0/8"},
	{"InvalidPrefixListModification", "ModifyManagedPrefixList&PrefixListId={list}&CurrentVersion=2&RemoveEntry.1.Cidr=10.0.0.0/8"}, // with "does not exist.", which Terraform's provider looks for
	{"InvalidParameterValue", "ModifyManagedPrefixList&PrefixListId={list}&CurrentVersion=2" + numbered(101, "AddEntry.%d.Cidr=10.%[1]d.0.0/16")},
	{"InvalidParameterValue", "ModifyManagedPrefixList&PrefixListId={list}&CurrentVersion=2&RemoveEntry.1.Cidr=192.168.0.0/16&AddEntry.1.Cidr=192.168.0.0/16"},
	{"PrefixListMaxEntriesExceeded", "ModifyManagedPrefixList&PrefixListId={list}&CurrentVersion=2&AddEntry.1.Cidr=10.0.0.0/8"},
	{"InvalidParameterValue", "ModifyManagedPrefixList&PrefixListId={list}&PrefixListName=com.amazonaws.x"},
	{"InvalidPrefixListVersion.NotFound", "GetManagedPrefixListEntries&PrefixListId={list}&TargetVersion=3"},
	{"InvalidPrefixListVersion.NotFound", "RestoreManagedPrefixListVersion&PrefixListId={list}&CurrentVersion=2&PreviousVersion=9"},
	{"PrefixListVersionMismatch", "RestoreManagedPrefixListVersion&PrefixListId={list}&CurrentVersion=1&PreviousVersion=1"},
	{"InvalidPrefixListID.NotFound", "DescribePrefixLists&PrefixListId.1={list}"},
	{"InvalidNextToken", "GetManagedPrefixListAssociations&PrefixListId={list}&NextToken=bogus"},
}

func TestPrefixListRefusals(t *testing.T) {
	t.Parallel()
	c := newCloud(t, func(cfg *Config) { cfg.Limits.PrefixLists = 1 })
	list := c.prefixList("IPv4", "1")
	c.call("ModifyManagedPrefixList", "PrefixListId", list, "CurrentVersion", "1", "AddEntry.1.Cidr", "192.168.0.0/16")
	c.refuseAll(prefixListRefusals, "{list}", list, "{long}", strings.Repeat("x", 256))
}
