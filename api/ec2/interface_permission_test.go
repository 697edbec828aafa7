package ec2

import (
	"slices"
	"strings"
	"testing"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/store"
)

// TestInterfaceOfAnotherAccount lends an interface to another account, which attaches it,
// sees it at its instance, and gives it back.
func TestInterfaceOfAnotherAccount(t *testing.T) {
	t.Parallel()
	owner, user := newCloud(t), newCloud(t)
	nic := owner.networkInterface(owner.subnet(owner.vpc("10.0.0.0/16"), "10.0.1.0/24"))
	ownSubnet := user.subnet(user.vpc("10.9.0.0/16"), "10.9.1.0/24")
	instance := user.launched(ownSubnet, "t3.small")
	attach := []string{"NetworkInterfaceId", nic, "InstanceId", instance, "DeviceIndex", "1"}
	user.refuse("InvalidNetworkInterfaceID.NotFound", "AttachNetworkInterface", attach...)

	grant := []string{"NetworkInterfaceId", nic, "AwsAccountId", user.account, "Permission", "INSTANCE-ATTACH"}
	owner.refuse("DryRunOperation", "CreateNetworkInterfacePermission", append(grant, "DryRun", "true")...)
	granted := owner.call("CreateNetworkInterfacePermission", grant...)
	id := granted.text("interfacePermission/networkInterfacePermissionId")
	if state := granted.text("interfacePermission/permissionState/state"); state != "GRANTED" || !strings.HasPrefix(id, "eni-perm-") {
		t.Errorf("permission %s is %s", id, state)
	}
	owner.refuse("InvalidParameterValue", "CreateNetworkInterfacePermission", grant...)
	owner.refuse("InvalidParameterValue", "CreateNetworkInterfacePermission", "NetworkInterfaceId", nic, "AwsAccountId", "999999999999", "Permission", "EIP-ASSOCIATE")
	user.refuse("InvalidPermissionID.NotFound", "DeleteNetworkInterfacePermission", "NetworkInterfacePermissionId", id)
	address, _ := user.address()
	user.refuse("InvalidNetworkInterfaceID.NotFound", "AssociateAddress", "AllocationId", address, "NetworkInterfaceId", nic) // it may attach it, and no more
	user.refuse("InvalidNetworkInterfaceID.NotFound", "ModifyNetworkInterfaceAttribute", "NetworkInterfaceId", nic, "Description.Value", "mine")
	user.refuse("InvalidNetworkInterfaceID.NotFound", "DeleteNetworkInterface", "NetworkInterfaceId", nic)

	// What the request is about for policies is the owner's interface.
	index := int32(1)
	var about []string
	for _, target := range user.service.targets(server.Caller{Account: user.account, Region: testRegion, Now: testTime}, "AttachNetworkInterface", &model.AttachNetworkInterfaceInput{NetworkInterfaceId: &nic, InstanceId: &instance, DeviceIndex: &index}) {
		about = append(about, target.ARN)
	}
	if want := "arn:aws:ec2:us-east-1:" + owner.account + ":network-interface/" + nic; !slices.Contains(about, want) {
		t.Errorf("to attach it is about %v, want %s", about, want)
	}

	attachment := user.call("AttachNetworkInterface", attach...).text("attachmentId")
	owner.sees(nic, attachment, true)
	shown := owner.describeInterface(nic)
	if got := shown.text("attachment/instanceOwnerId") + " " + shown.text("attachment/instanceId") + " " + shown.text("attachment/status"); got != user.account+" "+instance+" attached" {
		t.Errorf("its owner sees it at %s", got)
	}
	const at = "reservationSet/item/instancesSet/item/networkInterfaceSet/item/"
	seen := user.call("DescribeInstances", filter("1", "network-interface.network-interface-id", nic)...)
	if ids, owners := seen.texts(at+"networkInterfaceId"), seen.texts(at+"ownerId"); len(ids) != 2 || ids[1] != nic || owners[1] != owner.account {
		t.Errorf("the instance has %v of %v", ids, owners)
	}
	if all := user.call("DescribeNetworkInterfaces").all("networkInterfaceSet/item"); len(all) != 1 {
		t.Errorf("the other account has %d interfaces, want its own", len(all))
	}
	user.refuse("InvalidParameterValue", "AttachNetworkInterface", "NetworkInterfaceId", user.networkInterface(ownSubnet), "InstanceId", instance, "DeviceIndex", "1")
	owner.refuse("InvalidParameterValue", "DeleteNetworkInterface", "NetworkInterfaceId", nic)

	// The permission is in use until it is forced away; the attachment stays then.
	owner.refuse("OperationNotPermitted", "DeleteNetworkInterfacePermission", "NetworkInterfacePermissionId", id)
	owner.call("DeleteNetworkInterfacePermission", "NetworkInterfacePermissionId", id, "Force", "true")
	if got := owner.describeInterface(nic).text("attachment/instanceId"); got != instance {
		t.Errorf("without the permission it is at %q", got)
	}
	user.call("DetachNetworkInterface", "AttachmentId", attachment, "Force", "true")
	if got := owner.describeInterface(nic).text("status"); got != "available" {
		t.Errorf("given back it is %s", got)
	}
	user.refuse("InvalidNetworkInterfaceID.NotFound", "AttachNetworkInterface", attach...)
	if ids := user.call("DescribeInstances", "InstanceId.1", instance).texts(at + "networkInterfaceId"); len(ids) != 1 {
		t.Errorf("the instance still has %v", ids)
	}
	owner.call("DeleteNetworkInterface", "NetworkInterfaceId", nic)
}

// TestAddressOfAnotherAccount lets an address of one account stand for an interface of
// another.
func TestAddressOfAnotherAccount(t *testing.T) {
	t.Parallel()
	owner, user := newCloud(t), newCloud(t)
	vpc := owner.vpc("10.0.0.0/16")
	nic := owner.networkInterface(owner.subnet(vpc, "10.0.1.0/24"))
	address, public := user.address()
	associate := []string{"AllocationId", address, "NetworkInterfaceId", nic}
	id := owner.call("CreateNetworkInterfacePermission", "NetworkInterfaceId", nic, "AwsAccountId", user.account, "Permission", "EIP-ASSOCIATE").text("interfacePermission/networkInterfacePermissionId")
	user.refuse("Gateway.NotAttached", "AssociateAddress", associate...)
	owner.internetGateway(vpc)
	association := user.call("AssociateAddress", associate...).text("associationId")
	if shown := owner.describeInterface(nic); shown.text("association/publicIp") != public || shown.text("association/ipOwnerId") != user.account {
		t.Errorf("its owner sees %s of %s", shown.text("association/publicIp"), shown.text("association/ipOwnerId"))
	}
	if shown := user.call("DescribeAddresses", "AllocationId.1", address); shown.text("addressesSet/item/networkInterfaceOwnerId") != owner.account {
		t.Errorf("the address is of %s", shown.text("addressesSet/item/networkInterfaceOwnerId"))
	}
	owner.refuse("OperationNotPermitted", "DeleteNetworkInterfacePermission", "NetworkInterfacePermissionId", id)
	user.call("DisassociateAddress", "AssociationId", association)
	user.call("AssociateAddress", associate...)
	owner.call("DeleteNetworkInterface", "NetworkInterfaceId", nic) // and the address stands for nobody
	if got := user.call("DescribeAddresses", "AllocationId.1", address).text("addressesSet/item/associationId"); got != "" {
		t.Errorf("the address still has association %s", got)
	}
	user.call("ReleaseAddress", "AllocationId", address)
	owner.update(func(tx *store.Tx, s store.Scope) {
		if _, ok := store.NetworkInterfaces.Get(tx, s, nic); ok {
			t.Error("the interface is still there")
		}
	})
}

// TestInterfacePermissions lists them, by filters and page by page.
func TestInterfacePermissions(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	subnet := c.subnet(c.vpc("10.0.0.0/16"), "10.0.1.0/24")
	var nics [6]string
	for i := range nics {
		nics[i] = c.networkInterface(subnet)
		c.call("CreateNetworkInterfacePermission", "NetworkInterfaceId", nics[i], "AwsAccountId", "999999999999", "Permission", "INSTANCE-ATTACH")
	}
	id := c.call("CreateNetworkInterfacePermission", "NetworkInterfaceId", nics[0], "AwsAccountId", "999999999999", "Permission", "EIP-ASSOCIATE").text("interfacePermission/networkInterfacePermissionId")
	const item, prefix = "networkInterfacePermissions/item", "network-interface-permission."
	for name, test := range map[string]struct {
		value string
		want  int
	}{
		"network-interface-id": {nics[0], 2}, "network-interface-permission-id": {id, 1}, "permission": {"INSTANCE-*", 6}, "aws-account-id": {"999999999999", 7}, "aws-service": {"*", 0},
	} {
		if got := c.call("DescribeNetworkInterfacePermissions", filter("1", prefix+name, test.value)...).all(item); len(got) != test.want {
			t.Errorf("%s %s: %d, want %d", name, test.value, len(got), test.want)
		}
	}
	first := c.call("DescribeNetworkInterfacePermissions", "MaxResults", "5")
	rest := c.call("DescribeNetworkInterfacePermissions", "MaxResults", "5", "NextToken", first.text("nextToken"))
	if len(first.all(item)) != 5 || len(rest.all(item)) != 2 {
		t.Errorf("%d and %d on two pages", len(first.all(item)), len(rest.all(item)))
	}
	if got := c.call("DescribeNetworkInterfacePermissions", "NetworkInterfacePermissionId.1", id).texts(item + "/permission"); !slices.Equal(got, []string{"EIP-ASSOCIATE"}) {
		t.Errorf("by its id there is %v", got)
	}
	c.refuse("InvalidPermissionID.Malformed", "DescribeNetworkInterfacePermissions", "NetworkInterfacePermissionId.1", "eni-perm-x")
	c.call("DeleteNetworkInterfacePermission", "NetworkInterfacePermissionId", id)
	c.refuse("InvalidPermissionID.NotFound", "DescribeNetworkInterfacePermissions", "NetworkInterfacePermissionId.1", id)
}
