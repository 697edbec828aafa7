package wire

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"net/netip"
)

// The attributes that mean something here, RFC 4271 section 5, RFC 4760 and RFC 6793.
// All others are passed over, and those that only matter inside of an AS with them.
type attributeType uint8

const (
	attributeOrigin         attributeType = 1
	attributeASPath         attributeType = 2
	attributeNextHop        attributeType = 3
	attributeMED            attributeType = 4
	attributeLocalPref      attributeType = 5
	attributeAtomic         attributeType = 6
	attributeAggregator     attributeType = 7
	attributeMPReach        attributeType = 14
	attributeMPUnreach      attributeType = 15
	attributeAS4Path        attributeType = 17
	attributeAS4Aggregator  attributeType = 18
	flagOptional            byte          = 0x80
	flagTransitive          byte          = 0x40
	flagExtended            byte          = 0x10
	segmentSet              byte          = 1
	segmentSequence         byte          = 2
	segmentConfedSequence   byte          = 3
	segmentConfedSet        byte          = 4
	segmentMax                            = 255 // ASNs in one segment
	attributeHeadLength                   = 3
	attributeExtendedLength               = 4
)

func (t attributeType) String() string {
	switch t {
	case attributeOrigin:
		return "ORIGIN"
	case attributeASPath:
		return "AS_PATH"
	case attributeNextHop:
		return "NEXT_HOP"
	case attributeMED:
		return "MULTI_EXIT_DISC"
	case attributeMPReach:
		return "MP_REACH_NLRI"
	case attributeMPUnreach:
		return "MP_UNREACH_NLRI"
	case attributeAS4Path:
		return "AS4_PATH"
	}
	return fmt.Sprintf("attribute %d", uint8(t))
}

// flags are what the optional and transitive bits of a known attribute have to be.
func (t attributeType) flags() (flags byte, known bool) {
	switch t {
	case attributeOrigin, attributeASPath, attributeNextHop, attributeLocalPref, attributeAtomic:
		return flagTransitive, true
	case attributeMED, attributeMPReach, attributeMPUnreach:
		return flagOptional, true
	case attributeAggregator, attributeAS4Path, attributeAS4Aggregator:
		return flagOptional | flagTransitive, true
	}
	return 0, false
}

// discarded reports whether an attribute is passed over where it is malformed, since
// no route depends on it: RFC 7606 sections 7.5 to 7.7, RFC 6793 section 6.
func (t attributeType) discarded() bool {
	switch t {
	case attributeLocalPref, attributeAtomic, attributeAggregator, attributeAS4Path, attributeAS4Aggregator:
		return true
	}
	return false
}

// An attributeParser reads the attributes of one UPDATE, as RFC 7606 has it.
type attributeParser struct {
	update *Update
	four   bool // ASNs of AS_PATH have four octets

	seen     [256]bool
	told     bool // by MP_REACH_NLRI
	withdraw bool // the routes that are told are to be treated as withdrawn
	path     []segment
	as4Path  []segment
	next     netip.Addr // of MP_REACH_NLRI
	as4      bool       // as4Path is there

	aggregated    bool // by an AS that AGGREGATOR has room for
	as4Aggregator bool // AS4_AGGREGATOR is there
}

// An attribute:
//
//	[ flags 1 | type 1 | length 1, or 2 where flagged | value n ]
func (a *attributeParser) parse(octets []byte) error {
	for len(octets) > 0 {
		head, length := attributeHeadLength, 0
		if octets[0]&flagExtended != 0 {
			head = attributeExtendedLength
		}
		if len(octets) >= head {
			length = int(octets[2])
			if head == attributeExtendedLength {
				length = int(binary.BigEndian.Uint16(octets[2:]))
			}
		}
		// RFC 7606 section 4: where attributes end is known all the same, and with it
		// which routes are concerned.
		if len(octets) < head+length {
			a.treatAsWithdraw("an attribute is longer than its place")
			return nil
		}
		if err := a.attribute(octets[0], attributeType(octets[1]), octets[head:head+length]); err != nil {
			return err
		}
		octets = octets[head+length:]
	}
	return nil
}

func (a *attributeParser) treatAsWithdraw(problem string) {
	a.withdraw = true
	a.update.Malformed = "the peer's UPDATE is malformed, the routes in it count as withdrawn: " + problem
}

// discard notes that an attribute was passed over.
func (a *attributeParser) discard(problem string) {
	if a.update.Malformed == "" {
		a.update.Malformed = "the peer's UPDATE is malformed, an attribute was passed over: " + problem
	}
}

func (a *attributeParser) attribute(flags byte, t attributeType, value []byte) error {
	want, known := t.flags()
	switch {
	case !known && flags&flagOptional == 0:
		return &Error{
			Notification{CodeUpdate, UnrecognizedWellKnown, appendAttribute(nil, flags&^flagExtended, t, value)},
			fmt.Sprintf("the peer's UPDATE has a well-known attribute of the unknown type %d", uint8(t)),
		}
	case !known:
		return nil
	case a.seen[t] && (t == attributeMPReach || t == attributeMPUnreach): // RFC 7606 section 3, g
		return malformedList(fmt.Sprintf("%v is there twice", t))
	case a.seen[t]:
		a.discard(fmt.Sprintf("%v is there twice", t))
		return nil
	}
	a.seen[t] = true
	problem := ""
	if flags&(flagOptional|flagTransitive) != want { // RFC 7606 section 3, c
		problem = "wrong flags"
	}
	if problem == "" || t == attributeMPReach || t == attributeMPUnreach { // what routes it is about has to be known
		wrong, err := a.value(t, value)
		if err != nil {
			return err
		}
		problem = cmp.Or(problem, wrong)
	}
	switch {
	case problem == "":
	case t.discarded():
		a.discard(fmt.Sprintf("%v has %s", t, problem))
	default:
		a.treatAsWithdraw(fmt.Sprintf("%v has %s", t, problem))
	}
	return nil
}

// value takes over what an attribute says. The problem completes "the attribute has …".
func (a *attributeParser) value(t attributeType, value []byte) (problem string, err error) {
	u := a.update
	switch t {
	case attributeOrigin: // RFC 7606 section 7.1
		if len(value) != 1 || value[0] > byte(OriginIncomplete) {
			return "an unknown value", nil
		}
		u.Origin = Origin(value[0])
	case attributeASPath: // RFC 7606 section 7.2
		a.path, problem = parsePath(value, a.four)
	case attributeNextHop: // RFC 7606 section 7.3
		if len(value) != 4 {
			return "a wrong length", nil
		}
		u.NextHop = netip.AddrFrom4([4]byte(value))
	case attributeMED: // RFC 7606 section 7.4
		if len(value) != 4 {
			return "a wrong length", nil
		}
		u.MED, u.HasMED = binary.BigEndian.Uint32(value), true
	case attributeAtomic:
		if len(value) != 0 {
			return "a wrong length", nil
		}
	case attributeAggregator:
		if a.four && len(value) != 8 || !a.four && len(value) != 6 {
			return "a wrong length", nil
		}
		a.aggregated = !a.four && binary.BigEndian.Uint16(value) != ASTrans
	case attributeAS4Path:
		if a.four { // RFC 6793 section 4.1: it is not for who reads AS_PATH whole
			return "", nil
		}
		a.as4Path, problem = parsePath(value, true)
		a.as4 = problem == ""
	case attributeAS4Aggregator:
		if !a.four && len(value) != 8 {
			return "a wrong length", nil
		}
		a.as4Aggregator = true
	case attributeMPReach:
		return "", a.reach(value)
	case attributeMPUnreach:
		return "", a.unreach(value)
	}
	return problem, nil
}

// reach reads MP_REACH_NLRI, RFC 4760 section 3. Other families than IPv4 unicast have
// not been agreed on; what is told of them is passed over unread.
//
//	[ AFI 2 | SAFI 1 | length 1 | next hop | reserved 1 | prefixes ]
func (a *attributeParser) reach(value []byte) error {
	if len(value) < 5 {
		return optionalError("MP_REACH_NLRI is too short")
	}
	if (Family{binary.BigEndian.Uint16(value), value[2]}) != IPv4Unicast {
		return nil
	}
	if value[3] != 4 || len(value) < 9 { // RFC 7606 section 7.11
		return optionalError("MP_REACH_NLRI has a next hop of a wrong length")
	}
	a.next, a.told = netip.AddrFrom4([4]byte(value[4:8])), len(value) > 9
	var err error
	a.update.Announced, err = parsePrefixes(a.update.Announced, value[9:], "announced")
	return err
}

// unreach reads MP_UNREACH_NLRI, RFC 4760 section 4.
//
//	[ AFI 2 | SAFI 1 | prefixes ]
func (a *attributeParser) unreach(value []byte) error {
	if len(value) < 3 {
		return optionalError("MP_UNREACH_NLRI is too short")
	}
	if (Family{binary.BigEndian.Uint16(value), value[2]}) != IPv4Unicast {
		return nil
	}
	a.update.EndOfRIB = len(value) == 3
	var err error
	a.update.Withdrawn, err = parsePrefixes(a.update.Withdrawn, value[3:], "withdrawn")
	return err
}

func optionalError(problem string) *Error {
	return &Error{Notification{CodeUpdate, OptionalAttributeError, nil}, "the peer's UPDATE is malformed: " + problem}
}

// finish puts together what the attributes say. announced: the message has routes
// outside of MP_REACH_NLRI.
func (a *attributeParser) finish(announced bool) error {
	u := a.update
	u.EndOfRIB = u.EndOfRIB && len(u.Withdrawn) == 0 && !announced && !a.told && !a.withdraw
	if announced || a.told {
		for _, t := range []attributeType{attributeOrigin, attributeASPath, attributeNextHop} {
			if !a.seen[t] && (t != attributeNextHop || announced) { // RFC 7606 section 3, d
				a.treatAsWithdraw(fmt.Sprintf("%v is missing", t))
			}
		}
	}
	if !announced && a.next.IsValid() {
		u.NextHop = a.next
	}
	path := a.path
	// RFC 6793 section 4.2.3: where somebody of two octets has aggregated later, what is
	// said in four octets is outdated.
	if a.as4 && !(a.aggregated && a.as4Aggregator) {
		path = mergePaths(path, a.as4Path)
	}
	u.Path, u.Sets = flatten(path)
	if !a.withdraw {
		return nil
	}
	// RFC 7606 section 5.2: routes may be missing that it is about.
	if len(u.Announced) == 0 && !a.seen[attributeMPReach] {
		return malformedList("it tells no route, and " + u.Malformed)
	}
	u.Withdrawn, u.Announced, u.Attributes = append(u.Withdrawn, u.Announced...), nil, Attributes{}
	return nil
}

// append appends the attributes, in the order of their types.
func (a Attributes) append(dst []byte, four bool) []byte {
	dst = appendAttribute(dst, flagTransitive, attributeOrigin, []byte{byte(a.Origin)})
	dst = appendAttribute(dst, flagTransitive, attributeASPath, appendPath(nil, a.Path, four))
	next := a.NextHop.As4()
	dst = appendAttribute(dst, flagTransitive, attributeNextHop, next[:])
	if a.HasMED {
		dst = appendAttribute(dst, flagOptional, attributeMED, binary.BigEndian.AppendUint32(nil, a.MED))
	}
	if !four && wide(a.Path) {
		dst = appendAttribute(dst, flagOptional|flagTransitive, attributeAS4Path, appendPath(nil, a.Path, true))
	}
	return dst
}

func appendAttribute(dst []byte, flags byte, t attributeType, value []byte) []byte {
	if len(value) > 255 {
		dst = binary.BigEndian.AppendUint16(append(dst, flags|flagExtended, byte(t)), uint16(len(value)))
	} else {
		dst = append(dst, flags, byte(t), byte(len(value)))
	}
	return append(dst, value...)
}
