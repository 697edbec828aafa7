package acceptance

import (
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// everySecond has flows recorded sooner than AWS would.
const everySecond = "flow_logs: { interval: 1s }"

// flowLogs records what passes a VPC with two instances, one of which admits
// nothing: to a log group, as a role may, and to files.
func (i *installation) flowLogs(t *testing.T, aws cli) {
	identities := aws.of("iam")
	role := "arn:aws:iam::" + accountID + ":role/flows"
	vpc := i.createVPC("10.0.0.0/16")
	subnet := i.createSubnet(vpc, "10.0.1.0/24")
	closed := i.call("CreateSecurityGroup", "VpcId="+vpc, "GroupName=closed", "GroupDescription=admits nothing").get("groupId")
	a, b := i.runInstance(subnet, closed, addressA), i.runInstance(subnet, i.createOpenGroup(vpc), addressB)
	create := []string{"ResourceType=VPC", "ResourceId.1=" + vpc, "TrafficType=ALL"}
	toGroup := append(create, "LogGroupName=/flows", "DeliverLogsPermissionArn="+role)
	if code := i.call("CreateFlowLogs", toGroup...).get("unsuccessful/item/error/code"); code != "InvalidParameter" {
		t.Errorf("with a role that is not there: %s", code)
	}
	identities.ok("create-role", "--role-name", "flows", "--assume-role-policy-document",
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"vpc-flow-logs.amazonaws.com"},"Action":"sts:AssumeRole"}}`)
	log := i.call("CreateFlowLogs", toGroup...).get("flowLogIdSet/item")
	i.call("CreateFlowLogs", append(create, "LogDestinationType=s3", "LogDestination=arn:aws:s3:::flows", "LogFormat=${pkt-srcaddr} ${pkt-dstaddr} ${action} ${instance-id} ${flow-direction}")...)
	i.waitForInstance(a, "running")
	i.waitForInstance(b, "running")

	status := func(want string) {
		t.Helper()
		i.lab.Eventually(20*time.Second, "the flow log's status is "+want, func() error {
			v := i.call("DescribeFlowLogs", "FlowLogId.1="+log)
			if got := v.get("flowLogSet/item/deliverLogsStatus") + " " + v.get("flowLogSet/item/deliverLogsErrorMessage"); got != want {
				return fmt.Errorf("it is %q", got)
			}
			return nil
		})
	}
	status("FAILED Access error")
	identities.ok("put-role-policy", "--role-name", "flows", "--policy-name", "logs", "--policy-document",
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents"],"Resource":"arn:aws:logs:*:*:log-group:/flows*"}}`)
	status("SUCCESS ")
	i.lab.Eventually(20*time.Second, "what is accepted, and what is rejected, is recorded", func() error {
		i.inside(a, "ping", "-c1", "-W5", addressB)
		i.inside(b, "sh", "-c", "ping -c1 -W1 "+addressA+" || true")
		all := aws.ok("filter-log-events", "--log-group-name", "/flows", "--output", "text", "--query", "events[].message")
		for _, want := range []string{addressA + " " + addressB + " 0 0 1 1 84 ", " ACCEPT OK", addressB + " " + addressA + " 0 0 1 1 84 ", " REJECT OK", " NODATA"} {
			if !strings.Contains(all, want) {
				return fmt.Errorf("%q is not in %s", want, all)
			}
		}
		return nil
	})
	i.lab.Eventually(20*time.Second, "there are files", func() error {
		all := gunzipped(t, filepath.Join(i.data, "buckets", "flows", "AWSLogs", accountID, "vpcflowlogs", region, "*", "*", "*", "*.log.gz"))
		for _, want := range []string{
			"pkt-srcaddr pkt-dstaddr action instance-id flow-direction\n", addressA + " " + addressB + " ACCEPT " + a + " egress\n",
			addressA + " " + addressB + " ACCEPT " + b + " ingress\n", addressB + " " + addressA + " REJECT " + a + " ingress\n",
		} {
			if !strings.Contains(all, want) {
				return fmt.Errorf("%q is not in %s", want, all)
			}
		}
		return nil
	})
	i.call("DeleteFlowLogs", "FlowLogId.1="+log)
}

// gunzipped returns what the files of a pattern say.
func gunzipped(t *testing.T, pattern string) string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		r, err := gzip.NewReader(f)
		if err == nil {
			_, err = io.Copy(&all, r)
		}
		f.Close()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return all.String()
}
