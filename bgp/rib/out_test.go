package rib

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"causeway.dev/bgp/wire"
)

var local = netip.MustParseAddr("169.254.10.1")

func newOut() *Out { return NewOut(OutConfig{ASN: 64512, NextHop: local}) }

// A peer holds what it is told, and looks at each message.
type peer struct {
	t      *testing.T
	four   bool
	routes map[netip.Prefix]wire.Attributes
	ends   int
}

// tell hands over messages until there are no more, at most so many, and returns how many.
func (p *peer) tell(o *Out, most int) (messages int) {
	p.t.Helper()
	for ; messages < most; messages++ {
		u, ok := o.Next()
		if !ok {
			break
		}
		if u.EndOfRIB {
			p.ends++
		}
		b := u.Append(nil, p.four)
		_, body, taken, err := wire.Next(b)
		if err != nil || taken != len(b) {
			p.t.Fatalf("a message of %d octets: %v", len(b), err)
		}
		got, err := wire.ParseUpdate(body, p.four)
		if err != nil || got.Malformed != "" {
			p.t.Fatalf("%v %s", err, got.Malformed)
		}
		for _, w := range got.Withdrawn {
			if _, ok := p.routes[w]; !ok {
				p.t.Errorf("%v is taken back, which was not told", w)
			}
			delete(p.routes, w)
		}
		for _, a := range got.Announced {
			p.routes[a] = got.Attributes
		}
	}
	return messages
}

// knows checks that the peer has been told exactly this.
func (p *peer) knows(want []Route) {
	p.t.Helper()
	if len(p.routes) != len(want) {
		p.t.Errorf("it was told %d routes, want %d", len(p.routes), len(want))
	}
	for _, r := range want {
		a, ok := p.routes[r.Destination]
		path := append([]uint32{64512}, r.Path...)
		for i := range path {
			if path[i] == 0 {
				path[i] = 64512
			}
		}
		if !ok || !slices.Equal(a.Path, path) || uint8(a.Origin) != r.Origin || a.MED != r.MED || a.HasMED != r.HasMED || a.NextHop != local {
			p.t.Errorf("it was told %v %+v, want %+v", ok, a, r)
		}
	}
}

func newPeer(t *testing.T, four bool) *peer {
	return &peer{t: t, four: four, routes: map[netip.Prefix]wire.Attributes{}}
}

// someRoutes are n routes whose attributes are of so many kinds.
func someRoutes(random *rand.Rand, n, kinds int) []Route {
	all := map[netip.Prefix]Route{}
	for len(all) < n {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(random.IntN(8)), byte(random.IntN(256))}), 15+random.IntN(18)).Masked()
		k := random.IntN(kinds)
		r := Route{Destination: p, Origin: uint8(k % 3), HasMED: k%2 == 0}
		if r.HasMED {
			r.MED = uint32(k)
		}
		for i := range k % 60 {
			r.Path = append(r.Path, uint32(i*k*100_003)%4_000_000_000) // some of them 0
		}
		all[p] = r
	}
	var routes []Route
	for _, r := range all {
		routes = append(routes, r)
	}
	slices.SortFunc(routes, compare)
	return routes
}

// Whatever is wanted while messages are on their way, the peer has it in the end, and is
// told differences only.
func TestOut(t *testing.T) {
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 3))
		o, p := newOut(), newPeer(t, seed%2 == 0)
		var want []Route
		for range 20 {
			want = someRoutes(random, random.IntN(150), 1+random.IntN(40))
			o.Set(want)
			switch random.IntN(8) {
			case 0:
				o.Refresh()
			case 1:
				o.Reset()
				p.routes, p.ends = map[netip.Prefix]wire.Attributes{}, 0
			}
			p.tell(o, random.IntN(20))
		}
		p.tell(o, 1_000_000)
		p.knows(want)
		if p.ends != 1 {
			t.Errorf("the End-of-RIB came %d times", p.ends)
		}
		if n := p.tell(o, 1); n != 0 {
			t.Error("more is told")
		}
		o.Set(slices.Clone(want))
		if n := p.tell(o, 1); n != 0 {
			t.Error("the same is told once more")
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// The first whole table ends with the End-of-RIB, an empty one, too. RFC 4724 section 2.
func TestEndOfRIB(t *testing.T) {
	o := newOut()
	if u, ok := o.Next(); !ok || !u.EndOfRIB {
		t.Errorf("%+v, %v", u, ok)
	}
	o.Reset()
	o.Set([]Route{{Destination: netip.MustParsePrefix("10.0.0.0/8")}})
	if u, ok := o.Next(); !ok || len(u.Announced) != 1 {
		t.Errorf("%+v, %v", u, ok)
	}
	if u, ok := o.Next(); !ok || !u.EndOfRIB {
		t.Errorf("%+v, %v", u, ok)
	}
	if u, ok := o.Next(); ok {
		t.Errorf("%+v", u)
	}
}

// Routes of equal attributes share messages, as many as fit into 4,096 octets.
func TestPacking(t *testing.T) {
	var want []Route
	for i := range 1000 {
		want = append(want, Route{Destination: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i)}), 24), Path: []uint32{65001}, MED: 100, HasMED: true})
	}
	o, p := newOut(), newPeer(t, true)
	o.Set(want)
	if n := p.tell(o, 100); n != 2 { // 1,000 prefixes of 4 octets, and the End-of-RIB
		t.Errorf("%d messages", n)
	}
	p.knows(want)
	o.Refresh()
	if n := p.tell(o, 100); n != 1 {
		t.Errorf("%d messages", n)
	}
	o.Set(nil)
	if n := p.tell(o, 100); n != 1 {
		t.Errorf("%d messages", n)
	}
	p.knows(nil)
	// Which are not sorted are sorted.
	slices.Reverse(want)
	o.Set(want)
	o.Next()
	slices.Reverse(want)
	o.Set(want)
	if u, ok := o.Next(); ok {
		t.Errorf("more is told: %+v", u)
	}
	// A path that leaves no room for a prefix can't be told, and holds nothing up.
	o.Set([]Route{{Destination: netip.MustParsePrefix("10.0.0.0/8"), Path: make([]uint32, 1100)}, {Destination: netip.MustParsePrefix("11.0.0.0/8")}})
	for u, ok := o.Next(); ok; u, ok = o.Next() {
		if len(u.Append(nil, true)) > wire.MessageMax || slices.Contains(u.Announced, netip.MustParsePrefix("10.0.0.0/8")) {
			t.Errorf("%v is told", u.Announced)
		}
	}
}

// What one session costs whose gateway has 1,000 routes for it, no two alike: from the
// routes to the octets.
func BenchmarkOut(b *testing.B) {
	for _, kinds := range []struct {
		name string
		n    int
	}{{"alike", 1}, {"different", 1000}} {
		b.Run("1000-routes-"+kinds.name, func(b *testing.B) {
			want := benchmarkRoutes(kinds.n)
			var buffer []byte
			b.ReportAllocs()
			for b.Loop() {
				o := newOut()
				o.Set(want)
				for u, ok := o.Next(); ok; u, ok = o.Next() {
					buffer = u.Append(buffer[:0], true)
				}
			}
		})
	}
}

// The same the other way round.
func BenchmarkIn(b *testing.B) {
	for _, kinds := range []struct {
		name string
		n    int
	}{{"alike", 1}, {"different", 1000}} {
		b.Run("1000-routes-"+kinds.name, func(b *testing.B) {
			var stream []byte
			o := NewOut(OutConfig{ASN: 65000, NextHop: netip.MustParseAddr("169.254.10.2")})
			o.Set(benchmarkRoutes(kinds.n))
			for u, ok := o.Next(); ok; u, ok = o.Next() {
				stream = u.Append(stream, true)
			}
			b.ReportAllocs()
			for b.Loop() {
				r := NewIn(InConfig{ASN: 64512, PeerASN: 65000, Local: local, Max: 1000})
				for rest := stream; len(rest) > 0; {
					_, body, taken, err := wire.Next(rest)
					if err != nil {
						b.Fatal(err)
					}
					u, err := wire.ParseUpdate(body, true)
					if err != nil {
						b.Fatal(err)
					}
					if _, err := r.Update(u); err != nil {
						b.Fatal(err)
					}
					rest = rest[taken:]
				}
				if len(r.Routes()) != 1000 {
					b.Fatal(len(r.Routes()))
				}
			}
		})
	}
}

func benchmarkRoutes(kinds int) []Route {
	var routes []Route
	for i := range 1000 {
		routes = append(routes, Route{
			Destination: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i)}), 24),
			Path:        []uint32{65001, uint32(70_000 + i%kinds)}, MED: 100, HasMED: true,
		})
	}
	return routes
}

// To want the same again, and to be asked for more when there is none, costs nothing.
func TestNoAllocations(t *testing.T) {
	want := benchmarkRoutes(1)
	o := newOut()
	o.Set(want)
	for _, ok := o.Next(); ok; _, ok = o.Next() {
	}
	if n := testing.AllocsPerRun(100, func() {
		o.Set(want)
		if _, ok := o.Next(); ok {
			t.Error("something is told")
		}
	}); n > 0 {
		t.Errorf("%v allocations for nothing", n)
	}
	r := newIn()
	take(t, r, announce(attributes(65000), "10.0.0.0/16"))
	u := announce(attributes(65000), "10.0.0.0/16")
	if n := testing.AllocsPerRun(100, func() {
		take(t, r, u)
		r.Routes()
	}); n > 0 {
		t.Errorf("%v allocations for a route that is told again", n)
	}
}
