package ipsec

import (
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"causeway.dev/ike"
)

// A counter counts what a capture sees.
type counter struct {
	inner, outer, ike, events atomic.Int32
	path                      ike.Path
}

func (c *counter) Inner(bool, []byte)                                       { c.inner.Add(1) }
func (c *counter) Outer(bool, netip.AddrPort, netip.AddrPort, bool, []byte) { c.outer.Add(1) }
func (c *counter) SetPath(p ike.Path)                                       { c.path = p }
func (c *counter) IKE(_ bool, _, _ netip.AddrPort, datagram []byte)         { c.ike.Add(1) }
func (c *counter) Event(ike.Event)                                          { c.events.Add(1) }
func (c *counter) take() (inner, outer, ike, events int32) {
	return c.inner.Swap(0), c.outer.Swap(0), c.ike.Swap(0), c.events.Swap(0)
}

// TestCaptureOutlastsItsTunnel: also a tunnel that is made anew is seen, until
// the capture stops; and only the one that is captured.
func TestCaptureOutlastsItsTunnel(t *testing.T) {
	pairOfSites(t, func(w, e *site) {
		e.set(tunnelTo("e", east, west, false))
		w.set(tunnelTo("w", west, east, true))
		synctest.Wait()
		var c counter
		stop, err := w.StartCapture("w", &c)
		if err != nil {
			t.Fatal(err)
		}
		if c.path.Remote.Addr() != east {
			t.Errorf("the path is %+v", c.path)
		}
		for _, id := range []ike.PeerID{"w", "other"} {
			if _, err := w.StartCapture(id, &counter{}); err == nil {
				t.Errorf("%s is captured", id)
			}
		}
		both(t, w, e)
		if inner, outer, _, _ := c.take(); inner != 6 || outer != 6 {
			t.Errorf("%d packets inside, %d outside", inner, outer)
		}

		elsewhere := tunnelTo("w", west, east, true)
		elsewhere.Place = "elsewhere"
		w.set(elsewhere)
		time.Sleep(5 * time.Second)
		both(t, w, e)
		if inner, outer, ike, events := c.take(); inner != 6 || outer < 6 || ike < 4 || events == 0 {
			t.Errorf("of the new tunnel: %d packets inside, %d outside, %d datagrams of IKE, %d events", inner, outer, ike, events)
		}

		stop()
		both(t, w, e)
		if inner, outer, ike, events := c.take(); inner+outer+ike+events != 0 {
			t.Errorf("after it has stopped: %d, %d, %d, %d", inner, outer, ike, events)
		}
		stop, err = w.StartCapture("w", &c)
		if err != nil {
			t.Fatal(err)
		}
		w.set()
		stop() // of a tunnel that is gone
	})
}

// TestRevealedKeysAreWiped: nobody but a capture has them.
func TestRevealedKeysAreWiped(t *testing.T) {
	pairOfSites(t, func(w, e *site) {
		w.set(tunnelTo("w", west, east, false))
		keys := ike.KeysRevealed{Ei: ike.Secret("ei"), Er: ike.Secret("er"), Ai: ike.Secret("ai"), Ar: ike.Secret("ar")}
		w.observe("w", keys)
		for _, k := range []ike.Secret{keys.Ei, keys.Er, keys.Ai, keys.Ar} {
			if slices.ContainsFunc(k, func(b byte) bool { return b != 0 }) {
				t.Error("a key is left")
			}
		}
	})
}
