package ikev2

import (
	"strings"
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/internal/simnet"
)

var (
	newKey  = ike.Secret("a new key, which nobody has seen")
	thirdly = ike.Secret("the key after that one")
)

const grace = time.Hour

// rotate gives a side a new key beside the one that it has.
func (s *side) rotate(key ike.Secret) {
	s.w.t.Helper()
	s.peer.FormerKey, s.peer.FormerKeyUntil = s.peer.PreSharedKey, s.w.net.Now().Add(grace)
	s.peer.PreSharedKey = key
	if err := s.gate.SetPeer(s.peer); err != nil {
		s.w.t.Fatal(err)
	}
	s.flush()
}

// setKey gives a side one key alone.
func (s *side) setKey(key ike.Secret) {
	s.w.t.Helper()
	s.peer.PreSharedKey, s.peer.FormerKey = key, nil
	if err := s.gate.SetPeer(s.peer); err != nil {
		s.w.t.Fatal(err)
	}
	s.flush()
}

// reconnect ends what stands and lets one side begin anew.
func (w *world) reconnect(initiator *side) (established bool) {
	w.t.Helper()
	w.left.command(ike.Terminate{Reason: "test"})
	w.right.command(ike.Terminate{Reason: "test"})
	w.net.RunFor(30 * time.Second)
	w.left.events, w.right.events = nil, nil
	initiator.command(ike.Initiate{})
	w.net.RunFor(2 * time.Second)
	return w.left.gate.Status("left").Established && w.right.gate.Status("right").Established
}

// A change of our key alone harms nothing: what stands goes on, and the peer may
// come back with either key, in both roles, until it has used the new one.
func TestKeyRotation(t *testing.T) {
	for _, role := range []string{"initiator", "responder"} {
		t.Run(role, func(t *testing.T) {
			w := newWorld(t, 1, simnet.Conditions{}, func(left, right *ike.Peer) { left.Start = false })
			initiator := w.right // which rotates
			if role == "responder" {
				initiator = w.left
			}
			w.connect()
			w.traffic(10*time.Millisecond, w.net.Now().Add(10*time.Second))
			w.right.rotate(newKey)
			w.net.RunFor(11 * time.Second)
			w.checkSettled()
			if w.left.lost+w.right.lost+w.left.unsendable+w.right.unsendable != 0 {
				t.Error("the change of the key lost packets")
			}

			for range 2 { // the peer has the old key
				if !w.reconnect(initiator) {
					w.right.fatalf("the former key is not taken")
				}
				if e, _ := lastEvent[ike.Established](w.right); !e.FormerKey {
					t.Error("the event does not say that the former key was used")
				}
				if e, _ := lastEvent[ike.Established](w.left); e.FormerKey {
					t.Error("the peer, which has one key, says that it is a former one")
				}
			}
			w.left.setKey(newKey)
			if !w.reconnect(initiator) {
				w.right.fatalf("the new key is not taken")
			}
			if e, _ := lastEvent[ike.Established](w.right); e.FormerKey {
				t.Error("the event says that the former key was used")
			}
			w.left.setKey(secretKey)
			if w.reconnect(initiator) {
				w.right.fatalf("the former key is taken after the peer has used the new one")
			}
		})
	}
}

// The former key ends with its time, and so do SAs that were proved by it.
func TestFormerKeyEnds(t *testing.T) {
	w := newWorld(t, 1, simnet.Conditions{}, func(left, right *ike.Peer) { left.Start = false })
	w.connect()
	w.right.rotate(newKey)
	w.net.RunFor(grace - time.Minute)
	w.checkSettled()
	w.net.RunFor(2 * time.Minute)
	w.checkNone()
	if e, n := lastEvent[ike.Closed](w.right); n != 1 || e.Reason != reasonKeyRetired {
		t.Errorf("%d closed, the last for %q", n, e.Reason)
	}
	if w.reconnect(w.left) {
		t.Error("the former key is taken after its time")
	}
	if e, _ := lastEvent[ike.NegotiationFailed](w.right); !strings.Contains(e.Reason, "pre-shared key mismatch") {
		t.Errorf("reason %q", e.Reason)
	}
}

// Where the peer has its new key by then, what stands is replaced without a loss,
// though no reauthentication was due.
func TestFormerKeyEndsWithoutLoss(t *testing.T) {
	w := newWorld(t, 1, simnet.Conditions{}, func(left, right *ike.Peer) { left.Start = false })
	w.connect()
	w.right.rotate(newKey)
	w.net.RunFor(grace / 2)
	w.left.rotate(newKey)
	w.traffic(100*time.Millisecond, w.net.Now().Add(grace))
	w.net.RunFor(grace + time.Second)
	w.checkSettled()
	if w.left.lost+w.right.lost+w.left.unsendable+w.right.unsendable != 0 {
		t.Error("the end of the former key lost packets")
	}
	if e, _ := lastEvent[ike.Established](w.right); e.FormerKey || w.right.gate.Sessions() != 1 {
		w.right.fatalf("by the former key: %v; %d sessions", e.FormerKey, w.right.gate.Sessions())
	}
}

// Two changes at once: what was proved by a key before the former one is not to
// stand.
func TestKeyChangedTwice(t *testing.T) {
	w := newWorld(t, 1, simnet.Conditions{}, func(left, right *ike.Peer) { left.Start = false })
	w.connect()
	w.right.rotate(newKey)
	w.right.rotate(thirdly)
	w.left.rotate(newKey)
	w.net.RunFor(time.Minute)
	w.checkSettled()
	if e, _ := lastEvent[ike.Established](w.right); !e.FormerKey {
		t.Error("the key between the two was not used")
	}
}
