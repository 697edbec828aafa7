package wire

import (
	"encoding/binary"
	"fmt"
	"strings"

	"causeway.dev/ike"
)

// payloadsMax bounds the payloads of one message, or of one Encrypted payload.
// IKE_AUTH with a chain of certificates and every notification in use has about
// 30.
const payloadsMax = 64

// The generic payload header. RFC 7296 section 3.2.
//
//	+---------------+-+-------------+-------------------------------+
//	| Next Payload  |C|  RESERVED   |         Payload Length        |
//	+---------------+-+-------------+-------------------------------+
const (
	payloadHeaderLength = 4
	criticalBit         = 0x80
)

// A Message is one IKEv2 message. In a message whose payloads are protected the
// last payload is an [Encrypted] or a [Fragment].
type Message struct {
	Header   Header
	Payloads []Payload

	// Of a message that was protected: the type of the first payload inside, and
	// the octets of those payloads as they came. Append does not look at them.
	First  PayloadType
	Inside []byte
}

// A Payload is one of the payload types of this package, always a pointer.
type Payload interface {
	// PayloadType is the payload's number in the chain of payloads.
	PayloadType() PayloadType

	// String shows the payload in RFC 7296's notation.
	String() string

	// appendBody appends what follows the generic payload header.
	appendBody(dst []byte) []byte
}

// Parse reads an IKEv2 message. An error is always an *Error:
// INVALID_MAJOR_VERSION for any version but 2, UNSUPPORTED_CRITICAL_PAYLOAD
// with the payload's type, INVALID_SYNTAX otherwise.
func Parse(b []byte) (Message, error) {
	h, err := ParseHeader(b)
	if err != nil {
		return Message{}, err
	}
	if h.Major != 2 {
		return Message{}, &Error{Notify: InvalidMajorVersion, Problem: fmt.Sprintf("version %d.%d", h.Major, h.Minor)}
	}
	payloads, err := parseChain(h.NextPayload, b[HeaderLength:], true)
	if err != nil {
		return Message{}, err
	}
	return Message{Header: h, Payloads: payloads}, nil
}

// ParsePayloads reads the payloads that an Encrypted payload protected; first is
// its Next. Its errors are those of Parse.
func ParsePayloads(first PayloadType, b []byte) ([]Payload, error) {
	return parseChain(first, b, false)
}

// An InitOutline is what decides whether an IKE_SA_INIT request is worth being read.
type InitOutline struct {
	SA     bool // there is an SA payload
	Group  ike.Group
	Nonce  []byte
	Cookie []byte // nil for none
}

// OutlineInit finds that in a request, without allocating; false if something of it is
// missing, or if the payloads are not a chain. Of payloads that come twice the first
// counts. What else is in the message is not looked at.
func OutlineInit(b []byte) (o InitOutline, ok bool) {
	h, err := ParseHeader(b)
	if err != nil {
		return o, false
	}
	next, b := h.NextPayload, b[HeaderLength:]
	for count := 0; next != PayloadNone; count++ {
		if count == payloadsMax || len(b) < payloadHeaderLength {
			return o, false
		}
		length := int(binary.BigEndian.Uint16(b[2:]))
		if length < payloadHeaderLength || length > len(b) {
			return o, false
		}
		switch body := b[payloadHeaderLength:length]; {
		case next == PayloadSA:
			o.SA = true
		case next == PayloadKE && o.Group == 0 && len(body) > keHeaderLength:
			o.Group = ike.Group(binary.BigEndian.Uint16(body))
		case next == PayloadNonce && o.Nonce == nil && len(body) >= NonceLengthMin && len(body) <= NonceLengthMax:
			o.Nonce = body
		case next == PayloadNotify && o.Cookie == nil && len(body) > notifyHeaderLength:
			if NotifyType(binary.BigEndian.Uint16(body[2:])) == CookieNotify && body[1] == 0 {
				o.Cookie = body[notifyHeaderLength:]
			}
		}
		next, b = PayloadType(b[0]), b[length:]
	}
	return o, o.SA && o.Group != 0 && o.Nonce != nil
}

// AppendCookieDemand appends the answer to an IKE_SA_INIT request that its initiator is
// to send again with a cookie. RFC 7296 section 2.6.
func AppendCookieDemand(dst []byte, spii uint64, cookie []byte) []byte {
	start := len(dst)
	n := Notify{Type: CookieNotify, Data: cookie}
	dst = Header{SPIi: spii, NextPayload: PayloadNotify, Major: 2, Exchange: IKESAInit, Flags: FlagResponse}.Append(dst)
	payload := len(dst)
	dst = n.appendBody(append(dst, 0, 0, 0, 0))
	putLength(dst[payload:], 2)
	binary.BigEndian.PutUint32(dst[start+offsetLength:], uint32(len(dst)-start))
	return dst
}

func parseChain(next PayloadType, b []byte, outermost bool) ([]Payload, error) {
	var payloads []Payload
	for next != PayloadNone {
		if len(payloads) == payloadsMax {
			return nil, syntaxError("more than %d payloads", payloadsMax)
		}
		if len(b) < payloadHeaderLength {
			return nil, syntaxError("%d octets left for the header of %v", len(b), next)
		}
		length := int(binary.BigEndian.Uint16(b[2:]))
		if length < payloadHeaderLength || length > len(b) {
			return nil, syntaxError("%v says %d octets, %d are left", next, length, len(b))
		}
		following, critical, body := PayloadType(b[0]), b[1]&criticalBit != 0, b[payloadHeaderLength:length]
		if next == PayloadSK {
			// RFC 7296 section 3.14: it is the last, and its Next Payload
			// names what is inside.
			if !outermost || length != len(b) {
				return nil, syntaxError("%v is not the last of the message", next)
			}
			return append(payloads, &Encrypted{Next: following, Body: body}), nil
		}
		if next == PayloadSKF {
			// RFC 7383 section 2.5: as the Encrypted payload.
			if !outermost || length != len(b) {
				return nil, syntaxError("%v is not the last of the message", next)
			}
			f, err := parseFragment(following, body)
			if err != nil {
				return nil, err
			}
			return append(payloads, f), nil
		}
		p, err := parsePayload(next, critical, body)
		if err != nil {
			return nil, err
		}
		payloads = append(payloads, p)
		next, b = following, b[length:]
	}
	if len(b) != 0 {
		return nil, syntaxError("%d octets follow the last payload", len(b))
	}
	return payloads, nil
}

func parsePayload(t PayloadType, critical bool, body []byte) (Payload, error) {
	switch t {
	case PayloadSA:
		return parseSA(body)
	case PayloadKE:
		return parseKE(body)
	case PayloadIDi, PayloadIDr:
		return parseID(t, body)
	case PayloadAuth:
		return parseAuth(body)
	case PayloadNonce:
		return parseNonce(body)
	case PayloadNotify:
		return parseNotify(body)
	case PayloadDelete:
		return parseDelete(body)
	case PayloadVendorID:
		return &VendorID{Data: octets(body)}, nil
	case PayloadTSi, PayloadTSr:
		return parseTS(t, body)
	case PayloadCert:
		return parseCert(body)
	case PayloadCertReq:
		return parseCertReq(body)
	case PayloadCP, PayloadEAP:
	default:
		// RFC 7296 section 2.5: the critical bit counts only where the type
		// is not understood.
		if critical {
			return nil, &Error{Notify: UnsupportedCriticalPayload, Data: []byte{byte(t)}, Problem: t.String()}
		}
	}
	return &Raw{Type: t, Critical: critical, Body: octets(body)}, nil
}

// Append appends the message. Header.NextPayload and Header.Length are taken
// from the payloads, whatever the header says.
func (m Message) Append(dst []byte) []byte {
	start := len(dst)
	h := m.Header
	h.NextPayload = FirstPayload(m.Payloads)
	dst = AppendPayloads(h.Append(dst), m.Payloads)
	binary.BigEndian.PutUint32(dst[start+offsetLength:], uint32(len(dst)-start))
	return dst
}

// FirstPayload is the type that a chain of payloads is announced by.
func FirstPayload(payloads []Payload) PayloadType {
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
		dst = append(dst, byte(FirstPayload(payloads[i+1:])), 0, 0, 0)
		switch p := p.(type) {
		case *Encrypted:
			dst[start] = byte(p.Next)
		case *Fragment:
			dst[start] = byte(p.Next)
		case *Raw:
			if p.Critical {
				dst[start+1] = criticalBit
			}
		}
		dst = p.appendBody(dst)
		putLength(dst[start:], 2)
	}
	return dst
}

// String shows the message as RFC 7296 draws it: "IKE_SA_INIT request 0 …: SA,
// KE(14), Nonce".
func (m Message) String() string {
	names := make([]string, len(m.Payloads))
	for i, p := range m.Payloads {
		names[i] = p.String()
	}
	return m.Header.String() + ": " + strings.Join(names, ", ")
}

// putLength stores the length of b in its 16-bit length field at offset.
func putLength(b []byte, offset int) {
	if len(b) > 0xffff {
		panic("wire: structure longer than its length field can say")
	}
	binary.BigEndian.PutUint16(b[offset:], uint16(len(b)))
}

// octets makes an absent field and an empty one the same value, so that parsed
// messages compare.
func octets(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b[:len(b):len(b)]
}
