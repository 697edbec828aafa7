package tunnel

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"causeway.dev/esp"
	"causeway.dev/ike"
	"causeway.dev/packet"
	"causeway.dev/packetio"
)

const udpHeaderLen = 8 // RFC 768

// outerMTUDefault is Ethernet's, as AWS assumes for its table of inside MTUs.
const outerMTUDefault = 1500

// Config describes one tunnel.
type Config struct {
	Name     string          // for logs
	Device   packetio.Device // the tunnel's TUN; the owner closes it
	Endpoint *Endpoint
	Lane     *Lane // carries from the device; default the endpoint's

	// OuterMTU is the MTU of the path to the peer in bytes; default 1500.
	// MTU, if not 0, bounds the inside MTU further than the cipher does.
	OuterMTU, MTU int

	StandardAES bool // esp.Params.StandardAES

	// Inside and Inside6 are the tunnel's own inside addresses with the length
	// of the inside range, in which the peer's lies too ("169.254.10.2/30").
	// ICMP errors are sent from the peer's: a network stack takes a packet
	// that arrives from one of its own addresses for a forgery. Without a
	// range, those of that family come from where the packet should have gone.
	Inside, Inside6 netip.Prefix

	// Events, if set, is called from the hot path: it must not block, and
	// must not call back into the tunnel.
	Events func(Event)

	Logger *slog.Logger // default: discards
}

// An Event tells the owner what the tunnel has seen.
type Event interface{ event() }

// FirstInbound: the first authenticated packet has arrived on an inbound SA.
type FirstInbound struct{ SPI ike.SPI }

// SequenceLow: most sequence numbers of an outbound SA are used; it needs a
// successor. RFC 4303 section 3.3.3.
type SequenceLow struct{ SPI ike.SPI }

// InboundMoved: the newest authenticated packet of an inbound SA came in UDP from
// another source than the tunnel's path has. It is told at most once a second
// for an SA. RFC 7296 section 2.23.
type InboundMoved struct {
	SPI    ike.SPI
	Remote netip.AddrPort
}

func (FirstInbound) event() {}
func (SequenceLow) event()  {}
func (InboundMoved) event() {}

// movedInterval is how often InboundMoved is told of one SA.
const movedInterval = time.Second

// sequenceLow leaves a quarter of the numbers for the rekey, extendedLow a quarter of
// the extended ones.
const (
	sequenceLow = 3 << 30
	extendedLow = sequenceLow << 32
)

// A Tunnel carries the packets of one TUN in ESP. Its methods are safe for
// concurrent use.
type Tunnel struct {
	cfg          Config
	lane         *Lane
	icmp         budget     // owned by the lane
	icmp4, icmp6 netip.Addr // sources of ICMP errors

	route    atomic.Pointer[route]          // of the lane; nil: nothing leaves
	expected atomic.Pointer[netip.AddrPort] // source of what arrives in UDP; nil: any

	inboundPackets, inboundBytes   atomic.Uint64
	outboundPackets, outboundBytes atomic.Uint64
	lastInbound, lastOutbound      atomic.Int64 // Unix time in nanoseconds, 0: never
	drops                          dropCounters
	tap                            atomic.Pointer[Tap]
	probing                        atomic.Pointer[probing] // nil: nothing is being measured

	mu       sync.Mutex
	pairs    []*pair  // guarded by mu
	path     ike.Path // of the pair installed last, or as it was changed; guarded by mu
	measured int      // bytes of a datagram that the path carries; 0: not less than Config.OuterMTU; guarded by mu
	isClosed bool     // guarded by mu
}

// A pair is both SAs of one child.
type pair struct {
	inbound  *inboundSA
	outbound *outboundSA
}

// New returns a tunnel without SAs: it drops all packets until InstallChild
// and ActivateChild.
func New(cfg Config) (*Tunnel, error) {
	if cfg.Device == nil || cfg.Endpoint == nil {
		return nil, fmt.Errorf("make tunnel %q: it needs a device and an endpoint", cfg.Name)
	}
	if cfg.OuterMTU == 0 {
		cfg.OuterMTU = outerMTUDefault
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	cfg.Logger = cfg.Logger.With("tunnel", cfg.Name)
	lane := cmp.Or(cfg.Lane, cfg.Endpoint.cfg.Lane)
	lane.assign(1)
	return &Tunnel{cfg: cfg, lane: lane, icmp4: PeerInside(cfg.Inside), icmp6: PeerInside(cfg.Inside6)}, nil
}

// PeerInside is the other end's address of an inside range: the usable
// neighbour of ours.
func PeerInside(inside netip.Prefix) netip.Addr {
	for _, a := range []netip.Addr{inside.Addr().Next(), inside.Addr().Prev()} {
		if usable(inside, a) {
			return a
		}
	}
	return netip.Addr{}
}

// usable leaves out the range's own address and its broadcast address. A range
// of two has neither: RFC 3021, RFC 6164.
func usable(inside netip.Prefix, a netip.Addr) bool {
	switch {
	case !inside.Contains(a):
		return false
	case inside.Bits() == a.BitLen()-1:
		return true
	}
	return a != inside.Masked().Addr() && (a.Is6() || inside.Contains(a.Next()))
}

// InstallChild takes a new pair of SAs: inbound is live when it returns,
// outbound waits for ActivateChild. An inbound SPI that another pair of the
// endpoint has is an error. Outbound SPIs are the peer's choice: one that has
// restarted may begin with those that it had before.
func (t *Tunnel) InstallChild(child ike.ChildSA) error {
	sealer, err := esp.NewSealer(esp.Params{
		SPI: child.Outbound, Encryption: child.Proposal.Encryption, Integrity: child.Proposal.Integrity, ExtendedSequence: child.Proposal.ExtendedSequence,
		Key: child.OutboundKey, IntegrityKey: child.OutboundIntegrityKey, StandardAES: t.cfg.StandardAES,
	})
	if err != nil {
		return fmt.Errorf("install outbound SA %08x: %w", uint32(child.Outbound), err)
	}
	opener, err := esp.NewOpener(esp.Params{
		SPI: child.Inbound, Encryption: child.Proposal.Encryption, Integrity: child.Proposal.Integrity, ExtendedSequence: child.Proposal.ExtendedSequence,
		Key: child.InboundKey, IntegrityKey: child.InboundIntegrityKey, StandardAES: t.cfg.StandardAES, ReplayWindow: child.ReplayWindow,
	})
	if err != nil {
		return fmt.Errorf("install inbound SA %08x: %w", uint32(child.Inbound), err)
	}
	return t.install(&pair{
		inbound:  &inboundSA{spi: child.Inbound, check: newSelectors(child.RemoteSelectors, child.LocalSelectors), opener: espOpener{opener}},
		outbound: &outboundSA{spi: child.Outbound, low: lowFor(child.Proposal.ExtendedSequence), check: newSelectors(child.LocalSelectors, child.RemoteSelectors), sealer: espSealer{sealer}},
	}, child.Path)
}

// lowFor is when SequenceLow is told of an SA.
func lowFor(extended bool) uint64 {
	if extended {
		return extendedLow
	}
	return sequenceLow
}

// install makes p's inbound half live.
func (t *Tunnel) install(p *pair, path ike.Path) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.isClosed {
		return errors.New("install child SA: tunnel is closed")
	}
	p.inbound.tunnel, p.inbound.mtu = t, t.insideMTU(p.outbound.sealer, path)
	if err := t.cfg.Endpoint.install(p.inbound); err != nil {
		return err
	}
	t.pairs = append(t.pairs, p)
	t.setPath(path)
	if active := t.route.Load(); active != nil {
		// The pair in use follows, should the path be another than before.
		t.route.Store(t.newRoute(active.sa))
	}
	t.cfg.Logger.Debug("child SA installed", "spi_in", uint32(p.inbound.spi), "spi_out", uint32(p.outbound.spi), "peer", path.Remote)
	return nil
}

// ActivateChild makes outbound the SA by which packets leave from now on: the
// newest of that SPI. It is an error if no such SA is installed.
func (t *Tunnel) ActivateChild(outbound ike.SPI) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.find(outbound)
	if p == nil {
		return fmt.Errorf("activate outbound SA %08x: it is not installed", uint32(outbound))
	}
	t.route.Store(t.newRoute(p.outbound))
	t.cfg.Logger.Debug("child SA activated", "spi_out", uint32(outbound))
	return nil
}

// RemoveChild ends both SAs of a pair and wipes their keys. Removing what is
// not installed does nothing. If packets left by it, none leave until another
// pair is activated.
func (t *Tunnel) RemoveChild(inbound, outbound ike.SPI) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, p := range t.pairs {
		if p.inbound.spi == inbound && p.outbound.spi == outbound {
			t.pairs = append(t.pairs[:i:i], t.pairs[i+1:]...)
			t.end(p)
			t.cfg.Logger.Debug("child SA removed", "spi_in", uint32(inbound), "spi_out", uint32(outbound))
			return
		}
	}
}

// end is called with mu held.
func (t *Tunnel) end(p *pair) {
	if active := t.route.Load(); active != nil && active.sa == p.outbound {
		t.route.Store(nil)
	}
	t.cfg.Endpoint.remove(p.inbound.spi)
	// The loops may be in the middle of a batch: they hold the lock until
	// they are through, and find the SA closed after that.
	p.outbound.mu.Lock()
	p.outbound.sealer.Close()
	p.outbound.mu.Unlock()
	p.inbound.mu.Lock()
	p.inbound.opener.Close()
	p.inbound.mu.Unlock()
}

// ChangePath sends the packets of all SAs along path from now on.
func (t *Tunnel) ChangePath(path ike.Path) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.setPath(path)
	if active := t.route.Load(); active != nil {
		t.route.Store(t.newRoute(active.sa))
	}
	t.cfg.Logger.Debug("path changed", "peer", path.Remote, "udp", path.UDP)
}

// setPath is called with mu held.
func (t *Tunnel) setPath(path ike.Path) {
	t.path = path
	t.expected.Store(nil)
	if path.UDP {
		t.expected.Store(&path.Remote)
	}
}

// find is called with mu held.
func (t *Tunnel) find(outbound ike.SPI) *pair {
	for _, p := range slices.Backward(t.pairs) {
		if p.outbound.spi == outbound {
			return p
		}
	}
	return nil
}

// newRoute is called with mu held.
func (t *Tunnel) newRoute(sa *outboundSA) *route {
	r := &route{sa: sa, socket: t.cfg.Endpoint.sockets.ESP, remote: netip.AddrPortFrom(t.path.Remote.Addr(), 0)}
	if t.path.UDP {
		r.socket, r.remote = t.cfg.Endpoint.sockets.NATT, t.path.Remote
	}
	r.insideMTU = t.insideMTU(sa.sealer, t.path)
	return r
}

// insideMTU is what a packet of the path's MTU has room for:
//
//	[ IP 20 or 40 | UDP 0 or 8 | what the sealer makes of an inner packet ]
//
// It is called with mu held.
func (t *Tunnel) insideMTU(sealer Sealer, path ike.Path) int {
	return t.inside(sealer, path, cmp.Or(t.measured, t.cfg.OuterMTU))
}

func (t *Tunnel) inside(sealer Sealer, path ike.Path, outer int) int {
	room := outer - packet.IPv4HeaderLen
	if path.Remote.Addr().Unmap().Is6() {
		room = outer - packet.IPv6HeaderLen
	}
	if path.UDP {
		room -= udpHeaderLen
	}
	mtu := sealer.Inside(room)
	if t.cfg.MTU > 0 {
		mtu = min(mtu, t.cfg.MTU)
	}
	return mtu
}

// InsideMTU is the largest inner packet in bytes that the outbound SA takes
// without fragmentation; without an SA, 0.
func (t *Tunnel) InsideMTU() int {
	if r := t.route.Load(); r != nil {
		return r.insideMTU
	}
	return 0
}

// Close removes all SAs and wipes their keys. The owner ends Run and closes
// the TUN.
func (t *Tunnel) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.isClosed {
		return
	}
	t.isClosed = true
	t.lane.assign(-1)
	for _, p := range t.pairs {
		t.end(p)
	}
	t.pairs = nil
}
