package nat64

import (
	"net/netip"
	"testing"
)

// TestEmbedding has the examples of RFC 6052 section 2.4.
func TestEmbedding(t *testing.T) {
	ipv4 := netip.MustParseAddr("192.0.2.33")
	for prefix, want := range map[string]string{
		"2001:db8::/32":            "2001:db8:c000:221::",
		"2001:db8:100::/40":        "2001:db8:1c0:2:21::",
		"2001:db8:122::/48":        "2001:db8:122:c000:2:2100::",
		"2001:db8:122:300::/56":    "2001:db8:122:3c0:0:221::",
		"2001:db8:122:344::/64":    "2001:db8:122:344:c0:2:2100::",
		"2001:db8:122:344::/96":    "2001:db8:122:344::192.0.2.33",
		"64:ff9b::/96":             "64:ff9b::192.0.2.33",
		"2001:db8:ffff:ff00::/56":  "2001:db8:ffff:ffc0:0:221::",
		"2001:db8:ffff:ffff::/64":  "2001:db8:ffff:ffff:c0:2:2100::",
		"2001:db8:1:1:0:1:2:0/112": "",
	} {
		p := netip.MustParsePrefix(prefix)
		if err := CheckPrefix(p); (err == nil) != (want != "") {
			t.Errorf("%v: %v", p, err)
		}
		if want == "" {
			continue
		}
		made := Embed(p, ipv4)
		if made != netip.MustParseAddr(want) {
			t.Errorf("%v under %v is %v, want %s", ipv4, p, made, want)
		}
		if back, ok := Embedded(p, made); !ok || back != ipv4 {
			t.Errorf("%v under %v stands for %v, %v", made, p, back, ok)
		}
	}
	if a, ok := Embedded(netip.MustParsePrefix("64:ff9b::/96"), netip.MustParseAddr("2001:db8::1")); ok {
		t.Errorf("a foreign address stands for %v", a)
	}
	for _, wrong := range []string{"64:ff9b::1/96", "2001:db8:1:1:100::/96", "10.0.0.0/32", "::ffff:0:0/96"} {
		if err := CheckPrefix(netip.MustParsePrefix(wrong)); err == nil {
			t.Errorf("%s is accepted", wrong)
		}
	}
}
