package ec2

import (
	"context"
	"encoding/base64"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"causeway.dev/resource"
	"causeway.dev/store"
)

func TestRunInstances(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	vpc := c.vpc("10.0.0.0/16")
	subnet, group := c.subnet(vpc, "10.0.1.0/24"), c.group(vpc, "web")
	script := base64.StdEncoding.EncodeToString([]byte("#!/bin/sh\necho hello\n"))
	answer := c.run(subnet, "MaxCount", "2", "MinCount", "1", "InstanceType", "t3.micro", "SecurityGroupId.1", group, "UserData", script,
		"TagSpecification.1.ResourceType", "instance", "TagSpecification.1.Tag.1.Key", "Name", "TagSpecification.1.Tag.1.Value", "web")
	for path, want := range map[string]string{
		"ownerId":                                                                       c.account,
		"instancesSet/item/instanceState/name":                                          "pending",
		"instancesSet/item/instanceState/code":                                          "0",
		"instancesSet/item/privateIpAddress":                                            "10.0.1.4", // the first after the four reserved ones
		"instancesSet/item/privateDnsName":                                              "ip-10-0-1-4.ec2.internal",
		"instancesSet/item/instanceType":                                                "t3.micro",
		"instancesSet/item/imageId":                                                     HostImage,
		"instancesSet/item/launchTime":                                                  "2026-03-01T12:00:00.000Z",
		"instancesSet/item/subnetId":                                                    subnet,
		"instancesSet/item/vpcId":                                                       vpc,
		"instancesSet/item/groupSet/item/groupName":                                     "web",
		"instancesSet/item/tagSet/item/value":                                           "web",
		"instancesSet/item/placement/availabilityZone":                                  "us-east-1a",
		"instancesSet/item/networkInterfaceSet/item/attachment/deviceIndex":             "0",
		"instancesSet/item/networkInterfaceSet/item/attachment/status":                  "attaching",
		"instancesSet/item/networkInterfaceSet/item/privateIpAddressesSet/item/primary": "true",
	} {
		if got := answer.text(path); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
	id := answer.text("instancesSet/item/instanceId")

	t.Run("user data can be read back", func(t *testing.T) {
		if got := c.call("DescribeInstanceAttribute", "InstanceId", id, "Attribute", "userData").text("userData/value"); got != script {
			t.Errorf("got %q", got)
		}
	})
	t.Run("addresses can be chosen, in both forms", func(t *testing.T) {
		if got := c.run(subnet, "PrivateIpAddress", "10.0.1.200").text("instancesSet/item/privateIpAddress"); got != "10.0.1.200" {
			t.Errorf("got %s", got)
		}
		got := c.call("RunInstances", "ImageId", HostImage, "MinCount", "1", "MaxCount", "1", "NetworkInterface.1.DeviceIndex", "0",
			"NetworkInterface.1.SubnetId", subnet, "NetworkInterface.1.PrivateIpAddress", "10.0.1.201", "NetworkInterface.1.SecurityGroupId.1", group,
			"NetworkInterface.1.AssociatePublicIpAddress", "false").text("instancesSet/item/privateIpAddress")
		if got != "10.0.1.201" {
			t.Errorf("got %s", got)
		}
		c.refuse("InvalidIPAddress.InUse", "RunInstances", "ImageId", HostImage, "MinCount", "1", "MaxCount", "1", "SubnetId", subnet, "PrivateIpAddress", "10.0.1.201")
	})
	t.Run("filters reach the network interface", func(t *testing.T) {
		for name, value := range map[string]string{
			"private-ip-address": "10.0.1.4", "network-interface.addresses.private-ip-address": "10.0.1.4",
			"private-dns-name": "ip-10-0-1-4.*", "network-interface.attachment.instance-id": id,
		} {
			if got := c.call("DescribeInstances", filter("1", name, value)...).texts("reservationSet/item/instancesSet/item/instanceId"); !slices.Equal(got, []string{id}) {
				t.Errorf("%s=%s: got %q", name, value, got)
			}
		}
		got := c.call("DescribeInstances", append(filter("1", "instance.group-name", "web"), filter("2", "tag:Name", "w?b")...)...)
		if n := len(got.all("reservationSet/item/instancesSet/item")); n != 2 || len(got.all("reservationSet/item")) != 1 {
			t.Errorf("got %d instances", n)
		}
	})
	t.Run("a source and destination check can be turned off", func(t *testing.T) {
		c.call("ModifyInstanceAttribute", "InstanceId", id, "SourceDestCheck.Value", "false")
		nic := c.call("DescribeNetworkInterfaces", filter("1", "attachment.instance-id", id)...).all("networkInterfaceSet/item")[0]
		if nic.text("sourceDestCheck") != "false" || nic.text("status") != "in-use" {
			t.Errorf("got %+v", nic)
		}
	})
}

func TestInstanceLife(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	subnet := c.subnet(c.vpc("10.0.0.0/16"), "10.0.1.0/24")
	id := c.instance(subnet, "DisableApiTermination", "true")
	state := func() string {
		t.Helper()
		return c.call("DescribeInstances", "InstanceId.1", id).text("reservationSet/item/instancesSet/item/instanceState/name")
	}
	statuses := func(parameters ...string) []string {
		t.Helper()
		return c.call("DescribeInstanceStatus", parameters...).texts("instanceStatusSet/item/instanceStatus/status")
	}
	if got := statuses(); len(got) != 0 {
		t.Errorf("statuses of running instances: %q", got)
	}
	if got := statuses("IncludeAllInstances", "true"); !slices.Equal(got, []string{"initializing"}) {
		t.Errorf("statuses of all instances: %q", got)
	}
	c.observe(id, "running")
	if got := state(); got != "running" {
		t.Errorf("a running instance is shown as %s", got)
	}
	if got := statuses(append([]string{"InstanceId.1", id}, filter("1", "system-status.reachability", "passed")...)...); !slices.Equal(got, []string{"ok"}) {
		t.Errorf("statuses of running instances: %q", got)
	}

	c.refuse("OperationNotPermitted", "TerminateInstances", "InstanceId.1", id)
	c.call("ModifyInstanceAttribute", "InstanceId", id, "Attribute", "disableApiTermination", "Value", "false")
	change := c.call("TerminateInstances", "InstanceId.1", id)
	if was, is := change.text("instancesSet/item/previousState/name"), change.text("instancesSet/item/currentState/name"); was != "running" || is != "shutting-down" {
		t.Errorf("terminated from %s to %s", was, is)
	}
	if got := state(); got != "shutting-down" {
		t.Errorf("while it ends it is %s", got)
	}
	c.observe(id, "terminated")
	if got := state(); got != "shutting-down" {
		t.Errorf("while it has its network interface it is %s", got)
	}
	c.update(func(tx *store.Tx, s store.Scope) { // as control/lifecycle does
		v, _ := store.Instances.Get(tx, s, id)
		v.Deleted, v.Interfaces = new(testTime), nil
		store.Instances.Put(tx, v)
	})
	if got := state(); got != "terminated" {
		t.Errorf("once it has ended it is %s", got)
	}
	again := c.call("TerminateInstances", "InstanceId.1", id)
	if was, is := again.text("instancesSet/item/previousState/code"), again.text("instancesSet/item/currentState/code"); was != "48" || is != "48" {
		t.Errorf("terminated again from %s to %s", was, is)
	}
	c.refuse("IncorrectInstanceState", "ModifyInstanceAttribute", "InstanceId", id, "SourceDestCheck.Value", "false")
}

func TestRunInstancesIsIdempotent(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	subnet := c.subnet(c.vpc("10.0.0.0/16"), "10.0.1.0/24")
	ids := func(n node) []string { return slices.Sorted(slices.Values(n.texts("instancesSet/item/instanceId"))) }
	first := ids(c.run(subnet, "MaxCount", "3", "ClientToken", "token"))
	if again := ids(c.run(subnet, "MaxCount", "3", "ClientToken", "token")); !slices.Equal(first, again) || len(first) != 3 {
		t.Errorf("got %q, then %q", first, again)
	}
	c.refuse("IdempotentParameterMismatch", "RunInstances", "ImageId", HostImage, "MinCount", "1", "MaxCount", "1", "SubnetId", subnet, "ClientToken", "token")
}

func TestRunInstancesFillsASubnet(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	subnet := c.subnet(c.vpc("10.0.0.0/16"), "10.0.1.0/28")
	if n := len(c.run(subnet, "MinCount", "4", "MaxCount", "50").all("instancesSet/item")); n != 11 {
		t.Errorf("%d instances were launched into 11 free addresses", n)
	}
	c.refuse("InsufficientFreeAddressesInSubnet", "RunInstances", "ImageId", HostImage, "MinCount", "1", "MaxCount", "1", "SubnetId", subnet)
	c.removeInterface(c.call("DescribeNetworkInterfaces", filter("1", "private-ip-address", "10.0.1.7")...).text("networkInterfaceSet/item/networkInterfaceId"))
	if got := c.run(subnet).text("instancesSet/item/privateIpAddress"); got != "10.0.1.7" {
		t.Errorf("the freed address is 10.0.1.7, got %s", got)
	}
}

func TestInstanceLimit(t *testing.T) {
	t.Parallel()
	c := newCloud(t, func(cfg *Config) { cfg.Limits.Instances = 3 })
	subnet := c.subnet(c.vpc("10.0.0.0/16"), "10.0.1.0/24")
	launched := c.run(subnet, "MaxCount", "9").texts("instancesSet/item/instanceId")
	if len(launched) != 3 {
		t.Errorf("%d instances were launched", len(launched))
	}
	c.refuse("InstanceLimitExceeded", "RunInstances", "ImageId", HostImage, "MinCount", "1", "MaxCount", "1", "SubnetId", subnet)
	c.call("TerminateInstances", "InstanceId.1", launched[0])
	c.run(subnet) // a place has become free
}

// TestInstancesNeverShareAnAddress lets many callers launch into one subnet at
// once, by chance and by choice, while others end.
func TestInstancesNeverShareAnAddress(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	vpc := c.vpc("10.0.0.0/16")
	subnet := c.subnet(vpc, "10.0.1.0/26")
	var wg sync.WaitGroup
	for range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for try := range 5 {
				count := strconv.Itoa(1 + try%3)
				c.send("RunInstances", "ImageId", HostImage, "MinCount", count, "MaxCount", count, "SubnetId", subnet)
				c.send("RunInstances", "ImageId", HostImage, "MinCount", "1", "MaxCount", "1", "SubnetId", subnet, "PrivateIpAddress", "10.0.1."+strconv.Itoa(20+try))
			}
		}()
	}
	wg.Wait()
	c.send("RunInstances", "ImageId", HostImage, "MinCount", "1", "MaxCount", "59", "SubnetId", subnet) // what is left, if any
	nics := c.call("DescribeNetworkInterfaces")
	for _, path := range []string{"privateIpAddress", "macAddress", "attachment/instanceId"} {
		values := nics.texts("networkInterfaceSet/item/" + path)
		if len(values) != 59 { // all addresses that a /26 has for instances
			t.Errorf("%d interfaces", len(values))
		}
		slices.Sort(values)
		if unique := slices.Compact(slices.Clone(values)); len(unique) != len(values) {
			t.Errorf("%s: %d of %d are different", path, len(unique), len(values))
		}
	}
	if n := len(c.call("DescribeInstances").all("reservationSet/item/instancesSet/item")); n != 59 {
		t.Errorf("%d instances have 59 interfaces", n)
	}
	if got := c.call("DescribeSubnets").text("subnetSet/item/availableIpAddressCount"); got != "0" {
		t.Errorf("%s addresses are free", got)
	}
}

// A console is a Console with one text.
type console string

func (c console) ConsoleOutput(context.Context, string) ([]byte, time.Time, error) {
	return []byte(c), testTime, nil
}

func TestGetConsoleOutput(t *testing.T) {
	t.Parallel()
	long := make([]byte, consoleMax+10)
	for i := range long {
		long[i] = 'a' + byte(i%26)
	}
	c := newCloud(t, func(cfg *Config) { cfg.Console = console(long) })
	id := c.instance(c.subnet(c.vpc("10.0.0.0/16"), "10.0.1.0/24"))
	answer := c.call("GetConsoleOutput", "InstanceId", id)
	output, err := base64.StdEncoding.DecodeString(answer.text("output"))
	if err != nil || string(output) != string(long[10:]) || answer.text("timestamp") != "2026-03-01T12:00:00.000Z" {
		t.Errorf("%v, %d bytes, %s", err, len(output), answer.text("timestamp"))
	}
}

// stateOf shows an instance's state with its reasons.
func (c *cloud) stateOf(id string) (state, code, transition string) {
	c.Helper()
	v := c.call("DescribeInstances", "InstanceId.1", id).all("reservationSet/item/instancesSet/item")[0]
	return v.text("instanceState/name"), v.text("stateReason/code"), v.text("reason")
}

func TestInstanceStopsAndStarts(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	vpc := c.vpc("10.0.0.0/16")
	subnet := c.subnet(vpc, "10.0.1.0/24")
	c.internetGateway(vpc)
	c.call("ModifySubnetAttribute", "SubnetId", subnet, "MapPublicIpOnLaunch.Value", "true")
	id, elastic := c.instance(subnet), c.instance(subnet)
	allocation, public := c.address()
	c.call("AssociateAddress", "AllocationId", allocation, "InstanceId", elastic)
	want := func(state, code, transition string) {
		t.Helper()
		if is, why, how := c.stateOf(id); is != state || why != code || how != transition {
			t.Errorf("it is %s, %s, %q, want %s, %s, %q", is, why, how, state, code, transition)
		}
	}
	publicOf := func(id string) string {
		t.Helper()
		return c.call("DescribeInstances", "InstanceId.1", id).text("reservationSet/item/instancesSet/item/ipAddress")
	}
	changed := func(answer node, before, after string) {
		t.Helper()
		if was, is := answer.text("instancesSet/item/previousState/code"), answer.text("instancesSet/item/currentState/code"); was != before || is != after {
			t.Errorf("the state went from %s to %s, want %s to %s", was, is, before, after)
		}
	}
	want("pending", "pending", "")
	c.refuse("IncorrectInstanceState", "RebootInstances", "InstanceId.1", id)
	c.observe(id, "running")
	c.observe(elastic, "running")
	want("running", "", "")
	c.call("RebootInstances", "InstanceId.1", id)
	want("running", "", "")

	c.call("ModifyInstanceAttribute", "InstanceId", id, "DisableApiStop.Value", "true")
	c.refuse("OperationNotPermitted", "StopInstances", "InstanceId.1", elastic, "InstanceId.2", id)
	c.call("ModifyInstanceAttribute", "InstanceId", id, "DisableApiStop.Value", "false")
	address := publicOf(id)
	changed(c.call("StopInstances", "InstanceId.1", id, "Force", "true"), "16", "64")
	c.call("StopInstances", "InstanceId.1", elastic)
	want("stopping", "Client.UserInitiatedShutdown", "User initiated (2026-03-01 12:00:00 GMT)")
	c.refuse("IncorrectInstanceState", "StartInstances", "InstanceId.1", id)
	c.observe(id, "stopped")
	c.observe(elastic, "stopped")
	want("stopped", "Client.UserInitiatedShutdown", "User initiated (2026-03-01 12:00:00 GMT)")
	changed(c.call("StopInstances", "InstanceId.1", id), "80", "80")
	if address == "" || publicOf(id) != "" || publicOf(elastic) != public {
		t.Errorf("stopped, the outside addresses are %q instead of %q, and %q instead of %q", publicOf(id), "", publicOf(elastic), public)
	}
	if got := c.call("DescribeInstanceStatus", "IncludeAllInstances", "true", "InstanceId.1", id).text("instanceStatusSet/item/instanceStatus/status"); got != "not-applicable" {
		t.Errorf("the status of a stopped instance is %s", got)
	}

	c.call("ModifyInstanceAttribute", "InstanceId", id, "InstanceType.Value", "t3.large")
	c.refuse("InvalidParameterValue", "ModifyInstanceAttribute", "InstanceId", id, "InstanceType.Value", "t9.huge")
	text := base64.StdEncoding.EncodeToString([]byte("#!/bin/sh\necho another\n"))
	c.call("ModifyInstanceAttribute", "InstanceId", id, "UserData.Value", text)
	if got := c.call("DescribeInstanceAttribute", "InstanceId", id, "Attribute", "userData").text("userData/value"); got != text {
		t.Errorf("user data: %q", got)
	}

	changed(c.call("StartInstances", "InstanceId.1", id), "80", "0")
	want("pending", "pending", "")
	if got := publicOf(id); got == "" {
		t.Error("it has got no new outside address")
	}
	c.observe(id, "running")
	changed(c.call("StartInstances", "InstanceId.1", id), "16", "16")
	if got := c.call("DescribeInstances", filter("1", "instance-type", "t3.large")...).text("reservationSet/item/instancesSet/item/instanceId"); got != id {
		t.Errorf("of the new type there is %q", got)
	}
	c.call("DisassociateAddress", "AssociationId", c.call("DescribeAddresses").text("addressesSet/item/associationId"))
	if got := publicOf(elastic); got != "" {
		t.Errorf("a stopped instance has got the outside address %s", got)
	}
}

// A stop of several instances, one of which cannot be stopped, stops none.
func TestInstancesStopTogetherOrNot(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	subnet := c.subnet(c.vpc("10.0.0.0/16"), "10.0.1.0/24")
	runs, ended := c.instance(subnet), c.instance(subnet)
	c.observe(runs, "running")
	c.call("TerminateInstances", "InstanceId.1", ended)
	c.refuse("IncorrectInstanceState", "StopInstances", "InstanceId.1", runs, "InstanceId.2", ended)
	if state, _, _ := c.stateOf(runs); state != "running" {
		t.Errorf("it is %s", state)
	}
}

// An instance that cannot be started says why, and can be stopped.
func TestInstanceThatDoesNotStartCanBeStopped(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	id := c.instance(c.subnet(c.vpc("10.0.0.0/16"), "10.0.1.0/24"))
	c.observe(id, "pending")
	c.update(func(tx *store.Tx, s store.Scope) {
		status, _ := store.InstanceStatuses.Get(tx, s, id)
		status.Reason = "no space left"
		store.InstanceStatuses.Put(tx, status)
	})
	if state, code, _ := c.stateOf(id); state != "pending" || code != "Server.InternalError" {
		t.Errorf("it is %s, %s", state, code)
	}
	c.call("StopInstances", "InstanceId.1", id)
	if state, _, _ := c.stateOf(id); state != "stopping" {
		t.Errorf("it is %s", state)
	}
}

// What powers itself off is stopped or terminated, and shown so at once.
func TestInstancePowersItselfOff(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	subnet := c.subnet(c.vpc("10.0.0.0/16"), "10.0.1.0/24")
	for behavior, want := range map[string]string{"stop": "stopping", "terminate": "shutting-down"} {
		id := c.instance(subnet, "InstanceInitiatedShutdownBehavior", behavior)
		c.update(func(tx *store.Tx, s store.Scope) {
			meta := resource.Meta{ID: id, Account: s.Account, Region: s.Region}
			store.InstanceStatuses.Put(tx, resource.InstanceStatus{Meta: meta, State: "stopping", Boot: 1, PoweredOff: true})
		})
		if state, code, _ := c.stateOf(id); state != want || code != "Client.InstanceInitiatedShutdown" {
			t.Errorf("%s: it is %s, %s", behavior, state, code)
		}
	}
}
