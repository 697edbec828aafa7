package appliance

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

const dynamicExample = `
local: 198.51.100.7
advertise: [192.168.0.0/16, connected]
tunnels:
  - name: vpn1
    remote: 203.0.113.1
    psk: "correct.horse"
    inside: 169.254.10.2/30
    bgp: {asn: 65000, peer_asn: 64512, hold_time: 40s}
  - name: vpn2
    remote: 203.0.113.2
    psk: "correct.horse"
    inside: 169.254.11.2/30
    bgp:
      asn: 4200000000
      peer_asn: 64512
`

func TestSessionsAreConfigured(t *testing.T) {
	c, err := ParseConfig([]byte(dynamicExample))
	if err != nil {
		t.Fatal(err)
	}
	first := BGP{ASN: 65000, PeerASN: 64512, Peer: netip.MustParseAddr("169.254.10.1"), HoldTime: Duration(40 * time.Second), MaxPrefixes: 1000}
	second := BGP{ASN: 4200000000, PeerASN: 64512, Peer: netip.MustParseAddr("169.254.11.1"), HoldTime: Duration(30 * time.Second), MaxPrefixes: 1000}
	if *c.Tunnels[0].BGP != first || *c.Tunnels[1].BGP != second {
		t.Errorf("sessions %+v and %+v", *c.Tunnels[0].BGP, *c.Tunnels[1].BGP)
	}
	want := []Advertisement{{Network: netip.MustParsePrefix("192.168.0.0/16")}, {Connected: true}}
	if len(c.Accept) != 4 {
		t.Errorf("accepts %v", c.Accept)
	}
	if !slices.Equal(c.Advertise, want) {
		t.Errorf("advertises %+v, want %+v", c.Advertise, want)
	}
}

func TestOtherHostOfARange(t *testing.T) {
	for inside, want := range map[string]string{
		"169.254.10.2/30": "169.254.10.1",
		"169.254.10.1/30": "169.254.10.2",
		"169.254.10.2/31": "169.254.10.3",
		"169.254.10.3/31": "169.254.10.2",
		"169.254.10.2/29": "invalid IP",
		"fd00::2/127":     "invalid IP",
	} {
		if got := otherHost(netip.MustParsePrefix(inside)).String(); got != want {
			t.Errorf("%s: %s, want %s", inside, got, want)
		}
	}
}

func TestBadSessionsSayWhatIsWrong(t *testing.T) {
	for change, want := range map[[2]string]string{
		{"asn: 65000,", "asn: 0,"}:                                          "asn: 0 is not a number",
		{"asn: 65000,", "asn: 23456,"}:                                      "asn: 23456 is not a number",
		{"asn: 65000,", "asn: 4294967296,"}:                                 "4294967296",
		{"asn: 65000,", ""}:                                                 "asn: 0 is not a number",
		{"peer_asn: 64512, ", ""}:                                           "peer_asn: 0 is not a number",
		{"peer_asn: 64512, hold", "peer_asn: 65000, hold"}:                  "is the own one, too",
		{"hold_time: 40s", "hold_time: 2s"}:                                 "hold_time: 2s",
		{"hold_time: 40s", "hold_time: 3500ms"}:                             "whole seconds",
		{"hold_time: 40s", "hold_time: 20h"}:                                "hold_time: 20h",
		{"advertise:", "accept: [\"::/0\"]\nadvertise:"}:                    "accept: ::/0 is not of IPv4",
		{"advertise:", "accept: [10.0.0.1/8]\nadvertise:"}:                  "its network is 10.0.0.0/8",
		{"    bgp: {", "    remote_selectors: [10.0.0.0/16]\n    bgp: {"}:   "they leave out 169.254.10.1",
		{"    bgp: {", "    local_selectors: [192.168.0.0/16]\n    bgp: {"}: "they leave out 169.254.10.2",
		{"hold_time: 40s", "holdtime: 40s"}:                                 "unknown field",
		{"hold_time: 40s", "password: x"}:                                   "unknown field",
		{"hold_time: 40s", "max_prefixes: -1"}:                              "max_prefixes: -1",
		{"hold_time: 40s", "peer: 169.254.10.5"}:                            "not another host",
		{"hold_time: 40s", "peer: 169.254.10.2"}:                            "not another host",
		{"    inside: 169.254.10.2/30\n", ""}:                               "inside address of IPv4",
		{"inside: 169.254.10.2/30", "inside: 169.254.10.2/29"}:              "does not follow from",
		{"inside: 169.254.10.2/30", "inside: 169.254.10.3/30"}:              "broadcast address",
		{"inside: 169.254.10.2/30", "inside: fd00::2/126"}:                  "inside address of IPv4",
		{"[192.168.0.0/16, connected]", "[192.168.0.1/16]"}:                 "its network is 192.168.0.0/16",
		{"[192.168.0.0/16, connected]", "[attached]"}:                       "nor the word connected",
		{"[192.168.0.0/16, connected]", "[fd00::/8]"}:                       "not of IPv4",
		{"bgp: {asn: 65000, peer_asn: 64512, hold_time: 40s}", "bgp: 1"}:    "",
	} {
		text := strings.Replace(dynamicExample, change[0], change[1], 1)
		if text == dynamicExample {
			t.Fatalf("%q does not stand in the example", change[0])
		}
		if _, err := ParseConfig([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q -> %q: got %v, want %q", change[0], change[1], err, want)
		}
	}
	if _, err := ParseConfig([]byte("advertise: [connected]\n" + example)); err == nil || !strings.Contains(err.Error(), "no tunnel has bgp") {
		t.Errorf("without a session: %v", err)
	}
}
