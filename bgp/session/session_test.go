package session_test

import (
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway.dev/bgp/session"
	"causeway.dev/bgp/wire"
)

// A station is a session under a hand-moved clock, and the peer's end of its connections.
type station struct {
	*session.Session
	t       *testing.T
	now     time.Time
	next    session.ConnID
	wrote   map[session.ConnID][]byte // that the peer has not looked at
	closed  map[session.ConnID]bool
	dialing bool
	dials   int
	events  []session.Event
}

func config() session.Config {
	return session.Config{
		ASN: 64512, PeerASN: 65000, Identifier: netip.MustParseAddr("169.254.10.1"), Remote: netip.MustParseAddr("169.254.10.2"),
		HoldTime: 30 * time.Second, ConnectRetry: 5 * time.Second, RestartTime: 120 * time.Second,
	}
}

func peerOpen() wire.Open {
	return wire.Open{
		ASN: 65000, HoldTime: 90 * time.Second, Identifier: netip.MustParseAddr("10.0.0.1"), FourOctetASN: true, RouteRefresh: true,
		Families: []wire.Family{wire.IPv4Unicast}, Restart: &wire.Restart{Time: time.Minute, IPv4: true, Forwarded: true},
	}
}

func newStation(t *testing.T, c session.Config) *station {
	t.Helper()
	s, err := session.New(c, rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		t.Fatal(err)
	}
	return &station{Session: s, t: t, now: time.Unix(1_800_000_000, 0), wrote: map[session.ConnID][]byte{}, closed: map[session.ConnID]bool{}}
}

// settle carries out what the session wants.
func (s *station) settle() {
	s.t.Helper()
	actions, events := s.TakeOutput()
	for _, a := range actions {
		switch a := a.(type) {
		case session.Dial:
			s.dialing, s.dials = true, s.dials+1
		case session.CancelDial:
			s.dialing = false
		case session.Write:
			if s.closed[a.Conn] {
				s.t.Errorf("%d octets are written on a closed connection", len(a.Bytes))
			}
			s.wrote[a.Conn] = append(s.wrote[a.Conn], a.Bytes...)
		case session.Close:
			s.closed[a.Conn] = true
		}
	}
	s.events = append(s.events, events...)
}

func (s *station) start() {
	s.t.Helper()
	s.Start(s.now, false)
	s.settle()
}

// wait moves the clock, from one deadline to the next.
func (s *station) wait(d time.Duration) {
	s.t.Helper()
	end := s.now.Add(d)
	for range 10_000 {
		at, ok := s.Deadline()
		if !ok || at.After(end) {
			s.now = end
			return
		}
		s.now = at
		s.Advance(s.now)
		s.settle()
	}
	s.t.Fatal("what is due stays due")
}

// dialed has the dial under way succeed, accepted the peer connect.
func (s *station) dialed() session.ConnID {
	s.t.Helper()
	if !s.dialing {
		s.t.Fatal("nobody dials")
	}
	s.dialing = false
	return s.connect(true)
}

func (s *station) accepted() session.ConnID { s.t.Helper(); return s.connect(false) }

func (s *station) connect(outgoing bool) session.ConnID {
	s.t.Helper()
	s.next++
	s.Connected(s.now, s.next, outgoing)
	s.settle()
	return s.next
}

func (s *station) receive(conn session.ConnID, messages ...[]byte) {
	s.t.Helper()
	s.Received(s.now, conn, slices.Concat(messages...))
	s.settle()
}

// read takes what was written on a connection: the types of messages and the last body.
func (s *station) read(conn session.ConnID) (types []wire.Type, last []byte) {
	s.t.Helper()
	for b := s.wrote[conn]; len(b) > 0; {
		typ, body, taken, err := wire.Next(b)
		if err != nil || taken == 0 {
			s.t.Fatalf("%x was written: %v", b, err)
		}
		types, last, b = append(types, typ), body, b[taken:]
	}
	delete(s.wrote, conn)
	return types, last
}

func (s *station) expect(conn session.ConnID, want ...wire.Type) []byte {
	s.t.Helper()
	types, last := s.read(conn)
	if !slices.Equal(types, want) {
		s.t.Errorf("%v was written, want %v", types, want)
	}
	return last
}

// refuses expects a NOTIFICATION as the last word on a connection.
func (s *station) refuses(conn session.ConnID, want wire.Notification) {
	s.t.Helper()
	types, last := s.read(conn)
	if len(types) == 0 || types[len(types)-1] != wire.TypeNotification {
		s.t.Errorf("%v was written, want %v", types, want)
		return
	}
	if n := wire.ParseNotification(last); n.Code != want.Code || n.Subcode != want.Subcode {
		s.t.Errorf("%v was sent, want %v", n, want)
	}
	if !s.closed[conn] {
		s.t.Error("the connection stays open")
	}
}

func (s *station) in(want session.State) {
	s.t.Helper()
	if got := s.State(); got != want {
		s.t.Errorf("the state is %v (%s), want %v", got, s.Reason(), want)
	}
}

func (s *station) because(want string) {
	s.t.Helper()
	if got := s.Reason(); got != want {
		s.t.Errorf("the reason is %q, want %q", got, want)
	}
}

// happened takes the events.
func (s *station) happened(want ...session.Event) {
	s.t.Helper()
	got := s.events
	s.events = nil
	if !reflect.DeepEqual(got, want) && len(got)+len(want) > 0 {
		s.t.Errorf("it happened %+v, want %+v", got, want)
	}
}

// agree brings a connection to Established.
func (s *station) agree(conn session.ConnID, peer wire.Open) {
	s.t.Helper()
	s.receive(conn, peer.Append(nil), wire.AppendKeepalive(nil))
	s.in(session.Established)
}

// established returns a station with a session that stands, on a connection that we have
// dialed.
func established(t *testing.T, c session.Config, peer wire.Open) (*station, session.ConnID) {
	t.Helper()
	s := newStation(t, c)
	s.start()
	conn := s.dialed()
	s.agree(conn, peer)
	s.events = nil
	delete(s.wrote, conn)
	return s, conn
}

var negotiated = session.Negotiated{Identifier: netip.MustParseAddr("10.0.0.1"), HoldTime: 30 * time.Second, FourOctetASN: true, RouteRefresh: true, EndOfRIB: true, Restart: true}

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

// RFC 4271 section 6.8, RFC 6286: of two connections the one is kept that the side with
// the higher identifier has made, or with the higher AS; whichever OPEN comes first.
func TestCollision(t *testing.T) {
	for _, c := range []struct {
		what       string
		identifier string // the peer's; ours is 169.254.10.1
		asn        uint32 // ours; the peer's is 65000
		keepDialed bool
	}{
		{"ours is higher", "10.0.0.1", 64512, true},
		{"the peer's is higher", "192.0.2.1", 64512, false},
		{"of equal ones the peer's AS is higher", "169.254.10.1", 64512, false},
		{"of equal ones our AS is higher", "169.254.10.1", 4200000000, true},
	} {
		for _, dialedFirst := range []bool{true, false} {
			t.Run(c.what, func(t *testing.T) {
				ours, theirs := config(), peerOpen()
				ours.ASN, theirs.Identifier = c.asn, netip.MustParseAddr(c.identifier)
				s := newStation(t, ours)
				s.start()
				incoming := s.accepted()
				outgoing := s.dialed()
				first, second := incoming, outgoing
				if dialedFirst {
					first, second = outgoing, incoming
				}
				keep, drop := incoming, outgoing
				if c.keepDialed {
					keep, drop = outgoing, incoming
				}
				s.receive(first, theirs.Append(nil))
				s.in(session.OpenConfirm)
				s.receive(second, theirs.Append(nil))
				s.refuses(drop, wire.Cease(wire.CollisionResolution))
				s.in(session.OpenConfirm)
				s.receive(keep, wire.AppendKeepalive(nil))
				s.in(session.Established)
				if s.closed[keep] {
					t.Error("both connections were closed")
				}
			})
		}
	}
}

// A connection that comes beside an established one is refused, and asks the old one
// whether it stands. RFC 4271 section 6.8.
func TestCollisionWithEstablished(t *testing.T) {
	s, conn := established(t, config(), peerOpen())
	s.wait(2 * time.Second)
	other := s.accepted()
	s.receive(other, peerOpen().Append(nil))
	s.refuses(other, wire.Cease(wire.CollisionResolution))
	s.in(session.Established)
	s.expect(conn, wire.TypeKeepalive)
	for range 10 { // not for each one
		s.receive(s.accepted(), peerOpen().Append(nil))
	}
	s.expect(conn)
	s.Lost(s.now, conn, "")
	s.settle()
	s.in(session.Active)
}

// RFC 4724 section 5: a peer that says it has begun anew has lost the old connection.
func TestPeerThatHasBegunAnewReplacesItsConnection(t *testing.T) {
	s, conn := established(t, config(), peerOpen())
	other := s.accepted()
	open := peerOpen()
	open.Restart.Restarted = true
	s.receive(other, open.Append(nil))
	if !s.closed[conn] {
		t.Error("the old connection stays open")
	}
	s.expect(conn) // without a word
	s.happened(session.Down{Reason: "the peer has begun anew", Stale: true})
	s.receive(other, wire.AppendKeepalive(nil))
	want := negotiated
	want.PeerRestarted = true
	s.happened(session.Up{Negotiated: want})
	if !s.Retaining() {
		t.Error("the routes are not kept")
	}
}

// Who connects once more has lost the connection before: there are never many.
func TestPeerConnectsAgainAndAgain(t *testing.T) {
	s := newStation(t, config())
	s.start()
	var last session.ConnID
	for range 100 {
		last = s.accepted()
	}
	if len(s.closed) != 99 || s.closed[last] {
		t.Errorf("%d of 100 connections were closed, the last one %v", len(s.closed), s.closed[last])
	}
	s.agree(last, peerOpen())
}

// Our side dials at once, and about every five seconds while nobody is there. RFC 4271
// section 8.1.3, events 9 and 12.
func TestConnectRetry(t *testing.T) {
	s := newStation(t, config())
	s.start()
	for try := 1; try < 20; try++ {
		if s.dials != try || !s.dialing {
			t.Fatalf("%d dials, want %d", s.dials, try)
		}
		s.dialing = false
		s.DialFailed(s.now, session.Refused, "")
		s.settle()
		s.in(session.Active)
		s.wait(3749 * time.Millisecond)
		if s.dialing {
			t.Fatal("it is dialed too early")
		}
		s.wait(1251 * time.Millisecond)
	}
	s.because("169.254.10.2 refuses connections to port 179: BGP does not run there, or does not know this neighbor")
	s.wait(10*time.Second - 1)
	s.because("nobody answers at 169.254.10.2 port 179")
	dials := s.dials
	s.wait(5 * time.Second)
	if s.dials != dials+1 {
		t.Errorf("%d dials in 5 s", s.dials-dials)
	}
	s.DialFailed(s.now, session.Unreachable, "no route to host\x1b[2J")
	s.because("169.254.10.2 can't be reached: no route to host?[2J")
}

// After errors it holds for longer and longer, up to a minute, and lets nobody in; a
// session that stands for a minute makes up for them.
func TestHoldOff(t *testing.T) {
	s := newStation(t, config())
	s.start()
	fail := func() (held time.Duration) {
		conn := s.dialed()
		o := peerOpen()
		o.ASN = 65001
		s.receive(conn, o.Append(nil))
		s.in(session.Idle)
		if refused := s.accepted(); !s.closed[refused] {
			t.Error("it lets somebody in")
		}
		at := s.now
		for s.State() == session.Idle {
			s.wait(10 * time.Millisecond)
		}
		return s.now.Sub(at)
	}
	between := func(got, most time.Duration) {
		t.Helper()
		if got > most+10*time.Millisecond || got < most*3/4 {
			t.Errorf("it held for %v, want %v less a quarter at most", got, most)
		}
	}
	for _, most := range []time.Duration{5, 10, 20, 40, 60, 60, 60, 60, 60, 60} {
		between(fail(), most*time.Second)
	}
	conn := s.dialed()
	s.agree(conn, peerOpen())
	for range 7 {
		s.wait(9 * time.Second)
		s.receive(conn, wire.AppendKeepalive(nil))
	}
	s.receive(conn, wire.Cease(wire.AdministrativeReset).Append(nil))
	s.in(session.Idle)
	s.wait(5 * time.Second)
	between(fail(), 10*time.Second)
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

// Connections that a peer makes and drops again and again count as an error in the end.
func TestRestlessPeer(t *testing.T) {
	s := newStation(t, config())
	s.start()
	ups := 0
	for range 1000 {
		conn := s.accepted()
		if !s.closed[conn] {
			s.receive(conn, peerOpen().Append(nil), wire.AppendKeepalive(nil))
			s.Lost(s.now, conn, "")
			s.settle()
			ups++
		}
		s.wait(time.Second)
	}
	if ups > 40 {
		t.Errorf("in 1000 s the session was established %d times", ups)
	}
	// One that we dial, and that does not know us yet, is asked on.
	s = newStation(t, config())
	s.start()
	for range 100 {
		s.Lost(s.now, s.dialed(), "")
		s.settle()
		s.because("the peer closed the connection before its OPEN: it may not know this neighbor")
		s.wait(5 * time.Second)
	}
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
