package bench

import (
	"cmp"
	"context"
	"io"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A bed of several tunnels has an address of its own behind each, on both
// sides: 10.101.0.0 and so on for host A, 10.102.0.0 for host B.
func behind(side, tunnel int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(101 + side), byte(tunnel >> 8), byte(tunnel)})
}

// behindNetworks hold all of them.
var behindNetworks = [2]string{"10.101.0.0/16", "10.102.0.0/16"}

// addBehind gives the hosts those addresses. The routes across are the
// tunnels'.
func (s *bed) addBehind() {
	s.a.Run("ip", "route", "add", "local", behindNetworks[0], "dev", "lo")
	s.b.Run("ip", "route", "add", "local", behindNetworks[1], "dev", "lo")
	s.gateways[0].Run("ip", "route", "add", behindNetworks[0], "via", addressA.String())
	s.gateways[1].Run("ip", "route", "add", behindNetworks[1], "via", addressB.String())
}

// settleDuration is how long streams run before they are counted for
// streamsDuration: TCP finds its share first.
const (
	settleDuration  = time.Second
	streamsDuration = 4 * time.Second
)

// streams runs one TCP stream through each of so many tunnels at once, and
// returns the rate of all together and the smallest rate as a share of the
// largest.
func (s *bed) streams(tb testing.TB, tunnels int) (gbitPerSecond, fairness float64) {
	tb.Helper()
	const port = 5300
	received := make([]atomic.Int64, tunnels)
	var all []io.Closer
	var wait sync.WaitGroup
	defer wait.Wait()
	defer func() {
		for _, c := range all {
			c.Close()
		}
	}()
	for i := range tunnels {
		from, to := behind(0, i), netip.AddrPortFrom(behind(1, i), port)
		var listener net.Listener
		err := s.b.Do(func() (err error) {
			listener, err = new(net.ListenConfig).Listen(context.Background(), "tcp4", to.String())
			return err
		})
		if err != nil {
			tb.Fatalf("listen behind tunnel %d: %v", i, err)
		}
		all = append(all, listener)
		var sender net.Conn
		err = s.a.Do(func() (err error) {
			d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), Timeout: 5 * time.Second, Control: setCongestion}
			sender, err = d.Dial("tcp4", to.String())
			return err
		})
		if err != nil {
			tb.Fatalf("connect through tunnel %d: %v", i, err)
		}
		all = append(all, sender)
		receiver, err := listener.Accept()
		if err != nil {
			tb.Fatal(err)
		}
		all = append(all, receiver)
		wait.Go(func() { exhaust(receiver, &received[i]) })
	}
	for i := range tunnels {
		wait.Go(func() { fill(all[3*i+1].(net.Conn)) })
	}
	time.Sleep(settleDuration)
	count := func() (total int64, of []int64) {
		of = make([]int64, tunnels)
		for i := range received {
			of[i] = received[i].Load()
			total += of[i]
		}
		return total, of
	}
	begin := monotonic()
	before, ofBefore := count()
	time.Sleep(streamsDuration)
	after, of := count()
	took := monotonic() - begin
	smallest, largest := after, int64(1)
	for i := range of {
		smallest, largest = min(smallest, of[i]-ofBefore[i]), max(largest, of[i]-ofBefore[i])
	}
	return float64(after-before) * 8 / 1e9 / took.Seconds(), float64(smallest) / float64(largest)
}

// setCongestion is a net.Dialer's Control.
func setCongestion(_, _ string, c syscall.RawConn) error {
	var refused error
	err := c.Control(func(fd uintptr) {
		refused = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, *congestion)
	})
	return cmp.Or(err, refused)
}

const streamBuffer = 128 << 10

// fill writes until the connection is closed. After each buffer others have
// their turn: else Go's scheduler, which lets a goroutine that never waits go on
// for milliseconds, would decide on the streams' shares.
func fill(c net.Conn) {
	b := make([]byte, streamBuffer)
	for {
		if _, err := c.Write(b); err != nil {
			return
		}
		runtime.Gosched()
	}
}

// exhaust reads until the connection is closed.
func exhaust(c net.Conn, count *atomic.Int64) {
	b := make([]byte, streamBuffer)
	for {
		n, err := c.Read(b)
		count.Add(int64(n))
		if err != nil {
			return
		}
		runtime.Gosched()
	}
}

// fairness floods all tunnels evenly, by short bursts in turn, and returns how
// many packets arrive through the worst as a share of those through the best.
// Unlike streams of TCP, which do not share a path evenly even where it only
// forwards, a flood shows what the gateways do.
func (s *bed) fairness(tb testing.TB, tunnels int) float64 {
	tb.Helper()
	l := &blaster{tb: tb}
	defer l.close()
	var from []int
	err := s.a.Do(func() error {
		for i := range tunnels {
			var fd int
			if err := l.socket(&fd, netip.AddrPortFrom(behind(0, i), countPort), netip.AddrPortFrom(behind(1, i), countPort)); err != nil {
				return err
			}
			from = append(from, fd)
		}
		return nil
	})
	if err == nil {
		err = s.b.Do(func() error {
			return l.socket(&l.count.fd, netip.AddrPortFrom(netip.IPv4Unspecified(), countPort), netip.AddrPort{}, superPackets)
		})
	}
	if err != nil {
		tb.Fatal(err)
	}
	l.count.init(false)
	t := l.run(from, &l.count, load{size: innerMTU, burst: 16, during: time.Second})
	slices.Sort(t.arrivedOf)
	return float64(t.arrivedOf[0]) / float64(max(1, t.arrivedOf[tunnels-1]))
}

// measureSeveral takes the figures of a bed of several tunnels.
func (s *bed) measureSeveral(tb testing.TB) measured {
	tb.Helper()
	m := measured{}
	if s.kind.peer != nil {
		m["established_seconds"] = s.established.Seconds()
		defer func() { m["resident_mib"] = s.residentMiB(tb) }()
	}
	if s.kind.idle {
		m["idle_cpu_ms_per_second"] = idle(tb, []*bed{s})[0]
	} else {
		m[tcpRate], m["tcp_fairness"] = s.streams(tb, s.kind.several)
		m["fairness"] = s.fairness(tb, s.kind.several)
	}
	return m
}
