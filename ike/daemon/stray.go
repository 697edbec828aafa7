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
}

// StrayESP is IKEv2's: IKEv1 has no words for it that a peer would take from a
// stranger.
func (e *engines) StrayESP(now time.Time, local, remote netip.AddrPort, spi ike.SPI) {
	e.v2.StrayESP(now, local, remote, spi)
}
