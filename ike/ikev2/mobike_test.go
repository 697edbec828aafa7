package ikev2

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/enginetest"
	"causeway.dev/ike/keys"
	"causeway.dev/ike/wire"
	"causeway.dev/internal/simnet"
)

var elsewhere = netip.MustParseAddr("192.0.2.77")

// newMobile returns a world whose left side is a MOBIKE client made by hand.
func newMobile(t *testing.T) *world {
	w := newWorld(t, 1, lan, func(_, right *ike.Peer) {
		right.Remote, right.RemoteID = netip.Addr{}, ike.AddressIdentity(enginetest.LeftAddr)
	})
	w.Connect()
	w.Right.Engine.standing("right", nil).mobike = true
	w.Net.Attach(elsewhere, w.Left)
	return w
}

// fromElsewhere has the left side send a request from its other address.
func fromElsewhere(w *world, payloads ...wire.Payload) parts {
	w.T.Helper()
	s := w.Left.Engine.standing("left", nil)
	s.path.Local = at(elsewhere, portNATT)
	s.path.Remote = at(enginetest.RightAddr, portNATT)
	return request(w, wire.Informational, payloads...)
}

// hashes that the left side sends for a pair of addresses.
func natHashes(w *world, source netip.AddrPort) []wire.Payload {
	i, r := w.Left.Engine.standing("left", nil).current.spis()
	from, to := keys.NATDetectionHash(i, r, source), keys.NATDetectionHash(i, r, at(enginetest.RightAddr, portNATT))
	return []wire.Payload{
		&wire.Notify{Type: wire.NATDetectionSourceIP, Data: from[:]},
		&wire.Notify{Type: wire.NATDetectionDestinationIP, Data: to[:]},
	}
}

// TestMOBIKE: RFC 4555 section 3.5: who has agreed on it moves the path to where
// its request comes from, and is asked to prove that it is there.
func TestMOBIKE(t *testing.T) {
	for name, nat := range map[string]bool{"open": false, "behind a NAT": true} {
		t.Run(name, func(t *testing.T) {
			w := newMobile(t)
			source := at(elsewhere, portNATT)
			if nat {
				source = at(netip.MustParseAddr("10.1.1.1"), portNATT)
			}
			cookie := &wire.Notify{Type: wire.Cookie2, Data: []byte("12345678")}
			m := fromElsewhere(w, append(natHashes(w, source), &wire.Notify{Type: wire.UpdateSAAddresses}, cookie)...)
			if n := m.notify(wire.Cookie2); n == nil || !bytes.Equal(n.Data, cookie.Data) {
				t.Errorf("the cookie is not returned: %v", n)
			}
			i, r := w.Left.Engine.standing("left", nil).current.spis()
			seen := keys.NATDetectionHash(i, r, at(elsewhere, portNATT))
			if !hasHash(m, wire.NATDetectionDestinationIP, seen[:]) {
				t.Error("the answer does not say what the peer's address looks like")
			}
			moved, n := enginetest.Last[ike.PathChanged](w.Right)
			if n != 1 || moved.Path.Remote != at(elsewhere, portNATT) || moved.Path.UDP != nat {
				t.Fatalf("%d changes, to %+v", n, moved.Path)
			}
			if st := w.Right.Engine.Status("right"); st.NAT.Remote != nat {
				t.Errorf("the NAT is seen as %+v", st.NAT)
			}
			w.Net.RunFor(time.Minute) // it has answered our COOKIE2 from there
			w.Right.SendESP()
			w.Left.SendESP()
			w.Net.RunFor(time.Second)
			w.CheckSettled()
			if w.Left.Lost+w.Right.Lost != 0 || len(w.Left.Used) != 1 {
				t.Errorf("packets don't follow:\n%s", w.Net.Diagram())
			}
		})
	}
}

// RFC 4555 section 3.2: who has not agreed on it, and who is not the original
// initiator, does not move anything.
func TestMOBIKEIsNegotiated(t *testing.T) {
	w := newMobile(t)
	w.Right.Engine.standing("right", nil).mobike = false
	fromElsewhere(w, append(natHashes(w, at(elsewhere, portNATT)), &wire.Notify{Type: wire.UpdateSAAddresses})...)
	if moved, n := enginetest.Last[ike.PathChanged](w.Right); n != 0 {
		t.Errorf("moved to %+v", moved.Path)
	}
}

// RFC 4555 section 3.9: a peer that forbids NATs hears of them, and its request
// does nothing else.
func TestNoNATsAllowed(t *testing.T) {
	w := newMobile(t)
	data := func(source netip.Addr) []byte {
		b := append(source.AsSlice(), enginetest.RightAddr.AsSlice()...)
		return binary.BigEndian.AppendUint32(b, portNATT<<16|portNATT)
	}
	m := fromElsewhere(w, &wire.Notify{Type: wire.NoNATsAllowed, Data: data(enginetest.LeftAddr)}, &wire.Notify{Type: wire.UpdateSAAddresses})
	if _, n := enginetest.Last[ike.PathChanged](w.Right); n != 0 || m.notify(wire.UnexpectedNATDetected) == nil {
		t.Errorf("%d changes, answered with %v", n, m.notifies)
	}
	m = fromElsewhere(w, &wire.Notify{Type: wire.NoNATsAllowed, Data: data(elsewhere)}, &wire.Notify{Type: wire.UpdateSAAddresses})
	if _, n := enginetest.Last[ike.PathChanged](w.Right); n != 1 || m.failure() != nil {
		t.Errorf("%d changes, answered with %v", n, m.notifies)
	}
}

// RFC 4555 section 3.7: an answer with another cookie is not from there.
func TestCookie2(t *testing.T) {
	w := newMobile(t)
	s := w.Right.Engine.standing("right", nil)
	(&liveness{cookie: []byte("12345678")}).process(s, s.current, w.Net.Now(), parts{notifies: []*wire.Notify{{Type: wire.Cookie2, Data: []byte("12345679")}}})
	w.Right.Flush()
	if closed, n := enginetest.Last[ike.Closed](w.Right); n != 1 || closed.Reason != reasonCookie2 {
		t.Errorf("closed %d times: %q", n, closed.Reason)
	}
}

// TestMovedESP: RFC 7296 section 2.23: ESP moves the path of a peer that is behind a
// NAT, and of no other.
func TestMovedESP(t *testing.T) {
	public := netip.MustParseAddr("203.0.113.9")
	for name, nat := range map[string]bool{"a NAT": true, "none": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1, lan, func(left, right *ike.Peer) { right.Remote = netip.Addr{} })
			if nat {
				w.Net.Translate(enginetest.LeftAddr, public)
			}
			w.Connect()
			var in ike.SPI
			for in = range w.Right.Children {
			}
			w.Right.Command(ike.InboundMoved{Inbound: in + 1, Remote: at(public, 7000)})
			if _, n := enginetest.Last[ike.PathChanged](w.Right); n != 0 {
				t.Error("an SA that nobody has moves the path")
			}
			to := at(public, 7001)
			w.Right.Command(ike.InboundMoved{Inbound: in, Remote: to})
			moved, n := enginetest.Last[ike.PathChanged](w.Right)
			if nat && (n != 1 || moved.Path.Remote != to || !moved.Path.UDP) || !nat && n != 0 {
				t.Errorf("%d changes, to %+v", n, moved.Path)
			}
			w.Left.Command(ike.InboundMoved{Inbound: in, Remote: to})
			if _, n := enginetest.Last[ike.PathChanged](w.Left); n != 0 {
				t.Error("the side behind the NAT follows, too")
			}
		})
	}
}

// Given many gateways behind one public address, each with a key and only the first
// half with an identity of its own, then all connect, and each answer finds its own.
func TestManyBehindOneAddress(t *testing.T) {
	public := netip.MustParseAddr("203.0.113.9")
	const gateways = 40
	inside := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}) }
	w := newWorld(t, 1, lan, func(_, right *ike.Peer) {
		right.Remote, right.RemoteID, right.PreSharedKey = public, ike.AddressIdentity(inside(0)), ike.Secret("key 0")
	})
	configured := w.Right.Peer
	var all []*side
	var nat *simnet.NAT
	for i := range gateways {
		left, right := w.Left.Peer, configured
		left.Local, left.PreSharedKey = inside(i), ike.Secret("key "+string(rune('0'+i)))
		left.ESPProposals = enginetest.ESP(t, "aes128gcm16")
		if i == 0 {
			right.ID = "right"
		} else {
			right.ID = ike.PeerID("right" + string(rune('0'+i)))
		}
		right.ESPProposals = left.ESPProposals
		right.PreSharedKey, right.RemoteID = left.PreSharedKey, ike.AddressIdentity(left.Local)
		if i >= gateways/2 {
			right.RemoteID = ike.Identity{}
		}
		if err := w.Right.Engine.SetPeer(right); err != nil {
			t.Fatal(err)
		}
		s := w.NewSide("left", left, left.Local, uint64(100+i))
		s.Other = w.Right
		if nat == nil {
			nat = w.Net.Translate(s.Addr, public)
		}
		nat.Hide(s.Addr)
		all = append(all, s)
	}
	w.Right.Several = true
	for _, s := range all {
		s.Command(ike.Initiate{})
	}
	w.Net.RunFor(time.Minute)
	remotes := map[netip.AddrPort]bool{}
	for i, s := range all {
		if len(s.Children) != 1 {
			t.Fatalf("gateway %d has %d child SAs\n%s", i, len(s.Children), w.Net.Diagram())
		}
		id := ike.PeerID("right")
		if i > 0 {
			id = ike.PeerID("right" + string(rune('0'+i)))
		}
		st := w.Right.Engine.Status(id)
		if !st.Established || !st.Child || !st.RemoteID.Same(ike.AddressIdentity(inside(i))) || st.Path.Remote.Addr() != public || remotes[st.Path.Remote] {
			t.Errorf("gateway %d stands as %+v", i, st)
		}
		remotes[st.Path.Remote] = true
	}
}

// newRoaming returns a world whose left side may move, and has.
func newRoaming(t *testing.T, seed uint64) *world {
	w := newWorld(t, seed, lan, func(left, right *ike.Peer) {
		left.Mobile, left.LocalID = true, ike.ParseIdentity("roamer.example")
		right.Remote, right.RemoteID = netip.Addr{}, left.LocalID
		right.Start = false
	})
	w.Connect()
	w.CheckSettled()
	return w
}

// TestMove: RFC 4555 section 3.5, as initiator: packets go on from the new address at
// once, on the same SAs, and with a NAT on the new way by UDP.
func TestMove(t *testing.T) {
	for name, nat := range map[string]bool{"open": false, "behind a NAT": true} {
		t.Run(name, func(t *testing.T) {
			w := newRoaming(t, 1)
			seen := elsewhere
			if nat {
				seen = netip.MustParseAddr("203.0.113.9")
				w.Net.Translate(elsewhere, seen)
			}
			w.Net.Attach(elsewhere, w.Left)
			w.Net.Detach(enginetest.LeftAddr)
			pair := w.Left.Active
			w.Left.Command(ike.Move{Local: elsewhere})
			w.Net.RunFor(time.Minute)
			moved, n := enginetest.Last[ike.PathChanged](w.Right)
			if n == 0 || moved.Path.Remote.Addr() != seen || moved.Path.UDP != nat {
				t.Fatalf("the peer has %d changes, to %+v", n, moved.Path)
			}
			if own, _ := enginetest.Last[ike.PathChanged](w.Left); own.Path.Local != at(elsewhere, portNATT) || own.Path.UDP != nat || own.Path.BehindNAT != nat {
				t.Errorf("packets leave by %+v", own.Path)
			}
			w.Right.SendESP()
			w.Left.SendESP()
			w.Net.RunFor(time.Second)
			w.CheckSettled()
			if w.Left.Lost+w.Right.Lost != 0 || len(w.Right.Used) != 1 || w.Left.Active != pair {
				t.Errorf("packets don't follow:\n%s", w.Net.Diagram())
			}
			for _, c := range []ike.Command{ike.RekeyChild{}, ike.RekeyIKE{}} {
				w.Right.Command(c)
				w.Net.RunFor(10 * time.Second)
				w.CheckSettled()
			}
			if _, n := enginetest.Last[ike.Closed](w.Left); n > 0 {
				t.Error("something was closed")
			}
		})
	}
}

// Only who began moves, and only where both have said so.
func TestMoveIsRefused(t *testing.T) {
	w := newRoaming(t, 1)
	if w.Right.Engine.Command(w.Net.Now(), "right", ike.Move{Local: elsewhere}) == nil {
		t.Error("a responder moves")
	}
	w.Left.Engine.standing("left", nil).mobike = false
	if w.Left.Engine.Command(w.Net.Now(), "left", ike.Move{Local: elsewhere}) == nil {
		t.Error("a side moves whose peer does not know MOBIKE")
	}
}

// A peer that refuses the address is left, with the reason.
func TestMoveThatThePeerRefuses(t *testing.T) {
	w := newRoaming(t, 1)
	s := w.Left.Engine.standing("left", nil)
	(&updateAddresses{from: s.path.Local}).process(s, s.current, w.Net.Now(), parts{notifies: []*wire.Notify{{Type: wire.UnacceptableAddresses}}})
	w.Left.Flush()
	if closed, n := enginetest.Last[ike.Closed](w.Left); n != 1 || !strings.Contains(closed.Reason, "UNACCEPTABLE_ADDRESSES") {
		t.Errorf("closed %d times: %q", n, closed.Reason)
	}
}

// TestRoaming: a side that moves again and again, back to where it was and behind NATs,
// over a line that loses, in the midst of rekeys and hand-overs, is where it is last,
// on the SAs that it began with or their successors.
func TestRoaming(t *testing.T) {
	seeds := uint64(200)
	if testing.Short() {
		seeds = 20
	}
	for seed := range seeds {
		w := newRoaming(t, seed)
		random := w.Net.Rand()
		places := []netip.Addr{enginetest.LeftAddr, elsewhere, netip.MustParseAddr("10.3.0.1"), netip.MustParseAddr("10.3.0.2")}
		nat, public := w.Net.Translate(places[2], netip.MustParseAddr("203.0.113.9")), netip.MustParseAddr("203.0.113.9")
		nat.Hide(places[3])
		w.Net.Conditions = simnet.Conditions{DelayMin: time.Millisecond, DelayMax: 200 * time.Millisecond, Loss: random.Float64() * 0.2, Duplicate: 0.1}
		w.Traffic(500*time.Millisecond, w.Net.Now().Add(3*time.Minute))
		place := places[0]
		for range 10 {
			w.Net.Detach(place)
			place = places[random.IntN(len(places))]
			w.Net.Attach(place, w.Left)
			w.Left.Command(ike.Move{Local: place})
			w.Net.RunFor(time.Duration(random.Int64N(int64(5 * time.Second))))
			s := []*side{w.Left, w.Right}[random.IntN(2)]
			switch random.IntN(5) {
			case 0:
				s.Command(ike.RekeyChild{})
			case 1:
				s.Command(ike.RekeyIKE{})
			case 2:
				s.HandOver(random.Uint64())
			}
		}
		w.Net.Conditions = lan
		w.Net.RunFor(4 * time.Minute)
		w.CheckSettled()
		seen := place
		if place.IsPrivate() {
			seen = public
		}
		if st := w.Right.Engine.Status("right"); st.Path.Remote.Addr() != seen {
			w.Right.Fatalf("the peer is at %v, the path leads to %v", seen, st.Path.Remote)
		}
		w.Left.Lost, w.Right.Lost = 0, 0
		w.Left.SendESP()
		w.Right.SendESP()
		w.Net.RunFor(time.Second)
		if _, n := enginetest.Last[ike.Closed](w.Left); n > 0 || w.Left.Lost+w.Right.Lost > 0 {
			w.Left.Fatalf("closed %d times, %d packets lost", n, w.Left.Lost+w.Right.Lost)
		}
	}
}
