package plan_test

import (
	"net/netip"
	"strings"
	"testing"

	"causeway.dev/plan"
	"causeway.dev/resource"
)

// TestNAT64IsWhereRoutesLead leads the prefix that embeds IPv4 addresses to one of two NAT
// gateways, and then has no host that could use it.
func TestNAT64IsWhereRoutesLead(t *testing.T) {
	w := site()
	w.addNAT("a", "a", "subnet-a", "10.0.1.9")
	w.addNAT("b", "a", "subnet-a", "10.0.1.10")
	w.vpcs[0].IPv6 = []resource.CIDRAssociation{{ID: "assoc", Prefix: netip.MustParsePrefix("2001:db8::/56"), State: resource.StateAssociated}}
	w.nics[0].IPv6 = []netip.Addr{netip.MustParseAddr("2001:db8::5"), netip.MustParseAddr("2001:db8::4")}
	compile := func() (a, b string) {
		t.Helper()
		for block := range strings.SplitSeq("\n"+plan.Text(plan.Compile(w.put(t, shared), "node-1")), "\nnetwork ") {
			switch {
			case strings.HasPrefix(block, "nat-a"):
				a = block
			case strings.HasPrefix(block, "nat-b"):
				b = block
			}
		}
		return a, b
	}
	if a, b := compile(); a == "" || b == "" || strings.Contains(a+b, "IPv6") {
		t.Errorf("without a route:\n%s\n%s", a, b)
	}
	w.tables[0].Routes = append(w.tables[0].Routes, resource.Route{Destination: resource.NAT64Prefix, NATGateway: "nat-a"})
	a, b := compile()
	for _, want := range []string{"from IPv6 under 64:ff9b::/96 of 2001:db8::4 2001:db8::5\n", "2001:db8::/56 via link nat-a:vpc-a"} {
		if !strings.Contains(a, want) {
			t.Errorf("there is no %q in\n%s", want, a)
		}
	}
	if strings.Contains(b, "IPv6") {
		t.Errorf("a gateway that no route leads to takes IPv6:\n%s", b)
	}
	w.nics[0].IPv6 = nil
	if a, _ := compile(); strings.Contains(a, "IPv6") {
		t.Errorf("without a host of IPv6:\n%s", a)
	}
}
