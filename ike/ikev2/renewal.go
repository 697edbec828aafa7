package ikev2

import (
	"fmt"
	"slices"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/diagnosis"
	"causeway.dev/ike/engine"
)

// Make before break: what is no longer to stand (its key or its configuration has
// been replaced, or the owner asks for it) is negotiated anew from the beginning,
// beside it. Packets leave by the new session's pair as soon as it stands, both are
// received for a while, and then the old session is deleted (duplicate.go).
// RFC 7296 section 2.8.3.

// reauthenticate carries out the owner's wish. Where the new session does not come
// to stand, the old one stays.
func (g *Gate) reauthenticate(now time.Time, state *peerState) error {
	p := state.config
	if !p.Local.IsValid() || !p.Remote.IsValid() {
		return fmt.Errorf("reauthenticate peer %s: its address or ours is not known", p.ID)
	}
	connecting := slices.ContainsFunc(state.sessions, func(s *session) bool { return s.phase == connecting && s.initiator })
	if !connecting && !g.paused {
		g.initiate(now, p, engine.ByCurrentKey)
	}
	return nil
}

// Outdate says that what stands with a peer was made by a configuration that SetPeer
// has replaced by another: it is made anew, beside it where we can begin, and ends
// after engine.ReauthenticationTime at the latest.
func (g *Gate) Outdate(now time.Time, id ike.PeerID) {
	state := g.peers[id]
	if state == nil {
		return
	}
	for _, s := range slices.Clone(state.sessions) {
		switch {
		case s.phase == connecting && s.initiator && len(s.sas) == 0: // with what has been replaced
			s.forget()
			s.setPhase(ended)
			g.touch(s)
		case s.phase == connecting, s.phase == established && !state.config.Remote.IsValid():
			g.attempt(s, func() { s.terminate(now, diagnosis.Outdated) })
		case s.phase == established:
			s.outdated, s.graceEnd = now, time.Time{}
			g.attempt(s, func() { s.advance(now) })
		}
	}
}

// renew is what becomes of a session whose peer has proved itself by a key that is
// no longer valid, or that was made by another configuration: another is made, and
// takes over when it stands; this one ends at the latest after a while.
func (s *session) renew(now time.Time) {
	if !s.graceEnd.IsZero() {
		reason := reasonKeyRetired
		if !s.outdated.IsZero() {
			reason = diagnosis.Outdated
		}
		s.terminate(now, reason)
		return
	}
	s.graceEnd = now.Add(engine.ReauthenticationTime)
	state := s.gate.peers[s.peer.ID]
	busy := slices.ContainsFunc(state.sessions, func(other *session) bool {
		return other.phase == connecting || other != s && other.phase == established && !other.created.Before(s.outdated)
	})
	if !busy && s.peer.Remote.IsValid() && !s.gate.paused {
		s.gate.initiate(now, s.peer, engine.ByCurrentKey)
	}
}

// renewalAt is when renew is next due, or zero.
func (s *session) renewalAt() time.Time {
	switch {
	case s.phase != established:
		return time.Time{}
	case !s.graceEnd.IsZero():
		return s.graceEnd
	case !s.outdated.IsZero():
		return s.outdated
	case s.peer.Certificate != nil:
		return time.Time{}
	}
	return engine.KeyEnd(s.peer, s.provedBy)
}

// confirm notes that the peer has the session. Where packets still leave by another,
// they leave by this one's pair now, unless it is this one that goes.
func (s *session) confirm() {
	s.confirmed = true
	if s.phase == established && s.endAt.IsZero() && s.active == nil && s.newestChild() != nil && s.gate.carrying(s) {
		s.takeOver()
	}
}

// successor is whose pair packets leave by when s ends, of the other sessions that
// stand with its peer: one that the peer is known to have, even if that is to end
// soon, rather than one that it may not have yet.
func (g *Gate) successor(s *session) *session {
	best := g.standing(s.peer.ID, s)
	for _, other := range g.peers[s.peer.ID].sessions {
		if other != s && other.phase == established && other.confirmed && !best.confirmed {
			best = other
		}
	}
	return best
}
