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
}

// A World is two engines, left and right, with a simulated network between them.
type World[E Engine] struct {
	T     testing.TB
	Net   *simnet.Network
	Left  *Side[E]
	Right *Side[E]

	make  func(rand *rand.ChaCha8) E
	whole time.Time // when the line was last mended
}

// A Side is one engine as its owner sees it.
type Side[E Engine] struct {
	Engine E
	Peer   ike.Peer
	Other  *Side[E]
	Events []ike.Event
	Drops  map[ike.Drop]int

	Children map[ike.SPI]ike.ChildSA // by inbound SPI
	Active   ike.SPI                 // outbound, zero for none
	Path     ike.Path                // of ESP

	Redial     bool // initiate again after Closed and NegotiationFailed
	Deaf       bool // on port 4500
	Sent, Lost int  // ESP packets sent, and those that the other could not open

	w           *World[E]
	name        string
	used        map[ike.SPI]bool // inbound SPIs that have carried a packet
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

// New returns two sides that are configured for each other: group 19 is the
// fastest, so that thousands of handshakes take seconds. makeEngine makes an
// engine, describe shows a datagram of IKE in one line; configure, if not nil,
// changes the configurations.
func New[E Engine](t testing.TB, seed uint64, c simnet.Conditions, makeEngine func(*rand.ChaCha8) E, describe func([]byte) string, configure func(left, right *ike.Peer)) *World[E] {
	t.Helper()
	w := &World[E]{T: t, make: makeEngine}
	w.Net = simnet.New(seed, Epoch, c, func(b []byte) string {
		if packet, ok := cutESP(b); ok {
			return fmt.Sprintf("ESP %x", packet[:4])
		}
		return describe(b)
	})
	left := ike.Peer{
		ID: "left", Local: LeftAddr, Remote: RightAddr, PreSharedKey: Key, Start: true,
		IKEProposals: IKE(t, "aes128-sha256-group19"), ESPProposals: ESP(t, "aes128gcm16-group19"),
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
	w.Left, w.Right = w.newSide("left", left, LeftAddr, seed*2), w.newSide("right", right, RightAddr, seed*2+1)
	w.Left.Other, w.Right.Other = w.Right, w.Left
	return w
}

func (w *World[E]) newSide(name string, p ike.Peer, addr netip.Addr, seed uint64) *Side[E] {
	s := &Side[E]{w: w, name: name, Peer: p}
	s.Restart(seed)
	w.Net.Attach(addr, s)
	return s
}

// Restart is a crash: all state is gone.
func (s *Side[E]) Restart(seed uint64) {
	s.crashed = s.w.Net.Now()
	s.w.Net.Note("%s: starts", s.name)
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	s.Engine = s.w.make(rand.NewChaCha8(key))
	if err := s.Engine.SetPeer(s.Peer); err != nil {
		s.w.T.Fatal(err)
	}
	s.Children, s.Active, s.used, s.Drops = map[ike.SPI]ike.ChildSA{}, 0, map[ike.SPI]bool{}, map[ike.Drop]int{}
}

// HandOver lets another engine go on with what stands at the side, whose owner has
// the pairs of ESP SAs. It returns what the owner handed over.
func (s *Side[E]) HandOver(seed uint64) []ike.Kept {
	s.w.T.Helper()
	s.w.Net.Note("%s: is handed over", s.name)
	stood, old := s.Engine.Status(s.Peer.ID), s.Engine
	kept := old.Freeze(s.w.Net.Now())
	if len(old.TakeOutput()) > 0 || old.Sessions() != 0 {
		s.Fatalf("an engine that has been handed over still has something")
	}
	children, active, used, drops, crashed := s.Children, s.Active, s.used, s.Drops, s.crashed
	s.Restart(seed)
	s.Children, s.Active, s.used, s.Drops, s.crashed = children, active, used, drops, crashed
	for _, k := range kept {
		octets, err := json.Marshal(k)
		if err != nil {
			s.w.T.Fatal(err)
		}
		var carried ike.Kept
		if err := json.Unmarshal(octets, &carried); err != nil {
			s.w.T.Fatal(err)
		}
		if err := s.Engine.Thaw(s.w.Net.Now(), carried); err != nil {
			s.Fatalf("%v: %v\n%s", k, err, carried.State)
		}
	}
	s.Flush()
	// Attempts are gone, and what they were to renew is due; nothing else is.
	now := s.Engine.Status(s.Peer.ID)
	for _, st := range []*ike.Status{&stood, &now} {
		st.Connecting, st.RekeyAt, st.ExpiresAt, st.LastHeard = false, time.Time{}, time.Time{}, st.LastHeard.Round(0)
	}
	if got, want := fmt.Sprint(now), fmt.Sprint(stood); got != want {
		s.Fatalf("after the hand-over it stands as\n%s, before as\n%s", got, want)
	}
	if !now.Child {
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

// Receive takes a datagram of the network.
func (s *Side[E]) Receive(now time.Time, local, remote netip.AddrPort, payload []byte) {
	if packet, ok := cutESP(payload); ok {
		s.receiveESP(now, packet)
		return
	}
	if s.Deaf && local.Port() == 4500 {
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
	s.Engine.Advance(now)
	s.Flush()
}

// Deadline is when Advance is next due.
func (s *Side[E]) Deadline() (time.Time, bool) {
	at, ok := s.Engine.Deadline()
	if !s.retryPaused.IsZero() && (!ok || s.retryPaused.Before(at)) {
		return s.retryPaused, true
	}
	return at, ok
}

// Command gives the engine a command of the owner.
func (s *Side[E]) Command(c ike.Command) {
	s.w.T.Helper()
	if err := s.Engine.Command(s.w.Net.Now(), s.Peer.ID, c); err != nil {
		s.w.Net.Note("%s: %T: %v", s.name, c, err)
	}
	s.Flush()
}

// Deliver gives the engine a datagram beside the network, and returns what it
// answers instead of sending it.
func (s *Side[E]) Deliver(local, remote netip.AddrPort, payload []byte) (drop ike.Drop, answers [][]byte) {
	drop = s.Engine.Receive(s.w.Net.Now(), ike.Datagram{Local: local, Remote: remote, Payload: payload})
	s.carryOut(func(d ike.Datagram) { answers = append(answers, d.Payload) })
	return drop, answers
}

// Flush carries out the engine's output in order.
func (s *Side[E]) Flush() {
	s.carryOut(func(d ike.Datagram) { s.w.Net.Send(d.Local, d.Remote, d.Payload) })
}

func (s *Side[E]) carryOut(send func(ike.Datagram)) {
	for _, o := range append([]ike.Output(nil), s.Engine.TakeOutput()...) {
		if o.Event == nil {
			send(o.Datagram)
			continue
		}
		if o.Peer != s.Peer.ID {
			s.w.T.Errorf("%s: event %T of peer %q", s.name, o.Event, o.Peer)
		}
		s.w.Net.Note("%s: %v", s.name, eventText{o.Event})
		s.Events = append(s.Events, o.Event)
		s.apply(o.Event)
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
	alone := s.w.Net.Conditions.Loss == 1 || s.w.Net.Now().Before(s.w.whole.Add(time.Minute))
	if s.Active == 0 || alone || s.w.Net.Now().Before(s.Other.crashed.Add(time.Minute)) {
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
		s.retryPaused = s.w.Net.Now().Add(time.Second + time.Duration(s.w.Net.Rand().Int64N(int64(time.Second))))
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
		return
	}
	s.Sent++
	packet := binary.BigEndian.AppendUint32(bytes.Clone(espMark), uint32(c.Outbound))
	s.w.Net.Send(c.Path.Local, s.Path.Remote, append(packet, c.OutboundKey...))
}

func (s *Side[E]) receiveESP(now time.Time, packet []byte) {
	in := ike.SPI(binary.BigEndian.Uint32(packet))
	c, ok := s.Children[in]
	if !ok || !bytes.Equal(c.InboundKey, packet[4:]) {
		s.Other.Lost++
		s.w.Net.Note("%s: packet for SA %08x can't be opened", s.name, in)
		return
	}
	if !s.used[in] {
		s.used[in] = true
		s.Command(ike.InboundUsed{Inbound: in})
	}
	s.Command(ike.TrafficSeen{At: now})
}

// Fatalf ends the test with what has happened so far.
func (s *Side[E]) Fatalf(format string, args ...any) {
	s.w.T.Helper()
	s.w.T.Fatalf("%s: %s\n%s", s.name, fmt.Sprintf(format, args...), s.w.Net.Diagram())
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

// Simulate is a story that a seed holds: a network that loses, delays, reorders
// and duplicates, rekeys of both kinds at any moment and at the same one,
// restarts, hand-overs, deletes, cut lines, crashes. When it has calmed down, there must be
// one pair that both sides mean.
func (w *World[E]) Simulate(story time.Duration) {
	random := w.Net.Rand()
	w.Net.Conditions = simnet.Conditions{
		DelayMax:  time.Duration(random.Int64N(int64(300 * time.Millisecond))),
		Loss:      random.Float64() * 0.3,
		Duplicate: random.Float64() * 0.2,
	}
	sides := []*Side[E]{w.Left, w.Right}
	for _, s := range sides {
		if s.Redial = s.Peer.Start; s.Redial {
			s.Command(ike.Initiate{})
		}
	}
	w.Traffic(3*time.Second+time.Duration(random.Int64N(int64(10*time.Second))), Epoch.Add(story))
	pause := func(most time.Duration) { w.Net.RunFor(time.Duration(random.Int64N(int64(most)))) }
	for range 6 + random.IntN(10) {
		pause(story / 16)
		s := sides[random.IntN(2)]
		switch random.IntN(16) {
		case 0, 1:
			s.Command(ike.RekeyChild{})
		case 2, 3:
			w.Left.Command(ike.RekeyChild{})
			pause(200 * time.Millisecond)
			w.Right.Command(ike.RekeyChild{})
		case 4, 5:
			s.Command(ike.RekeyIKE{})
		case 6, 7:
			w.Left.Command(ike.RekeyIKE{})
			pause(200 * time.Millisecond)
			w.Right.Command(ike.RekeyIKE{})
		case 8:
			s.Command(ike.RekeyIKE{})
			s.Other.Command(ike.RekeyChild{})
		case 9:
			s.Command(ike.Terminate{Reason: "asked for"})
		case 10:
			s.Restart(random.Uint64())
			s.Retry()
		case 11:
			loss := w.Net.Conditions.Loss
			w.Cut()
			pause(2 * time.Minute)
			w.Mend(loss)
		case 12, 13:
			s.Command([]ike.Command{ike.RekeyIKE{}, ike.RekeyChild{}, ike.Terminate{Reason: "asked for"}}[random.IntN(3)])
			pause(500 * time.Millisecond)
			s.HandOver(random.Uint64())
			if random.IntN(2) == 0 {
				s.Other.HandOver(random.Uint64())
			}
		case 14:
			s.Command(ike.Reauthenticate{})
			if random.IntN(2) == 0 {
				s.Other.Command(ike.Reauthenticate{})
			}
		case 15:
			s.Engine.Outdate(w.Net.Now(), s.Peer.ID)
			s.Flush()
		}
	}
	w.Net.Run(Epoch.Add(story))
	w.Net.Conditions = simnet.Conditions{DelayMin: time.Millisecond, DelayMax: 20 * time.Millisecond}
	w.Net.RunFor(4 * time.Minute)
	for range 20 { // a rekey may be under way
		if len(w.Left.Children) == 1 && len(w.Right.Children) == 1 {
			break
		}
		w.Net.RunFor(7 * time.Second)
	}
	w.CheckSettled()
	for _, s := range sides {
		s.Lost = 0
		s.SendESP()
	}
	w.Net.RunFor(time.Second)
	if w.Left.Lost+w.Right.Lost != 0 {
		w.Left.Fatalf("the pair that stands does not carry packets")
	}
	for _, s := range sides {
		s.Rest()
		s.Engine.RemovePeer(w.Net.Now(), s.Peer.ID, "removed")
		s.Flush()
	}
	w.Net.RunFor(3 * time.Minute)
}
