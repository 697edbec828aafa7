package ikev2

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"

	"causeway.dev/ike"
	"causeway.dev/ike/engine"
	"causeway.dev/ike/wire"
)

// This file holds the sentences that tell an operator why a negotiation failed:
// what the peer did, what this tunnel wants, what to look at.

// Names of algorithms as operators write them. RFC 7296 section 3.3.2 and IANA.
var encryptionWords = map[uint16]string{
	wire.EncryptionDES3: "3DES", wire.EncryptionNull: "NULL", wire.EncryptionAESCBC: "AES",
	wire.EncryptionAESGCM16: "AES-GCM-16", wire.EncryptionChaCha20: "ChaCha20-Poly1305",
}

var integrityWords = map[uint16]string{
	wire.IntegrityNone: "no integrity", wire.IntegrityHMACSHA1: "SHA-1", wire.IntegrityHMACSHA2256: "SHA-256",
	wire.IntegrityHMACSHA2384: "SHA-384", wire.IntegrityHMACSHA2512: "SHA-512",
}

var prfWords = map[uint16]string{
	wire.PRFHMACSHA1: "SHA-1", wire.PRFHMACSHA2256: "SHA-256", wire.PRFHMACSHA2384: "SHA-384", wire.PRFHMACSHA2512: "SHA-512",
}

// proposalsShownMax keeps a sentence readable when a peer offers everything.
const proposalsShownMax = 6

// describeProposals shows proposals as "AES-128/SHA-1/group 2, AES-256 or
// AES-128/SHA-256/group 14".
func describeProposals(proposals []wire.Proposal) string {
	if len(proposals) == 0 {
		return "nothing"
	}
	var words []string
	for i, p := range proposals {
		if i == proposalsShownMax {
			words = append(words, fmt.Sprintf("and %d more", len(proposals)-i))
			break
		}
		words = append(words, describeProposal(p))
	}
	return strings.Join(words, ", ")
}

func describeProposal(p wire.Proposal) string {
	byType := map[wire.TransformType][]string{}
	for _, t := range p.Transforms {
		word := transformWord(t)
		if t.Type == wire.TransformESN || slices.Contains(byType[t.Type], word) {
			continue
		}
		if len(byType[t.Type]) == proposalsShownMax {
			word = "…"
		} else if len(byType[t.Type]) > proposalsShownMax {
			continue
		}
		byType[t.Type] = append(byType[t.Type], word)
	}
	var parts []string
	integrity, prf := strings.Join(byType[wire.TransformIntegrity], " or "), strings.Join(byType[wire.TransformPRF], " or ")
	add := func(word string) {
		if word != "" {
			parts = append(parts, word)
		}
	}
	add(strings.Join(byType[wire.TransformEncryption], " or "))
	add(integrity)
	if prf != integrity && prf != "" {
		add("PRF " + prf)
	}
	if groups := byType[wire.TransformGroup]; len(groups) > 0 {
		exchange := "group " + strings.Join(groups, " or ")
		for t := wire.TransformAdditional; t <= wire.TransformAdditionalLast; t++ {
			if methods := byType[t]; len(methods) > 0 {
				exchange += "+" + strings.Join(methods, " or ")
			}
		}
		add(exchange)
	}
	return strings.Join(parts, "/")
}

func transformWord(t wire.Transform) string {
	word, known := "", false
	switch t.Type {
	case wire.TransformEncryption:
		if word, known = encryptionWords[t.ID]; known && t.KeyLength != 0 {
			word = strings.Replace(word, "AES", fmt.Sprintf("AES-%d", t.KeyLength), 1)
		}
	case wire.TransformIntegrity:
		word, known = integrityWords[t.ID]
	case wire.TransformPRF:
		word, known = prfWords[t.ID]
	case wire.TransformGroup:
		return fmt.Sprint(t.ID)
	}
	if isAdditional(t.Type) && (t.ID == 0 || ike.Group(t.ID).KEM()) {
		return ike.Group(t.ID).String()
	}
	if !known {
		return t.String()
	}
	return word
}

func reasonIKEMismatch(offers []wire.Proposal, accepted []ike.IKEProposal) string {
	return fmt.Sprintf("no common proposal for the IKE SA: the peer offers %s, this tunnel accepts %s",
		describeProposals(offers), describeProposals(offerIKE(accepted, nil).Proposals))
}

func reasonIKERefused(offered []ike.IKEProposal) string {
	return fmt.Sprintf("the peer accepts no proposal for the IKE SA that this tunnel offers (NO_PROPOSAL_CHOSEN); this tunnel offers %s",
		describeProposals(offerIKE(offered, nil).Proposals))
}

func reasonESPMismatch(offers []wire.Proposal, accepted []ike.ESPProposal, withGroup bool) string {
	return fmt.Sprintf("no common proposal for the child SA: the peer offers %s, this tunnel accepts %s",
		describeProposals(offers), describeProposals(offerESP(accepted, withGroup, 0).Proposals))
}

func reasonESPRefused(offered []ike.ESPProposal, withGroup bool) string {
	return fmt.Sprintf("the peer accepts no proposal for the child SA that this tunnel offers (NO_PROPOSAL_CHOSEN); this tunnel offers %s",
		describeProposals(offerESP(offered, withGroup, 0).Proposals))
}

// reasonSelectors names the peer's side first, as the peer's selectors do.
func reasonSelectors(peerSide, ourSide *wire.TS, p *ike.Peer) string {
	return fmt.Sprintf("the peer's traffic selectors %s === %s do not fit this tunnel's %s === %s (the peer's side first)",
		describeSelectors(peerSide), describeSelectors(ourSide),
		describeSelectors(offerSelectors(wire.PayloadTSi, p.RemoteSelectors)), describeSelectors(offerSelectors(wire.PayloadTSr, p.LocalSelectors)))
}

func reasonSecondPair(m parts) string {
	return fmt.Sprintf("the peer asks for a second pair of security associations, for %s === %s (its side first), but a VPN tunnel has a single pair: put its policies together into one that covers all networks, such as 0.0.0.0/0 === 0.0.0.0/0",
		describeSelectors(m.tsi), describeSelectors(m.tsr))
}

func reasonSelectorsRefused(p *ike.Peer) string {
	return fmt.Sprintf("the peer does not accept this tunnel's traffic selectors %s === %s (ours first; TS_UNACCEPTABLE)",
		describeSelectors(offerSelectors(wire.PayloadTSi, p.LocalSelectors)), describeSelectors(offerSelectors(wire.PayloadTSr, p.RemoteSelectors)))
}

func describeSelectors(ts *wire.TS) string {
	if ts == nil || len(ts.Selectors) == 0 {
		return "none"
	}
	var words []string
	for i, s := range ts.Selectors {
		if i == proposalsShownMax {
			words = append(words, "…")
			break
		}
		words = append(words, s.String())
	}
	return strings.Join(words, " ")
}

const (
	reasonKeyMismatch  = "pre-shared key mismatch: the peer's proof does not fit this tunnel's key"
	reasonKeyRefused   = "the peer refused our authentication (AUTHENTICATION_FAILED): pre-shared key mismatch, or it does not know our identity"
	reasonKeyRetired   = "the pre-shared key that the peer has proved itself by is no longer valid; give it the new one"
	reasonPeerDeleted  = "the peer deleted the IKE SA"
	reasonReplaced     = "replaced by a newer IKE SA with the same peer"
	reasonNoChild      = "no child SA is left with the peer"
	reasonNATForbidden = "the peer forbids address translation (NO_NATS_ALLOWED), but its addresses are translated on the way"
	reasonRedirect     = "the peer wants to send us to another gateway (REDIRECT), which this tunnel does not follow: configure that gateway's address, or turn redirection off"
	reasonCookie2      = "the peer did not prove that it is at the address that it has moved to"
	reasonLifetime     = "the lifetime of the IKE SA ended before it could be rekeyed"
)

// reasonKeyNotCertificate: sides that do not prove themselves in the same way.
const reasonKeyNotCertificate = "the peer proves itself by a pre-shared key, this tunnel expects a certificate"

func reasonNotKey(m wire.AuthMethod) string {
	return fmt.Sprintf("the peer proves itself by %v, this tunnel expects a pre-shared key", m)
}

// certificateReasonMax bounds what a sentence says about a certificate, in
// octets: names in it are of the peer's choice.
const certificateReasonMax = 400

func reasonCertificate(err error) string {
	return "the peer's certificate is refused: " + printable(err.Error(), certificateReasonMax)
}

// printable bounds a text and leaves nothing in it that a log or a terminal
// could take for a command.
func printable(s string, most int) string {
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

func reasonCertificateRefused(p *ike.Peer) string {
	return fmt.Sprintf("the peer refused our authentication (AUTHENTICATION_FAILED): it does not accept our certificate (authority, dates, revocation), or does not know our identity %s",
		shown(engine.LocalID(p, ike.Path{Local: at(p.Local, portIKE)})))
}

// nameShownMax bounds what a sentence shows of a name that the peer has chosen,
// in octets.
const nameShownMax = 100

func shown(i ike.Identity) string {
	name := i.String()
	if len(name) > nameShownMax {
		return fmt.Sprintf("%q…", name[:nameShownMax])
	}
	return fmt.Sprintf("%q", name)
}

func reasonIdentity(got ike.Identity, want ike.Identity) string {
	return fmt.Sprintf("the peer identifies itself as %s, this tunnel expects %s", shown(got), shown(want))
}

func reasonUnknownIdentity(initiator, responder ike.Identity) string {
	if responder.Type == ike.IDNone {
		return fmt.Sprintf("no tunnel is configured for a peer that identifies itself as %s", shown(initiator))
	}
	return fmt.Sprintf("no tunnel is configured for a peer that identifies itself as %s and calls us %s", shown(initiator), shown(responder))
}

func reasonSilent(remote netip.AddrPort, tries int, span time.Duration) string {
	return fmt.Sprintf("no packet from %v has arrived: IKE_SA_INIT was sent to UDP port %d %d times in %v; is the peer up, and are UDP 500 and 4500 open?",
		remote.Addr(), remote.Port(), tries, span.Round(time.Second))
}

func reasonAuthSilent(remote netip.AddrPort, tries int) string {
	return fmt.Sprintf("the peer %v answered IKE_SA_INIT but none of %d IKE_AUTH requests to UDP port %d: is that port open, and does the peer know our address?",
		remote.Addr(), tries, remote.Port())
}

func reasonUnfinished(remote netip.AddrPort) string {
	return fmt.Sprintf("the peer %v began a negotiation but no IKE_AUTH request has come: do our answers reach it, and is UDP 4500 open between us?", remote.Addr())
}

func reasonDead(silence time.Duration) string {
	return fmt.Sprintf("the peer is dead: it has not answered for %v", silence.Round(time.Second))
}

// reasonDeleted: an initiator that does not accept our proof says so with its
// DELETE. RFC 7296 section 2.21.2.
func reasonDeleted(because *wire.Notify) string {
	if because == nil {
		return reasonPeerDeleted
	}
	return fmt.Sprintf("%s and says %v", reasonPeerDeleted, because.Type)
}

func reasonNotify(exchange wire.ExchangeType, n wire.NotifyType) string {
	return fmt.Sprintf("the peer answered %v with %v", exchange, n)
}

func reasonIncomplete(exchange wire.ExchangeType, missing string) string {
	return fmt.Sprintf("the peer's %v lacks a usable %s", exchange, missing)
}
