package ikev1

import (
	"crypto/sha256"
	"errors"
	"net/netip"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/keys"
	"causeway.dev/ike/wire"
	"causeway.dev/ike/wire/isakmp"
)

// admission decides which first messages are worth an answer. IKEv1 has no way to
// answer without keeping state: what begins a main mode is not sent again, and the
// proofs cover it. So what is kept is small and bounded: until the initiator has
// shown by its third message that our answer reached it, it costs no
// Diffie-Hellman computation, and at most 8 KiB.
type admission struct {
	halfOpen int                // main modes of responders under way
	sources  map[netip.Addr]int // the same by source

	// negotiations are those of responders by their first message, so that one
	// that arrives again, even late, does not make another.
	negotiations map[firstKey]*negotiation

	// Answers to what comes to nothing, in this second.
	refusedFrom time.Time
	refused     int
	refusedBy   map[netip.Addr]int

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
	// allowanceMost leaves the greater part of each second to everybody else. Diffie-Hellman, an exponentiation for either half, takes up to some
	// 50 ms in the groups of more than 2,048 bits, a proof with a chain of
	// certificates some 2 ms.
	allowanceMost     = 200 * time.Millisecond
	costlyAgreement   = 50 * time.Millisecond
	otherAgreement    = 4 * time.Millisecond
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

// agreementCost is what Diffie-Hellman in a group takes.
func agreementCost(group ike.Group) time.Duration {
	if keys.Costly(group) {
		return costlyAgreement
	}
	return otherAgreement
}

type firstKey struct {
	remote netip.AddrPort
	spi    uint64
}

const (
	// A half-open main mode lives for at most 30 s. Legitimate peers have one,
	// for two round trips.
	halfOpenMax       = 4096
	halfOpenMaxSource = 256

	// reservedSource is the room that a configured address has even where
	// strangers have taken all.
	reservedSource = 8

	// A refusal compares all that is offered with all that is accepted. A peer
	// that is configured wrongly tries every few seconds.
	refusedMax       = 500 // a second
	refusedMaxSource = 20

	// firstLengthMax bounds a first message, whose SA payload is kept.
	firstLengthMax = 8 << 10
)

func newAdmission() admission {
	return admission{sources: map[netip.Addr]int{}, negotiations: map[firstKey]*negotiation{}, refusedBy: map[netip.Addr]int{}}
}

// receiveFirst handles what has no cookie of ours.
func (g *Gate) receiveFirst(now time.Time, d ike.Datagram, h wire.Header) ike.Drop {
	if h.SPIi == 0 || h.MessageID != 0 || h.Flags&isakmp.FlagEncryption != 0 || len(d.Payload) > firstLengthMax {
		return ike.DropMalformed
	}
	if n := g.admission.negotiations[firstKey{d.Remote, h.SPIi}]; n != nil && n.received == sha256.Sum256(d.Payload) {
		n.answerAgain(d)
		return ike.DropRetransmitted
	} else if n != nil {
		return ike.DropUnexpected
	}
	candidates := g.candidates(d)
	if len(candidates) == 0 {
		return ike.DropUnknownPeer
	}
	a, source := &g.admission, d.Remote.Addr()
	if now.Sub(a.refusedFrom) >= time.Second {
		a.refusedFrom, a.refused = now, 0
		clear(a.refusedBy)
	}
	if a.refused >= refusedMax || a.refusedBy[source] >= refusedMaxSource {
		return ike.DropRefusals
	}
	// Strangers can't take the room of those whose address is configured.
	reserved := candidates[0].Remote.IsValid() && a.sources[source] < reservedSource
	if a.halfOpen >= halfOpenMax && !reserved || a.sources[source] >= halfOpenMaxSource {
		return ike.DropHalfOpen
	}
	n := &negotiation{gate: g, candidates: candidates, spii: h.SPIi, created: now, path: ike.Path{Local: d.Local, Remote: d.Remote}}
	refuse := func(t isakmp.NotifyType, reason string) ike.Drop {
		a.refused++
		a.refusedBy[source]++
		g.notifyPlain("", n.path, h.SPIi, 0, t)
		n.report(reason)
		return ike.Accepted
	}
	switch h.Exchange {
	case isakmp.MainMode:
	case isakmp.AggressiveMode:
		return refuse(isakmp.UnsupportedExchangeType, reasonAggressive)
	default:
		return ike.DropUnexpected
	}
	message, err := isakmp.Parse(d.Payload)
	var problem *isakmp.Error
	if errors.As(err, &problem) && problem.Notify != isakmp.PayloadMalformed {
		return refuse(problem.Notify, reasonMalformed(problem))
	}
	m := sortPayloads(message.Payloads)
	if err != nil || m.sa == nil {
		return ike.DropMalformed
	}
	if reason := n.answerFirst(now, d, m); reason != "" {
		return refuse(isakmp.NoProposalChosen, reason)
	}
	return ike.Accepted
}

// candidates are the peers that a datagram may come from: those of the source
// first, then those that are known by their identity only.
func (g *Gate) candidates(d ike.Datagram) []*ike.Peer {
	var exact, roaming []*ike.Peer
	for _, p := range g.local[d.Local.Addr()] {
		switch {
		case p.Remote == d.Remote.Addr():
			exact = append(exact, p)
		case !p.Remote.IsValid():
			roaming = append(roaming, p)
		}
	}
	return append(exact, roaming...)
}

// enter counts a negotiation of a responder until it is over.
func (a *admission) enter(n *negotiation) {
	n.origin = firstKey{n.path.Remote, n.spii}
	a.negotiations[n.origin] = n
	a.halfOpen++
	a.sources[n.origin.remote.Addr()]++
}

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
