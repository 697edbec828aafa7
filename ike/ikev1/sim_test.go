package ikev1

import (
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/enginetest"
	"causeway.dev/internal/simnet"
)

// TestSimulation lets two gates live through whatever a seed holds.
func TestSimulation(t *testing.T) { enginetest.Seeds(t, 1000, simulate) }

// Of rekeys that crossed, the peer deletes the pair by which we send, when a third
// is half made: packets go on by the one that the peer has.
func TestSimulationThatFailed(t *testing.T) { simulate(t, 11406) }

func simulate(t *testing.T, seed uint64) {
	w := newWorld(t, seed, simnet.Conditions{}, func(left, right *ike.Peer) { enginetest.ConfigureSimulation(t, seed, left, right) })
	if seed%2 == 0 {
		w.HandOut()
	}
	w.Simulate(20 * time.Minute)
	checkNone(w)
}
