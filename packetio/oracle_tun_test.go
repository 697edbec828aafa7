package packetio

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"causeway.dev/internal/oracle"
)

// A stack is what a kernel is to a TUN: the other end of its descriptor, one
// virtio-net header and packet a message.
type stack struct{ fd int }

// adoptTUN returns a TUN and the stack behind it.
func adoptTUN(t testing.TB, offloads Offloads) (*TUN, stack) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range pair {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 64<<20); err != nil {
			t.Skipf("needs root for buffers of some size: %v", err)
		}
	}
	tun, s := AdoptTUN(pair[0], "oracle", offloads), stack{pair[1]}
	t.Cleanup(func() {
		tun.Close()
		unix.Close(s.fd)
	})
	return tun, s
}

func (s stack) write(t testing.TB, m oracle.Message) {
	t.Helper()
	if _, err := unix.Write(s.fd, m.Bytes()); err != nil {
		t.Fatalf("give the TUN %d bytes: %v", len(m.Packet), err)
	}
}

// read returns what the TUN has written, if there is something.
func (s stack) read(t testing.TB) (oracle.Message, bool) {
	t.Helper()
	b := make([]byte, oracle.MessageHeaderLen+ipPacketMax+1)
	n, err := unix.Read(s.fd, b)
	if err == unix.EAGAIN {
		return oracle.Message{}, false
	}
	m, ok := oracle.ParseMessage(b[:n])
	if err != nil || !ok {
		t.Fatalf("the TUN wrote %d bytes, %v", n, err)
	}
	return m, true
}

func oracleTraffic(seed uint64, offloads Offloads) *oracle.Traffic {
	return oracle.NewTraffic(oracle.TrafficConfig{
		Seed: seed, TCPSuper: offloads.TUNSegmentation, UDPSuper: offloads.TUNUDPSegmentation,
		Local4: netip.MustParseAddr("10.0.1.4"), Remote4: netip.MustParseAddr("192.168.0.9"),
		Local6: netip.MustParseAddr("fd00:a::4"), Remote6: netip.MustParseAddr("fd00:b::9"),
	})
}

// tunOffloads are all combinations that concern TUNs.
func tunOffloads(t *testing.T, f func(t *testing.T, o Offloads)) {
	for i := range 4 {
		o := Offloads{TUNSegmentation: i&1 != 0, TUNUDPSegmentation: i&2 != 0}
		t.Run(fmt.Sprintf("TCP=%v,UDP=%v", o.TUNSegmentation, o.TUNUDPSegmentation), func(t *testing.T) { f(t, o) })
	}
}

const oracleMessages = 500

// What a TUN reads are the packets that the stack's messages stand for, all in
// order, with room around them.
func TestOracleTUNReads(t *testing.T) {
	tunOffloads(t, func(t *testing.T, o Offloads) {
		for seed := range uint64(2) {
			tun, stack := adoptTUN(t, o)
			traffic, r := oracleTraffic(seed, o), rand.New(rand.NewPCG(seed, 1))
			batch := NewBatch(24, 64)
			for sent := 0; sent < oracleMessages; {
				var want [][]byte
				for range 1 + r.IntN(40) {
					m := traffic.Next()
					stack.write(t, m)
					want = append(want, m.Packets()...)
					sent++
				}
				for got := 0; got < len(want); {
					batch.Reset()
					if err := tun.ReadBatch(batch); err != nil || len(batch.Packets) == 0 {
						t.Fatalf("seed %d: %d of %d packets, then %d, %v", seed, got, len(want), len(batch.Packets), err)
					}
					for _, p := range batch.Packets {
						if got >= len(want) || !bytes.Equal(p.Bytes(), want[got]) {
							t.Fatalf("seed %d, message %d and before: packet %d of %d is\n%.100x, want\n%.100x", seed, sent, got, len(want), p.Bytes(), want[min(got, len(want)-1)])
						}
						if p.Offset < 24 || len(p.Slot)-p.Offset-p.Length < 64 {
							t.Fatalf("seed %d: %d bytes before a packet, %d behind it", seed, p.Offset, len(p.Slot)-p.Offset-p.Length)
						}
						got++
					}
				}
				batch.Reset()
				if err := tun.ReadBatch(batch); err != nil || len(batch.Packets) > 0 {
					t.Fatalf("seed %d: %d packets that nobody sent, %v", seed, len(batch.Packets), err)
				}
			}
		}
	})
}

// What a TUN writes is, super-packets cut again, what it was given, the packets
// of each flow in order; with headers that a kernel takes, and no offload that
// is off.
func TestOracleTUNWrites(t *testing.T) {
	everything := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
	whole := oracle.Gateway{InsideMTU: ipPacketMax, Local: everything, Remote: everything}
	tunOffloads(t, func(t *testing.T, o Offloads) {
		supers := map[uint8]int{}
		for seed := range uint64(2) {
			tun, stack := adoptTUN(t, o)
			traffic, r := oracleTraffic(seed, AllOffloads), rand.New(rand.NewPCG(seed, 1))
			judge := oracle.NewJudge()
			var packets [][]byte
			for range oracleMessages {
				for _, p := range traffic.Next().Packets() {
					carried, _ := whole.Carry(p)
					judge.Expect(carried...)
					for _, p := range carried {
						packets = append(packets, bytes.Clone(p)) // the TUN may write into it
					}
				}
				for len(packets) > 128 {
					n := 1 + r.IntN(128)
					if taken, err := tun.WriteBatch(new(Gatherer), packets[:n]); taken != n || err != nil {
						t.Fatalf("seed %d: %d of %d packets taken, %v", seed, taken, n, err)
					}
					packets = packets[n:]
					for m, ok := stack.read(t); ok; m, ok = stack.read(t) {
						if err := judge.TakeMessage(m); err != nil {
							t.Fatalf("seed %d: %v", seed, err)
						}
						supers[m.Type&^oracle.TypeECN]++
					}
				}
			}
			if judge.Outstanding() != len(packets) {
				t.Fatalf("seed %d: %v, but %d were not written", seed, judge.Missing(), len(packets))
			}
		}
		if n := supers[oracle.TypeTCP4] + supers[oracle.TypeTCP6]; n > 0 != o.TUNSegmentation {
			t.Errorf("%d super-packets of TCP", n)
		}
		if n := supers[oracle.TypeUDP]; n > 0 && !o.TUNUDPSegmentation {
			t.Errorf("%d super-packets of UDP", n)
		}
		t.Logf("messages by type: %v", supers)
	})
}

// What is left of a super-packet when its TUN is closed is nobody's: it must
// never come out of the batch as another device's packet.
func TestPendingSegmentsDieWithTheirTUN(t *testing.T) {
	first, firstStack := adoptTUN(t, AllOffloads)
	second, secondStack := adoptTUN(t, AllOffloads)
	traffic := oracleTraffic(1, AllOffloads)
	m := traffic.Next()
	batch := NewBatch(24, 64)
	batch.Packets = make([]Packet, 0, 32) // a small one, so that much is left over
	for len(m.Packets()) <= cap(batch.Packets) {
		m = traffic.Next()
	}
	firstStack.write(t, m)
	batch.Reset()
	if err := first.ReadBatch(batch); err != nil || !batch.More() {
		t.Fatalf("%d packets, %v", len(batch.Packets), err)
	}
	first.Close()
	batch.Reset()
	if err := first.ReadBatch(batch); err == nil || len(batch.Packets) > 0 {
		t.Errorf("%d packets from a closed TUN, %v", len(batch.Packets), err)
	}
	other := oracle.Message{Packet: []byte("of the second TUN")}
	secondStack.write(t, other)
	batch.Reset()
	if err := second.ReadBatch(batch); err != nil || len(batch.Packets) != 1 || !bytes.Equal(batch.Packets[0].Bytes(), other.Packet) {
		t.Fatalf("%d packets, the first %.60x, %v", len(batch.Packets), batch.Packets[0].Bytes(), err)
	}
}
