package bench

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"causeway.dev/packetio"
)

// tcpDuration and trialDuration are how long one TCP stream and one trial of a
// packet rate last.
const (
	tcpDuration   = 2 * time.Second
	trialDuration = 250 * time.Millisecond
)

// A transfer is what one TCP stream from host A to host B did.
type transfer struct {
	gbitPerSecond float64
	retransmits   int
	packets       float64 // full ones that carry as many bytes
}

// tcp runs one stream of iperf3. Its start counts too: it takes milliseconds.
func (s *bed) tcp(tb testing.TB) transfer {
	tb.Helper()
	out, err := s.a.Try("iperf3", "--client", addressB.String(), "--time", strconv.Itoa(int(tcpDuration/time.Second)), "--connect-timeout", "3000", "--json")
	if err != nil {
		tb.Fatalf("%s: %v", s.kind.name, err)
	}
	var report struct {
		End struct {
			Sent     struct{ Retransmits int } `json:"sum_sent"`
			Received struct {
				Bytes         float64
				BitsPerSecond float64 `json:"bits_per_second"`
			} `json:"sum_received"`
		}
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil || report.End.Received.Bytes == 0 {
		tb.Fatalf("%s: iperf3 reports %v: %s", s.kind.name, err, out)
	}
	const segment = innerMTU - 20 - 32 // IPv4; TCP with the timestamp option
	return transfer{
		gbitPerSecond: report.End.Received.BitsPerSecond / 1e9,
		retransmits:   report.End.Sent.Retransmits,
		packets:       report.End.Received.Bytes / segment,
	}
}

// A blaster sends numbered UDP datagrams from host A to host B at a rate, each
// by a kernel walk of its own: sendmmsg, no segmentation offload.
type blaster struct {
	tb       testing.TB
	from, to *packetio.KernelSocket
	received chan arrival
	wait     sync.WaitGroup
}

// An arrival is a batch of datagrams of one trial that came together.
type arrival struct {
	trial  uint32
	count  int
	delays []time.Duration
}

// A datagram begins with its trial's number (4 bytes) and when it was sent
// (8 bytes, by the clock that both ends share).
const (
	blastHeader  = 12
	ipUDPHeaders = 28
	blastPort    = 7000
)

func newBlaster(tb testing.TB, s *bed) *blaster {
	tb.Helper()
	l := &blaster{tb: tb, received: make(chan arrival, 1024)}
	err := errors.Join(
		s.a.Do(func() (err error) {
			l.from, err = packetio.ListenUDP(netip.AddrPortFrom(addressA, blastPort), false)
			return err
		}),
		s.b.Do(func() (err error) {
			l.to, err = packetio.ListenUDP(netip.AddrPortFrom(addressB, blastPort), false)
			return err
		}))
	if err != nil {
		tb.Fatal(err)
	}
	l.wait.Go(l.receive)
	return l
}

func (l *blaster) close() {
	if err := errors.Join(l.from.Close(), l.to.Close()); err != nil {
		l.tb.Error(err)
	}
	for range l.received { // until receive, which may wait to hand over, has ended
	}
	l.wait.Wait()
}

func (l *blaster) receive() {
	defer close(l.received)
	for {
		batch, err := l.to.ReadBatch()
		if err != nil {
			if !errors.Is(err, os.ErrClosed) {
				l.tb.Errorf("receive the load: %v", err)
			}
			return
		}
		now := clock()
		var a arrival
		for _, d := range batch {
			if len(d.Payload) < blastHeader {
				continue
			}
			trial := binary.BigEndian.Uint32(d.Payload)
			if trial != a.trial && a.count > 0 {
				l.received <- a
				a = arrival{}
			}
			a.trial = trial
			a.count++
			a.delays = append(a.delays, now-time.Duration(binary.BigEndian.Uint64(d.Payload[4:])))
		}
		l.received <- a
	}
}

var started = time.Now()

// clock is monotonic.
func clock() time.Duration { return time.Since(started) }

// trials numbers the trials of all blasters.
var trials uint32

// blast sends packets of size bytes (of IPv4) at a rate for a while and returns
// how many were sent, in which time, and how long each that arrived took.
func (l *blaster) blast(size, perSecond int, during time.Duration) (sent int, took time.Duration, delays []time.Duration) {
	l.tb.Helper()
	trials++
	trial := trials
	end := make(chan struct{})
	collected := make(chan []time.Duration)
	go func() { collected <- l.collect(trial, end) }()
	const batchMax = 64
	batch := make([]packetio.Datagram, batchMax)
	for i := range batch {
		payload := make([]byte, size-ipUDPHeaders)
		binary.BigEndian.PutUint32(payload, trial)
		batch[i] = packetio.Datagram{Remote: netip.AddrPortFrom(addressB, blastPort), Payload: payload}
	}
	begin := clock()
	for took < during {
		due := min(int(took.Seconds()*float64(perSecond))+1-sent, batchMax)
		if due <= 0 {
			time.Sleep(20 * time.Microsecond)
		} else {
			for _, d := range batch[:due] {
				binary.BigEndian.PutUint64(d.Payload[4:], uint64(begin+took))
			}
			if _, err := l.from.WriteBatch(batch[:due]); err != nil {
				l.tb.Fatalf("send the load: %v", err)
			}
			sent += due
		}
		took = clock() - begin
	}
	close(end)
	return sent, took, <-collected
}

// collect takes a trial's arrivals until none has come for a while after its
// end.
func (l *blaster) collect(trial uint32, end <-chan struct{}) (delays []time.Duration) {
	var late <-chan time.Time // nil until the end
	for {
		select {
		case a, ok := <-l.received:
			if !ok {
				return delays
			}
			if a.trial == trial {
				delays = append(delays, a.delays...)
			}
		case <-end:
			end, late = nil, time.After(60*time.Millisecond)
		case <-late:
			return delays
		}
	}
}

// lossMax is the share of packets that may be lost at a rate that counts as
// carried.
const lossMax = 0.005

// carries reports whether a rate is carried. One failure is forgiven: it may be
// somebody else's use of the machine.
func (l *blaster) carries(size, perSecond int) bool {
	for range 2 {
		sent, took, arrived := l.blast(size, perSecond, trialDuration)
		offered := float64(sent) > 0.97*float64(perSecond)*took.Seconds()
		if offered && float64(len(arrived)) >= (1-lossMax)*float64(sent) {
			return true
		}
	}
	return false
}

// rate searches for the highest rate that is carried, in packets a second, to
// one part in twelve.
func (l *blaster) rate(size int) float64 {
	l.tb.Helper()
	low, high := 0, 20_000
	for l.carries(size, high) {
		low, high = high, 2*high
	}
	for low > 0 && high-low > low/12 {
		if middle := (low + high) / 2; l.carries(size, middle) {
			low = middle
		} else {
			high = middle
		}
	}
	return float64(low)
}

// delay returns the median and the 99th percentile of the way from host A to
// host B at 10,000 full packets a second.
func (l *blaster) delay() (p50, p99 time.Duration) {
	l.tb.Helper()
	const perSecond = 10_000
	sent, _, delays := l.blast(innerMTU, perSecond, 500*time.Millisecond)
	if len(delays) < sent/2 {
		l.tb.Fatalf("%d of %d packets arrived at %d a second", len(delays), sent, perSecond)
	}
	slices.Sort(delays)
	return delays[len(delays)/2], delays[len(delays)*99/100]
}

// quietness is how much of the processors was ours: what all of them together
// counted in a moment, time and again.
type quietness []float64

func (q *quietness) measure() {
	counts := make([]int, runtime.GOMAXPROCS(0))
	var wait sync.WaitGroup
	for i := range counts {
		wait.Go(func() {
			n := 0
			for begin := time.Now(); time.Since(begin) < 30*time.Millisecond; {
				n++
			}
			counts[i] = n
		})
	}
	wait.Wait()
	total := 0.0
	for _, n := range counts {
		total += float64(n)
	}
	*q = append(*q, total)
}

// share is that of the best moment, the only one known to be quiet.
func (q quietness) share() spread {
	best := slices.Max(q)
	shares := make([]float64, len(q))
	for i, total := range q {
		shares[i] = total / best
	}
	return spreadOf(shares)
}

// loadAverage is the system's, of the last minute.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	var one string
	fmt.Sscan(string(text), &one)
	return one
}
