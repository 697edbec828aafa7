package plan_test

import (
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"

	"causeway.dev/netfabric"
	fabricplan "causeway.dev/netfabric/plan"
	"causeway.dev/node"
	"causeway.dev/nodespec"
	"causeway.dev/plan"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// However records change from one snapshot to the next, what was compiled of the ones
// before never shows, and that nothing has changed is true.
func TestPlanIsCompiledByPartsAsAWhole(t *testing.T) {
	var byParts plan.Compiler
	var before nodespec.Desired
	same := 0
	compare := func(seed uint64, snapshot *store.Snapshot) {
		t.Helper()
		got, changed := byParts.Compile(snapshot)
		if want := plan.Compile(snapshot, "node-1"); !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d: by parts:\n%s\nas a whole:\n%s", seed, plan.Text(got), plan.Text(want))
		}
		before.Revision = got.Revision
		if differs := !reflect.DeepEqual(got, before); differs != changed {
			t.Fatalf("seed %d: changed %v, but differs %v", seed, changed, differs)
		} else if !differs {
			same++
		}
		before = got
	}
	byParts.Compile(shared.Snapshot())
	before = plan.Compile(shared.Snapshot(), "node-1")
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 6))
		compare(seed, randomWorld(random).put(t, shared)) // all at once
		other := randomWorld(random)
		for range 20 {
			if err := shared.Update(t.Context(), func(tx *store.Tx) error { other.putSome(tx, random); return nil }); err != nil {
				t.Fatal(err)
			}
			compare(seed, shared.Snapshot())
		}
	}
	if same == 0 {
		t.Error("everything has changed each time")
	}
	if err := shared.Update(t.Context(), func(tx *store.Tx) error { store.FlowLogs.Delete(tx, scope, "fl-a"); return nil }); err != nil {
		t.Fatal(err)
	}
}

// putSome makes a record or two equal the world's, of a table of its choice.
func (w *world) putSome(tx *store.Tx, random *rand.Rand) {
	[]func(){
		func() { some(tx, store.VPCs, w.vpcs, random) },
		func() { some(tx, store.Subnets, w.subnets, random) },
		func() { some(tx, store.RouteTables, w.tables, random) },
		func() { some(tx, store.SecurityGroups, w.groups, random) },
		func() { some(tx, store.NetworkInterfaces, w.nics, random) },
		func() { some(tx, store.Instances, w.instances, random) },
		func() { some(tx, store.CustomerGateways, w.customers, random) },
		func() { some(tx, store.VPNGateways, w.gateways, random) },
		func() { some(tx, store.VPNConnections, w.connections, random) },
		func() { some(tx, store.InternetGateways, w.internet, random) },
		func() { some(tx, store.Addresses, w.addresses, random) },
		func() { some(tx, store.NATGateways, w.nats, random) },
		func() { some(tx, store.NetworkACLs, w.acls, random) },
		func() { some(tx, store.DHCPOptions, w.options, random) },
		func() { some(tx, store.PrefixLists, w.lists, random) },
		func() { some(tx, store.TunnelStatuses, w.statuses(), random) },
		func() {
			store.FlowLogs.Delete(tx, scope, "fl-a")
			if random.IntN(2) == 0 {
				store.FlowLogs.Put(tx, resource.FlowLog{Meta: w.meta("fl-a"), Resource: pick(random, "vpc-a", "vpc-b", "eni-a")})
			}
		},
	}[random.IntN(17)]()
}

// some writes one of the records, or deletes one of the table.
func some[T any, P interface {
	*T
	GetMeta() *resource.Meta
}](tx *store.Tx, table *store.Table[T], records []T, random *rand.Rand) {
	if len(records) > 0 && random.IntN(3) > 0 {
		table.Put(tx, records[random.IntN(len(records))])
		return
	}
	var ids []string
	for v := range table.Scan(tx, scope) {
		ids = append(ids, P(v).GetMeta().ID)
	}
	if len(ids) > 0 {
		table.Delete(tx, scope, ids[random.IntN(len(ids))])
	}
}

// However networks change from one Config to the next, what was compiled of the
// ones before never shows.
func TestFabricIsCompiledByPartsAsAWhole(t *testing.T) {
	underlay := netfabric.Underlay{Namespace: "underlay", Interface: "lo", Label: "cw", Elastic: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}}
	var byParts fabricplan.Compiler
	var mixed nodespec.Desired // of parts of two worlds at a time
	for seed := range uint64(150) {
		random := rand.New(rand.NewPCG(seed, 5))
		w := randomWorld(random)
		desired := plan.Compile(w.put(t, shared), "node-1")
		if random.IntN(2) == 0 {
			mixed.Networks, mixed.Links = desired.Networks, desired.Links
		}
		if random.IntN(2) == 0 {
			mixed.Tunnels, mixed.Instances = desired.Tunnels, desired.Instances
		}
		up := map[string]bool{}
		for _, tunnel := range w.up {
			up[tunnel] = true
		}
		for _, d := range []nodespec.Desired{desired, mixed} {
			config := node.FabricConfig("cw", underlay, d)
			got, gotErr := byParts.Compile(config, up)
			want, wantErr := fabricplan.Compile(config, up)
			if got.String() != want.String() || !reflect.DeepEqual(got, want) {
				t.Fatalf("seed %d: by parts:\n%s\nas a whole:\n%s", seed, got, want)
			}
			if (gotErr == nil) != (wantErr == nil) {
				t.Fatalf("seed %d: by parts: %v; as a whole: %v", seed, gotErr, wantErr)
			}
		}
	}
}
