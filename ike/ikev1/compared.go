package ikev1

import (
	"net/netip"

	"causeway.dev/ike"
	"causeway.dev/ike/diagnosis"
	"causeway.dev/ike/engine"
	"causeway.dev/ike/wire"
	"causeway.dev/ike/wire/isakmp"
)

// The reasons that have two sides, with an event that has all of both.

func (n *negotiation) ikeMismatch(byPeer bool, theirs, ours *isakmp.SA, method isakmp.AuthMethod) string {
	n.compare(ike.Compared{Subject: ike.SubjectIKEProposals, ByPeer: byPeer, Peer: listOffers(ikeOffers(theirs, method)), Own: listOffers(ikeOffers(ours, method))})
	return diagnosis.IKEMismatch(describeIKE(theirs, method), describeIKE(ours, method))
}

func (n *negotiation) identityMismatch(p *ike.Peer, byPeer bool, got ike.Identity) string {
	n.compare(ike.Compared{Subject: ike.SubjectIdentity, ByPeer: byPeer, Peer: []string{diagnosis.Name(got)}, Own: []string{diagnosis.Name(p.RemoteID)}})
	return diagnosis.Identity(got, p.RemoteID)
}

func (s *session) espMismatch(byPeer bool, theirs *isakmp.SA, ours []ike.ESPProposal) string {
	own := offerESP(ours, 0, isakmp.EncapsulationTunnel, 0)
	s.emit(ike.Compared{Subject: ike.SubjectESPProposals, ByPeer: byPeer, Peer: listOffers(espOffers(theirs)), Own: listOffers(espOffers(own))})
	return diagnosis.ESPMismatch(describeESP(theirs), describeESP(own))
}

func (s *session) selectorMismatch(byPeer bool, theirs, ours *isakmp.ID) string {
	own := append(listPrefixes("remote ", s.peer.RemoteSelectors), listPrefixes("local ", s.peer.LocalSelectors)...)
	s.emit(ike.Compared{Subject: ike.SubjectSelectors, ByPeer: byPeer, Peer: []string{"remote " + describeID(theirs), "local " + describeID(ours)}, Own: own})
	return reasonSelectors(theirs, ours, s.peer)
}

// compare tells all whose attempt it may be, as report does.
func (n *negotiation) compare(c ike.Compared) {
	for _, p := range n.concerned() {
		n.gate.emit(p.ID, c)
	}
}

// concerned are the peers whose attempt this is, or may be.
func (n *negotiation) concerned() []*ike.Peer {
	if n.session != nil {
		return []*ike.Peer{n.session.peer}
	}
	return n.candidates[:min(len(n.candidates), failuresReportedMax)]
}

func listOffers(offers []diagnosis.Offer) []string {
	var all []string
	for _, o := range offers[:min(len(offers), ike.ComparedMax)] {
		all = append(all, o.String())
	}
	return all
}

func listPrefixes[P interface{ ~[]netip.Prefix }](side string, prefixes P) []string {
	if len(prefixes) == 0 {
		prefixes = engine.AnyTraffic
	}
	var all []string
	for _, p := range prefixes[:min(len(prefixes), ike.ComparedMax/2)] {
		all = append(all, side+wire.PrefixSelector(p).String())
	}
	return all
}
