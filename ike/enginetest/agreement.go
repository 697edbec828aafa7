package enginetest

import (
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/internal/simnet"
)

// Agreements tests what engines of one version do with key agreements that take long.
type Agreements[E Engine] struct {
	Engines   Engines[E]
	CheckNone func(*World[E])
	Computing func(E) int // agreements that have not come back

	// First is how many are handed out for the first pair, by the initiator and the
	// responder; Rekeyed how many by either for two rekeys by each.
	First   [2]int
	Rekeyed [2]int
}

// Run runs all of the tests.
func (a Agreements[E]) Run(t *testing.T) {
	t.Run("handed out", a.handedOut)
	t.Run("held messages", a.once)
	t.Run("end meanwhile", a.end)
}

// handedOut: key agreements of the large groups are never computed inside of the
// engine, on either side, at first and in rekeys, and no packet is lost meanwhile.
func (a Agreements[E]) handedOut(t *testing.T) {
	w := New(t, 1, simnet.Conditions{DelayMin: 10 * time.Millisecond, DelayMax: 20 * time.Millisecond}, a.Engines, func(left, right *ike.Peer) {
		for _, p := range []*ike.Peer{left, right} {
			p.IKEProposals, p.ESPProposals = IKE(t, "aes128-sha256-group15"), ESP(t, "aes128-sha256-group15")
		}
	})
	w.Connect()
	w.Net.RunFor(3 * time.Second)
	w.CheckSettled()
	w.Traffic(time.Millisecond, w.Net.Now().Add(10*time.Second))
	for _, s := range []*Side[E]{w.Left, w.Right} {
		s.Command(ike.RekeyChild{})
		w.Net.RunFor(2 * time.Second)
		s.Command(ike.RekeyIKE{})
		w.Net.RunFor(2 * time.Second)
	}
	w.Net.RunFor(time.Minute) // until what has been replaced is gone
	w.CheckSettled()
	for i, s := range []*Side[E]{w.Left, w.Right} {
		if want := a.First[i] + a.Rekeyed[i]; s.Computations != want {
			t.Errorf("the %s has handed out %d agreements, want %d", s.Name, s.Computations, want)
		}
		if s.Lost+s.Unsendable != 0 {
			s.Fatalf("%d packets lost, %d not sent", s.Lost, s.Unsendable)
		}
		if a.Computing(s.Engine) != 0 {
			t.Error("something is still being computed")
		}
	}
}

// once: retransmissions of what is being computed make nothing be computed twice.
func (a Agreements[E]) once(t *testing.T) {
	w := New(t, 3, simnet.Conditions{Duplicate: 1, DelayMax: 100 * time.Millisecond}, a.Engines, nil)
	w.HandOut()
	w.Connect()
	w.Net.RunFor(3 * time.Second)
	w.CheckSettled()
	if got := [2]int{w.Left.Computations, w.Right.Computations}; got != a.First {
		t.Errorf("%d computations of the initiator and the responder, want %d", got, a.First)
	}
}

// end: what is being computed for a session that ends, or for an attempt, is forgotten.
func (a Agreements[E]) end(t *testing.T) {
	for _, c := range []ike.Command{ike.RekeyIKE{}, ike.RekeyChild{}} {
		for _, at := range []time.Duration{0, 1, 2} {
			w := New(t, 1, simnet.Conditions{}, a.Engines, nil)
			w.Connect()
			w.HandOut()
			w.Left.Command(c)
			w.Net.RunFor(at * ComputeTime / 2)
			for _, s := range []*Side[E]{w.Left, w.Right} {
				s.Engine.RemovePeer(w.Net.Now(), s.Peer.ID, "removed")
				s.Flush()
			}
			w.Net.RunFor(3 * time.Minute)
			a.CheckNone(w)
			for _, s := range []*Side[E]{w.Left, w.Right} {
				if a.Computing(s.Engine) != 0 {
					s.Fatalf("something is still being computed")
				}
			}
		}
	}
}
