package ikev1

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/diagnosis"
	"causeway.dev/ike/engine"
	"causeway.dev/ike/keys"
	"causeway.dev/ike/wire"
	"causeway.dev/ike/wire/isakmp"
)

// Quick mode, RFC 2409 section 5.5, makes a pair of ESP SAs:
//
//	initiator                                            responder
//	1* HASH(1), SA, Ni, [KE], [IDci, IDcr]   ────────>
//	                                         <────────  2* HASH(2), SA, Nr, [KE], [IDci, IDcr]
//	3* HASH(3)                               ────────>
//
// Both sides install the pair before they send the message that lets the other
// use it. Message 3 is not answered: the responder sends 2 again until it comes,
// the initiator 3 as often as 2 comes.
//
// Where both sides begin at once, the one with the lower nonce gives way: it
// answers the other's message 1 and does not send its own again, while the other
// passes over the one that gives way. A peer that knows no such rule may answer
// both; then the pair of the one that gave way is deleted.
type quickMode struct {
	sa        *isakmpSA
	id        uint32
	initiator bool
	awaits    message // 0: over, kept for duplicates
	yielded   bool
	held      bool // the answer is here and waits for an agreement
	endAt     time.Time

	old    *child      // that it replaces, or nil; the initiator's
	groups []ike.Group // to be proposed, this one first; the initiator's
	ni, nr []byte
	dh     *keys.DH
	in     ike.SPI
	ids    [2]*isakmp.ID // that we propose
	child  *child        // once it is made

	iv       []byte // of the next message
	sent     []byte
	received [sha256.Size]byte
	engine.Retransmission
}

// quickTimeout bounds the wait for each answer; quickLinger is how long message 3
// is kept for a responder that has not got it.
const (
	quickTimeout = 30 * time.Second
	quickLinger  = time.Minute
)

// own is our quick mode that waits for its answer, or nil.
func (s *session) own() *quickMode {
	return s.exchange(func(q *quickMode) bool { return q.initiator && q.awaits == 2 })
}

// theirs is a quick mode of the peer's that is not complete, or nil.
func (s *session) theirs() *quickMode {
	return s.exchange(func(q *quickMode) bool { return !q.initiator && q.awaits == 3 })
}

func (s *session) exchange(is func(*quickMode) bool) *quickMode {
	for _, sa := range s.sas {
		for _, q := range sa.exchanges {
			if is(q) {
				return q
			}
		}
	}
	return nil
}

// quick begins a quick mode, after a main mode if there is no ISAKMP SA. While the
// peer's own is under way, it has to wait.
func (s *session) quick(now time.Time, old *child, groups []ike.Group) {
	s.begin(now, old, groups, nil)
}

// begin is quick with a key pair that has been made already, or nil. It reports
// whether that is used.
func (s *session) begin(now time.Time, old *child, groups []ike.Group, dh *keys.DH) (used bool) {
	switch {
	case s.own() != nil || s.wanted != nil || s.making != nil:
		return false
	case s.theirs() != nil || s.gate.paused && old != nil:
		if old != nil {
			old.rekeyAt = s.retryTime(now)
		}
		return false
	}
	q := &quickMode{initiator: true, awaits: 2, old: old, groups: groups, dh: dh}
	sa := s.current()
	if sa == nil {
		if s.attempt == nil {
			if !s.peer.Remote.IsValid() {
				return false
			}
			s.beginMain(now)
		}
		q.dh = nil
		s.wanted = q
		return false
	}
	if group := groups[0]; group != ike.GroupNone && dh == nil {
		q.dh = s.gate.newDH(group)
		if s.gate.costly(group) {
			s.prepare(q.dh, old, groups)
			return false
		}
	}
	q.sa, q.id = sa, s.gate.newMessageID()
	q.ni, q.in = s.gate.random(nonceLength), s.gate.newESPSPI()
	q.iv = sa.keys.Phase2IV(sa.lastBlock, q.id)
	lifetime := engine.OrDefault(s.peer.ChildLifetime, engine.ChildLifetimeDefault)
	payloads := []isakmp.Payload{offerESP(q.offers(s.peer), q.in, s.encapsulation(sa), lifetime), &isakmp.Nonce{Data: q.ni}}
	if q.dh != nil {
		payloads = append(payloads, &isakmp.KE{Data: q.dh.Public()})
	}
	q.ids = s.proposedTraffic()
	payloads = append(payloads, q.ids[0], q.ids[1])
	sa.exchanges[q.id] = q
	q.send(now, payloads, idOctets(q.id))
	return true
}

// offers keep extended sequence numbers where the pair that is replaced has them: its
// peer may take no others.
func (q *quickMode) offers(p *ike.Peer) []ike.ESPProposal {
	offers := offeredESP(p, q.groups[0])
	if q.old != nil && q.old.extended {
		offers = engine.AlsoExtended(offers, true)
	}
	return offers[:min(len(offers), offersMax)]
}

// proposedTraffic is what a quick mode of ours asks for: one prefix a side is all
// that it has room for.
func (s *session) proposedTraffic() [2]*isakmp.ID {
	local, remote := first(s.peer.LocalSelectors, s.peer.RemoteSelectors), first(s.peer.RemoteSelectors, s.peer.LocalSelectors)
	return [2]*isakmp.ID{isakmp.NewTrafficID(local), isakmp.NewTrafficID(remote)}
}

// first is the first of the prefixes; of none it is all addresses, of the family
// of the other side.
func first(prefixes, other []netip.Prefix) netip.Prefix {
	switch {
	case len(prefixes) > 0:
		return prefixes[0]
	case len(other) > 0 && other[0].Addr().Is6():
		return engine.AnyTraffic[1]
	}
	return engine.AnyTraffic[0]
}

// encapsulation is how ESP is to be tunnelled, as a transform names it.
func (s *session) encapsulation(sa *isakmpSA) uint64 {
	if s.path.UDP && sa.extensions.natt != nil {
		return sa.extensions.natt.encapsulation
	}
	return isakmp.EncapsulationTunnel
}

// encapsulations are those that we accept: with a NAT between, none but UDP.
func (s *session) encapsulations(sa *isakmpSA) []uint64 {
	var modes []uint64
	if sa.extensions.natt != nil {
		modes = []uint64{isakmp.EncapsulationUDPTunnel, isakmp.EncapsulationUDPTunnelDraft}
	}
	if !s.nat.Local && !s.nat.Remote {
		modes = append(modes, isakmp.EncapsulationTunnel)
	}
	return modes
}

// send sends a message of the exchange. covered is what its HASH covers before the
// other payloads.
func (q *quickMode) send(now time.Time, payloads []isakmp.Payload, covered ...[]byte) {
	q.sent = q.sa.seal(q.sa.header(isakmp.QuickMode, q.id), q.iv, payloads, covered...)
	q.iv = keys.LastBlock(q.sent)
	q.endAt = now.Add(quickTimeout)
	q.Retransmission = engine.Retransmission{}
	q.Sent(now, engine.RetransmitMax)
	q.sa.session.transmit(q.sent)
}

// receiveQuick handles a message of a quick mode.
func (s *session) receiveQuick(now time.Time, sa *isakmpSA, d ike.Datagram, h wire.Header) ike.Drop {
	q := sa.exchanges[h.MessageID]
	if q == nil {
		if _, over := sa.over[h.MessageID]; over {
			return ike.DropMessageID
		}
		return s.answerQuick(now, sa, d, h)
	}
	digest := sha256.Sum256(d.Payload)
	drop := ike.DropUnexpected
	switch {
	case q.held:
		return ike.DropRetransmitted
	case digest == q.received:
		if q.initiator || q.awaits == 3 {
			s.gate.transmit(s.peer.ID, ike.Path{Local: d.Local, Remote: d.Remote}, q.sent)
		}
		return ike.DropRetransmitted
	case q.awaits == 2:
		return q.receiveAnswer(now, d, h)
	case q.awaits == 3:
		drop = q.receiveConfirmation(now, d, h)
	}
	if drop == ike.Accepted {
		q.received = digest
	}
	return drop
}

// answerQuick answers message 1.
func (s *session) answerQuick(now time.Time, sa *isakmpSA, d ike.Datagram, h wire.Header) ike.Drop {
	iv := sa.keys.Phase2IV(sa.lastBlock, h.MessageID)
	m, ok := sa.open(h, iv, d.Payload, idOctets(h.MessageID))
	switch {
	case !ok:
		return ike.DropIntegrity
	case m.ke != nil && s.held:
		return ike.DropBusy // it asks again
	}
	return s.answerOpened(now, sa, opened{id: h.MessageID, from: d, last: keys.LastBlock(d.Payload), digest: sha256.Sum256(d.Payload)}, m, nil)
}

// opened is what has been read of a message before it waits.
type opened struct {
	id     uint32
	from   ike.Datagram // its addresses
	last   []byte       // its last block
	digest [sha256.Size]byte
}

// answerOpened answers a message 1 that is authentic, as if it had come only now; a is
// the agreement that it needs, if that had to be waited for.
func (s *session) answerOpened(now time.Time, sa *isakmpSA, o opened, m parts, a *keys.Agreement) ike.Drop {
	switch {
	case len(sa.over)+len(sa.exchanges) >= quickModesMax || len(s.children) >= childrenMax:
		return ike.DropHalfOpen
	}
	own := s.own()
	if own != nil && m.nonce != nil && !own.yielded && bytes.Compare(m.nonce.Data, own.ni) < 0 {
		return ike.DropUnexpected // the peer gives way, or asks again
	}
	if a == nil {
		if m.ke != nil && len(m.ke.Data) <= cheapOctets && !s.allowance.take(now, agreementTime) {
			return ike.DropHalfOpen // it asks again
		}
		s.fresh(now, o.from)
	}
	q := &quickMode{sa: sa, id: o.id, awaits: 3, iv: o.last, received: o.digest}
	refusal, reason, ready := s.accept(now, q, m, a, func(now time.Time, a *keys.Agreement) bool {
		if s.held = false; s.stands(sa) {
			s.answerOpened(now, sa, o, m, a)
		}
		return false
	})
	switch {
	case !ready:
		s.held = true
		return ike.Accepted
	case reason != "":
		q.finish()
		s.transmit(sa.inform(&isakmp.Notify{Type: refusal, Protocol: wire.ProtocolESP, SPI: spiOfFirst(m.sa)}))
		s.emit(ike.NegotiationFailed{Reason: reason, Remote: s.path.Remote})
		return ike.Accepted
	}
	if own != nil {
		own.yielded = true
	}
	return ike.Accepted
}

// cheapOctets is the longest public value of a group that keys.Costly does not name.
const cheapOctets = 256

// spiOfFirst is the SPI that a refusal names.
func spiOfFirst(sa *isakmp.SA) []byte {
	if sa == nil {
		return nil
	}
	return sa.Proposals[0].SPI
}

// accept makes the pair that a message 1 asks for and answers it, or returns why
// it can't. It is not ready where an agreement has to be waited for, which a is
// otherwise; then is called with that.
func (s *session) accept(now time.Time, q *quickMode, m parts, a *keys.Agreement, then func(time.Time, *keys.Agreement) bool) (refusal isakmp.NotifyType, reason string, ready bool) {
	p := s.peer
	if m.sa == nil || m.nonce == nil {
		return isakmp.PayloadMalformed, diagnosis.Incomplete("quick mode", "SA and NONCE payload"), true
	}
	theirs, ours := s.traffic(m.id, m.id2)
	remote, local := narrow(theirs, p.RemoteSelectors), narrow(ours, p.LocalSelectors)
	if len(remote) == 0 || len(local) == 0 {
		return isakmp.InvalidIDInformation, s.selectorMismatch(true, theirs, ours), true
	}
	if c := s.newest(childUp); c != nil && !c.installed.Before(s.outdated) && !(slices.Equal(c.remote, remote) && slices.Equal(c.local, local)) {
		return isakmp.InvalidIDInformation, reasonSecondPair(theirs, ours), true
	}
	agreed, mode, ok := chooseESP(m.sa, alsoExtended(p, m.sa), s.encapsulations(q.sa))
	if !ok {
		if onlyTransport(m.sa) {
			return isakmp.NoProposalChosen, reasonTransport, true
		}
		return isakmp.NoProposalChosen, s.espMismatch(true, m.sa, acceptedESP(p)), true
	}
	out := spiOf(&agreed.answer)
	if s.child(func(c *child) bool { return c.out == out }) != nil {
		return isakmp.InvalidSPI, diagnosis.Incomplete("quick mode", "SPI that is not in use"), true
	}
	q.ni, q.nr = bytes.Clone(m.nonce.Data), s.gate.random(nonceLength)
	payloads := []isakmp.Payload{nil, &isakmp.Nonce{Data: q.nr}}
	var shared ike.Secret
	if group := agreed.proposal.Group; group != ike.GroupNone {
		if m.ke == nil || keys.ValidatePublic(group, m.ke.Data) != nil {
			return isakmp.InvalidKeyInformation, diagnosis.Incomplete("quick mode", "KE payload"), true
		}
		dh, secret, ready, err := s.agree(a, group, m.ke.Data, then)
		if !ready {
			return 0, "", false
		}
		defer dh.Wipe()
		if err != nil {
			return isakmp.InvalidKeyInformation, diagnosis.Incomplete("quick mode", "KE payload"), true
		}
		shared = secret
		defer keys.Wipe(shared)
		payloads = append(payloads, &isakmp.KE{Data: dh.Public()})
	}
	if m.id != nil && m.id2 != nil {
		payloads = append(payloads, answered(m.id, remote[0]), answered(m.id2, local[0]))
	}
	q.in = s.gate.newESPSPI()
	agreed.answer.SPI = spiOctets(q.in)
	payloads[0] = &isakmp.SA{Proposals: []isakmp.Proposal{agreed.answer}}
	q.child = &child{state: childOffered}
	q.install(now, agreed, mode, out, shared, local, remote)
	q.sa.exchanges[q.id] = q
	q.send(now, payloads, idOctets(q.id), q.ni)
	return 0, "", true
}

func onlyTransport(sa *isakmp.SA) bool {
	for _, p := range sa.Proposals {
		for _, t := range p.Transforms {
			if mode, ok := t.Value(isakmp.AttributeESPEncapsulation); ok && mode != isakmp.EncapsulationTransport {
				return false
			}
		}
	}
	return true
}

// traffic is what a message 1 asks for. RFC 2409 section 5.5: without ID payloads
// it is that of the two addresses.
func (s *session) traffic(theirs, ours *isakmp.ID) (*isakmp.ID, *isakmp.ID) {
	if theirs == nil || ours == nil {
		return isakmp.NewID(ike.AddressIdentity(s.path.Remote.Addr())), isakmp.NewID(ike.AddressIdentity(s.path.Local.Addr()))
	}
	return theirs, ours
}

// narrow is the first prefix that the traffic and the allowed prefixes have in
// common: quick mode has room for one.
func narrow(id *isakmp.ID, allowed []netip.Prefix) []netip.Prefix {
	selector, ok := id.Selector()
	if !ok {
		return nil
	}
	common := engine.Narrow([]wire.TrafficSelector{selector}, allowed)
	return common[:min(len(common), 1)]
}

// answered is the traffic that an answer names: what was asked for as it came,
// or what was made of it.
func answered(asked *isakmp.ID, given netip.Prefix) *isakmp.ID {
	if s, ok := asked.Selector(); ok && s == wire.PrefixSelector(given) {
		return asked
	}
	return isakmp.NewTrafficID(given)
}

// install derives the keys of the pair and hands it to the owner.
func (q *quickMode) install(now time.Time, agreed agreement[ike.ESPProposal], mode uint64, out ike.SPI, shared ike.Secret, local, remote []netip.Prefix) {
	s, p := q.sa.session, agreed.proposal
	e := ike.ChildSA{
		Inbound: q.in, Outbound: out, Proposal: p, LocalSelectors: local, RemoteSelectors: remote,
		Path: s.espPath(mode != isakmp.EncapsulationTunnel),
	}
	e.InboundKey, e.InboundIntegrityKey = q.sa.keys.DerivePhase2(p, shared, q.in, q.ni, q.nr)
	e.OutboundKey, e.OutboundIntegrityKey = q.sa.keys.DerivePhase2(p, shared, out, q.ni, q.nr)
	q.child.initiator = q.initiator
	s.install(now, q.child, e, agreed.lifetime)
}

// receiveAnswer handles message 2.
func (q *quickMode) receiveAnswer(now time.Time, d ike.Datagram, h wire.Header) ike.Drop {
	sa, s := q.sa, q.sa.session
	m, ok := sa.open(h, q.iv, d.Payload, idOctets(q.id), q.ni)
	if !ok {
		return ike.DropIntegrity
	}
	s.fresh(now, d)
	q.completeOpened(now, opened{last: keys.LastBlock(d.Payload), digest: sha256.Sum256(d.Payload)}, m, nil)
	return ike.Accepted
}

// completeOpened completes the quick mode with a message 2 that is authentic; a is the
// agreement that it needs, if that had to be waited for.
func (q *quickMode) completeOpened(now time.Time, o opened, m parts, a *keys.Agreement) {
	s := q.sa.session
	if a == nil && q.dh != nil && m.ke != nil && s.gate.costly(q.dh.Group()) {
		q.held, q.endAt = true, now.Add(quickTimeout)
		s.gate.handOut(s.peer.ID, q.dh.Agree(m.ke.Data), waiting{s, false, func(now time.Time, a *keys.Agreement) bool {
			if q.held = false; s.stands(q.sa) && q.sa.exchanges[q.id] == q && q.awaits == 2 {
				q.completeOpened(now, o, m, a)
			}
			return false
		}})
		return
	}
	q.received = o.digest
	if reason := q.complete(now, o.last, m, a); reason != "" {
		s.refused(now, q, reason, nil)
	}
}

// complete makes the pair of message 2 and confirms it, or returns what is wrong
// with it.
func (q *quickMode) complete(now time.Time, last []byte, m parts, a *keys.Agreement) string {
	sa, s, p := q.sa, q.sa.session, q.sa.session.peer
	if !single(m.sa) || m.nonce == nil {
		return diagnosis.Incomplete("answer to quick mode", "SA and NONCE payload")
	}
	offers := q.offers(p)
	agreed, mode, ok := chooseESP(m.sa, offers, []uint64{s.encapsulation(sa)})
	out := spiOf(&m.sa.Proposals[0])
	if !ok || s.child(func(c *child) bool { return c.out == out }) != nil {
		return s.espMismatch(false, m.sa, offers)
	}
	ours, theirs := m.id, m.id2
	if ours == nil || theirs == nil {
		ours, theirs = q.ids[0], q.ids[1]
	}
	local, remote := narrow(ours, p.LocalSelectors), narrow(theirs, p.RemoteSelectors)
	if len(local) == 0 || len(remote) == 0 {
		return s.selectorMismatch(false, theirs, ours)
	}
	var shared ike.Secret
	if q.dh != nil {
		if m.ke == nil {
			return diagnosis.Incomplete("answer to quick mode", "KE payload")
		}
		var err error
		if a != nil {
			shared, err = a.Shared()
		} else {
			shared, err = q.dh.Shared(m.ke.Data)
		}
		if err != nil {
			return diagnosis.Incomplete("answer to quick mode", "KE payload")
		}
		defer keys.Wipe(shared)
		q.dh.Wipe()
	}
	q.nr = bytes.Clone(m.nonce.Data)
	if wanted := responderLifetime(m); wanted > 0 {
		agreed.lifetime = agreedLifetime(wanted, agreed.lifetime)
	}
	q.child = &child{state: childUp}
	q.install(now, agreed, mode, out, shared, local, remote)
	q.iv = last
	q.awaits = 0
	q.send(now, nil, []byte{0}, idOctets(q.id), q.ni, q.nr)
	q.endAt = now.Add(quickLinger)
	switch {
	case q.yielded:
		s.replace(q.child, now.Add(overlap))
	case s.active == nil:
		s.activate(now, q.child)
	default:
		q.child.activateAt = now.Add(activateDelay)
	}
	return ""
}

// responderLifetime is what RESPONDER-LIFETIME says, or zero. RFC 2407 section
// 4.6.3.1.
func responderLifetime(m parts) time.Duration {
	n := m.notify(isakmp.ResponderLifetime)
	if n == nil {
		return 0
	}
	attributes, err := isakmp.ParseAttributes(n.Data)
	if err != nil {
		return 0
	}
	return lifetimeOf(attributes, isakmp.AttributeESPLifeType, isakmp.AttributeESPLifeDuration)
}

// receiveConfirmation handles message 3.
func (q *quickMode) receiveConfirmation(now time.Time, d ike.Datagram, h wire.Header) ike.Drop {
	m, chain, err := open(&q.sa.keys, q.iv, h, d.Payload)
	proof := q.sa.keys.Phase2Proof([]byte{0}, idOctets(q.id), q.ni, q.nr)
	if err != nil || len(chain) == 0 || m.hash == nil || !keys.Equal(m.hash.Data, proof) {
		return ike.DropIntegrity
	}
	s := q.sa.session
	s.fresh(now, d)
	q.confirmed(now)
	return ike.Accepted
}

// confirmed: the initiator of the quick mode has the pair.
func (q *quickMode) confirmed(now time.Time) {
	q.finish()
	if q.child.state == childOffered {
		q.sa.session.activate(now, q.child)
	}
}

// refused follows a quick mode of ours that came to nothing. again, if not empty,
// are groups to try instead.
func (s *session) refused(now time.Time, q *quickMode, reason string, again []ike.Group) {
	old := q.old
	q.abandon()
	q.finish()
	if len(again) > 0 {
		s.quick(now, old, again)
		return
	}
	s.emit(ike.NegotiationFailed{Reason: reason, Remote: s.path.Remote})
	if old != nil && old.state == childUp {
		old.rekeyAt = now.Add(retryRefused)
	}
	s.childless(now)
}

// finish ends the exchange but for its id, which is not to come again.
func (q *quickMode) finish() {
	q.awaits = 0
	delete(q.sa.exchanges, q.id)
	if q.sa.over == nil {
		q.sa.over = map[uint32]struct{}{}
	}
	if len(q.sa.over) < quickModesMax {
		q.sa.over[q.id] = struct{}{}
	}
}

// abandon gives back what was reserved for a quick mode of ours without an answer.
func (q *quickMode) abandon() {
	if q.initiator && q.child == nil {
		q.sa.session.gate.spis.Release(q.in)
	}
	if q.dh != nil {
		q.dh.Wipe()
	}
}

// advance fires what is due.
func (q *quickMode) advance(now time.Time) {
	s := q.sa.session
	switch {
	case now.Before(q.endAt):
		if q.awaits != 0 && !q.yielded && !q.held && !now.Before(q.Next) {
			q.Sent(now, engine.RetransmitMax)
			s.transmit(q.sent)
		}
	case q.awaits == 2:
		s.unanswered(now, q)
	case q.awaits == 3:
		q.finish()
		if q.child.state == childOffered {
			s.removeChild(q.child, reasonUnconfirmed)
		}
		s.childless(now)
	default:
		q.finish()
	}
}

func (q *quickMode) deadline() time.Time {
	if q.awaits == 0 || q.yielded || q.held {
		return q.endAt
	}
	return engine.Soonest(q.endAt, q.Next)
}

// unanswered follows a quick mode of ours that the peer has not answered. Its
// ISAKMP SA may be one that the peer has forgotten: where a pair stands, another
// is tried.
func (s *session) unanswered(now time.Time, q *quickMode) {
	old, yielded := q.old, q.yielded
	q.abandon()
	q.finish()
	switch {
	case yielded:
		if old != nil && old.state == childUp {
			old.rekeyAt = s.retryTime(now)
		}
		s.childless(now)
	case len(s.children) == 0:
		reason := reasonQuickSilent(q.Tries)
		s.emit(ike.NegotiationFailed{Reason: reason, Remote: s.path.Remote})
		s.terminate(now, reason)
	default:
		s.deleteSA(now, q.sa)
		s.quick(now, old, q.groups)
	}
}

func spiFrom(b []byte) (ike.SPI, bool) {
	if len(b) != 4 {
		return 0, false
	}
	return ike.SPI(binary.BigEndian.Uint32(b)), true
}
