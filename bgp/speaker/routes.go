package speaker

import (
	"errors"
	"fmt"
	"time"

	"causeway.dev/bgp/rib"
	"causeway.dev/bgp/session"
	"causeway.dev/bgp/wire"
)

// event takes note of what has become true.
func (l *loop) event(now time.Time, e session.Event) {
	l.journal.event(now, e)
	switch e := e.(type) {
	case session.Opened:
		if !e.Sent && e.ASN != l.peer.PeerASN {
			l.journal.wrongAS(now, e.ASN, l.peer.PeerASN)
		}
	case session.Up:
		l.up(now, e)
	case session.Updated:
		l.updated(now, e.Update)
	case session.EndOfRIB:
		l.in.Sweep()
		l.stale, l.pendingUntil = false, time.Time{}
	case session.Forget:
		l.in.Sweep()
		l.stale = false
	case session.RefreshAsked:
		l.out.Refresh()
	case session.Down:
		l.down(now, e)
	}
}

func (l *loop) up(now time.Time, e session.Up) {
	l.established, l.since = true, now
	l.out.Reset()
	if soon := now.Add(pendingSilent); !e.EndOfRIB && soon.Before(l.pendingUntil) {
		l.pendingUntil = soon
	}
	l.host.logger.Info("BGP session established", "tunnel", l.peer.ID, "peer", l.peer.Remote, "asn", l.peer.PeerASN, "hold", e.HoldTime)
}

func (l *loop) updated(now time.Time, u session.Update) {
	if !l.established || l.tooMany {
		return // it is over, and what had been read already comes too late
	}
	l.journal.updated(now, u)
	_, err := l.in.Update(u)
	if err == nil {
		l.journal.count(now, l.in.Len())
	}
	if errors.Is(err, rib.ErrTooMany) {
		l.tooMany = true
		l.journal.tooMany(now, l.in.Len()+1)
		l.session.Fail(now, wire.Cease(wire.MaximumPrefixes), fmt.Sprintf(
			"The customer gateway advertises more than %d routes: the session was ended; summarize or filter what it advertises", l.peer.MaxPrefixes), tooManyIdle)
	}
}

// told is what the peer says of a destination.
func (l *loop) told(t rib.Told) {
	if l.journal.on {
		l.journal.told(time.Now(), t)
	}
}

func (l *loop) down(now time.Time, e session.Down) {
	l.established, l.since, l.tooMany = false, now, false
	if l.stale = e.Stale; e.Stale {
		l.in.Stale()
	} else {
		l.in.Clear()
	}
	l.host.logger.Info("BGP session ended", "tunnel", l.peer.ID, "peer", l.peer.Remote, "reason", e.Reason, "keeping", e.Stale)
}

// publish makes Status what is true now, and tells of what has changed in it: at once
// where it is whether the session stands, and not too often where it is only routes.
func (l *loop) publish(now time.Time) {
	l.journal.because(now, l.session.Reason())
	if !l.pendingUntil.IsZero() && !now.Before(l.pendingUntil) {
		l.pendingUntil = time.Time{}
	}
	s := l.status()
	l.own.mu.Lock()
	old := l.own.status
	if l.own.loop != l {
		l.own.mu.Unlock()
		return // it has been told that the session is over
	}
	urgent := s.Established != old.Established || s.Pending != old.Pending || !s.Established && s.Message != old.Message
	other := s.Message != old.Message || s.HoldTime != old.HoldTime || s.RemoteIdentifier != old.RemoteIdentifier || s.Refused != old.Refused || !sameRoutes(s.Routes, old.Routes)
	l.publishDue = other && !urgent && now.Sub(l.publishedAt) < publishEvery
	changed := (urgent || other) && !l.publishDue
	if l.publishDue {
		s.Message, s.Refused, s.Routes = old.Message, old.Refused, old.Routes
	}
	l.own.status = s
	l.own.mu.Unlock()
	if changed {
		l.publishedAt = now
		l.host.changed()
	}
}

func (l *loop) status() Status {
	s := Status{
		ID: l.peer.ID, State: l.session.State(), Established: l.established, Since: l.since,
		Pending: l.stale || !l.pendingUntil.IsZero(), Routes: l.in.Routes(),
	}
	s.Sent, s.Received = l.session.Messages()
	s.Notifications = l.session.Notifications()
	s.Refused, _ = l.in.Refused()
	if n, ok := l.session.Negotiated(); ok {
		s.Advertised = l.out.Len()
		s.RemoteIdentifier, s.HoldTime = n.Identifier, n.HoldTime
	}
	if s.Message = l.session.Reason(); s.Established {
		s.Message = l.runsWith()
	}
	return s
}

// runsWith says what an established session runs with.
func (l *loop) runsWith() string {
	told := l.in.Len()
	text := fmt.Sprintf("%d routes are learned", len(l.in.Routes()))
	if len(l.in.Routes()) == 1 {
		text = "1 route is learned"
	}
	if refused, last := l.in.Refused(); last != "" {
		text += fmt.Sprintf(", %d ignored (the last one: %s)", refused, last)
	}
	// Close to the limit.
	if told*10 >= l.peer.MaxPrefixes*8 {
		text += fmt.Sprintf("; the customer gateway advertises %d of %d routes that it may: one beyond ends the session", told, l.peer.MaxPrefixes)
	}
	return text
}
