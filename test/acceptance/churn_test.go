package acceptance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"time"
)

// A churn makes and deletes things. All that it knows of them it asks the API,
// which may have been killed since.
type churn struct {
	i             *installation
	random        *rand.Rand
	subnet, group string // where instances may come and go
	calls         int
}

// churnTag marks what churns.
var churnTag = []string{"Filter.1.Name=tag:churn", "Filter.1.Value.1=yes"}

func tagged(kind string) []string {
	return []string{"TagSpecification.1.ResourceType=" + kind, "TagSpecification.1.Tag.1.Key=churn", "TagSpecification.1.Tag.1.Value=yes"}
}

// run makes calls until ctx ends, and returns how many were answered.
func (c *churn) run(ctx context.Context) int {
	for ctx.Err() == nil {
		text, err := os.ReadFile(c.i.endpointFile())
		if text = bytes.TrimSpace(text); err == nil && len(text) > 0 {
			c.i.endpoint = string(text)
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	steps := []func() error{
		c.makeVPC, c.makeInstance, c.makeConnection, c.changeRules, c.endInstances, c.deleteConnection, c.deleteVPC,
		c.makeInternetGateway, c.deleteInternetGateway, c.makeNATGateway, c.deleteNATGateway,
		c.makeInterface, c.attachInterface, c.deleteInterface, c.makeACL, c.deleteACL, c.changeDHCPOptions,
	}
	for ctx.Err() == nil {
		err := steps[c.random.IntN(len(steps))]()
		if r := (*refusal)(nil); errors.As(err, &r) && r.Status >= 500 {
			c.i.t.Errorf("an answer of the server: %v", r)
		}
	}
	return c.calls
}

func (c *churn) call(action string, parameters ...string) (element, error) {
	answer, err := c.i.try(action, parameters...)
	if err == nil {
		c.calls++
	}
	return answer, err
}

// one returns the id of one of what is described, "" if there is none.
func (c *churn) one(action, path string, parameters ...string) (string, error) {
	answer, err := c.call(action, parameters...)
	found := answer.all(path)
	if len(found) == 0 {
		return "", err
	}
	return found[c.random.IntN(len(found))].Text, err
}

func (c *churn) makeVPC() error {
	answer, err := c.call("CreateVpc", append(tagged("vpc"), "CidrBlock=10.9.0.0/16")...) // until the quota is reached
	if err != nil {
		return err
	}
	_, err = c.call("CreateSubnet", append(tagged("subnet"), "VpcId="+answer.get("vpc/vpcId"), "CidrBlock=10.9.1.0/24")...)
	return err
}

// churningInstances is how many there may be: more would only take time.
const churningInstances = 6

// makeInstance runs one in a subnet that churns, or in the one that does not.
func (c *churn) makeInstance() error {
	answer, err := c.call("DescribeInstances", append(slices.Clone(churnTag), "Filter.2.Name=instance-state-name", "Filter.2.Value.1=pending", "Filter.2.Value.2=running")...)
	if err != nil || len(answer.all("reservationSet/item")) >= churningInstances {
		return err
	}
	subnet, err := c.one("DescribeSubnets", "subnetSet/item/subnetId", churnTag...)
	if err != nil {
		return err
	}
	if subnet == "" || c.random.IntN(3) == 0 {
		subnet = c.subnet
	}
	_, err = c.call("RunInstances", append(tagged("instance"), "ImageId="+hostImage, "InstanceType=t3.micro", "MinCount=1", "MaxCount=1", "SubnetId="+subnet)...)
	return err
}

func (c *churn) endInstances() error {
	instance, err := c.one("DescribeInstances", "reservationSet/item/instancesSet/item/instanceId", append(slices.Clone(churnTag), "Filter.2.Name=instance-state-name", "Filter.2.Value.1=running")...)
	if err != nil || instance == "" {
		return err
	}
	_, err = c.call("TerminateInstances", "InstanceId.1="+instance)
	return err
}

func (c *churn) makeConnection() error {
	vpc, err := c.one("DescribeVpcs", "vpcSet/item/vpcId", churnTag...)
	if err != nil || vpc == "" {
		return err
	}
	gateway, err := c.call("CreateVpnGateway", append(tagged("vpn-gateway"), "Type=ipsec.1")...)
	if err != nil {
		return err
	}
	id := gateway.get("vpnGateway/vpnGatewayId")
	_, attached := c.call("AttachVpnGateway", "VpcId="+vpc, "VpnGatewayId="+id)
	customer, err := c.call("CreateCustomerGateway", append(tagged("customer-gateway"), "Type=ipsec.1", "BgpAsn=65000", fmt.Sprintf("IpAddress=192.0.2.%d", 20+c.random.IntN(200)))...)
	if err = errors.Join(attached, err); err != nil {
		return err
	}
	connection, err := c.call("CreateVpnConnection", append(tagged("vpn-connection"), "Type=ipsec.1", "VpnGatewayId="+id,
		"CustomerGatewayId="+customer.get("customerGateway/customerGatewayId"), "Options.StaticRoutesOnly=true")...)
	if err != nil {
		return err
	}
	_, err = c.call("CreateVpnConnectionRoute", "VpnConnectionId="+connection.get("vpnConnection/vpnConnectionId"), "DestinationCidrBlock="+siteCIDR)
	return err
}

// deleteConnection deletes one with its gateways.
func (c *churn) deleteConnection() error {
	answer, err := c.call("DescribeVpnConnections", append(slices.Clone(churnTag), "Filter.2.Name=state", "Filter.2.Value.1=available")...)
	for _, connection := range answer.all("vpnConnectionSet/item")[:min(1, len(answer.all("vpnConnectionSet/item")))] {
		_, deleted := c.call("DeleteVpnConnection", "VpnConnectionId="+connection.get("vpnConnectionId"))
		_, customer := c.call("DeleteCustomerGateway", "CustomerGatewayId="+connection.get("customerGatewayId"))
		err = errors.Join(err, deleted, customer, c.deleteGateway(connection.get("vpnGatewayId")))
	}
	return err
}

func (c *churn) deleteGateway(id string) error {
	answer, err := c.call("DescribeVpnGateways", "VpnGatewayId.1="+id)
	if err != nil {
		return err
	}
	if vpc := answer.get("vpnGatewaySet/item/attachments/item/vpcId"); vpc != "" {
		_, err = c.call("DetachVpnGateway", "VpnGatewayId="+id, "VpcId="+vpc)
	}
	_, deleted := c.call("DeleteVpnGateway", "VpnGatewayId="+id)
	return errors.Join(err, deleted)
}

// deleteVPC deletes one that nothing is in any more.
func (c *churn) deleteVPC() error {
	subnet, err := c.one("DescribeSubnets", "subnetSet/item/subnetId", churnTag...)
	if err == nil && subnet != "" {
		_, err = c.call("DeleteSubnet", "SubnetId="+subnet)
	}
	vpc, _ := c.one("DescribeVpcs", "vpcSet/item/vpcId", churnTag...)
	if vpc != "" {
		_, deleted := c.call("DeleteVpc", "VpcId="+vpc)
		err = errors.Join(err, deleted)
	}
	return err
}

// changeRules changes a group of instances that a ping runs between.
func (c *churn) changeRules() error {
	action := []string{"AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress"}[c.random.IntN(2)]
	port := 7000 + c.random.IntN(3)
	_, err := c.call(action, "GroupId="+c.group, "IpPermissions.1.IpProtocol=tcp", fmt.Sprintf("IpPermissions.1.FromPort=%d", port),
		fmt.Sprintf("IpPermissions.1.ToPort=%d", port), "IpPermissions.1.IpRanges.1.CidrIp=198.51.100.0/24")
	return err
}

// makeInternetGateway leads a VPC's main route table to a new one.
func (c *churn) makeInternetGateway() error {
	vpc, err := c.one("DescribeVpcs", "vpcSet/item/vpcId", churnTag...)
	if err != nil || vpc == "" {
		return err
	}
	gateway, err := c.call("CreateInternetGateway", tagged("internet-gateway")...)
	if err != nil {
		return err
	}
	id := gateway.get("internetGateway/internetGatewayId")
	if _, err := c.call("AttachInternetGateway", "InternetGatewayId="+id, "VpcId="+vpc); err != nil {
		return err
	}
	table, err := c.one("DescribeRouteTables", "routeTableSet/item/routeTableId", "Filter.1.Name=vpc-id", "Filter.1.Value.1="+vpc)
	if err != nil {
		return err
	}
	_, err = c.call("CreateRoute", "RouteTableId="+table, "DestinationCidrBlock=0.0.0.0/0", "GatewayId="+id)
	return err
}

func (c *churn) deleteInternetGateway() error {
	answer, err := c.call("DescribeInternetGateways", churnTag...)
	for _, gateway := range answer.all("internetGatewaySet/item")[:min(1, len(answer.all("internetGatewaySet/item")))] {
		id, vpc := "InternetGatewayId="+gateway.get("internetGatewayId"), gateway.get("attachmentSet/item/vpcId")
		if vpc != "" {
			_, err = c.call("DetachInternetGateway", id, "VpcId="+vpc)
		}
		_, deleted := c.call("DeleteInternetGateway", id)
		err = errors.Join(err, deleted)
	}
	return err
}

// makeNATGateway makes one under a new elastic address.
func (c *churn) makeNATGateway() error {
	subnet, err := c.one("DescribeSubnets", "subnetSet/item/subnetId", churnTag...)
	if err != nil || subnet == "" {
		return err
	}
	address, err := c.call("AllocateAddress", append(tagged("elastic-ip"), "Domain=vpc")...)
	if err != nil {
		return err
	}
	allocation := "AllocationId=" + address.get("allocationId")
	if _, err = c.call("CreateNatGateway", append(tagged("natgateway"), "SubnetId="+subnet, allocation)...); err != nil { // as without an internet gateway
		_, released := c.call("ReleaseAddress", allocation)
		err = errors.Join(err, released)
	}
	return err
}

// deleteNATGateway deletes one, or gives back what is left of those before.
func (c *churn) deleteNATGateway() error {
	gateway, err := c.one("DescribeNatGateways", "natGatewaySet/item/natGatewayId", append(slices.Clone(churnTag), "Filter.2.Name=state", "Filter.2.Value.1=available")...)
	if err == nil && gateway != "" {
		_, err = c.call("DeleteNatGateway", "NatGatewayId="+gateway)
	}
	allocation, _ := c.one("DescribeAddresses", "addressesSet/item/allocationId", churnTag...)
	if allocation != "" {
		_, released := c.call("ReleaseAddress", "AllocationId="+allocation)
		err = errors.Join(err, released)
	}
	return err
}

// makeInterface makes one where instances churn.
func (c *churn) makeInterface() error {
	_, err := c.call("CreateNetworkInterface", append(tagged("network-interface"), "SubnetId="+c.subnet, "SecondaryPrivateIpAddressCount=1")...)
	return err
}

// attachInterface plugs one into a running instance.
func (c *churn) attachInterface() error {
	nic, err := c.one("DescribeNetworkInterfaces", "networkInterfaceSet/item/networkInterfaceId", append(slices.Clone(churnTag), "Filter.2.Name=status", "Filter.2.Value.1=available")...)
	if err != nil || nic == "" {
		return err
	}
	instance, err := c.one("DescribeInstances", "reservationSet/item/instancesSet/item/instanceId", append(slices.Clone(churnTag), "Filter.2.Name=instance-state-name", "Filter.2.Value.1=running")...)
	if err != nil || instance == "" {
		return err
	}
	_, err = c.call("AttachNetworkInterface", "NetworkInterfaceId="+nic, "InstanceId="+instance, "DeviceIndex=1")
	return err
}

// deleteInterface takes one off its instance, or deletes it.
func (c *churn) deleteInterface() error {
	answer, err := c.call("DescribeNetworkInterfaces", churnTag...)
	for _, nic := range answer.all("networkInterfaceSet/item")[:min(1, len(answer.all("networkInterfaceSet/item")))] {
		if attachment := nic.get("attachment/attachmentId"); attachment != "" {
			_, err = c.call("DetachNetworkInterface", "AttachmentId="+attachment)
		} else {
			_, err = c.call("DeleteNetworkInterface", "NetworkInterfaceId="+nic.get("networkInterfaceId"))
		}
	}
	return err
}

// makeACL guards a subnet by a new one.
func (c *churn) makeACL() error {
	answer, err := c.call("DescribeSubnets", churnTag...)
	subnets := answer.all("subnetSet/item")
	if err != nil || len(subnets) == 0 {
		return err
	}
	subnet := subnets[c.random.IntN(len(subnets))]
	acl, err := c.call("CreateNetworkAcl", append(tagged("network-acl"), "VpcId="+subnet.get("vpcId"))...)
	if err != nil {
		return err
	}
	id := "NetworkAclId=" + acl.get("networkAcl/networkAclId")
	_, err = c.call("CreateNetworkAclEntry", id, "RuleNumber=100", "Protocol=-1", "RuleAction=allow", "Egress=false", "CidrBlock=10.0.0.0/8")
	return errors.Join(err, c.guard(subnet.get("subnetId"), id))
}

// guard lets an ACL ("NetworkAclId=…") guard a subnet in place of the one that does.
func (c *churn) guard(subnet, acl string) error {
	answer, err := c.call("DescribeNetworkAcls", "Filter.1.Name=association.subnet-id", "Filter.1.Value.1="+subnet)
	for _, association := range answer.all("networkAclSet/item/associationSet/item") {
		if association.get("subnetId") == subnet {
			_, err = c.call("ReplaceNetworkAclAssociation", acl, "AssociationId="+association.get("networkAclAssociationId"))
		}
	}
	return err
}

// deleteACL deletes one, whose subnet goes back to its VPC's default one.
func (c *churn) deleteACL() error {
	answer, err := c.call("DescribeNetworkAcls", churnTag...)
	for _, acl := range answer.all("networkAclSet/item")[:min(1, len(answer.all("networkAclSet/item")))] {
		if subnet := acl.get("associationSet/item/subnetId"); subnet != "" {
			standard, err := c.one("DescribeNetworkAcls", "networkAclSet/item/networkAclId",
				"Filter.1.Name=vpc-id", "Filter.1.Value.1="+acl.get("vpcId"), "Filter.2.Name=default", "Filter.2.Value.1=true")
			if err = errors.Join(err, c.guard(subnet, "NetworkAclId="+standard)); err != nil {
				return err
			}
		}
		_, err = c.call("DeleteNetworkAcl", "NetworkAclId="+acl.get("networkAclId"))
	}
	return err
}

// changeDHCPOptions gives a VPC other options, and deletes those that none has.
func (c *churn) changeDHCPOptions() error {
	vpc, err := c.one("DescribeVpcs", "vpcSet/item/vpcId", churnTag...)
	if err != nil || vpc == "" {
		return err
	}
	options, err := c.call("CreateDhcpOptions", append(tagged("dhcp-options"), "DhcpConfiguration.1.Key=domain-name", "DhcpConfiguration.1.Value.1=churn.example")...)
	if err != nil {
		return err
	}
	_, err = c.call("AssociateDhcpOptions", "VpcId="+vpc, "DhcpOptionsId="+options.get("dhcpOptions/dhcpOptionsId"))
	former, _ := c.one("DescribeDhcpOptions", "dhcpOptionsSet/item/dhcpOptionsId", churnTag...)
	if former != "" {
		_, deleted := c.call("DeleteDhcpOptions", "DhcpOptionsId="+former)
		err = errors.Join(err, deleted)
	}
	return err
}
