package ikev1

import (
	"bytes"
	"crypto/sha256"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/diagnosis"
	"causeway.dev/ike/engine"
	"causeway.dev/ike/keys"
	"causeway.dev/ike/wire"
	"causeway.dev/ike/wire/isakmp"
)

// Main mode, RFC 2409 section 5:
//
//	initiator                                   responder
//	1  SA, VIDs                    ────────>
//	                               <────────  2  SA, VIDs
//	3  KE, Ni, [CR], NAT-D …       ────────>
//	                               <────────  4  KE, Nr, [CR], NAT-D …
//	5* IDii, [CERT, SIG] HASH      ────────>                    * encrypted
//	                               <────────  6* IDir, [CERT, SIG] HASH
//
// Nothing before 5 and 6 is authentic. The initiator sends each of its messages
// again until the answer comes; the responder answers one that comes again, and
// sends nothing by itself.

// A negotiation is one main mode until its end.
type negotiation struct {
	engine.Entry // in gate's schedule

	gate      *Gate
	initiator bool
	awaits    message

	// session is the peer's: of the initiator from the start, of the responder
	// at the end. Until then candidates are the peers that it may be.
	session    *session
	candidates []*ike.Peer

	spii, spir uint64
	created    time.Time
	endAt      time.Time
	path       ike.Path
	nat        ike.NAT
	extensions extensions

	offer    []byte // the body of message 1's SA payload: SAi_b of the proofs
	proposal ike.IKEProposal
	method   isakmp.AuthMethod
	provedBy engine.ProvedBy
	chain    [][]byte      // that the peer has proved itself with; nil with a pre-shared key
	lifetime time.Duration // that the peer wants; zero if it does not say

	dh     *keys.DH
	ni, nr []byte
	public [2][]byte // of the initiator, of the responder
	shared ike.Secret
	keys   keys.Phase1Keys // but for a responder with pre-shared keys, which tries several
	wants  bool            // the peer has asked for a certificate

	sent     []byte // the last message, to be sent again
	received [sha256.Size]byte

	// responder
	origin firstKey
	heard  bool // its third message has come: it is on the books

	engine.Retransmission        // initiator
	reason                string // what the peer may have told
	reported              bool   // the failure has been told
	computing             bool   // waits for an agreement
	ended                 bool
}

// message is the number of a message of main mode.
type message uint8

const (
	// connectTimeout bounds the wait for each answer; a half-open main mode of
	// a responder lives as long.
	connectTimeout = 30 * time.Second

	// errorGrace is how long an initiator goes on after an error that nothing
	// proves: the true answer may still come.
	errorGrace = 3 * time.Second

	nonceLength = 32
)

// named reports whether a message with a header belongs to the negotiation. The
// initiator learns the responder's cookie by message 2.
func (n *negotiation) named(h wire.Header) bool {
	return h.SPIi == n.spii && (h.SPIr == n.spir || n.initiator && (n.spir == 0 || h.SPIr == 0))
}

// beginMain starts a main mode of ours with the session's peer.
func (s *session) beginMain(now time.Time) {
	g, p := s.gate, s.peer
	method, _ := methodOf(p) // SetPeer has seen it
	n := &negotiation{
		gate: g, session: s, initiator: true, awaits: 2, spii: g.newCookie(), created: now, method: method,
		path: ike.Path{Local: at(p.Local, portIKE), Remote: at(p.Remote, portIKE)},
	}
	s.attempt = n
	g.negotiations[n.spii] = n
	sa := offerIKE(offered(p), method, engine.OrDefault(p.IKELifetime, engine.IKELifetimeDefault))
	payloads := append([]isakmp.Payload{sa}, allExtensions()...)
	n.offer = isakmp.Body(isakmp.First(payloads), isakmp.AppendPayloads(nil, payloads), isakmp.PayloadSA)
	if s.current() == nil {
		g.emit(p.ID, ike.Connecting{Remote: n.path.Remote})
	}
	n.send(now, payloads)
	g.touch(n)
}

// send sends a message in plain and, as initiator, begins to wait for its answer.
func (n *negotiation) send(now time.Time, payloads []isakmp.Payload) {
	n.sendOctets(now, isakmp.Message{Header: n.header(0), Payloads: payloads}.Append(nil))
}

func (n *negotiation) header(flags wire.Flags) wire.Header {
	return wire.Header{SPIi: n.spii, SPIr: n.spir, Major: 1, Exchange: isakmp.MainMode, Flags: flags}
}

func (n *negotiation) sendOctets(now time.Time, octets []byte) {
	n.sent = octets
	n.endAt = now.Add(connectTimeout)
	if n.initiator {
		n.Retransmission = engine.Retransmission{}
		n.Sent(now, engine.RetransmitMax)
	}
	n.gate.transmit(n.id(), n.path, octets)
}

// id is the peer's, or empty as long as it may be one of several.
func (n *negotiation) id() ike.PeerID {
	switch {
	case n.session != nil:
		return n.session.peer.ID
	case len(n.candidates) == 1:
		return n.candidates[0].ID
	}
	return ""
}

// answerAgain answers a message that has come again where it came from.
func (n *negotiation) answerAgain(d ike.Datagram) {
	n.gate.transmit(n.id(), ike.Path{Local: d.Local, Remote: d.Remote}, n.sent)
}

// receive handles a message with the negotiation's cookies.
func (n *negotiation) receive(now time.Time, d ike.Datagram, h wire.Header) ike.Drop {
	switch {
	case (n.initiator || n.awaits == 3) && d.Remote.Addr() != n.path.Remote.Addr():
		return ike.DropUnknownPeer // message 3 is to show that its sender has got message 2
	case h.Exchange == isakmp.Informational:
		return n.receiveInformational(now, d, h)
	case h.Exchange != isakmp.MainMode || h.MessageID != 0:
		return ike.DropUnexpected
	}
	digest := sha256.Sum256(d.Payload)
	if digest == n.received {
		if !n.initiator && !n.computing && d.Remote.Addr() == n.path.Remote.Addr() {
			n.answerAgain(d)
		}
		return ike.DropRetransmitted
	}
	encrypted := h.Flags&isakmp.FlagEncryption != 0
	if encrypted != (n.awaits >= 5) {
		return ike.DropUnexpected
	}
	if n.computing {
		return ike.DropBusy
	}
	drop := ike.DropUnexpected
	switch {
	case n.awaits == 5:
		drop = n.receiveProof(now, d, h)
	case n.awaits == 6:
		drop = n.receiveAnsweredProof(now, d, h)
	default:
		message, err := isakmp.Parse(bytes.Clone(d.Payload))
		if err != nil {
			return ike.DropMalformed
		}
		m := sortPayloads(message.Payloads)
		switch n.awaits {
		case 2:
			drop = n.receiveChoice(now, h, m)
		case 3:
			drop = n.answerKeyExchange(now, d, h, m)
		case 4:
			drop = n.receiveKeyExchange(now, d, h, m)
		}
	}
	if drop == ike.Accepted {
		n.received = digest
	}
	return drop
}

// nextPayloadOffset is where the header names the first payload.
const nextPayloadOffset = 16

// receiveChoice handles message 2.
func (n *negotiation) receiveChoice(now time.Time, h wire.Header, m parts) ike.Drop {
	p := n.session.peer
	if h.SPIr == 0 || !single(m.sa) {
		return ike.DropMalformed
	}
	agreed, ok := chooseIKE(m.sa, offered(p), n.method)
	if !ok {
		return n.suspect(now, n.ikeMismatch(false, m.sa, offerIKE(offered(p), n.method, 0), n.method))
	}
	n.spir, n.proposal, n.lifetime, n.awaits = h.SPIr, agreed.proposal, agreed.lifetime, 4
	n.extensions = readExtensions(m.vendors)
	n.endAt = now.Add(connectTimeout)
	n.compute(now, nil, func(now time.Time, _ ike.Secret, _ error) {
		n.ni, n.public[0] = n.gate.random(nonceLength), n.dh.Public()
		payloads := []isakmp.Payload{&isakmp.KE{Data: n.public[0]}, &isakmp.Nonce{Data: n.ni}}
		payloads = append(payloads, n.requestCertificates(p)...)
		n.send(now, append(payloads, n.natDetection(p)...))
	})
	return ike.Accepted
}

// answerKeyExchange answers message 3. Its sender knows our cookie: it is where it
// says it is, and a Diffie-Hellman computation may be spent on it.
func (n *negotiation) answerKeyExchange(now time.Time, d ike.Datagram, h wire.Header, m parts) ike.Drop {
	if m.ke == nil || m.nonce == nil {
		return ike.DropMalformed
	}
	if keys.ValidatePublic(n.proposal.Group, m.ke.Data) != nil {
		return ike.DropMalformed
	}
	g := n.gate
	switch costly := g.costly(n.proposal.Group); { // it asks again
	case costly && n.busy():
		return ike.DropBusy
	case !costly && !n.affords(now, agreementTime), !g.admission.heard(n):
		return ike.DropHalfOpen
	}
	if id := n.id(); id != "" && g.sessions[id].current() == nil {
		g.emit(id, ike.Connecting{Remote: d.Remote})
	}
	drop := ike.Accepted
	n.compute(now, m.ke.Data, func(now time.Time, shared ike.Secret, err error) {
		if err != nil {
			n.dh, drop = nil, ike.DropMalformed
			return
		}
		n.shared = shared
		n.nat = n.detectNAT(d, h, m)
		n.ni, n.nr = m.nonce.Data, n.gate.random(nonceLength)
		n.public = [2][]byte{m.ke.Data, n.dh.Public()}
		n.wants = wantsCertificate(m)
		n.awaits = 5
		payloads := []isakmp.Payload{&isakmp.KE{Data: n.public[1]}, &isakmp.Nonce{Data: n.nr}}
		payloads = append(payloads, n.requestCertificates(n.candidates[0])...)
		n.path.Local, n.path.Remote = d.Local, d.Remote
		n.send(now, append(payloads, n.natDetection(n.candidates[0])...))
	})
	return drop
}

// receiveKeyExchange handles message 4 and sends the proof.
func (n *negotiation) receiveKeyExchange(now time.Time, d ike.Datagram, h wire.Header, m parts) ike.Drop {
	if m.ke == nil || m.nonce == nil {
		return ike.DropMalformed
	}
	drop := ike.Accepted
	n.endAt = now.Add(connectTimeout)
	n.compute(now, m.ke.Data, func(now time.Time, shared ike.Secret, err error) {
		if err != nil {
			drop = ike.DropMalformed
			return
		}
		n.shared = shared
		n.sendProof(now, d, h, m)
	})
	return drop
}

// sendProof sends message 5.
func (n *negotiation) sendProof(now time.Time, d ike.Datagram, h wire.Header, m parts) {
	p := n.session.peer
	n.nr, n.public[1] = m.nonce.Data, m.ke.Data
	n.wants = wantsCertificate(m)
	n.nat = n.detectNAT(d, h, m)
	n.provedBy = engine.ByCurrentKey
	n.keys = n.derive(p, n.provedBy)
	n.float(p)
	id := isakmp.NewID(engine.LocalID(p, n.path))
	proof, err := n.prove(p, id)
	if err != nil {
		n.fail(now, err.Error())
		return
	}
	payloads := append([]isakmp.Payload{id}, proof...)
	if n.session.current() == nil && len(n.session.children) == 0 {
		// RFC 2407 section 4.6.3.3: whatever SA with us the peer still has is
		// a leftover.
		payloads = append(payloads, &isakmp.Notify{Type: isakmp.InitialContact, Protocol: wire.ProtocolIKE, SPI: cookies(n.spii, n.spir)})
	}
	n.awaits = 6
	n.sendOctets(now, n.encrypt(n.keys.Phase1IV(n.public[0], n.public[1]), n.keys, payloads))
}

func (n *negotiation) encrypt(iv []byte, k keys.Phase1Keys, payloads []isakmp.Payload) []byte {
	return seal(&k, iv, n.header(isakmp.FlagEncryption), payloads)
}

// seal is an encrypted message; its last block is the IV of the one that follows.
func seal(k *keys.Phase1Keys, iv []byte, h wire.Header, payloads []isakmp.Payload) []byte {
	encrypted, _ := k.Encrypt(nil, iv, isakmp.AppendPayloads(nil, payloads))
	h.NextPayload = wire.PayloadType(isakmp.First(payloads))
	h.Length = uint32(wire.HeaderLength + len(encrypted))
	return append(h.Append(nil), encrypted...)
}

// open decrypts a message: its payloads and the octets of their chain. Nothing
// says yet who made them.
func open(k *keys.Phase1Keys, iv []byte, h wire.Header, datagram []byte) (parts, []byte, error) {
	plain, err := k.Decrypt(iv, datagram[wire.HeaderLength:])
	if err != nil {
		return parts{}, nil, err
	}
	payloads, length, err := isakmp.ParsePayloads(isakmp.PayloadType(h.NextPayload), plain)
	if err != nil {
		return parts{}, nil, err
	}
	return sortPayloads(payloads), plain[:length], nil
}

// receiveProof handles message 5: it finds the candidate that the initiator has
// proved to be. Anybody on the way may send what proves nothing, so that it ends
// nothing; but what the peer's operator should know is told once.
func (n *negotiation) receiveProof(now time.Time, d ike.Datagram, h wire.Header) ike.Drop {
	if n.method != isakmp.AuthPreSharedKey && !n.affords(now, certificatesProof) {
		return ike.DropHalfOpen
	}
	found := n.identify(now, d, h)
	if found.peer == nil {
		if !n.reported {
			n.gate.notifyPlain(n.id(), ike.Path{Local: d.Local, Remote: d.Remote}, n.spii, n.spir, isakmp.AuthenticationFailed)
			n.report(found.reason)
		}
		if found.authentic {
			n.end()
			return ike.Accepted
		}
		return ike.DropIntegrity
	}
	p := found.peer
	n.session, n.keys, n.provedBy = n.gate.sessions[p.ID], found.keys, found.by
	n.path.Local, n.path.Remote = d.Local, d.Remote
	n.path.UDP = n.encapsulated(p)
	id := isakmp.NewID(engine.LocalID(p, n.path))
	proof, err := n.prove(p, id)
	if err != nil {
		n.fail(now, err.Error())
		return ike.Accepted
	}
	answer := n.encrypt(keys.LastBlock(d.Payload), n.keys, append([]isakmp.Payload{id}, proof...))
	n.complete(now, found.identity, answer, found.initialContact, func(sa *isakmpSA) {
		sa.received, sa.answer = sha256.Sum256(d.Payload), answer
		n.gate.transmit(p.ID, n.path, answer)
	})
	return ike.Accepted
}

// receiveAnsweredProof handles message 6.
func (n *negotiation) receiveAnsweredProof(now time.Time, d ike.Datagram, h wire.Header) ike.Drop {
	p := n.session.peer
	m, _, err := open(&n.keys, keys.LastBlock(n.sent), h, d.Payload)
	if err != nil || m.id == nil {
		n.reason = reasonUnreadable
		return ike.DropIntegrity
	}
	reason, authentic := n.disprove(now, p, n.keys, m)
	if reason == "" && p.RemoteID.Type != ike.IDNone && !m.id.Identity().Same(p.RemoteID) {
		reason, authentic = n.identityMismatch(p, false, m.id.Identity()), true
	}
	switch {
	case reason == "":
		n.gate.out = append(n.gate.out, n.session.rotation.Proved(p, n.provedBy)...)
		n.complete(now, m.id.Identity(), d.Payload, m.notify(isakmp.InitialContact) != nil, nil)
		return ike.Accepted
	case authentic:
		// The peer takes the SA for established.
		sa := n.newSA(now, d.Payload)
		n.gate.transmit(p.ID, n.path, sa.inform(&isakmp.Delete{Protocol: wire.ProtocolIKE, SPIs: [][]byte{cookies(sa.spii, sa.spir)}}))
		sa.keys.Wipe()
		n.fail(now, reason)
		return ike.Accepted
	}
	n.reason = reason
	return ike.DropIntegrity
}

// newSA makes the ISAKMP SA. last is the last message of main mode.
func (n *negotiation) newSA(now time.Time, last []byte) *isakmpSA {
	return &isakmpSA{
		session: n.session, initiator: n.initiator, spii: n.spii, spir: n.spir,
		proposal: n.proposal, keys: n.keys, lastBlock: keys.LastBlock(last), extensions: n.extensions, provedBy: n.provedBy,
		created: n.created, established: now, exchanges: map[uint32]*quickMode{},
		sequence: uint32(n.gate.random(1)[0]) + 1,
	}
}

// complete makes the negotiation an ISAKMP SA of its session; last is the last
// message of main mode, answer sends what the peer waits for.
func (n *negotiation) complete(now time.Time, identity ike.Identity, last []byte, initialContact bool, answer func(*isakmpSA)) {
	sa, s := n.newSA(now, last), n.session
	n.keys = keys.Phase1Keys{} // the SA's own now
	n.end()
	s.remoteID = identity
	s.adopt(now, sa, n, initialContact, answer)
}

// receiveInformational takes note of an error that nothing proves. What the peer
// has encrypted meanwhile can't be read before main mode is complete, but that it
// comes in place of message 6 says enough.
func (n *negotiation) receiveInformational(now time.Time, d ike.Datagram, h wire.Header) ike.Drop {
	if !n.initiator {
		return ike.DropUnexpected
	}
	if h.Flags&isakmp.FlagEncryption != 0 {
		if n.awaits != 6 {
			return ike.DropUnexpected
		}
		iv := n.keys.Phase2IV(keys.LastBlock(n.sent), h.MessageID)
		if m, _, ok := openHashed(&n.keys, iv, h, d.Payload, idOctets(h.MessageID)); ok {
			if failure := m.failure(); failure != nil {
				n.fail(now, reasonRefused(failure.Type, n.method == isakmp.AuthPreSharedKey))
			}
			return ike.Accepted
		}
		if n.method != isakmp.AuthPreSharedKey {
			return ike.DropUnexpected
		}
		return n.suspect(now, reasonUnreadable)
	}
	message, err := isakmp.Parse(d.Payload)
	if err != nil {
		return ike.DropMalformed
	}
	failure := sortPayloads(message.Payloads).failure()
	switch {
	case failure == nil:
		return ike.DropUnexpected
	case failure.Type == isakmp.NoProposalChosen:
		return n.suspect(now, diagnosis.IKERefused(describeIKEProposals(offered(n.session.peer), n.method)))
	case n.awaits == 6:
		return n.suspect(now, reasonRefused(failure.Type, n.method == isakmp.AuthPreSharedKey))
	}
	return n.suspect(now, diagnosis.Answered("main mode", failure.Type.String()))
}

// suspect remembers an error that nothing proves, and shortens the wait.
func (n *negotiation) suspect(now time.Time, reason string) ike.Drop {
	n.reason = reason
	if grace := now.Add(errorGrace); grace.Before(n.endAt) {
		n.endAt = grace
	}
	return ike.DropUnauthentic
}

// failuresReportedMax bounds the peers that hear of a negotiation that could have
// been any of theirs.
const failuresReportedMax = 8

// report tells why the negotiation comes to nothing, once, and only to peers with
// which nothing else stands.
func (n *negotiation) report(reason string) {
	if n.reported {
		return
	}
	n.reported = true
	for _, p := range n.concerned() {
		if s := n.gate.sessions[p.ID]; s == nil || s.current() == nil {
			n.gate.emit(p.ID, ike.NegotiationFailed{Reason: reason, Remote: n.path.Remote})
		}
	}
}

// fail ends the negotiation with a reason. What it was to bring about has to wait.
func (n *negotiation) fail(now time.Time, reason string) {
	n.report(reason)
	n.end()
	if n.initiator {
		n.session.attemptFailed(now, reason)
	}
}

// abandon ends the negotiation after a fault.
func (n *negotiation) abandon(now time.Time, reason string) { n.fail(now, reason) }

// end takes the negotiation off the books and wipes what is left.
func (n *negotiation) end() {
	n.ended = true
	ours := n.spir
	if n.initiator {
		ours = n.spii
		n.session.attempt = nil
	} else {
		n.gate.admission.leave(n)
	}
	delete(n.gate.negotiations, ours)
	if n.dh != nil {
		n.dh.Wipe()
	}
	keys.Wipe(n.shared)
	n.keys.Wipe()
	n.gate.touch(n)
}

func (n *negotiation) over() bool { return n.ended || !n.initiator && !n.heard }

func (n *negotiation) nextDeadline() time.Time {
	if n.initiator && !n.computing {
		return engine.Soonest(n.endAt, n.Next)
	}
	return n.endAt
}

func (n *negotiation) advance(now time.Time) {
	switch {
	case !now.Before(n.endAt):
		n.timeOut(now)
	case n.initiator && !n.computing && !now.Before(n.Next):
		n.Sent(now, engine.RetransmitMax)
		n.gate.transmit(n.id(), n.path, n.sent)
	}
}

func (n *negotiation) timeOut(now time.Time) {
	reason := n.reason
	switch {
	case reason != "":
	case !n.initiator:
		if n.id() != "" {
			n.report(reasonUnfinished(n.path.Remote))
		}
		n.end()
		return
	case n.awaits == 2:
		reason = diagnosis.Silent(n.path.Remote, "main mode", n.Tries, now.Sub(n.First))
	case n.awaits == 4:
		reason = diagnosis.Answered("main mode's first message", "its choice, but no other message")
	default:
		reason = reasonProofSilent(n.path.Remote, n.Tries, n.method == isakmp.AuthPreSharedKey)
	}
	n.fail(now, reason)
}
