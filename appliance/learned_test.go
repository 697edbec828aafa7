package appliance

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"causeway.dev/bgp/rib"
)

// TestBestWay: the table of RFC 4271 section 9.1.2.2 as far as it is ours.
func TestBestWay(t *testing.T) {
	way := func(tunnel string, path []uint32, origin uint8, med uint32) candidate {
		return candidate{tunnel, rib.Route{Path: path, Origin: origin, MED: med}}
	}
	short, long := []uint32{64512}, []uint32{64512, 65010}
	other := []uint32{64513}
	for _, c := range []struct {
		name string
		of   []candidate
		want string
	}{
		{"one", []candidate{way("a", long, 2, 9)}, "a"},
		{"the first of equals", []candidate{way("a", short, 0, 0), way("b", short, 0, 0)}, "a"},
		{"the shorter path", []candidate{way("a", long, 0, 0), way("b", short, 2, 500)}, "b"},
		{"a set counts one", []candidate{way("a", []uint32{64512, 0}, 1, 0), way("b", long, 0, 0)}, "b"},
		{"the lower origin", []candidate{way("a", short, 2, 0), way("b", short, 0, 500)}, "b"},
		{"the lower MED", []candidate{way("a", short, 0, 200), way("b", short, 0, 100)}, "b"},
		{"MEDs of two neighbors are not compared", []candidate{way("a", short, 0, 200), way("b", other, 0, 100)}, "a"},
		{"a way with a lower MED of its neighbor is beaten, not its neighbor", []candidate{way("a", short, 0, 200), way("b", other, 0, 100), way("c", short, 0, 100)}, "b"},
		{"a longer path's MED beats nothing", []candidate{way("a", short, 0, 200), way("b", long, 0, 100)}, "a"},
	} {
		if got := best(c.of).tunnel; got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// hostile is what a gateway may tell to get hold of more than is its own.
func hostile() surroundings {
	return surroundings{
		networks: []network{
			{netip.MustParsePrefix("192.168.0.0/16"), "lan", true},
			{netip.MustParsePrefix("169.254.10.0/30"), "vpn1", true},
			{netip.MustParsePrefix("198.51.100.0/24"), "wan", true},
		},
		gateways:   map[netip.Addr]string{netip.MustParseAddr("203.0.113.1"): "vpn1"},
		advertised: prefixes("10.200.0.0/16"),
		accepted:   prefixes("0.0.0.0/0"),
	}
}

func TestRoutesThatAreRefused(t *testing.T) {
	for destination, want := range map[string]string{
		"10.0.0.0/16":       "",
		"0.0.0.0/0":         "",
		"203.0.113.0/24":    "",
		"192.168.0.0/15":    "",
		"10.200.1.0/24":     "", // of another site, maybe
		"10.0.0.0/8":        "",
		"203.0.113.2/32":    "",
		"192.168.0.0/16":    "lies in 192.168.0.0/16, which lan is connected to",
		"192.168.128.0/17":  "lies in 192.168.0.0/16",
		"192.168.0.1/32":    "lies in 192.168.0.0/16",
		"198.51.100.254/32": "lies in 198.51.100.0/24, which wan",
		"169.254.10.1/32":   "lies in 169.254.10.0/30, which vpn1",
		"10.200.0.0/16":     "we advertise the same",
		"203.0.113.1/32":    "outside address of the gateway of tunnel vpn1",
	} {
		if got := hostile().refusal(netip.MustParsePrefix(destination)); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", destination, got, want)
		}
	}
}

func TestRoutesOutsideOfWhatIsAcceptedAreRefused(t *testing.T) {
	s := surroundings{accepted: acceptDefault}
	for destination, want := range map[string]bool{
		"10.0.0.0/8": true, "172.31.0.0/16": true, "100.64.0.0/10": true, "192.168.7.7/32": true,
		"0.0.0.0/0": false, "0.0.0.0/1": false, "172.0.0.0/8": false, "203.0.113.0/24": false,
	} {
		if got := s.refusal(netip.MustParsePrefix(destination)); (got == "") != want {
			t.Errorf("%s: %q, is to be taken: %v", destination, got, want)
		}
	}
}

func TestWaysAreChosen(t *testing.T) {
	routes := func(texts ...string) (all []rib.Route) {
		for _, text := range texts {
			p, med, _ := strings.Cut(text, "+")
			r := rib.Route{Destination: netip.MustParsePrefix(p), Path: []uint32{64512}}
			fmt.Sscan(med, &r.MED)
			all = append(all, r)
		}
		return all
	}
	over, not := choose([]heard{
		{"a", routes("10.0.0.0/16+200", "10.1.0.0/16", "192.168.3.0/24")},
		{"b", routes("10.0.0.0/16+100", "10.2.0.0/16", "203.0.113.1/32")},
		{"c", nil},
	}, hostile())
	want := map[netip.Prefix]string{netip.MustParsePrefix("10.0.0.0/16"): "b", netip.MustParsePrefix("10.1.0.0/16"): "a", netip.MustParsePrefix("10.2.0.0/16"): "b"}
	if fmt.Sprint(over) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", over, want)
	}
	if len(not) != 2 || not[0].tunnel != "a" || not[1].tunnel != "b" || not[1].destination != netip.MustParsePrefix("203.0.113.1/32") {
		t.Errorf("refused: %v", not)
	}
}
