package engine

import "causeway.dev/ike"

// AlsoExtended are proposals for ESP each with extended sequence numbers and without,
// in the order that the peer prefers: who offers them gets them, whatever we propose
// ourselves. RFC 4303 section 2.2.1.
func AlsoExtended(proposals []ike.ESPProposal, preferred bool) []ike.ESPProposal {
	both := make([]ike.ESPProposal, 0, 2*len(proposals))
	for _, p := range proposals {
		if p.ExtendedSequence {
			both = append(both, p)
			continue
		}
		other := p
		p.ExtendedSequence, other.ExtendedSequence = preferred, !preferred
		both = append(both, p, other)
	}
	return both
}
