package ikev2

import (
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/diagnosis"
	"causeway.dev/ike/enginetest"
	"causeway.dev/internal/simnet"
)

// Everything is negotiated anew without a packet lost, whichever side asks for it,
// also where packets go one way only and where both sides ask at once.
func TestReauthenticationLosesNothing(t *testing.T) {
	for _, c := range []struct {
		name        string
		left, right bool // who asks
		send        func(w *world)
	}{
		{"initiator", true, false, func(w *world) { w.Left.SendESP(); w.Right.SendESP() }},
		{"responder", false, true, func(w *world) { w.Left.SendESP(); w.Right.SendESP() }},
		{"both", true, true, func(w *world) { w.Left.SendESP(); w.Right.SendESP() }},
		{"packets to the one that asks", true, false, func(w *world) { w.Right.SendESP() }},
		{"packets from the one that asks", true, false, func(w *world) { w.Left.SendESP() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(20) {
				w := newWorld(t, seed, simnet.Conditions{DelayMin: 20 * time.Millisecond, DelayMax: 60 * time.Millisecond}, nil)
				w.Connect()
				first := w.Left.Active
				end := w.Net.Now().Add(40 * time.Second)
				var send func()
				send = func() {
					c.send(w)
					if w.Net.Now().Before(end) {
						w.Net.At(w.Net.Now().Add(10*time.Millisecond), send)
					}
				}
				send()
				w.Net.RunFor(time.Second)
				if c.left {
					w.Left.Command(ike.Reauthenticate{})
				}
				if c.right {
					w.Right.Command(ike.Reauthenticate{})
				}
				w.Net.RunFor(time.Minute)
				w.CheckSettled()
				if w.Left.Active == first {
					t.Fatal("nothing was made anew")
				}
				if lost := w.Left.Lost + w.Right.Lost + w.Left.Unsendable + w.Right.Unsendable; lost > 0 {
					w.Left.Fatalf("%d packets lost, seed %d", lost, seed)
				}
				for _, s := range []*side{w.Left, w.Right} {
					if _, n := enginetest.Last[ike.Closed](s); n > 0 || s.Engine.Sessions() != 1 {
						s.Fatalf("closed %d times, %d sessions", n, s.Engine.Sessions())
					}
				}
			}
		})
	}
}

// What was made by a configuration that has been replaced ends in time, and says why.
func TestOutdate(t *testing.T) {
	w := newWorld(t, 1, lan, nil)
	w.Connect()
	w.Left.Peer.ESPProposals = enginetest.ESP(t, "aes256gcm16-group20")
	w.Left.Peer.IKEProposals = enginetest.IKE(t, "aes256gcm16-prfsha384-group20")
	if err := w.Left.Engine.SetPeer(w.Left.Peer); err != nil {
		t.Fatal(err)
	}
	w.Left.Engine.Outdate(w.Net.Now(), "left")
	w.Left.Flush()
	w.Net.RunFor(20 * time.Second)
	w.CheckSettled()
	w.Left.HandOver(4) // the rest of the time is kept
	w.Net.RunFor(11 * time.Second)
	if e, n := enginetest.Last[ike.Closed](w.Left); n != 1 || e.Reason != diagnosis.Outdated {
		t.Errorf("closed %d times: %q", n, e.Reason)
	}
	w.Net.RunFor(time.Minute)
	if len(w.Left.Children)+len(w.Right.Children) > 0 {
		t.Error("a pair stands")
	}
}
