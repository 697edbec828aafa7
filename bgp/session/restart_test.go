package session_test

import (
	"testing"
	"time"

	"causeway.dev/bgp/session"
	"causeway.dev/bgp/wire"
)

// RFC 4724 section 4.2: routes of a peer that vanishes without a word are kept as stale,
// until it has told all again.
func TestPeerRestarts(t *testing.T) {
	s, conn := established(t, config(), peerOpen())
	s.Lost(s.now, conn, "connection reset by peer")
	s.settle()
	s.happened(session.Down{Reason: "the connection with the peer was lost: connection reset by peer", Stale: true})
	s.in(session.Active)
	if !s.Retaining() {
		t.Error("the routes are not kept")
	}
	s.wait(20 * time.Second)
	conn = s.dialed()
	open := peerOpen()
	open.Restart.Restarted = true
	s.agree(conn, open)
	want := negotiated
	want.PeerRestarted = true
	s.happened(session.Up{Negotiated: want})
	s.receive(conn, wire.Update{EndOfRIB: true}.Append(nil, true))
	s.happened(session.EndOfRIB{})
	if s.Retaining() {
		t.Error("stale routes are kept beyond the End-of-RIB")
	}
}

// They are kept for the peer's restart time, and for two minutes at most; as long they are
// kept for an End-of-RIB that does not come.
func TestStaleRoutesAreForgotten(t *testing.T) {
	for told, kept := range map[time.Duration]time.Duration{time.Minute: time.Minute, 4095 * time.Second: 2 * time.Minute} {
		open := peerOpen()
		open.Restart.Time = told
		s, conn := established(t, config(), open)
		s.Lost(s.now, conn, "")
		s.settle()
		s.events = nil
		s.wait(kept - time.Millisecond)
		s.happened()
		s.wait(time.Millisecond)
		s.happened(session.Forget{})
		if s.Retaining() {
			t.Error("stale routes are kept")
		}
	}
	s, conn := established(t, config(), peerOpen())
	s.Lost(s.now, conn, "")
	s.settle()
	s.wait(5 * time.Second)
	conn = s.dialed()
	s.agree(conn, peerOpen())
	s.events = nil
	for range 12 {
		s.happened()
		s.wait(10 * time.Second)
		s.receive(conn, wire.AppendKeepalive(nil))
	}
	s.happened(session.Forget{})
	s.in(session.Established)
}

// What ends the keeping at once, and what never begins it.
func TestRoutesThatAreNotKept(t *testing.T) {
	lose := func(s *station, conn session.ConnID) {
		s.Lost(s.now, conn, "")
		s.settle()
		s.events = nil
	}
	for _, c := range []struct {
		what string
		then func(*station)
	}{
		{"the peer has not gone on forwarding", func(s *station) {
			open := peerOpen()
			open.Restart.Forwarded = false
			s.wait(5 * time.Second)
			s.agree(s.dialed(), open)
			s.events = s.events[1:] // Up
		}},
		{"the peer no longer offers it", func(s *station) {
			open := peerOpen()
			open.Restart = nil
			s.wait(5 * time.Second)
			s.agree(s.dialed(), open)
			s.events = s.events[1:]
		}},
		{"the peer is refused", func(s *station) {
			open := peerOpen()
			open.ASN = 65001
			s.wait(5 * time.Second)
			s.receive(s.dialed(), open.Append(nil))
		}},
		{"the peer refuses us", func(s *station) {
			s.wait(5 * time.Second)
			s.receive(s.dialed(), wire.Cease(wire.ConnectionRejected).Append(nil))
		}},
		{"the path ends", func(s *station) { s.Abandon(s.now, "the tunnel is down") }},
		{"our side ends it", func(s *station) { s.Stop(s.now, wire.Cease(wire.AdministrativeShutdown)) }},
	} {
		t.Run(c.what, func(t *testing.T) {
			s, conn := established(t, config(), peerOpen())
			lose(s, conn)
			c.then(s)
			s.settle()
			s.happened(session.Forget{})
			if s.Retaining() {
				t.Error("stale routes are kept")
			}
		})
	}
	for what, open := range map[string]func(*wire.Open){
		"it is not offered":        func(o *wire.Open) { o.Restart = nil },
		"not for IPv4":             func(o *wire.Open) { o.Restart.IPv4 = false },
		"for no time":              func(o *wire.Open) { o.Restart.Time = 0 },
		"without any capabilities": func(o *wire.Open) { o.WithoutCapabilities = true },
	} {
		t.Run(what, func(t *testing.T) {
			o := peerOpen()
			open(&o)
			s, conn := established(t, config(), o)
			s.Lost(s.now, conn, "")
			s.settle()
			s.happened(session.Down{Reason: "the connection with the peer was lost"})
		})
	}
	s, conn := established(t, config(), peerOpen())
	n := wire.Cease(wire.AdministrativeShutdown)
	s.receive(conn, n.Append(nil))
	n.Data = []byte{}
	s.happened(session.Down{Reason: "the session is shut down on the peer (NOTIFICATION Cease / Administrative Shutdown (6/2))", Received: &n})
}

// A collision, or a peer that is not there yet, does not end the keeping.
func TestRoutesAreKeptMeanwhile(t *testing.T) {
	s, conn := established(t, config(), peerOpen())
	s.Lost(s.now, conn, "")
	s.settle()
	s.events = nil
	s.wait(5 * time.Second)
	s.DialFailed(s.now, session.Refused, "")
	s.dialing = false
	incoming := s.accepted()
	s.receive(incoming, wire.Cease(wire.CollisionResolution).Append(nil))
	s.Lost(s.now, s.accepted(), "")
	s.settle()
	s.happened()
	if !s.Retaining() {
		t.Error("the routes are not kept")
	}
}

// RFC 4724 section 4.1: who begins anew says so, until it is established or the peer has
// forgotten it anyway.
func TestWeRestart(t *testing.T) {
	restarted := func(s *station, conn session.ConnID) bool {
		t.Helper()
		o, err := wire.ParseOpen(s.expect(conn, wire.TypeOpen))
		if err != nil || o.Restart == nil || !o.Restart.Forwarded {
			t.Fatalf("our OPEN: %+v, %v", o, err)
		}
		return o.Restart.Restarted
	}
	s := newStation(t, config())
	s.Start(s.now, true)
	s.settle()
	conn := s.dialed()
	if !restarted(s, conn) {
		t.Error("we do not say that we have begun anew")
	}
	s.agree(conn, peerOpen())
	s.read(conn)
	s.Lost(s.now, conn, "")
	s.settle()
	s.wait(5 * time.Second)
	if restarted(s, s.dialed()) {
		t.Error("we say once more that we have begun anew")
	}

	s = newStation(t, config())
	s.Start(s.now, true)
	s.settle()
	s.wait(2 * time.Minute)
	if restarted(s, s.accepted()) {
		t.Error("we say that we have begun anew when nobody waits any more")
	}

	c := config()
	c.RestartTime = 0
	s = newStation(t, c)
	s.Start(s.now, true)
	s.settle()
	if o, err := wire.ParseOpen(s.expect(s.dialed(), wire.TypeOpen)); err != nil || o.Restart != nil {
		t.Errorf("our OPEN: %+v, %v", o, err)
	}
}
