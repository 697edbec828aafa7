package tunnel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"causeway.dev/internal/netlab"
	"causeway.dev/packetio"
)

// Flows are numbered UDP datagrams from one host to another, so that whoever
// loses, doubles or reorders one is found out.
type flows struct {
	tb       testing.TB
	from, to []*packetio.KernelSocket
	ended    chan struct{}
	end      atomic.Bool
	group    sync.WaitGroup
	poller   packetio.Poller
	sent     atomic.Uint64 // or about to be
	received atomic.Uint64
	late     atomic.Uint64 // came after one with a higher number

	// Of the sender's.
	seen, lost uint64    // packets that had come when it looked last; that had not come for lossesGiven
	moved      time.Time // when one came last, or all had come
}

const (
	loadFlows   = 4
	loadPort    = 7000
	loadPayload = 1300 // at most, in bytes
	loadBatch   = 32

	// loadOnTheWay is how many packets may be on their way at a rate: less than the
	// queues and sockets between hold, should whoever reads one get no processor for
	// a while.
	loadOnTheWay = 500
)

// How long nothing may come until what has not come is lost: where losses are to be
// expected, and where each is a fault, and the machine may be so busy that nobody
// reads the sockets of ours that it stands in.
const (
	lossesExpected = 300 * time.Millisecond
	lossesNone     = 5 * time.Second
	lossesGiven    = time.Second // after which others are sent in their place
)

// startFlows sends at a rate in packets a second, all flows together, or as
// fast as it goes if that is 0.
func startFlows(tb testing.TB, from *netlab.Host, source netip.Addr, to *netlab.Host, destination netip.Addr, perSecond int) *flows {
	tb.Helper()
	f := &flows{tb: tb, ended: make(chan struct{})}
	var err error
	if f.poller, err = packetio.NewPoller(); err != nil {
		tb.Fatal(err)
	}
	listen := func(host *netlab.Host, address netip.Addr, port int) *packetio.KernelSocket {
		var s *packetio.KernelSocket
		if err := host.Do(func() (err error) {
			s, err = packetio.ListenUDP(netip.AddrPortFrom(address, uint16(port)), packetio.AllOffloads)
			return err
		}); err != nil {
			tb.Fatal(err)
		}
		return s
	}
	for i := range loadFlows {
		f.from = append(f.from, listen(from, source, 0))
		f.to = append(f.to, listen(to, destination, loadPort+i))
		if err := f.poller.Add(f.to[i], i); err != nil {
			tb.Fatal(err)
		}
	}
	f.group.Go(f.receive)
	go func() {
		defer close(f.ended)
		f.send(perSecond)
	}()
	return f
}

// send lets the flows take turns of up to a batch, of one size each time.
func (f *flows) send(perSecond int) {
	r, sender := rand.New(rand.NewPCG(1, 1)), packetio.NewSender(loadBatch)
	var numbers [loadFlows]uint64
	batch := make([]packetio.Datagram, loadBatch)
	for i := range batch {
		batch[i].Payload = make([]byte, loadPayload)
	}
	for begin := time.Now(); !f.end.Load(); {
		due := loadBatch
		if perSecond > 0 {
			due = min(due, int(time.Since(begin).Seconds()*float64(perSecond))-int(f.sent.Load()), f.room())
		}
		if due <= 0 {
			time.Sleep(500 * time.Microsecond)
			continue
		}
		flow, size := r.IntN(loadFlows), 8+r.IntN(loadPayload-8)
		for i := range due {
			batch[i].Remote = f.to[flow].Local()
			batch[i].Payload = batch[i].Payload[:size]
			binary.BigEndian.PutUint64(batch[i].Payload, numbers[flow])
			numbers[flow]++
		}
		f.sent.Add(uint64(due))
		n, err := f.from[flow].WriteBatch(sender, batch[:due])
		f.sent.Add(-uint64(due - n))
		if err != nil && perSecond > 0 {
			f.tb.Errorf("send %d packets: %v", due, err)
			return
		}
	}
}

// room returns how many packets more may be on their way.
func (f *flows) room() int {
	sent, received := f.sent.Load(), f.received.Load()
	switch {
	case received != f.seen || received+f.lost >= sent:
		f.seen, f.moved = received, time.Now()
	case time.Since(f.moved) > lossesGiven:
		f.lost, f.moved = sent-received, time.Now()
	}
	return loadOnTheWay - (int(sent) - int(received) - int(f.lost))
}

func (f *flows) receive() {
	receiver := packetio.NewReceiver()
	var next [loadFlows]uint64
	var keys []int
	for {
		var err error
		if keys, err = f.poller.Wait(keys[:0]); err != nil {
			f.tb.Errorf("wait for packets: %v", err)
			return
		}
		if len(keys) == 0 { // woken: all is over
			return
		}
		for _, flow := range keys {
			if err := f.to[flow].ReadBatch(receiver); err != nil {
				f.tb.Errorf("receive: %v", err)
				return
			}
			for _, d := range receiver.Datagrams {
				if number := binary.BigEndian.Uint64(d.Payload); number >= next[flow] {
					next[flow] = number + 1
				} else {
					f.late.Add(1)
				}
			}
			f.received.Add(uint64(len(receiver.Datagrams)))
		}
	}
}

// halt ends the sender; what is on its way still arrives.
func (f *flows) halt() {
	f.end.Store(true)
	<-f.ended
}

// stop ends the flows, waits until all has come or nothing has for a time, and returns
// what came of them.
func (f *flows) stop(patience time.Duration) (sent, received, late uint64) {
	f.tb.Helper()
	f.halt()
	for quiet, last := time.Now(), f.received.Load(); f.received.Load() < f.sent.Load() && time.Since(quiet) < patience; time.Sleep(time.Millisecond) {
		if n := f.received.Load(); n != last {
			quiet, last = time.Now(), n
		}
	}
	f.poller.Wake()
	f.group.Wait()
	for _, s := range append(f.from, f.to...) {
		if err := s.Close(); err != nil {
			f.tb.Error(err)
		}
	}
	if err := f.poller.Close(); err != nil {
		f.tb.Error(err)
	}
	return f.sent.Load(), f.received.Load(), f.late.Load()
}

// unharmed proves that all came that was sent, once and in order.
func (f *flows) unharmed() {
	f.tb.Helper()
	sent, received, late := f.stop(lossesNone)
	if received != sent || late != 0 || sent == 0 {
		f.tb.Errorf("%d packets sent, %d came, %d of them late", sent, received, late)
	}
}

// A transfer is one TCP connection with the same bytes both ways at once.
type transfer struct{ done chan error }

// startTransfer sends size bytes each way, at a rate in bytes a second, or as
// fast as it goes if that is 0.
func startTransfer(tb testing.TB, from, to *netlab.Host, destination netip.Addr, size, perSecond int) transfer {
	tb.Helper()
	content := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(content)
	var listener net.Listener
	if err := to.Do(func() (err error) {
		listener, err = net.Listen("tcp", netip.AddrPortFrom(destination, 80).String())
		return err
	}); err != nil {
		tb.Fatal(err)
	}
	var near net.Conn
	if err := from.Do(func() (err error) {
		near, err = net.DialTimeout("tcp", listener.Addr().String(), 20*time.Second)
		return err
	}); err != nil {
		tb.Fatal(err)
	}
	far, err := listener.Accept()
	if err := errors.Join(err, listener.Close()); err != nil {
		tb.Fatal(err)
	}
	t := transfer{make(chan error, 4)}
	for _, conn := range []net.Conn{near, far} {
		_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
		go func() { t.done <- write(conn, content, perSecond) }()
		go func() {
			got, err := io.ReadAll(conn)
			if err == nil && !bytes.Equal(got, content) {
				err = fmt.Errorf("%d of %d bytes came, or others", len(got), size)
			}
			t.done <- err
		}()
	}
	tb.Cleanup(func() {
		near.Close()
		far.Close()
	})
	return t
}

func write(conn net.Conn, content []byte, perSecond int) error {
	const piece = 64 << 10
	for begin, sent := time.Now(), 0; sent < len(content); {
		if perSecond > 0 {
			time.Sleep(time.Duration(float64(sent)/float64(perSecond)*1e9) - time.Since(begin))
		}
		n, err := conn.Write(content[sent:min(sent+piece, len(content))])
		if err != nil {
			return err
		}
		sent += n
	}
	return conn.(*net.TCPConn).CloseWrite()
}

// wait waits until both ends have all.
func (t transfer) wait(tb testing.TB) {
	tb.Helper()
	for range cap(t.done) {
		if err := <-t.done; err != nil {
			tb.Errorf("TCP: %v", err)
		}
	}
}

// inOrder keeps the kernel of the hosts from reordering what from sends:
// packets of a veth go through the queue of one processor, whichever one their
// sender was on; and neighbours are known before, for when the kernel gets to
// know one, packets that have waited for that and new ones overtake each other.
func inOrder(from *netlab.Host, hosts ...*netlab.Host) {
	for _, h := range append(hosts, from) {
		h.Run("sh", "-c", "for q in /sys/class/net/eth*/queues/rx-0/rps_cpus; do echo 1 >$q; done")
	}
	from.Run("ping", "-c", "1", "-W", "5", "-I", hostA.String(), hostB.String())
}

// queue sets how many packets, or super-packets, wait for the tunnels.
func queue(length int, sites ...*site) {
	for _, s := range sites {
		s.host.Run("ip", "link", "set", "vpn1", "txqueuelen", strconv.Itoa(length))
	}
}

// patience is a queue for a moment without a processor.
const patience = 5000

// noDrops proves that the tunnels of both sites took all for what it was.
func noDrops(tb testing.TB, sites ...*site) {
	tb.Helper()
	for _, s := range sites {
		if c, e := s.tunnel.Counters(), s.endpoint.Counters(); c.Drops != (Drops{}) || e.Drops != (Drops{}) {
			tb.Errorf("%s: drops %v, of the endpoint %v", s.host.Name, named(c.Drops), named(e.Drops))
		}
	}
}

// named leaves out what did not happen.
func named(d Drops) string {
	var all []string
	for i, n := range d {
		if n > 0 {
			all = append(all, fmt.Sprintf("%v: %d", Drop(i), n))
		}
	}
	return strings.Join(all, ", ")
}

func loadOnly(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("loads the machine for a moment")
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root to make network namespaces")
	}
}
