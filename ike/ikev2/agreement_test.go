package ikev2

import (
	"fmt"
	"net/netip"
	"testing"

	"causeway.dev/ike"
	"causeway.dev/ike/enginetest"
	"causeway.dev/ike/wire"
	"causeway.dev/internal/simnet"
)

// A key pair and a secret as initiator, both at once as responder.
func TestCostlyAgreements(t *testing.T) {
	enginetest.Agreements[*Gate]{
		Engines: engines, CheckNone: checkNone, First: [2]int{2, 1}, Rekeyed: [2]int{2*2 + 2, 2*2 + 2},
		Computing: func(g *Gate) int { return len(g.computing) + g.computingInitial },
	}.Run(t)
}

// A flood of first messages makes no more than so many agreements be computed, from
// some on only for those who return a cookie; and a peer that stands is served
// meanwhile, since its own come first.
func TestFloodOfCostlyGroups(t *testing.T) {
	w := newWorld(t, 1, simnet.Conditions{}, func(left, right *ike.Peer) {
		right.Remote = netip.Addr{}
		left.IKEProposals, right.IKEProposals = enginetest.IKE(t, "aes128-sha256-group18"), enginetest.IKE(t, "aes128-sha256-group18")
	})
	g, now := w.Right.Engine, w.Net.Now()
	public := w.Left.Engine.newDH(ike.Group15) // any value of the right length will do
	value := make([]byte, 1024)
	copy(value[500:], public.Public())
	init := func(source string, spi uint64, cookie []byte) (ike.Drop, []Output) {
		payloads := []wire.Payload{offerIKE(w.Left.Peer.IKEProposals, nil), &wire.KE{Group: ike.Group18, Data: value}, &wire.Nonce{Data: make([]byte, 32)}}
		if cookie != nil {
			payloads = append([]wire.Payload{&wire.Notify{Type: wire.CookieNotify, Data: cookie}}, payloads...)
		}
		m := wire.Message{Header: wire.Header{SPIi: spi, Major: 2, Exchange: wire.IKESAInit, Flags: wire.FlagInitiator}, Payloads: payloads}
		drop := g.Receive(now, Datagram{Local: at(enginetest.RightAddr, portIKE), Remote: at(netip.MustParseAddr(source), portIKE), Payload: m.Append(nil)})
		return drop, append([]Output(nil), g.TakeOutput()...)
	}
	computations, cookies, busy := 0, 0, 0
	for i := range 200 {
		source := fmt.Sprintf("203.0.113.%d", i)
		drop, out := init(source, uint64(i+1), nil)
		if drop == ike.DropCookie {
			cookies++
			m, err := wire.Parse(out[0].Datagram.Payload)
			if err != nil {
				t.Fatal(err)
			}
			drop, out = init(source, uint64(i+1), sortPayloads(m.Payloads).notify(wire.CookieNotify).Data)
		}
		if drop == ike.DropBusy {
			busy++
		}
		for _, o := range out {
			if o.Computation != nil {
				computations++
				if o.Urgent {
					t.Fatal("a stranger's agreement is urgent")
				}
			}
		}
	}
	if computations != computingMax || cookies != computingMax-computingCookies || busy != 200-computingMax {
		t.Errorf("%d agreements for 200 attempts, %d cookies, %d refused for being busy", computations, cookies, busy)
	}
}
