package packet

import (
	"bytes"
	"encoding/binary"
)

// A Segment is a packet that may become part of a super-packet: the reverse of
// Segments, to hand many packets to a network stack as one.
type Segment struct {
	packet    []byte
	protocol  uint8 // ProtocolTCP or ProtocolUDP
	at        int   // where the TCP or UDP header begins
	headerLen int   // of IP and TCP or UDP together
}

// NewSegment returns false for all but plain data: an unfragmented packet of TCP
// or UDP with payload and right checksums, of TCP with no flag but ACK and PSH.
// The checksums are proved here because those of a super-packet are made anew,
// and damage done before must stay visible.
func NewSegment(p []byte) (Segment, bool) {
	p, err := parse(p)
	if err != nil {
		return Segment{}, false
	}
	s := Segment{packet: p}
	var ok bool
	if s.protocol, s.at, ok = transport(p); !ok {
		return Segment{}, false
	}
	switch s.protocol {
	case ProtocolTCP:
		segment, n := tcpHeader(p)
		if segment == nil || segment[tcpFlags]&^tcpPSH != tcpACK {
			return Segment{}, false
		}
		s.headerLen = s.at + n
	case ProtocolUDP:
		// A checksum of zero is none (RFC 768), which segmentation would not
		// leave so.
		s.headerLen = s.at + udpHeaderLen
		if s.headerLen > len(p) || int(binary.BigEndian.Uint16(p[s.at+udpLength:])) != len(p)-s.at || binary.BigEndian.Uint16(p[s.at+udpChecksum:]) == 0 {
			return Segment{}, false
		}
	default:
		return Segment{}, false
	}
	if s.headerLen >= len(p) || Version(p) == 4 && !IPv4(p).ChecksumValid() || Sum(p[s.at:], pseudoHeaderSum(p, s.protocol, len(p)-s.at)) != 0xffff {
		return Segment{}, false
	}
	return s, true
}

// Protocol is ProtocolTCP or ProtocolUDP.
func (s Segment) Protocol() uint8 { return s.protocol }

// Packet returns the segment from its IP header to its end.
func (s Segment) Packet() []byte { return s.packet }

// Payload returns the segment's data.
func (s Segment) Payload() []byte { return s.packet[s.headerLen:] }

// Push reports TCP's PSH flag: nothing may follow the segment in a super-packet.
func (s Segment) Push() bool {
	return s.protocol == ProtocolTCP && s.packet[s.at+tcpFlags]&tcpPSH != 0
}

// HeaderLen is the length of the IP and TCP or UDP headers together.
func (s Segment) HeaderLen() int { return s.headerLen }

// TransportAt is where the TCP or UDP header begins.
func (s Segment) TransportAt() int { return s.at }

// ChecksumOffset is where the checksum lies in the TCP or UDP header.
func (s Segment) ChecksumOffset() int {
	if s.protocol == ProtocolTCP {
		return tcpChecksum
	}
	return udpChecksum
}

// ContinuedBy reports whether next carries the flow on, count segments and
// payload bytes after s, with headers that segmentation of the whole would
// make again.
func (s Segment) ContinuedBy(next Segment, count, payload int) bool {
	a, b := s.packet, next.packet
	if s.headerLen != next.headerLen || s.at != next.at || s.protocol != next.protocol || a[0] != b[0] {
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
	if s.protocol == ProtocolUDP {
		return bytes.Equal(x[:udpLength], y[:udpLength]) // ports
	}
	return binary.BigEndian.Uint32(y[tcpSequence:]) == binary.BigEndian.Uint32(x[tcpSequence:])+uint32(payload) &&
		bytes.Equal(x[:tcpSequence], y[:tcpSequence]) && // ports
		bytes.Equal(x[tcpSequence+4:tcpFlags], y[tcpSequence+4:tcpFlags]) && // acknowledgment, data offset
		bytes.Equal(x[tcpFlags+1:tcpChecksum], y[tcpFlags+1:tcpChecksum]) && // window
		bytes.Equal(x[tcpUrgent:], y[tcpUrgent:]) // and options
}

// MakeSuper turns the header of s into that of a super-packet with payload
// bytes in all, whose TCP or UDP checksum is left to the stack: it holds the sum
// of the pseudo-header. push is the PSH flag of the last segment.
func (s Segment) MakeSuper(payload int, push bool) {
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
	if s.protocol == ProtocolUDP {
		binary.BigEndian.PutUint16(header[udpLength:], uint16(total-s.at))
	}
	binary.BigEndian.PutUint16(header[s.ChecksumOffset():], pseudoHeaderSum(s.packet, s.protocol, total-s.at))
}

// sameHosts reports whether two packets have the same addresses.
func sameHosts(a, b []byte) bool {
	switch {
	case Version(a) != Version(b):
		return false
	case Version(a) == 4 && len(a) >= IPv4HeaderLen && len(b) >= IPv4HeaderLen:
		return bytes.Equal(a[v4Source:v4Destination+4], b[v4Source:v4Destination+4])
	case Version(a) == 6 && len(a) >= IPv6HeaderLen && len(b) >= IPv6HeaderLen:
		return bytes.Equal(a[v6Source:v6Destination+16], b[v6Source:v6Destination+16])
	}
	return true
}

// A Coalescer finds those packets of a batch that can be handed over as one,
// also where flows are interleaved. The packets of a flow stay in order, and so
// do those of a pair of hosts around any packet that is no Segment, such as a
// fragment or an acknowledgment; segments of different flows may change places.
type Coalescer struct {
	groups   []group
	next     []int    // the packet that follows in the same group, or -1
	payloads [][]byte // of the packets that may be in a group with others
	open     []int    // groups that may grow, latest last
}

// A group is a super-packet in the making, or one packet that stays alone.
type group struct {
	segment     Segment // of the first packet; none if it stays alone
	first, last int     // packets
	count       int
	size        int // payload bytes of the first, which all but the last have
	payload     int // of all
	push        bool
}

const (
	// superMax is the length of the longest IP packet.
	superMax = 65535
	// superSegmentsMax is UDP_MAX_SEGMENTS of the kernels that know the fewest.
	superSegmentsMax = 64
	// openMax bounds the search for a packet's group.
	openMax = 16
)

// Gather groups packets and returns the number of groups. It changes nothing
// in the packets. Only protocols that are wanted are coalesced.
func (c *Coalescer) Gather(packets [][]byte, tcp, udp bool) (groups int) {
	c.groups, c.next, c.payloads, c.open = c.groups[:0], c.next[:0], c.payloads[:0], c.open[:0]
	for i, p := range packets {
		c.next, c.payloads = append(c.next, -1), append(c.payloads, nil)
		segment, ok := Segment{}, false
		if len(packets) > 1 {
			segment, ok = NewSegment(p)
			ok = ok && (segment.protocol == ProtocolTCP && tcp || segment.protocol == ProtocolUDP && udp)
		}
		if ok {
			c.payloads[i] = segment.Payload()
		}
		if ok && c.extend(i, segment) {
			continue
		}
		c.closeSame(p, segment, ok)
		g := group{first: i, last: i, count: 1}
		if ok {
			g.segment, g.size, g.payload = segment, len(segment.Payload()), len(segment.Payload())
			g.push = segment.Push()
			if !segment.Push() {
				c.open = append(c.open, len(c.groups))
			}
		}
		c.groups = append(c.groups, g)
	}
	return len(c.groups)
}

// extend adds packet i to the group that it continues.
func (c *Coalescer) extend(i int, segment Segment) bool {
	for at := len(c.open) - 1; at >= 0; at-- {
		g := &c.groups[c.open[at]]
		n := len(segment.Payload())
		if g.count >= superSegmentsMax && segment.protocol == ProtocolUDP || n > g.size || g.segment.headerLen+g.payload+n > superMax || !g.segment.ContinuedBy(segment, g.count, g.payload) {
			continue
		}
		c.next[g.last] = i
		g.last = i
		g.count++
		g.payload += n
		g.push = segment.Push()
		if segment.Push() || n < g.size { // then it is the last
			c.open = append(c.open[:at], c.open[at+1:]...)
		}
		return true
	}
	return false
}

// closeSame ends the groups that a new group with packet p must not be
// overtaken by: those of the same flow, or where p has none, of the same hosts.
func (c *Coalescer) closeSame(p []byte, segment Segment, isSegment bool) {
	kept := c.open[:0]
	for _, open := range c.open {
		g := &c.groups[open]
		same := sameHosts(g.segment.packet, p)
		if same && isSegment {
			ports := func(s Segment) []byte { return s.packet[s.at : s.at+4] }
			same = g.segment.protocol == segment.protocol && bytes.Equal(ports(g.segment), ports(segment))
		}
		if !same {
			kept = append(kept, open)
		}
	}
	if len(kept) == openMax {
		kept = append(kept[:0], kept[1:]...)
	}
	c.open = kept
}

// A Super is a group of packets, of which the one of index First is the first.
type Super struct {
	Segment // the first, if Count is above 1
	First   int
	Count   int
	Size    int // payload bytes of each but the last
}

// Super makes group g, in the order of Gather, ready to be handed over: if it
// has more than one packet, the first's header becomes that of a super-packet.
// What follows the first in it, the others' payloads, is appended to parts.
func (c *Coalescer) Super(g int, parts [][]byte) (Super, [][]byte) {
	group := &c.groups[g]
	s := Super{Segment: group.segment, First: group.first, Count: group.count, Size: group.size}
	if group.count == 1 {
		return s, parts
	}
	for i := c.next[group.first]; i >= 0; i = c.next[i] {
		parts = append(parts, c.payloads[i])
	}
	group.segment.MakeSuper(group.payload, group.push)
	return s, parts
}
