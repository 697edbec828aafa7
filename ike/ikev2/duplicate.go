package ikev2

import (
	"bytes"
	"time"

	"causeway.dev/ike"
)

// duplicateLifetime is how long a session that a newer one replaces waits for the
// peer, which knows both, to delete it.
const duplicateLifetime = 10 * time.Second

// resolveDuplicates leaves one session with the peer of s, which has just been
// established. Both sides have to come to the same result without a word:
//
//   - A peer that says INITIAL_CONTACT has lost what stood before it began.
//   - A session that stood before the other began is replaced by it.
//   - Otherwise the two attempts crossed: both sides began before they knew of
//     the other's. The one with the lowest nonce of IKE_SA_INIT goes, as with
//     simultaneous rekeys (RFC 7296 section 2.8.1).
//
// That both sides agree on whether attempts crossed follows from abandonAttempts:
// no IKE_AUTH leaves once the peer's session stands, so that of two sessions that
// come to stand each began, at both sides, before the other stood.
func (g *Gate) resolveDuplicates(now time.Time, s *session, initialContact bool) {
	if !s.initiator {
		g.abandonAttempts(s)
	}
	for other := g.standing(s.peer.ID, s); other != nil; other = nil {
		crossed := other.initiator != s.initiator && !other.establishedAt.Before(s.created)
		switch {
		case !crossed && initialContact:
			other.dissolve(reasonReplaced)
			other.forget()
			other.setPhase(ended)
		case !crossed && s.initiator:
			other.terminate(now, reasonReplaced)
		case !crossed:
			other.doom(now)
		case bytes.Compare(s.nonceLow, other.nonceLow) < 0:
			g.end(now, s, other)
		default:
			g.end(now, other, s)
		}
		g.touch(other)
	}
}

// end closes the loser of crossing attempts: its initiator deletes it, as with
// rekeys, and the responder only if it does not. Packets leave by the winner.
func (g *Gate) end(now time.Time, loser, winner *session) {
	if winner.active != nil {
		winner.emit(ike.ChildActivated{Outbound: winner.active.out})
	}
	if loser.initiator {
		loser.terminate(now, reasonReplaced)
		return
	}
	loser.doom(now)
}

func (s *session) doom(now time.Time) {
	s.endAt, s.endReason = now.Add(duplicateLifetime), reasonReplaced
}

// abandonAttempts ends those attempts of ours that have not come to IKE_AUTH,
// now that the peer's own has succeeded.
func (g *Gate) abandonAttempts(s *session) {
	for _, other := range append([]*session(nil), g.peers[s.peer.ID].sessions...) {
		if other.phase == connecting && other.initiator && len(other.sas) == 0 {
			other.forget()
			other.setPhase(ended)
			g.touch(other)
		}
	}
}
