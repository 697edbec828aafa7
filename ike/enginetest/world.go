// Package enginetest lets two IKE engines talk to each other over a simulated
// network, as their owners would: it holds what every owner relies on and fails
// the test where an engine breaks it. ESP is simulated too: a packet carries its
// SPI and the key that it was sealed with.
package enginetest

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/wire"
	"causeway.dev/internal/simnet"
)

// An Engine is the part of an engine that its owner uses.
type Engine interface {
	SetPeer(ike.Peer) error
	RemovePeer(now time.Time, id ike.PeerID, reason string)
	Receive(now time.Time, d ike.Datagram) ike.Drop
	Command(now time.Time, id ike.PeerID, c ike.Command) error
	Advance(now time.Time)
	Deadline() (time.Time, bool)
	TakeOutput() []ike.Output
	Status(ike.PeerID) ike.Status
	Sessions() int
	Outdate(now time.Time, id ike.PeerID)
	Freeze(now time.Time) []ike.Kept
	Thaw(now time.Time, kept ike.Kept) error
	Computed(now time.Time, c ike.Computation)
}

// An Engines says how a World has to do with the engines of one version.
type Engines[E Engine] struct {
	Make     func(random *rand.ChaCha8) E
	Describe func(message []byte) string // in one line
	IKE      string                      // the proposal for the IKE SA that is fastest

	// HandOut has an engine hand out the key agreements of all groups.
	HandOut func(E)

	// StrayESP, where not nil, tells an engine of ESP that nobody has an SA for.
	StrayESP func(e E, now time.Time, local, remote netip.AddrPort, spi ike.SPI)

	// Sent, where not nil, looks at each message before it leaves.
	Sent func(s *Side[E], message []byte)

	// AttemptsEnd: an attempt of ours does not go on after a hand-over, so that what
	// it was to renew is due at once.
	AttemptsEnd bool
}

// A World is two engines, left and right, with a simulated network between them.
type World[E Engine] struct {
	T     testing.TB
	Net   *simnet.Network
	Left  *Side[E]
	Right *Side[E]

	Hold    func(*Side[E], ike.Datagram) // takes what would be sent; nil for none
	Context func() string                // what led to a failure; nil for the diagram alone

	MTU     int // datagrams of IKE that are longer are lost; 0 for none
	Longest int // datagram of IKE but for first messages

	Seen map[string][]byte // what Engines.Sent has noted

	engines  Engines[E]
	handsOut bool      // all key agreements are computed elsewhere
	whole    time.Time // when the line was last mended
}

// A Side is one engine as its owner sees it.
type Side[E Engine] struct {
	W      *World[E]
	Name   string
	Addr   netip.Addr
	Engine E
	Peer   ike.Peer
	Other  *Side[E]
	Events []ike.Event
	Drops  map[ike.Drop]int

	Children map[ike.SPI]ike.ChildSA // by inbound SPI
	Active   ike.SPI                 // outbound, zero for none
	Used     map[ike.SPI]bool        // inbound SPIs that have carried a packet
	Path     ike.Path                // of ESP

	Skew        time.Duration   // of the side's clock
	Redial      bool            // initiate again after Closed and NegotiationFailed
	Deaf        bool            // on port 4500
	DeafToFirst bool            // to IKE_SA_INIT
	TellsStrays bool            // of ESP that it has no SA for
	Several     bool            // has other peers, which do not matter here
	Observe     func(ike.Event) // nil for none

	Sent, Lost   int // ESP packets sent, and those that the other could not open
	Unsendable   int // ESP packets without an outbound SA
	Computations int // handed out
	Flushed      int // datagrams sent

	retryPaused time.Time
	crashed     time.Time
}

// Epoch is when a world begins. LeftAddr and RightAddr are its addresses, Key is
// the sides' pre-shared key.
var (
	Epoch     = time.Unix(1_700_000_000, 0)
	LeftAddr  = netip.MustParseAddr("192.0.2.1")
	RightAddr = netip.MustParseAddr("198.51.100.1")
	Key       = ike.Secret("correct horse battery staple")
)

// FastESP is the fastest proposal that has a group of its own: thousands of handshakes
// take seconds.
const FastESP = "aes128gcm16-group19"

// LAN is a network without trouble.
var LAN = simnet.Conditions{DelayMin: 5 * time.Millisecond, DelayMax: 5 * time.Millisecond}

// IKE returns proposals for the IKE SA.
func IKE(t testing.TB, names ...string) (p []ike.IKEProposal) {
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

// ESP returns proposals for the child SA.
func ESP(t testing.TB, names ...string) (p []ike.ESPProposal) {
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

// New returns two sides that are configured for each other; configure, if not nil,
// changes the configurations.
func New[E Engine](t testing.TB, seed uint64, c simnet.Conditions, engines Engines[E], configure func(left, right *ike.Peer)) *World[E] {
	t.Helper()
	w := &World[E]{T: t, Seen: map[string][]byte{}, engines: engines}
	w.Net = simnet.New(seed, Epoch, c, func(b []byte) string {
		if packet, ok := cutESP(b); ok {
			return fmt.Sprintf("ESP %x", packet[:4])
		}
		return engines.Describe(b)
	})
	left := ike.Peer{
		ID: "left", Local: LeftAddr, Remote: RightAddr, PreSharedKey: Key, Start: true,
		IKEProposals: IKE(t, engines.IKE), ESPProposals: ESP(t, FastESP),
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
	w.Left, w.Right = w.NewSide("left", left, LeftAddr, seed*2), w.NewSide("right", right, RightAddr, seed*2+1)
	w.Left.Other, w.Right.Other = w.Right, w.Left
	return w
}

// NewSide puts a further side, which has no other yet, into the network.
func (w *World[E]) NewSide(name string, p ike.Peer, addr netip.Addr, seed uint64) *Side[E] {
	s := &Side[E]{W: w, Name: name, Peer: p, Addr: addr}
	s.Restart(seed)
	w.Net.Attach(addr, s)
	return s
}

// Restart is a crash: all state is gone.
func (s *Side[E]) Restart(seed uint64) {
	s.crashed = s.W.Net.Now()
	s.W.Net.Note("%s: starts", s.Name)
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	s.Engine = s.W.engines.Make(rand.NewChaCha8(key))
	if s.W.handsOut {
		s.W.engines.HandOut(s.Engine)
	}
	if err := s.Engine.SetPeer(s.Peer); err != nil {
		s.W.T.Fatal(err)
	}
	s.Children, s.Active, s.Used, s.Drops = map[ike.SPI]ike.ChildSA{}, 0, map[ike.SPI]bool{}, map[ike.Drop]int{}
}

// HandOver lets another engine go on with what stands at the side, whose owner has
// the pairs of ESP SAs. It returns what the owner handed over.
func (s *Side[E]) HandOver(seed uint64) []ike.Kept {
	s.W.T.Helper()
	s.W.Net.Note("%s: is handed over", s.Name)
	stood, old := s.Engine.Status(s.Peer.ID), s.Engine
	kept := old.Freeze(s.now())
	if len(old.TakeOutput()) > 0 || old.Sessions() != 0 {
		s.Fatalf("an engine that has been handed over still has something")
	}
	children, active, used, drops, crashed := s.Children, s.Active, s.Used, s.Drops, s.crashed
	s.Restart(seed)
	s.Children, s.Active, s.Used, s.Drops, s.crashed = children, active, used, drops, crashed
	for _, k := range kept {
		octets, err := json.Marshal(k)
		if err != nil {
			s.W.T.Fatal(err)
		}
		var carried ike.Kept
		if err := json.Unmarshal(octets, &carried); err != nil {
			s.W.T.Fatal(err)
		}
		if err := s.Engine.Thaw(s.now(), carried); err != nil {
			s.Fatalf("%v: %v\n%s", k, err, carried.State)
		}
	}
	s.Flush()
	// What was half-open is gone; nothing else is.
	now := s.Engine.Status(s.Peer.ID)
	for _, st := range []*ike.Status{&stood, &now} {
		st.Connecting, st.LastHeard = false, st.LastHeard.Round(0)
		if s.W.engines.AttemptsEnd {
			st.RekeyAt, st.ExpiresAt = time.Time{}, time.Time{}
		}
	}
	if got, want := fmt.Sprint(now), fmt.Sprint(stood); got != want {
		s.Fatalf("after the hand-over it stands as\n%s, before as\n%s", got, want)
	}
	if !now.Established || s.W.engines.AttemptsEnd && !now.Child {
		s.Retry()
	}
	return kept
}

// espMark begins a packet of ESP. No cookie is likely to be the same.
var espMark = []byte("ESP sim.")

// cutESP takes the mark off a packet of ESP, which begins with its SPI.
func cutESP(b []byte) ([]byte, bool) {
	packet, ok := bytes.CutPrefix(b, espMark)
	return packet, ok && len(packet) > 4
}

// now is the time by the side's clock.
func (s *Side[E]) now() time.Time { return s.W.Net.Now().Add(s.Skew) }

// Receive takes a datagram of the network.
func (s *Side[E]) Receive(now time.Time, local, remote netip.AddrPort, payload []byte) {
	now = now.Add(s.Skew)
	if packet, ok := cutESP(payload); ok {
		s.receiveESP(now, packet)
		return
	}
	if s.Deaf && local.Port() == 4500 {
		return
	}
	if s.DeafToFirst && isFirst(payload) {
		return
	}
	s.Drops[s.Engine.Receive(now, ike.Datagram{Local: local, Remote: remote, Payload: payload})]++
	s.Flush()
}

// Advance fires what is due.
func (s *Side[E]) Advance(now time.Time) {
	if !s.retryPaused.IsZero() && !now.Before(s.retryPaused) {
		s.retryPaused = time.Time{}
		s.Command(ike.Initiate{})
	}
	s.Engine.Advance(now.Add(s.Skew))
	s.Flush()
}

// isFirst reports whether a message is one of IKE_SA_INIT.
func isFirst(message []byte) bool {
	h, err := wire.ParseHeader(message)
	return err == nil && h.Exchange == wire.IKESAInit
}

// Deadline is when Advance is next due.
func (s *Side[E]) Deadline() (time.Time, bool) {
	at, ok := s.Engine.Deadline()
	at = at.Add(-s.Skew)
	if !s.retryPaused.IsZero() && (!ok || s.retryPaused.Before(at)) {
		return s.retryPaused, true
	}
	return at, ok
}

// Command gives the engine a command of the owner.
func (s *Side[E]) Command(c ike.Command) {
	s.W.T.Helper()
	if err := s.Engine.Command(s.now(), s.Peer.ID, c); err != nil {
		s.W.Net.Note("%s: %T: %v", s.Name, c, err)
	}
	s.Flush()
}

// HandOut lets key agreements of all groups be computed elsewhere, which takes a
// while.
func (w *World[E]) HandOut() {
	w.handsOut = true
	for _, s := range []*Side[E]{w.Left, w.Right} {
		w.engines.HandOut(s.Engine)
	}
}

// ComputeTime is how long a key agreement takes at most.
const ComputeTime = 300 * time.Millisecond

// compute does what was handed out, a while later.
func (s *Side[E]) compute(c ike.Computation) {
	s.Computations++
	engine := Engine(s.Engine)
	s.W.Net.At(s.W.Net.Now().Add(time.Duration(s.W.Net.Rand().Int64N(int64(ComputeTime)))), func() {
		if Engine(s.Engine) == engine { // it has not crashed
			c.Compute()
			s.Engine.Computed(s.now(), c)
			s.Flush()
		}
	})
}

// Deliver gives the engine a datagram beside the network, and returns what it
// answers instead of sending it.
func (s *Side[E]) Deliver(local, remote netip.AddrPort, payload []byte) (drop ike.Drop, answers [][]byte) {
	drop = s.Engine.Receive(s.now(), ike.Datagram{Local: local, Remote: remote, Payload: payload})
	s.carryOut(func(d ike.Datagram) { answers = append(answers, d.Payload) })
	return drop, answers
}

// Take carries out the engine's events and returns its datagrams instead of sending
// them.
func (s *Side[E]) Take() (datagrams []ike.Datagram) {
	s.carryOut(func(d ike.Datagram) { datagrams = append(datagrams, d) })
	return datagrams
}

// Flush carries out the engine's output in order.
func (s *Side[E]) Flush() {
	s.carryOut(func(d ike.Datagram) {
		if !isFirst(d.Payload) {
			s.W.Longest = max(s.W.Longest, len(d.Payload))
		}
		if s.W.MTU > 0 && len(d.Payload) > s.W.MTU {
			s.W.Net.Note("%s: %s is too long", s.Name, s.W.engines.Describe(d.Payload))
			return
		}
		s.Flushed++
		if s.W.engines.Sent != nil {
			s.W.engines.Sent(s, d.Payload)
		}
		if s.W.Hold != nil {
			s.W.Hold(s, d)
			return
		}
		s.W.Net.Send(d.Local, d.Remote, d.Payload)
	})
}

func (s *Side[E]) carryOut(send func(ike.Datagram)) {
	for _, o := range append([]ike.Output(nil), s.Engine.TakeOutput()...) {
		switch {
		case o.Computation != nil:
			s.compute(o.Computation)
			continue
		case o.Event == nil:
			send(o.Datagram)
			continue
		case s.Several && o.Peer != s.Peer.ID:
			continue
		}
		if o.Peer != s.Peer.ID {
			s.W.T.Errorf("%s: event %T of peer %q", s.Name, o.Event, o.Peer)
		}
		s.W.Net.Note("%s: %v", s.Name, eventText{o.Event})
		s.Events = append(s.Events, o.Event)
		s.apply(o.Event)
		if s.Observe != nil {
			s.Observe(o.Event)
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

func (s *Side[E]) apply(e ike.Event) {
	switch e := e.(type) {
	case ike.ChildInstalled:
		if _, twice := s.Children[e.Child.Inbound]; twice {
			s.Fatalf("inbound SPI %08x installed twice", uint32(e.Child.Inbound))
		}
		s.Children[e.Child.Inbound] = e.Child
		s.Path = e.Child.Path
	case ike.ChildActivated:
		if s.ByOutbound(e.Outbound) == nil {
			s.Fatalf("SA %08x activated, but not installed", uint32(e.Outbound))
		}
		s.checkPeerHas(e.Outbound)
		s.Active = e.Outbound
	case ike.ChildRemoved:
		if _, ok := s.Children[e.Inbound]; !ok {
			s.Fatalf("SA %08x removed, but not installed", uint32(e.Inbound))
		}
		delete(s.Children, e.Inbound)
		if s.Active == e.Outbound {
			s.Active = 0
		}
	case ike.PathChanged:
		s.Path = e.Path
	case ike.Closed:
		if len(s.Children) != 0 {
			s.Fatalf("closed with %d child SAs", len(s.Children))
		}
		s.Retry()
	case ike.NegotiationFailed:
		s.Retry()
	}
}

// checkPeerHas: where packets could go on by another SA, they change over only to
// one that the peer can open. A responder's first SA is ahead of its peer, and
// where the line is cut, and until they have heard of each other again, each side
// is alone with what it knows.
func (s *Side[E]) checkPeerHas(out ike.SPI) {
	alone := s.W.Net.Conditions.Loss == 1 || s.W.Net.Now().Before(s.W.whole.Add(time.Minute))
	if s.Active == 0 || alone || s.W.Net.Now().Before(s.Other.crashed.Add(time.Minute)) {
		return
	}
	if s.ByOutbound(s.Active) == nil || s.Other.Children[s.Active].Inbound == 0 {
		return // nothing is lost by the change
	}
	if _, ok := s.Other.Children[out]; !ok {
		s.Fatalf("packets leave by SA %08x, which the peer does not have", uint32(out))
	}
}

// Retry has the side initiate in a while, if it is to redial.
func (s *Side[E]) Retry() {
	if s.Redial && s.retryPaused.IsZero() {
		s.retryPaused = s.W.Net.Now().Add(time.Second + time.Duration(s.W.Net.Rand().Int64N(int64(time.Second))))
	}
}

// Rest ends redialling.
func (s *Side[E]) Rest() { s.Redial, s.retryPaused = false, time.Time{} }

// ByOutbound returns the pair with an outbound SPI, or nil.
func (s *Side[E]) ByOutbound(out ike.SPI) *ike.ChildSA {
	for _, c := range s.Children {
		if c.Outbound == out {
			return &c
		}
	}
	return nil
}

// SendESP sends a packet by the SA that is active, if there is one.
func (s *Side[E]) SendESP() {
	c := s.ByOutbound(s.Active)
	if s.Active == 0 || c == nil {
		s.Unsendable++
		return
	}
	s.Sent++
	packet := binary.BigEndian.AppendUint32(bytes.Clone(espMark), uint32(c.Outbound))
	s.W.Net.Send(s.Path.Local, s.Path.Remote, append(packet, c.OutboundKey...))
}

func (s *Side[E]) receiveESP(now time.Time, packet []byte) {
	in := ike.SPI(binary.BigEndian.Uint32(packet))
	c, ok := s.Children[in]
	if !ok && s.TellsStrays && s.W.engines.StrayESP != nil {
		s.W.engines.StrayESP(s.Engine, now, netip.AddrPortFrom(s.Addr, 0), netip.AddrPortFrom(s.Other.Addr, 0), in)
		s.Flush()
	}
	if !ok || !bytes.Equal(c.InboundKey, packet[4:]) {
		s.Other.Lost++
		s.W.Net.Note("%s: packet for SA %08x can't be opened", s.Name, in)
		return
	}
	if !s.Used[in] {
		s.Used[in] = true
		s.Command(ike.InboundUsed{Inbound: in})
	}
	s.Command(ike.TrafficSeen{At: now})
}

// Fatalf ends the test with what has happened so far.
func (s *Side[E]) Fatalf(format string, args ...any) {
	s.W.T.Helper()
	story := ""
	if s.W.Context != nil {
		story = s.W.Context() + "\n"
	}
	s.W.T.Fatalf("%s: %s\n%s%s", s.Name, fmt.Sprintf(format, args...), story, s.W.Net.Diagram())
}

// Traffic sends a packet each way every interval until the end.
func (w *World[E]) Traffic(interval time.Duration, until time.Time) {
	w.Net.At(w.Net.Now().Add(interval), func() {
		w.Left.SendESP()
		w.Right.SendESP()
		if w.Net.Now().Before(until) {
			w.Traffic(interval, until)
		}
	})
}

// CheckSettled: exactly one pair stands, both sides mean the same by it, and
// packets leave by it.
func (w *World[E]) CheckSettled() {
	w.T.Helper()
	for _, s := range []*Side[E]{w.Left, w.Right} {
		if len(s.Children) != 1 {
			s.Fatalf("%d child SAs stand, want 1", len(s.Children))
		}
		c := s.ByOutbound(s.Active)
		if c == nil {
			s.Fatalf("no outbound SA is active")
		}
		o, ok := s.Other.Children[c.Outbound]
		if !ok || o.Outbound != c.Inbound || !bytes.Equal(o.InboundKey, c.OutboundKey) || !bytes.Equal(o.InboundIntegrityKey, c.OutboundIntegrityKey) ||
			o.Proposal.Encryption != c.Proposal.Encryption || len(c.OutboundKey) == 0 || bytes.Equal(c.OutboundKey, c.InboundKey) {
			s.Fatalf("the sides disagree on the child SA")
		}
		if st := s.Engine.Status(s.Peer.ID); !st.Established || !st.Child {
			s.Fatalf("status %+v", st)
		}
	}
}

// Connect makes the left side initiate and waits for the result.
func (w *World[E]) Connect() {
	w.T.Helper()
	w.Left.Command(ike.Initiate{})
	w.Net.RunFor(2 * time.Second)
}

// Cut and Mend the line between the sides: a loss of everything, and of a share.
func (w *World[E]) Cut() { w.Net.Conditions.Loss = 1 }

// Mend ends a Cut.
func (w *World[E]) Mend(loss float64) { w.Net.Conditions.Loss, w.whole = loss, w.Net.Now() }

// Last returns the last event of a type, and how many there were.
func Last[V ike.Event, E Engine](s *Side[E]) (last V, count int) {
	for _, e := range s.Events {
		if e, ok := e.(V); ok {
			last, count = e, count+1
		}
	}
	return last, count
}
