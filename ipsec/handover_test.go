package ipsec

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/internal/netlab"
	"causeway.dev/keeper"
	"causeway.dev/packetio"
	"causeway.dev/tunnel"
)

// The test's own binary is the keeper's, too.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == keeper.Command {
		os.Exit(keeper.Main())
	}
	os.Exit(m.Run())
}

var handOverTunnels = flag.Int("handover.tunnels", 20, "tunnels that are handed over at once")

// A handOverLab is two gateways over a wire, with real sockets and TUNs. Of the first
// tunnel both inside addresses can be pinged.
type handOverLab struct {
	t            *testing.T
	lab          *netlab.Lab
	east, west   *netlab.Host
	log          *slog.Logger
	socket       string
	peer         *Host
	ours, theirs []Tunnel
}

func newHandOverLab(t *testing.T, count int) *handOverLab {
	if testing.Short() {
		t.Skip("negotiates many tunnels")
	}
	lab := netlab.New(t, "ping")
	l := &handOverLab{t: t, lab: lab, east: lab.Host("east"), west: lab.Host("west"), socket: filepath.Join(t.TempDir(), strings.Repeat("long", 30), "keeper.sock")}
	if err := os.MkdirAll(filepath.Dir(l.socket), 0o700); err != nil {
		t.Fatal(err)
	}
	l.log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	lab.Connect(l.east, "wan", "10.1.255.1/16", l.west, "wan", "10.1.255.2/16")
	var addresses strings.Builder
	peer := netip.MustParseAddr("10.1.255.2")
	for i := range count {
		local := netip.AddrFrom4([4]byte{10, 1, byte(i / 250), byte(1 + i%250)})
		fmt.Fprintf(&addresses, "address add %v/16 dev wan\n", local)
		id := fmt.Sprintf("t%d", i)
		ours, theirs := tunnelTo(id, local, peer, false), tunnelTo(id, peer, local, true)
		ours.Peer.Encapsulation, theirs.Peer.Encapsulation = ike.EncapsulationAlways, ike.EncapsulationAlways
		ours.Inside, theirs.Inside = netip.MustParsePrefix("169.254.10.1/30"), netip.MustParsePrefix("169.254.10.2/30")
		l.ours, l.theirs = append(l.ours, ours), append(l.theirs, theirs)
	}
	l.east.Run("ip", "-batch", lab.File("addresses", addresses.String()))
	return l
}

// start starts a host with tunnels.
func (l *handOverLab) start(at *netlab.Host, socket string, tunnels []Tunnel) *Host {
	l.t.Helper()
	h, err := New(context.Background(), Config{
		Logger: l.log, Offloads: packetio.AllOffloads, Keeper: socket,
		Listen: func(c tunnel.EndpointConfig) (e *tunnel.Endpoint, err error) {
			err = at.Do(func() error {
				e, err = tunnel.Listen(c)
				return err
			})
			return e, err
		},
		OpenDevice: func(t Tunnel) (packetio.Device, error) {
			var device *packetio.TUN
			err := at.Do(func() (err error) {
				device, err = packetio.OpenTUN(string(t.Peer.ID), 1400, packetio.AllOffloads)
				return err
			})
			if err == nil && t.Peer.ID == "t0" {
				at.Run("ip", "address", "add", t.Inside.String(), "dev", "t0")
				at.Run("ip", "link", "set", "t0", "up")
			}
			return device, err
		},
	})
	if err != nil {
		l.t.Fatal(err)
	}
	if err := h.Set(tunnels); err != nil {
		l.t.Error(err)
	}
	return h
}

func (l *handOverLab) waitUp(h *Host, want int) {
	l.t.Helper()
	l.lab.Eventually(60*time.Second, fmt.Sprintf("%d tunnels are up", want), func() error {
		up := 0
		for _, s := range h.Status() {
			if s.Up {
				up++
			}
		}
		if up != want {
			return fmt.Errorf("%d are", up)
		}
		return nil
	})
}

// A seen capture keeps what arrives at a tunnel, sealed.
type seen struct {
	mu     sync.Mutex
	sealed [][]byte // guarded by mu
}

func (*seen) SetPath(ike.Path)                                 {}
func (*seen) IKE(bool, netip.AddrPort, netip.AddrPort, []byte) {}
func (*seen) Event(ike.Event)                                  {}
func (*seen) Inner(bool, []byte)                               {}
func (s *seen) Outer(outbound bool, _, _ netip.AddrPort, _ bool, payload []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !outbound {
		s.sealed = append(s.sealed, append([]byte(nil), payload...))
	}
}

// Given many tunnels and a ping of 500 packets a second over one, when their host
// hands them over and another goes on, then nothing is lost, nothing is negotiated
// anew, counters go on, what was captured before is not accepted again, and rekeys
// work in both directions.
func TestHandOver(t *testing.T) {
	l := newHandOverLab(t, *handOverTunnels)
	count := len(l.ours)
	first := l.start(l.east, l.socket, l.ours)
	l.peer = l.start(l.west, "", l.theirs)
	defer func() {
		if err := l.peer.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	l.waitUp(first, count)
	l.waitUp(l.peer, count)
	captured := new(seen)
	stop, err := first.StartCapture("t0", captured)
	if err != nil {
		t.Fatal(err)
	}
	ping := l.west.Start("ping", "ping", "-n", "-i", "0.002", "-W", "1", "169.254.10.1")
	time.Sleep(300 * time.Millisecond)
	before := map[ike.PeerID]Status{}
	for _, s := range first.Status() {
		before[s.ID] = s
	}
	handshakes := l.peer.daemon.Status("t0").Datagrams

	stop()
	begin := time.Now()
	if err := first.HandOver(t.Context(), 20*time.Second); err != nil {
		t.Fatal(err)
	}
	handed := time.Since(begin)
	time.Sleep(300 * time.Millisecond)
	begin = time.Now()
	if kept, err := keeper.Peek(l.socket, l.log); err != nil || len(kept) != count {
		t.Fatalf("%d tunnels are kept of %d: %v", len(kept), count, err)
	}
	second := l.start(l.east, l.socket, l.ours)
	defer func() {
		if err := second.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	taken := time.Since(begin)
	l.waitUp(second, count)
	answered, lost, slowest := l.endPing(ping)
	t.Logf("%d tunnels handed over in %v, taken over in %v; %d packets answered, %d lost, the slowest answer took %v",
		count, handed.Round(time.Millisecond), taken.Round(time.Millisecond), answered, lost, slowest)
	if lost > 0 {
		t.Errorf("%d packets were answered, and %d before the last of them were not", answered, lost)
	}
	for _, s := range second.Status() {
		was := before[s.ID]
		if !s.Since.Equal(was.Since) || s.Message != was.Message || s.Counters.InboundPackets < was.Counters.InboundPackets {
			t.Errorf("tunnel %s: %+v, was %+v", s.ID, s, was)
		}
	}
	if n := l.peer.daemon.Status("t0").Datagrams; n != handshakes {
		t.Errorf("the peer has had %d IKE datagrams meanwhile", n-handshakes)
	}
	l.replay(second, captured.sealed)
	for _, side := range []*Host{second, l.peer} {
		if err := side.Command("t0", ike.RekeyChild{}); err != nil {
			t.Fatal(err)
		}
		if err := side.Command("t0", ike.RekeyIKE{}); err != nil {
			t.Log(err) // one at a time
		}
		time.Sleep(300 * time.Millisecond)
		if n := l.west.Ping("169.254.10.1", 5, "0.02"); n != 5 {
			t.Errorf("%d of 5 packets after a rekey", n)
		}
	}
}

// endPing ends a ping when some hundred packets more have been answered, and returns how
// many were, and how many were not of those before the last that was: what is on its
// way at the end is not lost.
func (l *handOverLab) endPing(p *netlab.Process) (answered, lost int, slowest time.Duration) {
	l.t.Helper()
	const more = 200
	_, first, _ := pinged(p.Log())
	l.lab.Eventually(time.Minute, "the ping goes on", func() error {
		if _, last, _ := pinged(p.Log()); last < first+more {
			return fmt.Errorf("packet %d is the last that was answered, and %d was", last, first)
		}
		return nil
	})
	p.Stop()
	answered, last, slowest := pinged(p.Log())
	return answered, last - answered, slowest
}

// pinged reads how many packets a ping tells to be answered, the number of the last of
// them, counted from 1, and how long an answer took at most.
func pinged(log string) (answered, last int, slowest time.Duration) {
	for line := range strings.Lines(log) {
		_, after, answer := strings.Cut(line, "icmp_seq=")
		var number, hops int
		var ms float64
		if _, err := fmt.Sscanf(after, "%d ttl=%d time=%f ms", &number, &hops, &ms); !answer || err != nil || strings.Contains(line, "DUP!") {
			continue
		}
		answered, last, slowest = answered+1, max(last, number), max(slowest, time.Duration(ms*float64(time.Millisecond)))
	}
	return answered, last, slowest
}

// replay sends what was captured once more, from where the peer is.
func (l *handOverLab) replay(h *Host, sealed [][]byte) {
	l.t.Helper()
	if len(sealed) == 0 {
		l.t.Fatal("nothing was captured")
	}
	drops := func() uint64 {
		for _, s := range h.Status() {
			if s.ID == "t0" {
				return s.Counters.Drops[tunnel.DropReplay]
			}
		}
		return 0
	}
	before := drops()
	err := l.west.Do(func() error {
		c, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(l.ours[0].Peer.Local, tunnel.PortNATT)))
		if err != nil {
			return err
		}
		defer c.Close()
		for _, p := range sealed {
			if _, err := c.Write(p); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		l.t.Fatal(err)
	}
	l.lab.Eventually(20*time.Second, fmt.Sprintf("%d captured packets are dropped as replayed", len(sealed)), func() error {
		if n := drops() - before; n != uint64(len(sealed)) {
			return fmt.Errorf("%d are", n)
		}
		return nil
	})
}

// Given tunnels that are kept, when who claims them goes away in the middle, then
// the keeper goes on; when one of them is not wanted any more, its peer is told and
// the other goes on; when nobody claims it, its peer is told after the time.
func TestHandOverInterrupted(t *testing.T) {
	l := newHandOverLab(t, 2)
	l.peer = l.start(l.west, "", l.theirs)
	defer func() {
		if err := l.peer.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	h := l.start(l.east, l.socket, l.ours)
	l.waitUp(h, 2)
	l.waitUp(l.peer, 2)
	if err := h.HandOver(t.Context(), 20*time.Second); err != nil {
		t.Fatal(err)
	}
	pings := func(why string) {
		t.Helper()
		if n := l.west.Ping("169.254.10.1", 10, "0.01"); n != 10 {
			t.Errorf("%s: %d of 10 packets", why, n)
		}
	}
	pings("kept")
	claim, err := keeper.Claimed(l.socket)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range claim.State.Endpoints {
		s, err := e.Adopt()
		if err != nil {
			t.Fatal(err)
		}
		s.IKE.Close()
		s.NATT.Close()
		s.ESP.Close()
	}
	for _, k := range claim.State.Tunnels {
		packetio.AdoptTUN(k.Device, k.DeviceName, k.Offloads).Close()
	}
	claim.Close()
	pings("after a claim that was broken off")

	theirs := l.theirs
	l.theirs[1].Peer.Start = false
	h = l.start(l.east, l.socket, l.ours[:1])
	pings("taken over")
	l.lab.Eventually(20*time.Second, "the peer of the tunnel that is not wanted is told", func() error {
		for _, s := range l.peer.Status() {
			if up := s.ID == theirs[0].Peer.ID; s.Up != up {
				return fmt.Errorf("%s is up: %v: %s", s.ID, s.Up, s.Message)
			}
		}
		return nil
	})
	const hold = 6 * time.Second // a busy machine takes its time to ping
	since := time.Now()
	if err := h.HandOver(t.Context(), hold); err != nil {
		t.Fatal(err)
	}
	pings("handed over again")
	l.waitUp(l.peer, 0)
	if waited := time.Since(since); waited < hold {
		t.Errorf("the peer is told after %v", waited)
	}
	if _, err := keeper.Peek(l.socket, l.log); err == nil {
		time.Sleep(time.Second) // it ends once both farewells are sent
		if _, err := keeper.Peek(l.socket, l.log); err == nil {
			t.Error("the keeper is still there")
		}
	}
	if err := keeper.End(l.socket); err != nil {
		t.Error(err)
	}
}
