package packet

import (
	"strconv"
	"testing"
)

// A stage is one of the things done to packets on their way; one call of run is
// what packets say.
type stage struct {
	name           string
	packets, bytes int
	run            func()
}

// superSegments is how many segments the stages' super-packets have: 64 KiB of
// what fits a tunnel.
const superSegments = 46

// stages are all of this package that touch each byte or each packet.
func stages(tb testing.TB) (all []stage) {
	tb.Helper()
	for _, n := range []int{64, 512, 1400} {
		p := pattern(n)
		all = append(all, stage{"Checksum/" + strconv.Itoa(n), 1, n, func() { Sum(p, 0) }})
	}
	for _, of := range []struct {
		name  string
		super []byte
	}{
		{"TCP4", tcp4(tcpACK, 1, 1, nil, pattern(superSegments*1386))},
		{"TCP6", tcp6(tcpACK, 1, nil, pattern(superSegments*1386))},
		{"UDP4", udp4(pattern(superSegments * 1386))},
	} {
		name, super := of.name, of.super
		segments := cut(tb, super, 1386)
		dst := make([]byte, 1500)
		all = append(all, stage{"Segment/" + name, superSegments, len(super), func() {
			s, err := NewSegments(super, 1386)
			if err != nil {
				tb.Fatal(err)
			}
			for i := range s.Count() {
				s.Write(i, dst)
			}
		}})
		coalescer := &Coalescer{}
		all = append(all, stage{"Coalesce/" + name, superSegments, len(super), func() {
			if groups := coalescer.Gather(segments, true, true); groups != 1 {
				tb.Fatalf("%d groups", groups)
			}
		}})
	}
	whole, dst := IPv4(udp4(pattern(4000))), make([]byte, 1438)
	all = append(all, stage{"Fragment", 3, 4000, func() {
		for offset, next := 0, 1; next != 0; offset = next {
			_, next = FragmentIPv4(dst, whole, len(dst), offset)
		}
	}})
	data, hello := tcp4(tcpACK, 1, 1, nil, pattern(1386)), tcp4(tcpSYN, 1, 1, []byte{2, 4, 5, 0xb4}, nil)
	all = append(all, stage{"Clamp/data", 1, len(data), func() { ClampMSS(data, 1438) }})
	all = append(all, stage{"Clamp/SYN", 1, len(hello), func() {
		hello[42], hello[43] = 5, 0xb4 // as if it came anew
		ClampMSS(hello, 1438)
	}})
	return all
}

// cut returns the segments of a super-packet.
func cut(tb testing.TB, super []byte, size int) (segments [][]byte) {
	tb.Helper()
	s, err := NewSegments(super, size)
	if err != nil {
		tb.Fatal(err)
	}
	for i := range s.Count() {
		p := make([]byte, s.Len(i))
		s.Write(i, p)
		segments = append(segments, p)
	}
	return segments
}

func TestStagesDoNotAllocate(t *testing.T) {
	for _, s := range stages(t) {
		s.run() // buffers grow once
		if n := testing.AllocsPerRun(20, s.run); n != 0 {
			t.Errorf("%s: %v allocations", s.name, n)
		}
	}
}

// BenchmarkStage is what each stage costs a packet.
func BenchmarkStage(b *testing.B) {
	for _, s := range stages(b) {
		b.Run(s.name, func(b *testing.B) {
			b.SetBytes(int64(s.bytes))
			b.ReportAllocs()
			for b.Loop() {
				s.run()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(s.packets), "ns/packet")
		})
	}
}
