package tunnel

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"testing"

	"causeway.dev/ike"
	"causeway.dev/packet"
	"causeway.dev/packetio"
)

// plain is an Opener that has nothing to do: what is left is finding it.
type plain struct{ inner []byte }

func (p plain) Open([]byte) ([]byte, error) { return p.inner, nil }
func (plain) Newest() bool                  { return true }
func (plain) Close()                        {}

// demultiplex returns what an endpoint with count SAs does to one datagram for
// each of them in turn, the opening left out.
func demultiplex(tb testing.TB, count int) func() {
	tb.Helper()
	endpoint := NewEndpoint(EndpointConfig{Local: outsideA, Lane: newLane(tb)}, Sockets{IKE: nowhere{}, NATT: nowhere{}, ESP: nowhere{}})
	t, err := New(Config{Device: nowhereDevice{}, Endpoint: endpoint})
	if err != nil {
		tb.Fatal(err)
	}
	inner, table := udp(hostB, hostA, 0, 64), map[ike.SPI]*inboundSA{}
	datagrams := make([][]byte, count)
	for i := range datagrams {
		spi := ike.SPI(0x10000000 + uint32(i)*2654435761>>4) // as random as real ones
		table[spi] = &inboundSA{spi: spi, tunnel: t, opener: plain{inner}}
		datagrams[i] = binary.BigEndian.AppendUint32(nil, uint32(spi))
		datagrams[i] = append(datagrams[i], make([]byte, 100)...)
	}
	if len(table) != count {
		tb.Fatalf("%d SPIs, want %d", len(table), count)
	}
	endpoint.inbound = table
	r, next := &inboundRun{table: table}, 0
	return func() {
		endpoint.takeNATT(r, packetio.Datagram{Remote: netip.AddrPortFrom(outsideB, PortNATT), Payload: datagrams[next]})
		if next++; next == count {
			next = 0
			r.flush()
			if c := endpoint.Counters(); c.Drops != (Drops{}) {
				tb.Fatalf("drops %v", c.Drops)
			}
		}
	}
}

var demultiplexCounts = []int{1, 100, 10_000}

// choose is what is done to look at one packet before it is sealed.
func choose(tb testing.TB, p []byte) func() {
	tb.Helper()
	child, _ := children(gcm128, true, 0)
	check := newSelectors(child.LocalSelectors, child.RemoteSelectors)
	return func() {
		p, source, destination, err := parse(p)
		if err != nil || !check.admit(source, destination) {
			tb.Fatalf("a packet from %v to %v: %v", source, destination, err)
		}
		packet.ClampMSS(p, 1438)
	}
}

func TestStagesDoNotAllocate(t *testing.T) {
	for _, count := range demultiplexCounts {
		f := demultiplex(t, count)
		for range 2 * count {
			f() // buffers grow once
		}
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("demultiplex among %d SAs: %v allocations", count, n)
		}
	}
	for _, p := range [][]byte{udp(hostA, hostB, 0, 1400), udp(hostA6, hostB6, 0, 1400)} {
		if n := testing.AllocsPerRun(100, choose(t, p)); n != 0 {
			t.Errorf("select: %v allocations", n)
		}
	}
}

// BenchmarkStageDemultiplex finds the SAs of datagrams, each another's than
// that before: the worst mixture of tunnels.
func BenchmarkStageDemultiplex(b *testing.B) {
	for _, count := range demultiplexCounts {
		b.Run(strconv.Itoa(count), func(b *testing.B) {
			f := demultiplex(b, count)
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
		})
	}
}

// BenchmarkStageSelect parses a packet, holds it against the selectors and
// looks for a SYN.
func BenchmarkStageSelect(b *testing.B) {
	for name, p := range map[string][]byte{"IPv4": udp(hostA, hostB, 0, 1400), "IPv6": udp(hostA6, hostB6, 0, 1400)} {
		b.Run(name, func(b *testing.B) {
			f := choose(b, p)
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
		})
	}
}
