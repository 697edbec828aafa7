package daemon

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"causeway.dev/ike"
)

// succeed hands over what stands at a host to another at the same address.
func (n *network) succeed(h *host, wait time.Duration, peers ...ike.Peer) *host {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), wait)
	defer cancel()
	kept, err := h.HandOver(ctx)
	if err != nil {
		n.t.Fatal(err)
	}
	<-h.ended
	if h.err != nil {
		n.t.Errorf("the loop ended with %v", h.err)
	}
	next := n.start(h.addr)
	h.mu.Lock()
	next.pairs = h.pairs
	h.mu.Unlock()
	n.resume(next, kept, peers...)
	return next
}

// resume has a host go on with what was kept, before anything arrives.
func (n *network) resume(h *host, kept []ike.Kept, peers ...ike.Peer) {
	n.t.Helper()
	n.mu.Lock()
	before := n.lose
	n.mu.Unlock()
	n.losing(func(netip.Addr, netip.Addr) bool { return true })
	defer n.losing(before)
	set(n.t, h, peers...)
	if err := h.Resume(kept); err != nil {
		n.t.Fatal(err)
	}
}

// What stands goes on in another daemon: nothing is negotiated, the peer notices
// nothing, and what is to be rekeyed is rekeyed.
func TestHandOver(t *testing.T) {
	for _, v := range []ike.Version{ike.IKEv2, ike.IKEv1} {
		t.Run(v.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				a, b := n.start(west), n.start(east)
				pa, pb := starting(a.peer("b", east)), b.peer("a", west)
				pa.Versions, pb.Versions = ike.VersionsOf(v), ike.VersionsOf(v)
				set(t, b, pb)
				set(t, a, pa)
				time.Sleep(time.Second)
				requireUp(t, a, "b", b, "a")
				b.told("a")
				child := *a.childOf("b")
				for range 3 {
					a = n.succeed(a, time.Second, pa)
					b = n.succeed(b, time.Second, pb)
				}
				time.Sleep(40 * time.Minute)
				requireUp(t, a, "b", b, "a")
				if a.childOf("b").Inbound != child.Inbound {
					t.Error("another pair stands")
				}
				for _, h := range []*host{a, b} {
					if story := append(h.told("a"), h.told("b")...); len(story) > 0 {
						t.Errorf("%v tells %q", h.addr, story)
					}
				}
				time.Sleep(5 * time.Hour)
				requireUp(t, a, "b", b, "a")
				if a.childOf("b").Inbound == child.Inbound {
					t.Error("nothing has been rekeyed")
				}
				for _, line := range append(a.told("b"), b.told("a")...) {
					if strings.HasPrefix(line, "Closed") || strings.HasPrefix(line, "Connecting") {
						t.Errorf("told %q", line)
					}
				}
			})
		})
	}
}

// An exchange under way is waited for, but not for longer than asked.
func TestHandOverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		a, b := n.start(west), n.start(east)
		pa := starting(a.peer("b", east))
		set(t, b, b.peer("a", west))
		set(t, a, pa)
		time.Sleep(time.Second)
		n.losing(func(netip.Addr, netip.Addr) bool { return true })
		if err := a.Command("b", ike.RekeyChild{}); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		old := a
		a = n.succeed(a, 2*time.Second, pa)
		if waited := time.Since(began); waited != 2*time.Second {
			t.Errorf("waited for %v", waited)
		}
		if err := old.SetPeer(pa); !errors.Is(err, ErrStopped) {
			t.Errorf("a daemon that has handed over takes a peer: %v", err)
		}
		before := *a.childOf("b")
		n.losing(nil)
		time.Sleep(20 * time.Second)
		requireUp(t, a, "b", b, "a")
		if a.childOf("b").Inbound == before.Inbound {
			t.Error("the rekey that was under way has come to nothing")
		}
		began = time.Now()
		n.succeed(a, time.Minute, pa)
		if waited := time.Since(began); waited > 0 {
			t.Errorf("waited for %v though nothing was under way", waited)
		}
	})
}

// A peer that is to be started is initiated as ever where nothing stood, and a
// configuration that has changed meanwhile is renegotiated.
func TestHandOverToAnotherConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		a, b := n.start(west), n.start(east)
		pa, pb := starting(a.peer("b", east)), b.peer("a", west)
		set(t, b, pb)
		set(t, a, pa)
		time.Sleep(time.Second)
		pa.ChildLifetime = 2 * time.Hour
		a = n.succeed(a, time.Second, pa)
		time.Sleep(10 * time.Second)
		requireUp(t, a, "b", b, "a")
		if c := a.childOf("b"); c.ExpiresAt.Sub(c.Established) != 2*time.Hour {
			t.Errorf("the pair that stands lives from %v to %v", c.Established, c.ExpiresAt)
		}
		pa.FormerKey, pa.FormerKeyUntil = pa.PreSharedKey, time.Now().Add(time.Hour)
		pa.PreSharedKey = ike.Secret("another")
		before := *a.childOf("b")
		a = n.succeed(a, time.Second, pa)
		time.Sleep(10 * time.Minute)
		if c := a.childOf("b"); c == nil || c.Inbound != before.Inbound {
			t.Error("a key that is still valid was renegotiated")
		}
	})
}

// One document that can't be resumed keeps no other from it, and says whose it is.
func TestResumeWhatIsBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		a, b := n.start(west), n.start(east)
		pa, pb := starting(a.peer("b", east)), b.peer("a", west)
		set(t, b, pb)
		set(t, a, pa)
		time.Sleep(time.Second)
		kept, err := a.HandOver(t.Context())
		if err != nil || len(kept) != 1 {
			t.Fatalf("%v, %v", kept, err)
		}
		next := n.start(west)
		next.pairs["b"] = []*ike.ChildSA{a.childOf("b")}
		n.losing(func(netip.Addr, netip.Addr) bool { return true })
		set(t, next, pa)
		unknown, broken := kept[0], kept[0]
		unknown.Peer, broken.State = "c", []byte("{}")
		err = next.Resume([]ike.Kept{unknown, broken, kept[0]})
		if !errors.Is(err, ErrUnknownPeer) || !strings.Contains(err.Error(), "IKEv2 with b") {
			t.Errorf("the error is %v", err)
		}
		n.losing(nil)
		time.Sleep(10 * time.Second)
		requireUp(t, next, "b", b, "a")
		for _, d := range kept[0].Farewell {
			b.Receive(d.Remote, d.Local, d.Payload) // of an id that next has used
		}
		time.Sleep(time.Second)
		if b.childOf("a") == nil {
			t.Error("a farewell that comes too late has ended what stands")
		}
		if _, err := next.HandOver(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := next.HandOver(t.Context()); !errors.Is(err, ErrStopped) {
			t.Errorf("handed over twice: %v", err)
		}
		if err := next.Resume(kept); !errors.Is(err, ErrStopped) {
			t.Errorf("a daemon that has handed over resumes: %v", err)
		}
	})
}

// An attempt that SetPeer has begun in the version that is preferred does not end what
// stands of the other.
func TestHandOverForgetsAttemptInOtherVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		a, b := n.start(west), n.start(east)
		pa, pb := starting(a.peer("b", east)), b.peer("a", west)
		pa.Versions = ike.VersionsOf(ike.IKEv1)
		set(t, b, pb)
		set(t, a, pa)
		time.Sleep(time.Second)
		pa.Versions = ike.VersionsOf(ike.IKEv1, ike.IKEv2)
		kept, err := a.HandOver(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for i := range kept {
			kept[i].Configuration = fingerprint(pa)
		}
		<-a.ended
		next := n.start(west)
		next.pairs["b"] = []*ike.ChildSA{a.childOf("b")}
		n.resume(next, kept, pa)
		time.Sleep(time.Minute)
		requireUp(t, next, "b", b, "a")
		if got := next.Status("b").Version; got != ike.IKEv1 || next.childOf("b").Inbound != a.childOf("b").Inbound {
			t.Errorf("%v stands, and another pair: %t", got, next.childOf("b").Inbound != a.childOf("b").Inbound)
		}
	})
}

// An identity of another type is another configuration, also where both read the same.
func TestFingerprintOfIdentities(t *testing.T) {
	var p, other ike.Peer
	p.LocalID = ike.Identity{Type: ike.IDFQDN, Data: "gateway"}
	other.LocalID = ike.Identity{Type: ike.IDKeyID, Data: "gateway"}
	if bytes.Equal(fingerprint(p), fingerprint(other)) {
		t.Error("they have the same fingerprint")
	}
}
