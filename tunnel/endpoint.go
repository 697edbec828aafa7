// Package tunnel is the hot path: it carries packets from a TUN through ESP to
// a socket and back, in batches and to completion, without a queue, a lock or
// an allocation per packet.
//
//	TUN ─ ReadBatch ─▶ check, fragment, seal ─▶ WriteBatch ─ socket      outbound.go
//	TUN ◀ WriteBatch ─ check, open, find SA  ◀─ ReadBatch  ─ socket      inbound.go
//
// A Lane is the goroutine that does both, for many tunnels.
package tunnel

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"causeway.dev/esp"
	"causeway.dev/ike"
	"causeway.dev/packetio"
)

// The ports of IKE, and of IKE and ESP together where there is a NAT. RFC 7296
// section 2, RFC 3948.
const (
	PortIKE  = 500
	PortNATT = 4500
)

const (
	// nonESPMarkerLen zeros tell IKE from ESP on port 4500: RFC 3948 section 2.2.
	nonESPMarkerLen = 4
	// ikeHeaderLen with its length in the last four bytes: RFC 7296 section 3.1.
	ikeHeaderLen    = 28
	ikeHeaderLength = 24
	// keepalive is the one byte of a NAT keep-alive: RFC 3948 section 2.3.
	keepalive = 0xff
)

// Calls of UnknownSPI are bounded, for anybody can cause them.
const (
	straysBurst    = 10
	straysInterval = 100 * time.Millisecond

	// strayLengthMin leaves out what is shorter than the notification that would
	// answer it, in UDP: nothing sealed with an IP packet inside is.
	strayLengthMin = 48
)

// EndpointConfig describes one outside address of ours.
type EndpointConfig struct {
	Local netip.Addr // to be bound; an IPv4 or IPv6 unicast address of this namespace

	// Lane receives for the endpoint, and sends for its tunnels unless they
	// have one of their own.
	Lane *Lane

	// IKE is called for each IKE datagram: of port 500, or of port 4500 with
	// the non-ESP marker removed. It is called by the lane, while it holds up
	// all others: it must not block, and must copy what it keeps.
	// The datagram has a header's length and a plausible length field; no
	// more is known of it.
	IKE func(local, remote netip.AddrPort, datagram []byte)

	// UnknownSPI, if set, is called for ESP of 48 octets and more that no SA of
	// ours is for, a few times a second at most; the sender is as it says, nothing is proved. The
	// port of local is 0 for IP protocol 50. It must not block.
	UnknownSPI func(local, remote netip.AddrPort, spi ike.SPI)

	// Offloads that the sockets are to use.
	Offloads packetio.Offloads

	// SegmentationOff, if set, is called when the kernel has refused to segment
	// what local sends, which goes packet by packet from now on. It must not
	// block.
	SegmentationOff func(local netip.AddrPort, err error)
}

// EndpointCounters are what an Endpoint has seen that no tunnel can claim.
type EndpointCounters struct {
	IKEDatagrams uint64 // handed to EndpointConfig.IKE
	Keepalives   uint64 // NAT keep-alives received
	Early        uint64 // carried after all of what Drops has as DropUnknownSPI: their SA came right after
	Drops        Drops
}

// Sockets are what an Endpoint receives on and sends by.
type Sockets struct {
	IKE  packetio.Socket // UDP port 500
	NATT packetio.Socket // UDP port 4500
	ESP  packetio.Socket // IP protocol 50
}

// An Endpoint is one of our outside addresses: UDP ports 500 and 4500 and IP
// protocol 50, shared by all tunnels that use it.
type Endpoint struct {
	cfg     EndpointConfig
	sockets Sockets

	// inbound finds the SA of an ESP packet. The lane holds inboundMu for a
	// batch at a time.
	inboundMu sync.RWMutex
	inbound   map[ike.SPI]*inboundSA // guarded by inboundMu

	strays, earlies budget // owned by the lane
	earlyPackets    earlyPackets

	ikeDatagrams, keepalives, early atomic.Uint64
	drops                           dropCounters

	// What IKE has to say is sent by its own goroutine.
	sendMu sync.Mutex
	sender *packetio.Sender // guarded by sendMu

	closed atomic.Bool
}

// Listen binds the address in the network namespace of the calling thread.
func Listen(cfg EndpointConfig) (*Endpoint, error) {
	var s Sockets
	err := func() (err error) {
		if s.IKE, err = listenUDP(cfg, PortIKE); err != nil {
			return err
		}
		if s.NATT, err = listenUDP(cfg, PortNATT); err != nil {
			return err
		}
		s.ESP, err = packetio.ListenESP(cfg.Local)
		return err
	}()
	if err != nil {
		for _, socket := range []packetio.Socket{s.IKE, s.NATT} {
			if socket != nil {
				socket.Close()
			}
		}
		return nil, err
	}
	return NewEndpoint(cfg, s), nil
}

// listenUDP keeps a nil *KernelSocket from becoming a Socket that is not nil.
func listenUDP(cfg EndpointConfig, port uint16) (packetio.Socket, error) {
	s, err := packetio.ListenUDP(netip.AddrPortFrom(cfg.Local, port), cfg.Offloads)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// NewEndpoint returns an Endpoint over sockets that are already there; it
// closes them when it is closed.
func NewEndpoint(cfg EndpointConfig, s Sockets) *Endpoint {
	cfg.Lane.assign(1)
	for _, socket := range []packetio.Socket{s.IKE, s.NATT} {
		if k, ok := socket.(interface{ OnSegmentationOff(func(error)) }); ok && cfg.SegmentationOff != nil {
			k.OnSegmentationOff(func(err error) { cfg.SegmentationOff(socket.Local(), err) })
		}
	}
	return &Endpoint{cfg: cfg, sockets: s, inbound: map[ike.SPI]*inboundSA{}, sender: packetio.NewSender(1)}
}

func (e *Endpoint) all() []packetio.Socket {
	return []packetio.Socket{e.sockets.IKE, e.sockets.NATT, e.sockets.ESP}
}

// SendIKE sends one IKE datagram from local, one of the endpoint's own, to
// remote, with the non-ESP marker before it if local's port is 4500.
func (e *Endpoint) SendIKE(local, remote netip.AddrPort, datagram []byte) error {
	socket := e.sockets.IKE
	switch local.Port() {
	case PortIKE:
	case PortNATT:
		socket = e.sockets.NATT
		datagram = append(make([]byte, nonESPMarkerLen, nonESPMarkerLen+len(datagram)), datagram...)
	default:
		return fmt.Errorf("send IKE from %v: port is neither %d nor %d", local, PortIKE, PortNATT)
	}
	return e.send(socket, remote, datagram)
}

func (e *Endpoint) send(socket packetio.Socket, remote netip.AddrPort, payload []byte) error {
	e.sendMu.Lock()
	defer e.sendMu.Unlock()
	_, err := socket.WriteBatch(e.sender, []packetio.Datagram{{Remote: remote, Payload: payload}})
	return err
}

// SendKeepalive sends a NAT keep-alive, so that a NAT on our side keeps its
// mapping. RFC 3948 section 2.3.
func (e *Endpoint) SendKeepalive(remote netip.AddrPort) error {
	return e.send(e.sockets.NATT, remote, []byte{keepalive})
}

// Run lets the lane receive until ctx ends or a socket fails. The sockets stay
// open: what is to be said to peers at the end can still be sent.
func (e *Endpoint) Run(ctx context.Context) error {
	err := e.cfg.Lane.carry(ctx,
		e.source(e.sockets.IKE, e.takeIKE),
		e.source(e.sockets.NATT, e.takeNATT),
		e.source(e.sockets.ESP, e.takeESP))
	if ctx.Err() != nil || errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}

// source is a socket whose datagrams take gets.
func (e *Endpoint) source(socket packetio.Socket, take func(*inboundRun, packetio.Datagram)) *source {
	local, received, r := socket.Local(), e.cfg.Lane.received, &e.cfg.Lane.inbound
	return &source{Source: socket, turn: func() error {
		if err := socket.ReadBatch(received); err != nil {
			return err
		}
		e.inboundMu.RLock()
		defer e.inboundMu.RUnlock()
		r.local, r.table = local, e.inbound
		for _, d := range received.Datagrams {
			take(r, d)
		}
		r.flush()
		return nil
	}}
}

func (e *Endpoint) takeIKE(r *inboundRun, d packetio.Datagram) {
	e.handIKE(r, d.Remote, d.Payload)
}

func (e *Endpoint) takeNATT(r *inboundRun, d packetio.Datagram) {
	p := d.Payload
	switch {
	case len(p) == 1 && p[0] == keepalive:
		e.keepalives.Add(1)
	case len(p) >= nonESPMarkerLen && binary.BigEndian.Uint32(p) == 0:
		e.handIKE(r, d.Remote, p[nonESPMarkerLen:])
	default:
		e.takeESP(r, d)
	}
}

// handIKE leaves out early what cannot be IKE, so that a flood of junk costs
// the owner nothing.
func (e *Endpoint) handIKE(r *inboundRun, remote netip.AddrPort, p []byte) {
	if len(p) < ikeHeaderLen {
		e.drops.add(DropMalformedIKE, 1)
		return
	}
	if length := binary.BigEndian.Uint32(p[ikeHeaderLength:]); length < ikeHeaderLen || uint64(length) > uint64(len(p)) {
		e.drops.add(DropMalformedIKE, 1)
		return
	}
	e.ikeDatagrams.Add(1)
	if e.cfg.IKE != nil {
		r.flush() // the owner never runs under an SA's lock
		e.cfg.IKE(r.local, remote, p)
	}
}

func (e *Endpoint) takeESP(r *inboundRun, d packetio.Datagram) {
	spi, ok := esp.ParseSPI(d.Payload)
	if !ok {
		e.drops.add(DropMalformedESP, 1)
		return
	}
	sa := r.sa // packets of one SA follow each other
	if sa == nil || sa.spi != spi {
		sa = r.table[spi]
	}
	if sa == nil {
		e.drops.add(DropUnknownSPI, 1)
		now := time.Now()
		if e.earlies.spend(now, earlyBurst, earlyInterval) {
			e.earlyPackets.keep(now, r.local, spi, d)
		}
		if e.cfg.UnknownSPI != nil && len(d.Payload) >= strayLengthMin && e.strays.spend(now, straysBurst, straysInterval) {
			r.flush() // as for IKE
			e.cfg.UnknownSPI(r.local, d.Remote, spi)
		}
		return
	}
	r.open(sa, d)
}

// install makes sa live; its SPI must be free.
func (e *Endpoint) install(sa *inboundSA) error {
	e.inboundMu.Lock()
	defer e.inboundMu.Unlock()
	if e.inbound[sa.spi] != nil {
		return fmt.Errorf("install inbound SA: SPI %08x is in use on %v", uint32(sa.spi), e.cfg.Local)
	}
	e.inbound[sa.spi] = sa
	if early := e.earlyPackets.take(time.Now(), sa.spi); len(early) > 0 {
		e.cfg.Lane.post(func() { e.deliver(sa, early) })
	}
	return nil
}

func (e *Endpoint) remove(spi ike.SPI) {
	e.inboundMu.Lock()
	defer e.inboundMu.Unlock()
	delete(e.inbound, spi)
}

// Counters returns what the endpoint has seen that no tunnel can claim.
func (e *Endpoint) Counters() EndpointCounters {
	return EndpointCounters{IKEDatagrams: e.ikeDatagrams.Load(), Keepalives: e.keepalives.Load(), Early: e.early.Load(), Drops: e.drops.load()}
}

// Close closes the sockets; tunnels of the endpoint can send no more.
func (e *Endpoint) Close() error {
	if !e.closed.Swap(true) {
		e.cfg.Lane.assign(-1)
	}
	var errs []error
	for _, s := range e.all() {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}
