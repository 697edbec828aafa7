package oracle

import "encoding/binary"

// segment makes one TCP packet and moves the flow on.
func (t *Traffic) segment(f *flow, flags byte, options, payload []byte, ids int) []byte {
	body := append([]byte(nil), f.ports[:]...)
	body = binary.BigEndian.AppendUint32(body, f.sequence)
	body = append(append(append(body, f.tcpHeader[:]...), options...), payload...)
	body[12], body[13] = byte(5+len(options)/4)<<4, flags
	f.sequence += uint32(len(payload))
	return t.packet(f, tcp, body, ids)
}

// segments are a TCP flow's.
func (t *Traffic) segments(f *flow) (all []Message) {
	room := t.room(f) - 20 - len(f.options)
	switch t.r.IntN(10) {
	case 0: // a handshake
		mss := uint16([]int{t.r.IntN(3000), 1460, 8960, 65495}[t.r.IntN(4)])
		options := [][]byte{{2, 4, byte(mss >> 8), byte(mss)}, {1, 2, 4, byte(mss >> 8), byte(mss), 1, 1, 0}, {4, 2, 1, 2, 4, byte(mss >> 8), byte(mss), 1}, {2, 3, 5, 0}, {2, 4, 0, 9, 2, 4, 255, 255}, {1, 1, 1, 2}, nil, {3, 0, 2, 4, 5, 180, 0, 0}}[t.r.IntN(8)]
		return []Message{t.message(t.segment(f, []byte{syn, syn | ack, syn | ece | cwr}[t.r.IntN(3)], options, nil, 1))}
	case 1: // nothing to say, an end, a keep-alive of one byte
		flags := []byte{ack, fin | ack, rst, rst | ack, ack | urg, ack | ece}[t.r.IntN(6)]
		return []Message{t.message(t.segment(f, flags, f.options, t.bytes(t.r.IntN(2)), 1))}
	case 2: // another window, another time stamp, something sent again
		copy(f.tcpHeader[:], t.bytes(8))
		if len(f.options) == 12 {
			f.options = append(f.options[:4:4], t.bytes(8)...)
		}
		f.sequence -= uint32(t.r.IntN(3000))
		return nil
	case 3, 4, 5, 6: // a super-packet
		size := f.segmentSize
		if t.chance(3) {
			size = 1 + t.r.IntN(2000)
		}
		n := min(size+1+t.size(room), room, superMax*size)
		if t.chance(4) {
			n = min(n/size*size+size, room) // no shorter last
		}
		if n <= size {
			break
		}
		flags := byte(ack) | []byte{0, psh, psh | fin, cwr, cwr | ece, urg}[t.r.IntN(6)]
		return t.super(t.segment(f, flags, f.options, t.bytes(n), (n+size-1)/size), size, t.cfg.TCPSuper)
	}
	// Plain segments, as a far end without offload sends them: of one size but
	// for the last, here and there with something that must end a run.
	for range t.run() {
		size, flags := f.segmentSize, byte(ack)
		t.change(f)
		switch t.r.IntN(25) {
		case 0:
			size = 1 + t.r.IntN(size)
		case 1:
			flags |= psh
		case 2:
			flags |= []byte{fin, urg, ece, cwr}[t.r.IntN(4)]
		case 3:
			size = min(size+1, room)
		}
		p := t.segment(f, flags, f.options, t.bytes(min(size, room)), 1)
		m := t.message(p)
		if m.Flags == 0 && t.chance(60) {
			p[t.r.IntN(2)+len(p)-2] ^= 1 << t.r.IntN(8) // damaged on its way here
		}
		all = append(all, m)
	}
	return all
}

// change alters one field of a flow's headers, seldom.
func (t *Traffic) change(f *flow) {
	field := f.header[1:2] // type of service, part of IPv6's class and label
	switch t.r.IntN(60) {
	case 0:
		field = f.tcpHeader[0:4] // acknowledgment
	case 1:
		field = f.tcpHeader[6:8] // window
	case 2:
		field = f.tcpHeader[10:12] // urgent pointer
	case 3:
		if len(f.options) < 12 {
			return
		}
		field = f.options[4:8]
	case 4:
		field = f.header[8:9] // time to live
		if f.six {
			field = f.header[7:8]
		}
	case 5:
	default:
		return
	}
	copy(field, t.bytes(len(field)))
}

// zeroChecksum makes a whole packet's first two bytes of payload such that its
// TCP or UDP checksum comes out as zero.
func zeroChecksum(p []byte) {
	v, ok := decode(p)
	if !ok || v.payloadAt == 0 || v.payloadAt+2 > len(p) {
		return
	}
	p[v.payloadAt], p[v.payloadAt+1] = 0, 0
	binary.BigEndian.PutUint16(p[v.payloadAt:], v.transportChecksum())
	finish(p)
}

// superMax is how many segments a super-packet has at most: more than a batch
// holds, and fewer than any queue.
const superMax = 200

// run is how many packets of a flow follow each other.
func (t *Traffic) run() int {
	if t.chance(8) {
		return 1 + t.r.IntN(100)
	}
	return 1 + t.r.IntN(8)
}

// datagram makes one UDP packet.
func (t *Traffic) datagram(f *flow, payload []byte, ids int) []byte {
	body := append(append([]byte(nil), f.ports[:]...), 0, 0, 0, 0)
	return t.packet(f, udp, append(body, payload...), ids)
}

// datagrams are a UDP flow's.
func (t *Traffic) datagrams(f *flow) (all []Message) {
	room := t.room(f) - 8
	switch t.r.IntN(8) {
	case 0: // any size
		return []Message{t.message(t.datagram(f, t.bytes(t.size(room)), 1))}
	case 1: // without a checksum, or of another length than IP's
		p := t.datagram(f, t.bytes(t.r.IntN(1000)), 1)
		v, _ := decode(p)
		if t.chance(2) {
			binary.BigEndian.PutUint16(p[v.checksumAt:], 0)
		} else {
			binary.BigEndian.PutUint16(p[v.at+4:], uint16(t.r.IntN(len(p))))
			binary.BigEndian.PutUint16(p[v.checksumAt:], v.transportChecksum())
		}
		return []Message{{Packet: p}}
	case 2, 3, 4: // a super-packet
		size := 1 + t.r.IntN(1500)
		n := min(size+1+t.r.IntN(64*size), room)
		if n <= size || f.header[f.protocolAt] == 0 && t.chance(2) {
			break
		}
		return t.super(t.datagram(f, t.bytes(n), (n+size-1)/size), size, t.cfg.UDPSuper)
	}
	size := t.r.IntN(1500)
	for range t.run() {
		n := size
		if t.chance(30) {
			n = t.r.IntN(size + 2)
		}
		p := t.datagram(f, t.bytes(min(n, room)), 1)
		m := t.message(p)
		if m.Flags == 0 && t.chance(60) {
			p[len(p)-1] ^= 1 << t.r.IntN(8)
		}
		all = append(all, m)
	}
	return all
}

// odd is what is neither TCP nor UDP between known hosts.
func (t *Traffic) odd(f *flow) (all []Message) {
	plain := func(p []byte) []Message { return []Message{{Packet: p}} }
	switch t.r.IntN(7) {
	case 0: // echo requests
		protocol, kind := byte(icmp), byte(8)
		if f.six {
			protocol, kind = icmp6, 128
		}
		body := append([]byte{kind, 0, 0, 0}, t.bytes(t.size(t.room(f)-4))...)
		return plain(t.packet(f, protocol, body, 1))
	case 1: // protocols that nobody here knows
		return plain(t.packet(f, []byte{47, 50, 51, 132, 253}[t.r.IntN(5)], t.bytes(t.size(t.room(f))), 1))
	case 2: // fragments, in order or not
		return t.fragments(f)
	case 3: // more bytes than the packet has, or fewer
		p := t.datagram(f, t.bytes(t.r.IntN(1000)), 1)
		if t.chance(2) {
			return plain(append(p, t.bytes(t.r.IntN(50))...))
		}
		return plain(p[:t.r.IntN(len(p))])
	case 4: // nobody we know
		q := *f
		q.header = append([]byte(nil), f.header...)
		if q.six {
			q.header[8] ^= 0x30
		} else {
			q.header[13] ^= 0x80
		}
		return plain(t.datagram(&q, t.bytes(100), 1))
	case 5: // a header cut off in its middle
		p := t.segment(f, ack, f.options, nil, 1)
		v, _ := decode(p)
		p = p[:v.at+t.r.IntN(len(p)-v.at)]
		finishIP(p)
		return plain(p)
	}
	p := t.bytes(t.r.IntN(200))
	if len(p) > 0 && t.chance(2) {
		p[0] = []byte{0x45, 0x4f, 0x60, 0x41}[t.r.IntN(4)]
	}
	return plain(p)
}

func (t *Traffic) fragments(f *flow) (all []Message) {
	p := t.datagram(f, t.bytes(1+t.size(t.room(f)-9)), 1)
	if f.six {
		// RFC 8200 section 4.5: a header of its own. A part is as good as all.
		v, _ := decode(p)
		n := (len(p) - v.at) / 2 &^ 7
		body := append([]byte{udp, 0, 0, 1, 1, 2, 3, 4}, p[v.at:v.at+n]...)
		return []Message{{Packet: t.packet(f, 44, body, 1)}}
	}
	p[6] &^= 0x40
	finish(p)
	for _, fragment := range Fragments(p, 68+8*t.r.IntN(400)) {
		if len(fragment) < len(p) {
			all = append(all, Message{Packet: fragment})
		}
	}
	if t.chance(2) {
		t.r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	}
	if t.chance(5) && len(all) > 0 {
		// Beyond the end of any datagram: whoever cuts it must not go round.
		beyond := all[t.r.IntN(len(all))].Packet
		binary.BigEndian.PutUint16(beyond[6:], 0x1ff0|uint16(t.r.IntN(16)))
		finishIP(beyond)
	}
	return all[:min(len(all), 40)]
}
