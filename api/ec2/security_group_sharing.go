package ec2

import (
	"context"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// What is about security groups outside of their VPCs: in further ones of the account,
// and on the other side of peerings, which are not here.
func (s *Service) securityGroupSharingActions() actions {
	return actions{
		"AssociateSecurityGroupVpc":            server.Operation(s.AssociateSecurityGroupVpc),
		"DisassociateSecurityGroupVpc":         server.Operation(s.DisassociateSecurityGroupVpc),
		"DescribeSecurityGroupReferences":      server.Operation(s.DescribeSecurityGroupReferences),
		"DescribeSecurityGroupVpcAssociations": server.Operation(s.DescribeSecurityGroupVpcAssociations),
		"DescribeStaleSecurityGroups":          server.Operation(s.DescribeStaleSecurityGroups),
		"GetSecurityGroupsForVpc":              server.Operation(s.GetSecurityGroupsForVpc),
	}
}

// DescribeSecurityGroupReferences lists the VPCs on the other side of a peering whose
// rules name groups: none.
func (s *Service) DescribeSecurityGroupReferences(_ context.Context, c server.Caller, in *model.DescribeSecurityGroupReferencesInput) (*model.DescribeSecurityGroupReferencesOutput, error) {
	if len(in.GroupId) == 0 {
		return nil, resource.Missing("GroupId")
	}
	for _, id := range in.GroupId {
		if _, err := securityGroups.get(s.read(c), id); err != nil {
			return nil, err
		}
	}
	return &model.DescribeSecurityGroupReferencesOutput{}, checkDryRun(in.DryRun)
}

// DescribeStaleSecurityGroups lists the groups of a VPC whose rules name groups of a
// peering that is no more: none.
func (s *Service) DescribeStaleSecurityGroups(_ context.Context, c server.Caller, in *model.DescribeStaleSecurityGroupsInput) (*model.DescribeStaleSecurityGroupsOutput, error) {
	if err := describeNone(query{action: "DescribeStaleSecurityGroups", maxResults: in.MaxResults, nextToken: in.NextToken}, nil); err != nil {
		return nil, err
	}
	if _, err := vpcs.get(s.read(c), val(in.VpcId)); err != nil {
		return nil, err
	}
	return &model.DescribeStaleSecurityGroupsOutput{}, checkDryRun(in.DryRun)
}

var groupForVPCFields = fields[resource.SecurityGroup]{
	"description":    func(_ reader, v *resource.SecurityGroup) []string { return one(v.Description) },
	"group-id":       func(_ reader, v *resource.SecurityGroup) []string { return one(v.ID) },
	"group-name":     func(_ reader, v *resource.SecurityGroup) []string { return one(v.Name) },
	"owner-id":       func(_ reader, v *resource.SecurityGroup) []string { return one(v.Account) },
	"primary-vpc-id": func(_ reader, v *resource.SecurityGroup) []string { return one(v.VPC) },
}

// GetSecurityGroupsForVpc lists the groups that interfaces of a VPC can have: its own,
// and those that are associated with it.
func (s *Service) GetSecurityGroupsForVpc(_ context.Context, c server.Caller, in *model.GetSecurityGroupsForVpcInput) (*model.GetSecurityGroupsForVpcOutput, error) {
	r := s.read(c)
	q := query{"GetSecurityGroupsForVpc", in.DryRun, nil, in.Filters, in.MaxResults, in.NextToken}
	key := func(v *resource.SecurityGroup) string { return v.ID }
	shown, next, err := list(r, groupForVPCFields, q, key, func() ([]resource.SecurityGroup, error) {
		vpc, err := vpcs.get(r, val(in.VpcId))
		return append(securityGroups.found(r, store.ByVPC, vpc.ID), securityGroups.found(r, store.ByAssociated, vpc.ID)...), err
	})
	if err != nil {
		return nil, err
	}
	return &model.GetSecurityGroupsForVpcOutput{NextToken: next, SecurityGroupForVpcs: mapped(shown, func(v *resource.SecurityGroup) model.SecurityGroupForVpc {
		return model.SecurityGroupForVpc{Description: &v.Description, GroupId: &v.ID, GroupName: &v.Name, OwnerId: &v.Account, PrimaryVpcId: &v.VPC, Tags: tagSet(v.Tags)}
	})}, nil
}
