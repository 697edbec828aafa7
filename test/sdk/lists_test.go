package sdk

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// Paginators of prefix lists, DHCP options, flow logs and the groups of a VPC.
func (i *installation) testListPaginators(t *testing.T) {
	ctx, size := t.Context(), aws.Int32(pageSize)
	vpc := i.createVPC(t, "listed")
	var subnets []string
	list := *must(i.ec2.CreateManagedPrefixList(ctx, &ec2.CreateManagedPrefixListInput{
		PrefixListName: aws.String("listed-entries"), AddressFamily: aws.String("IPv4"), MaxEntries: aws.Int32(many),
	}))(t).PrefixList.PrefixListId
	var entries []types.AddPrefixListEntry
	for n := range many {
		subnets = append(subnets, i.createSubnet(t, vpc, n))
		entries = append(entries, types.AddPrefixListEntry{Cidr: aws.String(fmt.Sprintf("192.168.%d.0/24", n))})
		must(i.ec2.CreateDhcpOptions(ctx, &ec2.CreateDhcpOptionsInput{
			DhcpConfigurations: []types.NewDhcpConfiguration{{Key: aws.String("domain-name"), Values: []string{fmt.Sprintf("n%d.example.com", n)}}}, TagSpecifications: named(types.ResourceTypeDhcpOptions, "listed"),
		}))(t)
		group := must(i.ec2.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{VpcId: &vpc, GroupName: aws.String(fmt.Sprint("g", n)), Description: aws.String("names a list")}))(t).GroupId
		must(i.ec2.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: group, IpPermissions: []types.IpPermission{
			{IpProtocol: aws.String("-1"), PrefixListIds: []types.PrefixListId{{PrefixListId: &list}}},
		}}))(t)
	}
	for range many - 1 {
		must(i.ec2.CreateManagedPrefixList(ctx, &ec2.CreateManagedPrefixListInput{
			PrefixListName: aws.String("listed-empty"), AddressFamily: aws.String("IPv6"), MaxEntries: aws.Int32(1),
		}))(t)
	}
	must(i.ec2.ModifyManagedPrefixList(ctx, &ec2.ModifyManagedPrefixListInput{PrefixListId: &list, CurrentVersion: aws.Int64(1), AddEntries: entries}))(t)
	must(i.ec2.CreateFlowLogs(ctx, &ec2.CreateFlowLogsInput{
		ResourceType: types.FlowLogsResourceTypeSubnet, ResourceIds: subnets, TrafficType: types.TrafficTypeReject,
		LogDestinationType: types.LogDestinationTypeS3, LogDestination: aws.String("arn:aws:s3:::flows"), TagSpecifications: named(types.ResourceTypeVpcFlowLog, "listed"),
	}))(t)

	wantsPages(t, "prefix lists", collect(t, ec2.NewDescribeManagedPrefixListsPaginator(i.ec2, &ec2.DescribeManagedPrefixListsInput{Filters: filters("prefix-list-name", "listed-*"), MaxResults: size}),
		func(o *ec2.DescribeManagedPrefixListsOutput) []string {
			return texts(o.PrefixLists, func(v *types.ManagedPrefixList) *string { return v.PrefixListId })
		}), pageSize, many)
	wantsPages(t, "entries of a prefix list", collect(t, ec2.NewGetManagedPrefixListEntriesPaginator(i.ec2, &ec2.GetManagedPrefixListEntriesInput{PrefixListId: &list, MaxResults: size}),
		func(o *ec2.GetManagedPrefixListEntriesOutput) []string {
			return texts(o.Entries, func(v *types.PrefixListEntry) *string { return v.Cidr })
		}), pageSize, many)
	wantsPages(t, "what names a prefix list", collect(t, ec2.NewGetManagedPrefixListAssociationsPaginator(i.ec2, &ec2.GetManagedPrefixListAssociationsInput{PrefixListId: &list, MaxResults: size}),
		func(o *ec2.GetManagedPrefixListAssociationsOutput) []string {
			return texts(o.PrefixListAssociations, func(v *types.PrefixListAssociation) *string { return v.ResourceId })
		}), pageSize, many)
	wantsPages(t, "sets of DHCP options", collect(t, ec2.NewDescribeDhcpOptionsPaginator(i.ec2, &ec2.DescribeDhcpOptionsInput{Filters: filters("tag:Name", "listed"), MaxResults: size}),
		func(o *ec2.DescribeDhcpOptionsOutput) []string {
			return texts(o.DhcpOptions, func(v *types.DhcpOptions) *string { return v.DhcpOptionsId })
		}), pageSize, many)
	wantsPages(t, "flow logs", collect(t, ec2.NewDescribeFlowLogsPaginator(i.ec2, &ec2.DescribeFlowLogsInput{Filter: filters("tag:Name", "listed"), MaxResults: size}),
		func(o *ec2.DescribeFlowLogsOutput) []string {
			return texts(o.FlowLogs, func(v *types.FlowLog) *string { return v.ResourceId })
		}), pageSize, many)
	wantsPages(t, "groups for a VPC", collect(t, ec2.NewGetSecurityGroupsForVpcPaginator(i.ec2, &ec2.GetSecurityGroupsForVpcInput{VpcId: &vpc, MaxResults: size}),
		func(o *ec2.GetSecurityGroupsForVpcOutput) []string {
			return texts(o.SecurityGroupForVpcs, func(v *types.SecurityGroupForVpc) *string { return v.GroupId })
		}), pageSize, many+1)
	vpcs := must(i.ec2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{}))(t)
	wantsPages(t, "VPCs of ClassicLink", collect(t, ec2.NewDescribeVpcClassicLinkDnsSupportPaginator(i.ec2, &ec2.DescribeVpcClassicLinkDnsSupportInput{MaxResults: size}),
		func(o *ec2.DescribeVpcClassicLinkDnsSupportOutput) []string {
			return texts(o.Vpcs, func(v *types.ClassicLinkDnsSupport) *string { return v.VpcId })
		}), pageSize, len(vpcs.Vpcs))
}
