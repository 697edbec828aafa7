package ikev2

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/internal/simnet"
)

var simDays = flag.Int("sim.days", 1_000, "how many days of tunnels TestTunnelDays simulates")

// TestTunnelDays lets many tunnels live for weeks: rekeys when their time comes, a
// line that loses and is cut now and then, sides that crash or are handed over, clocks that are set.
// Each day ends in quiet, and then there must be one pair that both sides mean and
// that carries packets; no SPI ever comes twice.
func TestTunnelDays(t *testing.T) {
	const weeks = 50 // days of one tunnel
	days := *simDays
	if testing.Short() {
		days /= 20
	}
	const workers = 4
	totals := make([]lived, workers)
	t.Run("tunnels", func(t *testing.T) {
		for worker := range workers {
			t.Run(fmt.Sprint(worker), func(t *testing.T) {
				t.Parallel()
				for seed := worker; seed*weeks < days; seed += workers {
					totals[worker].add(live(t, uint64(seed), weeks))
				}
			})
		}
	})
	var all lived
	for _, l := range totals {
		all.add(l)
	}
	t.Logf("%d days: %d IKE SAs, %d child SAs, %d crashes, %d hand-overs, %d cut lines, %d clocks set", all.days, all.ikeSAs, all.childSAs, all.crashes, all.handOvers, all.cuts, all.clocks)
	if all.days < days || all.ikeSAs < 2*days || all.childSAs < 6*days {
		t.Error("that is too few to mean anything")
	}
}

// lived counts what a tunnel has lived through.
type lived struct{ days, ikeSAs, childSAs, crashes, handOvers, cuts, clocks int }

func (l *lived) add(o lived) {
	l.days, l.ikeSAs, l.childSAs = l.days+o.days, l.ikeSAs+o.ikeSAs, l.childSAs+o.childSAs
	l.crashes, l.handOvers, l.cuts, l.clocks = l.crashes+o.crashes, l.handOvers+o.handOvers, l.cuts+o.cuts, l.clocks+o.clocks
}

func live(t *testing.T, seed uint64, days int) (l lived) {
	w := newWorld(t, seed+1, simnet.Conditions{}, func(left, right *ike.Peer) {
		for _, p := range []*ike.Peer{left, right} {
			p.ESPProposals = espProposals(t, "aes128gcm16") // most of the time is spent in Diffie-Hellman
			p.IKELifetime, p.ChildLifetime, p.RekeyMargin = 8*time.Hour, 3*time.Hour, 10*time.Minute
			p.DPDTimeout = 2 * time.Hour
			p.DPDAction = []ike.DPDAction{ike.DPDClear, ike.DPDRestart}[seed%2]
		}
		right.Start = seed%3 == 0
	})
	random := w.net.Rand()
	sides := []*side{w.left, w.right}
	spis := map[*side]map[ike.SPI]bool{w.left: {}, w.right: {}}
	for _, s := range sides {
		s.tellsStrays = true
		s.observe = func(e ike.Event) {
			switch e := e.(type) {
			case ike.ChildInstalled:
				if spis[s][e.Child.Inbound] {
					s.fatalf("inbound SPI %08x comes twice", uint32(e.Child.Inbound))
				}
				spis[s][e.Child.Inbound] = true
				l.childSAs++
			case ike.Established:
				l.ikeSAs++
			}
			if len(s.children) > 6 || s.gate.Sessions() > 8 {
				s.fatalf("%d child SAs and %d sessions stand", len(s.children), s.gate.Sessions())
			}
		}
		if s.redial = s.peer.Start; s.redial {
			s.command(ike.Initiate{})
		}
	}
	const quiet = 3 * time.Hour // longer than what is silent is taken to live
	for range days {
		w.net.Conditions = simnet.Conditions{DelayMax: 80 * time.Millisecond, Loss: random.Float64() * 0.05, Duplicate: 0.02}
		w.traffic(30*time.Minute, w.net.Now().Add(24*time.Hour-quiet))
		end := w.net.Now().Add(24*time.Hour - quiet)
		switch random.IntN(4) {
		case 0:
			w.calamity(&l, random)
		case 1:
			w.calamity(&l, random)
			w.calamity(&l, random)
		}
		w.net.Run(end)
		w.net.Conditions = simnet.Conditions{DelayMin: time.Millisecond, DelayMax: 20 * time.Millisecond}
		w.traffic(20*time.Minute, w.net.Now().Add(quiet-time.Hour))
		w.net.RunFor(quiet)
		for range 20 { // a rekey may be under way
			if len(w.left.children) == 1 && len(w.right.children) == 1 {
				break
			}
			w.net.RunFor(7 * time.Second)
		}
		w.checkSettled()
		lost := w.left.lost + w.right.lost
		w.left.sendESP()
		w.right.sendESP()
		w.net.RunFor(time.Second)
		if w.left.lost+w.right.lost != lost {
			w.left.fatalf("the pair that stands does not carry packets")
		}
		for _, s := range sides {
			s.events = s.events[:0]
		}
		l.days++
	}
	return l
}

// calamity lets something befall one side, at some time of the day.
func (w *world) calamity(l *lived, random *rand.Rand) {
	w.net.RunFor(time.Duration(random.Int64N(int64(8 * time.Hour))))
	s := []*side{w.left, w.right}[random.IntN(2)]
	switch random.IntN(6) {
	case 0:
		s.restart(random.Uint64())
		s.retryPaused = time.Time{}
		s.retry()
		l.crashes++
	case 1:
		w.net.Conditions.Loss = 1
		w.net.RunFor(time.Duration(random.Int64N(int64(20 * time.Minute))))
		w.net.Conditions.Loss, w.whole = 0.01, w.net.Now()
		l.cuts++
	case 2: // a clock is set: ahead by hours, back by minutes
		step := time.Duration(random.Int64N(int64(6 * time.Hour)))
		if random.IntN(2) == 0 {
			step = -time.Duration(random.Int64N(int64(10 * time.Minute)))
		}
		s.skew += step
		l.clocks++
	case 3: // both rekey at once
		w.left.command(ike.RekeyChild{})
		w.right.command([]ike.Command{ike.RekeyIKE{}, ike.RekeyChild{}}[random.IntN(2)])
	case 4:
		s.handOver(random.Uint64())
		l.handOvers++
	case 5: // both, in the midst of a rekey
		s.command([]ike.Command{ike.RekeyIKE{}, ike.RekeyChild{}}[random.IntN(2)])
		w.net.RunFor(time.Duration(random.Int64N(int64(200 * time.Millisecond))))
		s.handOver(random.Uint64())
		s.other.handOver(random.Uint64())
		l.handOvers += 2
	}
}
