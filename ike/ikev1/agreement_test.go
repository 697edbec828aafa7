package ikev1

import (
	"net/netip"
	"testing"

	"causeway.dev/ike"
	"causeway.dev/ike/enginetest"
)

// A key pair and a secret as initiator, both at once as responder, of either phase.
func TestCostlyAgreements(t *testing.T) {
	enginetest.Agreements[*Gate]{
		Engines: engines, CheckNone: checkNone, First: [2]int{2 * 2, 2 * 1}, Rekeyed: [2]int{2*2 + 2, 2*2 + 2},
		Computing: func(g *Gate) int { return len(g.computing) + g.computingInitial },
	}.Run(t)
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
