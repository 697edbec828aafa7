package ikev1

import (
	"net/netip"
	"testing"

	"causeway.dev/ike"
	"causeway.dev/ike/enginetest"
	"causeway.dev/ike/wire"
	"causeway.dev/ike/wire/isakmp"
)

// BenchmarkFlood is one first message from an invented address, where as many wait as
// may.
func BenchmarkFlood(b *testing.B) {
	w := newWorld(b, 1, enginetest.LAN, func(_, right *ike.Peer) { right.Remote = netip.Addr{} })
	message := firstMessage(1, w.Right.Peer.IKEProposals)
	b.Run("first message", func(b *testing.B) { w.BenchmarkReceive(b, message, enginetest.Invented, ike.Accepted) })
}

func BenchmarkJunk(b *testing.B) {
	enginetest.BenchmarkJunk(b, engines, 1, func(w *world) []byte {
		sa := w.Left.Engine.sessions["left"].current()
		h := sa.header(isakmp.Informational, 7)
		h.NextPayload, h.Length = wire.PayloadType(isakmp.PayloadHash), wire.HeaderLength+160
		return append(h.Append(nil), make([]byte, 160)...)
	}, ike.DropIntegrity)
}
