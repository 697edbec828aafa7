package ec2

import (
	"context"
	"slices"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
)

// All ids are long, as those that AWS makes have been since 2018: scripts that ask
// are told so.
func (s *Service) idFormatActions() actions {
	return actions{
		"DescribeAggregateIdFormat": server.Operation(s.DescribeAggregateIdFormat),
		"DescribeIdFormat":          server.Operation(s.DescribeIdFormat),
		"DescribePrincipalIdFormat": server.Operation(s.DescribePrincipalIdFormat),
	}
}

// longIDTypes are the types of resources whose ids were once short ("DescribeIdFormat"
// in the EC2 API reference).
var longIDTypes = []string{
	"bundle", "conversion-task", "customer-gateway", "dhcp-options", "elastic-ip-allocation", "elastic-ip-association", "export-task", "flow-log",
	"image", "import-task", "instance", "internet-gateway", "network-acl", "network-acl-association", "network-interface", "network-interface-attachment",
	"prefix-list", "reservation", "route-table", "route-table-association", "security-group", "snapshot", "subnet", "subnet-cidr-block-association",
	"volume", "vpc", "vpc-cidr-block-association", "vpc-endpoint", "vpc-peering-connection", "vpn-connection", "vpn-gateway",
}

func longIDs(types []string) []model.IdFormat {
	return mapped(types, func(name *string) model.IdFormat { return model.IdFormat{Resource: name, UseLongIds: new(true)} })
}

// checkLongIDType refuses what is no type of resource whose ids were once short.
func checkLongIDType(name string) error {
	if !slices.Contains(longIDTypes, name) {
		return resource.Errorf("InvalidResourceType.Unknown", "The resource type '%s' is not supported or not valid", resource.Clip(name))
	}
	return nil
}

// DescribeIdFormat tells of types of resources that their ids are long.
func (s *Service) DescribeIdFormat(_ context.Context, _ server.Caller, in *model.DescribeIdFormatInput) (*model.DescribeIdFormatOutput, error) {
	types := longIDTypes
	if in.Resource != nil {
		if err := checkLongIDType(*in.Resource); err != nil {
			return nil, err
		}
		types = []string{*in.Resource}
	}
	return &model.DescribeIdFormatOutput{Statuses: longIDs(types)}, nil
}

// DescribeAggregateIdFormat tells that all ids of the region are long.
func (s *Service) DescribeAggregateIdFormat(_ context.Context, _ server.Caller, in *model.DescribeAggregateIdFormatInput) (*model.DescribeAggregateIdFormatOutput, error) {
	if err := checkDryRun(in.DryRun); err != nil {
		return nil, err
	}
	return &model.DescribeAggregateIdFormatOutput{Statuses: longIDs(longIDTypes), UseLongIdsAggregated: new(true)}, nil
}

// DescribePrincipalIdFormat lists those who have chosen a length of ids: nobody.
func (s *Service) DescribePrincipalIdFormat(_ context.Context, _ server.Caller, in *model.DescribePrincipalIdFormatInput) (*model.DescribePrincipalIdFormatOutput, error) {
	for _, name := range in.Resources {
		if err := checkLongIDType(name); err != nil {
			return nil, err
		}
	}
	return &model.DescribePrincipalIdFormatOutput{}, describeNone(query{action: "DescribePrincipalIdFormat", dryRun: in.DryRun, maxResults: in.MaxResults, nextToken: in.NextToken}, nil)
}
