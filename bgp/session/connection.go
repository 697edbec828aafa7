package session

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"causeway.dev/bgp/wire"
)

// A connection is one of TCP, on which something has been written.
type connection struct {
	id       ConnID
	outgoing bool  // we have dialed
	plain    bool  // our OPEN on it had no capabilities
	state    State // OpenSent, OpenConfirm or Established

	buffer  []byte    // the beginning of a message that is not whole: less than one
	holdEnd time.Time // when it ends unless the peer says something
	excused bool      // holdEnd has been put off

	// From OpenConfirm on.
	peer        wire.Open
	negotiated  Negotiated
	keepaliveAt time.Time

	upAt    time.Time // Established: since when
	wroteAt time.Time
}

// An ending is how a connection ends.
type ending struct {
	reason         string // one sentence; empty: there is nothing to be said of it
	sent, received *Notification
	lost           bool // without a word from either side
	gone           bool // it need not be closed
	collision      bool // the other connection is kept
}

// Received hands over octets of a connection, as many as there are.
func (s *Session) Received(now time.Time, conn ConnID, b []byte) {
	c := s.find(conn)
	if c == nil {
		return
	}
	stream := b
	if len(c.buffer) > 0 {
		stream = append(c.buffer, b...)
	}
	c.buffer = nil
	for s.find(conn) == c {
		t, body, taken, err := wire.Next(stream)
		if err == nil && taken == 0 {
			c.buffer = slices.Clone(stream)
			return
		}
		if err == nil {
			s.received++
			err = s.message(now, c, t, body)
		}
		if err != nil {
			s.end(now, c, endingBy(err))
		}
		s.moved()
		if err != nil {
			return
		}
		stream = stream[taken:]
	}
}

// message handles a message in the connection's state: RFC 4271 section 8.2.2. The error
// ends the connection.
func (s *Session) message(now time.Time, c *connection, t wire.Type, body []byte) error {
	if t == wire.TypeNotification {
		return s.notified(now, wire.ParseNotification(body))
	}
	switch c.state {
	case OpenSent:
		return s.inOpenSent(now, c, t, body)
	case OpenConfirm:
		return s.inOpenConfirm(now, c, t)
	default:
		return s.inEstablished(now, c, t, body)
	}
}

// A notified error is a NOTIFICATION of the peer.
type notified struct {
	n      Notification
	reason string
}

func (n *notified) Error() string { return n.reason }

func (s *Session) notified(now time.Time, n Notification) error {
	n.Data = slices.Clone(n.Data)
	s.notifications.Received++
	s.notifications.LastReceived = Notified{now, n}
	s.events = append(s.events, Noted{n, false})
	if n.Code == wire.CodeOpen && (n.Subcode == wire.UnsupportedOptionalParameter || n.Subcode == wire.UnsupportedCapability && len(n.Data) == 0) {
		s.plain = !s.plain // RFC 5492 section 3: try without, and again with should that be no better
	}
	return &notified{n, notifiedReason(s.config, n)}
}

// endingBy is how an error ends its connection.
func endingBy(err error) ending {
	var theirs *notified
	var ours *wire.Error
	switch {
	case errors.As(err, &theirs):
		return ending{reason: theirs.reason, received: &theirs.n, collision: theirs.n.Code == wire.CodeCease && theirs.n.Subcode == wire.CollisionResolution}
	case errors.As(err, &ours):
		return ending{
			reason: ours.Problem, sent: &ours.Notification,
			collision: ours.Notification.Code == wire.CodeCease && ours.Notification.Subcode == wire.CollisionResolution,
		}
	}
	panic("BGP session: a message ends in " + err.Error())
}

// unexpected is a message that its state does not know, RFC 6608.
func unexpected(t wire.Type, state State, why wire.Subcode) error {
	return &wire.Error{
		Notification: Notification{Code: wire.CodeStateMachine, Subcode: why, Data: []byte{byte(t)}},
		Problem:      fmt.Sprintf("the peer sent a %v in the state %v", t, state),
	}
}

// inOpenSent waits for the peer's OPEN.
func (s *Session) inOpenSent(now time.Time, c *connection, t wire.Type, body []byte) error {
	if t != wire.TypeOpen {
		return unexpected(t, c.state, wire.UnexpectedInOpenSent)
	}
	peer, err := wire.ParseOpen(body)
	if err != nil {
		return err
	}
	s.events = append(s.events, Opened{peer, false})
	if err := s.config.check(peer); err != nil {
		return err
	}
	c.peer = peer
	if err := s.collide(now, c); err != nil {
		return err
	}
	c.negotiated = s.config.negotiate(peer, c.plain)
	c.state = OpenConfirm
	c.heard(now)
	s.keepalive(now, c)
	return nil
}

// inOpenConfirm waits for the peer to agree.
func (s *Session) inOpenConfirm(now time.Time, c *connection, t wire.Type) error {
	if t != wire.TypeKeepalive {
		return unexpected(t, c.state, wire.UnexpectedInOpenConfirm)
	}
	c.state, c.upAt = Established, now
	c.heard(now)
	s.restartedUntil = time.Time{}
	s.cancelDial()
	s.moved()
	s.events = append(s.events, Up{c.negotiated})
	if s.stale {
		s.staleUntil = now.Add(staleMax)
		// RFC 4724 section 4.2: it has not gone on carrying packets by those routes.
		if r := c.peer.Restart; r == nil || !r.IPv4 || !r.Forwarded {
			s.forget()
		}
	}
	return nil
}

// inEstablished takes in routes.
func (s *Session) inEstablished(now time.Time, c *connection, t wire.Type, body []byte) error {
	switch t {
	case wire.TypeKeepalive:
	case wire.TypeUpdate:
		u, err := wire.ParseUpdate(body, c.negotiated.FourOctetASN)
		if err != nil {
			return err
		}
		if u.EndOfRIB {
			s.stale = false
			s.events = append(s.events, EndOfRIB{})
		} else {
			s.events = append(s.events, Updated{u})
		}
	case wire.TypeRouteRefresh:
		if wire.ParseRefresh(body).Family == wire.IPv4Unicast {
			s.refreshDue = true
			if s.refreshedAt.IsZero() || now.Sub(s.refreshedAt) >= refreshInterval {
				s.tellRefresh(now)
			}
		}
		return nil
	default:
		return unexpected(t, c.state, wire.UnexpectedInEstablished)
	}
	c.heard(now)
	return nil
}

// heard begins the hold time anew.
func (c *connection) heard(now time.Time) {
	c.holdEnd, c.excused = now.Add(c.negotiated.HoldTime), false
}

func (s *Session) tellRefresh(now time.Time) {
	s.refreshDue, s.refreshedAt = false, now
	s.events = append(s.events, RefreshAsked{})
}

// check holds the peer's OPEN against what is wanted: RFC 4271 section 6.2, RFC 6286,
// RFC 5492.
func (c Config) check(peer wire.Open) error {
	refuse := func(why wire.Subcode, data []byte, format string, args ...any) error {
		return &wire.Error{Notification: Notification{Code: wire.CodeOpen, Subcode: why, Data: data}, Problem: fmt.Sprintf(format, args...)}
	}
	switch {
	case peer.ASN == wire.ASTrans && !peer.FourOctetASN:
		return refuse(wire.BadPeerAS, nil, "the peer does not say its AS, which does not fit into two octets: the customer gateway's BGP ASN is %d", c.PeerASN)
	case peer.ASN != c.PeerASN:
		return refuse(wire.BadPeerAS, nil, "the peer's AS is %d, the customer gateway's BGP ASN is %d", peer.ASN, c.PeerASN)
	case peer.Identifier.IsUnspecified():
		return refuse(wire.BadIdentifier, nil, "the peer's BGP identifier is 0.0.0.0: set its router ID")
	case peer.HoldTime < holdTimeMin:
		return refuse(wire.UnacceptableHoldTime, nil, "the peer's hold time is %v, it has to be at least %v", peer.HoldTime, holdTimeMin)
	case !peer.Has(wire.IPv4Unicast):
		return &wire.Error{Notification: wire.UnsupportedFamily(wire.IPv4Unicast), Problem: "the peer does not offer IPv4 unicast: activate that address family for the neighbor"}
	}
	return nil
}

// negotiate is what both OPENs agree on.
func (c Config) negotiate(peer wire.Open, plain bool) Negotiated {
	restart := !plain && c.RestartTime > 0 && peer.Restart != nil
	return Negotiated{
		Identifier: peer.Identifier, HoldTime: min(c.HoldTime, peer.HoldTime),
		FourOctetASN: peer.FourOctetASN && !plain, RouteRefresh: peer.RouteRefresh && !plain,
		EndOfRIB: restart, Restart: restart && peer.Restart.IPv4 && peer.Restart.Time > 0, PeerRestarted: restart && peer.Restart.Restarted,
	}
}

// collide settles, with the peer's OPEN on a connection, which of two is kept: RFC 4271
// section 6.8.
func (s *Session) collide(now time.Time, c *connection) error {
	loses := &wire.Error{Notification: wire.Cease(wire.CollisionResolution), Problem: "another connection with the peer stands"}
	for _, other := range s.conns {
		switch {
		case other == c || other.state == OpenSent:
		case other.state == Established && s.losses <= lossesMax && !c.outgoing && other.negotiated.Restart && c.peer.Restart != nil && c.peer.Restart.Restarted:
			// RFC 4724 section 5: the peer has begun anew, and the old connection was not
			// seen to end. From who does that all the time it is not taken.
			s.count(now, other, false)
			s.close(now, other, ending{reason: "the peer has begun anew", lost: true})
			return nil
		case other.state == Established:
			// Should the peer have lost it, this has its TCP say so.
			if now.Sub(other.wroteAt) >= probeInterval {
				s.keepalive(now, other)
			}
			return loses
		case c.outgoing == s.config.weDial(c.peer):
			s.close(now, other, ending{sent: &loses.Notification, collision: true})
			return nil
		default:
			return loses
		}
	}
	return nil
}

// weDial reports whether the connection that we have made is kept where two collide: who
// has the higher identifier has made it, RFC 4271 section 6.8; where both are the same,
// the higher AS, RFC 6286 section 2.3.
func (c Config) weDial(peer wire.Open) bool {
	if order := c.Identifier.Compare(peer.Identifier); order != 0 {
		return order > 0
	}
	return c.ASN > peer.ASN
}

// end ends a connection, and decides how to go on.
func (s *Session) end(now time.Time, c *connection, e ending) {
	s.close(now, c, e)
	if len(s.conns) > 0 && c.state != Established {
		return // with the other one
	}
	s.count(now, c, e.collision)
	if !e.collision {
		s.reason = reason{text: e.reason, at: now, spoken: true}
	}
	switch mild := e.lost || e.collision; {
	case mild && s.losses > lossesMax:
		s.holdOff(now)
	case !mild:
		s.forget()
		s.holdOff(now)
	case len(s.conns) == 0 && !s.dialing && e.collision:
		// Each side has refused the connection that the other one kept: one of them was
		// established a moment before the other.
		s.retryAt = now.Add(s.jitter(collisionRetry))
	case len(s.conns) == 0 && !s.dialing:
		s.retry(now)
	}
}

// count notes whether a connection that has ended was worth it. One that we have made is,
// to a peer that may not know us yet, unless it speaks of a collision with no other one.
func (s *Session) count(now time.Time, c *connection, collision bool) {
	switch {
	case c.state == Established && now.Sub(c.upAt) >= stableAfter:
		s.failures, s.losses = 0, 0
	case c.state == Established || !c.outgoing || collision:
		s.losses++
	}
}

// holdOff closes what is left and holds, for longer with each error in a row. RFC 4271
// section 8.1.1, DampPeerOscillations.
func (s *Session) holdOff(now time.Time) {
	n := wire.Cease(wire.ConnectionRejected)
	for len(s.conns) > 0 {
		s.close(now, s.conns[0], ending{sent: &n})
	}
	idle := idleMax
	if s.failures < 8 { // 5 s doubled eight times is far beyond the bound
		idle = min(idleMax, s.config.ConnectRetry<<s.failures)
	}
	s.failures++
	s.hold(now.Add(s.jitter(idle)))
}

// close closes a connection, and tells of the end of an established one.
func (s *Session) close(now time.Time, c *connection, e ending) {
	if e.sent != nil {
		s.notifications.Sent++
		s.notifications.LastSent = Notified{now, *e.sent}
		s.write(now, c, e.sent.Append(nil))
		s.events = append(s.events, Noted{*e.sent, true})
	}
	if !e.gone {
		s.actions = append(s.actions, Close{c.id})
	}
	s.conns = slices.DeleteFunc(s.conns, func(other *connection) bool { return other == c })
	if c.state != Established {
		return
	}
	s.movedTo(Idle)
	s.refreshDue = false
	// RFC 4724 section 4.2.
	stale := e.lost && c.negotiated.Restart
	s.stale = stale
	if stale {
		s.staleUntil = now.Add(min(c.peer.Restart.Time, staleMax))
	}
	s.events = append(s.events, Down{Reason: e.reason, Sent: e.sent, Received: e.received, Stale: stale})
}

// silence is how a connection ends whose peer says nothing: RFC 4271 section 6.5.
func (c *connection) silence() ending {
	n := Notification{Code: wire.CodeHoldTimer}
	if c.state == OpenSent {
		return ending{reason: fmt.Sprintf("the peer sent no OPEN within %v: its end of the connection may not be BGP", openTimeout), sent: &n}
	}
	return ending{reason: fmt.Sprintf("nothing was heard from the peer for %v (hold time)", c.negotiated.HoldTime), sent: &n}
}

// excuse puts the end for silence off, once, where it is us who slept: the machine was
// suspended, or has too much to do.
func (c *connection) excuse(now time.Time) bool {
	if c.excused || now.Sub(c.holdEnd) < lateMax {
		return false
	}
	c.excused, c.holdEnd = true, now.Add(lateMax)
	return true
}

// keepalive sends a KEEPALIVE.
func (s *Session) keepalive(now time.Time, c *connection) {
	s.write(now, c, wire.AppendKeepalive(nil))
}

// write sends a message. The next KEEPALIVE is due after a third of the hold time,
// RFC 4271 section 4.4.
func (s *Session) write(now time.Time, c *connection, message []byte) {
	s.sent++
	c.wroteAt = now
	if c.state != OpenSent {
		c.keepaliveAt = now.Add(s.jitter(c.negotiated.HoldTime / 3))
	}
	if n := len(s.actions); n > 0 {
		if w, ok := s.actions[n-1].(Write); ok && w.Conn == c.id {
			s.actions[n-1] = Write{c.id, append(w.Bytes, message...)}
			return
		}
	}
	s.actions = append(s.actions, Write{c.id, message})
}
