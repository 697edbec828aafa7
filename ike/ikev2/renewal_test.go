package ikev2

import (
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/diagnosis"
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
		{"initiator", true, false, func(w *world) { w.left.sendESP(); w.right.sendESP() }},
		{"responder", false, true, func(w *world) { w.left.sendESP(); w.right.sendESP() }},
		{"both", true, true, func(w *world) { w.left.sendESP(); w.right.sendESP() }},
		{"packets to the one that asks", true, false, func(w *world) { w.right.sendESP() }},
		{"packets from the one that asks", true, false, func(w *world) { w.left.sendESP() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(20) {
				w := newWorld(t, seed, simnet.Conditions{DelayMin: 20 * time.Millisecond, DelayMax: 60 * time.Millisecond}, nil)
				w.connect()
				first := w.left.active
				end := w.net.Now().Add(40 * time.Second)
				var send func()
				send = func() {
					c.send(w)
					if w.net.Now().Before(end) {
						w.net.At(w.net.Now().Add(10*time.Millisecond), send)
					}
				}
				send()
				w.net.RunFor(time.Second)
				if c.left {
					w.left.command(ike.Reauthenticate{})
				}
				if c.right {
					w.right.command(ike.Reauthenticate{})
				}
				w.net.RunFor(time.Minute)
				w.checkSettled()
				if w.left.active == first {
					t.Fatal("nothing was made anew")
				}
				if lost := w.left.lost + w.right.lost + w.left.unsendable + w.right.unsendable; lost > 0 {
					w.left.fatalf("%d packets lost, seed %d", lost, seed)
				}
				for _, s := range []*side{w.left, w.right} {
					if _, n := lastEvent[ike.Closed](s); n > 0 || s.gate.Sessions() != 1 {
						s.fatalf("closed %d times, %d sessions", n, s.gate.Sessions())
					}
				}
			}
		})
	}
}

// What was made by a configuration that has been replaced ends in time, and says why.
func TestOutdate(t *testing.T) {
	w := newWorld(t, 1, lan, nil)
	w.connect()
	w.left.peer.ESPProposals = espProposals(t, "aes256gcm16-group20")
	w.left.peer.IKEProposals = ikeProposals(t, "aes256gcm16-prfsha384-group20")
	if err := w.left.gate.SetPeer(w.left.peer); err != nil {
		t.Fatal(err)
	}
	w.left.gate.Outdate(w.net.Now(), "left")
	w.left.flush()
	w.net.RunFor(20 * time.Second)
	w.checkSettled()
	w.left.handOver(4) // the rest of the time is kept
	w.net.RunFor(11 * time.Second)
	if e, n := lastEvent[ike.Closed](w.left); n != 1 || e.Reason != diagnosis.Outdated {
		t.Errorf("closed %d times: %q", n, e.Reason)
	}
	w.net.RunFor(time.Minute)
	if len(w.left.children)+len(w.right.children) > 0 {
		t.Error("a pair stands")
	}
}
