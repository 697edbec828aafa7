package tunnel

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"causeway.dev/ike"
	"causeway.dev/internal/netlab"
	"causeway.dev/packetio"
)

// within fails the test if what f does takes so long that it must hang.
func within(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatalf("%s hangs", what)
	}
}

// awaitSources waits until a lane has so many.
func awaitSources(t *testing.T, lane *Lane, n int) {
	t.Helper()
	within(t, "adding sources", func() {
		for sourcesOf(lane) != n {
			time.Sleep(time.Millisecond)
		}
	})
}

func sourcesOf(l *Lane) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.sources {
		if s != nil {
			n++
		}
	}
	return n
}

// always is readable for ever.
func always(t *testing.T) *packetio.MemoryDevice {
	d := packetio.NewMemoryDevice()
	d.Put([]byte("x"))
	t.Cleanup(func() { d.Close() })
	return d
}

// Callbacks of a lane wait for locks of the owner, who chooses a lane under the
// same ones.
func TestLeastWaitsForNoLane(t *testing.T) {
	lanes, err := NewLanes(2, packetio.NewPoller)
	if err != nil {
		t.Fatal(err)
	}
	var least atomic.Pointer[Lane]
	network := packetio.NewMemoryNetwork()
	var sockets [3]packetio.Socket
	for i, port := range []uint16{PortIKE, PortNATT, 0} {
		if sockets[i], err = network.Listen(netip.AddrPortFrom(outsideA, port)); err != nil {
			t.Fatal(err)
		}
	}
	called := make(chan struct{})
	endpoint := NewEndpoint(EndpointConfig{Local: outsideA, Lane: lanes[0], IKE: func(_, _ netip.AddrPort, _ []byte) {
		least.Store(lanes.Least())
		close(called)
	}}, Sockets{IKE: sockets[0], NATT: sockets[1], ESP: sockets[2]})
	end := start(t, lanes[0].Run, lanes[1].Run, endpoint.Run)
	awaitSources(t, lanes[0], 3)
	header := make([]byte, ikeHeaderLen)
	header[ikeHeaderLen-1] = ikeHeaderLen
	if err := endpoint.SendIKE(netip.AddrPortFrom(outsideA, PortIKE), netip.AddrPortFrom(outsideA, PortIKE), header); err != nil {
		t.Fatal(err)
	}
	within(t, "Least in a callback", func() { <-called })
	if least.Load() != lanes[1] {
		t.Error("the lane with an endpoint has less to do than the one without")
	}
	end()
	if err := errors.Join(endpoint.Close(), lanes.Close()); err != nil {
		t.Error(err)
	}
}

// More sources than a poller names at once, all of them busy, get turns alike.
func TestLaneIsFair(t *testing.T) {
	lane := newLane(t)
	const sources, turns = 100, 20000
	var taken [sources]int // owned by the lane until it has ended
	sum, enough := 0, make(chan struct{})
	for i := range taken {
		s := &source{Source: always(t), turn: func() error {
			if taken[i]++; sum < turns {
				if sum++; sum == turns {
					close(enough)
				}
			}
			return nil
		}}
		if err := lane.add(s); err != nil {
			t.Fatal(err)
		}
	}
	end := start(t, lane.Run)
	within(t, "a lane with busy sources", func() { <-enough })
	end()
	if least, most := slices.Min(taken[:]), slices.Max(taken[:]); least*10 < most*8 {
		t.Errorf("between %d and %d turns", least, most)
	}
}

// A turn is half of what a batch has room for, however much there is, and
// whatever other tunnels have put there: all have turns alike.
func TestTurnsAreAlike(t *testing.T) {
	lane := newLane(t)
	socket := &countingSocket{}
	var tunnels []*Tunnel
	for i, waiting := range []int{100, 1000, 1000, 3} {
		tunnel, device := newTunnelOn(t, lane, socket, byte(i))
		for range waiting {
			device.Put(udp(hostA, hostB, 0, 100))
		}
		tunnels = append(tunnels, tunnel)
	}
	for _, tunnel := range tunnels {
		if err := tunnel.turn(); err != nil {
			t.Fatal(err)
		}
	}
	lane.outbound.flush()
	half := uint64(cap(lane.outbound.batch.Packets)) / 2
	for i, want := range []uint64{100, half, half, 3} {
		if n := tunnels[i].Counters().OutboundPackets; n != want {
			t.Errorf("%d packets of tunnel %d in its turn, want %d", n, i, want)
		}
	}
	if want := []int{100 + int(half), int(half) + 3}; !slices.Equal(socket.calls, want) {
		t.Errorf("sent %v, want %v: a batch that is full leaves at once", socket.calls, want)
	}
}

// What few packets many tunnels have leaves in one call, in order, and each
// tunnel hears of its own refusals.
func TestTunnelsLeaveTogether(t *testing.T) {
	lane := newLane(t)
	socket := &countingSocket{refused: []int{3, 4}}
	var tunnels []*Tunnel
	for i := range 4 {
		tunnel, device := newTunnelOn(t, lane, socket, byte(i))
		for range i + 1 {
			device.Put(udp(hostA, hostB, 0, 100))
		}
		tunnels = append(tunnels, tunnel)
		if err := tunnel.turn(); err != nil {
			t.Fatal(err)
		}
	}
	lane.outbound.flush()
	if want := []int{10}; !slices.Equal(socket.calls, want) {
		t.Errorf("sent %v, want %v", socket.calls, want)
	}
	if want := []uint32{0, 1, 1, 2, 2, 2, 3, 3, 3, 3}; !slices.Equal(socket.of, want) {
		t.Errorf("sent for the tunnels %v, want %v", socket.of, want)
	}
	for i, want := range []uint64{0, 0, 2, 0} { // datagrams 3 and 4 are the third tunnel's
		if c := tunnels[i].Counters(); c.Drops[DropSend] != want || c.LastOutbound.IsZero() {
			t.Errorf("tunnel %d: %d packets refused, want %d; last sent %v", i, c.Drops[DropSend], want, c.LastOutbound)
		}
	}
	if len(lane.outbound.batch.Packets) != 0 || len(lane.outbound.datagrams) != 0 {
		t.Error("something is left over")
	}
}

// newTunnelOn makes tunnel number n of a lane, whose packets leave by socket.
func newTunnelOn(t *testing.T, lane *Lane, socket packetio.Socket, n byte) (*Tunnel, *packetio.MemoryDevice) {
	t.Helper()
	endpoint := NewEndpoint(EndpointConfig{Local: outsideA, Lane: lane}, Sockets{IKE: nowhere{}, NATT: socket, ESP: nowhere{}})
	device := packetio.NewMemoryDevice()
	tunnel, err := New(Config{Device: device, Endpoint: endpoint})
	if err != nil {
		t.Fatal(err)
	}
	child, _ := children(gcm128, true, 0)
	child.Outbound = 0x1000 + ike.SPI(n) // RFC 4303 section 2.1: up to 255 are reserved
	if err := errors.Join(tunnel.InstallChild(child), tunnel.ActivateChild(child.Outbound)); err != nil {
		t.Fatal(err)
	}
	return tunnel, device
}

// A countingSocket notes its calls and refuses some datagrams of each.
type countingSocket struct {
	nowhere
	refused []int
	calls   []int
	of      []uint32 // tunnels, by SPI
}

func (s *countingSocket) WriteBatch(_ *packetio.Sender, d []packetio.Datagram) (int, error) {
	s.calls = append(s.calls, len(d))
	for i := range d {
		s.of = append(s.of, binary.BigEndian.Uint32(d[i].Payload)-0x1000)
	}
	for _, i := range s.refused {
		d[i].Payload = nil
	}
	if len(s.refused) > 0 {
		return len(d) - len(s.refused), errors.New("no room")
	}
	return len(d), nil
}

// A source that fails ends alone: its owner hears why, and the lane goes on.
func TestFailingSourceEndsAlone(t *testing.T) {
	l := newLab(t, gcm128, true)
	broken := packetio.NewMemoryDevice()
	defer broken.Close()
	second, err := New(Config{Device: broken, Endpoint: l.a.endpoint})
	if err != nil {
		t.Fatal(err)
	}
	lane, ended := l.a.tunnel.lane, make(chan error, 1)
	awaitSources(t, lane, 4) // three sockets and a device
	go func() { ended <- second.Run(t.Context()) }()
	gone := errors.New("somebody removed it")
	broken.Fail(gone)
	within(t, "Run of a failed device", func() { err = <-ended })
	if !errors.Is(err, gone) {
		t.Errorf("Run = %v, want %v", err, gone)
	}
	if n := sourcesOf(lane); n != 4 {
		t.Errorf("%d sources are left, want 4", n)
	}
	l.a.device.Put(udp(hostA, hostB, 0, 100))
	l.b.next(t)
}

// Sources come and go while others are busy. What has been removed is never in
// use again: its owner closes it at once.
func TestSourcesComeAndGo(t *testing.T) {
	lane := newLane(t)
	busy := &source{Source: always(t), turn: func() error { return nil }}
	end := start(t, lane.Run, func(ctx context.Context) error { return lane.carry(ctx, busy) })
	defer end()
	changes := 200
	if testing.Short() {
		changes = 50
	}
	within(t, "adding and removing", func() {
		for range changes {
			ctx, cancel := context.WithCancel(t.Context())
			device, used, removed := always(t), make(chan struct{}, 1), atomic.Bool{}
			s := &source{Source: device, turn: func() error {
				if removed.Load() {
					t.Error("a removed source got a turn")
				}
				select {
				case used <- struct{}{}:
				default:
				}
				return nil
			}}
			ended := make(chan error, 1)
			go func() {
				err := lane.carry(ctx, s)
				removed.Store(true)
				device.Close()
				ended <- err
			}()
			<-used
			cancel()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("carry = %v", err)
			}
		}
	})
	if n := sourcesOf(lane); n != 1 {
		t.Errorf("%d sources are left, want 1", n)
	}
}

// A closed source cannot be added, and keeps none of those that came with it.
func TestClosedSourceIsRefused(t *testing.T) {
	lane, closed := newLane(t), packetio.NewMemoryDevice()
	closed.Close()
	nothing := func() error { return nil }
	if err := lane.carry(t.Context(), &source{Source: always(t), turn: nothing}, &source{Source: closed, turn: nothing}); err == nil {
		t.Error("a closed source was added")
	}
	if n := sourcesOf(lane); n != 0 {
		t.Errorf("%d sources are left", n)
	}
}

// The far end of a descriptor that stands for a TUN is closed.
func TestAdoptedTUNEnds(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	tun := packetio.AdoptTUN(pair[0], "adopted", packetio.Offloads{})
	defer tun.Close()
	err = runOn(t, tun, func() error { return unix.Close(pair[1]) })
	if !errors.Is(err, io.EOF) {
		t.Errorf("Run = %v, want %v", err, io.EOF)
	}
}

// Somebody deletes the TUN's link.
func TestDeletedTUNEnds(t *testing.T) {
	host := netlab.New(t).Host("a")
	var tun *packetio.TUN
	if err := host.Do(func() (err error) {
		tun, err = packetio.OpenTUN("vpn1", 1400, packetio.AllOffloads)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer tun.Close()
	host.Run("ip", "link", "set", "vpn1", "up")
	err := runOn(t, tun, func() error {
		host.Run("ip", "link", "delete", "vpn1")
		return nil
	})
	if !errors.Is(err, unix.EBADFD) {
		t.Errorf("Run = %v, want %v", err, unix.EBADFD)
	}
	if _, err := tun.WriteBatch(new(packetio.Gatherer), [][]byte{bytes.Repeat([]byte{0x45}, 40)}); err == nil {
		t.Error("a deleted TUN took a packet")
	}
}

// runOn runs a tunnel on a device until what happens to it ends that.
func runOn(t *testing.T, device packetio.Device, happens func() error) (err error) {
	t.Helper()
	lane := newLane(t)
	endpoint := NewEndpoint(EndpointConfig{Local: outsideA, Lane: lane}, Sockets{IKE: nowhere{}, NATT: nowhere{}, ESP: nowhere{}})
	tunnel, err := New(Config{Device: device, Endpoint: endpoint})
	if err != nil {
		t.Fatal(err)
	}
	end := start(t, lane.Run)
	defer end()
	ended := make(chan error, 1)
	go func() { ended <- tunnel.Run(t.Context()) }()
	awaitSources(t, lane, 1)
	if err := happens(); err != nil {
		t.Fatal(err)
	}
	within(t, "Run", func() { err = <-ended })
	return err
}

// Tunnels are spread over the lanes from the moment they are made: many are made
// before the first of them runs.
func TestLeastCountsWhatIsMade(t *testing.T) {
	lanes := Lanes{newLane(t), newLane(t), newLane(t)}
	endpoint := NewEndpoint(EndpointConfig{Local: outsideA, Lane: lanes[1]}, Sockets{IKE: nowhere{}, NATT: nowhere{}, ESP: nowhere{}})
	if least := lanes.Least(); least == lanes[1] {
		t.Error("the lane of an endpoint is chosen before idle ones")
	}
	var tunnels []*Tunnel
	of := map[*Lane]int{lanes[1]: 1} // the endpoint
	for range 11 {
		lane := lanes.Least()
		made, err := New(Config{Device: nowhereDevice{}, Endpoint: endpoint, Lane: lane})
		if err != nil {
			t.Fatal(err)
		}
		tunnels = append(tunnels, made)
		of[lane]++
	}
	for i, lane := range lanes {
		if of[lane] != 4 {
			t.Errorf("lane %d carries %d, want 4", i, of[lane])
		}
	}
	last := tunnels[len(tunnels)-1]
	last.Close()
	last.Close() // counts once
	for range 2 {
		if least := lanes.Least(); least != last.lane {
			t.Fatal("Least is not the lane of which a tunnel was closed")
		}
		if _, err := New(Config{Device: nowhereDevice{}, Endpoint: endpoint, Lane: last.lane}); err != nil {
			t.Fatal(err)
		}
		last = tunnels[0]
		last.Close()
	}
}

// Whoever set an endpoint up hears that the kernel segments no more.
func TestSegmentationOffIsTold(t *testing.T) {
	var told []netip.AddrPort
	natt := &segmenting{}
	NewEndpoint(EndpointConfig{Local: outsideA, SegmentationOff: func(local netip.AddrPort, _ error) { told = append(told, local) }},
		Sockets{IKE: nowhere{}, NATT: natt, ESP: nowhere{}})
	natt.off(errors.New("input/output error"))
	if want := []netip.AddrPort{natt.Local()}; !slices.Equal(told, want) {
		t.Errorf("told of %v, want %v", told, want)
	}
}

// segmenting is a socket that may lose its segmentation.
type segmenting struct {
	nowhere
	off func(error)
}

func (s *segmenting) OnSegmentationOff(f func(error)) { s.off = f }
