package ikev2

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/diagnosis"
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
		words = append(words, describeProposal(p, proposalsShownMax))
	}
	return strings.Join(words, ", ")
}

// describeProposal shows at most so many alternatives of a kind.
func describeProposal(p wire.Proposal, most int) string {
	byType := map[wire.TransformType][]string{}
	for _, t := range p.Transforms {
		word := transformWord(t)
		if t.Type == wire.TransformESN || slices.Contains(byType[t.Type], word) {
			continue
		}
		if len(byType[t.Type]) == most {
			word = "…"
		} else if len(byType[t.Type]) > most {
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
	return diagnosis.IKEMismatch(describeProposals(offers), describeProposals(offerIKE(accepted, nil).Proposals))
}

func reasonIKERefused(offered []ike.IKEProposal) string {
	return diagnosis.IKERefused(describeProposals(offerIKE(offered, nil).Proposals))
}

func reasonESPMismatch(offers []wire.Proposal, accepted []ike.ESPProposal, withGroup bool) string {
	return diagnosis.ESPMismatch(describeProposals(offers), describeProposals(offerESP(accepted, withGroup, 0).Proposals))
}

func reasonESPRefused(offered []ike.ESPProposal, withGroup bool) string {
	return diagnosis.ESPRefused(describeProposals(offerESP(offered, withGroup, 0).Proposals))
}

// reasonSelectors names the peer's side first, as the peer's selectors do.
func reasonSelectors(peerSide, ourSide *wire.TS, p *ike.Peer) string {
	return diagnosis.Selectors(describeSelectors(peerSide), describeSelectors(ourSide),
		describeSelectors(offerSelectors(wire.PayloadTSi, p.RemoteSelectors)), describeSelectors(offerSelectors(wire.PayloadTSr, p.LocalSelectors)))
}

func reasonSecondPair(m parts) string {
	return fmt.Sprintf("the peer asks for a second pair of security associations, for %s === %s (its side first), but a VPN tunnel has a single pair: put its policies together into one that covers all networks, such as 0.0.0.0/0 === 0.0.0.0/0",
		describeSelectors(m.tsi), describeSelectors(m.tsr))
}

func reasonSelectorsRefused(p *ike.Peer) string {
	return diagnosis.SelectorsRefused(describeSelectors(offerSelectors(wire.PayloadTSi, p.LocalSelectors)),
		describeSelectors(offerSelectors(wire.PayloadTSr, p.RemoteSelectors)), wire.TSUnacceptable.String())
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
	reasonKeyMismatch  = diagnosis.KeyMismatch
	reasonKeyRefused   = "the peer refused our authentication (AUTHENTICATION_FAILED): pre-shared key mismatch, or it does not know our identity"
	reasonKeyRetired   = "the pre-shared key that the peer has proved itself by is no longer valid; give it the new one"
	reasonPeerDeleted  = diagnosis.PeerDeleted
	reasonReplaced     = diagnosis.Replaced
	reasonNoChild      = diagnosis.NoChild
	reasonNATForbidden = "the peer forbids address translation (NO_NATS_ALLOWED), but its addresses are translated on the way"
	reasonRedirect     = "the peer wants to send us to another gateway (REDIRECT), which this tunnel does not follow: configure that gateway's address, or turn redirection off"
	reasonCookie2      = "the peer did not prove that it is at the address that it has moved to"
	reasonLifetime     = diagnosis.Lifetime
)

// reasonNotMoved: RFC 4555 section 3.5.
func reasonNotMoved(to netip.AddrPort, t wire.NotifyType) string {
	return fmt.Sprintf("the peer does not follow us to %v: it answered %v", to.Addr(), t)
}

// reasonKeyNotCertificate: sides that do not prove themselves in the same way.
const reasonKeyNotCertificate = diagnosis.KeyNotCertificate

func reasonNotKey(m wire.AuthMethod) string {
	return fmt.Sprintf("the peer proves itself by %v, this tunnel expects a pre-shared key", m)
}

func reasonCertificateRefused(p *ike.Peer) string {
	return fmt.Sprintf("the peer refused our authentication (AUTHENTICATION_FAILED): it does not accept our certificate (authority, dates, revocation), or does not know our identity %s",
		diagnosis.Name(engine.LocalID(p, ike.Path{Local: at(p.Local, portIKE)})))
}

func reasonSilent(remote netip.AddrPort, tries int, span time.Duration) string {
	return diagnosis.Silent(remote, wire.IKESAInit.String(), tries, span)
}

func reasonAuthSilent(remote netip.AddrPort, tries int) string {
	return fmt.Sprintf("the peer %v answered IKE_SA_INIT but none of %d IKE_AUTH requests to UDP port %d: is that port open, and does the peer know our address?",
		remote.Addr(), tries, remote.Port())
}

func reasonUnfinished(remote netip.AddrPort) string {
	return fmt.Sprintf("the peer %v began a negotiation but no IKE_AUTH request has come: do our answers reach it, and is UDP 4500 open between us?", remote.Addr())
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
	return diagnosis.Answered(exchange.String(), n.String())
}

func reasonIncomplete(exchange wire.ExchangeType, missing string) string {
	return diagnosis.Incomplete(exchange.String(), missing)
}
