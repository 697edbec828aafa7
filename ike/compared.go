package ike

// Compared: what the peer asks for and what this tunnel takes do not fit. It goes
// before the NegotiationFailed that follows from it, whose Reason is one sentence
// of it; this has all of it, side by side. Where a stranger may have made up the
// peer's side, the failure need not follow.
type Compared struct {
	Subject Subject
	ByPeer  bool     // the peer has asked, and this side refuses; otherwise the peer's answer does not fit
	Peer    []string // of the peer, bounded and printable: a proposal, a selector or an identity each
	Own     []string // of this tunnel
}

func (Compared) event() {}

// A Subject is what a Compared is about.
type Subject string

// Subjects. Selectors are written "remote 10.0.0.0/8" and "local 10.0.0.0/8", seen
// from this side.
const (
	SubjectIKEProposals Subject = "ike-proposals"
	SubjectESPProposals Subject = "esp-proposals"
	SubjectSelectors    Subject = "selectors"
	SubjectIdentity     Subject = "identity"
)

// ComparedMax bounds each side of a Compared.
const ComparedMax = 64
