package acceptance

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"causeway.dev/api/sigv4/sigv4test"
)

// CloudWatch Logs as the AWS CLI's manual has it, with events of the test's own.
// What needs no proof by the CLI is called directly: each of its starts takes a
// second.
func TestLogsByTheAWSCLI(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	aws := cli{t: t, program: awsProgram(t), service: "logs"}
	i := install(t, s.lab, s.internet, testAddresses, everySecond)
	aws.i = i
	const group = "/vpn/test"

	i.callLogs("CreateLogGroup", map[string]any{"logGroupName": group}, nil)
	i.callLogs("CreateLogStream", map[string]any{"logGroupName": group, "logStreamName": "one"}, nil)
	i.callLogs("PutRetentionPolicy", map[string]any{"logGroupName": group, "retentionInDays": 7}, nil)
	now := time.Now().UnixMilli()
	aws.ok("put-log-events", "--log-group-name", group, "--log-stream-name", "one", "--log-events",
		fmt.Sprintf(`[{"timestamp":%d,"message":"first Ü"},{"timestamp":%d,"message":"{\"state\":\"down\"}"}]`, now-1000, now))
	atOnce(
		func() {
			aws.wants("first Ü", "events[0].message", "get-log-events", "--log-group-name", group, "--log-stream-name", "one", "--start-from-head")
		},
		func() {
			aws.wants(`{"state":"down"}`, "events[].message", "filter-log-events", "--log-group-name", group, "--filter-pattern", `{ $.state = "down" }`)
		},
		func() {
			if out := aws.ok("tail", group, "--since", "5m", "--format", "short"); !strings.Contains(out, "first Ü") || !strings.HasSuffix(out, `{"state":"down"}`) {
				t.Errorf("tail shows %q", out)
			}
		},
		func() {
			aws.refused("ResourceAlreadyExistsException", "create-log-group", "--log-group-name", group, "--tags", "stage=test")
		},
	)
	i.flowLogs(t, aws)
	i.kill()
	i.start()
	var found struct {
		LogGroups []struct{ RetentionInDays int }
	}
	i.callLogs("DescribeLogGroups", map[string]any{"logGroupNamePrefix": "/vpn/"}, &found)
	if len(found.LogGroups) != 1 || found.LogGroups[0].RetentionInDays != 7 {
		t.Errorf("after a crash: %+v", found)
	}
	if got := i.logMessages(group, "one", ""); len(got) != 2 {
		t.Errorf("after a crash: %q", got)
	}
}

func atOnce(all ...func()) {
	var wait sync.WaitGroup
	for _, f := range all {
		wait.Go(f)
	}
	wait.Wait()
}

// callLogs calls an action of CloudWatch Logs with a body of JSON.
func (i *installation) callLogs(action string, in, out any) {
	i.t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		i.t.Fatal(err)
	}
	signer := sigv4test.Signer{AccessKeyID: accessKey, Secret: accessSecret, Region: region, Service: "logs", Now: time.Now()}
	response, err := httpClient.Do(signer.PostJSON(i.endpoint+"/", "Logs_20140328."+action, string(body)))
	if err != nil {
		i.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		i.t.Fatalf("%s: %v, %d: %s", action, err, response.StatusCode, text)
	}
	if out != nil {
		if err := json.Unmarshal(text, out); err != nil {
			i.t.Fatal(err)
		}
	}
}

// logMessages returns what matches in the streams whose names have a prefix.
func (i *installation) logMessages(group, prefix, pattern string) (messages []string) {
	i.t.Helper()
	var out struct{ Events []struct{ Message string } }
	i.callLogs("FilterLogEvents", map[string]any{"logGroupName": group, "logStreamNamePrefix": prefix, "filterPattern": pattern}, &out)
	for _, e := range out.Events {
		messages = append(messages, e.Message)
	}
	return messages
}

// TestTunnelLog: the log of one tunnel from the connection's creation, in JSON;
// that of the other later, as text; and what the device does is in it.
func TestTunnelLog(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	i := install(t, s.lab, s.internet, testAddresses)
	const group = "/aws/vendedlogs/vpn"
	const arn = "arn:aws:logs:" + region + ":" + accountID + ":log-group:" + group
	i.callLogs("CreateLogGroup", map[string]any{"logGroupName": group}, nil)

	customer := i.call("CreateCustomerGateway", "Type=ipsec.1", "IpAddress="+s.address, "BgpAsn=65000").get("customerGateway/customerGatewayId")
	gateway := i.call("CreateVpnGateway", "Type=ipsec.1").get("vpnGateway/vpnGatewayId")
	const option = "Options.TunnelOptions.1.LogOptions.CloudWatchLogOptions."
	answer := i.call("CreateVpnConnection", "Type=ipsec.1", "CustomerGatewayId="+customer, "VpnGatewayId="+gateway, "Options.StaticRoutesOnly=true",
		option+"LogEnabled=true", option+"LogGroupArn="+arn, option+"LogOutputFormat=json")
	connection := answer.get("vpnConnection/vpnConnectionId")
	var outside, streams []string
	for _, tunnel := range answer.all("vpnConnection/options/tunnelOptionSet/item") {
		outside = append(outside, tunnel.get("outsideIpAddress"))
		streams = append(streams, connection+"-"+tunnel.get("outsideIpAddress")+"-IKE.log")
	}
	s.connect(i.download(connection))
	i.waitForTunnels(connection, 2, time.Minute)
	wait := func(stream, pattern string) {
		t.Helper()
		s.lab.Eventually(time.Minute, stream+" has "+pattern, func() error {
			if len(i.logMessages(group, stream, pattern)) == 0 {
				return fmt.Errorf("it has %q", i.logMessages(group, stream, ""))
			}
			return nil
		})
	}
	wait(streams[0], `{ $.ike_phase1_state = "established" && $.ike_phase2_state = "established" && $.dpd_enabled IS TRUE && $.details = "AWS tunnel*" }`)
	if got := i.logMessages(group, streams[1], ""); len(got) > 0 {
		t.Errorf("the other tunnel is logged: %q", got)
	}

	const later = "TunnelOptions.LogOptions.CloudWatchLogOptions."
	i.call("ModifyVpnTunnelOptions", "VpnConnectionId="+connection, "VpnTunnelOutsideIpAddress="+outside[1], later+"LogEnabled=true", later+"LogGroupArn="+arn, later+"LogOutputFormat=text")
	i.waitForTunnels(connection, 2, time.Minute)
	s.appliance.Stop()
	wait(streams[1], `"down down AWS tunnel received DELETE for IKE_SA from CGW"`)
	wait(streams[0], `{ $.details = "AWS tunnel received DELETE for IKE_SA*" && $.ike_phase1_state = "down" }`)
}
