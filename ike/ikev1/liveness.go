package ikev1

import (
	"encoding/binary"
	"slices"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/diagnosis"
	"causeway.dev/ike/engine"
	"causeway.dev/ike/wire"
	"causeway.dev/ike/wire/isakmp"
)

// What happens without a message: dead peer detection of RFC 3706, retransmission,
// rekeys and the ends of lifetimes.

// A probe is an R-U-THERE that waits for its R-U-THERE-ACK.
type probe struct {
	sa       *isakmpSA
	sequence uint32
	engine.Retransmission
}

func (s *session) dpdTimeout() time.Duration {
	return engine.OrDefault(s.peer.DPDTimeout, engine.DPDTimeoutDefault)
}

// livenessAt is when the peer is next asked for a sign of life: only one that has
// said that it would answer.
func (s *session) livenessAt() time.Time {
	sa := s.current()
	if sa == nil || !sa.extensions.dpd || s.probe != nil {
		return time.Time{}
	}
	return engine.LivenessAt(s.lastHeard, s.dpdTimeout(), sa.initiator)
}

// ask begins to ask.
func (s *session) ask(now time.Time) {
	sa := s.current()
	s.probe = &probe{sa: sa, sequence: sa.sequence}
	sa.sequence++
	s.askAgain(now)
}

// askAgain sends the question. Each time it is another message of the same
// sequence number.
func (s *session) askAgain(now time.Time) {
	p, longest := s.probe, engine.RetransmitMax
	if s.peer.DPDAction == ike.DPDNone {
		longest = engine.RetransmitIdle
	}
	p.Sent(now, longest)
	s.transmit(p.sa.inform(p.sa.aliveness(isakmp.RUThere, p.sequence)))
}

// aliveness is R-U-THERE or its answer. RFC 3706 section 5.3.
func (sa *isakmpSA) aliveness(t isakmp.NotifyType, sequence uint32) *isakmp.Notify {
	return &isakmp.Notify{Type: t, Protocol: wire.ProtocolIKE, SPI: cookies(sa.spii, sa.spir), Data: binary.BigEndian.AppendUint32(nil, sequence)}
}

// answerProbe answers R-U-THERE. RFC 3706 section 6: sequence numbers go up; one
// that comes again is answered, but shows no life.
func (s *session) answerProbe(now time.Time, sa *isakmpSA, d ike.Datagram, n *isakmp.Notify) {
	sequence := binary.BigEndian.Uint32(n.Data)
	if sa.anyHeard && int32(sequence-sa.heard) < 0 {
		return
	}
	if !sa.anyHeard || sequence != sa.heard {
		s.fresh(now, d)
	}
	sa.heard, sa.anyHeard = sequence, true
	s.gate.transmit(s.peer.ID, ike.Path{Local: d.Local, Remote: d.Remote}, sa.inform(sa.aliveness(isakmp.RUThereAck, sequence)))
}

// giveUpAt is when a question without an answer means that the peer is gone.
func (s *session) giveUpAt() time.Time {
	if s.probe == nil || s.peer.DPDAction == ike.DPDNone {
		return time.Time{}
	}
	timeout := s.dpdTimeout()
	return engine.Latest(s.probe.First.Add(timeout-engine.LivenessInterval(timeout)), s.lastHeard.Add(timeout))
}

// nextDeadline is when advance is next due, or zero.
func (s *session) nextDeadline() time.Time {
	next := engine.Soonest(s.livenessAt(), s.giveUpAt(), s.graceEnd)
	if s.probe != nil {
		next = engine.Soonest(next, s.probe.Next)
	}
	for _, sa := range s.sas {
		next = engine.Soonest(next, sa.rekeyAt, sa.expiresAt)
		for _, q := range sa.exchanges {
			next = engine.Soonest(next, q.deadline())
		}
	}
	for _, c := range s.children {
		next = engine.Soonest(next, c.rekeyAt, c.expiresAt, c.activateAt, c.deleteAt)
	}
	for _, f := range s.farewells {
		next = engine.Soonest(next, f.at)
	}
	return next
}

// advance fires what is due. Each step moves its own time on, or ends something.
func (s *session) advance(now time.Time) {
	due := func(t time.Time) bool { return !t.IsZero() && !now.Before(t) }
	s.repeatFarewells(now, due)
	if due(s.giveUpAt()) {
		s.dead(now)
		return
	}
	if due(s.graceEnd) {
		s.endGrace(now)
	}
	if s.probe != nil && due(s.probe.Next) {
		s.askAgain(now)
	}
	for _, sa := range slices.Clone(s.sas) {
		s.advanceSA(now, sa, due)
	}
	for _, c := range slices.Clone(s.children) {
		if slices.Contains(s.children, c) {
			s.advanceChild(now, c, due)
		}
	}
	if due(s.livenessAt()) {
		s.ask(now)
	}
}

func (s *session) repeatFarewells(now time.Time, due func(time.Time) bool) {
	for i := range s.farewells {
		f := &s.farewells[i]
		if !due(f.at) {
			continue
		}
		s.gate.transmit(s.peer.ID, f.path, f.message)
		f.left--
		f.at = now.Add(2 * farewellPause)
	}
	s.farewells = slices.DeleteFunc(s.farewells, func(f farewell) bool { return f.left == 0 })
}

func (s *session) advanceSA(now time.Time, sa *isakmpSA, due func(time.Time) bool) {
	for _, q := range sa.ordered() {
		if due(q.deadline()) && slices.Contains(s.sas, sa) {
			q.advance(now)
		}
	}
	switch {
	case !slices.Contains(s.sas, sa):
	case due(sa.expiresAt) && len(s.sas) == 1 && s.attempt == nil:
		s.terminate(now, diagnosis.Lifetime)
	case due(sa.expiresAt):
		s.deleteSA(now, sa)
	case due(sa.rekeyAt):
		sa.rekeyAt = time.Time{}
		if sa == s.current() {
			s.rekeyIKE(now)
		}
	}
}

// ordered are the exchanges in an order that does not depend on chance.
func (sa *isakmpSA) ordered() []*quickMode {
	var all []*quickMode
	for _, q := range sa.exchanges {
		all = append(all, q)
	}
	slices.SortFunc(all, func(a, b *quickMode) int { return int(int64(a.id) - int64(b.id)) })
	return all
}

func (s *session) advanceChild(now time.Time, c *child, due func(time.Time) bool) {
	switch {
	case due(c.expiresAt):
		s.expire(now, c)
	case due(c.activateAt):
		s.activate(now, c)
	case due(c.deleteAt):
		s.deleteChild(now, c)
	case due(c.rekeyAt):
		s.rekeyChild(now, c)
	}
}
