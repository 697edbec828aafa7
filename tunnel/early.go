package tunnel

import (
	"bytes"
	"net/netip"
	"sync"
	"time"

	"causeway.dev/ike"
	"causeway.dev/packetio"
)

// A peer may send by a new pair as soon as it has answered, and IKE needs a moment to
// read that answer here: the first packets can come before their SA does. They are
// kept for that moment. Anybody can send such packets, so those that are kept are
// few, and cost a copy at most.
const (
	earlyMax      = 16                     // that an endpoint keeps; the oldest makes room
	earlyTime     = 200 * time.Millisecond // that they are kept for
	earlyBurst    = 32                     // copied at once
	earlyInterval = 10 * time.Millisecond  // and one more in each
)

// An earlyPacket is one that has come before its SA.
type earlyPacket struct {
	spi      ike.SPI
	at       time.Time
	local    netip.AddrPort
	datagram packetio.Datagram
}

// earlyPackets are those of an endpoint, the oldest first.
type earlyPackets struct {
	mu   sync.Mutex
	kept []earlyPacket // guarded by mu
}

func (e *earlyPackets) keep(now time.Time, local netip.AddrPort, spi ike.SPI, d packetio.Datagram) {
	d.Payload = bytes.Clone(d.Payload)
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.kept) == earlyMax {
		copy(e.kept, e.kept[1:])
		e.kept = e.kept[:earlyMax-1]
	}
	e.kept = append(e.kept, earlyPacket{spi, now, local, d})
}

// take removes the packets of an SPI, and what nobody has taken in time.
func (e *earlyPackets) take(now time.Time, spi ike.SPI) (taken []earlyPacket) {
	e.mu.Lock()
	defer e.mu.Unlock()
	rest := e.kept[:0]
	for _, p := range e.kept {
		switch {
		case now.Sub(p.at) > earlyTime:
		case p.spi == spi:
			taken = append(taken, p)
		default:
			rest = append(rest, p)
		}
	}
	clear(e.kept[len(rest):])
	e.kept = rest
	return taken
}

// deliver carries what has come before sa, as the lane.
func (e *Endpoint) deliver(sa *inboundSA, packets []earlyPacket) {
	e.inboundMu.RLock()
	defer e.inboundMu.RUnlock()
	if e.inbound[sa.spi] != sa {
		return // it has ended since
	}
	e.early.Add(uint64(len(packets))) // first: whoever sees one arrive sees it counted
	r := &e.cfg.Lane.inbound
	for _, p := range packets {
		r.local, r.table = p.local, e.inbound
		r.open(sa, p.datagram)
	}
	r.flush()
}
