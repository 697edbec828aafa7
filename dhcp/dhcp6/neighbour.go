package dhcp6

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// Types of neighbour discovery's messages (RFC 4861 section 4).
const (
	routerSolicitation     = 133
	routerAdvertisement    = 134
	neighbourSolicitation  = 135
	neighbourAdvertisement = 136
)

// Options of neighbour discovery, [ type 1 | length in units of 8 bytes 1 | value ]
// (RFC 4861 section 4.6 and those named).
const (
	optionSourceMAC   = 1
	optionTargetMAC   = 2
	optionPrefix      = 3
	optionMTU         = 5
	optionRDNSS       = 25 // RFC 8106
	optionDNSSL       = 31 // RFC 8106
	neighbourUnit     = 8
	solicitationMin   = 8  // RFC 4861 section 6.1.1
	neighbourTargetAt = 8  // in a neighbour solicitation
	neighbourMin      = 24 // RFC 4861 section 7.1.1
)

// Advertisements come at random times between the intervals, the first few sooner (RFC
// 4861 sections 6.2.1 and 10). What is told of the router holds for the longest time
// that may be, what is told of resolvers for three intervals (RFC 8106 section 5.1):
// that nobody advertises for an hour takes no host's way out.
const (
	intervalMax      = 600 * time.Second
	intervalMin      = intervalMax / 3
	initialInterval  = 16 * time.Second
	initialCount     = 3
	routerLifetime   = 9000 * time.Second
	resolverLifetime = 3 * intervalMax
	informationTime  = time.Hour
)

// currentHopLimit is what hosts shall begin with, as the Internet's do (RFC 1700).
const currentHopLimit = 64

// A Schedule says when a host is told of its router unasked. The zero value is one that
// has not begun.
type Schedule struct{ told int }

// Next is the time to the next advertisement after one that has been sent now. Random is
// in [0, 1).
func (s *Schedule) Next(random float64) time.Duration {
	after := intervalMin + time.Duration(random*float64(intervalMax-intervalMin))
	if s.told++; s.told <= initialCount {
		after = min(after, initialInterval)
	}
	return after
}

// Restart begins anew, as after a change of what is told.
func (s *Schedule) Restart() { s.told = 0 }

// Advertisement is the frame that tells the host of its router unasked.
func (l Lease) Advertisement() []byte { return l.advertise(allNodes) }

// advertise writes a router advertisement, RFC 4861 section 4.2:
//
//	[ type 1 | code 1 | checksum 2 | hop limit 1 | flags 1 | router lifetime 2 |
//	  reachable time 4 | retransmission timer 4 | options ]
//
// Addresses come by DHCPv6. The subnet's prefix is told to be neither on the link nor
// good for making up addresses. A host without addresses is told of no router.
func (l Lease) advertise(to netip.Addr) []byte {
	const managed, otherConfiguration = 1 << 7, 1 << 6
	b := []byte{routerAdvertisement, 0, 0, 0, currentHopLimit, managed | otherConfiguration}
	if len(l.Addresses) == 0 {
		b = append(b, 0, 0)
	} else {
		b = binary.BigEndian.AppendUint16(b, uint16(seconds(routerLifetime)))
	}
	b = append(b, make([]byte, 8)...)
	b = neighbourOption(b, optionSourceMAC, l.Router[:])
	if l.MTU >= mtuMin {
		b = neighbourOption(b, optionMTU, binary.BigEndian.AppendUint32([]byte{0, 0}, uint32(l.MTU)))
	}
	if l.Subnet.IsValid() {
		prefix := binary.BigEndian.AppendUint32([]byte{byte(l.Subnet.Bits()), 0}, seconds(l.Valid))
		prefix = append(binary.BigEndian.AppendUint32(prefix, seconds(l.Preferred)), 0, 0, 0, 0)
		b = neighbourOption(b, optionPrefix, append(prefix, l.Subnet.Masked().Addr().AsSlice()...))
	}
	if len(l.Addresses) > 0 {
		b = l.advertiseResolvers(b)
	}
	return l.frame(to, protocolICMPv6, 2, b)
}

// advertiseResolvers appends the options of RFC 8106: [ 0 2 | lifetime 4 | … ].
func (l Lease) advertiseResolvers(b []byte) []byte {
	header := binary.BigEndian.AppendUint32([]byte{0, 0}, seconds(resolverLifetime))
	resolvers := header[:len(header):len(header)]
	for _, a := range servers(l.Resolvers) {
		resolvers = append(resolvers, a.AsSlice()...)
	}
	if len(resolvers) > len(header) {
		b = neighbourOption(b, optionRDNSS, resolvers)
	}
	if domains := l.domains(); len(domains) > 0 {
		b = neighbourOption(b, optionDNSSL, append(header[:len(header):len(header)], domains...))
	}
	return b
}

// neighbourOption appends an option, filled up with zeros to a whole number of units.
func neighbourOption(b []byte, kind byte, value []byte) []byte {
	units := (2 + len(value) + neighbourUnit - 1) / neighbourUnit
	b = append(append(b, kind, byte(units)), value...)
	return append(b, make([]byte, units*neighbourUnit-2-len(value))...)
}

// discovery returns a message of neighbour discovery, if it is one from this link (RFC
// 4861 sections 6.1.1 and 7.1.1).
func (p packet) discovery() (kind byte, ok bool) {
	if p.protocol != protocolICMPv6 || p.hops != hopLimit || len(p.payload) < solicitationMin || p.payload[1] != 0 || checksum(p.from, p.to, p.protocol, p.payload) != 0 {
		return 0, false
	}
	options := solicitationMin
	switch p.payload[0] {
	case routerSolicitation:
	case neighbourSolicitation:
		options = neighbourMin
	default:
		return 0, false
	}
	if len(p.payload) < options {
		return 0, false
	}
	for b := p.payload[options:]; len(b) > 0; {
		if len(b) < 2 || b[1] == 0 || len(b) < int(b[1])*neighbourUnit {
			return 0, false
		}
		if b[0] == optionSourceMAC && p.from.IsUnspecified() {
			return 0, false
		}
		b = b[int(b[1])*neighbourUnit:]
	}
	return p.payload[0], true
}

// advertiseNeighbour answers the question who has the router's address:
//
//	[ type 1 | code 1 | checksum 2 | flags 1 | 0 3 | target 16 | options ]
func (l Lease) advertiseNeighbour(to netip.Addr) []byte {
	const isRouter, isSolicited, overrides = 1 << 7, 1 << 6, 1 << 5
	b := append([]byte{neighbourAdvertisement, 0, 0, 0, isRouter | isSolicited | overrides, 0, 0, 0}, router.AsSlice()...)
	return l.frame(to, protocolICMPv6, 2, neighbourOption(b, optionTargetMAC, l.Router[:]))
}
