package plan

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"causeway.dev/internal/golden"
)

// TestCountingTakesFewRules shows how a network's rules change when the flows of an
// interface are counted: what was dropped where it was rejected is dropped behind
// the count.
func TestCountingTakesFewRules(t *testing.T) {
	c := site()
	c.Networks[0].ACLs = []ACL{{ID: "acl-1", Rules: []ACLRule{{FilterRule: FilterRule{Protocol: -1, FromPort: -1, ToPort: -1, Peer: prefix("10.9.0.0/16")}, Deny: true}}}}
	c.Networks[0].Borders = []Border{{Subnet: prefix("10.0.1.0/24"), ACL: "acl-1"}}
	before := filterOf(t, c)
	c.Networks[0].Interfaces[0].Counted = true
	after := filterOf(t, c)
	if want := []string{PortName(c.Networks[0].Interfaces[0].ID)}; !slices.Equal(after.Counted, want) || before.Counted != nil {
		t.Errorf("counted are %q, and none but %q before", after.Counted, before.Counted)
	}
	var changed []string
	lines := strings.Split(before.Inet, "\n")
	for line := range strings.SplitSeq(after.Inet, "\n") {
		if !slices.Contains(lines, line) {
			changed = append(changed, line)
		}
	}
	golden.Text(t, "testdata/counted.txt", strings.Join(changed, "\n")+"\n")
	if dropping := strings.Count(after.Inet, " drop\n"); dropping >= strings.Count(before.Inet, " drop\n") {
		t.Errorf("%d rules drop, as before", dropping)
	}
}

// TestLinksStandForInterfaces counts flows at the end of a link, whose device says for
// which interface.
func TestLinksStandForInterfaces(t *testing.T) {
	c := site()
	end := &c.Links[0].Ends[0]
	if end.Network != c.Networks[0].ID {
		end = &c.Links[0].Ends[1]
	}
	end.Addresses, end.Interface, end.Counted = []netip.Addr{netip.MustParseAddr("10.0.9.9")}, "eni-nat", true
	if want, got := []string{LinkName(c.Links[0].ID)}, filterOf(t, c).Counted; !slices.Equal(got, want) {
		t.Errorf("counted are %q, want %q", got, want)
	}
	state, told := mustCompile(t, c), false
	for _, ns := range state.Namespaces {
		for _, d := range ns.Devices {
			if id, device := StandsFor(d.Alias); id == "eni-nat" {
				told = ns.Name == NamespaceName(c.Prefix, end.Network) && device == d.Name
			}
		}
	}
	if !told {
		t.Errorf("no device of %s stands for the interface\n%s", end.Network, state)
	}
	for _, spoil := range []func(){func() { end.Interface = "" }, func() { end.Interface = "eni nat" }, func() { end.Interface, end.Addresses = "eni-nat", nil }} {
		spoil()
		if _, err := Compile(c, nil); err == nil {
			t.Errorf("an end of %+v is taken", *end)
		}
	}
}

func filterOf(t *testing.T, c Config) Filter {
	t.Helper()
	state := mustCompile(t, c)
	name := NamespaceName(c.Prefix, c.Networks[0].ID)
	return state.Namespaces[slices.IndexFunc(state.Namespaces, func(ns Namespace) bool { return ns.Name == name })].Filter
}
