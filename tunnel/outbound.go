package tunnel

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"causeway.dev/esp"
	"causeway.dev/ike"
	"causeway.dev/packet"
	"causeway.dev/packetio"
)

// An outboundSA is one that packets leave by.
type outboundSA struct {
	spi   ike.SPI
	low   uint64    // the number at which SequenceLow is told
	check selectors // source in ours, destination in the peer's

	// mu guards sealer against being wiped in the middle of a batch, for
	// which it is taken once.
	mu     sync.Mutex
	sealer Sealer
}

// A route is what a lane needs to know to send; it is replaced as a whole.
type route struct {
	sa        *outboundSA
	socket    packetio.Socket
	remote    netip.AddrPort
	insideMTU int
}

// An outboundRun is a lane's work on what TUNs have. It seals one tunnel's packets
// after the other's and sends them together: few packets of each of many tunnels
// cost no more than many of one.
type outboundRun struct {
	sender    *packetio.Sender
	gatherer  *packetio.Gatherer
	batch     *packetio.Batch
	fragments *packetio.Batch

	// datagrams are sealed and not yet sent; shares are whose they are, in
	// order.
	datagrams []packetio.Datagram
	shares    []share

	// Of the tunnel whose turn it is.
	tunnel  *Tunnel
	route   *route
	tap     Tap // nil: none
	bytes   uint64
	packets uint64
	errors  [][]byte // ICMP errors for the TUN
}

// A share are the datagrams of one tunnel, up to end, that leave by one socket.
type share struct {
	tunnel *Tunnel
	socket packetio.Socket
	end    int
}

// Run lets a lane carry packets from the TUN to the peer until ctx ends or the
// TUN fails. It may be called again, but not twice at once; the owner ends it
// before it closes the TUN.
func (t *Tunnel) Run(ctx context.Context) error {
	return t.lane.carry(ctx, &source{Source: t.cfg.Device, sends: true, turn: t.turn})
}

// turn seals what the TUN has now, a turn's worth, and then whatever of its last
// super-packet had no room there. What is sealed leaves with other tunnels' at the
// end of the lane's round, or before, when the batch is full.
func (t *Tunnel) turn() error {
	r := &t.lane.outbound
	for {
		if err := t.cfg.Device.ReadBatch(r.batch); err != nil {
			return err
		}
		r.carry(t, r.batch.Turn())
		more := r.batch.More()
		if more || r.batch.Full() {
			r.flush()
		}
		if !more {
			return nil
		}
	}
}

// carry seals a turn's packets.
func (r *outboundRun) carry(t *Tunnel, packets []packetio.Packet) {
	r.tunnel, r.tap = t, t.tapped()
	if r.route = t.route.Load(); r.route == nil {
		t.drops.add(DropNoSA, uint64(len(packets)))
		return
	}
	sa := r.route.sa
	sa.mu.Lock()
	for _, p := range packets {
		r.take(p)
	}
	sa.mu.Unlock()
	r.endShare()
	r.sendErrors()
}

// take checks one packet and seals it, whole or in fragments.
func (r *outboundRun) take(slot packetio.Packet) {
	t := r.tunnel
	p, source, destination, err := parse(slot.Bytes())
	if err != nil {
		t.drops.add(DropMalformedOutbound, 1)
		return
	}
	if !r.route.sa.check.admit(source, destination) {
		t.drops.add(DropSelectorOutbound, 1)
		return
	}
	slot.Length = len(p)
	packet.ClampMSS(p, r.route.insideMTU)
	switch {
	case len(p) <= r.route.insideMTU:
		r.seal(slot)
	case packet.Version(p) == 4 && !packet.IPv4(p).DontFragment():
		r.fragment(p)
	default:
		t.drops.add(DropTooBig, 1)
		r.reject(p)
	}
}

// fragment seals p in fragments: before encryption, so that the peer's ESP has
// nothing to put together. RFC 4303 section 3.3.4, RFC 4301 section 7.
func (r *outboundRun) fragment(p packet.IPv4) {
	for offset := 0; ; {
		dst := r.fragments.Append(r.route.insideMTU)
		if dst == nil {
			// What lies in the fragments' batch must leave before it is used again.
			r.route.sa.mu.Unlock()
			r.endShare()
			r.send()
			r.route.sa.mu.Lock()
			dst = r.fragments.Append(r.route.insideMTU)
		}
		n, next := packet.FragmentIPv4(dst, p, r.route.insideMTU, offset)
		if n == 0 {
			r.tunnel.drops.add(DropTooBig, 1)
			return
		}
		slot := r.fragments.Packets[len(r.fragments.Packets)-1]
		slot.Length = n
		r.seal(slot)
		if offset = next; next == 0 {
			return
		}
	}
}

// seal makes slot's packet an ESP packet in place.
func (r *outboundRun) seal(slot packetio.Packet) {
	p := slot.Bytes()
	// RFC 6040 section 4.1, normal mode: the outer ECN is the inner one's, and
	// so is the DSCP: RFC 4301 section 5.1.2.1.
	tos := packet.TOS(p)
	if r.tap != nil {
		r.tap.Inner(true, p)
	}
	sealed, err := r.route.sa.sealer.Seal(slot.Slot, slot.Offset, slot.Length)
	switch {
	case errors.Is(err, esp.ErrSequenceExhausted):
		r.tunnel.drops.add(DropSequenceExhausted, 1)
	case err != nil: // wiped meanwhile
		r.tunnel.drops.add(DropNoSA, 1)
	default:
		if r.route.sa.sealer.Sequence() == r.route.sa.low && r.tunnel.cfg.Events != nil {
			r.tunnel.cfg.Events(SequenceLow{SPI: r.route.sa.spi})
		}
		r.packets++
		r.bytes += uint64(slot.Length)
		d := packetio.Datagram{Remote: r.route.remote, TOS: tos, Payload: sealed}
		r.datagrams = append(r.datagrams, d)
		if r.tap != nil {
			r.tapOutbound(d)
		}
	}
}

// endShare counts what has been sealed for the tunnel, and what is still to be
// sent of it.
func (r *outboundRun) endShare() {
	if r.packets == 0 {
		return
	}
	r.tunnel.outboundPackets.Add(r.packets)
	r.tunnel.outboundBytes.Add(r.bytes)
	r.shares = append(r.shares, share{r.tunnel, r.route.socket, len(r.datagrams)})
	r.packets, r.bytes = 0, 0
}

// flush sends what is sealed and empties the batch.
func (r *outboundRun) flush() {
	r.send()
	r.batch.Reset()
}

// send hands what is sealed to the sockets, one call for all tunnels whose turns
// followed each other and who have one socket.
func (r *outboundRun) send() {
	now := time.Now().UnixNano()
	for begin, first := 0, 0; first < len(r.shares); {
		last := first
		for last+1 < len(r.shares) && r.shares[last+1].socket == r.shares[first].socket {
			last++
		}
		end := r.shares[last].end
		_, err := r.shares[first].socket.WriteBatch(r.sender, r.datagrams[begin:end])
		for _, s := range r.shares[first : last+1] {
			s.account(r.datagrams[begin:s.end], err, now)
			begin = s.end
		}
		first = last + 1
	}
	clear(r.shares) // a tunnel that is gone is not kept
	r.shares, r.datagrams = r.shares[:0], r.datagrams[:0]
	r.fragments.Reset()
}

// account counts those of a share's datagrams that were not sent, if err says that
// there are such.
func (s share) account(datagrams []packetio.Datagram, err error, now int64) {
	refused := 0
	if err != nil {
		for _, d := range datagrams {
			if d.Payload == nil {
				refused++
			}
		}
		s.tunnel.drops.add(DropSend, uint64(refused))
	}
	if refused < len(datagrams) {
		s.tunnel.lastOutbound.Store(now)
	}
}

// ICMP errors of a tunnel are bounded: RFC 1812 section 4.3.2.8. A sender needs
// one for each path it learns.
const (
	icmpBurst    = 50
	icmpInterval = 2 * time.Millisecond
)

// A budget bounds how often something is done: burst times at once, and then
// once an interval.
type budget struct {
	tokens  int
	accrued time.Time
}

func (b *budget) spend(now time.Time, burst int, interval time.Duration) bool {
	if accrued := int(now.Sub(b.accrued) / interval); accrued > 0 {
		b.tokens = min(b.tokens+accrued, burst)
		b.accrued = now
	}
	if b.tokens == 0 {
		return false
	}
	b.tokens--
	return true
}

// reject tells p's sender which size fits: RFC 4301 section 8.2.1.
func (r *outboundRun) reject(p []byte) {
	if !r.tunnel.icmp.spend(time.Now(), icmpBurst, icmpInterval) {
		return
	}
	buf := make([]byte, 0, packet.ICMPErrorMax)
	var ok bool
	if packet.Version(p) == 6 {
		buf, ok = packet.AppendPacketTooBig(buf, orElse(r.tunnel.icmp6, packet.IPv6(p).Destination()), packet.IPv6(p), r.route.insideMTU)
	} else {
		buf, ok = packet.AppendFragmentationNeeded(buf, orElse(r.tunnel.icmp4, packet.IPv4(p).Destination()), packet.IPv4(p), r.route.insideMTU)
	}
	if ok {
		r.errors = append(r.errors, buf)
	}
}

// orElse is a, unless it is invalid.
func orElse(a, fallback netip.Addr) netip.Addr {
	if a.IsValid() {
		return a
	}
	return fallback
}

func (r *outboundRun) sendErrors() {
	if len(r.errors) == 0 {
		return
	}
	t := r.tunnel
	if taken, err := t.cfg.Device.WriteBatch(r.gatherer, r.errors); err != nil {
		t.drops.add(DropDevice, uint64(len(r.errors)-taken))
	}
	r.errors = r.errors[:0]
}
