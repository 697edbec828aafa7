package session_test

import (
	"testing"
	"time"

	"causeway.dev/bgp/session"
	"causeway.dev/bgp/wire"
)

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
