package daemon

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/engine"
	"causeway.dev/ike/ikev2"
)

// SetPeers makes the peers be these: it adds, removes with notice to the peer,
// and restarts those whose configuration differs. A peer that can't be used
// keeps no other from it; the errors are joined.
func (d *Daemon) SetPeers(peers []ike.Peer) error {
	var errs []error
	wanted := map[ike.PeerID]bool{}
	var usable []ike.Peer
	for _, p := range peers {
		if err := validate(p); err != nil {
			errs = append(errs, err)
			continue
		}
		if wanted[p.ID] {
			errs = append(errs, fmt.Errorf("IKE peer %s: configured twice", p.ID))
			continue
		}
		wanted[p.ID] = true
		usable = append(usable, p)
	}
	errs = append(errs, d.change(func(now time.Time) {
		for id := range d.peers {
			if !wanted[id] {
				d.remove(now, id, reasonRemoved)
			}
		}
		for _, p := range usable {
			d.set(now, p)
		}
	}))
	return errors.Join(errs...)
}

// Reasons that end SAs, as the peer's operator is to read them.
const (
	reasonRemoved = "the tunnel has been removed"
	reasonChanged = "the tunnel's configuration has changed"
)

// SetPeer adds a peer, or restarts the peer of that ID if its configuration
// differs. If it is to be started, the first attempt begins at once.
func (d *Daemon) SetPeer(p ike.Peer) error {
	if err := validate(p); err != nil {
		return err
	}
	return d.change(func(now time.Time) { d.set(now, p) })
}

// MovePeer is SetPeer for a peer whose Local has changed. The loop calls before first:
// what it does comes between two events. If that fails nothing is set.
func (d *Daemon) MovePeer(p ike.Peer, before func() error) error {
	if err := validate(p); err != nil {
		return err
	}
	var refused error
	err := d.change(func(now time.Time) {
		if refused = before(); refused == nil {
			d.set(now, p)
		}
	})
	return errors.Join(err, refused)
}

// RemovePeer deletes all SAs with a peer and forgets it. When it returns, the
// notice to the peer has been sent once; it is repeated until it is answered.
func (d *Daemon) RemovePeer(id ike.PeerID) error {
	return d.change(func(now time.Time) { d.remove(now, id, reasonRemoved) })
}

// change has the loop call f unless the daemon is being stopped.
func (d *Daemon) change(f func(now time.Time)) error {
	var refused error
	err := d.do(func(now time.Time) {
		if d.stopping {
			refused = ErrStopped
			return
		}
		f(now)
	})
	return errors.Join(err, refused)
}

func (d *Daemon) set(now time.Time, config ike.Peer) {
	if old := d.peers[config.ID]; old != nil {
		if reflect.DeepEqual(old.config, config) {
			return
		}
		effect := effectOf(old.config, config)
		if effect == moves && d.gate.Command(now, config.ID, ike.Move{Local: config.Local}) != nil {
			effect = replaces
		}
		if effect != replaces && d.gate.SetPeer(config) == nil {
			if effect == moves {
				d.arrivals.remove(old.config)
				d.arrivals.add(config)
			}
			old.config = config
			d.takeEffect(now, old, effect)
			return
		}
		d.remove(now, config.ID, reasonChanged)
	}
	p := &peer{config: config}
	d.peers[config.ID] = p
	d.arrivals.add(config)
	d.gate.SetPeer(config)
	if config.Start {
		d.schedule(p, now)
	}
}

func (d *Daemon) remove(now time.Time, id ike.PeerID, reason string) {
	p := d.peers[id]
	if p == nil {
		return
	}
	delete(d.peers, id)
	d.arrivals.remove(p.config)
	d.gate.RemovePeer(now, id, reason)
}

// validate says what about p would make the engine fail later.
func validate(p ike.Peer) error {
	problem := func(format string, args ...any) error {
		return fmt.Errorf("IKE peer %s: %w", p.ID, fmt.Errorf(format, args...))
	}
	switch {
	case p.ID == "":
		return errors.New("IKE peer without an ID")
	case !p.Local.IsValid():
		return problem("no local address")
	case p.Remote.IsValid() && p.Remote.BitLen() != p.Local.BitLen():
		return problem("%v and %v are of different families", p.Local, p.Remote)
	case p.Start && !p.Remote.IsValid():
		return problem("can't be started without a remote address")
	}
	if err := ikev2.Validate(&p); err != nil {
		return problem("%w", err)
	}
	if _, err := versionsOf(p); err != nil {
		return problem("%w", err)
	}
	return nil
}

// Command asks the engine for something that concerns one peer. After
// ike.Terminate a peer that is to be started stays down until ike.Initiate.
func (d *Daemon) Command(id ike.PeerID, c ike.Command) error {
	var refused error
	err := d.do(func(now time.Time) {
		p := d.peers[id]
		if p == nil {
			refused = fmt.Errorf("%w: %s", ErrUnknownPeer, id)
			return
		}
		switch c.(type) {
		case ike.Initiate:
			p.retry.suspended = false
		case ike.Terminate:
			p.retry = retry{suspended: true}
		}
		refused = d.gate.Command(now, id, c)
	})
	return errors.Join(err, refused)
}

// A Status is what is known of a peer.
type Status struct {
	ike.Status

	// Datagrams is how many IKE datagrams have come to our address from the
	// peer's, authentic or not; LastDatagram is when the last one did. For a
	// peer that may have any address all senders count that no other peer is
	// configured for.
	Datagrams    uint64
	LastDatagram time.Time

	// IKE are those of them that came to UDP port 500, NATT those to 4500. Strays
	// is ESP from these addresses for an SA that nobody has, as far as it is looked
	// at.
	IKE, NATT, Strays Arrivals

	SendError   string    // why the latest datagram to the peer could not be sent; empty if it was
	NextAttempt time.Time // when the peer is initiated again; zero if nothing is planned
}

// Status returns what is known of a peer; of an unknown one, and after the
// daemon's end, the zero value.
func (d *Daemon) Status(id ike.PeerID) Status {
	var s Status
	d.do(func(time.Time) {
		p := d.peers[id]
		if p == nil {
			return
		}
		s = Status{Status: d.gate.Status(id), SendError: p.sendError, NextAttempt: p.retry.at}
		if a := d.arrivals[pairOf(p.config)]; a != nil {
			s.Datagrams, s.LastDatagram = a.ike.Count+a.natt.Count, engine.Latest(a.ike.Last, a.natt.Last)
			s.IKE, s.NATT, s.Strays = a.ike, a.natt, a.strays
		}
	})
	return s
}

// Drops counts the datagrams that were ignored, by reason.
func (d *Daemon) Drops() map[ike.Drop]uint64 {
	drops := map[ike.Drop]uint64{}
	if n := d.overflows.Load(); n > 0 {
		drops[DropQueueFull] = n
	}
	d.do(func(time.Time) {
		for reason, n := range d.drops {
			drops[reason] = n
		}
	})
	return drops
}

// arrivals counts what comes from the addresses of configured peers, and of no
// others: nobody can make it grow.
type arrivals map[pair]*arrival

type pair struct{ local, remote netip.Addr }

type arrival struct {
	users             int // peers with this pair of addresses
	ike, natt, strays Arrivals
}

// Arrivals count something, and say when the last of it came.
type Arrivals struct {
	Count uint64    `json:"count"`
	Last  time.Time `json:"last,omitzero"`
}

func (a *Arrivals) add(now time.Time) { a.Count, a.Last = a.Count+1, now }

// portNATT is where IKE goes with ESP: RFC 3948.
const portNATT = 4500

func pairOf(p ike.Peer) pair { return pair{p.Local, p.Remote} }

func (a arrivals) add(p ike.Peer) {
	if a[pairOf(p)] == nil {
		a[pairOf(p)] = new(arrival)
	}
	a[pairOf(p)].users++
}

func (a arrivals) remove(p ike.Peer) {
	seen := a[pairOf(p)]
	if seen.users--; seen.users == 0 {
		delete(a, pairOf(p))
	}
}

func (a arrivals) count(now time.Time, d ike.Datagram) {
	if seen := a.of(d.Local.Addr(), d.Remote.Addr()); seen != nil {
		if d.Local.Port() == portNATT {
			seen.natt.add(now)
		} else {
			seen.ike.add(now)
		}
	}
}

// of is whom a datagram counts for: the peer at this address, or whoever may have
// any.
func (a arrivals) of(local, remote netip.Addr) *arrival {
	if seen := a[pair{local, remote}]; seen != nil {
		return seen
	}
	return a[pair{local: local}]
}
