package wire

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"net/netip"
	"slices"
	"strings"
)

// A TS lists the traffic of a child SA on the initiator's side (TSi) or on the
// responder's (TSr). RFC 7296 section 3.13.
type TS struct {
	Role      PayloadType // PayloadTSi or PayloadTSr
	Selectors []TrafficSelector
}

// A TrafficSelector is a range of addresses and ports. RFC 7296 section 3.13.1.
type TrafficSelector struct {
	Protocol           uint8 // IP protocol, zero for any
	StartPort, EndPort uint16
	Start, End         netip.Addr // inclusive, of one family, Start <= End
}

// The payload begins with [ number of selectors 1 | RESERVED 3 ]; a selector is
// [ type 1 | protocol 1 | length 2 | start port 2 | end port 2 | start | end ].
const (
	tsHeaderLength       = 4
	selectorHeaderLength = 8

	selectorIPv4Range = 7
	selectorIPv6Range = 8
)

// PrefixSelector selects all traffic of a prefix.
func PrefixSelector(p netip.Prefix) TrafficSelector {
	p = p.Masked()
	end := p.Addr().AsSlice()
	for i := p.Bits() / 8; i < len(end); i++ {
		end[i] |= 0xff >> max(0, p.Bits()-8*i)
	}
	last, _ := netip.AddrFromSlice(end)
	return TrafficSelector{EndPort: 0xffff, Start: p.Addr(), End: last}
}

// AllTraffic reports whether the selector admits every protocol and port of its
// addresses.
func (t TrafficSelector) AllTraffic() bool {
	return t.Protocol == 0 && t.StartPort == 0 && t.EndPort == 0xffff
}

// Prefixes returns the fewest prefixes that are together the selector's range of
// addresses: one for a prefix, at most 62 for IPv4 and 254 for IPv6.
func (t TrafficSelector) Prefixes() []netip.Prefix {
	var prefixes []netip.Prefix
	for start := t.Start; start.IsValid() && start.Compare(t.End) <= 0; {
		p := netip.PrefixFrom(start, start.BitLen()-trailingZeros(start))
		for PrefixSelector(p).End.Compare(t.End) > 0 {
			p = netip.PrefixFrom(start, p.Bits()+1)
		}
		prefixes = append(prefixes, p)
		start = PrefixSelector(p).End.Next()
	}
	return prefixes
}

// trailingZeros counts the zero bits at an address's end.
func trailingZeros(a netip.Addr) int {
	octets := a.AsSlice()
	for i, octet := range slices.Backward(octets) {
		if octet != 0 {
			return 8*(len(octets)-1-i) + bits.TrailingZeros8(octet)
		}
	}
	return a.BitLen()
}

// String shows the range as a prefix where it is one: "10.0.0.0/16", with
// protocol and ports where they are restricted: "10.0.0.1/32[6/80-80]".
func (t TrafficSelector) String() string {
	s := t.Start.String() + "-" + t.End.String()
	if p := t.Prefixes(); len(p) == 1 {
		s = p[0].String()
	}
	if !t.AllTraffic() {
		s += fmt.Sprintf("[%d/%d-%d]", t.Protocol, t.StartPort, t.EndPort)
	}
	return s
}

func parseTS(role PayloadType, b []byte) (*TS, error) {
	if len(b) < tsHeaderLength {
		return nil, syntaxError("%v payload of %d octets", role, len(b))
	}
	ts, count := &TS{Role: role}, int(b[0])
	b = b[tsHeaderLength:]
	for range count {
		if len(b) < selectorHeaderLength {
			return nil, syntaxError("%d octets left for a traffic selector", len(b))
		}
		length := int(binary.BigEndian.Uint16(b[2:]))
		if length < selectorHeaderLength || length > len(b) {
			return nil, syntaxError("traffic selector says %d octets, %d are left", length, len(b))
		}
		selector, known, err := parseSelector(b[:length])
		if err != nil {
			return nil, err
		}
		// RFC 7296 section 2.9: a type that is not understood is as if it
		// were not there, and never part of what is chosen.
		if known {
			ts.Selectors = append(ts.Selectors, selector)
		}
		b = b[length:]
	}
	if len(b) != 0 {
		return nil, syntaxError("%d octets follow the last traffic selector", len(b))
	}
	return ts, nil
}

func parseSelector(b []byte) (t TrafficSelector, known bool, err error) {
	kind := b[0]
	t.Protocol = b[1]
	t.StartPort, t.EndPort = binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint16(b[6:])
	b = b[selectorHeaderLength:]
	switch {
	case kind == selectorIPv4Range && len(b) == 2*4:
		t.Start, t.End = netip.AddrFrom4([4]byte(b)), netip.AddrFrom4([4]byte(b[4:]))
	case kind == selectorIPv6Range && len(b) == 2*16:
		t.Start, t.End = netip.AddrFrom16([16]byte(b)), netip.AddrFrom16([16]byte(b[16:]))
	case kind == selectorIPv4Range, kind == selectorIPv6Range:
		return t, false, syntaxError("traffic selector of type %d with %d octets of addresses", kind, len(b))
	default:
		return t, false, nil
	}
	if t.End.Less(t.Start) {
		return t, false, syntaxError("traffic selector from %v back to %v", t.Start, t.End)
	}
	return t, true, nil
}

// PayloadType is TSi or TSr.
func (t *TS) PayloadType() PayloadType { return t.Role }

// String shows the selectors.
func (t *TS) String() string {
	selectors := make([]string, len(t.Selectors))
	for i, s := range t.Selectors {
		selectors[i] = s.String()
	}
	return fmt.Sprintf("%v(%s)", t.Role, strings.Join(selectors, " "))
}

func (t *TS) appendBody(dst []byte) []byte {
	if len(t.Selectors) > 255 {
		panic("wire: more traffic selectors than their one-octet count can say")
	}
	dst = append(dst, byte(len(t.Selectors)), 0, 0, 0)
	for _, s := range t.Selectors {
		start, kind := len(dst), byte(selectorIPv6Range)
		if s.Start.Is4() {
			kind = selectorIPv4Range
		}
		dst = append(dst, kind, s.Protocol, 0, 0)
		dst = binary.BigEndian.AppendUint16(dst, s.StartPort)
		dst = binary.BigEndian.AppendUint16(dst, s.EndPort)
		dst = append(append(dst, s.Start.AsSlice()...), s.End.AsSlice()...)
		putLength(dst[start:], 2)
	}
	return dst
}
