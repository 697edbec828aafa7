package ec2

import (
	"context"
	"slices"
	"strconv"
	"strings"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
)

func (s *Service) networkACLActions() actions {
	return actions{"DescribeNetworkAcls": server.Operation(s.DescribeNetworkAcls)}
}

// A networkACL is the network ACL that each VPC has from the start: it lets all
// traffic pass, as it has to, since no other can be made. It is no record but
// follows from the VPC, and so does its id.
type networkACL struct {
	id      string
	vpc     resource.VPC
	subnets []string
}

func (*networkACL) tags() []resource.Tag { return nil }

// aclEntry is a rule of a network ACL.
type aclEntry struct {
	number int32
	action string
	egress bool
}

// aclEntries are AWS's for a default network ACL, in order: allow all, and for
// what nothing allows, deny.
var aclEntries = []aclEntry{
	{100, model.RuleActionAllow, true}, {32767, model.RuleActionDeny, true},
	{100, model.RuleActionAllow, false}, {32767, model.RuleActionDeny, false},
}

// related turns an id into that of something that follows from its owner.
func related(prefix, id string) string { return prefix + id[strings.LastIndexByte(id, '-'):] }

func networkACLs(r reader) []networkACL {
	var list []networkACL
	for v := range vpcs.list(r) {
		acl := networkACL{id: related("acl", v.ID), vpc: v}
		for subnet := range subnets.list(r) {
			if subnet.VPC == v.ID {
				acl.subnets = append(acl.subnets, subnet.ID)
			}
		}
		list = append(list, acl)
	}
	return list
}

var networkACLFields = func() fields[networkACL] {
	associations := func(f func(v *networkACL, subnet string) string) func(reader, *networkACL) []string {
		return func(_ reader, v *networkACL) []string {
			return mapped(v.subnets, func(subnet *string) string { return f(v, *subnet) })
		}
	}
	entries := func(f func(e *aclEntry) string) func(reader, *networkACL) []string {
		return func(reader, *networkACL) []string { return mapped(aclEntries, f) }
	}
	return fields[networkACL]{
		"association.association-id": associations(func(_ *networkACL, subnet string) string { return related("aclassoc", subnet) }),
		"association.network-acl-id": associations(func(v *networkACL, _ string) string { return v.id }),
		"association.subnet-id":      associations(func(_ *networkACL, subnet string) string { return subnet }),
		"default":                    func(reader, *networkACL) []string { return truth(true) },
		"entry.cidr":                 entries(func(*aclEntry) string { return anywhere.String() }),
		"entry.egress":               entries(func(e *aclEntry) string { return strconv.FormatBool(e.egress) }),
		"entry.protocol":             entries(func(*aclEntry) string { return resource.ProtocolAny }),
		"entry.rule-action":          entries(func(e *aclEntry) string { return e.action }),
		"entry.rule-number":          entries(func(e *aclEntry) string { return strconv.Itoa(int(e.number)) }),
		"network-acl-id":             func(_ reader, v *networkACL) []string { return one(v.id) },
		"owner-id":                   func(_ reader, v *networkACL) []string { return one(v.vpc.Account) },
		"vpc-id":                     func(_ reader, v *networkACL) []string { return one(v.vpc.ID) },
	}
}()

func networkACLAnswer(v *networkACL) *model.NetworkAcl {
	return &model.NetworkAcl{
		Associations: mapped(v.subnets, func(subnet *string) model.NetworkAclAssociation {
			return model.NetworkAclAssociation{NetworkAclAssociationId: new(related("aclassoc", *subnet)), NetworkAclId: &v.id, SubnetId: subnet}
		}),
		Entries: mapped(aclEntries, func(e *aclEntry) model.NetworkAclEntry {
			return model.NetworkAclEntry{
				CidrBlock: new(anywhere.String()), Egress: &e.egress, Protocol: new(resource.ProtocolAny), RuleAction: &e.action, RuleNumber: &e.number,
			}
		}),
		IsDefault:    new(true),
		NetworkAclId: &v.id,
		OwnerId:      &v.vpc.Account,
		VpcId:        &v.vpc.ID,
	}
}

// DescribeNetworkAcls lists the default network ACL of each VPC.
func (s *Service) DescribeNetworkAcls(_ context.Context, c server.Caller, in *model.DescribeNetworkAclsInput) (*model.DescribeNetworkAclsOutput, error) {
	const action = "DescribeNetworkAcls"
	chosen, err := networkACLFields.compile(action, in.Filters)
	if err != nil {
		return nil, err
	}
	p, err := newPage(action, in.MaxResults, in.NextToken, in.NetworkAclIds)
	if err != nil {
		return nil, err
	}
	r := s.read(c)
	all := networkACLs(r)
	for _, id := range in.NetworkAclIds {
		if !wellFormed("acl", id) {
			return nil, resource.Errorf("InvalidNetworkAclId.Malformed", "Invalid id: %q (expecting \"acl-...\")", resource.Clip(id))
		}
		if !slices.ContainsFunc(all, func(v networkACL) bool { return v.id == id }) {
			return nil, resource.Errorf("InvalidNetworkAclID.NotFound", "The networkAcl ID '%s' does not exist", id)
		}
	}
	if err := checkDryRun(in.DryRun); err != nil {
		return nil, err
	}
	if len(in.NetworkAclIds) > 0 {
		all = slices.DeleteFunc(all, func(v networkACL) bool { return !slices.Contains(in.NetworkAclIds, v.id) })
	}
	key := func(v *networkACL) string { return v.id }
	found, next := take(p, chosen.filter(r, sorted(all, key)), key)
	return &model.DescribeNetworkAclsOutput{NetworkAcls: answers(found, networkACLAnswer), NextToken: next}, nil
}
