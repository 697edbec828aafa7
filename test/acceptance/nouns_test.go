package acceptance

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// What the AWS CLI makes beside the main job: keys, lists, options, interfaces,
// addresses, gateways, ACLs and flow logs, each made, shown, waited for where the CLI
// has a waiter, and deleted. What needs no CLI, which takes a second a start, is
// called directly.
func TestNounsByTheAWSCLI(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	program := awsProgram(t)
	i := install(t, s.lab, s.internet, testAddresses)
	aws := cli{t: t, i: i, program: program}

	vpc := aws.query("Vpc.VpcId", "create-vpc", "--cidr-block", "10.0.0.0/16", "--amazon-provided-ipv6-cidr-block")
	ipv6 := i.call("DescribeVpcs", "VpcId.1="+vpc).get("vpcSet/item/ipv6CidrBlockAssociationSet/item/ipv6CidrBlock")
	subnet := aws.query("Subnet.SubnetId", "create-subnet", "--vpc-id", vpc, "--cidr-block", "10.0.1.0/24", "--ipv6-cidr-block", strings.Replace(ipv6, "::/56", "::/64", 1))
	gateway := i.call("CreateInternetGateway").get("internetGateway/internetGatewayId")
	i.call("AttachInternetGateway", "VpcId="+vpc, "InternetGatewayId="+gateway)

	key := aws.query("KeyMaterial", "create-key-pair", "--key-name", "admin", "--key-type", "ed25519")
	if !strings.HasPrefix(key, "-----BEGIN OPENSSH PRIVATE KEY-----") {
		t.Errorf("the key is %.40q", key)
	}
	list := aws.query("PrefixList.PrefixListId", "create-managed-prefix-list", "--prefix-list-name", "sites", "--address-family", "IPv4", "--max-entries", "2",
		"--entries", "Cidr=192.168.0.0/16,Description=all")
	aws.wants("192.168.0.0/16\tall", "Entries[].[Cidr,Description]", "get-managed-prefix-list-entries", "--prefix-list-id", list)
	options := aws.query("DhcpOptions.DhcpOptionsId", "create-dhcp-options", "--dhcp-configurations", `[{"Key":"domain-name","Values":["example.com"]}]`)
	i.call("AssociateDhcpOptions", "DhcpOptionsId="+options, "VpcId="+vpc)
	acl := aws.query("NetworkAcl.NetworkAclId", "create-network-acl", "--vpc-id", vpc)
	aws.ok("create-network-acl-entry", "--network-acl-id", acl, "--ingress", "--rule-number", "10", "--protocol", "tcp", "--port-range", "From=22,To=23", "--cidr-block", "10.0.0.0/8", "--rule-action", "allow")
	flows := aws.query("FlowLogIds[0]", "create-flow-logs", "--resource-type", "Subnet", "--resource-ids", subnet, "--traffic-type", "REJECT",
		"--log-destination-type", "s3", "--log-destination", "arn:aws:s3:::flows")

	address := aws.query("AllocationId", "allocate-address")
	nat := aws.query("NatGateway.NatGatewayId", "create-nat-gateway", "--subnet-id", subnet, "--allocation-id", address)
	i.waitForState("available", "DescribeNatGateways", "NatGatewayId.1="+nat, "natGatewaySet/item/state") // the CLI looks every 15 s only
	aws.ok("wait", "nat-gateway-available", "--nat-gateway-ids", nat)

	instance := aws.query("Instances[0].InstanceId", "run-instances", "--image-id", hostImage, "--instance-type", "t3.micro", "--subnet-id", subnet, "--key-name", "admin", "--ipv6-address-count", "1")
	i.waitForInstance(instance, "running")
	nic := aws.query("NetworkInterface.NetworkInterfaceId", "create-network-interface", "--subnet-id", subnet, "--private-ip-address", "10.0.1.50")
	attachment := aws.query("AttachmentId", "attach-network-interface", "--network-interface-id", nic, "--instance-id", instance, "--device-index", "1")
	aws.ok("detach-network-interface", "--attachment-id", attachment)
	i.waitForState("available", "DescribeNetworkInterfaces", "NetworkInterfaceId.1="+nic, "networkInterfaceSet/item/status")
	aws.ok("wait", "network-interface-available", "--network-interface-ids", nic)
	i.lentInterface(aws, subnet, instance)
	aws.wants("stopping", "StoppingInstances[].CurrentState.Name", "stop-instances", "--instance-ids", instance)
	i.waitForInstance(instance, "stopped")
	aws.ok("wait", "instance-stopped", "--instance-ids", instance)
	aws.wants("pending", "StartingInstances[].CurrentState.Name", "start-instances", "--instance-ids", instance)
	i.waitForInstance(instance, "running")

	aws.ok("delete-flow-logs", "--flow-log-ids", flows)
	for _, call := range [][]string{
		{"TerminateInstances", "InstanceId.1=" + instance}, {"DeleteKeyPair", "KeyName=admin"}, {"DeleteManagedPrefixList", "PrefixListId=" + list}, {"DeleteNetworkAcl", "NetworkAclId=" + acl},
		{"DeleteNetworkInterface", "NetworkInterfaceId=" + nic}, {"AssociateDhcpOptions", "DhcpOptionsId=default", "VpcId=" + vpc}, {"DeleteDhcpOptions", "DhcpOptionsId=" + options},
		{"DeleteNatGateway", "NatGatewayId=" + nat},
	} {
		i.call(call[0], call[1:]...)
	}
	i.waitForState("deleted", "DescribeNatGateways", "NatGatewayId.1="+nat, "natGatewaySet/item/state")
	i.waitForInstance(instance, "terminated")
	i.call("ReleaseAddress", "AllocationId="+address)
	i.call("DetachInternetGateway", "VpcId="+vpc, "InternetGatewayId="+gateway)
	i.call("DeleteInternetGateway", "InternetGatewayId="+gateway)
	i.call("DeleteSubnet", "SubnetId="+subnet)
	i.call("DeleteVpc", "VpcId="+vpc)
	for _, action := range []string{"DescribeKeyPairs keySet/item", "DescribeManagedPrefixLists prefixListSet/item", "DescribeFlowLogs flowLogSet/item", "DescribeNetworkInterfaces networkInterfaceSet/item", "DescribeAddresses addressesSet/item"} {
		name, path, _ := strings.Cut(action, " ")
		if left := i.call(name).all(path); len(left) > 0 {
			t.Errorf("%s: %d are left", name, len(left))
		}
	}
}

// waitForState waits until a Describe of one thing says what is wanted at a path.
func (i *installation) waitForState(state, action, id, path string) {
	i.t.Helper()
	i.lab.Eventually(30*time.Second, id+" is "+state, func() error {
		answer, err := i.try(action, id)
		if err != nil {
			return err
		}
		if got := answer.get(path); got != state {
			return fmt.Errorf("it is %s", got)
		}
		return nil
	})
}
