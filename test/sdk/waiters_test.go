package sdk

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	acmtypes "github.com/aws/aws-sdk-go-v2/service/acm/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// often is how often waiters ask: for AWS they do every 15 seconds.
const often = 100 * time.Millisecond

func now() time.Time { return time.Now() }

// waited checks that a waiter has seen what it waits for.
func waited(t testing.TB, what string, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

// Waiters for a VPC's parts, an instance that runs, stops and ends, and gateways.
func (i *installation) testNetworkWaiters(t *testing.T) {
	ctx := t.Context()
	vpc := i.createVPC(t, "waited for")
	vpcs := &ec2.DescribeVpcsInput{VpcIds: []string{vpc}}
	waited(t, "VpcExists", ec2.NewVpcExistsWaiter(i.ec2).Wait(ctx, vpcs, waitMax))
	waited(t, "VpcAvailable", ec2.NewVpcAvailableWaiter(i.ec2).Wait(ctx, vpcs, waitMax))
	subnet := i.createSubnet(t, vpc, 1)
	waited(t, "SubnetAvailable", ec2.NewSubnetAvailableWaiter(i.ec2).Wait(ctx, &ec2.DescribeSubnetsInput{SubnetIds: []string{subnet}}, waitMax))
	group := must(i.ec2.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{VpcId: &vpc, GroupName: aws.String("web"), Description: aws.String("for a test")}))(t).GroupId
	waited(t, "SecurityGroupExists", ec2.NewSecurityGroupExistsWaiter(i.ec2).Wait(ctx, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{*group}}, waitMax))
	other := i.createVPC(t, "of the group, too")
	of := &ec2.DescribeSecurityGroupVpcAssociationsInput{Filters: filters("group-id", *group, "vpc-id", other)}
	must(i.ec2.AssociateSecurityGroupVpc(ctx, &ec2.AssociateSecurityGroupVpcInput{GroupId: group, VpcId: &other}))(t)
	waited(t, "SecurityGroupVpcAssociationAssociated", ec2.NewSecurityGroupVpcAssociationAssociatedWaiter(i.ec2, func(o *ec2.SecurityGroupVpcAssociationAssociatedWaiterOptions) { o.MinDelay = often }).Wait(ctx, of, waitMax))
	must(i.ec2.DisassociateSecurityGroupVpc(ctx, &ec2.DisassociateSecurityGroupVpcInput{GroupId: group, VpcId: &other}))(t)
	waited(t, "SecurityGroupVpcAssociationDisassociated", ec2.NewSecurityGroupVpcAssociationDisassociatedWaiter(i.ec2, func(o *ec2.SecurityGroupVpcAssociationDisassociatedWaiterOptions) { o.MinDelay = often }).Wait(ctx, of, waitMax))
	gateway := must(i.ec2.CreateInternetGateway(ctx, &ec2.CreateInternetGatewayInput{}))(t).InternetGateway.InternetGatewayId
	waited(t, "InternetGatewayExists", ec2.NewInternetGatewayExistsWaiter(i.ec2).Wait(ctx, &ec2.DescribeInternetGatewaysInput{InternetGatewayIds: []string{*gateway}}, waitMax))
	must(i.ec2.AttachInternetGateway(ctx, &ec2.AttachInternetGatewayInput{InternetGatewayId: gateway, VpcId: &vpc}))(t)

	address := must(i.ec2.AllocateAddress(ctx, &ec2.AllocateAddressInput{}))(t).AllocationId
	nat := must(i.ec2.CreateNatGateway(ctx, &ec2.CreateNatGatewayInput{SubnetId: &subnet, AllocationId: address}))(t).NatGateway.NatGatewayId
	nats := &ec2.DescribeNatGatewaysInput{NatGatewayIds: []string{*nat}}
	waited(t, "NatGatewayAvailable", ec2.NewNatGatewayAvailableWaiter(i.ec2, func(o *ec2.NatGatewayAvailableWaiterOptions) { o.MinDelay = often }).Wait(ctx, nats, waitMax))

	images := &ec2.DescribeImagesInput{ImageIds: []string{i.hostImage(t)}}
	waited(t, "ImageExists", ec2.NewImageExistsWaiter(i.ec2).Wait(ctx, images, waitMax))
	waited(t, "ImageAvailable", ec2.NewImageAvailableWaiter(i.ec2).Wait(ctx, images, waitMax))
	waited(t, "VolumeDeleted", ec2.NewVolumeDeletedWaiter(i.ec2).Wait(ctx, &ec2.DescribeVolumesInput{VolumeIds: []string{"vol-0123456789abcdef0"}}, waitMax))

	instance := *i.runInstances(t, subnet, 1, nil)[0].InstanceId
	instances, states := &ec2.DescribeInstancesInput{InstanceIds: []string{instance}}, &ec2.DescribeInstanceStatusInput{InstanceIds: []string{instance}}
	waited(t, "InstanceExists", ec2.NewInstanceExistsWaiter(i.ec2, func(o *ec2.InstanceExistsWaiterOptions) { o.MinDelay = often }).Wait(ctx, instances, waitMax))
	waited(t, "InstanceRunning", ec2.NewInstanceRunningWaiter(i.ec2, func(o *ec2.InstanceRunningWaiterOptions) { o.MinDelay = often }).Wait(ctx, instances, waitMax))
	waited(t, "InstanceStatusOk", ec2.NewInstanceStatusOkWaiter(i.ec2, func(o *ec2.InstanceStatusOkWaiterOptions) { o.MinDelay = often }).Wait(ctx, states, waitMax))
	waited(t, "SystemStatusOk", ec2.NewSystemStatusOkWaiter(i.ec2, func(o *ec2.SystemStatusOkWaiterOptions) { o.MinDelay = often }).Wait(ctx, states, waitMax))
	must(i.ec2.StopInstances(ctx, &ec2.StopInstancesInput{InstanceIds: []string{instance}}))(t)
	waited(t, "InstanceStopped", ec2.NewInstanceStoppedWaiter(i.ec2, func(o *ec2.InstanceStoppedWaiterOptions) { o.MinDelay = often }).Wait(ctx, instances, waitMax))
	must(i.ec2.StartInstances(ctx, &ec2.StartInstancesInput{InstanceIds: []string{instance}}))(t)
	waited(t, "InstanceRunning again", ec2.NewInstanceRunningWaiter(i.ec2, func(o *ec2.InstanceRunningWaiterOptions) { o.MinDelay = often }).Wait(ctx, instances, waitMax))
	i.testInterfaceWaiter(t, instance, subnet)
	must(i.ec2.TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: []string{instance}}))(t)
	waited(t, "InstanceTerminated", ec2.NewInstanceTerminatedWaiter(i.ec2, func(o *ec2.InstanceTerminatedWaiterOptions) { o.MinDelay = often }).Wait(ctx, instances, waitMax))

	must(i.ec2.DeleteNatGateway(ctx, &ec2.DeleteNatGatewayInput{NatGatewayId: nat}))(t)
	waited(t, "NatGatewayDeleted", ec2.NewNatGatewayDeletedWaiter(i.ec2, func(o *ec2.NatGatewayDeletedWaiterOptions) { o.MinDelay = often }).Wait(ctx, nats, waitMax))
}

// An interface that is taken from an instance is waited for until it is available.
func (i *installation) testInterfaceWaiter(t *testing.T, instance, subnet string) {
	ctx := t.Context()
	nic := must(i.ec2.CreateNetworkInterface(ctx, &ec2.CreateNetworkInterfaceInput{SubnetId: &subnet}))(t).NetworkInterface.NetworkInterfaceId
	available := func(what string) {
		t.Helper()
		waited(t, what, ec2.NewNetworkInterfaceAvailableWaiter(i.ec2, func(o *ec2.NetworkInterfaceAvailableWaiterOptions) { o.MinDelay = often }).Wait(ctx, &ec2.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{*nic}}, waitMax))
	}
	available("NetworkInterfaceAvailable")
	attached := must(i.ec2.AttachNetworkInterface(ctx, &ec2.AttachNetworkInterfaceInput{NetworkInterfaceId: nic, InstanceId: &instance, DeviceIndex: aws.Int32(1)}))(t)
	must(i.ec2.DetachNetworkInterface(ctx, &ec2.DetachNetworkInterfaceInput{AttachmentId: attached.AttachmentId}))(t)
	available("NetworkInterfaceAvailable, detached")
	must(i.ec2.DeleteNetworkInterface(ctx, &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: nic}))(t)

	must(i.ec2.CreateKeyPair(ctx, &ec2.CreateKeyPairInput{KeyName: aws.String("waited"), KeyType: types.KeyTypeEd25519}))(t)
	waited(t, "KeyPairExists", ec2.NewKeyPairExistsWaiter(i.ec2).Wait(ctx, &ec2.DescribeKeyPairsInput{KeyNames: []string{"waited"}}, waitMax))
}

// Waiters of Site-to-Site VPN.
func (i *installation) testVPNWaiters(t *testing.T) {
	ctx := t.Context()
	customer := must(i.ec2.CreateCustomerGateway(ctx, &ec2.CreateCustomerGatewayInput{Type: types.GatewayTypeIpsec1, IpAddress: aws.String("192.0.2.10"), BgpAsnExtended: aws.Int64(4200000000)}))(t).CustomerGateway.CustomerGatewayId
	waited(t, "CustomerGatewayAvailable", ec2.NewCustomerGatewayAvailableWaiter(i.ec2).Wait(ctx, &ec2.DescribeCustomerGatewaysInput{CustomerGatewayIds: []string{*customer}}, waitMax))
	gateway := must(i.ec2.CreateVpnGateway(ctx, &ec2.CreateVpnGatewayInput{Type: types.GatewayTypeIpsec1}))(t).VpnGateway.VpnGatewayId
	vpn := must(i.ec2.CreateVpnConnection(ctx, &ec2.CreateVpnConnectionInput{
		Type: aws.String("ipsec.1"), CustomerGatewayId: customer, VpnGatewayId: gateway,
		Options: &types.VpnConnectionOptionsSpecification{StaticRoutesOnly: aws.Bool(true)},
	}))(t).VpnConnection
	if len(vpn.Options.TunnelOptions) != 2 || vpn.CustomerGatewayConfiguration == nil {
		t.Errorf("the connection has %d tunnels", len(vpn.Options.TunnelOptions))
	}
	i.testDynamicConnection(t, customer, gateway)
	connections := &ec2.DescribeVpnConnectionsInput{VpnConnectionIds: []string{*vpn.VpnConnectionId}}
	waited(t, "VpnConnectionAvailable", ec2.NewVpnConnectionAvailableWaiter(i.ec2, func(o *ec2.VpnConnectionAvailableWaiterOptions) { o.MinDelay = often }).Wait(ctx, connections, waitMax))
	must(i.ec2.DeleteVpnConnection(ctx, &ec2.DeleteVpnConnectionInput{VpnConnectionId: vpn.VpnConnectionId}))(t)
	waited(t, "VpnConnectionDeleted", ec2.NewVpnConnectionDeletedWaiter(i.ec2, func(o *ec2.VpnConnectionDeletedWaiterOptions) { o.MinDelay = often }).Wait(ctx, connections, waitMax))
}

// A connection for which nobody asks for static routes has dynamic routing.
func (i *installation) testDynamicConnection(t *testing.T, customer, gateway *string) {
	ctx := t.Context()
	vpn := must(i.ec2.CreateVpnConnection(ctx, &ec2.CreateVpnConnectionInput{Type: aws.String("ipsec.1"), CustomerGatewayId: customer, VpnGatewayId: gateway}))(t).VpnConnection
	connections := &ec2.DescribeVpnConnectionsInput{Filters: []types.Filter{{Name: aws.String("option.static-routes-only"), Values: []string{"false"}}}}
	waited(t, "VpnConnectionAvailable, dynamic", ec2.NewVpnConnectionAvailableWaiter(i.ec2, func(o *ec2.VpnConnectionAvailableWaiterOptions) { o.MinDelay = often }).Wait(ctx, connections, waitMax))
	found := must(i.ec2.DescribeVpnConnections(ctx, connections))(t).VpnConnections
	if len(found) != 1 || *found[0].VpnConnectionId != *vpn.VpnConnectionId || *found[0].Options.StaticRoutesOnly || len(found[0].Routes) != 0 {
		t.Fatalf("%d connections are dynamic", len(found))
	}
	if document := *found[0].CustomerGatewayConfiguration; strings.Count(document, "<asn>4200000000</asn>") != 2 || strings.Count(document, "<asn>64512</asn>") != 2 || strings.Contains(document, "NoBGP") {
		t.Error("the document has other ASNs")
	}
	for _, telemetry := range found[0].VgwTelemetry {
		if telemetry.Status != types.TelemetryStatusDown || *telemetry.AcceptedRouteCount != 0 {
			t.Errorf("tunnel %s is %s with %d routes", *telemetry.OutsideIpAddress, telemetry.Status, *telemetry.AcceptedRouteCount)
		}
	}
	_, err := i.ec2.CreateVpnConnectionRoute(ctx, &ec2.CreateVpnConnectionRouteInput{VpnConnectionId: vpn.VpnConnectionId, DestinationCidrBlock: aws.String("192.168.0.0/16")})
	refused(t, err, "InvalidVpnConnection.InvalidType", 400)
	must(i.ec2.DeleteVpnConnection(ctx, &ec2.DeleteVpnConnectionInput{VpnConnectionId: vpn.VpnConnectionId}))(t)
}

// Waiters of IAM and ACM.
func (i *installation) testOtherWaiters(t *testing.T) {
	ctx := t.Context()
	name := aws.String("waited-for")
	must(i.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: name}))(t)
	waited(t, "UserExists", iam.NewUserExistsWaiter(i.iam).Wait(ctx, &iam.GetUserInput{UserName: name}, waitMax))
	must(i.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: name, AssumeRolePolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}`)}))(t)
	waited(t, "RoleExists", iam.NewRoleExistsWaiter(i.iam).Wait(ctx, &iam.GetRoleInput{RoleName: name}, waitMax))
	profile := i.createProfile(t, "waited-for-hosts")
	waited(t, "InstanceProfileExists", iam.NewInstanceProfileExistsWaiter(i.iam).Wait(ctx, &iam.GetInstanceProfileInput{InstanceProfileName: &profile}, waitMax))
	policy := must(i.iam.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: name, PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}`)}))(t).Policy.Arn
	waited(t, "PolicyExists", iam.NewPolicyExistsWaiter(i.iam).Wait(ctx, &iam.GetPolicyInput{PolicyArn: policy}, waitMax))
	certificate := must(i.acm.RequestCertificate(ctx, &acm.RequestCertificateInput{DomainName: aws.String("waited.example.com"), KeyAlgorithm: acmtypes.KeyAlgorithmEcSecp384r1}))(t).CertificateArn
	waited(t, "CertificateValidated", acm.NewCertificateValidatedWaiter(i.acm, func(o *acm.CertificateValidatedWaiterOptions) { o.MinDelay = often }).Wait(ctx, &acm.DescribeCertificateInput{CertificateArn: certificate}, waitMax))
}
