package ikev2

import (
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/enginetest"
	"causeway.dev/internal/simnet"
)

// TestSimulation lets two gates live through whatever a seed holds.
func TestSimulation(t *testing.T) {
	enginetest.Seeds(t, 500, func(t *testing.T, seed uint64) {
		w := newWorld(t, seed, simnet.Conditions{}, func(left, right *ike.Peer) {
			enginetest.ConfigureSimulation(t, seed, left, right)
			if seed%8 == 3 {
				for _, p := range []*ike.Peer{left, right} {
					p.IKEProposals, p.ESPProposals = enginetest.IKE(t, fastIKE+"+mlkem768"), enginetest.ESP(t, fastESP+"+mlkem768")
				}
			}
		})
		if seed%2 == 0 {
			w.HandOut()
		}
		w.Simulate(20 * time.Minute)
		checkNone(w)
	})
}
