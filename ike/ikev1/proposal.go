package ikev1

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/diagnosis"
	"causeway.dev/ike/engine"
	"causeway.dev/ike/wire"
	"causeway.dev/ike/wire/isakmp"
)

// In IKEv1 a transform is one whole combination, so that an offer is a list of
// combinations. Phase 1 has a hash, which is integrity and PRF at once.

var hashes = map[ike.Integrity]uint64{
	ike.HMACSHA1: isakmp.HashSHA1, ike.HMACSHA256: isakmp.HashSHA256, ike.HMACSHA384: isakmp.HashSHA384, ike.HMACSHA512: isakmp.HashSHA512,
}

var espIntegrities = map[ike.Integrity]uint64{
	ike.HMACSHA1: isakmp.ESPHMACSHA1, ike.HMACSHA256: isakmp.ESPHMACSHA256, ike.HMACSHA384: isakmp.ESPHMACSHA384, ike.HMACSHA512: isakmp.ESPHMACSHA512,
}

// An espCipher is a cipher as IKEv1 names it for ESP. RFC 3602 section 5.2, RFC
// 4106 section 8.2.
type espCipher struct {
	id   uint8
	bits uint64
}

var espCiphers = map[ike.Encryption]espCipher{
	ike.AES128CBC:   {isakmp.TransformESPAESCBC, 128},
	ike.AES256CBC:   {isakmp.TransformESPAESCBC, 256},
	ike.AES128GCM16: {isakmp.TransformESPAESGCM16, 128},
	ike.AES256GCM16: {isakmp.TransformESPAESGCM16, 256},
}

// offersMax bounds the transforms that we send: a quick mode of theirs is some
// 1,200 octets long.
const offersMax = 32

// known reports whether IKEv1 has a proposal for phase 1: no AEAD cipher is
// defined for it, its hash is integrity and PRF, and it has groups up to 24.
func known(p ike.IKEProposal) bool {
	_, cipher := ikeKeyBits[p.Encryption]
	_, hash := hashes[p.Integrity]
	return cipher && hash && p.PRF == ike.PRF(p.Integrity) && p.Group <= ike.Group24 && p.Additional == ike.AdditionalGroups{}
}

var ikeKeyBits = map[ike.Encryption]uint64{ike.AES128CBC: 128, ike.AES256CBC: 256}

func knownESP(p ike.ESPProposal) bool {
	_, cipher := espCiphers[p.Encryption]
	return cipher && p.Group <= ike.Group24 && p.Additional == ike.AdditionalGroups{}
}

func only[T any](proposals []T, is func(T) bool) []T {
	return slices.DeleteFunc(slices.Clone(proposals), func(p T) bool { return !is(p) })
}

// accepted are the proposals for phase 1 that a peer may have of us, offered those
// that we begin with.
func accepted(p *ike.Peer) []ike.IKEProposal { return only(p.IKEProposals, known) }

func offered(p *ike.Peer) []ike.IKEProposal {
	if offers := only(p.IKEOffers, known); len(offers) > 0 {
		return offers[:min(len(offers), offersMax)]
	}
	all := accepted(p)
	return all[:min(len(all), offersMax)]
}

func acceptedESP(p *ike.Peer) []ike.ESPProposal { return only(p.ESPProposals, knownESP) }

// offeredESP are the proposals of one group: RFC 2409 section 5.5 has room for one
// KE payload, so that all transforms of a quick mode name the same.
func offeredESP(p *ike.Peer, group ike.Group) []ike.ESPProposal {
	all := only(slices.Concat(p.ESPOffers, p.ESPProposals), knownESP)
	of := only(all, func(e ike.ESPProposal) bool { return e.Group == group })
	var distinct []ike.ESPProposal
	for _, e := range of {
		if !slices.Contains(distinct, e) && len(distinct) < offersMax {
			distinct = append(distinct, e)
		}
	}
	return distinct
}

// groupsESP are the groups that we propose, the preferred first.
func groupsESP(p *ike.Peer) []ike.Group {
	proposals := only(p.ESPOffers, knownESP)
	if len(proposals) == 0 {
		proposals = acceptedESP(p)
	}
	var groups []ike.Group
	for _, e := range proposals {
		if !slices.Contains(groups, e.Group) {
			groups = append(groups, e.Group)
		}
	}
	return groups
}

// seconds is a lifetime as an attribute holds it.
func seconds(d time.Duration) uint32 {
	return uint32(min(max(int64(d/time.Second), 1), math.MaxUint32))
}

// offerIKE is the SA payload of a first message.
func offerIKE(proposals []ike.IKEProposal, method isakmp.AuthMethod, lifetime time.Duration) *isakmp.SA {
	p := isakmp.Proposal{Number: 1, Protocol: wire.ProtocolIKE}
	for i, o := range proposals {
		p.Transforms = append(p.Transforms, isakmp.Transform{Number: uint8(i + 1), ID: isakmp.TransformKeyIKE, Attributes: []isakmp.Attribute{
			isakmp.ShortAttribute(isakmp.AttributeEncryption, uint16(isakmp.EncryptionAESCBC)),
			isakmp.ShortAttribute(isakmp.AttributeKeyLength, uint16(ikeKeyBits[o.Encryption])),
			isakmp.ShortAttribute(isakmp.AttributeHash, uint16(hashes[o.Integrity])),
			isakmp.ShortAttribute(isakmp.AttributeGroup, uint16(o.Group)),
			isakmp.ShortAttribute(isakmp.AttributeAuthMethod, uint16(method)),
			isakmp.ShortAttribute(isakmp.AttributeLifeType, uint16(isakmp.LifeSeconds)),
			isakmp.LongAttribute(isakmp.AttributeLifeDuration, seconds(lifetime)),
		}})
	}
	return &isakmp.SA{Proposals: []isakmp.Proposal{p}}
}

// offerESP is the SA payload of a quick mode.
func offerESP(proposals []ike.ESPProposal, spi ike.SPI, encapsulation uint64, lifetime time.Duration) *isakmp.SA {
	p := isakmp.Proposal{Number: 1, Protocol: wire.ProtocolESP, SPI: spiOctets(spi)}
	for i, o := range proposals {
		attributes := []isakmp.Attribute{
			isakmp.ShortAttribute(isakmp.AttributeESPLifeType, uint16(isakmp.LifeSeconds)),
			isakmp.LongAttribute(isakmp.AttributeESPLifeDuration, seconds(lifetime)),
			isakmp.ShortAttribute(isakmp.AttributeESPEncapsulation, uint16(encapsulation)),
			isakmp.ShortAttribute(isakmp.AttributeESPKeyLength, uint16(espCiphers[o.Encryption].bits)),
		}
		if o.Integrity != ike.IntegrityNone {
			attributes = append(attributes, isakmp.ShortAttribute(isakmp.AttributeESPIntegrity, uint16(espIntegrities[o.Integrity])))
		}
		if o.Group != ike.GroupNone {
			attributes = append(attributes, isakmp.ShortAttribute(isakmp.AttributeESPGroup, uint16(o.Group)))
		}
		if o.ExtendedSequence {
			attributes = append(attributes, isakmp.ShortAttribute(isakmp.AttributeESPExtendedSequence, extendedSequence))
		}
		p.Transforms = append(p.Transforms, isakmp.Transform{Number: uint8(i + 1), ID: espCiphers[o.Encryption].id, Attributes: attributes})
	}
	return &isakmp.SA{Proposals: []isakmp.Proposal{p}}
}

func spiOctets(spi ike.SPI) []byte { return binary.BigEndian.AppendUint32(nil, uint32(spi)) }

// agreement is what a choice among offers comes to.
type agreement[P any] struct {
	proposal P
	answer   isakmp.Proposal // with the one transform that was chosen, as it came
	lifetime time.Duration   // that the peer wants; zero if it does not say
}

// An ikeTransform is what counts of a transform for phase 1, by IANA's numbers.
type ikeTransform struct{ encryption, bits, hash, group, method uint64 }

// An espTransform is what counts of a transform for ESP, by IANA's numbers.
type espTransform struct{ cipher, bits, integrity, group, encapsulation, extended uint64 }

func transformIKE(p ike.IKEProposal, method isakmp.AuthMethod) ikeTransform {
	return ikeTransform{isakmp.EncryptionAESCBC, ikeKeyBits[p.Encryption], hashes[p.Integrity], uint64(p.Group), uint64(method)}
}

func transformESP(p ike.ESPProposal, encapsulation uint64) espTransform {
	cipher := espCiphers[p.Encryption]
	t := espTransform{cipher: uint64(cipher.id), bits: cipher.bits, integrity: espIntegrities[p.Integrity], group: uint64(p.Group), encapsulation: encapsulation}
	if p.ExtendedSequence {
		t.extended = extendedSequence
	}
	return t
}

// readIKE returns false for what can't be chosen.
func readIKE(t isakmp.Transform) (r ikeTransform, ok bool) {
	ok = read(t, map[uint16]*uint64{
		isakmp.AttributeEncryption: &r.encryption,
		isakmp.AttributeKeyLength:  &r.bits,
		isakmp.AttributeHash:       &r.hash,
		isakmp.AttributeGroup:      &r.group,
		isakmp.AttributeAuthMethod: &r.method,
	}, isakmp.AttributeLifeType, isakmp.AttributeLifeDuration)
	return r, ok && t.ID == isakmp.TransformKeyIKE
}

func readESP(t isakmp.Transform) (r espTransform, ok bool) {
	r.cipher = uint64(t.ID)
	ok = read(t, map[uint16]*uint64{
		isakmp.AttributeESPKeyLength:     &r.bits,
		isakmp.AttributeESPIntegrity:     &r.integrity,
		isakmp.AttributeESPGroup:         &r.group,
		isakmp.AttributeESPEncapsulation: &r.encapsulation,

		isakmp.AttributeESPExtendedSequence: &r.extended,
	}, isakmp.AttributeESPLifeType, isakmp.AttributeESPLifeDuration)
	return r, ok
}

// read takes the values of a transform's attributes; others may have any. RFC
// 2408 section 4.2: a transform with an attribute that is not understood is not
// to be chosen.
func read(t isakmp.Transform, into map[uint16]*uint64, others ...uint16) bool {
	for _, a := range t.Attributes {
		value, known := into[a.Type]
		if !known {
			if !slices.Contains(others, a.Type) {
				return false
			}
			continue
		}
		n, ok := isakmp.Number(a)
		if !ok {
			return false
		}
		*value = n
	}
	return true
}

// A choice is a transform on offer, with its proposal.
type choice struct {
	proposal  *isakmp.Proposal
	transform *isakmp.Transform
}

// index finds the transforms that can be chosen by what counts of them; of equal
// ones the first.
func index[T comparable](sa *isakmp.SA, usable func(*isakmp.Proposal) bool, read func(isakmp.Transform) (T, bool)) map[T]choice {
	offers := map[T]choice{}
	for i := range sa.Proposals {
		p := &sa.Proposals[i]
		if !usable(p) {
			continue
		}
		for j := range p.Transforms {
			r, ok := read(p.Transforms[j])
			if _, twice := offers[r]; ok && !twice {
				offers[r] = choice{p, &p.Transforms[j]}
			}
		}
	}
	return offers
}

// chooseIKE picks the first of the accepted proposals that is among the offers.
func chooseIKE(sa *isakmp.SA, accepted []ike.IKEProposal, method isakmp.AuthMethod) (agreement[ike.IKEProposal], bool) {
	offers := index(sa, func(p *isakmp.Proposal) bool { return p.Protocol == wire.ProtocolIKE }, readIKE)
	for _, want := range accepted {
		if c, ok := offers[transformIKE(want, method)]; ok {
			return agreement[ike.IKEProposal]{want, answer(*c.proposal, *c.transform), lifetimeOf(c.transform.Attributes, isakmp.AttributeLifeType, isakmp.AttributeLifeDuration)}, true
		}
	}
	return agreement[ike.IKEProposal]{}, false
}

func answer(offer isakmp.Proposal, t isakmp.Transform) isakmp.Proposal {
	offer.Transforms = []isakmp.Transform{t}
	return offer
}

// lifetimeOf is the time that a transform's attributes name; zero if they name
// none, or one in octets only.
func lifetimeOf(attributes []isakmp.Attribute, kindOf, durationOf uint16) time.Duration {
	unit := uint64(0)
	for _, a := range attributes {
		n, ok := isakmp.Number(a)
		switch {
		case a.Type == kindOf:
			unit = n
		case a.Type == durationOf && unit == isakmp.LifeSeconds && ok:
			return time.Duration(min(n, math.MaxUint32)) * time.Second
		}
	}
	return 0
}

// chooseESP is chooseIKE for quick mode. Proposals that belong together with
// others (AH, IPComp) are passed over. encapsulations are those that may be; the
// second result is the one that is.
func chooseESP(sa *isakmp.SA, accepted []ike.ESPProposal, encapsulations []uint64) (agreement[ike.ESPProposal], uint64, bool) {
	offers := index(sa, func(p *isakmp.Proposal) bool {
		together := slices.ContainsFunc(sa.Proposals, func(o isakmp.Proposal) bool {
			return o.Number == p.Number && o.Protocol != p.Protocol
		})
		return p.Protocol == wire.ProtocolESP && !together && spiOf(p) > engine.SPIReservedMax
	}, readESP)
	for _, want := range accepted {
		for _, mode := range encapsulations {
			if c, ok := offers[transformESP(want, mode)]; ok {
				return agreement[ike.ESPProposal]{want, answer(*c.proposal, *c.transform), lifetimeOf(c.transform.Attributes, isakmp.AttributeESPLifeType, isakmp.AttributeESPLifeDuration)}, mode, true
			}
		}
	}
	return agreement[ike.ESPProposal]{}, 0, false
}

// extendedSequence is the value of the attribute that stands for extended sequence
// numbers. RFC 4304 section 2.
const extendedSequence = 1

// alsoExtended are the proposals for a quick mode that an initiator may have.
func alsoExtended(p *ike.Peer, sa *isakmp.SA) []ike.ESPProposal {
	extended := func(t isakmp.Transform) bool {
		_, there := t.Value(isakmp.AttributeESPExtendedSequence)
		return there
	}
	preferred := false
	for _, o := range sa.Proposals {
		if o.Protocol == wire.ProtocolESP && len(o.Transforms) > 0 {
			preferred = extended(o.Transforms[0])
			break
		}
	}
	return engine.AlsoExtended(acceptedESP(p), preferred)
}

// spiOf is the SPI of a proposal for ESP, or zero if it has none.
func spiOf(p *isakmp.Proposal) ike.SPI {
	if len(p.SPI) != 4 {
		return 0
	}
	return ike.SPI(binary.BigEndian.Uint32(p.SPI))
}

// single reports whether an answer chose.
func single(sa *isakmp.SA) bool {
	return sa != nil && len(sa.Proposals) == 1 && len(sa.Proposals[0].Transforms) == 1
}

// describeIKE shows what a peer offers for phase 1. The way of authentication is
// shown where it is not ours.
func describeIKE(sa *isakmp.SA, method isakmp.AuthMethod) string {
	return diagnosis.Offers(diagnosis.Merge(ikeOffers(sa, method)))
}

func ikeOffers(sa *isakmp.SA, method isakmp.AuthMethod) []diagnosis.Offer {
	var offers []diagnosis.Offer
	for _, p := range sa.Proposals {
		for _, t := range p.Transforms {
			o := diagnosis.Offer{Encryption: []string{ikeCipherWord(t)}}
			if n, ok := t.Value(isakmp.AttributeHash); ok {
				o.Integrity = []string{word(hashWords, n, "hash")}
			}
			if n, ok := t.Value(isakmp.AttributeGroup); ok {
				o.Group = []string{fmt.Sprint(n)}
			}
			if n, _ := t.Value(isakmp.AttributeAuthMethod); n != uint64(method) {
				o.Other = []string{isakmp.AuthMethod(n).String()}
			}
			offers = append(offers, o)
		}
	}
	return offers
}

func describeIKEProposals(proposals []ike.IKEProposal, method isakmp.AuthMethod) string {
	return describeIKE(offerIKE(proposals, method, 0), method)
}

// describeESP shows what a peer offers for quick mode, tunnelled one way or the
// other.
func describeESP(sa *isakmp.SA) string { return diagnosis.Offers(diagnosis.Merge(espOffers(sa))) }

func espOffers(sa *isakmp.SA) []diagnosis.Offer {
	var offers []diagnosis.Offer
	for _, p := range sa.Proposals {
		for _, t := range p.Transforms {
			o := diagnosis.Offer{Encryption: []string{espCipherWord(p.Protocol, t)}}
			if n, ok := t.Value(isakmp.AttributeESPIntegrity); ok {
				o.Integrity = []string{word(espIntegrityWords, n, "integrity algorithm")}
			}
			if n, ok := t.Value(isakmp.AttributeESPGroup); ok {
				o.Group = []string{fmt.Sprint(n)}
			} else {
				o.Other = append(o.Other, "no PFS")
			}
			if n, _ := t.Value(isakmp.AttributeESPEncapsulation); n == isakmp.EncapsulationTransport {
				o.Other = append(o.Other, "transport mode")
			}
			offers = append(offers, o)
		}
	}
	return offers
}

func describeESPProposals(proposals []ike.ESPProposal) string {
	return describeESP(offerESP(proposals, 0, isakmp.EncapsulationTunnel, 0))
}

// Names of algorithms as operators write them.
var (
	hashWords = map[uint64]string{
		isakmp.HashMD5: "MD5", isakmp.HashSHA1: "SHA-1", isakmp.HashSHA256: "SHA-256", isakmp.HashSHA384: "SHA-384", isakmp.HashSHA512: "SHA-512",
	}
	espIntegrityWords = map[uint64]string{
		isakmp.ESPHMACMD5: "MD5", isakmp.ESPHMACSHA1: "SHA-1", isakmp.ESPHMACSHA256: "SHA-256", isakmp.ESPHMACSHA384: "SHA-384", isakmp.ESPHMACSHA512: "SHA-512",
	}
	ikeCipherWords = map[uint64]string{isakmp.EncryptionDES: "DES", isakmp.EncryptionDES3: "3DES", isakmp.EncryptionAESCBC: "AES"}
	espCipherWords = map[uint64]string{
		uint64(isakmp.TransformESPDES3): "3DES", uint64(isakmp.TransformESPNull): "NULL",
		uint64(isakmp.TransformESPAESCBC): "AES", uint64(isakmp.TransformESPAESGCM16): "AES-GCM-16",
	}
)

func word(words map[uint64]string, value uint64, kind string) string {
	if w, ok := words[value]; ok {
		return w
	}
	return fmt.Sprintf("%s %d", kind, value)
}

func ikeCipherWord(t isakmp.Transform) string {
	n, _ := t.Value(isakmp.AttributeEncryption)
	return withKeyLength(word(ikeCipherWords, n, "cipher"), t, isakmp.AttributeKeyLength)
}

func espCipherWord(protocol wire.ProtocolID, t isakmp.Transform) string {
	if protocol != wire.ProtocolESP {
		return protocol.String()
	}
	return withKeyLength(word(espCipherWords, uint64(t.ID), "cipher"), t, isakmp.AttributeESPKeyLength)
}

// withKeyLength makes "AES-128-GCM-16" of "AES-GCM-16".
func withKeyLength(name string, t isakmp.Transform, kind uint16) string {
	bits, ok := t.Value(kind)
	if !ok || name[:min(len(name), 3)] != "AES" {
		return name
	}
	return fmt.Sprintf("AES-%d%s", bits, name[3:])
}
