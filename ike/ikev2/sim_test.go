package ikev2

import (
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/enginetest"
	"causeway.dev/internal/simnet"
)

// TestSimulation lets two gates live through whatever a seed holds.
func TestSimulation(t *testing.T) { enginetest.Seeds(t, 500, simulate) }

// Seeds that found something, by what it was.
func TestSimulationThatFailed(t *testing.T) {
	for what, seed := range map[string]uint64{
		"of three sessions with a peer, the one that carries is not the one that stays": 1723,
		"a session that is to end takes the packets back by an answer that comes late":  2180,
		"a session whose end comes before it stands is handed over":                     2651,
		"an answer comes late, when the peer has made another session":                  15191,
		"the deletion of a session makes it carry packets for a moment":                 9097,
	} {
		t.Run(what, func(t *testing.T) { simulate(t, seed) })
	}
}

func simulate(t *testing.T, seed uint64) {
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
}
