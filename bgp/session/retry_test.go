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

// A peer that comes and goes as fast as it can, in whatever way, is held off: each time is
// a line in a log and routes for others.
func TestRestlessPeer(t *testing.T) {
	restarted := peerOpen()
	restarted.Restart.Restarted = true
	for what, again := range map[string]func(*station, session.ConnID){
		"it closes the connection": func(s *station, conn session.ConnID) { s.Lost(s.now, conn, "") },
		"it speaks of a collision": func(s *station, conn session.ConnID) {
			s.receive(conn, wire.Cease(wire.CollisionResolution).Append(nil))
		},
		"it resets the session": func(s *station, conn session.ConnID) {
			s.receive(conn, wire.Cease(wire.AdministrativeReset).Append(nil))
		},
		"it has the next connection ready": func(s *station, conn session.ConnID) {
			s.accepted()
			s.Lost(s.now, conn, "")
		},
		"it resets the session, with the next connection ready": func(s *station, conn session.ConnID) {
			s.accepted()
			s.receive(conn, wire.Cease(wire.AdministrativeReset).Append(nil))
		},
		"it begins anew": func(*station, session.ConnID) {},
	} {
		t.Run(what, func(t *testing.T) {
			s := newStation(t, config())
			s.start()
			ups := 0
			for range 20_000 {
				conn := s.next
				if s.closed[conn] || s.State() != session.OpenSent {
					conn = s.accepted()
				}
				if !s.closed[conn] {
					s.receive(conn, restarted.Append(nil))
					s.receive(conn, wire.AppendKeepalive(nil))
					again(s, conn)
					s.settle()
				}
				for _, e := range s.events {
					if _, ok := e.(session.Up); ok {
						ups++
					}
				}
				s.events = nil
				s.wait(50 * time.Millisecond)
			}
			if ups == 0 || ups > 40 {
				t.Errorf("in 1000 s the session was established %d times", ups)
			}
			// Once it has come to its senses it is let in.
			s.wait(2 * time.Minute)
			if s.State() != session.Established {
				s.agree(s.accepted(), peerOpen())
			}
		})
	}
}

// Who connects again and again, and says nothing, has its connections not looked at.
func TestPeerConnectsAgainAndAgain(t *testing.T) {
	s := newStation(t, config())
	s.start()
	looked := 0
	for range 20_000 {
		if !s.closed[s.accepted()] {
			looked++
		}
		s.wait(50 * time.Millisecond)
	}
	if looked == 0 || looked > 1000 {
		t.Errorf("in 1000 s %d connections were looked at", looked)
	}
}

// One that we dial, and that does not know us yet, is asked on.
func TestPeerThatDoesNotKnowUsYet(t *testing.T) {
	s := newStation(t, config())
	s.start()
	for range 100 {
		s.Lost(s.now, s.dialed(), "")
		s.settle()
		s.because("the peer closed the connection before its OPEN: it may not know this neighbor")
		s.wait(5 * time.Second)
	}
}

// Where a collision leaves no connection, it is dialed again within a second; a peer that
// speaks of collisions all the time is held off.
func TestCollisionLeavesNothing(t *testing.T) {
	s := newStation(t, config())
	s.start()
	collide := func() { s.receive(s.dialed(), wire.Cease(wire.CollisionResolution).Append(nil)) }
	for range 5 {
		collide()
		s.in(session.Active)
		s.wait(time.Second)
		s.in(session.Connect)
	}
	dials := s.dials
	for at := s.now; s.now.Sub(at) < 1000*time.Second; {
		if s.dialing {
			collide()
		}
		s.wait(100 * time.Millisecond)
	}
	if n := s.dials - dials; n == 0 || n > 40 {
		t.Errorf("%d dials in 1000 s", n)
	}
}

// What is due on a connection is not done when the one before has ended both.
func TestBothEndAtOnce(t *testing.T) {
	open := peerOpen()
	open.HoldTime = 3 * time.Second
	s, conn := established(t, config(), open)
	other := s.accepted()
	for range 27 {
		s.wait(time.Second)
		s.receive(conn, wire.AppendKeepalive(nil))
	}
	s.wait(3 * time.Second)
	s.in(session.Idle)
	for _, c := range []session.ConnID{conn, other} {
		if !s.closed[c] {
			t.Errorf("connection %d stays open", c)
		}
	}
}
