package ikev2

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/enginetest"
	"causeway.dev/ike/wire"
	"causeway.dev/internal/simnet"
)

// Key agreements of the large groups are never computed inside of the engine, on
// either side, at first and in rekeys, and no packet is lost meanwhile.
func TestCostlyAgreementsAreHandedOut(t *testing.T) {
	w := newWorld(t, 1, simnet.Conditions{DelayMin: 10 * time.Millisecond, DelayMax: 20 * time.Millisecond}, func(left, right *ike.Peer) {
		for _, p := range []*ike.Peer{left, right} {
			p.IKEProposals, p.ESPProposals = enginetest.IKE(t, "aes128-sha256-group15"), enginetest.ESP(t, "aes128-sha256-group15")
		}
	})
	w.Connect()
	w.CheckSettled()
	w.Traffic(time.Millisecond, w.Net.Now().Add(10*time.Second))
	for _, s := range []*side{w.Left, w.Right} {
		s.Command(ike.RekeyChild{})
		w.Net.RunFor(2 * time.Second)
		s.Command(ike.RekeyIKE{})
		w.Net.RunFor(2 * time.Second)
	}
	w.Net.RunFor(3 * time.Second)
	w.CheckSettled()
	// A key pair and a secret as initiator, both at once as responder.
	if w.Left.Computations != 2+2*2+2 || w.Right.Computations != 1+2*2+2 {
		t.Errorf("%d and %d agreements were handed out for IKE_SA_INIT and two rekeys by each side", w.Left.Computations, w.Right.Computations)
	}
	for _, s := range []*side{w.Left, w.Right} {
		if s.Lost+s.Unsendable != 0 {
			s.Fatalf("%d packets lost, %d not sent", s.Lost, s.Unsendable)
		}
		if len(s.Engine.computing)+s.Engine.computingInitial != 0 {
			t.Error("something is still being computed")
		}
	}
}

// Retransmissions of what is being computed make nothing be computed twice.
func TestHeldMessagesAreComputedOnce(t *testing.T) {
	w := newWorld(t, 3, simnet.Conditions{Duplicate: 1, DelayMax: 100 * time.Millisecond}, nil)
	w.HandOut()
	w.Connect()
	w.CheckSettled()
	if w.Right.Computations != 1 || w.Left.Computations != 2 {
		t.Errorf("%d and %d computations, want 2 of the initiator and 1", w.Left.Computations, w.Right.Computations)
	}
}

// What is being computed for a session that ends is forgotten, keys and all.
func TestEndWhileComputing(t *testing.T) {
	for _, at := range []time.Duration{0, 1, 2} {
		w := newWorld(t, 1, simnet.Conditions{}, nil)
		w.Connect()
		w.HandOut()
		w.Left.Command(ike.RekeyIKE{})
		w.Net.RunFor(at * enginetest.ComputeTime / 2)
		for _, s := range []*side{w.Left, w.Right} {
			s.Engine.RemovePeer(w.Net.Now(), s.Peer.ID, "removed")
			s.Flush()
		}
		w.Net.RunFor(3 * time.Minute)
		checkNone(w)
		for _, s := range []*side{w.Left, w.Right} {
			if len(s.Engine.computing) != 0 {
				s.Fatalf("something is still being computed")
			}
		}
	}
}

// A flood of first messages makes no more than so many agreements be computed, from
// some on only for those who return a cookie; and a peer that stands is served
// meanwhile, since its own come first.
func TestFloodOfCostlyGroups(t *testing.T) {
	w := newWorld(t, 1, simnet.Conditions{}, func(left, right *ike.Peer) {
		right.Remote = netip.Addr{}
		left.IKEProposals, right.IKEProposals = enginetest.IKE(t, "aes128-sha256-group18"), enginetest.IKE(t, "aes128-sha256-group18")
	})
	g, now := w.Right.Engine, w.Net.Now()
	public := w.Left.Engine.newDH(ike.Group15) // any value of the right length will do
	value := make([]byte, 1024)
	copy(value[500:], public.Public())
	init := func(source string, spi uint64, cookie []byte) (ike.Drop, []Output) {
		payloads := []wire.Payload{offerIKE(w.Left.Peer.IKEProposals, nil), &wire.KE{Group: ike.Group18, Data: value}, &wire.Nonce{Data: make([]byte, 32)}}
		if cookie != nil {
			payloads = append([]wire.Payload{&wire.Notify{Type: wire.CookieNotify, Data: cookie}}, payloads...)
		}
		m := wire.Message{Header: wire.Header{SPIi: spi, Major: 2, Exchange: wire.IKESAInit, Flags: wire.FlagInitiator}, Payloads: payloads}
		drop := g.Receive(now, Datagram{Local: at(enginetest.RightAddr, portIKE), Remote: at(netip.MustParseAddr(source), portIKE), Payload: m.Append(nil)})
		return drop, append([]Output(nil), g.TakeOutput()...)
	}
	computations, cookies, busy := 0, 0, 0
	for i := range 200 {
		source := fmt.Sprintf("203.0.113.%d", i)
		drop, out := init(source, uint64(i+1), nil)
		if drop == ike.DropCookie {
			cookies++
			m, err := wire.Parse(out[0].Datagram.Payload)
			if err != nil {
				t.Fatal(err)
			}
			drop, out = init(source, uint64(i+1), sortPayloads(m.Payloads).notify(wire.CookieNotify).Data)
		}
		if drop == ike.DropBusy {
			busy++
		}
		for _, o := range out {
			if o.Computation != nil {
				computations++
				if o.Urgent {
					t.Fatal("a stranger's agreement is urgent")
				}
			}
		}
	}
	if computations != computingMax || cookies != computingMax-computingCookies || busy != 200-computingMax {
		t.Errorf("%d agreements for 200 attempts, %d cookies, %d refused for being busy", computations, cookies, busy)
	}
}
