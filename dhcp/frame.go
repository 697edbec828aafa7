package dhcp

import "encoding/binary"

// Ports of servers and clients (RFC 2131 section 4.1).
const (
	ServerPort = 67
	ClientPort = 68
)

// A client that has no address yet is told by Ethernet frames: no ARP finds it.
//
//	[ Ethernet 14 | IPv4 20 without options | UDP 8 | message ]
const (
	etherLength = 14
	etherIPv4   = 0x0800
	ipLength    = 20
	udpLength   = 8
	protocolUDP = 17
	timeToLive  = 64
)

// Payload returns the message in a frame that is for servers. Fragments and frames of
// anything else are refused. Checksums are not looked at: those of what comes from the
// same host may not have been written yet.
func Payload(frame []byte) ([]byte, bool) {
	if len(frame) < etherLength+ipLength+udpLength || binary.BigEndian.Uint16(frame[12:]) != etherIPv4 {
		return nil, false
	}
	ip := frame[etherLength:]
	header, total := int(ip[0]&15)*4, int(binary.BigEndian.Uint16(ip[2:]))
	const moreFragmentsOrOffset = 0x3fff
	if ip[0]>>4 != 4 || header < ipLength || total < header+udpLength || total > len(ip) ||
		binary.BigEndian.Uint16(ip[6:])&moreFragmentsOrOffset != 0 || ip[9] != protocolUDP {
		return nil, false
	}
	udp := ip[header:total]
	length := int(binary.BigEndian.Uint16(udp[4:]))
	if binary.BigEndian.Uint16(udp[2:]) != ServerPort || length < udpLength || length > len(udp) {
		return nil, false
	}
	return udp[udpLength:length], true
}

// Frame writes the frame that brings an answer of the lease's router, whose MAC address
// is from, to its client.
func (l Lease) Frame(from [6]byte, r Reply) []byte {
	b := make([]byte, etherLength+ipLength+udpLength, etherLength+ipLength+udpLength+len(r.Message))
	copy(b, r.MAC[:])
	copy(b[6:], from[:])
	binary.BigEndian.PutUint16(b[12:], etherIPv4)

	ip := b[etherLength:]
	ip[0] = 4<<4 | ipLength/4
	binary.BigEndian.PutUint16(ip[2:], uint16(ipLength+udpLength+len(r.Message)))
	ip[8], ip[9] = timeToLive, protocolUDP
	copy(ip[12:], l.Router.AsSlice())
	copy(ip[16:], r.To.AsSlice())
	binary.BigEndian.PutUint16(ip[10:], Checksum(0, ip[:ipLength]))

	udp := ip[ipLength:]
	length := uint16(udpLength + len(r.Message))
	binary.BigEndian.PutUint16(udp, ServerPort)
	binary.BigEndian.PutUint16(udp[2:], ClientPort)
	binary.BigEndian.PutUint16(udp[4:], length)
	b = append(b, r.Message...)
	pseudo := b[etherLength+12 : etherLength+ipLength] // both addresses, besides protocol and length
	checksum := Checksum(protocolUDP+uint32(length), pseudo, b[etherLength+ipLength:])
	if checksum == 0 {
		checksum = 0xffff // RFC 768: zero means none
	}
	binary.BigEndian.PutUint16(b[etherLength+ipLength+6:], checksum)
	return b
}

// Checksum is the Internet's (RFC 1071) of parts that follow each other, each but the
// last of whole 16-bit words, added to a sum. It is 0 where the parts have theirs.
func Checksum(sum uint32, parts ...[]byte) uint16 {
	for _, b := range parts {
		for ; len(b) > 1; b = b[2:] {
			sum += uint32(b[0])<<8 | uint32(b[1])
		}
		if len(b) == 1 { // the upper half of a word
			sum += uint32(b[0]) << 8
		}
	}
	for sum > 0xffff { // frames are short enough that 32 bits have held it
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
