package ikev2

import (
	"bytes"
	"encoding/binary"
	"slices"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/engine"
	"causeway.dev/ike/keys"
	"causeway.dev/ike/wire"
)

// CREATE_CHILD_SA for the IKE SA, RFC 7296 sections 1.3.2 and 2.18, with
// simultaneous rekeys, sections 2.8.2 and 2.25.2. The child SAs belong to the
// session, so that they pass to whichever successor becomes current.

// rekeyIKE is the initiator's duty.
type rekeyIKE struct {
	keyPair
	followup
	spi   uint64
	nonce []byte
	rival *rivalIKE // the peer's rekey of the same IKE SA
}

// A rivalIKE is what we answered to a simultaneous rekey.
type rivalIKE struct {
	nonceLow []byte
	sa       *ikeSA
}

func (s *session) rekeyIKENow() {
	s.current.rekeyAt = time.Time{}
	if s.current.pending != nil && isRekeyIKE(s.current.pending.task) || slices.ContainsFunc(s.queue, isRekeyIKE) {
		return
	}
	s.enqueue(&rekeyIKE{keyPair: keyPair{group: s.current.proposal.Group}})
}

func isRekeyIKE(t task) bool {
	_, ok := t.(*rekeyIKE)
	return ok
}

func (r *rekeyIKE) build(s *session, _ *ikeSA, _ time.Time) (wire.ExchangeType, []wire.Payload, bool) {
	if r.underWay() {
		return r.request(s.gate)
	}
	r.spi, r.nonce = s.gate.newIKESPI(s), s.gate.random(nonceLength)
	return wire.CreateChildSA, []wire.Payload{
		offerIKE(s.peer.IKEProposals, binary.BigEndian.AppendUint64(nil, r.spi)),
		&wire.Nonce{Data: r.nonce},
		&wire.KE{Group: r.group, Data: r.take(s.gate).Public()},
	}, true
}

func (r *rekeyIKE) process(s *session, sa *ikeSA, now time.Time, m parts) {
	if r.goesOn(s, sa, r, &m, r.additional(s, m), func() (ike.Secret, error) { return r.agreed(s, m) }) {
		return
	}
	defer r.keyPair.wipe()
	defer r.followup.wipe()
	if n := m.failure(); n != nil {
		s.gate.releaseIKESPI(r.spi)
		r.refused(s, sa, now, n)
		return
	}
	next, reason := r.complete(s, sa, m)
	if reason != "" {
		s.gate.releaseIKESPI(r.spi)
		r.retry(s, sa, now, retryRefused, reason)
		return
	}
	s.sas = append(s.sas, next)
	switch {
	case s.phase == ending:
		// Terminated meanwhile: the peer has the successor already.
		next.state, next.then = saReplaced, &deleteIKE{}
	case r.rival != nil && bytes.Compare(lower(r.nonce, m.nonce.Data), r.rival.nonceLow) < 0 && r.rival.sa.state != saClosed:
		// Ours is redundant, and ours to delete; old is the peer's to delete.
		next.state, next.then = saReplaced, &deleteIKE{}
		s.adopt(now, r.rival.sa)
	default:
		if r.rival != nil && r.rival.sa.live() {
			r.rival.sa.state = saReplaced
			r.rival.sa.expiresAt = now.Add(replacedLifetime)
		}
		s.adopt(now, next)
		sa.then = &deleteIKE{}
	}
}

func (r *rekeyIKE) release(g *Gate) {
	if r.nonce != nil { // built
		g.releaseIKESPI(r.spi)
	}
	r.keyPair.wipe()
	r.followup.wipe()
}

// adopt makes sa the IKE SA that counts.
func (s *session) adopt(now time.Time, sa *ikeSA) {
	old := s.current
	if old.state == saUp {
		old.state = saReplaced
	}
	old.rekeyAt = time.Time{}
	if old.state == saReplaced {
		old.expiresAt = now.Add(replacedLifetime)
	}
	s.current = sa
	s.queue = slices.DeleteFunc(s.queue, isRekeyIKE) // the peer was faster
	s.schedule(now, sa)
	s.emit(ike.Established{Version: ike.IKEv2, Path: s.espPath(), Proposal: sa.proposal, RemoteID: s.remoteID, Rekeyed: true, FormerKey: s.provedBy == engine.ByFormerKey})
}

func (r *rekeyIKE) complete(s *session, sa *ikeSA, m parts) (*ikeSA, string) {
	if !single(m.sa) || m.nonce == nil || m.ke == nil || len(m.sa.Proposals[0].SPI) != 8 {
		return nil, reasonIncomplete(wire.CreateChildSA, "SA, Nonce and KE payload")
	}
	remote := binary.BigEndian.Uint64(m.sa.Proposals[0].SPI)
	proposal, _, ok := chooseIKE(m.sa.Proposals, s.peer.IKEProposals)
	if !ok || proposal.Group != r.group || m.ke.Group != r.group || remote == 0 {
		return nil, s.ikeMismatch(false, m.sa.Proposals, s.peer.IKEProposals)
	}
	if !r.completed(proposal.Additional) {
		return nil, reasonIncomplete(wire.CreateChildSA, "notification ADDITIONAL_KEY_EXCHANGE")
	}
	shared := r.secret
	if shared == nil {
		var err error
		if shared, err = r.agreed(s, m); err != nil {
			return nil, reasonIncomplete(wire.CreateChildSA, "KE payload")
		}
		defer keys.Wipe(shared)
	}
	k := keys.DeriveRekeyedIKE(proposal, sa.proposal.PRF, sa.keys.D, r.nonce, m.nonce.Data, shared, r.spi, remote, r.secrets...)
	next := newSA(true, r.spi, remote, proposal, k)
	next.fragmentation = sa.fragmentation
	return next, ""
}

// additional are the key exchanges that are to follow by the peer's choice.
func (r *rekeyIKE) additional(s *session, m parts) ike.AdditionalGroups {
	if !single(m.sa) {
		return ike.AdditionalGroups{}
	}
	proposal, _, _ := chooseIKE(m.sa.Proposals, s.peer.IKEProposals)
	return proposal.Additional
}

func (r *rekeyIKE) refused(s *session, sa *ikeSA, now time.Time, n *wire.Notify) {
	switch n.Type {
	case wire.InvalidKEPayload:
		group, ok := wantedGroup(n)
		if ok && group != r.group && r.rival == nil && s.phase == established &&
			slices.ContainsFunc(s.peer.IKEProposals, func(p ike.IKEProposal) bool { return p.Group == group }) {
			s.enqueue(&rekeyIKE{keyPair: keyPair{group: group}})
			return
		}
		r.retry(s, sa, now, retryRefused, reasonIKERefused(s.peer.IKEProposals))
	case wire.TemporaryFailure, wire.StateNotFound:
		r.retry(s, sa, now, s.retryTime(now).Sub(now), "")
	case wire.NoProposalChosen:
		r.retry(s, sa, now, retryRefused, reasonIKERefused(s.peer.IKEProposals))
	default:
		r.retry(s, sa, now, retryRefused, reasonNotify(wire.CreateChildSA, n.Type))
	}
}

// retry tries again later, unless the peer's own rekey has succeeded.
func (r *rekeyIKE) retry(s *session, sa *ikeSA, now time.Time, after time.Duration, reason string) {
	if s.phase != established {
		return
	}
	if r.rival != nil && r.rival.sa.live() {
		s.adopt(now, r.rival.sa)
		return
	}
	if reason != "" {
		s.emit(ike.NegotiationFailed{Reason: reason, Remote: s.path.Remote})
	}
	if sa == s.current {
		sa.rekeyAt = now.Add(after)
	}
}

// answerRekeyIKE is the responder's duty.
func (s *session) answerRekeyIKE(now time.Time, sa *ikeSA, m parts) response {
	if s.rekeyForbidden(sa) {
		return refuse(wire.TemporaryFailure)
	}
	proposal, chosen, ok := chooseIKE(m.sa.Proposals, s.peer.IKEProposals)
	if !ok {
		s.emit(ike.NegotiationFailed{Reason: s.ikeMismatch(true, m.sa.Proposals, s.peer.IKEProposals), Remote: s.path.Remote})
		return refuse(wire.NoProposalChosen)
	}
	if m.ke == nil || m.ke.Group != proposal.Group {
		return response{payloads: refuseGroup(proposal.Group)}
	}
	offered := m.sa.Proposals[slices.IndexFunc(m.sa.Proposals, func(p wire.Proposal) bool { return p.Number == chosen.Number })].SPI
	if len(offered) != 8 || binary.BigEndian.Uint64(offered) == 0 {
		return refuse(wire.InvalidSyntax)
	}
	dh, shared, ready, err := s.agree(proposal.Group, m.ke.Data)
	if !ready {
		return response{}
	}
	defer dh.Wipe()
	if err != nil {
		return refuse(wire.InvalidSyntax)
	}
	defer keys.Wipe(shared)
	remote, local, nr := binary.BigEndian.Uint64(offered), s.gate.newIKESPI(s), s.gate.random(nonceLength)
	chosen.SPI = binary.BigEndian.AppendUint64(nil, local)
	payloads := []wire.Payload{
		&wire.SA{Proposals: []wire.Proposal{chosen}},
		&wire.Nonce{Data: nr},
		&wire.KE{Group: proposal.Group, Data: dh.Public()},
	}
	// succeed makes the successor, and returns what is to be done when the peer
	// is told.
	succeed := func(now time.Time, shared ike.Secret, secrets []ike.Secret) func() {
		k := keys.DeriveRekeyedIKE(proposal, sa.proposal.PRF, sa.keys.D, m.nonce.Data, nr, shared, remote, local, secrets...)
		next := newSA(false, local, remote, proposal, k)
		next.state, next.expiresAt, next.fragmentation = saUp, sa.expiresAt, sa.fragmentation
		s.sas = append(s.sas, next)
		if ours := rekeyOn(sa); ours != nil && ours.rival == nil {
			ours.rival = &rivalIKE{nonceLow: lower(m.nonce.Data, nr), sa: next}
			return nil
		}
		return func() { s.adopt(now, next) }
	}
	if proposal.Additional == (ike.AdditionalGroups{}) {
		return response{payloads: payloads, after: succeed(now, shared, nil)}
	}
	link := s.expectFollowups(now, sa, proposal.Additional, bytes.Clone(shared), func() { s.gate.releaseIKESPI(local) },
		func(now time.Time, shared ike.Secret, secrets []ike.Secret) response {
			if s.phase != established || sa != s.current || sa.state != saUp || s.rekeyForbidden(sa) {
				return refuse(wire.TemporaryFailure)
			}
			return response{after: succeed(now, shared, secrets)}
		})
	return response{payloads: append(payloads, link)}
}

// rekeyForbidden: RFC 7296 section 2.25.2: an IKE SA is not rekeyed while we make or
// delete child SAs on it.
func (s *session) rekeyForbidden(sa *ikeSA) bool {
	if sa.pending == nil {
		return false
	}
	switch sa.pending.task.(type) {
	case *createChild, *deleteChild:
		return true
	}
	return false
}

// rekeyOn is our rekey of an IKE SA that is under way, or nil.
func rekeyOn(sa *ikeSA) *rekeyIKE {
	if sa.pending == nil {
		return nil
	}
	ours, _ := sa.pending.task.(*rekeyIKE)
	return ours
}
