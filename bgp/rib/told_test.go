package rib

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"causeway.dev/bgp/wire"
)

// What a peer says of a destination is told on once, with what is made of it.
func TestTold(t *testing.T) {
	var got []string
	r := NewIn(InConfig{ASN: 64512, PeerASN: 65000, Local: netip.MustParseAddr("169.254.10.1"), Max: 4, Told: func(told Told) {
		what := [...]string{"advertised", "updated", "withdrawn"}[told.What]
		got = append(got, fmt.Sprintf("%s %v %v %d %v %s", what, told.Route.Destination, told.Route.Path, told.Route.MED, told.NextHop, told.Refused))
	}})
	told := func(want ...string) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("told\n%q, want\n%q", got, want)
		}
		got = nil
	}
	take(t, r, announce(attributes(65000), "10.2.0.0/16", "10.1.0.0/16"))
	told("advertised 10.2.0.0/16 [65000] 0 169.254.10.2 ", "advertised 10.1.0.0/16 [65000] 0 169.254.10.2 ")
	take(t, r, announce(attributes(65000), "10.2.0.0/16", "10.1.0.0/16"))
	told()
	a := attributes(65000, 65002)
	a.MED, a.HasMED = 7, true
	take(t, r, announce(a, "10.2.0.0/16"))
	told("updated 10.2.0.0/16 [65000 65002] 7 169.254.10.2 ")
	take(t, r, announce(attributes(65000, 64512), "10.2.0.0/16", "10.3.0.0/16"))
	told("updated 10.2.0.0/16 [65000 64512] 0 169.254.10.2 as-path contains our own AS", "advertised 10.3.0.0/16 [65000 64512] 0 169.254.10.2 as-path contains our own AS")
	take(t, r, announce(attributes(65000), "127.0.0.0/8"))
	told("advertised 127.0.0.0/8 [65000] 0 169.254.10.2 no route leads to loopback")
	take(t, r, wire.Update{Withdrawn: prefixes("10.1.0.0/16", "10.9.0.0/16")})
	told("withdrawn 10.1.0.0/16 [] 0 invalid IP ")
	take(t, r, wire.Update{Withdrawn: prefixes("10.9.0.0/16"), Malformed: "its ORIGIN is wrong"})
	told("withdrawn 10.9.0.0/16 [] 0 invalid IP its ORIGIN is wrong")

	// The session is lost: what is told again is new, and what is not leaves.
	take(t, r, announce(attributes(65000), "10.4.0.0/16", "10.5.0.0/16"))
	got = nil
	r.Stale()
	take(t, r, announce(attributes(65000), "10.5.0.0/16"))
	told("advertised 10.5.0.0/16 [65000] 0 169.254.10.2 ")
	r.Sweep()
	told("withdrawn 10.4.0.0/16 [] 0 invalid IP ", "withdrawn 127.0.0.0/8 [] 0 invalid IP ")
	r.Clear() // which is the session's end, not a word of the peer's
	told()
}
