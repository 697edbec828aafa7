package plan

import (
	"fmt"
	"net/netip"
	"testing"
)

// BenchmarkChange compiles VPCs of five instances each of which one has changed, and
// looks which namespaces that touches. What it takes for the others shall be little
// beside the milliseconds that the kernel takes for a change.
func BenchmarkChange(b *testing.B) {
	for _, n := range []int{20, 200, 2000} {
		b.Run(fmt.Sprintf("%d-VPCs", n), func(b *testing.B) {
			c := Config{Prefix: "cw"}
			for vpc := range n {
				network := Network{ID: fmt.Sprintf("vpc-%d", vpc), Local: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")}, Groups: []Group{{ID: "sg-web"}}}
				for i := range 5 {
					port := iface(fmt.Sprintf("i-%d-%d", vpc, i), netip.AddrFrom4([4]byte{10, 0, 1, byte(4 + i)}).String(), "sg-web")
					port.Table = ""
					network.Interfaces = append(network.Interfaces, port)
					c.Instances = append(c.Instances, port.Instance)
				}
				c.Networks = append(c.Networks, network)
			}
			var k Compiler
			before, err := k.Compile(c, nil)
			if err != nil {
				b.Fatal(err)
			}
			prefixes := [][]netip.Prefix{{netip.MustParsePrefix("10.0.0.0/16")}, {netip.MustParsePrefix("10.0.0.0/15")}}
			for turn := 0; b.Loop(); turn++ {
				c.Networks[0].Local = prefixes[turn%2]
				after, err := k.Compile(c, nil)
				if err != nil {
					b.Fatal(err)
				}
				differ := 0
				for i := range after.Namespaces {
					if !before.Namespaces[i].Equal(&after.Namespaces[i]) {
						differ++
					}
				}
				if differ > 1 {
					b.Fatalf("%d namespaces differ", differ)
				}
				before = after
			}
		})
	}
}
