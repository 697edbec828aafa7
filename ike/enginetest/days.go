package enginetest

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/internal/simnet"
)

var simDays = flag.Int("sim.days", 0, "how many days of tunnels TestTunnelDays simulates; 0 for as many as take seconds")

// TunnelDays lets many tunnels live for weeks: rekeys when their time comes, a
// line that loses and is cut now and then, sides that crash or are handed over, clocks that are set.
// Each day ends in quiet, and then there must be one pair that both sides mean and
// that carries packets; no SPI ever comes twice.
func TunnelDays[E Engine](t *testing.T, usual int, engines Engines[E]) {
	const weeks = 50 // days of one tunnel
	days := usual
	if testing.Short() {
		days /= 20
	}
	if *simDays != 0 {
		days = *simDays
	}
	defer debug.SetGCPercent(debug.SetGCPercent(800)) // much is made here, and nearly nothing kept
	const workers = 4
	totals := make([]lived, workers)
	t.Run("tunnels", func(t *testing.T) {
		for worker := range workers {
			t.Run(fmt.Sprint(worker), func(t *testing.T) {
				t.Parallel()
				for seed := worker; seed*weeks < days; seed += workers {
					w := New(t, uint64(seed)+1, simnet.Conditions{}, engines, func(left, right *ike.Peer) { configureDays(t, uint64(seed), left, right) })
					totals[worker].add(w.live(weeks))
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

// configureDays is a configuration for live, by the seed.
func configureDays(t *testing.T, seed uint64, left, right *ike.Peer) {
	for _, p := range []*ike.Peer{left, right} {
		p.ESPProposals = ESP(t, "aes128gcm16") // most of the time is spent in Diffie-Hellman
		p.IKELifetime, p.ChildLifetime, p.RekeyMargin = 8*time.Hour, 3*time.Hour, 10*time.Minute
		p.DPDTimeout = 2 * time.Hour
		p.DPDAction = []ike.DPDAction{ike.DPDClear, ike.DPDRestart}[seed%2]
	}
	right.Start = seed%3 == 0
}

func (w *World[E]) live(days int) (l lived) {
	random := w.Net.Rand()
	sides := []*Side[E]{w.Left, w.Right}
	spis := map[*Side[E]]map[ike.SPI]bool{w.Left: {}, w.Right: {}}
	for _, s := range sides {
		s.TellsStrays = true
		s.Observe = func(e ike.Event) {
			switch e := e.(type) {
			case ike.ChildInstalled:
				if spis[s][e.Child.Inbound] {
					s.Fatalf("inbound SPI %08x comes twice", uint32(e.Child.Inbound))
				}
				spis[s][e.Child.Inbound] = true
				l.childSAs++
			case ike.Established:
				l.ikeSAs++
			}
			if len(s.Children) > 6 || s.Engine.Sessions() > 8 {
				s.Fatalf("%d child SAs and %d sessions stand", len(s.Children), s.Engine.Sessions())
			}
		}
		if s.Redial = s.Peer.Start; s.Redial {
			s.Command(ike.Initiate{})
		}
	}
	const quiet = 3 * time.Hour // longer than what is silent is taken to live
	for range days {
		w.Net.Conditions = simnet.Conditions{DelayMax: 80 * time.Millisecond, Loss: random.Float64() * 0.05, Duplicate: 0.02}
		w.Traffic(30*time.Minute, w.Net.Now().Add(24*time.Hour-quiet))
		end := w.Net.Now().Add(24*time.Hour - quiet)
		switch random.IntN(4) {
		case 0:
			w.calamity(&l, random)
		case 1:
			w.calamity(&l, random)
			w.calamity(&l, random)
		}
		w.Net.Run(end)
		w.Net.Conditions = simnet.Conditions{DelayMin: time.Millisecond, DelayMax: 20 * time.Millisecond}
		w.Traffic(20*time.Minute, w.Net.Now().Add(quiet-time.Hour))
		w.Net.RunFor(quiet)
		w.checkCarries()
		for _, s := range sides {
			s.Events = s.Events[:0]
		}
		l.days++
	}
	return l
}

// calamity lets something befall one side, at some time of the day.
func (w *World[E]) calamity(l *lived, random *rand.Rand) {
	w.Net.RunFor(time.Duration(random.Int64N(int64(8 * time.Hour))))
	s := []*Side[E]{w.Left, w.Right}[random.IntN(2)]
	switch random.IntN(6) {
	case 0:
		s.Restart(random.Uint64())
		s.retryPaused = time.Time{}
		s.Retry()
		l.crashes++
	case 1:
		w.Cut()
		w.Net.RunFor(time.Duration(random.Int64N(int64(20 * time.Minute))))
		w.Mend(0.01)
		l.cuts++
	case 2: // a clock is set: ahead by hours, back by minutes
		step := time.Duration(random.Int64N(int64(6 * time.Hour)))
		if random.IntN(2) == 0 {
			step = -time.Duration(random.Int64N(int64(10 * time.Minute)))
		}
		s.Skew += step
		l.clocks++
	case 3: // both rekey at once
		w.Left.Command(ike.RekeyChild{})
		w.Right.Command([]ike.Command{ike.RekeyIKE{}, ike.RekeyChild{}}[random.IntN(2)])
	case 4:
		s.HandOver(random.Uint64())
		l.handOvers++
	case 5: // both, in the midst of a rekey
		s.Command([]ike.Command{ike.RekeyIKE{}, ike.RekeyChild{}}[random.IntN(2)])
		w.Net.RunFor(time.Duration(random.Int64N(int64(200 * time.Millisecond))))
		s.HandOver(random.Uint64())
		s.Other.HandOver(random.Uint64())
		l.handOvers += 2
	}
}
