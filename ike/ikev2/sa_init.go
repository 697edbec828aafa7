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

// IKE_SA_INIT, RFC 7296 section 1.2. Nothing in it is authentic, so no answer to
// it ends an attempt of ours at once: errors are remembered for the diagnosis,
// and several answers that look right are all pursued until one proves itself in
// IKE_AUTH (section 2.4).

// An initiation is what an initiator keeps until it is connected.
type initiation struct {
	spi      uint64
	dh       *keys.DH
	nonce    []byte
	cookie   []byte
	request  []byte // the last one sent: IKE_AUTH proves it
	restarts int

	computing []uint64 // SPIs of answers whose key agreements are being computed

	reason string // what the peer may have told
	engine.Retransmission
}

// An acceptance is what a responder keeps until it is connected.
type acceptance struct {
	request, response []byte
	ni, nr            []byte
	hashes            hashes // for digital signatures, as the initiator announced them
	repeated          int    // times that the response was sent again
}

const (
	// restartsMax bounds new IKE_SA_INIT requests for a COOKIE or another
	// group: one for the cookie, a few as forged answers may lead us astray.
	restartsMax = 8

	// halvesMax bounds the answers to one IKE_SA_INIT that are pursued; each
	// costs a Diffie-Hellman computation.
	halvesMax = 4

	nonceLength = 32 // RFC 7296 section 2.10: at least half of the PRF's key, 32 of SHA2-512's 64

	cookieLengthMax = 64 // RFC 7296 section 2.6
)

// initiate begins a session of ours, to be proved by one of the peer's keys.
func (g *Gate) initiate(now time.Time, p *ike.Peer, by engine.ProvedBy) {
	s := g.newSession(now)
	s.initiator, s.peer, s.provedBy = true, p, by
	s.path = ike.Path{Local: at(p.Local, portIKE), Remote: at(p.Remote, portIKE)}
	s.endAt = now.Add(connectTimeout)
	s.init = &initiation{spi: g.newIKESPI(s), nonce: g.random(nonceLength)}
	g.peers[p.ID].sessions = append(g.peers[p.ID].sessions, s)
	s.emit(ike.Connecting{Remote: s.path.Remote})
	s.beginInit(now, ikeOffers(p)[0].Group)
	g.touch(s)
}

// sendInit builds the request anew and sends it.
func (s *session) sendInit(now time.Time) {
	i := s.init
	var payloads []wire.Payload
	if i.cookie != nil {
		payloads = append(payloads, &wire.Notify{Type: wire.CookieNotify, Data: i.cookie})
	}
	payloads = append(payloads,
		offerIKE(ikeOffers(s.peer), nil),
		&wire.KE{Group: i.dh.Group(), Data: i.dh.Public()},
		&wire.Nonce{Data: i.nonce})
	payloads = append(payloads, s.natDetection(i.spi, 0, s.peer)...)
	payloads = append(payloads, announceFragmentation())
	if additional(ikeOffers(s.peer)...) {
		payloads = append(payloads, &wire.Notify{Type: wire.IntermediateSupported})
	}
	if usesCertificate(s.peer) {
		payloads = append(payloads, hashAlgorithms())
	}
	i.request = wire.Message{
		Header:   wire.Header{SPIi: i.spi, Major: 2, Exchange: wire.IKESAInit, Flags: wire.FlagInitiator},
		Payloads: payloads,
	}.Append(nil)
	i.Tries = 0
	if s.endAt.IsZero() {
		s.endAt = now.Add(connectTimeout)
	}
	s.retransmitInit(now)
}

func (s *session) retransmitInit(now time.Time) {
	s.init.Sent(now, engine.RetransmitMax)
	s.transmit(s.path.Local, s.path.Remote, s.init.request)
}

// receiveInitResponse handles what claims to be the answer.
func (s *session) receiveInitResponse(now time.Time, d Datagram) Drop {
	if s.phase != connecting || s.init == nil || s.init.dh == nil {
		return ike.DropUnexpected
	}
	if d.Remote.Addr() != s.path.Remote.Addr() {
		return ike.DropUnknownPeer
	}
	payload := bytes.Clone(d.Payload)
	message, err := wire.Parse(payload)
	if err != nil {
		return ike.DropMalformed
	}
	m := sortPayloads(message.Payloads)
	if cookie := m.notify(wire.CookieNotify); cookie != nil {
		return s.restartWithCookie(now, cookie.Data)
	}
	if n := m.notify(wire.InvalidKEPayload); n != nil {
		return s.restartWithGroup(now, n.Data)
	}
	if n := m.failure(); n != nil {
		reason := reasonNotify(wire.IKESAInit, n.Type)
		if n.Type == wire.NoProposalChosen {
			reason = reasonIKERefused(ikeOffers(s.peer))
		}
		return s.suspect(now, reason)
	}
	if m.sa == nil && m.notify(wire.Redirect) != nil {
		return s.suspect(now, reasonRedirect) // RFC 5685: we have not said that we would follow
	}
	return s.pursue(now, d, payload, message.Header, m)
}

// suspect remembers an error that nothing proves, and shortens the wait.
func (s *session) suspect(now time.Time, reason string) Drop {
	s.init.reason = reason
	if grace := now.Add(errorGrace); grace.Before(s.endAt) {
		s.endAt = grace
	}
	return ike.DropUnauthentic
}

func (s *session) restartWithCookie(now time.Time, cookie []byte) Drop {
	i := s.init
	if s.pursuing() || len(cookie) == 0 || len(cookie) > cookieLengthMax || bytes.Equal(cookie, i.cookie) || i.restarts == restartsMax {
		return ike.DropUnexpected
	}
	i.restarts++
	i.cookie = bytes.Clone(cookie)
	s.sendInit(now)
	return ike.Accepted
}

// restartWithGroup. RFC 7296 section 1.3: the responder names the group that it
// wants, and the initiator takes it only if it offered it.
func (s *session) restartWithGroup(now time.Time, data []byte) Drop {
	i := s.init
	if s.pursuing() || len(data) != 2 {
		return ike.DropUnexpected
	}
	group := ike.Group(binary.BigEndian.Uint16(data))
	offered := slices.ContainsFunc(ikeOffers(s.peer), func(p ike.IKEProposal) bool { return p.Group == group })
	if !offered {
		return s.suspect(now, reasonIKERefused(ikeOffers(s.peer)))
	}
	if group == i.dh.Group() || i.restarts == restartsMax {
		return ike.DropUnexpected
	}
	i.restarts++
	i.dh.Wipe()
	i.Retransmission = engine.Retransmission{}
	s.beginInit(now, group)
	return ike.Accepted
}

// pursuing reports whether an answer is being pursued.
func (s *session) pursuing() bool { return len(s.sas)+len(s.init.computing) > 0 }

// pursue goes on to IKE_AUTH with an answer that looks right.
func (s *session) pursue(now time.Time, d Datagram, response []byte, h wire.Header, m parts) Drop {
	i := s.init
	if h.SPIr == 0 || h.MessageID != 0 || h.Flags.Initiator() || len(s.sas)+len(i.computing) >= halvesMax {
		return ike.DropUnexpected
	}
	if slices.ContainsFunc(s.sas, func(sa *ikeSA) bool { return sa.remote == h.SPIr }) || slices.Contains(i.computing, h.SPIr) {
		return ike.DropRetransmitted
	}
	if !single(m.sa) || m.ke == nil || m.nonce == nil {
		return s.suspect(now, reasonIncomplete(wire.IKESAInit, "SA, KE and Nonce payload"))
	}
	proposal, _, ok := chooseIKE(m.sa.Proposals, ikeOffers(s.peer))
	if !ok {
		return s.suspect(now, s.ikeMismatch(false, m.sa.Proposals, ikeOffers(s.peer)))
	}
	if m.ke.Group != i.dh.Group() || proposal.Group != m.ke.Group {
		return s.suspect(now, reasonIncomplete(wire.IKESAInit, "KE payload"))
	}
	if additional(proposal) && m.notify(wire.IntermediateSupported) == nil {
		return s.suspect(now, reasonIncomplete(wire.IKESAInit, "notification INTERMEDIATE_EXCHANGE_SUPPORTED"))
	}
	if s.holdInitResponse(d, response, h, m) {
		return ike.Accepted
	}
	shared, err := s.shared(i.dh, m.ke.Data)
	if err != nil {
		return s.suspect(now, reasonIncomplete(wire.IKESAInit, "KE payload"))
	}
	nat := detectNAT(d, h, m)
	s.translated(nat)
	s.float()
	sa := newSA(true, i.spi, h.SPIr, proposal, keys.DeriveIKE(proposal, i.nonce, m.nonce.Data, shared, i.spi, h.SPIr))
	keys.Wipe(shared)
	sa.nextID = 1
	sa.fragmentation = m.notify(wire.FragmentationSupported) != nil
	s.sas = append(s.sas, sa)
	s.goOn(now, sa, proposal.Additional.All(), &authenticate{request: i.request, response: response, ni: i.nonce, nr: m.nonce.Data, nat: nat, hashes: announcedHashes(m)})
	return ike.Accepted
}

// abandonHalf ends one of the pursued answers, and the attempt with the last.
func (s *session) abandonHalf(now time.Time, sa *ikeSA, reason string) {
	s.drop(sa)
	if len(s.sas) == 0 {
		s.failedConnecting(reason)
	}
}

// answerInit answers an IKE_SA_INIT request of one of the candidates, and makes a
// session if they can agree, which it reports. An answer that is longer than the
// request goes to nobody who has not proven by a cookie that it has asked, so that
// nobody can have us send more to others than it sends itself.
func (g *Gate) answerInit(now time.Time, d Datagram, message wire.Message, m parts, candidates []*ike.Peer, proven bool) (drop Drop, agreed bool) {
	h := message.Header
	var proposal ike.IKEProposal
	var chosen wire.Proposal
	for _, p := range candidates {
		accepted := p.IKEProposals
		if m.notify(wire.IntermediateSupported) == nil {
			accepted = withoutAdditional(accepted)
		}
		if proposal, chosen, agreed = chooseIKE(m.sa.Proposals, accepted); agreed {
			break
		}
	}
	s := g.newSession(now)
	s.candidates = candidates
	s.path = ike.Path{Local: d.Local, Remote: d.Remote}
	if !agreed {
		g.refuseInit(d, h, &wire.Notify{Type: wire.NoProposalChosen})
		s.reportFailure(s.ikeMismatch(true, m.sa.Proposals, candidates[0].IKEProposals))
		return ike.Accepted, false
	}
	if m.ke.Group != proposal.Group {
		g.refuseInit(d, h, &wire.Notify{Type: wire.InvalidKEPayload, Data: binary.BigEndian.AppendUint16(nil, uint16(proposal.Group))})
		return ike.Accepted, false
	}
	// A key pair is dear, and nothing counts what does not become a session.
	if keys.ValidatePublic(proposal.Group, m.ke.Data) != nil {
		g.refuseInit(d, h, &wire.Notify{Type: wire.InvalidSyntax})
		return ike.Accepted, false
	}
	s.translated(detectNAT(d, h, m))
	a := &acceptance{request: bytes.Clone(d.Payload), ni: bytes.Clone(m.nonce.Data), nr: g.random(nonceLength), hashes: announcedHashes(m)}
	s.acceptance = a
	s.endAt = now.Add(connectTimeout)
	if like := s.initResponse(h, m, 0, proposal, chosen, m.ke.Data); !proven && len(like) > len(d.Payload) {
		return g.demandCookie(now, d, h, m.nonce.Data), true
	}
	if !g.costly(proposal.Group) {
		return ike.Accepted, s.acceptInit(now, d, h, m, proposal, chosen)
	}
	// What it says is read again from our own copy.
	if message, err := wire.Parse(a.request); err == nil {
		m = sortPayloads(message.Payloads)
	}
	g.admission.enter(s, h.SPIi)
	dh := g.newDH(proposal.Group)
	s.handOut(dh.Agree(m.ke.Data), true, func(now time.Time) {
		if s.phase == connecting && !s.acceptInit(now, d, h, m, proposal, chosen) {
			s.forget()
			s.setPhase(ended)
		}
	})
	dh.Wipe()
	g.touch(s)
	return ike.Accepted, true
}

// acceptInit answers an IKE_SA_INIT request that fits what is configured, and
// reports whether its KE payload could be used.
func (s *session) acceptInit(now time.Time, d Datagram, h wire.Header, m parts, proposal ike.IKEProposal, chosen wire.Proposal) bool {
	g, a := s.gate, s.acceptance
	counted := s.agreed != nil
	dh, shared, _, err := s.agree(proposal.Group, m.ke.Data)
	defer dh.Wipe()
	if err != nil {
		g.refuseInit(d, h, &wire.Notify{Type: wire.InvalidSyntax})
		return false
	}
	defer keys.Wipe(shared)
	spi := g.newIKESPI(s)
	a.response = s.initResponse(h, m, spi, proposal, chosen, dh.Public())
	sa := newSA(false, spi, h.SPIi, proposal, keys.DeriveIKE(proposal, a.ni, a.nr, shared, h.SPIi, spi))
	sa.expectID, sa.fragmentation = 1, m.notify(wire.FragmentationSupported) != nil
	s.sas = []*ikeSA{sa}
	if !counted {
		g.admission.enter(s, h.SPIi)
	}
	if id := s.id(); id != "" && g.standing(id, nil) == nil {
		s.emit(ike.Connecting{Remote: d.Remote})
	}
	s.transmit(d.Local, d.Remote, a.response)
	g.touch(s)
	return true
}

// initResponse is the answer to an IKE_SA_INIT request, with an SPI and a public
// value of ours. NAT detection and fragmentation are for those who have named them.
func (s *session) initResponse(h wire.Header, m parts, spi uint64, proposal ike.IKEProposal, chosen wire.Proposal, public []byte) []byte {
	payloads := []wire.Payload{
		&wire.SA{Proposals: []wire.Proposal{chosen}},
		&wire.KE{Group: proposal.Group, Data: public},
		&wire.Nonce{Data: s.acceptance.nr},
	}
	if m.notify(wire.NATDetectionSourceIP) != nil {
		payloads = append(payloads, s.natDetection(h.SPIi, spi, s.candidates[0])...)
	}
	if m.notify(wire.FragmentationSupported) != nil {
		payloads = append(payloads, announceFragmentation())
	}
	if additional(proposal) {
		payloads = append(payloads, &wire.Notify{Type: wire.IntermediateSupported})
	}
	payloads = append(payloads, requestCertificate(s.candidates...)...)
	if s.acceptance.hashes != 0 && usesCertificate(s.candidates...) {
		payloads = append(payloads, hashAlgorithms())
	}
	answer := wire.Message{
		Header:   wire.Header{SPIi: h.SPIi, SPIr: spi, Major: 2, Exchange: wire.IKESAInit, Flags: wire.FlagResponse},
		Payloads: append(payloads, &wire.Notify{Type: wire.ChildlessSupported}), // RFC 6023: a child SA may follow by itself
	}
	response := answer.Append(nil)
	if len(response) > len(s.acceptance.request) { // hardly anybody asks for that, and a cookie costs a round trip
		answer.Payloads = payloads
		response = answer.Append(nil)
	}
	return response
}

// refuseInit answers without keeping anything. RFC 7296 section 2.21.1.
func (g *Gate) refuseInit(d Datagram, h wire.Header, n *wire.Notify) {
	response := wire.Message{
		Header:   wire.Header{SPIi: h.SPIi, Major: 2, Exchange: wire.IKESAInit, Flags: wire.FlagResponse},
		Payloads: []wire.Payload{n},
	}.Append(nil)
	if len(response) > len(d.Payload) { // as to a request without a proposal
		return
	}
	g.out = append(g.out, Output{Datagram: Datagram{Local: d.Local, Remote: d.Remote, Payload: response}})
}
