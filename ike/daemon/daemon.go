// Package daemon drives the IKE engine: it gives it the clock, randomness, the
// datagrams that arrive and the owner's commands, and carries out what comes
// out. Peers that are to be initiated it tries again for ever.
//
//	d, err := daemon.New(daemon.Config{Send: endpoint.SendIKE, Events: install, Logger: logger})
//	group.Go("ike", d.Run)
//	d.SetPeer(peer)
//	endpoint, err := tunnel.Listen(tunnel.EndpointConfig{Local: peer.Local, IKE: d.Receive})
//	…
//	d.Stop(ctx)
package daemon

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/wire"
	"causeway.dev/internal/run"
)

// ErrStopped is returned by calls that come after the daemon's end.
var ErrStopped = errors.New("IKE daemon has stopped")

// ErrUnknownPeer is returned by commands for a peer that is not configured.
var ErrUnknownPeer = errors.New("no such IKE peer")

const (
	// queueLength bounds each queue of datagrams that wait for the loop,
	// queueOctetsMax both together; first messages have half of that. A thousand
	// take the loop some seconds at worst, when all begin a handshake; what comes
	// later its sender had better retransmit.
	queueLength    = 1024
	queueOctetsMax = 4 << 20
	firstOctetsMax = queueOctetsMax / 2
)

// DropQueueFull counts datagrams that came faster than the engine takes them.
const DropQueueFull ike.Drop = "queue-full"

// Config is what a Daemon needs of its owner.
type Config struct {
	// Send sends a datagram from local to remote; if local's port is 4500 it
	// adds the non-ESP marker. It must not block. Errors are counted and
	// shown in Status: IKE retransmits.
	Send func(local, remote netip.AddrPort, datagram []byte) error

	// Events is called from the loop, in order; the datagrams that follow
	// from an event leave only after it has returned. It must not call the
	// daemon's methods, which wait for the loop, except Receive.
	Events func(ike.PeerID, ike.Event)

	Logger *slog.Logger
	Rand   io.Reader // default crypto/rand.Reader
}

// A Daemon runs IKE with a set of peers. Its methods are safe for concurrent
// use; but for Receive and StrayESP they wait until the loop, that is Run, has done what they
// ask, and what follows from it has been sent and told.
type Daemon struct {
	cfg       Config
	calls     chan func(now time.Time) // unbuffered: a call taken is a call carried out
	datagrams chan ike.Datagram        // of SAs and attempts that are under way
	firsts    chan ike.Datagram        // first messages, which anybody can send at any rate
	strays    chan stray
	queued    atomic.Int64  // octets in datagrams and firsts
	overflows atomic.Uint64 // datagrams dropped before the loop
	done      chan struct{} // closed by Run at its end

	// owned by Run
	gate     *engines
	peers    map[ike.PeerID]*peer
	arrivals arrivals
	retries  retries
	drops    map[ike.Drop]uint64
	stopping bool
	handOver *handOver

	computations computations
}

// peer is what the daemon knows of a peer beside the engine.
type peer struct {
	config    ike.Peer
	retry     retry
	sendError string // of the latest datagram to the peer
	met       bool   // a child SA has stood
	regained  time.Time
}

// New returns a daemon without peers. It does nothing before Run.
func New(cfg Config) (*Daemon, error) {
	if cfg.Send == nil || cfg.Events == nil || cfg.Logger == nil {
		return nil, errors.New("IKE daemon without Send, Events or Logger")
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	return &Daemon{
		cfg:       cfg,
		calls:     make(chan func(time.Time)),
		datagrams: make(chan ike.Datagram, queueLength),
		firsts:    make(chan ike.Datagram, queueLength),
		strays:    make(chan stray, strayQueueLength),
		done:      make(chan struct{}),
		gate:      newEngines(cfg.Rand),
		peers:     map[ike.PeerID]*peer{},
		arrivals:  arrivals{},
		drops:     map[ike.Drop]uint64{},

		computations: newComputations(),
	}, nil
}

// Run is the loop. It ends when ctx does, without a word to the peers, or in
// order after Stop.
func (d *Daemon) Run(ctx context.Context) error {
	defer close(d.done)
	group := run.New(ctx)
	defer func() {
		group.Stop(nil)
		_ = group.Wait() // workers fail never
	}()
	for range workers() {
		group.Go("IKE key agreements", d.computations.compute)
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for !d.over() {
		timer.Stop()
		if due, ok := d.deadline(); ok {
			timer.Reset(time.Until(due))
		}
		computation, work := d.computations.next()
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case work <- computation:
			d.computations.begun()
		case computed := <-d.computations.done:
			d.computed(time.Now(), computed)
		case call := <-d.calls:
			call(time.Now())
		case datagram := <-d.datagrams:
			d.receive(time.Now(), datagram)
		case datagram := <-d.firsts:
			d.receive(time.Now(), datagram)
		case s := <-d.strays:
			d.strayed(time.Now(), s)
		case <-timer.C:
			d.advance(time.Now())
		}
		d.settle()
	}
	return nil
}

// computed goes on with what a worker has done.
func (d *Daemon) computed(now time.Time, c ike.Computation) {
	d.gate.Computed(now, c)
	d.carryOut(now)
}

// do has the loop call f.
func (d *Daemon) do(f func(now time.Time)) error {
	finished := make(chan struct{})
	call := func(now time.Time) {
		f(now)
		d.carryOut(now)
		close(finished)
	}
	select {
	case d.calls <- call:
		<-finished
		return nil
	case <-d.done:
		return ErrStopped
	}
}

// Receive takes a datagram that arrived at local from remote, without the
// non-ESP marker of port 4500. It copies the datagram and never blocks: what the
// loop can't keep up with is dropped and counted. A flood of first messages takes
// turns with what belongs to SAs that stand and attempts that have been answered, and
// takes none of their room.
func (d *Daemon) Receive(local, remote netip.AddrPort, datagram []byte) {
	size, queue, most := int64(len(datagram)), d.datagrams, int64(queueOctetsMax)
	if h, err := wire.ParseHeader(datagram); err != nil || h.SPIr == 0 {
		queue, most = d.firsts, firstOctetsMax
	}
	if d.queued.Add(size) > most {
		d.queued.Add(-size)
		d.overflows.Add(1)
		return
	}
	select {
	case queue <- ike.Datagram{Local: local, Remote: remote, Payload: bytes.Clone(datagram)}:
	default:
		d.queued.Add(-size)
		d.overflows.Add(1)
	}
}

func (d *Daemon) receive(now time.Time, datagram ike.Datagram) {
	d.queued.Add(-int64(len(datagram.Payload)))
	d.arrivals.count(now, datagram)
	if reason := d.gate.Receive(now, datagram); reason != ike.Accepted {
		d.drops[reason]++
	}
	d.carryOut(now)
}

// advance begins at most one attempt: a key pair takes up to 2 ms here, and where
// a thousand peers are due the loop has to hear them meanwhile.
func (d *Daemon) advance(now time.Time) {
	d.gate.Advance(now)
	d.carryOut(now)
	if id, due := d.retries.pop(now); due {
		if p := d.peers[id]; p != nil && p.retry.due(now) {
			d.initiate(now, p)
		}
	}
}

// deadline is when advance has something to do.
func (d *Daemon) deadline() (time.Time, bool) {
	due, ok := d.gate.Deadline()
	if at, waiting := d.retries.next(); waiting && (!ok || at.Before(due)) {
		return at, true
	}
	return due, ok
}

// carryOut does what the engine asks for, in its order.
func (d *Daemon) carryOut(now time.Time) {
	for _, output := range d.gate.TakeOutput(now) {
		if output.Event != nil {
			d.observe(now, output.Peer, output.Event)
			d.cfg.Events(output.Peer, output.Event)
			continue
		}
		if output.Computation != nil {
			d.computations.add(output)
			continue
		}
		d.send(output.Peer, output.Datagram)
	}
}

func (d *Daemon) send(id ike.PeerID, datagram ike.Datagram) {
	problem := ""
	if err := d.cfg.Send(datagram.Local, datagram.Remote, datagram.Payload); err != nil {
		problem = err.Error()
	}
	p := d.peers[id]
	if p == nil || p.sendError == problem {
		return
	}
	p.sendError = problem
	if problem != "" {
		d.cfg.Logger.Warn("IKE datagram not sent", "tunnel", string(id), "remote", datagram.Remote, "err", problem)
	}
}

// Stop deletes all SAs with notice to the peers and waits for their answers until
// ctx ends. Run ends when the last answer has come or has been given up.
func (d *Daemon) Stop(ctx context.Context) error {
	err := d.do(func(now time.Time) {
		d.stopping = true
		for id := range d.peers {
			d.remove(now, id, "shut down")
		}
	})
	if err != nil {
		return err
	}
	select {
	case <-d.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the peers to confirm that their SAs are deleted: %w", context.Cause(ctx))
	}
}
