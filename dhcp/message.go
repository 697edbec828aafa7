// Package dhcp answers hosts that ask for their address, as a DHCPv4 server does that
// knows one host by its MAC address (RFC 2131, 2132). It answers bytes with bytes:
// dhcp/listen has the sockets.
package dhcp

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
)

// A Message is what a client says. One that Parse returns is a request of a client on
// Ethernet.
type Message struct {
	Type       Type
	ID         uint32     // by which the client knows answers
	Broadcast  bool       // it takes no answers to an address that it has not got yet
	Client     netip.Addr // the address that it uses already; 0.0.0.0 for none
	Relay      netip.Addr // who has passed it on; 0.0.0.0 for nobody
	MAC        [6]byte
	Requested  netip.Addr // the address that it wants; zero: not said
	Server     netip.Addr // the server that it means; zero: any
	Parameters []byte     // the options that it wants to be told
	ClientID   []byte     // returned to it (RFC 6842)
	LengthMax  int        // of a message that it takes; 0: not said
}

// Type is the kind of a message (RFC 2132 section 9.6).
type Type byte

// Types of messages.
const (
	Discover Type = 1
	Offer    Type = 2
	Request  Type = 3
	Decline  Type = 4
	ACK      Type = 5
	NAK      Type = 6
	Release  Type = 7
	Inform   Type = 8
)

// The fixed part of a message, RFC 2131 section 2:
//
//	[ op 1 | htype 1 | hlen 1 | hops 1 | xid 4 | secs 2 | flags 2 |
//	  ciaddr 4 | yiaddr 4 | siaddr 4 | giaddr 4 | chaddr 16 | sname 64 | file 128 | magic cookie 4 ]
const (
	atID     = 4
	atFlags  = 10
	atClient = 12
	atYours  = 16
	atRelay  = 24
	atMAC    = 28
	atSname  = 44
	atFile   = 108
	atCookie = 236
	atOption = 240
)

const (
	bootRequest, bootReply = 1, 2
	ethernet               = 1
	macLength              = 6
	flagBroadcast          = 1 << 15
	cookie                 = 0x63825363
)

// Options (RFC 2132 and those named).
const (
	optionPad          = 0
	optionSubnetMask   = 1
	optionRouter       = 3
	optionResolvers    = 6
	optionHostName     = 12
	optionDomain       = 15
	optionMTU          = 26
	optionBroadcast    = 28
	optionTimeServers  = 42
	optionNetBIOS      = 44
	optionNetBIOSNode  = 46
	optionRequested    = 50
	optionLease        = 51
	optionOverload     = 52
	optionType         = 53
	optionServer       = 54
	optionParameters   = 55
	optionText         = 56
	optionLengthMax    = 57
	optionRenewal      = 58
	optionRebinding    = 59
	optionClientID     = 61
	optionStaticRoutes = 121 // RFC 3442
	optionEnd          = 255
)

// errMalformed says no more: nobody is told.
var errMalformed = errors.New("the message is malformed")

// Parse reads a client's message. What is of other kinds of networks, or no request, is
// an error.
func Parse(b []byte) (Message, error) {
	var m Message
	if len(b) < atOption || b[0] != bootRequest || b[1] != ethernet || b[2] != macLength || binary.BigEndian.Uint32(b[atCookie:]) != cookie {
		return m, errMalformed
	}
	m.ID = binary.BigEndian.Uint32(b[atID:])
	m.Broadcast = binary.BigEndian.Uint16(b[atFlags:])&flagBroadcast != 0
	m.Client, m.Relay = addressAt(b, atClient), addressAt(b, atRelay)
	m.MAC = [6]byte(b[atMAC:])
	options, err := readOptions(b)
	if err != nil {
		return m, err
	}
	kind, err := fixed(options, optionType, 1)
	if err != nil || kind == nil {
		return m, errMalformed
	}
	m.Type = Type(kind[0])
	if m.Requested, err = options.address(optionRequested); err != nil {
		return m, err
	}
	if m.Server, err = options.address(optionServer); err != nil {
		return m, err
	}
	length, err := fixed(options, optionLengthMax, 2)
	if err != nil {
		return m, err
	}
	if length != nil {
		m.LengthMax = int(binary.BigEndian.Uint16(length))
	}
	m.Parameters, m.ClientID = options[optionParameters], options[optionClientID]
	return m, nil
}

func addressAt(b []byte, at int) netip.Addr { return netip.AddrFrom4([4]byte(b[at:])) }

type options map[byte][]byte

// readOptions reads the options, also those that overload other fields, which come
// after the others (RFC 2131 section 4.1). An option that comes in parts is one (RFC
// 3396).
func readOptions(b []byte) (options, error) {
	o := options{}
	if err := o.read(b[atOption:]); err != nil {
		return nil, err
	}
	overload, err := fixed(o, optionOverload, 1)
	if err != nil || overload == nil {
		return o, err
	}
	if overload[0]&1 != 0 {
		err = o.read(b[atFile:atCookie])
	}
	if overload[0]&2 != 0 && err == nil {
		err = o.read(b[atSname:atFile])
	}
	return o, err
}

func (o options) read(b []byte) error {
	for len(b) > 0 {
		code := b[0]
		b = b[1:]
		switch code {
		case optionPad:
			continue
		case optionEnd:
			return nil
		}
		if len(b) == 0 || len(b) <= int(b[0]) {
			return errMalformed
		}
		length := int(b[0])
		o[code] = append(slices.Clip(o[code]), b[1:1+length]...)
		b = b[1+length:]
	}
	return nil
}

// fixed returns an option of a fixed length, nil if it is not there.
func fixed(o options, code byte, length int) ([]byte, error) {
	value, ok := o[code]
	if !ok {
		return nil, nil
	}
	if len(value) != length {
		return nil, errMalformed
	}
	return value, nil
}

func (o options) address(code byte) (netip.Addr, error) {
	value, err := fixed(o, code, 4)
	if err != nil || value == nil {
		return netip.Addr{}, err
	}
	return netip.AddrFrom4([4]byte(value)), nil
}
