package oracle

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// A Judge compares what comes out with what should: the same bytes for each
// flow in the same order. How flows mix is free.
//
// The same are packets that differ in nothing but the identification of an
// atomic datagram, which means nothing (RFC 6864 section 4), or in writing the
// checksum zero as ones.
type Judge struct {
	want        map[string][][]byte
	outstanding int
	refused     [][]byte
	arrived     int
}

// NewJudge returns a Judge that expects nothing.
func NewJudge() *Judge { return &Judge{want: map[string][][]byte{}} }

// Expect adds packets.
func (j *Judge) Expect(packets ...[]byte) {
	for _, p := range packets {
		flow := flowOf(p)
		j.want[flow] = append(j.want[flow], p)
		j.outstanding++
	}
}

// Outstanding is how many packets are still to arrive.
func (j *Judge) Outstanding() int { return j.outstanding }

// Arrived is how many packets have arrived.
func (j *Judge) Arrived() int { return j.arrived }

// Take judges a packet that has come out.
func (j *Judge) Take(p []byte) error {
	flow := flowOf(p)
	want := j.want[flow]
	if len(want) == 0 {
		return fmt.Errorf("flow %s: %s came out, nothing is outstanding", flow, excerpt(p))
	}
	if !bytes.Equal(canonical(p), canonical(want[0])) {
		for i, other := range want {
			if bytes.Equal(canonical(p), canonical(other)) {
				return fmt.Errorf("flow %s: packet %d of those outstanding came out first: the first is %s, this is %s", flow, i+1, excerpt(want[0]), excerpt(p))
			}
		}
		return fmt.Errorf("flow %s: packet %d of all\n%s came out,\n%s was due; they differ at byte %d", flow, j.arrived+1, excerpt(p), excerpt(want[0]), differAt(canonical(p), canonical(want[0])))
	}
	j.want[flow] = want[1:]
	j.outstanding--
	j.arrived++
	return nil
}

// TakeMessage judges all that a message which was written to a TUN stands for.
func (j *Judge) TakeMessage(m Message) error {
	if err := m.Check(); err != nil {
		return err
	}
	for _, p := range m.Packets() {
		if err := j.Take(p); err != nil {
			return fmt.Errorf("%+v: %w", m.header(), err)
		}
	}
	return nil
}

// Refuse adds a packet whose sender may be told that it is too big.
func (j *Judge) Refuse(p []byte) { j.refused = append(j.refused, p) }

// TakeTooBig judges an ICMP error: it must concern a refused packet, and come
// in their order. Not all get one, for their rate is bounded.
func (j *Judge) TakeTooBig(g Gateway, message []byte) error {
	err := fmt.Errorf("no packet was refused: %s", excerpt(message))
	for i, p := range j.refused {
		if err = g.CheckTooBig(message, p); err == nil {
			j.refused = j.refused[i+1:]
			return nil
		}
	}
	return err
}

// Missing reports a packet that has not come out, if there is one.
func (j *Judge) Missing() error {
	if j.outstanding == 0 {
		return nil
	}
	for flow, want := range j.want {
		if len(want) > 0 {
			return fmt.Errorf("%d packets are missing after %d, in flow %s the first is %s", j.outstanding, j.arrived, flow, excerpt(want[0]))
		}
	}
	return nil
}

// flowOf names the flow of a packet: addresses, protocol, and ports if it says
// them. Fragments of all ports are one flow.
func flowOf(p []byte) string {
	v, ok := decode(p)
	if !ok {
		return "nobody's"
	}
	if v.payloadAt == 0 {
		return fmt.Sprintf("%v > %v protocol %d", v.source, v.destination, v.protocol)
	}
	ports := p[v.at : v.at+4]
	return fmt.Sprintf("%v.%d > %v.%d protocol %d", v.source, binary.BigEndian.Uint16(ports), v.destination, binary.BigEndian.Uint16(ports[2:]), v.protocol)
}

// canonical writes a packet in the one of several equal ways.
func canonical(p []byte) []byte {
	v, ok := decode(p)
	if !ok {
		return p
	}
	p = bytes.Clone(p)
	if v.version == 4 && checksum(p[:v.headerLen]) == 0 {
		if v.dontFragment && v.isWhole {
			p[4], p[5] = 0, 0
		}
		p[10], p[11] = 0, 0
		binary.BigEndian.PutUint16(p[10:], checksum(p[:v.headerLen]))
	}
	if v.protocol == tcp && v.payloadAt != 0 && p[v.checksumAt] == 0xff && p[v.checksumAt+1] == 0xff {
		p[v.checksumAt], p[v.checksumAt+1] = 0, 0
	}
	return p
}

func differAt(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}
