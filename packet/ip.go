// Package packet looks at IP packets in place: views of IPv4, IPv6, TCP, UDP
// and ICMP over the bytes as they lie, checksums, and the rewriting that a
// tunnel does (MSS clamp, fragmentation, segmentation, ICMP errors). It does
// no I/O and keeps no state.
package packet

import (
	"encoding/binary"
	"errors"
	"net/netip"
)

// Errors of the Parse functions.
var (
	ErrTruncated = errors.New("packet: truncated")
	ErrVersion   = errors.New("packet: not this version of IP")
	ErrHeader    = errors.New("packet: header length is impossible")
)

// Protocol numbers, as IANA assigned them.
const (
	ProtocolICMP   = 1
	ProtocolTCP    = 6
	ProtocolUDP    = 17
	ProtocolESP    = 50
	ProtocolICMPv6 = 58
)

// IPv4HeaderLen is the length in bytes without options, IPv6HeaderLen that
// without extension headers.
const (
	IPv4HeaderLen = 20
	IPv6HeaderLen = 40
)

// ipv4Max is the length of the longest IPv4 packet.
const ipv4Max = 65535

// Version returns the version field: 4, 6, anything else, or 0 for nothing.
func Version(p []byte) int {
	if len(p) == 0 {
		return 0
	}
	return int(p[0] >> 4)
}

// IPv4 is a whole IPv4 packet, by construction at least as long as its header.
// RFC 791 section 3.1:
//
//	0   version 4 | header length 4 | type of service 8 | total length 16
//	4   identification 16                | flags 3 | fragment offset 13
//	8   time to live 8 | protocol 8      | header checksum 16
//	12  source address
//	16  destination address
//	20  options, then the payload
type IPv4 []byte

// Places in an IPv4 header.
const (
	v4TOS         = 1
	v4TotalLen    = 2
	v4ID          = 4
	v4Fragment    = 6
	v4TTL         = 8
	v4Protocol    = 9
	v4Checksum    = 10
	v4Source      = 12
	v4Destination = 16

	v4DontFragment  = 0x4000
	v4MoreFragments = 0x2000
	v4OffsetMask    = 0x1fff
)

// ParseIPv4 checks the lengths and returns the packet without what may follow
// its end. It does not check the checksum: a router's stack does.
func ParseIPv4(b []byte) (IPv4, error) {
	switch {
	case len(b) < IPv4HeaderLen:
		return nil, ErrTruncated
	case b[0]>>4 != 4:
		return nil, ErrVersion
	}
	header, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[v4TotalLen:]))
	switch {
	case header < IPv4HeaderLen || total < header:
		return nil, ErrHeader
	case total > len(b):
		return nil, ErrTruncated
	}
	return b[:total:total], nil
}

// HeaderLen is the length of the header with its options in bytes.
func (p IPv4) HeaderLen() int { return int(p[0]&15) * 4 }

// TOS is the type of service: DSCP and ECN.
func (p IPv4) TOS() uint8 { return p[v4TOS] }

// ID is the identification of the datagram that fragments share.
func (p IPv4) ID() uint16 { return binary.BigEndian.Uint16(p[v4ID:]) }

func (p IPv4) fragment() uint16 { return binary.BigEndian.Uint16(p[v4Fragment:]) }

// DontFragment reports the DF flag.
func (p IPv4) DontFragment() bool { return p.fragment()&v4DontFragment != 0 }

// MoreFragments reports the MF flag.
func (p IPv4) MoreFragments() bool { return p.fragment()&v4MoreFragments != 0 }

// FragmentOffset is the place of the payload in the datagram in bytes.
func (p IPv4) FragmentOffset() int { return int(p.fragment()&v4OffsetMask) * 8 }

// TTL is the time to live.
func (p IPv4) TTL() uint8 { return p[v4TTL] }

// Protocol is the protocol number of the payload.
func (p IPv4) Protocol() uint8 { return p[v4Protocol] }

// Source returns the source address.
func (p IPv4) Source() netip.Addr { return netip.AddrFrom4([4]byte(p[v4Source:])) }

// Destination returns the destination address.
func (p IPv4) Destination() netip.Addr { return netip.AddrFrom4([4]byte(p[v4Destination:])) }

// Payload returns what follows the header.
func (p IPv4) Payload() []byte { return p[p.HeaderLen():] }

// ChecksumValid reports whether the header's checksum is right.
func (p IPv4) ChecksumValid() bool { return Sum(p[:p.HeaderLen()], 0) == 0xffff }

// SetTOS writes DSCP and ECN and brings the checksum up to date.
func (p IPv4) SetTOS(tos uint8) {
	before := binary.BigEndian.Uint16(p)
	p[v4TOS] = tos
	p.adjust(before, binary.BigEndian.Uint16(p))
}

func (p IPv4) adjust(before, after uint16) {
	binary.BigEndian.PutUint16(p[v4Checksum:], Adjust(binary.BigEndian.Uint16(p[v4Checksum:]), before, after))
}

// finish writes total length, identification and checksum of a header that
// was copied from another packet.
func (p IPv4) finish(total int, id uint16) {
	binary.BigEndian.PutUint16(p[v4TotalLen:], uint16(total))
	binary.BigEndian.PutUint16(p[v4ID:], id)
	p.writeChecksum()
}

func (p IPv4) writeChecksum() {
	binary.BigEndian.PutUint16(p[v4Checksum:], 0)
	binary.BigEndian.PutUint16(p[v4Checksum:], ^Sum(p[:p.HeaderLen()], 0))
}

// IPv6 is a whole IPv6 packet. RFC 8200 section 3:
//
//	0   version 4 | traffic class 8 | flow label 20
//	4   payload length 16 | next header 8 | hop limit 8
//	8   source address
//	24  destination address
//	40  extension headers, then the payload
type IPv6 []byte

// Places in an IPv6 header.
const (
	v6PayloadLen  = 4
	v6NextHeader  = 6
	v6HopLimit    = 7
	v6Source      = 8
	v6Destination = 24
)

// ParseIPv6 checks the lengths and returns the packet without what may follow
// its end. Jumbograms (RFC 2675) are not taken.
func ParseIPv6(b []byte) (IPv6, error) {
	switch {
	case len(b) < IPv6HeaderLen:
		return nil, ErrTruncated
	case b[0]>>4 != 6:
		return nil, ErrVersion
	}
	total := IPv6HeaderLen + int(binary.BigEndian.Uint16(b[v6PayloadLen:]))
	if total > len(b) {
		return nil, ErrTruncated
	}
	return b[:total:total], nil
}

// TrafficClass is DSCP and ECN.
func (p IPv6) TrafficClass() uint8 { return p[0]<<4 | p[1]>>4 }

// SetTrafficClass writes DSCP and ECN.
func (p IPv6) SetTrafficClass(c uint8) {
	p[0] = p[0]&0xf0 | c>>4
	p[1] = p[1]&0x0f | c<<4
}

// NextHeader is the protocol number of the first header after this one.
func (p IPv6) NextHeader() uint8 { return p[v6NextHeader] }

// HopLimit is IPv6's time to live.
func (p IPv6) HopLimit() uint8 { return p[v6HopLimit] }

// Source returns the source address.
func (p IPv6) Source() netip.Addr { return netip.AddrFrom16([16]byte(p[v6Source:])) }

// Destination returns the destination address.
func (p IPv6) Destination() netip.Addr { return netip.AddrFrom16([16]byte(p[v6Destination:])) }

// Payload returns what follows the fixed header.
func (p IPv6) Payload() []byte { return p[IPv6HeaderLen:] }
