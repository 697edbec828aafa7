package bench

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"testing"
	"time"

	"causeway.dev/internal/netlab"
)

var (
	resultsFile = flag.String("results", "", "write the figures of BenchmarkTunnel to this file, as JSON")
	wantedKinds = flag.String("kinds", "", "measure only kinds whose name this regular expression matches")
	congestion  = flag.String("congestion", "cubic", "the congestion control of the hosts' TCP")
)

// BenchmarkTunnel measures all kinds by turns, so that all meet the same
// machine; one iteration is one round:
//
//	go test -run '^$' -bench Tunnel -benchtime 5x ./test/bench -args -results FILE -kinds '^(causeway-gcm128|ceiling)$'
//
// The hosts' TCP has one congestion control everywhere, Linux's default one, and not
// what this machine happens to prefer: "bbr" paces each of many streams by a timer of
// its own and hands over smaller packets for it, which says nothing about a tunnel.
//
// It fails on errors, never on a figure. A peer that this machine lacks is left
// out.
func BenchmarkTunnel(b *testing.B) {
	wanted, err := regexp.Compile(*wantedKinds)
	if err != nil {
		b.Fatalf("-kinds: %v", err)
	}
	lab := netlab.New(b, "iperf3", "ethtool", "ping")
	w := newWorkshop(lab.Dir())
	sweep := newSweeper(b, lab.Dir())
	begin := time.Now()
	run := report{Started: begin.UTC().Truncate(time.Second), Commit: commit(), Machine: machine(), Congestion: *congestion, Peers: peerVersions(), LoadAverage: [2]string{loadAverage()}}
	build := func(idle bool) (beds []*bed) {
		for i, k := range kinds {
			if k.idle != idle || !wanted.MatchString(k.name) {
				continue
			}
			if k.peer != nil {
				if err := k.peer.prepare(w); err != nil {
					run.LeftOut = append(run.LeftOut, fmt.Sprintf("%s: %v", k.name, err))
					continue
				}
			}
			beds = append(beds, newBed(b, lab, w, sweep, i, k))
		}
		return beds
	}
	beds := build(false)
	var quiet quietness
	rounds := map[string][]measured{}
	for b.Loop() {
		alone := idle(b, beds)
		for i, s := range beds {
			quiet.measure()
			m := s.measure(b)
			if s.kind.peer != nil {
				m["idle_cpu_ms_per_second"] = alone[i]
			}
			rounds[s.kind.name] = append(rounds[s.kind.name], m)
		}
		run.Rounds++
	}
	for _, s := range build(true) { // last, since they leave no quiet to others
		quiet.measure()
		rounds[s.kind.name] = []measured{s.measure(b)}
		beds = append(beds, s)
	}
	if len(beds) == 0 {
		b.Fatalf("no kind is measured: -kinds %q, left out %q", *wantedKinds, run.LeftOut)
	}
	run.LoadAverage[1], run.Quietness, run.Took = loadAverage(), quiet.share(), time.Since(begin).Round(time.Second).String()
	for _, s := range beds {
		run.add(s.kind, rounds[s.kind.name])
	}
	run.Ratios = ratios(rounds)
	run.print(os.Stdout)
	if *resultsFile != "" {
		run.write(b, *resultsFile)
	}
}
