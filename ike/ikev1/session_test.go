package ikev1

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/diagnosis"
	"causeway.dev/ike/enginetest"
	"causeway.dev/ike/wire"
	"causeway.dev/ike/wire/isakmp"
)

// TestNegotiate: every algorithm in both phases, with and without a group of its
// own in the second.
func TestNegotiate(t *testing.T) {
	for _, c := range []struct{ ike, esp string }{
		{"aes128-sha1-group2", "aes128-sha1-group2"},
		{"aes256-sha256-group14", "aes256-sha256-group5"},
		{"aes128-sha384-group20", "aes128-sha384-group20"},
		{"aes256-sha512-group21", "aes256-sha512"},
		{"aes256-sha1-group19", "aes128gcm16-group19"},
		{"aes128-sha256-group22", "aes256gcm16-group24"},
	} {
		t.Run(fmt.Sprintf("%s %s", c.ike, c.esp), func(t *testing.T) {
			w := newWorld(t, 1, enginetest.LAN, func(left, right *ike.Peer) {
				left.IKEProposals, left.ESPProposals = enginetest.IKE(t, c.ike), enginetest.ESP(t, c.esp)
				right.IKEProposals, right.ESPProposals = left.IKEProposals, left.ESPProposals
			})
			w.Connect()
			w.CheckSettled()
			established, _ := enginetest.Last[ike.Established](w.Right)
			if established.Version != ike.IKEv1 || established.Proposal != w.Left.Peer.IKEProposals[0] || established.RemoteID.String() != "192.0.2.1" {
				t.Errorf("established: %+v", established)
			}
		})
	}
}

// TestReasons: what an operator reads on each side.
func TestReasons(t *testing.T) {
	proof := "the peer refused our authentication (AUTHENTICATION-FAILED): pre-shared key mismatch, or does not know our identity"
	for _, c := range []struct {
		name        string
		configure   func(left, right *ike.Peer)
		left, right string
	}{
		{"key", func(_, right *ike.Peer) { right.PreSharedKey = ike.Secret("another") }, proof, reasonUnreadable},
		{"IKE proposal", func(left, right *ike.Peer) {
			left.IKEProposals = enginetest.IKE(t, "aes256-sha384-group15", "aes128-sha384-group15", "aes256gcm16-prfsha384-group20")
			right.IKEProposals = enginetest.IKE(t, "aes128-sha1-group2")
		},
			"the peer accepts no proposal for the IKE SA that this tunnel offers (NO_PROPOSAL_CHOSEN); this tunnel offers AES-256 or AES-128/SHA-384/group 15",
			"no common proposal for the IKE SA: the peer offers AES-256 or AES-128/SHA-384/group 15, this tunnel accepts AES-128/SHA-1/group 2"},
		{"ESP proposal", func(_, right *ike.Peer) { right.ESPProposals = enginetest.ESP(t, "aes256-sha256-group14") },
			"the peer accepts no proposal for the child SA that this tunnel offers (NO_PROPOSAL_CHOSEN); this tunnel offers AES-128-GCM-16/group 19",
			"no common proposal for the child SA: the peer offers AES-128-GCM-16/group 19, this tunnel accepts AES-256/SHA-256/group 14"},
		{"selectors", func(_, right *ike.Peer) {
			right.RemoteSelectors = []netip.Prefix{netip.MustParsePrefix("172.16.0.0/12")}
		},
			"the peer does not accept this tunnel's traffic selectors 192.168.0.0/16 === 10.0.0.0/16 (ours first; INVALID-ID-INFORMATION)",
			"the peer's traffic selectors 192.168.0.0/16 === 10.0.0.0/16 do not fit this tunnel's 172.16.0.0/12 === 10.0.0.0/16 (the peer's side first)"},
		{"identity of the initiator", func(_, right *ike.Peer) { right.RemoteID = ike.ParseIdentity("site.example") },
			proof, `the peer identifies itself as "192.0.2.1", this tunnel expects "site.example"`},
		{"identity of the responder", func(left, _ *ike.Peer) { left.RemoteID = ike.ParseIdentity("vpn.example") },
			`the peer identifies itself as "198.51.100.1", this tunnel expects "vpn.example"`, ""},
		{"blocked port", func(left, _ *ike.Peer) { left.Encapsulation = ike.EncapsulationAlways },
			"the peer 198.51.100.1 answered main mode, but none of 7 messages with our proof to UDP port 4500: is that port open, and do the pre-shared keys agree?",
			"the peer 192.0.2.1 began a main mode but has not come to its proof: do our answers reach it, and is UDP 4500 open between us?"},
		{"silence", func(left, _ *ike.Peer) { left.Remote = netip.MustParseAddr("203.0.113.77") },
			"no packet from 203.0.113.77 has arrived: main mode was sent to UDP port 500 7 times in 30s; is the peer up, and are UDP 500 and 4500 open?",
			""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 1, enginetest.LAN, c.configure)
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
			if c.name != "ESP proposal" && c.name != "selectors" { // there an ISAKMP SA stood
				checkNone(w)
			}
		})
	}
}

// TestNAT: both sides find it, go to port 4500, and follow a NAT that forgets.
func TestNAT(t *testing.T) {
	outside := netip.MustParseAddr("203.0.113.9")
	w := newWorld(t, 1, enginetest.LAN, func(left, right *ike.Peer) {
		left.LocalID = ike.ParseIdentity("site.example")
		right.Remote = outside
	})
	nat := w.Net.Translate(enginetest.LeftAddr, outside)
	w.Connect()
	w.CheckSettled()
	left, right := w.Left.Engine.Status("left"), w.Right.Engine.Status("right")
	if left.NAT != (ike.NAT{Local: true}) || right.NAT != (ike.NAT{Remote: true}) {
		t.Errorf("left found %+v, right %+v", left.NAT, right.NAT)
	}
	for _, s := range []*side{w.Left, w.Right} {
		if !s.Path.UDP || s.Path.Local.Port() != 4500 || s.Path.BehindNAT != (s == w.Left) {
			t.Errorf("ESP goes by %+v", s.Path)
		}
	}
	before := w.Right.Path.Remote
	nat.Rebind()
	w.Net.RunFor(time.Minute) // R-U-THERE comes from another port
	if w.Right.Path.Remote == before {
		t.Error("the responder has not followed")
	}
	w.Right.SendESP()
	w.Net.RunFor(time.Second)
	if w.Right.Lost != 0 {
		t.Error("a packet did not reach the peer behind its NAT")
	}
	w.CheckSettled()
}

// TestDraftNATTraversal: a device of the time before RFC 3947.
func TestDraftNATTraversal(t *testing.T) {
	saved := natTraversals
	natTraversals = saved[1:2]
	defer func() { natTraversals = saved }()
	w := newWorld(t, 1, enginetest.LAN, func(left, _ *ike.Peer) { left.Encapsulation = ike.EncapsulationAlways })
	w.Connect()
	w.CheckSettled()
	if !w.Right.Path.UDP || w.Right.Path.Remote.Port() != 4500 {
		t.Errorf("ESP goes by %+v", w.Right.Path)
	}
}

// TestVendorIDs are those that others send.
func TestVendorIDs(t *testing.T) {
	for i, want := range []string{"4a131c81070358455c5728f20e95452f", "7d9419a65310ca6f2c179d9215529d56", "90cb80913ebb696e086381b5ec427b1f"} {
		if got := fmt.Sprintf("%x", natTraversals[i].id); got != want {
			t.Errorf("vendor id %d is %s, want %s", i, got, want)
		}
	}
}

// TestDeadPeer: RFC 3706, and what follows by configuration.
func TestDeadPeer(t *testing.T) {
	connected := func(t *testing.T, action ike.DPDAction) *world {
		w := newWorld(t, 1, enginetest.LAN, func(left, _ *ike.Peer) { left.DPDAction = action })
		w.Connect()
		return w
	}
	t.Run("a silent peer is asked and lives", func(t *testing.T) {
		w := connected(t, ike.DPDClear)
		w.Net.RunFor(10 * time.Minute)
		w.CheckSettled()
		if heard := w.Left.Engine.Status("left").LastHeard; w.Net.Now().Sub(heard) > 15*time.Second {
			t.Errorf("last heard %v ago", w.Net.Now().Sub(heard))
		}
	})
	t.Run("clear", func(t *testing.T) {
		w := connected(t, ike.DPDClear)
		w.Cut()
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
		w := connected(t, ike.DPDNone)
		w.Cut()
		w.Net.RunFor(time.Hour / 4)
		if len(w.Left.Children) != 1 {
			t.Fatal("closed")
		}
	})
	t.Run("restart", func(t *testing.T) {
		w := connected(t, ike.DPDRestart)
		w.Cut()
		w.Net.RunFor(40 * time.Second)
		w.Mend(0)
		w.Net.RunFor(20 * time.Second)
		w.CheckSettled()
	})
	t.Run("ESP is a sign of life", func(t *testing.T) {
		w := connected(t, ike.DPDClear)
		before := w.Left.Engine.sessions["left"].current().sequence
		w.Traffic(time.Second, w.Net.Now().Add(time.Hour/4))
		w.Net.RunFor(time.Hour / 4)
		if asked := w.Left.Engine.sessions["left"].current().sequence - before; asked != 0 {
			t.Errorf("asked %d times in spite of traffic", asked)
		}
	})
}

// TestRekeyLosesNothing: of both kinds, by either side, and by both at once.
func TestRekeyLosesNothing(t *testing.T) {
	for seed := range uint64(20) {
		w := newWorld(t, seed, enginetest.LAN, nil)
		w.Connect()
		w.Traffic(20*time.Millisecond, w.Net.Now().Add(2*time.Minute))
		for i, do := range []func(){
			func() { w.Left.Command(ike.RekeyChild{}) },
			func() { w.Right.Command(ike.RekeyChild{}) },
			func() { w.Left.Command(ike.RekeyIKE{}) },
			func() { w.Right.Command(ike.RekeyIKE{}) },
			func() { w.Left.Command(ike.RekeyChild{}); w.Right.Command(ike.RekeyChild{}) },
			func() { w.Left.Command(ike.RekeyIKE{}); w.Right.Command(ike.RekeyIKE{}) },
			func() { w.Left.Command(ike.RekeyChild{}); w.Right.Command(ike.RekeyIKE{}) },
		} {
			do()
			w.Net.RunFor(15 * time.Second)
			if w.Left.Lost+w.Right.Lost != 0 {
				w.Left.Fatalf("step %d: %d packets lost", i, w.Left.Lost+w.Right.Lost)
			}
		}
		w.Net.RunFor(90 * time.Second)
		w.CheckSettled()
		if _, closed := enginetest.Last[ike.Closed](w.Left); closed != 0 {
			t.Error("closed")
		}
	}
}

// TestLifetimes: SAs are renewed before they end, at the shorter of both sides'
// lifetimes.
func TestLifetimes(t *testing.T) {
	w := newWorld(t, 1, enginetest.LAN, func(left, right *ike.Peer) {
		left.IKELifetime, left.ChildLifetime = 24*time.Hour, 24*time.Hour
		right.IKELifetime, right.ChildLifetime = time.Hour, 20*time.Minute
	})
	w.Connect()
	w.Net.RunFor(3 * time.Hour)
	w.CheckSettled()
	for _, s := range []*side{w.Left, w.Right} {
		_, installed := enginetest.Last[ike.ChildInstalled](s)
		_, established := enginetest.Last[ike.Established](s)
		_, closed := enginetest.Last[ike.Closed](s)
		if installed < 9 || established < 3 || closed != 0 {
			t.Errorf("%d pairs, %d ISAKMP SAs, closed %d times", installed, established, closed)
		}
	}
}

// TestHardExpiry: what can't be renewed is not used beyond its end.
func TestHardExpiry(t *testing.T) {
	w := newWorld(t, 1, enginetest.LAN, func(left, right *ike.Peer) {
		for _, p := range []*ike.Peer{left, right} {
			p.ChildLifetime, p.IKELifetime, p.DPDAction = 10*time.Minute, time.Hour, ike.DPDNone
		}
	})
	w.Connect()
	w.Cut()
	w.Net.RunFor(11 * time.Minute)
	removed, _ := enginetest.Last[ike.ChildRemoved](w.Right)
	if len(w.Right.Children) != 0 || removed.Reason != diagnosis.ChildLifetime {
		t.Errorf("%d pairs stand; removed: %q", len(w.Right.Children), removed.Reason)
	}
}

// TestInitialContact: a peer that comes back after a crash replaces what it has
// forgotten at once.
func TestInitialContact(t *testing.T) {
	for _, crashed := range []string{"left", "right"} {
		w := newWorld(t, 1, enginetest.LAN, nil)
		w.Connect()
		s := w.Left
		if crashed == "right" {
			s = w.Right
		}
		s.Restart(99)
		s.Command(ike.Initiate{})
		w.Net.RunFor(2 * time.Second)
		w.CheckSettled()
		removed, times := enginetest.Last[ike.ChildRemoved](s.Other)
		_, closed := enginetest.Last[ike.Closed](s.Other)
		if times != 1 || removed.Reason != diagnosis.Replaced || closed != 0 {
			t.Fatalf("%s crashed: %d removed, %q, %d closed", crashed, times, removed.Reason, closed)
		}
	}
}

// TestCrossingAttempts: both sides initiate at once and end up with one pair.
func TestCrossingAttempts(t *testing.T) {
	for seed := range uint64(40) {
		w := newWorld(t, seed, enginetest.LAN, nil)
		w.Left.Command(ike.Initiate{})
		w.Net.RunFor(time.Duration(seed) * time.Millisecond)
		w.Right.Command(ike.Initiate{})
		w.Net.RunFor(2 * time.Minute)
		w.CheckSettled()
		for _, s := range []*side{w.Left, w.Right} {
			if _, closed := enginetest.Last[ike.Closed](s); closed != 0 {
				s.Fatalf("closed %d times", closed)
			}
		}
	}
}

// TestTerminate: the peer learns of it though nobody answers a DELETE.
func TestTerminate(t *testing.T) {
	w := newWorld(t, 1, enginetest.LAN, nil)
	w.Connect()
	w.Cut()
	w.Left.Command(ike.Terminate{Reason: "asked for"})
	w.Net.RunFor(500 * time.Millisecond)
	w.Mend(0)
	w.Net.RunFor(2 * time.Second)
	left, _ := enginetest.Last[ike.Closed](w.Left)
	right, _ := enginetest.Last[ike.Closed](w.Right)
	if left.Reason != "asked for" || right.Reason != diagnosis.PeerDeleted {
		t.Fatalf("closed: %q, %q", left.Reason, right.Reason)
	}
	w.Net.RunFor(time.Minute)
	checkNone(w)
}

// TestNarrowing: a responder makes of what is asked for what it allows; the peer
// takes that.
func TestNarrowing(t *testing.T) {
	w := newWorld(t, 1, enginetest.LAN, func(left, right *ike.Peer) {
		left.LocalSelectors, left.RemoteSelectors = nil, nil
		right.RemoteSelectors = []netip.Prefix{netip.MustParsePrefix("192.168.7.0/24")}
	})
	w.Connect()
	w.CheckSettled()
	for _, c := range w.Left.Children {
		if fmt.Sprint(c.LocalSelectors, c.RemoteSelectors) != "[192.168.7.0/24] [10.0.0.0/16]" {
			t.Errorf("left has %v === %v", c.LocalSelectors, c.RemoteSelectors)
		}
	}
}

// TestGroupsAreTriedInTurn: a quick mode names one group; where the peer refuses
// it, the next of those that we offer is tried.
func TestGroupsAreTriedInTurn(t *testing.T) {
	w := newWorld(t, 1, enginetest.LAN, func(left, right *ike.Peer) {
		left.ESPProposals = enginetest.ESP(t, "aes256gcm16-group20", "aes128gcm16-group19", "aes256gcm16")
		right.ESPProposals = enginetest.ESP(t, "aes256gcm16")
	})
	w.Connect()
	w.CheckSettled()
	if _, failed := enginetest.Last[ike.NegotiationFailed](w.Left); failed != 0 {
		t.Error("reported as failed")
	}
}

// TestRefusals: what a peer that holds the key asks for beyond a tunnel's
// one pair gets no answer that it could use, and its sentence.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name   string
		send   func(s *session, sa *isakmpSA) []byte
		reason string
	}{
		{"a second pair", func(s *session, sa *isakmpSA) []byte {
			ids := [2]*isakmp.ID{isakmp.NewTrafficID(netip.MustParsePrefix("192.168.9.0/24")), isakmp.NewTrafficID(netip.MustParsePrefix("10.0.0.0/16"))}
			return quickModeOf(s, sa, ids)
		}, "the peer asks for a second pair of SAs, for 192.168.9.0/24 === 10.0.0.0/16, but a tunnel has one: let it use a single pair with selectors that cover all of its networks"},
		{"mode config", func(s *session, sa *isakmpSA) []byte {
			id := s.gate.newMessageID()
			return sa.seal(sa.header(isakmp.Transaction, id), sa.keys.Phase2IV(sa.lastBlock, id), []isakmp.Payload{&isakmp.Raw{Type: isakmp.PayloadAttributes, Body: make([]byte, 4)}}, idOctets(id))
		}, reasonModeConfig},
		{"no SA payload", func(s *session, sa *isakmpSA) []byte {
			id := s.gate.newMessageID()
			return sa.seal(sa.header(isakmp.QuickMode, id), sa.keys.Phase2IV(sa.lastBlock, id), []isakmp.Payload{&isakmp.Nonce{Data: make([]byte, 32)}}, idOctets(id))
		}, "the peer's quick mode lacks a usable SA and NONCE payload"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 1, enginetest.LAN, nil)
			w.Connect()
			s := w.Left.Engine.sessions["left"]
			s.transmit(c.send(s, s.current()))
			w.Left.Flush()
			w.Net.RunFor(5 * time.Second)
			if failed, _ := enginetest.Last[ike.NegotiationFailed](w.Right); failed.Reason != c.reason {
				t.Errorf("right says %q, want %q", failed.Reason, c.reason)
			}
			w.CheckSettled()
		})
	}
}

// quickModeOf is a message 1 for any traffic.
func quickModeOf(s *session, sa *isakmpSA, ids [2]*isakmp.ID) []byte {
	id := s.gate.newMessageID()
	payloads := []isakmp.Payload{
		offerESP(s.peer.ESPProposals, 0x1234567, isakmp.EncapsulationTunnel, time.Hour),
		&isakmp.Nonce{Data: make([]byte, 32)}, &isakmp.KE{Data: s.gate.newDH(ike.Group19).Public()}, ids[0], ids[1],
	}
	return sa.seal(sa.header(isakmp.QuickMode, id), sa.keys.Phase2IV(sa.lastBlock, id), payloads, idOctets(id))
}

// TestAggressiveMode: refused, and why.
func TestAggressiveMode(t *testing.T) {
	w := newWorld(t, 1, enginetest.LAN, nil)
	request := isakmp.Message{
		Header:   wire.Header{SPIi: 7, Major: 1, Exchange: isakmp.AggressiveMode},
		Payloads: []isakmp.Payload{offerIKE(w.Left.Peer.IKEProposals, isakmp.AuthPreSharedKey, time.Hour), &isakmp.Nonce{Data: make([]byte, 32)}},
	}.Append(nil)
	w.Right.Receive(w.Net.Now(), netip.AddrPortFrom(enginetest.RightAddr, 500), netip.AddrPortFrom(enginetest.LeftAddr, 500), request)
	if failed, _ := enginetest.Last[ike.NegotiationFailed](w.Right); failed.Reason != reasonAggressive {
		t.Errorf("right says %q", failed.Reason)
	}
	if !strings.Contains(w.Net.Diagram(), "UNSUPPORTED-EXCHANGE-TYPE") {
		t.Error("the peer is not told")
	}
	checkNone(w)
}

// TestValidate: what IKEv1 does not have is refused before anything is sent.
func TestValidate(t *testing.T) {
	p := ike.Peer{
		ID: "p", Local: enginetest.LeftAddr, Remote: enginetest.RightAddr, PreSharedKey: enginetest.Key,
		IKEProposals: enginetest.IKE(t, "aes256gcm16-prfsha384-group20"), ESPProposals: enginetest.ESP(t, "aes256gcm16"),
	}
	if err := NewGate(Config{}).SetPeer(p); err == nil || !strings.Contains(err.Error(), "IKEv1 has no AES-GCM") {
		t.Errorf("AES-GCM in phase 1: %v", err)
	}
	p.IKEProposals = append(p.IKEProposals, enginetest.IKE(t, "aes256-sha384-group20")...)
	if err := NewGate(Config{}).SetPeer(p); err != nil {
		t.Error(err)
	}
	if all := offered(&p); len(all) != 1 || all[0].Encryption != ike.AES256CBC {
		t.Errorf("offered: %v", all)
	}
}
