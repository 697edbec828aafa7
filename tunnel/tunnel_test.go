package tunnel

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"causeway.dev/esp"
	"causeway.dev/ike"
	"causeway.dev/packet"
	"causeway.dev/packetio"
)

var (
	outsideA, outsideB = netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("198.51.100.7")
	hostA, hostB       = netip.MustParseAddr("10.0.1.4"), netip.MustParseAddr("192.168.0.9")
	hostA6, hostB6     = netip.MustParseAddr("fd00:a::4"), netip.MustParseAddr("fd00:b::9")
	insideA, insideB   = netip.MustParseAddr("169.254.10.1"), netip.MustParseAddr("169.254.10.2")
	insideA6           = netip.MustParseAddr("fd00:1::1")

	gcm128 = ike.ESPProposal{Encryption: ike.AES128GCM16}
	cbc256 = ike.ESPProposal{Encryption: ike.AES256CBC, Integrity: ike.HMACSHA256}
)

// children returns both ends' view of one child SA; n tells children apart.
func children(proposal ike.ESPProposal, udp bool, n int) (a, b ike.ChildSA) {
	secret := func(seed byte) (key, integrityKey ike.Secret) {
		size := map[ike.Encryption]int{ike.AES128GCM16: 20, ike.AES256GCM16: 36, ike.AES128CBC: 16, ike.AES256CBC: 32}[proposal.Encryption]
		integritySize := map[ike.Integrity]int{ike.HMACSHA1: 20, ike.HMACSHA256: 32, ike.HMACSHA384: 48, ike.HMACSHA512: 64}[proposal.Integrity]
		return bytes.Repeat(ike.Secret{seed}, size), bytes.Repeat(ike.Secret{seed + 1}, integritySize)
	}
	a = ike.ChildSA{
		Inbound: ike.SPI(0xa0000000 + n), Outbound: ike.SPI(0xb0000000 + n), Proposal: proposal,
		LocalSelectors:  []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16"), netip.MustParsePrefix("fd00:a::/32")},
		RemoteSelectors: []netip.Prefix{netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("fd00:b::/32")},
		Path:            ike.Path{Local: netip.AddrPortFrom(outsideA, PortNATT), Remote: netip.AddrPortFrom(outsideB, PortNATT), UDP: udp},
	}
	a.InboundKey, a.InboundIntegrityKey = secret(byte(10 + n))
	a.OutboundKey, a.OutboundIntegrityKey = secret(byte(100 + n))
	b = a
	b.Inbound, b.Outbound = a.Outbound, a.Inbound
	b.InboundKey, b.InboundIntegrityKey, b.OutboundKey, b.OutboundIntegrityKey = a.OutboundKey, a.OutboundIntegrityKey, a.InboundKey, a.InboundIntegrityKey
	b.LocalSelectors, b.RemoteSelectors = a.RemoteSelectors, a.LocalSelectors
	b.Path.Local, b.Path.Remote = a.Path.Remote, a.Path.Local
	return a, b
}

// A gateway is one end: an Endpoint with one Tunnel, in memory.
type gateway struct {
	endpoint *Endpoint
	tunnel   *Tunnel
	device   *packetio.MemoryDevice
	events   chan Event
	ike      chan string
	strays   chan string
}

type lab struct {
	t       *testing.T
	network *packetio.MemoryNetwork
	a, b    *gateway
	wrap    func(packetio.Socket) packetio.Socket
	forger  *esp.Sealer
}

// newLab starts two gateways with one activated child SA between them.
func newLab(t *testing.T, proposal ike.ESPProposal, udp bool) *lab {
	t.Helper()
	return newLabWith(t, proposal, udp, func(s packetio.Socket) packetio.Socket { return s })
}

func newLabWith(t *testing.T, proposal ike.ESPProposal, udp bool, wrap func(packetio.Socket) packetio.Socket) *lab {
	t.Helper()
	l := &lab{t: t, network: packetio.NewMemoryNetwork(), wrap: wrap}
	l.a, l.b = l.gateway(outsideA, insideA), l.gateway(outsideB, insideB)
	childA, childB := children(proposal, udp, 0)
	for _, end := range []struct {
		g     *gateway
		child ike.ChildSA
	}{{l.a, childA}, {l.b, childB}} {
		if err := end.g.tunnel.InstallChild(end.child); err != nil {
			t.Fatal(err)
		}
		if err := end.g.tunnel.ActivateChild(end.child.Outbound); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func (l *lab) gateway(outside, inside netip.Addr) *gateway {
	l.t.Helper()
	g, lane := &gateway{device: packetio.NewMemoryDevice(), events: make(chan Event, 10), ike: make(chan string, 10), strays: make(chan string, 100)}, newLane(l.t)
	socket := func(port uint16) packetio.Socket {
		s, err := l.network.Listen(netip.AddrPortFrom(outside, port))
		if err != nil {
			l.t.Fatal(err)
		}
		return l.wrap(s)
	}
	g.endpoint = NewEndpoint(EndpointConfig{
		Local: outside, Lane: lane,
		UnknownSPI: func(local, remote netip.AddrPort, spi ike.SPI) {
			g.strays <- fmt.Sprintf("%v %v %08x", local, remote, uint32(spi))
		},
		IKE: func(local, remote netip.AddrPort, datagram []byte) {
			g.ike <- fmt.Sprintf("%v %v %d", local, remote, len(datagram))
		},
	}, Sockets{IKE: socket(PortIKE), NATT: socket(PortNATT), ESP: socket(0)})
	var err error
	if g.tunnel, err = New(Config{Name: inside.String(), Device: g.device, Endpoint: g.endpoint, Inside: netip.PrefixFrom(inside, 30), Inside6: netip.PrefixFrom(insideA6, 126), Events: func(e Event) { g.events <- e }}); err != nil {
		l.t.Fatal(err)
	}
	end := start(l.t, lane.Run, g.endpoint.Run, g.tunnel.Run)
	l.t.Cleanup(func() {
		end()
		if err := errors.Join(g.endpoint.Close(), g.device.Close()); err != nil {
			l.t.Error(err)
		}
	})
	return g
}

// newLane returns a lane that does not run.
func newLane(tb testing.TB) *Lane {
	tb.Helper()
	lane, err := NewLane(packetio.NewPoller)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := lane.Close(); err != nil {
			tb.Error(err)
		}
	})
	return lane
}

// start starts what runs; end ends it and waits.
func start(tb testing.TB, runs ...func(context.Context) error) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, len(runs))
	for _, run := range runs {
		go func() { ended <- run(ctx) }()
	}
	return func() {
		cancel()
		for range runs {
			if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
				tb.Errorf("Run: %v", err)
			}
		}
	}
}

// next is the packet that comes out of the gateway's TUN next.
func (g *gateway) next(t *testing.T) []byte {
	t.Helper()
	select {
	case p := <-g.device.Packets():
		return p
	case <-time.After(20 * time.Second):
		t.Fatalf("no packet came out; counters %+v, endpoint %+v", g.tunnel.Counters(), g.endpoint.Counters())
		return nil
	}
}

// drops waits until the gateway has counted one drop for the reason.
func (g *gateway) drops(t *testing.T, d Drop, n uint64) {
	t.Helper()
	var got, elsewhere uint64
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		got, elsewhere = g.tunnel.Counters().Drops[d], g.endpoint.Counters().Drops[d]
		if got+elsewhere == n {
			return
		}
	}
	t.Fatalf("%d drops for %v, want %d; counters %+v, endpoint %+v", got+elsewhere, d, n, g.tunnel.Counters(), g.endpoint.Counters())
}

func udp(source, destination netip.Addr, tos uint8, size int) []byte {
	overhead := 28
	if source.Is6() {
		overhead = 48
	}
	payload := make([]byte, size-overhead)
	for i := range payload {
		payload[i] = byte(i)
	}
	return packet.AppendUDP(nil, netip.AddrPortFrom(source, 1000), netip.AddrPortFrom(destination, 2000), tos, payload)
}

func TestRoundTrip(t *testing.T) {
	extended := func(p ike.ESPProposal) ike.ESPProposal {
		p.ExtendedSequence = true
		return p
	}
	for _, proposal := range []ike.ESPProposal{gcm128, cbc256, extended(gcm128), extended(cbc256)} {
		for _, encapsulated := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v/udp=%v", proposal, encapsulated), func(t *testing.T) {
				l := newLab(t, proposal, encapsulated)
				var count, sum uint64
				for _, size := range []int{60, 576, 1300} {
					for _, p := range [][]byte{udp(hostA, hostB, 0, size), udp(hostA6, hostB6, 0, size)} {
						l.a.device.Put(p)
						if got := l.b.next(t); !bytes.Equal(got, p) {
							t.Fatalf("%x came out, %x went in", got, p)
						}
						count, sum = count+1, sum+uint64(size)
					}
				}
				p := udp(hostB, hostA, 0, 100)
				l.b.device.Put(p)
				if got := l.a.next(t); !bytes.Equal(got, p) {
					t.Fatalf("%x came out, %x went in", got, p)
				}
				a, b := l.a.tunnel.Counters(), l.b.tunnel.Counters()
				for end := time.Now().Add(time.Second); (a.OutboundPackets < count || b.LastOutbound.IsZero()) && time.Now().Before(end); { // counted once sent
					a, b = l.a.tunnel.Counters(), l.b.tunnel.Counters()
				}
				if a.OutboundPackets != count || a.OutboundBytes != sum || b.InboundPackets != count || b.InboundBytes != sum || a.InboundPackets != 1 || a.InboundBytes != 100 {
					t.Fatalf("counters %+v and %+v, want %d packets of %d bytes", a, b, count, sum)
				}
				if time.Since(b.LastInbound) > time.Minute || time.Since(a.LastOutbound) > time.Minute {
					t.Fatalf("last packets at %v and %v", b.LastInbound, a.LastOutbound)
				}
				if a.Drops != (Drops{}) || b.Drops != (Drops{}) {
					t.Fatalf("drops %v and %v", a.Drops, b.Drops)
				}
				if e := <-l.b.events; e != (FirstInbound{SPI: 0xb0000000}) || len(l.b.events) != 0 {
					t.Fatalf("event %v and %d more", e, len(l.b.events))
				}
			})
		}
	}
}

// RFC 7296 section 2.8: during a rekey both pairs carry packets, and the old
// one goes without a loss.
func TestRekeyLosesNothing(t *testing.T) {
	l := newLab(t, gcm128, true)
	sent := 0
	exchange := func() {
		t.Helper()
		for range 20 {
			for _, way := range [][2]*gateway{{l.a, l.b}, {l.b, l.a}} {
				p := udp(hostA, hostB, 0, 100+sent%50)
				if way[0] == l.b {
					p = udp(hostB, hostA, 0, 100+sent%50)
				}
				way[0].device.Put(p)
				if got := way[1].next(t); !bytes.Equal(got, p) {
					t.Fatal("another packet came out")
				}
				sent++
			}
		}
	}
	exchange()
	newA, newB := children(cbc256, true, 1)
	if err := l.a.tunnel.InstallChild(newA); err != nil { // the responder installs first, and waits
		t.Fatal(err)
	}
	exchange()
	if err := l.b.tunnel.InstallChild(newB); err != nil {
		t.Fatal(err)
	}
	if err := l.b.tunnel.ActivateChild(newB.Outbound); err != nil {
		t.Fatal(err)
	}
	exchange() // b sends by the new one, a by the old one
	<-l.a.events
	if e := <-l.a.events; e != (FirstInbound{SPI: newA.Inbound}) {
		t.Fatalf("event %v", e)
	}
	if err := l.a.tunnel.ActivateChild(newA.Outbound); err != nil {
		t.Fatal(err)
	}
	exchange()
	oldA, oldB := children(gcm128, true, 0)
	l.a.tunnel.RemoveChild(oldA.Inbound, oldA.Outbound)
	l.b.tunnel.RemoveChild(oldB.Inbound, oldB.Outbound)
	exchange()
	if a, b := l.a.tunnel.Counters(), l.b.tunnel.Counters(); a.Drops != (Drops{}) || b.Drops != (Drops{}) {
		t.Fatalf("drops %v and %v", a.Drops, b.Drops)
	}
	l.a.tunnel.RemoveChild(newA.Inbound, newA.Outbound)
	l.a.device.Put(udp(hostA, hostB, 0, 100))
	l.a.drops(t, DropNoSA, 1)
	l.b.device.Put(udp(hostB, hostA, 0, 100))
	l.a.drops(t, DropUnknownSPI, 1)
}

func TestInstallChildRefuses(t *testing.T) {
	l := newLab(t, gcm128, true)
	same, _ := children(gcm128, true, 0)
	if err := l.a.tunnel.InstallChild(same); err == nil {
		t.Error("the same pair twice")
	}
	inboundTaken, _ := children(gcm128, true, 1)
	inboundTaken.Inbound = same.Inbound
	if err := l.a.tunnel.InstallChild(inboundTaken); err == nil {
		t.Error("an inbound SPI twice")
	}
	if err := l.a.tunnel.ActivateChild(inboundTaken.Outbound); err == nil {
		t.Error("activated what is not installed")
	}
	short, _ := children(gcm128, true, 2)
	short.InboundKey = short.InboundKey[1:]
	if err := l.a.tunnel.InstallChild(short); err == nil || strings.Contains(err.Error(), string(short.InboundKey)) {
		t.Errorf("a short key: %v", err)
	}
	l.a.tunnel.Close()
	fresh, _ := children(gcm128, true, 3)
	if err := l.a.tunnel.InstallChild(fresh); err == nil {
		t.Error("on a closed tunnel")
	}
}

// Long before an SA's sequence numbers are used up, its owner is told, once.
func TestSequenceLow(t *testing.T) {
	l := newLab(t, gcm128, true)
	l.a.tunnel.route.Load().sa.low = 3
	for range 5 {
		l.a.device.Put(udp(hostA, hostB, 0, 100))
		l.b.next(t)
	}
	select {
	case e := <-l.a.events:
		if e != (SequenceLow{SPI: 0xb0000000}) || len(l.a.events) != 0 {
			t.Errorf("told %v, and %d more", e, len(l.a.events))
		}
	default:
		t.Error("nobody was told")
	}
}

// A peer that has restarted may choose the SPI that its old SA had, before IKE has
// found out that the old one is gone.
func TestOutboundSPITwice(t *testing.T) {
	l := newLab(t, gcm128, true)
	old, _ := children(gcm128, true, 0)
	fresh, peers := children(gcm128, true, 1)
	l.b.tunnel.RemoveChild(old.Outbound, old.Inbound)
	fresh.Outbound, peers.Inbound = old.Outbound, old.Outbound
	for _, err := range []error{
		l.b.tunnel.InstallChild(peers), l.b.tunnel.ActivateChild(peers.Outbound),
		l.a.tunnel.InstallChild(fresh), l.a.tunnel.ActivateChild(fresh.Outbound),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	l.a.tunnel.RemoveChild(old.Inbound, old.Outbound)
	l.a.device.Put(udp(hostA, hostB, 0, 100))
	l.b.next(t)
}

func TestOutboundDrops(t *testing.T) {
	l := newLab(t, gcm128, false)
	l.a.device.Put(udp(hostB, hostA, 0, 100))
	l.a.device.Put(udp(hostA, netip.MustParseAddr("8.8.8.8"), 0, 100))
	l.a.drops(t, DropSelectorOutbound, 2)
	l.a.device.Put([]byte{0x45, 0, 0})
	l.a.device.Put([]byte("no packet at all, but of some length"))
	l.a.drops(t, DropMalformedOutbound, 2)
	if n := l.a.tunnel.Counters().OutboundPackets; n != 0 {
		t.Fatalf("%d packets left", n)
	}
}

// forge sends ESP to b as the holder of a's keys could.
func (l *lab) forge(tos uint8, nextHeader byte, payload []byte, edit func([]byte)) {
	l.t.Helper()
	if l.forger == nil {
		_, child := children(gcm128, true, 0)
		var err error
		if l.forger, err = esp.NewSealer(esp.Params{SPI: child.Inbound, Encryption: child.Proposal.Encryption, Key: child.InboundKey}); err != nil {
			l.t.Fatal(err)
		}
	}
	slot := make([]byte, esp.HeadroomMax+len(payload)+esp.TailroomMax)
	copy(slot[esp.HeadroomMax:], payload)
	p, err := l.forger.Seal(slot, esp.HeadroomMax, len(payload), nextHeader)
	if err != nil {
		l.t.Fatal(err)
	}
	edit(p)
	l.send(netip.AddrPortFrom(outsideB, PortNATT), tos, p)
}

// send sends any datagram to b from somewhere else.
func (l *lab) send(to netip.AddrPort, tos uint8, payload []byte) {
	l.t.Helper()
	from, err := l.network.Listen(netip.MustParseAddrPort("192.0.2.66:6666"))
	if err != nil {
		l.t.Fatal(err)
	}
	defer from.Close()
	if _, err := from.WriteBatch(nil, []packetio.Datagram{{Remote: to, TOS: tos, Payload: payload}}); err != nil {
		l.t.Fatal(err)
	}
}

func TestInboundDrops(t *testing.T) {
	keep := func([]byte) {}
	good := udp(hostA, hostB, 0, 100)
	long := udp(hostA, hostB, 0, 100)
	binary.BigEndian.PutUint16(long[2:], 101)
	tests := []struct {
		name       string
		tos        uint8
		nextHeader byte
		payload    []byte
		edit       func([]byte)
		drop       Drop
	}{
		{"wrong ICV", 0, 4, good, func(p []byte) { p[len(p)-1] ^= 1 }, DropAuthentication},
		{"unknown SPI", 0, 4, good, func(p []byte) { p[3] ^= 1 }, DropUnknownSPI},
		{"source outside the selectors", 0, 4, udp(outsideA, hostB, 0, 100), keep, DropSelectorInbound},
		{"destination outside the selectors", 0, 4, udp(hostA, outsideA, 0, 100), keep, DropSelectorInbound},
		{"longer than what is there", 0, 4, long, keep, DropMalformedInbound},
		{"IPv6 that says IPv4", 0, 4, udp(hostA6, hostB6, 0, 100), keep, DropMalformedInbound},
		{"IPv4 that says IPv6", 0, 41, good, keep, DropMalformedInbound},
		{"no tunnel mode", 0, 17, good, keep, DropMalformedInbound},
		{"empty", 0, 4, nil, keep, DropMalformedInbound},
		{"congestion that cannot be said", 3, 4, good, keep, DropECN},
		{"dummy", 0, 59, []byte("whatever"), keep, DropDummy},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t, gcm128, true)
			l.forge(tt.tos, tt.nextHeader, tt.payload, tt.edit)
			l.b.drops(t, tt.drop, 1)
			// The tunnel lives on, and sends where it did: the source address
			// of a forgery, or even of a true packet, moves nothing.
			l.b.device.Put(udp(hostB, hostA, 0, 60))
			l.a.next(t)
		})
	}
	t.Run("replay", func(t *testing.T) {
		l := newLab(t, gcm128, true)
		l.forge(0, 4, good, func(p []byte) { l.send(netip.AddrPortFrom(outsideB, PortNATT), 0, p) })
		l.b.next(t)
		l.b.drops(t, DropReplay, 1)
	})
}

// RFC 4303 section 2.7: what follows the inner packet hides its length, no more.
func TestPaddingThatHidesTheLength(t *testing.T) {
	l := newLab(t, gcm128, true)
	p := udp(hostA, hostB, 0, 100)
	l.forge(0, 4, append(bytes.Clone(p), make([]byte, 500)...), func([]byte) {})
	if got := l.b.next(t); !bytes.Equal(got, p) {
		t.Fatalf("%d bytes came out of %d", len(got), len(p))
	}
}

// A captured socket keeps what is sent.
type capturedSocket struct {
	packetio.Socket
	sent chan packetio.Datagram
}

func (s capturedSocket) WriteBatch(sender *packetio.Sender, d []packetio.Datagram) (int, error) {
	for _, d := range d {
		d.Payload = bytes.Clone(d.Payload)
		s.sent <- d
	}
	return s.Socket.WriteBatch(sender, d)
}

// RFC 4301 section 5.1.2.1 and RFC 6040: DSCP and ECN go out, congestion comes in.
func TestDSCPAndECN(t *testing.T) {
	sent := make(chan packetio.Datagram, 10)
	l := newLabWith(t, gcm128, false, func(s packetio.Socket) packetio.Socket { return capturedSocket{s, sent} })
	for _, p := range [][]byte{udp(hostA, hostB, 46<<2|packet.ECT0, 100), udp(hostA6, hostB6, 10<<2|packet.ECT1, 100)} {
		l.a.device.Put(p)
		if d := <-sent; d.TOS != packet.TOS(p) || d.Remote != netip.AddrPortFrom(outsideB, 0) {
			t.Fatalf("outer TOS %x to %v, inner %x", d.TOS, d.Remote, packet.TOS(p))
		}
		l.b.next(t)
	}
	l = newLab(t, gcm128, true)
	l.forge(0, 4, udp(hostA, hostB, 46<<2|packet.ECT0, 100), func(p []byte) {
		l.send(netip.AddrPortFrom(outsideB, PortNATT), 0x10|packet.CE, bytes.Clone(p))
		p[0] ^= 1 // the second copy is for nobody
	})
	if got := packet.IPv4(l.b.next(t)); got.TOS() != 46<<2|packet.CE || !got.ChecksumValid() {
		t.Fatalf("TOS %x, checksum %v", got.TOS(), got.ChecksumValid())
	}
}

func TestFragmentsBeforeEncryption(t *testing.T) {
	l := newLab(t, gcm128, true)
	for _, size := range []int{1438, 1439, 4000, 65000} {
		p := packet.IPv4(udp(hostA, hostB, 0, size))
		l.a.device.Put(p)
		var whole []byte
		for more := true; more; {
			f, err := packet.ParseIPv4(l.b.next(t))
			if err != nil || len(f) > 1438 || f.FragmentOffset() != len(whole) {
				t.Fatalf("size %d: fragment of %d bytes at %d, %v", size, len(f), f.FragmentOffset(), err)
			}
			whole, more = append(whole, f.Payload()...), f.MoreFragments()
		}
		if !bytes.Equal(whole, p.Payload()) {
			t.Fatalf("size %d: %d bytes came together", size, len(whole))
		}
	}
}

// More fragments than one batch holds, in one go.
func TestFragmentsManyAtOnce(t *testing.T) {
	l := newLab(t, gcm128, true)
	for range 10 {
		l.a.device.Put(udp(hostA, hostB, 0, 65000))
	}
	for i := range 460 {
		if f := packet.IPv4(l.b.next(t)); f.MoreFragments() != (i%46 != 45) {
			t.Fatalf("fragment %d says more: %v", i, f.MoreFragments())
		}
	}
}

func TestTooBigIsReported(t *testing.T) {
	l := newLab(t, gcm128, true)
	p := packet.IPv4(udp(hostA, hostB, 0, 1439))
	p[6] = 0x40 // DF
	l.a.device.Put(p)
	e := packet.IPv4(l.a.next(t))
	if e.Source() != insideB || e.Destination() != hostA || e.Protocol() != packet.ProtocolICMP || !bytes.Equal(e.Payload()[:2], []byte{3, 4}) || binary.BigEndian.Uint16(e.Payload()[6:]) != 1438 {
		t.Fatalf("error %x", []byte(e))
	}
	six := udp(hostA6, hostB6, 0, 1439)
	l.a.device.Put(six)
	e6 := packet.IPv6(l.a.next(t))
	if e6.Source() != insideA6.Next() || e6.Destination() != hostA6 || e6.NextHeader() != packet.ProtocolICMPv6 || e6.Payload()[0] != 2 || binary.BigEndian.Uint32(e6.Payload()[4:]) != 1438 {
		t.Fatalf("error %x", []byte(e6))
	}
	l.a.drops(t, DropTooBig, 2)
	begin := time.Now()
	for range 3 * icmpBurst { // the rest of the burst, and no more than time adds
		l.a.device.Put(six)
	}
	l.a.drops(t, DropTooBig, 2+3*icmpBurst)
	time.Sleep(10 * time.Millisecond)
	if n := len(l.a.device.Packets()); n > 2*icmpBurst+int(time.Since(begin)/icmpInterval) {
		t.Fatalf("%d errors for %d packets at once", n, 3*icmpBurst)
	}
}

// Without inside addresses the error comes from where the packet should have gone:
// whoever sends too much has to hear of it.
func TestTooBigIsReportedWithoutInsideAddresses(t *testing.T) {
	l := newLab(t, gcm128, true)
	l.a.tunnel.icmp4, l.a.tunnel.icmp6 = netip.Addr{}, netip.Addr{}
	p := packet.IPv4(udp(hostA, hostB, 0, 1439))
	p[6] = 0x40 // DF
	l.a.device.Put(p)
	if e := packet.IPv4(l.a.next(t)); e.Source() != hostB || e.Destination() != hostA || !bytes.Equal(e.Payload()[:2], []byte{3, 4}) {
		t.Errorf("error %x", []byte(e))
	}
	l.a.device.Put(udp(hostA6, hostB6, 0, 1439))
	if e := packet.IPv6(l.a.next(t)); e.Source() != hostB6 || e.Destination() != hostA6 || e.Payload()[0] != 2 {
		t.Errorf("error %x", []byte(e))
	}
}

func TestPeerInside(t *testing.T) {
	for inside, want := range map[string]string{
		"169.254.10.1/30": "169.254.10.2", "169.254.10.2/30": "169.254.10.1", "10.0.0.6/31": "10.0.0.7", "10.0.0.7/31": "10.0.0.6",
		"10.0.0.1/24": "10.0.0.2", "10.0.0.254/24": "10.0.0.253", "10.0.0.1/32": "invalid IP", "fd00::1/126": "fd00::2", "fd00::2/126": "fd00::3",
	} {
		if got := PeerInside(netip.MustParsePrefix(inside)); got.String() != want {
			t.Errorf("%s: %v, want %s", inside, got, want)
		}
	}
	if got := PeerInside(netip.Prefix{}); got.IsValid() {
		t.Errorf("no range: %v", got)
	}
}

func TestClampsMSSBothWays(t *testing.T) {
	syn := func(source, destination netip.Addr) []byte {
		segment := []byte{0x10, 0, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x60, 2, 0xff, 0xff, 0, 0, 0, 0, 2, 4, 0x05, 0xb4}
		pseudo := packet.PseudoHeaderSum(source.AsSlice(), destination.AsSlice(), packet.ProtocolTCP, len(segment))
		binary.BigEndian.PutUint16(segment[16:], ^packet.Sum(segment, pseudo))
		return packet.AppendIP(nil, source, destination, 0, packet.ProtocolTCP, segment)
	}
	// The AWS table: MSS 1406 and 1398 with GCM, 1398 and 1382 with CBC; IPv6 20 less.
	for _, tt := range []struct {
		proposal ike.ESPProposal
		udp      bool
		want     uint16
	}{{gcm128, false, 1406}, {gcm128, true, 1398}, {cbc256, false, 1398}, {cbc256, true, 1382}} {
		l := newLab(t, tt.proposal, tt.udp)
		l.a.device.Put(syn(hostA, hostB))
		if got := binary.BigEndian.Uint16(l.b.next(t)[42:]); got != tt.want {
			t.Errorf("%v, udp %v: MSS %d, want %d", tt.proposal, tt.udp, got, tt.want)
		}
		l.a.device.Put(syn(hostA6, hostB6))
		if got := binary.BigEndian.Uint16(l.b.next(t)[62:]); got != tt.want-20 {
			t.Errorf("%v, udp %v: MSS %d over IPv6, want %d", tt.proposal, tt.udp, got, tt.want-20)
		}
	}
	// Inbound: what a peer that does not clamp sends.
	l := newLab(t, gcm128, true)
	l.forge(0, 4, syn(hostA, hostB), func([]byte) {})
	if got := binary.BigEndian.Uint16(l.b.next(t)[42:]); got != 1398 {
		t.Errorf("inbound: MSS %d, want 1398", got)
	}
}

func TestChangePath(t *testing.T) {
	l := newLab(t, gcm128, false)
	if mtu := l.a.tunnel.InsideMTU(); mtu != 1446 {
		t.Fatalf("inside MTU %d", mtu)
	}
	moved, err := l.network.Listen(netip.MustParseAddrPort("192.0.2.9:31337"))
	if err != nil {
		t.Fatal(err)
	}
	l.a.tunnel.ChangePath(ike.Path{Local: netip.AddrPortFrom(outsideA, PortNATT), Remote: moved.Local(), UDP: true})
	l.a.device.Put(udp(hostA, hostB, 0, 100))
	r := packetio.NewReceiver()
	for deadline := time.Now().Add(20 * time.Second); len(r.Datagrams) == 0 && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if err := moved.ReadBatch(r); err != nil {
			t.Fatal(err)
		}
	}
	d := r.Datagrams
	if len(d) != 1 || d[0].Remote != netip.AddrPortFrom(outsideA, PortNATT) || binary.BigEndian.Uint32(d[0].Payload) != 0xb0000000 {
		t.Fatalf("%v", d)
	}
	if mtu := l.a.tunnel.InsideMTU(); mtu != 1438 {
		t.Fatalf("inside MTU %d", mtu)
	}
}

// What is IKE, what is ESP and what is neither: RFC 3948 section 2.
func TestIKEIsToldFromESP(t *testing.T) {
	l := newLab(t, gcm128, true)
	header := make([]byte, 40)
	header[27] = 40
	on500, on4500 := netip.AddrPortFrom(outsideB, PortIKE), netip.AddrPortFrom(outsideB, PortNATT)
	l.send(on500, 0, header)
	l.send(on4500, 0, append(make([]byte, 4), header...))
	want := map[string]bool{"198.51.100.7:500 192.0.2.66:6666 40": true, "198.51.100.7:4500 192.0.2.66:6666 40": true}
	for range 2 {
		select {
		case got := <-l.b.ike:
			if !want[got] {
				t.Fatalf("IKE %s", got)
			}
			delete(want, got)
		case <-time.After(20 * time.Second):
			t.Fatalf("missing %v", want)
		}
	}
	short, lies := header[:27], bytes.Clone(header)
	lies[26] = 1
	for _, junk := range [][]byte{short, lies, append(make([]byte, 4), short...), append(make([]byte, 4), lies...), make([]byte, 4)} {
		to := on500
		if binary.BigEndian.Uint32(junk) == 0 && len(junk) != 27 && len(junk) != 40 {
			to = on4500
		}
		l.send(to, 0, junk)
	}
	l.b.drops(t, DropMalformedIKE, 5)
	for _, junk := range [][]byte{{}, {1}, {0xfe}, {0, 0, 0}, {1, 2, 3, 4, 5, 6, 7, 8}} {
		l.send(on4500, 0, junk)
	}
	l.b.drops(t, DropMalformedESP, 5)
	l.send(on4500, 0, []byte{0xff})
	l.send(on4500, 0, bytes.Repeat([]byte{7}, 100))
	l.b.drops(t, DropUnknownSPI, 1)
	if c := l.b.endpoint.Counters(); c.Keepalives != 1 || c.IKEDatagrams != 2 || len(l.b.ike) != 0 {
		t.Fatalf("counters %+v", c)
	}
}

func TestSendIKE(t *testing.T) {
	l := newLab(t, gcm128, true)
	header := make([]byte, 40)
	header[27] = 40
	for _, port := range []uint16{PortIKE, PortNATT} {
		local, remote := netip.AddrPortFrom(outsideA, port), netip.AddrPortFrom(outsideB, port)
		if err := l.a.endpoint.SendIKE(local, remote, header); err != nil {
			t.Fatal(err)
		}
		if got, want := <-l.b.ike, fmt.Sprintf("%v %v 40", remote, local); got != want {
			t.Fatalf("IKE %s, want %s", got, want)
		}
	}
	if err := l.a.endpoint.SendIKE(netip.AddrPortFrom(outsideA, 501), netip.AddrPortFrom(outsideB, 500), header); err == nil {
		t.Fatal("sent from a port that is not ours")
	}
	if err := l.a.endpoint.SendKeepalive(netip.AddrPortFrom(outsideB, PortNATT)); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); l.b.endpoint.Counters().Keepalives != 1; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no keep-alive came")
		}
	}
}

// A rough path costs packets, never the tunnel: what is lost is lost, what is
// doubled, late or damaged is dropped for the right reason.
func TestRoughPath(t *testing.T) {
	l := newLabWith(t, gcm128, true, func(s packetio.Socket) packetio.Socket {
		return packetio.NewFaultySocket(s, packetio.Faults{Lose: 0.1, Duplicate: 0.1, Corrupt: 0.1, Delay: 0.1, Seed: 42})
	})
	for i := range 500 {
		l.a.device.Put(udp(hostA, hostB, 0, 100+i))
	}
	seen := map[int]bool{}
	for deadline := time.After(20 * time.Second); len(seen) < 350; {
		select {
		case p := <-l.b.device.Packets():
			if !bytes.Equal(p, udp(hostA, hostB, 0, len(p))) || seen[len(p)] {
				t.Fatalf("packet of %d bytes is damaged, or came twice", len(p))
			}
			seen[len(p)] = true
		case <-deadline:
			t.Fatalf("%d of 500 came; %+v", len(seen), l.b.tunnel.Counters())
		}
	}
	if d := l.b.tunnel.Counters().Drops; d[DropReplay] == 0 || d[DropAuthentication] == 0 {
		t.Fatalf("drops %v", d)
	}
}

// A recordingTap keeps what it sees.
type recordingTap struct {
	mu   sync.Mutex
	seen []string
}

func (r *recordingTap) Inner(outbound bool, p []byte) {
	r.note(fmt.Sprintf("inner out=%v %d", outbound, len(p)))
}

func (r *recordingTap) Outer(outbound bool, local, remote netip.AddrPort, udp bool, payload []byte) {
	r.note(fmt.Sprintf("outer out=%v %v %v udp=%v %08x", outbound, local, remote, udp, binary.BigEndian.Uint32(payload)))
}

func (r *recordingTap) note(line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, line)
}

func (r *recordingTap) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := r.seen
	r.seen = nil
	return seen
}

// A tap sees both sides of both directions, what is dropped too, until it is removed.
func TestTap(t *testing.T) {
	l := newLab(t, gcm128, true)
	var a, b recordingTap
	l.a.tunnel.SetTap(&a)
	l.b.tunnel.SetTap(&b)
	send := func() {
		l.a.device.Put(udp(hostA, hostB, 0, 100))
		l.b.next(t)
	}
	send()
	want := func(tap *recordingTap, want ...string) {
		t.Helper()
		if got := tap.take(); !slices.Equal(got, want) {
			t.Fatalf("seen %q, want %q", got, want)
		}
	}
	on := func(a netip.Addr) netip.AddrPort { return netip.AddrPortFrom(a, PortNATT) }
	want(&a, "inner out=true 100", fmt.Sprintf("outer out=true %v %v udp=true b0000000", on(outsideA), on(outsideB)))
	want(&b, fmt.Sprintf("outer out=false %v %v udp=true b0000000", on(outsideB), on(outsideA)), "inner out=false 100")
	l.forge(0, 4, udp(hostA, hostB, 0, 100), func([]byte) {})
	l.b.drops(t, DropReplay, 1)
	want(&b, fmt.Sprintf("outer out=false %v 192.0.2.66:6666 udp=true b0000000", on(outsideB)))
	l.a.tunnel.SetTap(nil)
	l.b.tunnel.SetTap(nil)
	send()
	want(&a)
	want(&b)
}

// A peer that sends from somewhere else is told of once, and not for what is old.
func TestInboundMoved(t *testing.T) {
	l := newLab(t, gcm128, true)
	l.a.device.Put(udp(hostA, hostB, 0, 100))
	l.b.next(t)
	if e := <-l.b.events; e != (FirstInbound{SPI: 0xb0000000}) {
		t.Fatalf("event %+v", e)
	}
	childA, _ := children(gcm128, true, 0)
	forger, err := esp.NewSealer(esp.Params{SPI: childA.Outbound, Encryption: ike.AES128GCM16, Key: childA.OutboundKey})
	if err != nil {
		t.Fatal(err)
	}
	var sealed [4][]byte
	for i := range sealed { // sequence numbers 1 to 4, of which 1 has been used
		slot := make([]byte, 300)
		n := copy(slot[esp.HeadroomMax:], udp(hostA, hostB, 0, 100))
		if sealed[i], err = forger.Seal(slot, esp.HeadroomMax, n, 4); err != nil {
			t.Fatal(err)
		}
	}
	for _, i := range []int{3, 2} {
		l.send(netip.AddrPortFrom(outsideB, PortNATT), 0, sealed[i])
		l.b.next(t)
	}
	if e, want := <-l.b.events, (InboundMoved{SPI: 0xb0000000, Remote: netip.MustParseAddrPort("192.0.2.66:6666")}); e != want {
		t.Fatalf("event %+v, want %+v", e, want)
	}
	if len(l.b.events) != 0 {
		t.Fatalf("event %+v", <-l.b.events)
	}
}

// A flood of ESP for nobody is told of a few times.
func TestUnknownSPI(t *testing.T) {
	l := newLab(t, gcm128, true)
	for range 60 {
		l.send(netip.AddrPortFrom(outsideB, PortNATT), 0, bytes.Repeat([]byte{7}, 100))
	}
	l.b.drops(t, DropUnknownSPI, 60)
	if got, want := <-l.b.strays, "198.51.100.7:4500 192.0.2.66:6666 07070707"; got != want {
		t.Fatalf("stray %s, want %s", got, want)
	}
	if n := len(l.b.strays); n > 30 {
		t.Fatalf("told of %d", n)
	}
}
