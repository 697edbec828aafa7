package isakmp

import (
	"encoding/binary"
	"fmt"
	"strings"

	"causeway.dev/ike/wire"
)

// payloadsMax bounds the payloads of one message. A first message with every
// vendor id that is in use has about 30, a chain of certificates few more.
const payloadsMax = 64

// The generic payload header. RFC 2408 section 3.2.
//
//	+---------------+---------------+-------------------------------+
//	| Next Payload  |   RESERVED    |         Payload Length        |
//	+---------------+---------------+-------------------------------+
const payloadHeaderLength = 4

// A Message is one IKEv1 message that is not encrypted, or no longer.
type Message struct {
	Header   wire.Header
	Payloads []Payload
}

// A Payload is one of the payload types of this package, always a pointer.
type Payload interface {
	// PayloadType is the payload's number in the chain of payloads.
	PayloadType() PayloadType

	// String shows the payload in RFC 2409's notation.
	String() string

	// appendBody appends what follows the generic payload header.
	appendBody(dst []byte) []byte
}

// Parse reads a message that is not encrypted. Its errors are those of the
// header, or an *Error.
func Parse(b []byte) (Message, error) {
	h, err := wire.ParseHeader(b)
	if err != nil {
		return Message{}, err
	}
	if h.Major != 1 || h.Flags&FlagEncryption != 0 {
		return Message{}, malformed("version %d, flags %#x", h.Major, h.Flags)
	}
	payloads, length, err := ParsePayloads(PayloadType(h.NextPayload), b[wire.HeaderLength:])
	if err != nil {
		return Message{}, err
	}
	if length != len(b)-wire.HeaderLength {
		return Message{}, malformed("%d octets follow the last payload", len(b)-wire.HeaderLength-length)
	}
	return Message{Header: h, Payloads: payloads}, nil
}

// ParsePayloads reads a chain of payloads; first is the type of its first. What
// follows the chain is an encrypted message's padding: length is that of the
// chain. An error is always an *Error.
func ParsePayloads(first PayloadType, b []byte) (payloads []Payload, length int, err error) {
	err = walk(first, b, func(t PayloadType, payload []byte) error {
		p, err := parsePayload(t, payload[payloadHeaderLength:])
		if err != nil {
			return err
		}
		payloads = append(payloads, p)
		length += len(payload)
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	return payloads, length, nil
}

// Body returns the body of the first payload of a type in a chain, as it came:
// the proofs of phase 1 cover the octets of some. It is empty if there is none.
func Body(first PayloadType, chain []byte, want PayloadType) []byte {
	var body []byte
	// Whoever parses the same chain learns what is wrong with it.
	_ = walk(first, chain, func(t PayloadType, payload []byte) error {
		if t == want && body == nil {
			body = payload[payloadHeaderLength:]
		}
		return nil
	})
	return body
}

// walk calls visit for each payload of a chain, with its generic header.
func walk(next PayloadType, b []byte, visit func(t PayloadType, payload []byte) error) error {
	for count := 0; next != PayloadNone; count++ {
		if count == payloadsMax {
			return malformed("more than %d payloads", payloadsMax)
		}
		if len(b) < payloadHeaderLength {
			return malformed("%d octets left for the header of %v", len(b), next)
		}
		length := int(binary.BigEndian.Uint16(b[2:]))
		if length < payloadHeaderLength || length > len(b) {
			return malformed("%v says %d octets, %d are left", next, length, len(b))
		}
		if err := visit(next, b[:length:length]); err != nil {
			return err
		}
		next, b = PayloadType(b[0]), b[length:]
	}
	return nil
}

func parsePayload(t PayloadType, body []byte) (Payload, error) {
	switch t {
	case PayloadSA:
		return parseSA(body)
	case PayloadKE:
		return &KE{Data: octets(body)}, nil
	case PayloadID:
		return parseID(body)
	case PayloadCert, PayloadCertReq:
		return parseCert(t, body)
	case PayloadHash:
		return &Hash{Data: octets(body)}, nil
	case PayloadSignature:
		return &Signature{Data: octets(body)}, nil
	case PayloadNonce:
		return parseNonce(body)
	case PayloadNotify:
		return parseNotify(body)
	case PayloadDelete:
		return parseDelete(body)
	case PayloadVendorID:
		return &VendorID{Data: octets(body)}, nil
	case PayloadNATD, PayloadNATDDraft:
		return &NATD{Type: t, Hash: octets(body)}, nil
	}
	return &Raw{Type: t, Body: octets(body)}, nil
}

// Append appends the message. Header.NextPayload and Header.Length are taken from
// the payloads, whatever the header says.
func (m Message) Append(dst []byte) []byte {
	h := m.Header
	chain := AppendPayloads(nil, m.Payloads)
	h.NextPayload = wire.PayloadType(First(m.Payloads))
	h.Length = uint32(wire.HeaderLength + len(chain))
	return append(h.Append(dst), chain...)
}

// First is the type that a chain of payloads is announced by.
func First(payloads []Payload) PayloadType {
	if len(payloads) == 0 {
		return PayloadNone
	}
	return payloads[0].PayloadType()
}

// AppendPayloads appends a chain of payloads, as ParsePayloads reads it. It
// panics if a payload does not fit into the 65,535 octets of its length field.
func AppendPayloads(dst []byte, payloads []Payload) []byte {
	for i, p := range payloads {
		start := len(dst)
		dst = p.appendBody(append(dst, byte(First(payloads[i+1:])), 0, 0, 0))
		putLength(dst[start:])
	}
	return dst
}

// String shows the message as RFC 2409 draws it: "main mode, SPIs … …: SA, VID".
func (m Message) String() string {
	names := make([]string, len(m.Payloads))
	for i, p := range m.Payloads {
		names[i] = p.String()
	}
	return Describe(m.Header) + ": " + strings.Join(names, ", ")
}

// Describe shows a header of IKEv1 in one line.
func Describe(h wire.Header) string {
	encrypted := ""
	if h.Flags&FlagEncryption != 0 {
		encrypted = " encrypted"
	}
	return fmt.Sprintf("%s %08x%s, SPIs %016x %016x", ExchangeName(h.Exchange), h.MessageID, encrypted, h.SPIi, h.SPIr)
}

// ExchangeName is the name of an exchange of IKEv1.
func ExchangeName(t wire.ExchangeType) string { return name(exchangeNames, t, "exchange") }

// putLength stores the length of a structure in its 16-bit length field, which
// is at the same place in all of them.
func putLength(b []byte) {
	if len(b) > 0xffff {
		panic("isakmp: structure longer than its length field can say")
	}
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
}

// octets makes an absent field and an empty one the same value, so that parsed
// messages compare.
func octets(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b[:len(b):len(b)]
}
