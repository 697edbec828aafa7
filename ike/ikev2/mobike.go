package ikev2

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/keys"
	"causeway.dev/ike/wire"
)

// Peers that move, RFC 4555 (MOBIKE): only the original initiator may change
// addresses. We answer it where that is the peer, and ask for it where that is us and
// our address may change.

// cookie2Length is ours of the 8 to 64 octets that RFC 4555 section 4.2.5 allows.
const (
	cookie2Length                      = 16
	cookie2LengthMin, cookie2LengthMax = 8, 64
)

// agreeOnMOBIKE returns what we answer an initiator that wants it.
func (s *session) agreeOnMOBIKE(m parts) []wire.Payload {
	if m.notify(wire.MOBIKESupported) == nil {
		return nil
	}
	s.mobike = true
	return []wire.Payload{&wire.Notify{Type: wire.MOBIKESupported}}
}

// announceMOBIKE is what an initiator says whose address may change.
func announceMOBIKE(p *ike.Peer) []wire.Payload {
	if !p.Mobile {
		return nil
	}
	return []wire.Payload{&wire.Notify{Type: wire.MOBIKESupported}}
}

// move changes our address. RFC 4555 section 3.5: what is under way is sent again from
// there, packets leave from there at once, and the peer is told as soon as it may be.
// Section 3.3: that goes to port 4500, where a NAT on the new way does no harm.
func (s *session) move(local netip.Addr) error {
	switch {
	case s.phase != established || !s.initiator || !s.mobike:
		return errors.New("move to another address: the peer does not follow")
	case s.path.Local.Addr() == local:
		return nil
	}
	s.path.Local, s.path.Remote = at(local, portNATT), at(s.path.Remote.Addr(), portNATT)
	s.emit(ike.PathChanged{Path: s.espPath()})
	s.tellAddress()
	return nil
}

// tellAddress tells the peer where we are. Of a rekey that the peer has begun it may not
// have the answer yet: then it knows of the IKE SA alone that has been replaced here.
func (s *session) tellAddress() {
	s.enqueue(&updateAddresses{})
	for _, sa := range s.sas {
		if sa.state == saReplaced && sa.then == nil {
			sa.then = &updateAddresses{}
		}
	}
}

// updateAddresses tells the peer of our address. RFC 4555 section 3.5.
type updateAddresses struct {
	from netip.AddrPort // that it was sent from first
}

func (u *updateAddresses) build(s *session, sa *ikeSA, _ time.Time) (wire.ExchangeType, []wire.Payload, bool) {
	u.from = s.path.Local
	spii, spir := sa.spis()
	return wire.Informational, append([]wire.Payload{&wire.Notify{Type: wire.UpdateSAAddresses}}, s.natDetection(spii, spir, s.peer)...), true
}

// process takes what the answer says of NATs. Where we have moved on meanwhile, the hashes
// of the request were of another address, and an update of this one is in the queue.
func (u *updateAddresses) process(s *session, sa *ikeSA, now time.Time, m parts) {
	switch n := m.failure(); {
	case s.phase != established || u.from != s.path.Local:
	case n != nil:
		s.terminate(now, reasonNotMoved(u.from, n.Type))
	default:
		before := s.espPath()
		spii, spir := sa.spis()
		s.translated(detectNAT(Datagram{Local: s.path.Local, Remote: s.path.Remote}, wire.Header{SPIi: spii, SPIr: spir}, m))
		if path := s.espPath(); path != before {
			s.emit(ike.PathChanged{Path: path})
		}
	}
}

func (*updateAddresses) release(*Gate) {}

// answerPath answers what an INFORMATIONAL request says of addresses. refused is
// true if nothing else of the request counts.
func (s *session) answerPath(now time.Time, sa *ikeSA, d ike.Datagram, m parts) (answer []wire.Payload, refused bool) {
	if n := m.notify(wire.NoNATsAllowed); n != nil && !untranslated(n.Data, d) {
		return []wire.Payload{&wire.Notify{Type: wire.UnexpectedNATDetected}}, true
	}
	spii, spir := sa.spis()
	// Where rekeys have crossed, the peer may know sooner which IKE SA stays.
	if s.mobike && !s.initiator && sa.state == saUp && s.phase == established && m.notify(wire.UpdateSAAddresses) != nil {
		s.update(now, d, detectNAT(d, wire.Header{SPIi: spii, SPIr: spir}, m))
	}
	if cookie := m.notify(wire.Cookie2); cookie != nil && len(cookie.Data) >= cookie2LengthMin && len(cookie.Data) <= cookie2LengthMax {
		answer = append(answer, cookie)
	}
	if m.notify(wire.NATDetectionSourceIP) != nil || m.notify(wire.NATDetectionDestinationIP) != nil {
		// RFC 4555 section 3.8: so the peer finds out whether its NAT has
		// changed what we see of it.
		seen := &session{gate: s.gate, peer: s.peer, path: ike.Path{Local: d.Local, Remote: d.Remote}}
		answer = append(answer, seen.natDetection(spii, spir, s.peer)...)
	}
	return answer, false
}

// update takes the addresses of a request that the peer has sent for it. RFC 4555
// section 3.5. Packets go there at once, and whether the peer really is there is
// found out beside it (section 3.7).
func (s *session) update(now time.Time, d ike.Datagram, nat NAT) {
	before := s.espPath()
	s.path.Local, s.path.Remote = d.Local, d.Remote
	s.translated(nat)
	if path := s.espPath(); path != before {
		s.emit(ike.PathChanged{Path: path})
	}
	s.enqueue(&liveness{cookie: s.gate.random(cookie2Length)})
}

// untranslated compares the addresses that a peer has sent its message from and to
// with those that the message has come with. RFC 4555 section 4.2.6.
//
//	[ source address 4 or 16 | destination address | source port 2 | destination port 2 ]
func untranslated(data []byte, d ike.Datagram) bool {
	var want []byte
	for _, a := range []netip.Addr{d.Remote.Addr(), d.Local.Addr()} {
		want = append(want, a.Unmap().AsSlice()...)
	}
	want = binary.BigEndian.AppendUint16(want, d.Remote.Port())
	want = binary.BigEndian.AppendUint16(want, d.Local.Port())
	return bytes.Equal(data, want)
}

// returned reports whether an answer carries the cookie of its request, or there
// was none in it.
func (l *liveness) returned(m parts) bool {
	if l.cookie == nil {
		return true
	}
	n := m.notify(wire.Cookie2)
	return n != nil && keys.Equal(n.Data, l.cookie)
}

// inboundMoved follows a peer behind a NAT whose ESP packets come from elsewhere.
// RFC 7296 section 2.23: an authenticated packet is enough, and only the side that
// is not behind a NAT itself follows.
func (s *session) inboundMoved(in ike.SPI, remote netip.AddrPort) {
	if s.phase != established || s.childByInbound(in) == nil || !s.path.UDP || !s.nat.Remote || s.nat.Local || s.path.Remote == remote {
		return
	}
	s.path.Local, s.path.Remote = at(s.path.Local.Addr(), portNATT), remote
	s.emit(ike.PathChanged{Path: s.espPath()})
}
