package bench

import (
	"testing"

	"causeway.dev/internal/netlab"
)

// The benchmark's own programs carry packets: the null format over the
// product's hot path, which is the seam for another format than ESP, and the
// ceiling.
func TestOwnProgramsCarry(t *testing.T) {
	if testing.Short() {
		t.Skip("makes namespaces")
	}
	lab := netlab.New(t, "iperf3", "ethtool", "ping")
	w := newWorkshop(lab.Dir())
	sweep := newSweeper(t, lab.Dir())
	for i, k := range []kind{
		{name: nullKind, peer: gateways{tunnels: 1, esp: "null"}},
		{name: ceilingKind, peer: ceiling{}},
	} {
		if err := k.peer.prepare(w); err != nil {
			t.Fatal(err)
		}
		s := newBed(t, lab, w, sweep, i, k)
		l := newBlaster(t, s)
		const perSecond = 2000
		b := l.blast(innerMTU, perSecond, trialDuration)
		if b.sent == 0 || b.arrived < b.sent*9/10 {
			t.Errorf("%s: %d of %d packets arrived at %d a second", k.name, b.arrived, b.sent, perSecond)
		}
		l.close()
	}
}

func TestRatiosAreOfTheSameRound(t *testing.T) {
	all := ratios(map[string][]measured{
		causeway:    {{tcpRate: 6, smallRate: 100}, {tcpRate: 3, smallRate: 100}},
		wireguardGo: {{tcpRate: 2, smallRate: 80}, {tcpRate: 3}},
	})
	if len(all) != 2 {
		t.Fatalf("%d ratios: %+v; strongSwan's, for example, was not measured", len(all), all)
	}
	if r := all[0]; r.Ratio != (spread{Median: 2, Min: 1, Max: 3}) || !r.Reached || *r.Least != 2 || r.Most != nil {
		t.Errorf("TCP: %+v", r)
	}
	if r := all[1]; r.Ratio != (spread{1.25, 1.25, 1.25}) || r.Reached {
		t.Errorf("packets: %+v, of the one round that has both", r)
	}
}

func TestRequirementsNameKinds(t *testing.T) {
	names := map[string]bool{"": true}
	for _, k := range kinds {
		if names[k.name] {
			t.Errorf("there are two kinds %q", k.name)
		}
		names[k.name] = true
	}
	for _, r := range requirements {
		if !names[r.of] || !names[r.than] {
			t.Errorf("%s: of %q than %q", r.What, r.of, r.than)
		}
	}
}
