package plan_test

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"

	"causeway.dev/internal/golden"
	"causeway.dev/nodespec"
	"causeway.dev/plan"
	"causeway.dev/resource"
	"causeway.dev/store"
	"causeway.dev/store/storetest"
)

// makeDynamic lets a connection tell its routes by BGP instead of having static ones.
func (w *world) makeDynamic(id string) {
	for i := range w.connections {
		if c := &w.connections[i]; c.ID == id {
			c.StaticRoutesOnly, c.Routes = false, nil
		}
	}
}

// learns has a tunnel be up and know a path to some prefixes.
func (w *world) learns(tunnel string, path []uint32, prefixes ...string) {
	if !slices.Contains(w.up, tunnel) {
		w.up = append(w.up, tunnel)
	}
	if w.learned == nil {
		w.learned = make(map[string][]resource.LearnedRoute)
	}
	for _, p := range prefixes {
		w.learned[tunnel] = append(w.learned[tunnel], resource.LearnedRoute{Destination: netip.MustParsePrefix(p), Path: path})
	}
}

// dynamicSite is site with a dynamic connection, of which both tunnels are up.
func dynamicSite() *world {
	w := site()
	w.gateways[0].AmazonSideASN, w.customers[0].ASN = 64512, 65001
	w.makeDynamic("vpn-a")
	w.learns("vpn-a/1", []uint32{65001}, "10.0.0.0/8", "10.0.5.0/24", "192.168.0.0/16")
	w.learns("vpn-a/2", []uint32{65001}, "192.168.0.0/16")
	return w
}

func TestGoldenTextsOfDynamicRouting(t *testing.T) {
	for _, scenario := range []struct {
		name   string
		change func(w *world)
	}{
		{"dynamic-site", func(*world) {}}, // what lies in the VPC is not the site's
		{"dynamic-site-down", func(w *world) { w.up = nil }},
		{"dynamic-site-restricted", func(w *world) {
			w.connections[0].LocalIPv4CIDR, w.connections[0].RemoteIPv4CIDR = netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("10.0.0.0/8")
		}},
		{"dynamic-sites-of-one-gateway", func(w *world) {
			// A second site with two ways to the first one, a static one that is up and
			// one that is down: each is told of the others, and nothing of itself.
			w.customers = append(w.customers, resource.CustomerGateway{Meta: w.meta("cgw-b"), Address: netip.MustParseAddr("198.51.100.8"), ASN: 4200000001})
			w.addConnection("vpn-b", "vgw-a", "cgw-b", 2)
			w.makeDynamic("vpn-b")
			w.learns("vpn-b/2", []uint32{4200000001, 65001}, "192.168.0.0/16")
			w.learns("vpn-b/2", []uint32{4200000001}, "0.0.0.0/0", "172.20.0.0/16", "172.21.0.0/16")
			w.addConnection("vpn-c", "vgw-a", "cgw-b", 3, "172.20.0.0/16")
			w.up = append(w.up, "vpn-c/2")
			w.addConnection("vpn-d", "vgw-a", "cgw-b", 4, "172.21.0.0/16", "172.22.0.0/16")
		}},
	} {
		t.Run(scenario.name, func(t *testing.T) {
			w := dynamicSite()
			scenario.change(w)
			desired := plan.Compile(w.put(t, shared), "node-1")
			golden.Text(t, filepath.Join("testdata", scenario.name+".txt"), plan.Text(desired))
			checkReferences(t, desired)
			checkSessions(t, w, desired)
		})
	}
}

// Nobody is told more than 1,000 routes, the VPC's among them, wherever these stand.
func TestAdvertisedAreBounded(t *testing.T) {
	w := dynamicSite()
	w.vpcs[0].CIDRs = append(w.vpcs[0].CIDRs, resource.CIDRAssociation{ID: "2", Prefix: netip.MustParsePrefix("198.18.0.0/16"), State: "associated"})
	for site := range byte(11) {
		id := fmt.Sprintf("vpn-b%d", site)
		w.addConnection(id, "vgw-a", "cgw-a", 2+site)
		w.makeDynamic(id)
		for n := range 100 {
			w.learns(id+"/1", []uint32{65001}, fmt.Sprintf("172.%d.%d.0/24", 16+site, n))
		}
	}
	desired := plan.Compile(w.put(t, shared), "node-1")
	ranges := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16"), netip.MustParsePrefix("198.18.0.0/16")}
	for _, tunnel := range desired.Tunnels {
		told := tunnel.BGP.Advertised
		if len(told) != 1000 || !slices.IsSortedFunc(told, func(a, b nodespec.Advertised) int { return a.Destination.Compare(b.Destination) }) {
			t.Errorf("%s is told %d routes, or not in order", tunnel.ID, len(told))
		}
		for _, r := range ranges {
			if !slices.ContainsFunc(told, func(a nodespec.Advertised) bool { return a.Destination == r && len(a.Path) == 0 }) {
				t.Errorf("%s is not told %v", tunnel.ID, r)
			}
		}
		if tunnel.BGP.MaxPrefixes != 100 {
			t.Errorf("%s may tell %d prefixes", tunnel.ID, tunnel.BGP.MaxPrefixes)
		}
	}
}

// What one session learns compiles its own gateway and the VPC that it is propagated
// into, and nothing else; at a gateway of static connections nobody asks for it.
func TestLearningTouchesItsOwnGateway(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	w := dynamicSite()
	for _, name := range []string{"b", "c"} {
		w.addVPC(name, "10.0.0.0/16")
		w.gateways = append(w.gateways, resource.VPNGateway{Meta: w.meta("vgw-" + name), VPC: "vpc-" + name, AttachmentState: resource.StateAttached})
	}
	w.addConnection("vpn-b", "vgw-b", "cgw-a", 2)
	w.makeDynamic("vpn-b")
	w.learns("vpn-b/1", []uint32{65001}, "192.168.0.0/16")
	w.addConnection("vpn-c", "vgw-c", "cgw-a", 3, "192.168.0.0/16")
	var compiler plan.Compiler
	before, _ := compiler.Compile(w.put(t, s))
	learn := func(tunnel string, prefixes ...string) nodespec.Desired {
		t.Helper()
		w.learns(tunnel, []uint32{65001}, prefixes...)
		if err := s.Update(t.Context(), func(tx *store.Tx) error { put(tx, store.TunnelStatuses, w.statuses()); return nil }); err != nil {
			t.Fatal(err)
		}
		after, _ := compiler.Compile(s.Snapshot())
		return after
	}
	// same are the networks and tunnels that are the very same as before.
	same := func(after nodespec.Desired) (ids []string) {
		for i := range after.Networks {
			if &after.Networks[i].Tables[0] == &before.Networks[i].Tables[0] {
				ids = append(ids, after.Networks[i].ID)
			}
		}
		for i := range after.Tunnels {
			if &after.Tunnels[i].LocalSelectors[0] == &before.Tunnels[i].LocalSelectors[0] {
				ids = append(ids, after.Tunnels[i].ID)
			}
		}
		return ids
	}
	after := learn("vpn-a/1", "172.16.0.0/12")
	if got, want := same(after), []string{"vgw-b", "vgw-c", "vpc-b", "vpc-c", "vpn-b/1", "vpn-b/2", "vpn-c/1", "vpn-c/2"}; !slices.Equal(got, want) {
		t.Errorf("after the first site has learned something these are as before: %q, want %q", got, want)
	}
	before = after
	if after := learn("vpn-c/2"); len(same(after)) != len(after.Networks)+len(after.Tunnels) {
		t.Errorf("after a tunnel of a static connection came up only these are as before: %q", same(after))
	}
}
