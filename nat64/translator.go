package nat64

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"causeway.dev/packet"
)

// Config is what a Translator goes by.
type Config struct {
	// Prefix is where IPv4 addresses are embedded: one of 96 bits that CheckPrefix
	// accepts.
	Prefix netip.Prefix

	// MTU, in bytes, is what the links on both sides carry; at least 1280.
	MTU int
}

// Of an IPv6 path: what it carries at least, and by how much packets are longer there
// than in IPv4.
const (
	mtuBytesMin  = 1280
	headerGrowth = packet.IPv6HeaderLen - packet.IPv4HeaderLen
)

// A Drop is why a packet was not translated; 0 if it was.
type Drop int

// Reasons.
const (
	Malformed    Drop = iota + 1 // no whole packet
	Stranger                     // its sender is no host that is translated for
	Unreachable                  // it is for no address that can be translated, or for none of one host
	Untranslated                 // neither TCP nor UDP, nor ICMP that the other side knows
	Fragmented                   // a fragment that says too little: of ICMP, or of UDP without a checksum
	Unfinished                   // it has still to go to places that its source names
	TooBig                       // its sender was told what fits, if it may be

	drops // how many there are, and one
)

// DropNames are what reasons are called where they are counted, by reason.
var DropNames = [drops]string{
	Malformed: "malformed", Stranger: "stranger", Unreachable: "unreachable", Untranslated: "untranslated",
	Fragmented: "fragmented", Unfinished: "unfinished", TooBig: "too-big",
}

// An Output is what packets have become, in order. The zero value is ready.
type Output struct {
	Packets [][]byte // valid until Reset

	buffer []byte
}

// Reset empties it.
func (o *Output) Reset() {
	clear(o.Packets)
	o.Packets, o.buffer = o.Packets[:0], o.buffer[:0]
}

// outputBytes is how much room an Output begins with.
const outputBytes = 256 << 10

// take adds a packet of n bytes, which are to be written.
func (o *Output) take(n int) []byte {
	if cap(o.buffer)-len(o.buffer) < n {
		// What was taken stays where it is.
		o.buffer = make([]byte, 0, max(outputBytes, 2*cap(o.buffer), n))
	}
	at := len(o.buffer)
	o.buffer = o.buffer[:at+n]
	p := o.buffer[at : at+n : at+n]
	o.Packets = append(o.Packets, p)
	return p
}

// A Translator translates packets. It belongs to one goroutine.
type Translator struct {
	prefix [16]byte
	mtu    int
	id     uint16 // of the last packet that got one here
}

// New returns a translator. The configuration must be valid.
func New(c Config) *Translator { return &Translator{prefix: c.Prefix.Addr().As16(), mtu: c.MTU} }

// prefixBytes is the length of a Config's Prefix.
const prefixBytes = 12

func (t *Translator) embed(four []byte) (a [16]byte) {
	a = t.prefix
	copy(a[prefixBytes:], four)
	return a
}

// embedded returns the address of IPv4 that one of IPv6 stands for, if it is one that
// somebody may have who is not near.
func (t *Translator) embedded(a []byte) (four [4]byte, ok bool) {
	copy(four[:], a[prefixBytes:])
	return four, slices.Equal(a[:prefixBytes], t.prefix[:prefixBytes]) && isRemote(four)
}

// isRemote leaves out addresses that mean a host itself, its link, many hosts or
// nobody (RFC 6890), those of Hosts among them: nothing is led back to where it comes
// from.
func isRemote(a [4]byte) bool {
	const thisNetwork, loopback, multicast = 0, 127, 224
	return a[0] != thisNetwork && a[0] != loopback && a[0] < multicast && !(a[0] == 169 && a[1] == 254)
}

// Translate adds to o what a packet of either version becomes in the other: one or,
// where it has to be fragmented, several, or an ICMP error to its sender. The packet
// may be altered. Times to live are left to the routers before and behind.
func (t *Translator) Translate(o *Output, hosts *Hosts, p []byte) Drop {
	switch packet.Version(p) {
	case 6:
		whole, err := packet.ParseIPv6(p)
		if err != nil {
			return Malformed
		}
		return t.toIPv4(o, hosts, whole)
	case 4:
		whole, err := packet.ParseIPv4(p)
		if err != nil {
			return Malformed
		}
		return t.toIPv6(o, hosts, whole)
	}
	return Malformed
}

// toIPv4 is RFC 7915 section 5.
func (t *Translator) toIPv4(o *Output, hosts *Hosts, p packet.IPv6) Drop {
	h, drop := readIPv6(p)
	if drop != 0 {
		return drop
	}
	destination, ok := t.embedded(h.destination)
	switch {
	case !ok:
		return Unreachable
	case packet.IPv4HeaderLen+h.length+int(h.offset)*8 > ipv4Max:
		return Malformed
	case h.protocol == packet.ProtocolICMPv6:
		return t.icmpToIPv4(o, hosts, &h, destination)
	}
	source, ok := hosts.ipv4[[16]byte(h.source)]
	if !ok {
		return Stranger
	}
	if h.offset == 0 {
		if drop := h.adjust(packet.Sum(p[v6Source:packet.IPv6HeaderLen], 0), pairSum(source, destination)); drop != 0 {
			return drop
		}
	} else if !hasPorts(h.protocol) {
		return Untranslated
	}
	out := o.take(packet.IPv4HeaderLen + len(h.payload))
	copy(out[packet.IPv4HeaderLen:], h.payload)
	h.writeIPv4(out, source, destination, h.protocol, t.nextID())
	return 0
}

const ipv4Max = 65535 // bytes

// nextID numbers packets that may be fragmented behind the translator.
func (t *Translator) nextID() uint16 {
	t.id++
	return t.id
}

// toIPv6 is RFC 7915 section 4.
func (t *Translator) toIPv6(o *Output, hosts *Hosts, p packet.IPv4) Drop {
	h, drop := readIPv4(p)
	if drop != 0 {
		return drop
	}
	destination, ok := hosts.ipv6[[4]byte(h.destination)]
	switch {
	case !ok || !isRemote([4]byte(h.source)):
		return Unreachable
	case int(h.offset)*8+h.length > ipv4Max:
		return Malformed
	case h.protocol == packet.ProtocolICMP:
		return t.icmpToIPv6(o, hosts, &h, destination, p)
	}
	if t.refuseBig(o, &h, p) {
		return TooBig
	}
	source := t.embed(h.source)
	if h.offset == 0 {
		if drop := h.adjust(packet.Sum(p[v4Source:packet.IPv4HeaderLen], 0), packet.Sum(destination[:], packet.Sum(source[:], 0))); drop != 0 {
			return drop
		}
	} else if !hasPorts(h.protocol) {
		return Untranslated
	}
	t.emit(o, &h, source, destination, h.protocol)
	return 0
}

// refuseBig tells the sender of a packet that must not be fragmented, and is too long
// for IPv6, what fits.
func (t *Translator) refuseBig(o *Output, h *header, p packet.IPv4) bool {
	if !h.dontFragment || h.lengthIPv6() <= t.mtu {
		return false
	}
	out := o.take(packet.ICMPErrorMax)
	if made, ok := packet.AppendFragmentationNeeded(out[:0], p.Destination(), p, t.mtu-(h.lengthIPv6()-packet.IPv4HeaderLen-h.length)); ok {
		o.Packets[len(o.Packets)-1] = made
	} else {
		o.Packets = o.Packets[:len(o.Packets)-1]
	}
	return true
}

// lengthIPv6 is that of the packet as one of IPv6.
func (h *header) lengthIPv6() int {
	if h.fragment {
		return packet.IPv6HeaderLen + fragmentHeaderLen + h.length
	}
	return packet.IPv6HeaderLen + h.length
}

// emit adds a packet of IPv6, in fragments where it is too long.
func (t *Translator) emit(o *Output, h *header, source, destination [16]byte, protocol uint8) {
	if total := h.lengthIPv6(); total <= t.mtu {
		out := o.take(total)
		copy(out[h.writeIPv6(out, source, destination, protocol):], h.payload)
		return
	}
	room := (t.mtu - packet.IPv6HeaderLen - fragmentHeaderLen) &^ 7
	for rest := h.payload; len(rest) > 0; {
		part := *h
		part.fragment, part.payload = true, rest[:min(room, len(rest))]
		part.length, part.more = len(part.payload), h.more || len(rest) > room
		part.offset = h.offset + uint16((len(h.payload)-len(rest))/8)
		out := o.take(part.lengthIPv6())
		copy(out[part.writeIPv6(out, source, destination, protocol):], part.payload)
		rest = rest[len(part.payload):]
	}
}

// hasPorts reports whether a protocol is TCP or UDP.
func hasPorts(protocol uint8) bool {
	return protocol == packet.ProtocolTCP || protocol == packet.ProtocolUDP
}

func pairSum(source, destination [4]byte) uint16 {
	return packet.Sum(destination[:], packet.Sum(source[:], 0))
}

// Places of checksums, and the lengths of headers.
const (
	tcpChecksum, tcpHeaderLen = 16, 20
	udpChecksum, udpHeaderLen = 6, 8
)

// adjust brings the checksum of TCP or UDP up to date where the sum over the addresses
// changes from before to after. The payload is not in the middle of something.
func (h *header) adjust(before, after uint16) Drop {
	at, least := tcpChecksum, tcpHeaderLen
	switch h.protocol {
	case packet.ProtocolTCP:
	case packet.ProtocolUDP:
		at, least = udpChecksum, udpHeaderLen
	default:
		return Untranslated
	}
	if len(h.payload) < least {
		return Malformed
	}
	field := h.payload[at : at+2]
	sum := binary.BigEndian.Uint16(field)
	if h.protocol == packet.ProtocolUDP && sum == 0 {
		return h.makeChecksum(field, after)
	}
	sum = packet.Adjust(sum, before, after)
	if h.protocol == packet.ProtocolUDP && sum == 0 {
		sum = 0xffff // zero says that there is none
	}
	binary.BigEndian.PutUint16(field, sum)
	return 0
}

// makeChecksum gives UDP the checksum that IPv4 does without, and IPv6 does not. For a
// fragment it cannot be known.
func (h *header) makeChecksum(field []byte, addresses uint16) Drop {
	if h.fragment {
		return Fragmented
	}
	tail := [4]byte{0, packet.ProtocolUDP}
	binary.BigEndian.PutUint16(tail[2:], uint16(h.length))
	sum := ^packet.Sum(h.payload, packet.Sum(tail[:], addresses))
	if sum == 0 {
		sum = 0xffff
	}
	binary.BigEndian.PutUint16(field, sum)
	return 0
}
