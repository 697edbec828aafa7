// Package simnet is a simulated network for engines that take time and datagrams
// as arguments: it delays, loses, reorders, duplicates and translates datagrams
// by a seed, over a clock that only it moves. The same seed gives the same run.
package simnet

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Conditions say what happens to datagrams. Reordering follows from a delay that
// varies. The zero value is a perfect network without delay.
type Conditions struct {
	DelayMin, DelayMax time.Duration
	Loss               float64 // share of datagrams that vanish, 0 to 1
	Duplicate          float64 // share that arrives twice
}

// A Host is an engine in the network.
type Host interface {
	// Receive takes a datagram. The payload is the host's to keep, not to change.
	Receive(now time.Time, local, remote netip.AddrPort, payload []byte)
	// Advance fires what is due.
	Advance(now time.Time)
	// Deadline is when Advance is next due.
	Deadline() (time.Time, bool)
}

// A Network connects hosts. It must be made by New.
type Network struct {
	Conditions Conditions // may be changed at any time

	seed     uint64
	random   *rand.Rand
	now      time.Time
	start    time.Time
	hosts    []attached
	nats     []*NAT
	flights  flights
	pushed   uint64 // breaks ties: first sent, first arrived
	atOnce   int    // steps since the clock last moved
	describe func(payload []byte) string
	diagram  []note
}

type attached struct {
	addr netip.Addr
	host Host
}

// diagramMax bounds the lines that are kept: the last ones tell why a run failed.
const diagramMax = 400

// New returns an empty network whose clock stands at start. Describe, if not nil,
// turns a payload into words for the diagram.
func New(seed uint64, start time.Time, conditions Conditions, describe func(payload []byte) string) *Network {
	return &Network{
		Conditions: conditions,
		seed:       seed,
		random:     rand.New(rand.NewPCG(seed, 0)),
		now:        start,
		start:      start,
		describe:   describe,
	}
}

// Attach gives a host an address.
func (n *Network) Attach(addr netip.Addr, host Host) {
	n.hosts = append(n.hosts, attached{addr, host})
}

// Detach takes an address from its host: what is sent there is lost.
func (n *Network) Detach(addr netip.Addr) {
	n.hosts = slices.DeleteFunc(n.hosts, func(a attached) bool { return a.addr == addr })
}

// Now is the time on the network's clock.
func (n *Network) Now() time.Time { return n.now }

// Rand is the network's randomness, for a test that draws from the same seed.
func (n *Network) Rand() *rand.Rand { return n.random }

// At calls f when the clock reaches t.
func (n *Network) At(t time.Time, f func()) {
	n.push(flight{at: t, call: f})
}

// Send puts a datagram on its way. It copies the payload.
func (n *Network) Send(from, to netip.AddrPort, payload []byte) {
	for _, nat := range n.nats {
		from = nat.outward(from)
	}
	copies := 1
	switch dice := n.random.Float64(); {
	case dice < n.Conditions.Loss:
		n.log("%v -> %v lost: %v", from, to, payload)
		return
	case dice < n.Conditions.Loss+n.Conditions.Duplicate:
		copies = 2
	}
	payload = append([]byte(nil), payload...)
	n.log("%v -> %v: %v", from, to, payload)
	for i := range copies {
		if i > 0 {
			payload = append([]byte(nil), payload...)
		}
		delay := n.Conditions.DelayMin
		if spread := n.Conditions.DelayMax - delay; spread > 0 {
			delay += time.Duration(n.random.Int64N(int64(spread)))
		}
		n.push(flight{at: n.now.Add(delay), from: from, to: to, payload: payload})
	}
}

// Run moves the clock to until, delivering what arrives and calling hosts whose
// deadline has come, in order of time.
func (n *Network) Run(until time.Time) {
	for n.step(until) {
	}
	n.now = until
}

// RunFor is Run for a span of time.
func (n *Network) RunFor(d time.Duration) { n.Run(n.now.Add(d)) }

// stepsAtOnceMax is how many things may happen without the clock moving: a host
// whose deadline does not move when it is called would otherwise hang the run.
const stepsAtOnceMax = 100_000

func (n *Network) step(until time.Time) bool {
	var due Host
	next := until
	found := false
	if len(n.flights) > 0 && !n.flights[0].at.After(next) {
		next, found = n.flights[0].at, true
	}
	for _, a := range n.hosts {
		if at, ok := a.host.Deadline(); ok && (at.Before(next) || !found && at.Equal(next)) {
			next, due, found = at, a.host, true
		}
	}
	if !found {
		return false
	}
	if next.After(n.now) {
		n.now, n.atOnce = next, 0
	} else if n.atOnce++; n.atOnce > stepsAtOnceMax {
		panic(fmt.Sprintf("simnet: seed %d: %d steps without the clock moving\n%s", n.seed, stepsAtOnceMax, n.Diagram()))
	}
	if due != nil {
		due.Advance(n.now)
		return true
	}
	n.arrive(heap.Pop(&n.flights).(flight))
	return true
}

func (n *Network) arrive(f flight) {
	if f.call != nil {
		f.call()
		return
	}
	for _, nat := range n.nats {
		to, ok := nat.inward(f.to)
		if !ok {
			n.log("%v -> %v has no translation: %v", f.from, f.to, f.payload)
			return
		}
		f.to = to
	}
	for _, a := range n.hosts {
		if a.addr == f.to.Addr() {
			a.host.Receive(n.now, f.to, f.from, f.payload)
		}
	}
}

// Diagram shows the seed and the last datagrams sent, for a test that failed.
func (n *Network) Diagram() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d\n", n.seed)
	for _, line := range n.diagram {
		fmt.Fprintf(&b, "%12v  ", line.at.Sub(n.start).Round(time.Millisecond))
		fmt.Fprintf(&b, line.format+"\n", line.args...)
	}
	return b.String()
}

// A note is one line of the diagram. It is put into words only if it is read.
type note struct {
	at     time.Time
	format string
	args   []any
}

type described struct {
	payload  []byte
	describe func([]byte) string
}

func (d described) String() string { return d.describe(d.payload) }

// Note adds a line to the diagram.
func (n *Network) Note(format string, args ...any) {
	if n.describe == nil {
		return
	}
	if len(n.diagram) >= 2*diagramMax {
		n.diagram = append(n.diagram[:0], n.diagram[diagramMax:]...)
	}
	n.diagram = append(n.diagram, note{n.now, format, args})
}

func (n *Network) log(format string, from, to netip.AddrPort, payload []byte) {
	if n.describe != nil {
		n.Note(format, from, to, described{payload, n.describe})
	}
}

func (n *Network) push(f flight) {
	n.pushed++
	f.order = n.pushed
	heap.Push(&n.flights, f)
}

// A flight is a datagram on its way, or a call that is due.
type flight struct {
	at       time.Time
	order    uint64
	from, to netip.AddrPort
	payload  []byte
	call     func()
}

type flights []flight

func (f flights) Len() int { return len(f) }
func (f flights) Less(i, j int) bool {
	if f[i].at.Equal(f[j].at) {
		return f[i].order < f[j].order
	}
	return f[i].at.Before(f[j].at)
}
func (f flights) Swap(i, j int) { f[i], f[j] = f[j], f[i] }
func (f *flights) Push(x any)   { *f = append(*f, x.(flight)) }
func (f *flights) Pop() any {
	last := len(*f) - 1
	x := (*f)[last]
	*f = (*f)[:last]
	return x
}
