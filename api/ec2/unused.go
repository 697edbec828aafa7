package ec2

import (
	"context"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
)

// unusedActions describe what accounts can have at AWS and never have here, as AWS
// does to an account that has none: scripts that look everywhere go on.
func (s *Service) unusedActions() actions {
	return actions{
		"DescribeCarrierGateways":          server.Operation(s.DescribeCarrierGateways),
		"DescribePublicIpv4Pools":          server.Operation(s.DescribePublicIpv4Pools),
		"DescribeVpcClassicLink":           server.Operation(s.DescribeVpcClassicLink),
		"DescribeVpcClassicLinkDnsSupport": server.Operation(s.DescribeVpcClassicLinkDnsSupport),
		"DescribeVpcEncryptionControls":    server.Operation(s.DescribeVpcEncryptionControls),
		"DescribeVpnConcentrators":         server.Operation(s.DescribeVpnConcentrators),
		"ModifyVpcTenancy":                 server.Operation(s.ModifyVpcTenancy),
	}
}

const codePublicPoolNotFound resource.Code = "InvalidPublicIpv4PoolID.NotFound"

// A nothing is a record of what there is none of.
type nothing struct{}

func (*nothing) tags() []resource.Tag { return nil }

// describeNone checks a query for what there is none of; unknown is the error for
// an id.
func describeNone(q query, unknown func(id string) error) error {
	if _, err := (fields[nothing]{}).compile(q.action, q.filters); err != nil {
		return err
	}
	if _, err := newPage(q.action, q.maxResults, q.nextToken, q.ids); err != nil {
		return err
	}
	for _, id := range q.ids {
		return unknown(id)
	}
	return checkDryRun(q.dryRun)
}

// noSuch returns the error for an id of what there is none of.
func noSuch(code resource.Code, what string) func(id string) error {
	return func(id string) error {
		return resource.Errorf(code, "The %s '%s' does not exist", what, resource.Clip(id))
	}
}

// DescribeCarrierGateways lists the gateways of Wavelength zones: none.
func (s *Service) DescribeCarrierGateways(_ context.Context, _ server.Caller, in *model.DescribeCarrierGatewaysInput) (*model.DescribeCarrierGatewaysOutput, error) {
	return &model.DescribeCarrierGatewaysOutput{}, describeNone(
		query{"DescribeCarrierGateways", in.DryRun, in.CarrierGatewayIds, in.Filters, in.MaxResults, in.NextToken}, noSuch("InvalidCarrierGatewayID.NotFound", "carrier gateway ID"))
}

// DescribePublicIpv4Pools lists pools of addresses that the account has brought:
// none. Those that elastic addresses are of are the installation's.
func (s *Service) DescribePublicIpv4Pools(_ context.Context, _ server.Caller, in *model.DescribePublicIpv4PoolsInput) (*model.DescribePublicIpv4PoolsOutput, error) {
	return &model.DescribePublicIpv4PoolsOutput{}, describeNone(
		query{"DescribePublicIpv4Pools", nil, in.PoolIds, in.Filters, in.MaxResults, in.NextToken}, noSuch(codePublicPoolNotFound, "public IPv4 pool"))
}

// classicLinkFields are of ClassicLink, which joined VPCs to a network that AWS has
// retired.
var classicLinkFields = fields[resource.VPC]{
	"is-classic-link-enabled": func(reader, *resource.VPC) []string { return truth(false) },
}

// DescribeVpcClassicLink tells of each VPC that it has no ClassicLink.
func (s *Service) DescribeVpcClassicLink(_ context.Context, c server.Caller, in *model.DescribeVpcClassicLinkInput) (*model.DescribeVpcClassicLinkOutput, error) {
	found, _, err := describe(s.read(c), vpcs, classicLinkFields, query{"DescribeVpcClassicLink", in.DryRun, in.VpcIds, in.Filters, nil, nil})
	if err != nil {
		return nil, err
	}
	return &model.DescribeVpcClassicLinkOutput{Vpcs: mapped(found, func(v *resource.VPC) model.VpcClassicLink {
		return model.VpcClassicLink{ClassicLinkEnabled: new(false), Tags: tagSet(v.Tags), VpcId: &v.ID}
	})}, nil
}

// DescribeVpcClassicLinkDnsSupport tells of each VPC that it has no ClassicLink.
func (s *Service) DescribeVpcClassicLinkDnsSupport(_ context.Context, c server.Caller, in *model.DescribeVpcClassicLinkDnsSupportInput) (*model.DescribeVpcClassicLinkDnsSupportOutput, error) {
	found, next, err := describe(s.read(c), vpcs, nil, query{"DescribeVpcClassicLinkDnsSupport", nil, in.VpcIds, nil, in.MaxResults, in.NextToken})
	if err != nil {
		return nil, err
	}
	return &model.DescribeVpcClassicLinkDnsSupportOutput{NextToken: next, Vpcs: mapped(found, func(v *resource.VPC) model.ClassicLinkDnsSupport {
		return model.ClassicLinkDnsSupport{ClassicLinkDnsSupported: new(false), VpcId: &v.ID}
	})}, nil
}

// DescribeVpcEncryptionControls lists demands of encryption inside VPCs: none.
func (s *Service) DescribeVpcEncryptionControls(_ context.Context, c server.Caller, in *model.DescribeVpcEncryptionControlsInput) (*model.DescribeVpcEncryptionControlsOutput, error) {
	for _, id := range in.VpcIds {
		if _, err := vpcs.get(s.read(c), id); err != nil {
			return nil, err
		}
	}
	return &model.DescribeVpcEncryptionControlsOutput{}, describeNone(
		query{"DescribeVpcEncryptionControls", in.DryRun, in.VpcEncryptionControlIds, in.Filters, in.MaxResults, in.NextToken}, noSuch("InvalidVpcEncryptionControlId.NotFound", "VPC encryption control ID"))
}

// DescribeVpnConcentrators lists concentrators of VPN connections: none.
func (s *Service) DescribeVpnConcentrators(_ context.Context, _ server.Caller, in *model.DescribeVpnConcentratorsInput) (*model.DescribeVpnConcentratorsOutput, error) {
	return &model.DescribeVpnConcentratorsOutput{}, describeNone(
		query{"DescribeVpnConcentrators", in.DryRun, in.VpnConcentratorIds, in.Filters, in.MaxResults, in.NextToken}, noSuch("InvalidVpnConcentratorID.NotFound", "VPN concentrator ID"))
}

// ModifyVpcTenancy sets where the instances of a VPC run, to what it is: the default
// is all that the model takes, too.
func (s *Service) ModifyVpcTenancy(ctx context.Context, c server.Caller, in *model.ModifyVpcTenancyInput) (*model.ModifyVpcTenancyOutput, error) {
	if in.InstanceTenancy == nil {
		return nil, resource.Missing("InstanceTenancy")
	}
	err := s.update(ctx, c, in.DryRun, func(w writer) error {
		_, err := vpcs.get(w.reader, val(in.VpcId))
		return err
	})
	if err != nil {
		return nil, err
	}
	return &model.ModifyVpcTenancyOutput{ReturnValue: new(true)}, nil
}
