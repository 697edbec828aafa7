package acceptance

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestBGPLog: what the session of one tunnel does from the beginning, in JSON; that of
// the other from when it is switched on, as text, which touches no session; and both
// after the daemon has begun anew. Who watches is, in the end, the AWS CLI.
func TestBGPLog(t *testing.T) {
	t.Parallel()
	c := newDynamicScene(t)
	aws := cli{t: t, i: c.installation, program: awsProgram(t), service: "logs"}
	site := c.addDynamicSite(t, c.internet, 2, "65001", c.gateway)
	const group = "/aws/vendedlogs/vpn"
	c.callLogs("CreateLogGroup", map[string]any{"logGroupName": group}, nil)
	var outside, streams, inside []string
	for _, tunnel := range c.call("DescribeVpnConnections", "VpnConnectionId.1="+site.connection).all("vpnConnectionSet/item/options/tunnelOptionSet/item") {
		outside = append(outside, tunnel.get("outsideIpAddress"))
		inside = append(inside, tunnel.get("tunnelInsideCidr"))
		streams = append(streams, site.connection+"-"+tunnel.get("outsideIpAddress")+"-BGP.log")
	}
	neighbor := firstHost(t, firstHost(t, inside[0])+"/32")
	log := func(tunnel int, format string) {
		t.Helper()
		const options = "TunnelOptions.LogOptions.CloudWatchLogOptions.BgpLog" // which Debian's AWS CLI has not heard of
		c.call("ModifyVpnTunnelOptions", "VpnConnectionId="+site.connection, "VpnTunnelOutsideIpAddress="+outside[tunnel-1],
			options+"Enabled=true", options+"GroupArn=arn:aws:logs:"+region+":"+accountID+":log-group:"+group, options+"OutputFormat="+format)
		is := c.call("DescribeVpnConnections", "VpnConnectionId.1="+site.connection).all("vpnConnectionSet/item/options/tunnelOptionSet/item")[tunnel-1]
		if got := is.get("logOptions/cloudWatchLogOptions/bgpLogOutputFormat"); got != format {
			t.Errorf("the BGP log of tunnel %d is described with the format %q, want %q", tunnel, got, format)
		}
	}
	wait := func(tunnel int, pattern string) {
		t.Helper()
		c.lab.Eventually(toldWithin, streams[tunnel-1]+" has "+pattern, func() error {
			if len(c.logMessages(group, streams[tunnel-1], pattern)) == 0 {
				return fmt.Errorf("it has %q", c.logMessages(group, streams[tunnel-1], ""))
			}
			return nil
		})
	}
	status := func(up, details string) string {
		return fmt.Sprintf(`{ $.resource_id = "%s_%s" && $.type = "BGPStatus" && $.status = "%s" && $.message.details = "AWS-side peer %s" }`, site.connection, outside[0], up, details)
	}
	route := func(what, network, more string) string {
		return fmt.Sprintf(`{ $.type = "RouteStatus" && $.status = "%s" && $.message.prefix = "%s"%s }`, what, network, more)
	}

	log(1, "json")
	site.connect("BIRD")
	c.waitForRoutes(site.connection, 1, time.Minute)
	wait(1, status("UP", "BGP session state has changed from OpenConfirm to Established with neighbor "+neighbor))
	wait(1, status("UP", "sent an End-of-RIB message to neighbor "+neighbor))
	wait(1, route("ADVERTISED", site.network, fmt.Sprintf(` && $.message.asPath = "65001" && $.message.nextHopIp = "%s"`, neighbor)))
	if got := c.logMessages(group, streams[1], ""); len(got) > 0 {
		t.Errorf("the other tunnel is logged: %q", got)
	}

	began := site.since()
	log(2, "text")
	site.own("192.168.77.1/24")
	wait(1, route("ADVERTISED", "192.168.77.0/24", ""))
	wait(2, fmt.Sprintf(`"%s_%s" "RouteStatus ADVERTISED prefix=192.168.77.0/24 asPath" "65001"`, site.connection, outside[1]))
	if now := site.since(); !slices.EqualFunc(now, began, func(a, b time.Time) bool { return a.Sub(b).Abs() < time.Second }) {
		t.Errorf("sessions are since %v, and were since %v", now, began)
	}

	c.stop()
	c.start()
	idle := status("DOWN", "BGP session state has changed from Established to Idle with neighbor "+neighbor)
	wait(1, idle) // the last words of the process before are not lost
	again := func(tunnel int, pattern string) {
		t.Helper()
		c.lab.Eventually(time.Minute, streams[tunnel-1]+" has twice "+pattern, func() error {
			if got := c.logMessages(group, streams[tunnel-1], pattern); len(got) != 2 {
				return fmt.Errorf("it has %q", got)
			}
			return nil
		})
	}
	again(1, route("ADVERTISED", "192.168.77.0/24", ""))
	again(2, `"ADVERTISED prefix=192.168.77.0/24"`)
	site.disown("192.168.77.1/24")
	wait(1, route("WITHDRAWN", "192.168.77.0/24", ""))
	wait(2, `"RouteStatus WITHDRAWN prefix=192.168.77.0/24"`)
	site.session(1, false)
	const ended = "received notification 6/2 (Cease/Administrative Shutdown) from neighbor "
	wait(1, status("DOWN", ended+neighbor))
	again(1, idle)
	if out := aws.query("events[].message", "get-log-events", "--log-group-name", group, "--log-stream-name", streams[0], "--start-from-head"); !strings.Contains(out, `"details":"AWS-side peer `+ended+neighbor+`"`) {
		t.Errorf("get-log-events shows\n%s", out)
	}
}
