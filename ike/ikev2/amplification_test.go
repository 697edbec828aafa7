package ikev2

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/enginetest"
	"causeway.dev/ike/wire"
)

// A stranger sends what may be in a first message, in every mixture.
type stranger struct {
	*rand.Rand
	w     *world
	known []ike.IKEProposal
}

// configuration is a peer of ours that strangers may try to be.
func (s stranger) configuration(p *ike.Peer, root *authority, t *testing.T) {
	p.IKEProposals = nil
	for _, i := range s.Perm(len(s.known))[:1+s.IntN(len(s.known))] {
		p.IKEProposals = append(p.IKEProposals, s.known[i])
	}
	if s.IntN(2) == 0 {
		p.Remote = netip.Addr{}
	}
	if s.IntN(2) == 0 {
		p.Encapsulation = ike.EncapsulationAlways
	}
	if s.IntN(2) == 0 {
		p.Certificate, p.Verifier = root.issue(t, "right.example", "P-256", nil), root
	}
}

// request is an IKE_SA_INIT request.
func (s stranger) request(spi uint64) []byte {
	group := s.known[s.IntN(len(s.known))].Group
	public := s.w.Left.Engine.newDH(group).Public()
	if s.IntN(8) == 0 {
		public = public[:s.IntN(len(public))]
	}
	var offers []ike.IKEProposal
	for _, i := range s.Perm(len(s.known))[:s.IntN(1+len(s.known))] {
		offers = append(offers, s.known[i])
	}
	payloads := []wire.Payload{
		offerIKE(offers, nil), &wire.KE{Group: group, Data: public}, &wire.Nonce{Data: make([]byte, 16+s.IntN(20))},
	}
	for _, extra := range []wire.Payload{
		&wire.Notify{Type: wire.NATDetectionSourceIP, Data: make([]byte, 20)},
		&wire.Notify{Type: wire.NATDetectionDestinationIP, Data: make([]byte, 20)},
		&wire.Notify{Type: wire.CookieNotify, Data: make([]byte, 1+s.IntN(64))},
		&wire.Notify{Type: wire.IntermediateSupported},
		announceFragmentation(), hashAlgorithms(),
	} {
		if s.IntN(2) == 0 {
			payloads = append(payloads, extra)
		}
	}
	return wire.Message{
		Header:   wire.Header{SPIi: spi, Major: 2, Exchange: wire.IKESAInit, Flags: wire.FlagInitiator},
		Payloads: payloads,
	}.Append(nil)
}

// spoil changes a few octets of a message, and cuts or lengthens it.
func (s stranger) spoil(b []byte) []byte {
	for range s.IntN(3) {
		at := s.IntN(len(b))
		b[at] ^= 1 << s.IntN(8)
	}
	switch s.IntN(4) {
	case 0:
		b = b[:wire.HeaderLength+s.IntN(len(b)-wire.HeaderLength+1)]
	case 1:
		b[17] += 0x10 // the major version
	case 2:
		b[18], b[19] = byte(34+s.IntN(5)), byte(s.Uint32()) // exchange and flags
		binary.BigEndian.PutUint64(b[8:], s.Uint64())
	}
	binary.BigEndian.PutUint32(b[24:], uint32(len(b)))
	return b
}

// TestNothingIsAmplified: whatever the first message, and however often it comes,
// who has not returned a cookie gets no answer that is longer, one at most each
// time, and nothing without asking: what we send to an address that never asked
// is less than what it costs to have it sent.
func TestNothingIsAmplified(t *testing.T) {
	root := newAuthority(t, "root", nil)
	known := enginetest.IKE(t, "aes128gcm16-prfsha256-group19", "aes256-sha384-group20", "aes128-sha1-group31", "chacha20poly1305-prfsha512-group19+mlkem768")
	answered := map[Drop]int{}
	for seed := range uint64(30) {
		s := stranger{Rand: rand.New(rand.NewPCG(seed, 1)), known: known}
		s.w = newWorld(t, seed, lan, func(_, right *ike.Peer) { s.configuration(right, root, t) })
		g, now := s.w.Right.Engine, s.w.Net.Now()
		sent := func() (octets, datagrams int) {
			for _, o := range g.TakeOutput() {
				if n := len(o.Datagram.Payload); n > 0 {
					octets, datagrams = octets+n, datagrams+1
				}
			}
			return octets, datagrams
		}
		for i := range 100 {
			b := s.request(uint64(i + 1))
			if s.IntN(2) == 0 {
				b = s.spoil(b)
			}
			d := Datagram{Local: at(enginetest.RightAddr, 500), Remote: at(enginetest.LeftAddr, uint16(500+s.IntN(3)*2000)), Payload: b}
			for range 2 + s.IntN(2*initRepeatsMax) {
				drop := g.Receive(now, d)
				octets, datagrams := sent()
				if octets > len(b) || datagrams > 1 {
					t.Fatalf("seed %d: %d octets in %d datagrams for %d octets, %q: %s", seed, octets, datagrams, len(b), drop, describe(b))
				}
				answered[drop] += datagrams
			}
			now = now.Add(time.Duration(s.IntN(2000)) * time.Millisecond)
			g.Advance(now)
			if octets, _ := sent(); octets > 0 {
				t.Fatalf("seed %d: %d octets without being asked", seed, octets)
			}
		}
	}
	t.Logf("answers: %v", answered)
	for _, kind := range []Drop{ike.Accepted, ike.DropCookie, ike.DropRetransmitted, ike.DropUnknownSPI} {
		if answered[kind] == 0 {
			t.Errorf("none of the messages was answered as %q: the test proves too little", kind)
		}
	}
}

// TestLongAnswersNeedACookie: certificate requests make an answer longer; an
// initiator with a terse request gets it for one round trip more.
func TestLongAnswersNeedACookie(t *testing.T) {
	root := newAuthority(t, "root", nil)
	w := newWorld(t, 1, lan, func(left, right *ike.Peer) {
		for _, p := range []*ike.Peer{left, right} {
			p.Certificate, p.Verifier = root.issue(t, string(p.ID)+".example", "P-256", nil), root
			p.LocalID = ike.ParseIdentity(string(p.ID) + ".example")
		}
		left.RemoteID, right.RemoteID = right.LocalID, left.LocalID
	})
	w.Connect()
	w.CheckSettled()
	if n := w.Right.Drops[ike.DropCookie]; n != 1 {
		t.Errorf("asked for a cookie %d times", n)
	}
	w = newWorld(t, 1, lan, nil)
	w.Connect()
	if n := w.Right.Drops[ike.DropCookie]; n != 0 {
		t.Errorf("with a pre-shared key asked for a cookie %d times", n)
	}
}
