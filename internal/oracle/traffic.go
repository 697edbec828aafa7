package oracle

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
)

// TrafficConfig says what traffic may be made of.
type TrafficConfig struct {
	Seed uint64

	// Both ends of each family; the host part of each address varies.
	Local4, Remote4, Local6, Remote6 netip.Addr

	// TCPSuper and UDPSuper: the stack leaves segmentation to the TUN's
	// reader. With either it leaves checksums, too.
	TCPSuper, UDPSuper bool

	// SizeMax bounds packets in bytes; 0 means 65535.
	SizeMax int
}

// Traffic is what several hosts might say at once, at random: the same for the
// same configuration.
type Traffic struct {
	cfg     TrafficConfig
	r       *rand.Rand
	flows   []*flow
	pending [][]Message // bursts that take turns
	turn    int         // of pending
}

// NewTraffic returns new traffic.
func NewTraffic(cfg TrafficConfig) *Traffic {
	if cfg.SizeMax == 0 {
		cfg.SizeMax = totalMax
	}
	t := &Traffic{cfg: cfg, r: rand.New(rand.NewPCG(cfg.Seed, 0))}
	for i := range 12 {
		t.flows = append(t.flows, t.newFlow(i))
	}
	return t
}

// Next is the next message: bursts of one or several flows take turns, so that
// runs of a flow, mixtures and single packets all occur.
func (t *Traffic) Next() Message {
	if len(t.pending) == 0 {
		for range 1 + t.r.IntN(3) {
			if burst := t.burst(); len(burst) > 0 {
				t.pending = append(t.pending, burst)
			}
		}
	}
	if len(t.pending) == 0 {
		return t.Next()
	}
	if t.turn >= len(t.pending) || t.chance(6) {
		t.turn = t.r.IntN(len(t.pending))
	}
	m := t.pending[t.turn][0]
	if t.pending[t.turn] = t.pending[t.turn][1:]; len(t.pending[t.turn]) == 0 {
		t.pending = append(t.pending[:t.turn], t.pending[t.turn+1:]...)
	}
	return m
}

// chance is true once in n times.
func (t *Traffic) chance(n int) bool { return t.r.IntN(n) == 0 }

// bytes are random and cheap.
func (t *Traffic) bytes(n int) []byte {
	b := make([]byte, n+8)
	x := t.r.Uint64()
	for i := 0; i < n; i += 8 {
		binary.LittleEndian.PutUint64(b[i:], x)
		x = x*6364136223846793005 + 1442695040888963407
	}
	return b[:n:n]
}

// size is a payload's, often one at which something changes.
func (t *Traffic) size(most int) int {
	if most <= 0 {
		return 0
	}
	n := t.r.IntN(most + 1)
	switch t.r.IntN(10) {
	case 0:
		n = t.r.IntN(12)
	case 1, 2, 3:
		n = t.r.IntN(1500)
	case 4, 5:
		n = 1300 + t.r.IntN(200)
	case 6:
		n = most
	}
	return min(n, most)
}

// A flow is what goes on between two ports.
type flow struct {
	six, udp            bool
	source, destination netip.Addr
	ports               [4]byte
	header              []byte // of IP, options and extension headers included
	protocolAt          int    // where the last of them names the protocol
	countsID            bool   // or keeps it
	id                  uint16
	sequence            uint32
	tcpHeader           [12]byte // acknowledgment, offset, flags, window, checksum, urgent
	options             []byte   // of TCP
	segmentSize         int
}

func (t *Traffic) newFlow(i int) *flow {
	f := &flow{six: i%3 == 2, udp: i%2 == 1, countsID: !t.chance(4), id: uint16(t.r.Uint32()), sequence: t.r.Uint32()}
	if t.chance(3) {
		f.sequence = ^uint32(0) - uint32(t.r.IntN(100_000)) // goes round soon
	}
	binary.BigEndian.PutUint16(f.ports[:], uint16(1000+i))
	binary.BigEndian.PutUint16(f.ports[2:], uint16(2000+t.r.IntN(2)))
	f.segmentSize = []int{1, 17, 536, 1000, 1386, 1398, 1448, 9000}[t.r.IntN(8)]
	if i == 0 {
		f.segmentSize = 16_000 // so that a run is longer than any packet
	}
	f.tcpHeader = [12]byte(t.bytes(12))
	f.tcpHeader[10], f.tcpHeader[11] = 0, 0
	f.options = [][]byte{nil, {1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8}, {1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 9}}[t.r.IntN(3)]
	f.source, f.destination = t.cfg.Local4, t.cfg.Remote4
	if f.six {
		f.source, f.destination = t.cfg.Local6, t.cfg.Remote6
	}
	f.source, f.destination = vary(f.source, t.r.IntN(3)), vary(f.destination, t.r.IntN(3))
	t.header(f)
	return f
}

// vary adds to the last byte of an address.
func vary(a netip.Addr, n int) netip.Addr {
	for range n {
		a = a.Next()
	}
	return a
}

// header makes a flow's IP header: with options or extension headers, or more
// often without.
func (t *Traffic) header(f *flow) {
	tos := byte([]int{0, 0, 2, 3, 46 << 2, 0x29}[t.r.IntN(6)])
	if f.six {
		f.header = make([]byte, 8, 40)
		binary.BigEndian.PutUint32(f.header, 6<<28|uint32(tos)<<20|t.r.Uint32()&0xfffff)
		f.header[7] = byte(1 + t.r.IntN(255))
		f.header = append(append(f.header, f.source.AsSlice()...), f.destination.AsSlice()...)
		f.protocolAt = 6
		if t.chance(4) {
			for range 1 + t.r.IntN(2) {
				f.header[f.protocolAt] = []byte{hopByHop, destinationOptions}[t.r.IntN(2)]
				f.protocolAt = len(f.header)
				n := t.r.IntN(3) * 8
				f.header = append(append(f.header, 0, byte(n/8), 1, byte(4+n)), make([]byte, 4+n)...) // a PadN option
			}
		}
		return
	}
	f.header = []byte{4<<4 | 5, tos, 0, 0, 0, 0, 0, 0, byte(1 + t.r.IntN(255)), 0, 0, 0}
	if t.chance(2) {
		f.header[6] |= 0x40
	}
	f.header = append(append(f.header, f.source.AsSlice()...), f.destination.AsSlice()...)
	if t.chance(4) {
		// Router alert is copied into fragments, a timestamp is not.
		options := [][]byte{{148, 4, 0, 0}, {68, 12, 5, 0, 1, 2, 3, 4, 0, 0, 0, 0}, {1, 68, 8, 5, 0, 1, 2, 3, 4, 148, 4, 0, 0, 0, 0, 0}}[t.r.IntN(3)]
		f.header = append(f.header, options...)
		f.header[0] += byte(len(options) / 4)
	}
	f.protocolAt = 9
}

// packet puts an IP header before a transport's bytes.
func (t *Traffic) packet(f *flow, protocol byte, body []byte, ids int) []byte {
	p := append(append([]byte(nil), f.header...), body...)
	p[f.protocolAt] = protocol
	if !f.six {
		binary.BigEndian.PutUint16(p[4:], f.id)
		if f.countsID {
			f.id += uint16(ids)
		}
	}
	finish(p)
	return p
}

// room is how many bytes of transport fit.
func (t *Traffic) room(f *flow) int { return t.cfg.SizeMax - len(f.header) }

// burst is what one flow says at once.
func (t *Traffic) burst() []Message {
	f := t.flows[t.r.IntN(len(t.flows))]
	switch {
	case t.chance(3):
		return t.odd(f)
	case f.udp:
		return t.datagrams(f)
	}
	return t.segments(f)
}

// message is one packet as a stack hands it over: the checksum is sometimes
// left to the reader.
func (t *Traffic) message(p []byte) Message {
	if t.chance(30) {
		if v, _ := decode(p); v.checksumAt > 0 && binary.BigEndian.Uint16(p[v.checksumAt:]) == v.transportChecksum() {
			zeroChecksum(p)
		}
	}
	v, ok := decode(p)
	if !(t.cfg.TCPSuper || t.cfg.UDPSuper) || !ok || v.checksumAt == 0 || t.chance(2) || binary.BigEndian.Uint16(p[v.checksumAt:]) != v.transportChecksum() {
		return Message{Packet: p}
	}
	return partial(p, v)
}

func partial(p []byte, v view) Message {
	binary.BigEndian.PutUint16(p[v.checksumAt:], ^checksum(v.pseudoHeader()))
	return Message{Flags: NeedsChecksum, ChecksumStart: uint16(v.at), ChecksumOffset: uint16(v.checksumAt - v.at), Packet: p}
}

// super is a packet of several segments, or those if the stack cuts it itself.
func (t *Traffic) super(p []byte, size int, leave bool) (all []Message) {
	v, _ := decode(p)
	if t.chance(10) { // the first segment's, that is
		first := append([]byte(nil), p[:min(v.payloadAt+size, len(p))]...)
		finish(first)
		zeroChecksum(first)
		copy(p[v.payloadAt:], first[v.payloadAt:])
	}
	m := partial(p, v)
	m.HeaderLen, m.SegmentSize = uint16(v.payloadAt), uint16(size)
	switch {
	case v.protocol == udp:
		m.Type = TypeUDP
	case v.version == 6:
		m.Type = TypeTCP6
	default:
		m.Type = TypeTCP4
	}
	if v.protocol == tcp && p[v.at+13]&cwr != 0 {
		m.Type |= TypeECN
	}
	if leave {
		return []Message{m}
	}
	for _, segment := range m.Packets() {
		all = append(all, t.message(segment))
	}
	return all
}
