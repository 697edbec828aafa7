package nat64

import (
	"encoding/binary"

	"causeway.dev/packet"
)

// Types of ICMP (RFC 792) and ICMPv6 (RFC 4443).
const (
	v4EchoReply        = 0
	v4Unreachable      = 3
	v4Echo             = 8
	v4TimeExceeded     = 11
	v4ParameterProblem = 12

	v6Unreachable      = 1
	v6PacketTooBig     = 2
	v6TimeExceeded     = 3
	v6ParameterProblem = 4
	v6Echo             = 128
	v6EchoReply        = 129
)

// Lengths of messages, in bytes: of their header, and of what is quoted at most, so that
// no error is longer than RFC 1812 section 4.3.2.3 and RFC 4443 section 2.4 (c) have it.
const (
	icmpHeaderLen = 8

	quoteMaxIPv4 = 576 - 2*packet.IPv4HeaderLen - icmpHeaderLen
	quoteMaxIPv6 = mtuBytesMin - 2*packet.IPv6HeaderLen - fragmentHeaderLen - icmpHeaderLen
)

// icmpToIPv4 is RFC 7915 sections 5.2 and 5.3.
func (t *Translator) icmpToIPv4(o *Output, hosts *Hosts, h *header, destination [4]byte) Drop {
	if h.more || h.offset > 0 {
		return Fragmented
	}
	if len(h.payload) < icmpHeaderLen {
		return Malformed
	}
	source, known := hosts.ipv4[[16]byte(h.source)]
	if echo, ok := echoType(h.payload[0], v6Echo, v4Echo, v6EchoReply, v4EchoReply); ok {
		if !known {
			return Stranger
		}
		adjustEcho(h.payload, echo, packet.PseudoHeaderSum(h.source, h.destination, packet.ProtocolICMPv6, h.length), 0)
		out := o.take(packet.IPv4HeaderLen + len(h.payload))
		copy(out[packet.IPv4HeaderLen:], h.payload)
		h.writeIPv4(out, source, destination, packet.ProtocolICMP, t.nextID())
		return 0
	}
	word, ok := t.errorToIPv4(h.payload)
	if !ok {
		return Untranslated
	}
	quoted, drop := readIPv6(h.payload[icmpHeaderLen:])
	if drop != 0 {
		return drop
	}
	sender, ok := t.embedded(quoted.source)
	receiver, ok2 := hosts.ipv4[[16]byte(quoted.destination)]
	if !ok || !ok2 || packet.IPv4HeaderLen+quoted.length > ipv4Max {
		return Stranger
	}
	if !known {
		source = receiver // a router on the way to the host speaks for it
	}
	protocol := quoted.adjustQuoted(packet.Sum(quoted.destination, packet.Sum(quoted.source, 0)), pairSum(sender, receiver))
	excerpt := quoted.payload[:min(len(quoted.payload), quoteMaxIPv4)]
	out := o.take(2*packet.IPv4HeaderLen + icmpHeaderLen + len(excerpt))
	message := out[packet.IPv4HeaderLen:]
	binary.BigEndian.PutUint64(message, word)
	quoted.writeIPv4(message[icmpHeaderLen:], sender, receiver, protocol, 0)
	copy(message[icmpHeaderLen+packet.IPv4HeaderLen:], excerpt)
	binary.BigEndian.PutUint16(message[2:], ^packet.Sum(message, 0))
	h.length = len(message)
	h.writeIPv4(out, source, destination, packet.ProtocolICMP, t.nextID())
	return 0
}

// icmpToIPv6 is RFC 7915 sections 4.2 and 4.3.
func (t *Translator) icmpToIPv6(o *Output, hosts *Hosts, h *header, destination [16]byte, p packet.IPv4) Drop {
	if h.more || h.offset > 0 {
		return Fragmented
	}
	if len(h.payload) < icmpHeaderLen {
		return Malformed
	}
	source := t.embed(h.source)
	if echo, ok := echoType(h.payload[0], v4Echo, v6Echo, v4EchoReply, v6EchoReply); ok {
		if t.refuseBig(o, h, p) {
			return TooBig
		}
		adjustEcho(h.payload, echo, 0, packet.PseudoHeaderSum(source[:], destination[:], packet.ProtocolICMPv6, h.length))
		t.emit(o, h, source, destination, packet.ProtocolICMPv6)
		return 0
	}
	word, ok := t.errorToIPv6(h.payload)
	if !ok {
		return Untranslated
	}
	quoted, drop := readIPv4(h.payload[icmpHeaderLen:])
	if drop != 0 {
		return drop
	}
	sender, ok := hosts.ipv6[[4]byte(quoted.source)]
	if !ok || sender != destination || quoted.length > ipv4Max-packet.IPv6HeaderLen {
		return Stranger
	}
	receiver := t.embed(quoted.destination)
	protocol := quoted.adjustQuoted(packet.Sum(quoted.destination, packet.Sum(quoted.source, 0)), packet.Sum(receiver[:], packet.Sum(sender[:], 0)))
	excerpt := quoted.payload[:min(len(quoted.payload), quoteMaxIPv6)]
	length := icmpHeaderLen + quoted.lengthIPv6() - quoted.length + len(excerpt)
	out := o.take(packet.IPv6HeaderLen + length)
	message := out[packet.IPv6HeaderLen:]
	binary.BigEndian.PutUint64(message, word)
	copy(message[icmpHeaderLen+quoted.writeIPv6(message[icmpHeaderLen:], sender, receiver, protocol):], excerpt)
	h.length, h.fragment = length, false
	h.writeIPv6(out, source, destination, packet.ProtocolICMPv6)
	sum := packet.PseudoHeaderSum(source[:], destination[:], packet.ProtocolICMPv6, length)
	binary.BigEndian.PutUint16(message[2:], ^packet.Sum(message, sum))
	return 0
}

// echoType returns what the type of an echo message is on the other side.
func echoType(is, request, asRequest, reply, asReply uint8) (uint8, bool) {
	switch is {
	case request:
		return asRequest, true
	case reply:
		return asReply, true
	}
	return 0, false
}

// adjustEcho gives an echo message its type, and a checksum that covers after in place
// of before: ICMPv6's covers addresses, ICMP's does not.
func adjustEcho(message []byte, echo uint8, before, after uint16) {
	was := binary.BigEndian.Uint16(message)
	message[0] = echo
	sum := packet.Adjust(binary.BigEndian.Uint16(message[2:]), was, binary.BigEndian.Uint16(message))
	binary.BigEndian.PutUint16(message[2:], packet.Adjust(sum, before, after))
}

// adjustQuoted brings what an error quotes up to date, as far as it is there, and
// returns its protocol on the other side. before and after are the sums over its
// addresses.
func (h *header) adjustQuoted(before, after uint16) (protocol uint8) {
	switch h.protocol {
	case packet.ProtocolICMPv6:
		if echo, ok := h.quotedEcho(v6Echo, v4Echo, v6EchoReply, v4EchoReply); ok {
			adjustEcho(h.payload, echo, packet.PseudoHeaderSum(h.source, h.destination, packet.ProtocolICMPv6, h.length), 0)
		}
		return packet.ProtocolICMP
	case packet.ProtocolICMP:
		if echo, ok := h.quotedEcho(v4Echo, v6Echo, v4EchoReply, v6EchoReply); ok {
			tail := [4]byte{0, packet.ProtocolICMPv6}
			binary.BigEndian.PutUint16(tail[2:], uint16(h.length))
			adjustEcho(h.payload, echo, 0, packet.Sum(tail[:], after))
		}
		return packet.ProtocolICMPv6
	}
	if noChecksum := h.protocol == packet.ProtocolUDP && len(h.payload) >= udpHeaderLen && binary.BigEndian.Uint16(h.payload[udpChecksum:]) == 0; h.offset == 0 && !noChecksum {
		h.adjust(before, after) // where it is cut off there is nothing to adjust
	}
	return h.protocol
}

func (h *header) quotedEcho(request, asRequest, reply, asReply uint8) (uint8, bool) {
	if h.offset > 0 || len(h.payload) < icmpHeaderLen {
		return 0, false
	}
	return echoType(h.payload[0], request, asRequest, reply, asReply)
}

// errorWord is the header of an error, without its checksum.
func errorWord(kind, code uint8, rest uint32) uint64 {
	return uint64(kind)<<56 | uint64(code)<<48 | uint64(rest)
}

// errorToIPv4 returns what the header of an error of ICMPv6 is in ICMP (RFC 7915
// section 5.2).
func (t *Translator) errorToIPv4(message []byte) (word uint64, ok bool) {
	code, rest := message[1], binary.BigEndian.Uint32(message[4:])
	switch message[0] {
	case v6Unreachable:
		const host, port, prohibited = 1, 3, 10
		codes := [...]uint8{0: host, 1: prohibited, 2: host, 3: host, 4: port}
		if int(code) < len(codes) {
			return errorWord(v4Unreachable, codes[code], 0), true
		}
	case v6PacketTooBig:
		const fragmentationNeeded = 4
		mtu := max(min(rest, uint32(t.mtu)), mtuBytesMin) - headerGrowth
		return errorWord(v4Unreachable, fragmentationNeeded, mtu), true
	case v6TimeExceeded:
		return errorWord(v4TimeExceeded, code, 0), code <= 1
	case v6ParameterProblem:
		const field, nextHeader, protocolUnreachable = 0, 1, 2
		if code == nextHeader {
			return errorWord(v4Unreachable, protocolUnreachable, 0), true
		}
		pointer, known := pointerToIPv4(rest)
		return errorWord(v4ParameterProblem, 0, uint32(pointer)<<24), known && code == field
	}
	return 0, false
}

// errorToIPv6 is errorToIPv4 for the other direction (RFC 7915 section 4.2).
func (t *Translator) errorToIPv6(message []byte) (word uint64, ok bool) {
	code := message[1]
	switch message[0] {
	case v4Unreachable:
		const noRoute, prohibited, port, none = 0, 1, 4, 0xff
		const protocolUnreachable, fragmentationNeeded = 2, 4
		codes := [...]uint8{
			0: noRoute, 1: noRoute, 3: port, 5: noRoute, 6: noRoute, 7: noRoute, 8: noRoute,
			9: prohibited, 10: prohibited, 11: noRoute, 12: noRoute, 13: prohibited, 14: none, 15: prohibited,
		}
		switch {
		case code == protocolUnreachable:
			const nextHeader, nextHeaderAt = 1, 6
			return errorWord(v6ParameterProblem, nextHeader, nextHeaderAt), true
		case code == fragmentationNeeded:
			return errorWord(v6PacketTooBig, 0, t.mtuToIPv6(message)), true
		case int(code) < len(codes) && codes[code] != none:
			return errorWord(v6Unreachable, codes[code], 0), true
		}
	case v4TimeExceeded:
		return errorWord(v6TimeExceeded, code, 0), code <= 1
	case v4ParameterProblem:
		const field, length = 0, 2
		pointer, known := pointerToIPv6(message[4])
		return errorWord(v6ParameterProblem, 0, uint32(pointer)), known && (code == field || code == length)
	}
	return 0, false
}

// plateaus are likely lengths of packets that a path carries, in bytes, for routers
// that do not say it (RFC 1191 section 7.1).
var plateaus = [...]uint32{65535, 32000, 17914, 8166, 4352, 2002, 1492, 1280}

// mtuToIPv6 is what fits in IPv6 where an error says what fits in IPv4. No less than
// every path of IPv6 carries is said: of IPv4, routers fragment what is that short.
func (t *Translator) mtuToIPv6(message []byte) uint32 {
	mtu := uint32(binary.BigEndian.Uint16(message[6:]))
	if mtu == 0 && len(message) >= icmpHeaderLen+4 {
		total := uint32(binary.BigEndian.Uint16(message[icmpHeaderLen+2:])) // of the packet that is quoted
		for _, plateau := range plateaus {
			if mtu = plateau; mtu < total {
				break
			}
		}
	}
	return max(min(mtu+headerGrowth, uint32(t.mtu)), mtuBytesMin)
}

// Where fields of the header are on the other side: RFC 7915 figures 3 and 6. They are
// told as the first byte of what is there.
func pointerToIPv4(at uint32) (pointer uint8, ok bool) {
	switch {
	case at <= 1:
		return uint8(at), true
	case at == 4 || at == 5:
		return 2, true // length
	case at == 6:
		return 9, true // protocol
	case at == 7:
		return 8, true // time to live
	case at >= v6Source && at < v6Destination:
		return v4Source, true
	case at >= v6Destination && at < packet.IPv6HeaderLen:
		return v4Destination, true
	}
	return 0, false
}

func pointerToIPv6(at uint8) (pointer uint8, ok bool) {
	switch {
	case at <= 1:
		return at, true
	case at == 2 || at == 3:
		return 4, true // length
	case at == 8:
		return 7, true // hop limit
	case at == 9:
		return 6, true // next header
	case at >= v4Source && at < v4Destination:
		return v6Source, true
	case at >= v4Destination && at < packet.IPv4HeaderLen:
		return v6Destination, true
	}
	return 0, false
}
