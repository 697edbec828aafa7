package ikev2

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/keys"
	"causeway.dev/ike/wire"
)

// Peers that move, RFC 4555 (MOBIKE). We answer it where the peer is the
// original initiator, since only that side may change addresses; we never ask for
// it, for our own addresses are fixed.

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

// answerPath answers what an INFORMATIONAL request says of addresses. refused is
// true if nothing else of the request counts.
func (s *session) answerPath(now time.Time, sa *ikeSA, d ike.Datagram, m parts) (answer []wire.Payload, refused bool) {
	if n := m.notify(wire.NoNATsAllowed); n != nil && !untranslated(n.Data, d) {
		return []wire.Payload{&wire.Notify{Type: wire.UnexpectedNATDetected}}, true
	}
	spii, spir := sa.spis()
	if s.mobike && sa == s.current && s.phase == established && m.notify(wire.UpdateSAAddresses) != nil {
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
