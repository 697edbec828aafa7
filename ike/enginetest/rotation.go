package enginetest

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

// formerKeyTime is how long a former key is valid in these tests.
const formerKeyTime = time.Hour

// A Rotation tests what engines of one version do when pre-shared keys are replaced.
type Rotation[E Engine] struct {
	Engines   Engines[E]
	CheckNone func(*World[E])

	// FallsBack: a side that begins tries the former key where the new one is
	// refused.
	FallsBack bool

	Retired  string // the reason for which what was proved by a former key ends
	Mismatch string // part of the reason for which a wrong key is refused
}

// rotate gives a side a new key beside the one that it has.
func (s *Side[E]) rotate(key ike.Secret) {
	s.W.T.Helper()
	s.Peer.FormerKey, s.Peer.FormerKeyUntil = s.Peer.PreSharedKey, s.W.Net.Now().Add(formerKeyTime)
	s.Peer.PreSharedKey = key
	s.Peer.KeyChanges++
	s.configure()
}

// setKey gives a side one key alone.
func (s *Side[E]) setKey(key ike.Secret) {
	s.W.T.Helper()
	s.Peer.PreSharedKey, s.Peer.FormerKey = key, nil
	s.configure()
}

func (s *Side[E]) configure() {
	s.W.T.Helper()
	if err := s.Engine.SetPeer(s.Peer); err != nil {
		s.W.T.Fatal(err)
	}
	s.Flush()
}

// reconnect ends what stands and lets one side begin anew.
func (w *World[E]) reconnect(initiator *Side[E]) (established bool) {
	w.T.Helper()
	w.Left.Command(ike.Terminate{Reason: "test"})
	w.Right.Command(ike.Terminate{Reason: "test"})
	w.Net.RunFor(time.Minute)
	w.Left.Events, w.Right.Events = nil, nil
	initiator.Command(ike.Initiate{})
	w.Net.RunFor(2 * time.Second)
	return w.Left.Engine.Status("left").Established && w.Right.Engine.Status("right").Established
}

func (r Rotation[E]) connected(t *testing.T) *World[E] {
	t.Helper()
	w := New(t, 1, simnet.Conditions{}, r.Engines, func(left, right *ike.Peer) { left.Start = false })
	w.Connect()
	return w
}

// Run runs all of the tests.
func (r Rotation[E]) Run(t *testing.T) {
	for _, role := range []string{"initiator", "responder"} {
		t.Run(role, func(t *testing.T) { r.anotherKey(t, role == "initiator") })
	}
	t.Run("its time is over", r.ends)
	t.Run("without loss", r.endsWithoutLoss)
	if r.FallsBack {
		t.Run("twice", r.twice)
	}
	t.Run("hand-over", r.handOver)
}

// anotherKey: a change of our key alone harms nothing: what stands goes on, and the
// peer may come back with either key until it has used the new one, which the owner
// learns.
func (r Rotation[E]) anotherKey(t *testing.T, begins bool) {
	w := r.connected(t)
	initiator := w.Left
	if begins {
		initiator = w.Right // which rotates
	}
	w.Traffic(10*time.Millisecond, w.Net.Now().Add(10*time.Second))
	w.Right.rotate(newKey)
	w.Net.RunFor(11 * time.Second)
	w.CheckSettled()
	if w.Left.Lost+w.Right.Lost+w.Left.Unsendable+w.Right.Unsendable != 0 {
		t.Error("the change of the key lost packets")
	}
	for range 2 { // the peer has the old key
		if begins && !r.FallsBack {
			break
		}
		if !w.reconnect(initiator) {
			w.Right.Fatalf("the former key is not taken")
		}
		if e, _ := Last[ike.Established](w.Right); !e.FormerKey {
			t.Error("the event does not say that the former key was used")
		}
		if e, _ := Last[ike.Established](w.Left); e.FormerKey {
			t.Error("the peer, which has one key, says that it is a former one")
		}
		if _, n := Last[ike.KeyUsed](w.Right); n > 0 {
			t.Error("the owner is told that the new key was used")
		}
	}
	w.Left.setKey(newKey)
	if !w.reconnect(initiator) {
		w.Right.Fatalf("the new key is not taken")
	}
	if e, _ := Last[ike.Established](w.Right); e.FormerKey {
		t.Error("the event says that the former key was used")
	}
	if e, n := Last[ike.KeyUsed](w.Right); n != 1 || e.KeyChanges != 1 {
		t.Errorf("the owner is told %d times that the key was used, the last time of change %d", n, e.KeyChanges)
	}
	if _, n := Last[ike.KeyUsed](w.Left); n > 0 {
		t.Error("the owner of one key is told that it was used")
	}
	w.Left.setKey(Key)
	if w.reconnect(initiator) {
		w.Right.Fatalf("the former key is taken after the peer has used the new one")
	}
}

// ends: the former key ends with its time, and so do SAs that were proved by it.
func (r Rotation[E]) ends(t *testing.T) {
	w := r.connected(t)
	w.Right.rotate(newKey)
	w.Net.RunFor(formerKeyTime - time.Minute)
	w.CheckSettled()
	w.Net.RunFor(5 * time.Minute)
	r.CheckNone(w)
	if e, n := Last[ike.Closed](w.Right); n != 1 || e.Reason != r.Retired {
		t.Errorf("%d closed, the last for %q", n, e.Reason)
	}
	if w.reconnect(w.Left) {
		t.Error("the former key is taken after its time")
	}
	w.Net.RunFor(time.Minute) // until the attempt has ended
	if e, _ := Last[ike.NegotiationFailed](w.Right); !strings.Contains(e.Reason, r.Mismatch) {
		t.Errorf("reason %q", e.Reason)
	}
}

// endsWithoutLoss: where the peer has its new key by then, what stands is replaced
// without a loss, though no reauthentication was due.
func (r Rotation[E]) endsWithoutLoss(t *testing.T) {
	w := r.connected(t)
	w.Right.rotate(newKey)
	w.Net.RunFor(formerKeyTime / 2)
	w.Left.rotate(newKey)
	w.Traffic(100*time.Millisecond, w.Net.Now().Add(formerKeyTime))
	w.Net.RunFor(formerKeyTime + time.Second)
	w.CheckSettled()
	if w.Left.Lost+w.Right.Lost+w.Left.Unsendable+w.Right.Unsendable != 0 {
		t.Error("the end of the former key lost packets")
	}
	if e, _ := Last[ike.Established](w.Right); e.FormerKey {
		w.Right.Fatalf("what stands was proved by the former key")
	}
	for _, s := range []*Side[E]{w.Left, w.Right} {
		if _, n := Last[ike.KeyUsed](s); n != 1 {
			t.Errorf("the owner of the %s is told %d times that its new key was used", s.Name, n)
		}
	}
}

// twice: two changes at once: what was proved by a key before the former one is not
// to stand.
func (r Rotation[E]) twice(t *testing.T) {
	w := r.connected(t)
	w.Right.rotate(newKey)
	w.Right.rotate(thirdly)
	w.Left.rotate(newKey)
	w.Net.RunFor(time.Minute)
	w.CheckSettled()
	if e, _ := Last[ike.Established](w.Right); !e.FormerKey {
		t.Error("the key between the two was not used")
	}
	if _, n := Last[ike.KeyUsed](w.Right); n > 0 {
		t.Error("the owner is told that the newest key was used")
	}
}

// handOver: who goes on with what stands knows which key the peer has used, and tells
// its owner again: the one before may not have come to write it down.
func (r Rotation[E]) handOver(t *testing.T) {
	w := r.connected(t)
	w.Right.rotate(newKey)
	w.Left.setKey(newKey)
	if !w.reconnect(w.Left) {
		w.Right.Fatalf("the new key is not taken")
	}
	w.Right.Events = nil
	w.Right.HandOver(9)
	if e, n := Last[ike.KeyUsed](w.Right); n != 1 || e.KeyChanges != 1 {
		t.Errorf("after the hand-over the owner is told %d times, the last time of change %d", n, e.KeyChanges)
	}
	w.Left.setKey(Key)
	if w.reconnect(w.Left) {
		w.Right.Fatalf("the former key is taken after a hand-over")
	}
}
