package session_test

import (
	"reflect"
	"testing"

	"causeway.dev/bgp/session"
	"causeway.dev/bgp/wire"
)

// noted checks what was told of states, OPENs and NOTIFICATIONs since the last time.
func (s *station) noted(want ...session.Event) {
	s.t.Helper()
	if !reflect.DeepEqual(s.notes, want) {
		s.t.Errorf("noted\n%+v, want\n%+v", s.notes, want)
	}
	s.notes = nil
}

// Each state is told of, though octets of several messages come at once, with each OPEN
// and NOTIFICATION on the way.
func TestNotes(t *testing.T) {
	s := newStation(t, config())
	s.start()
	s.noted(session.Moved{From: session.Idle, To: session.Connect})
	s.dialing = false
	s.DialFailed(s.now, session.Refused, "")
	s.settle()
	s.noted(session.Moved{From: session.Connect, To: session.Active})
	s.wait(config().ConnectRetry)
	conn := s.dialed()
	opens := wire.Open{
		ASN: 64512, HoldTime: config().HoldTime, Identifier: config().Identifier, FourOctetASN: true, RouteRefresh: true,
		Families: []wire.Family{wire.IPv4Unicast}, Restart: &wire.Restart{Time: config().RestartTime, IPv4: true, Forwarded: true},
	}
	s.noted(session.Moved{From: session.Active, To: session.Connect}, session.Opened{Open: opens, Sent: true}, session.Moved{From: session.Connect, To: session.OpenSent})

	peer := peerOpen()
	s.receive(conn, append(peer.Append(nil), wire.AppendKeepalive(nil)...))
	s.noted(session.Opened{Open: peer}, session.Moved{From: session.OpenSent, To: session.OpenConfirm}, session.Moved{From: session.OpenConfirm, To: session.Established})

	end := wire.Cease(wire.AdministrativeShutdown)
	end.Data = []byte{}
	s.receive(conn, end.Append(nil))
	s.noted(session.Noted{Notification: end}, session.Moved{From: session.Established, To: session.Idle})

	s.wait(config().ConnectRetry)
	conn = s.dialed()
	s.notes = nil
	peer.ASN = 65001
	s.receive(conn, peer.Append(nil))
	s.noted(session.Opened{Open: peer}, session.Noted{Notification: wire.Notification{Code: wire.CodeOpen, Subcode: wire.BadPeerAS}, Sent: true}, session.Moved{From: session.OpenSent, To: session.Idle})
}

// A session that is lost without an error is Idle before it waits for the next.
func TestNotesOfLoss(t *testing.T) {
	s, conn := established(t, config(), peerOpen())
	s.notes = nil
	s.Lost(s.now, conn, "")
	s.settle()
	s.noted(session.Moved{From: session.Established, To: session.Idle}, session.Moved{From: session.Idle, To: session.Active})
}
