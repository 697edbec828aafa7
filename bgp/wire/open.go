package wire

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"
)

// Version is BGP's.
const Version = 4

// ASTrans stands where an ASN of four octets has no place, RFC 6793 section 9.
const ASTrans = 23456

// An Open begins a session: RFC 4271 section 4.2.
type Open struct {
	ASN        uint32 // of four octets, by its capability, or of two
	HoldTime   time.Duration
	Identifier netip.Addr

	// Capabilities, RFC 5492. WithoutCapabilities is set to send none, to peers that
	// refuse them all.
	WithoutCapabilities bool
	FourOctetASN        bool     // RFC 6793; ASN was told so
	RouteRefresh        bool     // RFC 2918
	Families            []Family // RFC 4760; none: IPv4 unicast, without a word of it
	Restart             *Restart // RFC 4724; nil: no graceful restart
}

// A Restart is the capability of graceful restart, RFC 4724 section 3.
type Restart struct {
	Restarted bool          // the R bit: the sender has begun anew, do not wait for its End-of-RIB
	Time      time.Duration // how long its restart may take: up to 4095 s
	IPv4      bool          // IPv4 unicast is among the families
	Forwarded bool          // the F bit of IPv4 unicast: packets went on meanwhile
}

// Has reports whether routes of a family can be told.
func (o Open) Has(f Family) bool {
	for _, have := range o.Families {
		if have == f {
			return true
		}
	}
	return len(o.Families) == 0 && f == IPv4Unicast
}

// The body of an OPEN:
//
//	[ version 1 | my AS 2 | hold time 2 | identifier 4 | length of parameters 1 | parameters n ]
//
// and a parameter, of which there is one type that means something:
//
//	[ type 1 | length 1 | capabilities n ]    capability: [ code 1 | length 1 | value n ]
//
// RFC 9072: where the length of parameters is 255 and the first type 255, a length of
// two octets follows, and parameters have lengths of two octets.
const (
	openLength           = 10
	parameterCapability  = 2
	parametersExtended   = 255
	capabilityMP         = 1
	capabilityRefresh    = 2
	capabilityRestart    = 64
	capabilityFourOctet  = 65
	restartFlag          = 0x8000
	restartTimeMask      = 0x0fff
	forwardedFlag        = 0x80
	restartFamilyLength  = 4
	restartHeadLength    = 2
	familyLength         = 4
	parameterHeadLength  = 2
	capabilityHeadLength = 2
)

// RestartTimeMax is the longest time that the capability can tell.
const RestartTimeMax = restartTimeMask * time.Second

// ParseOpen reads the body of an OPEN. What it says is checked as far as nothing but
// the message is needed for it: RFC 4271 section 6.2.
func ParseOpen(body []byte) (Open, error) {
	if body[0] != Version {
		return Open{}, &Error{
			Notification{CodeOpen, UnsupportedVersion, []byte{0, Version}},
			fmt.Sprintf("the peer speaks BGP version %d, only %d is known", body[0], Version),
		}
	}
	o := Open{
		ASN:        uint32(binary.BigEndian.Uint16(body[1:])),
		HoldTime:   time.Duration(binary.BigEndian.Uint16(body[3:])) * time.Second,
		Identifier: netip.AddrFrom4([4]byte(body[5:9])),
	}
	parameters, headLength, ok := cutParameters(body)
	for ok && len(parameters) > 0 {
		if ok = len(parameters) >= headLength; !ok {
			break
		}
		kind, length := parameters[0], int(parameters[1])
		if headLength > parameterHeadLength {
			length = int(binary.BigEndian.Uint16(parameters[1:]))
		}
		if ok = len(parameters) >= headLength+length; !ok {
			break
		}
		if kind != parameterCapability {
			return Open{}, &Error{Notification{CodeOpen, UnsupportedOptionalParameter, nil}, fmt.Sprintf("the peer's OPEN has a parameter of the unknown type %d", kind)}
		}
		if err := o.parseCapabilities(parameters[headLength : headLength+length]); err != nil {
			return Open{}, err
		}
		parameters = parameters[headLength+length:]
	}
	if !ok {
		return Open{}, malformedOpen("its parameters are longer than their place")
	}
	return o, nil
}

// cutParameters returns the parameters of an OPEN and the length of the head of each.
func cutParameters(body []byte) (parameters []byte, headLength int, ok bool) {
	length, parameters := int(body[openLength-1]), body[openLength:]
	if length > 0 && len(parameters) >= 3 && parameters[0] == parametersExtended {
		return parameters[3:], parameterHeadLength + 1, len(parameters)-3 == int(binary.BigEndian.Uint16(parameters[1:]))
	}
	return parameters, parameterHeadLength, length == len(parameters)
}

func malformedOpen(problem string) *Error {
	return &Error{Notification{CodeOpen, OpenUnspecific, nil}, "the peer's OPEN is malformed: " + problem}
}

// parseCapabilities reads the capabilities of one parameter. RFC 5492 section 4: those
// that are unknown are ignored; several of one kind are taken together.
func (o *Open) parseCapabilities(octets []byte) error {
	for len(octets) > 0 {
		if len(octets) < capabilityHeadLength || len(octets) < capabilityHeadLength+int(octets[1]) {
			return malformedOpen("a capability is longer than its place")
		}
		value := octets[capabilityHeadLength : capabilityHeadLength+int(octets[1])]
		switch octets[0] {
		case capabilityMP:
			if len(value) != familyLength {
				return malformedOpen("the capability of multiprotocol extensions has a wrong length")
			}
			o.Families = append(o.Families, Family{binary.BigEndian.Uint16(value), value[3]})
		case capabilityRefresh:
			o.RouteRefresh = true
		case capabilityFourOctet:
			if len(value) != 4 {
				return malformedOpen("the capability of four-octet AS numbers has a wrong length")
			}
			o.ASN, o.FourOctetASN = binary.BigEndian.Uint32(value), true
		case capabilityRestart:
			if len(value) < restartHeadLength || (len(value)-restartHeadLength)%restartFamilyLength != 0 {
				return malformedOpen("the capability of graceful restart has a wrong length")
			}
			o.Restart = parseRestart(value)
		}
		octets = octets[capabilityHeadLength+len(value):]
	}
	return nil
}

func parseRestart(value []byte) *Restart {
	head := binary.BigEndian.Uint16(value)
	r := &Restart{Restarted: head&restartFlag != 0, Time: time.Duration(head&restartTimeMask) * time.Second}
	for rest := value[restartHeadLength:]; len(rest) > 0; rest = rest[restartFamilyLength:] {
		if (Family{binary.BigEndian.Uint16(rest), rest[2]}) == IPv4Unicast {
			r.IPv4, r.Forwarded = true, rest[3]&forwardedFlag != 0
		}
	}
	return r
}

// Append appends the message.
func (o Open) Append(dst []byte) []byte {
	start := len(dst)
	two := uint16(ASTrans)
	if o.ASN <= 0xffff {
		two = uint16(o.ASN)
	}
	dst = binary.BigEndian.AppendUint16(append(begin(dst, TypeOpen), Version), two)
	dst = binary.BigEndian.AppendUint16(dst, uint16(o.HoldTime/time.Second))
	id := o.Identifier.As4()
	dst = append(append(dst, id[:]...), 0)
	if o.WithoutCapabilities {
		return end(dst, start)
	}
	length := len(dst) - 1
	dst = append(dst, parameterCapability, 0)
	for _, f := range o.Families {
		dst = f.appendCapability(dst)
	}
	if o.RouteRefresh {
		dst = append(dst, capabilityRefresh, 0)
	}
	if o.FourOctetASN {
		dst = binary.BigEndian.AppendUint32(append(dst, capabilityFourOctet, 4), o.ASN)
	}
	if o.Restart != nil {
		dst = o.Restart.append(dst)
	}
	dst[length], dst[length+2] = byte(len(dst)-length-1), byte(len(dst)-length-3)
	return end(dst, start)
}

func (f Family) appendCapability(dst []byte) []byte {
	return append(binary.BigEndian.AppendUint16(append(dst, capabilityMP, familyLength), f.AFI), 0, f.SAFI)
}

// UnsupportedFamily is what a peer is owed that does not offer a family.
func UnsupportedFamily(f Family) Notification {
	return Notification{CodeOpen, UnsupportedCapability, f.appendCapability(nil)}
}

func (r Restart) append(dst []byte) []byte {
	head := uint16(min(r.Time, RestartTimeMax) / time.Second)
	if r.Restarted {
		head |= restartFlag
	}
	if !r.IPv4 {
		return binary.BigEndian.AppendUint16(append(dst, capabilityRestart, restartHeadLength), head)
	}
	flags := byte(0)
	if r.Forwarded {
		flags = forwardedFlag
	}
	dst = binary.BigEndian.AppendUint16(append(dst, capabilityRestart, restartHeadLength+restartFamilyLength), head)
	return append(binary.BigEndian.AppendUint16(dst, IPv4Unicast.AFI), IPv4Unicast.SAFI, flags)
}
