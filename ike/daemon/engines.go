package daemon

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/engine"
	"causeway.dev/ike/ikev1"
	"causeway.dev/ike/ikev2"
	"causeway.dev/ike/wire"
)

// A versionEngine is the IKE of one version. ikev1.Gate and ikev2.Gate say what
// the methods do.
type versionEngine interface {
	SetPeer(ike.Peer) error
	RemovePeer(now time.Time, id ike.PeerID, reason string)
	Receive(now time.Time, d ike.Datagram) ike.Drop
	Command(now time.Time, id ike.PeerID, c ike.Command) error
	Advance(now time.Time)
	Deadline() (time.Time, bool)
	TakeOutput() []ike.Output
	Status(ike.PeerID) ike.Status
	Closing() bool
	Pause()
	Busy() bool
	Outdate(now time.Time, id ike.PeerID)
	Freeze(now time.Time) []ike.Kept
	Thaw(now time.Time, kept ike.Kept) error
	Computed(now time.Time, c ike.Computation)
}

// An ikev2Engine does what only IKEv2 has as well.
type ikev2Engine interface {
	versionEngine
	StrayESP(now time.Time, local, remote netip.AddrPort, spi ike.SPI)
}

// engines are the engines of both versions as one: what arrives goes to that of
// its version, what is to begin with a peer to the version that is preferred, and
// what concerns SAs to the one that has them. A peer that allows both versions
// ends up with SAs of one.
type engines struct {
	v1    versionEngine
	v2    ikev2Engine
	peers map[ike.PeerID]*versioned
	pairs map[pair][]*versioned // by the addresses of the configuration
	out   []ike.Output
}

// versioned is what engines know of a peer.
type versioned struct {
	config  ike.Peer
	speaks  ike.Versions
	refused time.Time // when it last began with a version that it must not have
}

// refusedPause is how often a peer is told of that begins with a version that it
// must not have.
const refusedPause = time.Second

func newEngines(rand io.Reader) *engines {
	spis := engine.OwnSPIs{}
	return &engines{
		v1:    ikev1.NewGate(ikev1.Config{Rand: rand, SPIs: spis}),
		v2:    ikev2.NewGate(ikev2.Config{Rand: rand, SPIs: spis}),
		peers: map[ike.PeerID]*versioned{},
		pairs: map[pair][]*versioned{},
	}
}

// versionsOf are the versions that can be spoken with a peer: of those that its
// configuration allows the ones that its algorithms have.
func versionsOf(p ike.Peer) (ike.Versions, error) {
	switch unfit := ikev1.Validate(p); {
	case !p.Versions.Allows(ike.IKEv1):
		return ike.VersionsOf(ike.IKEv2), nil
	case unfit == nil:
		return p.Versions, nil
	case p.Versions.Allows(ike.IKEv2):
		return ike.VersionsOf(ike.IKEv2), nil
	default:
		return 0, unfit
	}
}

func (e *engines) of(v ike.Version) versionEngine {
	if v == ike.IKEv1 {
		return e.v1
	}
	return e.v2
}

var versions = []ike.Version{ike.IKEv2, ike.IKEv1}

// SetPeer adds a peer to the engines of its versions, or replaces its
// configuration.
func (e *engines) SetPeer(p ike.Peer) error {
	speaks, err := versionsOf(p)
	if err != nil {
		return fmt.Errorf("peer %s: %w", p.ID, err)
	}
	for _, v := range versions {
		if speaks.Allows(v) {
			if err := e.of(v).SetPeer(p); err != nil {
				return err
			}
		}
	}
	e.unlist(p.ID)
	known := &versioned{config: p, speaks: speaks}
	e.peers[p.ID] = known
	e.pairs[pairOf(p)] = append(e.pairs[pairOf(p)], known)
	return nil
}

func (e *engines) unlist(id ike.PeerID) {
	known := e.peers[id]
	if known == nil {
		return
	}
	delete(e.peers, id)
	addresses := pairOf(known.config)
	var rest []*versioned
	for _, other := range e.pairs[addresses] {
		if other != known {
			rest = append(rest, other)
		}
	}
	if e.pairs[addresses] = rest; len(rest) == 0 {
		delete(e.pairs, addresses)
	}
}

// RemovePeer deletes all SAs with a peer and forgets it.
func (e *engines) RemovePeer(now time.Time, id ike.PeerID, reason string) {
	for _, v := range versions {
		e.of(v).RemovePeer(now, id, reason)
	}
	e.collect(now)
	e.unlist(id)
}

// Receive hands a datagram to the engine of its version.
func (e *engines) Receive(now time.Time, d ike.Datagram) ike.Drop {
	h, err := wire.ParseHeader(d.Payload)
	if err != nil {
		return ike.DropMalformed
	}
	v := ike.Version(h.Major)
	if v != ike.IKEv1 && v != ike.IKEv2 {
		return ike.DropVersion
	}
	drop := e.of(v).Receive(now, d)
	if drop == ike.DropUnknownPeer && e.refuseVersion(now, d, v) {
		return ike.DropVersion
	}
	return drop
}

// refuseVersion tells of peers that begin with a version that they must not have,
// and reports whether there are any at these addresses.
func (e *engines) refuseVersion(now time.Time, d ike.Datagram, v ike.Version) bool {
	found := false
	for _, p := range e.pairs[pair{d.Local.Addr(), d.Remote.Addr()}] {
		if p.speaks.Allows(v) {
			continue
		}
		found = true
		if now.Sub(p.refused) < refusedPause || e.stands(p.config.ID, other(v)) {
			continue
		}
		p.refused = now
		e.out = append(e.out, ike.Output{Peer: p.config.ID, Event: ike.NegotiationFailed{Reason: reasonVersion(v, p.speaks), Remote: d.Remote}})
	}
	return found
}

func reasonVersion(begun ike.Version, speaks ike.Versions) string {
	return fmt.Sprintf("the peer begins with %v, this tunnel accepts %v only: change it on the peer, or allow %[1]v in the tunnel's options", begun, speaks)
}

func other(v ike.Version) ike.Version { return ike.IKEv1 + ike.IKEv2 - v }

// stands reports whether there is an SA of a version with a peer.
func (e *engines) stands(id ike.PeerID, v ike.Version) bool {
	s := e.of(v).Status(id)
	return s.Established || s.Child
}

// Command gives a command to the engine that it concerns.
func (e *engines) Command(now time.Time, id ike.PeerID, c ike.Command) error {
	p := e.peers[id]
	if p == nil {
		return fmt.Errorf("peer %q is not configured", id)
	}
	var has []ike.Version
	for _, v := range versions {
		if p.speaks.Allows(v) {
			has = append(has, v)
		}
	}
	switch c.(type) {
	case ike.Initiate, ike.Reauthenticate:
		for _, v := range has {
			if !e.stands(id, v) {
				continue
			}
			if _, anew := c.(ike.Reauthenticate); anew {
				return e.of(v).Command(now, id, c)
			}
			return nil
		}
		c = ike.Initiate{}
		return e.of(p.speaks.Preferred()).Command(now, id, c)
	case ike.Terminate, ike.InboundUsed:
		var errs []error
		for _, v := range has {
			errs = append(errs, e.of(v).Command(now, id, c))
		}
		return errors.Join(errs...)
	}
	for _, v := range has {
		if e.stands(id, v) {
			return e.of(v).Command(now, id, c)
		}
	}
	return errors.New("no IKE SA stands with the peer")
}

// Advance fires what is due.
func (e *engines) Advance(now time.Time) {
	for _, v := range versions {
		e.of(v).Advance(now)
	}
}

// Deadline is when Advance is next due; false if nothing is scheduled.
func (e *engines) Deadline() (time.Time, bool) {
	var next time.Time
	for _, v := range versions {
		if at, ok := e.of(v).Deadline(); ok {
			next = engine.Soonest(next, at)
		}
	}
	return next, !next.IsZero()
}

// TakeOutput hands over what the engines have produced since, in order.
func (e *engines) TakeOutput(now time.Time) []ike.Output {
	e.collect(now)
	out := e.out
	e.out = nil
	return out
}

// collect takes over what the engines have produced. Where a pair of one version
// comes to carry packets, what stands of the other ends: its peer speaks one
// version at a time.
func (e *engines) collect(now time.Time) {
	type carrier struct {
		id ike.PeerID
		by ike.Version
	}
	var carriers []carrier
	for _, v := range versions {
		for _, o := range e.of(v).TakeOutput() {
			// What one version tells of the end of everything is not so while
			// the other stands.
			if ends(o.Event) && e.stands(o.Peer, other(v)) {
				continue
			}
			e.out = append(e.out, o)
			if _, carries := o.Event.(ike.ChildActivated); carries {
				carriers = append(carriers, carrier{o.Peer, v})
			}
		}
	}
	// Now that nothing else is left in the engines, so that what an end brings
	// about is that peer's alone.
	for _, c := range carriers {
		if e.stands(c.id, c.by) && e.stands(c.id, other(c.by)) {
			e.replace(now, c.id, c.by)
		}
	}
}

func ends(e ike.Event) bool {
	switch e.(type) {
	case ike.Closed, ike.NegotiationFailed:
		return true
	}
	return false
}

// replace ends what stands of the other version than v.
func (e *engines) replace(now time.Time, id ike.PeerID, v ike.Version) {
	old := e.of(other(v))
	// It has just been seen to stand.
	_ = old.Command(now, id, ike.Terminate{Reason: fmt.Sprintf("the peer speaks %v now", v)})
	for _, o := range old.TakeOutput() {
		if !ends(o.Event) {
			e.out = append(e.out, o)
		}
	}
}

// Status returns what stands with a peer.
func (e *engines) Status(id ike.PeerID) ike.Status {
	for _, v := range versions {
		if e.stands(id, v) {
			return e.of(v).Status(id)
		}
	}
	s := e.v2.Status(id)
	s.Connecting = s.Connecting || e.v1.Status(id).Connecting
	return s
}

// Computed goes on with what waited for a computation: the engine that has not handed
// it out does not know it.
func (e *engines) Computed(now time.Time, c ike.Computation) {
	e.v1.Computed(now, c)
	e.v2.Computed(now, c)
}

// Closing reports whether a graceful stop has to wait.
func (e *engines) Closing() bool { return e.v1.Closing() || e.v2.Closing() }
