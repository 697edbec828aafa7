package ec2

import (
	"slices"
	"testing"

	"causeway.dev/resource"
	"causeway.dev/store"
)

// TestInterfaceOutlivesInstance keeps an interface when its instance ends: then,
// and only then, it can be deleted.
func TestInterfaceOutlivesInstance(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	subnet := c.subnet(c.vpc("10.0.0.0/16"), "10.0.1.0/24")
	answer := c.call("RunInstances", "ImageId", HostImage, "MinCount", "1", "MaxCount", "1", "NetworkInterface.1.DeviceIndex", "0",
		"NetworkInterface.1.SubnetId", subnet, "NetworkInterface.1.DeleteOnTermination", "false", "NetworkInterface.1.Description", "kept")
	nic := answer.text("instancesSet/item/networkInterfaceSet/item/networkInterfaceId")
	c.refuse("InvalidParameterValue", "DeleteNetworkInterface", "NetworkInterfaceId", nic)

	c.update(func(tx *store.Tx, s store.Scope) { // as when the instance has ended
		v, _ := store.NetworkInterfaces.Get(tx, s, nic)
		v.Instance, v.AttachmentID, v.Status = "", "", resource.StateAvailable
		store.NetworkInterfaces.Put(tx, v)
	})
	shown := c.call("DescribeNetworkInterfaces", filter("1", "status", "available")...).all("networkInterfaceSet/item")
	if len(shown) != 1 || shown[0].text("description") != "kept" || len(shown[0].all("attachment")) != 0 {
		t.Errorf("got %+v", shown)
	}
	c.refuse("DependencyViolation", "DeleteSubnet", "SubnetId", subnet)
	c.call("DeleteNetworkInterface", "NetworkInterfaceId", nic)
	c.call("DeleteSubnet", "SubnetId", subnet)
}

// TestTokenOfAForgottenInstance uses a client token again when nobody remembers
// the instance that it launched: what that left behind is not touched.
func TestTokenOfAForgottenInstance(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	subnet := c.subnet(c.vpc("10.0.0.0/16"), "10.0.1.0/24")
	launch := []string{"ImageId", HostImage, "MinCount", "1", "MaxCount", "1", "ClientToken", "again", "NetworkInterface.1.DeviceIndex", "0",
		"NetworkInterface.1.SubnetId", subnet, "NetworkInterface.1.DeleteOnTermination", "false"}
	first := c.call("RunInstances", launch...)
	kept := first.text("instancesSet/item/networkInterfaceSet/item/networkInterfaceId")
	c.update(func(tx *store.Tx, s store.Scope) { // as when its retention is over
		v, _ := store.NetworkInterfaces.Get(tx, s, kept)
		v.Instance, v.AttachmentID, v.Status = "", "", resource.StateAvailable
		store.NetworkInterfaces.Put(tx, v)
		store.Instances.Delete(tx, s, first.text("instancesSet/item/instanceId"))
	})
	second := c.call("RunInstances", launch...)
	if nic := second.text("instancesSet/item/networkInterfaceSet/item/networkInterfaceId"); nic == kept {
		t.Errorf("the interface %s of the first instance was overwritten", kept)
	}
}

// launched is an instance of a type that runs, as its node sees it.
func (c *cloud) launched(subnet, kind string) string {
	c.Helper()
	id := c.instance(subnet, "InstanceType", kind)
	c.observe(id, resource.InstanceRunning)
	return id
}

// sees writes what a node sees of a network interface.
func (c *cloud) sees(nic, attachment string, attached bool) {
	c.Helper()
	c.update(func(tx *store.Tx, s store.Scope) {
		store.NetworkInterfaceStatuses.Put(tx, resource.NetworkInterfaceStatus{
			Meta: resource.Meta{ID: nic, Account: s.Account, Region: s.Region}, Attachment: attachment, Attached: attached,
		})
	})
}

// describeInterface shows one network interface.
func (c *cloud) describeInterface(id string) node {
	c.Helper()
	return c.call("DescribeNetworkInterfaces", "NetworkInterfaceId.1", id).all("networkInterfaceSet/item")[0]
}

// TestCreateNetworkInterface makes interfaces with addresses that were chosen and
// others, and the same one twice.
func TestCreateNetworkInterface(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	vpc := c.vpc("10.0.0.0/16")
	subnet, group := c.subnet(vpc, "10.0.1.0/24"), c.group(vpc, "web")
	request := []string{"SubnetId", subnet, "ClientToken", "once", "Description", "a spare", "SecurityGroupId.1", group,
		"PrivateIpAddresses.1.PrivateIpAddress", "10.0.1.20", "PrivateIpAddresses.2.PrivateIpAddress", "10.0.1.10", "PrivateIpAddresses.2.Primary", "true",
		"TagSpecification.1.ResourceType", "network-interface", "TagSpecification.1.Tag.1.Key", "k", "TagSpecification.1.Tag.1.Value", "v"}
	made := c.call("CreateNetworkInterface", request...)
	id := made.text("networkInterface/networkInterfaceId")
	for path, want := range map[string]string{
		"networkInterface/status": "available", "networkInterface/description": "a spare", "networkInterface/privateIpAddress": "10.0.1.10",
		"networkInterface/groupSet/item/groupId": group, "networkInterface/tagSet/item/value": "v", "networkInterface/sourceDestCheck": "true", "clientToken": "once",
	} {
		if got := made.text(path); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
	if again := c.call("CreateNetworkInterface", request...).text("networkInterface/networkInterfaceId"); again != id {
		t.Errorf("asked for again it is %s, it was %s", again, id)
	}
	c.refuse("IdempotentParameterMismatch", "CreateNetworkInterface", "SubnetId", subnet, "ClientToken", "once")
	if got := made.texts("networkInterface/privateIpAddressesSet/item/privateIpAddress"); !slices.Equal(got, []string{"10.0.1.10", "10.0.1.20"}) {
		t.Errorf("its addresses are %v", got)
	}

	counted := c.call("CreateNetworkInterface", "SubnetId", subnet, "SecondaryPrivateIpAddressCount", "2", "PrivateIpAddress", "10.0.1.4")
	if got := counted.texts("networkInterface/privateIpAddressesSet/item/privateIpAddress"); !slices.Equal(got, []string{"10.0.1.4", "10.0.1.5", "10.0.1.6"}) {
		t.Errorf("the addresses of the second are %v", got)
	}
	// One that was chosen as a secondary one is not given away as the primary one.
	chosen := c.call("CreateNetworkInterface", "SubnetId", subnet, "PrivateIpAddresses.1.PrivateIpAddress", "10.0.1.7", "PrivateIpAddresses.1.Primary", "false")
	if got := chosen.texts("networkInterface/privateIpAddressesSet/item/privateIpAddress"); !slices.Equal(got, []string{"10.0.1.8", "10.0.1.7"}) {
		t.Errorf("the addresses of the third are %v", got)
	}
	if free := c.call("DescribeSubnets", "SubnetId.1", subnet).text("subnetSet/item/availableIpAddressCount"); free != "244" {
		t.Errorf("%s addresses are free, want 251-7", free)
	}
	for filters, want := range map[[2]string]int{
		{"addresses.private-ip-address", "10.0.1.20"}: 1, {"private-ip-address", "10.0.1.20"}: 0, {"private-ip-address", "10.0.1.10"}: 1,
		{"addresses.primary", "false"}: 3, {"status", "available"}: 3, {"description", "a *"}: 1, {"attachment.status", "*"}: 0, {"tag:k", "v"}: 1,
	} {
		if got := c.call("DescribeNetworkInterfaces", filter("1", filters[0], filters[1])...).all("networkInterfaceSet/item"); len(got) != want {
			t.Errorf("%v: %d interfaces, want %d", filters, len(got), want)
		}
	}
}

// TestAttachAndDetach plugs an interface into an instance and takes it away: each is
// done when a node has seen it.
func TestAttachAndDetach(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	vpc := c.vpc("10.0.0.0/16")
	subnet := c.subnet(vpc, "10.0.1.0/24")
	instance, nic := c.launched(subnet, "t3.small"), c.networkInterface(c.subnet(vpc, "10.0.2.0/24"))
	attachment := c.call("AttachNetworkInterface", "NetworkInterfaceId", nic, "InstanceId", instance, "DeviceIndex", "2").text("attachmentId")
	state := func() string {
		shown := c.describeInterface(nic)
		return shown.text("status") + " " + shown.text("attachment/status")
	}
	if got := state(); got != "in-use attaching" {
		t.Errorf("at first it is %s", got)
	}
	c.sees(nic, attachment, true)
	if got := state(); got != "in-use attached" {
		t.Errorf("once it is seen it is %s", got)
	}
	second := c.networkInterface(subnet)
	c.refuse("InvalidParameterValue", "AttachNetworkInterface", "NetworkInterfaceId", second, "InstanceId", instance, "DeviceIndex", "2")
	c.call("AttachNetworkInterface", "NetworkInterfaceId", second, "InstanceId", instance, "DeviceIndex", "1")
	c.refuse("AttachmentLimitExceeded", "AttachNetworkInterface", "NetworkInterfaceId", c.networkInterface(subnet), "InstanceId", instance, "DeviceIndex", "3")
	shown := c.call("DescribeInstances", "InstanceId.1", instance)
	const interfaces = "reservationSet/item/instancesSet/item/networkInterfaceSet/item/"
	if ids, indexes := shown.texts(interfaces+"networkInterfaceId"), shown.texts(interfaces+"attachment/deviceIndex"); len(ids) != 3 || ids[2] != nic || !slices.Equal(indexes, []string{"0", "1", "2"}) {
		t.Errorf("the instance has %v at %v", ids, indexes)
	}
	if found := c.call("DescribeInstances", filter("1", "network-interface.network-interface-id", nic)...).all("reservationSet/item"); len(found) != 1 {
		t.Errorf("%d instances are found by the interface", len(found))
	}
	c.call("ModifyNetworkInterfaceAttribute", "NetworkInterfaceId", nic, "Attachment.AttachmentId", attachment, "Attachment.DeleteOnTermination", "true")
	if got := c.describeInterface(nic).text("attachment/deleteOnTermination"); got != "true" {
		t.Errorf("deleteOnTermination is %s", got)
	}

	c.call("DetachNetworkInterface", "AttachmentId", attachment)
	if got := state(); got != "in-use detaching" {
		t.Errorf("while it goes it is %s", got)
	}
	c.refuse("InvalidParameterValue", "DeleteNetworkInterface", "NetworkInterfaceId", nic)
	c.call("DetachNetworkInterface", "AttachmentId", attachment, "Force", "true")
	if got := state(); got != "available " {
		t.Errorf("taken by force it is %q", got)
	}
	c.refuse("InvalidAttachmentID.NotFound", "DetachNetworkInterface", "AttachmentId", attachment)
	// Terraform's provider asks so until the attachment is detached.
	ended := func() []string {
		found := c.call("DescribeNetworkInterfaces", filter("1", "attachment.attachment-id", attachment)...)
		return append(found.texts("networkInterfaceSet/item/networkInterfaceId"), found.texts("networkInterfaceSet/item/attachment/status")...)
	}
	if got := ended(); !slices.Equal(got, []string{nic, "detached"}) {
		t.Errorf("by the attachment that has ended, found is %v", got)
	}
	another := c.call("AttachNetworkInterface", "NetworkInterfaceId", nic, "InstanceId", instance, "DeviceIndex", "2").text("attachmentId")
	if got := ended(); len(got) != 0 || another == attachment {
		t.Errorf("by the attachment before the present one, found is %v", got)
	}
	c.call("DetachNetworkInterface", "AttachmentId", another, "Force", "true")
	c.call("DeleteNetworkInterface", "NetworkInterfaceId", nic)
	if ids := c.call("DescribeInstances", "InstanceId.1", instance).texts(interfaces + "networkInterfaceId"); len(ids) != 2 {
		t.Errorf("the instance has %v", ids)
	}
}

// TestPrivateAddresses assigns addresses, lets elastic ones stand for them, moves
// one to another interface and takes one away.
func TestPrivateAddresses(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	vpc := c.vpc("10.0.0.0/16")
	c.internetGateway(vpc)
	subnet := c.subnet(vpc, "10.0.1.0/24")
	first, second := c.networkInterface(subnet), c.networkInterface(subnet)
	assigned := c.call("AssignPrivateIpAddresses", "NetworkInterfaceId", first, "PrivateIpAddress.1", "10.0.1.50", "PrivateIpAddress.2", "10.0.1.40")
	if got := assigned.texts("assignedPrivateIpAddressesSet/item/privateIpAddress"); !slices.Equal(got, []string{"10.0.1.50", "10.0.1.40"}) {
		t.Errorf("assigned: %v", got)
	}
	if got := c.call("AssignPrivateIpAddresses", "NetworkInterfaceId", second, "SecondaryPrivateIpAddressCount", "2").texts("assignedPrivateIpAddressesSet/item/privateIpAddress"); !slices.Equal(got, []string{"10.0.1.6", "10.0.1.7"}) {
		t.Errorf("assigned: %v", got)
	}
	primary, _ := c.address()
	other, public := c.address()
	c.call("AssociateAddress", "AllocationId", primary, "NetworkInterfaceId", first)
	c.call("AssociateAddress", "AllocationId", other, "NetworkInterfaceId", first, "PrivateIpAddress", "10.0.1.40")
	shown := c.describeInterface(first)
	if got := shown.texts("privateIpAddressesSet/item/association/allocationId"); !slices.Equal(got, []string{primary, other}) || shown.text("association/allocationId") != primary {
		t.Errorf("addresses %v stand for it", got)
	}
	c.refuse("InvalidParameterValue", "AssignPrivateIpAddresses", "NetworkInterfaceId", second, "PrivateIpAddress.1", "10.0.1.40")
	c.call("AssignPrivateIpAddresses", "NetworkInterfaceId", second, "PrivateIpAddress.1", "10.0.1.40", "AllowReassignment", "true")
	if got := c.describeInterface(first).texts("privateIpAddressesSet/item/privateIpAddress"); !slices.Equal(got, []string{"10.0.1.4", "10.0.1.50"}) {
		t.Errorf("the first has %v left", got)
	}
	found := c.call("DescribeNetworkInterfaces", filter("1", "addresses.association.public-ip", public)...)
	if got := found.text("networkInterfaceSet/item/networkInterfaceId"); got != second {
		t.Errorf("the elastic address is with %q, not with its private one", got)
	}
	c.call("UnassignPrivateIpAddresses", "NetworkInterfaceId", second, "PrivateIpAddress.1", "10.0.1.40", "PrivateIpAddress.2", "10.0.1.6")
	if got := c.describeInterface(second).texts("privateIpAddressesSet/item/privateIpAddress"); !slices.Equal(got, []string{"10.0.1.5", "10.0.1.7"}) {
		t.Errorf("the second has %v left", got)
	}
	if got := c.call("DescribeAddresses", "AllocationId.1", other).text("addressesSet/item/associationId"); got != "" {
		t.Errorf("the elastic address still has the association %s", got)
	}
	c.call("AssignPrivateIpAddresses", "NetworkInterfaceId", first, "PrivateIpAddress.1", "10.0.1.6")
}

// TestRunWithInterfaces launches instances with several interfaces.
func TestRunWithInterfaces(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	vpc := c.vpc("10.0.0.0/16")
	front, back := c.subnet(vpc, "10.0.1.0/24"), c.subnet(vpc, "10.0.2.0/24")
	kept := c.networkInterface(back, "Description", "kept")
	launch := []string{"ImageId", HostImage, "InstanceType", "t3.small", "MinCount", "1", "MaxCount", "1",
		"NetworkInterface.1.DeviceIndex", "1", "NetworkInterface.1.NetworkInterfaceId", kept,
		"NetworkInterface.2.DeviceIndex", "0", "NetworkInterface.2.SubnetId", front, "NetworkInterface.2.SecondaryPrivateIpAddressCount", "1",
		"NetworkInterface.3.DeviceIndex", "2", "NetworkInterface.3.SubnetId", front, "NetworkInterface.3.PrivateIpAddress", "10.0.1.77"}
	shown := c.call("RunInstances", launch...).all("instancesSet/item")[0]
	nics := shown.all("networkInterfaceSet/item")
	if len(nics) != 3 || nics[1].text("networkInterfaceId") != kept {
		t.Fatalf("it has %d interfaces: %+v", len(nics), nics)
	}
	if got := shown.text("privateIpAddress"); got != "10.0.1.4" || shown.text("subnetId") != front {
		t.Errorf("its address is %s in %s", got, shown.text("subnetId"))
	}
	if got := shown.texts("networkInterfaceSet/item/privateIpAddressesSet/item/privateIpAddress"); !slices.Equal(got, []string{"10.0.1.4", "10.0.1.5", "10.0.2.4", "10.0.1.77"}) {
		t.Errorf("its addresses are %v", got)
	}
	if got := shown.texts("networkInterfaceSet/item/attachment/deleteOnTermination"); !slices.Equal(got, []string{"true", "false", "true"}) {
		t.Errorf("deleteOnTermination is %v", got)
	}

	two := c.call("RunInstances", "ImageId", HostImage, "MinCount", "2", "MaxCount", "2",
		"NetworkInterface.1.DeviceIndex", "0", "NetworkInterface.1.SubnetId", front, "NetworkInterface.2.DeviceIndex", "1", "NetworkInterface.2.SubnetId", front)
	addresses := two.texts("instancesSet/item/networkInterfaceSet/item/privateIpAddress")
	if slices.Sort(addresses); len(addresses) != 4 || len(slices.Compact(addresses)) != 4 {
		t.Errorf("two instances with two interfaces each have %v", addresses)
	}
}
