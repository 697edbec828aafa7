package packetio

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"causeway.dev/internal/netlab"
)

// do runs f inside a host: what it opens belongs there.
func do(t *testing.T, host *netlab.Host, f func() error) {
	t.Helper()
	if err := host.Do(f); err != nil {
		t.Fatal(err)
	}
}

func listenUDP(t *testing.T, ns *netlab.Host, address string, wanted Offloads) *KernelSocket {
	t.Helper()
	var s *KernelSocket
	do(t, ns, func() (err error) {
		s, err = ListenUDP(netip.MustParseAddrPort(address), wanted)
		return err
	})
	t.Cleanup(func() { s.Close() })
	return s
}

// receive reads until n datagrams have come or time is up, and copies them.
func receive(t *testing.T, s Socket, n int) []Datagram {
	t.Helper()
	r, readable := NewReceiver(), waiter(t, s)
	var all []Datagram
	for len(all) < n {
		readable()
		if err := s.ReadBatch(r); err != nil {
			t.Fatalf("%d of %d datagrams, then %v", len(all), n, err)
		}
		for _, d := range r.Datagrams {
			d.Payload = bytes.Clone(d.Payload)
			all = append(all, d)
		}
	}
	return all
}

// waiter returns a function that waits until s is readable and fails the test
// when it is not in time.
func waiter(t *testing.T, s Source) (readable func()) {
	t.Helper()
	p, err := NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	if err := p.Add(s, 7); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		timer := time.AfterFunc(20*time.Second, p.Wake)
		defer timer.Stop()
		if keys, err := p.Wait(nil); err != nil || len(keys) != 1 || keys[0] != 7 {
			t.Fatalf("not readable in time: %v, %v", keys, err)
		}
	}
}

func TestUDP(t *testing.T) {
	for _, tt := range []struct {
		name, a, b   string
		sends, takes Offloads
	}{
		{"IPv4", "127.0.0.1:4500", "127.0.0.2:4500", Offloads{}, Offloads{}},
		{"IPv4 segmented", "127.0.0.1:4500", "127.0.0.2:4500", AllOffloads, Offloads{}},
		{"IPv4 coalesced", "127.0.0.1:4500", "127.0.0.2:4500", AllOffloads, AllOffloads},
		{"IPv6", "[::1]:4500", "[::1]:4501", Offloads{}, Offloads{}},
		{"IPv6 coalesced", "[::1]:4500", "[::1]:4501", AllOffloads, AllOffloads},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ns := netlab.New(t).Host("a")
			a, b := listenUDP(t, ns, tt.a, tt.sends), listenUDP(t, ns, tt.b, tt.takes)
			// Runs of equal lengths, shorter lasts, a change of TOS, an empty
			// one, more than one message's and one call's worth.
			var want []Datagram
			add := func(count, size int, tos uint8) {
				for range count {
					want = append(want, Datagram{Remote: b.Local(), TOS: tos, Payload: bytes.Repeat([]byte{byte(len(want))}, size)})
				}
			}
			add(150, 1400, 0)
			add(1, 70, 0)
			add(3, 1400, 46<<2|1)
			add(1, 0, 0)
			add(40, 100, 46<<2)
			add(2, 101, 46<<2)
			if n, err := a.WriteBatch(NewSender(64), want); n != len(want) || err != nil {
				t.Fatalf("WriteBatch = %d, %v, want %d", n, err, len(want))
			}
			got := receive(t, b, len(want))
			for i, d := range got {
				if d.Remote != a.Local() || d.TOS != want[i].TOS || !bytes.Equal(d.Payload, want[i].Payload) {
					t.Fatalf("datagram %d: from %v, TOS %x, %d bytes of %v; want %v, %x, %d", i, d.Remote, d.TOS, len(d.Payload), d.Payload[:min(1, len(d.Payload))], a.Local(), want[i].TOS, len(want[i].Payload))
				}
			}
		})
	}
}

// A refused datagram does not keep back its neighbours, and one too large for
// the route goes in fragments, whether or not it could be segmented.
func TestUDPSendsAroundFaults(t *testing.T) {
	lab := netlab.New(t)
	nsA, nsB := lab.Host("a"), lab.Host("b")
	lab.Connect(nsA, "eth0", "192.0.2.1/24", nsB, "eth0", "192.0.2.2/24")
	nsA.Run("ip", "link", "set", "eth0", "mtu", "1200")
	a, b := listenUDP(t, nsA, "192.0.2.1:4500", AllOffloads), listenUDP(t, nsB, "192.0.2.2:4500", AllOffloads)
	nowhere := netip.MustParseAddrPort("198.51.100.9:4500")
	batch := []Datagram{
		{Remote: b.Local(), Payload: []byte("first")},
		{Remote: nowhere, Payload: []byte("lost")},
		{Remote: b.Local(), Payload: bytes.Repeat([]byte("x"), 1472)},
		{Remote: b.Local(), Payload: bytes.Repeat([]byte("y"), 1472)},
		{Remote: b.Local(), Payload: []byte("last")},
	}
	n, err := a.WriteBatch(NewSender(64), batch)
	if n != 4 || err == nil {
		t.Fatalf("WriteBatch = %d, %v, want 4 and why the other was not", n, err)
	}
	got := map[string]bool{}
	for _, d := range receive(t, b, 4) {
		got[fmt.Sprintf("%.1s %d", d.Payload, len(d.Payload))] = true
	}
	for _, want := range []string{"f 5", "x 1472", "y 1472", "l 4"} {
		if !got[want] {
			t.Errorf("%s did not arrive: %v", want, got)
		}
	}
}

// Where the kernel has no room, what does not fit is left out and said to be.
func TestUDPSendsIntoAFullQueue(t *testing.T) {
	lab := netlab.New(t, "tc")
	nsA, nsB := lab.Host("a"), lab.Host("b")
	lab.Connect(nsA, "eth0", "192.0.2.1/24", nsB, "eth0", "192.0.2.2/24")
	nsA.Run("tc", "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", "100kbit", "burst", "10000", "limit", "100000000")
	a, b := listenUDP(t, nsA, "192.0.2.1:4500", Offloads{}), listenUDP(t, nsB, "192.0.2.2:4500", Offloads{})
	batch := make([]Datagram, 128)
	for i := range batch {
		batch[i] = Datagram{Remote: b.Local(), Payload: make([]byte, 1400)}
	}
	sender := NewSender(len(batch))
	for sent := 0; sent < 64<<20; sent += len(batch) * 1400 {
		n, err := a.WriteBatch(sender, batch)
		if err == nil && n == len(batch) {
			continue
		}
		if n == len(batch) || !errors.Is(err, unix.EAGAIN) {
			t.Fatalf("WriteBatch = %d, %v, want fewer than %d and %v", n, err, len(batch), unix.EAGAIN)
		}
		return
	}
	t.Fatal("the queue never fills")
}

// The kernel's refusal ends segmentation once, whoever meets it.
func TestSegmentationEndsOnce(t *testing.T) {
	s, err := ListenUDP(netip.MustParseAddrPort("127.0.0.1:0"), AllOffloads)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if !s.Offloads().SocketSegmentation {
		t.Skip("this kernel does not segment")
	}
	var told []error
	s.OnSegmentationOff(func(err error) { told = append(told, err) })
	s.endSegmentation(unix.EIO)
	s.endSegmentation(unix.EIO)
	if s.Offloads().SocketSegmentation {
		t.Error("it segments still")
	}
	if len(told) != 1 || !errors.Is(told[0], unix.EIO) || !strings.Contains(told[0].Error(), s.Local().String()) {
		t.Errorf("told %q, want one error that names the socket", told)
	}
}

func TestESPSocket(t *testing.T) {
	for _, tt := range []struct{ name, a, b string }{{"IPv4", "127.0.0.1", "127.0.0.2"}, {"IPv6", "fd00::1", "fd00::2"}} {
		t.Run(tt.name, func(t *testing.T) {
			ns := netlab.New(t).Host("a")
			if tt.name == "IPv6" {
				ns.Run("ip", "address", "add", tt.a+"/128", "dev", "lo", "nodad")
				ns.Run("ip", "address", "add", tt.b+"/128", "dev", "lo", "nodad")
				// The kernel puts the addresses' routes in place a little later.
				for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
					if strings.Count(ns.Run("ip", "-6", "route", "show", "table", "local"), "local fd00::") == 2 {
						break
					}
				}
			}
			var a, b *KernelSocket
			do(t, ns, func() (err error) {
				if a, err = ListenESP(netip.MustParseAddr(tt.a)); err != nil {
					return err
				}
				b, err = ListenESP(netip.MustParseAddr(tt.b))
				return err
			})
			defer a.Close()
			defer b.Close()
			want := []Datagram{{Remote: b.Local(), TOS: 0xb9, Payload: []byte("sixteen bytes...")}, {Remote: b.Local(), Payload: bytes.Repeat([]byte("z"), 4000)}}
			if n, err := a.WriteBatch(NewSender(64), want); n != 2 || err != nil {
				t.Fatalf("WriteBatch = %d, %v", n, err)
			}
			for i, d := range receive(t, b, 2) {
				if d.Remote != a.Local() || d.TOS != want[i].TOS || !bytes.Equal(d.Payload, want[i].Payload) {
					t.Fatalf("datagram %d: from %v, TOS %x, %.20q", i, d.Remote, d.TOS, d.Payload)
				}
			}
		})
	}
}

func TestClosedSocket(t *testing.T) {
	s := listenUDP(t, netlab.New(t).Host("a"), "127.0.0.1:0", AllOffloads)
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.ReadBatch(NewReceiver()); !errors.Is(err, os.ErrClosed) {
		t.Fatalf("ReadBatch = %v, want %v", err, os.ErrClosed)
	}
	if _, err := s.WriteBatch(NewSender(1), []Datagram{{Remote: s.Local()}}); !errors.Is(err, os.ErrClosed) {
		t.Fatalf("WriteBatch = %v, want %v", err, os.ErrClosed)
	}
}

func TestSocketNoAllocations(t *testing.T) {
	ns := netlab.New(t).Host("a")
	a, b := listenUDP(t, ns, "127.0.0.1:0", AllOffloads), listenUDP(t, ns, "127.0.0.2:0", AllOffloads)
	batch := make([]Datagram, 20)
	for i := range batch {
		batch[i] = Datagram{Remote: b.Local(), TOS: 4, Payload: make([]byte, 1000)}
	}
	sender, receiver := NewSender(64), NewReceiver()
	if n := testing.AllocsPerRun(50, func() {
		if _, err := a.WriteBatch(sender, batch); err != nil {
			t.Fatal(err)
		}
		// On the loopback what is sent has arrived.
		for got := 0; got < len(batch); got += len(receiver.Datagrams) {
			if err := b.ReadBatch(receiver); err != nil || len(receiver.Datagrams) == 0 {
				t.Fatalf("%d datagrams, then %v", got, err)
			}
		}
	}); n != 0 {
		t.Fatalf("%v allocations for 20 datagrams there and back", n)
	}
}

func TestPollers(t *testing.T) {
	for name, newPoller := range map[string]func() (Poller, error){"kernel": NewPoller, "memory": NewMemoryPoller} {
		t.Run(name, func(t *testing.T) { testPoller(t, newPoller) })
	}
}

func testPoller(t *testing.T, newPoller func() (Poller, error)) {
	p, err := newPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	devices := [4]*MemoryDevice{}
	for i := range devices {
		devices[i] = NewMemoryDevice()
		defer devices[i].Close()
		if i == 2 {
			devices[i].Put([]byte("x")) // before it is polled
		}
		if err := p.Add(devices[i], i); err != nil {
			t.Fatal(err)
		}
	}
	wait := func(want ...int) {
		t.Helper()
		timer := time.AfterFunc(20*time.Second, func() { t.Error("still waiting"); p.Wake() })
		defer timer.Stop()
		var keys []int
		for len(keys) == 0 && !t.Failed() { // it may wake for nothing
			if keys, err = p.Wait(keys); err != nil {
				t.Fatal(err)
			}
		}
		if slices.Sort(keys); !slices.Equal(keys, want) {
			t.Fatalf("Wait = %v, want %v", keys, want)
		}
	}
	wait(2)
	devices[0].Put([]byte("x"))
	wait(0, 2)
	wait(0, 2) // as long as they are readable
	if err := devices[2].ReadBatch(NewBatch(0, 0)); err != nil {
		t.Fatal(err)
	}
	wait(0)
	if err := p.Remove(devices[0]); err != nil {
		t.Fatal(err)
	}
	devices[1].Put([]byte("x"))
	wait(1)
	devices[1].Close()
	devices[3].Put([]byte("x"))
	wait(3)
	if err := devices[3].ReadBatch(NewBatch(0, 0)); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(10*time.Millisecond, p.Wake)
	if keys, err := p.Wait(nil); err != nil || len(keys) != 0 {
		t.Fatalf("Wait = %v, %v after Wake", keys, err)
	}
}
