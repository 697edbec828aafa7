package ec2

import (
	"slices"
	"testing"
)

// TestTunnelLog: a log is switched on at creation or later, for one tunnel at a
// time, and only to a log group that is there. Those of IKE and of BGP are as one to the
// other.
func TestTunnelLog(t *testing.T) {
	for _, log := range []struct{ option, shown, other string }{{"Log", "log", "bgpLog"}, {"BgpLog", "bgpLog", "log"}} {
		t.Run(log.option, func(t *testing.T) { testTunnelLog(t, log.option, log.shown, log.other) })
	}
}

func testTunnelLog(t *testing.T, named, shownAs, other string) {
	c := newCloud(t, func(cfg *Config) {
		cfg.LogGroupExists = func(account, region, name string) (bool, error) { return name == "/vpn/g", nil }
	})
	arn := "arn:aws:logs:" + testRegion + ":" + c.account + ":log-group:/vpn/g"
	first, option := "Options.TunnelOptions.1.LogOptions.CloudWatchLogOptions."+named, "TunnelOptions.LogOptions.CloudWatchLogOptions."+named
	id := c.connection(c.customerGateway("198.51.100.7"), c.vpnGateway(), first+"Enabled", "true", first+"GroupArn", arn)
	shown := func(want string) {
		t.Helper()
		got := ""
		for _, tunnel := range c.describeConnection(id).all("options/tunnelOptionSet/item") {
			for _, name := range []string{"Enabled", "GroupArn", "OutputFormat"} {
				got += tunnel.text("logOptions/cloudWatchLogOptions/"+shownAs+name) + " "
			}
		}
		if on := c.describeConnection(id).texts("options/tunnelOptionSet/item/logOptions/cloudWatchLogOptions/" + other + "Enabled"); !slices.Equal(on, []string{"false", "false"}) {
			t.Errorf("the other log is on: %q", on)
		}
		if got != want {
			t.Errorf("shown: %q, want %q", got, want)
		}
	}
	shown("true " + arn + " json false   ")
	outside := c.describeConnection(id).texts("options/tunnelOptionSet/item/outsideIpAddress")
	modify := func(tunnel int, pairs ...string) []string {
		return append([]string{"VpnConnectionId", id, "VpnTunnelOutsideIpAddress", outside[tunnel]}, pairs...)
	}
	c.refuse("InvalidParameterValue", "ModifyVpnTunnelOptions", modify(1, option+"Enabled", "true", option+"GroupArn", arn+"one")...)
	c.call("ModifyVpnTunnelOptions", modify(1, option+"Enabled", "true", option+"GroupArn", arn+":*", option+"OutputFormat", "text")...)
	shown("true " + arn + " json true " + arn + ":* text ")
	c.call("ModifyVpnTunnelOptions", modify(0, option+"Enabled", "false")...)
	shown("false " + arn + " json true " + arn + ":* text ")
}
