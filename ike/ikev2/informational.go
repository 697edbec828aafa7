package ikev2

import (
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/wire"
)

// INFORMATIONAL, RFC 7296 section 1.4: deletes and liveness checks.

// liveness is an empty request, whose answer says all by coming. RFC 7296 section
// 2.4. One with a cookie also shows that the peer is where it says that it is: RFC
// 4555 section 3.7.
type liveness struct{ cookie []byte }

func (l *liveness) build(*session, *ikeSA, time.Time) (wire.ExchangeType, []wire.Payload, bool) {
	if l.cookie == nil {
		return wire.Informational, nil, true
	}
	return wire.Informational, []wire.Payload{&wire.Notify{Type: wire.Cookie2, Data: l.cookie}}, true
}

func (l *liveness) process(s *session, _ *ikeSA, now time.Time, m parts) {
	if !l.returned(m) && s.phase == established {
		s.terminate(now, reasonCookie2)
	}
}

func (*liveness) release(*Gate) {}

// deleteChild deletes a pair: one that stands, or one that only the peer has.
type deleteChild struct {
	child   *childSA // or nil
	in      ike.SPI
	reserve bool // in is still reserved, for a pair that was never installed
}

func (d *deleteChild) build(s *session, _ *ikeSA, _ time.Time) (wire.ExchangeType, []wire.Payload, bool) {
	if d.child != nil && d.child.state == childDeleted {
		return 0, nil, false // the peer was faster
	}
	return wire.Informational, []wire.Payload{&wire.Delete{Protocol: wire.ProtocolESP, SPIs: []ike.SPI{d.in}}}, true
}

func (d *deleteChild) process(s *session, _ *ikeSA, now time.Time, _ parts) {
	switch {
	case d.child != nil && s.phase == established:
		s.retireChild(now, d.child, "replaced")
	default:
		d.release(s.gate)
	}
}

func (d *deleteChild) release(g *Gate) {
	if d.reserve {
		g.releaseSPI(d.in)
	}
}

// deleteIKE deletes the IKE SA that it runs on.
type deleteIKE struct{ notify wire.NotifyType }

func (d *deleteIKE) build(*session, *ikeSA, time.Time) (wire.ExchangeType, []wire.Payload, bool) {
	var payloads []wire.Payload
	if d.notify != 0 {
		payloads = append(payloads, &wire.Notify{Type: d.notify})
	}
	return wire.Informational, append(payloads, &wire.Delete{Protocol: wire.ProtocolIKE}), true
}

func (d *deleteIKE) process(s *session, sa *ikeSA, _ time.Time, _ parts) {
	s.drop(sa)
	if s.phase == ending && len(s.sas) == 0 {
		s.forget()
		s.setPhase(ended)
	}
}

func (*deleteIKE) release(*Gate) {}

func isDelete(t task) bool {
	_, is := t.(*deleteIKE)
	return is
}

// answerInformational is the responder's duty.
func (s *session) answerInformational(now time.Time, sa *ikeSA, d ike.Datagram, m parts) response {
	path, refused := s.answerPath(now, sa, d, m)
	r := response{payloads: path}
	if refused {
		return r
	}
	s.heardInvalidSPI(now, m)
	var deleted []ike.SPI
	for _, d := range m.deletes {
		switch d.Protocol {
		case wire.ProtocolIKE:
			// RFC 7296 section 1.4.1: it takes the child SAs along.
			return response{after: func() { s.deletedByPeer(now, sa, m.failure()) }}
		case wire.ProtocolESP:
			deleted = append(deleted, s.childrenDeletedByPeer(now, d.SPIs)...)
		}
	}
	if len(deleted) > 0 {
		r.payloads = append(r.payloads, &wire.Delete{Protocol: wire.ProtocolESP, SPIs: deleted})
	}
	return r
}

// childrenDeletedByPeer retires the pairs whose outbound halves the peer takes
// back, and returns the SPIs of the other halves. RFC 7296 section 1.4.1: those
// that we are deleting ourselves are left out.
func (s *session) childrenDeletedByPeer(now time.Time, spis []ike.SPI) []ike.SPI {
	var ours []ike.SPI
	for _, spi := range spis {
		child := s.childByOutbound(spi)
		if child == nil || child.state == childDeleted || s.phase != established {
			continue
		}
		if !s.deleting(child) {
			ours = append(ours, child.in)
		}
		s.retireChild(now, child, "the peer deleted the child SA")
	}
	return ours
}

// deleting reports whether our own DELETE of a child SA is under way.
func (s *session) deleting(child *childSA) bool {
	if s.current == nil || s.current.pending == nil {
		return false
	}
	d, ok := s.current.pending.task.(*deleteChild)
	return ok && d.child == child
}

// deletedByPeer ends an IKE SA, and with the one that counts the session. RFC
// 7296 section 2.25.2: a rekey of ours that is under way is forgotten; if the
// peer's own rekey is what the DELETE completes, its successor counts.
func (s *session) deletedByPeer(now time.Time, sa *ikeSA, because *wire.Notify) {
	if s.phase == established && sa == s.current {
		if r := s.rivalOf(sa); r != nil {
			s.adopt(now, r.sa)
		} else {
			s.dissolve(reasonDeleted(because))
			s.linger(now)
			return
		}
	}
	s.closeSA(now, sa)
}

func (s *session) rivalOf(sa *ikeSA) *rivalIKE {
	if sa.pending == nil {
		return nil
	}
	if r, ok := sa.pending.task.(*rekeyIKE); ok && r.rival != nil && r.rival.sa.live() {
		return r.rival
	}
	return nil
}
