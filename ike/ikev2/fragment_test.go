package ikev2

import (
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/enginetest"
	"causeway.dev/ike/keys"
	"causeway.dev/ike/wire"
	"causeway.dev/internal/simnet"
)

// withChains gives both sides certificates that make IKE_AUTH long.
func withChains(t *testing.T, left, right *ike.Peer) {
	root := newAuthority(t, "root", nil)
	between := newAuthority(t, "between", newAuthority(t, "above", root))
	left.Certificate, left.Verifier = between.issue(t, "left.example", "RSA", nil), root
	right.Certificate, right.Verifier = between.issue(t, "right.example", "RSA", nil), root
}

// TestFragments: RFC 7383: on a line that loses much, long messages come through in
// pieces of the size that was asked for.
func TestFragments(t *testing.T) {
	for seed := range uint64(20) {
		w := newWorld(t, seed, simnet.Conditions{DelayMin: time.Millisecond, DelayMax: 30 * time.Millisecond, Loss: 0.2, Duplicate: 0.2}, func(left, right *ike.Peer) {
			withChains(t, left, right)
			left.FragmentSize, right.FragmentSize = 600, 576
			if seed%2 == 0 {
				for _, p := range []*ike.Peer{left, right} {
					p.IKEProposals = enginetest.IKE(t, "aes256-sha512-group19")
				}
			}
		})
		w.Left.Redial = true
		w.Left.Command(ike.Initiate{})
		w.Net.RunFor(2 * time.Minute)
		w.Net.Conditions = lan
		w.Net.RunFor(2 * time.Minute)
		w.CheckSettled()
		if most := 600 - 32; w.Longest > most || w.Longest < most-20 {
			t.Errorf("seed %d: the longest message has %d octets, want a little less than %d", seed, w.Longest, most)
		}
		if w.Left.Engine.fragmentOctets != 0 || w.Right.Engine.fragmentOctets != 0 {
			t.Errorf("seed %d: %d and %d octets of fragments are counted", seed, w.Left.Engine.fragmentOctets, w.Right.Engine.fragmentOctets)
		}
	}
}

// RFC 7383 section 2.5.2: where no answer comes, smaller fragments are tried, in
// both directions.
func TestFragmentsGetSmaller(t *testing.T) {
	w := newWorld(t, 1, lan, func(left, right *ike.Peer) { withChains(t, left, right) })
	w.MTU = 560
	w.Left.Command(ike.Initiate{})
	w.Net.RunFor(29 * time.Second)
	w.CheckSettled()
	if w.Left.Drops[ike.DropRetransmitted]+w.Right.Drops[ike.DropRetransmitted] > 0 {
		t.Error("the answer to small fragments is not cut at once as they are")
	}
	if w.Longest < 1200 {
		t.Errorf("the longest message has %d octets: large fragments were not tried first", w.Longest)
	}
}

// RFC 7383 section 2.3: without both announcements messages go whole.
func TestFragmentsAreNegotiated(t *testing.T) {
	w := newWorld(t, 1, lan, func(left, right *ike.Peer) { withChains(t, left, right) })
	w.Connect()
	for _, s := range []*side{w.Left, w.Right} {
		s.Engine.standing(s.Peer.ID, nil).current.fragmentation = false
	}
	sa := w.Left.Engine.standing("left", nil).current
	packets := keys.NewProtector(sa.proposal, sa.keys.Ei, sa.keys.Ai).SealWithin(sa.header(wire.Informational, sa.nextID, false), []wire.Payload{&wire.VendorID{Data: make([]byte, 900)}}, 400)
	w.Right.Receive(w.Net.Now(), at(enginetest.RightAddr, 500), at(enginetest.LeftAddr, 500), packets[0])
	if w.Right.Drops[ike.DropUnexpected] != 1 {
		t.Errorf("a fragment that was not agreed on is not refused: %v", w.Right.Drops)
	}
	long := w.Left.Engine.standing("left", nil).seal(sa, sa.header(wire.Informational, sa.nextID, false), []wire.Payload{&wire.VendorID{Data: make([]byte, 3000)}})
	if len(long.packets) != 1 {
		t.Errorf("a message goes in %d fragments", len(long.packets))
	}
}

// A hostile peer that holds the keys sends pieces: only authentic ones are kept, of
// one message, and no more, longer or older ones than the bounds say.
func TestFragmentsAreBounded(t *testing.T) {
	w := newWorld(t, 1, lan, nil)
	w.Connect()
	session := w.Right.Engine.standing("right", nil)
	theirs, ours := w.Left.Engine.standing("left", nil).current, session.current
	seal := keys.NewProtector(theirs.proposal, theirs.keys.Ei, theirs.keys.Ai)
	send := func(packet []byte) ike.Drop {
		t.Helper()
		before := map[ike.Drop]int{}
		for drop, n := range w.Right.Drops {
			before[drop] = n
		}
		w.Right.Receive(w.Net.Now(), at(enginetest.RightAddr, 500), at(enginetest.LeftAddr, 500), packet)
		for drop, n := range w.Right.Drops {
			if n != before[drop] {
				return drop
			}
		}
		t.Fatal("the datagram was not counted")
		return ""
	}
	message := func(length, most int) [][]byte {
		return seal.SealWithin(theirs.header(wire.Informational, ours.expectID, false), []wire.Payload{&wire.VendorID{Data: make([]byte, length)}}, most)
	}
	kept := func() int {
		if ours.requestParts == nil {
			return 0
		}
		return ours.requestParts.octets
	}

	forged := message(2000, 600)[0]
	forged[len(forged)-1] ^= 1
	if drop := send(forged); drop != ike.DropIntegrity || kept() != 0 {
		t.Errorf("a forged fragment: %q, %d octets kept", drop, kept())
	}
	if drop := send(message(40000, 300)[0]); drop != ike.DropFragments || kept() != 0 {
		t.Errorf("one of %d fragments: %q, %d octets kept", len(message(40000, 300)), drop, kept())
	}
	refused := 0
	for _, packet := range message(30000, 1200)[1:] {
		if send(packet) == ike.DropFragments {
			refused++
		}
	}
	if refused == 0 || kept() > fragmentOctetsMax || kept() == 0 {
		t.Errorf("30,000 octets: %d fragments refused, %d octets kept", refused, kept())
	}
	small := message(3000, 500)
	if drop := send(small[0]); drop != ike.DropRetransmitted { // fewer pieces than before
		t.Errorf("fewer fragments: %q", drop)
	}
	w.Net.RunFor(fragmentsLifetime + time.Second)
	if kept() != 0 {
		t.Errorf("%d octets are kept for ever", kept())
	}
	ours, theirs = session.current, w.Left.Engine.standing("left", nil).current
	small = message(3000, 500)
	large := message(3000, 600)
	send(large[0])
	if drop := send(large[0]); drop != ike.DropRetransmitted {
		t.Errorf("a fragment that comes twice: %q", drop)
	}
	for i, packet := range small { // begins anew with more of them
		if drop := send(packet); drop != ike.Accepted {
			t.Errorf("fragment %d of %d: %q", i+1, len(small), drop)
		}
	}
	if kept() != 0 {
		t.Errorf("%d octets are kept of a message that is whole", kept())
	}
	answers := w.Right.Flushed
	for range 2 {
		for i, packet := range small {
			if drop := send(packet); drop != ike.DropRetransmitted {
				t.Errorf("fragment %d again: %q", i+1, drop)
			}
		}
	}
	if n := w.Right.Flushed - answers; n != 2 {
		t.Errorf("a request of %d fragments that came twice more is answered %d times", len(small), n)
	}
}

// Half-open SAs may be anybody's: together they keep no more than the gate's bound.
func TestFragmentsOfHalfOpenSAsAreBounded(t *testing.T) {
	w := newWorld(t, 1, lan, nil)
	w.Connect()
	g, most := w.Right.Engine, 0
	for range 400 {
		s := &session{gate: g, candidates: []*ike.Peer{&w.Right.Peer}}
		sa := &ikeSA{fragmentation: true}
		s.sas = []*ikeSA{sa}
		for number := uint16(1); number <= 40; number++ {
			s.collect(w.Net.Now(), sa, wire.Header{MessageID: 1}, &wire.Fragment{Number: number, Total: 41, Body: make([]byte, 1000)})
		}
		if sa.requestParts != nil && sa.requestParts.octets > fragmentOctetsMaxHalfOpen {
			t.Fatalf("%d octets of one SA", sa.requestParts.octets)
		}
		most = max(most, g.fragmentOctets)
		defer sa.dropAssemblies()
	}
	if most > fragmentOctetsMaxGate || most < fragmentOctetsMaxGate-1000 {
		t.Errorf("%d octets are kept, the bound is %d", most, fragmentOctetsMaxGate)
	}
}
