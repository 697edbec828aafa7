package ec2

import (
	"context"
	"slices"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// AssociateSecurityGroupVpc lets interfaces of a further VPC be in a group.
func (s *Service) AssociateSecurityGroupVpc(ctx context.Context, c server.Caller, in *model.AssociateSecurityGroupVpcInput) (*model.AssociateSecurityGroupVpcOutput, error) {
	err := s.update(ctx, c, in.DryRun, func(w writer) error {
		v, vpc, err := groupAndVPC(w.reader, val(in.GroupId), val(in.VpcId))
		if err != nil {
			return err
		}
		home, err := vpcs.get(w.reader, v.VPC)
		switch {
		case err != nil:
			return err
		case v.Name == resource.DefaultSecurityGroup:
			return resource.InvalidValue("GroupId", v.ID, "A default security group is for its VPC only.")
		case home.IsDefault:
			return resource.InvalidValue("GroupId", v.ID, "It is of the default VPC, whose groups are for that only.")
		case vpc.IsDefault:
			return resource.InvalidValue("VpcId", vpc.ID, "The default VPC takes no groups of others.")
		case v.VPC == vpc.ID:
			return resource.InvalidValue("VpcId", vpc.ID, "The security group "+v.ID+" was made in it.")
		case slices.Contains(v.Associated, vpc.ID):
			return resource.Errorf(resource.CodeResourceAlreadyAssociated, "The security group %s is already associated with %s", v.ID, vpc.ID)
		}
		v.Associated = append(slices.Clone(v.Associated), vpc.ID)
		securityGroups.put(w, v)
		return nil
	})
	return &model.AssociateSecurityGroupVpcOutput{State: new(model.SecurityGroupVpcAssociationStateAssociating)}, err
}

func groupAndVPC(r reader, group, vpc string) (v resource.SecurityGroup, of resource.VPC, err error) {
	if v, err = securityGroups.get(r, group); err != nil {
		return v, of, err
	}
	of, err = vpcs.get(r, vpc)
	return v, of, err
}

// DisassociateSecurityGroupVpc ends what AssociateSecurityGroupVpc has begun, where no
// interface of the VPC is in the group and no rule needs the VPC to name it.
func (s *Service) DisassociateSecurityGroupVpc(ctx context.Context, c server.Caller, in *model.DisassociateSecurityGroupVpcInput) (*model.DisassociateSecurityGroupVpcOutput, error) {
	err := s.update(ctx, c, in.DryRun, func(w writer) error {
		v, vpc, err := groupAndVPC(w.reader, val(in.GroupId), val(in.VpcId))
		if err != nil {
			return err
		}
		if !slices.Contains(v.Associated, vpc.ID) {
			return resource.Errorf("InvalidSecurityGroupVpcAssociation.NotFound", "The security group %s is not associated with %s", v.ID, vpc.ID)
		}
		for nic := range networkInterfaces.table.Find(w.Reader, w.scope, store.ByGroup, v.ID) {
			if nic.VPC == vpc.ID {
				return resource.Errorf(resource.CodeDependencyViolation, "The security group %s is in use in %s: %s is in it", v.ID, vpc.ID, nic.ID)
			}
		}
		v.Associated = without(v.Associated, vpc.ID)
		for other := range securityGroups.list(w.reader) {
			if other.ID != v.ID && !v.Meets(&other) && (names(&v, &other) || names(&other, &v)) {
				return resource.Errorf(resource.CodeDependencyViolation, "The security group %s is in use in %s: a rule of it names %s, or one of that names it", v.ID, vpc.ID, other.ID)
			}
		}
		securityGroups.put(w, v)
		return nil
	})
	return &model.DisassociateSecurityGroupVpcOutput{State: new(model.SecurityGroupVpcAssociationStateDisassociating)}, err
}

// names reports whether a rule of a group names another.
func names(v, other *resource.SecurityGroup) bool {
	return slices.ContainsFunc(v.Rules, func(rule resource.SecurityGroupRule) bool { return rule.Group == other.ID })
}

// A groupAssociation is a group with one of its further VPCs.
type groupAssociation struct {
	resource.SecurityGroup
	in string
}

var groupAssociationFields = fields[groupAssociation]{
	"group-id":       func(_ reader, v *groupAssociation) []string { return one(v.ID) },
	"group-owner-id": func(_ reader, v *groupAssociation) []string { return one(v.Account) },
	"state":          func(reader, *groupAssociation) []string { return one(model.SecurityGroupVpcAssociationStateAssociated) },
	"vpc-id":         func(_ reader, v *groupAssociation) []string { return one(v.in) },
	"vpc-owner-id":   func(_ reader, v *groupAssociation) []string { return one(v.Account) },
}

// DescribeSecurityGroupVpcAssociations lists further VPCs that groups are for.
func (s *Service) DescribeSecurityGroupVpcAssociations(_ context.Context, c server.Caller, in *model.DescribeSecurityGroupVpcAssociationsInput) (*model.DescribeSecurityGroupVpcAssociationsOutput, error) {
	r := s.read(c)
	q := query{"DescribeSecurityGroupVpcAssociations", in.DryRun, nil, in.Filters, in.MaxResults, in.NextToken}
	key := func(v *groupAssociation) string { return v.ID + "/" + v.in }
	shown, next, err := list(r, groupAssociationFields, q, key, func() (all []groupAssociation, err error) {
		for v := range securityGroups.list(r) {
			for _, vpc := range v.Associated {
				all = append(all, groupAssociation{v, vpc})
			}
		}
		return all, nil
	})
	if err != nil {
		return nil, err
	}
	return &model.DescribeSecurityGroupVpcAssociationsOutput{NextToken: next, SecurityGroupVpcAssociations: mapped(shown, func(v *groupAssociation) model.SecurityGroupVpcAssociation {
		return model.SecurityGroupVpcAssociation{
			GroupId: &v.ID, GroupOwnerId: &v.Account, State: new(model.SecurityGroupVpcAssociationStateAssociated), VpcId: &v.in, VpcOwnerId: &v.Account,
		}
	})}, nil
}
