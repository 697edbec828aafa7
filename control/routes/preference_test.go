package routes_test

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"causeway.dev/control/routes"
	"causeway.dev/resource"
)

// way reads "b/1 65001,65002 igp 50": a tunnel, and what it has learned, or "static".
func way(text string) routes.Way {
	words := strings.Fields(text)
	connection, number, _ := strings.Cut(words[0], "/")
	w := routes.Way{Connection: connection, Tunnel: int(number[0] - '0')}
	if words[1] == "static" {
		return w
	}
	w.Learned = &resource.LearnedRoute{Destination: prefix("192.168.0.0/16"), Origin: map[string]uint8{"igp": 0, "egp": 1, "incomplete": 2}[words[2]]}
	for as := range strings.SplitSeq(words[1], ",") {
		number, _ := strconv.ParseUint(as, 10, 32)
		w.Learned.Path = append(w.Learned.Path, uint32(number))
	}
	med, _ := strconv.ParseUint(words[3], 10, 32)
	w.Learned.MED = uint32(med)
	return w
}

// The order is that of RFC 4271 section 9.1.2.2, as far as a VPN gateway's tunnels can
// differ, and the same however the ways come.
func TestPrefer(t *testing.T) {
	for _, test := range []struct {
		name  string
		order []string // the best one first
	}{
		{"static before BGP", []string{"z/1 static", "z/2 static", "a/1 65001 igp 0"}},
		{"static ones by connection and tunnel", []string{"a/1 static", "a/2 static", "b/1 static", "b/2 static"}},
		{"a shorter path before a lower origin and MED", []string{"z/2 65001 incomplete 900", "a/1 65001,65002 igp 0"}},
		{"a set of ASs counts as one", []string{"z/1 65001,0 igp 0", "a/1 65001,65002,65003 igp 0"}},
		{"a lower origin before a lower MED", []string{"z/1 65001 igp 900", "y/1 65001 egp 800", "a/1 65001 incomplete 0"}},
		{"a lower MED of one neighbour", []string{"a/2 65001 igp 100", "a/1 65001 igp 200"}},
		{"MEDs of different neighbours are not compared", []string{"a/1 65001 igp 900", "b/1 65002 igp 100"}},
		{"the neighbour is the first of the path", []string{"a/2 65001,65003 igp 1", "a/1 65001,65002 igp 2", "b/1 65002,65001 igp 0"}},
		{"all alike: by connection and tunnel", []string{"a/1 65001 igp 0", "a/2 65001 igp 0", "b/1 65001 igp 0"}},

		// RFC 4271 section 9.1.2.2 c: c/1 is out while d/1 is there, whatever its
		// tunnel; a comparison two by two has no order here, since d/1 precedes c/1 by
		// its MED, c/1 precedes cc/1 and cc/1 precedes d/1 by their tunnels.
		{"MEDs among the rest", []string{"cc/1 65002 igp 0", "d/1 65001 igp 10", "c/1 65001 igp 20"}},
	} {
		var want []routes.Way
		for _, text := range test.order {
			want = append(want, way(text))
		}
		random := rand.New(rand.NewPCG(1, 1))
		for range 50 {
			got := slices.Clone(want)
			random.Shuffle(len(got), func(i, j int) { got[i], got[j] = got[j], got[i] })
			came := slices.Clone(got)
			if routes.Prefer(got); !slices.EqualFunc(got, want, sameWay) {
				t.Fatalf("%s: %v became %v", test.name, tunnels(came), tunnels(got))
			}
		}
	}
	routes.Prefer(nil)
}

// However many ways there are, each is as good as it can be where it stands: nothing
// after it, by itself against those that are left, would be chosen first.
func TestPreferChoosesOneByOne(t *testing.T) {
	for seed := range uint64(500) {
		random := rand.New(rand.NewPCG(seed, 2))
		var ways []routes.Way
		for _, connection := range []string{"a", "b", "c", "d"} {
			for tunnel := 1; tunnel <= 2; tunnel++ {
				w := routes.Way{Connection: connection, Tunnel: tunnel}
				if random.IntN(8) > 0 {
					w.Learned = &resource.LearnedRoute{Origin: uint8(random.IntN(2)), MED: uint32(random.IntN(3)), Path: []uint32{65001 + uint32(random.IntN(2)), 1, 2}[:1+random.IntN(2)]}
				}
				ways = append(ways, w)
			}
		}
		random.Shuffle(len(ways), func(i, j int) { ways[i], ways[j] = ways[j], ways[i] })
		got := slices.Clone(ways)
		routes.Prefer(got)
		for i := range got {
			if best := decide(got[i:]); !sameWay(best, got[i]) {
				t.Fatalf("seed %d: %v stands where %v is better: %v", seed, got[i], best, tunnels(got))
			}
		}
		for _, w := range ways {
			if !slices.ContainsFunc(got, func(other routes.Way) bool { return sameWay(w, other) }) {
				t.Fatalf("seed %d: %v is lost", seed, w)
			}
		}
	}
}

// decide removes from consideration, step by step, as RFC 4271 section 9.1.2.2 says.
func decide(ways []routes.Way) routes.Way {
	ways = slices.Clone(ways)
	remove := func(worse func(w, than routes.Way) bool) {
		all := slices.Clone(ways)
		ways = slices.DeleteFunc(ways, func(w routes.Way) bool {
			return slices.ContainsFunc(all, func(other routes.Way) bool { return worse(w, other) })
		})
	}
	learned := func(w, than routes.Way) bool { return w.Learned != nil && than.Learned != nil }
	remove(func(w, than routes.Way) bool { return w.Learned != nil && than.Learned == nil })
	remove(func(w, than routes.Way) bool { return learned(w, than) && len(w.Learned.Path) > len(than.Learned.Path) })
	remove(func(w, than routes.Way) bool { return learned(w, than) && w.Learned.Origin > than.Learned.Origin })
	remove(func(w, than routes.Way) bool {
		return learned(w, than) && w.Learned.Path[0] == than.Learned.Path[0] && w.Learned.MED > than.Learned.MED
	})
	remove(func(w, than routes.Way) bool { return w.TunnelID() > than.TunnelID() })
	return ways[0]
}

func sameWay(a, b routes.Way) bool { return a.TunnelID() == b.TunnelID() }

func tunnels(ways []routes.Way) (all []string) {
	for _, w := range ways {
		all = append(all, w.TunnelID())
	}
	return all
}
