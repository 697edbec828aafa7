package ikev2

import (
	"net/netip"

	"causeway.dev/ike/engine"
	"causeway.dev/ike/wire"
)

// offerSelectors is the TS payload for prefixes; none means any.
func offerSelectors(role wire.PayloadType, prefixes []netip.Prefix) *wire.TS {
	if len(prefixes) == 0 {
		prefixes = engine.AnyTraffic
	}
	ts := &wire.TS{Role: role}
	for _, p := range prefixes[:min(len(prefixes), engine.SelectorsMax)] {
		ts.Selectors = append(ts.Selectors, wire.PrefixSelector(p))
	}
	return ts
}

// narrow returns what an offered payload and the allowed prefixes have in common.
func narrow(offered *wire.TS, allowed []netip.Prefix) []netip.Prefix {
	if offered == nil {
		return nil
	}
	return engine.Narrow(offered.Selectors, allowed)
}
