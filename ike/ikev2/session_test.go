package ikev2

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/enginetest"
	"causeway.dev/ike/wire"
	"causeway.dev/internal/simnet"
)

// lan delays so that packets overtake each other, and loses none.
var lan = simnet.Conditions{DelayMin: 5 * time.Millisecond, DelayMax: 10 * time.Millisecond}

// TestNegotiate: RFC 7296 section 1.2, with every algorithm that is built.
func TestNegotiate(t *testing.T) {
	for _, c := range []struct{ ike, esp string }{
		{"aes128-sha1-group2", "aes128-sha1-group2"},
		{"aes256-sha256-group14", "aes256-sha256-group14"},
		{"aes128-sha384-group19", "aes128-sha512-group19"},
		{"aes128gcm16-prfsha256-group19", "aes128gcm16-group20"},
		{"aes256gcm16-prfsha384-group20", "aes256gcm16"},
		{"aes256-sha512-group21", "aes256-sha384"},
	} {
		t.Run(c.ike+"/"+c.esp, func(t *testing.T) {
			w := newWorld(t, 1, lan, func(left, right *ike.Peer) {
				for _, p := range []*ike.Peer{left, right} {
					p.IKEProposals, p.ESPProposals = enginetest.IKE(t, c.ike), enginetest.ESP(t, c.esp)
				}
			})
			w.Connect()
			w.CheckSettled()
			for _, s := range []*side{w.Left, w.Right} {
				e, _ := enginetest.Last[ike.Established](s)
				want := ike.Path{Local: at(s.Addr, 500), Remote: at(s.Other.Addr, 500)}
				if e.Proposal.String() != c.ike || e.Path != want || e.RemoteID != ike.AddressIdentity(s.Other.Addr) {
					t.Errorf("%s: %+v", s.Name, e)
				}
				child, _ := enginetest.Last[ike.ChildInstalled](s)
				if !slices.Equal(child.Child.LocalSelectors, s.Peer.LocalSelectors) || !slices.Equal(child.Child.RemoteSelectors, s.Peer.RemoteSelectors) {
					t.Errorf("%s: selectors %v === %v", s.Name, child.Child.LocalSelectors, child.Child.RemoteSelectors)
				}
			}
			w.Left.Command(ike.RekeyChild{})
			w.Right.Command(ike.RekeyIKE{})
			w.Net.RunFor(20 * time.Second)
			w.CheckSettled()
		})
	}
}

// TestEncapsulation: RFC 7296 section 2.23. Who wants UDP gets it by faking a NAT.
func TestEncapsulation(t *testing.T) {
	for _, always := range []string{"left", "right", "both"} {
		w := newWorld(t, 1, lan, func(left, right *ike.Peer) {
			if always != "right" {
				left.Encapsulation = ike.EncapsulationAlways
			}
			if always != "left" {
				right.Encapsulation = ike.EncapsulationAlways
			}
		})
		w.Connect()
		w.CheckSettled()
		for _, s := range []*side{w.Left, w.Right} {
			c, _ := enginetest.Last[ike.ChildInstalled](s)
			if want := (ike.Path{Local: at(s.Addr, 4500), Remote: at(s.Other.Addr, 4500), UDP: true}); c.Child.Path != want {
				t.Errorf("always on %s: %s's path is %+v", always, s.Name, c.Child.Path)
			}
		}
	}
}

// TestNAT: a NAT before the initiator is found, and followed when it forgets its
// translations.
func TestNAT(t *testing.T) {
	public := netip.MustParseAddr("203.0.113.9")
	w := newWorld(t, 1, lan, func(_, right *ike.Peer) {
		right.Remote = netip.Addr{} // any
	})
	nat := w.Net.Translate(enginetest.LeftAddr, public)
	w.Connect()
	w.CheckSettled()
	if st := w.Left.Engine.Status("left"); !st.NAT.Local || st.NAT.Remote {
		t.Errorf("left sees %+v", st.NAT)
	}
	e, _ := enginetest.Last[ike.Established](w.Right)
	if !e.Path.UDP || e.Path.Remote.Addr() != public || e.Path.Local.Port() != 4500 {
		t.Fatalf("right's path is %+v", e.Path)
	}
	nat.Rebind()
	w.Net.RunFor(time.Minute)
	moved, times := enginetest.Last[ike.PathChanged](w.Right)
	if times != 1 || moved.Path.Remote == e.Path.Remote || moved.Path.Remote.Addr() != public {
		t.Fatalf("%d changes of path, to %+v", times, moved.Path)
	}
	for _, s := range []*side{w.Left, w.Right} {
		s.SendESP()
	}
	w.Net.RunFor(time.Second)
	if w.Left.Lost+w.Right.Lost != 0 || len(w.Right.Used) != 1 || len(w.Left.Used) != 1 {
		t.Fatalf("the moved path carries no packets\n%s", w.Net.Diagram())
	}
}

// TestRekeyLosesNothing: RFC 7296 sections 2.8 and 2.8.1 to 2.8.3: a packet a
// millisecond each way goes on through rekeys of both kinds by either side, and
// by both at any distance in time.
func TestRekeyLosesNothing(t *testing.T) {
	type start struct {
		name string
		do   func(w *world, apart time.Duration)
	}
	both := func(l, r ike.Command) func(*world, time.Duration) {
		return func(w *world, apart time.Duration) {
			w.Left.Command(l)
			w.Net.RunFor(apart)
			w.Right.Command(r)
		}
	}
	starts := []start{
		{"child by left", func(w *world, _ time.Duration) { w.Left.Command(ike.RekeyChild{}) }},
		{"child by right", func(w *world, _ time.Duration) { w.Right.Command(ike.RekeyChild{}) }},
		{"IKE by left", func(w *world, _ time.Duration) { w.Left.Command(ike.RekeyIKE{}) }},
		{"IKE by right", func(w *world, _ time.Duration) { w.Right.Command(ike.RekeyIKE{}) }},
		{"child by both", both(ike.RekeyChild{}, ike.RekeyChild{})},
		{"IKE by both", both(ike.RekeyIKE{}, ike.RekeyIKE{})},
		{"child by left, IKE by right", both(ike.RekeyChild{}, ike.RekeyIKE{})},
		{"IKE by left, child by right", both(ike.RekeyIKE{}, ike.RekeyChild{})},
	}
	for _, s := range starts {
		t.Run(s.name, func(t *testing.T) {
			for seed := range uint64(25) {
				w := newWorld(t, seed, lan, nil)
				w.Connect()
				before := w.Left.Active
				ikeBefore := w.Left.Engine.standing("left", nil).current
				w.Left.Unsendable, w.Right.Unsendable = 0, 0
				w.Traffic(time.Millisecond, w.Net.Now().Add(300*time.Millisecond))
				s.do(w, time.Duration(seed)*time.Millisecond)
				w.Net.RunFor(30 * time.Second)
				w.CheckSettled()
				if lost := w.Left.Lost + w.Right.Lost + w.Left.Unsendable + w.Right.Unsendable; lost != 0 {
					w.Left.Fatalf("%d packets lost", lost)
				}
				if strings.Contains(s.name, "child") && w.Left.Active == before {
					w.Left.Fatalf("the child SA was not rekeyed")
				}
				if strings.Contains(s.name, "IKE") && w.Left.Engine.standing("left", nil).current == ikeBefore {
					w.Left.Fatalf("the IKE SA was not rekeyed")
				}
				w.Net.RunFor(2 * time.Minute)
				for _, s := range []*side{w.Left, w.Right} {
					if n := len(s.Engine.standing(s.Peer.ID, nil).sas); n != 1 {
						s.Fatalf("%d IKE SAs are left", n)
					}
				}
			}
		})
	}
}

// TestLifetimes: without a command, rekeys keep the tunnel up for a day, and every
// pair is replaced in time.
func TestLifetimes(t *testing.T) {
	w := newWorld(t, 1, lan, nil)
	w.Connect()
	w.Net.RunFor(24 * time.Hour)
	w.CheckSettled()
	_, children := enginetest.Last[ike.ChildInstalled](w.Left)
	_, closed := enginetest.Last[ike.Closed](w.Left)
	rekeyed := 0
	for _, e := range w.Left.Events {
		if e, ok := e.(ike.Established); ok && e.Rekeyed {
			rekeyed++
		}
	}
	// An hour less 270 to 540 s, and eight hours less the same.
	if children < 25 || children > 29 || rekeyed != 3 || closed != 0 {
		t.Fatalf("%d child SAs, %d rekeys of the IKE SA, closed %d times", children, rekeyed, closed)
	}
}

// TestHardExpiry: a child SA that the peer refuses to rekey ends with its
// lifetime, and the operator is told why.
func TestHardExpiry(t *testing.T) {
	w := newWorld(t, 1, lan, func(left, right *ike.Peer) {
		right.ESPProposals = enginetest.ESP(t, "aes128gcm16-group20")
		right.ChildLifetime = 2 * time.Hour // so that left rekeys
	})
	w.Connect()
	w.CheckSettled() // the first child SA needs no group
	w.Net.RunFor(70 * time.Minute)
	failed, _ := enginetest.Last[ike.NegotiationFailed](w.Right)
	if want := "no common proposal for the child SA: the peer offers AES-128-GCM-16/group 19, this tunnel accepts AES-128-GCM-16/group 20"; failed.Reason != want {
		t.Errorf("right says %q", failed.Reason)
	}
	failed, _ = enginetest.Last[ike.NegotiationFailed](w.Left)
	if want := "the peer accepts no proposal for the child SA that this tunnel offers (NO_PROPOSAL_CHOSEN); this tunnel offers AES-128-GCM-16/group 19"; failed.Reason != want {
		t.Errorf("left says %q", failed.Reason)
	}
	if closed, times := enginetest.Last[ike.Closed](w.Left); times != 1 || len(w.Left.Children)+len(w.Right.Children) != 0 {
		t.Errorf("closed %d times, %q; %d and %d child SAs", times, closed.Reason, len(w.Left.Children), len(w.Right.Children))
	}
}

// TestReasons: what an operator is told on either side.
func TestReasons(t *testing.T) {
	for _, c := range []struct {
		name        string
		configure   func(left, right *ike.Peer)
		left, right string
	}{
		{"key", func(_, right *ike.Peer) { right.PreSharedKey = ike.Secret("other") },
			"the peer refused our authentication (AUTHENTICATION_FAILED): pre-shared key mismatch, or it does not know our identity",
			"pre-shared key mismatch: the peer's proof does not fit this tunnel's key"},
		{"IKE proposal", func(left, right *ike.Peer) {
			left.IKEProposals = enginetest.IKE(t, "aes256-sha384-group15", "aes128-sha384-group15")
			right.IKEProposals = enginetest.IKE(t, "aes128-sha1-group2")
		},
			"the peer accepts no proposal for the IKE SA that this tunnel offers (NO_PROPOSAL_CHOSEN); this tunnel offers AES-256 or AES-128/SHA-384/group 15",
			"no common proposal for the IKE SA: the peer offers AES-256 or AES-128/SHA-384/group 15, this tunnel accepts AES-128/SHA-1/group 2"},
		{"ESP proposal", func(_, right *ike.Peer) { right.ESPProposals = enginetest.ESP(t, "aes256-sha256-group14") },
			"the peer accepts no proposal for the child SA that this tunnel offers (NO_PROPOSAL_CHOSEN); this tunnel offers AES-128-GCM-16",
			"no common proposal for the child SA: the peer offers AES-128-GCM-16, this tunnel accepts AES-256/SHA-256"},
		{"selectors", func(_, right *ike.Peer) {
			right.RemoteSelectors = []netip.Prefix{netip.MustParsePrefix("172.16.0.0/12")}
		},
			"the peer does not accept this tunnel's traffic selectors 192.168.0.0/16 === 10.0.0.0/16 (ours first; TS_UNACCEPTABLE)",
			"the peer's traffic selectors 192.168.0.0/16 === 10.0.0.0/16 do not fit this tunnel's 172.16.0.0/12 === 10.0.0.0/16 (the peer's side first)"},
		{"identity of the initiator", func(_, right *ike.Peer) { right.RemoteID = ike.Identity{Type: ike.IDFQDN, Data: "site.example"} },
			"the peer refused our authentication (AUTHENTICATION_FAILED): pre-shared key mismatch, or it does not know our identity",
			`the peer identifies itself as "192.0.2.1", this tunnel expects "site.example"`},
		{"identity of the responder", func(left, _ *ike.Peer) { left.RemoteID = ike.Identity{Type: ike.IDFQDN, Data: "vpn.example"} },
			"the peer refused our authentication (AUTHENTICATION_FAILED): pre-shared key mismatch, or it does not know our identity",
			`no tunnel is configured for a peer that identifies itself as "192.0.2.1" and calls us "vpn.example"`},
		{"blocked port", func(left, _ *ike.Peer) { left.Encapsulation = ike.EncapsulationAlways },
			"the peer 198.51.100.1 answered IKE_SA_INIT but none of 7 IKE_AUTH requests to UDP port 4500: is that port open, and does the peer know our address?",
			"the peer 192.0.2.1 began a negotiation but no IKE_AUTH request has come: do our answers reach it, and is UDP 4500 open between us?"},
		{"silence", func(left, _ *ike.Peer) { left.Remote = netip.MustParseAddr("203.0.113.77") },
			"no packet from 203.0.113.77 has arrived: IKE_SA_INIT was sent to UDP port 500 7 times in 30s; is the peer up, and are UDP 500 and 4500 open?",
			""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 1, lan, c.configure)
			w.Right.Deaf = c.name == "blocked port"
			w.Connect()
			w.Net.RunFor(time.Minute)
			left, times := enginetest.Last[ike.NegotiationFailed](w.Left)
			if left.Reason != c.left || times != 1 {
				t.Errorf("left says %d times\n %q, want\n %q", times, left.Reason, c.left)
			}
			right, _ := enginetest.Last[ike.NegotiationFailed](w.Right)
			if right.Reason != c.right {
				t.Errorf("right says\n %q, want\n %q", right.Reason, c.right)
			}
			checkNone(w)
		})
	}
}

// TestInvalidKE: RFC 7296 section 1.2: the group of the first guess is not the
// responder's.
func TestInvalidKE(t *testing.T) {
	w := newWorld(t, 1, lan, func(left, right *ike.Peer) {
		left.IKEProposals = enginetest.IKE(t, "aes128-sha256-group20", "aes128-sha256-group19")
		right.IKEProposals = enginetest.IKE(t, "aes128-sha256-group19")
		left.ESPProposals = enginetest.ESP(t, "aes128gcm16-group20", "aes128gcm16-group19")
		right.ESPProposals = enginetest.ESP(t, "aes128gcm16-group19")
	})
	w.Connect()
	w.CheckSettled()
	w.Left.Command(ike.RekeyChild{})
	w.Net.RunFor(20 * time.Second)
	w.CheckSettled()
	c, times := enginetest.Last[ike.ChildInstalled](w.Left)
	if times != 2 || c.Child.Proposal.Group != ike.Group19 {
		t.Fatalf("%d child SAs, the last by %v", times, c.Child.Proposal)
	}
}

// TestDeadPeer: RFC 7296 section 2.4, and what follows by configuration.
func TestDeadPeer(t *testing.T) {
	cut := func(t *testing.T, action ike.DPDAction) *world {
		w := newWorld(t, 1, lan, func(left, _ *ike.Peer) { left.DPDAction = action })
		w.Connect()
		w.Net.Conditions.Loss = 1
		return w
	}
	t.Run("clear", func(t *testing.T) {
		w := cut(t, ike.DPDClear)
		w.Net.RunFor(28 * time.Second)
		if len(w.Left.Children) != 1 {
			t.Fatal("closed before the timeout of 30 s")
		}
		w.Net.RunFor(5 * time.Second)
		closed, times := enginetest.Last[ike.Closed](w.Left)
		if times != 1 || closed.Reason != "the peer is dead: it has not answered for 30s" {
			t.Fatalf("closed %d times: %q", times, closed.Reason)
		}
		w.Net.RunFor(time.Minute)
		checkNone(w)
	})
	t.Run("none", func(t *testing.T) {
		w := cut(t, ike.DPDNone)
		w.Net.RunFor(20 * time.Second)
		w.Net.Conditions.Loss = 0
		w.Net.RunFor(20 * time.Second)
		w.CheckSettled()
		w.Net.Conditions.Loss = 1
		w.Net.RunFor(time.Hour / 2)
		if len(w.Left.Children) != 1 {
			t.Fatal("closed")
		}
	})
	t.Run("restart", func(t *testing.T) {
		w := cut(t, ike.DPDRestart)
		w.Net.RunFor(40 * time.Second)
		w.Net.Conditions.Loss = 0
		w.Net.RunFor(20 * time.Second)
		w.CheckSettled()
	})
	t.Run("ESP is a sign of life", func(t *testing.T) {
		w := newWorld(t, 1, lan, nil)
		w.Connect()
		sent := w.Left.Engine.standing("left", nil).current.nextID
		w.Traffic(time.Second, w.Net.Now().Add(time.Hour/4))
		w.Net.RunFor(time.Hour / 4)
		if now := w.Left.Engine.standing("left", nil).current.nextID; now != sent {
			t.Fatalf("%d liveness checks in spite of traffic", now-sent)
		}
	})
	t.Run("one side's question is enough", func(t *testing.T) {
		w := newWorld(t, 1, lan, nil)
		w.Connect()
		left, right := w.Left.Engine.standing("left", nil).current, w.Right.Engine.standing("right", nil).current
		asked, alsoAsked := left.nextID, right.nextID
		w.Net.RunFor(5 * time.Minute)
		if n := left.nextID - asked; n < 28 || n > 30 {
			t.Errorf("the side that began asks %d times in 5 minutes of silence", n)
		}
		if n := right.nextID - alsoAsked; n != 0 {
			t.Errorf("the other asks %d times as well", n)
		}
	})
}

// TestInitialContact: RFC 7296 section 2.4: a peer that comes back after a crash
// replaces what it has forgotten at once.
func TestInitialContact(t *testing.T) {
	for _, crashed := range []string{"left", "right"} {
		w := newWorld(t, 1, lan, nil)
		w.Connect()
		s := w.Left
		if crashed == "right" {
			s = w.Right
		}
		s.Restart(99)
		s.Command(ike.Initiate{})
		w.Net.RunFor(time.Second)
		w.CheckSettled()
		removed, times := enginetest.Last[ike.ChildRemoved](s.Other)
		_, closed := enginetest.Last[ike.Closed](s.Other)
		if times != 1 || removed.Reason != reasonReplaced || closed != 0 {
			t.Fatalf("%s crashed: %d removed, %q, %d closed", crashed, times, removed.Reason, closed)
		}
	}
}

// TestCrossingAttempts: both sides initiate at once and end up with one session.
func TestCrossingAttempts(t *testing.T) {
	for seed := range uint64(40) {
		w := newWorld(t, seed, lan, nil)
		w.Left.Command(ike.Initiate{})
		w.Net.RunFor(time.Duration(seed) * time.Millisecond)
		w.Right.Command(ike.Initiate{})
		w.Net.RunFor(time.Minute)
		w.CheckSettled()
		for _, s := range []*side{w.Left, w.Right} {
			if _, closed := enginetest.Last[ike.Closed](s); closed != 0 || s.Engine.Sessions() != 1 {
				s.Fatalf("closed %d times, %d sessions", closed, s.Engine.Sessions())
			}
		}
	}
}

// TestTerminate: the peer learns of it, and what retransmission needs goes too.
func TestTerminate(t *testing.T) {
	w := newWorld(t, 1, lan, nil)
	w.Connect()
	w.Left.Command(ike.Terminate{Reason: "asked for"})
	if !w.Left.Engine.Closing() {
		t.Error("no DELETE under way")
	}
	w.Net.RunFor(time.Second)
	left, _ := enginetest.Last[ike.Closed](w.Left)
	right, _ := enginetest.Last[ike.Closed](w.Right)
	if left.Reason != "asked for" || right.Reason != reasonPeerDeleted || w.Left.Engine.Closing() {
		t.Fatalf("closed: %q, %q", left.Reason, right.Reason)
	}
	w.Net.RunFor(time.Minute)
	checkNone(w)
}

// TestSecretsDoNotPrint: an event may be logged in any way.
func TestSecretsDoNotPrint(t *testing.T) {
	w := newWorld(t, 1, lan, nil)
	w.Connect()
	for _, e := range w.Left.Events {
		c, ok := e.(ike.ChildInstalled)
		if !ok {
			continue
		}
		for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
			text := fmt.Sprintf(format, c)
			for _, key := range []ike.Secret{c.Child.InboundKey, c.Child.OutboundKey} {
				if strings.Contains(text, string(key)) || strings.Contains(text, fmt.Sprintf("%x", []byte(key))) || strings.Contains(text, strings.Trim(fmt.Sprint([]byte(key)), "[]")) {
					t.Errorf("%s shows a key: %s", format, text)
				}
			}
		}
	}
	if text := fmt.Sprintf("%+v", w.Left.Peer); strings.Contains(text, string(enginetest.Key)) {
		t.Errorf("the pre-shared key is shown: %s", text)
	}
}

// ask sends a request of a test's own making and returns the answer.
type ask struct {
	exchange wire.ExchangeType
	payloads []wire.Payload
	answer   *parts
}

func (a *ask) build(*session, *ikeSA, time.Time) (wire.ExchangeType, []wire.Payload, bool) {
	return a.exchange, a.payloads, true
}
func (a *ask) process(_ *session, _ *ikeSA, _ time.Time, m parts) { a.answer = &m }
func (a *ask) release(*Gate)                                      {}

// request makes the left side send payloads of a test's own making.
func request(w *world, exchange wire.ExchangeType, payloads ...wire.Payload) parts {
	w.T.Helper()
	a := &ask{exchange: exchange, payloads: payloads}
	s := w.Left.Engine.standing("left", nil)
	s.enqueue(a)
	s.pump(w.Net.Now())
	w.Left.Engine.touch(s)
	w.Left.Flush()
	w.Net.RunFor(time.Second)
	if a.answer == nil {
		w.Left.Fatalf("no answer")
	}
	return *a.answer
}

// TestRefusals: what a responder answers to requests that it can't grant.
func TestRefusals(t *testing.T) {
	newChild := func(w *world) []wire.Payload {
		p := &w.Left.Peer
		dh := w.Left.Engine.newDH(ike.Group19)
		return []wire.Payload{
			offerESP(p.ESPProposals, true, 0x1234567), &wire.Nonce{Data: make([]byte, 32)},
			&wire.KE{Group: ike.Group19, Data: dh.Public()},
			offerSelectors(wire.PayloadTSi, p.LocalSelectors), offerSelectors(wire.PayloadTSr, p.RemoteSelectors),
		}
	}
	rekey := func(spi ike.SPI, w *world) []wire.Payload {
		return append([]wire.Payload{&wire.Notify{Type: wire.RekeySA, Protocol: wire.ProtocolESP, SPI: spiOctets(spi)}}, newChild(w)...)
	}
	for _, c := range []struct {
		name     string
		exchange wire.ExchangeType
		payloads func(w *world) []wire.Payload
		want     wire.NotifyType
	}{
		{"a second child SA", wire.CreateChildSA, newChild, wire.NoAdditionalSAs},
		{"rekey of an unknown child SA", wire.CreateChildSA, func(w *world) []wire.Payload { return rekey(0xbad, w) }, wire.ChildSANotFound},
		{"rekey of a child SA that we delete", wire.CreateChildSA, func(w *world) []wire.Payload {
			c := w.Right.Engine.standing("right", nil).children[0]
			c.state = childReplaced
			return rekey(c.out, w)
		}, wire.TemporaryFailure},
		{"rekey of a child SA while we rekey the IKE SA", wire.CreateChildSA, func(w *world) []wire.Payload {
			s := w.Right.Engine.standing("right", nil)
			s.rekeyIKENow()
			s.start(w.Net.Now(), s.current, s.queue[0])
			return rekey(s.children[0].out, w)
		}, wire.TemporaryFailure},
		{"rekey of the IKE SA while we rekey a child SA", wire.CreateChildSA, func(w *world) []wire.Payload {
			s := w.Right.Engine.standing("right", nil)
			s.start(w.Net.Now(), s.current, &createChild{old: s.active, keyPair: keyPair{group: ike.Group19}})
			dh := w.Left.Engine.newDH(ike.Group19)
			return []wire.Payload{offerIKE(w.Left.Peer.IKEProposals, make([]byte, 8)), &wire.Nonce{Data: make([]byte, 32)}, &wire.KE{Group: ike.Group19, Data: dh.Public()}}
		}, wire.TemporaryFailure},
		{"another group", wire.CreateChildSA, func(w *world) []wire.Payload {
			out := w.Right.Engine.standing("right", nil).children[0].out
			payloads := rekey(out, w)
			payloads[3] = &wire.KE{Group: ike.Group20, Data: make([]byte, 96)}
			return payloads
		}, wire.InvalidKEPayload},
		{"a public value that is no point", wire.CreateChildSA, func(w *world) []wire.Payload {
			out := w.Right.Engine.standing("right", nil).children[0].out
			payloads := rekey(out, w)
			payloads[3] = &wire.KE{Group: ike.Group19, Data: make([]byte, 64)}
			return payloads
		}, wire.InvalidSyntax},
		{"no SA payload", wire.CreateChildSA, func(*world) []wire.Payload { return nil }, wire.InvalidSyntax},
		{"an unknown critical payload", wire.Informational, func(*world) []wire.Payload {
			return []wire.Payload{&wire.Raw{Type: 200, Critical: true}}
		}, wire.UnsupportedCriticalPayload},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 1, lan, nil)
			w.Connect()
			m := request(w, c.exchange, c.payloads(w)...)
			if n := m.failure(); n == nil || n.Type != c.want {
				t.Fatalf("answered with %v, want %v", n, c.want)
			}
			w.Net.RunFor(10 * time.Second)
			if _, closed := enginetest.Last[ike.Closed](w.Right); closed != 0 || len(w.Right.Children) != 1 {
				t.Fatalf("closed %d times, %d child SAs", closed, len(w.Right.Children))
			}
		})
	}
}

// TestResponderIsAnImpostor: an initiator that does not accept the responder's
// proof tells it so, RFC 7296 section 2.21.2.
func TestResponderIsAnImpostor(t *testing.T) {
	w := newWorld(t, 1, lan, func(left, _ *ike.Peer) { left.LocalID = ike.Identity{Type: ike.IDFQDN, Data: "site.example"} })
	// The responder's identity is not what it is expected to be, yet it takes
	// any name for itself.
	w.Left.Peer.RemoteID = ike.AddressIdentity(enginetest.RightAddr)
	w.Right.Peer.LocalID = ike.Identity{Type: ike.IDFQDN, Data: "impostor.example"}
	for _, s := range []*side{w.Left, w.Right} {
		if err := s.Engine.SetPeer(s.Peer); err != nil {
			t.Fatal(err)
		}
	}
	w.Left.Command(ike.Initiate{})
	half := func() *session { return w.Left.Engine.peers["left"].sessions[0] }
	p := *half().peer
	p.RemoteID = ike.Identity{} // so that the request names nobody
	half().peer = &p
	w.Net.RunFor(19 * time.Millisecond) // IKE_AUTH is on its way
	half().peer = &w.Left.Peer
	w.Net.RunFor(time.Minute)
	failed, _ := enginetest.Last[ike.NegotiationFailed](w.Left)
	if want := `the peer identifies itself as "impostor.example", this tunnel expects "198.51.100.1"`; failed.Reason != want {
		t.Errorf("left says %q", failed.Reason)
	}
	closed, _ := enginetest.Last[ike.Closed](w.Right)
	if want := "the peer deleted the IKE SA and says AUTHENTICATION_FAILED"; closed.Reason != want {
		t.Errorf("right says %q", closed.Reason)
	}
	checkNone(w)
}

// TestMalformedInside: RFC 7296 section 2.21.3: an authentic message that is
// malformed ends the IKE SA, after its answer.
func TestMalformedInside(t *testing.T) {
	w := newWorld(t, 1, lan, nil)
	w.Connect()
	m := request(w, wire.Informational, &wire.Raw{Type: wire.PayloadNonce, Body: []byte("short")})
	if n := m.failure(); n == nil || n.Type != wire.InvalidSyntax {
		t.Fatalf("answered with %v", n)
	}
	closed, times := enginetest.Last[ike.Closed](w.Right)
	if times != 1 || !strings.HasPrefix(closed.Reason, "the peer sent a malformed message") {
		t.Fatalf("closed %d times: %q", times, closed.Reason)
	}
}

// TestChildLost: RFC 7296 section 2.25: a child SA that the peer has lost is made
// anew.
func TestChildLost(t *testing.T) {
	w := newWorld(t, 1, lan, nil)
	w.Connect()
	s := w.Right.Engine.standing("right", nil)
	s.removeChild(s.children[0], "lost by accident")
	w.Right.Flush()
	w.Left.Command(ike.RekeyChild{})
	w.Net.RunFor(10 * time.Second)
	w.CheckSettled()
	if _, established := enginetest.Last[ike.Established](w.Left); established != 1 {
		t.Fatalf("%d IKE SAs", established)
	}
}
