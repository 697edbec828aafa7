package resource

import (
	"errors"
	"net/netip"
	"testing"
)

func prefixes(texts ...string) (all []netip.Prefix) {
	for _, s := range texts {
		all = append(all, netip.MustParsePrefix(s))
	}
	return all
}

func TestFirstFreeIPv6Range(t *testing.T) {
	for _, test := range []struct {
		pools, used []netip.Prefix
		want        string
	}{
		{prefixes("2001:db8::/32"), nil, "2001:db8::/56"},
		{prefixes("2001:db8::/32"), prefixes("2001:db8::/56", "2001:db8:0:100::/56"), "2001:db8:0:200::/56"},
		{prefixes("2001:db8:0:ff00::/56", "2001:db8:1::/48"), prefixes("2001:db8:0:ff00::/56", "2001:db8:1::/56"), "2001:db8:1:100::/56"},
		{prefixes("2001:db8::/56", "fd00::/48"), prefixes("2001:db8::/56"), "fd00::/56"},
		{prefixes("2001:db8::/56"), prefixes("2001:db8::/56"), "invalid Prefix"},
		{nil, nil, "invalid Prefix"},
	} {
		got, ok := FirstFreeIPv6Range(test.pools, test.used)
		if got.String() != test.want || ok != got.IsValid() {
			t.Errorf("of %v without %v: %v, %v, want %s", test.pools, test.used, got, ok, test.want)
		}
	}
}

func TestIPv6AddressIn(t *testing.T) {
	ones := [16]byte{}
	for i := range ones {
		ones[i] = 0xff
	}
	for text, want := range map[string]string{
		"2001:db8:0:1::/64": "2001:db8:0:1:ffff:ffff:ffff:ffff", "2001:db8::/60": "2001:db8:0:f:ffff:ffff:ffff:ffff",
	} {
		if got := IPv6AddressIn(netip.MustParsePrefix(text), ones); got.String() != want {
			t.Errorf("in %s: %v, want %s", text, got, want)
		}
	}
}

func TestSubnetIPv6Ranges(t *testing.T) {
	vpc := VPC{Meta: Meta{ID: "vpc-1"}, IPv6: []CIDRAssociation{{Prefix: netip.MustParsePrefix("2001:db8::/56"), State: StateAssociated}}}
	others := []Subnet{{IPv6: []CIDRAssociation{{Prefix: netip.MustParsePrefix("2001:db8:0:1::/64"), State: StateAssociated}}}, {}}
	for text, code := range map[string]Code{
		"2001:db8:0:2::/64": "", "2001:db8:0:f0::/60": "", "2001:db8::/56": CodeInvalidSubnetConflict, "2001:db8:0:1::/64": CodeInvalidSubnetConflict,
		"2001:db8::/62": CodeInvalidSubnetRange, "2001:db8:0:2::/68": CodeInvalidSubnetRange, "2001:db8:0:100::/64": CodeInvalidSubnetRange, "2001:db8::/52": CodeInvalidSubnetRange,
	} {
		err := ValidateSubnetIPv6Range(vpc, others, netip.MustParsePrefix(text))
		if got := codeOf(err); got != code {
			t.Errorf("%s: %v, want %q", text, err, code)
		}
	}
}

func TestIPv6AddressesOfASubnet(t *testing.T) {
	subnet := Subnet{IPv6: []CIDRAssociation{{Prefix: netip.MustParsePrefix("2001:db8:0:1::/64"), State: StateAssociated}}}
	for text, valid := range map[string]bool{
		"2001:db8:0:1::": false, "2001:db8:0:1::3": false, "2001:db8:0:1::4": true, "2001:db8:0:1:ffff:ffff:ffff:fffe": true,
		"2001:db8:0:1:ffff:ffff:ffff:ffff": false, "2001:db8:0:2::4": false,
	} {
		if err := subnet.ValidateIPv6Address(netip.MustParseAddr(text)); (err == nil) != valid {
			t.Errorf("%s: %v", text, err)
		}
	}
	if err := (&Subnet{}).ValidateIPv6Address(netip.MustParseAddr("2001:db8::4")); err == nil {
		t.Error("a subnet without an IPv6 range has taken an address")
	}
}

func codeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
