package ikev1

import (
	"crypto/sha256"
	"errors"
	"net/netip"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/wire"
	"causeway.dev/ike/wire/isakmp"
)

// admission decides which first messages are worth an answer. IKEv1 has no way to
// answer without keeping state: what begins a main mode is not sent again, and the
// proofs cover it. So what is kept is small and bounded: until the initiator has
// shown by its third message that our answer reached it, it costs no
// Diffie-Hellman computation and little memory; and where many don't show it, the
// oldest make room. Who invents its address has nothing to do but fill that room,
// which takes it longer than a round trip takes the others.
type admission struct {
	unheard unheards // main modes of responders that wait for the third message

	halfOpen int                // main modes of responders whose third message has come
	sources  map[netip.Addr]int // the same by source

	// negotiations are the others of responders by their first message, so that one
	// that arrives again, even late, does not make another.
	negotiations map[firstKey]*negotiation

	// Answers to what comes to nothing, in this second.
	refusedFrom   time.Time
	refused       int
	refusedOctets int // of the messages
	refusedBy     map[netip.Addr]int

	// What is computed for initiators at addresses that nobody has configured; what
	// is for one that is configured counts in its session.
	strangers allowance
}

// An allowance is time of the engine's that may be spent in each second.
type allowance struct {
	from  time.Time
	spent time.Duration
}

const (
	// allowanceMost leaves the greater part of each second to everybody else.
	// Diffie-Hellman, an exponentiation for either half, takes up to some 4 ms in the
	// groups that are not handed out, a proof with a chain of certificates some 2 ms.
	allowanceMost     = 200 * time.Millisecond
	agreementTime     = 4 * time.Millisecond
	certificatesProof = 2 * time.Millisecond
)

// take spends time, unless what there is in this second has been spent.
func (a *allowance) take(now time.Time, cost time.Duration) bool {
	if now.Sub(a.from) >= time.Second || now.Before(a.from) {
		a.from, a.spent = now, 0
	}
	if a.spent+cost > allowanceMost {
		return false
	}
	a.spent += cost
	return true
}

// affords reports whether something costly may be computed for the initiator of a
// negotiation.
func (n *negotiation) affords(now time.Time, cost time.Duration) bool {
	p := n.candidates[0]
	if s := n.gate.sessions[p.ID]; s != nil && p.Remote.IsValid() {
		return s.allowance.take(now, cost)
	}
	return n.gate.admission.strangers.take(now, cost)
}

type firstKey struct {
	remote netip.AddrPort
	spi    uint64
}

const (
	// A main mode whose third message has come lives for at most 30 s.
	// Legitimate peers have one, for a round trip.
	halfOpenMax       = 4096
	halfOpenMaxSource = 256

	// reservedSource is the room that a configured address has even where
	// strangers have taken all.
	reservedSource = 8

	// A peer that is configured wrongly tries every few seconds. A refusal
	// compares all that is offered with all that is accepted: beyond so many a
	// second they are not told of, and beyond so many octets not compared.
	refusedMax       = 500
	refusedMaxSource = 20
	refusedOctetsMax = 4 << 20

	// firstLengthMax bounds a first message, whose SA payload is kept.
	firstLengthMax = 8 << 10
)

func newAdmission(g *Gate) admission {
	return admission{unheard: newUnheards(g), sources: map[netip.Addr]int{}, negotiations: map[firstKey]*negotiation{}, refusedBy: map[netip.Addr]int{}}
}

// receiveFirst handles what has no cookie of ours.
func (g *Gate) receiveFirst(now time.Time, d ike.Datagram, h wire.Header) ike.Drop {
	if h.SPIi == 0 || h.MessageID != 0 || h.Flags&isakmp.FlagEncryption != 0 || len(d.Payload) > firstLengthMax {
		return ike.DropMalformed
	}
	origin := firstKey{d.Remote, h.SPIi}
	if u := g.admission.unheard.byOrigin[origin]; u != nil && u.received == sha256.Sum256(d.Payload) {
		g.transmit(u.id, ike.Path{Local: d.Local, Remote: d.Remote}, u.sent)
		return ike.DropRetransmitted
	} else if u != nil || g.admission.negotiations[origin] != nil {
		return ike.DropUnexpected
	}
	candidates := g.listed.Candidates(d.Local.Addr(), d.Remote.Addr())
	if len(candidates) == 0 {
		return ike.DropUnknownPeer
	}
	a, source := &g.admission, d.Remote.Addr()
	if now.Sub(a.refusedFrom) >= time.Second {
		a.refusedFrom, a.refused, a.refusedOctets = now, 0, 0
		clear(a.refusedBy)
	}
	if a.refusedOctets >= refusedOctetsMax || a.refusedBy[source] >= refusedMaxSource {
		return ike.DropRefusals
	}
	refuse := func(t isakmp.NotifyType, reason func(n *negotiation) string) ike.Drop {
		a.refused++
		a.refusedOctets += len(d.Payload)
		if a.refused > refusedMax {
			return ike.DropRefusals
		}
		a.refusedBy[source]++
		n := &negotiation{gate: g, candidates: candidates, spii: h.SPIi, created: now, path: ike.Path{Local: d.Local, Remote: d.Remote}}
		g.notifyPlain("", n.path, h.SPIi, 0, t)
		n.report(reason(n))
		return ike.Accepted
	}
	switch h.Exchange {
	case isakmp.MainMode:
	case isakmp.AggressiveMode:
		return refuse(isakmp.UnsupportedExchangeType, func(*negotiation) string { return reasonAggressive })
	default:
		return ike.DropUnexpected
	}
	message, err := isakmp.Parse(d.Payload)
	var problem *isakmp.Error
	if errors.As(err, &problem) && problem.Notify != isakmp.PayloadMalformed {
		return refuse(problem.Notify, func(*negotiation) string { return reasonMalformed(problem) })
	}
	m := sortPayloads(message.Payloads)
	if err != nil || m.sa == nil {
		return ike.DropMalformed
	}
	if g.answerFirst(now, d, h, m, candidates) {
		return ike.Accepted
	}
	return refuse(isakmp.NoProposalChosen, func(n *negotiation) string {
		first := candidates[0]
		method, _ := methodOf(first)
		return n.ikeMismatch(true, m.sa, offerIKE(accepted(first), method, 0), method)
	})
}

// heard counts a negotiation whose third message has come until it is over, or
// returns false if there is no room: strangers can't take that of those whose
// address is configured.
func (a *admission) heard(n *negotiation) bool {
	if n.heard { // its value of before was none
		return true
	}
	source := n.origin.remote.Addr()
	reserved := n.candidates[0].Remote.IsValid() && a.sources[source] < reservedSource
	if a.halfOpen >= halfOpenMax && !reserved || a.sources[source] >= halfOpenMaxSource {
		return false
	}
	n.heard = true
	a.unheard.remove(a.unheard.byCookie[n.spir])
	a.negotiations[n.origin], n.gate.negotiations[n.spir] = n, n
	a.halfOpen++
	a.sources[source]++
	return true
}

// leave follows the end of a negotiation of a responder.
func (a *admission) leave(n *negotiation) {
	if a.negotiations[n.origin] != n {
		return
	}
	delete(a.negotiations, n.origin)
	source := n.origin.remote.Addr()
	a.halfOpen--
	if a.sources[source]--; a.sources[source] == 0 {
		delete(a.sources, source)
	}
}
