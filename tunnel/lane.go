package tunnel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"causeway.dev/esp"
	"causeway.dev/packetio"
)

// senderMessages is how many messages one sendmmsg takes: a whole batch of a
// socket that does not segment.
const senderMessages = 256

// A Lane is one goroutine that carries the packets of many tunnels and
// endpoints, both ways, each batch to completion. All buffers are the lane's, so
// an idle tunnel costs a few kilobytes and no time.
//
// Both directions of a tunnel in one goroutine take less processor time than
// two goroutines would: while one direction's batch is in work, the other's
// grows, and what grows costs less a packet. More processors are for more lanes
// with other tunnels.
type Lane struct {
	poller packetio.Poller

	// mu is held while packets are carried, so that a source which has been
	// removed is not in use any more.
	mu      sync.Mutex
	sources []*source // by key; nil: free

	load atomic.Int32 // tunnels and endpoints that are to be carried, running or not

	postedMu sync.Mutex
	posted   []func() // to be done before the next round; guarded by postedMu

	// Scratch of the goroutine in Run.
	outbound outboundRun
	inbound  inboundRun
	received *packetio.Receiver
	keys     []int
}

// A source is what a lane reads from, with what is done when it is readable.
type source struct {
	packetio.Source
	sends  bool         // its turn leaves something in the outbound run
	turn   func() error // reads and carries one batch
	failed chan<- error // takes the error that ended the source
}

// NewLane returns a lane without sources that waits by a poller of its own. Run
// makes it work.
func NewLane(newPoller func() (packetio.Poller, error)) (*Lane, error) {
	poller, err := newPoller()
	if err != nil {
		return nil, fmt.Errorf("make lane: %w", err)
	}
	gatherer := new(packetio.Gatherer)
	return &Lane{
		poller:   poller,
		inbound:  inboundRun{gatherer: gatherer},
		received: packetio.NewReceiver(),
		outbound: outboundRun{
			sender:    packetio.NewSender(senderMessages),
			gatherer:  gatherer,
			batch:     packetio.NewBatch(esp.HeadroomMax, esp.TailroomMax),
			fragments: packetio.NewBatch(esp.HeadroomMax, esp.TailroomMax),
		},
	}, nil
}

// Run carries packets until ctx ends. It may be called again, but not twice at
// once.
func (l *Lane) Run(ctx context.Context) error {
	defer context.AfterFunc(ctx, l.poller.Wake)()
	for ctx.Err() == nil {
		var err error
		if l.keys, err = l.poller.Wait(l.keys[:0]); err != nil {
			return err
		}
		l.round()
	}
	return ctx.Err()
}

// round gives each readable source one turn: devices first, whose packets leave
// together and wait for nothing that has come in.
func (l *Lane) round() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.doPosted()
	l.turns(true)
	l.outbound.flush()
	l.turns(false)
}

// turns gives one turn to each source that sends, or that does not.
func (l *Lane) turns(send bool) {
	for _, key := range l.keys {
		s := l.sources[key]
		if s == nil || s.sends != send {
			continue // removed since the poller named it, or not yet
		}
		if err := s.turn(); err != nil {
			l.drop(key)
			s.failed <- err
		}
	}
}

// post has the lane do f before its next round, which begins at once. It waits for
// nobody.
func (l *Lane) post(f func()) {
	l.postedMu.Lock()
	l.posted = append(l.posted, f)
	l.postedMu.Unlock()
	l.poller.Wake()
}

// doPosted is called with mu held.
func (l *Lane) doPosted() {
	l.postedMu.Lock()
	posted := l.posted
	l.posted = nil
	l.postedMu.Unlock()
	for _, f := range posted {
		f()
	}
}

// Close frees the lane, which must have ended and have no sources.
func (l *Lane) Close() error { return l.poller.Close() }

// carry adds sources and waits until ctx ends, when it returns ctx's error, or
// one of them fails. When it returns they are not in use any more. The lane need
// not run yet.
func (l *Lane) carry(ctx context.Context, sources ...*source) error {
	failed := make(chan error, len(sources))
	for _, s := range sources {
		s.failed = failed
		if err := l.add(s); err != nil {
			return err
		}
		defer l.remove(s)
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case err := <-failed:
		return err
	}
}

func (l *Lane) add(s *source) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := slices.Index(l.sources, nil)
	if key < 0 {
		key = len(l.sources)
		l.sources = append(l.sources, nil)
	}
	if err := l.poller.Add(s.Source, key); err != nil {
		return err
	}
	l.sources[key] = s
	return nil
}

func (l *Lane) remove(s *source) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if key := slices.Index(l.sources, s); key >= 0 {
		l.drop(key)
	}
}

// assign counts tunnels and endpoints that have been made for the lane, or closed.
// Tests make some that no lane carries.
func (l *Lane) assign(n int32) {
	if l != nil {
		l.load.Add(n)
	}
}

// drop is called with mu held.
func (l *Lane) drop(key int) {
	// It fails for a source that is closed, which has left by itself.
	_ = l.poller.Remove(l.sources[key].Source)
	l.sources[key] = nil
}

// Lanes share tunnels between them.
type Lanes []*Lane

// LanesMax is more lanes than a machine has use for.
const LanesMax = 256

// DefaultLanes is one lane for each processor that Go may use, but for one: the
// kernel's part of the work (receiving, forwarding) is not done by lanes, and a
// lane that takes its processor from it makes all batches smaller.
func DefaultLanes() int { return max(1, runtime.GOMAXPROCS(0)-1) }

// NewLanes returns count lanes, or with 0 DefaultLanes of them.
func NewLanes(count int, newPoller func() (packetio.Poller, error)) (Lanes, error) {
	count = cmp.Or(count, DefaultLanes())
	lanes := make(Lanes, 0, count)
	for range count {
		lane, err := NewLane(newPoller)
		if err != nil {
			return nil, errors.Join(err, lanes.Close())
		}
		lanes = append(lanes, lane)
	}
	return lanes, nil
}

// Least returns the lane with the fewest tunnels and endpoints, of those that have
// been made and not closed. It waits for nobody: its caller may hold what a lane's
// callbacks wait for.
func (l Lanes) Least() *Lane {
	return slices.MinFunc(l, func(a, b *Lane) int { return cmp.Compare(a.load.Load(), b.load.Load()) })
}

// Close closes all lanes.
func (l Lanes) Close() error {
	var errs []error
	for _, lane := range l {
		errs = append(errs, lane.Close())
	}
	return errors.Join(errs...)
}
