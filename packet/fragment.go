package packet

import (
	"encoding/binary"
)

// FragmentIPv4 writes into dst the fragment of p that begins at payload byte
// offset and takes at most mtu bytes, and returns its length and the offset of
// the next; 0 after the last. RFC 791 section 3.2. p may be a fragment itself.
// dst must hold mtu bytes, and mtu the header and 8 bytes (any MTU of 68 and
// more does); it returns 0, 0 if not. It does so, too, for a fragment that ends
// beyond where any datagram does: the offsets of its parts would go round to
// the beginning, past those who look at first fragments only.
func FragmentIPv4(dst []byte, p IPv4, mtu, offset int) (n, next int) {
	if len(dst) < mtu || mtu < p.HeaderLen()+8 || p.FragmentOffset()+len(p.Payload()) > ipv4Max {
		return 0, 0
	}
	if offset == 0 {
		n = copy(dst, p[:p.HeaderLen()])
	} else {
		n = copyForLaterFragment(dst, p)
	}
	payload := p.Payload()[offset:]
	more := p.MoreFragments()
	if room := (mtu - n) &^ 7; n+len(payload) > mtu {
		payload, more, next = payload[:room], true, offset+room
	}
	fragment := uint16((p.FragmentOffset() + offset) / 8)
	if more {
		fragment |= v4MoreFragments
	}
	binary.BigEndian.PutUint16(dst[v4Fragment:], fragment|p.fragment()&v4DontFragment)
	headerLen := n
	n += copy(dst[n:], payload)
	dst[0] = 4<<4 | byte(headerLen/4)
	IPv4(dst).finish(n, p.ID())
	return n, next
}

// copyForLaterFragment writes p's header without the options that only the
// first fragment carries: those whose copied flag is clear. RFC 791 section
// 3.1. It returns the header's length.
func copyForLaterFragment(dst []byte, p IPv4) int {
	n := copy(dst, p[:IPv4HeaderLen])
	const end, noOperation, copied = 0, 1, 0x80
	options := p[IPv4HeaderLen:p.HeaderLen()]
	for len(options) > 0 && options[0] != end {
		length := 1
		if options[0] != noOperation {
			if len(options) < 2 || options[1] < 2 || int(options[1]) > len(options) {
				break // malformed: no one can read the rest either
			}
			length = int(options[1])
		}
		if options[0]&copied != 0 {
			n += copy(dst[n:], options[:length])
		}
		options = options[length:]
	}
	for n%4 != 0 {
		dst[n] = end
		n++
	}
	return n
}
