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

// CREATE_CHILD_SA for child SAs: new ones, RFC 7296 section 1.3.1, and rekeys,
// section 1.3.3, with simultaneous ones, sections 2.8.1 and 2.25.1.
//
// When both sides rekey the same child SA at once, each answers the other as
// usual, and two new pairs exist. The one whose exchange has the lowest of the
// four nonces is redundant; its maker deletes it, and the maker of the other
// deletes the old pair:
//
//	A                                          B
//	REKEY old, NiA  ────────┐    ┌──────────  REKEY old, NiB
//	NrA, pair of B  ────────┼────┼──────────  NrB, pair of A
//	the lowest is NiA or NrB: A deletes its pair, B deletes old

// createChild is the initiator's duty.
type createChild struct {
	keyPair
	followup
	old   *childSA // that it replaces, or nil
	in    ike.SPI
	nonce []byte
	rival *rivalChild // the peer's rekey of the same child SA
}

// A rivalChild is what we answered to a simultaneous rekey.
type rivalChild struct {
	nonceLow []byte
	child    *childSA
}

// retryMin and retryMax bound the wait after TEMPORARY_FAILURE. RFC 7296 section
// 2.25 leaves it open; the random part keeps the two sides out of step.
const (
	retryMin     = 2 * time.Second
	retryMax     = 6 * time.Second
	retryRefused = time.Minute // after an error that will hardly go away
)

// sasMax and childrenMax bound what a peer that rekeys without end, or never
// deletes what it has replaced, makes us keep. At one rekey a second, half as many
// wait for the ends of their lives.
const (
	sasMax      = 40
	childrenMax = 40
)

func (s *session) retryTime(now time.Time) time.Time {
	return now.Add(retryMin + engine.RandomDuration(s.gate.rand, retryMax-retryMin))
}

// rekeyChildNow queues the rekey of a child SA, once. One that the peer is not
// yet known to have has to wait, one that is being replaced needs no other rekey.
func (s *session) rekeyChildNow(now time.Time, child *childSA) {
	child.rekeyAt = time.Time{}
	switch {
	case child.state != childUp:
	case child != s.active:
		child.rekeyAt = s.retryTime(now)
	case s.rekeyOf(child) == nil:
		s.enqueue(&createChild{old: child, keyPair: keyPair{group: child.proposal.Group}})
	}
}

// rekeyOf returns our rekey of a child SA, waiting or under way.
func (s *session) rekeyOf(child *childSA) *createChild {
	if s.current.pending != nil {
		if c, ok := s.current.pending.task.(*createChild); ok && c.old == child {
			return c
		}
	}
	for _, t := range s.queue {
		if c, ok := t.(*createChild); ok && c.old == child {
			return c
		}
	}
	return nil
}

func (c *createChild) build(s *session, _ *ikeSA, _ time.Time) (wire.ExchangeType, []wire.Payload, bool) {
	if c.underWay() {
		return c.request(s.gate)
	}
	if c.old != nil && c.old.state != childUp || c.old == nil && s.newestChild() != nil {
		c.keyPair.wipe()
		return 0, nil, false // the peer was faster
	}
	p := s.peer
	c.in, c.nonce = s.gate.newESPSPI(), s.gate.random(nonceLength)
	var payloads []wire.Payload
	if c.old != nil {
		// RFC 7296 section 1.3.3: named by the SPI that its initiator receives by.
		payloads = append(payloads, &wire.Notify{Type: wire.RekeySA, Protocol: wire.ProtocolESP, SPI: spiOctets(c.old.in)})
	}
	payloads = append(payloads, offerESP(c.offers(p), true, c.in), &wire.Nonce{Data: c.nonce})
	if c.group != ike.GroupNone {
		payloads = append(payloads, &wire.KE{Group: c.group, Data: c.take(s.gate).Public()})
	}
	payloads = append(payloads,
		offerSelectors(wire.PayloadTSi, p.LocalSelectors),
		offerSelectors(wire.PayloadTSr, p.RemoteSelectors))
	return wire.CreateChildSA, payloads, true
}

// offers keep extended sequence numbers where the pair has them.
func (c *createChild) offers(p *ike.Peer) []ike.ESPProposal {
	if c.old != nil && c.old.proposal.ExtendedSequence {
		return engine.AlsoExtended(p.ESPProposals, true)
	}
	return p.ESPProposals
}

func (c *createChild) process(s *session, sa *ikeSA, now time.Time, m parts) {
	if c.goesOn(s, sa, c, &m, c.additional(s, m), func() (ike.Secret, error) { return c.agreed(s, m) }) {
		return
	}
	defer c.keyPair.wipe()
	defer c.followup.wipe()
	if s.phase != established {
		s.gate.releaseSPI(c.in)
		return
	}
	if n := m.failure(); n != nil {
		s.gate.releaseSPI(c.in)
		c.refused(s, now, n)
		return
	}
	child, reason := c.complete(s, sa, m)
	switch {
	case reason != "":
		// The peer has made a pair that we can't use.
		s.enqueue(&deleteChild{in: c.in, reserve: true})
		c.retry(s, now, retryRefused, reason)
	case c.rival != nil && bytes.Compare(lower(c.nonce, m.nonce.Data), c.rival.nonceLow) < 0 && slices.Contains(s.children, c.rival.child):
		// Ours is redundant. It is never installed: the peer knows that too.
		s.enqueue(&deleteChild{in: c.in, reserve: true})
	default:
		c.replace(s, now, s.install(now, child))
	}
}

func (c *createChild) release(g *Gate) {
	if c.nonce != nil { // built
		g.releaseSPI(c.in)
	}
	c.keyPair.wipe()
	c.followup.wipe()
}

// replace puts a new child SA in the place of the old one and of a redundant one.
func (c *createChild) replace(s *session, now time.Time, child *childSA) {
	if c.rival != nil && c.rival.child.state == childUp {
		c.rival.child.state = childRedundant
		c.rival.child.rekeyAt, c.rival.child.expiresAt = time.Time{}, now.Add(redundantLifetime)
	}
	s.activate(child)
	if c.old != nil && c.old.state != childDeleted {
		c.old.state, c.old.successor = childReplaced, child
		c.old.rekeyAt = time.Time{}
		s.enqueue(&deleteChild{child: c.old, in: c.old.in})
	}
}

// complete checks the answer and derives the keys, or says what is wrong with it.
func (c *createChild) complete(s *session, sa *ikeSA, m parts) (childParameters, string) {
	p := s.peer
	none := childParameters{}
	if !single(m.sa) || m.nonce == nil {
		return none, reasonIncomplete(wire.CreateChildSA, "SA and Nonce payload")
	}
	proposal, out, _, ok := chooseESP(m.sa.Proposals, c.offers(p), true)
	if !ok || s.childByOutbound(out) != nil {
		return none, s.espMismatch(false, m.sa.Proposals, p.ESPProposals, true)
	}
	local, remote := narrow(m.tsi, p.LocalSelectors), narrow(m.tsr, p.RemoteSelectors)
	if len(local) == 0 || len(remote) == 0 {
		return none, s.selectorMismatch(false, m.tsr, m.tsi)
	}
	if !c.completed(proposal.Additional) {
		return none, reasonIncomplete(wire.CreateChildSA, "notification ADDITIONAL_KEY_EXCHANGE")
	}
	shared := c.secret
	if proposal.Group != ike.GroupNone && shared == nil {
		if m.ke == nil || m.ke.Group != proposal.Group {
			return none, reasonIncomplete(wire.CreateChildSA, "KE payload")
		}
		var err error
		if shared, err = c.agreed(s, m); err != nil {
			return none, reasonIncomplete(wire.CreateChildSA, "KE payload")
		}
		defer keys.Wipe(shared)
	}
	return childParameters{
		in: c.in, out: out, initiator: true, proposal: proposal, local: local, remote: remote,
		keys: keys.DeriveChild(proposal, sa.proposal.PRF, sa.keys.D, shared, c.nonce, m.nonce.Data, c.secrets...),
	}, ""
}

// additional are the key exchanges that are to follow by the peer's choice.
func (c *createChild) additional(s *session, m parts) ike.AdditionalGroups {
	if !single(m.sa) {
		return ike.AdditionalGroups{}
	}
	proposal, _, _, _ := chooseESP(m.sa.Proposals, c.offers(s.peer), true)
	return proposal.Additional
}

// refused acts on an error. RFC 7296 section 2.25.
func (c *createChild) refused(s *session, now time.Time, n *wire.Notify) {
	switch n.Type {
	case wire.InvalidKEPayload:
		if group, ok := wantedGroup(n); ok && group != c.group && slices.ContainsFunc(s.peer.ESPProposals, func(p ike.ESPProposal) bool { return p.Group == group }) {
			s.enqueue(&createChild{old: c.old, keyPair: keyPair{group: group}})
			return
		}
		c.retry(s, now, retryRefused, reasonESPRefused(s.peer.ESPProposals, true))
	case wire.TemporaryFailure, wire.StateNotFound:
		c.retry(s, now, s.retryTime(now).Sub(now), "")
	case wire.ChildSANotFound:
		// The peer has lost it: make a new one, unless its successor stands.
		if c.old != nil && c.old.state == childUp {
			if s.active == c.old {
				s.active = nil
			}
			s.removeChild(c.old, "the peer does not know the child SA any more")
			s.enqueue(&createChild{keyPair: keyPair{group: c.group}})
		}
		s.childless(now) // its life has ended here, too
	default:
		c.retry(s, now, retryRefused, childRefusal(wire.CreateChildSA, n.Type, s.peer))
	}
}

// retry tries again later, as long as the old child SA still lives.
func (c *createChild) retry(s *session, now time.Time, after time.Duration, reason string) {
	if reason != "" {
		s.emit(ike.NegotiationFailed{Reason: reason, Remote: s.path.Remote})
	}
	if c.old != nil && c.old.state == childUp {
		c.old.rekeyAt = now.Add(after)
	}
	s.childless(now)
}

func wantedGroup(n *wire.Notify) (ike.Group, bool) {
	if len(n.Data) != 2 {
		return ike.GroupNone, false
	}
	return ike.Group(binary.BigEndian.Uint16(n.Data)), true
}

// answerCreateChild is the responder's duty for all kinds of CREATE_CHILD_SA.
func (s *session) answerCreateChild(now time.Time, sa *ikeSA, m parts) response {
	if s.phase != established || sa != s.current || sa.state != saUp {
		return refuse(wire.TemporaryFailure)
	}
	if m.sa == nil || m.nonce == nil {
		return refuse(wire.InvalidSyntax)
	}
	if len(s.sas) >= sasMax || len(s.children) >= childrenMax {
		return refuse(wire.TemporaryFailure)
	}
	if m.sa.Proposals[0].Protocol == wire.ProtocolIKE {
		return s.answerRekeyIKE(now, sa, m)
	}
	if sa.pending != nil {
		if _, ok := sa.pending.task.(*rekeyIKE); ok {
			return refuse(wire.TemporaryFailure) // RFC 7296 section 2.25.2
		}
	}
	if n := m.notify(wire.RekeySA); n != nil {
		return s.answerRekeyChild(now, sa, m, n)
	}
	// One pair a tunnel; what is being replaced or deleted does not count.
	if s.newestChild() != nil || s.childUnderWay() {
		return s.refuseSecondPair(now, m)
	}
	n := s.negotiation(m)
	n.possible = func() *wire.Notify {
		if s.newestChild() != nil {
			return &wire.Notify{Type: wire.NoAdditionalSAs}
		}
		return nil
	}
	n.made = func(_ time.Time, child *childSA) { s.activate(child) }
	child, payloads := s.acceptChild(now, sa, m, n)
	return response{payloads: payloads, after: func() {
		if child != nil {
			s.activate(child)
		}
	}}
}

func (s *session) negotiation(m parts) negotiation {
	return negotiation{exchange: wire.CreateChildSA, ni: m.nonce.Data, nr: s.gate.random(nonceLength)}
}

func (s *session) answerRekeyChild(now time.Time, sa *ikeSA, m parts, n *wire.Notify) response {
	var old *childSA
	if len(n.SPI) == 4 && n.Protocol == wire.ProtocolESP {
		old = s.childByOutbound(ike.SPI(binary.BigEndian.Uint32(n.SPI)))
	}
	possible := func() *wire.Notify {
		switch {
		case old == nil || old.state == childDeleted || old.state == childRedundant:
			return &wire.Notify{Type: wire.ChildSANotFound, Protocol: n.Protocol, SPI: n.SPI}
		case old.state == childReplaced:
			return &wire.Notify{Type: wire.TemporaryFailure} // we are closing it
		}
		return nil
	}
	if refusal := possible(); refusal != nil {
		return response{payloads: []wire.Payload{refusal}}
	}
	// A peer that rekeys a pair has it.
	if s.supersedes(old, s.active) {
		s.activate(old)
	}
	negotiated := s.negotiation(m)
	negotiated.possible = possible
	negotiated.made = func(_ time.Time, child *childSA) {
		ours := s.rekeyOf(old)
		old.state, old.successor = childReplaced, child
		old.rekeyAt = time.Time{}
		if ours != nil && ours.nonce != nil {
			ours.rival = &rivalChild{nonceLow: lower(negotiated.ni, negotiated.nr), child: child}
		}
	}
	child, payloads := s.acceptChild(now, sa, m, negotiated)
	if child != nil {
		negotiated.made(now, child)
	}
	return response{payloads: payloads}
}
