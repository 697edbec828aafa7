package telemetry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"causeway.dev/internal/run"
	"causeway.dev/nodespec"
	"causeway.dev/resource"
	"causeway.dev/store"
	"causeway.dev/store/storetest"
)

// session is what is seen of a tunnel with BGP that is up, and has learned so much.
func session(id string, routes ...nodespec.Learned) nodespec.TunnelStatus {
	seen := tunnel(id, true, 0, fmt.Sprintf("%d routes", len(routes)))
	seen.BGP = &nodespec.BGPStatus{Established: true, Routes: routes}
	return seen
}

func route(destination string, med uint32, path ...uint32) nodespec.Learned {
	return nodespec.Learned{Destination: netip.MustParsePrefix(destination), Path: path, Origin: nodespec.OriginIncomplete, MED: med}
}

func TestLearnedRoutesFollowWhatIsSeen(t *testing.T) {
	r, s := reporter(t)
	update(t, s, func(tx *store.Tx) { store.VPNConnections.Put(tx, resource.VPNConnection{Meta: meta("vpn-1")}) })
	down, awaited := tunnel("vpn-1/1", false, time.Second, "IPsec is up, BGP is not"), session("vpn-1/1")
	down.BGP = &nodespec.BGPStatus{Routes: []nodespec.Learned{route("10.9.0.0/16", 0)}} // of whatever was before
	awaited.BGP.Pending, awaited.Up, awaited.BGP.Established, awaited.Message = true, false, false, "awaited"
	partly := session("vpn-1/1", route("192.168.0.0/16", 0, 65000))
	partly.BGP.Pending = true
	for _, step := range []struct {
		what string
		seen []nodespec.TunnelStatus
		want string // up, routes
	}{
		{"awaited, of which nothing was ever known", []nodespec.TunnelStatus{awaited}, "false"},
		{"no session", []nodespec.TunnelStatus{down}, "false"},
		{"two routes", []nodespec.TunnelStatus{session("vpn-1/1", route("172.16.0.0/12", 5, 65000, 65001), route("192.168.0.0/16", 0, 65000))}, "true 172.16.0.0/12 [65000 65001] 2 5, 192.168.0.0/16 [65000] 2 0"},
		{"another MED", []nodespec.TunnelStatus{session("vpn-1/1", route("172.16.0.0/12", 6, 65000, 65001), route("192.168.0.0/16", 0, 65000))}, "true 172.16.0.0/12 [65000 65001] 2 6, 192.168.0.0/16 [65000] 2 0"},
		{"awaited anew", []nodespec.TunnelStatus{awaited}, "true 172.16.0.0/12 [65000 65001] 2 6, 192.168.0.0/16 [65000] 2 0"},
		{"told in part", []nodespec.TunnelStatus{partly}, "true 172.16.0.0/12 [65000 65001] 2 6, 192.168.0.0/16 [65000] 2 0"},
		{"told wholly", []nodespec.TunnelStatus{session("vpn-1/1", route("192.168.0.0/16", 0, 65000, 65000))}, "true 192.168.0.0/16 [65000 65000] 2 0"},
		{"nothing told", []nodespec.TunnelStatus{session("vpn-1/1")}, "true"},
		{"told again", []nodespec.TunnelStatus{session("vpn-1/1", route("0.0.0.0/0", 0, 65000))}, "true 0.0.0.0/0 [65000] 2 0"},
		{"down", []nodespec.TunnelStatus{down}, "false"},
		{"up", []nodespec.TunnelStatus{session("vpn-1/1", route("0.0.0.0/0", 0, 65000))}, "true 0.0.0.0/0 [65000] 2 0"},
		{"not there", nil, "false"},
	} {
		report(t, r, nodespec.Observed{Tunnels: step.seen})
		if got := recorded(s, "vpn-1/1"); got != step.want {
			t.Errorf("%s: got %q, want %q", step.what, got, step.want)
		}
		before := s.Snapshot()
		report(t, r, nodespec.Observed{Tunnels: step.seen})
		if s.Snapshot() != before {
			t.Errorf("%s: the same report again was written", step.what)
		}
		r.now = func(now time.Time) func() time.Time { return func() time.Time { return now.Add(time.Minute) } }(r.now())
	}
}

// recorded is whether a tunnel is up and what it has learned, as the store says.
func recorded(s *store.Store, id string) string {
	status, _ := store.TunnelStatuses.Get(s.Snapshot(), scope, id)
	var routes []string
	for _, l := range status.Routes {
		routes = append(routes, fmt.Sprintf("%v %v %d %d", l.Destination, l.Path, l.Origin, l.MED))
	}
	return strings.TrimSpace(fmt.Sprint(status.Up, " ", strings.Join(routes, ", ")))
}

// Routes that never rest are written as often as the budget allows, and the last of them
// in the end; other tunnels don't wait for that, and who goes down does not either.
func TestRestlessRoutesAreWrittenNowAndThen(t *testing.T) {
	s := storetest.Open(t)
	r := New(s, slog.New(slog.DiscardHandler))
	var clock atomic.Int64
	r.now = func() time.Time { return start.Add(time.Duration(clock.Load())) }
	group := run.New(t.Context())
	group.Go("telemetry", r.Run)
	t.Cleanup(func() {
		group.Stop(nil)
		if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	update(t, s, func(tx *store.Tx) { store.VPNConnections.Put(tx, resource.VPNConnection{Meta: meta("vpn-1")}) })
	writes := func(f func()) int64 {
		before := s.Snapshot().Revision()
		f()
		return s.Snapshot().Revision() - before
	}
	flap := func(med uint32) nodespec.Observed {
		return nodespec.Observed{Tunnels: []nodespec.TunnelStatus{session("vpn-1/1", route("192.168.0.0/16", med, 65000))}}
	}
	if n := writes(func() {
		for med := range uint32(100) {
			report(t, r, flap(med))
			clock.Add(int64(10 * time.Millisecond))
		}
	}); n != budgetBurst {
		t.Fatalf("100 changes within a second were written %d times, want %d", n, budgetBurst)
	}
	quiet := flap(99)
	quiet.Tunnels = append(quiet.Tunnels, session("vpn-1/2", route("192.168.0.0/16", 7, 65000)))
	if report(t, r, quiet); recorded(s, "vpn-1/2") != "true 192.168.0.0/16 [65000] 2 7" {
		t.Errorf("the other tunnel is %s", recorded(s, "vpn-1/2"))
	}
	if got := recorded(s, "vpn-1/1"); got != "true 192.168.0.0/16 [65000] 2 9" {
		t.Fatalf("before its time: %s", got)
	}
	clock.Add(int64(budgetInterval))
	r.changed <- struct{}{} // Run's timer goes by the clock on the wall
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for recorded(s, "vpn-1/1") != "true 192.168.0.0/16 [65000] 2 99" {
		select {
		case <-s.Changed(s.Snapshot().Revision()):
		case <-ctx.Done():
			t.Fatalf("what was seen last is not written: %s", recorded(s, "vpn-1/1"))
		}
	}
	down := tunnel("vpn-1/1", false, 0, "gone")
	down.BGP = &nodespec.BGPStatus{}
	if report(t, r, nodespec.Observed{Tunnels: []nodespec.TunnelStatus{down}}); recorded(s, "vpn-1/1") != "false" {
		t.Errorf("a tunnel that has gone down is %s", recorded(s, "vpn-1/1"))
	}
	if n := writes(func() { report(t, r, flap(1)) }); n != 0 {
		t.Errorf("going down gave it %d more writes", n)
	}
	clock.Add(int64(budgetBurst * budgetInterval))
	report(t, r, flap(2))
	if n := len(r.budgets); recorded(s, "vpn-1/1") != "true 192.168.0.0/16 [65000] 2 2" || n != 1 {
		t.Errorf("after a rest: %s, %d budgets are remembered", recorded(s, "vpn-1/1"), n)
	}
}

// As much as customer gateways may tell fits into what an etcd takes that nobody has
// configured: 1.5 MiB and 128 operations a request.
func TestLargestReportsFitAnyEtcd(t *testing.T) {
	s := storetest.OpenCluster(t, storetest.Cluster(t))
	r := New(s, slog.New(slog.DiscardHandler))
	largest := make([]nodespec.Learned, 100)
	for i := range largest {
		largest[i] = route(fmt.Sprintf("192.168.%d.128/25", 100+i), math.MaxUint32, slices.Repeat([]uint32{math.MaxUint32}, 64)...)
	}
	const connections = 20
	seen := nodespec.Observed{}
	update(t, s, func(tx *store.Tx) {
		for i := range connections {
			id := fmt.Sprintf("vpn-%017d", i)
			store.VPNConnections.Put(tx, resource.VPNConnection{Meta: meta(id)})
			seen.Tunnels = append(seen.Tunnels, session(id+"/1", largest...), session(id+"/2", largest...))
		}
	})
	report(t, r, seen)
	total := 0
	for status := range store.TunnelStatuses.All(s.Snapshot()) {
		encoded, err := json.Marshal(status)
		if err != nil || len(encoded) > statusBytes(&status) {
			t.Fatalf("%s takes %d bytes, more than %d, %v", status.ID, len(encoded), statusBytes(&status), err)
		}
		total += len(status.Routes)
	}
	if total != 2*connections*len(largest) {
		t.Errorf("%d routes are stored, want %d", total, 2*connections*len(largest))
	}
}
