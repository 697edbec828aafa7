package ipsec

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"causeway.dev/ike"
)

var movedWest = netip.MustParseAddr("192.0.2.77")

// mobilePair is a tunnel from a gateway whose address may change, which begins, to one
// that knows it by its name.
func mobilePair(version ike.Version) (ours, theirs Tunnel) {
	ours, theirs = speaking(tunnelTo("w", west, east, true), version), tunnelToAny("e", version)
	ours.Peer.Mobile, ours.Peer.LocalID = true, ike.ParseIdentity("west.example")
	theirs.Peer.RemoteID = ours.Peer.LocalID
	return ours, theirs
}

// moved is a tunnel at another address of ours.
func moved(t Tunnel, to netip.Addr) Tunnel {
	t.Peer.Local = to
	return t
}

// A tunnel whose own address has changed goes on at another endpoint with the same
// device and SAs, there and back; IKE tells the peer. What is written meanwhile waits in
// the device.
func TestMove(t *testing.T) {
	pairOfSites(t, func(w, e *site) {
		w.another = movedWest
		ours, theirs := mobilePair(ike.IKEv2)
		e.set(theirs)
		w.set(ours)
		synctest.Wait()
		both(t, w, e)
		since, pairs := w.status("w").Since, slices.Clone(w.tunnels["w"].tracker.pairs)
		for _, to := range []netip.Addr{movedWest, west} {
			w.set(moved(ours, to))
			synctest.Wait()
			both(t, w, e)
			if got := e.status("e").Remote.Addr(); got != to {
				t.Errorf("the peer is heard from %v, want %v", got, to)
			}
			if got := w.status("w"); len(w.opened) != 1 || got.Since != since || !slices.Equal(w.tunnels["w"].tracker.pairs, pairs) {
				t.Errorf("at %v: devices %v, up since %v, pairs %v", to, w.opened, got.Since, w.tunnels["w"].tracker.pairs)
			}
			if _, only := w.endpoints[to]; !only || len(w.endpoints) != 1 {
				t.Errorf("at %v: %d endpoints are open", to, len(w.endpoints))
			}
		}
	})
}

// A tunnel that can't go to an address stays as it is, with an error, until the next
// Set.
func TestMoveToNowhere(t *testing.T) {
	pairOfSites(t, func(w, e *site) {
		ours, theirs := mobilePair(ike.IKEv2)
		e.set(theirs)
		w.set(ours)
		synctest.Wait()
		if err := w.Set([]Tunnel{moved(ours, movedWest)}); err == nil || !strings.Contains(err.Error(), "192.0.2.77 is not an address of ours") {
			t.Errorf("moved to an address that is not there: %v", err)
		}
		synctest.Wait()
		both(t, w, e)
		if _, stays := w.endpoints[west]; !stays || len(w.endpoints) != 1 {
			t.Errorf("%d endpoints are open", len(w.endpoints))
		}
		w.another = movedWest
		w.set(moved(ours, movedWest))
		synctest.Wait()
		both(t, w, e)
	})
}

// What IKE can't move, as all of IKEv1, begins anew at the other address.
func TestMoveBeginsAnew(t *testing.T) {
	pairOfSites(t, func(w, e *site) {
		w.another = movedWest
		ours, theirs := mobilePair(ike.IKEv1)
		e.set(theirs)
		w.set(ours)
		synctest.Wait()
		both(t, w, e)
		pairs := slices.Clone(w.tunnels["w"].tracker.pairs)
		w.set(moved(ours, movedWest))
		time.Sleep(time.Minute)
		synctest.Wait()
		both(t, w, e)
		if got := w.tunnels["w"].tracker.pairs; slices.Equal(got, pairs) || len(w.endpoints) != 1 {
			t.Errorf("pairs %v, %d endpoints", got, len(w.endpoints))
		}
	})
}

// A tunnel that is broken is made anew, also where its address changes.
func TestMoveOfABrokenTunnel(t *testing.T) {
	pairOfSites(t, func(w, e *site) {
		w.another = movedWest
		ours, theirs := mobilePair(ike.IKEv2)
		e.set(theirs)
		w.set(ours)
		synctest.Wait()
		w.breakDown(errors.New("gone"), func(*life) bool { return true })
		w.set(moved(ours, movedWest))
		time.Sleep(time.Minute)
		synctest.Wait()
		both(t, w, e)
		if len(w.opened) != 2 {
			t.Errorf("devices %v", w.opened)
		}
	})
}
