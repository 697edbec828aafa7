package acceptance

import (
	"fmt"
	"time"
)

// lentInterface lets another account attach an interface of this one's subnet to an
// instance of its own: packets for it reach that instance, for as long as it is
// attached, and nothing else of the other account's network.
func (i *installation) lentInterface(aws cli, subnet, instance string) {
	aws.t.Helper()
	const address, elsewhere = "10.0.1.60", "10.9.1.60"
	other := *i
	other.signer = [2]string{otherAccessKey, otherAccessSecret}
	foreign := aws
	foreign.keys = []string{"AWS_ACCESS_KEY_ID=" + otherAccessKey, "AWS_SECRET_ACCESS_KEY=" + otherAccessSecret}
	network := other.createVPC("10.9.0.0/16")
	inside := other.createSubnet(network, "10.9.1.0/24")
	borrower := other.runInstance(inside, other.createOpenGroup(network), elsewhere)
	other.waitForInstance(borrower, "running")

	answers := func(to string, want bool) {
		i.t.Helper()
		i.lab.Eventually(time.Minute, fmt.Sprintf("it is %v that %s answers", want, to), func() error {
			if out, err := i.causeway("exec", instance, "--", "ping", "-c", "1", "-W", "1", to); (err == nil) != want {
				return fmt.Errorf("ping: %v: %s", err, out)
			}
			return nil
		})
	}
	nic := i.call("CreateNetworkInterface", "SubnetId="+subnet, "PrivateIpAddress="+address).get("networkInterface/networkInterfaceId")
	attach := []string{"attach-network-interface", "--network-interface-id", nic, "--instance-id", borrower, "--device-index", "1"}
	foreign.refused("InvalidNetworkInterfaceID.NotFound", attach...)
	permission := aws.query("InterfacePermission.NetworkInterfacePermissionId", "create-network-interface-permission", "--network-interface-id", nic, "--aws-account-id", otherAccountID, "--permission", "INSTANCE-ATTACH")
	answers(address, false)
	attachment := foreign.query("AttachmentId", attach...)
	answers(address, true)
	answers(elsewhere, false)
	aws.wants(otherAccountID+"\t"+borrower, "NetworkInterfaces[].Attachment.[InstanceOwnerId,InstanceId]", "describe-network-interfaces", "--network-interface-ids", nic)
	aws.refused("OperationNotPermitted", "delete-network-interface-permission", "--network-interface-permission-id", permission)
	other.call("DetachNetworkInterface", "AttachmentId="+attachment)
	i.waitForState("available", "DescribeNetworkInterfaces", "NetworkInterfaceId.1="+nic, "networkInterfaceSet/item/status")
	answers(address, false)
	aws.ok("delete-network-interface-permission", "--network-interface-permission-id", permission)
	i.call("DeleteNetworkInterface", "NetworkInterfaceId="+nic)
	other.call("TerminateInstances", "InstanceId.1="+borrower)
}
