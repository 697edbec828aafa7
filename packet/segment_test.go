package packet

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
)

func TestSegmentsTCP(t *testing.T) {
	options := []byte{1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2}
	for _, super := range [][]byte{
		tcp4(tcpACK|tcpPSH|tcpFIN|tcpCWR, 0xfffe, 0xffffff00, options, pattern(10_000)),
		tcp6(tcpACK|tcpPSH|tcpFIN|tcpCWR, 0xffffff00, options, pattern(10_000)),
	} {
		s, err := NewSegments(super, 1386)
		if err != nil || s.Count() != 8 {
			t.Fatalf("NewSegments: %d, %v", s.Count(), err)
		}
		var payload []byte
		for i := range s.Count() {
			p := make([]byte, s.Len(i))
			s.Write(i, p)
			if _, err := parse(p); err != nil || !transportChecksumValid(t, p) {
				t.Fatalf("segment %d: %v", i, err)
			}
			segment, headerLen := tcpHeader(p)
			if got := binary.BigEndian.Uint32(segment[tcpSequence:]); got != 0xffffff00+uint32(len(payload)) {
				t.Fatalf("segment %d has sequence number %x", i, got)
			}
			flags := byte(tcpACK)
			if i == 0 {
				flags |= tcpCWR
			}
			if i == 7 {
				flags |= tcpPSH | tcpFIN
			}
			if segment[tcpFlags] != flags || !bytes.Equal(segment[20:headerLen], options) {
				t.Fatalf("segment %d has flags %x", i, segment[tcpFlags])
			}
			if Version(p) == 4 && (IPv4(p).ID() != 0xfffe+uint16(i) || !IPv4(p).ChecksumValid()) {
				t.Fatalf("segment %d has identification %x", i, IPv4(p).ID())
			}
			payload = append(payload, segment[headerLen:]...)
		}
		if !bytes.Equal(payload, pattern(10_000)) {
			t.Fatal("payload differs")
		}
	}
}

func TestSegmentsUDP(t *testing.T) {
	s, err := NewSegments(udp4(pattern(2500)), 1000)
	if err != nil || s.Count() != 3 {
		t.Fatalf("NewSegments: %d, %v", s.Count(), err)
	}
	for i, want := range []int{1000, 1000, 500} {
		p := make([]byte, s.Len(i))
		s.Write(i, p)
		if len(p) != 28+want || int(binary.BigEndian.Uint16(p[24:])) != 8+want || !transportChecksumValid(t, p) {
			t.Fatalf("segment %d: %x", i, p[:28])
		}
	}
}

func TestSegmentsRefuses(t *testing.T) {
	icmp := udp4(pattern(100))
	icmp[9] = ProtocolICMP
	fragment := udp4(pattern(100))
	fragment[6] = 0x20
	for name, tt := range map[string]struct {
		p    []byte
		size int
	}{
		"no size": {udp4(pattern(100)), 0}, "negative": {udp4(pattern(100)), -5}, "no payload": {udp4(nil), 10},
		"ICMP": {icmp, 10}, "fragment": {fragment, 10}, "short": {[]byte{0x45}, 10}, "empty": {nil, 10},
	} {
		if _, err := NewSegments(tt.p, tt.size); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// What segmentation took apart, coalescing puts together again.
func TestCoalesceInvertsSegments(t *testing.T) {
	for _, super := range [][]byte{tcp4(tcpACK|tcpPSH, 9, 1000, nil, pattern(5000)), tcp6(tcpACK|tcpPSH, 1000, nil, pattern(5000)), udp4(pattern(5000))} {
		s, err := NewSegments(super, 1200)
		if err != nil {
			t.Fatal(err)
		}
		var (
			first   Segment
			whole   []byte
			payload int
			push    bool
		)
		for i := range s.Count() {
			p := make([]byte, s.Len(i))
			s.Write(i, p)
			segment, ok := NewSegment(p)
			if !ok {
				t.Fatalf("segment %d is not to be coalesced", i)
			}
			if i == 0 {
				first, whole = segment, p
			} else {
				if push || !first.ContinuedBy(segment, i, payload) {
					t.Fatalf("segment %d does not continue", i)
				}
				whole = append(whole, segment.Payload()...)
			}
			payload += len(segment.Payload())
			push = segment.Push()
		}
		first.packet = whole
		first.MakeSuper(payload, push)
		if !CompleteChecksum(whole, first.TransportAt(), first.ChecksumOffset()) || !bytes.Equal(whole, super) {
			t.Fatalf("got  %x\nwant %x", whole[:60], super[:60])
		}
	}
}

func TestCoalesceRefusesStrangers(t *testing.T) {
	base := func() []byte { return tcp4(tcpACK, 1, 1000, nil, pattern(100)) }
	first, ok := NewSegment(base())
	if !ok {
		t.Fatal("base is not to be coalesced")
	}
	follow := func(edit func(p []byte)) bool {
		p := tcp4(tcpACK, 2, 1100, nil, pattern(100))
		edit(p)
		IPv4(p).finish(len(p), 2)
		writeTransportChecksum(p, ProtocolTCP, 20, tcpChecksum)
		next, ok := NewSegment(p)
		return ok && first.ContinuedBy(next, 1, 100)
	}
	if !follow(func([]byte) {}) {
		t.Fatal("the true successor was refused")
	}
	for name, at := range map[string]int{"TOS": 1, "DF": 6, "TTL": 8, "source": 12, "destination": 19, "source port": 20, "destination port": 23, "sequence": 27, "acknowledgment": 31, "window": 35, "urgent": 39} {
		if follow(func(p []byte) { p[at] ^= 1 << 6 }) {
			t.Errorf("another %s: merged", name)
		}
	}
	for name, p := range map[string][]byte{
		"SYN": tcp4(tcpSYN|tcpACK, 1, 1, nil, pattern(9)), "FIN": tcp4(tcpFIN|tcpACK, 1, 1, nil, pattern(9)), "no data": tcp4(tcpACK, 1, 1, nil, nil), "UDP without a checksum": udpWithoutChecksum(), "UDP without data": udp4(nil),
	} {
		if _, ok := NewSegment(p); ok {
			t.Errorf("%s: taken", name)
		}
	}
	damaged := base()
	damaged[60] ^= 1
	if _, ok := NewSegment(damaged); ok {
		t.Error("a damaged packet would get a right checksum")
	}
}

func udpWithoutChecksum() []byte {
	p := udp4(pattern(100))
	p[26], p[27] = 0, 0
	return p
}

func TestCompleteChecksum(t *testing.T) {
	p := tcp4(tcpACK, 1, 1, nil, pattern(333))
	want := bytes.Clone(p)
	binary.BigEndian.PutUint16(p[36:], pseudoHeaderSum(p, ProtocolTCP, len(p)-20))
	if !CompleteChecksum(p, 20, tcpChecksum) || !bytes.Equal(p, want) {
		t.Fatal("checksum differs")
	}
	if CompleteChecksum(p, len(p)-1, 0) || CompleteChecksum(p, -1, 5) || CompleteChecksum(p, 0, len(p)) {
		t.Fatal("wrote outside the packet")
	}
}

// FuzzViews proves that no bytes make any of the package panic, and that what
// it makes is well formed.
func FuzzViews(f *testing.F) {
	for _, p := range [][]byte{udp4(pattern(60)), tcp4(tcpSYN, 1, 1, []byte{2, 4, 5, 0xb4}, pattern(9)), tcp6(tcpSYN|tcpACK, 1, []byte{1, 2, 4, 5, 0xb4, 1, 1, 0}, nil)} {
		f.Add(p, uint16(1000), uint8(3))
	}
	f.Fuzz(func(t *testing.T, b []byte, n uint16, outer uint8) {
		size := int(n)
		if s, err := NewSegments(b, size); err == nil {
			for i := range min(s.Count(), 50) {
				p := make([]byte, s.Len(i))
				s.Write(i, p)
				if _, err := parse(p); err != nil {
					t.Fatalf("segment %d of %x: %v", i, b, err)
				}
			}
		}
		if segment, ok := NewSegment(b); ok && (len(segment.Payload()) == 0 || !segment.ContinuedBy(segment, 0, 0)) {
			t.Fatalf("segment of %x", b)
		}
		p, err := parse(bytes.Clone(b))
		if err != nil {
			return
		}
		valid := Version(p) == 4 && IPv4(p).ChecksumValid()
		DecapsulateECN(p, outer)
		ClampMSS(p, size)
		if valid && !IPv4(p).ChecksumValid() {
			t.Fatalf("checksum of %x after %x", p, b)
		}
		if Version(p) == 6 {
			AppendPacketTooBig(nil, IPv6(p).Destination(), IPv6(p), size)
			return
		}
		AppendFragmentationNeeded(nil, IPv4(p).Destination(), IPv4(p), size)
		for offset, rounds := 0, 0; rounds < 50; rounds++ {
			dst := make([]byte, size)
			made, next := FragmentIPv4(dst, IPv4(p), size, offset)
			if made == 0 {
				break
			}
			if fragment, err := ParseIPv4(dst[:made]); err != nil || !fragment.ChecksumValid() {
				t.Fatalf("fragment at %d of %x: %v", offset, p, err)
			}
			if offset = next; next == 0 {
				break
			}
		}
	})
}

func BenchmarkSum(b *testing.B) {
	p := pattern(1400)
	b.SetBytes(1400)
	for b.Loop() {
		Sum(p, 0)
	}
}

// Flows that are interleaved come out as super-packets, each flow in order, and
// nothing is overtaken by what follows it between the same hosts.
func TestCoalescer(t *testing.T) {
	tcp := func(flags byte, sequence uint32, n int) []byte {
		return tcp4(flags, uint16(sequence/100), sequence, nil, pattern(n))
	}
	datagram := func(port uint16, n int) []byte {
		p := udp4(pattern(n))
		binary.BigEndian.PutUint16(p[20:], port)
		binary.BigEndian.PutUint16(p[6:], v4DontFragment)
		IPv4(p).finish(len(p), 7)
		writeTransportChecksum(p, ProtocolUDP, 20, udpChecksum)
		return p
	}
	for name, tt := range map[string]struct {
		packets [][]byte
		want    string // the packets of each group
		tcpOnly bool
	}{
		"one":                {packets: [][]byte{tcp(tcpACK, 0, 100)}, want: "[0]"},
		"a run":              {packets: [][]byte{tcp(tcpACK, 0, 100), tcp(tcpACK, 100, 100), tcp(tcpACK, 200, 50)}, want: "[0 1 2]"},
		"after a short one":  {packets: [][]byte{tcp(tcpACK, 0, 100), tcp(tcpACK, 100, 50), tcp(tcpACK, 150, 50)}, want: "[0 1] [2]"},
		"after PSH":          {packets: [][]byte{tcp(tcpACK, 0, 100), tcp(tcpACK|tcpPSH, 100, 100), tcp(tcpACK, 200, 100)}, want: "[0 1] [2]"},
		"a hole":             {packets: [][]byte{tcp(tcpACK, 0, 100), tcp(tcpACK, 200, 100), tcp(tcpACK, 300, 100)}, want: "[0] [1 2]"},
		"two flows":          {packets: [][]byte{datagram(1, 60), datagram(2, 60), datagram(1, 60), datagram(2, 40), datagram(1, 60), datagram(2, 60)}, want: "[0 2 4] [1 3] [5]"},
		"two protocols":      {packets: [][]byte{datagram(1, 60), tcp(tcpACK, 0, 100), datagram(1, 60), tcp(tcpACK, 100, 100)}, want: "[0 2] [1 3]"},
		"a stranger between": {packets: [][]byte{datagram(1, 60), tcp(tcpACK|tcpFIN, 0, 100), datagram(1, 60), datagram(1, 60)}, want: "[0] [1] [2 3]"},
		"nonsense between":   {packets: [][]byte{datagram(1, 60), {0x45}, datagram(1, 60)}, want: "[0] [1] [2]"},
		"TCP only":           {packets: [][]byte{datagram(1, 60), datagram(1, 60)}, want: "[0] [1]", tcpOnly: true},
		"a larger one":       {packets: [][]byte{datagram(1, 60), datagram(1, 61), datagram(1, 61)}, want: "[0] [1 2]"},
	} {
		t.Run(name, func(t *testing.T) {
			var c Coalescer
			for range 2 { // nothing is left of the last batch
				got := ""
				for g := range c.Gather(tt.packets, true, !tt.tcpOnly) {
					members := []int{}
					for i := c.groups[g].first; i >= 0; i = c.next[i] {
						members = append(members, i)
					}
					got += fmt.Sprintf("%v ", members)
				}
				if strings.TrimSpace(got) != tt.want {
					t.Fatalf("groups %s, want %s", got, tt.want)
				}
			}
		})
	}
}
