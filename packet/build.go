package packet

import (
	"encoding/binary"
	"net/netip"
)

// AppendIP appends a whole IPv4 or IPv6 packet, as source's family says, with
// a time to live of 64. The addresses are of one family, and the payload fits.
func AppendIP(dst []byte, source, destination netip.Addr, tos, protocol uint8, payload []byte) []byte {
	start := len(dst)
	if source.Is4() {
		dst = append(dst, 4<<4|IPv4HeaderLen/4, tos, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0)
		dst = append(append(append(dst, source.AsSlice()...), destination.AsSlice()...), payload...)
		IPv4(dst[start:]).finish(len(dst)-start, 0)
		return dst
	}
	dst = append(dst, 6<<4, 0, 0, 0, byte(len(payload)>>8), byte(len(payload)), protocol, 64)
	dst = append(append(append(dst, source.AsSlice()...), destination.AsSlice()...), payload...)
	IPv6(dst[start:]).SetTrafficClass(tos)
	return dst
}

// AppendUDP appends a whole UDP packet.
func AppendUDP(dst []byte, source, destination netip.AddrPort, tos uint8, payload []byte) []byte {
	datagram := binary.BigEndian.AppendUint16(nil, source.Port())
	datagram = binary.BigEndian.AppendUint16(datagram, destination.Port())
	datagram = binary.BigEndian.AppendUint16(datagram, uint16(udpHeaderLen+len(payload)))
	datagram = append(append(datagram, 0, 0), payload...)
	start := len(dst)
	dst = AppendIP(dst, source.Addr(), destination.Addr(), tos, ProtocolUDP, datagram)
	p := dst[start:]
	writeTransportChecksum(p, ProtocolUDP, len(p)-len(datagram), udpChecksum)
	return dst
}
