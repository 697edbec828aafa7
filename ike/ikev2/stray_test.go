package ikev2

import (
	"strings"
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/enginetest"
	"causeway.dev/ike/wire"
)

// TestRestartIsFoundOut: RFC 7296 sections 1.5 and 2.4: a side that has lost its SAs
// in a crash says so to whoever still uses them, and that side is back long before
// its dead peer detection would have noticed.
func TestRestartIsFoundOut(t *testing.T) {
	for name, crash := range map[string]func(w *world) *side{
		"responder": func(w *world) *side { return w.Right },
		"initiator": func(w *world) *side { return w.Left },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1, lan, func(left, right *ike.Peer) {
				left.DPDTimeout, right.DPDTimeout = 10*time.Minute, 10*time.Minute
				right.Start = true
			})
			w.Connect()
			for _, s := range []*side{w.Left, w.Right} {
				s.TellsStrays, s.Redial = true, true
			}
			w.Traffic(100*time.Millisecond, w.Net.Now().Add(time.Minute))
			w.Net.RunFor(time.Second)
			crash(w).Restart(99)
			w.Net.RunFor(hintTimeout + 5*time.Second)
			w.CheckSettled()
		})
	}
}

// A peer that lives is not ended by whoever says that it does not, however often.
func TestStrayNoticesProveNothing(t *testing.T) {
	w := newWorld(t, 1, lan, nil)
	w.Connect()
	s := w.Left.Engine.standing("left", nil)
	out := s.active.out
	for range 300 {
		w.Left.Receive(w.Net.Now(), at(enginetest.LeftAddr, 500), at(enginetest.RightAddr, 500), wire.Message{
			Header:   wire.Header{Major: 2, Exchange: wire.Informational, Flags: wire.FlagInitiator},
			Payloads: []wire.Payload{&wire.Notify{Type: wire.InvalidSPI, Data: spiOctets(out)}},
		}.Append(nil))
		if e := s.current.pending; e != nil {
			h := s.current.header(wire.Informational, e.id, true)
			h.Flags ^= wire.FlagInitiator
			w.Left.Receive(w.Net.Now(), at(enginetest.LeftAddr, 500), at(enginetest.RightAddr, 500), wire.Message{Header: h, Payloads: []wire.Payload{&wire.Notify{Type: wire.InvalidIKESPI}}}.Append(nil))
		}
		w.Net.RunFor(100 * time.Millisecond)
	}
	w.CheckSettled()
	if n := w.Left.Drops[ike.DropUnauthentic]; n < 300 {
		t.Errorf("%d of the forgeries were heard", n)
	}
	// One question in hintInterval, beside those of dead peer detection.
	if asked := s.current.nextID; asked > 3+3+1 {
		t.Errorf("%d requests in 30 s", asked)
	}
}

// What we say to strangers is rare, short, for configured addresses only, and never
// an answer to an answer.
func TestStraysAreBounded(t *testing.T) {
	w := newWorld(t, 1, lan, nil)
	g := w.Right.Engine
	request := func(flags wire.Flags) ike.Datagram {
		h := wire.Header{SPIi: 1, SPIr: 2, Major: 2, Exchange: wire.Informational, Flags: flags, MessageID: 7}
		return ike.Datagram{Local: at(enginetest.RightAddr, 500), Remote: at(enginetest.LeftAddr, 500), Payload: wire.Message{Header: h, Payloads: []wire.Payload{&wire.Encrypted{Body: make([]byte, 40)}}}.Append(nil)}
	}
	said := func(now time.Time, d ike.Datagram) (answers []ike.Output) {
		g.Receive(now, d)
		return append(answers, g.TakeOutput()...)
	}
	now := enginetest.Epoch
	answers := said(now, request(wire.FlagInitiator))
	if len(answers) != 1 {
		t.Fatalf("%d answers", len(answers))
	}
	payload := answers[0].Datagram.Payload
	m, err := wire.Parse(payload)
	if err != nil || m.Header.MessageID != 7 || m.Header.SPIi != 1 || m.Header.SPIr != 2 || m.Header.Flags != wire.FlagResponse ||
		m.Payloads[0].(*wire.Notify).Type != wire.InvalidIKESPI || len(payload) > len(request(0).Payload) {
		t.Errorf("answered with %v, %d octets, %v", m, len(payload), err)
	}
	for range 100 {
		now = now.Add(10 * time.Millisecond)
		if answers := said(now, request(wire.FlagInitiator)); len(answers) != 0 {
			t.Fatalf("answered again after %v", now.Sub(enginetest.Epoch))
		}
	}
	now = now.Add(time.Minute)
	if answers := said(now, request(wire.FlagInitiator|wire.FlagResponse)); len(answers) != 0 {
		t.Error("a response is answered")
	}
	stranger := request(wire.FlagInitiator)
	stranger.Remote = at(elsewhere, 500)
	if answers := said(now, stranger); len(answers) != 0 {
		t.Error("a stranger is answered")
	}
	g.StrayESP(now, at(enginetest.RightAddr, 4500), at(elsewhere, 4500), 5)
	if out := g.TakeOutput(); len(out) != 0 {
		t.Error("a stranger's ESP is answered")
	}
	g.StrayESP(now, at(enginetest.RightAddr, 0), at(enginetest.LeftAddr, 0), 0x12345678)
	out := g.TakeOutput()
	if len(out) != 1 || out[0].Datagram.Remote != at(enginetest.LeftAddr, 500) || !strings.Contains(describe(out[0].Datagram.Payload), "N(INVALID_SPI)") {
		t.Errorf("ESP is answered with %v", out)
	}
	// The notice itself is not answered.
	w.Left.Receive(now, at(enginetest.LeftAddr, 500), at(enginetest.RightAddr, 500), out[0].Datagram.Payload)
	if out := w.Left.Engine.TakeOutput(); len(out) != 0 {
		t.Errorf("a notice is answered with %v", out)
	}
	total := 0
	for i := range 50 { // other peers, in one second
		p := w.Right.Peer
		p.ID, p.Remote = ike.PeerID(strings.Repeat("x", i+1)), elsewhere.Next()
		for range i {
			p.Remote = p.Remote.Next()
		}
		if err := g.SetPeer(p); err != nil {
			t.Fatal(err)
		}
		d := request(wire.FlagInitiator)
		d.Remote = at(p.Remote, 500)
		total += len(said(now.Add(5*time.Second), d))
	}
	if total != straysMax {
		t.Errorf("%d answers in a second, the bound is %d", total, straysMax)
	}
}

// RFC 7296 sections 1.5 and 2.25: a peer that says inside of the IKE SA that it has
// lost the child SA gets a new one.
func TestInvalidSPIInside(t *testing.T) {
	w := newWorld(t, 1, lan, nil)
	w.Connect()
	s := w.Right.Engine.standing("right", nil)
	lost := s.children[0].in
	s.removeChild(s.children[0], "lost by accident")
	w.Right.Flush()
	w.Right.TellsStrays = true
	w.Left.SendESP()
	w.Net.RunFor(10 * time.Second)
	w.CheckSettled()
	if _, there := w.Right.Children[lost]; there {
		t.Error("the lost child SA is there")
	}
	if _, n := enginetest.Last[ike.Established](w.Left); n != 1 {
		t.Errorf("%d IKE SAs", n)
	}
}

// RFC 5685 section 5: who has not said that it follows redirections does not.
func TestRedirectIsNotFollowed(t *testing.T) {
	w := newWorld(t, 1, lan, nil)
	w.Right.DeafToFirst = true
	w.Left.Command(ike.Initiate{})
	s := w.Left.Engine.peers["left"].sessions[0]
	gateway := append([]byte{1, 4}, elsewhere.AsSlice()...)
	w.Left.Receive(w.Net.Now(), at(enginetest.LeftAddr, 500), at(enginetest.RightAddr, 500), wire.Message{
		Header:   wire.Header{SPIi: s.init.spi, Major: 2, Exchange: wire.IKESAInit, Flags: wire.FlagResponse},
		Payloads: []wire.Payload{&wire.Notify{Type: wire.Redirect, Data: append(gateway, s.init.nonce...)}},
	}.Append(nil))
	w.Net.RunFor(time.Minute)
	if failed, n := enginetest.Last[ike.NegotiationFailed](w.Left); n != 1 || failed.Reason != reasonRedirect {
		t.Errorf("failed %d times: %q", n, failed.Reason)
	}
}

// RFC 6023: an IKE SA may stand without a child SA, which then comes by itself.
func TestChildless(t *testing.T) {
	w := newWorld(t, 1, lan, nil)
	w.Left.Command(ike.Initiate{})
	s := w.Left.Engine.peers["left"].sessions[0]
	for len(s.sas) == 0 {
		w.Net.RunFor(time.Millisecond)
	}
	// Its IKE_AUTH request is on its way; one without a child SA overtakes it.
	sa := s.sas[0]
	_, payloads, _ := sa.pending.task.build(s, sa, w.Net.Now())
	w.Right.Receive(w.Net.Now(), at(enginetest.RightAddr, 500), at(enginetest.LeftAddr, 500), sa.seal.Seal(nil, sa.header(wire.IKEAuth, 1, false), payloads[:len(payloads)-3]))
	if st := w.Right.Engine.Status("right"); !st.Established || st.Child {
		t.Fatalf("the responder stands as %+v", st)
	}
	w.Net.Conditions.Loss = 1 // our own initiator would end it
	w.Net.RunFor(15 * time.Second)
	if st := w.Right.Engine.Status("right"); !st.Established {
		t.Fatalf("the responder stands as %+v", st)
	}
}

// A peer with several policies hears why only one of them can be.
func TestSecondPairIsRefused(t *testing.T) {
	w := newWorld(t, 1, lan, nil)
	w.Connect()
	p := &w.Left.Peer
	for range 5 {
		m := request(w, wire.CreateChildSA, offerESP(p.ESPProposals, false, 0x1234567), &wire.Nonce{Data: make([]byte, 32)},
			offerSelectors(wire.PayloadTSi, p.LocalSelectors), offerSelectors(wire.PayloadTSr, p.RemoteSelectors))
		if n := m.failure(); n == nil || n.Type != wire.NoAdditionalSAs {
			t.Fatalf("answered with %v", n)
		}
	}
	failed, n := enginetest.Last[ike.NegotiationFailed](w.Right)
	if n != 1 || !strings.Contains(failed.Reason, "second pair of security associations, for 192.168.0.0/16 === 10.0.0.0/16") {
		t.Errorf("told %d times: %q", n, failed.Reason)
	}
	w.CheckSettled()
}

// Given peers that are never given up, when one is silent for long and there is ever
// more to tell or to ask it, then that does not pile up.
func TestWhatIsToBeToldDoesNotPileUp(t *testing.T) {
	w := newWorld(t, 3, lan, func(left, right *ike.Peer) { left.DPDAction, right.DPDAction = ike.DPDNone, ike.DPDNone })
	w.Connect()
	w.Left.Command(ike.Reauthenticate{})
	for s := w.Right.Engine.peers["right"]; len(s.sessions) < 2 && w.Net.Now().Before(enginetest.Epoch.Add(time.Minute)); {
		w.Net.RunFor(time.Millisecond)
	}
	w.Net.Conditions.Loss = 1 // the left side has not heard of the new session, and asks for it in vain
	for range 300 {
		w.Right.Engine.StrayESP(w.Net.Now(), at(w.Right.Peer.Local, portIKE), at(w.Right.Peer.Remote, portIKE), 0xdead)
		w.Right.Flush()
		w.Net.RunFor(5 * time.Second)
	}
	if sessions := w.Right.Engine.peers["right"].sessions; len(sessions) != 2 {
		t.Fatalf("%d sessions", len(sessions))
	}
	for _, s := range w.Right.Engine.peers["right"].sessions {
		if len(s.queue) > 2 {
			t.Errorf("%d requests wait", len(s.queue))
		}
	}
}
