package ikev2

import (
	"causeway.dev/ike"
	"causeway.dev/ike/diagnosis"
	"causeway.dev/ike/wire"
)

// The reasons that have two sides, with an event that has all of both.

// wordsMax bounds one proposal or identity of a Compared, in octets.
const wordsMax = 400

// transformsShownMax bounds the alternatives of one kind in a proposal of a
// Compared.
const transformsShownMax = 64

func (s *session) ikeMismatch(byPeer bool, offers []wire.Proposal, accepted []ike.IKEProposal) string {
	s.compare(ike.Compared{Subject: ike.SubjectIKEProposals, ByPeer: byPeer, Peer: listProposals(offers), Own: listProposals(offerIKE(accepted, nil).Proposals)})
	return reasonIKEMismatch(offers, accepted)
}

func (s *session) espMismatch(byPeer bool, offers []wire.Proposal, accepted []ike.ESPProposal, withGroup bool) string {
	s.compare(ike.Compared{Subject: ike.SubjectESPProposals, ByPeer: byPeer, Peer: listProposals(offers), Own: listProposals(offerESP(accepted, withGroup, 0).Proposals)})
	return reasonESPMismatch(offers, accepted, withGroup)
}

func (s *session) selectorMismatch(byPeer bool, peerSide, ourSide *wire.TS) string {
	p := s.peer
	s.compare(ike.Compared{
		Subject: ike.SubjectSelectors, ByPeer: byPeer, Peer: listSelectors(peerSide, ourSide),
		Own: listSelectors(offerSelectors(wire.PayloadTSi, p.RemoteSelectors), offerSelectors(wire.PayloadTSr, p.LocalSelectors)),
	})
	return reasonSelectors(peerSide, ourSide, p)
}

func (s *session) identityMismatch(byPeer bool, got, want ike.Identity) string {
	s.compare(ike.Compared{Subject: ike.SubjectIdentity, ByPeer: byPeer, Peer: []string{diagnosis.Name(got)}, Own: []string{diagnosis.Name(want)}})
	return diagnosis.Identity(got, want)
}

// compare tells all whose attempt it may be, as reportFailure does.
func (s *session) compare(c ike.Compared) {
	for _, p := range s.concerned() {
		s.gate.out = append(s.gate.out, Output{Peer: p.ID, Event: c})
	}
}

func listProposals(proposals []wire.Proposal) []string {
	var all []string
	for _, p := range proposals[:min(len(proposals), ike.ComparedMax)] {
		all = append(all, diagnosis.Printable(describeProposal(p, transformsShownMax), wordsMax))
	}
	return all
}

func listSelectors(remote, local *wire.TS) []string {
	var all []string
	for _, side := range []struct {
		name string
		ts   *wire.TS
	}{{"remote ", remote}, {"local ", local}} {
		if side.ts == nil {
			continue
		}
		for _, selector := range side.ts.Selectors[:min(len(side.ts.Selectors), ike.ComparedMax/2)] {
			all = append(all, side.name+selector.String())
		}
	}
	return all
}
