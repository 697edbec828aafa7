package speaker

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway.dev/bgp/rib"
	"causeway.dev/internal/netlab"
)

const (
	ourASN   = 64512
	theirASN = 4200000001 // does not fit into two octets
)

var (
	ours   = netip.MustParseAddr("169.254.10.1")
	theirs = netip.MustParseAddr("169.254.10.2")
)

// TestMain fails where goroutines are left: each has an owner that waits for it.
func TestMain(m *testing.M) {
	flag.Parse()
	// They wait for timers of a second and more most of the time.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	code := m.Run()
	for deadline := time.Now().Add(5 * time.Second); code == 0 && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if !strings.Contains(stacks(), "causeway.dev/bgp/speaker.") {
			os.Exit(0)
		}
	}
	if code == 0 {
		fmt.Fprintf(os.Stderr, "goroutines are left:\n%s\n", stacks())
		code = 1
	}
	os.Exit(code)
}

// stacks returns those of all goroutines but the test's own.
func stacks() string {
	all := make([]byte, 1<<20)
	var others []string
	for s := range strings.SplitSeq(string(all[:runtime.Stack(all, true)]), "\n\n") {
		if !strings.Contains(s, "speaker.TestMain(") {
			others = append(others, s)
		}
	}
	return strings.Join(others, "\n\n")
}

// A pair is two hosts with the link that stands for a tunnel.
type pair struct {
	lab       *netlab.Lab
	near, far *netlab.Host
	t         *testing.T
}

// device is the tunnel's name on both sides.
const device = "tun1"

// itsPath is since when the path of a pair stands.
var itsPath = time.Unix(1, 0)

func newPair(t *testing.T) *pair {
	t.Helper()
	if testing.Short() {
		t.Skip("network namespaces")
	}
	t.Parallel()
	lab := netlab.New(t, "ss", "nft")
	p := &pair{lab: lab, near: lab.Host("near"), far: lab.Host("far"), t: t}
	lab.Connect(p.near, device, ours.String()+"/30", p.far, device, theirs.String()+"/30")
	return p
}

// us is our side of the session, and them the other one.
func (p *pair) us() Peer {
	return Peer{
		ID: "vpn-1/1", Namespace: p.near.Name, Device: device, Local: ours, Remote: theirs,
		ASN: ourASN, PeerASN: theirASN, HoldTime: 3 * time.Second, MaxPrefixes: 100, Path: itsPath, Advertised: routes("10.0.0.0/16"),
	}
}

func (p *pair) them() Peer {
	return Peer{
		ID: "them", Namespace: p.far.Name, Device: device, Local: theirs, Remote: ours,
		ASN: theirASN, PeerASN: ourASN, HoldTime: 3 * time.Second, MaxPrefixes: 100, Path: itsPath, Advertised: routes("192.168.0.0/24", "192.168.1.0/24"),
	}
}

func routes(destinations ...string) (all []rib.Route) {
	for _, d := range destinations {
		all = append(all, rib.Route{Destination: netip.MustParsePrefix(d)})
	}
	return all
}

// A side is a host with one peer.
type side struct {
	*Host
	p    *pair
	name string
}

func (p *pair) start(name string, peers ...Peer) *side {
	p.t.Helper()
	s := &side{Host: New(Config{}), p: p, name: name}
	p.t.Cleanup(func() { s.Close(p.t.Context(), false) })
	s.set(peers...)
	return s
}

func (s *side) set(peers ...Peer) {
	s.p.t.Helper()
	if err := s.Set(peers); err != nil {
		s.p.t.Fatal(err)
	}
}

func (s *side) status() Status {
	s.p.t.Helper()
	all := s.Status()
	if len(all) != 1 {
		s.p.t.Fatalf("%s: %d sessions, want one", s.name, len(all))
	}
	return all[0]
}

// until waits until the session's status is as wanted.
func (s *side) until(what string, want func(Status) bool) Status {
	s.p.t.Helper()
	var last Status
	s.p.lab.Eventually(12*time.Second, s.name+": "+what, func() error {
		if last = s.status(); !want(last) {
			return fmt.Errorf("%+v", last)
		}
		return nil
	})
	return last
}

// learns waits until these routes are learned, and no others.
func (s *side) learns(destinations ...string) Status {
	s.p.t.Helper()
	return s.until(fmt.Sprintf("learns %v", destinations), func(st Status) bool {
		return st.Established && slices.Equal(learned(st), destinations)
	})
}

func learned(st Status) (all []string) {
	for _, r := range st.Routes {
		all = append(all, r.Destination.String())
	}
	return all
}

// Both sides tell their routes, take them back, and see each other's end.
func TestTwoSpeakers(t *testing.T) {
	p := newPair(t)
	us, them := p.start("us", p.us()), p.start("them", p.them())
	st := us.learns("192.168.0.0/24", "192.168.1.0/24")
	if want := (rib.Route{Destination: netip.MustParsePrefix("192.168.0.0/24"), Path: []uint32{theirASN}}); !st.Routes[0].Equal(want) {
		t.Errorf("learned %+v, want %+v", st.Routes[0], want)
	}
	if st.HoldTime != 3*time.Second || st.RemoteIdentifier != theirs || st.Pending || st.Message != "2 routes are learned" {
		t.Errorf("%+v", st)
	}
	them.learns("10.0.0.0/16")

	// What is told changes: the difference is sent.
	peer := p.us()
	peer.Advertised = routes("10.0.0.0/16", "10.1.0.0/16")
	us.set(peer)
	them.learns("10.0.0.0/16", "10.1.0.0/16")
	peer.Advertised = nil
	us.set(peer)
	them.until("learns nothing", func(st Status) bool { return st.Established && len(st.Routes) == 0 })

	// A peer that is taken out of the list is told.
	us.set()
	them.until("sees the end", func(st Status) bool {
		return !st.Established && len(st.Routes) == 0 && strings.Contains(st.Message, "no longer configured")
	})
	if all := us.Status(); len(all) != 0 {
		t.Errorf("a session is left: %+v", all)
	}
}
