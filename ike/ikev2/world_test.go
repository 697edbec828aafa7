package ikev2

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/engine"
	"causeway.dev/ike/wire"
	"causeway.dev/internal/simnet"
)

// A world is two gates, left and right, with a simulated network between them.
// ESP is simulated too: a packet carries its SPI and the key it was sealed with.
type world struct {
	t     testing.TB
	net   *simnet.Network
	left  *side
	right *side
	whole time.Time // when the line was last mended

	handsOut bool // all key agreements are computed elsewhere

	hold    func(*side, ike.Datagram) // takes what would be sent; nil for none
	context func() string             // what led to a failure; nil for the diagram alone

	ivs map[string][]byte // of AEADs: the message that has taken each

	mtu     int // datagrams of IKE that are longer are lost; 0 for none
	longest int // datagram of IKE but for IKE_SA_INIT
}

// A side is one gate as its owner sees it.
type side struct {
	w      *world
	name   string
	gate   *Gate
	peer   ike.Peer
	other  *side
	addr   netip.Addr
	events []ike.Event

	children map[ike.SPI]ike.ChildSA // by inbound SPI
	active   ike.SPI                 // outbound, zero for none
	used     map[ike.SPI]bool        // inbound SPIs that have carried a packet
	path     ike.Path                // of ESP

	computations int // handed out

	redial      bool // initiate again after Closed and NegotiationFailed
	sent, lost  int  // ESP packets sent, and those that the other could not open
	unsendable  int  // ESP packets without an outbound SA
	retryPaused time.Time
	drops       map[Drop]int
	crashed     time.Time
	deaf        bool          // on port 4500
	flushed     int           // datagrams sent
	skew        time.Duration // of the side's clock
	observe     func(ike.Event)
	tellsStrays bool // to the peer, of ESP that nobody has an SA for
	deafToInit  bool // to IKE_SA_INIT
	several     bool // has other peers, which do not matter here
}

var (
	epoch     = time.Unix(1_700_000_000, 0)
	leftAddr  = netip.MustParseAddr("192.0.2.1")
	rightAddr = netip.MustParseAddr("198.51.100.1")
	secretKey = ike.Secret("correct horse battery staple")
)

const (
	// Group 19 is the fastest: thousands of handshakes take seconds.
	fastIKE = "aes128gcm16-prfsha256-group19"
	fastESP = "aes128gcm16-group19"
)

func ikeProposals(t testing.TB, names ...string) (p []ike.IKEProposal) {
	t.Helper()
	for _, name := range names {
		proposal, err := ike.ParseIKEProposal(name)
		if err != nil {
			t.Fatal(err)
		}
		p = append(p, proposal)
	}
	return p
}

func espProposals(t testing.TB, names ...string) (p []ike.ESPProposal) {
	t.Helper()
	for _, name := range names {
		proposal, err := ike.ParseESPProposal(name)
		if err != nil {
			t.Fatal(err)
		}
		p = append(p, proposal)
	}
	return p
}

// newWorld returns two sides that are configured for each other; configure, if
// not nil, changes their configurations.
func newWorld(t testing.TB, seed uint64, c simnet.Conditions, configure func(left, right *ike.Peer)) *world {
	t.Helper()
	w := &world{t: t, net: simnet.New(seed, epoch, c, describe)}
	left := ike.Peer{
		ID: "left", Local: leftAddr, Remote: rightAddr, PreSharedKey: secretKey, Start: true,
		IKEProposals: ikeProposals(t, fastIKE), ESPProposals: espProposals(t, fastESP),
		LocalSelectors:  []netip.Prefix{netip.MustParsePrefix("192.168.0.0/16")},
		RemoteSelectors: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")},
	}
	right := left
	right.ID, right.Start = "right", false
	right.Local, right.Remote = left.Remote, left.Local
	right.LocalSelectors, right.RemoteSelectors = left.RemoteSelectors, left.LocalSelectors
	if configure != nil {
		configure(&left, &right)
	}
	w.left, w.right = w.newSide("left", left, seed*2), w.newSide("right", right, seed*2+1)
	w.left.other, w.right.other = w.right, w.left
	return w
}

func (w *world) newSide(name string, p ike.Peer, seed uint64) *side {
	s := &side{w: w, name: name, peer: p, addr: p.Local}
	if name == "left" {
		s.addr = leftAddr
	}
	s.restart(seed)
	w.net.Attach(s.addr, s)
	return s
}

// restart is a crash: all state is gone.
func (s *side) restart(seed uint64) {
	s.crashed = s.w.net.Now()
	s.w.net.Note("%s: starts", s.name)
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	s.gate = NewGate(Config{Rand: rand.NewChaCha8(key)})
	if s.w.handsOut {
		s.gate.costly = func(ike.Group) bool { return true }
	}
	if err := s.gate.SetPeer(s.peer); err != nil {
		s.w.t.Fatal(err)
	}
	s.children, s.active, s.used, s.drops = map[ike.SPI]ike.ChildSA{}, 0, map[ike.SPI]bool{}, map[Drop]int{}
}

func describe(b []byte) string {
	if isESP(b) {
		return fmt.Sprintf("ESP %x", b[1:5])
	}
	h, err := wire.ParseHeader(b)
	if err != nil {
		return err.Error()
	}
	s := h.String()
	if m, err := wire.Parse(b); err == nil {
		s += ": " + m.String()[len(h.String())+2:]
	}
	return s
}

const espMark = 0xee

// isESP tells the simulated ESP from IKE messages whose SPI begins like it.
func isESP(b []byte) bool {
	if len(b) <= 5 || b[0] != espMark {
		return false
	}
	_, err := wire.ParseHeader(b)
	return err != nil
}

func (s *side) Receive(now time.Time, local, remote netip.AddrPort, payload []byte) {
	now = now.Add(s.skew)
	if isESP(payload) {
		s.receiveESP(now, payload)
		return
	}
	if s.deaf && local.Port() == portNATT {
		return
	}
	if h, err := wire.ParseHeader(payload); s.deafToInit && err == nil && h.Exchange == wire.IKESAInit {
		return
	}
	s.drops[s.gate.Receive(now, Datagram{Local: local, Remote: remote, Payload: payload})]++
	s.flush()
}

func (s *side) Advance(now time.Time) {
	if !s.retryPaused.IsZero() && !now.Before(s.retryPaused) {
		s.retryPaused = time.Time{}
		s.command(ike.Initiate{})
	}
	s.gate.Advance(now.Add(s.skew))
	s.flush()
}

func (s *side) Deadline() (time.Time, bool) {
	at, ok := s.gate.Deadline()
	at = at.Add(-s.skew)
	if !s.retryPaused.IsZero() && (!ok || s.retryPaused.Before(at)) {
		return s.retryPaused, true
	}
	return at, ok
}

func (s *side) command(c ike.Command) {
	s.w.t.Helper()
	if err := s.gate.Command(s.w.net.Now().Add(s.skew), s.peer.ID, c); err != nil {
		s.w.net.Note("%s: %T: %v", s.name, c, err)
	}
	s.flush()
}

// handOut lets key agreements of all groups take a while.
func (w *world) handOut() {
	w.handsOut = true
	for _, s := range []*side{w.left, w.right} {
		s.gate.costly = func(ike.Group) bool { return true }
	}
}

// computeTime is how long a key agreement takes at most.
const computeTime = 300 * time.Millisecond

// compute does what was handed out, a while later.
func (s *side) compute(c ike.Computation) {
	s.computations++
	gate, now := s.gate, s.w.net.Now()
	s.w.net.At(now.Add(time.Duration(s.w.net.Rand().Int64N(int64(computeTime)))), func() {
		if s.gate == gate { // it has not crashed
			c.Compute()
			gate.Computed(s.w.net.Now().Add(s.skew), c)
			s.flush()
		}
	})
}

// flush carries out the output in order.
func (s *side) flush() {
	for _, o := range append([]Output(nil), s.gate.TakeOutput()...) {
		if o.Computation != nil {
			s.compute(o.Computation)
			continue
		}
		if o.Event == nil {
			if h, err := wire.ParseHeader(o.Datagram.Payload); err == nil && h.Exchange != wire.IKESAInit {
				s.w.longest = max(s.w.longest, len(o.Datagram.Payload))
			}
			if s.w.mtu > 0 && len(o.Datagram.Payload) > s.w.mtu {
				s.w.net.Note("%s: %s is too long", s.name, describe(o.Datagram.Payload))
				continue
			}
			s.flushed++
			s.checkIV(o.Datagram.Payload)
			if s.w.hold != nil {
				s.w.hold(s, o.Datagram)
				continue
			}
			s.w.net.Send(o.Datagram.Local, o.Datagram.Remote, o.Datagram.Payload)
			continue
		}
		if s.several && o.Peer != s.peer.ID {
			continue
		}
		if o.Peer != s.peer.ID {
			s.w.t.Errorf("%s: event %T of peer %q", s.name, o.Event, o.Peer)
		}
		s.w.net.Note("%s: %v", s.name, eventText{o.Event})
		s.events = append(s.events, o.Event)
		s.apply(o.Event)
		if s.observe != nil {
			s.observe(o.Event)
		}
	}
}

type eventText struct{ ike.Event }

func (e eventText) String() string {
	if i, ok := e.Event.(ike.ChildInstalled); ok {
		return fmt.Sprintf("ChildInstalled in %08x out %08x", uint32(i.Child.Inbound), uint32(i.Child.Outbound))
	}
	return strings.TrimPrefix(fmt.Sprintf("%T %+v", e.Event, e.Event), "ike.")
}

func (s *side) apply(e ike.Event) {
	switch e := e.(type) {
	case ike.ChildInstalled:
		if _, twice := s.children[e.Child.Inbound]; twice {
			s.fatalf("inbound SPI %08x installed twice", uint32(e.Child.Inbound))
		}
		s.children[e.Child.Inbound] = e.Child
		s.path = e.Child.Path
	case ike.ChildActivated:
		if s.byOutbound(e.Outbound) == nil {
			s.fatalf("SA %08x activated, but not installed", uint32(e.Outbound))
		}
		s.checkPeerHas(e.Outbound)
		s.active = e.Outbound
	case ike.ChildRemoved:
		if _, ok := s.children[e.Inbound]; !ok {
			s.fatalf("SA %08x removed, but not installed", uint32(e.Inbound))
		}
		delete(s.children, e.Inbound)
		if s.active == e.Outbound {
			s.active = 0
		}
	case ike.PathChanged:
		s.path = e.Path
	case ike.Closed:
		if len(s.children) != 0 {
			s.fatalf("closed with %d child SAs", len(s.children))
		}
		s.retry()
	case ike.NegotiationFailed:
		s.retry()
	}
}

// checkPeerHas: where packets could go on by another SA, they change over only to
// one that the peer can open. A responder's first SA is ahead of its peer, and
// where the line is cut, and until they have heard of each other again, each side
// is alone with what it knows.
func (s *side) checkPeerHas(out ike.SPI) {
	alone := s.w.net.Conditions.Loss == 1 || s.w.net.Now().Before(s.w.whole.Add(time.Minute))
	if s.active == 0 || alone || s.w.net.Now().Before(s.other.crashed.Add(time.Minute)) {
		return
	}
	if s.byOutbound(s.active) == nil || s.other.children[s.active].Inbound == 0 {
		return // nothing is lost by the change
	}
	if _, ok := s.other.children[out]; !ok {
		s.fatalf("packets leave by SA %08x, which the peer does not have", uint32(out))
	}
}

func (s *side) retry() {
	if s.redial && s.retryPaused.IsZero() {
		s.retryPaused = s.w.net.Now().Add(time.Second + time.Duration(s.w.net.Rand().Int64N(int64(time.Second))))
	}
}

func (s *side) byOutbound(out ike.SPI) *ike.ChildSA {
	for _, c := range s.children {
		if c.Outbound == out {
			return &c
		}
	}
	return nil
}

// sendESP sends a packet by the SA that is active.
func (s *side) sendESP() {
	c := s.byOutbound(s.active)
	if s.active == 0 || c == nil {
		s.unsendable++
		return
	}
	s.sent++
	packet := binary.BigEndian.AppendUint32([]byte{espMark}, uint32(c.Outbound))
	s.w.net.Send(c.Path.Local, s.path.Remote, append(packet, c.OutboundKey...))
}

func (s *side) receiveESP(now time.Time, packet []byte) {
	in := ike.SPI(binary.BigEndian.Uint32(packet[1:]))
	c, ok := s.children[in]
	if !ok && s.tellsStrays {
		s.gate.StrayESP(now, at(s.addr, 0), at(s.other.addr, 0), in)
		s.flush()
	}
	if !ok || !bytes.Equal(c.InboundKey, packet[5:]) {
		s.other.lost++
		s.w.net.Note("%s: packet for SA %08x can't be opened", s.name, in)
		return
	}
	if !s.used[in] {
		s.used[in] = true
		s.command(ike.InboundUsed{Inbound: in})
	}
	s.command(ike.TrafficSeen{At: now})
}

func (s *side) fatalf(format string, args ...any) {
	s.w.t.Helper()
	story := ""
	if s.w.context != nil {
		story = s.w.context() + "\n"
	}
	s.w.t.Fatalf("%s: %s\n%s%s", s.name, fmt.Sprintf(format, args...), story, s.w.net.Diagram())
}

// traffic sends a packet each way every interval until the end.
func (w *world) traffic(interval time.Duration, until time.Time) {
	w.net.At(w.net.Now().Add(interval), func() {
		w.left.sendESP()
		w.right.sendESP()
		if w.net.Now().Before(until) {
			w.traffic(interval, until)
		}
	})
}

// checkSettled: exactly one pair stands, both sides mean the same by it, and
// packets leave by it.
func (w *world) checkSettled() {
	w.t.Helper()
	for _, s := range []*side{w.left, w.right} {
		if len(s.children) != 1 {
			s.fatalf("%d child SAs stand, want 1", len(s.children))
		}
		c := s.byOutbound(s.active)
		if c == nil {
			s.fatalf("no outbound SA is active")
		}
		o, ok := s.other.children[c.Outbound]
		if !ok || o.Outbound != c.Inbound || !bytes.Equal(o.InboundKey, c.OutboundKey) || !bytes.Equal(o.InboundIntegrityKey, c.OutboundIntegrityKey) ||
			o.Proposal.Encryption != c.Proposal.Encryption || len(c.OutboundKey) == 0 || bytes.Equal(c.OutboundKey, c.InboundKey) {
			s.fatalf("the sides disagree on the child SA")
		}
		if st := s.gate.Status(s.peer.ID); !st.Established || !st.Child {
			s.fatalf("status %+v", st)
		}
	}
}

func (w *world) checkNone() {
	w.t.Helper()
	for _, s := range []*side{w.left, w.right} {
		if len(s.children) != 0 || s.gate.Status(s.peer.ID).Established || s.gate.Sessions() != 0 || len(s.gate.bySPI) != 0 || s.gate.admission.halfOpen != 0 || len(s.gate.admission.sources) != 0 || len(s.gate.admission.sessions) != 0 || len(s.gate.spis.(engine.OwnSPIs)) != 0 {
			s.fatalf("state is left: %d child SAs, %d sessions, %d IKE SPIs, %d ESP SPIs", len(s.children), s.gate.Sessions(), len(s.gate.bySPI), len(s.gate.spis.(engine.OwnSPIs)))
		}
	}
}

// connect makes the left side initiate and waits for the result.
func (w *world) connect() {
	w.t.Helper()
	w.left.command(ike.Initiate{})
	w.net.RunFor(2 * time.Second)
}

// lastEvent returns the last event of a type.
func lastEvent[E ike.Event](s *side) (last E, count int) {
	for _, e := range s.events {
		if e, ok := e.(E); ok {
			last, count = e, count+1
		}
	}
	return last, count
}
