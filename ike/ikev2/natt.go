package ikev2

import (
	"bytes"
	"net/netip"

	"causeway.dev/ike"
	"causeway.dev/ike/keys"
	"causeway.dev/ike/wire"
)

// NAT traversal, RFC 7296 section 2.23.

const (
	portIKE  = 500
	portNATT = 4500
)

func at(a netip.Addr, port uint16) netip.AddrPort { return netip.AddrPortFrom(a, port) }

// natDetection are the notifications with the hashes of the two addresses as we
// see them. With EncapsulationAlways the hash of our own is a random one, so that
// the peer finds a NAT and uses UDP too.
func (s *session) natDetection(spii, spir uint64, p *ike.Peer) []wire.Payload {
	source := keys.NATDetectionHash(spii, spir, s.path.Local)
	if p.Encapsulation == ike.EncapsulationAlways {
		copy(source[:], s.gate.random(len(source)))
	}
	destination := keys.NATDetectionHash(spii, spir, s.path.Remote)
	return []wire.Payload{
		&wire.Notify{Type: wire.NATDetectionSourceIP, Data: source[:]},
		&wire.Notify{Type: wire.NATDetectionDestinationIP, Data: destination[:]},
	}
}

// detectNAT compares the peer's hashes with the addresses of its datagram. There
// may be several source hashes, of which one has to fit. A peer without them
// knows no NAT traversal.
func detectNAT(d Datagram, h wire.Header, m parts) NAT {
	source := keys.NATDetectionHash(h.SPIi, h.SPIr, d.Remote)
	destination := keys.NATDetectionHash(h.SPIi, h.SPIr, d.Local)
	return NAT{
		Remote: m.notify(wire.NATDetectionSourceIP) != nil && !hasHash(m, wire.NATDetectionSourceIP, source[:]),
		Local:  m.notify(wire.NATDetectionDestinationIP) != nil && !hasHash(m, wire.NATDetectionDestinationIP, destination[:]),
	}
}

func hasHash(m parts, t wire.NotifyType, hash []byte) bool {
	for _, n := range m.notifies {
		if n.Type == t && bytes.Equal(n.Data, hash) {
			return true
		}
	}
	return false
}

// translated takes over what was found.
func (s *session) translated(n NAT) {
	s.nat = n
	s.path.UDP = n.Local || n.Remote || s.peer != nil && s.peer.Encapsulation == ike.EncapsulationAlways
}

// float moves an initiator to port 4500, where a NAT was found or wanted. It stays
// there even if what was found proves forged: every responder listens there.
func (s *session) float() {
	if s.path.UDP {
		s.path.Local, s.path.Remote = at(s.path.Local.Addr(), portNATT), at(s.path.Remote.Addr(), portNATT)
	}
}

// follow takes over the addresses of an authentic message that is no
// retransmission. A responder learns its path by IKE_AUTH; after that only a
// peer behind a NAT moves, and not if we are behind one ourselves: then the
// address that we see is the right one to go on with.
func (s *session) follow(d Datagram) {
	if s.path.Local == d.Local && s.path.Remote == d.Remote {
		return
	}
	switch {
	case s.phase == connecting && !s.initiator:
		s.path.Local, s.path.Remote = d.Local, d.Remote
	case s.phase == established && s.nat.Remote && !s.nat.Local && !(s.mobike && s.initiator): // or what is late would move us back
		s.path.Local, s.path.Remote = d.Local, d.Remote
		s.emit(ike.PathChanged{Path: s.espPath()})
	}
}

// espPath is where ESP goes: in UDP always by port 4500 of ours.
func (s *session) espPath() ike.Path {
	p := s.path
	p.BehindNAT = s.nat.Local
	if p.UDP && p.Local.Port() != portNATT {
		p.Local, p.Remote = at(p.Local.Addr(), portNATT), at(p.Remote.Addr(), portNATT)
	}
	return p
}
