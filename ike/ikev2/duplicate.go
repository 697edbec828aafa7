package ikev2

import (
	"bytes"
	"slices"
	"time"
)

// A duplicate waits a while before it is deleted, so that packets go on until the
// other side has the session that stays; the initiator's wait is the shorter one.
const (
	duplicateLifetimeInitiator = 5 * time.Second
	duplicateLifetimeResponder = 10 * time.Second
)

// resolveDuplicates leaves one session with the peer of s, which has just been
// established. Both sides have to come to the same result without a word:
//
//   - A peer that says INITIAL_CONTACT has lost what stood before it began.
//   - A session that stood before the other began is replaced by it, after a
//     while in which both take packets.
//   - Otherwise the two attempts crossed: both sides began before they knew of
//     the other's. The one with the lowest nonce of IKE_SA_INIT goes, as with
//     simultaneous rekeys (RFC 7296 section 2.8.1).
//
// That both sides agree on whether attempts crossed follows from abandonAttempts:
// no IKE_AUTH leaves once the peer's session stands, so that of two sessions that
// come to stand each began, at both sides, before the other stood. Where the peer
// begins another on purpose beside one whose answer has not reached us yet, the lack
// of INITIAL_CONTACT tells, if nothing else stands: ours stands there already, and is
// what is replaced.
func (g *Gate) resolveDuplicates(now time.Time, s *session, initialContact bool) {
	if !s.initiator {
		g.abandonAttempts(s, initialContact)
	}
	other := g.standing(s.peer.ID, s)
	if other == nil {
		return
	}
	crossed := other.initiator != s.initiator && !other.establishedAt.Before(s.created)
	switch {
	case !crossed && initialContact:
		other.dissolve(reasonReplaced)
		other.forget()
		other.setPhase(ended)
	case s.superseded, crossed && bytes.Compare(s.nonceLow, other.nonceLow) < 0:
		s.doom(now)
	default:
		other.doom(now)
	}
	g.touch(other)
	if s.initiator && s.endAt.IsZero() {
		s.enqueue(&liveness{}) // so that the peer knows that we have the session, and uses it
	}
}

func (s *session) doom(now time.Time) {
	wait := duplicateLifetimeResponder
	if s.initiator {
		wait = duplicateLifetimeInitiator
	}
	s.endAt = now.Add(wait)
}

// endDuplicate deletes a doomed session, as soon as the peer is known to have the
// one that stays: an IKE_AUTH response may be lost for long, or for good.
func (s *session) endDuplicate(now time.Time) {
	other := s.gate.standing(s.peer.ID, s)
	switch {
	case other == nil:
		s.endAt = time.Time{}
	case !other.confirmed:
		s.endAt = now.Add(duplicateLifetimeInitiator)
		if len(other.queue) == 0 {
			other.enqueue(&liveness{})
			other.pump(now)
			s.gate.touch(other)
		}
	default:
		s.terminate(now, reasonReplaced)
	}
}

// carrying reports whether packets leave by another session with the peer of s. Of
// two others, the one that is to stay may not carry yet.
func (g *Gate) carrying(s *session) bool {
	state := g.peers[s.peer.ID]
	return state != nil && slices.ContainsFunc(state.sessions, func(other *session) bool {
		return other != s && other.phase == established && other.active != nil
	})
}

// abandonAttempts ends those attempts of ours that have not come to IKE_AUTH,
// now that the peer's own has succeeded. Others may yet be answered.
func (g *Gate) abandonAttempts(s *session, initialContact bool) {
	for _, other := range slices.Clone(g.peers[s.peer.ID].sessions) {
		switch {
		case other.phase != connecting || !other.initiator:
		case len(other.sas) == 0:
			other.forget()
			other.setPhase(ended)
			g.touch(other)
		case !initialContact && g.standing(s.peer.ID, s) == nil:
			other.superseded = true
		}
	}
}
