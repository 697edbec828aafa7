package plan_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"causeway.dev/plan"
	"causeway.dev/resource"
	"causeway.dev/store"
	"causeway.dev/store/storetest"
)

// TestInstanceOfIPv6Only compiles an instance of a subnet without IPv4 that is guarded by a
// network ACL.
func TestInstanceOfIPv6Only(t *testing.T) {
	s := storetest.Open(t)
	meta := func(id string) resource.Meta {
		return resource.Meta{ID: id, Account: scope.Account, Region: scope.Region}
	}
	rule := resource.SecurityGroupRule{ID: "sgr-1", Protocol: "-1", Group: "sg-1"}
	if err := s.Update(t.Context(), func(tx *store.Tx) error {
		store.VPCs.Put(tx, resource.VPC{Meta: meta("vpc-1"), CIDRs: associated("10.0.0.0/16"), IPv6: associated("2001:db8::/56"), DHCPOptionsID: "dopt-1", EnableDNSSupport: true, EnableDNSHostnames: true})
		store.DHCPOptions.Put(tx, resource.DHCPOptions{Meta: meta("dopt-1"), Configurations: []resource.DHCPConfiguration{{Key: resource.DHCPDomainNameServers, Values: []string{resource.AmazonProvidedDNS}}}})
		store.Subnets.Put(tx, resource.Subnet{Meta: meta("subnet-1"), VPC: "vpc-1", IPv6: associated("2001:db8:0:1::/64")})
		store.RouteTables.Put(tx, resource.RouteTable{Meta: meta("rtb-1"), VPC: "vpc-1", Main: true})
		store.SecurityGroups.Put(tx, resource.SecurityGroup{Meta: meta("sg-1"), VPC: "vpc-1", Rules: []resource.SecurityGroupRule{rule}})
		store.NetworkACLs.Put(tx, resource.NetworkACL{Meta: meta("acl-1"), VPC: "vpc-1", Associations: []resource.NetworkACLAssociation{{ID: "aclassoc-1", Subnet: "subnet-1"}}})
		store.Instances.Put(tx, resource.Instance{
			Meta: meta("i-1"), VPC: "vpc-1", Subnet: "subnet-1", Interfaces: []string{"eni-1"}, Wanted: resource.InstanceRunning,
			PrivateDNSNames: resource.PrivateDNSNameOptions{ResourceName: true, A: true, AAAA: true}, MetadataOptions: resource.MetadataOptions{IPv6: true},
		})
		store.NetworkInterfaces.Put(tx, resource.NetworkInterface{
			Meta: meta("eni-1"), VPC: "vpc-1", Subnet: "subnet-1", Instance: "i-1", MAC: "02:00:00:00:00:01", Groups: []string{"sg-1"}, SourceDestCheck: true,
			IPv6: []netip.Addr{netip.MustParseAddr("2001:db8:0:1::4"), netip.MustParseAddr("2001:db8:0:1::5")}, PrimaryIPv6: netip.MustParseAddr("2001:db8:0:1::5"),
		})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	desired := plan.Compile(s.Snapshot(), "")
	text := plan.Text(desired)
	for _, want := range []string{
		"interface eni-1 2001:db8:0:1::4 mac 02:00:00:00:00:01 subnet 2001:db8:0:1::/64 table rtb-1 group sg-1 also 2001:db8:0:1::5",
		"group sg-1 member 2001:db8:0:1::4 member 2001:db8:0:1::5",
		"border of 2001:db8:0:1::/64 by acl-1",
		"i-1.ec2.internal is 2001:db8:0:1::5",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "ip-") || strings.Contains(text, "invalid") {
		t.Errorf("something has a name after no address, or none:\n%s", text)
	}
	if i := desired.Instances[0]; i.Hostname != "i-1" || fmt.Sprint(i.Resolvers) != "[fd00:ec2::253]" {
		t.Errorf("the instance calls itself %q and asks %v", i.Hostname, i.Resolvers)
	}
	told := desired.Networks[0].Metadata[0]
	if fmt.Sprint(told.Sources) != "[2001:db8:0:1::4 2001:db8:0:1::5]" {
		t.Errorf("the instance is known by %v", told.Sources)
	}
	items := map[string]string{}
	for _, item := range told.Items {
		items[item.Path] = item.Value
	}
	const mac = "meta-data/network/interfaces/macs/02:00:00:00:00:01/"
	for path, want := range map[string]string{
		"meta-data/ipv6": "2001:db8:0:1::5", "meta-data/local-hostname": "i-1.ec2.internal", mac + "local-hostname": "i-1.ec2.internal",
		mac + "ipv6s": "2001:db8:0:1::4\n2001:db8:0:1::5", mac + "subnet-ipv6-cidr-blocks": "2001:db8:0:1::/64",
	} {
		if items[path] != want {
			t.Errorf("%s is %q, want %q", path, items[path], want)
		}
	}
	for path := range items {
		if slices.Contains([]string{"meta-data/local-ipv4", mac + "local-ipv4s", mac + "subnet-ipv4-cidr-block"}, path) {
			t.Errorf("%s is %q", path, items[path])
		}
	}
	if document := items["dynamic/instance-identity/document"]; !strings.Contains(document, `"privateIp": null`) {
		t.Errorf("the identity document is %s", document)
	}
}
