package ikev2

import (
	"encoding/binary"
	"slices"

	"causeway.dev/ike"
	"causeway.dev/ike/engine"
	"causeway.dev/ike/wire"
)

// A cipher in a transform is its number and its key length. RFC 7296 section
// 3.3.2, RFC 5282 section 7.2, RFC 4106 section 8.2.
var encryptionTransforms = map[ike.Encryption]wire.Transform{
	ike.AES128CBC:   {Type: wire.TransformEncryption, ID: wire.EncryptionAESCBC, KeyLength: 128},
	ike.AES256CBC:   {Type: wire.TransformEncryption, ID: wire.EncryptionAESCBC, KeyLength: 256},
	ike.AES128GCM16: {Type: wire.TransformEncryption, ID: wire.EncryptionAESGCM16, KeyLength: 128},
	ike.AES256GCM16: {Type: wire.TransformEncryption, ID: wire.EncryptionAESGCM16, KeyLength: 256},

	ike.ChaCha20Poly1305: {Type: wire.TransformEncryption, ID: wire.EncryptionChaCha20}, // RFC 7634 section 4
}

var integrityTransforms = map[ike.Integrity]uint16{
	ike.HMACSHA1:   wire.IntegrityHMACSHA1,
	ike.HMACSHA256: wire.IntegrityHMACSHA2256,
	ike.HMACSHA384: wire.IntegrityHMACSHA2384,
	ike.HMACSHA512: wire.IntegrityHMACSHA2512,
}

var prfTransforms = map[ike.PRF]uint16{
	ike.PRFHMACSHA1:   wire.PRFHMACSHA1,
	ike.PRFHMACSHA256: wire.PRFHMACSHA2256,
	ike.PRFHMACSHA384: wire.PRFHMACSHA2384,
	ike.PRFHMACSHA512: wire.PRFHMACSHA2512,
}

// proposalsMax bounds the proposals that we send: beyond it an IKE_SA_INIT would
// no longer fit into one packet of 1,280 octets.
const proposalsMax = 20

func ikeTransforms(p ike.IKEProposal) []wire.Transform {
	transforms := []wire.Transform{encryptionTransforms[p.Encryption]}
	if p.Integrity != ike.IntegrityNone {
		transforms = append(transforms, wire.Transform{Type: wire.TransformIntegrity, ID: integrityTransforms[p.Integrity]})
	}
	transforms = append(transforms,
		wire.Transform{Type: wire.TransformPRF, ID: prfTransforms[p.PRF]},
		wire.Transform{Type: wire.TransformGroup, ID: uint16(p.Group)})
	return append(transforms, additionalTransforms(p.Additional)...)
}

// additionalTransforms: RFC 9370 section 2.2.1: each additional key exchange has a
// type of its own.
func additionalTransforms(groups ike.AdditionalGroups) []wire.Transform {
	var transforms []wire.Transform
	for i, g := range groups.All() {
		transforms = append(transforms, wire.Transform{Type: wire.TransformAdditional + wire.TransformType(i), ID: uint16(g)})
	}
	return transforms
}

func isAdditional(t wire.TransformType) bool {
	return t >= wire.TransformAdditional && t <= wire.TransformAdditionalLast
}

// espTransforms leaves out the group where there is none, and in IKE_AUTH, where
// RFC 7296 section 1.2 has no KE payload for the child SA.
func espTransforms(p ike.ESPProposal, withGroup bool) []wire.Transform {
	transforms := []wire.Transform{encryptionTransforms[p.Encryption]}
	if p.Integrity != ike.IntegrityNone {
		transforms = append(transforms, wire.Transform{Type: wire.TransformIntegrity, ID: integrityTransforms[p.Integrity]})
	}
	if withGroup && p.Group != ike.GroupNone {
		transforms = append(transforms, wire.Transform{Type: wire.TransformGroup, ID: uint16(p.Group)})
		transforms = append(transforms, additionalTransforms(p.Additional)...)
	}
	extended := wire.Transform{Type: wire.TransformESN, ID: wire.ESNNone}
	if p.ExtendedSequence {
		extended.ID = wire.ESNExtended
	}
	return append(transforms, extended)
}

// ikeOffers and espOffers are what we propose to begin with. A rekey of ours
// proposes all that we accept: the peer has shown what it wants by then.
func ikeOffers(p *ike.Peer) []ike.IKEProposal {
	if len(p.IKEOffers) > 0 {
		return p.IKEOffers
	}
	return p.IKEProposals
}

func espOffers(p *ike.Peer) []ike.ESPProposal {
	if len(p.ESPOffers) > 0 {
		return p.ESPOffers
	}
	return p.ESPProposals
}

// offerIKE is the SA payload that offers the proposals.
func offerIKE(proposals []ike.IKEProposal, spi []byte) *wire.SA {
	sets := make([][]wire.Transform, len(proposals))
	for i, p := range proposals {
		sets[i] = ikeTransforms(p)
	}
	return offer(wire.ProtocolIKE, spi, sets)
}

func offerESP(proposals []ike.ESPProposal, withGroup bool, spi ike.SPI) *wire.SA {
	sets := make([][]wire.Transform, len(proposals))
	for i, p := range proposals {
		sets[i] = espTransforms(p, withGroup)
	}
	return offer(wire.ProtocolESP, spiOctets(spi), sets)
}

func spiOctets(spi ike.SPI) []byte { return binary.BigEndian.AppendUint32(nil, uint32(spi)) }

// offer puts combinations that differ only in cipher, group and sequence numbers
// into one proposal where every combination of these is wanted: a peer may pick
// any. Integrity and PRF are not mixed, since they go in pairs.
func offer(protocol wire.ProtocolID, spi []byte, sets [][]wire.Transform) *wire.SA {
	var classes [][][]wire.Transform
	for _, set := range sets {
		i := slices.IndexFunc(classes, func(class [][]wire.Transform) bool { return sameClass(class[0], set) })
		if i < 0 {
			i, classes = len(classes), append(classes, nil)
		}
		if !slices.ContainsFunc(classes[i], func(have []wire.Transform) bool { return slices.EqualFunc(have, set, sameTransform) }) {
			classes[i] = append(classes[i], set)
		}
	}
	sa := new(wire.SA)
	add := func(transforms []wire.Transform) {
		if len(sa.Proposals) < proposalsMax {
			sa.Proposals = append(sa.Proposals, wire.Proposal{Number: uint8(len(sa.Proposals) + 1), Protocol: protocol, SPI: spi, Transforms: transforms})
		}
	}
	for _, class := range classes {
		union, combinations := unite(class)
		if combinations == len(class) {
			add(union)
			continue
		}
		for _, set := range class {
			add(set)
		}
	}
	return sa
}

// sameClass reports whether two combinations have equal transforms of every type
// but cipher, group and sequence numbers.
func sameClass(a, b []wire.Transform) bool {
	return slices.EqualFunc(a, b, func(x, y wire.Transform) bool {
		return x.Type == y.Type && (x.Type == wire.TransformEncryption && x.ID == y.ID || x.Type == wire.TransformGroup || x.Type == wire.TransformESN || sameTransform(x, y))
	})
}

// unite returns the transforms of all sets, by type, and how many combinations
// of one of each type they admit.
func unite(sets [][]wire.Transform) (union []wire.Transform, combinations int) {
	combinations = 1
	for column, first := range sets[0] {
		from := len(union)
		union = append(union, first)
		for _, set := range sets[1:] {
			if t := set[column]; !slices.ContainsFunc(union[from:], func(u wire.Transform) bool { return sameTransform(u, t) }) {
				union = append(union, t)
			}
		}
		combinations *= len(union) - from
	}
	return union, combinations
}

func sameTransform(a, b wire.Transform) bool {
	return a.Type == b.Type && a.ID == b.ID && a.KeyLength == b.KeyLength && len(a.Unrecognized) == 0 && len(b.Unrecognized) == 0
}

// chooseIKE picks the first of the accepted proposals that one of the offers
// contains. It returns the answer to that offer, without an SPI.
func chooseIKE(offers []wire.Proposal, accepted []ike.IKEProposal) (ike.IKEProposal, wire.Proposal, bool) {
	for _, p := range accepted {
		want := ikeTransforms(p)
		for i := range offers {
			if offers[i].Protocol == wire.ProtocolIKE && contains(&offers[i], want) {
				return p, answer(&offers[i], want), true
			}
		}
	}
	return ike.IKEProposal{}, wire.Proposal{}, false
}

// chooseESP is chooseIKE for child SAs; the second result is the peer's SPI.
func chooseESP(offers []wire.Proposal, accepted []ike.ESPProposal, withGroup bool) (ike.ESPProposal, ike.SPI, wire.Proposal, bool) {
	for _, p := range accepted {
		want := espTransforms(p, withGroup)
		for i := range offers {
			o := &offers[i]
			if o.Protocol != wire.ProtocolESP || len(o.SPI) != 4 || !contains(o, want) {
				continue
			}
			// RFC 4303 section 2.1: SPIs up to 255 are reserved.
			if spi := ike.SPI(binary.BigEndian.Uint32(o.SPI)); spi > engine.SPIReservedMax {
				return p, spi, answer(o, want), true
			}
		}
	}
	return ike.ESPProposal{}, 0, wire.Proposal{}, false
}

// acceptedESP are the proposals for a child SA that an initiator may have.
func acceptedESP(p *ike.Peer, offers []wire.Proposal) []ike.ESPProposal {
	for _, o := range offers {
		if i := slices.IndexFunc(o.Transforms, func(t wire.Transform) bool { return t.Type == wire.TransformESN }); i >= 0 {
			return engine.AlsoExtended(p.ESPProposals, o.Transforms[i].ID == wire.ESNExtended)
		}
	}
	return p.ESPProposals
}

func answer(offer *wire.Proposal, chosen []wire.Transform) wire.Proposal {
	return wire.Proposal{Number: offer.Number, Protocol: offer.Protocol, Transforms: chosen}
}

// contains reports whether an offer admits exactly the wanted transforms. RFC
// 7296 section 3.3.3: each type that is offered needs an answer, unless NONE is
// among what is offered. Peers that leave ESN out mean none.
func contains(offer *wire.Proposal, want []wire.Transform) bool {
	for _, w := range want {
		has := slices.ContainsFunc(offer.Transforms, func(t wire.Transform) bool { return sameTransform(t, w) })
		named := slices.ContainsFunc(offer.Transforms, func(t wire.Transform) bool { return t.Type == w.Type })
		if !has && (named || w.Type != wire.TransformESN || w.ID != wire.ESNNone) {
			return false
		}
	}
	for _, t := range offer.Transforms {
		answered := slices.ContainsFunc(want, func(w wire.Transform) bool { return w.Type == t.Type })
		optional := (t.Type == wire.TransformIntegrity || t.Type == wire.TransformGroup || isAdditional(t.Type)) &&
			slices.ContainsFunc(offer.Transforms, func(o wire.Transform) bool { return o.Type == t.Type && o.ID == 0 })
		if !answered && !optional {
			return false
		}
	}
	return true
}

// single reports whether a response chose: one proposal with one transform of
// each type. RFC 7296 section 3.3.6.
func single(sa *wire.SA) bool {
	if sa == nil || len(sa.Proposals) != 1 {
		return false
	}
	var seen [wire.TransformAdditionalLast + 1]bool
	for _, t := range sa.Proposals[0].Transforms {
		if int(t.Type) >= len(seen) || seen[t.Type] {
			return false
		}
		seen[t.Type] = true
	}
	return true
}
