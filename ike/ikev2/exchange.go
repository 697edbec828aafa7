package ikev2

import (
	"slices"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/engine"
	"causeway.dev/ike/wire"
)

// A task is one duty that needs a request of ours: it builds the request when
// its turn comes and processes the answer.
type task interface {
	// build returns the request, or false if it is not needed any more.
	build(s *session, sa *ikeSA, now time.Time) (wire.ExchangeType, []wire.Payload, bool)
	// process handles the answer.
	process(s *session, sa *ikeSA, now time.Time, m parts)
	// release gives back what was reserved, if there will be no answer.
	release(g *Gate)
}

// An exchange is a request of ours that waits for its answer.
type exchange struct {
	id       uint32
	exchange wire.ExchangeType
	message  *sealed // sent again octet by octet, RFC 7296 section 2.1
	plain    []byte  // the same, not encrypted, until it is told
	task     task
	held     bool // the answer is here and waits for a computation
	engine.Retransmission
}

// pump starts what waits for its turn.
func (s *session) pump(now time.Time) {
	for _, sa := range slices.Clone(s.sas) { // one may end by it
		if sa.pending == nil && sa.then != nil {
			t := sa.then
			sa.then = nil
			s.start(now, sa, t)
		}
	}
	for s.phase == established && s.current.pending == nil && len(s.queue) > 0 && !s.gate.paused {
		t := s.queue[0]
		if !s.prepared(t) {
			break
		}
		s.queue = s.queue[1:]
		s.start(now, s.current, t)
	}
}

func (s *session) enqueue(t task) { s.queue = append(s.queue, t) }

// start sends the request of a task, if it still has one. RFC 7296 section 2.2:
// ids go up by one; an SA whose ids are used up could only be abandoned, but at
// one request a millisecond that takes 49 days, and lifetimes are shorter.
func (s *session) start(now time.Time, sa *ikeSA, t task) {
	kind, payloads, ok := t.build(s, sa, now)
	if !ok {
		if sa.state == saHalfOpen && s.phase == connecting {
			s.abandonHalf(now, sa, s.init.reason)
		}
		s.childless(now) // what was to be replaced is gone
		return
	}
	e := &exchange{id: sa.nextID, exchange: kind, task: t}
	e.message = s.seal(sa, sa.header(kind, e.id, false), payloads)
	e.plain = wire.Message{Header: sa.header(kind, e.id, false), Payloads: payloads}.Append(nil)
	sa.nextID++
	sa.pending = e
	s.retransmit(now, sa, e)
}

func (s *session) retransmit(now time.Time, sa *ikeSA, e *exchange) {
	longest := engine.RetransmitMax
	if s.patient() {
		longest = engine.RetransmitIdle
	}
	e.Sent(now, longest)
	s.tellSent(e)
	s.send(sa, e.message, s.path.Local, s.path.Remote)
}

// receiveResponse hands an authentic answer to the task that waits for it.
func (s *session) receiveResponse(now time.Time, sa *ikeSA, message wire.Message, err error) {
	e := sa.pending
	if err != nil {
		// RFC 7296 section 2.21.3: nobody answers an answer; a peer that
		// can't build one is not to be talked to.
		reason := "the peer answered with a malformed message: " + err.Error()
		if sa.state == saHalfOpen && len(s.sas) > 1 {
			s.abandonHalf(now, sa, reason) // another answer may be the peer's
			return
		}
		s.fail(now, reason)
		return
	}
	m := sortPayloads(message.Payloads)
	m.message = message
	if s.holdResponse(sa, e, message, m) {
		return
	}
	sa.pending = nil
	s.tellAnswered(e, message)
	e.task.process(s, sa, now, m)
}

// patient reports whether silence has no consequence.
func (s *session) patient() bool {
	return s.phase == established && s.peer.DPDAction == ike.DPDNone
}

// giveUpAt is when an unanswered request means that the peer is gone.
func (s *session) giveUpAt(sa *ikeSA, e *exchange) time.Time {
	switch {
	case sa.state == saHalfOpen:
		return e.First.Add(connectTimeout)
	case s.phase == ending || sa != s.current:
		return e.First.Add(terminateTimeout)
	case s.patient():
		return engine.FarFuture
	}
	// RFC 7296 section 2.4: the peer is dead if it is silent in everything.
	// One that goes on sending ESP but answers no request has lost the IKE SA.
	timeout := s.dpdTimeout()
	quiet := engine.Latest(e.First.Add(timeout-engine.LivenessInterval(timeout)), s.lastHeard.Add(timeout))
	if !s.hintedAt.Before(e.First) && s.lastHeard.Before(e.First) {
		quiet = engine.Soonest(quiet, e.First.Add(hintTimeout))
	}
	return engine.Soonest(quiet, e.First.Add(4*timeout))
}

// giveUp acts on a request that was never answered.
func (s *session) giveUp(now time.Time, sa *ikeSA) {
	switch {
	case sa.state == saHalfOpen && s.phase == connecting:
		s.abandonHalf(now, sa, reasonAuthSilent(s.path.Remote, sa.pending.Tries))
	case sa == s.current && s.phase == established:
		s.dead(now)
	case s.phase == established && sa.state == saReplaced && !isDelete(sa.pending.task):
		// The peer may yet ask for the answer by which it was replaced.
		s.abandonPending(sa)
	default:
		s.drop(sa)
		if s.phase == ending && len(s.sas) == 0 {
			s.forget()
			s.setPhase(ended)
		}
	}
}
