package ec2

import (
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
