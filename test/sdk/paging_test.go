package sdk

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	acmtypes "github.com/aws/aws-sdk-go-v2/service/acm/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// pageSize is the smallest that most actions take.
const pageSize = 5

// many is more than two pages have.
const many = 2*pageSize + 2

// Every paginator of EC2 for what Causeway answers.
func (i *installation) testNetworkPaginators(t *testing.T) {
	ctx, size := t.Context(), aws.Int32(pageSize)
	vpc := i.createVPC(t, "paged")
	mine := filters("vpc-id", vpc)
	group := must(i.ec2.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{VpcId: &vpc, GroupName: aws.String("ports"), Description: aws.String("with many rules")}))(t).GroupId
	var subnet string
	for n := range many {
		id := i.createSubnet(t, vpc, n)
		subnet = id
		must(i.ec2.CreateRouteTable(ctx, &ec2.CreateRouteTableInput{VpcId: &vpc}))(t)
		must(i.ec2.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{VpcId: &vpc, GroupName: aws.String(fmt.Sprint("g", n)), Description: aws.String("one of many")}))(t)
		must(i.ec2.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: group, IpProtocol: aws.String("tcp"), FromPort: aws.Int32(int32(n)), ToPort: aws.Int32(int32(n)), CidrIp: aws.String("10.0.0.0/8")}))(t)
		must(i.ec2.CreateInternetGateway(ctx, &ec2.CreateInternetGatewayInput{TagSpecifications: named(types.ResourceTypeInternetGateway, "paged")}))(t)
		must(i.ec2.CreateEgressOnlyInternetGateway(ctx, &ec2.CreateEgressOnlyInternetGatewayInput{VpcId: &vpc, TagSpecifications: named(types.ResourceTypeEgressOnlyInternetGateway, "paged")}))(t)
		must(i.ec2.AllocateAddress(ctx, &ec2.AllocateAddressInput{}))(t)
	}
	const few = pageSize + 1 // of what costs something
	profile := i.createProfile(t, "paged-hosts")
	for _, host := range i.runInstances(t, subnet, few, nil) {
		must(i.ec2.AssociateIamInstanceProfile(ctx, &ec2.AssociateIamInstanceProfileInput{InstanceId: host.InstanceId, IamInstanceProfile: &types.IamInstanceProfileSpecification{Name: &profile}}))(t)
	}
	for range few {
		must(i.ec2.CreateNatGateway(ctx, &ec2.CreateNatGatewayInput{SubnetId: &subnet, ConnectivityType: types.ConnectivityTypePrivate}))(t)
		other := i.createVPC(t, "paged too")
		must(i.ec2.AssociateSecurityGroupVpc(ctx, &ec2.AssociateSecurityGroupVpcInput{GroupId: group, VpcId: &other}))(t)
	}

	wantsPages(t, "subnets", collect(t, ec2.NewDescribeSubnetsPaginator(i.ec2, &ec2.DescribeSubnetsInput{Filters: mine, MaxResults: size}),
		func(o *ec2.DescribeSubnetsOutput) []string {
			return texts(o.Subnets, func(v *types.Subnet) *string { return v.SubnetId })
		}), pageSize, many)
	wantsPages(t, "route tables", collect(t, ec2.NewDescribeRouteTablesPaginator(i.ec2, &ec2.DescribeRouteTablesInput{Filters: mine, MaxResults: size}),
		func(o *ec2.DescribeRouteTablesOutput) []string {
			return texts(o.RouteTables, func(v *types.RouteTable) *string { return v.RouteTableId })
		}), pageSize, many+1)
	wantsPages(t, "security groups", collect(t, ec2.NewDescribeSecurityGroupsPaginator(i.ec2, &ec2.DescribeSecurityGroupsInput{Filters: mine, MaxResults: size}),
		func(o *ec2.DescribeSecurityGroupsOutput) []string {
			return texts(o.SecurityGroups, func(v *types.SecurityGroup) *string { return v.GroupId })
		}), pageSize, many+2)
	wantsPages(t, "security group rules", collect(t, ec2.NewDescribeSecurityGroupRulesPaginator(i.ec2, &ec2.DescribeSecurityGroupRulesInput{Filters: filters("group-id", *group), MaxResults: size}),
		func(o *ec2.DescribeSecurityGroupRulesOutput) []string {
			return texts(o.SecurityGroupRules, func(v *types.SecurityGroupRule) *string { return v.SecurityGroupRuleId })
		}), pageSize, many+1)
	wantsPages(t, "internet gateways", collect(t, ec2.NewDescribeInternetGatewaysPaginator(i.ec2, &ec2.DescribeInternetGatewaysInput{Filters: filters("tag:Name", "paged"), MaxResults: size}),
		func(o *ec2.DescribeInternetGatewaysOutput) []string {
			return texts(o.InternetGateways, func(v *types.InternetGateway) *string { return v.InternetGatewayId })
		}), pageSize, many)
	wantsPages(t, "egress-only internet gateways", collect(t, ec2.NewDescribeEgressOnlyInternetGatewaysPaginator(i.ec2, &ec2.DescribeEgressOnlyInternetGatewaysInput{Filters: filters("tag:Name", "paged"), MaxResults: size}),
		func(o *ec2.DescribeEgressOnlyInternetGatewaysOutput) []string {
			return texts(o.EgressOnlyInternetGateways, func(v *types.EgressOnlyInternetGateway) *string { return v.EgressOnlyInternetGatewayId })
		}), pageSize, many)
	wantsPages(t, "VPCs of a group", collect(t, ec2.NewDescribeSecurityGroupVpcAssociationsPaginator(i.ec2, &ec2.DescribeSecurityGroupVpcAssociationsInput{Filters: filters("group-id", *group), MaxResults: size}),
		func(o *ec2.DescribeSecurityGroupVpcAssociationsOutput) []string {
			return texts(o.SecurityGroupVpcAssociations, func(v *types.SecurityGroupVpcAssociation) *string { return v.VpcId })
		}), pageSize, few)
	wantsPages(t, "instance profiles of instances", collect(t, ec2.NewDescribeIamInstanceProfileAssociationsPaginator(i.ec2, &ec2.DescribeIamInstanceProfileAssociationsInput{MaxResults: size}),
		func(o *ec2.DescribeIamInstanceProfileAssociationsOutput) []string {
			return texts(o.IamInstanceProfileAssociations, func(v *types.IamInstanceProfileAssociation) *string { return v.AssociationId })
		}), pageSize, few)
	addresses := must(i.ec2.DescribeAddresses(ctx, &ec2.DescribeAddressesInput{}))(t)
	for _, address := range addresses.Addresses {
		must(i.ec2.ModifyAddressAttribute(ctx, &ec2.ModifyAddressAttributeInput{AllocationId: address.AllocationId, DomainName: aws.String("example.com")}))(t)
	}
	wantsPages(t, "attributes of addresses", collect(t, ec2.NewDescribeAddressesAttributePaginator(i.ec2, &ec2.DescribeAddressesAttributeInput{Attribute: types.AddressAttributeNameDomainName, MaxResults: size}),
		func(o *ec2.DescribeAddressesAttributeOutput) []string {
			return texts(o.Addresses, func(v *types.AddressAttribute) *string { return v.AllocationId })
		}), pageSize, len(addresses.Addresses))
	wantsPages(t, "NAT gateways", collect(t, ec2.NewDescribeNatGatewaysPaginator(i.ec2, &ec2.DescribeNatGatewaysInput{Filter: mine, MaxResults: size}),
		func(o *ec2.DescribeNatGatewaysOutput) []string {
			return texts(o.NatGateways, func(v *types.NatGateway) *string { return v.NatGatewayId })
		}), pageSize, few)
	wantsPages(t, "instances", collect(t, ec2.NewDescribeInstancesPaginator(i.ec2, &ec2.DescribeInstancesInput{Filters: mine, MaxResults: size}),
		func(o *ec2.DescribeInstancesOutput) (ids []string) {
			for _, r := range o.Reservations {
				ids = append(ids, texts(r.Instances, func(v *types.Instance) *string { return v.InstanceId })...)
			}
			return ids
		}), pageSize, few)
	states := must(i.ec2.DescribeInstanceStatus(ctx, &ec2.DescribeInstanceStatusInput{IncludeAllInstances: aws.Bool(true)}))(t)
	wantsPages(t, "states of instances", collect(t, ec2.NewDescribeInstanceStatusPaginator(i.ec2, &ec2.DescribeInstanceStatusInput{IncludeAllInstances: aws.Bool(true), MaxResults: size}),
		func(o *ec2.DescribeInstanceStatusOutput) []string {
			return texts(o.InstanceStatuses, func(v *types.InstanceStatus) *string { return v.InstanceId })
		}), pageSize, len(states.InstanceStatuses))
	wantsPages(t, "network interfaces", collect(t, ec2.NewDescribeNetworkInterfacesPaginator(i.ec2, &ec2.DescribeNetworkInterfacesInput{Filters: mine, MaxResults: size}),
		func(o *ec2.DescribeNetworkInterfacesOutput) []string {
			return texts(o.NetworkInterfaces, func(v *types.NetworkInterface) *string { return v.NetworkInterfaceId })
		}), pageSize, 2*few)
	wantsPages(t, "VPCs", collect(t, ec2.NewDescribeVpcsPaginator(i.ec2, &ec2.DescribeVpcsInput{Filters: filters("tag:Name", "paged*"), MaxResults: size}),
		func(o *ec2.DescribeVpcsOutput) []string {
			return texts(o.Vpcs, func(v *types.Vpc) *string { return v.VpcId })
		}), pageSize, few+1)
	wantsPages(t, "tags", collect(t, ec2.NewDescribeTagsPaginator(i.ec2, &ec2.DescribeTagsInput{Filters: filters("resource-type", "internet-gateway", "value", "paged"), MaxResults: size}),
		func(o *ec2.DescribeTagsOutput) []string {
			return texts(o.Tags, func(v *types.TagDescription) *string { return v.ResourceId })
		}), pageSize, many)

	i.testFewPages(t)
}

// What one installation has few or none of: the pages are those of the plain call.
func (i *installation) testFewPages(t *testing.T) {
	ctx, size := t.Context(), aws.Int32(pageSize)
	all := must(i.ec2.DescribeNetworkAcls(ctx, &ec2.DescribeNetworkAclsInput{}))(t)
	wantsPages(t, "network ACLs", collect(t, ec2.NewDescribeNetworkAclsPaginator(i.ec2, &ec2.DescribeNetworkAclsInput{MaxResults: size}),
		func(o *ec2.DescribeNetworkAclsOutput) []string {
			return texts(o.NetworkAcls, func(v *types.NetworkAcl) *string { return v.NetworkAclId })
		}), pageSize, len(all.NetworkAcls))
	kinds := must(i.ec2.DescribeInstanceTypes(ctx, &ec2.DescribeInstanceTypesInput{}))(t)
	wantsPages(t, "instance types", collect(t, ec2.NewDescribeInstanceTypesPaginator(i.ec2, &ec2.DescribeInstanceTypesInput{MaxResults: size}),
		func(o *ec2.DescribeInstanceTypesOutput) (names []string) {
			for _, v := range o.InstanceTypes {
				names = append(names, string(v.InstanceType))
			}
			return names
		}), pageSize, len(kinds.InstanceTypes))
	wantsPages(t, "offerings of instance types", collect(t, ec2.NewDescribeInstanceTypeOfferingsPaginator(i.ec2, &ec2.DescribeInstanceTypeOfferingsInput{MaxResults: size}),
		func(o *ec2.DescribeInstanceTypeOfferingsOutput) (names []string) {
			for _, v := range o.InstanceTypeOfferings {
				names = append(names, string(v.InstanceType))
			}
			return names
		}), pageSize, len(kinds.InstanceTypes))
	wantsPages(t, "images", collect(t, ec2.NewDescribeImagesPaginator(i.ec2, &ec2.DescribeImagesInput{MaxResults: size}),
		func(o *ec2.DescribeImagesOutput) []string {
			return texts(o.Images, func(v *types.Image) *string { return v.ImageId })
		}), pageSize, 1)
	wantsPages(t, "volumes", collect(t, ec2.NewDescribeVolumesPaginator(i.ec2, &ec2.DescribeVolumesInput{MaxResults: size}),
		func(o *ec2.DescribeVolumesOutput) []string {
			return texts(o.Volumes, func(v *types.Volume) *string { return v.VolumeId })
		}), pageSize, 0)
	devices := must(i.ec2.GetVpnConnectionDeviceTypes(ctx, &ec2.GetVpnConnectionDeviceTypesInput{}))(t)
	wantsPages(t, "device types", collect(t, ec2.NewGetVpnConnectionDeviceTypesPaginator(i.ec2, &ec2.GetVpnConnectionDeviceTypesInput{MaxResults: aws.Int32(200)}),
		func(o *ec2.GetVpnConnectionDeviceTypesOutput) []string {
			return texts(o.VpnConnectionDeviceTypes, func(v *types.VpnConnectionDeviceType) *string { return v.VpnConnectionDeviceTypeId })
		}), 200, len(devices.VpnConnectionDeviceTypes))
	credits := must(i.ec2.DescribeInstanceCreditSpecifications(ctx, &ec2.DescribeInstanceCreditSpecificationsInput{}))(t)
	wantsPages(t, "credits of instances", collect(t, ec2.NewDescribeInstanceCreditSpecificationsPaginator(i.ec2, &ec2.DescribeInstanceCreditSpecificationsInput{MaxResults: size}),
		func(o *ec2.DescribeInstanceCreditSpecificationsOutput) []string {
			return texts(o.InstanceCreditSpecifications, func(v *types.InstanceCreditSpecification) *string { return v.InstanceId })
		}), pageSize, len(credits.InstanceCreditSpecifications))
	i.testNoPages(t)
}

// What there is none of has one empty page.
func (i *installation) testNoPages(t *testing.T) {
	wantsPages(t, "carrier gateways", collect(t, ec2.NewDescribeCarrierGatewaysPaginator(i.ec2, &ec2.DescribeCarrierGatewaysInput{}),
		func(o *ec2.DescribeCarrierGatewaysOutput) []string {
			return texts(o.CarrierGateways, func(v *types.CarrierGateway) *string { return v.CarrierGatewayId })
		}), pageSize, 0)
	wantsPages(t, "event windows", collect(t, ec2.NewDescribeInstanceEventWindowsPaginator(i.ec2, &ec2.DescribeInstanceEventWindowsInput{}),
		func(o *ec2.DescribeInstanceEventWindowsOutput) []string {
			return texts(o.InstanceEventWindows, func(v *types.InstanceEventWindow) *string { return v.InstanceEventWindowId })
		}), pageSize, 0)
	wantsPages(t, "launch templates", collect(t, ec2.NewDescribeLaunchTemplatesPaginator(i.ec2, &ec2.DescribeLaunchTemplatesInput{}),
		func(o *ec2.DescribeLaunchTemplatesOutput) []string {
			return texts(o.LaunchTemplates, func(v *types.LaunchTemplate) *string { return v.LaunchTemplateId })
		}), pageSize, 0)
	wantsPages(t, "versions of launch templates", collect(t, ec2.NewDescribeLaunchTemplateVersionsPaginator(i.ec2, &ec2.DescribeLaunchTemplateVersionsInput{Versions: []string{"$Latest"}}),
		func(o *ec2.DescribeLaunchTemplateVersionsOutput) []string {
			return texts(o.LaunchTemplateVersions, func(v *types.LaunchTemplateVersion) *string { return v.LaunchTemplateId })
		}), pageSize, 0)
	wantsPages(t, "lists of AWS's services", collect(t, ec2.NewDescribePrefixListsPaginator(i.ec2, &ec2.DescribePrefixListsInput{Filters: filters("prefix-list-name", "com.amazonaws.*")}),
		func(o *ec2.DescribePrefixListsOutput) []string {
			return texts(o.PrefixLists, func(v *types.PrefixList) *string { return v.PrefixListId })
		}), pageSize, 0)
	wantsPages(t, "choices of ids", collect(t, ec2.NewDescribePrincipalIdFormatPaginator(i.ec2, &ec2.DescribePrincipalIdFormatInput{}),
		func(o *ec2.DescribePrincipalIdFormatOutput) []string {
			return texts(o.Principals, func(v *types.PrincipalIdFormat) *string { return v.Arn })
		}), pageSize, 0)
	wantsPages(t, "pools of addresses", collect(t, ec2.NewDescribePublicIpv4PoolsPaginator(i.ec2, &ec2.DescribePublicIpv4PoolsInput{}),
		func(o *ec2.DescribePublicIpv4PoolsOutput) []string {
			return texts(o.PublicIpv4Pools, func(v *types.PublicIpv4Pool) *string { return v.PoolId })
		}), pageSize, 0)
	wantsPages(t, "stale groups", collect(t, ec2.NewDescribeStaleSecurityGroupsPaginator(i.ec2, &ec2.DescribeStaleSecurityGroupsInput{VpcId: aws.String(i.createVPC(t, "stale"))}),
		func(o *ec2.DescribeStaleSecurityGroupsOutput) []string {
			return texts(o.StaleSecurityGroupSet, func(v *types.StaleSecurityGroup) *string { return v.GroupId })
		}), pageSize, 0)
	wantsPages(t, "VPN concentrators", collect(t, ec2.NewDescribeVpnConcentratorsPaginator(i.ec2, &ec2.DescribeVpnConcentratorsInput{}),
		func(o *ec2.DescribeVpnConcentratorsOutput) []string {
			return texts(o.VpnConcentrators, func(v *types.VpnConcentrator) *string { return v.VpnConcentratorId })
		}), pageSize, 0)
	wantsPages(t, "permissions of interfaces", collect(t, ec2.NewDescribeNetworkInterfacePermissionsPaginator(i.ec2, &ec2.DescribeNetworkInterfacePermissionsInput{}),
		func(o *ec2.DescribeNetworkInterfacePermissionsOutput) []string {
			return texts(o.NetworkInterfacePermissions, func(v *types.NetworkInterfacePermission) *string { return v.NetworkInterfacePermissionId })
		}), pageSize, 0)
}

// Between two pages records go and come: what was there all the time is shown
// once, whatever else is.
func (i *installation) testPagesUnderChange(t *testing.T) {
	ctx := t.Context()
	vpc := i.createVPC(t, "changing")
	var stay []string
	for n := range 4 * pageSize {
		stay = append(stay, i.createSubnet(t, vpc, n))
	}
	slices.Sort(stay) // as pages are
	shown := map[string]int{}
	input := &ec2.DescribeSubnetsInput{Filters: filters("vpc-id", vpc), MaxResults: aws.Int32(pageSize)}
	for page := 0; ; page++ {
		answer := must(i.ec2.DescribeSubnets(ctx, input))(t)
		for _, v := range answer.Subnets {
			shown[*v.SubnetId]++
		}
		if answer.NextToken == nil {
			break
		}
		// The one that the next page follows goes, and one that is still to come.
		last := *answer.Subnets[len(answer.Subnets)-1].SubnetId
		for _, id := range []string{last, stay[len(stay)-1]} {
			if at := slices.Index(stay, id); at >= 0 {
				stay = slices.Delete(stay, at, at+1)
				must(i.ec2.DeleteSubnet(ctx, &ec2.DeleteSubnetInput{SubnetId: &id}))(t)
			}
		}
		for n := range 3 {
			i.createSubnet(t, vpc, 100+3*page+n)
		}
		input.NextToken = answer.NextToken
	}
	for _, id := range stay {
		if shown[id] != 1 {
			t.Errorf("%s, which was there all the time, is shown %d times", id, shown[id])
		}
	}
	for id, times := range shown {
		if times != 1 {
			t.Errorf("%s is shown %d times", id, times)
		}
	}
	_, err := i.ec2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{NextToken: input.NextToken})
	refused(t, err, "InvalidNextToken", 400)
	_, err = i.ec2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{MaxResults: aws.Int32(4)})
	refused(t, err, "InvalidParameterValue", 400)
}

// Paginators of IAM, ACM and CloudWatch Logs.
func (i *installation) testOtherPaginators(t *testing.T) {
	ctx, path := t.Context(), aws.String("/paged/")
	document := aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ec2:Describe*","Resource":"*"}]}`)
	trust := aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}`)
	group := aws.String("everybody")
	must(i.iam.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: group, Path: path}))(t)
	for n := range many {
		name := aws.String(fmt.Sprint("paged-", n))
		must(i.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: name, Path: path}))(t)
		must(i.iam.AddUserToGroup(ctx, &iam.AddUserToGroupInput{UserName: name, GroupName: group}))(t)
		must(i.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: name, Path: path, AssumeRolePolicyDocument: trust}))(t)
		must(i.iam.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: name, Path: path, PolicyDocument: document}))(t)
		must(i.iam.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: aws.String("paged-0"), PolicyName: name, PolicyDocument: document}))(t)
		must(i.logs.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: name}))(t)
		must(i.logs.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: aws.String("paged-0"), LogStreamName: name}))(t)
		must(i.acm.RequestCertificate(ctx, &acm.RequestCertificateInput{DomainName: aws.String(fmt.Sprintf("n%d.example.com", n)), KeyAlgorithm: acmtypes.KeyAlgorithmEcPrime256v1}))(t)
	}
	size := aws.Int32(pageSize)
	wantsPages(t, "users", collect(t, iam.NewListUsersPaginator(i.iam, &iam.ListUsersInput{PathPrefix: path, MaxItems: size}),
		func(o *iam.ListUsersOutput) []string {
			return texts(o.Users, func(v *iamtypes.User) *string { return v.Arn })
		}), pageSize, many)
	wantsPages(t, "users of a group", collect(t, iam.NewGetGroupPaginator(i.iam, &iam.GetGroupInput{GroupName: group, MaxItems: size}),
		func(o *iam.GetGroupOutput) []string {
			return texts(o.Users, func(v *iamtypes.User) *string { return v.Arn })
		}), pageSize, many)
	wantsPages(t, "roles", collect(t, iam.NewListRolesPaginator(i.iam, &iam.ListRolesInput{PathPrefix: path, MaxItems: size}),
		func(o *iam.ListRolesOutput) []string {
			return texts(o.Roles, func(v *iamtypes.Role) *string { return v.Arn })
		}), pageSize, many)
	wantsPages(t, "policies", collect(t, iam.NewListPoliciesPaginator(i.iam, &iam.ListPoliciesInput{PathPrefix: path, MaxItems: size}),
		func(o *iam.ListPoliciesOutput) []string {
			return texts(o.Policies, func(v *iamtypes.Policy) *string { return v.Arn })
		}), pageSize, many)
	wantsPages(t, "inline policies", collect(t, iam.NewListUserPoliciesPaginator(i.iam, &iam.ListUserPoliciesInput{UserName: aws.String("paged-0"), MaxItems: size}),
		func(o *iam.ListUserPoliciesOutput) []string { return o.PolicyNames }), pageSize, many)
	wantsPages(t, "groups", collect(t, iam.NewListGroupsPaginator(i.iam, &iam.ListGroupsInput{PathPrefix: path, MaxItems: size}),
		func(o *iam.ListGroupsOutput) []string {
			return texts(o.Groups, func(v *iamtypes.Group) *string { return v.Arn })
		}), pageSize, 1)
	wantsPages(t, "groups of a user", collect(t, iam.NewListGroupsForUserPaginator(i.iam, &iam.ListGroupsForUserInput{UserName: aws.String("paged-0"), MaxItems: size}),
		func(o *iam.ListGroupsForUserOutput) []string {
			return texts(o.Groups, func(v *iamtypes.Group) *string { return v.Arn })
		}), pageSize, 1)
	wantsPages(t, "certificates", collect(t, acm.NewListCertificatesPaginator(i.acm, &acm.ListCertificatesInput{
		MaxItems: size, Includes: &acmtypes.Filters{KeyTypes: []acmtypes.KeyAlgorithm{acmtypes.KeyAlgorithmEcPrime256v1}},
	}), func(o *acm.ListCertificatesOutput) []string {
		return texts(o.CertificateSummaryList, func(v *acmtypes.CertificateSummary) *string { return v.CertificateArn })
	}), pageSize, many)
	wantsPages(t, "log groups", collect(t, cloudwatchlogs.NewDescribeLogGroupsPaginator(i.logs, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: aws.String("paged-"), Limit: size}),
		func(o *cloudwatchlogs.DescribeLogGroupsOutput) []string {
			return texts(o.LogGroups, func(v *logstypes.LogGroup) *string { return v.LogGroupName })
		}), pageSize, many)
	wantsPages(t, "log streams", collect(t, cloudwatchlogs.NewDescribeLogStreamsPaginator(i.logs, &cloudwatchlogs.DescribeLogStreamsInput{LogGroupName: aws.String("paged-0"), Limit: size}),
		func(o *cloudwatchlogs.DescribeLogStreamsOutput) []string {
			return texts(o.LogStreams, func(v *logstypes.LogStream) *string { return v.LogStreamName })
		}), pageSize, many)
	i.testLogEventPaginators(t)
}

// Log events come in the order of their times, and the pages of GetLogEvents end
// when a token repeats, which the paginator has to be told to look at.
func (i *installation) testLogEventPaginators(t *testing.T) {
	ctx, group, stream, size := t.Context(), aws.String("paged-0"), aws.String("paged-0"), aws.Int32(pageSize)
	begin := now().UnixMilli()
	var events []logstypes.InputLogEvent
	var want []string
	for n := range many {
		want = append(want, fmt.Sprint("event ", n))
		events = append(events, logstypes.InputLogEvent{Message: aws.String(want[n]), Timestamp: aws.Int64(begin + int64(n))})
	}
	must(i.logs.PutLogEvents(ctx, &cloudwatchlogs.PutLogEventsInput{LogGroupName: group, LogStreamName: stream, LogEvents: events}))(t)
	wantsPages(t, "metric filters", collect(t, cloudwatchlogs.NewDescribeMetricFiltersPaginator(i.logs, &cloudwatchlogs.DescribeMetricFiltersInput{}),
		func(o *cloudwatchlogs.DescribeMetricFiltersOutput) []string {
			return make([]string, len(o.MetricFilters))
		}), 1, 0)
	wantsPages(t, "subscription filters", collect(t, cloudwatchlogs.NewDescribeSubscriptionFiltersPaginator(i.logs, &cloudwatchlogs.DescribeSubscriptionFiltersInput{LogGroupName: aws.String("paged-0")}),
		func(o *cloudwatchlogs.DescribeSubscriptionFiltersOutput) []string {
			return make([]string, len(o.SubscriptionFilters))
		}), 1, 0)
	filtered := collect(t, cloudwatchlogs.NewFilterLogEventsPaginator(i.logs, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: group, FilterPattern: aws.String("event"), Limit: size}),
		func(o *cloudwatchlogs.FilterLogEventsOutput) []string {
			return texts(o.Events, func(v *logstypes.FilteredLogEvent) *string { return v.Message })
		})
	read := collect(t, cloudwatchlogs.NewGetLogEventsPaginator(i.logs, &cloudwatchlogs.GetLogEventsInput{LogGroupName: group, LogStreamName: stream, StartFromHead: aws.Bool(true), Limit: size},
		func(o *cloudwatchlogs.GetLogEventsPaginatorOptions) { o.StopOnDuplicateToken = true }),
		func(o *cloudwatchlogs.GetLogEventsOutput) []string {
			return texts(o.Events, func(v *logstypes.OutputLogEvent) *string { return v.Message })
		})
	for what, pages := range map[string][][]string{"FilterLogEvents": filtered, "GetLogEvents": read} {
		if got := slices.Concat(pages...); !slices.Equal(got, want) || len(pages) < 3 {
			t.Errorf("%s gives in %d pages: %s", what, len(pages), strings.Join(got, ", "))
		}
	}
}
