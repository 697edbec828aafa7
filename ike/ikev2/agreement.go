package ikev2

import (
	"errors"
	"slices"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/keys"
	"causeway.dev/ike/wire"
)

// Key agreements that take long are not computed here but handed out, so that
// other peers do not wait for them. What needs one stops before it has changed
// anything: a request is held, and handled from its beginning when the agreement is
// there, as if it had come only then; likewise a response. To the peer it looks
// like a slow network, and so all that is said of crossing messages holds.

// A waiting computation is what goes on when it has been done.
type waiting struct {
	session *session
	initial bool // of an IKE_SA_INIT request that anybody may have sent
	then    func(now time.Time)
}

const (
	// From computingCookies agreements for half-open SAs on cookies are demanded,
	// and beyond computingMax a request for another is dropped. One takes up to
	// some 50 ms of a processor: those who wait are served within a few seconds,
	// or know that they have to try again.
	computingCookies = 8
	computingMax     = 64
)

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
	s := w.session
	if s.phase == ended {
		a.Wipe()
		return
	}
	g.attempt(s, func() {
		s.agreed = a
		w.then(now)
		if s.agreed != nil { // it was not needed any more
			s.agreed.Wipe()
			s.agreed = nil
		}
		s.pump(now)
	})
}

// handOut lets a computation be done elsewhere. When then is called, it is in
// s.agreed.
func (s *session) handOut(a *keys.Agreement, initial bool, then func(now time.Time)) {
	s.gate.computing[a] = waiting{s, initial, then}
	if initial {
		s.gate.computingInitial++
	}
	s.gate.out = append(s.gate.out, Output{Peer: s.id(), Computation: a, Urgent: s.phase == established})
}

// busy reports whether too much is being computed for another half-open SA; cookie,
// whether its initiator has to show first that it is there.
func (g *Gate) busy(group ike.Group, reserved bool) (busy, cookie bool) {
	most := computingMax
	if reserved {
		most *= 2 // strangers can't take the room of configured addresses
	}
	return g.costly(group) && g.computingInitial >= most, g.computingInitial >= computingCookies
}

// agree makes our half of an exchange with the peer's value, and the secret. If that
// takes long, ready is false and s.wanted is what has to be computed.
func (s *session) agree(group ike.Group, peer []byte) (dh *keys.DH, shared ike.Secret, ready bool, err error) {
	if a := s.agreed; a != nil && a.Of(group, peer) {
		s.agreed = nil
		shared, err = a.Shared()
		return a.DH(), shared, true, err
	}
	dh = s.gate.newDH(group)
	if s.gate.costly(group) {
		s.wanted = dh.Agree(peer)
		dh.Wipe()
		return nil, nil, false, nil
	}
	shared, err = dh.Shared(peer)
	return dh, shared, true, err
}

// shared completes an exchange that we began.
func (s *session) shared(dh *keys.DH, peer []byte) (ike.Secret, error) {
	if a := s.agreed; a != nil && a.Of(dh.Group(), peer) {
		return a.Shared()
	}
	return dh.Shared(peer)
}

// hold keeps a request until what it needs has been computed.
func (s *session) hold(sa *ikeSA, d Datagram, message wire.Message) {
	a := s.wanted
	s.wanted, sa.held = nil, true
	s.handOut(a, false, func(now time.Time) {
		sa.held = false
		if slices.Contains(s.sas, sa) && sa.state != saClosed {
			s.receiveRequest(now, sa, d, message, nil)
		}
	})
}

// holdResponse keeps a response until the agreement that it completes has been
// computed, and reports whether it does.
func (s *session) holdResponse(sa *ikeSA, e *exchange, message wire.Message, m parts) bool {
	t, ok := e.task.(agreeing)
	if !ok || e.held {
		return false
	}
	dh := t.pair().dh
	if dh == nil || m.failure() != nil || m.ke == nil || m.ke.Group != dh.Group() || !s.gate.costly(dh.Group()) {
		return false
	}
	e.held = true
	s.handOut(dh.Agree(m.ke.Data), false, func(now time.Time) {
		if sa.pending == e {
			s.receiveResponse(now, sa, message, nil)
		}
	})
	return true
}

// An agreeing task has a key pair of its own.
type agreeing interface {
	task
	pair() *keyPair
}

// A keyPair is that of a request of ours.
type keyPair struct {
	group  ike.Group // or GroupNone
	dh     *keys.DH  // once it is made
	making bool
}

func (k *keyPair) pair() *keyPair { return k }

// agreed completes the exchange with the peer's answer.
func (k *keyPair) agreed(s *session, m parts) (ike.Secret, error) {
	if k.dh == nil || m.ke == nil || m.ke.Group != k.dh.Group() {
		return nil, errors.New("no KE payload of the group that was begun with")
	}
	return s.shared(k.dh, m.ke.Data)
}

// take makes the pair unless it is there.
func (k *keyPair) take(g *Gate) *keys.DH {
	if k.dh == nil {
		k.dh = g.newDH(k.group)
	}
	return k.dh
}

func (k *keyPair) wipe() {
	if k.dh != nil {
		k.dh.Wipe()
	}
}

// prepared reports whether a task that waits in the queue can be started: its key
// pair may have to be made first.
func (s *session) prepared(t task) bool {
	keyed, ok := t.(agreeing)
	if !ok {
		return true
	}
	k := keyed.pair()
	if k.dh != nil || k.group == ike.GroupNone || !s.gate.costly(k.group) {
		return true
	}
	if !k.making {
		k.making = true
		dh := s.gate.newDH(k.group)
		s.handOut(dh.Agree(nil), false, func(time.Time) {
			if slices.Contains(s.queue, t) {
				k.dh = s.agreed.DH()
				s.agreed = nil
			}
		})
		dh.Wipe()
	}
	return false
}

// beginInit makes the key pair of an IKE_SA_INIT request, and sends it.
func (s *session) beginInit(now time.Time, group ike.Group) {
	i := s.init
	dh := s.gate.newDH(group)
	if !s.gate.costly(group) {
		i.dh = dh
		s.sendInit(now)
		return
	}
	i.dh, s.endAt = nil, time.Time{}
	s.handOut(dh.Agree(nil), false, func(now time.Time) {
		if s.phase == connecting && s.init == i {
			i.dh = s.agreed.DH()
			s.agreed = nil
			s.sendInit(now)
		}
	})
	dh.Wipe()
}

// holdInitResponse keeps a response to IKE_SA_INIT until its agreement has been
// computed, and reports whether it does.
func (s *session) holdInitResponse(d Datagram, response []byte, h wire.Header, m parts) bool {
	i := s.init
	if s.agreed != nil || !s.gate.costly(i.dh.Group()) {
		return false
	}
	i.computing = append(i.computing, h.SPIr)
	s.handOut(i.dh.Agree(m.ke.Data), false, func(now time.Time) {
		i.computing = slices.DeleteFunc(i.computing, func(spi uint64) bool { return spi == h.SPIr })
		if s.phase == connecting && s.init == i {
			s.pursue(now, d, response, h, m)
		}
	})
	return true
}
