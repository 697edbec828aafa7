package isakmp

import (
	"encoding/binary"
	"fmt"
	"strings"

	"causeway.dev/ike/wire"
)

// An SA holds proposals in the sender's order of preference; in an answer the one
// that was chosen. RFC 2408 section 3.4, RFC 2407 section 4.6.1. The domain of
// interpretation is IPsec's, the situation SIT_IDENTITY_ONLY.
type SA struct{ Proposals []Proposal }

// A Proposal holds transforms of one protocol, of which one is to be chosen.
// Proposals of one number belong together: all of them are to be taken. RFC 2408
// section 3.5.
type Proposal struct {
	Number     uint8
	Protocol   wire.ProtocolID
	SPI        []byte // the sender's: 4 octets for ESP, and none or a cookie in phase 1
	Transforms []Transform
}

// A Transform is one combination of algorithms: all of its attributes are to be
// taken. RFC 2408 section 3.6.
type Transform struct {
	Number     uint8
	ID         uint8
	Attributes []Attribute
}

// An Attribute is one of a transform's values: of two octets, or of any length.
// RFC 2408 section 3.3.
type Attribute = wire.Attribute

// The substructures of an SA payload, after [ DOI 4 | situation 4 ].
//
//	[ next 1 | RESERVED 1 | length 2 | number 1 | protocol 1 | SPI size 1 | transforms 1 | SPI | … ]
//	[ next 1 | RESERVED 1 | length 2 | number 1 | ID 1 | RESERVED 2 | … ]
//	[ format bit and type 2 | value or length 2 | … ]
const (
	doiIPsec              = 1
	doiAny                = 0 // ISAKMP's own, in notifications
	situationIdentityOnly = 1

	saHeaderLength        = 8
	proposalHeaderLength  = 8
	transformHeaderLength = 8
	attributeHeaderLength = 4

	moreProposals  = 2
	moreTransforms = 3

	attributeShortBit = 0x8000

	// proposalsMax, transformsMax (of all proposals together) and attributesMax
	// (of a transform) bound what one payload may hold: each transform is
	// compared with all that a tunnel accepts.
	proposalsMax  = 64
	transformsMax = 255
	attributesMax = 16

	// valueLengthMax bounds what is read as a number.
	valueLengthMax = 8
)

func parseSA(b []byte) (*SA, error) {
	if len(b) < saHeaderLength {
		return nil, malformed("SA payload of %d octets", len(b))
	}
	if doi := binary.BigEndian.Uint32(b); doi != doiIPsec {
		return nil, &Error{Notify: DOINotSupported, Problem: fmt.Sprintf("domain of interpretation %d", doi)}
	}
	if situation := binary.BigEndian.Uint32(b[4:]); situation != situationIdentityOnly {
		return nil, &Error{Notify: SituationNotSupported, Problem: fmt.Sprintf("situation %d", situation)}
	}
	b = b[saHeaderLength:]
	sa, transforms := new(SA), 0
	for more := true; more; {
		if len(sa.Proposals) == proposalsMax {
			return nil, malformed("more than %d proposals", proposalsMax)
		}
		structure, rest, another, err := cut(b, proposalHeaderLength, moreProposals)
		if err != nil {
			return nil, err
		}
		p, err := parseProposal(structure)
		if err != nil {
			return nil, err
		}
		if transforms += len(p.Transforms); transforms > transformsMax {
			return nil, malformed("more than %d transforms", transformsMax)
		}
		sa.Proposals, b, more = append(sa.Proposals, p), rest, another
	}
	if len(b) != 0 {
		return nil, malformed("%d octets follow the last proposal", len(b))
	}
	return sa, nil
}

// cut takes a substructure off b, and says whether another is to follow.
func cut(b []byte, header int, next byte) (structure, rest []byte, more bool, err error) {
	if len(b) < header {
		return nil, nil, false, malformed("%d octets left for a proposal or transform", len(b))
	}
	length := int(binary.BigEndian.Uint16(b[2:]))
	if length < header || length > len(b) {
		return nil, nil, false, malformed("proposal or transform says %d octets, %d are left", length, len(b))
	}
	if b[0] != 0 && b[0] != next {
		return nil, nil, false, malformed("next-payload field %d of a proposal or transform", b[0])
	}
	return b[:length], b[length:], b[0] == next, nil
}

func parseProposal(b []byte) (Proposal, error) {
	p := Proposal{Number: b[4], Protocol: wire.ProtocolID(b[5])}
	spi, count := int(b[6]), int(b[7])
	b = b[proposalHeaderLength:]
	if spi > len(b) {
		return Proposal{}, malformed("proposal with an SPI of %d octets has %d", spi, len(b))
	}
	p.SPI, b = octets(b[:spi]), b[spi:]
	for i := range count {
		structure, rest, more, err := cut(b, transformHeaderLength, moreTransforms)
		if err != nil {
			return Proposal{}, err
		}
		if more != (i < count-1) {
			return Proposal{}, malformed("proposal's count of transforms and its last transform disagree")
		}
		t, err := parseTransform(structure)
		if err != nil {
			return Proposal{}, err
		}
		p.Transforms, b = append(p.Transforms, t), rest
	}
	if len(b) != 0 {
		return Proposal{}, malformed("%d octets follow the last transform", len(b))
	}
	return p, nil
}

func parseTransform(b []byte) (Transform, error) {
	attributes, err := ParseAttributes(b[transformHeaderLength:])
	if err != nil {
		return Transform{}, err
	}
	return Transform{Number: b[4], ID: b[5], Attributes: attributes}, nil
}

// ParseAttributes reads a list of attributes: of a transform, or of a
// RESPONDER-LIFETIME notification (RFC 2407 section 4.6.3.1).
func ParseAttributes(b []byte) ([]Attribute, error) {
	var attributes []Attribute
	for len(b) > 0 {
		if len(attributes) == attributesMax {
			return nil, malformed("more than %d attributes", attributesMax)
		}
		if len(b) < attributeHeaderLength {
			return nil, malformed("%d octets left for an attribute", len(b))
		}
		kind, value := binary.BigEndian.Uint16(b), b[2:4:4]
		a := Attribute{Type: kind &^ attributeShortBit, Short: kind&attributeShortBit != 0}
		b = b[attributeHeaderLength:]
		if !a.Short {
			length := int(binary.BigEndian.Uint16(value))
			if length > len(b) {
				return nil, malformed("attribute says %d octets, %d are left", length, len(b))
			}
			value, b = octets(b[:length]), b[length:]
		}
		a.Value = value
		attributes = append(attributes, a)
	}
	return attributes, nil
}

// ShortAttribute is an attribute of two octets.
func ShortAttribute(kind, value uint16) Attribute {
	return Attribute{Type: kind, Short: true, Value: binary.BigEndian.AppendUint16(nil, value)}
}

// LongAttribute is an attribute of four octets with their length.
func LongAttribute(kind uint16, value uint32) Attribute {
	return Attribute{Type: kind, Value: binary.BigEndian.AppendUint32(nil, value)}
}

// Number is an attribute's value as a number, whichever form it has; false if it
// is too long for one.
func Number(a Attribute) (uint64, bool) {
	if len(a.Value) > valueLengthMax {
		return 0, false
	}
	var n uint64
	for _, b := range a.Value {
		n = n<<8 | uint64(b)
	}
	return n, true
}

// Value returns the number of the transform's first attribute of a type; false if
// there is none.
func (t Transform) Value(kind uint16) (uint64, bool) {
	for _, a := range t.Attributes {
		if a.Type == kind {
			return Number(a)
		}
	}
	return 0, false
}

// PayloadType is SA.
func (*SA) PayloadType() PayloadType { return PayloadSA }

// String shows how much is proposed.
func (s *SA) String() string {
	proposals := make([]string, len(s.Proposals))
	for i, p := range s.Proposals {
		proposals[i] = fmt.Sprintf("%v x %d", p.Protocol, len(p.Transforms))
	}
	return "SA(" + strings.Join(proposals, "; ") + ")"
}

func (s *SA) appendBody(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, doiIPsec)
	dst = binary.BigEndian.AppendUint32(dst, situationIdentityOnly)
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
		panic("isakmp: proposal with more than its one-octet counts can say")
	}
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0, p.Number, byte(p.Protocol), byte(len(p.SPI)), byte(len(p.Transforms)))
	dst = append(dst, p.SPI...)
	for i, t := range p.Transforms {
		first := len(dst)
		dst = append(dst, 0, 0, 0, 0, t.Number, t.ID, 0, 0)
		dst = AppendAttributes(dst, t.Attributes)
		putLength(dst[first:])
		if i < len(p.Transforms)-1 {
			dst[first] = moreTransforms
		}
	}
	putLength(dst[start:])
	return dst
}

// AppendAttributes appends a list of attributes, as ParseAttributes reads it.
func AppendAttributes(dst []byte, attributes []Attribute) []byte {
	for _, a := range attributes {
		if a.Short {
			dst = binary.BigEndian.AppendUint16(dst, a.Type|attributeShortBit)
		} else {
			dst = binary.BigEndian.AppendUint16(dst, a.Type)
			dst = binary.BigEndian.AppendUint16(dst, uint16(len(a.Value)))
		}
		dst = append(dst, a.Value...)
	}
	return dst
}
