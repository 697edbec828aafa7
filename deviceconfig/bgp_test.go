package deviceconfig

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"causeway.dev/internal/golden"
	"causeway.dev/resource"
)

// TestRoutingThatDevicesLack: a device without BGP, or with nothing but it, says so
// and what to do.
func TestRoutingThatDevicesLack(t *testing.T) {
	static, dynamic := newConfig(t, nil), newConfig(t, withBGP)
	for _, d := range Devices() {
		for _, kind := range []struct {
			name   string
			config Config
			lacks  string
		}{{"static", static, d.withoutStatic}, {"dynamic", dynamic, d.withoutBGP}} {
			sample := sampleOrRefusal(t, d, kind.config, Recommended)
			if refused := strings.HasPrefix(sample, "UnsupportedOperation: "); refused != (kind.lacks != "") || !strings.Contains(sample, kind.lacks) {
				t.Errorf("%s %s, %s: %.200s", d.Vendor, d.Platform, kind.name, sample)
			}
		}
	}
}

// TestSelectorsWithBGP: where they do not let everything pass, the device has to ask for
// the inside addresses, too, or it has no sample.
func TestSelectorsWithBGP(t *testing.T) {
	config := newConfig(t, func(c *resource.VPNConnection) {
		withBGP(c)
		c.LocalIPv4CIDR, c.RemoteIPv4CIDR = netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("10.0.0.0/8")
	})
	for _, d := range Devices() {
		sample := sampleOrRefusal(t, d, config, Recommended)
		switch refused := strings.HasPrefix(sample, "UnsupportedOperation: "); {
		case d.withoutStatic != "":
			if refused {
				t.Errorf("%s has no part in the selectors: %s", d.Vendor, sample)
			}
		case refused != (d.dialect != nil):
			t.Errorf("%s %s: %.200s", d.Vendor, d.Platform, sample)
		case !refused:
			for _, want := range []string{"192.168.0.0/16", "169.254.21.2/32", "169.254.22.2/32", "10.0.0.0/8", "169.254.21.1/32", "169.254.22.1/32"} {
				if !strings.Contains(sample, want) {
					t.Errorf("%s %s does not ask for %s", d.Vendor, d.Platform, want)
				}
			}
			if v1, err := config.For(resource.IKEv1); err != nil || !strings.HasPrefix(sampleOrRefusal(t, d, v1, Recommended), "UnsupportedOperation: ") {
				t.Errorf("%s %s asks for two pairs by IKEv1", d.Vendor, d.Platform)
			}
		}
	}
}

// TestLongASNs: AS numbers of four bytes are in each sample as they are, or refused
// where the device knows none.
func TestLongASNs(t *testing.T) {
	connection, gateway, customer, routes := example()
	withBGP(&connection)
	customer.ASN, gateway.AmazonSideASN = 4200000123, 4200000456
	config, err := New(connection, gateway, customer, nil, routes)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range Devices() {
		if d.withoutBGP != "" || d.Vendor == "Strongswan" || d.Vendor == "Libreswan" {
			continue
		}
		sample := sampleOrRefusal(t, d, config, Recommended)
		refused := strings.HasPrefix(sample, "UnsupportedOperation: ")
		if refused != (d.Vendor == "Yamaha") || !strings.Contains(sample, "4200000123") || !strings.Contains(sample, "4200000456") {
			t.Errorf("%s %s: %.300s", d.Vendor, d.Platform, sample)
		}
	}
}

// TestCovering: with outside addresses in private networks, as where there is no
// internet between, all that contains one is left out, and nothing else.
func TestCovering(t *testing.T) {
	config := newConfig(t, withPrivateUnderlay)
	v := view{Config: config, Tunnels: [2]tunnelView{{Tunnel: config.Tunnels[0]}, {Tunnel: config.Tunnels[1]}}}
	takes := func(p netip.Prefix) bool {
		for _, e := range v.LearnedList() {
			if e.Prefix == p || e.Longer && covers(e.Prefix, p) {
				return e.Permit
			}
		}
		return false
	}
	for _, c := range []struct {
		learned string
		want    bool
	}{
		{"10.0.0.0/16", true}, {"192.168.199.0/24", true}, {"172.16.0.0/12", true}, {"100.64.0.0/16", true},
		{"10.0.0.0/8", false}, {"10.9.8.0/24", false}, {"10.9.8.7/32", false}, {"192.168.0.0/16", false}, {"192.168.200.0/23", false}, {"192.168.200.2/31", true},
		{"0.0.0.0/0", false}, {"10.0.0.0/7", false}, {"203.0.113.0/24", false}, {"169.254.21.0/30", false},
	} {
		if got := takes(netip.MustParsePrefix(c.learned)); got != c.want {
			t.Errorf("%s is taken: %v", c.learned, got)
		}
	}
	for bits := 8; bits <= 32; bits++ {
		if p := netip.PrefixFrom(config.Tunnels[0].CloudOutside, bits).Masked(); !slices.Contains(v.Covering(), p) || takes(p) {
			t.Errorf("%s is taken", p)
		}
	}
}

func TestPrivateUnderlayGolden(t *testing.T) {
	for _, d := range Devices() {
		if d.Vendor == "FRRouting" || d.Vendor == "Juniper Networks, Inc." {
			golden.Text(t, goldenName(d, "_bgp_private"), sampleOrRefusal(t, d, newConfig(t, withPrivateUnderlay), Recommended))
		}
	}
}

// withPrivateUnderlay makes the connection a dynamic one whose outside addresses are
// in networks that are taken by BGP.
func withPrivateUnderlay(c *resource.VPNConnection) {
	withBGP(c)
	c.Tunnels[0].OutsideAddress, c.Tunnels[1].OutsideAddress = netip.MustParseAddr("10.9.8.7"), netip.MustParseAddr("192.168.200.1")
}

// TestRangesOutsideOfPrivateNetworks: a VPC may have others, which are taken, too.
func TestRangesOutsideOfPrivateNetworks(t *testing.T) {
	v := view{Config: Config{CloudRoutes: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16"), netip.MustParsePrefix("198.18.0.0/16")}}}
	if got := v.Learned(); !slices.Contains(got, v.CloudRoutes[1]) || slices.Contains(got, v.CloudRoutes[0]) {
		t.Errorf("%v", got)
	}
}
