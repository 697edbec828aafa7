package ikev2

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/wire"
	"causeway.dev/internal/simnet"
)

// deliver hands datagrams of one side to the other by hand.
func (s *side) take() []Datagram {
	var datagrams []Datagram
	for _, o := range s.gate.TakeOutput() {
		if o.Event != nil {
			s.events = append(s.events, o.Event)
			s.apply(o.Event)
			continue
		}
		datagrams = append(datagrams, o.Datagram)
	}
	return datagrams
}

func (s *side) hand(now time.Time, d Datagram) Drop {
	return s.gate.Receive(now, Datagram{Local: d.Remote, Remote: d.Local, Payload: bytes.Clone(d.Payload)})
}

// one takes exactly one datagram.
func (s *side) one() Datagram {
	s.w.t.Helper()
	d := s.take()
	if len(d) != 1 {
		s.w.t.Fatalf("%s sent %d datagrams, want 1", s.name, len(d))
	}
	return d[0]
}

// TestRetransmission: RFC 7296 sections 2.1 and 2.3, with the clock moved by hand:
// the requester repeats with growing pauses, the responder answers a repetition
// with the same octets, and nothing happens twice.
func TestRetransmission(t *testing.T) {
	w := newWorld(t, 1, simnet.Conditions{}, nil)
	now := epoch
	if err := w.left.gate.Command(now, "left", ike.Initiate{}); err != nil {
		t.Fatal(err)
	}
	request := w.left.one()
	for i, want := range []time.Duration{500, 1000, 2000, 4000, 8000, 8000} {
		due, ok := w.left.gate.Deadline()
		if got := due.Sub(now); !ok || got != want*time.Millisecond {
			t.Fatalf("pause %d is %v, want %v ms", i, got, want)
		}
		now = due
		w.left.gate.Advance(now)
		if again := w.left.one(); !bytes.Equal(again.Payload, request.Payload) {
			t.Fatal("the repetition is another message")
		}
	}
	answers := func(request Datagram) Datagram {
		t.Helper()
		if drop := w.right.hand(now, request); drop != ike.Accepted {
			t.Fatalf("first request: %q", drop)
		}
		first := w.right.one()
		events := len(w.right.events)
		if drop := w.right.hand(now, request); drop != ike.DropRetransmitted {
			t.Fatalf("repeated request: %q", drop)
		}
		if again := w.right.one(); !bytes.Equal(again.Payload, first.Payload) || len(w.right.events) != events {
			t.Fatal("the repeated request was not answered with the same octets alone")
		}
		return first
	}
	response := answers(request)
	if drop := w.left.hand(now, response); drop != ike.Accepted {
		t.Fatalf("response: %q", drop)
	}
	auth := w.left.one()
	if drop := w.left.hand(now, response); drop != ike.DropRetransmitted {
		t.Fatalf("repeated response: %q", drop)
	}
	authResponse := answers(auth)
	if drop := w.left.hand(now, authResponse); drop != ike.Accepted {
		t.Fatalf("IKE_AUTH response: %q", drop)
	}
	if drop := w.left.hand(now, authResponse); drop != ike.DropMessageID {
		t.Fatalf("repeated IKE_AUTH response: %q", drop)
	}
	w.right.take()
	if drop := w.right.hand(now, request); drop != ike.DropRetransmitted || len(w.right.take()) != 0 {
		t.Fatalf("late IKE_SA_INIT: %q", drop)
	}
	w.left.take()
	w.checkSettled()
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
			_, chosen, _ := chooseIKE(offerIKE(w.left.peer.IKEProposals, nil).Proposals, w.left.peer.IKEProposals)
			chosen.Number = 1
			return []wire.Payload{&wire.SA{Proposals: []wire.Proposal{chosen}},
				&wire.KE{Group: ike.Group19, Data: w.left.gate.newDH(ike.Group19).Public()}, &wire.Nonce{Data: make([]byte, 32)}}
		}, 0xf00d},
		{"an answer without a nonce", func(w *world, _ wire.Header) []wire.Payload {
			return []wire.Payload{offerIKE(w.left.peer.IKEProposals, nil)}
		}, 0xf00d},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 1, lan, nil)
			w.left.command(ike.Initiate{})
			s := w.left.gate.peers["left"].sessions[0]
			forged := wire.Message{
				Header:   wire.Header{SPIi: s.init.spi, SPIr: c.spi, Major: 2, Exchange: wire.IKESAInit, Flags: wire.FlagResponse},
				Payloads: c.payloads(w, wire.Header{}),
			}.Append(nil)
			w.left.Receive(w.net.Now(), at(leftAddr, 500), at(rightAddr, 500), forged)
			w.net.RunFor(5 * time.Second)
			w.checkSettled()
			if _, failed := lastEvent[ike.NegotiationFailed](w.left); failed != 0 {
				t.Fatal("the attempt was reported as failed")
			}
			if n := len(w.left.gate.standing("left", nil).sas); n != 1 {
				t.Fatalf("%d IKE SAs are left", n)
			}
		})
	}
}

// TestJunk: what is not authentic is counted and has no effect.
func TestJunk(t *testing.T) {
	w := newWorld(t, 1, lan, nil)
	w.connect()
	s := w.left.gate.standing("left", nil)
	sa := s.current
	send := func(h wire.Header, body []byte) Drop {
		m := wire.Message{Header: h, Payloads: []wire.Payload{&wire.Encrypted{Next: wire.PayloadNotify, Body: body}}}.Append(nil)
		return w.right.gate.Receive(w.net.Now(), Datagram{Local: at(rightAddr, 500), Remote: at(leftAddr, 500), Payload: m})
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
		d := Datagram{Local: at(rightAddr, 500), Remote: at(leftAddr, 500), Payload: payload}
		if got := w.right.gate.Receive(w.net.Now(), d); got != ike.DropMalformed {
			t.Errorf("%d octets: %q", len(payload), got)
		}
	}
	stranger := Datagram{Local: at(rightAddr, 500), Remote: at(netip.MustParseAddr("203.0.113.66"), 500), Payload: initRequest(w, 1)}
	if got := w.right.gate.Receive(w.net.Now(), stranger); got != ike.DropUnknownPeer {
		t.Errorf("stranger: %q", got)
	}
	if out := w.right.gate.TakeOutput(); len(out) != 0 {
		t.Errorf("junk was answered: %+v", out)
	}
	w.checkSettled()
}

// initRequest is a valid IKE_SA_INIT request that nobody will follow up.
func initRequest(w *world, spi uint64, extra ...wire.Payload) []byte {
	return wire.Message{
		Header: wire.Header{SPIi: spi, Major: 2, Exchange: wire.IKESAInit, Flags: wire.FlagInitiator},
		Payloads: append(extra, offerIKE(w.left.peer.IKEProposals, nil),
			&wire.KE{Group: ike.Group19, Data: w.left.gate.newDH(ike.Group19).Public()},
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
			drops[w.right.gate.Receive(w.net.Now(), Datagram{Local: at(rightAddr, 500), Remote: at(source, 500), Payload: initRequest(w, i+1)})]++
		}
		w.right.flush()
	}
	flood()
	if drops[ike.Accepted] != cookieThreshold || drops[ike.DropCookie] != 500-cookieThreshold || w.right.gate.Sessions() != cookieThreshold {
		t.Fatalf("%v, %d sessions", drops, w.right.gate.Sessions())
	}
	w.connect()
	w.checkSettled()
	if w.right.drops[ike.DropCookie] == 0 {
		t.Fatal("the true peer was not asked for a cookie")
	}
	w.net.RunFor(connectTimeout)
	if n := w.right.gate.Sessions(); n != 1 || w.right.gate.admission.halfOpen != 0 || len(w.right.gate.admission.sources) != 0 {
		t.Fatalf("%d sessions after the flood", n)
	}
	w.checkSettled()
}

// TestCookieIsBound: a cookie is worth nothing from another source, with another
// SPI, or when it is old.
func TestCookieIsBound(t *testing.T) {
	w := newWorld(t, 1, lan, func(_, right *ike.Peer) { right.Remote = netip.Addr{} })
	g, now := w.right.gate, epoch
	source := at(leftAddr, 500)
	receive := func(remote netip.AddrPort, spi uint64, cookie []byte) Drop {
		var extra []wire.Payload
		if cookie != nil {
			extra = append(extra, &wire.Notify{Type: wire.CookieNotify, Data: cookie})
		}
		return g.Receive(now, Datagram{Local: at(rightAddr, 500), Remote: remote, Payload: initRequest(w, spi, extra...)})
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
	if drop := receive(at(leftAddr, 501), 100, cookie); drop != ike.DropCookie {
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
		left.IKEProposals = ikeProposals(t, "aes128-sha256-group20", "aes128-sha256-group19")
		right.IKEProposals = left.IKEProposals[1:]
	})
	w.right.gate.admission.sources[leftAddr] = cookieThresholdSource
	w.connect()
	w.checkSettled()
	if n := w.right.drops[ike.DropCookie]; n != 1 {
		t.Errorf("asked for a cookie %d times", n)
	}
}

// A request that is sent again and again by the name of another is answered a few
// times only: the answers go to who has not asked.
func TestRepeatedAnswersAreBounded(t *testing.T) {
	w := newWorld(t, 1, lan, nil)
	g, answers := w.right.gate, 0
	d := Datagram{Local: at(rightAddr, 500), Remote: at(leftAddr, 500), Payload: initRequest(w, 1)}
	for range 1000 {
		g.Receive(w.net.Now(), d)
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
	g := w.right.gate
	g.admission.sources[leftAddr] = halfOpenMaxSource
	d := Datagram{Local: at(rightAddr, 500), Remote: at(leftAddr, 500), Payload: initRequest(w, 1)}
	if drop := g.Receive(epoch, d); drop != ike.DropHalfOpen {
		t.Errorf("source at its limit: %q", drop)
	}
	delete(g.admission.sources, leftAddr)
	g.admission.halfOpen = halfOpenMax
	if drop := g.Receive(epoch, d); drop != ike.DropCookie {
		t.Errorf("gate at its limit, a configured address: %q", drop)
	}
	anybody := w.right.peer
	anybody.Remote = netip.Addr{}
	if err := g.SetPeer(anybody); err != nil {
		t.Fatal(err)
	}
	if drop := g.Receive(epoch, d); drop != ike.DropHalfOpen {
		t.Errorf("gate at its limit, any address: %q", drop)
	}
}
