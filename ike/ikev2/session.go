package ikev2

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/diagnosis"
	"causeway.dev/ike/engine"
	"causeway.dev/ike/keys"
	"causeway.dev/ike/wire"
)

// A session is the lineage of one IKE SA: the SA, its successors, and their one
// child SA with its successors.
//
//	connecting ──IKE_AUTH──> established ──DELETE, dead peer, lifetime──> ending ──> ended
//	     └───refused, no answer, given up───────────────────────────────────┴──────────┘
//
// In ending nothing is left of the SAs but the duty to see a DELETE through, or
// to answer the retransmissions of a request whose answer may have been lost.
type session struct {
	engine.Entry // in gate's schedule

	gate  *Gate
	phase phase

	// peer is known from the start to the initiator, from IKE_AUTH on to the
	// responder; until then candidates are the peers that it may be.
	peer       *ike.Peer
	candidates []*ike.Peer

	// agreed is a key agreement that has been computed, while what waited for it
	// goes on; wanted one without which a request can't be answered.
	agreed, wanted *keys.Agreement

	following *following // what the peer's CREATE_CHILD_SA is to be completed by

	initiator     bool // of the first IKE SA
	provedBy      engine.ProvedBy
	outdated      time.Time // since when the peer's configuration is another than it was made by; zero: it is not
	graceEnd      time.Time // when the session ends since its key or configuration is no longer valid
	created       time.Time
	establishedAt time.Time
	nonceLow      []byte      // the lower nonce of IKE_SA_INIT: settles crossing attempts
	init          *initiation // initiator, connecting
	acceptance    *acceptance // responder, connecting
	origin        initOrigin  // responder: of its IKE_SA_INIT request

	sas      []*ikeSA // all that still have something to say
	current  *ikeSA   // the one of sas that counts, once established
	children []*childSA
	active   *childSA // the one that packets leave by
	queue    []task   // to be started on current, in order

	path       ike.Path
	nat        NAT
	mobike     bool // the initiator may change its addresses, RFC 4555
	remoteID   ike.Identity
	hintedAt   time.Time // when somebody last said that the peer has lost the session
	askedAt    time.Time // when that last led to a question
	pairToldAt time.Time // when it was last told that the peer wants a second pair
	chain      [][]byte  // what the peer has proved itself with, until it is told
	confirmed  bool      // the peer is known to have the session, too
	superseded bool      // an attempt of ours: the peer's own, which stands, is to replace it
	lastHeard  time.Time // last authenticated message or ESP packet
	endAt      time.Time // when connecting, ending or a doomed duplicate is over

}

type phase uint8

const (
	connecting phase = iota
	established
	ending
	ended
)

func (p phase) String() string {
	return [...]string{"connecting", "established", "ending", "ended"}[p]
}

var phaseNext = [...][]phase{
	connecting:  {established, ending, ended},
	established: {ending, ended},
	ending:      {ended},
	ended:       {},
}

// setPhase is the only place that moves a session on.
func (s *session) setPhase(next phase) {
	if !slices.Contains(phaseNext[s.phase], next) {
		panic(fault{s, fmt.Sprintf("session goes from %v to %v", s.phase, next)})
	}
	s.gate.admission.leave(s, next)
	s.phase = next
}

const (
	// connectTimeout bounds IKE_SA_INIT and IKE_AUTH each; a half-open SA of
	// a responder lives as long.
	connectTimeout = 30 * time.Second

	// errorGrace is how long an initiator goes on after an unauthenticated
	// error. RFC 7296 section 2.21.1: the true answer may still come.
	errorGrace = 3 * time.Second

	// lingerTime is how long answers to retransmissions are kept after the
	// end of an SA: most of a peer's retransmissions fit into it.
	lingerTime = 20 * time.Second

	// terminateTimeout bounds the sending of our own DELETE.
	terminateTimeout = 10 * time.Second

	// replacedLifetime is how long an IKE SA that has been replaced waits for
	// the DELETE that the peer owes.
	replacedLifetime = 90 * time.Second
)

// receive handles a datagram whose header names one of the session's SPIs.
func (s *session) receive(now time.Time, d Datagram, h wire.Header) Drop {
	if h.Exchange == wire.IKESAInit {
		if h.Flags.Response() {
			return s.receiveInitResponse(now, d)
		}
		return ike.DropUnexpected
	}
	sa := s.find(h)
	if sa == nil {
		return ike.DropUnknownSPI
	}
	// Cheap checks come before the expensive one.
	retransmitted := false
	switch {
	case h.Flags.Response():
		if sa.pending == nil || h.MessageID != sa.pending.id {
			return ike.DropMessageID
		}
		if h.Exchange != sa.pending.exchange {
			return ike.DropUnexpected
		}
		if sa.pending.held {
			return ike.DropRetransmitted
		}
	case h.MessageID == sa.expectID:
		if sa.state == saClosed {
			return ike.DropClosed
		}
		if sa.held {
			return ike.DropRetransmitted
		}
		initial := h.Exchange == wire.IKEAuth || h.Exchange == wire.IKEIntermediate
		if initial != (sa.state == saHalfOpen) || initial && (sa.initiator || h.Exchange != sa.nextExchange()) {
			return ike.DropUnexpected
		}
	case h.MessageID == sa.expectID-1 && sa.reply != nil:
		retransmitted = true
	default:
		return ike.DropMessageID
	}
	if retransmitted {
		return s.answerAgain(sa, d, h)
	}
	if h.NextPayload == wire.PayloadNotify && h.Flags.Response() && sa == s.current {
		return s.receiveStray(now, d)
	}
	message, whole, drop, err := s.open(now, sa, d, h)
	if drop != ike.Accepted {
		return drop
	}
	s.lastHeard = now
	if !whole {
		return ike.Accepted
	}
	// A peer that has the session may have it no longer: then nothing is to leave by
	// it in its last moment.
	if !s.confirmed && sa.state != saHalfOpen && h.Exchange != wire.IKEAuth && purpose(message) != ike.PurposeDeleteIKE {
		s.confirm()
	}
	s.follow(d)
	if h.Flags.Response() {
		s.receiveResponse(now, sa, message, err)
	} else {
		s.receiveRequest(now, sa, d, message, err)
	}
	s.pump(now)
	return ike.Accepted
}

// answerAgain. RFC 7296 section 2.1: a request that comes again gets the same
// answer, and nothing happens twice; RFC 7383 section 2.6.1: one in fragments gets
// it once.
func (s *session) answerAgain(sa *ikeSA, d ike.Datagram, h wire.Header) ike.Drop {
	open := sa.open
	if h.Exchange == wire.IKEIntermediate && sa.former[0] != nil {
		open = sa.former[0]
	}
	if h.NextPayload == wire.PayloadSKF {
		_, f, err := open.OpenFragment(d.Payload)
		switch {
		case errors.Is(err, keys.ErrUnauthenticated):
			return ike.DropIntegrity
		case err != nil || f.Number != 1:
			return ike.DropRetransmitted
		}
		s.sizeOf(sa, f, len(d.Payload))
	} else if _, err := open.Open(d.Payload); errors.Is(err, keys.ErrUnauthenticated) {
		return ike.DropIntegrity
	}
	s.send(sa, sa.reply, d.Local, d.Remote)
	return ike.DropRetransmitted
}

func (s *session) find(h wire.Header) *ikeSA {
	for _, sa := range s.sas {
		i, r := sa.spis()
		if h.SPIi == i && h.SPIr == r && h.Flags.Initiator() != sa.initiator {
			return sa
		}
	}
	return nil
}

// receiveRequest answers an authentic request. An error is a *wire.Error: the
// peer itself sent something malformed.
func (s *session) receiveRequest(now time.Time, sa *ikeSA, d Datagram, message wire.Message, err error) {
	var a response
	var malformed *wire.Error
	m := sortPayloads(message.Payloads)
	m.message = message
	switch h := message.Header; {
	case errors.As(err, &malformed):
		h, _ = wire.ParseHeader(d.Payload)
		message.Header = h
		a = s.refuseMalformed(now, sa, malformed)
	case h.Exchange == wire.IKEAuth:
		a = s.answerAuth(now, sa, m)
	case h.Exchange == wire.IKEIntermediate:
		a = s.answerIntermediate(now, sa, m)
	case h.Exchange == wire.CreateChildSA:
		s.dropFollowing()
		a = s.answerCreateChild(now, sa, m)
	case h.Exchange == wire.IKEFollowupKE:
		a = s.answerFollowup(now, sa, m)
	case h.Exchange == wire.Informational:
		a = s.answerInformational(now, sa, d, m)
	default:
		a = refuse(wire.InvalidSyntax)
	}
	if s.wanted != nil {
		s.hold(sa, d, message)
		return
	}
	sa.reply = s.seal(sa, sa.header(message.Header.Exchange, message.Header.MessageID, true), a.payloads)
	sa.expectID++
	s.tellServed(sa, message, a.payloads)
	s.send(sa, sa.reply, d.Local, d.Remote)
	if a.after != nil {
		a.after()
	}
}

// refuseMalformed. RFC 7296 section 2.21.3: INVALID_SYNTAX in an authentic
// message ends the IKE SA on both sides, the other errors do not.
func (s *session) refuseMalformed(now time.Time, sa *ikeSA, e *wire.Error) response {
	a := response{payloads: []wire.Payload{&wire.Notify{Type: e.Notify, Data: e.Data}}}
	if e.Notify == wire.InvalidSyntax && (sa == s.current || sa.state == saHalfOpen) {
		a.after = func() {
			s.fail(now, fmt.Sprintf("the peer sent a malformed message: %s", e.Problem))
		}
	}
	return a
}

// A response is what a request is answered with, and what is to be done once the
// answer is on its way.
type response struct {
	payloads []wire.Payload
	after    func()
}

func refuse(t wire.NotifyType) response {
	return response{payloads: []wire.Payload{&wire.Notify{Type: t}}}
}

// command carries out what the owner asks of a session that stands.
func (s *session) command(now time.Time, c ike.Command) error {
	switch c := c.(type) {
	case ike.RekeyIKE:
		s.rekeyIKENow()
	case ike.RekeyChild:
		if s.active == nil {
			return errors.New("rekey the child SA: there is none")
		}
		s.rekeyChildNow(now, s.active)
	case ike.RevealKeys:
		s.revealKeys()
	case ike.Move:
		if err := s.move(c.Local); err != nil {
			return err
		}
	case ike.InboundUsed:
		s.inboundUsed(c.Inbound)
	case ike.TrafficSeen:
		if c.At.After(s.lastHeard) && !c.At.After(now) {
			s.lastHeard = c.At
		}
	default:
		return fmt.Errorf("command %T is not for an SA", c)
	}
	s.pump(now)
	return nil
}

// transmit puts a datagram out.
func (s *session) transmit(local, remote netip.AddrPort, payload []byte) {
	s.gate.out = append(s.gate.out, Output{Peer: s.id(), Datagram: Datagram{Local: local, Remote: remote, Payload: payload}})
}

func (s *session) emit(e ike.Event) {
	s.gate.out = append(s.gate.out, Output{Peer: s.id(), Event: e})
}

// id is the peer's, or empty as long as it may be one of several.
func (s *session) id() ike.PeerID {
	switch {
	case s.peer != nil:
		return s.peer.ID
	case len(s.candidates) == 1:
		return s.candidates[0].ID
	}
	return ""
}

// failedConnecting reports an attempt that came to nothing. Where another
// session stands with the peer, there is nothing to report.
func (s *session) failedConnecting(reason string) {
	s.reportFailure(reason)
	s.forget()
	s.setPhase(ended)
}

// failuresReportedMax bounds the peers that hear of an attempt that could have
// been any of theirs.
const failuresReportedMax = 8

func (s *session) reportFailure(reason string) {
	for _, p := range s.concerned() {
		if s.gate.standing(p.ID, s) == nil {
			s.gate.out = append(s.gate.out, Output{Peer: p.ID, Event: ike.NegotiationFailed{Reason: reason, Remote: s.path.Remote}})
		}
	}
}

// concerned are the peers whose attempt this is, or may be.
func (s *session) concerned() []*ike.Peer {
	if s.peer != nil {
		return []*ike.Peer{s.peer}
	}
	return s.candidates[:min(len(s.candidates), failuresReportedMax)]
}

// fail ends the session for a fault that needs no DELETE, and answers
// retransmissions for a while.
func (s *session) fail(now time.Time, reason string) {
	switch s.phase {
	case connecting:
		s.reportFailure(reason)
	case established:
		s.dissolve(reason)
	case ending, ended:
		return
	}
	s.linger(now)
}

// dissolve tells the owner that all SAs of the session are gone.
func (s *session) dissolve(reason string) {
	var other *session
	if s.peer != nil {
		other = s.gate.standing(s.peer.ID, s)
	}
	if other != nil && !s.gate.terminating {
		s.gate.successor(s).takeOver()
	}
	s.active = nil
	s.dropFollowing()
	for len(s.children) > 0 {
		s.removeChild(s.children[0], reason)
	}
	for _, t := range s.queue {
		t.release(s.gate)
	}
	s.queue = nil
	if s.peer != nil && other == nil {
		s.emit(ike.Closed{Reason: reason})
	}
}

// takeOver lets packets leave by this session's child SA, whichever session's
// they left by before.
func (s *session) takeOver() {
	child := s.active
	if child == nil {
		child = s.newestChild()
	}
	if child != nil {
		s.active = child
		s.emit(ike.ChildActivated{Outbound: child.out})
	}
}

// linger leaves only the answers to retransmissions.
func (s *session) linger(now time.Time) {
	for _, sa := range s.sas {
		s.closeSA(now, sa)
	}
	s.queue, s.acceptance, s.current = nil, nil, nil
	s.endAt = now.Add(lingerTime)
	s.setPhase(ending)
}

// terminate deletes all SAs, with notice to the peer.
func (s *session) terminate(now time.Time, reason string) {
	switch s.phase {
	case established:
		s.dissolve(reason)
		s.setPhase(ending)
		s.endAt = now.Add(terminateTimeout)
		s.current.then = &deleteIKE{}
		s.pump(now)
	case connecting:
		if s.gate.standing(s.peer.ID, s) == nil {
			s.emit(ike.Closed{Reason: reason})
		}
		// An IKE_AUTH under way may yet make an SA at the peer.
		if len(s.sas) > 0 {
			s.init = nil
			s.setPhase(ending)
			s.endAt = now.Add(terminateTimeout)
			return
		}
		s.forget()
		s.setPhase(ended)
	case ending, ended:
	}
}

// dead closes a session whose peer does not answer any more.
func (s *session) dead(now time.Time) {
	s.dissolve(diagnosis.Dead(now.Sub(s.lastHeard)))
	s.forget()
	s.setPhase(ended)
	if state := s.gate.peers[s.peer.ID]; state != nil && s.peer.DPDAction == ike.DPDRestart {
		s.gate.connect(now, state)
	}
}

// forget wipes what is left.
func (s *session) forget() {
	for len(s.sas) > 0 {
		s.drop(s.sas[0])
	}
	if s.init != nil {
		s.gate.releaseIKESPI(s.init.spi)
		if s.init.dh != nil {
			s.init.dh.Wipe()
		}
	}
	s.sas, s.current, s.queue, s.init, s.acceptance = nil, nil, nil, nil, nil
}

// closeSA ends an IKE SA but for answers to retransmissions.
func (s *session) closeSA(now time.Time, sa *ikeSA) {
	s.abandonPending(sa)
	sa.dropAssemblies()
	sa.state = saClosed
	sa.rekeyAt, sa.expiresAt = time.Time{}, now.Add(lingerTime)
}

// drop forgets an IKE SA.
func (s *session) drop(sa *ikeSA) {
	s.abandonPending(sa)
	sa.dropAssemblies()
	sa.wipe()
	s.sas = slices.DeleteFunc(s.sas, func(have *ikeSA) bool { return have == sa })
	if !slices.ContainsFunc(s.sas, func(have *ikeSA) bool { return have.local == sa.local }) && (s.init == nil || s.init.spi != sa.local) {
		s.gate.releaseIKESPI(sa.local)
	}
}

func (s *session) abandonPending(sa *ikeSA) {
	if sa.pending != nil {
		sa.pending.task.release(s.gate)
	}
	if sa.then != nil {
		sa.then.release(s.gate)
	}
	sa.pending, sa.then = nil, nil
	if s.following != nil && s.following.sa == sa {
		s.dropFollowing()
	}
}
