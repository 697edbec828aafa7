package packet

import (
	"bytes"
	"encoding/binary"
)

// A TCPSegment is a packet that may become part of a super-packet: the reverse
// of Segments, to hand many packets to a network stack as one.
type TCPSegment struct {
	packet    []byte
	at        int // where the TCP header begins
	headerLen int // of IP and TCP together
}

// NewTCPSegment returns false for all but plain TCP data: an unfragmented
// packet with payload, no flag but ACK and PSH, and right checksums. Those are
// proved here because those of a super-packet are made anew, and damage done
// before must stay visible.
func NewTCPSegment(p []byte) (TCPSegment, bool) {
	p, err := parse(p)
	if err != nil {
		return TCPSegment{}, false
	}
	segment, n := tcpHeader(p)
	if segment == nil || len(segment) == n || segment[tcpFlags]&^tcpPSH != tcpACK {
		return TCPSegment{}, false
	}
	if Version(p) == 4 && !IPv4(p).ChecksumValid() || Sum(segment, pseudoHeaderSum(p, ProtocolTCP, len(segment))) != 0xffff {
		return TCPSegment{}, false
	}
	at := len(p) - len(segment)
	return TCPSegment{packet: p, at: at, headerLen: at + n}, true
}

// Payload returns the segment's data.
func (s TCPSegment) Payload() []byte { return s.packet[s.headerLen:] }

// Push reports the PSH flag: nothing may follow the segment in a super-packet.
func (s TCPSegment) Push() bool { return s.packet[s.at+tcpFlags]&tcpPSH != 0 }

// HeaderLen is the length of the IP and TCP headers together.
func (s TCPSegment) HeaderLen() int { return s.headerLen }

// TransportAt is where the TCP header begins.
func (s TCPSegment) TransportAt() int { return s.at }

// ContinuedBy reports whether next carries the flow on, count segments and
// payload bytes after s, with headers that segmentation of the whole would
// make again.
func (s TCPSegment) ContinuedBy(next TCPSegment, count, payload int) bool {
	a, b := s.packet, next.packet
	if s.headerLen != next.headerLen || s.at != next.at || a[0] != b[0] {
		return false
	}
	if Version(a) == 4 {
		if !bytes.Equal(a[v4Fragment:v4Checksum], b[v4Fragment:v4Checksum]) || a[v4TOS] != b[v4TOS] ||
			!bytes.Equal(a[v4Source:s.at], b[v4Source:s.at]) {
			return false
		}
		if !IPv4(a).DontFragment() && IPv4(b).ID() != IPv4(a).ID()+uint16(count) {
			return false
		}
	} else if !bytes.Equal(a[:v6PayloadLen], b[:v6PayloadLen]) || !bytes.Equal(a[v6NextHeader:s.at], b[v6NextHeader:s.at]) {
		return false
	}
	x, y := a[s.at:s.headerLen], b[s.at:s.headerLen]
	return binary.BigEndian.Uint32(y[tcpSequence:]) == binary.BigEndian.Uint32(x[tcpSequence:])+uint32(payload) &&
		bytes.Equal(x[:tcpSequence], y[:tcpSequence]) && // ports
		bytes.Equal(x[tcpSequence+4:tcpFlags], y[tcpSequence+4:tcpFlags]) && // acknowledgment, data offset
		bytes.Equal(x[tcpFlags+1:tcpChecksum], y[tcpFlags+1:tcpChecksum]) && // window
		bytes.Equal(x[tcpUrgent:], y[tcpUrgent:]) // and options
}

// MakeSuper turns the header of s into that of a super-packet with payload
// bytes in all, whose TCP checksum is left to the stack: it holds the sum of
// the pseudo-header. push is the PSH flag of the last segment.
func (s TCPSegment) MakeSuper(payload int, push bool) {
	total := s.headerLen + payload
	if Version(s.packet) == 4 {
		v4 := IPv4(s.packet)
		v4.finish(total, v4.ID())
	} else {
		binary.BigEndian.PutUint16(s.packet[v6PayloadLen:], uint16(total-IPv6HeaderLen))
	}
	header := s.packet[s.at:]
	if push {
		header[tcpFlags] |= tcpPSH
	}
	binary.BigEndian.PutUint16(header[tcpChecksum:], pseudoHeaderSum(s.packet, ProtocolTCP, total-s.at))
}
