package tunnel

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"causeway.dev/ike"
	"causeway.dev/internal/netlab"
	"causeway.dev/internal/oracle"
	"causeway.dev/packetio"
)

// An oracleLab is two gateways whose TUNs' other ends are the test's: what a
// kernel's stack would hand over is written to near, and what comes out at the
// far side is read from far and judged by the oracle.
//
//	near ── TUN [ a ] sockets ── sockets [ b ] TUN ── far
type oracleLab struct {
	tb      testing.TB
	a, b    *oracleEnd
	gateway oracle.Gateway
	judge   *oracle.Judge
	super   map[uint8]int // messages that came out at far, by type
	buf     []byte
}

// An oracleEnd is one of the gateways.
type oracleEnd struct {
	stack    int // descriptor
	lane     *Lane
	endpoint *Endpoint
	tunnel   *Tunnel
}

// oracleSockets opens the sockets of a gateway on an outside address.
type oracleSockets func(cfg EndpointConfig) (*Endpoint, error)

// oracleMemory has no kernel between the gateways.
func oracleMemory() oracleSockets {
	network := packetio.NewMemoryNetwork()
	return func(cfg EndpointConfig) (*Endpoint, error) {
		var all [3]packetio.Socket
		for i, port := range []uint16{PortIKE, PortNATT, 0} {
			s, err := network.Listen(netip.AddrPortFrom(cfg.Local, port))
			if err != nil {
				return nil, err
			}
			all[i] = s
		}
		return NewEndpoint(cfg, Sockets{IKE: all[0], NATT: all[1], ESP: all[2]}), nil
	}
}

// oracleLoopback has a host's loopback between them.
func oracleLoopback(host *netlab.Host) oracleSockets {
	return func(cfg EndpointConfig) (e *Endpoint, err error) {
		err = host.Do(func() (err error) {
			e, err = Listen(cfg)
			return err
		})
		return e, err
	}
}

func newOracleLab(tb testing.TB, proposal ike.ESPProposal, udp bool, offloads packetio.Offloads, sockets oracleSockets) *oracleLab {
	tb.Helper()
	l := &oracleLab{tb: tb, judge: oracle.NewJudge(), super: map[uint8]int{}, buf: make([]byte, oracle.MessageHeaderLen+1<<16)}
	outside := [2]netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")}
	childA, childB := children(proposal, udp, 0)
	for i, child := range []ike.ChildSA{childA, childB} {
		child.Path = ike.Path{Local: netip.AddrPortFrom(outside[i], PortNATT), Remote: netip.AddrPortFrom(outside[1-i], PortNATT), UDP: udp}
		end := newOracleEnd(tb, child, offloads, sockets)
		if i == 0 {
			l.a = end
		} else {
			l.b = end
		}
	}
	l.gateway = oracle.Gateway{
		InsideMTU: l.a.tunnel.InsideMTU(), Local: childA.LocalSelectors, Remote: childA.RemoteSelectors,
		ICMP4: insideB, ICMP6: insideA6.Next(),
	}
	return l
}

func newOracleEnd(tb testing.TB, child ike.ChildSA, offloads packetio.Offloads, sockets oracleSockets) *oracleEnd {
	tb.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		tb.Fatal(err)
	}
	for _, fd := range pair {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 64<<20); err != nil {
			tb.Skipf("needs root for buffers of some size: %v", err)
		}
	}
	tun := packetio.AdoptTUN(pair[0], "oracle", offloads)
	end := &oracleEnd{stack: pair[1]}
	if end.lane, err = NewLane(packetio.NewPoller); err != nil {
		tb.Fatal(err)
	}
	if end.endpoint, err = sockets(EndpointConfig{Local: child.Path.Local.Addr(), Lane: end.lane, Offloads: offloads}); err != nil {
		tb.Fatal(err)
	}
	if end.tunnel, err = New(Config{Name: "oracle", Device: tun, Endpoint: end.endpoint, Inside: netip.PrefixFrom(insideA, 30), Inside6: netip.PrefixFrom(insideA6, 126)}); err != nil {
		tb.Fatal(err)
	}
	if err := errors.Join(end.tunnel.InstallChild(child), end.tunnel.ActivateChild(child.Outbound)); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		end.tunnel.Close()
		if err := errors.Join(end.endpoint.Close(), tun.Close(), unix.Close(end.stack), end.lane.Close()); err != nil {
			tb.Error(err)
		}
	})
	runAll(tb, end.lane, end.endpoint, end.tunnel) // ends before all is closed
	return end
}

// runAll runs all until the end of the test.
func runAll(tb testing.TB, all ...interface{ Run(context.Context) error }) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, len(all))
	for _, r := range all {
		go func() { ended <- r.Run(ctx) }()
	}
	tb.Cleanup(func() {
		cancel()
		for range all {
			if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
				tb.Errorf("Run: %v", err)
			}
		}
	})
}

// send hands a message to the near TUN, and says to the judge what must come
// of it.
func (l *oracleLab) send(m oracle.Message) error {
	for _, p := range m.Packets() {
		out, refused := l.gateway.Carry(p)
		l.judge.Expect(out...)
		if refused != nil {
			l.judge.Refuse(refused)
		}
	}
	if _, err := unix.Write(l.a.stack, m.Bytes()); err != nil {
		return fmt.Errorf("give the TUN %d bytes: %w", len(m.Packet), err)
	}
	return nil
}

// receive judges what has come out, until no more than so many packets are
// outstanding.
func (l *oracleLab) receive(outstanding int) error {
	for quiet := time.Now(); ; {
		if err := l.take(l.b.stack, func(m oracle.Message) error {
			quiet = time.Now()
			l.super[m.Type&^oracle.TypeECN]++
			return l.judge.TakeMessage(m)
		}); err != nil {
			return err
		}
		if err := l.take(l.a.stack, func(m oracle.Message) error { return l.judge.TakeTooBig(l.gateway, m.Packet) }); err != nil {
			return err
		}
		if l.judge.Outstanding() <= outstanding {
			return nil
		}
		if time.Since(quiet) > 20*time.Second {
			return fmt.Errorf("%w\nnear %+v\nfar %+v %+v", l.judge.Missing(), l.a.tunnel.Counters(), l.b.tunnel.Counters(), l.b.endpoint.Counters())
		}
		fds := []unix.PollFd{{Fd: int32(l.b.stack), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, 100); err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// take reads all that a TUN has written.
func (l *oracleLab) take(stack int, judge func(oracle.Message) error) error {
	for {
		n, err := unix.Read(stack, l.buf)
		if errors.Is(err, unix.EAGAIN) {
			return nil
		}
		if errors.Is(err, unix.EINTR) {
			continue
		}
		m, ok := oracle.ParseMessage(l.buf[:n])
		if err != nil || !ok {
			return fmt.Errorf("the TUN wrote %d bytes, %w", n, err)
		}
		if err := judge(m); err != nil {
			return err
		}
	}
}

// settle proves, after all has come out, that nothing else did and nothing was
// dropped that had to be carried.
func (l *oracleLab) settle() error {
	if err := l.receive(0); err != nil {
		return err
	}
	n := uint64(l.judge.Arrived())
	for end := time.Now().Add(20 * time.Second); l.a.tunnel.Counters().OutboundPackets < n && time.Now().Before(end); time.Sleep(time.Millisecond) {
	} // counted once sent
	near, far, endpoint := l.a.tunnel.Counters(), l.b.tunnel.Counters(), l.b.endpoint.Counters()
	if near.OutboundPackets != n || far.InboundPackets != n {
		return fmt.Errorf("%d packets had to come out; %d were sealed, %d opened", n, near.OutboundPackets, far.InboundPackets)
	}
	near.Drops[DropTooBig], near.Drops[DropMalformedOutbound], near.Drops[DropSelectorOutbound] = 0, 0, 0
	if near.Drops != (Drops{}) || far.Drops != (Drops{}) || endpoint.Drops != (Drops{}) {
		return fmt.Errorf("drops: near %v, far %v, endpoint %v", near.Drops, far.Drops, endpoint.Drops)
	}
	return nil
}

// oracleWindow bounds what is on its way at once, in packets, so that no queue
// overflows.
const oracleWindow = 300

// oracleMessages is how many messages are judged at a time.
func oracleMessages() int {
	if testing.Short() {
		return 80
	}
	return 250
}

// judgeTraffic sends random traffic of a seed through the lab.
func (l *oracleLab) judgeTraffic(seed uint64, messages int, offloads packetio.Offloads) {
	l.tb.Helper()
	traffic := oracle.NewTraffic(oracle.TrafficConfig{
		Seed: seed, TCPSuper: offloads.TUNSegmentation, UDPSuper: offloads.TUNUDPSegmentation,
		Local4: hostA, Remote4: hostB, Local6: hostA6, Remote6: hostB6,
	})
	for i := range messages {
		err := l.send(traffic.Next())
		if err == nil {
			err = l.receive(oracleWindow)
		}
		if err != nil {
			l.tb.Fatalf("seed %d, up to message %d: %v", seed, i, err)
		}
	}
	if err := l.settle(); err != nil {
		l.tb.Fatalf("seed %d: %v", seed, err)
	}
}

// offloadsOf are those whose bits are set.
func offloadsOf(bits int) packetio.Offloads {
	return packetio.Offloads{TUNSegmentation: bits&1 != 0, TUNUDPSegmentation: bits&2 != 0, SocketSegmentation: bits&4 != 0, SocketCoalescing: bits&8 != 0}
}

func offloadsName(o packetio.Offloads) string {
	var on []string
	for _, part := range []struct {
		name string
		is   bool
	}{{"tso", o.TUNSegmentation}, {"uso", o.TUNUDPSegmentation}, {"gso", o.SocketSegmentation}, {"gro", o.SocketCoalescing}} {
		if part.is {
			on = append(on, part.name)
		}
	}
	if on == nil {
		return "none"
	}
	return strings.Join(on, "+")
}

// oracleForms are the ways of sealing and of carrying what is sealed.
func oracleForms(t *testing.T, f func(t *testing.T, proposal ike.ESPProposal, udp bool)) {
	for _, proposal := range []ike.ESPProposal{gcm128, cbc256} {
		for _, udp := range []bool{true, false} {
			t.Run(fmt.Sprintf("%v,udp=%v", proposal.Encryption, udp), func(t *testing.T) { f(t, proposal, udp) })
		}
	}
}

// The whole hot path against the oracle, with no kernel but for the two pairs
// of sockets that stand for TUNs.
func TestOracleMemory(t *testing.T) {
	t.Parallel()
	oracleForms(t, func(t *testing.T, proposal ike.ESPProposal, udp bool) {
		for bits := range 4 {
			t.Run(offloadsName(offloadsOf(bits)), func(t *testing.T) {
				for seed := range uint64(2) {
					l := newOracleLab(t, proposal, udp, offloadsOf(bits), oracleMemory())
					l.judgeTraffic(seed, oracleMessages(), offloadsOf(bits))
				}
			})
		}
	})
}

// And over real sockets, with every combination of offloads.
func TestOracleSockets(t *testing.T) {
	// Not beside tests that start programs: for a moment, these have the
	// sockets that are closed here and bound anew.
	host := netlab.New(t).Host("oracle")
	oracleForms(t, func(t *testing.T, proposal ike.ESPProposal, udp bool) {
		for bits := range 16 {
			if !udp && bits >= 4 {
				break // raw sockets have no offloads
			}
			t.Run(offloadsName(offloadsOf(bits)), func(t *testing.T) {
				l := newOracleLab(t, proposal, udp, offloadsOf(bits), oracleLoopback(host))
				l.judgeTraffic(uint64(bits), oracleMessages(), offloadsOf(bits))
			})
		}
	})
}

// FuzzOracle sends any two messages, the second behind the first: whatever a
// stack might hand over, the hot path does with it as the oracle does.
func FuzzOracle(f *testing.F) {
	traffic := oracle.NewTraffic(oracle.TrafficConfig{
		Seed: 1, TCPSuper: true, UDPSuper: true, SizeMax: 3000,
		Local4: hostA, Remote4: hostB, Local6: hostA6, Remote6: hostB6,
	})
	for bits := range 16 {
		f.Add(traffic.Next().Bytes(), traffic.Next().Bytes(), uint8(bits))
	}
	f.Fuzz(func(t *testing.T, first, second []byte, bits uint8) {
		l := newOracleLab(t, gcm128, bits&16 == 0, offloadsOf(int(bits&15)), oracleMemory())
		for _, b := range [][]byte{first, second} {
			m, ok := oracle.ParseMessage(b)
			if !ok || len(m.Packet) > 5000 || m.IsSuper() && int(m.SegmentSize) < len(m.Packet)/oracleWindow {
				return
			}
			if err := l.send(m); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.settle(); err != nil {
			t.Fatal(err)
		}
	})
}
