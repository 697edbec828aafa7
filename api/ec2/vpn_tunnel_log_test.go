package ec2

import "testing"

// TestTunnelLog: a log is switched on at creation or later, for one tunnel at a
// time, and only to a log group that is there.
func TestTunnelLog(t *testing.T) {
	c := newCloud(t, func(cfg *Config) {
		cfg.LogGroupExists = func(account, region, name string) (bool, error) { return name == "/vpn/g", nil }
	})
	arn := "arn:aws:logs:" + testRegion + ":" + c.account + ":log-group:/vpn/g"
	const first, option = "Options.TunnelOptions.1.LogOptions.CloudWatchLogOptions.", "TunnelOptions.LogOptions.CloudWatchLogOptions."
	id := c.connection(c.customerGateway("198.51.100.7"), c.vpnGateway(), first+"LogEnabled", "true", first+"LogGroupArn", arn)
	shown := func(want string) {
		t.Helper()
		got := ""
		for _, tunnel := range c.describeConnection(id).all("options/tunnelOptionSet/item") {
			for _, name := range []string{"logEnabled", "logGroupArn", "logOutputFormat"} {
				got += tunnel.text("logOptions/cloudWatchLogOptions/"+name) + " "
			}
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
	c.refuse("InvalidParameterValue", "ModifyVpnTunnelOptions", modify(1, option+"LogEnabled", "true", option+"LogGroupArn", arn+"one")...)
	c.call("ModifyVpnTunnelOptions", modify(1, option+"LogEnabled", "true", option+"LogGroupArn", arn+":*", option+"LogOutputFormat", "text")...)
	shown("true " + arn + " json true " + arn + ":* text ")
	c.call("ModifyVpnTunnelOptions", modify(0, option+"LogEnabled", "false")...)
	shown("false " + arn + " json true " + arn + ":* text ")
}
