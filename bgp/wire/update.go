package wire

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
)

// An Update takes routes back and tells new ones: RFC 4271 section 4.3. A prefix that
// is in both is announced.
type Update struct {
	Withdrawn  []netip.Prefix
	Announced  []netip.Prefix
	Attributes // of what is announced

	// EndOfRIB says that all routes of IPv4 unicast have been told, and nothing else:
	// RFC 4724 section 2.
	EndOfRIB bool

	// Malformed is what is wrong with the message where that does not end the session:
	// RFC 7606. In one sentence; empty where nothing is. Routes that are told by such a
	// message are among the withdrawn ones, unless what is wrong has no bearing on them.
	Malformed string
}

// Attributes are those of routes, as far as they mean something here.
type Attributes struct {
	// Path is the ASNs that the routes have come through, the last one first. An AS_SET
	// is one of them, 0, which is no AS: it counts as one.
	Path []uint32
	Sets []uint32 // members of the path's AS_SETs

	Origin  Origin
	NextHop netip.Addr // of IPv4
	MED     uint32
	HasMED  bool
}

// Origin is how a route came into BGP; the lower one is preferred.
type Origin uint8

// Origins, RFC 4271 section 4.3.
const (
	OriginIGP        Origin = 0
	OriginEGP        Origin = 1
	OriginIncomplete Origin = 2
)

// The body of an UPDATE:
//
//	[ length 2 | withdrawn prefixes | length 2 | attributes | announced prefixes ]
//
// with prefixes, whose addresses have as many octets as they need:
//
//	[ bits 1 | address 0-4 ]
const updateLength = 4

// ParseUpdate reads the body of an UPDATE; ASNs in paths have four octets, or two.
// RFC 7606: the error, an *Error, is what the session can't survive; anything else
// that is wrong is told in Malformed.
func ParseUpdate(body []byte, fourOctetASN bool) (Update, error) {
	var u Update
	withdrawn, rest, ok := cutField(body)
	if !ok {
		return u, malformedList("the withdrawn routes are longer than the message")
	}
	octets, announced, ok := cutField(rest)
	if !ok {
		return u, malformedList("the attributes are longer than the message")
	}
	if len(withdrawn) == 0 && len(octets) == 0 && len(announced) == 0 {
		u.EndOfRIB = true
		return u, nil
	}
	var err error
	if u.Withdrawn, err = parsePrefixes(u.Withdrawn, withdrawn, "withdrawn"); err != nil {
		return Update{}, err
	}
	a := attributeParser{update: &u, four: fourOctetASN}
	if err := a.parse(octets); err != nil {
		return Update{}, err
	}
	if u.Announced, err = parsePrefixes(u.Announced, announced, "announced"); err != nil {
		return Update{}, err
	}
	return u, a.finish(len(announced) > 0)
}

// cutField cuts off a field that begins with its length of two octets.
func cutField(b []byte) (field, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	length := int(binary.BigEndian.Uint16(b))
	if len(b)-2 < length {
		return nil, nil, false
	}
	return b[2 : 2+length], b[2+length:], true
}

func malformedList(problem string) *Error {
	return &Error{Notification{CodeUpdate, MalformedAttributeList, nil}, "the peer's UPDATE is malformed: " + problem}
}

// parsePrefixes appends a field of prefixes. RFC 7606 section 5.3: one that is too
// long, or longer than the field, makes the field incorrect, and the session ends.
func parsePrefixes(dst []netip.Prefix, field []byte, which string) ([]netip.Prefix, error) {
	count := 0
	for rest := field; len(rest) > 0; count++ {
		bits := int(rest[0])
		length := lengthOf(bits)
		if bits > 32 || len(rest) < length {
			return nil, &Error{Notification{CodeUpdate, InvalidNetworkField, nil}, fmt.Sprintf("the peer's UPDATE is malformed: a %s prefix of %d bits does not fit", which, bits)}
		}
		rest = rest[length:]
	}
	dst = slices.Grow(dst, count)
	for len(field) > 0 {
		bits := int(field[0])
		length := lengthOf(bits)
		var address [4]byte
		copy(address[:], field[1:length])
		dst = append(dst, netip.PrefixFrom(netip.AddrFrom4(address), bits).Masked())
		field = field[length:]
	}
	return dst, nil
}

func appendPrefixes(dst []byte, prefixes []netip.Prefix) []byte {
	for _, p := range prefixes {
		address := p.Addr().As4()
		dst = append(append(dst, byte(p.Bits())), address[:Length(p)-1]...)
	}
	return dst
}

// Append appends the message, in which ASNs have four octets or two. It is too long
// unless the prefixes fit: see [Attributes.Room].
func (u Update) Append(dst []byte, fourOctetASN bool) []byte {
	start := len(dst)
	dst = begin(dst, TypeUpdate)
	at := len(dst)
	dst = appendPrefixes(append(dst, 0, 0), u.Withdrawn)
	binary.BigEndian.PutUint16(dst[at:], uint16(len(dst)-at-2))
	at = len(dst)
	dst = append(dst, 0, 0)
	if len(u.Announced) > 0 {
		dst = u.Attributes.append(dst, fourOctetASN)
		binary.BigEndian.PutUint16(dst[at:], uint16(len(dst)-at-2))
	}
	return end(appendPrefixes(dst, u.Announced), start)
}

// WithdrawRoom is how many octets a message has for withdrawn prefixes, if it tells no others.
const WithdrawRoom = MessageMax - HeaderLength - updateLength

// Room is how many octets a message with the attributes has for announced prefixes,
// if it withdraws none; see [Length].
func (a Attributes) Room() int {
	return WithdrawRoom - max(len(a.append(nil, true)), len(a.append(nil, false)))
}

// Length is how many octets a prefix takes in a message.
func Length(p netip.Prefix) int { return lengthOf(p.Bits()) }

func lengthOf(bits int) int { return 1 + (bits+7)/8 }
