package engine

import (
	"net/netip"
	"slices"

	"causeway.dev/ike/wire"
)

// SelectorsMax bounds the prefixes of one side of a child SA, since the data path
// compares each packet with them, and the selectors of a peer that are looked at:
// one range of IPv6 may stand for 254 prefixes.
const SelectorsMax = 32

// AnyTraffic are the prefixes that no prefixes stand for.
var AnyTraffic = []netip.Prefix{
	netip.PrefixFrom(netip.IPv4Unspecified(), 0),
	netip.PrefixFrom(netip.IPv6Unspecified(), 0),
}

// Narrow returns what the offered selectors and the allowed prefixes have in
// common; no prefixes allow any. RFC 7296 section 2.9: the responder may choose a
// subset. Selectors of single protocols or ports are left out, since a tunnel
// carries all of its prefixes' traffic: a peer that begins its list with the
// packet that caused the negotiation offers the whole next to it.
func Narrow(offered []wire.TrafficSelector, allowed []netip.Prefix) []netip.Prefix {
	if len(allowed) == 0 {
		allowed = AnyTraffic
	}
	var common []netip.Prefix
	for _, o := range offered[:min(len(offered), SelectorsMax)] {
		if !o.AllTraffic() {
			continue
		}
		for _, a := range allowed {
			limit := wire.PrefixSelector(a)
			if limit.Start.BitLen() != o.Start.BitLen() {
				continue
			}
			common = append(common, wire.TrafficSelector{
				Start: later(o.Start, limit.Start),
				End:   earlier(o.End, limit.End),
			}.Prefixes()...)
		}
	}
	return simplify(common)
}

func later(a, b netip.Addr) netip.Addr {
	if a.Less(b) {
		return b
	}
	return a
}

func earlier(a, b netip.Addr) netip.Addr {
	if a.Less(b) {
		return a
	}
	return b
}

// simplify drops prefixes that others contain and keeps the widest if there are
// too many.
func simplify(prefixes []netip.Prefix) []netip.Prefix {
	slices.SortStableFunc(prefixes, func(a, b netip.Prefix) int { return a.Bits() - b.Bits() })
	var kept []netip.Prefix
	for _, p := range prefixes {
		covered := slices.ContainsFunc(kept, func(k netip.Prefix) bool { return k.Overlaps(p) })
		if !covered && len(kept) < SelectorsMax {
			kept = append(kept, p)
		}
	}
	return kept
}
