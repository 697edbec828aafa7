package daemon

import (
	"net/netip"
	"time"

	"causeway.dev/ike"
)

// strayQueueLength bounds what waits for the loop: the engine tells each peer once
// in seconds anyway.
const strayQueueLength = 64

// A stray is ESP that no SA is there for.
type stray struct {
	local, remote netip.AddrPort
	spi           ike.SPI
}

// StrayESP reports ESP that came to local from remote with an SPI that nobody has,
// so that a peer of ours that uses an SA which we have lost hears of it. Ports of
// zero stand for IP protocol 50. It never blocks; what comes too fast is forgotten.
func (d *Daemon) StrayESP(local, remote netip.AddrPort, spi ike.SPI) {
	select {
	case d.strays <- stray{local, remote, spi}:
	default:
	}
}

func (d *Daemon) strayed(now time.Time, s stray) {
	if seen := d.arrivals.of(s.local.Addr(), s.remote.Addr()); seen != nil {
		seen.strays.add(now)
	}
	d.gate.StrayESP(now, s.local, s.remote, s.spi)
	d.carryOut(now)
	for _, p := range d.gate.pairs[pair{s.local.Addr(), s.remote.Addr()}] {
		d.regain(now, d.peers[p.config.ID])
	}
}

// regainPause is how often stray ESP leads to an attempt: anybody may have sent it.
const regainPause = retryMax

// regain begins IKE with a peer that goes on by an SA which we have lost, as after a
// crash of ours: many peers, strongSwan among them, do not act on what nothing
// protects, and would find out by their own dead peer detection only. A peer hears of
// us where our side is to start the tunnel, or to bring it back when it is lost. In
// the second case packets that are late after an orderly end must not do so: only
// before the peer has had an SA with this process.
func (d *Daemon) regain(now time.Time, p *peer) {
	if p == nil || p.retry.suspended || now.Sub(p.regained) < regainPause {
		return
	}
	if !p.config.Start && (p.met || p.config.DPDAction != ike.DPDRestart) {
		return
	}
	if s := d.gate.Status(p.config.ID); s.Established || s.Connecting {
		return
	}
	p.regained = now
	d.initiate(now, p)
}

// StrayESP is IKEv2's: IKEv1 has no words for it that a peer would take from a
// stranger.
func (e *engines) StrayESP(now time.Time, local, remote netip.AddrPort, spi ike.SPI) {
	e.v2.StrayESP(now, local, remote, spi)
}
