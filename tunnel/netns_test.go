package tunnel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/netip"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/internal/netlab"
	"causeway.dev/packetio"
)

// A site is one gateway in a namespace of its own, with a host's address on
// its loopback:
//
//	10.0.1.4 lo [ a ] vpn1 = ESP over eth0 192.0.2.1 ── 192.0.2.2 = vpn1 [ b ] lo 192.168.0.9
type site struct {
	host     *netlab.Host
	endpoint *Endpoint
	tunnel   *Tunnel
	events   chan Event
	path     ike.Path // of the child that it began with
}

func newSites(t testing.TB, proposal ike.ESPProposal, udp bool) (a, b *site) {
	t.Helper()
	lab := netlab.New(t, "ping")
	hosts := [2]*netlab.Host{lab.Host("a"), lab.Host("b")}
	connectSites(lab, hosts)
	for i, address := range []netip.Addr{hostA, hostB} {
		hosts[i].Run("ip", "address", "add", address.String()+"/32", "dev", "lo")
	}
	return openSites(t, hosts, proposal, udp, packetio.AllOffloads)
}

func connectSites(lab *netlab.Lab, hosts [2]*netlab.Host) {
	lab.Connect(hosts[0], "eth0", "192.0.2.1/24", hosts[1], "eth0", "192.0.2.2/24")
}

// openSites makes hosts that are connected already gateways.
func openSites(t testing.TB, hosts [2]*netlab.Host, proposal ike.ESPProposal, udp bool, offloads packetio.Offloads) (a, b *site) {
	t.Helper()
	sites := [2]*site{}
	outside := [2]netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")}
	childA, childB := children(proposal, udp, 0)
	for i, child := range []ike.ChildSA{childA, childB} {
		child.Path = ike.Path{Local: netip.AddrPortFrom(outside[i], PortNATT), Remote: netip.AddrPortFrom(outside[1-i], PortNATT), UDP: udp}
		sites[i] = newSite(t, hosts[i], [2]netip.Addr{insideA, insideB}[i], child, offloads)
		host, remote := [2]netip.Addr{hostA, hostB}[i], [2]string{"192.168.0.0/16", "10.0.0.0/16"}[i]
		hosts[i].Run("sh", "-ec", fmt.Sprintf("if ip address show dev lo | grep -qF %v/; then src='src %v'; fi; ip route add %s dev vpn1 $src", host, host, remote))
	}
	return sites[0], sites[1]
}

func newSite(t testing.TB, host *netlab.Host, inside netip.Addr, child ike.ChildSA, offloads packetio.Offloads) *site {
	t.Helper()
	s, lane := &site{host: host, path: child.Path, events: make(chan Event, 16)}, newLane(t)
	var tun *packetio.TUN
	if err := host.Do(func() (err error) {
		// The TUN takes more than the tunnel does, so that fragmenting and
		// refusing are the tunnel's work and not the kernel's.
		if tun, err = packetio.OpenTUN("vpn1", 1500, offloads); err != nil {
			return err
		}
		s.endpoint, err = Listen(EndpointConfig{Local: child.Path.Local.Addr(), Lane: lane, Offloads: offloads})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	host.Run("sh", "-ec", fmt.Sprintf("sysctl -qw net.ipv6.conf.vpn1.disable_ipv6=1; ip address add %v/30 dev vpn1; ip link set vpn1 up", inside))
	var err error
	if s.tunnel, err = New(Config{Name: host.Name, Device: tun, Endpoint: s.endpoint, Inside: netip.PrefixFrom(inside, 30), Events: s.tell}); err != nil {
		t.Fatal(err)
	}
	if err := s.tunnel.InstallChild(child); err != nil {
		t.Fatal(err)
	}
	if err := s.tunnel.ActivateChild(child.Outbound); err != nil {
		t.Fatal(err)
	}
	if child.Proposal.ExtendedSequence {
		s.goOn(t, Config{Name: host.Name, Device: tun, Endpoint: s.endpoint, Inside: netip.PrefixFrom(inside, 30), Events: s.tell}, math.MaxUint32-300)
	}
	end := start(t, lane.Run, s.endpoint.Run, s.tunnel.Run)
	t.Cleanup(func() {
		end()
		s.tunnel.Close()
		if err := errors.Join(s.endpoint.Close(), tun.Close()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// goOn has the SAs go on as if so many packets had gone each way.
func (s *site) goOn(t testing.TB, cfg Config, sequence uint64) {
	t.Helper()
	state, err := s.tunnel.Freeze()
	if err != nil {
		t.Fatal(err)
	}
	state.Pairs[0].Inbound.Sequence, state.Pairs[0].Outbound.Sequence = sequence, sequence
	if s.tunnel, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	if err := s.tunnel.Thaw(state); err != nil {
		t.Fatal(err)
	}
}

// tell keeps an event for who waits for it.
func (s *site) tell(e Event) {
	select {
	case s.events <- e:
	default:
	}
}

func forms(t *testing.T, f func(t *testing.T, a, b *site, udp bool)) {
	for _, encapsulated := range []bool{false, true} {
		t.Run(fmt.Sprintf("udp=%v", encapsulated), func(t *testing.T) {
			a, b := newSites(t, gcm128, encapsulated)
			f(t, a, b, encapsulated)
		})
	}
}

func TestNamespacesPing(t *testing.T) {
	t.Parallel()
	forms(t, func(t *testing.T, a, b *site, udp bool) {
		// 56 bytes; as many as fit; fragments before encryption, there and back.
		for _, size := range []string{"56", "1400", "4000", "30000"} {
			a.host.Run("ping", "-c", "3", "-i", "0.05", "-W", "2", "-M", "dont", "-s", size, hostB.String())
		}
		// DF: the kernel learns the size from our ICMP error and tells ping.
		out, err := a.host.Try("ping", "-c", "2", "-i", "0.1", "-W", "1", "-M", "do", "-s", "1472", hostB.String())
		mtu := 1446
		if udp {
			mtu = 1438
		}
		if err == nil || !regexp.MustCompile(fmt.Sprintf(`mtu ?= ?%d`, mtu)).MatchString(out) {
			t.Errorf("ping with DF: %v\n%s", err, out)
		}
		if c := a.tunnel.Counters(); c.Drops[DropTooBig] == 0 {
			t.Errorf("counters %+v", c)
		}
		for _, c := range []EndpointCounters{a.endpoint.Counters(), b.endpoint.Counters()} {
			if c.Drops != (Drops{}) {
				t.Errorf("endpoint %+v", c)
			}
		}
	})
}

// Extended sequence numbers pass 2^32 under a ping, which loses nothing.
func TestNamespacesExtendedSequence(t *testing.T) {
	t.Parallel()
	for name, proposal := range map[string]ike.ESPProposal{"AEAD": gcm128, "CBC": cbc256} {
		proposal.ExtendedSequence = true
		t.Run(name, func(t *testing.T) {
			a, b := newSites(t, proposal, true)
			out := a.host.Run("ping", "-c", "400", "-i", "0.002", "-W", "2", hostB.String())
			if !strings.Contains(out, " 400 received") {
				t.Errorf("not every ping is answered:\n%s", out)
			}
			for _, s := range []*site{a, b} {
				if c := s.tunnel.Counters(); c.Drops != (Drops{}) || c.InboundPackets < 400 || c.OutboundPackets < 400 {
					t.Errorf("counters %+v", c)
				}
				if c := s.endpoint.Counters(); c.Drops != (Drops{}) {
					t.Errorf("endpoint %+v", c)
				}
				state, err := s.tunnel.Freeze()
				if err != nil {
					t.Fatal(err)
				}
				if pair := state.Pairs[0]; pair.Outbound.Sequence < 1<<32+99 || pair.Inbound.Sequence < 1<<32+99 {
					t.Errorf("the numbers came to %d and %d", pair.Outbound.Sequence, pair.Inbound.Sequence)
				}
			}
		})
	}
}

func TestNamespacesTCP(t *testing.T) {
	t.Parallel()
	forms(t, func(t *testing.T, a, b *site, _ bool) {
		const size = 8 << 20
		var listener net.Listener
		var conn net.Conn
		err := b.host.Do(func() (err error) {
			listener, err = net.Listen("tcp4", netip.AddrPortFrom(hostB, 80).String())
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		sent := make(chan error, 1)
		go func() {
			conn, err := listener.Accept()
			if err == nil {
				_, err = io.Copy(conn, io.LimitReader(rand.NewChaCha8([32]byte{1}), size))
				conn.Close()
			}
			sent <- err
		}()
		if err := a.host.Do(func() (err error) {
			conn, err = net.DialTimeout("tcp4", listener.Addr().String(), 20*time.Second)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		got, err := io.ReadAll(conn)
		if err := errors.Join(err, <-sent); err != nil {
			t.Fatal(err)
		}
		want := make([]byte, size)
		_, _ = rand.NewChaCha8([32]byte{1}).Read(want)
		if !bytes.Equal(got, want) {
			t.Fatalf("%d of %d bytes, or others", len(got), size)
		}
		// The SYNs were clamped, so nothing had to be fragmented or refused.
		for _, s := range []*site{a, b} {
			if c := s.tunnel.Counters(); c.Drops != (Drops{}) {
				t.Errorf("counters %+v", c)
			}
		}
	})
}

// 10,000 random packets a second on the ports of IKE and ESP cost the tunnel
// nothing: no ping is lost, and the memory in use stays what it was.
func TestNamespacesFlood(t *testing.T) {
	if testing.Short() {
		t.Skip("floods for a second")
	}
	a, b := newSites(t, gcm128, true)
	before := heapInUse()
	ping := make(chan string, 1)
	go func() {
		out, _ := a.host.Try("ping", "-c", "50", "-i", "0.02", "-W", "2", hostB.String())
		ping <- out
	}()
	var flood net.PacketConn
	if err := a.host.Do(func() (err error) {
		flood, err = net.ListenPacket("udp4", "192.0.2.1:0")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer flood.Close()
	r := rand.New(rand.NewPCG(1, 1))
	junk := make([]byte, 1400)
	sent, started := 0, time.Now()
	targets := []net.Addr{&net.UDPAddr{IP: net.IPv4(192, 0, 2, 2), Port: PortIKE}, &net.UDPAddr{IP: net.IPv4(192, 0, 2, 2), Port: PortNATT}}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for elapsed := time.Duration(0); elapsed < 1200*time.Millisecond; elapsed = time.Since(started) {
		for due := int(elapsed / (100 * time.Microsecond)); sent < due; sent++ {
			p := junk[:r.IntN(len(junk))]
			for i := 0; i+8 <= min(len(p), 64); i += 8 {
				binary.NativeEndian.PutUint64(p[i:], r.Uint64())
			}
			if r.IntN(4) == 0 && len(p) >= 8 { // the tunnel's own SPI: the costliest junk
				binary.BigEndian.PutUint32(p, 0xb0000000)
			}
			if _, err := flood.WriteTo(p, targets[sent%2]); err != nil {
				t.Fatal(err)
			}
		}
		<-tick.C
	}
	out := <-ping
	if !strings.Contains(out, "50 received") {
		t.Errorf("under %d junk packets in %v: %s\n%+v\n%+v", sent, time.Since(started), out[strings.LastIndex(out, "---"):], b.tunnel.Counters(), b.endpoint.Counters())
	}
	var counted uint64
	for end := time.Now().Add(20 * time.Second); counted != uint64(sent) && time.Now().Before(end); time.Sleep(time.Millisecond) {
		counted = b.endpoint.Counters().Keepalives
		for i, n := range b.endpoint.Counters().Drops {
			counted += n + b.tunnel.Counters().Drops[i]
		}
	}
	if counted != uint64(sent) {
		t.Errorf("%d junk packets sent, %d counted", sent, counted)
	}
	if after := heapInUse(); after > before+8<<20 {
		t.Errorf("heap grew from %d to %d bytes", before, after)
	}
}

func heapInUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}
