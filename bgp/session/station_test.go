package session_test

import (
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
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
	events  []session.Event // but for notes
	notes   []session.Event // Moved, Opened and Noted
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
	for _, e := range events {
		switch e.(type) {
		case session.Moved, session.Opened, session.Noted:
			s.notes = append(s.notes, e)
		default:
			s.events = append(s.events, e)
		}
	}
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
