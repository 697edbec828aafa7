package main

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"causeway.dev/ipsec"
)

// A report is one line of what a gateway tells with -report.
type report struct {
	Event   string  `json:"event"`   // "configured", "up" when all are for the first time, then "standing"
	Seconds float64 `json:"seconds"` // since the negotiations were begun, or could have been
	Up      int     `json:"up"`
	Downs   int     `json:"downs"` // how often a tunnel has gone down
	IKE     int64   `json:"ike"`   // IKE SAs made, rekeyed ones included
	Child   int64   `json:"child"` // child SAs made
}

// A reporter counts what the tunnels' logs tell.
type reporter struct{ ike, child atomic.Int64 }

func (r *reporter) count(e ipsec.LogEntry) {
	switch {
	case strings.HasPrefix(e.Details, "IKE_SA with"):
		r.ike.Add(1)
	case strings.HasPrefix(e.Details, "CHILD_SA") && strings.Contains(e.Details, " negotiated: "):
		r.child.Add(1)
	}
}

// setupPeriod is how finely the side that begins tells the time in which all tunnels
// come up: looking costs, too.
const setupPeriod = 50 * time.Millisecond

// runReporting configures the tunnels without a word to the peers, then begins with
// all at once if this side is to, and tells how it goes until ctx ends.
func (g gateway) runReporting(ctx context.Context, host *ipsec.Host, tunnels []ipsec.Tunnel, told *reporter) error {
	silent := make([]ipsec.Tunnel, len(tunnels))
	for i, t := range tunnels {
		t.Peer.Start = false
		silent[i] = t
	}
	if err := host.Set(silent); err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(report{Event: "configured"}); err != nil {
		return err
	}
	if g.start {
		// The owner looks at memory and processor time first.
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(2 * time.Second):
		}
	}
	begun := time.Now()
	if err := host.Set(tunnels); err != nil {
		return err
	}
	now := report{Event: "setup"}
	wasUp := make(map[string]time.Time, len(tunnels)) // since when
	period := g.report
	if g.start {
		period = setupPeriod
	}
	for {
		now.Up = 0
		for _, s := range host.Status() {
			before, known := wasUp[string(s.ID)]
			if known && (!s.Up || !s.Since.Equal(before)) {
				now.Downs++
				delete(wasUp, string(s.ID))
			}
			if s.Up {
				now.Up++
				wasUp[string(s.ID)] = s.Since
			}
		}
		now.Seconds, now.IKE, now.Child = time.Since(begun).Seconds(), told.ike.Load(), told.child.Load()
		if now.Event == "up" {
			now.Event, period = "standing", g.report
		}
		if now.Event == "setup" && now.Up == len(tunnels) {
			now.Event = "up"
		}
		if now.Event != "setup" {
			if err := out.Encode(now); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(period):
		}
	}
}
