package ec2

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"causeway.dev/flowlog"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// flowLog is a CreateFlowLogs of a VPC that goes to a log group.
func (c *cloud) flowLog(vpc string, more ...string) []string {
	return append([]string{"ResourceType", "VPC", "ResourceId.1", vpc, "TrafficType", "ALL", "LogGroupName", "flows", "DeliverLogsPermissionArn", "arn:aws:iam::" + c.account + ":role/writer"}, more...)
}

func TestFlowLogs(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	vpc := c.vpc("10.0.0.0/16")
	subnet := c.subnet(vpc, "10.0.1.0/24")
	nic := c.run(subnet).text("instancesSet/item/networkInterfaceSet/item/networkInterfaceId")
	tag := []string{"TagSpecification.1.ResourceType", "vpc-flow-log", "TagSpecification.1.Tag.1.Key", "k", "TagSpecification.1.Tag.1.Value", "v"}
	made := c.call("CreateFlowLogs", c.flowLog(vpc, append(tag, "ClientToken", "once")...)...)
	id := made.text("flowLogIdSet/item")
	again := c.call("CreateFlowLogs", c.flowLog(vpc, append(tag, "ClientToken", "once")...)...)
	if again.text("flowLogIdSet/item") != id || len(made.all("unsuccessful/item")) > 0 || made.text("clientToken") != "once" {
		t.Errorf("made %v, again %v", made, again)
	}
	c.refuse("IdempotentParameterMismatch", "CreateFlowLogs", c.flowLog(vpc, "ClientToken", "once")...)

	shown := c.call("DescribeFlowLogs", "FlowLogId.1", id)
	for path, want := range map[string]string{
		"resourceId": vpc, "trafficType": "ALL", "flowLogStatus": "ACTIVE", "deliverLogsStatus": "SUCCESS", "deliverLogsErrorMessage": "",
		"logDestinationType": "cloud-watch-logs", "logGroupName": "flows", "logDestination": "arn:aws:logs:us-east-1:" + c.account + ":log-group:flows",
		"deliverLogsPermissionArn": "arn:aws:iam::" + c.account + ":role/writer", "maxAggregationInterval": "600", "logFormat": flowlog.DefaultFormat,
		"tagSet/item/value": "v", "creationTime": "2026-03-01T12:00:00.000Z",
	} {
		if got := shown.text("flowLogSet/item/" + path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}

	// Several at once: what does not work for one is told beside the others.
	files := []string{"ResourceType", "Subnet", "ResourceId.1", subnet, "ResourceId.2", "subnet-00000000000000000", "ResourceId.3", vpc, "TrafficType", "REJECT",
		"LogDestinationType", "s3", "LogDestination", "arn:aws:s3:::bucket/folder/", "MaxAggregationInterval", "60", "LogFormat", "${version} ${start}",
		"DestinationOptions.HiveCompatiblePartitions", "true"}
	several := c.call("CreateFlowLogs", files...)
	if got := several.texts("unsuccessful/item/error/code"); !slices.Equal(got, []string{"InvalidSubnetID.NotFound", "InvalidSubnetID.Malformed"}) || len(several.texts("flowLogIdSet/item")) != 1 {
		t.Errorf("several: %v", several)
	}
	second := c.call("CreateFlowLogs", files...)
	if got := second.text("unsuccessful/item/error/code"); got != "FlowLogAlreadyExists" || second.text("unsuccessful/item/resourceId") != subnet {
		t.Errorf("the same again: %v", second)
	}
	of := c.call("DescribeFlowLogs", filter("1", "resource-id", subnet)...)
	for path, want := range map[string]string{
		"logDestination": "arn:aws:s3:::bucket/folder/", "logDestinationType": "s3", "logGroupName": "", "maxAggregationInterval": "60", "logFormat": "${version} ${start}",
		"destinationOptions/fileFormat": "plain-text", "destinationOptions/hiveCompatiblePartitions": "true", "destinationOptions/perHourPartition": "false",
	} {
		if got := of.text("flowLogSet/item/" + path); got != want {
			t.Errorf("of the subnet, %s is %q, want %q", path, got, want)
		}
	}
	c.call("CreateFlowLogs", c.flowLog(vpc, "TrafficType", "REJECT")...)
	if full := c.call("CreateFlowLogs", c.flowLog(vpc, "TrafficType", "ACCEPT")...); full.text("unsuccessful/item/error/code") != "FlowLogsLimitExceeded" {
		t.Errorf("a third one: %v", full)
	}
	c.call("CreateFlowLogs", c.flowLog(nic, "ResourceType", "NetworkInterface")...)
	strangers := newCloud(t)
	if other := strangers.call("CreateFlowLogs", strangers.flowLog(vpc)...); other.text("unsuccessful/item/error/code") != "InvalidVpcID.NotFound" {
		t.Errorf("of another account's VPC: %v", other)
	}

	for name, want := range map[string]int{
		"resource-id=" + vpc: 2, "traffic-type=REJECT": 2, "log-group-name=flo*": 3, "log-destination-type=s3": 1, "deliver-log-status=SUCCESS": 4,
		"flow-log-id=" + id: 1, "tag:k=v": 1, "tag-key=k": 1, "deliver-log-status=FAILED": 0,
	} {
		key, value, _ := strings.Cut(name, "=")
		if got := len(c.call("DescribeFlowLogs", filter("1", key, value)...).all("flowLogSet/item")); got != want {
			t.Errorf("%s finds %d, want %d", name, got, want)
		}
	}
	c.call("CreateFlowLogs", c.flowLog(c.vpc("10.1.0.0/16"), "ResourceId.2", c.vpc("10.2.0.0/16"))...)
	page := c.call("DescribeFlowLogs", "MaxResults", "5")
	rest := c.call("DescribeFlowLogs", "MaxResults", "5", "NextToken", page.text("nextToken"))
	if len(page.all("flowLogSet/item")) != 5 || len(rest.all("flowLogSet/item")) != 1 {
		t.Errorf("pages: %v, %v", page, rest)
	}

	failed := resource.FlowLogStatus{Meta: resource.Meta{ID: id, Account: c.account, Region: testRegion}, Error: resource.FlowLogAccessError}
	if err := testStore.Update(t.Context(), func(tx *store.Tx) error { store.FlowLogStatuses.Put(tx, failed); return nil }); err != nil {
		t.Fatal(err)
	}
	if seen := c.call("DescribeFlowLogs", filter("1", "deliver-log-status", "FAILED")...); seen.text("flowLogSet/item/deliverLogsErrorMessage") != "Access error" || seen.text("flowLogSet/item/flowLogId") != id {
		t.Errorf("one that fails: %v", seen)
	}
	c.refuse("InvalidFlowLogId.NotFound", "DeleteFlowLogs", "FlowLogId.1", id, "FlowLogId.2", "fl-00000000000000000")
	c.call("DeleteFlowLogs", "FlowLogId.1", id)
	if seen := c.call("DescribeFlowLogs", "FlowLogId.1", id, "FlowLogId.2", several.text("flowLogIdSet/item")).texts("flowLogSet/item/logDestination"); !slices.Equal(seen, []string{"arn:aws:s3:::bucket/folder/"}) {
		t.Errorf("asked for a deleted one and another: %q", seen)
	}
	if left := len(c.call("DescribeFlowLogs").all("flowLogSet/item")); left != 5 {
		t.Errorf("%d are left", left)
	}
}

// TestFlowLogRole: the role must let the service act in its name, for this flow log.
func TestFlowLogRole(t *testing.T) {
	t.Parallel()
	asked := ""
	c := newCloud(t, func(cfg *Config) {
		cfg.ServiceMayAssume = func(roleARN, service, account, sourceARN string) bool {
			asked = fmt.Sprint(roleARN, " ", service, " ", account, " ", sourceARN[:strings.LastIndex(sourceARN, "-")])
			return false
		}
	})
	answer := c.call("CreateFlowLogs", c.flowLog(c.vpc("10.0.0.0/16"))...)
	if got := answer.text("unsuccessful/item/error/message"); got != "Unable to assume given IAM role" {
		t.Errorf("with a role that serves nobody: %q", got)
	}
	if want := "arn:aws:iam::" + c.account + ":role/writer vpc-flow-logs.amazonaws.com " + c.account + " arn:aws:ec2:us-east-1:" + c.account + ":vpc-flow-log/fl"; asked != want {
		t.Errorf("asked for %q, want %q", asked, want)
	}
}
