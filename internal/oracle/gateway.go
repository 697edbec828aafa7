package oracle

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
)

// A Gateway is both ends of one tunnel, without anything in between.
type Gateway struct {
	InsideMTU     int            // in bytes
	Local, Remote []netip.Prefix // traffic selectors of the near end
	ICMP4, ICMP6  netip.Addr     // sources of its ICMP errors
}

// Carry returns the packets that come out at the far end for p, or what of it
// is refused for its size, so that its sender may be told.
func (g Gateway) Carry(p []byte) (out [][]byte, refused []byte) {
	v, ok := decode(p)
	if !ok || !within(g.Local, v.source) || !within(g.Remote, v.destination) {
		return nil, nil
	}
	p = bytes.Clone(v.packet)
	clampMSS(p, g.InsideMTU)
	switch {
	case len(p) <= g.InsideMTU:
		return [][]byte{p}, nil
	case v.version == 4 && !v.dontFragment:
		return Fragments(p, g.InsideMTU), nil
	}
	return nil, p
}

func within(prefixes []netip.Prefix, a netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// clampMSS lowers the maximum segment size of a SYN to what fits mtu bytes.
func clampMSS(p []byte, mtu int) {
	v, _ := decode(p)
	if v.protocol != tcp || v.payloadAt == 0 || p[v.at+13]&syn == 0 {
		return
	}
	limit := mtu - 40
	if v.version == 6 {
		limit = mtu - 60
	}
	at := findOption(p[v.at+20:v.payloadAt], 2)
	if at < 0 || p[v.at+20+at+1] != 4 || v.at+20+at+4 > v.payloadAt {
		return
	}
	value := v.at + 20 + at + 2
	if int(p[value])<<8|int(p[value+1]) <= limit {
		return
	}
	// One that was wrong before must stay wrong, by as much.
	sum := int(^binary.BigEndian.Uint16(p[v.checksumAt:]))
	for i, b := range []byte{byte(limit >> 8), byte(limit)} {
		weight := 256
		if (value+i-v.at)%2 == 1 {
			weight = 1
		}
		sum += weight * (int(b) - int(p[value+i]))
		p[value+i] = b
	}
	sum = (sum%0xffff + 0xffff) % 0xffff
	binary.BigEndian.PutUint16(p[v.checksumAt:], ^uint16(sum))
}

// findOption returns where the first TCP option of a kind is, or -1.
func findOption(options []byte, kind byte) int {
	for at := 0; at < len(options); {
		switch {
		case options[at] == 0:
			return -1
		case options[at] == 1:
			at++
		case at+1 == len(options):
			return -1
		case options[at] == kind:
			return at
		case options[at+1] < 2:
			return -1
		default:
			at += int(options[at+1])
		}
	}
	return -1
}

// Fragments cuts an IPv4 packet by the procedure of RFC 791 section 3.2: the
// first fragment takes what fits, and the rest, a packet of its own, is cut
// again. There are none if the datagram would be longer than any can be.
func Fragments(p []byte, mtu int) [][]byte {
	v, ok := decode(p)
	if !ok || v.offset+len(v.packet)-v.headerLen > totalMax {
		return nil
	}
	if len(v.packet) <= mtu {
		return [][]byte{bytes.Clone(v.packet)}
	}
	blocks := (mtu - v.headerLen) / 8
	if blocks < 1 {
		return nil
	}
	payload := v.packet[v.headerLen:]
	flags := binary.BigEndian.Uint16(v.packet[6:]) & 0x4000

	first := append(bytes.Clone(v.packet[:v.headerLen]), payload[:blocks*8]...)
	binary.BigEndian.PutUint16(first[6:], flags|0x2000|uint16(v.offset/8))
	finishIP(first)

	options := copiedOptions(v.packet[20:v.headerLen])
	rest := append(append(bytes.Clone(v.packet[:20]), options...), payload[blocks*8:]...)
	rest[0] = 4<<4 | byte((20+len(options))/4)
	if v.moreFragments {
		flags |= 0x2000
	}
	binary.BigEndian.PutUint16(rest[6:], flags|uint16(v.offset/8+blocks))
	finishIP(rest)
	return append([][]byte{first}, Fragments(rest, mtu)...)
}

// copiedOptions are those that every fragment carries: RFC 791 section 3.1.
func copiedOptions(options []byte) (copied []byte) {
	for len(options) > 0 && options[0] != 0 {
		n := 1
		if options[0] != 1 {
			if len(options) < 2 || options[1] < 2 || int(options[1]) > len(options) {
				break
			}
			n = int(options[1])
		}
		if options[0]&0x80 != 0 {
			copied = append(copied, options[:n]...)
		}
		options = options[n:]
	}
	for len(copied)%4 != 0 {
		copied = append(copied, 0)
	}
	return copied
}

// CheckTooBig reports what is wrong with an ICMP error that says that refused
// does not fit the tunnel.
func (g Gateway) CheckTooBig(message, refused []byte) error {
	v, ok := decode(message)
	if !ok || len(v.packet) != len(message) || len(message) < v.at+8 {
		return fmt.Errorf("no whole packet: %s", excerpt(message))
	}
	r, _ := decode(refused)
	body := message[v.at:]
	var from netip.Addr
	var protocol, kind, code, mtu, lengthMax int
	var covered []byte
	if v.version == 4 {
		from, protocol, kind, code, mtu, lengthMax = g.ICMP4, icmp, 3, 4, int(binary.BigEndian.Uint16(body[6:])), 576
		if checksum(message[:v.headerLen]) != 0 {
			return fmt.Errorf("header checksum: %s", excerpt(message))
		}
	} else {
		from, protocol, kind, code, mtu, lengthMax = g.ICMP6, icmp6, 2, 0, int(binary.BigEndian.Uint32(body[4:])), 1280
		covered = v.pseudoHeader()
	}
	switch {
	case v.source != from || v.destination != r.source:
		return fmt.Errorf("from %v to %v, want from %v to %v", v.source, v.destination, from, r.source)
	case v.protocol != protocol || int(body[0]) != kind || int(body[1]) != code || mtu != g.InsideMTU:
		return fmt.Errorf("protocol %d, type %d, code %d, MTU %d", v.protocol, body[0], body[1], mtu)
	case checksum(covered, body) != 0:
		return fmt.Errorf("checksum: %s", excerpt(message))
	case len(message) != min(lengthMax, v.at+8+len(r.packet)) || !bytes.HasPrefix(r.packet, body[8:]):
		return fmt.Errorf("quotes %s of %s", excerpt(body[8:]), excerpt(refused))
	}
	return nil
}
