package ikev1

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/enginetest"
	"causeway.dev/ike/wire"
	"causeway.dev/ike/wire/isakmp"
)

// firstMessage is a message 1 with a cookie.
func firstMessage(spi uint64, proposals []ike.IKEProposal) []byte {
	return isakmp.Message{
		Header:   wire.Header{SPIi: spi, Major: 1, Exchange: isakmp.MainMode},
		Payloads: []isakmp.Payload{offerIKE(proposals, isakmp.AuthPreSharedKey, time.Hour)},
	}.Append(nil)
}

func at500(a netip.Addr) netip.AddrPort { return netip.AddrPortFrom(a, portIKE) }

// receive gives the right side's gate a datagram and returns what it answers.
func receive(w *world, from netip.AddrPort, b []byte) (ike.Drop, [][]byte) {
	return w.Right.Deliver(at500(enginetest.RightAddr), from, b)
}

// thirdMessage goes on with a main mode after its answer.
func thirdMessage(t *testing.T, spi uint64, answer, public []byte) []byte {
	t.Helper()
	h, err := wire.ParseHeader(answer)
	if err != nil {
		t.Fatal(err)
	}
	return isakmp.Message{
		Header:   wire.Header{SPIi: spi, SPIr: h.SPIr, Major: 1, Exchange: isakmp.MainMode},
		Payloads: []isakmp.Payload{&isakmp.KE{Data: public}, &isakmp.Nonce{Data: make([]byte, nonceLength)}},
	}.Append(nil)
}

// TestHalfOpenIsBounded: main modes of one source, and of many, that show that they
// have got our answer and then say no more; and the room of an address that is
// configured.
func TestHalfOpenIsBounded(t *testing.T) {
	w := newWorld(t, 1, enginetest.LAN, func(_, right *ike.Peer) { right.Remote = netip.Addr{} })
	g := w.Right.Engine
	proposals, public := w.Right.Peer.IKEProposals, w.Left.Engine.newDH(ike.Group19).Public()
	spi := uint64(0)
	begin := func(from netip.Addr) ike.Drop {
		spi++
		_, answers := receive(w, at500(from), firstMessage(spi, proposals))
		g.admission.strangers, g.sessions["right"].allowance = allowance{}, allowance{} // the time is not the subject
		drop, _ := receive(w, at500(from), thirdMessage(t, spi, answers[0], public))
		return drop
	}
	flood := func(from netip.Addr, count int) (dropped int) {
		for range count {
			if begin(from) == ike.DropHalfOpen {
				dropped++
			}
		}
		return dropped
	}
	if dropped := flood(netip.MustParseAddr("203.0.113.1"), halfOpenMaxSource+10); dropped != 10 {
		t.Errorf("%d of one source were dropped, want 10", dropped)
	}
	g.admission.halfOpen += halfOpenMax - halfOpenMaxSource - 5
	if dropped := flood(netip.MustParseAddr("203.0.113.2"), 20); dropped != 15 {
		t.Errorf("%d of 20 beyond the bound were dropped, want 15", dropped)
	}
	w.Right.Peer.Remote = enginetest.LeftAddr
	if err := g.SetPeer(w.Right.Peer); err != nil {
		t.Fatal(err)
	}
	if dropped := flood(enginetest.LeftAddr, reservedSource); dropped != 0 {
		t.Errorf("%d of a configured address were dropped", dropped)
	}
	g.admission.halfOpen -= halfOpenMax - halfOpenMaxSource - 5
	w.Net.RunFor(connectTimeout + time.Second)
	if a := &g.admission; a.halfOpen != 0 || len(a.sources) != 0 || a.unheard.Len() != 0 || a.unheard.octets != 0 || g.Sessions() != 0 {
		t.Errorf("%d half-open, %d unheard are left", a.halfOpen, a.unheard.Len())
	}
}

// TestFloodOfFirstMessages: whoever invents its address can keep nobody out, neither
// peers from anywhere nor those whose address is configured: the oldest main modes
// make room, which is bounded in number and octets; nothing is told of them.
func TestFloodOfFirstMessages(t *testing.T) {
	for _, configured := range []bool{false, true} {
		w := newWorld(t, 1, enginetest.LAN, func(_, right *ike.Peer) {
			if !configured {
				right.Remote = netip.Addr{}
			}
		})
		g := w.Right.Engine
		other := w.Right.Peer
		other.ID, other.Remote = "anybody", netip.Addr{}
		if err := g.SetPeer(other); err != nil {
			t.Fatal(err)
		}
		spi := uint64(1) << 32
		flood := func(count int) {
			for range count {
				spi++
				from := netip.AddrFrom4([4]byte{198, 18, byte(spi >> 8), byte(spi)})
				if drop, answers := receive(w, at500(from), firstMessage(spi, w.Right.Peer.IKEProposals)); drop != ike.Accepted || len(answers) != 1 {
					t.Fatalf("message %d: %v", spi, drop)
				}
			}
		}
		flood(unheardMax + 100)
		if a := &g.admission; a.unheard.Len() != unheardMax || len(g.negotiations) != unheardMax || len(a.negotiations) != unheardMax || a.unheard.octets > unheardOctetsMax {
			t.Fatalf("%d unheard, %d negotiations, want %d", a.unheard.Len(), len(g.negotiations), unheardMax)
		}
		told := len(w.Right.Events)
		w.Left.Command(ike.Initiate{})
		for range 10 { // 50,000 a second, for longer than the main mode takes
			flood(500)
			w.Net.RunFor(10 * time.Millisecond)
		}
		w.CheckSettled()
		if told > 0 {
			t.Errorf("%d events are told of strangers", told)
		}
		long := isakmp.Message{
			Header:   wire.Header{SPIi: 1, Major: 1, Exchange: isakmp.MainMode},
			Payloads: []isakmp.Payload{offerIKE(w.Right.Peer.IKEProposals, isakmp.AuthPreSharedKey, time.Hour), &isakmp.VendorID{Data: make([]byte, 8000)}},
		}.Append(nil)
		for range unheardOctetsMax/len(long) + 10 {
			spi++
			binary.BigEndian.PutUint64(long, spi)
			receive(w, at500(netip.AddrFrom4([4]byte{198, 19, byte(spi >> 8), byte(spi)})), long)
		}
		if a := &g.admission; a.unheard.octets > unheardOctetsMax || a.unheard.octets < unheardOctetsMax/2 {
			t.Errorf("%d octets are kept, %d at most", a.unheard.octets, unheardOctetsMax)
		}
		w.Net.RunFor(connectTimeout + time.Second)
		if a := &g.admission; a.unheard.Len()+a.configured.Len()+a.halfOpen+len(a.negotiations)+a.unheard.octets != 0 {
			t.Errorf("%d are left", len(a.negotiations))
		}
	}
}

// TestFloodOfAgreements: strangers that go on to Diffie-Hellman get a share of each
// second only, and one that asks again is served later; an address that is
// configured does not wait for them.
func TestFloodOfAgreements(t *testing.T) {
	proposals := enginetest.IKE(t, "aes128-sha256-group14")
	w := newWorld(t, 1, enginetest.LAN, func(_, right *ike.Peer) {
		right.Remote, right.IKEProposals = netip.Addr{}, proposals
	})
	public := w.Left.Engine.newDH(ike.Group14).Public()
	var held [][]byte
	spi := uint64(0)
	begin := func(from netip.AddrPort) (third []byte) {
		spi++
		_, answers := receive(w, from, firstMessage(spi, proposals))
		return thirdMessage(t, spi, answers[0], public)
	}
	stranger := at500(netip.MustParseAddr("203.0.113.1"))
	served := 0
	for range 60 {
		third := begin(stranger)
		drop, _ := receive(w, stranger, third)
		switch drop {
		case ike.Accepted:
			served++
		case ike.DropHalfOpen:
			held = append(held, third)
		default:
			t.Fatal(drop)
		}
	}
	if want := int(allowanceMost / agreementTime); served != want {
		t.Errorf("%d were served in one second, want %d", served, want)
	}
	w.Net.RunFor(time.Second)
	if drop, answers := receive(w, stranger, held[0]); drop != ike.Accepted || len(answers) != 1 {
		t.Errorf("who asks again a second later gets %v and %d answers", drop, len(answers))
	}

	w.Right.Peer.Remote = enginetest.LeftAddr
	if err := w.Right.Engine.SetPeer(w.Right.Peer); err != nil {
		t.Fatal(err)
	}
	for range allowanceMost / agreementTime {
		if drop, _ := receive(w, at500(enginetest.LeftAddr), begin(at500(enginetest.LeftAddr))); drop != ike.Accepted {
			t.Errorf("an address that is configured gets %v", drop)
		}
	}
}

// TestFloodOfQuickModes: a peer that makes pairs without end gets a share of each
// second only.
func TestFloodOfQuickModes(t *testing.T) {
	w := newWorld(t, 1, enginetest.LAN, nil)
	w.Connect()
	w.Net.RunFor(time.Second)
	s := w.Left.Engine.sessions["left"]
	accepted := 0
	for range 60 {
		drop, _ := receive(w, at500(enginetest.LeftAddr), quickModeOf(s, s.current(), s.proposedTraffic()))
		if drop == ike.Accepted {
			accepted++
		} else if drop != ike.DropHalfOpen {
			t.Fatal(drop)
		}
	}
	if want := int(allowanceMost / agreementTime); accepted != want {
		t.Errorf("%d were served in one second, want %d", accepted, want)
	}
}

// TestNothingIsAmplified: no answer is longer than what it answers, none is sent
// twice without being asked for.
func TestNothingIsAmplified(t *testing.T) {
	for name, c := range map[string]struct {
		request []byte
		answers int
	}{
		"accepted":        {firstMessage(1, enginetest.IKE(t, "aes128-sha256-group19")), 1},
		"refused":         {firstMessage(2, enginetest.IKE(t, "aes256-sha1-group2")), 1},
		"aggressive mode": {isakmp.Message{Header: wire.Header{SPIi: 3, Major: 1, Exchange: isakmp.AggressiveMode}, Payloads: []isakmp.Payload{&isakmp.KE{Data: make([]byte, 64)}}}.Append(nil), 1},
		"no payload":      {isakmp.Message{Header: wire.Header{SPIi: 4, Major: 1, Exchange: isakmp.MainMode}}.Append(nil), 0},
	} {
		w := newWorld(t, 1, enginetest.LAN, nil)
		_, answers := receive(w, at500(enginetest.LeftAddr), c.request)
		if len(answers) != c.answers || len(answers) > 0 && len(answers[0]) > len(c.request) {
			t.Errorf("%s: %d answers to %d octets", name, len(answers), len(c.request))
		}
		w.Net.RunFor(time.Minute)
		if strayed := w.Right.Engine.TakeOutput(); len(strayed) != 0 {
			t.Errorf("%s: %d outputs without being asked", name, len(strayed))
		}
	}
}

// TestNothingIsReflected: message 4 may be longer than message 3, with the names of
// authorities; it goes to nobody but who has got message 2, however often message 3
// comes by the name of another.
func TestNothingIsReflected(t *testing.T) {
	w := newWorld(t, 1, enginetest.LAN, func(_, right *ike.Peer) { right.Remote = netip.Addr{} })
	self, victim := at500(enginetest.LeftAddr), at500(netip.MustParseAddr("203.0.113.1"))
	_, answers := receive(w, self, firstMessage(1, w.Left.Peer.IKEProposals))
	third := thirdMessage(t, 1, answers[0], w.Left.Engine.newDH(ike.Group19).Public())
	if drop, answers := receive(w, victim, third); len(answers) > 0 {
		t.Errorf("a third message by the name of another is answered, %v", drop)
	}
	if drop, answers := receive(w, self, third); len(answers) != 1 {
		t.Errorf("the true one gets %d answers, %v", len(answers), drop)
	}
	if drop, answers := receive(w, victim, third); len(answers) > 0 {
		t.Errorf("a third message that was recorded is answered elsewhere, %v", drop)
	}
}

// TestRefusalsAreBounded: comparing what is offered costs too much to do it for
// everybody at any rate.
func TestRefusalsAreBounded(t *testing.T) {
	w := newWorld(t, 1, enginetest.LAN, nil)
	refused := 0
	for spi := range uint64(100) {
		if _, answers := receive(w, at500(enginetest.LeftAddr), firstMessage(spi+1, enginetest.IKE(t, "aes256-sha1-group2"))); len(answers) == 1 {
			refused++
		}
	}
	if refused != refusedMaxSource {
		t.Errorf("%d were refused with an answer, want %d", refused, refusedMaxSource)
	}
	w.Net.RunFor(2 * time.Second)
	w.Connect()
	w.CheckSettled()
}

// TestDuplicates: messages that come again are answered with the same octets, and
// nothing happens twice.
func TestDuplicates(t *testing.T) {
	w := newWorld(t, 1, enginetest.LAN, nil)
	first := firstMessage(1, w.Left.Peer.IKEProposals)
	_, one := receive(w, at500(enginetest.LeftAddr), first)
	drop, two := receive(w, at500(enginetest.LeftAddr), first)
	if drop != ike.DropRetransmitted || len(two) != 1 || string(one[0]) != string(two[0]) || len(w.Right.Engine.negotiations) != 1 {
		t.Errorf("%v, %d answers, %d main modes", drop, len(two), len(w.Right.Engine.negotiations))
	}
	w = newWorld(t, 1, enginetest.LAN, nil)
	w.Net.Conditions.Duplicate = 1
	w.Connect()
	w.CheckSettled()
	if _, established := enginetest.Last[ike.Established](w.Right); established != 1 {
		t.Errorf("%d ISAKMP SAs", established)
	}
}

// TestForgedProof: what proves nothing ends no main mode that is under way.
func TestForgedProof(t *testing.T) {
	w := newWorld(t, 1, enginetest.LAN, nil)
	w.Left.Command(ike.Initiate{})
	w.Net.RunFor(21 * time.Millisecond) // message 4 has arrived, 5 is on its way
	for cookie, n := range w.Right.Engine.negotiations {
		forged := wire.Header{SPIi: n.spii, SPIr: cookie, Major: 1, Exchange: isakmp.MainMode, Flags: isakmp.FlagEncryption, NextPayload: 5, Length: wire.HeaderLength + 64}.Append(nil)
		drop, answers := receive(w, at500(enginetest.LeftAddr), append(forged, make([]byte, 64)...))
		if drop != ike.DropIntegrity || len(answers) != 1 || len(answers[0]) > len(forged)+64 {
			t.Errorf("forged proof: %v, %d answers", drop, len(answers))
		}
		if _, answers := receive(w, at500(enginetest.LeftAddr), append(forged, 1, 2, 3)); len(answers) != 0 {
			t.Error("a second one is answered too")
		}
	}
	w.Net.RunFor(2 * time.Second)
	w.CheckSettled()
}

// TestReplay: what was authentic once changes nothing later.
func TestReplay(t *testing.T) {
	w := newWorld(t, 1, enginetest.LAN, nil)
	w.Connect()
	s := w.Left.Engine.sessions["left"]
	recorded := quickModeOf(s, s.current(), s.proposedTraffic())
	if drop, _ := receive(w, at500(enginetest.LeftAddr), recorded); drop != ike.Accepted {
		t.Fatalf("the first time: %v", drop)
	}
	for range 3 {
		if drop, _ := receive(w, at500(enginetest.LeftAddr), recorded); drop != ike.DropRetransmitted && drop != ike.DropMessageID {
			t.Errorf("again: %v", drop)
		}
		w.Net.RunFor(quickTimeout + time.Second) // nobody completes it
	}
	probe := s.current().inform(s.current().aliveness(isakmp.RUThere, 7))
	heard := func() time.Time { return w.Right.Engine.Status("right").LastHeard }
	receive(w, at500(enginetest.LeftAddr), probe)
	at := heard()
	w.Net.RunFor(time.Second)
	receive(w, at500(enginetest.LeftAddr), probe)
	if !heard().Equal(at) {
		t.Error("a question that was recorded is taken for a sign of life")
	}
}

// TestNotifyAfterTheEnd: a peer's message whose first notification ends the SA, and
// whose second one would be answered by it.
func TestNotifyAfterTheEnd(t *testing.T) {
	w := newWorld(t, 1, enginetest.LAN, func(left, right *ike.Peer) { left.Start = true })
	w.Connect()
	now, g := w.Net.Now(), w.Left.Engine
	s, peers := g.sessions["left"], w.Right.Engine.sessions["right"].current()
	for len(s.children) > 0 {
		s.removeChild(s.children[0], "the test wants a quick mode of ours under way")
	}
	s.quick(now, nil, groupsESP(s.peer)[:1])
	message := peers.inform(&isakmp.Notify{Type: isakmp.NoProposalChosen, Protocol: wire.ProtocolESP}, peers.aliveness(isakmp.RUThere, 7))
	drop := g.Receive(now, ike.Datagram{Local: at500(enginetest.LeftAddr), Remote: at500(enginetest.RightAddr), Payload: message})
	if drop != ike.Accepted || s.current() != nil {
		t.Errorf("%v, ISAKMP SA %v", drop, s.current())
	}
}

// FuzzGate feeds sequences of messages to a pair of gates that are connected: raw
// ones as a stranger sends them, and authentic ones with any content, as a broken
// or hostile peer that holds the key sends them. Whatever comes, the gate must not
// panic and must keep its books; a stranger must not change anything that stands.
//
// The input is a list of [ kind 1 | length 2 | octets ].
func FuzzGate(f *testing.F) {
	chunk := func(kind byte, b []byte) []byte {
		return append(binary.BigEndian.AppendUint16([]byte{kind}, uint16(len(b))), b...)
	}
	proposals := enginetest.IKE(f, "aes128-sha256-group19")
	f.Add(chunk(0, firstMessage(9, proposals)))
	f.Add(append(chunk(0, firstMessage(9, proposals)), chunk(1, []byte{1, 2, 3})...))
	for _, p := range []isakmp.Payload{
		&isakmp.Delete{Protocol: wire.ProtocolESP, SPIs: [][]byte{{0, 0, 1, 1}}},
		&isakmp.Notify{Type: isakmp.InitialContact, Protocol: wire.ProtocolIKE},
		&isakmp.Notify{Type: isakmp.RUThere, Protocol: wire.ProtocolIKE, SPI: make([]byte, 16), Data: make([]byte, 4)},
	} {
		f.Add(chunk(2, append([]byte{byte(p.PayloadType())}, isakmp.AppendPayloads(nil, []isakmp.Payload{p})...)))
	}
	quick := []isakmp.Payload{
		offerESP(enginetest.ESP(f, "aes128gcm16"), 0x1234567, isakmp.EncapsulationTunnel, time.Hour), &isakmp.Nonce{Data: make([]byte, 32)},
		isakmp.NewTrafficID(netip.MustParsePrefix("192.168.0.0/16")), isakmp.NewTrafficID(netip.MustParsePrefix("10.0.0.0/16")),
	}
	f.Add(chunk(3, append([]byte{byte(isakmp.PayloadSA)}, isakmp.AppendPayloads(nil, quick)...)))
	f.Fuzz(func(t *testing.T, input []byte) {
		w := newWorld(t, 1, enginetest.LAN, func(left, right *ike.Peer) {
			left.ESPProposals = enginetest.ESP(t, "aes128gcm16")
			right.ESPProposals = left.ESPProposals
		})
		w.Connect()
		s := w.Left.Engine.sessions["left"]
		sa, stranger := s.current(), true
		for step := 0; len(input) >= 3 && step < 32; step++ {
			kind, length := input[0], min(int(binary.BigEndian.Uint16(input[1:])), len(input)-3)
			b := input[3:][:length]
			input = input[3+length:]
			switch {
			case kind%4 == 0:
				receive(w, at500(enginetest.LeftAddr), b)
			case kind%4 == 1: // with the cookies of what stands
				h := wire.Header{SPIi: sa.spii, SPIr: sa.spir, Major: 1, Exchange: wire.ExchangeType(kind >> 2), Flags: isakmp.FlagEncryption, MessageID: uint32(step), Length: uint32(wire.HeaderLength + len(b))}
				receive(w, at500(enginetest.LeftAddr), append(h.Append(nil), b...))
			case len(b) > 0 && len(sa.keys.Key) > 0:
				stranger = false
				exchange := []wire.ExchangeType{isakmp.Informational, isakmp.QuickMode}[kind%2]
				receive(w, at500(enginetest.LeftAddr), authentic(s, sa, exchange, isakmp.PayloadType(b[0]), b[1:]))
			}
			w.Net.RunFor(time.Duration(kind) * 100 * time.Millisecond)
		}
		if stranger && (len(w.Right.Engine.sessions["right"].sas) != 1 || len(w.Right.Engine.sessions["right"].children) != 1) {
			t.Fatal("a stranger has changed what stands")
		}
		g := w.Right.Engine
		pairs := len(g.sessions["right"].children)
		if pairs > childrenMax || len(g.sessions["right"].sas) > sasMax || g.admission.halfOpen > halfOpenMax {
			t.Fatalf("%d pairs, %d ISAKMP SAs, %d half-open", pairs, len(g.sessions["right"].sas), g.admission.halfOpen)
		}
	})
}

// authentic is a message with a correct HASH over any octets.
func authentic(s *session, sa *isakmpSA, exchange wire.ExchangeType, first isakmp.PayloadType, chain []byte) []byte {
	id := s.gate.newMessageID()
	hash := isakmp.AppendPayloads(nil, []isakmp.Payload{&isakmp.Hash{Data: sa.keys.Phase2Proof(idOctets(id), chain)}})
	hash[0] = byte(first)
	encrypted, _ := sa.keys.Encrypt(nil, sa.keys.Phase2IV(sa.lastBlock, id), append(hash, chain...))
	h := sa.header(exchange, id)
	h.NextPayload, h.Length = wire.PayloadType(isakmp.PayloadHash), uint32(wire.HeaderLength+len(encrypted))
	return append(h.Append(nil), encrypted...)
}
