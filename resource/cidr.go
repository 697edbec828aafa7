package resource

import (
	"net/netip"
	"slices"
	"strings"
)

// Codes of ranges.
const (
	CodeInvalidVPCRange       Code = "InvalidVpc.Range"
	CodeInvalidSubnetRange    Code = "InvalidSubnet.Range"
	CodeInvalidSubnetConflict Code = "InvalidSubnet.Conflict"
)

// A VPC, its further ranges and a subnet have between 16 and 65,536 addresses.
const (
	vpcBitsMin = 16
	vpcBitsMax = 28
)

// ParseIPv4CIDR reads "10.0.0.0/16". Bits behind the prefix are cleared, as AWS
// does: "100.68.0.18/18" is 100.68.0.0/18. The parameter names the value in the
// error, which is an InvalidParameterValue.
func ParseIPv4CIDR(parameter, value string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(value)
	if err != nil || !p.Addr().Is4() {
		return netip.Prefix{}, InvalidValue(parameter, value, "This is not a valid IPv4 CIDR block, such as 10.0.0.0/16.")
	}
	return p.Masked(), nil
}

// ParseIPv4Address reads "10.0.1.4".
func ParseIPv4Address(parameter, value string) (netip.Addr, error) {
	a, err := netip.ParseAddr(value)
	if err != nil || !a.Is4() {
		return netip.Addr{}, InvalidValue(parameter, value, "This is not a valid IPv4 address.")
	}
	return a, nil
}

// neverInVPC are the ranges that hosts treat specially wherever they stand, so
// that no network can use them: "this network", loopback, link local, multicast
// and what is reserved above.
var neverInVPC = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("224.0.0.0/3"),
}

// privateFamilies are RFC 1918's ranges. AWS does not let one VPC mix them.
var privateFamilies = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.168.0.0/16"),
}

// ValidateVPCRange checks a range that a VPC shall have, private or not: /16 to
// /28 and nothing that hosts treat specially.
func ValidateVPCRange(p netip.Prefix) error {
	if p.Bits() < vpcBitsMin || p.Bits() > vpcBitsMax {
		return Errorf(CodeInvalidVPCRange, "The CIDR '%s' is invalid: its size must be between /%d and /%d", p, vpcBitsMin, vpcBitsMax)
	}
	for _, never := range neverInVPC {
		if p.Overlaps(never) {
			return Errorf(CodeInvalidVPCRange, "The CIDR '%s' is invalid: addresses of %s cannot be used in a network", p, never)
		}
	}
	return nil
}

// ValidateFurtherVPCRange checks a range that is added to a VPC's present ones:
// it overlaps none of them, and private ranges come from the family of the
// VPC's (AWS's "IPv4 CIDR block association restrictions").
func ValidateFurtherVPCRange(present []CIDRAssociation, p netip.Prefix) error {
	if err := ValidateVPCRange(p); err != nil {
		return err
	}
	for _, association := range present {
		if association.Prefix.Overlaps(p) {
			return Errorf(CodeInvalidVPCRange, "The CIDR '%s' conflicts with the VPC's CIDR '%s'", p, association.Prefix)
		}
	}
	for _, family := range privateFamilies {
		if family.Overlaps(p) && !family.Overlaps(present[0].Prefix) {
			return Errorf(CodeInvalidVPCRange, "The CIDR '%s' is restricted. Use a CIDR from the same private address range as the current VPC CIDR, or use a publicly-routable CIDR", p)
		}
	}
	return nil
}

// ValidateSubnetRange checks the range of a new subnet: /16 to /28, inside one
// range of its VPC, and apart from the VPC's other subnets.
func ValidateSubnetRange(vpc VPC, others []Subnet, p netip.Prefix) error {
	if p.Bits() < vpcBitsMin || p.Bits() > vpcBitsMax {
		return Errorf(CodeInvalidSubnetRange, "The CIDR '%s' is invalid: its size must be between /%d and /%d", p, vpcBitsMin, vpcBitsMax)
	}
	if !vpc.Contains(p) {
		return Errorf(CodeInvalidSubnetRange, "The CIDR '%s' is invalid: it is not within a CIDR of %s (%s)", p, vpc.ID, vpc.ranges())
	}
	for _, other := range others {
		if other.CIDR.Overlaps(p) {
			return Errorf(CodeInvalidSubnetConflict, "The CIDR '%s' conflicts with another subnet: %s has %s", p, other.ID, other.CIDR)
		}
	}
	return nil
}

// AssociatedCIDR returns the range among associations that is associated, the first
// one; zero for none.
func AssociatedCIDR(associations []CIDRAssociation) netip.Prefix {
	for _, association := range associations {
		if association.State == StateAssociated {
			return association.Prefix
		}
	}
	return netip.Prefix{}
}

// Contains tells whether one of the VPC's ranges, of either family, contains all of p.
func (v *VPC) Contains(p netip.Prefix) bool {
	return slices.ContainsFunc(slices.Concat(v.CIDRs, v.IPv6), func(association CIDRAssociation) bool {
		return association.Prefix.Bits() <= p.Bits() && association.Prefix.Contains(p.Addr())
	})
}

// ranges is for messages.
func (v *VPC) ranges() string {
	var texts []string
	for _, association := range slices.Concat(v.CIDRs, v.IPv6) {
		texts = append(texts, association.Prefix.String())
	}
	return strings.Join(texts, ", ")
}
