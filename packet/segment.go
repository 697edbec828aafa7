package packet

import (
	"encoding/binary"
	"errors"
)

// ErrSegmentation says that a packet cannot be cut into segments: it is no
// whole TCP or UDP packet, or has no payload.
var ErrSegmentation = errors.New("packet: not to be segmented")

// Segments cuts a super-packet, as a network stack with segmentation offload
// makes it, into packets that fit a network: what the hardware would have done.
type Segments struct {
	packet    []byte
	protocol  uint8
	at        int // where the TCP or UDP header begins
	headerLen int // of IP and TCP or UDP together
	size      int // payload bytes of all but the last segment
}

// NewSegments returns the segments of p with size bytes of payload each. The
// checksum of p's TCP or UDP header need not be right: it is made anew.
func NewSegments(p []byte, size int) (Segments, error) {
	p, err := parse(p)
	if err != nil {
		return Segments{}, err
	}
	s := Segments{packet: p, size: size}
	var ok bool
	if s.protocol, s.at, ok = transport(p); !ok {
		return Segments{}, ErrSegmentation
	}
	switch s.protocol {
	case ProtocolTCP:
		segment, n := tcpHeader(p)
		if segment == nil {
			return Segments{}, ErrSegmentation
		}
		s.headerLen = s.at + n
	case ProtocolUDP:
		s.headerLen = s.at + udpHeaderLen
	default:
		return Segments{}, ErrSegmentation
	}
	if size < 1 || s.headerLen >= len(p) {
		return Segments{}, ErrSegmentation
	}
	return s, nil
}

// parse checks the lengths of a packet of either version.
func parse(p []byte) ([]byte, error) {
	if Version(p) == 6 {
		v6, err := ParseIPv6(p)
		return v6, err
	}
	v4, err := ParseIPv4(p)
	return v4, err
}

// Count is the number of segments.
func (s Segments) Count() int {
	if s.size == 0 {
		return 0
	}
	return (len(s.packet) - s.headerLen + s.size - 1) / s.size
}

// Len is the length of segment i, a whole packet, in bytes.
func (s Segments) Len(i int) int {
	return s.headerLen + min(s.size, len(s.packet)-s.headerLen-i*s.size)
}

// Write puts segment i into dst, which must hold Len(i) bytes.
func (s Segments) Write(i int, dst []byte) {
	n := s.Len(i)
	dst = dst[:n]
	copy(dst, s.packet[:s.headerLen])
	copy(dst[s.headerLen:], s.packet[s.headerLen+i*s.size:])
	if Version(dst) == 4 {
		// RFC 6864 section 4: an atomic datagram's identification means
		// nothing, that of others must differ.
		v4 := IPv4(dst)
		v4.finish(n, v4.ID()+uint16(i))
	} else {
		binary.BigEndian.PutUint16(dst[v6PayloadLen:], uint16(n-IPv6HeaderLen))
	}
	header, checksumAt := dst[s.at:], udpChecksum
	if s.protocol == ProtocolTCP {
		checksumAt = tcpChecksum
		sequence := binary.BigEndian.Uint32(header[tcpSequence:])
		binary.BigEndian.PutUint32(header[tcpSequence:], sequence+uint32(i*s.size))
		if i > 0 {
			header[tcpFlags] &^= tcpCWR // RFC 3168 section 6.1.2: said once
		}
		if i < s.Count()-1 {
			header[tcpFlags] &^= tcpFIN | tcpPSH
		}
	} else {
		binary.BigEndian.PutUint16(header[udpLength:], uint16(len(header)))
	}
	writeTransportChecksum(dst, s.protocol, s.at, checksumAt)
}

// writeTransportChecksum makes the checksum of a parsed packet's TCP or UDP
// header, which lies checksumAt bytes behind its beginning, anew.
func writeTransportChecksum(p []byte, protocol uint8, at, checksumAt int) {
	header := p[at:]
	binary.BigEndian.PutUint16(header[checksumAt:], 0)
	sum := ^Sum(header, pseudoHeaderSum(p, protocol, len(header)))
	if sum == 0 && protocol == ProtocolUDP {
		sum = 0xffff // RFC 768: zero means none
	}
	binary.BigEndian.PutUint16(header[checksumAt:], sum)
}

// CompleteChecksum finishes a checksum that a network stack left to the
// hardware: the sum of everything from start on is written offset bytes behind
// start, where the sum of the pseudo-header is now. It returns false if that
// is outside the packet.
func CompleteChecksum(p []byte, start, offset int) bool {
	at := start + offset
	if start < 0 || offset < 0 || at+2 > len(p) {
		return false
	}
	sum := ^Sum(p[start:], 0)
	if sum == 0 {
		sum = 0xffff
	}
	binary.BigEndian.PutUint16(p[at:], sum)
	return true
}
