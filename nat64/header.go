package nat64

import (
	"encoding/binary"

	"causeway.dev/packet"
)

// A header is what the IP header of either version says, with the extension headers
// of IPv6 that are translated.
type header struct {
	source, destination []byte // 4 or 16 bytes
	class, hops         uint8
	protocol            uint8
	payload             []byte

	// length is that of the payload. Of a packet that an ICMP error quotes there may be
	// less.
	length int

	// fragment says that the payload is a part of what fragments with the same id
	// make up, at offset (in units of 8 bytes), and not the last one if there is more.
	fragment, more bool
	offset         uint16
	id             uint32

	dontFragment bool // IPv4
}

// Places in headers: RFC 791 section 3.1, RFC 8200 sections 3 and 4.5.
const (
	v4Source, v4Destination = 12, 16
	v6Source, v6Destination = 8, 24

	v4DontFragment  = 0x4000
	v4MoreFragments = 0x2000
	v4OffsetMask    = 0x1fff

	fragmentHeaderLen = 8
)

// Headers that follow an IPv6 header (RFC 8200 section 4).
const (
	headerHopByHop    = 0
	headerRouting     = 43
	headerFragment    = 44
	headerDestination = 60
)

// readIPv6 reads a packet, or the part of one that an error quotes. Options are left
// out, and what has not been to all the places that it is to go to is not translated
// (RFC 7915 section 5.1).
func readIPv6(b []byte) (h header, d Drop) {
	if len(b) < packet.IPv6HeaderLen || b[0]>>4 != 6 {
		return h, Malformed
	}
	h = header{source: b[v6Source:v6Destination], destination: b[v6Destination:packet.IPv6HeaderLen], class: b[0]<<4 | b[1]>>4, protocol: b[6], hops: b[7]}
	h.length, h.payload = int(binary.BigEndian.Uint16(b[4:])), b[packet.IPv6HeaderLen:]
	for {
		var length int
		switch h.protocol {
		case headerHopByHop, headerDestination, headerRouting, headerFragment:
		default:
			h.payload = h.payload[:min(len(h.payload), h.length)]
			return h, 0
		}
		if len(h.payload) < 8 || h.fragment && h.offset > 0 {
			return h, Malformed
		}
		switch length = 8 + int(h.payload[1])*8; {
		case h.protocol == headerRouting && h.payload[3] != 0:
			return h, Unfinished
		case h.protocol == headerFragment && h.fragment:
			return h, Malformed
		case h.protocol == headerFragment:
			length = fragmentHeaderLen
			field := binary.BigEndian.Uint16(h.payload[2:])
			h.offset, h.more, h.id = field>>3, field&1 != 0, binary.BigEndian.Uint32(h.payload[4:])
			h.fragment = true
		}
		if length > len(h.payload) || length > h.length {
			return h, Malformed
		}
		h.protocol, h.payload, h.length = h.payload[0], h.payload[length:], h.length-length
		if h.fragment && h.offset > 0 { // what follows is in the middle of something
			h.payload = h.payload[:min(len(h.payload), h.length)]
			return h, 0
		}
	}
}

// readIPv4 is readIPv6 for IPv4 (RFC 7915 section 4.1).
func readIPv4(b []byte) (h header, d Drop) {
	if len(b) < packet.IPv4HeaderLen || b[0]>>4 != 4 {
		return h, Malformed
	}
	at, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if at < packet.IPv4HeaderLen || at > len(b) || total < at {
		return h, Malformed
	}
	if isSourceRouted(b[packet.IPv4HeaderLen:at]) {
		return h, Unfinished
	}
	field := binary.BigEndian.Uint16(b[6:])
	h = header{
		source: b[v4Source:v4Destination], destination: b[v4Destination:packet.IPv4HeaderLen], class: b[1], hops: b[8], protocol: b[9],
		payload: b[at:min(len(b), total)], length: total - at, id: uint32(binary.BigEndian.Uint16(b[4:])),
		offset: field & v4OffsetMask, more: field&v4MoreFragments != 0, dontFragment: field&v4DontFragment != 0,
	}
	h.fragment = h.offset > 0 || h.more
	return h, 0
}

// isSourceRouted reports whether options name places that the packet has still to go
// to. What cannot be read is taken for that.
func isSourceRouted(options []byte) bool {
	const end, noOperation, loose, strict = 0, 1, 131, 137
	for len(options) > 0 && options[0] != end {
		if options[0] == noOperation {
			options = options[1:]
			continue
		}
		if len(options) < 2 || options[1] < 2 || int(options[1]) > len(options) {
			return true
		}
		if length := options[1]; (options[0] == loose || options[0] == strict) && (length < 3 || options[2] <= length) {
			return true
		}
		options = options[options[1]:]
	}
	return false
}

// atomicMax is the length, in bytes, of packets that routers of IPv4 may fragment
// though IPv6's may not: what every path of IPv6 carries (RFC 7915 section 5.1).
const atomicMax = mtuBytesMin - headerGrowth

// writeIPv4 writes a header before what is h's payload. id is the packet's if it has
// none and may be fragmented.
func (h *header) writeIPv4(dst []byte, source, destination [4]byte, protocol uint8, id uint16) {
	total := packet.IPv4HeaderLen + h.length
	flags := uint16(0)
	switch {
	case h.fragment:
		id, flags = uint16(h.id), h.offset
		if h.more {
			flags |= v4MoreFragments
		}
	case total > atomicMax:
		id, flags = 0, v4DontFragment
	}
	dst[0], dst[1] = 4<<4|packet.IPv4HeaderLen/4, h.class
	binary.BigEndian.PutUint16(dst[2:], uint16(total))
	binary.BigEndian.PutUint16(dst[4:], id)
	binary.BigEndian.PutUint16(dst[6:], flags)
	dst[8], dst[9], dst[10], dst[11] = h.hops, protocol, 0, 0
	copy(dst[v4Source:], source[:])
	copy(dst[v4Destination:], destination[:])
	binary.BigEndian.PutUint16(dst[10:], ^packet.Sum(dst[:packet.IPv4HeaderLen], 0))
}

// writeIPv6 writes a header before what is h's payload, and returns how long it is.
func (h *header) writeIPv6(dst []byte, source, destination [16]byte, protocol uint8) int {
	length, next := h.length, protocol
	if h.fragment {
		length, next = length+fragmentHeaderLen, headerFragment
	}
	dst[0], dst[1], dst[2], dst[3] = 6<<4|h.class>>4, h.class<<4, 0, 0
	binary.BigEndian.PutUint16(dst[4:], uint16(length))
	dst[6], dst[7] = next, h.hops
	copy(dst[v6Source:], source[:])
	copy(dst[v6Destination:], destination[:])
	if !h.fragment {
		return packet.IPv6HeaderLen
	}
	dst = dst[packet.IPv6HeaderLen:]
	field := h.offset << 3
	if h.more {
		field |= 1
	}
	dst[0], dst[1] = protocol, 0
	binary.BigEndian.PutUint16(dst[2:], field)
	binary.BigEndian.PutUint32(dst[4:], h.id)
	return packet.IPv6HeaderLen + fragmentHeaderLen
}
