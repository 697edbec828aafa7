package ikev2

import (
	"time"

	"causeway.dev/ike/engine"
)

// What happens without a message: retransmission, liveness checks, rekeys and the
// ends of lifetimes.

func (s *session) dpdTimeout() time.Duration {
	return engine.OrDefault(s.peer.DPDTimeout, engine.DPDTimeoutDefault)
}

// livenessAt is when the peer is next asked for a sign of life.
func (s *session) livenessAt() time.Time {
	if s.phase != established || s.current.pending != nil || len(s.queue) > 0 {
		return time.Time{} // an exchange under way is a check as well
	}
	return engine.LivenessAt(s.lastHeard, s.dpdTimeout(), s.initiator)
}

// nextDeadline is when advance is next due, or zero.
func (s *session) nextDeadline() time.Time {
	next := engine.Soonest(s.endAt, s.livenessAt(), s.renewalAt(), s.followingUntil())
	if s.phase == connecting && s.init != nil && len(s.sas) == 0 {
		next = engine.Soonest(next, s.init.Next)
	}
	for _, sa := range s.sas {
		next = engine.Soonest(next, sa.rekeyAt, sa.expiresAt, sa.assembliesUntil())
		if sa.pending != nil && !sa.pending.held {
			next = engine.Soonest(next, sa.pending.Next, s.giveUpAt(sa, sa.pending))
		}
	}
	for _, c := range s.children {
		next = engine.Soonest(next, c.rekeyAt, c.expiresAt)
	}
	if next == engine.FarFuture {
		return time.Time{}
	}
	return next
}

// advance fires what is due. Each step moves its own time on, or ends something.
func (s *session) advance(now time.Time) {
	due := func(t time.Time) bool { return !t.IsZero() && !now.Before(t) }
	if due(s.endAt) {
		s.timeOut(now)
		return
	}
	if s.phase == connecting && s.init != nil && len(s.sas) == 0 && due(s.init.Next) {
		s.retransmitInit(now)
	}
	for i := 0; i < len(s.sas); {
		sa, count := s.sas[i], len(s.sas)
		s.advanceSA(now, sa, due)
		if s.phase == ended {
			return
		}
		if len(s.sas) == count {
			i++
		}
	}
	for i := 0; i < len(s.children); {
		c, count := s.children[i], len(s.children)
		s.advanceChild(now, c, due)
		if len(s.children) == count {
			i++
		}
	}
	if due(s.followingUntil()) {
		s.dropFollowing()
	}
	if due(s.renewalAt()) {
		s.renew(now)
	}
	if due(s.livenessAt()) {
		s.enqueue(&liveness{})
	}
	s.pump(now)
}

// timeOut ends a session whose time is over.
func (s *session) timeOut(now time.Time) {
	switch {
	case s.phase == connecting && s.initiator && len(s.sas) > 0:
		s.endAt = time.Time{} // IKE_AUTH has a time of its own
	case s.phase == connecting && s.initiator && s.init.reason != "":
		s.failedConnecting(s.init.reason)
	case s.phase == connecting && s.initiator:
		s.failedConnecting(reasonSilent(s.path.Remote, s.init.Tries, now.Sub(s.init.First)))
	case s.phase == established:
		s.endDuplicate(now)
	default: // a half-open SA that nobody completed, or the end of an ending
		if s.phase == connecting && s.id() != "" {
			s.reportFailure(reasonUnfinished(s.path.Remote))
		}
		s.forget()
		s.setPhase(ended)
	}
}

func (s *session) advanceSA(now time.Time, sa *ikeSA, due func(time.Time) bool) {
	sa.expireAssemblies(now)
	if e := sa.pending; e != nil && !e.held {
		if due(s.giveUpAt(sa, e)) {
			s.giveUp(now, sa)
			return
		}
		if due(e.Next) {
			s.retransmit(now, sa, e)
		}
	}
	switch {
	case due(sa.expiresAt) && sa == s.current && s.phase == established:
		sa.expiresAt = time.Time{}
		s.terminate(now, reasonLifetime)
	case due(sa.expiresAt) && sa != s.current:
		s.drop(sa)
		if s.phase == ending && len(s.sas) == 0 {
			s.forget()
			s.setPhase(ended)
		}
	case due(sa.expiresAt):
		sa.expiresAt = time.Time{} // ending: endAt limits it
	case due(sa.rekeyAt):
		sa.rekeyAt = time.Time{}
		if sa == s.current && s.phase == established {
			s.rekeyIKENow()
		}
	}
}

func (s *session) advanceChild(now time.Time, c *childSA, due func(time.Time) bool) {
	switch {
	case due(c.expiresAt) && c.state == childDeleted:
		s.removeChild(c, "replaced")
	case due(c.expiresAt):
		// RFC 7296 section 2.8: an SA is not used beyond its lifetime,
		// whether or not the peer agrees.
		in := c.in
		c.state = childDeleted
		s.removeChild(c, "the lifetime of the child SA ended before it was rekeyed")
		s.enqueue(&deleteChild{in: in})
		if next := s.newestChild(); s.active == nil && next != nil {
			s.activate(next)
		}
		s.childless(now)
	case due(c.rekeyAt):
		s.rekeyChildNow(now, c)
	}
}
