package ikev2

import (
	"testing"

	"causeway.dev/ike"
	"causeway.dev/ike/enginetest"
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
