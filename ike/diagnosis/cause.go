package diagnosis

import "strings"

// A Cause is the kind of a reason why there is no SA, for who counts, sorts or
// acts on it.
type Cause string

// Causes.
const (
	CauseNone           Cause = ""
	CauseSilence        Cause = "silence"        // nothing answers
	CausePort           Cause = "udp-4500"       // the first exchange passed, what follows does not
	CauseIKEProposals   Cause = "ike-proposals"  // phase 1 has nothing in common
	CauseESPProposals   Cause = "esp-proposals"  // phase 2 has nothing in common
	CauseKey            Cause = "pre-shared-key" // the keys differ
	CauseCertificate    Cause = "certificate"    // one is not accepted
	CauseAuthentication Cause = "authentication" // refused, and the peer does not say more
	CauseMethod         Cause = "method"         // key on one side, certificate on the other
	CauseIdentity       Cause = "identity"       // the peer is somebody else
	CauseVersion        Cause = "version"        // of IKE
	CauseMode           Cause = "mode"           // aggressive mode, mode config, transport mode
	CauseSelectors      Cause = "selectors"      // networks that do not fit
	CauseSecondPair     Cause = "second-pair"    // a policy more than a tunnel has
	CauseNAT            Cause = "nat"            // address translation that the peer forbids
	CauseRedirect       Cause = "redirect"       // to another gateway
	CauseDead           Cause = "dead"           // the peer has stopped to answer
	CauseDeleted        Cause = "deleted"        // by the peer
	CauseEnded          Cause = "ended"          // by this side: replaced, changed, removed
	CauseLifetime       Cause = "lifetime"       // over before a rekey succeeded
	CauseQuickMode      Cause = "quick-mode"     // of IKEv1, not answered or not completed
	CauseMalformed      Cause = "malformed"      // messages that make no sense
	CauseRefused        Cause = "refused"        // another notification of the peer
	CauseOther          Cause = "other"
	CauseLocal          Cause = "local" // this side can't
)

// beginnings tell the cause of a reason by its first words: the sentences of this
// package and of both engines.
var beginnings = []struct {
	words string
	cause Cause
}{
	{"no packet from ", CauseSilence},
	{"no common proposal for the IKE SA", CauseIKEProposals},
	{"the peer accepts no proposal for the IKE SA", CauseIKEProposals},
	{"no common proposal for the child SA", CauseESPProposals},
	{"the peer accepts no proposal for the child SA", CauseESPProposals},
	{"pre-shared key mismatch", CauseKey},
	{"the pre-shared key that the peer has proved itself by is no longer valid", CauseKey},
	{"the peer's certificate ", CauseCertificate},
	{"the peer refused our authentication", CauseAuthentication},
	{"the peer proves itself by ", CauseMethod},
	{"the peer identifies itself as ", CauseIdentity},
	{"no tunnel is configured for a peer", CauseIdentity},
	{"the peer begins with aggressive mode", CauseMode},
	{"the peer begins with ", CauseVersion},
	{"the peer asks for mode config", CauseMode},
	{"the peer offers transport mode", CauseMode},
	{"the peer asks for a second pair", CauseSecondPair},
	{"the peer's traffic selectors ", CauseSelectors},
	{"the peer does not accept this tunnel's traffic selectors", CauseSelectors},
	{"the peer forbids address translation", CauseNAT},
	{"the peer wants to send us to another gateway", CauseRedirect},
	{"the peer is dead", CauseDead},
	{"the peer did not prove that it is at the address", CauseDead},
	{PeerDeleted, CauseDeleted},
	{PeerDeletedChild, CauseDeleted},
	{NoChild, CauseDeleted},
	{"the lifetime of the ", CauseLifetime},
	{"the peer stands in main mode but has not answered", CauseQuickMode},
	{"the peer did not complete the quick mode", CauseQuickMode},
	{"the peer sent a malformed message", CauseMalformed},
	{"replaced", CauseEnded},
	{"the tunnel has been removed", CauseEnded},
	{"the tunnel's configuration has changed", CauseEnded},
	{"shut down", CauseEnded},
	{"the peer speaks ", CauseEnded},
	{"closed after an internal error", CauseLocal},
	{"install ", CauseLocal},
	{"the peer answered ", CauseRefused},
}

// CauseOf tells the kind of a reason that an event of IKE gives.
func CauseOf(reason string) Cause {
	if reason == "" {
		return CauseNone
	}
	for _, b := range beginnings {
		if strings.HasPrefix(reason, b.words) {
			return b.cause
		}
	}
	switch {
	case strings.HasPrefix(reason, "the peer's ") && strings.Contains(reason, " lacks a usable "):
		return CauseMalformed
	case strings.Contains(reason, " UDP port ") || strings.Contains(reason, "is UDP 4500 open"):
		return CausePort
	}
	return CauseOther
}

// remedies say what to change, where the sentences of a cause do not say it
// themselves.
var remedies = map[Cause]string{
	CauseIKEProposals:   "give both sides one combination of phase 1 algorithms in common",
	CauseESPProposals:   "give both sides one combination of phase 2 algorithms in common",
	CauseKey:            "set the same pre-shared key on both sides",
	CauseCertificate:    "give the peer a certificate that this gateway's authorities accept",
	CauseAuthentication: "compare the key or certificate and the identity that the peer expects with this tunnel's",
	CauseMethod:         "let both sides prove themselves in the same way",
	CauseIdentity:       "set the peer's own identity, or what the tunnel expects, so that they are equal",
	CauseSelectors:      "set networks on the peer that lie within the tunnel's, or widen the tunnel's",
	CauseNAT:            "allow NAT traversal on the peer",
	CauseDead:           "check the peer and the path to it",
	CauseDeleted:        "look into the peer's log for its reason",
	CauseLifetime:       "check that UDP 500 and 4500 pass while the tunnel stands, and that the peer answers a rekey",
	CauseQuickMode:      "look into the peer's log for its reason",
	CauseMalformed:      "check the IKE settings of the peer, or update it",
	CauseRefused:        "look into the peer's log for its reason",
	CauseLocal:          "look into this side's log",
}

// Remedy says what to change about a cause; empty where its sentences do, or where
// nothing is to be changed.
func (c Cause) Remedy() string { return remedies[c] }
