package ikev1

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/enginetest"
	"causeway.dev/internal/simnet"
)

var (
	simSeed  = flag.Uint64("sim.seed", 0, "replay this seed of TestSimulation only")
	simSeeds = flag.Uint64("sim.seeds", 1000, "how many seeds TestSimulation runs")
)

// TestSimulation lets two gates live through whatever a seed holds.
func TestSimulation(t *testing.T) {
	if *simSeed != 0 {
		simulate(t, *simSeed)
		return
	}
	seeds := *simSeeds
	if testing.Short() {
		seeds /= 10
	}
	const workers = 8
	for worker := range uint64(workers) {
		t.Run(fmt.Sprint(worker), func(t *testing.T) {
			t.Parallel()
			for seed := worker + 1; seed <= seeds; seed += workers {
				simulate(t, seed)
			}
		})
	}
}

func simulate(t *testing.T, seed uint64) {
	w := newWorld(t, seed, simnet.Conditions{}, func(left, right *ike.Peer) {
		for _, p := range []*ike.Peer{left, right} {
			p.IKELifetime, p.ChildLifetime, p.RekeyMargin = 10*time.Minute, 4*time.Minute, 40*time.Second
			p.DPDTimeout = []time.Duration{30 * time.Second, 80 * time.Second}[seed%5/3]
			if seed%4 != 0 { // most of the time is spent in Diffie-Hellman
				p.ESPProposals = enginetest.ESP(t, "aes128gcm16")
			}
			p.DPDAction = []ike.DPDAction{ike.DPDClear, ike.DPDRestart}[seed%2]
		}
		right.Start = seed%3 == 0
	})
	w.Simulate(20 * time.Minute)
	checkNone(w)
}
