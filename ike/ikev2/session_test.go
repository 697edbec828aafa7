package ikev2

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway.dev/ike"
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
					p.IKEProposals, p.ESPProposals = ikeProposals(t, c.ike), espProposals(t, c.esp)
				}
			})
			w.connect()
			w.checkSettled()
			for _, s := range []*side{w.left, w.right} {
				e, _ := lastEvent[ike.Established](s)
				want := ike.Path{Local: at(s.addr, 500), Remote: at(s.other.addr, 500)}
				if e.Proposal.String() != c.ike || e.Path != want || e.RemoteID != ike.AddressIdentity(s.other.addr) {
					t.Errorf("%s: %+v", s.name, e)
				}
				child, _ := lastEvent[ike.ChildInstalled](s)
				if !slices.Equal(child.Child.LocalSelectors, s.peer.LocalSelectors) || !slices.Equal(child.Child.RemoteSelectors, s.peer.RemoteSelectors) {
					t.Errorf("%s: selectors %v === %v", s.name, child.Child.LocalSelectors, child.Child.RemoteSelectors)
				}
			}
			w.left.command(ike.RekeyChild{})
			w.right.command(ike.RekeyIKE{})
			w.net.RunFor(20 * time.Second)
			w.checkSettled()
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
		w.connect()
		w.checkSettled()
		for _, s := range []*side{w.left, w.right} {
			c, _ := lastEvent[ike.ChildInstalled](s)
			if want := (ike.Path{Local: at(s.addr, 4500), Remote: at(s.other.addr, 4500), UDP: true}); c.Child.Path != want {
				t.Errorf("always on %s: %s's path is %+v", always, s.name, c.Child.Path)
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
	nat := w.net.Translate(leftAddr, public)
	w.connect()
	w.checkSettled()
	if st := w.left.gate.Status("left"); !st.NAT.Local || st.NAT.Remote {
		t.Errorf("left sees %+v", st.NAT)
	}
	e, _ := lastEvent[ike.Established](w.right)
	if !e.Path.UDP || e.Path.Remote.Addr() != public || e.Path.Local.Port() != 4500 {
		t.Fatalf("right's path is %+v", e.Path)
	}
	nat.Rebind()
	w.net.RunFor(time.Minute)
	moved, times := lastEvent[ike.PathChanged](w.right)
	if times != 1 || moved.Path.Remote == e.Path.Remote || moved.Path.Remote.Addr() != public {
		t.Fatalf("%d changes of path, to %+v", times, moved.Path)
	}
	for _, s := range []*side{w.left, w.right} {
		s.sendESP()
	}
	w.net.RunFor(time.Second)
	if w.left.lost+w.right.lost != 0 || len(w.right.used) != 1 || len(w.left.used) != 1 {
		t.Fatalf("the moved path carries no packets\n%s", w.net.Diagram())
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
			w.left.command(l)
			w.net.RunFor(apart)
			w.right.command(r)
		}
	}
	starts := []start{
		{"child by left", func(w *world, _ time.Duration) { w.left.command(ike.RekeyChild{}) }},
		{"child by right", func(w *world, _ time.Duration) { w.right.command(ike.RekeyChild{}) }},
		{"IKE by left", func(w *world, _ time.Duration) { w.left.command(ike.RekeyIKE{}) }},
		{"IKE by right", func(w *world, _ time.Duration) { w.right.command(ike.RekeyIKE{}) }},
		{"child by both", both(ike.RekeyChild{}, ike.RekeyChild{})},
		{"IKE by both", both(ike.RekeyIKE{}, ike.RekeyIKE{})},
		{"child by left, IKE by right", both(ike.RekeyChild{}, ike.RekeyIKE{})},
		{"IKE by left, child by right", both(ike.RekeyIKE{}, ike.RekeyChild{})},
	}
	for _, s := range starts {
		t.Run(s.name, func(t *testing.T) {
			for seed := range uint64(25) {
				w := newWorld(t, seed, lan, nil)
				w.connect()
				before := w.left.active
				ikeBefore := w.left.gate.standing("left", nil).current
				w.left.unsendable, w.right.unsendable = 0, 0
				w.traffic(time.Millisecond, w.net.Now().Add(300*time.Millisecond))
				s.do(w, time.Duration(seed)*time.Millisecond)
				w.net.RunFor(30 * time.Second)
				w.checkSettled()
				if lost := w.left.lost + w.right.lost + w.left.unsendable + w.right.unsendable; lost != 0 {
					w.left.fatalf("%d packets lost", lost)
				}
				if strings.Contains(s.name, "child") && w.left.active == before {
					w.left.fatalf("the child SA was not rekeyed")
				}
				if strings.Contains(s.name, "IKE") && w.left.gate.standing("left", nil).current == ikeBefore {
					w.left.fatalf("the IKE SA was not rekeyed")
				}
				w.net.RunFor(2 * time.Minute)
				for _, s := range []*side{w.left, w.right} {
					if n := len(s.gate.standing(s.peer.ID, nil).sas); n != 1 {
						s.fatalf("%d IKE SAs are left", n)
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
	w.connect()
	w.net.RunFor(24 * time.Hour)
	w.checkSettled()
	_, children := lastEvent[ike.ChildInstalled](w.left)
	_, closed := lastEvent[ike.Closed](w.left)
	rekeyed := 0
	for _, e := range w.left.events {
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
		right.ESPProposals = espProposals(t, "aes128gcm16-group20")
		right.ChildLifetime = 2 * time.Hour // so that left rekeys
	})
	w.connect()
	w.checkSettled() // the first child SA needs no group
	w.net.RunFor(70 * time.Minute)
	failed, _ := lastEvent[ike.NegotiationFailed](w.right)
	if want := "no common proposal for the child SA: the peer offers AES-128-GCM-16/group 19, this tunnel accepts AES-128-GCM-16/group 20"; failed.Reason != want {
		t.Errorf("right says %q", failed.Reason)
	}
	failed, _ = lastEvent[ike.NegotiationFailed](w.left)
	if want := "the peer accepts no proposal for the child SA that this tunnel offers (NO_PROPOSAL_CHOSEN); this tunnel offers AES-128-GCM-16/group 19"; failed.Reason != want {
		t.Errorf("left says %q", failed.Reason)
	}
	if closed, times := lastEvent[ike.Closed](w.left); times != 1 || len(w.left.children)+len(w.right.children) != 0 {
		t.Errorf("closed %d times, %q; %d and %d child SAs", times, closed.Reason, len(w.left.children), len(w.right.children))
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
			left.IKEProposals = ikeProposals(t, "aes256-sha384-group15", "aes128-sha384-group15")
			right.IKEProposals = ikeProposals(t, "aes128-sha1-group2")
		},
			"the peer accepts no proposal for the IKE SA that this tunnel offers (NO_PROPOSAL_CHOSEN); this tunnel offers AES-256 or AES-128/SHA-384/group 15",
			"no common proposal for the IKE SA: the peer offers AES-256 or AES-128/SHA-384/group 15, this tunnel accepts AES-128/SHA-1/group 2"},
		{"ESP proposal", func(_, right *ike.Peer) { right.ESPProposals = espProposals(t, "aes256-sha256-group14") },
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
			w.right.deaf = c.name == "blocked port"
			w.connect()
			w.net.RunFor(time.Minute)
			left, times := lastEvent[ike.NegotiationFailed](w.left)
			if left.Reason != c.left || times != 1 {
				t.Errorf("left says %d times\n %q, want\n %q", times, left.Reason, c.left)
			}
			right, _ := lastEvent[ike.NegotiationFailed](w.right)
			if right.Reason != c.right {
				t.Errorf("right says\n %q, want\n %q", right.Reason, c.right)
			}
			w.checkNone()
		})
	}
}

// TestInvalidKE: RFC 7296 section 1.2: the group of the first guess is not the
// responder's.
func TestInvalidKE(t *testing.T) {
	w := newWorld(t, 1, lan, func(left, right *ike.Peer) {
		left.IKEProposals = ikeProposals(t, "aes128-sha256-group20", "aes128-sha256-group19")
		right.IKEProposals = ikeProposals(t, "aes128-sha256-group19")
		left.ESPProposals = espProposals(t, "aes128gcm16-group20", "aes128gcm16-group19")
		right.ESPProposals = espProposals(t, "aes128gcm16-group19")
	})
	w.connect()
	w.checkSettled()
	w.left.command(ike.RekeyChild{})
	w.net.RunFor(20 * time.Second)
	w.checkSettled()
	c, times := lastEvent[ike.ChildInstalled](w.left)
	if times != 2 || c.Child.Proposal.Group != ike.Group19 {
		t.Fatalf("%d child SAs, the last by %v", times, c.Child.Proposal)
	}
}

// TestDeadPeer: RFC 7296 section 2.4, and what follows by configuration.
func TestDeadPeer(t *testing.T) {
	cut := func(t *testing.T, action ike.DPDAction) *world {
		w := newWorld(t, 1, lan, func(left, _ *ike.Peer) { left.DPDAction = action })
		w.connect()
		w.net.Conditions.Loss = 1
		return w
	}
	t.Run("clear", func(t *testing.T) {
		w := cut(t, ike.DPDClear)
		w.net.RunFor(28 * time.Second)
		if len(w.left.children) != 1 {
			t.Fatal("closed before the timeout of 30 s")
		}
		w.net.RunFor(5 * time.Second)
		closed, times := lastEvent[ike.Closed](w.left)
		if times != 1 || closed.Reason != "the peer is dead: it has not answered for 30s" {
			t.Fatalf("closed %d times: %q", times, closed.Reason)
		}
		w.net.RunFor(time.Minute)
		w.checkNone()
	})
	t.Run("none", func(t *testing.T) {
		w := cut(t, ike.DPDNone)
		w.net.RunFor(20 * time.Second)
		w.net.Conditions.Loss = 0
		w.net.RunFor(20 * time.Second)
		w.checkSettled()
		w.net.Conditions.Loss = 1
		w.net.RunFor(time.Hour / 2)
		if len(w.left.children) != 1 {
			t.Fatal("closed")
		}
	})
	t.Run("restart", func(t *testing.T) {
		w := cut(t, ike.DPDRestart)
		w.net.RunFor(40 * time.Second)
		w.net.Conditions.Loss = 0
		w.net.RunFor(20 * time.Second)
		w.checkSettled()
	})
	t.Run("ESP is a sign of life", func(t *testing.T) {
		w := newWorld(t, 1, lan, nil)
		w.connect()
		sent := w.left.gate.standing("left", nil).current.nextID
		w.traffic(time.Second, w.net.Now().Add(time.Hour/4))
		w.net.RunFor(time.Hour / 4)
		if now := w.left.gate.standing("left", nil).current.nextID; now != sent {
			t.Fatalf("%d liveness checks in spite of traffic", now-sent)
		}
	})
	t.Run("one side's question is enough", func(t *testing.T) {
		w := newWorld(t, 1, lan, nil)
		w.connect()
		left, right := w.left.gate.standing("left", nil).current, w.right.gate.standing("right", nil).current
		asked, alsoAsked := left.nextID, right.nextID
		w.net.RunFor(5 * time.Minute)
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
		w.connect()
		s := w.left
		if crashed == "right" {
			s = w.right
		}
		s.restart(99)
		s.command(ike.Initiate{})
		w.net.RunFor(time.Second)
		w.checkSettled()
		removed, times := lastEvent[ike.ChildRemoved](s.other)
		_, closed := lastEvent[ike.Closed](s.other)
		if times != 1 || removed.Reason != reasonReplaced || closed != 0 {
			t.Fatalf("%s crashed: %d removed, %q, %d closed", crashed, times, removed.Reason, closed)
		}
	}
}

// TestCrossingAttempts: both sides initiate at once and end up with one session.
func TestCrossingAttempts(t *testing.T) {
	for seed := range uint64(40) {
		w := newWorld(t, seed, lan, nil)
		w.left.command(ike.Initiate{})
		w.net.RunFor(time.Duration(seed) * time.Millisecond)
		w.right.command(ike.Initiate{})
		w.net.RunFor(time.Minute)
		w.checkSettled()
		for _, s := range []*side{w.left, w.right} {
			if _, closed := lastEvent[ike.Closed](s); closed != 0 || s.gate.Sessions() != 1 {
				s.fatalf("closed %d times, %d sessions", closed, s.gate.Sessions())
			}
		}
	}
}

// TestTerminate: the peer learns of it, and what retransmission needs goes too.
func TestTerminate(t *testing.T) {
	w := newWorld(t, 1, lan, nil)
	w.connect()
	w.left.command(ike.Terminate{Reason: "asked for"})
	if !w.left.gate.Closing() {
		t.Error("no DELETE under way")
	}
	w.net.RunFor(time.Second)
	left, _ := lastEvent[ike.Closed](w.left)
	right, _ := lastEvent[ike.Closed](w.right)
	if left.Reason != "asked for" || right.Reason != reasonPeerDeleted || w.left.gate.Closing() {
		t.Fatalf("closed: %q, %q", left.Reason, right.Reason)
	}
	w.net.RunFor(time.Minute)
	w.checkNone()
}

// TestSecretsDoNotPrint: an event may be logged in any way.
func TestSecretsDoNotPrint(t *testing.T) {
	w := newWorld(t, 1, lan, nil)
	w.connect()
	for _, e := range w.left.events {
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
	if text := fmt.Sprintf("%+v", w.left.peer); strings.Contains(text, string(secretKey)) {
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
func (w *world) request(exchange wire.ExchangeType, payloads ...wire.Payload) parts {
	w.t.Helper()
	a := &ask{exchange: exchange, payloads: payloads}
	s := w.left.gate.standing("left", nil)
	s.enqueue(a)
	s.pump(w.net.Now())
	w.left.gate.touch(s)
	w.left.flush()
	w.net.RunFor(time.Second)
	if a.answer == nil {
		w.left.fatalf("no answer")
	}
	return *a.answer
}

// TestRefusals: what a responder answers to requests that it can't grant.
func TestRefusals(t *testing.T) {
	newChild := func(w *world) []wire.Payload {
		p := &w.left.peer
		dh := w.left.gate.newDH(ike.Group19)
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
			c := w.right.gate.standing("right", nil).children[0]
			c.state = childReplaced
			return rekey(c.out, w)
		}, wire.TemporaryFailure},
		{"rekey of a child SA while we rekey the IKE SA", wire.CreateChildSA, func(w *world) []wire.Payload {
			s := w.right.gate.standing("right", nil)
			s.rekeyIKENow()
			s.start(w.net.Now(), s.current, s.queue[0])
			return rekey(s.children[0].out, w)
		}, wire.TemporaryFailure},
		{"rekey of the IKE SA while we rekey a child SA", wire.CreateChildSA, func(w *world) []wire.Payload {
			s := w.right.gate.standing("right", nil)
			s.start(w.net.Now(), s.current, &createChild{old: s.active, keyPair: keyPair{group: ike.Group19}})
			dh := w.left.gate.newDH(ike.Group19)
			return []wire.Payload{offerIKE(w.left.peer.IKEProposals, make([]byte, 8)), &wire.Nonce{Data: make([]byte, 32)}, &wire.KE{Group: ike.Group19, Data: dh.Public()}}
		}, wire.TemporaryFailure},
		{"another group", wire.CreateChildSA, func(w *world) []wire.Payload {
			out := w.right.gate.standing("right", nil).children[0].out
			payloads := rekey(out, w)
			payloads[3] = &wire.KE{Group: ike.Group20, Data: make([]byte, 96)}
			return payloads
		}, wire.InvalidKEPayload},
		{"a public value that is no point", wire.CreateChildSA, func(w *world) []wire.Payload {
			out := w.right.gate.standing("right", nil).children[0].out
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
			w.connect()
			m := w.request(c.exchange, c.payloads(w)...)
			if n := m.failure(); n == nil || n.Type != c.want {
				t.Fatalf("answered with %v, want %v", n, c.want)
			}
			w.net.RunFor(10 * time.Second)
			if _, closed := lastEvent[ike.Closed](w.right); closed != 0 || len(w.right.children) != 1 {
				t.Fatalf("closed %d times, %d child SAs", closed, len(w.right.children))
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
	w.left.peer.RemoteID = ike.AddressIdentity(rightAddr)
	w.right.peer.LocalID = ike.Identity{Type: ike.IDFQDN, Data: "impostor.example"}
	for _, s := range []*side{w.left, w.right} {
		if err := s.gate.SetPeer(s.peer); err != nil {
			t.Fatal(err)
		}
	}
	w.left.command(ike.Initiate{})
	half := func() *session { return w.left.gate.peers["left"].sessions[0] }
	p := *half().peer
	p.RemoteID = ike.Identity{} // so that the request names nobody
	half().peer = &p
	w.net.RunFor(19 * time.Millisecond) // IKE_AUTH is on its way
	half().peer = &w.left.peer
	w.net.RunFor(time.Minute)
	failed, _ := lastEvent[ike.NegotiationFailed](w.left)
	if want := `the peer identifies itself as "impostor.example", this tunnel expects "198.51.100.1"`; failed.Reason != want {
		t.Errorf("left says %q", failed.Reason)
	}
	closed, _ := lastEvent[ike.Closed](w.right)
	if want := "the peer deleted the IKE SA and says AUTHENTICATION_FAILED"; closed.Reason != want {
		t.Errorf("right says %q", closed.Reason)
	}
	w.checkNone()
}

// TestMalformedInside: RFC 7296 section 2.21.3: an authentic message that is
// malformed ends the IKE SA, after its answer.
func TestMalformedInside(t *testing.T) {
	w := newWorld(t, 1, lan, nil)
	w.connect()
	m := w.request(wire.Informational, &wire.Raw{Type: wire.PayloadNonce, Body: []byte("short")})
	if n := m.failure(); n == nil || n.Type != wire.InvalidSyntax {
		t.Fatalf("answered with %v", n)
	}
	closed, times := lastEvent[ike.Closed](w.right)
	if times != 1 || !strings.HasPrefix(closed.Reason, "the peer sent a malformed message") {
		t.Fatalf("closed %d times: %q", times, closed.Reason)
	}
}

// TestChildLost: RFC 7296 section 2.25: a child SA that the peer has lost is made
// anew.
func TestChildLost(t *testing.T) {
	w := newWorld(t, 1, lan, nil)
	w.connect()
	s := w.right.gate.standing("right", nil)
	s.removeChild(s.children[0], "lost by accident")
	w.right.flush()
	w.left.command(ike.RekeyChild{})
	w.net.RunFor(10 * time.Second)
	w.checkSettled()
	if _, established := lastEvent[ike.Established](w.left); established != 1 {
		t.Fatalf("%d IKE SAs", established)
	}
}
