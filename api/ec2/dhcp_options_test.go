package ec2

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// dhcpConfiguration writes an option of a request.
func dhcpConfiguration(n, key string, values ...string) []string {
	parameters := []string{"DhcpConfiguration." + n + ".Key", key}
	for i, v := range values {
		parameters = append(parameters, "DhcpConfiguration."+n+".Value."+string(rune('1'+i)), v)
	}
	return parameters
}

// dhcpOptions creates options and returns their id.
func (c *cloud) dhcpOptions(parameters ...string) string {
	c.Helper()
	return c.call("CreateDhcpOptions", parameters...).text("dhcpOptions/dhcpOptionsId")
}

func TestDhcpOptions(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	vpc := c.vpc("10.0.0.0/16")
	first := c.call("DescribeVpcs", "VpcId.1", vpc).text("vpcSet/item/dhcpOptionsId")
	if other := c.call("DescribeVpcs", "VpcId.1", c.vpc("10.1.0.0/16")).text("vpcSet/item/dhcpOptionsId"); other != first || !strings.HasPrefix(first, "dopt-") {
		t.Errorf("VPCs begin with %s and %s, want the default options", first, other)
	}
	west := c.in("eu-west-1")
	west.vpc("10.0.0.0/16")
	for region, domain := range map[*cloud]string{c: "ec2.internal", west: "eu-west-1.compute.internal"} {
		set := region.call("DescribeDhcpOptions").all("dhcpOptionsSet/item")
		if len(set) != 1 {
			t.Fatalf("%s begins with %d sets of options", region.region, len(set))
		}
		if got := set[0].texts("dhcpConfigurationSet/item/valueSet/item/value"); !slices.Equal(got, []string{domain, "AmazonProvidedDNS"}) {
			t.Errorf("the default options of %s are %q", region.region, got)
		}
	}

	id := c.dhcpOptions(slices.Concat(
		dhcpConfiguration("1", "domain-name-servers", "10.0.0.9", "AmazonProvidedDNS"), dhcpConfiguration("2", "domain-name", "example.com corp.example.com"),
		dhcpConfiguration("3", "ntp-servers", "10.0.0.9", "fd00::9"), dhcpConfiguration("4", "netbios-name-servers", "10.0.0.9"),
		dhcpConfiguration("5", "netbios-node-type", "2"), dhcpConfiguration("6", "ipv6-address-preferred-lease-time", "140"),
		[]string{"TagSpecification.1.ResourceType", "dhcp-options", "TagSpecification.1.Tag.1.Key", "Name", "TagSpecification.1.Tag.1.Value", "site"})...)
	shown := c.call("DescribeDhcpOptions", "DhcpOptionsId.1", id)
	if keys := shown.texts("dhcpOptionsSet/item/dhcpConfigurationSet/item/key"); len(keys) != 6 || !slices.IsSorted(keys) {
		t.Errorf("the keys are %q", keys)
	}
	if owner, tag := shown.text("dhcpOptionsSet/item/ownerId"), shown.text("dhcpOptionsSet/item/tagSet/item/value"); owner != c.account || tag != "site" {
		t.Errorf("owned by %s with tag %s", owner, tag)
	}
	for name, value := range map[string]string{
		"dhcp-options-id": id, "key": "ntp-servers", "value": "*corp.example.com", "tag:Name": "site", "tag-key": "Name",
	} {
		if got := c.call("DescribeDhcpOptions", filter("1", name, value)...).texts("dhcpOptionsSet/item/dhcpOptionsId"); !slices.Equal(got, []string{id}) {
			t.Errorf("filter %s=%s: got %v", name, value, got)
		}
	}
	if got := c.call("DescribeDhcpOptions", filter("1", "owner-id", c.account)...).all("dhcpOptionsSet/item"); len(got) != 2 {
		t.Errorf("the account has %d sets of options, want 2", len(got))
	}

	c.call("AssociateDhcpOptions", "DhcpOptionsId", id, "VpcId", vpc)
	if got := c.call("DescribeVpcs", filter("1", "dhcp-options-id", id)...).text("vpcSet/item/vpcId"); got != vpc {
		t.Errorf("VPC %q uses the options, want %s", got, vpc)
	}
	c.refuse("DependencyViolation", "DeleteDhcpOptions", "DhcpOptionsId", id)
	c.call("AssociateDhcpOptions", "DhcpOptionsId", "default", "VpcId", vpc)
	if got := c.call("DescribeVpcs", "VpcId.1", vpc).text("vpcSet/item/dhcpOptionsId"); got != "default" {
		t.Errorf("the VPC uses %q", got)
	}
	c.call("DeleteDhcpOptions", "DhcpOptionsId", id)
	c.refuse("InvalidDhcpOptionID.NotFound", "DescribeDhcpOptions", "DhcpOptionsId.1", id)
	c.refuse("InvalidDhcpOptionID.NotFound", "AssociateDhcpOptions", "DhcpOptionsId", id, "VpcId", vpc)
}

// dhcpRefusals are calls about a VPC, "{vpc}", and its options, "{dopt}".
var dhcpRefusals = []struct{ code, call string }{
	{"MissingParameter", "CreateDhcpOptions"},
	{"MissingParameter", "CreateDhcpOptions&DhcpConfiguration.1.Key=domain-name"},
	{"InvalidParameterValue", "CreateDhcpOptions&DhcpConfiguration.1.Key=mood&DhcpConfiguration.1.Value.1=good"},
	{"InvalidParameterValue", "CreateDhcpOptions&DhcpConfiguration.1.Value.1=good"},
	{"InvalidParameterValue", "CreateDhcpOptions&DhcpConfiguration.1.Key=domain-name&DhcpConfiguration.1.Value.1=a&DhcpConfiguration.2.Key=domain-name&DhcpConfiguration.2.Value.1=b"},
	{"InvalidParameterValue", "CreateDhcpOptions&DhcpConfiguration.1.Key=domain-name&DhcpConfiguration.1.Value.1=a&DhcpConfiguration.1.Value.2=b"},
	{"InvalidParameterValue", "CreateDhcpOptions&DhcpConfiguration.1.Key=domain-name&DhcpConfiguration.1.Value.1=a..b"},
	{"InvalidParameterValue", "CreateDhcpOptions&DhcpConfiguration.1.Key=domain-name&DhcpConfiguration.1.Value.1=a%0Anameserver"},
	{"InvalidParameterValue", "CreateDhcpOptions&DhcpConfiguration.1.Key=domain-name&DhcpConfiguration.1.Value.1={long}"},
	{"InvalidParameterValue", "CreateDhcpOptions&DhcpConfiguration.1.Key=domain-name-servers&DhcpConfiguration.1.Value.1=ns.example.com"},
	{"InvalidParameterValue", "CreateDhcpOptions&DhcpConfiguration.1.Key=domain-name-servers&DhcpConfiguration.1.Value.1=0.0.0.0"},
	{"InvalidParameterValue", "CreateDhcpOptions&DhcpConfiguration.1.Key=domain-name-servers&DhcpConfiguration.1.Value.1=10.0.0.1&DhcpConfiguration.1.Value.2=10.0.0.1"},
	{"InvalidParameterValue", "CreateDhcpOptions&DhcpConfiguration.1.Key=domain-name-servers&DhcpConfiguration.1.Value.1=10.0.0.1&DhcpConfiguration.1.Value.2=10.0.0.2&DhcpConfiguration.1.Value.3=10.0.0.3&DhcpConfiguration.1.Value.4=10.0.0.4&DhcpConfiguration.1.Value.5=10.0.0.5"},
	{"InvalidParameterValue", "CreateDhcpOptions&DhcpConfiguration.1.Key=ntp-servers&DhcpConfiguration.1.Value.1=AmazonProvidedDNS"},
	{"InvalidParameterValue", "CreateDhcpOptions&DhcpConfiguration.1.Key=netbios-name-servers&DhcpConfiguration.1.Value.1=fd00::1"},
	{"InvalidParameterValue", "CreateDhcpOptions&DhcpConfiguration.1.Key=netbios-node-type&DhcpConfiguration.1.Value.1=3"},
	{"InvalidParameterValue", "CreateDhcpOptions&DhcpConfiguration.1.Key=ipv6-address-preferred-lease-time&DhcpConfiguration.1.Value.1=139"},
	{"InvalidParameterValue", "CreateDhcpOptions&DhcpConfiguration.1.Key=ipv6-address-preferred-lease-time&DhcpConfiguration.1.Value.1=2147483648"},
	{"ResourceLimitExceeded", "CreateDhcpOptions&DhcpConfiguration.1.Key=domain-name&DhcpConfiguration.1.Value.1=a"},
	{"MissingParameter", "AssociateDhcpOptions&VpcId={vpc}"},
	{"MissingParameter", "AssociateDhcpOptions&DhcpOptionsId={dopt}"},
	{"InvalidVpcID.NotFound", "AssociateDhcpOptions&DhcpOptionsId={dopt}&VpcId=vpc-00000000000000000"},
	{"InvalidDhcpOptionsId.Malformed", "AssociateDhcpOptions&DhcpOptionsId=none&VpcId={vpc}"},
	{"DependencyViolation", "DeleteDhcpOptions&DhcpOptionsId={dopt}"},
}

func TestDhcpRefusals(t *testing.T) {
	t.Parallel()
	c := newCloud(t, func(cfg *Config) { cfg.Limits.DHCPOptions = 1 })
	vpc := c.vpc("10.0.0.0/16")
	c.refuseAll(dhcpRefusals, "{vpc}", vpc, "{dopt}", c.call("DescribeVpcs", "VpcId.1", vpc).text("vpcSet/item/dhcpOptionsId"), "{long}", strings.Repeat("a.", 128))
}

// refuseAll makes calls that must be refused, each with its code and a sentence,
// and change nothing.
func (c *cloud) refuseAll(rows []struct{ code, call string }, names ...string) {
	c.Helper()
	before, replace := c.all(), strings.NewReplacer(append(names, "%0A", "\n")...)
	for _, row := range rows {
		call := splitCall(replace.Replace(row.call))
		status, answer := c.send(call[0], call[1:]...)
		code, message := answer.text("Errors/Error/Code"), answer.text("Errors/Error/Message")
		if code != row.code || status != http.StatusBadRequest || len(message) < 20 {
			c.Errorf("%s: got %d %s: %s, want %s", row.call, status, code, message, row.code)
		}
	}
	if c.all() != before {
		c.Error("refused calls have changed something")
	}
}

// TestNamesOfHosts shows hosts' names where their VPC has some.
func TestNamesOfHosts(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		region, private, public string
	}{
		{testRegion, "ip-10-0-1-4.ec2.internal", ".compute-1.amazonaws.com"},
		{"eu-west-1", "ip-10-0-1-4.eu-west-1.compute.internal", ".eu-west-1.compute.amazonaws.com"},
	} {
		c := newCloud(t).in(row.region)
		vpc := c.vpc("10.0.0.0/16")
		id := c.instance(c.subnet(vpc, "10.0.1.0/24"))
		c.internetGateway(vpc)
		address, public := c.address()
		c.call("AssociateAddress", "AllocationId", address, "InstanceId", id)
		names := func() (private, public, nicPrivate, nicPublic, ofNIC string) {
			instance := c.call("DescribeInstances", "InstanceId.1", id)
			nic := c.call("DescribeNetworkInterfaces", filter("1", "attachment.instance-id", id)...)
			const set = "reservationSet/item/instancesSet/item/"
			return instance.text(set + "privateDnsName"), instance.text(set + "dnsName"), nic.text("networkInterfaceSet/item/privateDnsName"),
				nic.text("networkInterfaceSet/item/association/publicDnsName"), instance.text(set + "networkInterfaceSet/item/association/publicDnsName")
		}
		if private, public, nicPrivate, nicPublic, ofNIC := names(); private != row.private || public+nicPrivate+nicPublic+ofNIC != "" {
			t.Errorf("without host names: %q %q %q %q %q", private, public, nicPrivate, nicPublic, ofNIC)
		}
		c.call("ModifyVpcAttribute", "VpcId", vpc, "EnableDnsHostnames.Value", "true")
		name := "ec2-" + strings.ReplaceAll(public, ".", "-") + row.public
		if private, public, nicPrivate, nicPublic, ofNIC := names(); private != row.private || nicPrivate != row.private || public != name || nicPublic != name || ofNIC != name {
			t.Errorf("with host names: %q %q %q %q %q, want %s", private, public, nicPrivate, nicPublic, ofNIC, name)
		}
		for of, value := range map[string]string{"dns-name": name, "private-dns-name": row.private, "network-interface.association.public-dns-name": name} {
			if got := c.call("DescribeInstances", filter("1", of, value)...).texts("reservationSet/item/instancesSet/item/instanceId"); !slices.Equal(got, []string{id}) {
				t.Errorf("filter %s: got %v", of, got)
			}
		}
		c.call("ModifyVpcAttribute", "VpcId", vpc, "EnableDnsSupport.Value", "false")
		if _, public, nicPrivate, _, _ := names(); public+nicPrivate != "" {
			t.Errorf("without a resolver: %q %q", public, nicPrivate)
		}
	}
}
