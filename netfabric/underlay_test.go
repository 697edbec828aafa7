package netfabric_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strings"
	"testing"

	"causeway.dev/internal/netlab"
	"causeway.dev/netfabric"
	"causeway.dev/netfabric/netns"
)

// Given an interface with a foreign address, when our addresses change, then
// only ours come and go.
func TestUnderlayTouchesOnlyItsOwnAddresses(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root to make a network namespace")
	}
	name := fmt.Sprintf("cwtest-under-%08x", rand.Uint32())
	if err := netns.Create(name); err != nil {
		t.Skipf("no network namespaces here: %v", err)
	}
	t.Cleanup(func() { _ = netns.Delete(name) })
	show := func() string {
		out, err := netlab.Output("ip", "-n", name, "-4", "-o", "addr", "show", "dev", "lo")
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if _, err := netlab.Output("ip", "-n", name, "addr", "add", "203.0.113.50/32", "dev", "lo"); err != nil {
		t.Fatal(err)
	}
	u := netfabric.Underlay{Namespace: name, Interface: "lo", Label: "cw123456"}
	one, two := netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("203.0.113.2")
	for _, step := range []struct {
		set          []netip.Addr
		want, absent []string
	}{
		{[]netip.Addr{one, two}, []string{"203.0.113.1/32", "203.0.113.2/32", "203.0.113.50/32"}, nil},
		{[]netip.Addr{two}, []string{"203.0.113.2/32", "203.0.113.50/32"}, []string{"203.0.113.1/32"}},
		{nil, []string{"203.0.113.50/32"}, []string{"203.0.113.1/32", "203.0.113.2/32"}},
	} {
		if err := u.SetAddresses(step.set); err != nil {
			t.Fatal(err)
		}
		for _, w := range step.want {
			if !strings.Contains(show(), w) {
				t.Errorf("after %v: %s is missing:\n%s", step.set, w, show())
			}
		}
		for _, a := range step.absent {
			if strings.Contains(show(), a) {
				t.Errorf("after %v: %s is still there:\n%s", step.set, a, show())
			}
		}
	}
}
