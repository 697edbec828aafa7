package plan_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"causeway.dev/plan"
	"causeway.dev/resource"
	"causeway.dev/store"
	"causeway.dev/store/storetest"
)

// TestPublicAccess blocks the internet for a VPC with both families, all kinds of
// gateways, and an elastic address of an instance and of a NAT gateway.
func TestPublicAccess(t *testing.T) {
	s := storetest.Open(t)
	meta := func(id string) resource.Meta {
		return resource.Meta{ID: id, Account: scope.Account, Region: scope.Region}
	}
	associated := func(p string) []resource.CIDRAssociation {
		return []resource.CIDRAssociation{{ID: "assoc", Prefix: netip.MustParsePrefix(p), State: resource.StateAssociated}}
	}
	address := netip.MustParseAddr
	var compiler plan.Compiler // so that what depends on the options is found, too
	update := func(f func(tx *store.Tx)) string {
		t.Helper()
		if err := s.Update(t.Context(), func(tx *store.Tx) error { f(tx); return nil }); err != nil {
			t.Fatal(err)
		}
		desired, _ := compiler.Compile(s.Snapshot())
		return plan.Text(desired)
	}
	open := update(func(tx *store.Tx) {
		store.VPCs.Put(tx, resource.VPC{Meta: meta("vpc-1"), CIDRs: associated("10.0.0.0/16"), IPv6: associated("2001:db8::/56")})
		store.Subnets.Put(tx, resource.Subnet{Meta: meta("subnet-1"), VPC: "vpc-1", CIDR: netip.MustParsePrefix("10.0.1.0/24"), IPv6: associated("2001:db8:0:1::/64")})
		store.RouteTables.Put(tx, resource.RouteTable{Meta: meta("rtb-1"), VPC: "vpc-1", Main: true, Routes: []resource.Route{
			{Destination: netip.MustParsePrefix("0.0.0.0/0"), Gateway: "igw-1"}, {Destination: netip.MustParsePrefix("2000::/3"), Gateway: "igw-1"},
			{Destination: netip.MustParsePrefix("::/0"), EgressOnlyInternetGateway: "eigw-1"},
		}})
		store.InternetGateways.Put(tx, resource.InternetGateway{Meta: meta("igw-1"), VPC: "vpc-1"})
		store.EgressOnlyInternetGateways.Put(tx, resource.EgressOnlyInternetGateway{Meta: meta("eigw-1"), VPC: "vpc-1"})
		store.Instances.Put(tx, resource.Instance{Meta: meta("i-1"), VPC: "vpc-1", Subnet: "subnet-1", Interfaces: []string{"eni-1"}, Wanted: resource.InstanceRunning})
		store.NetworkInterfaces.Put(tx, resource.NetworkInterface{
			Meta: meta("eni-1"), VPC: "vpc-1", Subnet: "subnet-1", Instance: "i-1", MAC: "02:00:00:00:00:01", SourceDestCheck: true,
			Address: address("10.0.1.4"), IPv6: []netip.Addr{address("2001:db8:0:1::4")},
		})
		store.NetworkInterfaces.Put(tx, resource.NetworkInterface{Meta: meta("eni-2"), VPC: "vpc-1", Subnet: "subnet-1", NATGateway: "nat-1", MAC: "02:00:00:00:00:02", Address: address("10.0.1.5")})
		store.NATGateways.Put(tx, resource.NATGateway{Meta: meta("nat-1"), VPC: "vpc-1", Subnet: "subnet-1", NetworkInterface: "eni-2", PrivateAddress: address("10.0.1.5")})
		store.Addresses.Put(tx, resource.Address{Meta: meta("eipalloc-1"), PublicIP: address("203.0.113.1"), NetworkInterface: "eni-1", PrivateAddress: address("10.0.1.4")})
		store.Addresses.Put(tx, resource.Address{Meta: meta("eipalloc-2"), PublicIP: address("203.0.113.2"), NetworkInterface: "eni-2", PrivateAddress: address("10.0.1.5")})
	})
	block := func(mode string) string {
		return update(func(tx *store.Tx) {
			store.PublicAccessOptions.Put(tx, resource.PublicAccessOptions{Meta: meta(resource.PublicAccessOptionsID), Mode: mode})
		})
	}
	outbound, blocked := block(resource.PublicAccessOutbound), block(resource.PublicAccessBlocked)
	exclude := func(mode string) string {
		return update(func(tx *store.Tx) {
			store.PublicAccessExclusions.Put(tx, resource.PublicAccessExclusion{Meta: meta("vpcbpa-exclude-1"), VPC: "vpc-1", Subnet: "subnet-1", Mode: mode})
		})
	}
	egress, excluded := exclude(resource.ExclusionEgress), exclude(resource.ExclusionBidirectional)
	off := block(resource.PublicAccessOpen)
	without := func(text string) string { _, rest, _ := strings.Cut(text, "\n"); return rest } // the revision
	if without(egress) != without(outbound) {
		t.Errorf("who may begin is not as where all may begin:\n%s\n%s", egress, outbound)
	}
	for name, text := range map[string]string{"excluded": excluded, "off": off} {
		if without(text) != without(open) {
			t.Errorf("%s: it is not as before:\n%s\n%s", name, text, open)
		}
	}
	const nic, also = "interface eni-1 10.0.1.4 mac 02:00:00:00:00:01 subnet 10.0.1.0/24 table ", " also 2001:db8:0:1::4"
	for _, test := range []struct {
		name, text string
		more, less []string
	}{
		{
			"outbound", outbound,
			[]string{"2001:db8:0:1::/64 drop", nic + "rtb-1-block-ingress" + also, "table rtb-1-block-ingress", "0.0.0.0/0 drop", "2000::/3 drop"},
			[]string{"203.0.113.1 stands for 10.0.1.4", nic + "rtb-1" + also},
		},
		{
			"blocked", blocked,
			[]string{
				"2001:db8:0:1::/64 drop", "2001:db8:0:1::/64 drop", nic + "rtb-1-block-bidirectional" + also, "table rtb-1-block-bidirectional",
				"0.0.0.0/0 drop", "::/0 drop", "2000::/3 drop", "in vpc-1 to rtb-1-block-bidirectional, has 10.0.1.5",
			},
			[]string{"203.0.113.1 stands for 10.0.1.4", "203.0.113.2 stands for 10.0.1.5", nic + "rtb-1" + also, "in vpc-1 to rtb-1, has 10.0.1.5"},
		},
	} {
		if got := linesWithout(test.text, open); !slices.Equal(got, test.more) {
			t.Errorf("%s: it has besides\n%q, want\n%q", test.name, got, test.more)
		}
		if got := linesWithout(open, test.text); !slices.Equal(got, test.less) {
			t.Errorf("%s: it lacks\n%q, want\n%q", test.name, got, test.less)
		}
	}
}

// linesWithout are the lines of a text that another has nowhere, without their
// indentation.
func linesWithout(text, other string) (lines []string) {
	known := map[string]bool{}
	for line := range strings.Lines(other) {
		known[strings.TrimSpace(line)] = true
	}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); !known[line] && !strings.HasPrefix(line, "revision") {
			lines = append(lines, line)
		}
	}
	return lines
}
