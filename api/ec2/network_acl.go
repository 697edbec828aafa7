package ec2

import (
	"context"
	"slices"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
	"causeway.dev/store"
)

func (s *Service) networkACLActions() actions {
	return actions{
		"CreateNetworkAcl":             server.Operation(s.CreateNetworkAcl),
		"DeleteNetworkAcl":             server.Operation(s.DeleteNetworkAcl),
		"DescribeNetworkAcls":          server.Operation(s.DescribeNetworkAcls),
		"CreateNetworkAclEntry":        server.Operation(s.CreateNetworkAclEntry),
		"ReplaceNetworkAclEntry":       server.Operation(s.ReplaceNetworkAclEntry),
		"DeleteNetworkAclEntry":        server.Operation(s.DeleteNetworkAclEntry),
		"ReplaceNetworkAclAssociation": server.Operation(s.ReplaceNetworkAclAssociation),
	}
}

// aclAssociationPrefix begins the ids of what ties a subnet to a network ACL.
const aclAssociationPrefix = "aclassoc"

// newDefaultNetworkACL returns the ACL that each VPC has from the start: it lets
// all traffic pass.
func (s *Service) newDefaultNetworkACL(r reader, vpc string) resource.NetworkACL {
	allow := func(egress bool) resource.NetworkACLEntry {
		return resource.NetworkACLEntry{Number: 100, Egress: egress, Protocol: -1, FromPort: resource.AnyPort, ToPort: resource.AnyPort, CIDR: anywhere}
	}
	return resource.NetworkACL{
		Meta: r.newMeta(s.newID(networkACLs.prefix), nil), VPC: vpc, IsDefault: true, Entries: []resource.NetworkACLEntry{allow(false), allow(true)},
	}
}

// putSubnet stores a new subnet and ties it to its VPC's default network ACL.
func (s *Service) putSubnet(w writer, subnet resource.Subnet) {
	subnets.put(w, subnet)
	for v := range networkACLs.of(w.reader, subnet.VPC) {
		if v.IsDefault {
			s.guard(w, v, subnet.ID)
		}
	}
}

// guard ties a subnet to a network ACL and returns the association's id.
func (s *Service) guard(w writer, v resource.NetworkACL, subnet string) string {
	a := resource.NetworkACLAssociation{ID: s.newID(aclAssociationPrefix), Subnet: subnet}
	v.Associations = append(slices.Clone(v.Associations), a)
	networkACLs.put(w, v)
	return a.ID
}

// unguard takes from its network ACL the association that is chosen, and returns
// it with the ACL as it was.
func unguard(w writer, chosen func(a resource.NetworkACLAssociation) bool) (v resource.NetworkACL, a resource.NetworkACLAssociation, ok bool) {
	for v := range networkACLs.list(w.reader) {
		if at := slices.IndexFunc(v.Associations, chosen); at >= 0 {
			a, left := v.Associations[at], v
			left.Associations = slices.Delete(slices.Clone(v.Associations), at, at+1)
			networkACLs.put(w, left)
			return v, a, true
		}
	}
	return v, a, false
}

// CreateNetworkAcl makes a network ACL that lets nothing pass.
func (s *Service) CreateNetworkAcl(ctx context.Context, c server.Caller, in *model.CreateNetworkAclInput) (*model.CreateNetworkAclOutput, error) {
	tags, err := tagsFor(in.TagSpecifications, networkACLs.kind)
	if err != nil {
		return nil, err
	}
	parameters := *in
	parameters.ClientToken, parameters.DryRun = nil, nil
	out := model.CreateNetworkAclOutput{ClientToken: in.ClientToken}
	err = s.update(ctx, c, in.DryRun, func(w writer) error {
		created, err := s.idempotent(w.reader, "CreateNetworkAcl", in.ClientToken, parameters)
		if err != nil {
			return err
		}
		id := created.newID(networkACLs.prefix, 0)
		if v, repeated := networkACLs.table.Get(w.Reader, w.scope, id); repeated {
			out.NetworkAcl = networkACLAnswer(w.reader, &v)
			return created.check(&v.Meta)
		}
		vpc, err := vpcs.get(w.reader, val(in.VpcId))
		if err != nil {
			return err
		}
		if len(networkACLs.found(w.reader, store.ByVPC, vpc.ID)) >= w.limits.NetworkACLsPerVPC {
			return resource.Errorf("NetworkAclLimitExceeded", "The maximum number of network ACLs of a VPC has been reached: %d", w.limits.NetworkACLsPerVPC)
		}
		v := resource.NetworkACL{Meta: w.newMeta(id, tags[networkACLs.kind]), VPC: vpc.ID}
		created.mark(&v.Meta)
		networkACLs.put(w, v)
		out.NetworkAcl = networkACLAnswer(w.reader, &v)
		return nil
	})
	return &out, err
}

// DeleteNetworkAcl removes a network ACL that guards no subnet and is not its
// VPC's default one.
func (s *Service) DeleteNetworkAcl(ctx context.Context, c server.Caller, in *model.DeleteNetworkAclInput) (*model.DeleteNetworkAclOutput, error) {
	return nil, s.update(ctx, c, in.DryRun, func(w writer) error {
		v, err := networkACLs.get(w.reader, val(in.NetworkAclId))
		if err != nil {
			return err
		}
		switch {
		case v.IsDefault:
			return resource.Errorf(resource.CodeInvalidParameterValue, "cannot delete default network ACL %s: it goes with %s", v.ID, v.VPC)
		case len(v.Associations) > 0:
			return resource.Errorf(resource.CodeDependencyViolation, "The networkAcl '%s' has dependencies and cannot be deleted: %s is associated with it", v.ID, v.Associations[0].Subnet)
		}
		networkACLs.delete(w, v.ID)
		return nil
	})
}

// ReplaceNetworkAclAssociation lets another network ACL guard a subnet.
func (s *Service) ReplaceNetworkAclAssociation(ctx context.Context, c server.Caller, in *model.ReplaceNetworkAclAssociationInput) (*model.ReplaceNetworkAclAssociationOutput, error) {
	var out model.ReplaceNetworkAclAssociationOutput
	err := s.update(ctx, c, in.DryRun, func(w writer) error {
		id := val(in.AssociationId)
		from, moved, ok := unguard(w, func(a resource.NetworkACLAssociation) bool { return a.ID == id })
		if !ok {
			return resource.Errorf("InvalidAssociationID.NotFound", "The association ID '%s' does not exist", resource.Clip(id))
		}
		to, err := networkACLs.get(w.reader, val(in.NetworkAclId))
		if err != nil {
			return err
		}
		if to.VPC != from.VPC {
			return resource.Errorf(resource.CodeInvalidParameterValue, "Network ACL %s and association %s belong to different networks", to.ID, id)
		}
		out.NewAssociationId = new(s.guard(w, to, moved.Subnet))
		return nil
	})
	return &out, err
}

var networkACLFields = func() fields[resource.NetworkACL] {
	type acl = resource.NetworkACL
	associations := func(f func(a *model.NetworkAclAssociation) *string) func(reader, *acl) []string {
		return func(r reader, v *acl) []string {
			return mapped(networkACLAnswer(r, v).Associations, func(a *model.NetworkAclAssociation) string { return *f(a) })
		}
	}
	fields := fields[acl]{
		"association.association-id": associations(func(a *model.NetworkAclAssociation) *string { return a.NetworkAclAssociationId }),
		"association.network-acl-id": associations(func(a *model.NetworkAclAssociation) *string { return a.NetworkAclId }),
		"association.subnet-id":      associations(func(a *model.NetworkAclAssociation) *string { return a.SubnetId }),
		"default":                    func(_ reader, v *acl) []string { return truth(v.IsDefault) },
		"network-acl-id":             func(_ reader, v *acl) []string { return one(v.ID) },
		"owner-id":                   func(_ reader, v *acl) []string { return one(v.Account) },
		"vpc-id":                     func(_ reader, v *acl) []string { return one(v.VPC) },
	}
	for name, values := range networkACLEntryFields {
		fields["entry."+name] = func(r reader, v *acl) (all []string) {
			for _, e := range networkACLAnswer(r, v).Entries {
				all = append(all, values(&e)...)
			}
			return all
		}
	}
	return fields
}()

func networkACLAnswer(r reader, v *resource.NetworkACL) *model.NetworkAcl {
	return &model.NetworkAcl{
		Associations: mapped(v.Associations, func(a *resource.NetworkACLAssociation) model.NetworkAclAssociation {
			return model.NetworkAclAssociation{NetworkAclAssociationId: &a.ID, NetworkAclId: &v.ID, SubnetId: &a.Subnet}
		}),
		Entries:      networkACLEntryAnswers(v.Entries, hasIPv6(r, v.VPC)),
		IsDefault:    &v.IsDefault,
		NetworkAclId: &v.ID,
		OwnerId:      &v.Account,
		Tags:         tagSet(v.Tags),
		VpcId:        &v.VPC,
	}
}

// DescribeNetworkAcls lists network ACLs.
func (s *Service) DescribeNetworkAcls(_ context.Context, c server.Caller, in *model.DescribeNetworkAclsInput) (*model.DescribeNetworkAclsOutput, error) {
	r := s.read(c)
	found, next, err := describe(r, networkACLs, networkACLFields, query{"DescribeNetworkAcls", in.DryRun, in.NetworkAclIds, in.Filters, in.MaxResults, in.NextToken})
	if err != nil {
		return nil, err
	}
	answer := func(v *resource.NetworkACL) *model.NetworkAcl { return networkACLAnswer(r, v) }
	return &model.DescribeNetworkAclsOutput{NetworkAcls: answers(found, answer), NextToken: next}, nil
}
