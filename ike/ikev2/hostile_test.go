package ikev2

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/enginetest"
	"causeway.dev/ike/wire"
	"causeway.dev/internal/simnet"
)

// hand delivers a datagram of one side to the other beside the network.
func hand(s *side, now time.Time, d Datagram) Drop {
	return s.Engine.Receive(now, Datagram{Local: d.Remote, Remote: d.Local, Payload: bytes.Clone(d.Payload)})
}

// one takes exactly one datagram.
func one(s *side) Datagram {
	s.W.T.Helper()
	d := s.Take()
	if len(d) != 1 {
		s.W.T.Fatalf("%s sent %d datagrams, want 1", s.Name, len(d))
	}
	return d[0]
}

// TestRetransmission: RFC 7296 sections 2.1 and 2.3, with the clock moved by hand:
// the requester repeats with growing pauses, the responder answers a repetition
// with the same octets, and nothing happens twice.
func TestRetransmission(t *testing.T) {
	w := newWorld(t, 1, simnet.Conditions{}, nil)
	now := enginetest.Epoch
	if err := w.Left.Engine.Command(now, "left", ike.Initiate{}); err != nil {
		t.Fatal(err)
	}
	request := one(w.Left)
	for i, want := range []time.Duration{500, 1000, 2000, 4000, 8000, 8000} {
		due, ok := w.Left.Engine.Deadline()
		if got := due.Sub(now); !ok || got != want*time.Millisecond {
			t.Fatalf("pause %d is %v, want %v ms", i, got, want)
		}
		now = due
		w.Left.Engine.Advance(now)
		if again := one(w.Left); !bytes.Equal(again.Payload, request.Payload) {
			t.Fatal("the repetition is another message")
		}
	}
	answers := func(request Datagram) Datagram {
		t.Helper()
		if drop := hand(w.Right, now, request); drop != ike.Accepted {
			t.Fatalf("first request: %q", drop)
		}
		first := one(w.Right)
		events := len(w.Right.Events)
		if drop := hand(w.Right, now, request); drop != ike.DropRetransmitted {
			t.Fatalf("repeated request: %q", drop)
		}
		if again := one(w.Right); !bytes.Equal(again.Payload, first.Payload) || len(w.Right.Events) != events {
			t.Fatal("the repeated request was not answered with the same octets alone")
		}
		return first
	}
	response := answers(request)
	if drop := hand(w.Left, now, response); drop != ike.Accepted {
		t.Fatalf("response: %q", drop)
	}
	auth := one(w.Left)
	if drop := hand(w.Left, now, response); drop != ike.DropRetransmitted {
		t.Fatalf("repeated response: %q", drop)
	}
	authResponse := answers(auth)
	if drop := hand(w.Left, now, authResponse); drop != ike.Accepted {
		t.Fatalf("IKE_AUTH response: %q", drop)
	}
	if drop := hand(w.Left, now, authResponse); drop != ike.DropMessageID {
		t.Fatalf("repeated IKE_AUTH response: %q", drop)
	}
	w.Right.Take()
	if drop := hand(w.Right, now, request); drop != ike.DropRetransmitted || len(w.Right.Take()) != 0 {
		t.Fatalf("late IKE_SA_INIT: %q", drop)
	}
	w.Left.Take()
	w.CheckSettled()
}

// TestForgedAnswers: RFC 7296 sections 2.4 and 2.21.1: nobody who only guesses or
// overhears the IKE_SA_INIT request can end the attempt.
func TestForgedAnswers(t *testing.T) {
	notify := func(n *wire.Notify) func(*world, wire.Header) []wire.Payload {
		return func(*world, wire.Header) []wire.Payload { return []wire.Payload{n} }
	}
	for _, c := range []struct {
		name     string
		payloads func(w *world, h wire.Header) []wire.Payload
		spi      uint64
	}{
		{"NO_PROPOSAL_CHOSEN", notify(&wire.Notify{Type: wire.NoProposalChosen}), 0},
		{"INVALID_SYNTAX", notify(&wire.Notify{Type: wire.InvalidSyntax}), 7},
		{"COOKIE", notify(&wire.Notify{Type: wire.CookieNotify, Data: []byte("chocolate")}), 0},
		{"INVALID_KE_PAYLOAD, not offered", notify(&wire.Notify{Type: wire.InvalidKEPayload, Data: []byte{0, 1}}), 0},
		{"a whole answer", func(w *world, _ wire.Header) []wire.Payload {
			_, chosen, _ := chooseIKE(offerIKE(w.Left.Peer.IKEProposals, nil).Proposals, w.Left.Peer.IKEProposals)
			chosen.Number = 1
			return []wire.Payload{&wire.SA{Proposals: []wire.Proposal{chosen}},
				&wire.KE{Group: ike.Group19, Data: w.Left.Engine.newDH(ike.Group19).Public()}, &wire.Nonce{Data: make([]byte, 32)}}
		}, 0xf00d},
		{"an answer without a nonce", func(w *world, _ wire.Header) []wire.Payload {
			return []wire.Payload{offerIKE(w.Left.Peer.IKEProposals, nil)}
		}, 0xf00d},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 1, lan, nil)
			w.Left.Command(ike.Initiate{})
			s := w.Left.Engine.peers["left"].sessions[0]
			forged := wire.Message{
				Header:   wire.Header{SPIi: s.init.spi, SPIr: c.spi, Major: 2, Exchange: wire.IKESAInit, Flags: wire.FlagResponse},
				Payloads: c.payloads(w, wire.Header{}),
			}.Append(nil)
			w.Left.Receive(w.Net.Now(), at(enginetest.LeftAddr, 500), at(enginetest.RightAddr, 500), forged)
			w.Net.RunFor(5 * time.Second)
			w.CheckSettled()
			if _, failed := enginetest.Last[ike.NegotiationFailed](w.Left); failed != 0 {
				t.Fatal("the attempt was reported as failed")
			}
			if n := len(w.Left.Engine.standing("left", nil).sas); n != 1 {
				t.Fatalf("%d IKE SAs are left", n)
			}
		})
	}
}

// TestJunk: what is not authentic is counted and has no effect.
func TestJunk(t *testing.T) {
	w := newWorld(t, 1, lan, nil)
	w.Connect()
	s := w.Left.Engine.standing("left", nil)
	sa := s.current
	send := func(h wire.Header, body []byte) Drop {
		m := wire.Message{Header: h, Payloads: []wire.Payload{&wire.Encrypted{Next: wire.PayloadNotify, Body: body}}}.Append(nil)
		return w.Right.Engine.Receive(w.Net.Now(), Datagram{Local: at(enginetest.RightAddr, 500), Remote: at(enginetest.LeftAddr, 500), Payload: m})
	}
	header := func(change func(*wire.Header)) wire.Header {
		h := sa.header(wire.Informational, 2, false)
		change(&h)
		return h
	}
	garbage := bytes.Repeat([]byte{7}, 80)
	for _, c := range []struct {
		name   string
		header wire.Header
		want   Drop
	}{
		{"forged DELETE", header(func(*wire.Header) {}), ike.DropIntegrity},
		{"message id ahead", header(func(h *wire.Header) { h.MessageID = 3 }), ike.DropMessageID},
		{"message id behind", header(func(h *wire.Header) { h.MessageID = 0 }), ike.DropMessageID},
		{"answer to nothing", header(func(h *wire.Header) { h.Flags |= wire.FlagResponse }), ike.DropMessageID},
		{"IKE_AUTH again", header(func(h *wire.Header) { h.Exchange = wire.IKEAuth }), ike.DropUnexpected},
		{"unknown SPI", header(func(h *wire.Header) { h.SPIr++ }), ike.DropUnknownSPI},
		{"reflected", header(func(h *wire.Header) { h.Flags &^= wire.FlagInitiator }), ike.DropUnknownSPI},
		{"IKEv1", header(func(h *wire.Header) { h.Major = 1 }), ike.DropVersion},
	} {
		if got := send(c.header, garbage); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	for _, payload := range [][]byte{nil, {0xff}, make([]byte, 28), make([]byte, 2000)} {
		d := Datagram{Local: at(enginetest.RightAddr, 500), Remote: at(enginetest.LeftAddr, 500), Payload: payload}
		if got := w.Right.Engine.Receive(w.Net.Now(), d); got != ike.DropMalformed {
			t.Errorf("%d octets: %q", len(payload), got)
		}
	}
	stranger := Datagram{Local: at(enginetest.RightAddr, 500), Remote: at(netip.MustParseAddr("203.0.113.66"), 500), Payload: initRequest(w, 1)}
	if got := w.Right.Engine.Receive(w.Net.Now(), stranger); got != ike.DropUnknownPeer {
		t.Errorf("stranger: %q", got)
	}
	if out := w.Right.Engine.TakeOutput(); len(out) != 0 {
		t.Errorf("junk was answered: %+v", out)
	}
	w.CheckSettled()
}

// initRequest is a valid IKE_SA_INIT request that nobody will follow up.
func initRequest(w *world, spi uint64, extra ...wire.Payload) []byte {
	return wire.Message{
		Header: wire.Header{SPIi: spi, Major: 2, Exchange: wire.IKESAInit, Flags: wire.FlagInitiator},
		Payloads: append(extra, offerIKE(w.Left.Peer.IKEProposals, nil),
			&wire.KE{Group: ike.Group19, Data: w.Left.Engine.newDH(ike.Group19).Public()},
			&wire.Nonce{Data: binary.BigEndian.AppendUint64(make([]byte, 24), spi)}),
	}.Append(nil)
}

// TestCookies: RFC 7296 section 2.6: a flood from invented addresses costs no
// state beyond a bound, and the true peer gets through it.
func TestCookies(t *testing.T) {
	w := newWorld(t, 1, lan, func(_, right *ike.Peer) { right.Remote = netip.Addr{} })
	drops := map[Drop]int{}
	flood := func() {
		for i := range uint64(500) {
			source := netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)})
			drops[w.Right.Engine.Receive(w.Net.Now(), Datagram{Local: at(enginetest.RightAddr, 500), Remote: at(source, 500), Payload: initRequest(w, i+1)})]++
		}
		w.Right.Flush()
	}
	flood()
	if drops[ike.Accepted] != cookieThreshold || drops[ike.DropCookie] != 500-cookieThreshold || w.Right.Engine.Sessions() != cookieThreshold {
		t.Fatalf("%v, %d sessions", drops, w.Right.Engine.Sessions())
	}
	w.Connect()
	w.CheckSettled()
	if w.Right.Drops[ike.DropCookie] == 0 {
		t.Fatal("the true peer was not asked for a cookie")
	}
	w.Net.RunFor(connectTimeout)
	if n := w.Right.Engine.Sessions(); n != 1 || w.Right.Engine.admission.halfOpen != 0 || len(w.Right.Engine.admission.sources) != 0 {
		t.Fatalf("%d sessions after the flood", n)
	}
	w.CheckSettled()
}

// TestCookieIsBound: a cookie is worth nothing from another source, with another
// SPI, or when it is old.
func TestCookieIsBound(t *testing.T) {
	w := newWorld(t, 1, lan, func(_, right *ike.Peer) { right.Remote = netip.Addr{} })
	g, now := w.Right.Engine, enginetest.Epoch
	source := at(enginetest.LeftAddr, 500)
	receive := func(remote netip.AddrPort, spi uint64, cookie []byte) Drop {
		var extra []wire.Payload
		if cookie != nil {
			extra = append(extra, &wire.Notify{Type: wire.CookieNotify, Data: cookie})
		}
		return g.Receive(now, Datagram{Local: at(enginetest.RightAddr, 500), Remote: remote, Payload: initRequest(w, spi, extra...)})
	}
	for spi := uint64(1); spi <= cookieThresholdSource; spi++ {
		if drop := receive(source, spi, nil); drop != ike.Accepted {
			t.Fatalf("request %d: %q", spi, drop)
		}
	}
	g.TakeOutput()
	if drop := receive(source, 100, nil); drop != ike.DropCookie {
		t.Fatalf("one too many: %q", drop)
	}
	m, err := wire.Parse(g.TakeOutput()[0].Datagram.Payload)
	if err != nil {
		t.Fatal(err)
	}
	n := sortPayloads(m.Payloads).notify(wire.CookieNotify)
	if n == nil || m.Header.SPIr != 0 || m.Header.SPIi != 100 {
		t.Fatalf("answered with %v", m)
	}
	cookie := n.Data
	if drop := receive(source, 101, cookie); drop != ike.DropCookie {
		t.Errorf("another SPI: %q", drop)
	}
	if drop := receive(at(enginetest.LeftAddr, 501), 100, cookie); drop != ike.DropCookie {
		t.Errorf("another port: %q", drop)
	}
	now = now.Add(cookieRotation)
	if drop := receive(source, 101, nil); drop != ike.DropCookie { // changes the secret
		t.Errorf("without: %q", drop)
	}
	if drop := receive(source, 100, cookie); drop != ike.Accepted {
		t.Errorf("the cookie after a minute: %q", drop)
	}
	now = now.Add(cookieRotation)
	receive(source, 102, nil)
	if drop := receive(source, 100, cookie); drop != ike.DropCookie {
		t.Errorf("the cookie after two minutes: %q", drop)
	}
}

// TestCookieThenGroup: RFC 7296 section 2.6.1: one round trip for the cookie, one
// for the group, with the cookie in both.
func TestCookieThenGroup(t *testing.T) {
	w := newWorld(t, 1, lan, func(left, right *ike.Peer) {
		left.IKEProposals = enginetest.IKE(t, "aes128-sha256-group20", "aes128-sha256-group19")
		right.IKEProposals = left.IKEProposals[1:]
	})
	w.Right.Engine.admission.sources[enginetest.LeftAddr] = cookieThresholdSource
	w.Connect()
	w.CheckSettled()
	if n := w.Right.Drops[ike.DropCookie]; n != 1 {
		t.Errorf("asked for a cookie %d times", n)
	}
}

// A request that is sent again and again by the name of another is answered a few
// times only: the answers go to who has not asked.
func TestRepeatedAnswersAreBounded(t *testing.T) {
	w := newWorld(t, 1, lan, nil)
	g, answers := w.Right.Engine, 0
	d := Datagram{Local: at(enginetest.RightAddr, 500), Remote: at(enginetest.LeftAddr, 500), Payload: initRequest(w, 1)}
	for range 1000 {
		g.Receive(w.Net.Now(), d)
		for _, o := range g.TakeOutput() {
			if len(o.Datagram.Payload) > 0 {
				answers++
			}
		}
	}
	if answers < 6 || answers > 1+initRepeatsMax {
		t.Errorf("1000 requests are answered %d times", answers)
	}
}

// TestHalfOpenLimit: not even sources that return cookies get more than their
// share.
func TestHalfOpenLimit(t *testing.T) {
	w := newWorld(t, 1, lan, nil)
	g := w.Right.Engine
	g.admission.sources[enginetest.LeftAddr] = halfOpenMaxSource
	d := Datagram{Local: at(enginetest.RightAddr, 500), Remote: at(enginetest.LeftAddr, 500), Payload: initRequest(w, 1)}
	if drop := g.Receive(enginetest.Epoch, d); drop != ike.DropHalfOpen {
		t.Errorf("source at its limit: %q", drop)
	}
	delete(g.admission.sources, enginetest.LeftAddr)
	g.admission.halfOpen = halfOpenMax
	if drop := g.Receive(enginetest.Epoch, d); drop != ike.DropCookie {
		t.Errorf("gate at its limit, a configured address: %q", drop)
	}
	anybody := w.Right.Peer
	anybody.Remote = netip.Addr{}
	if err := g.SetPeer(anybody); err != nil {
		t.Fatal(err)
	}
	if drop := g.Receive(enginetest.Epoch, d); drop != ike.DropHalfOpen {
		t.Errorf("gate at its limit, any address: %q", drop)
	}
}
