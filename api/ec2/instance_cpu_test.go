package ec2

import (
	"strings"
	"testing"

	"causeway.dev/resource"
)

// Processors are set at the launch and while the instance is stopped, within those of its
// type; another type begins with its own.
func TestCPUOptions(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	subnet := c.subnet(c.vpc("10.0.0.0/16"), "10.0.1.0/24")
	id := c.instance(subnet, "InstanceType", "t3.small", "CpuOptions.CoreCount", "1", "CpuOptions.ThreadsPerCore", "1")
	const path = "reservationSet/item/instancesSet/item/cpuOptions/"
	has := func(want string) {
		t.Helper()
		shown := c.call("DescribeInstances", "InstanceId.1", id)
		if got := shown.text(path+"coreCount") + "x" + shown.text(path+"threadsPerCore"); got != want {
			t.Errorf("the instance has %s, want %s", got, want)
		}
	}
	has("1x1")
	c.observe(id, resource.InstanceRunning)
	c.refuse("IncorrectInstanceState", "ModifyInstanceCpuOptions", "InstanceId", id, "CoreCount", "1", "ThreadsPerCore", "2")
	c.call("StopInstances", "InstanceId.1", id)
	c.observe(id, resource.InstanceStopped)
	c.refuse("InvalidParameterCombination", "ModifyInstanceCpuOptions", "InstanceId", id, "CoreCount", "2", "ThreadsPerCore", "2")
	c.refuse("InvalidParameterCombination", "ModifyInstanceCpuOptions", "InstanceId", id, "CoreCount", "1", "ThreadsPerCore", "3")
	c.refuse("MissingParameter", "ModifyInstanceCpuOptions", "InstanceId", id, "CoreCount", "1")
	answer := c.call("ModifyInstanceCpuOptions", "InstanceId", id, "CoreCount", "1", "ThreadsPerCore", "2")
	if got := answer.text("coreCount") + answer.text("threadsPerCore") + answer.text("instanceId"); got != "12"+id {
		t.Errorf("answered %s", got)
	}
	has("1x2")
	c.call("ModifyInstanceAttribute", "InstanceId", id, "InstanceType.Value", "m5.xlarge")
	has("2x2")

	// Where it runs there is nothing else to say than that.
	if got := c.call("ModifyInstancePlacement", "InstanceId", id, "Tenancy", "default", "GroupName", "").text("return"); got != "true" {
		t.Errorf("its placement: %s", got)
	}
	c.call("ResetInstanceAttribute", "InstanceId", id, "Attribute", "kernel")
	c.call("ModifyInstanceAttribute", "InstanceId", id, "SourceDestCheck.Value", "false")
	c.call("ResetInstanceAttribute", "InstanceId", id, "Attribute", "sourceDestCheck")
	if got := c.call("DescribeInstanceAttribute", "InstanceId", id, "Attribute", "sourceDestCheck").text("sourceDestCheck/value"); got != "true" {
		t.Errorf("it looks at sources and destinations: %s", got)
	}
	if got := c.call("ModifyAvailabilityZoneGroup", "GroupName", testRegion, "OptInStatus", "opted-in").text("return"); got != "true" {
		t.Errorf("the zones' group: %s", strings.TrimSpace(got))
	}
}
