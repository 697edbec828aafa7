package tunnel

import (
	"bytes"
	"net/netip"
	"strconv"
	"testing"

	"causeway.dev/esp"
	"causeway.dev/ike"
	"causeway.dev/packetio"
)

// nowhere is a Socket and a Device that costs nothing.
type nowhere struct{ packetio.Socket }

func (nowhere) Local() netip.AddrPort { return netip.AddrPortFrom(outsideA, PortNATT) }
func (nowhere) WriteBatch(_ *packetio.Sender, d []packetio.Datagram) (int, error) {
	return len(d), nil
}

type nowhereDevice struct{ packetio.Device }

func (nowhereDevice) WriteBatch(_ *packetio.Gatherer, p [][]byte) (int, error) {
	return len(p), nil
}

// hotPath is both directions of a tunnel without I/O: seal is one outbound
// batch, open one inbound batch.
type hotPath struct {
	seal, open func()
}

const hotPathBatch = 32

func newHotPath(tb testing.TB, proposal ike.ESPProposal, size int) hotPath {
	tb.Helper()
	lane := newLane(tb)
	endpoint := NewEndpoint(EndpointConfig{Local: outsideA, Lane: lane}, Sockets{IKE: nowhere{}, NATT: nowhere{}, ESP: nowhere{}})
	t, err := New(Config{Device: nowhereDevice{}, Endpoint: endpoint})
	if err != nil {
		tb.Fatal(err)
	}
	child, peer := children(proposal, true, 0)
	if err := t.InstallChild(child); err != nil {
		tb.Fatal(err)
	}
	if err := t.ActivateChild(child.Outbound); err != nil {
		tb.Fatal(err)
	}
	out, batch := &lane.outbound, lane.outbound.batch
	p := udp(hostA, hostB, 0, size)
	sealOne := func() {
		for range hotPathBatch {
			copy(batch.Append(len(p)), p)
		}
		out.carry(t, batch.Turn())
		out.flush()
	}
	sealer, err := esp.NewSealer(esp.Params{SPI: child.Inbound, Encryption: proposal.Encryption, Integrity: proposal.Integrity, Key: peer.OutboundKey, IntegrityKey: peer.OutboundIntegrityKey})
	if err != nil {
		tb.Fatal(err)
	}
	in := &inboundRun{}
	slot, inner := make([]byte, 2048), udp(hostB, hostA, 0, size)
	openOne := func() {
		in.table = endpoint.inbound
		for range hotPathBatch {
			copy(slot[esp.HeadroomMax:], inner)
			sealed, err := sealer.Seal(slot, esp.HeadroomMax, len(inner), esp.NextHeaderIPv4)
			if err != nil {
				tb.Fatal(err)
			}
			endpoint.takeNATT(in, packetio.Datagram{Payload: sealed})
		}
		in.flush()
	}
	check := func() {
		if c := t.Counters(); c.Drops != (Drops{}) || endpoint.Counters().Drops != (Drops{}) || c.InboundPackets == 0 || c.OutboundPackets == 0 {
			tb.Fatalf("counters %+v, endpoint %+v", c, endpoint.Counters())
		}
	}
	tb.Cleanup(check)
	sealOne()
	openOne()
	return hotPath{sealOne, openOne}
}

func TestHotPathNoAllocations(t *testing.T) {
	for _, proposal := range []ike.ESPProposal{gcm128, cbc256} {
		p := newHotPath(t, proposal, 1400)
		if n := testing.AllocsPerRun(50, p.seal); n != 0 {
			t.Errorf("%v: %v allocations to seal a batch of %d", proposal, n, hotPathBatch)
		}
		if n := testing.AllocsPerRun(50, p.open); n != 0 {
			t.Errorf("%v: %v allocations to open a batch of %d", proposal, n, hotPathBatch)
		}
	}
}

// BenchmarkHotPath is all that we do to a packet but the system calls: one
// iteration is a batch of 32. Open includes the sealing that feeds it.
func BenchmarkHotPath(b *testing.B) {
	for _, size := range []int{64, 512, 1400} {
		p := newHotPath(b, gcm128, size)
		for _, direction := range []struct {
			name string
			f    func()
		}{{"seal", p.seal}, {"seal+open", p.open}} {
			b.Run("aes128gcm16/"+direction.name+"/"+strconv.Itoa(size), func(b *testing.B) {
				b.SetBytes(int64(size * hotPathBatch))
				b.ReportAllocs()
				for b.Loop() {
					direction.f()
				}
			})
		}
	}
}

// FuzzEndpoint proves that no datagram on any of the three sockets does
// anything but be counted: nobody without the key gets a packet in.
func FuzzEndpoint(f *testing.F) {
	f.Add(uint8(0), make([]byte, 28))
	f.Add(uint8(1), []byte{0xff})
	f.Add(uint8(1), append([]byte{0, 0, 0, 0}, make([]byte, 28)...))
	f.Add(uint8(2), append([]byte{0xa0, 0, 0, 0, 0, 0, 0, 1}, make([]byte, 64)...))
	f.Fuzz(func(t *testing.T, socket uint8, datagram []byte) {
		given := 0
		endpoint := NewEndpoint(EndpointConfig{Local: outsideA, IKE: func(_, _ netip.AddrPort, d []byte) {
			given++
			if len(d) < ikeHeaderLen {
				t.Fatalf("IKE of %d bytes", len(d))
			}
		}}, Sockets{IKE: nowhere{}, NATT: nowhere{}, ESP: nowhere{}})
		tunnel, err := New(Config{Device: nowhereDevice{}, Endpoint: endpoint})
		if err != nil {
			t.Fatal(err)
		}
		child, _ := children(gcm128, true, 0)
		if err := tunnel.InstallChild(child); err != nil {
			t.Fatal(err)
		}
		r := &inboundRun{table: endpoint.inbound}
		d := packetio.Datagram{Remote: netip.AddrPortFrom(outsideB, PortNATT), Payload: bytes.Clone(datagram)}
		[]func(*inboundRun, packetio.Datagram){endpoint.takeIKE, endpoint.takeNATT, endpoint.takeESP}[socket%3](r, d)
		r.flush()
		var drops uint64
		counters := endpoint.Counters()
		for i := range counters.Drops {
			drops += counters.Drops[i] + tunnel.Counters().Drops[i]
		}
		if drops+uint64(given)+counters.Keepalives != 1 || tunnel.Counters().InboundPackets != 0 {
			t.Fatalf("%d drops, %d to IKE, %d keep-alives, %+v", drops, given, counters.Keepalives, tunnel.Counters())
		}
	})
}
