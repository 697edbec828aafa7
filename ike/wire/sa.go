package wire

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// An SA holds proposals in the sender's order of preference; in a response the
// one that was chosen. RFC 7296 section 3.3.
type SA struct{ Proposals []Proposal }

// A Proposal is a set of transforms of which one of each type is to be chosen.
// RFC 7296 section 3.3.1.
type Proposal struct {
	Number     uint8 // 1 for the first
	Protocol   ProtocolID
	SPI        []byte // the sender's: none in IKE_SA_INIT, 8 octets for IKE, 4 for ESP
	Transforms []Transform
}

// A Transform is one algorithm. RFC 7296 section 3.3.2.
type Transform struct {
	Type TransformType
	ID   uint16 // IANA number within the type

	// KeyLength is the Key Length attribute in bits, zero if absent.
	KeyLength uint16

	// Unrecognized are attributes other than Key Length. RFC 7296 section
	// 3.3.6: a transform that has one is not to be chosen.
	Unrecognized []Attribute
}

// An Attribute refines a transform. RFC 7296 section 3.3.5.
type Attribute struct {
	Type  uint16 // without the format bit
	Short bool   // two octets of value without a length
	Value []byte
}

// The substructures of an SA payload.
//
//	[ last or more 1 | RESERVED 1 | length 2 | number 1 | protocol 1 | SPI size 1 | transforms 1 | SPI | … ]
//	[ last or more 1 | RESERVED 1 | length 2 | type 1 | RESERVED 1 | ID 2 | … ]
//	[ format bit and type 2 | value or length 2 | … ]
const (
	proposalHeaderLength  = 8
	transformHeaderLength = 8
	attributeHeaderLength = 4

	moreProposals  = 2
	moreTransforms = 3

	attributeKeyLength = 14
	attributeShortBit  = 0x8000

	// proposalsMax, transformsMax (of all proposals together) and attributesMax
	// (of a transform) bound what one payload may hold: each transform is
	// compared with all that a tunnel accepts. A peer that offers all it knows
	// has some 50.
	proposalsMax  = 64
	transformsMax = 512
	attributesMax = 8

	spiLength = 4 // of ESP and AH
)

func parseSA(b []byte) (*SA, error) {
	sa, transforms := new(SA), 0
	for more := true; more; {
		if len(sa.Proposals) == proposalsMax {
			return nil, syntaxError("more than %d proposals", proposalsMax)
		}
		if len(b) < proposalHeaderLength {
			return nil, syntaxError("%d octets left for a proposal", len(b))
		}
		length := int(binary.BigEndian.Uint16(b[2:]))
		if length < proposalHeaderLength || length > len(b) {
			return nil, syntaxError("proposal says %d octets, %d are left", length, len(b))
		}
		p, err := parseProposal(b[:length])
		if err != nil {
			return nil, err
		}
		sa.Proposals = append(sa.Proposals, p)
		if transforms += len(p.Transforms); transforms > transformsMax {
			return nil, syntaxError("more than %d transforms", transformsMax)
		}
		if more, err = parseMore(b[0], moreProposals); err != nil {
			return nil, err
		}
		b = b[length:]
	}
	if len(b) != 0 {
		return nil, syntaxError("%d octets follow the last proposal", len(b))
	}
	return sa, nil
}

// parseMore reads the first octet of a substructure: whether another follows.
func parseMore(octet, more byte) (bool, error) {
	if octet != 0 && octet != more {
		return false, syntaxError("last-substructure field %d", octet)
	}
	return octet == more, nil
}

func parseProposal(b []byte) (Proposal, error) {
	p := Proposal{Number: b[4], Protocol: ProtocolID(b[5])}
	spi, count := int(b[6]), int(b[7])
	b = b[proposalHeaderLength:]
	if spi > len(b) {
		return Proposal{}, syntaxError("proposal with an SPI of %d octets has %d", spi, len(b))
	}
	p.SPI, b = octets(b[:spi]), b[spi:]
	for i := range count {
		if len(b) < transformHeaderLength {
			return Proposal{}, syntaxError("%d octets left for a transform", len(b))
		}
		length := int(binary.BigEndian.Uint16(b[2:]))
		if length < transformHeaderLength || length > len(b) {
			return Proposal{}, syntaxError("transform says %d octets, %d are left", length, len(b))
		}
		more, err := parseMore(b[0], moreTransforms)
		if err != nil {
			return Proposal{}, err
		}
		if more != (i < count-1) {
			return Proposal{}, syntaxError("proposal's count of transforms and its last transform disagree")
		}
		t, err := parseTransform(b[:length])
		if err != nil {
			return Proposal{}, err
		}
		p.Transforms, b = append(p.Transforms, t), b[length:]
	}
	if len(b) != 0 {
		return Proposal{}, syntaxError("%d octets follow the last transform", len(b))
	}
	return p, nil
}

func parseTransform(b []byte) (Transform, error) {
	t := Transform{Type: TransformType(b[4]), ID: binary.BigEndian.Uint16(b[6:])}
	b = b[transformHeaderLength:]
	for range attributesMax {
		if len(b) == 0 {
			return t, nil
		}
		if len(b) < attributeHeaderLength {
			return Transform{}, syntaxError("%d octets left for an attribute", len(b))
		}
		kind := binary.BigEndian.Uint16(b)
		a := Attribute{Type: kind &^ attributeShortBit, Short: kind&attributeShortBit != 0}
		rest := b[attributeHeaderLength:]
		if a.Short {
			a.Value = b[2:4:4]
		} else {
			length := int(binary.BigEndian.Uint16(b[2:]))
			if length > len(rest) {
				return Transform{}, syntaxError("attribute says %d octets, %d are left", length, len(rest))
			}
			a.Value, rest = octets(rest[:length]), rest[length:]
		}
		b = rest
		bits := uint16(0)
		if a.Type == attributeKeyLength && a.Short {
			bits = binary.BigEndian.Uint16(a.Value)
		}
		if bits == 0 || t.KeyLength != 0 {
			t.Unrecognized = append(t.Unrecognized, a)
			continue
		}
		t.KeyLength = bits
	}
	if len(b) != 0 {
		return Transform{}, syntaxError("more than %d attributes", attributesMax)
	}
	return t, nil
}

// PayloadType is SA.
func (*SA) PayloadType() PayloadType { return PayloadSA }

// String shows every proposal.
func (s *SA) String() string {
	proposals := make([]string, len(s.Proposals))
	for i, p := range s.Proposals {
		proposals[i] = p.String()
	}
	return "SA(" + strings.Join(proposals, "; ") + ")"
}

// String shows the transforms: "ESP: ENCR 12/128, INTEG 12, ESN 0".
func (p Proposal) String() string {
	transforms := make([]string, len(p.Transforms))
	for i, t := range p.Transforms {
		transforms[i] = t.String()
	}
	return fmt.Sprintf("%v: %s", p.Protocol, strings.Join(transforms, ", "))
}

// String shows the type, the number and the key length.
func (t Transform) String() string {
	if t.KeyLength != 0 {
		return fmt.Sprintf("%v %d/%d", t.Type, t.ID, t.KeyLength)
	}
	return fmt.Sprintf("%v %d", t.Type, t.ID)
}

func (s *SA) appendBody(dst []byte) []byte {
	for i, p := range s.Proposals {
		start := len(dst)
		dst = p.append(dst)
		if i < len(s.Proposals)-1 {
			dst[start] = moreProposals
		}
	}
	return dst
}

func (p Proposal) append(dst []byte) []byte {
	if len(p.SPI) > 255 || len(p.Transforms) > 255 {
		panic("wire: proposal with more than its one-octet counts can say")
	}
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0, p.Number, byte(p.Protocol), byte(len(p.SPI)), byte(len(p.Transforms)))
	dst = append(dst, p.SPI...)
	for i, t := range p.Transforms {
		first := len(dst)
		dst = t.append(dst)
		if i < len(p.Transforms)-1 {
			dst[first] = moreTransforms
		}
	}
	putLength(dst[start:], 2)
	return dst
}

func (t Transform) append(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0, byte(t.Type), 0)
	dst = binary.BigEndian.AppendUint16(dst, t.ID)
	if t.KeyLength != 0 {
		dst = binary.BigEndian.AppendUint16(dst, attributeKeyLength|attributeShortBit)
		dst = binary.BigEndian.AppendUint16(dst, t.KeyLength)
	}
	for _, a := range t.Unrecognized {
		if a.Short {
			dst = binary.BigEndian.AppendUint16(dst, a.Type|attributeShortBit)
			dst = append(dst, a.Value...)
			continue
		}
		dst = binary.BigEndian.AppendUint16(dst, a.Type)
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(a.Value)))
		dst = append(dst, a.Value...)
	}
	putLength(dst[start:], 2)
	return dst
}
