package ikev1

import (
	"slices"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/keys"
)

// Key agreements that take long are not computed here but handed out, so that other
// peers do not wait for them. What needs one stops, and goes on when it is there; to
// the peer it looks like a slow network. Meanwhile the message that led to it is
// dropped if it comes again.

// A waiting computation is what goes on when it has been done.
type waiting struct {
	actor   actor
	initial bool // of a main mode that anybody may have begun
	then    func(now time.Time, a *keys.Agreement) (taken bool)
}

// computingMax bounds the agreements for main modes of strangers, each of whom has
// shown that it is where it says it is; configured addresses have as much again. One
// takes up to some 50 ms of a processor: those who wait are served within a few
// seconds, or know that they have to try again.
const computingMax = 64

// Computed takes back a computation of TakeOutput's after it has been done.
func (g *Gate) Computed(now time.Time, c ike.Computation) {
	a, ok := c.(*keys.Agreement)
	w, known := g.computing[a]
	if !ok || !known {
		return
	}
	delete(g.computing, a)
	if w.initial {
		g.computingInitial--
	}
	g.attempt(now, w.actor, func() {
		if !w.then(now, a) {
			a.Wipe()
		}
	})
}

// handOut lets a computation be done elsewhere.
func (g *Gate) handOut(id ike.PeerID, a *keys.Agreement, w waiting) {
	g.computing[a] = w
	if w.initial {
		g.computingInitial++
	}
	_, urgent := w.actor.(*session)
	g.out = append(g.out, ike.Output{Peer: id, Computation: a, Urgent: urgent})
}

// busy reports whether too much is being computed to begin another main mode's.
func (n *negotiation) busy() bool {
	most := computingMax
	if n.candidates[0].Remote.IsValid() {
		most *= 2 // strangers can't take the room of configured addresses
	}
	return n.gate.computingInitial >= most
}

// compute has an agreement of the negotiation's computed, here if that is soon done,
// and goes on with it.
func (n *negotiation) compute(now time.Time, peer []byte, then func(now time.Time, shared ike.Secret, err error)) {
	g, group := n.gate, n.proposal.Group
	if n.dh == nil {
		n.dh = g.newDH(group)
	}
	if !g.costly(group) {
		var shared ike.Secret
		var err error
		if peer != nil {
			shared, err = n.dh.Shared(peer)
		}
		then(now, shared, err)
		return
	}
	n.computing = true
	g.handOut(n.id(), n.dh.Agree(peer), waiting{n, !n.initiator, func(now time.Time, a *keys.Agreement) bool {
		if n.ended {
			return false
		}
		n.computing = false
		n.dh.Wipe()
		n.dh = a.DH()
		shared, err := a.Shared()
		then(now, shared, err)
		return true
	}})
}

// prepare has the key pair of a quick mode of ours computed, which is begun then.
func (s *session) prepare(dh *keys.DH, old *child, groups []ike.Group) {
	making := &quickMode{old: old, groups: groups}
	s.making = making
	s.gate.handOut(s.peer.ID, dh.Agree(nil), waiting{s, false, func(now time.Time, a *keys.Agreement) bool {
		if s.making != making {
			return false
		}
		s.making = nil
		if old != nil && old.state != childUp {
			s.childless(now) // there is nothing to replace any more
			return false
		}
		return s.begin(now, old, groups, a.DH())
	}})
	dh.Wipe()
}

// agree makes our half of an agreement with the peer's value, and the secret; both are
// the caller's to wipe. Where that takes long it is handed out, ready is false, and
// then is called with it later.
func (s *session) agree(a *keys.Agreement, group ike.Group, peer []byte, then func(now time.Time, a *keys.Agreement) bool) (dh *keys.DH, shared ike.Secret, ready bool, err error) {
	if a != nil && a.Of(group, peer) {
		shared, err = a.Shared()
		return a.DH(), shared, true, err
	}
	dh = s.gate.newDH(group)
	if !s.gate.costly(group) {
		shared, err = dh.Shared(peer)
		return dh, shared, true, err
	}
	s.gate.handOut(s.peer.ID, dh.Agree(peer), waiting{s, false, then})
	dh.Wipe()
	return nil, nil, false, nil
}

// stands reports whether an ISAKMP SA is still one of the session's.
func (s *session) stands(sa *isakmpSA) bool { return slices.Contains(s.sas, sa) }
