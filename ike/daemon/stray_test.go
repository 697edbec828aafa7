package daemon

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"causeway.dev/ike"
)

// Given a peer that goes on with the SA of before our crash and does not listen to
// what nothing protects, when its ESP comes, then our side begins at once where it is
// to start or to restart the tunnel, and not at all where it is to wait; and not
// again within a minute, whatever comes.
func TestStrayESPLeadsBack(t *testing.T) {
	for name, c := range map[string]struct {
		start  bool
		action ike.DPDAction
		want   bool
	}{
		"start":             {true, ike.DPDClear, true},
		"add and restart":   {false, ike.DPDRestart, true},
		"add and clear":     {false, ike.DPDClear, false},
		"add and no action": {false, ike.DPDNone, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				a, b := n.start(west), n.start(east)
				set(t, b, b.peer("a", west))
				n.losing(func(_, _ netip.Addr) bool { return true }) // what our side tries by itself comes to nothing
				p := a.peer("b", east)
				p.Start, p.DPDAction = c.start, c.action
				set(t, a, p)
				time.Sleep(5 * time.Minute)
				n.losing(nil)
				a.told("b")
				begun := a.attempts("b")
				for range 20 {
					a.StrayESP(netip.AddrPortFrom(west, 0), netip.AddrPortFrom(east, 0), 0xdead)
					time.Sleep(100 * time.Millisecond)
				}
				if up := a.childOf("b") != nil; up != c.want {
					t.Fatalf("up within 2 s: %v", up)
				}
				if got := a.attempts("b") - begun; got > 1 {
					t.Errorf("%d attempts", got)
				}
				a.StrayESP(netip.AddrPortFrom(west, 0), netip.AddrPortFrom(netip.MustParseAddr("203.0.113.7"), 0), 0xdead)
				synctest.Wait()
			})
		})
	}
}

// Given a tunnel that our side is to bring back, when the peer has ended it in order
// and late packets come, then it stays down.
func TestLatePacketsReopenNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		a, b := n.start(west), n.start(east)
		p := a.peer("b", east)
		p.DPDAction = ike.DPDRestart
		set(t, a, p)
		set(t, b, starting(b.peer("a", west)))
		time.Sleep(time.Second)
		requireUp(t, a, "b", b, "a")
		if err := b.Command("a", ike.Terminate{Reason: "by its operator"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		for range 20 {
			a.StrayESP(netip.AddrPortFrom(west, 0), netip.AddrPortFrom(east, 0), 0xdead)
			time.Sleep(10 * time.Second)
		}
		if a.childOf("b") != nil {
			t.Error("it is up again")
		}
	})
}

func (h *host) attempts(id ike.PeerID) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.began[id])
}
