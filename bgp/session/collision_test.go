package session_test

import (
	"net/netip"
	"testing"
	"time"

	"causeway.dev/bgp/session"
	"causeway.dev/bgp/wire"
)

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

// Who connects once more has lost the connection before.
func TestPeerConnectsOnceMore(t *testing.T) {
	s := newStation(t, config())
	s.start()
	first := s.accepted()
	second := s.accepted()
	if !s.closed[first] || s.closed[second] {
		t.Errorf("closed: the first one %v, the second one %v", s.closed[first], s.closed[second])
	}
	s.agree(second, peerOpen())
}
