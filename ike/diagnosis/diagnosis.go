// Package diagnosis holds the sentences that tell an operator why a negotiation
// failed, as far as both versions of IKE have them: what the peer did, what this
// tunnel wants, what to look at. What a peer has chosen is cut in them, and holds
// nothing that a log or a terminal could take for a command.
package diagnosis

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"

	"causeway.dev/ike"
)

// Sentences without anything variable.
const (
	KeyMismatch       = "pre-shared key mismatch: the peer's proof does not fit this tunnel's key"
	KeyNotCertificate = "the peer proves itself by a pre-shared key, this tunnel expects a certificate"
	PeerDeleted       = "the peer deleted the IKE SA"
	PeerDeletedChild  = "the peer deleted the child SA"
	Replaced          = "replaced by a newer IKE SA with the same peer"
	Outdated          = "the tunnel's configuration has changed, and nothing new has been agreed on with the peer: change the peer's likewise"
	ChildReplaced     = "replaced"
	NoChild           = "no child SA is left with the peer"
	Lifetime          = "the lifetime of the IKE SA ended before it could be rekeyed"
	ChildLifetime     = "the lifetime of the child SA ended before it was rekeyed"
)

// nameShownMax and certificateShownMax bound what a sentence shows of a name that
// the peer has chosen, and of what is wrong with a certificate, in octets.
const (
	nameShownMax        = 100
	certificateShownMax = 400
)

// Name shows an identity.
func Name(i ike.Identity) string {
	name := i.String()
	if len(name) > nameShownMax {
		return fmt.Sprintf("%q…", name[:nameShownMax])
	}
	return fmt.Sprintf("%q", name)
}

// Printable bounds a text and leaves nothing in it that a log or a terminal
// could take for a command.
func Printable(s string, most int) string {
	clean := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
	if len(clean) <= most {
		return clean
	}
	return strings.ToValidUTF8(clean[:most], "") + "…"
}

// Certificate: a verifier has refused the peer's certificate.
func Certificate(err error) string {
	return "the peer's certificate is refused: " + Printable(err.Error(), certificateShownMax)
}

// Identity: the peer is another than it should be.
func Identity(got, want ike.Identity) string {
	return fmt.Sprintf("the peer identifies itself as %s, this tunnel expects %s", Name(got), Name(want))
}

// UnknownIdentity: no tunnel is meant; responder is what the peer calls us, if it
// does.
func UnknownIdentity(initiator, responder ike.Identity) string {
	if responder.Type == ike.IDNone {
		return fmt.Sprintf("no tunnel is configured for a peer that identifies itself as %s", Name(initiator))
	}
	return fmt.Sprintf("no tunnel is configured for a peer that identifies itself as %s and calls us %s", Name(initiator), Name(responder))
}

// Silent: nothing has answered the first message of a negotiation.
func Silent(remote netip.AddrPort, message string, tries int, span time.Duration) string {
	return fmt.Sprintf("no packet from %v has arrived: %s was sent to UDP port %d %d times in %v; is the peer up, and are UDP 500 and 4500 open?",
		remote.Addr(), message, remote.Port(), tries, span.Round(time.Second))
}

// Dead: the peer has not answered for so long.
func Dead(silence time.Duration) string {
	return fmt.Sprintf("the peer is dead: it has not answered for %v", silence.Round(time.Second))
}

// IKEMismatch: the two descriptions of proposals have nothing in common.
func IKEMismatch(offered, accepted string) string {
	return fmt.Sprintf("no common proposal for the IKE SA: the peer offers %s, this tunnel accepts %s", offered, accepted)
}

// IKERefused: the peer accepts nothing of what is described.
func IKERefused(offered string) string {
	return fmt.Sprintf("the peer accepts no proposal for the IKE SA that this tunnel offers (NO_PROPOSAL_CHOSEN); this tunnel offers %s", offered)
}

// ESPMismatch is IKEMismatch for a child SA.
func ESPMismatch(offered, accepted string) string {
	return fmt.Sprintf("no common proposal for the child SA: the peer offers %s, this tunnel accepts %s", offered, accepted)
}

// ESPRefused is IKERefused for a child SA.
func ESPRefused(offered string) string {
	return fmt.Sprintf("the peer accepts no proposal for the child SA that this tunnel offers (NO_PROPOSAL_CHOSEN); this tunnel offers %s", offered)
}

// Selectors: the peer's side comes first, as in the peer's own selectors.
func Selectors(peerSide, ourSide, acceptedPeerSide, acceptedOurSide string) string {
	return fmt.Sprintf("the peer's traffic selectors %s === %s do not fit this tunnel's %s === %s (the peer's side first)",
		peerSide, ourSide, acceptedPeerSide, acceptedOurSide)
}

// SelectorsRefused: the peer does not accept ours; notification is how it says so.
func SelectorsRefused(ourSide, peerSide, notification string) string {
	return fmt.Sprintf("the peer does not accept this tunnel's traffic selectors %s === %s (ours first; %s)", ourSide, peerSide, notification)
}

// Answered: the peer answered a message with a notification.
func Answered(message, notification string) string {
	return fmt.Sprintf("the peer answered %s with %s", message, notification)
}

// Incomplete: a message of the peer lacks something.
func Incomplete(message, missing string) string {
	return fmt.Sprintf("the peer's %s lacks a usable %s", message, missing)
}

// An Offer is what a sentence shows of a proposal: the names of its algorithms by
// kind, several where any of them will do.
type Offer struct {
	Encryption, Integrity, PRF, Group []string
	Other                             []string // what else distinguishes it
}

// OffersShownMax keeps a sentence readable when a peer offers everything.
const OffersShownMax = 6

// Offers shows proposals as "AES-128/SHA-1/group 2, AES-256 or
// AES-128/SHA-256/group 14".
func Offers(offers []Offer) string {
	if len(offers) == 0 {
		return "nothing"
	}
	var words []string
	for i, o := range offers {
		if i == OffersShownMax {
			words = append(words, fmt.Sprintf("and %d more", len(offers)-i))
			break
		}
		words = append(words, o.String())
	}
	return strings.Join(words, ", ")
}

// String is one of the proposals that Offers shows.
func (o Offer) String() string {
	var parts []string
	add := func(prefix string, names []string) {
		if len(names) > 0 {
			parts = append(parts, prefix+alternatives(names))
		}
	}
	add("", o.Encryption)
	add("", o.Integrity)
	if alternatives(o.PRF) != alternatives(o.Integrity) {
		add("PRF ", o.PRF)
	}
	add("group ", o.Group)
	add("", o.Other)
	return strings.Join(parts, "/")
}

// alternatives joins different names by "or", and leaves out what is too many.
func alternatives(names []string) string {
	var shown []string
	for _, name := range names {
		if slices.Contains(shown, name) {
			continue
		}
		if len(shown) == OffersShownMax {
			shown = append(shown, "…")
			break
		}
		shown = append(shown, name)
	}
	return strings.Join(shown, " or ")
}

// Merge puts offers together that differ in one kind of algorithm only, so that
// what is shown of them means exactly what they mean: any of one kind with any of
// the others.
func Merge(offers []Offer) []Offer {
	for _, kind := range []func(*Offer) *[]string{
		func(o *Offer) *[]string { return &o.Group },
		func(o *Offer) *[]string { return &o.Encryption },
	} {
		var merged []Offer
		at := map[string]int{} // by all kinds but this one
		for _, o := range offers {
			rest := o
			*kind(&rest) = nil
			key := fmt.Sprintf("%q", rest)
			i, seen := at[key]
			if !seen {
				at[key] = len(merged)
				merged = append(merged, o)
				continue
			}
			into := kind(&merged[i])
			*into = slices.Concat(*into, *kind(&o))
		}
		offers = merged
	}
	return offers
}
