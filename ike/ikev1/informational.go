package ikev1

import (
	"encoding/binary"
	"slices"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/diagnosis"
	"causeway.dev/ike/wire"
	"causeway.dev/ike/wire/isakmp"
)

// Informational exchanges, RFC 2409 section 5.7: one message that nobody answers,
// but for R-U-THERE.

// receiveInformational handles one under an ISAKMP SA.
func (s *session) receiveInformational(now time.Time, sa *isakmpSA, d ike.Datagram, h wire.Header) ike.Drop {
	m, ok := sa.open(h, sa.keys.Phase2IV(sa.lastBlock, h.MessageID), d.Payload, idOctets(h.MessageID))
	if !ok {
		return ike.DropIntegrity
	}
	for _, n := range m.notifies {
		if !slices.Contains(s.sas, sa) {
			return ike.Accepted // the one before has ended the SA: there are no keys to answer by
		}
		s.notified(now, sa, d, n)
	}
	for _, deleted := range m.deletes {
		s.deleted(now, deleted)
	}
	return ike.Accepted
}

// notified acts on a notification. It may be a replay, so that what it does is
// done once only, or harmless.
func (s *session) notified(now time.Time, sa *isakmpSA, d ike.Datagram, n *isakmp.Notify) {
	switch {
	case n.Type == isakmp.RUThere && sa.named(n.SPI) && len(n.Data) == 4:
		s.answerProbe(now, sa, d, n)
	case n.Type == isakmp.RUThereAck && sa.named(n.SPI) && len(n.Data) == 4:
		if s.probe != nil && s.probe.sa == sa && s.probe.sequence == binary.BigEndian.Uint32(n.Data) {
			s.fresh(now, d)
		}
	case n.Type == isakmp.InitialContact:
		s.forgetBefore(sa.created)
	case n.Type == isakmp.Connected:
		// RFC 2408 section 3.1: the peer has set the commit bit, and has the
		// pair now.
		if c := s.child(func(c *child) bool { return !c.activateAt.IsZero() }); c != nil {
			s.activate(now, c)
		}
	case n.Type.IsError():
		s.quickRefused(now, n)
	}
}

// quickRefused acts on an error that refuses our quick mode.
func (s *session) quickRefused(now time.Time, n *isakmp.Notify) {
	q := s.own()
	if q == nil {
		return
	}
	// Peers name an SPI of either side, or zero: only one of a pair that stands
	// says that something else is meant.
	if spi, ok := spiFrom(n.SPI); ok && s.child(func(c *child) bool { return c.in == spi || c.out == spi }) != nil {
		return
	}
	switch n.Type {
	case isakmp.NoProposalChosen:
		s.refused(now, q, diagnosis.ESPRefused(describeESPProposals(offeredESP(s.peer, q.groups[0]))), q.groups[1:])
	case isakmp.InvalidIDInformation:
		ours, theirs := describeAny(s.peer)
		s.refused(now, q, diagnosis.SelectorsRefused(ours, theirs, n.Type.String()), nil)
	default:
		s.refused(now, q, diagnosis.Answered("quick mode", n.Type.String()), nil)
	}
}

// deleted acts on a DELETE. One for SAs that are gone already changes nothing.
func (s *session) deleted(now time.Time, d *isakmp.Delete) {
	for _, octets := range d.SPIs {
		switch d.Protocol {
		case wire.ProtocolESP:
			spi, ok := spiFrom(octets)
			if c := s.child(func(c *child) bool { return c.out == spi && c.state != childDeleted }); ok && c != nil {
				s.deletedByPeer(now, c)
			}
		case wire.ProtocolIKE:
			for _, sa := range s.sas {
				if sa.named(octets) {
					s.deletedIKE(now, sa)
					break
				}
			}
		}
	}
}

// deletedIKE ends an ISAKMP SA that the peer has deleted. With the last of them
// ends all that stands, unless our own main mode is about to replace it: RFC 2408
// lets pairs outlive it, but nobody could tell then whether the peer is alive.
func (s *session) deletedIKE(now time.Time, sa *isakmpSA) {
	s.dropSA(sa)
	if s.current() != nil {
		return
	}
	if s.attempt != nil && len(s.children) > 0 {
		s.orphaned = true
		return
	}
	s.dissolve(diagnosis.PeerDeleted)
}
