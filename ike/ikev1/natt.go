package ikev1

import (
	"bytes"
	"net/netip"

	"causeway.dev/ike"
	"causeway.dev/ike/keys"
	"causeway.dev/ike/wire"
	"causeway.dev/ike/wire/isakmp"
)

// NAT traversal, RFC 3947.

const (
	portIKE  = 500
	portNATT = 4500
)

func at(a netip.Addr, port uint16) netip.AddrPort { return netip.AddrPortFrom(a, port) }

// natDetection are the hashes of the two addresses as we see them, the peer's
// first. With EncapsulationAlways the hash of our own is a random one, so that the
// peer finds a NAT and uses UDP too. RFC 3947 section 3.2.
func (n *negotiation) natDetection(p *ike.Peer) []isakmp.Payload {
	t := n.extensions.natt
	if t == nil {
		return nil
	}
	source := keys.NATDHash(n.proposal.PRF, n.spii, n.spir, n.path.Local)
	if p.Encapsulation == ike.EncapsulationAlways {
		source = n.gate.random(len(source))
	}
	return []isakmp.Payload{
		&isakmp.NATD{Type: t.payload, Hash: keys.NATDHash(n.proposal.PRF, n.spii, n.spir, n.path.Remote)},
		&isakmp.NATD{Type: t.payload, Hash: source},
	}
}

// detectNAT compares the peer's hashes with the addresses of its datagram: the
// first is that of ours, and one of the others has to be that of its own.
func (n *negotiation) detectNAT(d ike.Datagram, h wire.Header, m parts) ike.NAT {
	if n.extensions.natt == nil || len(m.natd) < 2 {
		return ike.NAT{}
	}
	ours, theirs := keys.NATDHash(n.proposal.PRF, h.SPIi, h.SPIr, d.Local), keys.NATDHash(n.proposal.PRF, h.SPIi, h.SPIr, d.Remote)
	nat := ike.NAT{Local: !bytes.Equal(m.natd[0].Hash, ours), Remote: true}
	for _, source := range m.natd[1:] {
		if bytes.Equal(source.Hash, theirs) {
			nat.Remote = false
		}
	}
	return nat
}

// encapsulated reports whether ESP with p goes in UDP: a peer that knows no NAT
// traversal could not take it out.
func (n *negotiation) encapsulated(p *ike.Peer) bool {
	return n.extensions.natt != nil && (n.nat.Local || n.nat.Remote || p.Encapsulation == ike.EncapsulationAlways)
}

// float moves an initiator to port 4500, where a NAT was found or wanted. RFC 3947
// section 4.
func (n *negotiation) float(p *ike.Peer) {
	if n.path.UDP = n.encapsulated(p); n.path.UDP {
		n.path.Local, n.path.Remote = at(n.path.Local.Addr(), portNATT), at(n.path.Remote.Addr(), portNATT)
	}
}

// follow takes over the addresses of an authentic message that has not been seen
// before. Only a peer behind a NAT moves, and not if we are behind one ourselves:
// then the address that we see is the right one to go on with.
func (s *session) follow(d ike.Datagram) {
	if s.path.Local == d.Local && s.path.Remote == d.Remote || !s.nat.Remote || s.nat.Local {
		return
	}
	s.path.Local, s.path.Remote = d.Local, d.Remote
	s.gate.emit(s.peer.ID, ike.PathChanged{Path: s.espPath(s.path.UDP)})
}

// espPath is where ESP goes: in UDP always by port 4500 of ours.
func (s *session) espPath(udp bool) ike.Path {
	p := s.path
	p.BehindNAT, p.UDP = s.nat.Local, udp
	if udp && p.Local.Port() != portNATT {
		p.Local, p.Remote = at(p.Local.Addr(), portNATT), at(p.Remote.Addr(), portNATT)
	}
	return p
}
