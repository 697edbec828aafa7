package ikev2

import (
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/internal/simnet"
)

var lan = simnet.Conditions{DelayMin: 5 * time.Millisecond, DelayMax: 10 * time.Millisecond}

func TestNegotiate(t *testing.T) {
	w := newWorld(t, 1, lan, nil)
	w.connect()
	w.checkSettled()
}

func TestRekeyChild(t *testing.T) {
	w := newWorld(t, 1, lan, nil)
	w.connect()
	w.traffic(time.Millisecond, w.net.Now().Add(20*time.Second))
	w.left.command(ike.RekeyChild{})
	w.net.RunFor(10 * time.Second)
	w.checkSettled()
	w.right.command(ike.RekeyChild{})
	w.net.RunFor(10 * time.Second)
	w.checkSettled()
	t.Log(w.left.sent, w.left.lost, w.right.sent, w.right.lost)
}
