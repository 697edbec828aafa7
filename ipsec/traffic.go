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
	// asks only silent peers whether they live. It bounds how early dead peer
	// detection can be, whose timeout is 30 s at least.
	trafficInterval = time.Second

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
			for id, l := range h.current() {
				seen := l.tunnel.Counters()
				if seen.LastInbound.After(l.told) {
					l.told = seen.LastInbound
					h.command(id, ike.TrafficSeen{At: seen.LastInbound})
				}
				h.keepAlive(now, l, seen.LastOutbound)
			}
		}
	}
}

// keepAlive keeps the mapping of a NAT on our side where packets do not: one that
// is forgotten cuts the peer off until we send again.
func (h *Host) keepAlive(now time.Time, l *life, lastOutbound time.Time) {
	h.mu.Lock()
	path, wanted, listening := l.tracker.path, l.tracker.established && l.tracker.path.BehindNAT, h.endpoints[l.config.Peer.Local]
	h.mu.Unlock()
	if !wanted || listening == nil || now.Sub(l.keptAlive) < keepAliveInterval || now.Sub(lastOutbound) < keepAliveInterval {
		return
	}
	l.keptAlive = now
	if err := listening.endpoint.SendKeepalive(path.Remote); err != nil {
		h.log.Debug("NAT keep-alive not sent", "remote", path.Remote, "err", err)
	}
}
