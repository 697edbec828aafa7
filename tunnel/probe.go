package tunnel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"

	"causeway.dev/esp"
	"causeway.dev/packet"
)

// What measures the path's MTU: echo requests through the tunnel, from our inside
// address to the peer's, which the owner sends so that nobody on the way may
// fragment them.
//
//	[ IP 20 or 40 | ICMP 8: type, code, checksum, identifier, sequence | cookie 8 | zeros ]

const (
	icmpHeaderLen  = 8
	probeCookieLen = 8

	echoRequest4, echoReply4 = 8, 0
	echoRequest6, echoReply6 = 128, 129
)

// ProbeMin is the smallest probe's size in bytes, of either family.
const ProbeMin = packet.IPv6HeaderLen + icmpHeaderLen + probeCookieLen

// ProbeAnswered: the peer has answered a probe.
type ProbeAnswered struct{ Sequence uint16 }

func (ProbeAnswered) event() {}

// A ProbeCookie tells answers to probes from other packets.
type ProbeCookie [2 + probeCookieLen]byte

// A Probe is what is inside of the datagram that carries a probe.
type Probe struct {
	Local, Remote netip.AddrPort // ports of zero: IP protocol 50
	Payload       []byte
	Size          int // of the whole datagram with its IP header, in bytes
}

// probing is a measurement under way.
type probing struct {
	own, peer netip.Addr
	cookie    ProbeCookie
}

// Reasons why a tunnel can't be probed.
var (
	ErrNoInside   = errors.New("the tunnel has no inside addresses")
	ErrNoSA       = errors.New("no SA is in use")
	ErrNoSelector = errors.New("the traffic selectors leave the inside addresses out")
)

// StartProbing lets SealProbe be called, and answers be told by ProbeAnswered,
// until StopProbing. The cookie has to be random.
func (t *Tunnel) StartProbing(cookie ProbeCookie) error {
	for _, inside := range []struct {
		own  netip.Prefix
		peer netip.Addr
	}{{t.cfg.Inside, t.icmp4}, {t.cfg.Inside6, t.icmp6}} {
		if inside.peer.IsValid() {
			t.probing.Store(&probing{own: inside.own.Addr(), peer: inside.peer, cookie: cookie})
			return nil
		}
	}
	return ErrNoInside
}

// StopProbing ends what StartProbing began.
func (t *Tunnel) StopProbing() { t.probing.Store(nil) }

// SealProbe makes the datagram of a probe whose inner packet has size bytes, from
// ProbeMin on.
func (t *Tunnel) SealProbe(sequence uint16, size int) (Probe, error) {
	running, r := t.probing.Load(), t.route.Load()
	switch {
	case running == nil:
		return Probe{}, ErrNoInside
	case r == nil:
		return Probe{}, ErrNoSA
	case !r.sa.check.admit(running.own, running.peer):
		return Probe{}, ErrNoSelector
	case size < ProbeMin || size > math.MaxUint16:
		return Probe{}, fmt.Errorf("probe of %d bytes: it has to have from %d to %d", size, ProbeMin, math.MaxUint16)
	}
	inner := running.request(sequence, size)
	slot := make([]byte, esp.HeadroomMax+size+esp.TailroomMax)
	copy(slot[esp.HeadroomMax:], inner)
	r.sa.mu.Lock()
	payload, err := r.sa.sealer.Seal(slot, esp.HeadroomMax, size)
	r.sa.mu.Unlock()
	if err != nil {
		return Probe{}, fmt.Errorf("seal probe: %w", err)
	}
	p := Probe{Local: r.socket.Local(), Remote: r.remote, Payload: payload, Size: packet.IPv4HeaderLen + len(payload)}
	if r.remote.Addr().Unmap().Is6() {
		p.Size += packet.IPv6HeaderLen - packet.IPv4HeaderLen
	}
	if r.remote.Port() != 0 {
		p.Size += udpHeaderLen
	}
	if tap := t.tapped(); tap != nil {
		tap.Inner(true, inner)
		tap.Outer(true, p.Local, p.Remote, p.Local.Port() != 0, payload)
	}
	return p, nil
}

// request is an echo request of size bytes.
func (p *probing) request(sequence uint16, size int) []byte {
	headerLen, kind, protocol := packet.IPv4HeaderLen, byte(echoRequest4), uint8(packet.ProtocolICMP)
	if p.own.Is6() {
		headerLen, kind, protocol = packet.IPv6HeaderLen, echoRequest6, packet.ProtocolICMPv6
	}
	message := make([]byte, size-headerLen)
	message[0] = kind
	copy(message[4:], p.cookie[:2])
	binary.BigEndian.PutUint16(message[6:], sequence)
	copy(message[icmpHeaderLen:], p.cookie[2:])
	var initial uint16
	if p.own.Is6() {
		initial = packet.PseudoHeaderSum(p.own.AsSlice(), p.peer.AsSlice(), protocol, len(message))
	}
	binary.BigEndian.PutUint16(message[2:], ^packet.Sum(message, initial))
	return packet.AppendIP(make([]byte, 0, size), p.own, p.peer, 0, protocol, message)
}

// answered reports whether an inner packet answers a probe. Its first fragment
// does, too: what the peer makes of its own way back is not what is measured.
func (p *probing) answered(inner []byte) (sequence uint16, ok bool) {
	var message []byte
	kind := byte(echoReply4)
	if packet.Version(inner) == 4 {
		v4 := packet.IPv4(inner)
		if v4.Protocol() != packet.ProtocolICMP || v4.FragmentOffset() != 0 || v4.Source() != p.peer || v4.Destination() != p.own {
			return 0, false
		}
		message = v4.Payload()
	} else {
		v6 := packet.IPv6(inner)
		if v6.NextHeader() != packet.ProtocolICMPv6 || v6.Source() != p.peer || v6.Destination() != p.own {
			return 0, false
		}
		message, kind = v6.Payload(), echoReply6
	}
	if len(message) < icmpHeaderLen+probeCookieLen || message[0] != kind || !bytes.Equal(message[4:6], p.cookie[:2]) || !bytes.Equal(message[icmpHeaderLen:icmpHeaderLen+probeCookieLen], p.cookie[2:]) {
		return 0, false
	}
	return binary.BigEndian.Uint16(message[6:]), true
}

// tellProbe is called from the hot path.
func (t *Tunnel) tellProbe(sequence uint16) {
	if t.cfg.Events != nil {
		t.cfg.Events(ProbeAnswered{Sequence: sequence})
	}
}

// SetOuterMTU says that the path carries datagrams of that many bytes only, with
// their IP headers; 0, or more than Config.OuterMTU, takes that back.
func (t *Tunnel) SetOuterMTU(bytes int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if bytes >= t.cfg.OuterMTU {
		bytes = 0
	}
	t.measured = bytes
	if active := t.route.Load(); active != nil {
		t.route.Store(t.newRoute(active.sa))
	}
}

// AssumedInsideMTU is InsideMTU without what SetOuterMTU has said.
func (t *Tunnel) AssumedInsideMTU() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if active := t.route.Load(); active != nil {
		return t.inside(active.sa.sealer, t.path, t.cfg.OuterMTU)
	}
	return 0
}
