package ikev2

import (
	"net/netip"
	"testing"

	"causeway.dev/ike"
	"causeway.dev/ike/enginetest"
	"causeway.dev/ike/wire"
	"causeway.dev/internal/simnet"
)

// BenchmarkHandshake is IKE_SA_INIT and IKE_AUTH with a pre-shared key, both sides
// on one core.
func BenchmarkHandshake(b *testing.B) {
	for _, proposal := range []string{"aes128-sha1-group2", "aes128-sha256-group14", "aes128gcm16-prfsha256-group19", "aes128gcm16-prfsha384-group20"} {
		b.Run(proposal, func(b *testing.B) {
			w := newWorld(b, 1, simnet.Conditions{}, func(left, right *ike.Peer) {
				left.IKEProposals, right.IKEProposals = enginetest.IKE(b, proposal), enginetest.IKE(b, proposal)
			})
			b.ReportAllocs()
			for b.Loop() {
				w.Left.Restart(1)
				w.Right.Restart(2)
				w.Left.Command(ike.Initiate{})
				w.Net.Run(w.Net.Now())
				if len(w.Left.Children) != 1 {
					b.Fatal("not connected")
				}
			}
		})
	}
}

// flooded is a gate that demands cookies of strangers, and a request of one.
func flooded(t testing.TB) (w *world, request []byte) {
	t.Helper()
	w = newWorld(t, 1, lan, func(_, right *ike.Peer) { right.Remote = netip.Addr{} })
	w.Right.Engine.admission.halfOpen = cookieThreshold
	return w, initRequest(w, 1)
}

// BenchmarkFlood is one IKE_SA_INIT request from an invented address, which is answered
// with a cookie.
func BenchmarkFlood(b *testing.B) {
	w, request := flooded(b)
	b.Run("cookie", func(b *testing.B) { w.BenchmarkReceive(b, request, enginetest.Invented, ike.DropCookie) })
}

// A cookie is demanded with one allocation, that of the answer.
func TestCookieDemandAllocatesOnce(t *testing.T) {
	w, request := flooded(t)
	d := Datagram{Local: at(enginetest.RightAddr, portIKE), Payload: request}
	n := uint32(0)
	allocations := testing.AllocsPerRun(1000, func() {
		n++
		enginetest.Invented(n, &d)
		if drop := w.Right.Engine.Receive(w.Net.Now(), d); drop != ike.DropCookie {
			t.Fatal(drop)
		}
		w.Right.Engine.TakeOutput()
	})
	if allocations > 1 {
		t.Errorf("%v allocations", allocations)
	}
}

func BenchmarkJunk(b *testing.B) {
	enginetest.BenchmarkJunk(b, engines, 2, func(w *world) []byte {
		h := w.Left.Engine.standing("left", nil).current.header(wire.Informational, 2, false)
		return wire.Message{Header: h, Payloads: []wire.Payload{&wire.Encrypted{Next: wire.PayloadNotify, Body: make([]byte, 160)}}}.Append(nil)
	}, ike.DropIntegrity)
}
