package engine

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"causeway.dev/ike"
)

// The peer at an address comes before those that may be anywhere, each in the order in
// which they were added, and no other's; who is removed is not found.
func TestDirectory(t *testing.T) {
	here, elsewhere, there := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("198.51.100.1")
	d := Directory{}
	var peers []*ike.Peer
	for _, p := range []ike.Peer{
		{ID: "roaming", Local: here}, {ID: "at it", Local: here, Remote: there}, {ID: "to elsewhere", Local: elsewhere, Remote: there},
		{ID: "from elsewhere", Local: here, Remote: elsewhere}, {ID: "at it, too", Local: here, Remote: there}, {ID: "anywhere to any", Remote: netip.Addr{}},
	} {
		peers = append(peers, &p)
		d.Add(&p)
	}
	check := func(want ...ike.PeerID) {
		t.Helper()
		var got []ike.PeerID
		for _, p := range d.Candidates(here, there) {
			got = append(got, p.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("candidates are %q, want %q", got, want)
		}
		any, configured := d.Knows(here, there)
		if any != (len(want) > 0) || configured != slices.ContainsFunc(want, func(id ike.PeerID) bool { return strings.HasPrefix(string(id), "at it") }) {
			t.Errorf("with the candidates %q it knows any: %v, one of the address: %v", want, any, configured)
		}
	}
	check("at it", "at it, too", "roaming", "anywhere to any")
	d.Remove(peers[1])
	check("at it, too", "roaming", "anywhere to any")
	d.Remove(peers[4])
	check("roaming", "anywhere to any")
	for _, p := range peers {
		d.Remove(p)
	}
	check()
	if len(d) > 0 {
		t.Errorf("left: %v", d)
	}
}
