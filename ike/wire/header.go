package wire

import (
	"encoding/binary"
	"fmt"
)

// The ISAKMP header, common to IKEv1 and IKEv2. RFC 7296 section 3.1.
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-------------------------------+-------------------------------+
//	|                  SPI of the IKE SA's initiator                |
//	|                                                               |
//	|                  SPI of the IKE SA's responder                |
//	|                                                               |
//	+---------------+-------+-------+---------------+---------------+
//	| Next Payload  | Major | Minor | Exchange Type |     Flags     |
//	+---------------+-------+-------+---------------+---------------+
//	|                          Message ID                           |
//	|                            Length                             |
//	+---------------------------------------------------------------+
const (
	offsetSPIi        = 0
	offsetSPIr        = 8
	offsetNextPayload = 16
	offsetVersion     = 17
	offsetExchange    = 18
	offsetFlags       = 19
	offsetMessageID   = 20
	offsetLength      = 24

	// HeaderLength is the length of the fixed header in octets.
	HeaderLength = 28
)

// A Header is the fixed header of a message.
type Header struct {
	// SPIi and SPIr name the IKE SA; SPIr is zero in the first request.
	SPIi, SPIr uint64

	NextPayload  PayloadType // set by Append of a Message
	Major, Minor uint8       // 2 and 0 for IKEv2
	Exchange     ExchangeType
	Flags        Flags
	MessageID    uint32
	Length       uint32 // octets of the whole message; set by Append of a Message
}

// Flags are the header's flags. RFC 7296 section 3.1.
type Flags uint8

// Header flags. FlagInitiator marks messages of the IKE SA's original
// initiator, whoever began the exchange; FlagVersion is ignored by receivers.
const (
	FlagInitiator Flags = 1 << 3
	FlagVersion   Flags = 1 << 4
	FlagResponse  Flags = 1 << 5
)

// Initiator reports whether the sender is the IKE SA's original initiator.
func (f Flags) Initiator() bool { return f&FlagInitiator != 0 }

// Response reports whether the message answers a request.
func (f Flags) Response() bool { return f&FlagResponse != 0 }

// ParseHeader reads the header of any ISAKMP message, whatever its version. It
// checks only that the octets are at least those of a header and that they are
// as many as the header says.
func ParseHeader(b []byte) (Header, error) {
	if len(b) < HeaderLength {
		return Header{}, syntaxError("message of %d octets, the header alone has %d", len(b), HeaderLength)
	}
	h := Header{
		SPIi:        binary.BigEndian.Uint64(b[offsetSPIi:]),
		SPIr:        binary.BigEndian.Uint64(b[offsetSPIr:]),
		NextPayload: PayloadType(b[offsetNextPayload]),
		Major:       b[offsetVersion] >> 4,
		Minor:       b[offsetVersion] & 0x0f,
		Exchange:    ExchangeType(b[offsetExchange]),
		Flags:       Flags(b[offsetFlags]),
		MessageID:   binary.BigEndian.Uint32(b[offsetMessageID:]),
		Length:      binary.BigEndian.Uint32(b[offsetLength:]),
	}
	if uint64(h.Length) != uint64(len(b)) {
		return Header{}, syntaxError("header says %d octets, the message has %d", h.Length, len(b))
	}
	return h, nil
}

// Append appends the header as it stands.
func (h Header) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, h.SPIi)
	dst = binary.BigEndian.AppendUint64(dst, h.SPIr)
	dst = append(dst, byte(h.NextPayload), h.Major<<4|h.Minor&0x0f, byte(h.Exchange), byte(h.Flags))
	dst = binary.BigEndian.AppendUint32(dst, h.MessageID)
	return binary.BigEndian.AppendUint32(dst, h.Length)
}

// String shows the header in one line: "IKE_AUTH request 1 from the initiator,
// SPIs 0011223344556677 8899aabbccddeeff".
func (h Header) String() string {
	kind, side := "request", "responder"
	if h.Flags.Response() {
		kind = "response"
	}
	if h.Flags.Initiator() {
		side = "initiator"
	}
	return fmt.Sprintf("%v %s %d from the %s, SPIs %016x %016x", h.Exchange, kind, h.MessageID, side, h.SPIi, h.SPIr)
}
