package ikev1

import (
	"fmt"
	"net/netip"
	"strings"

	"causeway.dev/ike"
	"causeway.dev/ike/diagnosis"
	"causeway.dev/ike/engine"
	"causeway.dev/ike/wire"
	"causeway.dev/ike/wire/isakmp"
)

// The sentences that only IKEv1 has; those of both versions are in package
// diagnosis.

const (
	reasonAggressive = "the peer begins with aggressive mode, which shows its identity and lets anybody guess the pre-shared key: let it use main mode"
	reasonModeConfig = "the peer asks for mode config or XAUTH, which are for single computers: let it use a site-to-site connection without them"
	reasonTransport  = "the peer offers transport mode only, this tunnel joins networks: let it use tunnel mode"

	reasonUnconfirmed = "the peer did not complete the quick mode"

	// reasonUnreadable: with pre-shared keys main mode encrypts by a key that
	// follows from them.
	reasonUnreadable = "pre-shared key mismatch: what the peer has encrypted can't be read with this tunnel's key"
)

func reasonMalformed(problem error) string {
	return fmt.Sprintf("the peer sent a malformed message: %v", problem)
}

func reasonRefused(t isakmp.NotifyType, byKey bool) string {
	cause := "it does not accept our certificate (authority, dates, revocation)"
	if byKey {
		cause = "pre-shared key mismatch"
	}
	return fmt.Sprintf("the peer refused our authentication (%v): %s, or does not know our identity", t, cause)
}

// reasonProofSilent: an initiator's proof was not answered.
func reasonProofSilent(remote netip.AddrPort, tries int, byKey bool) string {
	cause := "does it accept our certificate"
	if byKey {
		cause = "do the pre-shared keys agree"
	}
	return fmt.Sprintf("the peer %v answered main mode, but none of %d messages with our proof to UDP port %d: is that port open, and %s?",
		remote.Addr(), tries, remote.Port(), cause)
}

func reasonUnfinished(remote netip.AddrPort) string {
	return fmt.Sprintf("the peer %v began a main mode but has not come to its proof: do our answers reach it, and is UDP 4500 open between us?", remote.Addr())
}

func reasonQuickSilent(tries int) string {
	return fmt.Sprintf("the peer stands in main mode but has not answered %d messages of quick mode: does it accept this tunnel's proposals and networks for the child SA?", tries)
}

func reasonSelectors(theirs, ours *isakmp.ID, p *ike.Peer) string {
	return diagnosis.Selectors(describeID(theirs), describeID(ours), describePrefixes(p.RemoteSelectors), describePrefixes(p.LocalSelectors))
}

func reasonSecondPair(theirs, ours *isakmp.ID) string {
	return fmt.Sprintf("the peer asks for a second pair of SAs, for %s === %s, but a tunnel has one: let it use a single pair with selectors that cover all of its networks",
		describeID(theirs), describeID(ours))
}

func describeID(id *isakmp.ID) string {
	if id == nil {
		return "none"
	}
	s, ok := id.Selector()
	if !ok {
		return diagnosis.Name(id.Identity())
	}
	return s.String()
}

func describeAny(p *ike.Peer) (ours, theirs string) {
	return describePrefixes(p.LocalSelectors), describePrefixes(p.RemoteSelectors)
}

// describePrefixes shows what is allowed.
func describePrefixes[P interface{ ~[]netip.Prefix }](prefixes P) string {
	if len(prefixes) == 0 {
		prefixes = engine.AnyTraffic
	}
	var words []string
	for i, p := range prefixes {
		if i == diagnosis.OffersShownMax {
			words = append(words, "…")
			break
		}
		words = append(words, wire.PrefixSelector(p).String())
	}
	return strings.Join(words, " ")
}
