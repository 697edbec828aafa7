package packet

import (
	"encoding/binary"
	"net/netip"
)

// ICMP types that concern errors.
const (
	icmpDestinationUnreachable = 3
	icmpFragmentationNeeded    = 4 // its code
	icmpv6PacketTooBig         = 2
	icmpHeaderLen              = 8

	// icmpQuoteMax bounds an ICMP error to 576 bytes: RFC 1812 section
	// 4.3.2.3. icmpv6Max is IPv6's minimum MTU: RFC 4443 section 3.2.
	icmpQuoteMax = 576 - IPv4HeaderLen - icmpHeaderLen
	icmpv6Max    = 1280
)

// ICMPErrorMax is the most bytes that the Append functions of ICMP errors add.
const ICMPErrorMax = icmpv6Max

// AppendFragmentationNeeded appends the ICMP error by which from tells the
// sender of p that p exceeds mtu: destination unreachable, code 4, with the
// next hop's MTU. RFC 1191 section 4. It appends nothing and returns false
// where RFC 1812 section 4.3.2.7 forbids an error: for an ICMP error, a later
// fragment, and a source or destination that is not one host.
func AppendFragmentationNeeded(dst []byte, from netip.Addr, p IPv4, mtu int) ([]byte, bool) {
	if !from.Is4() || p.FragmentOffset() != 0 || !oneHost(p.Source()) || !oneHost(p.Destination()) || isICMPError(p) {
		return dst, false
	}
	quote := p[:min(len(p), icmpQuoteMax)]
	start, total := len(dst), IPv4HeaderLen+icmpHeaderLen+len(quote)
	// Precedence 6, internetwork control: RFC 1812 section 4.3.2.5.
	dst = append(dst, 4<<4|IPv4HeaderLen/4, 0xc0, 0, 0, 0, 0, 0, 0, 64, ProtocolICMP, 0, 0)
	source, destination := from.As4(), p.Source().As4()
	dst = append(append(dst, source[:]...), destination[:]...)
	dst = append(dst, icmpDestinationUnreachable, icmpFragmentationNeeded, 0, 0, 0, 0, byte(mtu>>8), byte(mtu))
	dst = append(dst, quote...)
	made := IPv4(dst[start:])
	made.finish(total, 0)
	message := made.Payload()
	binary.BigEndian.PutUint16(message[2:], ^Sum(message, 0))
	return dst, true
}

// AppendPacketTooBig appends the ICMPv6 error by which from tells the sender
// of p that p exceeds mtu. RFC 4443 section 3.2. It appends nothing and
// returns false for ICMPv6 errors and a source that is not one host: section
// 2.4 (e); this error, unlike others, may answer a multicast packet.
func AppendPacketTooBig(dst []byte, from netip.Addr, p IPv6, mtu int) ([]byte, bool) {
	if !from.Is6() || !oneHost(p.Source()) || isICMPv6Error(p) {
		return dst, false
	}
	quote := p[:min(len(p), icmpv6Max-IPv6HeaderLen-icmpHeaderLen)]
	start, length := len(dst), icmpHeaderLen+len(quote)
	dst = append(dst, 6<<4, 0, 0, 0, byte(length>>8), byte(length), ProtocolICMPv6, 64)
	source, destination := from.As16(), p.Source().As16()
	dst = append(append(dst, source[:]...), destination[:]...)
	dst = append(dst, icmpv6PacketTooBig, 0, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, uint32(mtu))
	dst = append(dst, quote...)
	made := IPv6(dst[start:])
	message := made.Payload()
	binary.BigEndian.PutUint16(message[2:], ^Sum(message, pseudoHeaderSum(made, ProtocolICMPv6, length)))
	return dst, true
}

func oneHost(a netip.Addr) bool {
	return !a.IsUnspecified() && !a.IsMulticast() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// isICMPError reports anything but the queries and replies that ICMP knows.
func isICMPError(p IPv4) bool {
	if p.Protocol() != ProtocolICMP {
		return false
	}
	payload := p.Payload()
	if len(payload) == 0 {
		return true
	}
	const echoReply, echo, timestamp, timestampReply = 0, 8, 13, 14
	switch payload[0] {
	case echoReply, echo, timestamp, timestampReply:
		return false
	}
	return true
}

// isICMPv6Error: types below 128 are errors, RFC 4443 section 2.1.
func isICMPv6Error(p IPv6) bool {
	protocol, offset, ok := transport(p)
	return ok && protocol == ProtocolICMPv6 && (offset >= len(p) || p[offset] < 128)
}
