package packet

import (
	"bytes"
	"net/netip"
	"testing"

	"causeway.dev/internal/oracle"
)

// oracleTraffic is random traffic of a seed, of packets of up to sizeMax bytes.
func oracleTraffic(seed uint64, sizeMax int) *oracle.Traffic {
	return oracle.NewTraffic(oracle.TrafficConfig{
		Seed: seed, TCPSuper: true, UDPSuper: true, SizeMax: sizeMax,
		Local4: netip.MustParseAddr("10.0.1.4"), Remote4: netip.MustParseAddr("192.168.0.9"),
		Local6: netip.MustParseAddr("fd00:a::4"), Remote6: netip.MustParseAddr("fd00:b::9"),
	})
}

const (
	oracleSeeds    = 4
	oracleMessages = 500 // a seed
)

// undone is what Segments and CompleteChecksum make of a message.
func undone(m oracle.Message) (packets [][]byte) {
	if m.IsSuper() {
		s, err := NewSegments(m.Packet, int(m.SegmentSize))
		if err != nil {
			return nil
		}
		for i := range s.Count() {
			p := make([]byte, s.Len(i))
			s.Write(i, p)
			packets = append(packets, p)
		}
		return packets
	}
	p := bytes.Clone(m.Packet)
	if m.Flags&oracle.NeedsChecksum != 0 && !CompleteChecksum(p, int(m.ChecksumStart), int(m.ChecksumOffset)) {
		return nil
	}
	return [][]byte{p}
}

func compareWithOracle(t *testing.T, got, want [][]byte, of []byte) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d packets, the oracle says %d, of %d bytes %.80x", len(got), len(want), len(of), of)
	}
	for i := range got {
		if !bytes.Equal(got[i], want[i]) {
			t.Fatalf("packet %d is\n%.100x\nthe oracle says\n%.100x\nof %d bytes %.80x", i, got[i], want[i], len(of), of)
		}
	}
}

// What the stack left to the hardware is done as the oracle does it.
func TestOracleSegments(t *testing.T) {
	for seed := range uint64(oracleSeeds) {
		traffic := oracleTraffic(seed, 65535)
		for range oracleMessages {
			m := traffic.Next()
			compareWithOracle(t, undone(m), m.Packets(), m.Packet)
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		}
	}
}

// fragmented is what FragmentIPv4 makes of p, in buffers that are too big by a
// little, as slots are.
func fragmented(p IPv4, mtu int) (fragments [][]byte) {
	for offset := 0; ; {
		dst := bytes.Repeat([]byte{0xee}, mtu+9)
		n, next := FragmentIPv4(dst, p, mtu, offset)
		if n == 0 {
			return fragments
		}
		fragments = append(fragments, dst[:n])
		if offset = next; next == 0 {
			return fragments
		}
	}
}

func TestOracleFragments(t *testing.T) {
	checked := 0
	for seed := range uint64(oracleSeeds) {
		traffic := oracleTraffic(seed, 65535)
		for i := range oracleMessages {
			for _, b := range traffic.Next().Packets() {
				p, err := ParseIPv4(b)
				if mtu := 68 + 8*i%1400; err == nil && !p.DontFragment() && len(p) > mtu {
					compareWithOracle(t, fragmented(p, mtu), oracle.Fragments(p, mtu), p)
					checked++
				}
			}
		}
	}
	if checked < 100*oracleSeeds {
		t.Errorf("%d packets were cut", checked)
	}
}

// A packet that is small enough to be carried whole is clamped as the oracle
// clamps, and otherwise left alone.
func TestOracleClampMSS(t *testing.T) {
	everything := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
	clamped := 0
	for seed := range uint64(oracleSeeds) {
		traffic := oracleTraffic(seed, 1500)
		for i := range 4 * oracleMessages {
			gateway := oracle.Gateway{InsideMTU: 600 + i%900, Local: everything, Remote: everything}
			for _, b := range traffic.Next().Packets() {
				p, err := parse(b)
				if err != nil || len(p) > gateway.InsideMTU {
					continue
				}
				want, _ := gateway.Carry(p)
				if ClampMSS(p, gateway.InsideMTU) {
					clamped++
				}
				judge := oracle.NewJudge()
				judge.Expect(want...)
				if err := judge.Take(p); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
			}
		}
	}
	if clamped < oracleSeeds {
		t.Errorf("%d packets were clamped", clamped)
	}
}

// FuzzOracle holds all that is done to a packet on its way against the oracle:
// whatever the packet, the same comes of it.
func FuzzOracle(f *testing.F) {
	traffic := oracleTraffic(1, 3000)
	for range 60 {
		f.Add(traffic.Next().Bytes(), uint16(1438))
	}
	everything := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
	f.Fuzz(func(t *testing.T, b []byte, mtu uint16) {
		m, ok := oracle.ParseMessage(b)
		if !ok || len(m.Packet) > 5000 {
			return
		}
		gateway := oracle.Gateway{InsideMTU: 68 + int(mtu), Local: everything, Remote: everything}
		packets, want := undone(m), m.Packets()
		compareWithOracle(t, packets, want, m.Packet)
		for _, p := range packets[:min(len(packets), 50)] {
			want, _ := gateway.Carry(p)
			judge := oracle.NewJudge()
			judge.Expect(want...)
			p, err := parse(p)
			if err != nil {
				if len(want) > 0 {
					t.Fatalf("%v, and the oracle carries %x", err, p)
				}
				continue
			}
			ClampMSS(p, gateway.InsideMTU)
			carried := [][]byte{p}
			switch {
			case len(p) <= gateway.InsideMTU:
			case Version(p) == 4 && !IPv4(p).DontFragment():
				carried = fragmented(p, gateway.InsideMTU)
			default:
				carried = nil
			}
			for _, p := range carried {
				if err := judge.Take(p); err != nil {
					t.Fatal(err)
				}
			}
			if err := judge.Missing(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// A fragment may say that it ends beyond the end of any datagram. Cut again,
// its last parts would claim to be the first: none must leave.
func TestFragmentBeyondTheEnd(t *testing.T) {
	p := IPv4(udp4(pattern(1000)))
	p[6], p[7] = 0x1f, 0xff // at byte 65,528 of the datagram
	p.writeChecksum()
	if fragments := fragmented(p, 576); len(fragments) != 0 {
		t.Fatalf("%d fragments, the last with offset %d", len(fragments), IPv4(fragments[len(fragments)-1]).FragmentOffset())
	}
}
