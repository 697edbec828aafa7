package ipsec

import (
	"context"
	"time"

	"causeway.dev/ike"
	"causeway.dev/tunnel"
)

// What the hot path sees and IKE has to know.

const (
	// trafficInterval is how often IKE is told of arriving traffic, so that it
	// asks only silent peers whether they live: less than a third of the 30 s that
	// dead peer detection takes at least, after which it asks. What it wakes up
	// for once more a second is what an idle tunnel would cost.
	trafficInterval = 4 * time.Second

	// keepAliveInterval is how long a NAT on our side sees nothing of us. RFC
	// 3948 section 4.
	keepAliveInterval = 20 * time.Second

	// reportQueue bounds what waits for IKE: one report for each rekey of a few
	// hundred tunnels in the same instant. One that does not fit is not missed
	// for ever: the peer's DELETE of the old SA says the same as a first packet,
	// and an SA ends with its lifetime, too.
	reportQueue = 1024
)

// report is what IKE is to do because of what the hot path has seen.
type report struct {
	id      ike.PeerID
	command ike.Command
}

// report is called from the hot path: it never waits.
func (h *Host) report(id ike.PeerID, event tunnel.Event) {
	r := report{id: id}
	switch e := event.(type) {
	case tunnel.FirstInbound:
		r.command = ike.InboundUsed{Inbound: e.SPI}
	case tunnel.SequenceLow:
		r.command = ike.RekeyChild{}
	case tunnel.InboundMoved:
		r.command = ike.InboundMoved{Inbound: e.SPI, Remote: e.Remote}
	case tunnel.ProbeAnswered:
		select {
		case h.answers <- probeReport{id, e.Sequence}:
		default: // it counts as lost
		}
		return
	}
	select {
	case h.reports <- r:
	default:
	}
}

func (h *Host) carryReports(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case r := <-h.reports:
			h.command(r.id, r.command)
		}
	}
}

func (h *Host) reportTraffic(ctx context.Context) error {
	tick := time.NewTicker(trafficInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case now := <-tick.C:
			for _, act := range h.lookAtTraffic(now) {
				act()
			}
		}
	}
}

// lookAtTraffic returns what has to be done about the tunnels' traffic: nothing
// for one that is idle, which costs no more than a look.
func (h *Host) lookAtTraffic(now time.Time) (acts []func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, l := range h.tunnels {
		inbound, outbound := l.tunnel.LastTraffic()
		if inbound.After(l.told) {
			l.told = inbound
			acts = append(acts, func() { h.command(id, ike.TrafficSeen{At: inbound}) })
		}
		if endpoint := h.endpoints[l.config.Peer.Local]; endpoint != nil && l.needsKeepAlive(now, outbound) {
			l.keptAlive = now
			remote := l.tracker.path.Remote
			acts = append(acts, func() {
				if err := endpoint.endpoint.SendKeepalive(remote); err != nil {
					h.log.Debug("NAT keep-alive not sent", "remote", remote, "err", err)
				}
			})
		}
	}
	return acts
}

// needsKeepAlive reports whether a NAT on our side sees so little of us that it
// may forget its mapping, which would cut the peer off until we send again. It
// is called with Host.mu held.
func (l *life) needsKeepAlive(now, lastOutbound time.Time) bool {
	return l.tracker.established && l.tracker.path.BehindNAT && now.Sub(l.keptAlive) >= keepAliveInterval && now.Sub(lastOutbound) >= keepAliveInterval
}
