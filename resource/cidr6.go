package resource

import (
	"net/netip"
)

// Lengths of IPv6 prefixes: those of VPCs here are /56, and subnets take them in
// steps of four bits (VPC user guide, "Subnet CIDR blocks").
const (
	VPCIPv6Bits = 56

	subnetIPv6BitsMin  = 44
	subnetIPv6BitsMax  = 64
	subnetIPv6BitsStep = 4
)

// ParseIPv6CIDR reads "2001:db8::/64". Bits behind the prefix are cleared. The
// parameter names the value in the error, which is an InvalidParameterValue.
func ParseIPv6CIDR(parameter, value string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(value)
	if err != nil || !p.Addr().Is6() || p.Addr().Is4In6() {
		return netip.Prefix{}, InvalidValue(parameter, value, "This is not a valid IPv6 CIDR block, such as 2001:db8:0:1::/64.")
	}
	return p.Masked(), nil
}

// ParseIPv6Address reads "2001:db8::4".
func ParseIPv6Address(parameter, value string) (netip.Addr, error) {
	a, err := netip.ParseAddr(value)
	if err != nil || !a.Is6() || a.Is4In6() || a.Zone() != "" {
		return netip.Addr{}, InvalidValue(parameter, value, "This is not a valid IPv6 address.")
	}
	return a, nil
}

// ValidateSubnetIPv6Range checks the IPv6 range of a subnet: of a length that
// subnets can have, inside one range of its VPC, and apart from the other subnets'.
func ValidateSubnetIPv6Range(vpc VPC, others []Subnet, p netip.Prefix) error {
	if p.Bits() < subnetIPv6BitsMin || p.Bits() > subnetIPv6BitsMax || p.Bits()%subnetIPv6BitsStep != 0 {
		return Errorf(CodeInvalidSubnetRange, "The CIDR '%s' is invalid: its size must be between /%d and /%d in steps of %d", p, subnetIPv6BitsMin, subnetIPv6BitsMax, subnetIPv6BitsStep)
	}
	if !vpc.Contains(p) {
		return Errorf(CodeInvalidSubnetRange, "The CIDR '%s' is invalid: it is not within a CIDR of %s (%s)", p, vpc.ID, vpc.ranges())
	}
	for _, other := range others {
		if theirs := AssociatedCIDR(other.IPv6); theirs.IsValid() && theirs.Overlaps(p) {
			return Errorf(CodeInvalidSubnetConflict, "The CIDR '%s' conflicts with another subnet: %s has %s", p, other.ID, theirs)
		}
	}
	return nil
}

// ValidateIPv6Address checks an IPv6 address that an interface of the subnet shall
// have: in the subnet's range and not one of the reserved, which are as many as
// IPv4's.
func (s *Subnet) ValidateIPv6Address(a netip.Addr) error {
	p := AssociatedCIDR(s.IPv6)
	if !p.IsValid() {
		return Errorf(CodeInvalidParameterValue, "Address %s: subnet %s has no IPv6 CIDR block", a, s.ID)
	}
	if !p.Contains(a) {
		return Errorf(CodeInvalidParameterValue, "Address %s does not fall within the subnet's address range %s", a, p)
	}
	first := p.Addr()
	for range subnetReservedFirst {
		if a == first {
			return reservedIPv6(a)
		}
		first = first.Next()
	}
	if !p.Contains(a.Next()) {
		return reservedIPv6(a)
	}
	return nil
}

func reservedIPv6(a netip.Addr) error {
	return Errorf(CodeInvalidParameterValue, "Address %s is in subnet's reserved address range: the first four addresses and the last are the network's own", a)
}

// IPv6AddressIn returns the address of a range whose bits behind the prefix are
// those of the host.
func IPv6AddressIn(p netip.Prefix, host [16]byte) netip.Addr {
	made := p.Masked().Addr().As16()
	for i := range made {
		mask := byte(0xff)
		switch whole := p.Bits() - 8*i; {
		case whole >= 8:
			mask = 0
		case whole > 0:
			mask >>= whole
		}
		made[i] |= host[i] & mask
	}
	return netip.AddrFrom16(made)
}

// FirstFreeIPv6Range returns the first range of a VPC's length in the pools that
// overlaps none of those in use; false if there is none.
func FirstFreeIPv6Range(pools []netip.Prefix, used []netip.Prefix) (netip.Prefix, bool) {
	taken := make(map[netip.Prefix]bool, len(used))
	for _, p := range used {
		taken[netip.PrefixFrom(p.Addr(), VPCIPv6Bits).Masked()] = true
	}
	for _, pool := range pools {
		for p := netip.PrefixFrom(pool.Masked().Addr(), VPCIPv6Bits); pool.Contains(p.Addr()); p = nextIPv6Range(p) {
			if !taken[p] {
				return p, true
			}
		}
	}
	return netip.Prefix{}, false
}

// nextIPv6Range is the range of a VPC's length behind p.
func nextIPv6Range(p netip.Prefix) netip.Prefix {
	a := p.Addr().As16()
	for i := VPCIPv6Bits/8 - 1; i >= 0; i-- {
		a[i]++
		if a[i] != 0 {
			break
		}
	}
	return netip.PrefixFrom(netip.AddrFrom16(a), VPCIPv6Bits)
}
