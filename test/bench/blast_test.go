package bench

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// flows of the load differ in their source port.
	flows = 8
	// batchMax datagrams are sent or received by one call.
	batchMax = 256

	ipUDPHeaders = 28

	// A datagram begins with its trial's number (4 bytes), its flow's (4 bytes)
	// and when it was sent, as nanoseconds of the wall clock that both ends
	// share (8 bytes).
	loadHeader = 16
	atTrial    = 0
	atFlow     = 4
	atSent     = 8

	countPort = 7000
	delayPort = 7001
)

// A blaster sends UDP datagrams from host A to host B, each by a kernel walk of
// its own: sendmmsg without segmentation offload, a batch of one flow after the
// other. Host B counts them.
type blaster struct {
	tb    testing.TB
	from  [flows]int
	timed int // sends what delay measures
	count arrivals
	delay arrivals
	trial uint32
	open  []int
}

func newBlaster(tb testing.TB, s *bed) *blaster {
	tb.Helper()
	l := &blaster{tb: tb}
	count, delay := netip.AddrPortFrom(addressB, countPort), netip.AddrPortFrom(addressB, delayPort)
	err := errors.Join(
		s.a.Do(func() (err error) {
			for i := range l.from {
				err = errors.Join(err, l.socket(&l.from[i], netip.AddrPortFrom(addressA, uint16(countPort+i)), count))
			}
			return errors.Join(err, l.socket(&l.timed, netip.AddrPortFrom(addressA, countPort+flows), delay))
		}),
		s.b.Do(func() error {
			return errors.Join(
				l.socket(&l.count.fd, count, netip.AddrPort{}, superPackets),
				l.socket(&l.delay.fd, delay, netip.AddrPort{}, timestamps))
		}))
	if err != nil {
		l.close()
		tb.Fatal(err)
	}
	l.count.init(false)
	l.delay.init(true)
	return l
}

// socket opens one that is closed with the blaster.
func (l *blaster) socket(fd *int, local, remote netip.AddrPort, options ...option) (err error) {
	if *fd, err = openUDP(local, remote, options...); err == nil {
		l.open = append(l.open, *fd)
	}
	return err
}

func (l *blaster) close() {
	for _, fd := range l.open {
		if err := unix.Close(fd); err != nil {
			l.tb.Error(err)
		}
	}
}

// A load is what is sent for a while.
type load struct {
	size      int // bytes of IPv4 in a packet
	perSecond int // packets; 0 is as fast as it goes
	burst     int // packets of one flow at once, at most; 0 is what the rate needs
	during    time.Duration
}

// A trial is what became of it.
type trial struct {
	sent, arrived int
	arrivedOf     []int // each flow
	took          time.Duration
	delays        []time.Duration // of each that arrived, if they were asked for
}

// blast sends packets of size bytes (of IPv4) at a rate for a while; a rate of
// 0 is as fast as it goes.
func (l *blaster) blast(size, perSecond int, during time.Duration) (t trial) {
	l.tb.Helper()
	return l.run(l.from[:], &l.count, load{size: size, perSecond: perSecond, during: during})
}

// run sends on a thread of its own and collects on another.
func (l *blaster) run(from []int, to *arrivals, d load) (t trial) {
	l.tb.Helper()
	l.trial++
	var sendErr, receiveErr error
	sent := make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() {
		lockPrecisely()
		t.arrivedOf, t.delays, receiveErr = to.collect(l.trial, len(from), d.size-ipUDPHeaders, sent)
	})
	wait.Go(func() {
		lockPrecisely()
		defer close(sent)
		t.sent, t.took, sendErr = d.send(from, l.trial)
	})
	wait.Wait()
	if err := errors.Join(sendErr, receiveErr); err != nil {
		l.tb.Fatalf("load of %d packets of %d bytes a second: %v", d.perSecond, d.size, err)
	}
	for _, n := range t.arrivedOf {
		t.arrived += n
	}
	return t
}

// lockPrecisely keeps the goroutine on its thread, which ends with it, and lets
// it sleep to the microsecond.
func lockPrecisely() {
	runtime.LockOSThread()
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) // without, rates are coarser
}

// tick is how often a rate is kept up with at most. It bounds how many packets
// come at once: 20 at 100,000 a second.
const tick = 200 * time.Microsecond

// send keeps to the rate as long as it gets the processor: who was late sends
// twice the rate until it has caught up, and no storm. Each burst is of the next
// flow.
func (d load) send(from []int, number uint32) (sent int, took time.Duration, err error) {
	payload := make([]byte, d.size-ipUDPHeaders)
	binary.BigEndian.PutUint32(payload[atTrial:], number)
	vector := unix.Iovec{Base: &payload[0], Len: uint64(len(payload))}
	messages := make([]unix.Mmsghdr, batchMax)
	for i := range messages {
		messages[i].Hdr.Iov, messages[i].Hdr.Iovlen = &vector, 1
	}
	step, burst := tick, batchMax
	if d.perSecond > 0 {
		step = max(tick, time.Second/time.Duration(d.perSecond))
		burst = min(batchMax, 2*(1+int(step.Seconds()*float64(d.perSecond))))
	}
	if d.burst > 0 {
		burst = d.burst
	}
	begin := monotonic()
	for next, flow := begin, 0; took < d.during; took = monotonic() - begin {
		due := burst
		if d.perSecond > 0 {
			next = max(next+step, begin+took)
			sleepUntil(next)
			due = min(int((monotonic()-begin).Seconds()*float64(d.perSecond))-sent, burst)
		}
		if due > 0 {
			binary.BigEndian.PutUint32(payload[atFlow:], uint32(flow))
			binary.BigEndian.PutUint64(payload[atSent:], uint64(time.Now().UnixNano()))
			n, err := sendMessages(from[flow], messages[:due])
			if err != nil {
				return sent, took, err
			}
			sent += n
			flow = (flow + 1) % len(from)
		}
	}
	runtime.KeepAlive(&vector)
	return sent, took, nil
}

// arrivals are what comes on one socket.
type arrivals struct {
	fd       int
	timed    bool
	messages []unix.Mmsghdr
	heads    [][loadHeader]byte // of each message
	controls [][controlLen]byte // of each message, if timed
}

// controlLen holds one control message with a timespec.
const controlLen = 64

func (a *arrivals) init(timed bool) {
	a.timed = timed
	a.messages, a.heads, a.controls = make([]unix.Mmsghdr, batchMax), make([][loadHeader]byte, batchMax), make([][controlLen]byte, batchMax)
	vectors := make([]unix.Iovec, batchMax)
	for i := range a.messages {
		vectors[i] = unix.Iovec{Base: &a.heads[i][0], Len: loadHeader}
		a.messages[i].Hdr.Iov, a.messages[i].Hdr.Iovlen = &vectors[i], 1
		if timed {
			a.messages[i].Hdr.Control = &a.controls[i][0]
		}
	}
}

// lateMax is how long after the last packet was sent, or the last one came,
// another may come.
const lateMax = 30 * time.Millisecond

// collect counts a trial's datagrams until none has come for a while after all
// were sent. It looks only now and then, so that nobody is woken for a packet:
// the socket's buffer holds what comes meanwhile, and the kernel says when.
func (a *arrivals) collect(number uint32, flows, payloadLen int, sent <-chan struct{}) (count []int, delays []time.Duration, err error) {
	count = make([]int, flows)
	last := monotonic()
	for {
		now := monotonic()
		n, err := a.read()
		if err != nil {
			return count, delays, err
		}
		for i, m := range a.messages[:n] {
			flow := binary.BigEndian.Uint32(a.heads[i][atFlow:])
			if binary.BigEndian.Uint32(a.heads[i][atTrial:]) != number || flow >= uint32(flows) {
				continue // late, of the trial before
			}
			count[flow] += int(m.Len) / payloadLen
			if a.timed {
				delays = append(delays, a.delay(i))
			}
		}
		select {
		case <-sent:
			if n > 0 {
				last = now
			}
			if now-last > lateMax {
				return count, delays, nil
			}
		default:
			last = now
		}
		if n < batchMax {
			sleepUntil(now + time.Millisecond)
		}
	}
}

func (a *arrivals) read() (int, error) {
	for i := range a.messages {
		if a.timed {
			a.messages[i].Hdr.Controllen = controlLen
		}
	}
	return receiveMessages(a.fd, a.messages)
}

// delay is how long the i-th datagram took until host B's kernel had it.
func (a *arrivals) delay(i int) time.Duration {
	const header = unix.SizeofCmsghdr // of the one control message there is
	at := *(*unix.Timespec)(unsafe.Pointer(&a.controls[i][header]))
	return time.Duration(at.Nano() - int64(binary.BigEndian.Uint64(a.heads[i][atSent:])))
}

// delays returns the median and the 99th percentile of the way from host A to
// host B at 10,000 full packets a second, and how many arrived.
func (l *blaster) delays() (p50, p99 time.Duration, arrived int) {
	l.tb.Helper()
	const perSecond = 10_000
	t := l.run([]int{l.timed}, &l.delay, load{size: innerMTU, perSecond: perSecond, during: time.Second})
	if t.arrived < t.sent/2 {
		l.tb.Fatalf("%d of %d packets arrived at %d a second", t.arrived, t.sent, perSecond)
	}
	slices.Sort(t.delays)
	return t.delays[len(t.delays)/2], t.delays[len(t.delays)*99/100], t.arrived
}
