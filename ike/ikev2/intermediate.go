package ikev2

import (
	"slices"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/keys"
	"causeway.dev/ike/wire"
)

// Additional key exchanges of an initial exchange: each has an IKE_INTERMEDIATE
// exchange between IKE_SA_INIT and IKE_AUTH, after which the IKE SA has new keys.
// RFC 9370 section 2.2.2, RFC 9242. Those of rekeys are in followup.go.

// intermediate is the initiator's duty: the exchanges that are left.
type intermediate struct {
	left []ike.Group
	kem  *keys.KEM // of the exchange under way
	then *authenticate
}

func (i *intermediate) build(s *session, sa *ikeSA, _ time.Time) (wire.ExchangeType, []wire.Payload, bool) {
	i.kem = s.gate.newKEM(i.left[0])
	payloads := []wire.Payload{&wire.KE{Group: i.left[0], Data: i.kem.Public()}}
	sa.proven(true, sa.header(wire.IKEIntermediate, sa.nextID, false), wire.FirstPayload(payloads), wire.AppendPayloads(nil, payloads))
	return wire.IKEIntermediate, payloads, true
}

func (i *intermediate) process(s *session, sa *ikeSA, now time.Time, m parts) {
	defer i.kem.Wipe()
	if s.phase != connecting { // another answer has proved itself, or we were told to stop
		s.drop(sa)
		return
	}
	if n := m.failure(); n != nil {
		s.abandonHalf(now, sa, reasonNotify(wire.IKEIntermediate, n.Type))
		return
	}
	if m.ke == nil || m.ke.Group != i.left[0] {
		s.abandonHalf(now, sa, reasonIncomplete(wire.IKEIntermediate, "KE payload"))
		return
	}
	secret, err := i.kem.Decapsulate(m.ke.Data)
	if err != nil {
		s.abandonHalf(now, sa, reasonIncomplete(wire.IKEIntermediate, "KE payload"))
		return
	}
	sa.proven(false, m.message.Header, m.message.First, m.message.Inside)
	sa.mix(secret, i.then.ni, i.then.nr)
	s.goOn(now, sa, i.left[1:], i.then)
}

func (i *intermediate) release(*Gate) {
	if i.kem != nil {
		i.kem.Wipe()
	}
}

// goOn begins the next additional key exchange, or IKE_AUTH after the last.
func (s *session) goOn(now time.Time, sa *ikeSA, left []ike.Group, then *authenticate) {
	if len(left) == 0 {
		s.start(now, sa, then)
		return
	}
	s.start(now, sa, &intermediate{left: left, then: then})
}

// answerIntermediate is the responder's duty.
func (s *session) answerIntermediate(now time.Time, sa *ikeSA, m parts) response {
	a := s.acceptance
	group := sa.proposal.Additional[sa.mixed]
	if m.ke == nil || m.ke.Group != group {
		return s.refuseAuth(now, wire.InvalidSyntax, reasonIncomplete(wire.IKEIntermediate, "KE payload"))
	}
	secret, ciphertext, err := keys.Encapsulate(group, m.ke.Data)
	if err != nil {
		return s.refuseAuth(now, wire.InvalidSyntax, reasonIncomplete(wire.IKEIntermediate, "KE payload"))
	}
	r := response{payloads: []wire.Payload{&wire.KE{Group: group, Data: ciphertext}}}
	h := m.message.Header
	sa.proven(true, h, m.message.First, m.message.Inside)
	sa.proven(false, sa.header(wire.IKEIntermediate, h.MessageID, true), wire.FirstPayload(r.payloads), wire.AppendPayloads(nil, r.payloads))
	r.after = func() { sa.mix(secret, a.ni, a.nr) }
	return r
}

// nextExchange is what a half-open SA waits for.
func (sa *ikeSA) nextExchange() wire.ExchangeType {
	if sa.mixed < len(sa.proposal.Additional.All()) {
		return wire.IKEIntermediate
	}
	return wire.IKEAuth
}

// mix gives the SA the keys that follow from another shared secret, which it wipes.
// What comes again of the exchange that made it is protected by the keys before.
func (sa *ikeSA) mix(secret ike.Secret, ni, nr []byte) {
	i, r := sa.spis()
	next := newSA(sa.initiator, sa.local, sa.remote, sa.proposal, keys.DeriveIntermediate(sa.proposal, sa.keys.D, secret, ni, nr, i, r))
	keys.Wipe(secret)
	sa.keys.Wipe()
	sa.wipeFormer()
	sa.former = [2]*keys.Protector{sa.open, sa.seal}
	sa.keys, sa.seal, sa.open = next.keys, next.seal, next.open
	sa.mixed++
}

// proven adds a message of an IKE_INTERMEDIATE exchange to what IKE_AUTH proves. RFC
// 9242 section 3.3.2: each side's messages make a chain, under the keys that were in
// force when the exchange began.
func (sa *ikeSA) proven(byInitiator bool, h wire.Header, first wire.PayloadType, inside []byte) {
	chain, key := &sa.chainR, sa.keys.Pr
	if byInitiator {
		chain, key = &sa.chainI, sa.keys.Pi
	}
	*chain = keys.IntermediateAuth(sa.proposal.PRF, key, *chain, h, first, inside)
}

// proofOf is what the AUTH payload covers of the side that signs with key.
func (sa *ikeSA) proofOf(key ike.Secret, message, nonce []byte) proof {
	o := proof{prf: sa.proposal.PRF, key: key, message: message, nonce: nonce}
	if sa.mixed > 0 {
		// RFC 9242 section 3.3.2: IKE_AUTH's message id is the last part.
		o.intermediate = keys.IntermediateOctets(sa.chainI, sa.chainR, uint32(sa.mixed)+1)
	}
	return o
}

// additional reports whether one of the proposals has additional key exchanges, so
// that IKE_INTERMEDIATE has to be announced.
func additional(proposals ...ike.IKEProposal) bool {
	return slices.ContainsFunc(proposals, func(p ike.IKEProposal) bool { return p.Additional != (ike.AdditionalGroups{}) })
}

// withoutAdditional is for peers that have not announced IKE_INTERMEDIATE.
func withoutAdditional(proposals []ike.IKEProposal) []ike.IKEProposal {
	return slices.DeleteFunc(slices.Clone(proposals), func(p ike.IKEProposal) bool { return additional(p) })
}

// newKEM makes a key pair of one of the methods that SetPeer has accepted.
func (g *Gate) newKEM(group ike.Group) *keys.KEM {
	kem, err := keys.NewKEM(group, g.rand)
	if err != nil {
		panic("ikev2: " + err.Error())
	}
	return kem
}
