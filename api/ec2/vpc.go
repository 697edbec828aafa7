package ec2

import (
	"context"
	"net/netip"
	"slices"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
	"causeway.dev/store"
)

func (s *Service) vpcActions() actions {
	return actions{
		"CreateVpc":                server.Operation(s.CreateVpc),
		"DeleteVpc":                server.Operation(s.DeleteVpc),
		"DescribeVpcs":             server.Operation(s.DescribeVpcs),
		"DescribeVpcAttribute":     server.Operation(s.DescribeVpcAttribute),
		"ModifyVpcAttribute":       server.Operation(s.ModifyVpcAttribute),
		"AssociateVpcCidrBlock":    server.Operation(s.AssociateVpcCidrBlock),
		"DisassociateVpcCidrBlock": server.Operation(s.DisassociateVpcCidrBlock),
	}
}

// CreateVpc makes a VPC with its main route table, its default security group and
// its default network ACL.
func (s *Service) CreateVpc(ctx context.Context, c server.Caller, in *model.CreateVpcInput) (*model.CreateVpcOutput, error) {
	if err := refuseUnbuilt(member{"VpcEncryptionControl", in.VpcEncryptionControl != nil}); err != nil {
		return nil, err
	}
	asked := ipv6Request{in.AmazonProvidedIpv6CidrBlock, in.Ipv6CidrBlock, in.Ipv6IpamPoolId, in.Ipv6Pool, in.Ipv6CidrBlockNetworkBorderGroup, in.Ipv6NetmaskLength, in.Ipv4IpamPoolId, in.Ipv4NetmaskLength}
	if err := asked.check(c.Region); err != nil {
		return nil, err
	}
	if in.CidrBlock == nil {
		return nil, resource.Missing("CidrBlock")
	}
	cidr, err := resource.ParseIPv4CIDR("cidrBlock", *in.CidrBlock)
	if err != nil {
		return nil, err
	}
	if err := resource.ValidateVPCRange(cidr); err != nil {
		return nil, err
	}
	tenancy := val(in.InstanceTenancy)
	if tenancy == "" {
		tenancy = model.TenancyDefault
	}
	if tenancy != model.TenancyDefault {
		return nil, resource.Unsupported("The instance tenancy " + tenancy)
	}
	tags, err := tagsFor(in.TagSpecifications, vpcs.kind)
	if err != nil {
		return nil, err
	}
	var out model.CreateVpcOutput
	err = s.update(ctx, c, in.DryRun, func(w writer) error {
		if err := s.roomForVPC(w.reader); err != nil {
			return err
		}
		v, _ := s.makeVPC(w, cidr, tenancy, tags[vpcs.kind])
		if val(asked.provided) {
			if _, err := s.giveIPv6(w, &v); err != nil {
				return err
			}
			vpcs.put(w, v)
		}
		out.Vpc = w.vpcAnswer(&v)
		return nil
	})
	return &out, err
}

func (s *Service) roomForVPC(r reader) error {
	if vpcs.total(r) >= r.limits.VPCs {
		return resource.Errorf("VpcLimitExceeded", "The maximum number of VPCs has been reached: %d", r.limits.VPCs)
	}
	return nil
}

// makeVPC makes a VPC with its main route table and its defaults.
func (s *Service) makeVPC(w writer, cidr netip.Prefix, tenancy string, tags []resource.Tag) (resource.VPC, resource.RouteTable) {
	v := resource.VPC{
		Meta:             w.newMeta(s.newID(vpcs.prefix), tags),
		State:            resource.StateAvailable,
		CIDRs:            []resource.CIDRAssociation{s.newCIDRAssociation(cidr)},
		InstanceTenancy:  tenancy,
		DHCPOptionsID:    s.defaultDHCPOptions(w),
		EnableDNSSupport: true,
	}
	vpcs.put(w, v)
	table := resource.RouteTable{Meta: w.newMeta(s.newID(routeTables.prefix), nil), VPC: v.ID}
	s.makeMain(&table)
	routeTables.put(w, table)
	securityGroups.put(w, s.newDefaultSecurityGroup(w.reader, v.ID))
	networkACLs.put(w, s.newDefaultNetworkACL(w.reader, v.ID))
	return v, table
}

const vpcCIDRAssociationPrefix = "vpc-cidr-assoc"

func (s *Service) newCIDRAssociation(cidr netip.Prefix) resource.CIDRAssociation {
	return resource.CIDRAssociation{ID: s.newID(vpcCIDRAssociationPrefix), Prefix: cidr, State: model.VpcCidrBlockStateCodeAssociated}
}

// DeleteVpc removes a VPC that nothing depends on, with its main route table and
// its defaults.
func (s *Service) DeleteVpc(ctx context.Context, c server.Caller, in *model.DeleteVpcInput) (*model.DeleteVpcOutput, error) {
	return nil, s.update(ctx, c, in.DryRun, func(w writer) error {
		v, err := vpcs.get(w.reader, val(in.VpcId))
		if err != nil {
			return err
		}
		if what := dependentOf(w.reader, v.ID); what != "" {
			return resource.Errorf(resource.CodeDependencyViolation, "The vpc '%s' has dependencies and cannot be deleted: %s", v.ID, what)
		}
		for table := range routeTables.of(w.reader, v.ID) {
			routeTables.delete(w, table.ID)
		}
		for group := range securityGroups.of(w.reader, v.ID) {
			securityGroups.delete(w, group.ID)
		}
		for _, group := range securityGroups.found(w.reader, store.ByAssociated, v.ID) {
			group.Associated = without(group.Associated, v.ID)
			securityGroups.put(w, group)
		}
		for acl := range networkACLs.of(w.reader, v.ID) {
			networkACLs.delete(w, acl.ID)
		}
		unexclude(w, v.ID, "")
		vpcs.delete(w, v.ID)
		return nil
	})
}

// dependentOf names something that keeps a VPC from being deleted, or "".
func dependentOf(r reader, vpc string) string {
	for v := range networkInterfaces.of(r, vpc) {
		return "it contains " + v.ID
	}
	for v := range subnets.of(r, vpc) {
		return "it contains " + v.ID
	}
	for v := range routeTables.of(r, vpc) {
		if !v.Main {
			return "it contains " + v.ID
		}
	}
	for v := range networkACLs.of(r, vpc) {
		if !v.IsDefault {
			return "it contains " + v.ID
		}
	}
	for v := range securityGroups.of(r, vpc) {
		if v.Name != resource.DefaultSecurityGroup {
			return "it contains " + v.ID
		}
	}
	for v := range vpnGateways.list(r) {
		if v.VPC == vpc && v.AttachmentState != resource.StateDetached && v.Deleted == nil {
			return v.ID + " is attached to it"
		}
	}
	if igw := internetGatewayOf(r, vpc); igw != "" {
		return igw + " is attached to it"
	}
	for v := range egressOnlyInternetGateways.list(r) {
		if v.VPC == vpc {
			return v.ID + " is attached to it"
		}
	}
	return ""
}

var vpcFields = fields[resource.VPC]{
	"cidr":            func(_ reader, v *resource.VPC) []string { return []string{v.CIDRs[0].Prefix.String()} },
	"dhcp-options-id": func(_ reader, v *resource.VPC) []string { return one(v.DHCPOptionsID) },
	"is-default":      func(_ reader, v *resource.VPC) []string { return truth(v.IsDefault) },
	"owner-id":        func(_ reader, v *resource.VPC) []string { return one(v.Account) },
	"state":           func(_ reader, v *resource.VPC) []string { return one(v.State) },
	"vpc-id":          func(_ reader, v *resource.VPC) []string { return one(v.ID) },

	"cidr-block-association.association-id": vpcCIDRField(func(a *resource.CIDRAssociation) string { return a.ID }),
	"cidr-block-association.cidr-block":     vpcCIDRField(func(a *resource.CIDRAssociation) string { return a.Prefix.String() }),
	"cidr-block-association.state":          vpcCIDRField(func(a *resource.CIDRAssociation) string { return a.State }),

	"ipv6-cidr-block-association.association-id":  vpcIPv6Field(func(a *resource.CIDRAssociation) string { return a.ID }),
	"ipv6-cidr-block-association.ipv6-cidr-block": vpcIPv6Field(func(a *resource.CIDRAssociation) string { return a.Prefix.String() }),
	"ipv6-cidr-block-association.ipv6-pool":       vpcIPv6Field(func(*resource.CIDRAssociation) string { return amazonPool }),
	"ipv6-cidr-block-association.state":           vpcIPv6Field(func(a *resource.CIDRAssociation) string { return a.State }),
}

func vpcCIDRField(f func(*resource.CIDRAssociation) string) func(reader, *resource.VPC) []string {
	return func(_ reader, v *resource.VPC) []string { return mapped(v.CIDRs, f) }
}

// DescribeVpcs lists VPCs.
func (s *Service) DescribeVpcs(_ context.Context, c server.Caller, in *model.DescribeVpcsInput) (*model.DescribeVpcsOutput, error) {
	r := s.read(c)
	found, next, err := describe(r, vpcs, vpcFields, query{"DescribeVpcs", in.DryRun, in.VpcIds, in.Filters, in.MaxResults, in.NextToken})
	if err != nil {
		return nil, err
	}
	return &model.DescribeVpcsOutput{Vpcs: answers(found, r.vpcAnswer), NextToken: next}, nil
}

func (r reader) vpcAnswer(v *resource.VPC) *model.Vpc {
	return &model.Vpc{
		BlockPublicAccessStates:     r.publicAccess(v.ID, ""),
		CidrBlock:                   new(v.CIDRs[0].Prefix.String()),
		CidrBlockAssociationSet:     answers(v.CIDRs, cidrAssociationAnswer),
		Ipv6CidrBlockAssociationSet: answers(v.IPv6, vpcIPv6Answer(v.Region)),
		DhcpOptionsId:               &v.DHCPOptionsID,
		InstanceTenancy:             &v.InstanceTenancy,
		IsDefault:                   &v.IsDefault,
		OwnerId:                     &v.Account,
		State:                       &v.State,
		Tags:                        tagSet(v.Tags),
		VpcId:                       &v.ID,
	}
}

func cidrAssociationAnswer(a *resource.CIDRAssociation) *model.VpcCidrBlockAssociation {
	return &model.VpcCidrBlockAssociation{
		AssociationId:  &a.ID,
		CidrBlock:      new(a.Prefix.String()),
		CidrBlockState: &model.VpcCidrBlockState{State: &a.State},
	}
}

// DescribeVpcAttribute tells one attribute of a VPC.
func (s *Service) DescribeVpcAttribute(_ context.Context, c server.Caller, in *model.DescribeVpcAttributeInput) (*model.DescribeVpcAttributeOutput, error) {
	v, err := vpcs.get(s.read(c), val(in.VpcId))
	if err != nil {
		return nil, err
	}
	if err := checkDryRun(in.DryRun); err != nil {
		return nil, err
	}
	out := &model.DescribeVpcAttributeOutput{VpcId: &v.ID}
	switch val(in.Attribute) {
	case model.VpcAttributeNameEnableDnsSupport:
		out.EnableDnsSupport = &model.AttributeBooleanValue{Value: &v.EnableDNSSupport}
	case model.VpcAttributeNameEnableDnsHostnames:
		out.EnableDnsHostnames = &model.AttributeBooleanValue{Value: &v.EnableDNSHostnames}
	case model.VpcAttributeNameEnableNetworkAddressUsageMetrics:
		out.EnableNetworkAddressUsageMetrics = &model.AttributeBooleanValue{Value: &v.EnableNAUMetrics}
	default:
		return nil, resource.InvalidValue("attribute", val(in.Attribute), "It is not an attribute of a VPC.")
	}
	return out, nil
}

// ModifyVpcAttribute sets one attribute of a VPC.
func (s *Service) ModifyVpcAttribute(ctx context.Context, c server.Caller, in *model.ModifyVpcAttributeInput) (*model.ModifyVpcAttributeOutput, error) {
	set := func(v *resource.VPC) int {
		return assign(&v.EnableDNSSupport, in.EnableDnsSupport) +
			assign(&v.EnableDNSHostnames, in.EnableDnsHostnames) +
			assign(&v.EnableNAUMetrics, in.EnableNetworkAddressUsageMetrics)
	}
	switch set(new(resource.VPC)) {
	case 0:
		return nil, resource.Errorf(resource.CodeMissingParameter, "The request must contain an attribute to set")
	case 1:
	default:
		return nil, resource.Errorf(resource.CodeInvalidParameterCombination, "Only one attribute can be set at a time")
	}
	return nil, s.update(ctx, c, nil, func(w writer) error {
		v, err := vpcs.get(w.reader, val(in.VpcId))
		if err != nil {
			return err
		}
		set(&v)
		vpcs.put(w, v)
		return nil
	})
}

// assign sets an attribute if the request gives it, and counts that.
func assign(attribute *bool, given *model.AttributeBooleanValue) int {
	if given == nil || given.Value == nil {
		return 0
	}
	*attribute = *given.Value
	return 1
}

// AssociateVpcCidrBlock gives a VPC a further range.
func (s *Service) AssociateVpcCidrBlock(ctx context.Context, c server.Caller, in *model.AssociateVpcCidrBlockInput) (*model.AssociateVpcCidrBlockOutput, error) {
	asked := ipv6Request{in.AmazonProvidedIpv6CidrBlock, in.Ipv6CidrBlock, in.Ipv6IpamPoolId, in.Ipv6Pool, in.Ipv6CidrBlockNetworkBorderGroup, in.Ipv6NetmaskLength, in.Ipv4IpamPoolId, in.Ipv4NetmaskLength}
	if err := asked.check(c.Region); err != nil {
		return nil, err
	}
	switch provided := val(asked.provided); {
	case provided && in.CidrBlock != nil:
		return nil, resource.Errorf(resource.CodeInvalidParameterCombination, "Give CidrBlock or AmazonProvidedIpv6CidrBlock, not both")
	case provided:
		return s.associateIPv6(ctx, c, in)
	case in.CidrBlock == nil:
		return nil, resource.Missing("CidrBlock")
	}
	cidr, err := resource.ParseIPv4CIDR("cidrBlock", *in.CidrBlock)
	if err != nil {
		return nil, err
	}
	var out model.AssociateVpcCidrBlockOutput
	err = s.update(ctx, c, nil, func(w writer) error {
		v, err := vpcs.get(w.reader, val(in.VpcId))
		if err != nil {
			return err
		}
		if err := resource.ValidateFurtherVPCRange(v.CIDRs, cidr); err != nil {
			return err
		}
		if len(v.CIDRs) >= w.limits.CIDRsPerVPC {
			return resource.Errorf("CidrLimitExceeded", "This network '%s' has met its maximum number of allowed CIDRs: %d", v.ID, w.limits.CIDRsPerVPC)
		}
		if err := checkRoutesBeyond(w.reader, v.ID, cidr); err != nil {
			return err
		}
		association := s.newCIDRAssociation(cidr)
		v.CIDRs = append(slices.Clone(v.CIDRs), association)
		vpcs.put(w, v)
		out = model.AssociateVpcCidrBlockOutput{VpcId: &v.ID, CidrBlockAssociation: cidrAssociationAnswer(&association)}
		return nil
	})
	return &out, err
}

// associateIPv6 gives a VPC an IPv6 range.
func (s *Service) associateIPv6(ctx context.Context, c server.Caller, in *model.AssociateVpcCidrBlockInput) (*model.AssociateVpcCidrBlockOutput, error) {
	var out model.AssociateVpcCidrBlockOutput
	err := s.update(ctx, c, nil, func(w writer) error {
		v, err := vpcs.get(w.reader, val(in.VpcId))
		if err != nil {
			return err
		}
		association, err := s.giveIPv6(w, &v)
		if err != nil {
			return err
		}
		vpcs.put(w, v)
		out = model.AssociateVpcCidrBlockOutput{VpcId: &v.ID, Ipv6CidrBlockAssociation: vpcIPv6Answer(v.Region)(&association)}
		return nil
	})
	return &out, err
}

// DisassociateVpcCidrBlock takes a further range, or one of IPv6, from a VPC, if no
// subnet is in it.
func (s *Service) DisassociateVpcCidrBlock(ctx context.Context, c server.Caller, in *model.DisassociateVpcCidrBlockInput) (*model.DisassociateVpcCidrBlockOutput, error) {
	id := val(in.AssociationId)
	var out model.DisassociateVpcCidrBlockOutput
	err := s.update(ctx, c, nil, func(w writer) error {
		for v := range vpcs.list(w.reader) {
			if at := slices.IndexFunc(v.IPv6, func(a resource.CIDRAssociation) bool { return a.ID == id }); at >= 0 {
				association, err := withoutIPv6Range(w, v, at)
				association.State = model.VpcCidrBlockStateCodeDisassociating
				out = model.DisassociateVpcCidrBlockOutput{VpcId: &v.ID, Ipv6CidrBlockAssociation: vpcIPv6Answer(v.Region)(&association)}
				return err
			}
			at := slices.IndexFunc(v.CIDRs, func(a resource.CIDRAssociation) bool { return a.ID == id })
			if at < 0 {
				continue
			}
			association := v.CIDRs[at]
			if at == 0 {
				return resource.Errorf(resource.CodeOperationNotPermitted, "The vpc CIDR block with association ID %s may not be disassociated. It is the primary IPv4 CIDR block of the VPC", id)
			}
			for subnet := range subnets.of(w.reader, v.ID) {
				if association.Prefix.Overlaps(subnet.CIDR) {
					return resource.Errorf(resource.CodeDependencyViolation, "The vpc CIDR block with association ID %s may not be disassociated. %s is in it", id, subnet.ID)
				}
			}
			v.CIDRs = slices.Delete(slices.Clone(v.CIDRs), at, at+1)
			vpcs.put(w, v)
			association.State = model.VpcCidrBlockStateCodeDisassociating
			out = model.DisassociateVpcCidrBlockOutput{VpcId: &v.ID, CidrBlockAssociation: cidrAssociationAnswer(&association)}
			return nil
		}
		return resource.Errorf("InvalidVpcCidrBlockAssociationID.NotFound", "The vpc CIDR block association ID '%s' does not exist", resource.Clip(id))
	})
	return &out, err
}
