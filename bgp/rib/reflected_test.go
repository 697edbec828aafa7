package rib

import (
	"net/netip"
	"testing"

	"causeway.dev/bgp/wire"
)

// Routers tell our own routes back to us, as FRR does. However many these are, they take
// no place and are not counted; a route that becomes one is gone.
func TestOwnRoutesToldBack(t *testing.T) {
	in := NewIn(InConfig{ASN: 64512, PeerASN: 65000, Local: netip.MustParseAddr("169.254.10.1"), Max: 1})
	a := wire.Attributes{Path: []uint32{65000}, NextHop: netip.MustParseAddr("169.254.10.2")}
	theirs := netip.MustParsePrefix("192.168.0.0/24")
	if _, err := in.Update(wire.Update{Announced: []netip.Prefix{theirs}, Attributes: a}); err != nil {
		t.Fatal(err)
	}
	a.Path = []uint32{65000, 64512}
	reflected := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16"), netip.MustParsePrefix("10.1.0.0/16")}
	changed, err := in.Update(wire.Update{Announced: reflected, Attributes: a})
	refused, last := in.Refused()
	if err != nil || changed || in.Len() != 1 || refused != 0 || last != "" {
		t.Errorf("changed %v, error %v, %d destinations, %d refused: %q", changed, err, in.Len(), refused, last)
	}
	if changed, err := in.Update(wire.Update{Announced: []netip.Prefix{theirs}, Attributes: a}); err != nil || !changed || len(in.Routes()) != 0 {
		t.Errorf("changed %v, error %v, routes %v", changed, err, in.Routes())
	}
	a.Path, a.Sets = []uint32{65000, 0}, []uint32{65001, 64512}
	if changed, err := in.Update(wire.Update{Announced: []netip.Prefix{theirs}, Attributes: a}); err != nil || changed || in.Len() != 0 {
		t.Errorf("with our AS in a set: changed %v, error %v, %d destinations", changed, err, in.Len())
	}
}
