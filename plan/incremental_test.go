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
)

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
