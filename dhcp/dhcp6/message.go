// Package dhcp6 tells hosts of IPv6 what is theirs: their addresses, as a DHCPv6 server
// does that knows one host by its MAC address (RFC 8415), and by router advertisements
// (RFC 4861) who their router is. It answers frames with frames: dhcp/listen has the
// sockets.
package dhcp6

import (
	"encoding/binary"
	"errors"
	"net/netip"
)

// A Message is what a client says, [ msg-type 1 | transaction-id 3 | options ] (RFC 8415
// section 8).
type Message struct {
	Type         Type
	ID           [3]byte // by which the client knows answers
	ClientID     []byte  // its DUID, which is returned to it; nil: not said
	ServerID     []byte  // the DUID of the server that it means; nil: any
	Associations []Association
	Wanted       []uint16 // the options that it wants to be told
	RapidCommit  bool     // it takes what it asks for without asking twice
}

// An Association is a client's name for addresses or prefixes that it has or wants.
type Association struct {
	Kind      uint16 // of the option that it came in
	ID        uint32
	Addresses []netip.Addr // that it has or would like; those of a delegation are not read
}

// Type is the kind of a message (RFC 8415 section 7.3).
type Type byte

// Types of messages.
const (
	Solicit            Type = 1
	Advertise          Type = 2
	Request            Type = 3
	Confirm            Type = 4
	Renew              Type = 5
	Rebind             Type = 6
	Reply              Type = 7
	Release            Type = 8
	Decline            Type = 9
	InformationRequest Type = 11
)

// Options (RFC 8415 section 21 and those named).
const (
	optionClientID    = 1
	optionServerID    = 2
	optionIANA        = 3 // addresses
	optionIATA        = 4 // temporary addresses
	optionIAAddress   = 5
	optionWanted      = 6
	optionPreference  = 7
	optionStatus      = 13
	optionRapidCommit = 14
	optionResolvers   = 23 // RFC 3646
	optionDomains     = 24 // RFC 3646
	optionIAPD        = 25 // delegated prefixes
	optionSNTP        = 31 // RFC 4075
	optionRefreshTime = 32
	optionNTP         = 56 // RFC 5908
)

// Lengths, in bytes.
const (
	messageHeader   = 4
	optionHeader    = 4
	addressLength   = 16
	iaHeader        = 12                // of IA_NA and IA_PD: IAID, T1, T2
	iaAddressLength = addressLength + 8 // with both lifetimes
	duidLengthMin   = 3                 // RFC 8415 section 11.1: a type, and 1 to 128 bytes
	duidLengthMax   = 130
)

// associationsMax is how many associations a client may have: more than any has.
const associationsMax = 8

// errMalformed says no more: nobody is told.
var errMalformed = errors.New("the message is malformed")

// Parse reads a client's message. Messages of servers and relays are read too; nobody
// answers them.
func Parse(b []byte) (Message, error) {
	var m Message
	if len(b) < messageHeader {
		return m, errMalformed
	}
	m.Type, m.ID = Type(b[0]), [3]byte(b[1:])
	err := eachOption(b[messageHeader:], m.read)
	return m, err
}

// eachOption calls f for options one after the other, each [ code 2 | length 2 | value ].
func eachOption(b []byte, f func(code uint16, value []byte) error) error {
	for len(b) > 0 {
		if len(b) < optionHeader {
			return errMalformed
		}
		code, length := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		b = b[optionHeader:]
		if length > len(b) {
			return errMalformed
		}
		if err := f(code, b[:length]); err != nil {
			return err
		}
		b = b[length:]
	}
	return nil
}

// read reads one option of the message. Of what may come once the first counts.
func (m *Message) read(code uint16, value []byte) error {
	switch code {
	case optionClientID:
		return readDUID(&m.ClientID, value)
	case optionServerID:
		return readDUID(&m.ServerID, value)
	case optionIANA, optionIATA, optionIAPD:
		a, err := readAssociation(code, value)
		if err != nil || len(m.Associations) == associationsMax {
			return errMalformed
		}
		m.Associations = append(m.Associations, a)
	case optionWanted:
		if len(value)%2 != 0 {
			return errMalformed
		}
		for ; len(value) > 0; value = value[2:] {
			m.Wanted = append(m.Wanted, binary.BigEndian.Uint16(value))
		}
	case optionRapidCommit:
		m.RapidCommit = true
	}
	return nil
}

func readDUID(duid *[]byte, value []byte) error {
	if len(value) < duidLengthMin || len(value) > duidLengthMax {
		return errMalformed
	}
	if *duid == nil {
		*duid = value
	}
	return nil
}

// readAssociation reads [ IAID 4 | T1 4 | T2 4 | options ]; IA_TA has no times.
func readAssociation(kind uint16, b []byte) (Association, error) {
	header := iaHeader
	if kind == optionIATA {
		header = 4
	}
	if len(b) < header {
		return Association{}, errMalformed
	}
	a := Association{Kind: kind, ID: binary.BigEndian.Uint32(b)}
	err := eachOption(b[header:], func(code uint16, value []byte) error {
		if code != optionIAAddress {
			return nil
		}
		if len(value) < iaAddressLength {
			return errMalformed
		}
		a.Addresses = append(a.Addresses, netip.AddrFrom16([16]byte(value)))
		return nil
	})
	return a, err
}
