package ikev1

import (
	"net/netip"
	"slices"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/diagnosis"
	"causeway.dev/ike/engine"
	"causeway.dev/ike/wire"
	"causeway.dev/ike/wire/isakmp"
)

// A child is one pair of ESP SAs. Its keys are with the owner alone.
//
//	offered ──message 3, or a packet──> up ──another is used──> replaced ──> deleted ──> gone
//	   └──nothing comes──> gone          └──DELETE, lifetime───────────────────┘
type child struct {
	in, out       ike.SPI
	state         childState
	initiator     bool // of its quick mode
	local, remote []netip.Prefix
	extended      bool // its sequence numbers are
	installed     time.Time

	activateAt time.Time // packets leave by it at the latest then
	rekeyAt    time.Time // zero: not, or not any more
	deleteAt   time.Time // of a replaced one
	expiresAt  time.Time // hard end; of a deleted one the end of the hold
}

type childState uint8

const (
	childOffered childState = iota // the peer may not have it yet
	childUp
	childReplaced
	childDeleted // takes packets that were under way, no more
)

const (
	// activateDelay is how long packets go on by the old pair after a quick
	// mode of ours: its last message is not answered, and the responder may
	// install the new pair only when that has come. A packet by the new pair
	// shows it sooner.
	activateDelay = time.Second

	// overlap is how long the initiator of a rekey leaves the old pair
	// standing, replacedLifetime how long its responder does if no DELETE
	// comes: some peers use an old pair until they are told.
	overlap          = 5 * time.Second
	replacedLifetime = time.Minute

	// inboundHold is how long an inbound SA still takes packets that a
	// reordering network delivers after the DELETE.
	inboundHold = 5 * time.Second
)

// install hands a new pair to the owner, which takes packets by it from now on.
func (s *session) install(now time.Time, c *child, e ike.ChildSA, lifetime time.Duration) {
	c.in, c.out, c.local, c.remote, c.installed = e.Inbound, e.Outbound, e.LocalSelectors, e.RemoteSelectors, now
	c.extended = e.Proposal.ExtendedSequence
	lifetime = agreedLifetime(engine.OrDefault(s.peer.ChildLifetime, engine.ChildLifetimeDefault), lifetime)
	c.rekeyAt, c.expiresAt = engine.RekeyTime(s.gate.rand, now, s.peer, lifetime), now.Add(lifetime)
	e.ReplayWindow = engine.OrDefault(s.peer.ReplayWindow, engine.ReplayWindowDefault)
	e.Established, e.RekeyAt, e.ExpiresAt = now, c.rekeyAt, c.expiresAt
	s.children = append(s.children, c)
	s.emit(ike.ChildInstalled{Child: e})
}

// activate lets packets leave by a pair that the peer is known to have. What is
// older is replaced: the initiator of a rekey deletes it.
func (s *session) activate(now time.Time, c *child) {
	c.activateAt = time.Time{}
	if c.state == childOffered {
		c.state = childUp
	}
	if s.active != c {
		s.active = c
		s.emit(ike.ChildActivated{Outbound: c.out})
	}
	wait := replacedLifetime
	if c.initiator {
		wait = overlap
	}
	for _, old := range s.children[:slices.Index(s.children, c)] {
		if old.state == childUp {
			s.replace(old, now.Add(wait))
		}
	}
}

func (s *session) replace(old *child, deleteAt time.Time) {
	old.state, old.rekeyAt, old.activateAt, old.deleteAt = childReplaced, time.Time{}, time.Time{}, deleteAt
}

// inboundUsed: a packet by a new pair shows that the peer has it.
func (s *session) inboundUsed(now time.Time, in ike.SPI) {
	c := s.child(func(c *child) bool { return c.in == in })
	if c == nil || c == s.active || c.state > childUp {
		return
	}
	// A packet by an older pair than the active one is only late.
	if s.active == nil || slices.Index(s.children, c) > slices.Index(s.children, s.active) {
		s.activate(now, c)
	}
}

// rekeyChild replaces a pair by a quick mode, unless there is a newer one already.
func (s *session) rekeyChild(now time.Time, c *child) {
	c.rekeyAt = time.Time{}
	if c.state == childUp && c == s.heir() {
		s.quick(now, c, groupsESP(s.peer))
	}
}

// sendDeletes tells the peer that it can forget pairs, by the SPIs that we
// receive by.
func (s *session) sendDeletes(now time.Time, sa *isakmpSA, children ...*child) {
	d := &isakmp.Delete{Protocol: wire.ProtocolESP}
	for _, c := range children {
		if c.state != childDeleted {
			d.SPIs = append(d.SPIs, spiOctets(c.in))
		}
	}
	if len(d.SPIs) > 0 {
		s.bid(now, sa.inform(d))
	}
}

// deleteChild ends a pair that has been replaced, with notice to the peer, and
// takes what is under way a while longer. If what replaced it is gone, it counts
// again.
func (s *session) deleteChild(now time.Time, c *child) {
	c.deleteAt = time.Time{}
	if s.heir() == nil {
		c.state, c.rekeyAt = childUp, s.retryTime(now)
		s.activate(now, c)
		return
	}
	if sa := s.current(); sa != nil {
		s.sendDeletes(now, sa, c)
	}
	c.state, c.expiresAt = childDeleted, now.Add(inboundHold)
}

// deletedByPeer acts on a DELETE for a pair. Packets go on by what is left.
func (s *session) deletedByPeer(now time.Time, c *child) {
	replaced := c.state == childReplaced
	c.state, c.rekeyAt, c.activateAt, c.deleteAt = childDeleted, time.Time{}, time.Time{}, time.Time{}
	if s.active == c || s.active == nil {
		s.goOn(now)
	}
	if replaced && s.active != nil && s.active != c {
		c.expiresAt = now.Add(inboundHold)
		return
	}
	s.removeChild(c, diagnosis.PeerDeletedChild)
	s.childless(now)
}

// goOn lets packets leave by the best of the pairs that are left. Where rekeys
// crossed, one that we have replaced may be what the peer sends by, and comes before
// one that has only just been offered.
func (s *session) goOn(now time.Time) {
	next, replaced := s.heir(), s.newest(childReplaced)
	early := next == nil || next.state == childOffered && now.Before(next.installed.Add(activateDelay))
	if early && replaced != nil {
		next = replaced
		next.state, next.deleteAt, next.rekeyAt = childUp, time.Time{}, s.retryTime(now)
	}
	if next != nil {
		s.activate(now, next)
	}
}

// expire: an SA is not used beyond its lifetime, whether or not the peer agrees.
func (s *session) expire(now time.Time, c *child) {
	reason := diagnosis.ChildReplaced
	if c.state != childDeleted {
		reason = diagnosis.ChildLifetime
		if sa := s.current(); sa != nil {
			s.sendDeletes(now, sa, c)
		}
	}
	s.removeChild(c, reason)
	if s.active == nil {
		s.goOn(now)
	}
	s.childless(now)
	s.close(reason)
}

// removeChild tells the owner that a pair is gone.
func (s *session) removeChild(c *child, reason string) {
	s.children = slices.DeleteFunc(s.children, func(have *child) bool { return have == c })
	s.gate.spis.Release(c.in)
	if s.active == c {
		s.active = nil
	}
	s.emit(ike.ChildRemoved{Inbound: c.in, Outbound: c.out, Reason: reason})
}

// heir is the newest pair that packets may leave by, or nil.
func (s *session) heir() *child {
	if c := s.newest(childUp); c != nil {
		return c
	}
	return s.newest(childOffered)
}

func (s *session) newest(state childState) *child {
	for _, c := range slices.Backward(s.children) {
		if c.state == state {
			return c
		}
	}
	return nil
}

func (s *session) child(is func(*child) bool) *child {
	if i := slices.IndexFunc(s.children, is); i >= 0 {
		return s.children[i]
	}
	return nil
}

// childless ends ISAKMP SAs without a pair where it is ours to begin anew. A peer
// that is to begin may make a pair on the ISAKMP SA that stands.
func (s *session) childless(now time.Time) {
	alive := slices.ContainsFunc(s.children, func(c *child) bool { return c.state != childDeleted })
	if alive || !s.peer.Start || s.attempt != nil || s.wanted != nil || s.making != nil || s.own() != nil || s.current() == nil {
		return
	}
	s.terminate(now, diagnosis.NoChild)
}
