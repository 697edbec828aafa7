package ikev2

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/internal/simnet"
)

var (
	simSeed  = flag.Uint64("sim.seed", 0, "replay this seed of TestSimulation only")
	simSeeds = flag.Uint64("sim.seeds", 500, "how many seeds TestSimulation runs")
)

// TestSimulation lets two gates live through whatever a seed holds: a network that
// loses, delays, reorders and duplicates, rekeys of both kinds at any moment and
// at the same one, restarts, hand-overs, deletes, cut lines, crashes. When it has
// calmed down, there must be one pair that both sides mean.
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
				p.ESPProposals = espProposals(t, "aes128gcm16")
			}
			if seed%8 == 3 {
				p.IKEProposals, p.ESPProposals = ikeProposals(t, fastIKE+"+mlkem768"), espProposals(t, fastESP+"+mlkem768")
			}
			p.DPDAction = []ike.DPDAction{ike.DPDClear, ike.DPDRestart}[seed%2]
		}
		right.Start = seed%3 == 0
	})
	if seed%2 == 0 {
		w.handOut()
	}
	random := w.net.Rand()
	w.net.Conditions = simnet.Conditions{
		DelayMax:  time.Duration(random.Int64N(int64(300 * time.Millisecond))),
		Loss:      random.Float64() * 0.3,
		Duplicate: random.Float64() * 0.2,
	}
	sides := []*side{w.left, w.right}
	for _, s := range sides {
		if s.redial = s.peer.Start; s.redial {
			s.command(ike.Initiate{})
		}
	}
	const story = 20 * time.Minute
	w.traffic(3*time.Second+time.Duration(random.Int64N(int64(10*time.Second))), epoch.Add(story))
	for range 6 + random.IntN(10) {
		w.net.RunFor(time.Duration(random.Int64N(int64(story / 16))))
		s := sides[random.IntN(2)]
		switch random.IntN(16) {
		case 0, 1:
			s.command(ike.RekeyChild{})
		case 2, 3:
			w.left.command(ike.RekeyChild{})
			w.net.RunFor(time.Duration(random.Int64N(int64(200 * time.Millisecond))))
			w.right.command(ike.RekeyChild{})
		case 4, 5:
			s.command(ike.RekeyIKE{})
		case 6, 7:
			w.left.command(ike.RekeyIKE{})
			w.net.RunFor(time.Duration(random.Int64N(int64(200 * time.Millisecond))))
			w.right.command(ike.RekeyIKE{})
		case 8:
			s.command(ike.RekeyIKE{})
			s.other.command(ike.RekeyChild{})
		case 9:
			s.command(ike.Terminate{Reason: "asked for"})
		case 10:
			s.restart(random.Uint64())
			s.retry()
		case 11:
			loss := w.net.Conditions.Loss
			w.net.Conditions.Loss = 1
			w.net.RunFor(time.Duration(random.Int64N(int64(2 * time.Minute))))
			w.net.Conditions.Loss, w.whole = loss, w.net.Now()
		case 12, 13:
			s.command([]ike.Command{ike.RekeyIKE{}, ike.RekeyChild{}, ike.Terminate{Reason: "asked for"}}[random.IntN(3)])
			w.net.RunFor(time.Duration(random.Int64N(int64(500 * time.Millisecond))))
			s.handOver(random.Uint64())
			if random.IntN(2) == 0 {
				s.other.handOver(random.Uint64())
			}
		case 14:
			s.command(ike.Reauthenticate{})
			if random.IntN(2) == 0 {
				s.other.command(ike.Reauthenticate{})
			}
		case 15:
			s.gate.Outdate(w.net.Now(), s.peer.ID)
			s.flush()
		}
	}
	w.net.Run(epoch.Add(story))
	w.net.Conditions = simnet.Conditions{DelayMin: time.Millisecond, DelayMax: 20 * time.Millisecond}
	w.net.RunFor(4 * time.Minute)
	for range 20 { // a rekey may be under way
		if len(w.left.children) == 1 && len(w.right.children) == 1 {
			break
		}
		w.net.RunFor(7 * time.Second)
	}
	w.checkSettled()
	for _, s := range sides {
		s.lost = 0
		s.sendESP()
	}
	w.net.RunFor(time.Second)
	if w.left.lost+w.right.lost != 0 {
		w.left.fatalf("the pair that stands does not carry packets")
	}
	for _, s := range sides {
		s.redial, s.retryPaused = false, time.Time{}
		s.gate.RemovePeer(w.net.Now(), s.peer.ID, "removed")
		s.flush()
	}
	w.net.RunFor(3 * time.Minute)
	w.checkNone()
}
