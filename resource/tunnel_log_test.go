package resource

import (
	"net/netip"
	"strings"
	"testing"
)

func TestTunnelLogOptions(t *testing.T) {
	const arn = "arn:aws:logs:eu-west-1:123456789012:log-group:/vpn/a:b"
	for _, test := range []struct {
		o    TunnelLogOptions
		fine bool
	}{
		{TunnelLogOptions{}, true},
		{TunnelLogOptions{Enabled: true, GroupARN: arn}, true},
		{TunnelLogOptions{Enabled: true, GroupARN: arn + ":*", Format: TunnelLogText}, true},
		{TunnelLogOptions{GroupARN: arn, Format: TunnelLogJSON}, true},
		{TunnelLogOptions{Enabled: true}, false},
		{TunnelLogOptions{Enabled: true, GroupARN: "/vpn/a"}, false},
		{TunnelLogOptions{GroupARN: "arn:aws:logs:eu-west-1::log-group:a"}, false},
		{TunnelLogOptions{GroupARN: "arn:aws:s3:eu-west-1:123456789012:log-group:a"}, false},
		{TunnelLogOptions{Format: "xml"}, false},
	} {
		if err := test.o.Validate("BgpLog"); (err == nil) != test.fine {
			t.Errorf("%+v: %v", test.o, err)
		} else if err != nil && !strings.Contains(err.Error(), "BgpLog") {
			t.Errorf("%+v: the option is not named: %v", test.o, err)
		}
	}
	region, account, name, ok := TunnelLogOptions{GroupARN: arn + ":*"}.Group()
	if !ok || region != "eu-west-1" || account != "123456789012" || name != "/vpn/a:b" {
		t.Errorf("%s %s %s %v", region, account, name, ok)
	}
	tunnel := VPNTunnel{OutsideAddress: netip.MustParseAddr("203.0.113.1")}
	if ike, bgp, id := tunnel.LogStream("vpn-1"), tunnel.BGPLogStream("vpn-1"), tunnel.BGPLogResource("vpn-1"); ike != "vpn-1-203.0.113.1-IKE.log" || bgp != "vpn-1-203.0.113.1-BGP.log" || id != "vpn-1_203.0.113.1" {
		t.Error(ike, bgp, id)
	}
}
