package enginetest

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"

	"causeway.dev/ike"
)

// BenchmarkReceive measures what one datagram costs the right side, whatever it makes of
// it. vary changes it each time: its SPI, where it comes from.
func (w *World[E]) BenchmarkReceive(b *testing.B, message []byte, vary func(n uint32, d *ike.Datagram), want ike.Drop) {
	d := ike.Datagram{Local: netip.AddrPortFrom(RightAddr, 500), Remote: netip.AddrPortFrom(LeftAddr, 500), Payload: message}
	b.ReportAllocs()
	n := uint32(0)
	for b.Loop() {
		n++
		vary(n, &d)
		if drop := w.Right.Engine.Receive(w.Net.Now(), d); drop != want {
			b.Fatalf("%q, want %q", drop, want)
		}
		w.Right.Engine.TakeOutput()
	}
}

// Invented lets a first message come from another address and with another SPI each time.
func Invented(n uint32, d *ike.Datagram) {
	d.Remote = netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 18 + byte(n>>16)&1, byte(n >> 8), byte(n)}), 500)
	binary.BigEndian.PutUint64(d.Payload, uint64(n)|1<<40)
}

// BenchmarkJunk measures what a datagram costs that nobody has authenticated, while an
// SA stands: octets at random behind the version, a message for an SA that is not there,
// and one for the SA that stands, with a wrong ICV or HASH.
func BenchmarkJunk[E Engine](b *testing.B, engines Engines[E], version byte, forge func(w *World[E]) []byte, forged ike.Drop) {
	w := New(b, 1, LAN, engines, nil)
	w.Connect()
	same := func(uint32, *ike.Datagram) {}
	malformed := make([]byte, 200)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(malformed) // never fails
	malformed[17] = version << 4
	b.Run("malformed", func(b *testing.B) { w.BenchmarkReceive(b, malformed, same, ike.DropMalformed) })
	message := forge(w)
	stray := append([]byte(nil), message...)
	stray[0] ^= 0xff
	stray[8] ^= 0xff
	b.Run("no SA", func(b *testing.B) { w.BenchmarkReceive(b, stray, same, ike.DropUnknownSPI) })
	b.Run("forged", func(b *testing.B) { w.BenchmarkReceive(b, message, same, forged) })
}
