package ikev2

import (
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/diagnosis"
	"causeway.dev/ike/engine"
	"causeway.dev/ike/keys"
	"causeway.dev/ike/wire"
)

// IKE_AUTH, RFC 7296 sections 1.2 and 2.15. What is proved by pre-shared keys and
// by certificates differs in proof.go only.

// authenticate is the initiator's duty.
type authenticate struct {
	request, response []byte // of IKE_SA_INIT
	ni, nr            []byte
	nat               NAT    // as IKE_SA_INIT showed it
	hashes            hashes // for digital signatures, as it announced them
	child             ike.SPI
}

func (a *authenticate) build(s *session, sa *ikeSA, _ time.Time) (wire.ExchangeType, []wire.Payload, bool) {
	p := s.peer
	idi := &wire.ID{Role: wire.PayloadIDi, Identity: engine.LocalID(p, s.path)}
	certificates, auth, err := s.prove(p, idi, sa.proofOf(sa.keys.Pi, a.request, a.nr), a.hashes, nil)
	if err != nil {
		s.init.reason = err.Error()
		return 0, nil, false
	}
	a.child = s.gate.newESPSPI()
	payloads := append([]wire.Payload{idi}, certificates...)
	payloads = append(payloads, requestCertificate(p)...)
	if s.gate.standing(p.ID, s) == nil {
		// RFC 7296 section 2.4: whatever SA with us the peer still has is
		// a leftover.
		payloads = append(payloads, &wire.Notify{Type: wire.InitialContact})
	}
	if p.RemoteID.Type != ike.IDNone {
		payloads = append(payloads, &wire.ID{Role: wire.PayloadIDr, Identity: p.RemoteID})
	}
	payloads = append(payloads, announceMOBIKE(p)...)
	payloads = append(payloads,
		auth,
		offerESP(espOffers(p), false, a.child),
		offerSelectors(wire.PayloadTSi, p.LocalSelectors),
		offerSelectors(wire.PayloadTSr, p.RemoteSelectors))
	return wire.IKEAuth, payloads, true
}

func (a *authenticate) process(s *session, sa *ikeSA, now time.Time, m parts) {
	if s.phase == ending { // terminated meanwhile
		s.gate.releaseSPI(a.child)
		sa.state, sa.then = saReplaced, &deleteIKE{}
		return
	}
	if s.phase != connecting {
		// Another answer to our IKE_SA_INIT has proved itself before.
		s.gate.releaseSPI(a.child)
		s.drop(sa)
		return
	}
	if m.auth == nil {
		s.gate.releaseSPI(a.child)
		if !s.tryFormerKey(now, m) {
			s.abandonHalf(now, sa, authRefusal(m, s.peer))
		}
		return
	}
	if reason := a.verify(s, sa, now, m); reason != "" {
		s.gate.releaseSPI(a.child)
		if len(s.sas) > 1 {
			s.abandonHalf(now, sa, reason) // another answer may be the peer's
			return
		}
		s.refusePeer(now, sa, reason)
		return
	}
	s.remoteID = m.idr.Identity
	s.nonceLow = lower(a.ni, a.nr)
	s.confirmed = true
	s.mobike = s.peer.Mobile && m.notify(wire.MOBIKESupported) != nil
	s.translated(a.nat)
	for len(s.sas) > 1 { // the other answers were not the peer's
		other := s.sas[0]
		if other == sa {
			other = s.sas[1]
		}
		s.drop(other)
	}
	s.establish(now, sa)
	child, reason := s.processFirstChild(now, sa, a, m)
	s.gate.resolveDuplicates(now, s, false)
	if child != nil && (s.endAt.IsZero() || !s.gate.carrying(s)) {
		s.activate(child)
	}
	if reason != "" && s.phase == established {
		s.emit(ike.NegotiationFailed{Reason: reason, Remote: s.path.Remote})
		s.terminate(now, reason)
	}
}

func (a *authenticate) release(g *Gate) { g.releaseSPI(a.child) }

// authRefusal says why a responder proved nothing.
func authRefusal(m parts, p *ike.Peer) string {
	n := m.failure()
	switch {
	case n == nil:
		return reasonIncomplete(wire.IKEAuth, "AUTH payload")
	case n.Type == wire.AuthenticationFailed && p.Certificate != nil:
		return reasonCertificateRefused(p)
	case n.Type == wire.AuthenticationFailed:
		return reasonKeyRefused
	}
	return childRefusal(wire.IKEAuth, n.Type, p)
}

// verify returns why the responder is not who it should be, or "".
func (a *authenticate) verify(s *session, sa *ikeSA, now time.Time, m parts) string {
	if m.idr == nil {
		return reasonIncomplete(wire.IKEAuth, "IDr payload")
	}
	if reason := s.disprove(now, s.peer, m, m.idr, sa.proofOf(sa.keys.Pr, a.response, a.ni)); reason != "" {
		return reason
	}
	if want := s.peer.RemoteID; want.Type != ike.IDNone && !m.idr.Identity.Same(want) {
		return s.identityMismatch(false, m.idr.Identity, want)
	}
	return ""
}

// refusePeer tells a responder that has accepted us that we do not accept it. RFC
// 7296 section 2.21.2: by an INFORMATIONAL exchange.
func (s *session) refusePeer(now time.Time, sa *ikeSA, reason string) {
	s.reportFailure(reason)
	s.init = nil
	sa.state = saReplaced
	sa.then = &deleteIKE{notify: wire.AuthenticationFailed}
	s.setPhase(ending)
	s.endAt = now.Add(terminateTimeout)
}

// processFirstChild installs the child SA of IKE_AUTH, or says why there is none.
func (s *session) processFirstChild(now time.Time, sa *ikeSA, a *authenticate, m parts) (*childSA, string) {
	p := s.peer
	if m.sa == nil {
		s.gate.releaseSPI(a.child)
		if n := m.failure(); n != nil {
			return nil, childRefusal(wire.IKEAuth, n.Type, p)
		}
		return nil, reasonIncomplete(wire.IKEAuth, "SA payload")
	}
	proposal, out, _, ok := chooseESP(m.sa.Proposals, espOffers(p), false)
	if !ok || !single(m.sa) {
		s.gate.releaseSPI(a.child)
		return nil, s.espMismatch(false, m.sa.Proposals, espOffers(p), false)
	}
	local, remote := narrow(m.tsi, p.LocalSelectors), narrow(m.tsr, p.RemoteSelectors)
	if len(local) == 0 || len(remote) == 0 {
		s.gate.releaseSPI(a.child)
		return nil, s.selectorMismatch(false, m.tsr, m.tsi)
	}
	return s.install(now, childParameters{
		in: a.child, out: out, initiator: true, proposal: proposal, local: local, remote: remote,
		keys: keys.DeriveChild(proposal, sa.proposal.PRF, sa.keys.D, nil, a.ni, a.nr),
	}), ""
}

// childRefusal says what an error notification of the peer means.
func childRefusal(exchange wire.ExchangeType, n wire.NotifyType, p *ike.Peer) string {
	switch n {
	case wire.NoProposalChosen:
		if exchange == wire.CreateChildSA {
			return reasonESPRefused(p.ESPProposals, true)
		}
		return reasonESPRefused(espOffers(p), false)
	case wire.TSUnacceptable:
		return reasonSelectorsRefused(p)
	}
	return reasonNotify(exchange, n)
}

// establish makes sa the session's first IKE SA.
func (s *session) establish(now time.Time, sa *ikeSA) {
	s.setPhase(established)
	s.establishedAt, s.lastHeard = now, now
	if s.init != nil {
		s.init.dh.Wipe()
	}
	s.init, s.acceptance, s.candidates = nil, nil, nil
	s.endAt = time.Time{}
	s.current = sa
	s.schedule(now, sa)
	s.emit(ike.Established{Version: ike.IKEv2, Path: s.espPath(), Proposal: sa.proposal, RemoteID: s.remoteID, RemoteChain: s.chain, FormerKey: s.provedBy == engine.ByFormerKey})
	s.chain = nil
}

// schedule begins the life of an IKE SA.
func (s *session) schedule(now time.Time, sa *ikeSA) {
	sa.state = saUp
	lifetime := engine.OrDefault(s.peer.IKELifetime, engine.IKELifetimeDefault)
	sa.rekeyAt, sa.expiresAt = engine.RekeyTime(s.gate.rand, now, s.peer, lifetime), now.Add(lifetime)
}

// answerAuth is the responder's duty.
func (s *session) answerAuth(now time.Time, sa *ikeSA, m parts) response {
	a := s.acceptance
	if m.idi == nil || m.auth == nil {
		return s.refuseAuth(now, wire.InvalidSyntax, reasonIncomplete(wire.IKEAuth, "IDi and AUTH payload"))
	}
	if n := m.notify(wire.NoNATsAllowed); n != nil && !untranslated(n.Data, ike.Datagram{Local: s.path.Local, Remote: s.path.Remote}) {
		return s.refuseAuth(now, wire.UnexpectedNATDetected, reasonNATForbidden)
	}
	p, reason := s.identify(now, sa, m)
	if p == nil {
		return s.refuseAuth(now, wire.AuthenticationFailed, reason)
	}
	if _, _, ok := chooseIKE(offerIKE([]ike.IKEProposal{sa.proposal}, nil).Proposals, p.IKEProposals); !ok {
		return s.refuseAuth(now, wire.NoProposalChosen, reasonIKEMismatch(offerIKE([]ike.IKEProposal{sa.proposal}, nil).Proposals, p.IKEProposals))
	}
	ours, _ := calledID(p, s.path, called(m))
	idr := &wire.ID{Role: wire.PayloadIDr, Identity: ours}
	certificates, auth, err := s.prove(p, idr, sa.proofOf(sa.keys.Pr, a.response, a.ni), a.hashes, m.auth)
	if err != nil {
		return s.refuseAuth(now, wire.AuthenticationFailed, err.Error())
	}
	payloads := append(append([]wire.Payload{idr}, certificates...), auth)
	s.peer, s.remoteID = p, m.idi.Identity
	s.nonceLow = lower(a.ni, a.nr)
	s.translated(s.nat) // now that the peer is known
	s.gate.peers[p.ID].sessions = append(s.gate.peers[p.ID].sessions, s)
	s.establish(now, sa)

	payloads = append(payloads, s.agreeOnMOBIKE(m)...)
	var child *childSA
	if m.sa != nil {
		made, more := s.acceptChild(now, sa, m, negotiation{exchange: wire.IKEAuth, ni: a.ni, nr: a.nr})
		child, payloads = made, append(payloads, more...)
	}
	return response{payloads: payloads, after: func() {
		// Where another session carries packets, ours takes over when the
		// peer is known to have it.
		if child != nil && !s.gate.carrying(s) {
			s.activate(child)
		}
		s.gate.resolveDuplicates(now, s, m.notify(wire.InitialContact) != nil)
	}}
}

func (s *session) refuseAuth(now time.Time, t wire.NotifyType, reason string) response {
	r := refuse(t)
	r.after = func() { s.fail(now, reason) }
	return r
}

// tryFormerKey begins a new attempt with the former pre-shared key, where one is
// valid, if the responder has refused the current one. It reports whether it did.
func (s *session) tryFormerKey(now time.Time, m parts) bool {
	p, n := s.peer, m.failure()
	refused := n != nil && n.Type == wire.AuthenticationFailed && p.Certificate == nil && s.provedBy == engine.ByCurrentKey
	if !refused || len(s.sas) > 1 || !s.gate.peers[p.ID].rotation.FormerValid(now, p) {
		return false
	}
	s.forget()
	s.setPhase(ended)
	s.gate.initiate(now, p, engine.ByFormerKey)
	return true
}

// proofsMax bounds the pre-shared keys that are tried on one proof: as many
// gateways may stand behind one address without names of their own. Certificates
// cost a thousand times as much.
const (
	proofsMax              = 64
	proofsByCertificateMax = 8
)

// called is what an initiator calls us, if it does.
func called(m parts) ike.Identity {
	if m.idr == nil {
		return ike.Identity{}
	}
	return m.idr.Identity
}

// identify finds the candidate that the initiator has proved to be, or says why
// it is none. A candidate that is known by its address alone accepts any
// identity that holds its key.
func (s *session) identify(now time.Time, sa *ikeSA, m parts) (*ike.Peer, string) {
	a := s.acceptance
	var fit []*ike.Peer
	certificates := 0
	for _, p := range s.candidates {
		state := s.gate.peers[p.ID]
		if state == nil || len(fit) == proofsMax {
			continue
		}
		p = state.config // it may have been changed since IKE_SA_INIT
		if p.RemoteID.Type != ike.IDNone && !p.RemoteID.Same(m.idi.Identity) {
			continue
		}
		if _, ours := calledID(p, s.path, called(m)); !ours {
			continue
		}
		if p.Certificate != nil {
			certificates++
		}
		if p.Certificate == nil || certificates <= proofsByCertificateMax {
			fit = append(fit, p)
		}
	}
	if len(fit) == 0 {
		if want := s.candidates[0].RemoteID; len(s.candidates) == 1 && want.Type != ike.IDNone && !want.Same(m.idi.Identity) {
			return nil, s.identityMismatch(true, m.idi.Identity, want)
		}
		return nil, diagnosis.UnknownIdentity(m.idi.Identity, called(m))
	}
	refusal := ""
	for _, p := range fit {
		reason := s.disprove(now, p, m, m.idi, sa.proofOf(sa.keys.Pi, a.request, a.nr))
		if reason == "" {
			return p, ""
		}
		if refusal == "" {
			refusal = reason
		}
	}
	// The failure is that of the peer that it claims to be.
	s.candidates = fit
	return nil, refusal
}
