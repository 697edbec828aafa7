package plan_test

import (
	"net/netip"
	"strings"
	"testing"

	"causeway.dev/plan"
	"causeway.dev/resource"
	"causeway.dev/store"
	"causeway.dev/store/storetest"
)

// TestIPv6GatewaysShareANetwork compiles an instance with IPv6 in a VPC with both
// kinds of gateways, and then without the internet gateway.
func TestIPv6GatewaysShareANetwork(t *testing.T) {
	s := storetest.Open(t)
	meta := func(id string) resource.Meta {
		return resource.Meta{ID: id, Account: scope.Account, Region: scope.Region}
	}
	associated := func(p string) []resource.CIDRAssociation {
		return []resource.CIDRAssociation{{ID: "assoc", Prefix: netip.MustParsePrefix(p), State: resource.StateAssociated}}
	}
	update := func(f func(tx *store.Tx)) string {
		t.Helper()
		if err := s.Update(t.Context(), func(tx *store.Tx) error { f(tx); return nil }); err != nil {
			t.Fatal(err)
		}
		return plan.Text(plan.Compile(s.Snapshot(), ""))
	}
	both := update(func(tx *store.Tx) {
		store.VPCs.Put(tx, resource.VPC{Meta: meta("vpc-1"), CIDRs: associated("10.0.0.0/16"), IPv6: associated("2001:db8::/56")})
		store.Subnets.Put(tx, resource.Subnet{Meta: meta("subnet-1"), VPC: "vpc-1", CIDR: netip.MustParsePrefix("10.0.1.0/24"), IPv6: associated("2001:db8:0:1::/64")})
		store.RouteTables.Put(tx, resource.RouteTable{Meta: meta("rtb-1"), VPC: "vpc-1", Main: true, Routes: []resource.Route{
			{Destination: netip.MustParsePrefix("2000::/3"), Gateway: "igw-1"}, {Destination: netip.MustParsePrefix("::/0"), EgressOnlyInternetGateway: "eigw-1"},
		}})
		store.InternetGateways.Put(tx, resource.InternetGateway{Meta: meta("igw-1"), VPC: "vpc-1"})
		store.EgressOnlyInternetGateways.Put(tx, resource.EgressOnlyInternetGateway{Meta: meta("eigw-1"), VPC: "vpc-1"})
		store.Instances.Put(tx, resource.Instance{Meta: meta("i-1"), VPC: "vpc-1", Subnet: "subnet-1", Interfaces: []string{"eni-1"}, Wanted: resource.InstanceRunning})
		store.NetworkInterfaces.Put(tx, resource.NetworkInterface{
			Meta: meta("eni-1"), VPC: "vpc-1", Subnet: "subnet-1", Instance: "i-1", MAC: "02:00:00:00:00:01", SourceDestCheck: true,
			Address: netip.MustParseAddr("10.0.1.4"), IPv6: []netip.Addr{netip.MustParseAddr("2001:db8:0:1::4")},
		})
	})
	alone := update(func(tx *store.Tx) {
		store.InternetGateways.Delete(tx, scope, "igw-1")
	})
	embedding := update(func(tx *store.Tx) {
		vpc, _ := store.VPCs.Get(tx, scope, "vpc-1")
		subnet, _ := store.Subnets.Get(tx, scope, "subnet-1")
		vpc.EnableDNSSupport, subnet.DNS64 = true, true
		store.VPCs.Put(tx, vpc)
		store.Subnets.Put(tx, subnet)
	})
	without := update(func(tx *store.Tx) {
		nic, _ := store.NetworkInterfaces.Get(tx, scope, "eni-1")
		nic.IPv6 = nil
		store.NetworkInterfaces.Put(tx, nic)
	})
	for _, test := range []struct {
		name, text string
		has, lacks []string
	}{
		{"both gateways", both, []string{"network igw-1", "as it is 2001:db8::/56", "link igw-1:vpc-1", "link eigw-1:vpc-1", "answers by answers-eigw-1", "also 2001:db8:0:1::4"}, []string{"network eigw-1"}},
		{"the egress-only one", alone, []string{"network eigw-1", "answers by answers-eigw-1"}, []string{"igw-1:vpc-1 in", "network igw-1", "link igw-1"}},
		{"a subnet with DNS64", embedding, []string{" dns64 also 2001:db8:0:1::4", "fd00:ec2::253 embeds under 64:ff9b::/96"}, nil},
		{"nobody with IPv6", without, nil, []string{"igw-1:vpc-1", "network eigw-1", "network igw-1"}},
	} {
		for _, want := range test.has {
			if !strings.Contains(test.text, want) {
				t.Errorf("%s: there is no %q in\n%s", test.name, want, test.text)
			}
		}
		for _, not := range test.lacks {
			for line := range strings.Lines(test.text) {
				if strings.HasPrefix(strings.TrimSpace(line), not) {
					t.Errorf("%s: there is %q in\n%s", test.name, line, test.text)
				}
			}
		}
	}
}
