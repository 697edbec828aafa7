package wire

import (
	"encoding/binary"
	"fmt"
)

const (
	// Port is where BGP listens.
	Port = 179

	// HeaderLength and MessageMax bound a message in octets, RFC 4271 section 4.
	HeaderLength = 19
	MessageMax   = 4096
)

// Type is a message's.
type Type uint8

// Types of messages, RFC 4271 section 4.1 and RFC 2918 section 3.
const (
	TypeOpen         Type = 1
	TypeUpdate       Type = 2
	TypeNotification Type = 3
	TypeKeepalive    Type = 4
	TypeRouteRefresh Type = 5
)

func (t Type) String() string {
	switch t {
	case TypeOpen:
		return "OPEN"
	case TypeUpdate:
		return "UPDATE"
	case TypeNotification:
		return "NOTIFICATION"
	case TypeKeepalive:
		return "KEEPALIVE"
	case TypeRouteRefresh:
		return "ROUTE-REFRESH"
	}
	return fmt.Sprintf("message of type %d", uint8(t))
}

// A message begins with a header, RFC 4271 section 4.1:
//
//	[ marker 16 x ff | length 2 | type 1 ]
const (
	markerLength = 16
	lengthOffset = 16
	typeOffset   = 18
)

// Next cuts the first message off a stream: its type, its body, which is part of the
// stream, and how many octets of the stream it took. It took none as long as the
// message is not whole. The error is an *Error: RFC 4271 section 6.1.
func Next(stream []byte) (t Type, body []byte, taken int, err error) {
	for _, b := range stream[:min(len(stream), markerLength)] {
		if b != 0xff {
			return 0, nil, 0, &Error{Notification{CodeHeader, ConnectionNotSynchronized, nil}, "what the peer sends is not BGP: the marker of a message is wrong"}
		}
	}
	if len(stream) < HeaderLength {
		return 0, nil, 0, nil
	}
	t = Type(stream[typeOffset])
	field := stream[lengthOffset:typeOffset]
	length := int(binary.BigEndian.Uint16(field))
	least, most := HeaderLength, MessageMax
	switch t {
	case TypeOpen:
		least = HeaderLength + openLength
	case TypeUpdate:
		least = HeaderLength + updateLength
	case TypeNotification:
		least = HeaderLength + notificationLength
	case TypeKeepalive:
		most = HeaderLength
	case TypeRouteRefresh:
		least, most = HeaderLength+refreshLength, HeaderLength+refreshLength
	default:
		if length >= least && length <= most {
			return 0, nil, 0, &Error{Notification{CodeHeader, BadMessageType, []byte{byte(t)}}, fmt.Sprintf("the peer sent a message of the unknown type %d", uint8(t))}
		}
	}
	if length < least || length > most {
		return 0, nil, 0, &Error{Notification{CodeHeader, BadMessageLength, []byte{field[0], field[1]}}, fmt.Sprintf("the peer sent a message of a wrong length: %v of %d octets", t, length)}
	}
	if len(stream) < length {
		return 0, nil, 0, nil
	}
	return t, stream[HeaderLength:length], length, nil
}

// begin appends the header of a message, whose length end fills in.
func begin(dst []byte, t Type) []byte {
	for range markerLength {
		dst = append(dst, 0xff)
	}
	return append(dst, 0, 0, byte(t))
}

// end fills in the length of the message that begins at start.
func end(dst []byte, start int) []byte {
	binary.BigEndian.PutUint16(dst[start+lengthOffset:], uint16(len(dst)-start))
	return dst
}

// AppendKeepalive appends a KEEPALIVE.
func AppendKeepalive(dst []byte) []byte { return end(begin(dst, TypeKeepalive), len(dst)) }

// A Family is a kind of routes, RFC 4760 section 3.
type Family struct {
	AFI  uint16
	SAFI uint8
}

// IPv4Unicast is the only family that is spoken here.
var IPv4Unicast = Family{1, 1}

// A Refresh asks for all routes of a family once more, RFC 2918.
type Refresh struct{ Family Family }

// [ AFI 2 | reserved 1 | SAFI 1 ]
const refreshLength = 4

// ParseRefresh reads the body of a ROUTE-REFRESH. The reserved octet is a subtype only
// where RFC 7313 was agreed on, which we do not offer.
func ParseRefresh(body []byte) Refresh {
	return Refresh{Family{binary.BigEndian.Uint16(body), body[3]}}
}

// Append appends the message.
func (r Refresh) Append(dst []byte) []byte {
	start := len(dst)
	dst = binary.BigEndian.AppendUint16(begin(dst, TypeRouteRefresh), r.Family.AFI)
	return end(append(dst, 0, r.Family.SAFI), start)
}
