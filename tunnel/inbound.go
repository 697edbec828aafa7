package tunnel

import (
	"errors"
	"net/netip"
	"sync"
	"time"

	"causeway.dev/esp"
	"causeway.dev/ike"
	"causeway.dev/packet"
	"causeway.dev/packetio"
)

// An inboundSA is one that packets arrive by.
type inboundSA struct {
	spi    ike.SPI
	tunnel *Tunnel
	check  selectors // source in the peer's, destination in ours
	mtu    int       // inside MTU of the child, until an outbound SA is active

	// mu guards opener against being wiped in the middle of a batch; it is
	// taken once for a run of packets.
	mu     sync.Mutex
	opener Opener
	used   bool // an authentic packet has come
	seen   bool // and since the last flush
	moved  budget
}

// An inboundRun is a lane's work on one batch of a socket. Packets of one SA
// that follow each other go to their TUN together.
type inboundRun struct {
	local netip.AddrPort
	table map[ike.SPI]*inboundSA

	gatherer *packetio.Gatherer

	sa  *inboundSA // locked, if not nil
	tap Tap        // of its tunnel; nil: none

	expected *netip.AddrPort // source of its tunnel's packets; nil: any
	probing  *probing        // of its tunnel; nil: none
	packets  [][]byte
	bytes    uint64
}

// open decrypts d in place and keeps what is inside for flush.
func (r *inboundRun) open(sa *inboundSA, d packetio.Datagram) {
	if sa != r.sa {
		r.flush()
		sa.mu.Lock()
		r.sa, r.tap, r.expected, r.probing = sa, sa.tunnel.tapped(), sa.tunnel.expected.Load(), sa.tunnel.probing.Load()
	}
	if r.tap != nil {
		r.tap.Outer(false, r.local, d.Remote, r.local.Port() != 0, d.Payload)
	}
	p, drop, ok := sa.take(d)
	if !ok {
		sa.tunnel.drops.add(drop, 1)
		return
	}
	if r.expected != nil && d.Remote != *r.expected {
		sa.tellMoved(d.Remote)
	}
	if r.tap != nil {
		r.tap.Inner(false, p)
	}
	if r.probing != nil {
		if sequence, ok := r.probing.answered(p); ok {
			sa.tunnel.tellProbe(sequence)
			return
		}
	}
	r.packets = append(r.packets, p)
	r.bytes += uint64(len(p))
}

// tellMoved tells that the peer has sent from somewhere else.
func (sa *inboundSA) tellMoved(remote netip.AddrPort) {
	// An old packet that took a longer way must not move the tunnel back.
	if events := sa.tunnel.cfg.Events; events != nil && remote.Port() != 0 && sa.opener.Newest() && sa.moved.spend(time.Now(), 1, movedInterval) {
		events(InboundMoved{SPI: sa.spi, Remote: remote})
	}
}

// take returns the inner packet, ready for the TUN, or why it is dropped.
func (sa *inboundSA) take(d packetio.Datagram) (p []byte, drop Drop, ok bool) {
	payload, err := sa.opener.Open(d.Payload)
	if err != nil && !errors.Is(err, errDummy) {
		return nil, dropOf(err), false
	}
	t := sa.tunnel
	sa.seen = true // a sign of life, whatever is inside
	if !sa.used && t.cfg.Events != nil {
		t.cfg.Events(FirstInbound{SPI: sa.spi})
	}
	sa.used = true
	if err != nil {
		return nil, DropDummy, false
	}
	p, source, destination, err := parse(payload)
	if err != nil {
		return nil, DropMalformedInbound, false
	}
	// RFC 4301 section 5.2, step 4: what came must be what was agreed.
	if !sa.check.admit(source, destination) {
		return nil, DropSelectorInbound, false
	}
	if !packet.DecapsulateECN(p, d.TOS) {
		return nil, DropECN, false
	}
	mtu := t.InsideMTU()
	if mtu == 0 {
		mtu = sa.mtu
	}
	packet.ClampMSS(p, mtu)
	return p, 0, true
}

// dropOf names an Opener's error.
func dropOf(err error) Drop {
	switch {
	case errors.Is(err, esp.ErrReplay):
		return DropReplay
	case errors.Is(err, esp.ErrAuthentication):
		return DropAuthentication
	case errors.Is(err, esp.ErrClosed):
		return DropNoSA
	}
	return DropMalformedInbound
}

// flush hands the packets to their TUN and lets go of the SA.
func (r *inboundRun) flush() {
	if r.sa == nil {
		return
	}
	t := r.sa.tunnel
	if r.sa.seen {
		r.sa.seen = false
		t.lastInbound.Store(time.Now().UnixNano())
	}
	r.sa.mu.Unlock()
	r.sa = nil
	if len(r.packets) == 0 {
		return
	}
	t.inboundPackets.Add(uint64(len(r.packets)))
	t.inboundBytes.Add(r.bytes)
	if taken, err := t.cfg.Device.WriteBatch(r.gatherer, r.packets); err != nil {
		t.drops.add(DropDevice, uint64(len(r.packets)-taken))
	}
	r.packets, r.bytes = r.packets[:0], 0
}

// parse checks a packet's version and lengths and returns it without what
// follows its end, such as padding to hide its length: RFC 4303 section 2.7.
func parse(b []byte) (p []byte, source, destination netip.Addr, err error) {
	if packet.Version(b) == 6 {
		v6, err := packet.ParseIPv6(b)
		if err != nil {
			return nil, source, destination, err
		}
		return v6, v6.Source(), v6.Destination(), nil
	}
	v4, err := packet.ParseIPv4(b)
	if err != nil {
		return nil, source, destination, err
	}
	return v4, v4.Source(), v4.Destination(), nil
}

// selectors are the traffic selectors of one direction.
type selectors struct{ source, destination []netip.Prefix }

// newSelectors leaves out what admits everything.
func newSelectors(source, destination []netip.Prefix) selectors {
	return selectors{narrowing(source), narrowing(destination)}
}

// narrowing returns nil for selectors that admit both families as a whole.
func narrowing(prefixes []netip.Prefix) []netip.Prefix {
	var all4, all6 bool
	for _, p := range prefixes {
		all4 = all4 || p.Bits() == 0 && p.Addr().Is4()
		all6 = all6 || p.Bits() == 0 && p.Addr().Is6()
	}
	if all4 && all6 {
		return nil
	}
	return prefixes
}

// admit reports whether a packet is within the selectors.
func (s selectors) admit(source, destination netip.Addr) bool {
	return contains(s.source, source) && contains(s.destination, destination)
}

func contains(prefixes []netip.Prefix, a netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return len(prefixes) == 0
}
