package ikev1

import (
	"net/netip"
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/enginetest"
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
	w.Net.RunFor(3 * time.Second)
	w.CheckSettled()
	w.Traffic(time.Millisecond, w.Net.Now().Add(10*time.Second))
	for _, s := range []*side{w.Left, w.Right} {
		s.Command(ike.RekeyChild{})
		w.Net.RunFor(2 * time.Second)
		s.Command(ike.RekeyIKE{})
		w.Net.RunFor(2 * time.Second)
	}
	w.Net.RunFor(time.Minute) // until what has been replaced is gone
	w.CheckSettled()
	// A key pair and a secret as initiator, both at once as responder, of either
	// phase.
	if w.Left.Computations != 2*2+2*2+2 || w.Right.Computations != 2*1+2*2+2 {
		t.Errorf("%d and %d agreements were handed out for the first pair and two rekeys by each side", w.Left.Computations, w.Right.Computations)
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
	w.Net.RunFor(3 * time.Second)
	w.CheckSettled()
	if w.Right.Computations != 2 || w.Left.Computations != 4 {
		t.Errorf("%d and %d computations, want 4 of the initiator and 2", w.Left.Computations, w.Right.Computations)
	}
}

// What is being computed for a session or a main mode that ends is forgotten.
func TestEndWhileComputing(t *testing.T) {
	for _, c := range []ike.Command{ike.RekeyIKE{}, ike.RekeyChild{}} {
		for _, at := range []time.Duration{0, 1, 2} {
			w := newWorld(t, 1, simnet.Conditions{}, nil)
			w.Connect()
			w.HandOut()
			w.Left.Command(c)
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
}

// TestFloodOfCostlyGroups: strangers have no more than so many agreements computed at a
// time, which are not urgent; an address that is configured does not wait for them.
func TestFloodOfCostlyGroups(t *testing.T) {
	proposals := enginetest.IKE(t, "aes128-sha256-group15")
	w := newWorld(t, 1, enginetest.LAN, func(_, right *ike.Peer) {
		right.Remote, right.IKEProposals = netip.Addr{}, proposals
	})
	public, g, spi := w.Left.Engine.newDH(ike.Group15).Public(), w.Right.Engine, uint64(0)
	begin := func(from netip.Addr) ike.Drop {
		spi++
		_, answers := receive(w, at500(from), firstMessage(spi, proposals))
		drop := g.Receive(w.Net.Now(), ike.Datagram{Local: at500(enginetest.RightAddr), Remote: at500(from), Payload: thirdMessage(t, spi, answers[0], public)})
		for _, o := range g.TakeOutput() {
			if o.Urgent {
				t.Error("a stranger's agreement is urgent")
			}
		}
		return drop
	}
	drops := map[ike.Drop]int{}
	for range 200 {
		drops[begin(netip.MustParseAddr("203.0.113.1"))]++
	}
	if drops[ike.Accepted] != computingMax || drops[ike.DropBusy] != 200-computingMax {
		t.Errorf("of 200 strangers: %v", drops)
	}
	w.Right.Peer.Remote = enginetest.LeftAddr
	if err := g.SetPeer(w.Right.Peer); err != nil {
		t.Fatal(err)
	}
	if drop := begin(enginetest.LeftAddr); drop != ike.Accepted {
		t.Errorf("an address that is configured gets %v", drop)
	}
}
