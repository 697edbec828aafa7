package ikev1

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/diagnosis"
	"causeway.dev/ike/engine"
	"causeway.dev/ike/wire"
	"causeway.dev/ike/wire/isakmp"
)

// A session is all that stands with one peer, for as long as the peer is
// configured: ISAKMP SAs, of which the newest counts, and pairs of ESP SAs, of
// which one carries packets.
type session struct {
	engine.Entry // in gate's schedule

	gate *Gate
	peer *ike.Peer

	attempt  *negotiation // our main mode under way
	sas      []*isakmpSA  // the newest last
	children []*child     // the newest last
	active   *child       // the one that packets leave by
	wanted   *quickMode   // waits for an ISAKMP SA
	making   *quickMode   // waits for its key pair
	held     bool         // a quick mode of the peer's waits for an agreement

	rotation  engine.Rotation
	allowance allowance // for what the peer begins
	announced bool      // Established has been told, and Closed not yet

	path      ike.Path
	nat       ike.NAT
	remoteID  ike.Identity
	orphaned  bool      // the peer has deleted the last ISAKMP SA while ours was to replace it
	lastHeard time.Time // last fresh authenticated message, or ESP packet
	probe     *probe    // a question of ours that is not answered
	outdated  time.Time // since when the peer's configuration is another than what stands was made by; zero: it is not
	graceEnd  time.Time // when that ends which was made before

	farewells []farewell
}

// A farewell is a DELETE, which nobody answers in IKEv1: it is said three times.
type farewell struct {
	path    ike.Path
	message []byte
	at      time.Time
	left    int
}

const (
	farewellRepeats = 2
	farewellPause   = time.Second

	// replacedIKELifetime is how long an ISAKMP SA that a main mode of ours has
	// replaced still takes what is under way.
	replacedIKELifetime = 10 * time.Second

	// sasMax and childrenMax bound what a peer that negotiates without end
	// makes us keep. At one rekey a second, half as many wait for their ends.
	sasMax      = 40
	childrenMax = 80

	retryMin     = 2 * time.Second // after a collision
	retryMax     = 6 * time.Second
	retryRefused = time.Minute // after an error that will hardly go away
)

// current is the ISAKMP SA that counts, or nil.
func (s *session) current() *isakmpSA {
	if len(s.sas) == 0 {
		return nil
	}
	return s.sas[len(s.sas)-1]
}

func (s *session) emit(e ike.Event) { s.gate.emit(s.peer.ID, e) }

func (s *session) transmit(payload []byte) { s.gate.transmit(s.peer.ID, s.path, payload) }

func (s *session) over() bool {
	return len(s.sas) == 0 && len(s.children) == 0 && len(s.farewells) == 0
}

// receive handles a message under one of the session's ISAKMP SAs.
func (s *session) receive(now time.Time, sa *isakmpSA, d ike.Datagram, h wire.Header) ike.Drop {
	switch {
	case h.Exchange == isakmp.MainMode:
		if sa.answer == nil || sha256.Sum256(d.Payload) != sa.received {
			return ike.DropUnexpected
		}
		s.gate.transmit(s.peer.ID, ike.Path{Local: d.Local, Remote: d.Remote}, sa.answer)
		return ike.DropRetransmitted
	case h.Flags&isakmp.FlagEncryption == 0:
		return ike.DropUnprotected
	case h.MessageID == 0:
		return ike.DropMalformed
	case h.Exchange == isakmp.QuickMode:
		return s.receiveQuick(now, sa, d, h)
	case h.Exchange == isakmp.Informational:
		return s.receiveInformational(now, sa, d, h)
	case h.Exchange == isakmp.Transaction:
		return s.refuseTransaction(sa, d, h)
	}
	return ike.DropUnexpected
}

// refuseTransaction: a site-to-site VPN configures nobody and asks for no user.
func (s *session) refuseTransaction(sa *isakmpSA, d ike.Datagram, h wire.Header) ike.Drop {
	if _, ok := sa.open(h, sa.keys.Phase2IV(sa.lastBlock, h.MessageID), d.Payload, idOctets(h.MessageID)); !ok {
		return ike.DropIntegrity
	}
	s.transmit(sa.inform(&isakmp.Notify{Type: isakmp.UnsupportedExchangeType, Protocol: wire.ProtocolIKE, SPI: cookies(sa.spii, sa.spir)}))
	s.emit(ike.NegotiationFailed{Reason: reasonModeConfig, Remote: s.path.Remote})
	return ike.Accepted
}

// fresh notes that the peer itself has sent a message that is no replay.
func (s *session) fresh(now time.Time, d ike.Datagram) {
	s.lastHeard = now
	s.probe = nil
	s.follow(d)
}

// command carries out what the owner asks for.
func (s *session) command(now time.Time, c ike.Command) error {
	switch c := c.(type) {
	case ike.Initiate:
		if !s.peer.Local.IsValid() || !s.peer.Remote.IsValid() {
			return fmt.Errorf("initiate to peer %s: its address or ours is not known", s.peer.ID)
		}
		if s.attempt == nil && s.heir() == nil && !s.gate.paused {
			s.quick(now, nil, groupsESP(s.peer))
		}
	case ike.Terminate:
		s.terminate(now, c.Reason)
	case ike.RekeyIKE:
		if s.current() == nil {
			return errors.New("rekey the ISAKMP SA: there is none")
		}
		s.rekeyIKE(now)
	case ike.RekeyChild:
		if s.active == nil {
			return errors.New("rekey the child SA: there is none")
		}
		s.rekeyChild(now, s.active)
	case ike.Reauthenticate:
		return s.reauthenticate(now)
	case ike.InboundUsed:
		s.inboundUsed(now, c.Inbound)
	case ike.TrafficSeen:
		if c.At.After(s.lastHeard) && !c.At.After(now) {
			s.lastHeard = c.At
			s.probe = nil
		}
	default:
		return fmt.Errorf("command %T is unknown", c)
	}
	return nil
}

// rekeyIKE replaces the ISAKMP SA by a new main mode; the pairs stay.
func (s *session) rekeyIKE(now time.Time) {
	sa := s.current()
	sa.rekeyAt = time.Time{}
	if s.gate.paused {
		sa.rekeyAt = s.retryTime(now)
		return
	}
	if sa.provedBy == engine.ByRetiredKey {
		sa.expiresAt = engine.Soonest(sa.expiresAt, now.Add(engine.ReauthenticationTime))
	}
	if s.attempt == nil && s.peer.Remote.IsValid() {
		s.beginMain(now)
	}
}

func (s *session) retryTime(now time.Time) time.Time {
	return now.Add(retryMin + engine.RandomDuration(s.gate.rand, retryMax-retryMin))
}

// adopt makes sa the ISAKMP SA that counts; answer sends what completes the peer's
// main mode, after what stood before is out of its way.
func (s *session) adopt(now time.Time, sa *isakmpSA, n *negotiation, initialContact bool, answer func(*isakmpSA)) {
	rekeyed := s.current() != nil
	if initialContact {
		s.forgetBefore(n.created)
	}
	moved := len(s.children) > 0 && s.path != n.path
	s.path, s.nat, s.lastHeard, s.probe = n.path, n.nat, now, nil
	lifetime := agreedLifetime(engine.OrDefault(s.peer.IKELifetime, engine.IKELifetimeDefault), n.lifetime)
	sa.rekeyAt, sa.expiresAt = engine.RekeyTime(s.gate.rand, now, s.peer, lifetime), now.Add(lifetime)
	s.limitByKey(sa)
	for _, old := range s.sas {
		old.rekeyAt = time.Time{}
		// Where two main modes cross, neither replaces the other: each side
		// deletes only what stood before its own began.
		if end := now.Add(replacedIKELifetime); n.initiator && old.established.Before(n.created) && end.Before(old.expiresAt) {
			old.expiresAt = end
		}
	}
	if len(s.sas) == sasMax {
		s.deleteSA(now, s.sas[0])
	}
	s.sas = append(s.sas, sa)
	s.gate.sas[sa.local()] = sa
	s.announced, s.orphaned = true, false
	s.emit(ike.Established{Version: ike.IKEv1, Path: s.espPath(s.path.UDP), Proposal: sa.proposal, RemoteID: s.remoteID, RemoteChain: n.chain, Rekeyed: rekeyed, FormerKey: sa.provedBy == engine.ByFormerKey})
	if moved {
		s.emit(ike.PathChanged{Path: s.espPath(s.path.UDP)})
	}
	if answer != nil {
		answer(sa)
	}
	s.gate.attempt(now, s, func() {
		switch wanted := s.wanted; {
		case wanted != nil:
			s.wanted = nil
			s.quick(now, wanted.old, wanted.groups)
		case n.initiator && s.heir() == nil:
			s.quick(now, nil, groupsESP(s.peer))
		}
	})
}

// limitByKey lets an ISAKMP SA not outlive the key by which its peer has proved
// itself: a new main mode proves it by the current one. Where the key is retired
// that is due at once, and the rest follows in rekeyIKE.
func (s *session) limitByKey(sa *isakmpSA) {
	end := engine.KeyEnd(s.peer, sa.provedBy)
	if end.IsZero() {
		return
	}
	sa.rekeyAt = engine.Soonest(sa.rekeyAt, end)
	if sa.provedBy != engine.ByRetiredKey {
		sa.expiresAt = engine.Soonest(sa.expiresAt, end.Add(engine.ReauthenticationTime))
	}
}

// agreedLifetime is the shorter of ours and the peer's, if it named one.
func agreedLifetime(ours, theirs time.Duration) time.Duration {
	if theirs > 0 {
		return min(ours, theirs)
	}
	return ours
}

// forgetBefore removes what stood before a main mode began whose initiator says
// that it knows of nothing. RFC 2407 section 4.6.3.3.
func (s *session) forgetBefore(began time.Time) {
	for _, sa := range slices.Clone(s.sas) {
		if sa.established.Before(began) {
			s.dropSA(sa)
		}
	}
	for _, c := range slices.Clone(s.children) {
		if c.installed.Before(began) {
			s.removeChild(c, diagnosis.Replaced)
		}
	}
}

// deleteSA ends an ISAKMP SA with notice to the peer.
func (s *session) deleteSA(now time.Time, sa *isakmpSA) {
	s.bid(now, sa.inform(&isakmp.Delete{Protocol: wire.ProtocolIKE, SPIs: [][]byte{cookies(sa.spii, sa.spir)}}))
	s.dropSA(sa)
}

// dropSA forgets an ISAKMP SA and the quick modes on it.
func (s *session) dropSA(sa *isakmpSA) {
	for _, q := range sa.ordered() {
		q.abandon()
		if q.awaits == 3 && q.child.state == childOffered {
			s.removeChild(q.child, reasonUnconfirmed)
		}
	}
	sa.forget()
	if s.probe != nil && s.probe.sa == sa {
		s.probe = nil
	}
	s.sas = slices.DeleteFunc(s.sas, func(have *isakmpSA) bool { return have == sa })
}

// bid sends a farewell for the first time.
func (s *session) bid(now time.Time, message []byte) {
	s.transmit(message)
	s.farewells = append(s.farewells, farewell{path: s.path, message: message, at: now.Add(farewellPause), left: farewellRepeats})
}

// terminate deletes all SAs, with notice to the peer.
func (s *session) terminate(now time.Time, reason string) {
	attempted := s.attempt != nil
	if attempted {
		s.attempt.end()
	}
	s.wanted, s.making = nil, nil
	if len(s.sas) == 0 && len(s.children) == 0 {
		if attempted {
			s.emit(ike.Closed{Reason: reason})
		}
		return
	}
	if sa := s.current(); sa != nil {
		s.sendDeletes(now, sa, s.children...)
		for _, old := range slices.Clone(s.sas) {
			s.deleteSA(now, old)
		}
	}
	s.dissolve(reason)
}

// dissolve tells the owner that nothing stands any more.
func (s *session) dissolve(reason string) {
	for len(s.sas) > 0 {
		s.dropSA(s.sas[0])
	}
	s.active, s.wanted, s.making, s.probe = nil, nil, nil, nil
	for len(s.children) > 0 {
		s.removeChild(s.children[0], reason)
	}
	s.announced = false
	s.emit(ike.Closed{Reason: reason})
}

// abandon ends the session's SAs after a fault.
func (s *session) abandon(_ time.Time, reason string) { s.dissolve(reason) }

// dead closes a session whose peer does not answer any more.
func (s *session) dead(now time.Time) {
	s.dissolve(diagnosis.Dead(now.Sub(s.lastHeard)))
	if s.peer.DPDAction == ike.DPDRestart && s.attempt == nil && s.peer.Remote.IsValid() && !s.gate.paused {
		s.beginMain(now)
	}
}

// attemptFailed follows a main mode of ours that came to nothing: what it was to
// renew is tried again, as long as something stands. Pairs without an ISAKMP SA
// end, unless nobody is to ask whether the peer is alive.
func (s *session) attemptFailed(now time.Time, reason string) {
	s.wanted = nil
	defer s.gate.touch(s)
	sa := s.current()
	if sa == nil && len(s.children) > 0 && (s.orphaned || s.peer.DPDAction != ike.DPDNone) {
		s.dissolve(reason)
		return
	}
	if sa != nil {
		sa.rekeyAt = s.retryTime(now)
	}
	if c := s.heir(); c != nil && c.rekeyAt.IsZero() {
		c.rekeyAt = s.retryTime(now)
	}
	s.close(reason)
}

// close tells the owner, once, that nothing stands any more, if that is so.
func (s *session) close(reason string) {
	if s.announced && len(s.sas) == 0 && len(s.children) == 0 && s.attempt == nil {
		s.announced = false
		s.emit(ike.Closed{Reason: reason})
	}
}
