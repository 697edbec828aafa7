package ikev1

import (
	"encoding/binary"
	"net/netip"
	"runtime"
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
	if a := &g.admission; a.halfOpen != 0 || len(a.sources) != 0 || len(a.unheard.byCookie) != 0 || a.unheard.strangers.octets != 0 || g.Sessions() != 0 {
		t.Errorf("%d half-open, %d unheard are left", a.halfOpen, len(a.unheard.byCookie))
	}
}

// longMessage is a message 1 whose SA payload is as long as is taken.
func longMessage(t *testing.T) []byte {
	t.Helper()
	offers := enginetest.IKE(t, "aes128-sha256-group19")
	for len(offers) < 200 {
		offers = append(offers, offers[0])
	}
	b := firstMessage(1, offers)
	if len(b) > firstLengthMax || len(b) < firstLengthMax*3/4 {
		t.Fatalf("%d octets", len(b))
	}
	return b
}

// TestFloodOfFirstMessages: whoever invents its address can keep nobody out, neither
// peers from anywhere nor those whose address is configured: the oldest main modes
// make room; nothing is told of them.
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
		all, spi := &g.admission.unheard, uint64(1)<<32
		flood := func(message []byte, count int) {
			for range count {
				spi++
				binary.BigEndian.PutUint64(message, spi)
				from := netip.AddrFrom4([4]byte{198, 18, byte(spi >> 8), byte(spi)})
				if drop, answers := receive(w, at500(from), message); drop != ike.Accepted || len(answers) != 1 {
					t.Fatalf("message %d: %v", spi, drop)
				}
			}
		}
		usual, long := firstMessage(1, w.Right.Peer.IKEProposals), longMessage(t)
		for _, message := range [][]byte{usual, long, usual} {
			flood(message, strangersMax/(unheardCost+len(message))+100)
			if n := all.strangers.waiting.Len(); all.strangers.octets > strangersMax || all.strangers.octets < strangersMax-2*len(long) || len(all.byCookie) != n || len(all.byOrigin) != n {
				t.Fatalf("%d octets of %d main modes, %d at most", all.strangers.octets, n, strangersMax)
			}
		}
		if n := all.strangers.waiting.Len(); n < 50_000/4 {
			t.Errorf("%d wait: at 50,000 a second none has a quarter of a second", n)
		}
		told := len(w.Right.Events)
		w.Left.Command(ike.Initiate{})
		for range 10 { // 50,000 a second, for longer than the main mode takes
			flood(usual, 500)
			w.Net.RunFor(10 * time.Millisecond)
		}
		w.CheckSettled()
		if told > 0 {
			t.Errorf("%d events are told of strangers", told)
		}
		w.Net.RunFor(connectTimeout + time.Second)
		if a := &g.admission; len(all.byCookie)+len(all.byOrigin)+a.halfOpen+len(a.negotiations)+all.strangers.octets+all.configured.octets+len(all.addresses) != 0 {
			t.Errorf("%d and %d are left", len(all.byCookie), len(a.negotiations))
		}
	}
}

// TestFloodByNamesOfPeers: whoever invents the address of a peer that is configured can
// keep that one out, but no other: each has its share of the room.
func TestFloodByNamesOfPeers(t *testing.T) {
	w := newWorld(t, 1, enginetest.LAN, nil)
	w.Right.Several = true
	g := w.Right.Engine
	all := &g.admission.unheard
	victim := netip.MustParseAddr("203.0.113.1")
	others := []netip.Addr{netip.MustParseAddr("203.0.113.2"), netip.MustParseAddr("203.0.113.3")}
	for _, address := range append(others, victim) {
		p := w.Right.Peer
		p.ID, p.Remote = ike.PeerID(address.String()), address
		if err := g.SetPeer(p); err != nil {
			t.Fatal(err)
		}
	}
	spi := uint64(1) << 32
	flood := func(from netip.Addr, count int) {
		for range count {
			spi++
			if drop, _ := receive(w, at500(from), firstMessage(spi, w.Right.Peer.IKEProposals)); drop != ike.Accepted {
				t.Fatalf("message %d: %v", spi, drop)
			}
		}
	}
	most := configuredMax / unheardCost
	flood(others[0], most+100)
	if n := all.configured.octets; n > configuredMax || n < configuredMax*9/10 {
		t.Errorf("one address takes %d octets, of %d", n, configuredMax)
	}
	flood(victim, 3)
	for range 3 {
		for _, other := range others {
			flood(other, most)
		}
	}
	if n := all.addresses[victim].waiting.Len(); n != 3 {
		t.Errorf("of three main modes of another address %d are left", n)
	}
	for _, other := range others {
		if n := all.addresses[other].octets; n > configuredMax/3 || n < configuredMax/4 {
			t.Errorf("%v takes %d octets of %d", other, n, configuredMax)
		}
	}
	w.Left.Command(ike.Initiate{}) // a fourth
	for range 10 {
		flood(others[0], 500)
		w.Net.RunFor(10 * time.Millisecond)
	}
	w.CheckSettled()
	_, failed := enginetest.Last[ike.NegotiationFailed](w.Right)
	if w.Net.RunFor(connectTimeout + time.Second); len(all.byCookie)+len(all.addresses)+all.configured.octets != 0 || failed != 0 {
		t.Errorf("%d are left; %d failures are told before their time", len(all.byCookie), failed)
	}
}

// TestFloodIsBoundedInMemory measures what main modes take that wait for their third
// message, short ones and long ones, of strangers and of configured addresses.
func TestFloodIsBoundedInMemory(t *testing.T) {
	for name, long := range map[string]bool{"usual": false, "long": true} {
		w := newWorld(t, 1, enginetest.LAN, nil)
		g := w.Right.Engine
		anybody := w.Right.Peer
		anybody.ID, anybody.Remote = "anybody", netip.Addr{}
		if err := g.SetPeer(anybody); err != nil {
			t.Fatal(err)
		}
		message := firstMessage(1, w.Right.Peer.IKEProposals)
		if long {
			message = longMessage(t)
		}
		heap := func() uint64 {
			var m runtime.MemStats
			runtime.GC()
			runtime.GC() // what the first has unlinked
			runtime.ReadMemStats(&m)
			return m.HeapAlloc
		}
		before, spi := heap(), uint64(0)
		for range strangersMax * 5 / 4 / (unheardCost + len(message)) {
			for _, from := range []netip.Addr{enginetest.LeftAddr, netip.AddrFrom4([4]byte{198, 18, byte(spi >> 8), byte(spi)})} {
				spi++
				binary.BigEndian.PutUint64(message, spi)
				g.Receive(w.Net.Now(), ike.Datagram{Local: at500(enginetest.RightAddr), Remote: at500(from), Payload: message})
				clear(g.TakeOutput())
			}
		}
		after := heap()
		all := &g.admission.unheard
		counted := all.strangers.octets + all.configured.octets
		t.Logf("%s: %d of %d octets wait, counted as %d, and take %d", name, len(all.byCookie), len(message), counted, after-before)
		if counted < (strangersMax+configuredMax)*9/10 {
			t.Errorf("%s: %d octets are counted, %d were expected", name, counted, strangersMax+configuredMax)
		}
		if after > before+strangersMax+configuredMax+1<<20 { // of whatever else the process does
			t.Errorf("%s: %d octets are taken, %d at most", name, after-before, strangersMax+configuredMax)
		}
		runtime.KeepAlive(w)
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
	if drop != ike.DropRetransmitted || len(two) != 1 || string(one[0]) != string(two[0]) || len(w.Right.Engine.admission.unheard.byCookie) != 1 {
		t.Errorf("%v, %d answers, %d main modes", drop, len(two), len(w.Right.Engine.admission.unheard.byCookie))
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
