package ikev1

import (
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/enginetest"
	"causeway.dev/ike/wire/isakmp"
)

func TestKeyRotation(t *testing.T) {
	enginetest.Rotation[*Gate]{
		Engines: engines, CheckNone: checkNone,
		Retired: reasonRefused(isakmp.AuthenticationFailed, true), Mismatch: reasonUnreadable,
	}.Run(t)
}

// A change of the key while the peer's proof is on its way: that it has used the new key
// is not to be concluded from a proof by the old one.
func TestKeyReplacedDuringMainMode(t *testing.T) {
	w := newWorld(t, 1, enginetest.LAN, nil)
	w.Left.Command(ike.Initiate{})
	w.Net.RunFor(21 * time.Millisecond) // message 5 has left
	w.Left.Peer.FormerKey, w.Left.Peer.FormerKeyUntil = w.Left.Peer.PreSharedKey, w.Net.Now().Add(time.Hour)
	w.Left.Peer.PreSharedKey, w.Left.Peer.KeyChanges = ike.Secret("the new key"), 1
	if err := w.Left.Engine.SetPeer(w.Left.Peer); err != nil {
		t.Fatal(err)
	}
	w.Net.RunFor(2 * time.Second)
	w.CheckSettled()
	if e, _ := enginetest.Last[ike.Established](w.Left); !e.FormerKey {
		t.Error("the event does not say that the former key was used")
	}
	if _, n := enginetest.Last[ike.KeyUsed](w.Left); n > 0 {
		t.Error("the owner is told that the new key was used")
	}
}
