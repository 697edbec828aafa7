package dhcp6

import (
	"encoding/binary"
	"net/netip"

	"causeway.dev/dhcp"
)

// Ports of servers and clients (RFC 8415 section 7.2).
const (
	ServerPort = 547
	ClientPort = 546
)

// Where hosts ask: groups of servers and of routers, the MAC addresses that stand for
// these (RFC 2464 section 7), and the router's own address, the same on every link.
var (
	allServers = netip.MustParseAddr("ff02::1:2")
	allRouters = netip.MustParseAddr("ff02::2")
	router     = netip.MustParseAddr("fe80::1")
	solicited  = netip.MustParseAddr("ff02::1:ff00:1") // RFC 4291 section 2.7.1: who asks who has the router's address

	AllServersMAC = [6]byte{0x33, 0x33, 0, 1, 0, 2}
	AllRoutersMAC = [6]byte{0x33, 0x33, 0, 0, 0, 2}
)

// allNodes is where advertisements go that answer nobody.
var allNodes = netip.MustParseAddr("ff02::1")

// [ Ethernet 14 | IPv6 40 | UDP 8 or ICMPv6 | … ]
const (
	etherLength = 14
	etherIPv6   = 0x86dd
	ipLength    = 40
	udpLength   = 8

	protocolUDP    = 17
	protocolICMPv6 = 58

	// hopLimit is that of what stays on its link: whoever gets another knows that it
	// came from elsewhere (RFC 4861 section 3.1).
	hopLimit = 255
)

// A packet is what a frame carries.
type packet struct {
	mac      [6]byte // who sent the frame
	from, to netip.Addr
	protocol byte
	hops     byte
	payload  []byte
}

// readFrame reads a frame of IPv6 without extension headers: what hosts ask has none.
func readFrame(frame []byte) (p packet, ok bool) {
	if len(frame) < etherLength+ipLength || binary.BigEndian.Uint16(frame[12:]) != etherIPv6 {
		return p, false
	}
	ip := frame[etherLength:]
	length := int(binary.BigEndian.Uint16(ip[4:]))
	if ip[0]>>4 != 6 || length > len(ip)-ipLength {
		return p, false
	}
	return packet{
		mac: [6]byte(frame[6:]), from: netip.AddrFrom16([16]byte(ip[8:])), to: netip.AddrFrom16([16]byte(ip[24:])),
		protocol: ip[6], hops: ip[7], payload: ip[ipLength : ipLength+length],
	}, true
}

// message returns the payload of UDP for servers. Checksums are not looked at, as
// package dhcp does not.
func (p packet) message() ([]byte, bool) {
	if p.protocol != protocolUDP || len(p.payload) < udpLength {
		return nil, false
	}
	length := int(binary.BigEndian.Uint16(p.payload[4:]))
	if binary.BigEndian.Uint16(p.payload[2:]) != ServerPort || length < udpLength || length > len(p.payload) {
		return nil, false
	}
	return p.payload[udpLength:length], true
}

// frame writes a packet of the lease's router to its host. An address of a group also
// goes to the host's own MAC address (RFC 6085): others on the link are not told.
func (l Lease) frame(to netip.Addr, protocol byte, checksumAt int, payload []byte) []byte {
	b := make([]byte, etherLength+ipLength, etherLength+ipLength+len(payload))
	copy(b, l.MAC[:])
	copy(b[6:], l.Router[:])
	binary.BigEndian.PutUint16(b[12:], etherIPv6)
	ip := b[etherLength:]
	ip[0] = 6 << 4
	binary.BigEndian.PutUint16(ip[4:], uint16(len(payload)))
	ip[6], ip[7] = protocol, hopLimit
	copy(ip[8:], router.AsSlice())
	copy(ip[24:], to.AsSlice())
	b = append(b, payload...)
	payload = b[etherLength+ipLength:]
	checksum := checksum(router, to, protocol, payload)
	if checksum == 0 && protocol == protocolUDP {
		checksum = 0xffff // RFC 8200 section 8.1: zero means none
	}
	binary.BigEndian.PutUint16(payload[checksumAt:], checksum)
	return b
}

// checksum is that of a payload with its pseudo header (RFC 8200 section 8.1); 0 where
// the payload has the right one already.
func checksum(from, to netip.Addr, protocol byte, payload []byte) uint16 {
	pseudo := append(from.AsSlice(), to.AsSlice()...)
	return dhcp.Checksum(uint32(len(payload))+uint32(protocol), pseudo, payload)
}

// messageFrame writes the frame that brings a message to a client.
func (l Lease) messageFrame(to netip.Addr, message []byte) []byte {
	udp := make([]byte, udpLength, udpLength+len(message))
	binary.BigEndian.PutUint16(udp, ServerPort)
	binary.BigEndian.PutUint16(udp[2:], ClientPort)
	binary.BigEndian.PutUint16(udp[4:], uint16(udpLength+len(message)))
	return l.frame(to, protocolUDP, 6, append(udp, message...))
}

// Each link that carries IPv6 takes packets of mtuMin bytes (RFC 8200 section 5).
// Answers are not longer than what Ethernet carries.
const (
	mtuMin    = 1280
	mtuUseful = 1500
)

// messageMax bounds a message that the host's link takes, in bytes.
func (l Lease) messageMax() int {
	return min(max(l.MTU, mtuMin), mtuUseful) - ipLength - udpLength
}
