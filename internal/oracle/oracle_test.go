package oracle

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"testing"
)

func traffic(seed uint64, super bool) *Traffic {
	return NewTraffic(TrafficConfig{
		Seed: seed, TCPSuper: super, UDPSuper: super,
		Local4: netip.MustParseAddr("10.0.1.4"), Remote4: netip.MustParseAddr("192.168.0.9"),
		Local6: netip.MustParseAddr("fd00:a::4"), Remote6: netip.MustParseAddr("fd00:b::9"),
	})
}

// A header and its checksum as seen on a wire, and RFC 1071's own example.
func TestChecksum(t *testing.T) {
	header, _ := hex.DecodeString("45000073000040004011b861c0a80001c0a800c7")
	if checksum(header) != 0 {
		t.Errorf("checksum over a good header: %04x", checksum(header))
	}
	if got := ^checksum([]byte{0x00, 0x01, 0xf2, 0x03}, []byte{0xf4, 0xf5, 0xf6, 0xf7}); got != 0xddf2 {
		t.Errorf("RFC 1071's example: %04x, want ddf2", got)
	}
}

// Traffic has all that the tests which use it speak of.
func TestTrafficIsDiverse(t *testing.T) {
	seen := map[string]int{}
	of := traffic(1, true)
	for range 5000 {
		m := of.Next()
		v, ok := decode(m.Packet)
		count := func(what string, is bool) {
			if is {
				seen[what]++
			}
		}
		count("no packet", !ok)
		count("64 KiB", len(m.Packet) > 65000)
		count("partial checksum", m.Flags == NeedsChecksum && !m.IsSuper())
		for _, kind := range []struct {
			name string
			is   uint8
		}{{"TCP over IPv4", TypeTCP4}, {"TCP over IPv6", TypeTCP6}, {"UDP", TypeUDP}} {
			count("super-packet of "+kind.name, m.Type&^TypeECN == kind.is)
		}
		count("CWR", m.Type&TypeECN != 0)
		if !ok {
			continue
		}
		count("odd last segment", m.IsSuper() && (len(v.packet)-v.payloadAt)%int(max(m.SegmentSize, 1))%2 == 1)
		count("fragment", v.version == 4 && !v.isWhole)
		count("DF", v.dontFragment)
		count("IPv4 options", v.version == 4 && v.headerLen > 20)
		count("extension header", v.version == 6 && v.at > 40)
		count("no payload", v.payloadAt == len(m.Packet))
		count("ICMP", v.protocol == icmp)
		count("ICMPv6", v.protocol == icmp6)
		count("bytes behind the end", len(v.packet) < len(m.Packet))
		count("UDP without a checksum", v.protocol == udp && v.checksumAt > 0 && binary.BigEndian.Uint16(m.Packet[v.checksumAt:]) == 0)
		if v.protocol == tcp && v.payloadAt > 0 {
			flags := m.Packet[v.at+13]
			count("SYN", flags&syn != 0)
			count("PSH", flags&psh != 0)
			count("FIN", flags&fin != 0)
			count("TCP options", v.payloadAt > v.at+20)
		}
	}
	for _, what := range []string{
		"no packet", "64 KiB", "partial checksum", "super-packet of TCP over IPv4", "super-packet of TCP over IPv6", "super-packet of UDP", "CWR", "odd last segment", "fragment", "DF", "IPv4 options",
		"extension header", "no payload", "ICMP", "ICMPv6", "bytes behind the end", "UDP without a checksum", "SYN", "PSH", "FIN", "TCP options",
	} {
		if seen[what] < 5 {
			t.Errorf("%s: %d of 5000 messages", what, seen[what])
		}
	}
}

// A stack that cuts and one that leaves it say the same.
func TestTrafficWithoutOffloadIsTheSame(t *testing.T) {
	packets := func(super bool) (all [][]byte) {
		of := traffic(7, super)
		for range 300 {
			m := of.Next()
			if !super && (m.Flags != 0 || m.IsSuper()) {
				t.Fatalf("offload that nobody asked for: %+v", m.header())
			}
			all = append(all, m.Packets()...)
		}
		return all
	}
	for _, super := range []bool{false, true} {
		if first, second := packets(super), packets(super); len(first) < 300 || len(first) != len(second) || !bytes.Equal(bytes.Join(first, nil), bytes.Join(second, nil)) {
			t.Errorf("one seed, two traffics of %d and %d packets", len(first), len(second))
		}
	}
}

// Segments put together again are the super-packet: an argument from the
// other side.
func TestSegmentsHoldAll(t *testing.T) {
	of, supers := traffic(3, true), 0
	for supers < 200 {
		m := of.Next()
		if !m.IsSuper() {
			continue
		}
		supers++
		if err := m.Check(); err != nil {
			t.Fatal(err)
		}
		v, _ := decode(m.Packet)
		var whole []byte
		for _, p := range m.Packets() {
			s, ok := decode(p)
			if !ok || len(s.packet) != len(p) || s.payloadAt != v.payloadAt || checksum(s.pseudoHeader(), p[s.at:]) != 0 || s.version == 4 && checksum(p[:s.headerLen]) != 0 {
				t.Fatalf("segment %s of %s", excerpt(p), excerpt(m.Packet))
			}
			whole = append(whole, p[s.payloadAt:]...)
		}
		if !bytes.Equal(whole, v.packet[v.payloadAt:]) {
			t.Fatalf("payload of %s is another", excerpt(m.Packet))
		}
	}
}

// RFC 791 section 3.2's own example in numbers: a datagram of 472 bytes over a
// network of 280.
func TestFragmentsOfTheRFC(t *testing.T) {
	p := append([]byte{0x45, 1, 0, 0, 0, 111, 0, 0, 123, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2}, make([]byte, 452)...)
	finishIP(p)
	fragments := Fragments(p, 280)
	if len(fragments) != 2 || len(fragments[0]) != 276 || len(fragments[1]) != 216 {
		t.Fatalf("%d fragments", len(fragments))
	}
	if !bytes.Equal(fragments[0][2:8], []byte{1, 20, 0, 111, 0x20, 0}) || !bytes.Equal(fragments[1][2:8], []byte{0, 216, 0, 111, 0, 32}) {
		t.Fatalf("%x and %x", fragments[0][:20], fragments[1][:20])
	}
}

// A Judge that condemns nothing would make every test pass.
func TestJudgeCondemns(t *testing.T) {
	packet := func(id byte, port byte) []byte {
		p := []byte{0x45, 0, 0, 0, 0, id, 0, 0, 64, udp, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, port, 0, 9, 0, 0, 0, 0, id}
		finish(p)
		return p
	}
	j := NewJudge()
	j.Expect(packet(1, 1), packet(2, 1), packet(3, 2))
	damaged := packet(1, 1)
	damaged[28] ^= 1
	for name, p := range map[string][]byte{"out of order": packet(2, 1), "of no flow": packet(1, 3), "damaged": damaged, "nothing": nil} {
		if j.Take(p) == nil {
			t.Errorf("%s: taken", name)
		}
	}
	for _, p := range [][]byte{packet(3, 2), packet(1, 1), packet(2, 1)} {
		if j.Missing() == nil {
			t.Error("nothing is missing")
		}
		if err := j.Take(p); err != nil {
			t.Error(err)
		}
	}
	if err := j.Missing(); err != nil {
		t.Error(err)
	}
	if j.Take(packet(2, 1)) == nil {
		t.Error("taken twice")
	}
	for name, m := range map[string]Message{
		"checksum":         {Packet: packet(1, 1), Flags: NeedsChecksum, ChecksumStart: 20, ChecksumOffset: 6},
		"checksum's place": partial(packet(1, 1), view{at: 20, checksumAt: 24}),
		"type":             {Packet: packet(1, 1), Type: TypeTCP4, SegmentSize: 1, HeaderLen: 28},
		"trailing bytes":   {Packet: append(packet(1, 1), 0)},
	} {
		if m.Check() == nil {
			t.Errorf("a message with a wrong %s: taken", name)
		}
	}
}
