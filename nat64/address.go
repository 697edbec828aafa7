// Package nat64 translates packets between hosts of IPv6 and hosts of IPv4, so that
// behind it everything is IPv4: headers as RFC 7915 says, addresses as RFC 6052. It is
// pure, and has no state but which host of IPv6 is known by which address of IPv4;
// ports and connections are left to a translator of IPv4 behind it.
package nat64

import (
	"fmt"
	"net/netip"
)

// reservedByte of an address is zero wherever the prefix ends (RFC 6052 section 2.2).
const reservedByte = 8

// CheckPrefix says what keeps a prefix from embedding addresses of IPv4 (RFC 6052
// section 2.2).
func CheckPrefix(p netip.Prefix) error {
	switch p.Bits() {
	case 32, 40, 48, 56, 64, 96:
	default:
		return fmt.Errorf("a prefix of %d bits embeds no IPv4 addresses", p.Bits())
	}
	if raw := p.Addr().As16(); !p.Addr().Is6() || p.Addr().Is4In6() || p != p.Masked() || raw[reservedByte] != 0 {
		return fmt.Errorf("%v is no prefix that embeds IPv4 addresses", p)
	}
	return nil
}

// Embed returns the IPv6 address that stands for one of IPv4 under a prefix that
// CheckPrefix accepts.
func Embed(p netip.Prefix, a netip.Addr) netip.Addr {
	raw, four := p.Addr().As16(), a.As4()
	at := p.Bits() / 8
	for _, octet := range four {
		if at == reservedByte {
			at++
		}
		raw[at] = octet
		at++
	}
	return netip.AddrFrom16(raw)
}

// Embedded returns the IPv4 address that one of IPv6 under a prefix stands for; false
// where it is not under it. What is behind the IPv4 address does not matter.
func Embedded(p netip.Prefix, a netip.Addr) (netip.Addr, bool) {
	if !a.Is6() || !p.Contains(a) {
		return netip.Addr{}, false
	}
	raw, at := a.As16(), p.Bits()/8
	var four [4]byte
	for i := range four {
		if at == reservedByte {
			at++
		}
		four[i] = raw[at]
		at++
	}
	return netip.AddrFrom4(four), true
}
