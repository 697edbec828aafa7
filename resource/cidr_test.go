package resource

import (
	"net/netip"
	"testing"
)

// code is the code of an error, or "".
func code(err error) Code {
	if err == nil {
		return ""
	}
	return err.(*Error).Code
}

func TestValidateVPCRange(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		cidr string
		want Code
	}{
		{"10.0.0.0/16", ""},
		{"192.168.5.16/28", ""},
		{"8.8.0.0/16", ""}, // public ranges are allowed
		{"100.64.0.0/16", ""},
		{"10.0.0.0/15", CodeInvalidVPCRange},
		{"10.0.0.0/29", CodeInvalidVPCRange},
		{"0.0.0.0/16", CodeInvalidVPCRange},
		{"127.1.0.0/24", CodeInvalidVPCRange},
		{"169.254.169.0/24", CodeInvalidVPCRange},
		{"239.0.0.0/24", CodeInvalidVPCRange},
		{"255.255.255.240/28", CodeInvalidVPCRange},
	} {
		if got := code(ValidateVPCRange(netip.MustParsePrefix(test.cidr))); got != test.want {
			t.Errorf("%s: got %q, want %q", test.cidr, got, test.want)
		}
	}
}

func TestValidateFurtherVPCRange(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		primary, further string
		want             Code
	}{
		{"10.0.0.0/16", "10.1.0.0/16", ""},
		{"10.0.0.0/16", "8.8.0.0/16", ""},
		{"10.0.0.0/16", "100.64.0.0/16", ""},
		{"8.8.0.0/16", "9.9.0.0/16", ""},
		{"10.0.0.0/16", "10.0.128.0/17", CodeInvalidVPCRange}, // overlaps
		{"10.0.0.0/24", "10.0.0.0/16", CodeInvalidVPCRange},
		{"10.0.0.0/16", "192.168.0.0/16", CodeInvalidVPCRange}, // another private family
		{"172.16.0.0/16", "10.0.0.0/16", CodeInvalidVPCRange},
		{"8.8.0.0/16", "10.0.0.0/16", CodeInvalidVPCRange},
	} {
		present := []CIDRAssociation{{Prefix: netip.MustParsePrefix(test.primary)}}
		if got := code(ValidateFurtherVPCRange(present, netip.MustParsePrefix(test.further))); got != test.want {
			t.Errorf("%s beside %s: got %q, want %q", test.further, test.primary, got, test.want)
		}
	}
}

func TestParseIPv4CIDR(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"10.0.0.0/16": "10.0.0.0/16", "100.68.0.18/18": "100.68.0.0/18", "0.0.0.0/0": "0.0.0.0/0", "1.2.3.4/32": "1.2.3.4/32",
		"10.0.0.0": "", "10.0.0.0/33": "", "10.0.0/16": "", "::/0": "", "::ffff:10.0.0.0/104": "", "10.0.0.0/016": "", " 10.0.0.0/16": "", "": "",
	} {
		p, err := ParseIPv4CIDR("cidrBlock", text)
		if want == "" && code(err) != CodeInvalidParameterValue || want != "" && (err != nil || p.String() != want) {
			t.Errorf("%q: got %v, %v", text, p, err)
		}
	}
}

func TestSubnetAddresses(t *testing.T) {
	t.Parallel()
	s := Subnet{CIDR: netip.MustParsePrefix("10.0.0.16/28")}
	if s.Capacity() != 11 {
		t.Errorf("a /28 has %d addresses", s.Capacity())
	}
	used := map[netip.Addr]bool{}
	for n := range s.Capacity() {
		a, ok := s.FreeAddress(used)
		if want := netip.AddrFrom4([4]byte{10, 0, 0, byte(20 + n)}); !ok || a != want {
			t.Fatalf("address %d is %s, want %s", n, a, want)
		}
		if err := s.ValidateAddress(a); err != nil {
			t.Errorf("a free address is refused: %v", err)
		}
		used[a] = true
	}
	if a, ok := s.FreeAddress(used); ok {
		t.Errorf("a full subnet still has %s", a)
	}
	for _, last := range []byte{15, 16, 17, 18, 19, 31, 32} {
		if s.ValidateAddress(netip.AddrFrom4([4]byte{10, 0, 0, last})) == nil {
			t.Errorf("10.0.0.%d is accepted", last)
		}
	}
}
