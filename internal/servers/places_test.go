package servers

import (
	"net/netip"
	"testing"
)

// A client that keeps its places takes none of the others', and what it gives back is
// free again, once.
func TestPlacesAreSharedByAddress(t *testing.T) {
	const most, ofOne = 16, 5
	p := NewPlaces(most, ofOne)
	greedy, client := netip.MustParseAddr("10.0.0.4"), netip.MustParseAddr("10.0.0.4")
	var held []func()
	for {
		free, ok := p.Take(greedy)
		if !ok {
			break
		}
		held = append(held, free)
	}
	if len(held) != ofOne {
		t.Errorf("one address has %d places, want %d", len(held), ofOne)
	}
	for taken := len(held); taken < most; taken++ {
		client = client.Next()
		if _, ok := p.Take(client); !ok {
			t.Fatalf("%v gets no place beside %d of others", client, taken)
		}
	}
	if _, ok := p.Take(client.Next()); ok {
		t.Errorf("there is a place beyond %d", most)
	}
	held[0]()
	held[0]()
	if _, ok := p.Take(client.Next()); !ok {
		t.Error("a place that was given back is not free")
	}
	if _, ok := p.Take(client.Next()); ok {
		t.Error("a place that was given back twice is free twice")
	}
	for _, free := range held[1:] {
		free()
	}
	if len(p.by) != most-ofOne+1 {
		t.Errorf("%d clients are remembered, and %d have places", len(p.by), most-ofOne+1)
	}
}
