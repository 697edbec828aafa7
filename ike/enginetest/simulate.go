package enginetest

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
	simSeeds = flag.Uint64("sim.seeds", 0, "how many seeds TestSimulation runs; 0 for as many as take seconds")
)

// Seeds runs a simulation for each seed that is asked for, or so many.
func Seeds(t *testing.T, usual uint64, simulate func(t *testing.T, seed uint64)) {
	if *simSeed != 0 {
		simulate(t, *simSeed)
		return
	}
	seeds := usual
	if testing.Short() {
		seeds /= 10
	}
	if *simSeeds != 0 {
		seeds = *simSeeds
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

// ConfigureSimulation is a configuration for Simulate, by the seed.
func ConfigureSimulation(t testing.TB, seed uint64, left, right *ike.Peer) {
	for _, p := range []*ike.Peer{left, right} {
		p.IKELifetime, p.ChildLifetime, p.RekeyMargin = 10*time.Minute, 4*time.Minute, 40*time.Second
		p.DPDTimeout = []time.Duration{30 * time.Second, 80 * time.Second}[seed%5/3]
		if seed%4 != 0 { // most of the time is spent in Diffie-Hellman
			p.ESPProposals = ESP(t, "aes128gcm16")
		}
		p.DPDAction = []ike.DPDAction{ike.DPDClear, ike.DPDRestart}[seed%2]
	}
	right.Start = seed%3 == 0
}

// Simulate is a story that a seed holds: a network that loses, delays, reorders
// and duplicates, rekeys of both kinds at any moment and at the same one,
// restarts, hand-overs, deletes, cut lines, crashes. When it has calmed down, there must be
// one pair that both sides mean.
func (w *World[E]) Simulate(story time.Duration) {
	random := w.Net.Rand()
	w.Net.Conditions = simnet.Conditions{
		DelayMax:  time.Duration(random.Int64N(int64(300 * time.Millisecond))),
		Loss:      random.Float64() * 0.3,
		Duplicate: random.Float64() * 0.2,
	}
	sides := []*Side[E]{w.Left, w.Right}
	for _, s := range sides {
		if s.Redial = s.Peer.Start; s.Redial {
			s.Command(ike.Initiate{})
		}
	}
	w.Traffic(3*time.Second+time.Duration(random.Int64N(int64(10*time.Second))), Epoch.Add(story))
	pause := func(most time.Duration) { w.Net.RunFor(time.Duration(random.Int64N(int64(most)))) }
	for range 6 + random.IntN(10) {
		pause(story / 16)
		s := sides[random.IntN(2)]
		switch random.IntN(16) {
		case 0, 1:
			s.Command(ike.RekeyChild{})
		case 2, 3:
			w.Left.Command(ike.RekeyChild{})
			pause(200 * time.Millisecond)
			w.Right.Command(ike.RekeyChild{})
		case 4, 5:
			s.Command(ike.RekeyIKE{})
		case 6, 7:
			w.Left.Command(ike.RekeyIKE{})
			pause(200 * time.Millisecond)
			w.Right.Command(ike.RekeyIKE{})
		case 8:
			s.Command(ike.RekeyIKE{})
			s.Other.Command(ike.RekeyChild{})
		case 9:
			s.Command(ike.Terminate{Reason: "asked for"})
		case 10:
			s.Restart(random.Uint64())
			s.Retry()
		case 11:
			loss := w.Net.Conditions.Loss
			w.Cut()
			pause(2 * time.Minute)
			w.Mend(loss)
		case 12, 13:
			s.Command([]ike.Command{ike.RekeyIKE{}, ike.RekeyChild{}, ike.Terminate{Reason: "asked for"}}[random.IntN(3)])
			pause(500 * time.Millisecond)
			s.HandOver(random.Uint64())
			if random.IntN(2) == 0 {
				s.Other.HandOver(random.Uint64())
			}
		case 14:
			s.Command(ike.Reauthenticate{})
			if random.IntN(2) == 0 {
				s.Other.Command(ike.Reauthenticate{})
			}
		case 15:
			s.Engine.Outdate(w.Net.Now(), s.Peer.ID)
			s.Flush()
			// An attempt by the old configuration ends without a word: the owner begins
			// another where nothing stands.
			if status := s.Engine.Status(s.Peer.ID); !status.Established && !status.Child {
				s.Retry()
			}
		}
	}
	w.Net.Run(Epoch.Add(story))
	w.Net.Conditions = simnet.Conditions{DelayMin: time.Millisecond, DelayMax: 20 * time.Millisecond}
	w.Net.RunFor(4 * time.Minute)
	w.checkCarries()
	for _, s := range sides {
		s.Rest()
		s.Engine.RemovePeer(w.Net.Now(), s.Peer.ID, "removed")
		s.Flush()
	}
	w.Net.RunFor(3 * time.Minute)
}

// checkCarries waits for the end of a rekey that may be under way. Then there is one
// pair that both sides mean and that carries packets.
func (w *World[E]) checkCarries() {
	w.T.Helper()
	for range 20 {
		if len(w.Left.Children) == 1 && len(w.Right.Children) == 1 {
			break
		}
		w.Net.RunFor(7 * time.Second)
	}
	w.CheckSettled()
	lost := w.Left.Lost + w.Right.Lost
	w.Left.SendESP()
	w.Right.SendESP()
	w.Net.RunFor(time.Second)
	if w.Left.Lost+w.Right.Lost != lost {
		w.Left.Fatalf("the pair that stands does not carry packets")
	}
}
