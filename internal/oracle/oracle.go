// Package oracle is what a tunnel does to packets as one writes it to be sure,
// not to be fast: one packet at a time, every field decoded, every checksum
// summed anew, nothing in place, no batches. It shares no code with the hot
// path, which tests hold against it, and makes the random traffic for that.
package oracle

import (
	"encoding/binary"
	"net/netip"
)

// IP protocol numbers.
const (
	icmp               = 1
	tcp                = 6
	udp                = 17
	icmp6              = 58
	hopByHop           = 0
	routing            = 43
	destinationOptions = 60
)

// TCP flags. RFC 9293 section 3.1.
const (
	fin = 1 << iota
	syn
	rst
	psh
	ack
	urg
	ece
	cwr
)

// totalMax is the length of the longest IPv4 packet.
const totalMax = 65535

// checksum is the Internet checksum of all parts, of which only the last may
// be odd: word by word, with the carry brought round at once. RFC 1071.
func checksum(parts ...[]byte) uint16 {
	sum := 0
	for _, part := range parts {
		for i, b := range part {
			word := int(b)
			if i%2 == 0 {
				word <<= 8
			}
			if sum += word; sum > 0xffff {
				sum -= 0xffff
			}
		}
	}
	return ^uint16(sum)
}

// A view is a packet with its headers decoded.
type view struct {
	packet              []byte // without what follows its end
	version             int
	source, destination netip.Addr
	headerLen           int // of IP; IPv6 without extension headers

	// Of IPv4.
	id                          uint16
	dontFragment, moreFragments bool
	offset                      int // of the fragment, in bytes

	// Of the transport, which no fragment has.
	isWhole    bool
	protocol   int
	at         int // where its header begins, behind IPv6 extension headers
	payloadAt  int // where its payload begins, 0 if the header is not whole
	checksumAt int // 0 but for TCP and UDP
}

// decode returns false for what is no whole IP packet.
func decode(p []byte) (view, bool) {
	switch {
	case len(p) >= 20 && p[0]>>4 == 4:
		return decode4(p)
	case len(p) >= 40 && p[0]>>4 == 6:
		return decode6(p)
	}
	return view{}, false
}

func decode4(p []byte) (view, bool) {
	total, headerLen := int(binary.BigEndian.Uint16(p[2:])), int(p[0]&15)*4
	if headerLen < 20 || total < headerLen || total > len(p) {
		return view{}, false
	}
	fragment := binary.BigEndian.Uint16(p[6:])
	v := view{
		packet: p[:total], version: 4, headerLen: headerLen,
		source: netip.AddrFrom4([4]byte(p[12:])), destination: netip.AddrFrom4([4]byte(p[16:])),
		id: binary.BigEndian.Uint16(p[4:]), dontFragment: fragment&0x4000 != 0, moreFragments: fragment&0x2000 != 0, offset: int(fragment&0x1fff) * 8,
		protocol: int(p[9]), at: headerLen,
	}
	v.isWhole = !v.moreFragments && v.offset == 0
	v.decodeTransport()
	return v, true
}

func decode6(p []byte) (view, bool) {
	total := 40 + int(binary.BigEndian.Uint16(p[4:]))
	if total > len(p) {
		return view{}, false
	}
	v := view{
		packet: p[:total], version: 6, headerLen: 40,
		source: netip.AddrFrom16([16]byte(p[8:])), destination: netip.AddrFrom16([16]byte(p[24:])),
		isWhole: true, protocol: int(p[6]), at: 40,
	}
	for v.protocol == hopByHop || v.protocol == routing || v.protocol == destinationOptions {
		if v.at+8 > total {
			v.isWhole = false
			return v, true
		}
		next := int(p[v.at])
		v.at += 8 * (1 + int(p[v.at+1]))
		v.protocol = next
		if v.at > total {
			v.isWhole = false
			return v, true
		}
	}
	v.decodeTransport()
	return v, true
}

func (v *view) decodeTransport() {
	segment := v.packet[v.at:]
	switch {
	case !v.isWhole:
	case v.protocol == tcp && len(segment) >= 20:
		if n := int(segment[12]>>4) * 4; n >= 20 && n <= len(segment) {
			v.payloadAt, v.checksumAt = v.at+n, v.at+16
		}
	case v.protocol == udp && len(segment) >= 8:
		v.payloadAt, v.checksumAt = v.at+8, v.at+6
	}
}

// pseudoHeader is what a transport's checksum covers besides the transport.
func (v *view) pseudoHeader() []byte {
	length := len(v.packet) - v.at
	b := append(v.source.AsSlice(), v.destination.AsSlice()...)
	if v.version == 4 {
		return append(b, 0, byte(v.protocol), byte(length>>8), byte(length))
	}
	return append(binary.BigEndian.AppendUint32(b, uint32(length)), 0, 0, 0, byte(v.protocol))
}

// transportChecksum is what the checksum field must be, taking it for zero.
func (v *view) transportChecksum() uint16 {
	segment := append([]byte(nil), v.packet[v.at:]...)
	segment[v.checksumAt-v.at], segment[v.checksumAt-v.at+1] = 0, 0
	sum := checksum(v.pseudoHeader(), segment)
	if sum == 0 && v.protocol == udp {
		return 0xffff // RFC 768
	}
	return sum
}

// finish writes the lengths and checksums of a packet of TCP or UDP whose
// length or header has changed, and of any packet's IPv4 header.
func finish(p []byte) {
	finishIP(p)
	v, ok := decode(p)
	if !ok || v.checksumAt == 0 {
		return
	}
	if v.protocol == udp {
		binary.BigEndian.PutUint16(p[v.at+4:], uint16(len(p)-v.at))
	}
	binary.BigEndian.PutUint16(p[v.checksumAt:], v.transportChecksum())
}

// finishIP writes the length, and IPv4's checksum.
func finishIP(p []byte) {
	if p[0]>>4 == 6 {
		binary.BigEndian.PutUint16(p[4:], uint16(len(p)-40))
		return
	}
	binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
	header := p[:int(p[0]&15)*4]
	header[10], header[11] = 0, 0
	binary.BigEndian.PutUint16(header[10:], checksum(header))
}
