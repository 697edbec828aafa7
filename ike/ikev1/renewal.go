package ikev1

import (
	"fmt"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/diagnosis"
	"causeway.dev/ike/engine"
)

// Make before break: what is no longer to stand is negotiated anew from main mode
// on, beside it. The new pair takes over as in any rekey, and then the old ones are
// deleted.

// reauthenticate makes all anew. What comes to nothing leaves what stands as it is.
func (s *session) reauthenticate(now time.Time) error {
	if !s.peer.Local.IsValid() || !s.peer.Remote.IsValid() {
		return fmt.Errorf("reauthenticate peer %s: its address or ours is not known", s.peer.ID)
	}
	if s.attempt != nil || s.gate.paused {
		return nil
	}
	s.beginMain(now)
	if s.wanted == nil {
		s.wanted = &quickMode{initiator: true, awaits: 2, old: s.heir(), groups: groupsESP(s.peer)}
	}
	return nil
}

// Outdate says that what stands with a peer was made by a configuration that SetPeer
// has replaced by another: it is made anew, beside it where we can begin, and ends
// after engine.ReauthenticationTime at the latest.
func (g *Gate) Outdate(now time.Time, id ike.PeerID) {
	s := g.sessions[id]
	if s == nil {
		return
	}
	g.attempt(now, s, func() {
		if s.attempt != nil { // with what has been replaced
			s.attempt.end()
			s.wanted = nil
		}
		if s.over() {
			return
		}
		s.outdated, s.graceEnd = now, now.Add(engine.ReauthenticationTime)
		if s.reauthenticate(now) != nil {
			s.terminate(now, diagnosis.Outdated)
		}
	})
}

// endGrace ends what was made before the configuration was changed.
func (s *session) endGrace(now time.Time) {
	sa, c := s.current(), s.heir()
	if sa == nil || sa.established.Before(s.outdated) || c == nil || c.installed.Before(s.outdated) {
		s.terminate(now, diagnosis.Outdated)
	}
	s.outdated, s.graceEnd = time.Time{}, time.Time{}
}
