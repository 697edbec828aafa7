package resource

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

// A subnet and an interface without IPv4 have no addresses of that to give, and are the
// same when they have been stored, beside those that were stored before there were such.
func TestIPv6Only(t *testing.T) {
	range6 := netip.MustParsePrefix("2001:db8:0:1::/64")
	s := Subnet{CIDR: netip.MustParsePrefix("10.0.1.0/24"), IPv6: []CIDRAssociation{{ID: "1", Prefix: range6, State: StateAssociated}}}
	if s.IPv6Only() || s.Range() != s.CIDR {
		t.Errorf("with IPv4 the range is %v", s.Range())
	}
	s.CIDR = netip.Prefix{}
	if !s.IPv6Only() || s.Range() != range6 || s.Capacity() != 0 || s.Free(nil) != 0 {
		t.Errorf("the range is %v, with %d of %d addresses free", s.Range(), s.Free(nil), s.Capacity())
	}
	if a, ok := s.FreeAddress(nil); ok {
		t.Errorf("%v is free", a)
	}
	if err := s.ValidateAddress(netip.MustParseAddr("10.0.1.9")); err == nil || !strings.Contains(err.Error(), "IPv6-only") {
		t.Errorf("an address of IPv4: %v", err)
	}
	if err := s.Reserve(SubnetCIDRReservation{CIDR: netip.MustParsePrefix("10.0.1.0/28")}); err == nil {
		t.Error("a range of IPv4 is reserved")
	}
	if err := s.Reserve(SubnetCIDRReservation{CIDR: netip.MustParsePrefix("2001:db8:0:1:1::/80")}); err != nil || s.Free(nil) != 0 {
		t.Errorf("a range of IPv6 cannot be reserved: %v", err)
	}

	four, five := netip.MustParseAddr("2001:db8:0:1::4"), netip.MustParseAddr("2001:db8:0:1::5")
	nic := NetworkInterface{IPv6: []netip.Addr{four, five}}
	if nic.PrivateAddresses() != nil || nic.HasPrivateAddress(netip.Addr{}) || nic.FirstIPv6() != four {
		t.Errorf("the interface has %v, and first %v", nic.PrivateAddresses(), nic.FirstIPv6())
	}
	nic.PrimaryIPv6 = five
	if nic.FirstIPv6() != five {
		t.Errorf("with a primary address, the first is %v", nic.FirstIPv6())
	}
	for name, stored := range map[string]struct{ is, want any }{"subnet": {new(Subnet), &s}, "interface": {new(NetworkInterface), &nic}} {
		text, err := json.Marshal(stored.want)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, stored.is); err != nil || !reflect.DeepEqual(stored.is, stored.want) {
			t.Errorf("the %s is %+v, %v, and was %+v", name, stored.is, err, stored.want)
		}
	}
	var before Subnet
	if err := json.Unmarshal([]byte(`{"vpc":"vpc-1","cidr":"10.0.1.0/24"}`), &before); err != nil || before.IPv6Only() {
		t.Errorf("one of before is %+v, %v", before, err)
	}
}
