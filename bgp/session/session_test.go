package session_test

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway.dev/bgp/session"
	"causeway.dev/bgp/wire"
)

// RFC 4271 section 8.2.2: from Idle to Established, whoever has dialed.
func TestEstablished(t *testing.T) {
	for _, outgoing := range []bool{true, false} {
		s := newStation(t, config())
		s.in(session.Idle)
		s.start()
		s.in(session.Connect)
		s.because("connecting to 169.254.10.2 port 179")
		if !outgoing {
			s.DialFailed(s.now, session.Refused, "")
			s.dialing = false
			s.in(session.Active)
		}
		s.dialing = false
		conn := s.connect(outgoing)
		s.in(session.OpenSent)
		body := s.expect(conn, wire.TypeOpen)
		if o, err := wire.ParseOpen(body); err != nil || o.ASN != 64512 || o.HoldTime != 30*time.Second || !o.FourOctetASN || !o.RouteRefresh ||
			o.Restart == nil || *o.Restart != (wire.Restart{Time: 2 * time.Minute, IPv4: true, Forwarded: true}) {
			t.Errorf("our OPEN: %+v, %v", o, err)
		}
		s.receive(conn, peerOpen().Append(nil))
		s.in(session.OpenConfirm)
		s.expect(conn, wire.TypeKeepalive)
		s.happened()
		s.receive(conn, wire.AppendKeepalive(nil))
		s.in(session.Established)
		s.because("")
		s.happened(session.Up{Negotiated: negotiated})
		if n, ok := s.Negotiated(); !ok || n != negotiated {
			t.Errorf("negotiated: %+v, %v", n, ok)
		}
		if sent, received := s.Messages(); sent != 2 || received != 2 {
			t.Errorf("%d messages were sent, %d received", sent, received)
		}
		if s.dialing {
			t.Error("the dial goes on")
		}
	}
}

// The stream may be cut anywhere, and hold many messages.
func TestStreamIsCutAnywhere(t *testing.T) {
	u := wire.Update{Withdrawn: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	stream := slices.Concat(peerOpen().Append(nil), wire.AppendKeepalive(nil), u.Append(nil, true), wire.Update{EndOfRIB: true}.Append(nil, true), wire.AppendKeepalive(nil), u.Append(nil, true))
	want := []session.Event{session.Up{Negotiated: negotiated}, session.Updated{Update: u}, session.EndOfRIB{}, session.Updated{Update: u}}
	for size := range len(stream) {
		s := newStation(t, config())
		s.start()
		conn := s.dialed()
		for chunk := range slices.Chunk(slices.Clone(stream), size+1) {
			s.receive(conn, chunk)
			clear(chunk)
		}
		s.happened(want...)
	}
}

// Whoever has come to us need not be dialed.
func TestPeerComesFirst(t *testing.T) {
	s := newStation(t, config())
	s.start()
	conn := s.accepted()
	s.DialFailed(s.now, session.Refused, "")
	s.dialing = false
	s.because("connecting to 169.254.10.2 port 179")
	s.wait(20 * time.Second)
	if s.dialing {
		t.Error("it is dialed while it is here")
	}
	s.agree(conn, peerOpen())

	s = newStation(t, config())
	s.start()
	s.agree(s.accepted(), peerOpen())
	if s.dialing {
		t.Error("the dial goes on")
	}
	if late := s.connect(true); !s.closed[late] {
		t.Error("a dial that was taken back is used")
	}
}

// What is told of a NOTIFICATION is not the owner's buffer.
func TestNotificationIsKept(t *testing.T) {
	s, conn := established(t, config(), peerOpen())
	message := wire.Notification{Code: wire.CodeCease, Subcode: wire.AdministrativeReset, Data: []byte("\x02no")}.Append(nil)
	s.Received(s.now, conn, message)
	clear(message)
	s.settle()
	if n := s.events[0].(session.Down).Received; n == nil || string(n.Data) != "\x02no" {
		t.Errorf("the NOTIFICATION was %+v", n)
	}
}

// RFC 4271 section 6.2: what an OPEN is refused for, and what people are told.
func TestOpenIsChecked(t *testing.T) {
	for _, c := range []struct {
		what    string
		change  func(*wire.Open)
		subcode wire.Subcode
		reason  string
	}{
		{"AS", func(o *wire.Open) { o.ASN = 65001 }, wire.BadPeerAS, "the peer's AS is 65001, the customer gateway's BGP ASN is 65000"},
		{"AS 0 (RFC 7607)", func(o *wire.Open) { o.ASN = 0 }, wire.BadPeerAS, "the peer's AS is 0, the customer gateway's BGP ASN is 65000"},
		{
			"AS_TRANS", func(o *wire.Open) { o.ASN, o.WithoutCapabilities = 4200000000, true }, wire.BadPeerAS,
			"the peer does not say its AS, which does not fit into two octets: the customer gateway's BGP ASN is 65000",
		},
		{"identifier (RFC 6286)", func(o *wire.Open) { o.Identifier = netip.IPv4Unspecified() }, wire.BadIdentifier, "the peer's BGP identifier is 0.0.0.0: set its router ID"},
		{"hold time of 2 s", func(o *wire.Open) { o.HoldTime = 2 * time.Second }, wire.UnacceptableHoldTime, "the peer's hold time is 2s, it has to be at least 3s"},
		{"no hold time", func(o *wire.Open) { o.HoldTime = 0 }, wire.UnacceptableHoldTime, "the peer's hold time is 0s, it has to be at least 3s"},
		{
			"IPv6 only (RFC 5492)", func(o *wire.Open) { o.Families = []wire.Family{{AFI: 2, SAFI: 1}} }, wire.UnsupportedCapability,
			"the peer does not offer IPv4 unicast: activate that address family for the neighbor",
		},
	} {
		t.Run(c.what, func(t *testing.T) {
			s := newStation(t, config())
			s.start()
			conn := s.dialed()
			o := peerOpen()
			c.change(&o)
			s.receive(conn, o.Append(nil))
			s.refuses(conn, wire.Notification{Code: wire.CodeOpen, Subcode: c.subcode})
			s.in(session.Idle)
			s.because(c.reason)
		})
	}
	s := newStation(t, config())
	s.start()
	conn := s.dialed()
	old := peerOpen().Append(nil)
	old[wire.HeaderLength] = 3
	s.receive(conn, old)
	s.refuses(conn, wire.Notification{Code: wire.CodeOpen, Subcode: wire.UnsupportedVersion})
	s.because("the peer speaks BGP version 3, only 4 is known")
}

// What is agreed on: the shorter hold time, what both sides can do.
func TestNegotiation(t *testing.T) {
	for _, c := range []struct {
		what   string
		ours   func(*session.Config)
		theirs func(*wire.Open)
		want   func(*session.Negotiated)
	}{
		{"the peer's hold time is shorter", nil, func(o *wire.Open) { o.HoldTime = 9 * time.Second }, func(n *session.Negotiated) { n.HoldTime = 9 * time.Second }},
		{"no word of families", nil, func(o *wire.Open) { o.Families = nil }, func(*session.Negotiated) {}},
		{
			"no capabilities", nil, func(o *wire.Open) { o.WithoutCapabilities = true },
			func(n *session.Negotiated) {
				*n = session.Negotiated{Identifier: n.Identifier, HoldTime: n.HoldTime}
			},
		},
		{"the same identifier (RFC 6286)", func(c *session.Config) { c.Identifier = netip.MustParseAddr("10.0.0.1") }, nil, func(*session.Negotiated) {}},
		{"restart is not offered by us", func(c *session.Config) { c.RestartTime = 0 }, nil, func(n *session.Negotiated) { n.Restart, n.EndOfRIB = false, false }},
		{"the peer only helps", nil, func(o *wire.Open) { o.Restart = &wire.Restart{} }, func(n *session.Negotiated) { n.Restart = false }},
		{"the peer has begun anew", nil, func(o *wire.Open) { o.Restart.Restarted = true }, func(n *session.Negotiated) { n.PeerRestarted = true }},
	} {
		t.Run(c.what, func(t *testing.T) {
			ours, theirs, want := config(), peerOpen(), negotiated
			if c.ours != nil {
				c.ours(&ours)
			}
			if c.theirs != nil {
				c.theirs(&theirs)
			}
			c.want(&want)
			s, _ := established(t, ours, theirs)
			if got, _ := s.Negotiated(); got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
		})
	}
}

// RFC 4271 sections 6.1 and 6.6, RFC 6608: messages that no state knows.
func TestUnexpectedMessages(t *testing.T) {
	update := wire.Update{EndOfRIB: true}.Append(nil, true)
	keepalive, open, refresh := wire.AppendKeepalive(nil), peerOpen().Append(nil), wire.Refresh{Family: wire.IPv4Unicast}.Append(nil)
	header := func(subcode wire.Subcode) wire.Notification {
		return wire.Notification{Code: wire.CodeHeader, Subcode: subcode}
	}
	machine := func(subcode wire.Subcode) wire.Notification {
		return wire.Notification{Code: wire.CodeStateMachine, Subcode: subcode}
	}
	for _, c := range []struct {
		what   string
		before [][]byte
		then   []byte
		want   wire.Notification
	}{
		{"KEEPALIVE in OpenSent", nil, keepalive, machine(wire.UnexpectedInOpenSent)},
		{"UPDATE in OpenSent", nil, update, machine(wire.UnexpectedInOpenSent)},
		{"OPEN in OpenConfirm", [][]byte{open}, open, machine(wire.UnexpectedInOpenConfirm)},
		{"UPDATE in OpenConfirm", [][]byte{open}, update, machine(wire.UnexpectedInOpenConfirm)},
		{"ROUTE-REFRESH in OpenConfirm", [][]byte{open}, refresh, machine(wire.UnexpectedInOpenConfirm)},
		{"OPEN in Established", [][]byte{open, keepalive}, open, machine(wire.UnexpectedInEstablished)},
		{"another protocol", nil, []byte("SSH-2.0-OpenSSH_9.2p1\r\n"), header(wire.ConnectionNotSynchronized)},
		{"an unknown type", [][]byte{open, keepalive}, append(slices.Clone(keepalive[:18]), 9), header(wire.BadMessageType)},
		{"a message of 4,097 octets", [][]byte{open, keepalive}, append(slices.Clone(keepalive[:16]), 0x10, 0x01, 2), header(wire.BadMessageLength)},
	} {
		t.Run(c.what, func(t *testing.T) {
			s := newStation(t, config())
			s.start()
			conn := s.dialed()
			s.receive(conn, c.before...)
			s.receive(conn, c.then, keepalive)
			s.refuses(conn, c.want)
			s.in(session.Idle)
		})
	}
}

// An UPDATE that can't be survived ends the session and clears its routes; one that can
// is handed on. RFC 7606.
func TestMalformedUpdates(t *testing.T) {
	broken := func(attributes ...byte) []byte {
		u := wire.Update{Announced: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Attributes: wire.Attributes{Path: []uint32{65000}, NextHop: netip.MustParseAddr("169.254.10.2")}}
		b := u.Append(nil, true)
		copy(b[wire.HeaderLength+4:], attributes)
		return b
	}
	s, conn := established(t, config(), peerOpen())
	s.receive(conn, broken(0x40, 1, 1, 77))
	if u, ok := s.events[0].(session.Updated); !ok || !strings.Contains(u.Update.Malformed, "ORIGIN has an unknown value") || len(u.Update.Withdrawn) != 1 || u.Update.Announced != nil {
		t.Errorf("%+v", s.events)
	}
	s.in(session.Established)
	s.events = nil
	s.receive(conn, broken(0x40, 99))
	n := wire.Notification{Code: wire.CodeUpdate, Subcode: wire.UnrecognizedWellKnown, Data: []byte{0x40, 99, 1, 0}}
	s.refuses(conn, n)
	s.happened(session.Down{Reason: "the peer's UPDATE has a well-known attribute of the unknown type 99", Sent: &n})
	s.in(session.Idle)
}

// RFC 4271 sections 4.4 and 6.5: KEEPALIVEs leave after a third of the hold time, less up
// to a quarter; silence for the whole of it ends the session.
func TestHoldTimer(t *testing.T) {
	s, conn := established(t, config(), peerOpen())
	silent, least := time.Duration(0), time.Hour
	for range 5000 {
		s.wait(50 * time.Millisecond)
		s.receive(conn, wire.AppendKeepalive(nil))
		silent += 50 * time.Millisecond
		if types, _ := s.read(conn); len(types) > 0 {
			least, silent = min(least, silent), 0
		} else if silent > 10*time.Second {
			t.Fatal("our side says nothing for more than a third of the hold time")
		}
	}
	if least < 7500*time.Millisecond || least > 9*time.Second {
		t.Errorf("our side says something after %v", least)
	}
	s.receive(conn, wire.AppendKeepalive(nil))
	s.wait(29 * time.Second)
	s.in(session.Established)
	s.wait(time.Second)
	n := wire.Notification{Code: wire.CodeHoldTimer}
	s.refuses(conn, n)
	s.in(session.Idle)
	s.because("nothing was heard from the peer for 30s (hold time)")
	// RFC 4724 does not keep routes of a peer that is silent.
	s.happened(session.Down{Reason: "nothing was heard from the peer for 30s (hold time)", Sent: &n})

	s = newStation(t, config())
	s.start()
	conn = s.dialed()
	s.wait(30 * time.Second)
	s.refuses(conn, wire.Notification{Code: wire.CodeHoldTimer})
	s.because("the peer sent no OPEN within 30s: its end of the connection may not be BGP")
}

// Where it was our side that slept, a peer is not taken for silent before what it has said
// meanwhile could be read.
func TestWeHaveSlept(t *testing.T) {
	s, conn := established(t, config(), peerOpen())
	for range 3 {
		s.now = s.now.Add(32 * time.Second)
		s.Advance(s.now)
		s.settle()
		s.in(session.Established)
		s.receive(conn, wire.AppendKeepalive(nil))
	}
	s.now = s.now.Add(time.Hour)
	s.Advance(s.now)
	s.settle()
	s.in(session.Established)
	s.wait(time.Second)
	s.in(session.Idle)
}

// An UPDATE keeps the session as a KEEPALIVE does; a ROUTE-REFRESH does not.
func TestWhatIsHeard(t *testing.T) {
	s, conn := established(t, config(), peerOpen())
	s.wait(29 * time.Second)
	s.receive(conn, wire.Update{EndOfRIB: true}.Append(nil, true))
	s.wait(29 * time.Second)
	s.in(session.Established)
	s.receive(conn, wire.Refresh{Family: wire.IPv4Unicast}.Append(nil))
	s.wait(time.Second)
	s.in(session.Idle)
}

// The owner ends a session that tells too much; it begins again by itself.
func TestFail(t *testing.T) {
	s, conn := established(t, config(), peerOpen())
	n := wire.Cease(wire.MaximumPrefixes)
	s.Fail(s.now, n, "The customer gateway advertises more than 100 routes", time.Minute)
	s.settle()
	s.refuses(conn, n)
	s.happened(session.Down{Reason: "The customer gateway advertises more than 100 routes", Sent: &n})
	s.in(session.Idle)
	s.because("The customer gateway advertises more than 100 routes")
	dials := s.dials
	s.wait(59 * time.Second)
	s.in(session.Idle)
	s.wait(time.Second)
	s.in(session.Connect)
	if s.dials != dials+1 {
		t.Errorf("%d dials", s.dials-dials)
	}
	s.because("The customer gateway advertises more than 100 routes")
}

// Stop says goodbye; Abandon, for a path that is gone, says nothing. Start begins anew.
func TestStopAndAbandon(t *testing.T) {
	s, conn := established(t, config(), peerOpen())
	n := wire.Cease(wire.PeerDeconfigured)
	s.Stop(s.now, n)
	s.settle()
	s.refuses(conn, n)
	s.in(session.Idle)
	s.because("ended by our side: Cease / Peer De-configured (6/3)")
	s.happened(session.Down{Reason: "ended by our side: Cease / Peer De-configured (6/3)", Sent: &n})
	if at, ok := s.Deadline(); ok {
		t.Errorf("something is due at %v", at)
	}
	s.start()
	s.Start(s.now, false) // once more does nothing
	s.settle()
	if s.dials != 2 {
		t.Errorf("%d dials", s.dials)
	}
	conn = s.dialed()
	s.agree(conn, peerOpen())
	s.events = nil
	s.read(conn)
	s.Abandon(s.now, "the tunnel is down")
	s.settle()
	s.expect(conn)
	if !s.closed[conn] {
		t.Error("the connection stays open")
	}
	s.in(session.Idle)
	s.because("the tunnel is down")
	s.happened(session.Down{Reason: "the tunnel is down"})
	if at, ok := s.Deadline(); ok {
		t.Errorf("something is due at %v", at)
	}
	s.start()
	s.Abandon(s.now, "the tunnel is down")
	s.settle()
	if s.dialing {
		t.Error("the dial goes on")
	}
	// Whatever comes late is closed, or passed over.
	if late := s.connect(true); !s.closed[late] {
		t.Error("a late connection stays open")
	}
	s.DialFailed(s.now, session.Refused, "")
	s.Lost(s.now, conn, "")
	s.Received(s.now, conn, wire.AppendKeepalive(nil))
	s.Stuck(s.now, conn)
	if err := s.Send(s.now, wire.Update{EndOfRIB: true}); err == nil {
		t.Error("routes were sent to nobody")
	}
	s.settle()
	s.in(session.Idle)
	s.happened()
}

// RFC 9687: a peer that takes nothing is told so, as far as it takes that.
func TestStuck(t *testing.T) {
	s, conn := established(t, config(), peerOpen())
	if s.SendHold() != time.Minute {
		t.Errorf("the peer may take nothing for %v", s.SendHold())
	}
	s.Stuck(s.now, conn)
	s.settle()
	n := wire.Notification{Code: wire.CodeSendHold}
	s.refuses(conn, n)
	s.happened(session.Down{Reason: "the peer has not taken what we send for 1m0s", Sent: &n})
}

// RFC 2918: the peer asks for all routes once more; it gets them at once, and not again and
// again.
func TestRouteRefresh(t *testing.T) {
	s, conn := established(t, config(), peerOpen())
	ask := wire.Refresh{Family: wire.IPv4Unicast}.Append(nil)
	s.receive(conn, ask)
	s.happened(session.RefreshAsked{})
	for range 50 {
		s.receive(conn, ask, ask)
	}
	s.happened()
	s.wait(5 * time.Second)
	s.happened(session.RefreshAsked{})
	s.wait(20 * time.Second)
	s.happened()
	s.receive(conn, wire.Refresh{Family: wire.Family{AFI: 2, SAFI: 1}}.Append(nil))
	s.happened()
}

// RFC 6793: a peer of two-octet ASNs is told paths in two octets, with AS4_PATH.
func TestTwoOctetPeer(t *testing.T) {
	c := config()
	c.ASN = 4200000000
	peer := peerOpen()
	peer.FourOctetASN = false
	s := newStation(t, c)
	s.start()
	conn := s.dialed()
	body := s.expect(conn, wire.TypeOpen)
	if two := int(body[1])<<8 | int(body[2]); two != wire.ASTrans {
		t.Errorf("our AS is %d in two octets", two)
	}
	s.agree(conn, peer)
	s.read(conn)
	u := wire.Update{Announced: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")}, Attributes: wire.Attributes{Path: []uint32{4200000000, 65002}, NextHop: netip.MustParseAddr("169.254.10.1")}}
	if err := s.Send(s.now, u); err != nil {
		t.Fatal(err)
	}
	s.settle()
	got, err := wire.ParseUpdate(s.expect(conn, wire.TypeUpdate), false)
	if err != nil || !reflect.DeepEqual(got, u) {
		t.Errorf("%+v, %v", got, err)
	}
}

// RFC 5492 section 3: a peer that knows no capabilities is met without.
func TestPeerThatRefusesCapabilities(t *testing.T) {
	s := newStation(t, config())
	s.start()
	conn := s.dialed()
	s.receive(conn, wire.Notification{Code: wire.CodeOpen, Subcode: wire.UnsupportedOptionalParameter}.Append(nil))
	s.because("the peer refuses what our OPEN offers (NOTIFICATION OPEN Message Error / Unsupported Optional Parameter (2/4))")
	s.wait(5 * time.Second)
	conn = s.dialed()
	if body := s.expect(conn, wire.TypeOpen); len(body) != 10 {
		t.Errorf("our OPEN has parameters: %x", body)
	}
	s.agree(conn, peerOpen())
	if n, _ := s.Negotiated(); n.FourOctetASN || n.Restart {
		t.Errorf("negotiated: %+v", n)
	}
}
