package daemon

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"causeway.dev/ike"
)

// Given a hundred tunnels of one address, then all come up, also after the other
// side has been away for an hour, and each keeps to its own peer.
func TestManyPeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const peers = 100
		n := newNetwork(t)
		hub := n.start(west)
		var spokes []*host
		var toSpokes []ike.Peer
		id := func(i int) ike.PeerID { return ike.PeerID(fmt.Sprint("spoke ", i)) }
		for i := range peers {
			spoke := n.start(netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}))
			to, back := starting(hub.peer(id(i), spoke.addr)), spoke.peer("hub", west)
			to.PreSharedKey = ike.Secret(fmt.Sprint("key ", i))
			back.PreSharedKey = to.PreSharedKey
			set(t, spoke, back)
			spokes, toSpokes = append(spokes, spoke), append(toSpokes, to)
		}
		set(t, hub, toSpokes...)
		time.Sleep(time.Second)
		for i, spoke := range spokes {
			requireUp(t, hub, id(i), spoke, "hub")
		}

		n.losing(func(_, _ netip.Addr) bool { return true })
		time.Sleep(time.Hour)
		for i := range spokes {
			if hub.childOf(id(i)) != nil {
				t.Fatalf("%v is still up after an hour of silence", id(i))
			}
		}
		n.losing(func(_, _ netip.Addr) bool { return false })
		time.Sleep(3 * time.Minute)
		for i, spoke := range spokes {
			requireUp(t, hub, id(i), spoke, "hub")
		}
	})
}
