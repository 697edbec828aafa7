package rib

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"causeway.dev/bgp/wire"
)

func prefixes(texts ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

func newIn() *In {
	return NewIn(InConfig{ASN: 64512, PeerASN: 65000, Local: netip.MustParseAddr("169.254.10.1"), Max: 5})
}

func attributes(path ...uint32) wire.Attributes {
	return wire.Attributes{Path: path, NextHop: netip.MustParseAddr("169.254.10.2")}
}

func announce(a wire.Attributes, texts ...string) wire.Update {
	return wire.Update{Announced: prefixes(texts...), Attributes: a}
}

// has checks which destinations are taken.
func has(t *testing.T, r *In, want ...string) {
	t.Helper()
	var got []string
	for _, route := range r.Routes() {
		got = append(got, route.Destination.String())
	}
	if !slices.Equal(got, want) {
		t.Errorf("routes to %v, want %v", got, want)
	}
}

// take hands an UPDATE in that has to be taken.
func take(t *testing.T, r *In, u wire.Update) (changed bool) {
	t.Helper()
	changed, err := r.Update(u)
	if err != nil {
		t.Fatal(err)
	}
	return changed
}

// Routes are told, replaced and taken back: RFC 4271 sections 3.1 and 9.
func TestIn(t *testing.T) {
	r := newIn()
	has(t, r)
	if !take(t, r, announce(attributes(65000), "10.2.0.0/16", "10.1.0.0/16", "10.1.0.0/24")) {
		t.Error("nothing has changed")
	}
	has(t, r, "10.1.0.0/16", "10.1.0.0/24", "10.2.0.0/16")
	before := r.Routes()
	if take(t, r, announce(attributes(65000), "10.2.0.0/16")) {
		t.Error("the same once more is a change")
	}
	a := attributes(65000, 65002)
	a.MED, a.HasMED, a.Origin = 7, true, wire.OriginEGP
	if !take(t, r, announce(a, "10.2.0.0/16")) {
		t.Error("another path is no change")
	}
	want := Route{Destination: netip.MustParsePrefix("10.2.0.0/16"), Path: []uint32{65000, 65002}, Origin: 1, MED: 7, HasMED: true}
	if got := r.Routes()[2]; !got.Equal(want) {
		t.Errorf("the route is %+v, want %+v", got, want)
	}
	if !slices.Equal(before[2].Path, []uint32{65000}) {
		t.Error("what was handed out has changed")
	}
	// RFC 4271 section 4.3: what is in both fields is told.
	u := announce(a, "10.1.0.0/24")
	u.Withdrawn = prefixes("10.1.0.0/24", "10.1.0.0/16", "10.99.0.0/16")
	if !take(t, r, u) {
		t.Error("nothing has changed")
	}
	has(t, r, "10.1.0.0/24", "10.2.0.0/16")
	if take(t, r, wire.Update{Withdrawn: prefixes("10.99.0.0/16")}) {
		t.Error("what was never told is taken back")
	}
	if !r.Clear() || r.Len() != 0 || r.Clear() {
		t.Error("clearing is no change, or twice")
	}
	has(t, r)
}

// What is not taken, and why.
func TestRefused(t *testing.T) {
	long := make([]uint32, 65)
	for i := range long {
		long[i] = 65000
	}
	set := attributes(65000, 0)
	set.Sets = []uint32{65001, 65002}
	next := func(a string) wire.Attributes {
		return wire.Attributes{Path: []uint32{65000}, NextHop: netip.MustParseAddr(a)}
	}
	for _, c := range []struct {
		what   string
		a      wire.Attributes
		prefix string
		why    string // empty: it is taken
	}{
		{"a path of 64 ASNs", attributes(long[:64]...), "10.0.0.0/8", ""},
		{"a path of 65 ASNs", attributes(long...), "10.0.0.0/8", "its path has 65 ASNs, at most 64 are taken"},
		{"a set", set, "10.0.0.0/8", ""},
		{"no path", attributes(), "10.0.0.0/8", "its path does not begin with the peer's AS 65000"},
		{"another's path", attributes(65001, 65000), "10.0.0.0/8", "its path does not begin with the peer's AS 65000"},
		{"a path that begins with a set", attributes(0), "10.0.0.0/8", "its path does not begin with the peer's AS 65000"},
		{"our next hop", next("169.254.10.1"), "10.0.0.0/8", "its next hop 169.254.10.1 is our own address"},
		{"a next hop behind the peer", next("10.9.9.9"), "10.0.0.0/8", ""},
		{"no next hop", next("0.0.0.0"), "10.0.0.0/8", "its next hop 0.0.0.0 is no host's address"},
		{"a multicast next hop", next("224.0.0.5"), "10.0.0.0/8", "its next hop 224.0.0.5 is no host's address"},
		{"a broadcast next hop", next("255.255.255.255"), "10.0.0.0/8", "its next hop 255.255.255.255 is no host's address"},
		{"a loopback next hop", next("127.0.0.1"), "10.0.0.0/8", "its next hop 127.0.0.1 is no host's address"},
		{"the default route", attributes(65000), "0.0.0.0/0", ""},
		{"half of all", attributes(65000), "0.0.0.0/1", ""},
		{"the other half", attributes(65000), "128.0.0.0/1", ""},
		{"this network", attributes(65000), "0.0.0.0/8", "no route leads to this network"},
		{"this host", attributes(65000), "0.0.0.0/32", "no route leads to this network"},
		{"loopback", attributes(65000), "127.0.0.1/32", "no route leads to loopback"},
		{"link-local", attributes(65000), "169.254.0.0/16", "no route leads to link-local addresses"},
		{"the tunnel itself", attributes(65000), "169.254.10.0/30", "no route leads to link-local addresses"},
		{"multicast", attributes(65000), "239.1.0.0/16", "no route leads to multicast and reserved addresses"},
		{"all above 224", attributes(65000), "224.0.0.0/3", "no route leads to multicast and reserved addresses"},
		{"public addresses", attributes(65000), "198.51.100.0/24", ""},
	} {
		t.Run(c.what, func(t *testing.T) {
			r := newIn()
			changed := take(t, r, announce(c.a, c.prefix))
			count, last := r.Refused()
			if c.why == "" {
				if !changed || count != 0 || last != "" || len(r.Routes()) != 1 {
					t.Errorf("it is not taken: %s", last)
				}
				return
			}
			if changed || count != 1 || last != c.prefix+" is not taken: "+c.why || len(r.Routes()) != 0 || r.Len() != 1 {
				t.Errorf("taken %v, refused %d: %s", r.Routes(), count, last)
			}
		})
	}
}

// A route that is taken, and then told in a way that is not, is gone; and the other way round.
func TestRefusedLater(t *testing.T) {
	r := newIn()
	take(t, r, announce(attributes(65000), "10.0.0.0/8"))
	if !take(t, r, announce(attributes(65001), "10.0.0.0/8")) {
		t.Error("nothing has changed")
	}
	has(t, r)
	if n, _ := r.Refused(); n != 1 || r.Len() != 1 {
		t.Errorf("%d of %d are refused", n, r.Len())
	}
	if take(t, r, announce(attributes(65001, 1), "10.0.0.0/8")) {
		t.Error("another refused path is a change")
	}
	if !take(t, r, announce(attributes(65000), "10.0.0.0/8")) {
		t.Error("nothing has changed")
	}
	has(t, r, "10.0.0.0/8")
	take(t, r, announce(attributes(65001), "10.0.0.0/8"))
	if take(t, r, wire.Update{Withdrawn: prefixes("10.0.0.0/8")}) {
		t.Error("to take back what was refused is a change")
	}
	if n, last := r.Refused(); n != 0 || !strings.Contains(last, "does not begin with") || r.Len() != 0 {
		t.Errorf("%d refused, %q", n, last)
	}
	take(t, r, wire.Update{Malformed: "the peer's UPDATE is malformed"})
	if _, last := r.Refused(); last != "the peer's UPDATE is malformed" {
		t.Errorf("%q", last)
	}
}

// One destination more than the peer may tell is one too many, whether it is taken or
// not; what is told again or taken back makes room.
func TestLimit(t *testing.T) {
	r := newIn()
	take(t, r, announce(attributes(65000), "10.0.0.0/16", "10.1.0.0/16", "10.2.0.0/16"))
	take(t, r, announce(attributes(65001), "10.3.0.0/16", "127.0.0.0/8"))
	take(t, r, announce(attributes(65000), "10.0.0.0/16", "10.3.0.0/16"))
	take(t, r, wire.Update{Withdrawn: prefixes("10.1.0.0/16"), Announced: prefixes("10.4.0.0/16"), Attributes: attributes(65000)})
	for _, path := range []uint32{65000, 65001} {
		if _, err := r.Update(announce(attributes(path), "10.5.0.0/16")); !errors.Is(err, ErrTooMany) {
			t.Errorf("error %v", err)
		}
	}
	if r.Len() != 5 {
		t.Errorf("%d destinations", r.Len())
	}
	var all []netip.Prefix
	for i := range 101 {
		all = append(all, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i)}), 16))
	}
	r = NewIn(InConfig{PeerASN: 65000})
	if changed, err := r.Update(wire.Update{Announced: all, Attributes: attributes(65000)}); !changed || !errors.Is(err, ErrTooMany) || len(r.Routes()) != 100 {
		t.Errorf("%v, %d routes", err, len(r.Routes()))
	}
}

// RFC 4724 section 4.2: what a peer has told that vanished is kept until it tells it
// anew, or that it does not.
func TestStale(t *testing.T) {
	r := newIn()
	take(t, r, announce(attributes(65000), "10.0.0.0/16", "10.1.0.0/16", "10.2.0.0/16", "10.7.0.0/16"))
	take(t, r, announce(attributes(65001), "10.9.0.0/16"))
	if r.Stale() {
		t.Error("to keep routes is a change")
	}
	has(t, r, "10.0.0.0/16", "10.1.0.0/16", "10.2.0.0/16", "10.7.0.0/16")
	if take(t, r, announce(attributes(65000), "10.1.0.0/16")) {
		t.Error("to tell the same anew is a change")
	}
	if !take(t, r, announce(attributes(65000, 65001), "10.2.0.0/16")) {
		t.Error("another path is no change")
	}
	if r.Len() != 2 {
		t.Errorf("%d destinations were told", r.Len())
	}
	// Stale ones do not count, neither here nor taken back.
	if !take(t, r, wire.Update{Withdrawn: prefixes("10.7.0.0/16")}) || r.Len() != 2 {
		t.Errorf("%d destinations were told", r.Len())
	}
	take(t, r, announce(attributes(65000), "10.3.0.0/16", "10.4.0.0/16", "10.5.0.0/16"))
	if _, err := r.Update(announce(attributes(65000), "10.6.0.0/16")); !errors.Is(err, ErrTooMany) {
		t.Errorf("error %v", err)
	}
	if !r.Sweep() || r.Sweep() {
		t.Error("sweeping is no change, or twice")
	}
	has(t, r, "10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16", "10.4.0.0/16", "10.5.0.0/16")
	if n, _ := r.Refused(); n != 0 {
		t.Errorf("%d refused ones are left", n)
	}
	// Whoever vanishes again keeps what was told in between only.
	r.Stale()
	take(t, r, announce(attributes(65000), "10.3.0.0/16"))
	if take(t, r, wire.Update{Withdrawn: prefixes("10.3.0.0/16")}) != true {
		t.Error("nothing has changed")
	}
	take(t, r, announce(attributes(65000), "10.4.0.0/16"))
	if !r.Stale() {
		t.Error("what was stale twice is kept")
	}
	has(t, r, "10.4.0.0/16")
}
