package ikev2

import (
	"strings"
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/enginetest"
	"causeway.dev/internal/simnet"
)

var (
	newKey  = ike.Secret("a new key, which nobody has seen")
	thirdly = ike.Secret("the key after that one")
)

const grace = time.Hour

// rotate gives a side a new key beside the one that it has.
func rotate(s *side, key ike.Secret) {
	s.W.T.Helper()
	s.Peer.FormerKey, s.Peer.FormerKeyUntil = s.Peer.PreSharedKey, s.W.Net.Now().Add(grace)
	s.Peer.PreSharedKey = key
	if err := s.Engine.SetPeer(s.Peer); err != nil {
		s.W.T.Fatal(err)
	}
	s.Flush()
}

// setKey gives a side one key alone.
func setKey(s *side, key ike.Secret) {
	s.W.T.Helper()
	s.Peer.PreSharedKey, s.Peer.FormerKey = key, nil
	if err := s.Engine.SetPeer(s.Peer); err != nil {
		s.W.T.Fatal(err)
	}
	s.Flush()
}

// reconnect ends what stands and lets one side begin anew.
func reconnect(w *world, initiator *side) (established bool) {
	w.T.Helper()
	w.Left.Command(ike.Terminate{Reason: "test"})
	w.Right.Command(ike.Terminate{Reason: "test"})
	w.Net.RunFor(30 * time.Second)
	w.Left.Events, w.Right.Events = nil, nil
	initiator.Command(ike.Initiate{})
	w.Net.RunFor(2 * time.Second)
	return w.Left.Engine.Status("left").Established && w.Right.Engine.Status("right").Established
}

// A change of our key alone harms nothing: what stands goes on, and the peer may
// come back with either key, in both roles, until it has used the new one.
func TestKeyRotation(t *testing.T) {
	for _, role := range []string{"initiator", "responder"} {
		t.Run(role, func(t *testing.T) {
			w := newWorld(t, 1, simnet.Conditions{}, func(left, right *ike.Peer) { left.Start = false })
			initiator := w.Right // which rotates
			if role == "responder" {
				initiator = w.Left
			}
			w.Connect()
			w.Traffic(10*time.Millisecond, w.Net.Now().Add(10*time.Second))
			rotate(w.Right, newKey)
			w.Net.RunFor(11 * time.Second)
			w.CheckSettled()
			if w.Left.Lost+w.Right.Lost+w.Left.Unsendable+w.Right.Unsendable != 0 {
				t.Error("the change of the key lost packets")
			}

			for range 2 { // the peer has the old key
				if !reconnect(w, initiator) {
					w.Right.Fatalf("the former key is not taken")
				}
				if e, _ := enginetest.Last[ike.Established](w.Right); !e.FormerKey {
					t.Error("the event does not say that the former key was used")
				}
				if e, _ := enginetest.Last[ike.Established](w.Left); e.FormerKey {
					t.Error("the peer, which has one key, says that it is a former one")
				}
			}
			setKey(w.Left, newKey)
			if !reconnect(w, initiator) {
				w.Right.Fatalf("the new key is not taken")
			}
			if e, _ := enginetest.Last[ike.Established](w.Right); e.FormerKey {
				t.Error("the event says that the former key was used")
			}
			setKey(w.Left, enginetest.Key)
			if reconnect(w, initiator) {
				w.Right.Fatalf("the former key is taken after the peer has used the new one")
			}
		})
	}
}

// The former key ends with its time, and so do SAs that were proved by it.
func TestFormerKeyEnds(t *testing.T) {
	w := newWorld(t, 1, simnet.Conditions{}, func(left, right *ike.Peer) { left.Start = false })
	w.Connect()
	rotate(w.Right, newKey)
	w.Net.RunFor(grace - time.Minute)
	w.CheckSettled()
	w.Net.RunFor(2 * time.Minute)
	checkNone(w)
	if e, n := enginetest.Last[ike.Closed](w.Right); n != 1 || e.Reason != reasonKeyRetired {
		t.Errorf("%d closed, the last for %q", n, e.Reason)
	}
	if reconnect(w, w.Left) {
		t.Error("the former key is taken after its time")
	}
	if e, _ := enginetest.Last[ike.NegotiationFailed](w.Right); !strings.Contains(e.Reason, "pre-shared key mismatch") {
		t.Errorf("reason %q", e.Reason)
	}
}

// Where the peer has its new key by then, what stands is replaced without a loss,
// though no reauthentication was due.
func TestFormerKeyEndsWithoutLoss(t *testing.T) {
	w := newWorld(t, 1, simnet.Conditions{}, func(left, right *ike.Peer) { left.Start = false })
	w.Connect()
	rotate(w.Right, newKey)
	w.Net.RunFor(grace / 2)
	rotate(w.Left, newKey)
	w.Traffic(100*time.Millisecond, w.Net.Now().Add(grace))
	w.Net.RunFor(grace + time.Second)
	w.CheckSettled()
	if w.Left.Lost+w.Right.Lost+w.Left.Unsendable+w.Right.Unsendable != 0 {
		t.Error("the end of the former key lost packets")
	}
	if e, _ := enginetest.Last[ike.Established](w.Right); e.FormerKey || w.Right.Engine.Sessions() != 1 {
		w.Right.Fatalf("by the former key: %v; %d sessions", e.FormerKey, w.Right.Engine.Sessions())
	}
}

// Two changes at once: what was proved by a key before the former one is not to
// stand.
func TestKeyChangedTwice(t *testing.T) {
	w := newWorld(t, 1, simnet.Conditions{}, func(left, right *ike.Peer) { left.Start = false })
	w.Connect()
	rotate(w.Right, newKey)
	rotate(w.Right, thirdly)
	rotate(w.Left, newKey)
	w.Net.RunFor(time.Minute)
	w.CheckSettled()
	if e, _ := enginetest.Last[ike.Established](w.Right); !e.FormerKey {
		t.Error("the key between the two was not used")
	}
}
