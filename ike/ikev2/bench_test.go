package ikev2

import (
	"testing"

	"causeway.dev/ike"
	"causeway.dev/internal/simnet"
)

// BenchmarkHandshake is IKE_SA_INIT and IKE_AUTH with a pre-shared key, both sides
// on one core.
func BenchmarkHandshake(b *testing.B) {
	for _, proposal := range []string{"aes128-sha1-group2", "aes128-sha256-group14", "aes128gcm16-prfsha256-group19", "aes128gcm16-prfsha384-group20"} {
		b.Run(proposal, func(b *testing.B) {
			w := newWorld(b, 1, simnet.Conditions{}, func(left, right *ike.Peer) {
				left.IKEProposals, right.IKEProposals = ikeProposals(b, proposal), ikeProposals(b, proposal)
			})
			b.ReportAllocs()
			for b.Loop() {
				w.left.restart(1)
				w.right.restart(2)
				w.left.command(ike.Initiate{})
				w.net.Run(w.net.Now())
				if len(w.left.children) != 1 {
					b.Fatal("not connected")
				}
			}
		})
	}
}
