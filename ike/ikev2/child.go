package ikev2

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/engine"
	"causeway.dev/ike/keys"
	"causeway.dev/ike/wire"
)

// A childSA is one pair of ESP SAs. Its keys are with the owner alone.
//
//	up ──rekeyed──> replaced ──DELETE──> deleted ──inboundHold──> gone
//	 └──────────────DELETE────────────────┴────────────────────────┘
type childSA struct {
	in, out   ike.SPI
	state     childState
	proposal  ike.ESPProposal
	successor *childSA // of a replaced one

	rekeyAt   time.Time // zero: not, or not any more
	expiresAt time.Time // hard end; of a deleted one the end of the hold
}

type childState uint8

const (
	childUp childState = iota
	childReplaced
	childRedundant // lost a simultaneous rekey; its maker deletes it
	childDeleted   // takes packets that were under way, no more
)

const (
	// inboundHold is how long an inbound SA that was replaced still takes
	// packets that a reordering network delivers after the DELETE.
	inboundHold = 5 * time.Second

	// redundantLifetime is how long a redundant SA waits for its maker's
	// DELETE.
	redundantLifetime = time.Minute
)

// childParameters are what a negotiation of a child SA comes to.
type childParameters struct {
	in, out       ike.SPI
	initiator     bool // of the exchange
	proposal      ike.ESPProposal
	local, remote []netip.Prefix
	keys          keys.ChildKeys
}

// install hands a new pair to the owner, which takes packets by it from now on.
func (s *session) install(now time.Time, c childParameters) *childSA {
	lifetime := engine.OrDefault(s.peer.ChildLifetime, engine.ChildLifetimeDefault)
	child := &childSA{
		in: c.in, out: c.out, proposal: c.proposal,
		rekeyAt: engine.RekeyTime(s.gate.rand, now, s.peer, lifetime), expiresAt: now.Add(lifetime),
	}
	s.children = append(s.children, child)
	e := ike.ChildSA{
		Inbound: c.in, Outbound: c.out, Proposal: c.proposal,
		LocalSelectors: c.local, RemoteSelectors: c.remote,
		Path: s.espPath(), ReplayWindow: engine.OrDefault(s.peer.ReplayWindow, engine.ReplayWindowDefault),
		Established: now, RekeyAt: child.rekeyAt, ExpiresAt: child.expiresAt,
	}
	if k := c.keys; c.initiator {
		e.OutboundKey, e.OutboundIntegrityKey = k.InitiatorEncryption, k.InitiatorIntegrity
		e.InboundKey, e.InboundIntegrityKey = k.ResponderEncryption, k.ResponderIntegrity
	} else {
		e.InboundKey, e.InboundIntegrityKey = k.InitiatorEncryption, k.InitiatorIntegrity
		e.OutboundKey, e.OutboundIntegrityKey = k.ResponderEncryption, k.ResponderIntegrity
	}
	s.emit(ike.ChildInstalled{Child: e})
	return child
}

// activate lets packets leave by a child SA that the peer is known to have, unless
// the session is to end and they leave by another's already.
func (s *session) activate(child *childSA) {
	if s.active == child || child.state == childRedundant || child.state == childDeleted {
		return
	}
	s.active = child
	if s.endAt.IsZero() || !s.gate.carrying(s) {
		s.emit(ike.ChildActivated{Outbound: child.out})
	}
}

// inboundUsed: RFC 7296 section 2.8: a packet by a new SA shows that the peer has
// it, so that packets may leave by its other half.
func (s *session) inboundUsed(in ike.SPI) {
	child := s.childByInbound(in)
	if child != nil && !s.confirmed {
		s.confirm()
	}
	if child != nil && child.state == childUp && s.supersedes(child, s.active) {
		s.activate(child)
	}
}

// supersedes reports whether child descends from old by rekeys.
func (s *session) supersedes(child, old *childSA) bool {
	if old == nil || old.state == childDeleted {
		return true
	}
	for c := old.successor; c != nil; c = c.successor {
		if c == child {
			return true
		}
	}
	return false
}

// removeChild tells the owner that a pair is gone.
func (s *session) removeChild(child *childSA, reason string) {
	s.children = slices.DeleteFunc(s.children, func(c *childSA) bool { return c == child })
	s.gate.releaseSPI(child.in)
	if s.active == child {
		s.active = nil
	}
	s.emit(ike.ChildRemoved{Inbound: child.in, Outbound: child.out, Reason: reason})
}

// retireChild acts on a DELETE that both sides know of. Packets go on by the
// successor, or whatever else is there; what was replaced still takes packets
// that are under way.
func (s *session) retireChild(now time.Time, child *childSA, reason string) {
	if child.state == childDeleted {
		return
	}
	for _, c := range s.children {
		// Its maker takes the successor back: the old one counts again.
		if c.successor == child && c.state == childReplaced {
			c.state, c.successor = childUp, nil
			if s.rekeyOf(c) == nil {
				c.rekeyAt = s.retryTime(now)
			}
		}
	}
	held := child.state == childReplaced
	child.state = childDeleted
	child.rekeyAt = time.Time{}
	if s.active == child || s.active == nil {
		if next := s.heir(child); next != nil {
			s.activate(next)
		}
	}
	if held && s.active != nil && s.active != child {
		child.expiresAt = now.Add(inboundHold)
		return
	}
	s.removeChild(child, reason)
	s.childless(now)
}

// heir is the child SA that takes over from one that ends.
func (s *session) heir(child *childSA) *childSA {
	for c := child.successor; c != nil; c = c.successor {
		if c.state == childUp {
			return c
		}
	}
	return s.newestChild()
}

// newestChild is the youngest that is in full use, or nil.
func (s *session) newestChild() *childSA {
	for _, c := range slices.Backward(s.children) {
		if c.state == childUp {
			return c
		}
	}
	return nil
}

// childless ends an IKE SA without a child SA where it is ours to begin anew. A
// peer that is to begin may make a child SA on the IKE SA that stands.
func (s *session) childless(now time.Time) {
	if s.phase != established || !s.peer.Start || s.childUnderWay() {
		return
	}
	if slices.ContainsFunc(s.children, func(c *childSA) bool { return c.state != childDeleted }) {
		return
	}
	s.terminate(now, reasonNoChild)
}

func (s *session) childUnderWay() bool {
	isCreate := func(t task) bool { _, ok := t.(*createChild); return ok }
	return s.current.pending != nil && isCreate(s.current.pending.task) || slices.ContainsFunc(s.queue, isCreate)
}

func (s *session) childByInbound(spi ike.SPI) *childSA {
	return s.child(func(c *childSA) bool { return c.in == spi })
}

func (s *session) childByOutbound(spi ike.SPI) *childSA {
	return s.child(func(c *childSA) bool { return c.out == spi })
}

func (s *session) child(is func(*childSA) bool) *childSA {
	if i := slices.IndexFunc(s.children, is); i >= 0 {
		return s.children[i]
	}
	return nil
}

// lower is the lower of two nonces, octet by octet, RFC 7296 section 2.8.1.
func lower(a, b []byte) []byte {
	if bytes.Compare(a, b) < 0 {
		return bytes.Clone(a)
	}
	return bytes.Clone(b)
}

// negotiation is what acceptChild has to know of the exchange that it is part of.
type negotiation struct {
	exchange wire.ExchangeType
	ni       []byte
	nr       []byte

	// made, of CREATE_CHILD_SA, is called where follow-ups have made the pair;
	// possible says before that whether it still may be.
	made     func(now time.Time, child *childSA)
	possible func() *wire.Notify
}

// acceptChild is the responder's part of a child SA, in IKE_AUTH and in
// CREATE_CHILD_SA: it installs the pair and returns the payloads to answer with,
// or no pair and an error notification.
func (s *session) acceptChild(now time.Time, sa *ikeSA, m parts, n negotiation) (*childSA, []wire.Payload) {
	p := s.peer
	create := n.exchange == wire.CreateChildSA
	refuseChild := func(t wire.NotifyType, reason string) (*childSA, []wire.Payload) {
		s.emit(ike.NegotiationFailed{Reason: reason, Remote: s.path.Remote})
		return nil, refuse(t).payloads
	}
	if m.sa == nil || m.tsi == nil || m.tsr == nil {
		return refuseChild(wire.InvalidSyntax, reasonIncomplete(n.exchange, "SA, TSi and TSr payload"))
	}
	proposal, out, chosen, ok := chooseESP(m.sa.Proposals, acceptedESP(p, m.sa.Proposals), create)
	if !ok {
		return refuseChild(wire.NoProposalChosen, s.espMismatch(true, m.sa.Proposals, p.ESPProposals, create))
	}
	remote, local := narrow(m.tsi, p.RemoteSelectors), narrow(m.tsr, p.LocalSelectors)
	if len(remote) == 0 || len(local) == 0 {
		return refuseChild(wire.TSUnacceptable, s.selectorMismatch(true, m.tsi, m.tsr))
	}
	if s.childByOutbound(out) != nil {
		return refuseChild(wire.InvalidSyntax, reasonIncomplete(n.exchange, "SPI that is not in use"))
	}
	var shared ike.Secret
	var more []wire.Payload
	if create {
		more = append(more, &wire.Nonce{Data: n.nr})
		if proposal.Group != ike.GroupNone {
			if m.ke == nil || m.ke.Group != proposal.Group {
				return nil, refuseGroup(proposal.Group)
			}
			dh, secret, ready, err := s.agree(proposal.Group, m.ke.Data)
			if !ready {
				return nil, nil
			}
			defer dh.Wipe()
			if shared = secret; err != nil {
				return refuseChild(wire.InvalidSyntax, reasonIncomplete(n.exchange, "KE payload"))
			}
			defer keys.Wipe(shared)
			more = append(more, &wire.KE{Group: proposal.Group, Data: dh.Public()})
		}
	}
	in := s.gate.newESPSPI()
	chosen.SPI = spiOctets(in)
	install := func(now time.Time, shared ike.Secret, secrets []ike.Secret) *childSA {
		return s.install(now, childParameters{
			in: in, out: out, proposal: proposal, local: local, remote: remote,
			keys: keys.DeriveChild(proposal, sa.proposal.PRF, sa.keys.D, shared, n.ni, n.nr, secrets...),
		})
	}
	payloads := append([]wire.Payload{&wire.SA{Proposals: []wire.Proposal{chosen}}}, more...)
	payloads = append(payloads, offerSelectors(wire.PayloadTSi, remote), offerSelectors(wire.PayloadTSr, local))
	if !create || proposal.Additional == (ike.AdditionalGroups{}) {
		return install(now, shared, nil), payloads
	}
	link := s.expectFollowups(now, sa, proposal.Additional, bytes.Clone(shared), func() { s.gate.releaseSPI(in) },
		func(now time.Time, shared ike.Secret, secrets []ike.Secret) response {
			refusal := n.possible()
			if refusal == nil && (s.phase != established || sa != s.current || s.childByOutbound(out) != nil) {
				refusal = &wire.Notify{Type: wire.TemporaryFailure}
			}
			if refusal != nil {
				return response{payloads: []wire.Payload{refusal}}
			}
			n.made(now, install(now, shared, secrets))
			return response{}
		})
	return nil, append(payloads, link)
}

// refuseGroup. RFC 7296 section 1.3: the group that is wanted instead.
func refuseGroup(g ike.Group) []wire.Payload {
	return []wire.Payload{&wire.Notify{Type: wire.InvalidKEPayload, Data: binary.BigEndian.AppendUint16(nil, uint16(g))}}
}
