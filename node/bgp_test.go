package node

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"causeway.dev/bgp/rib"
	"causeway.dev/bgp/session"
	"causeway.dev/bgp/speaker"
	"causeway.dev/ike"
	"causeway.dev/ipsec"
	"causeway.dev/netfabric"
	"causeway.dev/nodespec"
)

// A fakeBGP has sessions in name only.
type fakeBGP struct {
	onSet   func() // if set, called first
	onClose func(restarting bool)

	mu       sync.Mutex
	sets     [][]speaker.Peer          // guarded by mu
	statuses map[string]speaker.Status // guarded by mu
}

func (f *fakeBGP) Set(peers []speaker.Peer) error {
	if f.onSet != nil {
		f.onSet()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sets = append(f.sets, peers)
	return nil
}

func (f *fakeBGP) Status() []speaker.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []speaker.Status
	for _, id := range slices.Sorted(maps.Keys(f.statuses)) {
		all = append(all, f.statuses[id])
	}
	return all
}

func (f *fakeBGP) Close(_ context.Context, restarting bool) {
	if f.onClose != nil {
		f.onClose(restarting)
	}
}

// says lets a session say something.
func (f *fakeBGP) says(s speaker.Status) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.statuses == nil {
		f.statuses = map[string]speaker.Status{}
	}
	f.statuses[s.ID] = s
}

// told is what it was told since it was asked last, a line a Set.
func (f *fakeBGP) told() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var lines []string
	for _, peers := range f.sets {
		var words []string
		for _, p := range peers {
			word := p.ID
			if !p.Path.IsZero() {
				word += fmt.Sprintf(" up %d", p.Path.Unix())
			}
			if p.Adopted {
				word += " adopted"
			}
			words = append(words, word)
		}
		lines = append(lines, strings.Join(words, ", "))
	}
	f.sets = nil
	return strings.Join(lines, "\n")
}

// dynamic is a tunnel with BGP that tells so many routes.
func dynamic(id, inside string, routes int) nodespec.Tunnel {
	t := aTunnel()
	t.ID, t.Inside = id, netip.MustParsePrefix(inside)
	t.BGP = &nodespec.BGP{ASN: 64512, PeerASN: 65000, HoldTime: 30 * time.Second, MaxPrefixes: 100}
	for i := range routes {
		t.BGP.Advertised = append(t.BGP.Advertised, nodespec.Advertised{Destination: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i), 0, 0}), 16), MED: 100})
	}
	return t
}

// newSessionsOf returns sessions with a fake host.
func newSessionsOf(adopted ...string) (*sessions, *fakeBGP) {
	f := &fakeBGP{}
	s := newSessions()
	s.host = f
	s.adopt(adopted)
	return s, f
}

func (s *sessions) mustBegin(t *testing.T, tunnels ...nodespec.Tunnel) []speaker.Peer {
	t.Helper()
	peers, err := s.begin("cw", tunnels)
	if err != nil {
		t.Fatal(err)
	}
	return peers
}

func TestPeerOfTunnel(t *testing.T) {
	s, _ := newSessionsOf()
	source := dynamic("vpn-1/1", "169.254.10.1/30", 1)
	source.BGP.Advertised[0].Path = []uint32{65001, 65002}
	peers := s.mustBegin(t, aTunnel(), source)
	want := speaker.Peer{
		ID: "vpn-1/1", Namespace: netfabric.NamespaceName("cw", "vgw-1"), Device: netfabric.TUNName("vpn-1/1"),
		Local: netip.MustParseAddr("169.254.10.1"), Remote: netip.MustParseAddr("169.254.10.2"),
		ASN: 64512, PeerASN: 65000, HoldTime: 30 * time.Second, MaxPrefixes: 100,
		Advertised: []rib.Route{{Destination: netip.MustParsePrefix("10.0.0.0/16"), Path: []uint32{65001, 65002}, MED: 100, HasMED: true}},
	}
	if len(peers) != 1 || fmt.Sprintf("%+v", peers[0]) != fmt.Sprintf("%+v", want) {
		t.Errorf("peers %+v, want %+v", peers, want)
	}
	again := s.mustBegin(t, aTunnel(), source)
	if &again[0].Advertised[0] != &peers[0].Advertised[0] {
		t.Error("what has not changed is made anew")
	}
	source.Inside = netip.MustParsePrefix("fd00::1/126")
	if _, err := s.begin("cw", []nodespec.Tunnel{source}); err == nil || !strings.Contains(err.Error(), "vpn-1/1") {
		t.Errorf("without IPv4 inside: %v", err)
	}
}

// A session's path is IPsec: the host is told when that comes up and goes down, and also
// that one has ended which stands again already.
func TestSessionsFollowIPsec(t *testing.T) {
	s, f := newSessionsOf("vpn-1/1")
	a, b := dynamic("vpn-1/1", "169.254.10.1/30", 1), dynamic("vpn-1/2", "169.254.11.1/30", 1)
	first, second := time.Unix(1, 0), time.Unix(2, 0)
	for _, step := range []struct {
		what string
		do   func() error
		want string
	}{
		{"at first, one of them adopted", func() error {
			return s.set(s.mustBegin(t, a, b), map[string]epoch{"vpn-1/1": first, "vpn-9/1": first})
		}, "vpn-1/1 up 1 adopted, vpn-1/2"},
		{"nothing new", func() error {
			_, err := s.follow(map[string]epoch{"vpn-1/1": first, "vpn-9/1": second})
			return err
		}, ""},
		{"the other comes up", func() error {
			_, err := s.follow(map[string]epoch{"vpn-1/1": first, "vpn-1/2": first})
			return err
		}, "vpn-1/1 up 1 adopted, vpn-1/2 up 1"},
		{"the first has begun anew", func() error {
			_, err := s.follow(map[string]epoch{"vpn-1/1": second, "vpn-1/2": first})
			return err
		}, "vpn-1/1 up 2 adopted, vpn-1/2 up 1"},
		{"both go down", func() error {
			_, err := s.follow(nil)
			return err
		}, "vpn-1/1 adopted, vpn-1/2"},
		{"one ends, before anything else", func() error {
			s.mustBegin(t, b)
			return nil
		}, "vpn-1/2"},
		{"and comes back, which none has handed over", func() error {
			return s.set(s.mustBegin(t, a, b), map[string]epoch{"vpn-1/1": first})
		}, "vpn-1/1 up 1, vpn-1/2"},
		{"none is left", func() error { return s.set(s.mustBegin(t), nil) }, "\n"},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		if told := f.told(); told != step.want {
			t.Errorf("%s: told %q, want %q", step.what, told, step.want)
		}
	}
}

// Whoever follows tunnels does not wait for goodbyes.
func TestFollowingDoesNotWait(t *testing.T) {
	s, f := newSessionsOf()
	peers := s.mustBegin(t, dynamic("vpn-1/1", "169.254.10.1/30", 0))
	if err := s.set(peers, nil); err != nil {
		t.Fatal(err)
	}
	f.told()
	begun, release := make(chan struct{}), make(chan struct{})
	f.onSet = func() {
		begun <- struct{}{}
		<-release
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.begin("cw", nil)
	}()
	<-begun
	if done, err := s.follow(map[string]epoch{"vpn-1/1": time.Unix(1, 0)}); done || err != nil {
		t.Errorf("follow = %v, %v while another is told to end", done, err)
	}
	if states := s.over([]ipsec.Status{{ID: "vpn-1/1", Up: true}}); len(states) != 0 {
		t.Errorf("%v of a tunnel that is about to end", states)
	}
	close(release)
	<-ended
}

// A tunnel is up while IPsec and BGP are, or while what was learned is kept; it says which
// layer fails.
func TestTunnelIsUpWithItsSession(t *testing.T) {
	early, late := time.Unix(1, 0), time.Unix(2, 0)
	stands := ipsec.Status{ID: "vpn-1/1", Up: true, Since: early, Message: "IKEv2"}
	for name, c := range map[string]struct {
		tunnel  ipsec.Status
		adopted bool
		state   *speaker.Status
		up      bool
		since   time.Time
		says    string
	}{
		"no IPsec":     {ipsec.Status{ID: "vpn-1/1", Since: late, Message: "no packet has arrived"}, false, &speaker.Status{Message: "no path"}, false, late, "no packet has arrived"},
		"no BGP":       {stands, false, &speaker.Status{Message: "nobody answers", Since: late}, false, late, "IPsec is up, BGP is not: nobody answers"},
		"both":         {stands, false, &speaker.Status{Established: true, Message: "12 routes", Since: late}, true, late, "12 routes"},
		"kept":         {stands, false, &speaker.Status{Pending: true, Message: "awaited", Since: late}, true, late, "awaited"},
		"just adopted": {stands, true, nil, true, early, "about to begin"},
		"just begun":   {stands, false, nil, false, early, "IPsec is up, BGP is not"},
	} {
		t.Run(name, func(t *testing.T) {
			s, f := newSessionsOf()
			if c.adopted {
				s.adopt([]string{"vpn-1/1"})
			}
			s.mustBegin(t, dynamic("vpn-1/1", "169.254.10.1/30", 0))
			if c.state != nil {
				c.state.ID = "vpn-1/1"
				f.says(*c.state)
			}
			tunnels := []ipsec.Status{c.tunnel, {ID: "vpn-2/1", Up: true, Message: "static"}}
			states := s.over(tunnels)
			if is := tunnels[0]; is.Up != c.up || is.Since != c.since || !strings.Contains(is.Message, c.says) {
				t.Errorf("up %v since %v: %s", is.Up, is.Since, is.Message)
			}
			if state := states["vpn-1/1"]; c.state == nil && state.Pending != c.adopted || len(states) != 1 || tunnels[1].Message != "static" {
				t.Errorf("sessions %+v, the static one %+v", states, tunnels[1])
			}
		})
	}
}

// newBGPLab is a lab with a fake of BGP.
func newBGPLab(t *testing.T, f *fakeBGP) *lab {
	return newLab(t, &fakeDriver{}, func(n *Node) { n.bgp.host = f })
}

// What ends, ends from the top: the peer of a session is told while the tunnel is
// there. At the end of everything, too.
func TestSessionsEndBeforeTheirTunnels(t *testing.T) {
	f := &fakeBGP{}
	var l *lab
	var mu sync.Mutex
	var runs []bool // at each Set and at Close
	look := func() {
		mu.Lock()
		defer mu.Unlock()
		runs = append(runs, l.host.Running()["vpn-1/1"])
	}
	f.onSet = look
	f.onClose = func(restarting bool) {
		look()
		if restarting {
			t.Error("it closes as for another process, and none comes")
		}
	}
	l = newBGPLab(t, f)
	d := site(1)
	d.Tunnels[0] = dynamic("vpn-1/1", "169.254.10.1/30", 1)
	l.Set(d)
	if o := l.settled(1); len(o.Tunnels) != 1 || o.Tunnels[0].BGP == nil || o.Tunnels[0].Up {
		t.Errorf("observed %+v", o.Tunnels)
	}
	without := d
	without.Revision, without.Tunnels = 2, nil
	l.Set(without)
	if o := l.settled(2); len(o.Tunnels) != 0 {
		t.Errorf("observed %+v", o.Tunnels)
	}
	d.Revision = 3
	l.Set(d)
	l.settled(3)
	l.end(context.Canceled)
	mu.Lock()
	defer mu.Unlock()
	// set; what is to end; set without it; what is to stay; set; Close.
	if want := "[true true false true true]"; fmt.Sprint(runs) != want {
		t.Errorf("the tunnel ran at each time: %v, want %s", runs, want)
	}
}

// A peer that changes its mind all the time does not make a report each time.
func TestReportsOfRoutesAreFew(t *testing.T) {
	f := &fakeBGP{}
	l := newBGPLab(t, f)
	d := site(1)
	d.Tunnels[0] = dynamic("vpn-1/1", "169.254.10.1/30", 1)
	l.Set(d)
	l.settled(1)
	before, began := l.reports.Load(), time.Now()
	last := ""
	for i := 0; time.Since(began) < 5*bgpPause; i++ {
		last = fmt.Sprint("change ", i)
		f.says(speaker.Status{ID: "vpn-1/1", Message: last, Routes: []rib.Route{{Destination: netip.MustParsePrefix("10.9.0.0/16"), Path: []uint32{65000}, Origin: 2, MED: 7}}})
		poke(l.bgp.changed)
		time.Sleep(time.Millisecond)
	}
	l.eventually("the last change is reported", func() bool { return l.observed().Tunnels[0].BGP.Message == last })
	most := int64(time.Since(began)/bgpPause) + 2 + int64(time.Since(began)/observeInterval) // the first at once; and each tick
	if made := l.reports.Load() - before; made > most || made < 2 {
		t.Errorf("%d reports in %v, want at most %d", made, time.Since(began), most)
	}
	want := []nodespec.Learned{{Destination: netip.MustParsePrefix("10.9.0.0/16"), Path: []uint32{65000}, Origin: nodespec.OriginIncomplete, MED: 7}}
	if got := l.observed().Tunnels[0].BGP.Routes; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("learned %v, want %v", got, want)
	}
}

// What is told by BGP changes nothing of IPsec's.
func TestBGPAloneLeavesIPsecAlone(t *testing.T) {
	f := &fakeBGP{}
	l := newBGPLab(t, f)
	d := site(1)
	d.Tunnels[0] = dynamic("vpn-1/1", "169.254.10.1/30", 1)
	l.Set(d)
	l.settled(1)
	made := func() *ike.IKEProposal {
		return &l.Node.tunnels.now["vpn-1/1"].made.tunnel.Peer.IKEProposals[0] // its goroutine waits
	}
	first := made()
	f.told()
	d.Revision, d.Tunnels = 2, []nodespec.Tunnel{dynamic("vpn-1/1", "169.254.10.1/30", 7)}
	l.Set(d)
	l.settled(2)
	if made() != first {
		t.Error("the tunnel was translated anew for what its peer is told by BGP")
	}
	if peers := f.sets[len(f.sets)-1]; len(peers) != 1 || len(peers[0].Advertised) != 7 {
		t.Errorf("told %+v", peers)
	}
}

// The routes of a peer that has not told others are the slice that was there before.
func TestLearnedRoutesAreShared(t *testing.T) {
	var l learnedRoutes
	routes := []rib.Route{{Destination: netip.MustParsePrefix("10.9.0.0/16")}}
	state := speaker.Status{ID: "vpn-1/1", State: session.Established, Established: true, Routes: routes}
	l.turn()
	first := l.bgpStatus(state).Routes
	l.turn()
	if second := l.bgpStatus(state).Routes; &second[0] != &first[0] {
		t.Error("made anew")
	}
	state.Routes = slices.Clone(routes)
	l.turn()
	if third := l.bgpStatus(state).Routes; &third[0] == &first[0] {
		t.Error("other routes are taken for those before")
	}
	l.turn()
	l.turn()
	if len(l.before) > 0 {
		t.Error("what is gone is kept")
	}
}

// A look at thousands of tunnels at which nothing is new.
func BenchmarkSessionsUnchanged(b *testing.B) {
	const tunnels, routes = 4000, 100
	s, f := newSessionsOf()
	var all []nodespec.Tunnel
	var statuses []ipsec.Status
	for i := range tunnels {
		id := fmt.Sprintf("vpn-%04d/%d", i/2, i%2+1)
		all = append(all, dynamic(id, "169.254.10.1/30", 50))
		statuses = append(statuses, ipsec.Status{ID: ike.PeerID(id), Up: true, Since: time.Unix(1, 0), Message: "IKEv2"})
		learned := make([]rib.Route, routes)
		for n := range learned {
			learned[n] = rib.Route{Destination: netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 168, byte(n), 0}), 24), Path: []uint32{65000, 65001}}
		}
		f.says(speaker.Status{ID: id, Established: true, Since: time.Unix(2, 0), Message: "100 routes", Routes: learned})
	}
	b.Run("report", func(b *testing.B) {
		if _, err := s.begin("cw", all); err != nil {
			b.Fatal(err)
		}
		n := &Node{bgp: s}
		var told nodespec.Observed
		b.ReportAllocs()
		for b.Loop() {
			v := view{tunnels: slices.Clone(statuses)}
			v.standing, v.sessions = standing(v.tunnels), s.over(v.tunnels)
			o := nodespec.Observed{Tunnels: n.tunnelStatuses(v)}
			if told.Tunnels != nil && !sameObserved(o, told) {
				b.Fatal("something is new")
			}
			told = o
		}
	})
	b.Run("apply", func(b *testing.B) {
		b.ReportAllocs()
		up := standing(statuses)
		for b.Loop() {
			peers, err := s.begin("cw", all)
			if err != nil {
				b.Fatal(err)
			}
			if err := s.set(peers, up); err != nil {
				b.Fatal(err)
			}
			f.told()
		}
	})
}
