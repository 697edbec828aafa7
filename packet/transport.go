package packet

import (
	"encoding/binary"
)

// Places in a TCP header. RFC 9293 section 3.1:
//
//	0   source port 16 | destination port 16
//	4   sequence number
//	8   acknowledgment number
//	12  data offset 4 | reserved 4 | CWR ECE URG ACK PSH RST SYN FIN | window 16
//	16  checksum 16 | urgent pointer 16
//	20  options
const (
	tcpSequence   = 4
	tcpDataOffset = 12
	tcpFlags      = 13
	tcpChecksum   = 16
	tcpUrgent     = 18
	tcpHeaderLen  = 20

	tcpFIN = 0x01
	tcpSYN = 0x02
	tcpPSH = 0x08
	tcpACK = 0x10
	tcpCWR = 0x80
)

// Places in a UDP header. RFC 768:
//
//	0   source port 16 | destination port 16
//	4   length 16      | checksum 16
const (
	udpLength    = 4
	udpChecksum  = 6
	udpHeaderLen = 8
)

// transport finds the TCP or UDP header of an unfragmented packet that has
// been parsed: offset is where it begins. IPv6 extension headers other than
// hop-by-hop and destination options end the search: with a routing header, the
// checksum is over another destination than the header's (RFC 8200 section 8.1).
func transport(p []byte) (protocol uint8, offset int, ok bool) {
	if Version(p) == 4 {
		v4 := IPv4(p)
		if v4.fragment()&(v4MoreFragments|v4OffsetMask) != 0 {
			return 0, 0, false
		}
		return v4.Protocol(), v4.HeaderLen(), true
	}
	const hopByHop, destinationOptions = 0, 60
	protocol, offset = IPv6(p).NextHeader(), IPv6HeaderLen
	for protocol == hopByHop || protocol == destinationOptions {
		// RFC 8200 section 4.2: next header, length in 8 bytes without the first 8.
		if offset+8 > len(p) {
			return 0, 0, false
		}
		protocol, offset = p[offset], offset+8+int(p[offset+1])*8
		if offset > len(p) {
			return 0, 0, false
		}
	}
	return protocol, offset, true
}

// tcpHeader returns the TCP segment of an unfragmented packet and the length
// of its header, or nil.
func tcpHeader(p []byte) (segment []byte, headerLen int) {
	protocol, offset, ok := transport(p)
	if !ok || protocol != ProtocolTCP || offset+tcpHeaderLen > len(p) {
		return nil, 0
	}
	segment = p[offset:]
	headerLen = int(segment[tcpDataOffset]>>4) * 4
	if headerLen < tcpHeaderLen || headerLen > len(segment) {
		return nil, 0
	}
	return segment, headerLen
}

// pseudoHeaderSum is that of a parsed packet's own addresses.
func pseudoHeaderSum(p []byte, protocol uint8, length int) uint16 {
	if Version(p) == 4 {
		return PseudoHeaderSum(p[v4Source:v4Destination], p[v4Destination:v4Destination+4], protocol, length)
	}
	return PseudoHeaderSum(p[v6Source:v6Destination], p[v6Destination:v6Destination+16], protocol, length)
}

// ClampMSS lowers the maximum segment size that a TCP SYN in the parsed packet
// p announces so that the peer's segments fit into mtu bytes: mtu less 40 with
// IPv4, less 60 with IPv6. It reports whether it did. A SYN without the option
// is left alone: its sender gets 536 or 1220 (RFC 9293 section 3.7.1), which
// fits.
func ClampMSS(p []byte, mtu int) bool {
	segment, headerLen := tcpHeader(p)
	if segment == nil || segment[tcpFlags]&tcpSYN == 0 {
		return false
	}
	limit := mtu - IPv4HeaderLen - tcpHeaderLen
	if Version(p) == 6 {
		limit = mtu - IPv6HeaderLen - tcpHeaderLen
	}
	const end, noOperation, maximumSegmentSize = 0, 1, 2
	for at := tcpHeaderLen; at < headerLen; {
		switch kind := segment[at]; {
		case kind == end:
			return false
		case kind == noOperation:
			at++
			continue
		case at+1 >= headerLen:
			return false
		case kind == maximumSegmentSize:
			return clampOption(segment[:headerLen], at, limit)
		}
		length := int(segment[at+1])
		if length < 2 {
			return false
		}
		at += length
	}
	return false
}

func clampOption(header []byte, at, limit int) bool {
	if header[at+1] != 4 || at+4 > len(header) {
		return false
	}
	value := at + 2
	if limit < 0 || int(binary.BigEndian.Uint16(header[value:])) <= limit {
		return false
	}
	// The value may straddle two aligned words: one after an odd number of
	// no-operations. Adjust each byte's word.
	checksum := binary.BigEndian.Uint16(header[tcpChecksum:])
	for i, b := range [2]byte{byte(limit >> 8), byte(limit)} {
		word := (value + i) &^ 1
		before := binary.BigEndian.Uint16(header[word:])
		header[value+i] = b
		checksum = Adjust(checksum, before, binary.BigEndian.Uint16(header[word:]))
	}
	binary.BigEndian.PutUint16(header[tcpChecksum:], checksum)
	return true
}
